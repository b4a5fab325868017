"""Tests the summary of an array, compiled and reference, against numbers worked out by hand and NumPy's own."""

import math

import numpy as np
import pytest

from minidl import kernels
from minidl.kernels import reference
from minidl.random import Generator

BACKENDS = {"reference": reference, kernels.backend: kernels._backend}


@pytest.fixture(params=BACKENDS, autouse=True)
def backend(request, monkeypatch):
    monkeypatch.setattr(kernels, "summarize", BACKENDS[request.param].summarize)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 1001])
def test_a_summary_agrees_with_numpy(n, dtype):
    x = Generator(n).normal(n, 3.0, 2.0, dtype)
    mean, std, low, high, counts = kernels.summarize(x, 10)
    assert mean == pytest.approx(x.mean(dtype=np.float64), rel=1e-12)
    assert std == pytest.approx(x.std(dtype=np.float64), rel=1e-10, abs=1e-12)
    assert (low, high) == (x.min(), x.max())
    assert counts.sum() == n
    if n == 1001:
        assert np.abs(counts - np.histogram(x.astype(np.float64), 10)[0]).max() <= 1  # one on an edge may fall to either side


def test_bins_are_equal_parts_from_the_least_to_the_largest():
    *_, counts = kernels.summarize(np.array([0.0, 0.9, 1.0, 3.9, 4.0]), 4)
    assert counts.tolist() == [2, 1, 0, 2]


def test_equal_elements_have_a_deviation_of_exactly_0_and_lie_in_the_middle():
    x = np.full(1000, 0.1)  # whose sum is rounded
    mean, std, low, high, counts = kernels.summarize(x, 5)
    assert (mean, std, low, high) == (0.1, 0, 0.1, 0.1)
    assert counts.tolist() == [0, 0, 1000, 0, 0]


def test_elements_too_near_for_bins_lie_in_the_middle():
    *_, low, high, counts = kernels.summarize(np.array([0.0, 5e-324]), 5)
    assert (low, high, counts.tolist()) == (0, 5e-324, [0, 0, 2, 0, 0])


def test_squares_of_small_numbers_are_not_0():
    assert kernels.summarize(np.array([1e-30, -1e-30], np.float32), 0)[1] == pytest.approx(1e-30, rel=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_mean_that_is_not_finite_leaves_the_rest_unknown(bad):
    mean, std, low, high, counts = kernels.summarize(np.array([1.0, bad, 2.0], np.float32), 3)
    assert str(mean) == str(bad)
    assert all(math.isnan(value) for value in (std, low, high))
    assert counts.tolist() == [0, 0, 0]


def test_without_bins_there_are_no_extremes():
    mean, std, low, high, counts = kernels.summarize(np.array([1.0, 3.0]), 0)
    assert (mean, std, len(counts)) == (2, 1, 0)
    assert math.isnan(low)
    assert math.isnan(high)


def test_any_shape_and_strides_will_do():
    x = np.arange(12.0).reshape(3, 4)[:, ::2]
    assert kernels.summarize(x, 1)[:4] == (5, pytest.approx(np.std([0, 2, 4, 6, 8, 10])), 0, 10)
    read_only = x.copy()
    read_only.flags.writeable = False
    assert kernels.summarize(read_only, 2)[4].tolist() == [3, 3]


@pytest.mark.parametrize("wrong", [np.array([]), np.array([1, 2]), [1.0, 2.0]])
def test_other_input_is_an_error(wrong):
    with pytest.raises(ValueError, match="summarize takes an array of float32 or float64 that is not empty"):
        kernels.summarize(wrong, 3)


def test_compiled_and_reference_count_alike():
    x = Generator(0).normal(5000)
    np.testing.assert_array_equal(kernels.summarize(x, 40)[4], reference.summarize(x, 40)[4], strict=True)
