"""Convolutions and pooling in NumPy: the patches of the images as a view, and sums over products with them.

`csrc/convolution_loops.h` multiplies with the same matrix of patches, which is made nowhere, and adds up in blocks; the last
bits may differ.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..checks import check_conv2d, check_conv2d_input_gradient, check_conv2d_weight_gradient
from .products import silently


def patches(x, kernel, stride, padding, dilation, groups):
    """The numbers that each tap of a kernel meets at each place, of images padded with zeros: a view of shape (batch, groups,
    channels / groups, height, width, kernel height, kernel width)."""
    (top, left), (s, t), (d, e) = padding, stride, dilation
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    reach = tuple(1 + step * (n - 1) for n, step in zip(kernel, dilation, strict=True))
    seen = sliding_window_view(padded, reach, (2, 3))[:, :, ::s, ::t, ::d, ::e]
    return grouped(seen, 1, groups)


def grouped(x, axis, groups):
    """x, with this axis cut into groups."""
    return x.reshape(*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])


@silently
def conv2d(x, w, bias, stride, padding, dilation, groups):
    """y[n, o, a, b] = bias[o] + sum over c, i, j of w[o, c, i, j] x[n, c, a s + i d - p, b s + j d - p].

    This is the cross-correlation that all frameworks call convolution; x is 0 outside the image.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width)
    w : ndarray, shape (filters, channels / groups, kernel height, kernel width)
    bias : ndarray, shape (filters,), or None
        All float32 or all float64.
    stride, padding, dilation : tuple of two int
        s, p and d, vertical and horizontal: the step from one place of the kernel to the next, how many zeros are on each
        side of the image, and the step from one tap of the kernel to the next.
    groups : int
        Channels and filters are cut into this many groups; those of a group meet each other alone.

    Examples
    --------
    >>> x, w = np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[1.0, 10.0]]]])
    >>> conv2d(x, w, None, (1, 1), (0, 1), (1, 1), 1)
    array([[[[10., 21., 32.,  3.]]]])
    """
    shape = check_conv2d(x, w, bias, stride, padding, dilation, groups)
    seen = patches(x, w.shape[2:], stride, padding, dilation, groups)
    y = np.einsum("gocij,ngcabij->ngoab", grouped(w, 0, groups), seen, optimize=True).reshape(shape)
    return y if bias is None else y + bias[:, None, None]


@silently
def conv2d_weight_gradient(x, dy, kernel_size, stride, padding, dilation, groups):
    """dw[o, c, i, j] = sum over n, a, b of dy[n, o, a, b] x[n, c, a s + i d - p, b s + j d - p]: `conv2d` is linear in w.

    Examples
    --------
    >>> x, dy = np.array([[[[1.0, 2.0, 3.0]]]]), np.ones((1, 1, 1, 4))
    >>> conv2d_weight_gradient(x, dy, (1, 2), (1, 1), (0, 1), (1, 1), 1)
    array([[[[6., 6.]]]])
    """
    shape = check_conv2d_weight_gradient(x, dy, kernel_size, stride, padding, dilation, groups)
    seen = patches(x, kernel_size, stride, padding, dilation, groups)[:, :, :, : dy.shape[2], : dy.shape[3]]
    return np.einsum("ngoab,ngcabij->gocij", grouped(dy, 1, groups), seen, optimize=True).reshape(shape)


@silently
def conv2d_input_gradient(dy, w, bias, size, stride, padding, dilation, groups):
    """dx[n, c, y, x] = the sum of w[o, c, i, j] dy[n, o, a, b] over all that meets it: a s + i d - p = y, b s + j d - p = x.

    `bias`, a number for each channel or None, is added, as the transposed convolution does of which this is the forward pass.
    `size` is the height and width of an image: for strides over 1 several sizes give the same output.

    Examples
    --------
    >>> dy, w = np.array([[[[1.0, 2.0]]]]), np.array([[[[1.0, 10.0]]]])
    >>> conv2d_input_gradient(dy, w, None, (1, 3), (1, 1), (0, 0), (1, 1), 1)
    array([[[[ 1., 12., 20.]]]])
    """
    shape = check_conv2d_input_gradient(dy, w, bias, size, stride, padding, dilation, groups)
    products = np.einsum("gocij,ngoab->ngcijab", grouped(w, 0, groups), grouped(dy, 1, groups), optimize=True)
    products = products.reshape(*shape[:2], *products.shape[3:])
    (top, left), (s, t), (d, e) = padding, stride, dilation
    padded = np.zeros((*shape[:2], shape[2] + 2 * top, shape[3] + 2 * left), dy.dtype)
    for i, j in np.ndindex(w.shape[2:]):
        down, right = i * d + s * dy.shape[2], j * e + t * dy.shape[3]
        padded[:, :, i * d : down : s, j * e : right : t] += products[:, :, i, j]
    dx = padded[:, :, top : top + shape[2], left : left + shape[3]]
    return np.ascontiguousarray(dx) if bias is None else dx + bias[:, None, None]
