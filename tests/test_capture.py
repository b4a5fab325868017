"""Tests that a captured step gives the bits of the usual one, or is the usual one; and that it prints as a program."""

import contextlib
import functools
import gc
import os
import sys
import threading
import warnings

import numpy as np
import pytest

import minidl
from minidl import data, flow, kernels, nn, optim
from minidl import functional as F
from minidl.capture import recording, replay
from minidl.capture import step as steps
from minidl.random import Generator
from minidl.tensor import Tensor

compiled_only = pytest.mark.skipif(kernels.backend != "compiled", reason="the reference implementation is not replayed")
CHANCE = int(os.environ.get("MINIDL_FUZZ", "25"))  # random networks

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, 0.05),
    "nesterov": lambda p: optim.SGD(p, 0.05, momentum=0.9, weight_decay=1e-3, nesterov=True),
    "adam": lambda p: optim.Adam(p, 1e-2, weight_decay=1e-3),
    "adamw": lambda p: optim.AdamW(p, 1e-2),
    "rmsprop": lambda p: optim.RMSprop(p, 1e-2, momentum=0.5, centered=True),
    "groups": lambda p: optim.SGD([{"params": (q := list(p))[:1], "lr": 0.1}, {"params": q[1:]}], 0.01, momentum=0.9),
}
ACTIVATIONS = [nn.Tanh, nn.ReLU, nn.Sigmoid, nn.LeakyReLU, nn.ELU, nn.SELU, nn.SiLU, nn.GELU]


def network(*middle, features=6, width=8, classes=4, dtype=np.float32):
    ends = nn.Linear(features, width, rng=1, dtype=dtype), nn.Linear(width, classes, rng=2, dtype=dtype)
    return nn.Sequential(ends[0], *middle, ends[1])


def a_step(model, optimizer, loss=F.cross_entropy):
    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    return step


class Twins:
    """Two equal models, of which one is trained as usual and the other by a captured step; and their batches."""

    def __init__(self, make, optimizer="nesterov", loss=F.cross_entropy, seed=0):
        self.models = [make(), make()]
        self.optimizers = [OPTIMIZERS[optimizer](model.parameters()) for model in self.models]
        steps = [a_step(model, o, loss) for model, o in zip(self.models, self.optimizers, strict=True)]
        self.usual, self.captured = steps[0], minidl.capture(steps[1])
        self.loss, self.rng = loss, np.random.default_rng(seed)

    def batch(self, size=12, features=6, classes=4):
        x = self.rng.normal(size=(size, features)).astype(next(self.models[0].parameters()).dtype)
        if self.loss is F.cross_entropy:
            return x, self.rng.integers(0, classes, size)
        return x, self.rng.normal(size=(size, classes)).astype(x.dtype)

    def step(self, *batch):
        """Take the step both ways; the same must come of it. Returns whether it was replayed."""
        batch = batch or self.batch()
        seed = minidl.random._default.state_dict()
        results = []
        for step in (self.usual, self.captured):
            minidl.random._default.load_state_dict(seed)
            results.append(outcome(step, batch))
        assert results[0] == results[1], self.captured.why
        self.check()
        return self.captured.why == ""

    def check(self):
        mine, theirs = (state(m, o) for m, o in zip(self.models, self.optimizers, strict=True))
        assert mine == theirs, self.captured.why


def outcome(step, batch):
    try:
        return bits(step(*batch)._data)
    except Exception as error:
        return type(error), str(error)


def bits(array):
    return None if array is None else (array.dtype, array.shape, np.asarray(array).tobytes())


def state(model, optimizer):
    """All that a step changes: parameters, buffers, gradients, what the optimizer remembers, how often memory was changed."""
    saved = optimizer.state_dict()["state"]
    return (
        {name: bits(array) for name, array in model.state_dict().items()},
        [(bits(p._grad), p._version[0]) for p in model.parameters()],
        {i: {name: bits(np.asarray(x)) for name, x in known.items()} for i, known in saved.items()},
        [m.rng.position for m in model.modules() if isinstance(m, nn.Dropout) and m.rng],
    )


def ready(twins):
    """Three calls more: then the step is proved."""
    for _ in range(3):
        twins.step()
    assert twins.step(), twins.captured.why
    return twins


# The same bits


@compiled_only
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_200_steps_have_the_bits_of_the_usual_ones_with_schedules_of_all_numbers(name):
    twins = Twins(lambda: network(nn.BatchNorm1d(8), nn.Tanh()), name)
    schedules = [optim.lr_scheduler.CosineAnnealingLR(o, 210) for o in twins.optimizers]
    replayed = 0
    for i in range(200):
        replayed += twins.step()
        for schedule in schedules:
            schedule.step()
        for optimizer in twins.optimizers:
            optimizer.param_groups[-1]["weight_decay"] = 1e-4 * (1 + i % 3)
    assert replayed >= 195


@compiled_only
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", [F.cross_entropy, F.mse_loss])
def test_every_activation_and_loss(activation, loss):
    ready(Twins(lambda: network(activation()), loss=loss))


