"""Layers, activations, losses: what models are put together from, under PyTorch's names."""

import sys
from typing import Any

from .. import functional, init
from ..names import no_attribute
from .activations import (
    ELU,
    GELU,
    SELU,
    Elementwise,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from .containers import ModuleDict, ModuleList, ParameterList, Sequential
from .layers import Dropout, Flatten, Residual
from .linear import Linear
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from .module import Module
from .norm import BatchNorm1d
from .parameter import Parameter

# `import minidl.nn.init as init`, as with torch.nn.init: the same modules under a second name
sys.modules[f"{__name__}.init"] = init
sys.modules[f"{__name__}.functional"] = functional

for _name in ("linear", "parameter"):  # so that `nn.linear` is not a file, but an error that says `Linear`
    del globals()[_name]

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "CrossEntropyLoss",
    "Dropout",
    "Elementwise",
    "Flatten",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterList",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "functional",
    "init",
]


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.nn'", name, __all__)
