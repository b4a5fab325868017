"""All or nothing: changes that an interrupt (Ctrl-C, a full disk, no memory) finds either not begun or finished.

What computes may be interrupted anywhere, so it computes into new memory; what then takes the place of the old values goes
through here.
"""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from operator import is_not
from typing import Any


def at_once(function: Callable[..., Any], *arguments: Iterable[Any]) -> None:
    """Call a function that is written in C, such as `setattr`, for each row of arguments, with no interrupt in between.

    Python looks for signals between two of its own instructions. A `deque` that takes a `map` runs none: the whole loop is one
    call in C.

    Examples
    --------
    >>> import operator
    >>> numbers = [1, 2, 3]
    >>> at_once(operator.setitem, [numbers] * 2, [0, 2], [10, 30])
    >>> numbers
    [10, 2, 30]
    """
    deque(map(function, *arguments), maxlen=0)


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
