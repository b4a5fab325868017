"""Schedules: how a learning rate changes during training. `scheduler.step()` after each epoch sets it in the optimizer.

Each schedule is a formula of the epoch and of the rate that a group began with, in its docstring. PyTorch multiplies its way
from one epoch to the next instead, with the same results but for rounding; so there a rate that was changed by hand stays
changed, and here the next `step` sets what the formula says. Use one schedule for an optimizer. (Powers and cosines are the C
library's, of which the last bit may differ from system to system; a float32 parameter does not notice.)
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import repeat
from operator import call, setitem
from typing import Any, ClassVar

from ..atomic import at_once
from .optimizer import Optimizer, finite

_ONLY_IN_PYTORCH = {"_step_count", "_is_initial", "_get_lr_called_within_step", "lr_lambdas", "verbose"}  # of a state_dict


class LRScheduler:
    """What sets the learning rates of an optimizer, epoch by epoch: the base of the schedules.

    A schedule has a method `_rate(base_lr, epoch)`, and `_numbers`, the names of its attributes that a state_dict saves; its
    method `_check` refuses numbers that cannot be.

    Parameters
    ----------
    optimizer : Optimizer
        The rates of its groups at epoch 0 are kept in them as "initial_lr".
    last_epoch : int
        -1 to begin, which sets the rates of epoch 0. To go on after this epoch, the groups must have an "initial_lr".

    Attributes
    ----------
    base_lrs : list of float
        The rates that the groups began with.
    last_epoch : int
        The epoch whose rates the optimizer has.
    """

    _numbers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: optimizer must be an Optimizer, such as optim.SGD, got {type(optimizer).__name__}")
        integer(f"{name}: last_epoch", last_epoch, -1)
        self._check(name, vars(self))
        if last_epoch >= 0 and not all("initial_lr" in group for group in optimizer.param_groups):
            raise ValueError(
                f"{name}: last_epoch is {last_epoch}, but a group has no 'initial_lr'; load the optimizer's state_dict first, "
                "or leave out last_epoch"
            )
        self.optimizer = optimizer
        self.base_lrs = [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._last_lr: list[float] = []
        self._go_to(last_epoch + 1)

    def __repr__(self):
        numbers = (f"{name}={getattr(self, name)}" for name in (*self._numbers, "last_epoch"))
        return f"{type(self).__name__}({', '.join(numbers)})"

    def step(self) -> None:
        """Set the learning rates of the next epoch: those of all groups or, if there is an error or an interrupt, of none.

        Raises
        ------
        ValueError
            If a rate would be negative, NaN or infinite, or the optimizer has got more groups.
        """
        self._go_to(self.last_epoch + 1)

    def get_last_lr(self) -> list[float]:
        """The learning rates that were set last, one for each group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """The epoch, the rates that the groups began with, and the numbers of the schedule, in PyTorch's form."""
        numbers = {name: getattr(self, name) for name in self._numbers}
        return {
            **numbers,
            "base_lrs": list(self.base_lrs),
            "last_epoch": self.last_epoch,
            "_last_lr": self.get_last_lr(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the epoch, the first rates and the numbers of a state_dict, of minidl's or of PyTorch's.

        The learning rates themselves are the optimizer's: load its state_dict, too. Functions are not saved: make a
        `LambdaLR` with those that it had.

        Raises
        ------
        ValueError, TypeError
            If something is missing, does not fit or is not known. Nothing has been changed then.
        """
        at_once(call, self._loading(state_dict))

    def _loading(self, state_dict: Any) -> list[Callable[[], Any]]:
        """What load_state_dict does, checked, and not yet done: calls for `at_once`."""
        where = f"load_state_dict of {type(self).__name__}"
        names = {*self._numbers, "base_lrs", "last_epoch", "_last_lr"}
        if not isinstance(state_dict, Mapping) or not names <= set(state_dict) <= names | _ONLY_IN_PYTORCH:
            came = sorted(map(str, state_dict)) if isinstance(state_dict, Mapping) else type(state_dict).__name__
            raise TypeError(f"{where} takes a dict with {', '.join(sorted(names))}, as state_dict() returns it, got {came}")
        new = {name: state_dict[name] for name in names}
        for name in ("base_lrs", "_last_lr"):
            rates = new[name]
            if not isinstance(rates, (list, tuple)) or len(rates) != len(self.base_lrs):
                raise ValueError(
                    f"{where}: {name} must be a list of {len(self.base_lrs)} rates, one for each group, got {rates!r}"
                )
            new[name] = [finite(f"{where}: {name}", rate, 0.0) for rate in rates]
        integer(f"{where}: last_epoch", new["last_epoch"], 0)
        self._check(where, new)
        return [partial(vars(self).update, new)]

    def _check(self, where: str, numbers: dict[str, Any]) -> None:
        """Refuse numbers of the schedule that cannot be."""

    def _rate(self, base_lr: float, epoch: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} needs a method _rate(self, base_lr, epoch)")

    def _rates(self, epoch: int) -> list[float]:
        return [self._rate(base_lr, epoch) for base_lr in self.base_lrs]

    def _go_to(self, epoch: int) -> None:
        name, groups = type(self).__name__, self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise ValueError(
                f"{name} was made for {len(self.base_lrs)} groups, and the optimizer has {len(groups)}; make it anew"
            )
        try:
            rates = [finite(f"{name}: the learning rate of epoch {epoch}", rate, 0.0) for rate in self._rates(epoch)]
        except OverflowError as error:
            raise ValueError(f"{name}: the learning rate of epoch {epoch} is larger than any float ({error})") from error
        at_once(
            setitem,
            [*groups, *groups, vars(self), vars(self)],
            [*repeat("lr", len(groups)), *repeat("initial_lr", len(groups)), "last_epoch", "_last_lr"],
            [*rates, *self.base_lrs, epoch, rates],
        )


class StepLR(LRScheduler):
    """The rate times gamma after every `step_size` epochs: lr = base_lr gamma^floor(epoch / step_size).

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
        At least 1.
    gamma : float
        At least 0.
    last_epoch : int
        As in `LRScheduler`.

    Examples
    --------
    >>> from minidl import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0])], lr=0.5)
    >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for epoch in range(5):
    ...     print(epoch, optimizer.lr)
    ...     scheduler.step()
    0 0.5
    1 0.5
    2 0.25
    3 0.25
    4 0.125
    """

    _numbers = ("step_size", "gamma")

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _check(self, where: str, numbers: dict[str, Any]) -> None:
        integer(f"{where}: step_size", numbers["step_size"], 1)
        finite(f"{where}: gamma", numbers["gamma"], 0.0)

    def _rate(self, base_lr: float, epoch: int) -> float:
        return base_lr * self.gamma ** (epoch // self.step_size)


class CosineAnnealingLR(LRScheduler):
    """From the first rate down to eta_min along half a cosine, and then up again:

        lr = eta_min + (base_lr - eta_min) (1 + cos(pi epoch / T_max)) / 2

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        How many epochs it takes to eta_min, at least 1.
    eta_min : float
        At least 0.
    last_epoch : int
        As in `LRScheduler`.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, equation 5 (without the
    restarts).

    Examples
    --------
    >>> from minidl import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0])], lr=0.5)
    >>> scheduler = CosineAnnealingLR(optimizer, T_max=3)
    >>> for epoch in range(4):
    ...     print(epoch, f"{optimizer.lr:.3f}")
    ...     scheduler.step()
    0 0.500
    1 0.375
    2 0.125
    3 0.000
    """

    _numbers = ("T_max", "eta_min")

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _check(self, where: str, numbers: dict[str, Any]) -> None:
        integer(f"{where}: T_max", numbers["T_max"], 1)
        finite(f"{where}: eta_min", numbers["eta_min"], 0.0)

    def _rate(self, base_lr: float, epoch: int) -> float:
        return self.eta_min + (base_lr - self.eta_min) * (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class LinearLR(LRScheduler):
    """The rate times a factor that goes from start_factor to end_factor in `total_iters` epochs, and stays there: a warm-up.

        lr = base_lr (start_factor + (end_factor - start_factor) min(epoch, total_iters) / total_iters)

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float
        Above 0, at most 1.
    end_factor : float
        From 0 to 1.
    total_iters : int
        At least 1.
    last_epoch : int
        As in `LRScheduler`.

    Examples
    --------
    >>> from minidl import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0])], lr=0.5)
    >>> scheduler = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> for epoch in range(4):
    ...     print(epoch, optimizer.lr)
    ...     scheduler.step()
    0 0.25
    1 0.375
    2 0.5
    3 0.5
    """

    _numbers = ("start_factor", "end_factor", "total_iters")

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _check(self, where: str, numbers: dict[str, Any]) -> None:
        start = finite(f"{where}: start_factor", numbers["start_factor"], 0.0)
        end = finite(f"{where}: end_factor", numbers["end_factor"], 0.0)
        if not (0 < start <= 1 and end <= 1):
            raise ValueError(f"{where}: start_factor must be above 0, and both factors at most 1, got {start} and {end}")
        integer(f"{where}: total_iters", numbers["total_iters"], 1)

    def _rate(self, base_lr: float, epoch: int) -> float:
        part = min(epoch, self.total_iters) / self.total_iters
        return base_lr * (self.start_factor + (self.end_factor - self.start_factor) * part)


class LambdaLR(LRScheduler):
    """The rate times what a function says: lr = base_lr lr_lambda(epoch).

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : function of the epoch, or a list of them, one for each group
        A factor of at least 0.
    last_epoch : int
        As in `LRScheduler`.

    Examples
    --------
    >>> from minidl import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0])], lr=0.5)
    >>> scheduler = LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> scheduler.step()
    >>> optimizer.lr
    0.25
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Iterable[Callable[[int], float]],
        last_epoch: int = -1,
    ):
        groups = len(optimizer.param_groups) if isinstance(optimizer, Optimizer) else 1
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, Iterable) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups or not all(map(callable, self.lr_lambdas)):
            raise TypeError(
                f"LambdaLR: lr_lambda must be a function, or a list of {groups}, one for each group, got {lr_lambda!r}"
            )
        super().__init__(optimizer, last_epoch)

    def _rates(self, epoch: int) -> list[float]:
        factors = [finite(f"LambdaLR: the factor of epoch {epoch}", function(epoch), 0.0) for function in self.lr_lambdas]
        return [base_lr * factor for base_lr, factor in zip(self.base_lrs, factors, strict=True)]


def integer(what: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{what} must be an integer of at least {least}, got {value!r}")
