"""Philox against the known answers of its authors, of the C++ standard and of a slow transcription of the paper; the compiled
samplers against the reference implementation, bit for bit."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from minidl import kernels
from minidl.kernels import reference

needs_compiled = pytest.mark.skipif(kernels.backend != "compiled", reason="compares the compiled kernels with the reference")

KEY = (0xDEADBEEF, 0x01234567)
ONES = 0xFFFFFFFF


@pytest.fixture(autouse=True)
def restored():
    before = kernels.get_num_threads(), kernels._backend.instruction_set()
    yield
    kernels.set_num_threads(before[0])
    kernels._backend.choose_instruction_set(before[1])


# Philox


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [
        ((0, 0), (0, 0, 0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((ONES, ONES), (ONES, ONES, ONES, ONES), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0xA4093822, 0x299F31D0),  # the digits of pi
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_answers_of_random123(key, counter, words):
    assert " ".join(f"{word:08x}" for word in kernels.philox(key, counter, 4)) == words


def test_known_answer_of_the_cpp_standard():
    """The 10,000th word of std::philox4x32 with its default seed ([rand.predef] in C++26)."""
    assert kernels.philox((20111115, 0), (0, 0, 0, 0), 10_000)[-1] == 1955073260


def slow_philox(key, counter, n):
    """Salmon et al. 2011, section 4.3, one number at a time; the counter is one integer of 128 bits."""
    words = []
    while len(words) < n:
        c = [counter >> 32 * i & ONES for i in range(4)]
        k = list(key)
        for _ in range(10):
            left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(right >> 32) ^ c[1] ^ k[0], right & ONES, (left >> 32) ^ c[3] ^ k[1], left & ONES]
            k = [(k[0] + 0x9E3779B9) & ONES, (k[1] + 0xBB67AE85) & ONES]
        words += c
        counter = (counter + 1) % 2**128
    return words[:n]


@pytest.mark.parametrize("bits", [0, 32, 64, 96, 128])
@pytest.mark.parametrize("before", [1, 2, 17, 33])
def test_the_counter_carries_into_its_next_words(bits, before):
    counter = (2**bits - before) % 2**128
    words = kernels.philox(KEY, [counter >> 32 * i & ONES for i in range(4)], 150)
    assert words.tolist() == slow_philox(KEY, counter, 150)


@pytest.mark.parametrize("n", [*range(10), 63, 64, 65, 127, 128, 129])
def test_any_number_of_words_is_a_beginning_of_the_stream(n):
    words = kernels.philox(KEY, (5, 6, 7, 8), n)
    assert words.dtype == np.uint32
    assert words.tolist() == slow_philox(KEY, 5 | 6 << 32 | 7 << 64 | 8 << 96, n)


@pytest.mark.parametrize(
    ("key", "counter", "n", "message"),
    [
        ((0,), (0, 0, 0, 0), 1, r"key must be 2 words, each from 0 to 2\*\*32 - 1, got \[0\]"),
        ((0, 2**32), (0, 0, 0, 0), 1, r"key must be 2 words, .* got \[0, 4294967296\]"),
        ((0, 0), (0, 0, 0), 1, r"counter must be 4 words, .* got \[0, 0, 0\]"),
        ((0, 0), (0, -1, 0, 0), 1, r"counter must be 4 words, .* got \[0, -1, 0, 0\]"),
        ((0, 0), (0, 0, 0, 0), -1, "n must be a non-negative integer, got -1"),
    ],
)
def test_philox_refuses_what_is_not_a_key_a_counter_or_a_number(key, counter, n, message):
    with pytest.raises(ValueError, match=f"philox: {message}"):
        kernels.philox(key, counter, n)


# The distributions, compiled and in NumPy

SIZES = [1, 2, 3, 63, 64, 65, 1023, 1024, 1025, 5000]
POSITIONS = [0, 1, 2, 3, 4, 5, 2**34 - 7, 2**34 + 3]  # a counter has 2**34 words before its second word counts
SAMPLES = [*((size, position) for size in SIZES for position in POSITIONS), (100_003, 2**34 - 7)]

UNIFORMS = [
    (0.0, 1.0),
    (-1.0, 1.0),
    (1.0, 1.0 + 2.0**-23),
    (0.1, 0.7),
    (-3.0e38, 10.0),
    (1.0, 1.0 + 2.0**-50),  # a single number in float32, four in float64
    (0.0, 1e-42),  # subnormal in float32
    (2.5, 2.5),
    (-0.0, 0.0),
    (-1.0, -0.0),
]
NORMALS = [  # mean, std, p_low, q_high, width, low, high
    (0.0, 1.0, 0.0, 0.0, 1.0, -math.inf, math.inf),
    (-3.0, 0.02, 0.0, 0.0, 1.0, -math.inf, math.inf),
    (0.0, 1e-42, 0.0, 0.0, 1.0, -math.inf, math.inf),
    (7.0, 0.0, 0.0, 0.0, 1.0, -math.inf, math.inf),
    (0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -0.0),  # a zero that meets one of the other sign
    (-0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0),
    (0.0, 1.0, 0.0, 0.0, 1.0, -0.5, 0.25),  # samples outside are moved to the bounds
    (0.0, 1.0, 0.02275, 0.02275, 0.9545, -2.0, 2.0),
    (0.5, 2.0, 0.5, 0.0, 0.5, 0.5, math.inf),
    (0.0, 1.0, 0.0, 0.9, 0.1, -math.inf, -1.28),
    (0.0, 1.0, 1.0, 1.1e-19, 6.2e-16, 8.0, 9.0),
    (0.0, 1.0, 1e-300, 1.0, 1e-290, -40.0, -30.0),
]
INTEGERS = [  # low, range
    (0, 1),
    (0, 2),
    (-5, 10),
    (7, 2**32),
    (-1, 2**63),
    (-(2**63), 2**63 + 1),  # half of the words are drawn again
    (-(2**62), 3 * 2**62),  # and here a quarter
    (-(2**63), 0),  # 2**64
]


def disagreements(name, dtype, parameters, samples):
    """(instruction set, threads, size, position) of the draws in which the kernel of this name differs from the reference."""
    found = []
    kind = (dtype,) if name in ("uniform", "normal") else ()
    for size, position in samples:
        expected = getattr(reference, name)(size, *kind, KEY, position, *parameters)
        for instruction_set in kernels._backend.instruction_sets():
            kernels._backend.choose_instruction_set(instruction_set)
            for threads in (1, 2):
                kernels.set_num_threads(threads)
                out = getattr(kernels, name)(size, *kind, KEY, position, *parameters)
                if out.dtype != expected.dtype or out.tobytes() != expected.tobytes():
                    found.append((instruction_set, threads, size, position))
    return found


@needs_compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("parameters", UNIFORMS)
def test_uniform_agrees_with_the_reference_bit_for_bit(parameters, dtype):
    assert disagreements("uniform", dtype, parameters, SAMPLES) == []


@needs_compiled
@pytest.mark.parametrize(
    ("parameters", "dtype"),
    # A float32 probability cannot be as small as in the last two: minidl.random makes those in float64.
    [*((parameters, np.float32) for parameters in NORMALS[:-2]), *((parameters, np.float64) for parameters in NORMALS)],
)
def test_normal_agrees_with_the_reference_bit_for_bit(parameters, dtype):
    assert disagreements("normal", dtype, parameters, SAMPLES) == []


@needs_compiled
@pytest.mark.parametrize("parameters", INTEGERS)
def test_integers_agree_with_the_reference_bit_for_bit(parameters):
    slow = parameters[1] in (2**63 + 1, 3 * 2**62)  # the reference draws again one by one
    samples = [(size, position) for size, position in SAMPLES if size < 100 or (size, position) == (1025, 3)]
    assert disagreements("integers", np.int64, parameters, samples if slow else SAMPLES) == []


@needs_compiled
def test_permutation_agrees_with_the_reference_bit_for_bit():
    samples = [(size, position) for size, position in SAMPLES if size < 1000 or position % 4 == 3]
    assert disagreements("permutation", np.int64, (), samples) == []


@needs_compiled
@pytest.mark.parametrize("size", [1, 5, 64, 1027])
@pytest.mark.parametrize("counter", [(0, 0, 0, 0), (ONES - 3, ONES, ONES, ONES)])
def test_philox_agrees_with_the_reference_bit_for_bit(size, counter):
    expected = np.empty(size, np.uint32)
    reference.philox(KEY, counter, expected)
    assert kernels.philox(KEY, counter, size).tobytes() == expected.tobytes()


# The normal quantile, at given probabilities: an interval of width 0 has only one


def quantile(p, q, dtype):
    return float(kernels.normal(1, dtype, KEY, 0, 0.0, 1.0, p, q, 0.0, -math.inf, math.inf)[0])


@pytest.mark.parametrize(
    ("dtype", "tolerance", "bits"),
    [
        (np.float32, {"abs": 5e-7}, 32),
        (np.float64, {"rel": 1e-14, "abs": 0}, 54),
    ],  # the table's; Wichura's, for exact arithmetic
)
def test_quantile_is_exact_in_both_tails_and_in_the_middle(dtype, tolerance, bits):
    tails = [float(dtype(2.0 ** (-i / 8))) for i in range(8, 8 * bits + 1)]
    distances = [2.0**-i for i in range(2, 20)]  # from 1/2, where p and 1 - p are exact
    for p, q in [*((p, float(dtype(1 - p))) for p in tails), *((0.5 - d, 0.5 + d) for d in distances)]:
        expected = NormalDist().inv_cdf(p)
        assert quantile(p, q, dtype) == pytest.approx(expected, **tolerance)
        assert quantile(q, p, dtype) == -quantile(p, q, dtype)


def test_quantile_of_one_half_is_zero():
    assert quantile(0.5, 0.5, np.float32) == quantile(0.5, 0.5, np.float64) == 0


def test_quantile_inverts_the_distribution_function_down_to_the_smallest_normal_probability():
    """P(Z < z) = erfc(-z / sqrt 2) / 2. A relative error e of z moves it by z^2 e: so 38^2 * 1e-15 = 1.5e-12 is allowed."""
    for exponent in (-20, -54, -200, -700, -1000, -1022):
        z = quantile(2.0**exponent, 1.0, np.float64)
        assert math.erfc(-z / math.sqrt(2)) / 2 == pytest.approx(2.0**exponent, rel=1.5e-12, abs=0)
