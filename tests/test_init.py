"""Tests the initializers and torch.nn.init's in-place functions against numbers worked out by hand, the laws of probability,
and the signatures and gains of PyTorch 2.13.

A sampled standard deviation may be off by four standard errors, with the seed fixed. Its relative standard error over n draws
is sqrt((kurtosis - 1) / (4 n)): sqrt(0.5 / n) for the normal law (kurtosis 3), less for the others.
"""

import importlib
import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.nn import init
from minidl.random import Generator

RECORDED = json.loads((Path(__file__).parent / "recorded" / "training.json").read_text())
SHAPE = (400, 500)  # a layer with fan_in 500 and fan_out 400


def check_law(values, std, bound=None, mean=0.0):
    """Whether values have this mean and standard deviation to four standard errors, and reach but never leave mean -+ bound."""
    values = values.astype(np.float64).ravel() - mean
    assert abs(values.mean()) < 4 * std / math.sqrt(values.size)
    assert abs(values.std() - std) < 4 * std * math.sqrt(0.5 / values.size)
    if bound is not None:
        # The bound is worked out to seven digits, and the values are rounded to float32.
        assert 0.99 * bound < np.abs(values).max() <= bound * (1 + 2e-7)


# Of sqrt(2/900), sqrt(2/500), sqrt(1/500), sqrt(2/400) the standard deviations; sqrt(3) times these are the uniform bounds.
LAWS = [
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
    (init.VarianceScaling(2, "fan_in", "uniform"), 0.0632456, 0.10954451),
    (init.VarianceScaling(2, "fan_out", "uniform"), 0.0707107, 0.12247449),
    (init.VarianceScaling(1, "fan_avg", "uniform"), 0.0471405, 0.08164966),
    (init.VarianceScaling(2, "fan_in", "truncated_normal"), 0.0632456, 0.14380107),  # bound 2 * 0.0632456 / 0.879626
    (init.VarianceScaling(1, "fan_avg", "truncated_normal"), 0.0471405, 0.10718299),  # bound 2 * 0.0471405 / 0.879626
    (init.Uniform(-0.1, 0.1), 0.0577350, 0.1),  # 0.2 / sqrt(12)
    (init.Normal(std=0.01), 0.01, None),
    (init.TruncatedNormal(), 0.879626, 2),  # sqrt(1 - 4 * 0.0539910 / 0.9544997)
    (init.TruncatedNormal(0, 0.5, -1, 1), 0.439813, 1),  # the same cut at two standard deviations
]


@pytest.mark.parametrize(
    ("law", "std", "bound"), LAWS, ids=lambda value: str(value) if isinstance(value, init.Initializer) else ""
)
def test_a_law_has_mean_0_and_the_standard_deviation_worked_out_by_hand(law, std, bound):
    values = law(SHAPE, rng=1)
    assert values.shape == SHAPE
    assert values.dtype == np.float32
    check_law(values, std, bound)


