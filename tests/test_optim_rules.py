"""Tests Adam, AdamW and RMSprop against steps worked out by hand and against steps and state_dicts recorded from PyTorch 2.13.

What all rules have in common (groups, refusals, saving) is tested with SGD in test_optim.py."""

import copy
import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest
from interrupts import states_after_interrupts, states_without_memory

from minidl import Tensor, kernels, nn, optim
from minidl.kernels import reference
from minidl.optim import SGD, Adam, AdamW, RMSprop

RECORDED = json.loads((Path(__file__).parent / "recorded" / "optim.json").read_text())["rules"]
RULES = [Adam, AdamW, RMSprop]
FULL = {Adam: {"weight_decay": 0.1}, AdamW: {}, RMSprop: {"momentum": 0.9, "centered": True, "weight_decay": 0.1}}


@pytest.fixture(params=["as they run", "reference"] if kernels.backend == "compiled" else ["as they run"])
def each_kernel(request, monkeypatch):
    if request.param == "reference":
        for name in ("adam", "rmsprop"):
            monkeypatch.setattr(kernels, name, getattr(reference, name))


def in_words(trace):
    return ", ".join([trace["rule"], *(f"{name} {value}" for name, value in trace["arguments"].items())])


def go_on(p, optimizer, gradients):
    for gradient in gradients:
        p.grad = gradient if gradient is None else np.array(gradient, p.dtype)
        optimizer.step()
        yield p.data


GRADIENTS = [None if i == 2 else gradient for i, gradient in enumerate(RECORDED["gradients"])]  # the third step has none


@pytest.mark.usefixtures("each_kernel")
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])  # some thirty roundings of 6e-8
@pytest.mark.parametrize("trace", RECORDED["traces"], ids=in_words)
def test_six_steps_are_those_of_pytorch(trace, dtype, tolerance):
    p = Tensor(np.array(RECORDED["start"], dtype), requires_grad=True)
    optimizer = getattr(optim, trace["rule"])([p], **trace["arguments"])
    for value, expected in zip(go_on(p, optimizer, GRADIENTS), trace["after"], strict=True):
        np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)
        assert value.dtype == dtype


