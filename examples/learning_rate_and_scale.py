"""Do learning rate and initialization belong together? Heat maps: learning rate x weight scale -> final loss.

An article says that they should be chosen together, and that methods with adaptive learning rates help. Here one ReLU
network learns real digits from weights of many scales at many learning rates: by plain gradient descent, with momentum, and
with two adaptive methods, Adam and RMSprop. You will see a valley that slopes: the larger the weights, the smaller the
learning rate they bear, and no rate of plain descent makes up for weights that are far too small. Momentum 0.9 mostly moves
the valley, to rates ten times smaller. With Adam and RMSprop it is level and wide, for their steps are about as long as the
rate, however small or large the gradient is: one rate serves most scales, even weights far too small. Weights far too large
still learn next to nothing, and the rate still has to be chosen.

    python examples/learning_rate_and_scale.py
    python examples/learning_rate_and_scale.py --quick --activation tanh
"""

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import data, init, nn, optim, plot, training
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
GUESSING = np.log(10)
SIZES = [64, 64, 64, 64, 64, 10]
OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "SGD": optim.SGD,
    "SGD, momentum 0.9": functools.partial(optim.SGD, momentum=0.9),
    "Adam": optim.Adam,
    "RMSprop": optim.RMSprop,
}


def final_losses(activation: str, scale: float, optimizer: str, lr: float, epochs: int, seeds: Sequence[int]) -> list[float]:
    """The loss on the training set with each seed; that of guessing at best counts where it is larger, or NaN.

    The weights are normal with variance scale² / n.
    """
    digits, losses = data.digits(), []
    initializer = init.VarianceScaling(scale**2, "fan_in", "normal")
    for seed in seeds:
        rng, layers = Generator(seed), list[nn.Module]()
        for n_in, n_out in pairwise(SIZES):
            layers += [nn.Linear(n_in, n_out, weight_init=initializer, rng=rng), ACTIVATIONS[activation]()]
        model = nn.Sequential(*layers[:-1])
        *_, last = training.epochs(model, digits, OPTIMIZERS[optimizer](model.parameters(), lr=lr), epochs, rng=seed)
        losses.append(min(last.loss, GUESSING) if np.isfinite(last.loss) else GUESSING)
    return losses


def draw(maps: dict[str, np.ndarray], rates: Sequence[float], scales: Sequence[float], activation: str) -> Any:
    figure = plot.new_figure(10, 4.8 * len(maps) / 2)
    panels = figure.subplots(len(maps) // 2, 2, sharex=True, sharey=True)
    for axes, (name, losses) in zip(panels.flat, maps.items(), strict=True):
        image = axes.imshow(losses, origin="lower", cmap="viridis_r", vmin=0, vmax=GUESSING, aspect="auto")
        best = losses.argmin(axis=0)
        for column, row in enumerate(best):
            if losses[row, column] < GUESSING - 0.5:
                axes.plot(column, row, "*", color=plot.COLOURS[1], markersize=11, markeredgecolor="white")
        axes.set_xticks(range(len(scales)), [f"{scale:g}" for scale in scales])
        axes.set_yticks(range(len(rates)), [f"{rate:.2g}" for rate in rates])
        axes.set_title(name)
    figure.supxlabel("weight scale: std times √n", fontsize=10)
    figure.supylabel("learning rate", fontsize=10)
    figure.colorbar(image, ax=figure.axes, label="final loss (2.3 and above: nothing learned)")
    figure.suptitle(f"{len(SIZES) - 1}-layer {activation} network; star: the best rate for each scale")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "learning_rate_and_scale.png")
    parser.add_argument("--activation", choices=ACTIVATIONS, default="relu", help="default: relu")
    parser.add_argument("--epochs", type=positive_integer, help="default: 5, or 3 with --quick")
    args = parser.parse_args(arguments)
    scales, steps, seeds = ([0.5, 1, 2, 4], 4, 1) if args.quick else ([0.1, 0.3, 0.5, 0.7, 1, 1.4, 2, 2.8, 4, 8], 8, 2)
    rates = [10**exponent for exponent in np.linspace(-3.5, 0, steps)]
    epochs = args.epochs or (3 if args.quick else 5)
    chosen = range(args.seed, args.seed + seeds)
    maps = {name: np.empty((len(rates), len(scales))) for name in OPTIMIZERS}
    cells = [(name, i, j) for name in maps for i in range(len(rates)) for j in range(len(scales))]
    for name, i, j in progress(cells, desc="training"):
        maps[name][i, j] = np.mean(final_losses(args.activation, scales[j], name, rates[i], epochs, chosen))
    for name, losses in maps.items():
        print(f"\nFinal loss with {name}, {epochs} epochs; columns: weight scale, std times sqrt(n)")
        table(["lr", *(f"{scale:g}" for scale in scales)], [[f"{r:.2g}", *line] for r, line in zip(rates, losses, strict=True)])
    plot.picture(args.out, draw, maps, rates, scales, args.activation)


if __name__ == "__main__":
    main()
