"""A sweep from a file, for a machine where nobody sits: `python -m minidl.sweep sweep.toml --store results`.

The file says what `flow.sweep` is called with. Functions are in Python files beside it:

    train = "experiment.py:train"         # a function of (point, seed);
    seeds = 10                            # how many, or which: [3, 5]

    [grid]
    depth = [10, 20, 30]
    sigma_w2 = [1.0, 1.5, 2.0]

or, in place of `train`, what `flow.Training` takes:

    [training]
    model = "experiment.py:model"         # a function of what the grid names
    data = "experiment.py:data"           # left out: the digits
    epochs = 5

Once it ends it prints a summary. If it was interrupted, the same command goes on, and so does `flow.sweep` with this store.
"""

import argparse
import contextlib
import importlib
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .run import sweep
from .usual import Training


def main(arguments: Sequence[str] | None = None) -> int:
    """The status: 0, or 1 if a point failed."""
    parser = argparse.ArgumentParser(
        prog="python -m minidl.sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a .toml file")
    parser.add_argument("--store", required=True, help="the folder that keeps what is finished")
    parser.add_argument(
        "--n-jobs", type=int, help="how many points at a time, -1: one on each core; default: 1, or all of Dask"
    )
    parser.add_argument("--dask", metavar="ADDRESS", help="of a Dask scheduler, such as tcp://node1:8786")
    args = parser.parse_args(arguments)
    sys.path.insert(0, str(args.file.parent.absolute()))
    try:
        call = read(args.file)
        with dask(args.dask, args.file.parent.glob("*.py")) if args.dask else contextlib.nullcontext():
            result = sweep(**call, store=args.store, n_jobs=args.n_jobs)
    except (OSError, ImportError, ValueError, TypeError, AttributeError) as error:
        parser.exit(2, f"{args.file}: {error}\n")
    print(result)
    return int(bool(result.failed))


def read(path: Path) -> dict[str, Any]:
    """The arguments of `sweep` that a file states."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    if unknown := found.keys() - {"train", "training", "seeds", "grid"}:
        raise ValueError(f"unknown entry {min(unknown)!r}; there are train or training, seeds and grid")
    if ("train" in found) == ("training" in found) or "grid" not in found:
        raise ValueError("it needs a grid, and either train or training")
    if "train" in found:
        return found | {"train": function(found["train"])}
    settings = found.pop("training")
    settings |= {name: function(settings[name]) for name in ("model", "data") if name in settings}
    return {"train": Training(**settings), **found}


def function(text: str) -> Callable[..., Any]:
    """The function that "file.py:name" names; its file is in a folder where Python looks for modules."""
    file, _, name = text.partition(":") if isinstance(text, str) else ("", "", "")
    if not file.endswith(".py") or not name:
        raise ValueError(f'a function is named such as "experiment.py:train", got {text!r}')
    try:
        module = importlib.import_module(file.removesuffix(".py"))
    except Exception as error:  # whatever the file does when it is run
        raise ImportError(f"{file} cannot be run: {type(error).__name__}: {error}") from error
    return getattr(module, name)


@contextlib.contextmanager
def dask(address: str, sources: Iterator[Path]) -> Iterator[None]:
    """Have joblib use this Dask cluster, whose workers are given the files that functions are in."""
    try:
        import joblib
        from distributed import Client
    except ImportError as error:
        raise ImportError('--dask needs joblib and Dask: pip install joblib "dask[distributed]"') from error
    with Client(address) as client, joblib.parallel_config(backend="dask"):
        for source in sources:
            client.upload_file(str(source))
        yield


if __name__ == "__main__":
    sys.exit(main())
