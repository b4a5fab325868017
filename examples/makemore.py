"""What does an initializer do to a network that learns to write names? Its first loss, and how fast each layer moves.

An article says that weights should be neither too large nor too small. Here a network with one hidden layer of tanh units
learns given names, each letter from the three before it (Bengio et al., "A neural probabilistic language model", JMLR 2003;
after Karpathy's lecture "makemore, part 3"). At first it cannot know more than that there are 27 letters, which is a loss
of ln 27 = 3.30. You will see that with weights from N(0, 1) it is several times that: wrong, and sure of it, as 27 normal
numbers of the size of the outputs would be. The first thousand steps only take it back, so that the loss falls steeply, and
then hardly: a hockey stick. With a small last layer the first loss is right, but tanh is saturated still. A hidden layer
scaled by its fan_in is not, nor is one with batch norm. How long a step is, relative to the weights, is shown for each
layer: a thousandth is a good one, and a layer that was made too large moves less. The last line is names that the best of
the networks wrote.

    python examples/makemore.py
    python examples/makemore.py --quick --context 4
"""

import math
import string
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minidl import data, flow, init, nn, no_grad, optim, plot
from minidl import functional as F
from minidl.random import Generator
from minidl.script import options, positive_integer, progress, table

LETTERS = "." + string.ascii_lowercase  # a dot stands before and after a name
SIZE, HIDDEN, BATCH, RATE = 10, 200, 32, 0.1  # SIZE: of a letter's vector
SMALL = init.Normal(std=0.01)
SCALED = init.VarianceScaling((5 / 3) ** 2, "fan_in", "normal")  # 5/3 is PyTorch's gain for tanh
INITIALIZERS = {  # of the hidden layer, and of the last; whether there is a batch norm
    "N(0, 1)": (init.Normal(), init.Normal(), False),
    "small last layer": (init.Normal(), SMALL, False),
    "and hidden scaled": (SCALED, SMALL, False),
    "and batch norm": (init.Normal(), SMALL, True),
}


class Run(NamedTuple):
    model: nn.Module
    report: flow.FlowReport  # before the first step
    losses: np.ndarray  # of each batch
    watch: flow.Watch
    test_loss: float


def contexts(names: Sequence[str], length: int) -> tuple[np.ndarray, np.ndarray]:
    """For each letter, and for the dot at the end of each name, the numbers of the letters before it, and its own."""
    texts = ["." * length + name + "." for name in names]
    x = [[LETTERS.index(letter) for letter in text[i : i + length]] for text in texts for i in range(len(text) - length)]
    return np.array(x), np.array([LETTERS.index(letter) for text in texts for letter in text[length:]])


def build(name: str, context: int, seed: int) -> nn.Sequential:
    rng, (hidden, last, normalized) = Generator(seed), INITIALIZERS[name]
    layers = [nn.Embedding(len(LETTERS), SIZE, rng=rng), nn.Flatten()]
    layers.append(nn.Linear(context * SIZE, HIDDEN, weight_init=hidden, rng=rng))
    layers += [nn.BatchNorm1d(HIDDEN)] if normalized else []
    layers += [nn.Tanh(), nn.Linear(HIDDEN, len(LETTERS), weight_init=last, rng=rng)]
    return nn.Sequential(*layers)


def loss_of_noise(std: float) -> float:
    """E[log sum_j e^(z_j) - z_0] for as many normal numbers z_j as there are letters: the loss of random outputs."""
    z = Generator(0).normal((50_000, len(LETTERS)), 0, std, dtype=np.float64)
    return float(np.logaddexp.reduce(z, axis=1).mean() - z[:, 0].mean())


