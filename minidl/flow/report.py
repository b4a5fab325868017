"""What `measure` found: a record for each call of a layer, and the report that holds them, prints them and saves them."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np


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
        Of an activation: the fraction of outputs where its slope is under 1 % of its largest.
    dead : float
        Of an activation: the fraction of units whose slope is 0 for every input: no gradient passes.
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
        The width of the output: the length of its last axis; of images, or after a batch norm of channels, that of channels.
    nearly_distinct_units : int
        As distinct_units, where units closer than `tolerance` times the norm of a typical unit's weights count as one.
    grad_ratio : float
        Root mean square of the gradient here divided by that at the last layer.
    std_deviation, grad_deviation : float
        How far the measured value is from the predicted one, in units of the spread that random networks of these widths
        have. Within -+3 it is chance. Beyond, the layer is not what its initializer says; or, of grad_deviation, the gradient
        at the last layer depends on the weights, as with the mean squared error of many outputs: see `theory.Prediction`.
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
        """One line for each layer, all fields but the histograms. Returns the text.

        It is also written to `path`, if one is given: whole or not at all. A file object will do, too.
        """
        import csv
        import io

        from ..atomic import write_whole

        names = [field.name for field in fields(LayerRecord) if not field.name.endswith("histogram")]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([getattr(record, name) for name in names] for record in self)
        if path is not None:
            write_whole(path, text.getvalue())
        return text.getvalue()

    def __str__(self):
        titles, rows = self._table()
        lines = ["".join(f"{cell:<{w}}" if w == 13 else f"{cell:>{w}}" for cell, w in zip(row, _WIDTHS, strict=True)).rstrip()
                 for row in (*titles, *rows)]  # fmt: skip
        head = [] if self.loss is None else [f"loss {self.loss:.4g}"]
        return "\n".join([*head, *lines])

    def svg(self) -> str:
        """Draw it as SVG, in milliseconds and without matplotlib; a notebook shows the same. See `svg.report`.

        Examples
        --------
        >>> picture = FlowReport([LayerRecord("fc", "Linear", out_mean=0.0, out_std=0.98)]).svg()
        >>> "<title>fc Linear: 0.98</title>" in picture  # of a dot
        True
        """
        from .. import svg

        return svg.report(self).svg()

    def _repr_html_(self) -> str:
        from .. import svg

        table = f'<div style="overflow-x:auto">{self._html_table()}</div>'
        return svg.report(self).html(below=f"<details><summary>numbers</summary>{table}</details>")

    def _html_table(self) -> str:
        from ..svg import xml

        def line(cells, tag):
            return f"<tr>{''.join(f'<{tag}>{xml(cell)}</{tag}>' for cell in cells)}</tr>"

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
            fractions = ["" if fraction is None else f"{fraction:.0%}" for fraction in (r.saturated, r.dead)]
            backward = [r.grad_std, r.grad_ratio, r.predicted_grad_ratio, r.weight_std, r.update_ratio]
            forward = [_number(v) for v in (r.out_mean, r.out_std, r.predicted_std)]
            rows.append([name, r.kind[:12], *forward, *fractions, units, *(_number(v) for v in backward)])
        return titles, rows

    def plot(self, path: Any = None):
        """Draw it: std of outputs and gradients from layer to layer with the theory's, and histograms. See `plot.report`."""
        from .. import plot

        return plot.report(self, path)


_WIDTHS = [13, 13, 9, 9, 9, 6, 6, 10, 9, 9, 9, 9, 9]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.1e}"
