"""Recipes for whole models, which need more than one layer: the network's width, or data that flow through it.

`lsuv` scales the weights of a model by data; `mup_groups` has muP's learning rates, and `coordinate_check` shows what
they do. The initializers that muP and Fixup need are in `init.distributions`; ReZero is `nn.Residual(branch,
scale_init=0.0)`.
"""

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from . import functional as F
from .atomic import at_once
from .init import Origin, Orthogonal
from .init.base import replacing
from .names import no_attribute
from .nn import Module
from .optim import SGD
from .random import Generator, as_generator
from .tensor import Tensor, no_grad

__all__ = ["CoordinateCheck", "coordinate_check", "lsuv", "mup_groups"]


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.recipes'", name, __all__)


def mup_groups(model: Module, base: Module, lr: float) -> list[dict[str, Any]]:
    """muP's learning rates for SGD: parameter groups that an `SGD` takes.

    For a parameter that has r_out times the outputs and r_in times the inputs that it has in `base`, it is lr r_out / r_in:

        input weights and biases    lr times the width
        hidden weights              lr
        output weights              lr divided by the width
        output bias                 lr

    At the width of `base` that is plain SGD; so tune lr there. It holds for SGD (with or without momentum), not for Adam.

    Parameters
    ----------
    model, base : Module
        The same network in two widths. `base` is only read.
    lr : float

    Raises
    ------
    ValueError
        If the two do not have the same parameters, up to their sizes.

    Notes
    -----
    Source: Yang et al. 2022, table 3, the row for SGD, with widths counted in those of `base`.

    Examples
    --------
    >>> from minidl import nn
    >>> def make(width):
    ...     return nn.Sequential(nn.Linear(8, width), nn.Tanh(), nn.Linear(width, 3, weight_init="mup_output"))
    >>> [group["lr"] for group in mup_groups(make(64), make(16), lr=0.5)]
    [2.0, 2.0, 0.125, 0.5]
    """
    ours, theirs = dict(model.named_parameters()), dict(base.named_parameters())
    if [(name, p.ndim) for name, p in ours.items()] != [(name, p.ndim) for name, p in theirs.items()]:
        raise ValueError(
            "mup_groups: model and base must be the same network in two widths, but their parameters are "
            f"{', '.join(ours)} and {', '.join(theirs)}"
        )

    def ratio(name: str, axis: int) -> float:
        return ours[name].shape[axis] / theirs[name].shape[axis] if ours[name].ndim > axis else 1.0

    return [{"params": [p], "lr": lr * ratio(name, 0) / ratio(name, 1)} for name, p in ours.items()]


class CoordinateCheck(NamedTuple):
    """What `coordinate_check` measured. Printed, it is a table.

    Attributes
    ----------
    widths : tuple of int
    changes : dict from layer name to tuple of float
        The mean absolute change of an element of the layer's output, at each width.
    """

    widths: tuple[int, ...]
    changes: dict[str, tuple[float, ...]]

    @property
    def growth(self) -> dict[str, float]:
        """The exponent a of each layer's change ~ width^a, fitted to the logarithms: 0 if it does not depend on the width."""
        x = np.log(self.widths) - np.log(self.widths).mean()
        return {name: float(x @ np.log(changes) / (x @ x)) for name, changes in self.changes.items()}

    def __str__(self):
        longest = max(len("layer"), *map(len, self.changes))
        head = f"{'layer':{longest}}" + "".join(f"{width:>10}" for width in self.widths) + "    growth"
        rows = (
            f"{name:{longest}}" + "".join(f"{change:10.3g}" for change in changes) + f"{self.growth[name]:10.2f}"
            for name, changes in self.changes.items()
        )
        return "\n".join([head, *rows])


