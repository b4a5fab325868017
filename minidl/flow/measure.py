"""`measure`: one pass through a model, forward and backward, that leaves the model as it was.

Modules tell of their calls (`nn.module.observers`); the tensors between them are tapped, so that the gradients are seen on the
way back.
"""

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import functional as F
from .. import nn, theory
from ..atomic import at_once
from ..gradcheck import gradients_kept
from ..nn import module as hooks
from ..random import Generator, as_generator
from ..tensor import Tensor, enable_grad, no_grad, record
from .quantities import distinct_units, distribution, nearly_distinct_units, norm, saturation, sums_inputs, unit_axis
from .report import FlowReport, LayerRecord


def measure(
    model: nn.Module, x: Any, y: Any = None, loss: Callable[..., Tensor] | None = None, *, tolerance: float = 1e-4
) -> FlowReport:
    """What every layer of a model does with a batch: forward and, if there is a loss, backward.

    The model is left as it was: parameters, gradients, running statistics, mode, and the position of its random
    generators and of the global one. It is measured in the mode that it is in, `train()` or `eval()`.

    Parameters
    ----------
    model : Module
    x : array_like
        A batch of inputs.
    y : array_like, optional
        The targets.
    loss : function, optional
        (output, y) -> number, or (output) -> number where y is None. By default cross-entropy if y holds integers, and
        the mean squared error if not.
    tolerance : float
        For `nearly_distinct_units`.

    Raises
    ------
    ValueError
        If there is no input, or one is NaN or infinite, or the loss is not one number.
    TypeError
        If the model is not a Module, or returns something that the default loss does not take.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 3, weight_init=0.1), nn.Tanh())
    >>> report = measure(model, np.ones((2, 4)).astype("float32"))
    >>> report["0"].distinct_units, round(report["1"].out_mean, 3)  # tanh(0.4), three times over
    (1, 0.38)
    """
    return run(model, x, y, loss, tolerance)[0]


def run(
    model: nn.Module, x: Any, y: Any, loss: Callable[..., Tensor] | None, tolerance: float = 1e-4
) -> tuple[FlowReport, list["Call"], tuple[int, ...] | None]:
    """`measure`, the calls that the records are of, and the shape of the model's output, if it is a Tensor."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"measure takes a Module, got {type(model).__name__}")
    if isinstance(x, Tensor):
        x = x.detach()
    elif isinstance(x, np.ndarray) and x.dtype.kind == "f":
        x = Tensor(x)
    values = np.asarray(x)
    if values.ndim < 2 or not values.size:
        raise ValueError(f"measure takes a batch of inputs, of shape (batch, features), got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("measure: x contains NaN or infinity; fix the data first")
    if not 0 <= tolerance < 1:
        raise ValueError(f"measure: tolerance must be from 0 to 1, got {tolerance}")

    backward = y is not None or loss is not None
    recorder = _Recorder(model, x)
    with _untouched(model), hooks.observed_by([recorder.called], []), enable_grad() if backward else no_grad():
        output = model(x)
        result = _loss(loss, output, y) if backward else None
        if result is not None:
            _backward(result, recorder)
    recorder.kept.clear()  # its tensors know the recorder: now memory is free without the garbage collector
    records = [call.record for call in recorder.calls]
    actual = functools.lru_cache(maxsize=None)(theory.actual_moments)  # each parameter once
    with np.errstate(all="ignore"):
        for call in recorder.calls:
            _weights(call, actual, tolerance)
        _predict(recorder, values, actual)
    report = FlowReport(records, None if result is None else float(result.item()))
    return report, recorder.calls, output.shape if isinstance(output, Tensor) else None


def _loss(loss: Callable[..., Tensor] | None, output: Any, y: Any) -> Tensor:
    if loss is not None:
        result = loss(output) if y is None else loss(output, y)
    elif not isinstance(output, Tensor):
        raise TypeError(f"measure: the model returned {type(output).__name__}, not a Tensor; pass loss=, a function of it")
    else:
        result = F.cross_entropy(output, y) if are_labels(y) else F.mse_loss(output, y)
    if not isinstance(result, Tensor) or result.size != 1:
        got = f"a Tensor of shape {result.shape}" if isinstance(result, Tensor) else type(result).__name__
        raise ValueError(f"measure: the loss must be one number in a Tensor, got {got}; reduce it with .mean() or .sum()")
    return result


def are_labels(y: Any) -> bool:
    """Whether targets are class numbers, for which the default loss is cross-entropy."""
    return (y.dtype if isinstance(y, Tensor) else np.asarray(y).dtype).kind in "iu"


def _backward(result: Tensor, recorder: "_Recorder") -> None:
    if not result.requires_grad:
        return
    with gradients_kept(result):
        result.backward()
        for call in recorder.calls:
            weight = getattr(call.module, "weight", None)
            if isinstance(weight, nn.Parameter) and weight.grad is not None:
                call.record.weight_grad_norm = norm(weight.grad)
                call.weight_grad = weight.grad


@contextlib.contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Afterwards puts back what a forward pass may change: attributes, arrays and lists in them, random generators."""
    owners: list[Any] = list(model.modules())
    values = [value for owner in owners for value in vars(owner).values()]
    owners += [as_generator(None), *(value for value in values if isinstance(value, Generator))]
    back: list[functools.partial] = []
    for owner in owners:
        attributes = owner.__dict__
        back += [functools.partial(dict.clear, attributes), functools.partial(dict.update, attributes, dict(attributes))]
    for value in values:
        if isinstance(value, list):
            back.append(functools.partial(operator.setitem, value, slice(None), value[:]))
        elif isinstance(value, np.ndarray):
            back.append(functools.partial(operator.setitem, value, Ellipsis, value.copy()))
    try:
        try:
            yield
        finally:
            at_once(functools.partial.__call__, back)
    finally:  # once more, for Ctrl-C may have come just before the line above
        at_once(functools.partial.__call__, back)