@pytest.mark.parametrize(
    ("law", "mean", "std", "bound"),
    [
        (init.Uniform(), 0.5, 0.288675, 0.5),  # 1 / sqrt(12)
        (init.Normal(3, 0.5), 3, 0.5, None),
        (init.TruncatedNormal(3, 0.5, 2, 4), 3, 0.439813, 1),
        (init.TruncatedNormal(0, 1, 0, 100), 0.797885, 0.602810, None),  # a half-normal: sqrt(2/pi), sqrt(1 - 2/pi)
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_law_has_the_mean_that_it_was_given(law, mean, std, bound, dtype):
    values = law((100_000,), rng=2, dtype=dtype)
    assert values.dtype == dtype
    check_law(values, std, bound, mean)


def test_a_truncated_normal_stays_between_values_not_numbers_of_standard_deviations():
    values = init.TruncatedNormal(mean=0, std=10, low=-2, high=1)((10_000,), rng=0)
    assert values.min() >= -2
    assert values.max() <= 1
    assert values.std() > 0.8  # next to uniform: 3 / sqrt(12) = 0.866


@pytest.mark.parametrize(
    ("law", "fan_in", "fan_out", "std"),
    [
        (init.HeNormal(), 500, 400, 0.0632456),
        (init.XavierNormal(), 500, 400, 0.0471405),
        (init.HeNormal(mode="fan_out"), 500, 400, 0.0707107),
        (init.LecunNormal(), 4, 1, 0.5),
    ],
)
def test_fans_that_are_given_go_before_those_of_the_shape(law, fan_in, fan_out, std):
    check_law(law((200_000,), rng=3, fan_in=fan_in, fan_out=fan_out), std)
    check_law(law((1000, 200), rng=3, fan_in=fan_in, fan_out=fan_out), std)


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
    check_law(init.HeNormal()((64, 32, 3, 3), rng=4), 0.0833333)  # sqrt(2 / (32 * 9))
    check_law(init.HeNormal(mode="fan_out")((64, 32, 3, 3), rng=4), 0.0589256)  # sqrt(2 / (64 * 9))
    check_law(init.XavierUniform()((64, 32, 3, 3), rng=4), 0.0481125, 0.08333333)  # sqrt(2 / 864), sqrt(6 / 864)


@pytest.mark.parametrize(
    ("scaling", "std"),
    [
        (init.VarianceScaling(2), 0.0632456),
        (init.VarianceScaling(2, "fan_out"), 0.0707107),
        (init.VarianceScaling(1, "fan_avg"), 0.0471405),
        (init.VarianceScaling(0), 0),
    ],
)
def test_variance_scaling_says_its_standard_deviation(scaling, std):
    assert scaling.std(fan_in=500, fan_out=400) == pytest.approx(std, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("law", "value"), [(init.Zeros(), 0), (init.Ones(), 1), (init.Constant(-2.5), -2.5)])
def test_constant_laws_are_constant(law, value, dtype):
    values = law((3, 2), dtype=dtype)
    assert values.tolist() == [[value] * 2] * 3
    assert values.dtype == dtype


@pytest.mark.parametrize(
    "law", [init.Uniform(2, 2), init.Normal(2, 0), init.TruncatedNormal(2, 0, 1, 3), init.TruncatedNormal(0, 1, 2, 2)]
)
def test_a_law_without_spread_is_constant(law):
    assert (law((3, 2), rng=0) == 2).all()


@pytest.mark.parametrize("law", [init.XavierUniform(), init.HeNormal(), init.TruncatedNormal(), init.Zeros()])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_an_empty_array_can_be_drawn(law, shape):
    assert law(shape, rng=0).shape == shape


@pytest.mark.parametrize("law", [law for law, _, _ in LAWS], ids=str)
def test_an_initializer_holds_no_random_state(law):
    rng = Generator(0)
    first, second = law((3, 2), rng), law((3, 2), rng)
    assert not np.isin(first, second).any()
    assert law((3, 2), rng=0).tolist() == first.tolist()
    minidl.manual_seed(0)
    assert law((3, 2)).tolist() == first.tolist()


def test_initializers_are_values_they_compare_hash_and_never_change():
    assert init.HeNormal(a=0.2) == init.HeNormal(0.2) != init.HeNormal()
    assert len({init.Zeros(), init.Zeros(), init.Constant(1), init.Constant(1)}) == 2
    law = init.XavierUniform()
    with pytest.raises(AttributeError):
        law.gain = 2
    assert repr(law) == "XavierUniform(gain=1.0)"


@pytest.mark.parametrize(
    ("name", "law"),
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
def test_every_name_stands_for_its_law(name, law):
    assert init.law(name) == law


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: init.VarianceScaling(-1), "VarianceScaling: scale must be at least 0, got -1"),
        (lambda: init.VarianceScaling(math.nan), "VarianceScaling: scale must be a finite number, got nan"),
        (lambda: init.VarianceScaling(math.inf), "VarianceScaling: scale must be a finite number, got inf"),
        (lambda: init.VarianceScaling("2"), "VarianceScaling: scale must be a finite number, got '2'"),
        (lambda: init.VarianceScaling(None), "VarianceScaling: scale must be a finite number, got None"),
        (lambda: init.VarianceScaling(mode="fan"), "mode must be one of 'fan_in', 'fan_out', 'fan_avg', got 'fan'"),
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
    ],
)
def test_a_law_that_cannot_be_is_an_error_when_it_is_made(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


@pytest.mark.parametrize(
    "law",
    [init.XavierUniform(), init.XavierNormal(), init.HeUniform(), init.HeNormal(), init.LecunNormal(), init.VarianceScaling()],
)
@pytest.mark.parametrize("shape", [(3,), ()])
def test_a_law_that_needs_fans_cannot_be_drawn_for_fewer_than_two_axes(law, shape):
    with pytest.raises(ValueError, match=rf"^{type(law).__name__}\(.*needs fan_in and fan_out.*at least two axes"):
        law(shape)


def test_a_truncated_normal_with_nothing_between_its_bounds_is_an_error():
    with pytest.raises(ValueError, match=r"too little .* between low=100.0 and high=101.0"):
        init.TruncatedNormal(0, 1, 100, 101)((3,))


@pytest.mark.parametrize("dtype", [np.float16, int])
def test_laws_draw_in_float32_and_float64_only(dtype):
    with pytest.raises(TypeError, match="dtype must be float32 or float64, got"):
        init.Normal()((3,), dtype=dtype)


@pytest.mark.parametrize(("nonlinearity", "param", "gain"), RECORDED["gains"])
def test_calculate_gain_is_that_of_pytorch(nonlinearity, param, gain):
    assert init.calculate_gain(nonlinearity, param) == pytest.approx(gain, rel=1e-15)


def test_calculate_gain_of_an_unknown_activation_is_an_error_that_lists_the_known_ones():
    with pytest.raises(
        ValueError, match=r"nonlinearity must be one of 'linear', .*'tanh', 'relu', .*'leaky_relu', got 'swish'"
    ):
        init.calculate_gain("swish")


@pytest.mark.parametrize("slope", ["0.2", True, [0.2]])
def test_calculate_gain_of_a_slope_that_is_no_number_is_an_error(slope):
    with pytest.raises(ValueError, match=r"negative_slope .* is not a number"):
        init.calculate_gain("leaky_relu", slope)


# The in-place functions


@pytest.mark.parametrize("name", RECORDED["signatures"])
def test_in_place_functions_have_the_parameters_and_defaults_of_pytorch(name):
    parameters = inspect.signature(getattr(init, name)).parameters.values()
    ours = [[p.name] if p.default is p.empty else [p.name, p.default] for p in parameters]
    assert ours == RECORDED["signatures"][name]


@pytest.mark.parametrize(
    ("fill", "std", "bound"),
    [
        (lambda w: init.uniform_(w, -0.1, 0.1, Generator(0)), 0.0577350, 0.1),
        (lambda w: init.normal_(w, 0, 0.01, Generator(0)), 0.01, None),
        (lambda w: init.normal_(w, std=2, generator=0), 2, None),
        (lambda w: init.trunc_normal_(w, generator=0), 0.879626, 2),
        (lambda w: init.trunc_normal_(w, std=0.5, a=-1, b=1, generator=0), 0.439813, 1),
        (lambda w: init.xavier_uniform_(w, generator=0), 0.0471405, 0.08164966),
        (lambda w: init.xavier_uniform_(w, 0.5, 0), 0.0235702, 0.04082483),
        (lambda w: init.xavier_normal_(w, generator=0), 0.0471405, None),
        (lambda w: init.xavier_normal_(w, gain=5 / 3, generator=0), 0.0785674, None),
        (lambda w: init.kaiming_uniform_(w, generator=0), 0.0632456, 0.10954451),
        (lambda w: init.kaiming_uniform_(w, a=math.sqrt(5), generator=0), 0.0258199, 0.04472136),  # bound 1 / sqrt(500)
        (lambda w: init.kaiming_uniform_(w, mode="fan_out", generator=0), 0.0707107, 0.12247449),
        (lambda w: init.kaiming_normal_(w, generator=0), 0.0632456, None),
        (lambda w: init.kaiming_normal_(w, a=0.2, generator=0), 0.0620174, None),
        (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu", generator=0), 0.0707107, None),
        (lambda w: init.kaiming_normal_(w, nonlinearity="tanh", generator=0), 0.0745356, None),  # 5/3 / sqrt(500)
        (lambda w: init.kaiming_normal_(w, nonlinearity="linear", generator=0), 0.0447214, None),
        (lambda w: init.kaiming_normal_(w, nonlinearity="selu", generator=0), 0.0335410, None),  # 3/4 / sqrt(500)
        (lambda w: init.kaiming_normal_(w, 0.2, "fan_in", "relu", 0), 0.0632456, None),  # relu has no slope
    ],
)
def test_in_place_functions_draw_by_the_law_worked_out_by_hand(fill, std, bound):
    w = np.full(SHAPE, 9, np.float32)
    fill(w)
    check_law(w, std, bound)


DRAWING = [
    init.uniform_,
    init.normal_,
    init.trunc_normal_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
]
FILLING = [*DRAWING, init.ones_, init.zeros_, lambda tensor: init.constant_(tensor, 0.5)]


@pytest.mark.parametrize("fill", FILLING)
@pytest.mark.parametrize("make", [minidl.Tensor, nn.Parameter, np.asarray])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_place_functions_overwrite_the_memory_of_what_they_get_and_return_it(fill, make, dtype):
    memory = np.full((4, 5), 9, dtype)
    target = make(memory)
    assert fill(target) is target
    assert (memory != 9).all()
    if not isinstance(target, np.ndarray):
        assert target.data is memory
        assert target.grad is None
        assert target.requires_grad == isinstance(target, nn.Parameter)


@pytest.mark.parametrize("fill", FILLING)
@pytest.mark.parametrize("view", [lambda x: x[::2, 1::3], lambda x: x.T[1:4], lambda x: x[::-1, ::-2]])
def test_in_place_functions_fill_a_view_and_nothing_beside_it(fill, view):
    memory, within = np.full((4, 6), 9, np.float32), np.zeros((4, 6), bool)
    view(within)[...] = True
    assert not view(memory).flags.c_contiguous
    fill(view(memory))
    assert (memory[within] != 9).all()
    assert (memory[~within] == 9).all()


def test_a_transposed_weight_has_the_fans_of_the_shape_that_it_shows():
    w = np.empty((500, 400), np.float32)
    init.kaiming_uniform_(w.T, generator=0)
    check_law(w, 0.0632456, 0.10954451)


@pytest.mark.parametrize("fill", DRAWING)
def test_in_place_functions_draw_from_the_generator_or_from_the_global_one(fill):
    def drawn(**generator):
        return fill(np.empty((3, 4), np.float32), **generator).tolist()

    assert drawn(generator=Generator(3)) == drawn(generator=3) != drawn(generator=4)
    minidl.manual_seed(3)
    first = drawn()
    assert first == drawn(generator=3)
    assert first != drawn()


def test_the_constant_functions_write_their_values():
    w = np.full((2, 2), 9.0)
    assert init.zeros_(w).tolist() == [[0, 0], [0, 0]]
    assert init.ones_(w).tolist() == [[1, 1], [1, 1]]
    assert init.constant_(w, -2.5).tolist() == [[-2.5, -2.5], [-2.5, -2.5]]
    assert init.constant_(w, val=3).tolist() == [[3, 3], [3, 3]]


@pytest.mark.parametrize("fill", FILLING)
@pytest.mark.parametrize(
    ("target", "error", "came"),
    [
        (nn.Linear(2, 2), TypeError, "got Linear; of a layer, pass layer.weight or layer.bias"),
        (nn.Sequential(nn.Linear(2, 2)), TypeError, "got Sequential; of a layer, pass layer.weight or layer.bias"),
        (np.ones((2, 2), int), TypeError, "got an array of int64"),
        (np.ones((2, 2), np.float16), TypeError, "got an array of float16"),
        ([[1.0, 2.0]], TypeError, "got list"),
        (None, TypeError, "got NoneType"),
        (3.0, TypeError, "got float"),
        (np.broadcast_to(np.float32(1), (2, 2)), ValueError, "the array is read-only"),
        (minidl.Tensor(np.broadcast_to(np.float32(1), (2, 2))), ValueError, "the array is read-only"),
    ],
    ids=["layer", "model", "int", "float16", "list", "None", "number", "read-only", "tensor of read-only"],
)
def test_what_cannot_be_overwritten_is_an_error(fill, target, error, came):
    before = repr(target)
    with pytest.raises(error, match=came):
        fill(target)
    assert repr(target) == before


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda w: init.uniform_(w, 1, 0), "low > high"),
        (lambda w: init.uniform_(w, math.nan), "Uniform: low must be a finite number, got nan"),
        (lambda w: init.normal_(w, std=-1), "Normal: std must be at least 0, got -1"),
        (lambda w: init.trunc_normal_(w, a=100, b=101), "too little"),
        (lambda w: init.constant_(w, math.inf), "Constant: value must be a finite number, got inf"),
        (lambda w: init.xavier_normal_(w, gain=math.nan), "XavierNormal: gain must be a finite number, got nan"),
        (lambda w: init.xavier_uniform_(w, gain=-1), "XavierUniform: gain must be at least 0, got -1"),
        (lambda w: init.kaiming_normal_(w, mode="fan"), "mode must be one of 'fan_in', 'fan_out'.*, got 'fan'"),
        (lambda w: init.kaiming_normal_(w, nonlinearity="swish"), "nonlinearity must be one of .*, got 'swish'"),
        (lambda w: init.kaiming_uniform_(w, a="x"), "negative_slope 'x' is not a number"),
    ],
)
def test_a_failed_call_leaves_the_parameter_and_its_law_as_they_were(fill, message):
    layer = nn.Linear(2, 2, weight_init=0.5)
    with pytest.raises(ValueError, match=message):
        fill(layer.weight)
    assert layer.weight.data.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert "weight_init=Constant(value=0.5)" in repr(layer)


