"""gradcheck: True where backward is right, an error that says where and by how much otherwise; against operations made wrong on
purpose and derivatives worked out by hand."""

import contextlib
import re

import numpy as np
import pytest

import minidl.functional as F
from minidl import Tensor, gradcheck, nn
from minidl.tensor import enable_grad, record


def leaf(values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def square_without_the_2(x):
    def backward(dy):
        return (dy * x.data,)

    return record(x.data * x.data, (x,), backward, saved=(x,))


def product_with_a_wrong_element(x, y):
    def backward(dz):
        dy = dz * x.data
        dy[1, 0] += 0.5
        return dz * y.data, dy

    return record(x.data * y.data, (x, y), backward, saved=(x, y))


def sum_that_forgets_to_unbroadcast(x, y):
    def backward(dz):
        return dz, dz

    return record(x.data + y.data, (x, y), backward)


def square_of_nothing(x):
    def backward(dy):
        return (None,)

    return record(x.data * x.data, (x,), backward)


def square_with_nan(x):
    def backward(dy):
        return (dy * np.nan,)

    return record(x.data * x.data, (x,), backward)


def test_right_gradients_are_true():
    x, y = leaf([[1.0, -2.0], [0.5, 3.0]]), leaf([2.0, 4.0])
    assert gradcheck(lambda x: x * x, x) is True
    assert gradcheck(lambda x, y: (x * y).tanh() + x / y, (x, y)) is True
    assert gradcheck(F.add, [x, y]) is True


def test_a_leaf_a_number_and_an_empty_input_can_be_checked():
    assert gradcheck(lambda x: x, leaf([1.0, 2.0]))
    assert gradcheck(lambda x: x * x * x, leaf(2.0))
    assert gradcheck(lambda x: x * x, leaf(np.zeros((0, 3))))


def test_inputs_that_need_no_gradient_are_passed_on():
    x, constant = leaf([1.0, 2.0]), Tensor([3.0, 4.0])  # float32, and not checked
    labels = np.array([1])
    assert gradcheck(lambda c, x, n: F.cross_entropy((c * x).reshape(1, 2), n), (constant, x, labels))
    assert constant.grad is None


def test_a_layer_can_be_checked():
    layer = nn.Sequential(nn.Linear(3, 4, rng=0, dtype=np.float64), nn.Tanh(), nn.Linear(4, 2, rng=1, dtype=np.float64))
    x = leaf([[0.1, -0.2, 0.3], [1.0, 2.0, -3.0]])
    assert gradcheck(lambda x, *_: layer(x), (x, *layer.parameters()))


@pytest.mark.parametrize(
    ("call", "inputs", "named"),
    [
        (square_without_the_2, ([1.0, 2.0],), "square_without_the_2, input 0, index (0,)"),
        (lambda x: square_without_the_2(x), (3.0,), "square_without_the_2, input 0, index ()"),
        (lambda x, y: x + square_without_the_2(y), ([0.5], [2.0]), "add, input 1, index (0,)"),
        (
            product_with_a_wrong_element,
            ([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]),
            "product_with_a_wrong_element, input 1, index (1, 0)",
        ),
        (square_of_nothing, ([1.0],), "square_of_nothing, input 0, index (0,)"),
        (square_with_nan, ([1.0],), "square_with_nan, input 0, index (0,)"),
    ],
)
def test_a_wrong_gradient_is_named(call, inputs, named):
    with pytest.raises(AssertionError, match=re.escape(f"gradcheck: {named}: backward says ")):
        gradcheck(call, [leaf(values) for values in inputs])


def test_both_derivatives_are_told():
    with pytest.raises(AssertionError) as caught:
        gradcheck(square_without_the_2, leaf([3.0]))
    backward, quotient = (float(number) for number in re.findall(r"says? (\S+?)(?:[,;]|$)", str(caught.value)))
    # Both times the same random factor: 3 where 6 is right.
    assert quotient / backward == pytest.approx(2.0, rel=1e-6)


def test_the_derivatives_that_are_told_differ_by_the_mistake():
    with pytest.raises(AssertionError) as caught:
        gradcheck(product_with_a_wrong_element, (leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([[5.0, 6.0], [7.0, 8.0]])))
    backward, quotient = (float(number) for number in re.findall(r"says? (\S+?)(?:[,;]|$)", str(caught.value)))
    assert backward - quotient == pytest.approx(0.5, rel=1e-6)


def test_a_gradient_of_the_wrong_shape_is_named():
    with pytest.raises((AssertionError, RuntimeError), match=r"sum_that_forgets_to_unbroadcast.*\(2, 2\).*\(2,\)"):
        gradcheck(sum_that_forgets_to_unbroadcast, (leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([1.0, 2.0])))


def test_an_operation_made_in_a_function_is_named_by_its_own_name():
    def halved(x):
        return record(x.data * x.data, (x,), lambda dy: (dy * x.data,), saved=(x,))

    with pytest.raises(AssertionError, match="gradcheck: halved, input 0"):
        gradcheck(halved, leaf([1.0]))


@pytest.mark.parametrize(("error", "found"), [(2e-3, True), (2e-5, False)])
def test_the_tolerances_can_be_chosen(error, found):
    def nearly(x):
        return record(x.data * 3.0, (x,), lambda dy: (dy * 3.0 * (1 + error),))

    if not found:
        assert gradcheck(nearly, leaf([1.0]))
        with pytest.raises(AssertionError, match="input 0"):
            gradcheck(nearly, leaf([1.0]), atol=1e-9, rtol=1e-6)
    else:
        with pytest.raises(AssertionError, match="input 0"):
            gradcheck(nearly, leaf([1.0]))
        assert gradcheck(nearly, leaf([1.0]), rtol=1e-2)
        assert gradcheck(nearly, leaf([1.0]), atol=1.0)


@pytest.mark.parametrize("size", [1e-6, 1e-12, 1e6])
def test_a_sign_that_is_wrong_is_found_at_any_size_of_the_gradient(size):
    def flipped(x):
        return record(x.data * size, (x,), lambda dy: (dy * -size,))

    assert gradcheck(lambda x: x * size, leaf([1.0, -2.0]))
    with pytest.raises(AssertionError, match="flipped, input 0, index"):
        gradcheck(flipped, leaf([1.0, -2.0]))


def test_an_operation_that_changes_the_gradient_it_is_given_is_not_taken_for_a_right_one():
    def doubled(x):
        def backward(dy):
            dy *= 2  # the right gradient, and spoiled for whoever else was given this array
            return (dy,)

        return record(x.data * 2.0, (x,), backward)

    x = leaf([1.0, 2.0])
    x.grad = grad = np.array([3.0, 4.0])
    with pytest.raises(RuntimeError, match="backward of doubled changes the gradient that it is given"):
        gradcheck(doubled, x)
    assert x.grad is grad
    assert x.data.tolist() == [1.0, 2.0]


def test_each_input_has_its_own_scale():
    def flipped(x, y):
        return record(x.data + 1e-6 * y.data, (x, y), lambda dz: (dz, -1e-6 * dz))

    with pytest.raises(AssertionError, match=r"flipped, input 1, index \(0,\)"):
        gradcheck(flipped, (leaf([1.0, 2.0]), leaf([1.0, 2.0])))


def test_what_rounding_does_to_a_small_gradient_of_large_values_is_no_mistake():
    x = leaf(np.linspace(1, 2, 50))
    assert gradcheck(lambda x: 1e4 + 1e-6 * x, x)  # 1e4 is known to 2e-12, and so the quotient to 1e-6 of its value of 1e-6
    assert gradcheck(lambda x: (1e4 + x * 0).sum() * x, x)
    assert gradcheck(lambda x: x * 0, x)


def test_a_kink_is_named_with_both_its_slopes():
    with pytest.raises(AssertionError) as caught:
        gradcheck(F.relu, leaf([[1.0, -2.0], [3.0, 0.0]]))
    message = str(caught.value)
    assert "relu, input 0, index (1, 1): backward says " in message
    below, above = re.search(
        r"there is a kink within eps=1e-06: below it the slope is (\S+), above it (\S+)\. ", message
    ).groups()
    assert float(below) == 0
    quotient = float(re.search(r"finite differences say (\S+);", message)[1])
    assert float(above) == pytest.approx(2 * quotient)  # the mean of 0 and this
    assert gradcheck(F.abs, leaf([0.0]))  # whose backward says 0, the mean of -1 and 1


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_a_kink_is_known_from_a_mistake_at_any_size(size):
    with pytest.raises(AssertionError, match=r"backward says .* there is a kink"):
        gradcheck(lambda x: size * x.relu(), leaf([0.0]))

    def curved(x):  # (1000 x)^2 with half its slope
        return record(size * 1e6 * x.data * x.data, (x,), lambda dy: (dy * size * 1e6 * x.data,), saved=(x,))

    def far_from_0(x):
        return record(size * (1e4 + 1e-3 * x.data), (x,), lambda dy: (dy * size * -1e-3,))

    for wrong in (curved, far_from_0):
        with pytest.raises(AssertionError, match="backward says ") as caught:
            gradcheck(wrong, leaf([3.0]))
        assert "kink" not in str(caught.value)


def test_interrupted_at_any_line_it_leaves_inputs_and_gradients_as_they_were():
    import sys

    class Interrupt(BaseException):
        pass

    lines = 0

    def run(at):
        nonlocal lines
        x, inner = leaf([[1 / 3, 2 / 3]]), leaf([0.5, 0.7])
        x.grad = grad = np.array([[5.0, 6.0]])
        lines = 0

        def trace(frame, event, arg):
            nonlocal lines
            if not frame.f_code.co_filename.endswith("minidl/gradcheck.py"):
                return None
            if event == "line":
                lines += 1
                if lines == at:
                    raise Interrupt
            return trace

        old = sys.gettrace()
        sys.settrace(trace)
        with enable_grad():  # of which an interrupt inside may leave nothing
            try:
                gradcheck(lambda x: (x * inner).tanh(), x)
            except Interrupt:
                pass
            finally:
                sys.settrace(old)
        assert x.data.tolist() == [[1 / 3, 2 / 3]]
        assert x.grad is grad
        assert inner.grad is None

    run(0)
    total = lines
    assert total > 40
    for at in range(1, total + 1):
        run(at)


def test_the_step_can_be_chosen():
    # |x| at 1e-4: a step of 1e-6 stays on one side of the kink, one of 1e-3 does not.
    assert gradcheck(F.abs, leaf([1e-4]))
    with pytest.raises(AssertionError, match="abs, input 0"):
        gradcheck(F.abs, leaf([1e-4]), eps=1e-3)


@pytest.mark.parametrize("dtypes", [(np.float32,), (np.float64, np.float32)])
def test_float32_inputs_are_an_error(dtypes):
    inputs = [leaf([1.0, 2.0], dtype) for dtype in dtypes]
    with pytest.raises(ValueError, match=f"input {len(dtypes) - 1} is float32.*float64"):
        gradcheck(lambda *xs: xs[0] * xs[-1], inputs)
    assert all(x.grad is None for x in inputs)


@pytest.mark.parametrize("inputs", [Tensor(np.ones(2)), [Tensor(np.ones(2))], [np.ones(2)], []])
def test_nothing_to_check_is_an_error(inputs):
    with pytest.raises(ValueError, match=r"requires_grad=True.*nothing to check"):
        gradcheck(lambda *xs: xs[0] * 2, inputs)


def test_an_input_that_an_operation_made_is_an_error_not_a_wrong_gradient():
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match="input 0"):
        gradcheck(lambda y: y * y, x * 2)
    assert x.grad is None


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (lambda x: x * x, contextlib.nullcontext()),
        (square_without_the_2, pytest.raises(AssertionError, match="backward says")),
        (lambda x: x * "a", pytest.raises(TypeError, match="real numbers")),
        (lambda x: x.detach() * 2, pytest.raises(RuntimeError, match="depends on nothing")),
    ],
    ids=["right", "wrong", "no forward", "no backward"],
)
@pytest.mark.parametrize("grad", [None, np.array([5.0, 6.0])], ids=["no gradient", "a gradient"])
def test_inputs_and_their_gradients_are_as_before(call, outcome, grad):
    x = leaf([1 / 3, 2 / 3])
    array, before = x.data, x.data.copy()
    x.grad = grad
    with outcome:
        gradcheck(call, x)
    assert x.data is array
    np.testing.assert_array_equal(x.data, before)
    assert x.grad is grad
    if grad is not None:
        assert grad.tolist() == [5.0, 6.0]


