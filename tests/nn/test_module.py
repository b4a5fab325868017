"""Tests nn.Module, nn.Parameter and nn.Sequential against hand-written names and texts, and against a model, its state_dict
and its outputs recorded from PyTorch 2.13.
"""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from interrupts import states_after_interrupts

import minidl
from minidl import nn
from minidl.nn import init

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "training.json").read_text())["sequential"]


class Encoder(nn.Module):
    """Linear layers under a name, in a list and in a nested one; a parameter and a buffer of its own."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.blocks = [nn.Linear(4, 4, bias=False), (nn.Tanh(), nn.Linear(4, 2))]
        self.scale = nn.Parameter([1.0, 2.0])
        self.register_buffer("seen", np.zeros(2, np.float32))


NAMES = [
    "scale",
    "seen",
    "first.0.weight",
    "first.0.bias",
    "first.1.weight",
    "first.1.bias",
    "first.1.running_mean",
    "first.1.running_var",
    "first.1.num_batches_tracked",
    "blocks.0.weight",
    "blocks.1.1.weight",
    "blocks.1.1.bias",
]
BUFFERS = ["seen", "first.1.running_mean", "first.1.running_var", "first.1.num_batches_tracked"]


class Tied(nn.Module):
    """One weight in two layers."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.b = nn.Linear(3, 3)
        self.b.weight = self.a.weight


def recorded_model():
    layers = nn.Linear(3, 4, dtype=float), nn.BatchNorm1d(4, dtype=float), nn.Tanh(), nn.Linear(4, 2, dtype=float)
    return nn.Sequential(*layers)


def test_state_dict_holds_own_values_first_then_those_of_children_lists_included():
    assert list(Encoder().state_dict()) == NAMES


def test_named_parameters_are_the_state_without_the_buffers():
    model = Encoder()
    assert [name for name, _ in model.named_parameters()] == [name for name in NAMES if name not in BUFFERS]
    assert [id(p) for p in model.parameters()] == [id(p) for _, p in model.named_parameters()]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in model.parameters())


def test_a_shared_parameter_comes_once_among_the_parameters_and_under_both_names_in_the_state():
    model = Tied()
    assert [name for name, _ in model.named_parameters()] == ["a.weight", "a.bias", "b.bias"]
    assert list(model.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]


def test_an_attribute_set_to_none_is_not_a_parameter_any_more():
    layer = nn.Linear(3, 2)
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]


def test_a_layer_put_in_the_place_of_another_replaces_its_parameters():
    model = nn.Sequential(nn.Linear(3, 2))
    setattr(model, "0", nn.Linear(5, 2, bias=False))
    assert [(name, p.shape) for name, p in model.named_parameters()] == [("0.weight", (2, 5))]


def test_train_and_eval_reach_every_module_and_return_the_model():
    model = Encoder()
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    assert model.train() is model
    assert all(module.training for module in model.modules())
    model.train(False)
    assert not any(module.training for module in model.modules())


def test_zero_grad_sets_every_gradient_to_none():
    model = Tied()
    model.b(model.a(np.ones((2, 3), np.float32))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_apply_visits_the_children_before_the_module_and_returns_it():
    model = Encoder()
    visited = []
    assert model.apply(lambda module: visited.append(type(module).__name__)) is model
    assert visited == ["Linear", "BatchNorm1d", "Sequential", "Linear", "Tanh", "Linear", "Encoder"]


def test_apply_initializes_the_layers_of_one_kind():
    def fill(module):
        if isinstance(module, nn.Linear):
            init.ones_(module.weight)

    model = Encoder().apply(fill)
    assert [name for name, p in model.named_parameters() if (p.data == 1).all()] == [
        "first.0.weight",
        "first.1.weight",  # batch norm begins at 1
        "blocks.0.weight",
        "blocks.1.1.weight",
    ]


def test_state_dict_has_the_names_and_shapes_of_pytorch():
    ours = {name: list(value.shape) for name, value in recorded_model().state_dict().items()}
    theirs = {name: value["shape"] for name, value in RECORDED["state_dict"].items()}
    assert list(ours) == list(theirs)
    assert ours == theirs


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_state_dict_of_pytorch_gives_the_outputs_of_pytorch(mode):
    model = recorded_model()
    model.load_state_dict({name: value["values"] for name, value in RECORDED["state_dict"].items()})
    y = model.train(mode == "train")(np.array(RECORDED["x"]))
    np.testing.assert_allclose(y.data, RECORDED[mode], rtol=1e-12, atol=1e-14)


def test_a_state_dict_of_pytorch_is_loaded_without_a_change():
    model = recorded_model()
    model.load_state_dict({name: value["values"] for name, value in RECORDED["state_dict"].items()})
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value["values"] for name, value in RECORDED["state_dict"].items()
    }


