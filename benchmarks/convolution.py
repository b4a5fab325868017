"""Convolutions: output and both gradients, minidl beside PyTorch, in microseconds; and how much memory they take.

python -m benchmarks.convolution [--threads 2] [--quick]
"""

import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks import compare


class Cell(NamedTuple):
    """A layer, and a batch of square images for it."""

    batch: int
    channels: int
    size: int
    filters: int
    kernel: int
    padding: int = 0
    stride: int = 1
    groups: int = 1
    transposed: bool = False

    def __str__(self):
        kind = "transposed " if self.transposed else "depthwise " if self.groups > 1 else ""
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        return f"{kind}{self.batch}x{self.channels}x{self.size} -> {self.filters}, {self.kernel}{stride}"


CELLS = [
    Cell(32, 1, 28, 8, 5),
    Cell(64, 3, 32, 32, 3, 1),
    Cell(32, 32, 16, 64, 3, 1),
    Cell(32, 64, 8, 128, 3, 1),
    Cell(32, 64, 16, 64, 1),
    Cell(32, 64, 16, 64, 3, 1, groups=64),
    Cell(32, 64, 8, 32, 4, 1, 2, transposed=True),
]
PARTS = ("forward", "input gradient", "weight gradient", "all")
FORMATS = {"convolution": "", "part": "", "minidl": ".0f", "torch": ".0f", "/torch": ".2f"}
MEMORY = """
import re, sys
from pathlib import Path
from benchmarks.convolution import CELLS, Cell, calls_of

def memory(what):
    return int(re.search(what + r":\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

calls_of(Cell(1, 1, 4, 1, 3))["memory"][1]()  # so that all code is loaded
numbers, run = calls_of(CELLS[int(sys.argv[1])])["memory"]
Path("/proc/self/clear_refs").write_text("5")  # the peak is from here on
before = memory("VmRSS")
run()
print(0.5 + (memory("VmHWM") - before) / (4 * numbers))
"""


def calls_of(cell: Cell, torch: Any = None) -> dict[str, Any]:
    """Under each part what is timed, by library; under "memory" how many numbers there are with gradients, and all three."""
    from minidl import kernels
    from minidl.functional.conv import sum_over_images
    from minidl.random import Generator

    normal = Generator(0).normal
    n, k = cell.size, cell.kernel
    pairs = [(cell.stride,) * 2, (cell.padding,) * 2, (1, 1)]
    reach = k - 2 * cell.padding
    out = (n - 1) * cell.stride + reach if cell.transposed else (n - reach) // cell.stride + 1
    filters = (cell.channels, cell.filters) if cell.transposed else (cell.filters, cell.channels // cell.groups)
    x, w, b = normal((cell.batch, cell.channels, n, n)), normal((*filters, k, k)), normal(cell.filters)
    dy = normal((cell.batch, cell.filters, out, out))
    options = (*pairs, cell.groups)
    mine: dict[str, Callable[[], object]]
    if cell.transposed:
        mine = {
            "forward": lambda: kernels.conv2d_input_gradient(x, w, b, (out, out), *options),
            "input gradient": lambda: kernels.conv2d(dy, w, None, *options),
            "weight gradient": lambda: kernels.conv2d_weight_gradient(dy, x, (k, k), *options),
        }
    else:
        mine = {
            "forward": lambda: kernels.conv2d(x, w, b, *options),
            "input gradient": lambda: kernels.conv2d_input_gradient(dy, w, None, (n, n), *options),
            "weight gradient": lambda: kernels.conv2d_weight_gradient(x, dy, (k, k), *options),
        }
    mine["all"] = lambda: [mine[part]() for part in PARTS[:3]] + [sum_over_images(dy)]
    calls: dict[str, Any] = {part: {"minidl": mine[part]} for part in PARTS}
    calls["memory"] = (2 * (x.size + w.size + dy.size), mine["all"])
    if torch:
        xt, wt, bt, dyt = (torch.from_numpy(a) for a in (x, w, b, dy))
        rest = (*pairs, cell.transposed, (0, 0), cell.groups)

        def forward():
            return torch.ops.aten.convolution(xt, wt, bt, *rest)

        def backward(wanted):
            return torch.ops.aten.convolution_backward(dyt, xt, wt, [cell.filters], *rest, wanted)

        calls["forward"]["torch"] = forward
        calls["input gradient"]["torch"] = lambda: backward([True, False, False])
        calls["weight gradient"]["torch"] = lambda: backward([False, True, False])
        calls["all"]["torch"] = lambda: (forward(), backward([True, True, True]))
    return calls


def memory(i: int) -> float:
    """The peak of a first call over the memory of images, weights and gradients; half of it, the operands, is there before."""
    run = subprocess.run([sys.executable, "-c", MEMORY, str(i)], capture_output=True, text=True, check=True)
    return float(run.stdout)


def main():
    args = compare.options(__doc__, "convolution")
    torch = compare.torch_if_installed(args.threads)

    from minidl.script import progress

    rows: list[dict[str, Any]] = []
    for cell in progress(CELLS, unit="cell"):
        calls = calls_of(cell, torch)
        for part in PARTS:
            seconds = compare.alternate(calls[part], args.rounds)
            rows.append({"convolution": str(cell), "part": part})
            rows[-1] |= {name: 1e6 * s for name, s in seconds.items()} | compare.ratios(seconds)
    lines = [
        f"peak memory of {cell}: {memory(i):.2f} of inputs + outputs + weights + gradients" for i, cell in enumerate(CELLS)
    ]
    if torch:
        whole = [row["/torch"] for row in rows if row["part"] == "all"]
        lines.append(f"all, minidl / torch: geometric mean {compare.geometric_mean(whole):.2f}, least {min(whole):.2f}")
    compare.report(args, "microseconds", compare.table(rows, FORMATS), "\n".join(lines))


if __name__ == "__main__":
    main()
