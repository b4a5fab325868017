"""The engine: what a Tensor holds, what backward() leaves in .grad, and when it refuses; against numbers worked out by hand and
PyTorch's behaviour."""

import copy
import gc
import itertools
import operator
import pickle
import threading
import weakref

import numpy as np
import pytest

import minidl
import minidl.functional as F
from minidl import Tensor, init, nn, no_grad, optim
from minidl.tensor import _mode, record


def leaf(values=(1.0, 2.0, 3.0), dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


# What a tensor holds


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("part", [np.s_[:], np.s_[::2], np.s_[::-1, 1:]])
def test_a_float_array_is_shared(dtype, part):
    array = np.zeros((4, 3), dtype)
    x = Tensor(array[part])
    assert x.dtype == dtype
    assert x.shape == array[part].shape
    array += 1
    assert (x.data == 1).all()
    x.numpy()[...] = 2
    assert (array[part] == 2).all()
    assert np.shares_memory(np.asarray(x), array)


@pytest.mark.parametrize(
    "data",
    [
        [1, 2],
        [1.0, 2.0],
        (1, 2.0),
        np.array([1, 2]),
        np.array([1, 2], np.uint8),
        np.array([1, 2], np.float16),
        [np.array(1), np.array(2)],
        [Tensor(1.0), Tensor(2.0)],
        range(1, 3),
    ],
)
def test_lists_and_integers_become_float32(data):
    x = Tensor(data)
    assert x.dtype == np.float32
    assert x.data.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("number", "dtype"),
    [(3, "f4"), (3.0, "f4"), (True, "f4"), (np.float32(3), "f4"), (np.float64(3), "f8"), (np.int64(3), "f4")],
)
def test_a_number_becomes_a_tensor_without_axes(number, dtype):
    x = Tensor(number)
    assert (x.shape, x.ndim, x.size, x.dtype) == ((), 0, 1, np.dtype(dtype))
    assert x.item() == number


def test_a_float64_array_of_the_other_byte_order_stays_float64():
    x = Tensor(np.array([0.1], np.dtype(np.float64).newbyteorder()))
    assert x.dtype == np.float64
    assert x.item() == 0.1


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (1j, "complex"),
        (np.zeros(2, np.complex64), "complex64"),
        ("1.0", "str"),
        (["a", "b"], "list"),
        (None, "NoneType"),
        ([None], "object"),
        ({"a": 1}, "dict"),
        (np.array([object()]), "object"),
        (np.array(["2020-01-01"], "M8[D]"), "datetime64"),
    ],
)
def test_what_is_no_real_number_is_refused(data, named):
    with pytest.raises(TypeError, match=f"real numbers.*{named}"):
        Tensor(data)
    x = leaf()
    with pytest.raises(TypeError, match=f"real numbers.*{named}"):
        x.data = data
    assert x.data.tolist() == [1.0, 2.0, 3.0]


def test_attributes():
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    assert (x.shape, x.ndim, x.size, len(x), x.dtype) == ((2, 3), 2, 6, 2, np.float64)
    assert x.requires_grad
    assert x.grad is None
    assert x.T.shape == (3, 2)
    assert not Tensor(1.0).requires_grad


def test_iteration_gives_rows_through_which_gradients_flow():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    first, second = x
    assert (first.data.tolist(), second.data.tolist()) == ([1.0, 2.0], [3.0, 4.0])
    (first * 2 + second * 3).sum().backward()
    assert x.grad.tolist() == [[2.0, 2.0], [3.0, 3.0]]
    with pytest.raises(TypeError, match="unsized"):
        list(Tensor(1.0))
    with pytest.raises(TypeError, match="unsized"):
        len(Tensor(1.0))


def test_item_float_and_bool_are_for_one_element():
    assert Tensor([[2.5]]).item() == 2.5
    assert type(Tensor([[2.5]]).item()) is float
    assert float(leaf([2.5])) == 2.5
    assert Tensor([1.0]) < 2
    assert not Tensor([3.0]) < 2
    for convert in (Tensor.item, float):
        with pytest.raises(ValueError, match=r"one element.*\(2,\)"):
            convert(Tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Tensor([1.0, 2.0]))


def test_an_argmax_can_be_used_as_an_int():
    best = Tensor([1.0, 3.0, 2.0]).argmax()
    assert best.item() == 1
    assert int(best) == 1


def test_repr_shows_values_dtype_and_how_it_was_made():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert repr(Tensor([1.0, 2.5])) == "Tensor([1. , 2.5])"
    assert repr(Tensor(np.array(0.5))) == "Tensor(0.5, dtype=float64)"
    assert repr(x) == "Tensor([1., 2.], requires_grad=True)"
    assert repr(x + 1) == "Tensor([2., 3.], made by add)"
    assert repr(2 * x) == "Tensor([2., 4.], made by mul)"
    assert repr(x > 1) == "Tensor([False,  True], dtype=bool)"
    assert repr(Tensor([[1.0], [2.0]])) == "Tensor([[1.],\n        [2.]])"


def test_repr_after_backward_still_names_the_operation():
    y = leaf().sum()
    y.backward()
    assert repr(y) == "Tensor(6., dtype=float64, made by sum)"


def test_tensors_can_be_keys_and_compare_elementwise():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert {x: 1, y: 2}[x] == 1
    assert (x == y).data.tolist() == [True]


