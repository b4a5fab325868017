"""What does a recurrent network remember? Identity, orthogonal and Gaussian recurrent weights, gradients through 200 steps.

An article says that gradients vanish or explode in deep networks. A recurrent one, h_t = f(W h_(t-1) + v_t), is as deep as
its sequence is long. Saxe et al. ("Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
ICLR 2014) keep the gradient with an orthogonal W, Le, Jaitly and Hinton ("A simple way to initialize recurrent networks of
rectified linear units", 2015) with ReLU and W = I. You will see how the norm of dL/dh_t goes with t for these and for a
Gaussian W, when the v_t are noise, with the lines of theory. With an orthogonal W it is gain^(T - t) if f is linear, to the
last digit; with ReLU, which lets half of it through, gain^(T - t) / 2^((T - t) / 2); with tanh, what mean-field theory
says. A Gaussian W strays from the line, with ReLU the least: every step takes the same W, so that its largest eigenvalue
prevails, and that is another one for each seed. With ReLU and W = I each unit is a random walk above a floor, and passes
the gradient on until it last touched that: the arcsine law, under which a fifth is left after 200 steps. At last the three
learn to add two numbers of a sequence, which they have to remember, and W = I does it soonest; who always answers 1 has a
mean squared error of 1/6.

    python examples/recurrent.py
    python examples/recurrent.py --quick --gain 1.05
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl import Tensor, init, nn, optim, plot, theory
from minidl import functional as F
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

WIDTH, SEQUENCES, NOISE, RATE = 100, 20, 0.1, 0.002
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"linear": lambda x: x, "tanh": F.tanh, "relu": F.relu}
WEIGHTS: dict[str, Callable[[float], init.Initializer]] = {
    "identity": init.Identity,
    "orthogonal": init.Orthogonal,
    "Gaussian": lambda gain: init.VarianceScaling(gain**2, "fan_in", "normal"),
}


def gradients(activation: str, weights: str, gain: float, steps: int, seed: int) -> tuple[np.ndarray, float]:
    """The norm of dL/dh_t for t from 0 to `steps`, divided by the last, where L is a random direction times the last state; and
    the size of W's largest eigenvalue."""
    rng = Generator(seed)
    recurrent = nn.Linear(WIDTH, WIDTH, bias=False, weight_init=WEIGHTS[weights](gain), rng=rng, dtype=np.float64)
    states = [Tensor(np.zeros((SEQUENCES, WIDTH)), requires_grad=True)]
    for noise in rng.normal((steps, SEQUENCES, WIDTH), std=NOISE, dtype=np.float64):
        states.append(ACTIVATIONS[activation](recurrent(states[-1]) + noise))
        states[-1].retain_grad()
    (states[-1] * rng.normal((SEQUENCES, WIDTH), dtype=np.float64)).sum().backward()
    norms = np.array([np.linalg.norm(np.asarray(h.grad)) for h in states])
    return norms / norms[-1], np.abs(np.linalg.eigvals(recurrent.weight.data)).max()


def arcsine_law(steps: int) -> np.ndarray:
    """For each t how probable it is that a random walk of so many steps has its lowest point at t or before.

    With u_k = (2k over k) / 4^k it is the sum of u_k u_(steps - k) over k <= t, if a step has a continuous and symmetric
    distribution, whichever. Source: Feller, "An introduction to probability theory and its applications" 2, section XII.8.
    """
    k = np.arange(1, steps + 1)
    u = np.cumprod(np.append(1.0, (2 * k - 1) / (2 * k)))
    return np.cumsum(u * u[::-1])


@functools.cache
def mean_field(activation: str, gain: float, steps: int) -> np.ndarray:
    """What these norms would be, if each step had random weights of its own (Schoenholz et al., ICLR 2017, equation 6)."""
    f, variance, factors = ACTIVATIONS[activation], 0.0, [1.0]
    for _ in range(steps):
        variance = theory.variance_map(f, variance, gain, NOISE)
        factors.insert(1, theory.backward_factor(f, variance, gain) ** 0.5)
    return np.cumprod(factors)[::-1]


def expected(activation: str, weights: str, gain: float, steps: int) -> np.ndarray | None:
    """What theory says of these norms; None where it says nothing."""
    if weights == "identity" and activation == "relu" and gain == 1:
        return np.sqrt(arcsine_law(steps))  # of the squares: the fraction of units that have not been at 0 since
    if weights == "identity" and activation != "linear":
        return None
    return mean_field(activation, gain, steps)


class Recurrent(nn.Module):
    """h_t = relu(W h_(t-1) + V x_t + b), and a linear layer on the last h."""

    def __init__(self, weights: str, gain: float, seed: int):
        rng = Generator(seed)
        self.inputs = nn.Linear(2, WIDTH, bias=False, weight_init=init.Normal(std=0.1), rng=rng)
        self.recurrent = nn.Linear(WIDTH, WIDTH, weight_init=WEIGHTS[weights](gain), rng=rng)
        self.last = nn.Linear(WIDTH, 1, weight_init=init.Normal(std=0.1), rng=rng)

    def forward(self, sequence):
        h = Tensor(np.zeros((sequence.shape[1], WIDTH), np.float32))
        for x in sequence:
            h = F.relu(self.recurrent(h) + self.inputs(x))
        return self.last(h).reshape(-1)


