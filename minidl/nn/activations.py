"""Activations, and softmax: layers without parameters, each of them one function of `functional/activations.py`."""

from .. import functional as F
from .module import Module

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Elementwise",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class Elementwise(Module):
    """The base of activations: y_i depends on x_i alone. `flow` and `theory` know what to do with any of them, yours too."""

    unit_axis = None

    def propagate(self, signal):
        return signal.elementwise(self)


class Tanh(Elementwise):
    """`functional.tanh`"""

    def forward(self, x):
        return F.tanh(x)


class Sigmoid(Elementwise):
    """`functional.sigmoid`"""

    def forward(self, x):
        return F.sigmoid(x)


class ReLU(Elementwise):
    """`functional.relu`"""

    def forward(self, x):
        return F.relu(x)


class LeakyReLU(Elementwise):
    """`functional.leaky_relu`"""

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = negative_slope

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}"


class ELU(Elementwise):
    """`functional.elu`"""

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def forward(self, x):
        return F.elu(x, self.alpha)

    def extra_repr(self):
        return f"alpha={self.alpha}"


class SELU(Elementwise):
    """`functional.selu`"""

    def forward(self, x):
        return F.selu(x)


class GELU(Elementwise):
    """`functional.gelu`"""

    def forward(self, x):
        return F.gelu(x)


class SiLU(Elementwise):
    """`functional.silu`"""

    def forward(self, x):
        return F.silu(x)


class Softplus(Elementwise):
    """`functional.softplus`"""

    def forward(self, x):
        return F.softplus(x)


class Softmax(Module):
    """`functional.softmax`"""

    def __init__(self, dim: int = -1):
        self.dim = dim

    def forward(self, x):
        return F.softmax(x, self.dim)


class LogSoftmax(Module):
    """`functional.log_softmax`"""

    def __init__(self, dim: int = -1):
        self.dim = dim

    def forward(self, x):
        return F.log_softmax(x, self.dim)
