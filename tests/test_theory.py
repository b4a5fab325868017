"""Tests the theory of signals against published values, closed forms, a plain sum over a fine grid, and simulated networks."""

import math
from itertools import pairwise

import numpy as np
import pytest

from minidl import functional as F
from minidl import nn, no_grad, theory
from minidl.random import Generator

POINTS = np.linspace(-12, 12, 24001)
DENSITY = np.exp(-(POINTS**2) / 2) / math.sqrt(2 * math.pi) * (POINTS[1] - POINTS[0])


def grid(values):
    """E[g(z)] by a plain sum: for smooth g the error is far below 1e-9."""
    return float(values @ DENSITY)


def identity(x):
    return x * 1.0


# One layer


@pytest.mark.parametrize("q", [1e-3, 1.0, 7.0])
def test_variance_map_of_relu_leaky_relu_and_the_identity_has_a_closed_form(q):
    assert theory.variance_map(F.relu, q, 1.3, 0.5) == pytest.approx(1.69 * q / 2 + 0.25, rel=1e-9)
    assert theory.variance_map(nn.LeakyReLU(0.2), q, 1.0) == pytest.approx(q * 1.04 / 2, rel=1e-9)
    assert theory.variance_map(identity, q, 1.5) == pytest.approx(2.25 * q, rel=1e-9)  # Saxe 2013: a linear network


@pytest.mark.parametrize("q", [0.01, 1.0, 30.0])
def test_maps_of_tanh_agree_with_a_sum_over_a_grid(q):
    t = np.tanh(math.sqrt(q) * POINTS)
    assert theory.variance_map(F.tanh, q, 1.2, 0.3) == pytest.approx(1.44 * grid(t**2) + 0.09, rel=1e-7)
    assert theory.backward_factor(F.tanh, q, 1.2) == pytest.approx(1.44 * grid((1 - t**2) ** 2), rel=1e-7)


def test_a_signal_far_larger_than_the_activation_is_wide():
    # tanh of N(0, 10^6) is a sign, but for |x| < 1: E[1 - tanh^2] is about 2 p(0) / 1000, p(0) = 0.398942.
    assert 1 - theory.variance_map(F.tanh, 1e6, 1.0) == pytest.approx(2 * 0.398942 / 1000, rel=1e-4)


