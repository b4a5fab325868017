"""The benchmarks' own parts, without their timing: the stages' results, the count of the peak's operations, the report.

Numbers are worked out by hand; the stages' products are compared with NumPy's in float64."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import compare, matmul, native, sampling, stages
from minidl.random import Generator

ROOT = Path(__file__).parent.parent
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture(scope="module")
def library():
    return stages.library()


@needs_compiler
def test_every_stage_of_matmul_makes_the_product(library):
    calls, out = stages.products(library, 96)
    for call in calls.values():
        call()
    assert stages.wrong_products(out) == []
    a, b = (Generator(seed).uniform((96, 96), -1, 1).astype(float) for seed in (0, 1))
    bound = 96 * 2**-24 * 1.01 * (abs(a) @ abs(b))  # Higham, section 3.1
    assert (abs(out["naive"] - a @ b) <= bound).all()


@needs_compiler
def test_every_stage_of_sampling_makes_the_samples(library):
    calls, out = stages.draws(library, 4096)
    for call in calls.values():
        call()
    assert stages.wrong_draws(out) == []


@needs_compiler
def test_a_wrong_stage_is_named(library):
    calls, out = stages.products(library, 32)
    for call in calls.values():
        call()
    out["packed"][3, 4] += 0.01
    assert stages.wrong_products(out) == ["packed"]
    calls, out = stages.draws(library, 1024)
    for call in calls.values():
        call()
    out["normal_box_muller"][0] += 0.01
    out["uniform_vectors"][7] = np.nextafter(out["uniform_vectors"][7], np.float32(1))
    assert sorted(stages.wrong_draws(out)) == ["normal_box_muller", "uniform_vectors"]


@needs_compiler
def test_the_peak_counts_two_operations_for_each_multiply_add():
    one, two = native.peaks(1), native.peaks(2)
    chains_and_lanes = one["float32"].flop / (2 * 500_000)
    assert chains_and_lanes in (12 * 4, 24 * 4, 12 * 8, 24 * 16)
    assert one["float64"].flop == one["float32"].flop / 2
    assert two["float32"].flop == 2 * one["float32"].flop
    assert one["float32"].loop() == one["float32"].flop


def test_without_a_compiler_there_is_a_word_and_no_peak(monkeypatch, capsys):
    monkeypatch.setattr(native.shutil, "which", lambda name: None)
    assert native.peaks(1) == {}
    assert "no C compiler" in capsys.readouterr().out


@needs_compiler
def test_what_the_compiler_says_is_shown(tmp_path, capsys):
    (tmp_path / "broken.c").write_text("int f(void) { return nonesuch; }\n")
    assert native.compile_c([tmp_path / "broken.c"], []) is None
    said = capsys.readouterr().out
    assert "broken.c" in said
    assert "nonesuch" in said


def test_turns_alternate_and_the_median_counts():
    turns = []
    compare.alternate({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, rounds=3)
    order = [name for i, name in enumerate(turns) if i == 0 or turns[i - 1] != name]
    assert order == ["a", "b"] * 4  # once to warm and to count, and three rounds


def test_ratios_and_means():
    assert compare.ratios({"minidl": 2.0, "numpy": 3.0, "torch": 4.0, "peak": 1.0}) == {"/numpy": 1.5, "/torch": 2.0}
    assert compare.ratios({"minidl": 2.0}) == {}
    assert compare.geometric_mean([1, 2, 4]) == pytest.approx(2)
    cells = [("float32", "1x2x3", "NN", 2.0, 0.5), ("float64", "4x5x6", "NT", 0.5, 4.0)]
    names = ("dtype", "shape", "case", "/numpy", "/torch")
    lines = matmul.summary([dict(zip(names, cell, strict=True)) for cell in cells])
    assert lines[0].endswith("geometric mean 1.00")  # sqrt(2.0 0.5)
    assert lines[1].endswith("geometric mean 1.41")  # sqrt(0.5 4.0)
    assert lines[2].endswith("geometric mean 0.50, least 0.50 (float32 1x2x3 NN)")


def test_the_table_and_the_file(tmp_path, capsys):
    rows = [{"law": "uniform", "minidl": 1.234, "numpy": 5.0}, {"law": "normal", "minidl": 10.0}]
    compare.print_table(rows, {"law": "", "minidl": ".1f", "numpy": ".1f", "torch": ".1f"})
    assert capsys.readouterr().out.splitlines() == [
        "    law  minidl  numpy",
        "uniform     1.2    5.0",
        " normal    10.0       ",
    ]
    compare.save(rows, tmp_path / "rows.json")
    assert json.loads((tmp_path / "rows.json").read_text()) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]


def rows_of(benchmark):
    names = ("minidl", "numpy", "torch")
    speeds = dict(zip(names, (80.0, 70.0, 90.0), strict=True))
    if benchmark is matmul:
        shapes = [f"{m}x{n}x{k}" for m, n, k in matmul.SHAPES]
        cells = [(dtype, shape, case) for dtype in matmul.DTYPES for shape in shapes for case in matmul.CASES]
        return [{"dtype": d, "shape": s, "case": c, "threads": 1, "peak": 100.0} | speeds for d, s, c in cells]
    return [{"law": law, "samples": n, "threads": 1} | speeds for law in sampling.LAWS for n in sampling.SIZES]


@pytest.mark.parametrize("benchmark", [matmul, sampling])
def test_the_picture_is_drawn_beside_the_results(benchmark, tmp_path):
    pytest.importorskip("matplotlib")
    compare.save_picture(benchmark.draw, rows_of(benchmark), tmp_path / "result.json")
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_is_a_word_and_no_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compare.importlib.util, "find_spec", lambda name: None)
    compare.save_picture(matmul.draw, rows_of(matmul), tmp_path / "result.json")
    assert "needs matplotlib" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["matmul", "sampling", "stages"])
def test_help_names_the_options(name):
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in ("--quick", "--out"):
        assert option in done.stdout
    assert ("--threads" in done.stdout) == (name != "stages")


def test_a_wrong_number_of_threads_is_refused():
    command = [sys.executable, "-m", "benchmarks.matmul", "--threads", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "whole number from 1, got '0'" in done.stderr
