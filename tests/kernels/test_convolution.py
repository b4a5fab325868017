"""Convolution and pooling kernels against hand-worked numbers, integers that no order of additions rounds, and the reference
implementation; equal bits on every instruction set, for every number of threads and any layout."""

import numpy as np
import pytest

from minidl import kernels
from minidl.kernels import reference

REALS = [np.float32, np.float64]
BACKENDS = pytest.mark.parametrize("backend", [kernels, reference], ids=["kernels", "reference"])
PLAIN = ((1, 1), (0, 0), (1, 1), 1)  # stride, padding, dilation, groups

# (batch, channels, filters, height, width, kernel, stride, padding, dilation, groups)
SHAPES = [
    (2, 3, 5, 7, 9, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 5, 7, 8, 8, (1, 1), (1, 1), (0, 0), (1, 1), 1),  # the images are their own patches
    (2, 5, 7, 9, 8, (1, 1), (2, 3), (0, 0), (1, 1), 1),
    (2, 5, 7, 5, 5, (1, 1), (2, 2), (1, 1), (1, 1), 1),  # as many places as numbers, but not the same
    (3, 4, 6, 5, 6, (5, 6), (1, 1), (0, 0), (1, 1), 1),  # kernel = image
    (3, 4, 6, 2, 3, (5, 6), (1, 1), (2, 2), (1, 1), 1),  # more padding than image
    (2, 3, 5, 11, 13, (2, 3), (3, 4), (0, 1), (1, 1), 1),  # strides over the kernel: some numbers meet nothing
    (1, 3, 6, 8, 5, (4, 1), (3, 1), (1, 0), (1, 1), 1),  # in one phase a single tap, beyond the last place
    (2, 3, 5, 11, 1, (3, 1), (1, 1), (1, 0), (1, 1), 1),  # a single column: what is sequences to a layer for images
    (2, 6, 9, 12, 17, (3, 2), (1, 1), (2, 2), (2, 3), 3),
    (2, 6, 9, 12, 17, (3, 2), (2, 1), (4, 3), (3, 2), 3),  # dilation that does not divide the stride, and the reverse
    (2, 6, 6, 9, 19, (3, 3), (1, 1), (1, 1), (1, 1), 6),  # depthwise
    (2, 6, 12, 9, 19, (3, 5), (2, 2), (1, 2), (1, 1), 6),
    (2, 6, 6, 9, 19, (3, 3), (2, 3), (1, 1), (2, 2), 6),
    (2, 4, 2, 30, 41, (5, 5), (1, 1), (0, 0), (1, 1), 1),  # few filters, bands of rows
    (1, 40, 3, 40, 60, (3, 3), (1, 2), (1, 1), (1, 1), 1),
    (1, 80, 3, 9, 9, (3, 3), (1, 1), (1, 1), (1, 1), 1),  # few filters with more than one chain of taps
    (9, 33, 70, 9, 7, (3, 3), (1, 1), (1, 1), (1, 1), 1),  # threads, blocks, tiles across images
    (70, 3, 9, 10, 11, (3, 3), (1, 1), (1, 1), (1, 1), 1),  # more than 4,096 places
    (45, 3, 3, 10, 11, (3, 3), (1, 1), (1, 1), (1, 1), 3),
    (2, 520, 9, 4, 5, (3, 3), (1, 1), (1, 1), (1, 1), 1),  # more than 4,096 taps
    (4, 48, 100, 11, 12, (3, 3), (1, 1), (1, 1), (1, 1), 1),  # more taps and filters than a weight gradient takes at once
    (32, 5, 5, 12, 11, (3, 3), (1, 1), (1, 1), (1, 1), 5),  # depthwise, more than 4,096 places
    (3, 4, 9, 21, 34, (4, 3), (2, 2), (1, 1), (1, 1), 1),  # rows of whole vectors, with a stride; two images in a chain
    # images side by side in vectors: narrow rows, and enough images
    (17, 61, 7, 2, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1),  # two chains of taps, cut within a channel
    (70, 6, 9, 4, 4, (3, 3), (1, 1), (1, 1), (1, 1), 3),
    (37, 5, 8, 5, 3, (3, 2), (2, 3), (2, 1), (1, 1), 1),
    (24, 4, 6, 3, 5, (3, 3), (2, 2), (3, 3), (3, 2), 2),  # some places meet nothing at all
    (64, 5, 9, 4, 6, (1, 1), (2, 2), (0, 0), (1, 1), 1),  # of the input, most numbers meet nothing
]