def learn(name: str, train: Sequence[np.ndarray], test: Sequence[np.ndarray], steps: int, seed: int) -> Run:
    """SGD, of whose steps the last quarter are a tenth as long."""
    (x, y), (x_test, y_test) = train, test
    model, rng, losses = build(name, x.shape[1], seed), Generator(seed).stream("batches"), []
    report = flow.measure(model, x[:1000], y[:1000])
    optimizer = optim.SGD(model.parameters(), lr=RATE)
    schedule = optim.lr_scheduler.StepLR(optimizer, -(-3 * steps // 4))
    with flow.watch(model, max(1, steps // 100)) as watch:
        for _ in range(steps):
            batch = rng.integers(0, len(x), BATCH)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    model.eval()
    with no_grad():
        test_loss = F.cross_entropy(model(x_test), y_test).item()
    return Run(model, report, np.array(losses), watch, test_loss)


def write(model: nn.Module, context: int, rng: Generator) -> str:
    """A name: letter by letter, each drawn with the probability that the model gives it, until it draws the dot."""
    letters = [0] * context
    while len(letters) == context or letters[-1]:
        scores = model([letters[-context:]])
        probabilities = F.softmax(scores, 1).data[0]
        letters.append(int((np.cumsum(probabilities) < rng.uniform(1)).sum()))
    return "".join(LETTERS[i] for i in letters[context:-1])


def step_sizes(run: Run) -> dict[str, np.ndarray]:
    """log10 of |update| / |weights| at each step that was watched, of the layers that all networks have."""
    curves = zip(run.watch.kinds, run.watch.curves["update_ratio"].T, strict=True)
    embedding, hidden, last = (np.log10(curve) for kind, curve in curves if kind in ("Embedding", "Linear"))
    return {"letters": embedding, "hidden layer": hidden, "last layer": last}


def draw(runs: dict[str, Run]) -> Any:
    figure = plot.new_figure(10, 7)
    axes = figure.subplots(2, 2)
    for i, (name, run) in enumerate(runs.items()):
        style = {"color": plot.COLOURS[i], "label": name}
        edges = np.unique(np.geomspace(1, len(run.losses), 60).astype(int))
        means = [run.losses[a - 1 : b - 1].mean() for a, b in pairwise(edges)]
        axes[0, 0].plot(edges[:-1], means, **style)
        for axis, (layer, sizes) in zip(axes.flat[1:], step_sizes(run).items(), strict=True):
            axis.plot(run.watch.steps, sizes, **style)
            axis.set(title=f"{layer}: size of a step, relative to the weights", xlabel="step", ylabel="log10")
    axes[0, 0].axhline(math.log(len(LETTERS)), color="black", linestyle=":")
    axes[0, 0].set(
        title="Loss on the batches (dotted: ln 27)", xlabel="step", ylabel="cross-entropy", xscale="log", yscale="log"
    )
    for axis in axes.flat[1:]:
        axis.axhline(-3, color="black", linestyle=":")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(runs))
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, "makemore.png")
    parser.add_argument("--context", type=positive_integer, default=3, help="letters that are known, default: 3")
    parser.add_argument("--steps", type=positive_integer, help="default: 10,000, or 200 with --quick")
    args = parser.parse_args(arguments)
    steps, names = args.steps or (200 if args.quick else 10_000), data.names()
    order = Generator(args.seed).permutation(len(names))
    test, train = (contexts([names[i] for i in part], args.context) for part in (order[:500], order[500:]))
    runs = {name: learn(name, train, test, steps, args.seed) for name in progress(list(INITIALIZERS), desc="training")}
    print(f"{len(train[0])} letters of {len(names) - 500} names, {steps} batches of {BATCH}; ln {len(LETTERS)} is 3.296\n")
    rows = []
    for name, run in runs.items():
        (tanh,), last = (r for r in run.report if r.kind == "Tanh"), list(run.report)[-1]
        losses = [float(run.losses[part].mean()) for part in (slice(90, 110), slice(-len(run.losses) // 10, None))]
        sizes = [float(np.median(curve)) for curve in step_sizes(run).values()]
        rows.append([name, run.report.loss, loss_of_noise(last.out_std), tanh.saturated, *losses, run.test_loss, *sizes])
    titles = ["weights", "first loss", "of noise", "saturated", "step 100", "at the end", "on test names"]
    table([*titles, "letters", "hidden", "last"], rows)
    print(
        "\nnoise: normal numbers of the outputs' standard deviation; last three: log10 of a step's size relative to the weights"
    )
    best, rng = min(runs.values(), key=lambda run: run.test_loss).model, Generator(args.seed).stream("names")
    print("\n" + " ".join(write(best, args.context, rng) for _ in range(15)))
    plot.picture(args.out, draw, runs)


if __name__ == "__main__":
    main()
