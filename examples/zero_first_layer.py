"""If only the first layer starts at zero, does its gradient vanish? The gradient of every layer, at the first step and later.

In an article a chatbot says that a network whose first layer is zero and whose later layers are not gets very small
gradients at first. The chain rule says otherwise. What comes back to the first layer is the error times the weights of the
layers above and the slopes of their activations, and at an input of 0 a tanh has its largest slope, 1. The weights of the
later layers get nothing, for a gradient is an error times an input, and their input is 0; but only at the first step. With
ReLU the slope at 0 is 0: there the gradient is not small, it is 0, and so it stays.

You will see the norm of each layer's gradient on real digits, against that of random weights, and what training makes of it.

    python examples/zero_first_layer.py
    python examples/zero_first_layer.py --quick --depth 10
"""

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minidl import data, functional, nn, optim, plot, training
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
FIRST = {"random": nn.init.XavierUniform(), "first layer at 0": 0}  # the initializers of the first layer
WIDTH = 64


class Result(NamedTuple):
    before: list[float]  # the norms of the gradients of all training data, for the weights of each layer
    later: list[float]  # after one epoch
    accuracy: float  # on the test set, after training


@functools.cache
def trained(first: str, activation: str, depth: int, epochs: int = 5, seed: int = 0) -> Result:
    rng, digits = Generator(seed), data.digits()
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise([64] + [WIDTH] * (depth - 1) + [10]):
        initializer = nn.init.XavierUniform() if layers else FIRST[first]
        layers += [nn.Linear(n_in, n_out, weight_init=initializer, rng=rng), ACTIVATIONS[activation]()]
    model = nn.Sequential(*layers[:-1])
    run = training.epochs(model, digits, optim.SGD(model.parameters(), lr=0.1, momentum=0.9), epochs, rng=seed)
    next(run)
    before = gradients(model, digits)
    next(run)
    later = gradients(model, digits)
    *_, last = run
    return Result(before, later, last.accuracy)


def gradients(model: Any, digits: data.Split) -> list[float]:
    """The norms of the gradients of all training data, for the weights of each layer."""
    for parameter in model.parameters():
        parameter.grad = None
    functional.cross_entropy(model(digits.x_train), digits.y_train).backward()
    return [float(np.linalg.norm(p.grad)) for name, p in model.named_parameters() if name.endswith("weight")]


def expected() -> float:
    """Root mean square of the norm of the first layer's gradient, if it is 0, the others are Xavier's and f'(0) = 1.

    Its outputs are 0 then, and all others; every class has the probability p = 1/10. The gradient is W^T C: W is the product of
    the later weights, and C = <(p - y) x^T>, a mean over the data. A layer of n inputs and m outputs sends back n var(w) =
    2 n / (n + m) times the mean square of what comes to it: 1 for the square ones, 128 / 74 for the last.
    """
    digits = data.digits()
    errors = 0.1 - np.eye(10)[digits.y_train]
    c = errors.T @ digits.x_train / len(errors)
    return float(np.linalg.norm(c) * (2 * WIDTH / (WIDTH + 10)) ** 0.5)


def draw(results: dict[tuple[str, str], list[Result]], depth: int) -> Any:
    figure = plot.new_figure(12, 4)
    panels = figure.subplots(1, len(ACTIVATIONS))
    layers = range(1, depth + 1)
    for axes, activation in zip(panels, ACTIVATIONS, strict=True):
        random, zero = (results[activation, first] for first in FIRST)
        series = {
            "random, first step": [r.before for r in random],
            "first layer at 0, first step": [r.before for r in zero],
            "first layer at 0, after an epoch": [r.later for r in zero],
        }
        for i, (label, norms) in enumerate(series.items()):
            style: dict[str, Any] = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": 7 - i, "label": label}
            axes.plot(layers, np.mean(norms, axis=0), **style)
        axes.set_yscale("symlog", linthresh=1e-3)
        axes.set(ylim=(-1e-4, 5), xticks=layers, xlabel="layer", title=activation)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("norm of the weights' gradient")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "zero_first_layer.png")
    parser.add_argument("--depth", type=positive_integer, default=5, help="linear layers, at least 2, default: 5")
    args = parser.parse_args(arguments)
    if args.depth < 2:
        parser.error("--depth must be at least 2: the first layer is not to be the last")
    epochs, count = (1, 2) if args.quick else (5, 8)
    seeds = range(args.seed, args.seed + count)
    cases = [(activation, depth, first) for activation in ACTIVATIONS for depth in sorted({2, args.depth}) for first in FIRST]
    rows, shown = [], {}
    for activation, depth, first in progress(cases, desc="trainings"):
        results = [trained(first, activation, depth, epochs, seed) for seed in seeds]
        norms = np.array([r.before for r in results])
        spread = f"{norms[:, 0].mean():.2g} +- {norms[:, 0].std(ddof=1):.1g}"
        ends = [norms[:, -1].mean(), np.mean([r.later[0] for r in results])]
        rows.append([activation, f"{depth}", first, spread, *ends, f"{np.mean([r.accuracy for r in results]):.1%}"])
        shown[activation, first] = results  # at last those of --depth
    print(f"Digits, {WIDTH} wide, seeds: {count}. Norm of the weights' gradient, mean and standard deviation; accuracy")
    print(f"on the test set, epochs: {epochs}. Expected of the first layer at 0, with tanh, at any depth: {expected():.3f}\n")
    table(["", "depth", "weights", "first layer", "last", "first layer, later", "accuracy"], rows)
    plot.picture(args.out, draw, shown, args.depth)


if __name__ == "__main__":
    main()
