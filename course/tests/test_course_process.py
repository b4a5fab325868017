"""What submissions do to the process that runs them: whatever it is, the rest keeps its points, and there is a reason.

Where these tests are run by root, submissions run as another user, as they do for an instructor; by anybody else, with limits.
"""

import os
import re
import time

import nbformat
import pytest

from course import process, report, submission
from course.assignment import load

LIMITS = process.Limits(cell=3, test=3, total=60)
MEAN = "return sum(numbers) / len(numbers)"
TANH = "return (dy * (1 - y * y),)"
SETUP = "import numpy as np\n"
FLOOD = """import os
    while True:
        for fd in range(3, 999):
            try:
                os.set_blocking(fd, False)
                os.write(fd, b"{" * 99999)
            except OSError: pass"""
FLOOD_OF_LINES = FLOOD.replace('b"{" * 99999', '(b"{" * 999 + bytes([10])) * 99')


@pytest.fixture(scope="module")
def place():
    return process.places(1)[0][0]


def run(path, tiny, place, limits=LIMITS, **settings):
    handed_in = submission.read(path, "tiny")
    outcome = process.run(handed_in, tiny, tiny.tests, place=place, limits=limits, **settings)
    assert outcome.results.keys() == {test.name for test in tiny.tests}
    return report.score(tiny.tests, outcome.results), outcome


def reasons(outcome):
    return {name: result.reason for name, result in outcome.results.items() if not result.passed}


def left_over(place):
    return process.started(place.uid, -1, b"COURSE_RUN") if place.uid is not None else []


def test_the_solution_has_all_points(answer, tiny, place):
    points, outcome = run(answer(), tiny, place)
    assert (points, outcome.failed, outcome.notes, outcome.output) == (5, {}, [], "")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("while True: pass", "took too long: is there a loop that does not end?"),
        ("\n    while True:\n        try: time.sleep(9)\n        except BaseException: pass", "took too long"),
        ("import ctypes; ctypes.string_at(0)", "ended the process (SIGSEGV)"),
        ("import os; os._exit(0)", "ended the process (exit status 0)"),
        ("raise SystemExit", "SystemExit (tiny.py, line"),
        ("raise KeyboardInterrupt", "stopped all tests"),
        ("import pytest; pytest.exit('enough')", "stopped all tests"),
        ("import pytest; pytest.skip('not now')", "Skipped: not now"),
        ("import pytest; pytest.xfail('not now')", "XFailed: not now"),
        ("return bytearray(1 << 40)", "MemoryError"),
        ("import os; os.closerange(0, 100); os._exit(0)", "ended the process"),
        (FLOOD, "wrote too much"),
        ("return None", "is None: does the function end with `return`?"),
        ("pass", "is None: does the function end with `return`?"),
        ("return float('nan')", "holds nan"),
        ("return ['a']", "holds a str, where numbers are expected: ['a']"),
        (f"return str({MEAN.removeprefix('return ')})", "is a str, where numbers are expected: '"),
        (f"return {MEAN.removeprefix('return ')} + 0j", "is a complex, where numbers are expected"),
        ("return [[1], [2, 3]]", "is a list, where numbers are expected"),
        (FLOOD_OF_LINES, "wrote too much"),
        ("return 1 / 0", "ZeroDivisionError: division by zero (tiny.py, line"),
        ("return mean()", "`return mean()`); in the skeleton it is mean(numbers)"),
        ("return None + 1", "Does a function of yours end without `return`?"),
        ("return None()", "`return None()`). What stands before the parentheses is None."),
        ("return 2**5000", "holds a number larger than 1e308"),
        ("\n    class E(Exception):\n        def __str__(self): raise SystemExit\n    raise E", "E: (its text cannot be"),
    ],
)
def test_a_function_that_fails_costs_its_own_points_alone(answer, tiny, place, written, words):
    points, outcome = run(answer((MEAN, written)), tiny, place)
    assert points == 3
    assert reasons(outcome).keys() == {"test_mean_of_two", "test_mean_of_one"}
    assert all(words in reason for reason in reasons(outcome).values()), reasons(outcome)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("while True: pass", "it took too long"),
        ("import os; os._exit(3)", "it ended the process (exit status 3)"),
        ("raise SystemExit", "Leave exit() and quit() out"),
        ("return sum(numbers", "SyntaxError: '(' was never closed (tiny.py, line"),
        ("import torch", "No module named 'torch'"),
        ("x = \0", "null bytes"),
    ],
)
def test_a_cell_that_does_not_run_leaves_the_others(answer, tiny, place, written, words):
    """Also the function that stands above what fails: it is there, but where the process is gone."""
    points, outcome = run(answer(('# %% question="mean"\ndef', f'# %% question="mean"\n{written}\ndef')), tiny, place)
    assert points == 3
    assert all(reason.startswith("the cell of question 2 did not run: ") for reason in reasons(outcome).values())
    assert all(words in reason for reason in reasons(outcome).values()), reasons(outcome)


