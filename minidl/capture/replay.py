"""A recorded step as a program: where its arrays lie, which calls it makes, and what must not change for it to be the step.

The program computes everything in memory of its own, an arena in which the place of an array that nobody reads any more is used
again, and only then, in its last operations, which cannot fail, changes parameters, velocities and running statistics. So where
an operation fails (a label out of range, a variance that overflows, no memory) nothing has happened yet, and the step can be
taken as usual, with the usual error.
"""

from collections.abc import Callable
from operator import is_
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from .. import kernels, nn, tensor
from ..atomic import alone
from ..nn import module as hooks
from ..optim import optimizer as moved
from ..tensor import Tensor
from .recording import COMMITS, RULES, Operation, Recording, View, lies_in, surroundings, views_in

MISSED = object()  # what a replay returns where this call must be taken as usual
_LINE = 64  # an array begins with a cache line
_TAKEN = tensor._freed("captured step")  # what made its loss


class CannotReplay(Exception):
    """Something in a recording has no operation in a program."""


class Replay:
    """A recorded step, ready to be taken again: a function of a tuple of arguments.

    Attributes
    ----------
    missed : str
        Why the last call was not replayed.
    """

    def __init__(self, recording: Recording, function: Callable[..., Any]):
        self.recording = recording
        self.missed = ""
        self._used: dict[str, object] = {}  # by one thread at a time
        self._ordered = _in_order(recording.operations)
        self._memory = _Memory(recording, self._ordered)
        self.guards = _guards(recording, function)
        _check_apart(recording.arguments, self.guards[2])
        self._forms = [x if not isinstance(x, np.ndarray) else np.empty_like(x) for x in recording.arguments]
        self.leaves = [leaf for leaf, view in recording.gradients.items() if view is not None]
        self._zeroed = [leaf for leaf, view in recording.gradients.items() if view is None]
        self._groups = [
            (i, j, update.optimizer, group)
            for i, update in enumerate(recording.updates)
            for j, (group, _) in enumerate(update.groups)
        ]
        self._numbers = [optimizer._numbers(group) for _, _, optimizer, group in self._groups]
        self._steps = [(i, steps) for i, update in enumerate(recording.updates) if (steps := _steps(update))]
        self._build()

    def _build(self) -> None:
        """Make the program, with new arrays for the gradients: those of before may be somebody else's now."""
        self._memory.renew_gradients()
        self._gradients = [self._memory.array(view) for view in self.recording.gradients.values() if view is not None]
        self.program = kernels.Program()
        numbers = iter(self._numbers)
        for operation in self._ordered:
            if operation.name in RULES:
                _append_update(self.program, self._memory, operation, [next(numbers) for _ in operation.arguments])
            else:
                _append(self.program, self._memory, operation)
        view = self.recording.result
        self._loss = None if view is None else self._memory.array(view)
        self._after = (self.leaves, list(self._gradients), self._zeroed, self.recording.counts, self.recording.drawn)
        self._shown = [(gradient, gradient.view()) for gradient in self._gradients]
        self._references = kernels.references(self._gradients)

    def _leave_gradients(self) -> None:
        """Make the program anew where somebody has got one of its gradients, or given it another shape or memory."""
        if kernels.shared(self._gradients, self.leaves, self._references) or not kernels.unchanged([], [], [], self._shown):
            self._build()

    def written(self) -> list[np.ndarray]:
        """The arrays that were there before, and that the program changes."""
        commits = [o for o in self._ordered if o.name in COMMITS]
        return [self._memory.array(v) for v in dict.fromkeys(v for o in commits for v in views_in(_written(o)))]

    def rehearse(self, arguments: tuple) -> list | None:
        """Digests of what a step makes of written arrays, gradients and loss, which then are as before; None if it fails."""
        if not self.prepare(arguments):
            return None
        written, loss = self.written(), [] if self._loss is None else [self._loss]
        return self.program.rehearse(written, lambda: _digests([*written, *self._gradients, *loss]))

    def results(self, returned: Any) -> list:
        """The same of a step that was taken as usual, and that returned this."""
        gradients: list[Any] = [leaf._grad for leaf in self.leaves]
        return _digests([*self.written(), *gradients, *([] if self.recording.result is None else [returned._data])])

    def __call__(self, arguments: tuple) -> Any:
        """What the step returns, or MISSED, and nothing has been changed."""
        return alone(self._used, MISSED, self._step, arguments)

    def _step(self, arguments: tuple) -> Any:
        self._leave_gradients()
        self.missed = ""
        if not self.prepare(arguments):
            return MISSED
        if not self.program.step(self._after):
            self.missed = "a label is out of range, a variance overflows, or there is no memory"
            return MISSED
        return None if self._loss is None else _as_returned(np.array(self._loss), self.recording.requires_grad)

    def sources(self, arrays: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        """Arrays of many rows as the program reads them, converted where it must be; empty, where the step has others."""
        fit = (self._loss is None or self._loss.size == 1) and len(arrays) == len(self._forms)
        for form, array in zip(self._forms, arrays, strict=False):
            fit &= isinstance(form, np.ndarray) and (form.dtype, form.shape[1:]) == (array.dtype, array.shape[1:])
        return [np.ascontiguousarray(arrays[i], place.dtype) for i, place in self._memory.inputs] if fit else []

    def steps(self, arrays: tuple[np.ndarray, ...], sources: list[np.ndarray], order: np.ndarray, size: int) -> np.ndarray:
        """A step for each batch of so many rows, in this order; returns the losses of those that were made."""
        losses = np.empty(len(order) // size, np.float32 if self._loss is None else self._loss.dtype)
        made = alone(self._used, 0, self._steps_of, arrays, sources, order, size, losses) if sources else 0
        return losses[:made]

    def _steps_of(self, arrays: Any, sources: list[np.ndarray], order: np.ndarray, size: int, losses: np.ndarray) -> int:
        self._leave_gradients()
        if not self.prepare(tuple(array[order[:size]] for array in arrays)):
            return 0
        drawn = {id(generator): words for generator, words in self.recording.drawn}
        words = [drawn[id(generator)] for generator, _ in self.recording.draws]
        places = [place for _, place in self._memory.inputs]
        return self.program.steps(order, sources, places, self._loss, losses, words, self._after)

    def prepare(self, arguments: tuple) -> bool:
        """Whether the program is the step with these arguments; then they, and what else it takes, are where it reads them."""
        if not (kernels.unchanged(*self.guards) and self._take(arguments) and self._read_numbers()):
            return False
        for i, (generator, words) in enumerate(self.recording.draws):
            self.program.set_draw(i, generator._key, generator._position + words)
        return True

    def _take(self, arguments: tuple) -> bool:
        """Copy the arguments to where the program reads them, if they have the form of those that were recorded."""
        arrays = [x._data if type(x) is Tensor and not x.requires_grad else x for x in arguments]
        return kernels.take(arrays, self._forms, self._memory.inputs)

    def _read_numbers(self) -> bool:
        """Take over the optimizers' numbers and counts as they are now; False where these make it another step."""
        for k, (i, j, optimizer, group) in enumerate(self._groups):
            known = self._numbers[k]
            try:
                numbers = optimizer._numbers(group)
                if all(map(is_, numbers, known)):
                    continue
                optimizer._check("", group)
                numbers = optimizer._numbers(group)
            except (TypeError, ValueError, KeyError):  # which the step itself will say
                return False
            if list(map(bool, numbers)) != list(map(bool, known)):  # without momentum, for instance, there is no velocity
                return False
            self._numbers[k] = numbers
            self.program.set_numbers(i, j, numbers)
        for i, steps in self._steps:
            self.program.set_steps(i, steps)
        return True

    def reason(self, arguments: tuple) -> str:
        """Why a call with these arguments was not replayed."""
        if len(arguments) != len(self._forms):
            return f"it was recorded with {len(self._forms)} arguments, and has {len(arguments)}"
        for i, (x, form) in enumerate(zip(arguments, self._forms, strict=True)):
            x = x._data if type(x) is Tensor else x
            if isinstance(x, np.ndarray) and isinstance(form, np.ndarray):
                mine, theirs = (f"{a.dtype} of shape {a.shape} and strides {a.strides}" for a in (x, form))
                if mine != theirs:
                    return f"argument {i} is {mine}, and was recorded as {theirs}"
            elif type(x) is not type(form) or repr(x) != repr(form):
                return f"argument {i} is another one than was recorded"
        dicts, lists, attributes, arrays = self.guards
        for row in dicts:
            if not kernels.unchanged([row], [], [], []):
                return f"an attribute of {_owner_of(row[0], self.recording)} has changed"
        for row in attributes:
            if not kernels.unchanged([], [], [row], []):
                what = row[1] if row[1] != "_data" else "data"
                return f"{what} of a {type(row[0]).__name__} has changed"
        if not kernels.unchanged([], lists, [], arrays):
            return "layers, parameters, groups or observers were added or removed, or memory exchanged"
        return self.missed or "the optimizer's numbers make it another step"


def _digests(arrays: list[np.ndarray]) -> list:
    """Of each array its dtype, its shape, and 64 bytes that other numbers would not have: copies would take much memory."""
    import hashlib  # here, for it is slow to import

    return [(x.dtype, x.shape, hashlib.blake2b(np.ascontiguousarray(x).data).digest()) for x in arrays]


def _owner_of(attributes: dict, recording: Recording) -> str:
    for module in recording.modules:
        if vars(module) is attributes:
            return f"{type(module).__name__} {module._name!r}" if module._name else type(module).__name__
    return "an optimizer"


def _as_returned(value: np.ndarray, requires_grad: bool) -> Tensor:
    """A tensor like the one that the step returned: one whose graph has been freed."""
    loss = tensor.record(value, (), None)
    if requires_grad:
        loss.requires_grad, loss._made, loss._number = True, _TAKEN, next(tensor._numbers)
    return loss


# Memory


class _Memory:
    """The arrays of a program, by their views."""

    def __init__(self, recording: Recording, operations: list[Operation]):
        self._recording = recording
        self._buffers: dict[int, np.ndarray] = {}  # by number: all of its bytes, as numbers of one byte
        self._whole: dict[int, np.ndarray] = {}  # kept arrays and gradients, as they are
        self.inputs: list[tuple[int, np.ndarray]] = []  # the place of an argument, and where it is copied to
        before = {o.results[0].buffer for o in operations if self.is_cast(o) or o.name == "constant"}  # is there before it runs
        for number, buffer in enumerate(recording.buffers):
            if buffer.kind == "kept":
                self._whole[number] = recording.kept[buffer.source]
            elif buffer.kind == "argument":
                self._add_input(number, buffer.source, np.empty_like(recording.arguments[buffer.source]))
        for operation in operations:
            if operation.name == "constant":
                self._whole[operation.results[0].buffer] = np.array(*map(self.value, operation.arguments))
            if self.is_cast(operation):
                view = operation.results[0]
                source = recording.buffers[operation.arguments[0].buffer].source
                self._add_input(view.buffer, source, np.empty(view.shape, view.dtype))
        self._leaf_views = {view.buffer: view for view in recording.gradients.values() if view is not None}
        self._place(operations, set(self._leaf_views) | before)

    def is_cast(self, operation: Operation) -> bool:
        """Whether it copies a whole argument, so that its result may as well be what the argument is copied to."""
        if operation.name != "copied":
            return False
        view, buffer = operation.arguments[0], self._recording.buffers[operation.arguments[0].buffer]
        if buffer.kind != "argument" or view.offset:
            return False
        argument = self._recording.arguments[buffer.source]
        return (view.shape, view.strides) == (argument.shape, argument.strides) and argument.flags.c_contiguous

    def _add_input(self, number: int, source: int, place: np.ndarray) -> None:
        argument = self._recording.arguments[source]
        if place.dtype == argument.dtype and place.strides != argument.strides:
            raise CannotReplay(f"argument {source} has strides {argument.strides}; pass a contiguous array")
        self.inputs.append((source, place))
        self._whole[number] = place

    def renew_gradients(self) -> None:
        for number, view in self._leaf_views.items():
            self._whole[number] = np.empty(view.shape, view.dtype)

    def _place(self, operations: list[Operation], elsewhere: set[int]) -> None:
        """Give each buffer that operations make a place in the arena; where two are in use at once, they lie apart."""
        buffers, lives = self._recording.buffers, dict[int, list[int]]()
        for time, operation in enumerate(operations):
            for view in views_in((operation.arguments, operation.results)):
                if buffers[view.buffer].kind == "made" and view.buffer not in elsewhere:
                    lives.setdefault(view.buffer, [time, time])[1] = time
        if self._recording.result is not None:
            lives[self._recording.result.buffer][1] = len(operations)
        placed: list[tuple[int, int, int, int]] = []  # first and last operation, begin and end
        places: dict[int, int] = {}
        for number in sorted(lives, key=lambda number: -buffers[number].bytes):
            (first, last), place = lives[number], 0
            size = -(-buffers[number].bytes // _LINE) * _LINE
            for begin, end in sorted((b, e) for born, dead, b, e in placed if born <= last and first <= dead):
                if begin - place >= size:
                    break
                place = max(place, end)
            places[number] = place
            placed.append((first, last, place, place + size))
        memory = np.empty(max((end for *_, end in placed), default=0) + _LINE, np.uint8)
        arena = memory[-memory.ctypes.data % _LINE :]
        for number, place in places.items():
            self._buffers[number] = arena[place : place + buffers[number].bytes]
        for number, buffer in enumerate(buffers):
            if buffer.kind == "one":
                self._buffers[number] = np.empty(buffer.bytes, np.uint8)

    def array(self, view: View) -> np.ndarray:
        """The array that a view is of."""
        whole = self._whole.get(view.buffer)
        if (
            whole is not None
            and view.offset == 0
            and (view.shape, view.strides, view.dtype) == (whole.shape, whole.strides, whole.dtype)
        ):
            return whole
        memory = self._buffers[view.buffer] if whole is None else whole
        array: np.ndarray = np.ndarray(view.shape, view.dtype, memory, view.offset, view.strides)
        if self._recording.buffers[view.buffer].kind == "one":
            array[...] = 1
        return array

    def value(self, x: Any) -> Any:
        """What a kernel takes for an argument as `Recording.described` has it."""
        if isinstance(x, View):
            return self.array(x)
        if isinstance(x[0], type) if x else False:
            return x[1]
        if x and isinstance(x[0], np.dtype):
            return np.frombuffer(x[1], x[0])[0]
        return tuple(map(self.value, x))


# Operations


def _in_order(operations: list[Operation]) -> list[Operation]:
    """The operations, with those that change what was there before at the end: nothing in between may read that."""
    commits = [o for o in operations if o.name in COMMITS]
    changed: set[int] = set()
    for operation in operations:
        if operation.name in COMMITS:
            changed |= {view.buffer for view in views_in(_written(operation))}
        elif changed & {view.buffer for view in views_in(operation.arguments)}:
            raise CannotReplay(f"{operation.line}: {operation.name} reads what the step has changed before")
    return [*(o for o in operations if o.name not in COMMITS), *commits]


def _written(commit: Operation) -> tuple:
    """The arrays that it changes."""
    if commit.name in RULES:
        return tuple((values, states) for values, _, *states in commit.arguments)
    return commit.arguments[:3]


def _append(program: Any, memory: _Memory, operation: Operation) -> None:
    """Add the call of a kernel to a program."""
    name, results = operation.name, tuple(map(memory.array, operation.results))
    try:
        if name == "constant":
            pass  # it stands in its place from the beginning
        elif name == "copied":
            if not memory.is_cast(operation):
                program.append(kernels.copy, (memory.array(operation.arguments[0]),), results)
        elif name in ("add", "subtract", "multiply", "divide", "inverse_root"):
            x, y = (np.asarray(memory.value(x)) for x in operation.arguments)
            program.append(kernels.arithmetic, (name, x, y), results)
        elif name == "uniform":
            size, real, low, high = map(memory.value, operation.arguments)
            program.append(kernels.uniform, (size, real, (0, 0), 0, low, high), results)
        elif name == "sum":
            _append_sum(program, memory, operation, results)
        elif name == "move_statistics":
            program.append(kernels.move_statistics, (*map(memory.value, operation.arguments), []), ())
        elif name in _KERNELS:
            program.append(getattr(kernels, name), tuple(map(memory.value, operation.arguments)), results)
        else:
            raise CannotReplay(f"{operation.line}: {name} cannot be replayed yet")
    except (ValueError, TypeError) as error:
        raise CannotReplay(f"{operation.line}: {name} cannot be replayed: {error}") from error


_KERNELS = frozenset(
    """matmul linear column_sums tanh tanh_backward sigmoid sigmoid_backward relu relu_backward leaky_relu leaky_relu_backward
    elu elu_backward silu silu_backward gelu gelu_backward exp log batch_norm batch_norm_backward are_finite cross_entropy
    cross_entropy_backward scaled mask""".split()  # noqa: SIM905 - a list of words
)


def _append_sum(program: Any, memory: _Memory, operation: Operation, results: tuple[np.ndarray, ...]) -> None:
    x, axis = memory.array(operation.arguments[0]), memory.value(operation.arguments[1:2] or ((type(None), None),))[0]
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    kept = [i for i in range(x.ndim) if i not in axes]
    if not axes:
        raise CannotReplay(f"{operation.line}: a sum over no axis cannot be replayed")
    # Along rows or along columns, where `kernels.sum` does so: an axis of one number may stand anywhere.
    if x.flags.c_contiguous and x.transpose(*kept, *axes).flags.c_contiguous:
        program.append(kernels.row_sums, (x, results[0].shape), results)
    elif x.flags.c_contiguous and axes == tuple(range(len(axes))):
        matrix = x.reshape(-1, int(np.prod(x.shape[len(axes) :])))
        program.append(kernels.column_sums, (matrix,), (results[0].reshape(-1),))
    else:
        raise CannotReplay(f"{operation.line}: a sum over axes {list(axes)} of {x.ndim} cannot be replayed")


def _append_update(program: Any, memory: _Memory, operation: Operation, numbers: list[tuple]) -> None:
    """Add the step of an optimizer, with these numbers for each group."""
    rows = []
    for lists, its_numbers in zip(operation.arguments, numbers, strict=True):
        arrays = [[memory.value(x) for x in each] for each in lists]
        rows.append((*arrays, [1] * len(arrays[0]), *its_numbers))
    try:
        program.append(getattr(kernels, operation.name), (rows, [], []), ())
    except ValueError as error:
        raise CannotReplay(f"{operation.line}: {operation.name} cannot be replayed: {error}") from error


def _steps(update: Any) -> list[list[int]]:
    """The counts of steps of the parameters of an update, in the order of a program's tensors; empty, if the rule has none."""
    known = update.optimizer._state.get("step")
    if known is None:
        return []
    return [known[p] for _, params in update.groups for dtype in (np.float32, np.float64) for p in params if p.dtype == dtype]


# Guards: what a recorded step depends on, beside the values in its arrays


def _check_apart(arguments: list, attributes: list[tuple]) -> None:
    """Refuse arguments that share memory: what is read might be either of them, or what the step finds outside."""
    others = [x._data if isinstance(x, Tensor) else x for _, _, x in attributes]
    for i, x in enumerate(arguments):
        for other in [*arguments[:i], *arguments[i + 1 :], *others]:
            if isinstance(x, np.ndarray) and isinstance(other, np.ndarray) and other.size and lies_in(other, x):
                raise CannotReplay(f"argument {i} shares memory with another or with an array outside; pass a copy")


def _guards(recording: Recording, function: Callable[..., Any]) -> tuple[list, list, list, list]:
    """Dicts, lists, attributes and arrays for `kernels.unchanged`."""
    dicts: list[tuple] = []
    lists: list[tuple] = [
        (each, ()) for each in (hooks.observers, tensor.backward_observers, tensor.readers, moved.step_observers)
    ]
    attributes: list[tuple] = [(tensor._mode, "recording", tensor._mode.recording)]
    seen: set[int] = set()

    def watch(x: Any) -> None:
        if id(x) in seen or type(x) not in (dict, list, tuple):
            return
        seen.add(id(x))
        contents: Any = x.values() if isinstance(x, dict) else x
        parts = tuple(contents)
        if isinstance(x, dict):
            dicts.append((x, tuple(x), parts))
        elif isinstance(x, list):
            lists.append((x, parts))
        for part in parts:
            watch(part)

    around = list(surroundings(function))
    named = [module for _, _, x, _ in around if isinstance(x, nn.Module) for module in x.modules()]
    for module in {id(m): m for m in [*recording.modules, *named]}.values():
        watch(vars(module))
        attributes.append((type(module), "forward", type(module).forward))
    for update in recording.updates:
        lists.append((update.optimizer.param_groups, tuple(update.optimizer.param_groups)))
        known: list[dict] = [update.optimizer._state, *update.optimizer._state.values()]
        dicts += [(x, tuple(x), tuple(x.values())) for x in known]
        for group, _ in update.groups:
            lists.append((group["params"], tuple(group["params"])))
            attributes += [(group, name, group[name]) for name in ("params", *update.optimizer._flags)]
    attributes += [found[:3] for found in around]
    tensors = [
        x for _, _, found, _ in around for x in (found if isinstance(found, tuple) else (found,)) if isinstance(x, Tensor)
    ]
    tensors += [p for module in recording.modules for p in module.parameters()]
    tensors += [p for update in recording.updates for group, _ in update.groups for p in group["params"]]
    for t in {id(t): t for t in [*tensors, *recording.gradients]}.values():
        attributes += [(t, "_data", t._data), (t, "requires_grad", t.requires_grad)]
        if not recording.had_gradient.get(t, True):
            attributes.append((t, "_grad", None))
    arrays = [(x, x.view()) for x in recording.kept]
    return dicts, lists, list({(id(x), name): (x, name, value) for x, name, value in attributes}.values()), arrays
