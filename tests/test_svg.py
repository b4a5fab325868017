"""Tests where marks stand in the pictures, by hand-worked arithmetic; that all has a picture; what readers are told."""

import base64
import math
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from itertools import pairwise

import numpy as np
import pytest

from minidl import flow, nn, optim, svg
from minidl import functional as F
from minidl.flow import Comparison, FlowReport, Histogram, LayerRecord, Sweep
from minidl.random import Generator
from minidl.sweep.result import Row

X, Y = Generator(5).normal((16, 8)), np.arange(16) % 3
NAME = "{http://www.w3.org/2000/svg}"
HOSTILE = """"><script>alert('&')</script>\x00\ud800"""


def panels(picture):
    """The panels of a picture, by their titles."""
    found = ET.fromstring(picture).findall(f".//{NAME}svg")
    return {panel.find(f"{NAME}text").text: panel for panel in found}


def marks(panel, tag, *names):
    """What the elements of a kind say to who points at them, and these attributes of them."""
    found = [element for element in panel.iter(f"{NAME}{tag}") if element.find(f"{NAME}title") is not None]
    return {element.find(f"{NAME}title").text: tuple(element.get(name) for name in names) for element in found}


def texts(element):
    return [text.text for text in element.iter(f"{NAME}text")]


def test_a_report_has_its_numbers_where_the_axes_say():
    """Between 46 and 352 stand 0 to 2 with a twentieth of 2 on each side: 2.2 are 306 pixels, and 0 is at 46 + 0.1 / 2.2 306.

    Between 168 and 26 stand the logarithms -1 to 1 with 0.2 on each side: 2.4 are 142 pixels, and 1 is in the middle.
    """
    report = FlowReport(
        [
            LayerRecord("a", "Linear", 0.0, 0.1, predicted_std=0.1, std_spread=0.0),
            LayerRecord("b", "Tanh", 0.0, 1.0),
            LayerRecord("c", "Linear", 0.0, 10.0, predicted_std=1.0, std_spread=0.0),
        ]
    )
    forward = panels(report.svg())["Forward: standard deviation of the outputs"]
    assert marks(forward, "circle", "cx", "cy") == {
        "a Linear: 0.1": ("59.9", "156.2"),
        "b Tanh: 1": ("199.0", "97.0"),
        "c Linear: 10": ("338.1", "37.8"),
    }
    assert "M59.9 156.2L338.1 97.0" in [path.get("d") for path in forward.iter(f"{NAME}path")]  # theory
    assert {"0.1", "1", "10", "a", "b", "c", "Linear", "Tanh", "theory, with two standard deviations"} <= set(texts(forward))


def test_the_band_is_two_spreads_wide():
    """exp(2 s) = 10 for s = ln 10 / 2, so it reaches from 0.1 to 10 around 1; in pixels as above, at both layers."""
    report = FlowReport([LayerRecord("a", "Linear", 0.0, 1.0, predicted_std=1.0, std_spread=math.log(10) / 2)] * 2)
    forward = panels(report.svg())["Forward: standard deviation of the outputs"]
    (band,) = [path for path in forward.iter(f"{NAME}path") if path.get("opacity") == "0.25"]
    assert band.get("d") == "M59.9 156.2L338.1 156.2L338.1 37.8L59.9 37.8Z"


def test_a_histogram_is_as_high_as_its_counts():
    """The largest count is 52 pixels high, from 94 up to 42; the width of 344 is for three bins."""
    histogram = Histogram(np.array([1, 2, 4]), -1.0, 2.0)
    record = LayerRecord("a", "Tanh", 0.0, 1.0, grad_std=1.0, out_histogram=histogram, grad_histogram=histogram)
    for which in ("outputs", "gradients"):
        panel = panels(FlowReport([record]).svg())[f"Histograms of the {which}"]
        assert marks(panel, "path", "d") == {"a Tanh: -1 to 2": ("M8.0 94V81.0h114.67V68.0h114.67V42.0h114.67V94Z",)}
        assert texts(panel)[1:] == ["a Tanh", "-1", "2"]