@compiled_only
@pytest.mark.parametrize(
    "middle",
    [
        lambda t: [nn.Residual(nn.Sequential(nn.Linear(8, 8, rng=3, dtype=t), nn.Tanh()))],
        lambda t: [nn.Residual(nn.Linear(8, 8, rng=3, dtype=t), scale_init=0.5, dtype=t), nn.Residual(nn.Identity())],
        lambda t: [nn.LayerNorm(8, dtype=t), nn.ReLU(), nn.LayerNorm(8, elementwise_affine=False, dtype=t)],
        lambda t: [nn.BatchNorm1d(8, affine=False, dtype=t), nn.BatchNorm1d(8, track_running_stats=False, dtype=t)],
        lambda t: [
            nn.Dropout(0.5, rng=3),
            nn.Linear(8, 8, rng=3, dtype=t),
            nn.Dropout(0.25, rng=Generator(4)),
            nn.Dropout(0.1),
        ],
        lambda t: [nn.Linear(8, 8, bias=False, rng=3, dtype=t), nn.Flatten()],
        lambda t: [],
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layers(middle, dtype):
    ready(Twins(lambda: network(*middle(dtype), dtype=dtype)))


@compiled_only
@pytest.mark.parametrize("isa", kernels._backend.instruction_sets())
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_the_same_bits_on_every_instruction_set_and_with_any_number_of_threads(isa, threads):
    before = kernels._backend.instruction_set(), kernels.get_num_threads()
    try:
        kernels._backend.choose_instruction_set(isa)
        kernels.set_num_threads(threads)
        twins = Twins(lambda: network(nn.BatchNorm1d(300), nn.ReLU(), features=200, width=300), "adam")
        for _ in range(6):
            replayed = twins.step(*twins.batch(256, 200))
        assert replayed
    finally:
        kernels._backend.choose_instruction_set(before[0])
        kernels.set_num_threads(before[1])


@compiled_only
def test_tensors_and_arrays_of_the_closure_are_read_as_they_are():
    x, y = Tensor(np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)), np.arange(9) % 4
    models = [network(nn.Tanh()) for _ in range(2)]
    optimizers = [optim.SGD(m.parameters(), 0.1) for m in models]
    usual, recorded = (a_step(m, o) for m, o in zip(models, optimizers, strict=True))
    step = minidl.capture(lambda: recorded(x, y))
    for i in range(8):
        if i == 6:
            x.data[0], y[0] = 3, 2  # in place: read live
        assert bits(usual(x, y)._data) == bits(step()._data)
    assert step.why == ""


# The guards, one by one, and drawn at random


def layer(model, kind):
    return next((m for m in model.modules() if type(m) is kind), None)


def replace_data(model, optimizer, rng):
    p = next(iter(model.parameters()))
    p.data = p.data + 1


def change_in_place(model, optimizer, rng):
    with minidl.no_grad():
        for p in model.parameters():
            p *= 0.5


def hold(model, optimizer, rng):
    HELD.extend((p.grad, np.array(p.grad)) for p in model.parameters() if p.grad is not None)


def change_number(name, value):
    def change(model, optimizer, rng):
        for group in optimizer.param_groups:
            if name in group:
                group[name] = value

    return change


def set_attribute(kind, name, value):
    def change(model, optimizer, rng):
        if (module := layer(model, kind)) is not None:
            setattr(module, name, value)

    return change


def reload_model(model, optimizer, rng):
    model.load_state_dict({name: array * 0.5 if array.ndim else array for name, array in model.state_dict().items()})


def reload_optimizer(model, optimizer, rng):
    optimizer.load_state_dict(optimizer.state_dict())


def freeze(model, optimizer, rng):
    p = next(iter(model.parameters()))
    p.requires_grad = not p.requires_grad


HELD: list = []
INTERFERENCES = {
    "eval": lambda model, optimizer, rng: model.eval(),
    "train": lambda model, optimizer, rng: model.train(),
    "data": replace_data,
    "in place": change_in_place,
    "held gradients": hold,
    "lr": change_number("lr", 0.03),
    "momentum": change_number("momentum", 0.7),
    "no momentum": change_number("momentum", 0.0),
    "nesterov": change_number("nesterov", False),
    "weight_decay": change_number("weight_decay", 0.0),
    "bad lr": change_number("lr", -1.0),
    "eps": set_attribute(nn.BatchNorm1d, "eps", 0.1),
    "share": set_attribute(nn.BatchNorm1d, "momentum", 0.5),
    "average": set_attribute(nn.BatchNorm1d, "momentum", None),
    "dropout": set_attribute(nn.Dropout, "p", 0.75),
    "slope": set_attribute(nn.LeakyReLU, "negative_slope", 0.3),
    "model state": reload_model,
    "optimizer state": reload_optimizer,
    "initialize": lambda model, optimizer, rng: model.initialize(rng=int(rng.integers(100))),
    "freeze": freeze,
    "forward": set_attribute(nn.Linear, "forward", lambda x: F.tanh(x)[:, :4]),
    "no gradients": lambda model, optimizer, rng: optimizer.zero_grad(),
    "zeros": lambda model, optimizer, rng: optimizer.zero_grad(set_to_none=False),
    "seed": lambda model, optimizer, rng: [setattr(m, "rng", Generator(5)) for m in model.modules() if type(m) is nn.Dropout],
}


def interfere(twins, name):
    seed = twins.rng.bit_generator.state
    for model, optimizer in zip(twins.models, twins.optimizers, strict=True):
        twins.rng.bit_generator.state = seed
        with contextlib.suppress(ValueError):  # a state with a number that cannot be is not loaded
            INTERFERENCES[name](model, optimizer, twins.rng)


def middle_of(rng):
    """Some layers that keep the width of 8."""
    layers = []
    for _ in range(rng.integers(1, 5)):
        kind = rng.integers(7)
        one = [
            lambda: nn.Linear(8, 8, rng=int(rng.integers(99))),
            lambda: nn.BatchNorm1d(8),
            lambda: nn.LayerNorm(8),
            lambda: nn.Dropout(0.3, rng=int(rng.integers(99))),
            lambda: nn.Residual(nn.Sequential(nn.Linear(8, 8, rng=int(rng.integers(99))), nn.Tanh())),
            ACTIVATIONS[rng.integers(len(ACTIVATIONS))],
            lambda: nn.LeakyReLU(0.2),
        ][kind]
        layers.append(one())
    return layers


@compiled_only
@pytest.mark.parametrize("name", INTERFERENCES)
@pytest.mark.filterwarnings("ignore")
def test_what_changes_between_two_steps(name):
    HELD.clear()
    twins = ready(Twins(lambda: network(nn.BatchNorm1d(8), nn.LeakyReLU(), nn.Dropout(0.2, rng=7))))
    interfere(twins, name)
    for _ in range(10):
        twins.step()
    assert all(bits(now) == bits(then) for now, then in HELD)


@compiled_only
@pytest.mark.parametrize("seed", range(CHANCE))
@pytest.mark.filterwarnings("ignore")
def test_random_networks_and_interferences(seed):
    HELD.clear()
    rng = np.random.default_rng(seed)
    draws = int(rng.integers(1 << 30))
    optimizer, loss = list(OPTIMIZERS)[rng.integers(len(OPTIMIZERS))], [F.cross_entropy, F.mse_loss][rng.integers(2)]
    twins = Twins(lambda: network(*middle_of(np.random.default_rng(draws))), optimizer, loss, seed)
    for i in range(40):
        disturbed = i > 4
        if disturbed and rng.random() < 0.25:
            interfere(twins, list(INTERFERENCES)[rng.integers(len(INTERFERENCES))])
        batch = twins.batch(5 if disturbed and rng.random() < 0.1 else 12)
        if disturbed and rng.random() < 0.05 and loss is F.cross_entropy:
            batch[1][0] = rng.choice([-1, 4])
        observed = flow.watch(twins.models[1]) if disturbed and rng.random() < 0.05 else contextlib.nullcontext()
        with observed:
            replayed = twins.step(*batch)
        assert replayed or i != 4, twins.captured.why
    assert all(bits(now) == bits(then) for now, then in HELD)


@compiled_only
def test_after_some_calls_in_another_shape_the_step_is_recorded_again():
    twins = ready(Twins(lambda: network(nn.Tanh())))
    assert not twins.step(*twins.batch(7))
    assert "shape (7, 6)" in twins.captured.why
    assert twins.step()
    for _ in range(6):
        twins.step(*twins.batch(7))
    assert twins.step(*twins.batch(7))


@compiled_only
def test_arguments_are_compared_in_their_form():
    models = [network() for _ in range(2)]
    optimizers = [optim.SGD(m.parameters(), 0.05) for m in models]

    def make(model, optimizer):
        def step(x, y, factor):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y) * factor
            loss.backward()
            optimizer.step()
            return loss

        return step

    usual, step = make(models[0], optimizers[0]), minidl.capture(make(models[1], optimizers[1]))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 6)).astype(np.float32), rng.integers(0, 4, 12)
    for _ in range(4):
        assert bits(usual(x, y, 0.5)._data) == bits(step(x, y, 0.5)._data)
    assert step.why == ""
    leaf = Tensor(x, requires_grad=True)
    for arguments in [
        (x, y, 0.25),
        (np.asfortranarray(x), y, 0.5),
        (x[::-1], y, 0.5),
        (x, y.astype(np.int32), 0.5),
        (x, y.tolist(), 0.5),
        (x, y, np.float64(0.5)),
        (leaf, y, 0.5),
        (x, y),
    ]:
        assert outcome(usual, arguments) == outcome(step, arguments)
        assert step.why.startswith("not replayed: ")
        assert outcome(usual, (Tensor(x), y, 0.5)) == outcome(step, (Tensor(x), y, 0.5))
        assert step.why == ""
    assert leaf.grad is not None


