"""Claim 31: the learning rate and the scale of the weights."""

from collections.abc import Sequence
from typing import Any

from learning_rate_and_scale import GUESSING, final_losses

from ledger import Claim, Text, spread

RATES = 0.01, 0.03, 0.1, 0.3


def after(scale: float, rate: float, optimizer: str = "SGD") -> list[float]:
    """ReLU, 5 epochs: the loss, mean and spread over 4 seeds."""
    return spread(final_losses("relu", scale, optimizer, rate, 5, range(4)))


def best(scale: float, rates: Sequence[float] = RATES) -> tuple[float, list[float]]:
    """The rate whose mean loss is least, and this loss."""
    losses = {rate: after(scale, rate) for rate in rates}
    return min(losses.items(), key=lambda item: item[1][0])


def measure_rates() -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, scale in {"right": 1, "large": 4}.items():
        result[f"{key}_rate"], result[key] = best(scale)
    _, result["tiny"] = best(0.3, RATES[1:])
    return result | {"plain": after(2, 0.01), "momentum": after(2, 0.001, "SGD, momentum 0.9")}


CLAIMS = [
    Claim(
        31,
        "C",
        Text("Learning rate and initialization belong together.", "学习率与初始化需要配合。"),
        Text(
            "true: larger weights need a smaller rate, and none makes up for weights far too small; momentum mostly moves the "
            "valley.",
            "正确：权重越大，学习率要越小；权重过小时任何学习率都无法弥补；动量主要是把合适的学习率移到约十分之一处。",
        ),
        Text(
            "momentum m acts like a rate 1/(1 - m) times as large, 10 for m = 0.9: the same loss, but for a lag of 10 steps "
            "in 115; from std 0.3/√n nothing is learned: ln 10 = 2.303",
            "动量 m 相当于把学习率放大 1/(1 - m) 倍，m = 0.9 时为 10 倍：除 115 步中滞后约 10 步外损失相同；标准差 0.3/√n "
            "时什么也学不到：ln 10 = 2.303",
        ),
        Text(
            "5 ReLU layers, 5 epochs, 4 seeds: best rate {right_rate:g} from std 1/√n (loss {right[0]:.2f} ± {right[1]:.2f}), "
            "{large_rate:g} from 4/√n ({large[0]:.2f} ± {large[1]:.2f}); at best {tiny[0]:.3f} ± {tiny[1]:.3f} from 0.3/√n; "
            "from 2/√n rate 0.01 gives {plain[0]:.2f} ± {plain[1]:.2f}, 0.001 with momentum 0.9 {momentum[0]:.2f} ± "
            "{momentum[1]:.2f}",
            "5 层 ReLU、5 轮、4 个随机种子：标准差 1/√n 时最佳学习率 {right_rate:g}（损失 {right[0]:.2f} ± {right[1]:.2f}），"
            "4/√n 时 {large_rate:g}（{large[0]:.2f} ± {large[1]:.2f}）；0.3/√n 时最好也只有 {tiny[0]:.3f} ± {tiny[1]:.3f}；"
            "2/√n 时学习率 0.01 得 {plain[0]:.2f} ± {plain[1]:.2f}，0.001 加动量 0.9 得 {momentum[0]:.2f} ± "
            "{momentum[1]:.2f}",
        ),
        measure_rates,
        # A lag of 9 % of the steps costs about as much of the loss's fall from 2.3; the other bounds are a step of the grid.
        lambda r: (
            r["right_rate"] > 2 * r["large_rate"]
            and r["tiny"][0] > GUESSING - 0.02
            and abs(r["momentum"][0] - r["plain"][0]) < 0.09 * GUESSING
        ),
        "learning_rate_and_scale.png",
        "python examples/learning_rate_and_scale.py",
    ),
]
