"""Look inside a network: what every layer puts out and what gradient comes back to it, beside what theory predicts.

`measure` takes one pass through a model and leaves it as it was; `watch` follows a training; `predict` needs no data. The
theory is in `theory.py`, the drawing in `plot.py`. Layers are the modules that hold no other modules; an activation that a
model calls as a function (functional.tanh) is none, and the theory stops there.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from . import functional as F
from . import kernels, nn, tensor, theory
from .nn import module as hooks
from .random import Generator, as_generator
from .tensor import Tensor, enable_grad, no_grad

BINS = 40


class Histogram(NamedTuple):
    """How many finite values lie in each of equally wide bins between `low` and `high`."""

    counts: np.ndarray
    low: float
    high: float

    @property
    def edges(self) -> np.ndarray:
        return np.linspace(self.low, self.high, len(self.counts) + 1)


@dataclass
class LayerRecord:
    """One call of one layer. What does not apply is None.

    Attributes
    ----------
    name : str
        As in `named_modules`; "act#2" for the second call of "act".
    kind : str
        The class.
    out_mean, out_std : float
        Of the output, over inputs and units together.
    saturated : float
        Of an activation: the share of outputs where its slope is under 1 % of its largest.
    dead : float
        Of an activation: the share of units whose slope is 0 for every input: no gradient passes.
    distinct_units : int
        Of a layer with weights: how many units differ from all others in some weight or the bias, exactly.
    grad_mean, grad_std : float
        Of the loss's gradient for the output.
    weight_std : float
    weight_grad_norm : float
        The root of the sum of squares of the weight's gradient (over all calls of the layer).
    update_ratio : float
        weight_grad_norm divided by the weight's own norm. Times the learning rate it is the relative step of plain SGD.
    predicted_std : float
        What `theory` says of out_std.
    predicted_grad_ratio : float
        And of grad_ratio.
    out_histogram, grad_histogram : Histogram
    units : int
        The width of the output.
    nearly_distinct_units : int
        As distinct_units, where units closer than `tolerance` times the norm of a typical unit's weights count as one.
    grad_ratio : float
        Root mean square of the gradient here divided by that at the last layer.
    std_deviation, grad_deviation : float
        How far the measured value is from the predicted one, in units of the spread that random networks of these widths
        have. Within -+3 it is chance.
    """

    name: str
    kind: str
    out_mean: float
    out_std: float
    saturated: float | None = None
    dead: float | None = None
    distinct_units: int | None = None
    grad_mean: float | None = None
    grad_std: float | None = None
    weight_std: float | None = None
    weight_grad_norm: float | None = None
    update_ratio: float | None = None
    predicted_std: float | None = None
    predicted_grad_ratio: float | None = None
    out_histogram: Histogram | None = None
    grad_histogram: Histogram | None = None
    units: int | None = None
    nearly_distinct_units: int | None = None
    grad_ratio: float | None = None
    std_spread: float | None = None
    grad_spread: float | None = None

    @property
    def std_deviation(self) -> float | None:
        return _deviation(self.out_std, self.predicted_std, self.std_spread)

    @property
    def grad_deviation(self) -> float | None:
        return _deviation(self.grad_ratio, self.predicted_grad_ratio, self.grad_spread)


def _deviation(measured: float | None, predicted: float | None, spread: float | None) -> float | None:
    if measured is None or predicted is None or not spread or not (measured > 0 and predicted > 0):
        return None
    # The logarithm is close to normal, and its mean lies spread^2 lower, for it is the mean square that is predicted.
    return (math.log(measured / predicted) + spread**2) / spread


class FlowReport:
    """What `measure` found: a record for each call of a layer, in order.

    `report["3"]` is the record of the layer of that name; iterating gives all. `print(report)` shows a table.

    Attributes
    ----------
    loss : float or None
    """

    def __init__(self, records: list[LayerRecord], loss: float | None = None):
        self._records, self.loss = records, loss

    def __len__(self):
        return len(self._records)

    def __iter__(self) -> Iterator[LayerRecord]:
        return iter(self._records)

    def __getitem__(self, name: str) -> LayerRecord:
        for record in self:
            if record.name == name:
                return record
        raise KeyError(f"no layer is called {name!r}; there are {', '.join(repr(record.name) for record in self)}")

    def to_dict(self) -> dict[str, Any]:
        """{"loss": ..., "layers": [{"name": ..., ...}, ...]}, of plain Python values only: ready for json."""
        layers = [asdict(record) for record in self]
        for layer in layers:
            for field in ("out_histogram", "grad_histogram"):
                if (histogram := layer[field]) is not None:
                    layer[field] = {"counts": histogram.counts.tolist(), "edges": histogram.edges.tolist()}
        return {"loss": self.loss, "layers": layers}

    def to_csv(self, path: Any = None) -> str:
        """One line for each layer, all fields but the histograms; written to `path`, if one is given. Returns the text."""
        import csv
        import io

        names = [field.name for field in fields(LayerRecord) if not field.name.endswith("histogram")]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([getattr(record, name) for name in names] for record in self)
        if path is not None:
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text.getvalue())
        return text.getvalue()

    def __str__(self):
        titles, rows = self._table()
        lines = ["".join(f"{cell:<{w}}" if w == 13 else f"{cell:>{w}}" for cell, w in zip(row, _WIDTHS, strict=True)).rstrip()
                 for row in (*titles, *rows)]  # fmt: skip
        head = [] if self.loss is None else [f"loss {self.loss:.4g}"]
        return "\n".join([*head, *lines])

    def _repr_html_(self):
        import html

        def line(cells, tag):
            return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

        titles, rows = self._table()
        names = [f"{above} {below}".strip() for above, below in zip(*titles, strict=True)]
        caption = "" if self.loss is None else f"<caption>loss {self.loss:.4g}</caption>"
        return f"<table>{caption}{line(names, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"

    def _table(self) -> tuple[list[list[str]], list[list[str]]]:
        titles = [
            [
                "",
                "",
                "output",
                "output",
                "theory",
                "satu-",
                "",
                "distinct",
                "gradient",
                "relative",
                "theory",
                "weight",
                "gradient",
            ],
            ["layer", "kind", "mean", "std", "std", "rated", "dead", "units", "std", "to last", "", "std", "/weight"],
        ]
        rows = []
        for r in self:
            name = r.name if len(r.name) <= 12 else f"..{r.name[-10:]}"
            units = "" if r.distinct_units is None else f"{r.distinct_units}/{r.units}"
            shares = ["" if share is None else f"{share:.0%}" for share in (r.saturated, r.dead)]
            backward = [r.grad_std, r.grad_ratio, r.predicted_grad_ratio, r.weight_std, r.update_ratio]
            forward = [_number(v) for v in (r.out_mean, r.out_std, r.predicted_std)]
            rows.append([name, r.kind[:12], *forward, *shares, units, *(_number(v) for v in backward)])
        return titles, rows

    def plot(self, path: Any = None):
        """Draw it: std of outputs and gradients from layer to layer with the theory's, and histograms. See `plot.report`."""
        from . import plot

        return plot.report(self, path)


