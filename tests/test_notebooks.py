"""The lessons in notebooks/ run, from the first cell to the last, and the notebooks beside them are made of them."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent
LESSONS = sorted(ROOT.glob("notebooks/[0-9]_*.py"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_as_a_script(path, monkeypatch, capsys):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    runpy.run_path(str(path))
    assert capsys.readouterr().out
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_notebook_is_that_of_its_lesson_and_small(path):
    tool = SimpleNamespace(**runpy.run_path(str(ROOT / "tools/notebooks.py")))
    assert tool.is_current(path), "run python tools/notebooks.py"
    assert path.with_suffix(".ipynb").stat().st_size < 400_000


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_exercises_and_narrow_lines(path):
    text = path.read_text(encoding="utf-8")
    assert "# ## Exercises" in text
    assert max(map(len, text.splitlines())) <= 128