@pytest.mark.parametrize("step", [int, float, np.float32, lambda n: np.array(n, np.float32)])
@pytest.mark.parametrize("trace", RECORDED["traces"], ids=in_words)
def test_a_state_dict_of_pytorch_goes_on_as_in_pytorch(trace, step):
    saved = copy.deepcopy(trace["saved"])
    saved["state"]["step"] = step(saved["state"]["step"])
    p = Tensor(np.array(trace["after"][3]), requires_grad=True)
    optimizer = getattr(optim, trace["rule"])([p], lr=7)
    optimizer.load_state_dict({"state": {0: saved["state"]}, "param_groups": saved["param_groups"]})
    for value, expected in zip(go_on(p, optimizer, GRADIENTS[4:]), trace["after"][4:], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("trace", RECORDED["traces"], ids=in_words)
def test_the_state_dict_has_the_form_of_pytorch(trace):
    p = Tensor(np.array(RECORDED["start"]), requires_grad=True)
    optimizer = getattr(optim, trace["rule"])([p], **trace["arguments"])
    list(go_on(p, optimizer, GRADIENTS[:4]))
    state, expected = optimizer.state_dict()["state"], trace["saved"]["state"]
    assert list(state) == [0]
    assert set(state[0]) == set(expected)
    assert state[0]["step"] == expected["step"] == 3
    assert type(state[0]["step"]) is int
    for name in set(expected) - {"step"}:
        np.testing.assert_allclose(state[0][name], expected[name], rtol=1e-12, atol=1e-15)
    group, theirs = optimizer.state_dict()["param_groups"][0], trace["saved"]["param_groups"][0]
    assert group == {name: theirs[name] if name != "betas" else tuple(theirs[name]) for name in group}


@pytest.mark.parametrize(
    ("rule", "names", "defaults"),
    [
        (Adam, ["lr", "betas", "eps", "weight_decay"], [1e-3, (0.9, 0.999), 1e-8, 0]),
        (AdamW, ["lr", "betas", "eps", "weight_decay"], [1e-3, (0.9, 0.999), 1e-8, 1e-2]),
        (
            RMSprop,
            ["lr", "alpha", "eps", "weight_decay", "momentum", "centered"],
            [1e-2, 0.99, 1e-8, 0, 0, False],
        ),
    ],
)
def test_the_arguments_have_the_order_and_defaults_of_pytorch(rule, names, defaults):
    parameters = inspect.signature(rule).parameters
    assert list(parameters) == ["params", *names]
    assert [p.default for p in parameters.values()][1:] == defaults


@pytest.mark.usefixtures("each_kernel")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_step_of_adam_has_the_length_of_the_learning_rate(dtype):
    """m / (1 - beta1) = g and v / (1 - beta2) = g^2, so it is lr g / (|g| + eps)."""
    gradients = np.array([1e-3, -1e-3, 0.5, -7, 1e4, -1e12, 1e-8, 0], dtype)
    p = Tensor(np.zeros(8, dtype), requires_grad=True)
    p.grad = gradients
    Adam([p], lr=0.25).step()
    expected = [-0.25 / 1.00001, 0.25 / 1.00001, -0.25 / (1 + 2e-8), 0.25, -0.25, 0.25, -0.125, 0]
    np.testing.assert_allclose(p.data, expected, rtol=1e-6 if dtype == np.float32 else 1e-8)


@pytest.mark.usefixtures("each_kernel")
def test_a_step_of_each_rule_in_round_numbers():
    def moved(rule, start=8.0, gradient=2.0, **arguments):
        p = Tensor(np.array([start]), requires_grad=True)
        p.grad = np.array([gradient])
        rule([p], lr=0.5, **arguments).step()
        return p.item()

    assert moved(Adam, eps=0.0) == pytest.approx(7.5, rel=1e-14)
    assert moved(Adam, eps=2.0) == pytest.approx(7.75, rel=1e-14)  # 2 / (2 + 2)
    assert moved(Adam, eps=10.0, weight_decay=1.0) == pytest.approx(7.75, rel=1e-14)  # g = 2 + 8: 10 / (10 + 10)
    assert moved(AdamW, eps=2.0, weight_decay=1.0) == pytest.approx(3.75, rel=1e-14)  # 8 - 0.5 * 8, then as without
    assert moved(RMSprop, alpha=0.75, eps=1.0) == pytest.approx(7.5, rel=1e-14)  # s = 1: 2 / (1 + 1)
    assert moved(RMSprop, alpha=0.5, eps=1.0, centered=True) == pytest.approx(7.5, rel=1e-14)  # s = 2, a = 1: 2 / (1 + 1)


def test_long_after_the_start_nothing_is_left_of_the_correction():
    """A gradient that is always g: m = g and v = g^2, however small 1 - beta^t was."""
    p = Tensor(np.zeros(1), requires_grad=True)
    optimizer = Adam([p], lr=1.0, eps=0.0)
    state = {"step": 2**39, "exp_avg": [3.0], "exp_avg_sq": [9.0]}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": {0: state}})
    p.grad = np.array([3.0])
    optimizer.step()
    assert p.item() == pytest.approx(-1, rel=1e-15)
    assert optimizer.state_dict()["state"][0]["step"] == 2**39 + 1


@pytest.mark.parametrize("rule", RULES)
def test_a_parameter_without_gradient_is_left_alone_and_its_steps_are_not_counted(rule):
    still, moved = (Tensor([2.0], requires_grad=True) for _ in range(2))
    optimizer = rule([still, moved], **FULL[rule])
    moved.grad = np.ones(1, np.float32)
    optimizer.step()
    assert still.item() == 2
    assert list(optimizer.state_dict()["state"]) == [1]
    still.grad = np.ones(1, np.float32)
    optimizer.step()
    assert [known["step"] for known in optimizer.state_dict()["state"].values()] == [1, 2]
    assert moved.item() < still.item() < 2


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", [(), (0,), (1, 1), (3, 0, 2), (2, 1, 3)])
def test_parameters_of_any_shape_are_moved(rule, shape):
    p = Tensor(np.ones(shape, np.float32), requires_grad=True)
    p.grad = np.ones(shape, np.float32)
    optimizer = rule([p], lr=0.5, eps=0.0)
    optimizer.step()
    assert p.shape == shape
    assert (p.data < 1).all()
    other = rule([p], lr=0.5)
    other.load_state_dict(optimizer.state_dict())
    assert str(other.state_dict()) == str(optimizer.state_dict())


def test_a_momentum_that_is_switched_on_later_begins_at_0():
    p = Tensor(np.zeros(1), requires_grad=True)
    optimizer = RMSprop([p], lr=1.0, alpha=1.0, eps=1.0)  # s stays 0: u = g
    for momentum, expected in ((0.0, -1), (0.5, -2), (0.5, -3.5)):
        p.grad = np.ones(1)
        optimizer.param_groups[0]["momentum"] = momentum
        optimizer.step()
        assert p.item() == expected


# Errors


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.1])
@pytest.mark.parametrize("name", ["lr", "eps", "weight_decay"])
def test_a_number_that_is_negative_or_not_finite_is_an_error(rule, name, value):
    with pytest.raises(ValueError, match=rf"^{rule.__name__}: {name} must be a finite number of at least 0, got {value}"):
        rule([Tensor([1.0])], **{name: value})