def test_the_fractions_are_those_of_units_and_outputs():
    """0 to 1 with a twentieth on each side: 1.1 are 142 pixels. 0.5 is in the middle, 1 is at 26 + 0.05 / 1.1 142."""
    records = [
        LayerRecord("a", "Linear", 0.0, 1.0, distinct_units=2, units=4),
        LayerRecord("b", "ReLU", 0.0, 1.0, saturated=1.0, dead=0.0),
    ]
    assert marks(panels(FlowReport(records).svg())["Fractions"], "circle", "cy") == {
        "a Linear, distinct units: 0.5": ("97.0",),
        "b ReLU, saturated outputs: 1": ("32.5",),
        "b ReLU, dead units: 0": ("161.5",),
    }


def test_what_has_no_logarithm_is_a_ring_and_what_is_not_finite_a_cross():
    records = [LayerRecord(str(std), "Linear", 0.0, std) for std in (1.0, 0.0, math.nan, math.inf)]
    forward = panels(FlowReport(records).svg())["Forward: standard deviation of the outputs"]
    assert marks(forward, "circle", "fill", "cy") == {
        "1.0 Linear: 1": (svg.COLOURS[0], "97.0"),
        "0.0 Linear: 0": ("none", "163"),
    }
    assert list(marks(forward, "path")) == ["nan Linear: nan", "inf Linear: inf"]
    assert {"exactly 0", "not finite"} <= set(texts(forward))


def test_a_comparison_has_means_and_bands_and_says_which_seeds_diverged():
    """The losses 0.1 to 10 and the epochs 0 to 2 are placed as above; so are the accuracies 0 to 1, linearly."""
    losses = {"x": np.array([[10.0, 1.0, math.nan], [10.0, 0.1, 0.1]]), "y": np.full((2, 3), math.nan)}
    accuracies = {"x": np.array([[0.0, 1.0, 0.5], [0.0, 0.0, 0.5]]), "y": np.full((2, 3), 0.5)}
    found = panels(Comparison([0, 1], losses, accuracies).svg())
    mean = 97 - math.log10(0.55) / 2.4 * 142
    points = marks(found["Loss on the training data"], "circle", "cx", "cy")
    assert points == {
        "x, epoch 0: 10": ("59.9", "37.8"),
        "x, epoch 1: 0.55": ("199.0", f"{mean:.1f}"),
        "x, epoch 2: 0.1": ("338.1", "156.2"),
    }
    crosses = marks(found["Loss on the training data"], "path")
    assert list(crosses) == ["x, epoch 2: nan", *(f"y, epoch {epoch}: nan" for epoch in range(3))]
    band = "M59.9 37.8L199.0 156.2L338.1 156.2L338.1 156.2L199.0 97.0L59.9 37.8Z"
    assert band in [path.get("d") for path in found["Loss on the training data"].iter(f"{NAME}path")]
    assert marks(found["Accuracy on held-out data"], "circle", "cy")["x, epoch 1: 0.5"] == ("97.0",)


def test_a_sweep_is_drawn_over_its_longest_numbers_and_along_the_scale_that_they_have():
    """0.01, 0.1, 1 are evenly spaced on a logarithmic axis: -2 to 0, and a room of 0.2; 2.4 are 306 pixels."""
    points = [{"init": init, "lr": lr} for init in ("a", "b") for lr in (0.01, 0.1, 1)]
    rows = [Row(p, s, {"loss": p["lr"] + s, "curve": [1.0]}, None) for p in points for s in (0, 1)]
    rows[0] = Row(points[0], 0, None, "RuntimeError: no")
    picture = Sweep(rows).svg()
    found = panels(picture)
    assert list(found) == ["loss"]  # a curve is no number
    places = marks(found["loss"], "circle", "cx", "fill")
    assert places["init=b, lr 0.1: 0.6"] == ("199.0", svg.COLOURS[1])
    assert places["init=a, lr 0.01: 1.01"] == ("71.5", svg.COLOURS[0])  # of the seed that did not fail
    assert {"init=a", "init=b", "lr"} <= set(texts(found["loss"]))
    assert "6 points x 2 seeds: 11 finished, 1 failed" in picture


