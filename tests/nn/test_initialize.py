"""Tests `Module.initialize` and `Module.describe`: named streams, rules, what a parameter knows of its origin, and
that an error leaves the model as it was. Numbers are worked out by hand; streams are compared between models and
between processes."""

import copy
import math
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from interrupts import states_after_interrupts

import minidl
from minidl import init, nn
from minidl.random import Generator


class Net(nn.Module):
    """Layers of these names, in this order."""

    def __init__(self, **layers):
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        for _, layer in self.named_children():
            x = layer(x)
        return x


def linear(**arguments):
    return nn.Linear(4, 4, weight_init=init.HeNormal(), bias_init=init.Normal(), **arguments)


def bits(model):
    return {name: parameter.data.tobytes() for name, parameter in model.named_parameters()}


def state(model):
    """All that initialize may change."""
    parameters = model.named_parameters()
    return bits(model), [(p.initializer, p.origin, p.fans, None if p.grad is None else p.grad.tolist()) for _, p in parameters]


# Named streams


@pytest.mark.parametrize(
    "names",
    [
        ["fc1", "fc2", "head", "more"],
        ["fc1", "middle", "fc2", "head"],
        ["zeroth", "fc1", "fc2", "head"],
        ["head", "fc2", "fc1"],
        ["fc1", "head"],
    ],
    ids=["added at the end", "in the middle", "at the front", "another order", "one removed"],
)
def test_other_layers_leave_the_bits_of_a_parameter_as_they_are(names):
    before = bits(Net(fc1=linear(), fc2=linear(), head=linear()).initialize(rng=5))
    after = bits(Net(**{name: linear() for name in names}).initialize(rng=5))
    shared = before.keys() & after.keys()
    assert len(shared) >= 4
    assert all(before[name] == after[name] for name in shared)


def test_a_layer_that_grows_leaves_the_others_as_they_are():
    before = bits(Net(fc1=linear(), fc2=linear()).initialize(rng=5))
    after = bits(Net(fc1=nn.Linear(4, 99), fc2=linear()).initialize(rng=5))
    assert before["fc2.weight"] == after["fc2.weight"]
    assert before["fc2.bias"] == after["fc2.bias"]


def test_one_initializer_given_to_ten_layers_makes_ten_matrices_with_no_number_in_common():
    initializer = init.XavierUniform()
    model = nn.Sequential(*(nn.Linear(20, 20, weight_init=initializer, dtype=np.float64) for _ in range(10))).initialize(rng=0)
    values = np.concatenate([layer.weight.data.ravel() for layer in model])
    assert len(np.unique(values)) == values.size == 4000  # of 2^53: two alike by chance are as likely as 1e-9


def test_no_two_parameters_share_a_stream():
    model = Net(a=linear(), b=nn.Sequential(linear(), nn.BatchNorm1d(4)), c=[linear() for _ in range(50)]).initialize(rng=0)
    streams = [Generator(p.origin.seed).stream(p.origin.stream).seed for p in model.parameters()]
    assert len(set(streams)) == len(streams) == 106


HASH = """
import hashlib
from minidl import init, nn
model = nn.Sequential(nn.Linear(300, 400), nn.BatchNorm1d(400), nn.Linear(400, 100, weight_init="he_normal"))
model.initialize(rng=11, rules={"BatchNorm1d.weight": init.TruncatedNormal(), "*.bias": "normal"})
print(hashlib.sha256(b"".join(p.data.tobytes() for p in model.parameters())).hexdigest())
"""


@pytest.mark.parametrize(
    "environment",
    [{"MINIDL_NUM_THREADS": "1"}, {"MINIDL_NUM_THREADS": "3"}, {"MINIDL_KERNELS": "reference"}, {"MINIDL_ISA": "generic"}],
    ids=str,
)
def test_another_process_gets_the_same_bits_whatever_its_threads_kernels_and_instruction_set(environment, capsys):
    exec(HASH, {})
    here = capsys.readouterr().out
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MINIDL_")}
    there = subprocess.run([sys.executable, "-c", HASH], env=clean | environment, capture_output=True, text=True, timeout=120)
    assert (there.stdout, there.stderr) == (here, "")


def test_the_stream_is_that_of_the_seed_and_the_qualified_name():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)).initialize(rng=7)
    for name, parameter in model.named_parameters():
        assert parameter.origin == init.Origin(seed=7, position=0, stream=name)
    assert model[1].weight.data.tolist() == init.XavierUniform()((2, 2), Generator(7).stream("1.weight")).tolist()


