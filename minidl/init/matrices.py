"""Initializers about a weight as a whole matrix: what it does to every vector, not how each of its elements is distributed.

They need no fans, only the shape: (out, in), or (out, in, ...) with the axes of a convolution's kernel. For gated
recurrent layers some libraries have an initializer for biases (a forget gate at 1); there are no such layers here, and
`Constant` does it.
"""

import math
from typing import Any, Literal

import numpy as np

from .. import kernels
from ..random import Generator
from .base import Initializer, Moments, Shape, called, choice

__all__ = [
    "Bilinear",
    "DeltaOrthogonal",
    "Dirac",
    "Eye",
    "Identity",
    "LooksLinear",
    "Orthogonal",
    "Sparse",
    "ZerO",
]


def _check_axes(initializer: Initializer, shape: Shape, allowed: range, hint: str = "") -> None:
    if len(shape) not in allowed:
        counts = f"{allowed[0]} axes" if len(allowed) == 1 else f"{allowed[0]} to {allowed[-1]} axes"
        raise ValueError(f"{initializer} needs a shape of {counts}, (out, in{', ...' * (len(allowed) > 1)}), got {shape}{hint}")


_MATRIX, _ANY, _KERNEL = range(2, 3), range(2, 65), range(3, 6)


def _at_centre(shape: Shape, matrix: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """0, but `matrix` at the middle of the kernel: a convolution that multiplies each pixel's channels by the matrix."""
    weight = np.zeros(shape, dtype)
    if weight.size:
        centre: Any = (..., *(n // 2 for n in shape[2:]))
        weight[centre] = matrix
    return weight


def _orthonormalize(rows: np.ndarray) -> None:
    """Gram and Schmidt's process, in place and by halves, so that nearly all of the work is matrix products."""
    if len(rows) == 1:
        rows /= np.sqrt(kernels.matmul(rows, rows.T))
        return
    upper, lower = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    _orthonormalize(upper)
    lower -= kernels.matmul(kernels.matmul(lower, upper.T), upper)
    _orthonormalize(lower)


class Fixed(Initializer):
    """Draws nothing, on purpose: what is known of its values is what they are."""

    def moments(self, shape, fans):
        values = self.sample(shape, fans, Generator(0), np.dtype(np.float64))
        return Moments(*(float(f(values)) for f in (np.mean, np.std, np.min, np.max))) if values.size else Moments()


@called("orthogonal")
class Orthogonal(Initializer):
    """W W^T = gain^2 I for a wide matrix, W^T W = gain^2 I for a tall one; uniform among all such matrices (Haar's measure).

    A square one keeps the length of every vector, forward and backward, so that a product of many keeps it too: all singular
    values of 50 such matrices multiplied are 1. Those of 50 normal ones with the same variance (100 x 100) spread from
    about 7, the median at 3e-8, down to some 1e-64 (which an SVD of the product shows as about 1e-18, its rounding): nearly all
    of the signal's directions are lost. Use it in deep linear or tanh networks (gain 1, or `gain` of the activation) and in
    recurrent ones. Each element has variance gain^2 / max(rows, columns).

    The rows (of a tall matrix: the columns) of a standard normal matrix are made orthonormal in order, by Gram and
    Schmidt's process. It is QR with a positive diagonal of R; without these signs the distribution would not be
    uniform (Mezzadri 2007). A kernel's axes are taken together with the inputs, as PyTorch does.

    Notes
    -----
    Computed in float64, with elementwise operations and `kernels.matmul` only; so the bits are the same for every number of
    threads and wherever matmul's are: with AVX2, AVX-512 and NEON. Without these, and with the reference kernels, elements may
    differ by some 1e-15, which in float32 seldom shows. LAPACK's QR would differ from one NumPy build to the next.

    Sources: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", ICLR 2014; Mezzadri, "How to generate random matrices from the classical compact groups", Notices
    of the AMS 54 (2007), section 5.

    Examples
    --------
    >>> w = Orthogonal(gain=2.0)((2, 3), rng=0)
    >>> (w @ w.T).round(5) + 0
    array([[4., 0.],
           [0., 4.]], dtype=float32)
    """

    gain: float

    def __init__(self, gain: float = 1.0):
        super().__init__(gain=gain)

    def sample(self, shape, fans, rng, dtype):
        _check_axes(self, shape, _ANY)
        n, m = shape[0], math.prod(shape[1:])
        rows = rng.normal((min(n, m), max(n, m)), dtype=np.float64)
        if rows.size:
            for _ in range(2):  # the second time removes what rounding left in the first
                _orthonormalize(rows)
        return (self.gain * (rows if n <= m else rows.T)).astype(dtype).reshape(shape)

    def moments(self, shape, fans):
        return Moments(0.0, self.gain / math.sqrt(max(shape[0], math.prod(shape[1:]), 1)), -self.gain, self.gain)


@called("delta_orthogonal")
class DeltaOrthogonal(Initializer):
    """0, but an orthogonal matrix at the middle of a convolution's kernel: V^T V = gain^2 I for V = W[:, :, k // 2, ...].

    Such a convolution keeps the length of its input at every place, which `Orthogonal`, that takes the kernel's axes together
    with the inputs, does not; Xiao et al. trained plain networks of 10,000 layers with it. It needs at least as many
    outputs as inputs, and is for stride 1.

    Source: Xiao, Bahri, Sohl-Dickstein, Schoenholz and Pennington, "Dynamical isometry and a mean field theory of CNNs", ICML
    2018, algorithm 2.

    Examples
    --------
    >>> w = DeltaOrthogonal()((4, 2, 3), rng=0)
    >>> (w[:, :, 1].T @ w[:, :, 1]).round(5) + 0, abs(w[:, :, ::2]).max()
    (array([[1., 0.],
           [0., 1.]], dtype=float32), np.float32(0.0))
    """

    gain: float

    def __init__(self, gain: float = 1.0):
        super().__init__(gain=gain)

    def sample(self, shape, fans, rng, dtype):
        _check_axes(self, shape, _KERNEL, "; of a matrix take Orthogonal")
        if shape[0] < shape[1]:
            raise ValueError(f"{self} needs at least as many outputs as inputs, got shape {shape}; take Orthogonal")
        return _at_centre(shape, Orthogonal(self.gain).sample(shape[:2], None, rng, dtype), dtype)

    def moments(self, shape, fans):
        return Moments(0.0, self.gain / math.sqrt(max(shape[0] * math.prod(shape[2:]), 1)), -self.gain, self.gain)


@called("identity", "eye")
class Identity(Fixed):
    """W_ij = gain where i = j, else 0: as many inputs pass unchanged as there are outputs to take them. Also called Eye.

    For recurrent layers with ReLU (Le et al.), and for layers that should begin by doing nothing. It breaks no symmetry by
    itself: what it passes on is as different as the inputs are, and where a layer is wider than its input, the further units
    are clones that output 0.

    Source: Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified linear units", 2015 (arXiv
    1504.00941), section 2.

    Examples
    --------
    >>> Identity(gain=0.5)((2, 3))
    array([[0.5, 0. , 0. ],
           [0. , 0.5, 0. ]], dtype=float32)
    """

    gain: float

    def __init__(self, gain: float = 1.0):
        super().__init__(gain=gain)

    def sample(self, shape, fans, rng, dtype):
        _check_axes(self, shape, _MATRIX, "; for a convolution take Dirac")
        return (self.gain * np.eye(*shape)).astype(dtype)


Eye = Identity


@called("dirac")
class Dirac(Fixed):
    """The identity for convolutions: W[i, i, k // 2, ...] = 1 within each group, else 0, so that channel i passes unchanged.

    Where there are more outputs than inputs in a group, the further ones output 0: clones, until something tells them apart.

    Parameters
    ----------
    groups : int
        Into how many groups the outputs fall; each begins again with channel 0 (of its group).

    Source: Zagoruyko and Komodakis, "DiracNets: training very deep neural networks without skip-connections", 2017 (arXiv
    1706.00388); the groups are PyTorch's.

    Examples
    --------
    >>> Dirac()((2, 2, 3)).tolist()
    [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """

    groups: int

    def __init__(self, groups: int = 1):
        super().__init__(groups=groups)
        if not isinstance(groups, (int, np.integer)) or groups < 1:
            raise ValueError(f"Dirac: groups must be a positive integer, got {groups!r}")

    def sample(self, shape, fans, rng, dtype):
        _check_axes(self, shape, _KERNEL, "; of a matrix take Identity")
        if shape[0] % self.groups:
            raise ValueError(f"{self} needs a number of outputs that its groups divide, got shape {shape}")
        return _at_centre(shape, np.tile(np.eye(shape[0] // self.groups, shape[1]), (self.groups, 1)), dtype)


class Sparse(Initializer):
    """In each column ceil(sparsity rows) elements, chosen at random, are 0; the others are normal with mean 0 and this std.

    So few weights can be large, whatever the width: a unit's sum doesn't grow with its number of inputs, and units differ
    because each sees others. Columns are those of PyTorch's `sparse_`: a column holds what one input feeds. The source counts
    the other way, this many inputs for each unit: for that, `sparse_(weight.T, ...)`, which fills the transposed view.

    Parameters
    ----------
    sparsity : float
        From 0 (nothing is 0) to 1 (everything).
    std : float
        0.01 is PyTorch's default; Sutskever et al. draw 15 inputs for each unit from N(0, 1).

    Sources: Martens, "Deep learning via Hessian-free optimization", ICML 2010; Sutskever, Martens, Dahl and Hinton, "On the
    importance of initialization and momentum in deep learning", ICML 2013.

    Examples
    --------
    >>> (Sparse(0.7)((10, 4), rng=0) == 0).sum(axis=0)
    array([7, 7, 7, 7])
    """

    sparsity: float
    std: float

    def __init__(self, sparsity: float, std: float = 0.01):
        super().__init__(sparsity=sparsity, std=std)
        if not 0 <= sparsity <= 1:
            raise ValueError(f"Sparse: sparsity is the fraction of zeros in each column, from 0 to 1, got {sparsity}")

    def sample(self, shape, fans, rng, dtype):
        _check_axes(self, shape, _MATRIX)
        weight = rng.normal(shape, 0.0, self.std, dtype)
        order = np.argsort(rng.uniform(shape, dtype=np.float64), axis=0, kind="stable")
        np.put_along_axis(weight, order[: math.ceil(self.sparsity * shape[0])], 0, axis=0)
        return weight

    def moments(self, shape, fans):
        zeros = math.ceil(self.sparsity * shape[0]) / max(shape[0], 1)
        return Moments(0.0, self.std * math.sqrt(1 - zeros), -math.inf, math.inf)


class ZerO(Fixed):  # called nothing: "zero" would too often be meant for "zeros"
    """Zeros and ones only, nothing random: the identity where a layer keeps or narrows its input, Hadamard's where it widens.

    W = I* (1 on the diagonal, else 0) if out <= in; otherwise W = 2^(-m/2) I* H_m I*, the first rows and columns of Hadamard's
    matrix H_m = [[H_(m-1), H_(m-1)], [H_(m-1), -H_(m-1)]], H_0 = 1, of 2^m rows, m = ceil(log2(out)). A kernel has this at its
    middle. A partial identity alone would leave all further units at 0 and the rank of what a layer can learn at its input's
    (the paper's theorem 1); Hadamard's matrix gives every unit another mixture. For residual networks, whose branches end in
    `Zeros()` then.

    The paper writes the factor 2^(-(m-1)/2), its authors' program 2^(-m/2); this one is the latter, for it keeps lengths
    where out is a power of 2.

    Source: Zhao, Schäfer and Anandkumar, "ZerO initialization: initializing neural networks with only zeros and ones", TMLR
    2022 (arXiv 2110.12661), algorithms 1 and 2, definitions 1 and 2; the factor: example_mnist.ipynb in the authors' repository
    jiaweizzhao/ZerO-initialization.

    Examples
    --------
    >>> ZerO()((2, 3)).tolist(), ZerO()((4, 2)).tolist()
    ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.5, 0.5], [0.5, -0.5], [0.5, 0.5], [0.5, -0.5]])
    """

    def sample(self, shape, fans, rng, dtype):
        _check_axes(self, shape, _ANY)
        rows, columns = shape[:2]
        if rows <= columns:
            return _at_centre(shape, np.eye(rows, columns), dtype)
        m = (rows - 1).bit_length()  # ceil(log2(rows))
        hadamard = np.ones((1, 1))
        for _ in range(m):
            hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
        return _at_centre(shape, 2 ** (-m / 2) * hadamard[:rows, :columns], dtype)


@called("looks_linear")
class LooksLinear(Initializer):
    """Mirrored weights, with which a ReLU network begins as a linear one: no kink, and gradients that are not shattered.

    With relu(h) - relu(-h) = h, units in pairs +h, -h lose nothing. For an orthogonal matrix V (times gain):

        mode="out"   W = [V, -V] stacked, shape (2 k, n)        the first layer: plain inputs, paired outputs
        mode="both"  W = [[V, -V], [-V, V]], shape (2 k, 2 n)   hidden layers: pairs to pairs
        mode="in"    W = [V, -V] side by side, shape (k, 2 n)   the last layer; and every layer after a concatenated ReLU

    The first half of the units is +h, the second half -h; biases are 0. In other deep ReLU networks, gradients at
    neighbouring inputs become as unlike as white noise (Balduzzi et al., section 2); here they begin equal.

    Source: Balduzzi, Frean, Leary, Lewis, Ma and McWilliams, "The shattered gradients problem", ICML 2017, section 4.

    Examples
    --------
    >>> w = LooksLinear()((4, 6), rng=0)
    >>> bool((w[:2, :3] == -w[2:, :3]).all() and (w[:2, :3] == w[2:, 3:]).all())
    True
    """

    gain: float
    mode: Literal["in", "out", "both"]

    def __init__(self, gain: float = 1.0, mode: Literal["in", "out", "both"] = "both"):
        super().__init__(gain=gain, mode=mode)
        choice("mode", mode, ("in", "out", "both"))

    def sample(self, shape, fans, rng, dtype):
        _check_axes(self, shape, _MATRIX)
        rows, columns = 1 + (self.mode != "in"), 1 + (self.mode != "out")
        if shape[0] % rows or shape[1] % columns:
            axis, size = ("outputs", shape[0]) if shape[0] % rows else ("inputs", shape[1])
            raise ValueError(f"{self} pairs the {axis}, so their number must be even, got {size} in shape {shape}")
        signs = np.array([[1, -1], [-1, 1]])[:rows, :columns]
        v = Orthogonal(self.gain).sample((shape[0] // rows, shape[1] // columns), None, rng, dtype)
        return np.kron(signs, v).astype(dtype)

    def moments(self, shape, fans):
        rows, columns = 1 + (self.mode != "in"), 1 + (self.mode != "out")
        return Orthogonal(self.gain).moments((shape[0] // rows, shape[1] // columns), None)


@called("bilinear")
class Bilinear(Fixed):
    """Interpolation: a kernel that resizes each channel by itself, by the factor f = ceil(k / 2) that is its stride.

    Along each axis of the kernel, at place x: `1 - |x - (k - 1) / 2| / f`, and the product of these. For one input channel per
    group, shape (channels, 1, k, ...), it is the same in every channel; otherwise it joins channel i to channel i, and the rest
    is 0. Random kernels leave a chequered pattern, for places overlap unevenly. (Chainer's
    UpsamplingDeconvFilter and DownsamplingConvFilter. MXNet's Bilinear joins every channel to every other, and is off centre
    unless k = 2 f - f mod 2.)

    Parameters
    ----------
    mode : "up" or "down"
        For a transposed convolution, which enlarges; or for a convolution, which shrinks, with a kernel of sum 1.

    Source: Long, Shelhamer and Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015, section 3.3.

    Examples
    --------
    >>> Bilinear()((1, 1, 4)).tolist(), Bilinear("down")((1, 1, 4)).tolist()
    ([[[0.25, 0.75, 0.75, 0.25]]], [[[0.125, 0.375, 0.375, 0.125]]])
    """

    mode: Literal["up", "down"]

    def __init__(self, mode: Literal["up", "down"] = "up"):
        super().__init__(mode=mode)
        choice("mode", mode, ("up", "down"))

    def sample(self, shape, fans, rng, dtype):
        _check_axes(self, shape, _KERNEL)
        if shape[1] not in (1, shape[0]):
            raise ValueError(f"{self} needs as many outputs as inputs, or one input per group, got shape {shape}")
        kernel = np.ones(())
        for k in shape[2:]:
            kernel = kernel[..., None] * (1 - np.abs(np.arange(k) - (k - 1) / 2) / max((k + 1) // 2, 1))
        if self.mode == "down" and kernel.size:
            kernel /= kernel.sum()
        joined = np.ones((shape[0], 1)) if shape[1] == 1 else np.eye(shape[0])
        return np.multiply.outer(joined, kernel).astype(dtype)