@pytest.mark.parametrize(
    "call",
    [
        np.exp,
        lambda x: np.add(x, 1),
        lambda x: np.multiply(np.ones(3), x),
        lambda x: np.matmul(x, x),
        lambda x: np.add.reduce(x),
        lambda x: np.sqrt(x, out=np.zeros(3)),
        lambda x: operator.iadd(np.ones(3), x),
    ],
)
def test_numpy_functions_of_a_tensor_are_errors_not_lost_gradients(call):
    with pytest.raises(TypeError, match="Tensor"):
        call(leaf())


def test_what_is_recorded_is_augmented_to_a_new_tensor():
    w = leaf()
    x = before = 2 * w
    x += 1
    x *= x
    assert before.data.tolist() == [2.0, 4.0, 6.0]
    x.sum().backward()
    assert w.grad.tolist() == [12.0, 20.0, 28.0]  # d/dw (2 w + 1)^2 = 4 (2 w + 1)


def test_a_parameter_is_augmented_in_place_under_no_grad():
    w = leaf()
    alias, loss = w, (w * w).sum()
    with minidl.no_grad():
        w -= 0.5 * np.ones(3, np.float32)
        w *= 2
        w += w
        w /= 4
    assert w is alias
    assert w.data.tolist() == [0.5, 1.5, 2.5]
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_a_parameter_augmented_while_recording_is_an_error_that_names_the_remedy():
    w = leaf()
    with pytest.raises(RuntimeError, match="no_grad"):
        w -= 0.1
    assert w.data.tolist() == [1.0, 2.0, 3.0]


def test_an_assignment_or_a_list_that_would_lose_a_gradient_is_an_error():
    w, x = leaf(), Tensor(np.zeros(3, np.float32))
    with pytest.raises(RuntimeError, match="stack"):
        x[0] = (w * 3)[0]
    with pytest.raises(RuntimeError, match="stack"):
        Tensor([w[0], w[1]])
    assert x.data.tolist() == [0, 0, 0]


@pytest.mark.parametrize("number", [np.sqrt(2.0), np.float64(3), np.int64(2), 2, 0.1, [0.1, 0.2, 0.3]])
def test_numbers_and_lists_take_the_dtype_of_the_tensor(number):
    for dtype in (np.float32, np.float64):
        x = Tensor(np.ones(3, dtype))
        for y in (x * number, number * x if not isinstance(number, list) else x * number):
            assert y.dtype == dtype
            assert np.array_equal(y.data, np.ones(3, dtype) * np.asarray(number, dtype))


# Gradients


def test_b_is_a_plus_a_and_c_is_b_plus_b():
    a = leaf()
    b = a + a
    c = b + b
    c.sum().backward()
    assert a.grad.tolist() == [4.0, 4.0, 4.0]
    assert (b.grad, c.grad) == (None, None)


def test_a_value_used_twice():
    x = leaf()
    (x * x + x.exp() * 0 + x).sum().backward()
    assert x.grad.tolist() == [3.0, 5.0, 7.0]


def test_a_diamond():
    x = leaf([2.0])
    left, right = x * 3, x * x
    (left * right).backward()  # 3 x^3
    assert x.grad.tolist() == [36.0]


def test_each_value_is_walked_once_however_many_ways_lead_to_it():
    x = leaf([1.0])
    y = x
    for _ in range(60):
        y = y + y
    y.backward()  # 2^60 ways
    assert x.grad.tolist() == [2.0**60]


def test_a_late_use_of_an_early_value_is_waited_for():
    x = leaf([2.0])
    early = x * x
    late = early
    for _ in range(5):
        late = late * 1.0 + early
    late.backward()  # 6 x^2
    assert x.grad.tolist() == [24.0]


def test_parents_listed_in_any_order_are_visited_after_their_children():
    x = leaf([1.0])
    a = x * 2
    b = a * 3
    F.stack([b, a, x, b]).sum().backward()  # 6 + 2 + 1 + 6
    assert x.grad.tolist() == [15.0]


def test_only_what_the_result_was_made_from_gets_a_gradient():
    x, unused, constant = leaf(), leaf(), Tensor([1.0, 1.0, 1.0])
    other = x * unused
    (x * constant).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]
    assert (unused.grad, constant.grad, other.grad) == (None, None, None)


def test_two_backward_calls_add_up_as_in_pytorch():
    x = leaf()
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0, 9.0]
    x.grad = None
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_grad_is_an_array_of_its_own_after_every_backward(shape, dtype):
    x = Tensor(np.ones(shape, dtype), requires_grad=True)
    for i in range(1, 4):
        (x * x).sum().backward()
        assert type(x.grad) is np.ndarray
        np.testing.assert_array_equal(x.grad, np.full(shape, 2 * i, dtype), strict=True)
        assert x.grad.flags.writeable


def test_backward_from_a_leaf():
    x = leaf([5.0])
    x.backward()
    assert x.grad.tolist() == [1.0]
    x.backward([2.0])
    assert x.grad.tolist() == [3.0]


@pytest.mark.parametrize("gradient", [[1.0, 10.0, 100.0], np.array([1.0, 10.0, 100.0], np.float32), Tensor([1.0, 10.0, 100.0])])
def test_backward_with_a_gradient(gradient):
    x = leaf()
    (x * x).backward(gradient)
    assert x.grad.tolist() == [2.0, 40.0, 600.0]


