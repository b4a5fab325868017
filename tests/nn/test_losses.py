"""Tests the loss modules against values worked out by hand and against values recorded from PyTorch 2.13."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import nn

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "training.json").read_text())["losses"]
LOSSES = ["CrossEntropyLoss", "MSELoss", "BCEWithLogitsLoss"]
REDUCTIONS = ["mean", "sum", "none"]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_their_gradients_are_those_of_pytorch(name, reduction):
    recorded = RECORDED["cases"][name]
    x = minidl.Tensor(np.array(RECORDED["x"]), requires_grad=True)
    loss = getattr(nn, name)(reduction=reduction)(x, np.array(recorded["target"]))
    loss.backward(np.ones(loss.shape))
    np.testing.assert_allclose(loss.data, recorded[reduction]["loss"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(x.grad, recorded[reduction]["dx"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_without_an_argument_it_is_the_mean(name):
    recorded = RECORDED["cases"][name]
    loss = getattr(nn, name)()(np.array(RECORDED["x"]), np.array(recorded["target"]))
    assert loss.item() == pytest.approx(recorded["mean"]["loss"], rel=1e-12)


def test_cross_entropy_of_equal_scores_is_the_logarithm_of_the_number_of_classes():
    assert nn.CrossEntropyLoss()(np.zeros((4, 10)), [0, 3, 9, 9]).item() == pytest.approx(math.log(10), rel=1e-15)


def test_cross_entropy_takes_scores_before_the_softmax_however_large():
    loss = nn.CrossEntropyLoss(reduction="none")(np.array([[1000.0, 0.0], [0.0, 1000.0]]), [0, 0])
    assert loss.data.tolist() == [0, 1000]


def test_mean_squared_error_by_hand():
    loss = nn.MSELoss()(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [5.0, 1.0]]))
    assert loss.item() == 3.5  # (1 + 0 + 4 + 9) / 4


def test_binary_cross_entropy_by_hand():
    loss = nn.BCEWithLogitsLoss(reduction="none")(np.array([0.0, math.log(3), -800.0]), np.array([1.0, 0.0, 1.0]))
    # sigmoid gives 1/2, 3/4 and next to nothing
    np.testing.assert_allclose(loss.data, [math.log(2), math.log(4), 800], rtol=1e-15)


@pytest.mark.parametrize("reduction", ["average", "Mean", "", None, True])
@pytest.mark.parametrize("name", LOSSES)
def test_a_wrong_reduction_is_an_error_when_the_loss_is_made(name, reduction):
    with pytest.raises(ValueError, match=rf"^{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}"):
        getattr(nn, name)(reduction=reduction)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ([0, 10], ValueError, r"labels from 0 to 9 for input of shape \(2, 10\), got 10 at index 1"),
        ([-1, 0], ValueError, r"labels from 0 to 9 .* got -1 at index 0"),
        ([0, 1, 2], ValueError, r"got \(2, 10\) and \(3,\)"),
        ([0.0, 1.0], TypeError, r"class numbers as target, got dtype float64"),
        (np.eye(10, dtype=int)[:2], ValueError, r"got \(2, 10\) and \(2, 10\)"),
        (np.eye(10)[:2] * 2, ValueError, r"target probabilities from 0 to 1, got values from 0\.0 to 2\.0"),
    ],
)
def test_labels_that_do_not_fit_are_errors(target, error, message):
    with pytest.raises(error, match=r"^cross_entropy expects .*" + message):
        nn.CrossEntropyLoss()(np.zeros((2, 10)), target)


@pytest.mark.parametrize("name", ["MSELoss", "BCEWithLogitsLoss"])
def test_targets_of_another_shape_are_no_broadcast_but_an_error(name):
    with pytest.raises(ValueError, match=r"expects input and target of one shape, got \(4, 1\) and \(4,\)"):
        getattr(nn, name)()(np.zeros((4, 1)), np.zeros(4))


def test_a_target_that_is_not_a_probability_is_an_error():
    with pytest.raises(ValueError, match=r"targets from 0 to 1, got values from 0\.0 to 2\.0"):
        nn.BCEWithLogitsLoss()(np.zeros(2), np.array([0.0, 2.0]))
