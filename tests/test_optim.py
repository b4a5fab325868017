"""Tests SGD against steps worked out by hand and against optimizer and training runs recorded from PyTorch 2.13."""

import inspect
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from interrupts import states_after_interrupts, states_without_memory

from minidl import Tensor, kernels, nn, optim
from minidl.kernels import reference
from minidl.optim import SGD

RECORDED = json.loads((Path(__file__).parent / "recorded" / "training.json").read_text())
RUN = RECORDED["sgd"]


def in_words(trace):
    return ", ".join(f"{name} {value}" for name, value in trace["arguments"].items()) or "plain"


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])  # some ten roundings of 6e-8
@pytest.mark.parametrize("trace", RUN["traces"], ids=in_words)
def test_six_steps_are_those_of_pytorch(trace, dtype, tolerance):
    p = Tensor(np.array(RUN["start"], dtype), requires_grad=True)
    optimizer = SGD([p], lr=RUN["lr"], **trace["arguments"])
    for gradient, expected in zip(RUN["gradients"], trace["after"], strict=True):
        p.grad = np.array(gradient, dtype)
        optimizer.step()
        np.testing.assert_allclose(p.data, expected, rtol=tolerance, atol=tolerance)
        assert p.dtype == dtype


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])  # some thirty roundings of 6e-8
def test_a_small_training_run_is_that_of_pytorch(dtype, tolerance):
    recorded = RECORDED["training"]
    model = nn.Sequential(nn.Linear(2, 3, dtype=dtype), nn.Tanh(), nn.Linear(3, 2, dtype=dtype))
    model.load_state_dict(recorded["start"])
    optimizer = SGD(model.parameters(), lr=recorded["lr"], momentum=recorded["momentum"])
    x, y = np.array(recorded["x"], dtype), np.array(recorded["y"])
    for step in recorded["steps"]:
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
        optimizer.step()
        assert loss.item() == pytest.approx(step["loss"], rel=tolerance)
        for name, value in model.state_dict().items():
            np.testing.assert_allclose(value, step["weights"][name], rtol=tolerance, atol=tolerance, err_msg=name)


def test_momentum_adds_up_velocity_and_the_learning_rate_is_no_part_of_it():
    p = Tensor(np.array([0.0]), requires_grad=True)
    optimizer = SGD([p], lr=1, momentum=0.5)
    for lr, gradient, expected in [(1, 8, -8), (1, 0, -12), (0.5, 4, -15)]:  # velocity 8, 4, 2 + 4 = 6
        optimizer.lr = lr
        p.grad = np.array([float(gradient)])
        optimizer.step()
        assert p.data.tolist() == [expected]


def test_the_arguments_have_the_order_and_defaults_of_pytorch():
    parameters = inspect.signature(SGD).parameters
    assert list(parameters) == ["params", "lr", "momentum", "dampening", "weight_decay", "nesterov"]
    assert [p.default for p in parameters.values()][2:] == [0, 0, 0, False]


def test_a_step_moves_the_parameter_in_its_own_memory_and_leaves_the_gradient():
    memory, gradient = np.array([1.0, 2.0], np.float32), np.array([0.5, -0.5], np.float32)
    p = Tensor(memory, requires_grad=True)
    optimizer = SGD([p], lr=0.5, momentum=0.9, weight_decay=0.5, nesterov=True)
    for _ in range(2):
        p.grad = gradient
        optimizer.step()
        assert p.data is memory
        assert p.grad is gradient
        assert gradient.tolist() == [0.5, -0.5]
    assert memory.tolist() != [1, 2]


def test_a_gradient_array_that_is_reused_does_not_disturb_the_velocity():
    p = Tensor(np.array([0.0]), requires_grad=True)
    p.grad = np.array([1.0])
    optimizer = SGD([p], lr=1, momentum=0.5)
    optimizer.step()
    p.grad[...] = 0
    optimizer.step()
    assert p.data.tolist() == [-1.5]  # velocity 1, 0.5


def test_a_step_after_the_forward_pass_and_before_backward_is_an_error():
    layer = nn.Linear(2, 1)
    optimizer = SGD(layer.parameters(), lr=0.1)
    x = Tensor(np.ones((3, 2), np.float32), requires_grad=True)
    layer(x).sum().backward()
    loss = layer(x).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"linear.*changed in place"):
        loss.backward()