@compiled_only
def test_a_method_is_watched_with_its_object():
    class Trainer:
        def __init__(self):
            self.model, self.scale = network(), 1.0
            self.optimizer = optim.SGD(self.model.parameters(), 0.1)

        def step(self, x, y):
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(x), y) * self.scale
            loss.backward()
            self.optimizer.step()
            return loss

    trainers = Trainer(), Trainer()
    step = minidl.capture(trainers[1].step)
    x, y = np.random.default_rng(0).normal(size=(12, 6)).astype(np.float32), np.arange(12) % 4
    for i in range(10):
        for trainer in trainers:
            trainer.scale = 2.0 if i > 5 else 1.0
            if i == 7:
                trainer.model = network(nn.Tanh())
                trainer.optimizer = optim.SGD(trainer.model.parameters(), 0.1)
        assert bits(trainers[0].step(x, y)._data) == bits(step(x, y)._data)
    assert state(trainers[0].model, trainers[0].optimizer) == state(trainers[1].model, trainers[1].optimizer)


@compiled_only
def test_what_a_step_is_called_by_is_watched_too():
    """Objects that are called, class methods, partial functions and defaults: what they bring is a guard."""

    class Trainer:
        scale = 1.0

        def __init__(self):
            self.x, self.model = Tensor(np.linspace(-1, 1, 72).reshape(12, 6).astype(np.float32)), network(nn.Tanh())
            self.frozen = nn.Linear(6, 6, rng=4)
            for p in self.frozen.parameters():
                p.requires_grad = False
            self.optimizer = optim.SGD(self.model.parameters(), 0.1)
            self.factor = Tensor(np.float32(1))

        def __call__(self, y):
            return self.take(self.model, self.optimizer, self.frozen, self.x, y, self.scale)

        def closure(self):
            optimizer, model, frozen, factor = self.optimizer, self.model, self.frozen, self.factor

            def step(y, x=self.x):
                return self.take(model, optimizer, frozen, x, y, factor)

            def clear():
                nonlocal factor
                del factor

            self.clear = clear
            return step

        @classmethod
        def of_class(cls, trainer, y):
            return cls.take(trainer.model, trainer.optimizer, trainer.frozen, trainer.x, y, cls.scale)

        @staticmethod
        def take(model, optimizer, frozen, x, y, scale):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(F.linear(x, frozen.weight, frozen.bias)), y) * scale
            loss.backward()
            optimizer.step()
            return loss

    class Holder:
        __slots__ = ("scale", "trainer")

        def __init__(self, trainer):
            self.trainer, self.scale, trainer.holder = trainer, 1.0, self

        def step(self, y):
            t = self.trainer
            return t.take(t.model, t.optimizer, t.frozen, t.x, y, self.scale)

    def replace_data(trainer):
        trainer.x.data = trainer.x.data * 2

    def scale(trainer):
        trainer.scale = type(trainer).scale = 2.0

    def thaw(trainer):
        trainer.frozen.weight = nn.Parameter(np.ones((6, 6), np.float32))
        trainer.frozen.weight.requires_grad = False

    y = np.arange(12) % 4
    for make, change in [
        (lambda trainer: trainer, scale),
        (lambda trainer: functools.partial(type(trainer).of_class, trainer), scale),
        (lambda t: functools.partial(t.take, t.model, t.optimizer, t.frozen, t.x, scale=1.0), replace_data),
        (lambda trainer: Holder(trainer).step, lambda trainer: setattr(trainer.holder, "scale", 2.0)),
        (Trainer.closure, replace_data),
        (Trainer.closure, thaw),
        (Trainer.closure, lambda trainer: trainer.clear()),
    ]:
        trainers = Trainer(), Trainer()
        usual, step = make(trainers[0]), minidl.capture(make(trainers[1]))
        for i in range(8):
            assert outcome(usual, (y,)) == outcome(step, (y,))
            assert i != 4 or step.why == ""
            str(step)
            if i == 4:
                for trainer in trainers:
                    change(trainer)
        Trainer.scale = 1.0