def test_state_dict_returns_copies():
    model = Encoder()
    for value in model.state_dict().values():
        value[...] = 5
    assert not any((value == 5).any() for value in model.state_dict().values())


def test_load_state_dict_copies():
    layer = nn.Linear(2, 2)
    state = {"weight": np.full((2, 2), 3.0, np.float32), "bias": np.full(2, 4.0, np.float32)}
    memory = layer.weight.data
    layer.load_state_dict(state)
    state["weight"][...] = 7
    assert layer.weight.data is memory
    assert (layer.weight.data == 3).all()
    assert (layer.bias.data == 4).all()


def test_load_state_dict_keeps_the_dtype_of_the_model():
    layer = nn.Linear(2, 2)
    layer.load_state_dict({"weight": np.array([[0.1, 1], [2, 3]]), "bias": [4, 5]})
    assert layer.weight.data.dtype == layer.bias.data.dtype == np.float32
    assert layer.weight.data.tolist() == [[np.float32(0.1), 1], [2, 3]]
    assert layer.bias.data.tolist() == [4, 5]


WEIGHT, BIAS = np.ones((2, 3)), np.ones(2)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"0.weight": WEIGHT}, r"missing: 0\.bias"),
        ({"0.weight": WEIGHT, "0.bias": BIAS, "1.weight": WEIGHT}, r"unexpected: 1\.weight"),
        ({"0.weight": WEIGHT, "fc.bias": BIAS}, r"missing: 0\.bias.*unexpected: fc\.bias"),
        ({"0.weight": WEIGHT.T, "0.bias": BIAS}, r"0\.weight: shape \(3, 2\), expected \(2, 3\)"),
        ({"0.weight": WEIGHT, "0.bias": np.ones((2, 1))}, r"0\.bias: shape \(2, 1\), expected \(2,\)"),
        ({"0.weight": WEIGHT, "0.bias": [1.0, np.nan]}, r"0\.bias: .*NaN"),
        ({"0.weight": WEIGHT, "0.bias": [1.0, -np.inf]}, r"0\.bias: .*infinity"),
        ({"0.weight": WEIGHT, "0.bias": ["1", "2"]}, r"0\.bias: expected finite numbers, got dtype <U1"),
        ({"0.weight": WEIGHT, "0.bias": [1j, 2j]}, r"0\.bias: expected finite numbers, got dtype complex128"),
        ({"0.weight": WEIGHT, "0.bias": [None, 1.0]}, r"0\.bias: expected finite numbers, got dtype object"),
        ({"0.weight": [[1.0, 2.0], [3.0]], "0.bias": BIAS}, r"0\.weight"),  # no array at all
        ({"0.weight": WEIGHT, "0.bias": [1.0, 1e300]}, r"0\.bias"),  # infinite in float32
        ({"0.weight": np.ones(5), "0.bias": [np.nan] * 2, "x": BIAS}, r"unexpected: x; 0\.weight: .*; 0\.bias: "),
        ({}, r"missing: 0\.bias, 0\.weight"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_one_error_that_names_the_parameters_and_changes_nothing(state, message):
    model = nn.Sequential(nn.Linear(3, 2))
    before, text = model.state_dict(), repr(model)
    with pytest.raises(ValueError, match=r"load_state_dict of Sequential: .*" + message):
        model.load_state_dict(state)
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }
    assert repr(model) == text


