"""`python -m course grade hw3 submissions/`, for instructors: each submission in a process of its own, to a CSV and pages.

Whatever a submission is or does, it has its row: an error of one is a remark there, and the others go on.
"""

import csv
import hashlib
import html
import io
import os
import queue
import resource
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from minidl.script import progress

from . import process, report, submission
from .assignment import Assignment, Test, load
from .folders import written_whole

OF_THE_SYSTEM = {".DS_Store", ".git", ".ipynb_checkpoints", "__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}


@dataclass
class Graded:
    """A row of the CSV, and a page."""

    student: str
    score: int
    by_question: list[int]
    remark: str
    page: str


def grade(
    name: str, folder: Path, out: Path | None = None, by_student: bool = False, hidden: str = "reasons", jobs: int | None = None
) -> str:
    """Grade what is in the folder, write `out`, and return a summary.

    Run by root, each submission runs as a user of its own, who may read neither `folder` nor the assignment: both are closed
    to everybody but their owner.
    """
    assignment = load(name)
    entries, others = _entries(folder, assignment.name)
    places, warning = process.places(_at_a_time(jobs))
    free: queue.SimpleQueue[process.Place] = queue.SimpleQueue()
    for place in places:
        free.put(place)
    if os.getuid() == 0:
        for private in (assignment.folder, folder):
            private.chmod(stat.S_IMODE(private.stat().st_mode) & 0o700)

    def one(entry: tuple[str, Path]) -> Graded:
        place = free.get()
        try:
            return _grade(assignment, *entry, by_student, hidden, place)
        finally:
            free.put(place)

    out = out or Path(os.path.abspath(folder)).with_name(Path(os.path.abspath(folder)).name + "-graded")
    with written_whole(out) as new, ThreadPoolExecutor(len(places)) as pool:
        for private in (new, out):  # the grades of everybody
            if private.exists():
                private.chmod(0o700)
        try:
            graded = list(progress(pool.map(one, entries), total=len(entries), unit="submission", disable=None))
        except BaseException:  # SystemExit, where it was stopped
            process.STOP.set()
            pool.shutdown(cancel_futures=True)
            raise
        (new / "grades.csv").write_bytes(_table(assignment, graded))
        (new / "pages").mkdir()
        for row in graded:
            (new / "pages" / f"{file_name(row.student)}.md").write_text(row.page, encoding="utf-8")
    whole = sum(test.points for test in assignment.tests)
    mean = sum(row.score for row in graded) / len(graded)
    remarks = sum(bool(row.remark) for row in graded)
    said = [warning] if warning else []
    if others:
        said.append(f"Left alone, for they are neither .py nor .ipynb nor a folder: {process.clean(', '.join(others))}")
    count = f"{len(graded)} submission{'s' * (len(graded) != 1)}"
    said.append(f"{count}, {mean:.1f} of {whole} points on average; {remarks} with a remark.")
    return "\n".join([*said, f"{out / 'grades.csv'}, and a page for each in {out / 'pages'}"])


def _at_a_time(jobs: int | None) -> int:
    """How many submissions: by default one for each processor, and no more than there are open files for, 12 each at most."""
    processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = 64 if files == resource.RLIM_INFINITY else max(1, (files - 40) // 12)
    return min(jobs or len(processors), 64, room)


def _entries(folder: Path, name: str) -> tuple[list[tuple[str, Path]], list[str]]:
    """Each student's ID with the folder or the file, and the names of what is neither."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    found: dict[str, Path] = {}
    others = []
    for path in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
        is_folder = path.is_symlink() or path.is_dir()  # where a link leads is not asked; `_grade` refuses it
        is_file = path.suffix in (".py", ".ipynb") and (path.is_symlink() or not is_folder)
        if path.name in OF_THE_SYSTEM or path.name.startswith("._"):
            continue
        if is_file or is_folder:
            student = path.stem if is_file else path.name
            found[path.name if student in found else student] = path
        else:
            others.append(path.name)
    if not found:
        raise ValueError(f"{folder} holds no submission: expected ID/{name}.py, ID/{name}.ipynb, ID.py or ID.ipynb")
    return list(found.items()), others


def _grade(assignment: Assignment, student: str, path: Path, by_student: bool, hidden: str, place: process.Place) -> Graded:
    title = f"# {_line(student)}: {assignment.title}\n"
    try:
        if path.is_symlink():
            raise ValueError(f"{path.name} is a link: hand in the file itself")
        file = submission.find(path, assignment.name) if path.is_dir() else path
        handed_in = submission.read(file, assignment.name)
        seed = os.fsencode(student).decode("utf-8", "backslashreplace") if by_student else None
        outcome = process.run(handed_in, assignment, assignment.tests, seed, place)
    except Exception as error:  # a bug of ours must not cost the others their grades
        known = isinstance(error, ValueError)
        remark = process.clean(str(error) if known else f"not graded, for an error of the grader: {error!r}")
        return Graded(student, 0, [0] * len(_graded_questions(assignment)), remark, f"{title}\n{_block([remark])}\n")
    score = report.score(assignment.tests, outcome.results)
    told = report.lines(assignment, assignment.tests, handed_in, outcome, hidden)
    parts = [title, f"{score} / {sum(test.points for test in assignment.tests)}", _block(told)]
    for cell in assignment.reports:
        written = handed_in.reports.get(cell.question, "(not found)")
        parts += [f"To be graded by a person, {cell.points} points: {cell.question}", _block(written.splitlines())]
    if outcome.output.strip():
        parts += ["What it printed, from the beginning:", _block(outcome.output.splitlines()[:40])]
    remark = f"{len(outcome.failed)} cell{'s' * (len(outcome.failed) > 1)} did not run" if outcome.failed else ""
    by_question = [report.score(tests, outcome.results) for tests in _graded_questions(assignment).values()]
    return Graded(student, score, by_question, remark, process.clean("\n\n".join(parts)) + "\n")


def _graded_questions(assignment: Assignment) -> dict[str, list[Test]]:
    tested = {question: [test for test in assignment.tests if test.question == question] for question in assignment.questions}
    return {question: tests for question, tests in tested.items() if tests}


def _block(lines: Iterable[str]) -> str:
    """Lines that Markdown shows as they are."""
    return "\n".join(f"    {part}" for line in lines for part in line.splitlines() or [""])


def _line(text: str) -> str:
    """Text that Markdown shows as it is within a line."""
    return html.escape(" ".join(process.clean(text).splitlines()))


def _table(assignment: Assignment, graded: list[Graded]) -> bytes:
    questions = [f"{name} of {sum(test.points for test in tests)}" for name, tests in _graded_questions(assignment).items()]
    by_hand = [f"{cell.question} of {cell.points}, by hand" for cell in assignment.reports]
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["id", f"score of {sum(test.points for test in assignment.tests)}", *questions, *by_hand, "remark"])
    for row in graded:
        table.writerow(
            [_plain(process.clean(row.student)), row.score, *row.by_question, *[""] * len(by_hand), _plain(row.remark)]
        )
    return text.getvalue().encode("utf-8-sig", "backslashreplace")  # with the mark by which spreadsheets know UTF-8


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text


def file_name(student: str) -> str:
    """A name for the page that every file system takes, and that is a name and no path; different for different students.

    Examples
    --------
    >>> file_name("../=cmd")
    '..%2F%3Dcmd'
    """
    parts = [c if c.isalnum() or c in "-_.@ " else "".join(f"%{byte:02X}" for byte in os.fsencode(c)) for c in student]
    name = "".join(parts)
    short = len(os.fsencode(name)) <= 150
    return name if short else name[:40] + "-" + hashlib.sha256(os.fsencode(student)).hexdigest()[:16]
