"""The engine at its edges: memory that several tensors show, NumPy's functions, tracers, interrupts, threads, operations of
one's own; against numbers worked out by hand."""

import copy
import functools
import gc
import itertools
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from interrupts import interrupted

import minidl
import minidl.functional as F
from minidl import Tensor, nn, no_grad, optim
from minidl.tensor import _counts, _mode, record


def leaf(values=(1.0, 2.0, 3.0), dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


# One count for one memory


def two_of_one_memory():
    """Pairs of tensors that show the same memory, made in every way in which a user can make them."""
    array = np.array([2.0, 3.0])
    p = nn.Parameter(array)
    yield p, nn.Parameter(array)
    yield p, nn.Parameter(array[:])
    yield p, nn.Parameter(array.reshape(2, 1)[:, 0])
    yield p, nn.Parameter(p.data)
    yield p, nn.Parameter(p.numpy())
    yield p, nn.Parameter(p.detach())
    yield p, copy.copy(p)
    with no_grad():
        yield p, nn.Parameter(np.asarray(p))
    q = nn.Parameter(np.zeros(2))
    q.data = p.data
    yield p, q
    memory = bytearray(array.tobytes())
    yield nn.Parameter(np.frombuffer(memory, np.float64)), nn.Parameter(np.frombuffer(memory, np.float64))


@pytest.mark.parametrize("pair", range(10))
def test_what_changes_one_tensor_is_noticed_by_all_that_show_its_memory(pair):
    p, q = list(two_of_one_memory())[pair]
    loss = (p * p).sum()
    q.grad = np.ones(2)
    optim.SGD([q], lr=0.1).step()
    assert p.data.tolist() == [1.9, 2.9]
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()
    assert p.grad is None


@pytest.mark.parametrize("change", [lambda q: nn.init.zeros_(q), lambda q: q.__setitem__(0, 1.0), lambda q: q.__iadd__(1.0)])
def test_a_result_of_an_operation_shares_its_count_with_what_is_made_of_its_data(change):
    p = leaf()
    y = p.exp()  # whose backward reads y
    with no_grad():
        change(nn.Parameter(y.data))
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


def views_of(array):
    """Ways to another tensor of an array's memory that go through something else than an array."""
    yield np.lib.stride_tricks.sliding_window_view(array, 2)
    yield np.lib.stride_tricks.as_strided(array, (2,), array.strides)
    yield np.asarray(memoryview(array))


@pytest.mark.parametrize("way", range(3))
def test_views_through_other_objects_share_the_count_of_the_array(way):
    array = np.array([1.0, 2.0, 3.0])
    view, k = Tensor(list(views_of(array))[way]), leaf((1.0,))
    loss = (view * k).sum()
    with no_grad():
        Tensor(array).__iadd__(10.0)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_memory_of_different_foreign_owners_has_different_counts():
    # As where NumPy lets larger unpickled arrays lie in bytes objects.
    p, q = (nn.Parameter(np.frombuffer(bytearray(16), np.float64)) for _ in range(2))
    loss = (q * q).sum()
    p.grad = np.ones(2)
    optim.SGD([p], lr=0.1).step()
    loss.backward()
    assert q.grad.tolist() == [0.0, 0.0]


def test_memory_that_died_leaves_no_count_behind():
    gc.collect()
    before = len(_counts)
    for _ in range(100):
        Tensor(np.zeros(3)).data  # noqa: B018
    gc.collect()
    assert len(_counts) == before


def test_memory_of_its_own_has_a_count_of_its_own():
    p, q = leaf(), leaf()
    loss = (p * p).sum()
    with no_grad():
        q += 1.0
    loss.backward()
    assert p.grad.tolist() == [2.0, 4.0, 6.0]


# Data of another shape or dtype, between forward and backward

CHANGED_SHAPE = {
    "mean": lambda x: x.mean(),
    "sum over an axis": lambda x: x.reshape(2, 2).sum(0).sum(),
    "getitem": lambda x: x[1:3].sum(),
    "getitem by a list": lambda x: x[[0, 3]].sum(),
    "broadcast add": lambda x: (x + np.ones((3, 4))).sum(),
    "mul": lambda x: (x * 2.0).sum(),
    "reshape": lambda x: x.reshape(4, 1).sum(),
    "concatenate": lambda x: F.concatenate([x, x]).sum(),
    "max": lambda x: x.max(),
    "linear": lambda x: F.linear(x.reshape(1, 4), np.ones((2, 4))).sum(),
}


@pytest.mark.parametrize("new", [np.zeros(2), np.zeros(8), np.zeros((2, 2)), np.zeros(4, np.float32)], ids=str)
@pytest.mark.parametrize("operation", CHANGED_SHAPE)
def test_a_leaf_given_data_of_another_shape_or_dtype_is_an_error_in_backward(operation, new):
    x = Tensor(np.arange(4.0), requires_grad=True)
    y = CHANGED_SHAPE[operation](x)
    x.data = new
    with pytest.raises(RuntimeError, match="another shape or dtype"):
        y.backward()
    assert x.grad is None


def test_a_leaf_given_other_data_of_its_shape_and_dtype_gets_the_gradient_at_the_old_value():
    x = Tensor(np.array([2.0, 3.0]), requires_grad=True)
    y = (x * x).sum()
    x.data = np.zeros(2)
    y.backward()
    assert x.grad.tolist() == [4.0, 6.0]


def test_a_leaf_given_another_shape_is_used_as_any_other_afterwards():
    x = Tensor(np.arange(4.0), requires_grad=True)
    x.data = np.array([2.0, 3.0])
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0, 6.0]


