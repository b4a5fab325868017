"""A value, its gradient, and how it was made; `backward()` walks back along that.

A Tensor is a NumPy array that remembers: each operation in `functional/` calls `record` with its result, its inputs and
a function for its gradient. Here is only the remembering and the walk; what is computed is all in `functional/`, which the
operators and methods of a Tensor call.
"""

import functools
import inspect
import itertools
import math
import operator
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Sequence
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any

import numpy as np

from . import kernels, mistakes
from .atomic import at_once, replaced
from .names import no_attribute
from .ownership import is_unshared

_numbers = itertools.count(1)
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


class _Mode(threading.local):
    recording = True


_mode = _Mode()
backward_observers: list[Callable[[], None]] = []  # called after every backward(); see `flow`
readers: list[Callable[[], None]] = []  # called whenever a value, or a gradient, is shown to Python; see `capture`


class no_grad:
    """Do not record what is computed inside: a context manager, also a decorator.

    Examples
    --------
    >>> w = Tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     print((2 * w).requires_grad)
    False
    """

    _recording = False

    def __init__(self):
        self._before = []

    def __enter__(self):
        self._before.append(_mode.recording)
        _mode.recording = self._recording

    def __exit__(self, *exception):
        _mode.recording = self._before.pop()

    def __call__(self, function):
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{type(self).__name__} cannot decorate an async function; write `with` inside it, between awaits")
        resumable = inspect.isgeneratorfunction(function)

        @functools.wraps(function)
        def in_this_mode(*args, **kwargs):
            with type(self)():
                result = function(*args, **kwargs)
            return _Stepwise(result, type(self)) if resumable else result

        return in_this_mode


class enable_grad(no_grad):
    """Record what is computed inside, also within `no_grad()`."""

    _recording = True


class _Stepwise(Generator):
    """A generator that runs in a mode, each of its steps by itself: what uses its values in between does not."""

    def __init__(self, generator: Generator, mode: type[no_grad]):
        self._generator, self._in_mode = generator, mode

    def send(self, value):
        with self._in_mode():
            return self._generator.send(value)

    def throw(self, *error):
        with self._in_mode():
            return self._generator.throw(*error)


# How often memory was changed in place: one count (a list of one number) for all tensors that show the same memory. It is found
# by the array that owns the memory, and known here from the moment on when others can get at that array.
_counts: dict[int, tuple[weakref.ref, list[int]]] = {}


class _ForeignCount(list[int]):
    """The count of memory that is not NumPy's own (a file's, a bytes object's); it lives as long as a tensor has it."""


# By the id of what owns the memory.
_foreign_counts: weakref.WeakValueDictionary[int, _ForeignCount] = weakref.WeakValueDictionary()


def count_of(array: np.ndarray, count: list[int] | None = None) -> list[int]:
    """The count of this array's memory; at the first sight of it, `count` or a new one."""
    while (base := array.base) is not None:
        if not isinstance(base, np.ndarray):  # what stands between two arrays, or owns the memory
            base = base.obj if isinstance(base, memoryview) else getattr(base, "base", base)
        if not isinstance(base, np.ndarray):
            return _foreign_counts.setdefault(id(base), _ForeignCount([0]))
        array = base
    key = id(array)
    known = _counts.get(key)
    if known is not None:
        return known[1]
    count = [0] if count is None else count
    # Once the array is gone, this calls `_counts.pop(key, the reference)`: in C, where no interrupt gets lost.
    _counts[key] = weakref.ref(array, functools.partial(_counts.pop, key)), count
    return count


def _tell_readers() -> None:
    for reader in readers:
        reader()


def overwriting(array: np.ndarray, values: Any) -> list[Callable[[], Any]]:
    """What to call, by `at_once(operator.call, ...)`, to overwrite an array and count that: see `Tensor.changed`."""
    return [functools.partial(operator.setitem, array, ..., values), _counting(count_of(array))]


def _counting(count: list[int]) -> Callable[[], Any]:
    return functools.partial(operator.setitem, count, 0, count[0] + 1)


def _property(path: str) -> Any:
    """A property read in C, in two thirds of the time that a function in Python takes: every operation asks for several."""
    return property(attrgetter(path))


Dim = int | tuple[int, ...] | None


