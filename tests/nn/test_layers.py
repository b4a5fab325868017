"""Tests Linear, Dropout, Flatten and the activation modules against hand-worked numbers, the laws of probability and values
recorded from PyTorch 2.13.
"""

import copy
import inspect
import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import flow, nn
from minidl.data import DataLoader
from minidl.nn import init
from minidl.random import Generator

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "training.json").read_text())["activations"]
W, B = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([10.0, 20.0])


def test_linear_is_x_times_the_transposed_weight_plus_bias():
    layer = nn.Linear(3, 2, weight_init=W, bias_init=B)
    # 1*1 + 0*2 + 2*3 + 10 = 17, 1*4 + 0*5 + 2*6 + 20 = 36
    assert layer(np.array([[1, 0, 2], [0, 0, 0]], np.float32)).data.tolist() == [[17, 36], [10, 20]]


def test_linear_gradients_are_those_worked_out_by_hand():
    layer = nn.Linear(3, 2, weight_init=W, bias_init=B)
    x = minidl.Tensor([[1.0, 0.0, 2.0], [1.0, 1.0, 1.0]], requires_grad=True)
    layer(x).backward([[1.0, 0.0], [10.0, 100.0]])
    assert x.grad.tolist() == [[1, 2, 3], [410, 520, 630]]
    assert layer.weight.grad.tolist() == [[11, 10, 12], [100, 100, 100]]
    assert layer.bias.grad.tolist() == [11, 100]


def test_linear_weight_has_shape_out_in():
    layer = nn.Linear(5, 7)
    assert layer.weight.shape == (7, 5)
    assert layer.bias.shape == (7,)
    assert (layer.in_features, layer.out_features) == (5, 7)


def test_linear_defaults_stand_in_the_signature():
    parameters = inspect.signature(nn.Linear).parameters
    assert list(parameters) == ["in_features", "out_features", "bias", "weight_init", "bias_init", "rng", "dtype"]
    assert parameters["bias"].default is True
    assert parameters["weight_init"].default == init.XavierUniform(gain=1.0)
    assert parameters["bias_init"].default == init.Zeros()
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in ("weight_init", "bias_init", "rng", "dtype"))


def test_linear_begins_with_xavier_uniform_weights_and_zero_biases():
    layer = nn.Linear(500, 400, rng=0)
    bound = 0.0816497  # sqrt(6 / 900)
    assert np.abs(layer.weight.data).max() <= bound
    assert np.abs(layer.weight.data).max() > 0.999 * bound  # 200,000 draws: (0.999)^200000 = 1e-87 that none is above
    assert not layer.bias.data.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float64", float])
def test_linear_has_the_dtype_that_it_was_asked_for(dtype):
    layer = nn.Linear(3, 2, dtype=dtype)
    y = layer(np.ones((4, 3), dtype))
    y.sum().backward()
    assert layer.weight.dtype == layer.bias.dtype == y.dtype == layer.weight.grad.dtype == np.dtype(dtype)


def test_linear_without_bias_has_none():
    layer = nn.Linear(3, 2, bias=False, weight_init=W)
    assert layer.bias is None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer([[1.0, 0.0, 2.0]]).data.tolist() == [[7, 16]]


def test_linear_treats_every_axis_but_the_last_as_batch():
    layer = nn.Linear(3, 2, weight_init=W, bias_init=B)
    y = layer(np.array([[[1, 0, 2], [0, 0, 0]], [[1, 1, 1], [0, 1, 0]]], np.float32))
    assert y.data.tolist() == [[[17, 36], [10, 20]], [[16, 35], [12, 25]]]
    assert layer(np.array([1, 0, 2], np.float32)).data.tolist() == [17, 36]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "x",
    [
        [[1.0, 0.0, 2.0]],
        [[1, 0, 2]],
        ((1, 0, 2),),
        np.array([[1, 0, 2]]),
        np.array([[1, 0, 2]], np.uint8),
        minidl.Tensor([[3, 1, 2]]) > 1,
    ],
)
def test_linear_takes_lists_and_integers_in_either_dtype(x, dtype):
    layer = nn.Linear(3, 2, weight_init=W, bias_init=B, dtype=dtype)
    y = layer(x)
    # [True, False, True] is 1, 0, 1
    assert y.data.tolist() == ([[14, 30]] if isinstance(x, minidl.Tensor) else [[17, 36]])
    assert y.dtype == dtype


