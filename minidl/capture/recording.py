"""What a step does, written down while it runs: each call of a kernel, what it reads, what it makes.

Forward, backward and update all pass through `minidl.kernels`, so for the time of one step its functions are exchanged for
ones that also take a note. An array is known by the memory that it shows: of an argument of the step, of a result that was
noted, or else of something that was there before ("kept": parameters, velocities, running statistics). Whether that is true
turns out at the next call: what was there before is the same array then. Nothing that is found out here raises; the first
thing that cannot be understood is kept as `refusal`, with the line of the program that it comes from.
"""

import contextlib
import functools
import operator
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .. import kernels, nn, optim, random, tensor
from ..atomic import alone, at_once
from ..nn import module as hooks
from ..optim import optimizer as moved
from ..tensor import Tensor

_PACKAGE = str(Path(__file__).parent.parent)
RULES = ("sgd", "adam", "rmsprop")
COMMITS = ("move_statistics", *RULES)  # what changes arrays that were there before
_LOOKS = ("contains", "summarize")  # what becomes of their results, a recording does not see
_NAMES = (
    *"""matmul linear column_sums sum add subtract multiply divide inverse_root constant copied contains summarize
    tanh tanh_backward sigmoid sigmoid_backward relu relu_backward leaky_relu leaky_relu_backward elu elu_backward silu
    silu_backward gelu gelu_backward exp log batch_norm batch_norm_backward are_finite cross_entropy cross_entropy_backward
    scaled conv2d conv2d_input_gradient conv2d_weight_gradient max_pool2d max_pool2d_backward mean_pool2d
    mean_pool2d_backward uniform normal integers permutation mask""".split(),  # noqa: SIM905 - a list of words
    *COMMITS,
)


class Buffer(NamedTuple):
    """Memory that a step reads or writes.

    `kind` is "argument" of the step (the `source`-th), "made" by an operation, "one" (the gradient that backward begins
    with), or "kept": it was there before, and `source` is its place in the recording's list of kept arrays.
    """

    kind: str
    source: int
    bytes: int


class View(NamedTuple):
    """An array: a part of a buffer, given by its number."""

    buffer: int
    offset: int  # in bytes
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype


class Operation(NamedTuple):
    """A call of a kernel: its arguments, with a View for each array, and views of its results."""

    name: str
    arguments: tuple[Any, ...]
    results: tuple[View, ...]
    phase: str  # "forward", "backward" or "update"
    line: str  # of the user's program, "file.py:12"
    seconds: float

    def does(self) -> tuple:
        """What must be the same in two recordings of one step."""
        return self.name, self.arguments, self.results


class Update(NamedTuple):
    """A step of an optimizer: of each group its dict, and the parameters that were moved."""

    optimizer: optim.optimizer.Optimizer
    groups: list[tuple[dict[str, Any], list[Tensor]]]


