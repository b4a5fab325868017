"""Saving and loading a training run: models, optimizers, schedules, generators and plain values, in one file.

The file is NumPy's .npz: the arrays, and an entry "structure" of JSON that says where each belongs. Nothing in it is ever run
(no pickle), it is written whole or not at all, and it is read and checked as a whole before anything is changed.
"""

import io
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from .atomic import at_once, write_whole
from .tensor import Tensor

_VERSION = 1


def save(path: Any, /, **parts: Any) -> None:
    """Write a file that `load` reads: whole, or, where that fails, what was there before.

    Parameters
    ----------
    path : path or file object open for bytes
    **parts
        By names of your choice: whatever has a state_dict (a model, an optimizer, a schedule, a Generator), arrays, tensors,
        numbers, strings, None, and lists, tuples and dicts of them.

    Raises
    ------
    TypeError
        If there is something else among them. Nothing has been written then.
    OSError
        If the file cannot be written.

    Notes
    -----
    To go on with the same bits, save all that training changes: the model, the optimizer, its schedule, and each generator that
    is drawn from, such as those of a DataLoader and of Dropout. (Where no `rng` was given that is the global one, which
    `minidl.manual_seed` returns.) Save between two epochs: how far a DataLoader is within one is not saved.

    Examples
    --------
    >>> from minidl import nn, optim
    >>> from minidl.random import Generator
    >>> model, rng = nn.Linear(3, 2), Generator(0)
    >>> optimizer = optim.Adam(model.parameters())
    >>> file = io.BytesIO()  # or a path: "run.npz"
    >>> save(file, model=model, optimizer=optimizer, rng=rng, epoch=3, losses=[2.5, 1.25])
    >>> _ = file.seek(0)
    >>> load(file, model=model, optimizer=optimizer, rng=rng)
    {'epoch': 3, 'losses': [2.5, 1.25]}
    """
    import json  # here, for it is slow to import

    arrays: list[np.ndarray] = []
    structure = {"minidl": _VERSION, "parts": {name: _encoded(name, part, arrays) for name, part in parts.items()}}
    text = np.frombuffer(json.dumps(structure).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, structure=text, **{str(i): array for i, array in enumerate(arrays)})
    write_whole(path, file.getvalue())


def load(path: Any, /, **parts: Any) -> dict[str, Any]:
    """Read a file of `save`, and give each of these parts its state back: all of them, or, if there is an error, none.

    Parameters
    ----------
    path : path or file object open for bytes
    **parts
        Under the names that they were saved by: models, optimizers, schedules, Generators, made as those that were saved.
        Something else with a method load_state_dict is given its state by that, once all others were found to fit.

    Returns
    -------
    dict
        What is in the file under other names. What had a state_dict is that state_dict.

    Raises
    ------
    ValueError
        If the file is damaged or another one, a part is not in it, or does not fit. The message names the file and the part.
    TypeError
        If a part has no load_state_dict, or a state is not what its load_state_dict takes.
    OSError
        If there is no such file.
    """
    saved = _read(path)
    calls, others = [], []
    for name, part in parts.items():
        if not hasattr(part, "load_state_dict"):
            raise TypeError(f"load: {name} must have a load_state_dict, got {type(part).__name__}; what has none is returned")
        if name not in saved:
            raise ValueError(f"{_named(path)} has no {name!r}, but {', '.join(map(repr, saved)) or 'nothing'}")
        try:
            if hasattr(part, "_loading"):
                calls += part._loading(saved[name])
            else:
                others.append((part, saved[name]))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{_named(path)}: {name}: {error}") from error
    for part, state in others:
        part.load_state_dict(state)
    at_once(operator.call, calls)
    return {name: value for name, value in saved.items() if name not in parts}


def _encoded(where: str, value: Any, arrays: list[np.ndarray]) -> Any:
    """What JSON can hold of a value; its arrays go to `arrays`. A dict in the JSON says what the value in it is."""
    if hasattr(value, "state_dict"):
        value = value.state_dict()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Tensor):
        value = value.data
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    masked = isinstance(value, np.ma.MaskedArray)
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and not masked:
        arrays.append(np.asarray(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, (list, tuple)):
        items = [_encoded(f"{where}[{i}]", item, arrays) for i, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping) and all(isinstance(key, (str, int)) for key in value):
        return {"dict": [[key, _encoded(f"{where}[{key!r}]", item, arrays)] for key, item in value.items()]}
    came = f"{'a masked' if masked else 'an'} array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(
        f"save: {where} is {came}; what has a state_dict can be saved, arrays, numbers, strings, None, and lists, tuples and "
        "dicts (by strings or integers) of them"
    )


def _decoded(node: Any, arrays: dict[str, Any]) -> Any:
    """The value that JSON holds; each array is taken out of `arrays`, so that a few bytes cannot ask for it a million times."""
    if isinstance(node, list):
        return [_decoded(item, arrays) for item in node]
    if not isinstance(node, dict):
        return node
    ((kind, value),) = node.items()
    if kind == "array":
        array = arrays.pop(str(value))
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise ValueError(f"entry {value} is not an array of numbers")
        return array
    if kind == "tuple":
        return tuple(_decoded(value, arrays))
    if kind == "dict":
        return {key: _decoded(item, arrays) for key, item in value}
    raise ValueError(f"unknown kind {kind!r}")


def _read(path: Any) -> dict[str, Any]:
    """All parts of a file, checked to be whole: the format has a checksum of every entry."""
    import json
    import zipfile

    if hasattr(path, "read"):
        content = path.read()
    else:
        with open(path, "rb") as file:
            content = file.read()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as entries:
            sizes = [entry.file_size for entry in entries.infolist()]
            if any(entry.compress_type for entry in entries.infolist()) or sum(sizes) > len(content):
                raise ValueError("its entries are larger than the file")  # a few bytes must not become many
            if damaged := entries.testzip():  # np.load reads no further than an array's header says, so not all the checksums
                raise ValueError(f"the checksum of entry {damaged} is wrong")
        with np.load(io.BytesIO(content), allow_pickle=False) as entries:
            arrays = dict(entries)
        structure = json.loads(arrays.pop("structure").tobytes())
        if structure["minidl"] != _VERSION:
            raise ValueError(f"it is of version {structure['minidl']}, and this minidl reads {_VERSION}")
        return {str(name): _decoded(part, arrays) for name, part in structure["parts"].items()}
    except Exception as error:  # of many kinds, from many layers, but the file's fault in any case: all of it is in memory
        raise ValueError(
            f"{_named(path)} is damaged, or not a file of minidl.save ({type(error).__name__}: {error}); nothing was changed"
        ) from error


def _named(path: Any) -> str:
    return f"load: {getattr(path, 'name', path)}"
