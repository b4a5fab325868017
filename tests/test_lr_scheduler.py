"""Tests schedules against the rates that PyTorch 2.13 sets and against rates worked out by hand; what they refuse; saving."""

import copy
import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest
from interrupts import states_after_interrupts

from minidl import Tensor, optim
from minidl.optim import SGD, lr_scheduler
from minidl.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, LRScheduler, StepLR

RECORDED = json.loads((Path(__file__).parent / "recorded" / "optim.json").read_text())["schedules"]
LAMBDAS = [lambda epoch: 0.95**epoch, lambda epoch: 1 / (1 + epoch)]


def two_groups():
    return SGD([{"params": [Tensor([1.0])], "lr": 0.5}, {"params": [Tensor([1.0])], "lr": 0.2}], lr=1)


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def of_record(record, optimizer):
    arguments = {"lr_lambda": LAMBDAS} if record["schedule"] == "LambdaLR" else record["arguments"]
    return getattr(lr_scheduler, record["schedule"])(optimizer, **arguments)


in_words = lambda record: f"{record['schedule']} {record['arguments']}"  # noqa: E731


@pytest.mark.parametrize("record", RECORDED, ids=in_words)
def test_the_rates_are_those_of_pytorch(record):
    optimizer = two_groups()
    schedule = of_record(record, optimizer)
    for epoch, expected in enumerate(record["rates"]):
        assert rates(optimizer) == schedule.get_last_lr() == pytest.approx(expected, rel=1e-13, abs=1e-16)
        assert schedule.last_epoch == epoch
        schedule.step()
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.5, 0.2]


@pytest.mark.parametrize("record", RECORDED, ids=in_words)
def test_a_state_dict_of_pytorch_goes_on_as_in_pytorch(record):
    optimizer = two_groups()
    schedule = of_record(record, optimizer)
    state = {**record["state_dict"], "last_epoch": 6, "_last_lr": record["rates"][6]}
    schedule.load_state_dict(state)
    assert schedule.get_last_lr() == record["rates"][6]
    for expected in record["rates"][7:]:
        schedule.step()
        assert rates(optimizer) == pytest.approx(expected, rel=1e-13, abs=1e-16)


@pytest.mark.parametrize(
    ("schedule", "names", "defaults"),
    [
        (StepLR, ["step_size", "gamma"], [inspect.Parameter.empty, 0.1]),
        (CosineAnnealingLR, ["T_max", "eta_min"], [inspect.Parameter.empty, 0]),
        (LinearLR, ["start_factor", "end_factor", "total_iters"], [1 / 3, 1, 5]),
        (LambdaLR, ["lr_lambda"], [inspect.Parameter.empty]),
    ],
)
def test_the_arguments_have_the_order_and_defaults_of_pytorch(schedule, names, defaults):
    parameters = inspect.signature(schedule).parameters
    assert list(parameters) == ["optimizer", *names, "last_epoch"]
    assert [p.default for p in parameters.values()][1:] == [*defaults, -1]


def test_rates_by_hand():
    def after(epochs, schedule, *arguments):
        optimizer = SGD([Tensor([1.0])], lr=8)
        made = schedule(optimizer, *arguments)
        for _ in range(epochs):
            made.step()
        return optimizer.lr

    assert [after(epochs, StepLR, 2, 0.5) for epochs in range(6)] == [8, 8, 4, 4, 2, 2]
    assert after(6, CosineAnnealingLR, 6, 1.0) == 1  # the cosine of pi is -1 exactly
    assert after(3, CosineAnnealingLR, 6, 1.0) == pytest.approx(4.5, rel=1e-15)  # half way
    assert after(2, CosineAnnealingLR, 6, 0.0) == pytest.approx(6, rel=1e-15)  # (1 + 1/2) / 2
    assert [after(epochs, LinearLR, 0.25, 0.75, 2) for epochs in range(4)] == [2, 4, 6, 6]
    assert [after(epochs, LambdaLR, lambda epoch: 2**-epoch) for epochs in range(3)] == [8, 4, 2]


def test_a_rate_changes_the_next_step_of_the_optimizer():
    p = Tensor(np.array([0.0]), requires_grad=True)
    optimizer = SGD([p], lr=1)
    schedule = StepLR(optimizer, 1, 0.5)
    for expected in (-1, -1.5, -1.75):
        p.grad = np.ones(1)
        optimizer.step()
        schedule.step()
        assert p.item() == expected