def test_the_gradient_argument_is_neither_changed_nor_kept():
    x, gradient = leaf(), np.ones(3)
    (x + 0).backward(gradient)
    x.backward(gradient)
    assert not np.shares_memory(x.grad, gradient)
    gradient[:] = 50
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_stays_in_the_dtype_of_the_leaf(dtype):
    x = leaf(dtype=dtype)
    y = (2 * x + 1).tanh() / 3 - x**2
    assert y.dtype == dtype
    y.backward(np.ones(3, np.float64))
    assert x.grad.dtype == dtype


def test_a_chain_of_100_000_operations():
    x = leaf([1.0])
    y = x
    for _ in range(100_000):
        y = y + 1
    assert y.item() == 100_001.0
    y.backward()
    assert x.grad.tolist() == [1.0]


def test_deleting_a_chain_of_100_000_operations_that_was_never_walked():
    x = leaf([1.0])
    y = x
    for _ in range(100_000):
        y = y.relu()
    middle = weakref.ref(y._made[1][0])
    del y
    assert middle() is None


def test_what_was_recorded_is_freed_by_backward_and_makes_no_cycles():
    class Chain:
        def __init__(self):
            self.x = leaf()
            middle = self.x.exp()
            self.middle = weakref.ref(middle)
            self.result = (middle * middle).sum()

    gc.disable()  # only reference counts may free anything here
    try:
        chain = Chain()
        assert chain.middle() is not None
        chain.result.backward()
        assert chain.middle() is None
        chain = Chain()
        chain.result.backward(retain_graph=True)
        assert chain.middle() is not None
        del chain.result
        assert chain.middle() is None
    finally:
        gc.enable()


# Gradients are not aliased


@pytest.mark.parametrize(
    "operation",
    [
        lambda a, b: a + b,
        lambda a, b: a + b.reshape(3),
        lambda a, b: F.stack([a, b]).sum(0),
        lambda a, b: F.concatenate([a, b]),
        lambda a, b: (a + a) + (b + b),
    ],
)
def test_gradients_do_not_share_memory(operation):
    a, b = leaf(), leaf()
    y = operation(a, b)
    y.backward(np.ones(y.shape), retain_graph=True)
    kept = a.grad.copy()
    assert not np.shares_memory(a.grad, b.grad)
    a.grad *= 100
    np.testing.assert_array_equal(b.grad, kept)
    y.backward(np.ones(y.shape), retain_graph=True)
    np.testing.assert_array_equal(b.grad, 2 * kept)
    np.testing.assert_array_equal(a.grad, 101 * kept)


def test_a_gradient_is_not_changed_by_later_backward_calls():
    x = leaf()
    x.sum().backward()
    first = x.grad
    x.sum().backward()
    assert first.tolist() == [1.0, 1.0, 1.0]
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


# From a, b of shape (3, 3) and dy = 1: da, db.
HANDED = {
    "a leaf twice": (lambda a, b: a + a, 2, None),
    "b = a + a, c = b + b": (lambda a, b: (c := a + a) + c, 4, None),
    "one dy to two leaves": (lambda a, b: a + b, 1, 1),
    "one dy to a leaf and what is made from it": (lambda a, b: (a + (a + b)) + b, 2, 2),
    "a difference": (lambda a, b: (a - b) - b, 1, -2),
    "reshaped": (lambda a, b: a.reshape(9) + b.reshape(9), 1, 1),
    "transposed": (lambda a, b: a.T + b, 1, 1),
    "a view and itself": (lambda a, b: a.T.T + a.reshape(9).reshape(3, 3) + a, 3, None),
    "rows": (lambda a, b: a[0] + a[0] + b[1:][0], [[2] * 3, [0] * 3, [0] * 3], [[0] * 3, [1] * 3, [0] * 3]),
    "rows taken twice": (lambda a, b: a[[0, 0, 2]] + b, [[2] * 3, [0] * 3, [1] * 3], 1),
    "sums": (lambda a, b: a.sum() + b.sum(1), 3, 1),
    "a mean": (lambda a, b: a.mean(0) * 3 + b[0], 1, [[1] * 3, [0] * 3, [0] * 3]),
    "broadcast": (lambda a, b: a[0] + b + a[1], [[3] * 3, [3] * 3, [0] * 3], 1),
    "stacked": (lambda a, b: F.stack([a, b, a]), 2, 1),
    "concatenated": (lambda a, b: F.concatenate([a, b, a]), 2, 1),
    "with a constant": (lambda a, b: a * Tensor(np.full((3, 3), 5.0)) + b, 5, 1),
    "a matrix product": (lambda a, b: (a + b) @ Tensor(np.ones((3, 3))), 3, 3),
    "a layer": (lambda a, b: F.linear(a, Tensor(np.eye(3)), b.sum(0)) + b, 1, 4),
}


