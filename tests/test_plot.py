"""Tests what stands in the pictures: the numbers of the report, in the right places; and what happens without matplotlib."""

import io
import math
import pickle
import sys

import numpy as np
import pytest

from minidl import Tensor, flow, nn, optim, plot
from minidl import functional as F
from minidl.random import Generator

X, Y = Generator(5).normal((16, 8)), np.arange(16) % 3


def mlp(depth=3, initializer="xavier_uniform"):
    rng = Generator(0)
    layers = [m for _ in range(depth) for m in (nn.Linear(8, 8, weight_init=initializer, rng=rng), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(8, 3, rng=rng))


def watched(steps=6, initializer="xavier_uniform"):
    model = mlp(initializer=initializer)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with flow.watch(model, every=2) as w:
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(model(X), Y).backward()
            optimizer.step()
    return w


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        flow.measure(mlp(), X).plot()


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib")


@pytest.mark.usefixtures("matplotlib")
def test_the_points_of_a_report_are_what_was_measured_and_the_lines_what_was_predicted():
    report = flow.measure(mlp(), X, Y)
    forward, backward = plot.report(report).subfigs[0].axes
    points, line, _, others, *_ = forward.lines
    assert points.get_xdata().tolist() == [0, 2, 4, 6]
    assert points.get_ydata().tolist() == [report[str(i)].out_std for i in (0, 2, 4, 6)]
    assert line.get_ydata().tolist() == [report[str(i)].predicted_std for i in (0, 2, 4, 6)]
    assert others.get_ydata().tolist() == [report[str(i)].out_std for i in (1, 3, 5)]
    assert backward.lines[0].get_ydata().tolist() == [report[str(i)].grad_ratio for i in (0, 2, 4, 6)]
    assert forward.get_yscale() == "log"


@pytest.mark.usefixtures("matplotlib")
def test_the_histograms_of_a_report_are_those_of_its_activations():
    report = flow.measure(mlp(), X, Y)
    axes = plot.report(report).subfigs[1].axes
    assert [a.get_title() for a in axes[:3]] == ["1\nReLU", "3\nReLU", "5\nReLU"]
    assert len(axes) == 6
    assert axes[0].patches[0].get_data().values.tolist() == report["1"].out_histogram.counts.tolist()
    assert axes[3].patches[0].get_data().values.tolist() == report["1"].grad_histogram.counts.tolist()


@pytest.mark.usefixtures("matplotlib")
@pytest.mark.parametrize(
    ("model", "options"),
    [
        (mlp(), {}),
        (mlp(20), {"y": Y}),
        (mlp(initializer="zeros"), {"y": Y}),  # nothing to put on a logarithmic axis
        (mlp(initializer=1e30), {"y": Y}),  # infinities
        (nn.Linear(8, 3, rng=0), {"y": Y}),
    ],
    ids=["forward only", "deep", "zeros", "overflow", "one layer"],
)
def test_every_report_can_be_drawn(model, options, tmp_path):
    report = flow.measure(model, X, **options)
    path = tmp_path / "report.png"
    report.plot(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("matplotlib")
def test_the_heat_maps_show_layers_by_steps():
    w = watched()
    updates, gradients, distinct, dead = [a for a in plot.watch(w).axes if a.images]
    np.testing.assert_allclose(updates.images[0].get_array(), np.log10(w.curves["update_ratio"][:, ::2].T))
    np.testing.assert_allclose(gradients.images[0].get_array(), np.log10(w.curves["weight_grad_norm"][:, ::2].T))
    assert distinct.images[0].get_array().tolist() == [[1.0] * 3] * 4  # all units differ
    assert dead.images[0].get_array().tolist() == w.curves["dead"][:, 1::2].T.tolist()
    assert [label.get_text() for label in dead.get_yticklabels()] == ["1 ReLU", "3 ReLU", "5 ReLU"]
    assert updates.get_xlim() == (0, 6)


@pytest.mark.usefixtures("matplotlib")
def test_updates_of_exactly_0_are_left_grey(tmp_path):
    w = watched(initializer="zeros")
    updates = next(a for a in plot.watch(w, tmp_path / "watch.png").axes if a.images)
    assert np.isnan(np.ma.filled(updates.images[0].get_array(), math.nan)).any()
    assert (tmp_path / "watch.png").stat().st_size > 10_000


@pytest.mark.usefixtures("matplotlib")
def test_a_notebook_shows_a_figure_as_a_picture():
    """By the method for that: https://ipython.readthedocs.io/en/stable/config/integrating.html"""
    assert flow.measure(mlp(), X).plot()._repr_png_().startswith(b"\x89PNG")
    figure = plot.new_figure(1, 1)
    figure.subplots().plot([1, 2])
    assert pickle.loads(pickle.dumps(figure))._repr_png_() == figure._repr_png_()


@pytest.mark.usefixtures("matplotlib")
@pytest.mark.parametrize(
    ("given", "written", "begins"),
    [
        ("name", "name.png", b"\x89PNG"),
        ("name.svg", "name.svg", b"<?xml"),
        ("name.pdf", "name.pdf", b"%PDF"),
        ("folder.d/name", "folder.d/name.png", b"\x89PNG"),
    ],
)
def test_the_suffix_says_the_format_and_without_one_it_is_png(given, written, begins, tmp_path):
    (tmp_path / "folder.d").mkdir()
    plot.save(plot.new_figure(1, 1), str(tmp_path / given))
    assert (tmp_path / written).read_bytes().startswith(begins)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / written]


@pytest.mark.usefixtures("matplotlib")
def test_a_picture_can_be_written_into_an_open_file(tmp_path):
    memory = io.BytesIO()
    flow.measure(mlp(), X).plot(memory)
    assert memory.getvalue().startswith(b"\x89PNG")
    figure = plot.new_figure(1, 1)
    with open(tmp_path / "picture", "wb") as file:
        plot.save(figure, file)
    assert (tmp_path / "picture").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(TypeError, match="open for bytes"):
        plot.save(figure, io.StringIO())


@pytest.mark.usefixtures("matplotlib")
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere/name.png", FileNotFoundError, "no such folder to write 'name.png' into.*nowhere"),
        ("name.jpx", ValueError, "Format 'jpx' is not supported"),
    ],
)
def test_a_place_where_no_picture_can_be_is_an_error_and_writes_nothing(name, error, message, tmp_path):
    with pytest.raises(error, match=message):
        plot.save(plot.new_figure(1, 1), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match="no step was measured"):
        plot.watch(flow.watch(mlp()))
    with flow.watch(nn.Sequential(nn.Flatten())) as w:
        w.model(Tensor(X, requires_grad=True)).sum().backward()
    with pytest.raises(ValueError, match="no layer has weights"):
        plot.watch(w)
    with pytest.raises(ValueError, match="no layer was called"):
        plot.report(flow.FlowReport([]))


