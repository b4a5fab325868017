"""The switch between compiled and reference kernels: what MINIDL_KERNELS, MINIDL_ISA, MINIDL_NUM_THREADS and the functions
beside them choose, seen from a fresh process, and what they say about a wrong value."""

import os
import subprocess
import sys

import numpy as np
import pytest

import minidl
from minidl import kernels

compiled_only = pytest.mark.skipif(kernels.backend != "compiled", reason="chooses among compiled kernels")
SHOW = "import minidl; minidl.show_config()"


def python(code, **environment):
    """Runs the code, warnings being errors, with these of minidl's variables and no others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MINIDL_")}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=60)


def config(done):
    """The lines of show_config as a dictionary."""
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines())


@compiled_only
def test_without_variables_the_compiled_kernels_run_on_the_best_instruction_set_and_every_processor():
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    possible = kernels._backend.instruction_sets()
    assert config(python(SHOW)) == {
        "minidl": minidl.__version__,
        "kernels": "compiled",
        "isa": f"{possible[0]} (possible: {', '.join(possible)})",
        "threads": str(min(processors, 64)),
        "numpy": np.__version__,
    }


@compiled_only
@pytest.mark.parametrize("instruction_set", kernels._backend.instruction_sets())
def test_the_variables_choose_kernels_instruction_set_and_threads(instruction_set):
    shown = config(python(SHOW, MINIDL_KERNELS="compiled", MINIDL_ISA=instruction_set, MINIDL_NUM_THREADS="3"))
    assert shown["kernels"] == "compiled"
    assert shown["isa"].split()[0] == instruction_set
    assert shown["threads"] == "3"


def test_the_reference_kernels_run_when_asked_for_without_a_warning():
    shown = config(python(SHOW, MINIDL_KERNELS="reference", MINIDL_NUM_THREADS="2"))
    assert (shown["kernels"], shown["isa"], shown["threads"]) == ("reference", "numpy (possible: numpy)", "2")


def test_empty_variables_count_as_unset_and_64_threads_are_the_most():
    code = "import minidl; print(minidl.get_num_threads())"
    first = python(code, MINIDL_KERNELS="reference", MINIDL_ISA="", MINIDL_NUM_THREADS="")
    assert (first.returncode, first.stderr) == (0, "")
    assert int(first.stdout) >= 1
    assert python(code, MINIDL_KERNELS="reference", MINIDL_NUM_THREADS="1000").stdout.strip() == "64"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MINIDL_KERNELS", "bogus", "MINIDL_KERNELS is 'bogus'; set it to 'compiled' or 'reference', or unset it"),
        ("MINIDL_NUM_THREADS", "0", "MINIDL_NUM_THREADS is '0'; set it to a positive integer, or unset it"),
        ("MINIDL_NUM_THREADS", "abc", "MINIDL_NUM_THREADS is 'abc'; set it to a positive integer"),
        ("MINIDL_NUM_THREADS", "-2", "MINIDL_NUM_THREADS is '-2'; set it to a positive integer"),
        ("MINIDL_NUM_THREADS", "1.5", "MINIDL_NUM_THREADS is '1.5'; set it to a positive integer"),
        ("MINIDL_ISA", "bogus", "MINIDL_ISA is 'bogus'; with the reference kernels this machine runs: numpy"),
    ],
)
def test_a_wrong_value_is_an_import_error_that_names_the_right_ones(variable, value, message):
    done = python("import minidl", **{"MINIDL_KERNELS": "reference", variable: value})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: {message}")


@compiled_only
def test_an_unknown_instruction_set_is_an_import_error_that_lists_those_of_this_machine():
    possible = ", ".join(kernels._backend.instruction_sets())
    for value in ("bogus", "AVX2"):
        done = python("import minidl", MINIDL_ISA=value)
        assert done.returncode == 1
        expected = f"ImportError: MINIDL_ISA is '{value}'; with the compiled kernels this machine runs: {possible}"
        assert done.stderr.splitlines()[-1] == expected


# In this process


@pytest.fixture
def restored():
    before = kernels.get_num_threads(), kernels._backend.instruction_set()
    yield before
    kernels.set_num_threads(before[0])
    kernels._backend.choose_instruction_set(before[1])


def test_set_num_threads_sets_what_get_num_threads_returns(restored):
    for n, kept in ((1, 1), (np.int64(3), 3), (64, 64), (65, 64), (10**30, 64)):
        minidl.set_num_threads(n)
        assert minidl.get_num_threads() == kernels.get_num_threads() == kept


@pytest.mark.parametrize("n", [0, -1, 1.0, "2", None, True])
def test_what_is_not_a_number_of_threads_is_refused_and_changes_nothing(n, restored):
    with pytest.raises(ValueError, match=f"set_num_threads takes a positive integer, got {n!r}"):
        minidl.set_num_threads(n)
    assert minidl.get_num_threads() == restored[0]


def test_an_unknown_instruction_set_is_not_chosen(restored):
    assert not kernels._backend.choose_instruction_set("bogus")
    assert kernels._backend.instruction_set() == restored[1]


def test_show_config_prints_the_current_state(restored, capsys):
    minidl.set_num_threads(5)
    name = kernels._backend.instruction_sets()[-1]
    kernels._backend.choose_instruction_set(name)
    minidl.show_config()
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["kernels"] == kernels.backend
    assert shown["isa"].startswith(name + " ")
    assert shown["threads"] == "5"
