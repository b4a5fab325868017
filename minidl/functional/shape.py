"""Operations that move elements, or put new ones beside them, and change none."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..tensor import Dim, Tensor, as_tensor, numpy_names, record, refuse_masks
from .arguments import Array

__all__ = [
    "clone", "concatenate", "flatten", "getitem", "one_hot", "pad", "reshape", "split", "squeeze", "stack", "transpose",
    "unsqueeze",
]  # fmt: skip


def getitem(x: Array, index: Any) -> Tensor:
    """y = x[index], with any index that NumPy takes.

    Backward: dx is 0 but at the places that were taken, where dy goes; a place taken twice gets the sum.
    """
    x = as_tensor(x)
    shape = x.shape
    parts = [_index(part) for part in (index if isinstance(index, tuple) else (index,))]
    basic = all(part is None or part is Ellipsis or isinstance(part, (slice, int, np.integer)) for part in parts)
    key = tuple(part if basic or not isinstance(part, (list, np.ndarray)) else np.array(part) for part in parts)

    def backward(dy):
        dx = np.zeros(shape, dy.dtype if basic else np.float64)  # a place may be taken a million times
        if basic:
            dx[key] = dy
        else:
            np.add.at(dx, key, dy)
        return (dx.astype(dy.dtype, copy=False),)

    return record(x._data[key], (x,), backward, view=basic)


def _index(part: Any) -> Any:
    """A part of an index, with the array in place of a tensor."""
    if isinstance(part, Tensor):
        part = part._data
    refuse_masks(part)
    if isinstance(part, np.ndarray) and part.dtype.kind == "f":
        raise IndexError(
            f"an index holds integers or booleans, got {part.dtype} (a Tensor made of integers holds floats); index with the "
            "list or the integer array itself, or with index.data.astype(int)"
        )
    return part


def reshape(x: Array, *shape: Any) -> Tensor:
    """y has the elements of x, in order, in another shape; -1 stands for what is left.  Backward: dx = dy in x's shape."""
    x = as_tensor(x)
    old = x.shape

    def backward(dy):
        return (dy.reshape(old),)

    return record(x._data.reshape(*shape), (x,), backward, view=True)


