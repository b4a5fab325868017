"""Every operation: its forward directly above its backward.

Each function computes its result, defines `backward` (from dy = dL/dy to dL/dx for each input) and hands both to `record`.
The derivation is in the docstring, with dx for dL/dx. Layers, in `nn/`, are calls of these with parameters; the walk that
calls the backwards is in `tensor.py`. Arguments may be tensors, arrays or numbers. `x._data` is `x.data`, the array, without
the bookkeeping for those outside who may change it. What `backward` needs of its inputs, their shapes too, it keeps from the
forward pass: a leaf may have been given other data since.
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import kernels
from .atomic import at_once
from .names import no_attribute
from .random import Generator, as_generator
from .tensor import Dim, Tensor, as_tensor, check_differentiable, numpy_names, overwriting, record, refuse_masks

Array = Any  # what as_tensor takes: a Tensor, an array, nested lists or a number


def unbroadcast(dy: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """dy, summed over the axes along which an input of this shape was repeated.

    An element that was used many times gets the sum of the gradients of its uses.
    """
    if dy.shape == shape:
        return dy
    inner = (1,) * (dy.ndim - len(shape)) + shape
    repeated = tuple(i for i, n in enumerate(inner) if n == 1)
    return kernels.sum(dy, repeated).reshape(shape)


def _pair(x: Array, y: Array) -> tuple[Tensor, Tensor]:
    """Both as tensors; what has no float dtype of its own (a number, a list, integers) takes that of the other one."""
    if isinstance(x, Tensor) or (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        x = as_tensor(x)
        y = as_tensor(y, like=x)
    else:
        y = as_tensor(y)
        x = as_tensor(x, like=y)
    if x.dtype is not y.dtype and "f" in (kinds := (x.dtype.kind, y.dtype.kind)) and kinds != ("f", "f"):
        x, y = (t if t.dtype.kind == "f" else _as_float(t, other.dtype) for t, other in ((x, y), (y, x)))
    return x, y


def _as_float(x: Tensor, dtype: Any) -> Tensor:
    """A tensor of integers or booleans, which has no gradient, as one of floats."""
    if x.requires_grad:
        check_differentiable(x)
    return record(x._data.astype(dtype), (), None)


def _broadcast_pair(operation: str, x: Array, y: Array) -> tuple[Tensor, Tensor]:
    """The same for an elementwise operation, whose inputs must fit each other."""
    x, y = _pair(x, y)
    _check_broadcast(operation, x.shape, y.shape)
    return x, y


def _check_broadcast(operation: str, x: tuple[int, ...], y: tuple[int, ...]) -> None:
    if x != y:
        try:
            np.broadcast_shapes(x, y)
        except ValueError:
            raise ValueError(
                f"{operation}: shapes {x} and {y} don't fit; from the last axis on they must be equal or 1, so "
                "reshape or transpose one of them"
            ) from None


# Arithmetic


def add(x: Array, y: Array) -> Tensor:
    """z = x + y.  Backward: dx = dz, dy = dz."""
    x, y = _broadcast_pair("add", x, y)
    a, b = x._data, y._data

    def backward(dz):
        return unbroadcast(dz, a.shape), unbroadcast(dz, b.shape)

    return record(a + b, (x, y), backward)


def sub(x: Array, y: Array) -> Tensor:
    """z = x - y.  Backward: dx = dz, dy = -dz."""
    x, y = _broadcast_pair("sub", x, y)
    a, b = x._data, y._data

    def backward(dz):
        return unbroadcast(dz, a.shape), unbroadcast(-dz, b.shape)

    return record(a - b, (x, y), backward)


def mul(x: Array, y: Array) -> Tensor:
    """z = x y, elementwise.  Backward: dx = dz y, dy = dz x."""
    x, y = _broadcast_pair("mul", x, y)
    a, b = x._data, y._data

    def backward(dz):
        return (
            unbroadcast(dz * b, a.shape) if x.requires_grad else None,
            unbroadcast(dz * a, b.shape) if y.requires_grad else None,
        )

    return record(a * b, (x, y), backward, saved=(x, y))


def div(x: Array, y: Array) -> Tensor:
    """z = x / y, elementwise.  Backward: dx = dz / y, dy = -dz x / y^2 = -dx z."""
    x, y = _broadcast_pair("div", x, y)
    a, b = x._data, y._data
    z = a / b

    def backward(dz):
        dx = dz / b
        return unbroadcast(dx, a.shape), unbroadcast(-dx * z, b.shape) if y.requires_grad else None

    return record(z, (x, y), backward, saved=(y,))


def neg(x: Array) -> Tensor:
    """y = -x.  Backward: dx = -dy."""
    x = as_tensor(x)

    def backward(dy):
        return (-dy,)

    return record(-x._data, (x,), backward)


def pow(x: Array, y: Array) -> Tensor:
    """z = x^y, elementwise.

    Backward: dx = dz y x^(y-1) (0 where y = 0), dy = dz z log x (0 where x = 0 and y >= 0, as the limit is).
    """
    x, y = _broadcast_pair("pow", x, y)
    a, b = x._data, y._data
    z = a**b

    def backward(dz):
        dx = dy = None
        if x.requires_grad:
            dx = unbroadcast(dz * np.where(b == 0, 0, b * a ** np.where(b == 0, 1, b - 1)), a.shape)
        if y.requires_grad:
            flat = (a == 0) & (b >= 0)
            dy = unbroadcast(dz * np.where(flat, 0, z * np.log(np.where(flat, 1, a))), b.shape)
        return dx, dy

    return record(z, (x, y), backward, saved=(x, y))


def _matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The kernel for two matrices of one dtype; NumPy for stacks of matrices."""
    if a.ndim == b.ndim == 2 and a.dtype == b.dtype:
        return kernels.matmul(a, b)
    return a @ b


