"""Claim 31: the learning rate and the scale of the weights."""

from collections.abc import Sequence
from typing import Any

from learning_rate_and_scale import GUESSING, final_losses

from ledger import Claim, Text, spread

SCALES = {"tiny": 0.3, "right": 1, "large": 4, "huge": 8}
RATES = 0.01, 0.03, 0.1, 0.3
LEARNED = GUESSING - 0.5  # a loss below it, as in the picture


def after(scale: float, rate: float, optimizer: str = "SGD") -> list[float]:
    """ReLU, 5 epochs: the loss, mean and spread over 4 seeds."""
    return spread(final_losses("relu", scale, optimizer, rate, 5, range(4)))


def best(scale: float, rates: Sequence[float] = RATES) -> tuple[float, list[float]]:
    """The rate whose mean loss is least, and this loss."""
    losses = {rate: after(scale, rate) for rate in rates}
    return min(losses.items(), key=lambda item: item[1][0])


def measure_rates() -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in ("right", "large"):
        result[f"{name}_rate"], result[name] = best(SCALES[name])
    _, result["tiny"] = best(SCALES["tiny"], RATES[1:])
    result |= {"plain": after(2, 0.01), "momentum": after(2, 0.001, "SGD, momentum 0.9")}
    result |= {f"adam_{name}": after(scale, 0.01, "Adam") for name, scale in SCALES.items()}
    result |= {"adam_slow": after(1, 0.001, "Adam"), "adam_fast": after(1, 0.1, "Adam")}
    return result | {f"rmsprop_{name}": after(SCALES[name], 0.003, "RMSprop") for name in ("tiny", "right", "large")}


