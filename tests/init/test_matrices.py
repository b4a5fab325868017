"""Tests the initializers about a whole matrix: against linear algebra (orthogonality, NumPy's QR, singular values),
the moments of Haar's measure, and matrices written out by hand."""

import functools
import math

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import init, nn
from minidl.random import Generator

SHAPES = [(50, 50), (20, 300), (300, 20), (1, 7), (7, 1), (1, 1), (6, 2, 3), (2, 3, 2, 2), (257, 257)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("gain", [1, 0.5, 3])
@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_the_shorter_side_of_an_orthogonal_matrix_is_orthonormal_times_the_gain(shape, gain, dtype, error):
    w = init.Orthogonal(gain)(shape, rng=0, dtype=dtype)
    assert w.shape == shape
    assert w.dtype == dtype
    rows = w.reshape(shape[0], -1).astype(np.float64)
    rows = rows if rows.shape[0] <= rows.shape[1] else rows.T
    assert np.abs(rows @ rows.T - gain**2 * np.eye(len(rows))).max() < error * gain**2


@pytest.mark.parametrize("shape", [(30, 30), (10, 25), (25, 10)])
def test_an_orthogonal_matrix_is_the_q_of_numpys_qr_with_a_positive_diagonal_of_r(shape):
    n = min(shape)
    normal = Generator(3).normal((n, max(shape)), dtype=np.float64)
    q, r = np.linalg.qr(normal.T)
    q = q * np.sign(np.diag(r))
    np.testing.assert_allclose(init.Orthogonal()(shape, 3, dtype=np.float64), q.T if shape[0] == n else q, atol=1e-12)


def test_orthogonal_matrices_are_spread_by_haars_measure():
    """E tr = 0, E tr^2 = 1, E tr^4 = 3 for n >= 4 (Diaconis and Shahshahani 1994); E w^2 = 1/n, E w^4 = 3 / (n (n + 2)); and as
    many rotations as reflections. The traces' powers have variances of at most 1, 2 and 96 (a normal distribution's)."""
    draws, rng = 2000, Generator(0)
    w = np.array([init.Orthogonal()((5, 5), rng, dtype=np.float64) for _ in range(draws)])
    trace = np.trace(w, axis1=1, axis2=2)
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (4, 3, 96)):
        assert abs((trace**power).mean() - expected) < 4 * math.sqrt(variance / draws)
    # Standard errors of one place: sqrt(var w^2 / draws), var w^2 = 3/35 - 1/25 = 0.0457; w^4 is at most 1, with var < 0.03.
    assert np.abs((w**2).mean(axis=0) - 0.2).max() < 4 * math.sqrt(0.0457 / draws)
    assert np.abs((w**4).mean(axis=0) - 3 / 35).max() < 4 * math.sqrt(0.03 / draws)
    assert abs((np.linalg.det(w) > 0).mean() - 0.5) < 4 * 0.5 / math.sqrt(draws)


def test_an_orthogonal_matrix_has_the_same_bits_for_every_number_of_threads():
    before = minidl.get_num_threads()
    drawn = []
    try:
        for threads in (1, 2, 3):
            minidl.set_num_threads(threads)
            drawn.append(init.Orthogonal()((300, 400), rng=1, dtype=np.float64))
    finally:
        minidl.set_num_threads(before)
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] == drawn[2]).all()
    assert (init.Orthogonal()((300, 400), rng=1) == drawn[0].astype(np.float32)).all()


