"""The contract of the backends: the same functions with the same arguments, in the compiled kernels and the reference
implementation, and the same error for what does not fit, with nothing read or written past an end."""

import inspect
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from minidl import kernels
from minidl.kernels import reference

BACKENDS = {backend.__name__: backend for backend in (reference, kernels._backend)}  # one, where only the reference is there
compiled_only = pytest.mark.skipif(kernels.backend != "compiled", reason="asks the compiled kernels")


@compiled_only
def test_both_backends_have_the_same_functions_with_the_same_arguments():
    def face(names, module):
        parameters = {name: inspect.signature(getattr(module, name)).parameters.values() for name in names}
        return {name: [(p.name, p.kind, p.default) for p in each] for name, each in parameters.items()}

    own = {name for name, x in vars(kernels._backend).items() if getattr(x, "__module__", "") == kernels._backend.__name__}
    assert face(own, kernels._backend) == face(reference.__all__, reference)
    assert len(own) > 30


def test_the_package_offers_every_function_of_its_backend():
    own = {"instruction_sets", "choose_instruction_set", "instruction_set"}  # which `show_config` and MINIDL_ISA are for
    for name in set(reference.__all__) - own - {"set_num_threads", "get_num_threads", "philox"}:  # checked on their way
        assert getattr(kernels, name) is getattr(kernels._backend, name), name


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
    "gelu_backward": (),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dy", [f(3), f(5), f(1, 4), f(4, 1), f(), d(4)], ids=lambda x: f"{x.dtype}{x.shape}")
@pytest.mark.parametrize("name", BACKWARD)
def test_a_gradient_of_another_shape_or_dtype_is_refused(name, dy, backend):
    with pytest.raises(ValueError, match=rf"dy must be float32 of shape \(4,\), got {dy.dtype} of shape"):
        getattr(BACKENDS[backend], name)(dy, f(4), *BACKWARD[name])