@pytest.mark.parametrize("c", [-1.0, -0.9, -0.5, 0.0, 0.3, 0.9, 0.99, 0.9999, 1.0])
def test_relu_and_its_slope_are_the_arc_cosine_kernels(c):
    # Cho and Saul, "Kernel methods for deep learning", NIPS 2009, equations 6 and 5, for sigma_w^2 = 2.
    angle = math.acos(c)
    exact = (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / math.pi
    assert theory.correlation_map(F.relu, c, 1.0, math.sqrt(2)) == pytest.approx(exact, abs=1e-9)
    assert theory.backward_factor(F.relu, 3.0, math.sqrt(2), c) == pytest.approx((math.pi - angle) / math.pi, abs=1e-9)


@pytest.mark.parametrize("c", [0.5, 0.99, 0.9999])
def test_a_kink_of_any_size_is_exact_near_c_of_1(c):
    # f = 0.6 u + 0.4 |u|, and E[|u_a| |u_b|] = 2 / pi (sin t + (pi / 2 - t) cos t) with cos t = c; f' = 0.6 +- 0.4.
    angle = math.acos(c)
    second = 0.36 * c + 0.16 * 2 / math.pi * (math.sin(angle) + (math.pi / 2 - angle) * c)
    assert theory.correlation_map(nn.LeakyReLU(0.2), c, 1.0, 1.0) == pytest.approx(second, rel=1e-8)
    slopes = 0.36 + 0.16 * (1 - 2 * angle / math.pi)
    assert theory.backward_factor(nn.LeakyReLU(0.2), 1.0, 1.0, c) == pytest.approx(slopes, rel=1e-8)


@pytest.mark.parametrize(
    ("f", "q", "c", "values", "slopes", "error"),
    [
        (F.elu, 2.0, 0.9, 1.0765366599415258, 0.6092205263400863, 1e-6),
        (F.elu, 2.0, 0.99, 1.1875836360629186, 0.6254154959147882, 2e-5),
        (F.elu, 2.0, 0.999, 1.198859114328012, 0.6274516317511658, 2e-5),
        (F.selu, 1.0, 0.9, 0.8952593090961016, 1.0353807343437793, 1e-6),
        (F.selu, 1.0, 0.99, 0.9893602184730135, 1.0601487836694388, 1e-5),
        (F.selu, 1.0, 0.999, 0.9989308102315125, 1.0679922726256503, 1e-5),
        # Here the kinks are not at 0.
        (lambda x: x.clip(-1, 1), 1.0, 0.9, 0.4535453567748826, 0.5963599497277653, 2e-4),
        (lambda x: x.clip(-1, 1), 1.0, 0.99, 0.509413679092198, 0.6553860539701617, 5e-3),
        (lambda x: x.clip(-1, 1), 1.0, 0.999, 0.5153816175469449, 0.674055376144713, 5e-3),
    ],
)
def test_pairs_of_kinked_activations_agree_with_double_integrals(f, q, c, values, slopes, error):
    """E[f(u_a) f(u_b)] and E[f'(u_a) f'(u_b)] by two nested Gauss-Legendre rules in NumPy, cut at the kinks of both factors."""
    assert theory.correlation_map(f, c, q, 1.0) * q == pytest.approx(values, rel=error)
    assert theory.backward_factor(f, q, 1.0, c) == pytest.approx(slopes, rel=error)


def test_where_a_signal_vanishes_a_kink_counts_with_the_mean_of_its_two_sides():
    selu_sides = 1.0507009873554805**2, (1.0507009873554805 * 1.6732632423543772) ** 2
    for f, sides in ((F.relu, (1, 0)), (nn.LeakyReLU(0.2), (1, 0.04)), (F.abs, (1, 1)), (F.selu, selu_sides)):
        assert theory.backward_factor(f, 0.0, 1.3) == pytest.approx(1.69 * sum(sides) / 2, rel=1e-12)
    # Of |u|, f'(u_a) f'(u_b) is a product of signs: 2 / pi asin(c).
    assert theory.backward_factor(F.abs, 0.0, 1.0, 0.5) == pytest.approx(1 / 3, rel=1e-6)
    assert theory.correlation_map(F.tanh, 0.5, 0.0, 1.1) == pytest.approx(1.21 * 0.5, rel=1e-12)
    assert theory.variance_map(F.sigmoid, 0.0, 2.0) == pytest.approx(1)


@pytest.mark.parametrize(("f", "sigma_b"), [(F.tanh, 0.1), (F.sigmoid, 0.0)])
def test_a_correlation_at_a_moment_of_0_where_0_is_not_a_fixed_point_is_an_error(f, sigma_b):
    with pytest.raises(ValueError, match="q = 0 is not a fixed point, for it leads to 0"):
        theory.correlation_map(f, 0.5, 0.0, 1.0, sigma_b)


@pytest.mark.parametrize("wrong", [-1.1, 1.0001, math.nan, "1"])
def test_a_correlation_that_cannot_be_is_an_error(wrong):
    with pytest.raises(ValueError, match="c must be a correlation from -1 to 1, got"):
        theory.correlation_map(F.tanh, wrong, 1.0, 1.0)
    with pytest.raises(ValueError, match="c must be a correlation from -1 to 1, got"):
        theory.backward_factor(F.tanh, 1.0, 1.0, wrong)


def test_backward_factor_of_a_pair_is_the_slope_of_the_correlation_map():
    for c in (0.1, 0.6, 0.9):
        low, high = (theory.correlation_map(F.tanh, c + d, 0.8, 1.4) for d in (-1e-5, 1e-5))
        assert theory.backward_factor(F.tanh, 0.8, 1.4, c) == pytest.approx((high - low) / 2e-5, rel=1e-4)


def test_selu_keeps_mean_0_and_variance_1():
    # Klambauer et al. 2017, section 2: (0, 1) is the fixed point for weights of variance 1 / n; and an attracting one.
    assert theory.variance_map(F.selu, 1.0, 1.0) == pytest.approx(1, abs=1e-9)
    assert theory.fixed_point(F.selu, 1.0) == pytest.approx(1, abs=1e-9)
    assert theory.variance_map(F.selu, 1.2, 1.0) < 1.2
    assert theory.variance_map(F.selu, 0.8, 1.0) > 0.8


# Fixed points and the critical line


def test_the_critical_point_of_tanh_is_the_published_one():
    # Poole 2016 and Schoenholz 2017: sigma_b^2 = 0.05 goes with sigma_w^2 = 1.76.
    sigma_w = theory.critical_sigma_w(F.tanh, math.sqrt(0.05))
    assert sigma_w**2 == pytest.approx(1.761, abs=5e-4)
    assert theory.fixed_point(F.tanh, sigma_w, math.sqrt(0.05)) == pytest.approx(0.570, abs=5e-4)
    assert theory.backward_factor(F.tanh, 0.5699, sigma_w) == pytest.approx(1, abs=1e-3)


def test_without_biases_tanh_is_critical_at_1_and_relu_at_the_root_of_2():
    assert theory.critical_sigma_w(F.tanh) == pytest.approx(1, abs=1e-6)
    assert theory.critical_sigma_w(F.relu) == pytest.approx(math.sqrt(2), abs=1e-6)


def test_relu_with_biases_is_never_critical():
    with pytest.raises(ValueError, match=r"no sigma_w is critical .* sigma_b=0\.2"):
        theory.critical_sigma_w(F.relu, 0.2)


@pytest.mark.parametrize("f", [F.silu, F.gelu])
def test_a_fixed_point_that_signals_leave_is_not_critical(f):
    # f(u) = u / 2 + a u^2 + ... with a > 0: for sigma_w = 2, which has chi_1 = 1 at q = 0, q' > q, so it grows for ever.
    with pytest.raises(ValueError, match=r"only with sigma_w=2 at q=0, which is not stable: .* goes to inf"):
        theory.critical_sigma_w(f)
    # With a bias the point where chi_1 = 1 is a threshold: below it signals settle where chi_1 < 1, above they explode.
    with pytest.raises(ValueError, match=r"which is not stable: from q = 1 the signal goes to 0\.36"):
        theory.critical_sigma_w(f, 0.3)


@pytest.mark.parametrize("f", [F.tanh, F.sigmoid, F.relu, F.elu, F.selu, F.gelu, F.silu, F.abs, lambda x: x.clip(-1, 1)])
@pytest.mark.parametrize("sigma_b", [0.0, 0.05, 0.3, 1.0])
def test_what_is_critical_has_its_fixed_point_where_signals_lead(f, sigma_b):
    try:
        sigma_w = theory.critical_sigma_w(f, sigma_b)
    except ValueError:
        assert f in (F.relu, F.abs, F.gelu, F.silu)  # those with a sigma_b, these with a small one
        return
    q = 1.0
    for _ in range(200):
        q = theory.variance_map(f, q, sigma_w, sigma_b)
    assert theory.backward_factor(f, q, sigma_w) == pytest.approx(1, abs=2e-2)  # near 0 it gets there like 1 / layers


def test_a_signal_vanishes_stays_or_explodes():
    assert theory.fixed_point(F.tanh, 0.99) == 0
    assert theory.fixed_point(F.relu, 1.5) == math.inf
    assert theory.fixed_point(F.relu, math.sqrt(2)) == 1  # every q is a fixed point; it starts from 1
    # ReLU: q = sigma_b^2 / (1 - sigma_w^2 / 2) = 0.1 / 0.5
    assert theory.fixed_point(F.relu, 1.0, math.sqrt(0.1)) == pytest.approx(0.2, rel=1e-9)
    assert theory.fixed_point(F.relu, 1.0, 3.0) == pytest.approx(18, rel=1e-9)


@pytest.mark.parametrize(("sigma_w", "sigma_b"), [(1.2, 0.3), (2.0, 0.3), (1.5, 0.0)])
def test_depth_scale_is_how_fast_the_correlation_of_two_inputs_settles(sigma_w, sigma_b):
    q = theory.fixed_point(F.tanh, sigma_w, sigma_b)
    start = 0.9 if sigma_b else 0.01
    course = [start]
    for _ in range(300):
        course.append(theory.correlation_map(F.tanh, course[-1], q, sigma_w, sigma_b))
    steps = [abs(b - a) for a, b in pairwise(course)]
    if sigma_b == 0:  # c* = 0 and the map is odd: c falls by the slope there, as long as it is small
        assert theory.depth_scale(F.tanh, sigma_w, 0.0) == pytest.approx(-1 / math.log(course[1] / course[0]), rel=1e-3)
    else:
        settled = next(i for i, step in enumerate(steps) if step < 1e-5)
        rate = steps[settled] / steps[settled - 1]
        assert theory.depth_scale(F.tanh, sigma_w, sigma_b) == pytest.approx(-1 / math.log(rate), rel=2e-2)


def test_depth_scale_is_infinite_on_the_critical_line_only():
    sigma_w = theory.critical_sigma_w(F.tanh, 0.2)
    assert theory.depth_scale(F.tanh, sigma_w, 0.2) > 1e4
    assert theory.depth_scale(F.relu, math.sqrt(2)) == math.inf
    assert theory.depth_scale(F.tanh, 0.9) == pytest.approx(-1 / math.log(0.81), rel=1e-9)
    with pytest.raises(ValueError, match="grows without bound"):
        theory.depth_scale(F.relu, 1.6)


@pytest.mark.parametrize(
    ("f", "sigma_w", "chi"),
    # sigma_w^2 times the mean of the squares of the two slopes at 0.
    [(F.relu, 1.4, 0.98), (nn.LeakyReLU(0.2), 1.3, 1.69 * 0.52), (F.abs, 0.9, 0.81), (F.selu, 0.69, 0.998592578)],
)
def test_depth_scale_of_a_kinked_activation_whose_signal_vanishes(f, sigma_w, chi):
    assert theory.depth_scale(f, sigma_w) == pytest.approx(-1 / math.log(chi), rel=1e-4)


def test_depth_scale_just_above_the_critical_point_is_long_and_never_negative():
    critical = math.sqrt(2 / (1.0507009873554805**2 * (1 + 1.6732632423543772**2)))  # of SELU
    for above in (1e-12, 1e-8, 1e-6, 1e-4):
        assert theory.depth_scale(F.selu, critical * (1 + above)) > 1e3


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf, "1"])
def test_a_scale_that_cannot_be_is_an_error_that_names_it(wrong):
    with pytest.raises(ValueError, match=r"sigma_w must be a finite number of at least 0, got"):
        theory.variance_map(F.tanh, 1.0, wrong)


