"""All or nothing: changes that an interrupt (Ctrl-C, a full disk, no memory) finds either not begun or finished.

What computes may be interrupted anywhere, so it computes into new memory; what then takes the place of the old values goes
through here. Leaves out threads: see `Tensor.backward`.
"""

from collections import deque
from collections.abc import Callable, Iterable
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
