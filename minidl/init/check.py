"""`check`: is an initializer of one's own right? It is drawn, measured, and compared with the variance that it should have.

What it finds is reported with a figure, and well-known mistakes are called by their names. A figure counts as wrong
beyond five standard errors, which chance reaches once in a million checks.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..random import Generator, as_generator
from .base import Custom, Initializer, Moments, Shape, get
from .distributions import CUT_STD
from .matrices import Fixed

# (fan_in, fan_out), and with them shape (fan_out, fan_in). Sum, product and both fans differ between some two of them.
WIDE, TALL, SQUARE = (400, 100), (100, 400), (160, 160)
# The shape and the fans of a kernel: each of the nine places multiplies both. Some initializers take no other than square ones.
KERNEL, SQUARE_KERNEL = ((32, 16, 3, 3), (144, 288)), ((24, 24, 3, 3), (216, 216))

# What the variance of an initializer may be, with what is known of it.
FORMULAS: dict[str, tuple[Callable[[int, int], float], str]] = {
    "1 / fan_in": (lambda n, m: 1 / n, "LeCun's"),
    "2 / fan_in": (lambda n, m: 2 / n, "He's, for ReLU"),
    "1 / fan_out": (lambda n, m: 1 / m, "LeCun's for the backward pass"),
    "2 / fan_out": (lambda n, m: 2 / m, "He's for the backward pass"),
    "2 / (fan_in + fan_out)": (lambda n, m: 2 / (n + m), "Xavier's"),
    "1 / (fan_in + fan_out)": (lambda n, m: 1 / (n + m), "half of Xavier's: is a 2 missing?"),
    "1 / (fan_in fan_out)": (lambda n, m: 1 / (n * m), "are the fans multiplied where they should be added?"),
    "2 / (fan_in fan_out)": (lambda n, m: 2 / (n * m), "are the fans multiplied where they should be added?"),
    "1 / fan_in^2": (lambda n, m: 1 / n**2, "the standard deviation is 1 / fan_in: is a square root missing?"),
    "2 / fan_in^2": (
        lambda n, m: 2 / n**2,
        "the standard deviation is sqrt(2) / fan_in: does the root belong over fan_in, too?",
    ),
    "1 / (3 fan_in)": (lambda n, m: 1 / (3 * n), "is this U(-1/sqrt n, 1/sqrt n)?"),
    "1 / (3 fan_out)": (lambda n, m: 1 / (3 * m), "is this U(-1/sqrt n, 1/sqrt n), with n = fan_out?"),
    "2 / (3 fan_in)": (lambda n, m: 2 / (3 * n), "is this U(-s, s), with He's standard deviation s as the bound?"),
    "6 / fan_in": (lambda n, m: 6 / n, "is the bound of He's uniform initializer used as a standard deviation?"),
    "6 / (fan_in + fan_out)": (lambda n, m: 6 / (n + m), "is the bound of Xavier's uniform one used as a standard deviation?"),
}

FACTORS = {
    1 / 3: "1/3 of {}: is std the bound b? U(-b, b) has variance b^2 / 3, so b = sqrt(3 variance)",
    3.0: "3 times {}: is the bound of the uniform distribution used as a standard deviation?",
    1 / 2: "1/2 of {}: is the factor 2{} missing?",
    2.0: "2 times {}: is there a factor 2{} that should not be?",
    1 / 4: "1/4 of {}: is the standard deviation halved, or a gain of 2 missing?",
    4.0: "4 times {}: was a factor 2 meant for the variance given to the standard deviation?",
    CUT_STD**2: "0.774 of {}: is a normal distribution cut at two standard deviations? Divide its standard deviation by 0.8796",
}
FOR_RELU = "1 / fan_in", "2 / fan_in", "1 / fan_out", "2 / fan_out"  # where a factor 2 more or less is ReLU's


class Report:
    """What `check` found: true if there are no problems; printed, one line for each problem and note."""

    def __init__(self, initializer: Initializer):
        self.initializer = initializer
        self.problems: list[str] = []
        self.notes: list[str] = []

    def __bool__(self):
        return not self.problems

    def __repr__(self):
        verdict = f"{len(self.problems)} problem{'s' * (len(self.problems) > 1)}" if self.problems else "all is well"
        lines = [f"- {line}" for line in self.problems] + [f"- note: {line}" for line in self.notes]
        return "\n".join([f"{self.initializer}: {verdict}", *lines])


def check(initializer: Any, variance: Any = None) -> Report:
    """Whether an initializer of weights is right: its variance and fans, mean, symmetry, shape, dtype, and its use of `rng`.

    It is drawn for matrices; for a kernel of a convolution, if it takes no matrices. Of one that draws nothing on purpose only
    shape and dtype are checked.

    Parameters
    ----------
    initializer : initializer, or function (shape, rng) -> array
        Anything that `init.get` takes.
    variance : function (fan_in, fan_out) -> float, initializer or name, optional
        What the variance should be, or an initializer that has it. If None it is what the initializer itself states in
        `moments`; where it states nothing, the report says which well-known formula fits.

    Returns
    -------
    Report
        True if all is well. `problems` and `notes` are lists of sentences.

    Examples
    --------
    >>> def mine(shape, rng):
    ...     fan_out, fan_in = shape
    ...     return rng.uniform(shape, -1 / fan_in**0.5, 1 / fan_in**0.5)
    >>> print(check(mine, variance=lambda fan_in, fan_out: 1 / fan_in))
    Custom(mine): 1 problem
    - the variance is 1/3 of 1 / fan_in: is std the bound b? U(-b, b) has variance b^2 / 3, so b = sqrt(3 variance)
    >>> print(check("he_normal"))
    HeNormal(a=0.0, mode='fan_in'): all is well
    """
    initializer = get(initializer)
    report = Report(initializer)
    moments = _stated(variance) if variance is not None else initializer.moments
    numpy_state = np.random.get_state()  # noqa: NPY002 - to see whether the initializer draws from it
    default = as_generator(None)
    before = dict(vars(default))
    try:
        samples = _samples(initializer)
        fans, first = next(iter(samples.items()))
        if isinstance(initializer, Fixed):
            report.notes.append("it draws nothing: every layer of one shape begins alike, from every seed")
            return report
        _check_state(report, first, fans)
        if vars(default) != before:
            report.problems.append("it uses minidl's global generator: draw from the rng that it gets")
        if not _same(numpy_state, np.random.get_state()):  # noqa: NPY002
            report.problems.append("it draws from np.random's global state, which every import may change: draw from rng")
        if not report:
            return report
        _check_units(report, first)
        if not report:
            return report
        if not _check_centre(report, samples, moments):
            return report
        if fans == WIDE:
            _check_variance(report, samples, moments)
        else:
            _check_kernel(report.problems, initializer, moments, SQUARE_KERNEL)
    except _Broken as broken:
        report.problems.append(str(broken))
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        vars(default).update(before)
    return report


def _stated(variance: Any) -> Callable[[Shape, tuple[int, int]], Moments]:
    """The moments that the argument `variance` stands for, as `Initializer.moments` gives them."""
    if isinstance(variance, Initializer | str):
        return get(variance).moments
    if not callable(variance):
        raise TypeError(
            "check: variance is a function (fan_in, fan_out) -> float, an initializer or its name, "
            f"got {type(variance).__name__}"
        )

    def moments(shape: Shape, fans: tuple[int, int]) -> Moments:
        value = variance(*fans)
        if not (isinstance(value, (int, float, np.integer, np.floating)) and 0 < value < math.inf):
            raise ValueError(f"check: variance{fans} gave {value!r}, expected a positive number")
        return Moments(0.0, math.sqrt(value))

    return moments


class _Broken(Exception):
    """The initializer gives no array that could be measured."""


def _draw(initializer: Initializer, shape: Shape, fans: tuple[int, int], rng: Any = 1, dtype: Any = np.float64) -> np.ndarray:
    try:
        values = initializer(shape, as_generator(rng), fan_in=fans[0], fan_out=fans[1], dtype=dtype)
    except Exception as error:
        hint = "; rng is a minidl.random.Generator, whose methods take the shape first: rng.normal(shape, mean, std)"
        hint *= isinstance(initializer, Custom) and _of_a_draw(error)
        raise _Broken(f"for shape {shape} it raises {type(error).__name__}: {error}{hint}") from error
    if values is None:
        raise _Broken("it returns None: does it end without `return`?")
    try:
        values = np.asarray(values)
    except ValueError:
        raise _Broken(f"for shape {shape} it gives a {type(values).__name__} whose parts have different lengths") from None
    if values.shape != shape:
        raise _Broken(f"for shape {shape} it gives an array of shape {values.shape}")
    if values.dtype.kind != "f":
        raise _Broken(f"it gives an array of {values.dtype}, where numbers of float32 or float64 are expected")
    if values.dtype != dtype and not isinstance(initializer, Custom):
        raise _Broken(
            f"it gives an array of {values.dtype} where {np.dtype(dtype)} is asked for: pass dtype on to rng, and "
            "mind that a float64 number times a float32 array is a float64 array"
        )
    if not np.isfinite(values).all():
        raise _Broken(f"for shape {shape} {np.count_nonzero(~np.isfinite(values))} of {values.size} values are NaN or infinite")
    return values.astype(np.float64)


def _of_a_draw(error: Exception) -> bool:
    """Whether it came of arguments that a method of Generator does not take."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    where = step.tb_frame.f_globals.get("__name__") if step is not None else None
    return isinstance(error, TypeError | ValueError) and (where == Generator.__module__ or "Generator." in str(error))


