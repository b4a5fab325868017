"""A whole training step with Adam of the eight networks in `steps.py`: minidl against NumPy by hand and PyTorch's fused Adam.

python -m benchmarks.adam_step [--threads 2] [--quick]

All else is as in `training_step.py` (the memory at the end is that of steps with SGD).
"""

from benchmarks import training_step

if __name__ == "__main__":
    training_step.main(__doc__, "adam_step", "Adam")
