"""Memory that other libraries own, by NumPy's protocol and by DLPack. A class that only has the methods stands for them."""

import numpy as np
import pytest

import minidl
from minidl import Tensor, nn


class Foreign:
    """An array of another library."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype, copy=copy)

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("make", [Tensor, minidl.tensor])
@pytest.mark.parametrize(("dtype", "expected"), [("f4", "f4"), ("f8", "f8"), (">f8", "f8"), ("f2", "f4")])
def test_floats_of_another_library_keep_their_precision(make, dtype, expected):
    array = np.array([1.0, 0.1], dtype)
    made = make(Foreign(array))
    assert made.dtype == expected
    assert (made.data == array).all()


def test_memory_of_another_library_is_shared():
    array = np.array([1.0, 2.0])
    for made in (Tensor(Foreign(array)), minidl.from_dlpack(Foreign(array))):
        array[0] += 1
        made.data[1] += 1
        assert (made.data == array).all()
    assert array.tolist() == [3, 4]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "?"])
def test_dlpack_there_and_back(dtype):
    array = np.array([0, 1], dtype)
    made = minidl.from_dlpack(array)
    assert made.dtype == dtype
    assert np.shares_memory(np.from_dlpack(made), array)
    assert made.__dlpack_device__() == (1, 0)  # the CPU, as the protocol numbers it


def test_dlpack_loses_no_gradient():
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"would lose the gradient.*pass tensor.detach\(\)"):
        np.from_dlpack(x)
    assert np.from_dlpack(x.detach()).tolist() == [1]


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([1.0], "with __dlpack__, got list; use minidl.tensor"),
        (np.ones(2, "f2"), "got float16"),
        (np.ones(2, "c8"), "complex64"),
    ],
)
def test_dlpack_of_something_else(x, words):
    with pytest.raises(TypeError, match=words):
        minidl.from_dlpack(x)


def test_a_column_with_missing_values_says_so():
    with pytest.raises(TypeError, match="got Foreign of dtype object, perhaps because some are missing: fill or drop those"):
        Tensor(Foreign(np.array([1.0, None])))


def test_a_state_dict_is_row_major():
    """Formats of files such as safetensors take an array's memory as it lies."""
    layer = nn.Linear(3, 2, rng=0)
    layer.weight.data = np.asfortranarray(layer.weight.data)
    state = layer.state_dict()["weight"]
    assert state.flags.c_contiguous
    assert (state == layer.weight.data).all()
    assert all(x.flags.c_contiguous for x in nn.Linear(4, 4, weight_init="orthogonal").state_dict().values())
