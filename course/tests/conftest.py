"""What the tests of the course share: the template as an assignment, and submissions of it."""

import shutil
from pathlib import Path

import pytest

from course.assignment import COURSE, load, solution


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The template, in a folder of its own."""
    folder = tmp_path_factory.mktemp("course") / "tiny"
    folder.mkdir()
    shutil.copy(COURSE / "template.py", folder / "spec.py")
    return load(str(folder))


@pytest.fixture
def answer(tiny, tmp_path):
    """A function that writes the template's solution, with some changes, as a submission, and returns its path."""

    def write(*changes: tuple[str, str], folder: str = "work") -> Path:
        parts = ("setup", "solution", "given")
        marks = {cell: f'# %% question="{cell.question}"' for cell in tiny.cells if cell.part in parts}
        text = "\n\n".join(f"{mark}\n{solution(cell)}" for cell, mark in marks.items()) + "\n"
        for old, new in changes:
            assert text.count(old) == 1
            text = text.replace(old, new)
        path = tmp_path / folder / "tiny.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return path

    return write