@pytest.mark.parametrize("wrong", [np.tanh, lambda x: F.sum(x), lambda x: 3.0])
def test_what_is_not_an_activation_is_an_error(wrong):
    with pytest.raises(TypeError):
        theory.variance_map(wrong, 1.0, 1.0)


# Networks


def test_input_signal_of_a_batch_worked_out_by_hand():
    # Rows (1, 0), (0, 2): squares 1 + 4 of 4 elements; their product is 0.
    assert theory.input_signal(np.array([[1.0, 0.0], [0.0, 2.0]])) == theory.Signal(2, 0.75, 1.25)
    # Rows (1, 2), (3, -1): two make one pair, whose product is 1, over 2 units 1/2.
    assert theory.input_signal(np.array([[1.0, 2.0], [3.0, -1.0]])) == theory.Signal(2, 1.25, 3.75, 0.5)
    # One input makes none, and inputs of 0 have no direction.
    assert theory.input_signal(np.array([[3.0, 4.0]])) == theory.Signal(2, 3.5, 12.5)
    assert theory.input_signal(np.zeros((3, 2))) == theory.Signal(2, 0.0, 0.0)
    # Rows (1, 1), (1, 1), (1, -1): products 2, 0, 0, over 2 units 1, 0, 0: mean 1/3, variance 1/3 - 1/9.
    signal = theory.input_signal(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]))
    assert signal.pair == pytest.approx(1 / 3)
    assert signal.scatter == pytest.approx(2 / 9)


