"""Matrix products in NumPy. `csrc/matmul_loops.h` computes the same in blocks that fit a cache; the last bits may differ."""

import numpy as np

from ..checks import check_linear, check_matmul

silently = np.errstate(all="ignore")  # infinities and NaN go through a kernel without a warning


def product(x, y):
    """The matrix product x y. A depth of more than 4096 is cut in halves, as in csrc/: the error grows like its logarithm."""
    depth = x.shape[1]
    if depth <= 4096:
        return x @ y
    half = (depth // 2 + 63) // 64 * 64
    return product(x[:, :half], y[:half]) + product(x[:, half:], y[half:])


@silently
def matmul(a, b, out=None):
    """The matrix product a b.

    Parameters
    ----------
    a : ndarray, shape (m, k)
    b : ndarray, shape (k, n)
        Both float32 or both float64, with any strides: transposing costs no copy.
    out : ndarray, shape (m, n), optional
        Where to put the result; it may overlap a or b.

    Returns
    -------
    ndarray, shape (m, n)

    Raises
    ------
    TypeError
        If a or b is not a 2-D array of float32 or float64, or their dtypes differ.
    ValueError
        If the shapes do not fit, or `out` is of another shape or dtype, read-only, or overlaps itself.

    Examples
    --------
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    check_matmul(a, b, out)
    c = product(np.asarray(a), np.asarray(b))  # a matrix or a masked array, too, is taken as what it holds
    if out is None:
        return c
    out[...] = c
    return out


@silently
def linear(x, weight, bias=None):
    """x weight^T + bias.

    Parameters
    ----------
    x : ndarray, shape (batch, in)
    weight : ndarray, shape (out, in)
    bias : ndarray, shape (out,), optional
        All float32 or all float64, with any strides.

    Returns
    -------
    ndarray, shape (batch, out)

    Examples
    --------
    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]), np.array([10.0, 20.0]))
    array([[21., 22.]])
    """
    check_linear(x, weight, bias)
    y = product(np.asarray(x), np.asarray(weight).T)
    return y if bias is None else y + bias
