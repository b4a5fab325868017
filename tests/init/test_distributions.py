"""Tests the initializers, as objects, against numbers worked out by hand and the laws of probability."""

import math

import numpy as np
import pytest
from initializer_checks import SHAPE, check_moments

import minidl
from minidl import nn
from minidl.nn import init
from minidl.random import Generator

# Of sqrt(2/900), sqrt(2/500), sqrt(1/500), sqrt(2/400) the standard deviations; sqrt(3) times these are the uniform bounds.
INITIALIZERS = [
    (init.XavierUniform(), 0.0471405, 0.08164966),  # bound sqrt(6/900)
    (init.XavierNormal(), 0.0471405, None),
    (init.HeUniform(), 0.0632456, 0.10954451),  # bound sqrt(6/500)
    (init.HeNormal(), 0.0632456, None),
    (init.LecunUniform(), 0.0447214, 0.07745967),  # bound sqrt(3/500)
    (init.LecunNormal(), 0.0447214, None),
    (init.HeUniform(mode="fan_out"), 0.0707107, 0.12247449),  # bound sqrt(6/400)
    (init.HeNormal(mode="fan_out"), 0.0707107, None),
    (init.HeNormal(a=0.2), 0.0620174, None),  # sqrt(2 / (1.04 * 500))
    (init.HeUniform(a=1), 0.0447214, 0.07745967),  # slope 1 is linear: 1/500
    (init.XavierNormal(gain=5 / 3), 0.0785674, None),  # 5/3 sqrt(2/900)
    (init.XavierUniform(gain=0.5), 0.0235702, 0.04082483),
    (init.VarianceScaling(), 0.0447214, None),
    (init.VarianceScaling(2, "fan_in", "normal"), 0.0632456, None),
    (init.VarianceScaling(2, "fan_out", "normal"), 0.0707107, None),
    (init.VarianceScaling(1, "fan_avg", "normal"), 0.0471405, None),
    (init.VarianceScaling(1, "fan_geo_avg", "normal"), 0.0472871, None),  # sqrt(500 * 400) = 447.2136
    (init.VarianceScaling(1, "fan_geo_avg", "uniform"), 0.0472871, 0.08190366),
    (init.VarianceScaling(2, "fan_in", "uniform"), 0.0632456, 0.10954451),
    (init.VarianceScaling(2, "fan_out", "uniform"), 0.0707107, 0.12247449),
    (init.VarianceScaling(1, "fan_avg", "uniform"), 0.0471405, 0.08164966),
    (init.VarianceScaling(2, "fan_in", "truncated_normal"), 0.0632456, 0.14380107),  # bound 2 * 0.0632456 / 0.879626
    (init.VarianceScaling(1, "fan_avg", "truncated_normal"), 0.0471405, 0.10718299),  # bound 2 * 0.0471405 / 0.879626
    (init.Uniform(-0.1, 0.1), 0.0577350, 0.1),  # 0.2 / sqrt(12)
    (init.Normal(std=0.01), 0.01, None),
    (init.TruncatedNormal(), 0.879626, 2),  # sqrt(1 - 4 * 0.0539910 / 0.9544997)
    (init.TruncatedNormal(0, 0.5, -1, 1), 0.439813, 1),  # the same cut at two standard deviations
    (init.Fixup(1), 0.0632456, None),  # He's: sqrt(2 / 500)
    (init.Fixup(16), 0.0158114, None),  # times 16^(-1/2)
    (init.Fixup(16, layers=3), 0.0316228, None),  # times 16^(-1/4)
    (init.MuPOutput(), 0.002, None),  # 1 / 500
    (init.MuPOutput(gain=3.0), 0.006, None),
]


@pytest.mark.parametrize(
    ("initializer", "std", "bound"), INITIALIZERS, ids=lambda value: str(value) if isinstance(value, init.Initializer) else ""
)
def test_an_initializer_has_mean_0_and_the_standard_deviation_worked_out_by_hand(initializer, std, bound):
    values = initializer(SHAPE, rng=1)
    assert values.shape == SHAPE
    assert values.dtype == np.float32
    check_moments(values, std, bound)


