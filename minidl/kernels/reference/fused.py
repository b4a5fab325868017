"""Kernels that make one pass over their arrays, in NumPy: activations, sums, batch norm, cross-entropy, and summaries.

They are called fused because in csrc/ each number is read once, and all that is to be done with it is done then. Infinities and
NaN go through them without a warning, as in csrc/, and the results are those of csrc/ to the last bit (but for `summarize`).
"""

import functools
import math

import numpy as np

from .. import gelu_table
from ..checks import (
    check_labels,
    check_summarize,
    fits,
    misfit,
    no_channels,
    real_array,
    real_array_like,
    real_matrix,
    unknown_class,
    unwritable_statistics,
)
from .optim import change
from .products import silently

FLOAT32, FLOAT64 = np.float32, np.float64


# Functions of one number


def elementwise(function):
    """A kernel of one array, and numbers."""

    @functools.wraps(function)
    @silently
    def kernel(x, *numbers, **named):
        return np.asarray(function(real_array(x), *numbers, **named))

    return kernel


def elementwise_backward(function):
    """A kernel of dy and an array of its shape and dtype, and numbers."""

    @functools.wraps(function)
    @silently
    def kernel(dy, x, *numbers, **named):
        x = real_array(x)
        return np.asarray(function(real_array_like("dy", dy, x.dtype, x.shape), x, *numbers, **named))

    return kernel


def a_number(value, x):
    """The value in x's dtype. math.ldexp refuses what is not a real number, in the words of the compiled kernels."""
    return x.dtype.type(math.ldexp(value, 0))


def rest(z, n):
    """r with z = n ln 2 + r: |r| <= ln 2 / 2, and a little, where n = rint(z / ln 2).

    ln 2 comes in two parts, the first so short that n times it is exact.
    """
    real = z.dtype.type
    if real is FLOAT32:
        high, low = 0.693359375, float.fromhex("-0x1.bd0106p-13")
    else:
        high, low = float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cf79abcap-20")
    return (z - n * real(high)) - n * real(low)


def series(r):
    """e^r - 1: the sum of r^k / k! to k = 7 or 13."""
    real = r.dtype.type
    return r + r * r * polynomial([real(1 / math.factorial(k)) for k in range(7 if real is FLOAT32 else 13, 1, -1)], r)


def reduced(z):
    """(e^r - 1, n), with z = n ln 2 + r. Every function made from it has the same bits in csrc/ and here."""
    n = np.rint(z * z.dtype.type(LOG2_E))
    return series(rest(z, n)), n


LOG2_E = 1.4426950408889634


def power_of_2(n):
    return np.ldexp(n.dtype.type(1), n.astype(np.int32))


@elementwise
def exp(x):
    """e^x = 2^n e^r, 2^n in two steps, for it may be too large or too small for one."""
    real = x.dtype.type
    least, most = (-104, 89) if real is FLOAT32 else (-746, 710)
    p, n = reduced(np.where(x > most, real(most), np.where(x < least, real(least), x)))
    half = np.rint(n * real(0.5))
    return (1 + p) * power_of_2(half) * power_of_2(n - half)


@elementwise
def log(x):
    """Natural logarithm, to about 1 unit in the last place; computed in float64.

    x = 2^e m with m in [sqrt(1/2), sqrt 2), and log m = 2 atanh(s) = 2 (s + s^3/3 + s^5/5 + ...), s = (m - 1)/(m + 1).
    A subnormal x is multiplied by 2^54 first.
    """
    real, x = x.dtype.type, FLOAT64(x)
    small = x < 2.0**-1022
    bits = np.where(small, x * 2.0**54, x).view(np.int64)
    e = (bits - 0x3FE6A09E667F3BCD) >> 52
    m = (bits - (e << 52)).view(FLOAT64)
    s = (m - 1) / (m + 1)
    t = s * s
    y = e * 0.6931471805599453 + (2 * s + s * t * polynomial([2 / (2 * i + 1) for i in range(11, 0, -1)], t))
    y = y - np.where(small, float.fromhex("0x1.2b708872320e2p+5"), 0)
    limit = np.where(x == 0, -np.inf, np.where(x < 0, np.nan, x))
    return np.asarray(np.where((x > 0) & (x < np.inf), y, limit), real)


