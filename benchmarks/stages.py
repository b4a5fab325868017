"""The kernels step by step: how fast each stage of docs/kernels.md is, from the naive loop to what minidl runs, in one thread.

The stages of matmul and of sampling are in stages.c, compiled with minidl's flags and for the machine at hand
(-march=native), so that plain C gets all the help that a compiler can give; the fused kernels are compared with chains of
NumPy's array operations. Each one's result is checked. float32.

python -m benchmarks.stages [--quick]
"""

import ctypes
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks import compare
from benchmarks.native import CSRC, HERE, compile_c, peaks, setup_flags

MATMUL = {
    "naive": "three loops: i, j, p",
    "reordered": "i, p, j",
    "blocked": "blocks for the first cache",
    "tiled": "a tile in registers, in plain C",
    "vector_tiled": "the micro-kernel, unpacked",
    "packed": "packing",
    "whole": "minidl's matmul",
}
SAMPLING = {
    "words_one": "words: one counter at a time",
    "words_vectors": "words: counters in vectors",
    "uniform_one": "uniform: one at a time",
    "uniform_vectors": "uniform: minidl's, in vectors",
    "normal_box_muller": "normal: Box-Muller with libm",
    "normal_wichura": "normal: inversion, AS 241 in float64",
    "normal_table": "normal: inversion, a table of octaves",
    "normal_vectors": "normal: minidl's, the table in vectors",
}
SIDES, SAMPLES, BATCH = (128, 512), 1_000 * 1024, (128, 256)
Calls = Mapping[str, Callable[[], object]]
Ways = tuple[Callable[[], Any], Callable[[], Any]]  # NumPy's and minidl's
FORMATS = {
    "stage": "",
    **{f"{n}^3": ".1f" for n in SIDES},
    "fraction of peak": ".0%",
    "ns": ".2f",
    "numpy": ".1f",
    "minidl": ".1f",
}


def library() -> ctypes.CDLL | None:
    """stages.c with the sources of csrc/, but for the one that it includes; None where it cannot be compiled."""
    sources = [HERE / "stages.c", *(path for path in sorted(CSRC.glob("*.c")) if path.name != "isa_generic.c")]
    stages = compile_c(sources, [*setup_flags(), "-march=native"])
    if stages is not None:
        for name in (*MATMUL, *SAMPLING):
            count = 3 if name in MATMUL else 1
            stages[name].argtypes, stages[name].restype = (*[ctypes.c_size_t] * count, *[ctypes.c_void_p] * count), None
    return stages


def products(stages: ctypes.CDLL, n: int) -> tuple[Calls, dict[str, Any]]:
    """A call for each stage that multiplies two n x n matrices of numbers in [-1, 1), and the result that it fills."""
    import numpy as np

    from minidl.random import Generator

    a, b = Generator(0).uniform((n, n), -1, 1), Generator(1).uniform((n, n), -1, 1)
    out = {name: np.zeros((n, n), np.float32) for name in MATMUL}
    return {name: partial(stages[name], n, n, n, *map(pointer, (a, b, out[name]))) for name in MATMUL}, out


def draws(stages: ctypes.CDLL, n: int) -> tuple[Calls, dict[str, Any]]:
    """A call for each stage that makes n words or samples, and the array that it fills."""
    import numpy as np

    out = {name: np.zeros(n, np.uint32 if name.startswith("words") else np.float32) for name in SAMPLING}
    return {name: partial(stages[name], n, pointer(out[name])) for name in SAMPLING}, out


def fused_kernels() -> dict[str, Ways]:
    """For each fused kernel over a batch of BATCH: NumPy's array operations, and minidl's call, which should give the same."""
    import numpy as np

    from minidl import kernels
    from minidl.kernels import reference
    from minidl.random import Generator

    rng, (n, channels) = Generator(0), BATCH
    x, dy, scores, labels = rng.normal(BATCH), rng.normal(BATCH), rng.normal((n, 10)), rng.integers(0, 10, n)
    weight, bias, m, v = (rng.uniform(channels, 1, 2) for _ in range(4))

    def ways(name: str, *args: Any) -> Ways:
        return partial(getattr(reference, name), *args), partial(getattr(kernels, name), *args)

    def cross_entropy() -> tuple[Any, Any, float]:
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        losses = -np.log(p[np.arange(n), labels])
        return p, losses, losses.sum()

    def sgd(step: Callable[..., Any], values: Any, velocities: Any) -> tuple[Any, Any]:
        step([([values], [dy], [velocities], [True], 0.01, 0.9, 0.0, 0.0, False)], [], [])
        return values, velocities

    return {
        "tanh": (partial(np.tanh, x), partial(kernels.tanh, x)),
        "tanh's gradient": ways("tanh_backward", dy, np.tanh(x)),
        "batch norm": ways("batch_norm", x, weight, bias, m, v, 1e-5, True),
        "batch norm's gradient": ways("batch_norm_backward", dy, x, weight, m, v, 1e-5, True),
        "cross-entropy of 10 classes": (cross_entropy, partial(kernels.cross_entropy, scores, labels)),
        "SGD with momentum": (partial(sgd, reference.sgd, x.copy(), x.copy()), partial(sgd, kernels.sgd, x.copy(), x.copy())),
    }


