"""How the cost of a training step grows with depth and with width: time and memory, minidl compared with NumPy and PyTorch.

python -m benchmarks.scaling [--threads 2] [--quick]

Depth: 10 to 1,000 linear layers, 64 wide, batch 32. Width: three hidden layers of 32 to 2,048, batch 64. Tanh and Xavier's
initializer, so that values keep their size. The steps are those of `steps.py`, and each contestant has to show minidl's
losses. Memory is the most that NumPy holds at once in a step, parameters included (it reports to tracemalloc; PyTorch does
not). Last, what ten thousand steps of a small network add to the memory of the process. A quick run leaves out the deepest and
the widest.
"""

import tracemalloc
from pathlib import Path
from typing import Any

from benchmarks import compare
from benchmarks.steps import FRAMEWORKS, NETWORKS, Network, agreeing, installed

# The learning rate is small: over a thousand layers rounding errors grow, too.
DEEP = [Network(f"{n} layers", 32, (64,) * n + (10,), "tanh", lr=1e-6) for n in (10, 30, 100, 300, 1000)]
WIDE = [Network(f"{n} wide", 64, (n,) * 4 + (10,), "tanh", lr=1e-6) for n in (32, 64, 128, 256, 512, 1024, 2048)]
MEASURED = ("minidl", "numpy")  # by tracemalloc
FORMATS = {"network": "", "layers": ",", "width": ",", "minidl": ",.0f", "numpy": ",.0f", "torch": ",.0f"}
FORMATS |= {"/numpy": ".2f", "/torch": ".2f", "minidl per layer": ",.1f", "MB minidl": ",.2f", "MB numpy": ",.2f"}


def memory(network: Network, framework: str) -> int:
    """The most bytes that are held at once in a step, the third: parameters, velocities, gradients and what backward needs."""
    tracemalloc.start()
    try:
        step = FRAMEWORKS[framework](network)
        step()
        step()
        tracemalloc.reset_peak()
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def growth(steps: int) -> int | None:
    """The bytes that this many steps of the tiny network add to this process, after the first thousand; None but on Linux."""
    if not Path("/proc/self/status").exists():
        return None
    step = FRAMEWORKS["minidl"](NETWORKS["tiny"])
    for _ in range(1_000):
        step()
    before = resident()
    for _ in range(steps):
        step()
    return resident() - before


def resident() -> int:
    """The memory of this process, in bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return 1024 * int(line.split()[1])


def summary(deep: list[dict[str, Any]], grown: int | None, steps: int) -> list[str]:
    """Whether time and memory are straight lines in depth: what a layer costs in the deepest against the shallowest network."""
    first, last = deep[0], deep[-1]
    lines = []
    for column, what in (("minidl", "time"), ("MB minidl", "memory")):
        ratio = last[column] / last["layers"] / (first[column] / first["layers"])
        lines.append(f"{what} per layer, {last['layers']:,} layers against {first['layers']:,}: {ratio:.2f} times")
    if grown is not None:
        lines.append(f"{steps:,} more steps of the tiny network add {grown / 1e6:.2f} MB")
    return lines


def draw(rows: list[dict[str, Any]]) -> Any:
    """Time against depth, time against width, memory against depth; straight lines of slope 1 where cost is proportional."""
    from minidl import plot  # only here, for it imports NumPy: see `compare.options`

    figure = plot.new_figure(12, 4)
    figure.suptitle(f"Cost of a training step, float32, threads: {rows[0]['threads']}")
    deep, wide = ([row for row in rows if row["network"].endswith(kind)] for kind in ("layers", "wide"))
    panels = zip(
        figure.subplots(1, 3),
        (("layers", deep, "", "microseconds"), ("width", wide, "", "microseconds"), ("layers", deep, "MB ", "MB, at most")),
        strict=True,
    )
    for axes, (x, cells, prefix, label) in panels:
        for (name, colour), marker in zip(compare.COLOURS.items(), "os^", strict=True):
            dots = [(row[x], row[prefix + name]) for row in cells if prefix + name in row]
            if dots:
                axes.plot(*zip(*dots, strict=True), color=colour, marker=marker, label=name)
        axes.set(xscale="log", yscale="log", xlabel=x, ylabel=label)
        axes.grid(color="#dddddd")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def main():
    args = compare.options(__doc__, "scaling")
    steps = 1_000 if args.quick else 10_000
    grown = growth(steps)
    names = [name for name in installed() if name in compare.COLOURS]

    from minidl.script import progress

    rows = []
    deep, wide = (DEEP[:-1], WIDE[:-1]) if args.quick else (DEEP, WIDE)
    for network in progress(deep + wide, unit="cell"):
        seconds = compare.alternate(agreeing(network, names), 3 if args.quick else args.rounds)
        layers, width = len(network.sizes) - 1, network.sizes[0]
        row: dict[str, Any] = {"network": network.name, "layers": layers, "width": width, "threads": args.threads}
        row |= {name: 1e6 * s for name, s in seconds.items()} | compare.ratios(seconds)
        row["minidl per layer"] = row["minidl"] / layers
        row |= {f"MB {name}": 1e-6 * memory(network, name) for name in MEASURED}
        rows.append(row)
    lines = summary(rows[: len(deep)], grown, steps)
    compare.report(args, "microseconds", compare.table(rows, FORMATS), "\n".join(lines), picture=lambda: draw(rows))


if __name__ == "__main__":
    main()
