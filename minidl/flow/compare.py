"""`compare`: one network trained with several initializers, each from several seeds, and a ranking that shows chance, too.

It is a sweep over the initializers; what it adds is the ranking.
"""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import data as datasets
from .. import init, nn
from ..names import named
from ..sweep import sweep
from ..sweep.run import seeds_of
from ..sweep.usual import check_settings, curves


class Comparison:
    """What `compare` found. Printed, a table, the best initializer first.

    Attributes
    ----------
    seeds : list of int
    losses, accuracies : dict from name to ndarray, shape (seeds, epochs + 1)
        On all of the training data, and on the held-out data: before training, and after each epoch. A loss is NaN once
        training has diverged, and an accuracy 0.
    ranking : list of str
        The names by mean held-out accuracy at the end, and where that is equal by mean loss.
    """

    def __init__(self, seeds: list[int], losses: dict[str, np.ndarray], accuracies: dict[str, np.ndarray]):
        self.seeds, self.losses, self.accuracies = seeds, losses, accuracies

        def place(name: str) -> tuple[float, float]:
            loss = float(losses[name][:, -1].mean())
            return -float(accuracies[name][:, -1].mean()), loss if math.isfinite(loss) else math.inf

        self.ranking = sorted(losses, key=place)

    def epochs_to(self, accuracy: float) -> dict[str, int | None]:
        """After how many epochs each initializer's mean held-out accuracy is at least this; None where it never is."""
        reached = {name: np.flatnonzero(values.mean(axis=0) >= accuracy) for name, values in self.accuracies.items()}
        return {name: int(epochs[0]) if len(epochs) else None for name, epochs in reached.items()}

    def __str__(self):
        goal = 0.9 * float(self.accuracies[self.ranking[0]][:, -1].mean())
        epochs = self.epochs_to(goal)
        width = max(len("initializer"), *map(len, self.ranking))
        lines = [f"     {'initializer':<{width}}   held-out accuracy (lowest)    training loss   epochs to {goal:.0%}"]
        for rank, name in enumerate(self.ranking, 1):
            last, losses = self.accuracies[name][:, -1], self.losses[name][:, -1]
            diverged = int(np.isnan(losses).sum())
            loss = f"{np.nanmean(losses):13.4f}" if diverged < len(losses) else " " * 13
            accuracy = f"{last.mean():8.1%} +- {last.std():5.1%} ({last.min():6.1%})"
            when = "never" if epochs[name] is None else epochs[name]
            note = f"   diverged with {diverged} of {len(losses)} seeds" if diverged else ""
            lines.append(f"{rank:>3}  {name:<{width}}   {accuracy}   {loss}   {when:>13}{note}")
        return "\n".join(lines)

    def svg(self) -> str:
        """Draw the curves as SVG, in milliseconds and without matplotlib; a notebook shows the same.

        Examples
        --------
        >>> losses, accuracies = {"he": np.array([[2.4, 0.1]])}, {"he": np.array([[0.1, 0.9]])}
        >>> "<title>he, epoch 1: 0.9</title>" in Comparison([0], losses, accuracies).svg()  # of a dot
        True
        """
        from .. import svg

        return svg.comparison(self).svg()

    def _repr_html_(self) -> str:
        from .. import svg

        return svg.comparison(self).html(below=svg.preformatted(self))

    def plot(self, path: Any = None):
        """Draw the curves: the mean over the seeds, and a band from the least to the largest. See `plot.comparison`."""
        from .. import plot

        return plot.comparison(self, path)


def compare(
    initializers: Mapping[str, Any],
    data: Sequence[Any] | None = None,
    epochs: int = 10,
    seeds: int | Iterable[int] = 3,
    *,
    model: nn.Module | None = None,
    lr: float = 0.1,
    momentum: float = 0.9,
    batch_size: int = 64,
) -> Comparison:
    """Train a classifier with several initializers, and see which is best, and by more than chance.

    Parameters
    ----------
    initializers : mapping from name to initializer
        For the weights of `model`, that is, its parameters with two or more axes: anything that `init.get` takes, an
        initializer, its name, a number. Or rules for `Module.initialize`. Or a model of its own, with the initializers that its
        layers have.
    data : (x_train, y_train, x_test, y_test), optional
        By default `data.digits()`.
    epochs : int
    seeds : int or iterable of int
        How many, or which. With one seed all initializers get the same batches in the same order.
    model : Module, optional
        By default tanh and three hidden layers of 64 units. It is copied, and each copy drawn again (`Module.initialize`), so
        what its parameters are now does not matter, only their initializers.
    lr, momentum, batch_size
        Of `optim.SGD`, on the mean cross-entropy.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError, TypeError
        If there is nothing to compare, or one is neither an initializer nor rules nor a model; the message begins with
        its name.

    Examples
    --------
    >>> result = compare({"zeros": "zeros", "xavier": "xavier_uniform"}, epochs=3, seeds=2)
    >>> result.ranking, result.accuracies["xavier"].shape
    (['xavier', 'zeros'], (2, 4))
    """
    if not isinstance(initializers, Mapping) or not initializers or not all(isinstance(name, str) for name in initializers):
        raise TypeError(f"compare takes a mapping from names to initializers, such as {{'zeros': 0.0}}, got {initializers!r}")
    split = datasets.digits() if data is None else datasets.Split(*map(datasets.as_array, data))
    seeds = seeds_of(seeds, "compare")
    settings: dict[str, Any] = {"epochs": epochs, "lr": lr, "momentum": momentum, "batch_size": batch_size}
    check_settings("compare", **settings)
    if model is None:
        model = _default_model(split)
    for name, spec in initializers.items():  # before the first is trained
        with named(f"compare: {name!r}"):
            _initialized(model, spec, seeds[0])

    def train(point: Mapping[str, Any], seed: int) -> dict[str, Any]:
        ours = _initialized(model, initializers[point["initializer"]], seed)
        return curves(ours, split, seed, **settings)

    found = sweep(train, {"initializer": list(initializers)}, seeds)
    for row in found.failed:
        train(row.point, row.seed)  # the error is raised here, with its place
    losses, accuracies = (
        {
            name: np.array([row.result[curve] for row in found.rows if row.point["initializer"] == name and row.result])
            for name in initializers
        }
        for curve in ("losses", "accuracies")
    )
    return Comparison(seeds, losses, accuracies)


def _default_model(split: datasets.Split) -> nn.Module:
    layers: list[nn.Module] = []
    width = split.x_train.shape[-1]
    for _ in range(3):
        layers += [nn.Linear(width, 64), nn.Tanh()]
        width = 64
    return nn.Sequential(*layers, nn.Linear(width, int(split.y_train.max()) + 1))


def _initialized(model: nn.Module, spec: Any, seed: int) -> nn.Module:
    if isinstance(spec, nn.Module):
        return copy.deepcopy(spec).initialize(rng=seed)
    ours = copy.deepcopy(model)
    rules = spec
    if not isinstance(spec, Mapping) and not (isinstance(spec, list) and spec and isinstance(spec[0], tuple)):
        initializer = init.get(spec)
        rules = {name: initializer for name, parameter in ours.named_parameters() if parameter.ndim > 1}
    return ours.initialize(rng=seed, rules=rules)
