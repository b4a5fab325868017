"""Initializing a whole model: rules on the parameters' names, a stream for each, and the table that shows what made them.

`Module.initialize` and `Module.describe` call these. The initializers are in `minidl.init`; layers draw their own first values.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import init
from ..atomic import at_once
from ..init.base import draw, replacing
from ..names import named, similar
from ..random import Generator, as_generator
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module


HEADS = ("parameter", "shape", "initializer", "fan_in", "fan_out", "drawn from")


def initialize(model: "Module", base: type, rng: Generator | int | None, rules: Any, dry_run: bool) -> None:
    """See `Module.initialize`; `base` is the class Module."""
    rng = as_generator(rng)
    drawn, lines = [], list[tuple]()  # all is drawn before the first value is written: an error leaves the model as it was
    for name, layer, attribute, parameter, initializer, rule in _plan(model, base, _parse(rules)):
        if initializer is None:
            cause = "no initializer" if parameter.initializer is None else str(parameter.initializer)
            lines.append((name, parameter.shape, "", "", "", f"kept: {cause}", ""))
            continue
        who = f"parameter '{name}'" + (f" by the rule '{rule}'" if rule else "")
        if not parameter.data.flags.writeable:
            raise ValueError(f"{who}: its array is read-only; make the Parameter of a copy")
        values = draw(who, initializer, parameter.shape, parameter.fans, rng.stream(name), parameter.dtype)
        values = layer._settled(attribute, values)
        origin = None if isinstance(initializer, init.Given) else init.Origin(rng.seed, stream=name)
        drawn.append((parameter, values, initializer, origin))
        std = initializer.moments(parameter.shape, parameter.fans).std
        lines.append((name, parameter.shape, initializer, *(parameter.fans or ("", "")), origin or "", _number(std)))
    if dry_run:
        print(_table((*HEADS, "std"), lines))
        return
    calls: list[Callable[[], Any]] = []
    for parameter, values, initializer, origin in drawn:
        calls += [*replacing(parameter, values, initializer, origin), partial(setattr, parameter, "_grad", None)]
    at_once(operator.call, calls)


def _parse(rules: Any) -> list[tuple[str, init.Initializer]]:
    pairs = rules.items() if isinstance(rules, Mapping) else rules
    if isinstance(pairs, str) or not isinstance(pairs, Iterable | None):
        raise TypeError(f"rules map patterns to initializers, such as {{'*.weight': 'he_normal'}}, got {rules!r}")
    parsed = []
    for pair in pairs or ():
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise TypeError(f"a rule is a pair (pattern, initializer), such as ('*.weight', 'he_normal'), got {pair!r}")
        with named(f"rule '{pair[0]}'"):
            parsed.append((pair[0], init.get(pair[1])))
    return parsed


def _plan(
    model: "Module", base: type, rules: list
) -> Iterator[tuple[str, "Module", str, Parameter, init.Initializer | None, str | None]]:
    """(name, layer, attribute, parameter, initializer, pattern of the rule that says so) of every parameter; no initializer
    where it is kept."""
    places: dict[int, tuple[str, Module, str, Parameter]] = {}
    for name, layer, attribute, value in model._state():
        if isinstance(value, Parameter):
            places.setdefault(id(value), (name, layer, attribute, value))
    for pattern, _ in rules:
        if not any(_matches(pattern, *place[:3]) for place in places.values()) and _is_a_mistake(pattern, model, base):
            raise ValueError(_no_match(pattern, [name for name, *_ in places.values()]))
    for name, layer, attribute, parameter in places.values():
        fits = (rule for rule in rules if _matches(rule[0], name, layer, attribute))
        pattern, initializer = next(fits, (None, parameter.initializer))
        if isinstance(initializer, init.Given) and initializer.values is None:  # they were loaded, and are nowhere else
            initializer = None
        yield name, layer, attribute, parameter, initializer, pattern


def _matches(pattern: str, name: str, layer: "Module", attribute: str) -> bool:
    if fnmatchcase(name, pattern) or ("." not in name and fnmatchcase(f".{name}", pattern)):
        return True
    kind, _, rest = pattern.partition(".")
    return kind in _kinds(layer) and fnmatchcase(attribute, rest)


def _kinds(layer: "Module") -> list[str]:
    return [kind.__name__ for kind in type(layer).__mro__]


def _is_a_mistake(pattern: str, model: "Module", base: type) -> bool:
    """Whether it is wrong that a pattern matches nothing. A rule for a class of layers may lie idle: for want of such layers,
    or of what they can have, as the bias of a Linear with bias=False."""
    kind, _, rest = pattern.partition(".")
    layers = [layer for layer in model.modules() if kind in _kinds(layer)]
    if not layers:
        return kind not in _classes(base)
    return not any(fnmatchcase(attribute, rest) for layer in layers for attribute in vars(layer))


def _classes(base: type) -> set[str]:
    """The names of the classes in `minidl.nn` from this one downwards."""
    own = {base.__name__} if base.__module__.startswith(f"{__package__}.") else set()
    return own.union(*map(_classes, base.__subclasses__()))


def _no_match(pattern: str, names: list[str]) -> str:
    near = similar(pattern, names)
    hint = (
        f"; did you mean {near[0]!r}? The parameters are: {', '.join(names)}" if near else ", for the model has no parameters"
    )
    return f"the rule '{pattern}' matches no parameter{hint}"


class Row(NamedTuple):
    """One parameter in a Description."""

    name: str
    shape: tuple[int, ...]
    initializer: init.Initializer | None
    fans: tuple[int, int] | None
    origin: init.Origin | None
    theory: init.Moments
    actual: init.Moments


class Description(list[Row]):
    """The rows of `Module.describe`; printed, a table."""

    def __init__(self, model: "Module"):
        for name, parameter in model.named_parameters():
            initializer, shape, fans = parameter.initializer, parameter.shape, parameter.fans
            theory = init.Moments() if initializer is None else initializer.moments(shape, fans)
            x = parameter.data.astype(np.float64)
            actual = init.Moments(*(float(f(x)) for f in (np.mean, np.std, np.min, np.max))) if x.size else init.Moments()
            self.append(Row(name, shape, initializer, fans, parameter.origin, theory, actual))

    def __str__(self):
        moments = [head for what in init.Moments._fields for head in (f"expected {what}", what)]
        lines: list[tuple] = []
        for row in self:
            numbers = [_number(value) for pair in zip(row.theory, row.actual, strict=True) for value in pair]
            lines.append((row.name, row.shape, row.initializer or "", *(row.fans or ("", "")), row.origin or "", *numbers))
        return _table((*HEADS, *moments), lines)

    __repr__ = __str__


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _table(heads: tuple[str, ...], lines: list[tuple]) -> str:
    cells = [[str(cell) for cell in line] for line in (heads, *lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)
