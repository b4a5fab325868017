"""`capture`: a training step that is recorded, can be read as a program, and runs as one.

`recording` takes down what a step does, `listing` prints it, `replay` makes a program of it (csrc/program.h), and `step` takes
it as usual until the program is proved.
"""

from collections.abc import Callable
from typing import Any

from .step import CapturedStep

__all__ = ["capture"]


def capture(function: Callable[..., Any]) -> CapturedStep:
    """A training step that runs without Python, as long as Python does not change its mind after the third call.

    The step is a function of yours, that clears the gradients, computes a loss, calls backward() and the optimizer, and returns
    the loss. Its first two calls are ordinary ones, of which notes are taken; the third is taken both ways, and every bit of
    both compared; from then on one call into C does what the step did. Whatever that depends on is looked at before: where the
    shape of an argument, a layer, an attribute, a closure or an observer has changed, that call is an ordinary one. So results
    and errors are always those of the function itself. Where a step cannot be repeated like that, it stays ordinary for ever,
    and `why` says which line is to blame.

    `print(step)` shows what the step does: forward, backward and update, as a program.

    Parameters
    ----------
    function : callable
        Takes arrays or tensors by position, and returns its loss, or nothing.

    Returns
    -------
    CapturedStep
        To be called like the function; `run` takes it for a whole epoch.

    Notes
    -----
    Read anew at each call: the arguments; the values in parameters, buffers and arrays outside, however they were changed; the
    learning rate, momentum and other numbers of the optimizer; the positions of generators. Two things cannot be seen. What a
    step does beside computing (`losses.append(loss)`, a counter, a print) happens in ordinary calls only. And a program goes on
    as it was recorded when Python would begin to do something else on grounds of its own: another path at every eighth call, a
    number in a dict of yours, an attribute of something that the step's function does not name itself.

    Refused are a value that is read in the middle (`loss.item()`, `if loss < 1`, a print), a gradient that is changed by
    NumPy or added to that of an earlier step, a number of the optimizer that the step sets, operations that have no kernel,
    and, as yet, convolutions. Warnings of NumPy about overflows do not come, and a NaN may have the other sign. With the
    reference kernels all calls are ordinary ones.

    Examples
    --------
    >>> import numpy as np
    >>> from minidl import nn, optim
    >>> from minidl import functional as F
    >>> model = nn.Sequential(nn.Linear(64, 32, rng=0), nn.Tanh(), nn.Linear(32, 10, rng=1))
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> @capture
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = F.cross_entropy(model(x), y)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> x, y = np.ones((16, 64), np.float32), np.arange(16) % 10
    >>> losses = [step(x, y).item() for _ in range(10)]
    >>> losses[-1] < losses[0]
    True
    >>> str(step).splitlines()[1].split("   ")[1].strip()
    'h1 = x @ 0.weight.T + 0.bias'
    """
    return CapturedStep(function)
