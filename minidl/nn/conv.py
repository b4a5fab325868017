"""The convolutional layers, which state how many numbers a unit sums over, and how many units a number feeds.

Forward and backward are functions of `functional/conv.py`. The fans of a weight cannot be read off its shape: groups, strides
and transposition change them.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .. import init
from ..functional.conv import Pair, as_pair, same_padding
from ..names import named
from ..random import Generator, as_generator
from ..tensor import Tensor
from .module import InputError, Module, check_input
from .parameter import Parameter, check_dtype, check_size, make_parameter

__all__ = ["Conv2d", "ConvTranspose2d"]


class Convolution(Module):
    """What both layers share: sizes and their checks, parameters, and how an input is refused."""

    unit_axis = 1

    in_channels: int
    out_channels: int
    weight: Parameter
    bias: Parameter | None
    padding: Any  # a pair; for Conv2d also "same" or "valid"

    def set_sizes(self, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode, modes):
        """Check what both take, before a number is drawn."""
        layer = type(self).__name__
        for name, size in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            check_size(layer, name, size)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{layer}: in_channels={in_channels} and out_channels={out_channels} must both be multiples of groups={groups}"
            )
        if padding_mode not in modes:
            raise ValueError(f"{layer}: padding_mode must be one of {', '.join(map(repr, modes))}, got {padding_mode!r}")
        self.in_channels, self.out_channels, self.groups = int(in_channels), int(out_channels), int(groups)
        self.kernel_size = as_pair(layer, "kernel_size", kernel_size, 1)
        self.stride, self.dilation = as_pair(layer, "stride", stride, 1), as_pair(layer, "dilation", dilation, 1)
        self.padding = padding if isinstance(padding, str) else as_pair(layer, "padding", padding, 0)
        self.padding_mode = padding_mode

    def make_parameters(self, shape, fans, bias, weight_init, bias_init, rng, dtype):
        layer = type(self).__name__
        check_dtype(layer, dtype)
        with named(layer):
            rng = as_generator(rng)
        with named(f"{layer} bias_init"):
            bias_init = init.get(bias_init)  # before the first number is drawn
        self.weight = make_parameter(f"{layer} weight_init", weight_init, (*shape, *self.kernel_size), fans, rng, dtype)
        self.register_parameter("bias", None)
        if bias:
            self.bias = make_parameter(f"{layer} bias_init", bias_init, (self.out_channels,), fans, rng, dtype)

    def fans(self, coarse: int, fine: int) -> tuple[int, int]:
        """How many numbers meet one of the coarse image, and one of the fine image on average; of so many channels each.

        A kernel of k places meets all of them wherever it stands; but a number below it is met only at every stride-th place
        in each direction: by k / stride of them. A dilation moves the places apart and changes neither.
        """
        k = self.kernel_size[0] * self.kernel_size[1]
        return fine // self.groups * k, max(1, round(coarse // self.groups * k / (self.stride[0] * self.stride[1])))

    @property
    def meets_all_alike(self) -> bool:
        """Whether all numbers of an image meet a filter equally often, however large the image is."""
        return False

    def slide(self, x: Tensor, weight: Any, bias: Any, groups: int) -> Tensor:
        """What the layer does, with any weight."""
        raise NotImplementedError

    def unit_weights(self, values):
        return values.reshape(self.groups, self.out_channels // self.groups, -1)

    def propagate(self, signal):
        return signal.convolve(self)

    def images(self, x: Any) -> Tensor:
        """x as a tensor of images with the right number of channels."""
        x = check_input(self, x, self.weight.dtype)
        if x.ndim not in (3, 4) or x.shape[-3] != self.in_channels:
            other = f", or make the layer with in_channels={x.shape[-3]}" if x.ndim in (3, 4) and x.shape[-3] else ""
            raise InputError(
                self,
                f"expects input of shape (batch, {self.in_channels}, height, width), got {x.shape}; reshape the input{other}",
            )
        return x

    def extra_repr(self):
        size = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        defaults = {"padding": (0, 0), "output_padding": (0, 0), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
        for name, default in defaults.items():
            if getattr(self, name, default) != default:
                size += f", {name}={getattr(self, name)!r}"
        size += f", bias={self.bias is not None}, weight_init={getattr(self.weight, 'initializer', None)}"
        return size if self.bias is None else f"{size}, bias_init={getattr(self.bias, 'initializer', None)}"


class Conv2d(Convolution):
    """y = w * x + b: filters that move over images.

    Parameters
    ----------
    in_channels, out_channels : int
        x has shape (batch, in_channels, height, width), y has (batch, out_channels, ...).
    kernel_size, stride, dilation : int or pair of int
        Of a filter: its size, the step from one place to the next, and from one of its numbers to the next.
    padding : int, pair of int, "valid" or "same"
        How much is put on each side of the image: none for "valid"; for "same" so much that y is as large as x.
    groups : int
        Channels in and out are cut into this many groups, each for itself.
    bias : bool
        If True, adds a learnable bias b.
    padding_mode : "zeros" or "circular"
        What is put there: zeros, or the other end of the image, as on a torus.
    weight_init, bias_init, rng, dtype
        As in `Linear`. With k = kernel height x width, fan_in is in_channels / groups x k: what a unit sums over. fan_out is
        out_channels / groups x k / (vertical x horizontal stride), rounded: the units that a number feeds, on average, for
        with a stride it meets only some places of a filter. So the variance of signal and gradient is kept as in `Linear`,
        but at edges with padding, where fewer numbers meet.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, kernel height, kernel width)
    bias : Parameter, shape (out_channels,), or None

    Examples
    --------
    >>> layer = Conv2d(1, 1, (1, 2), weight_init=[[[[1.0, 10.0]]]])
    >>> layer([[[[1.0, 2.0, 3.0]]]]).data
    array([[[[21., 32.]]]], dtype=float32)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        weight_init: Any = init.XavierUniform(),  # noqa: B008 - immutable, and readable in the signature
        bias_init: Any = init.Zeros(),  # noqa: B008
        rng: Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ):
        if isinstance(padding, str) and padding not in ("valid", "same"):
            raise ValueError(f"Conv2d: padding must be integers, 'valid' or 'same', got {padding!r}")
        modes = ("zeros", "circular")
        self.set_sizes(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode, modes)
        if padding == "same":
            same_padding("Conv2d", self.kernel_size, self.stride, self.dilation)
        fan_in, fan_out = self.fans(self.out_channels, self.in_channels)
        shape = (self.out_channels, self.in_channels // self.groups)
        self.make_parameters(shape, (fan_in, fan_out), bias, weight_init, bias_init, rng, dtype)

    def forward(self, x):
        x = self.images(x)
        try:
            return self.slide(x, self.weight, self.bias, self.groups)
        except ValueError as error:
            raise InputError(self, f"cannot take input of shape {x.shape}: {error}") from error

    def slide(self, x, weight, bias, groups):
        padding = self.padding
        if self.padding_mode == "circular" and padding != "valid":
            same = padding == "same"
            added = (
                same_padding("Conv2d", self.kernel_size, self.stride, self.dilation)
                if same
                else tuple(zip(padding, padding, strict=True))
            )
            x, padding = F.wrap(x, *added), 0
        return F.conv2d(x, weight, bias, self.stride, padding, self.dilation, groups)

    @property
    def meets_all_alike(self):
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        added = {"valid": [0, 0], "same": reach}.get(self.padding) or [2 * p for p in self.padding]
        return added == reach and (self.padding_mode == "circular" or not any(reach))


class ConvTranspose2d(Convolution):
    """The transposed convolution: each number of x times a whole filter, the products added where they fall.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, dilation, groups, bias
        As in `Conv2d`.
    stride : int or pair of int
        The step from the filter of one number of x to that of the next: the image grows by it.
    padding : int or pair of int
        How much is taken away from each side of the output.
    output_padding : int or pair of int
        How much larger the output is, at its lower and right end.
    weight_init, bias_init, rng, dtype
        As in `Linear`. The roles are those of `Conv2d` exchanged: a number feeds out_channels / groups x k units, fan_out; and
        a unit sums over in_channels / groups x k / (vertical x horizontal stride) numbers on average, fan_in, rounded. Where
        the stride does not divide the kernel's size, neighbours sum over different counts, the cause of checkerboards
        (Odena, Dumoulin and Olah, "Deconvolution and checkerboard artifacts", Distill 2016).

    Attributes
    ----------
    weight : Parameter, shape (in_channels, out_channels / groups, kernel height, kernel width)
    bias : Parameter, shape (out_channels,), or None

    Examples
    --------
    >>> layer = ConvTranspose2d(1, 1, (1, 2), stride=2, weight_init=[[[[1.0, 10.0]]]])
    >>> layer([[[[1.0, 2.0]]]]).data[0, 0, 0]
    array([ 1., 10.,  2., 20.], dtype=float32)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Pair = 1,
        padding_mode: str = "zeros",
        *,
        weight_init: Any = init.XavierUniform(),  # noqa: B008 - immutable, and readable in the signature
        bias_init: Any = init.Zeros(),  # noqa: B008
        rng: Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ):
        if isinstance(padding, str):
            raise ValueError(f"ConvTranspose2d: padding must be integers, got {padding!r}")
        self.set_sizes(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode, ("zeros",))
        self.output_padding = as_pair("ConvTranspose2d", "output_padding", output_padding, 0)
        fan_out, fan_in = self.fans(self.in_channels, self.out_channels)
        shape = (self.in_channels, self.out_channels // self.groups)
        self.make_parameters(shape, (fan_in, fan_out), bias, weight_init, bias_init, rng, dtype)

    def unit_weights(self, values):
        by_group = values.reshape(self.groups, self.in_channels // self.groups, self.out_channels // self.groups, -1)
        return super().unit_weights(by_group.swapaxes(1, 2))

    def forward(self, x):
        x = self.images(x)
        try:
            return self.slide(x, self.weight, self.bias, self.groups)
        except ValueError as error:
            raise InputError(self, f"cannot take input of shape {x.shape}: {error}") from error

    def slide(self, x, weight, bias, groups):
        return F.conv_transpose2d(x, weight, bias, self.stride, self.padding, self.output_padding, groups, self.dilation)
