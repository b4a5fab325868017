"""Random numbers: minidl's Generator against NumPy's and PyTorch's, in nanoseconds per float32 sample; and 100 million weights
by XavierNormal, in time and memory.

python -m benchmarks.sampling [--threads 2] [--quick]
"""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.compare import (
    COLOURS,
    alternate,
    options,
    print_table,
    progress,
    ratios,
    save,
    save_picture,
    torch_if_installed,
)

SIZES = (1_000, 100_000, 10_000_000)
LAWS = ("uniform", "normal", "truncated normal")
WEIGHTS = "XavierNormal"
SIDE = 10_000  # of the square of weights
FORMATS = {"law": "", "samples": ",", "minidl": ".2f", "numpy": ".2f", "torch": ".2f", "/numpy": ".2f", "/torch": ".2f"}
FORMATS |= {"one thread": ".2f", "/one thread": ".2f", "memory": ".1%"}

# How much the largest memory of a fresh process grows, in bytes. On Linux a process starts with the largest memory of the one
# that started it: so this runs before that one has grown.
MEMORY = f"""
import resource, sys
from minidl.init import XavierNormal
def largest(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
XavierNormal()((10, 10), rng=0)
before = largest()
XavierNormal()(({SIDE}, {SIDE}), rng=0)
print(largest() - before)
"""


def memory_of_weights() -> float | None:
    """What initializing the weights adds to the largest memory of a process, as a multiple of the weights themselves."""
    if sys.platform == "win32":
        return None
    done = subprocess.run([sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True)
    return int(done.stdout) / (4 * SIDE * SIDE)


def draw(figure: Any, rows: list[dict[str, Any]]) -> None:
    """A panel for each law; bars for each number of samples, one for each library."""
    figure.set_size_inches(12, 4)
    figure.suptitle(f"Random numbers, float32, threads: {rows[0]['threads']}")
    panels = figure.subplots(1, len(LAWS), sharey=True)
    for axes, law in zip(panels, LAWS, strict=True):
        cells = [row for row in rows if row["law"] == law]
        for place, (name, colour) in enumerate(COLOURS.items()):
            lines = [(i + 0.27 * (place - 1), row[name]) for i, row in enumerate(cells) if name in row]
            if lines:
                axes.barh(*zip(*lines, strict=True), height=0.25, color=colour, label=name)
            for y, nanoseconds in lines:
                axes.annotate(f" {nanoseconds:.2f}", (nanoseconds, y), va="center", fontsize=8)
        axes.set(title=law, xlabel="nanoseconds per sample (less is faster)", yticks=range(len(cells)))
        axes.set_yticklabels([f"{row['samples']:,}" for row in cells])
        axes.margins(x=0.15)
    panels[0].invert_yaxis()
    panels[0].set_ylabel("samples per call")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def main():
    args = options(__doc__, "sampling")
    memory = memory_of_weights()
    torch = torch_if_installed(args.threads)
    import numpy as np

    from minidl import init, kernels
    from minidl.random import Generator

    kernels.show_config()
    ours, theirs = Generator(0), np.random.default_rng(0)

    def in_one_thread(call):
        kernels.set_num_threads(1)
        call()
        kernels.set_num_threads(args.threads)

    def candidates(law, n) -> dict[str, Callable[[], object]]:
        result: dict[str, Callable[[], object]]
        if law == "uniform":
            result = {"minidl": partial(ours.uniform, n), "numpy": partial(theirs.random, n, np.float32)}
            if torch:
                result["torch"] = partial(torch.rand, n)
        elif law == "truncated normal":
            result = {"minidl": partial(ours.truncated_normal, n)}
            if torch:
                result["torch"] = partial(torch.nn.init.trunc_normal_, torch.empty(n))
        else:
            result = {"minidl": partial(ours.normal, n), "numpy": partial(theirs.standard_normal, n, np.float32)}
            if law == WEIGHTS:
                result["minidl"] = partial(init.XavierNormal(), (SIDE, SIDE), rng=ours)
            if torch:
                result["torch"] = partial(torch.randn, n)
        if args.threads > 1 and n > 1_000:  # fewer are made by one thread anyway
            result["one thread"] = partial(in_one_thread, result["minidl"])
        return result

    rows = []
    for law, n in progress([(law, n) for n in SIZES for law in LAWS] + [(WEIGHTS, SIDE * SIDE)]):
        seconds = alternate(candidates(law, n), args.rounds if law != WEIGHTS else 1 if args.quick else 5)
        row: dict[str, Any] = {"law": law, "samples": n, "threads": args.threads}
        row |= {name: 1e9 * s / n for name, s in seconds.items()} | ratios(seconds)
        if law == WEIGHTS and memory:
            row["memory"] = memory
        rows.append(row)
    print_table(rows, FORMATS)
    print(f"\n{WEIGHTS} against standard_normal; memory: what it adds to a fresh process, as a share of the result's size")
    save(rows, args.out)
    save_picture(draw, rows, args.out)


if __name__ == "__main__":
    main()
