"""The package as installed: its files and its version, what importing it does, and that it makes the same numbers without its
compiled kernels, seen from fresh processes."""

import ast
import importlib.metadata
import importlib.resources
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import minidl
from minidl import kernels

ROOT = Path(__file__).parent.parent

# Without the extension: whatever is not built cannot be imported.
HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == "minidl.kernels._compiled":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
"""

# A layer, an initializer of every distribution, and draws large enough to be dealt out to threads.
DRAW = """
import hashlib, numpy as np, minidl
rng = minidl.random.Generator(2024)
layer = minidl.nn.Linear(64, 64, rng=rng)
print(layer.weight.data.ravel()[:3].tolist())
parts = [layer.weight.data, layer.bias.data, minidl.nn.Linear(5, 3, rng=1, bias_init="normal").bias.data]
for dtype in (np.float32, np.float64):
    parts += [rng.normal(100_003, dtype=dtype), rng.uniform(70_001, -1, 1, dtype), rng.truncated_normal(70_001, dtype=dtype)]
    parts += [rng.truncated_normal(999, 0, 1, low, high, dtype) for low, high in ((0, 9), (-1, 2.5), (5, 6), (-40, -3))]
parts += [rng.integers(-7, 2**62, 999), rng.permutation(999), rng.bernoulli(999, 0.3), rng.stream("a").normal(9)]
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""


def python(*arguments, cwd=None, **environment):
    """Runs Python with these of minidl's variables and no others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MINIDL_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, *arguments], env=clean | environment, cwd=cwd, capture_output=True, text=True, timeout=120
    )


# Files and names


def test_the_version_is_that_of_the_project_and_of_the_installed_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert minidl.__version__ == project["version"] == importlib.metadata.version("minidl")


def test_only_numpy_is_required():
    required = [name for name in importlib.metadata.requires("minidl") if "extra ==" not in name]
    assert [re.match(r"[\w-]+", name).group() for name in required] == ["numpy"]


@pytest.mark.parametrize("name", ["py.typed", "datasets/digits.npz", "datasets/digits.md"])
def test_data_files_are_installed(name):
    assert importlib.resources.files("minidl").joinpath(name).is_file()


def test_every_subpackage_is_listed_for_installation():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    with_code = {".".join(f.parent.relative_to(ROOT).parts) for f in ROOT.glob("minidl/**/__init__.py")}
    assert set(listed) == with_code | {"minidl.datasets"}


def test_every_public_name_exists():
    for module in (minidl, minidl.nn):
        for name in module.__all__:
            assert hasattr(module, name), f"{module.__name__}.{name}"


def test_nn_functional_and_nn_init_are_the_modules_themselves():
    assert minidl.nn.functional is minidl.functional
    assert minidl.nn.init is minidl.init


# Importing


def test_a_folder_named_minidl_where_python_starts_does_not_hide_the_package(tmp_path):
    """A folder without an __init__.py is a namespace package, as soon as nothing on sys.path is a regular one; what finds
    modules in other ways, as one kind of editable install does, is asked later."""
    (tmp_path / "minidl").mkdir()
    done = python("-c", "import minidl; print(minidl.nn.Linear(3, 2).weight.shape)", cwd=tmp_path)
    assert (done.stdout.strip(), done.stderr) == ("(2, 3)", "")


def test_an_editable_install_puts_no_other_package_in_the_way():
    """The .pth file shows all folders beside minidl/: without an __init__.py they give way to the user's own of that name."""
    assert [file.parent.name for file in ROOT.glob("*/__init__.py")] == ["minidl"]


