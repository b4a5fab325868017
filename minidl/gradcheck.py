"""Compares a gradient with finite differences: how every operation here is tested, and how to test your own."""

from collections.abc import Callable, Sequence

import numpy as np

from .random import Generator
from .tensor import Tensor, no_grad


def gradcheck(
    fn: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Whether `backward()` finds the derivatives of `fn` that central differences find.

    L = sum(v * fn(*inputs)), with v fixed and random, is differentiated by each element x of each input that requires a
    gradient; the difference quotient is (L(x + eps) - L(x - eps)) / (2 eps).

    Parameters
    ----------
    fn : function
        From tensors to a tensor, the same at every call (dropout needs a fixed rng).
    inputs : Tensor or sequence of Tensor
        In float64: in float32 the quotient is too coarse.
    eps, atol, rtol : float
        The step, and how far the two may differ: atol + rtol * |quotient|.

    Returns
    -------
    bool
        True. A difference raises, so that what differs can be named.

    Raises
    ------
    ValueError
        If an input that requires a gradient is not float64, or none requires one.
    AssertionError
        If the derivatives differ: names the operation, the input, the index and both derivatives.

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
    leaves = {id(x): x for x in (*result.leaves(), *(x for _, x in checked))}.values()
    before = [leaf.grad for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.grad = None
        operation = result.operation or "fn"
        result.backward(v)
        analytic = [np.zeros(x.shape) if x.grad is None else x.grad for _, x in checked]
    finally:
        for leaf, grad in zip(leaves, before, strict=True):
            leaf.grad = grad

    def loss_at(x: Tensor, index: tuple[int, ...], value: float) -> float:
        kept = x.data[index]
        x.data[index] = value
        try:
            with no_grad():
                return float((fn(*inputs).data * v).sum())
        finally:
            x.data[index] = kept

    for (i, x), gradient in zip(checked, analytic, strict=True):
        for index in np.ndindex(x.shape):
            here = float(x.data[index])
            quotient = (loss_at(x, index, here + eps) - loss_at(x, index, here - eps)) / (2 * eps)
            if not np.abs(gradient[index] - quotient) <= atol + rtol * np.abs(quotient):
                raise AssertionError(
                    f"gradcheck: {operation}, input {i}, index {index}: backward says {gradient[index]:.10g}, "
                    f"finite differences say {quotient:.10g}"
                )
    return True