@compiled_only
def test_arguments_that_share_memory_are_refused():
    model = nn.Sequential(nn.Linear(6, 6, rng=0))
    optimizer, rng = optim.SGD(model.parameters(), 0.1), np.random.default_rng(0)
    x = rng.normal(size=(8, 6)).astype(np.float32)
    ordinary = a_step(model, optimizer, F.mse_loss)

    def against_x(given):
        optimizer.zero_grad()
        loss = F.mse_loss(model(given), x)
        loss.backward()
        optimizer.step()

    for function, arguments in [(ordinary, (x, x)), (against_x, (x,))]:
        step = minidl.capture(function)
        for _ in range(4):
            step(*arguments)
        assert "shares memory" in step.why


@compiled_only
def test_gradients_in_another_form_and_parameters_in_one_memory():
    twins = ready(Twins(lambda: network(nn.Tanh())))
    for model in twins.models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # NumPy 2.5 would rather have a new view
            next(model.parameters()).grad.shape = (-1,)
    assert twins.step()
    for model in twins.models:
        next(model.parameters()).grad.resize(10_000, refcheck=False)
    assert twins.step()
    versions = []
    for captured in (False, True):
        flat = np.linspace(-1, 1, 80).astype(np.float32)
        a, b = (Tensor(part, requires_grad=True) for part in (flat[:48].reshape(6, 8), flat[48:].reshape(8, 4)))
        optimizer = optim.SGD([a, b], 0.1)
        step = a_step(lambda x, a=a, b=b: F.matmul(F.tanh(F.matmul(x, a)), b), optimizer)
        step = minidl.capture(step) if captured else step
        for _ in range(5):
            step(np.ones((4, 6), np.float32), np.arange(4))
        versions.append((a._version[0], b._version[0], bits(flat)))
    assert step.why == ""
    assert versions[0] == versions[1]


