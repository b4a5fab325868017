# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True, auto_pickle=False
"""The door to csrc/: unwraps arrays to pointers, releases the GIL, calls. The same functions as in reference/.

What each function computes is documented in the reference implementation. Whether arrays fit, so that nothing is read or written
past an end, is checked here, where it costs least; what does not fit is an error of `checks.py`. A function that a captured step
may call makes an operation (csrc/program.h) of its arguments, which `perform` runs, or adds to the program that is being built.
"""
cimport numpy as cnp
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from numpy import array as np_array
from numpy import broadcast, empty, float32, float64, int64, intp, zeros

from .checks import (bad_count, bad_group, bad_key, bad_labels, bad_probabilities, bad_samples, bad_start, bad_words,
                     check_conv2d, check_conv2d_input_gradient, check_conv2d_weight_gradient, check_linear, check_matmul,
                     check_mean_pool, check_pool, check_pool_backward, check_summarize, misfit, no_channels, not_a_matrix,
                     real_array, unfit_parameter, unknown_class, unwritable_statistics)
from .checks import new_array as checked_new_array
from .reference.fused import move_statistics as move_any_statistics

cnp.import_array()


cdef extern from *:
    """
    #include <stdlib.h>
    /* Lets the C library keep what arrays of up to 32 MB free, for the next step's arrays, which are as large. Else pages go
     * back to the system, and come again one by one, cleared. glibc learns what to keep from the largest block that was freed
     * so far; this one is never written, so it takes no memory. Elsewhere it does nothing. */
    static void keep_freed_memory(void)
    {
        void *volatile block = malloc((32 << 20) - (8 << 10));
        free(block);
    }
    """
    void keep_freed_memory()


keep_freed_memory()

cdef long long MOST = 1 << 40


cdef extern from "isa.h":
    ctypedef struct philox_key:
        uint32_t k0, k1
    ctypedef struct draw:
        philox_key key
        uint64_t position
        size_t n
    ctypedef struct distribution:
        double low, high, mean, std, p_low, q_high, width
    ctypedef struct isa_table:
        const char *name
    const isa_table *isa_current() nogil
    int isa_choose(const char *name)
    const char *isa_available(int i)

cdef extern from "sampling.h" nogil:
    void sample_words(philox_key key, uint64_t low, uint64_t high, size_t n, uint32_t *out)
    void sample_normal_f32(draw part, distribution source, float *out)
    void sample_normal_f64(draw part, distribution source, double *out)
    void sample_integers(draw part, int64_t low, uint64_t range, int64_t *out)
    void sample_permutation(draw part, int64_t *out)

cdef extern from "convolution.h" nogil:
    ctypedef struct convolution:
        size_t images, groups, channels, filters
        size_t size[2]
        size_t kernel[2]
        size_t out[2]
        Py_ssize_t stride[2]
        Py_ssize_t padding[2]
        Py_ssize_t dilation[2]
    int convolve_f32(const convolution *size, const float *x, const float *w, const float *bias, float *y)
    int convolve_f64(const convolution *size, const double *x, const double *w, const double *bias, double *y)
    int convolve_input_gradient_f32(const convolution *size, const float *dy, const float *w, const float *bias, float *dx)
    int convolve_input_gradient_f64(const convolution *size, const double *dy, const double *w, const double *bias, double *dx)
    int convolve_weight_gradient_f32(const convolution *size, const float *x, const float *dy, float *dw)
    int convolve_weight_gradient_f64(const convolution *size, const double *x, const double *dy, double *dw)

cdef extern from "pooling.h" nogil:
    ctypedef struct windows:
        size_t size, windows
        Py_ssize_t step
        const Py_ssize_t *begin
        const Py_ssize_t *end
        const Py_ssize_t *count
    ctypedef struct pooling_job:
        size_t planes
        windows rows, columns
        const void *x
        void *y
        Py_ssize_t *places
    void max_pool(const pooling_job *job, int precision)
    void mean_pool(const pooling_job *job, int precision)
    void max_pool_backward(const pooling_job *job, int precision)
    void mean_pool_backward(const pooling_job *job, int precision)

cdef extern from "summary.h" nogil:
    enum: HISTOGRAMS
    ctypedef struct summary:
        double mean, std, low, high
    summary summarize_f32(size_t n, const float *x, size_t bins, int64_t *counts)
    summary summarize_f64(size_t n, const double *x, size_t bins, int64_t *counts)

cdef extern from "fused.h" nogil:
    ctypedef enum elementwise_function:
        TANH, TANH_BACKWARD, SIGMOID, SIGMOID_BACKWARD, RELU, RELU_BACKWARD, LEAKY_RELU, LEAKY_RELU_BACKWARD
        ELU, ELU_BACKWARD, SILU, SILU_BACKWARD, GELU, GELU_BACKWARD, EXP, LOG
    ctypedef struct elementwise_job:
        elementwise_function function
        size_t n
        double a, b
        const void *x
        const void *dy
        void *out
    ctypedef struct column_sums_job:
        size_t rows, channels, places
        const void *x
        void *out
    ctypedef struct batch_norm_job:
        size_t rows, channels, places
        int training
        double eps
        const void *x
        const void *weight
        const void *bias
        void *mean
        void *var
        void *y
    ctypedef struct batch_norm_backward_job:
        size_t rows, channels, places
        int training
        double eps
        const void *dy
        const void *x
        const void *weight
        const void *mean
        const void *var
        void *dx
        void *dweight
        void *dbias
    ctypedef struct cross_entropy_job:
        size_t rows, classes
        const void *x
        const Py_ssize_t *labels
        void *p
        void *losses
    ctypedef struct cross_entropy_backward_job:
        size_t rows, classes
        const void *p
        const void *dy
        size_t dy_step
        double factor
        const Py_ssize_t *labels
        void *dx