@pytest.mark.parametrize(
    ("rule", "arguments", "error", "message"),
    [
        (Adam, {"betas": (1.0, 0.9)}, ValueError, r"betas must be at least 0 and below 1, got \(1.0, 0.9\)"),
        (Adam, {"betas": (0.9, 1.0)}, ValueError, "betas must be at least 0 and below 1"),
        (AdamW, {"betas": (-0.1, 0.9)}, ValueError, "betas must be at least 0 and below 1"),
        (AdamW, {"betas": (0.9, math.nan)}, ValueError, "betas must be at least 0 and below 1"),
        (Adam, {"betas": 0.9}, TypeError, "betas must be two numbers, got 0.9"),
        (Adam, {"betas": (0.9,)}, TypeError, "betas must be two numbers"),
        (Adam, {"betas": (0.9, "x")}, TypeError, "betas must be two numbers"),
        (Adam, {"betas": (0.9, None)}, TypeError, "betas must be two numbers"),
        (RMSprop, {"alpha": -0.1}, ValueError, "alpha must be a finite number of at least 0, got -0.1"),
        (RMSprop, {"alpha": 1.1}, ValueError, "alpha must be from 0 to 1, got 1.1"),
        (RMSprop, {"momentum": -0.1}, ValueError, "momentum must be a finite number of at least 0"),
        (RMSprop, {"centered": "yes"}, TypeError, "centered must be True or False, got 'yes'"),
        (RMSprop, {"centered": None}, TypeError, "centered must be True or False, got None"),
    ],
)
def test_a_number_out_of_its_range_is_an_error_that_names_it(rule, arguments, error, message):
    with pytest.raises(error, match=f"^{rule.__name__}: {message}"):
        rule([Tensor([1.0])], **arguments)


