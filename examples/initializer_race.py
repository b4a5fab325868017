"""Which start wins the race? Seven laws, three activations, several seeds, one network each on real digits.

A widely read article says that the right scale of the first weights makes training faster and the result better; others say
which law suits which activation: Xavier for sigmoid and tanh, He for ReLU. Here all run over the same course. You will see
the loss fall, with the range over the seeds, and a ranking beside the reason for it: how much of the gradient at the last
layer arrives at the first, before training. Where nothing or far too much arrives, nothing is learned. Xavier and He win with
tanh and ReLU; in this deep sigmoid network both lose, to weights eight times as large.

    python examples/initializer_race.py
    python examples/initializer_race.py --quick --depth 4
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from claims import Claim, Text
from common import ACTIVATIONS, Run, network, parser, progress, save, table, train, whole_number

from minidl import data, flow, init, nn, optim, plot
from minidl.random import Generator

WIDTH = 64
LAWS = {
    "zeros": init.Zeros(),
    "constant 0.1": init.Constant(0.1),
    "small N(0, 0.01²)": init.Normal(0, 0.01),
    "large N(0, 1)": init.Normal(0, 1),
    "Xavier": init.XavierNormal(),
    "He": init.HeNormal(),
    "LeCun": init.LecunNormal(),
}


def sizes(depth: int) -> list[int]:
    return [64] + [WIDTH] * (depth - 1) + [10]


def race(activation: str, law: Any, depth: int, epochs: int, seeds: Sequence[int], digits: data.Split) -> list[Run]:
    runs = []
    for seed in seeds:
        model = network(sizes(depth), ACTIVATIONS[activation], law, seed)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        runs.append(train(model, epochs, optimizer=optimizer, digits=digits, rng=seed))
    return runs


def arriving(activation: str, law: Any, depth: int, digits: data.Split) -> float:
    """The gradient at the output of the first layer, relative to that of the last, before training."""
    model = network(sizes(depth), ACTIVATIONS[activation], law, 0)
    return flow.measure(model, digits.x_train[:256], digits.y_train[:256])["0"].grad_ratio or 0.0


def loss(run: Run) -> float:
    """The last loss; infinite if training diverged."""
    return run.losses[-1] if np.isfinite(run.losses[-1]) else np.inf


def draw(results: dict[str, dict[str, list[Run]]]) -> Any:
    figure = plot.new_figure(10, 7)
    axes = figure.subplots(2, len(results), sharey="row")
    for column, (activation, runs_of) in enumerate(results.items()):
        for i, (name, runs) in enumerate(runs_of.items()):
            colour = [*plot.COLOURS, "black"][i]
            losses = np.array([run.losses for run in runs])
            losses[~np.isfinite(losses)] = np.nan
            with np.errstate(all="ignore"):
                low, middle, high = losses.min(axis=0), losses.mean(axis=0), losses.max(axis=0)
            epochs = range(len(middle))
            style = {"color": colour, "marker": "os^Dv*P"[i], "markersize": 4}
            axes[0, column].plot(epochs, middle, label=name, **style)
            axes[0, column].fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
            accuracies = [100 * run.accuracies[-1] for run in runs]
            axes[1, column].plot(accuracies, [i] * len(runs), linestyle="none", alpha=0.6, **style)
        axes[0, column].set(title=f"{activation}: loss on the training set", xlabel="epoch", ylim=(0, 3))
        axes[1, column].axvline(10, color="grey", linestyle=":")
        axes[1, column].set(title="right on the test set, each seed", xlabel="% (dotted: guessing)", xlim=(0, 102))
        axes[1, column].set_yticks(range(len(LAWS)), list(LAWS))
    axes[1, 0].invert_yaxis()
    axes[0, 0].set_ylabel("cross-entropy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=7, fontsize=8)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__, __file__)
    options.add_argument("--depth", type=whole_number, default=6, help="linear layers, default: 6")
    args = options.parse_args(arguments)
    epochs, seeds = (3, 2) if args.quick else (15, 5)
    digits = data.digits()
    results: dict[str, dict[str, list[Run]]] = {activation: {} for activation in ACTIVATIONS}
    for activation, name in progress([(activation, name) for activation in ACTIVATIONS for name in LAWS], desc="race"):
        chosen = range(args.seed, args.seed + seeds)
        results[activation][name] = race(activation, LAWS[name], args.depth, epochs, chosen, digits)
    print(f"{args.depth} layers, {WIDTH} wide, SGD at 0.1, {epochs} epochs; +-: standard deviation over {seeds} seeds")
    for activation, runs_of in results.items():
        print(f"\n{activation}")
        ranking = sorted(runs_of.items(), key=lambda item: np.mean([loss(run) for run in item[1]]))
        rows = []
        for place, (name, runs) in enumerate(ranking, 1):
            accuracies = [100 * run.accuracies[-1] for run in runs]
            losses = [loss(run) for run in runs]
            shown = f"{np.mean(losses):.3f}" if np.isfinite(losses).all() else "diverged"
            right = f"{np.mean(accuracies):.1f} +- {np.std(accuracies):.1f}"
            rows.append((str(place), name, arriving(activation, LAWS[name], args.depth, digits), shown, right))
        table(["", "start", "gradient arriving", "loss", "% right on the test set"], rows)
    save(lambda: draw(results), args.out)


def measure_speed_and_generalization() -> dict[str, Any]:
    """Three seeds each of the tanh network: the epochs until the loss is under 0.5, and what is right on the test set."""
    digits = data.digits()
    result: dict[str, Any] = {}
    for key, name in {"small": "small N(0, 0.01²)", "large": "large N(0, 1)", "xavier": "Xavier"}.items():
        runs = race("tanh", LAWS[name], 6, 6, range(3), digits)
        fast = [next((epoch for epoch, value in enumerate(run.losses) if value < 0.5), np.inf) for run in runs]
        right = [run.accuracies[-1] for run in runs]
        result |= {f"{key}_epochs": max(fast), f"{key}_right": np.mean(right), f"{key}_spread": np.std(right)}
    return result


def measure_race() -> dict[str, Any]:
    """Mean loss over two seeds after four epochs."""
    digits = data.digits()
    wanted = {"small": "small N(0, 0.01²)", "large": "large N(0, 1)", "xavier": "Xavier", "he": "He"}
    return {
        f"{activation}_{key}": float(np.mean([loss(run) for run in race(activation, LAWS[name], 6, 4, range(2), digits)]))
        for activation in ACTIVATIONS
        for key, name in wanted.items()
    }


def measure_leaky() -> dict[str, Any]:
    """What one of 20 layers of 256 LeakyReLUs with a = 0.5 multiplies the mean square by: the geometric mean of 8 seeds."""
    x = Generator(0).stream("data").normal((32, 256))

    def factor(law):
        logs = []
        for seed in range(8):
            report = flow.measure(network([256] * 21, lambda: nn.LeakyReLU(0.5), law, seed), x)
            squares = [r.out_mean**2 + r.out_std**2 for r in report if r.kind == "Linear"]
            logs.append(np.log(squares[-1] / squares[0]) / 19)
        return float(np.exp(np.mean(logs)))

    return {"he": factor(init.HeNormal()), "gained": factor(init.HeNormal(0.5))}


def measure_depth() -> dict[str, Any]:
    """20 tanh layers, 15 epochs: the loss."""
    result: dict[str, Any] = {}
    for key, law in {"xavier": init.XavierUniform(), "narrow": init.VarianceScaling(1 / 3, "fan_in", "uniform")}.items():
        model = network(sizes(20), nn.Tanh, law, 0)
        run = train(model, 15, optimizer=optim.SGD(model.parameters(), lr=0.005, momentum=0.9), batch_size=32)
        result |= {key: run.losses[-1], f"{key}_right": run.accuracies[-1]}
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
            "true: on the same data and steps one start reaches a loss of 0.5 in a few epochs and others never do.",
            "正确：数据和步数相同，有的起点几轮后损失就低于 0.5，有的始终达不到。",
        ),
        Text(
            "no theory for the accuracy; guessing gives 10 %, and a share of 359 test images has a standard error of at most "
            "2.6 %",
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
        # 0.15: four standard errors of the difference of two shares of 359, 4 sqrt(2 * 0.25 / 359).
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
        Text("He's law is also for LeakyReLU.", "He 初始化也适用于 LeakyReLU。"),
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
        Text("Xavier's law is for shallow networks.", "Xavier 初始化适合浅层网络。"),
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
        # Constant outputs can learn the shares of the classes, which differ from a tenth by chance: 0.01 below ln 10.
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
        # "Learns nothing" is within 0.02 of ln 10, what the class shares allow in batches; "learns" is half a nat below it.
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
            "true: with one law the three treat signal and gradient differently by orders of magnitude, and as theory says.",
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


if __name__ == "__main__":
    main()
