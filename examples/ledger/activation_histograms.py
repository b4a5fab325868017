"""Claims 9 to 12 and 19 to 21: what a deep network does to a signal, layer by layer."""

import math
from typing import Any

import numpy as np
from activation_histograms import ACTIVATIONS, DEPTH, INITIALIZERS, WIDTH, report

from ledger import Claim, Text
from minidl import flow, nn, no_grad
from minidl.random import Generator


def drawn(activation: str) -> dict[str, str]:
    return {
        "picture": f"activation_histograms_{activation}.png",
        "command": f"python examples/activation_histograms.py --activation {activation}",
    }


def stds(name: str, activation: str) -> list[float]:
    """Of every layer's outputs."""
    return [r.out_std for r in report(INITIALIZERS[name], activation)]


def mean_stds(name: str, activation: str, networks: int = 16) -> list[float]:
    """The same, the mean over several networks, with as little as it takes."""
    result = np.zeros(DEPTH)
    for rng in map(Generator, range(networks)):
        y: Any = rng.normal((200, WIDTH))
        with no_grad():
            for i in range(DEPTH):
                y = ACTIVATIONS[activation]()(nn.Linear(WIDTH, WIDTH, weight_init=INITIALIZERS[name], rng=rng)(y))
                result[i] += y.data.std() / networks
    return result.tolist()


def gradients(name: str, activation: str) -> list[float]:
    """Of every layer, relative to the last."""
    return [r.grad_ratio or 0.0 for r in report(INITIALIZERS[name], activation)]


def near(measured: list[float], expected: list[float], tolerance: float = 0.05) -> bool:
    """Within 5 %: one layer of this width strays by (2 / 500)^0.5 / 2 = 3 % at most, and tanh and sigmoid pull it back."""
    return all(abs(m / e - 1) < tolerance for m, e in zip(measured, expected, strict=True))


def linear_factors() -> dict[str, Any]:
    """What a linear layer of 500 inputs multiplies the variance by, under article A's three distributions."""
    bound = 1 / math.sqrt(WIDTH)
    x = Generator(1).normal((1000, WIDTH))
    initializers = (nn.init.Uniform(-0.1, 0.1), nn.init.Uniform(-bound, bound), nn.init.Normal(std=0.01))
    records = [flow.measure(nn.Linear(WIDTH, WIDTH, weight_init=initializer, rng=0), x)[""] for initializer in initializers]
    return {
        "factors": [(record.out_std / float(x.std())) ** 2 for record in records],
        "units": min(record.distinct_units or 0 for record in records),
    }


ARTICLE_B = [0.628, 0.486, 0.409, 0.357, 0.321, 0.293, 0.271, 0.256, 0.242, 0.229]

