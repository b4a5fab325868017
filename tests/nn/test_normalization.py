"""Tests BatchNorm1d against numbers worked out by hand and against training runs recorded from PyTorch 2.13."""

import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest
from interrupts import states_after_interrupts

import minidl
from minidl import nn
from minidl.nn import init

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "training.json").read_text())["batch_norm"]
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def state_of(layer):
    return {name: value.tolist() for name, value in layer.state_dict().items()}


@pytest.mark.parametrize("name", RECORDED["cases"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])  # some 20 roundings of 6e-8
def test_batches_one_after_the_other_give_the_values_and_gradients_of_pytorch(name, dtype, tolerance):
    case = RECORDED["cases"][name]
    batches, dy = RECORDED["batches"][str(case["ndim"])], np.array(RECORDED["dy"][str(case["ndim"])], dtype)
    layer = nn.BatchNorm1d(2, **case["arguments"], weight_init=RECORDED["weight"], bias_init=RECORDED["bias"], dtype=dtype)
    for batch, step in zip(batches, case["steps"], strict=True):
        layer.zero_grad()
        x = minidl.Tensor(np.array(batch, dtype), requires_grad=True)
        y = layer(x)
        y.backward(dy)
        ours = {"y": y.data, "dx": x.grad}
        if layer.weight is not None:
            ours.update(dweight=layer.weight.grad, dbias=layer.bias.grad)
        ours.update((buffer, getattr(layer, buffer)) for buffer in BUFFERS if buffer in step)
        assert set(ours) == set(step)
        for key, expected in step.items():
            np.testing.assert_allclose(ours[key], expected, rtol=tolerance, atol=tolerance, err_msg=key)
            assert key == "num_batches_tracked" or ours[key].dtype == dtype
    before = state_of(layer)
    x = minidl.Tensor(np.array(batches[0], dtype), requires_grad=True)
    y = layer.eval()(x)
    y.backward(dy)
    np.testing.assert_allclose(y.data, case["eval"]["y"], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(x.grad, case["eval"]["dx"], rtol=tolerance, atol=tolerance)
    assert state_of(layer) == before


def test_the_biased_variance_normalizes_and_the_unbiased_one_is_kept():
    # Of 1, 2, 3, 6: mean 3; squared distances 4 + 1 + 0 + 9 = 14; biased 14/4 = 3.5, unbiased 14/3 = 4.666...
    layer = nn.BatchNorm1d(1, eps=0, dtype=np.float64)
    y = layer(np.array([[1.0], [2.0], [3.0], [6.0]]))
    np.testing.assert_allclose(y.data.ravel(), np.array([-2, -1, 0, 3]) / math.sqrt(3.5), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(layer.running_mean, [0.3], rtol=1e-14)  # 0.9 * 0 + 0.1 * 3
    np.testing.assert_allclose(layer.running_var, [0.9 + 0.1 * 14 / 3], rtol=1e-14)  # 0.9 * 1 + 0.1 * 4.666...
    assert layer.num_batches_tracked == 1


def test_evaluation_uses_the_running_statistics():
    layer = nn.BatchNorm1d(2, eps=0, weight_init=[2.0, 1.0], bias_init=[0.5, 0.0]).eval()
    layer.load_state_dict({"running_mean": [1.0, 2.0], "running_var": [4.0, 0.25]}, strict=False)
    assert layer([[3.0, 2.5]]).data.tolist() == [[2.5, 1.0]]  # 2 (3 - 1) / 2 + 0.5, (2.5 - 2) / 0.5


def test_momentum_none_averages_over_all_batches():
    layer = nn.BatchNorm1d(1, momentum=None, dtype=np.float64)
    for batch in ([0.0, 2.0], [3.0, 7.0], [-4.0, 4.0]):  # means 1, 5, 0; unbiased variances 2, 8, 32
        layer(np.array(batch)[:, None])
    np.testing.assert_allclose(layer.running_mean, [2], rtol=1e-14)
    np.testing.assert_allclose(layer.running_var, [14], rtol=1e-14)


@pytest.mark.parametrize(("momentum", "mean", "variance"), [(0, 0, 1), (1, 3, 14 / 3)])
def test_momentum_0_keeps_the_old_values_and_1_takes_the_new_ones(momentum, mean, variance):
    layer = nn.BatchNorm1d(1, momentum=momentum, dtype=np.float64)
    layer(np.array([[1.0], [2.0], [3.0], [6.0]]))
    np.testing.assert_allclose(layer.running_mean, [mean], rtol=1e-14)
    np.testing.assert_allclose(layer.running_var, [variance], rtol=1e-14)


def test_batch_and_length_count_alike_in_a_3_d_input():
    flat = np.array([[1.0], [2.0], [3.0], [6.0]], np.float32)
    first, second = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    assert first(flat).data.ravel().tolist() == second(flat.reshape(2, 1, 2)).data.ravel().tolist()
    assert state_of(first) == state_of(second)


def test_affine_false_has_no_parameters_and_track_running_stats_false_no_buffers():
    assert list(nn.BatchNorm1d(2).state_dict()) == ["weight", "bias", *BUFFERS]
    assert list(nn.BatchNorm1d(2, affine=False).state_dict()) == list(BUFFERS)
    assert list(nn.BatchNorm1d(2, track_running_stats=False).state_dict()) == ["weight", "bias"]


def test_the_initial_values_are_scale_1_and_shift_0_as_the_signature_says():
    parameters = inspect.signature(nn.BatchNorm1d).parameters
    assert list(parameters)[:5] == ["num_features", "eps", "momentum", "affine", "track_running_stats"]
    assert [parameter.default for parameter in parameters.values()][1:5] == [1e-5, 0.1, True, True]
    assert parameters["weight_init"].default == init.Ones()
    assert parameters["bias_init"].default == init.Zeros()
    assert state_of(nn.BatchNorm1d(2)) == {
        "weight": [1, 1],
        "bias": [0, 0],
        "running_mean": [0, 0],
        "running_var": [1, 1],
        "num_batches_tracked": 0,
    }


def test_a_constant_channel_becomes_the_bias():
    layer = nn.BatchNorm1d(1, bias_init=0.25)
    x = minidl.Tensor(np.full((4, 1), 3, np.float32), requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert (y.data == 0.25).all()
    assert np.isfinite(x.grad).all()


def test_a_mean_far_above_the_deviation_keeps_its_digits():
    x = np.float32(1e4) + np.random.default_rng(1).standard_normal((200_000, 3), np.float32)
    exact = x.astype(np.float64)
    layer = nn.BatchNorm1d(3, momentum=1)
    y = layer(x)
    np.testing.assert_allclose(layer.running_mean, exact.mean(axis=0), atol=1e-3)  # numbers like 1e4 are 1e-3 apart
    np.testing.assert_allclose(layer.running_var, exact.var(axis=0, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(y.data, (exact - exact.mean(axis=0)) / np.sqrt(exact.var(axis=0) + 1e-5), atol=2e-3)


@pytest.mark.parametrize("rows", [2, 199, 5000])
def test_a_constant_channel_becomes_0_whatever_the_constant(rows):
    for constant in (1000.1, -3e-7, 0.1, 12345.678):
        assert not nn.BatchNorm1d(1)(np.full((rows, 1), constant, np.float32)).data.any()


def test_the_first_batch_without_a_momentum_gives_its_own_statistics_however_small():
    layer = nn.BatchNorm1d(1, momentum=None)
    x = np.array([[1e-4], [2e-4], [3e-4]], np.float32)
    layer(x)
    np.testing.assert_allclose(layer.running_mean, [2e-4], rtol=1e-6)
    np.testing.assert_allclose(layer.running_var, [1e-8], rtol=1e-6)  # (1e-8 + 0 + 1e-8) / 2
    layer = nn.BatchNorm1d(1, momentum=1)
    layer(x)
    np.testing.assert_allclose(layer.running_var, [1e-8], rtol=1e-6)


@pytest.mark.parametrize("size", [1e30, 3e38])
def test_a_variance_that_overflows_is_an_error_that_leaves_the_running_statistics(size):
    layer = Model().bn1
    before = state_of(layer)
    x = np.random.default_rng(2).uniform(-1, 1, (50, 3)).astype(np.float32)
    x[:, 1] *= np.float32(size)
    largest = rf"{np.abs(x[:, 1]).max():.3g}".replace("+", r"\+")
    with pytest.raises(ValueError, match=rf"^BatchNorm1d 'bn1' .*variance of channel 1 overflows float32.*{largest} in size"):
        layer(x)
    assert state_of(layer) == before


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_in_the_input_is_seen_in_the_output_and_in_the_running_statistics(bad):
    layer, x = nn.BatchNorm1d(2), np.arange(8, dtype=np.float32).reshape(4, 2)
    x[1, 1] = bad
    with np.errstate(invalid="ignore"):
        y = layer(x)
    assert np.isnan(y.data[:, 1]).all()
    assert np.isnan(layer.running_var[1])
    assert np.isfinite(y.data[:, 0]).all()
    assert np.isfinite([layer.running_mean[0], layer.running_var[0]]).all()


@pytest.mark.parametrize("name", BUFFERS[:2])
def test_a_buffer_that_cannot_be_written_to_is_an_error_that_moves_none(name):
    layer = Model().bn1
    before = state_of(layer)
    getattr(layer, name).flags.writeable = False
    with pytest.raises(ValueError, match=rf"^BatchNorm1d 'bn1' .*{name} is read-only"):
        layer(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert state_of(layer) == before


@pytest.mark.parametrize("momentum", [0.1, None])
def test_an_interrupt_finds_all_running_statistics_moved_or_none(momentum):
    def make():
        return nn.BatchNorm1d(1, momentum=momentum)

    x, moved = np.array([[1.0], [2.0], [6.0]], np.float32), make()
    moved(x)
    assert states_after_interrupts(make, lambda layer: layer(x), state_of) == [state_of(make()), state_of(moved)]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn1 = nn.BatchNorm1d(3)


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (0, 3)])
def test_a_batch_of_one_in_training_is_an_error_that_leaves_the_running_statistics(shape):
    layer = Model().bn1
    layer(np.arange(6, dtype=np.float32).reshape(2, 3))
    before = state_of(layer)
    with pytest.raises(ValueError, match=r"^BatchNorm1d 'bn1' .*more than one value per channel, got input of shape \("):
        layer(np.ones(shape, np.float32))
    assert state_of(layer) == before


def test_a_batch_of_one_is_fine_in_evaluation_or_where_it_has_a_length():
    layer = nn.BatchNorm1d(3)
    assert layer(np.ones((1, 3, 2), np.float32)).shape == (1, 3, 2)
    assert layer.eval()(np.ones((1, 3), np.float32)).shape == (1, 3)


@pytest.mark.parametrize("shape", [(4, 2), (3,), (4, 2, 3), (4, 3, 2, 2), ()])
def test_an_input_of_another_shape_is_an_error_that_leaves_the_running_statistics(shape):
    layer = Model().bn1
    before = state_of(layer)
    with pytest.raises(
        ValueError, match=r"^BatchNorm1d 'bn1' expects input of shape \(batch, 3\) or \(batch, 3, length\), got \("
    ):
        layer(np.ones(shape, np.float32))
    assert state_of(layer) == before


def test_an_input_of_the_other_float_dtype_is_an_error_that_leaves_the_running_statistics():
    layer = Model().bn1
    before = state_of(layer)
    with pytest.raises(TypeError, match=r"^BatchNorm1d 'bn1' has float32 parameters, got float64 input"):
        layer(np.ones((4, 3)))
    assert state_of(layer) == before


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_features": 0}, ValueError, "num_features must be a positive integer, got 0"),
        ({"num_features": 2.5}, ValueError, "num_features must be a positive integer, got 2.5"),
        ({"num_features": True}, ValueError, "num_features must be a positive integer, got True"),
        ({"eps": -1e-5}, ValueError, "eps must be a finite number of at least 0, got -1e-05"),
        ({"eps": math.nan}, ValueError, "eps must be a finite number of at least 0, got nan"),
        ({"eps": math.inf}, ValueError, "eps must be a finite number of at least 0, got inf"),
        ({"momentum": 1.1}, ValueError, "momentum must be None or from 0 to 1, got 1.1"),
        ({"momentum": -0.1}, ValueError, "momentum must be None or from 0 to 1, got -0.1"),
        ({"momentum": math.nan}, ValueError, "momentum must be None or from 0 to 1, got nan"),
        ({"weight_init": [1.0, 2.0]}, ValueError, r"weight_init: .* of shape \(2,\), expected \(3,\)"),
        ({"bias_init": "zero"}, ValueError, "bias_init: no initializer is called 'zero'; did you mean 'zeros'"),
        ({"dtype": np.float16, "affine": False}, TypeError, "dtype must be float32 or float64, got float16"),
        ({"dtype": int, "affine": False}, TypeError, "dtype must be float32 or float64, got int64"),
    ],
)
def test_bad_arguments_are_errors(arguments, error, message):
    with pytest.raises(error, match=r"^BatchNorm1d.*" + message):
        nn.BatchNorm1d(**{"num_features": 3} | arguments)