def polynomial(coefficients, x):
    """Horner's rule, the highest power first."""
    y = coefficients[0]
    for c in coefficients[1:]:
        y = y * x + c
    return y


def not_below(x, least):
    """Like the larger of the two, but NaN stays."""
    return np.where(x < least, x.dtype.type(least), x)


def least_of(x):
    """No function of x differs any more from its limit below this, nor does its product with any but the hugest dy."""
    return -174 if x.dtype.type is FLOAT32 else -1400


def exp_times(z, b, dy):
    """e^z b dy for z <= 0. The second step of 2^n comes last, so that only the result may be subnormal."""
    p, n = reduced(not_below(z, least_of(z)))
    half = np.rint(n * z.dtype.type(0.5))
    return (1 + p) * power_of_2(half) * b * dy * power_of_2(n - half)


def expm1(x):
    """e^x - 1 for x up to 40, exact to the last bits near 0 too: 2^n (e^r - 1) + (2^n - 1)."""
    p, n = reduced(not_below(x, -40))
    power = power_of_2(n)
    return p * power + (power - 1)


@elementwise
def tanh(x):
    """With e = e^(2|x|) - 1, |tanh x| = e / (e + 2); from 20 on it is 1."""
    z = 2 * np.abs(x)
    e = expm1(np.where(z > 40, x.dtype.type(40), z))
    return np.copysign(e / (e + 2), x)


@elementwise_backward
def tanh_backward(dy, y):
    """dy (1 - y^2), exact to the last bits where y is nearly 1, too."""
    return dy * ((1 - y) * (1 + y))


@elementwise
def sigmoid(x):
    """1 / (1 + e^-x), from e^-|x|, which cannot overflow."""
    e = exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


@elementwise_backward
def sigmoid_backward(dy, y):
    return dy * (y * (1 - y))


@elementwise
def relu(x):
    return np.where(x < 0, x.dtype.type(0), x)


@elementwise_backward
def relu_backward(dy, y):
    return np.where(y <= 0, dy.dtype.type(0), dy)


@elementwise
def leaky_relu(x, slope):
    return np.where(x > 0, x, a_number(slope, x) * x)


@elementwise_backward
def leaky_relu_backward(dy, x, slope):
    return np.where(x > 0, dy, a_number(slope, dy) * dy)


@elementwise
def elu(x, positive, negative):
    """positive x where x > 0, else negative (e^x - 1)."""
    return np.where(x > 0, a_number(positive, x) * x, a_number(negative, x) * expm1(np.where(x > 0, 0, x)))


@elementwise_backward
def elu_backward(dy, x, positive, negative):
    a, b = a_number(positive, x), a_number(negative, x)
    return np.where(x > 0, dy * a, exp_times(np.where(x > 0, x.dtype.type(0), x), b, dy))


@elementwise
def silu(x):
    """x e / (1 + e) with e = e^x, or x / (1 + e) with e = e^-x, in float64; here, too, the second step of 2^n comes last."""
    real, x = x.dtype.type, not_below(x, least_of(x))
    p, n = reduced(not_below(-np.abs(x), least_of(x)))
    half = np.rint(n * real(0.5))
    first, second = (1 + FLOAT64(p)) * FLOAT64(power_of_2(half)), FLOAT64(power_of_2(n - half))
    return np.asarray(FLOAT64(x) * np.where(x < 0, first, 1) / (1 + first * second) * np.where(x < 0, second, 1), real)


