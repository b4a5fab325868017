"""Random shapes, strides, alignments, overlaps and sizes, against the reference implementation: never a wrong number, a crash
or a touch past an end.

Every matrix ends just before a page of memory that may not be touched, or begins just after one: reading or writing one
element outside ends the process. What lies between the elements of `out` must stay as it was.

A few seconds by default, always the same cases. `MINIDL_FUZZ=100000` tries this many new ones per test; after a crash,
`-s --hypothesis-verbosity=verbose` shows the case, printed before it runs.
"""

import ctypes
import errno
import math
import mmap
import os
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minidl import kernels
from minidl.kernels import reference
from minidl.random import Generator

pytestmark = [
    pytest.mark.skipif(kernels.backend != "compiled", reason="compares the compiled kernels with the reference implementation"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="guards memory by Linux's mprotect"),
]

CASES = int(os.environ.get("MINIDL_FUZZ", "0"))
fuzz = settings(max_examples=CASES or 200, derandomize=not CASES, deadline=None, database=None, print_blob=False)

REALS = st.sampled_from([np.float32, np.float64])
INSTRUCTION_SETS, THREADS = st.sampled_from(kernels._backend.instruction_sets()), st.sampled_from([1, 2, 3, 4, 8, 16])


@pytest.fixture(autouse=True, scope="module")
def restored():
    before = kernels.get_num_threads(), kernels._backend.instruction_set()
    yield
    kernels.set_num_threads(before[0])
    kernels._backend.choose_instruction_set(before[1])


# Guarded memory

PAGE, PROT_NONE = mmap.PAGESIZE, 0
FILL = 0xFF  # four or eight of them are a NaN


