"""The command line of the course, eight assignments on minidl (docs/teaching.md).

An instructor builds what students get, a student checks it, and the instructor grades what comes back.
"""

import argparse
import io
import signal
import sys
from pathlib import Path

from minidl.script import positive_integer

from .assignment import names
from .process import STOP


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m course", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    which = f"{', '.join(names())}; or a folder with a spec.py"

    build = commands.add_parser("build", help="write what students get, and the solution, in one of five formats")
    build.add_argument("assignment", help=which)
    build.add_argument("--to", required=True, choices=("plain", "notebook", "nbgrader", "otter", "gradescope"))
    build.add_argument("--out", required=True, type=Path, help="a new folder, or one that was built before and is replaced")

    check = commands.add_parser("check", help="run the tests that students see on one's own work")
    check.add_argument("assignment", help=which)
    check.add_argument("folder", nargs="?", type=Path, default=Path(), help="where hwN.py or hwN.ipynb is; by default here")

    for command in (build, check):
        command.add_argument("--lang", default="en", choices=("en", "zh"), help="the language of the texts")

    grade = commands.add_parser("grade", help="grade a folder of submissions: a CSV, and a page for each student")
    grade.add_argument("assignment", help=which)
    grade.add_argument("submissions", type=Path, help="with ID/hwN.py, ID/hwN.ipynb, ID.py or ID.ipynb for each student")
    grade.add_argument("--out", type=Path, help="a new folder, or one that was graded before; by default SUBMISSIONS-graded")
    grade.add_argument("--by-student", action="store_true", help="STUDENT is the ID: each student has numbers of their own")
    grade.add_argument("--hidden", default="reasons", choices=("reasons", "names", "nothing"),
                       help="what the pages say of hidden tests")  # fmt: skip
    grade.add_argument(
        "--jobs", type=positive_integer, help="submissions at a time, 64 at most; by default one for each processor"
    )

    given, left = parser.parse_known_args(arguments)
    if given.command == "check" and given.folder == Path() and len(left) == 1 and not left[0].startswith("-"):
        given.folder, left = Path(left[0]), []  # argparse takes no optional argument that stands behind an option
    if left:
        commands.choices[given.command].error(f"unrecognized arguments: {' '.join(left)}")
    try:
        if given.command == "check":
            from .check import check as run_check

            print("\n".join(run_check(given.assignment, given.folder, given.lang)))
        elif given.command == "build":
            from .emit import build as run_build

            print(run_build(given.assignment, given.to, given.out, given.lang))
        else:
            from .grade import grade as run_grade

            print(run_grade(given.assignment, given.submissions, given.out, given.by_student, given.hidden, given.jobs))
    except (ValueError, OSError) as error:
        print(f"{given.command}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # what submissions started is killed first
        signal.signal(sign, lambda *_: STOP.set())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # where a terminal has no Unicode
    sys.exit(main())
