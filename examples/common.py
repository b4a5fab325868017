"""What the examples share: their arguments, tables and pictures, a plain network, and its training on the digits.

The questions are in the scripts beside this file, the ledger that collects their answers is `claims.py`.
"""

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from minidl import data, nn, no_grad, optim, plot
from minidl.random import Generator, as_generator

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


def progress(steps: Any, **options: Any) -> Any:
    """tqdm's bar, where tqdm is installed, for what takes more than a second."""
    try:
        from tqdm import tqdm
    except ImportError:  # the bar is a comfort
        return steps
    return tqdm(steps, delay=1, leave=False, **options)


def whole_number(text: str, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected a whole number from {least}, got {text!r}")
    return int(text)


def seed(text: str) -> int:
    return whole_number(text, least=0) % 2**64


def picture(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".png", ".pdf", ".svg") or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"expected a .png, .pdf or .svg file in a folder that exists, got {text!r}")
    return path


def print_on_any_terminal() -> None:
    """From now on, a sign that the terminal cannot show (the root in 1/√n on an ASCII one) is a ? there, not an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def parser(doc: str | None, file: str) -> argparse.ArgumentParser:
    """For a script: `parser(__doc__, __file__)`, with the options that all have."""
    print_on_any_terminal()
    out = f"{Path(file).stem}.png"
    result = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--quick", action="store_true", help="a smaller run, of a few seconds")
    result.add_argument("--seed", type=seed, default=0, help="default: 0")
    result.add_argument("--out", type=picture, default=Path(out), help=f"where the picture goes, default: {out}")
    return result


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints rows below their titles: texts to the left, numbers to the right."""
    cells = [titles, *([cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    texts = [all(isinstance(cell, str) for cell in column) for column in zip(*rows, strict=True)]
    for line in cells:
        aligned = (f"{c:<{w}}" if t else f"{c:>{w}}" for c, w, t in zip(line, widths, texts, strict=True))
        print("  " + "  ".join(aligned).rstrip())


def number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, np.integer)):
        return str(value)
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.2g}"


def save(draw: Callable[[], Any], out: Path) -> None:
    """Saves the figure that `draw` makes; without matplotlib says so."""
    try:
        figure = draw()
    except ImportError as error:
        print(f"\nNo picture: {error}.")
        return
    plot.save(figure, out)
    print(f"\nPicture: {out}")


def network(
    sizes: Sequence[int], activation: Callable[[], nn.Module], law: Any, rng: Generator | int, to_the_end: bool = False
) -> nn.Sequential:
    """Linear layers of these sizes, with an activation between each two; and one after the last, if `to_the_end`."""
    rng = as_generator(rng)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out, weight_init=law, rng=rng), activation()]
    return nn.Sequential(*(layers if to_the_end else layers[:-1]))


def linear_layers(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


@dataclass
class Run:
    """Before the first epoch and after each: the loss on the training set, and the share of the test set that is right."""

    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)


def train(
    model: nn.Module,
    epochs: int,
    *,
    optimizer: Any = None,
    digits: data.Split | None = None,
    batch_size: int = 64,
    rng: Generator | int = 0,
    after_step: Callable[[], None] | None = None,
) -> Run:
    """Trains on the digits, by default with SGD at lr 0.1 and momentum 0.9. Where it diverges, NaN or infinity is the loss."""
    digits = digits or data.digits()
    optimizer = optimizer or optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loader = data.DataLoader((digits.x_train, digits.y_train), batch_size, shuffle=True, rng=rng)
    criterion, run = nn.CrossEntropyLoss(), Run()
    with np.errstate(all="ignore"):
        for epoch in range(epochs + 1):
            if epoch:
                model.train()
                for x, y in loader:
                    optimizer.zero_grad()
                    criterion(model(x), y).backward()
                    optimizer.step()
                    if after_step:
                        after_step()
            model.eval()
            with no_grad():
                run.losses.append(criterion(model(digits.x_train), digits.y_train).item())
                run.accuracies.append(float(np.mean(model(digits.x_test).data.argmax(axis=1) == digits.y_test)))
    return run
