"""What layers compute: the product with a weight, its rows by number, and dropout. Normalization has a file of its own."""

import math
from typing import Any

import numpy as np

from .. import kernels
from ..random import Generator, as_generator
from ..tensor import Tensor, as_tensor, record, refuse_masks
from .arguments import Array

__all__ = ["dropout", "embedding", "linear"]


def linear(x: Array, weight: Array, bias: Array | None = None) -> Tensor:
    """y = x W^T + b, for x of shape (batch, in), W of shape (out, in) and b of shape (out,).

    y_no = sum_i x_ni W_oi + b_o, so  dx_ni = sum_o dy_no W_oi,  dW_oi = sum_n dy_no x_ni,  db_o = sum_n dy_no:

    Backward: dx = dy W, dW = dy^T x, db = the column sums of dy. Where W = 0, dx is 0: nothing before this layer learns.
    """
    weight = as_tensor(weight)
    x = as_tensor(x, like=weight)
    a, w, b = x._data, weight._data, None
    if not a.ndim or w.ndim != 2 or a.shape[-1] != w.shape[1]:
        raise ValueError(f"linear: x of shape {a.shape} and weight of shape {w.shape}: expected (..., in) and (out, in)")
    parents: tuple[Tensor, ...] = (x, weight)
    if bias is not None:
        bias = as_tensor(bias)
        b = bias._data
        if b.shape != (w.shape[0],):
            raise ValueError(f"linear: bias of shape {b.shape} with a weight of shape {w.shape}: expected ({w.shape[0]},)")
        parents = (x, weight, bias)
    if a.dtype != w.dtype or (b is not None and b.dtype != w.dtype):
        a, w, b = _of_one_dtype(a, w, b)
    matrix, shape = a.ndim == 2, a.shape
    if not matrix:
        a = a.reshape(math.prod(shape[:-1]), w.shape[1])  # every axis before the last is batch
    y = kernels.linear(a, w, b)  # x W^T + b

    def backward(dy):
        dy = dy if matrix else dy.reshape(len(a), len(w))
        dx = kernels.matmul(dy, w) if x.requires_grad else None
        dw = kernels.matmul(dy.T, a) if weight.requires_grad else None
        if dx is not None and not matrix:
            dx = dx.reshape(shape)
        if bias is None:
            return dx, dw
        db = kernels.column_sums(dy) if bias.requires_grad else None
        return dx, dw, db

    return record(y if matrix else y.reshape(*shape[:-1], len(w)), parents, backward, saved=(x, weight))


def _of_one_dtype(*arrays: np.ndarray | None) -> list[np.ndarray | None]:
    """The same, but float64 instead of float32, as a kernel takes one dtype."""
    return [t.astype(np.float64) if t is not None and t.dtype == np.float32 else t for t in arrays]


def embedding(input: Any, weight: Array, padding_idx: int | None = None) -> Tensor:
    """y_n = W_t with t = input_n: the row of W with this number, for every number of the input.

    That is one_hot(input) W, so  dW_t = the sum of dy_n over all n with input_n = t,  and 0 for `padding_idx`:

    Backward: dW = one_hot(input)^T dy.

    Parameters
    ----------
    input : integers of any shape
    weight : shape (rows, features)
    padding_idx : int, optional
        The number of a row that gets no gradient.
    """
    weight = as_tensor(weight)
    refuse_masks(input)
    w, rows = weight._data, np.array(input._data if isinstance(input, Tensor) else input)  # a copy: backward reads it later
    if w.ndim != 2:
        raise ValueError(f"embedding: weight of shape {w.shape}: expected (rows, features)")
    if rows.size and rows.dtype.kind not in "iu":
        raise TypeError(
            f"embedding expects integers, got {rows.dtype} (a Tensor made of integers holds floats; minidl.tensor keeps them)"
        )
    rows = rows.astype(np.intp)
    if (wrong := rows[(rows < 0) | (rows >= len(w))]).size:
        raise IndexError(
            f"embedding: there is no row {wrong[0]} in a weight of shape {w.shape}; rows count from 0 to {len(w) - 1}"
        )
    if padding_idx is not None and not -len(w) <= padding_idx < len(w):
        raise IndexError(f"embedding: padding_idx is {padding_idx}, and there is no such row in a weight of shape {w.shape}")

    def backward(dy):
        dw = np.zeros(w.shape, np.float64)  # a row may be taken a million times
        np.add.at(dw, rows.reshape(-1), dy.reshape(rows.size, w.shape[1]))
        if padding_idx is not None:
            dw[padding_idx] = 0
        return (dw.astype(dy.dtype),)

    return record(w[rows], (weight,), backward)


def dropout(x: Array, p: float = 0.5, training: bool = True, rng: Generator | int | None = None) -> Tensor:
    """y = x m / (1 - p), where each m is 0 with probability p and 1 otherwise; y = x outside training.

    Backward: dx = dy m / (1 - p).

    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout", JMLR 15 (2014).
    """
    x = as_tensor(x)
    if not 0 <= p <= 1:
        raise ValueError(f"dropout needs a probability p from 0 to 1, got {p}")
    if not training or p == 0:
        return x
    u = as_generator(rng).uniform(x.shape, dtype=np.float64)
    mask = kernels.mask(u, 1 - p, 0 if p == 1 else 1 / (1 - p), x.dtype)  # m / (1 - p)

    def backward(dy):
        return (kernels.multiply(dy, mask),)

    return record(kernels.multiply(x._data, mask), (x,), backward)
