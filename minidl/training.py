"""Training a classifier, epoch by epoch: the loop that most scripts write, for those whose question is another.

It stands above `nn`, `optim` and `data`. Whoever wants to look at gradients on the way writes the loop out, as
examples/zero_vs_xavier.py does: it is four lines.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import functional as F
from . import nn
from .capture import capture
from .data import DataLoader
from .random import Generator
from .tensor import no_grad


class Epoch(NamedTuple):
    """Where a training stands: the mean loss on all training data, and the fraction of the test data classified correctly."""

    loss: float
    accuracy: float


def epochs(
    model: nn.Module,
    split: Sequence[np.ndarray],
    optimizer: Any,
    count: int,
    *,
    batch_size: int = 64,
    rng: Generator | int | None = None,
    after_step: Callable[[], object] | None = None,
) -> Iterator[Epoch]:
    """Train with the cross-entropy, and yield where the training stands: before the first epoch, and after each.

    Where all layers and the optimizer are minidl's own, and nothing is to be done after a step, steps are captured: the same
    numbers, sooner.

    Parameters
    ----------
    model : Module
        Its output is a score for each class. It is in training mode during an epoch.
    split : (x_train, y_train, x_test, y_test)
        What to train on and what to test on, such as `data.digits()`.
    optimizer : Optimizer
        Of the model's parameters.
    count : int
        The number of epochs. Nothing is trained before the first value is taken: an epoch runs when the next is asked for.
    batch_size : int
    rng : Generator, int or None
        Where the order of the samples comes from; None for the global generator.
    after_step : function of no arguments, optional
        Called after each step of the optimizer, while the gradients are there.

    Yields
    ------
    Epoch
        Of a training that diverged, the loss is NaN or infinite.

    Raises
    ------
    ValueError
        If `split` is not four arrays, or `count` is not a non-negative integer.

    Examples
    --------
    >>> from minidl import data, optim
    >>> model = nn.Sequential(nn.Linear(64, 32, rng=0), nn.Tanh(), nn.Linear(32, 10, rng=1))
    >>> for epoch in epochs(model, data.digits(), optim.SGD(model.parameters(), lr=0.1, momentum=0.9), 3, rng=0):
    ...     print(f"loss {epoch.loss:.2f}, {epoch.accuracy:.0%} right")
    loss 2.27, 17% right
    loss 0.51, 89% right
    loss 0.21, 94% right
    loss 0.15, 95% right
    """
    _check(split, count)
    x_train, y_train, x_test, y_test = split
    batches = DataLoader((x_train, y_train), batch_size, shuffle=True, rng=rng)

    def step(x: np.ndarray, y: np.ndarray) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        if after_step:
            after_step()

    captured = capture(step)

    def standing() -> Epoch:
        model.eval()
        with no_grad(), np.errstate(all="ignore"):  # a loss that is not finite says it
            loss = F.cross_entropy(model(x_train), y_train).item()
            right = model(x_test).data.argmax(axis=1) == y_test
        model.train()
        return Epoch(loss, float(right.mean()))

    yield standing()
    for _ in range(count):
        with np.errstate(all="ignore"):
            if not after_step and all(map(_is_ours, (optimizer, *model.modules()))):
                captured.run(x_train, y_train, batch_size, batches.rng)
            else:
                for x, y in batches:
                    step(x, y)
        yield standing()


def _is_ours(part: Any) -> bool:
    """Whether this is of minidl, and none of its methods replaced: Python of the user's might change its mind, which a capture
    would not see."""
    replaced = any(callable(getattr(type(part), name, None)) for name in vars(part))
    return type(part).__module__.startswith("minidl.") and not replaced


def _check(split: Sequence[np.ndarray], count: int) -> None:
    if len(split) != 4:
        raise ValueError(f"training.epochs: split must be (x_train, y_train, x_test, y_test), got {len(split)} values")
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 0:
        raise ValueError(f"training.epochs: count must be a non-negative integer, got {count!r}")
