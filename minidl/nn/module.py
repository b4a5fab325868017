"""Module: a function with parameters, made of smaller ones. `containers.py` has Sequential and its kin.

A Module finds what it is made of among its own attributes: Parameters and Modules, lists and dicts of these, and the arrays
that it has registered as buffers. The names are PyTorch's ("0.weight", "encoder.fc1.bias"), so a state_dict fits both.
"""

import contextlib
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import init
from ..atomic import at_once
from ..init.base import replacing
from ..random import Generator
from ..state import fitting
from ..tensor import Tensor, _lists, as_tensor, backward_observers, refuse_masks
from .initialize import Description, initialize
from .parameter import Parameter

__all__ = ["Module"]

# Called after every call of every module with (module, arguments, output); what they return is the output. See `flow`.
observers: list[Callable[["Module", tuple, Any], Any]] = []


@contextlib.contextmanager
def observed_by(of_calls: list, of_backward: list) -> Iterator[None]:
    """Inside, these observe every call of a module and every backward(), and nobody else does."""
    before = observers[:], backward_observers[:]
    observers[:], backward_observers[:] = of_calls, of_backward
    try:
        yield
    finally:
        observers[:], backward_observers[:] = before


class InputError(ValueError, TypeError):
    """A layer was called with something that it does not take. The message begins with its class and its name in the model."""

    def __init__(self, layer: "Module", message: str):
        super().__init__(layer, message)

    def __str__(self):
        layer, message = self.args
        return f"{type(layer).__name__} '{layer._name}' {message}" if layer._name else f"{type(layer).__name__} {message}"


