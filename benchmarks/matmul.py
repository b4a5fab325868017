"""Matrix multiplication: minidl's kernel against NumPy's BLAS and PyTorch, in GFLOP/s.

python -m benchmarks.matmul [--threads 2] [--quick]
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.compare import alternate, options, report, torch_if_installed

SHAPES = [(1, 256, 784), (32, 64, 64), (32, 256, 784), (128, 128, 128), (256, 256, 256), (128, 500, 500), (1024, 1024, 1024)]


def main():
    args = options(__doc__, "matmul")
    torch = torch_if_installed(args.threads)
    import numpy as np

    from minidl import kernels
    from minidl.random import Generator

    kernels.show_config()
    rows = []
    for dtype in ("float32", "float64"):
        for m, n, k in SHAPES:
            for transposed in ("NN", "NT", "TN"):
                a, b = Generator(0).normal((m, k), dtype=dtype), Generator(1).normal((k, n), dtype=dtype)
                if transposed[0] == "T":
                    a = np.ascontiguousarray(a.T).T
                if transposed[1] == "T":
                    b = np.ascontiguousarray(b.T).T
                candidates: dict[str, Callable[[], object]] = {
                    "minidl": partial(kernels.matmul, a, b),
                    "numpy": partial(np.matmul, a, b),
                }
                if torch:
                    candidates["torch"] = partial(torch.matmul, torch.from_numpy(a), torch.from_numpy(b))
                seconds = alternate(candidates, args.quick)
                row: dict[str, Any] = {"dtype": dtype, "shape": f"{m}x{n}x{k}", "case": transposed}
                row |= {name: 2e-9 * m * n * k / s for name, s in seconds.items()}
                row |= {f"/{peer}": seconds[peer] / seconds["minidl"] for peer in seconds if peer != "minidl"}
                rows.append(row)
    columns = {
        "dtype": "",
        "shape": "",
        "case": "",
        "minidl": ".1f",
        "numpy": ".1f",
        "torch": ".1f",
        "/numpy": ".2f",
        "/torch": ".2f",
    }
    report(rows, columns, args.out)
    for peer in ("/numpy", "/torch"):
        ratios = [row[peer] for row in rows if peer in row]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            print(f"minidl {peer[0]} {peer[1:]}: geometric mean {mean:.2f}, least {min(ratios):.2f}")


if __name__ == "__main__":
    main()
