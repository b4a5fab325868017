"""Tests the quadrature against moments and activations whose expectations are known in closed form, and against values
computed with scipy's adaptive quadrature (scipy 1.17.1, quad over panels, tolerance 1e-13)."""

import math

import numpy as np
import pytest

from minidl import functional as F
from minidl.gaussian import derivative, expectation


@pytest.mark.parametrize(("power", "moment"), [(0, 1), (1, 0), (2, 1), (3, 0), (4, 3), (6, 15), (8, 105)])
def test_moments_of_the_standard_normal_law(power, moment):
    assert expectation(lambda z: z**power) == pytest.approx(moment, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("std", [1e-6, 0.01, 0.3, 1, 5, 100, 1e6])
@pytest.mark.parametrize("mean", [-2.5, 0, 0.1, 1000])
def test_mean_and_variance_at_any_place_and_scale(std, mean):
    size = abs(mean) + std
    assert expectation(lambda z: z, std, mean) == pytest.approx(mean, abs=1e-12 * size)
    assert expectation(lambda z: z * z, std, mean) == pytest.approx(mean**2 + std**2, rel=1e-12)


@pytest.mark.parametrize("std", [1e-3, 0.5, 1, 30, 1e4])
def test_kinks_and_jumps_at_0_cost_no_accuracy(std):
    assert expectation(lambda z: np.maximum(z, 0) ** 2, std) == pytest.approx(std**2 / 2, rel=1e-12)
    assert expectation(lambda z: np.maximum(z, 0), std) == pytest.approx(std / math.sqrt(2 * math.pi), rel=1e-12)
    assert expectation(np.abs, std) == pytest.approx(std * math.sqrt(2 / math.pi), rel=1e-12)
    assert expectation(lambda z: z > 0, std) == pytest.approx(0.5, rel=1e-12)


def test_a_shifted_relu_has_the_mean_worked_out_by_hand():
    """E[max(z, 0)] = mean P(mean / std) + std p(mean / std), here with mean = std = 2: 2 * 0.8413447461 + 2 * 0.2419707245."""
    assert expectation(lambda z: np.maximum(z, 0), 2, 2) == pytest.approx(2.1666309412, rel=1e-10)


def test_the_moment_generating_function():
    for t in (0.5, 1, 3):
        assert expectation(lambda z, t=t: np.exp(t * z)) == pytest.approx(math.exp(t * t / 2), rel=1e-12)


def test_a_clipped_line_has_the_second_moment_worked_out_by_hand():
    """E[clip(z, -1, 1)^2] = P(|z| < 1) - 2 p(1) + P(|z| > 1) = 1 - 2 p(1), with p(1) = 0.24197072451914337."""
    assert expectation(lambda z: np.clip(z, -1, 1) ** 2) == pytest.approx(1 - 2 * 0.24197072451914337, rel=1e-12)


@pytest.mark.parametrize(
    ("f", "std", "value"),
    [
        (F.tanh, 0.1, 0.009805468755532407),
        (F.tanh, 1, 0.39429449039784115),
        (F.tanh, 20, 0.9601466983062408),
        (F.sigmoid, 0.1, 0.25062189693581394),
        (F.sigmoid, 1, 0.29337903585809294),
        (F.sigmoid, 20, 0.48013421585762917),
        (F.gelu, 0.1, 0.0025469634945774963),
        (F.gelu, 1, 0.4252214825702986),
        (F.gelu, 20, 199.99065186689108),
        (F.silu, 0.1, 0.0025185952815587474),
        (F.silu, 1, 0.3557755198173522),
        (F.silu, 20, 199.93548845066857),
        (F.elu, 0.1, 0.009282237658402474),
        (F.elu, 1, 0.644945417492924),
        (F.elu, 20, 200.47017210389163),
        (F.selu, 0.1, 0.018755888123241266),
        (F.selu, 1, 0.9999999999999999),
        (F.selu, 20, 222.24777417153803),
        (F.softplus, 0.1, 0.4846883910542888),
        (F.softplus, 1, 0.9212459088593004),
        (F.softplus, 20, 200.04765817529494),
        (F.leaky_relu, 0.1, 0.0050005000000000015),
        (F.leaky_relu, 1, 0.5000500000000001),
        (F.leaky_relu, 20, 200.02000000000004),
    ],
)
def test_activations_agree_with_adaptive_quadrature(f, std, value):
    assert expectation(lambda z: np.asarray(f(z)) ** 2, std) == pytest.approx(value, rel=1e-10)


def test_a_function_may_return_a_tensor():
    assert expectation(F.relu) == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-12)


def test_without_spread_it_is_the_value_at_the_mean():
    assert expectation(np.exp, 0, 2) == math.exp(2)


@pytest.mark.parametrize(("std", "mean"), [(-1, 0), (math.nan, 0), (math.inf, 0), (1, math.nan), (1, math.inf)])
def test_a_distribution_that_cannot_be_is_an_error(std, mean):
    with pytest.raises(ValueError, match=f"got mean={mean} and std={std}"):
        expectation(np.tanh, std, mean)


def test_a_function_that_is_not_elementwise_is_an_error():
    with pytest.raises(ValueError, match=r"f gave shape \(\) for .*must work elementwise"):
        expectation(np.sum)


def test_a_function_that_is_not_finite_is_an_error():
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="f is NaN or infinite, for one at z = -"):
        expectation(np.sqrt)
    with pytest.raises(ValueError, match=r"f is NaN or infinite, for one at z = -\d"):
        expectation(lambda z: np.where(z == z[0], np.inf, 1.0))


@pytest.mark.parametrize("std", [0.01, 1, 50])
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda z: np.sin(z) * np.exp(-z * z), lambda z: (np.cos(z) - 2 * z * np.sin(z)) * np.exp(-z * z)),
        (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
        (lambda z: np.tanh(10 * z), lambda z: 10 - 10 * np.tanh(10 * z) ** 2),
        (lambda z: np.maximum(z, 0), lambda z: z > 0),
        (lambda z: np.clip(z, -1, 1), lambda z: np.abs(z) < 1),
        (lambda z: np.clip(z, 0, 6), lambda z: (z > 0) & (z < 6)),
        (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0)))),
    ],
)
def test_a_derivative_from_values_is_as_good_as_one_worked_out_by_hand(f, slope, std):
    ours = expectation(lambda z: derivative(f)(z) ** 2, std)
    assert ours == pytest.approx(expectation(lambda z: np.asarray(slope(z), float) ** 2, std), rel=1e-10)


def test_a_derivative_without_panels_is_an_error():
    with pytest.raises(ValueError, match="derivative is for expectation with std > 0"):
        expectation(derivative(np.tanh), std=0)
