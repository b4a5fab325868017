"""Writes the polynomials of GELU and its derivative, csrc/gelu_table.h and minidl/kernels/gelu_table.py.

With P(x) the normal distribution function, p(x) its derivative, a >= 0 and z the zero of P(-a) - a p(a), the two functions

    TAIL(t)  = e^(a^2/2) P(-a) (a + 5/4)    and    SLOPE(t) = e^(a^2/2) (P(-a) - a p(a)) / (z - a),    t = (a - 4) / (a + 4)

are smooth and positive on the whole of -1 <= t < 1. The script interpolates them at Chebyshev's points, to 1e-9 of their size
for float32 and 1e-17 for float64.

Source: Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < infinity", Mathematics of
Computation 36 (1981), which does the same with erfc.

Needs: pip install mpmath

    python tools/gelu_table.py
"""

import argparse
from pathlib import Path

import mpmath as mp

DEGREES, SCALE = {"f32": 12, "f64": 24}, 4
ROOT = Path(__file__).parent.parent


def scaled_tail(a):
    """e^(a^2/2) P(-a)."""
    return mp.erfc(a / mp.sqrt(2)) / 2 * mp.exp(a * a / 2)


def scaled_slope(a):
    """e^(a^2/2) (P(-a) - a p(a))."""
    return scaled_tail(a) - a / mp.sqrt(2 * mp.pi)


def interpolated(function, degree):
    """The coefficients, the highest power first, of the polynomial in t that interpolates a function of a."""
    points = [mp.cos(mp.pi * (i + mp.mpf(1) / 2) / (degree + 1)) for i in range(degree + 1)]
    powers = mp.matrix([[t**k for k in range(degree, -1, -1)] for t in points])
    return list(mp.lu_solve(powers, mp.matrix([function(SCALE * (1 + t) / (1 - t)) for t in points])))


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    mp.mp.dps = 60
    zero = mp.findroot(scaled_slope, 0.75)
    rows = {}
    for suffix, degree in DEGREES.items():
        rows[f"TAIL_{suffix}"] = interpolated(lambda a: scaled_tail(a) * (a + 1.25), degree)
        rows[f"SLOPE_{suffix}"] = interpolated(lambda a: scaled_slope(a) / (zero - a), degree)
    rows["ZERO"] = [zero, zero - float(zero)]  # and what a double lacks of it
    made = "the polynomials of GELU and its derivative, made by tools/gelu_table.py, which says what they are;"
    order = "the highest power first."
    texts = {
        name: ",\n".join("    " + ", ".join(repr(float(c)) for c in row[i : i + 4]) for i in range(0, len(row), 4))
        for name, row in rows.items()
    }
    (ROOT / "csrc/gelu_table.h").write_text(
        f"/* gelu_table.h: {made}\n * {order} */\n#ifndef MINIDL_GELU_TABLE_H\n#define MINIDL_GELU_TABLE_H\n\n"
        + "".join(f"enum {{ GELU_COUNT_{suffix} = {degree + 1} }};\n" for suffix, degree in DEGREES.items())
        + "".join(f"static const double GELU_{name}[] = {{\n{text},\n}};\n" for name, text in texts.items())
        + "\n#endif\n"
    )
    (ROOT / "minidl/kernels/gelu_table.py").write_text(
        f'"""{made[0].upper()}{made[1:]}\n{order}"""\n\n# fmt: off\n'
        + "".join(f"{name.upper()} = (\n{text},\n)\n" for name, text in texts.items())
    )


if __name__ == "__main__":
    main()
