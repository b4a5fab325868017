"""Does batch norm make the scale of the weights matter little, and on which side of the activation?

A widely read article shows ten layers of 500 tanh units that batch norm keeps alive from weights of any scale, with the batch
norm before the activation. You will see it: with batch norm before, every layer's activations have a standard deviation of
0.63, that of tanh(z) for a normal z, whether the weights start at 0.01, 0.045 or 1. After the activation, batch norm repairs
the size of the signal, but not what tanh has done to it: that still hangs on the scale. In the last
column such networks, 64 wide, learn the digits: large weights slowly even with batch norm, for a step moves them little.

    python examples/batchnorm_rescues.py
    python examples/batchnorm_rescues.py --quick --depth 6
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from claims import Claim, Text
from common import parser, progress, save, table, train, whole_number

from minidl import data, flow, init, nn, optim, plot
from minidl.random import Generator

PLACES = ["none", "before", "after"]
TITLES = {"none": "Without batch norm", "before": "Batch norm before tanh", "after": "Batch norm after tanh"}


def build(sizes: Sequence[int], std: float, place: str, seed: int) -> nn.Sequential:
    rng, layers = Generator(seed), list[nn.Module]()
    for n_in, n_out in pairwise(sizes):
        layers.append(nn.Linear(n_in, n_out, weight_init=init.Normal(0, std), rng=rng))
        if place == "before":
            layers.append(nn.BatchNorm1d(n_out))
        layers.append(nn.Tanh())
        if place == "after":
            layers.append(nn.BatchNorm1d(n_out))
    return nn.Sequential(*layers)


def look(std: float, place: str, depth: int, seed: int, samples: int = 1000) -> dict[str, Any]:
    """One pass through `depth` layers of 500: per layer the std of tanh's outputs and the share of them that is saturated,
    and the gradient's std relative to the last layer's; and the first weights' gradient, relative to these weights."""
    x, direction = Generator(seed).stream("data").normal((2, samples, 500))
    model = build([500] * (depth + 1), std, place, seed)
    report = flow.measure(model, x, loss=lambda y: (y * direction).sum())
    tanhs = [r for r in report if r.kind == "Tanh"]
    gradients = np.array([r.grad_std for r in tanhs], dtype=float)
    return {
        "std": [r.out_std for r in tanhs],
        "saturated": [r.saturated for r in tanhs],
        "gradient": (gradients / gradients[-1]).tolist(),
        "step": report["0"].update_ratio,
    }


def learn(scale: float, place: str, depth: int, epochs: int, seed: int, digits: data.Split) -> float:
    """Right on the test set, of a network 64 wide; `scale` is the weights' std for 500 inputs, here for 64."""
    model = build([64] * depth, scale * (500 / 64) ** 0.5, place, seed)
    head = nn.Linear(64, 10, rng=seed)
    model = nn.Sequential(*model, head)
    run = train(model, epochs, optimizer=optim.SGD(model.parameters(), lr=0.1), digits=digits, rng=seed)
    return run.accuracies[-1]


def draw(found: dict, scales: Sequence[float]) -> Any:
    figure = plot.new_figure(10, 6.4)
    axes = figure.subplots(2, 3, sharex=True, sharey="row")
    for column, place in enumerate(PLACES):
        for i, scale in enumerate(scales):
            seen = found[place, scale]
            style = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": 9 - 3 * i, "label": f"N(0, {scale:g}²)"}
            layers = range(1, len(seen["std"]) + 1)
            axes[0, column].plot(layers, seen["std"], **style)
            axes[1, column].plot(layers, seen["gradient"], **style)
        axes[0, column].set(title=TITLES[place], ylim=(0, 1.05))
        axes[1, column].set(xlabel="layer", yscale="log")
        axes[1, column].set_xticks(list(layers))
    axes[0, 0].set_ylabel("std of tanh's outputs")
    axes[1, 0].set_ylabel("gradient there, relative to the last")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(scales), title="weights")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__, __file__)
    options.add_argument("--depth", type=whole_number, default=10, help="layers, default: 10")
    options.add_argument("--scales", type=float, nargs="+", default=[0.01, 0.045, 1.0], help="default: 0.01 0.045 1")
    args = options.parse_args(arguments)
    if len(args.scales) > len(plot.COLOURS) or not all(0 < scale < 1e6 for scale in args.scales):
        options.error("--scales takes up to six numbers above 0")
    samples, epochs, seeds = (200, 2, 1) if args.quick else (1000, 10, 3)
    digits, found, right = data.digits(), {}, {}
    for place, scale in progress([(place, scale) for place in PLACES for scale in args.scales], desc="networks"):
        found[place, scale] = look(scale, place, args.depth, args.seed, samples)
        accuracies = [learn(scale, place, args.depth, epochs, args.seed + i, digits) for i in range(seeds)]
        right[place, scale] = f"{100 * np.mean(accuracies):.1f} +- {100 * np.std(accuracies):.1f}"
    print(f"{args.depth} layers of 500 tanh units; and of 64, {epochs} epochs on the digits (seeds: {seeds})\n")
    rows = []
    for (place, scale), seen in found.items():
        ends = seen["std"][0], seen["std"][-1], seen["saturated"][-1], seen["gradient"][0]
        rows.append([place, f"{scale:g}", *ends, right[place, scale]])
    titles = [
        "batch norm",
        "weights",
        "std, layer 1",
        "last layer",
        "saturated there",
        "gradient, first/last",
        "% right on test",
    ]
    table(titles, rows)
    save(lambda: draw(found, args.scales), args.out)


