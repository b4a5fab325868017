"""What both backends refuse, and what they say then: the argument, what it must be, and what came.

A name with a verb (`check_...`) raises where arguments do not fit. The compiled backend looks at most arguments itself, in C;
for those, the functions here return the error that it raises, as the reference implementation does. Whether numbers make sense,
such as a negative standard deviation, is asked where users give them, in `random` and `functional`.
"""

import numpy as np

REALS = (np.dtype(np.float32), np.dtype(np.float64))

LARGEST = 1 << 24  # of strides, paddings and dilations; so that csrc's places do not overflow


def described(x):
    """What came instead of what was expected."""
    return f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__


def fits(x, dtype, shape):
    return isinstance(x, np.ndarray) and x.dtype == dtype and x.shape == shape


def misfit(name, dtype, shape, came):
    return ValueError(f"{name} must be {dtype} of shape {shape}, got {described(came)}")


# Products


def check_matrices(operation, **matrices):
    """Refuse what is not two matrices of float32, or two of float64."""
    for name, x in matrices.items():
        if not isinstance(x, np.ndarray) or x.ndim != 2 or x.dtype not in REALS:
            raise TypeError(f"{operation}: {name} must be a 2-D NumPy array of float32 or float64, got {described(x)}")
    (a_name, a), (b_name, b) = matrices.items()
    if a.dtype != b.dtype:
        raise TypeError(f"{operation}: {a_name} is {a.dtype} and {b_name} is {b.dtype}; convert one with .astype()")


def check_matmul(a, b, out):
    check_matrices("matmul", a=a, b=b)
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"matmul: a has shape {a.shape} and b {b.shape}; the columns of a must be as many as the rows of b")
    if out is None:
        return
    if not fits(out, a.dtype, (len(a), b.shape[1])):
        raise misfit("matmul: out", a.dtype, (len(a), b.shape[1]), out)
    if not out.flags.writeable or may_overlap_itself(out):
        raise ValueError("matmul: out is read-only, or its elements overlap; pass an array of its own memory")


def may_overlap_itself(x):
    """Whether a row of x is longer than the step to the next row, or a step shorter than an element."""
    if x.size == 0:
        return False
    reach = x.itemsize
    for step, n in sorted((abs(step), n) for step, n in zip(x.strides, x.shape, strict=True) if n > 1):
        if step < reach:
            return True
        reach += step * (n - 1)
    return False


def check_linear(x, weight, bias):
    check_matrices("linear", x=x, weight=weight)
    if x.shape[1] != weight.shape[1]:
        raise ValueError(f"linear: x has shape {x.shape} and weight {weight.shape}; their columns must be as many")
    if bias is not None and not fits(bias, x.dtype, weight.shape[:1]):
        raise misfit("linear: bias", x.dtype, weight.shape[:1], bias)


# Convolutions: images are (batch, channels, height, width), filters (filters, channels / groups, height, width), and all
# pairs (vertical, horizontal)


def check_conv2d(x, w, bias, stride, padding, dilation, groups):
    """The shape of the output."""
    check_images("conv2d", x=x, w=w)
    size = output_size("conv2d", x.shape[2:], w.shape[2:], stride, padding, dilation)
    check_channels("conv2d", x.shape[1], w.shape[:2], groups)
    check_bias("conv2d", bias, x.dtype, len(w))
    return len(x), len(w), *size


def check_conv2d_input_gradient(dy, w, bias, size, stride, padding, dilation, groups):
    """The shape of the input."""
    check_images("conv2d_input_gradient", dy=dy, w=w)
    check_pair("conv2d_input_gradient", "size", size, 1)
    out = output_size("conv2d_input_gradient", size, w.shape[2:], stride, padding, dilation)
    shape = len(dy), w.shape[1] * groups, *size
    check_channels("conv2d_input_gradient", shape[1], w.shape[:2], groups)
    check_places("conv2d_input_gradient", dy, (len(dy), len(w), *out))
    check_bias("conv2d_input_gradient", bias, dy.dtype, shape[1])
    return shape


def check_conv2d_weight_gradient(x, dy, kernel_size, stride, padding, dilation, groups):
    """The shape of the filters."""
    check_images("conv2d_weight_gradient", x=x, dy=dy)
    check_pair("conv2d_weight_gradient", "kernel_size", kernel_size, 1)
    shape = dy.shape[1], x.shape[1] // max(groups, 1), *kernel_size
    out = len(x), dy.shape[1], *output_size("conv2d_weight_gradient", x.shape[2:], kernel_size, stride, padding, dilation)
    check_channels("conv2d_weight_gradient", x.shape[1], shape[:2], groups)
    check_places("conv2d_weight_gradient", dy, out)
    return shape


