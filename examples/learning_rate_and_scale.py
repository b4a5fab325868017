"""Do learning rate and initialization belong together? Two heat maps: learning rate x weight scale -> final loss.

A widely read article says that they should be chosen together, and that methods which adapt the step help. Here one ReLU
network learns real digits from weights of many scales at many learning rates, by plain gradient descent and with momentum. You
will see a valley that slopes: the larger the weights, the smaller the learning rate they bear, and no rate of plain descent
makes up for weights that are far too small. Momentum 0.9 mostly moves the valley, to rates ten times smaller. (Optimizers that
adapt a rate for each weight are not part of minidl.)

    python examples/learning_rate_and_scale.py
    python examples/learning_rate_and_scale.py --quick --activation tanh
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from claims import Claim, Text
from common import ACTIVATIONS, network, parser, progress, save, table, train, whole_number

from minidl import data, init, optim, plot

GUESSING = np.log(10)
SIZES = [64, 64, 64, 64, 64, 10]


def final_loss(activation: str, scale: float, lr: float, momentum: float, epochs: int, seeds: Sequence[int]) -> float:
    """Mean over the seeds of the loss on the training set; that of guessing at best counts where it is larger, or NaN.

    The weights are normal with variance scale² / n.
    """
    digits, losses = data.digits(), []
    for seed in seeds:
        model = network(SIZES, ACTIVATIONS[activation], init.VarianceScaling(scale**2, "fan_in", "normal"), seed)
        optimizer = optim.SGD(model.parameters(), lr=lr, momentum=momentum)
        loss = train(model, epochs, optimizer=optimizer, digits=digits, rng=seed).losses[-1]
        losses.append(min(loss, GUESSING) if np.isfinite(loss) else GUESSING)
    return float(np.mean(losses))


def draw(maps: dict[float, np.ndarray], rates: Sequence[float], scales: Sequence[float], activation: str) -> Any:
    figure = plot.new_figure(10, 4.8)
    for axes, (momentum, losses) in zip(figure.subplots(1, 2, sharey=True), maps.items(), strict=True):
        image = axes.imshow(losses, origin="lower", cmap="viridis_r", vmin=0, vmax=GUESSING, aspect="auto")
        best = losses.argmin(axis=0)
        for column, row in enumerate(best):
            if losses[row, column] < GUESSING - 0.5:
                axes.plot(column, row, "*", color=plot.COLOURS[1], markersize=11, markeredgecolor="white")
        axes.set_xticks(range(len(scales)), [f"{scale:g}" for scale in scales])
        axes.set_yticks(range(len(rates)), [f"{rate:.2g}" for rate in rates])
        axes.set(title=f"SGD, momentum {momentum:g}", xlabel="weight scale: std times √n")
    figure.axes[0].set_ylabel("learning rate")
    figure.colorbar(image, ax=figure.axes, label="final loss (2.3 and above: nothing learned)")
    figure.suptitle(f"{len(SIZES) - 1}-layer {activation} network; star: the best rate for each scale")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__, __file__)
    options.add_argument("--activation", choices=ACTIVATIONS, default="relu", help="default: relu")
    options.add_argument("--epochs", type=whole_number, help="default: 10, or 3 with --quick")
    args = options.parse_args(arguments)
    scales, steps, seeds = ([0.5, 1, 2, 4], 4, 1) if args.quick else ([0.3, 0.5, 0.7, 1, 1.4, 2, 2.8, 4, 8], 7, 2)
    rates = [10**exponent for exponent in np.linspace(-3, 0, steps)]
    epochs = args.epochs or (3 if args.quick else 10)
    chosen = range(args.seed, args.seed + seeds)
    maps = {momentum: np.empty((len(rates), len(scales))) for momentum in (0.0, 0.9)}
    cells = [(momentum, i, j) for momentum in maps for i in range(len(rates)) for j in range(len(scales))]
    for momentum, i, j in progress(cells, desc="training"):
        maps[momentum][i, j] = final_loss(args.activation, scales[j], rates[i], momentum, epochs, chosen)
    for momentum, losses in maps.items():
        print(f"\nFinal loss with momentum {momentum:g}, {epochs} epochs; columns: weight scale, std times sqrt(n)")
        table(["lr", *(f"{scale:g}" for scale in scales)], [[f"{r:.2g}", *line] for r, line in zip(rates, losses, strict=True)])
    save(lambda: draw(maps, rates, scales, args.activation), args.out)


def measure_rates() -> dict[str, Any]:
    """ReLU, 5 epochs, 2 seeds: the best of four rates for weight scales 1 and 4, and what it achieves; the best loss from
    scale 0.3; and what momentum 0.9 makes of a tenth of the rate."""
    rates, seeds = [0.01, 0.03, 0.1, 0.3], range(2)
    result: dict[str, Any] = {}
    for key, scale in {"right": 1, "large": 4}.items():
        losses = [final_loss("relu", scale, rate, 0.0, 5, seeds) for rate in rates]
        result |= {f"{key}_rate": rates[int(np.argmin(losses))], key: min(losses)}
    result["tiny"] = min(final_loss("relu", 0.3, rate, 0.0, 5, seeds) for rate in rates[1:])
    result["plain"] = final_loss("relu", 2, 0.01, 0.0, 5, seeds)
    result["momentum"] = final_loss("relu", 2, 0.001, 0.9, 5, seeds)
    return result


CLAIMS = [
    Claim(
        31,
        "C",
        Text("Learning rate and initialization belong together.", "学习率与初始化需要配合。"),
        Text(
            "true: larger weights need a smaller rate, and none makes up for weights far too small; momentum mostly moves the "
            "valley.",
            "正确：权重越大，学习率要越小；权重过小时任何学习率都无法弥补；动量主要是把合适的区域移到别处。",
        ),
        Text(
            "momentum m acts like a rate 1/(1 - m) times as large, 10 for m = 0.9: the same loss, but for a lag of 10 steps "
            "in 115; from scale 0.3 nothing is learned: ln 10 = 2.303",
            "动量 m 相当于把学习率放大 1/(1 - m) 倍，m = 0.9 时为 10 倍：除 115 步中滞后约 10 步外损失相同；尺度 0.3 "
            "什么也学不到：ln 10 = 2.303",
        ),
        Text(
            "5 ReLU layers, 5 epochs: best rate {right_rate:g} from std 1/√n (loss {right:.2f}), {large_rate:g} from 4/√n "
            "({large:.2f}); at best {tiny:.2f} from 0.3/√n; from 2/√n rate 0.01 gives {plain:.2f}, 0.001 with momentum 0.9 "
            "{momentum:.2f}",
            "5 层 ReLU、5 轮：标准差 1/√n 时最佳学习率 {right_rate:g}（损失 {right:.2f}），4/√n 时 {large_rate:g}（{large:.2f}"
            "）；0.3/√n 时最好也只有 {tiny:.2f}；2/√n 时学习率 0.01 得 {plain:.2f}，0.001 加动量 0.9 得 {momentum:.2f}",
        ),
        measure_rates,
        # A lag of 9 % of the steps costs about as much of the loss's fall from 2.3; the other bounds are a step of the grid.
        lambda r: (
            r["right_rate"] > 2 * r["large_rate"]
            and r["tiny"] > GUESSING - 0.02
            and abs(r["momentum"] - r["plain"]) < 0.09 * GUESSING
        ),
        "learning_rate_and_scale.png",
        "python examples/learning_rate_and_scale.py",
    ),
]


if __name__ == "__main__":
    main()
