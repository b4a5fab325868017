"""Kernels called directly, with what does not fit: an error that says so, and nothing read or written past an end; from the
compiled kernels and the reference implementation alike."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from minidl import kernels
from minidl.kernels import reference

BACKENDS = {backend.__name__: backend for backend in (reference, kernels._backend)}  # one, where only the reference is there
compiled_only = pytest.mark.skipif(kernels.backend != "compiled", reason="asks the compiled kernels")


def f(*shape):
    return np.ones(shape, np.float32)


def d(*shape):
    return np.ones(shape, np.float64)


def labels(*values):
    return np.array(values, np.intp)


BACKWARD = {
    "tanh_backward": (),
    "sigmoid_backward": (),
    "relu_backward": (),
    "leaky_relu_backward": (0.1,),
    "elu_backward": (1.0, 1.0),
    "silu_backward": (),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dy", [f(3), f(5), f(1, 4), f(4, 1), f(), d(4)], ids=lambda x: f"{x.dtype}{x.shape}")
@pytest.mark.parametrize("name", BACKWARD)
def test_a_gradient_of_another_shape_or_dtype_is_refused(name, dy, backend):
    with pytest.raises(ValueError, match=rf"dy must be float32 of shape \(4,\), got {dy.dtype} of shape"):
        getattr(BACKENDS[backend], name)(dy, f(4), *BACKWARD[name])


UNFIT = {
    "batch_norm: weight": lambda k: k.batch_norm(f(5, 3), f(2), None, f(3), f(3), 1e-5, True),
    "batch_norm: weight of another dtype": lambda k: k.batch_norm(d(5, 3), f(3), None, d(3), d(3), 1e-5, True),
    "batch_norm: bias": lambda k: k.batch_norm(f(5, 3), None, f(1), f(3), f(3), 1e-5, True),
    "batch_norm: mean": lambda k: k.batch_norm(f(5, 3), None, None, f(2), f(3), 1e-5, True),
    "batch_norm: var of another dtype": lambda k: k.batch_norm(d(5, 3), None, None, d(3), f(3), 1e-5, False),
    "batch_norm_backward: dy": lambda k: k.batch_norm_backward(f(4, 3), f(5, 3), None, f(3), f(3), 1e-5, True),
    "batch_norm_backward: dy of another dtype": lambda k: k.batch_norm_backward(f(5, 3), d(5, 3), None, d(3), d(3), 1e-5, True),
    "batch_norm_backward: weight": lambda k: k.batch_norm_backward(f(5, 3), f(5, 3), f(4), f(3), f(3), 1e-5, True),
    "batch_norm_backward: mean": lambda k: k.batch_norm_backward(f(5, 3), f(5, 3), None, f(2), f(3), 1e-5, True),
    "cross_entropy: too few labels": lambda k: k.cross_entropy(f(3, 4), labels(0, 1)),
    "cross_entropy: labels in a column": lambda k: k.cross_entropy(f(2, 4), labels(0, 1)[:, None]),
    "cross_entropy: small labels": lambda k: k.cross_entropy(f(3, 4), labels(0, 1, 2).astype(np.int32)),
    "cross_entropy: labels of reals": lambda k: k.cross_entropy(f(3, 4), f(3)),
    "cross_entropy: a vector": lambda k: k.cross_entropy(f(3), labels(0, 1, 2)),
    "cross_entropy_backward: too few labels": lambda k: k.cross_entropy_backward(f(), f(3, 4), labels(0, 1), 1.0),
    "cross_entropy_backward: no class": lambda k: k.cross_entropy_backward(f(), f(3, 4), labels(0, 1, 4), 1.0),
    "cross_entropy_backward: below 0": lambda k: k.cross_entropy_backward(f(), f(3, 4), labels(0, -1, 1), 1.0),
    "cross_entropy_backward: dy": lambda k: k.cross_entropy_backward(f(2), f(3, 4), labels(0, 1, 2), 1.0),
    "cross_entropy_backward: dy of another dtype": lambda k: k.cross_entropy_backward(f(3), d(3, 4), labels(0, 1, 2), 1.0),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("call", UNFIT)
def test_arrays_that_do_not_fit_are_refused(call, backend):
    with pytest.raises(ValueError, match=r"must be"):
        UNFIT[call](BACKENDS[backend])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("missing", range(4))
def test_a_step_with_lists_of_different_lengths_is_refused(missing, backend):
    p = f(3)
    lists = [[p, f(3)], [f(3), f(3)], [None, None], [False, False]]
    lists[missing].pop()
    with pytest.raises(ValueError, match=r"len|argument"):
        BACKENDS[backend].sgd([(*lists, 0.1, 0.0, 0.0, 0.0, False)], [], {}, {})
    assert p.tolist() == [1.0] * 3


WORDS = (1, 2)
COMPILED = {
    "philox: out": lambda k: k.philox(WORDS, (0, 0, 0, 0), np.empty(8, np.uint32)[::2]),
    "philox: out of another dtype": lambda k: k.philox(WORDS, (0, 0, 0, 0), np.empty(8, np.uint16)),
    "uniform: dtype": lambda k: k.uniform(8, np.int8, WORDS, 0, 0.0, 1.0),
    "uniform: float16": lambda k: k.uniform(8, np.float16, WORDS, 0, 0.0, 1.0),
    "uniform: other byte order": lambda k: k.uniform(8, np.dtype(np.float32).newbyteorder(), WORDS, 0, 0.0, 1.0),
    "uniform: empty key": lambda k: k.uniform(8, np.float32, (), 0, 0.0, 1.0),
    "uniform: no key": lambda k: k.uniform(8, np.float32, None, 0, 0.0, 1.0),
    "normal: probabilities": lambda k: k.normal(8, np.float32, WORDS, 0, 0.0, 1.0, 5.0, 5.0, 1.0, -math.inf, math.inf),
    "normal: NaN": lambda k: k.normal(8, np.float32, WORDS, 0, 0.0, 1.0, math.nan, 0.0, 1.0, -math.inf, math.inf),
    "integers: no key": lambda k: k.integers(8, None, 0, 0, 6),
    "permutation: short key": lambda k: k.permutation(8, (1,), 0),
    "batch_norm: mean that is a view": lambda k: k.batch_norm(f(5, 3), None, None, f(6)[::2], f(3), 1e-5, True),
    "batch_norm: three axes": lambda k: k.batch_norm(f(5, 3, 2), None, None, f(3), f(3), 1e-5, True),
    "cross_entropy: labels that are a view": lambda k: k.cross_entropy(f(3, 4), labels(0, 9, 1, 9, 2, 9)[::2]),
    "cross_entropy: a list of labels": lambda k: k.cross_entropy(f(3, 4), [0, 1, 2]),
    "cross_entropy: no labels": lambda k: k.cross_entropy(f(3, 4), None),
    "cross_entropy_backward: no p": lambda k: k.cross_entropy_backward(f(), None, labels(0), 1.0),
    "summarize: empty": lambda k: k.summarize(f(0), np.empty((4, 3), np.int64)),
    "summarize: a view": lambda k: k.summarize(f(8)[::2], np.empty((4, 3), np.int64)),
    "summarize: integers": lambda k: k.summarize(labels(1, 2), np.empty((4, 3), np.int64)),
    "summarize: few places": lambda k: k.summarize(f(8), np.empty((3, 3), np.int64)),
    "summarize: small places": lambda k: k.summarize(f(8), np.empty((4, 3), np.int32)),
    "summarize: one row": lambda k: k.summarize(f(8), np.empty(4, np.int64)),
    "summarize: none": lambda k: k.summarize(None, None),
    **{f"{name} of nothing": lambda k, name=name: getattr(k, name)(None) for name in ("tanh", "relu", "exp", "silu")},
    "tanh of text": lambda k: k.tanh("0.5"),
    "tanh of complex numbers": lambda k: k.tanh(np.ones(2, complex)),
    "sgd: a gradient that is no array": lambda k: k.sgd([([f(3)], [None], [None], [False], 0.1, 0, 0, 0, False)], [], {}, {}),
    "sgd: a velocity that is no array": lambda k: k.sgd([([f(3)], [f(3)], [1.0], [False], 0.1, 0, 0, 0, False)], [], {}, {}),
    "tanh_backward of nothing": lambda k: k.tanh_backward(None, f(2)),
}


@compiled_only
@pytest.mark.parametrize("call", COMPILED)
def test_the_compiled_kernels_refuse_what_they_cannot_take(call):
    with pytest.raises((TypeError, ValueError)):
        COMPILED[call](kernels._backend)


def backward(dy, x, weight):
    return kernels.linear_backward(dy, x, weight)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kernels.linear(f(2, 3), f(4, 5)), ValueError, r"x has shape \(2, 3\) and weight \(4, 5\); their columns must"),
        (
            lambda: kernels.linear(f(2, 3), f(4, 3), f(3)),
            ValueError,
            r"weight has shape \(4, 3\), so bias must have \(4,\), got",
        ),
        (lambda: kernels.linear(f(2, 3), f(4, 3), f(1)), ValueError, r"bias must have \(4,\), got \(1,\)"),
        (lambda: kernels.linear(f(2, 3), f(4, 3), f(2, 4)), ValueError, r"bias must have \(4,\), got \(2, 4\)"),
        (lambda: kernels.linear(f(0, 3), f(4, 5)), ValueError, r"x has shape \(0, 3\) and weight \(4, 5\)"),
        (lambda: kernels.linear(f(3), f(4, 3)), TypeError, "x must be a 2-D NumPy array .*, got a 1-D array of float32"),
        (lambda: kernels.linear(None, f(4, 3)), TypeError, "x must be a 2-D NumPy array .*, got NoneType"),
        (lambda: kernels.linear(f(2, 3), "weight"), TypeError, "weight must be a 2-D NumPy array .*, got str"),
        (lambda: kernels.linear(f(2, 3), f(4, 3), [1.0] * 4), TypeError, "bias must be a NumPy array .*, got list"),
        (lambda: kernels.linear(f(2, 3), labels(1)[:, None]), TypeError, "weight must be .*, got a 2-D array of int64"),
        (lambda: backward(f(2, 4), f(3, 5), f(4, 5)), ValueError, r"dy must have \(3, 4\), got \(2, 4\)"),
        (lambda: backward(f(3, 2), f(3, 5), f(4, 5)), ValueError, r"dy must have \(3, 4\), got \(3, 2\)"),
        (lambda: backward(f(3, 4), f(3, 5), f(4, 6)), ValueError, r"x has shape \(3, 5\) and weight \(4, 6\)"),
        (lambda: backward(None, f(3, 5), f(4, 5)), TypeError, "dy must be a 2-D NumPy array .*, got NoneType"),
    ],
)
def test_a_linear_layer_that_does_not_fit_is_refused(call, error, message, backend, monkeypatch):
    monkeypatch.setattr(kernels, "_backend", BACKENDS[backend])
    monkeypatch.setattr(kernels, "backend", backend.rpartition(".")[2].lstrip("_"))
    with pytest.raises(error, match=f"linear: .*{message}"):
        call()


@compiled_only
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer itself takes all memory there is")
@pytest.mark.parametrize(("m", "k", "n"), [(300, 300, 300), (70, 5000, 1000)])
def test_a_product_without_memory_is_a_memory_error(m, k, n):
    code = f"""
import resource
import numpy as np
from minidl import kernels

kernels.set_num_threads(1)
a, b, out = np.ones(({m}, {k}), "f"), np.ones(({k}, {n}), "f"), np.zeros(({m}, {n}), "f")
pages = int(open("/proc/self/statm").read().split()[0])
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), hard))
held, size = [], 1 << 26
while size >= 1 << 15:  # what is left in the heap, but for crumbs
    try:
        held.append(bytearray(size))
    except MemoryError:
        size //= 2
try:
    kernels.matmul(a, b, out)
except MemoryError as error:
    held.clear()
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
kernels.matmul(a, b, out)
print((out == {k}).all())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    message = f"matmul of {m} x {k} and {k} x {n}: no memory for its buffers"
    assert (done.stdout.splitlines(), done.stderr) == ([message, "True"], "")