def wrong_kernels(calls: dict[str, Ways]) -> list[str]:
    """The fused kernels whose results are not NumPy's, to the rounding of float32 in another order of summing."""
    import numpy as np

    def close(ours: Any, theirs: Any) -> bool:
        pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
        return all(np.allclose(x, y, rtol=1e-4, atol=1e-4) for x, y in pairs)

    return [name for name, (numpy, minidl) in calls.items() if not close(numpy(), minidl())]


def pointer(array: Any) -> Any:
    return array.ctypes.data_as(ctypes.c_void_p)  # it keeps the array alive


def wrong_products(out: dict[str, Any]) -> list[str]:
    """The stages whose product is not what it should be.

    Plain C multiplies and adds in one order, so it gives the same bits in all loops; so does the micro-kernel, with fused
    multiply-adds. Either is within k 2^-24 sum |a b| of the exact product (Higham, "Accuracy and Stability of Numerical
    Algorithms", section 3.1), and here |a b| <= 1. The stage that packs begins a new sum after every 256 numbers of k.
    """
    k = len(out["naive"])
    rounding = 2.01 * 2**-24 * k * k
    close = {name: (out[name] == out["naive"]).all() for name in ("reordered", "blocked", "tiled")}
    close["vector_tiled"] = (out["vector_tiled"] == out["whole"]).all()
    close["packed"] = abs(out["packed"] - out["whole"]).max() <= (rounding if k > 256 else 0)
    close["whole"] = abs(out["whole"] - out["naive"]).max() <= rounding
    return [name for name, right in close.items() if not right]


def wrong_draws(out: dict[str, Any]) -> list[str]:
    """The stages that differ from the first of their kind: bit for bit, but for the ways to a normal number, which round.

    Box and Muller make other numbers of the same words: the square of a pair's length is -2 log u.
    """
    import numpy as np

    close = {
        "words_vectors": (out["words_vectors"] == out["words_one"]).all(),
        "uniform_vectors": (out["uniform_vectors"] == out["uniform_one"]).all(),
        "normal_table": abs(out["normal_table"] - out["normal_wichura"]).max() < 3e-6,
        "normal_vectors": (out["normal_vectors"] == out["normal_table"]).all(),
    }
    x, y = (out["normal_box_muller"][i::2].astype(np.float64) for i in (0, 1))
    expected = -2 * np.log((out["words_one"][::2] + 0.5) / 2**32)  # at most 46
    close["normal_box_muller"] = abs(x * x + y * y - expected).max() < 46 * 2**-20
    return [name for name, right in close.items() if not right]


def main():
    args = compare.options(__doc__, "stages", threads=False)
    stages = library()
    if stages is None:
        sys.exit("The stages are in C: install a C compiler (gcc or clang).")
    from minidl.script import progress

    peak = peaks(1).get("float32")
    rows: dict[str, dict[str, Any]] = {name: {"stage": text} for name, text in (MATMUL | SAMPLING).items()}
    for n in progress(SIDES, unit="size"):
        calls, products_made = products(stages, n)
        seconds = compare.alternate({**calls, **({"peak": peak.loop} if peak else {})}, args.rounds)
        for name in MATMUL:
            rows[name][f"{n}^3"] = 2e-9 * n**3 / seconds[name]
            if peak:
                rows[name]["fraction of peak"] = rows[name][f"{n}^3"] * seconds["peak"] / (1e-9 * peak.flop)
        if wrong := wrong_products(products_made):
            sys.exit(f"Wrong products: {', '.join(wrong)}")
    calls, draws_made = draws(stages, SAMPLES)
    seconds = compare.alternate(calls, args.rounds)
    if wrong := wrong_draws(draws_made):
        sys.exit(f"Wrong samples: {', '.join(wrong)}")
    for name in SAMPLING:
        rows[name]["ns"] = 1e9 * seconds[name] / SAMPLES
    pairs = fused_kernels()
    if wrong := wrong_kernels(pairs):
        sys.exit(f"Wrong fused kernels: {', '.join(wrong)}")
    for name, (numpy, minidl) in pairs.items():
        seconds = compare.alternate({"numpy": numpy, "minidl": minidl}, args.rounds)
        rows[name] = {"stage": name} | {way: 1e6 * s for way, s in seconds.items()}
    compare.report(
        args,
        f"matmul, GFLOP/s; fraction of the peak at {SIDES[-1]}^3",
        compare.table([rows[name] for name in MATMUL], FORMATS),
        f"random numbers, {SAMPLES:,} at a time, nanoseconds per word or sample",
        compare.table([rows[name] for name in SAMPLING], FORMATS),
        f"fused kernels over {BATCH[0]} x {BATCH[1]} numbers, microseconds",
        compare.table([rows[name] for name in pairs], FORMATS),
    )


if __name__ == "__main__":
    main()