def test_zero_grad_sets_every_gradient_to_none():
    layer = nn.Linear(2, 1)
    layer([[1.0, 2.0]]).sum().backward()
    SGD(layer.parameters(), lr=0.1).zero_grad()
    assert layer.weight.grad is None
    assert layer.bias.grad is None


def test_a_parameter_without_gradient_is_left_alone_velocity_and_weight_decay_included():
    still, moved = (Tensor([2.0], requires_grad=True) for _ in range(2))
    optimizer = SGD([still, moved], lr=0.5, momentum=0.5, weight_decay=0.25)
    still.grad = np.array([1.0], np.float32)
    optimizer.step()
    assert still.data.tolist() == [1.25]  # 2 - 0.5 (1 + 0.25 * 2)
    assert moved.data.tolist() == [2]
    optimizer.zero_grad()
    moved.grad = np.array([1.0], np.float32)
    optimizer.step()
    assert still.data.tolist() == [1.25]
    assert moved.data.tolist() == [1.25]


def test_a_learning_rate_of_0_changes_nothing():
    p = Tensor([2.0], requires_grad=True)
    p.grad = np.array([1.0], np.float32)
    SGD([p], lr=0).step()
    assert p.data.tolist() == [2]


def test_a_parameter_may_be_a_number():
    p = nn.Parameter(3.0)
    optimizer = SGD([p], lr=0.25, momentum=0.5)
    for expected in (1.5, -0.0):  # gradient 2 p: 6, 3; velocity 6, 6
        optimizer.zero_grad()
        (p * p).backward()
        optimizer.step()
        assert p.item() == expected
        assert p.dtype == np.float32


@pytest.mark.parametrize("make", [list, tuple, iter, lambda params: (p for p in params)])
def test_params_may_be_any_iterable(make):
    params = [Tensor([float(i)], requires_grad=True) for i in range(3)]
    optimizer = SGD(make(params), lr=1)
    for _ in range(2):
        for p in params:
            p.grad = np.ones(1, np.float32)
        optimizer.step()
    assert [p.item() for p in params] == [-2, -1, 0]


@pytest.mark.parametrize("params", [[], iter([]), nn.Tanh().parameters()])
def test_no_parameters_are_an_error(params):
    with pytest.raises(ValueError, match="SGD got no parameters"):
        SGD(params, lr=0.1)


def test_an_iterator_that_was_used_up_is_an_error():
    params = nn.Linear(2, 1).parameters()
    SGD(params, lr=0.1)
    with pytest.raises(ValueError, match=r"SGD got no parameters; an iterator .* can be used up only once"):
        SGD(params, lr=0.1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ([Tensor([1.0]), np.ones(2)], "got ndarray at place 1"),
        (nn.Linear(2, 1).named_parameters(), "got tuple at place 0"),
        (nn.Linear(2, 1).state_dict(), "got str at place 0"),
        (np.ones(2), "got float64 at place 0"),
        ([None], "got NoneType at place 0"),
        (nn.Sequential(nn.Linear(2, 1)), "got Linear at place 0"),
        (nn.Linear(2, 1), "got Linear"),
        (None, "got NoneType"),
        (3, "got int"),
    ],
)
def test_what_is_no_tensor_is_an_error(params, message):
    with pytest.raises(TypeError, match=rf"^SGD takes .*{message}.*pass model\.parameters\(\)"):
        SGD(params, lr=0.1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.1])
@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
def test_a_number_that_is_negative_or_not_finite_is_an_error(name, value):
    with pytest.raises(ValueError, match=rf"^SGD: {name} must be a finite number of at least 0, got {value}"):
        SGD([Tensor([1.0])], **{"lr": 0.1} | {name: value})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_dampening_that_is_not_finite_is_an_error(value):
    with pytest.raises(ValueError, match=rf"^SGD: dampening must be a finite number.*, got {value}"):
        SGD([Tensor([1.0])], lr=0.1, momentum=0.9, dampening=value)


@pytest.mark.parametrize("value", ["0.1", None, [0.1]])
@pytest.mark.parametrize("name", ["lr", "momentum", "dampening", "weight_decay"])
def test_what_is_no_number_is_an_error_that_names_the_argument(name, value):
    with pytest.raises((TypeError, ValueError), match=rf"^SGD: {name} must be a finite number"):
        SGD([Tensor([1.0])], **{"lr": 0.1} | {name: value})