@pytest.mark.parametrize(
    ("initializer", "mean", "std", "bound"),
    [
        (init.Uniform(), 0.5, 0.288675, 0.5),  # 1 / sqrt(12)
        (init.Normal(3, 0.5), 3, 0.5, None),
        (init.TruncatedNormal(3, 0.5, 2, 4), 3, 0.439813, 1),
        (init.TruncatedNormal(0, 1, 0, 100), 0.797885, 0.602810, None),  # a half-normal: sqrt(2/pi), sqrt(1 - 2/pi)
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_initializer_has_the_mean_that_it_was_given(initializer, mean, std, bound, dtype):
    values = initializer((100_000,), rng=2, dtype=dtype)
    assert values.dtype == dtype
    check_moments(values, std, bound, mean)


def test_a_truncated_normal_stays_between_values_not_numbers_of_standard_deviations():
    values = init.TruncatedNormal(mean=0, std=10, low=-2, high=1)((10_000,), rng=0)
    assert values.min() >= -2
    assert values.max() <= 1
    assert values.std() > 0.8  # next to uniform: 3 / sqrt(12) = 0.866


@pytest.mark.parametrize(
    ("initializer", "fan_in", "fan_out", "std"),
    [
        (init.HeNormal(), 500, 400, 0.0632456),
        (init.XavierNormal(), 500, 400, 0.0471405),
        (init.HeNormal(mode="fan_out"), 500, 400, 0.0707107),
        (init.LecunNormal(), 4, 1, 0.5),
    ],
)
def test_fans_that_are_given_go_before_those_of_the_shape(initializer, fan_in, fan_out, std):
    check_moments(initializer((200_000,), rng=3, fan_in=fan_in, fan_out=fan_out), std)
    check_moments(initializer((1000, 200), rng=3, fan_in=fan_in, fan_out=fan_out), std)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((400, 500), (500, 400)),
        ((1, 1), (1, 1)),
        ((8, 3, 5, 5), (75, 200)),  # 3 * 25, 8 * 25
        ((2, 3, 4), (12, 8)),
        ((0, 3), (3, 0)),
        ((7,), None),
        ((), None),
    ],
)
def test_fans_are_read_off_the_shape_as_pytorch_does(shape, expected):
    assert init.fans(shape) == expected


def test_a_convolution_kernel_multiplies_the_fans():
    check_moments(init.HeNormal()((64, 32, 3, 3), rng=4), 0.0833333)  # sqrt(2 / (32 * 9))
    check_moments(init.HeNormal(mode="fan_out")((64, 32, 3, 3), rng=4), 0.0589256)  # sqrt(2 / (64 * 9))
    check_moments(init.XavierUniform()((64, 32, 3, 3), rng=4), 0.0481125, 0.08333333)  # sqrt(2 / 864), sqrt(6 / 864)


@pytest.mark.parametrize(
    ("scaling", "std"),
    [
        (init.VarianceScaling(2), 0.0632456),
        (init.VarianceScaling(2, "fan_out"), 0.0707107),
        (init.VarianceScaling(1, "fan_avg"), 0.0471405),
        (init.VarianceScaling(1, "fan_geo_avg"), 0.0472871),
        (init.VarianceScaling(0), 0),
    ],
)
def test_variance_scaling_says_its_standard_deviation(scaling, std):
    assert scaling.std(fan_in=500, fan_out=400) == pytest.approx(std, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("initializer", "value"), [(init.Zeros(), 0), (init.Ones(), 1), (init.Constant(-2.5), -2.5)])
def test_constant_initializers_are_constant(initializer, value, dtype):
    values = initializer((3, 2), dtype=dtype)
    assert values.tolist() == [[value] * 2] * 3
    assert values.dtype == dtype


@pytest.mark.parametrize(
    "initializer", [init.Uniform(2, 2), init.Normal(2, 0), init.TruncatedNormal(2, 0, 1, 3), init.TruncatedNormal(0, 1, 2, 2)]
)
def test_an_initializer_without_spread_is_constant(initializer):
    assert (initializer((3, 2), rng=0) == 2).all()