cdef extern from "optim.h" nogil:
    enum: STATES, NUMBERS
    ctypedef struct optim_tensor:
        size_t n, steps
        void *p
        const void *g
        void *state[STATES]
    ctypedef struct optim_job:
        size_t count
        const optim_tensor *tensors
        double *numbers

cdef extern from "program.h" nogil:
    ctypedef enum operation_kind:
        PRODUCT, ELEMENTWISE, ARITHMETIC, COLUMN_SUMS, ROW_SUMS, BATCH_NORM, BATCH_NORM_BACKWARD, FINITE, STATISTICS
        CROSS_ENTROPY, CROSS_ENTROPY_BACKWARD, SCALE, COPY, UNIFORM, MASK, SGD_STEP, ADAM_STEP, RMSPROP_STEP
    ctypedef enum arithmetic_function:
        ADD, SUBTRACT, MULTIPLY, DIVIDE, INVERSE_ROOT
    ctypedef struct product_job:
        size_t m, n, k
        const void *a
        const void *b
        const void *bias
        Py_ssize_t a_row, a_column, b_row, b_column
        void *c
        Py_ssize_t c_row, c_column
    ctypedef struct arithmetic_job:
        arithmetic_function function
        size_t rows, columns
        const void *x
        const void *y
        Py_ssize_t x_row, x_column, y_row, y_column
        void *out
    ctypedef struct row_sums_job:
        size_t rows, columns
        const void *x
        void *out
    ctypedef struct scale_job:
        const double *number
        double factor
        void *out
    ctypedef struct copy_job:
        size_t bytes
        const void *from_ "from"
        void *to
    ctypedef struct mask_job:
        size_t n
        double share, scale
        const double *u
        void *mask
    ctypedef struct uniform_job:
        draw part
        double low, high
        void *out
    ctypedef struct finite_job:
        size_t n
        double factor
        const void *x
    ctypedef struct statistics_job:
        size_t columns
        double share, unbias
        const void *mean
        const void *var
        void *running_mean
        void *running_var
        int64_t *tracked
    ctypedef struct total_cross_entropy_job:
        cross_entropy_job each
        double *total
    ctypedef struct operation:
        operation_kind kind
        int precision
        product_job product
        elementwise_job elementwise
        arithmetic_job arithmetic
        column_sums_job column_sums
        row_sums_job row_sums
        batch_norm_job batch_norm
        batch_norm_backward_job batch_norm_backward
        finite_job finite
        statistics_job statistics
        total_cross_entropy_job cross_entropy
        cross_entropy_backward_job cross_entropy_backward
        scale_job scale
        copy_job copy
        uniform_job uniform
        mask_job mask
        optim_job optim
    int operation_run(const operation *o)
    size_t program_run(const operation *program, size_t n)

cdef extern from "threads.h":
    void threads_set(size_t n)
    size_t threads_get()


# Operations, and where their results go


cdef extern from *:
    """
    #ifdef _MSC_VER
    #define MINIDL_OF_THREAD __declspec(thread)
    #else
    #define MINIDL_OF_THREAD __thread
    #endif
    static MINIDL_OF_THREAD PyObject *minidl_building;
    """
    PyObject *building "minidl_building"  # this thread's program that calls are added to instead of being run, see program.pxi


cdef bint is_building() noexcept:
    return building is not NULL


cdef int perform(const operation *o) except -2:
    """Run an operation, or, while a program is built, add it to that. Returns 0, or -1 where it failed."""
    cdef int failed
    if is_building():
        (<Program>building).add(o)
        return 0
    with nogil:
        failed = operation_run(o)
    return failed


cdef cnp.ndarray new(int ndim, const cnp.npy_intp *shape, int kind):
    """An array for results: a new one, or, while a program is built, the one that is meant for them."""
    if is_building():
        return (<Program>building).next_result(ndim, shape, kind)
    return cnp.PyArray_EMPTY(ndim, shape, kind, 0)


def instruction_sets():
    """The names that `choose_instruction_set` takes on this machine, best first."""
    names = []
    while isa_available(<int>len(names)) is not NULL:
        names.append(isa_available(<int>len(names)).decode())
    return names


def choose_instruction_set(str name):
    """Use the named instruction set from now on; False, and no change, where this machine lacks it."""
    return isa_choose(name.encode()) == 0


def instruction_set():
    return isa_current().name.decode()


def set_num_threads(size_t n):
    threads_set(n)


def get_num_threads():
    return threads_get()


def philox(key, counter, out):
    if not cnp.PyArray_Check(out):
        raise bad_words(out)
    cdef cnp.ndarray array = out
    if not (cnp.PyArray_ISCARRAY(array) and cnp.PyArray_TYPE(array) == cnp.NPY_UINT32):
        raise bad_words(out)
    cdef philox_key k = philox_key(key[0], key[1])
    cdef uint64_t low = counter[0] | counter[1] << 32, high = counter[2] | counter[3] << 32
    cdef size_t n = array.size
    cdef uint32_t *words = <uint32_t *>array.data
    with nogil:
        sample_words(k, low, high, n, words)


cdef cnp.ndarray new_array(size, dtype):
    """np.empty(size, dtype), in a fraction of its time where size is a plain number and dtype np.float32."""
    cdef cnp.npy_intp n
    if type(size) is int and dtype is float32 and 0 <= size < MOST:
        n = size
        return cnp.PyArray_EMPTY(1, &n, cnp.NPY_FLOAT32, 0)
    return checked_new_array(size, dtype)


