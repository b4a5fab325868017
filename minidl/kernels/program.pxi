# Programs: many operations as one call, for captured steps (minidl/capture/). Included by _compiled.pyx.

from cpython.dict cimport PyDict_GetItem, PyDict_Next
from cpython.ref cimport Py_REFCNT
from libc.stdlib cimport realloc
from libc.string cimport memcpy


cdef struct gather:
    const char *rows
    char *place
    Py_ssize_t bytes  # of a row


cdef class Program:
    """Program()\n--\n\nThe kernel calls of a step, as operations that run one after the other, without the GIL.

    `append` calls a kernel as usual, checks and all, with the arrays that its results will go to; but instead of running, the
    operation is added here. The program holds every array that it has a pointer into.
    """

    cdef operation *operations
    cdef size_t count, room, allocated
    cdef optim_tensor **tensors  # of the updates, in their order
    cdef list updates  # of each: the number of its first operation, of its operations, and of its tensors
    cdef list draws  # which operations draw random numbers
    cdef list held, results

    def __cinit__(self):
        self.updates, self.draws, self.held, self.results = [], [], [], []

    def __dealloc__(self):
        for i in range(self.allocated):  # by now the garbage collector may have taken the lists
            free(self.tensors[i])
        free(self.tensors)
        free(self.operations)

    def __len__(self):
        return self.count

    def append(self, kernel, tuple arguments, tuple results):
        """Add a call of a kernel, whose results are to go to these arrays."""
        global building
        self.held += [arguments, results]
        self.results = list(results)
        building = <PyObject *>self
        try:
            kernel(*arguments)
        finally:
            building = NULL
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
        if o.kind == UNIFORM:
            self.draws.append(self.count)
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
        self.tensors[self.allocated] = tensors
        self.allocated += 1
        self.updates.append((first, n, sum([steps[i].optim.count for i in range(n)])))
        return 0

    def set_numbers(self, Py_ssize_t update, Py_ssize_t group, tuple numbers):
        """The learning rate and so on of a group of an update from now on."""
        first, n, _ = self.update(update)
        if not 0 <= 2 * group < n or len(numbers) > NUMBERS:
            raise ValueError(f"a program has no group {group}, or not so many numbers")
        cdef operation *o = &self.operations[<Py_ssize_t>first + 2 * group]
        for i in range(len(numbers)):
            o[0].optim.numbers[i] = o[1].optim.numbers[i] = numbers[i]

    def set_steps(self, Py_ssize_t update, list steps):
        """How many steps each parameter of an update has made, [n], in the order of its tensors."""
        *_, n = self.update(update)
        if len(steps) != n:
            raise ValueError(f"an update of {n} tensors has not {len(steps)} counts")
        for i in range(len(steps)):
            self.tensors[update][i].steps = steps[i][0]

    cdef tuple update(self, Py_ssize_t i):
        if not 0 <= i < len(self.updates):
            raise ValueError(f"a program of {len(self.updates)} updates has none with number {i}")
        return self.updates[i]

    def set_draw(self, Py_ssize_t i, tuple key, uint64_t position):
        """With which key, and from which word on, the i-th draw of random numbers is made."""
        if not 0 <= i < len(self.draws):
            raise ValueError(f"a program of {len(self.draws)} draws has none with number {i}")
        cdef operation *o = &self.operations[<Py_ssize_t>self.draws[i]]
        o.uniform.part.key, o.uniform.part.position = philox_key(key[0], key[1]), position

    def step(self, tuple after):
        """Run all operations and, unless one fails, do what comes `after`, see `settle`. Python runs no instruction in between.

        Returns False where one failed, so that those after it did not run.
        """
        cdef size_t done
        with nogil:
            done = program_run(self.operations, self.count)
        if done < self.count:
            return False
        settle(after, 1)
        return True

    def rehearse(self, list written, look):
        """What `look()` finds when all operations have run; then the arrays that they write to are as before. None, if one fails."""
        cdef size_t done
        before = [array.copy() for array in written]
        try:
            with nogil:
                done = program_run(self.operations, self.count)
            return look() if done == self.count else None
        finally:
            for i in range(len(written)):
                cnp.PyArray_CopyInto(<cnp.ndarray>written[i], <cnp.ndarray>before[i])

    def steps(self, cnp.ndarray order, list sources, list places, loss, cnp.ndarray losses, list words, tuple after):
        """A step for each batch of rows of the sources, which go to the places, in this order. Returns how many were made.

        `losses` has as many numbers as there are batches, and gets what the array `loss` then is, unless that is None. From
        step to step, draws of random numbers move on by so many `words`, one number for each draw.
        """
        cdef Py_ssize_t inputs = len(places), made, i, j, update, n = order.shape[0], batches = losses.shape[0]
        cdef Py_ssize_t batch = n // batches if batches else 0, size = cnp.PyArray_ITEMSIZE(losses)
        cdef gather *gathers = <gather *>malloc((inputs + 1) * sizeof(gather))
        cdef uint64_t *moves = <uint64_t *>malloc((len(words) + 1) * sizeof(uint64_t))
        cdef cnp.ndarray source, place
        if len(words) != len(self.draws) or len(sources) != inputs:
            raise ValueError("as many words as draws, and as many sources as places")
        if loss is not None and (cnp.PyArray_TYPE(losses) != cnp.PyArray_TYPE(<cnp.ndarray>loss) or (<cnp.ndarray>loss).size != 1):
            raise ValueError("the loss is not a number of the dtype of the losses")
        cdef const char *from_ = NULL if loss is None else (<cnp.ndarray>loss).data
        cdef const Py_ssize_t *rows = <const Py_ssize_t *>order.data
        cdef char *to = losses.data
        cdef optim_tensor *tensors
        try:
            if gathers is NULL or moves is NULL:
                raise MemoryError("steps of a program")
            if not (is_plain_vector(order, cnp.NPY_INTP, batch * batches, False) and cnp.PyArray_ISCARRAY(losses)):
                raise ValueError("an order must be contiguous integers, some for each batch")
            for i in range(inputs):
                source, place = sources[i], places[i]
                gathers[i] = gather(source.data, place.data, cnp.PyArray_NBYTES(place) // batch if batch else 0)
                if not (cnp.PyArray_ISCARRAY_RO(source) and cnp.PyArray_ISCARRAY(place) and place.shape[0] == batch
                        and cnp.PyArray_NBYTES(source) == source.shape[0] * gathers[i].bytes
                        and cnp.PyArray_TYPE(source) == cnp.PyArray_TYPE(place)):
                    raise ValueError("the rows of an array do not fit a batch")
                for j in range(n):
                    if not 0 <= rows[j] < source.shape[0]:
                        raise ValueError(f"there is no row {rows[j]}")
            for i in range(len(words)):
                moves[i] = words[i]
            with nogil:
                made = 0
                while made < batches and self.go_on(gathers, inputs, rows + made * batch, batch, moves if made else NULL):
                    if from_ is not NULL:
                        memcpy(to + made * size, from_, size)
                    made += 1
            settle(after, made)
            return made
        finally:
            free(gathers)
            free(moves)

    cdef bint go_on(self, const gather *gathers, Py_ssize_t inputs, const Py_ssize_t *rows, Py_ssize_t batch,
                    const uint64_t *moves) noexcept nogil:
        """Make a step; all but the first come after one, where counts and draws go on."""
        cdef Py_ssize_t i, j
        cdef operation *o
        for i in range(inputs):
            for j in range(batch):
                memcpy(gathers[i].place + j * gathers[i].bytes, gathers[i].rows + rows[j] * gathers[i].bytes, gathers[i].bytes)
        j = 0
        if moves is not NULL:
            for i in range(<Py_ssize_t>self.count):
                o = &self.operations[i]
                if o.kind == UNIFORM:
                    o.uniform.part.position += moves[j]
                    j += 1
                elif o.kind == ADAM_STEP or o.kind == RMSPROP_STEP:
                    for k in range(o.optim.count):
                        (<optim_tensor *>o.optim.tensors)[k].steps += 1
        return program_run(self.operations, self.count) == self.count


cdef int settle(tuple after, Py_ssize_t steps) except -1:
    """What comes after steps: leaves get their gradients, or None; counts go up; generators move on by so many words."""
    cdef list leaves, gradients, zeroed, counts, drawn
    cdef Py_ssize_t i
    leaves, gradients, zeroed, counts, drawn = after
    if steps == 0:
        return 0
    for i in range(len(leaves)):
        setattr(leaves[i], "_grad", gradients[i])
    for i in range(len(zeroed)):
        setattr(zeroed[i], "_grad", None)
    for i in range(len(counts)):
        (<list>counts[i])[0] = (<list>counts[i])[0] + steps
    for generator, words in drawn:
        setattr(generator, "_position", generator._position + steps * words)
    return 0


# What a program is made of, beside the kernels


def arithmetic(str name, x, y):
    """x + y and so on, of matrices with rows or columns that repeat, or of arrays of one shape."""
    cdef cnp.ndarray a = x, b = y, out
    cdef operation o
    o.kind, o.precision = ARITHMETIC, is_double(a)
    o.arithmetic.function = {"add": ADD, "subtract": SUBTRACT, "multiply": MULTIPLY, "divide": DIVIDE,
                             "inverse_root": INVERSE_ROOT}[name]
    if not (is_real(cnp.PyArray_TYPE(a)) and cnp.PyArray_TYPE(b) == cnp.PyArray_TYPE(a)
            and cnp.PyArray_ISCARRAY_RO(a) and cnp.PyArray_ISCARRAY_RO(b)):
        raise ValueError(f"{name} of {a.dtype} and {b.dtype}, or of what is not contiguous")
    cdef cnp.ndarray wide = a if a.ndim > b.ndim or (a.ndim == b.ndim and a.size >= b.size) else b
    cdef Py_ssize_t columns = wide.shape[wide.ndim - 1] if wide.ndim else 1, rows = wide.size // columns if columns else 0
    if broadcast(a, b).shape != (<object>wide).shape:
        raise ValueError(f"shapes {(<object>a).shape} and {(<object>b).shape} repeat both, which has no kernel")
    out = new_like(wide)
    o.arithmetic.rows, o.arithmetic.columns, o.arithmetic.out = rows, columns, out.data
    o.arithmetic.x, o.arithmetic.y = a.data, b.data
    steps_along(a, wide, rows, columns, &o.arithmetic.x_row, &o.arithmetic.x_column)
    steps_along(b, wide, rows, columns, &o.arithmetic.y_row, &o.arithmetic.y_column)
    perform(&o)
    return out


cdef int steps_along(cnp.ndarray x, cnp.ndarray wide, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t *row,
                     Py_ssize_t *column) except -1:
    """How far x goes on from one row to the next, and from one column to the next, of the array that it is broadcast to."""
    cdef Py_ssize_t last = x.shape[x.ndim - 1] if x.ndim else 1
    if x.size == 1:
        row[0], column[0] = 0, 0
    elif x.ndim == wide.ndim and cnp.PyArray_SAMESHAPE(x, wide):
        row[0], column[0] = columns, 1
    elif last == columns and x.size == columns:
        row[0], column[0] = 0, 1
    elif last == 1 and x.ndim == wide.ndim and x.size == rows:
        row[0], column[0] = 1, 0
    else:
        raise ValueError(f"shapes {(<object>x).shape} and {(<object>wide).shape} repeat in a way that has no kernel")
    return 0


def row_sums(x, tuple shape):
    """The sums along the last axis of a contiguous array, or of all of it, in an array of this shape."""
    cdef cnp.ndarray a = contiguous(x), out
    cdef cnp.npy_intp dims[32]
    cdef Py_ssize_t i, rows = 1
    if len(shape) > 32:
        raise ValueError("sums in more than 32 axes")
    for i in range(len(shape)):
        dims[i] = shape[i]
        rows *= dims[i]
    if rows == 0 or a.size % rows:
        raise ValueError(f"sums of shape {shape} of an array of shape {(<object>a).shape}")
    out = new(len(shape), dims, cnp.PyArray_TYPE(a))
    cdef operation o
    o.kind, o.precision = ROW_SUMS, is_double(a)
    o.row_sums = row_sums_job(rows, a.size // rows, a.data, out.data)
    perform(&o)
    return out


def copy(x):
    """A copy of a contiguous array."""
    cdef cnp.ndarray a = x, out
    if not cnp.PyArray_ISCARRAY_RO(a):
        raise ValueError("a copy of what is not contiguous")
    out = new(a.ndim, a.shape, cnp.PyArray_TYPE(a))
    cdef operation o
    o.kind, o.precision = COPY, 0
    o.copy = copy_job(cnp.PyArray_NBYTES(a), a.data, out.data)
    perform(&o)
    return out


def unchanged(list dicts, list lists, list attributes, list arrays):
    """Whether dicts still have these keys and values, lists these items, objects (or dicts) these attributes, arrays the memory of
    these views; the very same objects, in their order."""
    cdef tuple row
    for row in dicts:
        if not has_items(<dict>row[0], <tuple>row[1], <tuple>row[2]):
            return False
    for row in lists:
        if not is_list_of(<list>row[0], <tuple>row[1]):
            return False
    try:
        for row in attributes:
            found = (<dict>row[0]).get(row[1]) if type(row[0]) is dict else getattr(row[0], <str>row[1])
            if found is not row[2]:
                return False
    except (AttributeError, ValueError):  # it was deleted; of a variable of a closure that is a ValueError
        return False
    for row in arrays:
        if not shows_the_same(<cnp.ndarray>row[0], <cnp.ndarray>row[1]):
            return False
    return True


cdef bint has_items(dict known, tuple keys, tuple values):
    cdef PyObject *key
    cdef PyObject *value
    cdef Py_ssize_t place = 0, i = 0
    if len(known) != len(keys):
        return False
    while PyDict_Next(known, &place, &key, &value):
        if key != <PyObject *>keys[i] or value != <PyObject *>values[i]:
            return False
        i += 1
    return True


cdef bint is_list_of(list known, tuple items):
    cdef Py_ssize_t i
    if len(known) != len(items):
        return False
    for i in range(len(items)):
        if known[i] is not items[i]:
            return False
    return True


cdef bint shows_the_same(cnp.ndarray x, cnp.ndarray y):
    cdef int i
    if not (x.data == y.data and x.ndim == y.ndim and cnp.PyArray_TYPE(x) == cnp.PyArray_TYPE(y)
            and cnp.PyArray_ISWRITEABLE(x) == cnp.PyArray_ISWRITEABLE(y)):
        return False
    for i in range(x.ndim):
        if x.shape[i] != y.shape[i] or x.strides[i] != y.strides[i]:
            return False
    return True


cdef tuple PLAIN = (int, float, bool, str, type(None))  # what may be an argument beside arrays


def take(list arrays, list forms, list places):
    """Copy arrays to places, each (its number, array), if all have the form of these arrays, or are the same numbers or words."""
    cdef Py_ssize_t i
    cdef tuple row
    if len(arrays) != len(forms):
        return False
    for i in range(len(forms)):
        if not has_form(arrays[i], forms[i]):
            return False
    for row in places:
        cnp.PyArray_CopyInto(<cnp.ndarray>row[1], <cnp.ndarray>arrays[<Py_ssize_t>row[0]])
    return True


cdef bint has_form(x, form) except -1:
    cdef cnp.ndarray a, b
    cdef int i
    if not cnp.PyArray_Check(form):
        return type(x) is type(form) and type(x) in PLAIN and repr(x) == repr(form)
    if not cnp.PyArray_CheckExact(x):
        return False
    a, b = x, form
    if not (cnp.PyArray_TYPE(a) == cnp.PyArray_TYPE(b) and cnp.PyArray_SAMESHAPE(a, b) and cnp.PyArray_ISNOTSWAPPED(a)):
        return False
    for i in range(a.ndim):
        if a.strides[i] != b.strides[i]:
            return False
    return True


def references(list arrays):
    """How many references each of these arrays has."""
    cdef Py_ssize_t i
    return [references_to(arrays, i) for i in range(len(arrays))]


cdef Py_ssize_t references_to(list arrays, Py_ssize_t i):
    return Py_REFCNT(arrays[i])


def shared(list arrays, list leaves, list counts):
    """Whether somebody has got one of these arrays since these references to them were counted, other than as a leaf's `.grad`."""
    cdef Py_ssize_t i
    cdef Py_ssize_t known
    for i in range(len(arrays)):
        known = <Py_ssize_t>counts[i]
        if references_to(arrays, i) > known + (getattr(leaves[i], "_grad") is arrays[i]):
            return True
    return False
