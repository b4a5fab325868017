"""Reading a spec.py, and what is built of it: every format that can be looked at without its grader."""

import doctest
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from course import assignment, emit, grade
from course.assignment import COURSE, Cell, load, names, skeleton, solution

MEAN = "return sum(numbers) / len(numbers)"


def built(tiny, tmp_path, to, lang="en"):
    emit.build(str(tiny.folder), to, tmp_path / to, lang)
    return tmp_path / to / "student", tmp_path / to / "solution"


def pytest_in(folder):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, capture_output=True, text=True
    )
    return done.stdout.splitlines()[-1]


def test_plain(tiny, tmp_path):
    student, solved = built(tiny, tmp_path, "plain")
    assert {path.name for path in student.iterdir()} == {"expect.py", "test_tiny.py", "tiny.md", "tiny.py"}
    assert {path.name for path in solved.iterdir()} == {"expect.py", "rubric.md", "test_tiny.py", "tiny.md", "tiny.py"}
    for path in student.iterdir():
        text = path.read_text()
        for secret in (
            "1 - y * y",
            MEAN,
            "test_tanh_backward_of_a_matrix",
            "test_mean_of_one",
            "SOLUTION",
            "STUB",
            "2 points:",
            "讲义",
        ):
            assert secret not in text
    assert 'raise NotImplementedError("tanh is yours to write")' in (student / "tiny.py").read_text()
    assert 'total = 0.0\n    raise NotImplementedError("mean is yours to write: go' in (student / "tiny.py").read_text()
    assert "STUB" not in (solved / "tiny.py").read_text()
    assert "1 - y² is near 0" in (solved / "rubric.md").read_text()
    assert "Then dx = dy (1 - y²)" in (student / "tiny.md").read_text()
    assert pytest_in(student).startswith("2 failed")
    assert pytest_in(solved).startswith("4 passed")
    assert (tmp_path / "plain" / "solution").stat().st_mode & 0o077 == 0


def test_another_language(tiny, tmp_path):
    student, solved = built(tiny, tmp_path, "plain", lang="zh")
    assert "写出 tanh 的反向传播" in (student / "tiny.py").read_text()
    assert "Write the backward" not in (student / "tiny.py").read_text()
    assert "此处 1 - y² 接近 0" in (solved / "rubric.md").read_text()


@pytest.mark.parametrize("to", ["notebook", "nbgrader", "otter"])
def test_notebooks_are_valid_and_keep_their_secrets(tiny, tmp_path, to):
    student, solved = built(tiny, tmp_path, to)
    for folder in (student, solved):
        for path in folder.rglob("*.ipynb"):
            nbformat.validate(nbformat.read(path, as_version=4))
    text = "".join(path.read_text() for path in student.rglob("*.ipynb"))
    for secret in ("1 - y * y", MEAN, "def test_tanh_backward_of_a_matrix", "SOLUTION", "STUB", "2 points:", "HIDDEN"):
        assert secret not in text
    assert (student / "expect.py").read_text() == (COURSE / "expect.py").read_text()


def test_nbgrader_grades_each_test_on_its_own(tiny, tmp_path):
    _, solved = built(tiny, tmp_path, "nbgrader")
    notebook = nbformat.read(solved / "source" / "tiny" / "tiny.ipynb", as_version=4)
    roles = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert {role.grade_id: role.points for role in roles if role.grade} == {
        "test_tanh_backward_at_two_places": 1,
        "test_tanh_backward_of_a_matrix": 2,
        "test_mean_of_two": 1,
        "test_mean_of_one": 1,
        "explain": 4,
    }
    assert len({role.grade_id for role in roles}) == len(roles)


def test_a_folder_is_found_by_its_name_alone(tiny, monkeypatch):
    monkeypatch.chdir(tiny.folder.parent)
    assert load(tiny.folder.name) == tiny


def test_what_cannot_be_built_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="there is no assignment"):
        emit.build("hw99", "plain", tmp_path / "out")
    assert not list(tmp_path.iterdir())


# Gradescope


@pytest.fixture
def gradescope(tiny, tmp_path):
    """A function that does what Gradescope does with the zip and a submission, and returns results.json."""
    _, solved = built(tiny, tmp_path, "gradescope")
    root = tmp_path / "autograder"
    for folder in ("source", "submission", "results", "tmp"):
        (root / folder).mkdir(parents=True)
    with zipfile.ZipFile(solved / "tiny-autograder.zip") as archive:
        archive.extractall(root / "source")
        assert archive.getinfo("run_autograder").external_attr >> 16 == 0o755
    (root / "venv").symlink_to(sys.prefix)

    def grade(path=None, seconds=None):
        if path:
            shutil.copy(path, root / "submission")
        script = root / "source" / "run_autograder"
        if seconds:
            script.write_text(script.read_text().replace("timeout -k 10 200", f"timeout -k 10 {seconds}"))
        environment = os.environ | {"AUTOGRADER": str(root), "TMPDIR": str(root / "tmp")}
        done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True)
        return json.loads((root / "results" / "results.json").read_text()), done

    return grade