_WIDTHS = [13, 13, 9, 9, 9, 6, 6, 10, 9, 9, 9, 9, 9]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.1e}"


def measure(
    model: nn.Module, x: Any, y: Any = None, loss: Callable[..., Tensor] | None = None, *, tolerance: float = 1e-4
) -> FlowReport:
    """What every layer of a model does with a batch: forward and, if there is a loss, backward.

    The model is left as it was: parameters, gradients, running values, mode, and the position of its random generators and of
    the global one. It is measured in the mode that it is in, `train()` or `eval()`.

    Parameters
    ----------
    model : Module
    x : array_like
        A batch of inputs.
    y : array_like, optional
        The targets.
    loss : function, optional
        (output, y) -> number, or (output) -> number where y is None. By default cross-entropy if y holds whole numbers, and
        the mean squared error if not.
    tolerance : float
        For `nearly_distinct_units`.

    Raises
    ------
    ValueError
        If there is no input, or one is NaN or infinite, or the loss is not one number.
    TypeError
        If the model is no Module, or returns something that the default loss does not take.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 3, weight_init=0.1), nn.Tanh())
    >>> report = measure(model, np.ones((2, 4)).astype("float32"))
    >>> report["0"].distinct_units, round(report["1"].out_mean, 3)  # tanh(0.4), three times over
    (1, 0.38)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"measure takes a Module, got {type(model).__name__}")
    if isinstance(x, Tensor):
        x = x.detach()
    elif isinstance(x, np.ndarray) and x.dtype.kind == "f":
        x = Tensor(x)
    values = np.asarray(x)
    if values.ndim < 2 or not values.size:
        raise ValueError(f"measure takes a batch of inputs, of shape (batch, features), got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("measure: x contains NaN or infinity; mend the data first")
    if not 0 <= tolerance < 1:
        raise ValueError(f"measure: tolerance must be from 0 to 1, got {tolerance}")

    backward = y is not None or loss is not None
    recorder = _Recorder(model, x)
    with _untouched(model), hooks.observed_by([recorder.called], []), enable_grad() if backward else no_grad():
        output = model(x)
        result = _loss(loss, output, y) if backward else None
        if result is not None:
            _backward(result, recorder)
    records = [call.record for call in recorder.calls]
    actual = functools.lru_cache(maxsize=None)(theory.actual_moments)  # each parameter once
    with np.errstate(all="ignore"):
        for call in recorder.calls:
            _weights(call, actual, tolerance)
        _predict(recorder, values, actual)
    return FlowReport(records, None if result is None else float(result.item()))


def _loss(loss: Callable[..., Tensor] | None, output: Any, y: Any) -> Tensor:
    if loss is not None:
        result = loss(output) if y is None else loss(output, y)
    elif not isinstance(output, Tensor):
        raise TypeError(f"measure: the model returned {type(output).__name__}, not a Tensor; pass loss=, a function of it")
    else:
        kind = (y.dtype if isinstance(y, Tensor) else np.asarray(y).dtype).kind
        result = F.cross_entropy(output, y) if kind in "iu" else F.mse_loss(output, y)
    if not isinstance(result, Tensor) or result.size != 1:
        got = f"a Tensor of shape {result.shape}" if isinstance(result, Tensor) else type(result).__name__
        raise ValueError(f"measure: the loss must be one number in a Tensor, got {got}; reduce it with .mean() or .sum()")
    return result


def _backward(result: Tensor, recorder: "_Recorder") -> None:
    if not result.requires_grad:
        return
    with theory.gradients_kept(result):
        result.backward()
        for call in recorder.calls:
            weight = getattr(call.module, "weight", None)
            if isinstance(weight, nn.Parameter) and weight.grad is not None:
                call.record.weight_grad_norm = _norm(weight.grad)


@contextlib.contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Afterwards puts back what a forward pass may change: attributes, arrays and lists in them, random generators."""
    modules = [(module, dict(vars(module))) for module in model.modules()]
    values = [value for _, attributes in modules for value in attributes.values()]
    contents = [(value, value[:]) for value in values if isinstance(value, list)]
    arrays = [(value, value.copy()) for value in values if isinstance(value, np.ndarray)]
    generators = [as_generator(None), *(value for value in values if isinstance(value, Generator))]
    states = [(generator, dict(vars(generator))) for generator in generators]
    try:
        yield
    finally:
        for owner, attributes in (*modules, *states):
            vars(owner).clear()
            vars(owner).update(attributes)
        for array, copy in arrays:
            array[...] = copy
        for items, before in contents:
            items[:] = before