def measure_before() -> dict[str, Any]:
    """The smallest and the largest std over the layers and the three scales; how many times larger a relative step is."""
    seen = [look(scale, "before", 10, 0) for scale in (0.01, 0.045, 1.0)]
    stds = [std for one in seen for std in one["std"]]
    return {"low": min(stds), "high": max(stds), "steps": seen[0]["step"] / seen[-1]["step"]}


def measure_both() -> dict[str, Any]:
    """Before and after, from weights of 0.01 and 1."""
    result: dict[str, Any] = {}
    for place in ("before", "after"):
        for key, scale in {"small": 0.01, "large": 1.0}.items():
            seen = look(scale, place, 10, 0, 500)
            result |= {f"{place}_{key}": seen["std"][-1], f"{place}_{key}_gradient": seen["gradient"][0]}
    return result


RESCUE = "batchnorm_rescues.png", "python examples/batchnorm_rescues.py"
CLAIMS = [
    Claim(
        29,
        "B",
        Text("Batch norm makes the scale of the weights matter little.", "批归一化使权重的尺度变得不那么重要。"),
        Text(
            "true, but for the signal alone: with it before tanh, every layer has the same spread; yet the relative size of a "
            "step falls with the square of the scale, so large weights learn slowly.",
            "正确，但只对信号成立：放在 tanh 之前时，每层的分布都相同；而每步更新的相对大小随尺度的平方下降，权重大则学得慢。",
        ),
        Text(
            "0.628 in every layer and from every scale: the square root of E[tanh(z)²] = 0.394, z ~ N(0, 1); steps (1 / "
            "0.01)² = 10,000 times as large at scale 0.01 as at 1, for a factor of W changes nothing behind the batch norm",
            "每一层、每种尺度都是 0.628：即 E[tanh(z)²] = 0.394 的平方根，z ~ N(0, 1)；尺度 0.01 时的相对步长是尺度 1 时的 "
            "(1 / 0.01)² = 10,000 倍，因为 W 乘以常数不改变批归一化之后的值",
        ),
        Text(
            "10 x 500 tanh, weights N(0, 0.01²), N(0, 0.045²), N(0, 1): from {low:.3f} to {high:.3f} in all 30 layers; steps "
            "{steps:,.0f} times as large",
            "10 层、每层 500 个 tanh，权重 N(0, 0.01²)、N(0, 0.045²)、N(0, 1)：30 层全部在 {low:.3f} 到 {high:.3f} 之间；"
            "相对步长 {steps:,.0f} 倍",
        ),
        measure_before,
        # Each unit has exactly mean 0 and variance 1 before tanh; that it is normal holds up to 1/500. 0.005 is generous. Batch
        # norm's eps takes 1e-5 / (500 * 0.01²) = 0.02 % from the gradient where weights are small, and more behind tanh.
        lambda r: 0.623 < r["low"] <= r["high"] < 0.633 and abs(r["steps"] / 10_000 - 1) < 0.01,
        *RESCUE,
    ),
    Claim(
        30,
        "B",
        Text("Put batch norm before the activation.", "把批归一化放在激活函数之前。"),
        Text(
            "true, as far as the scale is concerned: after tanh, it cannot undo that tanh was used as a straight line or as a "
            "switch.",
            "正确（就消除尺度的影响而言）：放在 tanh 之后，无法挽回 tanh 已退化为直线或开关的事实。",
        ),
        Text(
            "std of tanh's outputs: before 0.628 from any scale; after, tanh(σ√500 z): 0.212 from σ = 0.01 and 0.982 from σ = "
            "1",
            "tanh 输出的标准差：放在之前，任何尺度都是 0.628；放在之后为 tanh(σ√500 z)：σ = 0.01 时 0.212，σ = 1 时 0.982",
        ),
        Text(
            "layer 10, from 0.01 and 1: before {before_small:.3f} and {before_large:.3f}, after {after_small:.3f} and "
            "{after_large:.3f}; gradient of layer 1 relative to layer 10: before {before_small_gradient:.2f} and "
            "{before_large_gradient:.2f}, after {after_small_gradient:.2f} and {after_large_gradient:.0f}",
            "第 10 层，尺度 0.01 与 1：放在之前 {before_small:.3f} 与 {before_large:.3f}，之后 {after_small:.3f} 与 "
            "{after_large:.3f}；第 1 层相对第 10 层的梯度：之前 {before_small_gradient:.2f} 与 "
            "{before_large_gradient:.2f}，之后 {after_small_gradient:.2f} 与 {after_large_gradient:.0f}",
        ),
        measure_both,
        # The sums into a unit have a variance that strays by sqrt(2/500) = 6 % over units, 3 % in size; tanh bends it less.
        lambda r: (
            max(abs(r["before_small"] - 0.628), abs(r["before_large"] - 0.628)) < 0.005
            and abs(r["after_small"] - 0.212) < 0.006
            and abs(r["after_large"] - 0.982) < 0.005
            and max(r["before_small_gradient"], r["before_large_gradient"]) < 5 < 1000 < r["after_large_gradient"]
        ),
        *RESCUE,
    ),
]


if __name__ == "__main__":
    main()