def test_linear_takes_an_empty_batch():
    assert nn.Linear(3, 2)(np.zeros((0, 3), np.float32)).shape == (0, 2)


def double(shape, rng):
    return np.full(shape, 2.0)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (init.Ones(), [[1, 1, 1], [1, 1, 1]]),
        (init.Constant(-0.5), [[-0.5] * 3] * 2),
        ("zeros", [[0, 0, 0], [0, 0, 0]]),
        (0.25, [[0.25] * 3] * 2),
        (3, [[3, 3, 3], [3, 3, 3]]),
        (np.float32(1.5), [[1.5] * 3] * 2),
        (np.int64(2), [[2, 2, 2], [2, 2, 2]]),
        (W, W.tolist()),
        (W.astype(np.float32), W.tolist()),
        (W.astype(int), W.tolist()),
        (W.tolist(), W.tolist()),
        (minidl.Tensor(W), W.tolist()),
        (double, [[2, 2, 2], [2, 2, 2]]),
        (lambda shape, rng: np.full(shape, 2.0, np.float32), [[2, 2, 2], [2, 2, 2]]),
        (lambda shape, rng: [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], W.tolist()),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weight_init_is_an_object_a_name_a_number_an_array_or_a_function(spec, expected, dtype):
    weight = nn.Linear(3, 2, weight_init=spec, dtype=dtype).weight
    assert weight.data.tolist() == expected
    assert weight.dtype == dtype
    assert isinstance(weight, nn.Parameter)
    assert weight.requires_grad


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (init.Ones(), [1, 1]),
        ("ones", [1, 1]),
        (0.25, [0.25, 0.25]),
        (B, [10, 20]),
        ([1, 2], [1, 2]),
        (double, [2, 2]),
    ],
)
def test_bias_init_takes_the_same(spec, expected):
    assert nn.Linear(3, 2, bias_init=spec).bias.data.tolist() == expected


def test_a_function_gets_the_shape_and_the_generator():
    calls = []

    def record(shape, rng):
        calls.append((shape, rng))
        return rng.normal(shape)

    rng = Generator(3)
    layer = nn.Linear(3, 2, weight_init=record, bias_init=record, rng=rng)
    assert calls == [((2, 3), rng), ((2,), rng)]
    same = Generator(3)
    assert layer.weight.data.tolist() == same.normal((2, 3)).tolist()
    assert layer.bias.data.tolist() == same.normal(2).tolist()


@pytest.mark.parametrize(("dtype", "other"), [(np.float32, np.float64), (np.float64, np.float32)])
def test_a_given_array_is_copied_whatever_its_dtype(dtype, other):
    for given in (W.astype(dtype), W.astype(other)):
        layer = nn.Linear(3, 2, weight_init=given, dtype=dtype)
        layer.weight.data[...] = 0
        assert given.tolist() == W.tolist()
        given[...] = 7
        assert not layer.weight.data.any()


def test_an_array_that_a_function_returns_and_keeps_is_copied():
    kept = np.ones((2, 3), np.float32)
    layer = nn.Linear(3, 2, weight_init=lambda shape, rng: kept)
    layer.weight.data[...] = 0
    assert kept.all()


def test_a_bias_draws_by_the_fans_of_the_layer():
    bias = nn.Linear(6, 10_000, bias_init=init.HeUniform(), rng=0).bias.data
    assert np.abs(bias).max() <= 1  # sqrt(6 / 6)
    assert np.abs(bias).max() > 0.99  # 10,000 draws: (0.99)^10000 = 2e-44 that none is above


def test_the_same_seed_makes_the_same_layer():
    first, second, other = (nn.Linear(3, 2, bias_init="normal", rng=seed) for seed in (5, 5, 6))
    assert first.weight.data.tolist() == second.weight.data.tolist() != other.weight.data.tolist()
    assert first.bias.data.tolist() == second.bias.data.tolist() != other.bias.data.tolist()


def test_a_generator_gives_the_weight_the_first_numbers_and_the_bias_the_next():
    layer = nn.Linear(3, 2, weight_init=init.Normal(), bias_init=init.Normal(), rng=Generator(5))
    stream = Generator(5).normal(8)
    assert layer.weight.data.ravel().tolist() == stream[:6].tolist()
    assert layer.bias.data.tolist() == stream[6:].tolist()


def test_a_generator_goes_on_from_layer_to_layer():
    rng = Generator(5)
    first, second = (nn.Linear(3, 2, rng=rng) for _ in range(2))
    assert not np.isin(first.weight.data, second.weight.data).any()


