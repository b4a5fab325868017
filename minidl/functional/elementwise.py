"""Elementwise functions that are not activations."""

from typing import Any

import numpy as np

from .. import kernels
from ..tensor import Tensor, as_tensor, record
from .arguments import Array, as_real

__all__ = ["abs", "clip", "exp", "log", "sqrt"]


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
    x = as_tensor(x)
    y = np.sqrt(x._data)

    def backward(dy):
        return (dy / (2 * y),)

    return record(y, (x,), backward)


def abs(x: Array) -> Tensor:
    """y = |x|.  Backward: dx = dy sign(x), with 0 at 0."""
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
