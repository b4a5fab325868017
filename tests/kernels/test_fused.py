"""The fused kernels (activations, linear, sums, batch norm, cross-entropy, SGD) against numbers worked out by hand, Python's
decimals and definitions written down again in float64; bit for bit against their reference implementations where these promise
it, and between instruction sets and numbers of threads everywhere. What csrc/ refuses, and reading past an end, is in
tests/c/core.c."""

import decimal
import importlib.util
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

import minidl.functional as F
from minidl import Tensor, kernels
from minidl.kernels import reference
from minidl.optim import SGD, AdamW, RMSprop

REALS = [np.float32, np.float64]
COMPILED = kernels._backend
SETS = COMPILED.instruction_sets()
compiled_only = pytest.mark.skipif(kernels.backend != "compiled", reason="compares the compiled kernels with the reference")


@pytest.fixture(autouse=True)
def restored():
    before = kernels.get_num_threads(), COMPILED.instruction_set()
    yield
    kernels.set_num_threads(before[0])
    COMPILED.choose_instruction_set(before[1])


@pytest.fixture(params=["reference", *(SETS if kernels.backend == "compiled" else [])])
def backend(request, monkeypatch):
    """The reference implementation, then the compiled kernels with each instruction set; what calls `kernels` gets it, too."""
    module = reference if request.param == "reference" else COMPILED
    assert module is reference or module.choose_instruction_set(request.param)
    for name in ("matmul", "linear", "column_sums"):
        monkeypatch.setattr(kernels, name, getattr(module, name))
    return module


def ways(sets=SETS, threads=(1, 2, 3)):
    """Each instruction set with each of these numbers of threads."""
    for name, n in itertools.product(sets, threads):
        COMPILED.choose_instruction_set(name)
        kernels.set_num_threads(n)
        yield f"{name}, {n} threads"


def bits(*arrays):
    """What tells arrays apart to the last bit; only that a NaN may be any."""
    return [
        (x.shape, x.dtype.type, np.where(np.isnan(x), np.array(np.nan, x.dtype), x).tobytes()) for x in map(np.asarray, arrays)
    ]


