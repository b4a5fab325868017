"""Claim 31: the learning rate and the scale of the weights."""

from typing import Any

import numpy as np
from learning_rate_and_scale import GUESSING, final_loss

from ledger import Claim, Text


def measure_rates() -> dict[str, Any]:
    """ReLU, 5 epochs, 2 seeds: the best of four rates for weight scales 1 and 4, and what it achieves; the best loss from
    scale 0.3; and what momentum 0.9 makes of a tenth of the rate."""
    rates, seeds = [0.01, 0.03, 0.1, 0.3], range(2)
    result: dict[str, Any] = {}
    for key, scale in {"right": 1, "large": 4}.items():
        losses = [final_loss("relu", scale, rate, 0.0, 5, seeds) for rate in rates]
        result |= {f"{key}_rate": rates[int(np.argmin(losses))], key: min(losses)}
    result["tiny"] = min(final_loss("relu", 0.3, rate, 0.0, 5, seeds) for rate in rates[1:])
    result["plain"] = final_loss("relu", 2, 0.01, 0.0, 5, seeds)
    result["momentum"] = final_loss("relu", 2, 0.001, 0.9, 5, seeds)
    return result


CLAIMS = [
    Claim(
        31,
        "C",
        Text("Learning rate and initialization belong together.", "学习率与初始化需要配合。"),
        Text(
            "true: larger weights need a smaller rate, and none makes up for weights far too small; momentum mostly moves the "
            "valley.",
            "正确：权重越大，学习率要越小；权重过小时任何学习率都无法弥补；动量主要是把合适的区域移到别处。",
        ),
        Text(
            "momentum m acts like a rate 1/(1 - m) times as large, 10 for m = 0.9: the same loss, but for a lag of 10 steps "
            "in 115; from scale 0.3 nothing is learned: ln 10 = 2.303",
            "动量 m 相当于把学习率放大 1/(1 - m) 倍，m = 0.9 时为 10 倍：除 115 步中滞后约 10 步外损失相同；尺度 0.3 "
            "什么也学不到：ln 10 = 2.303",
        ),
        Text(
            "5 ReLU layers, 5 epochs: best rate {right_rate:g} from std 1/√n (loss {right:.2f}), {large_rate:g} from 4/√n "
            "({large:.2f}); at best {tiny:.2f} from 0.3/√n; from 2/√n rate 0.01 gives {plain:.2f}, 0.001 with momentum 0.9 "
            "{momentum:.2f}",
            "5 层 ReLU、5 轮：标准差 1/√n 时最佳学习率 {right_rate:g}（损失 {right:.2f}），4/√n 时 {large_rate:g}（{large:.2f}"
            "）；0.3/√n 时最好也只有 {tiny:.2f}；2/√n 时学习率 0.01 得 {plain:.2f}，0.001 加动量 0.9 得 {momentum:.2f}",
        ),
        measure_rates,
        # A lag of 9 % of the steps costs about as much of the loss's fall from 2.3; the other bounds are a step of the grid.
        lambda r: (
            r["right_rate"] > 2 * r["large_rate"]
            and r["tiny"] > GUESSING - 0.02
            and abs(r["momentum"] - r["plain"]) < 0.09 * GUESSING
        ),
        "learning_rate_and_scale.png",
        "python examples/learning_rate_and_scale.py",
    ),
]