@pytest.mark.parametrize("position", [0, 12])
def test_of_a_generator_the_seed_counts_and_the_position_stays(position):
    rng = Generator(7)
    rng.position = position
    assert bits(linear().initialize(rng)) == bits(linear().initialize(7)) != bits(linear().initialize(8))
    assert rng.position == position


def test_none_is_the_seed_of_the_global_generator_and_0_the_default():
    minidl.manual_seed(7)
    assert bits(linear().initialize(None)) == bits(linear().initialize(7))
    assert bits(linear().initialize()) == bits(linear().initialize(0))
    with pytest.raises(TypeError, match="rng must be a"):
        linear().initialize("7")


def test_a_tied_parameter_is_drawn_once_under_its_first_name():
    first, second = linear(), linear()
    second.weight = first.weight
    model = Net(encoder=first, decoder=second).initialize(rng=3)
    assert first.weight is second.weight
    assert bits(model)["encoder.weight"] == bits(Net(encoder=linear()).initialize(rng=3))["encoder.weight"]
    with pytest.raises(ValueError, match=r"the rule 'decoder.weight' matches no parameter; did you mean 'encoder.weight'"):
        model.initialize(rules={"decoder.weight": 0})


def test_a_name_that_another_parameter_could_have_is_an_error():
    model = Net(body=[linear()])
    with pytest.raises(AttributeError, match=r"Net: the name of an attribute cannot contain a dot, got 'body.0'"):
        setattr(model, "body.0", linear())


# Fans


def test_a_layer_states_the_fans_of_weight_and_bias_and_batch_norm_has_none():
    model = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))
    assert [p.fans for p in model.parameters()] == [(5, 3), (5, 3), None, None]


@pytest.mark.parametrize(
    ("arguments", "fans"),
    [({}, (4 * 9, 64 * 9)), ({"fans": (36, 144)}, (36, 144))],  # 64 filters in 4 groups, of 3 x 3 places: 64 / 4 * 9 = 144
)
def test_a_parameter_of_ones_own_has_the_fans_that_it_states_or_else_those_of_its_shape(arguments, fans):
    model = Net()
    model.kernel = nn.Parameter(np.zeros((64, 4, 3, 3)), initializer=init.HeNormal(mode="fan_out"), **arguments)
    assert model.kernel.fans == fans
    std = math.sqrt(2 / fans[1])
    for w in (
        model.initialize(rng=0).kernel,
        init.kaiming_normal_(model.kernel, mode="fan_out", nonlinearity="relu", generator=1),
    ):
        assert w.data.std() == pytest.approx(std, rel=4 * math.sqrt(0.5 / 2304))  # four standard errors
    assert model.describe()[0].theory.std == pytest.approx(std)


@pytest.mark.parametrize(
    ("fans", "message"),
    [
        ((1.5, 2), "must be non-negative integers, got 1.5 and 2"),
        ((-1, 2), "must be non-negative integers, got -1 and 2"),
        ((None, 2), "must be non-negative integers, got None and 2"),
        ((3,), r"fans are \(fan_in, fan_out\), got \(3,\)"),
        (3, r"fans are \(fan_in, fan_out\), got 3"),
    ],
)
def test_fans_that_cannot_be_are_an_error_when_the_parameter_is_made(fans, message):
    with pytest.raises(ValueError, match=message):
        nn.Parameter(np.zeros((2, 2)), initializer=init.HeNormal(), fans=fans)


def test_a_parameter_takes_whatever_initializer_a_layer_takes():
    model = Net()
    model.w = nn.Parameter(np.zeros((2, 2)), initializer="he_normal")
    assert model.w.initializer == init.HeNormal()
    assert model.initialize(rng=0).w.data.any()
    with pytest.raises(ValueError, match="did you mean 'he_normal'"):
        nn.Parameter(np.zeros((2, 2)), initializer="he_nromal")


# Rules


def initializers(model):
    return [parameter.initializer for parameter in model.parameters()]


def test_the_first_rule_that_matches_counts_and_without_one_the_initializer_that_is_there():
    model = Net(body=nn.Linear(4, 4), head=nn.Linear(4, 2, bias_init=0.5))
    model.initialize(rules={"*.weight": init.HeNormal(), "head.weight": init.Ones(), "head.*": init.Zeros()})
    assert initializers(model) == [init.HeNormal(), init.Zeros(), init.HeNormal(), init.Zeros()]
    assert not model.head.bias.data.any()
    model = Net(body=nn.Linear(4, 4), head=nn.Linear(4, 2, bias_init=0.5))
    assert initializers(model.initialize(rules=[("body.bias", 1)])) == [
        init.XavierUniform(),
        init.Constant(1),
        init.XavierUniform(),
        init.Constant(0.5),
    ]


