"""Losses: from scores, or predictions, and targets to one number, or one for each sample."""

from typing import Any

import numpy as np

from .. import kernels
from ..tensor import Tensor, record, refuse_masks
from .activations import log_softmax
from .arguments import Array, as_real, pair
from .elementwise import where
from .reductions import array_mean

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "nll_loss",
]


def _reduced(losses: np.ndarray, reduction: str, total: float | None = None) -> tuple[Any, float]:
    """The losses reduced as asked, and the factor that each loss has in the result; `total` is their sum where it is known."""
    if reduction == "none":
        return losses, 1.0
    _check_reduction(reduction, losses.size)
    factor = 1 / losses.size if reduction == "mean" else 1.0
    if total is None:
        return array_mean(losses, None, False) if reduction == "mean" else kernels.sum(losses), factor
    return kernels.scaled(total, factor, losses.dtype), factor


def _check_reduction(reduction: str, count: float) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if reduction == "mean" and not count:
        raise ValueError("the mean loss of an empty batch is not defined; leave such batches out")


def cross_entropy(
    input: Array,
    target: Any,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """L = the mean (or sum, or none) over n of -ln p_n,t with p = softmax(x), t = target_n the right class of sample n.

    -ln p_t = ln sum_j e^x_j - x_t, so its derivative by x_j is p_j - 1[j = t].

    Backward: dx = dL (p - one_hot(target)) / N.

    In general the loss of a sample is -sum_j w_j q_j ln p_j, where w are the classes' weights and q = (1 - s) t + s / C is
    its target t, one-hot or probabilities, of which a fraction s is spread over all C classes.

    Parameters
    ----------
    input : shape (batch, classes), (batch, classes, ...) or (classes,)
        Scores before the softmax ("logits").
    target : integers of shape (batch,), (batch, ...) or (), or floats of the input's shape
        The right classes, each from 0 to classes - 1; or the probabilities of all of them.
    weight : shape (classes,), optional
        How much each class counts.
    ignore_index : int
        Samples of this class count nothing.
    reduction : str
        The mean is the sum divided by the number of samples or, for classes, by the sum of weight[target] over those that
        are not ignored.
    label_smoothing : float
        s, from 0 to 1. Source: Szegedy et al., "Rethinking the Inception architecture", CVPR 2016, section 7.

    Raises
    ------
    TypeError, ValueError
        If shapes, dtypes or numbers don't fit, or no sample is left for a mean.

    Examples
    --------
    >>> cross_entropy([[0.0, 0.0]], [1]).item()  # ln 2
    0.6931471824645996
    """
    x = as_real(input)
    labels = _classes("cross_entropy", x, target)
    plain = x.ndim == 2 and weight is None and not label_smoothing
    if labels is None or not plain or (ignore_index >= 0 and kernels.contains(labels, ignore_index)):
        return _general_cross_entropy(x, target, labels, weight, ignore_index, reduction, label_smoothing)
    try:
        p, losses, total = kernels.cross_entropy(x._data, labels)  # softmax(x), -ln p_n,t, and their sum
    except ValueError:  # a class below 0, which may be ignore_index: to look for it first takes 2 us
        if not (labels == ignore_index).any():
            raise
        return _general_cross_entropy(x, target, labels, weight, ignore_index, reduction, label_smoothing)
    loss, factor = _reduced(losses, reduction, total)

    def backward(dy):
        return (kernels.cross_entropy_backward(dy, p, labels, factor),)  # dy factor (p - one_hot(target))

    return record(loss, (x,), backward)


def _general_cross_entropy(x, target, labels, weight, ignore_index, reduction, label_smoothing) -> Tensor:
    """The same of any shape, with weights and smoothing, put together from other operations."""
    s = label_smoothing
    if not isinstance(s, (int, float, np.number)) or not 0 <= s <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be a number from 0 to 1, got {s!r}")
    axis = min(x.ndim - 1, 1)  # that of the classes
    logs, w = log_softmax(x, axis), _class_weights("cross_entropy", weight, x, axis)
    if labels is None:
        q = (1 - s) * as_real(target) + s / x.shape[axis]
        losses = -(q * logs * w).sum(axis)
        return _reduced_by(losses, losses.size, reduction)
    losses = nll_loss(logs, target, weight, ignore_index, "none")
    counted = labels != ignore_index
    if s:
        smooth = -(logs * w).sum(axis) * (s / x.shape[axis])
        losses = (1 - s) * losses + where(counted, smooth, 0)
    return _reduced_by(losses, w.reshape(-1)[labels[counted]].sum(), reduction)


def nll_loss(
    input: Array, target: Any, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """L = the mean (or sum, or none) over n of -w_t x_n,t, for x the logarithms of probabilities and t = target_n.

    Backward: dx_n,j = -dL w_t 1[j = t] / N.

    Shapes and arguments are those of `cross_entropy`, which is this of log_softmax(x).
    """
    x = as_real(input)
    labels = _classes("nll_loss", x, target)
    if labels is None:
        raise TypeError("nll_loss expects class numbers as target, got probabilities; take cross_entropy of the scores")
    axis = min(x.ndim - 1, 1)
    counted = labels != ignore_index
    known = np.where(counted, labels, 0)
    if (wrong := known[(known < 0) | (known >= x.shape[axis])]).size:
        raise ValueError(f"expected class numbers from 0 to {x.shape[axis] - 1}, or {ignore_index} to ignore, got {wrong[0]}")
    w = np.where(counted, _class_weights("nll_loss", weight, x, axis).reshape(-1)[known], x.dtype.type(0))
    place = np.expand_dims(known, axis)
    picked = np.where(counted, np.take_along_axis(x._data, place, axis).squeeze(axis), 0)  # what is ignored may be infinite
    losses = (-w * picked).astype(x.dtype)
    total, shape = w.sum(), x.shape
    _check_reduction(reduction, total)
    factor = 1 / total if reduction == "mean" else 1.0
    loss = losses if reduction == "none" else kernels.sum(losses) * x.dtype.type(factor)

    def backward(dy):
        dx = np.zeros(shape, dy.dtype)
        np.put_along_axis(dx, place, np.expand_dims(-w * dy * dy.dtype.type(factor), axis), axis)
        return (dx,)

    return record(loss, (x,), backward)


def _classes(name: str, x: Tensor, target: Any) -> np.ndarray | None:
    """The targets as class numbers, a copy, one for each sample of x; None if they are probabilities."""
    refuse_masks(target)
    labels = np.asarray(target._data if isinstance(target, Tensor) else target)
    shape, kind = x.shape, labels.dtype.kind
    if kind == "f" and shape and labels.shape == shape:
        _check_probabilities(f"{name} expects target probabilities", labels)
        return None
    if not shape or labels.shape != (shape[:1] + shape[2:] if len(shape) > 1 else ()):
        raise ValueError(
            f"{name} expects input of shape (batch, classes) and target of shape (batch,), got {shape} and {labels.shape}; "
            "of one-hot rows, pass target.argmax(1)"
        )
    if kind not in "iu" and labels.size:
        cast = "target.data.astype(int)" if isinstance(target, Tensor) else "np.asarray(target).astype(int)"
        raise TypeError(
            f"{name} expects class numbers as target, got dtype {labels.dtype} (a Tensor made of integers holds "
            f"floats); pass the list or the integer array itself, or {cast}"
        )
    return kernels.copied(labels, np.intp)  # backward reads it later


def _class_weights(name: str, weight: Any, x: Tensor, axis: int) -> np.ndarray:
    """One weight for each class, as an array that broadcasts against x, whose classes are on this axis."""
    if isinstance(weight, str):
        raise TypeError(f"{name}: the third argument is weight; write reduction={weight!r}")
    w = np.ones(x.shape[axis]) if weight is None else as_real(weight)._data
    if w.shape != x.shape[axis : axis + 1] or not (w >= 0).all() or not np.isfinite(w).all():
        raise ValueError(f"{name}: weight must be {x.shape[axis]} finite numbers of at least 0, one a class, got {weight}")
    return w.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1 - axis))