def test_without_strict_names_may_be_missing_and_unexpected():
    model = nn.Sequential(nn.Linear(3, 2, weight_init=2.0))
    model.load_state_dict({"0.bias": [5.0, 6.0], "1.weight": WEIGHT}, strict=False)
    assert model[0].bias.data.tolist() == [5, 6]
    assert (model[0].weight.data == 2).all()


def test_without_strict_a_wrong_shape_is_still_an_error_that_changes_nothing():
    model = nn.Sequential(nn.Linear(3, 2, weight_init=2.0))
    with pytest.raises(ValueError, match=r"0\.bias: shape \(3,\), expected \(2,\)"):
        model.load_state_dict({"0.weight": WEIGHT, "0.bias": np.ones(3)}, strict=False)
    assert (model[0].weight.data == 2).all()


@pytest.mark.parametrize(
    "change",
    [lambda layer: layer.load_state_dict(layer.state_dict()), lambda layer: init.ones_(layer.weight)],
    ids=["load_state_dict", "ones_"],
)
def test_backward_after_the_weights_were_overwritten_is_an_error(change):
    layer = nn.Linear(3, 2)
    x = minidl.Tensor(np.ones((4, 3), np.float32), requires_grad=True)
    y = layer(x).sum()
    change(layer)
    with pytest.raises(RuntimeError, match=r"linear.*changed in place"):
        y.backward()


@pytest.mark.parametrize("kind", ["parameter", "buffer"])
def test_a_read_only_array_of_the_model_is_an_error_that_changes_nothing(kind):
    frozen = np.ones(3, np.float32)
    frozen.flags.writeable = False
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    if kind == "parameter":
        model[1].bias.data = frozen
    else:
        model[1].running_var = frozen
    name = "1.bias" if kind == "parameter" else "1.running_var"
    state, before, text = {n: v + 1 for n, v in model.state_dict().items()}, model.state_dict(), repr(model)
    with pytest.raises(ValueError, match=rf"load_state_dict of Sequential: {name}: the model's own array is read-only"):
        model.load_state_dict(state)
    assert all((value == before[n]).all() for n, value in model.state_dict().items())
    assert repr(model) == text


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("running_var", [1.0, -1.0], "running_var: expected numbers of at least 0, got -1"),
        ("num_batches_tracked", -1, "num_batches_tracked: expected numbers of at least 0, got -1"),
        ("num_batches_tracked", 2.5, "num_batches_tracked: expected integers that int64 can hold, got 2.5"),
        ("num_batches_tracked", 1e30, "num_batches_tracked: expected integers that int64 can hold, got 1e"),
        ("num_batches_tracked", np.nan, "num_batches_tracked: expected finite numbers"),
    ],
)
def test_running_statistics_that_cannot_be_are_refused(name, values, message):
    layer = nn.BatchNorm1d(2)
    state = layer.state_dict() | {name: np.array(values), "weight": [5.0, 6.0]}
    with pytest.raises(ValueError, match=message):
        layer.load_state_dict(state)
    assert layer.weight.data.tolist() == [1, 1]


def test_an_interrupted_load_leaves_all_or_nothing():
    state = {"0.weight": 2 * WEIGHT, "0.bias": 2 * BIAS, "1.running_mean": [7.0, 7.0]}

    def make():
        return nn.Sequential(nn.Linear(3, 2, weight_init=1.0), nn.BatchNorm1d(2))

    def all_of(model):
        values = {name: value.tolist() for name, value in model.state_dict().items()}
        return values, [(str(p.initializer), p.origin, p._version[0]) for p in model.parameters()]

    found = states_after_interrupts(make, lambda model: model.load_state_dict(state, strict=False), all_of, every=5)
    assert len(found) == 2  # before and after
    assert found[1][0]["0.bias"] == [2, 2]


