"""Optimizers: what is done with a gradient once `backward()` has left it in `.grad`.

`optimizer.py` holds what they have in common (groups, checks, saving), and a rule is a short file each: `sgd.py`, `adam.py`,
`rmsprop.py`. `lr_scheduler.py` changes a learning rate during training.
"""

from typing import Any

from ..names import no_attribute
from . import lr_scheduler
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.optim'", name, __all__)