CLAIMS = [
    Claim(
        9,
        "A",
        Text(
            "Draw the weights from U[-0.1, 0.1], from U[-1/√n, 1/√n] or from N(0, 0.01²).",
            "权重可取自 U[-0.1, 0.1]、U[-1/√n, 1/√n] 或 N(0, 0.01²)。",
        ),
        Text(
            "true, but that only breaks the symmetry; whether the signal lives depends on n, for a linear layer multiplies its "
            "variance by n/300, 1/3 and n/10000.",
            "正确，但这只保证打破对称性；信号能否传下去取决于 n：每个线性层把方差分别乘以 n/300、1/3 和 n/10000。",
        ),
        Text(
            "n = 500: 1.67, 0.33, 0.05 (n times the variance of a weight); 500 distinct units of 500",
            "n = 500：1.67、0.33、0.05（n 乘以分布的方差）；500 个神经元全部互异",
        ),
        Text(
            "{factors[0]:.3f}, {factors[1]:.3f}, {factors[2]:.4f}; {units} distinct units",
            "{factors[0]:.3f}、{factors[1]:.3f}、{factors[2]:.4f}；互异神经元 {units} 个",
        ),
        linear_factors,
        # The mean of 1000 sums of 500 squares varies by (2 / 500 / 1000)^0.5 = 0.2 %, the weights' square by 0.3 %.
        lambda m: m["units"] == WIDTH and near(m["factors"], [500 / 300, 1 / 3, 0.05], 0.02),
        **drawn("tanh"),
    ),
    Claim(
        10,
        "B",
        Text(
            "Ten layers of 500 tanh units, W = 0.01 N(0, 1): activations shrink towards 0 from layer to layer.",
            "10 层、每层 500 个 tanh 单元，W = 0.01 N(0, 1)：激活值逐层趋于 0。",
        ),
        Text("true, and gradients shrink alike, on their way back.", "正确；反向传播的梯度也以同样的速度缩小。"),
        Text(
            "std .213 .048 .011 .0024 .0005 in layers 1 to 5 (simulation), then by 0.01 √500 = 0.224 a layer; gradients, "
            "layer 1 against 10: 1.4e-6 (mean-field theory)",
            "第 1 至 5 层标准差 .213 .048 .011 .0024 .0005（模拟），此后每层乘以 0.01√500 = 0.224；"
            "第 1 层梯度与第 10 层之比 1.4e-6（平均场理论）",
        ),
        Text(
            "{std[0]:.3f} {std[1]:.4f} {std[2]:.4f} {std[3]:.5f} {std[4]:.6f}; last step {step:.3f}; {gradient:.2g}",
            "{std[0]:.3f} {std[1]:.4f} {std[2]:.4f} {std[3]:.5f} {std[4]:.6f}；最后一层的倍数 {step:.3f}；{gradient:.2g}",
        ),
        lambda: {
            "std": (s := stds("0.01 N(0, 1)", "tanh")),
            "step": s[-1] / s[-2],
            "gradient": gradients("0.01 N(0, 1)", "tanh")[0],
        },
        lambda m: (
            near(m["std"][:3], [0.2135, 0.0477, 0.0107])
            and near([m["step"]], [0.2236], 0.1)  # one layer at the end of ten
            and 1e-6 < m["gradient"] < 2e-6
        ),
        **drawn("tanh"),
    ),
    Claim(
        11,
        "B",
        Text("With W = N(0, 1) the activations stick to -1 and 1.", "W = N(0, 1) 时，激活值几乎全部贴在 -1 和 1 上。"),
        Text("true.", "正确。"),
        Text("std about .98 in every layer (1 would be all of them)", "各层标准差约 .98（全部贴住时为 1）"),
        Text(
            "from {low:.3f} to {high:.3f}; {saturated:.0%} are saturated",
            "{low:.3f} 至 {high:.3f}；饱和比例 {saturated:.0%}",
        ),
        lambda: {
            "low": min(s := stds("N(0, 1)", "tanh")),
            "high": max(s),
            "saturated": report(INITIALIZERS["N(0, 1)"], "tanh")[4].saturated,
        },
        lambda m: 0.975 < m["low"] <= m["high"] < 0.99 and m["saturated"] > 0.8,
        **drawn("tanh"),
    ),
    Claim(
        12,
        "B",
        Text(
            "Where W = N(0, 1) saturates tanh, all gradients are zero (says the course whose slides B follows).",
            "W = N(0, 1) 使 tanh 饱和，梯度全部为零（B 所依据的课程讲义如是说）。",
        ),
        Text(
            "false, at least for this network: one unit in nine is not saturated, and what passes there is multiplied by "
            "weights of size 1: the gradients grow.",
            "错误，至少对这个网络如此：约九分之一的神经元没有饱和，经过它们的梯度又乘以大小为 1 的权重，结果梯度反而增大。",
        ),
        Text(
            "about 7e4 times as large in layer 1 as in layer 10 (simulation; mean-field theory: chi^(9/2))",
            "第 1 层梯度约为第 10 层的 7e4 倍（模拟；平均场理论：χ^(9/2)）",
        ),
        Text(
            "{growth:.2g} times; theory for this network {theory:.2g}, {deviation:.1f} standard deviations away",
            "{growth:.2g} 倍；该网络的理论值 {theory:.2g}，相差 {deviation:.1f} 个标准差",
        ),
        lambda: {
            "growth": (r := report(INITIALIZERS["N(0, 1)"], "tanh")[0]).grad_ratio,
            "theory": r.predicted_grad_ratio,
            "deviation": r.grad_deviation,
        },
        lambda m: m["growth"] > 1e4 and abs(m["deviation"]) < 4,
        **drawn("tanh"),
    ),
    Claim(
        19,
        "B",
        Text(
            "With W = randn / √n_in, ten layers of 500 tanh units keep a good spread of activations.",
            "W = randn / √n_in 时，10 层、每层 500 个 tanh 单元的激活值保持良好的分布。",
        ),
        Text("true, but it falls slowly, by 5 % in the last layer.", "正确，但标准差仍缓慢下降，最后一层降 5%。"),
        Text(
            "std .628 .486 .409 .357 .321 .293 .271 .256 .242 .229 (simulation)",
            "标准差 .628 .486 .409 .357 .321 .293 .271 .256 .242 .229（模拟）",
        ),
        Text(" ".join(f"{{std[{i}]:.3f}}" for i in range(DEPTH)), " ".join(f"{{std[{i}]:.3f}}" for i in range(DEPTH))),
        lambda: {"std": stds("N(0, 1/n)", "tanh")},
        lambda m: near(m["std"], ARTICLE_B),
        **drawn("tanh"),
    ),
    Claim(
        20,
        "A D",
        Text("Xavier's initializer suits sigmoid and tanh.", "Xavier 初始化适合 sigmoid 和 tanh。"),
        Text(
            "true, but of tanh only: through sigmoid, whose slope is at most 1/4, gradients vanish.",
            "正确，但只对 tanh 成立：sigmoid 的导数最大为 1/4，梯度会消失。",
        ),
        Text(
            "the gradient's variance, a layer (mean-field theory, wide layers): sigmoid 0.056; tanh about 0.81 on average over "
            "these nine",
            "梯度方差每层的倍数（平均场理论，宽层极限）：sigmoid 0.056；tanh 这九层平均约 0.81",
        ),
        Text("sigmoid {sigmoid:.4f}, tanh {tanh:.3f}", "sigmoid {sigmoid:.4f}，tanh {tanh:.3f}"),
        lambda: {a: gradients("N(0, 1/n)", a)[0] ** (2 / 9) for a in ("sigmoid", "tanh")},
        lambda m: near([m["sigmoid"], m["tanh"]], [0.056, 0.812]),
        **drawn("sigmoid"),
    ),
    Claim(
        21,
        "A B D",
        Text(
            "He's initializer, N(0, 2/n_in), suits ReLU; Xavier's does not.",
            "He 初始化 N(0, 2/n_in) 适合 ReLU，Xavier 不适合。",
        ),
        Text("true.", "正确。"),
        Text(
            "He: std √(1 - 1/π) = .826 in every layer, on the mean of 16 networks; 1/n: divided by √2 = 1.414 a layer "
            "(ReLU halves the mean square)",
            "He：各层标准差 √(1 - 1/π) = .826（16 个网络的平均）；1/n：每层除以 √2 = 1.414（ReLU 使均方减半）",
        ),
        Text(
            "He: from {low:.3f} to {high:.3f}; 1/n: divided by {fall:.3f} a layer",
            "He：{low:.3f} 至 {high:.3f}；1/n：每层除以 {fall:.3f}",
        ),
        lambda: {
            "low": min(s := mean_stds("N(0, 2/n)", "relu")),
            "high": max(s),
            "fall": ((s := mean_stds("N(0, 1/n)", "relu"))[0] / s[-1]) ** (1 / 9),
        },
        # In layer 10 log std varies by (5 10 / 500)^0.5 / 2 = 0.16 (Hanin and Rolnick), the mean of 16 by 0.04; three of them.
        lambda m: 0.826 * 0.88 < m["low"] <= m["high"] < 0.826 * 1.12 and abs(m["fall"] / math.sqrt(2) - 1) < 0.02,
        **drawn("relu"),
    ),
]
