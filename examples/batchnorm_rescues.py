"""Does batch norm make the scale of the weights matter little, on which side of the activation, and is it Gaussian?

An article shows ten layers of 500 tanh units that batch norm keeps alive from weights of any scale, with the batch
norm before the activation, and calls it a Gaussian normalization. You will see it: with batch norm before, every layer's
activations have a standard deviation of 0.63, that of tanh(z) for a normal z, whether the weights are drawn with a standard
deviation of 0.01, 0.045 or 1. After the activation, batch norm repairs the size of the signal, but not what tanh has done to
it: that still depends on the scale, and the histograms show it. In the last columns such networks, 64 wide, learn the digits.
Large weights learn slowly even with batch norm, for a step moves them little, and small ones are moved too far; with a learning
rate that goes with the square of their scale, all of them learn alike.

Gaussian, it makes nothing: it changes the mean and the standard deviation of what comes in, and never the shape.

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
RATE = 0.1


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
    and the gradient's std relative to the last layer's; the last layer's histogram; and the first weights' gradient, relative
    to these weights."""
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
        "histogram": tanhs[-1].out_histogram,
    }


def learn(scale: float, place: str, depth: int, epochs: int, seed: int, digits: data.Split, rate: float = RATE) -> float:
    """The accuracy on the test set of a network 64 wide; `scale` is the weights' std for 500 inputs, here for 64. `rate` is the
    learning rate of these weights alone."""
    hidden = build([64] * depth, scale * (500 / 64) ** 0.5, place, seed)
    model = nn.Sequential(*hidden, nn.Linear(64, 10, rng=seed))
    weights = [layer.weight for layer in hidden if isinstance(layer, nn.Linear)]
    others = [p for p in model.parameters() if not any(p is weight for weight in weights)]
    optimizer = optim.SGD([{"params": others}, {"params": weights, "lr": rate}], lr=RATE)
    *_, last = training.epochs(model, digits, optimizer, epochs, rng=seed)
    return last.accuracy


