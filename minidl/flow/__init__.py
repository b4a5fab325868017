"""Look inside a network: what every layer outputs and what gradient comes back to it, compared with what theory predicts.

`measure` takes one pass through a model and leaves it as it was; `diagnose` says before training what will go wrong and what
fixes it; `compare` trains with several initializers; `watch` follows a training; `predict` needs no data. `sweep`, which trains
at every point of a grid, is a package of its own. The theory is in `theory.py`, the drawing in `plot.py`. Layers are the
modules that hold no other modules; an activation that a model calls as a function (functional.tanh) is not one, and the theory
stops there.
"""

from typing import Any

from ..names import no_attribute
from ..sweep import Sweep, Training, sweep
from .compare import Comparison, compare
from .diagnose import Diagnosis, Finding, diagnose
from .measure import measure
from .predict import predict
from .report import FlowReport, Histogram, LayerRecord
from .watch import Watch, watch

__all__ = [
    "Comparison",
    "Diagnosis",
    "Finding",
    "FlowReport",
    "Histogram",
    "LayerRecord",
    "Sweep",
    "Training",
    "Watch",
    "compare",
    "diagnose",
    "measure",
    "predict",
    "sweep",
    "watch",
]


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.flow'", name, __all__)
