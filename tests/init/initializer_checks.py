"""What the tests of the initializers share: a shape, and the check of an initializer's moments.

A sampled standard deviation may be off by four standard errors, with the seed fixed. Its relative standard error over n draws
is sqrt((kurtosis - 1) / (4 n)): sqrt(0.5 / n) for the normal distribution (kurtosis 3), less for the others.
"""

import math

import numpy as np

SHAPE = (400, 500)  # a layer with fan_in 500 and fan_out 400


def check_moments(values, std, bound=None, mean=0.0):
    """Whether values have this mean and standard deviation to four standard errors, and reach but never leave mean -+ bound."""
    values = values.astype(np.float64).ravel() - mean
    assert abs(values.mean()) < 4 * std / math.sqrt(values.size)
    assert abs(values.std() - std) < 4 * std * math.sqrt(0.5 / values.size)
    if bound is not None:
        # The bound is worked out to seven digits, and the values are rounded to float32.
        assert 0.99 * bound < np.abs(values).max() <= bound * (1 + 2e-7)
