"""Module: a function with parameters, made of smaller ones; Parameter; Sequential.

A Module finds what it is made of among its own attributes: Parameters, Modules, lists of Modules, and the arrays that it has
registered as buffers. The names are PyTorch's ("0.weight", "encoder.fc1.bias"), so a state_dict fits both.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .. import init
from ..tensor import Tensor


class Parameter(Tensor):
    """A tensor that training changes.

    Attributes
    ----------
    law : Initializer or None
        What its first value was made by.
    """

    __slots__ = ("law",)

    def __init__(self, data: Any, requires_grad: bool = True, law: init.Initializer | None = None):
        super().__init__(data, requires_grad)
        self.law = law

    def __reduce__(self):
        return type(self), (self.data, self.requires_grad, self.law), (None, {"grad": self.grad})


class InputError(ValueError, TypeError):
    """A layer was called with something that it does not take. The message begins with its class and its name in the model."""

    def __init__(self, layer: "Module", message: str):
        super().__init__(layer, message)

    def __str__(self):
        layer, message = self.args
        return f"{type(layer).__name__} '{layer._name}' {message}" if layer._name else f"{type(layer).__name__} {message}"


class Module:
    """The base of all layers and models. Subclasses define `forward`; calling the module calls it.

    Examples
    --------
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Parameter(2.0)
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(3.0).item()
    6.0
    """

    training: bool
    _name: str
    forward: Callable[..., Any]
    _buffers: list[str]

    def __new__(cls, *args, **kwargs):  # here, so that a forgotten super().__init__() does no harm
        self = super().__new__(cls)
        self.training = True
        self._name = ""
        self._buffers = []
        return self

    def __init__(self):
        """Takes nothing; here so that an argument which a layer does not know is an error."""

    def __call__(self, *args, **kwargs):
        try:
            return self.forward(*args, **kwargs)
        except InputError:
            self._name_below()  # again: a list may have grown since it was assigned
            raise

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        for path, child in _modules_in(name, value):
            child._name = f"{self._name}.{path}" if self._name else path
            child._name_below()

    def _name_below(self) -> None:
        """Tell every module below what it is called in this one, for error messages."""
        for path, module in self.named_modules(self._name):
            module._name = path

    def register_buffer(self, name: str, array: np.ndarray) -> None:
        """Make `self.name` an array that belongs to the state but is not trained."""
        setattr(self, name, array)
        self._buffers.append(name)

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        for name, value in vars(self).items():
            yield from _modules_in(name, value)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all below it, each with its name: "" for itself, "0", "encoder.fc1", ..."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator["Module"]:
        return (module for _, module in self.named_modules())

    def _state(self) -> Iterator[tuple[str, "Module", str, Any]]:
        """(full name, module, attribute, value) of every parameter and buffer."""
        for prefix, module in self.named_modules():
            own = {name: value for name, value in vars(module).items() if isinstance(value, Parameter)}
            own.update((name, getattr(module, name)) for name in module._buffers)
            for name, value in own.items():
                yield f"{prefix}.{name}" if prefix else name, module, name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its name; one that is used in two places comes once, under the first name."""
        seen: set[int] = set()
        for name, _, _, value in self._state():
            if isinstance(value, Parameter) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def train(self, mode: bool = True) -> "Module":
        """Training mode: batch norm uses the batch, dropout drops. Returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> "Module":
        """Evaluation mode: batch norm uses its running values, dropout does nothing. Returns the module."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget all gradients: every `.grad` is None."""
        for parameter in self.parameters():
            parameter.grad = None

    def apply(self, function: Callable[["Module"], Any]) -> "Module":
        """Call a function with every module below and with this one. Returns the module."""
        for _, child in self.named_children():
            child.apply(function)
        function(self)
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers, by name."""
        return {name: np.array(value.data if isinstance(value, Parameter) else value) for name, _, _, value in self._state()}

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
        """Overwrite parameters and buffers with those of a state_dict: minidl's, or PyTorch's.

        Parameters
        ----------
        state_dict : dict from name to array (or anything that np.asarray takes)
        strict : bool
            Whether a name that is missing on either side is an error.

        Raises
        ------
        ValueError
            If names or shapes don't fit, or values are no numbers, NaN or infinite. Nothing has been changed then.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict takes a dict from names to arrays, got {type(state_dict).__name__}")
        own = {name: value for name, _, _, value in self._state()}
        problems = []
        if strict and (missing := set(own) - set(state_dict)):
            problems.append(f"missing: {', '.join(sorted(missing))}")
        if strict and (unexpected := set(state_dict) - set(own)):
            problems.append(f"unexpected: {', '.join(sorted(map(str, unexpected)))}")
        new = {}
        for name in (name for name in own if name in state_dict):
            try:
                array = np.asarray(state_dict[name])
            except (ValueError, TypeError, RuntimeError) as error:  # a ragged list; a tensor that NumPy cannot read
                problems.append(f"{name}: no array ({error})")
                continue
            if array.shape != own[name].shape:
                problems.append(f"{name}: shape {array.shape}, expected {own[name].shape}")
                continue
            if array.dtype.kind in "fiu":
                with np.errstate(over="ignore"):
                    new[name] = array.astype(own[name].dtype)
            if name not in new or not np.isfinite(new[name]).all():
                problems.append(
                    f"{name}: expected finite numbers, got dtype {array.dtype} or, in {own[name].dtype}, NaN or infinity"
                )
        if problems:
            hint = "; with strict=False, names that one side lacks are passed over" if strict else ""
            raise ValueError(f"load_state_dict of {type(self).__name__}: {'; '.join(problems)}{hint}")
        for name, array in new.items():
            value = own[name]
            if isinstance(value, Parameter):
                value.data[...] = array
                value.changed()
                value.law = init.Given("state_dict")
            else:
                value[...] = array

    def extra_repr(self) -> str:
        """What stands in the parentheses of the repr, before the children."""
        return ""

    def __repr__(self):
        lines = [self.extra_repr()] if self.extra_repr() else []
        children = [f"({name}): {child!r}" for name, child in self.named_children()]
        if not children:
            return f"{type(self).__name__}({', '.join(lines)})"
        inner = "\n".join([*lines, *children]).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {inner}\n)"


def _modules_in(name: str, value: Any) -> Iterator[tuple[str, Module]]:
    """The modules that an attribute holds: one, or those of a list."""
    if isinstance(value, Module):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _modules_in(f"{name}.{i}", item)


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

    def __getitem__(self, index: int) -> Module:
        return list(self)[index]

    def forward(self, x):
        for _, child in self.named_children():
            x = child(x)
        return x
