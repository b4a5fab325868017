"""Claim 24: what fan_in and fan_out keep."""

import math
from typing import Any

import numpy as np
from fan_in_or_fan_out import FUNNEL, root_mean, squares, typical

from ledger import Claim, Text, spread


def measure_funnel() -> dict[str, Any]:
    """32 networks: outputs, last layer against first, and gradients, first against last; of the squares of single networks the
    root of the mean, the geometric mean, and the standard deviation of half the logarithm."""
    result: dict[str, Any] = {}
    for mode in ("fan_in", "fan_out"):
        forward, backward = squares(FUNNEL, mode, 32)
        ends = forward[:, [0, -1]], backward[:, [-1, 0]]
        for key, average in (("mean", root_mean), ("typical", typical)):
            result[f"{mode}_{key}"] = [float(np.divide(*average(pair)[::-1])) for pair in ends]
        result[f"{mode}_varies"] = [spread(list(np.log(pair[:, 1] / pair[:, 0]) / 2))[1] for pair in ends]
    return result


# A logarithm's standard error over 32 networks, forward and backward.
ERRORS = 0.28 / math.sqrt(32), 0.14 / math.sqrt(32)

CLAIMS = [
    Claim(
        24,
        "D",
        Text(
            "fan_in keeps the variance of the signal forward, fan_out that of the gradient backward.",
            "fan_in 保持前向传播中信号的方差，fan_out 保持反向传播中梯度的方差。",
        ),
        Text(
            "true, but on average over networks: a typical one has a little less. And in a funnel no initializer keeps both.",
            "正确，但这是对许多网络的平均而言，单个网络通常略小；而且在漏斗形（逐层变窄）的网络里，没有哪种取法能两者兼顾。",
        ),
        Text(
            "ReLU from 512 to 16 units, halving: outputs, last layer against first, and gradients, first against last. Root "
            "mean squares over networks: fan_in 1 and 2⁻² = 0.25, fan_out 4 and 1 (four times n_in/n_out = 2 in variance). "
            "Geometric means: outputs e^(-σ²/4) = 0.93 times that, σ² = 0.29 being the variance of the square's logarithm to "
            "first order in 1/n; 2,000 networks in plain NumPy: 0.92 and 0.246, 3.75 and 0.99, one network ± 28% and ± 14%",
            "ReLU，宽度由 512 逐层减半到 16：输出（末层比首层）与梯度（首层比末层）。对多个网络取均方根："
            "fan_in 为 1 和 2⁻² = 0.25；fan_out 为 2² = 4 和 1（方差四次乘以 n_in/n_out = 2）。取几何平均："
            "输出再乘以 e^(-σ²/4) = 0.93，σ² = 0.29 是均方值对数的方差（取到 1/n 的一阶）；用纯 NumPy 模拟 2000 个网络："
            "0.92 和 0.246，3.75 和 0.99，单个网络 ± 28% 和 ± 14%",
        ),
        Text(
            "32 networks, root mean squares: fan_in {fan_in_mean[0]:.3f} and {fan_in_mean[1]:.3f}, fan_out "
            "{fan_out_mean[0]:.2f} and {fan_out_mean[1]:.3f}; geometric means: {fan_in_typical[0]:.3f} and "
            "{fan_in_typical[1]:.3f}, {fan_out_typical[0]:.2f} and {fan_out_typical[1]:.3f}; one network: outputs "
            "± {fan_in_varies[0]:.0%} and ± {fan_out_varies[0]:.0%}, gradients ± {fan_in_varies[1]:.0%} and "
            "± {fan_out_varies[1]:.0%}",
            "32 个网络，均方根：fan_in {fan_in_mean[0]:.3f} 和 {fan_in_mean[1]:.3f}，fan_out {fan_out_mean[0]:.2f} 和 "
            "{fan_out_mean[1]:.3f}；几何平均：{fan_in_typical[0]:.3f} 和 {fan_in_typical[1]:.3f}，"
            "{fan_out_typical[0]:.2f} 和 {fan_out_typical[1]:.3f}；"
            "单个网络：输出 ± {fan_in_varies[0]:.0%} 和 ± {fan_out_varies[0]:.0%}，梯度 ± {fan_in_varies[1]:.0%} 和 "
            "± {fan_out_varies[1]:.0%}",
        ),
        measure_funnel,
        # Three standard errors of 32 networks, around the arithmetic's numbers and around the simulation's.
        lambda m: all(
            abs(math.log(measured / expected)) < 3 * error
            for name, pair in (
                ("fan_in_mean", (1, 1 / 4)),
                ("fan_out_mean", (4, 1)),
                ("fan_in_typical", (0.925, 0.246)),
                ("fan_out_typical", (3.75, 0.988)),
            )
            for measured, expected, error in zip(m[name], pair, ERRORS, strict=True)
        ),
        picture="fan_in_or_fan_out.png",
        command="python examples/fan_in_or_fan_out.py",
    ),
]
