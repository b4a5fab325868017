"""The kernels in NumPy: to read, to test the compiled ones against, and to run where there is no compiler.

The same functions as in `_compiled.pyx`. The sampling functions agree with csrc/ bit for bit: every line is the same
sequence of correctly rounded operations. Arguments have been checked by `minidl.kernels`.
"""

import functools
import math
from itertools import repeat
from operator import setitem

import numpy as np

from ..atomic import at_once
from . import gelu_table
from .quantile_table import QUANTILE

FLOAT32, FLOAT64 = np.float32, np.float64
TABLE = np.array(QUANTILE, FLOAT32)


def instruction_sets():
    return ["numpy"]


def choose_instruction_set(name):
    return name == "numpy"


def instruction_set():
    return "numpy"


def set_num_threads(n):
    """NumPy decides for itself how many threads its own matmul uses; the number is kept, and nothing follows from it."""
    global _num_threads
    _num_threads = n


def get_num_threads():
    return _num_threads


_num_threads = 1


def product(x, y):
    """The matrix product x y. A depth of more than 4096 is cut in halves, as in csrc/: the error grows like its logarithm."""
    depth = x.shape[1]
    if depth <= 4096:
        return x @ y
    half = (depth // 2 + 63) // 64 * 64
    return product(x[:, :half], y[:half]) + product(x[:, half:], y[half:])


def matmul(a, b, out):
    """out = a b, for 2-D arrays of one dtype."""
    with np.errstate(all="ignore"):  # infinities and NaN pass, as in the kernel
        out[...] = product(a, b)


def summarize(x, counts):
    """(mean, standard deviation, least, largest) of x, and in `counts` its histogram between these two.

    Sums are in float64, so that squares of small numbers are not 0, and of x less its first element, so that nothing is
    rounded where all are equal. Equal elements count in the middle. If the mean is not finite the rest is NaN, and the counts
    are 0; without counts, least and largest are NaN.
    """
    counts[...] = 0
    counts = counts[0, :-1]  # the rest is room for the compiled kernel
    with np.errstate(all="ignore"):
        x = x.astype(FLOAT64)
        mean = float(x[0] + (x - x[0]).sum() / x.size)
        if not np.isfinite(mean):
            return float(x.sum()) / x.size, np.nan, np.nan, np.nan
        std = float(np.sqrt(np.square(x - mean).sum() / x.size))
        if not len(counts):
            return mean, std, np.nan, np.nan
        low, high = float(x.min()), float(x.max())
        scale = FLOAT64(len(counts)) / (high - low)
        if np.isfinite(scale):
            places = np.minimum(((x - low) * scale).astype(np.int64), len(counts) - 1)  # the last bin has both its ends
            counts += np.bincount(places, minlength=len(counts))
        else:
            counts[len(counts) // 2] = x.size
    return mean, std, low, high


# Passes. Infinities and NaN go through them as through the kernels, without a word.

silently = np.errstate(all="ignore")


def check_like(x, shape=None, **arrays):
    """Refuse arrays, if not None, without the dtype of x or its shape (or another): NumPy would convert and broadcast them."""
    shape = x.shape if shape is None else shape
    for name, array in arrays.items():
        if array is not None and (array.shape != shape or array.dtype != x.dtype):
            raise ValueError(f"{name} must be {x.dtype} of shape {shape}, got {array.dtype} of shape {array.shape}")


def check_labels(x, labels):
    if x.ndim != 2 or labels.shape != x.shape[:1] or labels.dtype != np.intp:
        raise ValueError(f"labels must be intp, one for each row of {x.shape}, got {labels.dtype} of shape {labels.shape}")


def like_dy(backward):
    """A function whose first two arguments are arrays of one shape and dtype."""

    @functools.wraps(backward)
    def checked(dy, x, *numbers):
        check_like(x, dy=dy)
        return backward(dy, x, *numbers)

    return checked


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


@silently
def exp(x):
    """e^x = 2^n e^r, 2^n in two steps, for it may be too large or too small for one."""
    real = x.dtype.type
    least, most = (-104, 89) if real is FLOAT32 else (-746, 710)
    p, n = reduced(np.where(x > most, real(most), np.where(x < least, real(least), x)))
    half = np.rint(n * real(0.5))
    return np.asarray((1 + p) * power_of_2(half) * power_of_2(n - half))


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


@silently
def tanh(x):
    """With e = e^(2|x|) - 1, |tanh x| = e / (e + 2); from 20 on it is 1."""
    z = 2 * np.abs(x)
    e = expm1(np.where(z > 40, x.dtype.type(40), z))
    return np.asarray(np.copysign(e / (e + 2), x))


@silently
@like_dy
def tanh_backward(dy, y):
    """dy (1 - y^2), exact to the last bits where y is nearly 1, too."""
    return dy * ((1 - y) * (1 + y))


@silently
def sigmoid(x):
    """1 / (1 + e^-x), from e^-|x|, which cannot overflow."""
    e = exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e))


