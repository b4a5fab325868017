"""Initializers that draw each element by itself: zeros, uniform, normal, and the family of Xavier, He and LeCun.

A fixed distribution, or one whose scale follows from the fans (`VarianceScaling` and its named members), from the number of
residual branches (`Fixup`) or from the width (`MuPOutput`). What an initializer is stands in `base.py`; those about a matrix as
a whole are in `matrices.py`, the sampling is in `random.py`.
"""

import math
from typing import ClassVar, Literal

import numpy as np

from ..gaussian import gauss_legendre
from .base import Initializer, Moments, called, choice, need_fans

__all__ = [
    "Fixup",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "KaimingNormal",
    "KaimingUniform",
    "LecunNormal",
    "LecunUniform",
    "MuPOutput",
    "Normal",
    "Ones",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
]


@called("zeros")
class Zeros(Initializer):
    """Every element is 0: usual for a bias, and for the last layer of a residual branch (see `Fixup`).

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


@called("ones")
class Ones(Initializer):
    """Every element is 1: usual for the scale in batch norm. As weights: see `Constant`.

    Examples
    --------
    >>> Ones()((3,))
    array([1., 1., 1.], dtype=float32)
    """

    def sample(self, shape, fans, rng, dtype):
        return np.ones(shape, dtype)

    def moments(self, shape, fans):
        return Moments(1.0, 0.0, 1.0, 1.0)


@called("uniform")
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


@called("normal")
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


@called("truncated_normal")
class TruncatedNormal(Initializer):
    """Normal, given that it lies in [low, high]: values, not numbers of standard deviations (as in `trunc_normal_`).

    No weight is far out, so no unit is saturated from the beginning. The standard deviation after the cut is smaller
    than `std`: by 0.8796 for a cut at mean -+ 2 std; whoever forgets that loses 23 % of the variance in every layer.
    `VarianceScaling` corrects it.

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
        """What this is for a layer with these fans: a Normal, Uniform or TruncatedNormal initializer."""
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

    distribution: ClassVar[Literal["normal", "uniform"]]

    @property
    def scaling(self) -> VarianceScaling:
        raise NotImplementedError

    def sample(self, shape, fans, rng, dtype):
        need_fans(self, shape, fans)
        return self.scaling.sample(shape, fans, rng, dtype)

    def moments(self, shape, fans):
        return self.scaling.moments(shape, fans)


class _Xavier(_Scaled):
    gain: float

    def __init__(self, gain: float = 1.0):
        super().__init__(gain=gain)

    @property
    def scaling(self):
        return VarianceScaling(self.gain**2, "fan_avg", self.distribution)


@called("xavier_uniform", "glorot_uniform")
class XavierUniform(_Xavier):
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

    distribution = "uniform"


@called("xavier_normal", "glorot_normal")
class XavierNormal(_Xavier):
    """Normal with variance gain^2 2 / (fan_in + fan_out): `XavierUniform`'s variance, for the same use.

    (Often 1 / fan_in is called Xavier's; that is LeCun's, equal only where fan_in = fan_out.)

    Source: Glorot and Bengio 2010, equation 12.

    Examples
    --------
    >>> round(float(XavierNormal()((400, 500), rng=0).std()), 3)
    0.047
    """

    distribution = "normal"


GlorotUniform, GlorotNormal = XavierUniform, XavierNormal


class _He(_Scaled):
    a: float
    mode: Literal["fan_in", "fan_out"]

    def __init__(self, a: float = 0.0, mode: Literal["fan_in", "fan_out"] = "fan_in"):
        super().__init__(a=a, mode=mode)
        choice("mode", mode, ("fan_in", "fan_out"))

    @property
    def scaling(self):
        return VarianceScaling(2 / (1 + self.a**2), self.mode, self.distribution)


@called("he_uniform", "kaiming_uniform")
class HeUniform(_He):
    """Uniform on -+sqrt(6 / ((1 + a^2) n)): `HeNormal`'s variance, for the same use. Also called Kaiming.

    (a = sqrt 5, PyTorch's default for its layers, gives -+1 / sqrt n: variance 1 / (3 n), a third of LeCun's.)

    Source: He, Zhang, Ren and Sun 2015, equations 10, 14 and 15, for the variance; they draw from the normal distribution.

    Examples
    --------
    >>> round(float(HeUniform()((400, 500), rng=0).std()), 3)  # sqrt(2 / 500)
    0.063
    """

    distribution = "uniform"