@elementwise_backward
def silu_backward(dy, x):
    """dy e (1 + x + e) / (1 + e)^2 with e = e^x, or dy (1 + e (1 + x)) / (1 + e)^2 with e = e^-x, in float64.

    It is 0 where 1 + x + e is, at x = zero, e = -1 - zero = there. Near it, with d = x - zero, e = there e^d, and the sum is
    d + there (e^d - 1), two terms of one sign.
    """
    real, least = x.dtype.type, least_of(x)
    zero, lacking = float.fromhex("-0x1.474973c84120bp+0"), float.fromhex("-0x1.f8d74bc9ac154p-54")
    there = 0.27846454276107380
    high = real(zero)
    low = real(zero - FLOAT64(high)) if real is FLOAT32 else lacking
    x = not_below(x, least)
    x = np.where(x > -least, real(-least), x)
    d = x - high
    rounded = ((x - d) - high) - low
    near = np.abs(d) < 0.125
    z = np.where(near, d, -np.abs(x))
    n = np.rint(z * real(LOG2_E))
    half = np.rint(n * real(0.5))
    p, wide = FLOAT64(series(rest(z, n) + np.where(near, rounded, real(0)))), FLOAT64(x)
    first, second, factor = FLOAT64(power_of_2(half)), FLOAT64(power_of_2(n - half)), np.where(near, there, 1)
    e = factor * ((1 + p) * first * second)
    sum = np.where(x > 0, 1 + e * (1 + wide), (1 + wide) + e)
    sum = np.where(near, (FLOAT64(d) + FLOAT64(rounded)) + there * p, sum)
    q = FLOAT64(dy) * (factor * sum / (1 + e * (2 + e)))
    return np.asarray(np.where(x > 0, q, (q + q * p) * first * second), real)


def bell_times(a, f, real):
    """e^(-a^2/2) f, as exact as a `real` is. a^2 comes in two parts, the first of them exact.

    For what is lost of a^2 is lost of the result a^2/2 times over.

    Source: Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969), and his
    later programs.
    """
    near = FLOAT64(FLOAT32(a))
    z = -0.5 * near * near
    n = np.rint(np.asarray(z * LOG2_E, real))
    half = np.rint(n * real(0.5))
    r = rest(z, FLOAT64(n)) - 0.5 * (a - near) * (a + near)
    p = FLOAT64(series(np.asarray(r, real)))
    return (f + f * p) * FLOAT64(power_of_2(half)) * FLOAT64(power_of_2(n - half))


def smooth(coefficients, a, real):
    """A polynomial in (a - 4) / (a + 4), in which what is left of GELU's tail varies so slowly that one does for all a >= 0."""
    a = np.asarray(a, real)
    return FLOAT64(polynomial([real(c) for c in coefficients[real]], (a - 4) / (a + 4)))


GELU_TAIL = {FLOAT32: gelu_table.TAIL_F32, FLOAT64: gelu_table.TAIL_F64}
GELU_SLOPE = {FLOAT32: gelu_table.SLOPE_F32, FLOAT64: gelu_table.SLOPE_F64}


def size_up_to_most(x):
    """|x|, but not more than where nothing is left of e^(-x^2/2)."""
    most = 18.5 if x.dtype.type is FLOAT32 else 52.0
    return np.where(np.abs(x) > most, most, np.abs(FLOAT64(x)))


@elementwise
def gelu(x):
    """x P(x), P the normal distribution function; P(-a) = e^(-a^2/2) smooth(a) / (a + 5/4) is exact far out, too."""
    real, wide, a = x.dtype.type, FLOAT64(x), size_up_to_most(x)
    tail = bell_times(a, np.where(x < 0, -a, 1) * smooth(GELU_TAIL, a, real) / (a + 1.25), real)
    return np.asarray(np.where(x < 0, tail, wide * (1 - tail)), real)


@elementwise_backward
def gelu_backward(dy, x):
    """dy (P(x) + x p(x)), which for x and -x are 1 together. The zero is a factor, so that it is as exact near it."""
    real, dy, a = x.dtype.type, FLOAT64(dy), size_up_to_most(x)
    slope = smooth(GELU_SLOPE, a, real) * ((gelu_table.ZERO[0] - a) + gelu_table.ZERO[1])
    slope = bell_times(a, np.where(x < 0, slope * dy, slope), real)
    return np.asarray(np.where(x < 0, slope, dy * (1 - slope)), real)


# Sums, batch norm and cross-entropy


def with_channels(x):
    """x as an array of reals, (rows, channels) or (rows, channels, places)."""
    x = real_array(x)
    if x.ndim not in (2, 3):
        raise no_channels(x)
    return x


