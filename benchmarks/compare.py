"""What all benchmarks share: options, taking turns, and the report. Leaves out what is measured."""

import argparse
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path


def options(description: str | None, name: str) -> argparse.Namespace:
    """The command line; also sets the number of threads of NumPy's BLAS, so call it before NumPy is imported."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="for minidl and all peers, default: 1")
    parser.add_argument("--quick", action="store_true", help="few rounds: a look, not a measurement")
    parser.add_argument("--out", type=Path, default=Path(f"{name}.json"), help=f"results, default: {name}.json")
    args = parser.parse_args()
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "MINIDL_NUM_THREADS"):
        os.environ[variable] = str(args.threads)
    return args


def torch_if_installed(threads: int):
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(threads)
    return torch


def alternate(candidates: dict[str, Callable[[], object]], quick: bool) -> dict[str, float]:
    """Seconds per call of each candidate: the median over rounds in which each has its turn, A, B, A, B, ...

    A turn repeats the call for some milliseconds, so that the clock does not matter.
    """
    repeats = {}
    for name, call in candidates.items():
        call()  # warm
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(0.003 / max(time.perf_counter() - start, 1e-7)))
    turns: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(5 if quick else 31):
        for name, call in candidates.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            turns[name].append((time.perf_counter() - start) / repeats[name])
    return {name: statistics.median(seconds) for name, seconds in turns.items()}


def report(rows: list[dict], columns: dict[str, str], out: Path) -> None:
    """Print the rows as a table, columns by name with a format each, and save them as JSON."""
    cells = [
        list(columns),
        *([format(row.get(name, ""), spec if name in row else "") for name, spec in columns.items()] for row in rows),
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    partial = out.with_suffix(".part")
    partial.write_text(json.dumps(rows, indent=1) + "\n")
    partial.replace(out)
    print(f"\nSaved: {out}")