def test_without_rng_the_global_generator_is_used():
    minidl.manual_seed(5)
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    assert not np.isin(first.weight.data, second.weight.data).any()
    rng = Generator(5)
    assert first.weight.data.tolist() == nn.Linear(3, 2, rng=rng).weight.data.tolist()
    assert second.weight.data.tolist() == nn.Linear(3, 2, rng=rng).weight.data.tolist()


@pytest.mark.parametrize("initializer", [init.XavierUniform(), init.HeNormal(), init.Normal(), init.TruncatedNormal()])
@pytest.mark.parametrize("rng", [None, Generator(0)])
def test_one_initializer_given_to_two_layers_makes_them_different(initializer, rng):
    first, second = (nn.Linear(3, 2, weight_init=initializer, rng=rng) for _ in range(2))
    assert not np.isin(first.weight.data, second.weight.data).any()


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "3", None, (2,), np.float32(2)])
@pytest.mark.parametrize("name", ["in_features", "out_features"])
def test_a_size_that_is_not_a_positive_integer_is_an_error(name, size):
    sizes = {"in_features": 3, "out_features": 2} | {name: size}
    with pytest.raises(ValueError, match=rf"Linear: {name} must be a positive integer, got "):
        nn.Linear(**sizes)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (W.T, ValueError, r"Given\('array'\) gave an array of shape \(3, 2\), expected \(2, 3\)"),
        (np.ones(3), ValueError, r"of shape \(3,\), expected \(2, 3\)"),
        (np.array(2.0), ValueError, r"of shape \(\), expected \(2, 3\)"),
        (W * np.nan, ValueError, r"gave NaN or infinity in float32"),
        (np.full((2, 3), "a"), TypeError, r"gave an array of <U1, expected float32 or float64"),
        (W > 2, TypeError, r"gave an array of bool, expected float32 or float64"),
        ([[1.0, 2.0], [3.0]], ValueError, r"inhomogeneous"),
        (float("nan"), ValueError, r"Constant: value must be a finite number, got nan"),
        (1e300, ValueError, r"Constant\(value=1e\+300\) gave NaN or infinity in float32"),
        (W * 1e300, ValueError, r"gave NaN or infinity in float32"),
        ("he_norml", ValueError, r"no initializer is called 'he_norml'; did you mean 'he_normal'\?"),
        ("Xavier_Uniform", ValueError, r"no initializer is called 'Xavier_Uniform'; did you mean 'xavier_uniform'\?"),
        ("zero", ValueError, r"did you mean 'zeros'\?"),
        ("", ValueError, r"no initializer is called ''"),
        (init.HeNormal, TypeError, r"an initializer is an object: write HeNormal\(...\), not HeNormal"),
        (init.Constant, TypeError, r"write Constant\(...\), not Constant"),
        (None, TypeError, r"a function \(shape, rng\) -> array; got NoneType"),
        (True, TypeError, r"a function \(shape, rng\) -> array; got bool"),
        ({"scale": 1}, TypeError, r"a function \(shape, rng\) -> array; got dict"),
        (lambda shape, rng: np.ones(shape[::-1]), ValueError, r"of shape \(3, 2\), expected \(2, 3\)"),
        (lambda shape, rng: 1.0, ValueError, r"of shape \(\), expected \(2, 3\)"),
        (lambda shape, rng: np.full(shape, np.nan), ValueError, r"gave NaN or infinity in float32"),
        (lambda shape, rng: np.full(shape, 1e300), ValueError, r"gave NaN or infinity in float32"),
        (lambda shape, rng: np.ones(shape, int), TypeError, r"gave an array of int64, expected float32 or float64"),
        (lambda shape, rng: None, ValueError, r"returned None; it must return the array"),
        (lambda shape, rng: rng.normal(shape, std=-1), ValueError, r"std=-1"),
        (lambda shape, rng: np.add("a", 1), TypeError, r"ufunc 'add' did not contain a loop"),
        (lambda shape: np.ones(shape), TypeError, r"takes 1 positional argument but 2 were given"),
    ],
)
def test_an_initializer_that_gives_no_weights_is_an_error(spec, error, message):
    with pytest.raises(error, match=r"^Linear weight_init: .*" + message):
        nn.Linear(3, 2, weight_init=spec)


def test_an_error_about_the_bias_names_the_bias():
    with pytest.raises(ValueError, match=r"^Linear bias_init: Given\('array'\) gave an array of shape \(3,\), expected \(2,\)"):
        nn.Linear(3, 2, bias_init=np.ones(3))