def test_a_heat_map_has_a_colour_for_each_value():
    """The least value is the first colour of viridis, the largest its last, and half-way the fifth of nine."""
    picture = svg._png(np.array([[0.0, 1.0], [math.nan, 0.5]]), 0.0, 1.0, svg.VIRIDIS)
    bytes_ = base64.b64decode(picture.removeprefix("data:image/png;base64,"))
    chunks, at = {}, 8
    while at < len(bytes_):
        (length,) = struct.unpack(">I", bytes_[at : at + 4])
        kind, contents = bytes_[at + 4 : at + 8], bytes_[at + 8 : at + 8 + length]
        assert struct.unpack(">I", bytes_[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + contents),)
        chunks[kind] = contents
        at += 12 + length
    width, height, *_ = struct.unpack(">2I5B", chunks[b"IHDR"])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + width)
    assert not lines[:, 0].any()
    index = np.array([[lines[row, column] for column in (1, width)] for row in (0, height - 1)])
    colours = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)[index]
    assert colours[0].tolist() == [[68, 1, 84], [253, 231, 37]]
    assert colours[1, 1].tolist() == [33, 145, 140]
    assert [chunks[b"tRNS"][i] for i in index.ravel()] == [255, 255, 0, 255]
    assert (lines[: height // 2, 1 : 1 + width // 2] == index[0, 0]).all()


def mlp(depth=3, initializer="xavier_uniform", width=8):
    sizes = [8, *[width] * depth]
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b, weight_init=initializer, rng=a), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, 3, rng=0))


def watched(model, steps=6, lr=0.1):
    optimizer = optim.SGD(model.parameters(), lr=lr)
    with np.errstate(all="ignore"), flow.watch(model, every=2) as w:
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(model(X), Y).backward()
            optimizer.step()
    return w


def test_what_a_training_did_has_a_row_for_each_layer():
    found = panels(watched(mlp(initializer="zeros")).svg())
    assert list(found) == [
        "Step of the weights, relative to their size",
        "Gradient of the weights",
        "Units that differ",
        "Dead units",
    ]
    assert {"1 ReLU", "3 ReLU", "5 ReLU", "step 0", "6"} <= set(texts(found["Dead units"]))
    assert "exactly 0, not finite or not measured" in texts(found["Gradient of the weights"])
    assert len(list(found["Dead units"].iter(f"{NAME}image"))) == 2  # the map, and what its colours mean


def sweep(values, **point):
    return Sweep([Row({"a": i, **point}, 0, {"value": value}, None) for i, value in enumerate(values)])


def cases():
    with np.errstate(all="ignore"):
        yield "overflow", flow.measure(mlp(initializer=1e30), X, Y)
    yield "forward only", flow.measure(mlp(), X)
    yield "zeros", flow.measure(mlp(initializer="zeros"), X, Y)
    yield "301 layers", flow.measure(mlp(150), X, Y)
    yield "one layer", flow.measure(nn.Linear(8, 3, rng=0), X, Y)
    yield "one unit", flow.measure(mlp(width=1), X, Y)
    yield "no layer", FlowReport([])
    yield "hostile names", FlowReport([LayerRecord(HOSTILE, HOSTILE, 0.0, 1.0, saturated=0.5)])
    yield "an impossible spread", FlowReport([LayerRecord("a", "b", 0.0, 1e300, predicted_std=5e-324, std_spread=1e9)])
    yield "no step", flow.watch(mlp())
    yield "a step", watched(mlp(), 1)
    yield "diverged", watched(mlp(), 12, 1e9)
    nothing = np.full((1, 2), math.nan)
    yield "nothing finite", Comparison([0], {HOSTILE: nothing}, {HOSTILE: nothing})
    yield (
        "more curves than colours",
        Comparison([0], {str(i): nothing for i in range(50)}, {str(i): nothing + i for i in range(50)}),
    )
    yield "all failed", Sweep([Row({HOSTILE: HOSTILE}, 0, None, HOSTILE)])
    yield "not finite", sweep([math.nan, math.inf, -math.inf])
    yield "huge", sweep([1.7e308, -1.7e308, 5e-324])
    yield "equal", sweep([3.0, 3.0], b=None)
    yield "one value", sweep([0.0])
    yield "words", Sweep([Row({HOSTILE: word, "b": None}, 0, {HOSTILE: True}, None) for word in (HOSTILE, None, 1.5, math.nan)])
    yield "no result for one", sweep([1.0, None])