@pytest.mark.parametrize("arguments", [{}, {"momentum": 0}, {"momentum": 0.9, "dampening": 0.1}])
def test_nesterov_needs_momentum_and_no_dampening(arguments):
    with pytest.raises(ValueError, match="SGD: nesterov needs momentum > 0 and dampening = 0"):
        SGD([Tensor([1.0])], lr=0.1, nesterov=True, **arguments)


def test_repr_shows_the_numbers():
    optimizer = SGD([Tensor([1.0])], lr=0.1, momentum=0.9, nesterov=True)
    assert repr(optimizer) == "SGD(lr=0.1, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=True)"


def test_a_gradient_of_another_shape_is_an_error_before_anything_moves():
    a, b = (Tensor(np.ones(2, np.float32), requires_grad=True) for _ in range(2))
    a.grad, b.grad = np.ones(2, np.float32), np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"parameter 1 has shape \(2,\), its .grad \(3,\)"):
        SGD([a, b], lr=1.0).step()
    assert a.data.tolist() == b.data.tolist() == [1, 1]


def test_a_read_only_parameter_is_an_error_before_anything_moves():
    frozen = np.ones(2)
    frozen.flags.writeable = False
    a, b = Tensor(np.ones(2), requires_grad=True), Tensor(frozen, requires_grad=True)
    a.grad, b.grad = np.ones(2), np.ones(2)
    with pytest.raises(ValueError, match="parameter 1 is a read-only array"):
        SGD([a, b], lr=1.0).step()
    assert a.data.tolist() == b.data.tolist() == [1, 1]


def test_a_learning_rate_set_to_nan_is_an_error_before_anything_moves():
    a = Tensor(np.ones(2, np.float32), requires_grad=True)
    a.grad = np.ones(2, np.float32)
    optimizer = SGD([a], lr=1.0)
    for lr, got in ((float("nan"), "nan"), (10**400, "an integer that no float can hold")):
        optimizer.lr = lr
        with pytest.raises(ValueError, match=f"SGD: lr must be a finite number.*, got {got}"):
            optimizer.step()
    assert a.data.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        *[(name, value, ValueError) for name in ("lr", "momentum", "weight_decay") for value in (-1, math.nan, math.inf)],
        *[(name, "0.1", TypeError) for name in ("lr", "momentum", "dampening", "weight_decay")],
        ("lr", None, TypeError),
        ("lr", True, TypeError),
        ("dampening", -math.inf, ValueError),
    ],
)
def test_a_number_that_was_changed_is_checked_at_the_next_step_before_anything_moves(name, value, error):
    a, b = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    a.grad, b.grad = np.ones(2), np.ones(2)
    optimizer = SGD([{"params": [a]}, {"params": [b]}], lr=1.0, momentum=0.5)
    optimizer.param_groups[1][name] = value
    with pytest.raises(error, match=rf"^SGD: group 1: {name} must be a finite number.*, got {value!r}"):
        optimizer.step()
    assert a.data.tolist() == b.data.tolist() == [1, 1]
    assert not any(v is not None for v in optimizer._state["momentum_buffer"].values())


def test_a_learning_rate_that_is_no_number_is_an_error_that_names_it():
    a = Tensor(np.ones(2), requires_grad=True)
    optimizer = SGD([a], lr=1.0)
    optimizer.lr = "0.1"
    with pytest.raises(TypeError, match=r"^SGD: lr must be a finite number, got '0\.1'"):
        optimizer.step()
    optimizer.lr = np.float32(0.5)
    a.grad = np.ones(2)
    optimizer.step()
    assert a.data.tolist() == [0.5, 0.5]


def test_a_group_that_was_appended_without_its_numbers_is_an_error():
    optimizer = SGD([Tensor([1.0])], lr=0.1)
    optimizer.param_groups.append({"params": [Tensor([1.0])]})
    with pytest.raises(TypeError, match=r"^SGD: group 1 has no 'lr'; a group has params, lr, momentum"):
        optimizer.step()


def test_momentum_that_was_taken_away_from_nesterov_is_an_error():
    optimizer = SGD([Tensor([1.0])], lr=0.1, momentum=0.9, nesterov=True)
    optimizer.param_groups[0]["momentum"] = 0
    with pytest.raises(ValueError, match="SGD: nesterov needs momentum > 0"):
        optimizer.step()


