"""Modules that hold others: Sequential, which calls them one after the other, and lists and dicts, which leave that to you.

A plain list or dict of layers as an attribute is found all the same; these have PyTorch's names, and check what they take.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, MutableSequence
from typing import Any

from .module import Module, _modules_in, _parts_of
from .parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterList", "Sequential"]


class Sequential(Module):
    """Modules one after the other: each gets what the one before it returned.

    Examples
    --------
    >>> from minidl import nn
    >>> nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh())
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True, weight_init=XavierUniform(gain=1.0), bias_init=Zeros())
      (1): Tanh()
    )
    """

    def __init__(self, *modules: Module):
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                raise TypeError(f"Sequential takes modules, got {type(module).__name__} at place {i}")
            setattr(self, str(i), module)

    def __len__(self):
        return sum(1 for _ in self.named_children())

    def __iter__(self):
        return (child for _, child in self.named_children())

    def __getitem__(self, index: Any) -> Module:
        """The module at a place; a slice is a Sequential of the same modules, under the names that they have here."""
        if not isinstance(index, slice):
            return list(self)[index]
        part = type(self)()
        for name, module in list(self.named_children())[index]:
            setattr(part, name.replace(".", "_"), module)
        return part

    def __setitem__(self, index: int, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"Sequential takes modules, got {type(module).__name__} at place {index}")
        setattr(self, [name for name, _ in self.named_children()][index], module)

    def forward(self, x):
        for name, value in vars(self).items():
            if isinstance(value, Module):
                x = value(x)
            elif isinstance(value, (list, tuple, dict)):
                for _, module in _modules_in(name, value):
                    x = module(x)
        return x


class _Container(Module):
    """A module whose parts are in `_items`, a list or a dict, and named by their places or keys: "0.weight", "a.weight"."""

    _items: Any

    def _parts(self):
        for name, value in vars(self).items():
            yield from _parts_of("" if name == "_items" else name, value)

    def _put(self, items: Any) -> None:
        """Hold these from now on; where one of them cannot be, what was held before."""
        below = self._modules_below("", items)
        vars(self)["_items"] = items
        self._tell_names(below)

    def __len__(self):
        return len(self._items)

    def __delitem__(self, index):
        items = self._items.copy()
        del items[index]
        self._put(items)

    def forward(self, *args):
        raise TypeError(f"{type(self).__name__} only holds its parts; call these yourself, or make a Sequential of modules")


class _List(_Container, MutableSequence):
    def __init__(self, items: Iterable[Any] = ()):
        self._put([self._item(item) for item in items])

    def _item(self, item: Any) -> Any:
        raise NotImplementedError

    def __getitem__(self, index: Any) -> Any:
        return type(self)(self._items[index]) if isinstance(index, slice) else self._items[index]

    def __setitem__(self, index: Any, item: Any) -> None:
        items = self._items.copy()
        items[index] = [self._item(i) for i in item] if isinstance(index, slice) else self._item(item)
        self._put(items)

    def append(self, item: Any) -> None:
        item = self._item(item)
        below = self._modules_below(str(len(self)), item)
        self._items.append(item)
        self._tell_names(below)

    def insert(self, index: int, item: Any) -> None:
        items = self._items.copy()
        items.insert(index, self._item(item))
        self._put(items)

    def extend(self, items: Iterable[Any]) -> None:
        self._put([*self._items, *(self._item(item) for item in items)])


class ModuleList(_List):
    """A list of modules, to be called as you like.

    Examples
    --------
    >>> from minidl import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 3), nn.Tanh()])
    >>> layers.append(nn.Linear(3, 1, bias=False))
    >>> len(layers), [name for name, _ in layers.named_parameters()]
    (3, ['0.weight', '0.bias', '2.weight'])
    """

    def _item(self, item: Any) -> Module:
        return _module("ModuleList", item)


class ParameterList(_List):
    """A list of parameters. What is none yet, a Tensor or an array, is made one.

    Examples
    --------
    >>> [name for name, _ in ParameterList([Parameter([1.0]), [2.0, 3.0]]).named_parameters()]
    ['0', '1']
    """

    def _item(self, item: Any) -> Parameter:
        return item if isinstance(item, Parameter) else Parameter(item)


class ModuleDict(_Container, MutableMapping):
    """Modules by name.

    Examples
    --------
    >>> from minidl import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "even": nn.Linear(8, 2, bias=False)})
    >>> heads["even"].out_features, [name for name, _ in heads.named_parameters()]
    (2, ['digit.weight', 'digit.bias', 'even.weight'])
    """

    __eq__, __hash__ = Module.__eq__, Module.__hash__  # not a mapping's, by its items

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()):
        self._put({})
        self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._items[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self._put({**self._items, key: _module("ModuleDict", module)})

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)


def _module(container: str, item: Any) -> Module:
    if not isinstance(item, Module):
        raise TypeError(f"{container} takes modules, got {type(item).__name__}")
    return item
