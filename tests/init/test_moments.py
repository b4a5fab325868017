"""Tests the moments that initializers state against numbers worked out by hand.

For a normal distribution cut at a and b, with density p and distribution function P: mean = (p(a) - p(b)) / (P(b) - P(a)) and
variance = 1 + (a p(a) - b p(b)) / (P(b) - P(a)) - mean^2. Far out in a tail these lose all digits; there the comparison is with
the asymptotic series of the hazard rate h(a) = p(a) / (1 - P(a)), as for a one-sided cut mean = h and variance = 1 + a h - h^2.
"""

import math

import pytest

from minidl import init

INFINITE = (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [
        (init.Zeros(), (0, 0, 0, 0)),
        (init.Ones(), (1, 0, 1, 1)),
        (init.Constant(-2.5), (-2.5, 0, -2.5, -2.5)),
        (init.Uniform(-1, 5), (2, 1.7320508, -1, 5)),  # 6 / sqrt(12)
        (init.Normal(3, 0.5), (3, 0.5, *INFINITE)),
        (init.XavierUniform(), (0, 0.0471405, -0.0816497, 0.0816497)),  # sqrt(2/900), sqrt(6/900)
        (init.XavierNormal(5 / 3), (0, 0.0785674, *INFINITE)),  # 5/3 sqrt(2/900)
        (init.HeUniform(), (0, 0.0632456, -0.1095445, 0.1095445)),  # sqrt(2/500), sqrt(6/500)
        (init.HeNormal(mode="fan_out"), (0, 0.0707107, *INFINITE)),  # sqrt(2/400)
        (init.LecunUniform(), (0, 0.0447214, -0.0774597, 0.0774597)),  # sqrt(1/500), sqrt(3/500)
        (init.LecunNormal(), (0, 0.0447214, *INFINITE)),
        # the cut distribution is widened by 1 / 0.879626, and cut at twice that
        (init.VarianceScaling(1, "fan_in", "truncated_normal"), (0, 0.0447214, -0.1016827, 0.1016827)),
        (init.VarianceScaling(0), (0, 0, *INFINITE)),
        (init.VarianceScaling(1, "fan_geo_avg"), (0, 0.0472871, *INFINITE)),  # 1 / sqrt(sqrt(500 * 400)) = 200000^(-1/4)
        # 400 rows of length 2: a sum of squares of 1600 over 200,000; 200 rows of length 2 and 250 numbers, four times
        (init.Orthogonal(2), (0, 0.0894427, -2, 2)),
        (init.LooksLinear(2), (0, 0.1264911, -2, 2)),
        (init.LooksLinear(2, mode="in"), (0, 0.1, -2, 2)),  # 400 x 250, twice
        (init.Fixup(branches=16), (0, 0.0158114, *INFINITE)),  # sqrt(2/500) / 4
        (init.MuPOutput(), (0, 0.002, *INFINITE)),  # 1/500
        (init.Sparse(0.9, std=2), (0, 0.6324555, *INFINITE)),  # 40 of 400 are not 0
        (init.Sparse(0.99875, std=1), (0, 0, *INFINITE)),  # ceil(399.5) = 400 of 400 are 0
        (init.Identity(2), (0.004, 0.0893532, 0, 2)),  # 400 times 2 in 200,000: variance 0.008 - 0.004^2
        (init.ZerO(), (0.002, 0.0446766, 0, 1)),  # the partial identity: variance 0.002 - 0.002^2
    ],
    ids=str,
)
def test_moments_and_bounds_for_fan_in_500_and_fan_out_400(initializer, expected):
    assert initializer.moments((400, 500), (500, 400)) == pytest.approx(expected, abs=6e-8)


@pytest.mark.parametrize(
    ("initializer", "mean", "std"),
    [
        (init.TruncatedNormal(), 0, 0.8796257),
        (init.TruncatedNormal(0, 1, 0, 100), 0.7978846, 0.6028103),  # sqrt(2/pi), sqrt(1 - 2/pi)
        # p(0) = 0.3989423, p(1) = 0.2419707, P(1) - P(0) = 0.3413447: mean 0.1569716 / 0.3413447,
        # variance 1 - 0.2419707 / 0.3413447 - 0.4598622^2 = 0.0796518
        (init.TruncatedNormal(0, 1, 0, 1), 0.4598622, 0.2822265),
        (init.TruncatedNormal(-4, 3, -4, -1), -2.6204133, 0.8466796),  # the same cut, 3 times as wide and moved to -4
        # p(-1) = 0.2419707, p(3) = 0.0044318, P(3) - P(-1) = 0.8399948: mean 0.2375389 / 0.8399948,
        # variance 1 + (-0.2419707 - 0.0132955) / 0.8399948 - 0.2827861^2 = 0.6161417
        (init.TruncatedNormal(0, 1, -1, 3), 0.2827861, 0.7849470),
        (init.TruncatedNormal(2, 0, 1, 3), 2, 0),
        (init.TruncatedNormal(2, 0, 3, 4), 3, 0),
        (init.TruncatedNormal(0, 1, 2, 2), 2, 0),
    ],
    ids=str,
)
def test_moments_of_a_normal_distribution_after_the_cut(initializer, mean, std):
    assert initializer.moments((), None) == pytest.approx((mean, std, initializer.low, initializer.high), abs=1e-7)


def test_moments_of_a_cut_far_out_in_a_tail():
    """h(a) = a + 1/a - 2/a^3 + 10/a^5 - 74/a^7 ..., the next term being below 1e-10; 1 + a h - h^2 = 1/a^2 - 6/a^4 + 50/a^6."""
    moments = init.TruncatedNormal(0, 1, 30, 40).moments((), None)
    assert moments.mean == pytest.approx(30.033259667, abs=1e-8)
    assert moments.std == pytest.approx(math.sqrt(1 / 900 - 6 / 30**4 + 50 / 30**6), rel=1e-5)
    mirrored = init.TruncatedNormal(0, 1, -40, -30).moments((), None)
    assert (mirrored.mean, mirrored.std) == pytest.approx((-moments.mean, moments.std), rel=1e-12)


def test_a_narrow_cut_is_next_to_uniform():
    """In [-8, -7.99] the density is p(-7.995) exp(7.995 t), so the mean is off the middle by 7.995 0.01^2 / 12."""
    moments = init.TruncatedNormal(0, 1, -8, -7.99).moments((), None)
    assert moments.mean == pytest.approx(-7.995 + 6.6625e-5, abs=1e-8)
    assert moments.std == pytest.approx(0.01 / math.sqrt(12), rel=1e-3)


def test_moments_of_kernels():
    """An orthogonal 8 x 4 matrix at one of nine places: four columns of length 1, so 4 of 8 * 4 * 9 squares."""
    std = 1 / math.sqrt(72)
    assert init.DeltaOrthogonal().moments((8, 4, 3, 3), None) == pytest.approx((0, std, -1, 1))
    assert init.Bilinear().moments((1, 1, 4), None) == pytest.approx((0.5, 0.25, 0.25, 0.75))  # 1/4, 3/4, 3/4, 1/4
    assert init.Dirac().moments((2, 2, 3), None) == pytest.approx((1 / 6, math.sqrt(5) / 6, 0, 1))  # two ones among twelve
    assert init.Identity().moments((0, 3), None) == init.Moments()


@pytest.mark.parametrize(
    "initializer", [init.HeNormal(), init.VarianceScaling(), init.get(lambda shape, rng: rng.normal(shape))], ids=str
)
def test_what_is_not_known_is_none(initializer):
    assert initializer.moments((3,), None) == init.Moments(None, None, None, None)
