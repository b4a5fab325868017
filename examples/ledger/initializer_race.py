"""Claims 15, 25 to 27, 33, 36 and 43: which initializer suits which activation, and how much that matters."""

import functools
import math
from typing import Any

import numpy as np
from initializer_race import ACTIVATIONS, INITIALIZERS, Run, loss, network, race, sizes

from ledger import Claim, Text, spread
from ledger.scale_sweep import deep
from minidl import data, flow, init, nn
from minidl.random import Generator

SEEDS = range(8)
NAMES = {
    "small": "small: std 0.01",
    "unit": "large: U[0, 1)",
    "large": "large: std 1",
    "xavier": "Xavier",
    "xavier_uniform": "Xavier, uniform",
    "he": "He",
    "he_uniform": "He, uniform",
}


@functools.cache
def runs(activation: str, key: str) -> list[Run]:
    """Six layers and four epochs, which several claims read."""
    return race(activation, INITIALIZERS[NAMES[key]], 6, 4, SEEDS, data.digits())


def losses(activation: str, key: str) -> list[float]:
    """At the end: mean and spread over the seeds."""
    return spread([loss(run) for run in runs(activation, key)])


def diverged(activation: str, key: str) -> int:
    """In how many of the seeds the loss at the end is NaN, infinite, or above twice that of guessing."""
    return sum(loss(run) > 2 * math.log(10) for run in runs(activation, key))


def measure_speed_and_generalization() -> dict[str, Any]:
    """The tanh network: epochs until the loss is under 0.5, in how many seeds, and what is right on the test set at the end."""
    result: dict[str, Any] = {}
    for key in ("small", "large", "xavier"):
        fast = [next((i for i, epoch in enumerate(run) if epoch.loss < 0.5), None) for run in runs("tanh", key)]
        result[f"{key}_arrived"] = sum(epochs is not None for epochs in fast)
        result[f"{key}_epochs"] = spread([4 if epochs is None else epochs for epochs in fast])
        result[f"{key}_right"] = spread([run[-1].accuracy for run in runs("tanh", key)])
    return result


def measure_race() -> dict[str, Any]:
    keys = "small", "xavier", "he", "large"
    result: dict[str, Any] = {
        f"{a}_{key}": losses(a, key) for a in ACTIVATIONS for key in keys if (a, key) != ("relu", "large")
    }
    return result | {"relu_large": diverged("relu", "large")}


def measure_normal_and_uniform() -> dict[str, Any]:
    """The signal of the last hidden layer before training, and the loss after four epochs."""
    x = data.digits().x_train[:256]
    result: dict[str, Any] = {}
    for activation in ("tanh", "relu"):
        for key in ("xavier", "xavier_uniform", "he", "he_uniform"):
            models = [network(sizes(6), ACTIVATIONS[activation], INITIALIZERS[NAMES[key]], seed) for seed in SEEDS]
            result[f"{activation}_{key}_std"] = spread([flow.measure(model, x)["9"].out_std for model in models])
            result[f"{activation}_{key}"] = losses(activation, key)
    return result


def no_different(one: list[float], other: list[float]) -> bool:
    """Two means over the seeds, within four standard errors of their difference: beyond that by chance once in a thousand."""
    return abs(one[0] - other[0]) < 4 * math.hypot(one[1], other[1]) / math.sqrt(len(SEEDS))


def measure_not_small() -> dict[str, Any]:
    result: dict[str, Any] = {
        f"{a}_{key}": losses(a, key) for a, key in (("tanh", "unit"), ("relu", "unit"), ("tanh", "large"))
    }
    result["relu_large"] = diverged("relu", "large")
    for activation in ("tanh", "relu"):
        result[f"{activation}_right"] = spread([run[-1].accuracy for run in runs(activation, "unit")])
    return result


def measure_leaky() -> dict[str, Any]:
    """What one of 20 layers of 256 LeakyReLUs with a = 0.5 multiplies the mean square by, on average from the first to the
    last."""
    x = Generator(0).stream("data").normal((32, 256))

    def factor(initializer, seed):
        report = flow.measure(network([256] * 21, lambda: nn.LeakyReLU(0.5), initializer, seed), x)
        squares = [r.out_mean**2 + r.out_std**2 for r in report if r.kind == "Linear"]
        return (squares[-1] / squares[0]) ** (1 / 19)

    initializers = {"he": init.HeNormal(), "gained": init.HeNormal(0.5)}
    return {key: spread([factor(initializer, seed) for seed in SEEDS]) for key, initializer in initializers.items()}


