"""Initializers: what weights start from.

`laws.py` holds the laws as objects that layers take, `matrices.py` those about a whole matrix, `networks.py` those for
a whole network, `gain.py` the factor for an activation, `inplace.py` torch.nn.init's functions, `presets.py` other frameworks'
defaults; `check.py` tells whether a law of one's own is right. How laws reach the parameters of a model, by name and rule, is
`nn/initialize.py`.
"""

from typing import Any

from ..names import no_attribute, similar
from . import presets
from .check import check
from .gain import gain
from .inplace import (
    calculate_gain,
    constant_,
    dirac_,
    eye_,
    kaiming_normal_,
    kaiming_uniform_,
    normal_,
    ones_,
    orthogonal_,
    sparse_,
    trunc_normal_,
    uniform_,
    xavier_normal_,
    xavier_uniform_,
    zeros_,
)
from .laws import (
    BY_NAME,
    Constant,
    Custom,
    Fans,
    Given,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    KaimingNormal,
    KaimingUniform,
    LecunNormal,
    LecunUniform,
    Moments,
    Normal,
    Ones,
    Origin,
    TruncatedNormal,
    Uniform,
    VarianceScaling,
    XavierNormal,
    XavierUniform,
    Zeros,
    check_fans,
    draw,
    fans,
    law,
    named,
)
from .matrices import (
    Bilinear,
    DeltaOrthogonal,
    Dirac,
    Eye,
    Identity,
    LooksLinear,
    Orthogonal,
    Sparse,
    ZerO,
)
from .networks import CoordinateCheck, Fixup, MuPOutput, coordinate_check, lsuv, mup_groups

__all__ = [
    "BY_NAME",
    "Bilinear",
    "Constant",
    "CoordinateCheck",
    "Custom",
    "DeltaOrthogonal",
    "Dirac",
    "Eye",
    "Fans",
    "Fixup",
    "Given",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "KaimingNormal",
    "KaimingUniform",
    "LecunNormal",
    "LecunUniform",
    "LooksLinear",
    "Moments",
    "MuPOutput",
    "Normal",
    "Ones",
    "Origin",
    "Orthogonal",
    "Sparse",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
    "ZerO",
    "Zeros",
    "calculate_gain",
    "check",
    "check_fans",
    "constant_",
    "coordinate_check",
    "dirac_",
    "draw",
    "eye_",
    "fans",
    "gain",
    "kaiming_normal_",
    "kaiming_uniform_",
    "law",
    "lsuv",
    "mup_groups",
    "named",
    "normal_",
    "ones_",
    "orthogonal_",
    "presets",
    "similar",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.init'", name, __all__)
