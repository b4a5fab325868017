"""Claim 32: weight decay and the scale of the weights."""

from typing import Any

from regularization_and_scale import outcome

from ledger import Claim, Text


def measure_decay() -> dict[str, Any]:
    """Two seeds of the tanh network, without and with weight decay, from scales 1 and 16."""
    result: dict[str, Any] = {}
    for key, scale, decay in (("small", 1, 0.0), ("large", 16, 0.0), ("small_decay", 1, 0.01), ("large_decay", 16, 0.01)):
        result[f"{key}_loss"], result[key], result[f"{key}_left"] = outcome("tanh", scale, decay, 150, range(2))
    return result


CLAIMS = [
    Claim(
        32,
        "C",
        Text("Regularization and initialization work together.", "正则化与初始化相互配合。"),
        Text(
            "true: initial weights that are too large fit the training set and generalize badly, and weight decay makes the "
            "network forget them.",
            "正确：起始权重过大的网络能拟合训练集，但泛化差；权重衰减能让网络忘掉这个起点。",
        ),
        Text(
            "what is left of the initial weights: exp(-600 steps · 0.05/(1 - 0.9) · 0.01) = exp(-3) = 0.050 with decay 0.01, "
            "about 1 without; no theory for the accuracy",
            "起始权重的残留：衰减 0.01 时为 exp(-600 步 · 0.05/(1 - 0.9) · 0.01) = exp(-3) = 0.050，无衰减时约为 1；"
            "准确率没有理论值",
        ),
        Text(
            "learned from 200 digits, right on the test set from std 1/√n and 16/√n: {small:.1%} and {large:.1%} without "
            "decay (loss {small_loss:.3f} and {large_loss:.3f}), {small_decay:.1%} and {large_decay:.1%} with 0.01; left of "
            "16/√n: {large_left:.2f} and {large_decay_left:.3f}",
            "用 200 张数字训练，起始标准差 1/√n 与 16/√n 的测试集准确率：无衰减 {small:.1%} 与 {large:.1%}（损失 "
            "{small_loss:.3f} 与 {large_loss:.3f}），衰减 0.01 时 {small_decay:.1%} 与 {large_decay:.1%}；16/√n 的残留："
            "{large_left:.2f} 与 {large_decay_left:.3f}",
        ),
        measure_decay,
        # 0.08: four standard errors of the difference of two fractions near 0.9 of 359 test images, rounded down.
        lambda r: (
            max(r["small_loss"], r["large_loss"]) < 0.02
            and r["small"] - r["large"] > 0.08
            and abs(r["small_decay"] - r["large_decay"]) < 0.08
            and abs(r["large_decay_left"] - 0.050) < 0.01
            and r["large_left"] > 0.9
        ),
        "regularization_and_scale.png",
        "python examples/regularization_and_scale.py",
    ),
]
