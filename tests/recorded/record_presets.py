"""Records moments of what PyTorch initializes with: Linear, BatchNorm1d, and the PyTorch cells in docs/initializers.md.

`python tests/recorded/record_presets.py`
"""

import json
import re
from pathlib import Path

import torch

torch.manual_seed(0)
linear, norm = torch.nn.Linear(500, 20_000), torch.nn.BatchNorm1d(4)
recorded = {"torch": torch.__version__, "fan_in": 500}
for name, values in [("weight", linear.weight), ("bias", linear.bias)]:
    values = values.detach().double()
    recorded[name] = {"mean": values.mean().item(), "std": values.std().item(), "largest": values.abs().max().item()}
recorded["batch_norm"] = {name: value.tolist() for name, value in norm.named_parameters()}

page = (Path(__file__).parents[2] / "docs" / "initializers.md").read_text(encoding="utf-8")
recorded["cells"] = {}
for cell in re.findall(r"`(\w+_\(w[^`]*\)|nn\.Linear\(500, 400\))` \|", page):
    result = eval(cell, {**vars(torch.nn.init), "nn": torch.nn, "w": torch.empty(400, 500)})
    values = getattr(result, "weight", result).detach().double()
    recorded["cells"][cell] = {"std": values.std().item(), "largest": values.abs().max().item()}
(Path(__file__).parent / "presets.json").write_text(json.dumps(recorded, indent=1) + "\n")
