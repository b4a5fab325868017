"""Tests the training loop: its steps are those of a loop written out here, and what it yields is measured where it says."""

import math

import numpy as np
import pytest

from minidl import data, nn, optim, training
from minidl.random import Generator

SPLIT = data.Split(*(array[:50] for array in data.digits()))


def network():
    return nn.Sequential(nn.Linear(64, 8, rng=0), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 10, rng=1))


def test_the_steps_are_those_of_the_loop_written_out():
    ours, theirs = network(), network()
    list(training.epochs(ours, SPLIT, optim.SGD(ours.parameters(), lr=0.1, momentum=0.9), 5, batch_size=16, rng=3))
    optimizer = optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    rng = Generator(3)
    for _ in range(5):
        order = rng.permutation(50)
        for batch in (order[:16], order[16:32], order[32:48], order[48:]):
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(theirs(SPLIT.x_train[batch]), SPLIT.y_train[batch]).backward()
            optimizer.step()
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert np.array_equal(a, b)


def test_an_epoch_is_measured_in_evaluation_mode_and_the_model_is_left_in_training_mode():
    model = network()
    epochs = list(training.epochs(model, SPLIT, optim.SGD(model.parameters(), lr=0.1), 3, rng=0))
    assert len(epochs) == 4
    assert all(module.training for module in model.modules())
    model.eval()
    assert epochs[-1].loss == nn.CrossEntropyLoss()(model(SPLIT.x_train), SPLIT.y_train).item()
    assert epochs[-1].accuracy == (model(SPLIT.x_test).data.argmax(axis=1) == SPLIT.y_test).mean()
    assert epochs[-1].loss < epochs[0].loss


def test_layers_that_are_not_of_minidl_are_called_at_every_step():
    class Counting(nn.Tanh):
        calls = 0

        def forward(self, x):
            self.calls, Counting.calls = 0, Counting.calls + 1
            return super().forward(x)

    replaced, calls = network(), []
    forward = replaced.forward
    replaced.forward = lambda x: calls.append(0) or forward(x)
    for model in (nn.Sequential(network(), Counting()), replaced):
        list(training.epochs(model, SPLIT, optim.SGD(model.parameters(), lr=0.1), 3, batch_size=10, rng=0))
    assert Counting.calls == len(calls) == 3 * 5 + 4 * 2  # batches, and twice an epoch and at first all data


@pytest.mark.parametrize("change", ["layer", "forward", "step", "zero_grad"])
def test_what_is_not_of_minidl_from_some_epoch_on_is_called_at_every_step_from_then_on(change):
    calls = []

    class Counting(nn.Tanh):
        def forward(self, x):
            calls.append(0)
            return super().forward(x)

    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    epochs = training.epochs(model, SPLIT, optimizer, 6, batch_size=10, rng=0)
    for _ in range(3):
        next(epochs)
    if change == "layer":
        model[2] = Counting()
    else:
        owner = model[2] if change == "forward" else optimizer
        usual = getattr(owner, change)
        setattr(owner, change, lambda *x: calls.append(0) or usual(*x))
    list(epochs)
    looks = 2 if change in ("layer", "forward") else 0
    assert len(calls) == 4 * (5 + looks)  # batches, and at the end of an epoch all data, for training and for test


def test_nothing_is_trained_before_it_is_asked_for():
    model = network()
    before = model[0].weight.data.copy()
    epochs = training.epochs(model, SPLIT, optim.SGD(model.parameters(), lr=0.1), 1, rng=0)
    next(epochs)
    assert np.array_equal(model[0].weight.data, before)
    next(epochs)
    assert not np.array_equal(model[0].weight.data, before)


def test_after_each_step_the_gradients_can_be_looked_at():
    model, norms = network(), []
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    look = training.epochs(
        model, SPLIT, optimizer, 2, batch_size=25, rng=0, after_step=lambda: norms.append(np.linalg.norm(model[0].weight.grad))
    )
    list(look)
    assert len(norms) == 4
    assert min(norms) > 0


def test_a_training_that_diverges_goes_on_and_says_so_in_its_loss():
    model = nn.Sequential(nn.Linear(64, 8, rng=0), nn.ReLU(), nn.Linear(8, 10, rng=1))
    epochs = list(training.epochs(model, SPLIT, optim.SGD(model.parameters(), lr=1e30), 3, rng=0))
    assert len(epochs) == 4
    assert not math.isfinite(epochs[-1].loss)


@pytest.mark.parametrize(
    ("split", "count", "message"),
    [
        (SPLIT[:2], 1, r"split must be \(x_train, y_train, x_test, y_test\), got 2 values"),
        (SPLIT, 2.5, "count must be a non-negative integer, got 2.5"),
        (SPLIT, -1, "count must be a non-negative integer, got -1"),
        (SPLIT, True, "count must be a non-negative integer, got True"),
    ],
)
def test_a_wrong_argument_is_named(split, count, message):
    model = network()
    with pytest.raises(ValueError, match=rf"^training\.epochs: {message}$"):
        next(training.epochs(model, split, optim.SGD(model.parameters(), lr=0.1), count))
