"""The laws that weights start from.

A law is an object that a layer takes (`Linear(64, 10, weight_init=HeNormal())`). Called with a shape it returns an array; it
holds no random state, so one object given to two layers makes two different matrices. The fans come from the layer. The
sampling itself is in `random.py`.
"""

import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..gaussian import gauss_legendre
from ..names import similar
from ..ownership import is_unshared
from ..random import Generator, as_generator
from ..tensor import Tensor, _lists, refuse_masks

Shape = tuple[int, ...]
Fans = tuple[int, int] | None


class Moments(NamedTuple):
    """What is known of the values of an array: None for what is not."""

    mean: float | None = None
    std: float | None = None
    low: float | None = None
    high: float | None = None


class Initializer:
    """A law and its parameters, which are set once and never change.

    Subclasses say in `sample` how an array is made and, where theory knows them, in `moments` its mean, standard deviation and
    bounds. What their `__init__` passes on to this one is checked to be numbers.

    Examples
    --------
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
        """An array of this shape, drawn by this law.

        Parameters
        ----------
        shape : int or tuple of int
        rng : Generator, int or None
            See `minidl.random.as_generator`.
        fan_in, fan_out : int, optional
            How many inputs a unit sums up, and how many units an input feeds. Where the caller does not say, they are
            read off the shape, as `fans` does.
        dtype : float32 or float64
        """
        shape = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in shape):
            raise ValueError(f"{self}: a shape is whole numbers, none negative, got {shape}")
        known = fans(shape)
        if fan_in is not None or fan_out is not None:
            read_in, read_out = known or (None, None)
            known = check_fans((read_in if fan_in is None else fan_in, read_out if fan_out is None else fan_out))
        try:
            return self.sample(shape, known, as_generator(rng), np.dtype(dtype))
        except TypeError as error:
            if known is None and "NoneType" in str(error):  # a law of one's own that takes it for granted that there are fans
                need_fans(self, shape, known)
            raise

    def sample(self, shape: Shape, fans: Fans, rng: Generator, dtype: np.dtype) -> np.ndarray:
        """An array of this shape and dtype. `fans` is (fan_in, fan_out), or None where neither layer nor shape has any."""
        raise TypeError(f"{type(self).__name__} needs a method sample(self, shape, fans, rng, dtype) that returns an array")

    def moments(self, shape: Shape, fans: Fans) -> Moments:
        """Mean, standard deviation and bounds of an element of such an array, by theory.

        Examples
        --------
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
        raise ValueError(f"fan_in and fan_out must be whole numbers from 0, got {fans[0]!r} and {fans[1]!r}")
    return int(fans[0]), int(fans[1])


