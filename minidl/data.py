"""Data to learn on: real digits and given names, toy problems, files of MNIST's format, and a loader that deals out batches.

Everything is NumPy arrays; nothing is downloaded. The digits and the names come with the package, see `datasets/*.md`.
"""

import gzip
import math
import os
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .names import no_attribute
from .random import Generator, as_generator
from .tensor import _lists

__all__ = ["DataLoader", "Split", "circles", "digits", "load_idx", "moons", "names", "spirals", "xor"]


class Split(NamedTuple):
    """Samples to train on and samples to test on. x is float32 of shape (n, features), y holds int64 class numbers."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def digits(seed: int = 0, test_size: float = 0.2) -> Split:
    """1,797 handwritten digits of 8x8 pixels, ten classes, shuffled by a seed and split.

    Parameters
    ----------
    seed : int
        Which samples are for testing, and the order of all.
    test_size : float
        The fraction of samples for testing, between 0 and 1.

    Returns
    -------
    Split
        x has 64 features from 0 (paper) to 1 (ink), row by row: x.reshape(-1, 8, 8) are the images.

    Raises
    ------
    ValueError
        If test_size leaves no sample on one side.

    Notes
    -----
    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
    doi.org/10.24432/C50P49, CC BY 4.0.

    Examples
    --------
    >>> x_train, y_train, x_test, y_test = digits()
    >>> x_train.shape, x_test.shape
    ((1438, 64), (359, 64))
    """
    with np.load(os.path.join(os.path.dirname(__file__), "datasets", "digits.npz")) as archive:
        images, labels = archive["images"], archive["labels"]
    if not isinstance(test_size, (int, float, np.number)):
        raise TypeError(f"digits: test_size must be a number, got {test_size!r}")
    tests = round(len(images) * test_size) if 0 < test_size < 1 else 0
    if not 0 < tests < len(images):
        raise ValueError(f"digits: test_size must be a fraction of the {len(images)} samples between 0 and 1, got {test_size}")
    order = Generator(seed).permutation(len(images))
    x, y = images[order].astype(np.float32) / 16, labels[order].astype(np.int64)
    return Split(x[tests:], y[tests:], x[:tests], y[:tests])


def spirals(
    n_per_class: int = 100, classes: int = 3, noise: float = 0.2, rng: Generator | int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Points on intertwined spiral arms, one for each class: no straight line separates them.

    Arm c goes out from the origin to radius 1 and turns by 4 radians meanwhile, two thirds of a circle: its angle is
    2 pi c / classes + 4 radius, to which normal noise is added.

    Returns
    -------
    x : float32, shape (n_per_class * classes, 2)
    y : int64, shape (n_per_class * classes,)

    Examples
    --------
    >>> x, y = spirals(50, classes=2, rng=0)
    >>> x.shape, y.min(), y.max()
    ((100, 2), np.int64(0), np.int64(1))
    """
    if not (_is_count(n_per_class) and _is_count(classes) and 0 <= noise < np.inf):
        raise ValueError(
            "spirals needs n_per_class and classes that are positive integers, and finite noise of at least 0, got "
            f"{n_per_class}, {classes} and {noise}"
        )
    y = np.repeat(np.arange(classes), n_per_class)
    radius = np.tile(np.linspace(0, 1, n_per_class), classes)
    angle = 2 * np.pi * y / classes + 4 * radius + as_generator(rng).normal(y.shape, 0.0, noise, dtype=np.float64)
    return (radius * np.array([np.cos(angle), np.sin(angle)])).T.astype(np.float32), y