@pytest.mark.parametrize("graph", HANDED)
def test_a_gradient_is_right_and_shares_memory_with_nothing(graph, monkeypatch):
    made, make = [], F.arithmetic.record
    for part in (F.arithmetic, F.layers, F.reductions, F.shape):
        monkeypatch.setattr(part, "record", lambda *args, **more: made.append(make(*args, **more)) or made[-1])
    function, *expected = HANDED[graph]
    leaves = [leaf(np.arange(9.0).reshape(3, 3)), leaf(np.ones((3, 3)))]
    y = function(*leaves)
    gradient = np.ones(y.shape)
    known = [0, 0]
    for _ in range(3):
        y.backward(gradient, retain_graph=True)
        grads = [t.grad for t in leaves if t.grad is not None]
        others = [gradient, *(t.data for t in (*leaves, *made))]
        assert not any(np.shares_memory(grad, other) for grad in grads for other in others)
        assert not np.shares_memory(grads[0], grads[-1]) or len(grads) == 1
        before = [other.copy() for other in others]
        for i, (t, each) in enumerate(zip(leaves, expected, strict=True)):
            if each is None:
                assert t.grad is None
                continue
            known[i] = known[i] + np.array(each)
            np.testing.assert_array_equal(t.grad, np.broadcast_to(known[i], (3, 3)))
            t.grad *= 10 + i  # whose traces would be seen in the others
            known[i] = known[i] * (10 + i)
        assert all(np.array_equal(x, y) for x, y in zip(others, before, strict=True))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_what_reaches_a_value_on_several_ways_adds_up_in_any_order(order):
    x, w = leaf(), leaf()
    h = x * 1
    terms = [h + w, h * 2, h, (w + h) * 3]  # one dy goes to h and to the leaf w, and h gets more
    first, *rest = [terms[i] for i in order]
    for term in rest:
        first = first + term
    first.backward(np.ones(3))
    assert x.grad.tolist() == [7.0, 7.0, 7.0]
    assert w.grad.tolist() == [4.0, 4.0, 4.0]


HELD = np.array([1.0, 2.0, 3.0])
KEEPERS = {
    "dy": lambda dz, kept: kept.append(dz) or (dz, dz),
    "a view of dy": lambda dz, kept: kept.append(dz[::-1]) or (dz, dz * 1),
    "what it returned": lambda dz, kept: kept.append(dz * 1) or (kept[-1], kept[-1]),
    "a view of what it returned": lambda dz, kept: (out := dz * 1, kept.append(out[1:]))[:1] * 2,
    "what it returned a view of": lambda dz, kept: kept.append(np.stack([dz, dz])) or tuple(kept[-1]),
    "a buffer of what it returned": lambda dz, kept: (out := dz * 1, kept.append(np.asarray(memoryview(out))))[:1] * 2,
    "a constant": lambda dz, kept: kept.append(HELD) or (HELD, HELD),
}


@pytest.mark.parametrize("keeper", KEEPERS)
def test_what_a_backward_of_ones_own_keeps_is_neither_changed_nor_given_away(keeper):
    kept = []

    def keep(x, y):
        return record(x.data + y.data, (x, y), lambda dz: KEEPERS[keeper](dz, kept))

    x, y, z = leaf(), leaf(), leaf()
    twice = x * 1  # gets gradients from both, and so does x
    for _ in range(2):
        (keep(twice, y) + keep(x, z) + twice + keep(y, y)).sum().backward(retain_graph=True)
        before = [array.copy() for array in kept]
        for t in (x, y, z):
            assert not any(np.shares_memory(t.grad, array) for array in kept)
            t.grad *= 0
        for array, value in zip(kept, before, strict=True):
            np.testing.assert_array_equal(array, value)
            assert np.isin(array, HELD).all()  # never added to: each was 1, or the constant


@pytest.mark.parametrize("returned", ["its input", "its output"])
def test_a_backward_that_returns_a_value_as_gradient_does_not_give_it_away(returned):
    def own_derivative(x):  # x^2 / 2, whose derivative is x; or e^x, whose derivative is e^x
        y = x.data**2 / 2 if returned == "its input" else np.exp(x.data)
        return record(y, (x,), lambda dy: (x.data if returned == "its input" else y,), saved=(x,))

    x = leaf()
    y = own_derivative(x)
    y.sum().backward()
    value = x.data if returned == "its input" else y.data
    assert x.grad.tolist() == value.tolist()
    assert not np.shares_memory(x.grad, value)


def test_a_read_only_gradient_of_ones_own_backward_is_copied():
    def constant(x):
        def backward(dy):
            dx = np.full(3, 2.0)
            dx.flags.writeable = False
            return (dx,)

        return record(x.data * 2, (x,), backward)

    x = leaf()
    h = x * 1
    (constant(h) + constant(h) + constant(x)).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0, 6.0]
    assert x.grad.flags.writeable


@pytest.mark.skipif(not minidl.ownership._limit, reason="this Python does not say who holds an array")
def test_an_array_that_nobody_else_holds_is_handed_over_and_stays_whole_when_the_next_is_added():
    places = []

    def double(x):
        def backward(dy):
            dx = 2 * dy
            places.append(dx.ctypes.data)
            return (dx,)

        return record(2 * x.data, (x,), backward)

    x = leaf()
    double(x).sum().backward()
    first = x.grad
    assert first.ctypes.data == places[0]
    double(x).sum().backward()
    assert first.tolist() == [2.0] * 3
    assert x.grad.tolist() == [4.0] * 3


@pytest.mark.parametrize(
    "hold",
    [lambda x: x.grad, lambda x: x.grad[1:], lambda x: memoryview(x.grad), lambda x: copy.copy(x).grad],
    ids=["the array", "a view", "a buffer", "a copy of the tensor"],
)
def test_a_gradient_that_someone_holds_keeps_its_value(hold):
    # PyTorch adds to it in place. Here whoever looked at a gradient may rely on what was seen.
    x = leaf()
    for i in range(1, 4):
        before = None if x.grad is None else hold(x)
        (x * x).sum().backward()
        assert x.grad.tolist() == [2.0 * i, 4.0 * i, 6.0 * i]
        if before is not None:
            assert set(np.asarray(before) / (i - 1)) <= {2.0, 4.0, 6.0}


