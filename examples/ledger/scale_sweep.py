"""Claims 13, 14 and 16: the scale of random weights, and depth."""

import math

from scale_sweep import initializer, report, trained

from ledger import Claim, Text
from minidl import nn

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
            "Random weights that are too small or too large train badly; the normal distribution is common.",
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
        lambda: {"accuracy": [trained(initializer(scale), 10, epochs=5).accuracy for scale in (0.1, 0.3, 1.0, 10.0)]},
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
            "shallow": trained(OLD, 2, epochs=15).loss,
            "deep": trained(OLD, 20, epochs=15).loss,
            "lecun": trained(nn.init.LecunNormal(), 20, epochs=15).loss,
        },
        lambda m: m["shallow"] < 0.6 and abs(m["deep"] - math.log(10)) < 0.01 and m["lecun"] < 0.15,
        **DRAWN,
    ),
]
