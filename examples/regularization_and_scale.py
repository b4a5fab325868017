"""Do regularization and initialization work together? Heat maps: weight decay or dropout x weight scale -> accuracy.

An article says that regularization and initialization belong together. Here a network with one hidden layer learns
200 digits by heart, from weights of many scales, and is tested on 359 others. You will see that it always learns the 200, and
that without weight decay the held-out accuracy falls as the initial weights grow: their noise stays in the network for ever.
Weight decay makes it forget its initialization, and with the right amount all scales do equally well. Too much, and it forgets
the digits, too. Dropout closes the gap in another way: the first layer keeps its initial weights, and the output learns to do
with any part of their noise.

    python examples/regularization_and_scale.py
    python examples/regularization_and_scale.py --quick --activation relu
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl import data, init, nn, optim, plot, training
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
LR, MOMENTUM, BATCH, SAMPLES = 0.05, 0.9, 50, 200


def outcomes(activation: str, scale: float, decay: float, dropout: float, epochs: int, seeds: Sequence[int]) -> np.ndarray:
    """Of each seed: the last training loss, the accuracy on the test set, and how much of the first layer's initial weights is
    left in its weights, <W, W_0> / <W_0, W_0>.

    The weights are normal with variance scale² / n.
    """
    digits = data.digits()
    few = digits._replace(x_train=digits.x_train[:SAMPLES], y_train=digits.y_train[:SAMPLES])
    initializer = init.VarianceScaling(scale**2, "fan_in", "normal")
    found = []
    for seed in seeds:
        rng = Generator(seed)
        hidden = nn.Linear(64, 128, weight_init=initializer, rng=rng)
        output = nn.Linear(128, 10, weight_init=initializer, rng=rng)
        model = nn.Sequential(hidden, ACTIVATIONS[activation](), nn.Dropout(dropout, rng=rng), output)
        optimizer = optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=decay)
        initial = hidden.weight.data.copy()
        *_, last = training.epochs(model, few, optimizer, epochs, batch_size=BATCH, rng=seed)
        found.append((last.loss, last.accuracy, np.vdot(initial, hidden.weight.data) / np.vdot(initial, initial)))
    return np.array(found)


def draw(maps: dict[str, tuple[Sequence[float], np.ndarray]], scales: Sequence[float], activation: str) -> Any:
    figure = plot.new_figure(12, 4.8)
    for axes, (name, (amounts, right)) in zip(figure.subplots(1, len(maps)), maps.items(), strict=True):
        image = axes.imshow(100 * right, origin="lower", cmap="viridis", vmin=70, vmax=95, aspect="auto")
        for (i, j), accuracy in np.ndenumerate(right):
            colour = "black" if accuracy > 0.85 else "white"
            axes.text(j, i, f"{100 * accuracy:.1f}", ha="center", va="center", color=colour, fontsize=9)
        axes.set_xticks(range(len(scales)), [f"{scale:g}" for scale in scales])
        axes.set_yticks(range(len(amounts)), [f"{amount:g}" for amount in amounts])
        axes.set(xlabel="initial weight scale: std times √n", ylabel=name)
    figure.suptitle(f"Right on the test set, in %: a {activation} network that learned {SAMPLES} digits")
    figure.colorbar(image, ax=figure.axes, label="%", extend="min")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "regularization_and_scale.png")
    parser.add_argument("--activation", choices=ACTIVATIONS, default="tanh", help="default: tanh")
    parser.add_argument("--epochs", type=positive_integer, help="default: 150, or 60 with --quick")
    args = parser.parse_args(arguments)
    scales, seeds = [0.5, 1, 2, 4, 8, 16], 3
    amounts = {"weight decay": [0, 0.001, 0.003, 0.01, 0.03, 0.1], "dropout": [0, 0.2, 0.4, 0.6, 0.8, 0.9]}
    if args.quick:
        scales, seeds, amounts = [1, 16], 1, {"weight decay": [0, 0.01, 0.1], "dropout": [0, 0.5]}
    epochs = args.epochs or (60 if args.quick else 150)
    chosen = range(args.seed, args.seed + seeds)
    found = {name: np.empty((3, len(values), len(scales))) for name, values in amounts.items()}
    cells = [(name, i, j) for name, values in amounts.items() for i in range(len(values)) for j in range(len(scales))]
    for name, i, j in progress(cells, desc="training"):
        decay, dropout = (amounts[name][i], 0) if name == "weight decay" else (0, amounts[name][i])
        found[name][:, i, j] = outcomes(args.activation, scales[j], decay, dropout, epochs, chosen).mean(axis=0)
    print(f"After {epochs} epochs; columns: initial weight scale, std times sqrt(n)")
    for name, (losses, right, left) in found.items():
        results = {
            "Loss on the training set": losses,
            "Right on the test set, %": 100 * right,
            "Left of the initial weights": left,
        }
        for what, values in results.items():
            print(f"\n{what}")
            rows = [[f"{amount:g}", *line] for amount, line in zip(amounts[name], values, strict=True)]
            table([name, *(f"{scale:g}" for scale in scales)], rows)
    plot.picture(args.out, draw, {name: (amounts[name], found[name][1]) for name in found}, scales, args.activation)


if __name__ == "__main__":
    main()
