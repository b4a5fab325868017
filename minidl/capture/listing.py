"""A recorded step as a program that one can read: forward, backward and update, a line for each call of a kernel.

Names are those of the user's where there are some: the step's own arguments and the model's parameters. What the forward pass
makes is h1, h2, ..., and the gradient of anything is d_ and its name. The times are those of the recorded call, from Python;
once the step is proved, those of the faster of two.
"""

import types
from collections.abc import Callable, Iterator
from html import escape
from typing import Any, NamedTuple

import numpy as np

from ..tensor import Tensor
from .recording import RULES, Operation, Recording, View, outside

_SILENT = ("constant", "copied", "are_finite", "scaled")  # steps between two lines, which say nothing about the network
_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
# Of a backward kernel of (dy, y), y the output, or of (dy, x), x the input: by what dy is multiplied.
_OF_OUTPUT = {"tanh": "(1 - {y}**2)", "sigmoid": "{y} * (1 - {y})", "relu": "({y} > 0)"}
_OF_INPUT = {
    "leaky_relu": "where({x} > 0, 1, {0})",
    "elu": "where({x} > 0, {0}, {1} * exp({x}))",
    "silu": "(s + {x} * s * (1 - s)), s = sigmoid({x})",
    "gelu": "(P({x}) + {x} * p({x}))",
}
_UPDATES = {
    "sgd": "p = p - lr d_p",
    "adam": "m, v, p = b1 m + (1 - b1) d_p,  b2 v + (1 - b2) d_p**2,  p - lr m' / (sqrt(v') + eps)",
    "rmsprop": "s, p = a s + (1 - a) d_p**2,  p - lr d_p / (sqrt(s) + eps)",
}


class Line(NamedTuple):
    """What one call does, the shape of what it makes, and how many microseconds it took."""

    phase: str
    formula: str
    shape: str
    microseconds: float


def lines(recording: Recording, function: Callable[..., Any]) -> list[Line]:
    """The lines of a recorded step."""
    names = _Names(recording, function)
    found: list[Line] = []
    for operation in recording.operations:
        formula = names.formula(operation)
        if operation.name in _SILENT and found:
            found[-1] = found[-1]._replace(microseconds=found[-1].microseconds + 1e6 * operation.seconds)
        if operation.name not in _SILENT:
            shape = "x".join(map(str, operation.results[0].shape)) if operation.results else ""
            found.append(Line(operation.phase, formula, shape, 1e6 * operation.seconds))
    return found


def text(recording: Recording, function: Callable[..., Any]) -> str:
    """The listing, as `print(step)` shows it."""
    rows = lines(recording, function)
    width = max((len(row.formula) for row in rows), default=0)
    depth = max((len(row.shape) for row in rows), default=0)
    shown, phase = [], ""
    for row in rows:
        if row.phase != phase:
            first, phase = not phase, row.phase
            shown.append(f"{phase:<{width + 4}}  {'shape' if first else '':>{depth}}  {'us' if first else '':>8}".rstrip())
        shown.append(f"    {row.formula:<{width}}  {row.shape:>{depth}}  {row.microseconds:8.2f}")
    return "\n".join(shown)


def html(recording: Recording, function: Callable[..., Any]) -> str:
    """The listing as a table, as a notebook shows it."""
    cells = ["<tr><th></th><th style='text-align:left'>step</th><th>shape</th><th>&micro;s</th></tr>"]
    phase = ""
    for row in lines(recording, function):
        heading, phase = "" if row.phase == phase else row.phase, row.phase
        cells.append(
            f"<tr><th>{heading}</th><td style='text-align:left'><code>{escape(row.formula)}</code></td>"
            f"<td>{row.shape}</td><td>{row.microseconds:.2f}</td></tr>"
        )
    return f"<table>{''.join(cells)}</table>"