@dataclass
class _Call:
    module: nn.Module
    source: int | None  # the call whose output this one took, -1 for the model's input
    record: LayerRecord


class _Recorder:
    """Told of every call, it takes down those of the model's layers; `last_grad` is the gradient for the last one's output."""

    def __init__(self, model: nn.Module, x: Any):
        self.names: dict[int, list[str]] = {}
        for name, module in model.named_modules():
            if next(module.named_children(), None) is None:
                self.names.setdefault(id(module), []).append(name)
        self.calls: list[_Call] = []
        self.last_grad: np.ndarray | None = None
        self._maker: dict[int, int] = {id(x): -1}
        self._kept: list[Any] = []  # so that no id is given twice
        self._count: dict[int, int] = {}

    def called(self, module: nn.Module, arguments: tuple, output: Any) -> Any:
        names = self.names.get(id(module))
        if names is None or not isinstance(output, Tensor) or not output.size:
            return output
        count = self._count[id(module)] = self._count.get(id(module), 0) + 1
        name = names[count - 1] if count <= len(names) else f"{names[0]}#{count}"
        x = arguments[0] if arguments else None
        place = len(self.calls)
        mean, std, histogram = _distribution(output._data)
        record = LayerRecord(name, type(module).__name__, mean, std, out_histogram=histogram)
        record.units = output.shape[-1] if output.ndim > 1 else None
        if isinstance(module, nn.Elementwise) and x is not None:
            record.saturated, record.dead = _saturation(module, x, output)
        self.calls.append(_Call(module, self._maker.get(id(x)), record))

        if output.requires_grad:

            def keep(dy):
                record.grad_mean, record.grad_std, record.grad_histogram = _distribution(dy)
                if place == len(self.calls) - 1:
                    self.last_grad = dy

            output = _tap(output, keep)
        self._maker[id(output)] = place
        self._kept.append((x, output))
        return output


