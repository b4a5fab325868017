"""Why not start all weights at zero? One network, trained on real digits from two initializations.

Every unit of a layer whose weights are all zero computes the same, and zero weights send no gradient back: nothing but the bias
of the output can ever change. Random weights make the units different; Xavier's initializer also keeps the gradient at one size
from layer to layer. This page trains both and shows it, layer by layer and unit by unit.

    python examples/zero_vs_xavier.py
    python examples/zero_vs_xavier.py --init 0.1 he_normal --activation relu --depth 6
"""

import argparse
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from minidl import data, init, nn, no_grad, optim, plot
from minidl.random import Generator
from minidl.script import options, positive_integer, progress

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


def distinct_units(layer):
    """How many units of a layer differ from all others in some weight or in the bias."""
    return len(np.unique(np.column_stack([layer.weight.data, layer.bias.data]), axis=0))


@dataclass
class Run:
    """What one training run showed. A list has one number for each layer, `losses` one before training and after each epoch."""

    name: str
    layers: list  # the linear ones
    losses: list
    weight_gradients: list  # norms at the first step
    bias_gradients: list
    units_before: list
    units_after: list
    accuracy: float = 0.0  # on the test set


def train(name, initializer, digits, args):
    rng = Generator(args.seed)
    sizes = [64] + [args.width] * (args.depth - 1) + [10]
    layers: list[Any] = [nn.Linear(n_in, n_out, weight_init=initializer, rng=rng) for n_in, n_out in pairwise(sizes)]
    modules = [module for layer in layers for module in (layer, ACTIVATIONS[args.activation]())]
    model = nn.Sequential(*modules[:-1])
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loader = data.DataLoader((digits.x_train, digits.y_train), batch_size=64, shuffle=True, rng=rng)

    def training_loss():
        with no_grad():
            return criterion(model(digits.x_train), digits.y_train).item()

    run = Run(name, layers, [training_loss()], [], [], [distinct_units(layer) for layer in layers], [])
    for _ in progress(range(args.epochs), desc=name, unit="epoch"):
        for x, y in loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            if not run.weight_gradients:
                run.weight_gradients = [float(np.linalg.norm(layer.weight.grad)) for layer in layers]
                run.bias_gradients = [float(np.linalg.norm(layer.bias.grad)) for layer in layers]
            optimizer.step()
        run.losses.append(training_loss())
    run.units_after = [distinct_units(layer) for layer in layers]
    with no_grad():
        run.accuracy = float(np.mean(model(digits.x_test).data.argmax(axis=1) == digits.y_test))
    return run


def print_table(run):
    print(f"\n{run.name}: loss {run.losses[0]:.3f} -> {run.losses[-1]:.3f}, test accuracy {run.accuracy:.1%}")
    print("  layer              gradient norm at step 1      distinct units")
    print("                       weights        bias       before    after")
    for i, layer in enumerate(run.layers):
        shape = f"{layer.in_features} -> {layer.out_features}"
        gradients = f"{run.weight_gradients[i]:12.3g}{run.bias_gradients[i]:12.3g}"
        print(f"  {i + 1:<3} {shape:<12} {gradients}{run.units_before[i]:13}{run.units_after[i]:9}")


def verdict(run):
    """One sentence, from the numbers."""
    result = (
        f"the loss goes from {run.losses[0]:.3f} to {run.losses[-1]:.3f}, and {run.accuracy:.1%} of the test digits are right"
    )
    hidden = run.layers[:-1]
    several = bool(hidden) and hidden[0].out_features > 1
    if not math.isfinite(run.losses[-1]):
        return f"{run.name}: training diverged; the weights are too large for this learning rate."
    if several and not any(run.weight_gradients):
        return (
            f"{run.name}: not one weight gets any gradient, so every unit stays a copy of its neighbours and only the output's "
            f"bias can move; {result} (guessing: ln 10 = {math.log(10):.3f}, 10 %)."
        )
    if several and max(run.units_after[:-1]) == 1:
        return (
            f"{run.name}: whatever gradient a unit gets, its neighbours get the same, so each layer remains one unit, "
            f"many times over; {result}."
        )
    if several and min(run.units_before[:-1]) == hidden[0].out_features:
        return f"{run.name}: the units differ from the start, and each gets a gradient of its own; {result}."
    return f"{run.name}: {result}."