@pytest.mark.parametrize("rule", RULES)
def test_a_number_that_was_changed_is_checked_at_the_next_step_before_anything_moves(rule):
    optimizer = two_groups(rule)
    optimizer.param_groups[1].update({"betas": (0.9, 2.0)} if rule is not RMSprop else {"alpha": 2.0})
    before = all_of(optimizer)
    with pytest.raises(ValueError, match=rf"^{rule.__name__}: group 1: (betas|alpha) must be"):
        optimizer.step()
    assert all_of(optimizer) == before


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("data", [np.zeros(3), np.zeros(2, np.float32)], ids=["shape", "dtype"])
def test_a_parameter_that_was_given_data_of_another_shape_or_dtype_needs_a_new_optimizer(rule, data):
    p = Tensor(np.ones(2), requires_grad=True)
    optimizer = rule([p], **FULL[rule])
    p.grad = np.ones(2)
    optimizer.step()
    p.data, p.grad = data, np.ones_like(data)
    with pytest.raises(ValueError, match=rf"{rule.__name__}: parameter 0 has been given data of shape .* make a new optimizer"):
        optimizer.step()
    assert (p.data == 0).all()


# All or nothing


def two_groups(rule, steps=0):
    """Three parameters, one with strides, in two groups. Some steps have been taken."""
    parameters = [Tensor(values, requires_grad=True) for values in (np.ones(2), np.ones((4, 2))[::2], np.ones(1, np.float32))]
    optimizer = rule([{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.5}], lr=1.0, **FULL[rule])
    for i in range(steps + 1):
        for parameter in parameters:
            parameter.grad = np.full(parameter.shape, i + 1, parameter.dtype)
        if i < steps:
            optimizer.step()
    return optimizer


def all_of(optimizer):
    params = [p for group in optimizer.param_groups for p in group["params"]]
    values = [(p.data.tolist(), p._version[0], p.grad.tolist()) for p in params]
    return values, str(optimizer.state_dict())


@pytest.mark.parametrize("rule", [Adam, RMSprop])
@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.usefixtures("each_kernel")
def test_an_interrupted_step_has_moved_all_or_nothing(rule, steps):
    compiled = getattr(kernels, rule.__name__.lower()) is not getattr(reference, rule.__name__.lower())
    every = 1 if compiled else 5  # the reference is slower, so not at each of its instructions
    before, after = states_after_interrupts(lambda: two_groups(rule, steps), rule.step, all_of, every=every)
    assert before == all_of(two_groups(rule, steps))
    assert [then[1] - now[1] for then, now in zip(after[0], before[0], strict=True)] == [1, 1, 1]


def test_after_an_interrupted_step_training_goes_on_as_if_it_had_not_been_tried():
    found = states_after_interrupts(lambda: two_groups(Adam), lambda o: (o.step(), o.step()), all_of, every=7)
    assert len(found) == 3


@pytest.mark.parametrize("rule", RULES)
def test_a_step_that_finds_no_memory_has_moved_all_or_nothing(rule):
    after = two_groups(rule)
    after.step()
    nothing, everything = all_of(two_groups(rule)), all_of(after)
    found = states_without_memory(lambda: two_groups(rule), rule.step, all_of)
    # NumPy keeps small memory for later, so which allocation fails, and whether before the step or after it, is not in order.
    assert (found[0], found[-1]) == (nothing, everything)
    assert all(state in (nothing, everything) for state in found)


# state_dict


def network(rule):
    model = nn.Sequential(nn.Linear(3, 5, rng=0), nn.Tanh(), nn.Linear(5, 2, rng=1))
    return model, rule(model.parameters(), lr=0.05, **FULL[rule])


def train(model, optimizer, steps=3):
    for _ in range(steps):
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(np.eye(3, dtype=np.float32)), [0, 1, 1]).backward()
        optimizer.step()


@pytest.mark.parametrize("rule", RULES)
def test_training_that_was_saved_and_loaded_has_the_bits_of_training_through(rule):
    (model, optimizer), (other, resumed) = network(rule), network(rule)
    train(model, optimizer)
    other.load_state_dict(model.state_dict())
    resumed.load_state_dict(optimizer.state_dict())
    train(model, optimizer)
    train(other, resumed)
    assert [p.data.tobytes() for p in other.parameters()] == [p.data.tobytes() for p in model.parameters()]
    assert str(resumed.state_dict()) == str(optimizer.state_dict())


