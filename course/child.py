"""Runs one submission: its cells, one by one in one namespace, then the tests, by pytest. Every step is told to the parent.

`process.py` copies this file into an empty folder, starts it there, and trusts nothing that it says. So that honest mistakes,
and lazy cheating, do not pass for success:

- the tests come from the parent when the cells have run, with a word that every result must carry, and are written nowhere;
- what the tests use of pytest, minidl and NumPy is imported before the submission is, and put back after each cell and each
  test that has changed it, as are settings of the whole process (STATE);
- a test counts when its function, called by pytest, came to its end, and never before.

It leaves out what cannot be done within one process: code that searches the frames and objects of its own process finds tests
and word there, and can change the one or say the other.
"""

import contextlib
import functools
import gc
import inspect
import json
import linecache
import locale
import os
import re
import resource
import signal
import socket
import sys
import traceback
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path += sys.argv[2:]  # where the packages are that the parent uses

import numpy
import pytest

import minidl

run_pytest, Module = pytest.main, pytest.Module  # which the submission cannot change

LONGEST = 1500  # characters of a reason
GUARDED = re.compile(r"(numpy|numpy\.(linalg|random|testing)|minidl(\..*)?|pytest|builtins|math|os|json)$")
PLUGINS = "-pno:cacheprovider", "-pno:terminal", "-pno:warnings"
OPTIONS = *PLUGINS, "--assert=plain", "--capture=no", "--noconftest", "-c", "/dev/null"
HINTS = {
    "'NoneType' object is not callable": ". What stands before the parentheses is None.",
    "'NoneType'": ". Does a function of yours end without `return`?",
    "No module named": ". The assignment needs nothing but what its first cell imports.",
    "SystemExit": ". Leave exit() and quit() out.",
}


def main(channel):
    lines = channel.makefile("r", encoding="utf-8", newline="\n")
    job = json.loads(lines.readline())
    me = os.getpid()

    def say(**news):
        if os.getpid() != me:  # a copy that the submission made of us
            os._exit(1)
        channel.sendall(json.dumps(news).encode() + b"\n")

    limit(**job["limits"])
    expect = types.ModuleType("expect")
    exec(compile(Path(__file__).with_name("expect.py").read_text(encoding="utf-8"), "expect.py", "exec"), vars(expect))
    sys.modules |= {"expect": expect, "course": types.ModuleType("course")}  # without the solutions
    before = snapshot()

    tests = {"__name__": "tests", "expect": expect.expect}
    for source in (job["setup"], job["helpers"]):
        exec(compile(source, "<tests>", "exec"), tests)
    submission: Any = types.ModuleType(job["name"])
    exec(compile(job["setup"], "<setup>", "exec"), vars(submission))
    vars(submission).update(__name__=job["name"], __file__=job["file"])
    sys.modules[job["name"]] = submission

    for i, cell in enumerate(job["cells"]):
        if i not in job["skip"]:
            say(cell=i)
            run_cell(cell, vars(submission), job["texts"][cell["file"]], before, say)
    if job["student"] is not None:
        submission.STUDENT = job["student"]
    say(imported=True, defined=[name for name in job["names"] if name in vars(submission)])

    exam = json.loads(lines.readline())
    tests |= {name: value for name, value in vars(submission).items() if name not in tests}
    tests["STUDENT"] = str(getattr(submission, "STUDENT", ""))
    for test in exam["tests"]:
        exec(compile(test["source"], "<tests>", "exec"), tests)
    module = types.ModuleType("tests")
    vars(module).update({test["name"]: restoring(tests[test["name"]], before, say) for test in exam["tests"]})
    files = {cell["file"] for cell in job["cells"]}
    stream = Stream(module, files, lambda **news: say(word=exam["word"], **news))
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    run_pytest([*OPTIONS], [stream])
    say(word=exam["word"], done=True)
    os._exit(0)