def test_a_rule_takes_whatever_a_layer_takes():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    model.initialize(
        rules={
            "0.weight": "he_uniform",
            "0.bias": 0.25,
            "1.weight": [[1, 2], [3, 4]],
            "1.bias": np.array([0.5, 1.5]),
            "2.weight": lambda shape, rng: rng.normal(shape, std=0.1),
        }
    )
    assert initializers(model)[0] == init.HeUniform()
    assert model[0].bias.data.tolist() == [0.25, 0.25]
    assert model[1].weight.data.tolist() == [[1, 2], [3, 4]]
    assert model[1].weight.origin is None
    assert model[1].bias.data.tolist() == [0.5, 1.5]
    assert model[2].weight.data.tolist() == Generator(0).stream("2.weight").normal((2, 2), std=0.1).tolist()


@pytest.mark.parametrize("pattern", ["*.weight", "weight", "w*", "*", "Linear.weight", "Module.weight", "[!b]*"])
def test_patterns_that_match_the_weight_of_a_lone_layer(pattern):
    assert nn.Linear(2, 2).initialize(rules={pattern: 3}).weight.initializer == init.Constant(3)


@pytest.mark.parametrize(
    "pattern", ["Fc.*", "FC.WEIGHT", "c.weight", "fc", "fc.*.weight", "fc?weight?", "Linear.weigh", "linear.weight", ""]
)
def test_a_pattern_matches_a_whole_name_and_its_case(pattern):
    with pytest.raises(ValueError, match=r"matches no parameter; did you mean 'fc\.(weight|bias)'\? .*: fc.weight, fc.bias$"):
        Net(fc=nn.Linear(2, 2)).initialize(rules={pattern: 3})


class Special(nn.Linear):
    pass


def test_a_rule_for_a_class_is_for_all_its_layers_and_those_of_its_subclasses():
    model = Net(a=nn.Linear(2, 2), b=Special(2, 2), c=nn.BatchNorm1d(2), d=[nn.Linear(2, 2)])
    model.initialize(rules={"Special.weight": 1, "Linear.weight": 2, "BatchNorm1d.*": 3})
    numbers = [getattr(p.initializer, "value", None) for name, p in model.named_parameters()]
    assert numbers == [2, None, 1, None, 3, 3, 2, None]


@pytest.mark.parametrize("pattern", ["BatchNorm1d.weight", "Linear.bias"])
def test_a_rule_for_a_class_may_lie_idle(pattern):
    model = Net(fc=nn.Linear(2, 2, bias=False))
    assert initializers(model.initialize(rules={pattern: 3})) == [init.XavierUniform()]


@pytest.mark.parametrize("pattern", ["BatchNorm9d.weight", "Linear.biass", "Linear", "functional.weight"])
def test_a_misspelt_rule_for_a_class_is_an_error(pattern):
    with pytest.raises(ValueError, match=rf"the rule '{pattern}' matches no parameter; did you mean"):
        Net(fc=nn.Linear(2, 2, bias=False)).initialize(rules={pattern: 3})


def test_a_rule_for_a_model_without_parameters_is_an_error():
    assert nn.Tanh().initialize().describe() == []
    with pytest.raises(ValueError, match="matches no parameter, for the model has no parameters"):
        nn.Tanh().initialize(rules={"*": 3})


# What stays, and what else changes


def test_loaded_values_and_parameters_without_an_initializer_stay_unless_a_rule_says_otherwise(capsys):
    model = Net(a=linear(), b=linear())
    model.a.load_state_dict({"weight": np.full((4, 4), 9), "bias": np.full(4, 8)})
    model.own = nn.Parameter([7.0, 7.0])
    model.initialize(rules={"a.bias": 0.5}, dry_run=True)
    out = capsys.readouterr().out
    assert "kept: Given('state_dict')" in out
    assert "kept: no initializer" in out
    model.initialize(rules={"a.bias": 0.5})
    assert (model.a.weight.data == 9).all()
    assert (model.a.bias.data == 0.5).all()
    assert (model.own.data == 7).all()
    assert {name for name, p in model.named_parameters() if p.origin is None} == {"own", "a.weight"}


