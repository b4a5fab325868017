"""What a wrong gradient looks like, and what to say of it: the mistakes that are made when a backward is written.

`gradcheck` comes here with a gradient that is wrong and the right one beside it, `Tensor.backward` with one that has not even
the shape of its input. Each function below knows one mistake: it returns a sentence where that mistake alone explains all
elements, and an empty text otherwise. Leaves out what the right formula is, which is for its author to find.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np


class Wrong(NamedTuple):
    """A wrong gradient, of an input x of y = f(x, ...), and what it can be compared with.

    Attributes
    ----------
    given, right : ndarray, shape of x
        dx as backward returned it, and as finite differences have it: J^T dy.
    given_again, right_again : ndarray, shape of x
        The same for another dy.
    x, y, dy : ndarray
    jacobian : ndarray, shape (size of y, size of x)
        J, the finite differences.
    others : mapping of str to (ndarray, ndarray or None)
        The other inputs by name, each with its right gradient, where it has one.
    """

    given: np.ndarray
    right: np.ndarray
    given_again: np.ndarray
    right_again: np.ndarray
    x: np.ndarray
    y: np.ndarray
    dy: np.ndarray
    jacobian: np.ndarray
    others: Mapping[str, tuple[np.ndarray, np.ndarray | None]]


def sentence(wrong: Wrong) -> str:
    """What the mistake is, of the first that fits; empty where none does."""
    with np.errstate(all="ignore"):
        return next(filter(None, (look(wrong) for look in LOOKS)), "")


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether they are equal but for the error of finite differences, and not all zero."""
    largest = np.abs(b).max(initial=0.0)
    return bool(a.shape == b.shape and 0 < largest < np.inf and np.abs(a - b).max() <= 1e-4 * largest)


