"""Convolutions and pooling of images of shape (batch, channels, height, width), or of one image without the batch.

The sums are kernels' (`kernels/reference/convolution.py` and `pooling.py` say which). A pair is (vertical, horizontal); one
integer stands for two equal ones.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..kernels.checks import is_size
from ..tensor import Tensor, as_tensor, record
from .arguments import Array

__all__ = ["adaptive_avg_pool2d", "avg_pool2d", "conv2d", "conv_transpose2d", "max_pool2d", "wrap"]

Pair = tuple[int, int]


def as_pair(operation: str, name: str, value: Any, least: int) -> Pair:
    """(n, n) of a number n, or the pair itself, whose numbers must be at least so large."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if not (len(pair) == 2 and is_size(pair[0], least) and is_size(pair[1], least)):
        raise ValueError(f"{operation}: {name} must be an integer of at least {least} or a pair of them, got {value!r}")
    return int(pair[0]), int(pair[1])


def same_padding(operation: str, kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """How much is to be put before and after, so that the output is as large as the input: an odd number goes after."""
    if stride != (1, 1):
        raise ValueError(
            f"{operation}: padding='same' makes the output as large as the input, so stride must be 1, got {stride}"
        )
    whole = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    return (whole[0] // 2, whole[0] - whole[0] // 2), (whole[1] // 2, whole[1] - whole[1] // 2)


def images(operation: str, x: Tensor) -> np.ndarray:
    """The array of a batch of images, or of one, as a batch."""
    if x.ndim not in (3, 4):
        raise ValueError(f"{operation}: expected images (batch, channels, height, width) or one image, got shape {x.shape}")
    return x._data if x.ndim == 4 else x._data[None]


def sum_over_images(dy: np.ndarray) -> np.ndarray:
    """The sum over batch, height and width for each channel."""
    return kernels.column_sums(dy.reshape(*dy.shape[:2], dy.shape[2] * dy.shape[3]))


def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """y = w * x + b: each filter at each place of the image, for w of shape (filters, channels / groups, height, width).

    With stride s, padding p and dilation d, written for one direction,

        y_noa = b_o + sum_ci w_oci x_nc(a s + i d - p),  x = 0 outside of the image,

    where c runs over the channels of o's group. `padding` may be "valid" (none), or "same": the output is as large as x.

    y is linear in w and in x, so dw and dx collect dy over all places where an element was used:

    Backward: dw_oci = sum_na dy_noa x_nc(a s + i d - p); dx_ncy = the sum of w_oci dy_noa over all o, i and a with
    a s + i d - p = y, which is a convolution of dy with the filters turned around; db_o = sum_na dy_noa.
    """
    x, w, b, parents = operands("conv2d", input, weight, bias, 0)
    stride, dilation = as_pair("conv2d", "stride", stride, 1), as_pair("conv2d", "dilation", dilation, 1)
    if padding == "same":
        (top, below), (left, right) = same_padding("conv2d", w.shape[2:], stride, dilation)
        x, before = (
            np.pad(x, ((0, 0), (0, 0), (0, below - top), (0, right - left))) if (below, right) != (top, left) else x,
            (top, left),
        )
    else:
        before = as_pair("conv2d", "padding", 0 if padding == "valid" else padding, 0)
    options = (stride, before, dilation, groups)
    y = kernels.conv2d(x, w, b, *options)  # w * x + b
    shape = parents[0].shape

    def backward(dy):
        dy = dy.reshape(y.shape)
        dx = dw = None
        if parents[0].requires_grad:
            dx = kernels.conv2d_input_gradient(dy, w, None, x.shape[2:], *options)  # the sum of w dy over what meets it
            dx = dx[:, :, : shape[-2], : shape[-1]].reshape(shape)
        if parents[1].requires_grad:
            dw = kernels.conv2d_weight_gradient(x, dy, w.shape[2:], *options)  # sum dy x
        return dx, dw, *([sum_over_images(dy)] if b is not None else [])

    return record(y.reshape(*shape[:-3], *y.shape[1:]), parents, backward, saved=parents[:2])


def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    output_padding: int | Pair = 0,
    groups: int = 1,
    dilation: int | Pair = 1,
) -> Tensor:
    """The transposed convolution: what `conv2d` does to a gradient, as a forward pass.

    Each number of x is multiplied with a whole filter, and the products are added where they fall, `stride` apart. For w of
    shape (channels, filters / groups, height, width)

        y_nfz = b_f + the sum of w_cfi x_nca over all c, i and a with a s + i d - p = z

    It has (n - 1) s - 2 p + d (k - 1) + 1 + output_padding rows. y is linear in x and in w, and dx the other way round again:

    Backward: dx_nca = sum_fi w_cfi dy_nf(a s + i d - p), which is the convolution of dy with w;
    dw_cfi = sum_na x_nca dy_nf(a s + i d - p); db_f = sum_nz dy_nfz.
    """
    x, w, b, parents = operands("conv_transpose2d", input, weight, bias, 1, groups)
    stride, dilation = as_pair("conv_transpose2d", "stride", stride, 1), as_pair("conv_transpose2d", "dilation", dilation, 1)
    padding = as_pair("conv_transpose2d", "padding", padding, 0)
    added = as_pair("conv_transpose2d", "output_padding", output_padding, 0)
    for more, s, d in zip(added, stride, dilation, strict=True):
        if more >= max(s, d):
            raise ValueError(f"conv_transpose2d: output_padding must be less than stride or dilation, got {added}")
    sizes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, added, strict=True)
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 + more for n, k, s, p, d, more in sizes)
    if min(size) < 1:
        raise ValueError(
            f"conv_transpose2d: input {x.shape} with padding {padding} leaves an output of {size}; use less padding"
        )
    options = (stride, padding, dilation, groups)
    y = kernels.conv2d_input_gradient(x, w, b, size, *options)
    shape = parents[0].shape

    def backward(dy):
        dy = dy.reshape(y.shape)
        dx = kernels.conv2d(dy, w, None, *options) if parents[0].requires_grad else None  # w * dy
        dx = dx if dx is None else dx[:, :, : x.shape[2], : x.shape[3]].reshape(shape)
        dw = kernels.conv2d_weight_gradient(dy, x, w.shape[2:], *options) if parents[1].requires_grad else None  # sum x dy
        return dx, dw, *([sum_over_images(dy)] if b is not None else [])

    return record(y.reshape(*shape[:-3], *y.shape[1:]), parents, backward, saved=parents[:2])


