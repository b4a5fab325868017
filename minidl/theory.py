"""What a signal does in a deep network, by theory: its size from layer to layer, forward and backward, and how far one
random network strays from that.

In a wide layer with random weights the sums before the activation are close to normal (mean-field theory). So the second moment
q of layer l follows from that of layer l - 1, and the whole network from its initializers and widths, before any weight is
drawn. First the maps of one layer, in the notation of Poole et al. (sigma_w^2 = fan_in var(w)); then `propagate`, which asks a
network's own layers what they do with a signal (`Incoming`). Of images, units are channels, and the second moment is followed
place by place. `flow` compares what it measures with the results. Weights are taken as independent with mean 0, as they are at
the beginning of training.

Sources: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
ICLR 2014; Poole et al., "Exponential expressivity in deep neural networks through transient chaos", NIPS 2016; Schoenholz et
al., "Deep information propagation", ICLR 2017; Xiao et al., "Dynamical isometry and a mean field theory of CNNs", ICML 2018,
section 2; Klambauer et al., "Self-normalizing neural networks", NIPS 2017; Hanin and Rolnick, "How to start training: the
effect of initialization and architecture", NeurIPS 2018; Yang et al., "A mean field theory of batch normalization", ICLR 2019.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import init, kernels, nn
from .gaussian import rule
from .gradcheck import gradients_kept
from .nn.module import observed_by
from .tensor import Tensor, enable_grad

Function = Callable[[Any], Tensor]
TERMS = 32  # of the Hermite series
LIMIT = 1e-200  # a second moment that stands for q -> 0: there f' at a kink is half of the one side's, half of the other's


@functools.lru_cache(maxsize=32)
def _basis(offset: float, wide: bool) -> tuple[np.ndarray, np.ndarray]:
    """Points z, and the matrix that takes g(z) to a_k = E[g(z) h_k(z)], z ~ N(0, 1), h_k the normalized Hermite polynomials.

    `offset` is mean / std of what is to be integrated: the points are laid around its zero, where activations have kinks.
    There they must be close together if the std is `wide`, larger than 32; otherwise fewer will do.
    """
    scale = 1.0 if wide else 2.0**-9
    points, weights = rule(scale, offset * scale)
    points, weights = points[weights > 1e-16], weights[weights > 1e-16]
    z = points / scale - offset
    h = [np.ones_like(z), z]
    for k in range(1, TERMS - 1):
        h.append((z * h[k] - math.sqrt(k) * h[k - 1]) / math.sqrt(k + 1))
    return z, weights * np.array(h)


def slope(x: Any, y: Tensor) -> np.ndarray | None:
    """f'(x), elementwise, for y = f(x), if f is one operation, whose derivative is at hand."""
    if y._made is None or len(y._made[1]) != 1 or y._made[1][0] is not x:
        return None
    backward, *_ = y._made
    return backward(np.ones_like(y._data))[0]


