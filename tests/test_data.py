"""Tests the data sets against published and hand-worked facts about them, and DataLoader against what each epoch must deal
out.
"""

import gzip
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minidl
from minidl.data import DataLoader, circles, digits, load_idx, moons, names, spirals, xor
from minidl.random import Generator

# From optdigits.names of the UCI repository: the samples of each class in the test part.
CLASS_COUNTS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
# scikit-learn 1.9's load_digits: the sum of all pixels of the images of each class.
CLASS_INK = [56415, 57007, 55566, 56151, 56239, 55915, 56336, 54289, 57408, 56392]


def test_digits_have_the_documented_shapes_dtypes_and_names():
    split = digits()
    assert split._fields == ("x_train", "y_train", "x_test", "y_test")
    assert [array.shape for array in split] == [(1438, 64), (1438,), (359, 64), (359,)]
    assert [array.dtype for array in split] == [np.float32, np.int64] * 2


def test_digits_are_all_1797_of_the_source_with_their_labels():
    split = digits(seed=3)
    x, y = np.concatenate([split.x_train, split.x_test]), np.concatenate([split.y_train, split.y_test])
    assert x.shape == (1797, 64)
    assert np.bincount(y).tolist() == CLASS_COUNTS
    assert [int((x[y == digit] * 16).sum()) for digit in range(10)] == CLASS_INK


def test_pixels_are_sixteenths_from_0_to_1():
    x = digits().x_train
    assert (x.min(), x.max()) == (0, 1)
    assert set(np.unique(x * 16)) == set(range(17))


def test_an_image_is_read_row_by_row():
    # In every corner column of these scans there is next to no ink, and much in the middle ones.
    columns = digits().x_train.reshape(-1, 8, 8).sum(axis=(0, 1))
    assert columns.argmin() in (0, 7)
    assert columns[[0, 7]].sum() < 0.02 * columns.sum()


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("test_size", [0.2, 0.5, 0.001])
def test_a_split_is_complete_and_disjoint(seed, test_size):
    split = digits(seed, test_size)
    assert len(split.x_test) == len(split.y_test) == round(1797 * test_size)
    everything = np.vstack([split.x_train, split.x_test])
    whole = digits(seed=5)
    reference = np.vstack([whole.x_train, whole.x_test])

    def in_order(x):
        return x[np.lexsort(x.T)]

    assert (in_order(everything) == in_order(reference)).all()


def test_the_split_depends_on_the_seed_alone():
    first, second, other = digits(seed=1), digits(seed=1), digits(seed=2)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert (first.y_test != other.y_test).any()
    minidl.manual_seed(9)
    before = minidl.random.as_generator(None).position
    assert all((a == b).all() for a, b in zip(first, digits(seed=1), strict=True))
    assert minidl.random.as_generator(None).position == before


def test_each_call_returns_arrays_of_its_own():
    digits().x_train[...] = 5
    assert digits().x_train.max() == 1


@pytest.mark.parametrize("test_size", [0, 1, -0.1, 1.5, math.nan, math.inf, 1e-9, 1 - 1e-9, 100, True])
def test_a_test_size_that_leaves_one_side_empty_is_an_error(test_size):
    with pytest.raises(ValueError, match=rf"digits: test_size must be a fraction .* between 0 and 1, got {test_size}"):
        digits(test_size=test_size)


@pytest.mark.parametrize("test_size", ["0.2", None])
def test_a_test_size_that_is_no_number_is_an_error(test_size):
    with pytest.raises((TypeError, ValueError), match="digits: test_size must be"):
        digits(test_size=test_size)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_a_seed_that_is_not_a_non_negative_integer_is_an_error(seed):
    with pytest.raises(ValueError, match=rf"seed must be an integer from 0 to 2\*\*64 - 1, got {seed!r}"):
        digits(seed=seed)


def test_spirals_have_the_shapes_and_dtypes_that_layers_and_losses_take():
    x, y = spirals(50, classes=4, rng=0)
    assert (x.shape, y.shape) == ((200, 2), (200,))
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert np.bincount(y).tolist() == [50] * 4


@pytest.mark.parametrize("noise", [0, 0.2, 3])
def test_the_radius_grows_evenly_from_0_to_1_on_every_arm_whatever_the_noise(noise):
    x, y = spirals(5, classes=3, noise=noise, rng=0)
    for arm in range(3):
        np.testing.assert_allclose(np.hypot(*x[y == arm].T), [0, 0.25, 0.5, 0.75, 1], atol=1e-6)


