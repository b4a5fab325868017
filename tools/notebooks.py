"""Runs the lessons in notebooks/ and writes each as a notebook with what it printed and drew, as code hosts show it.

    pip install -e ".[notebooks]"
    python tools/notebooks.py            # all, or the files that are named; --check runs nothing and says which are stale

The lessons are Python files in jupytext's percent format; the .ipynb beside each is made of it by this script.
"""

import argparse
import sys
import time
from pathlib import Path

import jupytext
import nbformat

HOME = Path(__file__).parent.parent / "notebooks"


def lessons() -> list[Path]:
    return sorted(HOME.glob("[0-9]_*.py"))


def cells(notebook) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def is_current(path: Path) -> bool:
    """Whether the notebook beside a lesson has its cells, and has been run from the first to the last without an error."""
    made = path.with_suffix(".ipynb")
    if not made.exists():
        return False
    notebook = nbformat.read(made, as_version=4)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    return cells(notebook) == cells(jupytext.read(path)) and counts == list(range(1, len(counts) + 1))


def run(path: Path) -> None:
    from nbclient import NotebookClient

    notebook = jupytext.read(path)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    start = time.perf_counter()
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(HOME)}}).execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # the same in every run
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":  # a progress bar is no result
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    nbformat.write(notebook, path.with_suffix(".ipynb"))
    print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.with_suffix('.ipynb').stat().st_size:,} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="lessons; default: all")
    parser.add_argument("--check", action="store_true", help="run nothing; exit status 1 where a notebook is not of its lesson")
    args = parser.parse_args()
    if args.check:
        stale = [path.stem for path in args.files or lessons() if not is_current(path)]
        sys.exit(f"not of their lessons: {', '.join(stale)}; run python tools/notebooks.py" if stale else 0)
    for path in args.files or lessons():
        run(path)


if __name__ == "__main__":
    main()
