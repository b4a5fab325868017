"""One step of an optimizer for many parameters, in NumPy: SGD, Adam, RMSprop. `csrc/optim_loops.h` gives the same bits.

The rules are written down as formulas in `optim/`, which also says which numbers can be. Here a group is a tuple of lists
(values, gradients, for each array that is remembered of a parameter these arrays or None, and how many steps were made before)
and of numbers. With a step, `counts`, each a list of one number, go up by 1, and what was `started` is remembered: for each
(known, key, value), known[key] = value. An interrupt finds all done or nothing, and so does an error, if the arrays do not fit
each other.
"""

import math
from itertools import repeat
from operator import setitem

import numpy as np

from ...atomic import at_once
from ..checks import REALS, bad_count, bad_group, bad_start, fits, unfit_parameter
from .products import silently


@silently
def sgd(groups, counts, started):
    """A step of `optim.SGD`, whose numbers are lr, momentum, dampening, weight_decay and nesterov.

    A velocity is None without momentum, and has no value yet where no step was made.
    """
    check("sgd", groups, counts, started, states=1, needed=0, numbers=5)
    changes = []
    for *lists, lr, momentum, dampening, weight_decay, nesterov in groups:
        for p, g, v, steps in zip(*lists, strict=True):
            step = g = g.astype(p.dtype)
            if weight_decay:
                step = g = g + weight_decay * p
            if v is not None:
                velocity = momentum * v + (1 - dampening) * g if steps else g
                step = g + momentum * velocity if nesterov else velocity
                changes.append((v, velocity))
            changes.append((p, p - lr * step))
    change(changes, counts, started)


@silently
def adam(groups, counts, started):
    """A step of `optim.Adam` and `optim.AdamW`, whose numbers are lr, beta1, beta2, eps, weight_decay, decoupled."""
    check("adam", groups, counts, started, states=2, needed=2, numbers=6)
    changes = []
    for *lists, lr, beta1, beta2, eps, weight_decay, decoupled in groups:
        for p, g, m, v, steps in zip(*lists, strict=True):
            rate, scale = lr / (1 - power(beta1, steps + 1)), 1 / math.sqrt(1 - power(beta2, steps + 1))
            kept = 1 - lr * weight_decay if decoupled else 1.0
            g = g.astype(p.dtype)
            if weight_decay and not decoupled:
                g = g + weight_decay * p
            mean = beta1 * m + (1 - beta1) * g
            square = beta2 * v + (1 - beta2) * g * g
            changes += [(m, mean), (v, square), (p, kept * p - rate * mean / (scale * np.sqrt(square) + eps))]
    change(changes, counts, started)


@silently
def rmsprop(groups, counts, started):
    """A step of `optim.RMSprop`, whose numbers are lr, alpha, eps, weight_decay, momentum.

    What is remembered are the mean square, the velocity (None without momentum) and, if centered, the mean.
    """
    check("rmsprop", groups, counts, started, states=3, needed=1, numbers=5)
    changes = []
    for *lists, lr, alpha, eps, weight_decay, momentum in groups:
        for p, g, s, b, a, _ in zip(*lists, strict=True):
            g = g.astype(p.dtype)
            if weight_decay:
                g = g + weight_decay * p
            spread = square = alpha * s + (1 - alpha) * g * g
            if a is not None:
                mean = alpha * a + (1 - alpha) * g
                spread = square - mean * mean
                spread = np.where(spread < 0, p.dtype.type(0), spread)  # a variance, which is at least 0 but for rounding
                changes.append((a, mean))
            step = g / (np.sqrt(spread) + eps)
            if b is not None:
                step = momentum * b + step
                changes.append((b, step))
            changes += [(s, square), (p, p - lr * step)]
    change(changes, counts, started)


def power(x, n):
    """x^n by multiplications alone, so that the bits do not depend on a mathematical library, as those of x**n do."""
    power = 1.0
    while n:
        if n % 2:
            power *= x
        n, x = n // 2, x * x
    return power


def change(arrays, counts, started):
    """Give each array its new elements, count that, and remember what was started: all at once."""
    at_once(
        setitem,
        [*(array for array, _ in arrays), *counts, *(known for known, _, _ in started)],
        [*repeat(..., len(arrays)), *repeat(0, len(counts)), *(key for _, key, _ in started)],
        [*(new for _, new in arrays), *(count[0] + 1 for count in counts), *(value for _, _, value in started)],
    )


def check(rule, groups, counts, started, states, needed, numbers):
    """Refuse what does not fit. `states` arrays are remembered of each parameter; the first, `needed`, must be there."""
    for count in counts:
        if not (isinstance(count, list) and len(count) == 1):
            raise bad_count(rule, count)
    for row in started:
        if not (isinstance(row, tuple) and len(row) == 3 and isinstance(row[0], dict)):
            raise bad_start(rule, row)
    for group in groups:
        lists = group[: 3 + states]
        if not (
            len(group) == 3 + states + numbers
            and all(type(x) is list and len(x) == len(lists[0]) for x in lists)
            and all(isinstance(x, np.ndarray) for x in [*lists[0], *lists[1]])
            and all(x is None or isinstance(x, np.ndarray) for known in lists[2:-1] for x in known)
            and all(isinstance(n, int) and 0 <= n < 1 << 40 for n in lists[-1])
        ):
            raise bad_group(rule)
        for p, g, *known in zip(*lists[:-1], strict=True):
            right = p.dtype in REALS and p.flags.writeable and g.shape == p.shape
            for i, x in enumerate(known):
                right = right and (i >= needed if x is None else fits(x, p.dtype, p.shape) and x.flags.writeable)
            if not right:
                raise unfit_parameter(rule, [p, g, *known])
