"""Tests gains against the published figures for N(0, 1) inputs, closed forms, and the signal in networks that use them."""

import math

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import init, nn
from minidl.random import Generator

FORWARD = {
    "linear": 1,
    "tanh": 1.5925,
    "sigmoid": 1.8462,
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2 / 1.0001),  # slope 0.01
    "gelu": 1.5335,
    "silu": 1.6765,
    "elu": 1.2452,
    "selu": 1,
}


@pytest.mark.parametrize(("name", "expected"), FORWARD.items())
def test_forward_gains_are_the_known_ones(name, expected):
    assert init.gain(name) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("name", "expected"), {"linear": 1, "tanh": 1.4674, "sigmoid": 4.7226, "relu": math.sqrt(2)}.items())
def test_backward_gains_are_the_known_ones(name, expected):
    assert init.gain(name, direction="backward") == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("tanh", [F.tanh, nn.Tanh(), np.tanh, math.tanh, lambda z: z.tanh() if isinstance(z, minidl.Tensor) else np.tanh(z)]),
        ("relu", [F.relu, nn.ReLU(), lambda z: np.maximum(z, 0), lambda z: z if z > 0 else 0]),
        ("sigmoid", [F.sigmoid, nn.Sigmoid(), lambda z: 1 / (1 + np.exp(-z))]),
        ("elu", [F.elu, nn.ELU(), lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0)))]),
        ("silu", [F.silu, nn.SiLU(), lambda z: z / (1 + np.exp(-z))]),
    ],
)
def test_a_name_a_function_a_module_and_numpy_have_one_gain(name, spellings, direction):
    expected = init.gain(name, direction)
    for spelling in spellings:
        assert init.gain(spelling, direction) == pytest.approx(expected, rel=1e-10)


def test_gains_in_closed_form():
    """E sin^2 = (1 - e^-2) / 2, E cos^2 = (1 + e^-2) / 2; E z^4 = 3, E (2 z)^2 = 4; the slope of a cut line is 1 inside."""
    assert init.gain(np.sin) == pytest.approx(math.sqrt(2 / (1 - math.exp(-2))), rel=1e-10)
    assert init.gain(np.sin, "backward") == pytest.approx(math.sqrt(2 / (1 + math.exp(-2))), rel=1e-10)
    assert init.gain(lambda z: z * z) == pytest.approx(3**-0.5, rel=1e-10)
    assert init.gain(lambda z: z * z, "backward") == pytest.approx(0.5, rel=1e-10)
    assert init.gain(lambda z: np.clip(z, -1, 1), "backward") == pytest.approx(math.erf(0.5**0.5) ** -0.5, rel=1e-10)
    assert init.gain(nn.LeakyReLU(0.2)) == pytest.approx(math.sqrt(2 / 1.04), rel=1e-10)


def test_the_slope_of_a_minidl_function_is_its_gradient_and_not_found_from_values():
    """relu(z - 0.3) has the slope 1 with probability P(Z > 0.3) = 0.3820886. No panel ends at its kink: there a polynomial
    through the values is ten times farther off."""
    assert init.gain(lambda z: F.relu(z - 0.3), "backward") == pytest.approx(0.3820886**-0.5, rel=2e-4)


def test_weights_with_the_forward_gain_keep_the_second_moment_and_calculate_gain_for_tanh_does_not():
    """With 5/3, E[z^2] of a tanh network settles where q = 25/9 E[tanh(sqrt(q) z)^2], at 1.178. 1,000 units wide, 30 layers."""

    def settled(gain):
        rng = Generator(0)
        x = rng.normal((100, 1000))
        for _ in range(30):
            z = F.linear(x, init.VarianceScaling(gain**2)((1000, 1000), rng)).data
            x = np.tanh(z)
        return (z.astype(np.float64) ** 2).mean()

    assert settled(init.gain("tanh")) == pytest.approx(1, abs=0.05)
    assert settled(init.calculate_gain("tanh")) == pytest.approx(1.178, abs=0.05)


@pytest.mark.parametrize(
    ("activation", "error", "message"),
    [
        ("swish", ValueError, "activation must be one of 'linear', 'tanh', .*, got 'swish'"),
        (nn.Tanh, TypeError, r"write Tanh\(\), not Tanh"),
        (3, TypeError, "got 3"),
        (None, TypeError, "got None"),
        (nn.Softmax(), ValueError, r"gain: Softmax\(\) is not elementwise"),
        (np.sum, ValueError, "gain: sum is not elementwise"),
        (np.sign, ValueError, "no weights can make up for sign, for its derivative is 0 everywhere"),
        (lambda z: 0 * z, ValueError, "is 0 everywhere"),
        (lambda z: z / 0 * z, ValueError, "NaN or infinite"),
    ],
)
def test_what_has_no_gain_is_an_error(activation, error, message):
    with np.errstate(all="ignore"), pytest.raises(error, match=message):
        init.gain(activation, "backward")


def test_an_unknown_direction_is_an_error():
    with pytest.raises(ValueError, match="direction must be one of 'forward', 'backward', got 'sideways'"):
        init.gain("tanh", "sideways")
