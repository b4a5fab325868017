"""Programs: many calls of kernels as one, for captured steps (`capture/`). In csrc/ they are structs, without Python."""

from operator import is_
from sys import getrefcount

import numpy as np


class Program:
    """The kernel calls of a step, one after the other.

    Examples
    --------
    >>> x, y = np.array([[-1.0, 2.0]]), np.empty((1, 2))
    >>> program = Program()
    >>> program.append(lambda x: np.maximum(x, 0), (x,), (y,))
    >>> program.step(([], [], [], [], [])), y
    (True, array([[0., 2.]]))
    """

    def __init__(self):
        self.calls = []
        self.updates = []  # the places in `calls` of the steps of optimizers
        self.draws = []  # and of draws of random numbers

    def __len__(self):
        return len(self.calls)

    def append(self, kernel, arguments, results):
        """Add a call of a kernel, whose results are to go to these arrays."""
        if kernel.__name__ in ("sgd", "adam", "rmsprop"):
            self.updates.append(len(self.calls))
        if kernel.__name__ == "uniform":
            self.draws.append(len(self.calls))
        self.calls.append((kernel, arguments, results))

    def set_numbers(self, update, group, numbers):
        """The learning rate and so on of a group of an update from now on."""
        groups = self.calls[self.updates[update]][1][0]
        groups[group] = (*groups[group][: -len(numbers)], *numbers)

    def set_steps(self, update, steps):
        """How many steps each parameter of an update has made, [n], in the order of its tensors."""
        groups, remaining = self.calls[self.updates[update]][1][0], [n for (n,) in steps]
        for *_, counted in (group[: _lists(group)] for group in groups):
            counted[:], remaining = remaining[: len(counted)], remaining[len(counted) :]

    def set_draw(self, i, key, position):
        """With which key, and from which word on, the i-th draw of random numbers is made."""
        kernel, (size, real, _, _, low, high), results = self.calls[self.draws[i]]
        self.calls[self.draws[i]] = kernel, (size, real, key, position, low, high), results

    def step(self, after):
        """Run all calls and, unless one fails, do what comes `after`.

        Leaves get their gradients, or None; counts go up; generators move on by so many words. Returns False where one failed,
        so that those after it did not run.
        """
        if not self._run():
            return False
        leaves, gradients, zeroed, counts, drawn = after
        for leaf, gradient in [*zip(leaves, gradients, strict=True), *((leaf, None) for leaf in zeroed)]:
            leaf._grad = gradient
        for count in counts:
            count[0] += 1
        for generator, words in drawn:
            generator._position += words
        return True

    def rehearse(self, written, look):
        """What `look()` finds when all calls have run; then the arrays that they write to are as before. None, if one fails."""
        before = [array.copy() for array in written]
        try:
            return look() if self._run() else None
        finally:
            for array, old in zip(written, before, strict=True):
                array[...] = old

    def steps(self, order, sources, places, loss, losses, words, after):
        """A step for each batch of rows of the sources, which go to the places, in this order. Returns how many were made.

        `losses` has as many numbers as there are batches, and gets what the array `loss` then is, unless that is None. From
        step to step, draws of random numbers move on by so many `words`, one number for each draw.
        """
        for i, rows in enumerate(np.split(order, len(losses))):
            for source, place in zip(sources, places, strict=True):
                place[...] = source[rows]
            if i:
                self._go_on(words)
            if not self.step(after):
                return i
            if loss is not None:
                losses[i] = loss
        return len(losses)

    def _go_on(self, words):
        """Move draws on, and count the steps of parameters."""
        for i, n in zip(self.draws, words, strict=True):
            kernel, (size, real, key, position, low, high), results = self.calls[i]
            self.calls[i] = kernel, (size, real, key, position + n, low, high), results
        for i in self.updates:
            for *_, counted in (group[: _lists(group)] for group in self.calls[i][1][0]):
                counted[:] = [n + 1 for n in counted]

    def _run(self):
        for kernel, arguments, results in self.calls:
            try:
                made = kernel(*(float(x) if kernel.__name__ == "scaled" and x is arguments[0] else x for x in arguments))
            except (ValueError, MemoryError):
                return False
            if kernel.__name__ == "are_finite" and not made:
                return False
            for place, new in zip(results, made if isinstance(made, tuple) else (made,), strict=False):
                place[...] = new
        return True


def _lists(group):
    """How many lists a group begins with: of arrays, and of counts."""
    return next(i for i, part in enumerate(group) if not isinstance(part, list))


# What a program is made of, beside the kernels


def arithmetic(name, x, y):
    """x + y and so on, of matrices with rows or columns that repeat, or of arrays of one shape."""
    return np.asarray(1 / np.sqrt(x + y) if name == "inverse_root" else getattr(np, name)(x, y))


def row_sums(x, shape):
    """The sums along the last axis of a contiguous array, or of all of it, in an array of this shape."""
    return np.add.reduce(x.reshape(-1) if shape == (1,) * len(shape) else x, -1).reshape(shape)


def copy(x):
    """A copy of a contiguous array."""
    return x.copy()


def unchanged(dicts, lists, attributes, arrays):
    """Whether dicts still have these keys and values, lists these items, objects (or dicts) these attributes, arrays the
    memory of these views; the very same objects, in their order."""

    def same(known, items):
        return len(known) == len(items) and all(map(is_, known, items))

    def found(x, name):
        try:
            return x.get(name) if type(x) is dict else getattr(x, name)
        except (AttributeError, ValueError):  # it was deleted; of a variable of a closure that is a ValueError
            return unchanged  # which is nobody's value

    return (
        all(same(known, keys) and same(known.values(), values) for known, keys, values in dicts)
        and all(same(known, items) for known, items in lists)
        and all(found(x, name) is value for x, name, value in attributes)
        and all(_shown(x) == _shown(y) for x, y in arrays)
    )


def _shown(x):
    return x.__array_interface__["data"], x.shape, x.strides, x.dtype


def take(arrays, forms, places):
    """Copy arrays to places (number, array), if all have the form of these arrays, or are the same numbers or words."""

    def fits(x, form):
        if isinstance(form, np.ndarray):
            return type(x) is np.ndarray and (x.dtype, x.shape, x.strides) == (form.dtype, form.shape, form.strides)
        return type(x) is type(form) and type(x) in (int, float, bool, str, type(None)) and repr(x) == repr(form)

    if len(arrays) != len(forms) or not all(map(fits, arrays, forms)):
        return False
    for i, place in places:
        np.copyto(place, arrays[i], casting="unsafe")
    return True


def references(arrays):
    """How many references each of these arrays has."""
    return [getrefcount(x) for x in arrays]


def shared(arrays, leaves, counts):
    """Whether somebody got one of these arrays since these references to them were counted, other than as a leaf's `.grad`."""
    return any(
        now > before + (leaf._grad is x)
        for x, leaf, before, now in zip(arrays, leaves, counts, references(arrays), strict=True)
    )
