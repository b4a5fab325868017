"""The sentence that a wrong gradient gets: a table of wrong backwards of the operations of a course, one mistake in each."""

import re

import numpy as np
import pytest

from minidl import Tensor, gradcheck
from minidl.tensor import record

BATCH = 5


def leaf(*shape, seed=0, least=None):
    values = np.random.default_rng(seed).normal(size=shape)
    return Tensor(values if least is None else least + np.abs(values), requires_grad=True)


def operation(forward, backward):
    """An operation of arrays, for gradcheck: `backward(dy, y, *inputs)` returns what it returns."""

    def made(*inputs):
        arrays = [t.data for t in inputs]
        y = np.asarray(forward(*arrays))
        return record(y, inputs, lambda dy: backward(dy, y, *arrays), saved=inputs)

    return made


def said_of(forward, backward, *inputs):
    with pytest.raises((AssertionError, RuntimeError, TypeError, ValueError)) as caught:
        gradcheck(operation(forward, backward), inputs)
    return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


def elementwise(forward, derivative, sentence, x=None, name=""):
    x = leaf(BATCH, 3) if x is None else x
    return pytest.param(forward, lambda dy, y, x: (derivative(dy, x, y),), (x,), sentence, id=name)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def in_place(dy, x, y):
    dy *= 1 - y * y
    return dy