@pytest.mark.parametrize("data", [np.zeros(3), np.zeros(2, np.float32)], ids=["shape", "dtype"])
def test_a_parameter_that_was_given_data_of_another_shape_or_dtype_needs_a_new_optimizer(data):
    a, b = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    optimizer = SGD([a, b], lr=1.0, momentum=0.5)
    a.grad, b.grad = np.ones(2), np.ones(2)
    optimizer.step()
    b.data, b.grad = data, np.ones_like(data)
    with pytest.raises(ValueError, match=r"SGD: parameter 1 has been given data of shape .* make a new optimizer"):
        optimizer.step()
    assert (a.data.tolist(), b.data.tolist()) == ([0, 0], data.tolist())
    optimizer = SGD([a, b], lr=1.0, momentum=0.5)
    optimizer.step()
    assert b.data.tolist() == [-1] * len(data)


def test_only_tensors_of_floats_are_moved():
    with pytest.raises(TypeError, match="SGD moves tensors of float32 or float64, got one of bool at place 0"):
        SGD([Tensor([1.0]) > 0], lr=0.1)


@pytest.fixture(params=["as they run", "reference"] if kernels.backend == "compiled" else ["as they run"])
def each_kernel(request, monkeypatch):
    if request.param == "reference":
        monkeypatch.setattr(kernels, "sgd", reference.sgd)


def two_groups(steps=0):
    """Three parameters, one with strides; the second group has momentum. Some steps have been taken."""
    parameters = [Tensor(values, requires_grad=True) for values in (np.ones(2), np.ones((4, 2))[::2], np.ones(1, np.float32))]
    optimizer = SGD([{"params": parameters[:1]}, {"params": parameters[1:], "momentum": 0.5, "dampening": 0.5}], lr=1.0)
    for i in range(steps + 1):
        for parameter in parameters:
            parameter.grad = np.full(parameter.shape, i + 1, parameter.dtype)
        if i < steps:
            optimizer.step()
    return optimizer


def all_of(optimizer):
    state = []
    for group in optimizer.param_groups:
        for p in group["params"]:
            velocity = optimizer._state["momentum_buffer"].get(p)
            state.append((p.data.tolist(), p._version[0], p.grad.tolist(), None if velocity is None else velocity.tolist()))
    return state


@pytest.mark.usefixtures("each_kernel")
@pytest.mark.parametrize("steps", [0, 1])
def test_an_interrupted_step_has_moved_all_or_nothing(steps):
    before, after = states_after_interrupts(lambda: two_groups(steps), SGD.step, all_of)
    assert [p[0] for p in before] == [[[1, 1], [[1, 1], [1, 1]], [1]], [[0, 0], [[0, 0], [0, 0]], [0]]][steps]
    # velocity 1, then 0.5 * 1 + 0.5 * 2
    assert [p[0] for p in after] == [[[0, 0], [[0, 0], [0, 0]], [0]], [[-2, -2], [[-1.5, -1.5], [-1.5, -1.5]], [-1.5]]][steps]
    assert [then[1] - now[1] for then, now in zip(after, before, strict=True)] == [1, 1, 1]


@pytest.mark.parametrize("steps", [0, 1])
def test_a_step_that_finds_no_memory_has_moved_all_or_nothing(steps):
    after = two_groups(steps)
    after.step()
    assert states_without_memory(lambda: two_groups(steps), SGD.step, all_of) == [all_of(two_groups(steps)), all_of(after)]


def test_after_an_interrupted_first_step_the_velocity_is_that_of_one_step():
    """The velocity had been allocated, but had no value yet: whatever was in memory moved the parameters."""
    found = states_after_interrupts(two_groups, lambda optimizer: (optimizer.step(), optimizer.step()), all_of, every=7)
    assert len(found) == 3


def test_interrupted_forgetting_of_gradients_forgets_all_or_none():
    def forget(optimizer):
        optimizer.zero_grad()

    found = states_after_interrupts(two_groups, forget, lambda o: [p.grad is None for g in o.param_groups for p in g["params"]])
    assert found == [[False] * 3, [True] * 3]


# Groups


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_groups_move_by_their_own_numbers_as_in_pytorch(dtype, tolerance):
    recorded = RECORDED["groups"]
    first, second = parameters = [Tensor(np.array(row, dtype), requires_grad=True) for row in recorded["start"]]
    groups = [{"params": [first], "lr": 0.5}, {"params": second, "momentum": 0.5, "weight_decay": 0.1, "nesterov": True}]
    optimizer = SGD(groups, lr=0.1, momentum=0.9)
    for gradient, expected in zip(recorded["gradients"], recorded["after"], strict=True):
        for p, row in zip(parameters, gradient, strict=True):
            p.grad = np.array(row, dtype)
        optimizer.step()
        np.testing.assert_allclose([p.data for p in parameters], expected, rtol=tolerance, atol=tolerance)
        assert first.dtype == dtype