cdef draw part_of(key, uint64_t position, cnp.ndarray out):
    if not (isinstance(key, tuple) and len(key) == 2):
        raise bad_key(key)
    return draw(philox_key(key[0], key[1]), position, out.size)


def uniform(size, real, key, uint64_t position, double low, double high):
    cdef cnp.ndarray out = (<Program>building).next_result_of(size, real) if is_building() else new_array(size, real)
    if not (is_real(cnp.PyArray_TYPE(out)) and cnp.PyArray_ISCARRAY(out)):
        raise bad_samples(real)
    cdef operation o
    o.kind, o.precision = UNIFORM, is_double(out)
    o.uniform = uniform_job(part_of(key, position, out), low, high, out.data)
    perform(&o)
    return out


def normal(size, real, key, uint64_t position, double mean, double std, double p_low, double q_high, double width,
           double low, double high):
    if not (p_low >= 0 and q_high >= 0 and width >= 0 and abs(p_low + width + q_high - 1) < 1e-6):
        raise bad_probabilities(p_low, q_high, width)
    cdef cnp.ndarray out = new_array(size, real)
    if not (is_real(cnp.PyArray_TYPE(out)) and cnp.PyArray_ISCARRAY(out)):
        raise bad_samples(real)
    cdef distribution source = distribution(low, high, mean, std, p_low, q_high, width)
    cdef draw part = part_of(key, position, out)
    cdef void *samples = out.data
    cdef bint single = cnp.PyArray_ITEMSIZE(out) == 4
    with nogil:
        if single:
            sample_normal_f32(part, source, <float *>samples)
        else:
            sample_normal_f64(part, source, <double *>samples)
    return out


def integers(size, key, uint64_t position, int64_t low, uint64_t range):
    cdef cnp.ndarray out = new_array(size, int64)
    cdef draw part = part_of(key, position, out)
    cdef int64_t *samples = <int64_t *>out.data
    with nogil:
        sample_integers(part, low, range, samples)
    return out


def permutation(n, key, uint64_t position):
    cdef cnp.ndarray out = new_array(n, int64)
    cdef draw part = part_of(key, position, out)
    cdef int64_t *samples = <int64_t *>out.data
    with nogil:
        sample_permutation(part, samples)
    return out


cdef bint is_plain(cnp.ndarray x) noexcept:
    """Whether x is a matrix as csrc takes it: 2-D, not empty, of aligned numbers, whole steps apart, in the usual byte order."""
    cdef Py_ssize_t size
    if x.ndim != 2 or not cnp.PyArray_ISBEHAVED_RO(x) or x.shape[0] == 0 or x.shape[1] == 0:
        return False
    size = cnp.PyArray_ITEMSIZE(x)
    return x.strides[0] % size == 0 and x.strides[1] % size == 0


cdef int multiply(cnp.ndarray x, bint transposed_x, cnp.ndarray y, bint transposed_y, const void *bias, cnp.ndarray z) except -1:
    """z = x y + bias, of plain matrices of one dtype that fit; each may be taken transposed."""
    cdef Py_ssize_t size = cnp.PyArray_ITEMSIZE(x), m = x.shape[transposed_x], k = x.shape[not transposed_x], n = y.shape[not transposed_y]
    cdef operation o
    o.kind, o.precision = PRODUCT, is_double(x)
    o.product = product_job(m, n, k, x.data, y.data, bias, x.strides[transposed_x] // size, x.strides[not transposed_x] // size,
                            y.strides[transposed_y] // size, y.strides[not transposed_y] // size, z.data, z.strides[0] // size,
                            z.strides[1] // size)
    if perform(&o):
        raise MemoryError(f"matmul of {m} x {k} and {k} x {n}: no memory for its buffers")
    return 0


cdef cnp.ndarray new_matrix(Py_ssize_t rows, Py_ssize_t columns, int kind):
    cdef cnp.npy_intp *shape = [rows, columns]
    return new(2, shape, kind)


cdef bint is_real(int kind) noexcept:
    return kind == cnp.NPY_FLOAT32 or kind == cnp.NPY_FLOAT64


cdef int is_double(cnp.ndarray x) noexcept:
    return cnp.PyArray_ITEMSIZE(x) == 8


cdef bint overlaps_itself(cnp.ndarray z) noexcept:
    """Whether a step of a matrix is shorter than an element, or the longer one than a row (or column) in the other direction."""
    cdef int axis, shorter = 0 if abs(z.strides[0]) < abs(z.strides[1]) else 1
    cdef Py_ssize_t reach = cnp.PyArray_ITEMSIZE(z)
    for axis in (shorter, 1 - shorter):
        if z.shape[axis] > 1:
            if abs(z.strides[axis]) < reach:
                return True
            reach += abs(z.strides[axis]) * (z.shape[axis] - 1)
    return False


cdef char *end(cnp.ndarray x, bint upper) noexcept:
    """The first byte of a matrix in memory, or the one after the last."""
    cdef char *place = x.data + (cnp.PyArray_ITEMSIZE(x) if upper else 0)
    cdef int axis
    for axis in range(2):
        if (x.strides[axis] > 0) == upper:
            place += x.strides[axis] * (x.shape[axis] - 1)
    return place


cdef bint are_apart(cnp.ndarray x, cnp.ndarray y) noexcept:
    return end(x, True) <= end(y, False) or end(y, True) <= end(x, False)


cdef bint are_plain(x, y) noexcept:
    """Whether csrc takes both as they are: matrices of one dtype."""
    return (cnp.PyArray_Check(x) and cnp.PyArray_Check(y) and is_plain(<cnp.ndarray>x) and is_plain(<cnp.ndarray>y)
            and is_real(cnp.PyArray_TYPE(<cnp.ndarray>x)) and cnp.PyArray_TYPE(<cnp.ndarray>x) == cnp.PyArray_TYPE(<cnp.ndarray>y))


cdef bint can_hold(out, cnp.ndarray x, cnp.ndarray y) noexcept:
    """Whether csrc can write the product of two plain matrices straight into `out`."""
    if not (are_plain(out, x) and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)):
        return False
    cdef cnp.ndarray z = out
    return (z.shape[0] == x.shape[0] and z.shape[1] == y.shape[1]
            and not overlaps_itself(z) and are_apart(z, x) and are_apart(z, y))


