"""What do weight, bias and activation each do? The slope and place of tanh(wx + b), and XOR with and without activations.

An article says that the bias sets the sensitivity of an activation, and that activations make a network nonlinear.
The second is right: without them any number of layers is one linear map, W3 (W2 (W1 x)) = (W3 W2 W1) x, and no straight line
separates the four points of XOR, (0, 0) and (1, 1) from (0, 1) and (1, 0). The first is not. The slope of tanh(wx + b) is
w (1 - tanh(wx + b)^2), largest where wx + b = 0: the weight w sets how steep it is, the bias where, at x = -b/w.

You will see both: slopes computed by backward(), and networks of three layers that learn XOR from many seeds, or cannot.

    python examples/linear_or_not.py
    python examples/linear_or_not.py --seed 100 --out xor.png
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minidl import Tensor, data, functional, nn, optim, plot
from minidl.random import Generator
from minidl.script import options, progress, table

UNITS = [(1.0, 0.0), (1.0, 2.0), (4.0, 0.0), (4.0, 2.0)]  # weight and bias
ACTIVATIONS: dict[str, list[nn.Module]] = {"none": [], "tanh": [nn.Tanh()]}


class Steepest(NamedTuple):
    slope: float
    x: float


def curve(weight: float, bias: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y = tanh(weight x + bias), and dy/dx."""
    x = Tensor(np.linspace(-4, 4, 801), requires_grad=True)
    y = functional.tanh(x * weight + bias)
    y.sum().backward()
    assert x.grad is not None
    return x.data, y.data, x.grad


def steepest(weight: float, bias: float) -> Steepest:
    x, _, slope = curve(weight, bias)
    return Steepest(float(slope.max()), float(x[slope.argmax()]))


class Result(NamedTuple):
    losses: list[float]  # at each step
    right: int  # points of four
    bend: float  # how far the network is from y(a) + y(b) = y(c) + y(d), which holds of a linear one at the corners of a square


def trained(activation: str, seed: int, steps: int = 500) -> Result:
    """Trains 2-8-8-2 on the four points of XOR."""
    (x, y), rng, between = data.xor(), Generator(seed), ACTIVATIONS[activation]
    model = nn.Sequential(nn.Linear(2, 8, rng=rng), *between, nn.Linear(8, 8, rng=rng), *between, nn.Linear(8, 2, rng=rng))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    outputs = model(x).data
    bend = outputs[0] + outputs[3] - outputs[1] - outputs[2]
    return Result(losses, int((outputs.argmax(axis=1) == y).sum()), float(np.abs(bend).max()))


def draw(results: dict[str, list[Result]]) -> Any:
    figure = plot.new_figure(10, 4)
    curves, losses = figure.subplots(1, 2)
    for i, (weight, bias) in enumerate(UNITS):
        x, y, _ = curve(weight, bias)
        curves.plot(x, y, color=plot.COLOURS[i], label=f"w = {weight:g}, b = {bias:g}")
        curves.plot(-bias / weight, 0, plot.MARKERS[i], color=plot.COLOURS[i])
    curves.set(title="tanh(wx + b): w sets the slope, b the place", xlabel="x")
    curves.legend(fontsize=9)
    curves.grid(alpha=0.3)
    for i, (activation, found) in enumerate(results.items()):
        for seed, result in enumerate(found):
            label = None if seed else f"activation: {activation}"
            losses.plot(result.losses, color=plot.COLOURS[i], linewidth=0.8, label=label)
    losses.axhline(np.log(2), color="grey", linestyle=":", label="guessing: ln 2")
    losses.set(title="XOR, three layers: the loss, a line for each seed", xlabel="step", ylabel="cross-entropy", ylim=(0, 1.5))
    losses.legend(fontsize=9)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(__doc__, "linear_or_not.png").parse_args(arguments)
    print("Where tanh(wx + b) is steepest, and how steep\n")
    table(["w", "b", "slope", "at x"], [[weight, bias, *steepest(weight, bias)] for weight, bias in UNITS])
    count = 4 if args.quick else 20
    results: dict[str, list[Result]] = {activation: [] for activation in ACTIVATIONS}
    for activation, seed in progress([(a, args.seed + i) for a in ACTIVATIONS for i in range(count)], desc="trainings"):
        results[activation].append(trained(activation, seed))
    rows = []
    for activation, found in results.items():
        right = [result.right for result in found]
        rows.append([activation, min(right), max(right), min(r.losses[-1] for r in found), max(r.losses[-1] for r in found)])
        rows[-1].append(max(result.bend for result in found))
    print(f"\nXOR, 2-8-8-2, 500 steps, seeds: {count}. Of four points right, and loss, at least and at most; y(0, 0) + y(1, 1)")
    print("- y(0, 1) - y(1, 0), at most: of a linear map it is 0\n")
    table(["activation", "right", "to", "loss", "to", "bend"], rows)
    plot.picture(args.out, draw, results)


if __name__ == "__main__":
    main()
