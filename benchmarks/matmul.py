"""Matrix multiplication: minidl's kernel against NumPy's BLAS and PyTorch, and the hardware's peak, in GFLOP/s.

python -m benchmarks.matmul [--threads 2] [--quick]
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

from benchmarks import compare
from benchmarks.native import peaks

# (m, n, k): a batch of m through a layer of k inputs and n outputs; and squares.
SHAPES = [
    (1, 256, 784),
    (32, 64, 64),
    (32, 256, 784),
    (64, 128, 128),
    (128, 128, 128),
    (64, 256, 784),
    (256, 256, 256),
    (128, 500, 500),
    (512, 512, 512),
    (1000, 500, 500),
    (256, 1024, 1024),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
]
DTYPES, CASES = ("float32", "float64"), ("NN", "NT", "TN")  # T: the operand is a transposed view
FORMATS = {"dtype": "", "shape": "", "case": "", "minidl": ".1f", "numpy": ".1f", "torch": ".1f", "peak": ".1f"}
FORMATS |= {"fraction of peak": ".0%", "/numpy": ".2f", "/torch": ".2f"}


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """Means over all cells, and the cell that is the furthest behind."""
    lines = []
    for peer in ("/numpy", "/torch"):
        if peer in rows[0]:
            lines.append(
                f"minidl {peer[0]} {peer[1:]}: geometric mean {compare.geometric_mean([row[peer] for row in rows]):.2f}"
            )
    better = [min(row[peer] for peer in ("/numpy", "/torch") if peer in row) for row in rows]
    least, row = min(zip(better, rows, strict=True), key=lambda pair: pair[0])
    where = f"{row['dtype']} {row['shape']} {row['case']}"
    lines.append(f"minidl / the better one: geometric mean {compare.geometric_mean(better):.2f}, least {least:.2f} ({where})")
    return lines


def draw(rows: list[dict[str, Any]]) -> Any:
    """A panel for each precision and case; a line for each shape, a dot for each library."""
    from minidl import plot  # only here, for it imports NumPy: see `compare.options`

    figure = plot.new_figure(12, 8)
    figure.suptitle(f"Matrix multiplication, threads: {rows[0]['threads']}")
    panels = figure.subplots(len(DTYPES), len(CASES), sharey=True, sharex="row")
    for axes, (dtype, case) in zip(panels.flat, product(DTYPES, CASES), strict=True):
        cells = [row for row in rows if (row["dtype"], row["case"]) == (dtype, case)]
        lines = range(len(cells))
        for (name, colour), marker in zip(compare.COLOURS.items(), "os^", strict=True):
            if name in cells[0]:
                speeds, front = [row[name] for row in cells], 4 if name == "minidl" else 3
                axes.scatter(speeds, lines, color=colour, marker=marker, label=name, zorder=front, s=28)
        if "peak" in cells[0]:
            axes.plot([row["peak"] for row in cells], lines, color="black", linestyle="--", label="peak")
        axes.set(title=f"{dtype}, {case}", xlim=(0, None), xlabel="GFLOP/s", yticks=lines)
        axes.set_yticklabels([row["shape"] for row in cells])
        axes.grid(axis="y", color="#dddddd")
    panels[0, 0].invert_yaxis()
    for axes in panels[:, 0]:
        axes.set_ylabel("m x n x k")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def main():
    args = compare.options(__doc__, "matmul")
    torch = compare.torch_if_installed(args.threads)
    import numpy as np

    from minidl import kernels
    from minidl.random import Generator
    from minidl.script import progress

    peak = peaks(args.threads)
    shapes = SHAPES[:-1] if args.quick else SHAPES
    rows = []
    for dtype, (m, n, k), case in progress(list(product(DTYPES, shapes, CASES)), unit="cell"):
        a, b = Generator(0).normal((m, k), dtype=dtype), Generator(1).normal((k, n), dtype=dtype)
        if case[0] == "T":
            a = np.ascontiguousarray(a.T).T
        if case[1] == "T":
            b = np.ascontiguousarray(b.T).T
        candidates: dict[str, Callable[[], object]] = {
            "minidl": partial(kernels.matmul, a, b),
            "numpy": partial(np.matmul, a, b),
        }
        if torch:
            candidates["torch"] = partial(torch.matmul, torch.from_numpy(a), torch.from_numpy(b))
        gflop = dict.fromkeys(candidates, 2e-9 * m * n * k)
        if peak:
            candidates["peak"], gflop["peak"] = peak[dtype].loop, 1e-9 * peak[dtype].flop
        seconds = compare.alternate(candidates, args.rounds)
        row: dict[str, Any] = {"dtype": dtype, "shape": f"{m}x{n}x{k}", "case": case, "threads": args.threads}
        row |= {name: gflop[name] / s for name, s in seconds.items()} | compare.ratios(seconds)
        if peak:
            row["fraction of peak"] = row["minidl"] / row["peak"]
        rows.append(row)
    compare.report(args, "GFLOP/s", compare.table(rows, FORMATS), "\n".join(summary(rows)), picture=lambda: draw(rows))


if __name__ == "__main__":
    main()
