"""The pictures of `flow` for print, and what a picture of one's own needs: the only file that needs matplotlib.

What a notebook shows by itself is drawn in `svg.py`, which takes from here what is to be drawn.
Colours are those of Okabe and Ito, and viridis, which colour-blind eyes can tell apart.
"""

import functools
import io
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .atomic import write_whole

if TYPE_CHECKING:
    from .flow import Comparison, FlowReport, LayerRecord, Watch
    from .sweep import Pivot

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
MARKERS = "os^Dv*"
COLUMNS = 10  # histograms in a row


def new_figure(width: float, height: float) -> Any:
    """A figure that belongs to no window, and that a notebook shows as a picture.

    Raises
    ------
    ImportError
        Without matplotlib, with how to install it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install matplotlib, or pip install -e ".[examples]"') from error
    figure: Any = Figure(figsize=(width, height), layout="constrained")
    figure._repr_png_ = functools.partial(_rendered, figure, "png")  # without it, only after `%matplotlib inline`
    return figure


def _rendered(figure: Any, kind: str) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, dpi=110)
    return picture.getvalue()


def save(figure: Any, path: Any) -> Any:
    """Write the figure, whole or not at all, to `path`, if one is given. Returns the figure.

    `path` may be a file that is open for bytes. The suffix says in which format; where there is none, it is .png.
    """
    if path is not None:
        kind = "png"
        if not hasattr(path, "write"):
            path = Path(path)
            path = path if path.suffix else path.with_suffix(".png")
            kind = path.suffix[1:]
        write_whole(path, _rendered(figure, kind))
    return figure


def picture(path: Any, draw: Callable[..., Any], *args: Any) -> None:
    """Save the figure that `draw(*args)` makes, and print where it is; without matplotlib, print how to get it.

    For a script, whose numbers are worth printing without a picture, too.

    Examples
    --------
    >>> def curve(losses):
    ...     figure = new_figure(5, 3)
    ...     figure.subplots().plot(losses)
    ...     return figure
    >>> picture("losses.png", curve, [2.3, 0.4, 0.2])  # doctest: +SKIP
    Picture: losses.png
    """
    try:
        figure = draw(*args)
    except ImportError as error:
        print(f"No picture: {error}.")
        return
    save(figure, path)
    print(f"Picture: {path}")


def plain(text: str) -> str:
    """A name as matplotlib must be given it, which takes what is between dollar signs for a formula."""
    return text.replace("$", r"\$")


def report(flow_report: "FlowReport", path: Any = None) -> Any:
    """Above, the size of outputs and gradients from layer to layer, compared with theory; below, their histograms.

    Points are measured; lines are predicted, with a band of two standard deviations of what random networks of these widths
    do. The histograms are those of up to ten layers: the activations, where there are any.

    Parameters
    ----------
    flow_report : FlowReport
    path : path or file object, optional
        Where to save the picture; its suffix says in which format (.png, if there is none).

    Returns
    -------
    matplotlib.figure.Figure
    """
    records = list(flow_report)
    if not records:
        raise ValueError("there is nothing to draw: no layer was called")
    shown = with_histograms(records)
    backward = any(r.grad_std is not None for r in records)
    figure = new_figure(10, 6.6 if backward else 5)
    top, bottom = figure.subfigures(2, 1, height_ratios=[3, 3 if backward else 1.6])

    panels = top.subplots(1, 1 + backward, squeeze=False)[0]
    _curves(panels[0], records, "out_std", "predicted_std", "std_spread")
    panels[0].set(title="Forward: the outputs", ylabel="standard deviation")
    if backward:
        _curves(panels[1], records, "grad_ratio", "predicted_grad_ratio", "grad_spread")
        panels[1].set(title="Backward: the gradients for the outputs", ylabel="size, relative to the last layer's")
    legend = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = list(legend)
    top.legend(legend.values(), labels, loc="outside lower center", ncols=len(labels), fontsize=8)

    rows = bottom.subplots(1 + backward, len(shown), squeeze=False)
    for column, record in enumerate(shown):
        _histogram(rows[0][column], record.out_histogram, COLOURS[0])
        rows[0][column].set_title(plain(f"{record.name}\n{record.kind}"[:24]), fontsize=8)
        if backward:
            _histogram(rows[1][column], record.grad_histogram, COLOURS[1])
    rows[0][0].set_ylabel("outputs", fontsize=9)
    if backward:
        rows[1][0].set_ylabel("gradients", fontsize=9)
    bottom.suptitle(
        "Histograms: how often each value occurs (each with its own scale)" + (", last layers to the right" * (len(shown) > 1)),
        fontsize=10,
    )
    return save(figure, path)


def with_histograms(records: list["LayerRecord"]) -> list["LayerRecord"]:
    """Up to ten of them: the activations, where there are any, else the layers with weights."""
    shown = [r for r in records if r.saturated is not None] or [r for r in records if r.distinct_units is not None] or records
    return [shown[i] for i in np.linspace(0, len(shown) - 1, min(len(shown), COLUMNS)).round().astype(int)]


def _curves(axes: Any, records: list["LayerRecord"], measured: str, predicted: str, spread: str) -> None:
    """One series for each kind of layer, for what comes before and after an activation differs in size."""
    kinds = list(dict.fromkeys(r.kind for r in records))
    at_the_bottom: dict[str, Any] = {"markersize": 4, "linestyle": "none", "transform": axes.get_xaxis_transform()}
    for i, kind in enumerate(kinds):
        colour = COLOURS[i % len(COLOURS)]
        places = [place for place, r in enumerate(records) if r.kind == kind]
        values, theory, width = (column(records, places, name) for name in (measured, predicted, spread))
        axes.plot(places, values, MARKERS[i % len(MARKERS)], color=colour, markersize=4, linestyle="none", label=plain(kind))
        axes.plot(places, theory, "-", color=colour, linewidth=1)
        zeros = [place for place in places if getattr(records[place], measured) == 0]
        axes.plot(zeros, [0.03] * len(zeros), MARKERS[i % len(MARKERS)], color=colour, fillstyle="none", **at_the_bottom)
        axes.fill_between(places, theory * np.exp(-2 * width), theory * np.exp(2 * width), color=colour, alpha=0.2, linewidth=0)
    if any(getattr(r, predicted) is not None for r in records):
        axes.plot([], [], "-", color="grey", linewidth=1, label="theory, with two standard deviations")
    if any(getattr(r, measured) == 0 for r in records):
        axes.plot([], [], "o", color="grey", fillstyle="none", markersize=4, label="exactly 0")
    axes.set_yscale("log")
    if not any((getattr(r, name) or 0) > 0 for r in records for name in (measured, predicted)):
        axes.set_ylim(0.1, 10)
    axes.set_xlim(-0.5, len(records) - 0.5)
    low, high = axes.get_ylim()
    if high < 200 * low:  # a narrow range: room around it, and ordinary numbers
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes.set_ylim(low / 1.6, high * 1.6)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    ticks = range(0, len(records), math.ceil(len(records) / 12))
    axes.set_xticks(ticks, [plain(records[i].name[-8:]) for i in ticks], fontsize=8)
    axes.set_xlabel("layer")
    axes.grid(alpha=0.3)


def column(records: list["LayerRecord"], places: Iterable[int], name: str) -> np.ndarray:
    """A field of these records; NaN, which is not drawn, where it is None or a logarithmic axis has no place for it."""
    values = [getattr(records[place], name) for place in places]
    least = -1.0 if name.endswith("spread") else 0.0
    return np.array([v if v is not None and math.isfinite(v) and v > least else math.nan for v in values])


def _histogram(axes: Any, histogram: Any, colour: str) -> None:
    axes.set_yticks([])
    axes.tick_params(labelsize=7)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    if histogram is None:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "no finite\nvalues", transform=axes.transAxes, ha="center", va="center", fontsize=7)
        return
    axes.stairs(histogram.counts, histogram.edges, fill=True, color=colour)
    low, high = histogram.edges[0], histogram.edges[-1]
    axes.set_xticks([low, high], [short(low), short(high)])
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)


def short(value: float) -> str:
    """A number beside a tick, where there is little room.

    Examples
    --------
    >>> short(-112.4), short(0.81), short(1534000)
    ('-112', '0.8', '2e+06')
    """
    return f"{value:.0f}" if 10 <= abs(value) < 1000 else f"{value:.1g}"


def watch(watched: "Watch", path: Any = None) -> Any:
    """Heat maps, layer by step: updates, gradients, units that differ, units that are dead.

    Parameters
    ----------
    watched : Watch
    path : path or file object, optional
        Where to save the picture.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if not watched.steps:
        raise ValueError("there is nothing to draw: no step was measured inside `with flow.watch(model):`")
    panels = list(heat_maps(watched))
    if not panels:
        raise ValueError("there is nothing to draw: no layer has weights or is an activation")
    figure = new_figure(10, 3.2 * math.ceil(len(panels) / 2) + 0.3)
    grid = figure.subplots(math.ceil(len(panels) / 2), min(len(panels), 2), squeeze=False)
    end = end_of(watched)
    for axes, (title, unit, colours, names, values) in zip(grid.flat, panels, strict=False):
        limits = {"vmin": 0, "vmax": 1} if unit == "fraction" else {}
        extent = (watched.steps[0], end, len(names) - 0.5, -0.5)
        axes.set_facecolor("lightgrey")  # what is exactly 0 has no logarithm
        image = axes.imshow(values, aspect="auto", interpolation="nearest", cmap=colours, extent=extent, **limits)
        figure.colorbar(image, ax=axes, label=unit)
        ticks = range(0, len(names), math.ceil(len(names) / 10))
        axes.set_yticks(ticks, [plain(names[i][:20]) for i in ticks], fontsize=8)
        axes.set(title=title, xlabel="step")
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    if any(np.isnan(np.ma.filled(image.get_array(), math.nan)).any() for axes in grid.flat for image in axes.images):
        figure.supxlabel("grey: exactly 0, or not measured", fontsize=8)
    return save(figure, path)


