"""Tests each verdict on networks that have the fault and on ones that have not, and every remedy by running it.

What is a fault is checked against training on the digits; that sound networks get no verdict, on a zoo of them.
"""

import copy
import itertools

import numpy as np
import pytest

from minidl import data, flow, init, kernels, nn, no_grad, optim
from minidl import functional as F
from minidl.flow.diagnose import _initializers, _Network, _tail
from minidl.nn import module as hooks
from minidl.random import Generator

DIGITS = data.digits()
X, Y = DIGITS.x_train[:256], DIGITS.y_train[:256]
INITIALIZERS = {nn.Tanh: "xavier_normal", nn.ReLU: "he_normal", nn.SELU: "lecun_normal", nn.LeakyReLU: "he_uniform"}


def mlp(activation=nn.Tanh, hidden=(64, 64, 64, 64), initializer=None, seed=0, batch_norm=False):
    """Linear '0', activation '1', Linear '2', ...; with batch norm: Linear '0', BatchNorm1d '1', activation '2', ..."""
    rng, layers = Generator(seed), []
    for n_in, n_out in itertools.pairwise((64, *hidden)):
        layers.append(nn.Linear(n_in, n_out, weight_init=initializer or INITIALIZERS[activation], rng=rng))
        layers += [nn.BatchNorm1d(n_out)] * batch_norm + [activation()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], 10, weight_init=initializer or INITIALIZERS[activation], rng=rng))


def the_only(model, symptom, layers):
    """The finding, after seeing that it is alone, and that its remedy fixes it."""
    diagnosis = flow.diagnose(model, X, Y)
    assert [(finding.symptom, finding.layers) for finding in diagnosis] == [(symptom, layers)]
    assert all(repr(name) in str(diagnosis) for name in (layers[0], layers[-1]))
    fixed = copy.deepcopy(model)
    exec(diagnosis[0].remedy, {"model": fixed, "nn": nn, "init": init})
    assert not flow.diagnose(fixed, X, Y), diagnosis[0].remedy
    return diagnosis[0]


def with_weights(model, place, change):
    model[place].weight.data[...] = change(model[place].weight.data)
    return model


# Clones


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_a_zero_layer_is_named_and_fixed(activation):
    finding = the_only(with_weights(mlp(activation), 4, lambda w: 0), "clones", ("4",))
    assert "1 distinct of 64 units" in finding.evidence
    assert "All weights are 0" in finding.evidence
    # Behind a ReLU at 0 no gradient comes back, so all stay equal; behind a tanh it does, and they part.
    assert ("stay clones" in finding.evidence) == (activation is nn.ReLU)


def test_a_remedy_may_leave_a_fault_of_another_kind_which_is_told_next():
    model = with_weights(mlp(nn.ReLU), 2, lambda w: 0.1)
    model[6] = nn.Linear(64, 64, weight_init="he_normal", bias_init=-1000.0, rng=0)
    (clones,) = flow.diagnose(model, X, Y)
    exec(clones.remedy, {"model": model})
    (dead,) = flow.diagnose(model, X, Y)
    assert (clones.symptom, dead.symptom) == ("clones", "dead")


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_a_constant_layer_is_named_and_fixed(activation):
    finding = the_only(with_weights(mlp(activation), 2, lambda w: 0.1), "clones", ("2",))
    assert "different gradients" in finding.evidence


@pytest.mark.skipif(kernels.backend == "reference", reason="NumPy's matmul may add up equal columns in different orders")
@pytest.mark.parametrize("initializer", ["zeros", 0.1])
def test_a_network_of_constants_stays_clones(initializer):
    finding = the_only(mlp(initializer=initializer), "clones", ("0", "2", "4", "6"))
    assert "they stay clones however long they are trained" in finding.evidence
    model = mlp(initializer=initializer)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()
    assert flow.measure(model, X)["0"].distinct_units == 1


