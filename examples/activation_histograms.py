"""What does a deep network do to a signal, layer by layer? Histograms of outputs and gradients under four initializers.

A widely read article looks at ten layers of 500 tanh units, fed with N(0, 1): from 0.01 N(0, 1) the activations shrink to 0,
from N(0, 1) they stick to -1 and 1, and from N(0, 1/n) they keep a good spread. Slides it follows say that saturation
makes all gradients zero. Others add what suits sigmoid and ReLU.

You will see the standard deviation in every layer, forward and backward, compared with what theory predicts for a network of
this width; and the histograms, all layers of a row on one scale.

    python examples/activation_histograms.py
    python examples/activation_histograms.py --activation relu
"""

import functools
from collections.abc import Sequence
from typing import Any

from minidl import flow, nn, plot
from minidl.random import Generator
from minidl.script import options, progress, table

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
INITIALIZERS = {
    "0.01 N(0, 1)": nn.init.Normal(std=0.01),
    "N(0, 1/n)": nn.init.LecunNormal(),
    "N(0, 2/n)": nn.init.HeNormal(),
    "N(0, 1)": nn.init.Normal(),
}
DEPTH, WIDTH = 10, 500


@functools.cache
def report(initializer: nn.init.Initializer, activation: str, batch: int = 1000, seed: int = 0) -> list[flow.LayerRecord]:
    """The activations of DEPTH layers; input and the gradient for the last output are N(0, 1)."""
    rng = Generator(seed)
    layers: list[nn.Module] = []
    for _ in range(DEPTH):
        layers += [nn.Linear(WIDTH, WIDTH, weight_init=initializer, rng=rng), ACTIVATIONS[activation]()]
    model = nn.Sequential(*layers)
    x, dy = rng.normal((batch, WIDTH)), rng.normal((batch, WIDTH))
    return list(flow.measure(model, x, loss=lambda y: (y * dy).sum()))[1::2]


def draw(results: dict[str, list[flow.LayerRecord]], activation: str) -> Any:
    """Two rows for each initializer, outputs and gradients; a column for each layer."""
    figure = plot.new_figure(10, 2.3 * len(results))
    for panel, (name, records) in zip(figure.subfigures(len(results), 1), results.items(), strict=True):
        panel.suptitle(f"W = {name}, {activation}", fontsize=10)
        rows = panel.subplots(2, len(records))
        for axes, side, colour in zip(rows, ("out", "grad"), plot.COLOURS, strict=False):
            histograms = [getattr(record, f"{side}_histogram") for record in records]
            low, high = min(h.low for h in histograms), max(h.high for h in histograms)
            margin = 0.03 * (high - low)
            for i, (axis, record, histogram) in enumerate(zip(axes, records, histograms, strict=True)):
                axis.stairs(histogram.counts, histogram.edges, fill=True, color=colour, edgecolor=colour, linewidth=0.8)
                axis.set(xlim=(low - margin, high + margin), ylim=(0, 1.05 * histogram.counts.max()), xticks=[], yticks=[])
                layer = f"layer {i + 1}\n" if panel is figure.subfigs[0] and side == "out" else ""
                axis.set_title(f"{layer}std {getattr(record, f'{side}_std'):.2g}", fontsize=8, pad=2)
            axes[0].set_ylabel("outputs" if side == "out" else "gradients", fontsize=8)
            axes[0].set_xticks([low, high], [f"{low:.1g}", f"{high:.1g}"], fontsize=7)
            for label, place in zip(axes[0].get_xticklabels(), ("left", "right"), strict=True):
                label.set_horizontalalignment(place)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "activation_histograms.png")
    parser.add_argument("--activation", choices=ACTIVATIONS, default="tanh", help="default: tanh")
    args = parser.parse_args(arguments)
    results = {
        name: report(initializer, args.activation, 200 if args.quick else 1000, args.seed)
        for name, initializer in progress(INITIALIZERS.items(), desc="initializers")
    }
    print(f"{DEPTH} layers of {WIDTH} {args.activation} units; n = {WIDTH}. Gradients are relative to the last layer's.")
    for name, records in results.items():
        print(f"\nW = {name}")
        table(
            ["layer", "output std", "theory", "gradient", "theory", "saturated"],
            [
                [i, r.out_std, r.predicted_std, r.grad_ratio, r.predicted_grad_ratio, f"{r.saturated:.0%}"]
                for i, r in enumerate(records, 1)
            ],
        )
    plot.picture(args.out, draw, results, args.activation)


if __name__ == "__main__":
    main()
