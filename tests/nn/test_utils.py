"""Tests clipping by the norm: against PyTorch 2.13, by hand, with huge and tiny gradients, and what it refuses."""

import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest
from interrupts import states_after_interrupts

from minidl import Tensor, nn
from minidl.nn.utils import clip_grad_norm_

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "optim.json").read_text())["clips"]


def with_gradients(*gradients, dtype=np.float64):
    parameters = []
    for gradient in gradients:
        parameters.append(Tensor(np.zeros(np.shape(gradient), dtype), requires_grad=True))
        parameters[-1].grad = np.array(gradient, dtype)
    return parameters


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 3e-7)])
@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: str(case["arguments"]))
def test_norm_and_gradients_are_those_of_pytorch(case, dtype, tolerance):
    arguments = {name: float(value) for name, value in case["arguments"].items()}
    parameters = with_gradients(*RECORDED["gradients"], dtype=dtype)
    assert clip_grad_norm_(parameters, **arguments) == pytest.approx(case["norm"], rel=tolerance)
    for p, expected in zip(parameters, case["clipped"], strict=True):
        np.testing.assert_allclose(p.grad, expected, rtol=tolerance)
        assert p.grad.dtype == dtype


def test_the_arguments_have_the_order_and_defaults_of_pytorch():
    parameters = inspect.signature(clip_grad_norm_).parameters
    assert list(parameters) == ["parameters", "max_norm", "norm_type", "error_if_nonfinite"]
    assert [p.default for p in parameters.values()][2:] == [2, False]


@pytest.mark.parametrize(
    ("gradients", "norm_type", "norm"),
    [
        (([3.0], [[4.0]]), 2, 5),
        (([3.0], [-4.0]), 1, 7),
        (([3.0], [-4.0]), math.inf, 4),
        (([2.0, 2.0, 2.0, 2.0],), 0.5, 32),  # (4 sqrt 2)^2
        (([0.0, 0.0],), 2, 0),
        (([],), 2, 0),
        (([],), math.inf, 0),
        (([1e-200, 1e-200],), 2, math.sqrt(2) * 1e-200),  # the squares are 0
        (([3e200, -4e200],), 2, 5e200),  # the squares are infinite
        (([3e-320, 4e-320],), 2, 5e-320),
    ],
)
def test_norms_by_hand(gradients, norm_type, norm):
    parameters = with_gradients(*gradients)
    assert clip_grad_norm_(parameters, 1.0, norm_type) == pytest.approx(norm, rel=1e-3 if 0 < norm < 1e-300 else 1e-14)
    after = np.concatenate([np.ravel(p.grad) for p in parameters])
    before = np.concatenate([np.ravel(g) for g in gradients])
    np.testing.assert_allclose(after, before * (1 / (norm + 1e-6)) if norm > 1 else before, rtol=1e-14)


def test_a_float32_gradient_whose_square_overflows_is_clipped():
    (p,) = with_gradients([3e30, -4e30], dtype=np.float32)
    assert clip_grad_norm_(p, 1.0) == pytest.approx(5e30, rel=1e-7)
    np.testing.assert_allclose(p.grad, [0.6, -0.8], rtol=1e-6)


def test_parameters_without_gradients_are_passed_over_and_a_shared_one_counts_once():
    a, b = with_gradients([3.0, 4.0], [1.0])
    b.grad = None
    assert clip_grad_norm_([b], 1.0) == 0
    assert clip_grad_norm_(iter([a, b, a]), 10.0) == 5
    assert clip_grad_norm_([], 1.0) == 0
    assert b.grad is None
    assert a.grad.tolist() == [3, 4]


def test_two_gradients_that_are_one_array_are_each_clipped_once():
    a, b = with_gradients([3.0], [0.0])
    b.grad = a.grad
    norm = clip_grad_norm_([a, b], 1.0)
    assert norm == pytest.approx(math.sqrt(18))
    assert a.grad.tolist() == b.grad.tolist() == pytest.approx([3 / (norm + 1e-6)])


@pytest.mark.parametrize(("value", "clipped"), [(math.inf, [math.nan, 0]), (math.nan, [math.nan, math.nan])])
def test_a_norm_that_is_not_finite_is_an_error_if_asked_for(value, clipped):
    (p,) = with_gradients([value, 1.0])
    with pytest.raises(ValueError, match=rf"^clip_grad_norm_: the norm of the gradients is {value}, so they cannot be clipped"):
        clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(p.grad, [value, 1])
    np.testing.assert_array_equal(clip_grad_norm_([p], 1.0), value)
    np.testing.assert_array_equal(p.grad, clipped)


@pytest.mark.parametrize(
    ("parameters", "arguments", "error", "message"),
    [
        (3, (1.0,), TypeError, "takes tensors, got int; pass model.parameters()"),
        ([np.ones(2)], (1.0,), TypeError, "takes tensors, got ndarray at place 0"),
        (nn.Linear(2, 1), (1.0,), TypeError, "takes tensors, got Linear"),
        ([], (-1.0,), ValueError, "max_norm must be a number of at least 0, got -1.0"),
        ([], (math.nan,), ValueError, "max_norm must be a number of at least 0, got nan"),
        ([], (np.complex64(1),), ValueError, "max_norm must be a number of at least 0"),
        ([], ("1",), ValueError, "max_norm must be a number of at least 0, got '1'"),
        ([], (1.0, 0), ValueError, "norm_type must be a number above 0, got 0"),
        ([], (1.0, -2.0), ValueError, "norm_type must be a number above 0, got -2.0"),
        ([], (1.0, "inf"), ValueError, "norm_type must be a number above 0, got 'inf'"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_it(parameters, arguments, error, message):
    with pytest.raises(error, match=f"^clip_grad_norm_:? {message.replace('(', chr(92) + '(').replace(')', chr(92) + ')')}"):
        clip_grad_norm_(parameters, *arguments)


def test_a_norm_beyond_all_floats_is_infinite():
    (p,) = with_gradients([1.0] * 1000)
    assert clip_grad_norm_([p], 1.0, norm_type=1 / 200) == math.inf  # 1000^200
    assert not p.grad.any()


def test_an_interrupt_leaves_all_gradients_or_none():
    found = states_after_interrupts(
        lambda: with_gradients([3.0], [4.0]), lambda p: clip_grad_norm_(p, 0.0), lambda p: [q.grad.tolist() for q in p]
    )
    assert found == [[[3], [4]], [[0], [0]]]


def test_clipping_bounds_the_step():
    layer = nn.Linear(2, 1, rng=0)
    (layer(np.full((4, 2), 1e6, np.float32)) ** 2).sum().backward()
    assert clip_grad_norm_(layer.parameters(), 1.0) > 1e6
    total = math.sqrt(sum(float((p.grad.astype(float) ** 2).sum()) for p in layer.parameters()))
    assert total == pytest.approx(1, rel=1e-6)