cdef cnp.ndarray plain(cnp.ndarray x):
    """x, or a copy that csrc takes. (A long double may be a float64 by another name.)"""
    if is_plain(x) and is_real(cnp.PyArray_TYPE(x)):
        return x
    return np_array(x, float32 if cnp.PyArray_ITEMSIZE(x) == 4 else float64, order="C")


def matmul(a, b, out=None):
    """The matrix product a b, of two arrays of float32 or float64, in a new array or in `out`."""
    if not (are_plain(a, b) and (<cnp.ndarray>a).shape[1] == (<cnp.ndarray>b).shape[0]
            and (out is None or can_hold(out, a, b))):
        return matmul_by_copies(a, b, out)
    cdef cnp.ndarray x = a, y = b, z = out
    if out is None:
        z = new_matrix(x.shape[0], y.shape[1], cnp.PyArray_TYPE(x))
    multiply(x, False, y, False, NULL, z)
    return z


cdef matmul_by_copies(a, b, out):
    """The same of any layouts, and 0 where there is nothing to add up."""
    check_matmul(a, b, out)
    refuse_copies(a)
    product = matmul(plain(a), plain(b)) if a.size and b.size else zeros((len(a), b.shape[1]), a.dtype)
    if out is None:
        return product
    out[...] = product
    return out


def linear(x, weight, bias=None):
    """x weight^T + bias, for x of shape (batch, in), weight of shape (out, in) and bias of shape (out,)."""
    if not (are_plain(x, weight) and (<cnp.ndarray>x).shape[1] == (<cnp.ndarray>weight).shape[1]
            and (bias is None or (is_plain_vector(bias, cnp.PyArray_TYPE(<cnp.ndarray>x), (<cnp.ndarray>weight).shape[0], False)
                                  and (<cnp.ndarray>bias).ndim == 1))):
        return linear_by_copies(x, weight, bias)
    cdef cnp.ndarray a = x, w = weight, y = new_matrix(a.shape[0], w.shape[0], cnp.PyArray_TYPE(a))
    multiply(a, False, w, True, data_or_null(bias), y)
    return y


cdef linear_by_copies(x, weight, bias):
    check_linear(x, weight, bias)
    refuse_copies(x)
    if x.size and weight.size:
        a = plain(x)
        return linear(a, plain(weight), None if bias is None else np_array(bias, a.dtype))
    y = zeros((len(x), len(weight)), x.dtype)
    return y if bias is None else y + bias


# Convolutions


cdef convolution convolution_of(x, w, y, stride, padding, dilation, size_t groups) except *:
    """The sizes of a convolution, of the shapes of its input, weight and output."""
    cdef convolution c
    c.images, c.groups, c.channels, c.filters = x[0], groups, w[1], w[0] // groups
    for i in range(2):
        c.size[i], c.kernel[i], c.out[i] = x[2 + i], w[2 + i], y[2 + i]
        c.stride[i], c.padding[i], c.dilation[i] = stride[i], padding[i], dilation[i]
    return c


cdef no_memory_for(str operation, x, w):
    return MemoryError(f"{operation} of images {x} and filters {w}: no memory for its buffers")


def conv2d(x, w, bias, stride, padding, dilation, groups):
    """The convolution of images (batch, channels, height, width) with w (filters, channels / groups, height, width), plus bias."""
    shape = check_conv2d(x, w, bias, stride, padding, dilation, groups)
    cdef cnp.ndarray a = contiguous(x), b = contiguous(w), y = empty(shape, a.dtype)
    cdef cnp.ndarray added = None if bias is None else contiguous(bias)
    cdef const void *c = data_or_null(added)
    cdef convolution size = convolution_of(x.shape, w.shape, shape, stride, padding, dilation, groups)
    cdef bint single = cnp.PyArray_ITEMSIZE(a) == 4
    cdef int failed = 0
    if y.size:
        with nogil:
            if single:
                failed = convolve_f32(&size, <float *>a.data, <float *>b.data, <float *>c, <float *>y.data)
            else:
                failed = convolve_f64(&size, <double *>a.data, <double *>b.data, <double *>c, <double *>y.data)
    if failed:
        raise no_memory_for("conv2d", x.shape, w.shape)
    return y


def conv2d_input_gradient(dy, w, bias, size, stride, padding, dilation, groups):
    """The gradient of `conv2d` with respect to images of this height and width, plus bias for each channel."""
    shape = check_conv2d_input_gradient(dy, w, bias, size, stride, padding, dilation, groups)
    cdef cnp.ndarray a = contiguous(dy), b = contiguous(w), dx = empty(shape, a.dtype)
    cdef cnp.ndarray added = None if bias is None else contiguous(bias)
    cdef const void *c = data_or_null(added)
    cdef convolution sizes = convolution_of(shape, w.shape, dy.shape, stride, padding, dilation, groups)
    cdef bint single = cnp.PyArray_ITEMSIZE(a) == 4
    cdef int failed = 0
    if dx.size:
        with nogil:
            if single:
                failed = convolve_input_gradient_f32(&sizes, <float *>a.data, <float *>b.data, <float *>c, <float *>dx.data)
            else:
                failed = convolve_input_gradient_f64(&sizes, <double *>a.data, <double *>b.data, <double *>c, <double *>dx.data)
    if failed:
        raise no_memory_for("conv2d_input_gradient", shape, w.shape)
    return dx


