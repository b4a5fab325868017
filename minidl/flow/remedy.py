"""A change of a model, and the line of code that makes it: what `diagnose` tries, and what it proposes.

The names of attributes and classes may be anything. So a change is carried out as data, and its line is never run here; in the
line names are quoted, and in patterns escaped.
"""

import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .. import init, nn


class Remedy(NamedTuple):
    """`change(model)` does what `line` does, where `model` is the model and `nn` and `init` are minidl's."""

    line: str
    change: Callable[[nn.Module], Any]


def redraw(rules: Mapping[str, Any]) -> Remedy:
    """Draw parameters again, by initializers or their names: see `Module.initialize`."""
    pairs = ", ".join(f"{_source(pattern)}: {_source(initializer)}" for pattern, initializer in rules.items())
    return Remedy(f"model.initialize(rng=0, rules={{{pairs}}})", lambda model: model.initialize(rng=0, rules=rules))


def pattern_of(model: nn.Module, name: str) -> str:
    """A pattern for `Module.initialize` that matches the parameter of this name and no other."""
    pattern = re.sub(r"([*?[])", r"[\1]", name)
    classes = {kind.__name__ for module in model.modules() for kind in type(module).__mro__}
    if pattern.partition(".")[0] in classes:  # it would be a rule for all layers of that class
        pattern = f"[{pattern[0]}]{pattern[1:]}"
    return pattern


def normalize(model: nn.Module, activations: Mapping[str, tuple[str, int]]) -> Remedy | None:
    """Put a batch norm, of this class and number of units, before activations, given by name; None if one is not where it can
    be replaced."""
    places = [place for name in activations if (place := _find(model, name)) is not None]
    if len(places) < len(activations):
        return None

    def change(model: nn.Module) -> None:
        for name, (kind, units) in activations.items():
            place = _find(model, name)
            assert place is not None, "this model is a copy of the one above"
            place.set(nn.Sequential(getattr(nn, kind)(units), place.get()))

    norms = [f"nn.{kind}({units})" for kind, units in activations.values()]
    if len(places) > 3 and len(set(norms)) == 1 and all(p.container is model and isinstance(p.key, int) for p in places):
        keys = ", ".join(str(place.key) for place in places)
        line = f"for i in ({keys}): model[i] = nn.Sequential({norms[0]}, model[i])"
    else:
        line = "; ".join(p.assignment(f"nn.Sequential({norm}, {p})") for p, norm in zip(places, norms, strict=True))
    return Remedy(line, change)


class _Place(NamedTuple):
    """Where a module is: an attribute of another, or an item of a Sequential, a list or a dict."""

    container: Any
    key: str | int
    owner: str  # the container, in code

    @property
    def attribute(self) -> bool:
        return isinstance(self.container, nn.Module) and self.key in vars(self.container)

    def get(self) -> Any:
        return getattr(self.container, str(self.key)) if self.attribute else self.container[self.key]

    def set(self, module: nn.Module) -> None:
        if self.attribute:
            setattr(self.container, str(self.key), module)
        else:
            self.container[self.key] = module

    def __str__(self):
        if not self.attribute:
            return f"{self.owner}[{_source(self.key)}]"
        key = str(self.key)
        plain = key.isascii() and key.isidentifier() and not keyword.iskeyword(key)
        return f"{self.owner}.{key}" if plain else f"getattr({self.owner}, {_source(key)})"

    def assignment(self, new: str) -> str:
        target = str(self)
        return f"setattr({self.owner}, {_source(self.key)}, {new})" if target.startswith("getattr(") else f"{target} = {new}"


def _find(model: nn.Module, name: str) -> _Place | None:
    """The place of the module of this name; None for the model itself, and where it is not found."""
    place, here, code = None, model, "model"
    for part in name.split("."):
        place = _Place(here, _key(here, part), code)
        try:
            here, code = place.get(), str(place)
        except (LookupError, TypeError):
            return None
    return place if isinstance(here, nn.Module) else None


def _key(container: Any, part: str) -> str | int:
    """The key that a part of a name means in a container: what could be an index is one, but for dicts and attributes."""
    if isinstance(container, Mapping) or not part.isdecimal():
        return part
    if isinstance(container, nn.Module) and part in vars(container):
        items = list(container) if isinstance(container, nn.Sequential) else []
        return int(part) if int(part) < len(items) and items[int(part)] is vars(container)[part] else part
    return int(part)


def _source(value: Any) -> str:
    """The value, in code. Strings are in double quotes where they can be."""
    if isinstance(value, str):
        in_double_quotes = repr("'" + value)
        return '"' + in_double_quotes[2:] if in_double_quotes[0] == '"' else repr(value)
    return f"init.{value!r}" if isinstance(value, init.Initializer) else repr(value)
