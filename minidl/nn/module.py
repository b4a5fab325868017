"""Module: a function with parameters, made of smaller ones; Parameter; Sequential.

A Module finds what it is made of among its own attributes: Parameters, Modules, lists of Modules, and the arrays that it has
registered as buffers. The names are PyTorch's ("0.weight", "encoder.fc1.bias"), so a state_dict fits both.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .. import init, tensor
from ..random import Generator
from ..tensor import Tensor

# Called after every call of every module with (module, arguments, output); what they return is the output. See `flow`.
observers: list[Callable[["Module", tuple, Any], Any]] = []


@contextlib.contextmanager
def observed_by(of_calls: list, of_backward: list) -> Iterator[None]:
    """Inside, these observe every call of a module and every backward(), and nobody else does."""
    before = observers[:], tensor.backward_observers[:]
    observers[:], tensor.backward_observers[:] = of_calls, of_backward
    try:
        yield
    finally:
        observers[:], tensor.backward_observers[:] = before


class Parameter(Tensor):
    """A tensor that training changes, and that knows what it started from.

    Attributes
    ----------
    law : Initializer or None
        What its first value was made by.
    fans : (fan_in, fan_out) or None
        As the layer states them; for a parameter of your own that states none, as `init.fans` reads them off the shape.
    origin : init.Origin or None
        The seed, and the stream or position, that the law drew from; None where the values were given or loaded.
    """

    __slots__ = ("fans", "law", "origin")

    def __init__(
        self,
        data: Any,
        requires_grad: bool = True,
        law: Any = None,
        fans: init.Fans = None,
        origin: init.Origin | None = None,
    ):
        super().__init__(data, requires_grad)
        self.law, self.origin = None if law is None else init.law(law), origin
        self.fans = init.fans(self.shape) if fans is None else init.check_fans(fans)

    def __reduce__(self):
        arguments = (self.data, self.requires_grad, self.law, self.fans, self.origin)
        return type(self), arguments, (None, {"grad": self.grad})


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
            output = self.forward(*args, **kwargs)
        except InputError:
            self._name_below()  # again: a list may have grown since it was assigned
            raise
        for observer in observers:
            output = observer(self, args, output)
        return output

    def __setattr__(self, name, value):
        if "." in name:  # it could be the name of a parameter further down, and both would get the same numbers
            raise AttributeError(f"{type(self).__name__}: the name of an attribute cannot contain a dot, got {name!r}")
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

    def initialize(self, rng: Generator | int | None = 0, rules: Any = None, dry_run: bool = False) -> "Module":
        """Start afresh: draw every parameter from the stream of its own qualified name.

        So a parameter's values depend on the seed, its name, its law, its fans, shape and dtype, and on nothing else: layers
        that are added, removed or put in another order leave all others as they are. Two models with the same names and the
        same seed are twins; give each its own seed.

        Parameters
        ----------
        rng : int, Generator or None
            A seed, or a generator (or the global one) whose seed is used; its position neither counts nor moves.
        rules : mapping from pattern to law, or a list of such pairs, optional
            The first pattern that matches a parameter's name says its law: anything that `init.law` takes. A parameter without
            a match is drawn by the law that it has. Patterns are those of `fnmatch.fnmatchcase`, on the whole qualified name:
            "encoder.*", "*.weight" (which also matches the "weight" of a model that is a lone layer). One that begins with the
            name of a class, "Linear.bias", "BatchNorm1d.*", is for all layers of that class. `init.presets` has ready ones.
        dry_run : bool
            Print what each parameter would get, and change nothing.

        Returns
        -------
        Module
            The model itself.

        Raises
        ------
        ValueError, TypeError
            If a pattern matches no parameter (one for a class in `minidl.nn` that the model has no layer of is no mistake), a
            law is unknown, cannot be drawn for a parameter, or gives anything but finite numbers of its shape. The model is
            left as it was.

        Notes
        -----
        Parameters whose values were loaded, or that have no law and no rule, stay as they are. A parameter that two layers
        share is drawn once, under its first name, and only that name counts for the rules. Gradients are forgotten; buffers
        stay, and so does what an optimizer remembers: make a new one.

        Examples
        --------
        >>> from minidl import init, nn
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> model.initialize(rng=0, rules={"2.*": init.Zeros(), "*.weight": init.HeNormal()}, dry_run=True)[0].weight.law
        parameter  shape   law                             fan_in  fan_out  drawn from                 std
        0.weight   (2, 3)  HeNormal(a=0.0, mode='fan_in')  3       2        seed 0, stream '0.weight'  0.8165
        0.bias     (2,)    Zeros()                         3       2        seed 0, stream '0.bias'    0
        2.weight   (1, 2)  Zeros()                         2       1        seed 0, stream '2.weight'  0
        2.bias     (1,)    Zeros()                         2       1        seed 0, stream '2.bias'    0
        XavierUniform(gain=1.0)
        """
        from .initialize import initialize

        return initialize(self, rng, rules, dry_run)

    def describe(self) -> Any:
        """What every parameter was made by, and how its values compare: a table to print, and a list of its rows.

        Each row has the name, shape, law, fans and origin of a parameter, and as `theory` and `actual` the mean, standard
        deviation and bounds that its law states (None where it states none) and that its values have now, after whatever
        training there was.

        Examples
        --------
        >>> from minidl import nn
        >>> rows = nn.Linear(500, 400).initialize(rng=0).describe()
        >>> rows[0].name, rows[0].law, rows[0].origin.stream
        ('weight', XavierUniform(gain=1.0), 'weight')
        >>> round(rows[0].theory.std, 5), round(rows[0].actual.std, 5)
        (0.04714, 0.04708)
        """
        from .initialize import Description

        return Description(self)

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
                value.law, value.origin = init.Given("state_dict"), None
            else:
                value[...] = array

    def extra_repr(self) -> str:
        """What stands in the parentheses of the repr, before the children; here, the laws of the module's own parameters."""
        own = ((name, value.law) for name, value in vars(self).items() if isinstance(value, Parameter))
        return ", ".join(f"{name}_init={law}" for name, law in own if law)

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

    def __setitem__(self, index: int, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"Sequential takes modules, got {type(module).__name__} at place {index}")
        setattr(self, [name for name, _ in self.named_children()][index], module)

    def forward(self, x):
        for name, value in vars(self).items():
            if isinstance(value, Module):
                x = value(x)
            elif isinstance(value, (list, tuple)):
                for _, child in _modules_in(name, value):
                    x = child(x)
        return x
