"""How large should random weights be, and what has depth to do with it? A sweep of the scale, at five depths.

Widely read articles say that weights drawn too large explode, that those drawn too small vanish, that both train badly, and
that depth amplifies the problem. Here W = scale N(0, 1/n), so that a scale of 1 is LeCun's law, and 0.58 the old
U[-1/sqrt n, 1/sqrt n].

You will see what each scale does to outputs and gradients, layer by layer, and then the loss and the accuracy on digits after
training: a wide valley of good scales for two layers, a narrow one around 1 for fifty.

    python examples/scale_sweep.py
    python examples/scale_sweep.py --activation relu
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from claims import Claim, Text
from common import ACTIVATIONS, Run, network, parser, progress, save, table, train

from minidl import flow, nn, optim, plot
from minidl.random import Generator

SCALES = [0.1, 0.3, 0.58, 0.8, 1.0, 1.4, 2.0, 4.0, 10.0]
FEWER = [0.1, 0.58, 1.0, 1.4, 4.0]
DEPTHS = [2, 5, 10, 20, 50]


def law(scale: float) -> nn.init.Initializer:
    return nn.init.VarianceScaling(scale**2, "fan_in", "normal")


@functools.cache
def report(scale: float, activation: str, width: int = 500, depth: int = 10, seed: int = 0) -> list[flow.LayerRecord]:
    """The activations; input and the gradient for the last output are N(0, 1)."""
    rng = Generator(seed)
    model = network([width] * (depth + 1), ACTIVATIONS[activation], law(scale), rng, to_the_end=True)
    x, dy = rng.normal((200, width)), rng.normal((200, width))
    return list(flow.measure(model, x, loss=lambda y: (y * dy).sum()))[1::2]


@functools.cache
def trained(
    start: nn.init.Initializer, depth: int, activation: str = "tanh", epochs: int = 10, lr: float = 0.005, seed: int = 0
) -> Run:
    model = network([64] * depth + [10], ACTIVATIONS[activation], start, seed)
    return train(model, epochs, optimizer=optim.SGD(model.parameters(), lr=lr, momentum=0.9), batch_size=32, rng=seed)


def draw(runs: dict[tuple[int, float], Run], activation: str, seed: int) -> Any:
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
        losses.plot(scales, [min(3.0, np.nan_to_num(runs[depth, scale].losses[-1], nan=3.0)) for scale in scales], **style)
        accuracies.plot(scales, [runs[depth, scale].accuracies[-1] for scale in scales], **style)
    losses.axhline(math.log(10), color="grey", linestyle=":", label="guessing")
    accuracies.axhline(0.1, color="grey", linestyle=":")
    losses.set(title="Digits: loss on the training set, after training", ylabel="cross-entropy (3: diverged)", ylim=(0, 3.1))
    accuracies.set(title="Digits: accuracy on the test set", ylabel="share right", ylim=(0, 1))
    for axes in (losses, accuracies):
        axes.set(xscale="log", xlabel="scale: std of the weights, times sqrt n")
        axes.set_xticks(SCALES[:3] + SCALES[4:5] + SCALES[6:], [f"{x:g}" for x in SCALES[:3] + SCALES[4:5] + SCALES[6:]])
        axes.grid(alpha=0.3)
    bottom.legend(*losses.get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=9)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__, __file__)
    options.add_argument("--activation", choices=ACTIVATIONS, default="tanh", help="default: tanh")
    args = options.parse_args(arguments)
    depths, scales, epochs, lr = (DEPTHS[:4], FEWER, 2, 0.02) if args.quick else (DEPTHS, SCALES, 10, 0.005)
    todo = [(depth, scale) for depth in depths for scale in scales]
    runs = {
        (depth, scale): trained(law(scale), depth, args.activation, epochs, lr, args.seed)
        for depth, scale in progress(todo, desc="trainings")
    }
    print(f"Digits, {args.activation}, width 64, W = scale N(0, 1/n), {epochs} epochs: loss in training / test accuracy.\n")
    table(
        ["scale", *(f"{depth} layers" for depth in depths)],
        [
            [f"{scale:g}", *(f"{(r := runs[depth, scale]).losses[-1]:.3f} / {r.accuracies[-1]:.0%}" for depth in depths)]
            for scale in scales
        ],
    )
    save(lambda: draw(runs, args.activation, args.seed), args.out)


DRAWN = {"picture": "scale_sweep.png", "command": "python examples/scale_sweep.py"}
DRAWN_RELU = {"picture": "scale_sweep_relu.png", "command": "python examples/scale_sweep.py --activation relu"}
OLD = nn.init.Uniform(-1 / math.sqrt(64), 1 / math.sqrt(64))


def factors(activation: str, scale: float) -> list[float]:
    """What a layer multiplies outputs and gradients by, on average from layer 1 to 10 and back."""
    records = report(scale, activation)
    ratios = records[-1].out_std / records[0].out_std, records[0].grad_ratio or 0.0
    return [ratio ** (1 / 9) for ratio in ratios]


CLAIMS = [
    Claim(
        13,
        "A C",
        Text(
            "Weights that are too large make signal and gradient explode, too small ones make them vanish.",
            "权重过大会使信号和梯度爆炸，过小会使它们消失。",
        ),
        Text(
            "true of ReLU, both ways; tanh caps the signal, so that too large weights explode the gradient only.",
            "正确：ReLU 的前向、反向都如此；tanh 会压住信号，权重过大时只有梯度爆炸。",
        ),
        Text(
            "a factor a layer, forward and backward. ReLU: scale / √2, that is 0.354 for 0.5 and 2.83 for 4; tanh, scale "
            "4: 1 and above 1",
            "每层的倍数（前向、反向）。ReLU：scale / √2，即 0.5 时 0.354，4 时 2.83；tanh，scale 为 4：1 和大于 1",
        ),
        Text(
            "ReLU, scale 0.5: {small[0]:.3f}, {small[1]:.3f}; scale 4: {large[0]:.2f}, {large[1]:.2f}; tanh, scale 4: "
            "{tanh[0]:.2f}, {tanh[1]:.2f}",
            "ReLU，scale 0.5：{small[0]:.3f}、{small[1]:.3f}；scale 4：{large[0]:.2f}、{large[1]:.2f}；tanh，scale 4："
            "{tanh[0]:.2f}、{tanh[1]:.2f}",
        ),
        lambda: {"small": factors("relu", 0.5), "large": factors("relu", 4.0), "tanh": factors("tanh", 4.0)},
        # The logarithm over nine layers varies by (5 9 / 500)^0.5 / 2 = 0.15 (Hanin and Rolnick), a layer's mean by 0.017.
        lambda m: (
            all(abs(f / (0.5 / math.sqrt(2)) - 1) < 0.06 for f in m["small"])
            and all(abs(f / (4 / math.sqrt(2)) - 1) < 0.06 for f in m["large"])
            and abs(m["tanh"][0] - 1) < 0.02
            and m["tanh"][1] > 1.2
        ),
        **DRAWN_RELU,
    ),
    Claim(
        14,
        "C",
        Text(
            "Random weights that are too small or too large train badly; the normal law is common.",
            "随机权重过小或过大都难以训练；常用高斯分布。",
        ),
        Text("true: there is a best region, around std = 1/√n.", "正确：存在一个最佳区间，在标准差 1/√n 附近。"),
        Text(
            "10 tanh layers, digits, 5 epochs, std 0.1, 0.3, 1, 10 times 1/√n: a guess (10 % right), a guess, above "
            "80 %, below 50 %",
            "10 层 tanh，手写数字，5 轮，标准差为 1/√n 的 0.1、0.3、1、10 倍："
            "随机猜测（准确率 10%）、随机猜测、高于 80%、低于 50%",
        ),
        Text(
            "{accuracy[0]:.0%}, {accuracy[1]:.0%}, {accuracy[2]:.0%}, {accuracy[3]:.0%}",
            "{accuracy[0]:.0%}、{accuracy[1]:.0%}、{accuracy[2]:.0%}、{accuracy[3]:.0%}",
        ),
        lambda: {"accuracy": [trained(law(scale), 10, epochs=5).accuracies[-1] for scale in (0.1, 0.3, 1.0, 10.0)]},
        lambda m: max(m["accuracy"][:2]) < 0.2 and m["accuracy"][2] > 0.8 and m["accuracy"][3] < 0.5,
        **DRAWN,
    ),
    Claim(
        16,
        "A",
        Text("Deep networks amplify the problem.", "网络越深，问题越严重。"),
        Text(
            "true: what two layers forgive, twenty do not.",
            "正确：两层网络能容忍的初始化，二十层就不行了。",
        ),
        Text(
            "tanh, width 64, digits, 15 epochs: with U[-1/√n, 1/√n], variance 1/(3n), 2 layers train and 20 stay at "
            "ln 10 = 2.30; with variance 1/n the 20 get below 0.15",
            "tanh，宽 64，手写数字，15 轮：取 U[-1/√n, 1/√n]（方差 1/(3n)）时，2 层能训练，20 层停在 ln 10 = 2.30；"
            "方差为 1/n 时，20 层的损失降到 0.15 以下",
        ),
        Text(
            "loss: 2 layers {shallow:.3f}; 20 layers {deep:.4f}; with 1/n {lecun:.3f}",
            "损失：2 层 {shallow:.3f}；20 层 {deep:.4f}；方差 1/n 时 {lecun:.3f}",
        ),
        lambda: {
            "shallow": trained(OLD, 2, epochs=15).losses[-1],
            "deep": trained(OLD, 20, epochs=15).losses[-1],
            "lecun": trained(nn.init.LecunNormal(), 20, epochs=15).losses[-1],
        },
        lambda m: m["shallow"] < 0.6 and abs(m["deep"] - math.log(10)) < 0.01 and m["lecun"] < 0.15,
        **DRAWN,
    ),
]


if __name__ == "__main__":
    main()
