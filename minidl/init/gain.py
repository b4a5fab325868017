"""The factor that makes up for an activation: by how much larger weights must be so that the signal keeps its size."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from .. import functional as F
from ..gaussian import derivative, expectation
from ..tensor import Tensor
from .base import choice

ACTIVATIONS = ("tanh", "sigmoid", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus")


def gain(activation: str | Callable[[Any], Any], direction: Literal["forward", "backward"] = "forward") -> float:
    """1 / sqrt(E[f(z)^2]), or backward 1 / sqrt(E[f'(z)^2]), for z ~ N(0, 1): the gain g of weights before an activation f.

    A unit z = sum of w_i f(z_i) over n inputs, with var(w) = g^2 / n, has E[z^2] = g^2 E[f(z_i)^2]. So this g keeps
    E[z^2] = 1 from layer to layer, and, backward, with fan_out for n, the g from f' keeps the size of the gradient. Where the
    two differ no scale keeps both.

    Parameters
    ----------
    activation : str or function
        A name ("tanh", "sigmoid", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus" or "linear"); or anything
        elementwise: a function of `functional`, a module, a NumPy function, a function of one number. Kinks may be where
        `gaussian.expectation` cuts. f' comes from `backward()` where f takes a Tensor, otherwise from `gaussian.derivative`.
    direction : "forward" or "backward"

    Raises
    ------
    ValueError
        If the name is unknown, f is not elementwise or not finite, or f (or f') is 0 everywhere.

    Notes
    -----
    `calculate_gain` gives PyTorch's numbers. They agree for linear, ReLU and leaky ReLU; not for

    - tanh, 5/3: PyTorch gives no derivation. It exceeds 1.5925, so E[z^2] settles at 1.178 instead of 1.
    - sigmoid, 1: no correction at all. Forward 1.8462 keeps E[z^2], though most of it is then the mean of 1/2, which all units
      share; backward it would have to be 4.7226.
    - selu, 3/4: found by trial, for the gradient in layers of unequal width (its documentation says so). SELU was made for 1.

    Sources: He, Zhang, Ren and Sun 2015, equations 7 to 10 and 13 to 14, for ReLU; Klambauer et al. 2017 for SELU.

    Examples
    --------
    >>> round(gain("tanh"), 4), round(gain("tanh", "backward"), 4)
    (1.5925, 1.4674)
    >>> round(gain(np.sin), 4)  # sqrt(2 / (1 - e^-2))
    1.5209
    """
    choice("direction", direction, ("forward", "backward"))
    name = activation if isinstance(activation, str) else getattr(activation, "__name__", repr(activation))
    f = _function(activation)

    def checked(z):
        values = np.asarray(f(z))
        if values.shape != z.shape or not np.allclose(values[:7], np.asarray(f(z[:7].copy())), rtol=1e-9):
            raise ValueError(f"gain: {name} is not elementwise: each value must depend on its own input only")
        return values if direction == "forward" else _slope(f, z)

    second_moment = expectation(lambda z: checked(z) ** 2)
    if second_moment < 1e-20:  # what rounding leaves of a derivative of 0
        what = "it" if direction == "forward" else "its derivative"
        raise ValueError(f"gain: no weights can make up for {name}, for {what} is 0 everywhere")
    return second_moment**-0.5


def _function(activation: Any) -> Callable[[Any], Any]:
    if isinstance(activation, str):
        choice("activation", activation, ("linear", *ACTIVATIONS))
        return (lambda z: z) if activation == "linear" else getattr(F, activation)
    if isinstance(activation, type):
        raise TypeError(f"gain takes an object: write {activation.__name__}(), not {activation.__name__}")
    if not callable(activation):
        raise TypeError(f"gain takes the name of an activation or a function, got {activation!r}")
    try:
        activation(np.array([-0.5, 0.5]))
    except (TypeError, ValueError):  # a function of one number, such as math.tanh
        return np.vectorize(activation, otypes=[np.float64])
    return activation


def _slope(f: Callable[[Any], Any], z: np.ndarray) -> np.ndarray:
    x = Tensor(z, requires_grad=True)
    try:
        y = f(x)
    except (TypeError, AttributeError):  # a NumPy function, or one that is made of them
        y = None
    if isinstance(y, Tensor) and y.requires_grad:
        y.backward(np.ones_like(z))
        assert x.grad is not None
        return x.grad
    return derivative(f)(z)
