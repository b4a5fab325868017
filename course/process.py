"""Runs a submission in a process of its own, and survives it: the tests, their results, or why there are none.

The parent trusts nothing. Every result is a failure until the child (`child.py`) reports otherwise; where the child hangs, is
killed, or ends itself, the cell or the test that it was at has failed with that reason, and a new child goes on with the rest.
Afterwards all that the submission started is killed. Run by root, it is another user, who cannot read the submissions of others
or write results; run by anybody else, it has limits, but the rights of whoever runs it.

What is not prevented: tests and submission share a process, so a determined student can forge a success, or read a hidden test
and send it over the network.
"""

import contextlib
import itertools
import json
import os
import pwd
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import minidl

from .assignment import COURSE, Assignment, Test
from .submission import Submission

KEPT = 20_000  # characters of what a submission prints
HEARD = 4 << 20  # bytes of all that a child says
LONGEST_REASON = 2000  # characters; the child keeps to fewer, where it is not a forged one
PROC = Path("/proc")
STOP = threading.Event()  # set, every run ends, at a place where it leaves nothing behind, and with it what has called it


class Limits(NamedTuple):
    """Seconds of a cell, of a test and of all; bytes of memory and of a file; processes at a time."""

    cell: float = 10
    test: float = 10
    total: float = 100
    memory: int = 2 << 30
    file: int = 50 << 20
    processes: int = 60


class Place(NamedTuple):
    """Where a submission runs: by which Python, and as which user, None for the one that we are."""

    python: str = sys.executable
    uid: int | None = None


class Result(NamedTuple):
    passed: bool
    reason: str = ""

    @property
    def unwritten(self) -> bool:
        """Whether this is the skeleton's own error."""
        return "is yours to write" in self.reason


@dataclass
class Outcome:
    """What came of a submission: the result of each test, why a cell did not run, by its number, and what it printed."""

    results: dict[str, Result] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    output: str = ""


class Ended(Exception):
    """The child is at its end, or has to be; the text says why."""


def run(
    submission: Submission,
    assignment: Assignment,
    tests: Sequence[Test],
    student: str | None = None,
    place: Place = Place(),  # noqa: B008 - these two are immutable
    limits: Limits = Limits(),  # noqa: B008
) -> Outcome:
    """Run the submission and these tests; `student`: what STUDENT is to be, None for what the submission says.

    Where `place` has a user, which only root may give, everything of that user is killed at the end.

    Raises
    ------
    SystemExit
        When STOP is set.
    """
    known = _Known(submission, assignment, limits, {test.name: test for test in tests})
    end, why, lost = time.monotonic() + limits.total, "", 0
    while known.remaining and lost < 3:
        with Child(place, limits) as child:
            try:
                child.tell(_job(submission, assignment, student, known.hung))
                known.begin("start", None, limits.cell + 20)  # the imports, on a slow machine
                while known.remaining:
                    if known.hear(child.news(min(known.until, end))):
                        child.tell_tests(list(known.remaining.values()))
            except Ended as ended:
                why = str(ended)
                if STOP.is_set():
                    sys.exit("stopped; nothing was written")
                if time.monotonic() >= end:
                    why = f"all cells and tests together took more than {limits.total:g} s"
                    break
                lost += not known.blame(why)
        known.outcome.output = known.outcome.output or clean(child.output.decode("utf-8", "replace"))
    for name in known.remaining:
        known.outcome.results[name] = Result(False, f"not run: {why}")
    return known.outcome


