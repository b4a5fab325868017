"""What a script on the command line needs beside its question: options, a progress bar and a table.

The scripts in examples/ are written with it, and so may be yours. Pictures are in `plot`, the training loop is in `training`.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def options(description: str | None, picture: str) -> argparse.ArgumentParser:
    """The parser of a command line with --quick, --seed and --out, to which a script adds what is its own.

    Parameters
    ----------
    description : str
        What --help prints above the options: `__doc__`.
    picture : str
        The file that --out names unless the user does.

    Examples
    --------
    >>> parser = options("How deep can a network be?", "depth.png")
    >>> _ = parser.add_argument("--width", type=positive_integer, default=64)
    >>> args = parser.parse_args(["--quick", "--width", "32"])
    >>> args.quick, args.seed, args.width, str(args.out)
    (True, 0, 32, 'depth.png')
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller run, of a few seconds")
    parser.add_argument("--seed", type=_seed, default=0, help="default: 0")
    parser.add_argument("--out", type=_picture, default=Path(picture), help=f"where the picture goes, default: {picture}")
    return parser


def positive_integer(text: str) -> int:
    """The type of an option that counts something.

    Examples
    --------
    >>> positive_integer("64")
    64
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a non-negative integer, got {text!r}")
    return int(text) % 2**64


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".png", ".pdf", ".svg") or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"expected a .png, .pdf or .svg file in a folder that exists, got {text!r}")
    return path


def progress(steps: Any, **settings: Any) -> Any:
    """Go through the steps with the bar of tqdm, where tqdm is installed; it appears after a second.

    Examples
    --------
    >>> [depth**2 for depth in progress([1, 2, 3], desc="depths")]
    [1, 4, 9]
    """
    try:
        from tqdm import tqdm
    except ImportError:  # the bar is a comfort
        return steps
    return tqdm(steps, delay=1, leave=False, **settings)


class Bar:
    """The bar of tqdm, where tqdm is installed and on a terminal, to be moved by hand; it appears after two seconds.

    Examples
    --------
    >>> with Bar(3, "step") as bar:
    ...     for _ in range(3):
    ...         bar.update(1)
    """

    def __init__(self, total: int, unit: str):
        self._total, self._unit, self._done, self._text = total, unit, 0, ""
        self._begin, self._shown = time.perf_counter(), None  # tqdm's, once it is worth a bar

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._shown is not None:
            self._shown.close()

    def set_description(self, text: str) -> None:
        """What stands before the bar from its next move on."""
        self._text = text

    def update(self, n: int) -> None:
        """Move it by n."""
        self._done += n
        if self._shown is None and time.perf_counter() - self._begin > 1:  # and then a second more, see `progress`
            self._shown = progress(None, total=self._total, unit=self._unit, disable=None)
        if self._shown is not None:
            self._shown.set_description(self._text, refresh=False)
            self._shown.update(self._done - self._shown.n)


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print the rows below their titles, strings to the left and numbers to the right. None is left empty.

    Examples
    --------
    >>> table(["initializer", "units", "loss"], [["zeros", 1, 2.30258], ["he_normal", 64, 0.00413]])
      initializer  units    loss
      zeros            1   2.303
      he_normal       64  0.0041
    """
    cells = [titles, *([cell if isinstance(cell, str) else _number(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = [all(isinstance(cell, str) for cell in column) for column in zip(*rows, strict=True)]
    for line in cells:
        aligned = (f"{c:<{w}}" if to_left else f"{c:>{w}}" for c, w, to_left in zip(line, widths, left, strict=True))
        print("  " + "  ".join(aligned).rstrip())


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, np.integer)):
        return str(value)
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.2g}"
