"""Claims 1 to 8: weights of zero, of one, of any constant."""

from typing import Any

from symmetry import ACTIVATIONS, UNITS, trained

from ledger import Claim, Text, spread
from minidl import data, flow, nn

DRAWN = {"picture": "symmetry.png", "command": "python examples/symmetry.py"}
DRAWN_RELU = {"picture": "symmetry_relu.png", "command": "python examples/symmetry.py --activation relu"}
GUESS = 0.2  # above what guessing reaches: the most frequent class has 12 % of the 359 digits, and 4 standard errors are 7 %
LEARNT = 0.9
SEEDS = range(8)


def accuracies(name: str, activation: str, bias: float = 0) -> list[float]:
    """Mean and standard deviation over the seeds of the accuracy after 5 epochs."""
    return spread([trained(name, activation, seed=seed, bias=bias).run[-1].accuracy for seed in SEEDS])


def first_report(activation: str) -> flow.FlowReport:
    """From all-zero weights."""
    digits = data.digits()
    model = nn.Sequential(nn.Linear(64, UNITS, weight_init=0), ACTIVATIONS[activation](), nn.Linear(UNITS, 10, weight_init=0))
    return flow.measure(model, digits.x_train, digits.y_train)


def measure_constants() -> dict[str, Any]:
    """From 1 and -1 after 5 epochs, from 0.1 after 15 and with 5 seeds: the most distinct units, and accuracies."""
    others = [trained(f"all at {c}", a, seed=seed) for c in ("1", "-1") for a in ACTIVATIONS for seed in range(2)]
    from_a_tenth = {a: [trained("all at 0.1", a, 15, seed) for seed in range(5)] for a in ACTIVATIONS}
    return {
        "units": max(result.after for results in (others, *from_a_tenth.values()) for result in results),
        "other": max(result.run[-1].accuracy for result in others),
        "random": accuracies("random", "tanh"),
        **{a: spread([result.run[-1].accuracy for result in results]) for a, results in from_a_tenth.items()},
    }


def measure_zeros() -> dict[str, Any]:
    """Std of the output before training; the largest gradient in 5 epochs, with seed 0, and its range over all."""
    result = {}
    for activation in ACTIVATIONS:
        runs = [trained("all at 0", activation, seed=seed) for seed in SEEDS]
        largest = [run.largest for run in runs]
        result[activation] = [max(run.output_std for run in runs), largest[0], min(largest), max(largest)]
    return result


