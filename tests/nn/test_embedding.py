"""Tests Embedding against one-hot products, and Identity. PyTorch's values and gradients are in test_expressions."""

import numpy as np
import pytest

import minidl
from minidl import nn


def test_an_embedding_is_a_linear_layer_behind_one_hot_vectors():
    layer = nn.Embedding(5, 3, rng=0, dtype=np.float64)
    numbers = np.array([[4, 0], [1, 4], [4, 4]])
    y = layer(numbers)
    np.testing.assert_array_equal(y.data, np.eye(5)[numbers] @ layer.weight.data)
    y.backward(np.ones(y.shape))
    np.testing.assert_array_equal(layer.weight.grad, np.array([1, 1, 0, 0, 4])[:, None] * np.ones(3))


def test_its_fans_are_one_weight_for_an_output_and_a_row_for_a_gradient():
    layer = nn.Embedding(1000, 400, weight_init="he_normal", rng=0)
    assert layer.weight.fans == (1, 400)
    # He's variance is 2 / fan_in = 2, that of the output too; 400,000 squares vary by (2 / 400,000)^0.5 = 0.2 %.
    assert layer.weight.data.var() == pytest.approx(2, rel=0.01)
    assert layer(np.arange(1000)).data.var() == pytest.approx(2, rel=0.01)
    assert nn.Embedding(1000, 400, rng=0).weight.data.std() == pytest.approx(1, rel=0.01)  # PyTorch's default, N(0, 1)


def test_the_row_for_padding_is_zero_and_stays_so():
    layer = nn.Embedding(4, 2, padding_idx=-1, rng=0)
    assert layer.padding_idx == 3
    assert layer.weight.data[3].tolist() == [0, 0]
    layer([3, 1]).sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [1, 1], [0, 0], [0, 0]]


def test_a_row_that_is_taken_a_million_times_gets_the_whole_sum():
    layer = nn.Embedding(1, 1)
    (layer(np.zeros(1_000_000, int)) * 0.1).sum().backward()
    assert layer.weight.grad[0, 0] == pytest.approx(100_000, rel=1e-6)


def test_nothing_comes_of_nothing():
    layer = nn.Embedding(3, 2)
    y = layer(np.zeros((0, 4), int))
    assert y.shape == (0, 4, 2)
    y.sum().backward()
    assert not layer.weight.grad.any()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([0, 5], r"Embedding 'letters' cannot go on: .*no row 5 in .*from 0 to 4"),
        ([-1], r"no row -1 in .*from 0 to 4"),
        ([0.5], r"expects integers, got float64"),
        (minidl.Tensor([1.0]), r"expects integers, got float32"),
    ],
)
def test_what_has_no_row_is_an_error_that_names_the_layer(numbers, message):
    model = nn.ModuleDict({"letters": nn.Embedding(5, 2)})
    with pytest.raises(ValueError, match=message):
        model["letters"](numbers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 2), "num_embeddings"),
        ((2, 2.5), "embedding_dim"),
        ((2, 2, 2), "padding_idx.*2 rows, got 2"),
        ((2, 2, -3), "padding_idx"),
    ],
)
def test_arguments_that_cannot_be_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        nn.Embedding(*arguments)


def test_a_padding_row_is_0_also_when_the_model_is_initialized():
    model = nn.Sequential(nn.Embedding(4, 3, padding_idx=-3))
    plain = nn.Sequential(nn.Embedding(4, 3)).initialize(0)
    model.initialize(0)
    np.testing.assert_array_equal(model[0].weight.data, plain[0].weight.data * [[1], [0], [1], [1]])
    model.initialize(0, rules={"*.weight": "ones"})
    assert model[0].weight.data.sum(1).tolist() == [3, 0, 3, 3]


def test_identity_takes_anything_and_does_nothing():
    x = minidl.Tensor([1.0, 2.0], requires_grad=True)
    assert nn.Identity(5, out_features=3)(x) is x
