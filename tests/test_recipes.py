"""Tests the recipes for whole models: muP against numbers worked out by hand, LSUV against its own definition (the variance of
what each layer outputs, measured here) and the coordinate check against what the theory of width says."""

import itertools
import math

import numpy as np
import pytest

import minidl
from minidl import data, init, nn, optim, recipes
from minidl import functional as F
from minidl.random import Generator

DIGITS = data.digits()


# muP


def mlp(width, output="mup_output"):
    return nn.Sequential(
        nn.Linear(64, width, weight_init="lecun_normal", rng=0),
        nn.Tanh(),
        nn.Linear(width, width, weight_init="lecun_normal", rng=1),
        nn.Tanh(),
        nn.Linear(width, 10, weight_init=output, rng=2),
    )


def test_the_learning_rates_of_mup_are_those_of_table_3():
    """Twice the width: input weights and all hidden biases 2 lr, hidden weights lr, output weights lr / 2, output bias lr."""
    model = mlp(64)
    groups = recipes.mup_groups(model, mlp(32), lr=0.5)
    assert [group["lr"] for group in groups] == [1, 1, 0.5, 1, 0.25, 0.5]
    assert [id(p) for group in groups for p in group["params"]] == [id(p) for p in model.parameters()]
    assert {group["lr"] for group in recipes.mup_groups(mlp(32), mlp(32), lr=0.5)} == {0.5}


def test_mup_groups_of_different_networks_are_an_error():
    with pytest.raises(ValueError, match=r"same network in two widths.*0.weight, 0.bias, 2.weight.* and 0.weight, 0.bias$"):
        recipes.mup_groups(mlp(8), nn.Sequential(nn.Linear(64, 10)), lr=1)


def test_in_mup_a_step_changes_every_layer_alike_at_every_width_and_without_it_wide_outputs_change_more():
    """In theory the growth is 0 in muP. With one learning rate and LeCun's initializer at the output, the kernel of an
    infinitely wide network grows like the width, at this learning rate until the loss is used up: the output's change
    must grow."""
    x, y = DIGITS.x_train[:100], DIGITS.y_train[:100]
    widths = [64, 256, 1024]
    mup = recipes.coordinate_check(mlp, widths, x, y, lr=0.1)
    plain = recipes.coordinate_check(lambda width: mlp(width, "lecun_normal"), widths, x, y, lr=0.1, mup=False)
    assert mup.widths == (64, 256, 1024)
    assert list(mup.growth) == ["0", "2", "4"]
    assert max(abs(growth) for growth in mup.growth.values()) < 0.15
    assert plain.growth["4"] > 0.3


def test_a_coordinate_check_of_a_network_worked_out_by_hand():
    """y = v.(w x) with x = 1, all w = 1, all v = 1/n and target 0: y = 1, and its square has dw = 2/n, dv = 2. At the base,
    n = 2, a step of 0.1 makes w = 0.9 and v = 0.3, y = 0.54. For n = 4 muP takes 0.2 for w and 0.05 for v: w = 0.9, v = 0.15
    and y = 0.54 again. With 0.1 for both, w = 0.95, v = 0.05 and y = 0.19."""

    def make(n):
        first = nn.Linear(1, n, bias=False, weight_init=1.0, dtype=np.float64)
        return nn.Sequential(first, nn.Linear(n, 1, bias=False, weight_init=1 / n, dtype=np.float64))

    batch = np.ones((1, 1)), np.zeros((1, 1))
    mup = recipes.coordinate_check(make, [2, 4], *batch, lr=0.1, loss=F.mse_loss, steps=1)
    plain = recipes.coordinate_check(make, [2, 4], *batch, lr=0.1, loss=F.mse_loss, steps=1, mup=False)
    assert mup.changes == {"0": pytest.approx((0.1, 0.1)), "1": pytest.approx((0.46, 0.46))}
    assert plain.changes == {"0": pytest.approx((0.1, 0.05)), "1": pytest.approx((0.46, 0.81))}


