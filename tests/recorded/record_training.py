"""Writes training.json: what PyTorch computes for layers, losses, SGD and a small training run.

Run it with PyTorch 2.13: `python tests/recorded/record_training.py`. The tests read the file and need no PyTorch.
"""

import json
from pathlib import Path

POINTS = [-30.0, -6.0, -1.7, -0.5, -0.01, 0.0, 0.02, 0.6, 1.3, 5.0, 30.0]
DY = [0.7, -1.2, 0.4, 1.1, -0.8, 0.9, -0.3, 1.4, 0.5, -1.0, 0.6]
SQUARE = [[0.2, -1.4, 3.0], [1.1, 1.1, -0.7]]
DY_SQUARE = [[0.5, -0.3, 0.8], [-1.2, 0.4, 0.1]]
ACTIVATIONS = {
    "Tanh": {},
    "Sigmoid": {},
    "ReLU": {},
    "LeakyReLU": {},
    "LeakyReLU 0.2": {"negative_slope": 0.2},
    "ELU": {},
    "ELU 0.5": {"alpha": 0.5},
    "SELU": {},
    "GELU": {},
    "SiLU": {},
    "Softplus": {},
    "Softmax": {"dim": -1},
    "Softmax 0": {"dim": 0},
    "LogSoftmax": {"dim": -1},
    "LogSoftmax 0": {"dim": 0},
}
WEIGHT, BIAS = [1.5, -0.7], [0.25, 2.0]
BATCH_NORMS = {
    "default": {},
    "momentum 0.3, eps 0.01": {"momentum": 0.3, "eps": 0.01},
    "momentum None": {"momentum": None},
    "affine False": {"affine": False},
    "track_running_stats False": {"track_running_stats": False},
    "3-D": {},
}
PROBABILITIES = [[0.0, 1.0, 0.3, 1.0], [1.0, 0.0, 0.5, 0.0], [0.9, 0.1, 1.0, 0.0]]
SGDS = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.4},
    {"momentum": 0.9, "nesterov": True},
    {"weight_decay": 0.1},
    {"momentum": 0.5, "weight_decay": 0.1},
    {"momentum": 0.5, "weight_decay": 0.1, "dampening": 0.2},
    {"momentum": 0.8, "weight_decay": 0.05, "nesterov": True},
]


def numbers(*shape):
    """Inputs and weights: normal numbers of two decimals, which JSON holds exactly as written."""
    import torch

    return (torch.randn(*shape, dtype=torch.float64) * 100).round() / 100


def record_sequential():
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(numbers(*parameter.shape))
    model(numbers(6, 3))
    model(numbers(6, 3))
    state = {name: {"shape": list(value.shape), "values": value.tolist()} for name, value in model.state_dict().items()}
    x = numbers(5, 3)
    in_eval = model.eval()(x).tolist()
    in_train = model.train()(x).tolist()
    return {"state_dict": state, "x": x.tolist(), "eval": in_eval, "train": in_train}


def record_activation(name, arguments):
    import torch
    from torch import nn

    x, dy = (SQUARE, DY_SQUARE) if "dim" in arguments else (POINTS, DY)
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = getattr(nn, name.partition(" ")[0])(**arguments)(x)
    y.backward(torch.tensor(dy, dtype=torch.float64))
    return {"arguments": arguments, "x": x.tolist(), "dy": dy, "y": y.tolist(), "dx": x.grad.tolist()}


def record_batch_norm(arguments, batches, dy):
    import torch
    from torch import nn

    layer = nn.BatchNorm1d(2, dtype=torch.float64, **arguments)
    affine = arguments.get("affine", True)
    if affine:
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(WEIGHT, dtype=torch.float64))
            layer.bias.copy_(torch.tensor(BIAS, dtype=torch.float64))
    steps = []
    for batch in batches:
        layer.zero_grad()
        x = batch.clone().requires_grad_()
        y = layer(x)
        y.backward(dy)
        step = {"y": y.tolist(), "dx": x.grad.tolist()}
        if affine:
            step.update(dweight=layer.weight.grad.tolist(), dbias=layer.bias.grad.tolist())
        if layer.running_mean is not None:
            step.update(
                (name, getattr(layer, name).tolist()) for name in ("running_mean", "running_var", "num_batches_tracked")
            )
        steps.append(step)
    x = batches[0].clone().requires_grad_()
    y = layer.eval()(x)
    y.backward(dy)
    return {"arguments": arguments, "steps": steps, "eval": {"y": y.tolist(), "dx": x.grad.tolist()}}