def conv2d_weight_gradient(x, dy, kernel_size, stride, padding, dilation, groups):
    """The gradient of `conv2d` with respect to filters of this height and width."""
    shape = check_conv2d_weight_gradient(x, dy, kernel_size, stride, padding, dilation, groups)
    cdef cnp.ndarray a = contiguous(x), b = contiguous(dy), dw = empty(shape, a.dtype)
    if not a.size:
        return zeros(shape, a.dtype)
    cdef convolution size = convolution_of(x.shape, shape, dy.shape, stride, padding, dilation, groups)
    cdef bint single = cnp.PyArray_ITEMSIZE(a) == 4
    cdef int failed
    with nogil:
        if single:
            failed = convolve_weight_gradient_f32(&size, <float *>a.data, <float *>b.data, <float *>dw.data)
        else:
            failed = convolve_weight_gradient_f64(&size, <double *>a.data, <double *>b.data, <double *>dw.data)
    if failed:
        raise no_memory_for("conv2d_weight_gradient", x.shape, shape)
    return dw


cdef windows windows_of(arrays, Py_ssize_t size, Py_ssize_t step):
    cdef cnp.ndarray begin = arrays[0], end = arrays[1], count = arrays[len(arrays) - 1]
    return windows(size, begin.size, step, <Py_ssize_t *>begin.data, <Py_ssize_t *>end.data, <Py_ssize_t *>count.data)


def max_pool2d(x, rows, columns, dilation):
    """The largest number of each window, and its place in the plane."""
    shape = check_pool("max_pool2d", x, rows, columns, dilation)
    cdef cnp.ndarray a = contiguous(x), y = empty(shape, a.dtype), places = empty(shape, intp)
    cdef pooling_job job = pooling_job(shape[0] * shape[1], windows_of(rows, a.shape[2], dilation[0]),
                                       windows_of(columns, a.shape[3], dilation[1]), a.data, y.data, <Py_ssize_t *>places.data)
    cdef int precision = cnp.PyArray_ITEMSIZE(a) == 8
    with nogil:
        max_pool(&job, precision)
    return y, places


def max_pool2d_backward(dy, places, size):
    check_pool_backward("max_pool2d_backward", dy, places, size)
    cdef cnp.ndarray a = contiguous(dy), p = places, dx = empty((a.shape[0], a.shape[1], *size), a.dtype)
    cdef pooling_job job = pooling_job(a.shape[0] * a.shape[1], windows(size[0], a.shape[2], 1, NULL, NULL, NULL),
                                       windows(size[1], a.shape[3], 1, NULL, NULL, NULL), a.data, dx.data, <Py_ssize_t *>p.data)
    cdef int precision = cnp.PyArray_ITEMSIZE(a) == 8
    with nogil:
        max_pool_backward(&job, precision)
    return dx


def mean_pool2d(x, rows, columns):
    """The mean of each window."""
    shape = check_mean_pool("mean_pool2d", x, rows, columns, None)
    cdef cnp.ndarray a = contiguous(x), y = empty(shape, a.dtype)
    cdef pooling_job job = pooling_job(shape[0] * shape[1], windows_of(rows, a.shape[2], 1), windows_of(columns, a.shape[3], 1),
                                       a.data, y.data, NULL)
    cdef int precision = cnp.PyArray_ITEMSIZE(a) == 8
    with nogil:
        mean_pool(&job, precision)
    return y


def mean_pool2d_backward(dy, rows, columns, size):
    check_mean_pool("mean_pool2d_backward", dy, rows, columns, size)
    cdef cnp.ndarray a = contiguous(dy), dx = empty((a.shape[0], a.shape[1], *size), a.dtype)
    cdef pooling_job job = pooling_job(a.shape[0] * a.shape[1], windows_of(rows, size[0], 1), windows_of(columns, size[1], 1),
                                       a.data, dx.data, NULL)
    cdef int precision = cnp.PyArray_ITEMSIZE(a) == 8
    with nogil:
        mean_pool_backward(&job, precision)
    return dx


# Fused kernels


cdef cnp.ndarray contiguous(x):
    """x, or a copy where it is anything but a contiguous array of float32 or float64."""
    if (cnp.PyArray_Check(x) and cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>x)
            and is_real(cnp.PyArray_TYPE(<cnp.ndarray>x))):
        return x
    refuse_copies(x)
    return np_array(real_array(x), order="C")


cdef int refuse_copies(x) except -1:
    """A program cannot make a copy for itself, as a call can."""
    if is_building():
        raise ValueError(f"an array of shape {(<object>x).shape} and strides {(<object>x).strides} is not contiguous")
    return 0


cdef cnp.ndarray matrix(x, str name):
    cdef cnp.ndarray array = contiguous(x)
    if array.ndim != 2:
        raise not_a_matrix(name, array)
    return array


cdef cnp.ndarray like(cnp.ndarray x, y, str name):
    """y as a contiguous array, which must have the shape and dtype of x."""
    cdef cnp.ndarray array = contiguous(y)
    if not (cnp.PyArray_SAMESHAPE(array, x) and cnp.PyArray_TYPE(array) == cnp.PyArray_TYPE(x)):
        raise misfit(name, x.dtype, (<object>x).shape, array)
    return array


cdef bint is_column(cnp.ndarray x, cnp.ndarray matrix) noexcept:
    """Whether x has a number of the matrix's dtype for each of its columns."""
    return x.ndim == 1 and x.shape[0] == matrix.shape[1] and cnp.PyArray_TYPE(x) == cnp.PyArray_TYPE(matrix)