CLAIMS = [
    Claim(
        31,
        "C",
        Text(
            "Learning rate and initialization belong together; methods with adaptive learning rates help.",
            "学习率与初始化需要配合；自适应学习率的方法有帮助。",
        ),
        Text(
            "true: in plain descent larger weights need a smaller rate, and none makes up for weights far too small; momentum "
            "mostly moves the valley; with adaptive rates (Adam, RMSprop) it is wider: one rate serves small weights and large "
            "ones, though the small ones less well; it must still be chosen, and weights far too large do not train with it.",
            "正确：普通梯度下降时，权重越大，学习率要越小，权重过小时任何学习率都无法弥补；动量主要是把合适的学习率移到约十分之一处；"
            "自适应学习率（Adam、RMSprop）使可用的尺度范围变宽：同一个学习率对偏小和偏大的权重都能训练，只是偏小时效果较差；"
            "学习率本身仍要选择，过大的权重用它也仍然训练不了。",
        ),
        Text(
            "momentum m acts like a rate 1/(1 - m) times as large, 10 for m = 0.9: the same loss, but for a lag of 10 steps "
            "in 115; plain descent learns nothing from std 0.3/√n: ln 10 = 2.303; Adam's step is about the rate, whatever the "
            "gradient's size (Kingma and Ba, 2015): at 0.01, 13 steps cover a weight of 1/√64; plain NumPy, 16 seeds: SGD at "
            "best 0.46 ± 0.23 from 1/√n, 0.64 ± 0.11 from 4/√n; Adam, rate 0.01, from 0.3, 1, 4, 8/√n 0.43 ± 0.15, "
            "0.08 ± 0.03, 0.20 ± 0.09, 2.303; from 1/√n at 0.001 0.24 ± 0.02, at 0.1 1.67 ± 0.42; RMSprop, rate 0.003, from "
            "0.3, 1, 4/√n 0.96 ± 0.22, 0.17 ± 0.20, 0.29 ± 0.12",
            "动量 m 相当于把学习率放大到 1/(1 - m) 倍，m = 0.9 时为 10 倍：除 115 步中滞后约 10 步外损失相同；"
            "普通梯度下降从标准差 0.3/√n 出发什么也学不到：ln 10 = 2.303；Adam 的步长约等于学习率，与梯度大小无关"
            "（Kingma 与 Ba，2015）：学习率 0.01 时 13 步即可走过 1/√64；纯 NumPy、16 个随机种子：SGD 最好时从 1/√n 为 "
            "0.46 ± 0.23，从 4/√n 为 0.64 ± 0.11；Adam 学习率 0.01，从 0.3、1、4、8/√n 为 0.43 ± 0.15、0.08 ± 0.03、"
            "0.20 ± 0.09、2.303；从 1/√n，学习率 0.001 为 0.24 ± 0.02，0.1 为 1.67 ± 0.42；RMSprop 学习率 0.003，"
            "从 0.3、1、4/√n 为 0.96 ± 0.22、0.17 ± 0.20、0.29 ± 0.12",
        ),
        Text(
            "5 ReLU layers, 5 epochs, 4 seeds: best rate {right_rate:g} from std 1/√n (loss {right[0]:.2f} ± {right[1]:.2f}), "
            "{large_rate:g} from 4/√n ({large[0]:.2f} ± {large[1]:.2f}); at best {tiny[0]:.3f} ± {tiny[1]:.3f} from 0.3/√n; "
            "from 2/√n rate 0.01 gives {plain[0]:.2f} ± {plain[1]:.2f}, 0.001 with momentum 0.9 {momentum[0]:.2f} ± "
            "{momentum[1]:.2f}; Adam, rate 0.01: {adam_tiny[0]:.2f} ± {adam_tiny[1]:.2f} from 0.3/√n, {adam_right[0]:.2f} ± "
            "{adam_right[1]:.2f} from 1/√n, {adam_large[0]:.2f} ± {adam_large[1]:.2f} from 4/√n, {adam_huge[0]:.3f} ± "
            "{adam_huge[1]:.3f} from 8/√n; from 1/√n at 0.001 {adam_slow[0]:.2f} ± {adam_slow[1]:.2f}, at 0.1 "
            "{adam_fast[0]:.2f} ± {adam_fast[1]:.2f}; RMSprop, rate 0.003: {rmsprop_tiny[0]:.2f} ± {rmsprop_tiny[1]:.2f} from "
            "0.3/√n, {rmsprop_right[0]:.2f} ± {rmsprop_right[1]:.2f} from 1/√n, {rmsprop_large[0]:.2f} ± "
            "{rmsprop_large[1]:.2f} from 4/√n",
            "5 层 ReLU、5 轮、4 个随机种子：标准差 1/√n 时最佳学习率 {right_rate:g}（损失 {right[0]:.2f} ± {right[1]:.2f}），"
            "4/√n 时 {large_rate:g}（{large[0]:.2f} ± {large[1]:.2f}）；0.3/√n 时最好也只有 {tiny[0]:.3f} ± {tiny[1]:.3f}；"
            "2/√n 时学习率 0.01 得 {plain[0]:.2f} ± {plain[1]:.2f}，0.001 加动量 0.9 得 {momentum[0]:.2f} ± "
            "{momentum[1]:.2f}；Adam 学习率 0.01：0.3/√n 时 {adam_tiny[0]:.2f} ± {adam_tiny[1]:.2f}，1/√n 时 "
            "{adam_right[0]:.2f} ± {adam_right[1]:.2f}，4/√n 时 {adam_large[0]:.2f} ± {adam_large[1]:.2f}，8/√n 时 "
            "{adam_huge[0]:.3f} ± {adam_huge[1]:.3f}；1/√n 时学习率 0.001 得 {adam_slow[0]:.2f} ± {adam_slow[1]:.2f}，0.1 得 "
            "{adam_fast[0]:.2f} ± {adam_fast[1]:.2f}；RMSprop 学习率 0.003：0.3/√n 时 {rmsprop_tiny[0]:.2f} ± "
            "{rmsprop_tiny[1]:.2f}，1/√n 时 {rmsprop_right[0]:.2f} ± {rmsprop_right[1]:.2f}，4/√n 时 {rmsprop_large[0]:.2f} ± "
            "{rmsprop_large[1]:.2f}",
        ),
        measure_rates,
        # A lag of 9 % of the steps costs about as much of the loss's fall from 2.3; the other bounds are a step of the grid.
        lambda r: (
            r["right_rate"] > 2 * r["large_rate"]
            and r["tiny"][0] > GUESSING - 0.02
            and abs(r["momentum"][0] - r["plain"][0]) < 0.09 * GUESSING
            and max(r[f"{rule}_{name}"][0] for rule in ("adam", "rmsprop") for name in ("tiny", "right", "large")) < LEARNED
            and r["adam_right"][0] < min(r[f"adam_{name}"][0] for name in ("tiny", "slow", "fast"))
            and r["rmsprop_right"][0] < r["rmsprop_tiny"][0]
            and r["adam_huge"][0] > GUESSING - 0.02
        ),
        "learning_rate_and_scale.png",
        "python examples/learning_rate_and_scale.py",
    ),
]
