"""`Training`: what most sweeps train, a classifier from a given initialization, so that only its model has to be written."""

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import data as datasets
from .. import nn, optim, training
from ..names import similar
from ..random import Generator


class Training:
    """A function for `flow.sweep`: makes a model for a point, initializes it from the seed, and trains it on data.

    The names in the grid are the arguments of `model`, and epochs, lr, momentum and batch_size.

    Parameters
    ----------
    model : function
        Takes what a point says, by name, and returns a new Module, whose parameters are then drawn again by their
        initializers, from the seed (`Module.initialize`).
    data : (x_train, y_train, x_test, y_test), or a function that returns it; optional
        By default `data.digits`. A function is called once in each process: for much data on other machines.
    epochs : int
    lr, momentum, batch_size
        Of `optim.SGD`, on the mean cross-entropy.

    Examples
    --------
    >>> train = Training(lambda width: nn.Sequential(nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 10)), epochs=2)
    >>> result = train({"width": 32, "lr": 0.05}, seed=0)
    >>> list(result), result["losses"].shape
    (['loss', 'accuracy', 'losses', 'accuracies'], (3,))
    """

    def __init__(
        self,
        model: Callable[..., nn.Module],
        data: Sequence[Any] | Callable[[], Sequence[Any]] | None = None,
        epochs: int = 10,
        *,
        lr: float = 0.1,
        momentum: float = 0.9,
        batch_size: int = 64,
    ):
        if isinstance(model, nn.Module) or not callable(model):
            raise TypeError(f"Training: model must be a function that makes one, such as lambda width: ..., got {model!r}")
        self.model, self.data = model, _digits if data is None else data
        self.settings: dict[str, Any] = {"epochs": epochs, "lr": lr, "momentum": momentum, "batch_size": batch_size}
        check_settings("Training", **self.settings)

    def __getstate__(self):  # without what was loaded: it neither travels nor determines anything
        return {"model": self.model, "data": self.data, "settings": self.settings}

    @functools.cached_property
    def _split(self) -> datasets.Split:
        return datasets.Split(*map(datasets.as_array, self.data() if callable(self.data) else self.data))

    def check(self, points: Sequence[Mapping[str, Any]]) -> None:
        """A TypeError, if the names of these points, which are all the same, are not those that can be told."""
        signature = inspect.signature(self.model)
        try:
            signature.bind(**self._of_model(points[0]))
        except TypeError as error:
            known = [*signature.parameters, *self.settings]
            near = [f"did you mean {name!r}?" for word in points[0] if word not in known for name in similar(word, known, 0.6)]
            raise TypeError(
                f"sweep: the grid has {', '.join(points[0])}, and model and Training take {', '.join(known)}: {error}"
                + "".join(f"; {question}" for question in near)
            ) from None

    def __call__(self, point: Mapping[str, Any], seed: int) -> dict[str, Any]:
        model = self.model(**self._of_model(point)).initialize(rng=seed)
        return curves(model, self._split, seed, **{name: point.get(name, value) for name, value in self.settings.items()})

    def _of_model(self, point: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in point.items() if name not in self.settings}


def check_settings(caller: str, *, epochs: int, lr: float, momentum: float, batch_size: int) -> None:
    """A ValueError or TypeError for what would fail in every training."""
    for name, number in {"epochs": epochs, "batch_size": batch_size}.items():
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise ValueError(f"{caller}: {name} must be a positive integer, got {number!r}")
    optim.SGD([nn.Parameter(0.0)], lr=lr, momentum=momentum)


@functools.cache
def _digits() -> datasets.Split:
    return datasets.digits()


def curves(
    model: nn.Module, split: datasets.Split, seed: int, *, epochs: int, lr: float, momentum: float, batch_size: int
) -> dict[str, Any]:
    """Train, and return loss and accuracy, at the end and after each epoch.

    After training has diverged, a loss is NaN and an accuracy 0.
    """
    losses, accuracies = np.full(epochs + 1, math.nan), np.zeros(epochs + 1)
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    order = Generator(seed).stream("compare.batches")
    trained = training.epochs(model, split, optimizer, epochs, batch_size=batch_size, rng=order)
    for epoch, (loss, accuracy) in enumerate(trained):
        if not math.isfinite(loss):
            break
        losses[epoch], accuracies[epoch] = loss, accuracy
    return {"loss": losses[-1], "accuracy": accuracies[-1], "losses": losses, "accuracies": accuracies}