@compiled_only
def test_an_optimizer_without_a_kernel_and_a_tensor_changed_in_place_are_refused():
    class Signs(optim.Optimizer):
        _least = {"lr": 0.0}  # noqa: RUF012 - as every rule has it

        def _step(self, groups, counts):
            for params, group in groups:
                for p in params:
                    p._data -= group["lr"] * np.sign(p._grad)

    model, total = network(), Tensor(np.float32(0))
    step = minidl.capture(a_step(model, Signs(model.parameters(), {"lr": 0.1})))
    for _ in range(4):
        step(np.ones((2, 6), np.float32), np.array([0, 1]))
    assert "no kernel" in step.why

    def add_up(loss):
        nonlocal total
        with minidl.no_grad():
            total += loss

    assert "read or changed" in refused(at("loss", add_up))


@compiled_only
def test_a_captured_step_inside_another_is_part_of_it():
    twins = ready(Twins(lambda: network(nn.Tanh())))
    outer = minidl.capture(lambda x, y: twins.captured(x, y))
    for _ in range(6):
        x, y = twins.batch()
        assert bits(twins.usual(x, y)._data) == bits(outer(x, y)._data)
        twins.check()


@compiled_only
def test_no_grad_around_a_step_is_an_error_as_usual():
    twins = ready(Twins(network))
    batch = twins.batch()
    with minidl.no_grad():
        assert outcome(twins.usual, batch) == outcome(twins.captured, batch)
    assert twins.step()


# Errors are the usual ones, and so is the state after


@compiled_only
@pytest.mark.parametrize("label", [4, -1, 1 << 40])
def test_a_label_out_of_range_changes_nothing(label):
    twins = ready(Twins(lambda: network(nn.BatchNorm1d(8))))
    x, y = twins.batch()
    y[3] = label
    assert not twins.step(x, y)
    assert twins.step()


@compiled_only
def test_a_variance_that_overflows_is_the_usual_error():
    twins = ready(Twins(lambda: network(nn.BatchNorm1d(8))))
    x, y = twins.batch()
    twins.step(np.float32(1e30) * x, y)
    assert twins.step()


@compiled_only
def test_gradients_that_somebody_holds_stay_as_they_are():
    twins = ready(Twins(lambda: network(nn.Tanh())))
    model = twins.models[1]
    held = [p.grad for p in model.parameters()]
    views = [p.grad[:1] for p in model.parameters()]
    before = [g.copy() for g in held]
    assert twins.step()
    assert twins.step()
    assert all(bits(now) == bits(then) for now, then in zip(held, before, strict=True))
    assert all(bits(now) == bits(then[:1]) for now, then in zip(views, before, strict=True))


# Refusals name the line


def refused(change, returns=True):
    """What a step says for itself that does something more, after four calls; and whether it did what the usual one does."""
    models = [network(nn.Tanh()) for _ in range(2)]
    optimizers = [optim.SGD(m.parameters(), 0.05, momentum=0.9) for m in models]

    def make(model, optimizer):
        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(change("input", x)), y)
            change("loss", loss)
            loss.backward()
            change("gradients", (model, optimizer))
            optimizer.step()
            change("end", (model, optimizer))
            return loss

        return step

    usual, step = make(models[0], optimizers[0]), minidl.capture(make(models[1], optimizers[1]))
    rng = np.random.default_rng(0)
    for _ in range(6):
        x, y = rng.normal(size=(12, 6)).astype(np.float32), rng.integers(0, 4, 12)
        assert bits(usual(x, y)._data) == bits(step(x, y)._data)
        assert state(models[0], optimizers[0]) == state(models[1], optimizers[1])
    return step.why


def at(place, function):
    return lambda where, x: function(x) if where == place else x


@compiled_only
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (at("loss", lambda loss: loss.item()), "value is read"),
        (at("loss", lambda loss: float(loss)), "value is read"),
        (at("loss", lambda loss: "small" if loss < 1 else "large"), "value is read"),
        (at("loss", lambda loss: f"{loss}"), "value is read"),
        (at("gradients", lambda x: [np.clip(p.grad, -1e-3, 1e-3, out=p.grad) for p in x[0].parameters()]), "value is read"),
        (at("gradients", lambda x: nn.utils.clip_grad_norm_(x[0].parameters(), 1e-3)), "NumPy"),
        (at("gradients", lambda x: x[1].param_groups[0].update(lr=0.5 / len(x))), "set in the step"),
        (at("input", lambda x: x * 2), "NumPy"),
        (at("input", lambda x: F.softmax(x)), "NumPy"),
        (at("input", lambda x: x[np.random.default_rng(0).permutation(12)]), "NumPy"),
    ],
)
def test_what_a_recording_cannot_see_is_refused_with_its_line(change, says):
    why = refused(change)
    assert why.startswith("refused: test_capture.py:")
    assert says in why


@compiled_only
def test_gradients_that_add_up_are_refused():
    model = network()
    optimizer = optim.SGD(model.parameters(), 0.1)

    def step(x, y):
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    captured = minidl.capture(step)
    for _ in range(3):
        captured(np.ones((2, 6), np.float32), np.array([0, 1]))
    assert "call zero_grad()" in captured.why


