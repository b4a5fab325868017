"""RMSprop: the rule. Groups, checks and saving are in `optimizer.py`."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, ClassVar

from .. import kernels
from ..tensor import Tensor
from .optimizer import Optimizer


class RMSprop(Optimizer):
    """RMSprop: each element moves by its gradient over the root of the mean square of its gradients. PyTorch's rule.

    For each parameter p with gradient g, where s, a and b begin as 0:

        g = g + weight_decay p
        s = alpha s + (1 - alpha) g^2
        u = g / (sqrt(s) + eps)
        b = momentum b + u
        p = p - lr b

    If centered, a = alpha a + (1 - alpha) g is the mean of the gradients, and u = g / (sqrt(s - a^2) + eps): the root of their
    variance, taken as 0 where rounding makes it less (in PyTorch the step is NaN there).

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        Usually model.parameters(). One without a gradient is left alone. Dicts are groups with numbers of their own, as
        in PyTorch: {"params": [...], "lr": 0.01}.
    lr : float
        The learning rate, at least 0.
    alpha : float
        How much of the mean square is kept at each step, from 0 to 1.
    eps, weight_decay, momentum : float
        At least 0.
    centered : bool
        Whether the mean square is taken about the mean.

    Raises
    ------
    ValueError
        If there is no parameter, one comes twice, or a number is not in its range, NaN or infinite.
    TypeError
        If something else than a Tensor is among the parameters, or a group has a key that RMSprop does not know.

    Notes
    -----
    In a state_dict, s, b and a are called "square_avg", "momentum_buffer" and "grad_avg", and "step" is how many steps were
    made, as in PyTorch; the rule does not use it.

    Sources: Tieleman and Hinton, "Lecture 6.5: RMSprop", Neural networks for machine learning, Coursera 2012; centered:
    Graves, "Generating sequences with recurrent neural networks", arXiv:1308.0850, equations 38 to 45.

    Examples
    --------
    >>> w = Tensor([1.0, -100.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.5, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data  # by lr g / sqrt(g^2 / 4)
    array([  0., -99.], dtype=float32)
    """

    _least: ClassVar[dict[str, float]] = {"lr": 0.0, "alpha": 0.0, "eps": 0.0, "weight_decay": 0.0, "momentum": 0.0}
    _flags = ("centered",)
    _remembered = ("step", "square_avg", "momentum_buffer", "grad_avg")
    _always = ("step", "square_avg")
    _squares = ("square_avg",)
    _numbers: Any = staticmethod(itemgetter("lr", "alpha", "eps", "weight_decay", "momentum"))

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ):
        numbers = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**numbers, "centered": centered})

    def _check(self, where: str, group: dict[str, Any]) -> None:
        super()._check(where, group)
        if group["alpha"] > 1:
            raise ValueError(f"{where}: alpha must be from 0 to 1, got {group['alpha']}")

    def _step(self, groups: list[tuple[list[Tensor], dict[str, Any]]], counts: list[list[int]]) -> None:
        rows, steps = [], []
        started: list[tuple[Any, Any, Any]] = []
        for params, group in groups:
            made, squares = (self._recalled(name, params, started) for name in self._always)
            velocities = self._recalled("momentum_buffer", params, started) if group["momentum"] else [None] * len(params)
            means = self._recalled("grad_avg", params, started) if group["centered"] else [None] * len(params)
            arrays = [p._data for p in params], [p._grad for p in params], squares, velocities, means
            rows.append((*arrays, [n[0] for n in made], *self._numbers(group)))
            steps += made
        kernels.rmsprop(rows, counts + steps, started)  # which also counts, and remembers what it started
