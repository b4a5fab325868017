"""Stochastic gradient descent: what is done with a gradient once `backward()` has left it in `.grad`."""

import math
from collections.abc import Iterable

import numpy as np

from .tensor import Tensor


class SGD:
    """Stochastic gradient descent, by PyTorch's rule.

    For each parameter p with gradient g, momentum m and the velocity v (at the first step v = g):

        g = g + weight_decay p
        v = m v + (1 - dampening) g
        p = p - lr (g + m v  if nesterov else  v)

    With m = 0 it is p = p - lr g. (Elsewhere v often contains the learning rate; here a change of lr acts at once.)

    Parameters
    ----------
    params : iterable of Tensor
        Usually model.parameters(). One without a gradient is left alone.
    lr : float
        The learning rate, at least 0.
    momentum, dampening, weight_decay : float
    nesterov : bool
        Needs momentum > 0 and dampening = 0.

    Raises
    ------
    ValueError
        If there is no parameter, or a number is negative, NaN or infinite.
    TypeError
        If something else than a Tensor is among the parameters.

    Examples
    --------
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([0.8], dtype=float32)
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(f"SGD takes several tensors, got {type(params).__name__}; pass model.parameters()")
        self.params = list(params)
        if not self.params:
            raise ValueError("SGD got no parameters; an iterator like model.parameters() can be used up only once")
        for i, p in enumerate(self.params):
            if not isinstance(p, Tensor):
                raise TypeError(f"SGD takes tensors, got {type(p).__name__} at place {i}; pass model.parameters()")
            if p.operation:
                raise ValueError(f"SGD: the tensor at place {i} was made by {p.operation}; only leaves can be trained")
        if len({id(p) for p in self.params}) < len(self.params):
            raise ValueError("SGD got a parameter twice: it would be moved twice in one step")
        numbers = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        for name, value in numbers.items():
            least = -math.inf if name == "dampening" else 0
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise TypeError(f"SGD: {name} must be a finite number, got {value!r}")
            if not (math.isfinite(value) and value >= least):
                raise ValueError(f"SGD: {name} must be a finite number{' of at least 0' * (least == 0)}, got {value}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(f"SGD: nesterov needs momentum > 0 and dampening = 0, got {momentum} and {dampening}")
        self.lr, self.momentum, self.dampening = float(lr), float(momentum), float(dampening)
        self.weight_decay, self.nesterov = float(weight_decay), nesterov
        self._velocity: dict[int, np.ndarray] = {}

    def __repr__(self):
        return (
            f"SGD(lr={self.lr}, momentum={self.momentum}, dampening={self.dampening}, weight_decay={self.weight_decay}, "
            f"nesterov={self.nesterov})"
        )

    def zero_grad(self) -> None:
        """Forget all gradients: every `.grad` is None."""
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        """Move every parameter once, in place.

        Raises
        ------
        ValueError
            If the learning rate is not finite any more, or a gradient has another shape than its parameter. Nothing has been
            moved then.
        """
        if not math.isfinite(self.lr):
            raise ValueError(f"SGD: lr must be a finite number, got {self.lr}")
        for i, p in enumerate(self.params):
            if p.grad is not None and np.shape(p.grad) != p.shape:
                raise ValueError(f"SGD: parameter {i} has shape {p.shape}, its .grad {np.shape(p.grad)}")
        for i, p in enumerate(self.params):
            g = p.grad
            if g is None:
                continue
            if self.weight_decay:
                g = g + self.weight_decay * p.data
            if self.momentum:
                v = self._velocity.get(i)
                if v is None:
                    v = self._velocity[i] = np.array(g)
                else:
                    v *= self.momentum
                    v += (1 - self.dampening) * g
                g = g + self.momentum * v if self.nesterov else v
            p.data -= self.lr * g