def test_a_buffer_is_saved_and_loaded_but_not_trained():
    model = Encoder()
    memory = model.seen
    state = model.state_dict()
    state["seen"] = [3.0, 4.0]
    model.load_state_dict(state)
    assert model.seen is memory
    assert model.seen.tolist() == [3, 4]
    assert not isinstance(model.seen, nn.Parameter)


def test_repr_names_the_initializer_of_every_parameter():
    model = nn.Sequential(
        nn.Linear(3, 4, weight_init="he_normal", bias_init=0.1),
        nn.BatchNorm1d(4),
        nn.LeakyReLU(0.2),
        nn.Linear(4, 2, bias=False, weight_init=np.ones((2, 4))),
    )
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Linear(in_features=3, out_features=4, bias=True, weight_init=HeNormal(a=0.0, mode='fan_in'), "
        "bias_init=Constant(value=0.1))\n"
        "  (1): BatchNorm1d(4, eps=1e-05, momentum=0.1, weight_init=Ones(), bias_init=Zeros())\n"
        "  (2): LeakyReLU(negative_slope=0.2)\n"
        "  (3): Linear(in_features=4, out_features=2, bias=False, weight_init=Given('array'))\n"
        ")"
    )


def test_repr_names_nested_modules_and_those_of_lists():
    lines = [line.partition(": ")[0] for line in repr(Encoder()).splitlines()]
    assert [line for line in lines if "(" in line] == [
        "Encoder(",
        "  (first)",
        "    (0)",
        "    (1)",
        "  (blocks.0)",
        "  (blocks.1.0)",
        "  (blocks.1.1)",
    ]


def test_repr_names_the_initializer_of_a_function_that_overwrote_the_parameter():
    layer = nn.Linear(3, 2)
    init.normal_(layer.weight, std=0.5)
    init.constant_(layer.bias, 2)
    assert "weight_init=Normal(mean=0.0, std=0.5), bias_init=Constant(value=2)" in repr(layer)


def test_repr_says_what_was_loaded():
    layer = nn.Linear(3, 2)
    layer.load_state_dict({"weight": WEIGHT}, strict=False)
    assert "weight_init=Given('state_dict'), bias_init=Zeros()" in repr(layer)


def test_repr_of_a_function_shows_its_name():
    def thirds(shape, rng):
        return np.full(shape, 1 / 3)

    assert "thirds" in repr(nn.Linear(3, 2, weight_init=thirds))


def test_a_module_without_attributes_has_a_short_repr():
    assert repr(nn.Tanh()) == "Tanh()"


class NoInitLayer(nn.Module):
    def __init__(self):
        self.fc1 = nn.Linear(2, 2)


class NoInitParameter(nn.Module):
    def __init__(self):
        self.scale = nn.Parameter(1.0)


class NoInitList(nn.Module):
    def __init__(self):
        self.layers = [nn.Linear(2, 2)]


class NoInitBuffer(nn.Module):
    def __init__(self):
        self.register_buffer("seen", np.zeros(2))


class NoInitNumber(nn.Module):
    def __init__(self):
        self.k = 3


@pytest.mark.parametrize(
    ("forgetful", "names"),
    [
        (NoInitLayer, ["fc1.weight", "fc1.bias"]),
        (NoInitParameter, ["scale"]),
        (NoInitList, ["layers.0.weight", "layers.0.bias"]),
        (NoInitBuffer, ["seen"]),
        (NoInitNumber, []),
    ],
)
def test_forgetting_the_init_of_module_does_no_harm(forgetful, names):
    model = forgetful()
    assert list(model.state_dict()) == names
    assert model.training
    assert not model.eval().training


