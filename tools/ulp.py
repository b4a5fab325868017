"""Prints how far the functions of one number are off: the worst error in units of the last place, and where it is.

float32 numbers are taken from all 2^32, every STRIDE-th of them, and compared with the system's float64 functions;
float64 ones are random, of every size and near the places where a function turns, and compared with mpmath (pip
install mpmath), if it is there. Errors of subnormal results are in units of the subnormal grid. Derivatives are those
that are one kernel; tanh's and sigmoid's are functions of the output.

    python tools/ulp.py                 (a minute)
    python tools/ulp.py --stride 1      (every float32: two hours or so)
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from minidl import functional as F
from minidl import kernels

SELU = 1.0507009873554805, 1.6732632423543772
SLOPE = 0.01


class Function(NamedTuple):
    """What minidl computes, and the definition, in float64 and in mpmath; `turns`: where float64 samples lie densely, too."""

    ours: Callable
    double: Callable
    precise: Callable
    low: float = -math.inf
    high: float = math.inf
    turns: tuple[float, ...] = (0.0,)


def one_by_one(function):
    return lambda x: np.frompyfunc(function, 1, 1)(x).astype(np.float64)


erfc = one_by_one(math.erfc)


def unary(operation, *arguments):
    return lambda x: operation(x, *arguments).data


def slope(kernel, *arguments):
    return lambda x: kernel(np.ones_like(x), x, *arguments)


def half_tail(m, x):
    return m.erfc(-x / m.sqrt(2)) / 2


def bell(m, x):
    return m.exp(-x * x / 2) / m.sqrt(2 * m.pi)


def double_silu_slope(x):
    e = np.exp(-np.abs(x))
    return np.where(x > 0, 1 + np.where(e > 0, e * (1 + x), 0), e * (1 + x + e)) / (1 + e) ** 2


def double_gelu(x):
    return np.where(x > -50, np.maximum(x, -50) * erfc(-np.maximum(x, -50) / math.sqrt(2)) / 2, 0)


def double_gelu_slope(x):
    x = np.clip(x, -50, 50)
    return erfc(-x / math.sqrt(2)) / 2 + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


FUNCTIONS = {
    "exp": Function(unary(F.exp), np.exp, lambda m, x: m.exp(x)),
    "log": Function(unary(F.log), np.log, lambda m, x: m.log(x), 0, turns=(1.0, 0.5**0.5, 2**0.5)),
    "sqrt": Function(unary(F.sqrt), np.sqrt, lambda m, x: m.sqrt(x), 0),
    "abs": Function(unary(F.abs), np.abs, lambda m, x: abs(x)),
    "tanh": Function(unary(F.tanh), np.tanh, lambda m, x: m.tanh(x)),
    "tanh'": Function(slope(kernels.tanh_backward), lambda y: (1 - y) * (1 + y), lambda m, y: 1 - y * y, -1, 1, (-1.0, 1.0)),
    "sigmoid": Function(
        unary(F.sigmoid),
        lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x))),
        lambda m, x: 1 / (1 + m.exp(-x)),
    ),
    "sigmoid'": Function(slope(kernels.sigmoid_backward), lambda y: y * (1 - y), lambda m, y: y * (1 - y), 0, 1, (0.0, 1.0)),
    "relu": Function(unary(F.relu), lambda x: np.maximum(x, 0), lambda m, x: max(x, 0)),
    "leaky_relu": Function(
        unary(F.leaky_relu), lambda x: np.where(x > 0, x, SLOPE * x), lambda m, x: x if x > 0 else x * m.mpf(SLOPE)
    ),
    "elu": Function(
        unary(F.elu), lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), lambda m, x: x if x > 0 else m.expm1(x)
    ),
    "elu'": Function(slope(kernels.elu_backward, 1.0, 1.0), lambda x: np.exp(np.minimum(x, 0)), lambda m, x: m.exp(min(x, 0))),
    "selu": Function(
        unary(F.selu),
        lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * np.expm1(np.minimum(x, 0))),
        lambda m, x: m.mpf(SELU[0]) * (x if x > 0 else m.mpf(SELU[1]) * m.expm1(x)),
    ),
    "gelu": Function(unary(F.gelu), double_gelu, lambda m, x: x * half_tail(m, x), turns=(0.0, -38.4)),
    "gelu'": Function(
        slope(kernels.gelu_backward), double_gelu_slope, lambda m, x: half_tail(m, x) + x * bell(m, x), turns=(0.0, -0.7517915)
    ),
    "silu": Function(
        unary(F.silu),
        lambda x: np.maximum(x, -1e4) * np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x))),
        lambda m, x: x / (1 + m.exp(-x)),
        turns=(0.0, -745.0),
    ),
    "silu'": Function(
        slope(kernels.silu_backward),
        double_silu_slope,
        lambda m, x: (1 + m.exp(-x) * (1 + x)) / (1 + m.exp(-x)) ** 2,
        turns=(0.0, -1.2784645),
    ),
    "softplus": Function(
        unary(F.softplus), lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), lambda m, x: m.log1p(m.exp(x))
    ),
}


def worst_float32(function: Function, stride: int, progress: Callable[[Iterable], Iterable] = iter) -> tuple[float, float]:
    """(error, x), the error in units of the last place, over every stride-th float32."""
    worst, where, step = -1.0, math.nan, stride << 20
    for begin in progress(range(0, 1 << 32, step)):
        x = np.arange(begin, min(begin + step, 1 << 32), stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
        x = x[(x >= function.low) & (x <= function.high)]  # not NaN
        if not x.size:
            continue
        with np.errstate(all="ignore"):
            found, exact = function.ours(x), function.double(x.astype(np.float64))
            unit = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
            error = np.abs(found - exact) / unit
            rounded = exact.astype(np.float32)
            error = np.where(np.isinf(rounded), np.where(found == rounded, 0, np.inf), error)  # an overflow, or a limit
        i = np.argmax(error)  # NaN, if there is one
        if not error[i] <= worst:
            worst, where = float(error[i]), float(x[i])
    return worst, where


def samples(function: Function, n: int, seed: int) -> np.ndarray:
    """n numbers each of every size and of sizes up to 800, and n near each turn."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], (2, n))
    x = [signs[0] * 10 ** rng.uniform(-320, 308, n), signs[1] * 10 ** rng.uniform(-3, 2.9, n)]
    x += [turn + rng.choice([-1.0, 1.0], n) * 10 ** rng.uniform(-17, 0, n) for turn in function.turns]
    together = np.concatenate(x)
    return together[(together >= function.low) & (together <= function.high)]


