"""Do weight decay and initialization work together? A heat map: weight decay x weight scale -> held-out accuracy.

A widely read article says that regularization and initialization belong together. Here a network with one hidden layer learns
200 digits by heart, from weights of many scales, and is tested on 359 others. You will see that it always learns the 200, and
that without weight decay the held-out accuracy falls as the weights start larger: their noise stays in the network for ever.
Weight decay makes it forget its start, and with the right amount all scales do equally well. Too much, and it forgets the
digits, too.

    python examples/regularization_and_scale.py
    python examples/regularization_and_scale.py --quick --activation relu
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from claims import Claim, Text
from common import ACTIVATIONS, linear_layers, network, parser, progress, save, table, train, whole_number

from minidl import data, init, optim, plot

LR, MOMENTUM, BATCH, SAMPLES = 0.05, 0.9, 50, 200


def outcome(activation: str, scale: float, decay: float, epochs: int, seeds: Sequence[int]) -> np.ndarray:
    """Means over the seeds: the last training loss, the share of the test set that is right, and how much of the start is left
    in the first layer's weights, <W, W_0> / <W_0, W_0>.

    The weights are normal with variance scale² / n.
    """
    digits = data.digits()
    few = digits._replace(x_train=digits.x_train[:SAMPLES], y_train=digits.y_train[:SAMPLES])
    found = []
    for seed in seeds:
        model = network([64, 128, 10], ACTIVATIONS[activation], init.VarianceScaling(scale**2, "fan_in", "normal"), seed)
        optimizer = optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=decay)
        first = linear_layers(model)[0].weight
        start = first.data.copy()
        run = train(model, epochs, optimizer=optimizer, digits=few, batch_size=BATCH, rng=seed)
        found.append((run.losses[-1], run.accuracies[-1], np.vdot(start, first.data) / np.vdot(start, start)))
    return np.mean(found, axis=0)


def draw(right: np.ndarray, decays: Sequence[float], scales: Sequence[float], activation: str) -> Any:
    figure = plot.new_figure(8, 4.8)
    axes = figure.subplots()
    image = axes.imshow(100 * right, origin="lower", cmap="viridis", vmin=70, vmax=95, aspect="auto")
    for (i, j), share in np.ndenumerate(right):
        axes.text(j, i, f"{100 * share:.1f}", ha="center", va="center", color="black" if share > 0.85 else "white", fontsize=9)
    axes.set_xticks(range(len(scales)), [f"{scale:g}" for scale in scales])
    axes.set_yticks(range(len(decays)), [f"{decay:g}" for decay in decays])
    axes.set(xlabel="weight scale at the start: std times √n", ylabel="weight decay")
    axes.set_title(f"Right on the test set, in %: a {activation} network that learned {SAMPLES} digits")
    figure.colorbar(image, label="%", extend="min")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__, __file__)
    options.add_argument("--activation", choices=ACTIVATIONS, default="tanh", help="default: tanh")
    options.add_argument("--epochs", type=whole_number, help="default: 150, or 60 with --quick")
    args = options.parse_args(arguments)
    scales, decays, seeds = [0.5, 1, 2, 4, 8, 16], [0, 0.001, 0.003, 0.01, 0.03, 0.1], 3
    if args.quick:
        scales, decays, seeds = [1, 4, 16], [0, 0.01, 0.1], 1
    epochs = args.epochs or (60 if args.quick else 150)
    losses, right, left = np.empty((3, len(decays), len(scales)))
    for i, j in progress([(i, j) for i in range(len(decays)) for j in range(len(scales))], desc="training"):
        chosen = range(args.seed, args.seed + seeds)
        losses[i, j], right[i, j], left[i, j] = outcome(args.activation, scales[j], decays[i], epochs, chosen)
    titles = ["weight decay", *(f"{scale:g}" for scale in scales)]
    print(f"After {epochs} epochs; columns: weight scale at the start, std times sqrt(n)")
    results = {"Loss on the training set": losses, "Right on the test set, %": 100 * right, "Left of the first weights": left}
    for what, values in results.items():
        print(f"\n{what}")
        table(titles, [[f"{decay:g}", *line] for decay, line in zip(decays, values, strict=True)])
    save(lambda: draw(right, decays, scales, args.activation), args.out)


def measure_decay() -> dict[str, Any]:
    """Two seeds of the tanh network, without and with weight decay, from scales 1 and 16."""
    result: dict[str, Any] = {}
    for key, scale, decay in (("small", 1, 0.0), ("large", 16, 0.0), ("small_decay", 1, 0.01), ("large_decay", 16, 0.01)):
        result[f"{key}_loss"], result[key], result[f"{key}_left"] = outcome("tanh", scale, decay, 150, range(2))
    return result


CLAIMS = [
    Claim(
        32,
        "C",
        Text("Regularization and initialization work together.", "正则化与初始化相互配合。"),
        Text(
            "true: weights that start too large fit the training set and generalize badly, and weight decay makes the network "
            "forget them.",
            "正确：起始权重过大的网络能拟合训练集，但泛化差；权重衰减能让网络忘掉这个起点。",
        ),
        Text(
            "what is left of the first weights: exp(-600 steps · 0.05/(1 - 0.9) · 0.01) = exp(-3) = 0.050 with decay 0.01, "
            "about 1 without; no theory for the accuracy",
            "起始权重的残留：衰减 0.01 时为 exp(-600 步 · 0.05/(1 - 0.9) · 0.01) = exp(-3) = 0.050，无衰减时约为 1；"
            "准确率没有理论值",
        ),
        Text(
            "learned from 200 digits, right on the test set from std 1/√n and 16/√n: {small:.1%} and {large:.1%} without "
            "decay (loss {small_loss:.3f} and {large_loss:.3f}), {small_decay:.1%} and {large_decay:.1%} with 0.01; left of "
            "16/√n: {large_left:.2f} and {large_decay_left:.3f}",
            "用 200 张数字训练，起始标准差 1/√n 与 16/√n 的测试集准确率：无衰减 {small:.1%} 与 {large:.1%}（损失 "
            "{small_loss:.3f} 与 {large_loss:.3f}），衰减 0.01 时 {small_decay:.1%} 与 {large_decay:.1%}；16/√n 的残留："
            "{large_left:.2f} 与 {large_decay_left:.3f}",
        ),
        measure_decay,
        # 0.08: four standard errors of the difference of two shares near 0.9 of 359 test images, rounded down.
        lambda r: (
            max(r["small_loss"], r["large_loss"]) < 0.02
            and r["small"] - r["large"] > 0.08
            and abs(r["small_decay"] - r["large_decay"]) < 0.08
            and abs(r["large_decay_left"] - 0.050) < 0.01
            and r["large_left"] > 0.9
        ),
        "regularization_and_scale.png",
        "python examples/regularization_and_scale.py",
    ),
]


if __name__ == "__main__":
    main()