def operands(shape, dtype, draw=None):
    """Images, filters, biases of filters and of channels, the output's gradient; and the options."""
    batch, channels, filters, height, width, kernel, stride, padding, dilation, groups = shape
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip((height, width), kernel, stride, padding, dilation, strict=True)
    )
    draw = draw or np.random.default_rng(0).standard_normal
    sizes = [(batch, channels, height, width), (filters, channels // groups, *kernel), (filters,), (channels,)]
    arrays = [draw(size).astype(dtype) for size in [*sizes, (batch, filters, *out)]]
    return arrays, (stride, padding, dilation, groups)


def three(backend, arrays, options):
    """Output, and both gradients."""
    x, w, b, c, dy = arrays
    return (
        backend.conv2d(x, w, b, *options),
        backend.conv2d_input_gradient(dy, w, c, x.shape[2:], *options),
        backend.conv2d_weight_gradient(x, dy, w.shape[2:], *options),
    )


def small_integers(shape):
    return np.random.default_rng(1).integers(-4, 5, shape)


@BACKENDS
@pytest.mark.parametrize("dtype", REALS)
def test_numbers_worked_out_by_hand(dtype, backend):
    x = np.array([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]], dtype)
    w = np.array([[[[1, 10], [100, 1000]]]], dtype)
    one = np.array([0.5], dtype)
    y = backend.conv2d(x, w, one, *PLAIN)
    assert y.dtype == dtype
    assert y.tolist() == [[[[5421.5, 6532.5], [8754.5, 9865.5]]]]  # 1 + 20 + 400 + 5000 + 0.5, ...
    assert backend.conv2d(x, w, None, (2, 2), (1, 1), (1, 1), 1).tolist() == [[[[1000, 3200], [7040, 9865]]]]
    assert backend.conv2d(x, w, None, (1, 1), (0, 0), (2, 2), 1).tolist() == [[[[1 + 30 + 700 + 9000]]]]
    dy = np.array([[[[1, 2], [3, 4]]]], dtype)
    # number (0, 0) meets w_00 at place (0, 0) alone; (1, 1) meets w_11, w_10, w_01, w_00 at the four places
    dx = [[1.5, 12.5, 20.5], [103.5, 1234.5, 2040.5], [300.5, 3400.5, 4000.5]]
    assert backend.conv2d_input_gradient(dy, w, one, (3, 3), *PLAIN).tolist() == [[dx]]
    # 1*1 + 2*2 + 3*4 + 4*5 = 37, and each number of x one more adds 1 + 2 + 3 + 4
    assert backend.conv2d_weight_gradient(x, dy, (2, 2), *PLAIN).tolist() == [[[[37, 47], [67, 77]]]]
    # stride 2: each product is alone, and nothing falls between
    spread = backend.conv2d_input_gradient(dy, w[:, :, :1, :1], None, (4, 4), (2, 2), (0, 0), (1, 1), 1)
    assert spread.tolist() == [[[[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]]]


@BACKENDS
def test_groups_do_not_meet(backend):
    x = np.array([[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]])
    w = np.array([[[[1.0]], [[10.0]]], [[[100.0]], [[1000.0]]]])
    assert backend.conv2d(x, w, None, (1, 1), (0, 0), (1, 1), 2).ravel().tolist() == [21, 4300]
    dy = np.array([[[[1.0]], [[2.0]]]])
    assert backend.conv2d_input_gradient(dy, w, None, (1, 1), (1, 1), (0, 0), (1, 1), 2).ravel().tolist() == [1, 10, 200, 2000]
    assert backend.conv2d_weight_gradient(x, dy, (1, 1), (1, 1), (0, 0), (1, 1), 2).ravel().tolist() == [1, 2, 6, 8]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", REALS)
def test_small_integers_give_the_reference_exactly(dtype, shape, instruction_set):
    arrays, options = operands(shape, dtype, small_integers)
    exact = three(reference, [a.astype(np.float64) for a in arrays], options)
    for found, expected in zip(three(kernels, arrays, options), exact, strict=True):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


def test_random_sizes_give_the_reference_exactly(instruction_set):
    rng = np.random.default_rng(3)
    for _ in range(150):
        groups = int(rng.choice([1, 1, 2, 5]))
        channels, filters = groups * rng.integers(1, 5), groups * rng.integers(1, 9)
        pairs = [tuple(int(n) for n in rng.integers(low, high, 2)) for low, high in ((1, 6), (1, 4), (0, 5), (1, 4))]
        kernel, stride, padding, dilation = pairs
        least = [max(1, 1 + d * (k - 1) - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True)]
        size = [int(n + rng.integers(0, 20)) for n in least]
        shape = (int(rng.integers(1, 5)), int(channels), int(filters), *size, kernel, stride, padding, dilation, groups)
        arrays, options = operands(shape, np.float32, small_integers)
        exact = three(reference, [a.astype(np.float64) for a in arrays], options)
        for found, expected in zip(three(kernels, arrays, options), exact, strict=True):
            np.testing.assert_array_equal(found, expected, err_msg=str(shape))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", REALS)
def test_bits_are_those_of_every_thread_count_and_instruction_set(dtype, shape, restored_threads):
    arrays, options = operands(shape, dtype)
    bits = {}
    before = kernels._backend.instruction_set()
    for name in kernels._backend.instruction_sets():
        kernels._backend.choose_instruction_set(name)
        for threads in (1, 2, 3, 4, 8):
            kernels.set_num_threads(threads)
            made = b"".join(a.tobytes() for a in three(kernels, arrays, options))
            bits.setdefault(name == "generic", set()).add(made)  # it rounds products, too: see docs/same-bits.md
    kernels._backend.choose_instruction_set(before)
    assert all(len(different) == 1 for different in bits.values())


def in_chains(products, dtype):
    """Sums over the last axis as csrc/ makes them where a product is exact: chains of at most 512, and halves above 4,096."""
    k = products.shape[-1]
    if k > 4096:
        half = (k // 2 + 63) // 64 * 64
        return in_chains(products[..., :half], dtype) + in_chains(products[..., half:], dtype)
    each = -(-k // -(-k // 512))
    total = None
    for begin in range(0, k, each):
        chain = np.zeros(products.shape[:-1], dtype)
        for p in range(begin, min(k, begin + each)):
            chain = chain + products[..., p]
        total = chain if total is None else chain + total
    return total


@pytest.mark.parametrize("shape", [s for s in SHAPES if s[0] * s[3] * s[4] * s[1] < 30000])
def test_each_sum_is_cut_where_a_matrix_product_cuts_it(shape, instruction_set):
    if instruction_set == "numpy":
        pytest.skip("the reference takes NumPy's product, which cuts its sums elsewhere")
    # numbers of 11 bits: float32 holds a product of two, so that it makes no difference whether it is rounded
    arrays, options = operands(shape, np.float32, lambda size: np.random.default_rng(2).integers(-2047, 2048, size) / 1024)
    x, w, _, _, dy = arrays
    y, _, dw = three(kernels, [x, w, None, None, dy], options)
    seen = reference.convolution.patches(x, w.shape[2:], *options)  # (n, g, c, a, b, i, j)
    groups = options[3]
    by_tap = seen.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, len(x), *dy.shape[2:], -1)
    filters = w.reshape(groups, -1, by_tap.shape[-1])
    for g in range(groups):
        for o, taps in enumerate(filters[g]):
            np.testing.assert_array_equal(y[:, g * len(filters[g]) + o], in_chains(by_tap[g] * taps, np.float32))
            gradient = dy[:, g * len(filters[g]) + o].ravel()
            by_place = by_tap[g].reshape(-1, by_tap.shape[-1]).T
            expected = in_chains(by_place * gradient, np.float32)
            np.testing.assert_array_equal(dw[g * len(filters[g]) + o].ravel(), expected)


@pytest.mark.parametrize("dtype", REALS)
def test_any_layout_is_taken_and_left_alone(dtype):
    arrays, options = operands(SHAPES[9], dtype)
    plain = three(kernels, arrays, options)
    for change in (lambda a: a[::-1].copy()[::-1], np.asfortranarray, lambda a: np.repeat(a, 2, -1)[..., ::2]):
        changed = [change(a) for a in arrays]
        for a in changed:
            a.flags.writeable = False
        for found, expected in zip(three(kernels, changed, options), plain, strict=True):
            np.testing.assert_array_equal(found, expected)
        for a, b in zip(arrays, changed, strict=True):
            np.testing.assert_array_equal(a, b)


@BACKENDS
def test_an_empty_batch_gives_an_empty_output_and_no_gradient(backend):
    x, w, dy = np.ones((0, 2, 4, 4)), np.ones((3, 2, 3, 3)), np.ones((0, 3, 2, 2))
    assert backend.conv2d(x, w, None, *PLAIN).shape == (0, 3, 2, 2)
    assert backend.conv2d_input_gradient(dy, w, None, (4, 4), *PLAIN).shape == (0, 2, 4, 4)
    np.testing.assert_array_equal(backend.conv2d_weight_gradient(x, dy, (3, 3), *PLAIN), np.zeros((3, 2, 3, 3)))


def test_nan_and_infinity_go_where_they_are_seen():
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 2, 2] = np.nan
    y = kernels.conv2d(x, np.ones((6, 1, 3, 3)), None, (1, 1), (1, 1), (1, 1), 1)
    expected = np.zeros((5, 5), bool)
    expected[1:4, 1:4] = True
    assert (np.isnan(y) == expected).all()


@pytest.mark.parametrize("images", [1, 64])
def test_a_weight_that_is_not_finite_meets_the_zeros_around_an_image(images):
    x, w = np.ones((images, 1, 2, 2)), np.ones((6, 1, 3, 3))
    w[2, 0, 0, 0] = np.inf  # it meets a number of the image only where there is one above and to the left
    y = kernels.conv2d(x, w, None, (1, 1), (1, 1), (1, 1), 1)
    assert (y[:, [0, 1, 3, 4, 5]] == 4).all()
    np.testing.assert_array_equal(y[:, 2], np.broadcast_to([[np.nan, np.nan], [np.nan, np.inf]], (images, 2, 2)))


@BACKENDS
@pytest.mark.parametrize("dtype", REALS)
def test_a_weight_that_is_not_finite_changes_no_gradient_that_it_does_not_meet(dtype, backend):
    """The gradient of x of y_j = w_0 x_j + w_1 x_(j+1) is (w_0, w_0 + w_1, ..., w_1), if that of y is ones."""
    dy = np.ones((1, 1, 1, 40), dtype)
    dx = backend.conv2d_input_gradient(dy, np.array([[[[2, np.inf]]]], dtype), None, (1, 41), *PLAIN)
    np.testing.assert_array_equal(dx[0, 0, 0], [2] + [np.inf] * 40)
    strided = (1, 2), (0, 1), (1, 1), 1  # x_0 and x_2 meet w_1 alone, x_1 meets w_0 and w_2
    weights, bias = np.array([[[[np.nan, 2, 3]]]], dtype), np.array([5], dtype)
    dx = backend.conv2d_input_gradient(dy[..., :2], weights, bias, (1, 4), *strided)
    np.testing.assert_array_equal(dx[0, 0, 0], [7, np.nan, 7, 8])
    many = np.ones((64, 6, 1, 2), dtype)  # images side by side in vectors
    dx = backend.conv2d_input_gradient(many, np.tile(weights, (6, 6, 1, 1)), None, (1, 4), *strided)
    np.testing.assert_array_equal(dx, np.broadcast_to(np.array([12, np.nan, 12, 18], dtype), (64, 6, 1, 4)))


@BACKENDS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x": np.ones((2, 4, 4))},
            "conv2d: x must be a 4-D NumPy array of float32 or float64, got float64 of shape (2, 4, 4)",
        ),
        ({"x": np.ones((1, 0, 4, 4))}, "conv2d: x has shape (1, 0, 4, 4); of its axes only the batch may be empty"),
        ({"x": np.ones((1, 2, 4, 4), np.float32)}, "conv2d: x is float32 and w is float64; convert one with .astype()"),
        (
            {"x": np.ones((1, 3, 4, 4))},
            "1 groups need a multiple of 1 filters, of 3 / 1 channels each; the weight has 3 filters of 2",
        ),
        (
            {"groups": 2},
            "2 groups need a multiple of 2 filters, of 2 / 2 channels each; the weight has 3 filters of 2 channels",
        ),
        ({"groups": 0}, "groups must be a positive integer, got 0"),
        ({"padding": (-1, 0)}, "padding must be a pair of integers of at least 0, got (-1, 0)"),
        ({"stride": (0, 1)}, "stride must be a pair of integers of at least 1, got (0, 1)"),
        ({"dilation": 1}, "dilation must be a pair of integers of at least 1, got 1"),
        ({"dilation": (2, 1)}, "the kernel reaches over 5 x 3, and the padded input is only 4 x 4; use a smaller kernel"),
        ({"bias": np.ones(2)}, "conv2d: bias must be float64 of shape (3,), got float64 of shape (2,)"),
    ],
)
def test_what_does_not_fit_is_refused(change, message, backend):
    arguments = {"x": np.ones((1, 2, 4, 4)), "w": np.ones((3, 2, 3, 3)), "bias": None}
    arguments |= {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1} | change
    with pytest.raises((ValueError, TypeError)) as error:
        backend.conv2d(*arguments.values())
    assert message in str(error.value)


