"""Claim 34: orthogonal weights, and weights scaled by data."""

from typing import Any

import numpy as np
from lsuv import WIDTH, build, learn, stds

from ledger import Claim, Text, spread
from minidl import data, nn

SEEDS = range(3)


def singular_values(name: str, seed: int, digits: data.Split) -> np.ndarray:
    """Of the product of 50 square layers, the largest first."""
    product = np.eye(WIDTH)
    for layer in list(build(name, "tanh", 51, seed, digits))[:100:2]:
        product = layer.weight.data @ product
    return np.linalg.svd(product, compute_uv=False)


def measure_others() -> dict[str, Any]:
    """Singular values and signal at 50 layers, and tanh networks of 20 layers after 5 epochs."""
    digits = data.digits()
    result: dict[str, Any] = {}
    for key, name in {"xavier": "Xavier", "orthogonal": "orthogonal", "lsuv": "LSUV"}.items():
        result[f"{key}_right"] = spread([learn(name, "tanh", 20, 5, seed, digits) for seed in SEEDS])
        if name != "orthogonal":
            result[f"{key}_std"] = spread([stds(build(name, nn.SiLU, 50, seed, digits), digits)[-1] for seed in SEEDS])
        if name != "LSUV":
            values = [singular_values(name, seed, digits) for seed in SEEDS]
            result |= {f"{key}_low": float(np.min(values)), f"{key}_high": float(np.max(values))}
    return result


CLAIMS = [
    Claim(
        34,
        "C",
        Text("Other methods of initialization are being researched.", "还有其他初始化方法正在研究中。"),
        Text(
            "true: orthogonal weights keep every direction, and LSUV measures what theory need not know; both beat Xavier's "
            "initializer here.",
            "正确：正交权重不丢失任何方向，LSUV 用测量代替理论；在这里两者都优于 Xavier。",
        ),
        Text(
            "50 linear layers: all singular values of the product 1 if orthogonal (Saxe 2014); after LSUV a std of 1 in every "
            "layer (Mishkin and Matas 2016)",
            "50 个线性层：正交时乘积的奇异值全为 1（Saxe 2014）；LSUV 之后每层标准差为 1（Mishkin 与 Matas 2016）",
        ),
        Text(
            "3 seeds; singular values: orthogonal {orthogonal_low:.5f} to {orthogonal_high:.5f}, Xavier {xavier_low:.0e} to "
            "{xavier_high:.0f}; std at layer 50 with SiLU: LSUV {lsuv_std[0]:.3f} ± {lsuv_std[1]:.3f}, Xavier "
            "{xavier_std[0]:.0e} ± {xavier_std[1]:.0e}; digits, 20 tanh layers, 5 epochs, right on the test set: LSUV "
            "{lsuv_right[0]:.1%} ± {lsuv_right[1]:.1%}, orthogonal {orthogonal_right[0]:.1%} ± {orthogonal_right[1]:.1%}, "
            "Xavier {xavier_right[0]:.1%} ± {xavier_right[1]:.1%}",
            "3 个随机种子；奇异值：正交 {orthogonal_low:.5f} 至 {orthogonal_high:.5f}，Xavier {xavier_low:.0e} 至 "
            "{xavier_high:.0f}；SiLU 第 50 层的标准差：LSUV {lsuv_std[0]:.3f} ± {lsuv_std[1]:.3f}，Xavier "
            "{xavier_std[0]:.0e} ± {xavier_std[1]:.0e}；手写数字、20 层 tanh、5 轮后的测试集准确率：LSUV {lsuv_right[0]:.1%} "
            "± {lsuv_right[1]:.1%}，正交 {orthogonal_right[0]:.1%} ± {orthogonal_right[1]:.1%}，Xavier {xavier_right[0]:.1%} "
            "± {xavier_right[1]:.1%}",
        ),
        measure_others,
        # Orthogonal up to float32's rounding, 6e-8 times 64 in each of 50 layers. LSUV's own tolerance is 0.1 in variance.
        # 0.08: two standard errors of the difference of two fractions of 359 test images.
        lambda r: (
            1 - 2e-4 < r["orthogonal_low"] <= r["orthogonal_high"] < 1 + 2e-4
            and r["xavier_low"] < 1e-6
            and abs(r["lsuv_std"][0] - 1) < 0.05
            and r["xavier_std"][0] < 1e-6
            and min(r["lsuv_right"][0], r["orthogonal_right"][0]) - r["xavier_right"][0] > 0.08
        ),
        "lsuv.png",
        "python examples/lsuv.py",
    ),
]
