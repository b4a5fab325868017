"""Elementwise functions that are not activations."""

from typing import Any

import numpy as np

from .. import kernels
from ..tensor import Tensor, as_tensor, record, refuse_masks
from .arguments import Array, as_real, broadcast_pair, check_broadcast, pair, unbroadcast

__all__ = ["abs", "clip", "cos", "exp", "log", "maximum", "minimum", "sin", "sqrt", "where"]


def exp(x: Array) -> Tensor:
    """y = e^x.  Backward: dx = dy y."""
    x = as_real(x)
    y = kernels.exp(x._data)

    def backward(dy):
        return (dy * y,)

    return record(y, (x,), backward)


def log(x: Array) -> Tensor:
    """y = ln x.  Backward: dx = dy / x."""
    x = as_real(x)
    a = x._data

    def backward(dy):
        return (dy / a,)

    return record(kernels.log(a), (x,), backward, saved=(x,))


def sqrt(x: Array) -> Tensor:
    """y = sqrt x.  Backward: dx = dy / (2 y)."""
    x = as_real(x)
    y = np.sqrt(x._data)

    def backward(dy):
        return (dy / (2 * y),)

    return record(y, (x,), backward)


def sin(x: Array) -> Tensor:
    """y = sin x.  Backward: dx = dy cos x."""
    x = as_real(x)
    a = x._data

    def backward(dy):
        return (dy * np.cos(a),)

    return record(np.sin(a), (x,), backward, saved=(x,))


def cos(x: Array) -> Tensor:
    """y = cos x.  Backward: dx = -dy sin x."""
    x = as_real(x)
    a = x._data

    def backward(dy):
        return (-dy * np.sin(a),)

    return record(np.cos(a), (x,), backward, saved=(x,))


def abs(x: Array) -> Tensor:
    """`y = |x|`.  Backward: dx = dy sign(x), with 0 at 0."""
    x = as_tensor(x)
    sign = np.sign(x._data)

    def backward(dy):
        return (dy * sign,)

    return record(np.abs(x._data), (x,), backward)


def clip(x: Array, min: float | None = None, max: float | None = None) -> Tensor:
    """y = x, but not less than `min` nor more than `max`.  Backward: dx = dy where min <= x <= max, else 0."""
    x = as_tensor(x)
    y = np.clip(x._data, *(_plain_number(bound) for bound in (min, max)))
    kept = y == x._data

    def backward(dy):
        return (np.where(kept, dy, dy.dtype.type(0)),)  # not dy * kept: 0 times infinity is not a gradient of 0

    return record(y, (x,), backward)


def _plain_number(bound: Any) -> Any:
    """Python's number for NumPy's, whose dtype would become that of the result."""
    return bound.item() if isinstance(bound, np.generic) else bound


def maximum(x: Array, y: Array) -> Tensor:
    """z = the larger of x and y, elementwise.  Backward: dz goes to the larger; where they are equal each gets half."""
    return _extreme("maximum", np.maximum, np.greater, x, y)


def minimum(x: Array, y: Array) -> Tensor:
    """z = the smaller of x and y, elementwise.  Backward: dz goes to the smaller; where they are equal each gets half."""
    return _extreme("minimum", np.minimum, np.less, x, y)


def _extreme(name: str, chosen: Any, beats: Any, x: Array, y: Array) -> Tensor:
    x, y = broadcast_pair(name, x, y)
    a, b = x._data, y._data
    z = chosen(a, b)
    won, lost = beats(a, b), beats(b, a)

    def backward(dz):
        zero, half = dz.dtype.type(0), dz / 2
        dx = np.where(won, dz, np.where(lost, zero, half))
        dy = np.where(lost, dz, np.where(won, zero, half))
        return unbroadcast(dx, a.shape), unbroadcast(dy, b.shape)

    return record(z, (x, y), backward)


def where(condition: Any, x: Array, y: Array) -> Tensor:
    """z = x where the condition is true, y elsewhere.  Backward: dz goes where z came from, and 0 to the other.

    Examples
    --------
    >>> where([True, False], 1.0, [10.0, 20.0])
    Tensor([ 1., 20.])
    """
    refuse_masks(condition)
    c = np.array(condition._data if isinstance(condition, Tensor) else condition)  # a copy: backward reads it later
    if c.dtype != bool:
        raise TypeError(f"where: the condition must be booleans, such as x > 0, got {c.dtype}")
    x, y = pair(x, y)
    for shape in (x.shape, y.shape):
        check_broadcast("where", c.shape, shape)
    x_shape, y_shape = x.shape, y.shape

    def backward(dz):
        zero = dz.dtype.type(0)
        return unbroadcast(np.where(c, dz, zero), x_shape), unbroadcast(np.where(c, zero, dz), y_shape)

    return record(np.where(c, x._data, y._data), (x, y), backward)
