"""Random numbers: minidl's Generator against NumPy's and PyTorch's, in nanoseconds per float32 sample.

python -m benchmarks.sampling [--threads 2] [--quick]
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.compare import alternate, options, report, torch_if_installed


def main():
    args = options(__doc__, "sampling")
    torch = torch_if_installed(args.threads)
    import numpy as np

    from minidl import kernels
    from minidl.random import Generator

    kernels.show_config()
    ours, theirs = Generator(0), np.random.default_rng(0)
    rows = []
    for n in (1_000, 100_000, 10_000_000):
        laws: dict[str, dict[str, Callable[[], object]]] = {
            "uniform": {"minidl": partial(ours.uniform, n), "numpy": partial(theirs.random, n, np.float32)},
            "normal": {"minidl": partial(ours.normal, n), "numpy": partial(theirs.standard_normal, n, np.float32)},
            "truncated normal": {"minidl": partial(ours.truncated_normal, n)},
        }
        if torch:
            laws["uniform"]["torch"] = partial(torch.rand, n)
            laws["normal"]["torch"] = partial(torch.randn, n)
            laws["truncated normal"]["torch"] = partial(torch.nn.init.trunc_normal_, torch.empty(n))
        for law, candidates in laws.items():
            seconds = alternate(candidates, args.quick or n > 1_000_000)
            row: dict[str, Any] = {"law": law, "samples": n} | {name: 1e9 * s / n for name, s in seconds.items()}
            row |= {f"/{peer}": seconds[peer] / seconds["minidl"] for peer in seconds if peer != "minidl"}
            rows.append(row)
    columns = {"law": "", "samples": ",", "minidl": ".2f", "numpy": ".2f", "torch": ".2f", "/numpy": ".2f", "/torch": ".2f"}
    report(rows, columns, args.out)


if __name__ == "__main__":
    main()