def _along(sums: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.broadcast_to(sums, x.shape)


def _not_a_number(w: Wrong) -> str:
    bad = ~np.isfinite(w.given)
    return f"{bad.sum()} of {bad.size} elements are NaN or infinite" if bad.any() else ""


def _zero(w: Wrong) -> str:
    return "the gradient is zero: is it returned, or None in its place?" if not w.given.any() else ""


def _dy_unused(w: Wrong) -> str:
    if not np.array_equal(w.given, w.given_again) or _alike(w.right, w.right_again):
        return ""
    ones = (w.jacobian.sum(axis=0)).reshape(w.x.shape)
    only = " It is right where dy is 1 everywhere, and there only." if _alike(w.given, ones) else ""
    return f"dy is not used: the gradient is the same for another dy. The chain rule multiplies by it.{only}"


def _other_input(w: Wrong) -> str:
    for name, (_, right) in w.others.items():
        if right is not None and _alike(w.given, right) and not _alike(right, -w.right):  # where it is the sign
            return f"this is the gradient of {name}: return the gradients in the order of the inputs"
    return ""


def _times(w: Wrong) -> float:
    """The number c with given = c right; NaN if there is none."""
    c = float(np.vdot(w.given, w.right) / np.vdot(w.right, w.right))
    return c if _alike(w.given, c * w.right) else math.nan


def _factor(w: Wrong) -> str:
    """A fraction of what is right."""
    c = _times(w)
    if abs(c + 1) < 1e-4:
        return "exactly the negative of what is right: look at the sign"
    sign = ", with the wrong sign" if c < 0 else ""
    for n, m in itertools.product(range(1, 1001), range(1, 7)):
        for up, down in ((m, n), (n, m)):
            if abs(abs(c) - up / down) < 2e-5 * abs(c):
                exact = f"exactly {up}/{down} of" if down > 1 else f"exactly {up} times"
                return f"{exact} what is right in every element{sign}{_why_this_factor(w, abs(c))}"
    return ""


def _multiple(w: Wrong) -> str:
    """A number times what is right, of which no more is known."""
    c = _times(w)
    sign = ", with the wrong sign" if c < 0 else ""
    return f"{abs(c):.4g} times what is right in every element{sign}" if math.isfinite(c) and w.given.size > 1 else ""


def _why_this_factor(w: Wrong, c: float) -> str:
    for axis, n in [*enumerate(w.y.shape), *enumerate(w.x.shape)]:
        what = f"{n} is the length of axis {axis}" + (", the batch" if axis == 0 else "")
        if n > 2 and abs(c * n - 1) < 1e-4:
            return f": {what}; is it divided by that once too often?"
        if n > 2 and abs(c / n - 1) < 1e-4:
            return f": {what}; is a division by that missing, or a sum where a mean belongs?"
        if n > 2 and min(abs(c - n / (n - 1)), abs(c - (n - 1) / n)) < 1e-4:
            return f": {what}; is it n - 1 where n belongs, or the other way round?"
    for total in (w.y.size, w.x.size):
        if total > 2 and abs(c * total - 1) < 1e-4:
            return f": {total} is the number of elements; is it divided by that once too often?"
        if total > 2 and abs(c / total - 1) < 1e-4:
            return f": {total} is the number of elements; is a division by that missing, or a sum where a mean belongs?"
    return {0.5: ": is a factor 2 missing?", 2.0: ": is there a factor 2 too many?"}.get(round(c, 4), "")


def _transposed(w: Wrong) -> str:
    fits = w.x.ndim == 2 and w.x.shape[0] == w.x.shape[1] and _alike(w.given, w.right.T)
    return "this is the transpose of what is right" if fits else ""


def _summed(w: Wrong) -> str:
    """A sum or a mean over an axis that should stay apart."""
    for axis in range(w.x.ndim):
        if w.x.shape[axis] > 1:
            total = w.right.sum(axis=axis, keepdims=True)
            for name, sums in (("sum", total), ("mean", total / w.x.shape[axis])):
                if _alike(w.given, _along(sums, w.x)):
                    return f"every element is the {name} of what is right over axis {axis}, which should stay apart"
    return ""


def _one_sample(w: Wrong) -> str:
    """Of a sum over the batch, one sample alone."""
    if not w.y.ndim or len(w.y) < 2:
        return ""
    parts = w.jacobian.reshape(len(w.y), -1, *w.x.shape) * w.dy.reshape(len(w.y), -1, *(1,) * w.x.ndim)
    for n, part in enumerate(parts.sum(axis=1)):
        elsewhere = np.abs(w.right - part) > 1e-4 * np.abs(w.right).max()  # what the other samples add
        if _alike(w.given, part) and (elsewhere & (part != 0)).any():
            return f"only sample {n} of {len(w.y)} counts: sum over the batch, axis 0"
    return ""


def _factor_of_values(w: Wrong) -> str:
    """The value of an input, or of y, as a factor that is missing or that is too many."""
    values = {**{name: value for name, (value, _) in w.others.items()}, "x": w.x, "y": w.y}
    for name, value in values.items():
        try:
            z = np.broadcast_to(value, w.x.shape)
        except ValueError:
            continue
        what = f"input itself ({name})" if name == "x" else "result (y)" if name == "y" else name
        if _alike(w.given * z, w.right):
            return f"the factor {what} is missing"
        if _alike(w.given, w.right * z):
            return f"there is a factor {what} too many"
        if _alike(w.given * z * z, w.right):
            return f"the factor {what}, squared, is missing: or is it divided where it should be multiplied by {what}?"
        if _alike(w.given, w.right * z * z):
            return f"there is a factor {what}, squared, too many: is it multiplied where it should be divided by {what}?"
    return ""


# Slopes of functions of one variable, as they are written: u stands for x or for y.
SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "1": np.ones_like,
    "u": lambda u: u,
    "2 * u": lambda u: 2 * u,
    "u**2": lambda u: u * u,
    "1 - u": lambda u: 1 - u,
    "1 + u": lambda u: 1 + u,
    "1 - u**2": lambda u: 1 - u * u,
    "1 + u**2": lambda u: 1 + u * u,
    "u * (1 - u)": lambda u: u * (1 - u),
    "u * (1 + u)": lambda u: u * (1 + u),
    "(1 - u)**2": lambda u: (1 - u) ** 2,
    "1 - tanh(u)": lambda u: 1 - np.tanh(u),
    "1 - tanh(u)**2": lambda u: 1 - np.tanh(u) ** 2,
    "tanh(u)": np.tanh,
    "exp(u)": np.exp,
    "log(u)": np.log,
    "1 / u": lambda u: 1 / u,
    "1 / u**2": lambda u: 1 / (u * u),
    "1 / (2 * u)": lambda u: 1 / (2 * u),
    "sin(u)": np.sin,
    "cos(u)": np.cos,
    "(u > 0)": lambda u: u > 0,
    "(u < 0)": lambda u: u < 0,
    "u * (u > 0)": lambda u: u * (u > 0),
}


