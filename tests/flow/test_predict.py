"""Tests what is predicted of whole models against the figures of a known network, and the errors."""

import pytest
from flow_models import Twice, deep, mlp

from minidl import flow, nn


def test_predict_needs_no_data():
    predictions = flow.predict(deep(nn.Tanh, 500**-0.5))
    assert list(predictions) == [str(i) for i in range(20)]
    known = [0.628, 0.486, 0.409, 0.357, 0.321, 0.293, 0.271, 0.256, 0.242, 0.229]
    assert [predictions[str(i)].std for i in range(1, 20, 2)] == pytest.approx(known, rel=0.03)
    assert predictions["19"].grad_ratio == 1
    assert 0.3 < predictions["1"].grad_ratio < 0.5


def test_predict_starts_from_the_second_moment_of_the_input():
    model = nn.Sequential(nn.Linear(500, 500, bias=False, weight_init="lecun_normal", rng=0))
    assert flow.predict(model, 9.0)["0"].std == pytest.approx(3)


def test_predict_says_where_it_cannot_know_the_order():
    with pytest.raises(ValueError, match=r"Twice may call its own in any order; flow\.measure\(model, x\)"):
        flow.predict(Twice())
    with pytest.raises(ValueError, match="input_second_moment must be a finite number of at least 0, got -1"):
        flow.predict(mlp(), -1)