@pytest.mark.parametrize("dtype", [np.float16, int, complex])
@pytest.mark.parametrize("layer", [nn.Linear, nn.BatchNorm1d])
def test_an_unsupported_dtype_is_an_error(layer, dtype):
    sizes = (3, 2) if layer is nn.Linear else (3,)
    with pytest.raises(TypeError, match=rf"{layer.__name__}.*dtype must be float32 or float64, got {np.dtype(dtype)}"):
        layer(*sizes, dtype=dtype)


@pytest.mark.parametrize("make", [lambda dtype: nn.Linear(3, 2, dtype=dtype), lambda dtype: nn.BatchNorm1d(3, dtype=dtype)])
def test_what_is_not_a_dtype_is_an_error_that_names_the_layer(make):
    with pytest.raises(TypeError, match=r"^(Linear|BatchNorm1d): data type 'nonesuch' not understood"):
        make("nonesuch")


@pytest.mark.parametrize(
    ("rng", "error", "message"), [("0", TypeError, "rng must be .*, got str"), (-1, ValueError, "seed must be .*, got -1")]
)
def test_an_rng_that_is_none_is_an_error(rng, error, message):
    with pytest.raises(error, match=message):
        nn.Linear(3, 2, rng=rng)


@pytest.mark.parametrize(
    ("dtype", "x"),
    [
        (np.float32, np.ones((4, 3))),
        (np.float32, minidl.Tensor(np.ones((4, 3)))),
        (np.float64, np.ones((4, 3), np.float32)),
        (np.float64, minidl.Tensor([[1, 2, 3]])),
    ],
)
def test_an_input_of_the_other_float_dtype_is_an_error(dtype, x):
    layer = nn.Linear(3, 2, dtype=dtype)
    with pytest.raises(TypeError, match=rf"Linear has {np.dtype(dtype)} parameters, got {x.dtype} input; .*dtype=np.{x.dtype}"):
        layer(x)


@pytest.mark.parametrize("layer", [nn.Tanh, nn.ReLU, nn.Flatten, nn.Softplus, nn.GELU, nn.Module])
def test_an_argument_that_a_layer_does_not_know_is_an_error(layer):
    with pytest.raises(TypeError):
        layer(5)
    with pytest.raises(TypeError):
        layer(approximate="tanh")


def test_the_remedy_for_a_tensor_of_the_other_dtype_can_be_followed():
    x = minidl.Tensor(np.ones((4, 3)))
    with pytest.raises(TypeError) as caught:
        nn.Linear(3, 2)(x)
    assert ".astype" not in str(caught.value) or hasattr(x, "astype")


@pytest.mark.parametrize(("shape", "remedy"), [((32, 100), 100), ((32,), 32), ((64, 1), 1), ((2, 64, 5), 5)])
def test_an_input_of_another_number_of_features_is_an_error_that_shows_both_shapes(shape, remedy):
    message = rf"^Linear expects input of shape \(batch, 64\), got {re.escape(repr(shape))}; .*in_features={remedy}$"
    with pytest.raises(ValueError, match=message):
        nn.Linear(64, 10)(np.zeros(shape, np.float32))


def test_a_number_is_not_an_input():
    with pytest.raises(ValueError, match=r"Linear expects input of shape \(batch, 64\), got \(\)"):
        nn.Linear(64, 10)(3.0)


def test_dropout_zeroes_a_share_p_and_divides_the_others_by_what_is_left():
    x = np.linspace(1, 2, 10_000, dtype=np.float32)
    y = nn.Dropout(0.3, rng=0)(x).data
    dropped = y == 0
    assert abs(dropped.mean() - 0.3) < 4 * 0.00458  # four standard errors, each sqrt(0.3 * 0.7 / 10,000)
    np.testing.assert_allclose(y[~dropped], x[~dropped] / 0.7, rtol=1e-6)


def test_dropout_lets_the_gradient_through_where_it_let_the_value_through():
    x = minidl.Tensor(np.ones(100, np.float32), requires_grad=True)
    y = nn.Dropout(0.5, rng=0)(x)
    y.sum().backward()
    assert x.grad.tolist() == y.data.tolist()
    assert set(x.grad.tolist()) == {0, 2}