def sums_to_find(length: int, count: int, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of random numbers, two of which are marked, one in each half; and the sums of these two."""
    x, each = np.zeros((length, count, 2), np.float32), np.arange(count)
    x[..., 0] = rng.uniform((length, count))
    marked = rng.integers(0, length // 2, count), rng.integers(length // 2, length, count)
    for places in marked:
        x[places, each, 1] = 1
    return x, sum(x[places, each, 0] for places in marked)


def learn(weights: str, gain: float, length: int, updates: int, seed: int) -> list[float]:
    """The mean squared error of each batch, all of them new."""
    model, rng, errors = Recurrent(weights, gain, seed), Generator(seed).stream("sequences"), []
    optimizer = optim.Adam(model.parameters(), lr=RATE)
    for _ in range(updates):
        x, y = sums_to_find(length, 32, rng)
        optimizer.zero_grad()
        error = F.mse_loss(model(x), y)
        error.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        errors.append(error.item())
    return errors


def smooth(errors: Sequence[float], window: int) -> np.ndarray:
    return np.array([np.median(errors[max(0, i - window) : i + 1]) for i in range(len(errors))])


def draw(norms: dict, theories: dict, errors: dict) -> Any:
    figure = plot.new_figure(10, 7.5)
    axes = figure.subplots(2, 2)
    styles = {name: {"color": plot.COLOURS[i], "label": name} for i, name in enumerate(WEIGHTS)}
    for axis, activation in zip(axes.flat, ACTIVATIONS, strict=False):
        for name, style in styles.items():
            for i, curve in enumerate(norms[activation, name]):
                axis.plot(curve, linewidth=1, alpha=0.7, **(style if i == 0 else style | {"label": None}))
        for line in theories[activation]:
            axis.plot(line, "k--", linewidth=1.5)
        axis.set(
            title=f"{activation}: norm of the gradient of h_t", xlabel="t: step", ylabel="relative to the last", yscale="log"
        )
    right = axes[1, 1]
    for name, style in styles.items():
        right.plot(smooth(errors[name], 20), **style)
    right.axhline(1 / 6, color="black", linestyle=":")
    right.set(title="relu: learning to add two of many numbers", xlabel="step", ylabel="mean squared error (dotted: 1/6)")
    right.set_ylim(0, 0.4)
    handles, titles = axes[0, 0].get_legend_handles_labels()
    handles.append(axes[0, 0].get_lines()[-1])
    figure.legend(handles, [*titles, "theory"], loc="outside upper center", ncols=4)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "recurrent.png")
    parser.add_argument("--gain", type=float, default=1.0, help="what W is multiplied by, default: 1")
    parser.add_argument("--steps", type=positive_integer, help="default: 200, or 40 with --quick")
    args = parser.parse_args(arguments)
    if not 0 < args.gain < 10:
        parser.error(f"--gain takes a number between 0 and 10, got {args.gain:g}")
    steps, seeds, length, updates = (40, 2, 10, 30) if args.quick else (200, 5, 50, 400)
    steps = args.steps or steps
    norms, rows = {}, []
    theories: dict[str, list[np.ndarray]] = {name: [] for name in ACTIVATIONS}
    cells = [(activation, weights) for activation in ACTIVATIONS for weights in WEIGHTS]
    for activation, weights in progress(cells, desc="gradients"):
        found = [gradients(activation, weights, args.gain, steps, args.seed + i) for i in range(seeds)]
        norms[activation, weights] = [curve for curve, _ in found]
        first = [curve[0] for curve, _ in found]
        row = [activation, weights, min(first), np.median(first), max(first)]
        line = expected(activation, weights, args.gain, steps)
        theories[activation] += [] if line is None or weights == "Gaussian" else [line]
        rows.append([*row, None if line is None else line[0], np.median([size for _, size in found]) ** steps])
    print(f"Norm of the gradient of h_0 after {steps} steps, relative to that of the last; gain {args.gain:g}, seeds: {seeds}")
    titles = ["f", "weights", "smallest", "median", "largest", "theory", "largest eigenvalue ^ steps"]
    table(titles, rows)
    errors = {}
    for weights in progress(list(WEIGHTS), desc="training"):
        errors[weights] = learn(weights, args.gain, length, updates, args.seed)
    print(f"\nrelu: adding two of {length} numbers; Adam at {RATE}, {updates} batches of 32 (always 1: an error of 0.167)")
    table(["weights", "error, last quarter"], [[name, float(np.median(e[-updates // 4 :]))] for name, e in errors.items()])
    plot.picture(args.out, draw, norms, theories, errors)


if __name__ == "__main__":
    main()
