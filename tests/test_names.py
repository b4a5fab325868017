"""Tests what is said of a name that a module does not have: which one was meant, or nothing where none is like it."""

import subprocess
import sys

import pytest

import minidl
from minidl import Tensor, data, flow, functional, init, nn, optim


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [
        (nn, "Linaer", "Linear"),
        (nn, "linear", "Linear"),
        (nn, "BatchNorm", "BatchNorm1d"),
        (nn, "CrossEntropy", "CrossEntropyLoss"),
        (optim, "Sgd", "SGD"),
        (minidl, "Tensro", "Tensor or tensor"),
        (minidl, "nograd", "no_grad"),
        (minidl, "set_num_thread", "set_num_threads"),
        (init, "calculate_gian", "calculate_gain"),
        (data, "Dataloader", "DataLoader"),
        (flow, "mesure", "measure"),
        (functional, "tahn", "tanh"),
        (functional, "Softmax", "softmax"),
    ],
)
def test_a_name_that_is_not_there_is_an_error_that_says_which_was_meant(module, name, meant):
    message = rf"^module '{module.__name__}' has no attribute '{name}'; did you mean {meant}\?$"
    with pytest.raises(AttributeError, match=message):
        getattr(module, name)


@pytest.mark.parametrize("module", [nn, optim, minidl, init, data, flow, functional])
@pytest.mark.parametrize("name", ["qqqqq", "__wrapped__"])
def test_a_name_like_no_other_is_a_plain_error(module, name):
    with pytest.raises(AttributeError, match=rf"^module '{module.__name__}' has no attribute '{name}'$"):
        getattr(module, name)


def test_all_names_of_all_modules_are_there():
    for module in (nn, optim, minidl, init, data, flow):
        assert all(hasattr(module, name) for name in module.__all__)


def test_importing_does_not_load_what_only_the_hint_needs():
    code = "import sys, minidl; print('difflib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "False\n"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tahn", r"; did you mean tanh\?"),
        ("softmax", r"; write functional\.softmax\(tensor\)"),
        ("qqqqq", ""),
        ("__wrapped__", ""),
    ],
)
def test_a_method_that_a_tensor_has_not_is_an_error_that_says_what_to_write(name, hint):
    with pytest.raises(AttributeError, match=rf"^'Parameter' object has no (attribute|method) '{name}'{hint}$"):
        getattr(nn.Parameter([1.0]), name)
    assert not hasattr(Tensor([1.0]), name)