class Unmatched(NamedTuple):
    """The names that only a model has, and those that only a state_dict has: what `load_state_dict` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


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

    __slots__ = ("__dict__", "__weakref__", "_buffers", "_kept_for", "_name")  # beside vars(self), where parts are looked for

    unit_axis: ClassVar[int | None] = -1  # of an output with three axes or more; None: the one that it is in the input
    training: bool
    forward: Callable[..., Any]
    _name: str  # in the model
    _buffers: dict[str, float]  # name -> the least value that may be loaded
    _kept_for: dict[str, str]  # name -> "Parameter" or "Module": what it held last; besides another one it takes only None

    def __new__(cls, *args, **kwargs):  # here, so that a forgotten super().__init__() does no harm
        self = super().__new__(cls)
        self._name, self._buffers, self._kept_for = "", {}, {}
        self.training = True
        return self

    def __init__(self):
        """Takes nothing; here so that an argument which a layer does not know is an error."""

    def __call__(self, *args, **kwargs):
        try:
            output = self.forward(*args, **kwargs)
        except InputError:
            self._tell_names([pair for pair in self.named_modules() if pair[0]])  # again: a list may have grown since
            raise
        for observer in observers:
            output = observer(self, args, output)
        return output

    def propagate(self, signal: Any) -> Any:
        """What theory says of this module's output, by one of the methods of `theory.Incoming`; None for no prediction.

        Examples
        --------
        >>> class Scaled(Module):
        ...     def __init__(self):
        ...         self.weight = Parameter(np.ones((3, 3)))
        ...
        ...     def propagate(self, signal):
        ...         return signal.linear(self.weight, None)
        """
        return None

    def unit_weights(self, values: np.ndarray) -> np.ndarray:
        """An array of the shape of `weight` as (groups, units, inputs): a row for what comes into each unit.

        Units of one group see the same inputs, so with equal rows they are clones; those of different groups are not.
        """
        return values.reshape(1, len(values), -1)

    def __setattr__(self, name, value):
        if name in Module.__slots__:
            super().__setattr__(name, value)
            return
        self._check_attribute(name, value)
        below = self._modules_below(name, value)
        if isinstance(value, (Parameter, Module)):
            self._kept_for[name] = "Module" if isinstance(value, Module) else "Parameter"
        super().__setattr__(name, value)
        self._tell_names(below)

    def __delattr__(self, name):
        super().__delattr__(name)
        self._kept_for.pop(name, None)
        self._buffers.pop(name, None)

    def _check_attribute(self, name: str, value: Any) -> None:
        """Raises where an assignment would silently take something out of the model's state, or give two things one name."""
        if "." in name:  # it could be the name of a parameter further down, and both would get the same numbers
            raise AttributeError(f"{type(self).__name__}: the name of an attribute cannot contain a dot, got {name!r}")
        kind = self._kept_for.get(name)
        if kind and not (value is None or isinstance(value, (Parameter, Module))):
            values = f", or, to change its values only, assign to .{name}.data" if kind == "Parameter" else ""
            raise TypeError(
                f"{type(self).__name__}: {name!r} is for a {kind} or None; what a {type(value).__name__} there holds would not "
                f"be trained: make a {kind} of it{values}"
            )
        old = vars(self).get(name) if name in self._buffers else None
        if old is not None and value is not None and _like(value) != _like(old):
            raise TypeError(
                f"{type(self).__name__}: {name!r} is a buffer, {_like(old)}, and takes such arrays or None, got {_like(value)}"
            )

    def _modules_below(self, name: str, value: Any) -> list[tuple[str, "Module"]]:
        """All modules in what an attribute is to hold, each with its name here. An error, where this one is among them."""
        below = [pair for path, module in _modules_in(name, value) for pair in module.named_modules(path)]
        if any(module is self for _, module in below):
            raise _part_of_itself(self, name)
        return below

    def _tell_names(self, below: Iterable[tuple[str, "Module"]]) -> None:
        """Tell modules what they are called in the model, for error messages."""
        for path, module in below:
            module._name = f"{self._name}.{path}" if self._name else path

    def register_buffer(self, name: str, array: np.ndarray | None, least: float = -math.inf) -> None:
        """Make `self.name` an array that belongs to the state but is not trained.

        Parameters
        ----------
        name : str
        array : ndarray or None
        least : float
            A state_dict with anything below it is refused: no variance is negative, for instance.
        """
        refuse_masks(array)
        if not isinstance(array, np.ndarray | Tensor | None):
            raise TypeError(f"{type(self).__name__}: the buffer {name!r} must be an array or None, got {type(array).__name__}")
        setattr(self, name, array)
        self._buffers[name] = least

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Make `self.name` a parameter; if it is None, there is none yet, and nothing else can be assigned to the name."""
        if not isinstance(parameter, Parameter | None):
            raise TypeError(f"{type(self).__name__}: {name!r} must be a Parameter or None, got {type(parameter).__name__}")
        setattr(self, name, parameter)
        self._kept_for[name] = "Parameter"

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """The Parameters and Modules that the attributes hold, each with its name here: "fc1", "blocks.0", "heads.a"."""
        for name, value in vars(self).items():
            if isinstance(value, (Parameter, Module)):  # the usual case, first
                yield name, value
            elif isinstance(value, (list, tuple, dict)):
                yield from _parts_of(name, value)

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        return ((name, part) for name, part in self._parts() if isinstance(part, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all below it, each with its name: "" for itself, "0", "encoder.fc1", ..."""
        return self._walk(prefix, ())

    def _walk(self, prefix: str, above: tuple[int, ...]) -> Iterator[tuple[str, "Module"]]:
        if id(self) in above:
            raise _part_of_itself(self, prefix)
        yield prefix, self
        for name, part in self._parts():
            if isinstance(part, Module):
                yield from part._walk(f"{prefix}.{name}" if prefix else name, (*above, id(self)))

    def modules(self) -> Iterator["Module"]:
        return (module for _, module in self.named_modules())

    def _state(self) -> Iterator[tuple[str, "Module", str, Any]]:
        """(full name, module, attribute, value) of every parameter and buffer."""
        for prefix, module in self.named_modules():
            buffers = ((name, getattr(module, name)) for name in module._buffers)
            for name, value in (*module._own_parameters(), *buffers):
                if value is not None:
                    yield f"{prefix}.{name}" if prefix else name, module, name, value

    def _own_parameters(self) -> list[tuple[str, Parameter]]:
        return [(name, part) for name, part in self._parts() if isinstance(part, Parameter)]

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
        at_once(operator.setitem, [vars(module) for module in self.modules()], repeat("training"), repeat(mode))
        return self

    def eval(self) -> "Module":
        """Evaluation mode: batch norm uses its running statistics, dropout does nothing. Returns the module."""
        return self.train(False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients: every `.grad` is None, or, with set_to_none=False, new zeros where there was one."""
        parameters = list(self.parameters())
        zeros = repeat(None) if set_to_none else [p.grad if p.grad is None else np.zeros_like(p.grad) for p in parameters]
        at_once(setattr, parameters, repeat("_grad"), zeros)

    def apply(self, function: Callable[["Module"], Any]) -> "Module":
        """Call a function with every module below and with this one. Returns the module."""
        self._check_tree()
        for _, child in self.named_children():
            child.apply(function)
        function(self)
        return self

    def _check_tree(self) -> None:
        """Raises where a module is a part of itself: by way of a list that has grown since it was assigned."""
        for _ in self.modules():
            pass

    def initialize(self, rng: Generator | int | None = 0, rules: Any = None, dry_run: bool = False) -> "Module":
        """Draw every parameter again, from the stream of its own qualified name.

        So a parameter's values depend on the seed, its name, its initializer, its fans, shape and dtype, and on nothing else:
        layers that are added, removed or put in another order leave all others as they are. Two models with the same names and
        the same seed are identical; give each its own seed.

        Parameters
        ----------
        rng : int, Generator or None
            A seed, or a generator (or the global one) whose seed is used; its position neither counts nor moves.
        rules : mapping from pattern to initializer, or a list of such pairs, optional
            The first pattern that matches a parameter's name says its initializer: anything that `init.get` takes. A
            parameter without a match is drawn by the initializer that it has. Patterns are those of
            `fnmatch.fnmatchcase`, on the whole qualified name: "encoder.*", "*.weight" (which also matches the
            "weight" of a model that is a lone layer). One that begins with the name of a class, "Linear.bias",
            "BatchNorm1d.*", is for all layers of that class. `init.presets` has ready ones.
        dry_run : bool
            Print what each parameter would get, and change nothing.

        Returns
        -------
        Module
            The model itself.

        Raises
        ------
        ValueError, TypeError
            If a pattern matches no parameter (one for a class in `minidl.nn` that the model has no layer of is not a
            mistake), an initializer is unknown, cannot be drawn for a parameter, or gives anything but finite numbers
            of its shape. The model is left as it was.

        Notes
        -----
        Parameters whose values were loaded, or that have no initializer and no rule, stay as they are. A parameter
        that two layers share is drawn once, under its first name, and only that name counts for the rules. Gradients
        are forgotten; buffers stay, and so does what an optimizer remembers: make a new one.

        Examples
        --------
        >>> from minidl import init, nn
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> rules = {"2.*": init.Zeros(), "*.weight": init.HeNormal()}
        >>> model.initialize(rng=0, rules=rules, dry_run=True)[0].weight.initializer
        parameter  shape   initializer                     fan_in  fan_out  drawn from                 std
        0.weight   (2, 3)  HeNormal(a=0.0, mode='fan_in')  3       2        seed 0, stream '0.weight'  0.8165
        0.bias     (2,)    Zeros()                         3       2        seed 0, stream '0.bias'    0
        2.weight   (1, 2)  Zeros()                         2       1        seed 0, stream '2.weight'  0
        2.bias     (1,)    Zeros()                         2       1        seed 0, stream '2.bias'    0
        XavierUniform(gain=1.0)
        """
        initialize(self, Module, rng, rules, dry_run)
        return self

    def describe(self) -> Description:
        """What made every parameter, and how its values compare: a table to print, and a list of its rows.

        Each row has the name, shape, initializer, fans and origin of a parameter, and as `theory` and `actual` the mean,
        standard deviation and bounds that its initializer states (None where it states none) and that its values have now,
        after whatever training there was.

        Examples
        --------
        >>> from minidl import nn
        >>> rows = nn.Linear(500, 400).initialize(rng=0).describe()
        >>> rows[0].name, rows[0].initializer, rows[0].origin.stream
        ('weight', XavierUniform(gain=1.0), 'weight')
        >>> round(rows[0].theory.std, 5), round(rows[0].actual.std, 5)
        (0.04714, 0.04708)
        """
        return Description(self)

    def explore(self) -> Any:
        """The explorer with a network of this model's shape and initializers, in a notebook: sliders, and what they do.

        Returns
        -------
        Explorer
            What a notebook shows; its `link` stands behind the address of the page that `python -m minidl.explore` opens.

        Raises
        ------
        ValueError
            If the explorer cannot show this model; see `minidl.explore.link`, which says what it can.

        Examples
        --------
        >>> from minidl import nn
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3))
        >>> model.explore().link
        '#data=spirals&activation=tanh&init=xavier_uniform&norm=0&depth=2&width=8&gain=1&bias=0'
        """
        from ..explore import Explorer

        return Explorer(self)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers, by name; row-major, as formats of files want them."""
        return {name: np.array(_array_of(value), order="C") for name, _, _, value in self._state()}

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> "Unmatched":
        """Overwrite parameters and buffers with those of a state_dict: minidl's, or PyTorch's.

        Parameters
        ----------
        state_dict : dict from name to array (or anything that np.asarray takes)
        strict : bool
            Whether a name that is missing on either side is an error.

        Returns
        -------
        Unmatched
            The names that only one side had: (missing_keys, unexpected_keys).

        Raises
        ------
        ValueError
            If names or shapes don't fit, values are not numbers, NaN or infinite, a variance is negative, or an array of the
            model is read-only. Nothing has been changed then.
        """
        at_once(operator.call, self._loading(state_dict, strict))
        own = {name for name, *_ in self._state()}
        return Unmatched(sorted(own - set(state_dict)), sorted(str(name) for name in state_dict if name not in own))

    def _loading(self, state_dict: Any, strict: bool = True) -> list[Callable[[], Any]]:
        """What load_state_dict does, checked, and not yet done: calls for `at_once`."""
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict takes a dict from names to arrays, got {type(state_dict).__name__}")
        own = {name: (value, module._buffers.get(attribute)) for name, module, attribute, value in self._state()}
        problems = []
        missing, unexpected = set(own) - set(state_dict), set(state_dict) - set(own)
        if strict and missing:
            problems.append(f"missing: {', '.join(sorted(missing))}")
        if strict and unexpected:
            problems.append(f"unexpected: {', '.join(sorted(map(str, unexpected)))}")
        calls: list[Callable[[], Any]] = []  # all is checked before the first value is written
        for name in (name for name in own if name in state_dict):
            value, least = own[name]
            try:
                if not _array_of(value).flags.writeable:
                    raise ValueError("the model's own array is read-only; make it of a copy")
                new = fitting(state_dict[name], _array_of(value), -math.inf if least is None else least)
            except ValueError as error:
                problems.append(f"{name}: {error}")
            else:
                calls += replacing(value, new, init.Given("state_dict"), None)
        if problems:
            names_differ = strict and (missing or unexpected)
            hint = "; with strict=False, names that one side lacks are passed over" if names_differ else ""
            raise ValueError(f"load_state_dict of {type(self).__name__}: {'; '.join(problems)}{hint}")
        return calls

    def _settled(self, name: str, drawn: np.ndarray) -> np.ndarray:
        """What `initialize` gives a parameter of this layer, of the values that were drawn for it."""
        return drawn

    def extra_repr(self) -> str:
        """What stands in the parentheses of the repr, before the children; here, the initializers of its own parameters."""
        own = self._own_parameters()
        return ", ".join(f"{name}_init={parameter.initializer}" for name, parameter in own if parameter.initializer)

    def __repr__(self):
        self._check_tree()
        lines = [self.extra_repr()] if self.extra_repr() else []
        children = [f"({name}): {child!r}" for name, child in self.named_children()]
        if not children:
            return f"{type(self).__name__}({', '.join(lines)})"
        inner = "\n".join([*lines, *children]).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {inner}\n)"


