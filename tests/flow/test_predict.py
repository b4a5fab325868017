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


def test_predict_begins_with_the_second_moment_of_the_input():
    model = nn.Sequential(nn.Linear(500, 500, bias=False, weight_init="lecun_normal", rng=0))
    assert flow.predict(model, 9.0)["0"].std == pytest.approx(3)


class Own(nn.Module):
    """Linear, as somebody else would write it."""

    def __init__(self, n_in, n_out, **options):
        layer = nn.Linear(n_in, n_out, **options)
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x):
        return x @ self.weight.T + self.bias


class Joined(Own):
    def propagate(self, signal):
        return signal.linear(self.weight, self.bias)


@pytest.mark.parametrize("first", [[], [nn.Tanh()], [nn.Flatten(), nn.Dropout(0.25)]])
def test_a_layer_of_ones_own_joins_the_theory_by_its_method_and_without_it_the_theory_stops(first):
    def predicted(layer):
        return list(flow.predict(nn.Sequential(*first, layer(30, 40, rng=0), nn.ReLU(), nn.Linear(40, 5))).values())

    assert predicted(Joined) == predicted(nn.Linear)
    stopped = predicted(Own)[len(first) :]
    assert [prediction.std for prediction in stopped] == [None, None, None]


def test_the_width_is_that_of_the_first_layer_that_says_one():
    """The spread of tanh over random networks shows the number of its units: it falls as 1 / sqrt(width)."""
    spreads = [flow.predict(nn.Sequential(nn.Tanh(), layer))["0"].std_spread for layer in (nn.Linear(4, 9), nn.BatchNorm1d(16))]
    assert spreads[0] == pytest.approx(2 * spreads[1], rel=1e-12)


def test_predict_says_where_it_cannot_know_the_order():
    with pytest.raises(ValueError, match=r"Twice may call its own in any order; flow\.measure\(model, x\)"):
        flow.predict(Twice())
    with pytest.raises(ValueError, match="input_second_moment must be a finite number of at least 0, got -1"):
        flow.predict(mlp(), -1)


class Stretched(nn.Module):
    """An activation that holds what may change unseen: a list."""

    def __init__(self):
        self.factors = [1.0]

    def forward(self, x):
        return x * self.factors[0]

    def propagate(self, signal):
        return signal.elementwise(self)


def test_an_activation_that_changes_is_predicted_as_it_is_now():
    activation = Stretched()
    model = nn.Sequential(nn.Linear(50, 50, weight_init="lecun_normal", rng=0), activation)
    before = flow.predict(model)["1"].std
    activation.factors[0] = 3.0
    assert flow.predict(model)["1"].std == pytest.approx(3 * before)
