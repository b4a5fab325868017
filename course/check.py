"""`python -m course check hw3`, for students: the public tests, and what to do next. The last line is score / points."""

from pathlib import Path

from . import report, submission
from .assignment import load
from .process import run


def check(name: str, folder: Path, lang: str = "en") -> list[str]:
    """The lines that are printed."""
    assignment = load(name)
    handed_in = submission.read(submission.find(folder, assignment.name), assignment.name)
    tests = [test for test in assignment.tests if not test.hidden]
    outcome = run(handed_in, assignment, tests)
    lines = [f"{assignment.heading('', '' if lang == 'en' else lang)} ({handed_in.file})"]
    lines += report.lines(assignment, tests, handed_in, outcome, "nothing", lang)
    lines += ["", report.first_step(assignment, tests, handed_in, outcome, lang)]
    unseen = sum(test.points for test in assignment.tests if test.hidden)
    if unseen:
        lines.append(report.TEXTS[lang]["unseen"].format(points=unseen))
    if assignment.reports:
        by_hand = sum(cell.points for cell in assignment.reports)
        lines.append(report.TEXTS[lang]["by hand"].format(points=by_hand))
    return [*lines, f"{report.score(tests, outcome.results)} / {sum(test.points for test in tests)}"]
