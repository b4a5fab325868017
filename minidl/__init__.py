"""minidl: a mini deep-learning framework to learn back-propagation and weight initialization from.

Where to read on: `nn/layers.py` -> `functional.py` -> `tensor.py` -> `init/laws.py` -> `random.py` ->
`kernels/reference.py` -> csrc/.
"""

__version__ = "0.1.0"

from . import data, flow, functional, init, kernels, nn, optim, random, theory
from .gradcheck import gradcheck
from .kernels import get_num_threads, set_num_threads, show_config
from .random import manual_seed
from .tensor import Tensor, enable_grad, no_grad

__all__ = [
    "Tensor",
    "data",
    "enable_grad",
    "flow",
    "functional",
    "get_num_threads",
    "gradcheck",
    "init",
    "kernels",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "random",
    "set_num_threads",
    "show_config",
    "theory",
]