CLAIMS = [
    Claim(
        1,
        "A B C D E",
        Text(
            "All-zero weights make the units of a layer identical, so that nothing is learned.",
            "权重全为零时，同一层的神经元完全相同，网络学不到东西。",
        ),
        Text(
            "true, and stronger for tanh and ReLU: every gradient but that of the output's bias is exactly 0, for ever. With "
            "sigmoid the gradients are not 0, but all units stay clones.",
            "正确；对 tanh 和 ReLU 还更彻底：除输出层偏置外，所有梯度始终严格为 0。"
            "sigmoid 的梯度不为 0，但所有神经元始终是彼此的副本。",
        ),
        Text(
            "largest gradient in 5 epochs, the output's bias apart: 0 exactly for tanh and ReLU (chain rule: f(0) = 0 and "
            "W = 0), above 0 for sigmoid; 1 distinct unit of 32",
            "5 轮训练中（输出层偏置除外）最大的梯度：tanh、ReLU 严格为 0（链式法则：f(0) = 0 且 W = 0），sigmoid 大于 0；"
            "32 个神经元中互不相同的只有 1 个",
        ),
        Text(
            "tanh {tanh:g}, ReLU {relu:g}, sigmoid {sigmoid:.2g} (seed 0); distinct units {units[0]}, {units[1]}, {units[2]}",
            "tanh {tanh:g}，ReLU {relu:g}，sigmoid {sigmoid:.2g}（随机种子 0）；互不相同的神经元个数 {units[0]}、"
            "{units[1]}、{units[2]}",
        ),
        lambda: (
            {a: trained("all at 0", a).largest for a in ACTIVATIONS}
            | {"units": [trained("all at 0", a).after for a in ACTIVATIONS]}
        ),
        lambda m: m["tanh"] == m["relu"] == 0 < m["sigmoid"] and m["units"] == [1, 1, 1],
        **DRAWN,
    ),
    Claim(
        2,
        "B D E",
        Text("Equal units get the same gradient, hence the same update.", "神经元相同，梯度就相同，更新也就相同。"),
        Text(
            "true, to the last bit; and from zero, with tanh or ReLU, there is no update at all.",
            "正确，且逐比特相同；若从零开始并使用 tanh 或 ReLU，则根本没有更新。",
        ),
        Text(
            "different gradients among 32 units in any step: 1; from random weights 32",
            "任意一步中 32 个神经元所得的互不相同的梯度个数：1；随机初始化为 32",
        ),
        Text(
            "sigmoid from 0: {sigmoid}; tanh from 0.1: {tanh}; tanh from random weights: {random}",
            "sigmoid（从 0 开始）：{sigmoid}；tanh（从 0.1 开始）：{tanh}；tanh（随机初始化）：{random}",
        ),
        lambda: {
            "sigmoid": trained("all at 0", "sigmoid").directions,
            "tanh": trained("all at 0.1", "tanh").directions,
            "random": trained("random", "tanh").directions,
        },
        lambda m: m == {"sigmoid": 1, "tanh": 1, "random": UNITS},
        **DRAWN,
    ),
    Claim(
        3,
        "D",
        Text(
            "All ones, or any other constant such as 0.1 or -1, cannot break the symmetry either.",
            "权重取全一，或取 0.1、-1 等其他常数，同样不能打破对称性。",
        ),
        Text(
            "true, and from ones, as D says, nothing is learned, nor from -1: tanh and sigmoid saturate, ReLU dies. Only from "
            "0.1 something is, as if each layer had a single unit: with tanh and sigmoid always, with ReLU where it survives.",
            "正确；而且正如 D 所说，全一时什么也学不到，-1 也一样：tanh 和 sigmoid 饱和，ReLU 死亡。只有 0.1 能学到一点"
            "东西，相当于每层只有一个神经元：tanh 和 sigmoid 每次都能，ReLU 则要看它是否存活。",
        ),
        Text(
            "1 distinct unit after training, for three constants and three activations (induction over the steps: equal "
            "weights, equal gradients). Test accuracy from 0.1, after 15 epochs, of a network that has one unit, counted 32 "
            "times, simulated in plain NumPy with 16 seeds: tanh 33 % ± 4 %, sigmoid 22 % ± 2 %, ReLU 10 % ± 5 %; from 1 "
            "and -1 at most 12 %, a guess",
            "三种常数、三种激活函数训练后，互不相同的神经元都只有 1 个（对步数归纳：权重相同，梯度就相同）。"
            "从 0.1 开始训练 15 轮的测试准确率，用纯 NumPy 模拟只有一个神经元、重复计算 32 次的网络（16 个随机种子）："
            "tanh 33% ± 4%，sigmoid 22% ± 2%，ReLU 10% ± 5%；从 1 和 -1 开始不超过 12%，相当于随机猜测",
        ),
        Text(
            "distinct units: at most {units}; 0.1 with tanh {tanh[0]:.1%} ± {tanh[1]:.1%}, sigmoid {sigmoid[0]:.1%} ± "
            "{sigmoid[1]:.1%}, ReLU {relu[0]:.1%} ± {relu[1]:.1%} (5 seeds); after 5 epochs, random weights with tanh "
            "{random[0]:.1%} ± {random[1]:.1%} (8 seeds), 1 and -1 at most {other:.1%} (2 seeds)",
            "互不相同的神经元最多 {units} 个；0.1：tanh {tanh[0]:.1%} ± {tanh[1]:.1%}，sigmoid {sigmoid[0]:.1%} ± "
            "{sigmoid[1]:.1%}，ReLU {relu[0]:.1%} ± {relu[1]:.1%}（5 个随机种子）；训练 5 轮后，"
            "随机权重（tanh）{random[0]:.1%} ± {random[1]:.1%}（8 个随机种子），1 和 -1 最高 {other:.1%}（2 个随机种子）",
        ),
        measure_constants,
        # The mean of 5 seeds varies by 0.04 / 5^0.5 = 0.018, that of the simulation's 16 by 0.01: three of both together. With
        # sigmoid by half of that.
        lambda m: (
            m["units"] == 1
            and abs(m["tanh"][0] - 0.33) < 0.06
            and abs(m["sigmoid"][0] - 0.22) < 0.03
            and m["random"][0] > LEARNT
            and m["other"] < GUESS
        ),
        **DRAWN,
    ),
    Claim(
        4,
        "D",
        Text(
            'Zero weights cause "symmetry breaking" (对称性破坏; so in three places).',
            "权重为零会造成“对称性破坏”（文中出现三次）。",
        ),
        Text(
            "false, the wrong word: zero weights keep the symmetry; what breaks it are random ones.",
            "错误，用词正好相反：零权重保持对称性，打破对称性的是随机权重。",
        ),
        Text(
            "distinct hidden units before and after training: 1 and 1 from zero, 32 and 32 from random weights (tanh): no two "
            "of these have all 64 random numbers in common",
            "训练前后互不相同的隐藏神经元个数（tanh）：零初始化为 1 和 1，随机初始化为 32 和 32："
            "不会有两个神经元的 64 个随机数全部相同",
        ),
        Text(
            "zero: {zero[0]} and {zero[1]}; random: {random[0]} and {random[1]}",
            "零：{zero[0]} 和 {zero[1]}；随机：{random[0]} 和 {random[1]}",
        ),
        lambda: {
            name: [(r := trained(start, "tanh")).before, r.after]
            for name, start in (("zero", "all at 0"), ("random", "random"))
        },
        lambda m: m == {"zero": [1, 1], "random": [UNITS, UNITS]},
        **DRAWN,
    ),
    Claim(
        5,
        "E",
        Text(
            "Zero weights make gradients explode, or decay exponentially, or make the network linear.",
            "零权重会使梯度爆炸，或使梯度指数衰减，或使网络变成线性的。",
        ),
        Text(
            "false, all three: with tanh and ReLU the output is a constant, and the gradients of the weights are exactly 0, "
            "at every step; with sigmoid they are not small once the output has moved, and do not explode.",
            "错误，三种说法都不成立：对 tanh 和 ReLU，输出是常数，权重的梯度每一步都严格为 0；对 sigmoid，"
            "输出层的权重更新之后，梯度并不小，也不会爆炸。",
        ),
        Text(
            "std of the output over all inputs before training, and the largest gradient of a weight in 5 epochs: 0 and 0 "
            "exactly (arithmetic); sigmoid: 0, and at most 1, for |p - y|, x and the activation are",
            "训练前输出在全部样本上的标准差，以及 5 轮训练中权重的最大梯度：严格为 0 和 0（直接演算）；sigmoid："
            "前者为 0，后者至多为 1，因为 |p - y|、x 与激活值也都如此",
        ),
        Text(
            "tanh: {tanh[0]:g}, {tanh[1]:g}; ReLU: {relu[0]:g}, {relu[1]:g}; sigmoid: {sigmoid[0]:g}, {sigmoid[1]:.2g} "
            "({sigmoid[2]:.2g} to {sigmoid[3]:.2g} with 8 seeds)",
            "tanh：{tanh[0]:g}、{tanh[1]:g}；ReLU：{relu[0]:g}、{relu[1]:g}；sigmoid：{sigmoid[0]:g}、{sigmoid[1]:.2g}"
            "（8 个随机种子：{sigmoid[2]:.2g} 至 {sigmoid[3]:.2g}）",
        ),
        measure_zeros,
        lambda m: (
            m["tanh"] == m["relu"] == [0, 0, 0, 0] and m["sigmoid"][0] == 0 and 0.01 < m["sigmoid"][2] <= m["sigmoid"][3] <= 1
        ),
        **DRAWN,
    ),
    Claim(
        6,
        "E",
        Text("ReLU units with zero weights output 0 and get gradient 0.", "权重为零的 ReLU 神经元输出 0，梯度也为 0。"),
        Text(
            "true, and at every step of a training: they never come back to life.",
            "正确，而且训练的每一步都如此：这些神经元再也不会恢复。",
        ),
        Text(
            "mean and std of the outputs, largest gradient in 5 epochs but that of the output's bias: 0 (ReLU's slope at 0 "
            "is 0 by convention, and the layer above sends back 0 through its own zero weights)",
            "输出的均值与标准差、5 轮训练中除输出层偏置外最大的梯度：0（约定 ReLU 在 0 处的导数为 0；"
            "况且后一层的权重也为零，传回来的梯度就是 0）",
        ),
        Text("{mean:g}, {std:g}, {gradient:g}", "{mean:g}、{std:g}、{gradient:g}"),
        lambda: {
            "mean": (r := first_report("relu"))["1"].out_mean,
            "std": r["1"].out_std,
            "gradient": trained("all at 0", "relu").largest,
        },
        lambda m: m == {"mean": 0, "std": 0, "gradient": 0},
        **DRAWN_RELU,
    ),
    Claim(
        7,
        "A B E",
        Text("Weights may never be initialized with zero.", "权重绝不能初始化为零。"),
        Text(
            "false as it stands. It is true of two layers or more, which block each other's gradients, and of one with ReLU; "
            "but an output layer at 0 after random hidden weights trains as well as any, and so does a hidden layer at 0 "
            "with tanh.",
            "错误，话说得太绝对。两层或更多层同时为零时确实不行，它们会互相阻断梯度；ReLU 的隐藏层单独为零也不行；"
            "但隐藏层随机、输出层为 0 时训练照常，用 tanh 时隐藏层为 0 也可以。",
        ),
        Text(
            "test accuracy above 90 % with one layer at 0, for it gets a gradient through the other (chain rule); a guess, "
            "10 %, with both at 0, and with a ReLU layer at 0, whose slope is 0",
            "只有一层为 0 时，它可经另一层得到梯度（链式法则），测试准确率超过 90%；"
            "两层都为 0，或 ReLU 隐藏层为 0（导数为 0）时，只相当于随机猜测，约 10%",
        ),
        Text(
            "output at 0: {output[0]:.1%} ± {output[1]:.1%}; hidden at 0: tanh {hidden[0]:.1%} ± {hidden[1]:.1%}, ReLU "
            "{relu[0]:.1%} ± {relu[1]:.1%}; both at 0: {both[0]:.1%} ± {both[1]:.1%}; none: {random[0]:.1%} ± {random[1]:.1%} "
            "(5 epochs, 8 seeds)",
            "输出层为 0：{output[0]:.1%} ± {output[1]:.1%}；隐藏层为 0：tanh {hidden[0]:.1%} ± {hidden[1]:.1%}，ReLU "
            "{relu[0]:.1%} ± {relu[1]:.1%}；两层皆为 0：{both[0]:.1%} ± {both[1]:.1%}；皆随机：{random[0]:.1%} ± "
            "{random[1]:.1%}（5 轮，8 个随机种子）",
        ),
        lambda: {
            name: accuracies(start, activation)
            for name, start, activation in (
                ("output", "only output at 0", "tanh"),
                ("hidden", "only hidden at 0", "tanh"),
                ("relu", "only hidden at 0", "relu"),
                ("both", "all at 0", "tanh"),
                ("random", "random", "tanh"),
            )
        },
        lambda m: min(m["output"][0], m["hidden"][0], m["random"][0]) > LEARNT and max(m["relu"][0], m["both"][0]) < GUESS,
        **DRAWN,
    ),
    Claim(
        8,
        "A D",
        Text("Biases can start at 0 without keeping the symmetry.", "偏置可以初始化为 0，对称性不会因此保留下来。"),
        Text("true, once the weights are random.", "正确，前提是权重已随机初始化。"),
        Text(
            "32 distinct units of 32 from random weights with biases 0; as accurate as with biases N(0, 0.1²), but for chance",
            "权重随机、偏置为 0 时，32 个神经元中互不相同的有 32 个；除随机波动外，准确率与偏置取 N(0, 0.1²) 时相当",
        ),
        Text(
            "{units} units; {zero[0]:.1%} ± {zero[1]:.1%}, and {random[0]:.1%} ± {random[1]:.1%} with random biases (8 seeds)",
            "{units} 个；{zero[0]:.1%} ± {zero[1]:.1%}，偏置随机时 {random[0]:.1%} ± {random[1]:.1%}（8 个随机种子）",
        ),
        lambda: {
            "units": trained("random", "tanh").before,
            "zero": accuracies("random", "tanh"),
            "random": accuracies("random", "tanh", bias=0.1),
        },
        # An accuracy of 0.95 among 359 varies by 0.012 at most, the difference of two means of 8 by 0.006; three of these.
        lambda m: m["units"] == UNITS and m["zero"][0] > LEARNT and abs(m["zero"][0] - m["random"][0]) < 0.018,
        **DRAWN,
    ),
]