def _slope(w: Wrong) -> str:
    """Of an elementwise function: dy times the slope of another, or the right one at the wrong place."""
    j = w.jacobian
    if w.x.shape != w.y.shape or np.abs(j - np.diag(np.diag(j))).max() > 1e-4 * np.abs(j).max():
        return ""
    for (text, slope), name, sign in itertools.product(SLOPES.items(), "xy", (1, -1)):
        u, other = (w.x, w.y) if name == "x" else (w.y, w.x)
        if _alike(w.given, sign * w.dy * slope(u)):
            written = f"dy * {text}" if text[0] == "(" or text in ("1", "u") else f"dy * ({text})"
            written = ("-" if sign < 0 else "") + written.replace("dy * 1", "dy").replace("u", name)
            swapped = _alike(w.dy * sign * slope(other), w.right)
            hint = f"; with {'y' if name == 'x' else 'x'} in the place of {name} it would be right" if swapped else ""
            return f"this is {written}{hint}"
    return ""


def _path(w: Wrong) -> str:
    """What goes through a mean or a variance over some axes, which is left out or wrong."""
    off = w.given - w.right
    reached = (np.abs(w.jacobian) > 1e-6 * np.abs(w.jacobian).max()).reshape(-1, *w.x.shape)  # by each element of y
    for axes in _sets_of_axes(w.x):
        n = math.prod(w.x.shape[axis] for axis in axes)
        if n < 4 or not reached.all(axis=tuple(axis + 1 for axis in axes)).any():
            continue
        constant = off.mean(axis=axes, keepdims=True)
        centred = w.x - w.x.mean(axis=axes, keepdims=True)
        share = ((off * centred).sum(axis=axes, keepdims=True)) / np.square(centred).sum(axis=axes, keepdims=True)
        where = f"axis {axes[0]}" if len(axes) == 1 else f"the axes {', '.join(map(str, axes))}"
        if _alike(_along(constant, w.x), off):
            return f"the path through the mean over {where} is missing or wrong: what is off is one number for all of it"
        if _alike(share * centred, off):
            return f"the path through the variance over {where} is missing or wrong: what is off is a multiple of x - mean(x)"
        if _alike(constant + share * centred, off):
            return f"the paths through the mean and the variance over {where} are missing or wrong: both depend on x, too"
    return ""


def _sets_of_axes(x: np.ndarray) -> list[tuple[int, ...]]:
    every = tuple(range(x.ndim))
    single = [(axis,) for axis in every]
    return single + [axes for axes in (every, every[:1] + every[2:], every[1:]) if len(axes) > 1]


def _adds_up(w: Wrong) -> str:
    """An axis along which the right gradient adds up to 0, since a number added to all of x changes nothing."""
    for axis in range(w.x.ndim):
        sums, own = (np.abs(g.sum(axis=axis)).max() for g in (w.right, w.given))
        if w.x.shape[axis] > 1 and sums < 1e-4 * np.abs(w.right).max() and own > 1e-2 * np.abs(w.given).max():
            return f"x + 1 along axis {axis} would give the same y, so the gradient must add up to 0 there; this one does not"
    return ""


def _wrong_elements(w: Wrong) -> np.ndarray:
    return np.abs(w.given - w.right) > 1e-3 * np.abs(w.right) + 1e-6 * np.abs(w.right).max()


def _only_where(w: Wrong) -> str:
    """A condition on x, or a place, that says which elements are wrong."""
    wrong = _wrong_elements(w)
    if wrong.all() or not wrong.any():
        return ""
    conditions = {"x < 0": w.x < 0, "x > 0": w.x > 0, "|x| > 1": np.abs(w.x) > 1, "|x| < 1": np.abs(w.x) < 1}
    conditions |= {"x = 0": w.x == 0, "x is largest": w.x == w.x.max()}
    for axis, n in enumerate(w.x.shape):
        place = np.arange(n).reshape(-1, *(1,) * (w.x.ndim - axis - 1))
        conditions |= {f"the index of axis {axis} is {k}": _along(place == k, w.x) for k in ((0, n - 1) if n > 1 else ())}
    for text, condition in conditions.items():
        if np.array_equal(condition & (w.right != w.given), wrong) and condition.any() and not condition.all():
            return f"wrong only where {text}: right in the other {(~wrong).sum()} of {wrong.size} elements"
    return ""