@pytest.mark.parametrize("initializer", [init.XavierUniform(), init.HeNormal(), init.TruncatedNormal(), init.Zeros()])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_an_empty_array_can_be_drawn(initializer, shape):
    assert initializer(shape, rng=0).shape == shape


@pytest.mark.parametrize("initializer", [initializer for initializer, _, _ in INITIALIZERS], ids=str)
def test_an_initializer_holds_no_random_state(initializer):
    rng = Generator(0)
    first, second = initializer((3, 2), rng), initializer((3, 2), rng)
    assert not np.isin(first, second).any()
    assert initializer((3, 2), rng=0).tolist() == first.tolist()
    minidl.manual_seed(0)
    assert initializer((3, 2)).tolist() == first.tolist()


def test_initializers_are_values_they_compare_hash_and_never_change():
    assert init.HeNormal(a=0.2) == init.HeNormal(0.2) != init.HeNormal()
    assert len({init.Zeros(), init.Zeros(), init.Constant(1), init.Constant(1)}) == 2
    initializer = init.XavierUniform()
    with pytest.raises(AttributeError):
        initializer.gain = 2
    assert repr(initializer) == "XavierUniform(gain=1.0)"


@pytest.mark.parametrize(
    ("name", "initializer"),
    [
        ("zeros", init.Zeros()),
        ("ones", init.Ones()),
        ("uniform", init.Uniform(0, 1)),
        ("normal", init.Normal(0, 1)),
        ("truncated_normal", init.TruncatedNormal(0, 1, -2, 2)),
        ("xavier_uniform", init.XavierUniform(1)),
        ("glorot_uniform", init.XavierUniform(1)),
        ("xavier_normal", init.XavierNormal(1)),
        ("glorot_normal", init.XavierNormal(1)),
        ("he_uniform", init.HeUniform(0, "fan_in")),
        ("kaiming_uniform", init.HeUniform(0, "fan_in")),
        ("he_normal", init.HeNormal(0, "fan_in")),
        ("kaiming_normal", init.HeNormal(0, "fan_in")),
        ("lecun_uniform", init.LecunUniform()),
        ("lecun_normal", init.LecunNormal()),
    ],
)
def test_every_name_stands_for_its_initializer(name, initializer):
    assert init.get(name) == initializer


