"""Tests torch.nn.init's in-place functions against the signatures, gains, errors and warnings of PyTorch 2.13, numbers worked
out by hand, and the lines that articles show."""

import importlib
import inspect
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from initializer_checks import SHAPE, check_moments

import minidl
from minidl import nn
from minidl.nn import init
from minidl.random import Generator

RECORDED = json.loads((Path(__file__).parent.parent / "recorded" / "init.json").read_text())


@pytest.mark.parametrize(("nonlinearity", "param", "gain"), RECORDED["gains"])
def test_calculate_gain_is_that_of_pytorch(nonlinearity, param, gain):
    assert init.calculate_gain(nonlinearity, param) == pytest.approx(gain, rel=1e-15)


def test_calculate_gain_of_an_unknown_activation_is_an_error_that_lists_the_known_ones():
    with pytest.raises(
        ValueError, match=r"nonlinearity must be one of 'linear', .*'tanh', 'relu', .*'leaky_relu', got 'swish'"
    ):
        init.calculate_gain("swish")


@pytest.mark.parametrize("slope", ["0.2", True, [0.2]])
def test_calculate_gain_of_a_slope_that_is_not_a_number_is_an_error(slope):
    with pytest.raises(ValueError, match=r"negative_slope .* is not a number"):
        init.calculate_gain("leaky_relu", slope)


# The in-place functions


@pytest.mark.parametrize("name", RECORDED["signatures"])
def test_in_place_functions_have_the_parameters_and_defaults_of_pytorch(name):
    parameters = inspect.signature(getattr(init, name)).parameters.values()
    ours = [[p.name] if p.default is p.empty else [p.name, p.default] for p in parameters]
    assert ours == RECORDED["signatures"][name]


def empty(*shape):
    return np.full(shape, 9, np.float32)


@pytest.mark.parametrize(("call", "values"), RECORDED["constant"])
def test_what_is_not_random_is_as_in_pytorch(call, values):
    assert eval(call, {"init": init, "empty": empty}).tolist() == values


@pytest.mark.parametrize(("call", "expected"), RECORDED["calls"])
def test_errors_and_warnings_are_of_the_kind_that_pytorch_has(call, expected):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            eval(call, {"init": init, "empty": empty})
        except (ValueError, TypeError) as error:
            came = type(error).__name__
        else:
            came = caught[0].category.__name__ if caught else ""
    assert came == expected


def test_warnings_point_at_the_line_of_the_call():
    for call in (lambda: init.kaiming_normal_(empty(0, 3)), lambda: init.trunc_normal_(empty(3), mean=5)):
        with pytest.warns(UserWarning, match="zero-element|mean is more than 2 std") as caught:
            call()
        assert [warning.filename for warning in caught] == [__file__]


def test_a_distribution_of_which_only_a_tail_is_left_is_right_in_spite_of_the_warning():
    """A standard normal beyond 3 has mean p(3) / P(Z > 3) = 0.004431848 / 0.001349898 = 3.283098; std 0.26563."""
    with pytest.warns(UserWarning, match="only a tail is left"):
        w = init.trunc_normal_(np.empty(10_000), a=3.0, b=40.0, generator=0)
    assert w.min() >= 3
    assert w.mean() == pytest.approx(3.283098, abs=4 * 0.26563 / 100)


@pytest.mark.parametrize(("rows", "sparsity", "zeros"), RECORDED["zeros"])
def test_sparse_puts_as_many_zeros_into_each_column_as_pytorch_does(rows, sparsity, zeros):
    assert (init.sparse_(empty(rows, 3), sparsity) == 0).sum(axis=0).tolist() == zeros


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
        (lambda w: init.kaiming_normal_(w, mode="FAN_OUT", generator=0), 0.0707107, None),
        (lambda w: init.orthogonal_(w, generator=0), 0.0447214, None),  # 400 unit vectors of 500 elements: 1 / sqrt(500)
        (lambda w: init.orthogonal_(w, 3, 0), 0.1341641, None),
        (lambda w: init.sparse_(w, 0.0, generator=0), 0.01, None),
        (lambda w: init.sparse_(w, 0.75, 2, 0), 1, None),  # a quarter is left: 2 sqrt(1/4)
    ],
)
def test_in_place_functions_draw_by_the_initializer_worked_out_by_hand(fill, std, bound):
    w = np.full(SHAPE, 9, np.float32)
    fill(w)
    check_moments(w, std, bound)


