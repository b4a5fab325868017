"""A whole training run (digits, batch norm, momentum) has the same bits for any number of threads, and on every instruction set
with fused multiply-add: what csrc/ says of each kernel, checked on what a user gets.

Every kernel gets enough work for several threads: fused.c wants 2^16 numbers for each, or fewer where it does more with one;
matmul.c 1.5 2^20 multiply-adds.
"""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

import minidl
from minidl import kernels, nn
from minidl.data import DataLoader, digits
from minidl.optim import SGD

FUSED = [name for name in kernels._backend.instruction_sets() if name in ("avx2", "avx512", "neon")]


def trained(dtype):
    """Trains for three epochs of two batches; the loss of each batch, and a hash of all parameters and running statistics."""
    data = digits(seed=0)
    sizes = [64, 320, 150, 32]  # 32 classes, of which ten occur: 719 x 32 numbers for cross-entropy
    activations = [nn.Tanh(), nn.SiLU()]
    layers = []
    for i, activation in enumerate(activations):
        layers += [nn.Linear(sizes[i], sizes[i + 1], rng=i, dtype=dtype), nn.BatchNorm1d(sizes[i + 1], dtype=dtype), activation]
    model = nn.Sequential(*layers, nn.Linear(150, 32, rng=2, dtype=dtype))
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)
    losses = []
    for _ in range(3):
        for x, y in DataLoader((data.x_train.astype(dtype), data.y_train), 719, shuffle=True, rng=0):
            optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    state = model.state_dict()
    assert {"1.running_mean", "4.running_var"} <= set(state)
    return losses, hashlib.sha256(b"".join(np.asarray(value).tobytes() for value in state.values())).hexdigest()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_training_run_has_the_same_bits_for_any_number_of_threads(dtype):
    before = minidl.get_num_threads()
    runs = []
    try:
        for threads in (1, 2, 3):
            minidl.set_num_threads(threads)
            runs.append(trained(dtype))
    finally:
        minidl.set_num_threads(before)
    assert runs[0] == runs[1] == runs[2]
    losses, _ = runs[0]
    assert losses[0] > 3  # ln 32 = 3.5 is that of a guess
    assert losses[-1] < 1  # so something was learned, and nothing is NaN


@pytest.mark.skipif(len(FUSED) < 2, reason="takes two instruction sets with fused multiply-add")
def test_a_training_run_has_the_same_bits_on_every_fused_instruction_set():
    printed = set()
    for name, threads in zip(FUSED, "21", strict=False):
        script = f"import runpy; runpy.run_path({__file__!r}, run_name='__main__')"
        chosen = os.environ | {"MINIDL_KERNELS": "compiled", "MINIDL_ISA": name, "MINIDL_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script], env=chosen, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        shown, result = done.stdout.split("\n", 1)
        assert shown == name
        printed.add(result)
    assert len(printed) == 1


if __name__ == "__main__":
    print(kernels._backend.instruction_set())
    print(trained(np.float32))
    print(trained(np.float64))