def test_glorot_is_xavier_and_kaiming_is_he():
    assert (init.GlorotUniform, init.GlorotNormal) == (init.XavierUniform, init.XavierNormal)
    assert (init.KaimingUniform, init.KaimingNormal) == (init.HeUniform, init.HeNormal)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("he_nromal", "'he_normal'"),
        ("HeNormal", "'he_normal'"),
        ("xavier", "'xavier_uniform' or 'xavier_normal'"),
        ("he", "'he_uniform' or 'he_normal'"),
        ("", "'zeros'"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest_known_ones(name, meant):
    with pytest.raises(ValueError, match=rf"no initializer is called '{name}'; did you mean {meant}\? Known: zeros, ones, "):
        init.get(name)


# Initializers of one's own


class Own(init.Initializer):
    """As a student writes it: attributes set in __init__, and no thought of parameters without fans."""

    def __init__(self, gain, kind="narrow"):
        self.gain, self.kind = gain, kind

    def sample(self, shape, fans, rng, dtype):
        fan_in, _ = fans
        return rng.normal(shape, 0, self.gain / fan_in, dtype)


def test_an_initializer_of_ones_own_may_set_its_parameters_once():
    initializer = Own(3.0)
    assert repr(initializer) == "Own(gain=3.0, kind='narrow')"
    assert initializer == Own(3.0) != Own(3.0, "wide")
    check_moments(nn.Linear(500, 400, weight_init=initializer, rng=0).weight.data, 0.006)  # 3 / 500
    with pytest.raises(AttributeError, match="shared by the layers that took it, so it cannot change"):
        initializer.gain = 2


def test_an_initializer_of_ones_own_that_needs_fans_is_an_error_where_there_are_none():
    with pytest.raises(
        ValueError, match=r"BatchNorm1d weight_init: Own\(.*\) needs fan_in and fan_out, and shape \(3,\) has none"
    ):
        nn.BatchNorm1d(3, weight_init=Own(1.0))


def test_an_initializer_without_sample_and_a_function_without_return_are_errors_that_say_so():
    class Empty(init.Initializer):
        pass

    with pytest.raises(TypeError, match=r"Linear weight_init: Empty needs a method sample\(self, shape, fans, rng, dtype\)"):
        nn.Linear(3, 2, weight_init=Empty())
    with pytest.raises(ValueError, match=r"Linear weight_init: Custom\(.*\) returned None; it must return the array"):
        nn.Linear(3, 2, weight_init=lambda shape, rng: None)


@pytest.mark.parametrize("shape", [3, (3,), [3], np.int64(3)])
def test_a_shape_may_be_a_number_or_a_list(shape):
    assert init.Normal()(shape, rng=0).shape == (3,)


@pytest.mark.parametrize("shape", [(-1, 3), (2.5, 3), None, "ab"])
@pytest.mark.parametrize("initializer", [init.HeNormal(), init.Zeros(), init.Orthogonal()], ids=str)
def test_a_shape_that_cannot_be_is_an_error(initializer, shape):
    with pytest.raises(ValueError, match="a shape consists of non-negative integers, got"):
        initializer(shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: init.VarianceScaling(-1), "VarianceScaling: scale must be at least 0, got -1"),
        (lambda: init.VarianceScaling(math.nan), "VarianceScaling: scale must be a finite number, got nan"),
        (lambda: init.VarianceScaling(math.inf), "VarianceScaling: scale must be a finite number, got inf"),
        (lambda: init.VarianceScaling("2"), "VarianceScaling: scale must be a finite number, got '2'"),
        (lambda: init.VarianceScaling(None), "VarianceScaling: scale must be a finite number, got None"),
        (
            lambda: init.VarianceScaling(mode="fan"),
            "mode must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg', got 'fan'",
        ),
        (lambda: init.VarianceScaling(distribution="cauchy"), "distribution must be one of .*'uniform', got 'cauchy'"),
        (lambda: init.HeNormal(mode="in"), "mode must be one of 'fan_in', 'fan_out'.*, got 'in'"),
        (lambda: init.HeUniform(mode=None), "mode must be .*, got None"),
        (lambda: init.HeNormal(a=math.nan), "HeNormal: a must be a finite number, got nan"),
        (lambda: init.XavierUniform(math.inf), "XavierUniform: gain must be a finite number, got inf"),
        (lambda: init.XavierNormal(math.nan), "XavierNormal: gain must be a finite number, got nan"),
        (lambda: init.XavierNormal(True), "XavierNormal: gain must be a finite number, got True"),
        (lambda: init.XavierNormal(-1), "XavierNormal: gain must be at least 0, got -1"),
        (lambda: init.Uniform(1, 0), r"Uniform\(low=1, high=0\) has low > high"),
        (lambda: init.Uniform(0, math.nan), "Uniform: high must be a finite number, got nan"),
        (lambda: init.Uniform(-math.inf, 0), "Uniform: low must be a finite number, got -inf"),
        (lambda: init.Normal(0, -0.1), "Normal: std must be at least 0, got -0.1"),
        (lambda: init.Normal(math.nan), "Normal: mean must be a finite number, got nan"),
        (lambda: init.Normal(0, math.inf), "Normal: std must be a finite number, got inf"),
        (lambda: init.TruncatedNormal(0, -1), "TruncatedNormal: std must be at least 0, got -1"),
        (lambda: init.TruncatedNormal(low=3, high=2), r"TruncatedNormal\(.*\) has low > high"),
        (lambda: init.TruncatedNormal(low=math.nan), "TruncatedNormal: low must be a finite number, got nan"),
        (lambda: init.Constant(math.nan), "Constant: value must be a finite number, got nan"),
        (lambda: init.Constant("1"), "Constant: value must be a finite number, got '1'"),
        (lambda: init.Normal("0"), "Normal: mean must be a finite number, got '0'"),
        (lambda: init.Fixup(0), "Fixup: branches must be an integer of at least 1, got 0"),
        (lambda: init.Fixup(2.5), "Fixup: branches must be an integer of at least 1, got 2.5"),
        (lambda: init.Fixup(4, layers=1), "Fixup: layers must be an integer of at least 2, got 1"),
        (lambda: init.MuPOutput(-1), "MuPOutput: gain must be at least 0, got -1"),
    ],
)
def test_an_initializer_that_cannot_be_is_an_error_when_it_is_made(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


@pytest.mark.parametrize(
    "initializer",
    [
        *(init.XavierUniform(), init.XavierNormal(), init.HeUniform(), init.HeNormal(), init.LecunNormal()),
        *(init.VarianceScaling(), init.Fixup(2), init.MuPOutput()),
    ],
)
@pytest.mark.parametrize("shape", [(3,), ()])
def test_an_initializer_that_needs_fans_cannot_be_drawn_for_fewer_than_two_axes(initializer, shape):
    with pytest.raises(ValueError, match=rf"^{type(initializer).__name__}\(.*needs fan_in and fan_out.*at least two axes"):
        initializer(shape)


def test_a_truncated_normal_with_nothing_between_its_bounds_is_an_error():
    with pytest.raises(ValueError, match=r"too little .* between low=100.0 and high=101.0"):
        init.TruncatedNormal(0, 1, 100, 101)((3,))


@pytest.mark.parametrize("dtype", [np.float16, int])
def test_initializers_draw_in_float32_and_float64_only(dtype):
    with pytest.raises(TypeError, match="dtype must be float32 or float64, got"):
        init.Normal()((3,), dtype=dtype)


def test_a_fan_that_is_given_alone_counts():
    """std = 1 / sqrt(fan_in) = 0.01 for fan_in 10,000, whatever the shape; 6,000 samples: 4 standard errors are 3.7 %."""
    w = init.LecunNormal()((2000, 3), 0, fan_in=10_000)
    assert w.std() == pytest.approx(0.01, rel=0.037)
    with pytest.raises(ValueError, match="must be non-negative integers, got -3 and 2000"):
        init.LecunNormal()((2000, 3), 0, fan_in=-3)


def test_an_unknown_bias_initializer_is_found_before_a_number_is_drawn():
    rng = Generator(0)
    with pytest.raises(ValueError, match=r"bias_init.*'bogus'"):
        nn.Linear(3, 2, bias_init="bogus", rng=rng)
    assert rng.position == 0


# Residual networks


def second_moment_after(blocks, initializer):
    """E[y^2] of a residual network with two-layer ReLU branches, all by one initializer, over that of its input."""
    x = Generator(0).normal((200, 100))
    rng = Generator(1)
    y = minidl.Tensor(x)
    for _ in range(blocks):
        branch = [
            nn.Linear(100, 100, weight_init=initializer, rng=rng),
            nn.ReLU(),
            nn.Linear(100, 100, weight_init=initializer, rng=rng),
        ]
        y = nn.Residual(nn.Sequential(*branch))(y)
    return (y.data.astype(float) ** 2).mean() / (x**2).mean()


def test_blocks_at_hes_scale_multiply_the_signal_and_at_fixups_they_do_not():
    """A branch of two layers and one ReLU multiplies E[x^2] by 2 at He's scale (no ReLU after its second layer), so a block by
    3, and 8 of them by 6,561. At Fixup's scale for L = 8 it is (1 + 2 / 64)^8 = 1.28. Widths are finite: within a third."""
    assert second_moment_after(8, init.HeNormal()) == pytest.approx(6561, rel=1 / 3)
    assert second_moment_after(8, init.Fixup(8)) == pytest.approx(1.28, rel=0.05)
