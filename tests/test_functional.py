"""Every operation of functional/, against values and gradients that PyTorch 2.13 gave (recorded/functional.json, written by
recorded/record_functional.py), finite differences, and numbers worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import minidl
import minidl.functional as F
from minidl import Tensor, gradcheck
from minidl.tensor import record

RECORDED = json.loads((Path(__file__).parent / "recorded" / "functional.json").read_text())

# The calls of record_functional.py, under the same names. `less` and the like make no gradient.
CALLS = {
    "add": lambda x, y: x + y,
    "add a number": lambda x: x + 2.5,
    "a number add": lambda x: 2.5 + x,
    "sub": lambda x, y: x - y,
    "a number sub": lambda x: 2.5 - x,
    "mul": lambda x, y: x * y,
    "a number mul": lambda x: 2.5 * x,
    "mul by itself": lambda x: x * x,
    "div": lambda x, y: x / y,
    "a number div": lambda x: 2.5 / x,
    "pow": lambda x, y: x**y,
    "pow at zero": lambda x, y: x**y,
    "pow 3": lambda x: x**3,
    "pow -2": lambda x: x**-2,
    "pow 0": lambda x: x**0,
    "a number pow": lambda x: 2.5**x,
    "neg": lambda x: -x,
    "matmul": lambda x, y: x @ y,
    "matmul, vector and matrix": lambda x, y: x @ y,
    "matmul, matrix and vector": lambda x, y: x @ y,
    "matmul, vectors": lambda x, y: x @ y,
    "matmul, stack and matrix": lambda x, y: x @ y,
    "matmul, stacks that broadcast": lambda x, y: x @ y,
    "matmul, vector and stack": lambda x, y: x @ y,
    "getitem, slices": lambda x: x[1:, ::2],
    "getitem, a row": lambda x: x[-1],
    "getitem, an element": lambda x: x[1, 2],
    "getitem, a new axis": lambda x: x[:, None, 1],
    "getitem, reversed": lambda x: x[..., ::-1],
    "getitem, rows of a list": lambda x: x[[0, 2, 0]],
    "getitem, pairs": lambda x: x[[0, 1, 1], np.array([2, 3, 3])],
    "getitem, a mask": lambda x: x[x > 0],
    "reshape": lambda x: x.reshape(2, -1),
    "transpose": lambda x: x.T,
    "transpose two axes": lambda x: x.transpose(0, -1),
    "transpose all axes": lambda x: x.transpose((2, 0, 1)),
    "concatenate": lambda x, y: F.concatenate([x, y]),
    "concatenate the last axis": lambda x, y: F.concatenate([x, y, x], dim=-1),
    "stack": lambda x, y: F.stack([x, y, x]),
    "stack along the last axis": lambda x, y: F.stack([x, y], dim=-1),
    "sum": lambda x: x.sum(),
    "sum over columns": lambda x: x.sum(-1, keepdim=True),
    "sum over two axes": lambda x: x.sum((0, 2)),
    "mean": lambda x: x.mean(),
    "mean over rows": lambda x: x.mean(0),
    "mean over two axes": lambda x: x.mean((0, -1), keepdim=True),
    "var": lambda x: x.var(),
    "var, biased": lambda x: x.var(1, correction=0, keepdim=True),
    "var over two axes": lambda x: x.var((0, 2)),
    "max": lambda x: x.max(),
    "max with ties": lambda x: x.max(),
    "max with ties, over columns": lambda x: x.amax(-1),
    "max with ties, over two axes": lambda x: x.amax((0, 2), keepdim=True),
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "sqrt": lambda x: x.sqrt(),
    "abs": lambda x: abs(x),
    "clip": lambda x: x.clip(-0.5, 1.0),
    "clip from below": lambda x: F.clip(x, min=-1.0),
    "clip from above": lambda x: F.clip(x, max=0.0),
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "relu": lambda x: x.relu(),
    "leaky_relu": F.leaky_relu,
    "leaky_relu 0.2": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "elu 1.7": lambda x: F.elu(x, 1.7),
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "softmax": F.softmax,
    "softmax over columns": lambda x: F.softmax(x, 0),
    "softmax over a middle axis": lambda x: F.softmax(x, dim=1),
    "log_softmax": F.log_softmax,
    "log_softmax over columns": lambda x: F.log_softmax(x, 0),
    "linear": F.linear,
    "linear without bias": F.linear,
    "linear of a vector": F.linear,
    "linear of a stack": F.linear,
    "batch_norm in training": lambda x, weight, bias, running_mean, running_var: F.batch_norm(
        x, running_mean, running_var, weight, bias, training=True
    ),
    "batch_norm in training, momentum and eps": lambda x, running_mean, running_var: F.batch_norm(
        x, running_mean, running_var, training=True, momentum=0.3, eps=0.01
    ),
    "batch_norm in training, weight only": lambda x, weight: F.batch_norm(x, None, None, weight, training=True),
    "batch_norm in training, three axes": lambda x, weight, bias, running_mean, running_var: F.batch_norm(
        x, running_mean, running_var, weight, bias, training=True
    ),
    "batch_norm in evaluation": lambda x, weight, bias, running_mean, running_var: F.batch_norm(
        x, running_mean, running_var, weight, bias
    ),
    "batch_norm in evaluation, plain": lambda x, running_mean, running_var: F.batch_norm(x, running_mean, running_var),
    "cross_entropy": F.cross_entropy,
    "cross_entropy, sum": lambda x, target: F.cross_entropy(x, target, reduction="sum"),
    "cross_entropy, none": lambda x, target: F.cross_entropy(x, target, reduction="none"),
    "mse_loss": F.mse_loss,
    "mse_loss, sum": lambda x, target: F.mse_loss(x, target, reduction="sum"),
    "mse_loss, none": lambda x, target: F.mse_loss(x, target, reduction="none"),
    "binary_cross_entropy_with_logits, mean": F.binary_cross_entropy_with_logits,
    "binary_cross_entropy_with_logits, sum": lambda x, target: F.binary_cross_entropy_with_logits(x, target, "sum"),
    "binary_cross_entropy_with_logits, none": lambda x, target: F.binary_cross_entropy_with_logits(x, target, "none"),
}
WITHOUT_GRADIENT = {
    "argmax": lambda x: x.argmax(),
    "argmax over rows": lambda x: x.argmax(0),
    "argmax over columns": lambda x: x.argmax(1, keepdim=True),
    "less": lambda x, y: x < y,
    "less or equal": lambda x, y: x <= y,
    "greater": lambda x: x > 0.5,
    "greater or equal": lambda x: x >= 0.5,
    "a number less": lambda x: 0.5 < x,  # noqa: SIM300 - the number on the left is the point
    "equal": lambda x, y: x == y,
    "not equal": lambda x: x != 0.0,
}
# Functions with a kink where the recorded inputs are, or that are not defined on both sides of them (targets of 0 and 1):
# finite differences mean nothing there. All of these are checked elsewhere on other inputs.
KINKED = ("pow at zero", "max with ties", "abs", "clip", "relu", "leaky_relu", "elu", "selu", "binary_cross_entropy")
SMOOTH = [name for name in CALLS if not name.startswith(KINKED)]


def make(case, dtype=np.float64):
    """(tensors that require gradients and integer arrays, arrays that the call may change) of a recorded case."""
    inputs = {}
    for name, numbers in case["inputs"].items():
        array = np.array(numbers)
        inputs[name] = Tensor(array.astype(dtype), requires_grad=True) if array.dtype.kind == "f" else array
    return inputs, {name: np.array(numbers, dtype) for name, numbers in case.get("buffers", {}).items()}


def run(name, inputs, buffers):
    return CALLS[name](*inputs.values(), **buffers)


def differentiable(inputs):
    return {name: x for name, x in inputs.items() if isinstance(x, Tensor)}


# Against PyTorch


def test_the_recorded_calls_are_those_made_here_and_pytorch_is_2_13():
    assert RECORDED["torch"].startswith("2.13.")
    assert set(RECORDED["float64"]) == set(CALLS)
    assert set(RECORDED["float32"]) <= set(CALLS)
    assert set(RECORDED["without gradient"]) == set(WITHOUT_GRADIENT)


# Both round each of a few steps once: to 2^-53 in float64, to 2^-24 = 6e-8 in float32.
@pytest.mark.parametrize(
    ("dtype", "rtol", "name"),
    [("float64", 1e-13, name) for name in RECORDED["float64"]] + [("float32", 2e-6, name) for name in RECORDED["float32"]],
)
def test_values_and_gradients_are_pytorchs(dtype, rtol, name):
    case = RECORDED[dtype][name]
    inputs, buffers = make(case, dtype)
    output = run(name, inputs, buffers)
    np.testing.assert_allclose(output.data, np.array(case["output"], dtype), rtol, rtol, strict=True)
    output.backward(np.array(case["upstream"], dtype))
    for key, expected in case["gradients"].items():
        np.testing.assert_allclose(inputs[key].grad, np.array(expected, dtype), rtol, rtol, err_msg=key, strict=True)
    for key, expected in case.get("buffers_after", {}).items():
        np.testing.assert_allclose(buffers[key], np.array(expected, dtype), rtol, rtol, err_msg=key, strict=True)


@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_comparison_and_argmax_are_pytorchs_and_have_no_gradient(name):
    case = RECORDED["without gradient"][name]
    inputs, _ = make(case)
    output = WITHOUT_GRADIENT[name](*inputs.values())
    np.testing.assert_array_equal(output.data, np.array(case["output"]), strict=True)
    assert not output.requires_grad


# Against finite differences


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_is_the_finite_difference_quotient(name):
    inputs, buffers = make(RECORDED["float64"][name])
    assert gradcheck(lambda *xs: CALLS[name](*xs, **buffers), list(inputs.values()))


ELEMENTWISE = {
    "neg": F.neg,
    "exp": F.exp,
    "log": F.log,
    "sqrt": F.sqrt,
    "abs": F.abs,
    "clip": lambda x: F.clip(x, 0.6, 1.4),
    "tanh": F.tanh,
    "sigmoid": F.sigmoid,
    "relu": lambda x: F.relu(x - 1),
    "leaky_relu": lambda x: F.leaky_relu(x - 1, 0.2),
    "elu": lambda x: F.elu(x - 1, 1.7, 0.7),
    "selu": lambda x: F.selu(x - 1),
    "gelu": lambda x: F.gelu(x - 1),
    "silu": lambda x: F.silu(x - 1),
    "softplus": lambda x: F.softplus(x - 1),
    "add": lambda x: x + x * 2,
    "sub": lambda x: 1 - x,
    "mul": lambda x: x * x,
    "div": lambda x: x / (x + 1),
    "pow": lambda x: x**x,
    "reshape": lambda x: x.reshape(-1),
    "transpose": lambda x: x.T * x.T,
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "max": lambda x: x.max(),
    "dropout": lambda x: F.dropout(x, 0.5, rng=0),
}
# 24 different positive numbers, none within 1e-3 of a kink (0.6, 1, 1.4).
BASE = np.random.default_rng(0).permutation(np.linspace(0.21, 1.89, 24)).reshape(4, 6)
LAYOUTS = {
    "a number": BASE[1, 2],
    "a vector": BASE[0],
    "a matrix": BASE.copy(),
    "three axes": BASE.reshape(2, 3, 4),
    "every other row": BASE[::2],
    "transposed": BASE.T,
    "reversed": BASE[::-1, ::-2],
    "one of each axis": BASE[:1, :1],
    "empty": BASE[:0],
}


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        (name, layout)
        for name in ELEMENTWISE
        for layout in LAYOUTS
        if (name, layout) not in (("mean", "empty"), ("max", "empty"))  # these are not defined
    ],
)
def test_gradients_for_every_shape_and_stride(name, layout):
    x = Tensor(LAYOUTS[layout], requires_grad=True)
    assert gradcheck(ELEMENTWISE[name], x)
    y = ELEMENTWISE[name](x)
    y.backward(np.ones(y.shape))
    assert x.grad.shape == x.shape


@pytest.mark.parametrize("strided", ["every other row", "transposed", "reversed"])
@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x @ x.T,
        lambda x: x.T @ x,
        lambda x: F.linear(x, x * 2),
        lambda x: x[1:, [0, 1, 1]],
        lambda x: x[-1, ::-1],
        lambda x: F.concatenate([x, x * x], dim=1),
        lambda x: F.stack([x, x * x], dim=1),
        lambda x: F.softmax(x, 0),
        lambda x: F.log_softmax(x),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.cross_entropy(x, np.arange(len(x)) % 2),
        lambda x: F.mse_loss(x, x * x),
        lambda x: F.binary_cross_entropy_with_logits(x, x / 3),
    ],
)
def test_other_gradients_for_every_stride(operation, strided):
    assert gradcheck(operation, Tensor(LAYOUTS[strided], requires_grad=True))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_gradient_of_binary_cross_entropy_between_its_bounds(reduction):
    x = Tensor(np.array([[-3.0, 0.0], [0.5, 4.0]]), requires_grad=True)
    t = Tensor(np.array([[0.1, 0.9], [0.5, 0.3]]), requires_grad=True)
    assert gradcheck(lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction), (x, t))


DIMS = [None, 0, 1, 2, -1, -3, (0, 1), (0, 2), (2, 0), (-1, 1), (0, 1, 2), (1,)]


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "amax", "amin"])
def test_reductions_over_every_choice_of_axes(name, dim, keepdim):
    array = BASE.reshape(2, 3, 4)
    operation = getattr(F, name)
    axes = {"axis": dim, "keepdims": keepdim}
    more = {"ddof": 1} if name in ("var", "std") else {}
    expected = getattr(np, name)(array, **more, **axes)
    np.testing.assert_allclose(operation(array, dim, keepdim=keepdim).data, expected, 1e-14, strict=True)
    assert gradcheck(lambda x: operation(x, dim, keepdim=keepdim), Tensor(array, requires_grad=True))


@pytest.mark.parametrize(
    "name", ["sum", "mean", "var", "std", "amax", "amin", "argmax", "argmin", "logsumexp", "softmax", "log_softmax"]
)
def test_axis_and_keepdims_mean_dim_and_keepdim(name):
    operation = getattr(F, name)
    options, same = ({}, {}) if "softmax" in name else ({"keepdims": True}, {"keepdim": True})
    array = BASE.reshape(2, 3, 4)
    np.testing.assert_array_equal(operation(array, axis=1, **options).data, operation(array, dim=1, **same).data, strict=True)
    with pytest.raises(TypeError, match="dim"):
        operation(array, dim=0, axis=1)


def test_concatenate_and_stack_take_axis():
    assert F.concatenate([BASE, BASE], axis=1).shape == (4, 12)
    assert F.stack([BASE, BASE], axis=2).shape == (4, 6, 2)


@pytest.mark.parametrize("correction", [0, 1, 2])
def test_var_divides_by_n_less_the_correction(correction):
    # 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14
    assert F.var([1.0, 2.0, 6.0], correction=correction).item() == pytest.approx(14 / (3 - correction), rel=1e-7)


def test_argmax_takes_the_first_of_equals():
    assert F.argmax([1.0, 3.0, 3.0]).item() == 1


def test_max_shares_the_gradient_between_equals():
    x = Tensor([[2.0, 2.0, 1.0], [0.0, 5.0, 0.0]], requires_grad=True)
    x.amax(1).backward([3.0, 7.0])
    np.testing.assert_array_equal(x.grad, [[1.5, 1.5, 0.0], [0.0, 7.0, 0.0]])


# Broadcasting


@pytest.mark.parametrize(
    ("x_shape", "y_shape"),
    [
        ((3, 4), (4,)),
        ((4,), (3, 4)),
        ((3, 1), (1, 4)),
        ((3, 4), ()),
        ((), (2, 3)),
        ((1,), ()),
        ((2, 1, 3), (4, 1)),
        ((1, 1, 1), (2,)),
        ((1, 3), (3,)),
        ((0,), (1,)),
        ((2, 1), (2, 0)),
    ],
)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
def test_broadcast_gradients_are_finite_difference_quotients(name, x_shape, y_shape):
    rng = np.random.default_rng(1)
    x = Tensor(np.array(rng.uniform(0.5, 2, x_shape)), requires_grad=True)
    y = Tensor(np.array(rng.uniform(0.5, 2, y_shape)), requires_grad=True)
    operation = getattr(F, name)
    assert gradcheck(operation, (x, y))
    z = operation(x, y)
    assert z.shape == np.broadcast_shapes(x_shape, y_shape)
    z.backward(np.ones(z.shape))
    assert x.grad.shape == x_shape
    assert y.grad.shape == y_shape


@settings(deadline=None, max_examples=60)
@given(mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0), st.integers(0, 2**32 - 1))
def test_a_broadcast_element_gets_the_sum_over_its_uses(shapes, seed):
    rng = np.random.default_rng(seed)
    x, y = (Tensor(np.array(rng.normal(size=shape)), requires_grad=True) for shape in shapes.input_shapes)
    dz = np.array(rng.normal(size=shapes.result_shape))
    (x * y).backward(dz)
    for this, other in ((x, y), (y, x)):
        number = np.broadcast_to(np.arange(this.size).reshape(this.shape), dz.shape)
        factor = np.broadcast_to(other.data, dz.shape)
        expected = np.zeros(this.size)
        for place in np.ndindex(dz.shape):
            expected[number[place]] += dz[place] * factor[place]
        np.testing.assert_allclose(this.grad, expected.reshape(this.shape), 1e-12, 1e-12, strict=True)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_an_index_that_takes_a_place_twice_gives_it_both_gradients(data):
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    picks = data.draw(st.lists(st.tuples(*(st.integers(-n, n - 1) for n in shape)), min_size=1, max_size=6))
    x = Tensor(np.zeros(shape), requires_grad=True)
    rows, columns = (np.array(part) for part in zip(*picks, strict=True))
    x[rows, columns].backward(np.arange(1.0, len(picks) + 1))
    expected = np.zeros(shape)
    for i, place in enumerate(picks):
        expected[place] += i + 1
    np.testing.assert_array_equal(x.grad, expected)


# Operands


X = [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("expression", "expected", "gradient"),
    [
        (lambda a, x: a + x, [9.0, 10.0, 12.0], [1.0, 1.0, 1.0]),
        (lambda a, x: a - x, [7.0, 6.0, 4.0], [-1.0, -1.0, -1.0]),
        (lambda a, x: a * x, [8.0, 16.0, 32.0], [8.0, 8.0, 8.0]),
        (lambda a, x: a / x, [8.0, 4.0, 2.0], [-8.0, -2.0, -0.5]),
        (lambda a, x: a**x, [8.0, 64.0, 4096.0], [8 * np.log(8), 64 * np.log(8), 4096 * np.log(8)]),
    ],
    ids=["+", "-", "*", "/", "**"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("left", [8, 8.0, np.float32(8), np.full(3, 8.0, np.float32), [8.0, 8.0, 8.0]], ids=type)
def test_a_number_an_array_or_a_list_may_stand_on_the_left(left, dtype, expression, expected, gradient):
    x = Tensor(np.array(X, dtype), requires_grad=True)
    y = expression(left, x)
    assert type(y) is Tensor
    assert y.dtype == dtype
    np.testing.assert_allclose(y.data, expected, 1e-6)
    y.sum().backward()
    assert x.grad.dtype == dtype
    np.testing.assert_allclose(x.grad, gradient, 1e-6)


def test_an_array_may_stand_on_the_left_of_matmul():
    w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = np.array([[1.0, 10.0]], np.float32) @ w
    np.testing.assert_array_equal(y.data, [[31.0, 42.0]])
    y.sum().backward()
    np.testing.assert_array_equal(w.grad, [[1.0, 1.0], [10.0, 10.0]])


def test_comparison_with_an_array_on_the_left():
    x = Tensor([1.0, 2.0, 3.0])
    left = np.full(3, 2.0, np.float32)
    assert (left < x).data.tolist() == [False, False, True]
    assert (left >= x).data.tolist() == [True, True, False]
    assert (left == x).data.tolist() == [False, True, False]
    assert (left != x).data.tolist() == [True, False, True]


@pytest.mark.parametrize("make", [Tensor, np.asarray], ids=["tensor", "array"])
@pytest.mark.parametrize(
    ("function", "expected"),
    [(F.add, 1.6), (F.sub, 1.4), (F.mul, 0.15), (F.div, 15.0), (F.pow, 1.5**0.1)],
    ids=["add", "sub", "mul", "div", "pow"],
)
def test_a_number_takes_the_dtype_of_the_tensor_or_array_beside_it(function, expected, make):
    # 0.1 in float32 differs from 0.1 in float64 in the ninth digit.
    assert function(make(np.array([1.5])), 0.1).item() == pytest.approx(expected, rel=1e-14)


ONE_OF_EACH = {
    "number operands": lambda x: (1 + x * 2 - 0.5) / 3 - (2 / x) ** 2 + 2**x,
    "pow -1": lambda x: x**-1,
    "sum": lambda x: x.sum(0),
    "mean": lambda x: x.mean(),
    "var": lambda x: x.var(1),
    "max": lambda x: x.amax(1),
    "clip": lambda x: x.clip(0.5, 1),
    "sqrt, log, exp, abs": lambda x: abs(x).sqrt().log().exp(),
    "tanh": F.tanh,
    "sigmoid": F.sigmoid,
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.3),
    "elu": lambda x: F.elu(x, 0.3),
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "dropout": lambda x: F.dropout(x, 0.3, rng=0),
    "dropout of all": lambda x: F.dropout(x, 1.0),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "batch_norm in evaluation": lambda x: F.batch_norm(x, np.zeros(6), np.ones(6)),
    "cross_entropy": lambda x: F.cross_entropy(x, [0, 1, 2, 3]),
    "mse_loss": lambda x: F.mse_loss(x, np.zeros((4, 6), np.float32)),
    "binary_cross_entropy_with_logits": lambda x: F.binary_cross_entropy_with_logits(x, np.zeros((4, 6), np.float32)),
}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_float32_stays_float32(name):
    x = Tensor(BASE.astype(np.float32), requires_grad=True)
    y = ONE_OF_EACH[name](x)
    assert y.dtype == np.float32
    y.backward(np.ones(y.shape))
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("function", [F.add, F.mul, F.div, F.matmul, F.linear], ids=lambda f: f.__name__)
def test_each_gradient_has_the_dtype_of_its_leaf(function):
    x = Tensor(np.ones((2, 2), np.float32), requires_grad=True)
    y = Tensor(np.ones((2, 2), np.float64), requires_grad=True)
    z = function(x, y)
    assert z.dtype == np.float64
    z.sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)


@pytest.mark.parametrize("name", CALLS)
def test_forward_and_backward_leave_their_inputs_alone_and_repeat_exactly(name):
    case = RECORDED["float64"][name]
    inputs, buffers = make(case)
    before = {key: np.array(x.data) for key, x in differentiable(inputs).items()}
    upstream = np.array(case["upstream"])
    output = run(name, inputs, buffers)
    value = output.data.copy()
    output.backward(upstream, retain_graph=True)
    once = {key: np.array(x.grad) for key, x in differentiable(inputs).items()}
    output.backward(upstream)
    np.testing.assert_array_equal(output.data, value)
    np.testing.assert_array_equal(upstream, case["upstream"])
    for key, x in differentiable(inputs).items():
        np.testing.assert_array_equal(x.data, before[key])
        np.testing.assert_array_equal(x.grad, 2 * once[key], err_msg=key)


@pytest.mark.parametrize("name", CALLS)
def test_a_change_in_place_before_backward_is_an_error_or_does_no_harm(name):
    case = RECORDED["float64"][name]
    for changed in [*differentiable(make(case)[0]), "output"]:
        inputs, buffers = make(case)
        output = run(name, inputs, buffers)
        victim = output if changed == "output" else inputs[changed]
        victim.data += 0.75
        for buffer in buffers.values():
            buffer += 0.75
        try:
            output.backward(np.array(case["upstream"]))
        except RuntimeError as error:
            assert "changed in place" in str(error)  # noqa: PT017 - either this or the right gradient
            assert all(x.grad is None for x in differentiable(inputs).values())
        else:
            for key, expected in case["gradients"].items():
                np.testing.assert_allclose(inputs[key].grad, expected, 1e-13, 1e-13, err_msg=f"{key} after {changed}")


# Functions that draw, or have two modes


def test_dropout_keeps_the_expected_share_scales_it_and_passes_the_gradient_to_the_same_places():
    x = Tensor(np.full(10_000, 3.0), requires_grad=True)
    y = F.dropout(x, 0.25, rng=7)
    kept = y.data != 0
    np.testing.assert_array_equal(y.data[kept], 4.0)  # 3 / (1 - 0.25)
    assert abs(kept.sum() - 7500) < 5 * 43.4  # binomial: mean n (1 - p), standard deviation sqrt(n p (1 - p)) = 43.3
    y.backward(np.full(10_000, 0.5))
    np.testing.assert_allclose(x.grad, np.where(kept, 0.5 / 0.75, 0.0), 1e-15)


def test_dropout_draws_from_its_rng():
    x = np.ones(64)
    rng = minidl.random.Generator(3)
    first, second = F.dropout(x, rng=rng), F.dropout(x, rng=rng)
    assert not np.array_equal(first.data, second.data)
    np.testing.assert_array_equal(first.data, F.dropout(x, rng=3).data)
    minidl.manual_seed(3)
    np.testing.assert_array_equal(first.data, F.dropout(x).data)


@pytest.mark.parametrize(
    ("p", "training", "factor"), [(0.0, True, 1.0), (0.5, False, 1.0), (1.0, False, 1.0), (1.0, True, 0.0)]
)
def test_dropout_of_nothing_and_of_everything(p, training, factor):
    x = Tensor([1.0, -2.0], requires_grad=True)
    y = F.dropout(x, p, training)
    np.testing.assert_array_equal(y.data, factor * np.array([1.0, -2.0]))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [factor, factor])


def test_batch_norm_by_hand():
    # Channel 0: 1, 3: mean 2, biased variance 1, unbiased 2. Channel 1: 0, 8: mean 4, 16, 32.
    running_mean, running_var = np.array([10.0, 0.0]), np.array([1.0, 2.0])
    y = F.batch_norm([[1.0, 0.0], [3.0, 8.0]], running_mean, running_var, [2.0, 1.0], [0.0, 5.0], training=True, eps=0.0)
    np.testing.assert_allclose(y.data, [[-2.0, 4.0], [2.0, 6.0]], 1e-6)
    np.testing.assert_allclose(running_mean, [9.2, 0.4], 1e-6)  # a tenth of the way
    np.testing.assert_allclose(running_var, [1.1, 5.0], 1e-6)


def unaligned(x):
    view = np.frombuffer(bytearray(x.nbytes + 1), x.dtype, offset=1).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned
    return view


@pytest.mark.parametrize("make", [lambda x: x > 2, lambda x: record(np.int64(x.data > 2), (), None)])
def test_batch_norm_and_cross_entropy_take_booleans_and_integers_as_numbers(make):
    x = make(Tensor([[1.0, 3.0], [3.0, 1.0], [3.0, 1.0], [1.0, 3.0]]))
    y = F.batch_norm(x, None, None, training=True, eps=0.0)  # of 0 and 1, as many each: mean and deviation are 1/2
    assert y.data.tolist() == [[-1, 1], [1, -1], [1, -1], [-1, 1]]
    assert y.dtype == np.float32
    loss = F.cross_entropy(x, [0, 0, 0, 0], reduction="sum")  # twice ln (1 + 1/e), twice ln (1 + e)
    assert loss.item() == pytest.approx(2 * (0.31326168751822286 + 1.3132616875182228), rel=1e-6)


def test_batch_norm_takes_unaligned_arrays():
    x, weight, bias = ([[1.0, 0.0], [3.0, 8.0]], [2.0, 1.0], [0.0, 5.0])
    x, weight, bias = (Tensor(unaligned(np.array(t)), requires_grad=True) for t in (x, weight, bias))
    y = F.batch_norm(x, None, None, weight, bias, training=True, eps=0.0)
    assert y.data.tolist() == [[-2, 4], [2, 6]]
    y.backward(unaligned(np.array([[1.0, 0.0], [0.0, 0.0]])))
    assert weight.grad.tolist() == [-1, 0]
    assert bias.grad.tolist() == [1, 0]
    np.testing.assert_allclose(x.grad, 0, atol=1e-15)  # of two values the normalized are 1 and -1, wherever they are


def test_batch_norm_in_evaluation_leaves_the_running_statistics():
    running_mean, running_var = np.array([1.0]), np.array([4.0])
    y = F.batch_norm(np.array([[5.0]]), running_mean, running_var, eps=0.0)
    assert y.item() == 2.0
    assert (running_mean[0], running_var[0]) == (1.0, 4.0)


def test_batch_norm_moves_running_statistics_that_are_tensors_and_says_so():
    running_mean, running_var = Tensor([10.0], requires_grad=True), Tensor([1.0])
    before = running_mean * running_mean
    with minidl.no_grad():
        F.batch_norm([[1.0], [3.0]], running_mean, running_var, training=True)
    np.testing.assert_allclose(running_mean.data, [9.2], 1e-6)
    np.testing.assert_allclose(running_var.data, [1.1], 1e-6)
    with pytest.raises(RuntimeError, match="changed in place"):
        before.backward()  # needs the 10


def test_batch_norm_says_that_it_moved_an_array_that_a_tensor_shares():
    array = np.array([10.0])
    x = Tensor(array, requires_grad=True)
    before = x * x
    F.batch_norm([[1.0], [3.0]], array, None, training=True)
    with pytest.raises(RuntimeError, match="changed in place"):
        before.backward()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_in_evaluation_with_a_small_variance(dtype):
    # 1 / sqrt(3e-6 + 1e-6) = 500: most of it the variance, and eps a quarter
    running_mean, running_var = np.array([2.0], dtype), np.array([3e-6], dtype)
    x = Tensor(np.array([[2.25], [1.75]], dtype), requires_grad=True)
    y = F.batch_norm(x, running_mean, running_var, eps=1e-6)
    np.testing.assert_allclose(y.data, [[125], [-125]], rtol=1e-6)
    y.backward(np.array([[1.0], [3.0]], dtype))
    np.testing.assert_allclose(x.grad, [[500], [1500]], rtol=1e-6)


# Sums: the error must grow like the logarithm of the number of terms, so of 200,000 it is some 1e-7 in float32


def tenths(*shape):
    return np.full(shape, 0.1, np.float32)


LONG = {
    "sum": lambda x: F.sum(x, 0) / 200_000,
    "sum, transposed": lambda x: F.sum(F.transpose(x), 1) / 200_000,
    "sum of all, transposed": lambda x: F.sum(F.transpose(x)) / 600_000,
    "mean": lambda x: F.mean(x, 0),
    "mean, transposed": lambda x: F.mean(F.transpose(x), 1, keepdim=True),
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_sum_over_any_axis_keeps_its_digits(name):
    np.testing.assert_allclose(LONG[name](tenths(200_000, 3)).data, np.float32(0.1), rtol=1e-6)


@pytest.mark.parametrize("function", [F.softmax, lambda x, dim: F.exp(F.log_softmax(x, dim))], ids=["softmax", "log_softmax"])
def test_a_softmax_of_many_keeps_its_digits(function):
    x = np.random.default_rng(4).standard_normal((200_000, 2), np.float32)
    exact = np.exp(x.astype(np.float64))
    np.testing.assert_allclose(function(x, 0).data, exact / exact.sum(axis=0), rtol=3e-6)  # a logarithm near -13 is 1e-6 off


@pytest.mark.parametrize("axis", [0, 1])
def test_a_long_var_over_any_axis_keeps_its_digits(axis):
    x = np.float32(1e4) + np.random.default_rng(3).standard_normal((200_000, 3), np.float32)
    exact = x.astype(np.float64).var(axis=0, ddof=1)
    np.testing.assert_allclose(F.var(x if axis == 0 else np.ascontiguousarray(x.T), axis).data, exact, rtol=1e-6)
    np.testing.assert_allclose(F.var(np.full((199, 1), 1000.1, np.float32), 0).data, 0, atol=1e-12)


BROADCAST = {
    "a row": (1, 3),
    "a vector": (3,),
    "a number": (),
    "a number with axes": (1, 1),
}


@pytest.mark.parametrize("shape", BROADCAST.values(), ids=BROADCAST)
def test_the_gradient_of_what_was_repeated_often_keeps_its_digits(shape):
    x = Tensor(np.zeros(shape, np.float32), requires_grad=True)
    F.add(x, tenths(200_000, 3)).backward(tenths(200_000, 3))
    np.testing.assert_allclose(x.grad, 0.1 * 600_000 / max(x.size, 1), rtol=1e-6)
    assert x.grad.shape == shape


def test_other_gradients_that_are_long_sums_keep_their_digits():
    bias, weight = Tensor(np.zeros(3, np.float32), requires_grad=True), np.zeros((3, 2), np.float32)
    F.linear(tenths(200_000, 2), weight, bias).backward(tenths(200_000, 3))
    np.testing.assert_allclose(bias.grad, 2e4, rtol=1e-6)
    weight, bias = (Tensor(np.zeros(3, np.float32), requires_grad=True) for _ in range(2))
    x = np.tile(np.array([[-1], [1]], np.float32), (100_000, 3))
    F.batch_norm(x, None, None, weight, bias, training=True, eps=0.0).backward(0.1 * (x == 1).astype(np.float32))
    np.testing.assert_allclose(bias.grad, 1e4, rtol=1e-6)
    np.testing.assert_allclose(weight.grad, 1e4, rtol=1e-6)
    table = Tensor(np.zeros((2, 3), np.float32), requires_grad=True)
    table[np.zeros(200_000, int)].backward(tenths(200_000, 3))
    np.testing.assert_allclose(table.grad, [[2e4] * 3, [0] * 3], rtol=1e-6)
    x = Tensor(np.zeros((1 << 24) + 2, np.float32), requires_grad=True)  # more equals than float32 counts one by one
    x.max().backward()
    np.testing.assert_allclose(x.grad[0] * len(x.data), 1, rtol=1e-6)


# Numerical safety: float32, no warnings (pytest makes them errors), finite and right


HUGE = np.array([1e4, -1e4, 0.0], np.float32)


@pytest.mark.parametrize(
    ("function", "expected", "gradient"),
    [
        (F.sigmoid, [1.0, 0.0, 0.5], [0.0, 0.0, 0.25]),
        (F.tanh, [1.0, -1.0, 0.0], [0.0, 0.0, 1.0]),
        (F.softplus, [1e4, 0.0, np.log(2)], [1.0, 0.0, 0.5]),
        (F.silu, [1e4, 0.0, 0.0], [1.0, 0.0, 0.5]),
        (F.gelu, [1e4, 0.0, 0.0], [1.0, 0.0, 0.5]),
        (F.elu, [1e4, -1.0, 0.0], [1.0, 0.0, 1.0]),
        (F.selu, [1.0507009873554805e4, -1.7580993408473766, 0.0], [1.0507009873554805, 0.0, 1.7580993408473766]),
        (F.softmax, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        (F.log_softmax, [0.0, -2e4, -1e4], [-2.0, 1.0, 1.0]),  # 1 - 3 softmax
        (lambda x: F.softmax(-x), [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]),
    ],
    ids=["sigmoid", "tanh", "softplus", "silu", "gelu", "elu", "selu", "softmax", "log_softmax", "softmax of -x"],
)
def test_huge_inputs(function, expected, gradient):
    x = Tensor(HUGE, requires_grad=True)
    y = function(x)
    np.testing.assert_allclose(y.data, np.array(expected, np.float32), 2e-7, strict=True)
    y.sum().backward()
    np.testing.assert_allclose(x.grad, np.array(gradient, np.float32), 2e-7, strict=True)


@pytest.mark.parametrize(("label", "loss", "gradient"), [(0, 0.0, [0, 0, 0]), (1, 2e4, [1, -1, 0]), (2, 1e4, [1, 0, -1])])
def test_cross_entropy_of_huge_scores(label, loss, gradient):
    x = Tensor(HUGE[None], requires_grad=True)
    y = F.cross_entropy(x, [label])
    assert y.item() == loss
    y.backward()
    np.testing.assert_array_equal(x.grad, [gradient])


@pytest.mark.parametrize(
    ("score", "target", "loss", "gradient"),
    [(1e4, 0, 1e4, 1), (1e4, 1, 0, 0), (-1e4, 0, 0, 0), (-1e4, 1, 1e4, -1), (1e4, 0.5, 5e3, 0.5), (0, 0.5, np.log(2), 0)],
)
def test_binary_cross_entropy_of_huge_scores(score, target, loss, gradient):
    x = Tensor([score], requires_grad=True)
    y = F.binary_cross_entropy_with_logits(x, [target])
    assert y.item() == pytest.approx(loss, rel=1e-7)
    y.backward()
    np.testing.assert_array_equal(x.grad, np.array([gradient], np.float32), strict=True)


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax], ids=lambda f: f.__name__)
def test_softmax_does_not_depend_on_a_constant_added(function):
    x = np.array([0.0, 1.0, 3.0], np.float32)
    np.testing.assert_array_equal(function(x + 8192).data, function(x).data)  # 8192 + x is exact


def test_a_class_that_is_ruled_out_by_minus_infinity_gets_nothing():
    x = Tensor([[0.0, -np.inf, 0.0]], requires_grad=True)
    y = F.cross_entropy(x, [0])
    assert y.item() == pytest.approx(np.log(2), rel=1e-7)
    y.backward()
    np.testing.assert_allclose(x.grad, [[-0.5, 0.0, 0.5]], 1e-6)


def test_the_smallest_probabilities_keep_their_digits():
    # sigmoid(-50) = e^-50 and softplus(-50) = e^-50 to 22 digits; 1 - sigmoid(50) would be 0.
    assert F.sigmoid(np.array(-50.0)).item() == pytest.approx(1.9287498479639178e-22, rel=1e-14)
    assert F.softplus(np.array(-50.0)).item() == pytest.approx(1.9287498479639178e-22, rel=1e-14)
    assert F.binary_cross_entropy_with_logits(np.array(50.0), 1).item() == pytest.approx(1.9287498479639178e-22, rel=1e-14)


def test_var_of_numbers_far_from_zero_keeps_its_digits():
    assert F.var(np.array([1e8, 1e8 + 1, 1e8 + 2])).item() == 1.0


def test_softmax_is_exact_to_a_few_units_for_small_probabilities_too():
    # Compared with 1, e^-80 is nothing, so y = 1, e^-80. By the exponential of a rounded logarithm it was off by 4e-6.
    y = F.softmax(np.array([0.0, -80.1], np.float32)).data
    assert y[1] == pytest.approx(float(np.exp(np.float64(np.float32(-80.1)))), rel=2e-7, abs=0)


# mpmath's values of x P(x) and of its derivative, to 17 digits
@pytest.mark.parametrize(("dtype", "rel"), [(np.float32, 4e-7), (np.float64, 1e-15)])
@pytest.mark.parametrize(
    ("x", "y", "slope"),
    [
        (-8.0, -4.9767684594174273e-15, -3.9796072610867960e-14),
        (-5.0, -1.4332578593959696e-06, -7.1469460017922946e-06),
        (-0.75, -0.16997051428265115, 0.00077427826076489563),  # near the zero of the derivative
        (3.0, 2.9959503059051097, 1.0119456472041839),
    ],
)
def test_gelu_and_its_derivative_keep_their_digits_in_the_tail(x, y, slope, dtype, rel):
    t = Tensor(np.array([x], dtype), requires_grad=True)
    value = F.gelu(t)
    value.sum().backward()
    assert value.dtype == t.grad.dtype == dtype
    assert value.item() == pytest.approx(y, rel=rel, abs=0)
    assert t.grad[0] == pytest.approx(slope, rel=rel, abs=0)


@pytest.mark.parametrize("low", [0, 0.0, np.float64(0), np.float32(0), np.int64(0)])
def test_the_bounds_of_clip_do_not_change_the_dtype(low):
    for dtype in (np.float32, np.float64):
        assert F.clip(np.array([-1.0, 4.0], dtype), low, np.float64(3)).data.tolist() == [0, 3]
        assert F.clip(np.array([-1.0, 4.0], dtype), low, np.float64(3)).dtype == dtype
        assert Tensor(np.array([-1.0], dtype)).clip(max=low).dtype == dtype


# Bad input


ZEROS = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.matmul(np.ones((2, 3)), np.ones((2, 3))), r"matmul.*\(2, 3\) and \(2, 3\)"),
        (lambda: F.matmul(np.ones(3), np.ones((2, 3))), r"matmul.*\(3,\) and \(2, 3\)"),
        (lambda: F.matmul(np.ones(2), 3.0), r"matmul.*\(2,\) and \(\)"),
        (lambda: F.add(np.ones(2), np.ones(3)), r"\(2,\) and \(3,\)"),
        (lambda: F.reshape(np.ones(6), 4, 2), r"\(4,2\)"),
        (lambda: F.var([1.0]), "var over 1 elements.*too few"),
        (lambda: F.linear(np.ones((2, 3)), np.ones((4, 2))), r"linear.*\(2, 3\).*\(4, 2\)"),
        (lambda: F.linear(np.ones((2, 3)), np.ones(3)), r"linear.*\(3,\).*expected"),
        (lambda: F.linear(1.0, np.ones((2, 3))), r"linear.*shape \(\)"),
        (lambda: F.linear(np.ones((2, 3)), np.ones((4, 3)), np.ones(3)), r"linear: bias.*\(3,\).*expected \(4,\)"),
        (lambda: F.linear(np.ones((2, 3)), np.ones((4, 3)), 1.0), r"linear: bias.*\(\).*expected \(4,\)"),
        (lambda: F.dropout(ZEROS, -0.1), "dropout.*from 0 to 1.*-0.1"),
        (lambda: F.dropout(ZEROS, 1.1), "dropout.*from 0 to 1.*1.1"),
        (lambda: F.dropout(ZEROS, np.nan), "dropout.*from 0 to 1.*nan"),
        (lambda: F.dropout(ZEROS, 2, training=False), "dropout.*from 0 to 1.*2"),
        (lambda: F.cross_entropy(np.zeros(3), [0]), r"cross_entropy.*\(batch, classes\).*\(3,\)"),
        (lambda: F.cross_entropy(ZEROS, [0]), r"cross_entropy.*\(2, 3\) and \(1,\)"),
        (lambda: F.cross_entropy(ZEROS, [0, 1, 2]), r"cross_entropy.*\(2, 3\) and \(3,\)"),
        (lambda: F.cross_entropy(ZEROS, [[0], [1]]), r"cross_entropy.*\(2, 3\) and \(2, 1\)"),
        (lambda: F.cross_entropy(ZEROS, [0, 3]), "cross_entropy.*from 0 to 2.*got 3 at index 1"),
        (lambda: F.cross_entropy(ZEROS, [-1, 0]), "cross_entropy.*from 0 to 2.*got -1 at index 0"),
        (lambda: F.cross_entropy(ZEROS, [0, 1], reduction="average"), "reduction.*'average'"),
        (lambda: F.cross_entropy(ZEROS[:0], np.zeros(0, int)), "empty batch"),
        (lambda: F.mse_loss(ZEROS, np.zeros((3, 2))), r"mse_loss.*\(2, 3\) and \(3, 2\)"),
        (lambda: F.mse_loss(np.zeros((2, 1)), np.zeros(2)), r"mse_loss.*\(2, 1\) and \(2,\)"),
        (lambda: F.mse_loss(ZEROS, 0.0), r"mse_loss.*\(2, 3\) and \(\)"),
        (lambda: F.mse_loss(ZEROS, ZEROS, "max"), "reduction.*'max'"),
        (lambda: F.mse_loss(ZEROS, ZEROS, None), "reduction.*None"),
        (lambda: F.mse_loss(ZEROS[:0], ZEROS[:0]), "empty batch"),
        (lambda: F.binary_cross_entropy_with_logits(ZEROS, ZEROS[:1]), r"binary_cross_entropy.*\(2, 3\) and \(1, 3\)"),
        (lambda: F.binary_cross_entropy_with_logits([0.0, 0.0], [0.0, 1.5]), "targets from 0 to 1.*1.5"),
        (lambda: F.binary_cross_entropy_with_logits([0.0], [-0.5]), "targets from 0 to 1.*-0.5"),
        (lambda: F.binary_cross_entropy_with_logits([0.0], [np.nan]), "targets from 0 to 1.*nan"),
        (lambda: F.binary_cross_entropy_with_logits(ZEROS, ZEROS, "avg"), "reduction.*'avg'"),
        (lambda: F.batch_norm(np.zeros(3), None, None, training=True), r"batch_norm.*\(batch, channels, \.\.\.\).*\(3,\)"),
        (lambda: F.batch_norm(ZEROS, None, None), "batch_norm.*running_mean and running_var"),
    ],
)
def test_a_wrong_value_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.cross_entropy(ZEROS, [0.0, 1.0]), "cross_entropy.*class numbers.*float64"),
        (lambda: F.cross_entropy(ZEROS, [True, False]), "cross_entropy.*class numbers.*bool"),
        (lambda: F.cross_entropy(ZEROS, Tensor([0, 1])), "cross_entropy.*class numbers.*float32"),
        (lambda: F.dropout(ZEROS, rng="a"), "rng.*str"),
        (lambda: F.add(ZEROS, "a"), "real numbers.*str"),
        (lambda: Tensor([1.0]) * None, "real numbers.*NoneType"),
        (lambda: F.exp(1j), "real numbers.*complex"),
    ],
)
def test_a_wrong_type_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("shape", "wrong", "message"),
    [
        ((1, 2), {}, r"batch_norm.*more than one value per channel.*\(1, 2\)"),
        ((0, 2), {}, r"batch_norm.*more than one value per channel.*\(0, 2\)"),
        ((3, 2), {"weight": np.ones(3)}, r"batch_norm.*weight.*\(3,\)"),
        ((3, 2), {"weight": np.ones(1)}, r"batch_norm.*weight.*\(1,\)"),
        ((3, 2), {"bias": np.ones(3)}, r"batch_norm.*bias.*\(3,\)"),
        ((3, 2), {"running_mean": np.zeros(3)}, r"batch_norm.*running_mean.*\(3,\)"),
        ((3, 2), {"running_var": np.ones(3)}, r"batch_norm.*running_var.*\(3,\)"),
        ((3, 2), {"running_var": np.ones((3, 2))}, r"batch_norm.*running_var.*\(3, 2\)"),
    ],
)
def test_a_batch_norm_that_cannot_be_made_is_named_and_leaves_the_running_statistics(shape, wrong, message):
    buffers = {"running_mean": np.zeros(2), "running_var": np.ones(2)} | wrong
    before = {name: array.copy() for name, array in buffers.items()}
    with pytest.raises(ValueError, match=message):
        F.batch_norm(np.arange(float(np.prod(shape))).reshape(shape), **buffers, training=True)
    for name, array in before.items():
        np.testing.assert_array_equal(buffers[name], array, err_msg=name)


def read_only(*values):
    array = np.array(values)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"momentum": 2}, ValueError, "batch_norm: momentum must be a number from 0 to 1.*, got 2"),
        ({"momentum": -0.1}, ValueError, "batch_norm: momentum must be a number from 0 to 1.*, got -0.1"),
        ({"momentum": np.nan}, ValueError, "batch_norm: momentum must be a number from 0 to 1.*, got nan"),
        ({"momentum": None}, ValueError, "batch_norm: momentum must be a number from 0 to 1.*, got None"),
        ({"eps": -1}, ValueError, "batch_norm: eps must be a finite number of at least 0, got -1"),
        ({"eps": np.inf}, ValueError, "batch_norm: eps must be a finite number of at least 0, got inf"),
        ({"running_var": read_only(1.0, 1.0)}, ValueError, "batch_norm: running_var is read-only"),
        ({"running_mean": read_only(0.0, 0.0)}, ValueError, "batch_norm: running_mean is read-only"),
        ({"running_var": np.ones(2, int)}, TypeError, "batch_norm: running_var must be .* floats, got an array of int64"),
        ({"running_var": [1.0, 1.0]}, TypeError, "batch_norm: running_var must be .* floats, got list"),
    ],
)
def test_bad_arguments_of_batch_norm_leave_the_running_statistics(wrong, error, message):
    arguments = {"running_mean": np.zeros(2), "running_var": np.ones(2)} | wrong
    with pytest.raises(error, match=message):
        F.batch_norm(np.array([[1.0, 2.0], [5.0, 9.0]]), **arguments, training=True)
    assert np.array_equal(arguments["running_mean"], [0, 0])
    assert np.array_equal(arguments["running_var"], [1, 1])


def test_a_negative_running_variance_is_named():
    with pytest.raises(ValueError, match=r"batch_norm: running_var must not be negative, got -1.0 in channel 1"):
        F.batch_norm(np.zeros((3, 2)), np.zeros(2), np.array([1.0, -1.0]))


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_running_statistics_of_the_wrong_shape_are_named_in_evaluation(name):
    buffers = {"running_mean": np.zeros(2), "running_var": np.ones(2)} | {name: np.ones(3)}
    with pytest.raises(ValueError, match=rf"batch_norm.*{name}.*\(3,\)"):
        F.batch_norm(np.zeros((3, 2)), **buffers)


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda: F.linear(np.ones((0, 3)), np.ones((4, 3)), np.zeros(4)), (0, 4)),
        (lambda: F.linear(np.ones((2, 0)), np.ones((4, 0)), np.zeros(4)), (2, 4)),
        (lambda: F.matmul(np.ones((2, 0)), np.ones((0, 3))), (2, 3)),
        (lambda: F.softmax(np.ones((0, 3))), (0, 3)),
        (lambda: F.softmax(np.ones((2, 0))), (2, 0)),
        (lambda: F.softmax([]), (0,)),
        (lambda: F.log_softmax(np.ones((0, 3)), 0), (0, 3)),
        (lambda: F.log_softmax([]), (0,)),
        (lambda: F.cross_entropy(np.ones((0, 3)), [], reduction="none"), (0,)),
        (lambda: F.mse_loss(np.ones((0, 3)), np.ones((0, 3)), "sum"), ()),
        (lambda: F.concatenate([np.ones((0, 3)), np.ones((2, 3))]), (2, 3)),
    ],
)
def test_empty_arrays_are_arrays_too(call, shape):
    assert call().shape == shape


def test_a_call_keeps_its_own_copy_of_labels_and_indices():
    labels, places = np.array([0, 1]), np.array([0, 0])
    x = Tensor(np.zeros((2, 2)), requires_grad=True)
    loss, picked = F.cross_entropy(x, labels, reduction="sum"), x[places]
    labels[:], places[:] = 0, 1
    loss.backward()
    np.testing.assert_array_equal(x.grad, [[-0.5, 0.5], [0.5, -0.5]])
    x.grad = None
    picked.sum().backward()
    np.testing.assert_array_equal(x.grad, [[2.0, 2.0], [0.0, 0.0]])


def test_elu_and_selu_keep_their_gradient_far_below_zero():
    """dy/dx = alpha e^x for elu, scale alpha e^x for selu (1.7580993 e^x): no cancellation."""
    for operation, factor in ((F.elu, 1.0), (F.selu, 1.7580993408473766)):
        x = Tensor(np.array([-10.0, -20.0, -40.0], np.float32), requires_grad=True)
        operation(x).sum().backward()
        assert x.grad == pytest.approx(factor * np.exp([-10.0, -20.0, -40.0]), rel=1e-6)


@pytest.mark.parametrize("dims", [(0, 2), (-3, 0), ((0, 5),)])
def test_an_axis_that_is_not_there_is_named(dims):
    with pytest.raises(ValueError, match=r"transpose: there is no axis -?\d in shape \(2, 3\)"):
        F.transpose(np.zeros((2, 3)), *dims)


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "div", "pow"])
def test_shapes_that_do_not_broadcast_are_named_with_the_operation(operation):
    x, y = Tensor(np.ones((2, 3)), requires_grad=True), np.ones((2, 4))
    with pytest.raises(ValueError, match=rf"{operation}: shapes \(2, 3\) and \(2, 4\) don't fit"):
        getattr(F, operation)(x, y)
    with pytest.raises(ValueError, match=rf"{operation}: shapes \(2, 4\) and \(2, 3\) don't fit"):
        getattr(F, operation)(y, x)
