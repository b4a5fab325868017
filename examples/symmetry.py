"""May all weights be zero at first, or all one value? Symmetry, its cost, and what breaks it.

An article says that all-zero weights make every unit of a layer the same, so that nothing is learned; others add
that any constant does so, that zero is never allowed, that biases may be zero; and one, that zeros break the symmetry.

You will see a network with one hidden layer, trained on digits from seven initializations: what gradient each layer gets at
the first step, how many hidden units are different in the end, and what that is worth. In the picture of the weights, a row
is a unit: from a constant all rows stay one.

That holds for arithmetic without rounding. NumPy's product rounds some columns differently than others, and training enlarges
the difference: in single precision it broke the symmetry of 0.1 within fifteen epochs (MINIDL_KERNELS=reference; minidl's own
kernels treat all columns alike). Here everything is computed in double precision, where this takes longer.

    python examples/symmetry.py
    python examples/symmetry.py --activation relu
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minidl import data, nn, optim, plot, training
from minidl.random import Generator
from minidl.script import options, progress, table

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
RANDOM = nn.init.XavierUniform()
INITIALIZATIONS = {  # the initializers of the hidden layer and of the output
    "all at 0": (0, 0),
    "all at 0.1": (0.1, 0.1),
    "all at 1": (1, 1),
    "all at -1": (-1, -1),
    "only hidden at 0": (0, RANDOM),
    "only output at 0": (RANDOM, 0),
    "random": (RANDOM, RANDOM),
}
UNITS = 32


class Result(NamedTuple):
    run: list[training.Epoch]
    output_std: float  # of the network's output before training, over inputs
    first: list[float]  # norms of the gradients at the first step: the hidden weights, the output's, the output's bias
    largest: float  # element of a gradient but the output bias's, ever
    directions: int  # how many different gradients the hidden units got in one step, at most
    before: int  # distinct hidden units
    after: int
    weights: np.ndarray  # of the hidden layer, after training


@functools.cache
def trained(name: str, activation: str, epochs: int = 5, seed: int = 0, bias: float = 0) -> Result:
    """Trains 64-32-10 from this initialization. Biases are normal with standard deviation `bias`."""
    rng, (hidden_init, output_init) = Generator(seed), INITIALIZATIONS[name]
    single = data.digits()
    digits = single._replace(x_train=single.x_train.astype(np.float64), x_test=single.x_test.astype(np.float64))
    common: dict[str, Any] = {"bias_init": nn.init.Normal(std=bias), "rng": rng, "dtype": np.float64}
    hidden = nn.Linear(64, UNITS, weight_init=hidden_init, **common)
    output = nn.Linear(UNITS, 10, weight_init=output_init, **common)
    model = nn.Sequential(hidden, ACTIVATIONS[activation](), output)
    output_std = float(model(digits.x_train).data.std(axis=0).max())
    parameters: list[Any] = [hidden.weight, hidden.bias, output.weight, output.bias]

    def units():
        return distinct(np.column_stack([p.data for p in parameters[:2]]))

    before = units()
    norms: list[float] = []
    largest, directions = 0.0, 0

    def look():
        nonlocal largest, directions
        gradients = [p.grad for p in parameters]
        if not norms:
            norms.extend(float(np.linalg.norm(gradients[i])) for i in (0, 2, 3))
        largest = max([largest, *(float(np.abs(g).max()) for g in gradients[:3])])
        directions = max(directions, distinct(gradients[0]))

    optimizer = optim.SGD(parameters, lr=0.1, momentum=0.9)
    run = list(training.epochs(model, digits, optimizer, epochs, rng=seed, after_step=look))
    return Result(run, output_std, norms, largest, directions, before, units(), hidden.weight.data.copy())


def distinct(rows: np.ndarray) -> int:
    """How many rows differ from all others."""
    return len({row.tobytes() for row in rows + 0.0})  # + 0 makes -0 and 0 one


def draw(results: dict[str, Result], activation: str) -> Any:
    """The weights of the hidden layer after training; the loss; the gradients at the first step."""
    figure = plot.new_figure(10, 6.8)
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.6, 4.2])
    top.suptitle(f"Weights of the hidden layer after training ({activation}): a row is a unit, a column a pixel", fontsize=10)
    for axes, name in zip(top.subplots(1, 4), ["all at 0", "all at 0.1", "only hidden at 0", "random"], strict=True):
        weights = results[name].weights
        largest = float(np.abs(weights).max()) or 1.0
        axes.imshow(weights, cmap="PuOr", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"{name}: {results[name].after} distinct of {UNITS}", fontsize=9)
    curves, gradients = bottom.subplots(1, 2)
    shown = [name for name in INITIALIZATIONS if name != "all at 1"]
    norms = [g for name in shown for g in results[name].first if g > 1e-9]  # less is rounding
    smallest = 10.0 ** np.floor(np.log10(min(norms)))  # below it the axis is linear, so that it has room for 0
    for i, name in enumerate(shown):
        result = results[name]
        style = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "markersize": 5 if i else 8, "label": name}
        curves.plot([epoch.loss for epoch in result.run], **style)
        gradients.plot(result.first, **{**style, "linestyle": ":"})
    curves.axhline(np.log(10), color="grey", linestyle=":", label="guessing: ln 10")
    curves.set(title="Loss on the training set", xlabel="epoch", ylabel="cross-entropy", ylim=(0, 3))
    gradients.set_yscale("symlog", linthresh=smallest)
    gradients.set_ylim(-0.15 * smallest, 3 * max(norms))
    gradients.set_xticks(range(3), ["hidden layer", "output", "output's bias"])
    gradients.set(title="Gradient at the first step (the bottom line is 0)", ylabel="norm")
    gradients.grid(alpha=0.3)
    bottom.legend(*curves.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "symmetry.png")
    parser.add_argument("--activation", choices=ACTIVATIONS, default="tanh", help="of the picture, default: tanh")
    args = parser.parse_args(arguments)
    epochs = 5 if args.quick else 15
    rows, results = [], {}
    for activation, name in progress([(a, s) for a in ACTIVATIONS for s in INITIALIZATIONS], desc="trainings"):
        result = results[activation, name] = trained(name, activation, epochs, args.seed)
        rows.append([activation, name, *result.first, result.after, result.run[-1].loss, f"{result.run[-1].accuracy:.1%}"])
    print(
        f"Digits, 64-{UNITS}-10, {epochs} epochs. Norm of the gradient at the first step; distinct hidden units in the end.\n"
    )
    table(["", "weights", "hidden", "output", "its bias", "units", "loss", "test accuracy"], rows)
    shown = {name: results[args.activation, name] for name in INITIALIZATIONS}
    plot.picture(args.out, draw, shown, args.activation)


if __name__ == "__main__":
    main()
