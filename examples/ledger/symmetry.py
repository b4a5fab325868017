"""Claims 1 to 8: weights of zero, of one, of any constant."""

from symmetry import ACTIVATIONS, UNITS, trained

from ledger import Claim, Text
from minidl import data, flow, nn

DRAWN = {"picture": "symmetry.png", "command": "python examples/symmetry.py"}
DRAWN_RELU = {"picture": "symmetry_relu.png", "command": "python examples/symmetry.py --activation relu"}
GUESS = 0.2  # above what guessing reaches: the most frequent class has 12 % of the 359 digits, and 4 standard errors are 7 %
LEARNT = 0.9


def first_report(activation: str) -> flow.FlowReport:
    """From all-zero weights."""
    digits = data.digits()
    model = nn.Sequential(nn.Linear(64, UNITS, weight_init=0), ACTIVATIONS[activation](), nn.Linear(UNITS, 10, weight_init=0))
    return flow.measure(model, digits.x_train, digits.y_train)


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
            "sigmoid 的梯度不为零，但所有神经元始终是彼此的副本。",
        ),
        Text(
            "largest gradient in 5 epochs, the output's bias apart: 0 exactly for tanh and ReLU (chain rule: f(0) = 0 and "
            "W = 0), above 0 for sigmoid; 1 distinct unit of 32",
            "5 轮训练中（输出层偏置除外）最大的梯度：tanh、ReLU 严格为 0（链式法则：f(0) = 0 且 W = 0），sigmoid 大于 0；"
            "32 个神经元中互异的只有 1 个",
        ),
        Text(
            "tanh {tanh:g}, ReLU {relu:g}, sigmoid {sigmoid:.2g}; distinct units {units[0]}, {units[1]}, {units[2]}",
            "tanh {tanh:g}，ReLU {relu:g}，sigmoid {sigmoid:.2g}；互异神经元数 {units[0]}、{units[1]}、{units[2]}",
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
        "B",
        Text("Equal units get the same gradient, hence the same update.", "神经元相同，梯度就相同，更新也就相同。"),
        Text(
            "true, to the last bit; and from zero, with tanh or ReLU, there is no update at all.",
            "正确，且逐位相同；若从零开始并使用 tanh 或 ReLU，则根本没有更新。",
        ),
        Text(
            "different gradients among 32 units in any step: 1; from random weights 32",
            "任意一步中 32 个神经元所得的不同梯度数：1；随机初始化为 32",
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
            "全一，或 0.1、-1 等任何常数，同样不能打破对称性。",
        ),
        Text(
            "true; yet such a network may train, as if each layer had a single unit.",
            "正确；不过这样的网络仍可能学到一点东西，相当于每层只有一个神经元。",
        ),
        Text(
            "1 distinct unit after 15 epochs, for three constants and three activations; tanh from 0.1: about 32 % of the test "
            "digits right, more than a guess (10 %) and far fewer than from random weights",
            "三种常数、三种激活函数训练 15 轮后，互异神经元都只有 1 个；tanh 从 0.1 开始，测试准确率约 32%，"
            "高于随机猜测（10%），远低于随机初始化",
        ),
        Text(
            "distinct units: at most {units}; accuracy {accuracy:.1%}, from random weights {random:.1%}",
            "互异神经元最多 {units} 个；准确率 {accuracy:.1%}，随机初始化为 {random:.1%}",
        ),
        lambda: {
            "units": max(trained(f"all at {c}", a, 15).after for c in ("0.1", "1", "-1") for a in ACTIVATIONS),
            "accuracy": trained("all at 0.1", "tanh", 15).run[-1].accuracy,
            "random": trained("random", "tanh", 15).run[-1].accuracy,
        },
        lambda m: m["units"] == 1 and GUESS < m["accuracy"] < 0.5 and m["random"] > LEARNT,
        **DRAWN,
    ),
    Claim(
        4,
        "D",
        Text("Zero weights lead to symmetry breaking.", "权重为零会“导致对称性被打破”。"),
        Text(
            "false, a slip of the pen: zero weights keep the symmetry, random ones break it.",
            "错误，应是笔误：零权重保持对称性，随机权重才打破对称性。",
        ),
        Text(
            "distinct hidden units before and after training: 1 and 1 from zero, 32 and 32 from random weights (tanh)",
            "训练前后互异的隐藏神经元数（tanh）：零初始化为 1 和 1，随机初始化为 32 和 32",
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
            "零权重会使梯度爆炸、或指数衰减、或使网络变成线性的。",
        ),
        Text(
            "false, all three: with tanh and ReLU the output is a constant, and the gradients of the weights are exactly 0.",
            "错误，三种说法都不成立：对 tanh 和 ReLU，输出是常数，权重的梯度严格为 0。",
        ),
        Text(
            "norms of the gradients of both layers' weights, and std of the output over all inputs: 0 exactly (arithmetic)",
            "两层权重梯度的范数，以及输出在全部样本上的标准差：严格为 0（直接演算）",
        ),
        Text(
            "tanh: {tanh[0]:g}, {tanh[1]:g}, {tanh[2]:g}; ReLU: {relu[0]:g}, {relu[1]:g}, {relu[2]:g}",
            "tanh：{tanh[0]:g}、{tanh[1]:g}、{tanh[2]:g}；ReLU：{relu[0]:g}、{relu[1]:g}、{relu[2]:g}",
        ),
        lambda: {a: [*(r := trained("all at 0", a)).first[:2], r.output_std] for a in ("tanh", "relu")},
        lambda m: m == {"tanh": [0, 0, 0], "relu": [0, 0, 0]},
        **DRAWN,
    ),
    Claim(
        6,
        "E",
        Text("ReLU units with zero weights output 0 and get gradient 0.", "权重为零的 ReLU 神经元输出 0，梯度也为 0。"),
        Text("true.", "正确。"),
        Text("mean and std of the outputs, norm of the weights' gradient: 0", "输出的均值、标准差与权重梯度的范数：0"),
        Text("{mean:g}, {std:g}, {gradient:g}", "{mean:g}、{std:g}、{gradient:g}"),
        lambda: {
            "mean": (r := first_report("relu"))["1"].out_mean,
            "std": r["1"].out_std,
            "gradient": r["0"].weight_grad_norm,
        },
        lambda m: m == {"mean": 0, "std": 0, "gradient": 0},
        **DRAWN_RELU,
    ),
    Claim(
        7,
        "A B C D E",
        Text("Weights may never be initialized with zero.", "权重绝不能初始化为零。"),
        Text(
            "true, but only of two layers or more, which block each other: an output layer at 0 after random hidden weights "
            "trains as well as any, and with tanh so does a hidden layer at 0.",
            "正确，但只限于两层或更多层同时为零，这时它们会互相阻塞；隐藏层随机、输出层为零时训练照常，"
            "用 tanh 时隐藏层为零也可以。",
        ),
        Text(
            "test accuracy above 90 % with one layer at 0, for it gets a gradient through the other (chain rule); a guess, "
            "10 %, with both at 0, and with a ReLU layer at 0, whose slope is 0",
            "只有一层为零时，它可经另一层得到梯度（链式法则），测试准确率超过 90%；"
            "两层都为零，或 ReLU 隐藏层为零（导数为 0）时，只相当于随机猜测，约 10%",
        ),
        Text(
            "output at 0: {output:.1%}; hidden at 0: tanh {hidden:.1%}, ReLU {relu:.1%}; both at 0: {both:.1%}",
            "输出层为 0：{output:.1%}；隐藏层为 0：tanh {hidden:.1%}，ReLU {relu:.1%}；两层皆为 0：{both:.1%}",
        ),
        lambda: {
            name: trained(start, activation).run[-1].accuracy
            for name, start, activation in (
                ("output", "only output at 0", "tanh"),
                ("hidden", "only hidden at 0", "tanh"),
                ("relu", "only hidden at 0", "relu"),
                ("both", "all at 0", "tanh"),
            )
        },
        lambda m: min(m["output"], m["hidden"]) > LEARNT and max(m["relu"], m["both"]) < GUESS,
        **DRAWN,
    ),
    Claim(
        8,
        "A D",
        Text("Biases can start at 0 without keeping the symmetry.", "偏置可以从零开始，不会因此保留对称性。"),
        Text("true, once the weights are random.", "正确，前提是权重已随机初始化。"),
        Text(
            "32 distinct units of 32 from random weights with biases 0; as accurate as with biases N(0, 0.1²), but for the "
            "chance in 359 test digits (5 %)",
            "权重随机、偏置为零时，32 个神经元全部互异；准确率与偏置取 N(0, 0.1²) 时相当，差异在 359 个测试样本的"
            "随机波动（5%）之内",
        ),
        Text(
            "{units} units; {zero:.1%}, and {random:.1%} with random biases",
            "{units} 个；{zero:.1%}，偏置随机时 {random:.1%}",
        ),
        lambda: {
            "units": (r := trained("random", "tanh")).before,
            "zero": r.run[-1].accuracy,
            "random": trained("random", "tanh", bias=0.1).run[-1].accuracy,
        },
        # Two fractions of 0.95 among 359 differ by chance with a std of sqrt(2 0.95 0.05 / 359) = 0.016; three of these.
        lambda m: m["units"] == UNITS and m["zero"] > LEARNT and abs(m["zero"] - m["random"]) < 0.05,
        **DRAWN,
    ),
]