def guarded(size, at_end):
    """`size` bytes that end just before a page that may not be touched, or that begin just after one."""
    pages = -(-size // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    memory[PAGE:-PAGE] = bytes([FILL]) * (pages * PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (address, address + (pages + 1) * PAGE):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(PAGE), PROT_NONE) == 0
    return np.ndarray(size, np.uint8, memory, (pages + 1) * PAGE - size if at_end else PAGE)


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("size", [0, 1, 4, PAGE - 1, PAGE, PAGE + 1])
def test_the_byte_outside_may_not_be_touched(size, at_end):
    """Asked of the kernel, which refuses to read it where the process would end."""
    memory = guarded(size, at_end)
    outside = memory.ctypes.data + (size if at_end else -1)
    reader, writer = os.pipe()
    with open(reader, "rb"), open(writer, "wb", 0) as pipe:
        assert pipe.write(memory) == size
        with pytest.raises(OSError) as refused:  # noqa: PT011 - which one is asserted below
            pipe.write((ctypes.c_char * 1).from_address(outside))
    assert refused.value.errno == errno.EFAULT


# Matmul

FAR = [2**62, -(2**62), 2**62 + 1, 2**63 - 8, 2**63 - 1, -(2**63)]  # steps to elements that do not exist


@dataclass(frozen=True)
class Layout:
    """Where the elements of a matrix lie: `steps` bytes apart, `shift` bytes off an end of their memory. `nested`: a row, or
    a column, ends before the next one begins."""

    shape: tuple[int, int]
    dtype: type
    steps: tuple[int, int]
    nested: bool
    shift: int
    at_end: bool

    def reaches(self):
        """How far the last element is from the first on each axis."""
        return [(n - 1) * step for n, step in zip(self.shape, self.steps, strict=True)] if 0 not in self.shape else [0, 0]

    def size(self):
        """From the lowest byte to the highest, and the shift."""
        return sum(map(abs, self.reaches())) + np.dtype(self.dtype).itemsize * (0 not in self.shape) + self.shift

    def view(self, memory):
        """The matrix in this memory, or in a copy of it."""
        lowest = memory.size - self.size() if self.at_end else self.shift
        first = lowest - sum(min(reach, 0) for reach in self.reaches())
        return np.ndarray(self.shape, self.dtype, memory, first, self.steps)

    def overlaps_itself(self):
        rows, columns = (np.arange(n) * (step if n > 1 else 0) for n, step in zip(self.shape, self.steps, strict=True))
        first_bytes = rows[:, None] + columns
        touched = (first_bytes[..., None] + np.arange(np.dtype(self.dtype).itemsize)).ravel()
        return touched.size > 0 and np.bincount(touched - touched.min()).max() > 1


@st.composite
def layouts(draw, shape, dtype):
    itemsize = np.dtype(dtype).itemsize
    kind = draw(st.sampled_from(["nested", "nested", "nested bytes", "any", "any bytes"]))
    unit = itemsize if "bytes" not in kind else 1
    if "any" in kind:
        steps = draw(st.tuples(*[st.integers(-20, 20)] * 2))
        steps = [unit * step for step in steps]
    else:
        inner = draw(st.integers(0, 1))
        steps = [0, 0]
        steps[inner] = itemsize + unit * draw(st.sampled_from([0, 0, 0, 1, 2]))
        steps[1 - inner] = steps[inner] * (shape[inner] - 1) + itemsize + unit * draw(st.sampled_from([0, 0, 1, 5]))
        steps = [step * draw(st.sampled_from([1, 1, -1])) for step in steps]
    for axis in (0, 1):
        if (shape[axis] == 1 or 0 in shape) and draw(st.booleans()):
            steps[axis] = draw(st.sampled_from(FAR))
    shift = draw(st.sampled_from([0, 0, 0, 1, itemsize // 2, itemsize]))
    return Layout(shape, dtype, tuple(steps), "nested" in kind, shift, draw(st.booleans()))


SIDES = st.one_of(
    st.integers(0, 9),
    st.integers(1, 40),
    st.sampled_from([63, 64, 65, 127, 128, 129, 239, 241, 257, 383, 384, 385, 2047, 2049]),
)


@st.composite
def products(draw):
    """The layouts of a, b and out, and whose memory out lies in."""
    m, k, n = draw(st.tuples(SIDES, SIDES, SIDES))
    k = min(k, 2**17 // max(m, 1))
    n = min(n, 2**17 // max(m, k, 1))
    dtype = draw(REALS)
    three = [draw(layouts(shape, dtype)) for shape in ((m, k), (k, n), (m, n))]
    return *three, draw(st.sampled_from(["its own", "its own", "a", "b"]))


def same_nan(x):
    """x with every NaN replaced by one of them: which of two is passed on, the processor may choose."""
    x[np.isnan(x)] = np.nan


@fuzz
@given(product=products(), instruction_set=INSTRUCTION_SETS, threads=THREADS, seed=st.integers(0, 9))
def test_matmul_of_any_layouts(product, instruction_set, threads, seed):
    a_layout, b_layout, out_layout, home = product
    kernels._backend.choose_instruction_set(instruction_set)
    kernels.set_num_threads(threads)

    sizes = {"a": a_layout.size(), "b": b_layout.size(), "its own": out_layout.size()}
    sizes[home] = max(sizes[home], out_layout.size())
    ends = {"a": a_layout.at_end, "b": b_layout.at_end, "its own": out_layout.at_end}
    memories = {name: guarded(size, ends[name]) for name, size in sizes.items()}
    a, b, out = a_layout.view(memories["a"]), b_layout.view(memories["b"]), out_layout.view(memories[home])
    rng = np.random.default_rng(seed)
    a[...] = rng.integers(-15, 16, a.shape)
    b[...] = rng.integers(-15, 16, b.shape)

    expected = kernels.matmul(a.copy(), b.copy())
    if all(((np.abs(x) < 16) & (np.rint(x) == x)).all() for x in (a, b)):  # but for elements that overlap in parts
        slow = reference.matmul(a.copy(), b.copy())  # sums of at most 2049 * 225, exact in float32
        np.testing.assert_array_equal(expected, slow)
    before = {name: memory.copy() for name, memory in memories.items()}
    try:
        assert kernels.matmul(a, b, out=out) is out
    except ValueError as error:
        assert "its elements overlap" in str(error)  # noqa: PT017 - one of two right answers
        assert not out_layout.nested
        np.testing.assert_array_equal(kernels.matmul(a, b), expected)
    else:
        assert not out_layout.overlaps_itself()
        same_nan(out)
        same_nan(expected)
        out_layout.view(before[home])[...] = expected
    for name, memory in memories.items():
        assert memory.tobytes() == before[name].tobytes()


@st.composite
def shapes_of_users(draw):
    """(m, k, n) with work for several threads: thin, long, one row or column, a multiple of a vector and one more or less."""
    side = st.sampled_from([1, 2, 3, 5, 8, 10, 17, 32, 33, 64, 100, 128, 129, 257, 784, 1000, 1025]) | st.integers(1, 70)
    sides = [draw(side), draw(side)]
    least, most = (max(1, work // math.prod(sides)) for work in (2**20, 2**23))
    sides.insert(draw(st.integers(0, 2)), draw(st.integers(least, most)))
    return sides


@settings(fuzz, max_examples=CASES or 40)
@example(shape=[1, 300_000, 8], dtype=np.float32, turned=(False, False, False), with_bias=False)
@given(shape=shapes_of_users(), dtype=REALS, turned=st.tuples(*[st.booleans()] * 3), with_bias=st.booleans())
def test_no_number_of_threads_or_instruction_set_changes_a_bit(shape, dtype, turned, with_bias):
    m, k, n = shape
    rng = np.random.default_rng(k)

    def operand(rows, columns, transposed):
        return rng.standard_normal((columns, rows), dtype).T if transposed else rng.standard_normal((rows, columns), dtype)

    a, b, out = operand(m, k, turned[0]), operand(k, n, turned[1]), operand(m, n, turned[2])
    bias = rng.standard_normal(n, dtype) if with_bias else None
    bits = {}
    for instruction_set in kernels._backend.instruction_sets():
        kernels._backend.choose_instruction_set(instruction_set)
        fused = instruction_set != "generic"
        for threads in (1, 2, 3, 4, 8, 16):
            kernels.set_num_threads(threads)
            product = kernels.matmul(a, b, out) if bias is None else kernels.linear(a, b.T, bias)
            bits.setdefault(fused, set()).add(product.tobytes())
    assert {len(different) for different in bits.values()} == {1}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("m", "k", "n"), [(2**40, 1, 2**40), (2**31, 1, 2**31), (2**31, 2**31, 2**31), (2**45, 1, 1), (1, 1, 2**45), (2**45, 0, 1)]
)
def test_a_product_larger_than_memory_is_an_error(m, k, n, dtype):
    one = np.ones((1, 1), dtype)
    with pytest.raises((MemoryError, ValueError), match=r"Unable to allocate|array is too big"):
        kernels.matmul(np.broadcast_to(one, (m, k)), np.broadcast_to(one, (k, n)))


def test_sides_beyond_32_bits_of_a_product_without_elements():
    one = np.ones((1, 1), np.float32)
    assert kernels.matmul(np.broadcast_to(one, (2**40, 3)), np.empty((3, 0), np.float32)).shape == (2**40, 0)
    out = np.full((1, 1), np.nan, np.float32)
    kernels.matmul(np.broadcast_to(one, (0, 2**40)), np.broadcast_to(one, (2**40, 1)), np.broadcast_to(out, (0, 1)).copy())
    assert np.isnan(out)


# Sampling

NEAR = st.integers(0, 300)
SEEDS = st.one_of(NEAR, NEAR.map(lambda x: 2**32 - 150 + x), NEAR.map(lambda x: 2**64 - 1 - x), st.integers(0, 2**64 - 1))
POSITIONS = st.one_of(NEAR, NEAR.map(lambda x: 2**34 - 150 + x), NEAR.map(lambda x: 2**63 - 1 - x), st.integers(0, 2**63 - 1))
SIZES = st.one_of(st.integers(0, 40), st.integers(0, 1100), st.integers(60_000, 140_000))
FEW = st.one_of(st.integers(0, 40), st.integers(0, 600))  # for what the reference makes one by one


def numbers(largest):
    return st.floats(-largest, largest) | st.floats(-10, 10) | st.sampled_from([0.0, -0.0, 1.0, math.inf, -math.inf, math.nan])


@st.composite
def draws(draw):
    """A distribution, its arguments by name, and its size; the arguments may be wrong."""
    distribution = draw(st.sampled_from(["uniform", "normal", "truncated_normal", "integers", "permutation", "bernoulli"]))
    if distribution == "permutation":
        return distribution, {"n": draw(FEW)}
    if distribution == "bernoulli":
        return distribution, {"size": draw(SIZES), "p": draw(st.floats(0, 1))}
    if distribution == "integers":
        low, high = sorted(draw(st.tuples(*[st.integers(-(2**63), 2**63) | st.integers(-9, 9)] * 2)))
        return distribution, {"size": draw(FEW), "low": low, "high": high}
    dtype = draw(REALS)
    number = numbers(float(np.finfo(dtype).max))
    truncated = ["mean", "std", "low", "high"]
    names = {"uniform": truncated[2:], "normal": truncated[:2], "truncated_normal": truncated}[distribution]
    arguments = {name: draw(number) for name in names}
    if "std" in names:
        arguments["std"] = abs(arguments["std"])
    if "high" in names and arguments["low"] > arguments["high"]:
        arguments["low"], arguments["high"] = arguments["high"], arguments["low"]
    if distribution == "truncated_normal" and draw(st.booleans()):  # bounds that leave something of it
        around, std = arguments["mean"], arguments["std"]
        arguments["low"], arguments["high"] = sorted(around + std * draw(st.floats(-9, 9)) for _ in range(2))
    return distribution, {"size": draw(SIZES), "dtype": dtype, **arguments}


@fuzz
@given(drawn=draws(), seed=SEEDS, position=POSITIONS, instruction_set=INSTRUCTION_SETS, threads=THREADS)
def test_any_draw_has_the_bits_of_the_reference(drawn, seed, position, instruction_set, threads):
    kernels._backend.choose_instruction_set(instruction_set)
    kernels.set_num_threads(threads)
    distribution, arguments = drawn
    rngs = [Generator(seed), Generator(seed)]
    for rng in rngs:
        rng.position = position
    try:
        samples = getattr(rngs[0], distribution)(**arguments)
    except ValueError as error:
        assert str(error).startswith(distribution)  # noqa: PT017 - an error that explains itself is right, too
        assert rngs[0].position == position
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in ("uniform", "normal", "integers", "permutation"):
            patch.setattr(kernels, name, getattr(reference, name))
        expected = getattr(rngs[1], distribution)(**arguments)
    assert (samples.tobytes(), rngs[0].position) == (expected.tobytes(), rngs[1].position)


@fuzz
@given(
    seed=SEEDS,
    counter=NEAR.map(lambda x: x % 8) | st.sampled_from([32, 64, 96, 128]).flatmap(lambda b: NEAR.map(lambda x: 2**b - 1 - x)),
    n=st.integers(1, 1100),
    at_end=st.booleans(),
    instruction_set=INSTRUCTION_SETS,
)
def test_philox_of_any_counter(seed, counter, n, at_end, instruction_set):
    kernels._backend.choose_instruction_set(instruction_set)
    key, four = (seed & 0xFFFFFFFF, seed >> 32), [counter >> 32 * i & 0xFFFFFFFF for i in range(4)]
    out, expected = guarded(4 * n, at_end).view(np.uint32), np.empty(n, np.uint32)
    kernels._backend.philox(key, four, out)
    reference.philox(key, four, expected)
    assert out.tobytes() == expected.tobytes()


@pytest.mark.parametrize("size", [2**50, 2**62, 2**63 - 1, 2**63, 2**64, (2**32, 2**32), (2**62, 4), (2**63, 0)])
@pytest.mark.parametrize("distribution", ["uniform", "normal", "truncated_normal", "bernoulli"])
def test_a_draw_larger_than_memory_is_an_error_and_moves_nothing(distribution, size):
    rng = Generator(0)
    with pytest.raises(
        (MemoryError, ValueError), match=r"Unable to allocate|size must be .* got .*\((Maximum|array is too big|.*too large)"
    ):
        getattr(rng, distribution)(size)
    assert rng.position == 0


@pytest.mark.parametrize("n", [2**50, 2**62, 2**63, 2**64])
def test_a_permutation_larger_than_memory_is_an_error_and_moves_nothing(n):
    rng = Generator(0)
    with pytest.raises(
        (MemoryError, ValueError), match=r"Unable to allocate|size must be .* got .*\((Maximum|array is too big|.*too large)"
    ):
        rng.permutation(n)
    assert rng.position == 0
