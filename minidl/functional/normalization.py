"""Normalization: over the batch, each channel by itself, and over the features, each sample by itself."""

import math
from collections.abc import Sequence

import numpy as np

from .. import kernels
from ..tensor import Tensor, as_tensor, count_of, record
from .arguments import Array, as_real
from .reductions import array_mean, centred_at_mean

__all__ = ["batch_norm", "layer_norm"]


def batch_norm(
    x: Array,
    running_mean: np.ndarray | Tensor | None,
    running_var: np.ndarray | Tensor | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    num_batches_tracked: np.ndarray | None = None,
) -> Tensor:
    """y = weight h + bias with h = (x - m) / sqrt(v + eps), each channel (axis 1) by itself.

    In training m and v are the mean and the biased variance (divided by n) of the batch; otherwise the running statistics. In
    training these are moved, in place, to (1 - momentum) running + momentum batch, with the *unbiased* variance v n / (n - 1):
    PyTorch's convention. A `num_batches_tracked` is raised by 1 together with them.

    Backward, with s = 1 / sqrt(v + eps): dbias = sum dy, dweight = sum dy h, and dh = dy weight. In training h has mean 0
    and variance 1 whatever x is, so the parts of dh along 1 and along h change nothing and are taken out:

        dx = s (dh - mean(dh) - h mean(dh h))           (training)
        dx = s dh                                       (otherwise)

    Source: Ioffe and Szegedy, "Batch normalization", ICML 2015, algorithm 1 and section 3.
    """
    x = as_tensor(x)
    shape = x.shape
    weight, bias = (None if t is None else as_tensor(t, like=x) for t in (weight, bias))
    mean, var = (t.data if isinstance(t, Tensor) else t for t in (running_mean, running_var))
    _check_batch_norm(shape, {"running_mean": mean, "running_var": var}, weight, bias, training, momentum, eps)
    a = _with_places(x._data)
    w, b = (None if t is None else np.ascontiguousarray(t._data, a.dtype) for t in (weight, bias))
    m, v = np.empty((2, a.shape[1]), a.dtype) if training else (np.array(mean, a.dtype), np.array(var, a.dtype))
    y = kernels.batch_norm(a, w, b, m, v, eps, training)  # weight (x - m) / sqrt(v + eps) + bias; in training it fills m and v
    if training:
        n = a.size // len(m)
        unbiased = n / (n - 1)
        if not kernels.are_finite(v, unbiased):
            _check_variance(v * a.dtype.type(unbiased), a)
        moved = (mean, var, num_batches_tracked)
        kernels.move_statistics(*moved, m, v, n, float(momentum), [count_of(t) for t in moved if t is not None])
    parents = tuple(t for t in (x, weight, bias) if t is not None)

    def backward(dy):
        # s (dh - mean(dh) - h mean(dh h)), or s dh outside training; sum dy h; sum dy.
        dx, dw, db = kernels.batch_norm_backward(dy.reshape(a.shape), a, w, m, v, eps, training)
        gradients = [dx.reshape(shape)]
        if weight is not None:
            gradients.append(dw)
        if bias is not None:
            gradients.append(db)
        return gradients

    return record(y.reshape(shape), parents, backward, saved=(x,) if weight is None else (x, weight))


def _check_batch_norm(shape, running, weight, bias, training, momentum, eps) -> None:
    """Whether an input of this shape, and the rest, can be normalized; `running`: the running statistics by name."""
    if len(shape) < 2:
        raise ValueError(f"batch_norm expects input of shape (batch, channels, ...), got {shape}")
    if not isinstance(momentum, (int, float, np.number)) or not 0 <= momentum <= 1:
        raise ValueError(f"batch_norm: momentum must be a number from 0 to 1, the weight of the batch, got {momentum!r}")
    if not isinstance(eps, (int, float, np.number)) or not 0 <= eps < math.inf:
        raise ValueError(f"batch_norm: eps must be a finite number of at least 0, got {eps!r}")
    for name, t in running.items():
        if t is None and not training:
            raise ValueError("batch_norm outside training needs running_mean and running_var; pass training=True without them")
        if t is not None and not (isinstance(t, np.ndarray) and t.dtype.kind == "f"):
            what = f"an array of {t.dtype}" if isinstance(t, np.ndarray) else type(t).__name__
            raise TypeError(f"batch_norm: {name} must be an array or a tensor of floats, got {what}")
        if t is not None and training and not t.flags.writeable:
            raise ValueError(f"batch_norm: {name} is read-only, and training moves it; pass a copy, or training=False")
    for name, t in {**running, "weight": weight, "bias": bias}.items():
        if t is not None and t.shape != shape[1:2]:
            raise ValueError(f"batch_norm: {name} has shape {t.shape}, expected {shape[1:2]} for input of shape {shape}")
    if training and (math.prod(shape) == 0 or math.prod(shape) == shape[1]):
        raise ValueError(
            f"batch_norm in training needs more than one value per channel, got input of shape {shape}; "
            "use a larger batch, or call model.eval() first"
        )
    if not training and (negative := running["running_var"] < 0).any():
        channel = negative.argmax()
        raise ValueError(
            f"batch_norm: running_var must not be negative, got {running['running_var'][channel]} in channel {channel}; "
            "restore the running statistics, or train again"
        )


