"""Claims 15, 25 to 27 and 33: which initializer suits which activation, and how much that matters."""

from typing import Any

import numpy as np
from initializer_race import ACTIVATIONS, INITIALIZERS, loss, network, race, sizes

from ledger import Claim, Text
from minidl import data, flow, init, nn, optim, training
from minidl.random import Generator


def measure_speed_and_generalization() -> dict[str, Any]:
    """Three seeds each of the tanh network: the epochs until the loss is under 0.5, and what is right on the test set."""
    digits = data.digits()
    result: dict[str, Any] = {}
    for key, name in {"small": "small: std 0.01", "large": "large: std 1", "xavier": "Xavier"}.items():
        runs = race("tanh", INITIALIZERS[name], 6, 6, range(3), digits)
        fast = [next((i for i, epoch in enumerate(run) if epoch.loss < 0.5), np.inf) for run in runs]
        right = [run[-1].accuracy for run in runs]
        result |= {f"{key}_epochs": max(fast), f"{key}_right": np.mean(right), f"{key}_spread": np.std(right)}
    return result


def measure_race() -> dict[str, Any]:
    """Mean loss over two seeds after four epochs."""
    digits = data.digits()
    wanted = {"small": "small: std 0.01", "large": "large: std 1", "xavier": "Xavier", "he": "He"}
    result: dict[str, Any] = {}
    for activation in ACTIVATIONS:
        for key, name in wanted.items():
            runs = race(activation, INITIALIZERS[name], 6, 4, range(2), digits)
            result[f"{activation}_{key}"] = float(np.mean([loss(run) for run in runs]))
    return result


def measure_leaky() -> dict[str, Any]:
    """What one of 20 layers of 256 LeakyReLUs with a = 0.5 multiplies the mean square by: the geometric mean of 8 seeds."""
    x = Generator(0).stream("data").normal((32, 256))

    def factor(initializer):
        logs = []
        for seed in range(8):
            report = flow.measure(network([256] * 21, lambda: nn.LeakyReLU(0.5), initializer, seed), x)
            squares = [r.out_mean**2 + r.out_std**2 for r in report if r.kind == "Linear"]
            logs.append(np.log(squares[-1] / squares[0]) / 19)
        return float(np.exp(np.mean(logs)))

    return {"he": factor(init.HeNormal()), "gained": factor(init.HeNormal(0.5))}


def measure_depth() -> dict[str, Any]:
    """20 tanh layers, 15 epochs: the loss."""
    result: dict[str, Any] = {}
    initializers = {"xavier": init.XavierUniform(), "narrow": init.VarianceScaling(1 / 3, "fan_in", "uniform")}
    for key, initializer in initializers.items():
        model = network(sizes(20), nn.Tanh, initializer, 0)
        optimizer = optim.SGD(model.parameters(), lr=0.005, momentum=0.9)
        *_, last = training.epochs(model, data.digits(), optimizer, 15, batch_size=32, rng=0)
        result |= {key: last.loss, f"{key}_right": last.accuracy}
    return result


def measure_activations() -> dict[str, Any]:
    """10 layers of 500, Xavier: the last layer's std relative to the first's, and the first's gradient relative to the last's,
    with theory's, and the largest deviation in units of the spread of random networks."""
    x, direction = Generator(0).stream("data").normal((2, 200, 500))
    result: dict[str, Any] = {}
    for name, activation in ACTIVATIONS.items():
        model = network([500] * 11, activation, init.XavierNormal(), 0)
        report = list(flow.measure(model, x, loss=lambda y: (y * direction).sum()))
        first, last = report[0], report[-1]
        deviations = [abs(d) for r in report for d in (r.std_deviation, r.grad_deviation) if d is not None]
        result |= {f"{name}_std": last.out_std, f"{name}_std_theory": last.predicted_std, f"{name}_deviation": max(deviations)}
        result |= {f"{name}_grad": first.grad_ratio, f"{name}_grad_theory": first.predicted_grad_ratio}
    return result


