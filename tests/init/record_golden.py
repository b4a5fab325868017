"""Records, in golden.json beside it, a hash of what every law draws: `python tests/init/record_golden.py`.

To be run when a law is added; a hash that changes means that a seed no longer gives the weights it gave. Left out are
laws that draw nothing, and those that go through matmul (Orthogonal and its like), whose last bits depend on the kernel.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from minidl import init, nn

SHAPE = (37, 53)  # of odd size, and of more blocks than one
FILE = Path(__file__).parent / "golden.json"
LAWS = [
    init.Uniform(-0.1, 0.3),
    init.Normal(0.5, 2.0),
    init.TruncatedNormal(),
    init.TruncatedNormal(0.0, 1.0, 2.5, 4.0),
    init.XavierUniform(),
    init.XavierNormal(5 / 3),
    init.HeUniform(0.01),
    init.HeNormal(mode="fan_out"),
    init.LecunUniform(),
    init.LecunNormal(),
    init.VarianceScaling(2.0, "fan_avg", "uniform"),
    init.VarianceScaling(2.0, "fan_avg", "normal"),
    init.VarianceScaling(2.0, "fan_avg", "truncated_normal"),
    init.VarianceScaling(1.0, "fan_geo_avg", "normal"),
    init.Sparse(0.7),
    init.MuPOutput(2.0),
]


def digest(*arrays: np.ndarray) -> str:
    """Of the bytes as they lie in a little-endian machine."""
    data = b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def of_law(law: init.Initializer, dtype: str) -> str:
    return digest(law(SHAPE, rng=2024, dtype=dtype))


def of_model() -> str:
    """The named streams: every parameter of a model."""
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.BatchNorm1d(4), nn.Linear(4, 3))
    model.initialize(rng=2024, rules={"*.bias": init.Normal()})
    return digest(*(parameter.data for parameter in model.parameters()))


def golden() -> dict[str, str]:
    hashes = {f"{law} {dtype}": of_law(law, dtype) for law in LAWS for dtype in ("float32", "float64")}
    return hashes | {"model": of_model()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(golden(), indent=1) + "\n")
