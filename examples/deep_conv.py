"""Can a plain convolutional network of 50 layers learn, without batch norm and residual connections?

Articles choose a variance and stop there: with fan_in var(w) = 1 a tanh network neither explodes nor vanishes, and theory gives
nearly the same signal and gradient for all filters of this variance. Here are two kinds. Gaussian ones keep lengths only on
average: some directions grow and most shrink, so after many layers the images differ in few directions. Delta-orthogonal ones
are 0 but at their middle, where they are an orthogonal matrix, and change no length. Xiao et al. ("Dynamical isometry and a
mean field theory of CNNs", ICML 2018) trained plain networks of 10,000 layers with them.

You will see the size of signal and gradient by depth, next to theory; in how many directions 256 images differ there; and the
loss of both networks on real digits of 8 x 8 pixels, on a torus, so that no edge disturbs.

    python examples/deep_conv.py
    python examples/deep_conv.py --quick --depth 30
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minidl import data, flow, init, nn, no_grad, optim, plot, training
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

INITIALIZERS = {"Gaussian": init.LecunNormal(), "delta-orthogonal": init.DeltaOrthogonal()}


class Result(NamedTuple):
    tanh: list[flow.LayerRecord]  # what the activations output before training
    directions: list[float]  # in how many of them the images differ there
    course: list[training.Epoch]


def network(initializer: init.Initializer, depth: int, channels: int, seed: int) -> nn.Sequential:
    """The first convolution, from 1 channel to many, is Gaussian in both, so that the others begin alike."""
    rng = Generator(seed)
    layers: list[nn.Module] = []
    for i in range(depth):
        n_in, weight_init = (channels, initializer) if i else (1, INITIALIZERS["Gaussian"])
        conv = nn.Conv2d(n_in, channels, 3, padding=1, padding_mode="circular", weight_init=weight_init, rng=rng)
        layers += [conv, nn.Tanh()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * channels, 10, rng=rng))


def directions(model: nn.Sequential, x: np.ndarray) -> list[float]:
    """How many directions each activation's outputs fill: (sum of v)^2 / sum of v^2, where v are their principal variances.

    It is n for n equal variances, and 1 where all images lie on a line.
    """
    numbers, y = [], nn.Identity()(x)
    with no_grad():
        for layer in model:
            y = layer(y)
            if isinstance(layer, nn.Tanh):
                rows = y.data.reshape(len(x), -1).astype(np.float64)
                rows -= rows.mean(axis=0)
                gram = rows @ rows.T  # it has the same eigenvalues as the covariance
                numbers.append(float(np.trace(gram) ** 2 / np.square(gram).sum()))
    return numbers


def result(name: str, depth: int, channels: int, epochs: int, lr: float, seed: int, digits: Sequence[np.ndarray]) -> Result:
    model = network(INITIALIZERS[name], depth, channels, seed)
    tanh = [record for record in flow.measure(model, digits[0][:64], digits[1][:64]) if record.kind == "Tanh"]
    before = directions(model, digits[0][:256])
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return Result(tanh, before, list(training.epochs(model, digits, optimizer, epochs, rng=seed)))


def draw(results: dict[str, list[Result]], depth: int) -> Any:
    figure = plot.new_figure(11, 7)
    (signal, gradient), (count, losses) = figure.subplots(2, 2)
    layers = range(1, depth + 1)
    for colour, (name, runs) in zip(plot.COLOURS, results.items(), strict=False):
        for i, run in enumerate(runs):
            style: dict[str, Any] = {"color": colour, "linewidth": 1, "label": None if i else name}
            signal.plot(layers, [record.out_std for record in run.tanh], **style)
            gradient.plot(layers, [record.grad_ratio for record in run.tanh], **style)
            count.plot(layers, run.directions, **style)
            losses.plot([epoch.loss for epoch in run.course], marker="o", **style)
        theory = runs[0].tanh
        dashed: dict[str, Any] = {"color": colour, "linestyle": "--", "linewidth": 2}
        signal.plot(layers, [record.predicted_std for record in theory], **dashed, label=f"{name}: theory")
        gradient.plot(layers, [record.predicted_grad_ratio for record in theory], **dashed)
    losses.axhline(np.log(10), color="grey", linestyle=":")
    signal.set(title="Forward: the outputs", ylabel="standard deviation")
    gradient.set(title="Backward: the gradients", ylabel="size, relative to the last layer's")
    count.set(title="In how many directions the images differ")
    losses.set(title="Loss on the training set", xlabel="epoch", ylabel="cross-entropy (dotted: guessing)")
    losses.set_xticks(range(len(runs[0].course)))
    for axes in (signal, gradient, count):
        axes.set_xlabel("layer")
    for axes in (signal, gradient, count, losses):
        axes.set_ylim(bottom=0)
    figure.legend(*signal.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "deep_conv.png")
    parser.add_argument("--depth", type=positive_integer, help="convolutions, default: 50, or 20 with --quick")
    parser.add_argument("--channels", type=positive_integer, help="default: 16, or 8 with --quick")
    parser.add_argument("--epochs", type=positive_integer, help="default: 4, or 2 with --quick")
    parser.add_argument("--lr", type=float, default=0.005, help="learning rate, default: 0.005")
    args = parser.parse_args(arguments)
    if not 0 < args.lr < 10:
        parser.error(f"--lr takes a number between 0 and 10, got {args.lr:g}")
    depth, channels, epochs = args.depth or 50, args.channels or 16, args.epochs or 4
    seeds, count = 3, None
    if args.quick:
        depth, channels, epochs, seeds, count = args.depth or 20, args.channels or 8, args.epochs or 2, 1, 256
    x_train, y_train, x_test, y_test = data.digits()
    digits = x_train[:count].reshape(-1, 1, 8, 8), y_train[:count], x_test.reshape(-1, 1, 8, 8), y_test
    cases = [(name, seed) for name in INITIALIZERS for seed in range(args.seed, args.seed + seeds)]
    results: dict[str, list[Result]] = {name: [] for name in INITIALIZERS}
    for name, seed in progress(cases, desc="trainings"):
        results[name].append(result(name, depth, channels, epochs, args.lr, seed, digits))
    print(f"{depth} convolutions of {channels} channels, each with tanh; before training, seed {args.seed}\n")
    rows = []
    for i in sorted({0, depth // 4, depth // 2, 3 * depth // 4, depth - 1}):
        for name, (run, *_) in results.items():
            record = run.tanh[i]
            sizes = record.out_std, record.predicted_std, record.grad_ratio, record.predicted_grad_ratio
            rows.append([str(i + 1), name, *sizes, f"{run.directions[i]:.1f}"])
    table(["layer", "filters", "std", "theory", "gradient", "theory", "directions"], rows)
    print(f"\nAfter {epochs} epochs of {len(digits[1])} digits, each seed (guessing: loss {np.log(10):.2f})\n")
    rows = []
    for name, runs in results.items():
        last = [run.course[-1] for run in runs]
        rows.append([name, " ".join(f"{epoch.loss:.2f}" for epoch in last), " ".join(f"{e.accuracy:.1%}" for e in last)])
    table(["filters", "loss", "right on the test set"], rows)
    plot.picture(args.out, draw, results, depth)


if __name__ == "__main__":
    main()