def normal(seed, shape, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def unit(dtype):
    """u: a rounded number is (1 + d) times the exact one, |d| <= u."""
    return float(np.finfo(dtype).eps) / 2


# Functions of one number

FUNCTIONS = {
    "exp": lambda m, x, dy: m.exp(x),
    "tanh": lambda m, x, dy: m.tanh(x),
    "tanh_backward": lambda m, x, dy: m.tanh_backward(dy, x),
    "sigmoid": lambda m, x, dy: m.sigmoid(x),
    "sigmoid_backward": lambda m, x, dy: m.sigmoid_backward(dy, x),
    "relu": lambda m, x, dy: m.relu(x),
    "relu_backward": lambda m, x, dy: m.relu_backward(dy, x),
    "leaky_relu": lambda m, x, dy: m.leaky_relu(x, 0.01),
    "leaky_relu_backward": lambda m, x, dy: m.leaky_relu_backward(dy, x, 0.01),
    "elu": lambda m, x, dy: m.elu(x, 1.05, 1.76),
    "elu_backward": lambda m, x, dy: m.elu_backward(dy, x, 1.05, 1.76),
    "silu": lambda m, x, dy: m.silu(x),
    "silu_backward": lambda m, x, dy: m.silu_backward(dy, x),
    "gelu": lambda m, x, dy: m.gelu(x),
    "gelu_backward": lambda m, x, dy: m.gelu_backward(dy, x),
    "log": lambda m, x, dy: m.log(x),
}


def apply(name, module, x, dy):
    with np.errstate(all="ignore"):
        return FUNCTIONS[name](module, x, dy)


def numbers(seed, n, dtype):
    """Of every size, and where the functions turn: n of them."""
    limits = np.finfo(dtype)
    turns = [
        0,
        1e-9,
        0.1,
        0.35,
        1,
        2,
        9,
        18,
        20,
        37,
        40,
        44.4,
        87.4,
        88.72,
        88.73,
        103.9,
        104,
        150,
        708.5,
        709.7,
        709.8,
        745.1,
        746,
    ]
    edges = [limits.smallest_subnormal, limits.tiny, limits.tiny / 2, limits.max, np.inf, np.nan]
    random = normal(seed, n, np.float64) * 10.0 ** np.random.default_rng(seed + 1).uniform(-50, 4, n)
    with np.errstate(over="ignore"):
        x = np.concatenate([turns, edges, random]).astype(dtype)
    return np.concatenate([x, -x])[:n] if n < 100 else np.concatenate([-x[:29], x])[:n]


@compiled_only
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_functions_have_the_bits_of_the_reference(name, dtype):
    x, dy = numbers(0, 50_001, dtype), numbers(2, 50_001, dtype)[::-1].copy()  # work for three threads
    expected = bits(apply(name, reference, x, dy))
    for way in ways():
        assert bits(apply(name, COMPILED, x, dy)) == expected, way


@compiled_only
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_number_has_one_value_wherever_it_stands(name, dtype):
    x, dy = numbers(3, 70, dtype), numbers(4, 70, dtype)
    expected = apply(name, reference, x, dy)
    for instruction_set in SETS:
        COMPILED.choose_instruction_set(instruction_set)
        for n in range(71):
            assert bits(apply(name, COMPILED, x[70 - n :], dy[70 - n :])) == bits(expected[70 - n :])


def unaligned(x):
    view = np.frombuffer(bytearray(x.nbytes + 1), x.dtype, offset=1).reshape(x.shape)
    view[...] = x
    return view


def field(x):
    records = np.zeros(x.shape, np.dtype([("tag", np.uint8), ("value", x.dtype), ("rest", np.uint16)]))
    records["value"] = x
    return records["value"]


LAYOUTS = {
    "columns": np.asfortranarray,
    "steps": lambda x: np.repeat(x, 3, axis=1)[:, ::3],
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "one row": lambda x: np.broadcast_to(x[:1], x.shape),
    "one column": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "unaligned": unaligned,
    "field": field,
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
}
NUMBER = {"without axes": lambda x: x[1, 1].reshape(()), "NumPy's scalar": lambda x: x[1, 1]}


@pytest.mark.parametrize("layout", LAYOUTS | NUMBER)
@pytest.mark.parametrize("dtype", REALS)
def test_functions_take_any_layout(dtype, layout, backend):
    x, dy = ((LAYOUTS | NUMBER)[layout](normal(seed, (5, 7), dtype)) for seed in (5, 6))
    for name in FUNCTIONS:
        y = apply(name, backend, x, dy)
        plain = apply(name, reference, *(np.array(t, dtype, order="C") for t in (x, dy)))
        assert (y.shape, y.dtype.type) == (x.shape, dtype)
        np.testing.assert_array_equal(y, plain)


def logistic(x):
    return 1 / (1 + (-x).exp())


def slope_of_silu(x):
    return logistic(x) * (1 + x * (1 - logistic(x)))


def normal_distribution(x):
    """(P(x), p(x)): P(x) = 1/2 + p(x) (x + x^3/3 + x^5/(3 5) + ...), with digits enough for what is lost at x = -14."""
    p = (-x * x / 2).exp() / (
        2 * decimal.Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620")
    ).sqrt()
    term, total, n = x, decimal.Decimal(0), 1
    while total + term != total:
        total, n = total + term, n + 2
        term *= x * x / n
    return decimal.Decimal(1) / 2 + p * total, p


def slope_of_gelu(x):
    big, small = normal_distribution(x)
    return big + x * small


# The largest errors found, in units of the last place, over all float32 numbers and millions of float64, are in
# docs/kernels.md; `python tools/ulp.py` finds them.
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize(
    ("name", "function", "bound", "low", "high"),
    [
        ("exp", lambda x: x.exp(), 1.1, (-103, -745), (88.7, 709)),
        ("tanh", lambda x: 1 - 2 / ((2 * x).exp() + 1), 2.6, (-25, -25), (25, 25)),
        ("tanh_backward", lambda y: 1 - y * y, 2, (-1, -1), (1, 1)),
        ("sigmoid", logistic, 2.5, (-103, -745), (25, 40)),
        ("sigmoid_backward", lambda y: y * (1 - y), 2, (0, 0), (1, 1)),
        ("elu", lambda x: x.exp() - 1, 1.2, (-25, -45), (0, 0)),
        ("silu", lambda x: x * logistic(x), 3, (-108, -751), (25, 40)),
        ("silu_backward", slope_of_silu, 4, (-108, -751), (25, 40)),
        ("gelu", lambda x: x * normal_distribution(x)[0], 3.5, (-14.1, -12), (6, 8)),
        ("gelu_backward", slope_of_gelu, 4, (-14.1, -12), (6, 8)),
        ("log", lambda x: x.ln(), 2.1, (1e-45, 5e-324), (10, 10)),
    ],
)
def test_functions_are_exact_to_a_few_units_in_the_last_place(name, function, bound, low, high, dtype, backend):
    low, high = low[dtype is np.float64], high[dtype is np.float64]
    small = normal(7, 150) * 10.0 ** np.random.default_rng(8).uniform(-12, 0, 150)
    zero = {"silu_backward": -1.2784645427610738, "gelu_backward": -0.75179152469356446}.get(name, 0.5)  # of the derivatives
    x = np.concatenate([np.random.default_rng(9).uniform(low, high, 200), small, zero + 0.1 * small])
    x = np.clip(x, low, high or -1e-30).astype(dtype)
    y = backend.elu(x, 1.0, 1.0) if name == "elu" else apply(name, backend, x, np.ones_like(x))
    with decimal.localcontext(prec=75):
        for a, b in zip(x.tolist(), y.tolist(), strict=True):
            exact = function(decimal.Decimal(a))
            unit_in_the_last_place = decimal.Decimal(float(np.spacing(np.abs(dtype(exact)))))
            assert abs(decimal.Decimal(b) - exact) <= decimal.Decimal(bound) * unit_in_the_last_place, a


def test_every_function_is_within_3_units_in_the_last_place_over_the_whole_range_of_float32():
    path = Path(__file__).parents[2] / "tools" / "ulp.py"
    spec = importlib.util.spec_from_file_location("ulp", path)
    ulp = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ulp)
    assert {"exp", "log", "sqrt", "tanh", "sigmoid", "relu", "elu", "selu", "gelu", "silu", "softplus", "abs"} <= set(
        ulp.FUNCTIONS
    )
    for name, function in ulp.FUNCTIONS.items():
        error, x = ulp.worst_float32(function, 20_011)
        assert error <= 3, (name, x)


# To 20 digits by mpmath: x, x P(x), P(x) + x p(x).
FAR_OUT = [
    (-5.0, -1.4332578593959695584e-6, -7.1469460017922946279e-6),
    (-8.0, -4.9767684594174272988e-15, -3.9796072610867959891e-14),
    (-20.0, -5.5072482372124673902e-88, -1.1014360483133464042e-86),
    (-37.5, -1.7270073785932330664e-306, -6.476271143055812623e-305),
    (-38.4, -2.5350143440614788275e-321, -9.7344461574134057833e-320),  # subnormal
    (3.0, 2.9959503059051097164, 1.011945647204183927),
]


@pytest.mark.parametrize(("x", "y", "slope"), FAR_OUT)
def test_gelu_is_as_exact_far_out_as_in_the_middle(x, y, slope, backend):
    one, grid = np.ones(1), 4 * 5e-324
    assert backend.gelu(np.array([x]))[0] == pytest.approx(y, rel=1e-15, abs=grid)
    assert backend.gelu_backward(one, np.array([x]))[0] == pytest.approx(slope, rel=1e-15, abs=grid)
    if x > -13:
        assert backend.gelu(np.array([x], np.float32))[0] == pytest.approx(y, rel=2e-7, abs=0)


def test_what_is_subnormal_is_rounded_only_once(backend):
    """x e^x / (1 + e^x) at -100 is 2654.75 units of 2^-149; a product with e^-100, which has 26.5 of them, is off by 50."""
    x, grid = np.array([-100.0], np.float32), 2.0**-149
    assert abs(float(backend.silu(x)[0]) + 3.720075976020835963e-42) <= 2 * grid
    assert abs(float(backend.silu_backward(np.ones_like(x), x)[0]) + 3.6828752162606276033e-42) <= 2 * grid
    assert abs(float(backend.elu_backward(np.ones_like(x), x, 1.0, 100.0)[0]) - 3.720075976020835963e-42) <= 2 * grid
    assert backend.silu(np.array([-750.0]))[0] == pytest.approx(-1.42626372260625483e-323, abs=5e-324)
    assert float(backend.log(np.array([5e-324]))[0]) == pytest.approx(-744.44007192138126231, rel=1e-15)


