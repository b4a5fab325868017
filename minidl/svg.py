"""What `flow` and `sweep` find as pictures in SVG, written by hand: a notebook shows them at once, without matplotlib.

A `Panel` is a part of a picture, `Axes` one with scales, and a `Picture` puts panels side by side. Text has the colour
of the text around it, and the other colours can be told from white and from black. There are no ids, classes or styles
that reach beyond a picture, so several in one page do not disturb one another. Pictures for print are drawn in `plot.py`,
which also says what of a report is shown; further kinds of pictures are left to matplotlib.
"""

import base64
import math
import re
import struct
import textwrap
import zlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from . import plot

if TYPE_CHECKING:
    from .flow import Comparison, FlowReport, LayerRecord, Watch
    from .sweep import Sweep

COLOURS = [*plot.COLOURS[:4], "#b07d00", "#8a8a8a"]  # each has a contrast of 3 or more to white and to #1e1e1e
DASHES = ["", "5 3", "1 3"]
CURVES = len(COLOURS) * len(DASHES)  # as many can be told from one another
WIDTH, HEIGHT = 360, 212  # of a panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 46, 352, 26, 168  # of the frame that axes draw into
VIRIDIS = [(68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140), (40, 174, 128), (94, 201, 98),
           (173, 220, 48), (253, 231, 37)]  # fmt: skip
PIXELS: dict[str, Any] = {"preserveAspectRatio": "none", "image_rendering": "pixelated"}
ALONE = (  # only where the SVG is a document of its own, and not a part of a page
    "<style>svg:root{color:#222;background:#fff}"
    "@media(prefers-color-scheme:dark){svg:root{color:#ddd;background:#1e1e1e}}</style>"
)


def xml(text: Any) -> str:
    """Any text as it may stand in XML and HTML, between tags and as an attribute.

    Examples
    --------
    >>> xml("a<b & 'c'"), xml("bell \\x07")
    ('a&lt;b &amp; &#x27;c&#x27;', 'bell \\ufffd')
    """
    return escape(re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", str(text)))


def begin(text: Any, length: int) -> str:
    """The beginning of a text that is too long."""
    text = str(text)
    return text if len(text) <= length else f"{text[: length - 1]}\N{HORIZONTAL ELLIPSIS}"


def end(text: str, length: int) -> str:
    """The end of it: what tells the names of layers apart."""
    return text if len(text) <= length else f"\N{HORIZONTAL ELLIPSIS}{text[1 - length :]}"


class Panel:
    """A part of a picture, 360 pixels wide, under its title; places are counted from its upper left corner."""

    def __init__(self, title: str, height: int = HEIGHT):
        self.height, self.said = height, [title]
        self.shapes: list[str] = []
        self.text(WIDTH / 2, 14, title, size=12)
        self._keys: set[str] = set()
        self._key_end, self._key_y = float(WIDTH), 0.0

    def text(self, x: float, y: float, text: Any, anchor: str = "middle", size: int = 10, fill: str = "") -> None:
        fill = f' fill="{fill}"' if fill else ""
        self.shapes.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{fill}>{xml(text)}</text>')

    def stroke(self, d: str, colour: str = "currentColor", dash: str = "", **attributes: Any) -> None:
        dashed = {"stroke_dasharray": dash} if dash else {}
        self.shape("path", d=d, fill="none", stroke=colour, **dashed, **attributes)

    def shape(self, tag: str, says: str = "", /, **attributes: Any) -> None:
        """Any element; `says` is what a reader is told who points at it."""
        written = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
        self.shapes.append(f"<{tag}{written}><title>{xml(says)}</title></{tag}>" if says else f"<{tag}{written}/>")

    def key(self, text: str, mark: str = "", colour: str = "currentColor", dash: str | None = None, values: Any = ()) -> None:
        """An entry of the legend, once; with a line if there is a dash. It is read out, and the first and last value."""
        if text in self._keys:
            return
        self._keys.add(text)
        known = [f"{value:.3g}" for value in values if value is not None]
        self.said.append(f"{text}: from {known[0]} to {known[-1]}" if known else text)
        text = begin(text, 56)
        if self._key_end + 24 + 5.6 * len(text) > WIDTH:
            self._key_end, self._key_y, self.height = 8.0, self.height + 8.0, self.height + 14
        x, y = self._key_end, self._key_y
        self._key_end += 30 + 5.6 * len(text)
        if dash is not None:
            self.stroke(f"M{x:.1f} {y - 3.5:.1f}h16", colour, dash, stroke_width=1.5)
        if mark:
            self.text(x + 8, y, mark, fill=colour)
        self.text(x if not mark and dash is None else x + 20, y, text, "start")

    def svg(self, **attributes: Any) -> str:
        """The panel as an element; where the picture is not seen, its title and what was said of it is read out."""
        said = xml(". ".join(self.said))
        place = "".join(f' {name}="{value}"' for name, value in attributes.items())
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg"{place} width="{WIDTH}" height="{self.height}" viewBox="0 0 {WIDTH} '
            f'{self.height}" role="img" aria-label="{said}" fill="currentColor" font-family="sans-serif"><title>{said}</title>'
            f"{''.join(self.shapes)}</svg>"
        )