class Constant(Initializer):
    """Every element is `value`: for biases and scales. As weights, all units of a layer start alike and get like gradients.

    So they stay alike, and the layer is as good as one unit, however long it is trained: see examples/zero_vs_xavier.py.

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


class Zeros(Initializer):
    """Every element is 0: the usual start of a bias, and of the last layer of a residual branch (see `Fixup`).

    As weights they let no gradient through, so nothing before learns; all of a tanh or ReLU network at 0 never learns.

    Examples
    --------
    >>> Zeros()((3,))
    array([0., 0., 0.], dtype=float32)
    """

    def sample(self, shape, fans, rng, dtype):
        return np.zeros(shape, dtype)

    def moments(self, shape, fans):
        return Moments(0.0, 0.0, 0.0, 0.0)


class Ones(Initializer):
    """Every element is 1: the usual start of the scale in batch norm. As weights: see `Constant`.

    Examples
    --------
    >>> Ones()((3,))
    array([1., 1., 1.], dtype=float32)
    """

    def sample(self, shape, fans, rng, dtype):
        return np.ones(shape, dtype)

    def moments(self, shape, fans):
        return Moments(1.0, 0.0, 1.0, 1.0)


class Uniform(Initializer):
    """Uniform on [low, high): mean (low + high) / 2, variance (high - low)^2 / 12, whatever the width of the layer.

    For weights the scale must fit fan_in: on -+0.1 a linear layer of 500 inputs multiplies the variance of the signal by
    500 0.01 / 3 = 1.67, one of 50 by 0.167, and over ten layers that is 165 or 2e-8. `VarianceScaling` adapts it.

    Examples
    --------
    >>> Uniform(-0.1, 0.1)((3,), rng=0)
    array([-0.02019072,  0.07610404,  0.04714256], dtype=float32)
    """

    low: float
    high: float

    def __init__(self, low: float = 0.0, high: float = 1.0):
        super().__init__(low=low, high=high)
        if low > high:
            raise ValueError(f"{self} has low > high")

    def sample(self, shape, fans, rng, dtype):
        return rng.uniform(shape, self.low, self.high, dtype)

    def moments(self, shape, fans):
        return Moments((self.low + self.high) / 2, (self.high - self.low) / math.sqrt(12), self.low, self.high)


class Normal(Initializer):
    """Normal with this mean and standard deviation, whatever the width of the layer.

    The same caution as for `Uniform`: a std of 0.01 shrinks the variance of the signal by fan_in / 10,000 a layer, one of 1
    makes it fan_in times as large, so that tanh saturates.

    Examples
    --------
    >>> Normal(std=0.01)((3,), rng=0)
    array([-0.00255816,  0.01177591,  0.00630184], dtype=float32)
    """

    mean: float
    std: float

    def __init__(self, mean: float = 0.0, std: float = 1.0):
        super().__init__(mean=mean, std=std)

    def sample(self, shape, fans, rng, dtype):
        return rng.normal(shape, self.mean, self.std, dtype)

    def moments(self, shape, fans):
        return Moments(self.mean, self.std, -math.inf, math.inf)


class TruncatedNormal(Initializer):
    """Normal, given that it lies in [low, high]: values, not numbers of standard deviations (as in trunc_normal_).

    No weight is far out, so no unit starts saturated. The standard deviation after the cut is smaller than `std`: by 0.8796
    for a cut at mean -+ 2 std; who forgets that loses 23 % of the variance in every layer. `VarianceScaling` corrects it.

    Examples
    --------
    >>> TruncatedNormal(std=0.5, low=-1.0, high=1.0)((3,), rng=0)
    array([-0.1219684 ,  0.5474195 ,  0.29886174], dtype=float32)
    """

    mean: float
    std: float
    low: float
    high: float

    def __init__(self, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0):
        super().__init__(mean=mean, std=std, low=low, high=high)
        if low > high:
            raise ValueError(f"{self} has low > high")

    def sample(self, shape, fans, rng, dtype):
        return rng.truncated_normal(shape, self.mean, self.std, self.low, self.high, dtype)

    def moments(self, shape, fans):
        """Mean and standard deviation of what is left after the cut, by Gauss-Legendre quadrature of the density."""
        if self.std == 0 or self.low == self.high:
            value = min(max(self.mean, self.low), self.high)
            return Moments(value, 0.0, self.low, self.high)
        low, high = (self.low - self.mean) / self.std, (self.high - self.mean) / self.std
        densest = min(max(0.0, low), high)
        reach = 40 / max(abs(densest), 4.5)  # beyond it the density has fallen by exp(-40)
        low, high = max(low, densest - reach), min(high, densest + reach)
        node, weight = gauss_legendre(100)
        z = low + (high - low) * (node + 1) / 2
        weight = weight * np.exp((densest - z) * (densest + z) / 2)
        mean = np.average(z, weights=weight)
        std = math.sqrt(np.average((z - mean) ** 2, weights=weight))
        return Moments(float(self.mean + self.std * mean), self.std * std, self.low, self.high)


# The standard deviation of a standard normal cut at -+2: sqrt(1 - 4 p(2) / (P(2) - P(-2))), p the density, P its integral.
CUT_STD = 0.8796256610342398


class VarianceScaling(Initializer):
    """Mean 0 and variance scale / n, where n is a fan: the family behind Xavier, He and LeCun.

    A unit y = sum of w_i x_i over fan_in inputs has variance fan_in var(w) E[x^2]. So var(w) = scale / fan_in multiplies
    the signal by `scale` from layer to layer, and, backwards, var(w) = scale / fan_out multiplies the gradient.

    Parameters
    ----------
    scale : float
    mode : "fan_in", "fan_out", "fan_avg" or "fan_geo_avg"
        n; "fan_avg" is (fan_in + fan_out) / 2, "fan_geo_avg" is sqrt(fan_in fan_out).
    distribution : "normal", "truncated_normal" or "uniform"
        Uniform on -+sqrt(3 scale / n). The truncated normal is cut at two standard deviations and widened by 1 / 0.8796, so
        that its variance is scale / n too.

    Examples
    --------
    >>> VarianceScaling(2.0, "fan_in").std(fan_in=500, fan_out=400)  # sqrt(2 / 500)
    0.06324555320336758
    """

    scale: float
    mode: str
    distribution: str

    def __init__(
        self,
        scale: float = 1.0,
        mode: Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"] = "fan_in",
        distribution: Literal["normal", "truncated_normal", "uniform"] = "normal",
    ):
        super().__init__(scale=scale, mode=mode, distribution=distribution)
        choice("mode", mode, ("fan_in", "fan_out", "fan_avg", "fan_geo_avg"))
        choice("distribution", distribution, ("normal", "truncated_normal", "uniform"))

    def std(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation of the weights of a layer with these fans."""
        averages = {"fan_avg": (fan_in + fan_out) / 2, "fan_geo_avg": math.sqrt(fan_in * fan_out)}
        n = {"fan_in": fan_in, "fan_out": fan_out, **averages}[self.mode]
        return math.sqrt(self.scale / n) if n else 0.0

    def at(self, fan_in: int, fan_out: int) -> Initializer:
        """The law that this is for a layer with these fans: a Normal, Uniform or TruncatedNormal one."""
        std = self.std(fan_in, fan_out)
        if self.distribution == "normal":
            return Normal(0.0, std)
        if self.distribution == "uniform":
            bound = math.sqrt(3) * std
            return Uniform(-bound, bound)
        std /= CUT_STD
        return TruncatedNormal(0.0, std, -2 * std, 2 * std)

    def sample(self, shape, fans, rng, dtype):
        need_fans(self, shape, fans)
        return self.at(*fans).sample(shape, fans, rng, dtype)

    def moments(self, shape, fans):
        return self.at(*fans).moments(shape, fans) if fans else Moments()


