"""Claims 9 to 12, 19 to 21, 38, 39 and 45: what a deep network does to a signal, layer by layer."""

import math
from typing import Any

import numpy as np
from activation_histograms import ACTIVATIONS, DEPTH, INITIALIZERS, WIDTH, report

from ledger import Claim, Text
from minidl import flow, nn, no_grad
from minidl.random import Generator

SEEDS = range(5)
ARTICLE = {"picture": "activation_histograms.png", "command": "python examples/activation_histograms.py"}


def drawn(activation: str) -> dict[str, str]:
    return {
        "picture": f"activation_histograms_{activation}.png",
        "command": f"python examples/activation_histograms.py --activation {activation}",
    }


def stds(name: str, activation: str) -> np.ndarray:
    """Of the outputs, a row for each seed and a column for each layer."""
    return np.array([[r.out_std for r in report(name, activation, batch=200, seed=seed)[1]] for seed in SEEDS])


def gradients(name: str, activation: str) -> np.ndarray:
    """Of layer 1 relative to layer 10, from each seed."""
    return np.array([report(name, activation, batch=200, seed=seed)[1][0].grad_ratio for seed in SEEDS])


def spread(**samples: Any) -> dict[str, Any]:
    """Mean and standard deviation over the seeds, as "name" and "name_spread"."""
    return {
        key: value
        for name, sample in samples.items()
        for key, value in {name: np.mean(sample, 0).tolist(), f"{name}_spread": np.std(sample, 0).tolist()}.items()
    }


def relative_spread(sample: np.ndarray) -> float:
    """The largest of the layers'."""
    return float((sample.std(0) / sample.mean(0)).max())


def relu_stds(name: str, networks: int = 16) -> np.ndarray:
    """Of the outputs of 16 ReLU networks, with as little as it takes; shape (networks, layers)."""
    result = np.zeros((networks, DEPTH))
    for seed in range(networks):
        rng = Generator(seed)
        y: Any = rng.normal((200, WIDTH))
        with no_grad():
            for i in range(DEPTH):
                y = nn.ReLU()(nn.Linear(WIDTH, WIDTH, weight_init=INITIALIZERS[name], rng=rng)(y))
                result[seed, i] = y.data.std()
    return result


def through_relu() -> dict[str, Any]:
    he, lecun = relu_stds("N(0, 2/n)"), relu_stds("N(0, 1/n)")
    falls = (lecun[:, 0] / lecun[:, -1]) ** (1 / 9)
    means = he.mean(0)
    return {"low": float(means.min()), "high": float(means.max()), "last_spread": float(he[:, -1].std()), **spread(fall=falls)}


def near(measured: list[float], expected: list[float], tolerance: float) -> bool:
    """Each within the tolerance, which is relative."""
    return all(abs(m / e - 1) < tolerance for m, e in zip(measured, expected, strict=True))


def linear_factors() -> dict[str, Any]:
    """What a linear layer of 500 inputs multiplies the variance by, under article A's three distributions."""
    bound = 1 / math.sqrt(WIDTH)
    initializers = (nn.init.Uniform(-0.1, 0.1), nn.init.Uniform(-bound, bound), nn.init.Normal(std=0.01))
    factors, units = np.zeros((len(SEEDS), len(initializers))), WIDTH
    for seed in SEEDS:
        x = Generator(seed).stream("data").normal((1000, WIDTH))
        for i, initializer in enumerate(initializers):
            record = flow.measure(nn.Linear(WIDTH, WIDTH, weight_init=initializer, rng=seed), x)[""]
            factors[seed, i] = (record.out_std / float(x.std())) ** 2
            units = min(units, record.distinct_units or 0)
    return {"factors": factors.mean(0).tolist(), "spread": relative_spread(factors), "units": units}


def sums() -> dict[str, Any]:
    """The values wx + b where weights and inputs are N(0, 1), and the fraction where tanh's slope is under 1 %."""
    samples: dict[str, list[float]] = {key: [] for key in ("std", "size", "above", "saturated")}
    for seed in SEEDS:
        rng = Generator(seed)
        x = rng.normal((1000, WIDTH))
        with no_grad():
            z = nn.Linear(WIDTH, WIDTH, weight_init=nn.init.Normal(), rng=rng)(x).data.astype(np.float64)
        samples["std"].append(z.std())
        samples["size"].append(np.abs(z).mean())
        samples["above"].append((np.abs(z) > 20).mean())
        samples["saturated"].append((1 - np.tanh(z) ** 2 < 0.01).mean())
    return spread(**samples)


