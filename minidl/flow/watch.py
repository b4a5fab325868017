"""`watch`: what every layer does while a model is trained."""

import math
from typing import Any

import numpy as np

from .. import nn
from ..nn import module as hooks
from ..tensor import Tensor, backward_observers
from .quantities import distinct_units, norm, saturation, sums_inputs, unit_axis


class Watch:
    """What the layers of a model did while it was trained: see `watch`.

    Attributes
    ----------
    steps : list of int
        Which steps were measured: how many backward passes came before.
    names, kinds, units : list
        The layers, in the order of their first calls: name, class, width of the output.
    curves : dict from str to ndarray, shape (steps, layers)
        NaN where something does not apply. The keys: "saturated", "dead", "distinct_units" and
        "weight_grad_norm" as in `LayerRecord`, and "update_ratio", the size of the step that the optimizer then took, divided
        by the size of the weight.
    """

    limit = 256  # measurements that are kept

    def __init__(self, model: nn.Module, every: int):
        if not isinstance(model, nn.Module):
            raise TypeError(f"watch takes a Module, got {type(model).__name__}")
        if isinstance(every, bool) or not isinstance(every, (int, np.integer)) or every < 1:
            raise ValueError(f"watch: every must be a positive integer, got {every!r}")
        self.model, self.every = model, int(every)
        self.steps: list[int] = []
        self.names: list[str] = []
        self.kinds: list[str] = []
        self.units: list[int] = []
        self._layers: dict[int, str] = {}
        self._modules: dict[str, nn.Module] = {}
        self._rows: list[dict[str, dict[str, Any]]] = []  # of each measured step: layer -> what -> value
        self._row: dict[str, dict[str, Any]] = {}  # of the step under way
        self._weights: list[tuple[dict[str, Any], nn.Parameter, np.ndarray, float]] = []  # before they are moved; their norms
        self._axes: dict[int, tuple[int, Tensor]] = {}  # by its id, an output of this step, and the axis of its units
        self._step, self._ran, self._measuring = 0, False, True

    def __enter__(self):
        for name, module in self.model.named_modules():
            if next(module.named_children(), None) is None:
                self._modules[self._layers.setdefault(id(module), name)] = module
        hooks.observers.append(self._called)
        backward_observers.append(self._stepped)
        return self

    def __exit__(self, *exception):
        hooks.observers.remove(self._called)
        backward_observers.remove(self._stepped)
        self._moved()

    def _called(self, module: nn.Module, arguments: tuple, output: Any) -> Any:
        if self._ran and not self._measuring:
            return output
        name = self._layers.get(id(module))
        if name is None or not isinstance(output, Tensor) or not output.requires_grad:
            return output
        if self._weights:
            self._moved()
        self._ran, self._measuring = True, self._step % self.every == 0
        if not self._measuring:
            return output
        of_input, _ = self._axes.get(id(arguments[0]), (None, None)) if arguments else (None, None)
        axis = unit_axis(module, output, of_input)
        if output.ndim > 2:
            self._axes[id(output)] = axis, output
        if name not in self.names:
            self.names.append(name)
            self.kinds.append(type(module).__name__)
            self.units.append(output.shape[axis] if output.ndim else 1)
        found = self._row[name] = {}
        if isinstance(module, nn.Elementwise) and output.ndim > 1 and output.size:
            found["saturated"], found["dead"] = saturation(module, arguments[0], output, axis)
        return output

    def _stepped(self) -> None:
        """After a backward()."""
        if not self._ran:
            return
        self._ran = False
        self._axes.clear()
        if self._row:
            if len(self._rows) == self.limit:  # half as many, twice as far apart: the whole course, in bounded memory
                self._rows, self.steps, self.every = self._rows[::2], self.steps[::2], 2 * self.every
            if self._step % self.every == 0:
                self._weigh()
                self._rows.append(self._row)
                self.steps.append(self._step)
            self._row = {}
        self._step += 1

    def _weigh(self) -> None:
        for name, found in self._row.items():
            module = self._modules[name]
            weight = getattr(module, "weight", None)
            if not isinstance(weight, nn.Parameter):
                continue
            size = norm(weight.data)
            if weight.grad is not None:
                found["weight_grad_norm"] = norm(weight.grad)
                if size:
                    self._weights.append((found, weight, weight.data.copy(), size))
            if sums_inputs(module):
                found["distinct_units"] = distinct_units(module)

    def _moved(self) -> None:
        """What the optimizer has done with the weights since."""
        for found, weight, before, size in self._weights:
            before -= weight.data
            found["update_ratio"] = norm(before) / size
        self._weights = []

    @property
    def curves(self) -> dict[str, np.ndarray]:
        keys = ("saturated", "dead", "distinct_units", "weight_grad_norm", "update_ratio")
        nothing: dict[str, float] = {}
        return {
            key: np.array([[row.get(name, nothing).get(key, math.nan) for name in self.names] for row in self._rows])
            for key in keys
        }

    def svg(self) -> str:
        """Draw the heat maps as SVG, in milliseconds and without matplotlib; a notebook shows the same.

        Examples
        --------
        >>> with watch(nn.Linear(2, 2)) as w:
        ...     pass
        >>> "There is nothing to draw: no step was measured" in w.svg()
        True
        """
        from .. import svg

        return svg.watch(self).svg()

    def _repr_html_(self) -> str:
        from .. import svg

        return svg.watch(self).html()

    def plot(self, path: Any = None):
        """Draw heat maps, layer by step. See `plot.watch`."""
        from .. import plot

        return plot.watch(self, path)


def watch(model: nn.Module, every: int = 10) -> Watch:
    """Follow what every layer does while a model is trained: a context manager, around a training loop that need not know.

    A step is a backward() after a call of the model; each `every`-th is measured, from the first. At most 256
    measurements are kept: then every second one is dropped, and `every` doubles. Nothing about the training changes.

    Parameters
    ----------
    model : Module
    every : int

    Examples
    --------
    >>> from minidl import data, nn, optim
    >>> from minidl import functional as F
    >>> model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 2, rng=1))
    >>> optimizer = optim.SGD(model.parameters(), lr=0.5)
    >>> x, y = data.xor()
    >>> with watch(model, every=10) as w:
    ...     for _ in range(30):
    ...         optimizer.zero_grad()
    ...         F.cross_entropy(model(x), y).backward()
    ...         optimizer.step()
    >>> w.steps, w.names
    ([0, 10, 20], ['0', '1', '2'])
    >>> w.curves["distinct_units"][-1]
    array([ 8., nan,  2.])
    """
    return Watch(model, every)