@dataclass
class _Known:
    """What is known of a submission while it runs: what it is doing, and until when it may."""

    submission: Submission
    assignment: Assignment
    limits: Limits
    remaining: dict[str, Test]
    outcome: Outcome = field(default_factory=Outcome)
    hung: set[int] = field(default_factory=set)  # cells that must not run again
    what: str = ""  # "start", "cell" or "test"
    which: Any = None  # the number of the cell, the name of the test, or None between two tests
    until: float = 0.0

    def begin(self, what: str, which: Any, seconds: float) -> None:
        self.what, self.which, self.until = what, which, time.monotonic() + seconds

    def hear(self, news: dict[str, Any]) -> bool:
        """Take in what the child says; whether it asks for the tests. What makes no sense is not heard."""
        match news:
            case {"cell": int(i)} if self.what != "test" and 0 <= i < len(self.submission.pieces):
                self.begin("cell", i, self.limits.cell)
            case {"failed": str(reason)} if self.what == "cell":
                self.outcome.failed[self.which] = clean(reason[:LONGEST_REASON])
            case {"skipped": str(line)} if self.what == "cell":
                where = self.submission.pieces[self.which].where
                self.note(f"{where}: `{line[:60]}` was skipped, for it is not Python")
            case {"changed": [*names]}:
                self.note(f"it changed {', '.join(map(str, names))[:200]}, which was put back")
            case {"imported": True, "defined": [*names]} if self.what != "test":
                self.begin("test", None, self.limits.test)
                for test in list(self.remaining.values()):
                    if missing := [name for name in test.needs if name not in names]:
                        self.end(test.name, Result(False, self.why_missing(missing[0])))
                return True
            case {"test": str(name)}:
                self.begin("test", name, self.limits.test)
            case {"result": str(name), "passed": bool(passed), "reason": str(reason)} if name in self.remaining:
                self.end(name, Result(passed, _with_signature(clean(reason[:LONGEST_REASON]), self.assignment)))
                self.begin("test", None, self.limits.test)
            case {"done": True}:  # and tests are left
                raise Ended("stopped all tests (KeyboardInterrupt, or pytest.exit)")
        return False

    def end(self, name: str, result: Result) -> None:
        del self.remaining[name]
        self.outcome.results[name] = result

    def note(self, text: str) -> None:
        if clean(text) not in self.outcome.notes and len(self.outcome.notes) < 20:
            self.outcome.notes.append(clean(text))

    def blame(self, why: str) -> bool:
        """Hold the cell or the test that was running to account; whether there was one."""
        if self.what == "cell":
            self.hung.add(self.which)
            self.outcome.failed[self.which] = f"it {why}"
        elif self.which in self.remaining:
            self.end(self.which, Result(False, f"it {why}"))
        else:
            return False
        return True

    def why_missing(self, name: str) -> str:
        """Why a name that a test needs is not there."""
        defines = re.compile(rf"^(def|class)\s+{name}\b|^{name}\s*=", re.MULTILINE)
        for i, reason in sorted(self.outcome.failed.items()):
            piece = self.submission.pieces[i]
            if defines.search(piece.source):
                questions = self.assignment.questions
                number = questions.index(piece.question) + 1 if piece.question in questions else 0
                cell = f"the cell of question {number}" if number else f"the cell of {name}"
                return f"{cell} did not run: {reason}"
        return f"{name} is not there: the tests need it under this name, as in the skeleton"


