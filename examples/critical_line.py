"""How deep can a network be trained? Accuracy over depth x weight variance, with the depth that theory allows drawn over it.

An article says that depth makes a badly chosen scale worse. Schoenholz et al. ("Deep information propagation", ICLR
2017, figure 5) say how much: a network trains if its depth is not much more than six times xi, the depth scale on which two
inputs can still be told apart. It follows from the variances of weights and biases alone, and grows without bound at the
critical variance, between order (all inputs become alike, gradients vanish) and chaos (nearly equal inputs part, gradients
explode). Here tanh networks learn real digits. You will see the accuracy fall off near theory's curve on both sides, and a peak
between them that does not reach to infinity: the width and the training time are finite.

    python examples/critical_line.py
    python examples/critical_line.py --quick --sigma-b2 0.01
"""

import argparse
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import data, functional, init, nn, optim, plot, theory, training
from minidl.script import options, positive_integer, progress, table

SCALES = 6  # how many depth scales a network may be deep


def accuracy(
    depth: int, width: int, variance: float, bias_variance: float, epochs: int, seed: int, digits: data.Split
) -> float:
    """The accuracy on the test set of a tanh network, its weights drawn with variance / n and its biases with bias_variance."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise([64] + [width] * (depth - 1) + [10]):
        layers += [nn.Linear(n_in, n_out, weight_init=0), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    weights = init.VarianceScaling(variance, "fan_in", "normal")
    model.initialize(rng=seed, rules={"*.weight": weights, "*.bias": init.Normal(0, bias_variance**0.5)})
    *_, last = training.epochs(model, digits, optim.SGD(model.parameters(), lr=0.01), epochs, rng=seed)
    return last.accuracy


def depth_limit(variance: float, bias_variance: float) -> float:
    return SCALES * theory.depth_scale(functional.tanh, variance**0.5, bias_variance**0.5)


def draw(right: np.ndarray, depths: Sequence[int], variances: Sequence[float], bias_variance: float, critical: float) -> Any:
    figure = plot.new_figure(8, 5)
    axes = figure.subplots()
    # Each run is a cell around its own depth and variance, which are not equally far apart.
    x, y = (np.array(values, float) for values in (variances, depths))
    edges = [np.concatenate([[1.5 * v[0] - 0.5 * v[1]], (v[1:] + v[:-1]) / 2, [1.5 * v[-1] - 0.5 * v[-2]]]) for v in (x, y)]
    image = axes.pcolormesh(*edges, 100 * right, cmap="viridis", vmin=0, vmax=100)
    fine = np.linspace(edges[0][0], edges[0][-1], 200)
    limit = [depth_limit(max(variance, 0.01), bias_variance) for variance in fine]
    line = {"color": "white", "linewidth": 2}
    axes.plot(fine, limit, "--", label=f"theory: {SCALES} depth scales", **line)
    axes.axvline(critical, linestyle=":", label=f"critical: {critical:.2f}", **line)
    axes.set(
        xlim=edges[0][[0, -1]],
        ylim=(max(edges[1][0], 1), edges[1][-1]),
        xlabel="weight variance times n",
        ylabel="depth: linear layers",
    )
    axes.set_title(f"Right on the test set; tanh, bias variance {bias_variance:g}")
    axes.legend(loc="lower right", facecolor="dimgrey", labelcolor="white", framealpha=0.9)
    figure.colorbar(image, label="%")
    return figure


def fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text!r}")
    return value


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "critical_line.png")
    parser.add_argument(
        "--sigma-b2", type=fraction, default=0.05, help="variance of the biases, between 0 and 1, default: 0.05"
    )
    parser.add_argument("--width", type=positive_integer, default=64, help="units in a hidden layer, default: 64")
    parser.add_argument("--epochs", type=positive_integer, help="default: 12, or 3 with --quick")
    args = parser.parse_args(arguments)
    depths, variances = [3, 6, 10, 15, 20, 30, 40, 50, 60], [0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0]
    if args.quick:
        depths, variances = [3, 10, 20, 30], [0.5, 1.0, 1.75, 4.0]
    epochs, digits = args.epochs or (3 if args.quick else 12), data.digits()
    right = np.empty((len(depths), len(variances)))
    cells = [(i, j) for i in range(len(depths)) for j in range(len(variances))]
    for i, j in progress(cells, desc="training"):
        right[i, j] = accuracy(depths[i], args.width, variances[j], args.sigma_b2, epochs, args.seed, digits)
    critical = theory.critical_sigma_w(functional.tanh, args.sigma_b2**0.5) ** 2
    print(f"Right on the test set, in %, after {epochs} epochs, by depth and by weight variance times n")
    print(f"(critical: {critical:.3f})")
    rows = [[str(depth), *(f"{100 * fraction:.0f}" for fraction in line)] for depth, line in zip(depths, right, strict=True)]
    limits = [f"{depth_limit(variance, args.sigma_b2):.0f}" for variance in variances]
    table(["depth", *(f"{variance:g}" for variance in variances)], [*rows, [f"theory: {SCALES} xi", *limits]])
    plot.picture(args.out, draw, right, depths, variances, args.sigma_b2, critical)


if __name__ == "__main__":
    main()