def test_a_product_of_orthogonal_matrices_keeps_every_direction_and_one_of_normal_matrices_loses_most():
    """The largest and the median singular value of the normal product are far above the rounding of the SVD (1e-15 times the
    largest). The smallest is not: the SVD says some 1e-18 whatever it is, so it is taken as 1 / |inverse|, where it is the
    largest. The law of large numbers puts it near exp(50 (psi(1/2) + ln(2/100)) / 2) = 1e-64 (Newman 1986)."""
    rng = Generator(0)
    factors = init.Normal(std=0.1)((50, 100, 100), rng, dtype=np.float64)
    rotations = [init.Orthogonal()((100, 100), rng, dtype=np.float64) for _ in range(50)]
    orthogonal, normal, inverse = (
        functools.reduce(np.matmul, matrices) for matrices in (rotations, factors, np.linalg.inv(factors)[::-1])
    )
    assert np.abs(np.linalg.svd(orthogonal, compute_uv=False) - 1).max() < 1e-13
    values = np.linalg.svd(normal, compute_uv=False)
    assert 3 < values[0] < 20
    assert 1e-8 < np.median(values) < 1e-7
    smallest = 1 / np.linalg.norm(inverse, 2)
    assert 1e-75 < smallest < 1e-55
    assert [f"{value:.2g}" for value in (values[0], np.median(values), smallest)] == [
        "8.3",
        "2.5e-08",
        "4.6e-65",
    ]  # in the docs
    assert 1e-20 < values[-1] < 1e-15 * values[0]


