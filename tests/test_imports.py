"""Tests that the modules of minidl import one another downwards only, in the order that tools/imports.py states and draws."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent
TOOL = SimpleNamespace(**runpy.run_path(str(ROOT / "tools" / "imports.py")))


def test_all_arrows_point_down_and_every_module_has_its_place():
    assert TOOL.faults(ROOT) == []


def test_the_picture_is_that_of_the_code():
    drawn = TOOL.PICTURE.read_text(encoding="utf-8")
    assert drawn == TOOL.picture(ROOT), "run `python tools/imports.py`"


def test_the_arrows_are_those_that_one_reads_in_the_source():
    found = {(arrow.importer, arrow.imported) for arrow in TOOL.arrows(ROOT)}
    assert {("nn.linear", "functional"), ("nn.linear", "nn.module"), ("init", "init.base"), ("tensor", "functional")} <= found
    assert ("flow.report", "plot") in found  # inside a function
    assert ("plot", "flow") not in found  # for type checkers only


HOUSE = {"minidl": "", "upper": "left right", "lower": ""}


def made_up(tmp_path, changed=()):
    """The faults of a small package in that order, of which some files are changed, or left out where they are None."""
    files = {"__init__": "from . import upper", "lower": "", "upper/__init__": "from .right import g"}
    files |= {"upper/left": "from ..lower import f", "upper/right": "from . import left\nfrom .. import lower"}
    for name, text in (files | dict(changed)).items():
        path = tmp_path / "minidl" / f"{name}.py"
        if text is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return TOOL.faults(tmp_path, HOUSE)


def test_a_package_in_order_has_no_faults(tmp_path):
    assert made_up(tmp_path) == []


def test_what_only_type_checkers_import_is_no_arrow(tmp_path):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .upper import left"
    assert made_up(tmp_path, {"lower": text}) == []


@pytest.mark.parametrize(
    "statement", ["from . import upper", "from .upper import g", "from .upper.left import f", "import minidl.upper.left"]
)
@pytest.mark.parametrize("where", ["{}", "def f():\n    {}", "if True:\n    {}", "try:\n    {}\nexcept ImportError:\n    pass"])
def test_an_arrow_upwards_is_a_fault_wherever_it_stands(tmp_path, statement, where):
    (fault,) = made_up(tmp_path, {"lower": where.format(statement)})
    assert fault.startswith("minidl/lower.py:")
    assert fault.endswith("which stands above it")


def test_within_a_package_arrows_point_to_the_left(tmp_path):
    (fault,) = made_up(tmp_path, {"upper/left": "from .right import g"})
    assert fault == "minidl/upper/left.py:1 imports upper.right, which stands above it"


def test_nothing_may_ask_the_whole_package(tmp_path):
    (fault,) = made_up(tmp_path, {"lower": "def f():\n    from . import __version__"})
    assert fault == "minidl/lower.py:2 imports minidl, which stands above it"


@pytest.mark.parametrize("name", ["new", "upper/new"])
def test_a_module_without_a_place_is_a_fault(tmp_path, name):
    (fault,) = made_up(tmp_path, {name: ""})
    assert fault == f"{name.replace('/', '.')} has no place in HOUSE (tools/imports.py)"


def test_a_place_without_a_module_is_a_fault(tmp_path):
    faults = made_up(tmp_path, {"upper/right": None, "upper/__init__": ""})
    assert faults == ["HOUSE has a place for upper.right, and there is no such module"]


def test_a_package_without_a_list_counts_as_one(tmp_path):
    inside = {"lower/__init__": "from . import a, b", "lower/a": "from . import b", "lower/b": "from . import a"}
    assert made_up(tmp_path / "1", {"lower": None, **inside}) == []
    (fault,) = made_up(tmp_path / "2", {"lower": None, **inside, "lower/a": "from ..upper import left"})
    assert fault == "minidl/lower/a.py:1 imports upper.left, which stands above it"