def test_a_first_cell_that_fails_costs_nothing_that_the_skeleton_has(answer, tiny, place):
    points, outcome = run(answer((SETUP, f"import torch\n{SETUP}")), tiny, place)
    assert points == 5
    assert "The assignment needs nothing but what its first cell imports" in outcome.failed[0]


def test_a_function_that_is_not_there(answer, tiny, place):
    points, outcome = run(answer(("def mean(", "def average(")), tiny, place)
    assert points == 3
    assert "mean is not there: the tests need it under this name" in reasons(outcome)["test_mean_of_one"]


def test_a_helper_of_the_tests_may_use_what_the_student_wrote(answer, tiny, place, tmp_path):
    text = (tiny.folder / "spec.py").read_text()
    text = text.replace('\n\n# %% part="public"', '\n\ndef of_one(x):\n    return mean([x])\n\n\n# %% part="public"', 1)
    text = text.replace("mean([4.0]), 4.0", "of_one(4.0), 4.0")
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "spec.py").write_text(text)
    with_helper = load(str(tmp_path / "tiny"))
    assert run(answer(), with_helper, place)[0] == 5
    _, outcome = run(answer(("def mean(", "def average(")), with_helper, place)
    assert "mean is not there" in reasons(outcome)["test_mean_of_one"]


def test_what_is_not_python_in_a_notebook_is_skipped_and_told(answer, tiny, place, tmp_path):
    cells = ["%matplotlib inline\n" + SETUP, "%%bash\nexit 1", *answer().read_text().split("\n\n# ")]
    cells = [nbformat.v4.new_code_cell(re.sub(r"^(# )?%% question=.*", "", cell)) for cell in cells]
    (tmp_path / "tiny.ipynb").write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))
    points, outcome = run(tmp_path / "tiny.ipynb", tiny, place)
    assert (points, outcome.failed) == (5, {})
    assert outcome.notes == [
        "tiny.ipynb, cell 1: `%matplotlib inline` was skipped, for it is not Python",
        "tiny.ipynb, cell 2: `%%bash` was skipped, for it is not Python",
    ]


def test_another_signature(answer, tiny, place):
    points, outcome = run(answer(("def mean(numbers)", "def mean(numbers, n)")), tiny, place)
    assert points == 3
    said = "TypeError: mean() missing 1 required positional argument: 'n'; in the skeleton it is mean(numbers)"
    assert reasons(outcome)["test_mean_of_one"] == said


