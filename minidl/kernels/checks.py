"""What both backends refuse, and what they say then: the argument, what it must be, and what came.

A name with a verb (`check_...`) raises where arguments do not fit. The compiled backend looks at most arguments itself, in C;
for those, the functions here return the error that it raises, as the reference implementation does. Whether numbers make sense,
such as a negative standard deviation, is asked where users give them, in `random` and `functional`.
"""

import numpy as np

REALS = (np.dtype(np.float32), np.dtype(np.float64))


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