class _Scaled(Initializer):
    """A named member of the family: `scaling` says which."""

    @property
    def scaling(self) -> VarianceScaling:
        raise NotImplementedError

    def sample(self, shape, fans, rng, dtype):
        need_fans(self, shape, fans)
        return self.scaling.sample(shape, fans, rng, dtype)

    def moments(self, shape, fans):
        return self.scaling.moments(shape, fans)


class XavierUniform(_Scaled):
    """Uniform on -+gain sqrt(6 / (fan_in + fan_out)): variance gain^2 2 / (fan_in + fan_out). Also called Glorot.

    A compromise between keeping the variance of the signal (1 / fan_in) and of the gradient (1 / fan_out), for activations
    that are the identity near 0, such as tanh. With ReLU the signal shrinks by sqrt 2 a layer: take He's. Sigmoid's slope
    is at most 1/4, so that a gradient loses 15/16 of its variance or more in every layer.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    equation 16.

    Examples
    --------
    >>> w = XavierUniform()((400, 500), rng=0)
    >>> float(abs(w).max()) <= (6 / 900) ** 0.5, round(float(w.std()), 3)  # sqrt(2 / 900) is 0.047
    (True, 0.047)
    """

    gain: float

    def __init__(self, gain: float = 1.0):
        super().__init__(gain=gain)

    @property
    def scaling(self):
        return VarianceScaling(self.gain**2, "fan_avg", "uniform")


class XavierNormal(_Scaled):
    """Normal with variance gain^2 2 / (fan_in + fan_out): `XavierUniform`'s variance, for the same use.

    (Often 1 / fan_in is called Xavier's; that is LeCun's, equal only where fan_in = fan_out.)

    Source: Glorot and Bengio 2010, equation 12.

    Examples
    --------
    >>> round(float(XavierNormal()((400, 500), rng=0).std()), 3)
    0.047
    """

    gain: float

    def __init__(self, gain: float = 1.0):
        super().__init__(gain=gain)

    @property
    def scaling(self):
        return VarianceScaling(self.gain**2, "fan_avg", "normal")


GlorotUniform, GlorotNormal = XavierUniform, XavierNormal


class HeUniform(_Scaled):
    """Uniform on -+sqrt(6 / ((1 + a^2) n)): `HeNormal`'s variance, for the same use. Also called Kaiming.

    (a = sqrt 5, PyTorch's default for its layers, gives -+1 / sqrt n: variance 1 / (3 n), a third of LeCun's.)

    Source: He, Zhang, Ren and Sun 2015, equations 10, 14 and 15, for the variance; they draw from the normal law.

    Examples
    --------
    >>> round(float(HeUniform()((400, 500), rng=0).std()), 3)  # sqrt(2 / 500)
    0.063
    """

    a: float
    mode: Literal["fan_in", "fan_out"]

    def __init__(self, a: float = 0.0, mode: Literal["fan_in", "fan_out"] = "fan_in"):
        super().__init__(a=a, mode=mode)
        choice("mode", mode, ("fan_in", "fan_out"))

    @property
    def scaling(self):
        return VarianceScaling(2 / (1 + self.a**2), self.mode, "uniform")


class HeNormal(_Scaled):
    """Normal with variance 2 / ((1 + a^2) n), n = fan_in (or fan_out). Also called Kaiming.

    For ReLU (a = 0) and leaky ReLU with slope a: they halve E[x^2] (or leave (1 + a^2) / 2 of it), and the 2 makes up for it.
    fan_in keeps the signal, fan_out the gradient. With tanh the signal is larger than it should be; without activation it
    doubles its variance in every layer.

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, equations 10, 14 and 15.

    Examples
    --------
    >>> round(float(HeNormal()((400, 500), rng=0).std()), 3)  # sqrt(2 / 500)
    0.063
    """

    a: float
    mode: Literal["fan_in", "fan_out"]

    def __init__(self, a: float = 0.0, mode: Literal["fan_in", "fan_out"] = "fan_in"):
        super().__init__(a=a, mode=mode)
        choice("mode", mode, ("fan_in", "fan_out"))

    @property
    def scaling(self):
        return VarianceScaling(2 / (1 + self.a**2), self.mode, "normal")