def test_an_array_that_a_layer_was_given_initializes_it_again():
    layer = nn.Linear(2, 1, weight_init=[[1.0, 2.0]])
    layer.weight.data[...] = 9
    assert layer.initialize().weight.data.tolist() == [[1, 2]]


def test_gradients_are_forgotten_and_buffers_stay():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model([[1.0, 2.0], [3.0, 5.0]]).sum().backward()
    buffers = {name: value for name, value in model.state_dict().items() if "running" in name or "num" in name}
    assert model.initialize() is model
    assert all(p.grad is None for p in model.parameters())
    assert all((model.state_dict()[name] == value).all() for name, value in buffers.items())
    assert buffers["1.num_batches_tracked"] == 1


def test_backward_through_a_graph_from_before_is_an_error():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    y = model([[1.0, 2.0]]).sum()
    model.initialize()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_a_dry_run_prints_what_each_parameter_would_get_and_changes_nothing(capsys):
    model = nn.Sequential(nn.Linear(500, 400), nn.BatchNorm1d(400))
    model([[1.0] * 500, [2.0] * 500]).sum().backward()
    before = state(model)
    assert model.initialize(rng=3, rules={"0.weight": "he_normal"}, dry_run=True) is model
    assert state(model) == before
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "parameter shape initializer fan_in fan_out drawn from std",
        "0.weight (400, 500) HeNormal(a=0.0, mode='fan_in') 500 400 seed 3, stream '0.weight' 0.06325",
        "0.bias (400,) Zeros() 500 400 seed 3, stream '0.bias' 0",
        "1.weight (400,) Ones() seed 3, stream '1.weight' 0",
        "1.bias (400,) Zeros() seed 3, stream '1.bias' 0",
    ]


# Errors


def nan_in_the_last(shape, rng):
    return np.where(np.arange(math.prod(shape)).reshape(shape) == math.prod(shape) - 1, np.nan, 1.0)


def divides_by_zero(shape, rng):
    return np.ones(shape) * (1 // 0)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        (
            {"*.weight": "he_normal"},
            ValueError,
            r"parameter '1.weight' by the rule '\*.weight': HeNormal.*\(3,\) has none.*another initializer",
        ),
        (
            {"2.bias": lambda shape, rng: np.zeros(3)},
            ValueError,
            r"parameter '2.bias' by the rule '2.bias': .* gave .* \(3,\), expected \(2,\)",
        ),
        ({"2.bias": np.zeros((2, 1))}, ValueError, r"gave an array of shape \(2, 1\), expected \(2,\)"),
        ({"2.weight": nan_in_the_last}, ValueError, r"parameter '2.weight'.*Custom\(nan_in_the_last\) gave NaN or infinity"),
        (
            {"2.weight": lambda shape, rng: np.ones(shape, int)},
            TypeError,
            "gave an array of int64, expected float32 or float64",
        ),
        ({"2.weight": lambda shape, rng: None}, ValueError, "parameter '2.weight' .* returned None; it must return the array"),
        ({"2.*": 1e39}, ValueError, "gave NaN or infinity in float32"),
        ({"2.*": init.TruncatedNormal(0, 1, 50, 51)}, ValueError, "parameter '2.weight'.*too little"),
        (
            {"*": 1, "2.weigth": 1},
            ValueError,
            r"'2.weigth' matches no parameter; did you mean '2.weight'\? .*0.weight, 0.bias, 1.weight",
        ),
        (
            {"*": 1, "0.*": "he_nromal"},
            ValueError,
            r"rule '0.\*': no initializer is called 'he_nromal'; did you mean 'he_normal'\?",
        ),
        ({"*": 1, "0.*": init.HeNormal}, TypeError, r"rule '0.\*': an initializer is an object: write HeNormal\(...\)"),
        ({"*": None}, TypeError, r"rule '\*': an initializer is .*; got NoneType"),
        ({"*": True}, TypeError, "got bool"),
        ({3: "zeros"}, TypeError, r"a rule is a pair \(pattern, initializer\), .* got \(3, 'zeros'\)"),
        (["*.weight", "zeros"], TypeError, r"a rule is a pair .* got '\*.weight'"),
        ("zeros", TypeError, "rules map patterns to initializers, such as .* got 'zeros'"),
        (init.Zeros(), TypeError, r"rules map patterns .* got Zeros\(\)"),
    ],
)
def test_an_error_says_what_came_and_leaves_the_model_as_it_was(rules, error, message, dry_run, capsys):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    y = model([[1.0, 2.0], [3.0, 5.0]]).sum()
    y.backward()
    y = model([[1.0, 2.0], [3.0, 5.0]]).sum()
    before = state(model)
    with pytest.raises(error, match=message):
        model.initialize(rng=1, rules=rules, dry_run=dry_run)
    assert state(model) == before
    assert capsys.readouterr().out == ""
    y.backward()  # nothing has been changed in place


