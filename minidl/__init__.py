"""minidl: a mini deep-learning framework to learn back-propagation and weight initialization from.

Where to read on: `nn/linear.py` -> `functional/layers.py` -> `tensor.py` -> `init/distributions.py` ->
`random.py` -> `kernels/reference/` -> csrc/.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import data, functional, init, kernels, nn, optim, random, recipes
from .capture import capture  # in place of the package
from .checkpoint import load, save
from .creation import arange, from_dlpack, ones, rand, randn, tensor, zeros  # in place of the file `tensor`
from .gradcheck import gradcheck
from .kernels import get_num_threads, set_num_threads, show_config
from .names import no_attribute
from .random import manual_seed
from .tensor import Tensor, enable_grad, no_grad
from .version import __version__

if TYPE_CHECKING:
    from . import flow, plot, theory

__all__ = [
    "Tensor",
    "__version__",
    "arange",
    "capture",
    "data",
    "enable_grad",
    "flow",
    "from_dlpack",
    "functional",
    "get_num_threads",
    "gradcheck",
    "init",
    "kernels",
    "load",
    "manual_seed",
    "nn",
    "no_grad",
    "ones",
    "optim",
    "plot",
    "rand",
    "randn",
    "random",
    "recipes",
    "save",
    "set_num_threads",
    "show_config",
    "tensor",
    "theory",
    "zeros",
]


def __getattr__(name: str) -> Any:
    """Loads these when they are first asked for, so that a program without them starts sooner."""
    if name in ("flow", "plot", "theory"):
        return importlib.import_module(f".{name}", __name__)
    raise no_attribute("module 'minidl'", name, __all__)


def __dir__() -> list[str]:
    return __all__