def test_limits_of_gelu_silu_and_log(backend):
    for dtype in REALS:
        ends = np.array([-np.inf, np.inf, -1e30, 1e30], dtype)
        one = np.ones_like(ends)
        for function in (backend.gelu, backend.silu):
            assert function(ends).tolist() == [0, np.inf, 0, dtype(1e30)]
        for function in (backend.gelu_backward, backend.silu_backward):
            assert function(one, ends).tolist() == [0, 1, 0, 1]
        assert backend.log(np.array([0, -0.0, 1, np.inf], dtype)).tolist() == [-np.inf, -np.inf, 0, np.inf]
        assert np.isnan(backend.log(np.array([-1, -np.inf, np.nan], dtype))).all()


@pytest.mark.parametrize("dtype", REALS)
def test_known_values_and_limits(dtype, backend):
    def value(function, x, *numbers):
        with np.errstate(all="ignore"):
            return function(np.array([x], dtype), *numbers)[0]

    for function, x, known in [
        (backend.exp, 1, 2.71828182845904523536),
        (backend.tanh, 1, 0.76159415595576488812),
        (backend.tanh, -0.5, -0.46211715726000975850),
        (backend.sigmoid, 1, 0.73105857863000487925),
        (backend.sigmoid, -1, 0.26894142136999512075),
        (backend.silu, -1, -0.26894142136999512075),
        (lambda x: backend.elu(x, 1.0, 2.0), -1, 2 * -0.63212055882855767840),
    ]:
        assert value(function, x) == pytest.approx(known, rel=5 * unit(dtype))
    inf, largest = np.inf, 88.72283 if dtype is np.float32 else 709.7827128933840  # ln of the largest number, rounded down
    assert [value(backend.exp, x) for x in (0, -0.0, -inf, inf, -1e30, 1e30)] == [1, 1, 0, inf, 0, inf]
    assert np.isfinite(value(backend.exp, largest))
    assert value(backend.exp, largest + 1e-3) == inf
    assert [value(backend.tanh, x) for x in (-inf, -20, 20, inf)] == [-1, -1, 1, 1]
    assert [value(backend.sigmoid, x) for x in (-inf, -1e30, 0, 50, inf)] == [0, 0, 0.5, 1, 1]
    assert [value(backend.elu, x, 3.0, 2.0) for x in (-inf, -50, 0, 4, inf)] == [-2, -2, 0, 12, inf]
    assert [value(backend.relu, x) for x in (-inf, -1, 0, 2, inf)] == [0, 0, 0, 2, inf]
    assert [value(backend.leaky_relu, x, 0.25) for x in (-inf, -4, 0, 2)] == [-inf, -1, 0, 2]
    for function in (backend.tanh, backend.relu, lambda x: backend.leaky_relu(x, 0.5)):
        assert np.signbit(value(function, -0.0))
        assert not np.signbit(value(function, 0.0))
    for tiny in (1e-30, float(np.finfo(dtype).smallest_subnormal), 0.1 * float(np.finfo(dtype).tiny)):
        for function in (backend.tanh, lambda x: backend.elu(x, 1.0, 1.0)):  # = x, to far more than the last bit
            assert value(function, -tiny) == dtype(-tiny)
    for name in FUNCTIONS:
        one = np.ones(1, dtype)
        assert np.isnan(apply(name, backend, one * dtype(np.nan), one)) or name in ("relu_backward", "leaky_relu_backward")


@pytest.mark.parametrize("dtype", REALS)
def test_tanh_is_odd_to_the_last_bit(dtype, backend):
    x = numbers(10, 3000, dtype)
    x = x[~np.isnan(x)]
    assert (backend.tanh(-x) == -backend.tanh(x)).all()


def test_derivatives_are_those_of_finite_differences(backend):
    x = np.concatenate([np.linspace(-6, 6, 40), [-30, -0.01, 0.01, 30]])  # never within h of the bends at 0
    dy, h = normal(11, x.shape), 1e-6
    for name in ("tanh", "sigmoid", "relu", "leaky_relu", "elu", "silu"):
        at = FUNCTIONS[name](backend, x, None) if name in ("tanh", "sigmoid", "relu") else x  # these are told the output
        slope = (FUNCTIONS[name](backend, x + h, None) - FUNCTIONS[name](backend, x - h, None)) / (2 * h)
        # Truncation h^2 f'''/6 < 1e-12; rounding 3 u |f| / h, |f| up to 32: 1e-8.
        np.testing.assert_allclose(FUNCTIONS[name + "_backward"](backend, at, dy), dy * slope, atol=3e-8, rtol=0)


# Linear and its gradients, and sums of columns


def linear_and_gradients(x, weight, bias, dy):
    """y, dx, dweight and dbias of `functional.linear`; the last is left out where bias is None."""
    parents = [Tensor(t, requires_grad=True) for t in (x, weight, bias) if t is not None]
    y = F.linear(*parents)
    y.backward(dy)
    return [y.data, *(t.grad for t in parents)]


def assert_sums(found, exact, magnitude, n, dtype):
    """|found - exact| <= gamma_n sum |terms|, gamma_n = n u / (1 - n u): n products summed in any order, fused or not (Higham,
    "Accuracy and Stability of Numerical Algorithms", section 3.1). `exact` has such a bound, too, with float64's u."""
    gamma = sum(n * u / (1 - n * u) for u in (unit(dtype), unit(np.float64)))
    assert found.dtype == dtype
    assert found.shape == exact.shape
    assert (np.abs(found - exact) <= gamma * magnitude).all()


SMALL = [(1, 1, 1), (1, 64, 10), (5, 1, 3), (33, 30, 17)]  # batch, in, out
SHAPES = [*SMALL, (130, 95, 1), (1, 515, 70), (70, 300, 129)]


