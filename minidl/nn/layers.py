"""The layers that are neither linear nor a normalization nor an activation: residual blocks, embedding, flatten, dropout."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .. import init
from ..random import Generator, as_generator
from ..tensor import as_tensor
from .module import InputError, Module, check_input
from .parameter import Parameter, check_dtype, check_size, make_parameter

__all__ = ["Dropout", "Embedding", "Flatten", "Identity", "Residual"]


class Residual(Module):
    """y = x + f(x), or y = x + alpha f(x) with a number alpha that is learned.

    Parameters
    ----------
    branch : Module
        f; its output has the shape of its input.
    scale_init : initializer, name, number, array or function, optional
        What initializes alpha; None for no alpha. With 0 every block begins as the identity, however deep the network is, and
        the signal and the gradient pass unchanged (ReZero). Fixup has factors of 1 and the branch's last layer at 0.
    rng, dtype
        As in `Linear`.

    Attributes
    ----------
    scale : Parameter, shape (), or None
        alpha.

    Raises
    ------
    TypeError
        If branch is not a Module.
    ValueError
        In a call, if f(x) has another shape than x.

    Notes
    -----
    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, equation 1; Bachlechner et al.,
    "ReZero is all you need: fast convergence at large depth", UAI 2021, equation 1.

    Examples
    --------
    >>> from minidl.nn import Linear
    >>> block = Residual(Linear(2, 2, weight_init="ones"), scale_init=0.0)
    >>> block([[1.0, 2.0]]).data
    array([[1., 2.]], dtype=float32)
    """

    scale: Parameter | None

    def __init__(
        self, branch: Module, *, scale_init: Any = None, rng: Generator | int | None = None, dtype: DTypeLike = np.float32
    ):
        if not isinstance(branch, Module):
            raise TypeError(f"Residual takes a module, got {type(branch).__name__}; of several layers make a Sequential")
        check_dtype("Residual", dtype)
        self.branch = branch
        self.register_parameter("scale", None)
        if scale_init is not None:
            self.scale = make_parameter("Residual scale_init", scale_init, (), None, as_generator(rng), dtype)

    def forward(self, x):
        if self.scale is not None:
            x = check_input(self, x, self.scale.dtype)
        y = self.branch(x)
        x = as_tensor(x, like=y)
        if y.shape != x.shape:
            raise InputError(self, f"adds its input to its branch's output, but these have shapes {x.shape} and {y.shape}")
        return x + y if self.scale is None else x + self.scale * y


class Embedding(Module):
    """y = the rows of W with the numbers that come in: a vector that is learned for each of num_embeddings things.

    It is a linear layer without bias behind one_hot(input), of which it reads one row in place of multiplying by zeros. So
    one weight makes an output and fan_in is 1, not num_embeddings: the variance of y is that of a weight. A row sends its
    gradient to embedding_dim weights, so fan_out is embedding_dim.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Input: integers from 0 to num_embeddings - 1, of any shape. Output: (..., embedding_dim).
    padding_idx : int, optional
        A row that begins at 0 and stays there; counted from the end, if it is negative.
    weight_init : initializer, name, number, array or function (shape, rng) -> array
        What initializes W, of shape (num_embeddings, embedding_dim); as in PyTorch N(0, 1).
    rng, dtype
        As in `Linear`.

    Raises
    ------
    ValueError, TypeError
        If a size or padding_idx cannot be; in a call, if the input are not integers, or one has no row.

    Examples
    --------
    >>> letters = Embedding(27, 2, rng=0)
    >>> letters([[0, 1, 26]]).shape
    (1, 3, 2)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        weight_init: Any = init.Normal(),  # noqa: B008 - immutable, and readable in the signature
        rng: Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ):
        check_size("Embedding", "num_embeddings", num_embeddings)
        check_size("Embedding", "embedding_dim", embedding_dim)
        check_dtype("Embedding", dtype)
        if padding_idx is not None and (
            not isinstance(padding_idx, (int, np.integer)) or not -num_embeddings <= padding_idx < num_embeddings
        ):
            raise ValueError(f"Embedding: padding_idx must be the number of one of {num_embeddings} rows, got {padding_idx!r}")
        self.num_embeddings, self.embedding_dim = int(num_embeddings), int(embedding_dim)
        self.padding_idx = None if padding_idx is None else int(padding_idx) % self.num_embeddings
        shape, fans = (self.num_embeddings, self.embedding_dim), (1, self.embedding_dim)
        self.weight = make_parameter("Embedding weight_init", weight_init, shape, fans, as_generator(rng), dtype)
        self.weight.data = self._settled("weight", self.weight.data)

    def _settled(self, name, drawn):
        return drawn if self.padding_idx is None else np.where(np.arange(len(drawn))[:, None] == self.padding_idx, 0, drawn)

    def unit_weights(self, values):
        return values.T[None]

    def forward(self, x):
        try:
            return F.embedding(x, self.weight, self.padding_idx)
        except (ValueError, TypeError, IndexError) as error:
            raise InputError(self, f"cannot go on: {error}") from error

    def extra_repr(self):
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        initializer = getattr(self.weight, "initializer", None)
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}, weight_init={initializer}"


class Identity(Module):
    """y = x: where a layer may be left out. It takes any arguments, and does nothing with them."""

    unit_axis = None

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def forward(self, x):
        return as_tensor(x)

    def propagate(self, signal):
        return signal.keep()


class Flatten(Module):
    """All axes but the first become one: (batch, ...) to (batch, features)."""

    def forward(self, x):
        x = as_tensor(x)
        return F.reshape(x, (len(x), -1) if x.size else (len(x), int(np.prod(x.shape[1:]))))

    def propagate(self, signal):
        return signal.flatten()


class Dropout(Module):
    """In training, zeroes each element with probability p and divides the others by 1 - p; otherwise does nothing.

    Parameters
    ----------
    p : float
    rng : Generator, int or None
        Where the choice comes from; None for the global generator.
    """

    unit_axis = None

    def __init__(self, p: float = 0.5, *, rng: Generator | int | None = None):
        if not isinstance(p, (int, float, np.number)) or not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must be a probability from 0 to 1, got {p!r}")
        self.p, self.rng = p, None if rng is None else as_generator(rng)

    def forward(self, x):
        return F.dropout(x, self.p, self.training, self.rng)

    def propagate(self, signal):
        return signal.dropout(self.p if self.training else 0.0)

    def extra_repr(self):
        return f"p={self.p}"
