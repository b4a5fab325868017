"""Which initializer wins the race? Nine of them, three activations, several seeds, one network each on real digits.

An article says that the right scale of the initial weights makes training faster and the result better; others say
which initializer suits which activation, Xavier for sigmoid and tanh, He for ReLU, or that normal weights converge faster than
uniform ones, or print `uniform_()` and `normal_(std=1)` as small random weights. Here all run over the same course. You will
see the loss fall, with the range over the seeds, and a ranking beside the reason for it: how much of the gradient at the last
layer arrives at the first, before training. Where nothing or far too much arrives, nothing is learned. Xavier and He win with
tanh and ReLU, uniform or normal alike; in this deep sigmoid network both lose, to weights eight times as large.

    python examples/initializer_race.py
    python examples/initializer_race.py --quick --depth 4
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import data, flow, init, nn, optim, plot, training
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

WIDTH = 64
Run = list[training.Epoch]
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
INITIALIZERS = {
    "zeros": init.Zeros(),
    "constant 0.1": init.Constant(0.1),
    "small: std 0.01": init.Normal(0, 0.01),
    "large: U[0, 1)": init.Uniform(0, 1),
    "large: std 1": init.Normal(0, 1),
    "Xavier": init.XavierNormal(),  # and LeCun's: here n_in = n_out, but for the last layer
    "Xavier, uniform": init.XavierUniform(),
    "He": init.HeNormal(),
    "He, uniform": init.HeUniform(),
}


def sizes(depth: int) -> list[int]:
    return [64] + [WIDTH] * (depth - 1) + [10]


def network(sizes: Sequence[int], activation: Callable[[], nn.Module], initializer: Any, seed: int) -> nn.Sequential:
    rng, layers = Generator(seed), list[nn.Module]()
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out, weight_init=initializer, rng=rng), activation()]
    return nn.Sequential(*layers[:-1])


def race(activation: str, initializer: Any, depth: int, epochs: int, seeds: Sequence[int], digits: data.Split) -> list[Run]:
    runs = []
    for seed in seeds:
        model = network(sizes(depth), ACTIVATIONS[activation], initializer, seed)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        runs.append(list(training.epochs(model, digits, optimizer, epochs, rng=seed)))
    return runs


def arriving(activation: str, initializer: Any, depth: int, digits: data.Split) -> float:
    """The gradient at the output of the first layer, relative to that of the last, before training."""
    model = network(sizes(depth), ACTIVATIONS[activation], initializer, 0)
    return flow.measure(model, digits.x_train[:256], digits.y_train[:256])["0"].grad_ratio or 0.0


def loss(run: Run) -> float:
    """The last loss; infinite if training diverged."""
    return run[-1].loss if np.isfinite(run[-1].loss) else np.inf


def draw(results: dict[str, dict[str, list[Run]]]) -> Any:
    figure = plot.new_figure(10, 7.4)
    axes = figure.subplots(2, len(results), sharey="row")
    pairs = dict.fromkeys(name.removesuffix(", uniform") for name in INITIALIZERS)
    colours = dict(zip(pairs, ["black", *plot.COLOURS], strict=True))  # a uniform distribution has its normal one's, dashed
    for column, (activation, runs_of) in enumerate(results.items()):
        for i, (name, runs) in enumerate(runs_of.items()):
            colour, uniform = colours[name.removesuffix(", uniform")], name.endswith(", uniform")
            losses = np.array([[epoch.loss for epoch in run] for run in runs])
            losses[~np.isfinite(losses)] = np.nan
            with np.errstate(all="ignore"):
                low, middle, high = losses.min(axis=0), losses.mean(axis=0), losses.max(axis=0)
            epochs = range(len(middle))
            style = {"color": colour, "marker": "os^Dv*P<>"[i], "markersize": 4}
            axes[0, column].plot(epochs, middle, label=name, linestyle="--" if uniform else "-", **style)
            axes[0, column].fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
            accuracies = [100 * run[-1].accuracy for run in runs]
            axes[1, column].plot(accuracies, [i] * len(runs), linestyle="none", alpha=0.6, **style)
        axes[0, column].set(title=f"{activation}: loss on the training set", xlabel="epoch", ylim=(0, 3))
        axes[1, column].axvline(10, color="grey", linestyle=":")
        axes[1, column].set(title="right on the test set, each seed", xlabel="% (dotted: guessing)", xlim=(0, 102))
        axes[1, column].set_yticks(range(len(INITIALIZERS)), list(INITIALIZERS))
    axes[1, 0].invert_yaxis()
    axes[0, 0].set_ylabel("cross-entropy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=8)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "initializer_race.png")
    parser.add_argument("--depth", type=positive_integer, default=6, help="linear layers, default: 6")
    args = parser.parse_args(arguments)
    epochs, seeds = (3, 2) if args.quick else (15, 5)
    digits = data.digits()
    results: dict[str, dict[str, list[Run]]] = {activation: {} for activation in ACTIVATIONS}
    for activation, name in progress([(activation, name) for activation in ACTIVATIONS for name in INITIALIZERS], desc="race"):
        chosen = range(args.seed, args.seed + seeds)
        results[activation][name] = race(activation, INITIALIZERS[name], args.depth, epochs, chosen, digits)
    print(f"{args.depth} layers, {WIDTH} wide, SGD at 0.1, {epochs} epochs; +-: standard deviation over {seeds} seeds")
    for activation, runs_of in results.items():
        print(f"\n{activation}")
        ranking = sorted(runs_of.items(), key=lambda item: np.mean([loss(run) for run in item[1]]))
        rows = []
        for place, (name, runs) in enumerate(ranking, 1):
            accuracies = [100 * run[-1].accuracy for run in runs]
            losses = [loss(run) for run in runs]
            shown = f"{np.mean(losses):.3f}" if np.isfinite(losses).all() else "diverged"
            right = f"{np.mean(accuracies):.1f} +- {np.std(accuracies):.1f}"
            rows.append((str(place), name, arriving(activation, INITIALIZERS[name], args.depth, digits), shown, right))
        table(["", "initializer", "gradient arriving", "loss", "% right on the test set"], rows)
    plot.picture(args.out, draw, results)


if __name__ == "__main__":
    main()