def _tap(y: Tensor, keep: Callable[[np.ndarray], None]) -> Tensor:
    """y, seen by whoever uses it; on the way back `keep` is told the gradient."""

    def backward(dy):
        keep(dy)
        return (dy,)

    return tensor.record(y._data, (y,), backward, view=True)


def _distribution(values: np.ndarray) -> tuple[float, float, Histogram | None]:
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


def _saturation(activation: nn.Elementwise, x: Any, y: Tensor) -> tuple[float, float | None]:
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


def _norm(values: np.ndarray) -> float:
    mean, std, *_ = kernels.summarize(values, 0)
    return math.hypot(mean, std) * math.sqrt(values.size)


def _distinct(weight: Tensor, bias: Tensor | None, norm: float, tolerance: float) -> tuple[int, int]:
    """How many units of a layer differ; and how many do if those nearer than `tolerance` typical norms count as one.

    `norm` is that of the weight.
    """
    rows = weight.data.reshape(len(weight), -1)
    n, width = rows.shape
    typical = norm / math.sqrt(n)
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


def _weights(call: _Call, actual: theory.Moments, tolerance: float) -> None:
    weight = getattr(call.module, "weight", None)
    if not isinstance(weight, nn.Parameter):
        return
    record = call.record
    mean, record.weight_std = actual(weight)
    norm = math.hypot(mean, record.weight_std) * math.sqrt(weight.size)
    if record.weight_grad_norm is not None and norm:
        record.update_ratio = record.weight_grad_norm / norm
    if weight.ndim > 1:
        bias = getattr(call.module, "bias", None)
        record.distinct_units, record.nearly_distinct_units = _distinct(weight, bias, norm, tolerance)