def test_retained_layers_give_the_same_gradients_again_and_add_them_up():
    model = nn.Sequential(nn.Linear(3, 5, rng=0), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2, rng=1))
    x = Tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), requires_grad=True)
    loss = nn.CrossEntropyLoss()(model(x), [0, 1, 1, 0])
    leaves = [x, *model.parameters()]
    loss.backward(retain_graph=True)
    first = [t.grad for t in leaves]
    copies = [grad.copy() for grad in first]
    for times in (2, 3, 4):  # sums of equal numbers, exact but for 3 g
        loss.backward(retain_graph=times < 4)
        for t, held, grad in zip(leaves, first, copies, strict=True):
            np.testing.assert_allclose(t.grad, times * grad, rtol=1e-7 * (times == 3))
            np.testing.assert_array_equal(held, grad)


def test_an_error_in_a_backward_leaves_every_gradient_as_it_was():
    def fails(x):
        def backward(dy):
            raise KeyError("inside")

        return record(x.data + 0, (x,), backward)

    a, b, c = leaf(), leaf(), leaf()
    (a + 2 * b).sum().backward()
    held, place = a.grad, b.grad.ctypes.data
    with pytest.raises(KeyError, match="inside"):
        (fails(a * 1) + a + b * 3 + c).sum().backward()
    assert a.grad is held
    assert b.grad.ctypes.data == place
    assert (a.grad.tolist(), b.grad.tolist(), c.grad) == ([1.0] * 3, [2.0] * 3, None)
    (a * b + c).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist(), c.grad.tolist()) == ([2.0, 3.0, 4.0], [3.0, 4.0, 5.0], [1.0] * 3)


def test_a_value_changed_between_two_walks_is_an_error_and_leaves_what_the_first_gave():
    x, w = leaf(), leaf(2.0)
    loss = (w * (x * x)).sum()
    loss.backward(retain_graph=True)
    with no_grad():
        x += 1
    with pytest.raises(RuntimeError, match=r"mul.*changed in place"):
        loss.backward()
    assert (x.grad.tolist(), w.grad.tolist()) == ([4.0, 8.0, 12.0], 14.0)


def test_a_gradient_does_not_share_memory_with_the_values():
    x = leaf()
    y = x * Tensor(np.ones(3))
    y.sum().backward()
    x.grad[:] = 50
    assert x.data.tolist() == y.data.tolist() == [1.0, 2.0, 3.0]


# no_grad and detach


def recording():
    return (leaf() * 2).requires_grad


def test_no_grad_as_a_context():
    assert recording()
    with no_grad():
        assert not recording()
        assert leaf().requires_grad
    assert recording()


def test_no_grad_as_a_decorator():
    @no_grad()
    def double(x, *, plus=0):
        """Twice x."""
        assert not recording()
        return x * 2 + plus if plus else double(x, plus=1)

    assert (double.__name__, double.__doc__) == ("double", "Twice x.")
    y = double(leaf())
    assert y.data.tolist() == [3.0, 5.0, 7.0]
    assert not y.requires_grad
    assert recording()


def test_no_grad_nested():
    with no_grad():
        with no_grad():
            assert not recording()
        assert not recording()
    assert recording()


def test_one_no_grad_object_may_be_entered_again():
    off = no_grad()
    try:
        with off:
            with off:
                assert not recording()
            assert not recording()
        assert recording()
    finally:
        _mode.recording = True  # for the tests after this one, if it fails


def test_no_grad_ends_with_an_exception():
    def fail():
        with no_grad():
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        fail()
    assert recording()
    with pytest.raises(KeyError, match="inside"):
        no_grad()(fail)()
    assert recording()
    with no_grad():
        with pytest.raises(KeyError, match="inside"):
            fail()
        assert not recording()
    assert recording()


def test_no_grad_in_one_thread_is_not_seen_by_another():
    inside, checked = threading.Event(), threading.Event()
    seen = {}

    def other():
        seen["before"] = recording()
        with no_grad():
            inside.set()
            checked.wait(10)
            seen["inside"] = recording()

    with no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(10)
        assert not recording()
    seen["here"] = recording()
    checked.set()
    thread.join()
    assert seen == {"before": True, "inside": False, "here": True}


def test_threads_can_walk_their_own_graphs_at_the_same_time():
    results = [None] * 4

    def work(i):
        x = leaf([float(i + 1)])
        y = x
        for _ in range(200):
            y = y + x
        y.backward()
        results[i] = x.grad.item()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [201.0] * 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64, bool, np.int64])
def test_detach_shares_memory_but_no_history(dtype):
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = {bool: lambda: x > 1, np.int64: lambda: F.stack([x, x]).argmax(0)}.get(dtype, lambda: Tensor(x.data.astype(dtype)))()
    cut = y.detach()
    assert cut.dtype == dtype
    assert np.shares_memory(cut.data, y.data)
    assert not cut.requires_grad


def test_detach_cuts_the_gradient():
    x = leaf()
    y = x * x
    (y.detach() * x).sum().backward()
    assert x.grad.tolist() == [1.0, 4.0, 9.0]


