"""Data to learn on: real digits, two toy problems, and a loader that deals out batches.

Everything is NumPy arrays; nothing is downloaded. The digits come with the package, see datasets/digits.md.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .names import no_attribute
from .random import Generator, as_generator
from .tensor import _lists

__all__ = ["DataLoader", "Split", "digits", "spirals", "xor"]


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
    dataset : sequence of ndarray
        Equally long, like (x, y). A batch is a tuple of as many arrays.
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
        dataset: Sequence[np.ndarray],
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        rng: Generator | int | None = None,
    ):
        if not isinstance(dataset, (tuple, list)):
            raise TypeError(
                f"DataLoader takes equally long arrays like (x, y), got {type(dataset).__name__}; for one write (x,)"
            )
        self.dataset = tuple(map(as_array, dataset))
        lengths = [len(array) if array.ndim else None for array in self.dataset]  # None: a number
        if len(set(lengths)) != 1 or None in lengths:
            raise ValueError(f"DataLoader takes equally long arrays like (x, y), got lengths {lengths}")
        if not _is_count(batch_size):
            raise ValueError(f"DataLoader: batch_size must be a positive integer, got {batch_size!r}")
        self.batch_size, self.shuffle, self.drop_last = int(batch_size), shuffle, drop_last
        self.rng = None if rng is None else as_generator(rng)

    def __len__(self) -> int:
        """The number of batches."""
        n = len(self.dataset[0])
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        n = len(self.dataset[0])
        order = as_generator(self.rng).permutation(n) if self.shuffle else np.arange(n)
        for i in range(len(self)):
            batch = order[i * self.batch_size : (i + 1) * self.batch_size]
            yield tuple(array[batch] for array in self.dataset)


def __getattr__(name: str) -> Any:
    raise no_attribute("module 'minidl.data'", name, __all__)