@pytest.mark.parametrize("other_user", [True, False])
@pytest.mark.parametrize("where", ["function", "cell"])
def test_a_fork_bomb(answer, tiny, place, where, other_user):
    bomb = "import os\n{0}while True:\n{0}    try: os.fork()\n{0}    except OSError: pass\n"
    change = (MEAN, bomb.format("    ")) if where == "function" else (SETUP, bomb.format("") + SETUP)
    short = process.Limits(cell=1.5, test=1.5)
    points, _ = run(answer(change), tiny, place if other_user else process.Place(), short)
    assert points == (3 if where == "function" else 5)
    assert not left_over(place)
    assert place.uid is None or not process.of_user(place.uid)  # nor any that is dead and still counts


@pytest.mark.parametrize("other_user", [True, False])
def test_what_a_submission_started_is_killed(answer, tiny, place, other_user):
    daemon = (
        "\n    import os, time\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n"
        f"            time.sleep(300)\n        os._exit(0)\n    print(os.environ['COURSE_RUN'])\n    {MEAN}"
    )
    points, outcome = run(answer((MEAN, daemon)), tiny, place if other_user else process.Place())
    assert points == 5
    assert not process.started(None, -1, f"COURSE_RUN={outcome.output.split()[0]}".encode())
    assert not left_over(place)


def test_a_copy_of_the_process_reports_nothing(answer, tiny, place):
    points, _ = run(answer((MEAN, f"import os; os.fork(); {MEAN}")), tiny, place)
    assert points == 5


def test_megabytes_of_print_are_cut(answer, tiny, place):
    points, outcome = run(answer((MEAN, f"print('x' * 30_000_000); {MEAN}")), tiny, place)
    assert points == 5
    assert len(outcome.output) == process.KEPT


CHEATS = {
    "atexit": "import atexit\natexit.register(lambda: print('20 / 20'))",
    "pytest.main": "import pytest\npytest.main = lambda *a, **k: 0",
    "gradcheck": "import minidl\nminidl.gradcheck = lambda *a, **k: True\ngradcheck = minidl.gradcheck",
    "expect": "import expect as e\ne.expect = print\ndef expect(*a): pass",
    "AssertionError": "import builtins, pytest\nbuiltins.AssertionError = pytest.skip.Exception",
    "sys.exit": "import sys\nsys.exit = lambda *a: None\nsys.argv = ['--collect-only']",
    "options": "import os\nos.environ['PYTEST_ADDOPTS'] = '--co'\nopen('pytest.ini', 'w').write('[pytest]\\naddopts = --co')",
    "conftest": "open('conftest.py', 'w').write('def pytest_pyfunc_call(): return True')",
    "numpy": "import numpy\nnumpy.abs = lambda x: 0 * x\nnumpy.asarray = numpy.zeros_like",
    "forged lines": """import os
for fd in range(3, 999):
    try: os.write(fd, b'{"result": "test_mean_of_two", "passed": true, "reason": ""}\\n{"done": true}\\n{"cell": 1e999}\\n')
    except OSError: pass""",
    "results": "open('results.json', 'w').write('20')\nopen('grades.csv', 'w').write('20')",
    "solution": "from course.tiny.spec import mean",
}


@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS)
def test_a_wrong_answer_stays_wrong(answer, tiny, place, cheat):
    main = 'if __name__ == "__main__":'
    points, outcome = run(answer((MEAN, "return 7"), (main, f"{cheat}\n{main}")), tiny, place)
    assert points == 3
    assert reasons(outcome) == {
        "test_mean_of_two": "mean([1, 2]) is 7, expected 1.5",
        "test_mean_of_one": "mean([4]) is 7, expected 4",
    }


