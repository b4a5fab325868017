"""Claim 28: small positive biases and dead ReLUs."""

from itertools import pairwise
from typing import Any

import numpy as np
from dying_relu import BIASES, INITIALIZERS, build, dead

from ledger import Claim, Text
from minidl import data


def measure_dead() -> dict[str, Any]:
    """Mean over 5 seeds of the fraction of dead hidden units before training, in 5 layers; and in the first layer alone."""
    x = data.digits().x_train
    result: dict[str, Any] = {"he": [], "harsh": [], "first": []}
    for bias in BIASES:
        for key, name in {"he": "He", "harsh": "He, mean -0.1"}.items():
            fractions = np.mean([dead(build(INITIALIZERS[name], bias, 5, seed), x) for seed in range(5)], axis=0)
            result[key].append(float(fractions.mean()))
        result["first"].append(float(fractions[0]))
    return result


CLAIMS = [
    Claim(
        28,
        "A",
        Text(
            "Biases start at 0 or a small positive number; a positive one keeps ReLUs alive.",
            "偏置从 0 或小的正数开始；正偏置能避免 ReLU 死亡。",
        ),
        Text(
            "true, but with He's initializer there is little to save: 0, 0.01 and 0.1 leave equally few dead units; it helps "
            "where the initialization is harsher.",
            "正确，但用 He 初始化时几乎无需补救：偏置 0、0.01、0.1 的死亡单元同样少；起点更差时才有帮助。",
        ),
        Text(
            "with the same weights, a larger bias can only wake units of the first layer: their dead never increase along the "
            "biases -1, 0, 0.01, 0.1, 1 (exact; nothing is known for deeper layers)",
            "权重相同时，更大的偏置只会唤醒第一层的单元：沿偏置 -1、0、0.01、0.1、1，其死亡数不增（严格成立；"
            "更深的层没有此保证）",
        ),
        Text(
            "5 layers on digits, 5 seeds, dead for these biases: He {he[0]:.0%} {he[1]:.1%} {he[2]:.1%} {he[3]:.1%} "
            "{he[4]:.1%}; with weights of mean -0.1 {harsh[0]:.0%} {harsh[1]:.0%} {harsh[2]:.0%} {harsh[3]:.0%} {harsh[4]:.0%}"
            " (its first layer {first[0]:.0%} {first[1]:.0%} {first[2]:.0%} {first[3]:.0%} {first[4]:.0%})",
            "5 层网络、手写数字、5 个种子，偏置依次如左时的死亡比例：He {he[0]:.0%} {he[1]:.1%} {he[2]:.1%} {he[3]:.1%} "
            "{he[4]:.1%}；权重均值为 -0.1 时 {harsh[0]:.0%} {harsh[1]:.0%} {harsh[2]:.0%} {harsh[3]:.0%} {harsh[4]:.0%}"
            "（其第一层 {first[0]:.0%} {first[1]:.0%} {first[2]:.0%} {first[3]:.0%} {first[4]:.0%}）",
        ),
        measure_dead,
        # 0.03: two standard errors of the difference of two fractions of 5 * 256 units near 5 %, 0.017, and some room for units
        # of one network that die together. In the harsh initialization 0.05 is as many.
        lambda r: (
            all(more <= less for less, more in pairwise(r["first"]))
            and max(r["he"][1:4]) - min(r["he"][1:4]) < 0.03
            and r["he"][0] > 0.5
            and r["harsh"][3] < r["harsh"][1] - 0.05
        ),
        "dying_relu.png",
        "python examples/dying_relu.py",
    ),
]