def test_input_signal_does_not_depend_on_which_of_batch_and_width_is_larger():
    x = Generator(0).normal((30, 20), dtype=np.float64)
    by_hand = [(x[i] @ x[j]) / 20 for i in range(30) for j in range(30) if i != j]
    signal = theory.input_signal(x)
    assert signal.pair == pytest.approx(np.mean(by_hand))
    assert signal.scatter == pytest.approx(np.var(by_hand) / np.mean(x**2) ** 2)
    wide = theory.input_signal(x[:10])
    assert wide.pair == pytest.approx(np.mean([(x[i] @ x[j]) / 20 for i in range(10) for j in range(10) if i != j]))


def chain(*layers, signal, **options):
    return theory.propagate(layers, range(-1, len(layers) - 1), signal, **options)


def test_the_spread_of_relu_for_one_input_is_5_over_n_a_layer():
    # Hanin and Rolnick 2018, theorem 5: each hidden layer adds 5 / n to the variance of log q; the last one's own units 2 / n.
    layers = [m for _ in range(4) for m in (nn.Linear(100, 100, weight_init="he_normal", rng=0), nn.ReLU())]
    predictions = chain(*layers, nn.Linear(100, 100, weight_init="he_normal", rng=1), signal=theory.Signal(100, 0.0, 1.0))
    assert predictions[-1].std_spread == pytest.approx(0.5 * math.sqrt(4 * 0.05 + 0.02), rel=1e-6)
    assert predictions[0].std_spread == pytest.approx(0.5 * math.sqrt(0.02), rel=1e-6)


LINEAR_60 = [0.0913, 0.1291, 0.1581, 0.1826, 0.2041, 0.2236, 0.2415, 0.2582, 0.2739, 0.2887]  # sqrt(2 / 60 l) / 2


def linear_60():
    return [nn.Linear(60, 60, weight_init="lecun_normal", rng=0) for _ in range(10)]


def test_linear_layers_without_an_activation_add_2_over_n_each_both_ways():
    predictions = chain(*linear_60(), signal=theory.Signal(60, 0.0, 1.0))
    assert [p.std_spread for p in predictions] == pytest.approx(LINEAR_60, abs=5e-5)
    assert [p.grad_spread for p in predictions[::-1]] == pytest.approx([0, *LINEAR_60[:9]], abs=5e-5)


def test_in_a_funnel_each_width_counts_where_it_is():
    """Linear layers add 2 / n to the variance of the logarithm for the width n of what they make, forward their outputs and
    backward their inputs, for n normal numbers are random there; with a ReLU it is 5 / n (Hanin and Rolnick 2018)."""

    def layers(*between):
        linear = [nn.Linear(*widths, weight_init="lecun_normal", rng=0) for widths in pairwise((100, 20, 50, 30))]
        return linear[0], *between, linear[1], *between, linear[2]

    def spreads(*variances):
        return [math.sqrt(v) / 2 for v in variances]

    first, second, last = chain(*layers(), signal=theory.Signal(100, 0.0, 1.0))
    assert [p.std_spread for p in (first, second, last)] == pytest.approx(spreads(2 / 20, 2 / 20 + 2 / 50, 0.14 + 2 / 30))
    assert [p.grad_spread for p in (first, second, last)] == pytest.approx(spreads(2 / 50 + 2 / 20, 2 / 50, 0))
    # Backward the square of the gradient is multiplied by fan_out / fan_in.
    assert [p.grad_ratio**2 for p in (first, second, last)] == pytest.approx([30 / 50 * 50 / 20, 30 / 50, 1])

    linears = [first, second, last] = chain(*layers(nn.ReLU()), signal=theory.Signal(100, 0.0, 1.0))[::2]
    assert [p.std_spread for p in linears] == pytest.approx(spreads(2 / 20, 5 / 20 + 2 / 50, 5 / 20 + 5 / 50 + 2 / 30))
    assert [p.grad_spread for p in linears] == pytest.approx(spreads(5 / 50 + 5 / 20, 5 / 50, 0))