@pytest.mark.usefixtures("matplotlib")
def test_what_is_exactly_0_is_marked_at_the_bottom_of_a_logarithmic_axis():
    report = flow.measure(mlp(initializer="zeros"), X, Y)
    _, backward = plot.report(report).subfigs[0].axes
    zeros = [line for line in backward.lines if line.get_fillstyle() == "none" and len(line.get_xdata())]
    assert sorted(x for line in zeros for x in line.get_xdata()) == [0, 1, 2, 3, 4]  # all before the last hidden layer's output


def forward_axis(*stds):
    """The axis of the outputs' sizes, after drawing: its limits, the labels that can be seen, and those between them."""
    figure = plot.report(flow.FlowReport([flow.LayerRecord(str(i), "Linear", 0.0, std) for i, std in enumerate(stds)]))
    figure.draw_without_rendering()
    axes = figure.subfigs[0].axes[0]
    low, high = axes.get_ylim()
    labels = [tick.label1.get_text() for tick in axes.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    return low, high, labels, {tick.label1.get_text() for tick in axes.yaxis.get_minor_ticks()}


@pytest.mark.usefixtures("matplotlib")
def test_a_narrow_range_has_room_around_it_and_ordinary_numbers():
    # matplotlib leaves 5 % of the logarithm: a factor of 4^0.05 = 1.0718 on either side of 1 to 4, then a factor of 1.6.
    low, high, labels, minor = forward_axis(1.0, 4.0, 2.0)
    assert (low, high) == pytest.approx((1 / 1.0718 / 1.6, 4 * 1.0718 * 1.6), rel=1e-4)
    assert labels == ["1", "2", "5"]
    assert minor <= {""}
    assert forward_axis(0.03, 0.03)[2] == ["0.01", "0.02", "0.05", "0.1"]  # around one value matplotlib leaves its decade


@pytest.mark.usefixtures("matplotlib")
@pytest.mark.parametrize(("largest", "narrow"), [(120.0, True), (130.0, False)])
def test_a_range_is_narrow_up_to_a_factor_of_200(largest, narrow):
    # With 5 % of the logarithm on either side the factor 120 becomes 120^1.1 = 194, and 130 becomes 211.
    low, high, labels, _ = forward_axis(1.0, largest)
    assert (high / low == pytest.approx(1.6**2 * largest**1.1)) == narrow
    assert (high / low == pytest.approx(largest**1.1)) != narrow
    assert (labels == ["0.5", "1", "2", "5", "10", "20", "50", "100", "200"]) == narrow  # 1 / 120^0.05 / 1.6 is 0.492


@pytest.mark.usefixtures("matplotlib")
def test_the_curves_of_a_comparison_go_over_the_epochs_in_a_band_of_their_seeds():
    compared = flow.compare({"a": "xavier_normal"}, epochs=2, seeds=2)
    for axes, curves in zip(plot.comparison(compared).axes, (compared.losses, compared.accuracies), strict=True):
        (line,), (band,) = axes.lines, axes.collections
        assert line.get_xdata().tolist() == list(range(curves["a"].shape[1]))
        assert line.get_ydata() == pytest.approx(curves["a"].mean(axis=0))
        edge = band.get_paths()[0].vertices
        assert set(edge[:, 0]) == set(line.get_xdata())
        assert {*edge[:, 1]} == {*curves["a"].min(axis=0), *curves["a"].max(axis=0)}


def test_names_with_dollar_signs_are_no_formulas(matplotlib, tmp_path):
    model = nn.Sequential(nn.Linear(8, 8, rng=0))
    setattr(model, "$\\x$", type("$\\y$", (nn.ReLU,), {})())
    setattr(model, "2", nn.Linear(8, 3, rng=1))
    flow.measure(model, X, Y).plot(tmp_path / "report.png")
    with flow.watch(model, every=1) as w:
        F.cross_entropy(model(X), Y).backward()
    w.plot(tmp_path / "watch.png")
    figure = flow.compare({"$\\z$": "zeros"}, epochs=1, seeds=1).plot(tmp_path / "compare.png")
    assert figure.legends[0].get_texts()[0].get_text() == r"\$\z\$"
    assert {file.name for file in tmp_path.iterdir()} == {"report.png", "watch.png", "compare.png"}


def test_a_picture_of_a_script_is_saved_and_named(tmp_path, capsys, matplotlib):
    plot.picture(tmp_path / "p.png", plot.new_figure, 1, 1)
    assert capsys.readouterr().out == f"Picture: {tmp_path / 'p.png'}\n"
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_script_goes_on_and_says_how_to_get_its_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    plot.picture(tmp_path / "p.png", plot.new_figure, 1, 1)
    assert capsys.readouterr().out.startswith("No picture: pictures need matplotlib: pip install matplotlib")
    assert list(tmp_path.iterdir()) == []
