"""A whole training step of three convolutional networks, in microseconds: minidl beside PyTorch.

python -m benchmarks.conv_step [--threads 2] [--quick]

The networks are LeNet on images of 28 x 28 and of 8 x 8 pixels, and the residual network of 20 layers on 8 x 8 (He et al.,
2016, section 4.2, with projections where the shape changes). One function writes each of them, for either library's `nn`,
and PyTorch gets minidl's weights. As in `training_step.py` the losses of the first 20 steps must agree to 1e-4, and they
take turns.
"""

from collections.abc import Callable
from typing import Any

from benchmarks import compare, steps

BATCH, RATE = 64, 1e-4
TIMES = {"network": "", "minidl": ",.0f", "torch": ",.0f", "/torch": ".2f"}


def lenet(nn: Any, size: int) -> Any:
    """LeCun et al., 1998, with ReLU and max pooling; the filters are 5 x 5, or 3 x 3 where the image is small."""
    kernel, side = (5, (size - 4) // 2 - 4) if size > 8 else (3, size // 2)
    padding = 0 if size > 8 else 1
    layers = [nn.Conv2d(1, 6, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(6, 16, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    layers += [nn.Linear(16 * (side // 2) ** 2, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*layers)


def block(nn: Any, n_in: int, n_out: int, stride: int) -> Any:
    """relu(x + f(x)), with two convolutions in f; where the shapes differ, with one of 1 x 1 beside them."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            layers = [nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
            layers += [nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)]
            self.branch, self.shortcut = nn.Sequential(*layers), nn.Identity()
            if stride > 1:
                self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

        def forward(self, x):
            return nn.functional.relu(self.branch(x) + self.shortcut(x))

    return Block()


def resnet(nn: Any, size: int) -> Any:
    """A convolution, three stages of three blocks, and a linear layer: 1 + 18 + 1 layers."""
    layers = [nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    layers += [block(nn, 16, 16, 1) for _ in range(3)]
    for n in (32, 64):
        layers += [block(nn, n // 2, n, 2), block(nn, n, n, 1), block(nn, n, n, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


NETWORKS: dict[str, tuple[Callable[[Any, int], Any], int]] = {
    "lenet 28x28": (lenet, 28),
    "lenet 8x8": (lenet, 8),
    "resnet20 8x8": (resnet, 8),
}


def step_of(nn: Any, optim: Any, model: Any, x: Any, y: Any, **options: Any) -> steps.Step:
    """A step with SGD, in the words that both libraries understand."""
    criterion, optimizer = nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=RATE, momentum=steps.MOMENTUM, **options)

    def step():
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def calls_of(name: str, torch: Any = None) -> dict[str, Callable[[], object]]:
    """A warm step of each library, from the same weights on the same images."""
    import minidl
    from minidl import nn, optim
    from minidl.random import Generator

    build, size = NETWORKS[name]
    minidl.manual_seed(0)
    model, rng = build(nn, size), Generator(1)
    x, y = rng.normal((BATCH, 1, size, size)), rng.integers(0, steps.CLASSES, BATCH)
    weights = {name: value.copy() for name, value in model.state_dict().items()}
    calls = {"minidl": step_of(nn, optim, model, minidl.Tensor(x), y)}
    if torch:
        peer = build(torch.nn, size)
        peer.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        calls["torch"] = step_of(torch.nn, torch.optim, peer, torch.from_numpy(x), torch.from_numpy(y), fused=True)
        ours, theirs = ([float(step()) for _ in range(20)] for step in calls.values())
        if wrong := steps.first_difference(theirs, ours):
            losses = f"{theirs[wrong - 1]:.6f}, minidl's {ours[wrong - 1]:.6f}"
            print(f"WRONG: torch in {name}: the loss of step {wrong} is {losses}; left out")
            del calls["torch"]
    return calls


def main():
    args = compare.options(__doc__, "conv_step")
    torch = compare.torch_if_installed(args.threads)

    from minidl.script import progress

    rows: list[dict[str, Any]] = []
    for name in progress(NETWORKS, unit="network"):
        seconds = compare.alternate(calls_of(name, torch), args.rounds)
        rows.append({"network": name} | {library: 1e6 * s for library, s in seconds.items()} | compare.ratios(seconds))
    lines = []
    if all("/torch" in row for row in rows):
        found = [row["/torch"] for row in rows]
        lines = [f"minidl / torch: geometric mean {compare.geometric_mean(found):.2f}, least {min(found):.2f}"]
    compare.report(args, "microseconds", compare.table(rows, TIMES), *lines)


if __name__ == "__main__":
    main()