def _samples(initializer: Initializer) -> dict[tuple[int, int], np.ndarray]:
    """By their fans: three matrices, or, where these are refused, a kernel."""
    try:
        return {fans: _draw(initializer, fans[::-1], fans) for fans in (WIDE, TALL, SQUARE)}
    except _Broken as broken:
        try:
            shape, fans = SQUARE_KERNEL
            return {fans: _draw(initializer, shape, fans)}
        except _Broken:
            raise broken from None


def _check_state(report: Report, first: np.ndarray, fans: tuple[int, int]) -> None:
    """Equal generators give equal values, whatever was drawn before; one generator gives other values each time."""
    initializer, shape, rng = report.initializer, first.shape, Generator(1)
    again, then = _draw(initializer, shape, fans, rng), _draw(initializer, shape, fans, rng)
    _draw(initializer, shape, fans, dtype=np.float32)
    if not np.array_equal(first, again):
        fraction = np.mean(first != again)
        report.problems.append(
            f"{fraction:.0%} of the values differ between two draws from generators of one seed: it has random numbers of its "
            "own, or keeps something from call to call; draw all from rng"
        )
    elif np.array_equal(again, then):
        report.problems.append(
            "two draws from one generator are the same, so two layers that take it are identical: it draws nothing, or from a "
            "seed of its own; draw from rng"
        )