class Scale:
    """From numbers to pixels: the least of `values` is near `start`, the largest near `end`. NaN has no place."""

    def __init__(self, values: Any, start: float, end: float, log: bool = False):
        self.start, self.end, self.log = start, end, log
        known = self._linear(values)
        known = known[np.isfinite(known)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        room = 0.05 * (high - low)
        if log:
            room = max(room, 0.2)
        elif high - low < 1e-300:
            room = 0.5 * (abs(high) or 1.0)
        self.low, self.high = low - room, high + room

    def _linear(self, values: Any) -> np.ndarray:
        numbers = np.array(values, float)  # None is NaN
        if self.log:
            return np.log10(np.where(numbers > 0, numbers, math.nan))
        return np.where(np.isfinite(numbers), numbers.clip(-1e300, 1e300), math.nan)

    def __call__(self, values: Any) -> np.ndarray:
        return self.start + (self._linear(values) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Two to seven round numbers; of powers of ten, one at least."""
        span = self.high - self.low
        if self.log:
            every, digits = math.ceil(span / 6), (1, 2, 5) if span < 1.5 else (1,)
            powers = range(every * math.floor(self.low / every), math.ceil(self.high) + 1, every)
            ticks = [digit * 10.0**power for power in powers if abs(power) < 308 for digit in digits]
            return [tick for tick in ticks if tick > 0 and self.low <= math.log10(tick) <= self.high]
        step = 10.0 ** math.floor(math.log10(span))
        step *= next(factor for factor in (0.2, 0.5, 1, 2) if span / (factor * step) <= 6)
        return [i * step for i in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


class Axes(Panel):
    """A panel with a frame: numbers upwards; to the right, places, of which as many have their words as fit."""

    def __init__(self, title: str, places: Any, words: Sequence[str], label: str, values: Any, log=False, log_places=False):
        super().__init__(title)
        self.x, self.y = Scale(places, LEFT, RIGHT, log_places), Scale(values, BOTTOM, TOP, log)
        self.stroke(f"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}", opacity=0.6)
        for tick, y in zip(self.y.ticks(), self.y(self.y.ticks()), strict=True):
            self.stroke(f"M{LEFT} {y:.1f}H{RIGHT}", opacity=0.15)
            self.text(LEFT - 4, y + 3.5, f"{tick:g}", "end")
        room = 6.0 * max(map(len, words), default=0) + 8
        every = next(n for n in (m * 10**e for e in range(9) for m in (1, 2, 5)) if len(words) * room <= n * (RIGHT - LEFT))
        last = -math.inf
        for x, word in list(zip(self.x(places), words, strict=True))[::every]:
            if x >= last + room:
                self.text(min(x, WIDTH - 3.0 * len(word)), BOTTOM + 14, word)
                last = x
        self.text((LEFT + RIGHT) / 2, BOTTOM + 29, begin(label, 40))

    def line(self, places: Any, values: Any, colour: str, dash: str = "") -> None:
        x, y = self.x(places), self.y(values)
        self.stroke("".join(f"M{_points(x[run], y[run])}" for run in _runs(y)), colour, dash, stroke_width=1.5)

    def band(self, places: Any, low: Any, high: Any, colour: str) -> None:
        x, low, high = self.x(places), self.y(low), self.y(high)
        d = "".join(f"M{_points(x[run], low[run])}L{_points(x[run][::-1], high[run][::-1])}Z" for run in _runs(low + high))
        self.shape("path", d=d, fill=colour, opacity=0.25)

    def dots(self, places: Any, values: Sequence[float | None], colour: str, names: Sequence[str], radius: float = 2.5) -> None:
        """None is left out; a 0 that has no logarithm is a ring at the bottom, what is not finite a cross at the top."""
        for x, y, value, name in zip(self.x(places), self.y(values), values, names, strict=True):
            if value is None:
                continue
            says = f"{name}: {value:.4g}"
            if math.isfinite(y):
                self.shape("circle", says, cx=f"{x:.1f}", cy=f"{y:.1f}", r=radius, fill=colour)
            elif math.isfinite(value):
                self.shape("circle", says, cx=f"{x:.1f}", cy=BOTTOM - 5, r=radius, fill="none", stroke=colour)
                self.key("exactly 0", "\N{WHITE CIRCLE}")
            else:
                self.shape("path", says, d=f"M{x - 3:.1f} {TOP}l6 6m0 -6l-6 6", stroke=colour, stroke_width=1.5)
                self.key("not finite", "\N{MULTIPLICATION SIGN}")


def _runs(values: np.ndarray) -> list[slice]:
    """The stretches without NaN."""
    ends = np.flatnonzero(np.diff(np.isfinite(values), prepend=False, append=False))
    return [slice(*pair) for pair in ends.reshape(-1, 2)]


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


class Picture:
    """Panels under a heading."""

    def __init__(self, heading: str, panels: Sequence[Panel], instead: str = ""):
        """`instead` is a sentence for where there are none."""
        self.heading, self.panels = heading, panels
        if not panels:
            lines = textwrap.wrap(begin(f"There is nothing to draw: {instead}.", 400), 58)
            self.panels = [Panel("", 14 * len(lines) + 14)]
            self.panels[0].said = [" ".join(lines)]
            for i, line in enumerate(lines):
                self.panels[0].text(8, 14 + 14 * i, line, "start", 11)

    def svg(self) -> str:
        """One SVG, two panels in a row, which can be saved as a file and opened in a browser."""
        width, y = WIDTH + (WIDTH + 8) * (len(self.panels) > 1), 26
        heading = begin(self.heading, width // 8)
        shown = [f'<text x="8" y="18" text-anchor="start" font-size="13" font-weight="bold">{xml(heading)}</text>']
        for i in range(0, len(self.panels), 2):
            shown += [panel.svg(x=column * (WIDTH + 8), y=y) for column, panel in enumerate(self.panels[i : i + 2])]
            y += max(panel.height for panel in self.panels[i : i + 2]) + 8
        said = xml(". ".join([self.heading, *(part for panel in self.panels for part in panel.said)]))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}" role="img" '
            f'aria-label="{said}" fill="currentColor" font-family="sans-serif" style="max-width:100%;height:auto">'
            f"<title>{said}</title>{ALONE}{''.join(shown)}</svg>"
        )

    def html(self, above: str = "", below: str = "") -> str:
        """For a notebook: side by side as many panels as there is room for, between more HTML."""
        panels = "".join(panel.svg(style="max-width:100%;height:auto") for panel in self.panels)
        return (
            f"<div><strong>{xml(self.heading)}</strong>{above}"
            f'<div style="display:flex;flex-wrap:wrap;gap:8px">{panels}</div>{below}</div>'
        )


def preformatted(text: Any) -> str:
    """Text as it is printed, in HTML; long lines are broken."""
    return f'<pre style="white-space:pre-wrap;overflow-wrap:anywhere">{xml(text)}</pre>'


def report(flow_report: "FlowReport") -> Picture:
    """As `plot.report`: dots are measured, lines predicted, in a band of two standard deviations. And fractions."""
    records = list(flow_report)
    loss = "" if flow_report.loss is None else f", loss {flow_report.loss:.4g}"
    heading = f"Flow report: {len(records)} layer{'s'[: len(records) != 1]}{loss}"
    if not records:
        return Picture(heading, [], "no layer was called")
    title = "Backward: size of gradients, relative to the last layer's"
    panels: list[Panel] = [
        _sizes("Forward: standard deviation of the outputs", records, "out_std", "predicted_std", "std_spread"),
        _sizes(title, records, "grad_ratio", "predicted_grad_ratio", "grad_spread"),
        _histograms("Histograms of the outputs", records, "out_histogram", COLOURS[0]),
        _histograms("Histograms of the gradients", records, "grad_histogram", COLOURS[1]),
    ]
    panels = panels if any(r.grad_std is not None for r in records) else panels[::2]
    return Picture(heading, [*panels, _units(records)])


def _sizes(title: str, records: list["LayerRecord"], measured: str, predicted: str, spread: str) -> Axes:
    every = range(len(records))
    theory, width = plot.column(records, every, predicted), plot.column(records, every, spread)
    with np.errstate(over="ignore"):
        low, high = theory * np.exp(-2 * width), theory * np.exp(2 * width)
    span = [*plot.column(records, every, measured), *theory, *low, *high]
    axes = Axes(title, every, [end(r.name, 10) for r in records], "layer", span, log=True)
    for i, kind in enumerate(dict.fromkeys(r.kind for r in records)):
        at, colour = [place for place in every if records[place].kind == kind], COLOURS[i % len(COLOURS)]
        values = [getattr(records[place], measured) for place in at]
        axes.key(kind, "\N{BLACK CIRCLE}", colour, values=values)
        axes.band(at, low[at], high[at], colour)
        axes.line(at, theory[at], colour)
        axes.dots(at, values, colour, [f"{records[place].name} {kind}" for place in at])
    if np.isfinite(theory).any():
        axes.key("theory, with two standard deviations", dash="")
    return axes


def _units(records: list["LayerRecord"]) -> Axes:
    axes = Axes("Fractions", range(len(records)), [end(r.name, 10) for r in records], "layer", [0, 1])
    distinct = [None if r.distinct_units is None else r.distinct_units / (r.units or 1) for r in records]
    for name, values, colour, radius in (
        ("distinct units", distinct, COLOURS[0], 2.5),
        ("saturated outputs", [r.saturated for r in records], COLOURS[2], 4),
        ("dead units", [r.dead for r in records], COLOURS[1], 2),
    ):
        axes.key(name, "\N{BLACK CIRCLE}", colour, values=values)
        axes.dots(range(len(records)), values, colour, [f"{r.name} {r.kind}, {name}" for r in records], radius)
    return axes


def _histograms(title: str, records: list["LayerRecord"], which: str, colour: str) -> Panel:
    """Each with its own scale, in rows of five."""
    shown = plot.with_histograms(records)
    columns = min(len(shown), 5)
    width = (WIDTH - 8) / columns
    panel = Panel(title, 26 + 88 * math.ceil(len(shown) / columns))
    for i, record in enumerate(shown):
        x, y, histogram = 8 + i % columns * width, 26 + i // columns * 88, getattr(record, which)
        right, bottom = x + width - 8, y + 68
        name = f"{record.name} {record.kind}"
        panel.text(x, y + 10, end(name, int(width / 5.4)), "start", 9)
        panel.stroke(f"M{x:.1f} {bottom}H{right:.1f}", opacity=0.6)
        if histogram is None:
            panel.text((x + right) / 2, y + 42, "not finite", size=9)
            continue
        heights = bottom - 52 * histogram.counts / max(1, histogram.counts.max())
        steps = "".join(f"V{height:.1f}h{(right - x) / len(heights):.2f}" for height in heights)
        says = f"{name}: {histogram.low:.4g} to {histogram.high:.4g}"
        panel.shape("path", says, d=f"M{x:.1f} {bottom}{steps}V{bottom}Z", fill=colour)
        for at, value, anchor in ((x, histogram.low, "start"), (right, histogram.high, "end")):
            short = f"{value:.0e}" if 0 < abs(value) < 0.001 else plot.short(value)
            panel.text(at, bottom + 11, short.replace("e-0", "e-"), anchor, 9)
    return panel


def watch(watched: "Watch") -> Picture:
    """As `plot.watch`: heat maps, layer by step."""
    steps = watched.steps
    if not steps:
        return Picture("Watch", [], "no step was measured inside `with flow.watch(model):`")
    heading = f"Watch: {len(watched.names)} layers, steps {steps[0]} to {steps[-1]}, {len(steps)} of them measured"
    panels = [_heat_map(found, steps[0], plot.end_of(watched)) for found in plot.heat_maps(watched)]
    return Picture(heading, panels, "no layer has weights or is an activation")


def _heat_map(found: plot.HeatMap, first: int, last: int) -> Panel:
    """Grey is what is exactly 0 or was not measured; below, what the colours mean."""
    panel, left = Panel(found.title), 84
    colours = VIRIDIS[::-1] if found.colours.endswith("_r") else VIRIDIS
    log, known = found.unit.startswith("log10"), found.values[np.isfinite(found.values)]
    low, high = (known.min(), known.max()) if log and known.size else (0.0, 1.0)
    area: dict[str, Any] = {"x": left, "y": TOP, "width": RIGHT - left, "height": BOTTOM - TOP}
    panel.shape("rect", **area, fill="currentColor", opacity=0.2)
    panel.shape("image", **area, href=_png(found.values, low, high, colours), **PIXELS)
    pitch = (BOTTOM - TOP) / len(found.names)
    for i in range(0, len(found.names), math.ceil(11 / pitch)):
        panel.text(left - 4, TOP + (i + 0.5) * pitch + 3, end(found.names[i], 15), "end", 9)
    panel.text(left, BOTTOM + 13, f"step {first}", "start")
    panel.text(RIGHT, BOTTOM + 13, last, "end")
    if known.size:
        bar: dict[str, Any] = {"x": 158, "y": BOTTOM + 20, "width": 120, "height": 9}
        panel.shape("image", **bar, href=_png(np.linspace(0, 1, 120)[None], 0, 1, colours), **PIXELS)
        ends = [f"{10**value if log else value:.2g}" for value in (low, high)]
        panel.text(154, BOTTOM + 28, ends[0], "end")
        panel.text(282, BOTTOM + 28, ends[1], "start")
        panel.said.append(f"from {ends[0]} to {ends[1]}" if log else f"on average {known.mean():.3g}")
    if known.size < found.values.size:
        panel.key("exactly 0, not finite or not measured", "\N{BLACK SQUARE}", COLOURS[5])
    return panel


def _png(values: np.ndarray, low: float, high: float, colours: Sequence[tuple[int, int, int]]) -> str:
    """An image as a data URI: a square of pixels for each value, transparent where it is not finite.

    A PNG is a signature and chunks, each with length, kind, contents and checksum; here 255 colours and a transparent
    one. (W3C, PNG specification, sections 5 and 11.)
    """

    def chunk(kind: bytes, contents: bytes) -> bytes:
        return struct.pack(">I", len(contents)) + kind + contents + struct.pack(">I", zlib.crc32(kind + contents))

    known = np.isfinite(values)
    places = np.where(known, np.where(known, values - low, 0) / (high - low or 1) * 254, 255).round().astype(np.uint8)
    for axis, pixels in ((0, BOTTOM - TOP), (1, WIDTH)):  # so many that edges stay sharp where a viewer makes them smooth
        places = np.repeat(places, math.ceil(pixels / places.shape[axis]), axis)
    stops = np.linspace(0, 254, len(colours))
    palette = np.stack([np.interp(range(256), stops, channel) for channel in zip(*colours, strict=True)], axis=1)
    chunks = [
        chunk(b"IHDR", struct.pack(">2I5B", *places.shape[::-1], 8, 3, 0, 0, 0)),  # 8 bits, an index into the palette
        chunk(b"PLTE", palette.round().astype(np.uint8).tobytes()),
        chunk(b"tRNS", b"\xff" * 255 + b"\0"),
        chunk(b"IDAT", zlib.compress(np.insert(places, 0, 0, axis=1).tobytes(), 1)),  # a line begins with its filter: 0, none
        chunk(b"IEND", b""),
    ]
    return "data:image/png;base64," + base64.b64encode(bytes.fromhex("89504e470d0a1a0a") + b"".join(chunks)).decode()


def comparison(compared: "Comparison") -> Picture:
    """As `plot.comparison`: the mean over the seeds that are finite, in a band from the least to the largest."""

    def curves(found: Mapping[str, np.ndarray]) -> dict[str, dict[Any, list[float]]]:
        return {name: dict(enumerate(found[name].T.tolist())) for name in compared.ranking}

    heading = (
        f"Comparison of {len(compared.ranking)} initializers, {len(compared.seeds)} seeds; the best: {compared.ranking[0]}"
    )
    loss = _curves("Loss on the training data", "epoch", curves(compared.losses), log=True)
    return Picture(heading, [loss, _curves("Accuracy on held-out data", "epoch", curves(compared.accuracies))])


def sweep(result: "Sweep") -> Picture:
    """Every number that the training returned, over the name in the grid that has most values; see `Sweep.svg`."""
    (heading, *lines), rows = str(result).splitlines(), result.table()
    grid = {name: list(dict.fromkeys(row[name] for row in rows)) for name in result.rows[0].point}
    names = sorted(grid, key=lambda name: (len(grid[name]) < 2, plot.scale_of(grid[name]) == "words", -len(grid[name])))
    x, by = names[0], next((name for name in reversed(names[1:]) if len(grid[name]) > 1), None)
    panels = [_curves(value, x, result._curves(x, value, by)) for value in result._numbers()]
    return Picture(heading, panels, "; ".join(["no training returned a number", *lines]))


def _curves(title: str, label: str, found: Mapping[str, Mapping[Any, Sequence[float]]], log: bool = False) -> Axes:
    """A curve for each name: at each place the mean of the finite values, in a band from the least to the largest."""
    at = list(dict.fromkeys(place for curve in found.values() for place in curve))
    kind = plot.scale_of(at)
    where = dict(zip(at, range(len(at)), strict=True)) if kind == "words" else {place: place for place in sorted(at)}
    every = np.array([value for curve in found.values() for values in curve.values() for value in values], float)
    every = every[np.isfinite(every)]
    log = log or bool(every.size and every.max() / 100 > every.min() > 0)
    axes = Axes(begin(title, 50), list(where.values()), [begin(place, 10) for place in where], label, every, log, kind == "log")
    for i, (name, curve) in enumerate(list(found.items())[:CURVES]):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS)]
        at = [place for place in where if place in curve]
        finite = [[value for value in curve[place] if math.isfinite(value)] for place in at]
        low, high = ([f(values) if values else None for values in finite] for f in (min, max))
        mean = [sum(values) / len(values) if values else None for values in finite]
        places, names = [where[place] for place in at], [f"{name}, {label} {place}" for place in at]
        axes.key(name, "\N{BLACK CIRCLE}", colour, dash, mean)
        axes.band(places, low, high, colour)
        axes.line(places, mean, colour, dash)
        axes.dots(places, mean, colour, names)
        lost = [math.nan if len(values) < len(curve[place]) else None for place, values in zip(at, finite, strict=True)]
        axes.dots(places, lost, colour, names)
    if len(found) > CURVES:
        axes.key(f"and {len(found) - CURVES} more, which are not drawn")
    axes.key("mean, in a band from the least to the largest")
    return axes
