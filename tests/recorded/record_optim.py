"""Writes optim.json: what PyTorch's Adam, AdamW and RMSprop, its schedules and its clipping compute.

Run it with PyTorch 2.13: `python tests/recorded/record_optim.py`. The tests read the file and need no PyTorch.
"""

import json
from pathlib import Path

from record_training import numbers

RULES = [
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.8), "eps": 0.01}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.0)}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.3}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0, "eps": 0.5}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.5, "eps": 0.01}),
    ("RMSprop", {"lr": 0.1, "weight_decay": 0.3}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"alpha": 0.8, "centered": True}),
    ("RMSprop", {"alpha": 0.8, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
]
SCHEDULES = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 5}),
    ("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.05}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.5, "total_iters": 3}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 7}),
]
CLIPS = [
    {"max_norm": 1.0},
    {"max_norm": 100.0},
    {"max_norm": 0.0},
    {"max_norm": 0.5, "norm_type": 1.0},
    {"max_norm": 0.5, "norm_type": 3.5},
    {"max_norm": 0.5, "norm_type": float("inf")},
]


def listed(value):
    return value.tolist() if hasattr(value, "tolist") else value


def record_rule(rule, arguments, start, gradients):
    """Six steps from the start, the third without a gradient; and the state_dict after the fourth."""
    import torch

    p = torch.nn.Parameter(start.clone())
    optimizer = getattr(torch.optim, rule)([p], **arguments)
    after = []
    for i, gradient in enumerate(gradients):
        p.grad = None if i == 2 else gradient.clone()
        optimizer.step()
        after.append(p.tolist())
        if i == 3:
            known = optimizer.state_dict()
            state = {name: listed(value) for name, value in known["state"][0].items()}
            saved = {"state": state, "param_groups": known["param_groups"]}
    return {"rule": rule, "arguments": arguments, "after": after, "saved": saved}


def record_rules():
    start, gradients = numbers(3), [numbers(3) for _ in range(6)]
    traces = [record_rule(rule, arguments, start, gradients) for rule, arguments in RULES]
    return {"start": start.tolist(), "gradients": [g.tolist() for g in gradients], "traces": traces}


def record_schedule(name, arguments):
    """The rates of two groups, which begin at 0.5 and 0.2, at epochs 0 to 12."""
    import torch

    groups = [{"params": [torch.nn.Parameter(numbers(1))], "lr": lr} for lr in (0.5, 0.2)]
    optimizer = torch.optim.SGD(groups, lr=1)
    if name == "LambdaLR":
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, [lambda epoch: 0.95**epoch, lambda epoch: 1 / (1 + epoch)])
    else:
        schedule = getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments)
    rates = [schedule.get_last_lr()]
    for _ in range(12):
        optimizer.step()
        schedule.step()
        rates.append([group["lr"] for group in optimizer.param_groups])
    state = {name: value for name, value in schedule.state_dict().items() if name != "lr_lambdas"}
    return {"schedule": name, "arguments": arguments, "rates": rates, "state_dict": state}


def record_clip(arguments, gradients):
    import torch

    parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
    for p, gradient in zip(parameters, gradients, strict=True):
        p.grad = gradient.clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters, **arguments)
    arguments = {name: str(value) if value == float("inf") else value for name, value in arguments.items()}
    return {"arguments": arguments, "norm": norm.item(), "clipped": [p.grad.tolist() for p in parameters]}


def main():
    import torch

    torch.manual_seed(1)
    rules = record_rules()
    schedules = [record_schedule(*schedule) for schedule in [*SCHEDULES, ("LambdaLR", {})]]
    gradients = [numbers(3, 2), numbers(4), numbers(1)[0]]
    clips = {"gradients": [g.tolist() for g in gradients], "cases": [record_clip(clip, gradients) for clip in CLIPS]}
    recorded = {"torch": torch.__version__, "rules": rules, "schedules": schedules, "clips": clips}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in recorded.items()]
    Path(__file__).with_name("optim.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