def _check_units(report: Report, values: np.ndarray) -> None:
    for what, rows in (("units", values), ("inputs", values.swapaxes(0, 1))):
        distinct = len(np.unique(rows, axis=0))
        if distinct < len(rows):
            report.problems.append(
                f"of {len(rows)} {what} only {distinct} differ: those with the same weights stay clones; draw the full shape"
            )


def _check_centre(report: Report, samples: dict, moments: Callable) -> bool:
    """Whether there is more to be learned from the variance."""
    for fans, values in samples.items():
        stated = moments(values.shape, fans).mean or 0.0
        std = values.std()
        if abs(values.mean() - stated) > 5 * std / math.sqrt(values.size):
            off = (values.mean() - stated) / std
            half = values.min() >= 0 and stated == 0
            hint = "; no value is negative" if half else ""
            if half and abs(off - math.sqrt(3)) < 0.05:  # mean b / 2, variance b^2 / 12
                hint += ": is this [0, b) instead of [-b, b)? Its variance is a quarter of that"
            report.problems.append(f"the mean is {values.mean():.3g}, expected {stated:.3g}: off by {off:.2f} std{hint}")
            if half:
                return False
            break
    z = np.concatenate([(values - values.mean()).ravel() / values.std() for values in samples.values()])
    cube = z * z * z
    skewness, error = np.mean(cube), math.sqrt(np.mean(np.square(cube - 3 * z)) / z.size)  # for z symmetric about 0
    if abs(skewness) > 5 * error:
        report.problems.append(f"it is not symmetric about its mean: the skewness is {skewness:.2f}, expected 0")
    return True


def _check_variance(report: Report, samples: dict, moments: Callable) -> None:
    measured = {fans: values.var() for fans, values in samples.items()}
    tolerance = {fans: _tolerance(values) for fans, values in samples.items()}

    def fit(formula: Callable[[int, int], float]) -> bool:
        return all(abs(measured[fans] / formula(*fans) - 1) < tolerance[fans] for fans in measured)

    known = [name for name, (formula, _) in FORMULAS.items() if fit(formula)]
    stds = {fans: moments(fans[::-1], fans).std for fans in measured}
    if None in stds.values():
        about = f"is {known[0]}: {FORMULAS[known[0]][1]}" if known else "fits no well-known formula"
        report.notes.append(f"the variance {about}; state what it should be, as variance=")
        return
    expected = {fans: std**2 for fans, std in stds.items()}
    if not all(expected.values()):
        raise ValueError("check: the stated variance is 0, which no random weights have")
    stated = next((name for name, (f, _) in FORMULAS.items() if all(math.isclose(f(*k), expected[k]) for k in expected)), "")
    stated = stated or "the stated variance"
    if not fit(lambda *fans: expected[fans]):
        custom = isinstance(report.initializer, Custom)
        cut = all(np.abs(values).max() < 2.5 * values.std() for values in samples.values())
        report.problems.append(f"the variance is {_what_is_off(measured, expected, fit, known, stated, custom, cut)}")
        return
    _check_fans(report, moments, expected[SQUARE], stated)


