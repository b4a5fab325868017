"""Does batch norm make the scale of the weights matter little, and on which side of the activation?

A widely read article shows ten layers of 500 tanh units that batch norm keeps alive from weights of any scale, with the batch
norm before the activation. You will see it: with batch norm before, every layer's activations have a standard deviation of
0.63, that of tanh(z) for a normal z, whether the weights are drawn with a standard deviation of 0.01, 0.045 or 1. After the
activation, batch norm repairs the size of the signal, but not what tanh has done to it: that still depends on the scale. In
the last column such networks, 64 wide, learn the digits: with large weights slowly even with batch norm, for a step moves
them little.

    python examples/batchnorm_rescues.py
    python examples/batchnorm_rescues.py --quick --depth 6
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import data, flow, init, nn, optim, plot, training
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

PLACES = ["none", "before", "after"]
TITLES = {"none": "Without batch norm", "before": "Batch norm before tanh", "after": "Batch norm after tanh"}


def build(sizes: Sequence[int], std: float, place: str, seed: int) -> nn.Sequential:
    rng, layers = Generator(seed), list[nn.Module]()
    for n_in, n_out in pairwise(sizes):
        layers.append(nn.Linear(n_in, n_out, weight_init=init.Normal(0, std), rng=rng))
        if place == "before":
            layers.append(nn.BatchNorm1d(n_out))
        layers.append(nn.Tanh())
        if place == "after":
            layers.append(nn.BatchNorm1d(n_out))
    return nn.Sequential(*layers)


def look(std: float, place: str, depth: int, seed: int, samples: int = 1000) -> dict[str, Any]:
    """One pass through `depth` layers of 500: per layer the std of tanh's outputs and the fraction of them that is saturated,
    and the gradient's std relative to the last layer's; and the first weights' gradient, relative to these weights."""
    x, direction = Generator(seed).stream("data").normal((2, samples, 500))
    model = build([500] * (depth + 1), std, place, seed)
    report = flow.measure(model, x, loss=lambda y: (y * direction).sum())
    tanhs = [r for r in report if r.kind == "Tanh"]
    gradients = np.array([r.grad_std for r in tanhs], dtype=float)
    return {
        "std": [r.out_std for r in tanhs],
        "saturated": [r.saturated for r in tanhs],
        "gradient": (gradients / gradients[-1]).tolist(),
        "step": report["0"].update_ratio,
    }


def learn(scale: float, place: str, depth: int, epochs: int, seed: int, digits: data.Split) -> float:
    """The accuracy on the test set of a network 64 wide; `scale` is the weights' std for 500 inputs, here for 64."""
    model = build([64] * depth, scale * (500 / 64) ** 0.5, place, seed)
    head = nn.Linear(64, 10, rng=seed)
    model = nn.Sequential(*model, head)
    *_, last = training.epochs(model, digits, optim.SGD(model.parameters(), lr=0.1), epochs, rng=seed)
    return last.accuracy


def draw(found: dict, scales: Sequence[float]) -> Any:
    figure = plot.new_figure(10, 6.4)
    axes = figure.subplots(2, 3, sharex=True, sharey="row")
    for column, place in enumerate(PLACES):
        for i, scale in enumerate(scales):
            seen = found[place, scale]
            style = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": 9 - 3 * i, "label": f"std {scale:g}"}
            layers = range(1, len(seen["std"]) + 1)
            axes[0, column].plot(layers, seen["std"], **style)
            axes[1, column].plot(layers, seen["gradient"], **style)
        axes[0, column].set(title=TITLES[place], ylim=(0, 1.05))
        axes[1, column].set(xlabel="layer", yscale="log")
        axes[1, column].set_xticks(list(layers))
    axes[0, 0].set_ylabel("std of tanh's outputs")
    axes[1, 0].set_ylabel("gradient there, relative to the last")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(scales), title="weights")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "batchnorm_rescues.png")
    parser.add_argument("--depth", type=positive_integer, default=10, help="layers, default: 10")
    parser.add_argument("--scales", type=float, nargs="+", default=[0.01, 0.045, 1.0], help="default: 0.01 0.045 1")
    args = parser.parse_args(arguments)
    if len(args.scales) > len(plot.COLOURS) or not all(0 < scale < 1e6 for scale in args.scales):
        parser.error("--scales takes up to six numbers above 0")
    samples, epochs, seeds = (200, 2, 1) if args.quick else (1000, 10, 3)
    digits, found, right = data.digits(), {}, {}
    for place, scale in progress([(place, scale) for place in PLACES for scale in args.scales], desc="networks"):
        found[place, scale] = look(scale, place, args.depth, args.seed, samples)
        accuracies = [learn(scale, place, args.depth, epochs, args.seed + i, digits) for i in range(seeds)]
        right[place, scale] = f"{100 * np.mean(accuracies):.1f} +- {100 * np.std(accuracies):.1f}"
    print(f"{args.depth} layers of 500 tanh units; and of 64, {epochs} epochs on the digits (seeds: {seeds})\n")
    rows = []
    for (place, scale), seen in found.items():
        ends = seen["std"][0], seen["std"][-1], seen["saturated"][-1], seen["gradient"][0]
        rows.append([place, f"{scale:g}", *ends, right[place, scale]])
    titles = [
        "batch norm",
        "weights",
        "std, layer 1",
        "last layer",
        "saturated there",
        "gradient, first/last",
        "% right on test",
    ]
    table(titles, rows)
    plot.picture(args.out, draw, found, args.scales)


if __name__ == "__main__":
    main()
