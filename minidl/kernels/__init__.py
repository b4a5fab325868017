"""The kernels: one contract, two backends that keep it, and the switch between them.

A backend is a module, `_compiled` (csrc/ through Cython) or `reference` (NumPy, where one reads what a function computes). Both
have the same functions with the same arguments, results and errors. A call succeeds, or it raises an error that names the
argument (`checks.py`), and then nothing has been changed. Arrays are of float32 or float64, of one dtype in a call, and have
any layout in memory; results are new arrays, and only what a function is there to write to is changed. Products agree but for
rounding, and everything else to the last bit.

`MINIDL_KERNELS=compiled` or `reference` chooses; without it the compiled ones are taken where they were built.
`MINIDL_ISA` forces an instruction set, `MINIDL_NUM_THREADS` sets the number of threads.
"""

import importlib
import math
import operator
import os
import warnings

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..version import __version__
from .checks import REALS

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
            f"minidl's compiled kernels cannot be loaded ({error}), so its reference implementation in NumPy runs instead: "
            f"the same numbers, more slowly. {BUILD}; to use it without this warning, set MINIDL_KERNELS=reference.",
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
        raise ImportError(f"MINIDL_NUM_THREADS is {wanted!r}; set it to a positive integer, or unset it")
    return int(wanted)


def set_num_threads(n):
    """Let products, big draws and fused kernels over big arrays use up to n threads, which changes no bit of the results.

    Parameters
    ----------
    n : int
        At least 1; more than 64 counts as 64.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"set_num_threads takes a positive integer, got {n!r}")
    _backend.set_num_threads(min(int(n), 64))


def get_num_threads():
    """How many threads products, draws and fused kernels may use."""
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


matmul, linear, column_sums, summarize = _backend.matmul, _backend.linear, _backend.column_sums, _backend.summarize
conv2d = _backend.conv2d
conv2d_input_gradient, conv2d_weight_gradient = _backend.conv2d_input_gradient, _backend.conv2d_weight_gradient
max_pool2d, max_pool2d_backward = _backend.max_pool2d, _backend.max_pool2d_backward
mean_pool2d, mean_pool2d_backward = _backend.mean_pool2d, _backend.mean_pool2d_backward
exp, log, tanh, tanh_backward = _backend.exp, _backend.log, _backend.tanh, _backend.tanh_backward
sigmoid, sigmoid_backward = _backend.sigmoid, _backend.sigmoid_backward
relu, relu_backward = _backend.relu, _backend.relu_backward
leaky_relu, leaky_relu_backward = _backend.leaky_relu, _backend.leaky_relu_backward
elu, elu_backward, silu, silu_backward = _backend.elu, _backend.elu_backward, _backend.silu, _backend.silu_backward
gelu, gelu_backward = _backend.gelu, _backend.gelu_backward
batch_norm, batch_norm_backward = _backend.batch_norm, _backend.batch_norm_backward
are_finite, move_statistics = _backend.are_finite, _backend.move_statistics
cross_entropy, cross_entropy_backward = _backend.cross_entropy, _backend.cross_entropy_backward
scaled, mask = _backend.scaled, _backend.mask
sgd, adam, rmsprop = _backend.sgd, _backend.adam, _backend.rmsprop

# What `capture` makes programs of.
Program, unchanged, take = _backend.Program, _backend.unchanged, _backend.take
references, shared = _backend.references, _backend.shared
arithmetic, row_sums, copy = _backend.arithmetic, _backend.row_sums, _backend.copy

# The four that minidl.random calls, having checked the distribution and the position; a key is two words.
uniform, normal = _backend.uniform, _backend.normal
integers, permutation = _backend.integers, _backend.permutation


# What NumPy does as well as any kernel could, and yet stands here: what passes here can be recorded (see `capture`).
add, subtract, multiply, divide = np.add, np.subtract, np.multiply, np.divide


def inverse_root(x, eps):
    """1 / sqrt(x + eps)"""
    return 1 / np.sqrt(x + eps)


def constant(number, dtype):
    """A number as an array."""
    return np.array(number, dtype)


def copied(x, dtype=None):
    """A copy, in another dtype where one is given."""
    return np.array(x, dtype)


def contains(x, value):
    """Whether an element of x equals this number."""
    return bool((x == value).any())


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
    if x.ndim < 2 or x.dtype not in REALS or (x.flags.c_contiguous and axis in (None, -1, x.ndim - 1)):
        return np.add.reduce(x, axis, keepdims=keepdims)
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    kept = [i for i in range(x.ndim) if i not in axes]
    lengths = [x.shape[i] for i in kept]
    last = x.transpose(*kept, *axes)
    if last.flags.c_contiguous:
        total = np.add.reduce(last.reshape(*lengths, math.prod(last.shape[len(kept) :])), -1)
    else:
        first = x.transpose(*axes, *kept)
        total = column_sums(first.reshape(math.prod(first.shape[: len(axes)]), math.prod(lengths))).reshape(lengths)
    return np.expand_dims(total, tuple(axes)) if keepdims else total[()]


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
        raise ValueError(f"philox: n must be a non-negative integer, got {n}")
    out = np.empty(n, np.uint32)
    if n:
        _backend.philox(key, counter, out)
    return out
