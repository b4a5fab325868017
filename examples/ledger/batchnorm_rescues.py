"""Claims 29, 30 and 40: batch norm, the scale of the weights, and the shape of what comes in."""

import functools
from typing import Any

import numpy as np
from batchnorm_rescues import RATE, learn, look, moments, shapes

from ledger import Claim, Text
from ledger.activation_histograms import near, spread
from minidl import data

SEEDS = range(5)
SCALES = {"small": 0.01, "right": 0.045, "large": 1.0}


@functools.cache
def looks(scale: float, place: str) -> list[dict[str, Any]]:
    """The networks of ten layers of 500, one from each seed."""
    return [look(scale, place, 10, seed, 500) for seed in SEEDS]


def accuracies(place: str) -> dict[str, list[float]]:
    """Of networks 64 wide, after five epochs, for each scale."""
    digits = data.digits()
    return {key: [learn(scale, place, 10, 5, seed, digits) for seed in SEEDS] for key, scale in SCALES.items()}


before = functools.cache(functools.partial(accuracies, "before"))


def measure_before() -> dict[str, Any]:
    """The smallest and the largest std over layers, scales and seeds; how many times larger a relative step is; and the
    training, as it is and with a learning rate that goes with the square of the scale."""
    stds = [std for scale in SCALES.values() for seen in looks(scale, "before") for std in seen["std"]]
    small, large = looks(0.01, "before"), looks(1.0, "before")
    steps = [a["step"] / b["step"] for a, b in zip(small, large, strict=True)]
    digits = data.digits()
    matched = {
        f"{key}_matched": [learn(SCALES[key], "before", 10, 5, seed, digits, rate) for seed in SEEDS]
        for key, rate in {"small": RATE * (0.01 / 0.045) ** 2, "large": RATE * (1 / 0.045) ** 2}.items()
    }
    return {"low": min(stds), "high": max(stds), **spread(steps=steps, **before(), **matched)}


def measure_both() -> dict[str, Any]:
    """Before and after, from weights of 0.01 and 1; and the training from all three."""
    samples: dict[str, list[float]] = {}
    for place in ("before", "after"):
        for key in ("small", "large"):
            seen = looks(SCALES[key], place)
            samples[f"{place}_{key}"] = [one["std"][-1] for one in seen]
            samples[f"{place}_{key}_gradient"] = [one["gradient"][0] for one in seen]
    samples |= {f"{key}_right_before": values for key, values in before().items()}
    samples |= {f"{key}_right_after": values for key, values in accuracies("after").items()}
    return spread(**samples)


def measure_shapes() -> dict[str, Any]:
    """Skewness and kurtosis in, and by how much they are others when they come out; with gamma and beta, mean and std."""
    samples: dict[str, list[float]] = {key: [] for key in ("skewness", "kurtosis", "two", "sum")}
    change = 0.0
    for seed in SEEDS:
        columns = shapes(seed)
        (two, _), (exponential, _), (sums, _) = columns.values()
        *_, skewness, kurtosis = moments(exponential)
        for key, value in {"skewness": skewness, "kurtosis": kurtosis, "two": moments(two)[3], "sum": moments(sums)[3]}.items():
            samples[key].append(value)
        for x, y in columns.values():
            change = max(change, *(abs(i - o) for i, o in zip(moments(x)[2:], moments(y)[2:], strict=True)))
    (_, two), (_, exponential), _ = shapes(0, weight=2, bias=3).values()
    mean, std, skewness, _ = moments(exponential)
    result = {"change": change, "mean": mean, "std": std, "after": skewness, "values": len(np.unique(two[:, 0]))}
    return {**spread(**samples), **result, "before": moments(shapes(0)["exponential"][0])[2]}


