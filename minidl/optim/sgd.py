"""Stochastic gradient descent, with momentum: the rule. Groups, checks and saving are in `optimizer.py`."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, ClassVar

from .. import kernels
from ..tensor import Tensor
from .optimizer import LARGEST, Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent, by PyTorch's rule.

    For each parameter p with gradient g, momentum m and the velocity v (at the first step v = g):

        g = g + weight_decay p
        v = m v + (1 - dampening) g
        p = p - lr (g + m v  if nesterov else  v)

    With m = 0 it is p = p - lr g. (Elsewhere v often contains the learning rate; here a change of lr acts at once.)

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        Usually model.parameters(). One without a gradient is left alone. Dicts are groups with numbers of their own, as
        in PyTorch: {"params": [...], "lr": 0.01}; what a group does not say it takes from the arguments below.
    lr : float
        The learning rate, at least 0.
    momentum, weight_decay : float
        At least 0.
    dampening : float
        Any finite number.
    nesterov : bool
        Needs momentum > 0 and dampening = 0.

    Raises
    ------
    ValueError
        If there is no parameter, one comes twice, or a number is negative, NaN or infinite.
    TypeError
        If something else than a Tensor is among the parameters, or a group has a key that SGD does not know.

    Notes
    -----
    The velocity is called "momentum_buffer" in a state_dict, as in PyTorch.

    Sources: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; for nesterov, Sutskever,
    Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013.

    Examples
    --------
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([0.8], dtype=float32)
    """

    _least: ClassVar[dict[str, float]] = {"lr": 0.0, "momentum": 0.0, "dampening": -LARGEST, "weight_decay": 0.0}
    _flags = ("nesterov",)
    _remembered = ("momentum_buffer",)
    _numbers: Any = staticmethod(itemgetter("lr", "momentum", "dampening", "weight_decay", "nesterov"))

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, defaults)

    def _check(self, where: str, group: dict[str, Any]) -> None:
        super()._check(where, group)
        momentum, dampening, nesterov = group["momentum"], group["dampening"], group["nesterov"]
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(f"{where}: nesterov needs momentum > 0 and dampening = 0, got {momentum} and {dampening}")

    def _step(self, groups: list[tuple[list[Tensor], dict[str, Any]]], counts: list[list[int]]) -> None:
        rows = []
        started: list[tuple[Any, Any, Any]] = []
        for params, group in groups:
            velocities, begun = [None] * len(params), [True] * len(params)
            if group["momentum"]:
                velocities = self._recalled("momentum_buffer", params, started)
                if started:
                    begun = [velocity is not None for velocity in map(self._state["momentum_buffer"].get, params)]
            rows.append(([p._data for p in params], [p._grad for p in params], velocities, begun, *self._numbers(group)))
        kernels.sgd(rows, counts, started)  # which also counts the changes, and remembers what it started
