"""What examples/zero_vs_xavier.py trains and prints, written for PyTorch: `start_to_end.py` runs both, from start to end.

The same networks, initializers, epochs, batches and digits; without the picture. Its random numbers are PyTorch's own. The
batches are cut from shuffled indices: a torch DataLoader, which collects sample by sample, would take longer.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

SIZES, EPOCHS, BATCH, TESTS = (64, 64, 64, 64, 10), 15, 64, 359


def digits():
    with np.load(Path(__file__).parents[1] / "minidl" / "datasets" / "digits.npz") as archive:
        images, labels = archive["images"], archive["labels"]
    order = torch.randperm(len(images))
    x, y = torch.from_numpy(images).float()[order] / 16, torch.from_numpy(labels).long()[order]
    return x[TESTS:], y[TESTS:], x[:TESTS], y[:TESTS]


def distinct_units(layer):
    return len(torch.unique(torch.column_stack([layer.weight, layer.bias]).detach(), dim=0))


def train(name, fill, data):
    x_train, y_train, x_test, y_test = data
    modules = [module for m, n in pairwise(SIZES) for module in (torch.nn.Linear(m, n), torch.nn.Tanh())]
    model, layers = torch.nn.Sequential(*modules[:-1]), modules[::2]
    for layer in layers:
        fill(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @torch.no_grad()
    def training_loss():
        return criterion(model(x_train), y_train).item()

    gradients: list[tuple[float, float]] = []
    losses, before = [training_loss()], [distinct_units(layer) for layer in layers]
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x_train)).split(BATCH):
            optimizer.zero_grad()
            criterion(model(x_train[batch]), y_train[batch]).backward()
            if not gradients:
                gradients = [(layer.weight.grad.norm().item(), layer.bias.grad.norm().item()) for layer in layers]
            optimizer.step()
        losses.append(training_loss())
    with torch.no_grad():
        accuracy = (model(x_test).argmax(dim=1) == y_test).float().mean().item()

    print(f"\n{name}: loss {losses[0]:.3f} -> {losses[-1]:.3f}, test accuracy {accuracy:.1%}")
    for i, layer in enumerate(layers):
        weights, biases = gradients[i]
        print(f"  {i + 1}  {weights:12.3g}{biases:12.3g}{before[i]:9}{distinct_units(layer):9}")


if __name__ == "__main__":
    torch.manual_seed(0)
    everything = digits()
    train("zeros", torch.nn.init.zeros_, everything)
    train("xavier_uniform", torch.nn.init.xavier_uniform_, everything)
