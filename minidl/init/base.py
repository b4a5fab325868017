"""What an initializer is, what `get` makes of an argument such as `weight_init=`, and how a layer draws from it.

An initializer is an object that a layer takes (`Linear(64, 10, weight_init=HeNormal())`). Called with a shape it returns an
array; it holds no random state, so one object given to two layers makes two different matrices. The fans come from the layer.
`distributions.py` and `matrices.py` have the initializers, `random.py` does the sampling.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from ..names import named, similar
from ..ownership import is_unshared
from ..random import Generator, as_generator
from ..tensor import Tensor, _lists, overwriting, refuse_masks

__all__ = ["Constant", "Custom", "Fans", "Given", "Initializer", "Moments", "Origin", "fans", "get"]

Shape = tuple[int, ...]
Fans = tuple[int, int] | None


class Moments(NamedTuple):
    """What is known of the values of an array: None for what is not."""

    mean: float | None = None
    std: float | None = None
    low: float | None = None
    high: float | None = None


class Initializer:
    """The base of all initializers: its parameters are set once and never change.

    Subclasses say in `sample` how an array is made and, where theory knows them, in `moments` its mean, standard deviation and
    bounds. What their `__init__` passes on to this one is checked to be numbers.

    Examples
    --------
    >>> from minidl.init import XavierUniform
    >>> XavierUniform()((2, 3), rng=0)
    array([[-0.22117823,  0.8336779 ,  0.51642084],
           [ 0.23109901,  1.0346286 , -0.30214334]], dtype=float32)
    """

    def __init__(self, **parameters: Any):
        vars(self).update(parameters)
        for name, value in parameters.items():
            number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
            if name not in ("mode", "distribution") and not (number and math.isfinite(value)):
                raise ValueError(f"{type(self).__name__}: {name} must be a finite number, got {value!r}")
            if name in ("std", "scale", "gain") and value < 0:
                raise ValueError(f"{type(self).__name__}: {name} must be at least 0, got {value}")

    def __setattr__(self, name, value):
        if name in vars(self):
            raise AttributeError(f"{self} is shared by the layers that took it, so it cannot change; make another one")
        vars(self)[name] = value

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def __eq__(self, other):
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self):
        return hash((type(self), *vars(self).values()))

    def __copy__(self, memo=None):
        return self

    __deepcopy__ = __copy__

    def __call__(
        self,
        shape: Shape,
        rng: Generator | int | None = None,
        *,
        fan_in: int | None = None,
        fan_out: int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> np.ndarray:
        """An array of this shape, drawn by this initializer.

        Parameters
        ----------
        shape : int or tuple of int
        rng : Generator, int or None
            See `minidl.random.as_generator`.
        fan_in, fan_out : int, optional
            How many inputs a unit sums over, and how many units an input feeds. Where the caller does not say, they are
            read off the shape, as `fans` does.
        dtype : float32 or float64
        """
        shape = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in shape):
            raise ValueError(f"{self}: a shape consists of non-negative integers, got {shape}")
        known = fans(shape)
        if fan_in is not None or fan_out is not None:
            read_in, read_out = known or (None, None)
            known = check_fans((read_in if fan_in is None else fan_in, read_out if fan_out is None else fan_out))
        try:
            return self.sample(shape, known, as_generator(rng), np.dtype(dtype))
        except TypeError as error:
            if known is None and "NoneType" in str(error):  # a user's own, which takes it for granted that there are fans
                need_fans(self, shape, known)
            raise

    def sample(self, shape: Shape, fans: Fans, rng: Generator, dtype: np.dtype) -> np.ndarray:
        """An array of this shape and dtype. `fans` is (fan_in, fan_out), or None where neither layer nor shape has any."""
        raise TypeError(f"{type(self).__name__} needs a method sample(self, shape, fans, rng, dtype) that returns an array")

    def moments(self, shape: Shape, fans: Fans) -> Moments:
        """Mean, standard deviation and bounds of an element of such an array, by theory.

        Examples
        --------
        >>> from minidl.init import XavierUniform
        >>> XavierUniform().moments((400, 500), fans=(500, 400)).std  # sqrt(2 / 900)
        0.04714045207910317
        """
        return Moments()


def fans(shape: Shape) -> Fans:
    """(fan_in, fan_out) of a weight of shape (out, in, ...), PyTorch's reading; None for fewer than two axes.

    Further axes are those of a convolution's kernel: each of its places multiplies both fans.

    Examples
    --------
    >>> fans((400, 500)), fans((8, 3, 5, 5)), fans((7,))
    ((500, 400), (75, 200), None)
    """
    if len(shape) < 2:
        return None
    receptive_field = math.prod(shape[2:])
    return shape[1] * receptive_field, shape[0] * receptive_field


def check_fans(fans: Any) -> tuple[int, int]:
    if not (isinstance(fans, (tuple, list)) and len(fans) == 2):
        raise ValueError(f"fans are (fan_in, fan_out), got {fans!r}")
    if not all(isinstance(fan, (int, np.integer)) and fan >= 0 for fan in fans):
        raise ValueError(f"fan_in and fan_out must be non-negative integers, got {fans[0]!r} and {fans[1]!r}")
    return int(fans[0]), int(fans[1])


def need_fans(initializer: Initializer, shape: Shape, fans: Fans) -> None:
    if fans is None:
        raise ValueError(
            f"{initializer} needs fan_in and fan_out, and shape {shape} has none: it takes at least two axes, or fans that a "
            "layer states; give this parameter another initializer"
        )


def choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")


# What a layer takes: an initializer, its name, a number, an array or a function


class Constant(Initializer):
    """Every element is `value`: for biases and scales. As weights, all units of a layer begin alike and get equal gradients.

    So they stay alike, and the layer does the work of one unit, however long it is trained: see examples/zero_vs_xavier.py.

    Examples
    --------
    >>> Constant(0.1)((2, 2)).tolist() == [[np.float32(0.1)] * 2] * 2
    True
    """

    value: float

    def __init__(self, value: float):
        super().__init__(value=value)

    def sample(self, shape, fans, rng, dtype):
        return np.full(shape, self.value, dtype)

    def moments(self, shape, fans):
        return Moments(self.value, 0.0, self.value, self.value)


class Given(Initializer):
    """Values that were not drawn here. `source` says where they are from: an array, or a loaded state_dict.

    Examples
    --------
    >>> get([1.0, 2.0])((2,))
    array([1., 2.])
    """

    source: str
    values: np.ndarray | None

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(self, source: str, values: np.ndarray | None = None):
        vars(self).update(source=source, values=values)

    def __repr__(self):
        return f"Given({self.source!r})"

    def sample(self, shape, fans, rng, dtype):
        return self.values


class Custom(Initializer):
    """A function (shape, rng) -> array.

    Examples
    --------
    >>> get(lambda shape, rng: rng.uniform(shape) ** 2)((2,), rng=0)
    array([0.15923804, 0.77531576], dtype=float32)
    """

    function: Callable[[Shape, Generator], np.ndarray]

    def __init__(self, function: Callable[[Shape, Generator], np.ndarray]):
        vars(self).update(function=function)

    def __repr__(self):
        return f"Custom({getattr(self.function, '__qualname__', repr(self.function))})"

    def sample(self, shape, fans, rng, dtype):
        return self.function(shape, rng)

    def __reduce__(self):
        import pickle

        try:
            pickle.dumps(self.function)
        except (pickle.PicklingError, AttributeError, TypeError):  # a lambda, or a function inside another one
            return Custom, (_Lost(repr(self)),)
        return Custom, (self.function,)


class _Lost:
    """Stands for a function that could not be pickled; only its name could."""

    def __init__(self, name: str):
        self.__qualname__ = name.removeprefix("Custom(").removesuffix(")")

    def __call__(self, shape: Shape, rng: Generator) -> np.ndarray:
        raise ValueError(
            f"the function {self.__qualname__} could not be pickled with the model, so it is not known here; define it at the "
            "top of a module, or give the parameter another initializer by a rule"
        )


_BY_NAME: dict[str, type[Initializer]] = {}
_Class = TypeVar("_Class", bound=type[Initializer])


def called(*names: str) -> Callable[[_Class], _Class]:
    """A decorator: `get` knows the class, which needs no arguments, by these names."""

    def register(initializer: _Class) -> _Class:
        _BY_NAME.update(dict.fromkeys(names, initializer))
        return initializer

    return register


def get(spec: Any) -> Initializer:
    """The initializer that an argument like `weight_init=` means: an initializer, a name, a number, an array or a function.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is none of these.

    Examples
    --------
    >>> get("he_normal"), get(0.1)
    (HeNormal(a=0.0, mode='fan_in'), Constant(value=0.1))
    """
    if isinstance(spec, Initializer):
        return spec
    if isinstance(spec, str):
        if spec not in _BY_NAME:
            near = " or ".join(map(repr, similar(spec, _BY_NAME)))
            raise ValueError(f"no initializer is called {spec!r}; did you mean {near}? Known: {', '.join(_BY_NAME)}")
        return _BY_NAME[spec]()
    if isinstance(spec, (int, float, np.number)) and not isinstance(spec, bool):
        return Constant(float(spec))
    if isinstance(spec, (np.ndarray, list, tuple, Tensor)):
        return Given("array", np.array(_lists(spec.data if isinstance(spec, Tensor) else spec)))
    if isinstance(spec, type) and issubclass(spec, Initializer):
        raise TypeError(f"an initializer is an object: write {spec.__name__}(...), not {spec.__name__}")
    if callable(spec):
        return Custom(spec)
    raise TypeError(
        "an initializer is an object like XavierUniform(), a name like 'xavier_uniform', a number, an array, or a function "
        f"(shape, rng) -> array; got {type(spec).__name__}"
    )


# What a parameter is told, and how its values are drawn and replaced


class Origin(NamedTuple):
    """Where the numbers of a parameter came from: `Generator(seed)`, or its stream of this name, from this position on.

    Examples
    --------
    >>> print(Origin(seed=0, stream="fc1.weight"))
    seed 0, stream 'fc1.weight'
    """

    seed: int
    position: int = 0
    stream: str | None = None

    def __str__(self):
        return (
            f"seed {self.seed}, position {self.position}"
            if self.stream is None
            else f"seed {self.seed}, stream {self.stream!r}"
        )


def draw(argument: str, initializer: Initializer, shape: Shape, fans: Fans, rng: Generator, dtype: DTypeLike) -> np.ndarray:
    """A finite array of this shape and dtype for a layer with these fans, whatever the initializer returns.

    Raises
    ------
    ValueError, TypeError
        If the initializer returns something else. The message begins with `argument`, which says whose initializer it is.
    """
    fan_in, fan_out = fans or (None, None)
    with named(argument), np.errstate(over="ignore"):
        values = initializer(shape, rng, fan_in=fan_in, fan_out=fan_out, dtype=dtype)
        if values is None:
            raise ValueError(f"{initializer} returned None; it must return the array")
        refuse_masks(values)
        values = np.asarray(values)
    if values.shape != tuple(shape):
        raise ValueError(f"{argument}: {initializer} gave an array of shape {values.shape}, expected {tuple(shape)}")
    if values.dtype.kind != "f" and not (isinstance(initializer, Given) and values.dtype.kind in "iu"):
        raise TypeError(
            f"{argument}: {initializer} gave an array of {values.dtype}, expected float32 or float64; use .astype()"
        )
    shared = not is_unshared(values)  # the initializer may have kept it, to hand it out again
    with np.errstate(over="ignore"):
        values = values.astype(dtype, copy=shared)
    if values.size and not (math.isfinite(values.min()) and math.isfinite(values.max())):  # NaN is both; no array of flags
        raise ValueError(f"{argument}: {initializer} gave NaN or infinity in {np.dtype(dtype)}; no network learns from these")
    return values


def replacing(
    target: Tensor | np.ndarray, values: np.ndarray, initializer: Initializer, origin: Origin | None
) -> list[Callable[[], Any]]:
    """What to call, by `at_once(operator.call, ...)`, to overwrite a tensor or an array, and tell a parameter what made it."""
    calls = overwriting(target.data if isinstance(target, Tensor) else target, values)
    if hasattr(target, "initializer") and hasattr(target, "origin"):  # a Parameter
        calls += [partial(setattr, target, "initializer", initializer), partial(setattr, target, "origin", origin)]
    return calls
