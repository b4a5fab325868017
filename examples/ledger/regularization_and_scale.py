"""Claim 32: weight decay, dropout and the scale of the weights."""

from typing import Any

from regularization_and_scale import outcomes

from ledger import Claim, Text, spread


def measure_regularization() -> dict[str, Any]:
    """Three seeds of the tanh network from scales 1 and 16: plain, with weight decay, with dropout."""
    result: dict[str, Any] = {}
    for kind, decay, dropout in (("plain", 0.0, 0.0), ("decay", 0.01, 0.0), ("dropout", 0.0, 0.5)):
        for size, scale in (("small", 1), ("large", 16)):
            found = outcomes("tanh", scale, decay, dropout, 150, range(3))
            for what, values in zip(("loss", "right", "left"), found.T, strict=True):
                result[f"{kind}_{size}_{what}"] = spread(values.tolist())
    return result


def _pair(kind: str, what: str, digits: str) -> str:
    """A number and its spread from small and from large weights, as a format string."""
    both = (f"{{{kind}_{size}_{what}[0]:{digits}}} ± {{{kind}_{size}_{what}[1]:{digits}}}" for size in ("small", "large"))
    return " / ".join(both)


CLAIMS = [
    Claim(
        32,
        "C",
        Text("Regularization and initialization work together.", "正则化与初始化相互配合。"),
        Text(
            "true: initial weights that are too large fit the training set and generalize badly; weight decay makes the "
            "network forget them, and dropout gets along with them.",
            "正确：初始权重过大的网络能拟合训练集，但泛化差；权重衰减能让网络忘掉初始值，dropout "
            "则让网络在保留初始值的情况下照样泛化。",
        ),
        Text(
            "what is left of the initial weights: exp(-600 steps · 0.05/(1 - 0.9) · 0.01) = exp(-3) = 0.050 with decay 0.01, "
            "about 1 without; no theory for the accuracy",
            "初始权重的残留：衰减 0.01 时为 exp(-600 步 · 0.05/(1 - 0.9) · 0.01) = exp(-3) = 0.050，无衰减时约为 1；"
            "准确率没有理论值",
        ),
        Text(
            "learned from 200 digits, 3 seeds, right on the test set from std 1/√n / 16/√n: plain "
            f"{_pair('plain', 'right', '.1%')} (loss {_pair('plain', 'loss', '.3f')}), decay 0.01 "
            f"{_pair('decay', 'right', '.1%')}, dropout 0.5 {_pair('dropout', 'right', '.1%')}; left of 16/√n: "
            "{plain_large_left[0]:.3f} ± {plain_large_left[1]:.3f}, {decay_large_left[0]:.3f} ± {decay_large_left[1]:.3f}, "
            "{dropout_large_left[0]:.3f} ± {dropout_large_left[1]:.3f}",
            "用 200 张手写数字训练，3 个随机种子，初始标准差为 1/√n / 16/√n 时的测试集准确率：无正则化 "
            f"{_pair('plain', 'right', '.1%')}（损失 {_pair('plain', 'loss', '.3f')}），权重衰减 0.01 "
            f"{_pair('decay', 'right', '.1%')}，dropout 0.5 {_pair('dropout', 'right', '.1%')}；16/√n 的残留依次为 "
            "{plain_large_left[0]:.3f} ± {plain_large_left[1]:.3f}、{decay_large_left[0]:.3f} ± {decay_large_left[1]:.3f}、"
            "{dropout_large_left[0]:.3f} ± {dropout_large_left[1]:.3f}",
        ),
        measure_regularization,
        # 0.08: four standard errors of the difference of two fractions near 0.9 of 359 test images, rounded down.
        lambda r: (
            max(r["plain_small_loss"][0], r["plain_large_loss"][0]) < 0.02
            and r["plain_small_right"][0] - r["plain_large_right"][0] > 0.08
            and abs(r["decay_small_right"][0] - r["decay_large_right"][0]) < 0.08
            and abs(r["dropout_small_right"][0] - r["dropout_large_right"][0]) < 0.08
            and r["dropout_large_right"][0] - r["plain_large_right"][0] > 0.08
            and abs(r["decay_large_left"][0] - 0.050) < 0.01
            and min(r["plain_large_left"][0], r["dropout_large_left"][0]) > 0.9
        ),
        "regularization_and_scale.png",
        "python examples/regularization_and_scale.py",
    ),
]