def _predict(recorder: _Recorder, x: np.ndarray, actual: theory.Moments) -> None:
    calls, grad = recorder.calls, recorder.last_grad
    if not calls:
        return
    x = x.reshape(len(x), -1) if isinstance(calls[0].module, nn.Flatten) else x
    gradient = None if grad is None or grad.ndim < 2 else theory.input_signal(grad)
    samples = x.size // x.shape[-1]
    modules, sources = [call.module for call in calls], [call.source for call in calls]
    predictions = theory.propagate(modules, sources, theory.input_signal(x), samples, gradient, actual)
    last = calls[-1].record
    scale = math.hypot(last.grad_mean or 0.0, last.grad_std or 0.0)
    for call, prediction in zip(calls, predictions, strict=True):
        record = call.record
        record.predicted_std, record.std_spread = prediction.std, prediction.std_spread
        if record.grad_std is not None and record.grad_mean is not None and scale:
            record.grad_ratio = math.hypot(record.grad_mean, record.grad_std) / scale
        if grad is not None:
            record.predicted_grad_ratio, record.grad_spread = prediction.grad_ratio, prediction.grad_spread


def predict(model: nn.Module, input_second_moment: float = 1.0) -> dict[str, theory.Prediction]:
    """What theory says of every layer of a Sequential, from its laws and widths alone; the spread is that of one input.

    Parameters
    ----------
    model : Module
        A Sequential (of Sequentials ...) or a single layer.
    input_second_moment : float
        The mean square of the inputs.

    Raises
    ------
    ValueError
        If the order of the layers cannot be known without running the model: `measure` sees it.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(500, 500, weight_init="he_normal"), nn.ReLU())
    >>> round(predict(model)["1"].std, 2)  # sqrt(1 - 1/pi), of max(z, 0) for z ~ N(0, 2)
    0.83
    """
    if not (isinstance(input_second_moment, (int, float, np.number)) and 0 <= input_second_moment < math.inf):
        raise ValueError(f"predict: input_second_moment must be a finite number of at least 0, got {input_second_moment!r}")
    names, layers = [], []
    for name, module in model.named_modules():
        if next(module.named_children(), None) is None:
            names.append(name)
            layers.append(module)
        elif not isinstance(module, nn.Sequential):
            raise ValueError(
                f"predict follows the layers of a Sequential, and {type(module).__name__} may call its own in any order; "
                "flow.measure(model, x) sees it and predicts too"
            )
    widths = (getattr(layer, "in_features", getattr(layer, "num_features", None)) for layer in layers)
    width = next((width for width in widths if width is not None), 1)
    signal = theory.Signal(width, 0.0, float(input_second_moment))
    return dict(zip(names, theory.propagate(layers, range(-1, len(layers) - 1), signal), strict=True))


LIMIT = 256  # measurements that a Watch keeps


