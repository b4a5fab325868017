"""Writes expressions.json: what PyTorch computes for expressions that minidl must read alike, values and gradients.

Run it with PyTorch 2.13: `python tests/recorded/record_expressions.py`. test_expressions.py evaluates the same texts. Which
names they know: x, y, t and q, the arrays below; w3 and w4, weights of classes; `f`, which is torch.nn.functional there and
minidl.functional here; and `torch`, which is minidl here.
"""

import re
from pathlib import Path

import numpy as np

TIES = np.array([[0.5, -1.5, 2.0, 2.0], [-1.0, -1.0, 0.25, -3.0], [0.0, 1.25, -0.75, 1.5]])
OTHER = np.array([[0.5, 1.0, -2.0, 2.5], [0.75, -1.0, 0.5, 0.0], [-0.25, 1.25, 3.0, -1.5]])
CUBE = np.array(
    [0.3, -1.2, 0.9, 2.1, -0.4, 1.6, -2.2, 0.7, 1.1, -0.8, 0.2, 1.9, -1.4, 0.6, -0.1, 2.4, 0.8, -1.7] + [0.4, -0.9] * 3
)
CUBE = CUBE.reshape(2, 3, 4)  # (batch, classes, places)
ROWS = {"x": TIES, "y": OTHER}
CLASSES = {"x": OTHER, "t": np.array([3, 0, 2])}
IGNORED = {"x": OTHER, "t": np.array([3, -100, 2])}
SOFT = {"x": OTHER, "q": np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0], [0.25, 0.25, 0.5, 0.0]])}
PLACES = {"x": CUBE, "t": np.array([[0, 2, 1, 1], [2, 2, 0, 1]])}
VECTOR = {"x": OTHER[0], "t": np.array(2)}
WEIGHTS = {"w3": [0.5, 2.0, 1.0], "w4": [0.5, 2.0, 1.0, 0.25]}
CHANCES = {"x": np.array([[0.01, 0.99, 0.3], [0.5, 0.9, 0.25]]), "y": np.array([[0.0, 1.0, 0.25], [1.0, 0.4, 0.0]])}

EXPRESSIONS = [
    (ROWS, ["x.sin()", "x.cos()", "x.max()", "x.min()", "x.max(1).values", "x.max(0, keepdim=True).values", "x.min(-1)[0]"]),
    (ROWS, ["x.amax((0, 1))", "x.amin(1, keepdim=True)"]),
    (ROWS, ["x.std()", "x.std(1)", "x.std(0, correction=0)", "x.var([0, 1])", "x.sum([0, 1])", "x.mean([-1])"]),
    (ROWS, ["x.norm()", "x.norm(1)", "x.norm(3, 1)", "x.norm(dim=0, keepdim=True)", "x.norm(float('inf'))", "(x * 0).norm()"]),
    (ROWS, ["x.logsumexp(1)", "x.logsumexp((0, 1), keepdim=True)", "x.cumsum(0)", "x.cumsum(-1)"]),
    (ROWS, ["f.pad(x, (1, 2))", "f.pad(x, (1, -1, 0, 2), value=7.0)", "x.split(2, 1)[1]", "x.split([1, 3], dim=1)[1]"]),
    (ROWS, ["x.view(4, 3)", "x.view(-1)", "x.flatten()", "x.unsqueeze(1)", "x.unsqueeze(-1).squeeze()", "x.t()", "x.clone()"]),
    ({"x": CUBE}, ["x.permute(2, 0, 1)", "x.permute((1, 2, 0))", "x.flatten(1)", "x.flatten(0, 1)", "x[:, :1].squeeze(1)"]),
    (CLASSES, ["f.cross_entropy(x, t, w4)", "f.cross_entropy(x, t, label_smoothing=0.1)"]),
    (CLASSES, ["f.cross_entropy(x, t, weight=w4, label_smoothing=0.3, reduction='sum')"]),
    (CLASSES, ["f.cross_entropy(x, t, w4, label_smoothing=0.3)", "f.cross_entropy(x, t, ignore_index=0)"]),
    (
        IGNORED,
        ["f.cross_entropy(x, t)", "f.cross_entropy(x, t, w4, reduction='none')", "f.nll_loss(f.log_softmax(x, 1), t, w4)"],
    ),
    (IGNORED, ["f.cross_entropy(x, t, w4, label_smoothing=0.2)", "f.nll_loss(x, t, reduction='none')"]),
    (SOFT, ["f.cross_entropy(x, q)", "f.cross_entropy(x, q, label_smoothing=0.2)", "f.cross_entropy(x, q, reduction='none')"]),
    (
        PLACES,
        ["f.cross_entropy(x, t)", "f.cross_entropy(x, t, w3, label_smoothing=0.1)", "f.nll_loss(x, t, w3, reduction='sum')"],
    ),
    (PLACES, ["f.cross_entropy(x, t, ignore_index=2, reduction='none')"]),
    (VECTOR, ["f.cross_entropy(x, t)", "f.nll_loss(x, t)"]),
    (ROWS, ["f.l1_loss(x, y)", "f.l1_loss(x, y, reduction='none')", "f.huber_loss(x, y)", "f.huber_loss(x, y, delta=0.5)"]),
    (CHANCES, ["f.binary_cross_entropy(x, y)", "f.binary_cross_entropy(x, y, reduction='sum')"]),
    (ROWS, ["torch.tensor([1.5, 2.0]) * x[:2, :2]", "torch.arange(4) * x", "torch.ones(3, 4) + x", "torch.zeros((4,)) - x"]),
]
# What is a function of torch there and of minidl.functional here.
FUNCTIONS = [
    (ROWS, ["maximum(x, y)", "minimum(x, y)", "maximum(x, y[0])", "where(x > 0, x, y)", "where(y[:, :1] > 0, x, y[0])"]),
    (ROWS, ["max(x, 1)[0]", "min(x, 0)[0]", "norm(x, 2, 1)"]),
]


def main():
    import torch
    from record_functional import run, text

    assert torch.__version__.startswith("2.13."), torch.__version__
    cases = {}
    for inputs, expressions in EXPRESSIONS + FUNCTIONS:
        for expression in expressions:
            names = {"f": torch.nn.functional, "torch": torch}
            names |= {name: torch.tensor(weights, dtype=torch.float64) for name, weights in WEIGHTS.items()}
            names |= {name: getattr(torch, name) for name in ("maximum", "minimum", "where", "max", "min", "norm")}

            used = {name: array for name, array in inputs.items() if re.search(rf"\b{name}\b", expression)}

            def call(*tensors, expression=expression, names=names, used=used):
                return eval(expression.strip(), names, dict(zip(used, tensors, strict=True)))

            while expression in cases:  # with other inputs: a space more makes it another key
                expression += " "
            cases[expression] = run(torch.float64, call, used)
    Path(__file__).with_name("expressions.json").write_text(text({"torch": torch.__version__, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
