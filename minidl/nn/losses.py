"""Losses as modules. What they compute, and the gradient, is in `functional/losses.py`."""

from typing import Any

import numpy as np

from .. import functional as F
from ..tensor import as_tensor
from .module import Module

__all__ = ["BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "L1Loss", "MSELoss", "NLLLoss"]


class _Loss(Module):
    """What the losses share: `reduction` says whether to return their mean, their sum or all of them ("none")."""

    def __init__(self, reduction: str = "mean"):
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"{type(self).__name__}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction


class _ClassLoss(_Loss):
    """What the losses of class numbers share: `weight`, a buffer, and `ignore_index`."""

    weight: Any

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(reduction)
        if isinstance(weight, str):
            raise TypeError(f"{type(self).__name__}: the first argument is weight; write reduction={weight!r}")
        self.register_buffer("weight", None if weight is None else np.array(as_tensor(weight).data), least=0)
        self.ignore_index = ignore_index


class CrossEntropyLoss(_ClassLoss):
    """`functional.cross_entropy`: scores before the softmax against the right classes, or their probabilities."""

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0):
        super().__init__(weight, ignore_index, reduction)
        self.label_smoothing = label_smoothing

    def forward(self, input, target):
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class NLLLoss(_ClassLoss):
    """`functional.nll_loss`: the logarithms of probabilities against the right classes."""

    def forward(self, input, target):
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class MSELoss(_Loss):
    """`functional.mse_loss`: the mean squared difference."""

    def forward(self, input, target):
        return F.mse_loss(input, target, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`functional.binary_cross_entropy_with_logits`: scores before the sigmoid against targets from 0 to 1."""

    def forward(self, input, target):
        return F.binary_cross_entropy_with_logits(input, target, self.reduction)


class BCELoss(_Loss):
    """`functional.binary_cross_entropy`: probabilities against targets from 0 to 1."""

    def forward(self, input, target):
        return F.binary_cross_entropy(input, target, self.reduction)


class L1Loss(_Loss):
    """`functional.l1_loss`: the mean absolute difference."""

    def forward(self, input, target):
        return F.l1_loss(input, target, self.reduction)


class HuberLoss(_Loss):
    """`functional.huber_loss`: squared for small differences, linear in large ones."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input, target):
        return F.huber_loss(input, target, self.reduction, self.delta)