class Appended(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = []
        for _ in range(2):
            self.layers.append(nn.Linear(64, 64))

    def forward(self, x):
        return self.layers[1](x)


def test_layers_appended_to_a_list_are_parameters():
    assert list(Appended().state_dict()) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 32)
        self.encoder = nn.Sequential(nn.Linear(64, 32), nn.Sequential(nn.Linear(64, 8)))
        self.heads = [nn.Linear(64, 10), nn.Linear(64, 2)]
        self.deep = Encoder()


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (lambda: nn.Linear(64, 32), "Linear"),
        (lambda: nn.Sequential(nn.Linear(64, 32))[0], "Linear '0'"),
        (lambda: Classifier().fc1, "Linear 'fc1'"),
        (lambda: Classifier().encoder, "Linear 'encoder.0'"),
        (lambda: Classifier().encoder[1], "Linear 'encoder.1.0'"),
        (lambda: Classifier().heads[1], "Linear 'heads.1'"),
        (Appended, "Linear 'layers.1'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_name_the_layer_as_the_model_does(layer, name):
    with pytest.raises(ValueError, match=rf"^{name} expects input of shape \(batch, 64\), got \(32, 100\)"):
        layer()(np.zeros((32, 100), np.float32))


def test_errors_name_a_layer_deep_in_a_model_that_was_put_into_another():
    with pytest.raises(ValueError, match=r"^BatchNorm1d 'deep\.first\.1' expects"):
        Classifier().deep.first[1](np.zeros((2, 5), np.float32))


def copied(model):
    return copy.deepcopy(model)


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("duplicate", [copied, pickled])
def test_a_copy_of_a_model_computes_the_same_and_shares_nothing(duplicate):
    model = nn.Sequential(nn.Linear(3, 4, weight_init="normal"), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    model(x)
    before = model.state_dict()
    duplicated = duplicate(model)
    assert {name: value.tolist() for name, value in duplicated.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }
    assert duplicated(x).data.tolist() == model(x).data.tolist()
    before = model.state_dict()
    duplicated(2 * x).sum().backward()
    for parameter in duplicated.parameters():
        parameter.data -= parameter.grad + 1
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("duplicate", [copied, pickled])
def test_a_copy_of_a_model_keeps_the_initializers_of_its_parameters(duplicate):
    model = nn.Sequential(nn.Linear(3, 4, weight_init="normal"), nn.BatchNorm1d(4), nn.Linear(4, 2, bias_init=np.ones(2)))
    assert repr(duplicate(model)) == repr(model)


@pytest.mark.parametrize("duplicate", [copied, pickled])
def test_a_copy_of_a_shared_parameter_is_shared(duplicate):
    duplicated = duplicate(Tied())
    assert duplicated.a.weight is duplicated.b.weight
    assert isinstance(duplicated.a.weight, nn.Parameter)


@pytest.mark.parametrize("duplicate", [copied, pickled])
def test_a_copy_of_a_model_names_its_layers_in_errors(duplicate):
    with pytest.raises(ValueError, match=r"Linear 'fc1' expects"):
        duplicate(Classifier()).fc1(np.zeros((2, 3), np.float32))


# What an attribute holds


class Parts(nn.Module):
    """Parameters and layers in a list, a tuple, a dict, and these in each other."""

    def __init__(self):
        super().__init__()
        self.scales = [nn.Parameter([1.0]), nn.Parameter([2.0, 3.0])]
        self.heads = {"a": nn.Linear(2, 3), "b": {"c": nn.Parameter(4.0), "d": [nn.Linear(2, 1, bias=False), 5]}}
        self.pair = (nn.Tanh(), nn.Parameter(6.0))
        self.plain = {"x.y": 1, 7: [8, {9: 10}]}


PARTS = ["scales.0", "scales.1", "heads.b.c", "pair.1", "heads.a.weight", "heads.a.bias", "heads.b.d.0.weight"]


def test_parameters_and_layers_in_lists_and_dicts_are_found():
    model = Parts()
    assert [name for name, _ in model.named_parameters()] == PARTS
    assert list(model.state_dict()) == PARTS
    assert [name for name, _ in model.named_children()] == ["heads.a", "heads.b.d.0", "pair.0"]
    assert not any(module.training for module in model.eval().modules())
    model.load_state_dict({name: np.zeros_like(value) for name, value in model.state_dict().items()})
    assert not any(p.data.any() for p in model.parameters())
    duplicated = copy.deepcopy(model)
    assert [name for name, _ in duplicated.named_parameters()] == PARTS
    assert not set(map(id, duplicated.parameters())) & set(map(id, model.parameters()))


def test_parameters_in_lists_and_dicts_are_named_in_errors_tables_rules_and_texts():
    model = Parts()
    with pytest.raises(ValueError, match=r"Linear 'heads.a' expects input of shape \(batch, 2\)"):
        model.heads["a"](np.zeros((1, 5), np.float32))
    model.initialize(rng=0, rules={"scales.*": 0.5, "heads.b.c": "ones", "Parts.pair.1": 2.0})
    assert [p.data.ravel().tolist() for _, p in list(model.named_parameters())[:4]] == [[0.5], [0.5, 0.5], [1], [2]]
    assert [row.name for row in model.describe()] == PARTS
    assert "scales.0_init=Constant(value=0.5)" in repr(model)
    assert "(heads.b.d.0): Linear" in repr(model)


@pytest.mark.parametrize("key", ["a.b", 3, None])
def test_a_key_that_makes_no_name_is_an_error(key):
    with pytest.raises(TypeError, match=r"'heads': the keys of Parameters and Modules are strings without a dot, got"):
        nn.Module().heads = {key: nn.Linear(2, 2)}


class Holder(nn.Module):
    def __init__(self):
        self.fc = nn.Linear(2, 3, bias=False)
        self.inner = nn.Sequential(nn.Tanh())
        self.register_buffer("seen", np.zeros(2))


@pytest.mark.parametrize(
    ("value", "came"),
    [(minidl.Tensor([[1.0, 2.0]] * 3), "Tensor"), (np.ones((3, 2)), "ndarray"), (0.5, "float"), ([1.0], "list")],
)
def test_only_a_parameter_takes_the_place_of_a_parameter(value, came):
    layer = nn.Linear(2, 3)
    before = layer.weight
    with pytest.raises(
        TypeError, match=rf"^Linear: 'weight' is for a Parameter or None; what a {came} .* assign to .weight.data"
    ):
        layer.weight = value
    assert layer.weight is before
    assert list(layer.state_dict()) == ["weight", "bias"]
    layer.weight = nn.Parameter(np.zeros((3, 2), np.float32))
    layer.weight = None
    assert list(layer.state_dict()) == ["bias"]
    with pytest.raises(TypeError, match="Linear: 'weight' is for a Parameter or None"):
        layer.weight = value
    del layer.weight
    layer.weight = value  # a name like any other now


@pytest.mark.parametrize("layer", [nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3, affine=False)])
def test_only_a_parameter_takes_the_place_of_a_bias_that_was_left_out(layer):
    with pytest.raises(TypeError, match=": 'bias' is for a Parameter or None"):
        layer.bias = minidl.Tensor([1.0, 2.0, 3.0])
    layer.bias = nn.Parameter(np.ones(3, np.float32))
    assert [name for name, _ in layer.named_parameters()][-1] == "bias"


@pytest.mark.parametrize("value", [np.tanh, [nn.Tanh()], 1.0, minidl.Tensor([1.0])])
def test_only_a_module_takes_the_place_of_a_module(value):
    model = Holder()
    with pytest.raises(TypeError, match=r"^Holder: 'inner' is for a Module or None; what a"):
        model.inner = value
    model.inner = nn.ReLU()
    model.inner = None
    assert [name for name, _ in model.named_children()] == ["fc"]


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (np.zeros(3), r"float64 of shape \(3,\)"),
        (np.zeros(2, np.float32), r"float32 of shape \(2,\)"),
        (0, "int"),
        (nn.Parameter(np.zeros(2)), "Parameter"),
        ([0.0, 0.0], "list"),
    ],
)
def test_only_an_array_of_its_shape_and_dtype_takes_the_place_of_a_buffer(value, came):
    model = Holder()
    with pytest.raises(TypeError, match=rf"^Holder: 'seen' is a buffer, float64 of shape \(2,\), and takes .* got {came}"):
        model.seen = value
    model.seen = np.ones(2)
    assert model.state_dict()["seen"].tolist() == [1, 1]
    model.seen = None
    assert "seen" not in model.state_dict()
    del model.seen
    model.seen = value


