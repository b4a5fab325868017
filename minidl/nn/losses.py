"""Losses as modules. What they compute, and the gradient, is in `functional/losses.py`."""

from .. import functional as F
from .module import Module

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "MSELoss"]


class _Loss(Module):
    """What the losses share: `reduction` says whether to return their mean, their sum or all of them ("none")."""

    def __init__(self, reduction: str = "mean"):
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"{type(self).__name__}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction


class CrossEntropyLoss(_Loss):
    """`functional.cross_entropy`: scores before the softmax against the numbers of the right classes."""

    def forward(self, input, target):
        return F.cross_entropy(input, target, self.reduction)


class MSELoss(_Loss):
    """`functional.mse_loss`: the mean squared difference."""

    def forward(self, input, target):
        return F.mse_loss(input, target, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`functional.binary_cross_entropy_with_logits`: scores before the sigmoid against targets from 0 to 1."""

    def forward(self, input, target):
        return F.binary_cross_entropy_with_logits(input, target, self.reduction)
