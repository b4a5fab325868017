"""Claims 29 and 30: batch norm and the scale of the weights."""

from typing import Any

from batchnorm_rescues import look

from ledger import Claim, Text


def measure_before() -> dict[str, Any]:
    """The smallest and the largest std over the layers and the three scales; how many times larger a relative step is."""
    seen = [look(scale, "before", 10, 0) for scale in (0.01, 0.045, 1.0)]
    stds = [std for one in seen for std in one["std"]]
    return {"low": min(stds), "high": max(stds), "steps": seen[0]["step"] / seen[-1]["step"]}


def measure_both() -> dict[str, Any]:
    """Before and after, from weights of 0.01 and 1."""
    result: dict[str, Any] = {}
    for place in ("before", "after"):
        for key, scale in {"small": 0.01, "large": 1.0}.items():
            seen = look(scale, place, 10, 0, 500)
            result |= {f"{place}_{key}": seen["std"][-1], f"{place}_{key}_gradient": seen["gradient"][0]}
    return result


RESCUE = "batchnorm_rescues.png", "python examples/batchnorm_rescues.py"
CLAIMS = [
    Claim(
        29,
        "B",
        Text("Batch norm makes the scale of the weights matter little.", "批归一化使权重的尺度变得不那么重要。"),
        Text(
            "true, but for the signal alone: with it before tanh, every layer has the same spread; yet the relative size of a "
            "step falls with the square of the scale, so large weights learn slowly.",
            "正确，但只对信号成立：放在 tanh 之前时，每层的分布都相同；而每步更新的相对大小随尺度的平方下降，权重大则学得慢。",
        ),
        Text(
            "0.628 in every layer and from every scale: the square root of E[tanh(z)²] = 0.394, z ~ N(0, 1); steps (1 / "
            "0.01)² = 10,000 times as large at scale 0.01 as at 1, for a factor of W changes nothing behind the batch norm",
            "每一层、每种尺度都是 0.628：即 E[tanh(z)²] = 0.394 的平方根，z ~ N(0, 1)；尺度 0.01 时的相对步长是尺度 1 时的 "
            "(1 / 0.01)² = 10,000 倍，因为 W 乘以常数不改变批归一化之后的值",
        ),
        Text(
            "10 x 500 tanh, weights N(0, 0.01²), N(0, 0.045²), N(0, 1): from {low:.3f} to {high:.3f} in all 30 layers; steps "
            "{steps:,.0f} times as large",
            "10 层、每层 500 个 tanh，权重 N(0, 0.01²)、N(0, 0.045²)、N(0, 1)：30 层全部在 {low:.3f} 到 {high:.3f} 之间；"
            "相对步长 {steps:,.0f} 倍",
        ),
        measure_before,
        # Each unit has exactly mean 0 and variance 1 before tanh; that it is normal holds up to 1/500. 0.005 is generous. Batch
        # norm's eps takes 1e-5 / (500 * 0.01²) = 0.02 % from the gradient where weights are small, and more behind tanh.
        lambda r: 0.623 < r["low"] <= r["high"] < 0.633 and abs(r["steps"] / 10_000 - 1) < 0.01,
        *RESCUE,
    ),
    Claim(
        30,
        "B",
        Text("Put batch norm before the activation.", "把批归一化放在激活函数之前。"),
        Text(
            "true, as far as the scale is concerned: after tanh, it cannot undo that tanh was used as a straight line or as a "
            "switch.",
            "正确（就消除尺度的影响而言）：放在 tanh 之后，无法挽回 tanh 已退化为直线或开关的事实。",
        ),
        Text(
            "std of tanh's outputs: before 0.628 from any scale; after, tanh(σ√500 z): 0.212 from σ = 0.01 and 0.982 from σ = "
            "1",
            "tanh 输出的标准差：放在之前，任何尺度都是 0.628；放在之后为 tanh(σ√500 z)：σ = 0.01 时 0.212，σ = 1 时 0.982",
        ),
        Text(
            "layer 10, from 0.01 and 1: before {before_small:.3f} and {before_large:.3f}, after {after_small:.3f} and "
            "{after_large:.3f}; gradient of layer 1 relative to layer 10: before {before_small_gradient:.2f} and "
            "{before_large_gradient:.2f}, after {after_small_gradient:.2f} and {after_large_gradient:.0f}",
            "第 10 层，尺度 0.01 与 1：放在之前 {before_small:.3f} 与 {before_large:.3f}，之后 {after_small:.3f} 与 "
            "{after_large:.3f}；第 1 层相对第 10 层的梯度：之前 {before_small_gradient:.2f} 与 "
            "{before_large_gradient:.2f}，之后 {after_small_gradient:.2f} 与 {after_large_gradient:.0f}",
        ),
        measure_both,
        # The sums into a unit have a variance that strays by sqrt(2/500) = 6 % over units, 3 % in size; tanh bends it less.
        lambda r: (
            max(abs(r["before_small"] - 0.628), abs(r["before_large"] - 0.628)) < 0.005
            and abs(r["after_small"] - 0.212) < 0.006
            and abs(r["after_large"] - 0.982) < 0.005
            and max(r["before_small_gradient"], r["before_large_gradient"]) < 5 < 1000 < r["after_large_gradient"]
        ),
        *RESCUE,
    ),
]