def test_a_schedule_may_go_on_after_an_epoch():
    saved = two_groups()
    schedule = CosineAnnealingLR(saved, 10)
    for _ in range(4):
        schedule.step()
    optimizer = two_groups()
    optimizer.load_state_dict(saved.state_dict())
    assert CosineAnnealingLR(optimizer, 10, last_epoch=3).last_epoch == 4
    assert rates(optimizer) == rates(saved)


def test_training_that_was_saved_and_loaded_has_the_same_rates():
    optimizer, other = two_groups(), two_groups()
    schedule, resumed = StepLR(optimizer, 3, 0.3), StepLR(other, 7)
    for _ in range(5):
        schedule.step()
    other.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    assert repr(resumed) == repr(schedule) == "StepLR(step_size=3, gamma=0.3, last_epoch=5)"
    for _ in range(5):
        assert rates(other) == rates(optimizer)
        assert resumed.state_dict() == schedule.state_dict()
        schedule.step()
        resumed.step()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: StepLR(o, 0), ValueError, "StepLR: step_size must be an integer of at least 1, got 0"),
        (lambda o: StepLR(o, -3), ValueError, "StepLR: step_size must be an integer of at least 1, got -3"),
        (lambda o: StepLR(o, 2.0), ValueError, "StepLR: step_size must be an integer of at least 1, got 2.0"),
        (lambda o: StepLR(o, True), ValueError, "StepLR: step_size must be an integer"),
        (lambda o: StepLR(o, 2, -0.1), ValueError, "StepLR: gamma must be a finite number of at least 0, got -0.1"),
        (lambda o: StepLR(o, 2, math.nan), ValueError, "StepLR: gamma must be a finite number"),
        (lambda o: StepLR(o, 2, "0.1"), TypeError, "StepLR: gamma must be a finite number, got '0.1'"),
        (lambda o: StepLR(o, 2, last_epoch=-2), ValueError, "StepLR: last_epoch must be an integer of at least -1, got -2"),
        (lambda o: StepLR(o, 2, last_epoch=1.5), ValueError, "StepLR: last_epoch must be an integer"),
        (lambda o: StepLR(o, 2, last_epoch=3), ValueError, "StepLR: last_epoch is 3, but a group has no 'initial_lr'"),
        (lambda o: StepLR([1], 2), TypeError, "StepLR: optimizer must be an Optimizer, such as optim.SGD, got list"),
        (lambda o: CosineAnnealingLR(o, 0), ValueError, "CosineAnnealingLR: T_max must be an integer of at least 1, got 0"),
        (lambda o: CosineAnnealingLR(o, 5, -1), ValueError, "CosineAnnealingLR: eta_min must be a finite number of at least 0"),
        (lambda o: LinearLR(o, 0.0), ValueError, "LinearLR: start_factor must be above 0, and both factors at most 1, got 0.0"),
        (lambda o: LinearLR(o, 1.5), ValueError, "LinearLR: start_factor must be above 0, and both factors at most 1"),
        (lambda o: LinearLR(o, 0.5, 1.5), ValueError, "LinearLR: start_factor must be above 0, and both factors at most 1"),
        (lambda o: LinearLR(o, 0.5, -1), ValueError, "LinearLR: end_factor must be a finite number of at least 0"),
        (lambda o: LinearLR(o, total_iters=0), ValueError, "LinearLR: total_iters must be an integer of at least 1, got 0"),
        (lambda o: LambdaLR(o, 0.5), TypeError, "LambdaLR: lr_lambda must be a function, or a list of 2, one for each group"),
        (lambda o: LambdaLR(o, LAMBDAS[:1]), TypeError, "LambdaLR: lr_lambda must be a function, or a list of 2"),
        (lambda o: LambdaLR(None, LAMBDAS[0]), TypeError, "LambdaLR: optimizer must be an Optimizer"),
        (lambda o: LambdaLR(o, lambda e: -1), ValueError, "LambdaLR: the factor of epoch 0 must be .* at least 0, got -1"),
        (lambda o: LambdaLR(o, lambda e: None), TypeError, "LambdaLR: the factor of epoch 0 must be a finite number, got None"),
        (lambda o: LambdaLR(o, lambda e: 1e308), ValueError, None),
        (lambda o: LRScheduler(o), NotImplementedError, r"LRScheduler needs a method _rate\(self, base_lr, epoch\)"),
    ],
)
def test_what_cannot_be_is_an_error_and_changes_nothing(make, error, message):
    optimizer = two_groups() if message else SGD([Tensor([1.0])], lr=1e10)
    before = copy.copy(optimizer.param_groups[0]), rates(optimizer)
    with pytest.raises(error, match=message and rf"^{message}"):
        make(optimizer)
    assert (optimizer.param_groups[0], rates(optimizer)) == before