def test_layers_that_pass_units_on_add_nothing_to_the_spread():
    signal = theory.Signal(60, 0.0, 1.0)
    norm = nn.BatchNorm1d(60).eval()
    norm.running_var[...] = 1 - norm.eps
    layers = [m for linear in linear_60() for m in (linear, nn.Flatten(), nn.Dropout(0.5).eval(), nn.Dropout(0.0), norm)]
    predictions = chain(*layers, signal=signal)
    for k in range(5):
        assert [p.std_spread for p in predictions[k::5]] == pytest.approx(LINEAR_60, abs=5e-5)
        assert [p.std for p in predictions[k::5]] == pytest.approx([1.0] * 10)
    assert [p.grad_spread for p in predictions[::-5]] == pytest.approx([0, *LINEAR_60[:9]], abs=5e-5)


def test_the_spread_of_one_layer_and_its_activation_worked_out_by_hand():
    """With n = 100 units the variance of the logarithm of the std is (E[g^2] / E[g]^2 - 1) / (4 n), g = (f - E f)^2."""

    def spread(f, width=100):
        g = (f(POINTS) - grid(f(POINTS))) ** 2
        return math.sqrt((grid(g**2) / grid(g) ** 2 - 1) / (4 * width))

    numpy = {nn.Tanh: np.tanh, nn.ReLU: lambda z: np.maximum(z, 0), nn.Sigmoid: lambda z: 1 / (1 + np.exp(-z))}
    for activation, f in numpy.items():
        layers = nn.Linear(100, 100, weight_init="lecun_normal", rng=0), activation()
        predictions = chain(*layers, signal=theory.Signal(100, 0.0, 1.0))
        # What comes before, 0, is multiplied by d ln E[g] / d ln q, and the input's own size is given.
        assert predictions[1].std_spread == pytest.approx(spread(f), rel=1e-6)
        assert predictions[0].std_spread == pytest.approx(math.sqrt(2 / 100) / 2)


def test_a_larger_batch_averages_out_what_its_inputs_do_not_share():
    """Inputs at right angles to each other are independent in a linear layer: 2 / n / samples; equal ones share all: 2 / n."""
    plain = nn.Linear(100, 100, weight_init="lecun_normal", rng=0)
    biased = nn.Linear(100, 100, weight_init="lecun_normal", bias_init=3.0, rng=0)  # which moves all outputs alike
    for pair, scatter, variance in ((0.0, 0.0, 0.02 / 8), (1.0, 0.0, 0.02), (0.5, 0.0, 0.02 * (0.25 + 0.75 / 8))):
        signal = theory.Signal(100, 0.0, 1.0, pair, scatter)
        for layer in (plain, biased):
            (prediction,) = chain(layer, signal=signal, samples=8)
            assert prediction.std_spread == pytest.approx(math.sqrt(variance) / 2, rel=1e-9)


def test_the_spread_of_the_gradient_worked_out_by_hand():
    """The mean of n products g^2 f'^2, g normal and fresh, has the relative variance (3 E[f'^4] / E[f'^2]^2 - 1) / n; if g is
    the gradient that all is compared with, (3 E[f'^4] / E[f'^2]^2 - 3) / n. And n normal numbers have 2 / n."""
    n = 100
    slopes = {nn.ReLU: np.where(POINTS > 0, 1, 0), nn.LeakyReLU: np.where(POINTS > 0, 1, 0.01)}
    slopes[nn.Tanh] = 1 - np.tanh(POINTS) ** 2
    for activation, slope in slopes.items():
        kurtosis = grid(slope**4) / grid(slope**2) ** 2
        linear = nn.Linear(n, n, weight_init="lecun_normal", rng=0)
        inner = chain(linear, activation(), linear, signal=theory.Signal(n, 0.0, 1.0))
        assert inner[1].grad_spread == pytest.approx(math.sqrt(2 / n) / 2)
        assert inner[0].grad_spread == pytest.approx(math.sqrt((3 * kurtosis - 1) / n) / 2, rel=1e-3)
        last = chain(linear, linear, activation(), signal=theory.Signal(n, 0.0, 1.0))
        assert last[2].grad_spread == 0
        if activation is not nn.Tanh:  # its slopes follow the size of the signal, which has a spread of its own
            assert last[1].grad_spread == pytest.approx(math.sqrt((3 * kurtosis - 3) / n) / 2, rel=1e-3)
            assert last[0].grad_spread == pytest.approx(math.sqrt((3 * kurtosis - 3 + 2) / n) / 2, rel=1e-3)


def test_batch_norm_with_relu_multiplies_the_gradient_by_pi_over_pi_minus_1_a_layer():
    # Yang et al. 2019, section 4: the explosion rate of the squared gradient, for large batches.
    block = [nn.Linear(64, 64, weight_init="he_normal", rng=0), nn.BatchNorm1d(64, eps=0), nn.ReLU()]
    predictions = chain(*(block * 10), signal=theory.Signal(64, 0.0, 1.0))
    ratios = [a.grad_ratio / b.grad_ratio for a, b in zip(predictions[3:12:3], predictions[6:15:3], strict=True)]
    assert [r**2 for r in ratios] == pytest.approx([math.pi / (math.pi - 1)] * 3, rel=1e-6)