# NumPy's functions

NUMPY_FUNCTIONS = {
    "stack": (lambda x: np.stack([x[1], x[0]]), "functional.stack"),
    "concatenate": (lambda x: np.concatenate([x, x]), "functional.concatenate"),
    "where": (lambda x: np.where(np.arange(3) > 0, x, 0), "minidl.functional"),
    "dot": (lambda x: np.dot(x, x), "functional.matmul"),
    "einsum": (lambda x: np.einsum("i,i", x, x), "minidl.functional"),
    "linalg.norm": (lambda x: np.linalg.norm(x), "minidl.functional"),
    "sum": (lambda x: np.sum(x), "functional.sum"),
    "mean": (lambda x: np.mean(x), "functional.mean"),
    "max": (lambda x: np.max(x), "functional.max"),
    "var": (lambda x: np.var(x), "functional.var"),
    "nested": (lambda x: np.block([[x, x], [x, x]]), "minidl.functional"),
    "asarray": (lambda x: np.asarray(x), "minidl.functional"),
    "array of a list": (lambda x: np.array([x, x]), "minidl.functional"),
    "assignment": (lambda x: np.zeros(3).__setitem__(slice(None), x), "minidl.functional"),
}


@pytest.mark.parametrize("function", NUMPY_FUNCTIONS)
def test_numpy_functions_of_a_tensor_that_requires_a_gradient_are_errors_that_say_what_to_write(function):
    call, ours = NUMPY_FUNCTIONS[function]
    with pytest.raises(RuntimeError, match=r"lose the gradient(.|\n)*" + ours + r"(.|\n)*\.detach\(\)(.|\n)*\.data"):
        call(leaf())


@pytest.mark.parametrize("function", sorted(set(NUMPY_FUNCTIONS) - {"assignment"}))
def test_numpy_functions_take_tensors_where_no_gradient_can_get_lost(function):
    call, _ = NUMPY_FUNCTIONS[function]
    expected = call(np.array([1.0, 2.0, 3.0]))
    assert np.array_equal(call(Tensor(np.array([1.0, 2.0, 3.0]))), expected)
    with no_grad():
        assert np.array_equal(call(leaf()), expected)


def test_numpy_functions_whose_results_have_no_gradient_take_every_tensor():
    x = leaf((1.0, 3.0, 2.0))
    assert np.argmax(x) == 1
    assert np.argsort(x).tolist() == [0, 2, 1]
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((3,), 1, 3)
    assert np.zeros_like(x).tolist() == [0.0] * 3
    assert np.allclose(x, [1.0, 3.0, 2.0])


def test_a_tensor_of_one_element_is_formatted_as_its_number():
    assert f"{leaf((1.0, 2.0)).mean():.2f}" == "1.50"
    assert f"{leaf((2.0,))}" == "Tensor([2.], dtype=float64, requires_grad=True)"
    with pytest.raises(ValueError, match="one element"):
        f"{leaf():.2f}"


def test_array_functions_pass_keywords_and_results_of_several_arrays_on():
    low, high = np.split(Tensor([1.0, 2.0, 3.0, 4.0]), 2)
    assert (low.tolist(), high.tolist()) == ([1.0, 2.0], [3.0, 4.0])
    assert np.clip(a=Tensor([1.0, 5.0]), a_min=0, a_max=Tensor([2.0, 2.0])).tolist() == [1.0, 2.0]


