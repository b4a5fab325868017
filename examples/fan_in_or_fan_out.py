"""fan_in or fan_out? What an initializer keeps where layers become narrower, and what it must give up.

An article says that scaling by fan_in keeps the variance of the signal on its way forward, and scaling by fan_out
that of the gradient on its way back. Forward, a layer multiplies the variance by fan_in var(w) (halved by ReLU), backward by
fan_out var(w): where fan_in and fan_out differ, no one variance makes both 1.

You will see both, layer by layer, in a funnel of ReLU layers from 512 units to 16: fan_in keeps the outputs and loses the
gradient, fan_out the other way round, Xavier's average shares the loss. Averaged are the squares, over several networks, for
these are what theory keeps; a typical network, their geometric mean, lies a little lower: narrow layers are noisy.

    python examples/fan_in_or_fan_out.py
    python examples/fan_in_or_fan_out.py --widths 16 64 256 1024
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import flow, nn, plot
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

INITIALIZERS = {mode: nn.init.VarianceScaling(2.0, mode) for mode in ("fan_in", "fan_out", "fan_avg")}  # ReLU halves the square
FUNNEL = [512, 256, 128, 64, 32, 16]


def squares(widths: Sequence[int], mode: str, networks: int, seed: int = 0) -> np.ndarray:
    """Mean square of the outputs, [0], and of the gradients for them, [1], of each network in each layer.

    The input and the gradient for the last output are N(0, 1).
    """
    found = []
    for i in range(networks):
        rng = Generator(seed).stream(f"{mode} {i}")
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out, weight_init=INITIALIZERS[mode], rng=rng), nn.ReLU()]
        model = nn.Sequential(*layers)
        x, dy = rng.normal((100, widths[0])), rng.normal((100, widths[-1]))
        records = list(flow.measure(model, x, loss=lambda y, dy=dy: (y * dy).sum()))[1::2]
        outputs = [r.out_mean**2 + r.out_std**2 for r in records]
        gradients = [(r.grad_mean or 0.0) ** 2 + (r.grad_std or 0.0) ** 2 for r in records]
        found.append([outputs, gradients])
    return np.swapaxes(found, 0, 1)


def root_mean(squares: np.ndarray) -> np.ndarray:
    """Of each layer, over the networks."""
    return np.sqrt(squares.mean(axis=-2))


def typical(squares: np.ndarray) -> np.ndarray:
    """The root of the geometric mean of each layer's squares, over the networks."""
    with np.errstate(divide="ignore"):  # a dead layer's square is 0, and so is the mean
        return np.exp(np.log(squares).mean(axis=-2) / 2)


def draw(results: dict[str, np.ndarray], widths: Sequence[int]) -> Any:
    figure = plot.new_figure(10, 4.4)
    panels = figure.subplots(1, 2)
    places = range(1, len(widths))
    for axes, side, title in zip(panels, (0, 1), ("Forward: the outputs", "Backward: the gradients"), strict=True):
        for i, (mode, result) in enumerate(results.items()):
            style = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": 6}
            axes.plot(places, root_mean(result[side]), label=f"variance 2 / {mode}", **style)
            axes.plot(places, typical(result[side]), linestyle=":", color=plot.COLOURS[i])
        axes.axhline(1, color="grey", linestyle=":")
        axes.set_xticks(places, [f"{i}\n{width}" for i, width in zip(places, widths[1:], strict=True)])
        axes.set(title=title, xlabel="layer, and its width", ylabel="root mean square (dotted: geometric mean)")
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.3)
    lowest = min(axes.get_ylim()[0] for axes in panels)
    highest = max(axes.get_ylim()[1] for axes in panels)
    for axes in panels:
        axes.set_ylim(lowest, highest)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "fan_in_or_fan_out.png")
    parser.add_argument(
        "--widths", nargs="+", type=positive_integer, default=FUNNEL, help=f"default: {' '.join(map(str, FUNNEL))}"
    )
    args = parser.parse_args(arguments)
    if len(args.widths) < 2:
        parser.error("--widths: expected at least two, an input's and a layer's")
    networks = 8 if args.quick else 32
    results = {mode: squares(args.widths, mode, networks, args.seed) for mode in progress(INITIALIZERS, desc="initializers")}
    print(f"ReLU layers of {' -> '.join(map(str, args.widths))} units, {networks} networks")
    names = [f"layer {i}" for i in range(1, len(args.widths))]
    for side, what in enumerate(["Outputs, from the first layer to the last", "Gradients, on the way back from the last"]):
        print(f"\n{what}")
        rows = []
        for mode, result in results.items():
            rows += [[f"2 / {mode}", "root mean square", *root_mean(result[side])], ["", "typical", *typical(result[side])]]
        table(["variance", "over the networks", *names], rows)
    plot.picture(args.out, draw, results, args.widths)


if __name__ == "__main__":
    main()
