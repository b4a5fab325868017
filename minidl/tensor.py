"""A value, its gradient, and how it was made; `backward()` walks back along that.

A Tensor is a NumPy array that remembers: each operation in `functional.py` calls `record` with its result, its inputs and
a function for its gradient. Here is only the remembering and the walk; what is computed is all in `functional.py`, which
also gives Tensor its operators.
"""

import functools
import itertools
import operator
import sys
import threading
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from operator import attrgetter
from types import CodeType
from typing import Any

import numpy as np

_numbers = itertools.count(-1, -1)  # downwards, so that the youngest comes first
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


class _Mode(threading.local):
    recording = True


_mode = _Mode()
backward_observers: list[Callable[[], None]] = []  # called after every backward(); see `flow`


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
        @functools.wraps(function)
        def without_grad(*args, **kwargs):
            with type(self)():
                return function(*args, **kwargs)

        return without_grad


class enable_grad(no_grad):
    """Record what is computed inside, also within `no_grad()`."""

    _recording = True


def _property(path: str, setter: Any = None) -> Any:
    """A property read in C, in two thirds of the time that a function in Python takes: every operation asks for several."""
    return property(attrgetter(path), setter)


class Tensor:
    """An array that can be differentiated.

    Parameters
    ----------
    data : array_like
        A float32 or float64 array is shared, not copied; everything else (lists, integers) becomes float32.
    requires_grad : bool
        Whether `backward()` should leave a gradient in `.grad`.

    Attributes
    ----------
    data : ndarray
        The value.
    grad : ndarray or None
        The gradient: the sum over all `backward()` calls since it was last set to None.
    requires_grad : bool

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    array([2., 4.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_backward", "_data", "_number", "_parents", "_saved", "_version", "grad", "requires_grad")
    __array_ufunc__ = None  # so that `array + tensor` asks the tensor, and np.exp(tensor) is an error, not a lost gradient

    # Operators and methods; functional.py puts them in their places.
    __add__: Callable[..., "Tensor"]
    __radd__: Callable[..., "Tensor"]
    __sub__: Callable[..., "Tensor"]
    __rsub__: Callable[..., "Tensor"]
    __mul__: Callable[..., "Tensor"]
    __rmul__: Callable[..., "Tensor"]
    __truediv__: Callable[..., "Tensor"]
    __rtruediv__: Callable[..., "Tensor"]
    __pow__: Callable[..., "Tensor"]
    __rpow__: Callable[..., "Tensor"]
    __matmul__: Callable[..., "Tensor"]
    __rmatmul__: Callable[..., "Tensor"]
    __neg__: Callable[[], "Tensor"]
    __abs__: Callable[[], "Tensor"]
    __getitem__: Callable[..., "Tensor"]
    __lt__: Callable[..., "Tensor"]
    __le__: Callable[..., "Tensor"]
    __gt__: Callable[..., "Tensor"]
    __ge__: Callable[..., "Tensor"]
    abs: Callable[..., "Tensor"]
    argmax: Callable[..., "Tensor"]
    clip: Callable[..., "Tensor"]
    exp: Callable[..., "Tensor"]
    log: Callable[..., "Tensor"]
    max: Callable[..., "Tensor"]
    mean: Callable[..., "Tensor"]
    relu: Callable[..., "Tensor"]
    reshape: Callable[..., "Tensor"]
    sigmoid: Callable[..., "Tensor"]
    sqrt: Callable[..., "Tensor"]
    sum: Callable[..., "Tensor"]
    tanh: Callable[..., "Tensor"]
    transpose: Callable[..., "Tensor"]
    var: Callable[..., "Tensor"]

    def __init__(self, data: Any, requires_grad: bool = False):
        self._adopt(data)
        self.grad: np.ndarray | None = None
        self.requires_grad = requires_grad
        self._backward: Any = None  # what its operation gave; None: a leaf; a CodeType: freed
        self._parents: Sequence[Tensor] = ()
        self._saved: Sequence[tuple[list[int], int]] = ()
        self._number = 0  # of the tensors that operations made, which came when

    def _set_data(self, value):
        if value is self._data:  # `t.data -= step` ends here, with the same array
            self.changed()
            return
        if self._parents:
            array = _as_array(value)
            if (array.shape, array.dtype) != (self.shape, self.dtype):
                raise RuntimeError(
                    f"data of shape {array.shape} and {array.dtype} for a tensor of shape {self.shape} and {self.dtype} that "
                    f"{self.operation} made: gradients of the old shape and dtype flow through it, so make a new tensor"
                )
        self._adopt(value)

    data: np.ndarray = _property("_data", _set_data)
    shape: tuple[int, ...] = _property("_data.shape")
    dtype: np.dtype = _property("_data.dtype")
    ndim: int = _property("_data.ndim")
    size: int = _property("_data.size")

    def _adopt(self, value: Any) -> None:
        self._data = _as_array(value)
        # How often the memory was changed in place: one count for all tensors that share it.
        shared = isinstance(value, Tensor) and value._data is self._data
        self._version: list[int] = value._version if shared else [0]

    def changed(self) -> None:
        """Note that the memory has been changed in place: a `backward()` that needs the old value will be an error."""
        self._version[0] += 1

    @property
    def T(self) -> "Tensor":
        """The tensor with its axes in reverse order."""
        return self.transpose()

    def __len__(self):
        return len(self._data)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(self._data)

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        return operator.index(self.item())

    def __array__(self, dtype=None, copy=None):
        return np.array(self._data, dtype=dtype, copy=copy)

    __hash__ = object.__hash__

    def __repr__(self):
        values = np.array2string(self._data, separator=", ", prefix="Tensor(")
        dtype = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        grad = f", made by {self.operation}" if self._backward else ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({values}{dtype}{grad})"

    def __setitem__(self, index, value):
        if self.requires_grad and (_mode.recording or self._backward):
            raise RuntimeError(
                "a tensor that gradients flow through cannot be changed in place: make a new one, or, for a parameter, "
                "assign inside `with minidl.no_grad():`"
            )
        if _mode.recording and isinstance(value, Tensor) and value.requires_grad:
            raise RuntimeError(
                "assigning a tensor that requires a gradient would lose it; put the parts together with functional.stack or "
                "concatenate, or assign value.detach()"
            )
        self._data[_unwrap(index)] = _unwrap(value)
        self.changed()

    def _in_place(self, value: Any, operation: str) -> "Tensor":
        """`self += value` and its like: in place for what is not recorded, a new tensor for what is."""
        if _mode.recording and (self.requires_grad or (isinstance(value, Tensor) and value.requires_grad)):
            if self.requires_grad and not self._backward:
                raise RuntimeError(
                    f"{operation} on a tensor with requires_grad=True: a parameter is changed inside `with minidl.no_grad():`"
                )
            return getattr(self, operation.replace("__i", "__"))(value)
        getattr(self._data, operation)(_unwrap(value))
        self.changed()
        return self

    def __copy__(self):
        make, arguments, *_ = self.__reduce__()
        twin = make(*arguments)
        twin.grad, twin._version = self.grad, self._version  # it shares the memory, as copies of lists do
        return twin

    def __reduce__(self) -> tuple:
        if self._backward:
            raise RuntimeError("only tensors that no operation made can be copied or pickled; call .detach() first")
        return _rebuild, (type(self), self._data, self.requires_grad, self.grad)

    @property
    def operation(self) -> str:
        """The name of the operation that made this tensor; empty for a leaf."""
        if self._backward is None:
            return ""
        code = self._backward if type(self._backward) is CodeType else self._backward.__code__
        name = code.co_qualname  # "tanh.<locals>.backward"
        return name.removesuffix(f".<locals>.{name.split('.')[-1]}").split(".")[-1]

    def item(self) -> Any:
        """The value of a tensor of one element, as a Python number."""
        if self.size != 1:
            raise ValueError(f"item() needs a tensor of one element, got shape {self.shape}; use .numpy() for an array")
        return self._data.item()

    def numpy(self) -> np.ndarray:
        """The value, as the array it is (not a copy)."""
        return self._data

    def detach(self) -> "Tensor":
        """The same memory, cut off from how it was made."""
        result = record(self._data, (), None)
        result._version = self._version
        return result

    def backward(self, gradient=None, retain_graph: bool = False) -> None:
        """Add d(self)/d(leaf) to the `.grad` of every leaf that this tensor was made from and that requires it.

        Tensors are numbered as they are made, so parents are always older than their children: going on with the youngest that
        is waiting meets each tensor after everything that was made from it, when its own gradient dy is complete. Its
        operation then says what dy means for its inputs (the chain rule), and what reaches one tensor on several ways adds up.

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
        if not self.requires_grad:
            raise RuntimeError(
                "backward() on a tensor that depends on nothing with requires_grad=True; was it made under no_grad(), or "
                "after detach()?"
            )
        if gradient is None:
            if self.size != 1:
                raise RuntimeError(
                    f"backward() on a tensor of shape {self.shape}: only one number has a gradient of its own; reduce it "
                    "with .sum() or .mean(), or pass gradient= with the same shape"
                )
            gradient = np.array(1, self.dtype, ndmin=self.ndim)
        else:
            gradient = np.array(_unwrap(gradient), self.dtype)
            if gradient.shape != self.shape:
                raise RuntimeError(f"backward() on a tensor of shape {self.shape} got a gradient of shape {gradient.shape}")

        gradients: dict[Tensor, Any] = {self: gradient}
        del gradient  # so that whoever gets it can see that nobody else has it; likewise below
        waiting, leaves, visited = [(self._number, self)], [], []
        if self._backward is None:
            waiting, leaves = [], [self]
        while waiting:
            node = heappop(waiting)[1]  # the youngest
            if type(node._backward) is CodeType:
                raise RuntimeError(
                    "backward() a second time through the same operations: what they had saved is freed after the first; "
                    "pass retain_graph=True to the first backward(), or compute the forward pass again"
                )
            for version, then in node._saved:
                if version[0] != then:
                    raise RuntimeError(
                        f"backward() through {node.operation}, which made a tensor of shape {node.shape}: a value that it "
                        "needs has been changed in place since; change it after backward(), or compute the forward pass again"
                    )
            visited.append(node)
            parents, dxs = node._parents, node._backward(gradients.pop(node))
            if len(dxs) != len(parents):
                raise RuntimeError(f"backward of {node.operation} gave {len(dxs)} gradients for {len(parents)} inputs")
            for parent, dx in zip(parents, dxs, strict=False):
                if dx is None or not parent.requires_grad:
                    continue
                value = parent._data
                if dx.shape != value.shape:
                    raise RuntimeError(
                        f"backward of {node.operation} gave a gradient of shape {dx.shape} for an input of shape "
                        f"{value.shape}; if the input was broadcast, sum with functional.unbroadcast"
                    )
                if dx.dtype is not value.dtype and dx.dtype != value.dtype:
                    dx = dx.astype(value.dtype)
                if parent in gradients:
                    known = gradients.pop(parent)
                    dx = known.__iadd__(dx) if _alone(known) and known.flags.writeable else known + dx
                elif parent._backward is None:
                    leaves.append(parent)
                else:
                    heappush(waiting, (parent._number, parent))
                gradients[parent] = dx
            dxs = dx = known = None
        for leaf in leaves:
            if leaf.grad is not None and np.shape(leaf.grad) != leaf.shape:
                raise RuntimeError(f"backward() to a tensor of shape {leaf.shape} whose .grad has shape {np.shape(leaf.grad)}")
        for leaf in leaves:
            dy = gradients.pop(leaf)
            known, leaf.grad = leaf.grad, None
            if known is None:  # a leaf's gradient is an array of its own; several tensors may have been sent the same one
                leaf.grad = dy if _alone(dy) else np.array(dy)
            else:
                ours = _alone(known) and known.flags.writeable and known.dtype == dy.dtype
                leaf.grad = known.__iadd__(dy) if ours else np.asarray(known + dy)
        if not retain_graph:
            for node in visited:
                node._backward, node._parents, node._saved = node._backward.__code__, (), ()  # code holds no arrays
        for observer in backward_observers:
            observer()

    def leaves(self) -> list["Tensor"]:
        """The tensors that no operation made and that `backward()` from here would give a gradient to."""
        seen, stack, leaves = {id(self)}, [self], []
        while stack:
            node = stack.pop()
            if node._backward is None:
                leaves.append(node)
            for parent in node._parents:
                if parent.requires_grad and id(parent) not in seen:
                    seen.add(id(parent))
                    stack.append(parent)
        return leaves


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
        From dL/d(result) to dL/d(input), one for each parent; None where a parent gets nothing. It must not change the array
        that it is given, and may return it.
    saved : sequence of Tensor
        The inputs whose values `backward` reads. (The result itself is watched too, but for a view.)
    view : bool
        Whether the result shares the memory of its only parent.
    """
    result = Tensor.__new__(Tensor)
    result._data = data if type(data) is np.ndarray else np.asarray(data)
    result._version = version = parents[0]._version if view else [0]
    result.grad = None
    if _mode.recording:
        for parent in parents:
            if parent.requires_grad:
                result.requires_grad = True
                result._number = next(_numbers)
                result._backward, result._parents = backward, parents
                result._saved = watched = [] if view else [(version, 0)]
                for tensor in saved:
                    version = tensor._version
                    watched.append((version, version[0]))
                return result
    result.requires_grad = False
    result._number, result._backward, result._parents, result._saved = 0, None, (), ()
    return result


def as_tensor(x: Any, like: Tensor | None = None) -> Tensor:
    """x itself, or a Tensor of it; what is no array (a number, a list) takes the dtype of `like`."""
    if isinstance(x, Tensor):
        return x
    if like is not None and like.dtype.kind == "f" and isinstance(x, (int, float, np.number, list, tuple)):
        _as_array(x)  # raises where these are no numbers
        return Tensor(np.array(_lists(x), like.dtype))
    return Tensor(x)


def _alone(array: Any) -> bool:
    """Whether the caller's variable is all that refers to this array and its memory, which may thus be changed or kept."""
    return type(array) is np.ndarray and array.base is None and sys.getrefcount(array) <= _REFERENCES


def _references() -> int:
    array = np.empty(0)
    return (lambda array: sys.getrefcount(array))(array)


_REFERENCES = _references()  # of an array that only the caller's variable refers to, as `_alone` counts them


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
    array = np.asarray(data) if not isinstance(data, (list, tuple)) else np.array(_lists(data))
    native = array.dtype.newbyteorder("=")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a Tensor holds real numbers, got {type(data).__name__} of dtype {array.dtype}")
    if isinstance(data, (np.ndarray, np.generic)) and native in (np.float32, np.float64):
        return array.astype(native, copy=False)
    return array.astype(np.float32)


def _lists(data: Any) -> Any:
    """Nested lists, with arrays in place of the tensors in them."""
    if isinstance(data, Tensor) and data.requires_grad and _mode.recording:
        raise RuntimeError("a list of tensors that require gradients would lose them; use functional.stack or concatenate")
    return [_lists(part) for part in data] if isinstance(data, (list, tuple)) else _unwrap(data)


def _rebuild(cls, data, requires_grad, grad):
    tensor = cls(data, requires_grad)
    tensor._data = data  # booleans and integers too
    tensor.grad = grad
    return tensor