def test_a_coordinate_check_prints_a_table():
    """Changes that are the width, and its inverse square root, grow with exponents 1 and -0.5."""
    check = recipes.CoordinateCheck((4, 16, 64), {"0": (4.0, 16.0, 64.0), "body.2": (0.5, 0.25, 0.125)})
    assert check.growth == pytest.approx({"0": 1, "body.2": -0.5})
    assert str(check).splitlines() == [
        "layer          4        16        64    growth",
        "0              4        16        64      1.00",
        "body.2       0.5      0.25     0.125     -0.50",
    ]


@pytest.mark.parametrize("widths", [[], [64], [64, 64]])
def test_a_coordinate_check_needs_different_widths(widths):
    with pytest.raises(ValueError, match="at least two different widths"):
        recipes.coordinate_check(mlp, widths, DIGITS.x_train[:10], DIGITS.y_train[:10], lr=0.1)


def test_a_coordinate_check_of_what_does_not_change_is_an_error_that_names_width_and_layer():
    with pytest.raises(ValueError, match=r"at width 64 the output of layer '0' changed by 0\.0"):
        recipes.coordinate_check(mlp, [64, 128], DIGITS.x_train[:10], DIGITS.y_train[:10], lr=0.0)


# LSUV


def deep(activation, layers=20, width=50, dtype=np.float32):
    """`layers` linear layers, with an activation between any two."""
    sizes = [64, *[width] * (layers - 1), 10]
    modules = []
    for i, (n, m) in enumerate(itertools.pairwise(sizes)):
        modules += [nn.Linear(n, m, rng=i, dtype=dtype), activation()]
    return nn.Sequential(*modules[:-1])


def variances(model, x):
    """The variance of what each linear layer outputs, measured by going through the layers one by one."""
    found, y = [], x
    for layer in model:
        y = layer(y)
        if isinstance(layer, nn.Linear):
            found.append(y.data.astype(np.float64).var())
    return found


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_lsuv_gives_every_layer_of_a_deep_network_variance_1_and_it_trains(activation):
    model = deep(activation)
    x, y = DIGITS.x_train, DIGITS.y_train
    assert max(abs(variance - 1) for variance in variances(model, x[:300])) > 0.5
    reported = recipes.lsuv(model, x[:300], rng=0)
    measured = variances(model, x[:300])
    assert len(measured) == 20
    assert max(abs(variance - 1) for variance in measured) < 1e-5  # one rescaling is exact, but for rounding
    np.testing.assert_allclose(list(reported.values()), measured, rtol=1e-5)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for epoch in range(3):
        for x_batch, y_batch in data.DataLoader((x, y), 64, shuffle=True, rng=epoch):
            optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(model(x_batch), y_batch)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.65 * np.mean(losses[:5])


def test_lsuv_makes_orthogonal_matrices_times_a_gain_from_the_stream_of_each_name():
    model = deep(nn.Tanh, 4)
    reported = recipes.lsuv(model, DIGITS.x_train[:100], rng=7)
    assert list(reported) == ["0", "2", "4", "6"]
    for name in reported:
        weight = model[int(name)].weight
        assert isinstance(weight.initializer, init.Orthogonal)
        expected = weight.initializer(weight.shape, Generator(7).stream(f"{name}.weight"))
        assert (weight.data == expected).all()
        assert weight.origin == init.Origin(seed=7, stream=f"{name}.weight")
    longer = nn.Sequential(*model, nn.Tanh(), nn.Linear(10, 10))
    before = model.state_dict()
    recipes.lsuv(longer, DIGITS.x_train[:100], rng=7)
    assert all((longer.state_dict()[name] == value).all() for name, value in before.items())


def test_lsuv_of_one_linear_layer_is_worked_out_by_hand():
    """x = +1 and -1: y = +w and -w with |w| = 1, so the variance is 1 at once; with 2 x it is 4, and the gain 1/2."""
    layer = nn.Linear(1, 1, rng=0)
    assert recipes.lsuv(layer, [[2.0], [-2.0]], rng=0) == {"": 1.0}
    assert abs(layer.weight.item()) == 0.5
    assert layer.weight.initializer == init.Orthogonal(0.5)


class Branches(nn.Module):
    """Two branches, called in the order in which they are not written down; one layer twice, and one never."""

    def __init__(self):
        self.second, self.first, self.never = nn.Linear(8, 8, rng=0), nn.Linear(64, 8, rng=1), nn.Linear(8, 8, rng=2)

    def forward(self, x):
        y = self.first(x).tanh()
        return self.second(self.second(y).tanh()) + y


