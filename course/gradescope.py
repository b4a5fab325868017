"""The assignment for Gradescope: out/solution has a zip to upload as its autograder, out/student what to hand out.

The zip holds `setup.sh`, which Gradescope runs once to build a machine; `run_autograder`, which it runs for each submission,
and which runs this file there; minidl, the course's machinery, and the assignment. Gradescope shows what is in results.json.
These are zeros at first, with a reason, before anything of the student's runs, and all of it runs under `timeout`.
"""

import io
import json
import os
import signal
import sys
import zipfile
from pathlib import Path

from . import process, report, submission
from .assignment import COURSE, Assignment, load
from .emit import Files, plain

SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, on Ubuntu, as root: Python 3.11 or later, a C compiler, minidl and {packages}.
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update
for version in 3.13 3.12 3.11; do
    apt-get install -y python$version python$version-dev python$version-venv gcc && break
done
python$version -m venv /autograder/venv
/autograder/venv/bin/pip install /autograder/source/minidl-source {packages}
chmod -R go-rwx /autograder/source # from a submission, which runs as another user
"""

RUN = """#!/usr/bin/env bash
# Gradescope runs this for each submission. Zeros are written first, and the grader has limits of its own that are lower.
root=${{AUTOGRADER:-/autograder}}
cd "$root/source" && exec timeout -k 10 {seconds} "$root/venv/bin/python" -m course.gradescope {name} "$root"
"""


def files(assignment: Assignment, lang: str, solved: bool) -> Files:
    if not solved:
        return plain(assignment, lang, solved)
    return {**plain(assignment, lang, solved), f"{assignment.name}-autograder.zip": _zip(assignment)}


def _zip(assignment: Assignment) -> bytes:
    seconds = int(process.Limits().total) + 100
    inside: dict[str, str | bytes] = {
        "setup.sh": SETUP.format(packages="pytest jupytext nbformat"),
        "run_autograder": RUN.format(name=assignment.name, seconds=seconds),
        f"course/{assignment.name}/spec.py": (assignment.folder / "spec.py").read_bytes(),
        **{f"course/{path.name}": path.read_bytes() for path in sorted(COURSE.glob("*.py"))},
        **minidl_source(),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in inside.items():
            info = zipfile.ZipInfo(path)  # of 1980, so that the same files make the same zip
            info.external_attr = (0o755 if path in ("setup.sh", "run_autograder") else 0o644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def minidl_source() -> dict[str, bytes]:
    """What pip needs to install minidl where it is not published."""
    root = COURSE.parent
    wanted = [root / name for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE")]
    kinds = {".py", ".pyx", ".pxi", ".typed", ".npz", ".md", ".txt", ".gz", ".c", ".h"}
    for folder in ("minidl", "csrc"):
        wanted += [path for path in sorted((root / folder).rglob("*")) if path.suffix in kinds and path.name != "_compiled.c"]
    return {f"minidl-source/{path.relative_to(root)}": path.read_bytes() for path in wanted}


def main(name: str, root: Path) -> None:
    """Grade the submission in root/submission, and write root/results/results.json."""
    assignment = load(name)
    tests = assignment.tests
    _write(root, assignment, {test.name: process.Result(False, "the grader did not come to its end") for test in tests})
    try:
        handed_in = submission.read(submission.find(root / "submission", name), name)
    except ValueError as error:
        _write(root, assignment, {test.name: process.Result(False, str(error)) for test in tests}, str(error))
        return
    (place,), warning = process.places(1)
    print(warning)
    outcome = process.run(handed_in, assignment, tests, place=place)
    told = report.lines(assignment, [test for test in tests if not test.hidden], handed_in, outcome, hidden="nothing")
    _write(root, assignment, outcome.results, "\n".join(told).strip())


def _write(root: Path, assignment: Assignment, results: dict[str, process.Result], output: str = "") -> None:
    """results.json, whole or as it was."""
    entries = [
        {
            "name": f"{test.name}: {test.sentence}",
            "score": test.points if results[test.name].passed else 0,
            "max_score": test.points,
            "status": "passed" if results[test.name].passed else "failed",
            "output": results[test.name].reason,
            "visibility": "after_published" if test.hidden else "visible",
        }
        for test in assignment.tests
    ]
    score = report.score(assignment.tests, results)
    text = json.dumps({"score": score, "output": output, "visibility": "visible", "tests": entries}, indent=1)
    path = root / "results" / "results.json"
    path.with_suffix(".new").write_text(text, encoding="utf-8")
    os.replace(path.with_suffix(".new"), path)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: process.STOP.set())  # by `timeout`: what the submission started is killed first
    main(sys.argv[1], Path(sys.argv[2]))
