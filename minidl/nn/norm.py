"""Normalization as layers: the parameters, and the running statistics that batch normalization uses in evaluation.

The computation, forward and backward, is in `functional/normalization.py`.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .. import init
from ..random import Generator, as_generator
from .module import InputError, Module, check_input
from .parameter import Parameter, check_dtype, check_size, make_parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm"]


class BatchNorm(Module):
    """What the layers below share: all but the shapes that they take."""

    unit_axis = 1

    _ndims: ClassVar[tuple[int, ...]]  # how many axes the input may have
    _shapes: ClassVar[str]  # the same in words

    weight: Parameter | None
    bias: Parameter | None
    running_mean: np.ndarray | None
    running_var: np.ndarray | None
    num_batches_tracked: np.ndarray

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        weight_init: Any = init.Ones(),  # noqa: B008 - immutable, and readable in the signature
        bias_init: Any = init.Zeros(),  # noqa: B008
        rng: Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ):
        name = type(self).__name__
        check_size(name, "num_features", num_features)
        check_dtype(name, dtype)
        if not isinstance(eps, (int, float, np.number)) or not 0 <= eps < np.inf:
            raise ValueError(f"{name}: eps must be a finite number of at least 0, got {eps!r}")
        if momentum is not None and (not isinstance(momentum, (int, float, np.number)) or not 0 <= momentum <= 1):
            raise ValueError(f"{name}: momentum must be None or from 0 to 1, got {momentum!r}")
        self.num_features, self.eps, self.momentum = int(num_features), eps, momentum
        self.dtype = np.dtype(dtype)
        shape, rng = (self.num_features,), as_generator(rng)
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if affine:
            self.weight = make_parameter(f"{name} weight_init", weight_init, shape, None, rng, dtype)
            self.bias = make_parameter(f"{name} bias_init", bias_init, shape, None, rng, dtype)
        self.running_mean = self.running_var = None
        if track_running_stats:
            self.register_buffer("running_mean", np.zeros(shape, dtype))
            self.register_buffer("running_var", np.ones(shape, dtype), least=0)
            self.register_buffer("num_batches_tracked", np.array(0), least=0)

    def forward(self, x):
        x = check_input(self, x, self.dtype)
        if x.ndim not in self._ndims or x.shape[1] != self.num_features:
            shapes = self._shapes.format(self.num_features)
            raise InputError(self, f"expects input of shape {shapes}, got {x.shape}; reshape the input, or change num_features")
        tracked = self.running_mean is not None
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / (int(self.num_batches_tracked) + 1) if tracked else 0.0
        try:
            return F.batch_norm(
                x,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                self.training or not tracked,
                momentum,
                self.eps,
                num_batches_tracked=self.num_batches_tracked if tracked else None,
            )
        except ValueError as error:
            raise InputError(self, f"cannot go on: {error}") from error

    def propagate(self, signal):
        statistics = None if self.training or self.running_mean is None else (self.running_mean, self.running_var)
        return signal.normalize(self.num_features, self.eps, self.weight, self.bias, statistics)

    def extra_repr(self):
        size = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
        if self.weight is None or self.bias is None:
            return f"{size}, affine=False"
        return f"{size}, weight_init={self.weight.initializer}, bias_init={self.bias.initializer}"


class BatchNorm1d(BatchNorm):
    """y = weight (x - m) / sqrt(v + eps) + bias, for each of num_features channels by itself.

    In training, m and v are the mean and the *biased* variance (divided by n) of the batch, and the running statistics move
    towards the batch's: running = (1 - momentum) running + momentum batch, with the *unbiased* variance (divided by n - 1).
    In evaluation, m and v are the running statistics. So it is in PyTorch.

    Parameters
    ----------
    num_features : int
        x has shape (batch, num_features) or (batch, num_features, length).
    eps : float
        Keeps the division from 0.
    momentum : float or None
        The fraction of the new value (not of the old one, as elsewhere); None for the plain average over all batches.
    affine : bool
        If True, adds a learnable weight and bias.
    track_running_stats : bool
        If True, keeps running statistics; without them evaluation uses the batch, too.
    weight_init, bias_init, rng, dtype
        As in `Linear`; but there are no fans, for each weight multiplies one number: an initializer that needs them is
        an error.

    Examples
    --------
    >>> BatchNorm1d(1)([[1.0], [3.0]]).data.round(3)
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    _ndims = (2, 3)
    _shapes = "(batch, {0}) or (batch, {0}, length)"


class BatchNorm2d(BatchNorm):
    """Batch normalization of images, x of shape (batch, num_features, height, width): else as `BatchNorm1d`.

    The mean and the variance of a channel are taken over the batch, the height and the width.

    Examples
    --------
    >>> BatchNorm2d(3)(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
    """

    _ndims = (4,)
    _shapes = "(batch, {0}, height, width)"


class LayerNorm(Module):
    """y = weight (x - m) / sqrt(v + eps) + bias, with m and v the mean and the biased variance of each sample by itself.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The lengths of the last axes of x, over which m and v are taken; the shape of weight and bias.
    eps : float
        Keeps the division from 0.
    elementwise_affine, bias : bool
        If True, adds a learnable weight, and a learnable bias beside it.
    weight_init, bias_init, rng, dtype
        As in `BatchNorm1d`.

    Examples
    --------
    >>> LayerNorm(2)([[1.0, 3.0], [10.0, 30.0]]).data.round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    unit_axis = None

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        weight_init: Any = init.Ones(),  # noqa: B008 - immutable, and readable in the signature
        bias_init: Any = init.Zeros(),  # noqa: B008
        rng: Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ):
        lengths = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        for length in lengths or (0,):
            check_size("LayerNorm", "normalized_shape", length)
        check_dtype("LayerNorm", dtype)
        if not isinstance(eps, (int, float, np.number)) or not 0 <= eps < np.inf:
            raise ValueError(f"LayerNorm: eps must be a finite number of at least 0, got {eps!r}")
        self.normalized_shape, self.eps, self.dtype = tuple(map(int, lengths)), eps, np.dtype(dtype)
        rng = as_generator(rng)
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if elementwise_affine:
            self.weight = make_parameter("LayerNorm weight_init", weight_init, self.normalized_shape, None, rng, dtype)
        if elementwise_affine and bias:
            self.bias = make_parameter("LayerNorm bias_init", bias_init, self.normalized_shape, None, rng, dtype)

    def forward(self, x):
        x = check_input(self, x, self.dtype)
        try:
            return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        except ValueError as error:
            raise InputError(self, f"cannot go on: {error}") from error

    def propagate(self, signal):
        return signal.normalize_each(self.normalized_shape, self.eps, self.weight, self.bias)

    def extra_repr(self):
        size = f"{self.normalized_shape}, eps={self.eps}"
        if self.weight is None:
            return f"{size}, elementwise_affine=False"
        bias = "bias=False" if self.bias is None else f"bias_init={self.bias.initializer}"
        return f"{size}, weight_init={self.weight.initializer}, {bias}"
