"""Is there something better than Xavier's initializer for a deep network? Orthogonal weights, and weights scaled by data.

An article says that other methods are being researched. Two of them: orthogonal matrices, which keep every length
and angle (Saxe et al., ICLR 2014), and LSUV, which begins with them and then divides each layer's weights by the standard
deviation that it measures at the layer's output (Mishkin and Matas, "All you need is a good init", ICLR 2016). You will see
that LSUV keeps every layer's output at 1 with any activation and at any depth, and that from 20 layers on tanh networks get
more digits right with both than with Xavier's, at the same learning rate. Most of that is scale: He's, with twice the
variance, does it too, up to a depth. With ReLU, Xavier's is lost at 10 layers; at 40, all four nearly are.

    python examples/lsuv.py
    python examples/lsuv.py --quick --activations tanh sigmoid
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import data, flow, init, nn, optim, plot, recipes, training
from minidl.random import Generator
from minidl.script import options, progress, table

WIDTH = 64
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
NAMES = ["Xavier", "He", "orthogonal", "LSUV"]


def build(name: str, activation: str | Callable[[], nn.Module], depth: int, seed: int, digits: data.Split) -> nn.Sequential:
    gain = math.sqrt(2) if activation == "relu" else 1.0
    initializers = {
        "Xavier": init.XavierNormal(),
        "He": init.HeNormal(),
        "orthogonal": init.Orthogonal(gain),
        "LSUV": init.Orthogonal(),
    }
    kind = ACTIVATIONS[activation] if isinstance(activation, str) else activation
    rng, layers = Generator(seed), list[nn.Module]()
    for n_in, n_out in pairwise([64] + [WIDTH] * (depth - 1) + [10]):
        layers += [nn.Linear(n_in, n_out, weight_init=initializers[name], rng=rng), kind()]
    model = nn.Sequential(*layers[:-1])
    if name == "LSUV":
        recipes.lsuv(model, digits.x_train[:300], rng=seed)
    return model


def stds(model: nn.Module, digits: data.Split) -> list[float]:
    """Of the output of each linear layer."""
    return [record.out_std for record in flow.measure(model, digits.x_train[:300]) if record.kind == "Linear"]


def learn(name: str, activation: str, depth: int, epochs: int, seed: int, digits: data.Split) -> float:
    """The accuracy on the test set after training."""
    model = build(name, activation, depth, seed, digits)
    *_, last = training.epochs(model, digits, optim.SGD(model.parameters(), lr=0.01), epochs, rng=seed)
    return last.accuracy


def draw(results: dict, signals: dict, depths: Sequence[int], activations: Sequence[str]) -> Any:
    figure = plot.new_figure(10, 3.4 * len(activations) + 0.4)
    axes = figure.subplots(len(activations), 2, squeeze=False)
    for (left, right), activation in zip(axes, activations, strict=True):
        for i, name in enumerate(NAMES):
            style = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": 5, "label": name}
            signal = signals[activation, name]
            left.plot(range(1, len(signal) + 1), signal, markevery=max(len(signal) // 8, 1), **style)
            percent = 100 * np.array([results[activation, name, depth] for depth in depths])
            right.plot(depths, percent.mean(axis=1), **style)
            right.fill_between(depths, percent.min(axis=1), percent.max(axis=1), color=plot.COLOURS[i], alpha=0.15, linewidth=0)
        left.set(title=f"{activation}: signal before training, depth {depths[-1]}", xlabel="layer", yscale="log", ylabel="std")
        right.set(title=f"{activation}: right on the test set", xlabel="depth: linear layers", ylabel="%", ylim=(0, 100))
        right.set_xticks(list(depths))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(NAMES))
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "lsuv.png")
    parser.add_argument(
        "--activations", nargs="+", choices=ACTIVATIONS, default=["tanh", "relu"], metavar="NAME", help="default: tanh relu"
    )
    args = parser.parse_args(arguments)
    depths, epochs, seeds = ([5, 20], 3, 1) if args.quick else ([5, 10, 20, 30, 40], 10, 3)
    digits, results, signals = data.digits(), {}, {}
    cells = [(activation, name, depth) for activation in args.activations for name in NAMES for depth in depths]
    for activation, name, depth in progress(cells, desc="training"):
        found = [learn(name, activation, depth, epochs, args.seed + i, digits) for i in range(seeds)]
        results[activation, name, depth] = np.array(found)
        if depth == depths[-1]:
            signals[activation, name] = stds(build(name, activation, depth, args.seed, digits), digits)
    print(f"SGD at 0.01, {epochs} epochs, mean of seeds: {seeds}; last std: of the last layer's output before training,")
    print(f"at depth {depths[-1]}")
    for activation in args.activations:
        print(f"\n{activation}: right on the test set, in %, by depth")
        rows = [
            [name, *(f"{100 * results[activation, name, d].mean():.1f}" for d in depths), signals[activation, name][-1]]
            for name in NAMES
        ]
        table(["weights", *map(str, depths), "last std"], rows)
    plot.picture(args.out, draw, results, signals, depths, args.activations)


if __name__ == "__main__":
    main()