@pytest.mark.parametrize("shape", [(5, 3, 3), (4, 4, 3, 3), (4, 2, 2, 4, 5)])
def test_a_delta_orthogonal_kernel_is_orthogonal_at_its_middle_and_0_elsewhere(shape):
    w = init.DeltaOrthogonal(2)(shape, rng=0, dtype=np.float64)
    middle = w[:, :, *(n // 2 for n in shape[2:])]
    np.testing.assert_allclose(middle.T @ middle, 4 * np.eye(shape[1]), atol=1e-13)
    assert np.count_nonzero(w) == middle.size


def test_a_delta_orthogonal_convolution_keeps_the_length_of_its_input():
    """A circular convolution of four channels along 10 places, written out; plain Orthogonal changes the length."""
    x = Generator(1).normal((4, 10), dtype=np.float64)

    def length(w):
        y = sum(w[:, :, k] @ np.roll(x, 1 - k, axis=1) for k in range(3))
        return np.linalg.norm(y) / np.linalg.norm(x)

    assert length(init.DeltaOrthogonal()((4, 4, 3), rng=0, dtype=np.float64)) == pytest.approx(1, rel=1e-13)
    assert abs(length(init.Orthogonal()((4, 4, 3), rng=0, dtype=np.float64)) - 1) > 0.05


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n_in", "n_out", "kernel", "dilation"), [(5, 5, 3, 1), (3, 7, (3, 5), 1), (4, 4, 3, 2), (1, 6, 1, 1)])
def test_a_delta_orthogonal_layer_on_a_torus_keeps_the_length_of_every_image(n_in, n_out, kernel, dilation, seed):
    """Xiao et al. 2018: an isometry, for at least as many outputs as inputs; and so are 50 of them. Gaussian ones are not."""

    def lengths(initializer):
        options = {"padding": "same", "padding_mode": "circular", "bias": False, "rng": seed, "dtype": np.float64}
        layer = nn.Conv2d(n_in, n_out, kernel, dilation=dilation, weight_init=initializer, **options)
        x = y = Generator(seed).normal((8, n_in, 6, 7), dtype=np.float64)
        for _ in range(50 if n_in == n_out else 1):
            y = layer(y)
        return np.linalg.norm(y.data.reshape(8, -1), axis=1) / np.linalg.norm(x.reshape(8, -1), axis=1)

    np.testing.assert_allclose(lengths(init.DeltaOrthogonal()), 1, rtol=1e-12)
    np.testing.assert_allclose(lengths(init.DeltaOrthogonal(1.01)), 1.01 ** (50 if n_in == n_out else 1), rtol=1e-12)
    assert np.abs(lengths(init.LecunNormal()) - 1).max() > 0.01


def test_a_dirac_layer_passes_its_channels_unchanged():
    x = Generator(0).normal((2, 4, 5, 6))
    assert (nn.Conv2d(4, 4, 3, padding=1, weight_init="dirac")(x).data == x).all()
    assert (nn.Conv2d(4, 4, (3, 5), padding="same", groups=2, weight_init=init.Dirac(groups=2))(x).data == x).all()
    wider = nn.Conv2d(4, 6, 3, padding=1, weight_init="dirac")(x).data
    assert (wider[:, :4] == x).all()
    assert not wider[:, 4:].any()


@pytest.mark.parametrize(("factor", "kernel"), [(2, 4), (3, 5)])
def test_a_transposed_convolution_with_bilinear_weights_interpolates(factor, kernel):
    """A plane stays a plane: the middle of output j lies at (j + 1/2) / factor - 1/2 of the input, away from the edges."""
    options = {"stride": factor, "padding": 1, "bias": False, "weight_init": "bilinear", "dtype": np.float64}
    up = nn.ConvTranspose2d(2, 2, kernel, groups=2, **options)
    rows, columns = np.mgrid[:5, :6]
    y = up(np.stack([2.0 * rows + 3 * columns, 1.0 - rows])[None]).data[0]
    rows, columns = (np.mgrid[: y.shape[1], : y.shape[2]] + 0.5) / factor - 0.5
    inside = slice(factor, -factor), slice(factor, -factor)
    np.testing.assert_allclose(y[0][inside], (2 * rows + 3 * columns)[inside], rtol=1e-12)
    np.testing.assert_allclose(y[1][inside], (1 - rows)[inside], rtol=1e-12)
    x = Generator(0).normal((1, 2, 4, 4), dtype=np.float64)
    np.testing.assert_allclose(nn.ConvTranspose2d(2, 2, kernel, **options)(x).data, up(x).data, rtol=1e-12)


def test_the_identity_has_its_gain_on_the_diagonal():
    assert init.Identity()((2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.Identity(2.5)((3, 2), dtype=np.float64).tolist() == [[2.5, 0], [0, 2.5], [0, 0]]
    assert init.Eye is init.Identity


def test_sparse_chooses_every_place_alike_and_draws_the_rest_from_the_normal_distribution():
    """Each of 20 rows is 0 with probability 0.3: over 10,000 columns its share has a standard error of sqrt(0.21 / 10,000).
    A sampled std of 140,000 normal draws has a relative one of sqrt(0.5 / 140,000)."""
    w = init.Sparse(0.3, std=2.0)((20, 10_000), rng=0)
    assert ((w == 0).sum(axis=0) == 6).all()
    assert np.abs((w == 0).mean(axis=1) - 0.3).max() < 4 * math.sqrt(0.21 / 10_000)
    assert w[w != 0].std() == pytest.approx(2, rel=4 * math.sqrt(0.5 / 140_000))


def test_which_elements_are_0_and_what_the_others_are_do_not_depend_on_each_other():
    dense, sparse = init.Sparse(0)((6, 5), rng=0), init.Sparse(0.5)((6, 5), rng=0)
    assert (sparse[sparse != 0] == dense[sparse != 0]).all()


def test_zero_is_the_identity_or_hadamards_matrix():
    assert init.ZerO()((2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.ZerO()((3, 3)).tolist() == np.eye(3).tolist()
    assert init.ZerO()((2, 1)).tolist() == [[np.float32(0.5**0.5)]] * 2
    # The first five rows of Hadamard's 8 x 8 matrix, three columns of each, by hand.
    signs = [[1, 1, 1], [1, -1, 1], [1, 1, -1], [1, -1, -1], [1, 1, 1]]
    np.testing.assert_allclose(init.ZerO()((5, 3), dtype=np.float64), np.array(signs) / math.sqrt(8), rtol=1e-15)


@pytest.mark.parametrize("rows", [2, 4, 64, 256])
def test_zero_keeps_lengths_where_it_widens_to_a_power_of_2(rows):
    w = init.ZerO()((rows, rows // 2), dtype=np.float64)
    np.testing.assert_allclose(w.T @ w, np.eye(rows // 2), atol=1e-13)


def test_zero_has_the_middle_of_a_kernel_and_ignores_the_generator():
    w = init.ZerO()((4, 2, 3, 3), rng=0)
    assert w[:, :, 1, 1].tolist() == init.ZerO()((4, 2), rng=1).tolist()
    assert np.count_nonzero(w) == 8


def test_a_looks_linear_network_is_linear_and_keeps_lengths():
    """relu(h) - relu(-h) = h, so the network is V3 V2 V1 x with orthogonal matrices: it keeps the length of x."""
    model = nn.Sequential(
        nn.Linear(6, 12, weight_init=init.LooksLinear(mode="out"), rng=0, dtype=np.float64),
        nn.ReLU(),
        nn.Linear(12, 12, weight_init=init.LooksLinear(), rng=1, dtype=np.float64),
        nn.ReLU(),
        nn.Linear(12, 6, weight_init=init.LooksLinear(mode="in"), rng=2, dtype=np.float64),
    )
    x = Generator(0).normal((5, 6), dtype=np.float64)
    y = model(x).data
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), np.linalg.norm(x, axis=1), rtol=1e-13)
    np.testing.assert_allclose(model(-x).data, -y, rtol=1e-13)
    np.testing.assert_allclose(model(x[:1] + 2 * x[1:2]).data, y[:1] + 2 * y[1:2], atol=1e-13)


def test_looks_linear_after_a_concatenated_relu_undoes_it():
    x = Generator(0).normal((5, 4), dtype=np.float64)
    crelu = F.concatenate([F.relu(x), F.relu(-x)], dim=1)
    w = init.LooksLinear(gain=2, mode="in")((4, 8), rng=0, dtype=np.float64)
    np.testing.assert_allclose(F.linear(crelu, w).data, x @ w[:, :4].T, atol=1e-13)
    np.testing.assert_allclose(w[:, :4] @ w[:, :4].T, 4 * np.eye(4), atol=1e-13)


def test_bilinear_kernels_interpolate():
    assert init.Bilinear()((1, 1, 3)).tolist() == [[[0.5, 1, 0.5]]]
    assert init.Bilinear()((1, 1, 2)).tolist() == [[[0.5, 0.5]]]
    w = init.Bilinear()((2, 1, 4, 3))
    # by hand: (0.25, 0.75, 0.75, 0.25) times (0.5, 1, 0.5)
    assert w[0, 0].tolist() == [[0.125, 0.25, 0.125], [0.375, 0.75, 0.375], [0.375, 0.75, 0.375], [0.125, 0.25, 0.125]]
    assert (w[0] == w[1]).all()
    w = init.Bilinear()((2, 2, 3))  # each channel to itself
    assert w.tolist() == [[[0.5, 1, 0.5], [0, 0, 0]], [[0, 0, 0], [0.5, 1, 0.5]]]
    assert init.Bilinear("down")((1, 1, 3)).tolist() == [[[0.25, 0.5, 0.25]]]


@pytest.mark.parametrize(
    ("name", "initializer"),
    [
        ("orthogonal", init.Orthogonal(1)),
        ("delta_orthogonal", init.DeltaOrthogonal(1)),
        ("identity", init.Identity(1)),
        ("eye", init.Identity(1)),
        ("dirac", init.Dirac(1)),
        ("looks_linear", init.LooksLinear(1, "both")),
        ("bilinear", init.Bilinear()),
    ],
)
def test_every_name_stands_for_its_initializer(name, initializer):
    assert init.get(name) == initializer


INITIALIZERS = [
    init.Orthogonal(),
    init.DeltaOrthogonal(),
    init.Identity(),
    init.Dirac(),
    init.Sparse(0.5),
    init.ZerO(),
    init.LooksLinear(),
    init.Bilinear(),
]


@pytest.mark.parametrize("initializer", INITIALIZERS, ids=str)
@pytest.mark.parametrize("shape", [(), (4,)])
def test_fewer_than_two_axes_are_an_error_that_names_the_initializer_and_the_shape(initializer, shape):
    with pytest.raises(
        ValueError, match=rf"^{type(initializer).__name__}\(.*\) needs a shape of .*, got \({'4,' * len(shape)}\)"
    ):
        initializer(shape)


@pytest.mark.parametrize(
    ("initializer", "shape", "message"),
    [
        (init.Identity(), (2, 2, 3), "2 axes.*take Dirac"),
        (init.Dirac(), (2, 2), "3 to 5 axes.*take Identity"),
        (
            init.Dirac(2),
            (3, 2, 3),
            r"Dirac\(groups=2\) needs a number of outputs that its groups divide, got shape \(3, 2, 3\)",
        ),
        (init.DeltaOrthogonal(), (2, 2), "3 to 5 axes.*take Orthogonal"),
        (init.DeltaOrthogonal(), (2, 3, 3), r"at least as many outputs as inputs, got shape \(2, 3, 3\)"),
        (init.Sparse(0.1), (2, 2, 2), "2 axes"),
        (init.LooksLinear(), (4, 3), "pairs the inputs, so their number must be even, got 3"),
        (init.LooksLinear(mode="out"), (3, 3), "pairs the outputs, so their number must be even, got 3"),
        (init.LooksLinear(mode="in"), (3, 3), "pairs the inputs"),
        (init.LooksLinear(), (2, 2, 2), "2 axes"),
        (init.Bilinear(), (2, 2), "3 to 5 axes"),
        (init.Bilinear(), (2, 3, 4), r"as many outputs as inputs, or one input per group, got shape \(2, 3, 4\)"),
    ],
)
def test_a_shape_that_does_not_fit_is_an_error(initializer, shape, message):
    with pytest.raises(ValueError, match=message):
        initializer(shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: init.Orthogonal(-1), "Orthogonal: gain must be at least 0, got -1"),
        (lambda: init.Orthogonal(math.nan), "Orthogonal: gain must be a finite number, got nan"),
        (lambda: init.Identity("1"), "Identity: gain must be a finite number, got '1'"),
        (lambda: init.Dirac(0), "Dirac: groups must be a positive integer, got 0"),
        (lambda: init.Dirac(1.5), "Dirac: groups must be a positive integer, got 1.5"),
        (lambda: init.Sparse(1.01), "Sparse: sparsity is the fraction of zeros in each column, from 0 to 1, got 1.01"),
        (lambda: init.Sparse(-0.01), "Sparse: sparsity .* got -0.01"),
        (lambda: init.Sparse(math.nan), "Sparse: sparsity must be a finite number, got nan"),
        (lambda: init.Sparse(0.1, -1), "Sparse: std must be at least 0, got -1"),
        (lambda: init.Bilinear("left"), "mode must be one of 'up', 'down', got 'left'"),
        (lambda: init.LooksLinear(mode="pairs"), "mode must be one of 'in', 'out', 'both', got 'pairs'"),
    ],
)
def test_an_initializer_that_cannot_be_is_an_error_when_it_is_made(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


@pytest.mark.parametrize(
    ("initializer", "shape"),
    [
        *(
            (initializer, shape)
            for initializer in (init.Orthogonal(), init.ZerO())
            for shape in [(0, 4), (4, 0), (0, 2, 3), (2, 2, 0)]
        ),
        *(
            (initializer, shape)
            for initializer in (init.Identity(), init.Sparse(0.5), init.LooksLinear())
            for shape in [(0, 4), (4, 0), (0, 0)]
        ),
        *((initializer, (2, 2, 0)) for initializer in (init.DeltaOrthogonal(), init.Dirac(), init.Bilinear())),
    ],
)
def test_an_empty_array_can_be_drawn(initializer, shape):
    assert initializer(shape, rng=0).shape == shape


def test_the_initializers_are_values_they_compare_hash_and_never_change():
    assert init.Orthogonal(2) == init.Orthogonal(gain=2) != init.Orthogonal()
    assert len({init.ZerO(), init.ZerO(), init.Sparse(0.5), init.Sparse(0.5, 0.01)}) == 2
    assert repr(init.LooksLinear()) == "LooksLinear(gain=1.0, mode='both')"
    with pytest.raises(AttributeError, match="cannot change"):
        init.Orthogonal().gain = 2


def test_a_layer_takes_these_laws():
    layer = nn.Linear(3, 5, weight_init="orthogonal", rng=0)
    assert "weight_init=Orthogonal(gain=1.0)" in repr(layer)
    np.testing.assert_allclose(layer.weight.data.T @ layer.weight.data, np.eye(3), atol=1e-6)
    with pytest.raises(ValueError, match=r"Linear weight_init: LooksLinear.*pairs the outputs.*got 5"):
        nn.Linear(3, 5, weight_init=init.LooksLinear())
