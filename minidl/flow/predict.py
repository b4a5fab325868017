"""`predict`: what theory says of a model, without data. The theory itself is in `theory.py`."""

import math

import numpy as np

from .. import nn, theory


def predict(model: nn.Module, input_second_moment: float = 1.0) -> dict[str, theory.Prediction]:
    """What theory says of every layer of a Sequential, from its initializers and widths alone; the spread is that of one input.

    Of images it is that of one place. A convolution is predicted where it treats all places alike: with circular padding that
    keeps the size. Of others, `flow.measure(model, x)` knows the size of the images.

    Parameters
    ----------
    model : Module
        A Sequential (of Sequentials ...) or a single layer.
    input_second_moment : float
        The mean square of the inputs.

    Raises
    ------
    ValueError
        If the order of the layers cannot be known without running the model: `measure` sees it.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(500, 500, weight_init="he_normal"), nn.ReLU())
    >>> round(predict(model)["1"].std, 2)  # sqrt(1 - 1/pi), of max(z, 0) for z ~ N(0, 2)
    0.83
    """
    if not (isinstance(input_second_moment, (int, float, np.number)) and 0 <= input_second_moment < math.inf):
        raise ValueError(f"predict: input_second_moment must be a finite number of at least 0, got {input_second_moment!r}")
    names, layers = [], []
    for name, module in model.named_modules():
        if next(module.named_children(), None) is None:
            names.append(name)
            layers.append(module)
        elif not isinstance(module, nn.Sequential):
            raise ValueError(
                f"predict follows the layers of a Sequential, and {type(module).__name__} may call its own in any order; "
                "flow.measure(model, x) sees it and predicts too"
            )
    signal = theory.Signal(theory.input_width(layers), 0.0, float(input_second_moment))
    return dict(zip(names, theory.propagate(layers, range(-1, len(layers) - 1), signal), strict=True))