RESCUE = "batchnorm_rescues.png", "python examples/batchnorm_rescues.py"
CLAIMS = [
    Claim(
        29,
        "B",
        Text("Batch norm makes the scale of the weights matter little.", "批归一化使权重的尺度变得不那么重要。"),
        Text(
            "true, but for the signal alone: with it before tanh, every layer has the same spread; yet the relative size of a "
            "step falls with the square of the scale, so that large weights learn slowly and small ones are moved too far. "
            "With a learning rate that goes with the square of the scale, all learn alike.",
            "正确，但只对信号成立：放在 tanh 之前时，各层的分布都相同；而每步更新的相对大小与尺度的平方成反比，所以权重大则学"
            "得慢，权重小则每步过大。让学习率与尺度的平方成正比，三者就学得一样好。",
        ),
        Text(
            "0.628 in every layer and from every scale: the square root of E[tanh(z)²] = 0.394, z ~ N(0, 1); steps (1 / "
            "0.01)² = 10,000 times as large at scale 0.01 as at 1, for a factor of W changes nothing behind the batch norm; "
            "for the same reason W → cW with the learning rate times c² is the same training. Accuracy: no theory; plain "
            "NumPy, 8 seeds: 82.2 ± 7.4, 95.0 ± 1.8, 72.0 ± 2.1 %, and 95.0 ± 1.9 % from all three with that learning rate",
            "每一层、每种尺度都是 0.628：即 E[tanh(z)²] = 0.394 的平方根，z ~ N(0, 1)；尺度 0.01 时的相对步长是尺度 1 时的 (1 "
            "/ 0.01)² = 10,000 倍，因为 W 乘以常数不改变批归一化之后的值；同理，W 变为 cW、学习率乘以 c²，训练过程不变。准确率"
            "没有理论值；纯 NumPy 模拟，8 个随机种子：82.2 ± 7.4、95.0 ± 1.8、72.0 ± 2.1%，"
            "学习率如此调整后三者都是 95.0 ± 1.9%",
        ),
        Text(
            "10 x 500 tanh, weights N(0, 0.01²), N(0, 0.045²), N(0, 1), 5 seeds: from {low:.3f} to {high:.3f} in all 150 "
            "layers; steps {steps:,.0f} ± {steps_spread:.1f} times as large. Width 64, digits, 5 epochs: {small:.1%} ± "
            "{small_spread:.1%}, {right:.1%} ± {right_spread:.1%}, {large:.1%} ± {large_spread:.1%} right on the test set; "
            "with a learning rate that goes with the square of the scale {small_matched:.1%} ± {small_matched_spread:.1%} "
            "from 0.01 and {large_matched:.1%} ± {large_matched_spread:.1%} from 1",
            "10 层、每层 500 个 tanh 神经元，权重 N(0, 0.01²)、N(0, 0.045²)、N(0, 1)，5 个随机种子：150 层全部在 {low:.3f} 到 "
            "{high:.3f} 之间；相对步长 {steps:,.0f} ± {steps_spread:.1f} 倍。宽 64，手写数字，5 轮，测试集准确率：{small:.1%} "
            "± {small_spread:.1%}、{right:.1%} ± {right_spread:.1%}、{large:.1%} ± {large_spread:.1%}；学习率与尺度的平方成正"
            "比时，尺度 0.01 为 {small_matched:.1%} ± {small_matched_spread:.1%}，尺度 1 为 {large_matched:.1%} ± "
            "{large_matched_spread:.1%}",
        ),
        measure_before,
        # Each unit has exactly mean 0 and variance 1 before tanh; that it is normal holds up to 1/500. 0.005 is generous. Batch
        # norm's eps takes 1e-5 / (500 * 0.01²) = 0.02 % from the gradient where weights are small, and more behind tanh. The
        # right scale varies by 1.3 % over the seeds, so two means of five differ by 0.8 %; 0.03 is four of these. From the
        # simulation's, the small one's mean differs by 4.5 % and the large one's by 1.5 %: four of these, too.
        lambda r: (
            0.623 < r["low"] <= r["high"] < 0.633
            and abs(r["steps"] / 10_000 - 1) < 0.01
            and max(abs(r["small_matched"] - r["right"]), abs(r["large_matched"] - r["right"])) < 0.03
            and abs(r["small"] - 0.822) < 0.18
            and abs(r["right"] - 0.95) < 0.04
            and abs(r["large"] - 0.72) < 0.06
            and max(r["small"], r["large"]) < r["right"] - 0.05
        ),
        *RESCUE,
    ),
    Claim(
        30,
        "B",
        Text("Put batch norm before the activation.", "把批归一化放在激活函数之前。"),
        Text(
            "true, but only large weights make it matter: after tanh, batch norm cannot undo that tanh was nearly a sign "
            "function, or, with small weights, nearly linear; yet the latter learns as well as before tanh, and so does the "
            "right scale.",
            "正确，但只有权重过大时才要紧：放在 tanh 之后，无法挽回 tanh 已近似符号函数（权重小时则近似线性）的事实；不过权重"
            "小或合适时，放在之后与放在之前学得一样好。",
        ),
        Text(
            "std of tanh's outputs: before 0.628 from any scale; after, tanh(σ√500 z): 0.2135 from σ = 0.01 and 0.982 from σ "
            "= 1; gradient of layer 1 relative to layer 10, before 2.13 ± 0.01 from either, after 1.02 ± 0.01 and 8.04e4 ± "
            "0.25e4 (16 networks in plain NumPy). Right on the test set, plain NumPy, 8 seeds, before: as in row 29; after: "
            "81.5 ± 6.7, 95.2 ± 1.5, 10.6 ± 0.9 %",
            "tanh 输出的标准差：放在之前，任何尺度都是 0.628；放在之后为 tanh(σ√500 z)：σ = 0.01 时 0.2135，σ = 1 时 0.982；"
            "第 1 层相对第 10 层的梯度：放在之前两种尺度都是 2.13 ± 0.01，之后为 1.02 ± 0.01 与 8.04e4 ± 0.25e4（纯 NumPy 模"
            "拟，16 个网络）。测试集准确率（纯 NumPy 模拟，8 个随机种子）：放在之前见第 29 条；"
            "之后 81.5 ± 6.7、95.2 ± 1.5、10.6 ± 0.9%",
        ),
        Text(
            "layer 10, from 0.01 and 1, 5 seeds: before {before_small:.3f} ± {before_small_spread:.4f} and {before_large:.3f} "
            "± {before_large_spread:.4f}, after {after_small:.3f} ± {after_small_spread:.4f} and {after_large:.3f} ± "
            "{after_large_spread:.4f}; gradient of layer 1 relative to layer 10: before {before_small_gradient:.2f} ± "
            "{before_small_gradient_spread:.2f} and {before_large_gradient:.2f} ± {before_large_gradient_spread:.2f}, after "
            "{after_small_gradient:.2f} ± {after_small_gradient_spread:.2f} and {after_large_gradient:.3g} ± "
            "{after_large_gradient_spread:.1g}. Right on the test set (width 64, 5 epochs), from 0.01, 0.045 and 1: before "
            "{small_right_before:.1%} ± {small_right_before_spread:.1%}, {right_right_before:.1%} ± "
            "{right_right_before_spread:.1%}, {large_right_before:.1%} ± {large_right_before_spread:.1%}; after "
            "{small_right_after:.1%} ± {small_right_after_spread:.1%}, {right_right_after:.1%} ± "
            "{right_right_after_spread:.1%}, {large_right_after:.1%} ± {large_right_after_spread:.1%}",
            "第 10 层，尺度 0.01 与 1，5 个随机种子：放在之前 {before_small:.3f} ± {before_small_spread:.4f} 与 "
            "{before_large:.3f} ± {before_large_spread:.4f}，之后 {after_small:.3f} ± {after_small_spread:.4f} 与 "
            "{after_large:.3f} ± {after_large_spread:.4f}；第 1 层相对第 10 层的梯度：之前 {before_small_gradient:.2f} ± "
            "{before_small_gradient_spread:.2f} 与 {before_large_gradient:.2f} ± {before_large_gradient_spread:.2f}，之后 "
            "{after_small_gradient:.2f} ± {after_small_gradient_spread:.2f} 与 {after_large_gradient:.3g} ± "
            "{after_large_gradient_spread:.1g}。测试集准确率（宽 64，5 轮），尺度 0.01、0.045 与 1：之前 "
            "{small_right_before:.1%} ± {small_right_before_spread:.1%}、{right_right_before:.1%} ± "
            "{right_right_before_spread:.1%}、{large_right_before:.1%} ± {large_right_before_spread:.1%}；之后 "
            "{small_right_after:.1%} ± {small_right_after_spread:.1%}、{right_right_after:.1%} ± "
            "{right_right_after_spread:.1%}、{large_right_after:.1%} ± {large_right_after_spread:.1%}",
        ),
        measure_both,
        # One network's std varies by 0.0011 after tanh from 0.01 and by less elsewhere (plain NumPy); five by half of that. Its
        # gradient varies by 0.014, 0.009 and 3 %; five by 0.006, 0.004 and 1.4 %, and with 500 inputs a little more. For the
        # training see row 29: 0.15 is four standard errors of the difference where weights are small.
        lambda r: (
            max(abs(r["before_small"] - 0.628), abs(r["before_large"] - 0.628)) < 0.005
            and abs(r["after_small"] - 0.2135) < 0.003
            and abs(r["after_large"] - 0.982) < 0.002
            and near(
                [r["before_small_gradient"], r["before_large_gradient"], r["after_small_gradient"]], [2.13, 2.13, 1.02], 0.03
            )
            and near([r["after_large_gradient"]], [8.04e4], 0.1)
            and r["large_right_after"] < 0.2 < 0.5 < r["large_right_before"]
            and abs(r["right_right_after"] - r["right_right_before"]) < 0.04
            and abs(r["small_right_after"] - r["small_right_before"]) < 0.15
        ),
        *RESCUE,
    ),
    Claim(
        40,
        "B",
        Text(
            "Batch norm is a Gaussian normalization, followed by a linear transformation.",
            "批归一化就是先做一次高斯归一化（Gaussian Normalization），再做一次线性变换。",
        ),
        Text(
            "false, as to the first: it sets the mean to 0 and the variance to 1, then γ and β set them anew; the shape stays "
            "what it was. What makes wx + b nearly Gaussian is that it sums 500 terms, with or without batch norm.",
            "错误（指前一半）：它只把均值变为 0、方差变为 1，再由 γ 和 β 重新设定这两者；分布的形状不变。"
            "wx + b 之所以近似高斯分布，是因为它是 500 项之和，与批归一化无关。",
        ),
        Text(
            "(x - μ) / σ is linear, so that skewness E[z³] and kurtosis E[z⁴] (3 for a Gaussian) come out as they go in: 2 "
            "and 9 for an exponential distribution (sample of another simulation: 2.0 and 8.9), 1 for two equally frequent "
            "values, 3.02 for the sum of 500 exponential terms with uniform weights (3 + 6 · 1.8 / 500); with γ = 2, β = 3: "
            "mean 3, std 2",
            "(x - μ) / σ 是线性的，所以偏度 E[z³] 和峰度 E[z⁴]（高斯分布为 3）前后不变：指数分布为 2 和 9（另一模拟的样本为 "
            "2.0 和 8.9），两个等概率的值峰度为 1，500 个指数分布的项以均匀分布的权重加权求和，峰度为 "
            "3.02（3 + 6 · 1.8 / 500）；取 γ = 2、β = 3：均值 3，标准差 2",
        ),
        Text(
            "exponential: skewness {skewness:.2f} ± {skewness_spread:.2f}, kurtosis {kurtosis:.2f} ± {kurtosis_spread:.2f}; "
            "two values: kurtosis {two:.3f} ± {two_spread:.3f}, still {values} values; wx + b: kurtosis {sum:.2f} ± "
            "{sum_spread:.2f} (5 seeds). Changed by batch norm: {change:.0e} at most. γ = 2, β = 3: mean {mean:.3f}, std "
            "{std:.3f}, skewness {before:.3f} before and {after:.3f} after",
            "指数分布：偏度 {skewness:.2f} ± {skewness_spread:.2f}，峰度 {kurtosis:.2f} ± {kurtosis_spread:.2f}；两个值：峰度 "
            "{two:.3f} ± {two_spread:.3f}，之后仍是 {values} 个值；wx + b：峰度 {sum:.2f} ± {sum_spread:.2f}（5 个随机种子）。"
            "经过批归一化后至多改变 {change:.0e}。γ = 2、β = 3：均值 {mean:.3f}，标准差 {std:.3f}，偏度之前 {before:.3f}、之后 "
            "{after:.3f}",
        ),
        measure_shapes,
        # 500,000 exponential values: z³ has a std of 16 and z⁴ of 122, so that four standard errors are 0.1 and 0.7. For wx +
        # b, nearly normal, it is 4 (24 / 500,000)^0.5 = 0.03. Batch norm rounds z in float32, to 1e-7: z⁴ to 4e-7.
        lambda r: (
            abs(r["skewness"] - 2) < 0.1
            and abs(r["kurtosis"] - 9) < 0.7
            and abs(r["two"] - 1) < 0.001
            and abs(r["sum"] - 3.02) < 0.03
            and r["values"] == 2
            and r["change"] < 1e-5
            and near([r["mean"], r["std"], r["after"]], [3, 2, r["before"]], 1e-4)
        ),
        *RESCUE,
    ),
]
