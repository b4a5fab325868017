"""Activations, which work elementwise, and softmax, which works along an axis."""

import numpy as np

from .. import kernels
from ..tensor import Tensor, numpy_names, record
from .arguments import Array, as_real

__all__ = ["elu", "gelu", "leaky_relu", "log_softmax", "relu", "selu", "sigmoid", "silu", "softmax", "softplus", "tanh"]


def tanh(x: Array) -> Tensor:
    """y = tanh x.

    Backward: dy/dx = 1 - tanh(x)^2, so  dx = dy (1 - y^2): the output is all that must be kept.
    """
    x = as_real(x)
    y = kernels.tanh(x._data)

    def backward(dy):
        return (kernels.tanh_backward(dy, y),)  # dy (1 - y^2)

    return record(y, (x,), backward)


def sigmoid(x: Array) -> Tensor:
    """y = 1 / (1 + e^-x).  Backward: dx = dy y (1 - y)."""
    x = as_real(x)
    y = kernels.sigmoid(x._data)

    def backward(dy):
        return (kernels.sigmoid_backward(dy, y),)  # dy y (1 - y)

    return record(y, (x,), backward)


def relu(x: Array) -> Tensor:
    """y = max(x, 0).  Backward: dx = dy where x > 0, else 0."""
    x = as_real(x)
    y = kernels.relu(x._data)

    def backward(dy):
        return (kernels.relu_backward(dy, y),)  # dy where y > 0, else 0

    return record(y, (x,), backward)


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Tensor:
    """y = x where x > 0, else negative_slope x.  Backward: dx = dy, or negative_slope dy."""
    x = as_real(x)
    a = x._data

    def backward(dy):
        return (kernels.leaky_relu_backward(dy, a, negative_slope),)  # dy where x > 0, else negative_slope dy

    return record(kernels.leaky_relu(a, negative_slope), (x,), backward, saved=(x,))


def elu(x: Array, alpha: float = 1.0, scale: float = 1.0) -> Tensor:
    """y = scale x where x > 0, else scale alpha (e^x - 1).

    Backward: dx = dy scale where x > 0, else dy scale alpha e^x.

    Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units",
    ICLR 2016, equation 15.
    """
    x = as_real(x)
    a = x._data

    def backward(dy):
        return (kernels.elu_backward(dy, a, scale, scale * alpha),)  # dy scale where x > 0, else dy scale alpha e^x

    return record(kernels.elu(a, scale, scale * alpha), (x,), backward, saved=(x,))


def selu(x: Array) -> Tensor:
    """y = elu(x) with the alpha and the scale that keep mean 0 and variance 1 from layer to layer.  Backward: as elu's.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS 2017, equations 2 and 14.
    """
    return elu(x, alpha=1.6732632423543772, scale=1.0507009873554805)


def gelu(x: Array) -> Tensor:
    """y = x P(x), with P(x) = (1 + erf(x / sqrt 2)) / 2, the normal distribution function.

    Backward: dx = dy (P(x) + x p(x)), with p(x) = e^(-x^2/2) / sqrt(2 pi), its derivative.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016 (arXiv 1606.08415), section 2.
    """
    x = as_real(x)
    a = x._data

    def backward(dy):
        return (kernels.gelu_backward(dy, a),)  # dy (P(x) + x p(x))

    return record(kernels.gelu(a), (x,), backward, saved=(x,))


def silu(x: Array) -> Tensor:
    """y = x s, with s = sigmoid(x); also called swish.  Backward: dx = dy (s + x s (1 - s))."""
    x = as_real(x)
    a = x._data

    def backward(dy):
        return (kernels.silu_backward(dy, a),)  # dy (s + x s (1 - s))

    return record(kernels.silu(a), (x,), backward, saved=(x,))


def softplus(x: Array) -> Tensor:
    """y = ln(1 + e^x) = `max(x, 0) + ln(1 + e^-|x|)`, which cannot overflow.  Backward: dx = dy sigmoid(x)."""
    x = as_real(x)
    a = x._data

    def backward(dy):
        return (dy * kernels.sigmoid(a),)

    return record(np.maximum(a, 0) + np.log1p(kernels.exp(-np.abs(a))), (x,), backward, saved=(x,))


def _log_softmax(a: np.ndarray, dim: int) -> np.ndarray:
    """a - ln sum e^a, with the largest element taken off first, so that nothing overflows."""
    a = _from_largest(a, dim)
    return a - kernels.log(kernels.sum(kernels.exp(a), dim, True))


def _from_largest(a: np.ndarray, dim: int) -> np.ndarray:
    return a - a.max(axis=dim, keepdims=True, initial=-np.inf)  # where there is nothing, nothing comes


@numpy_names
def softmax(x: Array, dim: int = -1) -> Tensor:
    """y_i = e^x_i / sum_j e^x_j, along one axis.

    dy_i/dx_j = y_i (1[i=j] - y_j), so  dx_j = y_j (dy_j - sum_i dy_i y_i).

    Backward: dx = y (dy - sum(dy y)).
    """
    x = as_real(x)
    e = kernels.exp(_from_largest(x._data, dim))
    y = e / kernels.sum(e, dim, True)

    def backward(dy):
        return (y * (dy - kernels.sum(dy * y, dim, True)),)

    return record(y, (x,), backward)


@numpy_names
def log_softmax(x: Array, dim: int = -1) -> Tensor:
    """y = ln softmax(x), along one axis.  Backward: dx = dy - softmax(x) sum(dy)."""
    x = as_real(x)
    y = _log_softmax(x._data, dim)

    def backward(dy):
        return (dy - kernels.exp(y) * kernels.sum(dy, dim, True),)

    return record(y, (x,), backward)
