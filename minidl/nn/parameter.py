"""Parameter: a tensor that training changes; how a layer's arguments make one, and the checks that layers share.

A layer says what its parameters start from (`weight_init=`) and states their fans; what an initializer is stands in `init/`.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import init
from ..random import Generator
from ..tensor import Tensor


class Parameter(Tensor):
    """A tensor that training changes, and that knows what it started from.

    Attributes
    ----------
    law : Initializer or None
        What its first value was made by.
    fans : (fan_in, fan_out) or None
        As the layer states them; for a parameter of your own that states none, as `init.fans` reads them off the shape.
    origin : init.Origin or None
        The seed, and the stream or position, that the law drew from; None where the values were given or loaded.
    """

    __slots__ = ("fans", "law", "origin")

    def __init__(
        self,
        data: Any,
        requires_grad: bool = True,
        law: Any = None,
        fans: init.Fans = None,
        origin: init.Origin | None = None,
    ):
        super().__init__(data, requires_grad)
        self.law, self.origin = None if law is None else init.law(law), origin
        self.fans = init.fans(self.shape) if fans is None else init.check_fans(fans)

    def __reduce__(self):
        arguments = (self.data, self.requires_grad, self.law, self.fans, self.origin)
        return type(self), arguments, (None, {"grad": self.grad})


def make_parameter(
    argument: str, spec: Any, shape: tuple[int, ...], fans: tuple[int, int] | None, rng: Generator, dtype: DTypeLike
) -> Parameter:
    """The Parameter that an argument like weight_init= describes, in a layer that states its fans."""
    with init.named(argument):
        law = init.law(spec)
    origin = None if isinstance(law, init.Given) else init.Origin(rng.seed, rng.position)
    return Parameter(init.draw(argument, law, shape, fans, rng, dtype), law=law, fans=fans, origin=origin)


def check_size(layer: str, name: str, size: Any) -> None:
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise ValueError(f"{layer}: {name} must be a whole number from 1, got {size!r}")


def check_dtype(layer: str, dtype: DTypeLike) -> None:
    with init.named(layer):
        np.dtype(dtype)
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"{layer}: dtype must be float32 or float64, got {np.dtype(dtype)}")
