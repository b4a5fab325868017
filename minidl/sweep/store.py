"""The store of a sweep: a folder with a file for each finished point, which any process may write and none ever changes.

A file's name is a hash of everything that determines the result. So whoever looks for a result knows where it must be, and two
runs at once are not in each other's way. A file is JSON that has its own checksum, and is written whole or not at all.
"""

import base64
import errno
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..atomic import write_whole
from ..names import named
from ..version import __version__
from .identity import identity

HEADER = "sweep.json"
CONTENT = {"format": 1, "minidl": __version__}  # of the header


def keys(train: Callable[..., Any], tasks: Sequence[tuple[Mapping[str, Any], int]]) -> list[str]:
    """The name of each task's record: a hash of the function, the point, the seed and the version of minidl.

    Raises
    ------
    TypeError
        If the function or a value of the grid cannot be told from others, as `identity` says.
    ValueError
        If two tasks are the same.
    """
    with named("sweep: train"):
        start = hashlib.sha256(json.dumps([CONTENT, identity(train)]).encode())
    texts: dict[int, str] = {}  # of a value of the grid, which many points share

    def text(name: str, value: Any) -> str:
        if id(value) not in texts:
            with named(f"sweep: {name!r} in the grid"):
                texts[id(value)] = identity(value)
        return f"{json.dumps(name)}: {texts[id(value)]}"

    found: dict[str, tuple[Mapping[str, Any], int]] = {}
    for point, seed in tasks:
        determined = start.copy()
        determined.update(f"{sorted(text(name, value) for name, value in point.items())} {seed}".encode())
        key = determined.hexdigest()[:32]
        if key in found:
            raise ValueError(f"sweep: the point {readable(point)} with seed {seed} is there twice")
        found[key] = point, seed
    return list(found)


class Store:
    """The records in one folder, which is made where there is none.

    Raises
    ------
    ValueError
        If the folder is something else, or its records are another minidl's. Nothing is changed then.
    OSError
        If it cannot be made or read.

    Examples
    --------
    >>> store, (key,) = Store(tempfile.mkdtemp()), keys(max, [({"depth": 10}, 0)])
    >>> store.read(key)
    >>> store.write(key, {"depth": 10}, 0, {"loss": 0.25, "losses": np.array([0.5, 0.25])})
    >>> store.read(key)
    {'loss': 0.25, 'losses': array([0.5 , 0.25])}
    """

    def __init__(self, folder: Any):
        if not os.fspath(folder):
            raise ValueError('sweep: the store must name a folder, such as "sweep", got an empty name')
        self.folder = os.path.abspath(folder)
        header = os.path.join(self.folder, HEADER)
        if os.path.exists(self.folder) and not os.path.isdir(self.folder):
            raise NotADirectoryError(errno.ENOTDIR, "sweep: the store must be a folder, and this is a file", self.folder)
        if not os.path.exists(header):
            os.makedirs(self.folder, exist_ok=True)
            if any(name != HEADER and not name.startswith(".") for name in os.listdir(self.folder)):
                raise ValueError(f"sweep: the store {folder} is a folder with other files in it; name a new one")
            write_whole(header, json.dumps(CONTENT))
        with open(header, encoding="utf-8") as file:
            text = file.read()
        if text != json.dumps(CONTENT):
            raise ValueError(
                f"sweep: the store {folder} is of {text}, and this is {json.dumps(CONTENT)}, whose results may differ; "
                "name a new folder"
            )

    def check_writable(self) -> None:
        """An OSError before hours of training, if nothing can be written here."""
        tempfile.TemporaryFile(dir=self.folder).close()

    def path(self, key: str) -> str:
        """Where a record is: in one of 256 folders, for 100,000 files in one folder are slow on many file systems."""
        return os.path.join(self.folder, key[:2], f"{key[2:]}.json")

    def read(self, key: str) -> dict[str, Any] | None:
        """The result of a finished point; None, if there is none.

        Raises
        ------
        ValueError
            If the record is damaged.
        """
        try:
            with open(self.path(key), "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return None
        return _unpacked(content, key)

    def write(self, key: str, point: Mapping[str, Any], seed: int, result: Mapping[str, Any]) -> None:
        """Add the record of a finished point. A folder that is not there, or no store, is none of this machine's: an error."""
        if not os.path.exists(os.path.join(self.folder, HEADER)):
            raise FileNotFoundError(errno.ENOENT, "there is no such store", self.folder)
        path = self.path(key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_whole(path, _packed({"point": readable(point), "seed": seed, "result": result}, key))


def readable(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point for people: numbers and strings, and other values as they are printed."""
    return {name: plain(value) for name, value in point.items()}


def plain(value: Any) -> Any:
    """A value as a file or a table can hold it: a number or a string; a function or class by its name; else what is printed.

    Examples
    --------
    >>> plain(np.float64(0.5)), plain(max), plain([1, 2])
    (0.5, 'max', '[1, 2]')
    """
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return getattr(value, "__qualname__", None) or str(value)


def _packed(record: Mapping[str, Any], key: str) -> bytes:
    """JSON whose first entry is the checksum of the name and of all that comes after it: under another name it is damaged."""
    rest = json.dumps(record, default=_text_of_array)[1:].encode() + b"\n"
    return b'{"crc32": %d, %b' % (zlib.crc32(rest, zlib.crc32(key.encode())), rest)


def _unpacked(content: bytes, key: str) -> dict[str, Any]:
    head, _, rest = content.partition(b", ")
    if head != b'{"crc32": %d' % zlib.crc32(rest, zlib.crc32(key.encode())):
        raise ValueError("its checksum is wrong")
    return {
        name: _array_of_text(value) if isinstance(value, dict) else value
        for name, value in json.loads(content)["result"].items()
    }


def _text_of_array(array: np.ndarray) -> dict[str, Any]:
    return {"array": base64.b64encode(array.tobytes()).decode(), "dtype": array.dtype.str, "shape": array.shape}


def _array_of_text(found: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(found["array"]), found["dtype"]).reshape(found["shape"]).copy()
