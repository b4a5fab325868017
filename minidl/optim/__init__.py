"""Optimizers: what is done with a gradient once `backward()` has left it in `.grad`.

`optimizer.py` holds what they have in common (groups, checks, saving), and `sgd.py` holds the rule of gradient descent.
"""

from typing import Any

from ..names import no_attribute
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Optimizer"]


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.optim'", name, __all__)