def test_predictions_follow_the_initializer_and_where_it_no_longer_holds_the_weights():
    layer = nn.Linear(50, 40, weight_init="he_normal", rng=0)
    assert chain(layer, signal=theory.Signal(50, 0.0, 3.0))[0].std == pytest.approx(math.sqrt(2 * 3))
    layer.weight.data *= 0.1
    assert chain(layer, signal=theory.Signal(50, 0.0, 3.0))[0].std == pytest.approx(
        math.sqrt(50 * 3) * np.std(layer.weight.data, dtype=np.float64), rel=1e-6
    )


def test_biases_count():
    layer = nn.Linear(100, 100, weight_init="lecun_normal", bias_init=nn.init.Normal(0.5, 2.0), rng=0)
    linear, relu = chain(layer, nn.ReLU(), signal=theory.Signal(100, 0.0, 3.0))
    assert linear.std == pytest.approx(math.sqrt(3 + 4))
    u = 0.5 + math.sqrt(7) * POINTS
    positive = np.maximum(u, 0)
    assert relu.std == pytest.approx(math.sqrt(grid(positive**2) - grid(positive) ** 2), rel=1e-6)


def test_a_bias_takes_its_part_of_the_spread_away():
    # q = 1 becomes q + 1 by biases of variance 1: of a relative deviation of q half is left, a quarter of its variance.
    layer = nn.Linear(100, 100, weight_init="lecun_normal", bias_init=nn.init.Normal(0.0, 1.0), rng=0)
    (prediction,) = chain(layer, signal=theory.Signal(100, 0.0, 1.0, one=0.04))
    assert prediction.std_spread == pytest.approx(math.sqrt(0.04 / 4 + 2 / 100) / 2)


def test_weights_whose_mean_is_small_or_chance_still_cancel_out():
    # Of 100 x 2000 weights a mean of 0.009 std is no chance, but adds only 100 * 0.009^2 = 0.8 % to the square.
    layer = nn.Linear(100, 2000, weight_init=nn.init.Normal(0.0009, 0.1), rng=0)
    (prediction,) = chain(layer, signal=theory.Signal(100, 0.0, 1.0))
    assert prediction.std == pytest.approx(1)
    # Of 16 weights the mean of 16 numbers of N(0, 1) has the standard deviation 1/4: 1/2 is chance.
    given = np.tile(np.float32([1.5, -0.5]), (2, 4))
    (prediction,) = chain(nn.Linear(8, 2, weight_init=given), signal=theory.Signal(8, 0.0, 1.0))
    assert prediction.std == pytest.approx(math.sqrt(8))


def test_without_a_gradient_the_way_back_is_that_of_one_input():
    predictions = chain(*linear_60(), signal=theory.Signal(60, 0.0, 1.0), samples=8)
    assert [p.grad_spread for p in predictions[::-1]] == pytest.approx([0, *LINEAR_60[:9]], abs=5e-5)


def test_dropout_and_batch_norm_pass_on_how_pairs_scatter():
    """In a linear layer behind, of n = 100 units, 8 inputs leave 2 / n (shared + (1 - shared) / 8), where shared is the mean
    square of a pair's cosine: its mean squared, and its scatter."""

    def spread(shared):
        return math.sqrt(0.02 * (shared + (1 - shared) / 8)) / 2

    linear = nn.Linear(100, 100, weight_init="lecun_normal", rng=0)
    # Dropout of half doubles the squares and leaves the products of two inputs as they are, so their cosine is halved.
    _, behind = chain(nn.Dropout(0.5), linear, signal=theory.Signal(100, 0.0, 1.0, pair=0.6, scatter=0.4), samples=8)
    assert behind.std_spread == pytest.approx(spread(0.3**2 + 0.4 / 4))
    # A batch norm of units that have mean 0 and variance 4 over the batch changes no cosine.
    norm = nn.BatchNorm1d(100)
    _, behind = chain(norm, linear, signal=theory.Signal(100, 0.0, 4.0, scatter=0.4), samples=8)
    assert behind.std_spread == pytest.approx(spread(0.4), rel=1e-5)


def test_batch_norm_sends_back_more_than_its_mean_variance_says():
    # Inputs that fill 50 directions evenly have a mean square cosine of 1/50, and the variance v of a unit over them is that of
    # a chi^2 of 50: 2/50 relative to its square. So E[1/v] E[v] is 1 + 2/50, to first order, and this counts as a deviation.
    layers = nn.Linear(100, 100, weight_init="lecun_normal", rng=0), nn.BatchNorm1d(100), nn.Linear(100, 100, rng=0)
    first, norm, _ = chain(*layers, signal=theory.Signal(100, 0.0, 1.0, scatter=1 / 50))
    assert norm.grad_spread == pytest.approx(math.sqrt(0.02) / 2)
    assert first.grad_spread == pytest.approx(math.sqrt(0.04**2 + 0.02) / 2, rel=1e-6)


def test_dropout_divides_what_is_left_by_its_share():
    train, evaluate = nn.Dropout(0.75), nn.Dropout(0.75).eval()
    assert chain(train, signal=theory.Signal(10, 0.0, 1.0))[0].std == 2
    assert chain(evaluate, signal=theory.Signal(10, 0.0, 1.0))[0].std == 1