def _check_variance(variance: np.ndarray, a: np.ndarray) -> None:
    """Whether the channels of `a` are too large for a variance of theirs; their own infinities and NaN go through."""
    if np.isfinite(variance).all():
        return
    spoilt = ~np.isfinite(variance) & np.isfinite(a).all(axis=(0, *range(2, a.ndim)))
    if spoilt.any():
        channel = spoilt.argmax()
        raise _overflow(f"batch_norm: the variance of channel {channel}", a[:, channel])


def _overflow(what: str, a: np.ndarray) -> ValueError:
    return ValueError(
        f"{what} overflows {a.dtype}, for its values are up to {np.abs(a).max():.3g} in size; scale the input down, or find "
        "out why it grew"
    )


def _with_places(x: np.ndarray) -> np.ndarray:
    """x of shape (batch, channels, ...) as reals in C order, all axes after the channels as one, their places."""
    if x.ndim > 3:
        x = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    return np.ascontiguousarray(x, np.float64 if x.dtype == np.float64 else np.float32)


def layer_norm(
    x: Array, normalized_shape: Sequence[int], weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Tensor:
    """y = weight h + bias with h = (x - m) / sqrt(v + eps), each sample by itself.

    m and v are the mean and the biased variance over the last axes, whose lengths are `normalized_shape`, which is the shape
    of weight and bias, too. Training and evaluation are the same.

    Backward, with s = 1 / sqrt(v + eps): dbias = sum dy and dweight = sum dy h, over the samples; and with dh = dy weight

        dx = s (dh - mean(dh) - h mean(dh h)),

    since h has mean 0 and variance 1 whatever x is, so that the parts of dh along 1 and along h change nothing.

    Source: Ba, Kiros and Hinton, "Layer normalization", 2016, equation 4.
    """
    x = as_real(x)
    dims = tuple(normalized_shape)
    if not dims or x.shape[-len(dims) :] != dims or 0 in dims:
        raise ValueError(f"layer_norm over {dims} expects input of shape (..., {', '.join(map(str, dims))}), got {x.shape}")
    weight, bias = (None if t is None else as_tensor(t, like=x) for t in (weight, bias))
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.shape != dims:
            raise ValueError(f"layer_norm over {dims}: {name} has shape {t.shape}")
    last, first = tuple(range(-len(dims), 0)), tuple(range(x.ndim - len(dims)))
    a = x._data
    w = None if weight is None else weight._data
    with np.errstate(over="ignore"):
        centred = centred_at_mean(a, last)
        variance = array_mean(kernels.multiply(centred, centred), last, True)
    if not kernels.are_finite(variance, 1.0) and np.isinf(variance).any():  # infinite elements make it NaN
        raise _overflow("layer_norm: the variance of a sample", a)
    s = kernels.inverse_root(variance, a.dtype.type(eps))
    h = kernels.multiply(centred, s)
    y = h if w is None else kernels.multiply(h, w)
    parents = tuple(t for t in (x, weight, bias) if t is not None)

    def backward(dy):
        dh = dy if w is None else kernels.multiply(dy, w)
        along = kernels.multiply(h, array_mean(kernels.multiply(dh, h), last, True))
        dx = kernels.multiply(s, kernels.subtract(kernels.subtract(dh, array_mean(dh, last, True)), along))
        gradients = [dx.astype(a.dtype, copy=False)]
        if weight is not None:
            gradients.append(kernels.sum(kernels.multiply(dy, h), first))
        if bias is not None:
            gradients.append(kernels.sum(dy, first))
        return gradients

    return record(
        y if bias is None else kernels.add(y, bias._data), parents, backward, saved=() if weight is None else (weight,)
    )