POSITIVE, SQUARE = leaf(BATCH, 3, least=0.5), leaf(4, 4)
TANH = [
    elementwise(np.tanh, lambda dy, x, y: 1 - y * y, "dy is not used", name="dy forgotten"),
    elementwise(
        np.tanh, lambda dy, x, y: dy * (1 - x * x), r"this is dy \* \(1 - x\*\*2\); with y in the place of x", name="x"
    ),
    elementwise(np.tanh, lambda dy, x, y: dy * (1 - np.tanh(y) ** 2), r"this is dy \* \(1 - tanh\(y\)\*\*2\)", name="twice"),
    elementwise(np.tanh, lambda dy, x, y: dy * y * (1 - y), r"this is dy \* \(y \* \(1 - y\)\)", name="the sigmoid's"),
    elementwise(np.tanh, lambda dy, x, y: dy * (1 - y), r"this is dy \* \(1 - y\)", name="no square"),
    elementwise(np.tanh, lambda dy, x, y: dy * (y * y - 1), "exactly the negative", name="sign"),
    elementwise(np.tanh, lambda dy, x, y: dy * y, r"this is dy \* y", name="y alone"),
    elementwise(np.tanh, lambda dy, x, y: dy, "this is dy$", name="dy alone"),
    elementwise(np.tanh, lambda dy, x, y: 2 * dy * (1 - y * y), "exactly 2 times .* a factor 2 too many", name="2 too many"),
    elementwise(
        np.tanh,
        lambda dy, x, y: dy * (1 - y * y) / len(x),
        "exactly 1/5 of .* 5 is the length of axis 0, the batch",
        name="divided by the batch",
    ),
    elementwise(
        np.tanh,
        lambda dy, x, y: -0.3 * dy * (1 - y * y),
        "3/10 of what is right in every element, with the wrong sign",
        name="a number",
    ),
    elementwise(np.tanh, lambda dy, x, y: (dy * (1 - y * y)).T, "this is the transpose", SQUARE, name="transposed"),
    elementwise(np.tanh, lambda dy, x, y: (dy * (1 - y * y)).T, "it is transposed", name="transposed, another shape"),
    elementwise(np.tanh, lambda dy, x, y: (dy * (1 - y * y)).sum(0), "axis 0 is missing: is it summed", name="summed"),
    elementwise(
        np.tanh,
        lambda dy, x, y: np.tile((dy * (1 - y * y)).sum(0), (BATCH, 1)),
        "the sum of what is right over axis 0",
        name="summed, and broadcast",
    ),
    elementwise(
        np.tanh,
        lambda dy, x, y: np.tile((dy * (1 - y * y)).mean(0), (BATCH, 1)),
        "the mean of what is right over axis 0",
        name="mean, and broadcast",
    ),
    elementwise(np.tanh, in_place, "changes the gradient that it is given", name="dy changed in place"),
    elementwise(np.tanh, lambda dy, x, y: None, "the gradient is zero", name="None"),
    elementwise(
        np.tanh, lambda dy, x, y: Tensor(dy * (1 - y * y)), "a gradient that is a Tensor, not an array", name="a tensor"
    ),
    elementwise(np.tanh, lambda dy, x, y: dy * np.where(x > 0, 1 - y * y, 1.0), "wrong only where x < 0", name="where x > 0"),
    elementwise(np.tanh, lambda dy, x, y: dy * np.where(x > 0, 1.0, np.nan), "elements are NaN or infinite", name="NaN"),
    pytest.param(np.tanh, lambda dy, y, x: None, (leaf(2, 3),), r"returned nothing: write `return \(dx,\)`", id="no return"),
    pytest.param(
        np.tanh, lambda dy, y, x: dy * (1 - y * y), (leaf(2, 3),), r"gave a ndarray; .*: return \(dx,\)", id="no tuple"
    ),
    pytest.param(np.tanh, lambda dy, y, x: (dy, dy), (leaf(2, 3),), "gave 2 gradients for 1 inputs; return one", id="two"),
]
OTHERS = [
    elementwise(lambda x: np.maximum(x, 0), lambda dy, x, y: dy, "wrong only where x < 0|this is dy$", name="relu: dy"),
    elementwise(lambda x: np.maximum(x, 0), lambda dy, x, y: dy * y, "a factor input itself .* too many", name="relu: y"),
    elementwise(lambda x: np.maximum(x, 0), lambda dy, x, y: dy * (x < 0), r"this is dy \* \(x < 0\)", name="relu: x < 0"),
    elementwise(sigmoid, lambda dy, x, y: dy * x * (1 - x), r"\(x \* \(1 - x\)\); with y in the place of x", name="sigmoid: x"),
    elementwise(sigmoid, lambda dy, x, y: dy * (1 - y * y), r"this is dy \* \(1 - y\*\*2\)", name="sigmoid: that of tanh"),
    elementwise(np.square, lambda dy, x, y: dy * x, "exactly 1/2 of .* is a factor 2 missing", name="square: 2"),
    elementwise(np.square, lambda dy, x, y: 2 * dy, r"the factor input itself \(x\) is missing", name="square: x"),
    elementwise(np.log, lambda dy, x, y: dy * x, "should be divided by input itself", POSITIVE, name="log"),
    elementwise(np.sqrt, lambda dy, x, y: dy / y, "exactly 2 times", POSITIVE, name="sqrt: 2"),
    elementwise(np.exp, lambda dy, x, y: dy * x, r"this is dy \* x; with y in the place of x it would be right", name="exp: x"),
    elementwise(np.sin, lambda dy, x, y: -dy * np.cos(x), "exactly the negative", name="sin"),
    elementwise(np.mean, lambda dy, x, y: np.full(x.shape, dy), "exactly 15 times .* 15 is the number of", name="mean"),
    elementwise(
        lambda x: x.mean(0),
        lambda dy, x, y: np.tile(dy, (BATCH, 1)),
        "exactly 5 times .* a sum where a mean belongs",
        name="mean over the batch",
    ),
    pytest.param(
        np.multiply,
        lambda dy, y, a, b: (dy * a, dy * b),
        (leaf(3), leaf(3, seed=1)),
        "input 0, .* this is the gradient of input 1",
        id="product: changed places",
    ),
    pytest.param(
        np.divide,
        lambda dy, y, a, b: (dy / b, dy * a / b**2),
        (leaf(3), leaf(3, seed=1, least=1)),
        "input 1, .* exactly the negative",
        id="quotient: sign",
    ),
    pytest.param(
        np.divide,
        lambda dy, y, a, b: (dy / b, -dy * a / b),
        (leaf(3), leaf(3, seed=1, least=1)),
        r"input 1, .* there is a factor input itself \(x\) too many",
        id="quotient: square",
    ),
    pytest.param(np.add, lambda dy, y, a, b: (dy, dy), (leaf(BATCH, 3), leaf(3)), "sum over axis 0", id="sum: not summed"),
    pytest.param(
        np.add,
        lambda dy, y, a, b: (dy, dy),
        (leaf(BATCH, 3), leaf(BATCH, 1)),
        "sum over the axes where it has length",
        id="sum: not summed, axis 1",
    ),
]