def numpy_names(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Lets an operation take NumPy's `axis` and `keepdims` for PyTorch's `dim` and `keepdim`, as PyTorch itself does."""

    @functools.wraps(operation)
    def renamed(*args, **kwargs):
        known = {ours: kwargs.pop(theirs) for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")) if theirs in kwargs}
        return operation(*args, **kwargs, **known)

    return renamed


class Size(int):
    """How many elements an array has; called, its shape."""

    _shape: tuple[int, ...]

    def __new__(cls, shape: tuple[int, ...]):
        size = super().__new__(cls, math.prod(shape))
        size._shape = shape
        return size

    def __getnewargs__(self):  # for copies and pickles
        return (self._shape,)

    def __call__(self, dim: int | None = None) -> Any:
        return self._shape if dim is None else self._shape[dim]


# Tensors that an operation made and whose gradient is wanted, by their ids.
_retaining: weakref.WeakValueDictionary[int, "Tensor"] = weakref.WeakValueDictionary()


class Tensor:
    """An array that can be differentiated.

    Parameters
    ----------
    data : array_like
        A float32 or float64 array, NumPy's or another library's, is shared, not copied, where that is possible; everything
        else (lists, integers) becomes float32.
    requires_grad : bool
        If True, `backward()` adds a gradient to `.grad`.

    Attributes
    ----------
    data : ndarray
        The value.
    grad : ndarray or None
        The gradient: the sum over all `backward()` calls since it was last set to None.
    requires_grad : bool

    Raises
    ------
    TypeError
        If the data, or a `.grad` that is assigned, are not real numbers, or the data are a masked array.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    array([2., 4.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_made", "_number", "_version", "requires_grad")
    __array_ufunc__ = None  # so that `array + tensor` asks the tensor, and np.exp(tensor) is an error, not a lost gradient

    def __init__(self, data: Any, requires_grad: bool = False):
        self._adopt(data)
        self._grad: np.ndarray | None = None
        self.requires_grad = requires_grad
        self._made: Any = None  # how: (backward, parents, saved), or, once that is freed, `_freed`; None for a leaf
        self._number = 0  # which came when: of the tensors that operations made, and of leaves that changed shape or dtype

    @property
    def data(self) -> np.ndarray:
        count_of(self._data, self._version)  # whoever has the array can make another tensor of it
        _tell_readers()
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if value is self._data:  # `t.data -= step` ends here, with the same array
            self.changed()
            return
        array = _as_array(value)
        if (array.shape, array.dtype) != (self.shape, self.dtype):
            if self._made:
                raise RuntimeError(
                    f"data of shape {array.shape} and {array.dtype} for a tensor of shape {self.shape} and {self.dtype} that "
                    f"{self.operation} made: gradients of the old shape and dtype flow through it, so make a new tensor"
                )
            self._number = next(_numbers)  # younger than what was made from it: backward() will notice
        self._adopt(value)

    @property
    def grad(self) -> np.ndarray | None:
        _tell_readers()
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        self._grad = None if value is None else _real_array(".grad", value)  # backward() and step() look at its shape

    shape: tuple[int, ...] = _property("_data.shape")
    dtype: np.dtype = _property("_data.dtype")
    ndim: int = _property("_data.ndim")

    @property
    def size(self) -> "Size":
        """The number of elements, as in NumPy; called, `size()` or `size(dim)`, the shape or a part of it, as in PyTorch."""
        return Size(self._data.shape)

    def _adopt(self, value: Any) -> None:
        self._data = array = _as_array(value)
        if array is value or not isinstance(value, (Tensor, int, float, list, tuple)):
            self._version: list[int] = count_of(array)
        else:
            self._version = value._version if isinstance(value, Tensor) and value._data is array else [0]

    def changed(self) -> None:
        """Note that the memory has been changed in place: a `backward()` that needs the old value will be an error."""
        self._version[0] += 1

    def abs(self) -> "Tensor":
        """`|x|`, elementwise: see `functional.abs`."""
        return F.abs(self)

    def cos(self) -> "Tensor":
        """The cosine, elementwise: see `functional.cos`."""
        return F.cos(self)

    def exp(self) -> "Tensor":
        """e^x, elementwise: see `functional.exp`."""
        return F.exp(self)

    def log(self) -> "Tensor":
        """The natural logarithm, elementwise: see `functional.log`."""
        return F.log(self)

    def relu(self) -> "Tensor":
        """max(x, 0), elementwise: see `functional.relu`."""
        return F.relu(self)

    def sigmoid(self) -> "Tensor":
        """1 / (1 + e^-x), elementwise: see `functional.sigmoid`."""
        return F.sigmoid(self)

    def sin(self) -> "Tensor":
        """The sine, elementwise: see `functional.sin`."""
        return F.sin(self)

    def sqrt(self) -> "Tensor":
        """The square root, elementwise: see `functional.sqrt`."""
        return F.sqrt(self)

    def tanh(self) -> "Tensor":
        """The hyperbolic tangent, elementwise: see `functional.tanh`."""
        return F.tanh(self)

    @numpy_names
    def sum(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """The sum over the axes `dim`, or over all: see `functional.sum`."""
        return F.sum(self, dim, keepdim)

    @numpy_names
    def mean(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """The mean over the axes `dim`, or over all: see `functional.mean`."""
        return F.mean(self, dim, keepdim)

    @numpy_names
    def max(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """The largest element; along an axis, (values, indices): see `functional.max`. Over several axes: `amax`."""
        return F.max(self, dim, keepdim)

    @numpy_names
    def min(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """The smallest element; along an axis, (values, indices): see `functional.min`. Over several axes: `amin`."""
        return F.min(self, dim, keepdim)

    @numpy_names
    def amax(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """The largest element over the axes `dim`, or of all: see `functional.amax`."""
        return F.amax(self, dim, keepdim)

    @numpy_names
    def amin(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """The smallest element over the axes `dim`, or of all: see `functional.amin`."""
        return F.amin(self, dim, keepdim)

    @numpy_names
    def var(self, dim: Dim = None, correction: int = 1, keepdim: bool = False) -> "Tensor":
        """The variance over the axes `dim`, or of all: see `functional.var`."""
        return F.var(self, dim, correction, keepdim)

    @numpy_names
    def std(self, dim: Dim = None, correction: int = 1, keepdim: bool = False) -> "Tensor":
        """The standard deviation over the axes `dim`, or of all: see `functional.std`."""
        return F.std(self, dim, correction, keepdim)

    @numpy_names
    def norm(self, p: float = 2, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """The p-norm over the axes `dim`, or of all: see `functional.norm`."""
        return F.norm(self, p, dim, keepdim)

    @numpy_names
    def logsumexp(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """ln sum e^x over the axes `dim`, or of all: see `functional.logsumexp`."""
        return F.logsumexp(self, dim, keepdim)

    @numpy_names
    def cumsum(self, dim: int) -> "Tensor":
        """The sums of all elements up to each, along an axis: see `functional.cumsum`."""
        return F.cumsum(self, dim)

    @numpy_names
    def argmax(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
        """The index of the largest element along an axis, or of all, as integers: see `functional.argmax`."""
        return F.argmax(self, dim, keepdim)

    @numpy_names
    def argmin(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
        """The index of the smallest element along an axis, or of all, as integers: see `functional.argmin`."""
        return F.argmin(self, dim, keepdim)

    def clip(self, min: float | None = None, max: float | None = None) -> "Tensor":
        """The tensor with values below `min` or above `max` replaced by these: see `functional.clip`."""
        return F.clip(self, min, max)

    def reshape(self, *shape: Any) -> "Tensor":
        """The same elements, in order, in another shape: see `functional.reshape`."""
        return F.reshape(self, *shape)

    def transpose(self, *dims: Any) -> "Tensor":
        """The tensor with its axes exchanged: see `functional.transpose`."""
        return F.transpose(self, *dims)

    def view(self, *shape: Any) -> "Tensor":
        """`reshape` under its other name."""
        return F.reshape(self, *shape)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Tensor":
        """The tensor with several axes as one: see `functional.flatten`."""
        return F.flatten(self, start_dim, end_dim)

    def squeeze(self, dim: Dim = None) -> "Tensor":
        """The tensor without axes of length 1: see `functional.squeeze`."""
        return F.squeeze(self, dim)

    def unsqueeze(self, dim: int) -> "Tensor":
        """The tensor with a new axis of length 1: see `functional.unsqueeze`."""
        return F.unsqueeze(self, dim)

    def permute(self, *dims: Any) -> "Tensor":
        """The tensor with all its axes in this order: see `functional.transpose`."""
        return F.transpose(self, dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims)

    def t(self) -> "Tensor":
        """The transposed matrix."""
        if self.ndim > 2:
            raise ValueError(f"t() is of matrices, got shape {self.shape}; write permute, or transpose with two axes")
        return F.transpose(self)

    def split(self, split_size: Any, dim: int = 0) -> "tuple[Tensor, ...]":
        """Consecutive parts along an axis: see `functional.split`."""
        return F.split(self, split_size, dim)

    def clone(self) -> "Tensor":
        """A copy, through which gradients flow: see `functional.clone`."""
        return F.clone(self)

    def dim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._data.size

    @property
    def T(self) -> "Tensor":
        """The tensor with its axes in reverse order."""
        return self.transpose()

    def __getattr__(self, name):
        owner = f"{type(self).__name__!r} object"
        if name.startswith("_"):  # Python and NumPy look whether there are such
            raise no_attribute(owner, name, ())
        if callable(getattr(F, name, None)):
            raise AttributeError(f"{owner} has no method {name!r}; write functional.{name}(tensor)")
        raise no_attribute(owner, name, [known for known in dir(type(self)) if not known.startswith("_")])

    # Arithmetic and comparison. Each is a function in functional/, where its forward stands above its backward.

    def __add__(self, other: Any) -> "Tensor":
        return F.add(self, other)

    def __radd__(self, other: Any) -> "Tensor":
        return F.add(other, self)

    def __sub__(self, other: Any) -> "Tensor":
        return F.sub(self, other)

    def __rsub__(self, other: Any) -> "Tensor":
        return F.sub(other, self)

    def __mul__(self, other: Any) -> "Tensor":
        return F.mul(self, other)

    def __rmul__(self, other: Any) -> "Tensor":
        return F.mul(other, self)

    def __truediv__(self, other: Any) -> "Tensor":
        return F.div(self, other)

    def __rtruediv__(self, other: Any) -> "Tensor":
        return F.div(other, self)

    def __pow__(self, other: Any) -> "Tensor":
        return F.pow(self, other)

    def __rpow__(self, other: Any) -> "Tensor":
        return F.pow(other, self)

    def __matmul__(self, other: Any) -> "Tensor":
        return F.matmul(self, other)

    def __rmatmul__(self, other: Any) -> "Tensor":
        return F.matmul(other, self)

    def __iadd__(self, other: Any) -> "Tensor":
        return self._in_place(other, "__iadd__")

    def __isub__(self, other: Any) -> "Tensor":
        return self._in_place(other, "__isub__")

    def __imul__(self, other: Any) -> "Tensor":
        return self._in_place(other, "__imul__")

    def __itruediv__(self, other: Any) -> "Tensor":
        return self._in_place(other, "__itruediv__")

    def __neg__(self) -> "Tensor":
        return F.neg(self)

    def __abs__(self) -> "Tensor":
        return F.abs(self)

    def __lt__(self, other: Any) -> "Tensor":
        return F.compare(operator.lt, self, other)

    def __le__(self, other: Any) -> "Tensor":
        return F.compare(operator.le, self, other)

    def __gt__(self, other: Any) -> "Tensor":
        return F.compare(operator.gt, self, other)

    def __ge__(self, other: Any) -> "Tensor":
        return F.compare(operator.ge, self, other)

    def __eq__(self, other: Any) -> Any:
        return F.compare(operator.eq, self, other)

    def __ne__(self, other: Any) -> Any:
        return F.compare(operator.ne, self, other)

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> "Tensor":
        return F.getitem(self, index)

    def __len__(self):
        return len(self._data)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        _tell_readers()
        return bool(self._data)

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        return operator.index(self.item())

    def __array__(self, dtype=None, copy=None):
        _refuse_to_lose_gradients("an array made of a tensor", (self,))
        return np.array(self.data, dtype=dtype, copy=copy)

    def __dlpack__(self, **options):
        _refuse_to_lose_gradients("an array made of a tensor", (self,))
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._data.__dlpack_device__()

    def __array_function__(self, function, types, arguments, keywords):
        """NumPy's functions, np.sum and np.stack for instance, of tensors: on their arrays, where no gradient gets lost."""
        if function.__name__ not in _WITHOUT_GRADIENT:
            _refuse_to_lose_gradients(f"np.{function.__name__}", (arguments, keywords), function.__name__)
        return function(*_arrays_in(arguments), **_arrays_in(keywords))

    def __format__(self, spec):
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self):
        _tell_readers()
        values = np.array2string(self._data, separator=", ", prefix="Tensor(")
        dtype = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        grad = f", made by {self.operation}" if self._made else ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({values}{dtype}{grad})"

    def __setitem__(self, index, value):
        if self.requires_grad and (_mode.recording or self._made):
            raise RuntimeError(
                "a tensor that gradients flow through cannot be changed in place: make a new one, or, for a parameter, "
                "assign inside `with minidl.no_grad():`"
            )
        if _mode.recording and isinstance(value, Tensor) and value.requires_grad:
            raise RuntimeError(
                "assigning a tensor that requires a gradient would lose it; put the parts together with functional.stack or "
                "concatenate, or assign value.detach()"
            )
        self._change(operator.setitem, self._data, _unwrap(index), _unwrap(value))

    def _in_place(self, value: Any, operation: str) -> "Tensor":
        """`self += value` and its like: in place for what is not recorded, a new tensor for what is."""
        if _mode.recording and (self.requires_grad or (isinstance(value, Tensor) and value.requires_grad)):
            if self.requires_grad and not self._made:
                raise RuntimeError(
                    f"{operation} on a tensor with requires_grad=True: a parameter is changed inside `with minidl.no_grad():`"
                )
            return getattr(self, operation.replace("__i", "__"))(value)
        self._change(getattr(self._data, operation), _unwrap(value))
        return self

    def _change(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Change the memory by a function of NumPy's, and count that: both, or neither."""
        _tell_readers()
        at_once(operator.call, (functools.partial(function, *arguments), _counting(self._version)))

    def __copy__(self):
        make, arguments, *_ = self.__reduce__()
        copy = make(*arguments)
        copy._grad, copy._version = self._grad, self._version  # it shares the memory, as copies of lists do
        return copy

    def __reduce__(self) -> tuple:
        if self._made:
            raise RuntimeError("only tensors that no operation made can be copied or pickled; call .detach() first")
        return _rebuild, (type(self), self._data, self.requires_grad, self._grad)

    @property
    def operation(self) -> str:
        """The name of the operation that made this tensor; empty for a leaf."""
        name = "" if self._made is None else _name(self._made)  # "tanh.<locals>.backward", or its like
        return name.removesuffix(f".<locals>.{name.split('.')[-1]}").split(".")[-1]

    def item(self) -> Any:
        """The value of a tensor of one element, as a Python number."""
        if self._data.size != 1:
            raise ValueError(f"item() needs a tensor of one element, got shape {self.shape}; use .numpy() for an array")
        _tell_readers()
        return self._data.item()

    def numpy(self) -> np.ndarray:
        """The value, as the array it is (not a copy)."""
        return self.data

    def tolist(self) -> Any:
        """The value, as nested lists of Python numbers."""
        _tell_readers()
        return self._data.tolist()

    def detach(self) -> "Tensor":
        """The same memory, cut off from how it was made."""
        result = record(self._data, (), None)
        result._version = self._version
        return result

    def backward(self, gradient=None, retain_graph: bool = False) -> None:
        """Add d(self)/d(leaf) to the `.grad` of every leaf that this tensor was made from and that requires it.

        Tensors are numbered as they are made, so parents are always older than their children: going on with the youngest that
        is waiting meets each tensor after everything that was made from it, when its own gradient dy is complete. Its
        operation then says what dy means for its inputs (the chain rule), and what reaches one tensor along several paths adds
        up. Without its checks, the walk is this::

            gradients = {self: 1}  # dL/d(tensor), as far as it is known
            waiting = {self}
            while waiting:
                node = the youngest of waiting, which leaves it
                dy = gradients.pop(node)
                for parent, dx in zip(parents of node, backward of node(dy)):
                    gradients[parent] = gradients.get(parent, 0) + dx
                    if an operation made parent:
                        waiting.add(parent)
            for leaf in gradients:
                leaf.grad += gradients[leaf]

        Parameters
        ----------
        gradient : array_like, optional
            dL/d(self) for the L that is differentiated; may be left out where self has one element (it is L, then: 1).
        retain_graph : bool
            Keep what was recorded, for another `backward()`. Otherwise it is freed.

        Raises
        ------
        RuntimeError
            If nothing here requires a gradient, the tensor has more than one element and no gradient is given, what was
            recorded has been freed, a value that is needed has been changed in place, or a `.grad` that was set has another
            shape than its tensor. No `.grad` is touched then.
        """
        gradients: dict[Tensor, Any] = {self: _first_gradient(self, gradient)}  # dL/d(tensor), as far as it is known
        made, waiting, leaves, visited, retained = self._made, [(-self._number, self)], [], [], []
        retaining = set(_retaining) if _retaining else ()
        if made is None:
            waiting, leaves = [], [self]
        while waiting:
            node = heappop(waiting)[1]  # the youngest
            backward, parents, saved = node._made
            for count, then in saved:
                if count[0] != then:
                    raise _changed_since(node)
            visited.append(node)
            if retaining and id(node) in retaining:
                retained.append((node, np.array(gradients[node])))
            # Gradients are handed on without a variable here, so that whoever gets one can tell whether anybody else has it.
            ours = backward.__module__.startswith(_OWN)
            dxs = backward(gradients.pop(node)) if ours else _guarded(node, backward, gradients.pop(node))
            if len(dxs) != len(parents):
                raise _miscounted(node, dxs, parents)
            for parent, dx in zip(parents, dxs, strict=False):
                if dx is None or not parent.requires_grad:
                    continue
                value = parent._data
                if parent._number > node._number or dx.shape != value.shape:
                    raise _misfit(node, parent, dx)
                if dx.dtype is not value.dtype and dx.dtype != value.dtype:
                    dx = _cast(node, parent, dx)
                if parent in gradients:
                    known = gradients.pop(parent)
                    dx = known.__iadd__(dx) if is_unshared(known) and known.flags.writeable else kernels.add(known, dx)
                elif parent._made is None:
                    leaves.append(parent)
                else:
                    heappush(waiting, (-parent._number, parent))
                gradients[parent] = dx
            dxs = dx = known = None
        for node, dy in retained:
            leaves.append(node)
            gradients[node] = dy
        _commit(leaves, gradients, [] if retain_graph else visited, made)
        for observer in backward_observers:
            observer()

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made this tensor, or none that was recorded."""
        return not self._made

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Set `requires_grad`, of a leaf. Returns the tensor."""
        if self._made:
            raise RuntimeError(f"requires_grad of a tensor that {self.operation} made cannot be set; use detach() first")
        if requires_grad:
            check_differentiable(self)
        self.requires_grad = bool(requires_grad)
        return self

    def retain_grad(self) -> None:
        """Let `backward()` add to the `.grad` of this tensor, too, though an operation made it."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad() of a tensor that requires no gradient, so that none will come")
        if self._made:
            _retaining[id(self)] = self

    def leaves(self) -> list["Tensor"]:
        """The tensors that no operation made and that `backward()` from here would give a gradient to."""
        seen, stack, leaves = {id(self)}, [self], []
        while stack:
            node = stack.pop()
            if node._made is None:
                leaves.append(node)
                continue
            for parent in node._made[1]:
                if parent.requires_grad and id(parent) not in seen:
                    seen.add(id(parent))
                    stack.append(parent)
        return leaves


# What backward() is made of: its first gradient, its refusals, and its end

_OWN = "minidl.functional."  # whose operations keep the rule that `record` states


def _first_gradient(tensor: Tensor, gradient: Any) -> np.ndarray:
    """dL/d(tensor), which `backward()` begins with: a new array."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "backward() on a tensor that depends on nothing with requires_grad=True; was it made under no_grad(), or "
            "after detach()?"
        )
    check_differentiable(tensor)
    value = tensor._data
    if gradient is not None:
        array = np.array(_real_array("backward()", gradient), value.dtype)
        if array.shape != tensor.shape:
            raise RuntimeError(f"backward() on a tensor of shape {tensor.shape} got a gradient of shape {array.shape}")
        return array
    if value.size != 1:
        raise RuntimeError(
            f"backward() on a tensor of shape {tensor.shape}: only one number has a gradient of its own; reduce it "
            "with .sum() or .mean(), or pass gradient= with the same shape"
        )
    return np.array(1, value.dtype, ndmin=value.ndim)


def _real_array(where: str, gradient: Any) -> np.ndarray:
    refuse_masks(gradient)
    array = np.asarray(_unwrap(gradient))
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{where}: a gradient holds real numbers, got {type(gradient).__name__} of dtype {array.dtype}")
    return array


def _name(made: tuple) -> str:
    return getattr(made[0], "__qualname__", "operation")


@functools.cache
def _freed(name: str) -> tuple:
    """Stands where (backward, parents, saved) was, once that is freed: a backward of this name that raises, and nothing."""

    def backward(dy):
        raise RuntimeError(
            "backward() a second time through the same operations: what they had saved is freed after the first; "
            "pass retain_graph=True to the first backward(), or compute the forward pass again"
        )

    backward.__qualname__ = name
    return backward, (), ()


def _guarded(node: Tensor, backward: Callable[..., Any], dy: np.ndarray) -> Sequence[np.ndarray | None]:
    """What an operation that is not minidl's makes of dy; one that changes dy in place, which others may hold, is an error."""
    writeable = dy.flags.writeable
    dy.setflags(write=False)
    try:
        dxs = backward(dy)
    except Exception as error:
        if isinstance(error, ValueError) and "read-only" in str(error):
            raise RuntimeError(
                f"backward of {node.operation} changes the gradient that it is given, which other operations may have been "
                "given too; compute a new array instead: dy = dy * 2, not dy *= 2"
            ) from error
        inputs = ", ".join(str(parent.shape) for parent in node._made[1])
        error.add_note(f"raised in backward of {node.operation}, given dy of shape {dy.shape}, for inputs of shapes {inputs}")
        raise
    finally:
        if writeable:
            dy.setflags(write=True)
    if dxs is None:
        raise TypeError(f"backward of {node.operation} returned nothing: write `return (dx,)` at its end")
    if not isinstance(dxs, (tuple, list)):
        raise TypeError(
            f"backward of {node.operation} gave a {type(dxs).__name__}; it must give a tuple with a gradient, or None, for "
            "each input: return (dx,)"
        )
    for dx in dxs:
        if not (dx is None or isinstance(dx, (np.ndarray, np.generic))):
            raise TypeError(f"backward of {node.operation} gave a gradient that is a {type(dx).__name__}, not an array")
    return dxs


def _changed_since(node: Tensor) -> RuntimeError:
    return RuntimeError(
        f"backward() through {node.operation}, which made a tensor of shape {node.shape}: a value that it "
        "needs has been changed in place since; change it after backward(), or compute the forward pass again"
    )


def _miscounted(node: Tensor, dxs: Sequence, parents: Sequence) -> RuntimeError:
    return RuntimeError(
        f"backward of {node.operation} gave {len(dxs)} gradients for {len(parents)} inputs; return one, or None, for each of "
        "the parents that record was given, in their order"
    )


def _misfit(node: Tensor, parent: Tensor, dx: np.ndarray) -> RuntimeError:
    """Why this gradient, which an operation gave for an input, cannot be the input's."""
    if parent._number > node._number:
        return RuntimeError(
            f"backward() through {node.operation}: one of its inputs has been given data of another shape or dtype since, now "
            f"shape {parent.shape} of {parent.dtype}; do that after backward(), or compute the forward pass again"
        )
    others = [other.shape for other in node._made[1] if other is not parent]
    return RuntimeError(
        f"backward of {node.operation} gave a gradient of shape {dx.shape} for an input of shape {parent.shape}; "
        f"{mistakes.of_shape(dx.shape, parent.shape, others)}"
    )


def _cast(node: Tensor, parent: Tensor, dx: np.ndarray) -> np.ndarray:
    """A gradient that an operation gave, in its input's dtype."""
    if dx.dtype.kind not in "fiub":
        raise RuntimeError(f"backward of {node.operation} gave a gradient of dtype {dx.dtype}; it must be real numbers")
    check_differentiable(parent)
    return dx.astype(parent.dtype)


def check_differentiable(tensor: Tensor) -> None:
    if tensor._data.dtype.kind != "f":
        raise RuntimeError(f"a tensor of {tensor.dtype} has no gradient, though it has requires_grad=True; make it of floats")


def _commit(leaves: list[Tensor], gradients: dict[Tensor, Any], done: list[Tensor], made: Any) -> None:
    """Add their gradients to the leaves' `.grad` and free what the operations in `done` had saved: all of it, or nothing.

    `made` is how the first in `done` was made when all this began. It is freed in the same moment in which the gradients are
    added, so that nobody, another thread for instance, adds its gradients a second time.
    """
    dys, before, after = [], [], []
    for leaf in leaves:
        dy, known = gradients.pop(leaf), leaf._grad
        if not is_unshared(dy):  # a leaf's gradient is an array of its own; several tensors may have been sent the same one
            dy = np.array(dy)
        dys.append(dy)
        before.append(known)
        after.append(dy if known is None else _sum(leaf, known, dy))
    names = ["_grad"] * len(leaves)
    if done:
        names.append("_made")
        before.append(made)
        after.append(_freed(_name(made)))
    if not replaced(leaves + done[:1], names, before, after):  # another thread was faster
        if done and done[0]._made is not made:
            done[0]._made[0](None)  # raises
        return _commit(leaves, dict(zip(leaves, dys, strict=True)), done, made)
    for node in done:
        node._made = _freed(_name(node._made))


def _sum(leaf: Tensor, known: Any, dy: np.ndarray) -> np.ndarray:
    if np.shape(known) != dy.shape:
        raise RuntimeError(f"backward() to a tensor of shape {leaf.shape} whose .grad has shape {np.shape(known)}")
    return np.asarray(known + dy)


# Those of NumPy's functions whose results have no derivative, or 0.
_WITHOUT_GRADIENT = frozenset(
    """all allclose any argmax argmin argsort argwhere array2string array_equal array_repr array_str count_nonzero empty_like
    flatnonzero full_like isclose may_share_memory ndim nonzero ones_like result_type shape shares_memory size
    zeros_like""".split()  # noqa: SIM905 - a list of words
)


class LostGradientError(RuntimeError, TypeError):
    """NumPy was asked to compute with a tensor whose gradient it does not know."""


def _refuse_to_lose_gradients(what: str, given: Any, name: str = "") -> None:
    """Raises where one of the tensors among these arguments has a gradient that NumPy would not pass on."""
    if not (_mode.recording and any(tensor.requires_grad for tensor in _tensors_in(given))):
        return
    ours = {"dot": "matmul", "inner": "matmul", "vstack": "concatenate", "hstack": "concatenate"}.get(name, name)
    instead = f"use minidl.functional.{ours}" if hasattr(F, ours) else "use the operations of minidl.functional"
    raise LostGradientError(
        f"{what} would lose the gradient of a tensor with requires_grad=True: {instead}, or, where no gradient is wanted, pass "
        "tensor.detach() or tensor.data"
    )


def _tensors_in(x: Any) -> Iterable[Tensor]:
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, (list, tuple, dict)):
        for part in x.values() if isinstance(x, dict) else x:
            yield from _tensors_in(part)


def _arrays_in(x: Any) -> Any:
    """The same lists, tuples and dicts, with arrays in place of the tensors in them."""
    if isinstance(x, dict):
        return {key: _arrays_in(value) for key, value in x.items()}
    if type(x) in (list, tuple):
        return type(x)(map(_arrays_in, x))
    return x.data if isinstance(x, Tensor) else x


def refuse_masks(data: Any) -> None:
    """Raises for a masked array, which NumPy turns into a plain one silently."""
    if isinstance(data, np.ndarray) and type(data) is not np.ndarray and isinstance(data, np.ma.MaskedArray):
        raise TypeError("the mask of a masked array would get lost; pass array.filled(value), or leave the masked rows out")


def record(
    data: Any,
    parents: Sequence[Tensor],
    backward: Callable[[np.ndarray], Sequence[np.ndarray | None]] | None,
    saved: Sequence[Tensor] = (),
    view: bool = False,
) -> Tensor:
    """The tensor that an operation made.

    Parameters
    ----------
    data : ndarray
        The result.
    parents : sequence of Tensor
        The inputs.
    backward : function, or None without parents
        From dL/d(result) to dL/d(input), one for each parent; None where a parent gets nothing. It may return the array that it
        is given, but not change it: others may have been given the same one. (One that tries is told.)
    saved : sequence of Tensor
        The inputs whose values `backward` reads. (The result itself is watched too, but for a view.)
    view : bool
        If True, the result shares the memory of its only parent.
    """
    result = Tensor.__new__(Tensor)
    result._data = data if type(data) is np.ndarray else np.asarray(data)
    result._version = version = parents[0]._version if view else [0]
    result._grad = None
    if _mode.recording:
        for parent in parents:
            if parent.requires_grad:
                result.requires_grad = True
                result._number = next(_numbers)
                watched = [] if view else [(version, 0)]
                result._made = (backward, parents, watched)
                for tensor in saved:
                    version = tensor._version
                    watched.append((version, version[0]))
                return result
    result.requires_grad = False
    result._number, result._made = 0, None
    return result


def as_tensor(x: Any, like: Tensor | None = None) -> Tensor:
    """x itself, or a Tensor of it; what has no float dtype of its own (numbers, lists, integers) takes that of `like`.

    Where `like` holds integers or booleans, integers stay what they are.
    """
    if isinstance(x, Tensor):
        return x
    if like is not None and like.dtype.kind != "f" and not isinstance(x, (list, tuple)):
        refuse_masks(x)
        if (array := np.asarray(x)).dtype.kind in "iub":
            return record(array, (), None)
    if (
        like is not None
        and like.dtype.kind == "f"
        and (x.dtype.kind in "iub" if isinstance(x, np.ndarray) else isinstance(x, (int, float, np.number, list, tuple)))
    ):
        if type(x) in (int, float):
            return Tensor(kernels.constant(x, like.dtype))
        _as_array(x)  # raises where these are not numbers
        return Tensor(np.array(_lists(x), like.dtype))
    return Tensor(x)


def _unwrap(x: Any) -> Any:
    """x, with arrays in place of tensors: what NumPy can index with or assign."""
    if isinstance(x, Tensor):
        return x._data
    return tuple(_unwrap(part) for part in x) if isinstance(x, tuple) else x


def _as_array(data: Any) -> np.ndarray:
    if type(data) is np.ndarray and (data.dtype is _FLOAT32 or data.dtype is _FLOAT64):
        return data  # the usual case, first
    if isinstance(data, Tensor):
        data = data._data
    refuse_masks(data)
    array = np.asarray(data) if not isinstance(data, (list, tuple)) else np.array(_lists(data))
    native = array.dtype.newbyteorder("=")
    _refuse_missing(data, array)
    if array.dtype.kind not in "fiub":
        missing = ", perhaps because some are missing: fill or drop those" if array.dtype == object else ""
        raise TypeError(f"a Tensor holds real numbers, got {type(data).__name__} of dtype {array.dtype}{missing}")
    if hasattr(data, "__array__") and native in (np.float32, np.float64):  # an array, whoever's
        return array.astype(native, copy=False)
    return array.astype(np.float32)


def _refuse_missing(data: Any, array: np.ndarray) -> None:
    """A TypeError where a column of pandas or polars, whose numbers may be missing, has become NaN where they are."""
    if array.dtype.kind == "f" and type(data).__module__.partition(".")[0] in ("pandas", "polars"):
        nulls = data.isna() if hasattr(data, "isna") else data.is_null() if hasattr(data, "is_null") else data.null_count()
        count = int(np.asarray(nulls).sum())
        if count and np.isnan(array).any():
            raise TypeError(f"a Tensor holds numbers; {count} of this {type(data).__name__} are missing: fill or drop those")


def _lists(data: Any) -> Any:
    """Nested lists, with arrays in place of the tensors in them."""
    if isinstance(data, Tensor) and data.requires_grad and _mode.recording:
        raise LostGradientError("a list of tensors that require gradients would lose them; use functional.stack or concatenate")
    refuse_masks(data)
    return [_lists(part) for part in data] if isinstance(data, (list, tuple)) else _unwrap(data)


def _rebuild(cls, data, requires_grad, grad):
    tensor = cls(data, requires_grad)
    tensor._data = data  # booleans and integers too
    tensor._grad = grad
    return tensor


from . import functional as F  # noqa: E402 - at the end: functional/ needs Tensor and record first
