"""The pooling layers: calls of `functional/conv.py`, with the sizes that they were made with."""

from typing import Any

from .. import functional as F
from ..functional.conv import Pair, as_pair
from ..tensor import Tensor, as_tensor
from .module import InputError, Module

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d"]


class Pooling(Module):
    """What they share: images come in, and a refusal names the layer."""

    unit_axis = -3  # of a batch of images, and of one image

    def pool(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Any) -> Tensor:
        try:
            return self.pool(as_tensor(x))
        except (ValueError, TypeError) as error:
            raise InputError(self, f"cannot take this input: {error}") from error


class MaxPool2d(Pooling):
    """The largest number of each window of each channel; see `functional.max_pool2d`.

    Parameters
    ----------
    kernel_size : int or pair of int
        The size of a window.
    stride : int or pair of int, optional
        The step from one window to the next; without it they are next to each other.
    padding, dilation : int or pair of int
        How much of a window may be outside of the image, where there is nothing; the step from one of its numbers to the next.

    Examples
    --------
    >>> MaxPool2d((1, 2))([[[[1.0, 2.0, 4.0, 3.0]]]]).tolist()
    [[[[2.0, 4.0]]]]
    """

    def __init__(
        self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0, dilation: int | Pair = 1
    ):
        check_pooling("MaxPool2d", kernel_size, stride, padding, dilation)
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation

    def pool(self, x):
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}"


class AvgPool2d(Pooling):
    """The mean of each window of each channel; see `functional.avg_pool2d`.

    Parameters
    ----------
    kernel_size, stride, padding
        As in `MaxPool2d`.
    count_include_pad : bool
        If True, what is outside counts as zeros.

    Examples
    --------
    >>> AvgPool2d((1, 2))([[[[1.0, 2.0, 4.0, 3.0]]]]).tolist()
    [[[[1.5, 3.5]]]]
    """

    def __init__(
        self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0, count_include_pad: bool = True
    ):
        check_pooling("AvgPool2d", kernel_size, stride, padding, 1)
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.count_include_pad = padding, count_include_pad

    def pool(self, x):
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.count_include_pad)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Pooling):
    """The means of output_size windows that together are the image; see `functional.adaptive_avg_pool2d`.

    Parameters
    ----------
    output_size : int or None, or pair of them
        How many windows; None for as many as there are numbers.

    Examples
    --------
    >>> AdaptiveAvgPool2d(1)([[[[1.0, 2.0, 4.0, 5.0]]]]).tolist()
    [[[[3.0]]]]
    """

    def __init__(self, output_size: int | tuple[int | None, int | None] | None):
        sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
        as_pair("AdaptiveAvgPool2d", "output_size", [1 if n is None else n for n in sizes], 1)
        self.output_size = output_size

    def pool(self, x):
        return F.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self):
        return f"output_size={self.output_size}"


def check_pooling(layer: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> None:
    kernel = as_pair(layer, "kernel_size", kernel_size, 1)
    if stride is not None:
        as_pair(layer, "stride", stride, 1)
    as_pair(layer, "dilation", dilation, 1)
    for k, p in zip(kernel, as_pair(layer, "padding", padding, 0), strict=True):
        if 2 * p > k:
            raise ValueError(f"{layer}: padding must be at most half of kernel_size={kernel_size}, got {padding}")