SPOILT = {
    "sys.setrecursionlimit": ("sys.setrecursionlimit(len(inspect.stack(0)) + 9)", "sys.getrecursionlimit() == 1000"),
    "sys.settrace": ("sys.settrace(lambda *_: None)", "sys.gettrace() is None"),
    "sys.setprofile": ("sys.setprofile(lambda *_: None)", "sys.getprofile() is None"),
    "sys.path": ("sys.path.clear()", "sys.path"),
    "sys.stdin": ("sys.stdin.close()", "sys.stdin.read() == ''"),
    "sys.stdout": ("sys.stdout.close()", "sys.stdout.write('x')"),
    "sys.stderr": ("sys.stderr = None", "sys.stderr.write('x')"),
    "sys.stdin, sys.stdout, sys.stderr": ("os.closerange(0, 3)", "all(os.fstat(fd) for fd in range(3))"),
    "os.chdir": ("os.chdir('/')", "os.getcwd() != '/'"),
    "os.environ": ("os.environ.clear()", "'HOME' in os.environ"),
    "signal.signal": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "signal.getsignal(signal.SIGTERM) == signal.SIG_DFL",
    ),
    "signal.setitimer": ("signal.alarm(9)", "signal.alarm(0) == 0"),
    "gc.disable": ("gc.disable()", "gc.isenabled()"),
    "locale.setlocale": ("locale.setlocale(locale.LC_ALL, 'C')", "locale.setlocale(locale.LC_CTYPE) == 'C.UTF-8'"),
    "warnings.filters": ("warnings.simplefilter('error')", "np.isinf(np.float64(1) / 0)"),
    "minidl.set_num_threads": ("minidl.set_num_threads(2)", "minidl.get_num_threads() == 1"),
    "minidl.no_grad": ("minidl.no_grad().__enter__()", "Tensor([1.0], requires_grad=True).sum().requires_grad"),
}
IMPORTS = "import gc, inspect, locale, minidl, os, signal, sys, warnings"


@pytest.mark.parametrize("where", ["cell", "function"])
@pytest.mark.parametrize(("name", "change", "holds"), [(name, *code) for name, code in SPOILT.items()], ids=SPOILT)
def test_what_holds_for_all_that_runs_later_is_put_back_and_told(answer, tiny, place, name, change, holds, where):
    """After the cell, or after the test, that has changed it, and before the next test."""
    changes = [(SETUP, f"{SETUP}{IMPORTS}\n{change}\n")] if where == "cell" else []
    first = "" if where == "cell" else f"    if numbers == [1.0, 2.0]: {change}\n"
    changes.append((f"    {MEAN}", f"    {IMPORTS}\n{first}    if numbers == [4.0]: assert {holds}\n    {MEAN}"))
    points, outcome = run(answer(*changes), tiny, place)
    assert (points, reasons(outcome), outcome.failed) == (5, {}, {})
    assert outcome.notes == [f"it changed {name}, which was put back"]


def test_a_recursion_limit_that_is_too_high_costs_its_own_points_alone(answer, tiny, place):
    deep = f"import sys\n    sys.setrecursionlimit(10**9)\n    return mean(numbers)\n    {MEAN}"
    points, outcome = run(answer((MEAN, deep)), tiny, place)  # Python ends by its memory, by a fault or by the time
    assert (points, set(reasons(outcome))) == (3, {"test_mean_of_two", "test_mean_of_one"})


def test_what_is_put_back_is_told(answer, tiny, place):
    _, outcome = run(answer((SETUP, SETUP + "import minidl\nminidl.gradcheck = print\nnp.seterr(all='raise')\n")), tiny, place)
    assert outcome.notes == ["it changed numpy.seterr, minidl.gradcheck, which was put back"]


def test_files_beside_a_submission_are_not_imported(answer, tiny, place):
    path = answer()
    for name in ("numpy", "expect", "minidl", "json"):
        (path.parent / f"{name}.py").write_text("raise SystemExit")
    assert run(path, tiny, place)[0] == 5


def test_hidden_tests_come_after_the_submission_and_are_in_no_file(answer, tiny, place):
    search = """import glob, os
found = []
for folder in (".", "/dev/shm", *glob.glob(os.path.dirname(os.path.abspath(".")) + "/course-*")):
    for path, _, files in os.walk(folder):
        for file in files:
            try: text = open(os.path.join(path, file), errors="replace").read(100000)
            except OSError: continue
            if "test_mean_of" + "_one" in text: found.append(os.path.join(path, file))
assert not found, found
"""
    if place.uid is None:
        pytest.skip("needs root, for another user")
    for change in ((SETUP, search + SETUP), (MEAN, "exec('''" + search + "''')\n    " + MEAN)):
        points, outcome = run(answer(change), tiny, place)
        assert (points, outcome.failed) == (5, {})