DRAWING = [
    init.uniform_,
    init.normal_,
    init.trunc_normal_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.orthogonal_,
    lambda tensor, **generator: init.sparse_(tensor, 0.25, **generator),
]
FILLING = [*DRAWING, init.ones_, init.zeros_, init.eye_, lambda tensor: init.constant_(tensor, 0.5)]


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
    check_moments(w, 0.0632456, 0.10954451)


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
        (lambda w: init.orthogonal_(w, gain=-1), "Orthogonal: gain must be at least 0, got -1"),
        (lambda w: init.sparse_(w, 1.5), "Sparse: sparsity is the fraction of zeros in each column, from 0 to 1, got 1.5"),
        (lambda w: init.sparse_(w, -0.1), "Sparse: sparsity is .*, got -0.1"),
        (lambda w: init.sparse_(w, 0.1, std=-1), "Sparse: std must be at least 0, got -1"),
        (lambda w: init.dirac_(w), "Dirac.* needs a shape of 3 to 5 axes.*take Identity"),
        (lambda w: init.uniform_(w, math.nan), "Uniform: low must be a finite number, got nan"),
        (lambda w: init.normal_(w, std=-1), "Normal: std must be at least 0, got -1"),
        (lambda w: init.trunc_normal_(w, a=0.5, b=0.5 + 1e-12), "too little"),
        (lambda w: init.constant_(w, math.inf), "Constant: value must be a finite number, got inf"),
        (lambda w: init.xavier_normal_(w, gain=math.nan), "XavierNormal: gain must be a finite number, got nan"),
        (lambda w: init.xavier_uniform_(w, gain=-1), "XavierUniform: gain must be at least 0, got -1"),
        (lambda w: init.kaiming_normal_(w, mode="fan"), "mode must be one of 'fan_in', 'fan_out'.*, got 'fan'"),
        (lambda w: init.kaiming_normal_(w, nonlinearity="swish"), "nonlinearity must be one of .*, got 'swish'"),
        (lambda w: init.kaiming_uniform_(w, a="x"), "negative_slope 'x' is not a number"),
    ],
)
def test_a_failed_call_leaves_the_parameter_and_its_initializer_as_they_were(fill, message):
    layer = nn.Linear(2, 2, weight_init=0.5)
    with pytest.raises(ValueError, match=message):
        fill(layer.weight)
    assert layer.weight.data.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert "weight_init=Constant(value=0.5)" in repr(layer)


@pytest.mark.parametrize("name", ["xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"])
def test_functions_that_need_fans_refuse_a_bias_and_leave_it(name):
    bias = nn.Linear(2, 2).bias
    initializer = name.strip("_").title().replace("_", "").replace("Kaiming", "He")
    with pytest.raises(ValueError, match=rf"({name}|{initializer}).*shape \(2,\).*at least two axes"):
        getattr(init, name)(bias)
    assert bias.data.tolist() == [0, 0]
    assert bias.initializer == init.Zeros()


# The lines of PyTorch that articles show


def test_the_lines_of_the_articles_run_after_a_change_of_the_import():
    layer = nn.Linear(256, 128)
    nn.init.zeros_(layer.bias)
    fc = nn.Linear(in_features=256, out_features=128)
    init.xavier_normal_(fc.weight)
    check_moments(fc.weight.data, 0.0721688)  # sqrt(2 / 384)
    init.kaiming_normal_(fc.weight, nonlinearity="relu")
    init.zeros_(fc.bias)
    check_moments(fc.weight.data, 0.0883883)  # sqrt(2 / 256)
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


def test_a_constant_that_the_dtype_cannot_hold_is_an_error():
    w = np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"constant_.*infinite in float32"):
        init.constant_(w, 1e39)
    assert w.tolist() == [1, 1, 1]


def test_a_mode_that_is_no_text_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="mode must be one of 'fan_in', 'fan_out', got 3"):
        init.kaiming_normal_(np.zeros((2, 2)), mode=3)


def test_a_star_import_brings_initializers_of_every_kind():
    names = {}
    exec("from minidl.init import *", names)
    assert {"Constant", "HeNormal", "Orthogonal", "xavier_uniform_", "gain", "check"} <= set(names)