def test_a_function_that_fails_later_leaves_rates_and_epoch():
    optimizer = two_groups()
    schedule = LambdaLR(optimizer, [lambda epoch: 1 - 0.4 * epoch, lambda epoch: 1.0])
    schedule.step()
    schedule.step()
    before = rates(optimizer), schedule.state_dict()
    with pytest.raises(ValueError, match=r"LambdaLR: the factor of epoch 3 must be a finite number of at least 0, got -0\.2"):
        schedule.step()
    assert (rates(optimizer), schedule.state_dict()) == before


def test_groups_that_were_added_later_are_an_error():
    optimizer = two_groups()
    schedule = StepLR(optimizer, 1)
    optimizer.add_param_group({"params": [Tensor([1.0])]})
    with pytest.raises(ValueError, match="StepLR was made for 2 groups, and the optimizer has 3; make it anew"):
        schedule.step()
    assert rates(optimizer) == [0.5, 0.2, 1]
    StepLR(optimizer, 1).step()
    assert rates(optimizer) == pytest.approx([0.05, 0.02, 0.1])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"last_epoch": -1}, ValueError, "last_epoch must be an integer of at least 0, got -1"),
        ({"last_epoch": "3"}, ValueError, "last_epoch must be an integer"),
        ({"base_lrs": [0.5]}, ValueError, r"base_lrs must be a list of 2 rates, one for each group, got \[0.5\]"),
        ({"base_lrs": [0.5, math.inf]}, ValueError, "base_lrs must be a finite number of at least 0, got inf"),
        ({"base_lrs": 0.5}, ValueError, "base_lrs must be a list of 2 rates"),
        ({"_last_lr": [0.5, "x"]}, TypeError, "_last_lr must be a finite number, got 'x'"),
        ({"step_size": 0}, ValueError, "step_size must be an integer of at least 1, got 0"),
        ({"gamma": -1}, ValueError, "gamma must be a finite number of at least 0"),
        ({"T_max": 3}, TypeError, "takes a dict with _last_lr, base_lrs, gamma, last_epoch, step_size"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_an_error_and_changes_nothing(change, error, message):
    optimizer = two_groups()
    schedule = StepLR(optimizer, 2)
    before = schedule.state_dict()
    with pytest.raises(error, match=f"^load_state_dict of StepLR:? {message}"):
        schedule.load_state_dict({**before, **change})
    with pytest.raises(TypeError, match=r"^load_state_dict of StepLR takes a dict"):
        schedule.load_state_dict({name: before[name] for name in before if name not in change} if "T_max" not in change else 3)
    assert schedule.state_dict() == before


def test_an_optimizer_that_is_loaded_checks_the_first_rate():
    optimizer = two_groups()
    StepLR(optimizer, 2)
    state = optimizer.state_dict()
    state["param_groups"][1]["initial_lr"] = -1
    with pytest.raises(ValueError, match=r"group 1: initial_lr must be a finite number of at least 0, got -1"):
        optimizer.load_state_dict(state)


def test_an_interrupted_step_has_changed_all_or_nothing():
    def make():
        optimizer = two_groups()
        return StepLR(optimizer, 1, 0.5)

    found = states_after_interrupts(make, StepLR.step, lambda s: (rates(s.optimizer), s.state_dict()))
    assert [rates for rates, _ in found] == [[0.5, 0.2], [0.25, 0.1]]
    found = states_after_interrupts(two_groups, lambda o: StepLR(o, 1), lambda o: [dict(group) for group in o.param_groups])
    assert ["initial_lr" in group for groups in found for group in groups] == [False, False, True, True]


def test_a_rate_beyond_all_floats_is_an_error_and_changes_nothing():
    optimizer = two_groups()
    schedule = StepLR(optimizer, 1, 1e200)
    schedule.step()
    before = rates(optimizer)
    with pytest.raises(ValueError, match=r"^StepLR: the learning rate of epoch 2 is larger than any float"):
        schedule.step()
    assert (rates(optimizer), schedule.last_epoch) == (before, 1)


def test_the_schedules_are_where_pytorch_has_them():
    assert optim.lr_scheduler is lr_scheduler
