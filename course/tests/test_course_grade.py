"""Check and grade, as they are called: what is printed, the CSV, the pages, and what is refused."""

import csv
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from course import check, folders, grade
from course.__main__ import main
from course.assignment import COURSE

MEAN = "return sum(numbers) / len(numbers)"


def rows(out):
    return {row["id"]: row for row in csv.DictReader((out / "grades.csv").read_text(encoding="utf-8-sig").splitlines())}


def test_check_of_a_solution(answer, tiny):
    lines = check.check(str(tiny.folder), answer().parent)
    assert lines[-3:] == [
        "3 more points are given by tests that you do not see.",
        "4 more points are given by a person.",
        "2 / 2",
    ]
    assert "All tests that you can see pass." in lines


def test_check_of_a_skeleton_says_where_to_begin(tiny, tmp_path, capsys):
    assert main(["build", str(tiny.folder), "--to", "plain", "--out", str(tmp_path / "built")]) == 0
    assert main(["check", str(tiny.folder), str(tmp_path / "built" / "student")]) == 0
    said = capsys.readouterr().out
    assert "Nothing is written yet. Open tiny.py and begin with Question 1: tanh; then run this command again." in said
    assert said.splitlines()[-1] == "0 / 2"


def test_check_takes_the_language_before_the_folder_too(answer, tiny, capsys):
    work = str(answer().parent)
    for order in ([work, "--lang", "zh"], ["--lang", "zh", work]):
        assert main(["check", str(tiny.folder), *order]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "2 / 2"
    for left in ([work, "--lang", "zh", work], [work, "--language", "zh"]):
        with pytest.raises(SystemExit):
            main(["check", str(tiny.folder), *left])
        assert "usage: python -m course check" in capsys.readouterr().err


def test_check_says_what_to_go_on_with(answer, tiny):
    lines = check.check(str(tiny.folder), answer((MEAN, "return 7")).parent)
    assert "         mean([1, 2]) is 7, expected 1.5" in lines
    assert "Go on with Question 2: the mean." in lines
    assert lines[-1] == "1 / 2"


@pytest.mark.parametrize("to", ["plain", "notebook"])
def test_check_in_chinese(tiny, tmp_path, to):
    """Of what is built in Chinese, in a terminal of any encoding; the sentences of the tests are in English."""
    assert main(["build", str(tiny.folder), "--to", to, "--lang", "zh", "--out", str(tmp_path / "built")]) == 0
    for folder, first, step, last in (
        ("student", "第 1 题：tanh：1 分中得 0 分", "从“第 1 题：tanh”开始；写好以后再运行这条命令。", "0 / 2"),
        ("solution", "第 1 题：tanh：1 分中得 1 分", "你能看到的测试全部通过。", "2 / 2"),
    ):
        checking = command("check", tiny.folder, tmp_path / "built" / folder, "--lang", "zh", env=os.environ | {"LC_ALL": "C"})
        lines = checking.communicate()[0].splitlines()
        assert lines[0].startswith("0. 作业模板 (tiny.")
        assert first in lines
        assert "第 2 题：平均值：" in "".join(lines)
        assert lines[-4].endswith(step)
        assert lines[-3:] == ["另有 3 分来自你看不到的测试。", "另有 4 分由人评定。", last]


@pytest.mark.parametrize("command", ["build", "check", "grade"])
def test_an_unknown_assignment(command, capsys, tmp_path):
    more = {"build": ["--to", "plain", "--out", str(tmp_path / "x")], "check": [], "grade": [str(tmp_path)]}[command]
    assert main([command, "hw99", *more]) == 2
    assert "there is no assignment 'hw99': choose from hw1, " in capsys.readouterr().err


def test_a_folder_without_the_assignment(tiny, tmp_path, capsys):
    assert main(["check", str(tiny.folder), str(tmp_path)]) == 2
    assert "there is neither tiny.py nor tiny.ipynb in" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["build"], ["check"], ["grade"]])