@pytest.mark.parametrize("name", ["xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"])
def test_functions_that_need_fans_refuse_a_bias_and_leave_it(name):
    bias = nn.Linear(2, 2).bias
    law = name.strip("_").title().replace("_", "").replace("Kaiming", "He")
    with pytest.raises(ValueError, match=rf"({name}|{law}).*shape \(2,\).*at least two axes"):
        getattr(init, name)(bias)
    assert bias.data.tolist() == [0, 0]
    assert bias.law == init.Zeros()


# The lines of PyTorch that widely read articles show


def test_the_lines_of_the_articles_run_after_a_change_of_the_import():
    layer = nn.Linear(256, 128)
    nn.init.zeros_(layer.bias)
    fc = nn.Linear(in_features=256, out_features=128)
    init.xavier_normal_(fc.weight)
    check_law(fc.weight.data, 0.0721688)  # sqrt(2 / 384)
    init.kaiming_normal_(fc.weight, nonlinearity="relu")
    init.zeros_(fc.bias)
    check_law(fc.weight.data, 0.0883883)  # sqrt(2 / 256)
    assert not layer.bias.data.any()
    assert not fc.bias.data.any()
    model = nn.Linear(1, 1)
    seen = [model.weight.item()]
    for fill in (
        nn.init.uniform_,
        lambda weight: nn.init.normal_(weight, mean=0, std=1),
        nn.init.xavier_uniform_,
        nn.init.xavier_normal_,
        nn.init.kaiming_uniform_,
        nn.init.kaiming_normal_,
    ):
        fill(model.weight)
        seen.append(model.weight.item())
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("name", ["minidl.nn.init", "minidl.nn.functional"])
def test_the_modules_can_be_imported_by_the_names_that_pytorch_has(name):
    assert importlib.import_module(name) is importlib.import_module(name.replace(".nn", ""))


