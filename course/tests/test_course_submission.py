"""Reading what students hand in: scripts and notebooks as they are, and as nobody expects them."""

import os
import time

import nbformat
import pytest

from course import child, submission

SCRIPT = """import numpy as np

# %% [markdown] question="explain" part="report"
# Because.

# %% question="f"
def f(x):
    return x

# %% part="public" question="f"
def test_f():
    assert False
"""


def read(tmp_path, text, name="hw.py"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return submission.read(tmp_path / name, "hw")


def notebook(*sources, **metadata):
    cells = [nbformat.v4.new_code_cell(source, metadata=metadata) for source in sources]
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells))


def test_a_script_is_cut_into_cells_that_know_their_lines(tmp_path):
    found = read(tmp_path, SCRIPT)
    assert [(piece.question, piece.line) for piece in found.pieces] == [("", 1), ("f", 6)]
    assert found.pieces[1].source == '# %% question="f"\ndef f(x):\n    return x\n\n'
    assert found.reports == {"explain": "Because.\n\n"}


def test_code_below_a_cell_of_text_is_code(tmp_path):
    found = read(tmp_path, "# %% [markdown]\n# text\nx = 1\n")
    assert [piece.source for piece in found.pieces] == ["# %% [markdown]\n# text\nx = 1\n"]


def test_a_script_without_cells_is_one(tmp_path):
    assert [piece.source for piece in read(tmp_path, "x = 1\r\ny = 2\r\n").pieces] == ["x = 1\ny = 2\n"]


@pytest.mark.parametrize(
    ("cell", "becomes", "skipped"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1", ["%matplotlib inline"]),
        ("if True:\n    !pip install torch\n", "if True:\n    pass\n", ["!pip install torch"]),
        ("x?", "pass", ["x?"]),
        ("%%bash\nrm -r .", "", ["%%bash"]),
        ("%%time\nx = 1", "pass\nx = 1", ["%%time"]),
        ("x = (7\n%3)", "x = (7\n%3)", []),  # which is Python
        ('s = """\n%d\n"""', 's = """\n%d\n"""', []),
    ],
)
def test_lines_for_ipython_are_skipped(cell, becomes, skipped):
    assert child.without_magics(cell) == (becomes, skipped)


def test_the_tests_in_a_notebook_are_not_the_student_s_code(tmp_path):
    assert read(tmp_path, notebook("def test(): pass", part="public"), "hw.ipynb").pieces == []


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"cells": 3}', b"[" * 100_000, b'{"nbformat": 4, "cells": [{}]}', b"\xff"]
)
def test_what_is_no_notebook_is_refused(tmp_path, text):
    (tmp_path / "hw.ipynb").write_bytes(text)
    with pytest.raises(ValueError, match=r"hw\.ipynb (cannot be read as a notebook: open it in Jupyter|is not in UTF-8)"):
        submission.read(tmp_path / "hw.ipynb", "hw")


def make(path, kind):
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    elif kind == "latin":
        path.write_bytes("é".encode("latin-1"))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("link", "is a link: hand in the file itself"),
        ("pipe", "is not a file"),
        ("folder", "cannot be read: Is a directory"),
        ("large", "is larger than 5 MB"),
        ("latin", "is not in UTF-8"),
    ],
)
def test_what_is_no_text_file_is_refused(tmp_path, kind, words):
    make(tmp_path / "hw.py", kind)
    with pytest.raises(ValueError, match=words):
        submission.read(submission.find(tmp_path, "hw"), "hw")


def test_a_folder_without_a_submission(tmp_path):
    with pytest.raises(ValueError, match=r"there is neither hw\.py nor hw\.ipynb in"):
        submission.find(tmp_path, "hw")


def test_of_two_the_script_counts_and_the_other_is_named(tmp_path):
    (tmp_path / "hw.ipynb").write_text("{")
    assert read(tmp_path, "x = 1").notes == ["hw.ipynb is there, too, and was left alone"]
    assert submission.find(tmp_path, "hw").name == "hw.py"


def test_a_marker_of_any_length_is_read_at_once(tmp_path):
    assert read(tmp_path, "# %% " + "a" * 300_000 + "\nx = 1\n").pieces[0].question == ""


def test_a_script_with_the_line_ends_of_an_old_mac(tmp_path):
    assert read(tmp_path, "# %%\rx = 1\r# %%\ry = 2\r").pieces[1].source == "# %%\ny = 2\n"


@pytest.mark.parametrize("cell", ['{"cell_type": "code", "metadata": {}}', '{"metadata": {}, "source": "x"}'])
def test_a_notebook_with_half_a_cell(tmp_path, cell):
    with pytest.raises(ValueError, match="cannot be read as a notebook"):
        read(tmp_path, f'{{"cells": [{cell}], "metadata": {{}}, "nbformat": 4, "nbformat_minor": 5}}', "hw.ipynb")


@pytest.mark.parametrize("name", ["hw.py", "hw.ipynb"])
def test_more_cells_than_can_be_run(tmp_path, name):
    cell = '{"cell_type":"code","metadata":{},"source":"x","outputs":[],"execution_count":null}'
    texts = {
        "hw.py": "# %%\nx\n" * 100_000,
        "hw.ipynb": f'{{"cells": [{",".join([cell] * 50_000)}], "metadata": {{}}, "nbformat": 4, "nbformat_minor": 4}}',
    }
    begin = time.monotonic()
    with pytest.raises(ValueError, match=f"{name} has 1?[05]0000 cells of code, of which 1000 can be run: hand in"):
        read(tmp_path, texts[name], name)
    assert time.monotonic() - begin < 30


def test_a_notebook_of_100_mb(tmp_path):
    with (tmp_path / "hw.ipynb").open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(ValueError, match="is larger than 5 MB: clear its outputs in Jupyter, and save it again"):
        submission.read(tmp_path / "hw.ipynb", "hw")


def test_a_notebook_that_leads_nowhere_beside_the_script(tmp_path):
    (tmp_path / "hw.ipynb").symlink_to("a" * 300)
    assert "hw.ipynb is there, too, and was left alone" in read(tmp_path, SCRIPT).notes
