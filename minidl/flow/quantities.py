"""What one array, one activation or one layer's weights are like: the quantities that `measure` and `watch` take down."""

import functools
import math
from typing import Any

import numpy as np

from .. import kernels, nn, theory
from ..random import Generator
from ..tensor import Tensor
from .report import Histogram

BINS = 40


def distribution(values: np.ndarray) -> tuple[float, float, Histogram | None]:
    """Mean, standard deviation and histogram (of what is finite)."""
    if values.dtype.kind != "f":
        values = values.astype(np.float64)
    mean, std, low, high, counts = kernels.summarize(values, BINS)
    if math.isnan(std):
        with np.errstate(all="ignore"):
            std, values = float(values.std(dtype=np.float64)), values[np.isfinite(values)]
        if not values.size:
            return mean, std, None
        largest = np.abs(values).max() or 1  # divided by it, lest the sum overflow again
        *_, low, high, counts = kernels.summarize(values / largest, BINS)
        low, high = low * float(largest), high * float(largest)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return mean, std, Histogram(counts, low, high)


_largest_slopes: dict[Any, float] = {}


def _largest_slope(activation: nn.Elementwise) -> float:
    """The largest |f'| on [-10, 10]."""
    attributes = {name: value for name, value in vars(activation).items() if name not in ("training", "_name", "_buffers")}
    key = (type(activation), *attributes.items())
    known = all(isinstance(value, (int, float, str)) for value in attributes.values())
    if not known or key not in _largest_slopes:
        largest = float(np.abs(theory.values_and_slopes(activation, np.linspace(-10.0, 10.0, 401))[1]).max())
        if not known:
            return largest
        _largest_slopes[key] = largest
    return _largest_slopes[key]


def saturation(activation: nn.Elementwise, x: Any, y: Tensor) -> tuple[float, float | None]:
    """(saturated, dead), as in LayerRecord."""
    with np.errstate(all="ignore"):
        slopes = theory.slope(x, y)
        if slopes is None:
            slopes = theory.values_and_slopes(activation.forward, np.asarray(x))[1]
        # A slope of 1 % exactly, LeakyReLU's, may come out a little smaller in float32.
        saturated = np.count_nonzero(np.abs(slopes) < 0.01 * (1 - 1e-6) * _largest_slope(activation)) / slopes.size
    if y.ndim < 2 or not saturated:
        return saturated, 0.0 if y.ndim > 1 else None
    alive = (slopes.reshape(-1, slopes.shape[-1]) != 0).any(axis=0)
    return saturated, 1 - np.count_nonzero(alive) / alive.size


def norm(values: np.ndarray) -> float:
    mean, std, *_ = kernels.summarize(values, 0)
    return math.hypot(mean, std) * math.sqrt(values.size)


def distinct(weight: Tensor, bias: Tensor | None, size: float, tolerance: float) -> tuple[int, int]:
    """How many units of a layer differ; and how many do if those nearer than `tolerance` typical norms count as one.

    `size` is the norm of the weight.
    """
    rows = weight.data.reshape(len(weight), -1)
    n, width = rows.shape
    typical = size / math.sqrt(n)
    # Near rows have near shadows on any line. If no two have so on some random lines, all differ: no need to compare them.
    lines = _lines(width + 1, 4 if tolerance else 1, rows.dtype)
    shadows = kernels.matmul(rows, lines[:-1])
    if bias is not None:
        shadows += bias.data[:, None] * lines[-1]
    shadows = shadows[shadows[:, 0].argsort()]
    reach, lag = max(tolerance, 1e-6) * typical, 1  # 1e-6: room for rounding
    while lag < n:
        near = shadows[lag:, 0] - shadows[:-lag, 0] <= reach
        if not near.any():
            return n, n
        if (np.abs(shadows[lag:][near] - shadows[:-lag][near]).max(axis=1) <= reach).any():
            break
        lag += 1
    if bias is not None:
        rows = np.column_stack([rows, bias.data])
    exactly = len({row.tobytes() for row in rows + rows.dtype.type(0)})  # + 0 makes -0 and 0 one
    if not tolerance:
        return exactly, exactly
    rest, nearly = rows.astype(np.float64), 0
    while len(rest):
        rest = rest[np.sqrt(((rest - rest[0]) ** 2).sum(axis=1)) > tolerance * typical]
        nearly += 1
    return exactly, nearly


@functools.lru_cache(maxsize=64)
def _lines(n: int, count: int, dtype: np.dtype) -> np.ndarray:
    """Random directions: columns of length 1."""
    directions = Generator(0).normal((n, count), dtype=np.float64)
    return (directions / np.sqrt((directions**2).sum(axis=0))).astype(dtype)
