"""What PyTorch users write without thinking: expressions that mean here what they mean in PyTorch 2.13.

Their values and gradients stand in recorded/expressions.json (written by recorded/record_expressions.py). Besides: what has no
gradient there, and what is an error.
"""

import copy
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

import minidl
import minidl.functional as F
from minidl import Tensor, gradcheck, nn

RECORDED = json.loads((Path(__file__).parent / "recorded" / "expressions.json").read_text())["cases"]
WEIGHTS = {"w3": np.array([0.5, 2.0, 1.0]), "w4": np.array([0.5, 2.0, 1.0, 0.25])}
NAMES = (
    WEIGHTS
    | {"f": F, "torch": minidl}
    | {name: getattr(F, name) for name in ("maximum", "minimum", "where", "max", "min", "norm")}
)
X = np.array([[0.5, -1.5, 2.0], [-1.0, 0.25, -3.0]])
MASKED = np.ma.masked_array([0, 1, 1], [False, True, False])


def evaluate(expression, inputs):
    return eval(expression.strip(), NAMES, inputs)


def inputs_of(case):
    arrays = {name: np.array(numbers) for name, numbers in case["inputs"].items()}
    return {name: Tensor(a, requires_grad=True) if a.dtype.kind == "f" else a for name, a in arrays.items()}


# Each is a few roundings of 2^-53.
@pytest.mark.parametrize("expression", RECORDED)
def test_values_and_gradients_are_pytorchs(expression):
    case = RECORDED[expression]
    inputs = inputs_of(case)
    output = evaluate(expression, inputs)
    np.testing.assert_allclose(output.data, np.array(case["output"]), 1e-13, 1e-14, strict=True)
    output.backward(np.array(case["upstream"]))
    for name, expected in case["gradients"].items():
        np.testing.assert_allclose(inputs[name].grad, np.array(expected), 1e-13, 1e-14, err_msg=name, strict=True)


KINKED = (
    "max",
    "min",
    "x.max",
    "x.min",
    "x.amax",
    "x.amin",
    "f.l1",
    "f.huber",
    "f.binary",
    "(x * 0)",
    "where",
    "x.norm(1",
    "x.norm(f",
)


@pytest.mark.parametrize("expression", [text for text in RECORDED if not text.startswith(KINKED)])
def test_gradients_are_difference_quotients(expression):
    inputs = inputs_of(RECORDED[expression])
    names = [name for name, value in inputs.items() if isinstance(value, Tensor) and value.requires_grad]
    if "q" in names:  # a probability cannot be moved beyond 0 and 1
        inputs["q"] = Tensor(inputs["q"].data * 0.8 + 0.05, requires_grad=True)

    def call(*tensors):
        return evaluate(expression, inputs | dict(zip(names, tensors, strict=True)))

    assert gradcheck(call, [inputs[name] for name in names])


def test_binary_cross_entropy_of_certain_predictions_is_finite():
    x, t = Tensor(np.array([0.0, 1.0, 0.0]), requires_grad=True), np.array([1.0, 0.0, 0.0])
    loss = F.binary_cross_entropy(x, t, reduction="none")
    np.testing.assert_array_equal(loss.data, [100, 100, 0])  # PyTorch's: no logarithm counts as less than -100
    loss.sum().backward()
    np.testing.assert_allclose(x.grad, [-1e12, 1e12, 0], rtol=1e-15)  # PyTorch's: (x - t) / max(x (1 - x), 1e-12)


