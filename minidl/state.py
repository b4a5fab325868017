"""What a saved array must be to take the place of one that is here: for the `load_state_dict` of models and of optimizers.

Where the arrays come from, a file or another library, is not its business, nor who takes them over.
"""

import math
from typing import Any

import numpy as np

from .tensor import Tensor, _lists


def fitting(given: Any, here: np.ndarray, least: float = -math.inf) -> np.ndarray:
    """A copy of what a state_dict has for the array that is here, in its dtype and its layout in memory.

    Raises
    ------
    ValueError
        If it is not an array of finite numbers, each at least `least`, that this dtype can hold, or has another shape. The
        message does not say whose array it is.

    Examples
    --------
    >>> fitting([1, 2], np.zeros(2))
    array([1., 2.])
    """
    try:
        array = np.asarray(_lists(given.data if isinstance(given, Tensor) else given))
    except (ValueError, TypeError, RuntimeError) as error:  # a ragged list; a tensor that NumPy cannot read
        raise ValueError(f"not an array of numbers ({error})") from error
    if array.shape != here.shape:
        raise ValueError(f"shape {array.shape}, expected {here.shape}")
    if array.dtype.kind not in "fiu":
        raise ValueError(f"expected finite numbers, got dtype {array.dtype}")
    new = np.empty_like(here)
    with np.errstate(over="ignore", invalid="ignore"):
        new[...] = array
    if not (np.isfinite(array).all() and np.isfinite(new).all()):
        raise ValueError(f"expected finite numbers, got NaN, infinity or a number that {here.dtype} cannot hold")
    if here.dtype.kind in "iu" and not (new == array).all():
        raise ValueError(f"expected integers that {here.dtype} can hold, got {array}")
    if not (new >= least).all():
        raise ValueError(f"expected numbers of at least {least:g}, got {new.min():g}")
    return new
