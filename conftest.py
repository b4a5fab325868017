"""What all tests share; and a guard: they never test an uncompiled copy of minidl by accident."""

import importlib.util
import os
import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings(action="ignore"):  # the guard below says it better
    from minidl import kernels

collect_ignore = list(Path(__file__).parent.glob("course/*.py"))  # modules that import one another
if importlib.util.find_spec("sklearn") is None:
    collect_ignore.append(Path(__file__).parent / "minidl/interop/scikit_learn.py")
collect_ignore_glob = ["tests/recorded/*", "course/hw*/*", "*/conftest.py"]  # need PyTorch; are no modules of their own


def pytest_configure():
    if kernels.backend != "compiled" and os.environ.get("MINIDL_KERNELS") != "reference":
        pytest.exit(
            f"this minidl, in {os.path.dirname(kernels.__file__)}, has no compiled kernels: run `pip install -e .` in its "
            "folder with a C compiler at hand, or set MINIDL_KERNELS=reference to test the reference implementation on purpose",
            returncode=4,
        )