def linear(x, w, b):
    return x @ w.T + b


def of_linear(backward, sentence, name, features=(4, 3)):
    inputs = leaf(BATCH, features[0]), leaf(features[1], features[0], seed=1), leaf(features[1], seed=2)
    return pytest.param(linear, lambda dy, y, x, w, b: backward(dy, x, w), inputs, sentence, id=f"linear: {name}")


LINEAR = [
    of_linear(lambda dy, x, w: (dy @ w, x.T @ dy, dy.sum(0)), r"for an input of shape \(3, 4\); it is transposed", "dW"),
    of_linear(lambda dy, x, w: (dy @ w, x.T @ dy, dy.sum(0)), "input 1, .* this is the transpose", "dW, square", (4, 4)),
    of_linear(lambda dy, x, w: (dy @ w.T, dy.T @ x, dy.sum(0)), r"input 0, .* dy @ \(input 1\)\.T", "dx, square", (4, 4)),
    of_linear(lambda dy, x, w: (dy @ w.T, dy.T @ x, dy.sum(0)), r"raised in backward of .*, given dy of shape \(5, 3\)", "dx"),
    of_linear(lambda dy, x, w: (dy @ w, dy.T @ x / len(x), dy.sum(0)), "input 1, .* exactly 1/5 of .* the batch", "dW / batch"),
    of_linear(lambda dy, x, w: (dy @ w, dy.T @ x, dy.mean(0)), "input 2, .* exactly 1/5 of .* the batch", "db: mean"),
    of_linear(lambda dy, x, w: (dy @ w, dy.T @ x, dy), r"shape \(5, 3\) .*; .* so sum over axis 0", "db: not summed"),
    of_linear(
        lambda dy, x, w: (dy @ w, dy.T @ x, dy.sum(0, keepdims=True)),
        r"shape \(1, 3\) .*; axis 0, of length 1, is too many: sum over it, without keepdims=True",
        "db: keepdims",
    ),
    of_linear(lambda dy, x, w: (dy @ w, dy.T @ x, dy[0]), "input 2, .* only sample 0 of 5 counts", "db: first"),
    of_linear(lambda dy, x, w: (dy @ w, dy.T @ x, dy.sum(1)), r"shape \(5,\) for an input of shape \(3,\)", "db: other axis"),
    of_linear(lambda dy, x, w: (dy @ w, np.outer(dy[-1], x[-1]), dy.sum(0)), "only sample 4 of 5 counts", "dW: last"),
    of_linear(lambda dy, x, w: (dy.T @ x, dy @ w, dy.sum(0)), "in the order of the inputs", "order"),
    of_linear(
        lambda dy, x, w: (dy.T @ x, dy @ w, dy.sum(0)),
        "input 0, .* this is the gradient of input 1",
        "order, square",
        (BATCH, BATCH),
    ),
    of_linear(lambda dy, x, w: (dy @ w, dy.T @ x), "gave 2 gradients for 3 inputs; return one, or None, for each", "no db"),
    of_linear(lambda dy, x, w: (None, dy.T @ x, dy.sum(0)), "input 0, .* the gradient is zero", "no dx"),
    of_linear(lambda dy, x, w: (w[:1] * np.ones((len(x), 1)), dy.T @ x, dy.sum(0)), "dy is not used", "dx: no dy"),
]


def normalized(x, axis=0):
    return (x - x.mean(axis, keepdims=True)) / x.std(axis, keepdims=True)


