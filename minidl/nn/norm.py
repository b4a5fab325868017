"""Batch normalization as a layer: the parameters, and the running statistics that evaluation uses.

The computation, forward and backward, is `functional.batch_norm`.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .. import init
from ..random import Generator, as_generator
from .module import InputError, Module, check_input
from .parameter import Parameter, check_dtype, check_size, make_parameter

__all__ = ["BatchNorm1d"]


class BatchNorm1d(Module):
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

    unit_axis = 1

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
        check_size("BatchNorm1d", "num_features", num_features)
        check_dtype("BatchNorm1d", dtype)
        if not isinstance(eps, (int, float, np.number)) or not 0 <= eps < np.inf:
            raise ValueError(f"BatchNorm1d: eps must be a finite number of at least 0, got {eps!r}")
        if momentum is not None and (not isinstance(momentum, (int, float, np.number)) or not 0 <= momentum <= 1):
            raise ValueError(f"BatchNorm1d: momentum must be None or from 0 to 1, got {momentum!r}")
        self.num_features, self.eps, self.momentum = int(num_features), eps, momentum
        self.dtype = np.dtype(dtype)
        shape, rng = (self.num_features,), as_generator(rng)
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if affine:
            self.weight = make_parameter("BatchNorm1d weight_init", weight_init, shape, None, rng, dtype)
            self.bias = make_parameter("BatchNorm1d bias_init", bias_init, shape, None, rng, dtype)
        self.running_mean = self.running_var = None
        if track_running_stats:
            self.register_buffer("running_mean", np.zeros(shape, dtype))
            self.register_buffer("running_var", np.ones(shape, dtype), least=0)
            self.register_buffer("num_batches_tracked", np.array(0), least=0)

    def forward(self, x):
        x = check_input(self, x, self.dtype)
        if x.ndim not in (2, 3) or x.shape[1] != self.num_features:
            shapes = f"(batch, {self.num_features}) or (batch, {self.num_features}, length)"
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