def test_without_noise_the_points_are_those_worked_out_by_hand():
    x, _ = spirals(2, classes=2, noise=0)
    cos4, sin4 = -0.6536436, -0.7568025
    np.testing.assert_allclose(x, [[0, 0], [cos4, sin4], [0, 0], [-cos4, -sin4]], atol=1e-6)


def test_noise_is_the_standard_deviation_of_the_angle():
    x, y = spirals(10_000, classes=2, noise=0.1, rng=1)
    clean, _ = spirals(10_000, classes=2, noise=0)
    outside = np.hypot(*x.T) > 0.1  # further in, float32 has too few digits for an angle
    turned = np.angle((x @ [1, 1j])[outside] / (clean @ [1, 1j])[outside])
    n = outside.sum()
    assert abs(turned.std() - 0.1) < 4 * 0.1 / math.sqrt(2 * n)  # four standard errors
    assert abs(turned.mean()) < 4 * 0.1 / math.sqrt(n)
    assert len(y) == 20_000


def test_spirals_are_repeatable_by_their_seed():
    assert (spirals(rng=1)[0] == spirals(rng=Generator(1))[0]).all()
    assert (spirals(rng=1)[0] != spirals(rng=2)[0]).any()
    minidl.manual_seed(1)
    assert (spirals()[0] == spirals(rng=1)[0]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_per_class": 0}, "got 0, 3 and 0.2"),
        ({"n_per_class": -5}, "got -5, 3 and 0.2"),
        ({"n_per_class": 2.5}, "got 2.5, 3 and 0.2"),
        ({"classes": 0}, "got 100, 0 and 0.2"),
        ({"classes": 2.5}, "got 100, 2.5 and 0.2"),
        ({"noise": -0.1}, "got 100, 3 and -0.1"),
        ({"noise": math.nan}, "got 100, 3 and nan"),
        ({"noise": math.inf}, "got 100, 3 and inf"),
    ],
)
def test_bad_spirals_are_errors_that_show_what_came(arguments, message):
    with pytest.raises((TypeError, ValueError), match=rf"spirals needs n_per_class .*{message}"):
        spirals(**arguments)


def test_xor_is_its_truth_table():
    x, y = xor()
    assert {tuple(point): label for point, label in zip(x.tolist(), y.tolist(), strict=True)} == {
        (0, 0): 0,
        (0, 1): 1,
        (1, 0): 1,
        (1, 1): 0,
    }
    assert x.dtype == np.float32
    assert y.dtype.kind == "i"


X, Y = np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10)


def labels_of(loader):
    return [batch[1].tolist() for batch in loader]


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "expected"),
    [
        (4, False, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]),
        (4, True, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (5, True, [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]),
        (10, False, [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]),
        (11, False, [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]),
        (11, True, []),
        (np.int64(6), False, [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]]),
    ],
)
def test_without_shuffle_batches_come_in_order(batch_size, drop_last, expected):
    loader = DataLoader((X, Y), batch_size, drop_last=drop_last)
    assert labels_of(loader) == labels_of(loader) == expected
    assert len(loader) == len(expected)


def test_batches_hold_one_sample_unless_told_otherwise():
    assert labels_of(DataLoader((X, Y))) == [[i] for i in range(10)]


@given(st.integers(0, 40), st.integers(1, 50), st.booleans(), st.booleans(), st.integers(0, 1000))
def test_every_sample_is_dealt_out_exactly_once(n, batch_size, shuffle, drop_last, seed):
    x = np.arange(n)
    loader = DataLoader((x, 2 * x), batch_size, shuffle, drop_last, rng=seed)
    batches = list(loader)
    assert len(batches) == len(loader)
    assert all((b == 2 * a).all() for a, b in batches)
    sizes, dealt = [len(a) for a, _ in batches], [i for a, _ in batches for i in a]
    whole, rest = divmod(n, batch_size)
    assert sizes == [batch_size] * whole + [rest] * (rest > 0 and not drop_last)
    assert len(set(dealt)) == len(dealt) == sum(sizes)
    assert set(dealt) <= set(range(n))