def of_batch_norm(dx, sentence, name, dweight=None, dbias=None):
    def backward(dy, y, x, weight, bias):
        h = normalized(x)
        return (
            dx(dy * weight, h, 1 / x.std(0), weight, dy),
            (dy * h).sum(0) if dweight is None else dweight(dy, h),
            dy.sum(0) if dbias is None else dbias(dy),
        )

    inputs = leaf(6, 3), leaf(3, seed=1, least=1), leaf(3, seed=2)
    return pytest.param(lambda x, w, b: w * normalized(x) + b, backward, inputs, sentence, id=f"batch norm: {name}")


def right(dh, h, s, *_):
    return s * (dh - dh.mean(0) - h * (dh * h).mean(0))


BATCH_NORM = [
    of_batch_norm(lambda dh, h, s, *_: s * dh, "the paths through the mean and the variance over axis 0", "constants"),
    of_batch_norm(lambda dh, h, s, *_: s * (dh - dh.mean(0)), "the path through the variance over axis 0", "mean alone"),
    of_batch_norm(lambda dh, h, s, *_: s * (dh - h * (dh * h).mean(0)), "through the mean over axis 0", "variance alone"),
    of_batch_norm(lambda dh, h, s, *_: s * (dh - dh.sum(0) - h * (dh * h).sum(0)), "mean and the variance over axis 0", "sums"),
    of_batch_norm(
        lambda dh, h, s, *_: s * (dh - dh.mean(0) - h * (dh * h).sum(0) / 5), "the path through the variance", "n - 1"
    ),
    of_batch_norm(lambda dh, h, s, w, dy: right(dy, h, s), "the factor input 1 is missing", "weight forgotten"),
    of_batch_norm(lambda dh, h, s, w, dy: right(dh * w, h, s), "there is a factor input 1 too many", "weight twice"),
    of_batch_norm(
        lambda dh, h, s, *_: s * (dh - dh.mean(1, keepdims=True) - h * (dh * h).mean(1, keepdims=True)),
        "along axis 0 .* the gradient must add up to 0",
        "axis 1",
    ),
    of_batch_norm(
        lambda dh, h, s, *_: right(dh, h, 1), "along axis 0 everything is off by one factor", "no 1 / sqrt(variance)"
    ),
    of_batch_norm(right, "sum over axis 0.*; or, if .* in the order of", "dweight not summed", dweight=lambda dy, h: dy * h),
    of_batch_norm(
        right,
        r"input 1, .* this is the sum of dy \* \(input 0\) over axis 0",
        "dweight with x",
        dweight=lambda dy, h: (dy * leaf(6, 3).data).sum(0),
    ),
    of_batch_norm(right, "input 1, .* this is the gradient of input 2", "dweight: no h", dweight=lambda dy, h: dy.sum(0)),
    of_batch_norm(right, "input 2, .* exactly 1/6 of", "dbias: mean", dbias=lambda dy: dy.mean(0)),
]

LABELS = np.eye(3)[[0, 2, 1, 1]]


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def of_cross_entropy(derivative, sentence, name):
    def forward(x):
        return -(LABELS * np.log(softmax(x))).sum(1).mean()

    return pytest.param(
        forward, lambda dy, y, x: (derivative(dy, softmax(x)),), (leaf(4, 3),), sentence, id=f"cross-entropy: {name}"
    )


def of_softmax(derivative, sentence, name):
    return pytest.param(softmax, lambda dy, y, x: (derivative(dy, y),), (leaf(4, 3),), sentence, id=f"softmax: {name}")


