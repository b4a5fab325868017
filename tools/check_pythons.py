"""Runs the tests on other Pythons and other NumPys, each in a virtual environment and on a copy of its own.

    python tools/check_pythons.py [PYTHON[=NUMPY] ...]

3.12 is Python 3.12 with the newest NumPy, 3.12=2.0.0 with that one; oldest and newest are names, too. Pythons are looked for on
PATH and among pyenv's, from 3.11 on. Alone it takes all of them, each with the last NumPy 2.0 and with the newest one. A NumPy
that has no wheel for a Python is left out. So are the tests of the gallery, minutes of training, of the benchmarks, and of the
course's assignments, whose every answer is a process: the others take some seven minutes. It needs a C compiler and a package
index. Exit status: 1 where something failed, 2 where a Python is missing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOT_COPIED = shutil.ignore_patterns(".git", "build", "*.so", "*.egg-info", ".*_cache", "__pycache__")
SCRIPTS = [f"--ignore=tests/test_{name}.py" for name in ("claims", "examples", "labels", "benchmarks")]
SCRIPTS.append("--ignore=course/tests/test_course_assignments.py")


def pythons():
    """Where each version is, as in {"3.11": "/usr/bin/python3.11"}; the oldest first."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for version in (f"3.{minor}" for minor in range(11, 20)):
        for python in (*pyenv.glob(f"{version}.*/bin/python"), shutil.which(f"python{version}")):
            if python and works(python, "-c", "import ensurepip, venv"):  # a shim of pyenv's may have nothing behind it
                found[version] = python
    return found


def works(*command):
    return subprocess.run(command, capture_output=True).returncode == 0


def has_wheel(python, numpy, folder):
    return works(python, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=numpy", "-d", folder, f"numpy=={numpy}")


def output(*command, cwd):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout)
    return done.stdout.strip()


def check(python, numpy, folder):
    """Which versions were tested, and the last line of pytest; RuntimeError with all that was printed where something fails."""
    copy = shutil.copytree(ROOT, folder / "copy", ignore=NOT_COPIED)
    output(python, "-m", "venv", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    wanted = [f"numpy=={numpy}"] if numpy else []
    output(python, "-m", "pip", "install", "-q", "--only-binary=numpy", *wanted, "-e", ".[examples,test]", cwd=copy)
    versions = "import platform, numpy; print('Python', platform.python_version(), 'NumPy', numpy.__version__)"
    tested = output(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SCRIPTS, cwd=copy)
    return output(python, "-c", versions, cwd=folder), tested.splitlines()[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="*", metavar="PYTHON[=NUMPY]")
    asked = parser.parse_args().pairs
    found = pythons()
    names = {"oldest": next(iter(found)), "newest": next(reversed(found))}
    pairs = [
        pair.partition("=")[::2] for pair in asked or [f"{version}{numpy}" for version in found for numpy in ("=2.0.*", "")]
    ]
    pairs = [(names.get(version, version), numpy) for version, numpy in pairs]
    if missing := {version for version, _ in pairs} - set(found):
        parser.error(f"there is no Python {', '.join(missing)} here, only {', '.join(found)}")
    with tempfile.TemporaryDirectory() as scratch:
        failed = False
        for i, (version, numpy) in enumerate(pairs):
            if numpy and not has_wheel(found[version], numpy, scratch):
                print(f"Python {version}: there is no wheel of NumPy {numpy}")
                continue
            start = time.perf_counter()
            folder = Path(scratch, str(i))
            folder.mkdir()
            try:
                versions, result = check(found[version], numpy, folder)
            except RuntimeError as error:
                failed = True
                versions, result = f"Python {version} NumPy {numpy or 'newest'}", f"FAILED\n{error}"
            print(f"{versions}: {result} ({time.perf_counter() - start:.0f} s in all)", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