# When backward() refuses


def test_a_second_backward_is_an_error_and_adds_nothing():
    x = leaf()
    y = x * x
    z = y.sum()
    z.backward()
    with pytest.raises(RuntimeError, match=r"second time.*retain_graph=True"):
        z.backward()
    with pytest.raises(RuntimeError, match=r"second time.*retain_graph=True"):
        (y * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_retain_graph_allows_a_second_backward():
    x = leaf()
    z = (x * x).sum()
    z.backward(retain_graph=True)
    z.backward(retain_graph=True)
    z.backward()
    assert x.grad.tolist() == [6.0, 12.0, 18.0]
    with pytest.raises(RuntimeError, match="second time"):
        z.backward()


def test_two_results_may_share_a_part_if_the_first_backward_retains_it():
    x = leaf()
    shared = x * x
    first, second = shared.sum(), (shared * 2).sum()
    first.backward(retain_graph=True)
    second.backward()
    assert x.grad.tolist() == [6.0, 12.0, 18.0]


@pytest.mark.parametrize("shape", [(3,), (1, 2), (0,)])
def test_backward_of_more_or_less_than_one_element_needs_a_gradient(shape):
    x = Tensor(np.ones(shape), requires_grad=True)
    message = rf"shape \({', *'.join(map(str, shape))},?\).*\.sum\(\) or \.mean\(\).*gradient="
    for y in (x, x * 2):
        with pytest.raises(RuntimeError, match=message):
            y.backward()
    assert x.grad is None


@pytest.mark.parametrize("wrong", [[1.0, 1.0], 1.0, np.ones((1, 3)), np.ones((3, 1)), Tensor([1.0])])
def test_a_gradient_of_another_shape_is_an_error(wrong):
    x = leaf()
    y = x * x
    with pytest.raises(RuntimeError, match=r"tensor of shape \(3,\) got a gradient of shape \("):
        y.backward(wrong)
    assert x.grad is None
    y.backward([1.0, 1.0, 1.0])  # nothing was freed by the failed call
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("wrong", [np.zeros(()), np.zeros(1), np.zeros(2), np.zeros((3, 1))])
def test_a_grad_that_was_set_to_another_shape_is_an_error_before_anything_changes(wrong):
    x, y = leaf(), leaf()
    x.grad = wrong
    with pytest.raises(RuntimeError, match=r"tensor of shape \(3,\) whose \.grad has shape"):
        (x * y).sum().backward()
    assert x.grad is wrong
    assert y.grad is None


@pytest.mark.parametrize(("dtype", "expected"), [(int, "f8"), (np.float32, "f8"), (np.float64, "f8")])
def test_a_grad_that_was_set_to_another_dtype_is_added_to_as_numpy_adds(dtype, expected):
    x = leaf()
    x.grad = np.array([1, 2, 3], dtype)
    (x * 0.25).sum().backward()
    np.testing.assert_array_equal(x.grad, np.array([1.25, 2.25, 3.25], expected), strict=True)


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x.sum(), lambda x: x.argmax(), lambda x: (x > 1).sum()])
def test_backward_of_what_needs_no_gradient_is_an_error(make):
    with pytest.raises(RuntimeError, match="depends on nothing with requires_grad=True"):
        make(Tensor([1.0])).backward()


def test_backward_of_a_result_made_under_no_grad_or_cut_off_is_an_error():
    x = leaf([1.0])
    with no_grad():
        y = x * 2
    for cut in (y, (x * 2).detach()):
        with pytest.raises(RuntimeError, match=r"no_grad\(\).*detach\(\)"):
            cut.backward()
    assert x.grad is None


# Values that backward needs and that are changed in place


def change_by_assignment(x):
    with no_grad():
        x[0] = 5.0


def change_data(x):
    x.data -= 0.5


def change_by_optimizer(x):
    before, x.grad = x.grad, np.ones(x.shape)
    optim.SGD([x], lr=0.1).step()
    x.grad = before


def change_by_load_state_dict(x):
    module = nn.Module()
    module.x = x
    module.load_state_dict({"x": np.zeros(x.shape)})


def change_view(view):
    def change(x):
        with no_grad():
            view(x)[...] = 5.0

    return change


def change_by_init(function):
    arguments = (0.25,) if function in (init.constant_, init.sparse_) else ()
    return lambda x: function(x, *arguments)