@pytest.mark.parametrize(
    "make_a_circle",
    [
        lambda m: setattr(m, "again", m),
        lambda m: setattr(m, "again", [m]),
        lambda m: setattr(m, "again", {"a": (m,)}),
        lambda m: setattr(m.inner, "0", m),
        lambda m: setattr(m.inner, "1", nn.Sequential(nn.Tanh(), m)),
        lambda m: m.list.append(m),
        lambda m: m.list[0].append(m),
        lambda m: m.list.extend([nn.Tanh(), m.list]),
        lambda m: m.dict.update(a=m),
    ],
)
def test_a_module_in_itself_is_an_error_when_it_is_put_there_and_changes_nothing(make_a_circle):
    model = Holder()
    model.list, model.dict = nn.ModuleList([nn.ModuleList()]), nn.ModuleDict()
    text = repr(model)
    model.alone = model.list[0]  # twice in the model, which is not a circle
    del model.alone
    with pytest.raises(ValueError, match="would make it a part of itself; a model must be a tree of modules"):
        make_a_circle(model)
    assert repr(model) == text


def test_a_module_that_a_list_has_put_in_itself_is_an_error_where_it_shows():
    model = Holder()
    model.layers, model.nested = [], []
    model.layers.append(model)
    for use in (
        lambda: list(model.parameters()),
        model.state_dict,
        model.train,
        lambda: model.apply(print),
        lambda: repr(model),
    ):
        with pytest.raises(ValueError, match=r"Holder: 'layers\.0' would make it a part of itself"):
            use()
    model.layers.clear()
    model.nested.append(model.nested)
    with pytest.raises(ValueError, match=r"'nested\.0' is a list or dict that is in itself"):
        list(model.parameters())