def test_a_layer_a_mean_and_a_std_for_xavier_are_an_error_that_says_what_was_meant():
    model = nn.Linear(1, 1)
    with pytest.raises(TypeError, match=r"'mean'.*xavier_normal_\(tensor, gain=1.0, generator=None\).*take normal_"):
        nn.init.xavier_normal_(model, model.weight, mean=0, std=1)


def test_a_mean_and_a_std_for_kaiming_are_an_error_that_says_what_was_meant():
    model = nn.Linear(1, 1, weight_init=0.5)
    with pytest.raises(TypeError, match=r"'mean'.*kaiming_normal_\(tensor, a=0, .*take normal_"):
        nn.init.kaiming_normal_(model.weight, mean=0, std=1)
    assert model.weight.item() == 0.5


def test_kaiming_with_a_dot_is_an_error_that_says_what_was_meant():
    model = nn.Linear(1, 1)
    with pytest.raises(AttributeError, match=r"no attribute 'kaiming'; did you mean .*kaiming_normal_"):
        nn.init.kaiming.normal_(model.weight)


@pytest.mark.parametrize(("name", "meant"), [("kaiming_norml_", "kaiming_normal_"), ("xavier_uniform", "xavier_uniform_")])
def test_a_misspelt_function_is_an_error_that_names_the_nearest(name, meant):
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'; did you mean .*{meant}"):
        getattr(init, name)


def test_a_fan_that_is_given_alone_counts():
    """std = 1 / sqrt(fan_in) = 0.01 for fan_in 10,000, whatever the shape; 6,000 samples: 4 standard errors are 3.7 %."""
    w = init.LecunNormal()((2000, 3), 0, fan_in=10_000)
    assert w.std() == pytest.approx(0.01, rel=0.037)
    with pytest.raises(ValueError, match="whole numbers from 0, got -3"):
        init.LecunNormal()((2000, 3), 0, fan_in=-3)


def test_a_constant_that_the_dtype_cannot_hold_is_an_error():
    w = np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"constant_.*infinite in float32"):
        init.constant_(w, 1e39)
    assert w.tolist() == [1, 1, 1]


def test_an_unknown_bias_law_is_found_before_a_number_is_drawn():
    rng = Generator(0)
    with pytest.raises(ValueError, match=r"bias_init.*'bogus'"):
        nn.Linear(3, 2, bias_init="bogus", rng=rng)
    assert rng.position == 0