@called("he_normal", "kaiming_normal")
class HeNormal(_He):
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

    distribution = "normal"


KaimingUniform, KaimingNormal = HeUniform, HeNormal


class _Lecun(_Scaled):
    @property
    def scaling(self):
        return VarianceScaling(1.0, "fan_in", self.distribution)


@called("lecun_uniform")
class LecunUniform(_Lecun):
    """Uniform on -+sqrt(3 / fan_in): variance 1 / fan_in, `LecunNormal`'s, for the same use.

    Source: LeCun, Bottou, Orr and Müller 1998, equation 16, for the variance.

    Examples
    --------
    >>> round(float(LecunUniform()((400, 500), rng=0).std()), 3)  # 1 / sqrt(500)
    0.045
    """

    distribution = "uniform"


@called("lecun_normal")
class LecunNormal(_Lecun):
    """Normal with variance 1 / fan_in: keeps the variance of the signal through a linear layer.

    For SELU, which needs it, and for tanh. With ReLU the signal shrinks by sqrt 2 a layer: take He's.

    Source: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, equation 16.

    Examples
    --------
    >>> round(float(LecunNormal()((400, 500), rng=0).std()), 3)  # 1 / sqrt(500)
    0.045
    """

    distribution = "normal"


class Fixup(_Scaled):
    """He's normal initializer times L^(-1 / (2 m - 2)), for all layers but the last of each of L residual branches of m layers.

    At He's scale a branch adds at least as much variance as came in, so L blocks multiply it by 2^L or more. With this
    scale, and the last layer of each branch at `Zeros()`, a step of SGD changes the function by an amount that does
    not depend on depth, so that no batch norm is needed. The recipe (section 3): `Fixup` here; `Zeros()` for the last
    layer of each branch and for the classification layer; He's elsewhere; a factor for each branch (`nn.Residual(...,
    scale_init=1.0)`); biases.

    Parameters
    ----------
    branches : int
        L, at least 1.
    layers : int
        m, at least 2 (of one layer it is the last, which is initialized at 0).

    Source: Zhang, Dauphin and Ma, "Fixup initialization: residual learning without normalization", ICLR 2019, section 3.

    Examples
    --------
    >>> round(float(Fixup(branches=16)((1000, 500), rng=0).std() / (2 / 500) ** 0.5), 2)  # 1 / sqrt(16)
    0.25
    """

    distribution = "normal"
    branches: int
    layers: int

    def __init__(self, branches: int, layers: int = 2):
        super().__init__(branches=branches, layers=layers)
        for name, least in (("branches", 1), ("layers", 2)):
            value = vars(self)[name]
            if not isinstance(value, (int, np.integer)) or value < least:
                raise ValueError(f"Fixup: {name} must be an integer of at least {least}, got {value!r}")

    @property
    def scaling(self):
        return VarianceScaling(2 * self.branches ** (-1 / (self.layers - 1)), "fan_in", self.distribution)


@called("mup_output")
class MuPOutput(Initializer):
    """Normal with standard deviation gain / fan_in: the output layer of a network in muP, the maximal update parametrization.

    All other weights have variance proportional to 1 / fan_in there (LeCun's or He's initializers), and learning rates
    are those of `recipes.mup_groups`. Then, whatever the width, every layer's output changes by the same amount in a
    step, and the learning rate that is best for a narrow network is best for a wide one. With 1 / sqrt(fan_in) and one
    learning rate for all, the output changes the more the wider the network is, and training that was stable diverges:
    see `recipes.coordinate_check`.

    Source: Yang et al., "Tensor programs V: tuning large neural networks via zero-shot hyperparameter transfer", 2022 (arXiv
    2203.03466), table 3.

    Examples
    --------
    >>> round(float(MuPOutput()((1000, 100), rng=0).std()), 4)
    0.01
    """

    gain: float

    def __init__(self, gain: float = 1.0):
        super().__init__(gain=gain)

    def sample(self, shape, fans, rng, dtype):
        need_fans(self, shape, fans)
        return rng.normal(shape, 0.0, self.gain / fans[0] if fans[0] else 0.0, dtype)

    def moments(self, shape, fans):
        return Moments(0.0, self.gain / fans[0] if fans[0] else 0.0, -math.inf, math.inf) if fans else Moments()