def check_places(operation, dy, shape):
    """dy may lack the last rows and columns of places, as that of a transposed convolution with output_padding over stride."""
    if dy.shape[:2] != shape[:2] or any(n > most for n, most in zip(dy.shape[2:], shape[2:], strict=True)):
        raise misfit(f"{operation}: dy", dy.dtype, f"{shape}, or with fewer rows or columns", dy)


def check_images(operation, **arrays):
    for name, x in arrays.items():
        if not isinstance(x, np.ndarray) or x.ndim != 4 or x.dtype not in REALS:
            raise TypeError(f"{operation}: {name} must be a 4-D NumPy array of float32 or float64, got {described(x)}")
        if 0 in x.shape[1:]:
            raise ValueError(f"{operation}: {name} has shape {x.shape}; of its axes only the batch may be empty")
    if len({x.dtype for x in arrays.values()}) > 1:
        kinds = " and ".join(f"{name} is {x.dtype}" for name, x in arrays.items())
        raise TypeError(f"{operation}: {kinds}; convert one with .astype()")


def is_size(n, least):
    return (type(n) is int or isinstance(n, np.integer)) and least <= n <= LARGEST


def check_pair(operation, name, pair, least):
    if not (isinstance(pair, tuple) and len(pair) == 2 and is_size(pair[0], least) and is_size(pair[1], least)):
        raise ValueError(f"{operation}: {name} must be a pair of integers of at least {least}, got {pair!r}")


