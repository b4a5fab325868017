"""Fixtures for the kernels' tests: each instruction set of this machine in turn, and the number of threads put back after."""

import pytest

from minidl import kernels


@pytest.fixture(params=kernels._backend.instruction_sets())
def instruction_set(request):
    before = kernels._backend.instruction_set()
    assert kernels._backend.choose_instruction_set(request.param)
    yield request.param
    kernels._backend.choose_instruction_set(before)


@pytest.fixture
def restored_threads():
    before = kernels.get_num_threads()
    yield
    kernels.set_num_threads(before)