# Who owns a gradient

UNDER_A_TRACER = """
import sys

def trace(frame, event, argument):
    if "minidl" in frame.f_code.co_filename:  # (3.12.1 itself cannot import ast while somebody reads all of them)
        frame.f_locals  # as debuggers and coverage tools do
    return trace

{switch_on}
import numpy as np
from minidl import Tensor, ownership
{switch_off}
x, y = (Tensor(np.array([1.0, 2.0]), requires_grad=True) for _ in range(2))
for _ in range(3):
    ((x + y) * 2).sum().backward()
assert x.grad is not y.grad and not np.shares_memory(x.grad, y.grad)
assert x.grad.tolist() == y.grad.tolist() == [6.0, 6.0], x.grad
held = x.grad
(x * 3).sum().backward()
assert held.tolist() == [6.0, 6.0] and x.grad.tolist() == [9.0, 9.0] and y.grad.tolist() == [6.0, 6.0]
"""


@pytest.mark.parametrize(("on", "off"), [("", ""), ("sys.settrace(trace)", "sys.settrace(None)"), ("sys.settrace(trace)", "")])
@pytest.mark.parametrize("kind", ["settrace", "setprofile"])
def test_gradients_of_two_leaves_stay_two_arrays_under_tracers(on, off, kind):
    code = UNDER_A_TRACER.format(switch_on=on.replace("settrace", kind), switch_off=off.replace("settrace", kind))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_ownership_says_no_where_its_knowledge_does_not_hold(monkeypatch):
    array = np.zeros(2)
    monkeypatch.setattr(minidl.ownership, "_limit", 99)  # as if counts were other than known
    assert not minidl.ownership._holds()
    monkeypatch.setattr(minidl.ownership, "_limit", 0)
    assert not minidl.ownership._holds()
    assert not minidl.ownership.is_unshared(array)
    monkeypatch.setattr(minidl.ownership, "_REFERENCES", {})  # a version that nobody has looked at
    assert minidl.ownership._known_limit() == 0


def test_training_is_the_same_where_ownership_is_never_known(monkeypatch):
    def trained():
        model = nn.Sequential(nn.Linear(3, 5, rng=0), nn.Tanh(), nn.Linear(5, 2, rng=1))
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            nn.CrossEntropyLoss()(model(np.eye(3, dtype=np.float32)), [0, 1, 1]).backward()  # gradients add up
            optimizer.step()
        return [p.data.tobytes() for p in model.parameters()]

    usual = trained()
    monkeypatch.setattr(minidl.ownership, "_limit", 0)
    assert trained() == usual


# Operations of one's own


def own_operation(x, backward):
    return record(x.data * 1.0, (x,), backward)


def doubled_in_place(dy):
    dy *= 2.0
    return (dy,)


def doubled_by_out(dy):
    return (np.multiply(dy, 2.0, out=dy),)


def zeroed_in_part(dy):
    dy[0] = 0.0
    return (dy,)


@pytest.mark.parametrize("backward", [doubled_in_place, doubled_by_out, zeroed_in_part])
def test_an_operation_that_changes_its_dy_is_an_error_and_no_neighbour_is_spoilt(backward):
    x, y = leaf(), leaf()
    z = own_operation(x, backward) + y
    with pytest.raises(RuntimeError, match=r"changes the gradient that it is given"):
        z.sum().backward()
    assert x.grad is None
    assert y.grad is None
    with pytest.raises(RuntimeError, match="changes the gradient"):
        minidl.gradcheck(lambda x: own_operation(x, backward), x)


def test_an_operation_that_returns_its_dy_gives_leaves_that_can_be_changed():
    x = leaf()
    own_operation(x, lambda dy: (dy,)).sum().backward()
    x.grad *= 2.0
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_an_operation_may_be_any_callable_and_is_freed_like_others():
    x = leaf()
    y = own_operation(x, functools.partial(lambda factor, dy: (factor * dy,), 3.0)).sum()
    y.backward()
    assert x.grad.tolist() == [3.0, 3.0, 3.0]
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


@pytest.mark.parametrize("dx", [[1.0, 1.0, 1.0], 1.0, "text", Tensor([1.0, 1.0, 1.0])], ids=str)
def test_an_operation_that_gives_something_else_than_an_array_is_an_error(dx):
    with pytest.raises(TypeError, match="not an array"):
        own_operation(leaf(), lambda dy: (dx,)).sum().backward()