def test_what_a_step_returns():
    model = network()
    for result in (3.0, {}, [model]):
        captured = minidl.capture(lambda x, result=result: result)
        captured(np.ones((2, 6), np.float32))
        assert "returns its loss" in captured.why
    captured = minidl.capture(lambda x: model(x).sum())
    for _ in range(3):
        captured(np.ones((2, 6), np.float32)).backward()
    assert "still be differentiated" in captured.why


@compiled_only
def test_the_loss_is_as_the_usual_one_after_its_backward():
    twins = ready(Twins(network))
    x, y = twins.batch()
    losses = twins.usual(x, y), twins.captured(x, y)
    assert twins.captured.why == ""
    assert losses[0].requires_grad == losses[1].requires_grad is True
    for loss in losses:
        with pytest.raises(RuntimeError, match="a second time"):
            loss.backward()


# Epochs


@compiled_only
@pytest.mark.parametrize("optimizer", ["nesterov", "adam"])
def test_run_is_an_epoch_of_a_dataloader(optimizer):
    twins = Twins(lambda: network(nn.BatchNorm1d(8), nn.Dropout(0.2, rng=3), nn.ReLU()), optimizer)
    x, y = twins.batch(103)
    for epoch in range(4):
        loader = data.DataLoader((x, y), 8, shuffle=True, rng=epoch)
        expected = np.array([twins.usual(*batch).item() for batch in loader], np.float32)
        assert bits(twins.captured.run(x, y.astype(np.int32), 8, rng=epoch)) == bits(expected)
        twins.check()


@compiled_only
def test_run_returns_the_losses_of_steps_that_return_one():
    model = network(nn.Tanh())
    ordinary = a_step(model, optim.SGD(model.parameters(), 0.1))
    x, y = np.ones((64, 6), np.float32), np.arange(64) % 4

    def returning(result):
        def step(x, y):
            ordinary(x, y)
            return result

        return minidl.capture(step)

    assert returning(None).run(x, y, 8, rng=0).size == 0
    assert list(returning(0.5).run(x, y, 8, rng=0)) == [0.5] * 8
    for result in ((0.5,), Tensor([1.0, 2.0])):
        with pytest.raises(TypeError, match="one number, or nothing"):
            returning(result).run(x, y, 8, rng=0)


def test_an_interrupt_leaves_nothing_of_a_recording():
    """It comes at each of the last calls of a Python function; and the error is held, with all frames, as a notebook does."""
    before, model = dict(vars(kernels)), network(nn.Tanh())
    ordinary, x, y = a_step(model, optim.SGD(model.parameters(), 0.1)), np.ones((8, 6), np.float32), np.arange(8) % 4

    def interrupted(at):
        calls = 0

        def profile(frame, event, argument):
            nonlocal calls
            calls += event == "call"
            if calls == at and event == "call":
                raise KeyboardInterrupt

        step, held = minidl.capture(ordinary), None
        sys.setprofile(profile)
        try:
            step(x, y)
        except KeyboardInterrupt as error:
            held = error
        finally:
            sys.setprofile(None)
        assert all(vars(kernels)[name] is value for name, value in before.items()), held
        return calls

    count = interrupted(None)
    for at in range(count - 80, count):
        interrupted(at)


@compiled_only
@pytest.mark.parametrize("calls", [1, 5])  # the next call is recorded, or replayed
def test_an_interrupt_leaves_nothing_taken(calls):
    """It comes before and after each call of Python and of C, where signals are looked for; and the error is held."""
    twins = Twins(lambda: network(nn.Tanh()))
    batch = twins.batch()

    def interrupted(at):
        step, held, events = minidl.capture(twins.usual), None, 0
        for _ in range(calls):
            step(*batch)

        def profile(frame, event, argument):
            nonlocal events
            if frame.f_code.co_name in ("alone", "record", "_record", "__call__", "_step") and event != "return":
                events += 1
                if events == at:
                    raise KeyboardInterrupt

        sys.setprofile(profile)
        try:
            step(*batch)
        except KeyboardInterrupt as error:
            held = error
        finally:
            sys.setprofile(None)
        assert recording._recorder == {}, held
        for _ in range(5):
            step(*batch)
        assert step.why == "", held
        return events

    for at in range(interrupted(None)):
        interrupted(at + 1)


@compiled_only
def test_the_garbage_collector_may_take_a_program(monkeypatch):
    twins, errors = ready(Twins(lambda: network(nn.Tanh()))), []
    monkeypatch.setattr(sys, "unraisablehook", errors.append)
    twins.captured.itself = twins.captured
    del twins
    gc.collect()
    assert not errors


@compiled_only
def test_run_converts_arrays_once(monkeypatch):
    twins, made, sources = Twins(lambda: network(nn.Tanh())), [], replay.Replay.sources
    x, y = twins.batch(240)
    y = y.astype(np.int32)  # which the program has as intp
    twins.captured.run(x, y, 12, rng=0)
    monkeypatch.setattr(steps, "CHUNK", 0.0)  # eight steps in one call
    monkeypatch.setattr(replay.Replay, "sources", lambda self, arrays: made.append(arrays) or sources(self, arrays))
    assert len(twins.captured.run(x, y, 12, rng=0)) == 20
    assert twins.captured.why == ""
    assert len(made) == 1