def shapes(seed: int, samples: int = 20_000, weight: float = 1, bias: float = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What goes into a batch norm and what comes out of it, for columns of two values, of an exponential distribution, and for
    the sums wx + b of 500 such inputs."""
    rng = Generator(seed).stream("shapes")
    exponential = -np.log1p(-rng.uniform((samples, 500)))
    inputs = {
        "two values, 0 and 4": 2 + 2 * np.sign(rng.normal((samples, 5))),
        "exponential": exponential[:, :5],
        "wx + b of 500 exponential": nn.Linear(500, 5, rng=rng)(exponential).data,
    }
    norm = nn.BatchNorm1d(5, weight_init=weight, bias_init=bias)
    return {name: (x, norm(x).data) for name, x in inputs.items()}


def moments(x: np.ndarray) -> list[float]:
    """Mean, std, skewness E[z^3] and kurtosis E[z^4] of a column, z = (x - mean) / std: averages over the columns."""
    x = x.astype(np.float64)
    mean, std = x.mean(axis=0), x.std(axis=0)
    z = (x - mean) / std
    return [float(column.mean()) for column in (mean, std, (z**3).mean(axis=0), (z**4).mean(axis=0))]


def draw(found: dict, scales: Sequence[float], columns: dict[str, tuple[np.ndarray, np.ndarray]]) -> Any:
    figure = plot.new_figure(10, 11)
    networks, shown = figure.subfigures(2, 1, height_ratios=[3, 1.15])
    axes = networks.subplots(3, 3, sharex="row", sharey="row")
    for column, place in enumerate(PLACES):
        for i, scale in enumerate(scales):
            seen = found[place, scale]
            style = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": 9 - 3 * i, "label": f"std {scale:g}"}
            layers = range(1, len(seen["std"]) + 1)
            axes[0, column].plot(layers, seen["std"], **style)
            axes[1, column].plot(layers, seen["gradient"], **style)
            histogram = seen["histogram"]
            heights = histogram.counts / histogram.counts.max()
            axes[2, column].stairs(heights, histogram.edges, color=plot.COLOURS[i], linewidth=4 - 1.4 * i)
        axes[0, column].set(title=TITLES[place], ylim=(0, 1.05))
        axes[1, column].set(xlabel="layer", yscale="log")
        axes[2, column].set(xlabel="tanh's outputs, last layer", xlim=(-1.05, 1.05), yticks=[])
        for row in axes[:2]:
            row[column].set_xticks(list(layers))
    axes[0, 0].set_ylabel("std of tanh's outputs")
    axes[1, 0].set_ylabel("gradient there,\nrelative to the last")
    axes[2, 0].set_ylabel("how often,\nhighest bin = 1")
    networks.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(scales), title="weights")

    shown.suptitle("One batch norm: the mean becomes 0 and the std 1, the shape stays")
    for axis, (name, values) in zip(shown.subplots(1, 3), columns.items(), strict=True):
        for x, label, colour in zip(values, ("in", "out"), plot.COLOURS, strict=False):
            axis.hist(x[:, 0], 60, histtype="stepfilled", alpha=0.6, color=colour, label=label)
        *_, skewness, kurtosis = moments(values[1])
        axis.set(title=name, xlabel=f"skewness {skewness:.2f}, kurtosis {kurtosis:.2f}: in and out", yticks=[])
    shown.legend(*axis.get_legend_handles_labels(), loc="outside right center")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "batchnorm_rescues.png")
    parser.add_argument("--depth", type=positive_integer, default=10, help="layers, default: 10")
    parser.add_argument("--scales", type=float, nargs="+", default=[0.01, 0.045, 1.0], help="default: 0.01 0.045 1")
    args = parser.parse_args(arguments)
    if len(args.scales) > len(plot.COLOURS) or not all(0 < scale < 1e6 for scale in args.scales):
        parser.error("--scales takes up to six numbers above 0")
    samples, epochs, seeds = (200, 2, 1) if args.quick else (1000, 5, 5)
    digits, found, right = data.digits(), {}, {}

    def percent(place: str, scale: float, rate: float) -> str:
        accuracies = [learn(scale, place, args.depth, epochs, args.seed + i, digits, rate) for i in range(seeds)]
        return f"{100 * np.mean(accuracies):.1f} +- {100 * np.std(accuracies):.1f}"

    for place, scale in progress([(place, scale) for place in PLACES for scale in args.scales], desc="networks"):
        found[place, scale] = look(scale, place, args.depth, args.seed, samples)
        rates = RATE, RATE * (scale / 0.045) ** 2
        right[place, scale] = [percent(place, scale, rate) for rate in rates[: 1 + (place == "before")]]
    print(f"{args.depth} layers of 500 tanh units; and of 64, {epochs} epochs on the digits (seeds: {seeds})\n")
    rows = []
    for (place, scale), seen in found.items():
        ends = seen["std"][0], seen["std"][-1], seen["saturated"][-1], seen["gradient"][0]
        rows.append([place, f"{scale:g}", *ends, *right[place, scale], *[""] * (place != "before")])
    titles = [
        "batch norm",
        "weights",
        "std, layer 1",
        "last layer",
        "saturated there",
        "gradient, first/last",
        "% right on test",
        "with rate ~ scale^2",
    ]
    table(titles, rows)
    columns = shapes(args.seed, 20 * samples)
    print("\nWhat one batch norm does (kurtosis: E[z^4], 3 for a normal distribution)\n")
    rows = [[name, side, *moments(x)] for name, both in columns.items() for side, x in zip(("in", "out"), both, strict=True)]
    table(["values", "", "mean", "std", "skewness", "kurtosis"], rows)
    plot.picture(args.out, draw, found, args.scales, columns)


if __name__ == "__main__":
    main()
