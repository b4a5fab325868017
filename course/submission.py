"""Reads what a student handed in, hw3.py or hw3.ipynb, into cells that can be run one by one. Nothing of it is run here.

The file may be anything: whatever cannot be read is a `ValueError` with a sentence for the student, and that is all.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

LARGEST = 5_000_000  # bytes of a submission
MOST = 1000  # cells of code


@dataclass(frozen=True)
class Piece:
    """A cell of code: `file` is what a traceback calls it, and `line` where it begins there."""

    source: str
    question: str
    file: str
    line: int

    @property
    def where(self) -> str:
        return f"the cell at line {self.line}" if self.file.endswith(".py") else self.file


@dataclass
class Submission:
    """What was handed in: code to run, the text of each file, what was written to be read, by question, and notes."""

    file: str
    pieces: list[Piece] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    reports: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find(folder: Path, name: str) -> Path:
    """The submission in a folder: hw3.py, or hw3.ipynb where there is no hw3.py."""
    for path in (folder / f"{name}.py", folder / f"{name}.ipynb"):
        if os.path.lexists(path):
            return path
    raise ValueError(f"there is neither {name}.py nor {name}.ipynb in {folder}")


def read(path: Path, name: str) -> Submission:
    """The submission in this file, for the assignment of this name."""
    file = name + path.suffix
    text = _text(path, file)
    submission = _from_notebook(text, file) if path.suffix == ".ipynb" else _from_script(text, file)
    if len(submission.pieces) > MOST:
        raise ValueError(
            f"{file} has {len(submission.pieces)} cells of code, of which {MOST} can be run: hand in your answers alone"
        )
    if path.suffix == ".py" and os.path.lexists(path.with_suffix(".ipynb")):
        submission.notes.append(f"{name}.ipynb is there, too, and was left alone")
    return submission


def _from_script(text: str, file: str) -> Submission:
    """The cells between the lines `# %%`: a cell of text is a comment, and code that was written below it is code."""
    submission, line = Submission(file, texts={file: text}), 1
    for source in re.split(r"^(?=# ?%%)", text, flags=re.MULTILINE):
        marker = source.partition("\n")[0] if re.match("# ?%%", source) else ""
        marks = dict(re.findall(r'\b(\w+)="([^"]*)"', marker[:1000]))
        if marks.get("part") == "report":
            submission.reports[marks.get("question", "")] = re.sub("^# ?", "", source.partition("\n")[2], flags=re.MULTILINE)
        _add(submission, source, marks, file, line)
        line += source.count("\n")
    return submission


def _from_notebook(text: str, file: str) -> Submission:
    submission = Submission(file)
    try:
        for number, cell in enumerate(nbformat.reads(text, as_version=4).cells, start=1):
            if cell.cell_type == "markdown" and cell.metadata.get("part") == "report":
                submission.reports[str(cell.metadata.get("question", ""))] = str(cell.source)
            if cell.cell_type == "code":
                _add(submission, str(cell.source), cell.metadata, f"{file}, cell {number}", 1)
                submission.texts[f"{file}, cell {number}"] = str(cell.source)
    except Exception as error:  # of many kinds, and with texts for programmers
        raise ValueError(f"{file} cannot be read as a notebook: open it in Jupyter, and save it again") from error
    return submission


def _add(submission: Submission, source: str, marks: Mapping[str, Any], file: str, line: int) -> None:
    """A cell of code, unless it is a test, or nothing but comments."""
    if marks.get("part") not in ("tests", "public", "hidden") and re.search(r"^[ \t]*[^#\s]", source, re.MULTILINE):
        submission.pieces.append(Piece(source, str(marks.get("question", "")), file, line))


def _text(path: Path, file: str) -> str:
    """The text of a plain file, and of no link, pipe or device."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)) as opened:
            plain = stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
            data = opened.read(LARGEST + 1) if plain else b""
    except OSError as error:
        if path.is_symlink():
            raise ValueError(f"{file} is a link: hand in the file itself") from error
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    if not plain:
        raise ValueError(f"{file} is not a file")
    if len(data) > LARGEST:
        remedy = ": clear its outputs in Jupyter, and save it again" if path.suffix == ".ipynb" else ""
        raise ValueError(f"{file} is larger than {LARGEST // 1_000_000} MB{remedy}")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not in UTF-8: save it as such") from error