WORDS = (1, 2)
FROZEN = np.broadcast_to(f(), 3)
LISTS = {"values": f(3), "gradients": f(3), "velocities": None, "steps": 0}
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
    **{
        f"sgd: {name} too short": lambda k, i=i: step(k, *([x] * (1 + (i != j)) for j, x in enumerate(LISTS.values())))
        for i, name in enumerate(LISTS)
    },
    "sgd: a gradient that is not an array": lambda k: step(k, [f(3)], [None], [None], [0]),
    "sgd: a velocity that is not an array": lambda k: step(k, [f(3)], [f(3)], [1.0], [0]),
    "sgd: a gradient of another shape": lambda k: step(k, [f(3)], [f(4)], [None], [0]),
    "sgd: a velocity of another shape": lambda k: step(k, [f(3)], [f(3)], [f(1, 3)], [0]),
    "sgd: a velocity of another dtype": lambda k: step(k, [f(3)], [f(3)], [d(3)], [0]),
    "sgd: a parameter that is read-only": lambda k: step(k, [np.broadcast_to(f(1), 3)], [f(3)], [None], [0]),
    "sgd: a velocity that is read-only": lambda k: step(k, [f(3)] * 2, [f(3)] * 2, [f(3), np.broadcast_to(f(), 3)], [0] * 2),
    "sgd: a count without a number": lambda k: k.sgd([], [[]], []),
    "sgd: a count that is a tuple": lambda k: k.sgd([], [(1,)], []),
    "sgd: a parameter of integers": lambda k: step(k, [labels(1)], [f(1)], [None], [0]),
    "sgd: what is started is no dict": lambda k: k.sgd([], [], [([], 0, f(3))]),
    "sgd: what is started has no value": lambda k: k.sgd([], [], [({}, 0)]),
    "sgd: negative steps": lambda k: step(k, [f(3)], [f(3)], [f(3)], [-1]),
    "sgd: steps that are no integer": lambda k: step(k, [f(3)], [f(3)], [f(3)], [1.0]),
    "sgd: too many numbers": lambda k: k.sgd([([], [], [], [], 0.1, 0.0, 0.0, 0.0, False, 0.0)], [], []),
    "adam: no mean square": lambda k: k.adam([([f(3)], [f(3)], [f(3)], [None], [0], 0.1, 0.9, 0.9, 0.0, 0.0, False)], [], []),
    "adam: a mean square of another shape": lambda k: k.adam(
        [([f(3)], [f(3)], [f(3)], [f(2)], [0], 0.1, 0.9, 0.9, 0.0, 0.0, False)], [], []
    ),
    "rmsprop: no mean square": lambda k: k.rmsprop(
        [([f(3)], [f(3)], [None], [f(3)], [f(3)], [0], 0.1, 0.9, 0.0, 0.0, 0.9)], [], []
    ),
    "rmsprop: a mean of another dtype": lambda k: k.rmsprop(
        [([f(3)], [f(3)], [f(3)], [None], [d(3)], [0], 0.1, 0.9, 0.0, 0.0, 0.9)], [], []
    ),
    "philox: no out": lambda k: k.philox(WORDS, (0, 0, 0, 0), None),
    "philox: out": lambda k: k.philox(WORDS, (0, 0, 0, 0), np.empty(8, np.uint32)[::2]),
    "philox: out of another dtype": lambda k: k.philox(WORDS, (0, 0, 0, 0), np.empty(8, np.uint16)),
    "uniform: dtype": lambda k: k.uniform(8, np.int8, WORDS, 0, 0.0, 1.0),
    "uniform: float16": lambda k: k.uniform(8, np.float16, WORDS, 0, 0.0, 1.0),
    "uniform: other byte order": lambda k: k.uniform(8, np.dtype(np.float32).newbyteorder(), WORDS, 0, 0.0, 1.0),
    "uniform: empty key": lambda k: k.uniform(8, np.float32, (), 0, 0.0, 1.0),
    "uniform: no key": lambda k: k.uniform(8, np.float32, None, 0, 0.0, 1.0),
    "uniform: size": lambda k: k.uniform((2, -1), np.float32, WORDS, 0, 0.0, 1.0),
    "normal: probabilities": lambda k: k.normal(8, np.float32, WORDS, 0, 0.0, 1.0, 5.0, 5.0, 1.0, -math.inf, math.inf),
    "normal: NaN": lambda k: k.normal(8, np.float32, WORDS, 0, 0.0, 1.0, math.nan, 0.0, 1.0, -math.inf, math.inf),
    "integers: no key": lambda k: k.integers(8, None, 0, 0, 6),
    "permutation: short key": lambda k: k.permutation(8, (1,), 0),
    "permutation: size": lambda k: k.permutation(-1, WORDS, 0),
    "batch_norm: mean that is a view": lambda k: k.batch_norm(f(5, 3), None, None, f(6)[::2], f(3), 1e-5, True),
    "batch_norm: var that is read-only": lambda k: k.batch_norm(f(5, 1), None, None, f(1), np.broadcast_to(f(), 1), 1e-5, True),
    "batch_norm: four axes": lambda k: k.batch_norm(f(5, 3, 2, 2), None, None, f(3), f(3), 1e-5, True),
    "cross_entropy: labels that are a view": lambda k: k.cross_entropy(f(3, 4), labels(0, 9, 1, 9, 2, 9)[::2]),
    "cross_entropy: a list of labels": lambda k: k.cross_entropy(f(3, 4), [0, 1, 2]),
    "cross_entropy: no labels": lambda k: k.cross_entropy(f(3, 4), None),
    "cross_entropy: no class": lambda k: k.cross_entropy(f(3, 4), labels(0, 4, -1)),
    "cross_entropy_backward: no p": lambda k: k.cross_entropy_backward(f(), None, labels(0), 1.0),
    "column_sums: a vector": lambda k: k.column_sums(f(3)),
    "column_sums of nothing": lambda k: k.column_sums(None),
    "summarize: empty": lambda k: k.summarize(f(0), 2),
    "summarize: integers": lambda k: k.summarize(labels(1, 2), 2),
    "summarize: none": lambda k: k.summarize(None, 2),
    "summarize: a list": lambda k: k.summarize([1.0, 2.0], 2),
    "summarize: fewer bins than none": lambda k: k.summarize(f(8), -1),
    "summarize: bins that are True": lambda k: k.summarize(f(8), True),
    "summarize: half a bin": lambda k: k.summarize(f(8), 0.5),
    **{f"{name} of nothing": lambda k, name=name: getattr(k, name)(None) for name in ("tanh", "relu", "exp", "silu")},
    "tanh of text": lambda k: k.tanh("0.5"),
    "tanh of complex numbers": lambda k: k.tanh(np.ones(2, complex)),
    "tanh_backward of nothing": lambda k: k.tanh_backward(None, f(2)),
    "linear: columns": lambda k: k.linear(f(2, 3), f(4, 5)),
    "linear: bias": lambda k: k.linear(f(2, 3), f(4, 3), f(3)),
    "linear: a bias of one row": lambda k: k.linear(f(2, 3), f(4, 3), f(1, 4)),
    "linear: a bias of two rows": lambda k: k.linear(f(2, 3), f(4, 3), f(2, 2)),
    "linear: a bias without axes": lambda k: k.linear(f(2, 3), f(1, 3), f()),
    "leaky_relu: no slope": lambda k: k.leaky_relu(f(3), None),
    "leaky_relu_backward: slope": lambda k: k.leaky_relu_backward(f(3), f(3), "0.1"),
    "elu: no number": lambda k: k.elu(f(3), 1.0, None),
    "batch_norm: no mean": lambda k: k.batch_norm(f(5, 3), None, None, None, f(3), 1e-5, True),
    "batch_norm_backward: no var": lambda k: k.batch_norm_backward(f(5, 3), f(5, 3), None, f(3), None, 1e-5, True),
    "linear: two dtypes": lambda k: k.linear(f(2, 3), d(4, 3)),
    "matmul: a vector": lambda k: k.matmul(f(3), f(3, 4)),
    "matmul: two dtypes": lambda k: k.matmul(f(2, 3), d(3, 4)),
    "matmul: rows": lambda k: k.matmul(f(2, 3), f(2, 3)),
    "matmul: out": lambda k: k.matmul(f(2, 3), f(3, 4), f(4, 2)),
    "matmul: out of another dtype": lambda k: k.matmul(f(2, 3), f(3, 4), d(2, 4)),
    "matmul: out that is read-only": lambda k: k.matmul(f(2, 3), f(3, 4), np.broadcast_to(f(1), (2, 4))),
}