def test_the_numbers_of_a_group_can_be_changed_and_lr_is_that_of_all():
    a, b = (Tensor(np.array([0.0]), requires_grad=True) for _ in range(2))
    optimizer = SGD([{"params": [a]}, {"params": [b], "lr": 2}], lr=1)
    assert [group["lr"] for group in optimizer.param_groups] == [1, 2]
    with pytest.raises(AttributeError, match=r"learning rates of their own, \[1.0, 2.0\]: see optimizer.param_groups"):
        optimizer.lr  # noqa: B018
    optimizer.param_groups[1]["lr"] = 3
    a.grad = b.grad = np.array([1.0])
    optimizer.step()
    assert (a.item(), b.item()) == (-1, -3)
    optimizer.lr = 0.5
    optimizer.step()
    assert (a.item(), b.item(), optimizer.lr) == (-1.5, -3.5, 0.5)
    optimizer.zero_grad()
    assert a.grad is b.grad is None


def test_the_groups_that_were_passed_are_not_changed():
    w = Tensor([1.0], requires_grad=True)
    groups = [{"params": [w]}]
    SGD(groups, lr=1).lr = 2
    assert groups == [{"params": [w]}]


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (lambda a, b: [{"params": [a]}, [b]], TypeError, "^SGD: group 1 must be a dict like"),
        (lambda a, b: [{"lr": 1}], TypeError, "^SGD: group 0 must be a dict like"),
        (lambda a, b: [{"params": [a], "learning_rate": 1}], TypeError, "^SGD: group 0 has 'learning_rate'; a group may have"),
        (lambda a, b: [{"params": [a]}, {"params": []}], ValueError, "^SGD: group 1 got no parameters"),
        (lambda a, b: [{"params": [a]}, {"params": [a, b]}], ValueError, "SGD got a parameter twice"),
        (lambda a, b: [{"params": [a], "lr": -1}], ValueError, "^SGD: group 0: lr must be .* at least 0, got -1"),
        (lambda a, b: [{"params": [a]}, {"params": [b], "nesterov": True}], ValueError, "^SGD: group 1: nesterov needs"),
        (lambda a, b: [{"params": [a, 3]}], TypeError, "^SGD: group 0 takes tensors, got int at place 1"),
    ],
)
def test_a_group_that_cannot_be_is_an_error(groups, error, message):
    a, b = (Tensor([1.0], requires_grad=True) for _ in range(2))
    with pytest.raises(error, match=message):
        SGD(groups(a, b), lr=0.1)


@pytest.mark.parametrize("other", [lambda w: w.T, lambda w: w, lambda w: w[:1]], ids=["transposed", "the same", "a row"])
def test_two_parameters_that_show_the_same_memory_are_an_error_and_neither_is_moved(other):
    w = np.ones((3, 3))
    p, q = nn.Parameter(w), nn.Parameter(other(w))
    p.grad, q.grad = np.ones(p.shape), np.ones(q.shape)
    with pytest.raises(ValueError, match=r"parameters 0 and 1 show the same memory; use one Parameter"):
        SGD([p, q], lr=1.0).step()
    assert (w == 1.0).all()


def test_parameters_that_are_different_parts_of_one_array_are_moved():
    flat = np.ones(6)
    parts = [nn.Parameter(flat[:3]), nn.Parameter(flat[3:]), nn.Parameter(np.ones((2, 2))[:, 0])]
    for i, p in enumerate(parts):
        p.grad = np.full(p.shape, i + 1.0)
    SGD(parts, lr=1.0).step()
    assert flat.tolist() == [0.0, 0.0, 0.0, -1.0, -1.0, -1.0]


def test_a_group_that_is_added_moves_by_its_own_numbers_and_the_defaults():
    a, b, c = (Tensor(np.array([0.0]), requires_grad=True) for _ in range(3))
    optimizer = SGD([a], lr=1)
    optimizer.lr = 4
    optimizer.add_param_group({"params": iter([b]), "lr": 2})
    optimizer.add_param_group({"params": c})
    for p in (a, b, c):
        p.grad = np.array([1.0])
    optimizer.step()
    assert (a.item(), b.item(), c.item()) == (-4, -2, -1)


