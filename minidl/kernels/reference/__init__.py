"""The kernels in NumPy: to read, to test the compiled ones against, and to run where there is no compiler.

`products` has the matrix product, `convolution` and `pooling` what is done with images, `fused` what makes one pass over its
arrays (activations, batch norm, cross-entropy, sums), `optim` the steps of optimizers, and `sampling` the random numbers.
Sampling, pooling, steps and fused kernels agree with csrc/ bit for bit: every line is the same sequence of correctly rounded
operations. This file is the backend, which has the functions of `_compiled.pyx`.
"""

from .convolution import conv2d, conv2d_input_gradient, conv2d_weight_gradient
from .fused import (
    are_finite,
    batch_norm,
    batch_norm_backward,
    column_sums,
    cross_entropy,
    cross_entropy_backward,
    elu,
    elu_backward,
    exp,
    gelu,
    gelu_backward,
    leaky_relu,
    leaky_relu_backward,
    log,
    mask,
    move_statistics,
    relu,
    relu_backward,
    scaled,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    summarize,
    tanh,
    tanh_backward,
)
from .optim import adam, rmsprop, sgd
from .pooling import max_pool2d, max_pool2d_backward, mean_pool2d, mean_pool2d_backward
from .products import linear, matmul
from .program import Program, arithmetic, copy, references, row_sums, shared, take, unchanged
from .sampling import integers, normal, permutation, philox, uniform

__all__ = [
    "Program",
    "adam",
    "are_finite",
    "arithmetic",
    "batch_norm",
    "batch_norm_backward",
    "choose_instruction_set",
    "column_sums",
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_weight_gradient",
    "copy",
    "cross_entropy",
    "cross_entropy_backward",
    "elu",
    "elu_backward",
    "exp",
    "gelu",
    "gelu_backward",
    "get_num_threads",
    "instruction_set",
    "instruction_sets",
    "integers",
    "leaky_relu",
    "leaky_relu_backward",
    "linear",
    "log",
    "mask",
    "matmul",
    "max_pool2d",
    "max_pool2d_backward",
    "mean_pool2d",
    "mean_pool2d_backward",
    "move_statistics",
    "normal",
    "permutation",
    "philox",
    "references",
    "relu",
    "relu_backward",
    "rmsprop",
    "row_sums",
    "scaled",
    "set_num_threads",
    "sgd",
    "shared",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "summarize",
    "take",
    "tanh",
    "tanh_backward",
    "unchanged",
    "uniform",
]


def instruction_sets():
    return ["numpy"]


def choose_instruction_set(name):
    return name == "numpy"


def instruction_set():
    return "numpy"


def set_num_threads(n):
    """NumPy decides for itself how many threads its own matmul uses; the number is kept, and nothing follows from it."""
    global _num_threads
    _num_threads = n


def get_num_threads():
    return _num_threads


_num_threads = 1
