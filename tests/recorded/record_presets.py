"""Records moments of what PyTorch's Linear and BatchNorm1d start from: `python tests/recorded/record_presets.py`."""

import json
from pathlib import Path

import torch

torch.manual_seed(0)
linear, norm = torch.nn.Linear(500, 20_000), torch.nn.BatchNorm1d(4)
recorded = {"torch": torch.__version__, "fan_in": 500}
for name, values in [("weight", linear.weight), ("bias", linear.bias)]:
    values = values.detach().double()
    recorded[name] = {"mean": values.mean().item(), "std": values.std().item(), "largest": values.abs().max().item()}
recorded["batch_norm"] = {name: value.tolist() for name, value in norm.named_parameters()}
(Path(__file__).parent / "presets.json").write_text(json.dumps(recorded, indent=1) + "\n")
