"""Whether anybody else has an array: the one question behind every array that is handed over or changed in place uncopied.

Asked by `Tensor.backward` (a gradient that nobody else holds may become a leaf's `.grad`, or take up the next one) and by
`init.base.draw` (the array that an initializer returned may become the parameter's). It saves a twentieth of a training step. A
wrong "yes" would make two gradients one array, so whatever is not known for certain is a "no", which costs a copy.

CPython counts the references to an object. Up to version 3.13 every variable and every argument on the way counts as one, so
an array that only the caller's variable refers to has three when `sys.getrefcount` looks at it from here: that variable, the
parameter `array`, and the argument of `getrefcount`. A debugger or profiler that reads `frame.f_locals` adds references and
never takes one away: a "no" too many. From 3.14 on, the interpreter passes references on without counting them ("borrowed"), so
the number no longer says how many variables there are; the same holds without the global interpreter lock, where each thread
counts for itself. There, as in other Pythons, the answer is always "no".
"""

import sys

import numpy as np

_REFERENCES = {(3, 11): 3, (3, 12): 3, (3, 13): 3}  # by version: what `getrefcount` in `is_unshared` says of the caller's own


def is_unshared(array: object) -> bool:
    """Whether the caller's variable is all that refers to this array and to its memory.

    To be called with a local variable of the caller's that no function defined there uses.

    Examples
    --------
    >>> other = mine = np.zeros(3)
    >>> is_unshared(mine)
    False
    """
    return type(array) is np.ndarray and array.base is None and sys.getrefcount(array) <= _limit


def _known_limit() -> int:
    counted = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
    return _REFERENCES.get(sys.version_info[:2], 0) if counted else 0


def _holds() -> bool:
    """Whether `is_unshared` tells one reference from two: in a variable, in a list, by a closure, by a view."""
    alone, listed, enclosed, viewed = (np.zeros(2) for _ in range(4))
    keep = [listed, (lambda array: lambda: array)(enclosed), viewed[:1]]
    answers = (is_unshared(alone), is_unshared(listed), is_unshared(enclosed), is_unshared(viewed), is_unshared(keep[2]))
    return answers == (True, False, False, False, False)


_limit = _known_limit()
if not _holds():
    _limit = 0
