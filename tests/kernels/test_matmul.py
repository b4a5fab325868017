"""matmul against integer arithmetic without rounding, the textbook error bound of a dot product, and the reference
implementation: every dtype, stride, block edge, instruction set and number of threads."""

import itertools
import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from minidl import kernels
from minidl.kernels import reference

REALS = [np.float32, np.float64]
SMALL = [1, 2, 3, 5, 7, 13, 31, 33]

# The blocks are KC = 512 deep, MC = 256 high and NC = 1024 wide; the tiles at most 8 x 48. (m, k, n):
ACROSS_BLOCKS = [(257, 513, 33), (7, 5, 1025), (259, 515, 1031), (529, 31, 65), (65, 1027, 129), (1, 515, 1), (265, 1, 265)]
ACROSS_BLOCKS += [(1, 63, 130), (1, 70, 1), (130, 95, 1)]  # one row or one column
ACROSS_BLOCKS += [(40, 600, 411), (100, 70, 411)]  # B in place, and packed, with more columns than four micro-panels have
ACROSS_BLOCKS += [(20, 70, 1024)]  # rows of B that share their places in the cache: packed for fewer rows of A


def integers(seed, shape, dtype, bits):
    """Random integers of this many bits, of both signs."""
    return np.random.default_rng(seed).integers(-(2**bits) + 1, 2**bits, shape).astype(dtype)


def exact(a, b):
    """a @ b in int64, for integers of at most 27 bits: from two products that float64 can hold."""
    high = np.floor(a.astype(np.float64) / 2**13)
    low, b = a - high * 2**13, b.astype(np.float64)
    return (high @ b).astype(np.int64) * 2**13 + (low @ b).astype(np.int64)


def assert_within_the_bound(c, a, b):
    """|c - a b| <= gamma_k |a| |b|, gamma_k = k u / (1 - k u), u half the spacing at 1: holds for k products added up in any
    order, fused or not (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1)."""
    ku = a.shape[1] * np.finfo(c.dtype).eps / 2
    error = np.abs(c.astype(np.int64) - exact(a, b))
    assert (error <= ku / (1 - ku) * exact(abs(a), abs(b))).all()


def stored(x, transposed):
    return np.asfortranarray(x) if transposed else x


@pytest.mark.parametrize("b_transposed", [False, True])
@pytest.mark.parametrize("a_transposed", [False, True])
@pytest.mark.parametrize("dtype", REALS)
def test_error_is_within_the_theoretical_bound_for_small_sizes(dtype, a_transposed, b_transposed):
    bits = 13 if dtype is np.float32 else 27  # a product takes twice that, more than the dtype holds: so sums are rounded
    for m, k, n in itertools.product(SMALL, SMALL, SMALL):
        a, b = integers(m + k, (m, k), dtype, bits), integers(k + n, (k, n), dtype, bits)
        assert_within_the_bound(kernels.matmul(stored(a, a_transposed), stored(b, b_transposed)), a, b)


@pytest.mark.parametrize("transposed", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("shape", ACROSS_BLOCKS)
@pytest.mark.parametrize("dtype", REALS)
def test_error_is_within_the_theoretical_bound_across_blocks(dtype, shape, transposed, instruction_set):
    bits = 13 if dtype is np.float32 else 26
    m, k, n = shape
    a, b = integers(1, (m, k), dtype, bits), integers(2, (k, n), dtype, bits)
    assert_within_the_bound(kernels.matmul(stored(a, transposed[0]), stored(b, transposed[1])), a, b)


@pytest.mark.parametrize("dtype", REALS)
def test_small_integers_are_multiplied_exactly(dtype, instruction_set):
    for m, k, n in [*itertools.product([1, 3, 13, 33], [1, 5, 31], [1, 7, 31]), (257, 300, 65)]:
        a, b = integers(3, (m, k), np.int64, 4), integers(4, (k, n), np.int64, 4)
        np.testing.assert_array_equal(kernels.matmul(a.astype(dtype), b.astype(dtype)), a @ b)


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 3), (3, 2, 0), (0, 0, 2), (0, 2, 0), (2, 0, 0), (0, 0, 0), (1, 0, 1)])
def test_products_of_zero_size(shape, dtype):
    m, k, n = shape
    out = np.full((m, n), np.nan, dtype)
    assert kernels.matmul(np.empty((m, k), dtype), np.empty((k, n), dtype), out) is out
    np.testing.assert_array_equal(out, np.zeros((m, n)))
    assert kernels.matmul(np.empty((m, k), dtype), np.empty((k, n), dtype)).shape == (m, n)