@pytest.mark.parametrize("layout", ["rows", *LAYOUTS])
@pytest.mark.parametrize("dtype", REALS)
def test_linear_and_its_gradients_are_within_the_theoretical_bound(dtype, layout, backend):
    for batch, n_in, n_out in SHAPES if layout == "rows" else SMALL:
        lay = {"rows": np.array, **LAYOUTS}[layout]
        x, dy = lay(normal(12, (batch, n_in), dtype)), lay(normal(13, (batch, n_out), dtype))
        w, b = normal(14, (n_out, n_in), dtype), normal(15, n_out, dtype)
        ax, ady, aw, ab = (np.abs(t, dtype=np.float64) for t in (x, dy, w, b))
        ex, edy, ew, eb = (t.astype(np.float64) for t in (x, dy, w, b))
        assert_sums(F.linear(x, w).data, ex @ ew.T, ax @ aw.T, n_in, dtype)
        y, dx, dw, db = linear_and_gradients(x, w, b, dy)
        assert_sums(y, ex @ ew.T + eb, ax @ aw.T + ab, n_in + 1, dtype)
        assert_sums(dx, edy @ ew, ady @ aw, n_out, dtype)
        assert_sums(dw, edy.T @ ex, ady.T @ ax, batch, dtype)
        assert_sums(db, edy.sum(0), ady.sum(0), batch, dtype)


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize(("batch", "n_in", "n_out"), [(200, 130, 70), (1, 700, 1600), (1600, 700, 1), (65, 200, 129)])
def test_linear_has_the_same_bits_for_any_number_of_threads_and_every_fused_instruction_set(batch, n_in, n_out, dtype):
    x, dy, w = normal(16, (batch, n_in), dtype), normal(17, (batch, n_out), dtype), normal(18, (n_out, n_in), dtype)
    b = normal(19, n_out, dtype)
    found = {"plain": [], "fused": []}
    for _ in ways():
        kind = "plain" if COMPILED.instruction_set() in ("generic", "numpy") else "fused"
        found[kind].append(bits(kernels.linear(x, w), *linear_and_gradients(x, w, b, dy)))
    for same in found.values():
        assert all(each == same[0] for each in same)


def test_linear_takes_any_layout_and_functional_linear_two_dtypes(backend):
    x, w, b = np.arange(6.0).reshape(2, 3), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([10.0, 20.0])
    y, dy = [[18, 37], [36, 82]], np.array([[1.0, 0.0], [1.0, 1.0]])
    gradients = [[[1, 2, 3], [5, 7, 9]], [[3, 5, 7], [3, 4, 5]], [2, 1]]
    single = [t.astype(np.float32) for t in (x, w, b)]
    for layouts in ((x, w, np.repeat(b, 2)[::2]), (field(x), w, b), (x, unaligned(w), b), (x, w[::-1][::-1], unaligned(b))):
        assert backend.linear(*layouts).tolist() == y
    for dtypes in ((x, single[1], b), (single[0], w, single[2]), (x, w, single[2]), (*single[:2], b), layouts, single):
        value, *found = linear_and_gradients(*dtypes, dy)
        assert value.tolist() == y
        assert value.dtype == (np.float32 if dtypes is single else np.float64)
        assert [g.tolist() for g in found] == gradients
        assert [g.dtype for g in found] == [t.dtype for t in dtypes]


def test_linear_computes_the_gradients_that_are_needed(monkeypatch):
    called = []

    def watched(kernel):
        return lambda *arrays: called.append(kernel(*arrays).shape) or kernel(*arrays)

    for name in ("matmul", "column_sums"):
        monkeypatch.setattr(kernels, name, watched(getattr(kernels, name)))
    shapes = [(2, 3), (4, 3), (4,)]  # of x, weight and bias, and so of their gradients
    for needed in itertools.product((False, True), repeat=3):
        called.clear()
        parents = [Tensor(np.ones(shape), requires_grad=need) for shape, need in zip(shapes, needed, strict=True)]
        y = F.linear(*parents)
        if any(needed):
            y.backward(np.ones((2, 4)))
        assert [t.grad is not None for t in parents] == list(needed)
        assert called == list(itertools.compress(shapes, needed))


@pytest.mark.parametrize("dtype", REALS)
def test_linear_of_nothing_is_the_bias_and_its_gradients_are_0(dtype, backend):
    for batch, n_in, n_out in [(0, 3, 2), (2, 0, 3), (3, 2, 0), (0, 0, 0)]:
        x, w, b = np.empty((batch, n_in), dtype), np.empty((n_out, n_in), dtype), np.arange(n_out, dtype=dtype)
        y, dx, dw, db = linear_and_gradients(x, w, b, np.ones((batch, n_out), dtype))
        np.testing.assert_array_equal(y, np.tile(b, (batch, 1)), strict=True)
        np.testing.assert_array_equal(dx, np.zeros((batch, n_in), dtype), strict=True)
        np.testing.assert_array_equal(dw, np.zeros((n_out, n_in), dtype), strict=True)
        np.testing.assert_array_equal(db, np.full(n_out, batch, dtype), strict=True)
        np.testing.assert_array_equal(backend.linear(x, w), np.zeros((batch, n_out), dtype), strict=True)


@compiled_only
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize(
    "shape", [(0, 3), (3, 0), (1, 1), (7, 2), (9, 63), (33, 64), (128, 5), (129, 65), (257, 1), (1000, 130)]
)
def test_sums_of_columns_have_the_bits_of_the_reference(shape, dtype):
    x = normal(20, shape, dtype) * dtype(1e3) ** normal(21, shape, dtype)
    expected = bits(reference.column_sums(x))
    for way in ways():
        assert bits(COMPILED.column_sums(x), COMPILED.column_sums(np.asfortranarray(x))) == expected * 2, way
        if x.size:
            ones = np.ones((shape[0], 1), dtype), np.ones((shape[1], 1), dtype)
            assert bits(linear_and_gradients(*ones, np.zeros(shape[1], dtype), x)[3]) == expected, way


def test_a_sum_of_a_column_by_hand(backend):
    # 2^24 + 1 is rounded to 2^24 in float32; (2^24 + 1) + (1 + 1) is 2^24 + 2, and (1 + 1) + (1 + 1) more 2^24 + 6.
    x = np.ones((9, 2), np.float32)
    x[0, 0] = 2**24
    assert backend.column_sums(x[:8]).tolist() == [2**24 + 6, 8]
    assert backend.column_sums(x).tolist() == [2**24 + 8, 9]  # and one more alone: 2^24 + 7, to even


@compiled_only
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("shape", [(0, 3, 2), (3, 2, 0), (9, 40, 2), (130, 3, 36), (5, 3, 64), (3, 2, 129), (2, 200, 300)])
def test_sums_of_channels_have_the_bits_of_the_reference(shape, dtype):
    x = normal(20, shape, dtype) * dtype(1e3) ** normal(21, shape, dtype)
    expected = bits(reference.column_sums(x))
    for way in ways():
        assert bits(COMPILED.column_sums(x)) == expected, way


