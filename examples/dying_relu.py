"""Does a small positive bias keep ReLUs alive, and what does it do to the first epoch? Dead units counted, on real digits.

An article initializes biases with 0 or a small positive number, which is to keep ReLUs from dying. A unit is dead if
no image of the training set gets through it: then no gradient does, either, and it stays as it is. You will see that with He's
initializer few units are dead from the beginning, whatever the bias, and that a bias of 0.1 does help where the initialization
is harsher: with weights whose mean is below 0, or a bias that is. A large learning rate kills as well, long afterwards.
The article adds that such a bias does not affect early training: that holds for 0.01, but not for 0.1, let alone 1.

    python examples/dying_relu.py
    python examples/dying_relu.py --quick --depth 8
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import data, flow, init, nn, optim, plot, training
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

WIDTH = 64
INITIALIZERS = {
    "He": init.HeNormal(),
    "std 0.01": init.Normal(0, 0.01),
    "He, mean -0.1": init.Normal(-0.1, math.sqrt(2 / WIDTH)),
}
BIASES = [-1.0, 0.0, 0.01, 0.1, 1.0]
RATES = [0.1, 0.3, 0.6]


def build(initializer: Any, bias: float, depth: int, seed: int) -> nn.Sequential:
    rng, layers = Generator(seed), list[nn.Module]()
    for n_in, n_out in pairwise([64] + [WIDTH] * (depth - 1)):
        layers += [nn.Linear(n_in, n_out, weight_init=initializer, bias_init=bias, rng=rng), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 10, weight_init=initializer, rng=rng))


def dead(model: nn.Module, x: np.ndarray) -> list[float]:
    """The fraction of units that no input activates, of each hidden layer; of a model that diverged, all."""
    finite = all(np.isfinite(parameter.data).all() for parameter in model.parameters())
    return [r.dead if finite else 1.0 for r in flow.measure(model, x) if r.dead is not None]


def experiment(depth: int, epochs: int, seeds: Sequence[int]) -> tuple[dict, dict]:
    """Dead units before training, by initializer and bias; and after it with He's, with the accuracy, by bias and rate."""
    digits = data.digits()
    before = {
        (name, bias): np.mean([dead(build(initializer, bias, depth, seed), digits.x_train) for seed in seeds])
        for name, initializer in INITIALIZERS.items()
        for bias in BIASES
    }
    after = {}
    for bias, rate in progress([(bias, rate) for bias in BIASES for rate in RATES], desc="training"):
        found = []
        for seed in seeds:
            model = build(init.HeNormal(), bias, depth, seed)
            *_, last = training.epochs(model, digits, optim.SGD(model.parameters(), lr=rate), epochs, rng=seed)
            found.append((float(np.mean(dead(model, digits.x_train))), last.accuracy))
        after[bias, rate] = np.mean(found, axis=0)
    return before, after


def first_epoch(bias: float, depth: int, seeds: Sequence[int]) -> list[float]:
    """The loss after one epoch, from He's initializer, of each seed."""
    losses = []
    for seed in seeds:
        model = build(init.HeNormal(), bias, depth, seed)
        *_, last = training.epochs(model, data.digits(), optim.SGD(model.parameters(), lr=0.1), 1, rng=seed)
        losses.append(last.loss)
    return losses


def draw(before: dict, after: dict, early: dict[float, list[float]]) -> Any:
    figure = plot.new_figure(13, 4)
    left, right, losses = figure.subplots(1, 3)
    places = np.arange(len(BIASES))
    untrained = {name: [before[name, bias] for bias in BIASES] for name in INITIALIZERS}
    trained = {f"lr {rate}": [after[bias, rate][0] for bias in BIASES] for rate in RATES}
    groups = (
        (left, untrained, "Before training, by initializer"),
        (right, trained, "After training from He's, by learning rate"),
    )
    for axes, bars, title in groups:
        for i, (label, fractions) in enumerate(bars.items()):
            axes.bar(places + 0.27 * (i - 1), 100 * np.array(fractions), 0.25, color=plot.COLOURS[i], label=label)
        axes.set(title=title, xlabel="initial value of every hidden bias", ylim=(0, 118), yticks=range(0, 101, 20))
        axes.set_xticks(places, [f"{bias:g}" for bias in BIASES])
        axes.legend(fontsize=8, ncols=3, loc="upper center")
    left.set_ylabel("dead units, % (diverged: 100)")
    for i, found in enumerate(early.values()):
        losses.plot([i] * len(found), found, "o", color=plot.COLOURS[0], alpha=0.3, markersize=4)
    means = [np.mean(found) for found in early.values()]
    losses.plot(means, marker="D", color=plot.COLOURS[1], label="mean of the seeds")
    losses.set(title="Loss after one epoch from He's, lr 0.1", xlabel="initial value of every hidden bias", ylim=(0, None))
    losses.set(xticks=range(len(early)), xticklabels=[f"{bias:g}" for bias in early], ylabel="cross-entropy")
    losses.legend(fontsize=8)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "dying_relu.png")
    parser.add_argument("--depth", type=positive_integer, default=5, help="linear layers, at least 2, default: 5")
    args = parser.parse_args(arguments)
    if args.depth < 2:
        parser.error("--depth must be at least 2: without a hidden layer there is no ReLU")
    epochs, seeds = (2, 1) if args.quick else (5, 5)
    before, after = experiment(args.depth, epochs, range(args.seed, args.seed + seeds))
    print(f"Dead units, in % of the hidden ones: {args.depth} layers, {WIDTH} wide, mean of seeds: {seeds}\n\nBefore training")
    titles = [f"bias {b:g}" for b in BIASES]
    table(["weights", *titles], [[name, *(f"{100 * before[name, b]:.1f}" for b in BIASES)] for name in INITIALIZERS])
    print(f"\nAfter {epochs} epochs with He's initializer: dead / right on the test set, in %")
    cells = [[f"{r:g}", *(f"{100 * after[b, r][0]:.1f} / {100 * after[b, r][1]:.1f}" for b in BIASES)] for r in RATES]
    table(["lr", *titles], cells)
    seeds = 4 if args.quick else 64
    early = {
        bias: first_epoch(bias, args.depth, range(args.seed, args.seed + seeds)) for bias in progress(BIASES, desc="early")
    }
    print(f"\nLoss after one epoch, lr 0.1, He's initializer, seeds: {seeds}; the change is that of the same seed")
    spreads = [f"{np.mean(early[b]):.3f} +- {np.std(early[b], ddof=1):.3f}" for b in BIASES]
    changes = [f"{np.mean(np.subtract(early[b], early[0.0])):+.3f}" for b in BIASES]
    table(["", *titles], [["loss, std", *spreads], ["change from bias 0", *changes]])
    plot.picture(args.out, draw, before, after, early)


if __name__ == "__main__":
    main()
