"""What all benchmarks share: options, taking turns, the report and the picture. Leaves out what is measured."""

import argparse
import importlib.util
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

COLOURS = {"minidl": "#d55e00", "numpy": "#0072b2", "torch": "#009e73"}  # Okabe and Ito: safe for colour-blind eyes


def options(description: str | None, name: str, threads: bool = True) -> argparse.Namespace:
    """The command line; also sets the number of threads of NumPy's BLAS, so call it before NumPy is imported."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(threads=1)
    if threads:
        parser.add_argument("--threads", type=whole_number, default=1, help="for minidl and all peers, default: 1")
    parser.add_argument("--quick", action="store_true", help="under a minute: a look, not a measurement")
    parser.add_argument("--out", type=Path, default=Path(f"{name}.json"), help=f"results, default: {name}.json")
    args = parser.parse_args()
    args.rounds = 5 if args.quick else 31
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "MINIDL_NUM_THREADS"):
        os.environ[variable] = str(args.threads)
    return args


def use_cores(count: int) -> None:
    """No more cores than threads, for those who make as many threads as they see cores, too."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def whole_number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def torch_if_installed(threads: int):
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(threads)
    return torch


def progress(cells: Collection) -> Iterable:
    """The cells of a table, with a bar on a terminal where tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return cells
    return tqdm(cells, unit="cell", leave=False, disable=None)


def alternate(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds per call of each candidate: the median over rounds in which each has its turn, A, B, A, B, ...

    A turn repeats the call for some milliseconds, so that the clock does not matter. With several threads it begins with a
    pause and twice as much untimed: the threads of whoever came before go on looking for work for a while, and would hold a
    core; and one's own, asleep by then, take milliseconds to come.
    """
    pause = 0.3 if os.environ.get("OMP_NUM_THREADS", "1") != "1" else 0.0
    repeats = {}
    for name, call in candidates.items():
        call()  # warm
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(0.003 / max(time.perf_counter() - start, 1e-7)))
    turns: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            if pause:
                time.sleep(pause)
                for _ in range(2 * repeats[name]):
                    call()
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            turns[name].append((time.perf_counter() - start) / repeats[name])
    return {name: statistics.median(seconds) for name, seconds in turns.items()}


def ratios(seconds: dict[str, float]) -> dict[str, float]:
    """How many times as fast as each peer minidl is."""
    return {f"/{peer}": s / seconds["minidl"] for peer, s in seconds.items() if peer not in ("minidl", "peak")}


def geometric_mean(numbers: Collection[float]) -> float:
    return math.exp(sum(map(math.log, numbers)) / len(numbers))


def print_table(rows: list[dict[str, Any]], columns: dict[str, str]) -> None:
    """Print the rows, columns by name with a format each; a column that no row has is left out."""
    columns = {name: spec for name, spec in columns.items() if any(name in row for row in rows)}
    cells = [
        list(columns),
        *([format(row.get(name, ""), spec if name in row else "") for name, spec in columns.items()] for row in rows),
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def save(results: Any, out: Path) -> None:
    from minidl.atomic import write_whole  # here, for it imports NumPy: see `options`

    write_whole(out, json.dumps(results, indent=1) + "\n")
    print(f"\nSaved: {out}")


def save_picture(draw: Callable[[Any, list[dict[str, Any]]], None], rows: list[dict[str, Any]], out: Path) -> None:
    """Draw the rows on a figure, beside the results; done without where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        print("No picture: it needs matplotlib. pip install matplotlib")
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from minidl import plot

    figure = plt.figure(layout="constrained")
    draw(figure, rows)
    plot.save(figure, out.with_suffix(".png"))
    plt.close(figure)
    print(f"Picture: {out.with_suffix('.png')}")
