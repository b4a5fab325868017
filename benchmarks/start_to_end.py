"""What a user waits for: `import minidl` against `import numpy`, and the zero_vs_xavier example against the same in PyTorch.

python -m benchmarks.start_to_end [--threads 2] [--quick]

Every time is that of a fresh process, from its start to its end; they take turns. The example runs as it would without
matplotlib and tqdm, for its counterpart (zero_vs_xavier_torch.py) draws no picture; and once more as it is, with them.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import compare

ROOT = Path(__file__).parent.parent
TARGET = 0.030  # seconds that `import minidl` may take beyond NumPy's own import
EXAMPLE = ROOT / "examples" / "zero_vs_xavier.py"
WITHOUT_PICTURE = f"""
import runpy, sys
sys.modules["matplotlib"] = sys.modules["tqdm"] = None
sys.argv = ["zero_vs_xavier.py"]
runpy.run_path({str(EXAMPLE)!r}, run_name="__main__")
"""


def run(*arguments: str, folder: str | Path = ROOT) -> str:
    """What a fresh Python prints. It may keep what it has compiled, as it does for most users, for the next one to load."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def imports() -> dict[str, Callable[[], object]]:
    modules = [name for name in ("numpy", "minidl", "torch") if importlib.util.find_spec(name)]
    return {"nothing": partial(run, "-c", ""), **{name: partial(run, "-c", f"import {name}") for name in modules}}


def examples(folder: str) -> dict[str, Callable[[], object]]:
    """Their picture, where there is one, goes to the folder."""
    result: dict[str, Callable[[], object]] = {"minidl": partial(run, "-c", WITHOUT_PICTURE, folder=folder)}
    if importlib.util.find_spec("matplotlib"):
        result["minidl, with picture"] = partial(run, str(EXAMPLE), folder=folder)
    if importlib.util.find_spec("torch"):
        result["torch"] = partial(run, "-m", "benchmarks.zero_vs_xavier_torch")
    return result


def summary(importing: dict[str, float], example: dict[str, float]) -> list[str]:
    extra = importing["minidl"] - importing["numpy"]
    verdict = "met" if extra <= TARGET else "MISSED"
    lines = [f"import minidl: NumPy's own import and {1e3 * extra:.1f} ms (at most {1e3 * TARGET:.0f} ms: {verdict})"]
    if "torch" in example:
        lines.append(f"zero_vs_xavier: {example['torch'] / example['minidl']:.1f} times as fast as in PyTorch, start to end")
    return lines


def main():
    args = compare.options(__doc__, "start_to_end")
    importing = compare.alternate(imports(), 3 if args.quick else 31)
    with tempfile.TemporaryDirectory() as folder:
        example = compare.alternate(examples(folder), 1 if args.quick else 11)
    rows: list[dict[str, Any]] = [{"process": f"import {name}", "milliseconds": 1e3 * s} for name, s in importing.items()]
    rows += [{"process": f"zero_vs_xavier: {name}", "milliseconds": 1e3 * s} for name, s in example.items()]
    table = compare.table(rows, {"process": "", "milliseconds": ",.0f"})
    compare.report(args, table, "\n".join(summary(importing, example)))


if __name__ == "__main__":
    main()