def operands(
    operation: str, x: Array, weight: Array, bias: Array | None, filters_axis: int, groups: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, tuple[Tensor, ...]]:
    """Images, filters and biases as arrays of one dtype, and as tensors."""
    weight = as_tensor(weight)
    x = as_tensor(x, like=weight)
    parents = (x, weight) if bias is None else (x, weight, as_tensor(bias))
    if weight.ndim != 4:
        raise ValueError(f"{operation}: expected a weight of four axes, got shape {weight.shape}")
    arrays = [images(operation, x), *(t._data for t in parents[1:])]
    if len({a.dtype for a in arrays}) > 1:
        arrays = [a.astype(np.float64) for a in arrays]
    return arrays[0], arrays[1], arrays[2] if bias is not None else None, parents


def wrap(x: Array, rows: Pair, columns: Pair) -> Tensor:
    """y is x continued around its edges, as on a torus: so many rows and columns before and after are copies of the other end.

    Backward: dx is dy where y was x, plus dy of all copies.

    Examples
    --------
    >>> wrap([[[1.0, 2.0, 3.0]]], (0, 0), (1, 2)).tolist()
    [[[3.0, 1.0, 2.0, 3.0, 1.0, 2.0]]]
    """
    x = as_tensor(x)
    added = [*[(0, 0)] * (x.ndim - 2), rows, columns]
    if any(max(pair) > n for pair, n in zip(added, x.shape, strict=True)):
        raise ValueError(
            f"wrap: an image of shape {x.shape} cannot be continued by {rows} rows and {columns} columns: by its own at most"
        )
    shape = x.shape

    def backward(dy):
        for axis in (-1, -2):
            before, after = added[axis]
            dy = np.moveaxis(dy, axis, 0)
            n = shape[axis]
            dx = dy[before : before + n].copy()
            dx[:after] += dy[before + n :]
            dx[n - before :] += dy[:before]
            dy = np.moveaxis(dx, 0, axis)
        return (dy,)

    return record(np.pad(x._data, added, mode="wrap"), (x,), backward)


# Pooling: windows are (where they begin, where they end) in one direction, without what is padding


