"""All or nothing: changes and files that an interrupt (Ctrl-C, a full disk, no memory) finds either not begun or finished.

What computes may be interrupted anywhere, so it computes into new memory; what then takes the place of the old values goes
through here.
"""

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from operator import is_not
from typing import Any


def at_once(function: Callable[..., Any], *arguments: Iterable[Any]) -> None:
    """Call a function that is written in C, such as `setattr`, for each row of arguments, with no interrupt in between.

    Python looks for signals between two of its own instructions. A `deque` that takes a `map` runs none: the whole loop is one
    call in C. One of length 0 keeps nothing, so it needs no memory either.

    Examples
    --------
    >>> import operator
    >>> numbers = [1, 2, 3]
    >>> at_once(operator.setitem, [numbers] * 2, [0, 2], [10, 30])
    >>> numbers
    [10, 2, 30]
    """
    _nowhere.extend(map(function, *arguments))


_nowhere: deque[Any] = deque(maxlen=0)


def replaced(objects: list[Any], names: list[str], old: list[Any], new: list[Any]) -> bool:
    """Set an attribute of each object, all at once, if all of them are still the old ones; otherwise set none and return False.

    `any` goes on as long as what it gets is false: that no attribute `is_not` the old one, and then what `setattr` returns,
    None. It is one call in C, so neither an interrupt nor another thread comes between the looking and the setting.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> x = SimpleNamespace(grad=None)
    >>> replaced([x], ["grad"], [None], [1.0]), replaced([x], ["grad"], [None], [2.0]), x.grad
    (True, False, 1.0)
    """
    return not any(chain(map(is_not, map(getattr, objects, names), old), map(setattr, objects, names, new)))


def alone(busy: dict[str, object], otherwise: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, or `otherwise`, where another call with this dict, empty at first, is under way.

    It is a lock that does not wait, and that no interrupt leaves taken. Python looks for signals after calls, so one could come
    between a lock's `acquire` and the `try` below it. Here `try` comes first, and what gives the dict back calls nothing.

    Examples
    --------
    >>> busy = {}
    >>> alone(busy, "later", alone, busy, "later", print), alone(busy, "later", max, 1, 2), busy
    ('later', 2, {})
    """
    mine = object()
    try:
        return function(*arguments) if busy.setdefault("by", mine) is mine else otherwise
    finally:
        if "by" in busy and busy["by"] is mine:
            del busy["by"]


def write_whole(target: Any, content: str | bytes) -> None:
    """Write a file that is whole, or, where that fails, leave what was there before.

    The content goes into a new file in the same folder, which then takes the place of the old one in a single step. A link
    stays a link, and an old file's permissions stay too.

    Parameters
    ----------
    target : path or file object
        A file object, open for text or for bytes, is only written to.
    content : str or bytes
        Text becomes UTF-8, its line ends as they are.

    Raises
    ------
    OSError
        If the file cannot be written: no such folder, no permission, no room on the disk.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> write_whole(file, "text")
    >>> file.getvalue()
    b'text'
    """
    if hasattr(target, "write"):
        _write_to(target, content)
        return
    content = content.encode() if isinstance(content, str) else content
    path = os.path.realpath(target)
    old = os.stat(target).st_mode if os.path.exists(target) else None
    if old is not None and not stat.S_ISREG(old):  # /dev/stdout, or a pipe: there is nothing to keep (of a folder, an error)
        with open(target, "wb") as file:
            file.write(content)
        return
    if not os.path.isdir(folder := os.path.dirname(path)):
        raise FileNotFoundError(errno.ENOENT, f"there is no such folder to write {os.path.basename(path)!r} into", folder)
    if old is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    partial = os.path.join(folder, f".{os.urandom(8).hex()}.part")
    try:
        with open(partial, "xb") as file:
            file.write(content)
        if old is not None:
            os.chmod(partial, stat.S_IMODE(old))
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def _write_to(file: Any, content: str | bytes) -> None:
    try:
        file.write(content)
    except TypeError:  # it takes the other kind
        try:
            other = content.encode() if isinstance(content, str) else content.decode()
        except UnicodeDecodeError:
            raise TypeError('this takes a file that is open for bytes: open(path, "wb"), or io.BytesIO()') from None
        file.write(other)
