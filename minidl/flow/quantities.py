"""What one array, one activation or one layer's weights are like: the quantities that `measure` and `watch` record."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import kernels, nn, theory
from ..random import Generator
from ..tensor import Tensor
from .report import Histogram

BINS = 40


def unit_axis(layer: nn.Module, y: Tensor, of_input: int | None = None) -> int:
    """The axis of y, a layer's output, on which its units are: 1 where they are channels, otherwise the last, -1.

    An activation or dropout has them where its input has: `of_input`. Where that is None, for it is not known, four axes are
    those of images.
    """
    if y.ndim < 3:
        return -1
    if layer.unit_axis is not None:
        return layer.unit_axis
    return of_input or (1 if y.ndim == 4 else -1)


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
        room = max(0.5, 1e-6 * abs(low))
        low, high = low - room, high + room
    return mean, std, Histogram(counts, low, high)


@theory.cached_by_layer
def _largest_slope(activation: nn.Elementwise) -> float:
    """The largest |f'| on [-10, 10]."""
    return float(np.abs(theory.values_and_slopes(activation, np.linspace(-10.0, 10.0, 401))[1]).max())


def saturation(activation: nn.Elementwise, x: Any, y: Tensor, axis: int) -> tuple[float, float | None]:
    """(saturated, dead), as in LayerRecord; the units are on this axis."""
    with np.errstate(all="ignore"):
        slopes = theory.slope(x, y)
        if slopes is None:
            slopes = theory.values_and_slopes(activation.forward, x._data if isinstance(x, Tensor) else np.asarray(x))[1]
        # A slope of 1 % exactly, LeakyReLU's, may come out a little smaller in float32.
        saturated = np.count_nonzero(np.abs(slopes) < 0.01 * (1 - 1e-6) * _largest_slope(activation)) / slopes.size
    if y.ndim < 2 or not saturated:
        return saturated, 0.0 if y.ndim > 1 else None
    alive = (np.moveaxis(slopes, axis, 0).reshape(slopes.shape[axis], -1) != 0).any(axis=1)
    return saturated, 1 - np.count_nonzero(alive) / alive.size


def norm(values: np.ndarray) -> float:
    """The root of the sum of squares."""
    row = values.reshape(1, -1)
    square = float(kernels.matmul(row, row.T)[0, 0])
    if 1e-20 < square < 1e30:
        return math.sqrt(square)
    largest = float(np.abs(values).max(initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    values = values / np.float64(largest)  # so that squares neither vanish nor overflow
    return largest * math.sqrt(float((values * values).sum()))


def sums_inputs(layer: nn.Module) -> bool:
    """Whether its units have weights of their own for their inputs; a normalization's scale is none."""
    weight = getattr(layer, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.ndim > 1 and layer.unit_axis is not None


def units_of(layer: Any) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """For each group of units that see the same inputs: the incoming weights, a row for each unit, and the biases."""
    groups, bias = layer.unit_weights(layer.weight.data), getattr(layer, "bias", None)
    biases = [None] * len(groups) if bias is None else bias.data.reshape(len(groups), -1)
    return zip(groups, biases, strict=True)


def distinct_units(layer: nn.Module) -> int:
    """How many units of a layer differ from all others in some weight or in the bias."""
    return sum(_distinct(weight, bias) for weight, bias in units_of(layer))


def _distinct(weight: np.ndarray, bias: np.ndarray | None) -> int:
    # Equal rows have equal shadows. If all shadows differ by more than rounding, so do the rows: no need to compare them.
    shadows = np.sort(_shadows(weight, bias))
    if (shadows[1:] - shadows[:-1] > _rounding(shadows)).all():
        return len(weight)
    return len({row.tobytes() for row in rows_of(weight, bias)})


def nearly_distinct_units(layer: nn.Module, size: float, tolerance: float) -> int:
    """How many do, if those nearer than `tolerance` typical norms count as one; `size` is the norm of the weight."""
    groups = list(units_of(layer))
    reach = tolerance * size / math.sqrt(sum(len(weight) for weight, _ in groups))
    return sum(_nearly_distinct(weight, bias, reach) for weight, bias in groups)


def _nearly_distinct(weight: np.ndarray, bias: np.ndarray | None, reach: float) -> int:
    n = len(weight)
    shadows = _shadows(weight, bias)
    order = shadows.argsort()
    shadows = shadows[order]
    room = reach + _rounding(shadows)
    for lag in range(1, n):  # near rows have near shadows, and of others few do
        near = np.flatnonzero(shadows[lag:] - shadows[:-lag] <= room)
        if not near.size:
            return n
        one, other = order[near], order[near + lag]
        apart = ((weight[one] - weight[other]) ** 2).sum(axis=1)
        if bias is not None:
            apart += (bias[one] - bias[other]) ** 2
        if apart.min() <= (1.001 * reach) ** 2:  # and a little, for rounding
            break
    rest, nearly = rows_of(weight, bias).astype(np.float64), 0
    while len(rest):
        rest = rest[np.sqrt(((rest - rest[0]) ** 2).sum(axis=1)) > reach]
        nearly += 1
    return nearly


def rows_of(weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """The incoming weights of each unit, its bias behind them, in a new array without -0."""
    rows = weight if bias is None else np.column_stack([weight, bias])
    return rows + rows.dtype.type(0)  # + 0 makes -0 and 0 one


def _shadows(weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """The rows' products with a random direction."""
    line = _line(weight.shape[1] + 1, weight.dtype)
    shadows = kernels.matmul(weight, line[:-1])[:, 0]
    if bias is not None:
        shadows += bias * line[-1]
    return shadows


def _rounding(shadows: np.ndarray) -> float:
    return 1e-5 * float(np.abs(shadows).max())


@functools.lru_cache(maxsize=64)
def _line(n: int, dtype: np.dtype) -> np.ndarray:
    """A random direction: a column of length 1."""
    direction = Generator(0).normal((n, 1), dtype=np.float64)
    return (direction / np.sqrt((direction**2).sum())).astype(dtype)
