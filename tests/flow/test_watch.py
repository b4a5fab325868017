"""Tests what is seen of a training against `measure`, the steps that were taken, and a training that nobody watched."""

import math

import numpy as np
import pytest
from flow_models import X, Y, mlp

from minidl import flow, kernels, nn, no_grad, optim
from minidl import functional as F
from minidl.nn import module as hooks
from minidl.random import Generator
from minidl.tensor import backward_observers


def train(model, steps, watched=None, momentum=0.9):
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
    moves = []
    for _ in range(steps):
        before = model[0].weight.data.copy()
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()
        moves.append(np.linalg.norm(model[0].weight.data - before) / np.linalg.norm(before))
    return moves


def test_watching_gives_what_measuring_gives_and_the_steps_that_were_taken():
    model = mlp(nn.ReLU)
    report = flow.measure(model, X, Y)
    with flow.watch(model, every=3) as w:
        moves = train(model, 8)
    assert w.steps == [0, 3, 6]
    assert (w.names, w.kinds) == (["0", "1", "2", "3", "4"], ["Linear", "ReLU", "Linear", "ReLU", "Linear"])
    for key in ("saturated", "dead", "distinct_units", "weight_grad_norm"):
        expected = [math.nan if getattr(r, key) is None else getattr(r, key) for r in report]
        assert w.curves[key][0].tolist() == pytest.approx(expected, rel=1e-6, nan_ok=True), key
    assert w.curves["update_ratio"][:, 0].tolist() == pytest.approx([moves[0], moves[3], moves[6]], rel=1e-4)
    assert np.isnan(w.curves["update_ratio"][:, 1]).all()


def test_the_last_step_is_seen_when_watching_ends():
    model = mlp(nn.ReLU)
    with flow.watch(model, every=1) as w:
        moves = train(model, 2)
    assert w.curves["update_ratio"][:, 0].tolist() == pytest.approx(moves, rel=1e-4)


def test_watching_changes_nothing():
    plain, watched = mlp(), mlp()
    train(plain, 7)
    with flow.watch(watched, every=2):
        train(watched, 7)
    assert {name: value.tolist() for name, value in plain.state_dict().items()} == {
        name: value.tolist() for name, value in watched.state_dict().items()
    }
    assert hooks.observers == []


def test_after_a_batch_norm_of_channels_the_units_are_the_channels():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU(), nn.Flatten(), nn.Linear(15, 3, rng=0), nn.ReLU())
    model[0].weight.data[1], model[0].bias.data[1] = 0, -1
    x = Generator(7).normal((16, 3, 5))
    with flow.watch(model, every=1) as w:
        for _ in range(2):
            F.cross_entropy(model(x), Y).backward()
    assert w.units == [3, 3, 15, 3, 3]
    assert w.curves["dead"][:, 1].tolist() == pytest.approx([1 / 3, 1 / 3])
    report = flow.measure(model, x, Y)
    assert [record.units for record in report] == w.units
    assert [report["1"].dead, report["4"].dead] == pytest.approx([1 / 3, w.curves["dead"][0, 4]])


def test_only_training_steps_of_the_model_count():
    model, other = mlp(), mlp(seed=1)
    with flow.watch(model, every=2) as w:
        for _ in range(4):
            F.cross_entropy(other(X), Y).backward()
            with no_grad():
                model(X)
            flow.measure(model, X, Y)
            flow.predict(model)
            model(X)  # recorded, but never used
            F.cross_entropy(model(X), Y).backward()
    assert w.steps == [0, 2]
    assert w.curves["dead"].shape == (2, 5)


def test_a_long_training_is_watched_in_bounded_memory(monkeypatch):
    monkeypatch.setattr(flow.Watch, "limit", 4)
    with flow.watch(mlp_model := mlp(), every=1) as w:
        train(mlp_model, 20)
    assert len(w.steps) <= 4
    assert w.steps == [0, 8, 16]
    assert w.every == 8
    assert np.isfinite(w.curves["update_ratio"][:, 0]).all()


def test_watching_ends_with_an_error_too():
    with pytest.raises(RuntimeError, match="stop"), flow.watch(mlp()):
        raise RuntimeError("stop")
    assert hooks.observers == []
    assert backward_observers == []


@pytest.mark.parametrize("every", [0, -1, 2.5, True])
def test_every_must_be_a_positive_integer(every):
    with pytest.raises(ValueError, match="every must be a positive integer"):
        flow.watch(mlp(), every)


@pytest.mark.skipif(kernels.backend == "reference", reason="NumPy's matmul may add up equal columns in different orders")
def test_clones_stay_clones_for_all_of_the_training():
    model = mlp(initializer=0.1)
    with flow.watch(model, every=5) as w:
        train(model, 20)
    assert w.curves["distinct_units"][:, 0].tolist() == [1, 1, 1, 1]
