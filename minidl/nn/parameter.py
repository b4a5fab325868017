"""Parameter: a tensor that training changes; how a layer's arguments make one, and the checks that layers share.

A layer takes the initializers of its parameters (`weight_init=`) and states their fans; what an initializer is stands
in `init/`.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import init
from ..init.base import check_fans, draw
from ..names import named
from ..random import Generator
from ..tensor import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that training changes, and that knows how it was initialized.

    Attributes
    ----------
    initializer : Initializer or None
        What made its first value.
    fans : (fan_in, fan_out) or None
        As the layer states them; for a parameter of your own that states none, as `init.fans` reads them off the shape.
    origin : init.Origin or None
        The seed, and the stream or position, that the initializer drew from; None where the values were given or loaded.
    """

    __slots__ = ("fans", "initializer", "origin")

    def __init__(
        self,
        data: Any,
        requires_grad: bool = True,
        initializer: Any = None,
        fans: init.Fans = None,
        origin: init.Origin | None = None,
    ):
        super().__init__(data, requires_grad)
        self.initializer, self.origin = None if initializer is None else init.get(initializer), origin
        self.fans = init.fans(self.shape) if fans is None else check_fans(fans)

    def __reduce__(self):
        arguments = (self.data, self.requires_grad, self.initializer, self.fans, self.origin)
        return type(self), arguments, (None, {"grad": self.grad})


def make_parameter(
    argument: str, spec: Any, shape: tuple[int, ...], fans: tuple[int, int] | None, rng: Generator, dtype: DTypeLike
) -> Parameter:
    """The Parameter that an argument like weight_init= describes, in a layer that states its fans."""
    with named(argument):
        initializer = init.get(spec)
    origin = None if isinstance(initializer, init.Given) else init.Origin(rng.seed, rng.position)
    values = draw(argument, initializer, shape, fans, rng, dtype)
    return Parameter(values, initializer=initializer, fans=fans, origin=origin)


def check_size(layer: str, name: str, size: Any) -> None:
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise ValueError(f"{layer}: {name} must be a positive integer, got {size!r}")


def check_dtype(layer: str, dtype: DTypeLike) -> None:
    with named(layer):
        np.dtype(dtype)
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"{layer}: dtype must be float32 or float64, got {np.dtype(dtype)}")
