"""Sums and other reductions over axes. Every sum is that of `kernels.sum`, pairwise, whatever the axes.

`dim` is an axis, a tuple or a list of axes, or None for all of them; with `keepdim` the reduced axes stay, of length 1.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from .. import kernels
from ..tensor import Dim, Tensor, as_tensor, numpy_names, record
from .arguments import Array, as_real
from .shape import reshape

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumsum", "logsumexp", "max", "mean", "min", "norm", "std", "sum", "var",
]  # fmt: skip


def _axes(x: Tensor, dim: Any) -> Dim:
    """What NumPy takes for axes, which is no list, nor, of a number, the axis 0 or -1 that it has in PyTorch."""
    dim = tuple(dim) if isinstance(dim, list) else dim
    return None if not x.ndim and dim in (0, -1, (0,), (-1,)) else dim


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
    return kernels.divide(kernels.sum(a, dim, keepdim), a.dtype.type(_count(a.shape, dim)))


def centred_at_mean(a: np.ndarray, dim: Dim) -> np.ndarray:
    """a - mean(a), over the axes `dim`."""
    centred = kernels.subtract(a, array_mean(a, dim, True))
    return kernels.subtract(centred, array_mean(centred, dim, True))  # what the first mean had lost by rounding


def _deviations(a: np.ndarray, dim: Dim, correction: int) -> tuple[np.ndarray, int]:
    """The deviations from the mean, and by what the sum of their squares is divided."""
    n = _count(a.shape, dim) - correction
    if n <= 0:
        raise ValueError(f"var over {n + correction} elements of shape {a.shape} with correction={correction}: too few")
    return centred_at_mean(a, dim), n


@numpy_names
def sum(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = sum of x over the axes `dim` (all of them if None).  Backward: every term gets dy."""
    x = as_tensor(x)
    dim = _axes(x, dim)
    shape = x.shape

    def backward(dy):
        return (np.broadcast_to(_spread(dy, shape, dim, keepdim), shape),)

    return record(kernels.sum(x._data, dim, keepdim), (x,), backward)


