"""What the tests of every assignment say about a result: this file lies beside each test, so it needs minidl and NumPy alone.

Derivatives are judged by `minidl.gradcheck`, initializers by `minidl.init.check`; `expect` is for plain numbers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl import Tensor


def expect(what: str, got: object, right: object, tolerance: float = 1e-6, mistakes: Mapping[str, Any] | None = None) -> None:
    """Hold a result to what is right: kind first, then shape, then value.

    Parameters
    ----------
    what
        How the student would write it, "tanh(x)" say: the sentence begins with it.
    got
        What the student's function returned.
    right
        A number or an array, worked out by other means than the function under test.
    tolerance
        The error that the condition of the problem allows, relative to the largest number of `right`; two ints have none.
    mistakes
        What to say of well-known wrong results: sentence -> the number or array that the mistake leads to.

    Raises
    ------
    AssertionError
        With one sentence that says what came, what was expected, and where the two differ most.
    """
    if got is None:
        raise AssertionError(f"{what} is None: does the function end with `return`?")
    if isinstance(got, int) and isinstance(right, int):
        if got == right:
            return
        said = [sentence for sentence, wrong in (mistakes or {}).items() if got == wrong]
        so = f"{what.removesuffix(',')}: {said[0]}" if said else f"{what} is {_digits(got)}, expected {_digits(right)}"
        raise AssertionError(so)
    try:
        values = np.asarray(got.data if isinstance(got, Tensor) else got)
        _refuse_text(what, got, values)
        given = values.astype(np.float64, casting="unsafe" if values.dtype == object else "same_kind")
    except (TypeError, ValueError):
        raise AssertionError(f"{what} is a {type(got).__name__}, where numbers are expected") from None
    except OverflowError:
        raise AssertionError(f"{what} holds a number larger than 1e308, where none is expected") from None
    numbers = np.asarray(right, dtype=np.float64)
    fits = given.shape == numbers.shape
    allowed = tolerance * max(np.abs(numbers).max(initial=0.0), 1e-300)
    if fits and (np.abs(given - numbers) <= allowed).all():
        return
    for sentence, wrong in (mistakes or {}).items():
        if given.shape == np.shape(wrong) and np.allclose(given, wrong, rtol=1e-4):
            raise AssertionError(f"{what.removesuffix(',')}: {sentence}")
    if not fits:
        raise AssertionError(f"{what} has shape {given.shape}, expected {numbers.shape}")
    if not np.isfinite(given).all():
        raise AssertionError(f"{what} holds {given[~np.isfinite(given)].flat[0]}, where every number is finite")
    at = np.unravel_index(np.abs(given - numbers).argmax(), given.shape)
    where = f"{what.removesuffix(',')}[{', '.join(map(str, at))}]" if at else what
    alike = f"{given[at]:.6g}" == f"{numbers[at]:.6g}"
    off = f": it is off by {given[at] - numbers[at]:.2g}, and {allowed:.2g} is allowed" if alike else ""
    raise AssertionError(f"{where} is {given[at]:.6g}, expected {numbers[at]:.6g}{off}")


def _refuse_text(what: str, got: object, values: np.ndarray) -> None:
    """NumPy would take the text "0.5" for a number."""
    if values.dtype.kind in "OSU":
        for value in values.flat:
            if isinstance(value, str | bytes):
                kind = "a str" if isinstance(value, str) else "bytes"
                verb = "holds" if values.ndim else "is"
                raise AssertionError(f"{what} {verb} {kind}, where numbers are expected: {repr(got)[:60]}")


def _digits(n: int) -> str:
    """All digits of an int, or its size if it has too many to read."""
    return str(n) if abs(n) < 10**40 else f"an int of {n.bit_length()} bits"