@compiled_only
def test_the_times_are_the_least_of_two_recorded_calls():
    twins = Twins(lambda: network(nn.Tanh()))
    batch, seconds = twins.batch(), []
    for _ in range(3):
        twins.captured(*batch)
        seconds.append([o.seconds for o in twins.captured._recording.operations])
    assert len(seconds[2]) == len(seconds[1])
    assert all(last <= before for last, before in zip(seconds[2], seconds[1], strict=True))


@compiled_only
def test_what_is_done_beside_computing_happens_in_ordinary_calls_only():
    """The first kind of staleness that no recording can see: three calls to learn, and one for each smaller last batch."""
    model, calls = network(), []
    ordinary = a_step(model, optim.SGD(model.parameters(), 0.1))

    def step(x, y):
        calls.append(len(x))
        return ordinary(x, y)

    captured = minidl.capture(step)
    x, y = np.random.default_rng(0).normal(size=(67, 6)).astype(np.float32), np.arange(67) % 4
    for epoch in range(8):
        assert len(captured.run(x, y, 8, rng=epoch)) == 9
    assert calls == [8] * 3 + [3] * 8


@compiled_only
def test_python_that_changes_its_mind_after_the_third_call_is_not_seen():
    """The second kind: a number in the user's own dict."""
    model, own = network(), {"scale": 1.0}
    optimizer = optim.SGD(model.parameters(), 0.0)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y) * own["scale"]
        loss.backward()
        optimizer.step()
        return loss

    captured = minidl.capture(step)
    x, y = np.ones((8, 6), np.float32), np.arange(8) % 4
    losses = [captured(x, y).item() for _ in range(5)]
    own["scale"] = 2.0
    assert captured(x, y).item() == losses[-1]
    assert step(x, y).item() == 2 * losses[-1]


@compiled_only
def test_run_stops_at_an_error_as_the_loop_does():
    twins = ready(Twins(lambda: network(nn.BatchNorm1d(8)), "adam"))
    x, y = twins.batch(120)
    y[77] = 9
    for run in (
        lambda: [twins.usual(*batch) for batch in data.DataLoader((x, y), 12, shuffle=True, rng=0)],
        lambda: twins.captured.run(x, y, 12, rng=0),
    ):
        with pytest.raises(ValueError, match="class"):
            run()
    twins.check()


@compiled_only
def test_trainings_in_threads_do_not_mix():
    def train():
        model = network(nn.BatchNorm1d(8), nn.Tanh())
        step = minidl.capture(a_step(model, optim.Adam(model.parameters(), 0.01)))
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(240, 6)).astype(np.float32), rng.integers(0, 4, 240)
        for epoch in range(6):
            step.run(x, y, 12, rng=epoch)
        results.append(bits(model(x).data))

    results: list = []
    threads = [threading.Thread(target=train) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert len(set(results)) == 1


# Programs: both backends


@pytest.mark.parametrize("backend", {kernels._backend, kernels.importlib.import_module("minidl.kernels.reference")})
def test_a_program_is_its_calls(backend):
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 3), (4, 3), 4))
    h, y, s = np.empty((5, 4), np.float32), np.empty((5, 4), np.float32), np.empty(4, np.float32)
    program = backend.Program()
    program.append(backend.linear, (x, w, b), (h,))
    program.append(backend.tanh, (h,), (y,))
    program.append(backend.column_sums, (y,), (s,))
    program.append(backend.are_finite, (s, 1.0), ())
    program.append(backend.copy, (s,), (b,))
    assert len(program) == 5
    expected = backend.column_sums(backend.tanh(backend.linear(x, w, b)))
    count = [3]
    assert program.step(([], [], [], [count], []))
    assert (bits(s), bits(b), count) == (bits(expected), bits(expected), [4])
    x[0, 0] = np.nan
    before = b.copy()
    assert not program.step(([], [], [], [count], []))
    assert (bits(b), count) == (bits(before), [4])


@compiled_only
def test_a_program_refuses_arrays_that_do_not_fit():
    x, w = np.ones((5, 3), np.float32), np.ones((4, 3), np.float32)
    program = kernels.Program()
    for out in (np.empty((4, 5), np.float32), np.empty((5, 4)), np.empty((5, 8), np.float32)[:, ::2]):
        with pytest.raises(ValueError, match="other arrays"):
            program.append(kernels.linear, (x, w), (out,))
    with pytest.raises(ValueError, match="not contiguous"):
        program.append(kernels.tanh, (x[:, ::2],), (np.empty((5, 2), np.float32),))
    assert len(program) == 0
    program.append(kernels.sgd, ([([w], [w.copy()], [None], [1], 0.1, 0, 0, 0, 0)], [], []), ())
    for call in (
        lambda: program.set_numbers(1, 0, (0.1,)),
        lambda: program.set_numbers(0, 1, (0.1,)),
        lambda: program.set_numbers(0, 0, (0.1,) * 7),
        lambda: program.set_steps(0, [[1], [1]]),
        lambda: program.set_draw(0, (0, 0), 0),
        lambda: program.steps(np.array([9]), [x], [x[:1].copy()], None, np.empty(1), [], ([], [], [], [], [])),
        lambda: program.steps(np.array([0]), [x], [x[:1, :2].copy()], None, np.empty(1), [], ([], [], [], [], [])),
        lambda: program.steps(np.array([0]), [], [], None, np.empty(1), [3], ([], [], [], [], [])),
    ):
        with pytest.raises(ValueError, match=r"program|counts|row|words"):
            call()


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "inverse_root"])
@pytest.mark.parametrize(
    "shapes", [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 4), (3, 1)), ((), (3, 4)), ((2, 3, 4), (1,)), ((), ())]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_has_the_bits_of_numpy(name, shapes, dtype):
    rng = np.random.default_rng(0)
    x, y = (np.asarray(rng.uniform(0.5, 2, shape), dtype) for shape in shapes)
    assert bits(kernels.arithmetic(name, x, y)) == bits(np.asarray(getattr(kernels, name)(x, y)))