def test_importing_prints_nothing_and_loads_nothing_but_numpy_and_the_standard_library():
    code = "import sys, numpy; before = set(sys.modules); import minidl; print(sorted(set(sys.modules) - before))"
    done = python("-W", "error", "-c", code, MINIDL_KERNELS=kernels.backend)
    assert (done.returncode, done.stderr) == (0, "")
    loaded = {name.partition(".")[0] for name in ast.literal_eval(done.stdout)}  # fails if anything else was printed
    third_party = loaded - set(sys.stdlib_module_names) - {"minidl", "numpy"}
    # Left are the finder of an editable install and Cython's own bookkeeping, made by the extension itself.
    assert [name for name in third_party if not re.match("__editable__|_cython_|cython_runtime|_distutils_hack", name)] == []


# Without the compiled kernels


def test_without_the_extension_one_warning_names_the_remedy_and_every_number_stays_the_same():
    done = python("-W", "always", "-c", HIDE + DRAW + "import minidl.kernels; print(minidl.kernels.backend)")
    assert done.returncode == 0
    assert done.stdout.split()[-1] == "reference"
    assert done.stderr.count("Warning") == 1
    for remedy in (
        "RuntimeWarning: minidl's compiled kernels cannot be loaded",
        "pip install -e .",
        "MINIDL_KERNELS=reference",
    ):
        assert remedy in done.stderr
    assert done.stdout.splitlines()[:2] == python("-c", DRAW, MINIDL_KERNELS=kernels.backend).stdout.splitlines()


def test_compiled_kernels_that_are_asked_for_but_not_built_are_an_import_error():
    done = python("-c", HIDE + "import minidl", MINIDL_KERNELS="compiled")
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith("ImportError: MINIDL_KERNELS=compiled, but ")
    assert "pip install -e ." in message
    assert "circular" not in message  # Python's own guess, and a wrong one


@pytest.mark.skipif(kernels.backend != "compiled", reason="compares the compiled kernels with the reference implementation")
def test_weights_and_draws_are_the_same_for_every_instruction_set_number_of_threads_and_in_the_reference():
    settings = [{"MINIDL_KERNELS": "reference"}, {"MINIDL_NUM_THREADS": "1"}]
    settings += [{"MINIDL_ISA": name, "MINIDL_NUM_THREADS": "2"} for name in kernels._backend.instruction_sets()]
    results = [python("-W", "error", "-c", DRAW, **setting) for setting in settings]
    assert {(done.returncode, done.stderr) for done in results} == {(0, "")}
    assert len({done.stdout for done in results}) == 1


def uncompiled_copy(folder):
    """The package without its extension, the guard in conftest.py and the settings, and one test that passes."""
    shutil.copytree(ROOT / "minidl", folder / "minidl", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "tests").mkdir()
    (folder / "tests" / "test_nothing.py").write_text("def test_nothing():\n    pass\n")


def test_the_test_suite_refuses_an_uncompiled_copy(tmp_path):
    uncompiled_copy(tmp_path)
    command = ("-m", "pytest", "-p", "no:cacheprovider", "tests")
    refused = python(*command, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    said = refused.stdout + refused.stderr
    assert refused.returncode == 4
    assert f"this minidl, in {tmp_path / 'minidl' / 'kernels'}, has no compiled kernels" in said
    assert "1 passed" not in said
    on_purpose = python(*command, cwd=tmp_path, PYTHONPATH=str(tmp_path), MINIDL_KERNELS="reference")
    assert on_purpose.returncode == 0, on_purpose.stdout + on_purpose.stderr
    assert "1 passed" in on_purpose.stdout


def test_the_licence_goes_with_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license-files"] == ["LICENSE"]
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_python_m_minidl_says_what_is_installed_and_where_to_go_on():
    said = subprocess.run([sys.executable, "-m", "minidl"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"minidl   {minidl.__version__}\nkernels  {minidl.kernels.backend}")
    assert "docs/tour.md" in said


def test_dir_shows_what_there_is_to_use():
    assert {"flow", "plot", "theory", "Tensor"} <= {*dir(minidl)}
    assert not {"Any", "TYPE_CHECKING", "importlib"} & {*dir(minidl)}
    assert all(hasattr(minidl, name) for name in dir(minidl))
