# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The door to csrc/: unwraps arrays to pointers, releases the GIL, calls. The same functions as reference.py.

Arguments have been checked by `minidl.kernels`; what each function computes is documented in the reference twin.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t


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


def philox(key, counter, uint32_t[::1] out):
    cdef philox_key k = philox_key(key[0], key[1])
    cdef uint64_t low = counter[0] | counter[1] << 32, high = counter[2] | counter[3] << 32
    with nogil:
        sample_words(k, low, high, out.shape[0], &out[0])


cdef draw part_of(key, uint64_t position, Py_ssize_t n):
    return draw(philox_key(key[0], key[1]), position, n)


cdef sample(out, key, uint64_t position, sample_law law, bint normal):
    cdef float[::1] out32
    cdef double[::1] out64
    cdef draw part = part_of(key, position, out.size)
    if out.itemsize == 4:
        out32 = out
        with nogil:
            (sample_normal_f32 if normal else sample_uniform_f32)(part, law, &out32[0])
    else:
        out64 = out
        with nogil:
            (sample_normal_f64 if normal else sample_uniform_f64)(part, law, &out64[0])


def uniform(out, key, uint64_t position, double low, double high):
    sample(out, key, position, sample_law(low, high, 0, 0, 0, 0, 0), False)


def normal(out, key, uint64_t position, double mean, double std, double p_low, double q_high, double width, double low,
           double high):
    sample(out, key, position, sample_law(low, high, mean, std, p_low, q_high, width), True)


def integers(int64_t[::1] out, key, uint64_t position, int64_t low, uint64_t range):
    cdef draw part = part_of(key, position, out.shape[0])
    with nogil:
        sample_integers(part, low, range, &out[0])


def permutation(int64_t[::1] out, key, uint64_t position):
    cdef draw part = part_of(key, position, out.shape[0])
    with nogil:
        sample_permutation(part, &out[0])


def matmul(a, b, out):
    cdef const float[:, :] a32, b32
    cdef float[:, :] c32
    cdef const double[:, :] a64, b64
    cdef double[:, :] c64
    cdef int failed
    if a.itemsize == 4:
        a32, b32, c32 = a, b, out
        with nogil:
            failed = matmul_f32(a32.shape[0], b32.shape[1], a32.shape[1],
                                &a32[0, 0], a32.strides[0] // 4, a32.strides[1] // 4,
                                &b32[0, 0], b32.strides[0] // 4, b32.strides[1] // 4,
                                &c32[0, 0], c32.strides[0] // 4, c32.strides[1] // 4)
    else:
        a64, b64, c64 = a, b, out
        with nogil:
            failed = matmul_f64(a64.shape[0], b64.shape[1], a64.shape[1],
                                &a64[0, 0], a64.strides[0] // 8, a64.strides[1] // 8,
                                &b64[0, 0], b64.strides[0] // 8, b64.strides[1] // 8,
                                &c64[0, 0], c64.strides[0] // 8, c64.strides[1] // 8)
    if failed:
        raise MemoryError(f"matmul of {a.shape} and {b.shape}: no memory for the packing buffers")
