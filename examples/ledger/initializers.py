"""Claims 17, 18, 22, 23 and 35: the formulas that go by the names of Xavier and He, and what the default of a layer is."""

import numpy as np
from initializers import default_model, weights

from ledger import Claim, Text


def std(name: str, n_in: int = 256, n_out: int = 128) -> float:
    return float(weights(name, n_in, n_out).std())


def largest(name: str) -> float:
    return float(np.abs(weights(name)).max())


def near(measured: float, expected: float) -> bool:
    """Of 32,768 normal weights the standard deviation varies by 1 / sqrt(2 32768) = 0.4 %; five of these."""
    return abs(measured / expected - 1) < 0.02


def just_below(largest: float, bound: float) -> bool:
    """The largest of 32,768 uniform draws falls short of the bound by 1 / 32768, 15 of these with a chance of e^-15."""
    return bound * (1 - 15 / 32768) < largest <= bound * (1 + 1e-6)


DRAWN = {"picture": "initializers.png", "command": "python examples/initializers.py"}

CLAIMS = [
    Claim(
        17,
        "A D",
        Text(
            "Xavier: normal with variance 2/(n_in + n_out), or uniform on ±√(6/(n_in + n_out)).",
            "Xavier：方差为 2/(n_in + n_out) 的正态分布，或 ±√(6/(n_in + n_out)) 上的均匀分布。",
        ),
        Text("true.", "正确。"),
        Text(
            "256 to 128: std √(2/384) = .0722 for both; bound √(6/384) = .125",
            "256 到 128：两者标准差均为 √(2/384) = .0722；界 √(6/384) = .125",
        ),
        Text(
            "std {normal:.4f} and {uniform:.4f}; largest weight {bound:.4f}",
            "标准差 {normal:.4f} 和 {uniform:.4f}；最大权重 {bound:.4f}",
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
            "256 到 128：1/√256 = .0625，而非 √(2/384) = .0722；500 到 500：均为 .0447",
        ),
        Text(
            "{article:.4f}, Xavier {xavier:.4f}; 500 to 500: {square[0]:.4f} and {square[1]:.4f}",
            "{article:.4f}，Xavier 为 {xavier:.4f}；500 到 500：{square[0]:.4f} 和 {square[1]:.4f}",
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
            "256 个输入：界 √(6/256) = .1531，标准差 √(2/256) = .0884",
        ),
        Text("largest weight {bound:.4f}, std {std:.4f}", "最大权重 {bound:.4f}，标准差 {std:.4f}"),
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
            "错误，两者的方差都只有应有的三分之一：均匀分布的界是标准差的 √3 倍。第二个正是 Xavier 论文要取代的旧方案。",
        ),
        Text(
            "variance times n: 2/3 and 1/3, where He's is 2 and Xavier's 1 (n_in = n_out = 256)",
            "方差乘以 n：2/3 和 1/3，而 He 是 2，Xavier 是 1（n_in = n_out = 256）",
        ),
        Text(
            "{chatbot[0]:.3f} and {chatbot[1]:.3f}; He {right[0]:.3f}, Xavier {right[1]:.3f}",
            "{chatbot[0]:.3f} 和 {chatbot[1]:.3f}；He {right[0]:.3f}，Xavier {right[1]:.3f}",
        ),
        lambda: {
            "chatbot": [std(name, 256, 256) ** 2 * 256 for name in ("E's He", "E's Xavier")],
            "right": [std(name, 256, 256) ** 2 * 256 for name in ("He, uniform", "Xavier, uniform")],
        },
        lambda m: all(near(a, b) for a, b in zip([*m["chatbot"], *m["right"]], (2 / 3, 1 / 3, 2, 1), strict=True)),
        **DRAWN,
    ),
    Claim(
        35,
        "D",
        Text("Every layer has a default initialization.", "每种层都有默认的初始化方法。"),
        Text(
            "true; here print(model) says which initializer made each parameter.",
            "正确；在这里 print(model) 会写明每个参数由哪种分布生成。",
        ),
        Text(
            "Linear: XavierUniform(gain=1.0), biases Zeros(); BatchNorm1d: Ones(), Zeros()",
            "Linear：XavierUniform(gain=1.0)，偏置 Zeros()；BatchNorm1d：Ones()、Zeros()",
        ),
        Text("{linear}; {norm}", "{linear}；{norm}"),
        lambda: {
            name: ", ".join(part for part in line.rstrip(")").split(", ") if "_init=" in part) + ")"
            for name, line in zip(("linear", "norm"), str(default_model()).splitlines()[1:], strict=False)
        },
        lambda m: (
            m
            == {
                "linear": "weight_init=XavierUniform(gain=1.0), bias_init=Zeros()",
                "norm": "weight_init=Ones(), bias_init=Zeros()",
            }
        ),
        **DRAWN,
    ),
]
