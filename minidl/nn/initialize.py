"""What the parameters of a whole model start from: rules on their names, a stream for each, and the table that shows it.

`Module.initialize` and `Module.describe` call these. The laws are in `minidl.init`; layers draw their own first values.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import init
from ..atomic import at_once
from ..random import Generator, as_generator
from .module import Module
from .parameter import Parameter


def initialize(model: Module, rng: Generator | int | None, rules: Any, dry_run: bool) -> Module:
    """See `Module.initialize`."""
    rng = as_generator(rng)
    start, lines = [], list[tuple]()  # all is drawn before the first value is written: an error leaves the model as it was
    for name, parameter, law, rule in _plan(model, _parse(rules)):
        if law is None:
            cause = "no law" if parameter.law is None else str(parameter.law)
            lines.append((name, parameter.shape, "", "", "", f"kept: {cause}", ""))
            continue
        who = f"parameter '{name}'" + (f" by the rule '{rule}'" if rule else "")
        if not parameter.data.flags.writeable:
            raise ValueError(f"{who}: its array is read-only; make the Parameter of a copy")
        values = init.draw(who, law, parameter.shape, parameter.fans, rng.stream(name), parameter.dtype)
        origin = None if isinstance(law, init.Given) else init.Origin(rng.seed, stream=name)
        start.append((parameter, values, law, origin))
        std = law.moments(parameter.shape, parameter.fans).std
        lines.append((name, parameter.shape, law, *(parameter.fans or ("", "")), origin or "", _number(std)))
    if dry_run:
        print(_table(("parameter", "shape", "law", "fan_in", "fan_out", "drawn from", "std"), lines))
        return model
    calls: list[Callable[[], Any]] = []
    for parameter, values, law, origin in start:
        calls += [*init.replacing(parameter, values, law, origin), partial(setattr, parameter, "_grad", None)]
    at_once(operator.call, calls)
    return model


def _parse(rules: Any) -> list[tuple[str, init.Initializer]]:
    pairs = rules.items() if isinstance(rules, Mapping) else rules
    if isinstance(pairs, str) or not isinstance(pairs, Iterable | None):
        raise TypeError(f"rules are a mapping from patterns to laws, such as {{'*.weight': 'he_normal'}}, got {rules!r}")
    parsed = []
    for pair in pairs or ():
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise TypeError(f"a rule is a pair of a pattern and a law, such as ('*.weight', 'he_normal'), got {pair!r}")
        with init.named(f"rule '{pair[0]}'"):
            parsed.append((pair[0], init.law(pair[1])))
    return parsed


def _plan(model: Module, rules: list) -> Iterator[tuple[str, Parameter, init.Initializer | None, str | None]]:
    """(name, parameter, law, pattern of the rule that says so) of every parameter; the law is None where it stays as it is."""
    places: dict[int, tuple[str, Module, str, Parameter]] = {}
    for name, layer, attribute, value in model._state():
        if isinstance(value, Parameter):
            places.setdefault(id(value), (name, layer, attribute, value))
    for pattern, _ in rules:
        if not any(_matches(pattern, *place[:3]) for place in places.values()) and _is_a_mistake(pattern, model):
            raise ValueError(_no_match(pattern, [name for name, *_ in places.values()]))
    for name, layer, attribute, parameter in places.values():
        fits = (rule for rule in rules if _matches(rule[0], name, layer, attribute))
        pattern, law = next(fits, (None, parameter.law))
        if isinstance(law, init.Given) and law.values is None:  # the values were loaded, and are nowhere else
            law = None
        yield name, parameter, law, pattern


def _matches(pattern: str, name: str, layer: Module, attribute: str) -> bool:
    if fnmatchcase(name, pattern) or ("." not in name and fnmatchcase(f".{name}", pattern)):
        return True
    kind, _, rest = pattern.partition(".")
    return kind in _kinds(layer) and fnmatchcase(attribute, rest)


def _kinds(layer: Module) -> list[str]:
    return [kind.__name__ for kind in type(layer).__mro__]


def _is_a_mistake(pattern: str, model: Module) -> bool:
    """Whether it is wrong that a pattern matches nothing. A rule for a class of layers may lie idle: for want of such layers,
    or of what they can have, as the bias of a Linear with bias=False."""
    from .. import nn

    kind, _, rest = pattern.partition(".")
    layers = [layer for layer in model.modules() if kind in _kinds(layer)]
    if not layers:
        return not isinstance(getattr(nn, kind, None), type)
    return not any(fnmatchcase(attribute, rest) for layer in layers for attribute in vars(layer))


def _no_match(pattern: str, names: list[str]) -> str:
    near = init.similar(pattern, names)
    hint = (
        f"; did you mean {near[0]!r}? The parameters are: {', '.join(names)}" if near else ", for the model has no parameters"
    )
    return f"the rule '{pattern}' matches no parameter{hint}"


class Row(NamedTuple):
    """One parameter in a Description."""

    name: str
    shape: tuple[int, ...]
    law: init.Initializer | None
    fans: tuple[int, int] | None
    origin: init.Origin | None
    theory: init.Moments
    actual: init.Moments


class Description(list[Row]):
    """The rows of `Module.describe`; printed, a table."""

    def __init__(self, model: Module):
        for name, parameter in model.named_parameters():
            law, shape, fans = parameter.law, parameter.shape, parameter.fans
            theory = init.Moments() if law is None else law.moments(shape, fans)
            x = parameter.data.astype(np.float64)
            actual = init.Moments(*(float(f(x)) for f in (np.mean, np.std, np.min, np.max))) if x.size else init.Moments()
            self.append(Row(name, shape, law, fans, parameter.origin, theory, actual))

    def __str__(self):
        heads = ("parameter", "shape", "law", "fan_in", "fan_out", "drawn from")
        beside = [f"{what} {whose}".strip() for what in init.Moments._fields for whose in ("of law", "")]
        lines: list[tuple] = []
        for row in self:
            numbers = [_number(value) for pair in zip(row.theory, row.actual, strict=True) for value in pair]
            lines.append((row.name, row.shape, row.law or "", *(row.fans or ("", "")), row.origin or "", *numbers))
        return _table((*heads, *beside), lines)

    __repr__ = __str__


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _table(heads: tuple[str, ...], lines: list[tuple]) -> str:
    cells = [[str(cell) for cell in line] for line in (heads, *lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)