def coordinate_check(
    make: Callable[[int], Module],
    widths: Sequence[int],
    x: Any,
    y: Any,
    lr: float,
    steps: int = 3,
    mup: bool = True,
    loss: Callable[[Tensor, Any], Tensor] = F.cross_entropy,
) -> CoordinateCheck:
    """How much a few steps of SGD change each layer's output, at several widths: in muP, no more in wide networks.

    Parameters
    ----------
    make : function
        From a width to a model; it says how it is initialized and from which seed.
    widths : sequence of int
        At least two, all different. The first one is the base, where muP's learning rates are lr.
    x, y : array_like
        One batch, used in every step.
    lr, steps
        Of SGD.
    mup : bool
        If True, learning rates are those of `mup_groups`; if False, the same one everywhere.
    loss : function
        From model(x) and y to a Tensor.

    Returns
    -------
    CoordinateCheck

    Raises
    ------
    ValueError
        If widths are not at least two different ones, or a layer's output does not change or is not finite.

    Notes
    -----
    Source: after Yang et al. 2022, appendix D.1.

    Examples
    --------
    >>> from minidl import data, nn
    >>> def make(width):
    ...     return nn.Sequential(
    ...         nn.Linear(64, width, weight_init="lecun_normal", rng=0), nn.Tanh(),
    ...         nn.Linear(width, 10, weight_init="mup_output", rng=1))
    >>> x, y, *_ = data.digits()
    >>> check = coordinate_check(make, [64, 256, 1024], x[:50], y[:50], lr=0.1)
    >>> max(abs(growth) for growth in check.growth.values()) < 0.25
    True
    """
    widths = tuple(widths)
    if len(set(widths)) < max(2, len(widths)):
        raise ValueError(f"coordinate_check needs at least two different widths, got {list(widths)}")
    base = make(widths[0])
    changes: dict[str, list[float]] = {}
    for width in widths:
        model = make(width)
        before = _outputs(model, x)
        optimizer = SGD(mup_groups(model, base, lr) if mup else model.parameters(), lr=lr)
        for _ in range(steps):
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
        for name, output in _outputs(model, x).items():
            change = float(np.abs(output - before[name]).mean(dtype=np.float64))
            if not 0 < change < math.inf:
                raise ValueError(f"coordinate_check: at width {width} the output of layer {name!r} changed by {change}")
            changes.setdefault(name, []).append(change)
    return CoordinateCheck(widths, {name: tuple(values) for name, values in changes.items()})