def test_dropout_of_everything_ends_the_prediction_and_flatten_does_not():
    layers = nn.Flatten(), nn.Linear(10, 10, rng=0), nn.Flatten(), nn.Dropout(1.0), nn.ReLU()
    predictions = chain(*layers, signal=theory.Signal(10, 0.0, 4.0))
    assert [p.std is None for p in predictions] == [False, False, False, True, True]
    assert [p.std for p in predictions[:3]] == pytest.approx([2, 2, 2])
    assert [p.std_spread for p in predictions[:3]] == pytest.approx([0, math.sqrt(2 / 10) / 2, math.sqrt(2 / 10) / 2])
    assert [p.grad_ratio for p in predictions] == [None, None, None, None, 1.0]
    through = chain(*layers[:3], nn.Dropout(1.0).eval(), nn.ReLU(), signal=theory.Signal(10, 0.0, 4.0))
    assert through[4].std == pytest.approx(2 * math.sqrt(0.5 - 0.5 / math.pi))
    assert [p.grad_ratio for p in through] == pytest.approx([math.sqrt(0.5)] * 4 + [1.0])


def test_batch_norm_in_evaluation_with_a_small_variance_keeps_its_eps():
    layer = nn.BatchNorm1d(2, eps=0.25).eval()
    layer.running_var[...] = [0.0, 2.0]
    layer.running_mean[...] = [1.0, -2.0]
    # (x - 1) / 0.5 and (x + 2) / 1.5 with E[x] = 0, E[x^2] = 4: second moments 4 (4 + 1) and (4 + 4) / 2.25, means -2 and 4/3.
    (prediction,) = chain(layer, signal=theory.Signal(2, 0.0, 4.0))
    assert prediction.std == pytest.approx(math.sqrt((20 + 8 / 2.25) / 2 - (1 / 3) ** 2))


def test_batch_norm_in_evaluation_changes_pairs_as_it_changes_squares():
    evaluated, trained = nn.BatchNorm1d(4, eps=0).eval(), nn.BatchNorm1d(4, eps=0)
    evaluated.running_var[...], evaluated.running_mean[...] = 4, 3
    evaluated.bias.data[...] = 5  # (x - 3) / 2 + 5
    first, second = chain(evaluated, trained, signal=theory.Signal(4, 1.0, 6.0, 2.0))
    # A unit has the variance 6 - 2 over the batch, then a quarter of it: 1, by whose root the second divides.
    assert first.grad_ratio == pytest.approx(1)
    assert first.std == pytest.approx(math.sqrt((6 - 1) / 4))
    assert second.std == pytest.approx(1)


def test_batch_norm_in_evaluation_uses_its_running_statistics():
    layer = nn.BatchNorm1d(2, eps=0).eval()
    layer.running_var[...] = 4
    layer.weight.data[...] = 3
    assert chain(layer, signal=theory.Signal(2, 0.0, 1.0))[0].std == pytest.approx(1.5)


def test_the_spread_of_the_gradient_over_many_inputs_by_hand():
    # By the arc-cosine kernels (Cho and Saul 2009): of two inputs' values before a ReLU with correlation cos t, both are
    # positive with probability g = (pi - t) / 2 pi, and behind it the correlation of two that had none is 1 / pi. The mean
    # square cosine rho of two inputs' gradients goes to (2 g)^2 rho + 1 / n at each ReLU, which adds ((1 + 2 rho) 4 g - 1) / n,
    # or, as the gradient that comes in there is already one of chance, that much.
    n, rho = 50, 0.6**2
    layers = [layer for _ in range(2) for layer in (nn.Linear(n, n, weight_init="he_normal", rng=0), nn.ReLU())]
    signal, gradient = theory.Signal(n, 0.0, 1.0, pair=0.0), theory.Signal(n, 0.0, 1.0, pair=0.6)
    last = nn.Linear(n, n, weight_init="he_normal", rng=0)
    first = chain(*layers, last, signal=signal, samples=10**9, gradient=gradient)[0]
    g = (math.pi - math.acos(1 / math.pi)) / (2 * math.pi)
    variance = ((1 + 2 * rho) * 4 * g - 1) / n + 2 * ((2 * g) ** 2 * rho + 1 / n) / n  # the second with g = 1/4
    assert first.grad_spread == pytest.approx(math.sqrt(variance) / 2, rel=1e-6)


def test_the_way_back_ends_where_an_output_goes_two_ways():
    layers = nn.Tanh(), nn.Linear(8, 8, rng=0), nn.ReLU(), nn.Sigmoid()
    signal = theory.Signal(8, 0.0, 1.0)
    assert [p.grad_ratio is None for p in theory.propagate(layers, [-1, 0, 1, 2], signal)] == [False] * 4
    assert [p.grad_ratio is None for p in theory.propagate(layers, [-1, 0, 1, 1], signal)] == [True, True, True, False]


class Gain(nn.Module):
    """Says that it sums over the units, but has one weight for each."""

    def __init__(self):
        self.weight = nn.Parameter(np.ones(8, np.float32))

    def propagate(self, signal):
        return signal.linear(self.weight, None)


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(8, 8, weight_init=0.1), nn.Softmax(), Gain(), nn.Linear(9, 8), nn.BatchNorm1d(9), nn.BatchNorm1d(9).eval()],
    ids=lambda layer: f"{layer} in training" if layer.training else f"{layer} in evaluation",
)
def test_where_the_theory_does_not_reach_it_says_nothing(layer):
    before, at, after = chain(nn.Tanh(), layer, nn.Tanh(), signal=theory.Signal(8, 0.0, 1.0))
    assert before.std is not None
    assert at.std is after.std is after.std_spread is None
    assert before.grad_ratio is None  # no way back through it
    assert after.grad_ratio == 1