@pytest.mark.parametrize(
    ("group", "error", "message"),
    [
        (lambda a, b: {"params": [b, a]}, ValueError, "^SGD got a parameter twice.*leave out the one at place 1 of group 1"),
        (lambda a, b: {"params": [b, b]}, ValueError, "^SGD got a parameter twice.*leave out the one at place 1 of group 1"),
        (lambda a, b: {"params": [b], "lr": -1}, ValueError, "^SGD: group 1: lr must be .* at least 0, got -1"),
        (
            lambda a, b: {"params": [b], "betas": 1, 3: 4},
            TypeError,
            "^SGD: group 1 has 'betas', 3; a group may have params, lr",
        ),
        (lambda a, b: {"params": []}, ValueError, "^SGD: group 1 got no parameters"),
        (lambda a, b: {"params": 3}, TypeError, "^SGD: group 1 must be a dict like"),
        (lambda a, b: [b], TypeError, "^SGD: group 1 must be a dict like"),
        (lambda a, b: None, TypeError, "^SGD: group 1 must be a dict like"),
        (lambda a, b: {"params": [b * 1]}, ValueError, "^SGD: group 1: the tensor at place 0 was made by mul"),
    ],
)
def test_a_group_that_cannot_be_added_is_an_error_and_changes_nothing(group, error, message):
    a, b = (Tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = SGD([a], lr=0.1)
    with pytest.raises(error, match=message):
        optimizer.add_param_group(group(a, b))
    assert [group["params"] for group in optimizer.param_groups] == [[a]]


@pytest.mark.parametrize("nesterov", ["yes", None, math.nan, [True, False], np.ones(2, bool)])
def test_a_nesterov_that_is_neither_true_nor_false_is_an_error(nesterov):
    with pytest.raises(TypeError, match=r"^SGD: nesterov must be True or False, got"):
        SGD([Tensor([1.0])], lr=0.1, momentum=0.9, nesterov=nesterov)


# state_dict


def test_the_state_dict_has_the_form_of_pytorch():
    """The velocity of a first step is the gradient, and that of the second 0.5 * 1 + 0.5 * 2."""
    optimizer = two_groups(2)
    state = optimizer.state_dict()
    assert {i: {name: v.tolist() for name, v in known.items()} for i, known in state["state"].items()} == {
        1: {"momentum_buffer": [[1.5, 1.5], [1.5, 1.5]]},
        2: {"momentum_buffer": [1.5]},
    }
    assert [known["momentum_buffer"].dtype for known in state["state"].values()] == [np.float64, np.float32]
    rest = {"lr": 1.0, "weight_decay": 0.0, "nesterov": False}
    assert state["param_groups"] == [
        {**rest, "momentum": 0.0, "dampening": 0.0, "params": [0]},
        {**rest, "momentum": 0.5, "dampening": 0.5, "params": [1, 2]},
    ]


def test_a_new_optimizer_has_numbers_and_no_state():
    state = SGD([Tensor([1.0])], lr=0.5, momentum=0.5).state_dict()
    assert state["state"] == {}
    assert state["param_groups"][0]["params"] == [0]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("convert", [list, tuple, lambda values: np.array(values, np.float32), lambda values: np.array(values)])
def test_a_state_dict_of_pytorch_goes_on_as_in_pytorch(dtype, tolerance, convert):
    recorded = RECORDED["state"]
    state = {int(i): {name: convert(v) for name, v in of.items()} for i, of in recorded["state_dict"]["state"].items()}
    state[0] = {"momentum_buffer": None}  # earlier versions of PyTorch have it where there is no momentum
    parameters = [Tensor(np.array(row, dtype), requires_grad=True) for row in recorded["values"]]
    optimizer = SGD([{"params": parameters[:1]}, {"params": parameters[1:]}], lr=1)
    optimizer.load_state_dict({"state": state, "param_groups": recorded["state_dict"]["param_groups"]})
    assert str(optimizer) == (
        "SGD(group 0: lr=0.5, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False; "
        "group 1: lr=0.1, momentum=0.9, dampening=0.0, weight_decay=0.1, nesterov=True)"
    )
    for gradients in recorded["gradients"]:
        for p, gradient in zip(parameters[:2], gradients, strict=False):
            p.grad = np.array(gradient, dtype)
        optimizer.step()
    single = getattr(convert([0.5]), "dtype", dtype) == np.float32
    np.testing.assert_allclose([p.data for p in parameters], recorded["after"], rtol=1e-6 if single else tolerance)


def network():
    model = nn.Sequential(nn.Linear(3, 5, rng=0), nn.Tanh(), nn.Linear(5, 2, rng=1, dtype=np.float32))
    weights, biases = [[layer.weight for layer in (model[0], model[2])], [layer.bias for layer in (model[0], model[2])]]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": biases, "nesterov": True}]
    return model, SGD(groups, lr=0.1, momentum=0.9)


def train(model, optimizer, steps=3):
    for _ in range(steps):
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(np.eye(3, dtype=np.float32)), [0, 1, 1]).backward()
        optimizer.step()