def draw(runs, args):
    """Loss curves, gradient norms per layer, and the first layer's units as 8x8 images."""
    rows = math.ceil(len(runs) / 2)  # of the lower part: two runs side by side
    figure = plot.new_figure(10, 4 + 2.2 * rows)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[4, 2.2 * rows]).flat
    curves, gradients = top.subplots(1, 2)

    norms = [g for run in runs for g in run.weight_gradients if 0 < g < math.inf]
    linear_below = 10.0 ** math.floor(math.log10(min(norms, default=1.0)))  # a logarithmic axis that has room for an exact 0
    depths = range(1, args.depth + 1)
    for i, run in enumerate(runs):
        style = {"color": plot.COLOURS[i % 6], "marker": plot.MARKERS[i % 6], "markersize": 4, "label": run.name}
        curves.plot(range(args.epochs + 1), run.losses, **style)
        gradients.plot(depths, run.weight_gradients, **style)
        if not any(run.weight_gradients):
            gradients.annotate("exactly 0", (1, 0), xytext=(0, 6), textcoords="offset points", color=style["color"])
    curves.axhline(math.log(10), color="grey", linestyle=":", label="guessing: ln 10")
    curves.set(title="Loss on the training set", xlabel="epoch", ylabel="cross-entropy", ylim=(0, None))
    gradients.set(title="Gradient of the weights at the first step", xlabel="layer (1 = first)", ylabel="norm")
    gradients.set_yscale("symlog", linthresh=linear_below)
    gradients.set_ylim(-0.1 * linear_below, 10 * max(norms, default=1.0))
    gradients.set_xticks(list(depths))
    curves.legend()
    gradients.legend()

    for panel, run in zip(bottom.subfigures(rows, min(len(runs), 2), squeeze=False).flat, runs, strict=False):
        units = run.layers[0].weight.data[:32]
        n = len(np.unique(units, axis=0))
        alike = "all alike" if n == 1 and len(units) > 1 else "all different" if n == len(units) else f"{n} distinct"
        panel.suptitle(f"{run.name}: weights of {len(units)} units of layer 1, after training: {alike}", fontsize=9)
        largest = float(np.abs(units).max()) or 1.0
        for axes, unit in zip(np.ravel(panel.subplots(4, 8)), units, strict=False):
            axes.imshow(unit.reshape(8, 8), cmap="PuOr", vmin=-largest, vmax=largest)
        for axes in panel.axes:
            axes.set(xticks=[], yticks=[])
    return figure


def initializer(text):
    """The value of --init: a number, or the name of an initializer."""
    try:
        constant = init.get(float(text))
        if np.isfinite(constant((1,))).all():
            return text, constant
    except ValueError:
        pass
    try:
        return text, init.get(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(arguments=None):
    parser = options(__doc__, "zero_vs_xavier.png")
    parser.add_argument(
        "--init",
        nargs="+",
        type=initializer,
        metavar="INITIALIZER",
        default=[initializer("zeros"), initializer("xavier_uniform")],
        help="numbers, or names such as he_normal or orthogonal (default: zeros xavier_uniform)",
    )
    parser.add_argument("--activation", choices=ACTIVATIONS, default="tanh", help="default: tanh")
    parser.add_argument("--depth", type=positive_integer, default=4, help="linear layers, default: 4")
    parser.add_argument("--width", type=positive_integer, default=64, help="units in a hidden layer, default: 64")
    parser.add_argument("--epochs", type=positive_integer, help="default: 15, or 5 if quick")
    args = parser.parse_args(arguments)
    args.epochs = args.epochs or (5 if args.quick else 15)

    digits = data.digits()
    runs = [train(name, initializer, digits, args) for name, initializer in args.init]
    for run in runs:
        print_table(run)
    print()
    for run in runs:
        print(verdict(run))
    print()
    plot.picture(args.out, draw, runs, args)


if __name__ == "__main__":
    main()
