"""Losses."""

from typing import Any

import numpy as np

from .. import kernels
from ..tensor import Tensor, record, refuse_masks
from .arguments import Array, as_real, pair
from .reductions import array_mean

__all__ = ["binary_cross_entropy_with_logits", "cross_entropy", "mse_loss"]


def _reduced(losses: np.ndarray, reduction: str, total: float | None = None) -> tuple[Any, float]:
    """The losses reduced as asked, and the factor that each loss has in the result; `total` is their sum where it is known."""
    if reduction == "none":
        return losses, 1.0
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if reduction == "mean" and losses.size == 0:
        raise ValueError("the mean loss of an empty batch is not defined; leave such batches out")
    factor = 1 / losses.size if reduction == "mean" else 1.0
    if total is None:
        return array_mean(losses, None, False) if reduction == "mean" else kernels.sum(losses), factor
    return np.array(total * factor, losses.dtype), factor


def cross_entropy(input: Array, target: Any, reduction: str = "mean") -> Tensor:
    """L = the mean (or sum, or none) over n of -ln p_n,t with p = softmax(x), t = target_n the right class of sample n.

    -ln p_t = ln sum_j e^x_j - x_t, so its derivative by x_j is p_j - 1[j = t].

    Backward: dx = dL (p - one_hot(target)) / N.

    Parameters
    ----------
    input : shape (batch, classes)
        Scores before the softmax ("logits").
    target : integers, shape (batch,)
        Each from 0 to classes - 1.

    Examples
    --------
    >>> cross_entropy([[0.0, 0.0]], [1]).item()  # ln 2
    0.6931471824645996
    """
    x = as_real(input)
    refuse_masks(target)
    a, labels = x._data, np.asarray(target._data if isinstance(target, Tensor) else target)
    if a.ndim != 2 or labels.shape != a.shape[:1]:
        raise ValueError(
            f"cross_entropy expects input of shape (batch, classes) and target of shape (batch,), got {x.shape} and "
            f"{labels.shape}; of one-hot rows, pass target.argmax(1)"
        )
    if labels.size and labels.dtype.kind not in "iu":
        cast = "target.data.astype(int)" if isinstance(target, Tensor) else "np.asarray(target).astype(int)"
        raise TypeError(
            f"cross_entropy expects class numbers as target, got dtype {labels.dtype} (a Tensor made of integers holds "
            f"floats); pass the list or the integer array itself, or {cast}"
        )
    labels = labels.astype(np.intp)  # a copy, for backward reads it later
    p, losses, total = kernels.cross_entropy(a, labels)  # softmax(x), -ln p_n,t, and their sum
    loss, factor = _reduced(losses, reduction, total)

    def backward(dy):
        return (kernels.cross_entropy_backward(dy, p, labels, factor),)  # dy factor (p - one_hot(target))

    return record(loss, (x,), backward)


def _same_shape(name: str, input: Array, target: Array) -> tuple[Tensor, Tensor]:
    x, t = pair(input, target)
    if x.shape != t.shape:
        raise ValueError(
            f"{name} expects input and target of one shape, got {x.shape} and {t.shape}; reshape one of them "
            "(broadcasting here is nearly always a mistake)"
        )
    return x, t


def mse_loss(input: Array, target: Array, reduction: str = "mean") -> Tensor:
    """L = the mean (or sum, or none) of (x - t)^2.  Backward: dx = dL 2 (x - t) / N, dt = -dx."""
    x, t = _same_shape("mse_loss", input, target)
    difference = x._data - t._data
    loss, factor = _reduced(difference * difference, reduction)

    def backward(dy):
        dx = dy * difference * difference.dtype.type(2 * factor)
        return dx, -dx

    return record(loss, (x, t), backward)


def binary_cross_entropy_with_logits(input: Array, target: Array, reduction: str = "mean") -> Tensor:
    """L = the mean (or sum, or none) of -t ln s - (1 - t) ln(1 - s) with s = sigmoid(x), 0 <= t <= 1.

    As ln s = x - softplus(x) and ln(1 - s) = -softplus(x), it is softplus(x) - t x, which cannot overflow.

    Backward: dx = dL (s - t) / N, dt = -dL x / N.
    """
    x, t = _same_shape("binary_cross_entropy_with_logits", input, target)
    a, b = x._data, t._data
    if b.size and not (b.min() >= 0 and b.max() <= 1):
        raise ValueError(
            f"binary_cross_entropy_with_logits expects targets from 0 to 1, got values from {b.min()} to {b.max()}"
        )
    loss, factor = _reduced(np.maximum(a, 0) - a * b + np.log1p(kernels.exp(-np.abs(a))), reduction)

    def backward(dy):
        scaled = dy * a.dtype.type(factor)
        return scaled * (kernels.sigmoid(a) - b), -scaled * a

    return record(loss, (x, t), backward, saved=(x, t))