@pytest.mark.usefixtures("each_kernel")
def test_training_that_was_saved_and_loaded_has_the_bits_of_training_through():
    model, optimizer = network()
    train(model, optimizer)
    optimizer.lr = 0.05
    file = io.BytesIO()
    np.save(file, np.array([model.state_dict(), optimizer.state_dict()]), allow_pickle=True)
    train(model, optimizer)
    file.seek(0)
    weights, state = np.load(file, allow_pickle=True)
    other, resumed = network()
    other.load_state_dict(weights)
    resumed.load_state_dict(state)
    assert resumed.lr == 0.05
    train(other, resumed)
    assert [p.data.tobytes() for p in other.parameters()] == [p.data.tobytes() for p in model.parameters()]
    assert str(resumed.state_dict()) == str(optimizer.state_dict())


def test_what_is_saved_and_what_is_loaded_are_copies():
    model, optimizer = network()
    train(model, optimizer)
    state = optimizer.state_dict()
    before = str(state)
    train(model, optimizer)
    other = network()[1]
    other.load_state_dict(state)
    train(network()[0], other)
    other.param_groups[0]["lr"] = 3
    assert str(state) == before
    state["state"][0]["momentum_buffer"][...] = 7
    state["param_groups"][0]["params"].clear()
    assert not (other.state_dict()["state"][0]["momentum_buffer"] == 7).any()
    assert len(other.param_groups[0]["params"]) == 2


def test_a_load_takes_the_place_of_everything_and_keeps_the_groups_themselves():
    optimizer, fresh = two_groups(1), two_groups()
    group = optimizer.param_groups[0]
    fresh.lr = 3
    optimizer.load_state_dict(fresh.state_dict())
    assert optimizer.state_dict() == fresh.state_dict()
    assert optimizer.param_groups[0] is group
    assert group["lr"] == 3


def changed(part):
    """A state_dict that fits `two_groups()`, with a change."""
    state = two_groups(1).state_dict()
    part(state)
    return state


def put(*path, to):
    def part(state):
        for key in path[:-1]:
            state = state[key]
        state[path[-1]] = to

    return part


def without(*path):
    def part(state):
        for key in path[:-1]:
            state = state[key]
        del state[path[-1]]

    return part


GROUP, BUFFER = ("param_groups", 1), ("state", 1, "momentum_buffer")
ONES = np.ones((2, 2))


