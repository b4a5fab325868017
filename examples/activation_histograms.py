"""What does a deep network do to a signal, layer by layer? Histograms of what goes into the activations and comes out of them.

An article looks at ten layers of 500 units, fed with N(0, 1): with 0.01 N(0, 1) the activations shrink to 0, with
N(0, 1) they stick to -1 and 1, and with N(0, 1/n) they keep a good spread; ReLU wants N(0, 2/n), and batch norm makes up for
0.01 N(0, 1). Its pictures are lost, and are drawn here again, together with the gradients. The course that they came from says
that saturation makes all gradients zero. Others add what suits sigmoid.

You will see the standard deviation in every layer, forward and backward, compared with what theory predicts for a network of
this width; and the histograms, all layers of a row on one scale. With an activation of your choice, or none at all ("linear"),
it is four initializers that are compared.

    python examples/activation_histograms.py
    python examples/activation_histograms.py --activation linear
"""

import functools
from collections.abc import Sequence
from typing import Any

from minidl import flow, nn, plot
from minidl.random import Generator
from minidl.script import options, progress, table

ACTIVATIONS: dict[str, type[nn.Module] | None] = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "linear": None}
INITIALIZERS = {
    "0.01 N(0, 1)": nn.init.Normal(std=0.01),
    "N(0, 1/n)": nn.init.LecunNormal(),
    "N(0, 2/n)": nn.init.HeNormal(),
    "N(0, 1)": nn.init.Normal(),
}
ARTICLE = [  # its five pictures: initializer, activation, whether a batch norm stands before it
    ("0.01 N(0, 1)", "tanh", False),
    ("N(0, 1)", "tanh", False),
    ("N(0, 1/n)", "tanh", False),
    ("N(0, 2/n)", "relu", False),
    ("0.01 N(0, 1)", "tanh", True),
]
DEPTH, WIDTH = 10, 500
Records = list[flow.LayerRecord]


@functools.cache
def report(
    initializer: str, activation: str, batch_norm: bool = False, batch: int = 1000, seed: int = 0
) -> tuple[Records, Records]:
    """What goes into the activations of DEPTH layers, and what comes out; the network's input, and the gradient for its output,
    are N(0, 1). In a linear network, both are the same."""
    rng = Generator(seed)
    layers: list[nn.Module] = []
    for _ in range(DEPTH):
        layers.append(nn.Linear(WIDTH, WIDTH, weight_init=INITIALIZERS[initializer], rng=rng))
        if batch_norm:
            layers.append(nn.BatchNorm1d(WIDTH))
        if kind := ACTIVATIONS[activation]:
            layers.append(kind())
    x, dy = rng.normal((batch, WIDTH)), rng.normal((batch, WIDTH))
    records = list(flow.measure(nn.Sequential(*layers), x, loss=lambda y: (y * dy).sum()))
    each = len(layers) // DEPTH
    return records[-2 % each :: each], records[each - 1 :: each]


def title(initializer: str, activation: str, batch_norm: bool) -> str:
    return f"W = {initializer}, {'batch norm, ' * batch_norm}{activation}"


def draw(results: dict[tuple[str, str, bool], tuple[Records, Records]]) -> Any:
    """Rows for each network: what goes into the activation, what comes out, and the gradients; a column for each layer."""
    figure = plot.new_figure(10, 2.9 * len(results))
    panels = figure.subfigures(len(results), 1, squeeze=False)[:, 0]
    for panel, (network, (before, after)) in zip(panels, results.items(), strict=True):
        panel.suptitle(title(*network), fontsize=10)
        into = [(f"into {network[1]}", before, "out", plot.COLOURS[2])] if ACTIVATIONS[network[1]] else []
        shown = [*into, ("outputs", after, "out", plot.COLOURS[0]), ("gradients", after, "grad", plot.COLOURS[1])]
        rows = panel.subplots(len(shown), DEPTH)
        for axes, (name, records, side, colour) in zip(rows, shown, strict=True):
            histograms = [getattr(record, f"{side}_histogram") for record in records]
            low, high = min(h.low for h in histograms), max(h.high for h in histograms)
            margin = 0.03 * (high - low)
            for i, (axis, record, histogram) in enumerate(zip(axes, records, histograms, strict=True)):
                axis.stairs(histogram.counts, histogram.edges, fill=True, color=colour, edgecolor=colour, linewidth=0.8)
                axis.set(xlim=(low - margin, high + margin), ylim=(0, 1.05 * histogram.counts.max()), xticks=[], yticks=[])
                layer = f"layer {i + 1}\n" if panel is panels[0] and name == shown[0][0] else ""
                axis.set_title(f"{layer}std {getattr(record, f'{side}_std'):.3g}", fontsize=8, pad=2)
            axes[0].set_ylabel(name, fontsize=8)
            axes[0].set_xticks([low, high], [plot.short(low), plot.short(high)], fontsize=7)
            for label, place in zip(axes[0].get_xticklabels(), ("left", "right"), strict=True):
                label.set_horizontalalignment(place)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "activation_histograms.png")
    parser.add_argument("--activation", choices=ACTIVATIONS, help="four initializers with it; default: the article's networks")
    args = parser.parse_args(arguments)
    networks = [(name, args.activation, False) for name in INITIALIZERS] if args.activation else ARTICLE
    batch = 200 if args.quick else 1000
    results = {network: report(*network, batch, args.seed) for network in progress(networks, desc="networks")}
    print(f"{DEPTH} layers of {WIDTH} units; n = {WIDTH}. Gradients are relative to the last layer's.")
    for network, (before, after) in results.items():
        print(f"\n{title(*network)}")
        columns = ["layer", "into", "theory", "output std", "theory", "gradient", "theory", "saturated"]
        rows = []
        for i, (x, y) in enumerate(zip(before, after, strict=True), 1):
            forward = [x.out_std, x.predicted_std, y.out_std, y.predicted_std]
            saturated = "" if y.saturated is None else f"{y.saturated:.0%}"
            rows.append([i, *forward, y.grad_ratio, y.predicted_grad_ratio, saturated])
        table(columns, rows)
    plot.picture(args.out, draw, results)


if __name__ == "__main__":
    main()