def limit(memory, file, processes, cpu):
    """Of this process and all that come from it; where the system's own limit is lower, that stays."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS has no limit of memory
            resource.setrlimit(what, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an OSError


def stream(fd):
    """What Python writes to or reads from there, and whether it is closed; an OSError where the system's file is."""
    os.fstat(fd)
    found = getattr(sys, STREAMS[fd])
    return [found, found.closed]


def put_back_stream(fd, before):
    try:
        os.fstat(fd)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # the system takes the least number that is free, and those below are open again
    if before[0].closed:
        before[0] = open(fd, "w" if fd else "r", buffering=1, closefd=False)  # noqa: SIM115 - it stays open
    setattr(sys, STREAMS[fd], before[0])


def put_back_warnings(filters):
    warnings.resetwarnings()
    warnings.filters[:] = filters  # type: ignore[index]


def put_back_environment(environment):
    os.environ.clear()
    os.environ.update(environment)


def put_back_signals(handlers):
    for number, handler in handlers.items():
        if handler is not signal.getsignal(number):
            signal.signal(number, handler)


STREAMS = "stdin", "stdout", "stderr"
STATE: dict[str, tuple[Callable, Callable]] = {  # what holds for all that runs later: how to ask for it, and how to put it back
    "sys.setrecursionlimit": (sys.getrecursionlimit, sys.setrecursionlimit),  # the first, for the others need some depth
    "sys.settrace": (sys.gettrace, sys.settrace),
    "sys.setprofile": (sys.getprofile, sys.setprofile),
    "sys.path": (lambda: sys.path[:], lambda path: sys.path.__setitem__(slice(None), path)),
    **{f"sys.{name}": (functools.partial(stream, i), functools.partial(put_back_stream, i)) for i, name in enumerate(STREAMS)},
    "os.chdir": (os.getcwd, os.chdir),
    "os.environ": (lambda: {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}, put_back_environment),
    "signal.signal": (lambda: {n: signal.getsignal(n) for n in signal.valid_signals()}, put_back_signals),
    "signal.setitimer": (lambda: signal.getitimer(signal.ITIMER_REAL), lambda _: signal.setitimer(signal.ITIMER_REAL, 0)),
    "gc.disable": (gc.isenabled, lambda _: gc.enable()),
    "locale.setlocale": (lambda: locale.setlocale(locale.LC_ALL), lambda old: locale.setlocale(locale.LC_ALL, old)),
    "warnings.filters": (lambda: warnings.filters[:], put_back_warnings),
    "numpy.seterr": (numpy.geterr, lambda errors: numpy.seterr(**errors)),
    "minidl.set_num_threads": (minidl.get_num_threads, minidl.set_num_threads),
    "minidl.no_grad": (
        lambda: minidl.Tensor([1.0], requires_grad=True).sum().requires_grad,
        lambda _: minidl.enable_grad().__enter__(),
    ),
}  # but no generators: each draw changes them, and the tests hold for any draws


def now(ask):
    with contextlib.suppress(Exception):  # the submission may have closed or removed what is asked for
        return ask()


def snapshot():
    """STATE as it is, and the functions, classes and modules that the modules hold."""
    modules = {name: module for name, module in sys.modules.items() if GUARDED.match(name) and module is not None}
    return {name: now(ask) for name, (ask, _) in STATE.items()}, {
        name: (module, {key: value for key, value in vars(module).items() if callable(value) or inspect.ismodule(value)})
        for name, module in modules.items()
    }


def restore(before):
    """Puts back what has changed, and returns the names of it."""
    state, modules = before
    changed = []
    for name, (ask, put_back) in STATE.items():
        if now(ask) != state[name]:
            with contextlib.suppress(Exception):
                put_back(state[name])
            changed.append(name)
    for name, (module, values) in modules.items():
        current = vars(module)
        for key in [key for key, value in values.items() if current.get(key) is not value]:
            current[key] = values[key]
            changed.append(f"{name}.{key}")
    return changed