def small_weights() -> dict[str, Any]:
    sample = stds("0.01 N(0, 1)", "tanh")
    return {
        "std": sample.mean(0).tolist(),
        "relative": relative_spread(sample),
        **spread(step=sample[:, -1] / sample[:, -2], gradient=gradients("0.01 N(0, 1)", "tanh")),
    }


def large_weights() -> dict[str, Any]:
    sample = stds("N(0, 1)", "tanh")
    saturated = [report("N(0, 1)", "tanh", batch=200, seed=seed)[1][4].saturated for seed in SEEDS]
    return {"low": float(sample.min()), "high": float(sample.max()), **spread(saturated=saturated)}


def xavier_kinds() -> dict[str, Any]:
    """For each activation: the std in layer 10 relative to layer 1, and the gradient in layer 1 relative to layer 10."""
    result: dict[str, Any] = {}
    for kind in ACTIVATIONS:
        sample = stds("N(0, 1/n)", kind)
        result |= spread(**{kind: sample[:, -1] / sample[:, 0], f"{kind}_gradient": gradients("N(0, 1/n)", kind)})
    return result


SIMULATED = [0.628, 0.486, 0.408, 0.357, 0.321, 0.294, 0.273, 0.255, 0.241, 0.228]  # 16 networks in plain NumPy
TEN_STDS = " ".join(f"{{std[{i}]:.3f}}" for i in range(DEPTH))

