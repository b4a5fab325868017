"""Compares a gradient with finite differences: how every operation here is tested, and how to test your own."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .atomic import at_once
from .random import Generator
from .tensor import Tensor, no_grad


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

    L = sum(v * fn(*inputs)), with v fixed and random, is differentiated by each element x of each input that requires a
    gradient; the difference quotient is (L(x + eps) - L(x - eps)) / (2 eps). The two may differ by

        rtol |quotient| + atol (the largest |quotient| of this input) + what rounding can do to the quotient,

    so that a gradient which is small everywhere is checked as closely as a large one. The last is taken as 100 units in the
    last place of sum(|v fn|), divided by 2 eps: about 1e-8 where the values are about 1.

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
        If an input that requires a gradient is not float64, or none requires one.
    AssertionError
        If the derivatives differ: names the operation, the input, the index and both derivatives, and at a kink the slopes on
        its two sides.

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

    result = fn(*inputs)
    if not isinstance(result, Tensor):
        raise TypeError(f"gradcheck: fn must return a Tensor, got {type(result).__name__}; float() and .data lose the gradient")
    v = Generator(0).normal(result.shape, dtype=np.float64)
    operation = result.operation or "fn"
    with gradients_kept(result, [x for _, x in checked]):
        result.backward(v.copy())
        analytic = [np.zeros(x.shape) if x.grad is None else x.grad for _, x in checked]
    rounding = 100 * np.finfo(np.float64).eps * float(np.abs(result.data * v).sum()) / (2 * eps)

    def loss() -> float:
        with no_grad():
            return float((fn(*inputs).data * v).sum())

    for (i, x), gradient in zip(checked, analytic, strict=True):
        below, above = _losses_beside(loss, x, eps)
        quotients = (above - below) / (2 * eps)
        sizes = np.abs(quotients)
        allowed = rtol * sizes + atol * sizes.max(initial=0.0, where=np.isfinite(sizes)) + rounding
        wrong = ~(np.abs(gradient - quotients) <= allowed)
        if wrong.any():
            index = tuple(int(k) for k in np.argwhere(wrong)[0])
            raise AssertionError(
                f"gradcheck: {operation}, input {i}, index {index}: backward says {gradient[index]:.10g}, finite differences "
                f"say {quotients[index]:.10g}{_kink(below[index], loss(), above[index], eps, rounding)}"
            )
    return True


def _losses_beside(loss: Callable[[], float], x: Tensor, eps: float) -> np.ndarray:
    """loss() with each element of x less eps, and with each one more eps; x is changed in place, and put back."""
    array, before = x.data, x.data.copy()
    losses = np.empty((2, *x.shape))
    try:
        for index in np.ndindex(x.shape):
            for side, step in enumerate((-eps, eps)):
                array[index] = before[index] + step
                losses[(side, *index)] = loss()
            array[index] = before[index]
    finally:
        array[...] = before
    return losses


def _kink(below: float, here: float, above: float, eps: float, rounding: float) -> str:
    """What to say of three values eps apart if the slopes between them differ, and not by rounding alone."""
    left, right = (here - below) / eps, (above - here) / eps
    if not abs(right - left) > 0.01 * max(abs(left), abs(right)) + 4 * rounding:
        return ""
    return (
        f"; there is a kink within eps={eps:g}: below it the slope is {left:.10g}, above it {right:.10g}. Check at a value "
        "farther from it"
    )
