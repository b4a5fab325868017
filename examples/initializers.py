"""Which initializer is Xavier's, which He's, and which only bears the name? Weights drawn, compared with the arithmetic.

Widely read articles give formulas: N(0, 2/(n_in + n_out)) and +-sqrt(6/(n_in + n_out)) for Xavier, N(0, 2/n_in) and
+-sqrt(6/n_in) for He. One (B in docs/claims.md) calls randn / sqrt(n_in) Xavier's; a chatbot (in E) gives the ranges
+-sqrt(2/n) and +-1/sqrt n.

You will see the standard deviation and the largest weight of one layer under each, measured and by hand, the histograms with
the density that was meant, what `print(model)` says of where every parameter came from, and what a linear layer begins with in
other frameworks unless it is told.

    python examples/initializers.py
    python examples/initializers.py --fan-in 500 --fan-out 500
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minidl import init, nn, plot
from minidl.script import options, positive_integer, table

DEFAULTS = {name: getattr(init.presets, name) for name in ("pytorch", "keras", "flax", "chainer")}


class Known(NamedTuple):
    formula: str
    initializer: Any
    std: float  # by the formula
    bound: float | None  # None: normal


def initializers(n_in: int, n_out: int) -> dict[str, Known]:
    """By hand: a uniform distribution on -+b has the standard deviation b / sqrt 3."""
    n = n_in + n_out
    by_name = {
        "Xavier, normal": ("N(0, 2/(n_in+n_out))", init.XavierNormal(), math.sqrt(2 / n), None),
        "Xavier, uniform": ("+-sqrt(6/(n_in+n_out))", init.XavierUniform(), math.sqrt(2 / n), math.sqrt(6 / n)),
        "He, normal": ("N(0, 2/n_in)", init.HeNormal(), math.sqrt(2 / n_in), None),
        "He, uniform": ("+-sqrt(6/n_in)", init.HeUniform(), math.sqrt(2 / n_in), math.sqrt(6 / n_in)),
        "B's Xavier: LeCun's": (
            "randn/sqrt(n_in)",
            lambda shape, rng: rng.normal(shape) / math.sqrt(n_in),
            math.sqrt(1 / n_in),
            None,
        ),
        "E's He": (
            "+-sqrt(2/n_in)",
            init.Uniform(-math.sqrt(2 / n_in), math.sqrt(2 / n_in)),
            math.sqrt(2 / (3 * n_in)),
            math.sqrt(2 / n_in),
        ),
        "E's Xavier": (
            "+-1/sqrt(n_in)",
            init.Uniform(-1 / math.sqrt(n_in), 1 / math.sqrt(n_in)),
            math.sqrt(1 / (3 * n_in)),
            1 / math.sqrt(n_in),
        ),
    }
    return {name: Known(*rest) for name, rest in by_name.items()}


def weights(name: str, n_in: int = 256, n_out: int = 128, seed: int = 0) -> np.ndarray:
    return nn.Linear(n_in, n_out, weight_init=initializers(n_in, n_out)[name].initializer, rng=seed).weight.data


def draw(drawn: dict[str, np.ndarray], known: dict[str, Known]) -> Any:
    """A histogram for each, and the density of its formula."""
    figure = plot.new_figure(10, 5)
    *panels, legend = figure.subplots(2, 4, sharex=True, sharey=True).flat
    reach = max(float(np.abs(values).max()) for values in drawn.values())
    x = np.linspace(-reach, reach, 401)
    for axes, (name, values) in zip(panels, drawn.items(), strict=True):
        std, bound = known[name].std, known[name].bound
        density = (
            np.exp(-((x / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi)) if bound is None else (abs(x) < bound) / (2 * bound)
        )
        axes.hist(values.ravel(), bins=80, range=(-reach, reach), density=True, color=plot.COLOURS[5], label="drawn")
        axes.plot(x, density, color=plot.COLOURS[1], linewidth=1.2, label="by the formula")
        axes.set_title(f"{name}\n{known[name].formula}, std {std:.4f}", fontsize=8)
    legend.set_axis_off()
    legend.legend(*panels[0].get_legend_handles_labels(), loc="center")
    figure.supxlabel("weight", fontsize=9)
    figure.supylabel("density", fontsize=9)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "initializers.png")
    parser.add_argument("--fan-in", type=positive_integer, default=256, help="inputs of the layer, default: 256")
    parser.add_argument("--fan-out", type=positive_integer, default=128, help="its units, default: 128")
    args = parser.parse_args(arguments)
    known = initializers(args.fan_in, args.fan_out)
    drawn = {name: weights(name, args.fan_in, args.fan_out, args.seed) for name in known}
    print(f"A layer of {args.fan_in} inputs and {args.fan_out} units\n")
    table(
        ["initializer", "formula", "std", "drawn", "bound", "largest drawn"],
        [
            [name, by.formula, *(f"{v:.4f}" if v else "" for v in (by.std, w.std(), by.bound, np.abs(w).max()))]
            for (name, by), w in zip(known.items(), drawn.values(), strict=True)
        ],
    )
    print(f"\nHow layers are initialized unless they are told, as print(model) says:\n\n{default_model()}")
    print("\nAnd how other frameworks initialize a linear layer, with init.presets")
    defaults = {name: default(name, args.seed, args.fan_in, args.fan_out) for name in DEFAULTS}
    table(
        ["framework", "weights", "std", "largest", "largest bias"],
        [
            [name, str(w.initializer), f"{w.data.std():.4f}", f"{np.abs(w.data).max():.4f}", f"{np.abs(b.data).max():.4f}"]
            for name, (w, b) in defaults.items()
        ],
    )
    plot.picture(args.out, draw, drawn, known)


def default_model() -> nn.Module:
    return nn.Sequential(nn.Linear(256, 128, rng=0), nn.BatchNorm1d(128), nn.Tanh(), nn.Linear(128, 10, rng=1))


def default(framework: str, seed: int, n_in: int = 256, n_out: int = 128) -> list[nn.Parameter]:
    """Weight and bias of a linear layer, as a framework initializes them by default."""
    layer = nn.Linear(n_in, n_out)
    layer.initialize(rng=seed, rules=DEFAULTS[framework])
    return list(layer.parameters())


if __name__ == "__main__":
    main()
