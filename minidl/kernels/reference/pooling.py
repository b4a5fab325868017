"""Pooling in NumPy: the largest number or the mean of each window of an image. `csrc/pooling_loops.h` gives the same bits."""

import numpy as np

from ..checks import check_mean_pool, check_pool, check_pool_backward
from .products import silently


@silently
def max_pool2d(x, rows, columns, dilation):
    """The largest number of each window, and its place in the plane, height and width as one axis.

    The first of equal ones, or the last NaN where there is one, as in PyTorch.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width)
        float32 or float64.
    rows, columns : tuple of two arrays of intp
        Where the windows begin and end, vertically and horizontally. None is empty.
    dilation : tuple of two int
        The step from one number of a window to the next.

    Returns
    -------
    tuple of two ndarrays, shape (batch, channels, windows, windows)

    Examples
    --------
    >>> rows, columns = (np.array([0]), np.array([1])), (np.array([0, 1]), np.array([2, 3]))
    >>> max_pool2d(np.array([[[[1.0, 3.0, 2.0]]]]), rows, columns, (1, 1))
    (array([[[[3., 3.]]]]), array([[[[1, 1]]]]))
    """
    shape = check_pool("max_pool2d", x, rows, columns, dilation)
    y, places = np.empty(shape, x.dtype), np.empty(shape, np.intp)
    for a, b in np.ndindex(shape[2:]):
        most, place = x[:, :, rows[0][a], columns[0][b]], np.full(shape[:2], rows[0][a] * x.shape[3] + columns[0][b])
        for i in range(rows[0][a], rows[1][a], dilation[0]):
            for j in range(columns[0][b], columns[1][b], dilation[1]):
                better = (x[:, :, i, j] > most) | np.isnan(x[:, :, i, j])
                most, place = np.where(better, x[:, :, i, j], most), np.where(better, i * x.shape[3] + j, place)
        y[:, :, a, b], places[:, :, a, b] = most, place
    return y, places


@silently
def max_pool2d_backward(dy, places, size):
    """dx: each dy goes to the place of its window's largest number."""
    check_pool_backward("max_pool2d_backward", dy, places, size)
    dx = np.zeros((*dy.shape[:2], size[0] * size[1]), dy.dtype)
    batch, channel = np.indices(dy.shape[:2])
    for a, b in np.ndindex(dy.shape[2:]):
        dx[batch, channel, places[:, :, a, b]] += dy[:, :, a, b]
    return dx.reshape(*dy.shape[:2], *size)


@silently
def mean_pool2d(x, rows, columns):
    """The sum over each window, divided by what it counts as.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width)
    rows, columns : tuple of three arrays of intp
        Where the windows begin and end, and how many numbers they count as.

    Examples
    --------
    >>> rows, columns = ([0], [1], [1]), ([0, 1], [2, 3], [2, 2])
    >>> rows, columns = (tuple(np.array(part) for part in parts) for parts in (rows, columns))
    >>> mean_pool2d(np.array([[[[1.0, 3.0, 2.0]]]]), rows, columns)
    array([[[[2. , 2.5]]]])
    """
    y = np.zeros(check_mean_pool("mean_pool2d", x, rows, columns, None), x.dtype)
    for a, b in np.ndindex(y.shape[2:]):
        for i in range(rows[0][a], rows[1][a]):
            for j in range(columns[0][b], columns[1][b]):
                y[:, :, a, b] += x[:, :, i, j]
    return y / (rows[2][:, None] * columns[2]).astype(x.dtype)


@silently
def mean_pool2d_backward(dy, rows, columns, size):
    """dx: each number of a window gets its share of dy."""
    check_mean_pool("mean_pool2d_backward", dy, rows, columns, size)
    each = dy / (rows[2][:, None] * columns[2]).astype(dy.dtype)
    dx = np.zeros((*dy.shape[:2], *size), dy.dtype)
    for a, b in np.ndindex(dy.shape[2:]):
        dx[:, :, rows[0][a] : rows[1][a], columns[0][b] : columns[1][b]] += each[:, :, a, b, None, None]
    return dx