LOSSES = [
    of_cross_entropy(
        lambda dy, p: dy * (p - LABELS), "exactly 4 times .* 4 is the length of axis 0, the batch", "no 1 / batch"
    ),
    of_cross_entropy(lambda dy, p: dy * (p - LABELS) / 16, "exactly 1/4 .* once too often", "1 / batch twice"),
    of_cross_entropy(lambda dy, p: dy * (p - LABELS) / 12, "exactly 1/3 .* 3 is the length of axis 1", "mean over classes"),
    of_cross_entropy(lambda dy, p: dy * (LABELS - p) / 4, "exactly the negative", "sign"),
    of_cross_entropy(lambda dy, p: (p - LABELS) / 4, "dy is not used", "dy"),
    of_cross_entropy(lambda dy, p: dy * p / 4, "x \\+ 1 along axis 1 would give the same y", "p alone"),
    of_cross_entropy(lambda dy, p: np.tile((dy * (p - LABELS) / 4).mean(0), (4, 1)), "the mean of what is right", "averaged"),
    of_softmax(lambda dy, y: dy * y, "along axis 1 would give the same y", "diagonal"),
    of_softmax(lambda dy, y: dy * y * (1 - y), "along axis 1 would give the same y", "sigmoid's"),
    of_softmax(lambda dy, y: y * (dy - (dy * y).sum()), "the sum over|along axis 1 would give the same y", "sum over all"),
    of_softmax(lambda dy, y: dy - (dy * y).sum(1, keepdims=True), r"the factor result \(y\) is missing", "y"),
]


@pytest.mark.parametrize(("forward", "backward", "inputs", "sentence"), TANH + OTHERS + LINEAR + BATCH_NORM + LOSSES)
def test_each_wrong_backward_gets_its_sentence(forward, backward, inputs, sentence):
    said = said_of(forward, backward, *inputs)
    assert re.search(sentence, said), said


@pytest.mark.parametrize("operands", [(BATCH, 3), (1, 1), (1, 4), (7, 1)])
def test_right_gradients_of_any_shape_pass(operands):
    n, m = operands
    assert gradcheck(operation(linear, lambda dy, y, x, w, b: (dy @ w, dy.T @ x, dy.sum(0))), [leaf(n, m), leaf(2, m), leaf(2)])
    assert gradcheck(operation(np.tanh, lambda dy, y, x: (dy * (1 - y * y),)), leaf(n, m))


def test_an_operation_that_ignores_dy_and_is_right_for_ones_is_told_so():
    said = said_of(np.tanh, lambda dy, y, x: (1 - y * y,), leaf(2, 3))
    assert "It is right where dy is 1 everywhere, and there only" in said


def test_a_mistake_that_is_not_known_is_told_by_the_numbers_alone():
    noise = np.random.default_rng(3).normal(size=(2, 3))
    said = said_of(np.tanh, lambda dy, y, x: (dy * (1 - y * y) + noise * dy**2,), leaf(2, 3))
    assert re.fullmatch(r"gradcheck: \S+, input 0, index \(0, 0\): backward says \S+, finite differences say \S+", said)


def test_of_large_inputs_the_numbers_are_told_and_no_jacobian_is_made():
    def wrong(x):
        return record(x.data * 2, (x,), lambda dy: (dy * 3,))

    with pytest.raises(AssertionError, match=r"differences say \S+$"):
        gradcheck(wrong, leaf(2100))


@pytest.mark.parametrize(("forward", "backward"), [(np.square, lambda dy, y, x: (dy,)), (np.cos, lambda dy, y, x: (dy,))])
def test_an_extremum_of_a_smooth_function_is_no_kink(forward, backward):
    said = said_of(forward, backward, Tensor(np.zeros(3), requires_grad=True))
    assert said.endswith("finite differences say 0; this is dy")


def test_two_missing_factors_are_not_a_division():
    said = said_of(lambda x: x**3, lambda dy, y, x: (3 * dy,), leaf(BATCH, 3))
    assert re.search(r"the factor input itself \(x\), squared, is missing", said)


def test_a_factor_that_is_one_number_is_called_by_its_name():
    said = said_of(lambda x: np.sqrt((x * x).sum()), lambda dy, y, x: (dy * x,), leaf(BATCH, 3))  # dy x / y
    assert said.endswith("there is a factor result (y) too many")


