"""Writes the table of the float32 normal quantile, csrc/quantile_table.h and minidl/kernels/quantile_table.py.

For a tail probability r = 2^(k - 32) m, m in [1, 2), the table has a polynomial in m - 3/2 for each octave k = 0 ... 31: the
interpolation of degree 7 at Chebyshev's points (error below 5e-7). Run it only to change the table: that changes what every
seed draws.

    python tools/quantile_table.py
"""

import argparse
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

DEGREE, OCTAVES = 7, 32
ROOT = Path(__file__).parent.parent


def octave(k):
    """Coefficients, the constant first, of the polynomial for r from 2^(k - 32) to twice as much."""
    if k == OCTAVES - 1:  # only r = 1/2 gets here, but for rounding: the tangent there, sqrt(2 pi) (r - 1/2), will do
        slope = np.sqrt(2 * np.pi) / 2
        return [slope / 2, slope] + [0.0] * (DEGREE - 1)
    quantile = np.vectorize(lambda x: NormalDist().inv_cdf(2.0 ** (k - 32) * (x + 1.5)))
    return Chebyshev.interpolate(quantile, DEGREE, domain=[-0.5, 0.5]).convert(kind=Polynomial).coef


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    table = np.array([octave(k) for k in range(OCTAVES)]).T.astype(np.float32)
    what = "row j: the coefficients of (m - 3/2)^j; column k: tail probabilities 2^(k - 32) m."
    rows = [[f"{c:.9g}" if "." in f"{c:.9g}" or "e" in f"{c:.9g}" else f"{c:.1f}" for c in row] for row in table]

    def lines(suffix, opening, closing):
        for row in rows:
            yield f"    {opening}"
            for i in range(0, OCTAVES, 4):
                yield "        " + " ".join(f"{c}{suffix}," for c in row[i : i + 4])
            yield f"    {closing},"

    made = "the float32 normal quantile, made by tools/quantile_table.py;"
    (ROOT / "csrc/quantile_table.h").write_text(
        f"/* quantile_table.h: {made}\n * {what} */\nstatic const float QUANTILE[{DEGREE + 1}][{OCTAVES}] = {{\n"
        + "\n".join(lines("f", "{", "}"))
        + "\n};\n"
    )
    (ROOT / "minidl/kernels/quantile_table.py").write_text(
        f'"""{made[0].upper()}{made[1:]}\n{what}"""\n\n# fmt: off\nQUANTILE = (\n' + "\n".join(lines("", "(", ")")) + "\n)\n"
    )


if __name__ == "__main__":
    main()