@silently
@like_dy
def sigmoid_backward(dy, y):
    return dy * (y * (1 - y))


@silently
def relu(x):
    return np.where(x < 0, x.dtype.type(0), x)


@silently
@like_dy
def relu_backward(dy, y):
    return np.where(y <= 0, dy.dtype.type(0), dy)


@silently
def leaky_relu(x, slope):
    return np.where(x > 0, x, x.dtype.type(slope) * x)


@silently
@like_dy
def leaky_relu_backward(dy, x, slope):
    return np.where(x > 0, dy, dy.dtype.type(slope) * dy)


@silently
def elu(x, positive, negative):
    """positive x where x > 0, else negative (e^x - 1)."""
    return np.where(x > 0, x.dtype.type(positive) * x, x.dtype.type(negative) * expm1(np.where(x > 0, 0, x)))


@silently
@like_dy
def elu_backward(dy, x, positive, negative):
    a, b = x.dtype.type(positive), x.dtype.type(negative)
    return np.where(x > 0, dy * a, exp_times(np.where(x > 0, x.dtype.type(0), x), b, dy))


@silently
def silu(x):
    """x e / (1 + e) with e = e^x, or x / (1 + e) with e = e^-x, in float64; here, too, the second step of 2^n comes last."""
    real, x = x.dtype.type, not_below(x, least_of(x))
    p, n = reduced(not_below(-np.abs(x), least_of(x)))
    half = np.rint(n * real(0.5))
    first, second = (1 + FLOAT64(p)) * FLOAT64(power_of_2(half)), FLOAT64(power_of_2(n - half))
    return np.asarray(FLOAT64(x) * np.where(x < 0, first, 1) / (1 + first * second) * np.where(x < 0, second, 1), real)


