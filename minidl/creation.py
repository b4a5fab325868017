"""Tensors out of numbers, of zeros, of ones, or of random numbers: PyTorch's functions of these names.

`Tensor(...)` itself shares the memory of an array and is always of floats when made of a list; `tensor(...)` copies, and keeps
integers as they are.
"""

from typing import Any

import numpy as np

from .random import Generator, as_generator
from .tensor import Tensor, _lists, record, refuse_masks

__all__ = ["arange", "ones", "rand", "randn", "tensor", "zeros"]


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor in memory of its own.

    Parameters
    ----------
    data : array_like
        Floats that are not an array, or have no more precision, become float32; integers and booleans stay what they are, and
        serve as labels and indices.
    dtype : dtype, optional
        That of the tensor.
    requires_grad : bool

    Raises
    ------
    TypeError, RuntimeError
        If the data are not real numbers, or require a gradient and are not floats.

    Examples
    --------
    >>> tensor([1, 2, 3]).dtype, tensor([1.0, 2.0]).dtype
    (dtype('int64'), dtype('float32'))
    """
    refuse_masks(data)
    array = np.array(data.data if isinstance(data, Tensor) else _lists(data) if isinstance(data, (list, tuple)) else data)
    if dtype is None:
        native = array.dtype.newbyteorder("=")
        exact = native.kind != "f" or (native == np.float64 and hasattr(data, "__array__"))
        dtype = native if exact else np.float32
    return _new(array.astype(dtype), requires_grad)


def from_dlpack(x: Any) -> Tensor:
    """A tensor that shares the memory of another library's, PyTorch's or JAX's for instance, on the CPU.

    The other way, `torch.from_dlpack(tensor)` and its like take a minidl tensor. What one library changes in place, the other
    does not notice: a gradient may then be wrong where minidl alone would raise an error.

    Parameters
    ----------
    x : object with `__dlpack__` and `__dlpack_device__`

    Raises
    ------
    TypeError
        If it speaks no DLPack, or holds neither float32, float64, integers nor booleans.
    BufferError, RuntimeError
        If its library does not give it away: it is on another device, say, or requires a gradient.

    References
    ----------
    .. [1] Data interchange by DLPack, in the Python array API standard, https://data-apis.org/array-api/latest/

    Examples
    --------
    >>> import numpy as np
    >>> array = np.arange(3.0)
    >>> x = from_dlpack(array)
    >>> array[0] = 5
    >>> x
    Tensor([5., 1., 2.], dtype=float64)
    """
    if not hasattr(x, "__dlpack__"):
        raise TypeError(
            f"from_dlpack takes an array of another library, with __dlpack__, got {type(x).__name__}; use minidl.tensor"
        )
    array = np.from_dlpack(x)
    return Tensor(array) if array.dtype in (np.float32, np.float64) else _new(array, False)


def _new(array: np.ndarray, requires_grad: bool) -> Tensor:
    if array.dtype.kind not in "iub" and array.dtype not in (np.float32, np.float64):
        raise TypeError(f"a tensor holds float32, float64, integers or booleans, got {array.dtype}")
    return record(array, (), None).requires_grad_(requires_grad)


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape that is given as several integers, or as one tuple."""
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size


def zeros(*size: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros: `zeros(2, 3)` or `zeros((2, 3))`."""
    return _new(np.zeros(_shape(size), dtype), requires_grad)


def ones(*size: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A tensor of ones: `ones(2, 3)` or `ones((2, 3))`."""
    return _new(np.ones(_shape(size), dtype), requires_grad)


def rand(*size: Any, rng: Generator | int | None = None, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A tensor of numbers drawn from U[0, 1), with the global generator or with `rng`.

    Examples
    --------
    >>> rand(2, 3, rng=0).shape
    (2, 3)
    """
    return _new(as_generator(rng).uniform(_shape(size), dtype=dtype), requires_grad)


def randn(*size: Any, rng: Generator | int | None = None, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A tensor of numbers drawn from N(0, 1), with the global generator or with `rng`."""
    return _new(as_generator(rng).normal(_shape(size), dtype=dtype), requires_grad)


def arange(*bounds: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The numbers from 0, or `start`, up to but without `end`, by 1 or `step`: integers, if the bounds are.

    Examples
    --------
    >>> arange(3).tolist(), arange(1, 2, 0.5).tolist()
    ([0, 1, 2], [1.0, 1.5])
    """
    array = np.arange(*bounds)
    return _new(array.astype(dtype or (np.float32 if array.dtype.kind == "f" else np.int64)), requires_grad)
