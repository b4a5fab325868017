"""The layers that are neither linear nor a normalization nor an activation: residual blocks, flatten, dropout."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from ..random import Generator, as_generator
from ..tensor import as_tensor
from .module import InputError, Module, check_input
from .parameter import Parameter, check_dtype, make_parameter

__all__ = ["Dropout", "Flatten", "Residual"]


class Residual(Module):
    """y = x + f(x), or y = x + alpha f(x) with a number alpha that is learned.

    Parameters
    ----------
    branch : Module
        f; its output has the shape of its input.
    scale_init : initializer, name, number, array or function, optional
        What initializes alpha; None for no alpha. With 0 every block begins as the identity, however deep the network is, and
        the signal and the gradient pass unchanged (ReZero). Fixup has factors of 1 and the branch's last layer at 0.
    rng, dtype
        As in `Linear`.

    Attributes
    ----------
    scale : Parameter, shape (), or None
        alpha.

    Raises
    ------
    TypeError
        If branch is not a Module.
    ValueError
        In a call, if f(x) has another shape than x.

    Notes
    -----
    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, equation 1; Bachlechner et al.,
    "ReZero is all you need: fast convergence at large depth", UAI 2021, equation 1.

    Examples
    --------
    >>> from minidl.nn import Linear
    >>> block = Residual(Linear(2, 2, weight_init="ones"), scale_init=0.0)
    >>> block([[1.0, 2.0]]).data
    array([[1., 2.]], dtype=float32)
    """

    scale: Parameter | None

    def __init__(
        self, branch: Module, *, scale_init: Any = None, rng: Generator | int | None = None, dtype: DTypeLike = np.float32
    ):
        if not isinstance(branch, Module):
            raise TypeError(f"Residual takes a module, got {type(branch).__name__}; of several layers make a Sequential")
        check_dtype("Residual", dtype)
        self.branch = branch
        self.register_parameter("scale", None)
        if scale_init is not None:
            self.scale = make_parameter("Residual scale_init", scale_init, (), None, as_generator(rng), dtype)

    def forward(self, x):
        if self.scale is not None:
            x = check_input(self, x, self.scale.dtype)
        y = self.branch(x)
        x = as_tensor(x, like=y)
        if y.shape != x.shape:
            raise InputError(self, f"adds its input to its branch's output, but these have shapes {x.shape} and {y.shape}")
        return x + y if self.scale is None else x + self.scale * y


class Flatten(Module):
    """All axes but the first become one: (batch, ...) to (batch, features)."""

    def forward(self, x):
        x = as_tensor(x)
        return F.reshape(x, (len(x), -1) if x.size else (len(x), int(np.prod(x.shape[1:]))))

    def propagate(self, signal):
        return signal.keep()


class Dropout(Module):
    """In training, zeroes each element with probability p and divides the others by 1 - p; otherwise does nothing.

    Parameters
    ----------
    p : float
    rng : Generator, int or None
        Where the choice comes from; None for the global generator.
    """

    unit_axis = None

    def __init__(self, p: float = 0.5, *, rng: Generator | int | None = None):
        if not isinstance(p, (int, float, np.number)) or not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must be a probability from 0 to 1, got {p!r}")
        self.p, self.rng = p, None if rng is None else as_generator(rng)

    def forward(self, x):
        return F.dropout(x, self.p, self.training, self.rng)

    def propagate(self, signal):
        return signal.dropout(self.p if self.training else 0.0)

    def extra_repr(self):
        return f"p={self.p}"