def lsuv(model: Module, x: Any, tol: float = 0.1, max_iter: int = 10, rng: Generator | int | None = None) -> dict[str, float]:
    """Layer-sequential unit variance: orthogonal weights, scaled by data so that each layer's output has variance 1.

    For each layer in the order of its calls: W is drawn by `Orthogonal()` from the stream "<name>.weight", and then, while
    `|v - 1| >= tol`, where v is the variance of all elements of the layer's output (before the activation) over the batch,
    W = W / sqrt(v). It needs no theory of the activation, and works where the theory of Xavier and He does not apply: other
    activations, inputs that are far from normal, several branches. Without it, the errors of the layers multiply.

    Parameters
    ----------
    model : Module
        A layer is any module below it with a `weight` of two or more axes. One that is not called stays as it is, and so do
        all biases. Modules are in evaluation mode meanwhile, so that dropout draws nothing and running statistics do not move.
    x : array_like
        One batch, such as the model is called with. Some hundred samples are enough.
    tol : float
        How far from 1 a variance may be, more than 0.
    max_iter : int
        How often a layer is rescaled at most. A layer without bias needs it once.
    rng : Generator, int or None
        Only its named streams are used, so its position does not move.

    Returns
    -------
    dict from layer name to float
        The variance of each layer's output, in the order of the calls.

    Raises
    ------
    ValueError
        If a layer's output has variance 0, NaN or infinity, or not 1 after max_iter rescalings; it names the layer. The model
        is then as it was.

    Notes
    -----
    Source: Mishkin and Matas, "All you need is a good init", ICLR 2016, algorithm 1.

    Examples
    --------
    >>> from minidl import data, nn
    >>> model = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    >>> {name: round(variance, 3) for name, variance in lsuv(model, data.digits().x_train[:200], rng=0).items()}
    {'0': 1.0, '2': 1.0}
    """
    tol_fits = isinstance(tol, (int, float, np.number)) and 0 < tol < math.inf
    if not (tol_fits and isinstance(max_iter, (int, np.integer)) and max_iter >= 1):
        raise ValueError(f"lsuv needs a finite tol above 0 and a positive integer max_iter, got {tol!r} and {max_iter!r}")
    if not isinstance(model, Module):
        raise TypeError(f"lsuv takes a Module, got {type(model).__name__}")
    rng = as_generator(rng)
    variances: dict[str, float] = {}
    before: dict[int, tuple[Any, np.ndarray, Any, Any]] = {}

    def calibrated(name, layer, forward, *args, **kwargs):
        weight = layer.weight
        if id(weight) in before:  # called again, or shared with a layer that was
            return forward(*args, **kwargs)
        before[id(weight)] = weight, weight.data.copy(), weight.initializer, weight.origin
        initializer = Orthogonal()
        where = f"{type(layer).__name__} {name!r}" if name else type(layer).__name__
        stream = f"{name}.weight" if name else "weight"
        orthogonal = initializer(weight.shape, rng.stream(stream), dtype=np.float64)
        for _ in range(max_iter + 1):
            weight.data[...] = initializer.gain * orthogonal
            y = forward(*args, **kwargs)
            variance = float(y.data.var(dtype=np.float64)) if y.data.size else 0.0
            if not 0 < variance < math.inf:
                raise ValueError(
                    f"lsuv: the output of {where} has variance {variance} over this batch, which no factor makes 1; look at "
                    "the batch, and at what comes before the layer (dead units?)"
                )
            if abs(variance - 1) < tol:
                break
            initializer = Orthogonal(initializer.gain / math.sqrt(variance))
        else:
            raise ValueError(
                f"lsuv: the output of {where} has variance {variance:.4g} after {max_iter} rescalings; does its bias vary too "
                "much? Initialize biases at 0, or raise tol or max_iter"
            )
        weight.initializer, weight.origin, variances[name] = initializer, Origin(rng.seed, stream=stream), variance
        return y

    modes = [(module, module.training) for module in model.modules()]
    try:
        with no_grad(), np.errstate(over="ignore", invalid="ignore"), _around_layers(model, calibrated):
            model.eval()(x)
    except BaseException:
        at_once(operator.call, [call for saved in before.values() for call in replacing(*saved)])
        raise
    finally:
        at_once(operator.setitem, [vars(module) for module, _ in modes], repeat("training"), [mode for _, mode in modes])
        for weight, *_ in before.values():
            weight.changed()
    if not variances:
        raise ValueError(f"lsuv: no layer of {type(model).__name__} with a weight of two or more axes was called")
    return variances


def _outputs(model: Module, x: Any) -> dict[str, np.ndarray]:
    """What each layer outputs for x (the last time that it is called)."""
    outputs: dict[str, np.ndarray] = {}

    def kept(name, layer, forward, *args, **kwargs):
        y = forward(*args, **kwargs)
        outputs[name] = y.data
        return y

    with no_grad(), _around_layers(model, kept):
        model(x)
    return outputs


@contextlib.contextmanager
def _around_layers(model: Module, around: Callable[..., Tensor]) -> Iterator[None]:
    """Meanwhile a layer's forward is `around(name, layer, forward, ...)`: of each module with a weight of two or more axes."""
    layers: dict[int, tuple[str, Any]] = {
        id(layer): (name, layer)
        for name, layer in model.named_modules()
        if isinstance(weight := getattr(layer, "weight", None), Tensor) and weight.ndim >= 2
    }
    try:
        for name, layer in layers.values():
            vars(layer)["forward"] = functools.partial(around, name, layer, layer.forward)
        yield
    finally:
        at_once(dict.pop, [vars(layer) for _, layer in layers.values()], repeat("forward"), repeat(None))