@pytest.mark.parametrize("make", [F.maximum, F.minimum])
def test_equal_elements_share_the_gradient_and_infinite_ones_leave_the_other_at_0(make):
    x, y = (Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    make(x, y).sum().backward()
    assert x.grad.tolist() == y.grad.tolist() == [0.5, 0.5]
    make(x, Tensor([-5.0, 9.0])).backward([math.inf, math.inf])
    assert sorted(x.grad.tolist()) == [0.5, math.inf]


def test_max_along_an_axis_gives_values_and_indices_the_first_of_equals():
    values, indices = minidl.tensor([[3.0, 1.0, 3.0], [0.0, 5.0, 5.0]]).max(1)
    assert (values.tolist(), indices.tolist(), indices.dtype) == ([3.0, 5.0], [0, 1], np.int64)
    assert Tensor(X).min(0).indices.tolist() == [1, 0, 1]
    assert math.isnan(Tensor([1.0, math.nan]).max(0).values.item())
    with pytest.raises(TypeError, match=r"max gives \(values, indices\) along one axis, got dim=\(0, 1\).*write amax"):
        Tensor(X).max((0, 1))


def test_norms_of_large_and_small_float32_neither_overflow_nor_vanish():
    assert Tensor([3e30, 4e30]).norm().item() == pytest.approx(5e30, rel=1e-6)
    assert Tensor([3e-30, 4e-30]).norm().item() == pytest.approx(5e-30, rel=1e-6)
    x = Tensor([3.0, 4.0], requires_grad=True)
    x.norm().backward()
    np.testing.assert_allclose(x.grad, [0.6, 0.8], rtol=1e-7)


def test_logsumexp_of_infinite_and_huge_values():
    x = Tensor(np.array([[-math.inf, -math.inf], [1000.0, 1000.0], [-math.inf, 2.0]]), requires_grad=True)
    y = x.logsumexp(1)
    np.testing.assert_allclose(y.data, [-math.inf, 1000 + math.log(2), 2.0])
    y.sum().backward()
    np.testing.assert_allclose(x.grad, [[0, 0], [0.5, 0.5], [0, 1]], rtol=1e-15)


def test_a_sample_that_is_ignored_may_be_infinite_and_gets_no_gradient():
    x = Tensor(np.array([[math.inf, 0.0], [0.0, 0.0]]), requires_grad=True)
    loss = F.nll_loss(x, [-100, 1])
    loss.backward()
    assert (loss.item(), x.grad.tolist()) == (0, [[0, 0], [0, -1]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.cross_entropy(X, [0, 1], "sum"), TypeError, "third argument is weight; write reduction='sum'"),
        (lambda: nn.NLLLoss("sum"), TypeError, "NLLLoss: the first argument is weight; write reduction='sum'"),
        (lambda: F.cross_entropy(X, [0, 1], [1.0, 2.0]), ValueError, "weight must be 3 finite numbers"),
        (lambda: F.cross_entropy(X, [0, 1], [1.0, 2.0, -1.0]), ValueError, "weight must be 3 finite numbers"),
        (lambda: F.cross_entropy(X, [0, 1], label_smoothing=1.5), ValueError, "label_smoothing.*1.5"),
        (lambda: F.cross_entropy(X, [-100, -100]), ValueError, "empty batch"),
        (lambda: F.cross_entropy(X, [0, 3], [1.0, 1.0, 1.0]), ValueError, "from 0 to 2, or -100 to ignore, got 3"),
        (lambda: F.nll_loss(X, X * 0 + 0.5), TypeError, "class numbers.*probabilities"),
        (lambda: F.huber_loss(X, X, delta=0), ValueError, "delta.*above 0, got 0"),
        (lambda: F.binary_cross_entropy(X, X), ValueError, "input from 0 to 1, got values from -3.0 to 2.0"),
        (lambda: F.where(X, X, X), TypeError, "condition must be booleans"),
        (lambda: F.where(X > 0, X, np.zeros((2, 2))), ValueError, "where: shapes"),
        (lambda: F.norm(X, 0), ValueError, "p must be a number above 0"),
        (lambda: F.pad(X, (1,)), ValueError, r"two integers for each of the last axes of shape \(2, 3\)"),
        (lambda: F.pad(X, (-2, -2)), ValueError, "takes away more than there is"),
        (lambda: F.pad(X, (9, -9)), ValueError, "takes away more than there is"),
        (lambda: F.pad(X, (-6, 6)), ValueError, "takes away more than there is"),
        (lambda: F.pad(X, (1, 1), mode="reflect"), ValueError, "'constant', got 'reflect'"),
        (lambda: F.split(X, [1, 1], 1), ValueError, r"lengths \[1, 1\] don't make up axis 1"),
        (lambda: F.split(X, 0), ValueError, "at least one element"),
        (lambda: F.one_hot([0, 3], 3), ValueError, "from 0 to 2, got from 0 to 3"),
        (lambda: F.one_hot([0.0]), TypeError, "integers, got float64"),
        (lambda: F.one_hot([0, 1], 2.5), ValueError, "one_hot: num_classes must be.*got 2.5"),
        (lambda: F.one_hot(np.zeros(0, int), -2), ValueError, "one_hot: num_classes must be.*got -2"),
        (lambda: F.one_hot(MASKED), TypeError, "mask of a masked array would get lost"),
        (lambda: F.where(MASKED > 0, X, X), TypeError, "mask of a masked array would get lost"),
        (lambda: F.embedding(MASKED, X), TypeError, "mask of a masked array would get lost"),
        (lambda: F.embedding([0], X, 2), IndexError, r"padding_idx is 2, and there is no such row.*\(2, 3\)"),
        (lambda: F.nll_loss(X, [0, 1], reduction="average"), ValueError, "'mean', 'sum' or 'none', got 'average'"),
        (lambda: F.cumsum(X, None), TypeError, "None"),
        (lambda: F.flatten(X, 1, 0), ValueError, "start_dim 1 comes after end_dim 0"),
        (lambda: Tensor(X[None]).t(), ValueError, r"of matrices, got shape \(1, 2, 3\)"),
        (lambda: (Tensor(X, requires_grad=True) * 2).requires_grad_(False), RuntimeError, "that mul made"),
        (lambda: minidl.tensor([1, 2], requires_grad=True), RuntimeError, "int64 has no gradient"),
        (lambda: minidl.tensor(["a"]), TypeError, "floats|float32"),
        (lambda: Tensor(X).retain_grad(), RuntimeError, "requires no gradient"),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_so(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_tensors_of_integers_serve_as_labels_and_indices():
    labels = minidl.tensor([2, 0])
    assert labels.dtype == np.int64
    assert F.cross_entropy(X, labels).item() == F.cross_entropy(X, [2, 0]).item()
    assert Tensor(X)[labels[1]].tolist() == X[0].tolist()
    assert minidl.tensor([True]).dtype == bool
    assert minidl.tensor(np.zeros(2)).dtype == np.float64
    assert minidl.tensor([1.0], dtype=np.float64).dtype == np.float64


# In PyTorch 2.13 the same, but that an array is a tensor there.
@pytest.mark.parametrize(
    ("expression", "values", "dtype"),
    [
        ("x + 1", [16777218, 3], np.int64),
        ("5 - x", [-16777212, 3], np.int64),
        ("x * np.array([2, 3])", [33554434, 6], np.int64),
        ("x**2", [281475010265089, 4], np.int64),
        ("x.cumsum(0)", [16777217, 16777219], np.int64),
        ("where(x > 2, x, -100)", [16777217, -100], np.int64),
        ("maximum(x, 3)", [16777217, 3], np.int64),
        ("x / 2", [8388608.5, 1], np.float32),
        ("x / x", [1, 1], np.float32),
        ("x * 0.5", [8388608.5, 1], np.float32),
        ("x.sqrt()", [4096, math.sqrt(2)], np.float32),
    ],
)
def test_integers_stay_integers_where_nothing_makes_them_floats(expression, values, dtype):
    y = eval(expression, NAMES | {"x": minidl.tensor([2**24 + 1, 2]), "np": np})
    np.testing.assert_array_equal(y.data, np.array(values, dtype), strict=True)


# As in PyTorch, where a number has one axis, 0 or -1.
@pytest.mark.parametrize("dim", [0, -1])
@pytest.mark.parametrize(
    ("operation", "value", "gradient"),
    [
        ("sum", -2, 1),
        ("mean", -2, 1),
        ("amax", -2, 1),
        ("amin", -2, 1),
        ("logsumexp", -2, 1),
        ("cumsum", -2, 1),
        ("squeeze", -2, 1),
        ("softmax", 1, 0),
        ("norm", 2, -1),
        ("max", -2, 1),
        ("min", -2, 1),
    ],
)
def test_a_number_is_reduced_along_its_axis(operation, value, gradient, dim):
    x = Tensor(np.array(-2.0), requires_grad=True)
    y = getattr(F, operation)(x, dim=dim)
    if isinstance(y, tuple):
        y, index = y
        assert (index.shape, index.item()) == ((), 0)
    y.backward()
    assert (y.shape, y.item(), x.grad.shape, x.grad.item()) == ((), value, (), gradient)


def test_a_vector_is_permuted_by_its_only_axis():
    assert Tensor([1.0, 2.0]).permute(0).tolist() == Tensor([1.0, 2.0]).permute((-1,)).tolist() == [1, 2]


def test_small_norms_have_no_gradient_at_0():
    x = Tensor([0.0, 4.0], requires_grad=True)
    x.norm(0.5).backward()  # (sqrt |x_0| + sqrt |x_1|)^2, of which PyTorch takes 0 for the slope at x_0 = 0
    assert x.grad.tolist() == [0, 1]


def test_what_is_no_number_is_none_in_the_gradients_of_norm_and_logsumexp():
    for operation in (F.norm, F.logsumexp):
        x = Tensor([math.nan, 1.0], requires_grad=True)
        operation(x).backward()
        assert np.isnan(x.grad).all()


def test_a_condition_may_change_before_backward():
    condition, x = np.array([True, False]), Tensor([1.0, 2.0], requires_grad=True)
    y = F.where(condition, x, 0.0).sum()
    condition[:] = [False, True]
    y.backward()
    assert x.grad.tolist() == [1, 0]


def test_an_input_of_nll_loss_that_has_got_another_shape_is_an_error_that_says_so():
    x = Tensor(X, requires_grad=True)
    loss = F.nll_loss(x, [0, 1])
    x.data = np.zeros((4, 5))
    with pytest.raises(RuntimeError, match="through nll_loss: one of its inputs has been given data of another shape"):
        loss.backward()


def test_an_embedding_without_features_has_an_empty_gradient():
    weight = Tensor(np.zeros((3, 0)), requires_grad=True)
    F.embedding([[0, 2]], weight).sum().backward()
    assert weight.grad.shape == (3, 0)


def test_a_tensor_of_numbers_in_the_other_byte_order_has_their_values():
    assert minidl.tensor(np.array([1 / 3], ">f8")).tolist() == [1 / 3]
    assert minidl.tensor(np.array([3], ">i4")).dtype == np.dtype("=i4")


def test_a_new_tensor_has_memory_of_its_own():
    array = np.ones(2)
    t = minidl.tensor(array)
    array[0] = 5
    assert t.tolist() == [1, 1]


def test_tensors_of_random_numbers_are_the_generators():
    minidl.manual_seed(3)
    expected = minidl.random.Generator(3).normal((2, 3))
    np.testing.assert_array_equal(minidl.randn(2, 3).data, expected)
    np.testing.assert_array_equal(minidl.rand((4,), rng=5).data, minidl.random.Generator(5).uniform((4,)))


def test_the_size_is_a_number_and_called_the_shape():
    t = Tensor(np.zeros((2, 3)))
    assert (t.size, t.size(), t.size(1), t.numel(), t.dim()) == (6, (2, 3), 3, 6, 2)
    for size in (copy.deepcopy(t.size), pickle.loads(pickle.dumps(t.size))):
        assert (size, size()) == (6, (2, 3))


def test_a_loss_is_formatted_like_a_number():
    assert f"{Tensor(0.12345):.3f}" == "0.123"


def test_a_gradient_that_is_retained_is_that_of_the_tensor_between():
    x = Tensor([1.0, 2.0], requires_grad=True)
    h = x * 3
    h.retain_grad()
    assert (x.is_leaf, h.is_leaf, Tensor(X).is_leaf) == (True, False, True)
    y = (h * h).sum()
    y.retain_grad()
    y.backward(retain_graph=True)
    assert (h.grad.tolist(), y.grad.item(), x.grad.tolist()) == ([6, 12], 1, [18, 36])  # 2 h, 1, 3 2 h
    y.backward()
    assert (h.grad.tolist(), x.grad.tolist()) == ([12, 24], [36, 72])


def test_clone_copies_and_passes_gradients_on():
    x = Tensor([1.0], requires_grad=True)
    y = x.clone()
    assert not np.shares_memory(x.data, y.data)
    (y * 2).backward()
    assert x.grad.tolist() == [2]


def test_a_slice_of_sequential_is_a_sequential_of_the_same_modules():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    part = model[1:3]
    assert isinstance(part, nn.Sequential)
    assert list(part) == [model[1], model[2]]
    assert list(part.state_dict()) == ["2.weight", "2.bias"]  # as in PyTorch, under the same names
    model.load_state_dict(part.state_dict(), strict=False)


def test_a_slice_may_have_layers_from_a_list():
    class Blocks(nn.Sequential):
        pass

    model = Blocks()
    model.blocks = [nn.Tanh(), nn.ReLU()]
    assert list(model[:1]) == [model.blocks[0]]


def test_zero_grad_can_leave_zeros():
    layer = nn.Linear(3, 1, dtype=np.float64)
    layer(X).sum().backward()
    layer.bias.grad = None
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0, 0, 0]]
    assert layer.bias.grad is None
    layer.zero_grad()
    assert layer.weight.grad is None


def test_load_state_dict_says_which_names_only_one_side_had():
    layer = nn.Linear(2, 1)
    missing, unexpected = layer.load_state_dict({"bias": [1.0], "scale": [2.0]}, strict=False)
    assert (missing, unexpected, layer.bias.tolist()) == (["weight"], ["scale"], [1.0])