def output_size(operation, size, kernel, stride, padding, dilation):
    """How many places a kernel has in each direction of an image that is padded on both sides."""
    for name, pair, least in (("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1)):
        check_pair(operation, name, pair, least)
    reach = tuple(1 + d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    if any(r > n for r, n in zip(reach, padded, strict=True)):
        raise ValueError(
            f"{operation}: the kernel reaches over {reach[0]} x {reach[1]}, and the padded input is only {padded[0]} x "
            f"{padded[1]}; use a smaller kernel or dilation, or more padding"
        )
    return tuple((n - r) // s + 1 for n, r, s in zip(padded, reach, stride, strict=True))


def check_channels(operation, channels, filters, groups):
    """`filters` are the first two axes of a weight."""
    if isinstance(groups, bool) or not isinstance(groups, (int, np.integer)) or groups < 1:
        raise ValueError(f"{operation}: groups must be a positive integer, got {groups!r}")
    if filters[0] % groups or filters[1] * groups != channels:
        raise ValueError(
            f"{operation}: {groups} groups need a multiple of {groups} filters, of {channels} / {groups} channels each; the "
            f"weight has {filters[0]} filters of {filters[1]} channels"
        )


def check_bias(operation, bias, dtype, size):
    if bias is not None and not fits(bias, dtype, (size,)):
        raise misfit(f"{operation}: bias", dtype, (size,), bias)


def check_pool(operation, x, rows, columns, dilation):
    """The shape of the output. Windows are pairs of contiguous arrays: where they begin and end."""
    check_images(operation, x=x)
    check_pair(operation, "dilation", dilation, 1)
    check_windows(operation, "rows", rows, 2, x.shape[2])
    check_windows(operation, "columns", columns, 2, x.shape[3])
    return *x.shape[:2], len(rows[0]), len(columns[0])


def check_mean_pool(operation, x, rows, columns, size):
    """The shape of the output, where x is the input; or x is the output's gradient, for an input of this size."""
    check_images(operation, x=x)
    if size is not None:
        check_pair(operation, "size", size, 1)
    check_windows(operation, "rows", rows, 3, (size or x.shape[2:])[0])
    check_windows(operation, "columns", columns, 3, (size or x.shape[2:])[1])
    shape = *x.shape[:2], len(rows[0]), len(columns[0])
    if size is not None and x.shape != shape:
        raise misfit(f"{operation}: dy", x.dtype, shape, x)
    return shape


def check_windows(operation, name, windows, arrays, size):
    fit = isinstance(windows, tuple) and len(windows) == arrays
    fit = fit and all(isinstance(w, np.ndarray) and w.dtype == np.intp and w.flags.carray for w in windows)
    fit = fit and all(w.shape == (len(windows[0]),) for w in windows) and len(windows[0]) > 0
    if not (fit and windows[0].min() >= 0 and (windows[0] < windows[1]).all() and windows[1].max() <= size):
        raise ValueError(f"{operation}: {name} must be {arrays} arrays of intp: windows that are not empty, within 0 to {size}")
    if arrays == 3 and windows[2].min() < 1:
        raise ValueError(f"{operation}: {name}: a window must count as one number at least")


def check_pool_backward(operation, dy, places, size):
    check_images(operation, dy=dy)
    check_pair(operation, "size", size, 1)
    if not (fits(places, np.intp, dy.shape) and places.flags.c_contiguous and places.flags.aligned):
        raise misfit(f"{operation}: places", "contiguous intp", dy.shape, places)
    if places.size and not (places.min() >= 0 and places.max() < size[0] * size[1]):
        raise ValueError(f"{operation}: places must be from 0 to {size[0] * size[1] - 1}, as max_pool2d returns them")


# Fused kernels, and summaries


def real_array(x):
    """x as an array of float32 or float64 in the processor's own byte order."""
    array = np.asarray(x)
    if array.dtype in REALS:
        return array
    if array.dtype.kind not in "fiub":
        raise TypeError(f"an array of real numbers is expected, got {described(x)}")
    return array.astype(np.float64 if array.dtype.type is np.float64 else np.float32)


def real_array_like(name, x, dtype, shape):
    """x as such an array, which must have this dtype and shape."""
    array = real_array(x)
    if not fits(array, dtype, shape):
        raise misfit(name, dtype, shape, array)
    return array


def real_matrix(name, x):
    array = real_array(x)
    if array.ndim != 2:
        raise not_a_matrix(name, array)
    return array


def not_a_matrix(name, came):
    return ValueError(f"{name} must be a matrix, got {described(came)}")


def no_channels(came):
    return ValueError(f"x must have shape (rows, channels) or (rows, channels, places), got {described(came)}")


def unwritable_statistics():
    return ValueError("batch_norm: mean and var must be contiguous and writable, for in training they are computed")


def check_labels(labels, rows):
    if not (fits(labels, np.intp, (rows,)) and labels.flags.c_contiguous and labels.flags.aligned):
        raise bad_labels(labels, rows)


def bad_labels(came, rows):
    return misfit("labels", "contiguous intp", (rows,), came)


def unknown_class(labels, shape):
    """The error of the first label that is not a class of an input of this shape."""
    wrong = np.flatnonzero((labels < 0) | (labels >= shape[1]))[0]
    return ValueError(
        f"cross_entropy expects labels from 0 to {shape[1] - 1} for input of shape {shape}, got {labels[wrong]} at index "
        f"{wrong}; classes count from 0, one column of the input each"
    )


def check_summarize(x, bins):
    if not isinstance(x, np.ndarray) or x.dtype not in REALS or not x.size:
        raise ValueError(f"summarize takes an array of float32 or float64 that is not empty, got {described(x)}")
    if isinstance(bins, bool) or not isinstance(bins, (int, np.integer)) or bins < 0:
        raise ValueError(f"summarize: bins must be a non-negative integer, got {bins!r}")


# Optimizers


def bad_group(rule):
    return ValueError(
        f"{rule}: a group must have lists of one length, of arrays (values, gradients, what is remembered, or None) and of "
        "non-negative integers (steps), and then its numbers"
    )


def unfit_parameter(rule, arrays):
    return ValueError(
        f"{rule}: a parameter must be writable float32 or float64, its gradient of its shape, and what is remembered of it "
        f"writable and of its shape and dtype, got {', '.join(map(described, arrays))}"
    )


def bad_count(rule, came):
    return ValueError(f"{rule}: a count must be a list of one number, got {came!r}")


def bad_start(rule, came):
    return ValueError(f"{rule}: what is started must be a tuple of a dict, a key and a value, got {came!r}")


# Sampling


def new_array(size, dtype):
    try:
        return np.empty(size, dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"size must be a non-negative integer or a tuple of them, got {size!r} ({error})") from error


def bad_words(came):
    return ValueError(f"philox: out must be a contiguous, writable array of uint32, got {described(came)}")


def bad_samples(real):
    return TypeError(f"samples are float32 or float64, got {real!r}")


def bad_key(key):
    return ValueError(f"a key is a tuple of two words, got {key!r}")


def bad_probabilities(p_low, q_high, width):
    return ValueError(f"p_low, width and q_high are probabilities whose sum is 1, got {p_low}, {width} and {q_high}")