class Recording:
    """One call of a step, as it was.

    Attributes
    ----------
    operations : list of Operation
    buffers : list of Buffer
    kept : list of ndarray
        The arrays that were there before, by `Buffer.source`.
    arguments : list of ndarray or other
        What the step was called with; of a tensor its array.
    gradients : dict from Tensor to View
        What `.grad` of each leaf is at the end; None where it was set to None.
    updates : list of Update
        In the order of the operations that are steps of optimizers.
    counts : list of [int]
        What goes up by one with a step: how often memory was changed, how many steps a parameter has made.
    draws : list of (generator, int)
        For each operation that draws random numbers: from which generator, and how many words after its first draw in the step.
    drawn : list of (generator, int)
        How many words the step takes of each generator.
    modules : list of Module
        Those that were called, and all in them.
    had_gradient : dict from Tensor to bool
        Whether a leaf's `.grad` was there before the step; of those leaves that were known then.
    result : View or None
        What the step returned.
    first : bool
        Whether an optimizer began to remember something, which it does once.
    refusal : str
        Why this cannot be replayed; empty, if nothing is known.
    """

    def __init__(self, arguments: tuple, last: "Recording | None" = None):
        self.operations: list[Operation] = []
        self.buffers: list[Buffer] = []
        self.kept: list[np.ndarray] = []
        self.arguments = [x._data if isinstance(x, Tensor) else x for x in arguments]
        self.gradients: dict[Tensor, View | None] = {}
        self.updates: list[Update] = []
        self.counts: list[list[int]] = []
        self.draws: list[tuple[Any, int]] = []
        self.drawn: list[tuple[Any, int]] = []
        self.modules: list[nn.Module] = []
        self.result: View | None = None
        self.requires_grad = False
        self.refusal = ""
        self.first = False
        self.had_gradient = {leaf: leaf._grad is not None for leaf in (last.gradients if last else ())}
        self._groups = [(u.optimizer, g, u.optimizer._numbers(g)) for u in (last.updates if last else ()) for g, _ in u.groups]
        self._phase, self._line = "forward", ""
        self._known: dict[int, tuple[int, int, Any]] = {}  # id of what owns memory -> buffer, address of its begin, itself
        self._numbers: dict[int, tuple[View, float]] = {}  # Python's floats that a kernel made
        for i, x in enumerate(self.arguments):
            if isinstance(x, np.ndarray):
                self.buffers.append(Buffer("argument", i, x.nbytes))

    # Arrays as views

    def view(self, x: np.ndarray) -> View:
        """What part of which buffer an array is."""
        owner = _owner(x)
        begin = _address(x)
        if id(owner) not in self._known and (within := self._argument_of(owner, x)) is not None:
            return View(within, begin - _address(self.arguments[self.buffers[within].source]), x.shape, x.strides, x.dtype)
        if id(owner) not in self._known:
            self._know(owner, Buffer("kept", len(self.kept), owner.nbytes))
            self.kept.append(owner)
        number, start, _ = self._known[id(owner)]
        return View(number, begin - start, x.shape, x.strides, x.dtype)

    def _argument_of(self, owner: np.ndarray, x: np.ndarray) -> int | None:
        for number, buffer in enumerate(self.buffers):
            if buffer.kind == "argument":
                argument = self.arguments[buffer.source]
                if _owner(argument) is owner and lies_in(x, argument):
                    return number
        return None

    def _know(self, owner: np.ndarray, buffer: Buffer) -> None:
        self._known[id(owner)] = len(self.buffers), _address(owner), owner
        self.buffers.append(buffer)

    def made(self, x: np.ndarray) -> View:
        """The same of an array that an operation has just made."""
        owner = _owner(x)
        if id(owner) not in self._known:
            self._know(owner, Buffer("made", -1, owner.nbytes))
        return self.view(x)

    def described(self, x: Any) -> Any:
        """An argument of a kernel, with views in place of arrays, and in a form that can be compared."""
        if isinstance(x, np.ndarray):
            return self.view(x)
        if type(x) is float and id(x) in self._numbers:
            return self._numbers[id(x)][0]
        if isinstance(x, (list, tuple)):
            return tuple(map(self.described, x))
        if isinstance(x, np.generic):
            return x.dtype, x.tobytes()
        return type(x), x

    # What happens

    def note(self, name: str, arguments: tuple, result: Any, seconds: float) -> Any:
        """Take down a call of a kernel."""
        self._line = _line()
        if name in _LOOKS:
            self.refuse(f"{name} looks at values, and what is done may depend on them")
        if name == "are_finite" and not result:
            self.refuse("the variance of a batch is infinite")
        if isinstance(result, np.generic):
            result = np.asarray(result)
        views = []
        for x in result if isinstance(result, tuple) else (result,):
            if isinstance(x, np.ndarray):
                views.append(self.made(x))
            elif type(x) is float:  # a sum, on its way to `scaled`
                views.append(self.made(np.array(x)))
                self._numbers[id(x)] = views[-1], x
        if name == "batch_norm" and arguments[-1]:  # in training it fills mean and var
            self.made(arguments[3]), self.made(arguments[4])
        if name == "uniform":
            size, real, key, position, low, high = arguments
            self.draws.append((key, position))
            arguments = size, real, low, high
        if name in COMMITS:
            self._commit(name, arguments)
            # What may change from step to step is no part of the program: learning rates, counts.
            arguments = tuple(_arrays_of(name, group) for group in arguments[0]) if name in RULES else arguments[:-1]
        self.operations.append(
            Operation(name, tuple(map(self.described, arguments)), tuple(views), self._phase, self._line, seconds)
        )
        return result

    def _commit(self, name: str, arguments: tuple) -> None:
        if name in RULES:
            _, counts, started = arguments
            self.first |= bool(started)
            self.counts += {id(count): count for count in counts}.values()  # tensors that share memory count once
        else:
            self.counts += arguments[-1]

    @contextlib.contextmanager
    def careful(self) -> Iterator[None]:
        """Inside, what goes wrong is a reason to refuse: the step itself has done nothing wrong."""
        try:
            yield
        except Exception as error:
            self.refuse(f"it cannot be taken down ({type(error).__name__}: {error})")

    def refuse(self, reason: str) -> None:
        if not self.refusal:
            line = _line() or self._line
            self.refusal = f"{line}: {reason}" if line else reason

    def finish(self, result: Any) -> None:
        """Note what the step returned, and what has become of the gradients."""
        if isinstance(result, Tensor):
            made = result._made
            if made and made[1]:
                self.refuse("what is returned can still be differentiated; return result.detach(), or call backward() before")
            self.result, self.requires_grad = self.view(result._data), result.requires_grad
            if self.buffers[self.result.buffer].kind != "made":
                self.refuse("what is returned was not made by kernels")
        elif result is not None:
            self.refuse(f"it returns a {type(result).__name__}; a step returns its loss, a tensor, or nothing")
        if len(self.updates) != sum(o.name in RULES for o in self.operations):
            self.refuse("it takes a step of an optimizer that has no kernel")
        self.look_at_numbers()
        for leaf in self._leaves():
            if leaf._grad is None:
                self.gradients[leaf] = None
            elif id(_owner(leaf._grad)) in self._known:
                self.gradients[leaf] = self.view(leaf._grad)
            elif leaf in self.gradients:
                self.refuse("a .grad is changed after backward() by something that is not a kernel, such as clipping")
            else:
                self.refuse("a .grad of an earlier step is still there; call zero_grad() in the step, before backward()")
        self._known.clear()
        self._numbers.clear()
        self.modules = list({id(m): m for module in self.modules for m in module.modules()}.values())
        self._find_generators()

    def _find_generators(self) -> None:
        """Whose keys the random numbers were drawn with."""
        parts = [x for module in self.modules for x in vars(module).values() if isinstance(x, random.Generator)]
        known = {id(g._key): g for g in [random._default, *parts]}
        first: dict[int, int] = {}
        for i, (key, position) in enumerate(self.draws):
            if id(key) not in known:
                self.refuse("it draws from a generator that is neither a module's nor the global one")
                return
            generator = known[id(key)]
            self.draws[i] = generator, position - first.setdefault(id(generator), position)
        self.drawn = [(g, g._position - first[id(g)]) for g in known.values() if id(g) in first]

    def look_at_numbers(self) -> None:
        """Refuse a learning rate, or another number of an optimizer, that the step sets: a program takes those from outside."""
        for optimizer, group, before in self._groups:
            for number, known in zip(optimizer._numbers(group), before, strict=True):
                if number is not known and type(known) is float:
                    self.refuse("a number of an optimizer, such as lr, is set in the step; set it outside")

    def _leaves(self) -> list[Tensor]:
        params = [p for update in self.updates for group, _ in update.groups for p in group["params"]]
        return list({id(p): p for p in [*self.had_gradient, *self.gradients, *params]}.values())

    def differs_from(self, other: "Recording") -> str:
        """Why this is not the same program as another recording; empty, if it is."""
        for mine, theirs in zip(self.operations, other.operations, strict=False):
            if mine.does() != theirs.does():
                what = (
                    "is called with other numbers or shapes than" if mine.name == theirs.name else f"is where {theirs.name} was"
                )
                return f"{mine.line}: {mine.name} {what} a call before"
        if len(self.operations) != len(other.operations) or self.buffers != other.buffers:
            return "it does not do the same at every call"
        for number, buffer in enumerate(self.buffers):
            if buffer.kind == "kept" and self.kept[buffer.source] is not other.kept[buffer.source]:
                return self._made_by_numpy(number)
        same = (
            self.gradients == other.gradients
            and self.result == other.result
            and list(map(id, self.modules)) == list(map(id, other.modules))
            and list(map(id, self.counts)) == list(map(id, other.counts))
            and [(id(g), n) for g, n in self.draws + self.drawn] == [(id(g), n) for g, n in other.draws + other.drawn]
            and [u.optimizer for u in self.updates] == [u.optimizer for u in other.updates]
        )
        return "" if same else "it does not do the same at every call"

    def _made_by_numpy(self, buffer: int) -> str:
        what = "so its values would be those of the recorded call; use operations that have kernels, or pass it as an argument"
        for o in self.operations:
            if any(view.buffer == buffer for view in views_in(o.arguments)):
                return f"{o.line}: {o.name} reads an array that NumPy made, {what}"
        return f"a gradient is an array that NumPy made, {what}"