def restoring(test, before, say):
    """The test, which puts back what it has changed before anything else runs: pytest itself needs some depth of recursion."""

    def run():
        try:
            test()
        finally:
            if changed := restore(before):
                say(changed=changed)

    return run


def run_cell(cell, namespace, text, before, say):
    """One cell of the submission; whatever it raises is told, and the next one goes on."""
    linecache.cache[cell["file"]] = (len(text), None, text.splitlines(True), cell["file"])
    error = None
    try:
        source, skipped = without_magics(cell["source"])
        for line in skipped[:20]:
            say(skipped=line[:100])
        exec(compile("\n" * (cell["line"] - 1) + source, cell["file"], "exec", dont_inherit=True), namespace)
    except BaseException as raised:  # SystemExit, too
        error = raised
    if changed := restore(before):
        say(changed=changed)
    if error is not None:
        say(failed=reason(error, {cell["file"]}))


def without_magics(source):
    """The cell without lines for IPython or a shell, and those lines; a cell for another language is such a line as a whole."""
    first = source.lstrip().split("\n", 1)[0]
    if first.startswith("%%") and not re.match(r"%%(time|timeit|capture)\b", first):
        return "", [first]
    try:
        compile(source, "", "exec", dont_inherit=True)
        return source, []
    except (SyntaxError, ValueError):
        pass
    lines, skipped = [], []
    for line in source.split("\n"):
        magic = re.match(r"\s*([%!]|\w+\?+$)", line)
        lines.append(line[: len(line) - len(line.lstrip())] + "pass" if magic else line)
        skipped += [line.strip()] * bool(magic)
    return "\n".join(lines), skipped


def reason(error, files):
    """An exception as a sentence, with the last line of the submission that took part in it."""
    kind = type(error).__name__
    try:
        notes = [] if isinstance(error, NotImplementedError) else getattr(error, "__notes__", [])
        text = "\n".join([str(error), *map(str, notes)])[:LONGEST]
    except BaseException:  # the exception is the submission's own
        text = "(its text cannot be shown)"
    if isinstance(error, SyntaxError):
        return f"{kind}: {error.msg} ({error.filename}, line {error.lineno}{code(error.text)})"[:LONGEST]
    if isinstance(error, AssertionError | NotImplementedError) and text:
        return text
    where, step = "", error.__traceback__
    while step is not None:
        file, line = step.tb_frame.f_code.co_filename, step.tb_lineno
        if file in files:
            where = f" ({file}, line {line}{code(linecache.getline(file, line))})"
        step = step.tb_next
    said = f"{kind}: {text}" if text else kind
    return said + where + next((hint for sign, hint in HINTS.items() if sign in said), "")


def code(line):
    return f": `{line.strip()[:100]}`" if line and line.strip() else ""


class Stream:
    """The plugin of pytest: it collects the tests from memory, and tells how each begins and ends."""

    def __init__(self, module, files, say):
        self.module, self.files, self.say = module, files, say

    def pytest_collection(self, session):
        module = Module.from_parent(session, path=Path("tests.py").absolute())
        module.obj = self.module
        session.items = list(module.collect())
        session.testscollected = len(session.items)
        return True

    def pytest_runtest_logstart(self, nodeid):
        self.passed, self.error = False, None
        self.say(test=nodeid.rpartition("::")[2])

    def pytest_runtest_makereport(self, call):
        self.error = self.error or (call.excinfo and call.excinfo.value)
        self.passed = self.passed or (call.when == "call" and call.excinfo is None)

    def pytest_runtest_logfinish(self, nodeid):
        ended = "" if self.error is None else reason(self.error, self.files)
        self.say(result=nodeid.rpartition("::")[2], passed=self.passed and self.error is None, reason=ended)
        if self.error is not None:  # its traceback would keep what the test had in memory, for the next one to lack
            traceback.clear_frames(self.error.__traceback__)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