@pytest.mark.parametrize(("p", "training"), [(0.5, False), (1, False), (0, True)])
def test_dropout_does_nothing_in_evaluation_or_with_p_0(p, training):
    x = np.ones(10, np.float32)
    assert nn.Dropout(p).train(training)(x).data.tolist() == x.tolist()


def test_dropout_of_everything_is_zero_and_so_is_its_gradient():
    x = minidl.Tensor(np.ones(10, np.float32), requires_grad=True)
    y = nn.Dropout(1)(x)
    y.sum().backward()
    assert not y.data.any()
    assert not x.grad.any()


def test_dropout_is_repeatable_by_its_seed_and_differs_from_call_to_call():
    x = np.ones(50, np.float32)
    first, second = nn.Dropout(rng=1), nn.Dropout(rng=1)
    calls = [first(x).data.tolist(), first(x).data.tolist()]
    assert calls == [second(x).data.tolist(), second(x).data.tolist()]
    assert calls[0] != calls[1]


@pytest.mark.parametrize("duplicate", [lambda layer: layer, copy.deepcopy], ids=["itself", "a deep copy"])
def test_dropout_without_rng_follows_the_global_seed(duplicate):
    layer, x = duplicate(nn.Dropout()), np.ones(50, np.float32)
    first, second = (minidl.manual_seed(2) and layer(x).data.tolist() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_dropout_probability_outside_0_to_1_is_an_error(p):
    with pytest.raises(ValueError, match=rf"Dropout: p must be a probability from 0 to 1, got {p}"):
        nn.Dropout(p)


@pytest.mark.parametrize(
    ("shape", "flat"), [((2, 3, 4), (2, 12)), ((2, 3), (2, 3)), ((5, 1, 1, 1), (5, 1)), ((0, 3, 4), (0, 12)), ((2, 0), (2, 0))]
)
def test_flatten_joins_all_axes_but_the_first(shape, flat):
    x = minidl.Tensor(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), requires_grad=True)
    y = nn.Flatten()(x)
    assert y.shape == flat
    assert y.data.ravel().tolist() == x.data.ravel().tolist()
    y.backward(2 * y.data)
    assert x.grad.tolist() == (2 * x.data).tolist()


