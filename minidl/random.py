"""Random numbers: one seed, named streams, the same numbers everywhere.

A Generator is a key and a position in the key's endless stream of Philox words; a draw takes the next words and moves the
position. That is all its state: the numbers depend neither on threads nor on the processor, nor on how a draw is cut into
calls. What a distribution takes is checked here; `kernels` draws the samples.

Copies of a generator draw the same numbers, and a process that is forked (as `multiprocessing` does on Linux) gets a copy of
every generator, the global one too. So give each worker a stream of its own: `Generator(seed).stream(f"worker {i}")`.
"""

import functools
import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from . import kernels

Size = SupportsIndex | Sequence[SupportsIndex]


class Generator:
    """A stream of random numbers.

    Parameters
    ----------
    seed : int, optional
        From 0 to 2**64 - 1; the same seed gives the same numbers on every machine. None takes one from the
        operating system.

    Attributes
    ----------
    seed : int
        The Philox key; `manual_seed` changes it.
    position : int
        How many 32-bit words have been used; assign to it to jump.

    Examples
    --------
    >>> rng = Generator(0)
    >>> rng.uniform(3)
    array([0.39904642, 0.88052016, 0.73571277], dtype=float32)
    >>> rng.position = 0
    >>> rng.uniform(3)
    array([0.39904642, 0.88052016, 0.73571277], dtype=float32)

    Seed and position are the whole state: whoever keeps the two can go on from there. A jump costs the same however far it
    goes. Generators also copy and pickle; a copy draws the same numbers, also that in a forked process, so give each worker
    (and each thread, for a generator is for one at a time) its own `stream`.

    >>> seed, position = rng.seed, rng.position
    >>> rng.normal(2)
    array([0.26756224, 1.9148033 ], dtype=float32)
    >>> restored = Generator(seed)
    >>> restored.position = position
    >>> restored.normal(2)
    array([0.26756224, 1.9148033 ], dtype=float32)
    """

    _key: tuple[int, int]
    _position: int

    def __init__(self, seed: int | None = None):
        self.manual_seed(int.from_bytes(os.urandom(8), "little") if seed is None else seed)

    def __repr__(self):
        return f"Generator(seed={self.seed}), position {self.position}"

    def manual_seed(self, seed: int) -> "Generator":
        """Start again, from another seed. Returns the generator itself."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 64:
            raise ValueError(f"seed must be an integer from 0 to 2**64 - 1, got {seed!r}")
        vars(self).update(_key=(int(seed) & 0xFFFFFFFF, int(seed) >> 32), _position=0)  # at once: see atomic.py
        return self

    @property
    def seed(self) -> int:
        return self._key[0] | self._key[1] << 32

    @property
    def position(self) -> int:
        return self._position

    @position.setter
    def position(self, words: int):
        if not isinstance(words, (int, np.integer)) or not 0 <= words < 1 << 63:
            raise ValueError(f"position must be an integer from 0 to 2**63 - 1, got {words!r}")
        self._position = int(words)

    def state_dict(self) -> dict[str, int]:
        """Seed and position, which are all there is to save."""
        return {"seed": self.seed, "position": self.position}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        """Go on from a saved seed and position.

        Raises
        ------
        ValueError, TypeError
            If the two are not there, or cannot be. Nothing has been changed then.
        """
        for change in self._loading(state_dict):
            change()

    def _loading(self, state_dict: Any) -> list[Callable[[], Any]]:
        """What load_state_dict does, checked, and not yet done: calls for `atomic.at_once`."""
        if not isinstance(state_dict, Mapping) or set(state_dict) != {"seed", "position"}:
            raise TypeError(f"load_state_dict of Generator takes a dict with 'seed' and 'position', got {state_dict!r}")
        new = Generator(0).manual_seed(state_dict["seed"])
        new.position = state_dict["position"]
        return [functools.partial(vars(self).update, vars(new))]

    def stream(self, name: str) -> "Generator":
        """The generator of this name. It depends on the seed and the name only, not on what was drawn before.

        The seed of the stream is the 64-bit BLAKE2b hash (RFC 7693) of the name, keyed with this seed.

        Examples
        --------
        >>> Generator(0).stream("0.weight").uniform(2)
        array([0.69792885, 0.7076254 ], dtype=float32)
        """
        import hashlib  # here, for it is slow to import

        if not isinstance(name, str):
            raise TypeError(f"the name of a stream is a string, got {name!r}")
        digest = hashlib.blake2b(name.encode(), digest_size=8, key=self.seed.to_bytes(8, "little")).digest()
        return Generator(int.from_bytes(digest, "little"))

    def _used(self, out: np.ndarray) -> np.ndarray:
        """Move on by the words that these samples took: one for every four bytes."""
        self._position += out.nbytes // 4
        return out

    def uniform(self, size: Size, low: float = 0.0, high: float = 1.0, dtype: DTypeLike = np.float32) -> np.ndarray:
        """Uniform on [low, high).

        Parameters
        ----------
        size : int or tuple of int
        low, high : float
        dtype : float32 or float64
            float32 samples lie on a grid of 2**-24 of the interval, float64 ones on one of 2**-53; so 1.0 is never drawn
            from [0, 1).

        Raises
        ------
        ValueError
            If low > high, or one of them or their difference is not finite.

        Examples
        --------
        >>> Generator(0).uniform((2, 2), -1, 1)
        array([[-0.20190716,  0.76104033],
               [ 0.47142553,  0.2109636 ]], dtype=float32)
        """
        real, low, high = _real(dtype), float(low), float(high)
        if not (low <= high and high - low <= _LARGEST[real]):
            raise ValueError(f"uniform needs finite low <= high in {real.__name__}, got low={low}, high={high}")
        return self._used(kernels.uniform(size, real, self._key, self._position, low, high))

    def normal(self, size: Size, mean: float = 0.0, std: float = 1.0, dtype: DTypeLike = np.float32) -> np.ndarray:
        """Normal (Gaussian), by inversion of the distribution function.

        A float32 sample is made from 32 bits and reaches 6.2 standard deviations, a float64 one from 53 bits and 8.3: what lies
        beyond has a probability of 2**-31 and 2**-53, less than samples of that many bits can show.

        Raises
        ------
        ValueError
            If std is negative, or one of mean and std is not finite.

        Examples
        --------
        >>> Generator(0).normal(3)
        array([-0.25581592,  1.1775912 ,  0.6301837 ], dtype=float32)
        """
        real = _real(dtype)
        mean, std = _mean_std("normal", mean, std, real)
        out = kernels.normal(size, real, self._key, self._position, mean, std, 0.0, 0.0, 1.0, -math.inf, math.inf)
        return self._used(out)

    def truncated_normal(
        self,
        size: Size,
        mean: float = 0.0,
        std: float = 1.0,
        low: float = -2.0,
        high: float = 2.0,
        dtype: DTypeLike = np.float32,
    ) -> np.ndarray:
        """Normal, given that it lies in [low, high].

        Parameters
        ----------
        size : int or tuple of int
        mean, std : float
            Those of the normal distribution before it is truncated. Afterwards the standard deviation is smaller: 0.8796
            std where it is truncated at mean -+ 2 std.
        low, high : float
            Bounds of the samples themselves, not counted in standard deviations (as in `torch.nn.init.trunc_normal_`).
        dtype : float32 or float64

        Raises
        ------
        ValueError
            If std is negative, low > high, or almost nothing of the distribution lies between them.

        Examples
        --------
        >>> Generator(0).truncated_normal(3, low=0.0, high=1.0)
        array([0.34835282, 0.8436265 , 0.6780553 ], dtype=float32)
        """
        real, low, high = _real(dtype), float(low), float(high)
        mean, std = _mean_std("truncated_normal", mean, std, real)
        if not low <= high or (low == high and math.isinf(low)):
            raise ValueError(f"truncated_normal needs low <= high, got low={low}, high={high}")
        if std == 0 or low == high:
            p_low, q_high, width = 0.0, 0.0, float(low <= mean <= high or low == high)
        else:
            p_low, q_high, width = _interval((low - mean) / std, (high - mean) / std)
        # The probabilities beyond the bounds have 40 bits, fewer below 1e-300: too few to tell bounds this close apart.
        if width < max(2e-10 * min(p_low, q_high), 1e-300):
            raise ValueError(
                f"truncated_normal: too little of a normal distribution with mean {mean} and std {std} lies between "
                f"low={low} and high={high} (a fraction of {width:.3g}); bounds are values, not numbers of standard deviations"
            )
        # In float32 the bits are too few for any interval that is narrow or far out in one tail.
        made = np.float64 if max(p_low, q_high) > 0.95 or width < 2**-8 else real
        out = kernels.normal(size, made, self._key, self._position, mean, std, p_low, q_high, width, low, high)
        return self._used(out).astype(real, copy=False)

    def integers(self, low: int, high: int | None = None, size: Size = ()) -> np.ndarray:
        """Integers uniform on low ... high - 1 (on 0 ... low - 1 where high is None), int64; each exactly as likely.

        Raises
        ------
        ValueError
            If there is no integer in that range, or it leaves int64.

        Examples
        --------
        >>> Generator(0).integers(1, 7, size=5)
        array([3, 5, 6, 5, 1])
        """
        low, high = (0, low) if high is None else (low, high)
        try:
            low, high = operator.index(low), operator.index(high)
        except TypeError:
            raise TypeError(f"integers takes integers, got low={low!r}, high={high!r}") from None
        if not -(1 << 63) <= low < high <= 1 << 63:
            raise ValueError(f"integers needs low < high, both within int64, got low={low}, high={high}")
        return self._used(kernels.integers(size, self._key, self._position, low, (high - low) % (1 << 64)))

    def permutation(self, n: int) -> np.ndarray:
        """The numbers 0 ... n - 1 in random order, int64; every order is as likely as the others.

        Examples
        --------
        >>> Generator(0).permutation(5)
        array([4, 1, 3, 2, 0])
        """
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
            raise ValueError(f"permutation takes a non-negative integer, got {n!r}")
        return self._used(kernels.permutation(int(n), self._key, self._position))

    def bernoulli(self, size: Size, p: float = 0.5) -> np.ndarray:
        """True with probability p (to 2**-53), bool.

        Raises
        ------
        ValueError
            If p is not in [0, 1].

        Examples
        --------
        >>> Generator(0).bernoulli(4, 0.75)
        array([ True,  True, False,  True])
        """
        if not 0 <= p <= 1:
            raise ValueError(f"bernoulli needs a probability from 0 to 1, got p={p}")
        return np.asarray(self.uniform(size, dtype=np.float64) < p)


_LARGEST = {np.float32: float(np.finfo(np.float32).max), np.float64: float(np.finfo(np.float64).max)}


def _real(dtype: DTypeLike) -> Any:
    real = dtype if dtype is np.float32 else np.dtype(dtype).type
    if real not in _LARGEST:
        raise TypeError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
    return real


def _mean_std(name: str, mean: float, std: float, real: Any) -> tuple[float, float]:
    mean, std = float(mean), float(std)
    if not (abs(mean) <= _LARGEST[real] and 0 <= std <= _LARGEST[real] / 16):  # a sample is mean -+ 8.3 std at the most
        raise ValueError(
            f"{name} needs a finite mean and a finite std of at least 0 in {real.__name__}, got mean={mean}, std={std}"
        )
    return mean, std


def _below(z: float) -> float:
    """P(Z < z) for a standard normal Z."""
    return _forty_bits(0.5 * math.erfc(-z / math.sqrt(2)))


def _forty_bits(p: float) -> float:
    """p rounded to 40 bits: two mathematical libraries that differ in the 53rd give one result."""
    fraction, exponent = math.frexp(p)
    return math.ldexp(round(math.ldexp(fraction, 40)), exponent - 40)


@functools.lru_cache(maxsize=64)
def _interval(a: float, b: float) -> tuple[float, float, float]:
    """P(Z < a), P(Z > b) and P(a < Z < b), the last computed where it loses no digits."""
    p_low, q_high = _below(a), _below(-b)
    if a > 0:
        return p_low, q_high, _below(-a) - q_high
    if b < 0:
        return p_low, q_high, _below(b) - p_low
    return p_low, q_high, _forty_bits(0.5 * (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))))


_default = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the global generator, which is used wherever `rng` is None. Returns it.

    Until then it has a seed from the operating system: call this first in whatever should be repeatable.

    Processes that are forked afterwards each have a copy of it, and all draw the same numbers. In worker i, use
    `manual_seed(seed).stream(f"worker {i}")`, and pass it on as `rng`.

    Examples
    --------
    >>> manual_seed(0).uniform(2)
    array([0.39904642, 0.88052016], dtype=float32)
    """
    return _default.manual_seed(seed)


def as_generator(rng: "Generator | int | None") -> Generator:
    """The generator that an `rng` argument means: itself, a new one for a seed, the global one for None.

    Source: Scientific Python SPEC 7.
    """
    if rng is None:
        return _default
    if isinstance(rng, Generator):
        return rng
    if isinstance(rng, (int, np.integer)):
        return Generator(rng)
    raise TypeError(f"rng must be a minidl.random.Generator, an integer (a seed) or None, got {type(rng).__name__}")
