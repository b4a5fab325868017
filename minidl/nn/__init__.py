"""Layers, activations, losses: what models are put together from, under PyTorch's names."""

import sys
from typing import Any

from .. import functional, init
from ..names import no_attribute
from . import activations, containers, conv, layers, linear, losses, module, norm, parameter, pool, utils
from .activations import *  # noqa: F403 - each module says in its own __all__ what it offers
from .containers import *  # noqa: F403
from .conv import *  # noqa: F403
from .layers import *  # noqa: F403
from .linear import *  # noqa: F403
from .losses import *  # noqa: F403
from .module import *  # noqa: F403
from .norm import *  # noqa: F403
from .parameter import *  # noqa: F403
from .pool import *  # noqa: F403

# `import minidl.nn.init as init`, as with torch.nn.init: the same modules under a second name
sys.modules[f"{__name__}.init"] = init
sys.modules[f"{__name__}.functional"] = functional

__all__ = ["functional", "init", "utils"]
__all__ += activations.__all__
__all__ += containers.__all__
__all__ += conv.__all__
__all__ += layers.__all__
__all__ += linear.__all__
__all__ += losses.__all__
__all__ += module.__all__
__all__ += norm.__all__
__all__ += parameter.__all__
__all__ += pool.__all__

for _name in ("linear", "parameter"):  # so that `nn.linear` is not a file, but an error that says `Linear`
    del globals()[_name]


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.nn'", name, __all__)
