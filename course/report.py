"""What is said of an outcome, question by question, in plain sentences: for a student's terminal, an instructor's pages."""

from collections.abc import Sequence

from .assignment import Assignment, Test
from .process import Outcome, Result
from .submission import Submission

TEXTS = {  # what stands around the tests' own sentences, which are in English
    "en": {
        "question": "Question {number}: {title}",
        "score": "{title}: {score} of {points} points",
        "broken": "Cells that did not run:",
        "notes": "Notes:",
        "done": "All tests that you can see pass.",
        "begin": "Nothing is written yet. Open {file} and begin with {title}; then run this command again.",
        "go on": "Go on with {title}.",
        "unseen": "{points} more points are given by tests that you do not see.",
        "by hand": "{points} more points are given by a person.",
    },
    "zh": {
        "question": "第 {number} 题：{title}",
        "score": "{title}：{points} 分中得 {score} 分",
        "broken": "没有运行的单元格：",
        "notes": "说明：",
        "done": "你能看到的测试全部通过。",
        "begin": "还什么都没有写。请打开 {file}，从“{title}”开始；写好以后再运行这条命令。",
        "go on": "请接着做“{title}”。",
        "unseen": "另有 {points} 分来自你看不到的测试。",
        "by hand": "另有 {points} 分由人评定。",
    },
}


def score(tests: Sequence[Test], results: dict[str, Result]) -> int:
    return sum(test.points for test in tests if results[test.name].passed)


def lines(
    assignment: Assignment, tests: Sequence[Test], submission: Submission, outcome: Outcome, hidden: str, lang: str = "en"
) -> list[str]:
    """The report; `hidden` says how much of the hidden tests: "reasons", "names" or "nothing"."""
    found: list[str] = []
    texts = TEXTS[lang]
    for question in assignment.questions:
        asked = [test for test in tests if test.question == question]
        if not asked:
            continue
        points, title = sum(test.points for test in asked), _title(assignment, question, lang)
        found += ["", texts["score"].format(title=title, score=score(asked, outcome.results), points=points)]
        for test in asked:
            if not test.hidden or hidden != "nothing":
                found += _test(test, outcome.results[test.name], reasons=not test.hidden or hidden == "reasons")
    notes = [*submission.notes, *outcome.notes]
    broken = [f"{submission.pieces[i].where}: {why}" for i, why in sorted(outcome.failed.items()) if i < len(submission.pieces)]
    for title, said in ((texts["broken"], broken), (texts["notes"], notes)):
        if said:
            found += ["", title, *(f"  {part}" for line in said for part in line.splitlines())]
    return found


def first_step(assignment: Assignment, tests: Sequence[Test], submission: Submission, outcome: Outcome, lang: str) -> str:
    """What to do next."""
    open_tests = [test for test in tests if not outcome.results[test.name].passed]
    if not open_tests:
        return TEXTS[lang]["done"]
    title = _title(assignment, open_tests[0].question, lang)
    if all(outcome.results[test.name].unwritten for test in tests):
        return TEXTS[lang]["begin"].format(file=submission.file, title=title)
    return TEXTS[lang]["go on"].format(title=title)


def _title(assignment: Assignment, question: str, lang: str) -> str:
    heading = assignment.heading(question, "" if lang == "en" else lang)
    if heading.lower().startswith(("question", "第")):
        return heading
    return TEXTS[lang]["question"].format(number=assignment.questions.index(question) + 1, title=heading)


def _test(test: Test, result: Result, reasons: bool) -> list[str]:
    mark = f"{test.points if result.passed else 0} / {test.points}"
    told = f"{test.sentence}{' (hidden)' * test.hidden}"
    reason = [f"         {line}" for line in result.reason.splitlines()] if reasons and not result.passed else []
    return [f"  {mark:<6} {told}", *reason]