def test_a_few_clones_are_a_fault_if_they_stay_and_none_if_they_part():
    def copied(weight):
        return weight[np.arange(64) // 2]

    model = with_weights(mlp(), 2, copied)  # 32 pairs, which the layer after it tells apart
    assert not flow.diagnose(model, X, Y)
    with_weights(model, 4, lambda w: w[:, np.arange(64) // 2])  # and now it does not
    assert "32 distinct of 64 units" in the_only(model, "clones", ("2",)).evidence


def test_a_constant_layer_is_a_fault_if_another_layer_takes_its_one_number():
    rng = Generator(0)
    directly = nn.Sequential(nn.Linear(64, 64, weight_init=0.01, rng=rng), nn.Linear(64, 10, rng=rng))
    assert "they pass on one number" in the_only(directly, "clones", ("0",)).evidence


class Sum(nn.Module):
    """Two ways whose scores are added: the layer that is called first is not the last, but no layer takes its output."""

    def __init__(self):
        rng = Generator(0)
        self.shift = nn.Sequential(nn.Linear(64, 10, weight_init=0.01, rng=rng), nn.Tanh())
        self.scores = nn.Linear(64, 10, rng=rng)

    def forward(self, x):
        return self.shift(x) + self.scores(x)


def test_a_constant_layer_whose_outputs_no_layer_takes_is_none():
    model = Sum()
    assert flow.measure(model, X)["shift.0"].distinct_units == 1
    assert not flow.diagnose(model, X, Y)
    # For the scores get different gradients, as those of a last layer do, so the units part at once.
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    F.cross_entropy(model(X), Y).backward()
    optimizer.step()
    assert flow.measure(model, X)["shift.0"].distinct_units == 10


def test_a_last_layer_at_zero_is_worth_a_remark_and_no_verdict():
    model = with_weights(mlp(), 8, lambda w: 0)
    diagnosis = flow.diagnose(model, X, Y)
    assert not diagnosis
    assert len(diagnosis.remarks) == 1
    assert str(diagnosis).startswith("No fault found.\nremark: Linear '8' is initialized at zero")


def test_a_residual_branch_that_ends_at_zero_is_not_a_fault():
    rng = Generator(0)
    blocks = [nn.Residual(nn.Sequential(nn.Linear(64, 64, weight_init=init.Fixup(3), rng=rng), nn.ReLU(),
                                        nn.Linear(64, 64, weight_init="zeros"))) for _ in range(3)]  # fmt: skip
    assert not flow.diagnose(nn.Sequential(*blocks, nn.Linear(64, 10, rng=rng)), X, Y)


# Dead and saturated


def test_a_dead_relu_layer_is_named_and_fixed():
    model = mlp(nn.ReLU)
    model[4].bias.data[...] = -10
    finding = the_only(model, "dead", ("5",))
    assert "64 of 64 units have slope 0" in finding.evidence
    assert '"4.bias": "zeros"' in finding.remedy


def test_more_dead_units_than_chance_allows_are_a_fault_and_fewer_are_none():
    # P(Binomial(64, 1/2) >= 51) and P(>= 50) by scipy.stats.binom.sf (SciPy 1.17); the limit is 1e-6.
    assert (_tail(64, 0.5, 51), _tail(64, 0.5, 50)) == (pytest.approx(9.40481078e-7), pytest.approx(3.53474377e-6))
    for dead, symptoms in ((50, []), (51, ["dead"])):
        model = mlp(nn.ReLU)
        model[2].bias.data[:dead], model[2].bias.data[dead:] = -10, 3
        assert [finding.symptom for finding in flow.diagnose(model, X, Y)] == symptoms


def test_a_batch_norm_that_kills_its_relu_is_fixed_where_it_is_wrong():
    model = mlp(nn.ReLU, batch_norm=True)
    model[4].bias.data[...] = -20
    assert '"4.bias": "zeros"' in the_only(model, "dead", ("5",)).remedy


@pytest.mark.parametrize("fault", ["weights", "bias", "far bias"])
def test_a_saturated_layer_is_named_and_fixed(fault):
    model = mlp()
    if fault == "weights":
        with_weights(model, 4, lambda w: 100 * w)
    else:
        model[4].bias.data[...] = 5 if fault == "bias" else 50  # where float32 leaves no slope at all
    finding = the_only(model, "saturated", ("5",))
    assert "inputs from N(0, 1) give 0.3%" in finding.evidence  # 2 (1 - P(2.993)) = 0.28 %, of tables


def test_saturated_layers_with_batch_norm_are_fixed_in_the_batch_norm():
    model = mlp(batch_norm=True)
    for place in (1, 4, 7, 10):
        model[place].weight.data[...] = 100
    assert '"1.weight": "ones"' in the_only(model, "saturated", ("2", "5", "8", "11")).remedy


def test_weights_of_variance_1_saturate_every_layer_that_sums_many_of_them():
    the_only(mlp(initializer=init.Normal(0, 1), hidden=[64] * 8), "saturated", ("3", "5", "7", "9", "11", "13", "15"))


class Unseen(nn.Module):
    """Its tanh gets its input by a keyword, where it is not measured; or flat, where it has no units."""

    def __init__(self, flat):
        self.flat = flat
        self.layers, self.last = [nn.Linear(64, 64, weight_init=init.Normal(0, 10), rng=0), nn.Tanh()], nn.Linear(64, 10, rng=0)

    def forward(self, x):
        first, tanh = self.layers
        x = first(x)
        return self.last(tanh(x.reshape(-1)).reshape(-1, 64) if self.flat else tanh(x=x))


@pytest.mark.parametrize("flat", [False, True])
def test_an_activation_that_cannot_be_measured_is_not_judged(flat):
    model = Unseen(flat)
    record = flow.measure(model, X)["layers.1"]
    assert (record.saturated is None, record.units is None) == (not flat, flat)
    assert not flat or record.saturated > 0.9
    assert "saturated" not in [finding.symptom for finding in flow.diagnose(model, X, Y)]


def test_inputs_that_are_too_large_are_normalized():
    model = nn.Sequential(nn.Tanh(), nn.Linear(64, 10, rng=0))
    (finding,) = flow.diagnose(model, 1000 * (X - 0.5), Y)
    assert (finding.symptom, finding.layers) == ("saturated", ("0",))
    assert finding.remedy == "model[0] = nn.Sequential(nn.BatchNorm1d(64), model[0])"


# Vanishing, exploding


def test_of_two_deep_networks_on_digits_the_one_with_a_verdict_does_not_learn():
    def loss_after_15_epochs(model):
        optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        loader = data.DataLoader((DIGITS.x_train, DIGITS.y_train), 64, shuffle=True, rng=0)
        for _, (x, y) in itertools.product(range(15), loader):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        with no_grad():
            return F.cross_entropy(model(DIGITS.x_train), DIGITS.y_train).item()

    hidden = [64] * 19
    healthy, old = (
        mlp(hidden=hidden, initializer="lecun_normal"),
        mlp(hidden=hidden, initializer=init.presets.pytorch["Linear.weight"]),
    )
    assert not flow.diagnose(healthy, X, Y)
    finding = the_only(old, "vanishing", tuple(str(2 * i) for i in range(19)))
    # Each layer multiplies the square by 1/3: the root falls by 3^(18 / 2) = 2e4, and 1 / ln 3 = 0.91.
    assert "depth scale is 0.91 layers" in finding.evidence
    assert loss_after_15_epochs(healthy) < 0.15
    assert loss_after_15_epochs(old) == pytest.approx(np.log(10), abs=0.01)


def test_relu_with_half_of_its_variance_vanishes():
    assert (
        "he_normal" in the_only(mlp(nn.ReLU, [64] * 20, "lecun_normal"), "vanishing", tuple(map(str, range(0, 40, 2)))).remedy
    )


def test_deep_sigmoid_vanishes_under_any_initializer_and_is_fixed_by_batch_norm():
    finding = the_only(mlp(nn.Sigmoid, [64] * 7, "xavier_normal"), "vanishing", tuple(map(str, range(0, 14, 2))))
    assert finding.remedy.startswith("for i in (1, 3, 5, 7, 9, 11, 13): model[i] = nn.Sequential(nn.BatchNorm1d(64), ")


def test_a_chaotic_network_explodes():
    the_only(mlp(hidden=[64] * 19, initializer=init.Normal(0, 0.35)), "exploding", tuple(map(str, range(0, 38, 2))))


@pytest.mark.parametrize(("factor", "symptom"), [(1e3, "exploding"), (1e-3, "vanishing")])
def test_the_one_layer_at_fault_is_named(factor, symptom):
    finding = the_only(with_weights(mlp(nn.ReLU, [64] * 6), 4, lambda w: factor * w), symptom, ("4",))
    assert finding.remedy == 'model.initialize(rng=0, rules={"4.weight": "he_normal"})'


def test_numbers_that_overflow_are_told_with_the_first_layer_that_has_them():
    finding = the_only(mlp(nn.ReLU, [64] * 6, init.Normal(0, 1e15)), "exploding", ("4",))
    assert "its output is infinite or NaN" in finding.evidence  # 1e15 each layer, and 3e38 is the end


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_before_a_batch_norm_the_scale_of_the_weights_is_not_a_fault(factor):
    assert not flow.diagnose(with_weights(mlp(batch_norm=True), 0, lambda w: factor * w), X, Y)


# Mismatch


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("hidden", [(512, 256, 128, 64, 32, 16), (16, 32, 64, 128, 256, 512)])
def test_in_a_funnel_one_initializer_leaves_all_of_it_to_one_side(hidden, mode):
    finding = the_only(mlp(nn.ReLU, hidden, init.HeNormal(mode=mode)), "mismatch", ("0", "2", "4", "6", "8", "10"))
    assert "fan_geo_avg" in finding.remedy
    assert "by a factor of 5.7" in finding.evidence or "by a factor of 0.18" in finding.evidence  # theory: sqrt(512 / 16)


def test_a_funnel_of_two_layers_is_a_funnel():
    the_only(mlp(nn.ReLU, (512, 16), init.HeNormal(mode="fan_in")), "mismatch", ("0", "2"))


def test_the_remedy_for_a_funnel_has_the_factor_that_its_first_activation_needs():
    *layers, _, last = mlp(nn.ReLU, (16, 32, 64, 128, 256, 512), init.HeNormal())
    model = nn.Sequential(*layers, last)  # the last hidden layer has no activation
    finding = the_only(model, "mismatch", ("0", "2", "4", "6", "8", "10"))
    assert "VarianceScaling(scale=2.0, mode='fan_geo_avg'" in finding.remedy


def test_a_gentle_funnel_and_one_that_no_initializer_fixes_get_no_verdict():
    assert not flow.diagnose(mlp(nn.ReLU, (512, 256, 128, 64)), X, Y)
    assert not flow.diagnose(mlp(nn.Tanh, (512, 256, 128, 64, 32, 16)), X, Y)


# Sound networks


@pytest.mark.parametrize("depth", [2, 5, 20])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", INITIALIZERS)
def test_sound_networks_get_no_verdict(activation, batch_norm, depth):
    for width, seed in ((16, 1), (64, 2), (128, 3)):
        diagnosis = flow.diagnose(mlp(activation, [width] * depth, seed=seed, batch_norm=batch_norm), X, Y)
        assert str(diagnosis) == "No fault found."
        assert len(diagnosis) == 0


def test_nothing_is_left_of_a_diagnosis():
    model = mlp(initializer="zeros", batch_norm=True)
    model[0].weight.grad = grad = np.ones((64, 64), np.float32)
    state = {name: value.tolist() for name, value in model.state_dict().items()}
    flow.diagnose(model, X, Y)
    assert {name: value.tolist() for name, value in model.state_dict().items()} == state
    assert model[0].weight.grad is grad
    assert hooks.observers == []


class Named(nn.Module):
    """Names that are no numbers, and a list."""

    def __init__(self):
        rng = Generator(0)
        self.stem = nn.Linear(64, 32, rng=rng)
        self.blocks = [nn.Sequential(nn.Tanh(), nn.Linear(32, 32, rng=rng)) for _ in range(2)]
        self.end = nn.Sequential(nn.Tanh(), nn.Linear(32, 10, rng=rng))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.end(x)


def test_an_activation_that_is_never_critical_gets_weights_that_keep_its_second_moment_1():
    # For f = z Phi(z), E[f^2] = 1/3 + 1 / (2 pi sqrt 3) = 0.42522, by parts: E[z z Phi^2] = E[Phi^2] + 2 E[z Phi phi], where
    # Phi(z) is uniform, so E[Phi^2] = 1/3, and, by parts again, 2 E[z Phi phi] = E[phi^2], an integral of phi^3.
    *named, scaled = _initializers(nn.GELU())
    assert named == ["he_normal", "lecun_normal"]
    assert scaled.scale == 2.352  # 1 / 0.42522, to four digits


def test_remedies_fit_models_with_names_of_their_own():
    model = Named()
    assert not flow.diagnose(model, X, Y)
    model.blocks[1][1].weight.data[...] = 0
    assert '"blocks.1.1.weight"' in the_only(model, "clones", ("blocks.1.1",)).remedy
    model = Named()
    (finding,) = flow.diagnose(model, 1e4 * X, Y)
    assert (finding.symptom, finding.layers) == ("saturated", ("blocks.0.0",))
    assert finding.remedy == "model.blocks[0][0] = nn.Sequential(nn.BatchNorm1d(32), model.blocks[0][0])"
    exec(finding.remedy)
    assert not flow.diagnose(model, 1e4 * X, Y)


# Names are anybody's: a remedy is carried out as data, and its line is valid Python that does the same.

RAN = []
NAMES = [
    'a"b', "it's", "both'\"", "x[0]", "x*", "a?b", "[", "new\nline", "a#2", "a b", "class", "None", "Linear", "weight", "0",
    "7", "\N{LATIN SMALL LIGATURE FI}", "\u2028", "\\", "{x}", "$x$", "__x", '"]); RAN += [1]; (["', "'); RAN += [2]; ('",
]  # fmt: skip


class Hostile(nn.Module):
    def __init__(self, name, module):
        rng = Generator(0)
        self.before = nn.Linear(64, 32, rng=rng)
        setattr(self, name, module)
        self.other_name = name
        self.after = [nn.Tanh(), nn.Linear(32, 10, rng=rng)]

    def forward(self, x):
        x = getattr(self, self.other_name)(self.before(x))
        for module in self.after:
            x = module(x)
        return x


def run_line(finding, model):
    fixed = copy.deepcopy(model)
    exec(compile(finding.remedy, "remedy", "exec"), {"model": fixed, "nn": nn, "init": init, "RAN": RAN})
    assert RAN == []
    return fixed


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_for_a_layer_of_any_name_draws_that_layer_alone(name):
    model = Hostile(name, nn.Linear(32, 32, weight_init="zeros"))
    (finding,) = flow.diagnose(model, X, Y)
    assert (finding.symptom, finding.layers) == ("clones", (name,))
    fixed = run_line(finding, model)
    assert not flow.diagnose(fixed, X, Y)
    pairs = zip(model.named_parameters(), fixed.named_parameters(), strict=True)
    assert [key for (key, before), (_, after) in pairs if before.initializer != after.initializer] == [f"{name}.weight"]


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_of_any_name_gets_its_batch_norm(name):
    model = Hostile(name, nn.Tanh())
    model.before = nn.Flatten()
    model.after = [nn.Linear(64, 10, rng=0)]
    (finding,) = flow.diagnose(model, 1000 * (X - 0.5), Y)
    assert (finding.symptom, finding.layers) == ("saturated", (name,))
    assert not flow.diagnose(run_line(finding, model), 1000 * (X - 0.5), Y)


@pytest.mark.parametrize("name", ["Linear", "L", '"]); RAN += [1]; (["', "a.b", "[x]*", "new\nline"])
def test_classes_of_any_name_can_be_diagnosed(name):
    cls = type(name, (nn.Linear,), {})
    layers = [cls(64, 64, weight_init="lecun_normal", rng=i) for i in range(12)]
    model = nn.Sequential(*(m for layer in layers for m in (layer, nn.ReLU())), nn.Linear(64, 10, rng=99))
    (finding,) = flow.diagnose(model, X, Y)
    assert finding.symptom == "vanishing"
    assert len(str(finding).splitlines()) == 2
    assert ("Linear.weight" in finding.remedy) == (name == "Linear")
    assert not flow.diagnose(run_line(finding, model), X, Y)


def test_a_layer_called_like_a_class_is_not_taken_for_all_of_the_class():
    layers = [m for i in range(12) for m in (nn.Linear(64, 64, weight_init="lecun_normal", rng=i), nn.ReLU())]
    model = nn.Sequential(*layers)
    model.Linear = nn.Sequential(nn.Linear(64, 10, rng=99))
    (finding,) = flow.diagnose(model, X, Y)
    fixed = run_line(finding, model)
    assert not flow.diagnose(fixed, X, Y)
    assert fixed.Linear[0].weight.initializer == init.XavierUniform()


def test_a_module_that_is_used_under_two_names_is_drawn_under_its_first():
    linear = nn.Linear(64, 64, weight_init="zeros")
    model = nn.Sequential(nn.Linear(64, 64, rng=0), nn.Tanh(), linear, nn.Tanh(), linear, nn.Tanh(), nn.Linear(64, 10, rng=1))
    (finding,) = flow.diagnose(model, X, Y)
    assert finding.layers == ("2", "4")
    assert not flow.diagnose(run_line(finding, model), X, Y)


class Holder(nn.Module):
    def __init__(self, hold):
        self.layers = hold(nn.Tanh(), nn.Linear(64, 10, rng=0))

    def forward(self, x):
        layers = self.layers.values() if hasattr(self.layers, "values") else self.layers
        for layer in layers:
            x = (layer[0] if isinstance(layer, list) else layer)(x)
        return x


@pytest.mark.parametrize(
    ("hold", "place"),
    [
        (lambda a, b: [a, b], "[0]"),
        (lambda a, b: [[a], [b]], "[0][0]"),
        (lambda a, b: nn.ModuleList([a, b]), "[0]"),
        (lambda a, b: {"0": a, "1": b}, '["0"]'),
        (lambda a, b: {"x": [a], "y": b}, '["x"][0]'),
        (lambda a, b: nn.ModuleDict({'"': a, "5": b}), "['\"']"),
        (lambda a, b: nn.ModuleDict({"5": a, "6": b}), '["5"]'),
    ],
)
def test_an_activation_is_replaced_in_whatever_holds_it(hold, place):
    model, x = Holder(hold), 1000 * (X - 0.5)
    (finding,) = flow.diagnose(model, x, Y)
    assert finding.remedy == f"model.layers{place} = nn.Sequential(nn.BatchNorm1d(64), model.layers{place})"
    assert not flow.diagnose(run_line(finding, model), x, Y)


class InATuple(nn.Module):
    def __init__(self):
        self.layers = (nn.Tanh(), nn.Linear(64, 10, rng=0))

    def forward(self, x):
        return self.layers[1](self.layers[0](x))


def test_what_cannot_be_replaced_gets_no_remedy_and_no_error():
    (finding,) = flow.diagnose(InATuple(), 1000 * (X - 0.5), Y)
    assert (finding.symptom, finding.remedy) == ("saturated", "")
    assert "Nothing that was tried" in str(finding)
    assert flow.diagnose(nn.Tanh(), 1000 * (X[:, :10] - 0.5), Y)[0].remedy == ""


# The first loss


def relu_64_32(outputs, std, last=None, bias=True):
    rng = Generator(0)
    layer = nn.Linear(64, 32, weight_init=init.Normal(0, std) if std else "he_normal", rng=rng)
    last = init.Normal(0, last or std) if last or std else "he_normal"
    return nn.Sequential(layer, nn.ReLU(), nn.Linear(32, outputs, bias, weight_init=last, rng=rng))


@pytest.mark.parametrize("std", [1, 10, 100])
def test_weights_whose_first_loss_is_far_above_ln_c_are_a_fault(std):
    model = relu_64_32(10, std)
    loss = F.cross_entropy(model(X), Y).item()
    assert loss > 15 * std**2
    finding = the_only(model, "loss", ("0", "2"))
    assert f"the first loss is {loss:.4g}, where equal scores for 10 classes have ln 10 = 2.3" in finding.evidence


def test_if_the_last_layer_alone_is_too_large_it_alone_is_drawn_again():
    assert the_only(relu_64_32(10, None, 10), "loss", ("2",)).remedy.startswith('model.initialize(rng=0, rules={"2.weight": ')
    assert the_only(nn.Linear(64, 10, weight_init=init.Normal(0, 10), rng=0), "loss", ("",)).remedy.startswith(
        'model.initialize(rng=0, rules={"weight": '
    )
    model = nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 10, rng=0))
    model[0].weight.data[...] = 100  # here not the last, but what comes in
    assert '"0.weight": "ones"' in the_only(model, "loss", ("0", "1")).remedy
    model = nn.Sequential(mlp(nn.ReLU), nn.BatchNorm1d(10))
    model[1].weight.data[...] = 100
    assert '"1.weight": "ones"' in the_only(model, "loss", ("0.8", "1")).remedy


def test_the_limit_of_the_first_loss_is_3_above_ln_c():
    # Scores of (s, 0) for the class 1 of 2 have a loss of ln(1 + e^s); it is ln 2 + 3 at s = ln(2 e^3 - 1) = 3.66785.
    for score, found in ((3.66, False), (3.68, True)):
        model = nn.Linear(4, 2, weight_init=np.array([[score / 4] * 4, [0.0] * 4]))
        diagnosis = flow.diagnose(model, np.ones((8, 4), np.float32), np.ones(8, int))
        assert [finding.symptom for finding in diagnosis] == ["loss"] * found


def test_inputs_that_are_too_large_get_a_smaller_last_layer():
    model = relu_64_32(10, None)
    (finding,) = flow.diagnose(model, 1000 * X, Y)
    assert (finding.symptom, finding.layers) == ("loss", ("2",))
    assert "init.Normal" in finding.remedy
    assert not flow.diagnose(run_line(finding, model), 1000 * X, Y)


@pytest.mark.parametrize("std", [1, 10, 100])
def test_with_the_mean_squared_error_the_first_loss_is_compared_with_a_constant_guess(std):
    y = Generator(3).normal((256, 3))
    model = relu_64_32(3, std)
    (finding,) = flow.diagnose(model, X, y)
    assert (finding.symptom, finding.layers) == ("loss", ("0", "2"))
    assert f"the mean of y, has {y.var(axis=0).mean():.3g}" in finding.evidence
    assert not flow.diagnose(run_line(finding, model), X, y)


def test_targets_far_from_0_are_met_by_the_last_bias():
    y = Generator(3).normal((256, 2)) + np.array([100, -50])
    model = relu_64_32(2, None)
    (finding,) = flow.diagnose(model, X, y.astype(np.float32))
    assert (finding.symptom, finding.layers) == ("loss", ("2",))
    fixed = run_line(finding, model)
    assert fixed[2].bias.data.tolist() == pytest.approx(y.mean(axis=0).tolist(), rel=1e-3)
    assert F.mse_loss(fixed(X), y.astype(np.float32)).item() < 5
    (finding,) = flow.diagnose(relu_64_32(2, None, bias=False), X, y.astype(np.float32))
    assert finding.remedy == ""


def test_only_the_last_bias_is_set_to_the_mean_of_the_targets():
    model = mlp(nn.ReLU)
    network = _Network(model, X, Generator(3).normal((256, 10)), None)
    network.rule(network.weighted, "he_normal", [float(i) for i in range(10)]).change(model)
    biases = [layer.bias.data for layer in model if isinstance(layer, nn.Linear)]
    assert len(biases) == 5
    assert not any(bias.any() for bias in biases[:-1])
    assert biases[-1].tolist() == list(range(10))


@pytest.mark.parametrize("mean", [0, 3])
@pytest.mark.parametrize("scale", [1e-3, 1, 30])
def test_usual_targets_and_usual_initializers_have_a_usual_first_loss(scale, mean):
    y = (scale * (Generator(3).normal((256, 3)) + mean)).astype(np.float32)
    assert not flow.diagnose(relu_64_32(3, None), X, y)
    assert not flow.diagnose(relu_64_32(3, None), X, np.zeros((256, 3)))


def test_of_a_loss_of_ones_own_the_value_is_not_judged():
    assert not flow.diagnose(relu_64_32(10, None, 10), X, Y, F.cross_entropy)
    assert not flow.diagnose(mlp(), X, None, lambda out: (out * out).mean() + 1e6)


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [
        *itertools.product([nn.Tanh, nn.ReLU, nn.GELU, nn.SiLU], ["he_normal", "xavier_uniform", "lecun_normal"]),
        *itertools.product([nn.Tanh, nn.ReLU, nn.GELU, nn.SiLU], [init.presets.pytorch["Linear.weight"]]),
        (nn.SELU, "lecun_normal"),
    ],
)
def test_usual_initializers_begin_near_ln_c(activation, initializer):
    inputs = Generator(8).normal((256, 64))
    for hidden, classes in (((), 2), ((64,), 100), ((128, 128), 10), ((64,) * 3, 2)):
        rng, layers = Generator(1), []
        for n_in, n_out in itertools.pairwise((64, *hidden)):
            layers += [nn.Linear(n_in, n_out, weight_init=initializer, rng=rng), activation()]
        model = nn.Sequential(*layers, nn.Linear((64, *hidden)[-1], classes, weight_init=initializer, rng=rng))
        diagnosis = flow.diagnose(model, inputs, np.arange(256) % classes)
        assert str(diagnosis) == "No fault found.", (hidden, classes)