def test_lsuv_goes_by_the_order_of_the_calls_takes_a_layer_once_and_leaves_what_is_not_called():
    model = Branches()
    before = model.never.weight.data.copy()
    assert list(recipes.lsuv(model, DIGITS.x_train[:100], rng=0)) == ["first", "second"]
    assert (model.never.weight.data == before).all()
    assert isinstance(model.never.weight.initializer, init.XavierUniform)


def test_lsuv_needs_more_than_one_rescaling_where_biases_vary():
    layer = nn.Linear(64, 50, bias_init=init.Normal(0, 0.5), rng=0)
    reported = recipes.lsuv(layer, DIGITS.x_train[:100], tol=1e-3, rng=0)
    assert abs(reported[""] - 1) < 1e-3
    assert layer(DIGITS.x_train[:100]).data.var() == pytest.approx(1, abs=1e-3)


def test_lsuv_leaves_modes_running_statistics_generators_biases_and_gradients_alone():
    dropout_rng, rng = Generator(1), Generator(2)
    model = nn.Sequential(
        nn.Linear(64, 20, bias_init=0.25), nn.BatchNorm1d(20), nn.Dropout(0.5, rng=dropout_rng), nn.Linear(20, 10)
    )
    model[1].eval()
    minidl.manual_seed(3)
    before = {name: value for name, value in model.state_dict().items() if name not in ("0.weight", "3.weight")}
    recipes.lsuv(model, DIGITS.x_train[:50], rng=rng)
    assert [module.training for module in model] == [True, False, True, True]
    assert model.training
    assert (rng.position, dropout_rng.position, minidl.random.as_generator(None).position) == (0, 0, 0)
    after = model.state_dict()
    assert all((after[name] == value).all() for name, value in before.items())
    assert all(p.grad is None for p in model.parameters())
    assert "forward" not in vars(model[0])


@pytest.mark.parametrize(
    ("model", "x", "message"),
    [
        (lambda: deep(nn.Tanh, 3), np.zeros((5, 64), np.float32), "output of Linear '0' has variance 0.0 over this batch"),
        (lambda: deep(nn.Tanh, 3), np.full((5, 64), math.nan, np.float32), "output of Linear '0' has variance nan"),
        (
            lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), Dead(), nn.Linear(3, 1)),
            [[1.0, 2.0]],
            "Linear '3' has variance 0.0",
        ),
        (
            lambda: nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(4, 1)),
            [[1.0, 2.0]],
            r"Linear '2' expects input of shape",
        ),
        (
            lambda: nn.Sequential(nn.Linear(64, 3), nn.Linear(3, 2, bias_init=[9.0, -9.0])),
            DIGITS.x_train[:20],
            "output of Linear '1' has variance 81.* after 10 rescalings; does its bias vary too much",
        ),
        (lambda: nn.Tanh(), [[1.0]], "no layer of Tanh with a weight of two or more axes was called"),
    ],
)
def test_lsuv_that_cannot_be_is_an_error_that_leaves_the_model_as_it_was(model, x, message):
    model = model()
    before, shown = model.state_dict(), repr(model)
    with pytest.raises(ValueError, match=message):
        recipes.lsuv(model, x, rng=0)
    assert repr(model) == shown
    assert all(np.array_equal(model.state_dict()[name], value) for name, value in before.items())
    assert all(module.training for module in model.modules())
    assert not any("forward" in vars(module) for module in model.modules())


class Dead(nn.Module):
    def forward(self, x):
        return 0 * x


def test_lsuv_of_what_is_not_a_module_or_with_numbers_that_cannot_be_is_an_error():
    with pytest.raises(TypeError, match="lsuv takes a Module, got list"):
        recipes.lsuv([nn.Linear(2, 2)], [[1.0, 2.0]])
    for arguments in ({"tol": 0}, {"tol": math.nan}, {"tol": "a"}, {"tol": np.ones(9)}, {"max_iter": 0}, {"max_iter": 1.5}):
        with pytest.raises(ValueError, match="lsuv needs a finite tol above 0 and a positive integer max_iter"):
            recipes.lsuv(nn.Linear(2, 2), [[1.0, 2.0]], **arguments)