def test_any_other_error_of_an_initializer_has_a_note_that_names_the_parameter():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    before = state(model)
    with pytest.raises(ZeroDivisionError) as error:
        model.initialize(rules={"1.*": divides_by_zero})
    assert error.value.__notes__ == ["parameter '1.weight' by the rule '1.*'"]
    assert state(model) == before


def test_a_read_only_parameter_is_an_error_before_any_other_is_changed():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    model[1].bias = nn.Parameter(np.broadcast_to(np.float32(1), (2,)), initializer=init.Zeros())
    before = state(model)
    with pytest.raises(ValueError, match=r"parameter '1.bias': its array is read-only"):
        model.initialize(rng=9)
    assert state(model) == before


# Provenance


def test_a_layer_records_the_seed_and_the_position_that_it_drew_from():
    rng = Generator(5)
    rng.position = 100
    layer = nn.Linear(3, 2, bias_init=init.Normal(), rng=rng)
    assert layer.weight.origin == init.Origin(seed=5, position=100)
    assert layer.bias.origin == init.Origin(seed=5, position=106)  # a float32 takes one word
    again = Generator(layer.bias.origin.seed)
    again.position = layer.bias.origin.position
    assert layer.bias.data.tolist() == layer.bias.initializer((2,), again).tolist()


def test_values_that_were_given_have_no_origin():
    layer = nn.Linear(1, 1, weight_init=[[1.0]])
    assert layer.weight.origin is None
    layer.initialize().load_state_dict(layer.state_dict())
    assert layer.bias.origin is None
    assert nn.Parameter([1.0]).origin is None


def test_in_place_functions_record_initializer_seed_and_position():
    weight = nn.Linear(3, 2).initialize().weight
    rng = Generator(6)
    rng.position = 4
    init.normal_(weight, std=0.1, generator=rng)
    assert (weight.initializer, weight.origin) == (init.Normal(0.0, 0.1), init.Origin(seed=6, position=4))
    minidl.manual_seed(8)
    init.xavier_uniform_(weight)
    assert (weight.initializer, weight.origin) == (init.XavierUniform(), init.Origin(seed=8, position=0))
    with pytest.raises(ValueError, match="infinite"):
        init.constant_(weight, 1e39)
    assert (weight.initializer, weight.origin) == (init.XavierUniform(), init.Origin(seed=8, position=0))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_a_copied_model_knows_what_it_started_from(duplicate):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).initialize(rng=4)
    assert duplicate(model).describe() == model.describe()


def test_a_deep_copy_can_be_drawn_again_by_an_initializer_of_ones_own():
    layer = nn.Linear(3, 2, weight_init=lambda shape, rng: rng.normal(shape))
    assert bits(copy.deepcopy(layer).initialize(3)) == bits(layer.initialize(3))


def a_tenth(shape, rng):
    return rng.normal(shape, std=0.1)


def test_a_pickled_model_keeps_a_function_that_has_a_name_and_says_so_of_one_that_has_none():
    named, nameless = nn.Linear(3, 2, weight_init=a_tenth), nn.Linear(3, 2, weight_init=lambda shape, rng: rng.normal(shape))
    assert bits(pickle.loads(pickle.dumps(named)).initialize(3)) == bits(named.initialize(3))
    copied = pickle.loads(pickle.dumps(nameless))
    assert repr(copied) == repr(nameless)
    assert (copied.weight.data == nameless.weight.data).all()
    before = state(copied)
    expected = r"parameter 'weight': the function .*<lambda> could not be pickled.*or give the parameter another initializer"
    with pytest.raises(ValueError, match=expected):
        copied.initialize(3)
    assert state(copied) == before
    assert copied.initialize(3, rules={"weight": a_tenth}).weight.initializer == init.get(a_tenth)


def test_an_origin_says_where_the_numbers_came_from():
    assert str(init.Origin(3, 7)) == "seed 3, position 7"
    assert str(init.Origin(3, stream="a.b")) == "seed 3, stream 'a.b'"