def test_gradescope_of_a_solution(gradescope, answer):
    results, done = gradescope(answer())
    assert done.returncode == 0, done.stderr
    assert results["score"] == 5
    assert [(test["score"], test["max_score"], test["visibility"]) for test in results["tests"]] == [
        (1, 1, "visible"),
        (2, 2, "after_published"),
        (1, 1, "visible"),
        (1, 1, "after_published"),
    ]


@pytest.mark.parametrize(
    ("change", "score", "words"),
    [
        ((MEAN, "return 7"), 3, "mean([4]) is 7, expected 4"),
        ((MEAN, "return (7"), 3, "the cell of question 2 did not run: SyntaxError"),
        ((MEAN, f"print('x' * 20_000_000); import os; os.kill(os.getpid(), 9); {MEAN}"), 3, "ended the process (SIGKILL)"),
    ],
)
def test_gradescope_gives_partial_credit_and_a_reason(gradescope, answer, change, score, words):
    results, _ = gradescope(answer(change))
    assert results["score"] == score
    assert words in results["tests"][-1]["output"]


def test_gradescope_of_a_missing_file(gradescope):
    results, _ = gradescope()
    assert results["score"] == 0
    assert "there is neither tiny.py nor tiny.ipynb" in results["output"]


def test_gradescope_has_zeros_before_anything_runs(gradescope, answer, tmp_path):
    """Stopped from outside while the submission's first cell does not end."""
    results, done = gradescope(answer(("import numpy as np\n", "while True: pass\n")), seconds=5)
    assert done.returncode == 124
    assert not list((tmp_path / "autograder" / "tmp").iterdir())  # the submission's folder, and with it its process, is gone
    assert results["score"] == 0
    assert results["tests"][0]["output"] == "the grader did not come to its end"
    assert len(results["tests"]) == 4


def test_the_scripts_of_gradescope_are_scripts(tiny, tmp_path):
    for to in ("gradescope", "otter"):
        _, solved = built(tiny, tmp_path, to)
        for path in solved.rglob("*"):
            if path.suffix == ".zip":
                zipfile.ZipFile(path).extractall(solved / "zip")
        for name in ("setup.sh", "run_autograder"):
            (script,) = solved.rglob(name)
            assert subprocess.run(["bash", "-n", script]).returncode == 0
        assert (next(solved.rglob("minidl-source")) / "csrc" / "philox.h").is_file()


# spec.py


@pytest.mark.parametrize("module", [assignment, grade])
def test_the_examples_in_docstrings(module):
    """Here, for the folder is no package to pytest: with an __init__.py it would stand in the way of anybody's own `course`."""
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)


def test_the_template_says_what_it_says(tiny):
    assert tiny.title == "0. A template for an assignment"
    assert tiny.questions == ["tanh", "mean", "explain"]
    assert [tiny.heading(question) for question in tiny.questions] == [
        "Question 1: tanh",
        "Question 2: the mean",
        "Question 3: explain",
    ]
    assert tiny.heading("mean", "zh") == "第 2 题：平均值"
    assert tiny.signatures == {"tanh": "(x)", "mean": "(numbers)"}
    assert [(test.name, test.points, test.hidden, test.needs) for test in tiny.tests][1] == (
        "test_tanh_backward_of_a_matrix",
        2,
        True,
        ("tanh",),
    )


@pytest.mark.parametrize(
    ("source", "stubbed"),
    [
        (
            "def f():\n    # BEGIN SOLUTION\n    return 1\n    # END SOLUTION",
            'def f():\n    raise NotImplementedError("f is yours to write")',
        ),
        (
            "class A:\n    def g(self):\n        x = 1\n        # BEGIN SOLUTION\n        # STUB: y = None\n        y = x\n"
            "        # END SOLUTION\n        return y",
            "class A:\n    def g(self):\n        x = 1\n        y = None\n        return y",
        ),
        ("# BEGIN SOLUTION\nx = 1\n# END SOLUTION", 'raise NotImplementedError("q is yours to write")'),
    ],
)
def test_a_skeleton(source, stubbed):
    cell = Cell("code", source, "solution", "q")
    assert skeleton(cell) == stubbed
    assert "SOLUTION" not in solution(cell)
    assert "STUB" not in solution(cell)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'part="hidden" question="tanh" points=2',
            'part="hiden" question="tanh" points=2',
            "part='hiden' is not one of setup, tests",
        ),
        ('part="hidden" question="tanh" points=2', 'part="hidden" points=2', "which question does it belong to"),
        ('part="hidden" question="tanh" points=2', 'part="hidden" question="tanh"', "needs its points, a positive integer"),
        ("        # END SOLUTION\n", "", "each BEGIN SOLUTION needs its END SOLUTION"),
        ('    """The mean of 1 and 2 is 1.5."""\n', "", "test_mean_of_two needs a docstring"),
        ("def test_mean_of_one", "def test_mean_of_two", "two tests have one name"),
        ("def test_mean_of_one", "def mean_of_one", "a test cell holds one function"),
    ],
)
def test_a_spec_that_cannot_be_used_is_refused(tmp_path, old, new, words):
    text = Path(COURSE / "template.py").read_text()
    assert old in text
    (tmp_path / "spec.py").write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=words):
        load(str(tmp_path))


def test_the_assignments_are_found():
    assert names() == [f"hw{n}" for n in range(1, len(names()) + 1)]