INIT_FUNCTIONS = [name for name in vars(init) if name.endswith("_") and name[0] != "_" and name != "dirac_"]  # not for matrices
CHANGES = {
    "t[...] = v": change_by_assignment,
    "t.data -= v": change_data,
    "optimizer.step": change_by_optimizer,
    "load_state_dict": change_by_load_state_dict,
    "reshape": change_view(lambda x: x.reshape(-1)),
    "transpose": change_view(lambda x: x.transpose()),
    "T": change_view(lambda x: x.T),
    "detach": change_view(lambda x: x.detach()),
    "a slice": change_view(lambda x: x[1:]),
    "a row": change_view(lambda x: x[0]),
    "an ellipsis": change_view(lambda x: x[..., ::-1]),
    "a new axis": change_view(lambda x: x[None]),
    "a row in a for loop": change_view(lambda x: next(iter(x))),
    "a view of a view": change_view(lambda x: x.detach().T.reshape(2, 2)[1]),
    "a tensor of the tensor": change_view(Tensor),
    "data of another tensor": change_view(lambda x: setattr(other := Tensor(0.0), "data", x) or other),
    "copy.copy": change_view(copy.copy),
    **{f"init.{name}": change_by_init(getattr(init, name)) for name in INIT_FUNCTIONS},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_needed_value_that_was_changed_is_an_error_and_leaves_the_gradients(change):
    x, w = nn.Parameter(np.array([[1.0, 2.0], [3.0, 4.0]])), leaf(2.0)
    loss = (w * 3 + (x * x).sum()) * 1.0
    x.grad = np.full((2, 2), 7.0)
    CHANGES[change](x)
    assert not np.array_equal(x.data, [[1.0, 2.0], [3.0, 4.0]]), "the change changed nothing"
    with pytest.raises(RuntimeError, match=r"through mul, .*shape \(2, 2\).*changed in place"):
        loss.backward()
    assert x.grad.tolist() == [[7.0, 7.0], [7.0, 7.0]]
    assert w.grad is None


@pytest.mark.parametrize("view", [lambda x: x.T, lambda x: x.reshape(4), lambda x: x[1:], lambda x: x.detach()])
def test_a_view_that_was_used_notices_a_change_of_its_base(view):
    x, w = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf(2.0)
    loss = (w * view(x)).sum()
    x.data += 1
    with pytest.raises(RuntimeError, match=r"through mul.*changed in place"):
        loss.backward()
    assert (x.grad, w.grad) == (None, None)


def test_a_constant_that_is_needed_is_watched_too():
    x, constant = leaf(), Tensor(np.ones(3))
    y = (x * constant).sum()
    constant[1] = 5.0
    with pytest.raises(RuntimeError, match=r"mul.*changed in place"):
        y.backward()
    assert x.grad is None


def test_a_result_that_is_needed_is_watched_too():
    x = leaf()
    y = x.exp()
    y.data *= 2
    with pytest.raises(RuntimeError, match=r"exp.*changed in place"):
        y.sum().backward()
    assert x.grad is None


def test_after_such_an_error_a_new_forward_pass_works():
    x = leaf()
    y = (x * x).sum()
    x.data += 1
    with pytest.raises(RuntimeError, match="forward pass again"):
        y.backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0, 6.0, 8.0]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("operation", "gradient"),
    [
        (lambda x: x + 1, 1.0),
        (lambda x: 1 - x, -1.0),
        (lambda x: x / 2, 0.5),
        (lambda x: -x, -1.0),
        (lambda x: F.relu(x), 1.0),
        (lambda x: F.concatenate([x, x]), 2.0),
        (lambda x: x.sum(0), 1.0),
        (lambda x: x.amax(1), [[0.0, 1.0], [0.0, 1.0]]),
    ],
    ids=["+", "-", "/", "neg", "relu", "concatenate", "sum", "max"],
)
def test_changing_what_is_not_needed_is_no_error(operation, gradient, change):
    x = nn.Parameter(np.array([[1.0, 2.0], [3.0, 4.0]]))
    loss = operation(x).sum()
    CHANGES[change](x)
    loss.backward()
    np.testing.assert_array_equal(x.grad, np.broadcast_to(gradient, (2, 2)))


@pytest.mark.parametrize("view", [lambda x: x.T, lambda x: x.reshape(4), lambda x: x[:], lambda x: x[None]])
def test_changing_a_value_after_a_view_of_it_was_added_up_is_no_error(view):
    # Neither a view nor an addition needs the values.
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    loss = (view(x) + 1).sum()
    x.data -= 1
    loss.backward()
    assert x.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_changing_the_bias_of_linear_is_no_error_but_changing_its_weight_or_input_is():
    def forward():
        x, weight, bias = leaf([[1.0, 2.0]]), leaf([[3.0, 4.0]]), leaf([5.0])
        return (x, weight, bias), F.linear(x, weight, bias)

    (x, weight, bias), y = forward()
    bias.data += 1
    y.backward()
    assert (x.grad.tolist(), weight.grad.tolist(), bias.grad.tolist()) == ([[3.0, 4.0]], [[1.0, 2.0]], [1.0])
    for i in (0, 1):
        leaves, y = forward()
        leaves[i].data += 1
        with pytest.raises(RuntimeError, match=r"linear.*changed in place"):
            y.backward()
        assert [t.grad for t in leaves] == [None] * 3


def test_changing_a_value_after_backward_is_no_error():
    x = leaf()
    for _ in range(2):
        x.grad = None
        (x * x).sum().backward()
        x.data -= 0.5 * x.grad
    assert x.data.tolist() == [0.0, 0.0, 0.0]


def test_rebinding_data_keeps_the_recorded_values():
    x = leaf()
    y = (x * x).sum()
    x.data = np.array([10.0, 20.0, 30.0])
    x.data -= 1.0  # the new array, which y knows nothing of
    y.backward()
    assert x.data.tolist() == [9.0, 19.0, 29.0]
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("data", [np.ones(1), np.ones(4), np.ones((3, 1)), np.ones(3, np.float32)])
def test_a_result_takes_no_data_of_another_shape_or_dtype(data):
    x = leaf()
    y = x.tanh()
    with pytest.raises(RuntimeError, match=r"for a tensor of shape \(3,\) and float64 that tanh made"):
        y.data = data
    y.data = np.full(3, 9.0)
    (y * 2).sum().backward()
    np.testing.assert_allclose(x.grad, 2 / np.cosh([1.0, 2.0, 3.0]) ** 2, rtol=1e-14)