def test_shuffle_gives_every_epoch_an_order_of_its_own_repeatable_by_the_seed():
    x = np.arange(50)
    first, second, third = (DataLoader((x, x), 50, shuffle=True, rng=rng) for rng in (7, Generator(7), 8))
    epochs = [labels_of(first)[0] for _ in range(3)]
    assert epochs == [labels_of(second)[0] for _ in range(3)]
    assert len({tuple(order) for order in [*epochs, labels_of(third)[0], range(50)]}) == 5


def test_shuffle_without_rng_follows_the_global_seed():
    loader = DataLoader((X, Y), 10, shuffle=True)
    minidl.manual_seed(3)
    first = labels_of(loader)
    minidl.manual_seed(3)
    assert labels_of(loader) == first == labels_of(DataLoader((X, Y), 10, shuffle=True, rng=3))


def test_two_iterations_at_once_do_not_disturb_each_other():
    loader = DataLoader((X, Y), 1, shuffle=True, rng=0)
    pairs = [(a[1].item(), b[1].item()) for a, b in zip(loader, loader, strict=True)]
    assert [sorted(side) for side in zip(*pairs, strict=True)] == [list(range(10))] * 2


def test_batches_are_copies():
    x = X.copy()
    for shuffle in (False, True):
        for batch, _ in DataLoader((x, Y), 4, shuffle=shuffle, rng=0):
            batch[...] = -1
    assert (x == X).all()


@pytest.mark.parametrize("arrays", [(X,), (X, Y, X), [X, Y], (X.tolist(), Y.tolist())])
def test_any_number_of_arrays_is_dealt_out_together(arrays):
    batch = next(iter(DataLoader(arrays, 3)))
    assert [part.tolist() for part in batch] == [np.asarray(array)[:3].tolist() for array in arrays]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ((X, Y[:-1]), r"equally long arrays like \(x, y\), got lengths \[10, 9\]"),
        ((), r"equally long arrays like \(x, y\), got lengths \[\]"),
        (X, r"arrays like \(x, y\)"),
        (Y, r"arrays like \(x, y\)"),
        ((1, 2), r"arrays like \(x, y\)"),
        (None, r"arrays like \(x, y\)"),
    ],
)
def test_a_data_set_that_is_no_group_of_equally_long_arrays_is_an_error(dataset, message):
    with pytest.raises((TypeError, ValueError), match=rf"DataLoader takes .*{message}"):
        DataLoader(dataset)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, "4", None])
def test_a_batch_size_that_is_not_a_positive_integer_is_an_error(batch_size):
    with pytest.raises(ValueError, match=rf"DataLoader: batch_size must be a positive integer, got {batch_size!r}"):
        DataLoader((X, Y), batch_size)


class Squares:
    """Sample i is (i, i^2) as an image of one pixel and a label."""

    def __init__(self, n=5):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        return np.full((1, 1), i, np.float32), i * i


def test_samples_of_an_object_are_put_together():
    batches = list(DataLoader(Squares(), 2))
    assert [(x.shape, x.dtype, y.tolist()) for x, y in batches] == [
        ((2, 1, 1), np.float32, [0, 1]),
        ((2, 1, 1), np.float32, [4, 9]),
        ((1, 1, 1), np.float32, [16]),
    ]
    assert len(DataLoader(Squares(), 2, drop_last=True)) == 2
    assert sorted(y for _, ys in DataLoader(Squares(), 2, shuffle=True, rng=0) for y in ys.tolist()) == [0, 1, 4, 9, 16]


def test_samples_may_be_single_numbers_and_python_floats_are_float32():
    class Halves(Squares):
        def __getitem__(self, i):
            return i / 2

    (batch,) = DataLoader(Halves(3), 3)
    assert (batch.tolist(), batch.dtype) == ([0, 0.5, 1], np.float32)


class Samples(Squares):
    def __init__(self, *samples):
        super().__init__(len(samples))
        self.samples = samples

    def __getitem__(self, i):
        return self.samples[i]


def test_numbers_of_numpy_keep_their_dtype_and_pythons_floats_are_float32_among_integers_too():
    (batch,) = DataLoader(Samples(np.float64(0.1), np.float64(0.2)), 2)
    assert (batch.tolist(), batch.dtype) == ([0.1, 0.2], np.float64)
    (batch,) = DataLoader(Samples(1, 2.5), 2)
    assert (batch.tolist(), batch.dtype) == ([1, 2.5], np.float32)


