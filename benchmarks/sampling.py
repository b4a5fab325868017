"""Random numbers: minidl's Generator against NumPy's and PyTorch's, in nanoseconds per float32 sample; and 100 million weights
by XavierNormal, in time and memory.

python -m benchmarks.sampling [--threads 2] [--quick]
"""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import compare

SIZES = (1_000, 100_000, 10_000_000)
DISTRIBUTIONS = ("uniform", "normal", "truncated normal")
WEIGHTS = "XavierNormal"
SIDE = 10_000  # of the square of weights
FORMATS = {"numbers": "", "samples": ",", "minidl": ".2f", "numpy": ".2f", "torch": ".2f", "/numpy": ".2f", "/torch": ".2f"}
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


def draw(rows: list[dict[str, Any]]) -> Any:
    """A panel for each distribution; bars for each number of samples, one for each library."""
    from minidl import plot  # only here, for it imports NumPy: see `compare.options`

    figure = plot.new_figure(12, 4)
    figure.suptitle(f"Random numbers, float32, threads: {rows[0]['threads']}")
    panels = figure.subplots(1, len(DISTRIBUTIONS), sharey=True)
    for axes, name in zip(panels, DISTRIBUTIONS, strict=True):
        cells = [row for row in rows if row["numbers"] == name]
        for place, (library, colour) in enumerate(compare.COLOURS.items()):
            lines = [(i + 0.27 * (place - 1), row[library]) for i, row in enumerate(cells) if library in row]
            if lines:
                axes.barh(*zip(*lines, strict=True), height=0.25, color=colour, label=library)
            for y, nanoseconds in lines:
                axes.annotate(f" {nanoseconds:.2f}", (nanoseconds, y), va="center", fontsize=8)
        axes.set(title=name, xlabel="nanoseconds per sample (less is faster)", yticks=range(len(cells)))
        axes.set_yticklabels([f"{row['samples']:,}" for row in cells])
        axes.margins(x=0.15)
    panels[0].invert_yaxis()
    panels[0].set_ylabel("samples per call")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def main():
    args = compare.options(__doc__, "sampling")
    memory = memory_of_weights()
    torch = compare.torch_if_installed(args.threads)
    import numpy as np

    from minidl import init, kernels
    from minidl.random import Generator
    from minidl.script import progress

    ours, theirs = Generator(0), np.random.default_rng(0)

    def in_one_thread(call):
        kernels.set_num_threads(1)
        call()
        kernels.set_num_threads(args.threads)

    def candidates(name, n) -> dict[str, Callable[[], object]]:
        result: dict[str, Callable[[], object]]
        if name == "uniform":
            result = {"minidl": partial(ours.uniform, n), "numpy": partial(theirs.random, n, np.float32)}
            if torch:
                result["torch"] = partial(torch.rand, n)
        elif name == "truncated normal":
            result = {"minidl": partial(ours.truncated_normal, n)}
            if torch:
                result["torch"] = partial(torch.nn.init.trunc_normal_, torch.empty(n))
        else:
            result = {"minidl": partial(ours.normal, n), "numpy": partial(theirs.standard_normal, n, np.float32)}
            if name == WEIGHTS:
                result["minidl"] = partial(init.XavierNormal(), (SIDE, SIDE), rng=ours)
            if torch:
                result["torch"] = partial(torch.randn, n)
        if args.threads > 1 and n > 1_000:  # fewer are made by one thread anyway
            result["one thread"] = partial(in_one_thread, result["minidl"])
        return result

    rows = []
    for name, n in progress([(name, n) for n in SIZES for name in DISTRIBUTIONS] + [(WEIGHTS, SIDE * SIDE)], unit="cell"):
        seconds = compare.alternate(candidates(name, n), args.rounds if name != WEIGHTS else 1 if args.quick else 5)
        row: dict[str, Any] = {"numbers": name, "samples": n, "threads": args.threads}
        row |= {library: 1e9 * s / n for library, s in seconds.items()} | compare.ratios(seconds)
        if name == WEIGHTS and memory:
            row["memory"] = memory
        rows.append(row)
    note = f"{WEIGHTS} against standard_normal; memory: what it adds to a fresh process, as a fraction of the result's size"
    compare.report(args, "nanoseconds per sample", compare.table(rows, FORMATS), note, picture=lambda: draw(rows))


if __name__ == "__main__":
    main()