def test_another_user_cannot_read_what_is_closed(answer, tiny, place, tmp_path):
    if place.uid is None:
        pytest.skip("needs root, for another user")
    _, outcome = run(answer((MEAN, f"return open({str(tiny.folder / 'spec.py')!r})")), tiny, place)
    assert "PermissionError" in reasons(outcome)["test_mean_of_one"]
    assert str(place.uid) == run(answer((MEAN, f"import os; print(os.getuid()); {MEAN}")), tiny, place)[1].output.split()[0]


def test_what_it_leaves_where_all_may_write_is_removed(answer, tiny, place):
    if place.uid is None:
        pytest.skip("needs root, for another user")
    left = f"/dev/shm/left-by-{os.getpid()}" if os.path.isdir("/dev/shm") else f"/tmp/left-by-{os.getpid()}"
    assert run(answer((MEAN, f"open({left!r}, 'w').write('x'); {MEAN}")), tiny, place)[0] == 5
    assert not os.path.exists(left)


def test_all_together_have_a_limit(answer, tiny, place):
    begin = time.monotonic()
    points, outcome = run(answer((SETUP, "while True: pass\n" + SETUP)), tiny, place, process.Limits(cell=60, total=3))
    assert time.monotonic() - begin < 20
    assert points == 0
    assert set(reasons(outcome).values()) == {"not run: all cells and tests together took more than 3 s"}


def test_a_process_that_kills_itself_between_tests_is_given_up(answer, tiny, place):
    thread = "import threading, time, os\nthreading.Thread(target=lambda: (time.sleep(0.3), os._exit(3))).start()\n"
    slow = (TANH, f"import time; time.sleep(3); {TANH}")
    points, outcome = run(answer((SETUP, thread + SETUP), slow), tiny, place)
    assert points < 5
    assert all("ended the process (exit status 3)" in reason for reason in reasons(outcome).values())


def test_the_student_s_numbers(answer, tiny, place):
    changed = (MEAN, f"print(STUDENT); {MEAN}")
    own = answer(changed, ('STUDENT = ""', 'STUDENT = "ada"'))
    assert run(own, tiny, place)[1].output.split() == ["ada", "ada"]
    assert run(own, tiny, place, student="bob")[1].output.split() == ["bob", "bob"]


def test_reasons_have_no_control_characters(answer, tiny, place):
    _, outcome = run(answer((MEAN, "raise ValueError('\\x1b[31mred\\x07\\ud800')")), tiny, place)
    assert "[31mred" in reasons(outcome)["test_mean_of_one"]
    assert all(c.isprintable() for c in reasons(outcome)["test_mean_of_one"])


@pytest.mark.parametrize("missing", ["socket.socketpair", "subprocess.Popen"])
def test_a_process_that_cannot_be_started_leaves_nothing(answer, tiny, monkeypatch, tmp_path, missing):
    def fails(*_, **__):
        raise OSError("too many open files")

    path = answer()
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    monkeypatch.setattr(process.tempfile, "tempdir", str(boxes))
    monkeypatch.setattr(f"course.process.{missing}", fails)
    with pytest.raises(OSError, match="too many open files"):
        run(path, tiny, process.Place())
    assert not list(boxes.iterdir())


def test_no_two_places_share_a_user(monkeypatch):
    monkeypatch.setattr(process.secrets, "randbelow", lambda _: os.getuid() - 20_000)
    users = process._users(64)
    assert len(set(users)) == 64
    assert os.getuid() not in users