def views_in(x: Any) -> Iterator[View]:
    """All views in an operation's arguments or results."""
    if isinstance(x, View):
        yield x
    elif isinstance(x, (tuple, list)):
        for part in x:
            yield from views_in(part)


def _arrays_of(rule: str, group: tuple) -> tuple[list, ...]:
    """Of a group as a rule's kernel takes it: the lists of values, of gradients and of what is remembered."""
    return group[: {"sgd": 3, "adam": 4, "rmsprop": 5}[rule]]


def surroundings(function: Any) -> Iterator[tuple[Any, str, Any, str]]:
    """What a function finds outside of itself, by its closure, in its globals, among its defaults and, of a method, in its
    object: (whose, by which attribute or key, what, the name that the function has for it)."""
    if isinstance(function, partial):
        yield function, "args", function.args, ""
        yield from ((function.keywords, name, value, name) for name, value in function.keywords.items())
        yield from surroundings(function.func)
        return
    if not isinstance(function, (types.FunctionType, types.MethodType)):
        function = getattr(function, "__call__", None)  # noqa: B004 - an object that can be called
    if isinstance(function, types.MethodType):
        owner, function = function.__self__, function.__func__
        for name in dict.fromkeys(
            [*getattr(owner, "__dict__", ()), *getattr(getattr(function, "__code__", None), "co_names", ())]
        ):
            if hasattr(owner, name) and getattr(owner, name) is (value := getattr(owner, name)):  # unlike a method, made anew
                yield owner, name, value, name
    if not isinstance(function, types.FunctionType):
        return
    yield from ((function, name, getattr(function, name), "") for name in ("__code__", "__defaults__"))
    yield from ((function.__kwdefaults__, name, value, name) for name, value in (function.__kwdefaults__ or {}).items())
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # there is nothing in it
            yield cell, "cell_contents", cell.cell_contents, name
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield function.__globals__, name, function.__globals__[name], name