# Layouts: functions that return a copy of x in memory of this layout. What lies between the elements is NaN.


def strided(x, row, column):
    """Steps of this many rows and columns; negative ones run backwards."""
    around = np.full((x.shape[0] * abs(row), x.shape[1] * abs(column)), np.nan, x.dtype)
    view = around[::row, ::column]
    view[...] = x
    return view


def inside(x):
    around = np.full((x.shape[0] + 4, x.shape[1] + 5), np.nan, x.dtype)
    around[1:-3, 2:-3] = x
    return around[1:-3, 2:-3]


def unaligned(x):
    view = np.frombuffer(bytearray(x.nbytes + 1), x.dtype, offset=1).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned
    return view


def field(x):
    records = np.full(x.shape, 7, np.dtype([("tag", np.uint8), ("value", x.dtype), ("rest", np.uint16)]))
    records["value"] = x
    assert records["value"].strides[1] % x.itemsize
    return records["value"]


OWN_MEMORY = {
    "rows": np.array,
    "columns": np.asfortranarray,
    "steps": lambda x: strided(x, 3, 2),
    "backwards": lambda x: strided(x, -1, -1),
    "rows backwards": lambda x: strided(x, -2, 1),
    "columns backwards": lambda x: strided(x, 1, -3),
    "columns in steps": lambda x: strided(x.T, 2, 1).T,
    "inside": inside,
    "unaligned": unaligned,
    "field": field,
}
LAYOUTS = OWN_MEMORY | {
    "one row": lambda x: np.broadcast_to(x[:1], x.shape),
    "one column": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "one number": lambda x: np.broadcast_to(x[:1, :1], x.shape),
}


@pytest.mark.parametrize("b_layout", LAYOUTS)
@pytest.mark.parametrize("a_layout", LAYOUTS)
def test_any_layout_gives_the_exact_product_and_leaves_the_operands_alone(a_layout, b_layout):
    for dtype in REALS:
        a = LAYOUTS[a_layout](integers(5, (33, 37), dtype, 4))
        b = LAYOUTS[b_layout](integers(6, (37, 35), dtype, 4))
        a_before, b_before = a.astype(np.int64), b.astype(np.int64)
        np.testing.assert_array_equal(kernels.matmul(a, b), a_before @ b_before)
        np.testing.assert_array_equal(a, a_before)
        np.testing.assert_array_equal(b, b_before)


@pytest.mark.parametrize("layout", OWN_MEMORY)
@pytest.mark.parametrize("shape", [(33, 37, 35), (5, 3, 1), (241, 257, 70)])
@pytest.mark.parametrize("dtype", REALS)
def test_out_of_any_layout_is_filled_and_returned(dtype, shape, layout):
    m, k, n = shape
    a, b = integers(7, (m, k), dtype, 4), integers(8, (k, n), dtype, 4)
    out = OWN_MEMORY[layout](np.full((m, n), np.nan, dtype))
    assert kernels.matmul(a, b, out=out) is out
    np.testing.assert_array_equal(out, a.astype(np.int64) @ b.astype(np.int64))


def test_nothing_is_written_between_the_elements_of_out():
    a, b = integers(9, (33, 37), np.float32, 4), integers(10, (37, 35), np.float32, 4)
    for out in (strided(np.zeros((33, 35), np.float32), -2, 3), inside(np.zeros((33, 35), np.float32))):
        kernels.matmul(a, b, out=out)
        assert np.isnan(out.base).sum() == out.base.size - out.size
    records = np.full((33, 35), 7, np.dtype([("tag", np.uint8), ("value", np.float32), ("rest", np.uint16)]))
    kernels.matmul(a, b, out=records["value"])
    assert (records["tag"] == 7).all()
    assert (records["rest"] == 7).all()