def _in_part(w: Wrong) -> str:
    right = ~_wrong_elements(w)
    return f"right in {right.sum()} of {right.size} elements" if right.any() else ""


def _factor_of_each(w: Wrong) -> str:
    """A factor that is one number along an axis, and another one at each place of the other axes."""
    for axis, n in enumerate(w.x.shape):
        c = (w.given * w.right).sum(axis=axis, keepdims=True) / np.square(w.right).sum(axis=axis, keepdims=True)
        if n > 2 and c.size > 1 and _alike(w.given, c * w.right):
            return (
                f"along axis {axis} everything is off by one factor, {c.flat[0]:.4g} at the first place and another one at "
                f"each of the others: is something missing that is computed over axis {axis}, such as 1 / sqrt(variance)?"
            )
    return ""


def _sum_of_products(w: Wrong) -> str:
    """The gradient of a factor, as if another input were what it multiplies."""
    for name, (z, _) in w.others.items():
        if z.shape == w.dy.shape and w.x.shape == w.dy.shape[1:] and _alike(w.given, (w.dy * z).sum(axis=0)):
            return f"this is the sum of dy * ({name}) over axis 0, as if y were {name} times this input"
    return ""


def _product(w: Wrong) -> str:
    """A product of dy and another input, where a factor is transposed, or the two have changed places."""
    if w.dy.ndim != 2 or w.x.ndim != 2:
        return ""
    for name, (z, _) in w.others.items():
        if z.ndim != 2:
            continue
        factors = [{"dy": w.dy, "dy.T": w.dy.T}, {f"({name})": z, f"({name}).T": z.T}]
        for first, second in (factors, factors[::-1]):
            for (a, left), (b, right) in itertools.product(first.items(), second.items()):
                if left.shape[1] == right.shape[0] and _alike(w.given, left @ right):
                    return f"this is {a} @ {b}: is a factor transposed, or are the two in the wrong order?"
    return ""


LOOKS = (
    _not_a_number,
    _zero,
    _dy_unused,
    _other_input,
    _transposed,
    _factor,
    _summed,
    _one_sample,
    _factor_of_values,
    _multiple,
    _slope,
    _product,
    _sum_of_products,
    _path,
    _only_where,
    _factor_of_each,
    _adds_up,
    _in_part,
)


def of_shape(given: tuple[int, ...], expected: tuple[int, ...], others: list[tuple[int, ...]]) -> str:
    """What is wrong with a gradient of shape `given` for an input of shape `expected`, where the other inputs have these."""
    said = _of_shape(given, expected)
    if given not in others:
        return said or "the gradient has an element for each element of the input"
    order = "return the gradients in the order of the inputs"
    return (
        f"{said}; or, if it is the gradient of another input, {order}"
        if said
        else f"that is the shape of another input: {order}"
    )


def _of_shape(given: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What the two shapes alone tell; empty where they tell nothing."""
    if len(given) == 2 and given == expected[::-1]:
        return "it is transposed"
    if len(given) < len(expected):
        for axis in range(len(expected)):
            if given == expected[:axis] + expected[axis + 1 :]:
                if expected[axis] == 1:
                    return f"axis {axis}, of length 1, is missing: sum with keepdims=True"
                return f"axis {axis} is missing: is it summed over, where each element has a gradient of its own?"
    axes = len(given) - len(expected)
    if axes > 0 and given[axes:] == expected:
        which = "axis 0" if axes == 1 else f"the first {axes} axes"
        if math.prod(given[:axes]) == 1:
            return f"{which}, of length 1, is too many: sum over it, without keepdims=True"
        return f"the input was used for everything along {which}, so sum over {which} (functional.unbroadcast does it)"
    if axes >= 0 and all(n in (m, 1) for m, n in zip(given[axes:], expected, strict=True)):
        return "if the input was broadcast, sum over the axes where it has length 1, or none (functional.unbroadcast does it)"
    if axes == 0 and all(m in (n, 1) for m, n in zip(given, expected, strict=True)):
        return "is it summed over the axes where it has length 1? Each element has a gradient of its own"
    if math.prod(given) == math.prod(expected):
        return "it has as many elements as the input: is a reshape missing, or a transpose?"
    return ""