def test_a_layer_of_zeros_sends_nothing_on_and_nothing_back():
    layers = nn.Linear(8, 8, rng=0), nn.Linear(8, 8, weight_init="zeros"), nn.ReLU()
    first, zeros, relu = chain(*layers, signal=theory.Signal(8, 0.0, 1.0))
    assert zeros.std == relu.std == 0
    assert relu.std_spread == 0  # max(0, 0) is 0 in every network
    assert first.grad_ratio == 0
    assert first.std == pytest.approx(1)


def simulate(activation, scale, depth, width, samples, seed):
    """log std of every layer's output in one random network, in plain NumPy but for the activation; and the input."""
    rng = Generator(seed)
    first = x = rng.normal((samples, width))
    logs = []
    with no_grad():
        for _ in range(depth):
            u = x @ (rng.normal((width, width)) * np.float32(scale / math.sqrt(width))).T
            x = activation(u).data
            logs += [math.log(u.std(dtype=np.float64)), math.log(x.std(dtype=np.float64))]
    return logs, first


def test_deep_linear_networks_are_within_their_spreads():
    depth, width, networks = 12, 40, 60
    layers = [nn.Linear(width, width, bias=False, weight_init="lecun_normal", rng=0) for _ in range(depth)]
    for samples in (1, 30):
        x = Generator(samples).normal((samples, width), dtype=np.float64)
        gradient = Generator(samples + 1).normal((samples, width), dtype=np.float64)
        options = {"signal": theory.input_signal(x), "samples": samples, "gradient": theory.input_signal(gradient)}
        predictions = chain(*layers, **options)
        deviations = []
        for seed in range(networks):
            weights = Generator(100 + seed).normal((depth, width, width), dtype=np.float64) / math.sqrt(width)
            forward, backward = [x], [gradient]
            for weight in weights:
                forward.append(forward[-1] @ weight.T)
            for weight in weights[:0:-1]:
                backward.append(backward[-1] @ weight)
            stds = [math.log(y.std()) for y in forward[1:]]
            ratios = [math.log(np.linalg.norm(dy) / np.linalg.norm(gradient)) for dy in backward[:0:-1]]
            spreads = np.array([p.std_spread for p in predictions] + [p.grad_spread for p in predictions[:-1]])
            logs = np.log([p.std for p in predictions] + [p.grad_ratio for p in predictions[:-1]])
            deviations.append((stds + ratios - logs + spreads**2) / spreads)
        deviations = np.array(deviations)
        assert (np.abs(deviations) > 3).mean() < 0.01
        # Of 60 networks the standard deviation is known to 1 / sqrt(120) = 9 %; four of these, for the least and the largest.
        assert deviations.std(axis=0).min() > 0.64
        assert deviations.std(axis=0).max() < 1.36


CASES = {
    "tanh": (nn.Tanh(), 1.0),
    "sigmoid": (nn.Sigmoid(), 1.0),
    "relu": (nn.ReLU(), math.sqrt(2)),
    "leaky_relu": (nn.LeakyReLU(0.2), math.sqrt(2 / 1.04)),
    "selu": (nn.SELU(), 1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_theory_agrees_with_random_networks_and_knows_how_far_they_stray(name):
    activation, scale = CASES[name]
    depth, width, samples, networks = 12, 64, 40, 40
    initializer = nn.init.Normal(0.0, scale / math.sqrt(width))
    layers = [
        m for _ in range(depth) for m in (nn.Linear(width, width, bias=False, weight_init=initializer, rng=0), activation)
    ]
    deviations, spreads, logs = [], [], []
    for seed in range(networks):
        measured, x = simulate(activation, scale, depth, width, samples, seed)
        predictions = chain(*layers, signal=theory.input_signal(x), samples=samples)
        spread = np.array([p.std_spread for p in predictions])
        deviations.append((measured - np.log([p.std for p in predictions]) + spread**2) / spread)
        spreads.append(spread)
        logs.append(measured)
    deviations = np.array(deviations)
    # In units of the spread: the mean of 40 is within 4 / sqrt(40) = 0.63 of 0, and a bias of order 1 / width is allowed
    # half of a spread. Of the standard deviation, the error is 1 / sqrt(80) = 11 %; four of these and 15 % for the theory,
    # which is of first order.
    assert np.abs(deviations.mean(axis=0)).max() < 0.63 + 0.5
    assert deviations.std(axis=0).max() < 1.6
    assert deviations.std(axis=0).min() > 0.5


def test_the_width_of_an_input_is_what_the_first_layer_that_says_so_takes():
    assert theory.input_width([nn.Flatten(), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 7, rng=0), nn.Linear(7, 3, rng=0)]) == 5
    assert theory.input_width([nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 3, rng=0)]) == 4
    assert theory.input_width([nn.Tanh()]) == 1  # any number will do