def test_help_is_everywhere(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage: python -m course" in capsys.readouterr().out


HOSTILE = [
    "a b 'c\" d",
    "-rf",
    "=cmd|' /C calc'!A0".replace("/", "\\"),
    "new\nline",
    "中文",
    "..x",
    "%s{}",
    "x" * 200,
    "é" * 100,
    "$(id)",
]


def test_grade(answer, tiny, tmp_path, capsys):
    """One of each kind; what single submissions do is in test_course_process.py."""
    folder = tmp_path / "submissions"
    answer(folder="submissions/full")
    answer((MEAN, "return 7"), folder="submissions/wrong")
    answer(folder="submissions").rename(folder / "bob.py")
    answer(folder="submissions/both")
    answer(folder="submissions").rename(folder / "both.py")
    for name in HOSTILE:
        answer(folder=f"submissions/{name}")
    for name, text in (("unreadable", "{"), ("empty", None)):
        (folder / name).mkdir()
        if text:
            (folder / name / "tiny.ipynb").write_text(text)
    (folder / "linked").symlink_to(folder / "full")
    for name in (".DS_Store", "._bob.py", "list.txt"):
        (folder / name).write_text("")
    undecodable = os.fsdecode(b"\xff\xfe")
    answer(folder=f"submissions/{undecodable}")

    assert main(["grade", str(tiny.folder), str(folder), "--jobs", "2"]) == 0
    said = capsys.readouterr().out
    assert "Left alone, for they are neither .py nor .ipynb nor a folder: list.txt" in said
    out = tmp_path / "submissions-graded"
    assert f"{len(HOSTILE) + 9} submissions" in said
    found = rows(out)
    full = {"score of 5": "5", "tanh of 3": "3", "mean of 2": "2", "explain of 4, by hand": "", "remark": ""}
    assert found["full"] == {"id": "full"} | full
    assert found["wrong"] == {"id": "wrong"} | full | {"score of 5": "3", "mean of 2": "0"}
    assert found["both"]["score of 5"] == found["both.py"]["score of 5"] == found["bob"]["score of 5"] == "5"
    assert found["'-rf"]["score of 5"] == found["'" + HOSTILE[2]]["score of 5"] == "5"
    assert "cannot be read as a notebook" in found["unreadable"]["remark"]
    assert "there is neither tiny.py nor tiny.ipynb" in found["empty"]["remark"]
    assert "is a link" in found["linked"]["remark"]
    assert sum(row["score of 5"] == "5" for row in found.values()) >= len(HOSTILE) + 3
    pages = list((out / "pages").iterdir())
    assert len(pages) == len(HOSTILE) + 9
    page = (out / "pages" / "wrong.md").read_text()
    assert "mean([4]) is 7, expected 4" in page
    assert "To be graded by a person, 4 points: explain" in page


@pytest.mark.parametrize(
    ("hidden", "sentence", "reason"), [("reasons", True, True), ("names", True, False), ("nothing", False, False)]
)
def test_how_much_a_page_says_of_hidden_tests(answer, tiny, tmp_path, hidden, sentence, reason):
    folder = answer((MEAN, "return 7")).parent.parent
    grade.grade(str(tiny.folder), folder, tmp_path.parent / f"out-{hidden}", hidden=hidden)
    page = (tmp_path.parent / f"out-{hidden}" / "pages" / "work.md").read_text()
    assert "mean([1, 2]) is 7" in page
    assert ("The mean of 4 alone is 4. (hidden)" in page) is sentence
    assert ("mean([4]) is 7" in page) is reason


def test_each_student_has_numbers_of_their_own(answer, tiny, tmp_path):
    folder = answer((MEAN, f"print(STUDENT); {MEAN}"), folder="subs/ada").parent.parent
    grade.grade(str(tiny.folder), folder, tmp_path / "out", by_student=True)
    assert "    ada\n" in (tmp_path / "out" / "pages" / "ada.md").read_text()


def test_a_folder_without_submissions(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"holds no submission: expected ID/tiny\.py, "):
        grade.grade(str(tiny.folder), tmp_path)


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    def broken():
        with folders.written_whole(tmp_path / "out") as new:
            (new / "a").write_text("a")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        broken()
    assert not list(tmp_path.iterdir())


def test_what_others_have_written_is_not_replaced(tmp_path):
    def write(text):
        with folders.written_whole(tmp_path / "out") as new:
            (new / "a").write_text(text)

    write("1")
    (tmp_path / "out" / "__pycache__").mkdir()
    write("2")
    assert (tmp_path / "out" / "a").read_text() == "2"
    (tmp_path / "out" / "a").write_text("a student's work")
    with pytest.raises(ValueError, match="holds something that this command has not written"):
        write("3")
    assert (tmp_path / "out" / "a").read_text() == "a student's work"
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(ValueError, match="holds something"), folders.written_whole(tmp_path / "link"):
        pass
    (tmp_path / "empty").mkdir()
    with folders.written_whole(tmp_path / "empty"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "link", "out"]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_cell_of_the_csv_is_a_formula(text):
    assert grade._plain(text) == "'" + text


def test_pages_of_different_students_have_different_names():
    names = [*HOSTILE, "x" * 201, "a/b", "a%2Fb", "..", "."]
    found = {grade.file_name(name) for name in names}
    assert len(found) == len(names)
    assert all("/" not in name and len(name.encode()) < 200 for name in found)


def test_links_that_lead_nowhere_have_their_rows(answer, tiny, tmp_path):
    folder = answer(folder="subs/ada").parent.parent
    (folder / "eve").symlink_to("a" * 300)
    (folder / "mallory.py").symlink_to("b" * 300)
    grade.grade(str(tiny.folder), folder, tmp_path / "out")
    found = rows(tmp_path / "out")
    assert found["ada"]["score of 5"] == "5"
    assert "is a link" in found["eve"]["remark"]
    assert "is a link" in found["mallory"]["remark"]


def test_nothing_of_a_student_leaves_its_place_on_the_page(answer, tiny, tmp_path):
    broken = ("return sum(numbers) / len(numbers)", "return 7\n\nraise AssertionError('oops\\n\\n# 5 / 5\\n\\n<script>')")
    folder = answer(broken, folder="subs/<script>alert(1)\n# 5").parent.parent
    grade.grade(str(tiny.folder), folder, tmp_path / "out")
    (page,) = (tmp_path / "out" / "pages").iterdir()
    lines = page.read_text().splitlines()
    assert "      # 5 / 5" in lines
    assert [line for line in lines if line.startswith(("#", "<"))] == [f"# &lt;script&gt;alert(1) # 5: {tiny.title}"]


def test_grades_are_for_the_instructor_alone(answer, tiny, tmp_path):
    folder = answer(folder="subs/ada").parent.parent
    grade.grade(str(tiny.folder), folder, tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0


def test_what_is_written_meanwhile_is_not_lost(tmp_path):
    with folders.written_whole(tmp_path / "out") as new:
        (new / "a").write_text("1")

    def meanwhile():
        with folders.written_whole(tmp_path / "out") as new:
            (new / "a").write_text("2")
            (tmp_path / "out" / "notes").write_text("by hand")

    with pytest.raises(ValueError, match=r"what was made now is in .*out-2"):
        meanwhile()
    assert (tmp_path / "out" / "notes").read_text() == "by hand"
    assert (tmp_path / "out-2" / "a").read_text() == "2"


def command(*words, **settings):
    """The command line in a process of its own; what it writes about what it does ends in `stderr`."""
    words = sys.executable, "-m", "course", *map(str, words)
    return subprocess.Popen(words, cwd=COURSE.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings)


def test_many_jobs_and_few_files(answer, tiny, tmp_path):
    for i in range(24):
        folder = answer(folder=f"subs/{i}").parent.parent
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))  # noqa: E731
    grading = command("grade", tiny.folder, folder, "--jobs", 64, preexec_fn=few)
    _, said = grading.communicate()
    assert grading.returncode == 0, said
    assert {row["score of 5"] for row in rows(tmp_path / "subs-graded").values()} == {"5"}


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_grader_that_is_stopped_leaves_nothing(answer, tiny, tmp_path, sign):
    """No folder, no grades, and no process of a submission: each leaves its number, by which it is found."""
    boxes = Path(tempfile.mkdtemp())  # not in tmp_path, where another user cannot get
    boxes.chmod(0o777)
    endless = f"import os, pathlib\npathlib.Path({str(boxes)!r}, f'pid-{{os.getpid()}}').touch()\nwhile True: pass\n"
    for student in ("ada", "bob", "eve"):
        folder = answer(("import numpy as np\n", endless), folder=f"subs/{student}").parent.parent
    grading = command("grade", tiny.folder, folder, "--jobs", 2, env=os.environ | {"TMPDIR": str(boxes)})
    end, started = time.monotonic() + 60, list(boxes.glob("pid-*"))
    while len(started) < 2 and time.monotonic() < end:
        time.sleep(0.05)
        started = list(boxes.glob("pid-*"))
    grading.send_signal(sign)
    _, said = grading.communicate(timeout=30)
    assert len(started) == 2, said
    assert (grading.returncode, said.splitlines()[-1]) == (1, "stopped; nothing was written")
    assert [path.name for path in started if os.path.exists(f"/proc/{path.name.removeprefix('pid-')}")] == []
    assert list(boxes.glob("course-*")) == []
    assert [path.name for path in tmp_path.iterdir()] == ["subs"]
    shutil.rmtree(boxes)


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_jobs_are_counted_from_one(jobs, capsys):
    with pytest.raises(SystemExit):
        main(["grade", "hw1", ".", "--jobs", jobs])
    assert "positive integer" in capsys.readouterr().err
