"""Tests what the project is about, on the digits: a network that is initialized with zeros never wakes up, one that is
initialized by Xavier's method learns. The claims are theory (which gradients are exactly 0) and ln 10 = 2.3026, the loss
of a guess among ten classes.
"""

import numpy as np
import pytest

from minidl import kernels, nn
from minidl.data import DataLoader, digits
from minidl.optim import SGD

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


@pytest.fixture(scope="module")
def split():
    return digits(seed=0)


def network(activation, weight_init, hidden=(32,)):
    sizes = [64, *hidden]
    layers = []
    for i, (n_in, n_out) in enumerate(zip(sizes, hidden, strict=False)):
        layers += [nn.Linear(n_in, n_out, weight_init=weight_init, rng=i), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10, weight_init=weight_init, rng=len(hidden)))


def epochs(model, split, count, lr, after_backward=lambda: None):
    """Trains, and yields after each epoch."""
    optimizer = SGD(model.parameters(), lr=lr)
    loader = DataLoader((split.x_train, split.y_train), 32, shuffle=True, rng=0)
    for _ in range(count):
        for x, y in loader:
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(model(x), y).backward()
            after_backward()
            optimizer.step()
        yield


def accuracy(model, x, y):
    return (model(x).data.argmax(axis=1) == y).mean()


@pytest.mark.parametrize("hidden", [(32,), (32, 16)])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_from_zero_every_gradient_but_the_output_bias_is_exactly_0_for_ever(activation, hidden, split):
    model = network(activation, "zeros", hidden)
    *others, (last, output_bias) = model.named_parameters()
    assert last.endswith(".bias")
    steps = []

    def look():
        assert all((p.grad == 0).all() for _, p in others)
        steps.append(np.abs(output_bias.grad).max())

    for _ in epochs(model, split, 5, lr=0.1, after_backward=look):
        loss = nn.CrossEntropyLoss()(model(split.x_train), split.y_train).item()
        assert abs(loss - 2.3026) < 0.01
    assert len(steps) == 5 * 45
    assert min(steps) > 0
    assert all((p.data == 0).all() for _, p in others)
    assert len(np.unique(model[0].weight.data, axis=0)) == 1  # one distinct hidden unit


@pytest.mark.skipif(kernels.backend == "reference", reason="NumPy's matmul may add up equal columns in different orders")
@pytest.mark.parametrize(("activation", "weight_init"), [("sigmoid", "zeros"), ("tanh", 0.1), ("relu", 0.1), ("sigmoid", 0.1)])
def test_from_a_constant_all_hidden_units_stay_clones_though_they_move(activation, weight_init, split):
    model = network(activation, weight_init)
    start = model.state_dict()
    for _ in epochs(model, split, 3, lr=0.1):
        weight, bias, output = model[0].weight.data, model[0].bias.data, model[2].weight.data
        # The units do the same arithmetic on the same numbers, wherever in the matrix they stand: to the last bit.
        assert len(np.unique(np.column_stack([weight, bias, output.T]), axis=0)) == 1
    assert (model[0].weight.data != start["0.weight"]).any()
    assert (model[2].weight.data != start["2.weight"]).any()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_from_xavier_the_hidden_units_differ_and_all_get_gradients(activation, split):
    model = network(activation, "xavier_uniform")
    nn.CrossEntropyLoss()(model(split.x_train), split.y_train).backward()
    assert len(np.unique(model[0].weight.grad.round(6), axis=0)) == 32
    assert (np.abs(model[0].weight.grad).max(axis=1) > 0).all()


@pytest.mark.parametrize("weight_init", ["xavier_uniform", "xavier_normal"])
def test_from_xavier_a_small_tanh_network_learns_the_digits(weight_init, split):
    model = network("tanh", weight_init)
    for _ in epochs(model, split, 15, lr=0.5):
        pass
    assert accuracy(model, split.x_train, split.y_train) > 0.95
    assert accuracy(model, split.x_test, split.y_test) > 0.9


def test_from_zero_the_same_network_only_guesses(split):
    model = network("tanh", "zeros")
    for _ in epochs(model, split, 15, lr=0.5):
        pass
    assert len(set(model(split.x_test).data.argmax(axis=1).tolist())) == 1  # the same class for every image
    assert accuracy(model, split.x_test, split.y_test) < 0.15