def matmul(x: Array, y: Array) -> Tensor:
    """z = x y, the matrix product; more than two axes are stacks of matrices, one axis is a vector (as in NumPy).

    z_ij = sum_k x_ik y_kj, so  dx_ik = sum_j dz_ij y_kj  and  dy_kj = sum_i x_ik dz_ij:

    Backward: dx = dz y^T, dy = x^T dz.
    """
    x, y = _pair(x, y)
    if not x.ndim or not y.ndim or x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: shapes {x.shape} and {y.shape} don't fit; the last axis of the first must be as long as the "
            "second-to-last (of a vector: the only) axis of the second"
        )
    # A vector is a matrix of one row (on the left) or one column (on the right).
    a = x._data if x.ndim > 1 else x._data[None, :]
    b = y._data if y.ndim > 1 else y._data[:, None]
    z = _matmul(a, b)
    shape, x_shape, y_shape = z.shape, x.shape, y.shape
    if x.ndim == 1:
        z = z[..., 0, :]
    if y.ndim == 1:
        z = z[..., 0]

    def backward(dz):
        dz = dz.reshape(shape)
        dx = unbroadcast(_matmul(dz, b.swapaxes(-1, -2)), a.shape).reshape(x_shape) if x.requires_grad else None
        dy = unbroadcast(_matmul(a.swapaxes(-1, -2), dz), b.shape).reshape(y_shape) if y.requires_grad else None
        return dx, dy

    return record(z, (x, y), backward, saved=(x, y))


# Comparison: no gradient, so the results are plain tensors of booleans


def compare(relation: Callable[[Any, Any], Any], x: Tensor, y: Any) -> Any:
    """relation(x, y), elementwise, for one of the six relations in `operator`."""
    if y is None:
        return NotImplemented
    refuse_masks(y)
    exact = x.dtype.kind != "f" or (isinstance(y, np.ndarray) and y.dtype.kind in "iub")  # a float may round an integer
    b = np.asarray(y) if exact and not isinstance(y, Tensor) else as_tensor(y, like=x)._data
    _check_broadcast(relation.__name__, x.shape, b.shape)
    return record(relation(x._data, b), (), None)


# Shape


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


# Reductions


def _spread(dy: np.ndarray, shape: tuple[int, ...], dim: Dim, keepdim: bool) -> np.ndarray:
    """dy with the reduced axes put back (of length 1), so that it broadcasts against the input."""
    if keepdim:
        return dy
    if dim is None:
        return dy.reshape((1,) * len(shape))
    return np.expand_dims(dy, dim)


