"""Every assignment: its solution has all points, its skeleton none, and each wrong answer its sentence and what is left.

Solution and skeleton are built, and graded in a process of their own, as a student's are. The wrong answers run here, one after
the other, since starting a process for each would take minutes; what a process adds is tested in test_course_process.py.
"""

import ast
import json
import runpy
import warnings

import pytest

from course import child, emit, gradescope, process, report, submission
from course.assignment import COURSE, load, names, solution

WRONG = [
    pytest.param(name, *wrong, id=f"{name}-{wrong[0]}")
    for name in names()
    for wrong in runpy.run_path(str(COURSE / name / "wrong.py"))["WRONG"]
]


def graded(assignment, old, new):
    """By test: what is said of the solution with `new` in the place of `old`, or nothing where it passes."""
    said, namespace = {}, {"__name__": assignment.name}
    with warnings.catch_warnings(action="ignore"):
        before = child.snapshot()
        exec(assignment.code("setup"), namespace)
        for cell in assignment.cells:
            if cell.part in ("solution", "given"):
                source = solution(cell) + "\n"
                source = source.replace(old, new) if cell.part == "solution" else source
                exec(compile(source, "answer.py", "exec"), namespace)
        exec("from course.expect import expect\n" + assignment.code("tests"), namespace)
        child.restore(before)
        for test in assignment.tests:
            exec(test.source, namespace)
            try:
                namespace[test.name]()
                said[test.name] = ""
            except BaseException as error:
                said[test.name] = child.reason(error, {"answer.py"}) or type(error).__name__
            child.restore(before)
    return said


def score(assignment, said):
    return sum(test.points for test in assignment.tests if not said[test.name])


@pytest.mark.parametrize("name", names())
def test_an_assignment_has_twenty_points_and_is_in_both_languages(name):
    assignment = load(name)
    by_hand = sum(cell.points for cell in assignment.reports)
    assert sum(test.points for test in assignment.tests) + by_hand == 20
    english, chinese = (
        [(c.part, c.question) for c in assignment.cells if c.kind == "markdown" and c.lang == lang] for lang in ("", "zh")
    )
    assert english == chinese
    for number, question in enumerate(assignment.questions, start=1):
        assert assignment.heading(question).startswith(f"Question {number}: ")
        assert assignment.heading(question, "zh").startswith(f"第 {number} 题：")


@pytest.mark.parametrize("name", names())
def test_what_helps_the_tests_has_no_name_of_a_students(name):
    """In a notebook they share one namespace, where a loop over `step` would take the place of a helper `step`."""
    helpers = ast.parse(load(name).code("tests")).body
    defined = [node.name for node in helpers if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assigned = [name.id for node in helpers if isinstance(node, ast.Assign) for name in _stored(node)]
    assert [name for name in defined + assigned if not name.startswith("_")] == []


def _stored(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def write(files, folder):
    folder.mkdir(parents=True)
    for path, content in files.items():
        (folder / path).write_text(content)


@pytest.mark.parametrize("name", names())
def test_the_solution_has_all_points_as_a_script_on_gradescope(name, tmp_path):
    assignment = load(name)
    write(emit.plain(assignment, "en", True), tmp_path / "submission")
    (tmp_path / "results").mkdir()
    gradescope.main(name, tmp_path)
    results = json.loads((tmp_path / "results" / "results.json").read_text())
    assert [test for test in results["tests"] if test["status"] != "passed"] == []
    assert results["score"] == sum(test.points for test in assignment.tests)


@pytest.mark.parametrize(("form", "lang", "solved"), [(emit.in_notebook, "zh", True), (emit.plain, "en", False)])
@pytest.mark.parametrize("name", names())
def test_the_solution_has_all_points_as_a_notebook_and_the_skeleton_none(name, form, lang, solved, tmp_path):
    assignment = load(name)
    write(form(assignment, lang, solved), tmp_path / "work")
    handed_in = submission.read(submission.find(tmp_path / "work", name), name)
    outcome = process.run(handed_in, assignment, assignment.tests)
    assert (outcome.failed, outcome.notes) == ({}, [])
    assert report.score(assignment.tests, outcome.results) == (sum(test.points for test in assignment.tests) if solved else 0)
    if not solved:
        assert all(result.unwritten for result in outcome.results.values()), outcome.results
        public = [test for test in assignment.tests if not test.hidden]
        assert "begin with Question 1" in report.first_step(assignment, public, handed_in, outcome, "en")


@pytest.mark.parametrize(("name", "wrong", "old", "new", "words", "left"), WRONG)
def test_a_wrong_answer_is_named_and_loses_its_points_alone(name, wrong, old, new, words, left):
    assignment = load(name)
    text = "".join(solution(cell) + "\n" for cell in assignment.cells if cell.part == "solution")
    assert text.count(old) == 1
    said = graded(assignment, old, new)
    report = "\n".join(f"{test}: {reason}" for test, reason in said.items() if reason)
    assert words in report
    assert score(assignment, said) + sum(cell.points for cell in assignment.reports) == left, report
