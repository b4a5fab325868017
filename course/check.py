"""`python -m course check hw3`, for students: the public tests, and what to do next. The last line is score / points."""

from pathlib import Path

from . import report, submission
from .assignment import load
from .process import run


def check(name: str, folder: Path) -> list[str]:
    """The lines that are printed."""
    assignment = load(name)
    handed_in = submission.read(submission.find(folder, assignment.name), assignment.name)
    tests = [test for test in assignment.tests if not test.hidden]
    outcome = run(handed_in, assignment, tests)
    lines = [f"{assignment.title} ({handed_in.file})", *report.lines(assignment, tests, handed_in, outcome, hidden="nothing")]
    lines += ["", report.first_step(assignment, tests, handed_in, outcome)]
    unseen = sum(test.points for test in assignment.tests if test.hidden)
    if unseen:
        lines.append(f"{unseen} more points are given by tests that you do not see.")
    if assignment.reports:
        lines.append(f"{sum(cell.points for cell in assignment.reports)} more points are given by a person.")
    return [*lines, f"{report.score(tests, outcome.results)} / {sum(test.points for test in tests)}"]