# Sequential, ModuleList, ModuleDict, ParameterList


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
        self.heads = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.ModuleList([nn.Linear(2, 4, bias=False)])})
        self.scales = nn.ParameterList([nn.Parameter([1.0]), [2.0]])

    def forward(self, x):
        for layer, scale in zip(self.layers, (1, *self.scales), strict=True):
            x = layer(x) * scale
        return self.heads["a"](x)


DEEP = [f"layers.{i}.{name}" for i in range(3) for name in ("weight", "bias")]
DEEP += ["heads.a.weight", "heads.a.bias", "heads.b.0.weight", "scales.0", "scales.1"]  # as PyTorch names and orders them


def test_lists_and_dicts_of_modules_have_the_names_of_pytorch():
    model = Deep()
    assert list(model.state_dict()) == DEEP
    model(np.ones((3, 2), np.float32)).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == ["heads.b.0.weight"]
    with pytest.raises(ValueError, match=r"Linear 'layers.1' expects input"):
        model.layers[1](np.ones((3, 5), np.float32))
    for duplicated in (copied(model), pickled(model)):
        assert list(duplicated.state_dict()) == DEEP
        assert isinstance(duplicated.heads["b"], nn.ModuleList)


def test_a_module_list_is_a_list():
    a, b, c, d = (nn.Linear(1, n) for n in (1, 2, 3, 4))
    modules = nn.ModuleList([a, c])
    modules.insert(1, b)
    modules.append(d)
    assert list(modules) == [a, b, c, d]
    assert (len(modules), modules[-1], modules.index(c), b in modules) == (4, d, 2, True)
    assert list(modules[1:3]) == [b, c]
    assert isinstance(modules[1:3], nn.ModuleList)
    del modules[0]
    modules[0] = a
    modules += [b]
    assert list(modules) == [a, c, d, b]
    assert [name for name, _ in modules.named_parameters()][::2] == ["0.weight", "1.weight", "2.weight", "3.weight"]
    with pytest.raises(ValueError, match="Linear '2' expects"):
        d(np.ones((1, 7), np.float32))
    assert modules.pop() is b
    modules.extend(nn.Tanh() for _ in range(2))
    assert len(modules) == 5
    with pytest.raises(TypeError, match="ModuleList only holds its parts; call these yourself, or make a Sequential"):
        modules([[1.0]])
    for act in (
        modules.append,
        lambda x: modules.insert(0, x),
        lambda x: modules.__setitem__(0, x),
        lambda x: modules.extend([x]),
    ):
        with pytest.raises(TypeError, match="ModuleList takes modules, got float"):
            act(1.0)
    assert len(modules) == 5