def test_gradients_of_other_tensors_in_the_function_are_as_before():
    layer = nn.Linear(2, 2, rng=0, dtype=np.float64)
    layer.bias.grad = kept = np.array([1.0, 2.0])
    assert gradcheck(layer, leaf([[1.0, 2.0]]))
    assert layer.weight.grad is None
    assert layer.bias.grad is kept
    assert kept.tolist() == [1.0, 2.0]


def test_inputs_are_restored_when_the_function_fails_half_way():
    x = leaf([1 / 3, 2 / 3])
    calls = []

    def fails_at_the_third_call(x):
        calls.append(x.data.copy())
        if len(calls) == 3:
            raise KeyError("third")
        return x * x

    with pytest.raises(KeyError, match="third"):
        gradcheck(fails_at_the_third_call, x)
    assert x.data.tolist() == [1 / 3, 2 / 3]
    assert x.grad is None


def test_a_strided_input_is_perturbed_in_place():
    array = np.arange(12.0).reshape(3, 4) / 10
    before = array.copy()
    x = Tensor(array.T[::-2], requires_grad=True)
    assert gradcheck(lambda x: x.tanh() * x, x)
    np.testing.assert_array_equal(array, before)


def test_a_function_that_returns_no_tensor_is_named():
    with pytest.raises((TypeError, ValueError), match=r"gradcheck.*Tensor.*float"):
        gradcheck(lambda x: x.sum().item(), leaf([1.0, 2.0]))