cdef cnp.ndarray for_columns(cnp.ndarray matrix, x, str name):
    """x as a contiguous array, which must have a number of the matrix's dtype for each of its columns."""
    cdef cnp.ndarray array = contiguous(x)
    if not is_column(array, matrix):
        raise misfit(name, matrix.dtype, (matrix.shape[1],), array)
    return array


cdef cnp.ndarray classes_for(cnp.ndarray x, labels):
    """The labels, which must be one integer for each row of x; whether they are classes is looked at by csrc."""
    if not (cnp.PyArray_Check(labels) and cnp.PyArray_ISCARRAY_RO(labels) and cnp.PyArray_TYPE(labels) == cnp.NPY_INTP
            and cnp.PyArray_NDIM(labels) == 1 and cnp.PyArray_DIM(labels, 0) == x.shape[0]):
        raise bad_labels(labels, x.shape[0])
    return labels


cdef cnp.ndarray new_like(cnp.ndarray x):
    return new(x.ndim, x.shape, cnp.PyArray_TYPE(x))


cdef const void *data_or_null(array):
    return NULL if array is None else (<cnp.ndarray>array).data


cdef cnp.ndarray run_elementwise(elementwise_function function, cnp.ndarray x, cnp.ndarray dy, double a, double b):
    cdef cnp.ndarray out = new_like(x)
    cdef operation o
    o.kind, o.precision = ELEMENTWISE, is_double(x)
    o.elementwise = elementwise_job(function, x.size, a, b, x.data, data_or_null(dy), out.data)
    perform(&o)
    return out


cdef cnp.ndarray elementwise(elementwise_function function, x, double a=0, double b=0):
    return run_elementwise(function, contiguous(x), None, a, b)


cdef cnp.ndarray elementwise_backward(elementwise_function function, gradient, value, double a=0, double b=0):
    cdef cnp.ndarray x = contiguous(value)
    return run_elementwise(function, x, like(x, gradient, "dy"), a, b)


def tanh(x):
    return elementwise(TANH, x)


def tanh_backward(dy, y):
    return elementwise_backward(TANH_BACKWARD, dy, y)


def sigmoid(x):
    return elementwise(SIGMOID, x)


def sigmoid_backward(dy, y):
    return elementwise_backward(SIGMOID_BACKWARD, dy, y)


def relu(x):
    return elementwise(RELU, x)


def relu_backward(dy, y):
    return elementwise_backward(RELU_BACKWARD, dy, y)


def leaky_relu(x, double slope):
    return elementwise(LEAKY_RELU, x, slope)


def leaky_relu_backward(dy, x, double slope):
    return elementwise_backward(LEAKY_RELU_BACKWARD, dy, x, slope)


def elu(x, double positive, double negative):
    return elementwise(ELU, x, positive, negative)


def elu_backward(dy, x, double positive, double negative):
    return elementwise_backward(ELU_BACKWARD, dy, x, positive, negative)


def silu(x):
    return elementwise(SILU, x)


def silu_backward(dy, x):
    return elementwise_backward(SILU_BACKWARD, dy, x)


def gelu(x):
    return elementwise(GELU, x)


def gelu_backward(dy, x):
    return elementwise_backward(GELU_BACKWARD, dy, x)


def exp(x):
    return elementwise(EXP, x)


def log(x):
    return elementwise(LOG, x)


cdef cnp.ndarray channels(x):
    """x as a contiguous array (rows, channels) or (rows, channels, places)."""
    cdef cnp.ndarray array = contiguous(x)
    if array.ndim != 2 and array.ndim != 3:
        raise no_channels(array)
    return array


cdef size_t rows_of(cnp.ndarray x) noexcept:
    """None, where there is nothing to read."""
    return x.shape[0] if x.size else 0


cdef size_t places_of(cnp.ndarray x) noexcept:
    """At least 1."""
    return x.shape[2] if x.ndim == 3 and x.shape[2] else 1


def column_sums(x):
    cdef cnp.ndarray a = channels(x)
    cdef cnp.npy_intp count = a.shape[1]
    cdef cnp.ndarray out = new(1, &count, cnp.PyArray_TYPE(a))
    cdef operation o
    o.kind, o.precision = COLUMN_SUMS, is_double(a)
    o.column_sums = column_sums_job(rows_of(a), count, places_of(a), a.data, out.data)
    perform(&o)
    return out


cdef bint is_plain_vector(array, int kind, Py_ssize_t size, bint written) noexcept:
    """Whether it is a contiguous array of this many numbers, whatever its shape, as csrc takes it."""
    if not cnp.PyArray_Check(array):
        return False
    cdef cnp.ndarray x = array
    return (cnp.PyArray_TYPE(x) == kind and x.size == size
            and (cnp.PyArray_ISCARRAY(x) if written else cnp.PyArray_ISCARRAY_RO(x)))


def batch_norm(x, weight, bias, mean, var, double eps, bint training):
    cdef cnp.ndarray a = channels(x), m = for_columns(a, mean, "mean"), v = for_columns(a, var, "var"), y = new_like(a)
    if training and not (m is mean and v is var and cnp.PyArray_ISWRITEABLE(m) and cnp.PyArray_ISWRITEABLE(v)):
        raise unwritable_statistics()
    w, b = None if weight is None else for_columns(a, weight, "weight"), None if bias is None else for_columns(a, bias, "bias")
    cdef operation o
    o.kind, o.precision = BATCH_NORM, is_double(a)
    o.batch_norm = batch_norm_job(rows_of(a), a.shape[1], places_of(a), training, eps, a.data, data_or_null(w),
                                  data_or_null(b), m.data, v.data, y.data)
    perform(&o)
    return y