def test_a_sum_of_a_channel_by_hand(backend):
    x = np.ones((8, 2, 3), np.float32)
    x[:, 1] = 10
    x[0, 0, 0] = 2**24  # a place has 2^24 + 6, as above, the others 8
    assert backend.column_sums(x).tolist() == [2**24 + 22, 240]


def test_sums_of_columns_take_matrices_and_channels_with_places(backend):
    for x in (np.ones(3), np.ones((3, 1, 1, 1))):
        with pytest.raises(ValueError, match=r"x must have shape \(rows, channels\) or .*, got float64 of shape \(3,"):
            backend.column_sums(x)


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("rows", [1000, 20_000, 300_000])
def test_the_error_of_a_sum_over_rows_is_at_most_twice_that_of_numpys_pairwise_sum(rows, dtype, backend):
    x = np.random.default_rng(22).random((rows, 16)).astype(dtype)
    exact = np.array([math.fsum(column) for column in x.T.tolist()])
    errors = [np.sqrt(np.mean(((sums - exact) / exact) ** 2)) for sums in (backend.column_sums(x), x.T.copy().sum(axis=1))]
    assert errors[0] <= 2 * errors[1] + unit(dtype)
    assert errors[0] <= 4 * unit(dtype)  # of one chain some sqrt(rows) u and more


@compiled_only
def test_a_long_sum_of_ones_is_exact():
    ones = np.ones((1 << 25, 1), np.float32)
    assert COMPILED.column_sums(ones)[0] == 1 << 25  # one chain ends at 2^24
    assert kernels.sum(np.broadcast_to(ones[:, 0], (2, 1 << 25)).T, 0).tolist() == [1 << 25] * 2


