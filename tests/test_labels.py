"""The Chinese labels: a figure has them where it has a font for them. Whether the table has all that the gallery shows is
tested where the gallery is run, in test_examples.py."""

import re
import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from minidl import plot

EXAMPLES = Path(__file__).parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))

from ledger import labels  # noqa: E402

SCRIPTS = [path for path in EXAMPLES.glob("*.py") if "plot.picture(" in path.read_text(encoding="utf-8")]


def figure():
    """Two panels that share an axis whose ticks are words, a legend, titles, and a label that has no translation."""
    figure = plot.new_figure(6, 3)
    left, right = figure.subplots(1, 2, sharey=True)
    for panel in (left, right):
        panel.plot([1, 2, 3], [0, 1, 2], label="scale 0.5")
        panel.set_yticks(range(3), ["zeros", "He", "large: std 1"])
        panel.set(title="relu: right on the test set", xlabel="not in the table")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", title="weights")
    figure.suptitle("layer 3\nstd 0.21")
    return figure


@pytest.fixture
def chinese_font():
    if labels.font() is None:
        pytest.skip("no Chinese font")


@pytest.mark.usefixtures("chinese_font")
def test_a_figure_shows_its_labels_in_chinese_and_no_boxes(tmp_path):
    drawn = labels.in_chinese(figure())
    plot.save(drawn, tmp_path / "picture.png")  # matplotlib warns where a font lacks a character; here a warning is an error
    left, right = drawn.axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["全零", "He", "过大：标准差 1"]
    assert [panel.get_title() for panel in (left, right)] == ["ReLU：测试集准确率"] * 2
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["尺度 0.5"]
    assert drawn.legends[0].get_title().get_text() == "权重"
    assert drawn.get_suptitle() == "第 3 层\n标准差 0.21"
    assert left.get_xlabel() == "not in the table"


def test_without_a_chinese_font_the_labels_stay_english_and_a_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(labels, "FONTS", {"No Such Font": "nosuchfont.ttc"})
    labels.font.cache_clear()
    try:
        left, _ = labels.in_chinese(figure()).axes
        labels.in_chinese(figure())
    finally:
        labels.font.cache_clear()
    assert left.get_title() == "relu: right on the test set"
    assert capsys.readouterr().out == "No Chinese font is installed, so the labels stay English: apt install fonts-noto-cjk\n"


def test_a_picture_is_saved_in_both_languages_until_the_block_ends(tmp_path):
    with labels.both_languages():
        plot.picture(tmp_path / "both.png", figure)
    plot.picture(tmp_path / "one.png", figure)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.png", "both.zh-CN.png", "one.png"]
    assert (tmp_path / "both.png").read_bytes() == (tmp_path / "one.png").read_bytes()


def test_the_command_draws_a_script_in_both_languages(tmp_path, monkeypatch):
    script, out = EXAMPLES / "initializers.py", tmp_path / "picture.png"
    monkeypatch.setattr(sys, "argv", ["labels.py", str(script), "--quick", "--out", str(out)])
    runpy.run_path(labels.__file__, run_name="__main__")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture.png", "picture.zh-CN.png"]


@pytest.mark.usefixtures("chinese_font")
def test_the_two_pictures_differ(tmp_path):
    with labels.both_languages():
        plot.picture(tmp_path / "both.png", figure)
    assert (tmp_path / "both.png").read_bytes() != (tmp_path / "both.zh-CN.png").read_bytes()


def test_the_table_has_no_label_that_no_script_shows():
    sources = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    assert [label for label in labels.LABELS if label.replace("\n", "\\n") not in sources] == []


def test_a_pattern_has_a_place_for_each_of_its_groups():
    for pattern, chinese in labels.PATTERNS.items():
        assert chinese.count("{}") == re.compile(pattern).groups
