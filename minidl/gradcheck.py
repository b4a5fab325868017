"""Compares a gradient with finite differences: how every operation here is tested, and how to test your own."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import mistakes
from .atomic import at_once
from .random import Generator
from .tensor import Tensor, no_grad

LARGEST = 1 << 22  # elements of a Jacobian that is looked at


@contextlib.contextmanager
def gradients_kept(result: Tensor, also: Sequence[Tensor] = ()) -> Iterator[None]:
    """The gradients of the leaves that `result` was made from, and of others, are None at first, and afterwards as before."""
    leaves = [*result.leaves(), *also]
    before = [leaf._grad for leaf in leaves]
    try:
        try:
            at_once(setattr, leaves, itertools.repeat("_grad"), itertools.repeat(None))
            yield
        finally:
            at_once(setattr, leaves, itertools.repeat("_grad"), before)
    finally:  # once more, for Ctrl-C may have come just before the line above
        at_once(setattr, leaves, itertools.repeat("_grad"), before)


def gradcheck(
    fn: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Whether `backward()` finds the derivatives of `fn` that central differences find.

    `L = sum(v * fn(*inputs))`, with v fixed and random, is differentiated by each element x of each input that requires a
    gradient; the difference quotient is (L(x + eps) - L(x - eps)) / (2 eps). The two may differ by

        `rtol |quotient| + atol (the largest |quotient| of this input)` + what rounding can do to the quotient,

    so that a gradient which is small everywhere is checked as closely as a large one. The last is taken as 100 units in the
    last place of `sum(|v fn|)`, divided by 2 eps: about 1e-8 where the values are about 1.

    What is wrong is called by its name where it is a well-known mistake (`mistakes.py`): dy not used, a factor, a sign, a
    transpose, the order of the gradients, a sum over the batch, a path that is missing, and so on.

    At a kink, such as that of relu at 0, a difference quotient is the mean of two slopes, and backward gives one of them, or
    something between. That is reported too, with both slopes: check such an operation away from its kinks.

    Parameters
    ----------
    fn : function
        From tensors to a tensor, the same at every call (dropout needs a fixed rng).
    inputs : Tensor or sequence of Tensor
        In float64: in float32 the quotient is too coarse.
    eps, atol, rtol : float
        The step, and how far the two may differ, as above.

    Returns
    -------
    bool
        True. A difference raises, so that what differs can be named.

    Raises
    ------
    ValueError
        If an input that requires a gradient is not float64, is read-only or shares memory with another, or none requires one;
        if fn gives NaN or infinity, or something else at every call, or changes its inputs.
    AssertionError
        If the derivatives differ: names the operation, the input, the index, both derivatives and the mistake, and at a kink
        the slopes on its two sides.

    Examples
    --------
    >>> x = Tensor(np.array([0.5, -1.0]), requires_grad=True)
    >>> gradcheck(lambda x: x.tanh() * x, x)
    True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [(i, x) for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: no input has requires_grad=True, so there is nothing to check")
    for i, x in checked:
        if x.dtype != np.float64:
            raise ValueError(f"gradcheck: input {i} is {x.dtype}; make it of a float64 array, float32 is too coarse")
        if x.operation:
            raise ValueError(f"gradcheck: input {i} was made by {x.operation}; pass a tensor that no operation made")
        if not x.data.flags.writeable:
            raise ValueError(f"gradcheck: input {i} is read-only, and each element must be moved a little; pass a copy of it")
        for k, other in enumerate(inputs):
            if other is not x and isinstance(other, Tensor) and np.shares_memory(x.data, other.data):
                raise ValueError(f"gradcheck: inputs {i} and {k} share memory, so both would move together; pass copies")

    before = [x.data.copy() for _, x in checked]
    result = fn(*inputs)
    for (i, x), values in zip(checked, before, strict=True):
        if not np.array_equal(x.data, values, equal_nan=True):
            raise ValueError(f"gradcheck: fn changes its input {i}; compute a new array instead: a = a - m, not a -= m")
    if not isinstance(result, Tensor):
        hint = "does it end without `return`?" if result is None else "float() and .data lose the gradient"
        raise TypeError(f"gradcheck: fn must return a Tensor, got {type(result).__name__}; {hint}")
    if not np.isfinite(result.data).all():
        raise ValueError("gradcheck: fn gives NaN or infinity, which has no differences; check it where all is finite")
    v = Generator(0).normal(result.shape, dtype=np.float64)
    operation = result.operation or "fn"
    analytic = _gradients(result, v, checked)
    rounding = 100 * np.finfo(np.float64).eps * float(np.abs(result.data * v).sum()) / (2 * eps)

    def loss() -> float:
        with no_grad():
            return float((fn(*inputs).data * v).sum())

    losses = {i: _beside(loss, x, eps) for i, x in checked}
    differences = {i: (above - below) / (2 * eps) for i, (below, above) in losses.items()}
    for (i, quotients), gradient in zip(differences.items(), analytic, strict=True):
        sizes = np.abs(quotients)
        allowed = rtol * sizes + atol * sizes.max(initial=0.0, where=np.isfinite(sizes)) + rounding
        wrong = ~(np.abs(gradient - quotients) <= allowed)
        if wrong.any():
            if not np.array_equal(fn(*inputs).data, result.data):
                raise ValueError("gradcheck: fn gives something else when it is called again; seed what is random in it")
            index = tuple(int(k) for k in np.argwhere(wrong)[0])
            kink = _kink(losses[i][(0, *index)], loss(), losses[i][(1, *index)], eps, rounding, gradient[index])
            raise AssertionError(
                f"gradcheck: {operation}, input {i}, index {index}: backward says {gradient[index]:.10g}, finite differences "
                f"say {quotients[index]:.10g}{kink or _mistake(fn, inputs, i, gradient, differences, v, eps)}"
            )
    return True


def _gradients(result: Tensor, dy: np.ndarray, checked: Sequence[tuple[int, Tensor]]) -> list[np.ndarray]:
    """What backward(dy) says of each checked input."""
    with gradients_kept(result, [x for _, x in checked]):
        result.backward(dy.copy())
        return [np.zeros(x.shape) if x.grad is None else x.grad for _, x in checked]


def _beside(measure: Callable[[], Any], x: Tensor, eps: float, shape: tuple[int, ...] = ()) -> np.ndarray:
    """measure(), of this shape, with each element of x less eps, and with each one more eps; x is changed, and put back."""
    array, before = x.data, x.data.copy()
    measured = np.empty((2, *x.shape, *shape))
    try:
        for index in np.ndindex(x.shape):
            for side, step in enumerate((-eps, eps)):
                array[index] = before[index] + step
                measured[(side, *index)] = measure()
            array[index] = before[index]
    finally:
        array[...] = before
    return measured


def _kink(below: float, here: float, above: float, eps: float, rounding: float, gradient: float) -> str:
    """What to say of three values eps apart if the slopes between them differ, and not by rounding alone, and the gradient is
    one of them, or something between; at an extremum of a smooth function they differ, too, but a wrong gradient is neither."""
    left, right = (here - below) / eps, (above - here) / eps
    room = 0.01 * max(abs(left), abs(right)) + 4 * rounding
    if not abs(right - left) > room or not min(left, right) - room <= gradient <= max(left, right) + room:
        return ""
    return (
        f"; there is a kink within eps={eps:g}: below it the slope is {left:.10g}, above it {right:.10g}. Check at a value "
        "farther from it"
    )


def _mistake(
    fn: Callable[..., Tensor],
    inputs: Sequence[Any],
    i: int,
    gradient: np.ndarray,
    differences: dict[int, np.ndarray],
    dy: np.ndarray,
    eps: float,
) -> str:
    """What to say of the gradient of input i, which is wrong; `differences`: by input what it should be."""
    x = inputs[i]
    if x.data.size * dy.size > LARGEST:
        return ""
    result = fn(*inputs)
    another = Generator(1).normal(dy.shape, dtype=np.float64)

    def output() -> np.ndarray:
        with no_grad():
            return fn(*inputs).data

    below, above = _beside(output, x, eps, dy.shape)
    jacobian = ((above - below) / (2 * eps)).reshape(x.data.size, dy.size).T
    others = {
        f"input {k}": (np.array(t.data if isinstance(t, Tensor) else t), differences.get(k))
        for k, t in enumerate(inputs)
        if k != i and isinstance(t, (Tensor, np.ndarray)) and t.dtype.kind in "fiub"
    }
    said = mistakes.sentence(
        mistakes.Wrong(
            given=gradient,
            right=differences[i],
            given_again=_gradients(result, another, [(i, x)])[0],
            right_again=(another.reshape(-1) @ jacobian).reshape(x.shape),
            x=x.data,
            y=result.data,
            dy=dy,
            jacobian=jacobian,
            others=others,
        )
    )
    return f"; {said}" if said else ""