def measure_depth() -> dict[str, Any]:
    """20 tanh layers: loss and accuracy."""
    result: dict[str, Any] = {}
    for key in ("xavier", "old"):
        result[key] = spread([epoch.loss for epoch in deep(key)])
        result[f"{key}_right"] = spread([epoch.accuracy for epoch in deep(key)])
    return result


def measure_activations() -> dict[str, Any]:
    """10 layers of 500, Xavier, 5 seeds: the last layer's std, and the first's gradient relative to the last's, with the first
    seed's largest deviation from theory in units of the spread of random networks."""
    x, direction = Generator(0).stream("data").normal((2, 200, 500))
    result: dict[str, Any] = {}
    for name, activation in ACTIVATIONS.items():
        models = [network([500] * 11, activation, init.XavierNormal(), seed) for seed in range(5)]
        reports = [list(flow.measure(model, x, loss=lambda y: (y * direction).sum())) for model in models]
        deviations = [abs(d) for r in reports[0] for d in (r.std_deviation, r.grad_deviation) if d is not None]
        result[f"{name}_std"] = spread([report[-1].out_std for report in reports])
        result[f"{name}_grad"] = spread([report[0].grad_ratio or 0.0 for report in reports])
        result[f"{name}_deviation"] = max(deviations)
    return result


RACE = "initializer_race.png", "python examples/initializer_race.py"
GUESSING = math.log(10)


def _shown(activation: str, count: int = 4) -> str:
    """Loss and spread from small, Xavier's, He's and large weights, as a format string."""
    keys = ("small", "xavier", "he", "large")[:count]
    return " / ".join(f"{{{activation}_{key}[0]:.2f}} ± {{{activation}_{key}[1]:.2f}}" for key in keys)


def _pair(name: str, what: str = "") -> str:
    """A number and its spread from normal and from uniform weights, as a format string."""
    return " / ".join(f"{{{name}{kind}{what}[0]:.2f}} ± {{{name}{kind}{what}[1]:.2f}}" for kind in ("", "_uniform"))


