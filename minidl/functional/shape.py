"""Operations that move elements and change none."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor, as_tensor, numpy_names, record, refuse_masks
from .arguments import Array

__all__ = ["concatenate", "getitem", "reshape", "stack", "transpose"]


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
def stack(tensors: Sequence[Array], dim: int = 0) -> Tensor:
    """y is the tensors, all of one shape, along a new axis.  Backward: each gets its part of dy."""
    parents = tuple(as_tensor(t) for t in tensors)

    def backward(dy):
        return tuple(np.moveaxis(dy, dim, 0))

    return record(np.stack([t._data for t in parents], axis=dim), parents, backward)
