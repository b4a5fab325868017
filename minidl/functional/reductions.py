"""Sums and other reductions over axes. Every sum is that of `kernels.sum`, pairwise, whatever the axes."""

import math

import numpy as np

from .. import kernels
from ..tensor import Dim, Tensor, as_tensor, numpy_names, record
from .arguments import Array

__all__ = ["argmax", "max", "mean", "sum", "var"]


def _spread(dy: np.ndarray, shape: tuple[int, ...], dim: Dim, keepdim: bool) -> np.ndarray:
    """dy with the reduced axes put back (of length 1), so that it broadcasts against the input."""
    if keepdim:
        return dy
    if dim is None:
        return dy.reshape((1,) * len(shape))
    return np.expand_dims(dy, dim)


def _count(shape: tuple[int, ...], dim: Dim) -> int:
    """How many elements go into one result."""
    dims = range(len(shape)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    return math.prod(shape[d] for d in dims)


def array_mean(a: np.ndarray, dim: Dim, keepdim: bool) -> np.ndarray:
    """NumPy's mean, but with the sum of `kernels.sum`."""
    if a.dtype.kind != "f":
        return a.mean(axis=dim, keepdims=keepdim)
    return kernels.sum(a, dim, keepdim) / a.dtype.type(_count(a.shape, dim))


@numpy_names
def sum(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = sum of x over the axes `dim` (all of them if None).  Backward: every term gets dy."""
    x = as_tensor(x)
    shape = x.shape

    def backward(dy):
        return (np.broadcast_to(_spread(dy, shape, dim, keepdim), shape),)

    return record(kernels.sum(x._data, dim, keepdim), (x,), backward)


@numpy_names
def mean(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = sum(x) / n, over the axes `dim`.  Backward: every term gets dy / n."""
    x = as_tensor(x)
    shape = x.shape

    def backward(dy):
        return (np.broadcast_to(_spread(dy, shape, dim, keepdim) / dy.dtype.type(_count(shape, dim)), shape),)

    return record(array_mean(x._data, dim, keepdim), (x,), backward)


@numpy_names
def var(x: Array, dim: Dim = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """y = sum (x - m)^2 / (n - correction), with m the mean, over the axes `dim`; correction 1 is the unbiased estimate.

    Backward: dx = dy 2 (x - m) / (n - correction); m depends on x too, but sum (x - m) = 0, so that part vanishes.
    """
    x = as_tensor(x)
    n = _count(x.shape, dim) - correction
    if n <= 0:
        raise ValueError(f"var over {n + correction} elements of shape {x.shape} with correction={correction}: too few")
    centred = x._data - array_mean(x._data, dim, True)
    centred = centred - array_mean(centred, dim, True)  # what the first mean had lost by rounding
    y = kernels.sum(centred * centred, dim, keepdim) / centred.dtype.type(n)

    def backward(dy):
        return (_spread(dy, centred.shape, dim, keepdim) * centred * dy.dtype.type(2 / n),)

    return record(y, (x,), backward)


@numpy_names
def max(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = the largest element over the axes `dim`.

    Backward: dy goes to the largest element; where several are equal they share it evenly (as torch.amax has it).
    """
    x = as_tensor(x)
    largest = x._data.max(axis=dim, keepdims=True)
    chosen = x._data == largest
    y = largest if keepdim else x._data.max(axis=dim)

    def backward(dy):
        share = np.divide(chosen, chosen.sum(axis=dim, keepdims=True), dtype=dy.dtype)
        return (share * _spread(dy, chosen.shape, dim, keepdim),)

    return record(y, (x,), backward)


@numpy_names
def argmax(x: Array, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the (first) largest element along an axis, as integers; no gradient."""
    x = as_tensor(x)
    return record(x._data.argmax(axis=dim, keepdims=keepdim), (), None)