CLAIMS = [
    Claim(
        15,
        "A B C D",
        Text(
            "Initialization changes how fast training converges, and how well the result generalizes.",
            "初始化影响收敛速度和泛化能力。",
        ),
        Text(
            "true: on the same data and steps one initializer reaches a loss of 0.5 in a few epochs and others do not. "
            "(Here what is right on the test set follows from that; claim 32 shows a difference where the training losses "
            "are equal.)",
            "正确：数据和步数相同，有的初始值几轮后损失就低于 0.5，有的达不到。（这里测试集准确率的差别来自收敛速度；"
            "训练损失相同时泛化能力的差别见第 32 条。）",
        ),
        Text(
            "16 seeds in plain NumPy: Xavier under 0.5 after 3.1 ± 0.2 of 4 epochs, small and large never; right on the test "
            "set 90% ± 2%, 8% ± 1%, 33% ± 8% (a fraction of 359 images has a standard error of at most 2.6%)",
            "纯 NumPy 模拟 16 个随机种子、4 轮：Xavier 的损失在 3.1 ± 0.2 轮后低于 0.5，过小和过大都达不到；测试集准确率依次为 "
            "90% ± 2%、8% ± 1%、33% ± 8%（359 张图上准确率的标准误差不超过 2.6%）",
        ),
        Text(
            "6 tanh layers, 4 epochs, 8 seeds: Xavier under 0.5 after {xavier_epochs[0]:.1f} ± {xavier_epochs[1]:.1f} "
            "epochs, small and large in {small_arrived} and {large_arrived} of the seeds; right on the test set "
            "{xavier_right[0]:.1%} ± {xavier_right[1]:.1%}, {small_right[0]:.1%} ± {small_right[1]:.1%}, "
            "{large_right[0]:.1%} ± {large_right[1]:.1%}",
            "6 层 tanh、4 轮、8 个随机种子：Xavier 的损失在 {xavier_epochs[0]:.1f} ± {xavier_epochs[1]:.1f} 轮后低于 0.5；"
            "过小和过大时，达到的随机种子数为 {small_arrived} 和 {large_arrived}；测试集准确率依次为 {xavier_right[0]:.1%} ± "
            "{xavier_right[1]:.1%}、{small_right[0]:.1%} ± {small_right[1]:.1%}、{large_right[0]:.1%} ± {large_right[1]:.1%}",
        ),
        measure_speed_and_generalization,
        # 0.15: four standard errors of the difference of two means with the spread of the worst, 0.083 sqrt(1/8 + 1/16).
        lambda r: (
            r["xavier_arrived"] == len(SEEDS)
            and r["small_arrived"] == r["large_arrived"] == 0
            and r["small_right"][0] < 0.15
            and abs(r["large_right"][0] - 0.33) < 0.15
            and r["xavier_right"][0] > 0.33 + 2 * 0.15
        ),
        *RACE,
    ),
    Claim(
        25,
        "D",
        Text("He's initializer is also for LeakyReLU.", "He 初始化也适用于 LeakyReLU。"),
        Text(
            "true, but with the gain for its slope a: variance 2 / ((1 + a²) n); for the usual a = 0.01 that is no difference.",
            "正确，但增益要随负半轴斜率 a 调整：方差取 2 / ((1 + a²) n)；常用的 a = 0.01 时几乎没有差别。",
        ),
        Text(
            "a = 0.5: each layer multiplies the mean square by (1 + a²)/2 · n var(w): 1.25 with 2/n, 1 with the gain "
            "(E[f(z)²] = (1 + a²)/2)",
            "a = 0.5：每层把均方值乘以 (1 + a²)/2 · n var(w)：用 2/n 为 1.25，计入增益为 1（E[f(z)²] = (1 + a²)/2）",
        ),
        Text(
            "20 layers of 256, 8 seeds: {he[0]:.3f} ± {he[1]:.3f} with 2/n, {gained[0]:.3f} ± {gained[1]:.3f} with the gain",
            "20 层、每层 256 个神经元、8 个随机种子：用 2/n 为 {he[0]:.3f} ± {he[1]:.3f}，"
            "计入增益为 {gained[0]:.3f} ± {gained[1]:.3f}",
        ),
        measure_leaky,
        # Each layer adds about 3.1/256 to the variance of the log (Hanin and Rolnick 2018, E[f^4]/E[f^2]^2 - 1 = 3.1): over 19
        # layers a std of 0.48, or 0.025 a layer, 0.009 for 8 seeds; and a mean lower by half the variance, 0.006.
        lambda r: abs(r["he"][0] / 1.25 - 1) < 0.042 and abs(r["gained"][0] - 1) < 0.042,
        *RACE,
    ),
    Claim(
        26,
        "D",
        Text("Xavier's initializer is for shallow networks.", "Xavier 初始化适合浅层网络。"),
        Text(
            "true, but not only: a 20-layer tanh network trains with it as well; what does not reach that deep is U(-1/√n, "
            "1/√n).",
            "正确，但不限于此：20 层的 tanh 网络用它同样能训练；到不了这个深度的是 U(-1/√n, 1/√n)。",
        ),
        Text(
            "20 such layers train with variance 1/n (loss in plain NumPy, 4 seeds: 0.082 ± 0.040); with 1/(3n) the signal "
            "falls to 3^(-19/2) = 0.00003 of its size, and the loss stays at ln 10 = 2.303",
            "方差 1/n 时 20 层能训练（纯 NumPy 模拟 4 个随机种子，损失 0.082 ± 0.040）；方差 1/(3n) 时信号缩小到 3^(-19/2) = "
            "0.00003，损失停在 ln 10 = 2.303",
        ),
        Text(
            "digits, 20 tanh layers of 64, 15 epochs, 3 seeds: loss {xavier[0]:.3f} ± {xavier[1]:.3f} ({xavier_right[0]:.1%} "
            "± {xavier_right[1]:.1%} right on the test set) and {old[0]:.3f} ± {old[1]:.3f} ({old_right[0]:.1%} ± "
            "{old_right[1]:.1%})",
            "手写数字、20 层、每层 64 个 tanh、15 轮、3 个随机种子：损失 {xavier[0]:.3f} ± {xavier[1]:.3f}（测试集准确率 "
            "{xavier_right[0]:.1%} ± {xavier_right[1]:.1%}）与 {old[0]:.3f} ± {old[1]:.3f}（{old_right[0]:.1%} ± "
            "{old_right[1]:.1%}）",
        ),
        measure_depth,
        # Constant outputs can learn the fractions of the classes, which differ from a tenth by chance: 0.01 below ln 10. 0.2:
        # three standard errors of the mean of three, 0.04 / sqrt 3, above 0.082, rounded up.
        lambda r: r["xavier"][0] < 0.2 and abs(r["old"][0] - np.log(10)) < 0.01,
        *RACE,
    ),
    Claim(
        27,
        "A B C D",
        Text("With the right scale training converges faster.", "尺度合适，收敛更快。"),
        Text(
            "true, but what is right depends on the activation: tanh learns faster from He's weights than from Xavier's, "
            "for it shrinks the signal and wants a gain above 1 (PyTorch's: 5/3), and a deep sigmoid network wants far "
            "larger ones.",
            "正确，但合适的尺度取决于激活函数：tanh 用 He 的权重比用 Xavier 的学得更快，因为 tanh 会压缩信号，增益应大于 1"
            "（PyTorch 取 5/3）；深层 sigmoid 网络则需要大得多的权重。",
        ),
        Text(
            "the loss that learns nothing is ln 10 = 2.303; theory's factor for the gradient's variance per layer "
            "(Schoenholz 2017), which should be near 1, for Xavier / He / N(0, 1): tanh 1 / 1.11 / 4.5, ReLU 0.5 / 1 / 32, "
            "sigmoid 0.056 / 0.10 / 0.79; after 6 tanh layers the signal's std is 0.29 with Xavier's, with He's it stays "
            "at 0.56",
            "什么都没学到时损失为 ln 10 = 2.303；理论上每层梯度方差的倍数（Schoenholz 2017，应接近 1），依次为 Xavier / He "
            "/ N(0, 1)：tanh 1 / 1.11 / 4.5，ReLU 0.5 / 1 / 32，sigmoid 0.056 / 0.10 / 0.79；6 层 tanh 之后信号的标准差，用"
            " Xavier 降到 0.29，用 He 稳定在 0.56",
        ),
        Text(
            f"loss after 4 epochs with small / Xavier / He / large weights, 8 seeds: tanh {_shown('tanh')}, ReLU "
            f"{_shown('relu', 3)} / diverged in {{relu_large}} of 8, sigmoid {_shown('sigmoid')}",
            f"4 轮后的损失，权重依次为过小 / Xavier / He / 过大，8 个随机种子：tanh {_shown('tanh')}，ReLU "
            f"{_shown('relu', 3)} / 8 个随机种子中有 {{relu_large}} 个发散，sigmoid {_shown('sigmoid')}",
        ),
        measure_race,
        # "Learns nothing" is within 0.02 of ln 10, what the fractions of the classes allow in batches; "learns" is half a nat
        # below it. That He beats Xavier with tanh and ReLU, and large weights lose: 16 seeds in plain NumPy, .22 ± .03 and
        # .31 ± .05, .50 ± .40 and 1.10 ± .48, and 1.87 ± .20 from large weights with tanh.
        lambda r: (
            min(r[key][0] for key in ("tanh_small", "relu_small", "sigmoid_small", "sigmoid_xavier", "sigmoid_he"))
            > GUESSING - 0.02
            and r["tanh_he"][0] < r["tanh_xavier"][0] < 0.5 < r["tanh_large"][0]
            and r["relu_he"][0] < r["relu_xavier"][0] < GUESSING - 0.5
            and r["relu_large"] == len(SEEDS)
            and r["sigmoid_large"][0] < GUESSING - 0.5
        ),
        *RACE,
    ),
    Claim(
        33,
        "C",
        Text(
            "The choice of activation (sigmoid, tanh, ReLU) matters for the forward and the backward pass.",
            "激活函数（sigmoid、tanh、ReLU）的选择对前向传播和反向传播都有影响。",
        ),
        Text(
            "true: with one initializer the three treat signal and gradient differently by orders of magnitude, and as theory "
            "says.",
            "正确：用同一种初始化，三者的信号与梯度相差几个数量级，且与理论一致。",
        ),
        Text(
            "10 layers of 500, Xavier, mean-field theory (Schoenholz 2017): std of layer 10 for input 1: tanh 0.241, ReLU "
            "2^(-9/2) = 0.044, sigmoid 0.515; gradient at layer 1 for 1 at layer 10: 0.281, 2^(-9/2) = 0.044, 2.0e-06",
            "10 层、每层 500 个神经元、Xavier，平均场理论（Schoenholz 2017）：输入的标准差为 1 时，第 10 层的标准差：tanh "
            "0.241，ReLU 2^(-9/2) = 0.044，sigmoid 0.515；第 10 层梯度为 1 时第 1 层的梯度：0.281、2^(-9/2) = 0.044、2.0e-06",
        ),
        Text(
            "5 seeds: std {tanh_std[0]:.3f} ± {tanh_std[1]:.3f}, {relu_std[0]:.3f} ± {relu_std[1]:.3f}, {sigmoid_std[0]:.3f} "
            "± {sigmoid_std[1]:.3f}; gradient {tanh_grad[0]:.3f} ± {tanh_grad[1]:.3f}, {relu_grad[0]:.3f} ± "
            "{relu_grad[1]:.3f}, {sigmoid_grad[0]:.1e} ± {sigmoid_grad[1]:.0e}",
            "5 个随机种子：标准差 {tanh_std[0]:.3f} ± {tanh_std[1]:.3f}、{relu_std[0]:.3f} ± {relu_std[1]:.3f}、"
            "{sigmoid_std[0]:.3f} ± {sigmoid_std[1]:.3f}；梯度 {tanh_grad[0]:.3f} ± {tanh_grad[1]:.3f}、{relu_grad[0]:.3f} "
            "± {relu_grad[1]:.3f}、{sigmoid_grad[0]:.1e} ± {sigmoid_grad[1]:.0e}",
        ),
        measure_activations,
        # 114 values are compared with theory, each in units of the spread of random networks (Hanin and Rolnick 2018).
        lambda r: max(r["tanh_deviation"], r["relu_deviation"], r["sigmoid_deviation"]) < 4,
        *RACE,
    ),
    Claim(
        36,
        "A",
        Text(
            "Sampling from a normal distribution keeps the variance the same and converges faster.",
            "正态分布采样：保持方差一致，收敛更快。",
        ),
        Text(
            "false of the normal distribution as such: what counts is the variance; uniform weights of the same variance "
            "keep the signal and converge as well.",
            "错误，起作用的不是正态分布本身，而是方差：方差相同的均匀分布同样能保持信号，收敛也一样快。",
        ),
        Text(
            "a layer multiplies the mean square by n var(w), whatever w is drawn from: the same signal, and losses that "
            "differ by chance only; 16 seeds in plain NumPy, normal and uniform: tanh, Xavier .31 ± .05 and .29 ± .04, He "
            ".22 ± .03 and .20 ± .04; ReLU, Xavier 1.10 ± .48 and 1.02 ± .35, He .50 ± .40 and .33 ± .11",
            "不论 w 取自什么分布，每层都把均方值乘以 n var(w)：信号应相同，损失之差纯属随机；纯 NumPy 模拟 16 个随机种子（正"
            "态与均匀）：tanh 用 Xavier .31 ± .05 与 .29 ± .04，He .22 ± .03 与 .20 ± .04；ReLU 用 Xavier 1.10 ± .48 与 "
            "1.02 ± .35，He .50 ± .40 与 .33 ± .11",
        ),
        Text(
            f"6 layers, 8 seeds, normal and uniform; std after 5 layers: tanh, Xavier {_pair('tanh_xavier', '_std')}, "
            f"ReLU, He {_pair('relu_he', '_std')}; loss after 4 epochs: tanh, Xavier {_pair('tanh_xavier')}, He "
            f"{_pair('tanh_he')}; ReLU, Xavier {_pair('relu_xavier')}, He {_pair('relu_he')}",
            f"6 层、8 个随机种子，正态与均匀；第 5 层之后的标准差：tanh 用 Xavier {_pair('tanh_xavier', '_std')}，ReLU 用 He "
            f"{_pair('relu_he', '_std')}；4 轮后的损失：tanh 用 Xavier {_pair('tanh_xavier')}，He {_pair('tanh_he')}；ReLU 用 "
            f"Xavier {_pair('relu_xavier')}，He {_pair('relu_he')}",
        ),
        measure_normal_and_uniform,
        lambda r: all(
            no_different(r[f"{activation}_{key}{what}"], r[f"{activation}_{key}_uniform{what}"])
            for activation in ("tanh", "relu")
            for key in ("xavier", "he")
            for what in ("", "_std")
        ),
        *RACE,
    ),
    Claim(
        43,
        "D",
        Text(
            "Start from small random values: uniform_(), normal_(std=1).",
            "用较小的随机值初始化：uniform_()、normal_(std=1)。",
        ),
        Text(
            "false of these calls: U[0, 1) and N(0, 1) are small for D's layer of one input only; deep networks of usual "
            "width learn from U[0, 1) nothing, from N(0, 1) little (tanh) or diverge (ReLU).",
            "错误，至少这两个调用并不“小”：U[0, 1) 与 N(0, 1) 只对 D 中仅有一个输入的层才算小；常见宽度的深层网络，"
            "用 U[0, 1) 什么也学不到，用 N(0, 1) 时 tanh 学得很差，ReLU 则发散。",
        ),
        Text(
            "n = 64: N(0, 1) multiplies a ReLU layer's mean square by n/2 = 32, U[0, 1) a positive signal by n/2 = 32 itself "
            "and tanh sits at 1; guessing: ln 10 = 2.303, 10%; 16 seeds in plain NumPy: U[0, 1) tanh 2.38 ± .03, ReLU 2.302 ± "
            ".000; N(0, 1) tanh 1.87 ± .20, ReLU NaN or dead",
            "n = 64：N(0, 1) 使 ReLU 层的均方值乘以 n/2 = 32，U[0, 1) 使正的信号本身乘以 n/2 = 32，tanh 则停在 1；随机猜测："
            "ln 10 = 2.303，10%；纯 NumPy 模拟 16 个随机种子：U[0, 1) 时 tanh 2.38 ± .03，ReLU 2.302 ± .000；N(0, 1) 时 tanh "
            "1.87 ± .20，ReLU 为 NaN 或死亡",
        ),
        Text(
            "6 layers, 8 seeds, loss after 4 epochs: U[0, 1) tanh {tanh_unit[0]:.2f} ± {tanh_unit[1]:.2f}, ReLU "
            "{relu_unit[0]:.3f} ± {relu_unit[1]:.3f} (right on the test set {tanh_right[0]:.1%} ± {tanh_right[1]:.1%} and "
            "{relu_right[0]:.1%} ± {relu_right[1]:.1%}); N(0, 1) tanh {tanh_large[0]:.2f} ± {tanh_large[1]:.2f}, ReLU "
            "diverged in {relu_large} of 8",
            "6 层、8 个随机种子，4 轮后的损失：U[0, 1) 时 tanh {tanh_unit[0]:.2f} ± {tanh_unit[1]:.2f}，ReLU "
            "{relu_unit[0]:.3f} ± {relu_unit[1]:.3f}（测试集准确率 {tanh_right[0]:.1%} ± {tanh_right[1]:.1%} 与 "
            "{relu_right[0]:.1%} ± {relu_right[1]:.1%}）；N(0, 1) 时 tanh {tanh_large[0]:.2f} ± {tanh_large[1]:.2f}，ReLU 在 "
            "8 个随机种子中有 {relu_large} 个发散",
        ),
        measure_not_small,
        # No better than guessing: not 0.02 below ln 10 (claim 27), and within four standard errors of a tenth of 359 images.
        lambda r: (
            min(r["tanh_unit"][0], r["relu_unit"][0]) > GUESSING - 0.02
            and max(r["tanh_right"][0], r["relu_right"][0]) < 0.1 + 4 * math.sqrt(0.09 / 359)
            and r["relu_large"] == len(SEEDS)
            and 0.5 < r["tanh_large"][0] < GUESSING
        ),
        *RACE,
    ),
]