class _Names:
    """What the arrays of a recording are called, as far as the operations have been told."""

    def __init__(self, recording: Recording, function: Callable[..., Any]):
        self._recording = recording
        self._operations: list[Operation] = []  # of the forward pass
        self._known: dict[View, str] = {}  # what operations made
        self._given = dict(_given(recording, function))
        leaves = {leaf: name for name, leaf in _tensors(recording, function)}
        self._gradients = {
            view.buffer: f"d_{leaves.get(leaf, 'leaf')}" for leaf, view in recording.gradients.items() if view is not None
        }
        for o in recording.operations:
            if o.name == "copied" and o.results[0].buffer in self._gradients:  # a gradient on its way to a leaf
                self._gradients[o.arguments[0].buffer] = self._gradients[o.results[0].buffer]
        self._hidden = self._unnamed = 0

    def of(self, x: Any) -> str:
        """The name of an array, or a number as it is."""
        if isinstance(x, View):
            return self._known.get(x) or self._turned(x) or "1"
        if isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], type):
            return f"{x[1]:.6g}" if isinstance(x[1], float) else str(x[1])
        if isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], np.dtype):
            return f"{np.frombuffer(x[1], x[0])[0]:.6g}"
        return f"({', '.join(map(self.of, x))})"

    def _turned(self, view: View) -> str:
        """The name of an array that is known in another form: transposed, or reshaped."""
        turned = ".T" if len(view.shape) == 2 and view.strides[0] < view.strides[1] else ""
        for known, name in self._known.items():
            if known.buffer == view.buffer:
                return name + turned
        name = self._given.get(view.buffer, "")
        return name and name + turned

    def formula(self, o: Operation) -> str:
        """What an operation does; from then on its results have names."""
        if o.phase == "forward":
            self._operations.append(o)
        for view, name in zip(o.results, self._results(o), strict=False):
            self._known[view] = name
        made = ", ".join(self._known[view] for view in o.results)
        if o.name == "cross_entropy":
            made = f"loss, {self._known[o.results[0]]}"
        return f"{made} = {self._right_side(o)}" if o.results else self._right_side(o)

    def _results(self, o: Operation) -> list[str]:
        """Names for what an operation makes."""
        if o.name == "cross_entropy":
            return [self._new("p"), "losses", "total"]
        if o.name in _SILENT:
            same = o.name in ("constant", "copied") or o.results[:1] == (self._recording.result,)
            return [("loss" if o.name == "scaled" else self.of(o.arguments[0])) if same else self._new("c")] * len(o.results)
        if o.phase != "forward":
            return [self._gradients.get(view.buffer) or self._gradient(o) for view in o.results]
        if o.results and o.results[0] == self._recording.result:
            return ["loss"]
        self._hidden += bool(o.results)
        return [f"h{self._hidden}"] * len(o.results)

    def _new(self, letter: str) -> str:
        return letter if letter not in self._known.values() else f"{letter}{sum(n[:1] == letter for n in self._known.values())}"

    def _gradient(self, o: Operation) -> str:
        """d_x, where x is what went into the forward operation that this is the backward of."""
        known, forward = o.arguments[1:2], o.name.removesuffix("_backward")
        for f in reversed(self._operations):
            same = f.name == forward and (known[0] in f.results or known[0] == f.arguments[0]) if known else False
            if same or (o.name == "matmul" and f.name == "linear" and f.arguments[1] == known[0]):
                return f"d_{self.of(f.arguments[0])}"
        self._unnamed += 1
        return f"d{self._unnamed}"

    def _right_side(self, o: Operation) -> str:
        names = [self.of(x) for x in o.arguments]
        kind = o.name.removesuffix("_backward")
        if o.name == "linear":
            bias = "" if names[2:] in ([], ["None"]) else f" + {names[2]}"
            return f"{names[0]} @ {names[1]}.T{bias}"
        if o.name == "matmul":
            return f"{names[0]} @ {names[1]}"
        if o.name in _SIGNS:
            return f"{names[0]} {_SIGNS[o.name]} {names[1]}"
        if o.name == "column_sums":
            return f"{names[0]}.sum(0)"
        if o.name == "cross_entropy_backward":
            share = o.arguments[3][1]
            divisor = f" / {round(1 / share)}" if share and round(1 / share) * share == 1 else f" * {share:.6g}"
            return f"({names[1]} - one_hot({names[2]})){divisor if share != 1 else ''}"
        if kind == "batch_norm":  # the statistics, and what is said of them, are left out
            return f"{o.name}({', '.join(names[:3])})"
        if o.name == "move_statistics":
            share = o.arguments[6][1]
            return f"{names[0]}, {names[1]} = {1 - share:.6g} running + {share:.6g} batch"
        if o.name in RULES:
            return self._update(o)
        if o.name.endswith("_backward") and kind in _OF_OUTPUT:
            return f"{names[0]} * {_OF_OUTPUT[kind].format(y=names[1])}"
        if o.name.endswith("_backward") and kind in _OF_INPUT:
            return f"{names[0]} * {_OF_INPUT[kind].format(*names[2:], x=names[1])}"
        return f"{o.name}({', '.join(names)})"

    def _update(self, o: Operation) -> str:
        update = self._recording.updates[[p for p in self._recording.operations if p.name in RULES].index(o)]
        count = sum(len(values) for values, *_ in o.arguments)
        rule, momentum = _UPDATES[o.name], update.groups[0][0].get("momentum")
        if momentum and o.name == "sgd":
            rule = f"v, p = {momentum:g} v + d_p,  p - lr v"
        return f"{rule}   for {count} parameters"


def _given(recording: Recording, function: Any) -> Iterator[tuple[int, str]]:
    """The names of what was there before the step: its arguments, the model's arrays, and what the function finds outside."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    parameters = code.co_varnames[: code.co_argcount] if code else ()
    parameters = parameters[1:] if isinstance(function, types.MethodType) else parameters
    arrays = {id(tensor._data): name for name, tensor in _tensors(recording, function)}
    for module in recording.modules:
        arrays |= {id(x): f"{module._name}.{name}".lstrip(".") for name, x in vars(module).items() if isinstance(x, np.ndarray)}
    arrays |= {id(x): name for name, x in outside(function) if isinstance(x, np.ndarray)}
    for number, buffer in enumerate(recording.buffers):
        if buffer.kind == "argument":
            yield number, parameters[buffer.source] if buffer.source < len(parameters) else f"argument{buffer.source}"
        elif buffer.kind == "kept":
            yield number, arrays.get(id(recording.kept[buffer.source]), "kept")


def _tensors(recording: Recording, function: Any) -> Iterator[tuple[str, Tensor]]:
    """Tensors with their names; a later name is a better one."""
    yield from ((name, x) for name, x in outside(function) if isinstance(x, Tensor))
    for module in recording.modules:
        if not any(module is not other and module in set(other.modules()) for other in recording.modules):
            yield from module.named_parameters()
