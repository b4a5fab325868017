"""Claims 17, 18, 22, 23 and 35: the formulas that go by the names of Xavier and He, and what the default of a layer is."""

from typing import Any

import numpy as np
from initializers import DEFAULTS, default, default_model, weights

from ledger import Claim, Text, spread

SEEDS = range(5)


def std(name: str, n_in: int = 256, n_out: int = 128) -> list[float]:
    """Mean and spread over the seeds."""
    return spread([float(weights(name, n_in, n_out, seed).std()) for seed in SEEDS])


def variance_times_n(name: str) -> list[float]:
    """Of a layer of 256 inputs and units: mean and spread over the seeds."""
    return spread([256 * float(weights(name, 256, 256, seed).var()) for seed in SEEDS])


def largest(name: str) -> float:
    """Of all seeds."""
    return max(float(np.abs(weights(name, seed=seed)).max()) for seed in SEEDS)


def near(measured: list[float], expected: float) -> bool:
    """The standard deviation of 5 times 32,768 normal weights varies by 1 / sqrt(2 163840) = 0.17 %, their variance by twice
    that; five of these, rounded up."""
    return abs(measured[0] / expected - 1) < 0.02


def just_below(largest: float, bound: float) -> bool:
    """The largest of 163,840 uniform draws falls short of the bound by 1 / 163840, 15 of these with a chance of e^-15."""
    return bound * (1 - 15 / 163840) < largest <= bound * (1 + 1e-6)


def measure_defaults() -> dict[str, Any]:
    """The other frameworks' defaults: std and largest value of the weights, largest of the biases; and minidl's as printed."""
    result: dict[str, Any] = {}
    for name in DEFAULTS:
        drawn, biases = zip(*(default(name, seed) for seed in SEEDS), strict=True)
        result[name] = spread([float(weight.data.std()) for weight in drawn])
        result[f"{name}_bound"] = max(float(np.abs(weight.data).max()) for weight in drawn)
        result[f"{name}_bias"] = max(float(np.abs(bias.data).max()) for bias in biases)
    result["other_biases"] = max(result[f"{name}_bias"] for name in ("keras", "flax", "chainer"))
    linear = str(default_model()).splitlines()[1]
    result["own"] = ", ".join(part.rstrip(")") + ")" for part in linear.split(", ") if "_init=" in part)
    return result


DRAWN = {"picture": "initializers.png", "command": "python examples/initializers.py"}

