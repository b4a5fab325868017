"""Which networks train at all? Accuracy over depth x weight variance, hundreds of networks, and theory's depth scale over it.

An article says that depth makes a badly chosen scale worse. Schoenholz et al. ("Deep information propagation", ICLR 2017,
figure 5) trained tanh networks of 10 to 300 layers, with weights of variance sigma_w^2 / n, and found that theory draws the
border. Two inputs can be told apart for xi layers, a depth scale that follows from the variances of weights and biases alone,
and a network trains if it is not much deeper than six of them. Here the figure is drawn again on real digits, by `flow.sweep`:
with --store every network that is trained is kept, and an interrupted run goes on where it was; with --n-jobs several are
trained at a time, without a bit of difference. You will see a ridge around the critical variance, where xi is infinite, and
networks far from it that guess. The ridge does not reach to infinity: the width and the training time are finite. (The 143
networks take about half an hour on two cores.)

    python examples/trainability.py --quick
    python examples/trainability.py --n-jobs 2 --store trainability
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import flow, functional, init, nn, plot, theory
from minidl.script import options, positive_integer, table

BIAS_VARIANCE = 0.05  # the paper's
SCALES = 6  # how many depth scales a network may be deep


def network(depth: int, variance: float, width: int) -> nn.Module:
    """Tanh, its weights of variance / n and its biases of BIAS_VARIANCE."""
    weights, biases = init.VarianceScaling(variance, "fan_in", "normal"), init.Normal(0, BIAS_VARIANCE**0.5)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise([64] + [width] * (depth - 1) + [10]):
        layers += [nn.Linear(n_in, n_out, weight_init=weights, bias_init=biases, rng=0), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def depth_limit(variance: float) -> float:
    """How deep a network may be: so many depth scales."""
    return SCALES * theory.depth_scale(functional.tanh, variance**0.5, BIAS_VARIANCE**0.5)


def draw(result: flow.Sweep, variances: Sequence[float], depths: Sequence[int], critical: float) -> Any:
    figure = result.plot("variance", "depth", "accuracy")
    axes = figure.axes[0]
    fine = np.linspace(variances[0], variances[-1], 200)
    line = {"color": "white", "linewidth": 2}
    axes.plot(fine, [depth_limit(variance) for variance in fine], "--", label=f"theory: {SCALES} depth scales", **line)
    axes.axvline(critical, linestyle=":", label=f"critical: {critical:.2f}", **line)
    axes.set(ylim=(0, depths[-1]), xlabel="weight variance times n", ylabel="depth: linear layers")
    axes.set_title(f"Right on the test set; tanh, bias variance {BIAS_VARIANCE}")
    axes.legend(loc="upper right", facecolor="dimgrey", labelcolor="white", framealpha=0.9)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "trainability.png")
    parser.add_argument("--width", type=positive_integer, help="units in a hidden layer, default: 128, or 32 with --quick")
    parser.add_argument("--epochs", type=positive_integer, help="default: 20, or 2 with --quick")
    parser.add_argument("--n-jobs", type=positive_integer, default=1, help="networks at a time, default: 1; more need joblib")
    parser.add_argument("--store", help="a folder that keeps each network that was trained")
    args = parser.parse_args(arguments)
    depths, variances = np.linspace(10, 300, 11).astype(int).tolist(), np.linspace(1, 4, 13).tolist()
    if args.quick:
        depths, variances = [10, 30, 60], [1.0, 1.75, 2.5, 4.0]
    train = flow.Training(network, epochs=args.epochs or (2 if args.quick else 20), lr=0.003, momentum=0)
    grid = {"depth": depths, "variance": variances, "width": [args.width or (32 if args.quick else 128)]}
    print(f"{len(depths) * len(variances)} networks, each trained once")
    result = flow.sweep(train, grid, seeds=[args.seed], store=args.store, n_jobs=args.n_jobs)
    print(result)
    right = result.pivot("depth", "variance", "accuracy").values
    print("\nRight on the test set, in %, by depth and by weight variance times n")
    rows = [[str(depth), *(f"{100 * cell:.0f}" for cell in line)] for depth, line in zip(depths, right, strict=True)]
    limits = [f"theory: {SCALES} xi", *(f"{depth_limit(variance):.0f}" for variance in variances)]
    table(["depth", *(f"{variance:g}" for variance in variances)], [*rows, limits])
    critical = theory.critical_sigma_w(functional.tanh, BIAS_VARIANCE**0.5) ** 2
    plot.picture(args.out, draw, result, variances, depths, critical)


if __name__ == "__main__":
    main()
