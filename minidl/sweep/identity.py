"""What determines a result, as text: functions by their source and by what they use, all else by its contents.

`store` names its records by it. What is installed (the standard library, other packages, minidl) counts by its name alone.
"""

import contextlib
import copyreg
import dataclasses
import dis
import functools
import hashlib
import importlib
import inspect
import json
import os
import reprlib
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np


def identity(value: Any) -> str:
    """JSON that is the same for two values only if they are: then a function returns the same, given the same.

    A function or class is its source, together with the constants, functions, classes and modules that it names outside itself,
    and with what those name. Any other object is what pickle would keep of it. A list and a tuple of the same are the same.

    Raises
    ------
    TypeError
        If it cannot be told: of an open file, or of a function whose source is nowhere to be read.

    Examples
    --------
    >>> identity((1, 2.0, "tanh", {"f": np.tanh}))
    '[1, 2.0, "tanh", {"mapping": [["f", "numpy.tanh"]]}]'
    """
    try:
        return json.dumps(_plain(value, {}))
    except RecursionError:
        raise TypeError(f"{type(value).__name__} is nested too deeply, or in itself: make it inside the function") from None


def _plain(value: Any, seen: dict[int, Any]) -> Any:
    """What JSON can hold of a value. `seen` has the functions and objects met on the way, lest one be followed twice."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item, seen) for item in value]
    if isinstance(value, Mapping):
        return {"mapping": sorted(([_plain(key, seen), _plain(item, seen)] for key, item in value.items()), key=json.dumps)}
    if isinstance(value, (set, frozenset)):
        return {"set": sorted((_plain(item, seen) for item in value), key=json.dumps)}
    if isinstance(value, bytes):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    whole = isinstance(value, (np.ndarray, np.generic)) and not np.ma.isMaskedArray(value)
    if whole and value.dtype.kind not in "OV":  # 0.5 in float32 makes other products than 0.5
        return {"array": hashlib.sha256(value.tobytes()).hexdigest(), "dtype": value.dtype.str, "shape": value.shape}
    if id(value) in seen:
        return {"again": list(seen).index(id(value))}
    seen[id(value)] = value
    if inspect.ismodule(value):
        return f"module {value.__name__}" if _installed(value.__name__) else _source(value)
    if inspect.isfunction(value) or inspect.isclass(value):
        if _installed(value.__module__):
            return f"{value.__module__}.{value.__qualname__}"
        return _function(value, seen) if inspect.isfunction(value) else _class(value, seen)
    if isinstance(value, functools._lru_cache_wrapper):  # which is written in C
        return _plain(value.__wrapped__, seen)
    return _object(value, seen)


def _function(function: FunctionType, seen: dict[int, Any]) -> dict[str, Any]:
    source = _source(function.__code__)
    if function.__name__ == "<lambda>":
        source = _source_of_lambda(function.__code__, source)
    outside = {name: _plain(value, seen) for name, value in sorted(dict(_outside(function)).items())}
    defaults = _plain([function.__defaults__, function.__kwdefaults__, vars(function)], seen)
    return {"function": function.__qualname__, "source": source, "defaults": defaults, "outside": outside}


def _source_of_lambda(code: CodeType, source: str) -> str:
    """`inspect` ends a lambda's source with its first line, where that could be the end; the code knows the last one."""
    lines, start = inspect.findsource(code)
    last = max(end or 0 for _, end, _, _ in code.co_positions())
    source = "".join(lines[start : max(last, start + source.count("\n"))])
    if source.count("lambda") > 1:
        raise TypeError("two lambdas on one line cannot be told apart: give each a line of its own, or write functions")
    return source


# What `dataclasses` writes: its methods have no file, and around __repr__ is a function of its own, or of reprlib.
GENERATED = {"<string>", dataclasses.field.__code__.co_filename, reprlib.recursive_repr.__code__.co_filename}
# Where static and class methods, properties, cached properties and cached methods keep their functions.
INSIDE = ("__func__", "fget", "fset", "fdel", "func", "__wrapped__")


def _class(kind: type, seen: dict[int, Any]) -> dict[str, Any]:
    members = [m for member in vars(kind).values() for m in (member, *(getattr(member, name, None) for name in INSIDE))]
    written = [m for m in members if inspect.isfunction(m) and m.__code__.co_filename not in GENERATED]  # by hand
    data = {name: m for name, m in vars(kind).items() if not name.startswith(("__", "_abc_")) and not hasattr(m, "__get__")}
    source = None
    with contextlib.suppress(TypeError):  # of a notebook, which keeps the source of functions alone
        source = _source(kind)
    return {"class": kind.__qualname__, "parts": _plain([source, data, kind.__bases__, written], seen)}


def _object(value: Any, seen: dict[int, Any]) -> Any:
    try:
        reducer = copyreg.dispatch_table.get(type(value))
        reduced = reducer(value) if reducer else value.__reduce_ex__(4)
    except Exception as error:
        raise TypeError(f"what determines {value!r} cannot be told ({error}); make it inside the function") from error
    if isinstance(reduced, str):
        return f"{getattr(value, '__module__', type(value).__module__)}.{reduced}"
    return {"object": [_plain(list(part) if isinstance(part, Iterator) else part, seen) for part in reduced]}


def _outside(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function names outside itself: (name, value) of its closure, and of the globals that are there."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    yield from ((name, cell.cell_contents) for name, cell in cells)
    space, codes = function.__globals__, [*_codes(function.__code__)]
    names = {
        step.argval for code in codes for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    found = {name: space[name] for name in names & space.keys()}
    found |= {module.__name__: module for code in codes for module in _imported(code, space.get("__package__"))}
    attributes = {name for code in codes for name in code.co_names}
    for name, value in found.items():
        yield name, value
        yield from _attributes(name, value, attributes)


def _attributes(name: str, value: Any, attributes: set[str]) -> Iterator[tuple[str, Any]]:
    """What a function may name in a module of the user's, and in the modules in there."""
    if isinstance(value, ModuleType) and not _installed(value.__name__):
        for attribute in attributes & vars(value).keys():
            yield f"{name}.{attribute}", getattr(value, attribute)
            yield from _attributes(f"{name}.{attribute}", getattr(value, attribute), attributes - {attribute})


def _imported(code: CodeType, package: str | None) -> Iterator[ModuleType]:
    """The modules that a function imports when it is called."""
    steps = [*dis.get_instructions(code)]
    for number, step in enumerate(steps):
        if step.opname == "IMPORT_NAME":
            with contextlib.suppress(ImportError):  # then it is not used either
                yield importlib.import_module("." * steps[number - 2].argval + step.argval, package)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function, and of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _source(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError) as error:
        name = getattr(thing, "__qualname__", getattr(thing, "co_qualname", thing))
        raise TypeError(f"the source of {name} cannot be read, so its results could not be told from another's: "
                        "write it to a file") from error  # fmt: skip


def _installed(module: str) -> bool:
    """Whether a module belongs to minidl, to the standard library or to a package that pip installed."""
    top = module.partition(".")[0]
    if top in ("minidl", "builtins") or (top in sys.stdlib_module_names and top != "__main__"):
        return True
    file = os.path.abspath(getattr(sys.modules.get(module), "__file__", None) or "")
    return any(file.startswith(sysconfig.get_path(kind) + os.sep) for kind in ("purelib", "platlib"))
