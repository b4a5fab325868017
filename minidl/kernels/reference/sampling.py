"""Random numbers in NumPy: words from Philox, and from them uniform and normal numbers, integers and permutations.

Each has the bits of csrc/ (`sampling_kernels.h`). A stream of words is its key; a draw is a function of the key and a position
in the stream, so nothing here has a state. `minidl.random` has: there a generator counts the position up.
"""

import numpy as np

from ..checks import REALS, bad_key, bad_probabilities, bad_samples, bad_words, new_array
from ..quantile_table import QUANTILE
from .fused import log, polynomial

FLOAT32, FLOAT64 = np.float32, np.float64
TABLE = np.array(QUANTILE, FLOAT32)


# Random words


def philox(key, counter, out):
    """Philox4x32-10: four 32-bit words from each 128-bit counter.

    Ten rounds on the counter (c0, c1, c2, c3) under the key (k0, k1); `high` and `low` are the halves of a 64-bit product:

        c0, c1, c2, c3 = high(M1 c2) ^ c1 ^ k0, low(M1 c2), high(M0 c0) ^ c3 ^ k1, low(M0 c0)
        k0, k1         = k0 + W0, k1 + W1

    `counter` is the first counter, its least significant word first; each four words of `out` use the next one.

    Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 4.3.
    """
    if not (isinstance(out, np.ndarray) and out.dtype == np.uint32 and out.flags.carray):
        raise bad_words(out)
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
    if not (isinstance(key, tuple) and len(key) == 2):
        raise bad_key(key)
    skipped, block = position % 4, position // 4
    out = np.empty(skipped + n, np.uint32)
    philox(key, (block & 0xFFFFFFFF, block >> 32, attempt & 0xFFFFFFFF, attempt >> 32), out)
    return out[skipped:]


def bits53(word):
    """53 random bits, as float64, from the two words of each sample."""
    high, low = word[0::2] >> np.uint32(5), word[1::2] >> np.uint32(6)
    return high.astype(FLOAT64) * FLOAT64(2.0**26) + low.astype(FLOAT64)


def new_samples(size, real):
    """An array for samples, and its type of numbers."""
    out = new_array(size, real)
    if out.dtype not in REALS:
        raise bad_samples(real)
    return out, out.dtype.type


# Uniform


def uniform(size, real, key, position, low, high):
    """low + (high - low) u, with u uniform on the multiples of 2^-24 (float32) or 2^-53 (float64) in [0, 1).

    One word a sample in float32, two in float64. Where rounding reaches `high`, the largest number below it is taken.
    """
    out, real = new_samples(size, real)
    if real is FLOAT32:
        u = (words(key, position, out.size) >> np.uint32(8)).astype(FLOAT32) * FLOAT32(2.0**-24)
    else:
        u = bits53(words(key, position, 2 * out.size)) * FLOAT64(2.0**-53)
    low, high = real(low), real(high)
    x = low + (high - low) * u
    out.flat = np.where(x < high, x, np.nextafter(high, low))
    return out


# Normal


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

    The whole normal distribution has p_low = q_high = 0 and width = 1. One word a sample in float32, two in float64; a word of
    b bits k gives the fraction (k + 1/2)/2^b, so it reaches 2^-33 or 2^-54 from each end: 6.2 or 8.3 standard deviations.
    """
    if not (p_low >= 0 and q_high >= 0 and width >= 0 and abs(p_low + width + q_high - 1) < 1e-6):
        raise bad_probabilities(p_low, q_high, width)
    out, real = new_samples(size, real)
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
    out = new_array(n, np.int64)
    places = below(key, position, n, np.arange(1, n + 1, dtype=np.uint64))
    for i, place in enumerate(places):
        out[i] = out[place]
        out[place] = i
    return out
