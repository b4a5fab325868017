# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The door to csrc/: unwraps arrays to pointers, releases the GIL, calls. The same functions as reference.py.

Arguments have been checked by `minidl.kernels` or `minidl.random` (matmul's usual ones are checked here, where it costs least);
what each function computes is documented in the reference twin.
"""
cimport numpy as cnp
from libc.stdint cimport int64_t, uint32_t, uint64_t

from numpy import empty, float32, int64

cnp.import_array()

cdef long long MOST = 1 << 40


cdef extern from "isa.h":
    ctypedef struct philox_key:
        uint32_t k0, k1
    ctypedef struct draw:
        philox_key key
        uint64_t position
        size_t n
    ctypedef struct sample_law:
        double low, high, mean, std, p_low, q_high, width
    ctypedef struct isa_table:
        const char *name
    const isa_table *isa_current() nogil
    int isa_choose(const char *name)
    const char *isa_available(int i)

cdef extern from "sampling.h" nogil:
    void sample_words(philox_key key, uint64_t low, uint64_t high, size_t n, uint32_t *out)
    void sample_uniform_f32(draw part, sample_law law, float *out)
    void sample_uniform_f64(draw part, sample_law law, double *out)
    void sample_normal_f32(draw part, sample_law law, float *out)
    void sample_normal_f64(draw part, sample_law law, double *out)
    void sample_integers(draw part, int64_t low, uint64_t range, int64_t *out)
    void sample_permutation(draw part, int64_t *out)

cdef extern from "matmul.h" nogil:
    int matmul_f32(size_t m, size_t n, size_t k, const float *a, Py_ssize_t a_row, Py_ssize_t a_column, const float *b,
                   Py_ssize_t b_row, Py_ssize_t b_column, float *c, Py_ssize_t c_row, Py_ssize_t c_column)
    int matmul_f64(size_t m, size_t n, size_t k, const double *a, Py_ssize_t a_row, Py_ssize_t a_column, const double *b,
                   Py_ssize_t b_row, Py_ssize_t b_column, double *c, Py_ssize_t c_row, Py_ssize_t c_column)

cdef extern from "summary.h" nogil:
    ctypedef struct summary:
        double mean, std, low, high
    summary summarize_f32(size_t n, const float *x, size_t bins, int64_t *counts)
    summary summarize_f64(size_t n, const double *x, size_t bins, int64_t *counts)

cdef extern from "threads.h":
    void threads_set(size_t n)
    size_t threads_get()


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


def philox(key, counter, cnp.ndarray out):
    cdef philox_key k = philox_key(key[0], key[1])
    cdef uint64_t low = counter[0] | counter[1] << 32, high = counter[2] | counter[3] << 32
    cdef size_t n = out.size
    cdef uint32_t *words = <uint32_t *>out.data
    with nogil:
        sample_words(k, low, high, n, words)


cdef cnp.ndarray new_array(size, dtype):
    """np.empty(size, dtype), in a fraction of its time where size is a plain number and dtype np.float32."""
    cdef cnp.npy_intp n
    if type(size) is int and dtype is float32 and 0 <= size < MOST:
        n = size
        return cnp.PyArray_EMPTY(1, &n, cnp.NPY_FLOAT32, 0)
    try:
        return empty(size, dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"size must be a whole number or a tuple of them, none negative, got {size!r} ({error})") from error


cdef draw part_of(tuple key, uint64_t position, cnp.ndarray out):
    return draw(philox_key(key[0], key[1]), position, out.size)


cdef cnp.ndarray sample(size, real, tuple key, uint64_t position, sample_law law, bint normal):
    cdef cnp.ndarray out = new_array(size, real)
    cdef draw part = part_of(key, position, out)
    cdef void *samples = out.data
    cdef bint single = out.itemsize == 4
    with nogil:
        if single:
            (sample_normal_f32 if normal else sample_uniform_f32)(part, law, <float *>samples)
        else:
            (sample_normal_f64 if normal else sample_uniform_f64)(part, law, <double *>samples)
    return out


def uniform(size, real, tuple key, uint64_t position, double low, double high):
    return sample(size, real, key, position, sample_law(low, high, 0, 0, 0, 0, 0), False)


def normal(size, real, tuple key, uint64_t position, double mean, double std, double p_low, double q_high, double width,
           double low, double high):
    return sample(size, real, key, position, sample_law(low, high, mean, std, p_low, q_high, width), True)


def integers(size, tuple key, uint64_t position, int64_t low, uint64_t range):
    cdef cnp.ndarray out = new_array(size, int64)
    cdef draw part = part_of(key, position, out)
    cdef int64_t *samples = <int64_t *>out.data
    with nogil:
        sample_integers(part, low, range, samples)
    return out


def permutation(n, tuple key, uint64_t position):
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
    size = x.itemsize
    return x.strides[0] % size == 0 and x.strides[1] % size == 0


def matmul(a, b, out=None):
    """a @ b, put into `out` or a new array; None, and nothing done, where the operands are not as csrc takes them."""
    if not (cnp.PyArray_Check(a) and cnp.PyArray_Check(b)):
        return None
    cdef cnp.ndarray x = a, y = b, z
    cdef int failed, kind = cnp.PyArray_TYPE(x)
    if not (is_plain(x) and is_plain(y) and x.shape[1] == y.shape[0] and cnp.PyArray_TYPE(y) == kind
            and (kind == cnp.NPY_FLOAT32 or kind == cnp.NPY_FLOAT64)):
        return None
    cdef cnp.npy_intp *shape = [x.shape[0], y.shape[1]]
    z = cnp.PyArray_EMPTY(2, shape, kind, 0) if out is None else out
    cdef Py_ssize_t m = x.shape[0], n = y.shape[1], k = x.shape[1], size = x.itemsize
    cdef Py_ssize_t x_row = x.strides[0] // size, x_column = x.strides[1] // size
    cdef Py_ssize_t y_row = y.strides[0] // size, y_column = y.strides[1] // size
    cdef Py_ssize_t z_row = z.strides[0] // size, z_column = z.strides[1] // size
    cdef void *p = x.data
    cdef void *q = y.data
    cdef void *r = z.data
    with nogil:
        if size == 4:
            failed = matmul_f32(m, n, k, <float *>p, x_row, x_column, <float *>q, y_row, y_column, <float *>r, z_row, z_column)
        else:
            failed = matmul_f64(m, n, k, <double *>p, x_row, x_column, <double *>q, y_row, y_column, <double *>r, z_row, z_column)
    if failed:
        raise MemoryError(f"matmul of {a.shape} and {b.shape}: no memory for the packing buffers")
    return z


def summarize(cnp.ndarray x, cnp.ndarray counts):
    cdef summary found
    cdef size_t n = x.size, bins = counts.shape[1] - 1
    cdef void *numbers = x.data
    cdef int64_t *places = <int64_t *>counts.data
    cdef bint single = x.itemsize == 4
    with nogil:
        if single:
            found = summarize_f32(n, <float *>numbers, bins, places)
        else:
            found = summarize_f64(n, <double *>numbers, bins, places)
    return found.mean, found.std, found.low, found.high