class HeatMap(NamedTuple):
    """`values[i, j]` of layer i at the j-th measured step; NaN is what is exactly 0 in a logarithm, or not measured."""

    title: str
    unit: str
    colours: str
    names: list[str]
    values: np.ndarray


def heat_maps(watched: "Watch") -> Iterator[HeatMap]:
    """What there is to show of a training, each for the layers that have it."""
    curves = watched.curves
    for key, title, unit, colours in (
        ("update_ratio", "Step of the weights, relative to their size", "log10", "viridis"),
        ("weight_grad_norm", "Gradient of the weights", "log10 of the norm", "viridis"),
        ("distinct_units", "Units that differ", "fraction", "viridis"),
        ("dead", "Dead units", "fraction", "viridis_r"),
    ):
        if not np.isfinite(curves[key]).any():
            continue
        rows = np.flatnonzero(np.isfinite(curves[key]).any(axis=0))
        values = curves[key][:, rows].T
        if key == "distinct_units":
            values = values / np.array([watched.units[i] for i in rows])[:, None]
        if unit.startswith("log10"):
            values = np.log10(np.where(values > 0, values, math.nan))
        yield HeatMap(title, unit, colours, [f"{watched.names[i]} {watched.kinds[i]}" for i in rows], values)


def end_of(watched: "Watch") -> int:
    """The step at which the last of its columns ends."""
    return watched.steps[-1] + (watched.steps[1] - watched.steps[0] if len(watched.steps) > 1 else 1)