def test_a_view_keeps_the_memory_that_its_base_was_rebound_from():
    x = leaf()
    view = x.detach()
    y = (x * x).sum()
    x.data = np.zeros(3)
    view[0] = 5.0
    with pytest.raises(RuntimeError, match=r"mul.*changed in place"):
        y.backward()


def test_assignment_to_a_tensor_that_gradients_flow_through_is_an_error():
    x = leaf()
    y = x * 2
    for tensor, before in ((x, [1.0, 2.0, 3.0]), (y, [2.0, 4.0, 6.0])):
        with pytest.raises(RuntimeError, match=r"in place.*no_grad\(\)"):
            tensor[0] = 9.0
        assert tensor.data.tolist() == before
    with no_grad(), pytest.raises(RuntimeError, match=r"in place.*make a new one"):
        y[0] = 9.0
    assert y.data.tolist() == [2.0, 4.0, 6.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "index", [1, np.s_[1:2], [1], np.array([1]), np.array([False, True, False]), Tensor([0.0, 1.0, 0.0]) > 0]
)
def test_assignment(index):
    x = leaf()
    with no_grad():
        x[index] = Tensor(7.0)
    assert x.data.tolist() == [1.0, 7.0, 3.0]
    assert x.requires_grad


def test_a_failed_assignment_changes_nothing():
    x = leaf()
    y = (x * x).sum()
    with no_grad(), pytest.raises(ValueError, match="broadcast"):
        x[:] = [1.0, 2.0]
    y.backward()
    assert x.data.tolist() == [1.0, 2.0, 3.0]
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


# Copying and pickling


def by_pickle(x):
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, by_pickle])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_leaf_can_be_copied_and_pickled(duplicate, dtype):
    x = leaf(dtype=dtype)
    (x * x).sum().backward()
    y = duplicate(x)
    assert type(y) is Tensor
    np.testing.assert_array_equal(y.data, x.data, strict=True)
    np.testing.assert_array_equal(y.grad, x.grad, strict=True)
    assert y.requires_grad
    assert not np.shares_memory(x.data, y.data)
    assert not np.shares_memory(x.grad, y.grad)
    (y * 3).sum().backward()
    assert y.grad.tolist() == [5.0, 7.0, 9.0]
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, by_pickle])
def test_a_tensor_of_booleans_or_integers_stays_one(duplicate):
    x = Tensor([1.0, 3.0])
    assert duplicate(x > 2).data.tolist() == [False, True]
    assert duplicate(x > 2).dtype == bool
    assert duplicate(x.argmax()).dtype.kind == "i"


@pytest.mark.parametrize("duplicate", [copy.deepcopy, by_pickle])
def test_a_copied_parameter_knows_its_law(duplicate):
    p = nn.Parameter([1.0, 2.0], initializer=init.Uniform(0.0, 3.0))
    q = duplicate(p)
    assert type(q) is nn.Parameter
    assert q.initializer == init.Uniform(0.0, 3.0)
    assert (q.requires_grad, q.data.tolist()) == (True, [1.0, 2.0])


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, by_pickle])
def test_what_an_operation_made_cannot_be_copied_or_pickled(duplicate):
    y = leaf() * 2
    with pytest.raises(RuntimeError, match=r"copied or pickled.*detach\(\)"):
        duplicate(y)
    assert duplicate(y.detach()).data.tolist() == [2.0, 4.0, 6.0]


# Operations of one's own, by `record`


def test_an_operation_of_ones_own_needs_only_record():
    def cube(x):
        def backward(dy):
            return (dy * 3 * x.data**2,)

        return record(x.data**3, (x,), backward, saved=(x,))

    x = leaf()
    y = cube(x)
    assert (y.requires_grad, y.operation, x.operation) == (True, "cube", "")
    y.backward([1.0, 1.0, 2.0])
    assert x.grad.tolist() == [3.0, 12.0, 54.0]


def test_a_backward_may_return_nothing_for_an_input():
    def first(x, y):
        return record(x.data + 0, (x, y), lambda dz: (dz, None))

    x, y = leaf(), leaf()
    (first(x, y) + first(x, y * 2)).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    assert y.grad is None


def test_a_backward_that_returns_a_gradient_of_another_shape_is_an_error():
    def forgetful(x, y):
        return record(x.data + y.data, (x, y), lambda dz: (dz, dz))  # y was broadcast

    x, y = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"forgetful.*\(2, 2\).*\(2,\)"):
        forgetful(x, y).sum().backward()
    assert (x.grad, y.grad) == (None, None)


def test_a_backward_that_returns_too_few_gradients_is_an_error():
    def careless(x, y):
        return record(x.data + y.data, (x, y), lambda dz: (dz,))

    x, y = leaf(), leaf()
    with pytest.raises((RuntimeError, ValueError), match="careless"):
        careless(x, y).sum().backward()
    assert (x.grad, y.grad) == (None, None)


def test_enable_grad_records_inside_no_grad():
    w = minidl.Tensor([1.0], requires_grad=True)
    with minidl.no_grad():
        with minidl.enable_grad():
            assert (w * 2).requires_grad
        assert not (w * 2).requires_grad