@pytest.mark.parametrize(
    "operands",
    [
        lambda x: (x[:300], x[300:600], x[:300]),
        lambda x: (x[:300], x[300:600], x[300:600]),
        lambda x: (x[:300], x[:300], x[:300]),
        lambda x: (x[:300], x[300:600], x[:300].T),
        lambda x: (x[:300], x[300:600], x[1:301]),
        lambda x: (x[:300], x[300:600], x[599:299:-1]),
        lambda x: (x[0:600:2], x[1:600:2], x[300:600]),
    ],
    ids=["out is a", "out is b", "all the same", "out is a transposed", "one row on", "b backwards", "across both"],
)
def test_out_may_overlap_an_operand(operands):
    a, b, out = operands(integers(11, (600, 300), np.float64, 4))  # so that out is begun before all is read
    expected = a.astype(np.int64) @ b.astype(np.int64)
    assert kernels.matmul(a, b, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", REALS)
def test_nan_spoils_its_row_or_column_and_nothing_else(dtype, instruction_set):
    a, b = np.ones((13, 300), dtype), np.ones((300, 37), dtype)
    a[12, 299] = np.nan
    expected = np.full((13, 37), 300.0)
    expected[12] = np.nan
    np.testing.assert_array_equal(kernels.matmul(a, b), expected)
    np.testing.assert_array_equal(kernels.matmul(b.T, a.T), expected.T)


@pytest.mark.parametrize("dtype", REALS)
def test_infinity_follows_ieee_754(dtype, instruction_set):
    a, b = np.ones((13, 5), dtype), np.ones((5, 37), dtype)
    a[12, 2] = np.inf
    b[2, 0], b[2, 1], b[3, 2], b[2, 3] = -1, 0, -np.inf, -np.inf
    expected = np.full((13, 37), 5.0)
    expected[:, 0], expected[:, 1], expected[:, 2], expected[:, 3] = 3, 4, -np.inf, -np.inf
    expected[12] = np.inf
    expected[12, :4] = -np.inf, np.nan, np.nan, -np.inf  # inf * -1, inf * 0, inf - inf, inf * -inf
    np.testing.assert_array_equal(kernels.matmul(a, b), expected)


FUSED = [name for name in kernels._backend.instruction_sets() if name in ("avx2", "avx512", "neon")]


@pytest.mark.skipif(len(FUSED) < 2, reason="takes two instruction sets with fused multiply-add")
@pytest.mark.parametrize("dtype", REALS)
def test_instruction_sets_with_fused_multiply_add_give_the_same_bits(dtype):
    rng = np.random.default_rng(12)
    before = kernels._backend.instruction_set()
    for m, k, n in [*ACROSS_BLOCKS, (13, 31, 33), (5, 7, 3)]:
        a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
        products = []
        for name in FUSED:
            kernels._backend.choose_instruction_set(name)
            products.append((kernels.matmul(a, b).tobytes(), kernels.matmul(b.T, a.T, np.empty((m, n), dtype).T).tobytes("F")))
        kernels._backend.choose_instruction_set(before)
        assert len({product for pair in products for product in pair}) == 1


# What a batch of all data, a deep layer or a column makes of a product: often more threads than there are rows or columns to
# share, and at the end a part of one row.
UNEVEN = [
    (200_000, 8, 1),
    (1, 200_000, 8),
    (8, 200_000, 1),
    (1, 2_000_000, 1),
    (17, 12_288, 17),
    (9, 30_000, 8),
    (10, 60_000, 33),
]
SHARED = [(130, 257, 129), (400, 300, 37), (37, 300, 400), (1, 900, 3000), (3000, 900, 1), *UNEVEN]


@pytest.mark.parametrize("b_transposed", [False, True])
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("shape", SHARED)
def test_any_number_of_threads_gives_the_same_bits(shape, dtype, b_transposed, restored_threads, instruction_set):
    m, k, n = shape  # work for more than one thread
    rng = np.random.default_rng(13)
    a, b = (
        rng.standard_normal((m, k), dtype),
        rng.standard_normal((n, k), dtype).T if b_transposed else rng.standard_normal((k, n), dtype),
    )
    bits = set()
    for threads in (1, 2, 3, 4, 8, 16):
        kernels.set_num_threads(threads)
        assert kernels.get_num_threads() == threads
        bits.add(kernels.matmul(a, b).tobytes())
    assert len(bits) == 1


# Long sums

compiled_only = pytest.mark.skipif(kernels.backend != "compiled", reason="NumPy adds up in an order of its own")


@compiled_only
@pytest.mark.parametrize("shape", [(1, 1_000_000, 1), (4, 1_000_000, 3), (3, 1_000_000, 1), (5, 10_000, 7)])
@pytest.mark.parametrize("numbers", ["a tenth", "positive", "normal"])
def test_the_error_of_a_long_sum_grows_like_its_logarithm(numbers, shape, instruction_set):
    """|c - a b| <= gamma |a| |b| for chains of 512, eight of which are added one after the other, and these sums in pairs."""
    m, k, n = shape
    rng = np.random.default_rng(17)
    make = {"a tenth": lambda s: np.full(s, 0.1, np.float32), "positive": lambda s: rng.random(s, np.float32)}
    make = make.get(numbers, lambda s: rng.standard_normal(s, np.float32))
    a, b = make((m, k)), make((k, n))
    exact_a, exact_b = a.astype(np.float64), b.astype(np.float64)
    roundings = 1 + 512 + 8 + math.ceil(math.log2(k / 4096))  # and a product's own, without fused multiply-add
    bound = roundings * np.finfo(np.float32).eps / 2 * (abs(exact_a) @ abs(exact_b))
    assert (abs(kernels.matmul(a, b) - exact_a @ exact_b) <= bound).all()


@pytest.mark.parametrize(("depth", "cuts"), [(4096, []), (4097, [2048]), (5000, [2560]), (10_000, [2560, 5056, 7552])])
def test_the_reference_cuts_a_long_sum_in_halves(depth, cuts):
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((20, depth), np.float32), rng.standard_normal((depth, 20), np.float32)
    parts = [x @ y for x, y in zip(np.split(a, cuts, axis=1), np.split(b, cuts), strict=True)]
    while len(parts) > 1:
        parts = [parts[i] + parts[i + 1] for i in range(0, len(parts), 2)]
    assert np.array_equal(reference.matmul(a, b), parts[0])


@compiled_only
def test_ones_are_counted_beyond_the_last_float_that_has_a_successor(instruction_set):
    ones = np.broadcast_to(np.float32(1), (1, 2**25))  # as one chain they would stay at 2^24
    assert kernels.matmul(ones, ones.T) == 2**25
    assert (kernels.matmul(np.broadcast_to(ones, (2, 2**25)), ones.T) == 2**25).all()


@compiled_only
@pytest.mark.parametrize("shape", [(5, 700, 9), (64, 784, 33), (1, 5000, 3), (3, 5000, 7), (70, 4100, 130)])
@pytest.mark.parametrize("dtype", REALS)
def test_where_k_is_cut_depends_on_k_alone(dtype, shape, instruction_set):
    m, k, n = shape
    rng = np.random.default_rng(18)
    a, b = rng.standard_normal((m, k), dtype), rng.standard_normal((k, n), dtype)
    expected = kernels.matmul(a, b)
    for i, j in itertools.product((0, m // 2, m - 1), (0, n // 2, n - 1)):  # as a part of more rows and columns
        alone = kernels.matmul(np.vstack([a[i], a[i]]), np.column_stack([b[:, j], b[:, j]]))
        assert m == 1 or (alone == expected[i, j]).all()
    wide = kernels.matmul(a, np.ascontiguousarray(b.T).T, np.empty((n, m), dtype).T)
    assert m == 1 or wide.tobytes() == expected.tobytes()
    other = kernels.matmul(np.vstack([a] * 40), b)
    assert m == 1 or other[:m].tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", REALS)
def test_a_bias_is_added_to_the_product(dtype, instruction_set):
    rng = np.random.default_rng(19)
    for m, k, n in [(1, 300, 9), (7, 512, 33), (64, 64, 128)]:  # depths of one chain
        x, w, bias = rng.standard_normal((m, k), dtype), rng.standard_normal((n, k), dtype), rng.standard_normal(n, dtype)
        assert kernels.linear(x, w, bias).tobytes() == (kernels.matmul(x, w.T) + bias).tobytes()


def test_several_callers_at_once_do_not_disturb_one_another(restored_threads):
    kernels.set_num_threads(2)
    a, b = integers(14, (150, 130), np.float32, 4), integers(15, (130, 140), np.float32, 4)
    expected = a.astype(np.int64) @ b.astype(np.int64)
    with ThreadPoolExecutor(4) as pool:
        for product in pool.map(lambda _: kernels.matmul(a, b), range(24)):
            np.testing.assert_array_equal(product, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_a_child_computes_after_a_fork(restored_threads):
    kernels.set_num_threads(3)
    a, b = integers(16, (250, 130), np.float32, 4), integers(17, (130, 240), np.float32, 4)
    expected = a.astype(np.int64) @ b.astype(np.int64)
    np.testing.assert_array_equal(kernels.matmul(a, b), expected)  # the parent's helping threads are there
    child = os.fork()
    if not child:  # by _exit, so that nothing of the test run goes on in the child
        os._exit(0 if (kernels.matmul(a, b) == expected).all() else 1)
    assert os.waitpid(child, 0) == (child, 0)
    np.testing.assert_array_equal(kernels.matmul(a, b), expected)


SIZES, STEPS = st.integers(0, 40), st.sampled_from([-3, -2, -1, 1, 2, 3])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    shape=st.tuples(SIZES, SIZES, SIZES),
    steps=st.tuples(*[STEPS] * 6),
    transposed=st.tuples(*[st.booleans()] * 3),
    dtype=st.sampled_from(REALS),
    seed=st.integers(0, 99),
)
def test_agrees_with_the_reference_for_any_shapes_and_strides(shape, steps, transposed, dtype, seed):
    m, k, n = shape

    def operand(x, row, column, turned):
        return strided(x.T, row, column).T if turned else strided(x, row, column)

    a = operand(integers(seed, (m, k), dtype, 9), *steps[:2], transposed[0])
    b = operand(integers(seed + 1, (k, n), dtype, 9), *steps[2:4], transposed[1])
    out = operand(np.full((m, n), np.nan, dtype), *steps[4:], transposed[2])
    expected = reference.matmul(a, b)  # 40 products of 18 bits fit a float32, so both are exact
    np.testing.assert_array_equal(kernels.matmul(a, b, out=out), expected)


A = np.ones((2, 3), np.float32)
B = np.ones((3, 4), np.float32)


@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        (A[0], B, TypeError, r"a must be a 2-D NumPy array of float32 or float64, got float32 of shape \(3,\)"),
        (A, B[None], TypeError, r"b must be a 2-D .* got float32 of shape \(1, 3, 4\)"),
        (A.tolist(), B, TypeError, "a must be a 2-D NumPy array .* got list"),
        (A, B.astype(np.int64), TypeError, "b must be .* float32 or float64, got int64 of shape"),
        (A.astype(np.float16), B, TypeError, "a must be .* got float16 of shape"),
        (A.astype(np.dtype(np.float32).newbyteorder()), B, TypeError, "a must be .* got [<>]f4 of shape"),
        (A, B.astype(np.float64), TypeError, r"a is float32 and b is float64; convert one with \.astyp"),
        (A, A, ValueError, r"a has shape \(2, 3\) and b \(2, 3\); the columns of a must be as many as the rows of b"),
    ],
)
def test_operands_that_do_not_fit_are_refused(a, b, error, message):
    with pytest.raises(error, match=f"matmul: {message}"):
        kernels.matmul(a, b)


def read_only():
    out = np.full((2, 4), 5, np.float32)
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.full((4, 2), 5, np.float32), ValueError, r"out must be float32 of shape \(2, 4\), got float32 of shape \(4, 2\)"),
        (np.full((2, 4), 5.0), ValueError, r"out must be float32 of shape \(2, 4\), got float64 of shape \(2, 4\)"),
        (np.full(8, 5, np.float32), ValueError, r"out must be float32 of shape \(2, 4\), got float32 of shape \(8,\)"),
        (np.full((2, 4), 5), ValueError, "out must be .* got int64 of shape"),
        ([[5]], ValueError, "out must be .* got list"),
        (read_only(), ValueError, "out is read-only"),
        (np.broadcast_to(np.full((1, 4), 5, np.float32), (2, 4)), ValueError, "out is read-only, or its elements overlap"),
        (as_strided(np.full(8, 5, np.float32), (2, 4), (0, 4)), ValueError, "its elements overlap"),
        (as_strided(np.full(8, 5, np.float32), (2, 4), (4, 4)), ValueError, "its elements overlap"),
    ],
)
def test_an_unfit_out_is_refused_and_stays_as_it_was(out, error, message):
    with pytest.raises(error, match=f"matmul: .*{message}"):
        kernels.matmul(A, B, out=out)
    assert np.all(np.asarray(out) == 5)


def test_out_whose_elements_overlap_in_a_wide_span_is_refused():
    # Elements (2, 0) and (0, 3) share the bytes at 24, though the array spans 52 bytes, more than its 12 elements take.
    out = as_strided(np.full(13, 5, np.float32), (3, 4), (12, 8))
    with pytest.raises(ValueError, match="its elements overlap"):
        kernels.matmul(np.ones((3, 3), np.float32), B, out=out)
    assert (out == 5).all()