def _what_is_off(measured: dict, expected: dict, fit: Callable, known: list[str], stated: str, custom: bool, cut: bool) -> str:
    """`custom`: it is a function, which sees only the shape; `cut`: no value is far from the mean."""
    ratio = {fans: measured[fans] / expected[fans] for fans in measured}
    for factor, mistake in FACTORS.items():
        if factor == CUT_STD**2 and not cut:
            continue
        if fit(lambda *fans: factor * expected[fans]):  # noqa: B023 - called at once
            return mistake.format(stated, " for ReLU" if stated in FOR_RELU else "")
    if fit(lambda *fans: expected[fans[::-1]]):
        pair = "the shape of a weight is (fan_out, fan_in)"
        return f"{stated} with fan_in and fan_out swapped: {pair if custom else pair + ', but `fans` is (fan_in, fan_out)'}"
    if fit(lambda *fans: expected[fans] ** 2):
        return f"the square of {stated}: is the variance given where the standard deviation belongs? Take its square root"
    if fit(lambda *fans: expected[fans] ** 0.5):
        return f"the square root of {stated}: is the root taken once too often?"
    if fit(lambda *fans: measured[SQUARE]):
        return f"{measured[SQUARE]:.3g} whatever the fans, not {stated}: it does not follow them"
    times = ", ".join(f"{ratio[fans]:.3g} at fan_in {fans[0]}, fan_out {fans[1]}" for fans in ratio)
    if known:
        from fractions import Fraction  # only here, for it is slow to import

        formula, about = FORMULAS[known[0]]
        equal = Fraction(ratio[SQUARE]).limit_denominator(6)
        of_one_fan = math.isclose(formula(1, 1), 2 * formula(2, 2))  # so that the fraction is the same for any size
        share = f" ({equal} of it where fan_in = fan_out)" if of_one_fan else ""
        return f"{known[0]}, not {stated}{share}: {about}"
    if fit(lambda *fans: ratio[SQUARE] * expected[fans]):
        root = math.sqrt(ratio[SQUARE])
        return (
            f"{ratio[SQUARE]:.3g} times {stated}, whatever the fans: the standard deviation is {root:.2g} times what is right"
        )
    return f"not {stated}; it is this many times that: {times}"


def _check_fans(report: Report, moments: Callable, of_shape: float, stated: str) -> None:
    """Whether the fans that a layer states count, where they are not those of the shape; and the places of a kernel."""
    initializer = report.initializer
    if isinstance(initializer, Custom):
        _check_kernel(report.notes, initializer, moments, KERNEL)
        report.notes.append(
            "a function (shape, rng) reads its fans off the shape; an Initializer gets those that the layer states"
        )
        return
    values = _draw(initializer, SQUARE, fans := (50, 800))
    expected = moments(SQUARE, fans).std ** 2
    if abs(values.var() / expected - 1) > _tolerance(values):
        own = initializer.moments(SQUARE, fans).std
        if own and abs(values.var() / own**2 - 1) < _tolerance(values):
            report.notes.append("it goes by the shape, as its own moments say, not by the fans that a layer states")
            return
        reads = abs(values.var() / of_shape - 1) < _tolerance(values)
        how = "it reads its fans off the shape" if reads else f"the variance is {values.var() / expected:.3g} times {stated}"
        report.problems.append(
            f"for shape {SQUARE} and fans that the layer states as {fans}, {how}: take them from the argument `fans` of sample"
        )


def _check_kernel(found: list[str], initializer: Initializer, moments: Callable, kernel: tuple[Shape, tuple[int, int]]) -> None:
    try:
        values = _draw(initializer, *kernel)
    except _Broken:
        found.append("it is for matrices only; a convolution's kernel has further axes, which multiply both fans")
        return
    std = moments(*kernel).std
    if std is not None and abs((ratio := values.var() / std**2) - 1) > _tolerance(values):
        nine = ratio > 1 and (kernel is KERNEL or abs(ratio / 9 - 1) < _tolerance(values))  # of KERNEL, matrices are right
        off = "too large: 9 places multiply the fans" if nine else "what is right"
        found.append(f"for a kernel of shape {values.shape} the variance is {ratio:.2g} times {off}")


def _tolerance(values: np.ndarray) -> float:
    """Five relative standard errors of the sample variance: sqrt((kurtosis - 1) / n)."""
    squares = np.square(values - values.mean())
    return 5 * math.sqrt(max(np.mean(np.square(squares)) / np.mean(squares) ** 2 - 1, 0) / values.size) + 1e-6


def _same(before: Any, after: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