def test_what_is_saved_is_a_copy_that_later_steps_do_not_change():
    model, optimizer = network(RMSprop)
    train(model, optimizer)
    state = optimizer.state_dict()
    before = str(state)
    train(model, optimizer)
    assert str(state) == before


def put(name, to):
    return lambda state: state["state"][0].update({name: to})


@pytest.mark.parametrize(
    ("part", "error", "message"),
    [
        (put("step", -1), ValueError, "step: expected numbers of at least 0, got -1"),
        (put("step", 2.5), ValueError, "step: expected integers that int64 can hold, got 2.5"),
        (put("step", math.nan), ValueError, "step: expected finite numbers"),
        (put("step", 1e300), ValueError, "step: expected (finite numbers|integers)"),
        (put("step", 2**40), ValueError, "step: expected a number of steps, got 1099511627776"),
        (put("step", [3]), ValueError, r"step: shape \(1,\), expected \(\)"),
        (put("step", "3"), ValueError, "step: expected finite numbers, got dtype <U1"),
        (put("step", True), ValueError, "step: expected finite numbers, got dtype bool"),
        (put("step", None), ValueError, "has 'exp_avg', 'exp_avg_sq' and lacks 'step'; save and load all of it"),
        (put("exp_avg", None), ValueError, "has 'exp_avg_sq', 'step' and lacks 'exp_avg'"),
        (put("exp_avg_sq", [1.0, -1.0]), ValueError, "exp_avg_sq: expected numbers of at least 0, got -1"),
        (put("exp_avg", [1.0, math.inf]), ValueError, "exp_avg: expected finite numbers"),
        (put("exp_avg", np.ones(3)), ValueError, r"exp_avg: shape \(3,\), expected \(2,\)"),
        (put("max_exp_avg_sq", np.ones(2)), ValueError, "has 'max_exp_avg_sq'; Adam remembers 'exp_avg', 'exp_avg_sq', 'step'"),
        (lambda s: s["param_groups"][0].update(amsgrad=True), ValueError, "group 0: amsgrad must be False or None"),
        (
            lambda s: s["param_groups"][0].update(decoupled_weight_decay=True),
            ValueError,
            "group 0: decoupled_weight_decay must be False or None",
        ),
        (lambda s: s["param_groups"][0].update(betas=[0.9, 1]), ValueError, "group 0: betas must be at least 0 and below 1"),
        (lambda s: s["param_groups"][0].update(betas=None), TypeError, "group 0: betas must be two numbers, got None"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_an_error_and_changes_nothing(part, error, message):
    optimizer = two_groups(Adam, 2)
    state = optimizer.state_dict()
    before = str(state), str(optimizer)
    part(state)
    with pytest.raises(error, match=f"^load_state_dict of Adam: .*{message}"):
        optimizer.load_state_dict(state)
    assert (str(optimizer.state_dict()), str(optimizer)) == before


def test_adamw_takes_the_state_dict_of_adamw_only():
    state = AdamW([Tensor([1.0])]).state_dict()
    state["param_groups"][0]["decoupled_weight_decay"] = False
    with pytest.raises(ValueError, match=r"group 0: decoupled_weight_decay must be True or None, .* got False"):
        AdamW([Tensor([1.0])]).load_state_dict(state)
    with pytest.raises(ValueError, match="group 0 has 'betas', 'eps'; remove it"):
        SGD([Tensor([1.0])], lr=1).load_state_dict(state)


@pytest.mark.parametrize("rule", RULES)
def test_an_interrupted_load_has_changed_all_or_nothing(rule):
    state = two_groups(rule, 2).state_dict()
    before, after = states_after_interrupts(
        lambda: two_groups(rule, 1), lambda optimizer: optimizer.load_state_dict(state), lambda o: str(o.state_dict()), every=3
    )
    assert before == str(two_groups(rule, 1).state_dict())
    assert after == str(state)
