"""Do weight decay and initialization work together? A heat map: weight decay x weight scale -> held-out accuracy.

A widely read article says that regularization and initialization belong together. Here a network with one hidden layer learns
200 digits by heart, from weights of many scales, and is tested on 359 others. You will see that it always learns the 200, and
that without weight decay the held-out accuracy falls as the initial weights grow: their noise stays in the network for ever.
Weight decay makes it forget its initialization, and with the right amount all scales do equally well. Too much, and it forgets
the digits, too.

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


def outcome(activation: str, scale: float, decay: float, epochs: int, seeds: Sequence[int]) -> np.ndarray:
    """Means over the seeds: the last training loss, the accuracy on the test set, and how much of the first layer's initial
    weights is left in its weights, <W, W_0> / <W_0, W_0>.

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
        model = nn.Sequential(hidden, ACTIVATIONS[activation](), output)
        optimizer = optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=decay)
        initial = hidden.weight.data.copy()
        *_, last = training.epochs(model, few, optimizer, epochs, batch_size=BATCH, rng=seed)
        found.append((last.loss, last.accuracy, np.vdot(initial, hidden.weight.data) / np.vdot(initial, initial)))
    return np.mean(found, axis=0)


def draw(right: np.ndarray, decays: Sequence[float], scales: Sequence[float], activation: str) -> Any:
    figure = plot.new_figure(8, 4.8)
    axes = figure.subplots()
    image = axes.imshow(100 * right, origin="lower", cmap="viridis", vmin=70, vmax=95, aspect="auto")
    for (i, j), accuracy in np.ndenumerate(right):
        colour = "black" if accuracy > 0.85 else "white"
        axes.text(j, i, f"{100 * accuracy:.1f}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(scales)), [f"{scale:g}" for scale in scales])
    axes.set_yticks(range(len(decays)), [f"{decay:g}" for decay in decays])
    axes.set(xlabel="initial weight scale: std times √n", ylabel="weight decay")
    axes.set_title(f"Right on the test set, in %: a {activation} network that learned {SAMPLES} digits")
    figure.colorbar(image, label="%", extend="min")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "regularization_and_scale.png")
    parser.add_argument("--activation", choices=ACTIVATIONS, default="tanh", help="default: tanh")
    parser.add_argument("--epochs", type=positive_integer, help="default: 150, or 60 with --quick")
    args = parser.parse_args(arguments)
    scales, decays, seeds = [0.5, 1, 2, 4, 8, 16], [0, 0.001, 0.003, 0.01, 0.03, 0.1], 3
    if args.quick:
        scales, decays, seeds = [1, 4, 16], [0, 0.01, 0.1], 1
    epochs = args.epochs or (60 if args.quick else 150)
    losses, right, left = np.empty((3, len(decays), len(scales)))
    for i, j in progress([(i, j) for i in range(len(decays)) for j in range(len(scales))], desc="training"):
        chosen = range(args.seed, args.seed + seeds)
        losses[i, j], right[i, j], left[i, j] = outcome(args.activation, scales[j], decays[i], epochs, chosen)
    titles = ["weight decay", *(f"{scale:g}" for scale in scales)]
    print(f"After {epochs} epochs; columns: initial weight scale, std times sqrt(n)")
    results = {"Loss on the training set": losses, "Right on the test set, %": 100 * right, "Left of the initial weights": left}
    for what, values in results.items():
        print(f"\n{what}")
        table(titles, [[f"{decay:g}", *line] for decay, line in zip(decays, values, strict=True)])
    plot.picture(args.out, draw, right, decays, scales, args.activation)


if __name__ == "__main__":
    main()
