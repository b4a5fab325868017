"""Records, in golden.json, a hash of what every initializer draws: `python tests/init/record_golden.py`.

To be run when an initializer is added; a hash that changes means that a seed no longer gives the weights it gave. Left
out are initializers that draw nothing. Those that go through matmul (Orthogonal and its like), whose last bits depend
on the kernel, are rounded first.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from minidl import init, nn

SHAPE = (37, 53)  # of odd size, and of more blocks than one
MATMUL = {init.Orthogonal: SHAPE, init.LooksLinear: (38, 54), init.DeltaOrthogonal: (37, 19, 3)}  # and a shape that each takes
FILE = Path(__file__).parent / "golden.json"
INITIALIZERS = [
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
    init.Fixup(16),
    *(initializer(2.0) for initializer in MATMUL),
]


def digest(*arrays: np.ndarray) -> str:
    """Of the bytes as they lie in a little-endian machine."""
    data = b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_of(initializer: init.Initializer, dtype: str) -> str:
    values = initializer(MATMUL.get(type(initializer), SHAPE), rng=2024, dtype=dtype)
    return digest(values.round(9) + 0 if type(initializer) in MATMUL else values)  # errors are 1e-15; + 0 makes -0 one of 0


def of_model() -> str:
    """The named streams: every parameter of a model."""
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.BatchNorm1d(4), nn.Linear(4, 3))
    model.initialize(rng=2024, rules={"*.bias": init.Normal()})
    return digest(*(parameter.data for parameter in model.parameters()))


def golden() -> dict[str, str]:
    hashes = {
        f"{initializer} {dtype}": digest_of(initializer, dtype)
        for initializer in INITIALIZERS
        for dtype in ("float32", "float64")
    }
    return hashes | {"model": of_model()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(golden(), indent=1) + "\n")