CASES = dict(cases())


@pytest.mark.parametrize("name", CASES)
def test_everything_has_a_picture_whose_marks_are_inside_it(name):
    for panel in panels(CASES[name].svg()).values():
        width, height = float(panel.get("width")), float(panel.get("height"))
        for element in panel.iter():
            for attribute, limit in (("x", width), ("y", height), ("cx", width), ("cy", height)):
                if element is not panel and (value := element.get(attribute)) is not None:
                    assert 0 <= float(value) <= limit, (element.attrib, limit)
            absolute = re.sub(r"[hl][^A-Z]*", "", element.get("d") or "")  # without steps relative to the last place
            assert re.fullmatch(r"[MLHVZ0-9. ]*", absolute)
            assert all(0 <= float(number) <= max(width, height) for number in re.findall(r"[0-9.]+", absolute))
        assert len(texts(panel)) > 1


@pytest.mark.parametrize("name", CASES)
def test_texts_are_not_cut_off(name):
    """A letter of a sans-serif font is about half as wide as high."""
    picture = ET.fromstring(CASES[name].svg())
    for panel in (picture, *picture.findall(f"{NAME}svg")):
        for text in panel.findall(f"{NAME}text"):
            width = 0.5 * float(text.get("font-size")) * len(text.text or "")
            left = float(text.get("x")) - {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor")] * width
            assert left >= 0, text.text
            assert left + width <= float(panel.get("width")), text.text


@pytest.mark.parametrize("name", CASES)
def test_every_picture_has_a_title_for_a_screen_reader_in_svg_and_in_html(name):
    page = ET.fromstring(CASES[name]._repr_html_())
    pictures = page.findall(f".//{NAME}svg")
    assert pictures
    for element in (ET.fromstring(CASES[name].svg()), *pictures):
        assert element.get("role") == "img"
        assert element.get("aria-label") == element[0].text
        assert element[0].tag == f"{NAME}title"
        assert len(element[0].text) > 4


@pytest.mark.parametrize("name", CASES)
def test_a_picture_reaches_nothing_else_in_a_page(name):
    html = CASES[name]._repr_html_()
    assert not re.search(r"<(style|script)|\s(id|class|on\w+)=", html)
    (style,) = re.findall("<style>(.*?)</style>", CASES[name].svg())
    assert re.findall(r"([^{}]+){[^{}]*}", style) == ["svg:root", "svg:root"]  # not the root of a page, which is html


def test_names_are_shown_as_they_are():
    picture = CASES["hostile names"].svg()
    (says,) = marks(panels(picture)["Fractions"], "circle")
    assert says.startswith("\"><script>alert('&')</script>\ufffd\ufffd ")


def test_a_diagnosis_shows_its_findings_above_the_report():
    diagnosis = flow.diagnose(mlp(initializer="zeros"), X, Y)
    html = diagnosis._repr_html_()
    assert ET.fromstring(html).find("pre").text == str(diagnosis)
    assert html.index("clones") < html.index("Forward: standard deviation")


def contrast(one, other):
    """WCAG 2.2, "contrast ratio" and "relative luminance"."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_seen_on_white_and_on_black():
    """3 to 1 is what WCAG 2.2 asks of graphics, success criterion 1.4.11."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert min(contrast(colour, page) for colour in svg.COLOURS for page in ("#ffffff", "#1e1e1e", "#000000")) >= 3


def test_pictures_need_no_matplotlib():
    code = """
import sys
sys.modules["matplotlib"] = None
from minidl import flow, nn
report = flow.measure(nn.Linear(2, 2), [[1.0, 2.0]])
assert report.svg().startswith("<svg") and report._repr_html_().startswith("<div")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