def record_batch_norms():
    batches, dy = {2: [numbers(4, 2) for _ in range(3)], 3: [numbers(2, 2, 3) for _ in range(3)]}, {}
    for ndim, of_ndim in batches.items():
        dy[ndim] = numbers(*of_ndim[0].shape)
    cases = {}
    for name, arguments in BATCH_NORMS.items():
        ndim = 3 if name == "3-D" else 2
        cases[name] = {"ndim": ndim, **record_batch_norm(arguments, batches[ndim], dy[ndim])}
    return {
        "weight": WEIGHT,
        "bias": BIAS,
        "batches": {ndim: [batch.tolist() for batch in of_ndim] for ndim, of_ndim in batches.items()},
        "dy": {ndim: values.tolist() for ndim, values in dy.items()},
        "cases": cases,
    }


def record_losses():
    import torch
    from torch import nn

    x = numbers(3, 4)
    targets = {
        "CrossEntropyLoss": torch.tensor([2, 0, 3]),
        "MSELoss": numbers(3, 4),
        "BCEWithLogitsLoss": torch.tensor(PROBABILITIES, dtype=torch.float64),
    }
    cases = {}
    for name, target in targets.items():
        cases[name] = {"target": target.tolist()}
        for reduction in ("mean", "sum", "none"):
            scores = x.clone().requires_grad_()
            loss = getattr(nn, name)(reduction=reduction)(scores, target)
            loss.sum().backward()
            cases[name][reduction] = {"loss": loss.tolist(), "dx": scores.grad.tolist()}
    return {"x": x.tolist(), "cases": cases}


def record_sgd():
    import torch

    start = numbers(3)
    gradients = [numbers(3) for _ in range(6)]
    traces = []
    for arguments in SGDS:
        p = torch.nn.Parameter(start.clone())
        optimizer = torch.optim.SGD([p], lr=0.1, **arguments)
        after = []
        for gradient in gradients:
            p.grad = gradient.clone()
            optimizer.step()
            after.append(p.tolist())
        traces.append({"arguments": arguments, "after": after})
    return {"lr": 0.1, "start": start.tolist(), "gradients": [g.tolist() for g in gradients], "traces": traces}


def record_training():
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(numbers(*parameter.shape))
    start = {name: value.tolist() for name, value in model.state_dict().items()}
    x, y = numbers(6, 2), torch.tensor([0, 1, 1, 0, 1, 0])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    steps = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
        optimizer.step()
        steps.append({"loss": loss.item(), "weights": {name: value.tolist() for name, value in model.state_dict().items()}})
    return {"lr": 0.5, "momentum": 0.9, "start": start, "x": x.tolist(), "y": y.tolist(), "steps": steps}


def record_groups():
    """Two groups, each with numbers of its own, over four steps."""
    import torch

    start, gradients = numbers(2, 3), [numbers(2, 3) for _ in range(4)]
    first, second = parameters = [torch.nn.Parameter(row.clone()) for row in start]
    groups = [{"params": [first], "lr": 0.5}, {"params": [second], "momentum": 0.5, "weight_decay": 0.1, "nesterov": True}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    after = []
    for gradient in gradients:
        for p, row in zip(parameters, gradient, strict=True):
            p.grad = row.clone()
        optimizer.step()
        after.append([p.tolist() for p in parameters])
    return {"start": start.tolist(), "gradients": [g.tolist() for g in gradients], "after": after}


def record_state():
    """The state_dict of an SGD after two steps, and two steps more: one group has no momentum, one parameter no gradient."""
    import torch

    start, gradients = numbers(3, 2), [numbers(3, 2) for _ in range(4)]
    first, second, still = parameters = [torch.nn.Parameter(row.clone()) for row in start]
    groups = [{"params": [first], "lr": 0.5, "momentum": 0}, {"params": [second, still], "weight_decay": 0.1, "nesterov": True}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    for i, gradient in enumerate(gradients):
        for p, row in zip((first, second), gradient, strict=False):
            p.grad = row.clone()
        optimizer.step()
        if i == 1:
            values, saved = [p.tolist() for p in parameters], optimizer.state_dict()
            state = {
                key: {name: None if v is None else v.tolist() for name, v in of.items()} for key, of in saved["state"].items()
            }
    return {
        "values": values,
        "state_dict": {"state": state, "param_groups": saved["param_groups"]},
        "gradients": [g.tolist() for g in gradients[2:]],
        "after": [p.tolist() for p in parameters],
    }


def main():
    import torch

    torch.manual_seed(0)
    recorded = {
        "torch": torch.__version__,
        "sequential": record_sequential(),
        "activations": {name: record_activation(name, arguments) for name, arguments in ACTIVATIONS.items()},
        "batch_norm": record_batch_norms(),
        "losses": record_losses(),
        "sgd": record_sgd(),
        "training": record_training(),
        "groups": record_groups(),
        "state": record_state(),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in recorded.items()]
    Path(__file__).with_name("training.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
