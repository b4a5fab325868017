"""Claim 42: what weight, bias and activation each do."""

import math
from typing import Any

from linear_or_not import UNITS, steepest, trained

from ledger import Claim, Text

SEEDS = range(20)


def measure_parts() -> dict[str, Any]:
    """Where four units are steepest, and how steep; XOR from 20 seeds, without activations and with tanh."""
    found = [steepest(weight, bias) for weight, bias in UNITS]
    linear, tanh = ([trained(activation, seed) for seed in SEEDS] for activation in ("none", "tanh"))
    return {
        "slopes": [unit.slope for unit in found],
        "places": [unit.x for unit in found],
        "linear_right": max(result.right for result in linear),
        "linear_loss": min(min(result.losses) for result in linear),
        "tanh_right": min(result.right for result in tanh),
        "tanh_loss": max(result.losses[-1] for result in tanh),
    }


CLAIMS = [
    Claim(
        42,
        "C",
        Text(
            "The bias sets the sensitivity (灵敏度) of the activation; activations bring the nonlinearity.",
            "偏置决定激活函数的灵敏度；激活函数引入非线性。",
        ),
        Text(
            "depends on which half: the first is false, for the weight sets the slope, and the bias only where it is; the "
            "second is true: without activations a network of any depth is linear.",
            "视情况而定：前半句错误，决定斜率（灵敏度）的是权重，偏置只决定位置；后半句正确，没有激活函数，"
            "无论多少层的网络都是线性的。",
        ),
        Text(
            "d/dx tanh(wx + b) = w (1 - tanh²) is largest, w, at x = -b/w: for (w, b) = (1, 0), (1, 2), (4, 0), (4, 2) it is "
            "1, 1, 4, 4 at 0, -2, 0, -0.5. XOR without activations: at most 3 of 4 right, and no loss below ln 2 = 0.693 "
            "(arithmetic: y(0,0) + y(1,1) = y(0,1) + y(1,0), and the loss is convex)",
            "d/dx tanh(wx + b) = w (1 - tanh²) 在 x = -b/w 处最大，等于 w：(w, b) 为 (1, 0)、(1, 2)、(4, 0)、(4, 2) 时，"
            "最大值为 1、1、4、4，位于 0、-2、0、-0.5。无激活函数时的 XOR：4 个点最多答对 3 个，损失不低于 ln 2 = 0.693"
            "（直接演算：y(0,0) + y(1,1) = y(0,1) + y(1,0)，且损失是凸函数）",
        ),
        Text(
            "{slopes[0]:.3g}, {slopes[1]:.3g}, {slopes[2]:.3g}, {slopes[3]:.3g} at {places[0]:.3g}, {places[1]:.3g}, "
            "{places[2]:.3g}, {places[3]:.3g}; XOR, three layers, 20 seeds, without: at most {linear_right} right, loss at "
            "least {linear_loss:.3f}; with tanh: always {tanh_right}, loss at most {tanh_loss:.4f}",
            "{slopes[0]:.3g}、{slopes[1]:.3g}、{slopes[2]:.3g}、{slopes[3]:.3g}，位于 {places[0]:.3g}、{places[1]:.3g}、"
            "{places[2]:.3g}、{places[3]:.3g}；XOR，三层，20 个随机种子：没有激活函数时最多答对 {linear_right} 个，损失最低 "
            "{linear_loss:.3f}；用 tanh 时总是答对 {tanh_right} 个，损失最高 {tanh_loss:.4f}",
        ),
        measure_parts,
        # Double precision for the slopes, single for the losses. The largest slopes lie on points of the grid.
        lambda m: (
            all(math.isclose(slope, weight, rel_tol=1e-9) for slope, (weight, _) in zip(m["slopes"], UNITS, strict=True))
            and all(abs(x + bias / weight) < 1e-9 for x, (weight, bias) in zip(m["places"], UNITS, strict=True))
            and m["linear_right"] <= 3
            and m["linear_loss"] > math.log(2) - 1e-6
            and m["tanh_right"] == 4
            and m["tanh_loss"] < 0.01
        ),
        "linear_or_not.png",
        "python examples/linear_or_not.py",
    ),
]
