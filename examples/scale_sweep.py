"""How large should random weights be, and what has depth to do with it? A sweep of the scale, at five depths.

Widely read articles say that weights drawn too large explode, that those drawn too small vanish, that both train badly, and
that depth amplifies the problem. Here W = scale N(0, 1/n), so that a scale of 1 is LeCun's initializer, and 0.58 has
the variance of the old U[-1/sqrt n, 1/sqrt n].

You will see what each scale does to outputs and gradients, layer by layer, and then the loss and the accuracy on digits after
training: a wide valley of good scales for two layers, a narrow one around 1 for fifty.

    python examples/scale_sweep.py
    python examples/scale_sweep.py --activation relu
"""

import functools
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import data, flow, nn, optim, plot, training
from minidl.random import Generator
from minidl.script import options, progress, table

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
SCALES = [0.1, 0.3, 0.58, 0.8, 1.0, 1.4, 2.0, 4.0, 10.0]
FEWER = [0.1, 0.58, 1.0, 1.4, 4.0]
DEPTHS = [2, 5, 10, 20, 50]


def initializer(scale: float) -> nn.init.Initializer:
    return nn.init.VarianceScaling(scale**2, "fan_in", "normal")


def hidden_layers(sizes: Sequence[int], activation: str, weight_init: nn.init.Initializer, rng: Generator) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out, weight_init=weight_init, rng=rng), ACTIVATIONS[activation]()]
    return layers


@functools.cache
def report(scale: float, activation: str, width: int = 500, depth: int = 10, seed: int = 0) -> list[flow.LayerRecord]:
    """The activations; input and the gradient for the last output are N(0, 1)."""
    rng = Generator(seed)
    model = nn.Sequential(*hidden_layers([width] * (depth + 1), activation, initializer(scale), rng))
    x, dy = rng.normal((200, width)), rng.normal((200, width))
    return list(flow.measure(model, x, loss=lambda y: (y * dy).sum()))[1::2]


@functools.cache
def trained(
    weight_init: nn.init.Initializer, depth: int, activation: str = "tanh", epochs: int = 10, lr: float = 0.005, seed: int = 0
) -> training.Epoch:
    """The last epoch of a network `depth` layers deep."""
    rng = Generator(seed)
    model = nn.Sequential(
        *hidden_layers([64] * depth, activation, weight_init, rng), nn.Linear(64, 10, weight_init=weight_init, rng=rng)
    )
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    *_, last = training.epochs(model, data.digits(), optimizer, epochs, batch_size=32, rng=seed)
    return last


def draw(runs: dict[tuple[int, float], training.Epoch], activation: str, seed: int) -> Any:
    """Above, outputs and gradients from layer to layer; below, loss and accuracy against the scale."""
    figure = plot.new_figure(10, 7.4)
    top, bottom = figure.subfigures(2, 1)
    forward, backward = top.subplots(1, 2)
    for i, scale in enumerate(FEWER):
        records = report(scale, activation, seed=seed)
        style = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": 4, "label": f"scale {scale:g}"}
        places = range(1, len(records) + 1)
        forward.plot(places, [r.out_std for r in records], **style)
        backward.plot(places, [r.grad_ratio for r in records], **style)
    forward.set(title=f"Outputs of 10 layers of 500 {activation} units", ylabel="standard deviation")
    backward.set(title="Gradients for them", ylabel="size, relative to the last layer's")
    for axes in (forward, backward):
        axes.set(yscale="log", xlabel="layer", xticks=range(1, 11))
        axes.grid(alpha=0.3)
    top.legend(*forward.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9)

    losses, accuracies = bottom.subplots(1, 2)
    depths = sorted({depth for depth, _ in runs})
    for i, depth in enumerate(depths):
        scales = [scale for d, scale in runs if d == depth]
        style = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": 4, "label": f"{depth} layers"}
        losses.plot(scales, [min(3.0, np.nan_to_num(runs[depth, scale].loss, nan=3.0)) for scale in scales], **style)
        accuracies.plot(scales, [runs[depth, scale].accuracy for scale in scales], **style)
    losses.axhline(math.log(10), color="grey", linestyle=":", label="guessing")
    accuracies.axhline(0.1, color="grey", linestyle=":")
    losses.set(title="Digits: loss on the training set, after training", ylabel="cross-entropy (3: diverged)", ylim=(0, 3.1))
    accuracies.set(title="Digits: accuracy on the test set", ylabel="fraction right", ylim=(0, 1))
    for axes in (losses, accuracies):
        axes.set(xscale="log", xlabel="scale: std of the weights, times sqrt n")
        axes.set_xticks(SCALES[:3] + SCALES[4:5] + SCALES[6:], [f"{x:g}" for x in SCALES[:3] + SCALES[4:5] + SCALES[6:]])
        axes.grid(alpha=0.3)
    bottom.legend(*losses.get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=9)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "scale_sweep.png")
    parser.add_argument("--activation", choices=ACTIVATIONS, default="tanh", help="default: tanh")
    args = parser.parse_args(arguments)
    depths, scales, epochs, lr = (DEPTHS[:4], FEWER, 2, 0.02) if args.quick else (DEPTHS, SCALES, 10, 0.005)
    todo = [(depth, scale) for depth in depths for scale in scales]
    runs = {
        (depth, scale): trained(initializer(scale), depth, args.activation, epochs, lr, args.seed)
        for depth, scale in progress(todo, desc="trainings")
    }
    print(f"Digits, {args.activation}, width 64, W = scale N(0, 1/n), {epochs} epochs: loss in training / test accuracy.\n")
    table(
        ["scale", *(f"{depth} layers" for depth in depths)],
        [[f"{scale:g}", *(f"{(r := runs[depth, scale]).loss:.3f} / {r.accuracy:.0%}" for depth in depths)] for scale in scales],
    )
    plot.picture(args.out, draw, runs, args.activation, args.seed)


if __name__ == "__main__":
    main()