def _reduced_by(losses: Tensor, total: float, reduction: str) -> Tensor:
    """The losses reduced as asked, where the mean is their sum divided by `total`."""
    _check_reduction(reduction, total)
    return losses if reduction == "none" else losses.sum() / (total if reduction == "mean" else 1)


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
    difference = kernels.subtract(x._data, t._data)
    loss, factor = _reduced(kernels.multiply(difference, difference), reduction)

    def backward(dy):
        dx = kernels.multiply(kernels.multiply(dy, difference), difference.dtype.type(2 * factor))
        return dx, -dx

    return record(loss, (x, t), backward)


def l1_loss(input: Array, target: Array, reduction: str = "mean") -> Tensor:
    """L = the mean (or sum, or none) of `|x - t|`.  Backward: dx = dL sign(x - t) / N, dt = -dx."""
    x, t = _same_shape("l1_loss", input, target)
    difference = x._data - t._data
    loss, factor = _reduced(np.abs(difference), reduction)

    def backward(dy):
        dx = dy * np.sign(difference) * difference.dtype.type(factor)
        return dx, -dx

    return record(loss, (x, t), backward)


def huber_loss(input: Array, target: Array, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """L = the mean (or sum, or none) of d^2 / 2 where `|d| <= delta`, and `delta (|d| - delta / 2)` beyond, with d = x - t.

    Backward: dx = dL clip(d, -delta, delta) / N, dt = -dx.

    Source: Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964).
    """
    x, t = _same_shape("huber_loss", input, target)
    if not isinstance(delta, (int, float, np.number)) or not 0 < delta < np.inf:
        raise ValueError(f"huber_loss: delta must be a finite number above 0, got {delta!r}")
    d = x._data - t._data
    clipped = np.clip(d, -float(delta), float(delta))
    loss, factor = _reduced(clipped * (d - clipped / 2), reduction)  # both cases: delta sign(d) (d - delta sign(d) / 2) beyond

    def backward(dy):
        dx = dy * clipped * d.dtype.type(factor)
        return dx, -dx

    return record(loss, (x, t), backward)


def binary_cross_entropy(input: Array, target: Array, reduction: str = "mean") -> Tensor:
    """L = the mean (or sum, or none) of -t ln x - (1 - t) ln(1 - x), for probabilities x and targets t, both from 0 to 1.

    Backward: dx = dL (x - t) / (x (1 - x)) / N, dt = dL (ln(1 - x) - ln x) / N.

    As in PyTorch no logarithm counts as less than -100, and no x (1 - x) as less than 1e-12, so that a probability of 0 or 1
    is no infinity. Better computed from scores, by `binary_cross_entropy_with_logits`.
    """
    x, t = _same_shape("binary_cross_entropy", input, target)
    a, b = x._data, t._data
    _check_probabilities("binary_cross_entropy expects input", a)
    _check_probabilities("binary_cross_entropy expects targets", b)
    with np.errstate(divide="ignore"):
        log_x, log_rest = np.maximum(kernels.log(a), -100), np.maximum(np.log1p(-a), -100)
    loss, factor = _reduced(-(b * log_x + (1 - b) * log_rest), reduction)

    def backward(dy):
        scaled = dy * a.dtype.type(factor)
        return scaled * (a - b) / np.maximum(a * (1 - a), a.dtype.type(1e-12)), scaled * (log_rest - log_x)

    return record(loss, (x, t), backward, saved=(x, t))


def _check_probabilities(expected: str, values: np.ndarray) -> None:
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"{expected} from 0 to 1, got values from {values.min()} to {values.max()}")


def binary_cross_entropy_with_logits(input: Array, target: Array, reduction: str = "mean") -> Tensor:
    """L = the mean (or sum, or none) of -t ln s - (1 - t) ln(1 - s) with s = sigmoid(x), 0 <= t <= 1.

    As ln s = x - softplus(x) and ln(1 - s) = -softplus(x), it is softplus(x) - t x, which cannot overflow.

    Backward: dx = dL (s - t) / N, dt = -dL x / N.
    """
    x, t = _same_shape("binary_cross_entropy_with_logits", input, target)
    a, b = x._data, t._data
    _check_probabilities("binary_cross_entropy_with_logits expects targets", b)
    loss, factor = _reduced(np.maximum(a, 0) - a * b + np.log1p(kernels.exp(-np.abs(a))), reduction)

    def backward(dy):
        scaled = dy * a.dtype.type(factor)
        return scaled * (kernels.sigmoid(a) - b), -scaled * a

    return record(loss, (x, t), backward, saved=(x, t))