@BACKENDS
def test_gradients_that_do_not_fit_are_refused(backend):
    x, w, dy = np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3)), np.ones((1, 3, 3, 2))
    message = r"dy must be float64 of shape \(1, 3, 2, 2\), or with fewer rows or columns, got float64 of shape \(1, 3, 3, 2\)"
    with pytest.raises(ValueError, match=message):
        backend.conv2d_input_gradient(dy, w, None, (4, 4), *PLAIN)
    with pytest.raises(ValueError, match=message):
        backend.conv2d_weight_gradient(x, dy, (3, 3), *PLAIN)


# Pooling

HALVES = (np.array([0, 2]), np.array([2, 4]))


@BACKENDS
@pytest.mark.parametrize("dtype", REALS)
def test_pooling_worked_out_by_hand(dtype, backend):
    x = np.array([[[[1, 2, 8, 8], [3, 3, 8, 5], [0, -1, np.nan, 0], [-2, -1, 1, np.nan]]]], dtype)
    y, places = backend.max_pool2d(x, HALVES, HALVES, (1, 1))
    np.testing.assert_array_equal(y, np.array([[[[3, 8], [0, np.nan]]]], dtype))
    assert places.tolist() == [[[[4, 2], [8, 15]]]]  # the first of equal ones, the last NaN
    dx = backend.max_pool2d_backward(np.array([[[[1, 2], [3, 4]]]], dtype), places, (4, 4))
    assert dx.tolist() == [[[[0, 0, 2, 0], [1, 0, 0, 0], [3, 0, 0, 0], [0, 0, 0, 4]]]]
    count = (np.array([0]), np.array([2]), np.array([4]))
    assert backend.mean_pool2d(x, count, (*HALVES, np.array([2, 2]))).tolist() == [[[[9 / 8, 29 / 8]]]]
    dx = backend.mean_pool2d_backward(np.array([[[[8, 16]]]], dtype), count, (*HALVES, np.array([2, 2])), (3, 4))
    assert dx.tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 0, 0]]]]


