"""Does a small positive bias keep ReLUs alive? Dead units counted, at the start and after training on real digits.

A widely read article starts biases at 0 or at a small positive number, which is to keep ReLUs from dying. A unit is dead if no
image of the training set gets through it: then no gradient does, either, and it stays as it is. You will see that from He's
law few units start dead, whatever the bias, and that a bias of 0.1 does help where the start is harsher: with weights whose
mean is below 0, or a bias that is. A large learning rate kills as well, long after the start.

    python examples/dying_relu.py
    python examples/dying_relu.py --quick --depth 8
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from claims import Claim, Text
from common import linear_layers, network, parser, progress, save, table, train, whole_number

from minidl import data, flow, init, nn, optim, plot

WIDTH = 64
STARTS = {
    "He": init.HeNormal(),
    "N(0, 0.01²)": init.Normal(0, 0.01),
    "He, mean -0.1": init.Normal(-0.1, math.sqrt(2 / WIDTH)),
}
BIASES = [-1.0, 0.0, 0.01, 0.1, 1.0]
RATES = [0.1, 0.3, 0.6]


def build(law: Any, bias: float, depth: int, seed: int) -> nn.Sequential:
    model = network([64] + [WIDTH] * (depth - 1) + [10], nn.ReLU, law, seed)
    for layer in linear_layers(model)[:-1]:
        init.constant_(layer.bias, bias)
    return model


def dead(model: nn.Module, x: np.ndarray) -> list[float]:
    """The share of units that no input activates, of each hidden layer; of a model that diverged, all."""
    finite = all(np.isfinite(parameter.data).all() for parameter in model.parameters())
    return [r.dead if finite else 1.0 for r in flow.measure(model, x) if r.dead is not None]


def experiment(depth: int, epochs: int, seeds: Sequence[int]) -> tuple[dict, dict]:
    """Dead units at the start, by start and bias; and after training from He's law, with accuracy, by bias and learning "
    "rate."""
    digits = data.digits()
    before = {
        (start, bias): np.mean([dead(build(law, bias, depth, seed), digits.x_train) for seed in seeds])
        for start, law in STARTS.items()
        for bias in BIASES
    }
    after = {}
    for bias, rate in progress([(bias, rate) for bias in BIASES for rate in RATES], desc="training"):
        found = []
        for seed in seeds:
            model = build(init.HeNormal(), bias, depth, seed)
            run = train(model, epochs, optimizer=optim.SGD(model.parameters(), lr=rate), digits=digits, rng=seed)
            found.append((float(np.mean(dead(model, digits.x_train))), run.accuracies[-1]))
        after[bias, rate] = np.mean(found, axis=0)
    return before, after


def draw(before: dict, after: dict) -> Any:
    figure = plot.new_figure(10, 4)
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(BIASES))
    groups = [
        (
            left,
            {start: [before[start, bias] for bias in BIASES] for start in STARTS},
            "At the start, by the law of the weights",
        ),
        (right, {f"lr {r}": [after[b, r][0] for b in BIASES] for r in RATES}, "After training from He's law, by learning rate"),
    ]
    for axes, bars, title in groups:
        for i, (label, shares) in enumerate(bars.items()):
            axes.bar(places + 0.27 * (i - 1), 100 * np.array(shares), 0.25, color=plot.COLOURS[i], label=label)
        axes.set(title=title, xlabel="every hidden bias starts at", ylim=(0, 118), yticks=range(0, 101, 20))
        axes.set_xticks(places, [f"{bias:g}" for bias in BIASES])
        axes.legend(fontsize=8, ncols=3, loc="upper center")
    left.set_ylabel("dead units, % (diverged: 100)")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__, __file__)
    options.add_argument("--depth", type=whole_number, default=5, help="linear layers, from 2, default: 5")
    args = options.parse_args(arguments)
    if args.depth < 2:
        options.error("--depth must be at least 2: without a hidden layer there is no ReLU")
    epochs, seeds = (2, 1) if args.quick else (5, 5)
    before, after = experiment(args.depth, epochs, range(args.seed, args.seed + seeds))
    print(f"Dead units, in % of the hidden ones: {args.depth} layers, {WIDTH} wide, mean of seeds: {seeds}\n\nAt the start")
    table(["weights", *(f"bias {b:g}" for b in BIASES)], [[s, *(f"{100 * before[s, b]:.1f}" for b in BIASES)] for s in STARTS])
    print(f"\nAfter {epochs} epochs from He's law: dead / right on the test set, in %")
    cells = [[f"{r:g}", *(f"{100 * after[b, r][0]:.1f} / {100 * after[b, r][1]:.1f}" for b in BIASES)] for r in RATES]
    table(["lr", *(f"bias {b:g}" for b in BIASES)], cells)
    save(lambda: draw(before, after), args.out)


