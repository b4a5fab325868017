"""One switch: the compiled kernels or their NumPy twins; and the checks that both rely on.

`MINIDL_KERNELS=compiled` or `reference` chooses; without it the compiled ones are taken where they were built.
`MINIDL_ISA` forces an instruction set, `MINIDL_NUM_THREADS` sets the number of threads. What the functions compute is
written down in `reference.py`.
"""

import importlib
import math
import operator
import os
import warnings

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..version import __version__

BUILD = "To build them, install a C compiler (gcc or clang) and run `pip install -e .` in minidl's folder again"


def _load():
    wanted = os.environ.get("MINIDL_KERNELS", "")
    if wanted not in ("", "compiled", "reference"):
        raise ImportError(f"MINIDL_KERNELS is {wanted!r}; set it to 'compiled' or 'reference', or unset it")
    if wanted == "reference":
        return importlib.import_module(".reference", __name__)
    try:
        return importlib.import_module("._compiled", __name__)
    except ImportError as error:
        if wanted == "compiled":
            raise ImportError(
                f"MINIDL_KERNELS=compiled, but the compiled kernels cannot be loaded ({error}). {BUILD}."
            ) from error
        warnings.warn(
            f"minidl's compiled kernels cannot be loaded ({error}), so its NumPy twins run instead: the same numbers, more "
            f"slowly. {BUILD}; to use the twins without this warning, set MINIDL_KERNELS=reference.",
            RuntimeWarning,
            stacklevel=2,
        )
        return importlib.import_module(".reference", __name__)


def _choose_instruction_set():
    wanted = os.environ.get("MINIDL_ISA", "")
    if wanted and not _backend.choose_instruction_set(wanted):
        possible = ", ".join(_backend.instruction_sets())
        raise ImportError(f"MINIDL_ISA is {wanted!r}; with the {backend} kernels this machine runs: {possible}")


def _default_num_threads():
    wanted = os.environ.get("MINIDL_NUM_THREADS", "")
    if not wanted:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ImportError(f"MINIDL_NUM_THREADS is {wanted!r}; set it to a whole number from 1, or unset it")
    return int(wanted)


def set_num_threads(n):
    """Let products, big draws and passes over big arrays use up to n threads. The results do not depend on it, to the last bit.

    Parameters
    ----------
    n : int
        At least 1; more than 64 counts as 64.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"set_num_threads takes a whole number from 1, got {n!r}")
    _backend.set_num_threads(min(int(n), 64))


def get_num_threads():
    """How many threads products, draws and passes may use."""
    return _backend.get_num_threads()


_backend = _load()
backend = _backend.__name__.rpartition(".")[2].lstrip("_")  # "compiled" or "reference"
_choose_instruction_set()
set_num_threads(_default_num_threads())


def show_config():
    """Print which kernels run, on which instruction set, with how many threads: for bug reports."""
    print(
        f"minidl   {__version__}\nkernels  {backend}\nisa      {_backend.instruction_set()} "
        f"(possible: {', '.join(_backend.instruction_sets())})\nthreads  {get_num_threads()}\nnumpy    {np.__version__}"
    )


_REALS = (np.dtype(np.float32), np.dtype(np.float64))


def _came(x):
    """What came instead of what was expected, for an error."""
    return f"a {x.ndim}-D array of {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__


def _misfit(**operands):
    """The error that says why a product cannot be."""
    for name, x in operands.items():
        if not isinstance(x, np.ndarray) or x.ndim != 2 or x.dtype not in _REALS:
            return TypeError(f"matmul: {name} must be a 2-D NumPy array of float32 or float64, got {_came(x)}")
    a, b = operands["a"], operands["b"]
    if a.dtype != b.dtype:
        return TypeError(f"matmul: a is {a.dtype} and b is {b.dtype}; convert one with .astype()")
    if a.shape[1] != b.shape[0]:
        return ValueError(f"matmul: a has shape {a.shape} and b {b.shape}; the columns of a must be as many as the rows of b")
    out, shape = operands["out"], (a.shape[0], b.shape[1])
    return ValueError(f"matmul: out must be {a.dtype} of shape {shape}, got {out.dtype} of shape {out.shape}")


def _whole_steps(x):
    """x, or a copy where its memory is unaligned or its strides are no whole number of elements."""
    row, column = x.strides
    return x if x.flags.aligned and row % x.itemsize == 0 == column % x.itemsize else x.copy()


def _may_overlap_itself(x):
    """Whether a row of x is longer than the step to the next row, or a step shorter than an element."""
    if x.size == 0:
        return False
    reach = x.itemsize
    for step, n in sorted((abs(step), n) for step, n in zip(x.strides, x.shape, strict=True) if n > 1):
        if step < reach:
            return True
        reach += step * (n - 1)
    return False


def matmul(a, b, out=None):
    """The matrix product a @ b.

    Parameters
    ----------
    a : ndarray, shape (m, k)
    b : ndarray, shape (k, n)
        Both float32 or both float64, with any strides: transposing costs no copy.
    out : ndarray, shape (m, n), optional
        Where to put the result; it may overlap a or b.

    Returns
    -------
    ndarray, shape (m, n)

    Raises
    ------
    TypeError
        If an operand is not a 2-D array of float32 or float64, or the dtypes differ.
    ValueError
        If the shapes don't fit, or `out` is read-only or overlaps itself.

    Examples
    --------
    >>> import numpy as np
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    if backend == "compiled" and (product := _backend.matmul(a, b, out)) is not None:
        return product
    if not (
        isinstance(a, np.ndarray)
        and isinstance(b, np.ndarray)
        and a.ndim == b.ndim == 2
        and a.dtype == b.dtype
        and a.dtype in _REALS
        and a.shape[1] == b.shape[0]
    ):
        raise _misfit(a=a, b=b)
    (m, k), n = a.shape, b.shape[1]
    if out is None:
        target = out = np.empty((m, n), a.dtype)
    else:
        if not isinstance(out, np.ndarray) or out.shape != (m, n) or out.dtype != a.dtype:
            raise _misfit(a=a, b=b, out=out)
        if not out.flags.writeable or _may_overlap_itself(out):
            raise ValueError("matmul: out is read-only, or its elements overlap; pass an array of its own memory")
        overlaps = np.may_share_memory(out, a) or np.may_share_memory(out, b)
        target = np.empty((m, n), a.dtype) if overlaps or _whole_steps(out) is not out else out
    if m and n and k:
        _backend.matmul(_whole_steps(a), _whole_steps(b), target)
    else:
        target[...] = 0
    if target is not out:
        out[...] = target
    return out


