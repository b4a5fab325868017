"""Stochastic gradient descent: what is done with a gradient once `backward()` has left it in `.grad`."""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from . import kernels
from .names import no_attribute
from .tensor import Tensor

__all__ = ["SGD"]


class SGD:
    """Stochastic gradient descent, by PyTorch's rule.

    For each parameter p with gradient g, momentum m and the velocity v (at the first step v = g):

        g = g + weight_decay p
        v = m v + (1 - dampening) g
        p = p - lr (g + m v  if nesterov else  v)

    With m = 0 it is p = p - lr g. (Elsewhere v often contains the learning rate; here a change of lr acts at once.)

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        Usually model.parameters(). One without a gradient is left alone. Dicts are groups with numbers of their own, as in
        PyTorch: {"params": [...], "lr": 0.01}; what a group does not say it takes from the arguments below.
    lr : float
        The learning rate, at least 0.
    momentum, dampening, weight_decay : float
    nesterov : bool
        Needs momentum > 0 and dampening = 0.

    Attributes
    ----------
    param_groups : list of dict
        The parameters and numbers of each group; changing a number acts at the next step.
    lr : float
        The learning rate, where all groups have the same; setting it sets that of every group.

    Raises
    ------
    ValueError
        If there is no parameter, one comes twice, or a number is negative, NaN or infinite.
    TypeError
        If something else than a Tensor is among the parameters, or a group has a key that SGD does not know.

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
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(f"SGD takes several tensors, got {type(params).__name__}; pass model.parameters()")
        given = list(params)
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        grouped = bool(given) and isinstance(given[0], Mapping)
        self.param_groups = [
            _group(f"SGD: group {i}" if grouped else "SGD", group, defaults)
            for i, group in enumerate(given if grouped else [{"params": given}])
        ]
        everything = [id(p) for group in self.param_groups for p in group["params"]]
        if len(set(everything)) < len(everything):
            raise ValueError("SGD got a parameter twice: it would be moved twice in one step")
        self._velocity: dict[Tensor, np.ndarray] = {}

    def __repr__(self):
        groups = [", ".join(f"{name}={value}" for name, value in g.items() if name != "params") for g in self.param_groups]
        return f"SGD({groups[0] if len(groups) == 1 else '; '.join(f'group {i}: {group}' for i, group in enumerate(groups))})"

    @property
    def lr(self) -> float:
        rates = {group["lr"] for group in self.param_groups}
        if len(rates) > 1:
            raise AttributeError(f"the groups have learning rates of their own, {sorted(rates)}: see optimizer.param_groups")
        return rates.pop()

    @lr.setter
    def lr(self, lr: float) -> None:
        for group in self.param_groups:
            group["lr"] = lr

    def zero_grad(self) -> None:
        """Forget all gradients: every `.grad` is None."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def step(self) -> None:
        """Move every parameter once, in place.

        Raises
        ------
        ValueError
            If a learning rate is not finite any more, a gradient has another shape than its parameter, or a parameter is
            read-only. Nothing has been moved then.
        """
        steps = []
        for group in self.param_groups:
            if not math.isfinite(group["lr"]):
                raise ValueError(f"SGD: lr must be a finite number, got {group['lr']}")
            params = [p for p in group["params"] if p.grad is not None]
            values, gradients = [p.data for p in params], [p.grad for p in params]
            for p, value, g in zip(params, values, gradients, strict=True):
                if (g.shape if type(g) is np.ndarray else np.shape(g)) != value.shape:
                    raise ValueError(f"SGD: parameter {self._place(p)} has shape {p.shape}, its .grad {np.shape(g)}")
                if not value.flags.writeable:
                    raise ValueError(
                        f"SGD: parameter {self._place(p)} is a read-only array, which cannot be moved; make it of a copy"
                    )
            steps.append((group, params, values, gradients))
        for group, params, values, gradients in steps:
            velocities: list[np.ndarray | None] = [None] * len(params)
            fresh = [False] * len(params)
            if group["momentum"]:
                fresh = [p not in self._velocity for p in params]
                for p in itertools.compress(params, fresh):
                    self._velocity[p] = np.empty_like(p.data)
                velocities = [self._velocity[p] for p in params]
            numbers = (group[name] for name in ("lr", "momentum", "dampening", "weight_decay", "nesterov"))
            kernels.sgd(values, gradients, velocities, fresh, *numbers)
            for p in params:
                p.changed()

    def _place(self, p: Tensor) -> int:
        return [id(q) for group in self.param_groups for q in group["params"]].index(id(p))


def _group(where: str, group: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    """A checked copy of a group, with the defaults for what it does not say."""
    if not isinstance(group, Mapping) or "params" not in group:
        raise TypeError(f'{where} must be a dict like {{"params": layer.parameters(), "lr": 0.01}}, got {group!r}')
    if unknown := set(group) - {"params", *defaults}:
        raise TypeError(f"{where} has {', '.join(map(repr, sorted(unknown)))}; a group may have params, {', '.join(defaults)}")
    params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
    if not params:
        raise ValueError(f"{where} got no parameters; an iterator like model.parameters() can be used up only once")
    for i, p in enumerate(params):
        if not isinstance(p, Tensor):
            raise TypeError(f"{where} takes tensors, got {type(p).__name__} at place {i}; pass model.parameters()")
        if p.operation:
            raise ValueError(f"{where}: the tensor at place {i} was made by {p.operation}; only leaves can be trained")
    known = {**defaults, **group, "params": params}
    for name in ("lr", "momentum", "dampening", "weight_decay"):
        least, value = -math.inf if name == "dampening" else 0, known[name]
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise TypeError(f"{where}: {name} must be a finite number, got {value!r}")
        if not (math.isfinite(value) and value >= least):
            raise ValueError(f"{where}: {name} must be a finite number{' of at least 0' * (least == 0)}, got {value}")
        known[name] = float(value)  # a Python number, so that a float32 parameter stays one
    if known["nesterov"] and (known["momentum"] <= 0 or known["dampening"] != 0):
        raise ValueError(
            f"{where}: nesterov needs momentum > 0 and dampening = 0, got {known['momentum']} and {known['dampening']}"
        )
    return known


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.optim'", name, __all__)
