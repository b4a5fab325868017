"""Optimizer: what all rules have in common, namely groups of parameters, checks, saving and loading, and whole steps.

A rule is a subclass, as in `sgd.py`: it says which numbers it takes, what it remembers of each parameter, and how a
parameter moves. How a learning rate changes during training is not said here: whoever trains sets `lr`, or a schedule of
`lr_scheduler.py` does.
"""

import math
import operator
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import combinations, compress, count, islice, repeat
from typing import Any, ClassVar

import numpy as np

from ..atomic import at_once
from ..state import fitting
from ..tensor import Tensor

LARGEST = sys.float_info.max
step_observers: list[Callable[["Optimizer", list], None]] = []  # called by every step, before it moves; see `capture`
_ONLY_IN_PYTORCH = ("maximize", "foreach", "differentiable", "fused", "capturable", "amsgrad", "decoupled_weight_decay")


class Optimizer:
    """What moves parameters by their gradients: the base of `SGD` and of rules of your own.

    A rule has a method `_step`, which moves the parameters. `_least` has the numbers of a group, each with the least
    value that is allowed, and `_flags` the names of what is True or False. `_remembered` has the names of the arrays that it
    keeps of each parameter, of the parameter's shape and dtype, and "step", if it counts the steps of each; they are in
    `_state`, by name and parameter. `_always` are those of them that every parameter has once it was moved, and `_squares`
    those that are squares, of at least 0.

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        Usually model.parameters(). Dicts are groups with numbers of their own: {"params": [...], "lr": 0.01}.
    defaults : dict
        All numbers of the rule, by name, for the groups that do not say their own.

    Attributes
    ----------
    param_groups : list of dict
        The parameters and numbers of each group; changing a number acts at the next step, which checks it.
    lr : float
        The learning rate, where all groups have the same; setting it sets that of every group.

    Raises
    ------
    ValueError
        If there is no parameter, one comes twice, or a number is too small, NaN or infinite.
    TypeError
        If something else than a Tensor is among the parameters, or a group has a key that the rule does not know.

    Examples
    --------
    A rule that looks only at the signs of a gradient, without a kernel and its promises:

    >>> class SignDescent(Optimizer):
    ...     _least = {"lr": 0.0}
    ...
    ...     def _step(self, groups, counts):
    ...         for params, group in groups:
    ...             for p in params:
    ...                 p.data -= group["lr"] * np.sign(p.grad)
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SignDescent([w], {"lr": 0.25})
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([ 0.75, -1.75], dtype=float32)
    """

    _least: ClassVar[dict[str, float]] = {}
    _flags: ClassVar[tuple[str, ...]] = ()
    _remembered: ClassVar[tuple[str, ...]] = ()
    _always: ClassVar[tuple[str, ...]] = ()
    _squares: ClassVar[tuple[str, ...]] = ()
    _numbers: Any = staticmethod(lambda group: ())  # those of a group as the rule's kernel takes them, if it has one
    _in_pytorch: ClassVar[dict[str, bool]] = {}  # what this rule is by options of PyTorch's groups, where it is not False

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        name = type(self).__name__
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(f"{name} takes several tensors, got {type(params).__name__}; pass model.parameters()")
        given = list(params)
        grouped = bool(given) and isinstance(given[0], Mapping)
        self._defaults = defaults
        self._state: dict[str, dict[Tensor, Any]] = {remembered: {} for remembered in self._remembered}
        self.param_groups: list[dict[str, Any]] = []
        for i, group in enumerate(given if grouped else [{"params": given}]):
            self.param_groups.append(self._group(f"{name}: group {i}" if grouped else name, group))

    def __repr__(self):
        groups = [", ".join(f"{name}={value}" for name, value in g.items() if name != "params") for g in self.param_groups]
        numbered = [f"group {i}: {group}" for i, group in enumerate(groups)]
        return f"{type(self).__name__}({'; '.join(numbered if len(groups) > 1 else groups)})"

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

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group of parameters, which the next step moves too.

        Parameters
        ----------
        param_group : dict
            {"params": [...], "lr": 0.01}, as when the optimizer is made. What it does not say it takes from what the
            optimizer was made with.

        Raises
        ------
        ValueError, TypeError
            As when the optimizer is made, and if a parameter is already in a group. No group has been added then.

        Examples
        --------
        >>> from minidl import nn, optim
        >>> body, head = nn.Linear(3, 2), nn.Linear(2, 1)
        >>> optimizer = optim.SGD(body.parameters(), lr=0.1)
        >>> optimizer.add_param_group({"params": head.parameters(), "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        where = f"{type(self).__name__}: group {len(self.param_groups)}"
        self.param_groups.append(self._group(where, param_group))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients: every `.grad` is None, or, with set_to_none=False, new zeros where there was one."""
        parameters = self._parameters()
        zeros = repeat(None) if set_to_none else [p.grad if p.grad is None else np.zeros_like(p.grad) for p in parameters]
        at_once(setattr, parameters, repeat("_grad"), zeros)

    def step(self) -> None:
        """Move every parameter once, in place: all of them, or, if there is an error or an interrupt, none.

        Raises
        ------
        TypeError, ValueError
            If a number of a group cannot be, a gradient or what is remembered has another shape than its parameter, or
            a parameter is read-only. Nothing has been moved then.
        """
        name = type(self).__name__
        groups, moved = [], []
        for i, group in enumerate(self.param_groups):
            self._check(f"{name}: group {i}" if len(self.param_groups) > 1 else name, group)
            params = [p for p in group["params"] if p._grad is not None]
            groups.append((params, group))
            moved += params
        counts = [p._version for p in moved]
        if len(set(map(id, counts))) < len(counts):
            self._check_apart(moved)
        for observer in step_observers:
            observer(self, groups)
        try:
            self._step(groups, counts)
        except ValueError:
            self._check_fit(moved)
            raise

    def state_dict(self) -> dict[str, Any]:
        """Everything that the optimizer remembers, in PyTorch's form: copies, which later steps do not change.

        Returns
        -------
        dict
            "state" has, by a parameter's place among all parameters, a dict of the arrays that are remembered of it,
            each of the parameter's shape and dtype, and of "step", an integer. "param_groups" has the numbers of each
            group, and under "params" the places of its parameters.

        Examples
        --------
        >>> from minidl import optim
        >>> w = Tensor([1.0], requires_grad=True)
        >>> optimizer = optim.SGD([w], lr=0.5, momentum=0.75)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> optimizer.state_dict()["state"]
        {0: {'momentum_buffer': array([2.], dtype=float32)}}
        >>> optimizer.state_dict()["param_groups"][0]["params"]
        [0]
        """
        state = {}
        for i, p in enumerate(self._parameters()):
            known = {name: of[p] for name, of in self._state.items() if of.get(p) is not None}
            if known:
                state[i] = {name: known[name][0] if name == "step" else known[name].copy() for name in known}
        groups = [{**group, "params": places} for group, places in zip(self.param_groups, self._places(), strict=True)]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the numbers, and copies of the arrays, of a state_dict: training goes on where it was saved.

        Parameters
        ----------
        state_dict : dict
            What `state_dict()` returned, of an optimizer by the same rule with as many groups and parameters; or what
            PyTorch's did. An array may be anything that np.asarray takes; one that is None or missing is not there yet.

        Raises
        ------
        ValueError, TypeError
            If groups, parameters or shapes do not fit, a number is missing or cannot be, an array holds anything but
            finite numbers, or there is something that this rule does not know. Nothing has been changed then.

        Notes
        -----
        Parameters are known by their places, not by names: give both optimizers the parameters in the same order. Of
        the options that only PyTorch has, amsgrad, maximize, foreach, differentiable, capturable and fused may be there,
        but must be False or None. decoupled_weight_decay is what tells AdamW from Adam.

        Examples
        --------
        >>> from minidl import optim
        >>> w = Tensor([1.0], requires_grad=True)
        >>> state = optim.SGD([w], lr=0.5, momentum=0.75).state_dict()
        >>> optimizer = optim.SGD([w], lr=0.1)
        >>> optimizer.load_state_dict(state)
        >>> optimizer
        SGD(lr=0.5, momentum=0.75, dampening=0.0, weight_decay=0.0, nesterov=False)
        """
        at_once(operator.call, self._loading(state_dict))

    def _loading(self, state_dict: Any) -> list[Callable[[], Any]]:
        """What load_state_dict does, checked, and not yet done: calls for `at_once`."""
        where = f"load_state_dict of {type(self).__name__}"
        if not isinstance(state_dict, Mapping) or set(state_dict) != {"state", "param_groups"}:
            came = f"a dict with {_listed(state_dict)}" if isinstance(state_dict, Mapping) else type(state_dict).__name__
            raise TypeError(f"{where} takes a dict with 'state' and 'param_groups', as state_dict() returns it, got {came}")
        numbers = self._saved_numbers(where, state_dict["param_groups"])
        state = self._saved_state(where, state_dict["state"])
        changes = zip([self._state, *self.param_groups], [state, *numbers], strict=True)
        return [partial(dict.update, old, new) for old, new in changes]

    def _step(self, groups: list[tuple[list[Tensor], dict[str, Any]]], counts: list[list[int]]) -> None:
        """The rule: move the parameters of each group by its numbers, and count that by adding 1 to each of the counts.

        An assignment such as `p.data -= step` counts by itself. Raises a ValueError, having done nothing, if the shapes or
        dtypes of a parameter, its gradient and what is remembered of it do not fit each other.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method _step(self, groups, counts) that moves the parameters")

    def _recalled(self, name: str, params: list[Tensor], started: list[tuple[Any, Any, Any]]) -> list[Any]:
        """What is remembered of each parameter under this name, or 0 where that is nothing yet, which goes to `started`, too:
        the kernel keeps it when it has moved the parameters, and not before."""
        known = self._state[name]
        recalled = list(map(known.setdefault, params))  # also makes room: the kernel allocates no memory
        if True in (fresh := [value is None for value in recalled]):
            for i in compress(count(), fresh):
                recalled[i] = [0] if name == "step" else np.zeros_like(params[i]._data)
                started.append((known, params[i], recalled[i]))
        return recalled

    def _check(self, where: str, group: dict[str, Any]) -> None:
        """Refuse numbers that cannot be, and make the others Python's floats, so that a float32 parameter stays one."""
        for name in self._defaults:
            if name not in group:
                raise TypeError(f"{where} has no {name!r}; a group has params, {', '.join(self._defaults)}")
        if "initial_lr" in group:  # a schedule keeps it there
            group["initial_lr"] = finite(f"{where}: initial_lr", group["initial_lr"], 0.0)
        for name, least in self._least.items():
            value = group[name]
            if type(value) is not float or not least <= value <= LARGEST:
                group[name] = finite(f"{where}: {name}", value, least)
        for name in self._flags:
            if type(group[name]) is not bool and not isinstance(group[name], (int, np.bool_)):
                raise TypeError(f"{where}: {name} must be True or False, got {group[name]!r}")

    def _group(self, where: str, group: Any) -> dict[str, Any]:
        """A checked copy of a group, with the defaults for what it does not say."""
        if not isinstance(group, Mapping) or not isinstance(group.get("params"), Iterable):
            raise TypeError(f'{where} must be a dict like {{"params": layer.parameters(), "lr": 0.01}}, got {group!r}')
        if unknown := set(group) - {"params", "initial_lr", *self._defaults}:
            raise TypeError(f"{where} has {_listed(unknown)}; a group may have params, {', '.join(self._defaults)}")
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        if not params:
            raise ValueError(f"{where} got no parameters; an iterator like model.parameters() can be used up only once")
        seen = set(map(id, self._parameters()))
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{where} takes tensors, got {type(p).__name__} at place {i}; pass model.parameters()")
            if p.operation:
                raise ValueError(f"{where}: the tensor at place {i} was made by {p.operation}; only leaves can be trained")
            if p.dtype.kind != "f":
                raise TypeError(f"{where} moves tensors of float32 or float64, got one of {p.dtype} at place {i}")
            if id(p) in seen:
                raise ValueError(
                    f"{type(self).__name__} got a parameter twice: it would be moved twice in one step; leave out the one at "
                    f"place {i} of group {len(self.param_groups)}"
                )
            seen.add(id(p))
        known = {**self._defaults, **group, "params": params}
        self._check(where, known)
        return known

    def _parameters(self) -> list[Tensor]:
        """All parameters. The place of one in this list is its number in errors and in a state_dict."""
        return [p for group in self.param_groups for p in group["params"]]

    def _places(self) -> list[list[int]]:
        """For each group, the places of its parameters."""
        places = count()
        return [list(islice(places, len(group["params"]))) for group in self.param_groups]

    def _saved_numbers(self, where: str, groups: Any) -> list[dict[str, Any]]:
        """The numbers of each group in a state_dict, checked."""
        if not isinstance(groups, (list, tuple)) or len(groups) != len(self.param_groups):
            came = f"{len(groups)}" if isinstance(groups, (list, tuple)) else type(groups).__name__
            raise ValueError(
                f"{where}: param_groups must be a list of {len(self.param_groups)} groups, got {came}; make the optimizer with "
                "the groups of the one that was saved"
            )
        numbers = []
        for i, (group, places) in enumerate(zip(groups, self._places(), strict=True)):
            here = f"{where}: group {i}"
            if not isinstance(group, Mapping):
                raise TypeError(f"{here} must be a dict, got {type(group).__name__}")
            if unknown := set(group) - {"params", "initial_lr", *self._defaults, *_ONLY_IN_PYTORCH}:
                raise ValueError(f"{here} has {_listed(unknown)}; remove it: a group has params, {', '.join(self._defaults)}")
            for name in _ONLY_IN_PYTORCH:
                option, only = group.get(name), self._in_pytorch.get(name, False)
                if option is not None and option is not only:
                    raise ValueError(f"{here}: {name} must be {only} or None, for minidl has no such option, got {option!r}")
            if group.get("params") != places:
                raise ValueError(
                    f"{here}: params must be {places}, got {group.get('params')!r}; make the optimizer with the parameters of "
                    "the one that was saved, in the same order"
                )
            numbers.append({name: group[name] for name in (*self._defaults, "initial_lr") if name in group})
            self._check(here, numbers[-1])
        return numbers

    def _saved_state(self, where: str, state: Any) -> dict[str, dict[Tensor, Any]]:
        """The arrays and counts in a state_dict, copied and checked."""
        params = self._parameters()
        if not isinstance(state, Mapping):
            raise TypeError(f"{where}: state must be a dict from the places of parameters to dicts, got {type(state).__name__}")
        if unknown := set(state) - set(range(len(params))):
            raise ValueError(
                f"{where}: state has {_listed(unknown)}; its keys are places, integers from 0 to {len(params) - 1}"
            )
        loaded: dict[str, dict[Tensor, Any]] = {name: {} for name in self._remembered}
        for i, p in enumerate(params):
            here, arrays = f"{where}: state of parameter {i}", state.get(i, {})
            if not isinstance(arrays, Mapping):
                raise TypeError(f"{here} must be a dict of arrays, got {type(arrays).__name__}")
            if unknown := set(arrays) - set(self._remembered):
                raise ValueError(f"{here} has {_listed(unknown)}; {type(self).__name__} remembers {_listed(self._remembered)}")
            for name, value in arrays.items():
                if value is None:
                    continue
                try:
                    least = 0.0 if name in self._squares else -math.inf
                    loaded[name][p] = _steps(value) if name == "step" else fitting(value, p._data, least)
                except ValueError as error:
                    raise ValueError(f"{here}: {name}: {error}") from error
            there = [name for name in self._remembered if p in loaded[name]]
            if there and (lacking := set(self._always) - set(there)):
                raise ValueError(f"{here} has {_listed(there)} and lacks {_listed(lacking)}; save and load all of it")
        return loaded

    def _check_apart(self, params: list[Tensor]) -> None:
        """Refuse parameters that show the same elements: each would be moved by its gradient from where both began."""
        for p, q in combinations(params, 2):
            if p._version is q._version and np.shares_memory(p._data, q._data):
                both = f"{self._place(p)} and {self._place(q)}"
                raise ValueError(
                    f"{type(self).__name__}: parameters {both} show the same memory; use one Parameter in both places"
                )

    def _check_fit(self, params: list[Tensor]) -> None:
        """Refuse parameters that cannot be moved, by an error that says why in place of the one that is being handled."""
        for p in params:
            who, value = f"{type(self).__name__}: parameter {self._place(p)}", p._data
            if p._grad is not None and p._grad.shape != value.shape:
                raise ValueError(f"{who} has shape {value.shape}, its .grad {p._grad.shape}") from None
            if not value.flags.writeable:
                raise ValueError(f"{who} is a read-only array, which cannot be moved; make it of a copy") from None
            for name, known in self._state.items():
                if (
                    name != "step"
                    and (array := known.get(p)) is not None
                    and (array.shape, array.dtype) != (value.shape, value.dtype)
                ):
                    raise ValueError(
                        f"{who} has been given data of shape {value.shape} and {value.dtype}, but its {name} is from before, "
                        f"of shape {array.shape} and {array.dtype}; make a new optimizer"
                    ) from None

    def _place(self, p: Tensor) -> int:
        return [id(q) for q in self._parameters()].index(id(p))


def finite(what: str, value: Any, least: float) -> float:
    """A number as Python's float, if it is finite and not too small."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{what} must be a finite number, got {value!r}")
    try:
        value = float(value)
    except OverflowError:
        raise ValueError(f"{what} must be a finite number, got an integer that no float can hold") from None
    if not least <= value <= LARGEST:
        raise ValueError(f"{what} must be a finite number{' of at least 0' * (least == 0)}, got {value}")
    return value


def _steps(saved: Any) -> list[int]:
    """A count of steps from a state_dict, where PyTorch has a tensor that is a number."""
    steps = int(fitting(saved, np.zeros((), np.int64), 0))
    if steps >= 1 << 40:
        raise ValueError(f"expected a number of steps, got {steps}")
    return [steps]


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(sorted(map(repr, names)))