@pytest.mark.parametrize(
    ("part", "error", "message"),
    [
        (without("state"), TypeError, "takes a dict with 'state' and 'param_groups', .* got a dict with 'param_groups'"),
        (put("model", to={}), TypeError, "got a dict with 'model', 'param_groups', 'state'"),
        (put("param_groups", to=None), ValueError, "param_groups must be a list of 2 groups, got NoneType"),
        (without("param_groups", 0), ValueError, "param_groups must be a list of 2 groups, got 1; make the optimizer with the"),
        (put(*GROUP, to=3), TypeError, "group 1 must be a dict, got int"),
        (without(*GROUP, "lr"), TypeError, "group 1 has no 'lr'; a group has params, lr"),
        (put(*GROUP, "betas", to=(0.9, 0.99)), ValueError, "group 1 has 'betas'; remove it: a group has params, lr, momentum"),
        (put(*GROUP, "maximize", to=True), ValueError, "group 1: maximize must be False or None, .* got True"),
        (put(*GROUP, "fused", to=np.ones(2)), ValueError, r"group 1: fused must be False or None, .* got array"),
        (
            put(*GROUP, "params", to=[1]),
            ValueError,
            r"group 1: params must be \[1, 2\], got \[1\]; make the optimizer with the",
        ),
        (put(*GROUP, "params", to=[2, 1]), ValueError, r"group 1: params must be \[1, 2\], got \[2, 1\]"),
        (without(*GROUP, "params"), ValueError, r"group 1: params must be \[1, 2\], got None"),
        (put(*GROUP, "lr", to=math.nan), ValueError, "group 1: lr must be a finite number of at least 0, got nan"),
        (put(*GROUP, "momentum", to="0.9"), TypeError, "group 1: momentum must be a finite number, got '0.9'"),
        (put(*GROUP, "nesterov", to=True), ValueError, "group 1: nesterov needs momentum > 0 and dampening = 0"),
        (put(*GROUP, "nesterov", to="no"), TypeError, "group 1: nesterov must be True or False, got 'no'"),
        (put("state", to=[]), TypeError, "state must be a dict from the places of parameters to dicts, got list"),
        (put("state", 3, to={}), ValueError, "state has 3; its keys are places, integers from 0 to 2"),
        (put("state", "1", to={}), ValueError, "state has '1'; its keys are places, integers from 0 to 2"),
        (put("state", 1, to=ONES), TypeError, "state of parameter 1 must be a dict of arrays, got ndarray"),
        (put("state", 1, "exp_avg", to=ONES), ValueError, "parameter 1 has 'exp_avg'; SGD remembers 'momentum_buffer'"),
        (put(*BUFFER, to=np.ones(2)), ValueError, r"1: momentum_buffer: shape \(2,\), expected \(2, 2\)"),
        (put(*BUFFER, to=3.0), ValueError, r"1: momentum_buffer: shape \(\), expected \(2, 2\)"),
        (put(*BUFFER, to=ONES * math.nan), ValueError, "1: momentum_buffer: .* NaN, infinity or a number that float64 cannot"),
        (
            put("state", 2, "momentum_buffer", to=[1e300]),
            ValueError,
            "2: momentum_buffer: .* a number that float32 cannot",
        ),
        (put(*BUFFER, to=ONES * 1j), ValueError, "1: momentum_buffer: expected finite numbers, got dtype complex128"),
        (put(*BUFFER, to=ONES.astype(str)), ValueError, "1: momentum_buffer: expected finite numbers, got dtype <U"),
        (put(*BUFFER, to=[[1, 2], [3]]), ValueError, r"1: momentum_buffer: not an array of numbers \(.*inhomogeneous"),
        (
            put(*BUFFER, to=np.ma.array(ONES, mask=ONES)),
            ValueError,
            r"1: momentum_buffer: not an array of numbers \(the mask",
        ),
    ],
)
def test_a_state_dict_that_does_not_fit_is_an_error_and_changes_nothing(part, error, message):
    optimizer = two_groups(2)
    before = str(optimizer.state_dict()), str(optimizer)
    with pytest.raises(error, match=f"^load_state_dict of SGD:? .*{message}"):
        optimizer.load_state_dict(changed(part))
    assert (str(optimizer.state_dict()), str(optimizer)) == before


@pytest.mark.parametrize("state", [None, [], nn.Linear(2, 1), {}])
def test_what_is_no_state_dict_is_an_error(state):
    with pytest.raises(TypeError, match=r"^load_state_dict of SGD takes a dict with 'state' and 'param_groups', as state_dict"):
        two_groups().load_state_dict(state)


@pytest.mark.parametrize("steps", [0, 1])
def test_an_interrupted_load_has_changed_all_or_nothing(steps):
    state = changed(put(*GROUP, "lr", to=0.25))
    state["param_groups"][0]["lr"] = 0.5
    found = states_after_interrupts(
        lambda: two_groups(2 * steps), lambda optimizer: optimizer.load_state_dict(state), lambda o: (str(o), all_of(o))
    )
    assert len(found) == 2
    assert [entry[-1] for entry in found[0][1]] == [None, [[[1.5, 1.5], [1.5, 1.5]], None][1 - steps], [[1.5], None][1 - steps]]
    assert [entry[-1] for entry in found[1][1]] == [None, [[1, 1], [1, 1]], [1]]


def test_a_load_does_not_count_as_a_change_of_the_parameters():
    model, optimizer = network()
    train(model, optimizer)
    loss = nn.CrossEntropyLoss()(model(np.eye(3, dtype=np.float32)), [0, 1, 1])
    optimizer.load_state_dict(optimizer.state_dict())
    loss.backward()


def test_a_rule_without_a_step_is_told_what_it_needs():
    class Rule(optim.Optimizer):
        pass

    w = Tensor([1.0], requires_grad=True)
    w.grad = np.ones(1)
    with pytest.raises(NotImplementedError, match=r"^Rule needs a method _step\(self, groups, counts\)"):
        Rule([w], {"lr": 0.1}).step()
