"""Arithmetic, the matrix product, and comparison."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..tensor import Tensor, as_tensor, record, refuse_masks
from .arguments import Array, as_real, broadcast_pair, check_broadcast, pair, unbroadcast

__all__ = ["add", "compare", "div", "matmul", "mul", "neg", "pow", "sub"]


def add(x: Array, y: Array) -> Tensor:
    """z = x + y.  Backward: dx = dz, dy = dz."""
    x, y = broadcast_pair("add", x, y)
    a, b = x._data, y._data

    def backward(dz):
        return unbroadcast(dz, a.shape), unbroadcast(dz, b.shape)

    return record(kernels.add(a, b), (x, y), backward)


def sub(x: Array, y: Array) -> Tensor:
    """z = x - y.  Backward: dx = dz, dy = -dz."""
    x, y = broadcast_pair("sub", x, y)
    a, b = x._data, y._data

    def backward(dz):
        return unbroadcast(dz, a.shape), unbroadcast(-dz, b.shape)

    return record(kernels.subtract(a, b), (x, y), backward)


def mul(x: Array, y: Array) -> Tensor:
    """z = x y, elementwise.  Backward: dx = dz y, dy = dz x."""
    x, y = broadcast_pair("mul", x, y)
    a, b = x._data, y._data

    def backward(dz):
        return (
            unbroadcast(kernels.multiply(dz, b), a.shape) if x.requires_grad else None,
            unbroadcast(kernels.multiply(dz, a), b.shape) if y.requires_grad else None,
        )

    return record(kernels.multiply(a, b), (x, y), backward, saved=(x, y))


def div(x: Array, y: Array) -> Tensor:
    """z = x / y, elementwise.  Backward: dx = dz / y, dy = -dz x / y^2 = -dx z."""
    x, y = broadcast_pair("div", x, y)
    if x.dtype.kind != "f":  # both, then
        x, y = as_real(x), as_real(y)
    a, b = x._data, y._data
    z = kernels.divide(a, b)

    def backward(dz):
        dx = kernels.divide(dz, b)
        return unbroadcast(dx, a.shape), unbroadcast(-dx * z, b.shape) if y.requires_grad else None

    return record(z, (x, y), backward, saved=(y,))


def neg(x: Array) -> Tensor:
    """y = -x.  Backward: dx = -dy."""
    x = as_tensor(x)

    def backward(dy):
        return (-dy,)

    return record(-x._data, (x,), backward)


def pow(x: Array, y: Array) -> Tensor:
    """z = x^y, elementwise.

    Backward: dx = dz y x^(y-1) (0 where y = 0), dy = dz z log x (0 where x = 0 and y >= 0, as the limit is).
    """
    x, y = broadcast_pair("pow", x, y)
    a, b = x._data, y._data
    z = a**b

    def backward(dz):
        dx = dy = None
        if x.requires_grad:
            dx = unbroadcast(dz * np.where(b == 0, 0, b * a ** np.where(b == 0, 1, b - 1)), a.shape)
        if y.requires_grad:
            flat = (a == 0) & (b >= 0)
            dy = unbroadcast(dz * np.where(flat, 0, z * np.log(np.where(flat, 1, a))), b.shape)
        return dx, dy

    return record(z, (x, y), backward, saved=(x, y))


def _matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The kernel for two matrices of one dtype; NumPy for stacks of matrices."""
    if a.ndim == b.ndim == 2 and a.dtype == b.dtype:
        return kernels.matmul(a, b)
    return a @ b


def matmul(x: Array, y: Array) -> Tensor:
    """z = x y, the matrix product; more than two axes are stacks of matrices, one axis is a vector (as in NumPy).

    z_ij = sum_k x_ik y_kj, so  dx_ik = sum_j dz_ij y_kj  and  dy_kj = sum_i x_ik dz_ij:

    Backward: dx = dz y^T, dy = x^T dz.
    """
    x, y = pair(x, y)
    if not x.ndim or not y.ndim or x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: shapes {x.shape} and {y.shape} don't fit; the last axis of the first must be as long as the "
            "second-to-last (of a vector: the only) axis of the second"
        )
    # A vector is a matrix of one row (on the left) or one column (on the right).
    a = x._data if x.ndim > 1 else x._data[None, :]
    b = y._data if y.ndim > 1 else y._data[:, None]
    z = _matmul(a, b)
    shape, x_shape, y_shape = z.shape, x.shape, y.shape
    if x.ndim == 1:
        z = z[..., 0, :]
    if y.ndim == 1:
        z = z[..., 0]

    def backward(dz):
        dz = dz.reshape(shape)
        dx = unbroadcast(_matmul(dz, b.swapaxes(-1, -2)), a.shape).reshape(x_shape) if x.requires_grad else None
        dy = unbroadcast(_matmul(a.swapaxes(-1, -2), dz), b.shape).reshape(y_shape) if y.requires_grad else None
        return dx, dy

    return record(z, (x, y), backward, saved=(x, y))


def compare(relation: Callable[[Any, Any], Any], x: Tensor, y: Any) -> Any:
    """relation(x, y), elementwise, for one of the six relations in `operator`."""
    if y is None:
        return NotImplemented
    refuse_masks(y)
    exact = x.dtype.kind != "f" or (isinstance(y, np.ndarray) and y.dtype.kind in "iub")  # a float may round an integer
    b = np.asarray(y) if exact and not isinstance(y, Tensor) else as_tensor(y, like=x)._data
    check_broadcast(relation.__name__, x.shape, b.shape)
    return record(relation(x._data, b), (), None)
