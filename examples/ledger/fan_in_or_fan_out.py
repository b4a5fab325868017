"""Claim 24: what fan_in and fan_out keep."""

from fan_in_or_fan_out import FUNNEL, sizes

from ledger import Claim, Text


def ends(mode: str) -> list[float]:
    """Outputs, last layer against first; gradients, first against last."""
    forward, backward = sizes(FUNNEL, mode, 32)
    return [forward[-1] / forward[0], backward[0] / backward[-1]]


CLAIMS = [
    Claim(
        24,
        "D",
        Text(
            "fan_in keeps the variance of the signal forward, fan_out that of the gradient backward.",
            "fan_in 保持前向信号的方差，fan_out 保持反向梯度的方差。",
        ),
        Text(
            "true; and in a funnel no initializer keeps both.",
            "正确；而在漏斗形（逐层变窄）的网络里，没有哪种取法能两者兼顾。",
        ),
        Text(
            "ReLU from 512 to 16 units, halving: outputs, last layer against first, and gradients, first against last. "
            "fan_in: 1 and 2⁻² = 0.25; fan_out: 2² = 4 and 1 (four times n_in/n_out = 2 in variance)",
            "ReLU，宽度由 512 逐层减半到 16：输出（末层比首层）与梯度（首层比末层）。"
            "fan_in：1 和 2⁻² = 0.25；fan_out：2² = 4 和 1（方差四次乘以 n_in/n_out = 2）",
        ),
        Text(
            "fan_in: {fan_in[0]:.3f} and {fan_in[1]:.3f}; fan_out: {fan_out[0]:.2f} and {fan_out[1]:.3f} (32 networks)",
            "fan_in：{fan_in[0]:.3f} 和 {fan_in[1]:.3f}；fan_out：{fan_out[0]:.2f} 和 {fan_out[1]:.3f}（32 个网络）",
        ),
        lambda: {mode: ends(mode) for mode in ("fan_in", "fan_out")},
        # One network's mean square varies by (5 sum 1/n)^0.5 = (5 / 16)^0.5 = 0.56, the root of the mean of 32 by 0.05; three.
        lambda m: all(
            abs(measured / expected - 1) < 0.15
            for mode, pair in (("fan_in", (1, 1 / 4)), ("fan_out", (4, 1)))
            for measured, expected in zip(m[mode], pair, strict=True)
        ),
        picture="fan_in_or_fan_out.png",
        command="python examples/fan_in_or_fan_out.py",
    ),
]