def flatten(x: Array, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """y is x with the axes from the first to the last of these as one.  Backward: that of `reshape`.

    Examples
    --------
    >>> flatten(np.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    x = as_tensor(x)
    if not x.ndim:
        return reshape(x, 1)
    first, last = (normalize_axis_index(dim, x.ndim) for dim in (start_dim, end_dim))
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} in shape {x.shape}")
    return reshape(x, (*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


def squeeze(x: Array, dim: Dim = None) -> Tensor:
    """y is x without those axes in `dim`, or of all axes, that have length 1.  Backward: that of `reshape`."""
    x = as_tensor(x)
    dims = range(x.ndim) if dim is None else normalize_axis_tuple(dim, x.ndim or 1)  # of a number too, 0 is an axis
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in dims))


def unsqueeze(x: Array, dim: int) -> Tensor:
    """y is x with a new axis, of length 1, in this place.  Backward: that of `reshape`."""
    x = as_tensor(x)
    place = normalize_axis_index(dim, x.ndim + 1)
    return reshape(x, (*x.shape[:place], 1, *x.shape[place:]))


def transpose(x: Array, *dims: Any) -> Tensor:
    """y is x with axes exchanged: two axes (as in PyTorch), all of them in the order of a tuple, or, without any, reversed.

    Backward: the inverse permutation of dy.

    Examples
    --------
    >>> x = np.zeros((2, 3, 4))
    >>> transpose(x, 0, 1).shape, transpose(x, (2, 0, 1)).shape, transpose(x).shape
    ((3, 2, 4), (4, 2, 3), (4, 3, 2))
    """
    x = as_tensor(x)
    order = list(range(x.ndim))
    if len(dims) == 2:
        _check_axes(dims, x.shape)
        order[dims[0]], order[dims[1]] = order[dims[1]], order[dims[0]]
    else:
        order = _order(dims[0] if len(dims) == 1 else dims, x.shape) if dims else order[::-1]

    def backward(dy):
        return (dy.transpose(np.argsort(order)),)

    return record(x._data.transpose(order), (x,), backward, view=True)


def _check_axes(dims: Any, shape: tuple[int, ...]) -> None:
    for dim in dims:
        if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)) or not -len(shape) <= dim < len(shape):
            raise ValueError(f"transpose: there is no axis {dim!r} in shape {shape}")


def _order(dims: Any, shape: tuple[int, ...]) -> list[int]:
    """All axes in an order that is given, none counted from the end."""
    if isinstance(dims, (int, np.integer)) or len(dims) != len(shape) or len({d % len(shape) for d in dims}) < len(shape):
        raise ValueError(
            f"transpose takes two axes, or a tuple with each axis of shape {shape} once, or nothing to reverse; got {dims!r}"
        )
    _check_axes(dims, shape)
    return [int(dim) % len(shape) for dim in dims]


@numpy_names
def concatenate(tensors: Sequence[Array], dim: int = 0) -> Tensor:
    """y is the tensors in a row along one axis.  Backward: each gets its part of dy."""
    parents = tuple(as_tensor(t) for t in tensors)
    y = np.concatenate([t._data for t in parents], axis=dim)
    ends = np.cumsum([t.shape[dim] for t in parents])[:-1]

    def backward(dy):
        return np.split(dy, ends, axis=dim)

    return record(y, parents, backward)


@numpy_names
def split(x: Array, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Consecutive parts along one axis: of one length, but for a shorter last, or of the lengths in a list.

    Backward: that of `getitem`.

    Examples
    --------
    >>> [part.tolist() for part in split([1.0, 2.0, 3.0], 2)]
    [[1.0, 2.0], [3.0]]
    """
    x = as_tensor(x)
    axis = normalize_axis_index(dim, x.ndim)
    n, given = x.shape[axis], split_size_or_sections
    if isinstance(given, (int, np.integer)):
        if given < 1:
            raise ValueError(f"split: a part must have at least one element, got {given}")
        lengths = [min(given, n - begin) for begin in range(0, n, given)] or [0]
    else:
        lengths = list(given)
        if min(lengths, default=0) < 0 or sum(lengths) != n:
            raise ValueError(f"split: parts of lengths {lengths} don't make up axis {dim} of shape {x.shape}")
    ends = list(itertools.accumulate(lengths))
    before = (slice(None),) * axis
    return tuple(getitem(x, (*before, slice(end - n, end))) for n, end in zip(lengths, ends, strict=True))


def pad(x: Array, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """y is x with `value` put around it: `pad` has two numbers, before and after, for the last axis, then the one before, ...

    Backward: dx is the part of dy that was x. A negative number takes away.

    Examples
    --------
    >>> pad([[1.0, 2.0]], (1, 0)).tolist()
    [[0.0, 1.0, 2.0]]
    """
    x = as_tensor(x)
    if mode != "constant":
        raise ValueError(f"pad: mode must be 'constant', got {mode!r}; nn.Conv2d has padding_mode='circular'")
    if len(pad) % 2 or len(pad) > 2 * x.ndim or not all(isinstance(n, (int, np.integer)) for n in pad):
        raise ValueError(f"pad takes two integers for each of the last axes of shape {x.shape}, got {tuple(pad)}")
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2) + list(zip(pad[-2::-2], pad[::-2], strict=True))
    if any(n + min(before, 0) + min(after, 0) < 0 for n, (before, after) in zip(x.shape, pairs, strict=True)):
        raise ValueError(f"pad: {tuple(pad)} takes away more than there is in shape {x.shape}")
    taken = tuple(slice(-min(a, 0), n + min(b, 0)) for n, (a, b) in zip(x.shape, pairs, strict=True))
    added = [(max(a, 0), max(b, 0)) for a, b in pairs]
    placed = tuple(slice(a, a + len(range(n)[part])) for (a, _), n, part in zip(added, x.shape, taken, strict=True))
    shape = x.shape

    def backward(dy):
        dx = np.zeros(shape, dy.dtype)
        dx[taken] = dy[placed]
        return (dx,)

    return record(np.pad(x._data[taken], added, constant_values=value), (x,), backward)


def clone(x: Array) -> Tensor:
    """y is a copy of x, in memory of its own.  Backward: dx = dy."""
    x = as_tensor(x)
    return record(x._data.copy(), (x,), lambda dy: (dy,))


def one_hot(target: Any, num_classes: int = -1) -> Tensor:
    """y has a last axis of length `num_classes` that is 1 at the target, an integer, and 0 elsewhere; no gradient.

    Without `num_classes` there are as many as the largest target says.

    Examples
    --------
    >>> one_hot([0, 2]).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    refuse_masks(target)
    labels = np.asarray(target._data if isinstance(target, Tensor) else target)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot takes integers, got {labels.dtype}")
    if not isinstance(num_classes, (int, np.integer)) or num_classes < -1:
        raise ValueError(f"one_hot: num_classes must be a number of classes, or -1, got {num_classes!r}")
    if num_classes == -1:
        if not labels.size:
            raise ValueError("one_hot of no targets needs num_classes")
        num_classes = int(labels.max()) + 1
    if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
        raise ValueError(f"one_hot: targets must be from 0 to {num_classes - 1}, got from {labels.min()} to {labels.max()}")
    return record((labels[..., None] == np.arange(num_classes)).astype(np.int64), (), None)


@numpy_names
def stack(tensors: Sequence[Array], dim: int = 0) -> Tensor:
    """y is the tensors, all of one shape, along a new axis.  Backward: each gets its part of dy."""
    parents = tuple(as_tensor(t) for t in tensors)

    def backward(dy):
        return tuple(np.moveaxis(dy, dim, 0))

    return record(np.stack([t._data for t in parents], axis=dim), parents, backward)
