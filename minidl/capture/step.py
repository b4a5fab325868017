"""The captured step: taken as usual until it is known by heart, and proved, and from then on by its program.

Call 1 is an ordinary one. Call 2 is ordinary and recorded, and a program is made of it. Call 3 is taken both ways, and every
bit compared: losses, parameters, what optimizers remember, running statistics, gradients. Then the program runs, as long as
nothing has changed that it depends on; a call where something has is an ordinary one, and so are its errors.
"""

from collections.abc import Callable
from itertools import repeat
from operator import setitem
from typing import Any

import numpy as np

from .. import tensor
from ..atomic import at_once
from ..nn import module as hooks
from ..optim import optimizer as moved
from .listing import html, text
from .recording import Recording, record
from .replay import MISSED, CannotReplay, Replay

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

    def __str__(self) -> str:
        return text(self._recording, self._function) if self._recording else f"captured step: {self.why}"

    def _repr_html_(self) -> str:
        return html(self._recording, self._function) if self._recording else f"<pre>{self}</pre>"

    def _as_usual(self, replay: Replay, arguments: tuple) -> Any:
        """A call that cannot be replayed; after several in a row the step is learned again."""
        self.why = f"not replayed: {replay.reason(arguments)}"
        self._missed += 1
        if self._missed == PATIENCE:
            self._replay, self._candidate, self._missed = None, None, 0
        return self._function(*arguments)

    def _learn(self, arguments: tuple) -> Any:
        """Take the step as usual, and take notes."""
        last = self._recording
        result, recording = record(self._function, arguments, last.gradients if last else ())
        if recording:
            self._recording = recording
            self.why = "it is being recorded"
            if recording.refusal:
                self._refuse(recording.refusal)
            elif last and not recording.first and recording.had_gradient.keys() == recording.gradients.keys():
                self._make(recording)
        return result

    def _make(self, recording: Recording) -> None:
        try:
            self._candidate = Replay(recording, self._function)
        except CannotReplay as error:
            self._refuse(str(error))

    def _refuse(self, reason: str) -> None:
        self._candidate, self._refused, self.why = None, True, f"refused: {reason}"

    def _prove(self, candidate: Replay, arguments: tuple) -> Any:
        """Take the step by its program, undo that, take it as usual, and compare."""
        self._candidate = None
        ours = _by_program(candidate, arguments)
        known = candidate.recording
        result, recording = record(self._function, arguments, known.gradients)
        if recording is None:
            return result
        self._recording = recording
        if recording.refusal:
            self._refuse(recording.refusal)
        elif ours is None:
            self.why = f"it is being recorded again: {candidate.reason(arguments)}"
        elif difference := recording.differs_from(known):
            self._refuse(difference)
        elif _bits(ours) != _bits([*candidate.written(), *(p._grad for p in candidate.leaves), result and result._data]):
            self._refuse("the replayed step had other results than the usual one: something in it changes arrays unseen")
        else:
            self._replay, self.why = candidate, ""
        return result


def _observed() -> bool:
    return bool(hooks.observers or tensor.backward_observers or tensor.readers or moved.step_observers)


def _by_program(candidate: Replay, arguments: tuple) -> list[Any] | None:
    """What a step's program makes of its parameters, gradients and loss, all of which are then as before; None if it fails."""
    if not candidate.prepare(arguments):
        return None
    written = candidate.written()
    before = [array.copy() for array in written]
    try:
        if not candidate.program.run():
            return None
        return [np.array(array) for array in [*written, *candidate.gradients]] + [candidate.result()]
    finally:
        at_once(setitem, written, repeat(...), before)


def _bits(arrays: list[Any]) -> list[Any]:
    return [None if array is None else (array.dtype, array.shape, array.tobytes()) for array in arrays]