def _check_linear(bias=None, **matrices):
    """Raise an error where x (batch, in), weight (out, in), bias (out,) and dy (batch, out) do not fit."""
    for name, array in matrices.items():
        if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.newbyteorder("=") not in _REALS:
            raise TypeError(f"linear: {name} must be a 2-D NumPy array of float32 or float64, got {_came(array)}")
    if bias is not None and (not isinstance(bias, np.ndarray) or bias.dtype.newbyteorder("=") not in _REALS):
        raise TypeError(f"linear: bias must be a NumPy array of float32 or float64, got {_came(bias)}")
    x, weight = matrices["x"], matrices["weight"]
    if x.shape[1] != weight.shape[1]:
        raise ValueError(f"linear: x has shape {x.shape} and weight {weight.shape}; their columns must be as many")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: weight has shape {weight.shape}, so bias must have {weight.shape[:1]}, got {bias.shape}")
    dy, shape = matrices.get("dy"), (len(x), len(weight))
    if dy is not None and dy.shape != shape:
        raise ValueError(f"linear: x has shape {x.shape} and weight {weight.shape}, so dy must have {shape}, got {dy.shape}")


def linear(x, weight, bias=None):
    """x weight^T + bias, for x of shape (batch, in), weight of shape (out, in) and bias of shape (out,)."""
    if backend == "reference":  # the compiled one looks itself, which is faster
        _check_linear(x=x, weight=weight, bias=bias)
    y = _backend.linear(x, weight, bias)
    if y is None:  # they don't fit, are empty, of two dtypes, or with strides that csrc does not take
        _check_linear(x=x, weight=weight, bias=bias)
        y = matmul(x, weight.T) if x.dtype == weight.dtype else x @ weight.T
        y = y if bias is None else y + bias
    return y


def linear_backward(dy, x, weight, need_x=True, need_weight=True, need_bias=True):
    """(dx, dweight, dbias) of `linear`: dy weight, dy^T x and the column sums of dy; None for what is not needed."""
    if backend == "reference":
        _check_linear(x=x, weight=weight, dy=dy)
    gradients = _backend.linear_backward(dy, x, weight, need_x, need_weight, need_bias)
    if gradients is None:
        _check_linear(x=x, weight=weight, dy=dy)
        product = matmul if dy.dtype == x.dtype == weight.dtype else np.matmul
        gradients = (
            product(dy, weight) if need_x else None,
            product(dy.T, x) if need_weight else None,
            sum(dy, 0) if need_bias else None,
        )
    return gradients


