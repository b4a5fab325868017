"""Does it matter whether the 1/sqrt(n) stands inside the trained variable or outside? Same start, another training.

An article initializes a layer of n inputs with a line of TensorFlow,

    W = tf.Variable(np.random.randn(n_in, n_out)) / np.sqrt(n_in)

which divides what the variable holds, not what it is made of: what is trained is v, of standard deviation 1, and the layer
multiplies by w = v / sqrt(n), at every step. The network begins the same. But by the chain rule dL/dv = dL/dw / sqrt(n), and a
step of v moves w by 1/sqrt(n) of it once more: w moves n times less per step. (Trained so, a network is in the "NTK
parametrization" of Jacot, Gabriel and Hongler, "Neural tangent kernel", NeurIPS 2018.) With the parenthesis after the quotient
w itself is trained. Here that is nn.Linear(n_in, n_out, weight_init=nn.init.LecunNormal()), whose weight is (n_out, n_in).

You will see one network trained on digits both ways, and that a learning rate n times larger gives the first training back.

    python examples/parametrization.py
    python examples/parametrization.py --quick --width 100
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minidl import data, nn, optim, plot, training
from minidl import functional as F
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

LR = 0.1


class Divided(nn.Linear):
    """A linear layer that holds v, drawn from N(0, 1), and multiplies by v / sqrt(n)."""

    def forward(self, x: Any) -> Any:
        return F.linear(x, self.weight / self.in_features**0.5, self.bias)


WAYS: dict[str, tuple[type[nn.Linear], nn.init.Initializer, int]] = {  # layer, initializer, lr is multiplied by n to this power
    "inside: Variable(randn / sqrt(n))": (nn.Linear, nn.init.LecunNormal(), 0),
    "outside: Variable(randn) / sqrt(n)": (Divided, nn.init.Normal(), 0),
    "outside, learning rate n times larger": (Divided, nn.init.Normal(), 1),
}


class Result(NamedTuple):
    run: list[training.Epoch]
    moved: list[float]  # the norm of what w moved by in the first step, layer by layer


@functools.cache
def trained(how: str, width: int = 500, epochs: int = 10, seed: int = 0) -> Result:
    """Trains 64-width-width-10 with tanh; `how` is one of WAYS."""
    kind, initializer, power = WAYS[how]
    rng, digits = Generator(seed), data.digits()
    layers = [kind(n_in, n_out, weight_init=initializer, rng=rng) for n_in, n_out in ((64, width), (width, width), (width, 10))]
    model = nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])
    divisors = [layer.in_features**0.5 if kind is Divided else 1.0 for layer in layers]
    groups = [{"params": [layer.weight], "lr": LR * layer.in_features**power} for layer in layers]
    groups += [{"params": [layer.bias], "lr": LR} for layer in layers]
    start = [layer.weight.data.copy() for layer in layers]
    moved: list[float] = []

    def look() -> None:
        if not moved:
            steps = [layer.weight.data - before for layer, before in zip(layers, start, strict=True)]
            moved.extend(float(np.linalg.norm(step)) / divisor for step, divisor in zip(steps, divisors, strict=True))

    run = list(training.epochs(model, digits, optim.SGD(groups, lr=LR), epochs, rng=seed, after_step=look))
    return Result(run, moved)


def draw(results: dict[str, list[Result]]) -> Any:
    figure = plot.new_figure(9, 4)
    loss, accuracy = figure.subplots(1, 2)
    for i, (how, found) in enumerate(results.items()):
        style: dict[str, Any] = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": [9, 5, 4][i]}
        for seed, result in enumerate(found):
            label = how if seed == 0 else None
            loss.plot([epoch.loss for epoch in result.run], label=label, **style)
            accuracy.plot([100 * epoch.accuracy for epoch in result.run], **style)
    loss.set(title="Loss on the training set", xlabel="epoch", ylabel="cross-entropy", ylim=(0, None))
    accuracy.set(title="Right on the test set", xlabel="epoch", ylabel="%", ylim=(0, 100))
    figure.legend(*loss.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "parametrization.png")
    parser.add_argument("--width", type=positive_integer, default=500, help="units in a hidden layer, default: 500")
    args = parser.parse_args(arguments)
    epochs, count = (2, 1) if args.quick else (10, 3)
    results: dict[str, list[Result]] = {how: [] for how in WAYS}
    for how, seed in progress([(how, args.seed + i) for how in WAYS for i in range(count)], desc="trainings"):
        results[how].append(trained(how, args.width, epochs, seed))
    print(f"Digits, 64-{args.width}-{args.width}-10 with tanh, SGD with learning rate {LR}, epochs: {epochs}, seeds: {count}\n")
    rows = []
    for how, found in results.items():
        ends = [result.run[-1] for result in found]
        moved = [found[0].moved[i] / results[next(iter(WAYS))][0].moved[i] for i in range(3)]
        losses = [np.mean([result.run[0].loss for result in found]), np.mean([end.loss for end in ends])]
        rows.append([how, *(f"1 / {1 / ratio:.1f}" for ratio in moved), *losses, f"{np.mean([e.accuracy for e in ends]):.1%}"])
    print("How much w moves in the first step, against the first line, layer by layer; the loss before and after; accuracy")
    table(["", "n = 64", f"n = {args.width}", f"n = {args.width}", "before", "after", "accuracy"], rows)
    plot.picture(args.out, draw, results)


if __name__ == "__main__":
    main()
