"""Every operation: its forward directly above its backward.

Each function computes its result, defines `backward` (from dy = dL/dy to dL/dx for each input) and hands both to `record`.
The derivation is in the docstring, with dx for dL/dx. Layers, in `nn/`, are calls of these with parameters; the walk that
calls the backwards is in `tensor.py`. Arguments may be tensors, arrays or numbers. `x._data` is `x.data`, the array, without
the bookkeeping for those outside who may change it. What `backward` needs of its inputs, their shapes too, it keeps from the
forward pass: a leaf may have been given other data since.
"""

from typing import Any

from ..names import no_attribute
from . import activations, arguments, arithmetic, conv, elementwise, layers, losses, normalization, reductions, shape
from .activations import *  # noqa: F403 - each module says in its own __all__ what it offers
from .arguments import *  # noqa: F403
from .arithmetic import *  # noqa: F403
from .conv import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .layers import *  # noqa: F403
from .losses import *  # noqa: F403
from .normalization import *  # noqa: F403
from .reductions import *  # noqa: F403
from .shape import *  # noqa: F403

__all__: list[str] = []
__all__ += activations.__all__
__all__ += arguments.__all__
__all__ += arithmetic.__all__
__all__ += conv.__all__
__all__ += elementwise.__all__
__all__ += layers.__all__
__all__ += losses.__all__
__all__ += normalization.__all__
__all__ += reductions.__all__
__all__ += shape.__all__


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.functional'", name, __all__)