def windows(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> tuple[np.ndarray, np.ndarray]:
    reach = 1 + dilation * (kernel - 1)
    places = np.arange((size + 2 * padding - reach) // stride + 1, dtype=np.intp) * stride - padding
    skipped = np.maximum(0, -(places // dilation)) * dilation  # the first number that is not padding
    return places + skipped, np.minimum(places + reach, size)


def pooling(
    operation: str, size: tuple[int, ...], kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> list[tuple[int, int, int, int, int]]:
    """For each direction: size, kernel, stride, padding, dilation."""
    kernel = as_pair(operation, "kernel_size", kernel_size, 1)
    steps = kernel if stride is None else as_pair(operation, "stride", stride, 1)
    added, dilated = as_pair(operation, "padding", padding, 0), as_pair(operation, "dilation", dilation, 1)
    directions = list(zip(size, kernel, steps, added, dilated, strict=True))
    for n, k, _, p, d in directions:
        if 2 * p > k:
            raise ValueError(f"{operation}: padding must be at most half of the kernel's {kernel}, got {added}")
        if d * (k - 1) + 1 > n + 2 * p:
            raise ValueError(
                f"{operation}: a kernel of {kernel} with dilation {dilated} is larger than the input of {size} with padding "
                f"{added}; use a smaller one"
            )
    return directions


def max_pool2d(
    input: Array, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0, dilation: int | Pair = 1
) -> Tensor:
    """y is the largest number of each window, which are `stride` apart: by default next to each other.

    Only the largest number matters (the first of equal ones), with slope 1:

    Backward: dx is dy at the largest number of its window, summed over the windows of which it is, and 0 elsewhere.
    """
    x = as_tensor(input)
    a = images("max_pool2d", x)
    vertical, horizontal = pooling("max_pool2d", a.shape[2:], kernel_size, stride, padding, dilation)
    y, places = kernels.max_pool2d(a, windows(*vertical), windows(*horizontal), (vertical[4], horizontal[4]))
    return pooled(x, y, lambda dy: kernels.max_pool2d_backward(dy, places, a.shape[2:]))  # dy, at its place


def avg_pool2d(
    input: Array,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    count_include_pad: bool = True,
) -> Tensor:
    """y is the mean of each window, which are `stride` apart: by default next to each other.

    Padding counts as zeros; without `count_include_pad` it does not count.

    Backward: dx is dy / n, summed over the windows that contain it, n the count of a window.
    """
    x = as_tensor(input)
    a = images("avg_pool2d", x)
    parts = []
    for size, kernel, step, added, _ in pooling("avg_pool2d", a.shape[2:], kernel_size, stride, padding):
        begin, end = windows(size, kernel, step, added)
        parts.append((begin, end, np.full_like(begin, kernel) if count_include_pad else end - begin))
    return means(x, a, *parts)


def adaptive_avg_pool2d(input: Array, output_size: int | tuple[int | None, int | None] | None) -> Tensor:
    """y is the mean of each of output_size windows, which together are the image; where it is None, of each number alone.

    Window a of m over n numbers goes from floor(a n / m) to ceil((a + 1) n / m): all are about as large, and some overlap.

    Backward: dx is dy / n, summed over the windows that contain it, n their size.
    """
    x = as_tensor(input)
    a = images("adaptive_avg_pool2d", x)
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    wanted = [size if m is None else m for size, m in zip(a.shape[2:], given, strict=True)]
    parts = []
    for size, m in zip(a.shape[2:], as_pair("adaptive_avg_pool2d", "output_size", wanted, 1), strict=True):
        i = np.arange(m, dtype=np.intp)
        begin, end = i * size // m, -(-(i + 1) * size // m)
        parts.append((begin, end, end - begin))
    return means(x, a, *parts)


def means(x: Tensor, a: np.ndarray, rows: tuple, columns: tuple) -> Tensor:
    y = kernels.mean_pool2d(a, rows, columns)
    return pooled(x, y, lambda dy: kernels.mean_pool2d_backward(dy, rows, columns, a.shape[2:]))  # dy / n, for all of it


def pooled(x: Tensor, y: np.ndarray, gradient: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    shape = x.shape
    return record(y.reshape(*shape[:-3], *y.shape[1:]), (x,), lambda dy: (gradient(dy.reshape(y.shape)).reshape(shape),))