def are_finite(x, double factor):
    cdef cnp.ndarray a = contiguous(x)
    cdef operation o
    o.kind, o.precision = FINITE, is_double(a)
    o.finite = finite_job(a.size, factor, a.data)
    return perform(&o) == 0


def move_statistics(running_mean, running_var, tracked, mean, var, Py_ssize_t rows, double share, list counts):
    cdef cnp.ndarray m = contiguous(mean), v = contiguous(var)
    cdef Py_ssize_t i, n = m.size
    cdef int kind = cnp.PyArray_TYPE(m)
    if not (is_plain_vector(v, kind, n, False) and (running_mean is None or is_plain_vector(running_mean, kind, n, True))
            and (running_var is None or is_plain_vector(running_var, kind, n, True))
            and (tracked is None or is_plain_vector(tracked, cnp.NPY_INT64, 1, True))):
        refuse_copies(m)
        return move_any_statistics(running_mean, running_var, tracked, mean, var, rows, share, counts)
    cdef list counted = [count[0] + 1 for count in counts]
    cdef operation o
    o.kind, o.precision = STATISTICS, is_double(m)
    o.statistics = statistics_job(n, share, <double>rows / (rows - 1), m.data, v.data, <void *>data_or_null(running_mean),
                                  <void *>data_or_null(running_var), <int64_t *>data_or_null(tracked))
    perform(&o)
    if not is_building():
        for i in range(len(counted)):
            (<list>counts[i])[0] = counted[i]


def batch_norm_backward(dy, x, weight, mean, var, double eps, bint training):
    cdef cnp.ndarray a = channels(x), d = like(a, dy, "dy"), m = for_columns(a, mean, "mean"), v = for_columns(a, var, "var")
    cdef cnp.ndarray dx = new_like(a), dweight = new_like(m), dbias = new_like(m)
    w = None if weight is None else for_columns(a, weight, "weight")
    cdef operation o
    o.kind, o.precision = BATCH_NORM_BACKWARD, is_double(a)
    o.batch_norm_backward = batch_norm_backward_job(
        rows_of(a), a.shape[1], places_of(a), training, eps, d.data, a.data, data_or_null(w), m.data, v.data, dx.data,
        dweight.data, dbias.data)
    perform(&o)
    return dx, dweight, dbias


def cross_entropy(x, labels):
    cdef cnp.ndarray a = matrix(x, "x"), t = classes_for(a, labels), p = new_like(a)
    cdef cnp.npy_intp rows = a.shape[0]
    cdef cnp.ndarray losses = new(1, &rows, cnp.PyArray_TYPE(a))
    cdef double total = 0
    cdef operation o
    o.kind, o.precision = CROSS_ENTROPY, is_double(a)
    o.cross_entropy.each = cross_entropy_job(rows, a.shape[1], a.data, <Py_ssize_t *>t.data, p.data, losses.data)
    o.cross_entropy.total = &total
    if is_building():
        o.cross_entropy.total = <double *>(<Program>building).next_result(0, NULL, cnp.NPY_FLOAT64).data
    if perform(&o):
        raise unknown_class(labels, (<object>a).shape)
    return p, losses, total


def cross_entropy_backward(dy, p, labels, double factor):
    cdef cnp.ndarray a = matrix(p, "p"), d = contiguous(dy), dx = new_like(a), t
    if cnp.PyArray_TYPE(d) != cnp.PyArray_TYPE(a) or (d.ndim > 0 and not (d.ndim == 1 and d.shape[0] == a.shape[0])):
        raise misfit("dy", a.dtype, f"() or {(a.shape[0],)}", d)
    t = classes_for(a, labels)
    cdef operation o
    o.kind, o.precision = CROSS_ENTROPY_BACKWARD, is_double(a)
    o.cross_entropy_backward = cross_entropy_backward_job(
        a.shape[0], a.shape[1], a.data, d.data, d.ndim > 0, factor, <Py_ssize_t *>t.data, dx.data)
    if perform(&o):
        raise unknown_class(labels, (<object>a).shape)
    return dx


def mask(u, double share, double scale, dtype):
    cdef cnp.ndarray a = contiguous(u), out
    if cnp.PyArray_TYPE(a) != cnp.NPY_FLOAT64:
        raise misfit("u", float64, (<object>a).shape, a)
    out = new(a.ndim, a.shape, dtype.num)
    cdef operation o
    o.kind, o.precision = MASK, is_double(out)
    o.mask = mask_job(a.size, share, scale, <double *>a.data, out.data)
    perform(&o)
    return out


def scaled(total, double factor, dtype):
    cdef cnp.ndarray out = new(0, NULL, dtype.num), known
    cdef double number
    cdef operation o
    o.kind, o.precision, o.scale = SCALE, is_double(out), scale_job(&number, factor, out.data)
    if is_building():  # then `total` is an array
        known = total
        o.scale.number = <double *>known.data
    else:
        number = total
    perform(&o)
    return out


# Optimizers


cdef bint is_group(tuple group, Py_ssize_t states, Py_ssize_t numbers) except -1:
    """Whether it has lists of one length (of arrays, of arrays, for each state of arrays or None, of counts), then numbers."""
    cdef Py_ssize_t i, j
    cdef int overflow
    if len(group) != 3 + states + numbers:
        return False
    for i in range(3 + states):
        if type(group[i]) is not list or len(<list>group[i]) != len(<list>group[0]):
            return False
        for j in range(len(<list>group[i])):
            x = (<list>group[i])[j]
            if i == 2 + states:
                if not (isinstance(x, int) and 0 <= PyLong_AsLongLongAndOverflow(x, &overflow) < MOST and overflow == 0):
                    return False
            elif not (cnp.PyArray_Check(x) or (i > 1 and x is None)):
                return False
    return True


