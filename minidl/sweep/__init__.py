"""Sweeps: one training at each point of a grid, from several seeds, on whichever cores and machines there are, resumable.

Its face is `flow.sweep` and `flow.Training`. `run` deals the points out by joblib, `store` keeps what is finished under a
name that `identity` makes of all that determines it, `result` is the table that comes of it, and `usual` the training that
most sweeps are about. `python -m minidl.sweep` runs one from a file.
"""

from .result import Pivot, Row, Sweep
from .run import sweep
from .usual import Training

__all__ = ["Pivot", "Row", "Sweep", "Training", "sweep"]