# Networks of unusual shape


def test_one_weighted_layer_is_judged_by_what_can_be_judged():
    assert not flow.diagnose(nn.Sequential(nn.Linear(64, 10, rng=0)), X, Y)
    assert not flow.diagnose(nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 10, rng=0), nn.LogSoftmax()), X, Y)
    diagnosis = flow.diagnose(nn.Linear(64, 10, weight_init="zeros"), X, Y)  # softmax regression from zero: it learns
    assert (diagnosis, diagnosis.remarks) == ([], [])


def test_a_bottleneck_is_neither_a_funnel_nor_a_fault():
    assert not flow.diagnose(mlp(nn.ReLU, (512, 64, 16, 64, 512)), X, Y)
    assert not flow.diagnose(mlp(nn.ReLU, (16, 64, 512, 64, 16)), X, Y)
    assert not flow.diagnose(mlp(nn.Tanh, (64, 2, 64)), X, Y)


def test_gradients_with_a_large_mean_count_with_it():
    rng = Generator(0)
    layers = [m for _ in range(6) for m in (nn.Linear(64, 64, weight_init=init.Uniform(0.0, 0.2), rng=rng), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(64, 10, weight_init=init.Uniform(0.0, 0.2), rng=rng))
    ones = np.full((256, 64), 0.5, np.float32) + 0.1 * X
    (finding,) = flow.diagnose(model, ones, None, lambda out: out.mean())
    # Each layer multiplies the gradient, which is about the same everywhere, by 64 * 0.1: five of them by 6.4^5 = 1.1e4.
    assert finding.symptom == "exploding"
    assert "changes by a factor of 1e+04" in finding.evidence


@pytest.mark.parametrize("direction", ["output", "gradient"])
def test_numbers_that_overflow_on_one_way_only_are_told(direction):
    rng = Generator(0)
    model = mlp(nn.ReLU, [64] * 3)
    if direction == "output":  # and a loss that is blind to it
        model[4].weight.data[...] *= 1e25
        model[6].weight.data[...] *= 1e25
        (finding,) = flow.diagnose(model, X, None, lambda out: model[6].weight.mean())
        assert finding.layers == ("6",)
    else:
        head = rng.normal((256, 10)) * np.float32(1e30)
        model[4].weight.data[...] *= 1e-20
        model[6].weight.data[...] *= 1e20
        (finding,) = flow.diagnose(model, X, None, lambda out: (out * head).sum())
        assert finding.layers == ("5",)  # what comes back through the layer with weights of 1e20
    assert finding.symptom == "exploding"
    assert f"its {direction} is infinite or NaN" in finding.evidence


def test_a_loss_of_ones_own_will_do_and_none_is_an_error():
    assert not flow.diagnose(mlp(), X, None, lambda out: (out * out).mean())
    with pytest.raises(ValueError, match="diagnose needs the targets y, or a loss"):
        flow.diagnose(mlp(), X, None)


def test_a_model_of_one_layer_has_nothing_to_go_wrong():
    assert not flow.diagnose(nn.Linear(64, 10, rng=0), X, Y)