def measure_dead() -> dict[str, Any]:
    """Mean over 5 seeds of the share of dead hidden units at the start, in 5 layers; and in the first layer alone."""
    x = data.digits().x_train
    result: dict[str, Any] = {"he": [], "harsh": [], "first": []}
    for bias in BIASES:
        for key, start in {"he": "He", "harsh": "He, mean -0.1"}.items():
            shares = np.mean([dead(build(STARTS[start], bias, 5, seed), x) for seed in range(5)], axis=0)
            result[key].append(float(shares.mean()))
        result["first"].append(float(shares[0]))
    return result


CLAIMS = [
    Claim(
        28,
        "A",
        Text(
            "Biases start at 0 or a small positive number; a positive one keeps ReLUs alive.",
            "偏置从 0 或小的正数开始；正偏置能避免 ReLU 死亡。",
        ),
        Text(
            "true, but from He's law there is little to save: 0, 0.01 and 0.1 leave equally few dead units; it helps from "
            "harsher starts.",
            "正确，但用 He 初始化时几乎无需补救：偏置 0、0.01、0.1 的死亡单元同样少；起点更差时才有帮助。",
        ),
        Text(
            "with the same weights, a larger bias can only wake units of the first layer: their dead never increase along the "
            "biases -1, 0, 0.01, 0.1, 1 (exact; nothing is known for deeper layers)",
            "权重相同时，更大的偏置只会唤醒第一层的单元：沿偏置 -1、0、0.01、0.1、1，其死亡数不增（严格成立；"
            "更深的层没有此保证）",
        ),
        Text(
            "5 layers on digits, 5 seeds, dead for these biases: He {he[0]:.0%} {he[1]:.1%} {he[2]:.1%} {he[3]:.1%} "
            "{he[4]:.1%}; with weights of mean -0.1 {harsh[0]:.0%} {harsh[1]:.0%} {harsh[2]:.0%} {harsh[3]:.0%} {harsh[4]:.0%}"
            " (its first layer {first[0]:.0%} {first[1]:.0%} {first[2]:.0%} {first[3]:.0%} {first[4]:.0%})",
            "5 层网络、手写数字、5 个种子，偏置依次如左时的死亡比例：He {he[0]:.0%} {he[1]:.1%} {he[2]:.1%} {he[3]:.1%} "
            "{he[4]:.1%}；权重均值为 -0.1 时 {harsh[0]:.0%} {harsh[1]:.0%} {harsh[2]:.0%} {harsh[3]:.0%} {harsh[4]:.0%}"
            "（其第一层 {first[0]:.0%} {first[1]:.0%} {first[2]:.0%} {first[3]:.0%} {first[4]:.0%}）",
        ),
        measure_dead,
        # 0.03: two standard errors of the difference of two shares of 5 * 256 units near 5 %, 0.017, and some room for units of
        # one network that die together. In the harsh start 0.05 is as many.
        lambda r: (
            all(more <= less for less, more in pairwise(r["first"]))
            and max(r["he"][1:4]) - min(r["he"][1:4]) < 0.03
            and r["he"][0] > 0.5
            and r["harsh"][3] < r["harsh"][1] - 0.05
        ),
        "dying_relu.png",
        "python examples/dying_relu.py",
    ),
]


if __name__ == "__main__":
    main()