@pytest.mark.parametrize("other", [np.array(["a"] * 3), np.array([None] * 3), np.zeros(3, [("a", int)]), 5, None])
def test_an_argument_that_is_no_array_of_numbers_is_left_out(other):
    def wrong(x, other):
        return record(x.data**2, (x,), lambda dy: (dy * np.sin(x.data),))

    with pytest.raises(AssertionError, match=r"this is dy \* \(sin\(x\)\)$"):
        gradcheck(wrong, (leaf(3), other))


def test_shapes_that_were_summed_too_far():
    assert "summed over the axes where it has length 1" in said_of(
        np.tanh, lambda dy, y, x: (dy.sum(0, keepdims=True),), leaf(BATCH, 3)
    )
    said = said_of(np.add, lambda dy, y, a, b: (dy, dy.sum(1)), leaf(BATCH, 3), leaf(BATCH, 1))
    assert "axis 1, of length 1, is missing: sum with keepdims=True" in said


@pytest.mark.parametrize(("result", "hint"), [(None, "without `return`"), (1.0, r"float\(\) and \.data lose the gradient")])
def test_what_is_not_a_tensor_is_refused(result, hint):
    with pytest.raises(TypeError, match=f"must return a Tensor, got {type(result).__name__}; .*{hint}"):
        gradcheck(lambda x: result, leaf(3))


def test_what_cannot_be_compared_is_refused():
    values = np.ones(3)
    shared = Tensor(values, requires_grad=True), Tensor(values[1:2], requires_grad=True)
    with pytest.raises(ValueError, match="inputs 0 and 1 share memory"):
        gradcheck(lambda x, y: x * y, shared)
    with pytest.raises(ValueError, match="input 0 is read-only"):
        gradcheck(lambda x: x * x, Tensor(np.broadcast_to(values, (2, 3)), requires_grad=True))
    with pytest.raises(ValueError, match="fn changes its input 0; compute a new array instead"):
        gradcheck(lambda x: record(np.subtract(x.data, 1, out=x.data), (x,), lambda dy: (dy,)), leaf(3))
    with pytest.raises(ValueError, match="fn gives NaN or infinity"):  # beside infinity any gradient would pass
        gradcheck(operation(lambda x: np.array([np.inf, x.sum()]), lambda dy, y, x: (dy[1] * 7 * x,)), leaf(3))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="something else when it is called again"):
        gradcheck(lambda x: x * rng.normal(size=3), leaf(3))


def test_paths_and_sums_are_missed_only_where_there_are_any():
    for axis, shift in enumerate([0.1, 0.1 * np.arange(3)]):
        inputs = leaf(BATCH, 3), leaf(4, 3)
        said = said_of(lambda x, w: x @ w.T, lambda dy, y, x, w, b=shift: (dy @ w + b, dy.T @ x), *inputs)
        assert "axis 0" not in said, axis  # of a linear layer, samples have nothing to do with each other
    said = said_of(np.tanh, lambda dy, y, x: (dy * (1 - y * y) + 0.1,), leaf(BATCH, 3))
    assert "path" not in said
    said = said_of(np.tanh, lambda dy, y, x: (dy * (1 - y * y) * (np.arange(BATCH) == 0)[:, None],), leaf(BATCH, 3))
    assert "sum over the batch" not in said


def test_a_difference_whose_sign_is_forgotten_is_no_other_order():
    said = said_of(np.subtract, lambda dy, y, a, b: (dy, dy), leaf(3), leaf(3, seed=1))
    assert re.search("input 1, .* exactly the negative", said)


@pytest.mark.parametrize(
    ("given", "expected", "sentence"),
    [
        ((2, 5, 3, 4), (3, 1), "if the input was broadcast, sum over the axes where it has length 1, or none"),
        ((4, 3, 2), (2, 3, 4), "is a reshape missing, or a transpose?"),
        ((12,), (3, 4), "is a reshape missing, or a transpose?"),
        ((2, 4), (3, 4), "an element for each element of the input"),
    ],
)
def test_a_gradient_of_another_shape(given, expected, sentence):
    assert sentence in said_of(np.tanh, lambda dy, y, x: (np.zeros(given),), leaf(*expected))