CLAIMS = [
    Claim(
        17,
        "A",
        Text(
            "Xavier: normal with variance 2/(n_in + n_out).",
            "Xavier：方差为 2/(n_in + n_out) 的正态分布。",
        ),
        Text(
            "true; and the uniform one, which D's code calls without giving a formula, has the same variance: ±√(6/(n_in + "
            "n_out)).",
            "正确；D 的代码中用到、但没有给出公式的均匀分布版本方差相同：±√(6/(n_in + n_out))。",
        ),
        Text(
            "256 to 128: std √(2/384) = .0722 for both; bound √(6/384) = .125",
            "256 → 128：两者标准差均为 √(2/384) = .0722；上界 √(6/384) = .125",
        ),
        Text(
            "5 seeds: std {normal[0]:.4f} ± {normal[1]:.4f} and {uniform[0]:.4f} ± {uniform[1]:.4f}; largest weight "
            "{bound:.4f}",
            "5 个随机种子：标准差 {normal[0]:.4f} ± {normal[1]:.4f} 和 {uniform[0]:.4f} ± {uniform[1]:.4f}；"
            "权重的最大绝对值 {bound:.4f}",
        ),
        lambda: {"normal": std("Xavier, normal"), "uniform": std("Xavier, uniform"), "bound": largest("Xavier, uniform")},
        lambda m: near(m["normal"], 0.07217) and near(m["uniform"], 0.07217) and just_below(m["bound"], 0.125),
        **DRAWN,
    ),
    Claim(
        18,
        "B",
        Text("Xavier is randn(n_in, n_out) / √n_in.", "Xavier 就是 randn(n_in, n_out) / √n_in。"),
        Text(
            "false, in general: this is LeCun's initializer. It equals Xavier's where n_in = n_out, as in B's network.",
            "错误，一般而言并非如此：这是 LeCun 初始化；只有 n_in = n_out 时（如 B 的网络）两者才相同。",
        ),
        Text(
            "256 to 128: 1/√256 = .0625, not √(2/384) = .0722; 500 to 500: .0447 both",
            "256 → 128：1/√256 = .0625，而非 √(2/384) = .0722；500 → 500：均为 .0447",
        ),
        Text(
            "5 seeds: {article[0]:.4f} ± {article[1]:.4f}, Xavier {xavier[0]:.4f} ± {xavier[1]:.4f}; 500 to 500: "
            "{square[0][0]:.4f} ± {square[0][1]:.4f} and {square[1][0]:.4f} ± {square[1][1]:.4f}",
            "5 个随机种子：{article[0]:.4f} ± {article[1]:.4f}，Xavier 为 {xavier[0]:.4f} ± {xavier[1]:.4f}；500 → 500："
            "{square[0][0]:.4f} ± {square[0][1]:.4f} 和 {square[1][0]:.4f} ± {square[1][1]:.4f}",
        ),
        lambda: {
            "article": std("B's Xavier: LeCun's"),
            "xavier": std("Xavier, normal"),
            "square": [std(name, 500, 500) for name in ("B's Xavier: LeCun's", "Xavier, normal")],
        },
        lambda m: (
            near(m["article"], 0.0625) and near(m["xavier"], 0.07217) and all(near(value, 0.04472) for value in m["square"])
        ),
        **DRAWN,
    ),
    Claim(
        22,
        "D",
        Text("He, uniform: ±√(6/n_in).", "He 均匀分布：±√(6/n_in)。"),
        Text("true.", "正确。"),
        Text(
            "256 inputs: bound √(6/256) = .1531, std √(2/256) = .0884",
            "256 个输入：上界 √(6/256) = .1531，标准差 √(2/256) = .0884",
        ),
        Text(
            "5 seeds: largest weight {bound:.4f}, std {std[0]:.4f} ± {std[1]:.4f}",
            "5 个随机种子：权重的最大绝对值 {bound:.4f}，标准差 {std[0]:.4f} ± {std[1]:.4f}",
        ),
        lambda: {"bound": largest("He, uniform"), "std": std("He, uniform")},
        lambda m: just_below(m["bound"], 0.1530931) and near(m["std"], 0.08839),
        **DRAWN,
    ),
    Claim(
        23,
        "E",
        Text("He's range is ±√(2/n), Xavier's ±1/√n.", "He 的取值范围是 ±√(2/n)，Xavier 是 ±1/√n。"),
        Text(
            "false, both variances are a third of what they should be: a range is √3 standard deviations. The second is the "
            "very scheme that Xavier's paper replaced.",
            "错误，两者的方差都只有应有的三分之一：均匀分布的上界是标准差的 √3 倍。第二个正是 Xavier 论文要取代的旧方案。",
        ),
        Text(
            "variance times n: 2/3 and 1/3, where He's is 2 and Xavier's 1 (n_in = n_out = 256)",
            "方差乘以 n：2/3 和 1/3，而 He 是 2，Xavier 是 1（n_in = n_out = 256）",
        ),
        Text(
            "5 seeds: {chatbot_he[0]:.3f} ± {chatbot_he[1]:.3f} and {chatbot_xavier[0]:.3f} ± {chatbot_xavier[1]:.3f}; He "
            "{he[0]:.3f} ± {he[1]:.3f}, Xavier {xavier[0]:.3f} ± {xavier[1]:.3f}",
            "5 个随机种子：{chatbot_he[0]:.3f} ± {chatbot_he[1]:.3f} 和 {chatbot_xavier[0]:.3f} ± {chatbot_xavier[1]:.3f}；He "
            "{he[0]:.3f} ± {he[1]:.3f}，Xavier {xavier[0]:.3f} ± {xavier[1]:.3f}",
        ),
        lambda: {
            "chatbot_he": variance_times_n("E's He"),
            "chatbot_xavier": variance_times_n("E's Xavier"),
            "he": variance_times_n("He, uniform"),
            "xavier": variance_times_n("Xavier, uniform"),
        },
        lambda m: all(near(measured, expected) for measured, expected in zip(m.values(), (2 / 3, 1 / 3, 2, 1), strict=True)),
        **DRAWN,
    ),
    Claim(
        35,
        "D",
        Text("Every layer has a default initialization.", "每种层都有默认的初始化方法。"),
        Text(
            "true of all frameworks, but the defaults differ; here init.presets has them, and print(model) says which "
            "initializer made each parameter.",
            "正确，各个框架都有，但默认方法各不相同；这里 init.presets 收录了它们，print(model) "
            "会写明每个参数由哪种方法初始化。",
        ),
        Text(
            "weight of a linear layer, 256 to 128, std and bound: PyTorch 2.13 kaiming_uniform_(a=√5) = U(±1/√n): .0361, "
            ".0625; Keras (commit 01b8036) glorot_uniform: .0722, .125; Flax (02603f6) lecun_normal, cut at two standard "
            "deviations: .0625, .1421; Chainer 6.6 LeCunNormal, not cut: .0625. Biases: PyTorch U(±1/√n), bound .0625; the "
            "others 0",
            "256 → 128 的线性层，权重的标准差与上界：PyTorch 2.13 kaiming_uniform_(a=√5)，即 U(±1/√n)：.0361、.0625；"
            "Keras（提交 01b8036）glorot_uniform：.0722、.125；Flax（02603f6）lecun_normal，在两倍标准差处截断：.0625、"
            ".1421；Chainer 6.6 LeCunNormal，不截断：.0625。偏置：PyTorch 为 U(±1/√n)，上界 .0625；其余为 0",
        ),
        Text(
            "5 seeds: PyTorch {pytorch[0]:.4f} ± {pytorch[1]:.4f}, {pytorch_bound:.4f}; Keras {keras[0]:.4f} ± "
            "{keras[1]:.4f}, {keras_bound:.4f}; Flax {flax[0]:.4f} ± {flax[1]:.4f}, {flax_bound:.4f}; Chainer "
            "{chainer[0]:.4f} ± {chainer[1]:.4f}; biases: PyTorch {pytorch_bias:.4f}, others {other_biases:g}; minidl's own: "
            "{own}",
            "5 个随机种子：PyTorch {pytorch[0]:.4f} ± {pytorch[1]:.4f}、{pytorch_bound:.4f}；Keras {keras[0]:.4f} ± "
            "{keras[1]:.4f}、{keras_bound:.4f}；Flax {flax[0]:.4f} ± {flax[1]:.4f}、{flax_bound:.4f}；Chainer "
            "{chainer[0]:.4f} ± {chainer[1]:.4f}；偏置：PyTorch {pytorch_bias:.4f}，其余 {other_biases:g}；minidl "
            "自己的默认：{own}",
        ),
        measure_defaults,
        # Flax cuts at two standard deviations and then divides by 0.87963, the std of what is left: 2 / 0.87963 / 16 = .14211.
        lambda m: (
            near(m["pytorch"], 0.03608)
            and near(m["keras"], 0.07217)
            and near(m["flax"], 0.0625)
            and near(m["chainer"], 0.0625)
            and just_below(m["pytorch_bound"], 0.0625)
            and just_below(m["keras_bound"], 0.125)
            and 0.99 * 0.14211 < m["flax_bound"] <= 0.14211
            and m["chainer_bound"] > 4 * 0.0625  # of 163,840 normal draws ten lie beyond four standard deviations
            and 0.06 < m["pytorch_bias"] <= 0.0625  # 640 draws
            and m["other_biases"] == 0
            and m["own"] == "weight_init=XavierUniform(gain=1.0), bias_init=Zeros()"
        ),
        **DRAWN,
    ),
]
