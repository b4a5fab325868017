"""Tests nn.Module, nn.Parameter and nn.Sequential against hand-written names and texts, and against a model, its state_dict
and its outputs recorded from PyTorch 2.13.
"""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

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


def test_an_attribute_set_to_none_is_no_parameter_any_more():
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
        "first.1.weight",  # batch norm starts at 1
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


def test_a_buffer_is_saved_and_loaded_but_not_trained():
    model = Encoder()
    memory = model.seen
    state = model.state_dict()
    state["seen"] = [3.0, 4.0]
    model.load_state_dict(state)
    assert model.seen is memory
    assert model.seen.tolist() == [3, 4]
    assert not isinstance(model.seen, nn.Parameter)


def test_repr_names_the_law_of_every_parameter():
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


def test_repr_names_the_law_of_a_function_that_overwrote_the_parameter():
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
    twin = duplicate(model)
    assert {name: value.tolist() for name, value in twin.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }
    assert twin(x).data.tolist() == model(x).data.tolist()
    before = model.state_dict()
    twin(2 * x).sum().backward()
    for parameter in twin.parameters():
        parameter.data -= parameter.grad + 1
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("duplicate", [copied, pickled])
def test_a_copy_of_a_model_keeps_the_laws_of_its_parameters(duplicate):
    model = nn.Sequential(nn.Linear(3, 4, weight_init="normal"), nn.BatchNorm1d(4), nn.Linear(4, 2, bias_init=np.ones(2)))
    assert repr(duplicate(model)) == repr(model)


@pytest.mark.parametrize("duplicate", [copied, pickled])
def test_a_copy_of_a_shared_parameter_is_shared(duplicate):
    twin = duplicate(Tied())
    assert twin.a.weight is twin.b.weight
    assert isinstance(twin.a.weight, nn.Parameter)


@pytest.mark.parametrize("duplicate", [copied, pickled])
def test_a_copy_of_a_model_names_its_layers_in_errors(duplicate):
    with pytest.raises(ValueError, match=r"Linear 'fc1' expects"):
        duplicate(Classifier()).fc1(np.zeros((2, 3), np.float32))


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