@pytest.mark.parametrize("dtype", REALS)
def test_pooling_gives_the_bits_of_the_reference_for_any_number_of_threads(dtype, restored_threads):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((17, 33, 13, 11)).astype(dtype)
    rows = (np.arange(0, 11, 2), np.arange(0, 11, 2) + 3, np.full(6, 3))
    columns = (np.arange(9), np.arange(9) + 3, np.arange(9) % 2 + 2)
    dy = rng.standard_normal((17, 33, 6, 9)).astype(dtype)
    y, places = reference.max_pool2d(x, rows[:2], columns[:2], (2, 1))
    for threads in (1, 2, 3, 8):
        kernels.set_num_threads(threads)
        found, found_places = kernels.max_pool2d(x, rows[:2], columns[:2], (2, 1))
        np.testing.assert_array_equal(found, y)
        np.testing.assert_array_equal(found_places, places)
        dx = kernels.max_pool2d_backward(dy, places, (13, 11))
        np.testing.assert_array_equal(dx, reference.max_pool2d_backward(dy, places, (13, 11)))
        np.testing.assert_array_equal(kernels.mean_pool2d(x, rows, columns), reference.mean_pool2d(x, rows, columns))
        dx = kernels.mean_pool2d_backward(dy, rows, columns, (13, 11))
        np.testing.assert_array_equal(dx, reference.mean_pool2d_backward(dy, rows, columns, (13, 11)))


@BACKENDS
@pytest.mark.parametrize(
    "windows",
    [
        (np.array([0]), np.array([5])),
        (np.array([-1]), np.array([1])),
        (np.array([1]), np.array([1])),
        (np.array([0, 1]), np.array([1])),
        (np.array([0.0]), np.array([1.0])),
        (np.array([], np.intp), np.array([], np.intp)),
        [np.array([0]), np.array([1])],
    ],
)
def test_windows_outside_of_the_image_are_refused(windows, backend):
    with pytest.raises(
        ValueError, match="max_pool2d: rows must be 2 arrays of intp: windows that are not empty, within 0 to 4"
    ):
        backend.max_pool2d(np.ones((1, 1, 4, 4)), windows, HALVES, (1, 1))


@BACKENDS
def test_places_outside_of_the_image_are_refused(backend):
    with pytest.raises(ValueError, match="places must be from 0 to 5"):
        backend.max_pool2d_backward(np.ones((1, 1, 1, 1)), np.full((1, 1, 1, 1), 6), (2, 3))