def sum(x, axis=None, keepdims=False):
    """The sum over all axes or some, pairwise whichever they are: its error grows like the logarithm of the number of terms.

    NumPy's is pairwise along the axis that is contiguous in memory only, and along the others one chain, whose error grows
    like the number. So the axes are moved there, or to the front, for the kernel.

    Parameters
    ----------
    x : ndarray
    axis : int or tuple of int, optional
    keepdims : bool
        As in NumPy.

    Examples
    --------
    >>> import numpy as np
    >>> tenths = np.full((1_000_000, 2), 0.1, np.float32)
    >>> f"{sum(tenths, 0)[0]:.0f}, and not {np.sum(tenths, axis=0)[0]:.0f}"
    '100000, and not 100958'
    """
    if x.ndim < 2 or x.dtype not in _REALS or (x.flags.c_contiguous and axis in (None, -1, x.ndim - 1)):
        return np.add.reduce(x, axis, keepdims=keepdims)
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    kept = [i for i in range(x.ndim) if i not in axes]
    lengths = [x.shape[i] for i in kept]
    last = x.transpose(*kept, *axes)
    if last.flags.c_contiguous:
        total = np.add.reduce(last.reshape(*lengths, math.prod(last.shape[len(kept) :])), -1)
    else:
        first = x.transpose(*axes, *kept)
        total = _backend.column_sums(first.reshape(math.prod(first.shape[: len(axes)]), math.prod(lengths))).reshape(lengths)
    return np.expand_dims(total, tuple(axes)) if keepdims else total[()]


def summarize(x, bins):
    """What an array is like: mean, standard deviation, least and largest element, and a histogram between these.

    Parameters
    ----------
    x : ndarray of float32 or float64, not empty
    bins : int
        0 for no histogram.

    Returns
    -------
    mean, std, low, high : float
        In float64. If the mean is not finite, the others are NaN; without a histogram, low and high are.
    counts : ndarray of int64, shape (bins,)

    Examples
    --------
    >>> import numpy as np
    >>> summarize(np.array([0.0, 0.0, 0.0, 4.0]), 2)
    (1.0, 1.7320508075688772, 0.0, 4.0, array([3, 1]))
    """
    if not isinstance(x, np.ndarray) or x.dtype not in _REALS or not x.size:
        raise ValueError(f"summarize takes an array of float32 or float64 that is not empty, got {_came(x)}")
    if not isinstance(bins, (int, np.integer)) or bins < 0:
        raise ValueError(f"summarize: bins must be a non-negative integer, got {bins!r}")
    counts = np.empty((4, bins + 1), np.int64)  # the kernel counts in four places, and wants room for one more bin
    return *_backend.summarize(x.ravel(), counts), counts[0, :-1]


def _words(name, values, count):
    values = [operator.index(v) for v in values]
    if len(values) != count or not all(0 <= v < 1 << 32 for v in values):
        raise ValueError(f"philox: {name} must be {count} words, each from 0 to 2**32 - 1, got {values}")
    return values


def philox(key, counter, n):
    """n words of Philox4x32-10, beginning with those of `counter`.

    Parameters
    ----------
    key : two words, each below 2**32
    counter : four words, the least significant first
    n : int
        How many words; every four use the next counter.

    Returns
    -------
    ndarray of uint32, shape (n,)

    Examples
    --------
    The known answer of Random123 for an all-zero key and counter:

    >>> [f"{word:08x}" for word in philox((0, 0), (0, 0, 0, 0), 4)]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    key, counter = _words("key", key, 2), _words("counter", counter, 4)
    if operator.index(n) < 0:
        raise ValueError(f"philox: n must be at least 0, got {n}")
    out = np.empty(n, np.uint32)
    if n:
        _backend.philox(key, counter, out)
    return out


# The four that minidl.random calls, having checked the law and the position; the key is two words.
uniform, normal = _backend.uniform, _backend.normal
integers, permutation = _backend.integers, _backend.permutation

# Those that minidl.functional and minidl.optim call, with arrays of float32 or float64.
exp, log, tanh, tanh_backward = _backend.exp, _backend.log, _backend.tanh, _backend.tanh_backward
sigmoid, sigmoid_backward = _backend.sigmoid, _backend.sigmoid_backward
relu, relu_backward = _backend.relu, _backend.relu_backward
leaky_relu, leaky_relu_backward = _backend.leaky_relu, _backend.leaky_relu_backward
elu, elu_backward, silu, silu_backward = _backend.elu, _backend.elu_backward, _backend.silu, _backend.silu_backward
gelu, gelu_backward = _backend.gelu, _backend.gelu_backward
batch_norm, batch_norm_backward = _backend.batch_norm, _backend.batch_norm_backward
cross_entropy, cross_entropy_backward = _backend.cross_entropy, _backend.cross_entropy_backward
sgd = _backend.sgd