def outside(function: Any) -> Iterator[tuple[str, Any]]:
    """The same by the names that the function has for it."""
    return ((name, value) for _, _, value, name in surroundings(function))


def lies_in(x: np.ndarray, whole: np.ndarray) -> bool:
    """Whether the memory of an array is a part of another's."""
    (low, high), (begin, end) = byte_bounds(whole), byte_bounds(x)
    return low <= begin and end <= high


def _owner(x: np.ndarray) -> np.ndarray:
    """The array that an array is a view of, at last."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def _address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]


def _line() -> str:
    """Where in the user's program we are."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith(_PACKAGE):
            return f"{Path(path).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


# Recording


_recorder: dict[str, object] = {}  # one at a time, for `minidl.kernels` is everybody's


def record(function: Callable[..., Any], arguments: tuple, last: Recording | None = None) -> tuple[Any, Recording | None]:
    """Call a step, and take down what it does; without the notes, while another thread records."""
    found = alone(_recorder, None, _record, function, arguments, last)
    return (function(*arguments), None) if found is None else found


def _record(function: Callable[..., Any], arguments: tuple, last: Recording | None) -> tuple[Any, Recording]:
    recording = Recording(arguments, last)
    put, undo = _noting(recording)
    undoing = map(operator.call, undo)  # made here, for an interrupt could come after making it
    try:
        at_once(operator.call, put)
        result = function(*arguments)
        with recording.careful():
            recording.finish(result)
    finally:
        try:  # noqa: SIM105 - another call, or a context manager, is where an interrupt could come before it is undone
            deque(undoing, maxlen=0)
        except ValueError:  # an interrupt came before the first was put in place
            pass
    return result, recording