def step(backend, *lists):
    """A step of SGD, with momentum where there is a velocity; whatever happens, nothing may have moved."""
    before = [[None if x is None else np.copy(x) for x in each] for each in lists[:3]]
    try:
        backend.sgd([(*lists, 0.1, 0.9 if lists[2][0] is not None else 0.0, 0.0, 0.0, False)], [], [])
    finally:
        for each, copies in zip(lists, before, strict=False):
            for x, copy in zip(each, copies, strict=True):
                np.testing.assert_array_equal(x, copy)


def refusal(call, backend):
    """The error that a call raises on a backend."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call(backend)
    return caught.value


@pytest.mark.parametrize("call", UNFIT)
def test_arrays_that_do_not_fit_are_refused_alike(call):
    errors = [refusal(UNFIT[call], backend) for backend in BACKENDS.values()]
    assert len({(type(error), str(error)) for error in errors}) == 1
    assert re.search("must|got|convert|pass", str(errors[0]))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((f(2, 3), f(4, 5)), ValueError, r"x has shape \(2, 3\) and weight \(4, 5\); their columns must"),
        ((f(2, 3), f(4, 3), f(3)), ValueError, r"bias must be float32 of shape \(4,\), got float32 of shape \(3,\)"),
        ((f(2, 3), f(4, 3), f(1)), ValueError, r"bias must be float32 of shape \(4,\), got float32 of shape \(1,\)"),
        ((f(2, 3), f(4, 3), f(2, 4)), ValueError, r"bias must be float32 of shape \(4,\), got float32 of shape \(2, 4\)"),
        ((f(2, 3), f(4, 3), d(4)), ValueError, r"bias must be float32 of shape \(4,\), got float64 of shape \(4,\)"),
        ((f(2, 3), f(4, 3), [1.0] * 4), ValueError, r"bias must be float32 of shape \(4,\), got list"),
        ((f(0, 3), f(4, 5)), ValueError, r"x has shape \(0, 3\) and weight \(4, 5\)"),
        ((f(3), f(4, 3)), TypeError, r"x must be a 2-D NumPy array .*, got float32 of shape \(3,\)"),
        ((None, f(4, 3)), TypeError, "x must be a 2-D NumPy array .*, got NoneType"),
        ((f(2, 3), "weight"), TypeError, "weight must be a 2-D NumPy array .*, got str"),
        ((f(2, 3), labels(1)[:, None]), TypeError, r"weight must be .*, got int64 of shape \(1, 1\)"),
        ((f(2, 3), d(4, 3)), TypeError, r"x is float32 and weight is float64; convert one with \.astype\(\)"),
    ],
)
def test_a_linear_layer_that_does_not_fit_is_refused(arguments, error, message, backend):
    with pytest.raises(error, match=f"linear: {message}"):
        BACKENDS[backend].linear(*arguments)


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


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_new_plain_arrays(backend):
    k, empty, matrix = BACKENDS[backend], f(0, 3), f(2, 2)
    assert k.cross_entropy(empty, labels())[0] is not empty
    masked = np.ma.array(matrix, mask=np.eye(2))
    for made in (k.matmul(masked, masked), k.linear(masked, matrix)):
        assert type(made) is np.ndarray
        np.testing.assert_array_equal(made, [[2, 2], [2, 2]])