def circles(
    n_per_class: int = 100, noise: float = 0.1, factor: float = 0.5, rng: Generator | int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Points on two circles around the origin: class 0 at radius 1, class 1 at radius `factor`, each with normal noise.

    Returns
    -------
    x : float32, shape (2 n_per_class, 2)
    y : int64, shape (2 n_per_class,)

    Examples
    --------
    >>> x, y = circles(50, noise=0, rng=0)
    >>> x.shape, bool(np.allclose((x[y == 1] ** 2).sum(1), 0.25))
    ((100, 2), True)
    """
    _check_points("circles", n_per_class, noise)
    if not 0 <= factor <= 1:
        raise ValueError(f"circles: factor, the inner radius, must be from 0 to 1, got {factor}")
    y, angle = np.repeat([0, 1], n_per_class), np.tile(2 * np.pi * np.arange(n_per_class) / n_per_class, 2)
    points = np.where(y == 0, 1, factor) * np.array([np.cos(angle), np.sin(angle)])
    return _noisy(points, noise, rng), y


def moons(n_per_class: int = 100, noise: float = 0.1, rng: Generator | int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Points on two half circles of radius 1 that reach into each other, each with normal noise.

    Class 0 is the upper half around (0, 0), class 1 the lower half around (1, 0.5).

    Returns
    -------
    x : float32, shape (2 n_per_class, 2)
    y : int64, shape (2 n_per_class,)

    Examples
    --------
    >>> x, y = moons(50, noise=0, rng=0)
    >>> x.shape, float(x[y == 0, 1].min()) >= 0
    ((100, 2), True)
    """
    _check_points("moons", n_per_class, noise)
    y, angle = np.repeat([0, 1], n_per_class), np.tile(np.linspace(0, np.pi, n_per_class), 2)
    up, right = np.sin(angle), np.cos(angle)
    return _noisy(np.where(y == 0, [right, up], [1 - right, 0.5 - up]), noise, rng), y


def _check_points(name: str, n_per_class: Any, noise: Any) -> None:
    if not (_is_count(n_per_class) and 0 <= noise < np.inf):
        raise ValueError(
            f"{name} needs a positive integer n_per_class and finite noise of at least 0, got {n_per_class} and {noise}"
        )


def _noisy(points: np.ndarray, noise: float, rng: Generator | int | None) -> np.ndarray:
    """The columns as rows of float32, with normal noise."""
    return (points + as_generator(rng).normal(points.shape, 0.0, noise, dtype=np.float64)).T.astype(np.float32)


def names() -> list[str]:
    """5,163 given names in lower case, a to z, the most frequent in the United States of 1990 first.

    Notes
    -----
    Source: U.S. Census Bureau, "Frequently Occurring Surnames from Census 1990", 1995; in the public domain.

    Examples
    --------
    >>> names()[:4]
    ['james', 'john', 'robert', 'mary']
    """
    with open(os.path.join(os.path.dirname(__file__), "datasets", "names.txt"), encoding="ascii") as file:
        return file.read().split()


_IDX_DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def load_idx(path: str | os.PathLike) -> np.ndarray:
    """An array from a file in the IDX format, in which MNIST and its relatives are handed out; a .gz file is unpacked.

    Two bytes of 0, one for the dtype, one for the number of axes; the lengths of these, four bytes each; the numbers. All of
    them begin with the most significant byte.

    Raises
    ------
    ValueError
        If the file is not of that format, or damaged.

    Notes
    -----
    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "File formats".

    Examples
    --------
    >>> images = load_idx("train-images-idx3-ubyte.gz")  # doctest: +SKIP
    >>> x = images.reshape(-1, 784).astype(np.float32) / 255  # doctest: +SKIP
    """
    with open(path, "rb") as file:
        content = file.read()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"load_idx: {path} is a damaged .gz file ({error}); fetch it again") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_DTYPES:
        raise ValueError(
            f"load_idx: {path} is not a file in the IDX format; it begins with {content[:4].hex(' ') or 'nothing'}"
        )
    dtype, begin = np.dtype(_IDX_DTYPES[content[2]]), 4 + 4 * content[3]
    shape = tuple(int(n) for n in np.frombuffer(content[4:begin], ">u4")) if len(content) >= begin else (-1,)
    if len(content) != begin + math.prod(shape) * dtype.itemsize:
        raise ValueError(f"load_idx: {path} is damaged: {len(content)} bytes are not what an array of shape {shape} takes")
    try:
        return np.frombuffer(content, dtype, offset=begin).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError as error:  # more axes than NumPy has, or an empty array with lengths beyond all memory
        raise ValueError(f"load_idx: {path} is of {len(shape)} axes of lengths that no array can have ({error})") from error