@dataclass
class Call:
    """One call of a layer."""

    module: Any
    source: int | None  # the call whose output this one took, -1 for the model's input
    record: LayerRecord
    axis: int  # of its units in its output
    shape: tuple[int, ...]  # of its output
    weight_grad: np.ndarray | None = None


class _Recorder:
    """Told of every call, it records those of the model's layers; `last_grad` is the gradient for the last one's output."""

    def __init__(self, model: nn.Module, x: Any):
        self.names: dict[int, list[str]] = {}
        for name, module in model.named_modules():
            if next(module.named_children(), None) is None:
                self.names.setdefault(id(module), []).append(name)
        self.calls: list[Call] = []
        self.last_grad: np.ndarray | None = None
        self._maker: dict[int, int] = {id(x): -1}
        self.kept: list[Any] = []  # so that no id is given twice
        self._count: dict[int, int] = {}

    def called(self, module: nn.Module, arguments: tuple, output: Any) -> Any:
        names = self.names.get(id(module))
        if names is None or not isinstance(output, Tensor) or not output.size:
            return output
        count = self._count[id(module)] = self._count.get(id(module), 0) + 1
        name = names[count - 1] if count <= len(names) else f"{names[0]}#{count}"
        x = arguments[0] if arguments else None
        place, source = len(self.calls), self._maker.get(id(x))
        axis = unit_axis(module, output, None if source is None or source < 0 else self.calls[source].axis)
        mean, std, histogram = distribution(output._data)
        record = LayerRecord(name, type(module).__name__, mean, std, out_histogram=histogram)
        record.units = output.shape[axis] if output.ndim > 1 else None
        if isinstance(module, nn.Elementwise) and x is not None:
            record.saturated, record.dead = saturation(module, x, output, axis)
        self.calls.append(Call(module, source, record, axis, output.shape))

        if output.requires_grad:

            def keep(dy):
                record.grad_mean, record.grad_std, record.grad_histogram = distribution(dy)
                if place == len(self.calls) - 1:
                    self.last_grad = dy

            output = _tap(output, keep)
        self._maker[id(output)] = place
        self.kept.append((x, output))
        return output


def _tap(y: Tensor, keep: Callable[[np.ndarray], None]) -> Tensor:
    """y, seen by whoever uses it; on the way back `keep` is told the gradient."""

    def backward(dy):
        keep(dy)
        return (dy,)

    return record(y._data, (y,), backward, view=True)


def _weights(call: Call, actual: theory.Moments, tolerance: float) -> None:
    weight = getattr(call.module, "weight", None)
    if not isinstance(weight, nn.Parameter):
        return
    record = call.record
    mean, record.weight_std = actual(weight)
    size = math.hypot(mean, record.weight_std) * math.sqrt(weight.size)
    if record.weight_grad_norm is not None and size:
        record.update_ratio = record.weight_grad_norm / size
    if sums_inputs(call.module):
        record.nearly_distinct_units = nearly = nearly_distinct_units(call.module, size, tolerance)
        groups, units, _ = call.module.unit_weights(weight.data).shape
        record.distinct_units = nearly if nearly == groups * units else distinct_units(call.module)


def _predict(recorder: _Recorder, x: np.ndarray, actual: theory.Moments) -> None:
    calls, grad = recorder.calls, recorder.last_grad
    if not calls:
        return
    x = x.reshape(len(x), -1) if isinstance(calls[0].module, nn.Flatten) else x
    gradient = None if grad is None or grad.ndim < 2 else theory.input_signal(grad, calls[-1].axis)
    samples = x.size // x.shape[calls[0].axis]
    # Where a layer takes other units than those that the one before it has, the theory stops; Flatten makes of them its own.
    axes = [call.axis for call in calls] + [calls[0].axis]  # and, last, of the input
    takes = [axes[call.source or 0] == call.axis or isinstance(call.module, nn.Flatten) for call in calls]
    sources = [call.source if same else None for call, same in zip(calls, takes, strict=True)]
    modules = [call.module for call in calls]
    signal = theory.input_signal(x, calls[0].axis)
    predictions = theory.propagate(modules, sources, signal, samples, gradient, actual)
    last = calls[-1].record
    scale = math.hypot(last.grad_mean or 0.0, last.grad_std or 0.0)
    for call, prediction in zip(calls, predictions, strict=True):
        record = call.record
        record.predicted_std, record.std_spread = prediction.std, prediction.std_spread
        if record.grad_std is not None and record.grad_mean is not None and scale:
            record.grad_ratio = math.hypot(record.grad_mean, record.grad_std) / scale
        if grad is not None:
            record.predicted_grad_ratio, record.grad_spread = prediction.grad_ratio, prediction.grad_spread