RACE = "initializer_race.png", "python examples/initializer_race.py"
CLAIMS = [
    Claim(
        15,
        "C",
        Text(
            "Initialization changes how fast training converges, and how well the result generalizes.",
            "初始化影响收敛速度和泛化能力。",
        ),
        Text(
            "true: on the same data and steps one initializer reaches a loss of 0.5 in a few epochs and others never do.",
            "正确：数据和步数相同，有的起点几轮后损失就低于 0.5，有的始终达不到。",
        ),
        Text(
            "no theory for the accuracy; guessing gives 10 %, and a fraction of 359 test images has a standard error of at "
            "most 2.6 %",
            "准确率没有理论值；随机猜测为 10%，359 张测试图上的比例标准误差不超过 2.6%",
        ),
        Text(
            "6 tanh layers, 6 epochs, 3 seeds: Xavier under 0.5 after {xavier_epochs:.0f} epochs, small and large not at all; "
            "right on the test set {xavier_right:.1%} ± {xavier_spread:.1%} (small {small_right:.1%} ± {small_spread:.1%}, "
            "large {large_right:.1%} ± {large_spread:.1%})",
            "6 层 tanh、6 轮、3 个种子：Xavier 在 {xavier_epochs:.0f} 轮后低于 0.5，过小和过大都达不到；测试集准确率 "
            "{xavier_right:.1%} ± {xavier_spread:.1%}（过小 {small_right:.1%} ± {small_spread:.1%}，"
            "过大 {large_right:.1%} ± {large_spread:.1%}）",
        ),
        measure_speed_and_generalization,
        # 0.15: four standard errors of the difference of two fractions of 359, 4 sqrt(2 * 0.25 / 359).
        lambda r: (
            r["xavier_epochs"] <= 6
            and min(r["small_epochs"], r["large_epochs"]) > 6
            and r["xavier_right"] - max(r["small_right"], r["large_right"]) > 0.15
        ),
        *RACE,
    ),
    Claim(
        25,
        "D",
        Text("He's initializer is also for LeakyReLU.", "He 初始化也适用于 LeakyReLU。"),
        Text(
            "true, but with the gain for its slope a: variance 2 / ((1 + a²) n); for the usual a = 0.01 that is no difference.",
            "正确，但增益要随负斜率 a 调整：方差取 2 / ((1 + a²) n)；常用的 a = 0.01 时几乎没有差别。",
        ),
        Text(
            "a = 0.5: each layer multiplies the mean square by (1 + a²)/2 · n var(w): 1.25 with 2/n, 1 with the gain "
            "(E[f(z)²] = (1 + a²)/2)",
            "a = 0.5：每层把均方乘以 (1 + a²)/2 · n var(w)：用 2/n 为 1.25，加上增益为 1（E[f(z)²] = (1 + a²)/2）",
        ),
        Text(
            "20 layers of 256, 8 seeds: {he:.3f} with 2/n, {gained:.3f} with the gain",
            "20 层、每层 256 个单元、8 个种子：用 2/n 为 {he:.3f}，加上增益为 {gained:.3f}",
        ),
        measure_leaky,
        # Each layer adds about 3.1/256 to the variance of the log (Hanin and Rolnick 2018, E[f^4]/E[f^2]^2 - 1 = 3.1): over 19
        # layers a std of 0.48, or 0.025 a layer, 0.009 for 8 seeds; and a mean lower by half the variance, 0.006.
        lambda r: abs(r["he"] / 1.25 - 1) < 0.042 and abs(r["gained"] - 1) < 0.042,
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
            "a loss under 0.15 with variance 1/n; with 1/(3n) the signal falls to 3^(-19/2) = 0.00003 of its size, and the "
            "loss stays at ln 10 = 2.303",
            "方差 1/n 时损失低于 0.15；方差 1/(3n) 时信号缩小到 3^(-19/2) = 0.00003，损失停在 ln 10 = 2.303",
        ),
        Text(
            "digits, 20 tanh layers of 64, 15 epochs: loss {xavier:.3f} ({xavier_right:.1%} right on the test set) and "
            "{narrow:.3f} ({narrow_right:.1%})",
            "手写数字、20 层、每层 64 个 tanh、15 轮：损失 {xavier:.3f}（测试集 {xavier_right:.1%}）与 "
            "{narrow:.3f}（{narrow_right:.1%}）",
        ),
        measure_depth,
        # Constant outputs can learn the fractions of the classes, which differ from a tenth by chance: 0.01 below ln 10.
        lambda r: r["xavier"] < 0.15 and abs(r["narrow"] - np.log(10)) < 0.01,
        *RACE,
    ),
    Claim(
        27,
        "A B C D",
        Text("With the right scale training converges faster.", "尺度合适，收敛更快。"),
        Text(
            "true, but what is right depends on the activation: a deep sigmoid network wants weights far larger than Xavier's "
            "or He's.",
            "正确，但合适的尺度取决于激活函数：深层 sigmoid 网络需要比 Xavier、He 大得多的权重。",
        ),
        Text(
            "the loss that learns nothing is ln 10 = 2.303; theory's factor for the gradient's variance per layer "
            "(Schoenholz 2017), which should be near 1, for Xavier / He / N(0, 1): tanh 1 / 1.11 / 4.5, ReLU 0.5 / 1 / 32, "
            "sigmoid 0.056 / 0.10 / 0.79",
            "什么都没学到时损失为 ln 10 = 2.303；理论上每层梯度方差的倍数（Schoenholz 2017，应接近 1），依次为 Xavier / He / "
            "N(0, 1)：tanh 1 / 1.11 / 4.5，ReLU 0.5 / 1 / 32，sigmoid 0.056 / 0.10 / 0.79",
        ),
        Text(
            "loss after 4 epochs with small / Xavier / He / large weights: tanh {tanh_small:.2f} / {tanh_xavier:.2f} / "
            "{tanh_he:.2f} / {tanh_large:.2f}, ReLU {relu_small:.2f} / {relu_xavier:.2f} / {relu_he:.2f} / {relu_large:.2f}, "
            "sigmoid {sigmoid_small:.2f} / {sigmoid_xavier:.2f} / {sigmoid_he:.2f} / {sigmoid_large:.2f} (inf: diverged)",
            "4 轮后的损失，权重依次为 过小 / Xavier / He / 过大：tanh {tanh_small:.2f} / {tanh_xavier:.2f} / "
            "{tanh_he:.2f} / {tanh_large:.2f}，ReLU {relu_small:.2f} / {relu_xavier:.2f} / {relu_he:.2f} / {relu_large:.2f}，"
            "sigmoid {sigmoid_small:.2f} / {sigmoid_xavier:.2f} / {sigmoid_he:.2f} / {sigmoid_large:.2f}（inf 表示发散）",
        ),
        measure_race,
        # "Learns nothing" is within 0.02 of ln 10, what the fractions of the classes allow in batches; "learns" is half a nat
        # below it.
        lambda r: (
            min(r["tanh_small"], r["relu_small"], r["sigmoid_small"], r["sigmoid_xavier"], r["sigmoid_he"]) > np.log(10) - 0.02
            and max(r["tanh_xavier"], r["tanh_he"]) < 0.5 < r["tanh_large"]
            and r["relu_he"] < r["relu_xavier"] < np.log(10) - 0.5
            and r["relu_large"] > np.log(10)
            and r["sigmoid_large"] < np.log(10) - 0.5
        ),
        *RACE,
    ),
    Claim(
        33,
        "C",
        Text(
            "The choice of activation (sigmoid, tanh, ReLU) matters for the forward and the backward pass.",
            "激活函数（sigmoid、tanh、ReLU）的选择对前向和反向传播都有影响。",
        ),
        Text(
            "true: with one initializer the three treat signal and gradient differently by orders of magnitude, and as theory "
            "says.",
            "正确：用同一种初始化，三者的信号与梯度相差几个数量级，且与理论一致。",
        ),
        Text(
            "10 layers of 500, Xavier, mean-field theory (Schoenholz 2017): std of layer 10 for input 1: tanh 0.241, ReLU "
            "2^(-9/2) = 0.044, sigmoid 0.515; gradient at layer 1 for 1 at layer 10: 0.281, 2^(-9/2) = 0.044, 0.0000020",
            "10 层、每层 500 个单元、Xavier，平均场理论（Schoenholz 2017）：输入为 1 时第 10 层的标准差：tanh 0.241，ReLU "
            "2^(-9/2) = 0.044，sigmoid 0.515；第 10 层梯度为 1 时第 1 层的梯度：0.281、2^(-9/2) = 0.044、0.0000020",
        ),
        Text(
            "std {tanh_std:.3f}, {relu_std:.3f}, {sigmoid_std:.3f}; gradient {tanh_grad:.3f}, {relu_grad:.3f}, "
            "{sigmoid_grad:.7f}",
            "标准差 {tanh_std:.3f}、{relu_std:.3f}、{sigmoid_std:.3f}；梯度 {tanh_grad:.3f}、{relu_grad:.3f}、"
            "{sigmoid_grad:.7f}",
        ),
        measure_activations,
        # 114 values are compared with theory, each in units of the spread of random networks (Hanin and Rolnick 2018).
        lambda r: max(r["tanh_deviation"], r["relu_deviation"], r["sigmoid_deviation"]) < 4,
        *RACE,
    ),
]
