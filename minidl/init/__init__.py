"""Initializers: what the weights of a network are drawn from.

`base.py` says what an initializer is, `distributions.py` has those that draw each element by itself, `matrices.py`
those about a matrix as a whole, `gain.py` the factor for an activation, `torch_names.py` torch.nn.init's functions,
`presets.py` other frameworks' defaults; `check.py` tells whether an initializer of one's own is right. How they reach
the parameters of a model, by name and rule, is `nn/initialize.py`; recipes for whole models are in `minidl.recipes`.
"""

from typing import Any

from ..names import no_attribute
from . import base, distributions, matrices, presets, torch_names
from .base import *  # noqa: F403 - each module says in its own __all__ what it offers
from .check import check
from .distributions import *  # noqa: F403
from .gain import gain
from .matrices import *  # noqa: F403
from .torch_names import *  # noqa: F403

__all__ = ["check", "gain", "presets"]
__all__ += base.__all__
__all__ += distributions.__all__
__all__ += matrices.__all__
__all__ += torch_names.__all__


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.init'", name, __all__)