AXES = {
    "one column": ((200_000, 1), 0),
    "rows": ((200_000, 3), 0),
    "all of them": ((200_000, 3), (0, 1)),
    "around the middle": ((400, 3, 500), (0, 2)),
    "the first two": ((400, 500, 2), (0, 1)),
    "the middle": ((2, 200_000, 2), 1),
    "the last": ((2, 200_000), -1),
}
ORDERS = {
    "C": lambda x: x,
    "Fortran": np.asfortranarray,
    "steps": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backwards": lambda x: x[::-1],
    "repeated": lambda x: np.broadcast_to(x[:1], x.shape) if len(x) > 2 else x,
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axes", AXES)
def test_sums_over_any_axes_in_any_order_are_exact_to_a_few_units(axes, order, backend):
    shape, axis = AXES[axes]
    x = ORDERS[order](np.random.default_rng(23).random(shape, np.float32) + np.float32(1000))
    exact = np.sum(x, axis=axis, dtype=np.float64)  # one chain of 2e5 at worst: 2e-11
    for keepdims in (False, True):
        found = kernels.sum(x, axis, keepdims)
        assert found.dtype == np.float32
        assert found.shape == np.sum(x, axis=axis, keepdims=keepdims).shape
        np.testing.assert_allclose(found.reshape(exact.shape), exact, rtol=8 * unit(np.float32))


def test_sums_over_axes_are_numpys_where_nothing_is_rounded():
    for shape in [(), (5,), (2, 3), (2, 1, 3, 4), (0, 3), (3, 0), (2, 3, 0)]:
        x = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
        axes = [None, *range(-x.ndim, x.ndim), *itertools.chain(*(itertools.combinations(range(x.ndim), n) for n in range(5)))]
        for axis, keepdims, array in itertools.product(axes, (False, True), (x, x.T, x.astype(int), x.astype(bool))):
            np.testing.assert_array_equal(
                kernels.sum(array, axis, keepdims), np.sum(array, axis, keepdims=keepdims), strict=True
            )
    with pytest.raises(np.exceptions.AxisError):
        kernels.sum(np.ones((2, 3)).T, 2)


# Batch norm


@pytest.mark.parametrize("dtype", REALS)
def test_batch_norm_by_hand(dtype, backend):
    x, dy = np.array([[1], [2], [3], [6]], dtype), np.array([[1], [0], [0], [0]], dtype)
    weight, bias, m, v = np.array([2], dtype), np.array([10], dtype), np.zeros(1, dtype), np.zeros(1, dtype)
    y = backend.batch_norm(x, weight, bias, m, v, 0.5, True)  # mean 3, variance 14/4, s = 1/2, h = -1, -1/2, 0, 3/2
    assert (m.tolist(), v.tolist(), y.ravel().tolist()) == ([3], [3.5], [8, 9, 10, 13])
    dx, dweight, dbias = backend.batch_norm_backward(dy, x, weight, m, v, 0.5, True)  # dh = 2, 0, 0, 0: means 1/2 and -1/2
    assert (dx.ravel().tolist(), dweight.tolist(), dbias.tolist()) == ([0.5, -0.375, -0.25, 0.125], [-1], [1])
    m[:] = 1
    y = backend.batch_norm(x, weight, bias, m, v, 0.5, False)
    assert (m.tolist(), v.tolist(), y.ravel().tolist()) == ([1], [3.5], [10, 11, 12, 15])
    dx, dweight, dbias = backend.batch_norm_backward(dy + 1, x, weight, m, v, 0.5, False)
    assert (dx.ravel().tolist(), dweight.tolist(), dbias.tolist()) == ([2, 1, 1, 1], [4], [5])


@pytest.mark.parametrize("dtype", REALS)
def test_batch_norm_of_places_by_hand(dtype, backend):
    x = np.array([[[1, 2], [0, 8]], [[3, 6], [0, 8]]], dtype)  # channel 0: 1 2 3 6, as above; channel 1: mean 4, variance 16
    dy = np.array([[[1, 0], [4, 0]], [[0, 0], [0, 0]]], dtype)
    weight, bias, (m, v) = np.array([2, 4], dtype), np.array([10, 0], dtype), np.zeros((2, 2), dtype)
    y = backend.batch_norm(x, weight, bias, m, v, 0.5, True)
    assert (m.tolist(), v.tolist(), y[:, 0].tolist()) == ([3, 4], [3.5, 16], [[8, 9], [10, 13]])
    assert np.allclose(y[:, 1], [[-16 / 16.5**0.5, 16 / 16.5**0.5]] * 2, rtol=1e-6)
    dx, dweight, dbias = backend.batch_norm_backward(dy, x, weight, m, v, 0.5, True)
    assert (dx[:, 0].tolist(), dweight[0], dbias.tolist()) == ([[0.5, -0.375], [-0.25, 0.125]], -1, [1, 4])
    # Channel 1, s^2 = 2/33, h = -+4 s: dh = 16, 0, 0, 0 has mean 4, and mean(dh h) = -16 s.
    s = (2 / 33) ** 0.5
    exact = s * np.array([[12 - 64 * s**2, -4 + 64 * s**2], [-4 - 64 * s**2, -4 + 64 * s**2]])
    assert np.allclose(dx[:, 1], exact, rtol=1e-5)
    assert dweight[1] == pytest.approx(-16 * s, rel=1e-6)


def normalized(x, weight, bias, eps):
    """The definition, for real or complex x."""
    centred = x - x.mean(axis=0)
    return weight * centred / np.sqrt((centred * centred).mean(axis=0) + eps) + bias


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize(("rows", "columns"), [(2, 1), (3, 2), (12, 63), (7, 130), (200, 5)])
def test_batch_norm_is_within_a_bound_of_its_definition_and_its_derivatives(rows, columns, dtype, affine, backend):
    x, eps, u = normal(22, (rows, columns), dtype), 1e-5, unit(dtype)
    x[:, 0] = x[0, 0]  # a constant
    x[:, -1] += dtype(1000)  # a mean far above the deviation
    weight, bias, dy = normal(23, columns, dtype), normal(24, columns, dtype), normal(25, x.shape, dtype)
    m, v = np.empty((2, columns), dtype)
    y = backend.batch_norm(x, *((weight, bias) if affine else (None, None)), m, v, eps, True)
    w, b = (weight.astype(np.float64), bias.astype(np.float64)) if affine else (np.ones(columns), np.zeros(columns))
    x64, dy64 = x.astype(np.float64), dy.astype(np.float64)

    # The mean is off by at most n u max|x|, in deviations: `shift`. It moves h by that, and the deviation by its square; the
    # rest are n + 8 roundings of h, and two of y. Twice it all, for the definition in float64 is rounded, too.
    deviation = np.sqrt(x64.var(axis=0) + eps)
    shift = rows * u * np.abs(x64).max(axis=0) / deviation
    h = normalized(x64, 1, 0, eps)
    bound = 2 * np.abs(w) * (shift + np.abs(h) * ((rows + 8) * u + shift**2)) + 4 * u * (np.abs(w * h) + np.abs(b))
    assert (np.abs(y - normalized(x64, w, b, eps)) <= bound).all()
    assert (np.abs(m - x64.mean(axis=0)) <= shift * deviation).all()

    # Derivatives by a complex step: f(x + i t) = f(x) + i t f'(x), with t so small that nothing is cut off.
    t, exact = 1e-30, np.empty(x.shape)
    for i in range(rows):
        step = np.zeros((rows, 1))
        step[i] = t
        exact[i] = (dy64 * normalized(x64 + 1j * step, w, b, eps).imag).sum(axis=0) / t
    m, v = x64.mean(axis=0).astype(dtype), x64.var(axis=0).astype(dtype)  # rounded: h is off by u max|x| / deviation
    dx, dweight, dbias = backend.batch_norm_backward(dy, x, weight if affine else None, m, v, eps, True)
    off = (2 * rows + 20) * u * (1 + np.abs(x64).max(axis=0) / deviation)
    parts = np.abs(dy64) + np.abs(dy64).mean(axis=0) + np.abs(h) * np.abs(dy64 * h).mean(axis=0) + np.abs(h) + 1
    assert (np.abs(dx - exact) <= off * np.abs(w) / deviation * parts).all()
    assert (np.abs(dweight - (dy64 * h).sum(axis=0)) <= off * np.abs(dy64).sum(axis=0) * (1 + np.abs(h).max(axis=0))).all()
    assert (np.abs(dbias - dy64.sum(axis=0)) <= rows * 2 * u * np.abs(dy64).sum(axis=0)).all()


@compiled_only
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "shape", [(2, 1), (9, 63), (130, 5), (700, 70), (9, 40, 2), (130, 3, 36), (5, 3, 64), (3, 2, 129), (2, 3, 300), (1, 2, 700)]
)
def test_batch_norm_has_the_bits_of_the_reference(shape, training, dtype):
    x, dy = normal(26, shape, dtype) + dtype(50), normal(27, shape, dtype)
    weight, bias = normal(28, shape[1], dtype), normal(29, shape[1], dtype)

    def both_ways(module):
        m, v = np.full((2, shape[1]), dtype(1.1))
        y = module.batch_norm(x, weight, bias, m, v, 1e-5, training)
        return bits(y, m, v, *module.batch_norm_backward(dy, x, weight, m, v, 1e-5, training))

    expected = both_ways(reference)
    for way in ways():
        assert both_ways(COMPILED) == expected, way


@compiled_only
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", REALS)
def test_batch_norm_has_the_same_bits_however_it_is_computed_and_whatever_stands_beside_a_column(dtype, training):
    x, dy = normal(26, (400, 130), dtype), normal(27, (400, 130), dtype)  # columns and numbers enough for three threads
    weight, bias = normal(28, 130, dtype), normal(29, 130, dtype)

    def both_ways(columns):
        part, dpart = np.ascontiguousarray(x[:, :columns]), np.ascontiguousarray(dy[:, :columns])
        found = []
        for w, b in [(weight, bias), (weight, None), (None, bias), (None, None)]:
            w, b = (None if p is None else p[:columns] for p in (w, b))
            m, v = np.full(columns, dtype(0.1)), np.full(columns, dtype(1.1))
            y = COMPILED.batch_norm(part, w, b, m, v, 1e-5, training)
            found += [y, m, v, *COMPILED.batch_norm_backward(dpart, part, w, m, v, 1e-5, training)]
        return found

    whole = both_ways(130)
    for way in ways():
        assert bits(*both_ways(130)) == bits(*whole), way
        if kernels.get_num_threads() == 1:
            for columns in (1, 2, 15, 33, 63, 64, 65, 127, 129):
                assert bits(*both_ways(columns)) == bits(*(t[..., :columns] for t in whole)), way


# Cross-entropy


