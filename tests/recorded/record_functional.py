"""Writes functional.json: what PyTorch computes for the calls that test_functional.py makes, values and gradients.

Run it with PyTorch 2.13: `python tests/recorded/record_functional.py`. minidl takes no part in it; PyTorch is imported in the
functions only, because pytest imports every file to look for doctests. Inputs are rounded, so that the file can be read and
checked by hand; gradients are those of sum(upstream * output).
"""

import json
from pathlib import Path

import numpy as np

rng = np.random.default_rng(13)


def values(*shape):
    return rng.normal(size=shape).round(2)


def positive(*shape):
    return rng.uniform(0.3, 2.5, size=shape).round(2)


KINKS = np.array([[-2.0, -0.5, 0.0, 0.5], [-0.0, 1.0, 2.0, -1.0]])
TIES = np.array([[[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], [[1.0, 0.0, 3.0], [5.0, 2.0, 5.0]]])
LABELS = np.array([3, 0, 2])
BATCH = {"x": (values(4, 3) * 2 + 1).round(2), "weight": positive(3), "bias": values(3)}
BUFFERS = {"running_mean": values(3), "running_var": positive(3)}


def calls():
    """name: (call, inputs, buffers that the call may change). Integer inputs get no gradient."""
    import torch
    import torch.nn.functional as F

    calls = {
        "add": (lambda x, y: x + y, {"x": values(3, 4), "y": values(4)}),
        "add a number": (lambda x: x + 2.5, {"x": values(2, 3)}),
        "a number add": (lambda x: 2.5 + x, {"x": values(2, 3)}),
        "sub": (lambda x, y: x - y, {"x": values(3, 1), "y": values(1, 4)}),
        "a number sub": (lambda x: 2.5 - x, {"x": values(2, 3)}),
        "mul": (lambda x, y: x * y, {"x": values(2, 1, 3), "y": values(2, 1)}),
        "a number mul": (lambda x: 2.5 * x, {"x": values(2, 3)}),
        "mul by itself": (lambda x: x * x, {"x": values(2, 3)}),
        "div": (lambda x, y: x / y, {"x": values(3, 4), "y": positive(3, 1)}),
        "a number div": (lambda x: 2.5 / x, {"x": positive(2, 3)}),
        "pow": (lambda x, y: x**y, {"x": positive(3, 4), "y": values(4)}),
        "pow at zero": (lambda x, y: x**y, {"x": np.array([0.0, 0.0, 0.0, 2.0]), "y": np.array([0.0, 1.0, 2.0, 0.0])}),
        "pow 3": (lambda x: x**3, {"x": values(2, 3)}),
        "pow -2": (lambda x: x**-2, {"x": positive(2, 3)}),
        "pow 0": (lambda x: x**0, {"x": KINKS}),
        "a number pow": (lambda x: 2.5**x, {"x": values(2, 3)}),
        "neg": (lambda x: -x, {"x": values(2, 3)}),
        "matmul": (lambda x, y: x @ y, {"x": values(3, 4), "y": values(4, 2)}),
        "matmul, vector and matrix": (lambda x, y: x @ y, {"x": values(4), "y": values(4, 2)}),
        "matmul, matrix and vector": (lambda x, y: x @ y, {"x": values(3, 4), "y": values(4)}),
        "matmul, vectors": (lambda x, y: x @ y, {"x": values(4), "y": values(4)}),
        "matmul, stack and matrix": (lambda x, y: x @ y, {"x": values(2, 3, 2), "y": values(2, 2)}),
        "matmul, stacks that broadcast": (lambda x, y: x @ y, {"x": values(2, 1, 2, 3), "y": values(2, 3, 1)}),
        "matmul, vector and stack": (lambda x, y: x @ y, {"x": values(3), "y": values(2, 3, 2)}),
        "getitem, slices": (lambda x: x[1:, ::2], {"x": values(3, 4)}),
        "getitem, a row": (lambda x: x[-1], {"x": values(3, 4)}),
        "getitem, an element": (lambda x: x[1, 2], {"x": values(3, 4)}),
        "getitem, a new axis": (lambda x: x[:, None, 1], {"x": values(3, 4)}),
        "getitem, reversed": (lambda x: x.flip(-1), {"x": values(3, 4)}),
        "getitem, rows of a list": (lambda x: x[[0, 2, 0]], {"x": values(3, 4)}),
        "getitem, pairs": (lambda x: x[[0, 1, 1], [2, 3, 3]], {"x": values(3, 4)}),
        "getitem, a mask": (lambda x: x[x > 0], {"x": values(3, 4)}),
        "reshape": (lambda x: x.reshape(2, -1), {"x": values(3, 4)}),
        "transpose": (lambda x: x.T, {"x": values(3, 4)}),
        "transpose two axes": (lambda x: x.transpose(0, -1), {"x": values(2, 3, 2)}),
        "transpose all axes": (lambda x: x.permute(2, 0, 1), {"x": values(2, 3, 2)}),
        "concatenate": (lambda x, y: torch.cat([x, y]), {"x": values(2, 3), "y": values(1, 3)}),
        "concatenate the last axis": (lambda x, y: torch.cat([x, y, x], dim=-1), {"x": values(2, 1), "y": values(2, 2)}),
        "stack": (lambda x, y: torch.stack([x, y, x]), {"x": values(3), "y": values(3)}),
        "stack along the last axis": (lambda x, y: torch.stack([x, y], dim=-1), {"x": values(2, 3), "y": values(2, 3)}),
        "sum": (lambda x: x.sum(), {"x": values(3, 4)}),
        "sum over columns": (lambda x: x.sum(-1, keepdim=True), {"x": values(3, 4)}),
        "sum over two axes": (lambda x: x.sum((0, 2)), {"x": values(2, 3, 2)}),
        "mean": (lambda x: x.mean(), {"x": values(3, 4)}),
        "mean over rows": (lambda x: x.mean(0), {"x": values(3, 4)}),
        "mean over two axes": (lambda x: x.mean((0, -1), keepdim=True), {"x": values(2, 3, 2)}),
        "var": (lambda x: x.var(), {"x": values(3, 4)}),
        "var, biased": (lambda x: x.var(1, correction=0, keepdim=True), {"x": values(3, 4)}),
        "var over two axes": (lambda x: x.var((0, 2)), {"x": values(2, 3, 2)}),
        "max": (lambda x: torch.amax(x), {"x": values(3, 4)}),
        "max with ties": (lambda x: torch.amax(x), {"x": TIES}),
        "max with ties, over columns": (lambda x: torch.amax(x, -1), {"x": TIES}),
        "max with ties, over two axes": (lambda x: torch.amax(x, (0, 2), keepdim=True), {"x": TIES}),
        "exp": (torch.exp, {"x": values(2, 3)}),
        "log": (torch.log, {"x": positive(2, 3)}),
        "sqrt": (torch.sqrt, {"x": positive(2, 3)}),
        "abs": (torch.abs, {"x": KINKS}),
        "clip": (lambda x: torch.clamp(x, -0.5, 1.0), {"x": KINKS}),
        "clip from below": (lambda x: torch.clamp(x, min=-1.0), {"x": KINKS}),
        "clip from above": (lambda x: torch.clamp(x, max=0.0), {"x": KINKS}),
        "tanh": (torch.tanh, {"x": values(2, 3)}),
        "sigmoid": (torch.sigmoid, {"x": values(2, 3) * 4}),
        "relu": (F.relu, {"x": KINKS}),
        "leaky_relu": (F.leaky_relu, {"x": KINKS}),
        "leaky_relu 0.2": (lambda x: F.leaky_relu(x, 0.2), {"x": KINKS}),
        "elu": (F.elu, {"x": KINKS}),
        "elu 1.7": (lambda x: F.elu(x, 1.7), {"x": KINKS}),
        "selu": (F.selu, {"x": KINKS}),
        "gelu": (F.gelu, {"x": KINKS}),
        "silu": (F.silu, {"x": KINKS}),
        "softplus": (F.softplus, {"x": KINKS * 4}),
        "softmax": (lambda x: F.softmax(x, -1), {"x": values(3, 4)}),
        "softmax over columns": (lambda x: F.softmax(x, 0), {"x": values(3, 2)}),
        "softmax over a middle axis": (lambda x: F.softmax(x, 1), {"x": values(2, 3, 2)}),
        "log_softmax": (lambda x: F.log_softmax(x, -1), {"x": values(3, 4)}),
        "log_softmax over columns": (lambda x: F.log_softmax(x, 0), {"x": values(3, 2)}),
        "linear": (F.linear, {"x": values(3, 4), "weight": values(2, 4), "bias": values(2)}),
        "linear without bias": (F.linear, {"x": values(3, 4), "weight": values(2, 4)}),
        "linear of a vector": (F.linear, {"x": values(4), "weight": values(2, 4), "bias": values(2)}),
        "linear of a stack": (F.linear, {"x": values(2, 2, 3), "weight": values(2, 3), "bias": values(2)}),
        "batch_norm in training": (
            lambda x, weight, bias, running_mean, running_var: F.batch_norm(
                x, running_mean, running_var, weight, bias, training=True
            ),
            BATCH,
            BUFFERS,
        ),
        "batch_norm in training, momentum and eps": (
            lambda x, running_mean, running_var: F.batch_norm(
                x, running_mean, running_var, training=True, momentum=0.3, eps=0.01
            ),
            {"x": BATCH["x"]},
            BUFFERS,
        ),
        "batch_norm in training, weight only": (
            lambda x, weight: F.batch_norm(x, None, None, weight, training=True),
            {"x": BATCH["x"], "weight": BATCH["weight"]},
        ),
        "batch_norm in training, three axes": (
            lambda x, weight, bias, running_mean, running_var: F.batch_norm(
                x, running_mean, running_var, weight, bias, training=True
            ),
            {"x": values(2, 3, 2), "weight": positive(3), "bias": values(3)},
            BUFFERS,
        ),
        "batch_norm in evaluation": (
            lambda x, weight, bias, running_mean, running_var: F.batch_norm(x, running_mean, running_var, weight, bias),
            BATCH,
            BUFFERS,
        ),
        "batch_norm in evaluation, plain": (
            lambda x, running_mean, running_var: F.batch_norm(x, running_mean, running_var),
            {"x": BATCH["x"]},
            BUFFERS,
        ),
        "cross_entropy": (F.cross_entropy, {"x": values(3, 4), "target": LABELS}),
        "cross_entropy, sum": (
            lambda x, target: F.cross_entropy(x, target, reduction="sum"),
            {"x": values(3, 4), "target": LABELS},
        ),
        "cross_entropy, none": (
            lambda x, target: F.cross_entropy(x, target, reduction="none"),
            {"x": values(3, 4), "target": LABELS},
        ),
        "mse_loss": (F.mse_loss, {"x": values(2, 3), "target": values(2, 3)}),
        "mse_loss, sum": (
            lambda x, target: F.mse_loss(x, target, reduction="sum"),
            {"x": values(2, 3), "target": values(2, 3)},
        ),
        "mse_loss, none": (
            lambda x, target: F.mse_loss(x, target, reduction="none"),
            {"x": values(2, 3), "target": values(2, 3)},
        ),
    }
    for reduction in ("mean", "sum", "none"):
        calls[f"binary_cross_entropy_with_logits, {reduction}"] = (
            lambda x, target, reduction=reduction: F.binary_cross_entropy_with_logits(x, target, reduction=reduction),
            {"x": values(2, 3), "target": np.array([[0.0, 1.0, 0.25], [0.5, 0.9, 1.0]])},
        )
    return calls


def calls_without_gradient():
    import torch

    return {
        "argmax": (torch.argmax, {"x": values(3, 4)}),
        "argmax over rows": (lambda x: torch.argmax(x, 0), {"x": values(3, 4)}),
        "argmax over columns": (lambda x: torch.argmax(x, 1, keepdim=True), {"x": values(3, 4)}),
        "less": (lambda x, y: x < y, {"x": KINKS, "y": KINKS[:, ::-1]}),
        "less or equal": (lambda x, y: x <= y, {"x": KINKS, "y": KINKS[:1]}),
        "greater": (lambda x: x > 0.5, {"x": KINKS}),
        "greater or equal": (lambda x: x >= 0.5, {"x": KINKS}),
        "a number less": (lambda x: 0.5 < x, {"x": KINKS}),  # noqa: SIM300 - the number on the left is what is recorded
        "equal": (lambda x, y: x == y, {"x": KINKS, "y": np.array([-2.0, 1.0, 0.0, -1.0])}),
        "not equal": (lambda x: x != 0.0, {"x": KINKS}),
    }


FLOAT32 = (
    "add a number",
    "div",
    "pow",
    "matmul",
    "getitem, pairs",
    "mean over rows",
    "var",
    "clip",
    "tanh",
    "sigmoid",
    "elu 1.7",
    "selu",
    "gelu",
    "silu",
    "softplus",
    "softmax",
    "log_softmax",
    "linear",
    "batch_norm in training",
    "batch_norm in evaluation",
    "cross_entropy",
    "mse_loss",
    "binary_cross_entropy_with_logits, mean",
)


def plain(tensor):
    """Nested lists with the shortest decimals that give back the same float32 or float64."""
    array = tensor.detach().numpy()
    if array.dtype == np.float32:
        return np.array([float(str(number)) for number in array.reshape(-1)]).reshape(array.shape).tolist()
    return array.tolist()


def tensors(arrays, dtype, requires_grad=False):
    import torch

    return {
        name: torch.tensor(array.tolist(), dtype=dtype, requires_grad=requires_grad)
        if array.dtype.kind == "f"
        else torch.tensor(array.tolist())
        for name, array in arrays.items()
    }


def run(dtype, call, arrays, buffer_arrays=None, gradient=True):
    import torch

    inputs, buffers = tensors(arrays, dtype, gradient), tensors(buffer_arrays or {}, dtype)
    case = {"inputs": {name: plain(tensor) for name, tensor in inputs.items()}}
    if buffers:
        case["buffers"] = {name: plain(tensor) for name, tensor in buffers.items()}
    output = call(**inputs, **buffers) if buffers else call(*inputs.values())
    case["output"] = plain(output)
    if gradient:
        upstream = torch.tensor(values(*output.shape).tolist(), dtype=dtype)
        output.backward(upstream)
        case["upstream"] = plain(upstream)
        case["gradients"] = {name: plain(tensor.grad) for name, tensor in inputs.items() if tensor.requires_grad}
    if buffers:
        case["buffers_after"] = {name: plain(tensor) for name, tensor in buffers.items()}
    return case


def text(value, indent=0):
    """JSON with one line for each array."""
    if not isinstance(value, dict):
        return json.dumps(value)
    inner = ",\n".join(f"{' ' * (indent + 1)}{json.dumps(key)}: {text(part, indent + 1)}" for key, part in value.items())
    return f"{{\n{inner}\n{' ' * indent}}}"


def main():
    import torch

    assert torch.__version__.startswith("2.13."), torch.__version__
    recorded_calls, without_gradient = calls(), calls_without_gradient()
    recorded = {
        "torch": torch.__version__,
        "float64": {name: run(torch.float64, *call) for name, call in recorded_calls.items()},
        "float32": {name: run(torch.float32, *recorded_calls[name]) for name in FLOAT32},
        "without gradient": {name: run(torch.float64, *call, gradient=False) for name, call in without_gradient.items()},
    }
    Path(__file__).with_name("functional.json").write_text(text(recorded) + "\n")


if __name__ == "__main__":
    main()