@pytest.mark.parametrize("name", RECORDED)
def test_activations_and_their_gradients_are_those_of_pytorch(name):
    recorded = RECORDED[name]
    activation = getattr(nn, name.partition(" ")[0])(**recorded["arguments"])
    x = minidl.Tensor(np.array(recorded["x"]), requires_grad=True)
    y = activation(x)
    y.backward(np.array(recorded["dy"]))
    np.testing.assert_allclose(y.data, recorded["y"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(x.grad, recorded["dx"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", RECORDED)
def test_activations_keep_float32(name):
    recorded = RECORDED[name]
    activation = getattr(nn, name.partition(" ")[0])(**recorded["arguments"])
    x = minidl.Tensor(np.array(recorded["x"], np.float32), requires_grad=True)
    y = activation(x)
    y.backward(np.array(recorded["dy"], np.float32))
    assert y.dtype == x.grad.dtype == np.float32
    # PyTorch's float64 values at decimals that float32 rounds: eight units in the last place
    np.testing.assert_allclose(y.data, recorded["y"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(x.grad, recorded["dx"], rtol=1e-6, atol=1e-6)


# Residual


def test_residual_adds_the_branch_and_with_a_factor_at_0_it_is_the_identity():
    branch = nn.Linear(2, 2, weight_init=[[1.0, 2.0], [3.0, 4.0]], bias_init=1.0)
    x = np.array([[1.0, -1.0]], np.float32)  # branch: [1 - 2 + 1, 3 - 4 + 1] = [0, 0]; for [1, 1]: [4, 8]
    assert nn.Residual(branch)(x).data.tolist() == [[1, -1]]
    assert nn.Residual(branch)([[1.0, 1.0]]).data.tolist() == [[5, 9]]
    assert nn.Residual(branch, scale_init=0.5)([[1.0, 1.0]]).data.tolist() == [[3, 5]]
    assert nn.Residual(branch, scale_init="zeros")([[1.0, 1.0]]).data.tolist() == [[1, 1]]


def test_in_rezero_the_factor_learns_first():
    """y = x + alpha f(x) with alpha = 0: dL/dalpha = sum f(x) dy, and nothing reaches the weights of f yet."""
    block = nn.Residual(nn.Linear(2, 2, weight_init=1.0), scale_init=0.0)
    block([[1.0, 2.0]]).sum().backward()
    assert block.scale.grad.tolist() == 6  # f(x) = [3, 3]
    assert not block.branch.weight.grad.any()


def test_a_residual_block_shows_its_initializer_and_its_parameters_have_names():
    block = nn.Residual(nn.Tanh(), scale_init=init.Zeros())
    assert repr(block) == "Residual(\n  scale_init=Zeros()\n  (branch): Tanh()\n)"
    assert [name for name, _ in block.named_parameters()] == ["scale"]
    assert list(nn.Residual(nn.Linear(2, 2)).state_dict()) == ["branch.weight", "branch.bias"]


def test_a_branch_that_is_not_a_module_or_changes_the_shape_is_an_error():
    with pytest.raises(TypeError, match="Residual takes a module, got list; of several layers make a Sequential"):
        nn.Residual([nn.Tanh()])
    model = nn.Sequential(nn.Residual(nn.Linear(3, 2)))
    with pytest.raises(ValueError, match=r"Residual '0' adds its input .* shapes \(1, 3\) and \(1, 2\)"):
        model(np.ones((1, 3), np.float32))
    with pytest.raises(ValueError, match="Residual scale_init: no initializer is called 'zeroes'"):
        nn.Residual(nn.Tanh(), scale_init="zeroes")
    with pytest.raises(TypeError, match="Residual: dtype must be float32 or float64, got int64"):
        nn.Residual(nn.Tanh(), scale_init=1, dtype=np.int64)


@pytest.mark.parametrize("view", [False, True])
def test_layers_whose_function_returns_one_array_twice_do_not_share_it(view):
    kept = np.ones((2, 3), np.float32)
    first, second = (nn.Linear(3, 2, weight_init=lambda shape, rng: kept[:] if view else kept) for _ in range(2))
    first.weight.data[...] = 5
    assert (kept == 1).all()
    assert (second.weight.data == 1).all()


@pytest.mark.skipif(not minidl.ownership._limit, reason="this Python does not say who holds an array")
@pytest.mark.skipif(minidl.kernels.backend != "compiled", reason="the reference kernels work with copies")
def test_a_layer_is_made_without_a_second_copy_of_its_weights():
    tracemalloc.start()
    try:
        layer = nn.Linear(1000, 1000, bias=False, weight_init="xavier_normal", rng=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert layer.weight.data.nbytes <= peak < 1.05 * layer.weight.data.nbytes


def masked(*shape, dtype=np.float32):
    return np.ma.masked_less(np.arange(np.prod(shape)).reshape(shape).astype(dtype), 1)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: nn.Linear(3, 2)(masked(2, 3)), "Linear cannot take MaskedArray"),
        (lambda: nn.Sequential(nn.Linear(3, 2))(masked(2, 3, dtype=int)), "Linear '0' cannot take MaskedArray"),
        (lambda: nn.Linear(3, 2)([masked(3), masked(3)]), "Linear expects numbers, got list"),
        (lambda: nn.BatchNorm1d(3)(masked(2, 3)), "BatchNorm1d cannot take MaskedArray"),
        (lambda: nn.Tanh()(masked(2, 3)), ""),
        (lambda: nn.Linear(3, 2, weight_init=masked(2, 3)), "Linear weight_init"),
        (lambda: nn.Linear(3, 2, weight_init=lambda shape, rng: masked(*shape)), "Linear weight_init"),
        (lambda: nn.Parameter(masked(2, 3)), ""),
        (lambda: init.zeros_(masked(2, 3)), "zeros_"),
        (lambda: nn.Module().register_buffer("seen", masked(2, 3)), ""),
        (lambda: DataLoader((masked(4, 3), np.arange(4))), ""),
        (lambda: DataLoader(([masked(3), masked(3)], np.arange(2))), ""),
        (lambda: flow.compare({"a": 0.0}, (masked(4, 3), np.arange(4), masked(4, 3), np.arange(4))), ""),
        (lambda: nn.MSELoss()(np.ones((2, 3), np.float32), masked(2, 3)), ""),
    ],
)
def test_a_mask_is_not_dropped_silently(use, message):
    with pytest.raises(TypeError, match=rf"{message}.*the mask of a masked array would get lost"):
        use()


def test_a_mask_in_a_state_dict_is_not_dropped_silently():
    with pytest.raises(ValueError, match=r"weight: .*the mask of a masked array would get lost"):
        nn.Linear(3, 2).load_state_dict({"weight": masked(2, 3), "bias": np.ones(2)})