def test_the_repr_says_which_initializer_made_each_parameter():
    model = Net(fc=nn.Linear(2, 1))
    model.own, model.plain = nn.Parameter(np.zeros(3), initializer=init.Normal()), nn.Parameter(np.zeros(2))
    lines = [line.strip() for line in repr(model.initialize()).splitlines()]
    assert lines[:2] == ["Net(", "own_init=Normal(mean=0.0, std=1.0)"]
    assert lines[2].endswith("weight_init=XavierUniform(gain=1.0), bias_init=Zeros())")


# describe


def test_the_description_has_theory_beside_what_the_values_are():
    rows = nn.Linear(500, 400, bias_init=0.25).initialize(rng=0).describe()
    weight, bias = rows
    assert (weight.name, weight.shape, weight.fans) == ("weight", (400, 500), (500, 400))
    # Xavier: std sqrt(2/900), bounds sqrt(6/900); the sample's four standard errors: of the mean 0.0471405/447 * 4, of the
    # std 0.0471405 sqrt(0.2/200000) * 4, for a uniform distribution has kurtosis 1.8
    assert weight.theory == pytest.approx((0, 0.0471405, -0.0816497, 0.0816497), abs=1e-7)
    assert weight.actual.mean == pytest.approx(0, abs=0.00043)
    assert weight.actual.std == pytest.approx(0.0471405, abs=0.00019)
    assert -0.0816497 <= weight.actual.low < -0.0816 < 0.0816 < weight.actual.high <= 0.0816497
    assert bias.theory == bias.actual == init.Moments(0.25, 0, 0.25, 0.25)


def test_after_training_the_actual_values_are_those_of_now():
    layer = nn.Linear(2, 2, weight_init="zeros").initialize()
    layer.weight.data[...] = [[1, 2], [3, 6]]
    row = layer.describe()[0]
    assert row.theory == init.Moments(0, 0, 0, 0)
    assert row.actual == pytest.approx((3, math.sqrt(3.5), 1, 6))  # squared distances from 3: 4, 1, 0, 9


def test_the_table_shows_every_parameter_and_leaves_empty_what_is_not_known():
    model = Net(fc=nn.Linear(2, 1, weight_init=lambda shape, rng: np.ones(shape)))
    model.own = nn.Parameter(np.zeros((0, 2)))
    lines = [line.split() for line in str(model.initialize(3).describe()).splitlines()]
    assert lines[0][:6] == ["parameter", "shape", "initializer", "fan_in", "fan_out", "drawn"]
    assert lines[1] == ["own", "(0,", "2)", "2", "0"]
    assert lines[2][0] == "fc.weight"
    assert lines[2][-4:] == ["1", "0", "1", "1"]  # the initializer states no moments
    assert lines[3][-8:] == ["0"] * 8
    assert repr(model.describe()) == str(model.describe())


def test_the_table_has_what_the_initializer_says_and_what_the_values_are():
    layer = nn.Linear(3, 2, weight_init=init.Uniform(-1, 2), bias=False, rng=0)
    layer.weight.data[...] = [[-4.0, 0.0, 1.0], [1.0, 1.0, 7.0]]
    heads, cells = (re.split(r"\s{2,}", line) for line in str(layer.describe()).splitlines())
    stated, actual = (
        {"mean": "0.5", "std": "0.866", "low": "-1", "high": "2"},
        {"mean": "1", "std": "3.215", "low": "-4", "high": "7"},
    )
    expected = {**{f"expected {name}": value for name, value in stated.items()}, **actual}
    assert {head: cell for head, cell in zip(heads, cells, strict=True) if head in expected} == expected


def test_an_interrupted_initialize_leaves_all_or_nothing():
    def make():
        model = nn.Sequential(nn.Linear(2, 2, weight_init=1.0), nn.Linear(2, 1, weight_init=1.0))
        for parameter in model.parameters():
            parameter.grad = np.ones(parameter.shape, np.float32)
        return model

    def all_of(model):
        return state(model), [parameter._version[0] for parameter in model.parameters()]

    rules = {"*.weight": "ones", "*.bias": 2.0}
    found = states_after_interrupts(make, lambda model: model.initialize(rules=rules), all_of, where="initialize.py", every=3)
    assert len(found) == 2  # before and after


def test_an_interrupted_function_of_init_leaves_the_tensor_or_all_that_is_new():
    found = states_after_interrupts(
        lambda: nn.Linear(2, 2, weight_init=1.0).weight,
        lambda weight: init.normal_(weight, generator=0),
        lambda weight: (weight.data.tolist(), str(weight.initializer), weight.origin, weight._version[0]),
        where="torch_names.py",
    )
    assert len(found) == 2
