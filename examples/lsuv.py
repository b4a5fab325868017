"""Is there something better than Xavier's law for a deep network? Orthogonal weights, and weights scaled by data.

A widely read article says that other methods are being researched. Two of them: orthogonal matrices, which keep every length
and angle (Saxe et al., ICLR 2014), and LSUV, which starts with them and then divides each layer's weights by the standard
deviation that it measures at the layer's output (Mishkin and Matas, "All you need is a good init", ICLR 2016). You will see
that LSUV keeps every layer's output at 1 with any activation and at any depth, and that from 20 layers on tanh networks get
more digits right from both than from Xavier's law, at the same learning rate. Most of that is scale: He's law, twice the
variance, does it too, up to a depth. With ReLU, Xavier's law is lost at 10 layers; at 40, all four nearly are.

    python examples/lsuv.py
    python examples/lsuv.py --quick --activations tanh sigmoid
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from claims import Claim, Text
from common import ACTIVATIONS, linear_layers, network, parser, progress, save, table, train

from minidl import data, flow, init, nn, optim, plot, recipes

WIDTH = 64
STARTS = ["Xavier", "He", "orthogonal", "LSUV"]


def build(start: str, activation: str | Callable[[], nn.Module], depth: int, seed: int, digits: data.Split) -> nn.Sequential:
    gain = math.sqrt(2) if activation == "relu" else 1.0
    laws = {
        "Xavier": init.XavierNormal(),
        "He": init.HeNormal(),
        "orthogonal": init.Orthogonal(gain),
        "LSUV": init.Orthogonal(),
    }
    kind = ACTIVATIONS[activation] if isinstance(activation, str) else activation
    model = network([64] + [WIDTH] * (depth - 1) + [10], kind, laws[start], seed)
    if start == "LSUV":
        recipes.lsuv(model, digits.x_train[:300], rng=seed)
    return model


def stds(model: nn.Module, digits: data.Split) -> list[float]:
    """Of the output of each linear layer."""
    return [record.out_std for record in flow.measure(model, digits.x_train[:300]) if record.kind == "Linear"]


def learn(start: str, activation: str, depth: int, epochs: int, seed: int, digits: data.Split) -> tuple[float, float]:
    """The last training loss, and right on the test set."""
    model = build(start, activation, depth, seed, digits)
    run = train(model, epochs, optimizer=optim.SGD(model.parameters(), lr=0.01), digits=digits, rng=seed)
    return run.losses[-1], run.accuracies[-1]


def draw(results: dict, signals: dict, depths: Sequence[int], activations: Sequence[str]) -> Any:
    figure = plot.new_figure(10, 3.4 * len(activations) + 0.4)
    axes = figure.subplots(len(activations), 2, squeeze=False)
    for (left, right), activation in zip(axes, activations, strict=True):
        for i, start in enumerate(STARTS):
            style = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": 5, "label": start}
            signal = signals[activation, start]
            left.plot(range(1, len(signal) + 1), signal, markevery=max(len(signal) // 8, 1), **style)
            shares = 100 * np.array([results[activation, start, depth][:, 1] for depth in depths])
            right.plot(depths, shares.mean(axis=1), **style)
            right.fill_between(depths, shares.min(axis=1), shares.max(axis=1), color=plot.COLOURS[i], alpha=0.15, linewidth=0)
        left.set(title=f"{activation}: signal at the start, depth {depths[-1]}", xlabel="layer", yscale="log", ylabel="std")
        right.set(title=f"{activation}: right on the test set", xlabel="depth: linear layers", ylabel="%", ylim=(0, 100))
        right.set_xticks(list(depths))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(STARTS))
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__, __file__)
    options.add_argument(
        "--activations", nargs="+", choices=ACTIVATIONS, default=["tanh", "relu"], metavar="NAME", help="default: tanh relu"
    )
    args = options.parse_args(arguments)
    depths, epochs, seeds = ([5, 20], 3, 1) if args.quick else ([5, 10, 20, 30, 40], 10, 3)
    digits, results, signals = data.digits(), {}, {}
    cells = [(activation, start, depth) for activation in args.activations for start in STARTS for depth in depths]
    for activation, start, depth in progress(cells, desc="training"):
        found = [learn(start, activation, depth, epochs, args.seed + i, digits) for i in range(seeds)]
        results[activation, start, depth] = np.array(found)
        if depth == depths[-1]:
            signals[activation, start] = stds(build(start, activation, depth, args.seed, digits), digits)
    print(
        f"SGD at 0.01, {epochs} epochs, mean of seeds: {seeds}; std of the last layer's output at the start, depth {depths[-1]}"
    )
    for activation in args.activations:
        print(f"\n{activation}: right on the test set, in %, by depth")
        rows = [
            [
                start,
                *(f"{100 * results[activation, start, d][:, 1].mean():.1f}" for d in depths),
                signals[activation, start][-1],
            ]
            for start in STARTS
        ]
        table(["start", *map(str, depths), "last std"], rows)
    save(lambda: draw(results, signals, depths, args.activations), args.out)


def measure_others() -> dict[str, Any]:
    """Signal and singular values at 50 layers, and tanh networks of 20 layers after 5 epochs, two seeds."""
    digits = data.digits()
    result: dict[str, Any] = {}
    for key, start in {"xavier": "Xavier", "orthogonal": "orthogonal", "lsuv": "LSUV"}.items():
        result[f"{key}_std"] = stds(build(start, nn.SiLU, 50, 0, digits), digits)[-1]
        result[f"{key}_right"] = float(np.mean([learn(start, "tanh", 20, 5, seed, digits)[1] for seed in range(2)]))
        product = np.eye(WIDTH)
        for layer in linear_layers(build(start, "tanh", 51, 0, digits))[:50]:
            product = layer.weight.data @ product
        values = np.linalg.svd(product, compute_uv=False)
        result |= {f"{key}_low": values[-1], f"{key}_high": values[0]}
    return result


CLAIMS = [
    Claim(
        34,
        "C",
        Text("Other methods of initialization are being researched.", "还有其他初始化方法正在研究中。"),
        Text(
            "true: orthogonal weights keep every direction, and LSUV measures what theory need not know; both beat Xavier's "
            "law here.",
            "正确：正交权重保持所有方向，LSUV 用测量代替理论；在这里两者都优于 Xavier。",
        ),
        Text(
            "50 linear layers: all singular values of the product 1 if orthogonal (Saxe 2014); after LSUV a std of 1 in every "
            "layer (Mishkin and Matas 2016)",
            "50 个线性层：正交时乘积的奇异值全为 1（Saxe 2014）；LSUV 之后每层标准差为 1（Mishkin 与 Matas 2016）",
        ),
        Text(
            "singular values: orthogonal {orthogonal_low:.5f} to {orthogonal_high:.5f}, Xavier {xavier_low:.0e} to "
            "{xavier_high:.0f}; std at layer 50 with SiLU: LSUV {lsuv_std:.3f}, Xavier {xavier_std:.0e}; digits, 20 tanh "
            "layers, 5 epochs, right: LSUV {lsuv_right:.0%}, orthogonal {orthogonal_right:.0%}, Xavier {xavier_right:.0%}",
            "奇异值：正交 {orthogonal_low:.5f} 至 {orthogonal_high:.5f}，Xavier {xavier_low:.0e} 至 {xavier_high:.0f}；"
            "SiLU 第 50 层的标准差：LSUV {lsuv_std:.3f}，Xavier {xavier_std:.0e}；手写数字、20 层 tanh、5 轮后的准确率："
            "LSUV {lsuv_right:.0%}，正交 {orthogonal_right:.0%}，Xavier {xavier_right:.0%}",
        ),
        measure_others,
        # Orthogonal up to float32's rounding, 6e-8 times 64 in each of 50 layers. LSUV's own tolerance is 0.1 in variance.
        # 0.08: two standard errors of the difference of two shares of 359 test images.
        lambda r: (
            1 - 2e-4 < r["orthogonal_low"] <= r["orthogonal_high"] < 1 + 2e-4
            and r["xavier_low"] < 1e-6
            and abs(r["lsuv_std"] - 1) < 0.05
            and r["xavier_std"] < 1e-6
            and min(r["lsuv_right"], r["orthogonal_right"]) - r["xavier_right"] > 0.08
        ),
        "lsuv.png",
        "python examples/lsuv.py",
    ),
]


if __name__ == "__main__":
    main()