def comparison(compared: "Comparison", path: Any = None) -> Any:
    """Training loss and held-out accuracy, epoch by epoch: the mean over the seeds, in a band from the least to the largest.

    Parameters
    ----------
    compared : Comparison
    path : path or file object, optional
        Where to save the picture.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(10, 4.4)
    panels = figure.subplots(1, 2)
    for axes, curves in zip(panels, (compared.losses, compared.accuracies), strict=True):
        for i, name in enumerate(compared.ranking):
            values = curves[name]
            values = values[:, ~np.isnan(values).all(axis=0)]  # up to where the last seed diverged
            epochs = range(values.shape[1])
            style = {"color": COLOURS[i % len(COLOURS)], "linestyle": ("-", "--", ":")[i // len(COLOURS) % 3]}
            low, mean, high = np.nanmin(values, axis=0), np.nanmean(values, axis=0), np.nanmax(values, axis=0)
            axes.fill_between(epochs, low, high, color=style["color"], alpha=0.2, linewidth=0)
            axes.plot(epochs, mean, marker=MARKERS[i % len(MARKERS)], markersize=4, label=plain(name), **style)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set(title="Loss on the training data", ylabel="cross-entropy", yscale="log")
    panels[1].set(title="Accuracy on held-out data", ylabel="fraction of right answers", ylim=(0, 1.02))
    seeds = f"mean of {len(compared.seeds)} seeds, in a band from the least to the largest"
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9, title=seeds)
    return save(figure, path)


def sweep_map(pivot: "Pivot", x: str, y: str, value: str, path: Any = None) -> Any:
    """A cell for each pair of what two names of a grid are, and its colour is the value there. Grey where there is none.

    Numbers stand where they belong on their axis, which is logarithmic where they are far apart and more evenly spaced so;
    other values stand side by side.

    Parameters
    ----------
    pivot : Pivot
        With y in its rows and x in its columns.
    x, y, value : str
        What the axes and the colours are.
    path : path or file object, optional
        Where to save the picture.

    Returns
    -------
    matplotlib.figure.Figure
        `figure.axes[0]` is there to draw over it.
    """
    figure = new_figure(8, 5)
    axes = figure.subplots()
    axes.set_facecolor("lightgrey")
    places = _places(axes.xaxis, pivot.columns), _places(axes.yaxis, pivot.rows)
    image = axes.pcolormesh(*places, np.ma.masked_invalid(pivot.values), shading="nearest", cmap="viridis")
    axes.set(xlabel=plain(x), ylabel=plain(y))
    figure.colorbar(image, label=plain(value))
    return save(figure, path)


def sweep_curves(curves: dict[str, dict[Any, list[float]]], x: str, value: str, path: Any = None) -> Any:
    """A curve for each name, through the mean of the values at each place, in a band from the least to the largest of them.

    Parameters
    ----------
    curves : dict from name to dict from place to values
    x, value : str
        What the axes are.
    path : path or file object, optional
        Where to save the picture.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(7, 4.4)
    axes = figure.subplots()
    labels = list(dict.fromkeys(place for found in curves.values() for place in found))
    places = dict(zip(labels, _places(axes.xaxis, labels), strict=True))
    for i, (name, found) in enumerate(curves.items()):
        at = sorted(found, key=places.__getitem__)
        style = {"color": COLOURS[i % len(COLOURS)], "linestyle": ("-", "--", ":")[i // len(COLOURS) % 3]}
        low, mean, high = ([summary(found[place]) for place in at] for summary in (np.min, np.mean, np.max))
        where = [places[place] for place in at]
        axes.fill_between(where, low, high, color=style["color"], alpha=0.2, linewidth=0)
        axes.plot(where, mean, marker=MARKERS[i % len(MARKERS)], markersize=4, label=plain(name), **style)
    axes.set(xlabel=plain(x), ylabel=plain(value))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, fontsize=9, title="mean, in a band from the least to the largest")
    return save(figure, path)


def _places(axis: Any, labels: list[Any]) -> np.ndarray:
    """Where these stand on an axis, whose scale or ticks are set accordingly."""
    kind = scale_of(labels)
    if kind == "words":
        axis.set_ticks(range(len(labels)), [plain(str(label)) for label in labels])
        return np.arange(len(labels), dtype=float)
    axis.axes.set(**{f"{axis.axis_name}scale": kind})
    return np.array(labels, float)


def scale_of(labels: list[Any]) -> str:
    """How these stand on an axis: numbers are "log" where they are far apart and more evenly spaced so, else "linear".

    Other values are "words", which stand side by side.
    """
    if len(labels) < 2 or not all(isinstance(label, (int, float)) and math.isfinite(label) for label in labels):
        return "words"
    values = np.array(labels, float)
    return "log" if max(values) > 10 * min(values) > 0 and _unevenness(np.log(values)) < _unevenness(values) else "linear"


def _unevenness(values: np.ndarray) -> float:
    """The spread of the distances between neighbours, relative to their mean."""
    distances = np.diff(np.sort(values))
    return float(distances.std() / distances.mean())