@compiled_only
@pytest.mark.parametrize("shapes", [((2, 1, 3), (1, 2, 1)), ((1, 0), (2, 0)), ((2, 1), (1, 2))])
def test_arithmetic_of_arrays_that_repeat_each_other_is_refused(shapes):
    with pytest.raises(ValueError, match="repeat"):
        kernels.arithmetic("add", *map(np.ones, shapes))


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 100, 128, 129, 300, 4097])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_row_sums_have_the_bits_of_numpy(n, dtype):
    for x in (np.random.default_rng(0).normal(size=(3, n)).astype(dtype), np.full((3, n), -0.0, dtype)):
        assert bits(kernels.row_sums(x, (3,))) == bits(np.add.reduce(x, -1))
        assert bits(kernels.row_sums(x, ())) == bits(np.asarray(np.add.reduce(x, None)))


@compiled_only
@pytest.mark.parametrize(
    ("shape", "axis", "replayed"),
    [
        ((1, 40, 8), (1, 2), True),
        ((1, 40, 8), (2, 1), False),  # in another order than in memory
        ((40, 8), 0, True),
        ((40, 8), -1, True),
        ((40, 1), 0, True),
        ((40, 5, 1), (0, 1), True),
        ((1, 8), 0, True),
        ((40, 3, 4), (1, 2), True),
        ((40, 3, 4), (-1, -2), False),
        ((40, 3, 4), 1, False),
    ],
)
def test_sums_over_axes_have_the_bits_of_the_usual_ones(shape, axis, replayed):
    w, zeros = Tensor(np.float32(1), requires_grad=True), np.zeros(np.ones(shape).sum(axis).shape, np.float32)

    def step(x):
        w.grad = None
        loss = F.mse_loss(w * x.sum(axis), zeros)
        loss.backward()
        return loss

    captured, rng = minidl.capture(step), np.random.default_rng(0)
    for i in range(12):
        x = rng.normal(size=shape).astype(np.float32) if i % 4 else np.full(shape, -0.0, np.float32)
        usual = bits(step(Tensor(x))._data), bits(w.grad)
        assert (bits(captured(Tensor(x))._data), bits(w.grad)) == usual
    assert (captured.why == "") == replayed, captured.why


# The listing


def test_the_listing_of_a_step():
    model = nn.Sequential(nn.Linear(6, 8, rng=0), nn.Tanh(), nn.Linear(8, 4, rng=1))
    step = minidl.capture(a_step(model, optim.SGD(model.parameters(), 0.1, momentum=0.9)))
    assert str(step) == "captured step: it has not been called yet"
    step.why = "<b> & co"
    assert step._repr_html_() == "<pre>captured step: &lt;b&gt; &amp; co</pre>"
    for _ in range(2):
        step(np.ones((32, 6), np.float32), np.zeros(32, int))
    lines = [line.rstrip() for line in str(step).splitlines()]
    formulas = [line[: line.rindex(" ")].rstrip() if line[-1].isdigit() else line for line in lines]
    assert [" ".join(line.split()) for line in formulas] == [
        "forward shape us",
        "h1 = x @ 0.weight.T + 0.bias 32x8",
        "h2 = tanh(h1) 32x8",
        "h3 = h2 @ 2.weight.T + 2.bias 32x4",
        "loss, p = cross_entropy(h3, y) 32x4",
        "backward",
        "d_h3 = (p - one_hot(y)) / 32 32x4",
        "d_h2 = d_h3 @ 2.weight 32x8",
        "d_2.weight = d_h3.T @ h2 4x8",
        "d_2.bias = d_h3.sum(0) 4",
        "d_h1 = d_h2 * (1 - h2**2) 32x8",
        "d_0.weight = d_h1.T @ x 8x6",
        "d_0.bias = d_h1.sum(0) 8",
        "update",
        "v, p = 0.9 v + d_p, p - lr v for 4 parameters",
    ]
    assert "<table>" in step._repr_html_()
    assert "d_h1 = d_h2 * (1 - h2**2)" in step._repr_html_()


def test_the_listing_of_a_bare_forward_and_backward():
    w = Tensor(np.ones((3, 3), np.float32), requires_grad=True)

    def step(x):
        w.grad = None
        F.tanh(F.matmul(x, w)).sum().backward()

    captured = minidl.capture(step)
    for _ in range(2):
        captured(np.ones((2, 3), np.float32))
    text = str(captured)
    assert "h1 = x @ w" in text
    assert "d_w = x.T @" in text
    assert "update" not in text