@silently
@like_dy
def silu_backward(dy, x):
    """dy e (1 + x + e) / (1 + e)^2 with e = e^x, or dy (1 + e (1 + x)) / (1 + e)^2 with e = e^-x, in float64.

    It is 0 where 1 + x + e is, at x = zero, e = -1 - zero = there. Beside it, with d = x - zero, e = there e^d, and the sum is
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
    beside = np.abs(d) < 0.125
    z = np.where(beside, d, -np.abs(x))
    n = np.rint(z * real(LOG2_E))
    half = np.rint(n * real(0.5))
    p, wide = FLOAT64(series(rest(z, n) + np.where(beside, rounded, real(0)))), FLOAT64(x)
    first, second, factor = FLOAT64(power_of_2(half)), FLOAT64(power_of_2(n - half)), np.where(beside, there, 1)
    e = factor * ((1 + p) * first * second)
    sum = np.where(x > 0, 1 + e * (1 + wide), (1 + wide) + e)
    sum = np.where(beside, (FLOAT64(d) + FLOAT64(rounded)) + there * p, sum)
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


@silently
def gelu(x):
    """x P(x), P the normal distribution function; P(-a) = e^(-a^2/2) smooth(a) / (a + 5/4) is exact far out, too."""
    real, wide, a = x.dtype.type, FLOAT64(x), size_up_to_most(x)
    tail = bell_times(a, np.where(x < 0, -a, 1) * smooth(GELU_TAIL, a, real) / (a + 1.25), real)
    return np.asarray(np.where(x < 0, tail, wide * (1 - tail)), real)


@silently
@like_dy
def gelu_backward(dy, x):
    """dy (P(x) + x p(x)), which for x and -x are 1 together. The zero is a factor, so that it is as exact beside it."""
    real, dy, a = x.dtype.type, FLOAT64(dy), size_up_to_most(x)
    slope = smooth(GELU_SLOPE, a, real) * ((gelu_table.ZERO[0] - a) + gelu_table.ZERO[1])
    slope = bell_times(a, np.where(x < 0, slope * dy, slope), real)
    return np.asarray(np.where(x < 0, slope, dy * (1 - slope)), real)


def column_sums(x):
    """The sums over the rows of a matrix, pairwise: more than 128 rows are cut in two, and the sums of the halves added.

    Within 128 rows, eight are added up to one, and these one after the other. So the error grows like the logarithm of the
    rows, where in one chain it grows like their number; and where they are cut depends on nothing else.

    Source: Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14 (1993), section 3.
    """
    rows, columns = x.shape
    if rows > 128:
        middle = (rows // 2 + 127) // 128 * 128
        return column_sums(x[:middle]) + column_sums(x[middle:])
    a, b, c, d, e, f, g, h = x[: rows // 8 * 8].reshape(rows // 8, 8, columns).swapaxes(0, 1)
    eights = ((a + b) + (c + d)) + ((e + f) + (g + h))
    return np.cumsum(np.concatenate([np.zeros_like(x, shape=(1, columns)), eights, x[rows // 8 * 8 :]]), axis=0)[-1]


@silently
def linear(x, weight, bias):
    """x weight^T + bias."""
    return product(x, weight.T) if bias is None else product(x, weight.T) + bias


@silently
def linear_backward(dy, x, weight, need_x, need_weight, need_bias):
    """dx = dy weight, dweight = dy^T x, and the column sums of dy; None for what is not needed."""
    return (
        product(dy, weight) if need_x else None,
        product(dy.T, x) if need_weight else None,
        column_sums(dy) if need_bias else None,
    )


@silently
def batch_norm(x, weight, bias, mean, var, eps, training):
    """weight (x - mean) / sqrt(var + eps) + bias for each column; in training, mean and var are filled with those of x.

    About a first mean, which is rounded, the deviations have a mean of their own, which corrects it.

    Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American Statistician 37 (1983).
    """
    real = x.dtype.type
    check_like(x, x.shape[1:], weight=weight, bias=bias, mean=mean, var=var)
    if training:
        n = real(len(x))
        first = column_sums(x) / n
        d = x - first
        off, v = column_sums(d) / n, column_sums(d * d) / n
        v = v - off * off
        mean[...], var[...] = first + off, np.where(v < 0, real(0), v)
    y = (x - mean) * ((1 if weight is None else weight) / np.sqrt(var + real(eps)))
    return y if bias is None else y + bias


@silently
def batch_norm_backward(dy, x, weight, mean, var, eps, training):
    """(dx, dweight, dbias), see `functional.batch_norm`."""
    real = x.dtype.type
    check_like(x, dy=dy)
    check_like(x, x.shape[1:], weight=weight, mean=mean, var=var)
    s = 1 / np.sqrt(var + real(eps))
    centred, n = x - mean, real(len(x))
    dweight, dbias = column_sums(dy * (centred * s)), column_sums(dy)
    along_1, along_h = (dbias / n, dweight / n * s) if training else (np.zeros_like(dbias), np.zeros_like(dbias))
    return (dy - along_1 - centred * along_h) * ((1 if weight is None else weight) * s), dweight, dbias


@silently
def cross_entropy(x, labels):
    """(softmax(x), losses -log softmax(x)[label], their sum) by rows; None where a label is no class. Sums are in float64."""
    check_labels(x, labels)
    if not ((labels >= 0) & (labels < x.shape[1])).all():
        return None
    if not len(x):
        return x, x[:, :0].sum(axis=1), 0.0
    most = x.max(axis=1, keepdims=True)
    p = exp(x - most)
    total = np.cumsum(p, axis=1, dtype=FLOAT64)[:, -1]  # one after the other, as in csrc/
    known = most[:, 0] - x[np.arange(len(x)), labels]
    losses = (known + np.where(total > 0, log(total), total)).astype(x.dtype)
    return p * (1 / total).astype(x.dtype)[:, None], losses, float(np.cumsum(losses, dtype=FLOAT64)[-1])


@silently
def cross_entropy_backward(dy, p, labels, factor):
    """(p - one-hot(label)) dy factor, with one dy or one for each row."""
    check_labels(p, labels)
    check_like(p, p.shape[:1] if dy.ndim else (), dy=dy)
    if not ((labels >= 0) & (labels < p.shape[1])).all():
        raise ValueError(f"labels must be from 0 to {p.shape[1] - 1}")
    dx = p.copy()
    dx[np.arange(len(p)), labels] -= 1
    return dx * (dy * p.dtype.type(factor)).reshape(-1, 1)


@silently
def sgd(groups, counts, started, known):
    """One step of `optim.SGD`, in place; with it the counts, each a list of one number, go up by 1, and known.update(started).

    A group is (values, gradients, velocities, fresh, lr, momentum, dampening, weight_decay, nesterov): lists of arrays, then
    numbers. A velocity is None without momentum; where it is fresh it has no value yet. An interrupt finds all done or nothing.
    Returns False, having done nothing, if the shapes or dtypes of an array, its gradient and its velocity don't fit each other.
    """
    arrays, results = [], []
    for values, gradients, velocities, fresh, lr, momentum, dampening, weight_decay, nesterov in groups:
        for p, g, v, new in zip(values, gradients, velocities, fresh, strict=True):
            if not (g.shape == p.shape and p.flags.writeable and (v is None or (v.shape == p.shape and v.dtype == p.dtype))):
                return False
            step = g = g.astype(p.dtype)
            if weight_decay:
                step = g = g + weight_decay * p
            if v is not None:
                velocity = g if new else momentum * v + (1 - dampening) * g
                step = g + momentum * velocity if nesterov else velocity
                arrays.append(v)
                results.append(velocity)
            arrays.append(p)
            results.append(p - lr * step)
    at_once(
        setitem,
        [*arrays, *counts, *repeat(known, len(started))],
        [*repeat(..., len(arrays)), *repeat(0, len(counts)), *started],
        [*results, *(count[0] + 1 for count in counts), *started.values()],
    )
    return True


# Random words


def philox(key, counter, out):
    """Philox4x32-10: four 32-bit words from each 128-bit counter.

    Ten rounds on the counter (c0, c1, c2, c3) under the key (k0, k1); `high` and `low` are the halves of a 64-bit product:

        c0, c1, c2, c3 = high(M1 c2) ^ c1 ^ k0, low(M1 c2), high(M0 c0) ^ c3 ^ k1, low(M0 c0)
        k0, k1         = k0 + W0, k1 + W1

    `counter` is the first counter, its least significant word first; each four words of `out` use the next one.

    Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 4.3.
    """
    first = sum(int(word) << 32 * i for i, word in enumerate(counter))
    steps = np.arange(-(-out.size // 4), dtype=np.uint64)
    low = np.uint64(first & 0xFFFFFFFFFFFFFFFF) + steps
    high = np.uint64(first >> 64) + (low < steps).astype(np.uint64)
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = low & mask, low >> half, high & mask, high >> half
    k0, k1 = (int(word) for word in key)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ np.uint64(k0), p1 & mask, (p0 >> half) ^ c3 ^ np.uint64(k1), p0 & mask
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    out[:] = np.stack([c0, c1, c2, c3], axis=1).ravel()[: out.size]


def words(key, position, n, attempt=0):
    """Words `position` ... `position + n - 1` of a stream. Each `attempt` is another stream, for numbers drawn again."""
    skipped, block = position % 4, position // 4
    out = np.empty(skipped + n, np.uint32)
    philox(key, (block & 0xFFFFFFFF, block >> 32, attempt & 0xFFFFFFFF, attempt >> 32), out)
    return out[skipped:]


def bits53(word):
    """53 random bits, as float64, from the two words of each sample."""
    high, low = word[0::2] >> np.uint32(5), word[1::2] >> np.uint32(6)
    return high.astype(FLOAT64) * FLOAT64(2.0**26) + low.astype(FLOAT64)


def new_array(size, dtype):
    try:
        return np.empty(size, dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"size must be a whole number or a tuple of them, none negative, got {size!r} ({error})") from error


# Uniform


def uniform(size, real, key, position, low, high):
    """low + (high - low) u, with u uniform on the multiples of 2^-24 (float32) or 2^-53 (float64) in [0, 1).

    One word a sample in float32, two in float64. Where rounding reaches `high`, the largest number below it is taken.
    """
    out = new_array(size, real)
    if real is FLOAT32:
        u = (words(key, position, out.size) >> np.uint32(8)).astype(FLOAT32) * FLOAT32(2.0**-24)
    else:
        u = bits53(words(key, position, 2 * out.size)) * FLOAT64(2.0**-53)
    low, high = real(low), real(high)
    x = low + (high - low) * u
    out.flat = np.where(x < high, x, np.nextafter(high, low))
    return out


# Normal


@silently
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


# Wichura's tables, highest power first: numerator and denominator, in the middle, in the tails and far out.
PPND16 = (
    (
        (
            2.5090809287301226727e3,
            3.3430575583588128105e4,
            6.7265770927008700853e4,
            4.5921953931549871457e4,
            1.3731693765509461125e4,
            1.9715909503065514427e3,
            1.3314166789178437745e2,
            3.3871328727963666080e0,
        ),
        (
            5.2264952788528545610e3,
            2.8729085735721942674e4,
            3.9307895800092710610e4,
            2.1213794301586595867e4,
            5.3941960214247511077e3,
            6.8718700749205790830e2,
            4.2313330701600911252e1,
            1.0,
        ),
    ),
    (
        (
            7.74545014278341407640e-4,
            2.27238449892691845833e-2,
            2.41780725177450611770e-1,
            1.27045825245236838258e0,
            3.64784832476320460504e0,
            5.76949722146069140550e0,
            4.63033784615654529590e0,
            1.42343711074968357734e0,
        ),
        (
            1.05075007164441684324e-9,
            5.47593808499534494600e-4,
            1.51986665636164571966e-2,
            1.48103976427480074590e-1,
            6.89767334985100004550e-1,
            1.67638483018380384940e0,
            2.05319162663775882187e0,
            1.0,
        ),
    ),
    (
        (
            2.01033439929228813265e-7,
            2.71155556874348757815e-5,
            1.24266094738807843860e-3,
            2.65321895265761230930e-2,
            2.96560571828504891230e-1,
            1.78482653991729133580e0,
            5.46378491116411436990e0,
            6.65790464350110377720e0,
        ),
        (
            2.04426310338993978564e-15,
            1.42151175831644588870e-7,
            1.84631831751005468180e-5,
            7.86869131145613259100e-4,
            1.48753612908506148525e-2,
            1.36929880922735805310e-1,
            5.99832206555887937690e-1,
            1.0,
        ),
    ),
)


def quantile(p, q):
    """The z with P(Z < z) = p for a standard normal Z; q is 1 - p, given apart so that both tails are exact.

    float32: with the smaller tail r = min(p, q) = 2^(k - 32) m, 1 <= m < 2, the quantile is a polynomial in m - 3/2 on each
    octave k (`quantile_table.py`), to 5e-7. Below 2^-32, where words of 32 bits do not get, it stays at 6.2.

    float64: with c = p - 1/2, in the middle, |c| <= 0.425, z = c A(r)/B(r), r = 0.425^2 - c^2; outside, with
    s = sqrt(-log min(p, q)), z = sign(c) C(s - 1.6)/D(s - 1.6), and, for s > 5, z = sign(c) E(s - 5)/F(s - 5), to 1e-16.

    Source: Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37 (1988).
    """
    if p.dtype == FLOAT32:
        bits = np.maximum(np.minimum(p, q), FLOAT32(2.0**-32)).view(np.int32)
        octave = (bits >> 23) - 95
        x = ((bits & 0x7FFFFF) | 0x3F800000).view(FLOAT32) - FLOAT32(1.5)
        z = TABLE[-1][octave]
        for row in TABLE[-2::-1]:
            z = z * x + row[octave]
        return np.where(p > q, -z, z)
    c = 0.5 * (p - q)
    r = 0.180625 - c * c
    root = np.sqrt(-log(np.minimum(p, q)))
    middle, near, far = (
        [polynomial(table, x) for table in tables] for tables, x in zip(PPND16, (r, root - 1.6, root - 5), strict=True)
    )
    above, below = np.where(root <= 5, near, far)
    inside = r >= 0
    return np.where(inside, c * middle[0], np.where(c < 0, -above, above)) / np.where(inside, middle[1], below)


def normal(size, real, key, position, mean, std, p_low, q_high, width, low, high):
    """mean + std quantile(p), kept in [low, high], with p uniform on [p_low, p_low + width] and q_high = 1 - p_low - width.

    The whole normal law has p_low = q_high = 0 and width = 1. One word a sample in float32, two in float64; a word of b bits
    k gives the fraction (k + 1/2)/2^b, so it reaches 2^-33 or 2^-54 from each end: 6.2 or 8.3 standard deviations.
    """
    out = new_array(size, real)
    if real is FLOAT32:
        word = words(key, position, out.size)
        p, q = ((k.astype(FLOAT32) + FLOAT32(0.5)) * FLOAT32(2.0**-32) for k in (word, ~word))
    else:
        word = words(key, position, 2 * out.size)
        p, q = ((bits53(k) + 0.5) * FLOAT64(2.0**-53) for k in (word, ~word))
    x = real(mean) + real(std) * quantile(real(p_low) + real(width) * p, real(q_high) + real(width) * q)
    x = np.where(x > real(low), x, real(low))  # not np.maximum, which may take either of -0 and +0
    out.flat = np.where(x < real(high), x, real(high))
    return out


# Integers


def multiply_high(x, y):
    """The upper and the lower 64 bits of the 128-bit product of two uint64 arrays, from four products of 32-bit halves."""
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    x0, x1, y0, y1 = x & mask, x >> half, y & mask, y >> half
    middle = x1 * y0 + (x0 * y0 >> half)
    other = x0 * y1 + (middle & mask)
    return x1 * y1 + (middle >> half) + (other >> half), x * y


def below(key, position, n, ranges):
    """n integers, the i-th uniform on 0 ... ranges[i] - 1 and exactly so (a range of 0 stands for 2^64).

    With x of 64 random bits, the upper half of x * range is the number; it is drawn again where the lower half is less than
    2^64 mod range, which leaves every number the same count of x. The next attempt takes its words from another stream, at
    the same position: a number drawn again moves no other.

    Source: Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019), algorithm 5.
    """
    word = words(key, position, 2 * n).astype(np.uint64)
    x = word[0::2] << np.uint64(32) | word[1::2]
    high, low = multiply_high(x, ranges)
    least = (np.uint64(0) - ranges) % np.maximum(ranges, np.uint64(1))
    for i in np.flatnonzero(low < least):
        attempt = 1
        while low[i] < least[i]:
            again = words(key, position + 2 * int(i), 2, attempt).astype(np.uint64)
            high[i : i + 1], low[i : i + 1] = multiply_high(again[:1] << np.uint64(32) | again[1:], ranges[i : i + 1])
            attempt += 1
    return np.where(ranges == 0, x, high)


def integers(size, key, position, low, range):
    """low + an integer uniform on 0 ... range - 1; two words a sample."""
    out = new_array(size, np.int64)
    ranges = np.full(out.size, range, np.uint64)
    out.flat = (np.uint64(low & 0xFFFFFFFFFFFFFFFF) + below(key, position, out.size, ranges)).view(np.int64)
    return out


def permutation(n, key, position):
    """A random order of 0 ... n - 1: the shuffle of Fisher and Yates, inside out; two words an element."""
    out = np.empty(n, np.int64)
    places = below(key, position, n, np.arange(1, n + 1, dtype=np.uint64))
    for i, place in enumerate(places):
        out[i] = out[place]
        out[place] = i
    return out
