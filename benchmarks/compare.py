"""What all benchmarks share: the command line, cores and threads, taking turns, tables and the results file.

A benchmark begins with `options` and ends with `report`; in between stands what it measures.
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import importlib.util
import io
import math
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
COLOURS = {"minidl": "#d55e00", "numpy": "#0072b2", "torch": "#009e73"}  # Okabe and Ito: safe for colour-blind eyes


def options(description: str | None, name: str, threads: bool = True) -> argparse.Namespace:
    """The command line. It also sets the number of threads of every library, so call it before NumPy is imported.

    The process gets as many cores as threads, since some libraries make as many threads as they see cores.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(name=name, threads=1)
    if threads:
        parser.add_argument("--threads", type=int, default=1, help="for minidl and all peers, default: 1")
    parser.add_argument("--quick", action="store_true", help="under a minute: a look, not a measurement; nothing is written")
    out = RESULTS / f"{name}.md"
    parser.add_argument("--out", type=Path, default=out, help=f"to what file the results are appended, default: {out}")
    args = parser.parse_args()
    if args.threads < 1:
        parser.error(f"argument --threads: expected a positive integer, got {args.threads}")
    args.rounds = 5 if args.quick else 31
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "MINIDL_NUM_THREADS"):
        os.environ[variable] = str(args.threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    return args


def torch_if_installed(threads: int):
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(threads)
    return torch


def alternate(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds per call of each candidate: the median over rounds in which each has its turn, A, B, A, B, ...

    A turn repeats the call for some milliseconds, so that the clock does not matter. With several threads it begins with a
    pause and a twentieth of a second untimed: the threads of whoever came before go on looking for work for a while, and would
    hold a core; and one's own, asleep by then, take tens of milliseconds to come to a core that was idle.
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
                warm = time.perf_counter() + 0.05
                while time.perf_counter() < warm:
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


def table(rows: list[dict[str, Any]], columns: Mapping[str, str]) -> str:
    """The rows in Markdown, columns by name with a format each; a column that no row has is left out."""
    columns = {name: spec for name, spec in columns.items() if any(name in row for row in rows)}
    cells = [list(columns), *([format(row[c], spec) if c in row else "" for c, spec in columns.items()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"| {' | '.join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))} |" for line in cells]
    return "\n".join([lines[0], f"|{'|'.join('-' * (width + 1) + ':' for width in widths)}|", *lines[1:]])


def report(args: argparse.Namespace, *sections: str, picture: Callable[[], Any] | None = None) -> None:
    """Print the sections, and append them to the results under the date and what they were measured with.

    `picture` makes a figure, which is saved beside the results.
    """
    from minidl import plot  # only here, for it imports NumPy: see `options`
    from minidl.atomic import write_whole

    text = "\n\n".join((measured_with(), *sections))
    print(f"\n{text}")
    if args.quick:
        return
    before = args.out.read_text(encoding="utf-8") if args.out.exists() else f"# Results of `python -m benchmarks.{args.name}`\n"
    heading = f"## {datetime.date.today()}, threads: {args.threads}"
    write_whole(args.out, f"{before}\n{heading}\n\n{text}\n")
    print(f"\nAppended to {args.out}")
    if picture:
        plot.picture(args.out.with_suffix(".png"), picture)


def measured_with() -> str:
    """The processor, the configuration of minidl, and the versions of the peers."""
    from minidl import kernels

    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"^model name\s*: (.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else []
    configuration = io.StringIO()
    with contextlib.redirect_stdout(configuration):
        kernels.show_config()
    peers = [name for name in ("torch", "jax", "autograd", "tinygrad") if importlib.util.find_spec(name)]
    lines = [*configuration.getvalue().splitlines(), *(f"{name} {importlib.metadata.version(name)}" for name in peers)]
    return ", ".join([*models[:1], platform.system(), *(" ".join(line.split()) for line in lines)])
