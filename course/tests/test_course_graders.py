"""nbgrader and otter-grader, really run on what is built for them: solution, skeleton and a wrong answer of each assignment.

    pip install -e ".[graders]" && python -m pytest course -m graders

It takes some minutes for each assignment, so the default run leaves it out.
"""

import csv
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course import emit
from course.assignment import COURSE, load, names, skeleton, solution

pytestmark = pytest.mark.graders


def command(*words, cwd):
    """A program of the environment that runs these tests."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(words, cwd=cwd, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def answers(name):
    """Submissions, and the points that each has to get: what each solution cell becomes."""
    assignment = load(name)
    tested = sum(test.points for test in assignment.tests)
    by_hand = sum(cell.points for cell in assignment.reports)
    _, old, new, _, left = runpy.run_path(str(COURSE / name / "wrong.py"))["WRONG"][0]
    question = assignment.tests[0].question
    lost = sum(test.points for test in assignment.tests if test.question == question)

    def endless(cell):
        return solution(cell) + "\nwhile True:\n    pass" * (cell.question == question)

    return assignment, {
        "full": (solution, tested),
        "skeleton": (skeleton, 0),
        "wrong": (lambda cell: (solution(cell) + "\n").replace(old, new), left - by_hand),
        "endless": (endless, tested - lost),
    }


@pytest.mark.parametrize("name", names())
def test_nbgrader(name, tmp_path):
    assignment, submissions = answers(name)
    emit.build(name, "nbgrader", tmp_path / "built")
    course = tmp_path / "built" / "solution"
    command("nbgrader", "generate_assignment", name, "--create", cwd=course)
    cells = [cell for cell in emit.in_language(assignment, "en") if cell.part != "rubric"]
    for student, (written, _) in submissions.items():
        notebook = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
        for made, cell in zip(notebook.cells, cells, strict=True):
            assert "BEGIN" not in made.source
            if cell.part == "solution" and student != "skeleton":
                made.source = written(cell)
        folder = course / "submitted" / student / name
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{name}.ipynb")
    folder = course / "submitted" / "as-built" / name  # our own version of what is handed out
    folder.mkdir(parents=True)
    (folder / f"{name}.ipynb").write_bytes((tmp_path / "built" / "student" / f"{name}.ipynb").read_bytes())
    command("nbgrader", "autograde", name, "--Execute.timeout=10", cwd=course)
    command("nbgrader", "export", cwd=course)
    rows = csv.DictReader((course / "grades.csv").read_text().splitlines())
    scores = {row["student_id"]: float(row["raw_score"]) for row in rows}
    assert scores == {"as-built": 0} | {student: points for student, (_, points) in submissions.items()}


@pytest.mark.parametrize("name", names())
def test_otter(name, tmp_path):
    assignment, submissions = answers(name)
    emit.build(name, "otter", tmp_path / "built")
    course = tmp_path / "built" / "solution"
    command("otter", "assign", f"{name}.ipynb", "dist", "--no-run-tests", cwd=course)
    (archive,) = (course / "dist" / "autograder").glob("*.zip")
    handed_out = {"dist": course / "dist" / "student", "built": tmp_path / "built" / "student"}
    del submissions["endless"]  # otter has no limit of time
    for student, (written, points) in submissions.items():
        source = handed_out["built" if student == "skeleton" else "dist"] / f"{name}.ipynb"
        notebook = nbformat.read(source, as_version=4)
        stubs = {skeleton(cell).strip(): cell for cell in assignment.cells if cell.part == "solution"}
        found = [made for made in notebook.cells if made.source.strip() in stubs]
        assert len(found) == len(stubs)
        for made in found:
            made.source = written(stubs[made.source.strip()])
        results = tmp_path / student
        results.mkdir()
        nbformat.write(notebook, results / f"{name}.ipynb")
        command("otter", "run", f"{name}.ipynb", "-a", str(archive), "-o", ".", cwd=results)
        tests = json.loads((results / "results.json").read_text())["tests"]
        assert sum(test.get("score", 0) for test in tests) == points
