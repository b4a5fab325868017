"""torch.nn.init's functions: they overwrite a Tensor, a Parameter or an array by an initializer, and return it.

Names, arguments, defaults, kinds of error and warnings are those of PyTorch 2.13. What differs: an impossible number (NaN,
infinity, a negative standard deviation or gain, a sparsity beyond [0, 1]) is always a ValueError here, and what is not a tensor
is a TypeError; `generator` may be a seed; and every draw is from it, also the choice of zeros in `sparse_`, for which PyTorch
takes its global one.
"""

import functools
import math
import operator
import warnings

import numpy as np

from ..atomic import at_once
from ..names import named
from ..random import as_generator
from ..tensor import Tensor, refuse_masks
from .base import Constant, Origin, choice, replacing
from .distributions import (
    HeNormal,
    HeUniform,
    Normal,
    Ones,
    TruncatedNormal,
    Uniform,
    VarianceScaling,
    XavierNormal,
    XavierUniform,
    Zeros,
)
from .matrices import Dirac, Identity, Orthogonal, Sparse

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that torch.nn.init recommends for the standard deviation before an activation.

    Parameters
    ----------
    nonlinearity : str
        "linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu" or a convolution ("conv1d", ...).
    param : float, optional
        The negative slope of "leaky_relu", 0.01 if None.

    Examples
    --------
    >>> calculate_gain("tanh"), calculate_gain("leaky_relu", 0.2)
    (1.6666666666666667, 1.3867504905630728)
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: negative_slope {slope!r} is not a number")
        return math.sqrt(2 / (1 + slope**2))
    linear = ("linear", *(f"conv{'_transpose' * t}{d}d" for t in (False, True) for d in (1, 2, 3)))
    gains = {**dict.fromkeys((*linear, "sigmoid"), 1.0), "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    choice("nonlinearity", nonlinearity, (*gains, "leaky_relu"))
    return gains[nonlinearity]


def _in_place(function):
    """Makes, of a function that returns an initializer, one that overwrites its first argument by it."""

    @functools.wraps(function)
    def fill(*args, **kwargs):
        import inspect  # only here, for it is slow to import

        signature = inspect.signature(function)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            hint = ""
            if {"mean", "std"} & set(kwargs):
                hint = "; its mean is 0 and its std follows from the shape: for a mean and a std of your own take normal_"
            raise TypeError(f"{function.__name__}(): {error}; the call is {function.__name__}{signature}{hint}") from None
        tensor = bound.args[0]
        array = tensor.data if isinstance(tensor, Tensor) else tensor
        if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
            came = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(tensor).__name__
            raise TypeError(
                f"{function.__name__} overwrites a Tensor, a Parameter or a float32 or float64 array, got {came}; of a layer, "
                "pass layer.weight or layer.bias"
            )
        with named(function.__name__):
            refuse_masks(array)
        if not array.flags.writeable:
            raise ValueError(f"{function.__name__}: the array is read-only; pass a copy")
        initializer = function(*bound.args, **bound.kwargs)
        if initializer is None:  # there is nothing to overwrite
            return tensor
        rng = as_generator(bound.arguments.get("generator"))
        origin = Origin(rng.seed, rng.position)
        # A parameter's own fans, but not for a vector, which torch.nn.init says has none.
        fan_in, fan_out = (getattr(tensor, "fans", None) if array.ndim > 1 else None) or (None, None)
        with np.errstate(over="ignore"):
            values = initializer(array.shape, rng, fan_in=fan_in, fan_out=fan_out, dtype=array.dtype)
        if not np.isfinite(values).all():
            raise ValueError(f"{function.__name__}: {initializer} is infinite in {array.dtype}")
        at_once(operator.call, replacing(tensor, values, initializer, origin))
        return tensor

    return fill


@_in_place
def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Overwrite with `Uniform(a, b)`."""
    return Uniform(a, b)


@_in_place
def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Overwrite with `Normal(mean, std)`."""
    return Normal(mean, std)


@_in_place
def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Overwrite with `TruncatedNormal(mean, std, a, b)`; warns where mean is more than 2 std outside [a, b]."""
    initializer = TruncatedNormal(mean, std, a, b)
    if not a - 2 * std <= mean <= b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in trunc_normal_, so only a tail is left; a and b are values, "
            "not numbers of standard deviations",
            stacklevel=3,
        )
    return initializer


@_in_place
def constant_(tensor, val):
    """Overwrite with `Constant(val)`."""
    return Constant(val)


@_in_place
def ones_(tensor):
    """Overwrite with `Ones()`."""
    return Ones()


@_in_place
def zeros_(tensor):
    """Overwrite with `Zeros()`."""
    return Zeros()


@_in_place
def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Overwrite with `XavierUniform(gain)`."""
    return XavierUniform(gain)


@_in_place
def xavier_normal_(tensor, gain=1.0, generator=None):
    """Overwrite with `XavierNormal(gain)`."""
    return XavierNormal(gain)


@_in_place
def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Overwrite with a uniform distribution of variance calculate_gain(nonlinearity, a)^2 / fan."""
    return _kaiming(HeUniform, "uniform", tensor.shape, a, mode, nonlinearity)


@_in_place
def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Overwrite with a normal distribution of variance calculate_gain(nonlinearity, a)^2 / fan."""
    return _kaiming(HeNormal, "normal", tensor.shape, a, mode, nonlinearity)


def _kaiming(he, distribution, shape, a, mode, nonlinearity):
    if 0 in shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=4)
        return None
    mode = mode.lower() if isinstance(mode, str) else mode
    choice("mode", mode, ("fan_in", "fan_out"))
    gain = calculate_gain(nonlinearity, a)
    if nonlinearity in ("relu", "leaky_relu"):
        return he(0.0 if nonlinearity == "relu" else 0.01 if a is None else a, mode)
    return VarianceScaling(gain**2, mode, distribution)


@_in_place
def eye_(tensor):
    """Overwrite a matrix with `Identity()`."""
    return Identity()


@_in_place
def dirac_(tensor, groups=1):
    """Overwrite a convolution's weight of three to five axes with `Dirac(groups)`."""
    return Dirac(groups)


@_in_place
def orthogonal_(tensor, gain=1, generator=None):
    """Overwrite with `Orthogonal(gain)`."""
    return Orthogonal(gain)


@_in_place
def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Overwrite a matrix with `Sparse(sparsity, std)`."""
    return Sparse(sparsity, std)
