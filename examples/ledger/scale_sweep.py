"""Claims 13, 14 and 16: the scale of random weights, and depth."""

import functools
import math
from typing import Any

from scale_sweep import initializer, report, trained

from ledger import Claim, Text, spread
from minidl import nn, training

DRAWN = {"picture": "scale_sweep.png", "command": "python examples/scale_sweep.py"}
DRAWN_RELU = {"picture": "scale_sweep_relu.png", "command": "python examples/scale_sweep.py --activation relu"}
INITIALIZERS = {"old": nn.init.Uniform(-1 / math.sqrt(64), 1 / math.sqrt(64)), "xavier": nn.init.XavierUniform()}


def factors(activation: str, scale: float) -> dict[str, list[float]]:
    """What a layer multiplies outputs and gradients by, on average from layer 1 to 10 and back; 5 seeds."""
    reports = [report(scale, activation, seed=seed) for seed in range(5)]
    forward = [(records[-1].out_std / records[0].out_std) ** (1 / 9) for records in reports]
    return {"forward": spread(forward), "backward": spread([(records[0].grad_ratio or 0.0) ** (1 / 9) for records in reports])}


def measure_explosion() -> dict[str, Any]:
    cases = {"small": ("relu", 0.5), "large": ("relu", 4.0), "tanh": ("tanh", 4.0)}
    return {f"{key}_{way}": value for key, case in cases.items() for way, value in factors(*case).items()}


def measure_scales() -> dict[str, Any]:
    runs = {
        scale: [trained(initializer(scale), 10, epochs=5, seed=seed) for seed in range(4)] for scale in (0.1, 0.3, 1.0, 10.0)
    }
    return {"right": [spread([epoch.accuracy for epoch in last]) for last in runs.values()]}


@functools.cache
def deep(name: str, depth: int = 20) -> list[training.Epoch]:
    """The last of 15 epochs, of 3 seeds, which claim 26 reads, too."""
    return [trained(INITIALIZERS[name], depth, epochs=15, seed=seed) for seed in range(3)]


def measure_depths() -> dict[str, Any]:
    cases = {"shallow": deep("old", 2), "deep": deep("old"), "xavier": deep("xavier")}
    return {key: spread([epoch.loss for epoch in last]) for key, last in cases.items()}