@pytest.mark.parametrize(("sample", "kind"), [({"x": 1.0}, "dict"), (None, "NoneType"), ((1.0, None), "NoneType")])
def test_samples_that_are_no_numbers_are_an_error(sample, kind):
    with pytest.raises(TypeError, match=f"DataLoader: a sample must be numbers and arrays, or a tuple of them, got {kind}"):
        next(iter(DataLoader(Samples(sample, sample), 2)))


def test_samples_of_different_shapes_are_an_error():
    class Ragged(Squares):
        def __getitem__(self, i):
            return np.zeros(i)

    with pytest.raises(ValueError, match=r"one shape, got \[\(0,\), \(1,\)\]; pad or crop"):
        next(iter(DataLoader(Ragged(), 2)))


def test_circles_have_their_radii_and_moons_reach_into_each_other():
    x, y = circles(1000, noise=0.05, factor=0.3, rng=0)
    radius = np.hypot(*x.T)
    # Noise of 0.05 in each direction makes a std of 0.05 of the radius, and its mean larger by 0.05^2 / (2 r).
    for label, r in ((0, 1.0), (1, 0.3)):
        assert radius[y == label].mean() == pytest.approx(r + 0.05**2 / 2 / r, abs=4 * 0.05 / 1000**0.5)
        assert radius[y == label].std() == pytest.approx(0.05, rel=0.1)
    x, y = moons(3, noise=0)
    np.testing.assert_allclose(x, [[1, 0], [0, 1], [-1, 0], [0, 0.5], [1, -0.5], [2, 0.5]], atol=1e-7)
    assert y.tolist() == [0, 0, 0, 1, 1, 1]
    assert x.dtype == np.float32
    np.testing.assert_array_equal(moons(rng=3)[0], moons(rng=3)[0])


@pytest.mark.parametrize("make", [circles, moons])
@pytest.mark.parametrize("arguments", [{"n_per_class": 0}, {"n_per_class": 2.5}, {"noise": -1}, {"noise": math.inf}])
def test_toy_problems_that_cannot_be_are_errors(make, arguments):
    with pytest.raises(ValueError, match=f"{make.__name__} needs a positive integer n_per_class and finite noise"):
        make(**arguments)


def test_names_are_the_census_of_1990s():
    known = names()
    assert len(known) == len(set(known)) == 5163
    # 4,275 and 1,219 stand in the two lists; what is in both is in here once.
    assert 4275 + 1219 - len(known) == 331
    assert known[:3] == ["james", "john", "robert"]  # 3.318, 3.271 and 3.143 % of all men
    assert {letter for name in known for letter in name} == set("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_of_mnists_format_is_read(tmp_path, packed):
    header = struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 2, 3)  # images: two of 2 x 3 bytes
    content = header + bytes(range(12))
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(content) if packed else content)
    images = load_idx(path)
    assert (images.tolist(), images.dtype) == ([[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]], np.uint8)
    path.write_bytes(struct.pack(">BBBBI2d", 0, 0, 14, 1, 2, 0.5, -2))
    assert (load_idx(path).tolist(), load_idx(path).dtype) == ([0.5, -2], np.dtype("float64"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a file in the IDX format; it begins with nothing"),
        (b"PK\3\4", "is not a file in the IDX format; it begins with 50 4b 03 04"),
        (bytes([0, 0, 7, 1, 0, 0, 0, 0]), "not a file in the IDX format"),
        (bytes([0, 0, 8, 3, 0, 0]), "is damaged"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 5, 1, 2]), r"damaged: 10 bytes are not what an array of shape \(5,\) takes"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 1, 1, 2]), "is damaged"),
        (bytes([0, 0, 8, 4]) + b"\xff" * 16, "is damaged"),
        (gzip.compress(b"abc" * 9)[:-9], r"damaged \.gz file"),
        (bytes([0, 0, 8, 100]) + b"\0\0\0\1" * 100 + b"\7", "is of 100 axes of lengths that no array can have"),
        (bytes([0, 0, 8, 4]) + b"\0" * 4 + b"\xff" * 12, "is of 4 axes of lengths that no array can have"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^load_idx: \S*file .*{message}"):
        load_idx(path)
