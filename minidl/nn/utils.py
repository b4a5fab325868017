"""What is done with the gradients of a whole model between `backward()` and `optimizer.step()`: clipping by their norm."""

import math
from collections.abc import Iterable
from itertools import repeat

import numpy as np

from ..atomic import at_once
from ..tensor import Tensor

__all__ = ["clip_grad_norm_"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> float:
    """Shrink all gradients by one factor, so that the norm of all of them together is at most max_norm. PyTorch's rule.

    With the norm |g| = (sum_i |g_i|^norm_type)^(1 / norm_type) over all elements of all gradients:

        g = g min(1, max_norm / (|g| + 10^-6))

    The direction stays: a rare steep place, as in recurrent networks, makes no step that is longer than others.

    Parameters
    ----------
    parameters : iterable of Tensor, or a Tensor
        Usually model.parameters(). Those without a gradient are passed over.
    max_norm : float
        At least 0.
    norm_type : float
        Above 0; inf for the largest element.
    error_if_nonfinite : bool
        Whether a norm that is NaN or infinite is an error. If not, it makes gradients NaN or 0, as in PyTorch.

    Returns
    -------
    float
        The norm before clipping. It is computed in float64, and does not overflow where a square would.

    Raises
    ------
    ValueError, TypeError
        If a number cannot be, something else than a Tensor is among the parameters, or the norm is not finite, where that is an
        error. All gradients are as they were then.

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1.

    Examples
    --------
    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w / 2).sum().backward()
    >>> clip_grad_norm_([w], max_norm=1.0)
    5.0
    >>> w.grad.round(5)
    array([0.6, 0.8], dtype=float32)
    """
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    if not isinstance(parameters, Iterable):
        raise TypeError(f"clip_grad_norm_ takes tensors, got {type(parameters).__name__}; pass model.parameters()")
    parameters = list(parameters)
    for i, p in enumerate(parameters):
        if not isinstance(p, Tensor):
            raise TypeError(f"clip_grad_norm_ takes tensors, got {type(p).__name__} at place {i}; pass model.parameters()")
    if not (_is_number(max_norm) and max_norm >= 0):
        raise ValueError(f"clip_grad_norm_: max_norm must be a number of at least 0, got {max_norm!r}")
    if not (_is_number(norm_type) and norm_type > 0):
        raise ValueError(f"clip_grad_norm_: norm_type must be a number above 0, got {norm_type!r}")
    clipped = list({id(p): p for p in parameters if p._grad is not None}.values())  # each once, shared ones too
    gradients: list[np.ndarray] = [p._grad for p in clipped if p._grad is not None]
    norm = _norm([_norm(np.abs(g, dtype=np.float64), norm_type) for g in gradients], norm_type)
    if error_if_nonfinite and not math.isfinite(norm):
        raise ValueError(
            f"clip_grad_norm_: the norm of the gradients is {norm}, so they cannot be clipped; look where it comes from with "
            "flow.measure, or pass error_if_nonfinite=False"
        )
    with np.errstate(invalid="ignore"):
        factor = min(1.0, max_norm / (norm + 1e-6)) if not math.isnan(norm) else norm
        new = [np.asarray(g * factor) for g in gradients]
    at_once(setattr, clipped, repeat("_grad"), new)
    return norm


def _norm(sizes: "np.ndarray | list[float]", kind: float) -> float:
    """(sum_i sizes_i^kind)^(1/kind) of what is at least 0, as m (sum_i (sizes_i / m)^kind)^(1/kind) with m = max_i sizes_i."""
    sizes = np.asarray(sizes)
    largest = float(sizes.max(initial=0.0))
    if kind == math.inf or largest == 0 or not math.isfinite(largest):
        return largest
    with np.errstate(over="ignore"):
        return float(largest * np.sum((sizes / largest) ** kind) ** (1 / kind))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
