"""Layers: the linear one, whose arguments say how it is initialized; activations; dropout; flatten.

A layer checks its input, holds the parameters and calls one function of `functional.py`, where forward and backward are.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .. import init
from ..random import Generator, as_generator
from ..tensor import Tensor, _lists, as_tensor, refuse_masks
from .module import InputError, Module, Parameter


class Linear(Module):
    """y = x W^T + b.

    Parameters
    ----------
    in_features, out_features : int
        x has shape (batch, in_features), y has (batch, out_features).
    bias : bool
        Whether there is a b.
    weight_init, bias_init : initializer, name, number, array or function (shape, rng) -> array
        What W and b start from; see `minidl.init`. fan_in is in_features, fan_out is out_features.
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
        If a size is not a whole number from 1, or an initializer is none or gives no finite array of the right shape; in a
        call, if the input has another number of features or another dtype.

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
        with init.named("Linear"):
            rng = as_generator(rng)
        fans = (self.in_features, self.out_features)
        with init.named("Linear bias_init"):
            bias_init = init.law(bias_init)  # before the first number is drawn
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

    def extra_repr(self):
        size = f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        laws = f", weight_init={getattr(self.weight, 'law', None)}"
        return size + laws + (f", bias_init={getattr(self.bias, 'law', None)}" if self.bias is not None else "")


def check_size(layer: str, name: str, size: Any) -> None:
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise ValueError(f"{layer}: {name} must be a whole number from 1, got {size!r}")


def check_dtype(layer: str, dtype: DTypeLike) -> None:
    with init.named(layer):
        np.dtype(dtype)
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"{layer}: dtype must be float32 or float64, got {np.dtype(dtype)}")


def make_parameter(
    argument: str, spec: Any, shape: tuple[int, ...], fans: tuple[int, int] | None, rng: Generator, dtype: DTypeLike
) -> Parameter:
    """The Parameter that an argument like weight_init= describes, in a layer that states its fans."""
    with init.named(argument):
        law = init.law(spec)
    origin = None if isinstance(law, init.Given) else init.Origin(rng.seed, rng.position)
    return Parameter(init.draw(argument, law, shape, fans, rng, dtype), law=law, fans=fans, origin=origin)


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
                raise TypeError("None is no number")
            return Tensor(np.asarray(_lists(x), dtype))
        except (ValueError, TypeError) as error:
            raise InputError(layer, f"expects numbers, got {type(x).__name__} ({error})") from error
    if x.dtype != dtype:
        other = f", or make the layer with dtype=np.{x.dtype}" if x.dtype in (np.float32, np.float64) else ""
        raise InputError(layer, f"has {dtype} parameters, got {x.dtype} input; give it {dtype} data{other}")
    return as_tensor(x)


class Residual(Module):
    """y = x + f(x), or y = x + alpha f(x) with a number alpha that is learned.

    Parameters
    ----------
    branch : Module
        f; its output has the shape of its input.
    scale_init : initializer, name, number, array or function, optional
        What alpha starts from; None for no alpha. With 0 every block begins as the identity, however deep the network is, and
        the signal and the gradient pass unchanged (ReZero). Fixup starts its factors at 1 and the branch's last layer at 0.
    rng, dtype
        As in `Linear`.

    Attributes
    ----------
    scale : Parameter, shape (), or None
        alpha.

    Raises
    ------
    TypeError
        If branch is no Module.
    ValueError
        In a call, if f(x) has another shape than x.

    Notes
    -----
    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, equation 1; Bachlechner et al.,
    "ReZero is all you need: fast convergence at large depth", UAI 2021, equation 1.

    Examples
    --------
    >>> block = Residual(Linear(2, 2, weight_init="ones"), scale_init=0.0)
    >>> block([[1.0, 2.0]]).data
    array([[1., 2.]], dtype=float32)
    """

    scale: Parameter | None

    def __init__(
        self, branch: Module, *, scale_init: Any = None, rng: Generator | int | None = None, dtype: DTypeLike = np.float32
    ):
        if not isinstance(branch, Module):
            raise TypeError(f"Residual takes a module, got {type(branch).__name__}; of several layers make a Sequential")
        check_dtype("Residual", dtype)
        self.branch = branch
        self.register_parameter("scale", None)
        if scale_init is not None:
            self.scale = make_parameter("Residual scale_init", scale_init, (), None, as_generator(rng), dtype)

    def forward(self, x):
        if self.scale is not None:
            x = check_input(self, x, self.scale.dtype)
        y = self.branch(x)
        x = as_tensor(x, like=y)
        if y.shape != x.shape:
            raise InputError(self, f"adds its input to its branch's output, but these have shapes {x.shape} and {y.shape}")
        return x + y if self.scale is None else x + self.scale * y


class Flatten(Module):
    """All axes but the first become one: (batch, ...) to (batch, features)."""

    def forward(self, x):
        x = as_tensor(x)
        return F.reshape(x, (len(x), -1) if x.size else (len(x), int(np.prod(x.shape[1:]))))


class Dropout(Module):
    """In training, zeroes each element with probability p and divides the others by 1 - p; otherwise does nothing.

    Parameters
    ----------
    p : float
    rng : Generator, int or None
        Where the choice comes from; None for the global generator.
    """

    def __init__(self, p: float = 0.5, *, rng: Generator | int | None = None):
        if not isinstance(p, (int, float, np.number)) or not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must be a probability from 0 to 1, got {p!r}")
        self.p, self.rng = p, None if rng is None else as_generator(rng)

    def forward(self, x):
        return F.dropout(x, self.p, self.training, self.rng)

    def extra_repr(self):
        return f"p={self.p}"


class Elementwise(Module):
    """The base of activations: y_i depends on x_i alone. `flow` and `theory` know what to do with any of them, yours too."""


class Tanh(Elementwise):
    """`functional.tanh`"""

    def forward(self, x):
        return F.tanh(x)


class Sigmoid(Elementwise):
    """`functional.sigmoid`"""

    def forward(self, x):
        return F.sigmoid(x)


class ReLU(Elementwise):
    """`functional.relu`"""

    def forward(self, x):
        return F.relu(x)


class LeakyReLU(Elementwise):
    """`functional.leaky_relu`"""

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = negative_slope

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}"


class ELU(Elementwise):
    """`functional.elu`"""

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def forward(self, x):
        return F.elu(x, self.alpha)

    def extra_repr(self):
        return f"alpha={self.alpha}"


class SELU(Elementwise):
    """`functional.selu`"""

    def forward(self, x):
        return F.selu(x)


class GELU(Elementwise):
    """`functional.gelu`"""

    def forward(self, x):
        return F.gelu(x)


class SiLU(Elementwise):
    """`functional.silu`"""

    def forward(self, x):
        return F.silu(x)


class Softplus(Elementwise):
    """`functional.softplus`"""

    def forward(self, x):
        return F.softplus(x)


class Softmax(Module):
    """`functional.softmax`"""

    def __init__(self, dim: int = -1):
        self.dim = dim

    def forward(self, x):
        return F.softmax(x, self.dim)


class LogSoftmax(Module):
    """`functional.log_softmax`"""

    def __init__(self, dim: int = -1):
        self.dim = dim

    def forward(self, x):
        return F.log_softmax(x, self.dim)
