"""`capture`: a training step that is recorded, can be read as a program, and runs as one.

`recording` takes down what a step does, `listing` prints it, `replay` makes a program of it (csrc/program.h), and `step` takes it
as usual until the program is proved.
"""

from collections.abc import Callable
from typing import Any

from .step import CapturedStep

__all__ = ["capture"]


def capture(function: Callable[..., Any]) -> CapturedStep:
    return CapturedStep(function)