@numpy_names
def mean(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = sum(x) / n, over the axes `dim`.  Backward: every term gets dy / n."""
    x = as_tensor(x)
    dim = _axes(x, dim)
    shape = x.shape

    def backward(dy):
        return (np.broadcast_to(_spread(dy, shape, dim, keepdim) / dy.dtype.type(_count(shape, dim)), shape),)

    return record(array_mean(x._data, dim, keepdim), (x,), backward)


@numpy_names
def var(x: Array, dim: Dim = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """y = sum (x - m)^2 / (n - correction), with m the mean, over the axes `dim`; correction 1 is the unbiased estimate.

    Backward: dx = dy 2 (x - m) / (n - correction); m depends on x too, but sum (x - m) = 0, so that part vanishes.
    """
    x = as_real(x)
    dim = _axes(x, dim)
    centred, n = _deviations(x._data, dim, correction)
    y = kernels.sum(centred * centred, dim, keepdim) / centred.dtype.type(n)

    def backward(dy):
        return (_spread(dy, centred.shape, dim, keepdim) * centred * dy.dtype.type(2 / n),)

    return record(y, (x,), backward)


@numpy_names
def std(x: Array, dim: Dim = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """y = sqrt(var(x)), over the axes `dim`.

    Backward: dx = dy (x - m) / ((n - correction) y), with 0 where y is 0.
    """
    x = as_real(x)
    dim = _axes(x, dim)
    centred, n = _deviations(x._data, dim, correction)
    y = np.sqrt(kernels.sum(centred * centred, dim, True) / centred.dtype.type(n))
    with np.errstate(divide="ignore"):
        slope = np.where(y > 0, 1 / (n * y), y.dtype.type(0))

    def backward(dy):
        return (_spread(dy, centred.shape, dim, keepdim) * centred * slope,)

    return record(y if keepdim else np.squeeze(y, dim), (x,), backward)


@numpy_names
def norm(x: Array, p: float = 2, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """`y = (sum |x|^p)^(1/p)`, over the axes `dim`; for p = inf the largest `|x|`.

    Backward: `dx = dy sign(x) (|x| / y)^(p - 1)`, with 0 where x or y is 0; for p = inf the largest share dy evenly.
    """
    if isinstance(p, bool) or not isinstance(p, (int, float, np.number)) or not p > 0:
        raise ValueError(f"norm: p must be a number above 0, or inf, got {p!r}")
    x = as_real(x)
    dim = _axes(x, dim)
    if p == math.inf:
        return amax(x.abs(), dim, keepdim)
    a = x._data.astype(np.float64)  # in which the squares of float32 don't overflow
    y = kernels.sum(np.abs(a) ** p, dim, True) ** (1 / p)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where((a == 0) | (y == 0), 0, np.sign(a) * (np.abs(a) / y) ** (p - 1))
    dtype = x.dtype

    def backward(dy):
        return (_spread(dy, slope.shape, dim, keepdim) * slope.astype(dtype),)

    return record((y if keepdim else np.squeeze(y, dim)).astype(dtype), (x,), backward)


@numpy_names
def logsumexp(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = ln sum e^x, over the axes `dim`; the largest x is taken off first, so that nothing overflows.

    Backward: dx = dy e^x / sum e^x, which is 0 where every x is minus infinity.
    """
    x = as_real(x)
    dim = _axes(x, dim)
    a = x._data
    most = a.max(axis=dim, keepdims=True, initial=-np.inf)
    most = np.where(np.isfinite(most), most, a.dtype.type(0))  # for infinity - infinity is not a number
    e = kernels.exp(a - most)
    total = kernels.sum(e, dim, True)
    y = kernels.log(total) + most

    def backward(dy):
        return (_spread(dy, e.shape, dim, keepdim) * np.divide(e, total, out=np.zeros_like(e), where=total != 0),)

    return record(y if keepdim else np.squeeze(y, dim), (x,), backward)


@numpy_names
def cumsum(x: Array, dim: int) -> Tensor:
    """y_i = x_0 + ... + x_i, along one axis.  Backward: dx_i = dy_i + dy_(i+1) + ..., the sum from the other end.

    The sums are in float64, for each is one chain of additions.
    """
    x = as_tensor(x)
    if not x.ndim:
        return reshape(cumsum(reshape(x, 1), dim), ())
    dim = normalize_axis_index(dim, x.ndim)

    def along(a: np.ndarray) -> np.ndarray:
        return np.cumsum(a, axis=dim, dtype=np.float64).astype(a.dtype) if a.dtype.kind == "f" else np.cumsum(a, axis=dim)

    def backward(dy):
        return (np.flip(along(np.flip(dy, dim)), dim),)

    return record(along(x._data), (x,), backward)


class Extreme(NamedTuple):
    """The largest or smallest elements along an axis, and where they are."""

    values: Tensor
    indices: Tensor


@numpy_names
def max(x: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """The largest element; along an axis, (values, indices), the first of equal ones.

    Backward: without `dim`, as `amax`; with it, dy goes to the elements at the indices.

    Examples
    --------
    >>> scores = [[0.5, 2.0, -1.0], [3.0, 0.0, 1.0]]
    >>> values, classes = max(scores, 1)
    >>> classes.tolist(), max(scores).item()
    ([1, 0], 3.0)
    """
    return amax(x, None, keepdim) if dim is None else _extreme_along("max", np.argmax, x, dim, keepdim)


@numpy_names
def min(x: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest element; along an axis, (values, indices), the first of equal ones.

    Backward: without `dim`, as `amin`; with it, dy goes to the elements at the indices.
    """
    return amin(x, None, keepdim) if dim is None else _extreme_along("min", np.argmin, x, dim, keepdim)


def _extreme_along(name: str, place: Any, x: Array, dim: int, keepdim: bool) -> Extreme:
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)):
        raise TypeError(f"{name} gives (values, indices) along one axis, got dim={dim!r}; for the values alone, write a{name}")
    x = as_tensor(x)
    if not x.ndim:
        return _extreme_along(name, place, reshape(x, 1), dim, False)
    shape = x.shape
    indices = place(x._data, axis=dim, keepdims=True)
    values = np.take_along_axis(x._data, indices, dim)

    def backward(dy):
        dx = np.zeros(shape, dy.dtype)
        np.put_along_axis(dx, indices, _spread(dy, shape, dim, keepdim), dim)
        return (dx,)

    result = (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))
    return Extreme(record(result[0], (x,), backward), record(result[1], (), None))


@numpy_names
def amax(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = the largest element over the axes `dim`.

    Backward: dy goes to the largest element; where several are equal they share it evenly.
    """
    return _shared_extreme(np.max, x, dim, keepdim)


@numpy_names
def amin(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = the smallest element over the axes `dim`.

    Backward: dy goes to the smallest element; where several are equal they share it evenly.
    """
    return _shared_extreme(np.min, x, dim, keepdim)


def _shared_extreme(extreme: Any, x: Array, dim: Dim, keepdim: bool) -> Tensor:
    x = as_tensor(x)
    dim = _axes(x, dim)
    y = extreme(x._data, axis=dim, keepdims=True)
    chosen = x._data == y

    def backward(dy):
        share = np.divide(chosen, chosen.sum(axis=dim, keepdims=True), dtype=dy.dtype)
        return (share * _spread(dy, chosen.shape, dim, keepdim),)

    return record(y if keepdim else extreme(x._data, axis=dim), (x,), backward)


@numpy_names
def argmax(x: Array, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the (first) largest element along an axis, as integers; no gradient."""
    x = as_tensor(x)
    return record(x._data.argmax(axis=dim, keepdims=keepdim), (), None)


@numpy_names
def argmin(x: Array, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the (first) smallest element along an axis, as integers; no gradient."""
    x = as_tensor(x)
    return record(x._data.argmin(axis=dim, keepdims=keepdim), (), None)
