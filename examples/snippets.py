"""Do the lines of code that articles print run, and do what they say? Each as it is printed, with the import changed.

Three articles print lines to copy: A and D for PyTorch, B for NumPy and TensorFlow (docs/claims.md says which
articles they are). minidl has PyTorch's names, so that only the import changes: `torch` becomes `minidl`. In D the lines that
initialize stand behind a `#`, where they are comments. B's `randn` and `sqrt` are NumPy's here, and a Parameter stands for
TensorFlow's Variable.

You will see, for each line, what it leaves behind: which initializer made each parameter, or nothing, or an error. Below that
stand the messages of the lines that fail, and the lines that were meant.

    python examples/snippets.py
    python examples/snippets.py --article D
"""

import argparse
import ast
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import minidl
from minidl import nn
from minidl.script import table


class Snippet(NamedTuple):
    article: str
    printed: str
    meant: str = ""  # where another line was
    why: str = ""


ITS_OWN = "the mean is 0 and the std follows from the shape; normal_ takes both from you"
SNIPPETS = [
    Snippet("A", "import torch.nn as nn"),
    Snippet("A", "import torch.nn.init as init"),
    Snippet("A", "layer = nn.Linear(256, 128)"),
    Snippet("A", "nn.init.zeros_(layer.bias)"),
    Snippet("A", "fc = nn.Linear(in_features=256, out_features=128)"),
    Snippet("A", "init.xavier_normal_(fc.weight)"),
    Snippet("A", "init.kaiming_normal_(fc.weight, nonlinearity='relu')"),
    Snippet("A", "init.zeros_(fc.bias)"),
    Snippet(
        "B",
        "W = randn(n_in, n_out) / sqrt(n_in)",
        "W = randn(n_out, n_in) / sqrt(n_in)",
        "B multiplies x @ W, PyTorch and minidl x @ W.T: a layer's weight has the shape (n_out, n_in)",
    ),
    Snippet(
        "B",
        "W = Variable(randn(n_in, n_out)) / sqrt(n_in)",
        "W = Variable(randn(n_out, n_in) / sqrt(n_in))",
        "divided outside, W is a result, and what is trained is the randn before the division",
    ),
    Snippet("D", "import torch.nn as nn"),
    Snippet("D", "model = nn.Linear(1, 1)"),
    Snippet("D", "# nn.init.uniform_(model.weight)"),
    Snippet("D", "# nn.init.normal_(model.weight, mean=0, std=1)"),
    Snippet("D", "# nn.init.xavier_uniform_(model.weight)"),
    Snippet("D", "# nn.init.xavier_normal_(model.weight)"),
    Snippet(
        "D",
        "# nn.init.xavier_normal_(model, weight, mean=0, std=1)",
        "nn.init.xavier_normal_(model.weight)",
        f"model.weight is one name, and then mean and std are refused: {ITS_OWN}",
    ),
    Snippet("D", "# nn.init.kaiming_uniform_(model.weight)"),
    Snippet("D", "# nn.init.kaiming_normal_(model.weight)"),
    Snippet(
        "D",
        "# nn.init.kaiming.normal_(model.weight)",
        "nn.init.kaiming_normal_(model.weight)",
        "one name, with an underscore",
    ),
    Snippet(
        "D",
        "# nn.init.kaiming_normal_(model.weight, mean=0, std=1)",
        "nn.init.kaiming_normal_(model.weight)",
        ITS_OWN,
    ),
]
NOTHING = "nothing: a comment"


def given(article: str) -> dict[str, Any]:
    """The names that an article's lines find there."""
    if article != "B":
        return {}
    rng = np.random.default_rng(0)
    return {
        "randn": lambda *shape: rng.standard_normal(shape),
        "sqrt": np.sqrt,
        "Variable": nn.Parameter,
        "n_in": 256,
        "n_out": 128,
    }


def run(line: str, names: dict[str, Any]) -> str:
    """Executes a line among these names, and says what it left behind: an error's message, or what it made or overwrote."""
    body = ast.parse(line.replace("torch", "minidl")).body
    if not body:
        return NOTHING
    try:
        exec(compile(ast.unparse(body[0]), "<article>", "exec"), names)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    match body[0]:
        case ast.Assign(targets=[subject]) | ast.Expr(value=ast.Call(args=[subject, *_])):
            return describe(eval(ast.unparse(subject), names))
    return "runs"


def describe(value: Any) -> str:
    """A layer and a parameter of a layer by their initializers, what is calculated by its shape and size."""
    if isinstance(value, nn.Linear):
        return f"a Linear: weight {describe(value.weight)}, bias {describe(value.bias)}"
    if isinstance(value, nn.Parameter) and value.initializer:
        return str(value.initializer)
    values = value if isinstance(value, np.ndarray) else value.data
    return f"{type(value).__name__}, shape {values.shape}, std {values.std():.4f}"


def outcomes(article: str) -> list[tuple[Snippet, str, str, str]]:
    """Of each of an article's lines, in its order: as printed, without the #, and the line that was meant; "" where that is
    the same line."""
    minidl.manual_seed(0)
    names, found = given(article), []
    for snippet in SNIPPETS:
        if snippet.article == article:
            printed, bare = run(snippet.printed, names), snippet.printed.removeprefix("# ")
            uncommented = run(bare, names) if bare != snippet.printed else ""
            found.append((snippet, printed, uncommented, run(snippet.meant, names) if snippet.meant else ""))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--article", choices="ABD", help="only this one's")
    chosen = parser.parse_args(arguments).article
    found = [outcome for article in chosen or "ABD" for outcome in outcomes(article)]
    rows = [[s.article, s.printed, printed, bare.split(":")[0] if "Error" in bare else bare] for s, printed, bare, _ in found]
    table(["in", "line", "as printed", "without the #"], rows)
    for snippet, printed, bare, meant in found:
        if meant:
            print(f"\n{snippet.printed.removeprefix('# ')}\n  {bare or printed}")
            print(f"meant: {snippet.meant}\n  {meant}\n  ({snippet.why})")


if __name__ == "__main__":
    main()
