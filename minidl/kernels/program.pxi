# Programs: many operations as one call, for captured steps (minidl/capture/). Included by _compiled.pyx.

from cpython.dict cimport PyDict_GetItem, PyDict_Next
from cpython.object cimport PyObject
from cpython.ref cimport Py_REFCNT
from libc.stdlib cimport realloc


cdef class Program:
    """The kernel calls of a step, as operations that run one after the other, without the GIL.

    `append` calls a kernel as usual, checks and all, with the arrays that its results will go to; but instead of running, the
    operation is added here. The program holds every array that it has a pointer into.
    """

    cdef operation *operations
    cdef size_t count, room
    cdef optim_tensor **tensors  # of the updates, in their order
    cdef list updates  # of each: the number of its first operation, and of its tensors
    cdef list held, results

    def __cinit__(self):
        self.updates, self.held, self.results = [], [], []

    def __dealloc__(self):
        for i in range(len(self.updates)):
            free(self.tensors[i])
        free(self.tensors)
        free(self.operations)

    def __len__(self):
        return self.count

    def append(self, kernel, tuple arguments, tuple results):
        """Add a call of a kernel, whose results are to go to these arrays."""
        global building, builder
        self.held += [arguments, results]
        self.results = list(results)
        building, builder = self, PyThread_get_thread_ident()
        try:
            kernel(*arguments)
        finally:
            building = None
        if self.results:
            raise ValueError(f"{kernel} has {len(results) - len(self.results)} results, not {len(results)}")

    cdef cnp.ndarray next_result(self, int ndim, const cnp.npy_intp *shape, int kind):
        cdef cnp.ndarray out = self.results.pop(0)
        cdef bint right = cnp.PyArray_ISCARRAY(out) and out.ndim == ndim and cnp.PyArray_TYPE(out) == kind
        for i in range(ndim):
            right = right and out.shape[i] == shape[i]
        if not right:
            raise ValueError(f"a result has other arrays than {(<object>out).dtype} of shape {(<object>out).shape}")
        return out

    cdef cnp.ndarray next_result_of(self, size, real):
        cdef cnp.ndarray expected = checked_new_array(size, real)
        return self.next_result(expected.ndim, expected.shape, cnp.PyArray_TYPE(expected))

    cdef int add(self, const operation *o) except -1:
        cdef operation *more
        if self.count == self.room:
            more = <operation *>realloc(self.operations, (2 * self.room + 16) * sizeof(operation))
            if more is NULL:
                raise MemoryError("a program")
            self.operations, self.room = more, 2 * self.room + 16
        self.operations[self.count] = o[0]
        self.count += 1
        return 0

    cdef int add_update(self, const operation *steps, Py_ssize_t n, optim_tensor *tensors) except -1:
        """Add the operations of an optimizer's step: two for each group, float32 and float64."""
        cdef optim_tensor **more = <optim_tensor **>realloc(self.tensors, (len(self.updates) + 1) * sizeof(optim_tensor *))
        if more is NULL:
            raise MemoryError("a program")
        self.tensors = more
        cdef Py_ssize_t first = self.count
        for i in range(n):
            self.add(&steps[i])
        self.tensors[len(self.updates)] = tensors
        self.updates.append(first)
        return 0

    def set_numbers(self, Py_ssize_t update, Py_ssize_t group, tuple numbers):
        """The learning rate and so on of a group of an update from now on."""
        cdef operation *o = &self.operations[<Py_ssize_t>self.updates[update] + 2 * group]
        for i in range(len(numbers)):
            o[0].optim.numbers[i] = o[1].optim.numbers[i] = numbers[i]

    def set_steps(self, Py_ssize_t update, list steps):
        """How many steps each parameter of an update has made, [n], in the order of its tensors."""
        for i in range(len(steps)):
            self.tensors[update][i].steps = steps[i][0]

    def run(self):
        """Run all operations; False where one failed, so that those after it did not run."""
        cdef size_t done
        with nogil:
            done = program_run(self.operations, self.count)
        return done == self.count
