"""Claim 41: what a variable of TensorFlow is divided by, it is divided by at every step."""

import math
from typing import Any

from parametrization import WAYS, trained

from ledger import Claim, Text, spread

SEEDS = range(3)


def measure_both() -> dict[str, Any]:
    """Of three layers, how much less w moves in the first step; losses and accuracies of the three ways."""
    inside, outside, scaled = ([trained(how, seed=seed) for seed in SEEDS] for how in WAYS)
    return {
        "ratios": [a / b for a, b in zip(inside[0].moved, outside[0].moved, strict=True)],
        "start": max(abs(a.run[0].loss - b.run[0].loss) for a, b in zip(inside, outside, strict=True)),
        "inside": spread([result.run[-1].loss for result in inside]),
        "outside": spread([result.run[-1].loss for result in outside]),
        "scaled": spread([result.run[-1].loss for result in scaled]),
        "inside_right": spread([result.run[-1].accuracy for result in inside]),
        "outside_right": spread([result.run[-1].accuracy for result in outside]),
    }


CLAIMS = [
    Claim(
        41,
        "B",
        Text(
            "In TensorFlow, Xavier's initialization is the line W = tf.Variable(np.random.randn(n_in, n_out)) / np.sqrt(n_in).",
            "在 TensorFlow 中，Xavier 初始化就是这一行：W = tf.Variable(np.random.randn(n_in, n_out)) / np.sqrt(n_in)。",
        ),
        Text(
            "true, but of the start alone (and of n_in = n_out, claim 18): the division stands outside the variable, so that "
            "the undivided randn is trained, and W moves n times less per step. Here: weight_init=LecunNormal(), of shape "
            "(n_out, n_in).",
            "正确，但只就初始值而言（且须 n_in = n_out，见第 18 条）：除法写在变量之外，被训练的是未经缩放的 randn，"
            "W 每步的移动量缩小到 n 分之一。这里应写 weight_init=LecunNormal()，形状为 (n_out, n_in)。",
        ),
        Text(
            "W = V/√n: ∂L/∂V = ∂L/∂W / √n, and W moves by 1/√n of the step of V: exactly n times less, 64, 500 and 500 in the "
            "three layers; with a learning rate n times larger, the same training. In plain NumPy, 16 seeds, 10 epochs: loss "
            "0.12 ± 0.02 inside, 2.18 ± 0.03 outside",
            "W = V/√n：∂L/∂V = ∂L/∂W / √n，而 W 的移动量又是 V 的 1/√n：恰好缩小到 n 分之一，三层的 n 为 64、500、500；"
            "学习率乘以 n，则训练过程相同。用纯 NumPy 模拟（16 个随机种子，10 轮）：除法在变量内，损失 0.12 ± 0.02；"
            "在变量外，2.18 ± 0.03",
        ),
        Text(
            "{ratios[0]:.2f}, {ratios[1]:.2f}, {ratios[2]:.2f} times less; loss inside {inside[0]:.3f} ± {inside[1]:.3f}, "
            "outside {outside[0]:.2f} ± {outside[1]:.2f}, with a learning rate n times larger {scaled[0]:.3f} ± "
            "{scaled[1]:.3f}; accuracy {inside_right[0]:.1%} ± {inside_right[1]:.1%} and {outside_right[0]:.1%} ± "
            "{outside_right[1]:.1%} (3 seeds)",
            "移动量之比 {ratios[0]:.2f}、{ratios[1]:.2f}、{ratios[2]:.2f}；损失：除法在变量内 {inside[0]:.3f} ± "
            "{inside[1]:.3f}，在变量外 {outside[0]:.2f} ± {outside[1]:.2f}，学习率乘以 n 时 {scaled[0]:.3f} ± "
            "{scaled[1]:.3f}；准确率 {inside_right[0]:.1%} ± {inside_right[1]:.1%} 和 {outside_right[0]:.1%} ± "
            "{outside_right[1]:.1%}（3 个随机种子）",
        ),
        measure_both,
        # A step of V, 1e-4 of its size, is left with a rounding error of 1e-3 in float32; random, and over 5000 weights small.
        # The losses' means vary by 0.01 and 0.02 (3 seeds, spread 0.02 and 0.03): five of these, and four for the second.
        lambda m: (
            all(math.isclose(ratio, n, rel_tol=1e-3) for ratio, n in zip(m["ratios"], (64, 500, 500), strict=True))
            and m["start"] < 1e-4
            and abs(m["inside"][0] - 0.12) < 0.05
            and abs(m["outside"][0] - 2.18) < 0.08
            and abs(m["scaled"][0] - m["inside"][0]) < 0.01
        ),
        "parametrization.png",
        "python examples/parametrization.py",
    ),
]
