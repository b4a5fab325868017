"""A whole training step of eight networks, in microseconds: minidl against NumPy by hand and the frameworks that are installed.

python -m benchmarks.training_step [--threads 2] [--quick]

It is fair: every contestant begins with the same weights and takes the same steps, with the same arithmetic and update, in
float32 (`steps.py`). Before it is timed it has to prove that: each loss of the first 20 steps must be minidl's to 1e-4 of
it, or it is left out. By then everything is compiled and warm. The contestants take turns, and a turn's steps follow one
another; the number of cores is that of the threads, for all of them (on Linux; elsewhere it is up to each). Last, the largest
memory of a process that does nothing but import one framework and take five steps of the widest network; each also holds
minidl, 4 MB, which draws the weights.

The fraction of the peak counts a network's matrix products only, as if all else took no time; the peak itself is measured
in turn with the contestants.
"""

import subprocess
import sys
from collections.abc import Callable, Collection
from typing import Any

from benchmarks import compare
from benchmarks.native import HERE, peaks
from benchmarks.steps import FRAMEWORKS, NETWORKS, WITH_ADAM, agreeing, installed

# Slow, or slow to compile: not in a quick run.
SLOW_FRAMEWORKS, SLOW_NETWORKS = ("torch.compile", "autograd", "tinygrad"), ("deep50x128", "deep20x256bn")
PEERS = [name for name in FRAMEWORKS if not name.startswith("minidl")]
TIMES = {"network": "", "MFLOP": ",.1f", **dict.fromkeys(FRAMEWORKS, ",.0f"), "fraction of peak": ".0%"}
RATIOS = {"network": "", **{f"/{peer}": ".2f" for peer in PEERS}, "/best": ".2f", "capture/best": ".2f", "best": ""}
COLOURS = compare.COLOURS | {
    "minidl.capture": "#882255",
    "torch.compile": "#56b4e9",
    "jax": "#cc79a7",
    "autograd": "#e69f00",
    "tinygrad": "#999999",
}


def memory(frameworks: Collection[str]) -> dict[str, float]:
    """The largest memory, in bytes, of a process that trains the widest network in each of them."""
    result = {}
    for name in frameworks if sys.platform != "win32" else ():
        command = [sys.executable, "-m", "benchmarks.steps", name, "wide"]
        done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True)
        if done.returncode:
            print(f"{name} fails: no memory measured: {(done.stderr.strip().splitlines() or [''])[-1]}")
        else:
            result[name] = float(done.stdout.split()[-1])
    return result


def with_ratios(row: dict[str, Any], microseconds: dict[str, float]) -> dict[str, Any]:
    """The row with its times, how many times as fast as each peer minidl is, and the fastest peer."""
    row = row | microseconds | compare.ratios(microseconds)
    peers = [peer for peer in PEERS if peer in microseconds]
    if peers:
        row["best"] = min(peers, key=lambda peer: microseconds[peer])
        row["/best"] = row[f"/{row['best']}"]
        if "minidl.capture" in row:
            row["capture/best"] = row[row["best"]] / row["minidl.capture"]
    return row


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """Means over the networks, and the one that is the furthest behind."""
    lines = []
    ours = [("minidl", peer, f"/{peer}") for peer in (*PEERS, "best")] + [("minidl.capture", "best", "capture/best")]
    for who, peer, column in ours:
        cells = {row["network"]: row[column] for row in rows if column in row}
        if cells:
            least = min(cells, key=lambda network: cells[network])
            name = "the best peer of each network" if peer == "best" else peer
            partly = f" (of {len(cells)} networks only)" if len(cells) < len(rows) else ""
            mean = f"geometric mean {compare.geometric_mean(list(cells.values())):.2f}{partly}"
            lines.append(f"{who} / {name}: {mean}, least {cells[least]:.2f} ({least})")
    return lines


def draw(rows: list[dict[str, Any]]) -> Any:
    """A line for each network, a dot for each contestant; and where the peak would put the matrix products alone."""
    from minidl import plot  # only here, for it imports NumPy: see `compare.options`

    figure = plot.new_figure(10, 5)
    axes = figure.subplots()
    lines = range(len(rows))
    for (name, colour), marker in zip(COLOURS.items(), "os^*vDPX", strict=True):
        dots = [(row[name], line) for line, row in enumerate(rows) if name in row]
        if dots:
            front = 4 if name == "minidl" else 3
            axes.scatter(*zip(*dots, strict=True), color=colour, marker=marker, label=name, zorder=front, s=36)
    limits = [(1e3 * row["MFLOP"] / row["peak"], line) for line, row in enumerate(rows) if "peak" in row]
    if limits:
        axes.scatter(*zip(*limits, strict=True), color="black", marker="|", s=200, label="matrix products at the peak")
    axes.set(title=f"A training step, float32, threads: {rows[0]['threads']}", xscale="log", yticks=lines)
    axes.set(xlabel="microseconds (less is faster)")
    axes.set_yticklabels([row["network"] for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="both", color="#dddddd")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def main(description=__doc__, name="training_step", optimizer="SGD"):
    args = compare.options(description, name)
    names = [name for name in installed() if not (args.quick and name in SLOW_FRAMEWORKS)]
    names = [name for name in names if optimizer == "SGD" or name in WITH_ADAM]
    networks = [network for name, network in NETWORKS.items() if not (args.quick and name in SLOW_NETWORKS)]
    # First, for on Linux a process starts with the largest memory of the one that started it.
    megabytes = {name: size / 1e6 for name, size in memory(names[:3] if args.quick else names).items()}

    from minidl.script import progress

    peak = peaks(args.threads).get("float32")
    rows = []
    for network in progress(networks, unit="network"):
        if optimizer == "Adam":  # whose steps are as long as the rate, at least ten times as long as those of SGD
            network = network._replace(optimizer=optimizer, lr=network.lr / 10)
        candidates: dict[str, Callable[[], object]] = {**agreeing(network, names)}
        if peak:
            candidates["peak"] = peak.loop
        seconds = compare.alternate(candidates, 3 if args.quick else args.rounds)
        row: dict[str, Any] = {"network": network.name, "threads": args.threads, "MFLOP": 1e-6 * network.flop}
        if peak:
            row["peak"] = 1e-9 * peak.flop / seconds.pop("peak")  # GFLOP/s
            row["fraction of peak"] = 1e-9 * network.flop / seconds["minidl"] / row["peak"]
        rows.append(with_ratios(row, {name: 1e6 * s for name, s in seconds.items()}))
    compare.report(
        args,
        "microseconds",
        compare.table(rows, TIMES),
        "how many times as fast as each minidl is",
        compare.table(rows, RATIOS),
        "\n".join(summary(rows)),
        "largest memory of a process, MB",
        compare.table([megabytes], dict.fromkeys(FRAMEWORKS, ",.0f")),
        picture=lambda: draw(rows),
    )


if __name__ == "__main__":
    main()
