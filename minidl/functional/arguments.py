"""What the operations do with their arguments before they compute, and with a gradient for what was broadcast."""

from typing import Any

import numpy as np

from .. import kernels
from ..tensor import Tensor, as_tensor, check_differentiable, record

__all__ = ["unbroadcast"]

Array = Any  # what as_tensor takes: a Tensor, an array, nested lists or a number


def unbroadcast(dy: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """dy, summed over the axes along which an input of this shape was repeated.

    An element that was used many times gets the sum of the gradients of its uses.
    """
    if dy.shape == shape:
        return dy
    inner = (1,) * (dy.ndim - len(shape)) + shape
    repeated = tuple(i for i, n in enumerate(inner) if n == 1)
    return kernels.sum(dy, repeated).reshape(shape)


def pair(x: Array, y: Array) -> tuple[Tensor, Tensor]:
    """Both as tensors; what has no float dtype of its own (a number, a list, integers) takes that of the other one."""
    if isinstance(x, Tensor) or (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        x = as_tensor(x)
        y = as_tensor(y, like=x)
    else:
        y = as_tensor(y)
        x = as_tensor(x, like=y)
    if x.dtype is not y.dtype and "f" in (kinds := (x.dtype.kind, y.dtype.kind)) and kinds != ("f", "f"):
        x, y = (t if t.dtype.kind == "f" else as_float(t, other.dtype) for t, other in ((x, y), (y, x)))
    return x, y


def broadcast_pair(operation: str, x: Array, y: Array) -> tuple[Tensor, Tensor]:
    """The same for an elementwise operation, whose inputs must fit each other."""
    x, y = pair(x, y)
    check_broadcast(operation, x.shape, y.shape)
    return x, y


def check_broadcast(operation: str, x: tuple[int, ...], y: tuple[int, ...]) -> None:
    if x != y:
        try:
            np.broadcast_shapes(x, y)
        except ValueError:
            raise ValueError(
                f"{operation}: shapes {x} and {y} don't fit; from the last axis on they must be equal or 1, so "
                "reshape or transpose one of them"
            ) from None


def as_float(x: Tensor, dtype: Any) -> Tensor:
    """A tensor of integers or booleans, which has no gradient, as one of floats."""
    if x.requires_grad:
        check_differentiable(x)
    return record(x._data.astype(dtype), (), None)


def as_real(x: Array) -> Tensor:
    """x as a tensor of floats, also where it is one of integers or booleans."""
    x = as_tensor(x)
    return x if x.dtype.kind == "f" else as_float(x, np.float32)