cdef bint fit_each_other(cnp.ndarray p, cnp.ndarray g) noexcept:
    """Whether a parameter and its gradient have one shape."""
    return is_real(cnp.PyArray_TYPE(p)) and cnp.PyArray_ISWRITEABLE(p) and cnp.PyArray_SAMESHAPE(p, g)


cdef bint is_remembered_of(cnp.ndarray p, x) noexcept:
    """Whether an array has the shape and dtype of the parameter, and can be written to."""
    return (cnp.PyArray_SAMESHAPE(p, <cnp.ndarray>x) and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>x)
            and cnp.PyArray_TYPE(<cnp.ndarray>x) == cnp.PyArray_TYPE(p))


cdef cnp.ndarray as_taken(cnp.ndarray x, int kind, bint written, list copies):
    """The array, or, where csrc does not take it as it is, a copy, which goes to `copies`: with the array, if it is written."""
    cdef cnp.ndarray copy
    if is_plain_vector(x, kind, x.size, written):
        return x
    refuse_copies(x)
    copy = np_array(x, float64 if kind == cnp.NPY_FLOAT64 else float32, order="C")
    copies.append((x if written else None, copy))
    return copy


cdef move(str rule, operation_kind kind, Py_ssize_t states, Py_ssize_t needed, Py_ssize_t numbers, list groups, list counts,
          list started):
    """A step of a rule with so many states, the first of which are needed. All memory is there before the first change; from it
    to the last, Python runs no instruction."""
    cdef Py_ssize_t i, j, n, count = 0
    cdef int real, precision
    cdef bint right
    cdef optim_tensor *tensor
    cdef operation *o
    cdef optim_job *job
    cdef cnp.ndarray p
    cdef tuple group
    cdef list values, gradients, steps, copies = [], counted
    for number in counts:
        if not (isinstance(number, list) and len(number) == 1):
            raise bad_count(rule, number)
    for row in started:
        if not (isinstance(row, tuple) and len(row) == 3 and isinstance(row[0], dict)):
            raise bad_start(rule, row)
    counted = [number[0] + 1 for number in counts]
    for group in groups:
        if not is_group(group, states, numbers):
            raise bad_group(rule)
        values, gradients = group[0], group[1]
        for i in range(len(values)):
            right = fit_each_other(values[i], gradients[i])
            for j in range(states):
                x = (<list>group[2 + j])[i]
                right = right and (j >= needed if x is None else is_remembered_of(values[i], x))
            if not right:
                raise unfit_parameter(rule, [each[i] for each in group[:2 + states]])
        count += len(values)
    cdef optim_tensor *tensors = <optim_tensor *>malloc((count + 1) * sizeof(optim_tensor))
    cdef operation *steps_of = <operation *>malloc((2 * len(groups) + 1) * sizeof(operation))  # for each group: float32, float64
    try:
        if tensors is NULL or steps_of is NULL:
            raise MemoryError(f"{rule} over {count} tensors")
        tensor, o = tensors, steps_of
        for group in groups:
            values, gradients, steps = group[0], group[1], group[2 + states]
            for precision in range(2):
                real = cnp.NPY_FLOAT64 if precision else cnp.NPY_FLOAT32
                o.kind, o.precision, job = kind, precision, &o.optim
                job.count, job.tensors = 0, tensor
                for i in range(numbers):
                    job.numbers[i] = group[3 + states + i]
                for i in range(len(values)):
                    p = values[i]
                    if cnp.PyArray_TYPE(p) == real:
                        tensor.n, tensor.steps = p.size, steps[i]
                        tensor.p = as_taken(p, real, True, copies).data
                        tensor.g = as_taken(gradients[i], real, False, copies).data
                        for j in range(states):
                            x = (<list>group[2 + j])[i]
                            tensor.state[j] = NULL if x is None else as_taken(x, real, True, copies).data
                        tensor += 1
                        job.count += 1
                o += 1
        n = o - steps_of
        if is_building():
            (<Program>building).add_update(steps_of, n, tensors)
            tensors = NULL  # they are the program's now
            return
        with nogil:
            program_run(steps_of, n)
        for x, copy in copies:
            if x is not None:
                cnp.PyArray_CopyInto(x, copy)
        for i in range(len(counts)):
            (<list>counts[i])[0] = counted[i]
        for known, key, array in started:
            (<dict>known)[key] = array
    finally:
        free(tensors)
        free(steps_of)


def sgd(list groups, list counts, list started):
    move("sgd", SGD_STEP, 1, 0, 5, groups, counts, started)


def adam(list groups, list counts, list started):
    move("adam", ADAM_STEP, 2, 2, 6, groups, counts, started)


def rmsprop(list groups, list counts, list started):
    move("rmsprop", RMSPROP_STEP, 3, 1, 5, groups, counts, started)


def summarize(x, bins):
    check_summarize(x, bins)
    cdef cnp.ndarray a = contiguous(x), counts = empty((HISTOGRAMS, bins + 1), int64)  # csrc wants room for one more bin
    cdef summary found
    cdef size_t n = a.size, histogram = bins
    cdef void *numbers = a.data
    cdef int64_t *places = <int64_t *>counts.data
    cdef bint single = cnp.PyArray_ITEMSIZE(a) == 4
    with nogil:
        if single:
            found = summarize_f32(n, <float *>numbers, histogram, places)
        else:
            found = summarize_f64(n, <double *>numbers, histogram, places)
    return found.mean, found.std, found.low, found.high, counts[0, :bins]


include "program.pxi"