def test_gradients_that_are_not_real_are_errors():
    x = leaf()
    with pytest.raises(RuntimeError, match="complex128"):
        own_operation(x, lambda dy: (dy * 1j,)).sum().backward()
    with pytest.raises(TypeError, match="complex128"):
        (x * 2).backward(np.full(3, 1j))
    with pytest.raises(TypeError, match="complex128"):
        x.grad = np.full(3, 1j)
    assert x.grad is None


@pytest.mark.parametrize("make", [lambda: Tensor([1.0, 2.0]) > 1.5, lambda: Tensor([1.0, 2.0]).argmax()])
def test_a_leaf_of_booleans_or_integers_has_no_gradient(make):
    x, w = make(), leaf((1.0,))
    x.requires_grad = True
    with pytest.raises(RuntimeError, match=r"has no gradient"):
        (x * w).sum().backward()
    assert x.grad is None
    assert w.grad is None


def test_a_tensor_given_as_grad_is_kept_as_its_array():
    x = leaf()
    x.grad = Tensor(np.array([1.0, 2.0, 3.0]))
    assert type(x.grad) is np.ndarray
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0, 4.0, 5.0]


# no_grad around functions that are resumed


def test_no_grad_on_a_generator_function_holds_in_each_of_its_steps_and_not_in_between():
    w = leaf()
    seen = []

    @no_grad()
    def steps():
        try:
            while True:
                seen.append((w * 2).requires_grad)
                sent = yield (w * 3).requires_grad
                seen.append(sent)
        except KeyError:
            seen.append((w * 2).requires_grad)
        return "end"

    generator = steps()
    assert next(generator) is False
    assert (w * 2).requires_grad
    assert generator.send("sent") is False
    assert (w * 2).requires_grad
    with pytest.raises(StopIteration) as stop:
        generator.throw(KeyError())
    assert stop.value.value == "end"
    assert seen == [False, "sent", False, False]
    assert (w * 2).requires_grad
    with minidl.no_grad():
        closed = steps()
        next(closed)
        closed.close()


def test_no_grad_on_an_async_function_is_an_error():
    async def later():
        pass

    with pytest.raises(TypeError, match="async"):
        no_grad()(later)


# Interrupted


@pytest.mark.skipif(sys.gettrace() is not None, reason="another tracer is at work")
@pytest.mark.parametrize("before", [None, 1.0])
def test_backward_interrupted_at_any_instruction_leaves_all_gradients_as_before_or_as_after(before):
    outcomes = set()
    for n in itertools.count():
        x, y = leaf(), leaf()
        if before is not None:
            x.grad, y.grad = np.full(3, before), np.full(3, before)
        loss = ((x + y) * y.exp()).sum()
        held = x.grad, y.grad
        if not interrupted(loss.backward, n):
            break
        changed = x.grad is not held[0], y.grad is not held[1]
        assert changed in {(False, False), (True, True)}
        if not changed[0]:
            assert before is None or x.grad.tolist() == y.grad.tolist() == [before] * 3
            loss.backward()  # again: nothing was lost
        else:
            with pytest.raises(RuntimeError, match="a second time"):
                loss.backward()
        outcomes.add(changed)
        start = 0.0 if before is None else before
        assert np.allclose(x.grad, start + np.exp([1.0, 2.0, 3.0]))
        assert np.allclose(y.grad, start + np.exp([1.0, 2.0, 3.0]) * np.array([3.0, 5.0, 7.0]))
    assert n > 100
    assert outcomes == {(False, False), (True, True)}


@pytest.mark.skipif(sys.gettrace() is not None, reason="another tracer is at work")
def test_an_interrupt_while_memory_is_given_back_is_not_lost():
    lost = []
    sys.unraisablehook, hook = lost.append, sys.unraisablehook
    try:
        for n in range(50):
            held = [Tensor(np.zeros(3))]
            if interrupted(held.clear, n):
                lost.append("outside of minidl")
    finally:
        sys.unraisablehook = hook
    assert lost == []  # what runs by itself when a tensor goes has no instructions of Python's