CLAIMS = [
    Claim(
        9,
        "A",
        Text(
            "Draw the weights from U[-0.1, 0.1], from U[-1/√n, 1/√n] or from N(0, 0.01²).",
            "权重可取自 U[-0.1, 0.1]、U[-1/√n, 1/√n] 或 N(0, 0.01²)。",
        ),
        Text(
            "true, but that only breaks the symmetry; whether the signal lives depends on n, for a linear layer multiplies "
            "its variance by n/300, 1/3 and n/10000.",
            "正确，但这只保证打破对称性；信号能否传下去取决于 n：每个线性层把方差分别乘以 n/300、1/3 和 n/10000。",
        ),
        Text(
            "n = 500: 1.67, 0.33, 0.05 (n times the variance of a weight); 500 distinct units of 500",
            "n = 500：1.67、0.33、0.05（n 乘以分布的方差）；500 个神经元中互不相同的有 500 个",
        ),
        Text(
            "{factors[0]:.3f}, {factors[1]:.3f}, {factors[2]:.4f} (± {spread:.1%} over 5 seeds); {units} distinct units",
            "{factors[0]:.3f}、{factors[1]:.3f}、{factors[2]:.4f}（± {spread:.1%}，5 个随机种子）；互不相同的神经元 {units} 个",
        ),
        linear_factors,
        # The mean of 1000 sums of 500 squares varies by (2 / 500 / 1000)^0.5 = 0.2 %, the weights' square by 0.3 %.
        lambda m: m["units"] == WIDTH and near(m["factors"], [500 / 300, 1 / 3, 0.05], 0.01),
        **drawn("linear"),
    ),
    Claim(
        10,
        "B CS231n",
        Text(
            "10 layers of 500 tanh units, W = 0.01 N(0, 1): activations shrink towards 0 from layer to layer. (The pictures "
            "that B shows here are those of the course CS231n, lecture 5, 2016.)",
            "10 层、每层 500 个 tanh 神经元，W = 0.01 N(0, 1)：激活值逐层趋于 0。"
            "（B 此处的图出自 CS231n 课程 2016 年第 5 讲。）",
        ),
        Text("true, and gradients shrink alike, on their way back.", "正确；反向传播的梯度也以同样的速度缩小。"),
        Text(
            "std .2135 .0476 .0106 .00238 .00053 in layers 1 to 5, ± 0.4 % (16 networks in plain NumPy), then by 0.01 √500 = "
            "0.2236 a layer; gradients, layer 1 against 10: 1.39e-6 ± 0.02e-6 (0.2236^9 = 1.40e-6)",
            "第 1 至 5 层标准差 .2135 .0476 .0106 .00238 .00053，± 0.4%（纯 NumPy 模拟，16 个网络），此后每层乘以 "
            "0.01√500 = 0.2236；第 1 层梯度与第 10 层之比 1.39e-6 ± 0.02e-6（0.2236^9 = 1.40e-6）",
        ),
        Text(
            "{std[0]:.4f} {std[1]:.4f} {std[2]:.4f} {std[3]:.5f} {std[4]:.5f}; last step {step:.4f} ± {step_spread:.4f}; "
            "{gradient:.3g} ± {gradient_spread:.1g} (5 seeds; the stds of all ten layers ± {relative:.1%} at most)",
            "{std[0]:.4f} {std[1]:.4f} {std[2]:.4f} {std[3]:.5f} {std[4]:.5f}；最后一层的倍数 {step:.4f} ± {step_spread:.4f}；"
            "{gradient:.3g} ± {gradient_spread:.1g}（5 个随机种子；十层标准差的波动至多 ± {relative:.1%}）",
        ),
        small_weights,
        # The first five stds vary by 0.5 % at most, the mean of five by 0.2 %; last step and gradient by 1.4 % and 0.6 %.
        lambda m: (
            near(m["std"][:5], [0.2135, 0.0476, 0.0106, 0.00238, 0.000531], 0.01)
            and near([m["step"], m["gradient"]], [0.2236, 1.394e-6], 0.025)
        ),
        **ARTICLE,
    ),
    Claim(
        11,
        "B",
        Text("With W = N(0, 1) the activations stick to -1 and 1.", "W = N(0, 1) 时，激活值几乎全部集中在 -1 和 1 附近。"),
        Text(
            "true, but one in nine does not, and that is enough for the gradients (row 12).",
            "正确，但约有九分之一例外，而这已足以让梯度通过（见第 12 条）。",
        ),
        Text(
            "std √(1 - 2 / (√(2π) · 22.4)) = .982 in every layer (arithmetic: 1 - tanh² is a peak of area 2; 1 would be all "
            "of them); saturated, slope under 1 %: where |N(0, 500)| > 2.99, that is 89.4 %",
            "各层标准差 √(1 - 2 / (√(2π) · 22.4)) = .982（算术：1 - tanh² 是面积为 2 的尖峰；全部饱和时为 1）；"
            "饱和（导数低于 1%）即 |N(0, 500)| > 2.99，占 89.4%",
        ),
        Text(
            "from {low:.4f} to {high:.4f} (10 layers, 5 seeds); {saturated:.1%} ± {saturated_spread:.1%} are saturated in "
            "layer 5",
            "{low:.4f} 至 {high:.4f}（10 层、5 个随机种子）；第 5 层饱和比例 {saturated:.1%} ± {saturated_spread:.1%}",
        ),
        large_weights,
        # From layer 2 the sums have a std of 21.95, which gives .9816 and 89.2 %; the weights' square varies by 0.3 %.
        lambda m: 0.98 < m["low"] <= m["high"] < 0.9835 and abs(m["saturated"] - 0.892) < 0.003,
        **ARTICLE,
    ),
    Claim(
        12,
        "CS231n",
        Text(
            "Where W = N(0, 1) saturates tanh, all gradients are zero (say the slides of the course CS231n, lecture 5, 2016, "
            "whose pictures B shows).",
            "W = N(0, 1) 使 tanh 饱和，梯度全部为零（CS231n 课程 2016 年第 5 讲的幻灯片这样说，B 的图就出自那里）。",
        ),
        Text(
            "false, at least for this network: one unit in nine is not saturated, and what passes there is multiplied by "
            "weights of size 1: the gradients grow.",
            "错误，至少对这个网络如此：约九分之一的神经元没有饱和，经过它们的梯度又乘以大小为 1 的权重，结果梯度反而增大。",
        ),
        Text(
            "7.45e4 ± 0.18e4 times as large in layer 1 as in layer 10 (16 networks in plain NumPy; mean-field theory: "
            "χ^(9/2), 7.5e4)",
            "第 1 层梯度为第 10 层的 7.45e4 ± 0.18e4 倍（纯 NumPy 模拟，16 个网络；平均场理论：χ^(9/2)，即 7.5e4）",
        ),
        Text("{growth:.3g} ± {growth_spread:.1g} times (5 seeds)", "{growth:.3g} ± {growth_spread:.1g} 倍（5 个随机种子）"),
        lambda: spread(growth=gradients("N(0, 1)", "tanh")),
        # One network, seen with 200 inputs, varies by 5 %, the mean of five by 2.4 %; four of them.
        lambda m: near([m["growth"]], [7.45e4], 0.1),
        **ARTICLE,
    ),
    Claim(
        19,
        "B",
        Text(
            "With W = randn / √n_in, 10 layers of 500 tanh units keep a good spread of activations.",
            "W = randn / √n_in 时，10 层、每层 500 个 tanh 神经元的激活值保持良好的分布。",
        ),
        Text(
            "true, but it falls slowly, by 5 % in the last layer.",
            "正确，但标准差仍缓慢下降，最后一层比前一层低 5%。",
        ),
        Text(
            "std .628 .486 .408 .357 .321 .294 .273 .255 .241 .228, ± 0.8 % at most (16 networks in plain NumPy; mean-field "
            "theory gives the same to 0.001)",
            "标准差 .628 .486 .408 .357 .321 .294 .273 .255 .241 .228，至多 ± 0.8%（纯 NumPy 模拟，16 个网络；平均场理论与此相"
            "差不到 0.001）",
        ),
        Text(
            f"{TEN_STDS} (5 seeds, ± {{relative:.1%}} at most); layer 10 / layer 9: {{last:.3f}} ± {{last_spread:.3f}}",
            f"{TEN_STDS}（5 个随机种子，至多 ± {{relative:.1%}}）；第 10 层 / 第 9 层：{{last:.3f}} ± {{last_spread:.3f}}",
        ),
        lambda: {
            "std": (s := stds("N(0, 1/n)", "tanh")).mean(0).tolist(),
            "relative": relative_spread(s),
            **spread(last=s[:, -1] / s[:, -2]),
        },
        # The mean of five varies by 0.4 %, that of the 16 by 0.2 %, and the latter are written with an error of up to 0.2 %.
        lambda m: near(m["std"], SIMULATED, 0.02),
        **ARTICLE,
    ),
    Claim(
        20,
        "A D",
        Text("Xavier's initializer suits sigmoid and tanh.", "Xavier 初始化适合 sigmoid 和 tanh。"),
        Text(
            "true, but of tanh only: through sigmoid, whose slope is at most 1/4, gradients vanish. And for tanh, too, He's "
            "2/n may do better (row 27): tanh's slope is under 1 wherever its input is not 0, and the larger weights make up "
            "for it, as PyTorch's gain of 5/3 for tanh does.",
            "正确，但只对 tanh 成立：sigmoid 的导数最大为 1/4，梯度会消失。而且对 tanh 来说，He 的 2/n 也可能更好（见第 27 "
            "条）：输入不为 0 时 tanh 的导数小于 1，较大的权重正好弥补这一点，PyTorch 为 tanh 取增益 5/3 也是这个道理。",
        ),
        Text(
            "the gradient's variance, a layer, on average over nine (mean-field theory, wide layers): Xavier with sigmoid "
            "0.0557, with tanh 0.812; He with tanh 1.059",
            "梯度方差每层的倍数，九层平均（平均场理论，无限宽极限）：Xavier 配 sigmoid 0.0557，配 tanh 0.812；He 配 tanh 1.059",
        ),
        Text(
            "sigmoid {sigmoid:.4f} ± {sigmoid_spread:.4f}, tanh {tanh:.3f} ± {tanh_spread:.3f}; He with tanh {he:.3f} ± "
            "{he_spread:.3f} (5 seeds)",
            "sigmoid {sigmoid:.4f} ± {sigmoid_spread:.4f}，tanh {tanh:.3f} ± {tanh_spread:.3f}；He 配 tanh {he:.3f} ± "
            "{he_spread:.3f}（5 个随机种子）",
        ),
        lambda: spread(
            sigmoid=gradients("N(0, 1/n)", "sigmoid") ** (2 / 9),
            tanh=gradients("N(0, 1/n)", "tanh") ** (2 / 9),
            he=gradients("N(0, 2/n)", "tanh") ** (2 / 9),
        ),
        # The ratio over nine layers varies by 2 % (plain NumPy), so the ninth root of its square by 0.4 %, five by 0.2 %.
        lambda m: near([m["sigmoid"], m["tanh"], m["he"]], [0.0557, 0.812, 1.059], 0.01),
        **drawn("sigmoid"),
    ),
    Claim(
        21,
        "A B D E",
        Text(
            "He's initializer, N(0, 2/n_in), suits ReLU; Xavier's does not.",
            "He 初始化 N(0, 2/n_in) 适合 ReLU，Xavier 不适合。",
        ),
        Text("true.", "正确。"),
        Text(
            "He: std √(1 - 1/π) = .826 in every layer, on the mean of 16 networks; 1/n: divided by √2 = 1.414 a layer "
            "(ReLU halves the mean square)",
            "He：各层标准差 √(1 - 1/π) = .826（16 个网络的平均）；1/n：每层除以 √2 = 1.414（ReLU 使均方值减半）",
        ),
        Text(
            "He: from {low:.3f} to {high:.3f} (one network ± {last_spread:.2f} in layer 10); 1/n: divided by {fall:.3f} ± "
            "{fall_spread:.3f} a layer (16 seeds)",
            "He：{low:.3f} 至 {high:.3f}（单个网络第 10 层 ± {last_spread:.2f}）；1/n：每层除以 {fall:.3f} ± "
            "{fall_spread:.3f}（16 个随机种子）",
        ),
        through_relu,
        # In layer 10 log std varies by (5 10 / 500)^0.5 / 2 = 0.16 (Hanin and Rolnick), the mean of 16 by 0.04; three of them.
        lambda m: 0.826 * 0.88 < m["low"] <= m["high"] < 0.826 * 1.12 and abs(m["fall"] / math.sqrt(2) - 1) < 0.02,
        **drawn("relu"),
    ),
    Claim(
        38,
        "B",
        Text(
            "With W = N(0, 1) the values wx + b are several tens, so that tanh sits at ±1.",
            "W = N(0, 1) 时，wx + b 的值有好几十，于是 tanh 停在 ±1。",
        ),
        Text(
            "true, but the usual value is 18, and one in three is above 20; tanh is flat from 3 on, so that this is ample.",
            "正确，但绝对值一般在 18 左右，超过 20 的只占三分之一强；tanh 在 3 以外已经平坦，所以这已绰绰有余。",
        ),
        Text(
            "N(0, 500): std √500 = 22.4, mean size √(2 · 500 / π) = 17.8, 37.1 % above 20; 89.4 % above 2.99, where tanh's "
            "slope falls under 1 % (a simulation in plain NumPy: 22.4, 17.9, 37 %)",
            "N(0, 500)：标准差 √500 = 22.4，绝对值平均 √(2 · 500 / π) = 17.8，超过 20 的占 37.1%；超过 2.99（tanh 导数低于 "
            "1%）的占 89.4%（纯 NumPy 模拟：22.4、17.9、37%）",
        ),
        Text(
            "layer 1: std {std:.2f} ± {std_spread:.2f}, mean size {size:.2f} ± {size_spread:.2f}, {above:.1%} ± "
            "{above_spread:.1%} above 20; tanh: {saturated:.1%} ± {saturated_spread:.2%} saturated (5 seeds)",
            "第 1 层：标准差 {std:.2f} ± {std_spread:.2f}，绝对值平均 {size:.2f} ± {size_spread:.2f}，超过 20 的占 "
            "{above:.1%} ± {above_spread:.1%}；tanh 饱和比例 {saturated:.1%} ± {saturated_spread:.2%}（5 个随机种子）",
        ),
        sums,
        # The std of one network varies by 0.2 % (see row 9), and with it the fraction above 20 by 0.001; five of them.
        lambda m: (
            near([m["std"], m["size"]], [22.36, 17.84], 0.005)
            and abs(m["above"] - 0.371) < 0.003
            and abs(m["saturated"] - 0.894) < 0.002
        ),
        **ARTICLE,
    ),
    Claim(
        39,
        "B",
        Text(
            "Xavier's initializer is derived for linear functions, and also works for some nonlinear ones.",
            "Xavier 初始化是针对线性函数推导的，对一些非线性函数也有效。",
        ),
        Text(
            "true: a linear network keeps signal and gradient, tanh keeps a good part of both; with ReLU both are divided by "
            "√2 a layer, with sigmoid the gradient vanishes.",
            "正确：线性网络的信号和梯度都保持不变，tanh 使两者都保留了相当一部分；ReLU 每层把两者都除以 √2，sigmoid 则梯度消"
            "失。",
        ),
        Text(
            "std, layer 10 against 1, and gradient, 1 against 10. Linear: n · 1/n = 1, so 1 and 1; ReLU: 2^(-9/2) = .0442 and "
            ".0442; mean-field theory for tanh .364 and .392, sigmoid .582 and 2.3e-6. 16 networks in plain NumPy: 1.00 ± .01 "
            "and 1.00 ± .01; .043 ± .007 and .044 ± .003; .363 ± .003 and .392 ± .004; .57 ± .02 and 2.26e-6 ± .04e-6",
            "标准差（第 10 层与第 1 层之比）和梯度（第 1 层与第 10 层之比）。线性：n · 1/n = 1，故为 1 和 1；ReLU：2^(-9/2) = "
            ".0442 和 .0442；平均场理论：tanh .364 和 .392，sigmoid .582 和 2.3e-6。纯 NumPy 模拟 16 个网络，依次为 1.00 ± "
            ".01 和 1.00 ± .01；.043 ± .007 和 .044 ± .003；.363 ± .003 和 .392 ± .004；.57 ± .02 和 2.26e-6 ± .04e-6",
        ),
        Text(
            "linear {linear:.3f} ± {linear_spread:.3f} and {linear_gradient:.3f} ± {linear_gradient_spread:.3f}; ReLU "
            "{relu:.3f} ± {relu_spread:.3f} and {relu_gradient:.4f} ± {relu_gradient_spread:.4f}; tanh {tanh:.3f} ± "
            "{tanh_spread:.3f} and {tanh_gradient:.3f} ± {tanh_gradient_spread:.3f}; sigmoid {sigmoid:.2f} ± "
            "{sigmoid_spread:.2f} and {sigmoid_gradient:.3g} ± {sigmoid_gradient_spread:.1g} (5 seeds)",
            "线性 {linear:.3f} ± {linear_spread:.3f} 和 {linear_gradient:.3f} ± {linear_gradient_spread:.3f}；ReLU {relu:.3f} "
            "± {relu_spread:.3f} 和 {relu_gradient:.4f} ± {relu_gradient_spread:.4f}；tanh {tanh:.3f} ± {tanh_spread:.3f} 和 "
            "{tanh_gradient:.3f} ± {tanh_gradient_spread:.3f}；sigmoid {sigmoid:.2f} ± {sigmoid_spread:.2f} 和 "
            "{sigmoid_gradient:.3g} ± {sigmoid_gradient_spread:.1g}（5 个随机种子）",
        ),
        xavier_kinds,
        # Four standard errors of a mean of five, from the spreads of the 16 networks: 4 / √5 = 1.8 of them.
        lambda m: (
            near([m["linear"], m["linear_gradient"]], [1.0, 1.0], 0.024)
            and near([m["relu"]], [0.0442], 0.3)
            and near([m["relu_gradient"]], [0.0442], 0.12)
            and near([m["tanh"], m["tanh_gradient"]], [0.364, 0.392], 0.02)
            and near([m["sigmoid"], m["sigmoid_gradient"]], [0.582, 2.26e-6], 0.06)
        ),
        **drawn("linear"),
    ),
    Claim(
        45,
        "E",
        Text(
            "Small random weights avoid vanishing gradients.",
            "用小的随机数初始化权重，可以避免梯度消失。",
        ),
        Text(
            "false: small weights are what makes gradients vanish (row 10); what avoids it is weights of the right size.",
            "错误：梯度消失正是小权重造成的（见第 10 条）；要避免它，权重大小必须合适。",
        ),
        Text(
            "10 layers of 500 tanh units, gradient in layer 1 against 10: with 0.01 N(0, 1) (0.01 √500)^9 = 1.40e-6 "
            "(arithmetic), with N(0, 1/n) 0.392 (mean-field theory)",
            "10 层、每层 500 个 tanh 神经元，第 1 层梯度与第 10 层之比：0.01 N(0, 1) 为 (0.01√500)^9 = 1.40e-6（算术），"
            "N(0, 1/n) 为 0.392（平均场理论）",
        ),
        Text(
            "{small:.3g} ± {small_spread:.1g}; {right:.3f} ± {right_spread:.3f} (5 seeds)",
            "{small:.3g} ± {small_spread:.1g}；{right:.3f} ± {right_spread:.3f}（5 个随机种子）",
        ),
        lambda: spread(small=gradients("0.01 N(0, 1)", "tanh"), right=gradients("N(0, 1/n)", "tanh")),
        # One network varies by 1.3 % and 0.9 %, the mean of five by half of that; the arithmetic leaves out tanh: 0.4 %.
        lambda m: near([m["small"], m["right"]], [1.40e-6, 0.392], 0.03),
        **ARTICLE,
    ),
]