def values_and_slopes(f: Function, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f(x) and f'(x), elementwise; whatever f is made of keeps its gradients."""
    u = Tensor(x, requires_grad=True)
    with enable_grad(), observed_by([], []):
        y = f(u)
        if not isinstance(y, Tensor) or y.shape != u.shape:
            raise TypeError(
                "the theory takes activations, functions of a Tensor that work elementwise, like functional.tanh; this one "
                f"gave {f'shape {y.shape} for {u.shape}' if isinstance(y, Tensor) else type(y).__name__}"
            )
        slopes = slope(u, y)
        if slopes is None and y.requires_grad:
            with gradients_kept(y):
                y.backward(np.ones_like(y._data))
                slopes = u.grad
    return y.data, np.zeros_like(u.data) if slopes is None else slopes


class _Moments:
    """Expectations of an activation f of u ~ N(mean, variance), and of pairs (u_a, u_b) of such.

    With a_k the Hermite coefficients of g, E[g(u_a) g(u_b)] = sum_k a_k^2 c^k, c the correlation of u_a and u_b (Mehler's
    formula). Of the terms beyond TERMS only the sum at c = 1 is known, E[g^2] less the others. In c they are taken to go as
    those of a step and of a ramp do, the two together: a_k^2 falls like k^(-3/2) where g jumps, like k^(-5/2) where it has a
    kink, and how much of either there is follows from the last half of the terms.
    """

    def __init__(self, f: Function, variance: float, mean: float = 0.0):
        std = math.sqrt(variance)
        z, self.basis = _basis(mean / std if std else 0.0, std > 32)
        self.values, self.slopes = values_and_slopes(f, mean + std * z)

    def mean(self, g: np.ndarray) -> float:
        return float(self.basis[0] @ g)

    def coefficients(self, *functions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """a_k, k < TERMS, and a_k^2 with the rest of the sum of squares behind, as of a step and of a ramp: one row for each
        function."""
        g = np.array(functions)
        a = kernels.matmul(g, self.basis.T)
        squares = np.empty((len(g), TERMS + 2))
        np.multiply(a, a, out=squares[:, :TERMS])
        total = kernels.matmul(g * g, self.basis[:1].T)[:, 0]
        rest = np.maximum(total - squares[:, :TERMS].sum(axis=1), 0.0)
        # Of a step rest / half is one known number, of a ramp another: two equations for the rests of the two.
        half = squares[:, TERMS // 2 : TERMS].sum(axis=1)
        step, ramp = _HALVES
        squares[:, TERMS] = np.clip((half - ramp * rest) / (step - ramp), 0.0, rest)
        squares[:, TERMS + 1] = rest - squares[:, TERMS]
        return a, squares


_K = np.append(np.arange(TERMS + 1.0), TERMS)
_FACTORS = np.array([np.ones(TERMS + 2), _K, _K * (_K - 1)])  # in the i-th derivative of c^k, of
_POWERS = np.maximum(_K - np.arange(3)[:, None], 0)  # c to these

# Arcsine: 2 pi E[g(u_a) g(u_b)], less its value at c = 0, for the step, g(u) = 1 if u > 0, is asin(c) = sum_k _STEP[k] c^k;
# for the ramp, max(u, 0), less its linear part, it is the integral of that, c asin(c) + sqrt(1 - c^2) - 1.
# Source: Cho and Saul, "Kernel methods for deep learning", NIPS 2009, equations 5 and 6, in other words.
_STEP, _RAMP = np.zeros(TERMS), np.zeros(TERMS)
_STEP[1] = 1.0
for _k in range(3, TERMS, 2):
    _STEP[_k] = _STEP[_k - 2] * (_k - 2) ** 2 / ((_k - 1) * _k)
_RAMP[2:] = _STEP[1:-1] / _K[2:TERMS]


def _rests(c: float) -> np.ndarray:
    """What the terms beyond TERMS add up to, for the step and for the ramp."""
    c = min(max(c, -1.0), 1.0)
    powers = c ** _K[:TERMS]
    step = math.asin(c)
    return np.array([step - _STEP @ powers, c * step + math.sqrt(1 - c * c) - 1 - _RAMP @ powers])


_RESTS = _rests(1.0)
_HALVES = np.array([_STEP[TERMS // 2 :].sum(), _RAMP[TERMS // 2 :].sum()]) / _RESTS


def _pair(squares: np.ndarray, c: float) -> np.ndarray:
    """E[g(u_a) g(u_b)] of every row, its derivative by c, and its second derivative. In the derivatives, which of a step are
    infinite at c = 1, what lies beyond the last term is put on the power c^TERMS."""
    factors = _FACTORS * c**_POWERS
    factors[0, TERMS:] = _rests(c) / _RESTS
    return factors @ squares.T


def variance_map(f: Function, q: float, sigma_w: float, sigma_b: float = 0.0) -> float:
    """sigma_w^2 E[f(sqrt(q) z)^2] + sigma_b^2: the second moment before the next activation (Poole 2016, equation 3).

    Parameters
    ----------
    f : function of a Tensor
        An activation: `functional.tanh`, `nn.LeakyReLU(0.2)`, or your own out of minidl's operations.
    q : float
        The second moment before this activation.
    sigma_w, sigma_b : float
        The weights have variance sigma_w^2 / fan_in, the biases sigma_b^2.

    Examples
    --------
    >>> from minidl import functional as F
    >>> round(variance_map(F.relu, q=1.0, sigma_w=2**0.5), 12)  # He's initializer keeps it
    1.0
    """
    _check(q=q, sigma_w=sigma_w, sigma_b=sigma_b)
    m = _Moments(f, q)
    return sigma_w**2 * m.mean(m.values**2) + sigma_b**2


def correlation_map(f: Function, c: float, q: float, sigma_w: float, sigma_b: float = 0.0) -> float:
    """(sigma_w^2 E[f(u_a) f(u_b)] + sigma_b^2) / q: the correlation of two inputs, one layer on (Poole 2016, equation 5).

    u_a and u_b are normal with variance q, which should be the fixed point, and correlation c. With q = 0 it is the limit.

    Raises
    ------
    ValueError
        If c is not a correlation, or q = 0 is not a fixed point.
    """
    _check(q=q, sigma_w=sigma_w, sigma_b=sigma_b)
    _check_correlation(c)
    if q == 0 and (moment := variance_map(f, 0.0, sigma_w, sigma_b)) > 0:
        raise ValueError(f"correlation_map: q = 0 is not a fixed point, for it leads to {moment:.4g}; see fixed_point")
    m = _Moments(f, q or LIMIT)
    return (sigma_w**2 * float(_pair(m.coefficients(m.values)[1], c)[0, 0]) + sigma_b**2) / (q or LIMIT)


def backward_factor(f: Function, q: float, sigma_w: float, c: float = 1.0) -> float:
    """chi = sigma_w^2 E[f'(u_a) f'(u_b)]: what one layer, on the way back, multiplies the gradient's second moment by.

    With c = 1 it is chi_1 = sigma_w^2 E[f'(sqrt(q) z)^2], which is also the slope of the correlation map at 1: above 1
    gradients explode and similar inputs part (chaos), below 1 gradients vanish and all inputs become alike (order).
    With q = 0 it is the limit, sigma_w^2 (f'(0+)^2 + f'(0-)^2) / 2 for c = 1. Source: Schoenholz 2017, equations 4 and 6.

    Examples
    --------
    >>> from minidl import functional as F
    >>> round(backward_factor(F.tanh, q=0.0, sigma_w=1.5), 12)  # 1.5^2, for tanh'(0) = 1
    2.25
    >>> round(backward_factor(F.relu, q=0.0, sigma_w=1.5), 12)  # of the two slopes at 0, 0 and 1, half of 1.5^2
    1.125
    """
    _check(q=q, sigma_w=sigma_w)
    _check_correlation(c)
    m = _Moments(f, q or LIMIT)
    return sigma_w**2 * (m.mean(m.slopes**2) if c == 1 else float(_pair(m.coefficients(m.slopes)[1], c)[0, 0]))


def fixed_point(f: Function, sigma_w: float, sigma_b: float = 0.0) -> float:
    """q*: where the variance map leads, starting from q = 1. It may be 0 (the signal vanishes) or infinite (it explodes).

    Examples
    --------
    >>> from minidl import functional as F
    >>> fixed_point(F.tanh, sigma_w=0.9), fixed_point(F.relu, sigma_w=1.5)
    (0.0, inf)
    >>> round(fixed_point(F.selu, sigma_w=1.0), 9)
    1.0
    """
    _check(sigma_w=sigma_w, sigma_b=sigma_b)

    def change(q):
        return variance_map(f, q, sigma_w, sigma_b) / q - 1

    first = change(1.0)
    if abs(first) < 1e-10:
        return 1.0
    factor, end, far = (2.0, 1e12, math.inf) if first > 0 else (0.5, 1e-8, 0.0)
    q = 1.0
    while change(q) * first > 0:
        if q * factor / end > 1 if first > 0 else q * factor / end < 1:
            return far
        q *= factor
    return _bisect(change, q / factor, q)


def critical_sigma_w(f: Function, sigma_b: float = 0.0) -> float:
    """The sigma_w that has chi_1 = 1 at its fixed point, for this sigma_b: the edge between order and chaos.

    There gradients neither vanish nor explode, and signals reach deepest. The fixed point is the one of `fixed_point`, where
    signals lead. Source: Poole 2016, figure 1.

    Raises
    ------
    ValueError
        If there is none, as for ReLU with sigma_b > 0; or where chi_1 = 1 only at a fixed point that signals leave, as for SiLU
        and GELU with sigma_b = 0, which grow without bound from there.

    Examples
    --------
    >>> from minidl import functional as F
    >>> round(critical_sigma_w(F.tanh, sigma_b=0.05**0.5) ** 2, 3)
    1.761
    """
    _check(sigma_b=sigma_b)

    # chi_1 = 1 says sigma_w^2 = 1 / E[f'^2]; put into q = sigma_w^2 E[f^2] + sigma_b^2, that leaves one equation for q.
    def excess(q):
        m = _Moments(f, q)
        slope = m.mean(m.slopes**2)
        return -1.0 if slope == 0 else 1 - (m.mean(m.values**2) / slope + sigma_b**2) / q

    low, high = 1e-8, 1e8
    none = f"no sigma_w is critical for this activation with sigma_b={sigma_b}: chi_1 is 1"
    if excess(low) > -1e-9:
        q = 0.0
    elif excess(high) <= 1e-9:
        raise ValueError(f"{none} at no fixed point")
    else:
        q = _bisect(excess, low, high)
    sigma_w = 1 / math.sqrt(backward_factor(f, q, 1.0))
    reached = fixed_point(f, sigma_w, sigma_b)
    if math.isinf(reached) or abs(backward_factor(f, reached, sigma_w) - 1) > 1e-6:
        raise ValueError(
            f"{none} only with sigma_w={sigma_w:.4g} at q={q:.4g}, which is not stable: from q = 1 the signal goes to "
            f"{reached:.4g}"
        )
    return sigma_w


def depth_scale(f: Function, sigma_w: float, sigma_b: float = 0.0) -> float:
    """xi = -1 / ln chi, in layers: how deep two inputs can still be told apart; infinite on the critical line.

    chi is taken at c*, the correlation that two inputs end up with: chi_1 in the ordered phase, where c* = 1. A network
    trains if it is not much deeper than a few xi. Source: Schoenholz 2017, equations 9 and 10, figure 5.

    Raises
    ------
    ValueError
        If the signal grows without bound, so that there is no fixed point.

    Examples
    --------
    >>> from minidl import functional as F
    >>> round(depth_scale(F.tanh, sigma_w=0.9), 4)  # -1 / ln 0.81
    4.7456
    """
    q = fixed_point(f, sigma_w, sigma_b) or LIMIT
    if math.isinf(q):
        raise ValueError(f"depth_scale: with sigma_w={sigma_w} and sigma_b={sigma_b} the signal grows without bound")
    chi = backward_factor(f, q, sigma_w)
    if chi > 1 + 1e-9:
        m = _Moments(f, q)
        _, squares = m.coefficients(m.values)
        next_q = sigma_w**2 * m.mean(m.values**2) + sigma_b**2  # q, but for its rounding

        def change(c):
            return (sigma_w**2 * float(_pair(squares, c)[0, 0]) + sigma_b**2) / next_q - c

        chi = backward_factor(f, q, sigma_w, 0.0 if change(0.0) < 1e-12 else _bisect(change, 0.0, 1 - 1e-6))
    if chi <= 0:
        return 0.0
    return math.inf if chi > 1 - 1e-9 else -1 / math.log(chi)


def _check(**numbers: float) -> None:
    for name, value in numbers.items():
        if not (isinstance(value, (int, float, np.number)) and 0 <= value < math.inf):
            raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}")


def _check_correlation(c: float) -> None:
    if not (isinstance(c, (int, float, np.number)) and abs(c) < 1 + 1e-9):  # which correlation_map may round it to
        raise ValueError(f"c must be a correlation from -1 to 1, got {c!r}")


def _bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """A zero between two places of opposite signs."""
    sign = function(low)
    for _ in range(60):
        middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
        if function(middle) * sign > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


# A network's own layers


@dataclass(frozen=True)
class Signal:
    """What theory says of the values between two layers, for a batch.

    Attributes
    ----------
    width : int
        The number of units.
    mean, square : float
        Over all units and inputs.
    pair : float
        The mean of y_a y_b for two different inputs a and b of one unit.
    scatter : float
        The variance of `(y_a . y_b) / |y|^2` over pairs of inputs: how far pairs are from the average pair.
    one, shared : float
        The variance of `square` over random networks, relative to its square, for a single input; and the part of it that
        two inputs have in common, so that a larger batch does not average it away.
    fresh : bool
        Whether these units are a new random sample, straight from a linear layer, whose chance `one`, `shared` and `scatter`
        do not contain yet: the activation that takes them will add its own.
    places : ndarray of shape (inputs, height, width), or None
        Where units are channels: `square` at each place of each image, for near an edge it is another, and what is at one place
        counts as an input. None where it is taken as equal.
    """

    width: int
    mean: float
    square: float
    pair: float = 0.0
    scatter: float = 0.0
    one: float = 0.0
    shared: float = 0.0
    fresh: bool = False
    places: np.ndarray | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Prediction:
    """Of one layer's output: the standard deviation over units and inputs, and the gradient there.

    On the way back the weights are taken as independent of the gradient at the last layer's output. It is not where the loss
    makes it of the last weights themselves, as the mean squared error of many outputs does: W^T (W x - y) is not W^T times a
    vector that does not depend on W. Then a measured gradient may be many spreads from `grad_ratio`, and that is not by chance.

    Attributes
    ----------
    std : float or None
        None where the theory does not reach: after weights that do not have mean 0, after an unknown kind of layer.
    std_spread : float or None
        The standard deviation of log(std) over random networks of these widths.
    grad_ratio : float or None
        Root mean square of the gradient here, divided by that at the last layer's output.
    grad_spread : float or None
        As std_spread; for a gradient at the last layer's output whose elements are normal. None before a batch norm of images.
    """

    std: float | None = None
    std_spread: float | None = None
    grad_ratio: float | None = None
    grad_spread: float | None = None


def cached_by_layer(function: Callable) -> Callable:
    """Keeps what function(layer, ...) returned, for layers of one class that hold the same numbers."""
    kept: dict[Any, Any] = {}

    @functools.wraps(function)
    def from_cache(layer: nn.Module, *arguments: Any) -> Any:
        own = [item for item in vars(layer).items() if item[0] not in ("training", "_name", "_buffers")]
        if not all(isinstance(value, (int, float, str)) for _, value in own):  # what may change unseen
            return function(layer, *arguments)
        key = (type(layer), *own, *arguments)
        if key not in kept:
            if len(kept) == 1024:
                kept.clear()
            kept[key] = function(layer, *arguments)
        return kept[key]

    return from_cache


Moments = Callable[[nn.Parameter], tuple[float, float]]


def actual_moments(parameter: nn.Parameter) -> tuple[float, float]:
    """Mean and standard deviation of a parameter's elements."""
    return kernels.summarize(parameter.data, 0)[:2]


def _stated(initializer: init.Initializer, shape: tuple[int, ...], fans: tuple[int, int] | None) -> init.Moments:
    """initializer.moments(shape, fans), kept where it is no more than its numbers, for a network asks many times."""
    numbers = all(isinstance(value, (int, float, str)) for value in vars(initializer).values())
    return _kept_moments(initializer, shape, fans) if numbers else initializer.moments(shape, fans)


@functools.lru_cache(maxsize=256)
def _kept_moments(initializer: init.Initializer, shape: tuple[int, ...], fans: tuple[int, int] | None) -> init.Moments:
    return initializer.moments(shape, fans)


def weight_moments(parameter: nn.Parameter, actual: Moments = actual_moments) -> tuple[float, float]:
    """Mean and standard deviation of a parameter's elements: as its initializer says, or, if they have changed, as they are."""
    mean, std = actual(parameter)
    if parameter.initializer is None:
        return mean, std
    stated = _stated(parameter.initializer, parameter.shape, parameter.fans)
    if stated.mean is None or stated.std is None:
        return mean, std
    # Six standard errors, of a normal distribution's mean and standard deviation, and what float32 rounds off.
    error = 6 * stated.std / math.sqrt(parameter.size) + 1e-6 * abs(stated.mean)
    changed = max(abs(mean - stated.mean), math.sqrt(2) * abs(std - stated.std)) > error
    return (mean, std) if changed else (stated.mean, stated.std)


def input_signal(x: np.ndarray, axis: int = -1) -> Signal:
    """The signal that a batch is, whose units are on this axis: of shape (batch, ..., features), or (batch, channels, ...)."""
    signal = _of_rows(np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis]).astype(np.float64))
    if axis == -1 or x.ndim < 3:
        return signal
    return replace(signal, places=np.square(x, dtype=np.float64).mean(axis=axis))


def _of_rows(rows: np.ndarray) -> Signal:
    n, width = rows.shape
    total = float((rows * rows).sum())
    if not total or n < 2:
        return Signal(width, float(rows.mean()), total / rows.size)
    gram = rows.T @ rows if n > width else rows @ rows.T
    own = (rows * rows).sum(axis=1)
    pairs = n * (n - 1)
    pair = (float((rows.sum(axis=0) ** 2).sum()) - total) / pairs / width
    squares = (float((gram * gram).sum()) - float(own @ own)) / pairs  # of y_a . y_b
    square = total / rows.size
    return Signal(width, float(rows.mean()), square, pair, max(squares / width**2 - pair**2, 0.0) / square / square)


def propagate(
    layers: Sequence[nn.Module],
    sources: Sequence[int | None],
    signal: Signal,
    samples: int = 1,
    gradient: Signal | None = None,
    actual: Moments = actual_moments,
) -> list[Prediction]:
    """Predictions for every layer of a network, in the order of the calls.

    The spread is that of Hanin and Rolnick (2018), to first order in 1 / width: with n_l units in layer l, each adds
    kappa / n_l to the relative variance of the second moment (kappa = 5 for ReLU, 2 for a linear layer without an activation),
    and an activation passes on what came before times (d ln V / d ln q)^2.

    Parameters
    ----------
    layers : sequence of Module
    sources : sequence of int or None
        For each layer which one's output it takes: its place, -1 for the network's input, None if it is something else.
    signal : Signal
        The input.
    samples : int
        The number of inputs that are measured together.
    gradient : Signal, optional
        The gradient at the last layer's output; otherwise that of one input is meant.
    actual : function
        `actual_moments`, or one that knows them already.
    """
    known: dict[int | None, Signal] = {-1: signal}
    steps: list[_Step | None] = []
    for i, (layer, source) in enumerate(zip(layers, sources, strict=True)):
        incoming = known.get(source)
        step = None
        if incoming is not None:
            with np.errstate(all="ignore"), contextlib.suppress(ArithmeticError):  # which Python's own floats raise
                step = layer.propagate(Incoming(incoming, samples, actual))
            if step is not None and math.isfinite(step.out.square):
                known[i] = step.out
            else:
                step = None
        steps.append(step)
    backward = _backward(steps, sources, samples, gradient)
    return [
        Prediction(*((None, None) if step is None else (step.std, step.std_spread)), *backward.get(i, (None, None)))
        for i, step in enumerate(steps)
    ]


@dataclass
class _Step:
    """One layer: the signal after it, its own output as measured, and what it does to gradients on the way back.

    On the way back, rho is the cosine of two inputs' gradients, and `coherent` how far the gradient's logarithm follows the
    deviations of the forward signal.
    """

    out: Signal
    std: float
    std_spread: float
    factor: Any = 1.0  # of the gradient's second moment; with places, one number for each of them
    adjoint: Callable[[Any], Any] | None = None  # what it becomes instead, where places are mixed
    kurtosis: tuple[float, float] | None = None  # E[f'^4] / E[f'^2]^2, of an activation, for one input and for a pair
    overlap: float = 1.0  # what rho is multiplied by
    coherent: float = 0.0
    mixes: bool = False  # whether it sums over units with random weights


def _std(x: Signal) -> float:
    return math.sqrt(max(x.square - x.mean**2, 0.0))


def _together(one: float, shared: float, samples: int) -> float:
    """The variance of an average over `samples` inputs."""
    return max(shared + (one - shared) / samples, 0.0)


class _Identity(nn.Elementwise):
    def forward(self, x):
        return x


def _counted(x: Signal) -> Signal:
    """x with the chance that is in its own units, if it is not in it yet: what any layer but an activation makes of it."""
    if not x.fresh:
        return x
    y = _elementwise(_Identity(), replace(x, places=None), 1).out
    return replace(x, scatter=y.scatter, one=y.one, shared=y.shared, fresh=False)


def _spread(x: Signal, samples: int) -> float:
    """The standard deviation of the logarithm of the root of x.square, measured with this many inputs."""
    x = _counted(x)
    return 0.5 * math.sqrt(_together(x.one, x.shared, samples))


@cached_by_layer
def _elementwise(layer: nn.Elementwise, x: Signal, samples: int) -> _Step:
    variance = max(x.square - x.mean**2, 0.0)
    m = _Moments(layer, variance, x.mean)
    f, slopes, mean = m.values, m.slopes, m.mean(m.values)
    c = min(max((x.pair - x.mean**2) / variance, -1.0), 1.0) if variance else 0.0
    ratio = x.square / variance if variance else 0.0
    scatter = x.scatter * ratio**2
    a, squares = m.coefficients(f, slopes, f * f, (f - mean) ** 2, slopes**2)
    table = _pair(squares, c)
    pairs = table[0].tolist()
    square, chi = float(a[2, 0]), float(a[4, 0])

    def noise(g: int) -> tuple[float, float]:
        """Of the mean of column g over the units: its relative variance, for one input, and what two inputs share."""
        size, bend = float(a[g, 0]), float(table[2, g])
        if not size:
            return 0.0, 0.0
        one = float(squares[g, 1:].sum()) / size / size / x.width
        shared = (pairs[g] - size**2 + 0.5 * scatter * bend) / size / size / x.width
        return follows(g) ** 2 * x.one + one, follows(g) ** 2 * x.shared + shared

    def follows(g: int) -> float:
        """d ln E[g] / d ln q: for s dE[g(sqrt(s) z)]/ds = E[g h_2] / sqrt(2), by integration by parts."""
        return float(a[g, 2] / a[g, 0]) / math.sqrt(2) * ratio if a[g, 0] else 0.0

    scattered = 0.0
    if square:
        fresh = max(pairs[2] - pairs[0] ** 2, 0.0)  # the variance of f(u_a) f(u_b)
        scattered = (float(table[1, 0]) ** 2 * scatter + fresh / x.width) / square / square
    out = Signal(x.width, mean, square, pairs[0], scattered, *noise(2))
    return _Step(
        out,
        _std(out),
        0.5 * math.sqrt(_together(*noise(3), samples)),
        factor=chi,
        kurtosis=(float(squares[4].sum()) / chi / chi, pairs[4] / chi / chi) if chi else (1.0, 1.0),
        overlap=pairs[1] / chi if chi else 0.0,
        coherent=follows(4) * math.sqrt(_together(x.one, x.shared, samples)),
    )


@cached_by_layer
def _averages(activation: nn.Elementwise, variance: float, mean: float) -> tuple[float, float, float]:
    """E[f], E[f^2] and E[f'^2] for u ~ N(mean, variance)."""
    m = _Moments(activation, variance, mean)
    return m.mean(m.values), m.mean(m.values**2), m.mean(m.slopes**2)


def _averages_at(activation: nn.Module, variances: np.ndarray, mean: float) -> list[np.ndarray]:
    """The same for many variances: they are interpolated between points a quarter of an octave apart, and 0.

    Below the lowest of these, but for 0 itself, E[f'^2] is as there: at 0 it may be another, as it is with ReLU.
    """
    high = float(variances.max())
    low = max(float(variances.min()), high / 4096)
    points = [0.0]
    if high > LIMIT:
        points += (2.0 ** (np.arange(math.floor(4 * math.log2(low)), 4 * math.log2(high) + 1) / 4)).tolist()
    first, second, slopes = np.array([_averages(activation, variance, mean) for variance in points]).T
    lifted = np.where(variances > 0, np.maximum(variances, points[min(1, len(points) - 1)]), 0.0)
    return [np.interp(variances, points, first), np.interp(variances, points, second), np.interp(lifted, points, slopes)]


def _elementwise_at_places(activation: nn.Module, x: Signal, places: np.ndarray, samples: int) -> _Step:
    """The activation of a signal that has another size at every place, which for curved functions differs from that of its
    mean size: E[f^2] and E[f'^2] are taken at each place, what two places share is taken at the mean size."""
    step = _elementwise(activation, replace(x, places=None), samples)
    mean, square, slopes = _averages_at(activation, np.maximum(places - x.mean**2, 0.0), x.mean)
    size = float(square.mean())
    pair = step.out.pair * (size / step.out.square if step.out.square else 1.0)
    out = replace(step.out, mean=float(mean.mean()), square=size, pair=pair, places=square)
    return replace(step, out=out, std=_std(out), factor=slopes)


def _taps(weight: nn.Parameter, std: float) -> np.ndarray:
    """The variance of a kernel's weights, place by place, as the kernel of one channel: all equal, unless what they are shows
    that they are not, as in a kernel that is 0 but at its middle."""
    squares = np.square(weight.data, dtype=np.float64).mean(axis=(0, 1), keepdims=True)
    mean = squares.mean()
    chance = 6 * math.sqrt(2 / (weight.size / squares.size))  # six standard errors of a mean of squares of normal numbers
    uneven = mean > 0 and float(np.abs(squares - mean).max()) > chance * mean
    return std**2 * (squares / mean if uneven else np.ones_like(squares))


def _pairs(layer: Any, taps: np.ndarray, q: np.ndarray) -> float:
    """What a convolution with weights of these variances multiplies the mean product of two places by, a channel.

    Where E[x(a) x(b)] goes as s(a) s(b), s = sqrt(q), it becomes sum_t v(t) s(a + t) s(b + t): its mean over a and b is
    sum_t v(t) m(t)^2, m(t) the mean of s(a + t) over all a.
    """
    size = np.sqrt(q).mean(axis=0)
    one_tap = np.eye(taps.size).reshape(-1, *taps.shape)
    with observed_by([], []):
        means = [float(layer.slide(Tensor(size[None, None]), tap, None, 1).data.mean()) for tap in one_tap]
    return float(taps.ravel() @ np.square(means)) / (float(size.mean()) ** 2 or 1.0)


class Incoming:
    """The signal that comes into a layer, and what a layer may do with it.

    A layer says in its method `propagate(signal)` which of these it does, so a layer of your own joins the theory by one line:
    `return signal.linear(self.weight, self.bias)`. Each gives what `theory.propagate` needs, or None beyond the theory's reach.
    """

    def __init__(self, signal: Signal, samples: int, actual: Moments):
        self._signal, self._actual = signal, actual
        self._samples = samples if signal.places is None else signal.places.size

    def linear(self, weight: nn.Parameter, bias: nn.Parameter | None) -> _Step | None:
        """Sums over the units with these weights, of shape (out, in, ...)."""
        std, q = self._cancelling(weight), self._signal.places
        if weight.fans is None or std is None or self._signal.width != weight.shape[1]:
            return None
        gain, factor = (fan * std**2 for fan in weight.fans)
        return self._sum(len(weight), gain, factor, bias, None if q is None else gain * q)

    def convolve(self, layer: Any) -> _Step | None:
        """Sums over the channels at and around each place, as a `Conv2d` or `ConvTranspose2d` does.

        y_o(a) = sum_it w_oi(t) x_i(a + t), with independent weights of mean 0 and variance v(t), has the second moment
        sum_t n v(t) q(a + t), where q(a) is that of the n channels at place a that o sees: the layer's own map, of q, with the
        variances as its kernel. So it is at edges and with strides, too. The gradient's second moment goes back through the
        transposed map, times the m channels that see i. On a torus without strides every place meets every t, so the mean of q
        over all places is multiplied by sigma_w^2 = fan_in v, as in a linear layer, and the mean product of two places, which
        are moved together, is, too; at edges it becomes smaller than q does, for both must meet a number (`_pairs`). How far
        the pairs of places scatter can only become less, and is left as it is.
        Source: Xiao et al. 2018, section 2.
        """
        x, weight, q = self._signal, layer.weight, self._signal.places
        std = self._cancelling(weight)
        if std is None or x.width != layer.in_channels:
            return None
        if q is None:  # an image of any size
            if not layer.meets_all_alike:
                return None
            gain, factor = (fan * std**2 for fan in weight.fans)
            return self._sum(layer.out_channels, gain, factor, layer.bias)
        if q.ndim != 3:
            return None
        seen, seeing = layer.in_channels // layer.groups, layer.out_channels // layer.groups
        squares = Tensor(q[:, None], requires_grad=True)
        with enable_grad(), observed_by([], []):
            taps = _taps(weight, std)
            summed = layer.slide(squares, taps, None, 1)

        def adjoint(behind: Any) -> np.ndarray:
            with observed_by([], []):
                summed.backward(np.broadcast_to(behind, places.shape)[:, None])
            return seeing * np.asarray(squares.grad)[:, 0]

        places = seen * summed.data[:, 0]
        gain = float(places.mean()) / x.square if x.square else 0.0
        return self._sum(layer.out_channels, gain, 1.0, layer.bias, places, adjoint, seen * _pairs(layer, taps, q))

    def _cancelling(self, weight: nn.Parameter) -> float | None:
        """The standard deviation of weights that cancel out in a sum; None if their mean is not 0."""
        mean, std = weight_moments(weight, self._actual)
        fan_in = 0 if weight.fans is None else weight.fans[0]
        return None if fan_in * mean**2 > 0.01 * std**2 and abs(mean) > 4 * std / math.sqrt(weight.size) else std

    def _sum(
        self,
        units: int,
        gain: float,
        factor: float,
        bias: nn.Parameter | None,
        places: np.ndarray | None = None,
        adjoint: Callable[[Any], Any] | None = None,
        pairs: float | None = None,
    ) -> _Step:
        """A sum over units that multiplies the second moment by `gain`, mean products by it or by `pairs`, and the gradient's
        second moment by `factor`."""
        x = _counted(self._signal)
        shift, shift_std = (0.0, 0.0) if bias is None else weight_moments(bias, self._actual)
        added = shift_std**2 + shift**2
        square = gain * x.square + added
        pair = (gain if pairs is None else pairs) * x.pair + added
        kept = (gain * x.square / square) ** 2 if square else 0.0
        out = Signal(units, shift, square, pair, kept * x.scatter, kept * x.one, kept * x.shared, fresh=True)
        # Its own units are a sample: 2 / units is the relative variance of a mean of squares of normal variables.
        rho = (pair - shift**2) / (square - shift**2) if square > shift**2 else 0.0
        samples = self._samples if places is None else places.size
        spread = _together(out.one + 2 / units, out.shared + 2 / units * (rho**2 + out.scatter), samples)
        out = out if places is None else replace(out, places=places + added)
        return _Step(out, _std(out), 0.5 * math.sqrt(spread), factor, adjoint, mixes=True)

    def elementwise(self, activation: nn.Module) -> _Step:
        """Applies this function to each unit by itself."""
        x = self._signal
        if x.places is None:
            return _elementwise(activation, x, self._samples)
        return _elementwise_at_places(activation, x, x.places, self._samples)

    def normalize(
        self,
        units: int,
        eps: float,
        weight: nn.Parameter | None,
        bias: nn.Parameter | None,
        statistics: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> _Step | None:
        """Gives each unit mean 0 and variance 1 over the batch, or by these statistics; then scales and shifts it."""
        x = self._signal
        if x.width != units:
            return None
        scale = np.ones(units) if weight is None else weight.data.astype(np.float64)
        shift = np.zeros(units) if bias is None else bias.data.astype(np.float64)
        if statistics is None:
            variance = max(x.square - x.pair, 0.0)  # of one unit, over the batch
            gain = 1 / (variance + eps) if variance + eps else 0.0
            mean, factor = float(shift.mean()), float((scale**2).mean()) * gain
            square = factor * variance + float((shift**2).mean())
            # A unit's mean and variance over the batch are fixed now, whatever the weights: nothing is left to chance.
            out = Signal(units, mean, square, float((shift**2).mean()), x.scatter)
            if x.places is not None:
                # E[(y_a - m)^2] for m = mean of y_b over all b, where E[y_a y_b] is taken to go as the sizes of both.
                sizes = np.sqrt(x.places)
                moved = x.places - 2 * x.pair * sizes / (sizes.mean() or 1.0) + x.pair
                out = replace(out, places=factor * moved + float((shift**2).mean()))
            # But backward, E[1/v] > 1/E[v], v a unit's variance: of order 1 / width, which is left out and counts as spread.
            unsure = 2 * x.scatter * (x.square / variance) ** 2 if variance else 0.0
            if x.places is not None:  # of few weights v may be anything, and how far patches scatter is not known
                unsure = math.nan
            return _Step(out, _std(out), 0.0, factor, coherent=unsure)
        running_mean, running_var = statistics
        scale = scale / np.sqrt(running_var + eps)
        shift = shift - scale * running_mean
        a, b, cross = float((scale**2).mean()), float((shift**2).mean()), 2 * float((scale * shift).mean()) * x.mean
        mean = float(scale.mean()) * x.mean + float(shift.mean())
        places = None if x.places is None else a * x.places + cross + b
        out = replace(x, mean=mean, square=a * x.square + cross + b, pair=a * x.pair + cross + b, places=places)
        return _Step(out, _std(out), _spread(x, self._samples), a)

    def dropout(self, p: float) -> _Step | None:
        """Zeroes each unit with probability p, and divides the others by 1 - p."""
        x, kept = self._signal, 1 - p
        if not kept:
            return None
        places = None if x.places is None else x.places / kept
        out = replace(x, square=x.square / kept, scatter=x.scatter * kept**2, places=places)
        return _Step(out, _std(out), _spread(x, self._samples), 1 / kept)

    def normalize_each(
        self, lengths: tuple[int, ...], eps: float, weight: nn.Parameter | None, bias: nn.Parameter | None
    ) -> _Step | None:
        """Gives each input mean 0 and variance 1 over its units, and places; then scales and shifts them, as `LayerNorm` does.

        With x_hat = (x - m) / s and g = weight dy, dx = (g - mean(g) - x_hat mean(g x_hat)) / s: less what lies along two of n
        directions, all ones and x_hat. So for a gradient that does not depend on x the mean square is multiplied by
        weight^2 (1 - 2 / n) / s^2. It follows the chance in s^2, downwards.
        """
        x = _counted(self._signal)
        if lengths != (x.width, *(() if x.places is None else x.places.shape[1:])):
            return None
        a = 1.0 if weight is None else float(np.square(weight.data, dtype=np.float64).mean())
        shift = np.zeros(1) if bias is None else bias.data.astype(np.float64)
        b = float((shift**2).mean())
        variance = max(x.square - x.mean**2, 0.0)
        gain = a / (variance + eps) if variance + eps else 0.0
        square = gain * variance + b
        kept = (gain * x.square / square) ** 2 if square else 0.0
        # The size of one input is fixed now, whatever the weights: nothing is left to chance.
        out = Signal(x.width, float(shift.mean()), square, gain * (x.pair - x.mean**2) + b, kept * x.scatter)
        factor: Any = gain
        if x.places is not None:
            variances = np.maximum(x.places - x.mean**2, 0.0)
            factor = a / (variances.mean(axis=tuple(range(1, variances.ndim)), keepdims=True) + (eps or LIMIT))
            out = replace(out, places=factor * variances + b)
        follows = -math.sqrt(_together(x.one, x.shared, self._samples))
        return _Step(out, _std(out), 0.0, factor * (1 - 2 / math.prod(lengths)), coherent=follows)

    def flatten(self) -> _Step:
        """Makes a unit of each place of each channel. Pairs of images are taken to be as pairs of places of any images were."""
        x = _counted(self._signal)
        if x.places is None:
            return self.keep()
        n = x.places[0].size
        out = replace(x, width=x.width * n, one=_together(x.one, x.shared, n), places=None)
        return _Step(out, _std(out), _spread(out, len(x.places)))

    def keep(self) -> _Step:
        """Leaves the values as they are."""
        x = self._signal
        return _Step(x, _std(x), _spread(x, self._samples))


class _Width:
    """Takes the place of `Incoming` to ask a layer how many units it takes; None where it takes any number."""

    def linear(self, weight: nn.Parameter, bias: nn.Parameter | None) -> int:
        return weight.shape[1]

    def convolve(self, layer: Any) -> int:
        return layer.in_channels

    def normalize(self, units: int, *rest: Any) -> int:
        return units

    def normalize_each(self, lengths: tuple[int, ...], *rest: Any) -> int:
        return lengths[0]

    def keep(self, *rest: Any) -> None:
        return None

    elementwise = dropout = flatten = keep


def input_width(layers: Sequence[nn.Module]) -> int:
    """How many units the first of these layers takes that says so; 1 if none does."""
    widths = (layer.propagate(_Width()) for layer in layers)
    return next((width for width in widths if width is not None), 1)


def _backward(
    steps: Sequence[_Step | None], sources: Sequence[int | None], samples: int, gradient: Signal | None
) -> dict[int, tuple[float, float | None]]:
    """(grad_ratio, grad_spread) of the layers on the way back from the last, as long as it is a chain."""
    if not steps:
        return {}
    ratio: Any = 1.0
    coherent, one, shared = 0.0, 0.0, 0.0
    rho = 0.0  # the mean square cosine of two inputs' gradients
    if gradient is not None and gradient.square:
        rho = (gradient.pair / gradient.square) ** 2 + gradient.scatter
        ratio = 1.0 if gradient.places is None else gradient.places / gradient.square
    else:
        samples = 1
    fresh = False  # as in Signal: whether a linear layer has just sent back new random numbers
    i = len(steps) - 1
    result: dict[int, tuple[float, float | None]] = {i: (1.0, 0.0)}
    while (step := steps[i]) is not None:
        source = sources[i]
        if source is None or source < 0 or sources.count(source) > 1:
            break
        ratio = ratio * step.factor if step.adjoint is None else step.adjoint(ratio)
        width = step.out.width
        coherent += step.coherent
        # Two linear layers that follow each other are as with the identity between them.
        kurtosis = (1.0, 1.0) if fresh and step.mixes else step.kurtosis
        if kurtosis is not None:
            # E[g_a^2 g_b^2] of a normal gradient g, for one input and for a pair. If it is not fresh, the mean of g^2 itself
            # is not left to chance: it is what all is compared with.
            own, pair = 3.0, 1 + 2 * rho
            one += (own * kurtosis[0] - (1.0 if fresh else own)) / width
            shared += max(pair * kurtosis[1] - (1.0 if fresh else pair), 0.0) / width
            rho = rho * step.overlap**2 + 1 / width
            fresh = False
        fresh = fresh or step.mixes
        before = steps[source]
        assert before is not None, "without it this step would be None"
        n, places = before.out.width, before.out.places
        if places is not None and step.out.places is None:  # back through Flatten, each place has units of its own
            rho = rho / places[0].size + (1 - 1 / places[0].size) / n
        extra = (2 / n, 2 / n * rho) if fresh else (0.0, 0.0)
        inputs = samples if places is None or samples == 1 else places.size
        spread = 0.5 * math.sqrt(coherent**2 + _together(one + extra[0], shared + extra[1], inputs))
        result[source] = (math.sqrt(np.mean(ratio)), None if math.isnan(spread) else spread)
        i = source
    return result