@pytest.mark.parametrize(("dtype", "digits"), [(np.float32, 3e-7), (np.float64, 5e-16)])
@pytest.mark.parametrize(
    ("logits", "label", "loss", "p"),
    [
        ([0, np.log(3)], 1, 0.28768207245178092744, [0.25, 0.75]),  # ln 4/3
        ([5, 5, 5], 2, 1.09861228866810969140, [1 / 3] * 3),
        ([0.0] * 1000, 999, 6.90775527898213705205, [1e-3] * 1000),
        ([-7], 0, 0, [1]),
        ([1e30, -1e30], 0, 0, [1, 0]),
        ([1e30, -1e30], 1, 2e30, [1, 0]),
        ([-1e30, -1e30], 1, 0.69314718055994530942, [0.5, 0.5]),
        ([0, -np.inf], 0, 0, [1, 0]),
        ([0, -np.inf], 1, np.inf, [1, 0]),
        ([0, 1, np.nan], 0, np.nan, [np.nan] * 3),
        ([np.nan, 1, 0], 1, np.nan, [np.nan] * 3),
        ([np.inf, 1], 1, np.nan, [np.nan] * 2),
        ([-np.inf, -np.inf], 1, np.nan, [np.nan] * 2),
    ],
)
def test_cross_entropy_by_hand(logits, label, loss, p, dtype, digits, backend):
    rows = np.array([[0.0] * len(logits), logits, [0.0] * len(logits)], dtype)  # what is spoilt is this row only
    labels = np.array([0, label, 0], np.intp)
    found, losses, total = backend.cross_entropy(rows, labels)
    np.testing.assert_allclose(total, 2 * np.log(len(logits)) + loss, rtol=digits, atol=digits)
    np.testing.assert_allclose(losses, [np.log(len(logits)), loss, np.log(len(logits))], rtol=digits, atol=digits)
    np.testing.assert_allclose(found, [[1 / len(logits)] * len(logits), p, [1 / len(logits)] * len(logits)], rtol=digits)
    dx = backend.cross_entropy_backward(np.array([0, 4, 2], dtype), found, labels, 0.5)
    expected = 2 * (np.array(p) - (np.arange(len(p)) == label))
    np.testing.assert_allclose(dx[1], expected, rtol=digits, atol=digits)
    assert not dx[0].any()
    assert dx[2].sum() == pytest.approx(0, abs=len(p) * digits)
    np.testing.assert_array_equal(
        backend.cross_entropy_backward(np.array(2, dtype), found, labels, 1.0)[1], dx[1]
    )  # one for all


@pytest.mark.parametrize("wrong", [-1, 3, 2**40])
def test_a_label_that_is_not_a_class_is_an_error(wrong, backend):
    with pytest.raises(ValueError, match=rf"labels from 0 to 2 for input of shape \(2, 3\), got {wrong} at index 1"):
        backend.cross_entropy(np.zeros((2, 3)), np.array([0, wrong], np.intp))


@pytest.mark.parametrize("dtype", REALS)
def test_cross_entropy_of_no_rows(dtype, backend):
    p, losses, total = backend.cross_entropy(np.zeros((0, 3), dtype), np.zeros(0, np.intp))
    assert (p.shape, losses.shape, total) == ((0, 3), (0,), 0)
    assert p.dtype == losses.dtype == dtype


@pytest.mark.parametrize("dtype", REALS)
def test_cross_entropy_is_within_a_bound_of_its_definition(dtype, backend):
    x, labels, u = 5 * normal(30, (50, 12), dtype), np.arange(50) % 12, unit(dtype)
    p, losses, _ = backend.cross_entropy(x, labels)
    x64 = x.astype(np.float64)
    exact = np.exp(x64) / np.exp(x64).sum(axis=1, keepdims=True)
    # x - max is rounded, which e^ turns into a relative error of u |x - max|; exp adds 2.2 u, the sum as much as its worst
    # term, quotient and product 2 u. Twice it all, for the definition in float64 is rounded, too.
    off = 2 * u * (2 * (x64.max(axis=1) - x64.min(axis=1)) + 8)
    assert (np.abs(p - exact) <= off[:, None] * exact).all()
    assert (np.abs(losses + np.log(exact[np.arange(50), labels])) <= off * (1 + losses)).all()


@compiled_only
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (5, 10), (33, 17), (1000, 61), (3, 20_000)])
def test_cross_entropy_has_the_bits_of_the_reference(shape, dtype):
    x, labels = 30 * normal(31, shape, dtype), np.arange(shape[0]) % shape[1]
    x[0, -1] = -np.inf
    x[-1, 0] = np.nan
    dy = normal(32, shape[0], dtype)
    p, losses, total = reference.cross_entropy(x, labels)
    expected = bits(p, losses, np.array(total), reference.cross_entropy_backward(dy, p, labels, 0.3))
    for way in ways():
        for logits in (x, np.asfortranarray(x)):
            p, losses, total = COMPILED.cross_entropy(logits, labels)
            assert bits(p, losses, np.array(total), COMPILED.cross_entropy_backward(dy, p, labels, 0.3)) == expected, way


@pytest.mark.parametrize("labels", [np.int32, np.uint8, ">i2", np.uint64, list, Tensor])
def test_labels_may_be_integers_of_any_kind(labels):
    known = [1, 0, 2]
    given = {list: known, Tensor: Tensor(np.eye(3)[known]).argmax(1)}.get(labels)
    given = np.array([[k, 9] for k in known], labels)[:, 0] if given is None else given  # two steps apart
    x = Tensor(np.log([[1.0, 2.0, 1.0], [1.0, 1.0, 1.0], [3.0, 3.0, 2.0]]), requires_grad=True)
    loss = F.cross_entropy(x, given, reduction="none")
    np.testing.assert_allclose(loss.data, np.log([2, 3, 4]), rtol=1e-15)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad, [[1 / 4, -1 / 2, 1 / 4], [-2 / 3, 1 / 3, 1 / 3], [3 / 8, 3 / 8, -3 / 4]], rtol=1e-15)


# Optimizers

SIZES = (0, 1, 63, 64, 65, 100_000)
RULES = [(0.1, *rule) for rule in itertools.product((0.0, 0.9), (0.0, 0.3), (0.0, 0.01), (False, True))]
RULES = [rule for rule in RULES if not rule[4] or (rule[1] and not rule[2])]  # momentum, dampening, weight decay, Nesterov