KaimingUniform, KaimingNormal = HeUniform, HeNormal


class LecunUniform(_Scaled):
    """Uniform on -+sqrt(3 / fan_in): variance 1 / fan_in, `LecunNormal`'s, for the same use.

    Source: LeCun, Bottou, Orr and Müller 1998, equation 16, for the variance.

    Examples
    --------
    >>> round(float(LecunUniform()((400, 500), rng=0).std()), 3)  # 1 / sqrt(500)
    0.045
    """

    @property
    def scaling(self):
        return VarianceScaling(1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Normal with variance 1 / fan_in: keeps the variance of the signal through a linear layer.

    For SELU, which needs it, and for tanh. With ReLU the signal shrinks by sqrt 2 a layer: take He's.

    Source: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, equation 16.

    Examples
    --------
    >>> round(float(LecunNormal()((400, 500), rng=0).std()), 3)  # 1 / sqrt(500)
    0.045
    """

    @property
    def scaling(self):
        return VarianceScaling(1.0, "fan_in", "normal")


# What else a layer takes, as laws


class Given(Initializer):
    """Values that were not drawn here. `source` says where they are from: an array, or a loaded state_dict.

    Examples
    --------
    >>> law([1.0, 2.0])((2,))
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
    >>> law(lambda shape, rng: rng.uniform(shape) ** 2)((2,), rng=0)
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
            "top of a module, or say in a rule what the parameter should start from"
        )


BY_NAME: dict[str, Callable[[], Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "uniform": Uniform,
    "normal": Normal,
    "truncated_normal": TruncatedNormal,
    "xavier_uniform": XavierUniform,
    "xavier_normal": XavierNormal,
    "glorot_uniform": XavierUniform,
    "glorot_normal": XavierNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "kaiming_uniform": HeUniform,
    "kaiming_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
}


def law(spec: Any) -> Initializer:
    """The law that an argument like `weight_init=` means: an initializer, a name, a number, an array or a function.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is none of these.

    Examples
    --------
    >>> law("he_normal"), law(0.1)
    (HeNormal(a=0.0, mode='fan_in'), Constant(value=0.1))
    """
    if isinstance(spec, Initializer):
        return spec
    if isinstance(spec, str):
        if spec not in BY_NAME:
            near = " or ".join(map(repr, similar(spec, BY_NAME)))
            raise ValueError(f"no initializer is called {spec!r}; did you mean {near}? Known: {', '.join(BY_NAME)}")
        return BY_NAME[spec]()
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


def draw(argument: str, law: Initializer, shape: Shape, fans: Fans, rng: Generator, dtype: DTypeLike) -> np.ndarray:
    """An array by this law for a layer with these fans; whatever the law returns, it is a finite array of this shape and dtype.

    Raises
    ------
    ValueError, TypeError
        If the law returns something else. The message begins with `argument`, which says whose law it is.
    """
    fan_in, fan_out = fans or (None, None)
    with named(argument), np.errstate(over="ignore"):
        values = law(shape, rng, fan_in=fan_in, fan_out=fan_out, dtype=dtype)
        if values is None:
            raise ValueError(f"{law} returned None; it must return the array")
        refuse_masks(values)
        values = np.asarray(values)
    if values.shape != tuple(shape):
        raise ValueError(f"{argument}: {law} gave an array of shape {values.shape}, expected {tuple(shape)}")
    if values.dtype.kind != "f" and not (isinstance(law, Given) and values.dtype.kind in "iu"):
        raise TypeError(f"{argument}: {law} gave an array of {values.dtype}, expected float32 or float64; use .astype()")
    shared = not is_unshared(values)  # the initializer may have kept it, to hand it out again
    with np.errstate(over="ignore"):
        values = values.astype(dtype, copy=shared)
    if values.size and not (math.isfinite(values.min()) and math.isfinite(values.max())):  # NaN is both; no array of flags
        raise ValueError(f"{argument}: {law} gave NaN or infinity in {np.dtype(dtype)}; a network cannot start from these")
    return values


@contextlib.contextmanager
def named(argument: str):
    """Errors raised inside begin with the name of the argument that they are about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{argument}: {error}") from error
    except Exception as error:
        error.add_note(argument)
        raise


def need_fans(law: Initializer, shape: Shape, fans: Fans) -> None:
    if fans is None:
        raise ValueError(
            f"{law} needs fan_in and fan_out, and shape {shape} has none: it takes at least two axes, or fans that a layer "
            "states; give this parameter another law"
        )


def choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