@silently
def column_sums(x):
    """The sums over the rows of a matrix, pairwise: more than 128 rows are cut in two, and the sums of the halves added.

    Within 128 rows, eight are added up to one, and these one after the other. So the error grows like the logarithm of the
    rows, where in one chain it grows like their number; and where they are cut depends on nothing else. Of an array (rows,
    channels, places) it is the sum of each channel, over the rows first, and in the same way over the places.

    Source: Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14 (1993), section 3.
    """
    x = with_channels(x)
    rows, columns = x.shape[:2]
    if x.ndim == 3:
        return column_sums(column_sums(x.reshape(rows, math.prod(x.shape[1:]))).reshape(x.shape[1:]).T)
    if rows > 128:
        middle = (rows // 2 + 127) // 128 * 128
        return column_sums(x[:middle]) + column_sums(x[middle:])
    a, b, c, d, e, f, g, h = x[: rows // 8 * 8].reshape(rows // 8, 8, columns).swapaxes(0, 1)
    eights = ((a + b) + (c + d)) + ((e + f) + (g + h))
    return np.cumsum(np.concatenate([np.zeros_like(x, shape=(1, columns)), eights, x[rows // 8 * 8 :]]), axis=0)[-1]


def for_channels(x, name, value):
    """A value as an array that has a number of x's dtype for each of its channels."""
    return real_array_like(name, value, x.dtype, x.shape[1:2])


def beside(x, value):
    """A number for each channel in a shape that goes with x."""
    return value.reshape(-1, *[1] * (x.ndim - 2))


@silently
def batch_norm(x, weight, bias, mean, var, eps, training):
    """weight (x - mean) / sqrt(var + eps) + bias for each channel; in training, mean and var are filled with those of x.

    x is (rows, channels) or (rows, channels, places). About a first mean, which is rounded, the deviations have a mean of their
    own, which corrects it.

    Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American Statistician 37 (1983).
    """
    x = with_channels(x)
    real = x.dtype.type
    m, v = for_channels(x, "mean", mean), for_channels(x, "var", var)
    if training and not (m is mean and v is var and m.flags.carray and v.flags.carray):
        raise unwritable_statistics()
    weight = None if weight is None else for_channels(x, "weight", weight)
    bias = None if bias is None else for_channels(x, "bias", bias)
    if training:
        n = real(x.size // x.shape[1])
        first = column_sums(x) / n
        d = x - beside(x, first)
        off, square = column_sums(d) / n, column_sums(d * d) / n
        square = square - off * off
        m[...], v[...] = first + off, np.where(square < 0, real(0), square)
    y = (x - beside(x, m)) * beside(x, (1 if weight is None else weight) / np.sqrt(v + real(eps)))
    return y if bias is None else y + beside(x, bias)


@silently
def batch_norm_backward(dy, x, weight, mean, var, eps, training):
    """(dx, dweight, dbias), see `functional.batch_norm`."""
    x = with_channels(x)
    real = x.dtype.type
    dy = real_array_like("dy", dy, x.dtype, x.shape)
    mean, var = for_channels(x, "mean", mean), for_channels(x, "var", var)
    weight = None if weight is None else for_channels(x, "weight", weight)
    s = 1 / np.sqrt(var + real(eps))
    centred, n = x - beside(x, mean), real(x.size // x.shape[1])
    dweight, dbias = column_sums(dy * (centred * beside(x, s))), column_sums(dy)
    along_1, along_h = (dbias / n, dweight / n * s) if training else (np.zeros_like(dbias), np.zeros_like(dbias))
    dh = dy - beside(x, along_1) - centred * beside(x, along_h)
    return dh * beside(x, (1 if weight is None else weight) * s), dweight, dbias


@silently
def are_finite(x, factor):
    """Whether all numbers x factor are finite."""
    return bool(np.isfinite(x * x.dtype.type(factor)).all())


@silently
def move_statistics(running_mean, running_var, tracked, mean, var, rows, share, counts):
    """Move running statistics towards those of a batch of so many rows: running = (1 - share) running + share batch.

    The batch's variance is made unbiased, var rows / (rows - 1). `tracked`, a number of batches, goes up by 1, and so do
    `counts`, each a list of one number. What is None is left out. An interrupt finds all done or nothing.
    """
    changes = [
        (running, (1 - share) * running + share * batch)
        for running, batch in ((running_mean, mean), (running_var, var * var.dtype.type(rows / (rows - 1))))
        if running is not None
    ]
    if tracked is not None:
        changes.append((tracked, tracked + 1))
    change(changes, counts, [])


def mask(u, share, scale, dtype):
    """`scale` where u < share, and 0 elsewhere; u is of float64."""
    if not (isinstance(u, np.ndarray) and u.dtype == FLOAT64):
        raise misfit("u", np.dtype(FLOAT64), np.shape(u), u)
    return np.where(u < share, dtype.type(scale), dtype.type(0))


def scaled(total, factor, dtype):
    """The number total factor, as an array."""
    return np.array(total * factor, dtype)


def check_classes(labels, shape):
    """Refuse labels that are not one class for each row of an input of this shape."""
    check_labels(labels, shape[0])
    if not ((labels >= 0) & (labels < shape[1])).all():
        raise unknown_class(labels, shape)


@silently
def cross_entropy(x, labels):
    """(softmax(x), losses -log softmax(x)[label], their sum) by rows. Sums are in float64."""
    x = real_matrix("x", x)
    check_classes(labels, x.shape)
    if not len(x):
        return x.copy(), x[:, :0].sum(axis=1), 0.0
    most = x.max(axis=1, keepdims=True)
    p = exp(x - most)
    total = np.cumsum(p, axis=1, dtype=FLOAT64)[:, -1]  # one after the other, as in csrc/
    known = most[:, 0] - x[np.arange(len(x)), labels]
    losses = (known + np.where(total > 0, log(total), total)).astype(x.dtype)
    return p * (1 / total).astype(x.dtype)[:, None], losses, float(np.cumsum(losses, dtype=FLOAT64)[-1])


@silently
def cross_entropy_backward(dy, p, labels, factor):
    """(p - one-hot(label)) dy factor, with one dy or one for each row."""
    p, dy = real_matrix("p", p), real_array(dy)
    if not (fits(dy, p.dtype, ()) or fits(dy, p.dtype, p.shape[:1])):
        raise misfit("dy", p.dtype, f"() or {p.shape[:1]}", dy)
    check_classes(labels, p.shape)
    dx = p.copy()
    dx[np.arange(len(p)), labels] -= 1
    return dx * (dy * p.dtype.type(factor)).reshape(-1, 1)


# Summaries


@silently
def summarize(x, bins):
    """What an array is like: mean, standard deviation, least and largest element, and a histogram between these.

    Sums are in float64, so that squares of small numbers are not 0, and of x less its first element, so that nothing is
    rounded where all are equal. Equal elements count in the middle.

    Parameters
    ----------
    x : ndarray of float32 or float64, not empty
    bins : int
        0 for no histogram.

    Returns
    -------
    mean, std, low, high : float
        In float64. If the mean is not finite, the others are NaN; without a histogram, low and high are.
    counts : ndarray of int64, shape (bins,)
        All 0 if the mean is not finite.

    Examples
    --------
    >>> summarize(np.array([0.0, 0.0, 0.0, 4.0]), 2)
    (1.0, 1.7320508075688772, 0.0, 4.0, array([3, 1]))
    """
    check_summarize(x, bins)
    x, counts = x.ravel().astype(FLOAT64), np.zeros(bins, np.int64)
    mean = float(x[0] + (x - x[0]).sum() / x.size)
    if not np.isfinite(mean):
        return float(x.sum()) / x.size, np.nan, np.nan, np.nan, counts
    std = float(np.sqrt(np.square(x - mean).sum() / x.size))
    if not bins:
        return mean, std, np.nan, np.nan, counts
    low, high = float(x.min()), float(x.max())
    scale = FLOAT64(bins) / (high - low)
    if np.isfinite(scale):
        places = np.minimum(((x - low) * scale).astype(np.int64), bins - 1)  # the last bin has both its ends
        counts += np.bincount(places, minlength=bins)
    else:
        counts[bins // 2] = x.size
    return mean, std, low, high, counts