@compiled_only
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("rule", RULES)
def test_sgd_has_the_bits_of_the_reference(rule, dtype):
    start, *gradients = ([normal(33 + 7 * step + i, n, dtype) for i, n in enumerate(SIZES)] for step in range(4))

    def run(module):
        values = [value.copy() for value in start]
        velocities = [np.full(n, np.nan, dtype) if rule[1] else None for n in SIZES]  # fresh: never read
        for step, each in enumerate(gradients):
            module.sgd([(values, each, velocities, [step] * len(SIZES), *rule)], [], [])
        return bits(*values, *(v for v in velocities if v is not None))

    expected = run(reference)
    for way in ways():
        assert run(COMPILED) == expected, way


@compiled_only
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.0), (0.7, 0.3)])
def test_adam_has_the_bits_of_the_reference(betas, weight_decay, decoupled, dtype):
    has_the_bits_of_the_reference("adam", dtype, 2, (0.01, *betas, 1e-8, weight_decay, decoupled), 2)


@compiled_only
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("states", [1, 2, 3])
@pytest.mark.parametrize(("alpha", "weight_decay"), [(0.99, 0.0), (0.9, 0.01), (0.0, 0.0), (1.0, 0.01)])
def test_rmsprop_has_the_bits_of_the_reference(alpha, weight_decay, states, dtype):
    has_the_bits_of_the_reference("rmsprop", dtype, 3, (0.01, alpha, 1e-8, weight_decay, 0.9), states)


def has_the_bits_of_the_reference(rule, dtype, states, numbers, there):
    """Three steps of tensors of which each has made other steps before; of the arrays to be remembered the first are there."""
    start, *gradients = ([normal(33 + 7 * step + i, n, dtype) for i, n in enumerate(SIZES)] for step in range(4))
    gradients[1][-1][::3] = 0
    gradients[2][-1][::7] *= 1e30
    gradients[2][-1][::11] = np.inf

    def run(module):
        values = [value.copy() for value in start]
        known = [[np.zeros(n, dtype) if i < there else None for n in SIZES] for i in range(states)]
        counts = [[17 * i] for i in range(len(SIZES))]
        for each in gradients:
            getattr(module, rule)([(values, each, *known, [count[0] for count in counts], *numbers)], counts, [])
        assert [count[0] for count in counts] == [3 + 17 * i for i in range(len(SIZES))]
        return bits(*values, *(x for arrays in known for x in arrays if x is not None))

    expected = run(reference)
    for way in ways(threads=(1, 2, 3, 4, 8)):
        assert run(COMPILED) == expected, way


@pytest.mark.parametrize("backend_module", [reference, COMPILED])
def test_adam_and_rmsprop_in_round_numbers(backend_module):
    """The gradients 2 and 0, the learning rate and all that is kept of a mean 1/2, from p = 1."""
    p, m, v = np.ones(1), np.zeros(1), np.zeros(1)
    for step, gradient, expected in ((0, 2.0, (0.5, 1, 2)), (1, 0.0, (0.5 - 0.5 / math.sqrt(3), 0.5, 1))):
        backend_module.adam([([p], [np.array([gradient])], [m], [v], [step], 0.5, 0.5, 0.5, 0.0, 0.0, False)], [], [])
        np.testing.assert_allclose([p[0], m[0], v[0]], expected, rtol=1e-15)
    p, s, b, a = np.ones(1), np.zeros(1), np.zeros(1), np.zeros(1)
    for gradient, expected in ((2.0, (0, 2, 2, 1)), (0.0, (-0.5, 1, 1, 0.5))):  # u = 2 / sqrt(2 - 1), then 0
        backend_module.rmsprop([([p], [np.array([gradient])], [s], [b], [a], [0], 0.5, 0.5, 0.0, 0.0, 0.5)], [], [])
        assert (p[0], s[0], b[0], a[0]) == expected


def test_a_variance_that_rounding_makes_negative_is_0():
    """A gradient that is always 0.1: the mean square is the square of the mean, but for rounding, and alpha^t of it."""
    p = Tensor(np.zeros(5, np.float32), requires_grad=True)
    optimizer = RMSprop([p], lr=0.01, alpha=0.5, eps=1.0, centered=True)
    for _ in range(60):
        p.grad = np.array([0.1, 0.3, 1.1, 7.7, 0.0], np.float32)
        optimizer.step()
    square, mean = (optimizer.state_dict()["state"][0][name] for name in ("square_avg", "grad_avg"))
    assert (square - mean * mean < 0).any()
    np.testing.assert_allclose(p.data, -0.6 * p.grad, rtol=0.2)  # 60 steps of 0.01 g / (1 + about 0)


def wide_rmsprop(parameters):
    return RMSprop(parameters, weight_decay=0.01, momentum=0.9, centered=True)


@pytest.mark.parametrize("rule", [*(lambda p, rule=rule: SGD(p, *rule) for rule in RULES), AdamW, wide_rmsprop])
def test_parameters_of_any_kind_move_alike_in_one_call(rule):
    def arrays(n_steps, plain):
        """Of five parameters: the start, then the gradient at each step."""
        for step in range(n_steps + 1):
            single, double, steps, columns, other = (normal(40 + step * 5 + i, (6, 7)) for i in range(5))
            single, other = single.astype(np.float32), other.astype(np.float32).astype(np.float64)
            if not plain:
                steps, columns = LAYOUTS["steps"](steps), np.asfortranarray(columns) if step < 2 else columns
                double = unaligned(double) if step == 2 else double
            other = other.astype(np.float32) if step == 0 or plain else other  # a float32 parameter, float64 gradients
            yield [single, double, steps, columns, other]

    def run(plain):
        start, *gradients = arrays(3, plain)
        parameters = [Tensor(value, requires_grad=True) for value in start]
        optimizer = rule(parameters)
        for each in gradients:
            for p, gradient in zip(parameters, each, strict=True):
                p.grad = gradient
            optimizer.step()
        assert all(p.data is value for p, value in zip(parameters, start, strict=True))
        return start

    expected, found = run(plain=True), run(plain=False)
    assert bits(*found[:4]) == bits(*expected[:4])
    assert found[4].dtype == np.float32  # moved by float64 gradients, which are rounded later: 3 steps of 4 roundings
    np.testing.assert_allclose(found[4], expected[4], atol=12 * 4 * unit(np.float32), rtol=0)