def test_a_module_dict_is_a_dict():
    a, b = nn.Linear(1, 1), nn.Linear(1, 2)
    modules = nn.ModuleDict({"a": a})
    modules["b"] = b
    assert list(modules) == ["a", "b"] == list(modules.keys())
    assert (list(modules.values()), dict(modules.items())) == ([a, b], {"a": a, "b": b})
    assert "a" in modules
    assert modules.pop("a") is a
    modules.update({"c": a})
    assert list(modules.state_dict()) == ["b.weight", "b.bias", "c.weight", "c.bias"]
    assert modules == modules
    assert modules != nn.ModuleDict(modules)
    assert len({modules, modules}) == 1
    for key, value in (("x.y", a), (3, a), ("d", 1.0)):
        with pytest.raises(TypeError, match=r"without a dot|takes modules, got float"):
            modules[key] = value
    assert list(modules) == ["b", "c"]
    modules.clear()
    assert len(modules) == 0


def test_a_parameter_list_makes_parameters():
    array = np.ones(2)
    parameters = nn.ParameterList([nn.Parameter([1.0]), minidl.Tensor([2.0]), array])
    parameters.append([4.0])
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in parameters)
    assert parameters[2].data is array
    assert [name for name, _ in parameters.named_parameters()] == ["0", "1", "2", "3"]
    with pytest.raises(TypeError, match="real numbers"):
        parameters.append("x")


def test_sequential_has_a_length_an_order_and_places():
    layers = nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)
    model = nn.Sequential(*layers)
    assert len(model) == 3
    assert all(a is b for a, b in zip(model, layers, strict=True))
    assert model[0] is layers[0]
    assert model[-1] is layers[2]
    with pytest.raises(IndexError):
        model[3]


def test_sequential_calls_its_modules_one_after_the_other():
    model = nn.Sequential(nn.Linear(2, 1, weight_init=3.0), nn.ReLU(), nn.Linear(1, 1, weight_init=-1.0, bias_init=0.5))
    assert model([[1.0, 2.0], [-1.0, 0.0]]).data.tolist() == [[-8.5], [0.5]]


def test_an_empty_sequential_returns_its_input():
    assert nn.Sequential()(3.0) == 3.0


@pytest.mark.parametrize("wrong", [np.tanh, nn.Tanh, [nn.Tanh()], None])
def test_sequential_takes_modules_only(wrong):
    with pytest.raises(TypeError, match=rf"Sequential takes modules, got {type(wrong).__name__} at place 1"):
        nn.Sequential(nn.Tanh(), wrong)


def test_a_parameter_shares_memory_with_a_float_array_and_requires_a_gradient():
    array = np.ones(3)
    parameter = nn.Parameter(array)
    assert parameter.data is array
    assert parameter.requires_grad
    assert not nn.Parameter(array, requires_grad=False).requires_grad


def test_a_layer_of_a_sequential_can_be_replaced():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    model[0] = nn.Linear(2, 5)
    model[-1] = nn.Sequential(model[-1], nn.ReLU())
    assert [name for name, _ in model.named_modules()] == ["", "0", "1", "1.0", "1.1"]
    assert model([[0.0, 0.0]]).shape == (1, 5)
    with pytest.raises(ValueError, match=r"Linear '0' expects input"):
        model([[0.0]])
    with pytest.raises(IndexError):
        model[2] = nn.Tanh()
    with pytest.raises(TypeError, match="Sequential takes modules, got float at place 0"):
        model[0] = 1.0