def worst_float64(function: Function, x: np.ndarray, m: Any) -> tuple[float, float]:
    """(error, x) over these numbers, with mpmath as m."""
    worst, where = -1.0, math.nan
    with np.errstate(all="ignore"):
        found = function.ours(x)
    for number, value in zip(x.tolist(), found.tolist(), strict=True):
        if number == 0 and function.low == 0:
            continue  # log 0
        with m.workdps(400 if abs(number) < 1e-15 else 60):
            exact = function.precise(m, m.mpf(max(-2000.0, number)) if number < -2000 and value == 0 else m.mpf(number))
            if abs(exact) > sys.float_info.max:
                error = 0.0 if math.isinf(value) else math.inf
            else:
                error = float(abs(m.mpf(value) - exact) / m.mpf(float(np.spacing(abs(float(exact))))))
        if not error <= worst:
            worst, where = error, number
    return worst, where


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=f"of {', '.join(FUNCTIONS)}; all, if none is named")
    parser.add_argument("--stride", type=int, default=1009, help="take every STRIDE-th float32 (default: 1009)")
    parser.add_argument("--samples", type=int, default=1000, help="float64 numbers of each kind (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the float64 numbers (default: 0)")
    arguments = parser.parse_args()
    if unknown := set(arguments.functions) - set(FUNCTIONS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(FUNCTIONS)}")
    try:
        import mpmath
    except ImportError:
        mpmath = None
    try:
        from tqdm import tqdm
    except ImportError:
        tqdm = None
    print("| function | float32, units | at | float64, units | at |\n|---|---|---|---|---|", flush=True)
    for name in arguments.functions or FUNCTIONS:
        function = FUNCTIONS[name]
        bar = iter if tqdm is None else lambda steps, name=name: tqdm(steps, name, leave=False, disable=None)
        row = [name, *worst_float32(function, arguments.stride, bar)]
        if mpmath:
            row += worst_float64(function, samples(function, arguments.samples, arguments.seed), mpmath)
        else:
            row += ["needs mpmath", ""]
        print(
            "| "
            + " | ".join(
                cell if isinstance(cell, str) else f"{cell:.9g}" if i % 2 == 0 else f"{cell:.2f}" for i, cell in enumerate(row)
            )
            + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
