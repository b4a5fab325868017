"""The captured step: taken as usual until it is known by heart, and proved, and from then on by its program.

Call 1 is an ordinary one. Call 2 is ordinary and recorded, and a program is made of it. Call 3 is taken both ways, and every
bit compared: losses, parameters, what optimizers remember, running statistics, gradients. Then the program runs, as long as
nothing has changed that it depends on; a call where something has is an ordinary one, and so are its errors.
"""

import time
from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np

from .. import kernels, tensor
from ..data import DataLoader
from ..nn import module as hooks
from ..optim import optimizer as moved
from ..random import Generator, as_generator
from .listing import html, text
from .recording import Operation, Recording, record
from .replay import MISSED, CannotReplay, Replay

CHUNK = 0.03  # seconds, about, that many steps in one call may take
PATIENCE = 3  # this many calls in a row that could not be replayed, and the step is recorded again


class CapturedStep:
    """What `capture` returns: call it like the function that it was made of.

    Attributes
    ----------
    why : str
        Why the last call was not replayed; empty, if it was.
    """

    def __init__(self, function: Callable[..., Any]):
        self._function = function
        self._replay: Replay | None = None  # proved
        self._candidate: Replay | None = None  # to be proved by the next call
        self._recording: Recording | None = None  # the last one
        self._refused = False
        self._missed = 0
        self.why = "it has not been called yet"

    def __call__(self, *arguments: Any) -> Any:
        replay = self._replay
        if replay is not None:
            result = replay(arguments)
            if result is not MISSED:
                self.why, self._missed = "", 0
                return result
            return self._as_usual(replay, arguments)
        if self._refused or _observed():
            self.why = self.why if self._refused else "it is observed, by flow.watch for instance"
            return self._function(*arguments)
        return self._prove(self._candidate, arguments) if self._candidate else self._learn(arguments)

    def run(self, x: Any, y: Any, batch_size: int, rng: Generator | int | None = None) -> np.ndarray:
        """Take the step for each batch of an epoch, in the order in which a shuffling DataLoader deals them out.

        Once the step is proved, many steps are one call, without Python and its lock: between two calls, some hundredths of a
        second apart, an interrupt is noticed. What the program cannot do, such as a smaller last batch, is done as usual. After
        two seconds a progress bar appears, on a terminal, where tqdm is installed.

        Parameters
        ----------
        x, y : ndarray
            Equally long: the samples and their targets.
        batch_size : int
        rng : Generator, int or None
            Where the order comes from; None for the global generator.

        Returns
        -------
        ndarray
            The loss of each step; empty, if the step returns none.

        Examples
        --------
        >>> from minidl import data, nn, optim
        >>> from minidl import functional as F
        >>> model = nn.Sequential(nn.Linear(64, 32, rng=0), nn.Tanh(), nn.Linear(32, 10, rng=1))
        >>> optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        >>> def step(x, y):
        ...     optimizer.zero_grad()
        ...     loss = F.cross_entropy(model(x), y)
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> step, split = CapturedStep(step), data.digits()
        >>> for epoch in range(3):
        ...     losses = step.run(split.x_train, split.y_train, batch_size=64, rng=epoch)
        >>> f"{len(losses)} steps, the last loss is {losses[-1]:.2f}"
        '23 steps, the last loss is 0.29'
        """
        from ..script import Bar  # here, for it imports argparse

        loader = DataLoader((x, y), batch_size, shuffle=True, rng=rng)
        arrays, size = loader.dataset, loader.batch_size
        order = as_generator(loader.rng).permutation(len(arrays[0])).astype(np.intp, copy=False)
        losses: list[np.ndarray] = []
        at, many, replay = 0, 8, None
        sources: list[np.ndarray] = []
        with Bar(len(loader), "step") as bar:
            while at < len(order):
                begin, made = time.perf_counter(), 0
                if self._replay is not replay:
                    replay = self._replay
                    sources = replay.sources(arrays) if replay else []
                if replay is not None and len(order) - at >= size:
                    some = order[at : at + min(many, (len(order) - at) // size) * size]
                    found = replay.steps(arrays, sources, some, size)
                    made = len(found)
                    losses += [found] if replay.recording.result else []
                    if made:
                        self.why, self._missed = "", 0
                    many = 2 * many if time.perf_counter() - begin < CHUNK else many
                if not made:
                    loss, made = self(*(array[order[at : at + size]] for array in arrays)), 1
                    losses += [] if loss is None else [_number(loss)]
                at += made * size
                bar.update(made)
        return np.concatenate(losses) if losses else np.empty(0)

    def __str__(self) -> str:
        return text(self._recording, self._function) if self._recording else f"captured step: {self.why}"

    def _repr_html_(self) -> str:
        return html(self._recording, self._function) if self._recording else f"<pre>{escape(str(self))}</pre>"

    def _as_usual(self, replay: Replay, arguments: tuple) -> Any:
        """A call that cannot be replayed; after several in a row the step is learned again."""
        self.why = f"not replayed: {replay.reason(arguments)}"
        self._missed += 1
        if self._missed == PATIENCE:
            self._replay, self._candidate, self._missed = None, None, 0
        return self._function(*arguments)

    def _learn(self, arguments: tuple) -> Any:
        """Take the step as usual, and take notes."""
        if any(isinstance(x, tensor.Tensor) and x.requires_grad for x in arguments):
            self.why = "an argument requires a gradient"
            return self._function(*arguments)
        last = self._recording
        result, recording = record(self._function, arguments, last)
        if recording:
            self._recording = recording
            self.why = "it is being recorded"
            if recording.refusal:
                self._refuse(recording.refusal)
            elif last and not recording.first and recording.had_gradient.keys() == recording.gradients.keys():
                self._make(recording)
        return result

    def _make(self, recording: Recording) -> None:
        if kernels.backend == "reference":
            self._refuse("the reference implementation is there to be read, and an interrupt could find a program half done")
            return
        try:
            self._candidate = Replay(recording, self._function)
        except CannotReplay as error:
            self._refuse(str(error))
        except Exception as error:  # the step itself has done nothing wrong
            self._refuse(f"no program can be made of it ({type(error).__name__}: {error})")

    def _refuse(self, reason: str) -> None:
        self._candidate, self._refused, self.why = None, True, f"refused: {reason}"

    def _prove(self, candidate: Replay, arguments: tuple) -> Any:
        """Take the step by its program, undo that, take it as usual, and compare."""
        self._candidate = None
        ours = candidate.rehearse(arguments)
        known = candidate.recording
        result, recording = record(self._function, arguments, known)
        if recording is None:
            return result
        self._recording = recording
        if recording.refusal:
            self._refuse(recording.refusal)
        elif ours is None:
            self.why = f"it is being recorded again: {candidate.reason(arguments)}"
        elif difference := recording.differs_from(known):
            self._refuse(difference)
        elif ours != candidate.results(result):
            self._refuse("the replayed step had other results than the usual one: something in it changes arrays unseen")
        else:
            self._replay, self.why = candidate, ""
            recording.operations = list(map(_faster, recording.operations, known.operations))
        return result


def _number(loss: Any) -> np.ndarray:
    """The loss of a step, as an array of one number."""
    value = np.asarray(loss.numpy() if isinstance(loss, tensor.Tensor) else loss)
    if isinstance(loss, (list, tuple)) or value.size != 1 or value.dtype.kind not in "fiu":
        what = f"a tensor of shape {value.shape}" if isinstance(loss, tensor.Tensor) else f"a {type(loss).__name__}"
        raise TypeError(f"run: the step must return its loss, one number, or nothing; it returned {what}")
    return value.reshape(1)


def _faster(operation: Operation, other: Operation) -> Operation:
    return min(operation, other, key=lambda o: o.seconds)


def _observed() -> bool:
    return bool(hooks.observers or tensor.backward_observers or tensor.readers or moved.step_observers)