def _noting(recording: Recording) -> tuple[list[Callable[[], Any]], list[Callable[[], Any]]]:
    """Calls after which what this thread does goes through the recording, and calls that undo that."""
    thread, busy = threading.get_ident(), False

    def ours() -> bool:
        return threading.get_ident() == thread and not busy

    def noted(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(kernel, updated=())
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal busy
            if not ours():
                return kernel(*args, **kwargs)
            busy, begin = True, time.perf_counter()
            try:
                result = kernel(*args, **kwargs)
                seconds = time.perf_counter() - begin
                with recording.careful():
                    result = recording.note(name, (*args, *kwargs.values()), result, seconds)
                return result
            finally:
                busy = False

        return call

    def first_gradient(of: Tensor, gradient: Any) -> np.ndarray:
        dy = before_tensor["_first_gradient"](of, gradient)
        if ours() and gradient is None:
            recording._phase = "backward"
            recording._know(dy, Buffer("one", -1, dy.nbytes))
        return dy

    def commit(leaves: list[Tensor], gradients: dict[Tensor, Any], done: list, made: Any) -> None:
        if ours():
            arriving = [(leaf, leaf._grad, gradients[leaf]) for leaf in leaves]
        before_tensor["_commit"](leaves, gradients, done, made)
        if ours():
            with recording.careful():
                for leaf, known, dy in arriving:
                    _arrived(recording, leaf, known, dy)
            recording._phase = "update"

    def called(module: nn.Module, _: tuple, output: Any) -> Any:
        if ours():
            recording.modules.append(module)
        return output

    def stepped(optimizer: Any, groups: list) -> None:
        if ours():
            recording._phase = "update"
            recording.updates.append(Update(optimizer, [(group, params) for params, group in groups]))
            recording.look_at_numbers()

    def read() -> None:
        if ours():
            recording.refuse(
                "a value is read or changed in the middle of the step, and what is done may depend on it; do that outside"
            )

    before = {name: getattr(kernels, name) for name in _NAMES}
    before_tensor: dict[str, Any] = {"_first_gradient": tensor._first_gradient, "_commit": tensor._commit}
    observed: list[tuple[list, Any]] = [(hooks.observers, called), (moved.step_observers, stepped), (tensor.readers, read)]
    changed = {name: noted(name, kernel) for name, kernel in before.items()}
    changed_tensor = {"_first_gradient": first_gradient, "_commit": commit}
    put: list[Callable[[], Any]] = [partial(vars(kernels).update, changed), partial(vars(tensor).update, changed_tensor)]
    put += [partial(observers.append, observer) for observers, observer in observed]
    undo: list[Callable[[], Any]] = [partial(vars(kernels).update, before), partial(vars(tensor).update, before_tensor)]
    undo += [partial(observers.remove, observer) for observers, observer in observed]
    return put, undo


def _arrived(recording: Recording, leaf: Tensor, known: Any, dy: np.ndarray) -> None:
    """A gradient has reached a leaf: its .grad is dy, or a copy of it, or known + dy."""
    grad: Any = leaf._grad
    if known is not None and recording.gradients.get(leaf) is None:
        recording.refuse("a gradient is added to that of an earlier step; call zero_grad() in the step, before backward()")
    whole = recording.view(dy)
    if known is not None:
        recording.operations.append(_by_hand(recording, "add", (recording.view(known), whole), grad))
    elif grad is not dy:
        taken = {view.buffer for view in recording.gradients.values() if view is not None}
        full = whole.offset == 0 and recording.buffers[whole.buffer] == Buffer("made", -1, dy.nbytes) and dy.flags.c_contiguous
        if full and whole.buffer not in taken:
            recording._known[id(_owner(grad))] = whole.buffer, _address(grad), grad
        else:
            recording.operations.append(_by_hand(recording, "copied", (whole,), grad))
    recording.gradients[leaf] = recording.view(grad)


def _by_hand(recording: Recording, name: str, arguments: tuple[View, ...], made: np.ndarray) -> Operation:
    """An operation that the engine does without a kernel."""
    return Operation(name, arguments, (recording.made(made),), "backward", _line(), 0.0)
