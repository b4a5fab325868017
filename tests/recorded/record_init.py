"""Writes init.json: the signatures, gains, errors, warnings and constant results of PyTorch's torch.nn.init.

Run it with PyTorch 2.13: `python tests/recorded/record_init.py`. The tests read the file and need no PyTorch.
"""

import inspect
import json
import warnings
from pathlib import Path

FUNCTIONS = ["uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_", "eye_", "dirac_", "xavier_uniform_"]
FUNCTIONS += ["xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_", "sparse_", "calculate_gain"]
GAINS = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
GAINS += ["sigmoid", "tanh", "relu", "leaky_relu", "selu"]
CONSTANT = """
init.eye_(empty(3, 3))
init.eye_(empty(2, 4))
init.eye_(empty(4, 2))
init.dirac_(empty(3, 3, 3))
init.dirac_(empty(4, 2, 4))
init.dirac_(empty(2, 3, 4, 5))
init.dirac_(empty(2, 2, 2, 3, 1))
init.dirac_(empty(6, 2, 3, 3), groups=3)
init.dirac_(empty(4, 3, 2), 2)
init.dirac_(empty(0, 3, 2))
init.orthogonal_(empty(0, 3))
init.orthogonal_(empty(3, 0))
init.sparse_(empty(0, 3), 0.5)
init.sparse_(empty(3, 2), 1.0)
init.constant_(empty(2), 0.5)
init.ones_(empty(2))
init.zeros_(empty(2))
"""
CALLS = """
init.eye_(empty(3))
init.eye_(empty(2, 2, 2))
init.dirac_(empty(2, 2))
init.dirac_(empty(2, 2, 1, 1, 1, 1))
init.dirac_(empty(3, 2, 3), groups=2)
init.orthogonal_(empty(3))
init.orthogonal_(empty())
init.orthogonal_(empty(3, 2, 2), gain=2)
init.sparse_(empty(3), 0.1)
init.sparse_(empty(2, 2, 2), 0.1)
init.sparse_(empty(2, 2))
init.xavier_uniform_(empty(3))
init.xavier_normal_(empty())
init.xavier_normal_(empty(2, 2), mean=0, std=1)
init.kaiming_uniform_(empty(3))
init.kaiming_normal_(empty(3))
init.kaiming_normal_(empty(2, 2), mean=0, std=1)
init.kaiming_normal_(empty(2, 2), mode="fan_avg")
init.kaiming_uniform_(empty(2, 2), mode="FAN_OUT")
init.kaiming_normal_(empty(2, 2), nonlinearity="swish")
init.kaiming_normal_(empty(2, 2), a="0.2")
init.kaiming_normal_(empty(2, 2), a=True)
init.kaiming_normal_(empty(2, 2), a=None)
init.kaiming_uniform_(empty(2, 2), a="x", nonlinearity="relu")
init.kaiming_uniform_(empty(0))
init.kaiming_normal_(empty(0, 2), mode="bogus", nonlinearity="swish")
init.kaiming_uniform_(empty(0, 3))
init.kaiming_normal_(empty(3, 0))
init.xavier_uniform_(empty(0, 3))
init.trunc_normal_(empty(3), a=2.0, b=3.0)
init.trunc_normal_(empty(3), a=2.5, b=3.0)
init.trunc_normal_(empty(3), mean=-4.5)
init.trunc_normal_(empty(3), mean=4.0)
init.trunc_normal_(empty(3), std=0.1, a=0.3, b=2.0)
init.calculate_gain("swish")
init.calculate_gain("leaky_relu", True)
init.calculate_gain("leaky_relu", "0.2")
init.constant_(empty(3))
"""
SPARSE = [[10, 0.1], [10, 0.0], [10, 1.0], [3, 0.1], [7, 0.5], [100, 0.55], [1, 0.01]]


def record_signatures(init):
    signatures = {}
    for name in FUNCTIONS:
        parameters = inspect.signature(getattr(init, name)).parameters.values()
        signatures[name] = [[p.name] if p.default is p.empty else [p.name, p.default] for p in parameters]
    return signatures


def record_gains(init):
    gains = [[name, None, init.calculate_gain(name)] for name in GAINS]
    return gains + [["leaky_relu", slope, init.calculate_gain("leaky_relu", slope)] for slope in (0, 0.2, 1, -0.5)]


def outcome(call, init, empty):
    """What a call ends with: the name of its error, or of its warning, or nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            eval(call, {"init": init, "empty": empty})
        except Exception as error:
            return type(error).__name__
    return caught[0].category.__name__ if caught else ""


def main():
    import torch
    from torch.nn import init

    assert torch.__version__.startswith("2.13"), torch.__version__
    names = {"init": init, "empty": torch.empty}
    recorded = {
        "torch": torch.__version__,
        "signatures": record_signatures(init),
        "gains": record_gains(init),
        "constant": [[call, eval(call, names).tolist()] for call in CONSTANT.split("\n")[1:-1]],
        "calls": [[call, outcome(call, init, lambda *shape: torch.full(shape, 9.0))] for call in CALLS.split("\n")[1:-1]],
        "zeros": [[n, share, (init.sparse_(torch.empty(n, 3), share) == 0).sum(0).tolist()] for n, share in SPARSE],
    }
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in recorded.items()]
    (Path(__file__).parent / "init.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