def _parts_of(name: str, value: Any, above: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The Parameters and Modules that an attribute holds: itself, or those in a list, tuple or dict."""
    if isinstance(value, (Parameter, Module)):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        if id(value) in above:
            raise ValueError(f"{name!r} is a list or dict that is in itself; a module's lists and dicts must form a tree")
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, (Parameter, Module, list, tuple, dict)):  # sorts out plain data, of which there may be a lot
                for part in _parts_of(f"{name}.{key}" if name else str(key), item, (*above, id(value))):
                    if isinstance(value, dict) and (not isinstance(key, str) or "." in key):
                        raise TypeError(f"{name!r}: the keys of Parameters and Modules are strings without a dot, got {key!r}")
                    yield part


def _modules_in(name: str, value: Any) -> Iterator[tuple[str, Module]]:
    return (part for part in _parts_of(name, value) if isinstance(part[1], Module))


def _part_of_itself(module: Module, name: str) -> ValueError:
    return ValueError(f"{type(module).__name__}: {name!r} would make it a part of itself; a model must be a tree of modules")


def _like(value: Any) -> str:
    """What an array is, in words."""
    if not isinstance(value, (np.ndarray, Tensor)) or isinstance(value, Parameter):
        return type(value).__name__
    return f"{value.dtype} of shape {value.shape}"


def _array_of(value: Any) -> np.ndarray:
    return value.data if isinstance(value, Tensor) else value


def check_input(layer: Module, x: Any, dtype: np.dtype) -> Tensor:
    """x as a tensor of the layer's dtype. Lists and integers are converted; another float dtype is an error."""
    if type(x) is Tensor and x.dtype is dtype:
        return x  # the usual case, first
    try:
        refuse_masks(x)
    except TypeError as error:
        raise InputError(layer, f"cannot take {type(x).__name__}: {error}") from error
    if not isinstance(x, (Tensor, np.ndarray)) or x.dtype.kind in "iub":
        try:
            if x is None:
                raise TypeError("None is not a number")
            return Tensor(np.asarray(_lists(x), dtype))
        except (ValueError, TypeError) as error:
            raise InputError(layer, f"expects numbers, got {type(x).__name__} ({error})") from error
    if x.dtype != dtype:
        other = f", or make the layer with dtype=np.{x.dtype}" if x.dtype in (np.float32, np.float64) else ""
        raise InputError(layer, f"has {dtype} parameters, got {x.dtype} input; give it {dtype} data{other}")
    return as_tensor(x)