def _count(shape: tuple[int, ...], dim: Dim) -> int:
    """How many elements go into one result."""
    dims = range(len(shape)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    return math.prod(shape[d] for d in dims)


def _mean(a: np.ndarray, dim: Dim, keepdim: bool) -> np.ndarray:
    """NumPy's mean, but with the sum of `kernels.sum`."""
    if a.dtype.kind != "f":
        return a.mean(axis=dim, keepdims=keepdim)
    return kernels.sum(a, dim, keepdim) / a.dtype.type(_count(a.shape, dim))


@numpy_names
def sum(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = sum of x over the axes `dim` (all of them if None).  Backward: every term gets dy."""
    x = as_tensor(x)
    shape = x.shape

    def backward(dy):
        return (np.broadcast_to(_spread(dy, shape, dim, keepdim), shape),)

    return record(kernels.sum(x._data, dim, keepdim), (x,), backward)


@numpy_names
def mean(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = sum(x) / n, over the axes `dim`.  Backward: every term gets dy / n."""
    x = as_tensor(x)
    shape = x.shape

    def backward(dy):
        return (np.broadcast_to(_spread(dy, shape, dim, keepdim) / dy.dtype.type(_count(shape, dim)), shape),)

    return record(_mean(x._data, dim, keepdim), (x,), backward)


@numpy_names
def var(x: Array, dim: Dim = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """y = sum (x - m)^2 / (n - correction), with m the mean, over the axes `dim`; correction 1 is the unbiased estimate.

    Backward: dx = dy 2 (x - m) / (n - correction); m depends on x too, but sum (x - m) = 0, so that part vanishes.
    """
    x = as_tensor(x)
    n = _count(x.shape, dim) - correction
    if n <= 0:
        raise ValueError(f"var over {n + correction} elements of shape {x.shape} with correction={correction}: too few")
    centred = x._data - _mean(x._data, dim, True)
    centred = centred - _mean(centred, dim, True)  # what the first mean had lost by rounding
    y = kernels.sum(centred * centred, dim, keepdim) / centred.dtype.type(n)

    def backward(dy):
        return (_spread(dy, centred.shape, dim, keepdim) * centred * dy.dtype.type(2 / n),)

    return record(y, (x,), backward)


@numpy_names
def max(x: Array, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """y = the largest element over the axes `dim`.

    Backward: dy goes to the largest element; where several are equal they share it evenly (as torch.amax has it).
    """
    x = as_tensor(x)
    largest = x._data.max(axis=dim, keepdims=True)
    chosen = x._data == largest
    y = largest if keepdim else x._data.max(axis=dim)

    def backward(dy):
        share = np.divide(chosen, chosen.sum(axis=dim, keepdims=True), dtype=dy.dtype)
        return (share * _spread(dy, chosen.shape, dim, keepdim),)

    return record(y, (x,), backward)


@numpy_names
def argmax(x: Array, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the (first) largest element along an axis, as integers; no gradient."""
    x = as_tensor(x)
    return record(x._data.argmax(axis=dim, keepdims=keepdim), (), None)


# Elementwise functions


def _as_real(x: Array) -> Tensor:
    """x as a tensor of floats, also where it is one of integers or booleans."""
    x = as_tensor(x)
    return x if x.dtype.kind == "f" else _as_float(x, np.float32)


def exp(x: Array) -> Tensor:
    """y = e^x.  Backward: dx = dy y."""
    x = _as_real(x)
    y = kernels.exp(x._data)

    def backward(dy):
        return (dy * y,)

    return record(y, (x,), backward)


def log(x: Array) -> Tensor:
    """y = ln x.  Backward: dx = dy / x."""
    x = _as_real(x)
    a = x._data

    def backward(dy):
        return (dy / a,)

    return record(kernels.log(a), (x,), backward, saved=(x,))


def sqrt(x: Array) -> Tensor:
    """y = sqrt x.  Backward: dx = dy / (2 y)."""
    x = as_tensor(x)
    y = np.sqrt(x._data)

    def backward(dy):
        return (dy / (2 * y),)

    return record(y, (x,), backward)


def abs(x: Array) -> Tensor:
    """y = |x|.  Backward: dx = dy sign(x), with 0 at 0."""
    x = as_tensor(x)
    sign = np.sign(x._data)

    def backward(dy):
        return (dy * sign,)

    return record(np.abs(x._data), (x,), backward)


def clip(x: Array, min: float | None = None, max: float | None = None) -> Tensor:
    """y = x, but not less than `min` nor more than `max`.  Backward: dx = dy where min <= x <= max, else 0."""
    x = as_tensor(x)
    y = np.clip(x._data, *(_plain_number(bound) for bound in (min, max)))
    kept = y == x._data

    def backward(dy):
        return (np.where(kept, dy, dy.dtype.type(0)),)  # not dy * kept: 0 times infinity is not a gradient of 0

    return record(y, (x,), backward)


def _plain_number(bound: Any) -> Any:
    """Python's number for NumPy's, whose dtype would become that of the result."""
    return bound.item() if isinstance(bound, np.generic) else bound


def tanh(x: Array) -> Tensor:
    """y = tanh x.

    Backward: dy/dx = 1 - tanh(x)^2, so  dx = dy (1 - y^2): the output is all that must be kept.
    """
    x = _as_real(x)
    y = kernels.tanh(x._data)

    def backward(dy):
        return (kernels.tanh_backward(dy, y),)  # dy (1 - y^2)

    return record(y, (x,), backward)


def sigmoid(x: Array) -> Tensor:
    """y = 1 / (1 + e^-x).  Backward: dx = dy y (1 - y)."""
    x = _as_real(x)
    y = kernels.sigmoid(x._data)

    def backward(dy):
        return (kernels.sigmoid_backward(dy, y),)  # dy y (1 - y)

    return record(y, (x,), backward)


def relu(x: Array) -> Tensor:
    """y = max(x, 0).  Backward: dx = dy where x > 0, else 0."""
    x = _as_real(x)
    y = kernels.relu(x._data)

    def backward(dy):
        return (kernels.relu_backward(dy, y),)  # dy where y > 0, else 0

    return record(y, (x,), backward)


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Tensor:
    """y = x where x > 0, else negative_slope x.  Backward: dx = dy, or negative_slope dy."""
    x = _as_real(x)
    a = x._data

    def backward(dy):
        return (kernels.leaky_relu_backward(dy, a, negative_slope),)  # dy where x > 0, else negative_slope dy

    return record(kernels.leaky_relu(a, negative_slope), (x,), backward, saved=(x,))


def elu(x: Array, alpha: float = 1.0, scale: float = 1.0) -> Tensor:
    """y = scale x where x > 0, else scale alpha (e^x - 1).

    Backward: dx = dy scale where x > 0, else dy scale alpha e^x.

    Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units",
    ICLR 2016, equation 15.
    """
    x = _as_real(x)
    a = x._data

    def backward(dy):
        return (kernels.elu_backward(dy, a, scale, scale * alpha),)  # dy scale where x > 0, else dy scale alpha e^x

    return record(kernels.elu(a, scale, scale * alpha), (x,), backward, saved=(x,))


def selu(x: Array) -> Tensor:
    """y = elu(x) with the alpha and the scale that keep mean 0 and variance 1 from layer to layer.  Backward: as elu's.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS 2017, equations 2 and 14.
    """
    return elu(x, alpha=1.6732632423543772, scale=1.0507009873554805)


def gelu(x: Array) -> Tensor:
    """y = x P(x), with P(x) = (1 + erf(x / sqrt 2)) / 2, the normal distribution function.

    Backward: dx = dy (P(x) + x p(x)), with p(x) = e^(-x^2/2) / sqrt(2 pi), its derivative.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016 (arXiv 1606.08415), section 2.
    """
    x = _as_real(x)
    a = x._data

    def backward(dy):
        return (kernels.gelu_backward(dy, a),)  # dy (P(x) + x p(x))

    return record(kernels.gelu(a), (x,), backward, saved=(x,))


def silu(x: Array) -> Tensor:
    """y = x s, with s = sigmoid(x); also called swish.  Backward: dx = dy (s + x s (1 - s))."""
    x = _as_real(x)
    a = x._data

    def backward(dy):
        return (kernels.silu_backward(dy, a),)  # dy (s + x s (1 - s))

    return record(kernels.silu(a), (x,), backward, saved=(x,))


def softplus(x: Array) -> Tensor:
    """y = ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which cannot overflow.  Backward: dx = dy sigmoid(x)."""
    x = _as_real(x)
    a = x._data

    def backward(dy):
        return (dy * kernels.sigmoid(a),)

    return record(np.maximum(a, 0) + np.log1p(kernels.exp(-np.abs(a))), (x,), backward, saved=(x,))


def _log_softmax(a: np.ndarray, dim: int) -> np.ndarray:
    """a - ln sum e^a, with the largest element taken off first, so that nothing overflows."""
    a = _from_largest(a, dim)
    return a - kernels.log(kernels.sum(kernels.exp(a), dim, True))


def _from_largest(a: np.ndarray, dim: int) -> np.ndarray:
    return a - a.max(axis=dim, keepdims=True, initial=-np.inf)  # where there is nothing, nothing comes


@numpy_names
def softmax(x: Array, dim: int = -1) -> Tensor:
    """y_i = e^x_i / sum_j e^x_j, along one axis.

    dy_i/dx_j = y_i (1[i=j] - y_j), so  dx_j = y_j (dy_j - sum_i dy_i y_i).

    Backward: dx = y (dy - sum(dy y)).
    """
    x = _as_real(x)
    e = kernels.exp(_from_largest(x._data, dim))
    y = e / kernels.sum(e, dim, True)

    def backward(dy):
        return (y * (dy - kernels.sum(dy * y, dim, True)),)

    return record(y, (x,), backward)


@numpy_names
def log_softmax(x: Array, dim: int = -1) -> Tensor:
    """y = ln softmax(x), along one axis.  Backward: dx = dy - softmax(x) sum(dy)."""
    x = _as_real(x)
    y = _log_softmax(x._data, dim)

    def backward(dy):
        return (dy - kernels.exp(y) * kernels.sum(dy, dim, True),)

    return record(y, (x,), backward)


# Layers


def linear(x: Array, weight: Array, bias: Array | None = None) -> Tensor:
    """y = x W^T + b, for x of shape (batch, in), W of shape (out, in) and b of shape (out,).

    y_no = sum_i x_ni W_oi + b_o, so  dx_ni = sum_o dy_no W_oi,  dW_oi = sum_n dy_no x_ni,  db_o = sum_n dy_no:

    Backward: dx = dy W, dW = dy^T x, db = the column sums of dy. Where W = 0, dx is 0: nothing before this layer learns.
    """
    weight = as_tensor(weight)
    x = as_tensor(x, like=weight)
    a, w, b = x._data, weight._data, None
    if not a.ndim or w.ndim != 2 or a.shape[-1] != w.shape[1]:
        raise ValueError(f"linear: x of shape {a.shape} and weight of shape {w.shape}: expected (..., in) and (out, in)")
    parents: tuple[Tensor, ...] = (x, weight)
    if bias is not None:
        bias = as_tensor(bias)
        b = bias._data
        if b.shape != (w.shape[0],):
            raise ValueError(f"linear: bias of shape {b.shape} with a weight of shape {w.shape}: expected ({w.shape[0]},)")
        parents = (x, weight, bias)
    if a.dtype != w.dtype or (b is not None and b.dtype != w.dtype):
        a, w, b = _of_one_dtype(a, w, b)
    matrix, shape = a.ndim == 2, a.shape
    if not matrix:
        a = a.reshape(math.prod(shape[:-1]), w.shape[1])  # every axis before the last is batch
    y = kernels.linear(a, w, b)  # x W^T + b

    def backward(dy):
        dy = dy if matrix else dy.reshape(len(a), len(w))
        dx = kernels.matmul(dy, w) if x.requires_grad else None
        dw = kernels.matmul(dy.T, a) if weight.requires_grad else None
        if dx is not None and not matrix:
            dx = dx.reshape(shape)
        if bias is None:
            return dx, dw
        db = kernels.column_sums(dy) if bias.requires_grad else None
        return dx, dw, db

    return record(y if matrix else y.reshape(*shape[:-1], len(w)), parents, backward, saved=(x, weight))


def _of_one_dtype(*arrays: np.ndarray | None) -> list[np.ndarray | None]:
    """The same, but float64 instead of float32, as a kernel takes one dtype."""
    return [t.astype(np.float64) if t is not None and t.dtype == np.float32 else t for t in arrays]


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
    a = _channels_last(x._data)
    w, b = (None if t is None else np.ascontiguousarray(t._data, a.dtype) for t in (weight, bias))
    m, v = np.empty((2, a.shape[1]), a.dtype) if training else (np.array(mean, a.dtype), np.array(var, a.dtype))
    y = kernels.batch_norm(a, w, b, m, v, eps, training)  # weight (x - m) / sqrt(v + eps) + bias; in training it fills m and v
    if training:
        unbiased, share = v * a.dtype.type(len(a) / (len(a) - 1)), float(momentum)
        _check_variance(unbiased, a)
        moved = [(t, (1 - share) * t + share * batch) for t, batch in ((mean, m), (var, unbiased)) if t is not None]
        if num_batches_tracked is not None:
            moved.append((num_batches_tracked, num_batches_tracked + 1))
        at_once(operator.call, [call for t, new in moved for call in overwriting(t, new)])
    parents = tuple(t for t in (x, weight, bias) if t is not None)

    def backward(dy):
        # s (dh - mean(dh) - h mean(dh h)), or s dh outside training; sum dy h; sum dy.
        dx, dw, db = kernels.batch_norm_backward(_channels_last(dy), a, w, m, v, eps, training)
        gradients = [_channels_second(dx, shape)]
        if weight is not None:
            gradients.append(dw)
        if bias is not None:
            gradients.append(db)
        return gradients

    return record(_channels_second(y, shape), parents, backward, saved=(x,) if weight is None else (x, weight))


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
    """Whether the columns of `a` are too large for a variance of theirs; their own infinities and NaN go through."""
    if np.isfinite(variance).all():
        return
    spoilt = ~np.isfinite(variance) & np.isfinite(a).all(axis=0)
    if spoilt.any():
        channel = spoilt.argmax()
        raise ValueError(
            f"batch_norm: the variance of channel {channel} overflows {a.dtype}, for its values are up to "
            f"{np.abs(a[:, channel]).max():.3g} in size; scale the input down, or find out why it grew"
        )


def _channels_last(x: np.ndarray) -> np.ndarray:
    """x of shape (batch, channels, ...) as a matrix of reals in C order with a column for each channel."""
    if x.ndim > 2:
        x = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])
    return np.ascontiguousarray(x, np.float64 if x.dtype == np.float64 else np.float32)


def _channels_second(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The way back from `_channels_last`."""
    if len(shape) > 2:
        x = np.moveaxis(x.reshape(shape[0], *shape[2:], shape[1]), -1, 1)
    return x


def dropout(x: Array, p: float = 0.5, training: bool = True, rng: Generator | int | None = None) -> Tensor:
    """y = x m / (1 - p), where each m is 0 with probability p and 1 otherwise; y = x outside training.

    Backward: dx = dy m / (1 - p).

    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout", JMLR 15 (2014).
    """
    x = as_tensor(x)
    if not 0 <= p <= 1:
        raise ValueError(f"dropout needs a probability p from 0 to 1, got {p}")
    if not training or p == 0:
        return x
    kept = as_generator(rng).bernoulli(x.shape, 1 - p)
    mask = kept * x.dtype.type(0 if p == 1 else 1 / (1 - p))

    def backward(dy):
        return (dy * mask,)

    return record(x._data * mask, (x,), backward)


# Losses


def _reduced(losses: np.ndarray, reduction: str, total: float | None = None) -> tuple[Any, float]:
    """The losses reduced as asked, and the factor that each loss has in the result; `total` is their sum where it is known."""
    if reduction == "none":
        return losses, 1.0
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if reduction == "mean" and losses.size == 0:
        raise ValueError("the mean loss of an empty batch is not defined; leave such batches out")
    factor = 1 / losses.size if reduction == "mean" else 1.0
    if total is None:
        return _mean(losses, None, False) if reduction == "mean" else kernels.sum(losses), factor
    return np.array(total * factor, losses.dtype), factor


def cross_entropy(input: Array, target: Any, reduction: str = "mean") -> Tensor:
    """L = the mean (or sum, or none) over n of -ln p_n,t with p = softmax(x), t = target_n the right class of sample n.

    -ln p_t = ln sum_j e^x_j - x_t, so its derivative by x_j is p_j - 1[j = t].

    Backward: dx = dL (p - one_hot(target)) / N.

    Parameters
    ----------
    input : shape (batch, classes)
        Scores before the softmax ("logits").
    target : integers, shape (batch,)
        Each from 0 to classes - 1.

    Examples
    --------
    >>> cross_entropy([[0.0, 0.0]], [1]).item()  # ln 2
    0.6931471824645996
    """
    x = _as_real(input)
    refuse_masks(target)
    a, labels = x._data, np.asarray(target._data if isinstance(target, Tensor) else target)
    if a.ndim != 2 or labels.shape != a.shape[:1]:
        raise ValueError(
            f"cross_entropy expects input of shape (batch, classes) and target of shape (batch,), got {x.shape} and "
            f"{labels.shape}; of one-hot rows, pass target.argmax(1)"
        )
    if labels.size and labels.dtype.kind not in "iu":
        cast = "target.data.astype(int)" if isinstance(target, Tensor) else "np.asarray(target).astype(int)"
        raise TypeError(
            f"cross_entropy expects class numbers as target, got dtype {labels.dtype} (a Tensor made of integers holds "
            f"floats); pass the list or the integer array itself, or {cast}"
        )
    labels = labels.astype(np.intp)  # a copy, for backward reads it later
    p, losses, total = kernels.cross_entropy(a, labels)  # softmax(x), -ln p_n,t, and their sum
    loss, factor = _reduced(losses, reduction, total)

    def backward(dy):
        return (kernels.cross_entropy_backward(dy, p, labels, factor),)  # dy factor (p - one_hot(target))

    return record(loss, (x,), backward)


def _same_shape(name: str, input: Array, target: Array) -> tuple[Tensor, Tensor]:
    x, t = _pair(input, target)
    if x.shape != t.shape:
        raise ValueError(
            f"{name} expects input and target of one shape, got {x.shape} and {t.shape}; reshape one of them "
            "(broadcasting here is nearly always a mistake)"
        )
    return x, t


def mse_loss(input: Array, target: Array, reduction: str = "mean") -> Tensor:
    """L = the mean (or sum, or none) of (x - t)^2.  Backward: dx = dL 2 (x - t) / N, dt = -dx."""
    x, t = _same_shape("mse_loss", input, target)
    difference = x._data - t._data
    loss, factor = _reduced(difference * difference, reduction)

    def backward(dy):
        dx = dy * difference * difference.dtype.type(2 * factor)
        return dx, -dx

    return record(loss, (x, t), backward)


def binary_cross_entropy_with_logits(input: Array, target: Array, reduction: str = "mean") -> Tensor:
    """L = the mean (or sum, or none) of -t ln s - (1 - t) ln(1 - s) with s = sigmoid(x), 0 <= t <= 1.

    As ln s = x - softplus(x) and ln(1 - s) = -softplus(x), it is softplus(x) - t x, which cannot overflow.

    Backward: dx = dL (s - t) / N, dt = -dL x / N.
    """
    x, t = _same_shape("binary_cross_entropy_with_logits", input, target)
    a, b = x._data, t._data
    if b.size and not (b.min() >= 0 and b.max() <= 1):
        raise ValueError(
            f"binary_cross_entropy_with_logits expects targets from 0 to 1, got values from {b.min()} to {b.max()}"
        )
    loss, factor = _reduced(np.maximum(a, 0) - a * b + np.log1p(kernels.exp(-np.abs(a))), reduction)

    def backward(dy):
        scaled = dy * a.dtype.type(factor)
        return scaled * (kernels.sigmoid(a) - b), -scaled * a

    return record(loss, (x, t), backward, saved=(x, t))


def __getattr__(name: str) -> Any:
    public = [known for known, value in globals().items() if callable(value) and getattr(value, "__module__", "") == __name__]
    raise no_attribute("module 'minidl.functional'", name, [known for known in public if not known.startswith("_")])