@pytest.mark.parametrize("operation", [lambda x: x.__setitem__(0, 5.0), lambda x: x.__iadd__(5.0)])
def test_a_change_in_place_interrupted_at_any_instruction_is_noticed_where_it_was_made(operation):
    for n in itertools.count():
        x = leaf()
        loss = (x * x).sum()
        stopped = interrupted(no_grad()(lambda x=x: operation(x)), n)
        _mode.recording = True
        if not stopped:
            break
        if x.data.tolist() == [1.0, 2.0, 3.0]:
            loss.backward()
        else:
            with pytest.raises(RuntimeError, match="changed in place"):
                loss.backward()
    assert n > 10


def run_together(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_that_call_backward_onto_one_leaf_lose_no_gradient():
    w = Tensor(np.zeros(1000), requires_grad=True)

    def work():
        for _ in range(200):
            (w * 1.0).sum().backward()

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        run_together([threading.Thread(target=work) for _ in range(4)])
    finally:
        sys.setswitchinterval(switch)
    assert w.grad.tolist() == [800.0] * 1000


def test_of_two_threads_with_one_graph_one_adds_its_gradient_and_the_other_is_told():
    together, errors = threading.Barrier(2), []

    def backward(dy):
        together.wait(10)
        if threading.current_thread().name == "late":
            time.sleep(0.1)
        return (dy * 2.0,)

    x = leaf()
    y = own_operation(x, backward).sum()

    def run():
        try:
            y.backward()
        except RuntimeError as error:
            errors.append(str(error))

    run_together([threading.Thread(target=run, name=name) for name in ("early", "late")])
    assert x.grad.tolist() == [2.0] * 3
    assert len(errors) == 1
    assert "a second time" in errors[0]


# Integers beside floats; masks


def test_integers_beside_float64_stay_exact():
    big = np.array([16777217])  # 2^24 + 1, which float32 rounds
    x = Tensor(np.array([16777217.0]))
    assert (x == big).data.tolist() == [True]
    assert (x - big).data.tolist() == [0.0]
    assert (big - x).data.tolist() == [0.0]
    assert F.mse_loss(x, big).item() == 0.0
    assert F.mse_loss(x, big.tolist()).item() == 0.0
    assert (Tensor(np.eye(1, 16777218, 16777217)).argmax() == 16777217).item() is True
    assert (Tensor(np.eye(1, 16777218, 16777217)).argmax() == 16777216).item() is False


def test_integers_beside_float32_are_compared_exactly_and_computed_in_float32():
    x = Tensor(np.array([16777216.0], np.float32))
    assert (x == np.array([16777217])).data.tolist() == [False]
    assert (x * np.array([2])).dtype == np.float32
    assert (Tensor([0.5, 2.0]).argmax() * Tensor([0.5])).dtype == np.float32


def test_a_masked_array_is_an_error_and_not_an_array_without_its_mask():
    masked = np.ma.array([1.0, 1e30], mask=[False, True])
    for make in (Tensor, lambda m: Tensor([m, m]), lambda m: Tensor([1.0, 2.0]) + m, F.tanh, nn.Parameter):
        with pytest.raises(TypeError, match=r"filled"):
            make(masked)
    with pytest.raises(TypeError, match=r"filled"):
        F.cross_entropy(np.zeros((2, 3)), np.ma.array([0, 1], mask=[False, True]))
    with pytest.raises(TypeError, match=r"filled"):
        leaf()[np.ma.array([0, 1], mask=[False, True])]
    x = leaf((1.0, 2.0))
    with pytest.raises(TypeError, match="mask"):
        x.grad = masked
    assert x.grad is None


def test_tensors_of_integers_as_labels_and_indices_are_errors_that_say_what_to_write():
    with pytest.raises(TypeError, match=r"target\.data\.astype\(int\)"):
        F.cross_entropy(np.zeros((2, 3)), Tensor([0, 1]))
    with pytest.raises(IndexError, match=r"index\.data\.astype\(int\)"):
        leaf()[Tensor([0, 1])]
    assert leaf()[Tensor([1.0, 5.0, 2.0]).argmax()].item() == 2.0


@pytest.mark.parametrize(("gave", "kind"), [(lambda dy: dy * 2, "ndarray"), (lambda dy: iter([dy * 2]), "list_iterator")])
def test_a_backward_that_does_not_give_a_tuple_is_told(gave, kind):
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = record(x.data * 2, (x,), gave)
    with pytest.raises(TypeError, match=rf"gave a {kind}; it must give a tuple .*: return \(dx,\)"):
        y.sum().backward()
    assert x.grad is None