class Watch:
    """What the layers of a model did while it was trained: see `watch`.

    Attributes
    ----------
    steps : list of int
        Which steps were measured: how many backward passes came before.
    names, kinds, units : list
        The layers, in the order of their first calls: name, class, width of the output.
    curves : dict from str to ndarray, shape (steps, layers)
        NaN where something does not apply. The keys: "saturated", "dead", "distinct_units" and
        "weight_grad_norm" as in `LayerRecord`, and "update_ratio", the size of the step that the optimizer then took, divided
        by the size of the weight.
    """

    def __init__(self, model: nn.Module, every: int):
        if not isinstance(model, nn.Module):
            raise TypeError(f"watch takes a Module, got {type(model).__name__}")
        if isinstance(every, bool) or not isinstance(every, (int, np.integer)) or every < 1:
            raise ValueError(f"watch: every must be a whole number from 1, got {every!r}")
        self.model, self.every = model, int(every)
        self.steps: list[int] = []
        self.names: list[str] = []
        self.kinds: list[str] = []
        self.units: list[int] = []
        self._layers: dict[int, str] = {}
        self._modules: dict[str, nn.Module] = {}
        self._rows: list[dict[str, dict[str, Any]]] = []  # of each measured step: layer -> what -> value
        self._row: dict[str, dict[str, Any]] = {}  # of the step under way
        self._weights: list[tuple[dict[str, Any], nn.Parameter, np.ndarray, float]] = []  # before they are moved; their norms
        self._step, self._ran = 0, False

    def __enter__(self):
        for name, module in self.model.named_modules():
            if next(module.named_children(), None) is None:
                self._modules[self._layers.setdefault(id(module), name)] = module
        hooks.observers.append(self._called)
        tensor.backward_observers.append(self._stepped)
        return self

    def __exit__(self, *exception):
        hooks.observers.remove(self._called)
        tensor.backward_observers.remove(self._stepped)
        self._moved()

    def _called(self, module: nn.Module, arguments: tuple, output: Any) -> Any:
        name = self._layers.get(id(module))
        if name is None or not isinstance(output, Tensor) or not output.requires_grad:
            return output
        if self._weights:
            self._moved()
        self._ran = True
        if self._step % self.every:
            return output
        if name not in self.names:
            self.names.append(name)
            self.kinds.append(type(module).__name__)
            self.units.append(output.shape[-1] if output.ndim else 1)
        x = arguments[0] if arguments else None

        def keep(dy):
            found: dict[str, Any] = {}
            if isinstance(module, nn.Elementwise) and output.ndim > 1:
                found["saturated"], found["dead"] = _saturation(module, x, output)
            self._row[name] = found

        return _tap(output, keep)

    def _stepped(self) -> None:
        """After a backward()."""
        if not self._ran:
            return
        self._ran = False
        if self._row:
            if len(self._rows) == LIMIT:  # half as many, twice as far apart: the whole course, in bounded memory
                self._rows, self.steps, self.every = self._rows[::2], self.steps[::2], 2 * self.every
            if self._step % self.every == 0:
                self._weigh()
                self._rows.append(self._row)
                self.steps.append(self._step)
            self._row = {}
        self._step += 1

    def _weigh(self) -> None:
        for name, found in self._row.items():
            module = self._modules[name]
            weight = getattr(module, "weight", None)
            if not isinstance(weight, nn.Parameter):
                continue
            norm = _norm(weight.data)
            if weight.grad is not None:
                found["weight_grad_norm"] = _norm(weight.grad)
                if norm:
                    self._weights.append((found, weight, weight.data.copy(), norm))
            if weight.ndim > 1:
                found["distinct_units"] = _distinct(weight, getattr(module, "bias", None), norm, 0.0)[0]

    def _moved(self) -> None:
        """What the optimizer has done with the weights since."""
        for found, weight, before, norm in self._weights:
            before -= weight.data
            found["update_ratio"] = _norm(before) / norm
        self._weights = []

    @property
    def curves(self) -> dict[str, np.ndarray]:
        keys = ("saturated", "dead", "distinct_units", "weight_grad_norm", "update_ratio")
        nothing: dict[str, float] = {}
        return {
            key: np.array([[row.get(name, nothing).get(key, math.nan) for name in self.names] for row in self._rows])
            for key in keys
        }

    def plot(self, path: Any = None):
        """Draw heat maps, layer by step. See `plot.watch`."""
        from . import plot

        return plot.watch(self, path)


def watch(model: nn.Module, every: int = 10) -> Watch:
    """Follow what every layer does while a model is trained: a context manager, around a training loop that need not know.

    A step is a backward() that passes through the model; each `every`-th is measured, from the first. At most 256
    measurements are kept: then every second one is dropped, and `every` doubles. Nothing about the training changes.

    Parameters
    ----------
    model : Module
    every : int

    Examples
    --------
    >>> from minidl import data, optim
    >>> model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 2, rng=1))
    >>> optimizer = optim.SGD(model.parameters(), lr=0.5)
    >>> x, y = data.xor()
    >>> with watch(model, every=10) as w:
    ...     for _ in range(30):
    ...         optimizer.zero_grad()
    ...         F.cross_entropy(model(x), y).backward()
    ...         optimizer.step()
    >>> w.steps, w.names
    ([0, 10, 20], ['0', '1', '2'])
    >>> w.curves["distinct_units"][-1]
    array([ 8., nan,  2.])
    """
    return Watch(model, every)
