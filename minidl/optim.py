"""Stochastic gradient descent: what is done with a gradient once `backward()` has left it in `.grad`."""

import sys
from collections.abc import Iterable, Mapping
from itertools import chain, combinations, compress, repeat
from operator import itemgetter
from typing import Any

import numpy as np

from . import kernels
from .atomic import at_once
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
        The parameters and numbers of each group; changing a number acts at the next step, which checks it.
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
        self._velocity: dict[Tensor, np.ndarray | None] = {}

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
        params = chain.from_iterable(map(itemgetter("params"), self.param_groups))
        at_once(setattr, params, repeat("_grad"), repeat(None))

    def step(self) -> None:
        """Move every parameter once, in place: all of them, or, if there is an error or an interrupt, none.

        Raises
        ------
        TypeError, ValueError
            If a number of a group cannot be, a gradient or a velocity has another shape than its parameter, or a parameter is
            read-only. Nothing has been moved then.
        """
        groups = []
        moved: list[Tensor] = []
        started: dict[Tensor, np.ndarray] = {}  # first velocities, which have no value yet
        for i, group in enumerate(self.param_groups):
            numbers = _numbers(f"SGD: group {i}" if len(self.param_groups) > 1 else "SGD", group)
            params = [p for p in group["params"] if p._grad is not None]
            velocities: list[np.ndarray | None] = [None] * len(params)
            fresh = [False] * len(params)
            if group["momentum"]:
                velocities = [self._velocity.setdefault(p) for p in params]
                fresh = [v is None for v in velocities]
                if True in fresh:
                    started.update((p, np.empty_like(p._data)) for p in compress(params, fresh))
                    velocities = [started.get(p, v) for p, v in zip(params, velocities, strict=True)]
            groups.append(([p._data for p in params], [p._grad for p in params], velocities, fresh, *numbers))
            moved += params
        counts = [p._version for p in moved]
        if len(set(map(id, counts))) < len(counts):
            self._check_apart(moved)
        # The kernel also counts the changes, and remembers what it started, for no interrupt comes before it is done.
        if not kernels.sgd(groups, counts, started, self._velocity):
            raise self._misfit(moved)

    def _check_apart(self, params: list[Tensor]) -> None:
        """Refuse parameters that show the same elements: each would be moved by its own gradient from where both began."""
        for p, q in combinations(params, 2):
            if p._version is q._version and np.shares_memory(p._data, q._data):
                both = f"{self._place(p)} and {self._place(q)}"
                raise ValueError(f"SGD: parameters {both} show the same memory; use one Parameter in both places")

    def _misfit(self, params: list[Tensor]) -> ValueError:
        """Why one of these could not be moved."""
        for p in params:
            who, value, v = f"SGD: parameter {self._place(p)}", p._data, self._velocity.get(p)
            if p._grad is not None and p._grad.shape != value.shape:
                return ValueError(f"{who} has shape {value.shape}, its .grad {p._grad.shape}")
            if not value.flags.writeable:
                return ValueError(f"{who} is a read-only array, which cannot be moved; make it of a copy")
            if v is not None and (v.shape, v.dtype) != (value.shape, value.dtype):
                return ValueError(
                    f"{who} has been given data of shape {value.shape} and {value.dtype}, but its velocity is from before, of "
                    f"shape {v.shape} and {v.dtype}; make a new optimizer"
                )
        return ValueError("SGD: a parameter was changed by another thread meanwhile")

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
        if p.dtype.kind != "f":
            raise TypeError(f"{where} moves tensors of float32 or float64, got one of {p.dtype} at place {i}")
    known = {**defaults, **group, "params": params}
    _numbers(where, known)
    return known


_LARGEST = sys.float_info.max
_LEAST = {"lr": 0.0, "momentum": 0.0, "dampening": -_LARGEST, "weight_decay": 0.0}
_in_order = itemgetter(*_LEAST, "nesterov")


def _numbers(where: str, group: dict[str, Any]) -> tuple[float, float, float, float, bool]:
    """The numbers of a group, checked, in the order that the kernel takes them."""
    try:
        numbers = _in_order(group)
    except KeyError as error:
        raise TypeError(f"{where} has no {error}; a group has params, {', '.join(_LEAST)}, nesterov") from None
    for (name, least), value in zip(_LEAST.items(), numbers, strict=False):
        if type(value) is not float:
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise TypeError(f"{where}: {name} must be a finite number, got {value!r}")
            try:
                value = group[name] = float(value)  # a Python number, so that a float32 parameter stays one
            except OverflowError:
                raise ValueError(f"{where}: {name} must be a finite number, got an integer that no float can hold") from None
        if not least <= value <= _LARGEST:
            raise ValueError(f"{where}: {name} must be a finite number{' of at least 0' * (least == 0)}, got {value}")
    if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
        raise ValueError(
            f"{where}: nesterov needs momentum > 0 and dampening = 0, got {group['momentum']} and {group['dampening']}"
        )
    return _in_order(group)


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.optim'", name, __all__)
