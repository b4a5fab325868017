"""The linear layer, whose arguments say how it is initialized.

A layer checks its input, holds the parameters and calls one function of `functional/layers.py`, where forward and backward are.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .. import init
from ..names import named
from ..random import Generator, as_generator
from .module import InputError, Module, check_input
from .parameter import Parameter, check_dtype, check_size, make_parameter

__all__ = ["Linear"]


class Linear(Module):
    """y = x W^T + b.

    Parameters
    ----------
    in_features, out_features : int
        x has shape (batch, in_features), y has (batch, out_features).
    bias : bool
        If True, adds a learnable bias b.
    weight_init, bias_init : initializer, name, number, array or function (shape, rng) -> array
        What initializes W and b; see `minidl.init`. fan_in is in_features, fan_out is out_features.
    rng : Generator, int or None
        Where random numbers come from: a generator (W takes the first ones, b the next), the seed of a new one, or None
        for the global one. The same seed given to two layers of one shape makes them equal.
    dtype : float32 or float64

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter, shape (out_features,), or None

    Raises
    ------
    ValueError, TypeError
        If a size is not a positive integer, or what should be an initializer is none or gives no finite array of the right
        shape; in a call, if the input has another number of features or another dtype.

    Examples
    --------
    >>> layer = Linear(3, 2, weight_init=init.Ones(), bias_init=0.5)
    >>> layer([[1.0, 2.0, 3.0]]).data
    array([[6.5, 6.5]], dtype=float32)
    """

    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        weight_init: Any = init.XavierUniform(),  # noqa: B008 - immutable, and readable in the signature
        bias_init: Any = init.Zeros(),  # noqa: B008
        rng: Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ):
        check_size("Linear", "in_features", in_features)
        check_size("Linear", "out_features", out_features)
        check_dtype("Linear", dtype)
        self.in_features, self.out_features = int(in_features), int(out_features)
        with named("Linear"):
            rng = as_generator(rng)
        fans = (self.in_features, self.out_features)
        with named("Linear bias_init"):
            bias_init = init.get(bias_init)  # before the first number is drawn
        self.weight = make_parameter("Linear weight_init", weight_init, (fans[1], fans[0]), fans, rng, dtype)
        self.register_parameter("bias", None)
        if bias:
            self.bias = make_parameter("Linear bias_init", bias_init, (fans[1],), fans, rng, dtype)

    def forward(self, x):
        x = check_input(self, x, self.weight.dtype)
        shape = x.shape
        if not shape or shape[-1] != self.in_features:
            other = f", or make the layer with in_features={shape[-1]}" if shape and shape[-1] else ""
            raise InputError(self, f"expects input of shape (batch, {self.in_features}), got {shape}; reshape the input{other}")
        return F.linear(x, self.weight, self.bias)

    def propagate(self, signal):
        return signal.linear(self.weight, self.bias)

    def extra_repr(self):
        size = f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        size += f", weight_init={getattr(self.weight, 'initializer', None)}"
        return size if self.bias is None else f"{size}, bias_init={getattr(self.bias, 'initializer', None)}"