def clean(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def _job(submission: Submission, assignment: Assignment, student: str | None, hung: set[int]) -> dict[str, Any]:
    return {
        "name": assignment.name,
        "file": submission.file,
        "cells": [{"source": piece.source, "file": piece.file, "line": piece.line} for piece in submission.pieces],
        "texts": submission.texts,
        "setup": assignment.code("setup"),
        "helpers": assignment.code("tests"),
        "names": list(assignment.signatures),
        "skip": sorted(hung),
        "student": student,
    }


def _with_signature(reason: str, assignment: Assignment) -> str:
    """A TypeError of a call, with the signature that the skeleton has."""
    called = re.match(r"TypeError: (\w+)\(\) (?:takes|got|missing)", reason)
    if called and assignment.signatures.get(called[1]):
        return f"{reason}; in the skeleton it is {called[1]}{assignment.signatures[called[1]]}"
    return reason


class Child:
    """The process, its folder, and the two pipes that lead out of it: `with` kills and removes it all."""

    def __init__(self, place: Place, limits: Limits):
        self.python, self.uid = place
        self.limits, self.word = limits, secrets.token_hex(16)
        self.buffer = self.output = b""
        self.counted, self.heard = 0.0, 0
        self.mark = f"COURSE_RUN={secrets.token_hex(16)}"  # in the environment of all that it starts

    def __enter__(self) -> "Child":
        self.box = Path(tempfile.mkdtemp(prefix="course-"))
        with contextlib.ExitStack() as undo:  # without room for a file or a process, nothing stays
            undo.callback(shutil.rmtree, self.box)
            for file in ("child.py", "expect.py"):
                shutil.copyfile(COURSE / file, self.box / file)
            if self.uid is not None:
                os.chown(self.box, self.uid, self.uid)
            self.channel, other = socket.socketpair()
            undo.callback(self.channel.close)
            with other:
                self.process = subprocess.Popen(
                    [self.python, "-Iu", str(self.box / "child.py"), str(other.fileno()), *_packages()],
                    cwd=self.box,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=[other.fileno()],
                    start_new_session=True,
                    umask=0o077,
                    user=self.uid,
                    group=self.uid,
                    extra_groups=None if self.uid is None else [],
                )
            undo.pop_all()
        self.pipes: list[Any] = [self.channel, self.process.stdout]
        self.open = list(self.pipes)
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        kill_all(self.uid, self.process.pid, self.mark.encode())
        self.process.wait()
        if self.uid is not None:
            wait_for_the_dead(self.uid)
        self._drain()
        for pipe in self.pipes:
            pipe.close()
        shutil.rmtree(self.box, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(("MINIDL_", "OPENBLAS_", "LD_"))}
        one = dict.fromkeys(("MINIDL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        own = {"HOME": str(self.box), "TMPDIR": str(self.box), "MPLCONFIGDIR": str(self.box), "MPLBACKEND": "Agg"}
        name, value = self.mark.split("=")
        return {**kept, **one, **own, "PATH": os.defpath, "LANG": "C.UTF-8", name: value}

    def tell(self, job: dict[str, Any]) -> None:
        most = self.limits.processes + (0 if self.uid is not None else _threads_of_mine())
        limits = {"memory": self.limits.memory, "file": self.limits.file, "processes": most, "cpu": int(self.limits.total) + 20}
        self._send(job | {"limits": limits})

    def tell_tests(self, tests: Sequence[Test]) -> None:
        self._send({"word": self.word, "tests": [{"name": test.name, "source": test.source} for test in tests]})

    def _send(self, message: dict[str, Any]) -> None:
        self.channel.settimeout(10)
        try:
            self.channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            pass  # it has ended, and `news` says how
        finally:
            self.channel.setblocking(False)

    def news(self, until: float) -> dict[str, Any]:
        """The next line from the child that can be believed."""
        while True:
            if STOP.is_set():
                raise Ended("was stopped")
            if time.monotonic() > until:
                raise Ended("took too long: is there a loop that does not end?")
            line, found, self.buffer = self.buffer.partition(b"\n") if b"\n" in self.buffer else (b"", b"", self.buffer)
            if found:
                try:
                    news = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if not isinstance(news, dict) or ({"test", "result", "done"} & news.keys() and news.get("word") != self.word):
                    continue
                return news
            ended = self.process.poll() is not None  # before what it said last is read
            if not self._drain(0 if ended else 0.05) and ended:
                raise Ended(_how(self.process.returncode))
            if self.heard > HEARD:
                raise Ended("wrote too much where results are written")
            self._count()

    def _count(self) -> None:
        """Root has no limit of processes, so they are counted, every tenth of a second."""
        if self.uid is None and os.getuid() == 0 and time.monotonic() > self.counted + 0.1:
            if len(started(None, self.process.pid, self.mark.encode())) > self.limits.processes:
                raise Ended(f"started more than {self.limits.processes} processes")
            self.counted = time.monotonic()

    def _drain(self, wait: float = 0) -> bool:
        """Reads what there is to read, for at most `wait` seconds; whether the channel had something."""
        readable = select.select(self.open, [], [], wait)[0]
        if not self.open:
            time.sleep(wait)
        heard = False
        for pipe in readable:
            try:
                data = os.read(pipe.fileno(), 1 << 16)
            except OSError:
                data = b""
            if not data:
                self.open.remove(pipe)
            elif pipe is self.channel:
                self.buffer, self.heard, heard = self.buffer + data, self.heard + len(data), True
            else:
                self.output += data[: KEPT - len(self.output)]
        return heard


def _how(status: int) -> str:
    if status == -signal.SIGXCPU:
        return "used more processor time than all tests together may"
    if status < 0:
        return f"ended the process ({signal.Signals(-status).name})"
    return f"ended the process (exit status {status})"


def kill_all(uid: int | None, session: int, mark: bytes) -> None:
    """All that the submission started: everything of its user; or all in its session, and what carries its mark."""
    for _ in range(100):
        if uid is not None:  # in one call, so that nothing can fork faster
            command = ["/bin/sh", "-c", "kill -9 -1"]
            subprocess.run(command, user=uid, group=uid, extra_groups=[], cwd="/", capture_output=True)
        pids = started(uid, session, mark)
        if not pids:
            break
        if uid is None:
            for sign in (signal.SIGSTOP, signal.SIGKILL):  # what is stopped cannot fork
                for pid in pids:
                    _kill(pid, sign)
    if uid is not None:
        _remove_files_of(uid)
    elif not PROC.is_dir():
        _kill(-session, signal.SIGKILL)


def started(uid: int | None, session: int, mark: bytes) -> list[int]:
    """The processes, where the system lists them."""
    return [pid for pid in _processes() if _belongs(pid, uid, session, mark)]


def wait_for_the_dead(uid: int) -> None:
    """What was killed counts for RLIMIT_NPROC until the system has taken note: else the user's next one could not fork."""
    end = time.monotonic() + 5
    while of_user(uid) and time.monotonic() < end:
        time.sleep(0.01)


def of_user(uid: int) -> list[int]:
    """All processes of a user, those that are dead and not yet taken note of among them."""
    found = []
    for pid in _processes():
        with contextlib.suppress(OSError):  # it may be gone
            if (PROC / str(pid)).stat().st_uid == uid:
                found.append(pid)
    return found


def _kill(pid: int, sign: int) -> None:
    with contextlib.suppress(OSError):  # it may be gone
        os.kill(pid, sign)  # a negative one is a group


def _processes() -> list[int]:
    return [int(name) for name in (os.listdir(PROC) if PROC.is_dir() else ()) if name.isdigit()]


def _belongs(pid: int, uid: int | None, session: int, mark: bytes) -> bool:
    try:
        if uid is not None:
            return (PROC / str(pid)).stat().st_uid == uid and not _is_zombie(pid)
        if os.getuid() != (PROC / str(pid)).stat().st_uid or pid == os.getpid() or _is_zombie(pid):
            return False
        return os.getsid(pid) == session or mark in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _is_zombie(pid: int) -> bool:
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _threads_of_mine() -> int:
    """How many the user has, whom RLIMIT_NPROC counts together."""
    count = 0
    for pid in of_user(os.getuid()):
        with contextlib.suppress(OSError):  # it may be gone
            count += len(os.listdir(PROC / str(pid) / "task"))
    return count


def _remove_files_of(uid: int) -> None:
    """What a submission left where everybody may write, for the next one to find."""
    for folder in {tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"}:
        try:
            with os.scandir(folder) as entries:
                left = [entry for entry in entries if entry.stat(follow_symlinks=False).st_uid == uid]
        except OSError:
            continue
        for entry in left:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


def places(count: int) -> tuple[list[Place], str]:
    """Where so many submissions can run at a time, and a warning, if that is less safe than it should be.

    Raises
    ------
    ValueError
        If none can run here at all: without pytest, say.
    """
    pythons = (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    if os.getuid() == 0:
        for python in pythons:  # the first may be where none but root can read it
            places = [Place(python, uid) for uid in _users(count)]
            if not _fault(places[0]):
                return places, ""
    fault = _fault(Place())
    if fault:
        raise ValueError(f"no submission can be run here: {fault}")
    warning = (
        "warning: submissions run as root, for no other user can start this Python or read minidl. They can read and change "
        "what root can. Install both outside of root's home, or grade as an ordinary user."
    )
    return [Place()] * count, warning if os.getuid() == 0 else ""


def _fault(place: Place) -> str:
    """Why nothing can run there, or an empty text."""
    nothing = Test("test_nothing", "", 0, False, "", "def test_nothing():\n    pass", ())
    try:
        outcome = run(Submission("nothing.py"), Assignment("nothing", COURSE, (), {}), [nothing], place=place)
    except OSError as error:
        return str(error)
    result = outcome.results["test_nothing"]
    return "" if result.passed else outcome.output or result.reason


def _users(count: int) -> list[int]:
    """A user of its own for each submission that runs at a time: numbers without an account, that no process has."""
    taken = {account.pw_uid for account in pwd.getpwall()}
    for pid in _processes():
        with contextlib.suppress(OSError):
            taken.add((PROC / str(pid)).stat().st_uid)
    free = (uid for uid in itertools.count(20_000 + secrets.randbelow(40_000)) if uid not in taken)
    return list(itertools.islice(free, count))


def _packages() -> list[str]:
    """Where pytest, NumPy and minidl are."""
    return [path for path in sys.path if "-packages" in path] + [str(Path(minidl.__file__).parents[1])]