def _is_count(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and int(n) >= 1


def xor() -> tuple[np.ndarray, np.ndarray]:
    """The four points of exclusive or: class 1 where one coordinate is 1 and the other is not.

    Examples
    --------
    >>> x, y = xor()
    >>> x.tolist(), y.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    return np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0])


def as_array(data: Any) -> np.ndarray:
    """`np.asarray`, of tensors too. A mask or a gradient that would get lost is an error."""
    return np.asarray(_lists(data))


class DataLoader:
    """Deals arrays out in batches. Each iteration over it is one epoch.

    Parameters
    ----------
    dataset : sequence of ndarray, or an object with __len__ and __getitem__
        Equally long arrays like (x, y): a batch is a tuple of as many arrays. Of an object that gives sample i as dataset[i],
        numbers and arrays in a tuple or one alone, a batch is the same with a first axis more.
    batch_size : int
    shuffle : bool
        If True, each epoch has an order of its own.
    drop_last : bool
        If True, a last batch that is smaller than the others is left out.
    rng : Generator, int or None
        Where the orders come from; None for the global generator.

    Examples
    --------
    >>> x, y = xor()
    >>> for x_batch, y_batch in DataLoader((x, y), batch_size=3, shuffle=True, rng=0):
    ...     print(y_batch)
    [0 1 0]
    [1]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        rng: Generator | int | None = None,
    ):
        if isinstance(dataset, (tuple, list)):
            dataset = tuple(map(as_array, dataset))
            lengths = [len(array) if array.ndim else None for array in dataset]  # None: a number
            if len(set(lengths)) != 1 or None in lengths:
                raise ValueError(f"DataLoader takes equally long arrays like (x, y), got lengths {lengths}")
        elif isinstance(dataset, np.ndarray) or not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(
                "DataLoader takes equally long arrays like (x, y), or an object with __len__ and __getitem__, got "
                f"{type(dataset).__name__}; for one array write (x,)"
            )
        self.dataset = dataset
        if not _is_count(batch_size):
            raise ValueError(f"DataLoader: batch_size must be a positive integer, got {batch_size!r}")
        self.batch_size, self.shuffle, self.drop_last = int(batch_size), shuffle, drop_last
        self.rng = None if rng is None else as_generator(rng)

    def __len__(self) -> int:
        """The number of batches."""
        n = self._samples()
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def _samples(self) -> int:
        return len(self.dataset[0] if isinstance(self.dataset, tuple) else self.dataset)

    def __iter__(self) -> Iterator[Any]:
        n = self._samples()
        order = as_generator(self.rng).permutation(n) if self.shuffle else np.arange(n)
        for i in range(len(self)):
            places = order[i * self.batch_size : (i + 1) * self.batch_size]
            if isinstance(self.dataset, tuple):
                yield tuple(array[places] for array in self.dataset)
            else:
                yield _together([self.dataset[int(place)] for place in places])


def _together(samples: list[Any]) -> Any:
    """Samples as a batch: tuples as a tuple of batches, numbers and arrays as an array, with float32 for Python's floats."""
    first = samples[0]
    if isinstance(first, (tuple, list)):
        return tuple(_together(list(parts)) for parts in zip(*samples, strict=True))
    arrays = [as_array(sample) for sample in samples]
    if len(shapes := {array.shape for array in arrays}) > 1:
        raise ValueError(f"DataLoader: the samples of a batch must have one shape, got {sorted(shapes)}; pad or crop them")
    batch = np.stack(arrays)
    if batch.dtype.kind == "O":
        raise TypeError(f"DataLoader: a sample must be numbers and arrays, or a tuple of them, got {type(first).__name__}")
    plain = all(type(sample) in (bool, int, float) for sample in samples)
    return batch.astype(np.float32) if plain and batch.dtype.kind == "f" else batch


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.data'", name, __all__)
