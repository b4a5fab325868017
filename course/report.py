"""What is said of an outcome, question by question, in plain sentences: for a student's terminal, an instructor's pages."""

from collections.abc import Sequence

from .assignment import Assignment, Test
from .process import Outcome, Result
from .submission import Submission


def score(tests: Sequence[Test], results: dict[str, Result]) -> int:
    return sum(test.points for test in tests if results[test.name].passed)


def lines(assignment: Assignment, tests: Sequence[Test], submission: Submission, outcome: Outcome, hidden: str) -> list[str]:
    """The report; `hidden` says how much of the hidden tests: "reasons", "names" or "nothing"."""
    found: list[str] = []
    for number, question in enumerate(assignment.questions, start=1):
        asked = [test for test in tests if test.question == question]
        if not asked:
            continue
        total = sum(test.points for test in asked)
        found += ["", f"{_title(assignment, number, question)}: {score(asked, outcome.results)} of {total} points"]
        for test in asked:
            if not test.hidden or hidden != "nothing":
                found += _test(test, outcome.results[test.name], reasons=not test.hidden or hidden == "reasons")
    notes = [*submission.notes, *outcome.notes]
    broken = [f"{submission.pieces[i].where}: {why}" for i, why in sorted(outcome.failed.items()) if i < len(submission.pieces)]
    for title, said in (("Cells that did not run", broken), ("Notes", notes)):
        if said:
            found += ["", f"{title}:", *(f"  {part}" for line in said for part in line.splitlines())]
    return found


def first_step(assignment: Assignment, tests: Sequence[Test], submission: Submission, outcome: Outcome) -> str:
    """What to do next."""
    open_tests = [test for test in tests if not outcome.results[test.name].passed]
    if not open_tests:
        return "All tests that you can see pass."
    question = open_tests[0].question
    title = _title(assignment, assignment.questions.index(question) + 1, question)
    if all(outcome.results[test.name].unwritten for test in tests):
        return f"Nothing is written yet. Open {submission.file} and begin with {title}; then run this command again."
    return f"Go on with {title}."


def _title(assignment: Assignment, number: int, question: str) -> str:
    heading = assignment.heading(question)
    return heading if heading.lower().startswith("question") else f"Question {number}: {heading}"


def _test(test: Test, result: Result, reasons: bool) -> list[str]:
    mark = f"{test.points if result.passed else 0} / {test.points}"
    told = f"{test.sentence}{' (hidden)' * test.hidden}"
    reason = [f"         {line}" for line in result.reason.splitlines()] if reasons and not result.passed else []
    return [f"  {mark:<6} {told}", *reason]