CLAIMS = [
    Claim(
        13,
        "A C",
        Text(
            "Weights that are too large make signal and gradient explode, too small ones make them vanish.",
            "权重过大会使信号和梯度爆炸，过小会使它们消失。",
        ),
        Text(
            "true, but of ReLU, both ways; tanh caps the signal, so that too large weights explode the gradient only.",
            "正确，但只有 ReLU 在前向传播和反向传播中都如此；tanh 会限制信号的大小，权重过大时只有梯度爆炸。",
        ),
        Text(
            "a factor a layer, forward and backward, at scale s (weights of std s/√n). ReLU: s/√2, that is 0.354 for 0.5 and "
            "2.83 for 4; tanh, s = 4: 1 and √χ = 1.54 (mean-field theory)",
            "尺度为 s（标准差 = s/√n）时每层的倍数（前向传播、反向传播）。ReLU：s/√2，即 s = 0.5 时 0.354，s = 4 时 2.83；"
            "tanh，s = 4：1 和 √χ = 1.54（平均场理论）",
        ),
        Text(
            "5 seeds; ReLU, s = 0.5: {small_forward[0]:.3f} ± {small_forward[1]:.3f}, {small_backward[0]:.3f} ± "
            "{small_backward[1]:.3f}; s = 4: {large_forward[0]:.2f} ± {large_forward[1]:.2f}, {large_backward[0]:.2f} ± "
            "{large_backward[1]:.2f}; tanh, s = 4: {tanh_forward[0]:.3f} ± {tanh_forward[1]:.3f}, {tanh_backward[0]:.2f} ± "
            "{tanh_backward[1]:.2f}",
            "5 个随机种子；ReLU，s = 0.5：{small_forward[0]:.3f} ± {small_forward[1]:.3f}、{small_backward[0]:.3f} ± "
            "{small_backward[1]:.3f}；s = 4：{large_forward[0]:.2f} ± {large_forward[1]:.2f}、{large_backward[0]:.2f} ± "
            "{large_backward[1]:.2f}；tanh，s = 4：{tanh_forward[0]:.3f} ± {tanh_forward[1]:.3f}、{tanh_backward[0]:.2f} ± "
            "{tanh_backward[1]:.2f}",
        ),
        measure_explosion,
        # The logarithm over nine layers varies by (5 9 / 500)^0.5 / 2 = 0.15 (Hanin and Rolnick), a layer's mean by 0.017, that
        # of five networks by 0.0075; tanh's varies less.
        lambda m: all(
            abs(m[f"{key}_{way}"][0] / expected - 1) < 0.03
            for key, pair in {"small": (0.3536, 0.3536), "large": (2.828, 2.828), "tanh": (1, 1.544)}.items()
            for way, expected in zip(("forward", "backward"), pair, strict=True)
        ),
        **DRAWN_RELU,
    ),
    Claim(
        14,
        "C",
        Text(
            "Random weights that are too small or too large train badly; the normal distribution is common.",
            "随机权重过小或过大都难以训练；常用正态分布。",
        ),
        Text("true: there is a best region, around std = 1/√n.", "正确：存在一个最佳区间，在标准差 1/√n 附近。"),
        Text(
            "10 tanh layers, digits, 5 epochs, right on the test set from std 0.1, 0.3, 1, 10 times 1/√n; 8 seeds in plain "
            "NumPy: 8.4% ± 0.9%, 8.4% ± 0.9%, 92.8% ± 1.6%, 9.7% ± 0.7%",
            "10 层 tanh，手写数字，5 轮，标准差为 1/√n 的 0.1、0.3、1、10 倍时的测试集准确率；纯 NumPy 模拟 8 个随机种子："
            "8.4% ± 0.9%、8.4% ± 0.9%、92.8% ± 1.6%、9.7% ± 0.7%",
        ),
        Text(
            "4 seeds: {right[0][0]:.1%} ± {right[0][1]:.1%}, {right[1][0]:.1%} ± {right[1][1]:.1%}, {right[2][0]:.1%} ± "
            "{right[2][1]:.1%}, {right[3][0]:.1%} ± {right[3][1]:.1%}",
            "4 个随机种子：{right[0][0]:.1%} ± {right[0][1]:.1%}、{right[1][0]:.1%} ± {right[1][1]:.1%}、{right[2][0]:.1%} ± "
            "{right[2][1]:.1%}、{right[3][0]:.1%} ± {right[3][1]:.1%}",
        ),
        measure_scales,
        # Guessing is a tenth, which a fraction of 359 images meets within four standard errors of 0.016. 0.065: four standard
        # errors of the difference of the two means, (0.029^2 / 4 + 0.016^2 / 8)^0.5.
        lambda m: (
            max(m["right"][0][0], m["right"][1][0], m["right"][3][0]) < 0.1 + 4 * 0.016
            and abs(m["right"][2][0] - 0.928) < 0.065
        ),
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
            "ln 10 = 2.30; with Xavier's, variance 1/n, the 20 train (plain NumPy, 4 to 6 seeds: 0.266 ± 0.005, 2.302 ± 0.000, "
            "0.082 ± 0.040)",
            "tanh，宽 64，手写数字，15 轮：取 U[-1/√n, 1/√n]（方差 1/(3n)）时，2 层能训练，20 层停在 ln 10 = 2.30；"
            "取 Xavier（方差 1/n）时，20 层也能训练（纯 NumPy 模拟 4 至 6 个随机种子：0.266 ± 0.005、2.302 ± 0.000、"
            "0.082 ± 0.040）",
        ),
        Text(
            "3 seeds, loss: 2 layers {shallow[0]:.3f} ± {shallow[1]:.3f}; 20 layers {deep[0]:.4f} ± {deep[1]:.4f}; with "
            "Xavier's {xavier[0]:.3f} ± {xavier[1]:.3f}",
            "3 个随机种子，损失：2 层 {shallow[0]:.3f} ± {shallow[1]:.3f}；20 层 {deep[0]:.4f} ± {deep[1]:.4f}；用 Xavier 时 "
            "{xavier[0]:.3f} ± {xavier[1]:.3f}",
        ),
        measure_depths,
        # Constant outputs can learn the fractions of the classes, which differ from a tenth by chance: 0.01 below ln 10. 0.2:
        # three standard errors of the mean of three, 0.04 / sqrt 3, above 0.082, rounded up.
        lambda m: m["shallow"][0] < 0.6 and abs(m["deep"][0] - math.log(10)) < 0.01 and m["xavier"][0] < 0.2,
        **DRAWN,
    ),
]
