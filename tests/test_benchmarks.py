"""The benchmarks' own parts, without their timing: the stages' results, the step by hand, counts of operations, the report.

Numbers are worked out by hand; the stages' products are compared with NumPy's in float64, the gradients of the step by hand
with central differences of a loss written down here, in float64."""

import argparse
import ast
import datetime
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import compare, conv_step, matmul, native, sampling, scaling, stages, start_to_end, steps, training_step
from minidl import nn, plot
from minidl.random import Generator

ROOT = Path(__file__).parent.parent
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture(scope="module")
def library():
    return stages.library()


@needs_compiler
@pytest.mark.parametrize("n", [96, 288])  # within one block of the depth, and more
def test_every_stage_of_matmul_makes_the_product(library, n):
    calls, out = stages.products(library, n)
    for call in calls.values():
        call()
    assert stages.wrong_products(out) == []
    a, b = (Generator(seed).uniform((n, n), -1, 1).astype(float) for seed in (0, 1))
    bound = n * 2**-24 * 1.01 * (abs(a) @ abs(b))  # Higham, section 3.1
    assert (abs(out["naive"] - a @ b) <= bound).all()


@needs_compiler
def test_every_stage_of_sampling_makes_the_samples(library):
    calls, out = stages.draws(library, 4096)
    for call in calls.values():
        call()
    assert stages.wrong_draws(out) == []


def test_every_fused_kernel_gives_what_the_array_operations_give():
    calls = stages.fused_kernels()
    assert stages.wrong_kernels(calls) == []
    numpy, minidl = calls["batch norm"]
    calls["batch norm"] = numpy, lambda: minidl() + np.float32(0.01)
    assert stages.wrong_kernels(calls) == ["batch norm"]


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


MFLOP = {"tiny": 1.4, "digits": 8.9, "mnist": 64.5, "mnist_bn": 155, "deep10x500": 1860, "deep50x128": 313, "deep20x256bn": 992}
MFLOP |= {"wide": 4059}  # to the digits that are shown


@pytest.mark.parametrize("name", steps.NETWORKS)
def test_the_matrix_products_of_a_step_are_counted(name):
    assert steps.NETWORKS[name].flop / 1e6 == pytest.approx(MFLOP[name], abs=0.05 if MFLOP[name] < 100 else 0.5)


def test_the_first_layer_has_two_products_and_the_others_three():
    # 2 (multiply and add) x 5 samples x [2 products x (3 x 4) + 3 products x (4 x 2)]
    assert steps.Network("", 5, (3, 4, 2), "relu").flop == 2 * 5 * (2 * 12 + 3 * 8)


def loss_in_float64(network, x, y, layers):
    h = x.astype(float)
    for weight, bias, *affine in layers[:-1]:
        h = h @ weight.T + bias
        if affine:
            h = (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5) * affine[0] + affine[1]
        h = np.tanh(h) if network.activation == "tanh" else np.where(h > 0, h, 0)
    e = np.exp(h @ layers[-1][0].T + layers[-1][1])
    return -np.log(e[np.arange(len(y)), y] / e.sum(1)).mean()


SMALL = [
    steps.Network("small tanh", 6, (5, 4, 3, 10), "tanh", lr=0.1),
    steps.Network("small relu", 6, (5, 4, 3, 10), "relu", lr=0.1),
    steps.Network("small batch norm", 6, (5, 4, 3, 10), "tanh", batch_norm=True, lr=0.1),
]


@pytest.mark.parametrize("network", SMALL, ids=lambda network: network.name)
def test_the_gradients_of_the_step_by_hand_are_the_differences_of_the_loss(network, monkeypatch):
    begun = steps.start(network)
    monkeypatch.setattr(steps, "start", lambda network: begun)
    before = [[p.astype(float) for p in layer] for layer in begun.layers]
    loss = steps.numpy_step(network)()  # the first step is p -= lr g
    assert loss == pytest.approx(loss_in_float64(network, begun.x, begun.y, before), rel=1e-6)
    for old, new in zip(before, begun.layers, strict=True):
        for p, moved in zip(old, new, strict=True):
            gradient = (p - moved) / network.lr
            for index in np.ndindex(p.shape):
                value, losses = p[index], []
                for shift in (1e-5, -1e-5):
                    p[index] = value + shift
                    losses.append(loss_in_float64(network, begun.x, begun.y, before))
                p[index] = value
                # The weights are of size 1 and have 24 bits: their change by lr g = g / 10 is known to 10 * 2**-24 = 6e-7.
                assert gradient[index] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-4, abs=3e-6)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("network", SMALL, ids=lambda network: network.name)
def test_the_step_by_hand_has_the_losses_of_minidl(network, optimizer, capsys):
    assert list(steps.agreeing(network._replace(optimizer=optimizer), ["minidl", "numpy"])) == ["minidl", "numpy"]
    assert capsys.readouterr().out == ""


def test_the_residual_network_is_the_one_of_the_paper_and_lenet_learns():
    weights = [p for name, p in conv_step.resnet(nn, 8).named_parameters() if p.ndim > 1 and "shortcut" not in name]
    assert len(weights) == 20
    # 272,474 (the 0.27 million of its table 6, and two projections), less the filters for two of three colours
    assert sum(p.size for p in conv_step.resnet(nn, 8).parameters()) == 272_474 - 2 * 9 * 16
    step = conv_step.calls_of("lenet 8x8")["minidl"]
    losses = [float(step()) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_who_computes_something_else_or_fails_is_left_out_with_a_word(monkeypatch, capsys):
    def broken(network):
        raise RuntimeError("no such device\nand more")

    wrong = {
        "twice the rate": lambda network: steps.numpy_step(network._replace(lr=2 * network.lr)),
        "not a number": lambda network: lambda: float("nan"),
        "broken": broken,
    }
    monkeypatch.setattr(steps, "FRAMEWORKS", steps.FRAMEWORKS | wrong)
    assert list(steps.agreeing(SMALL[0], ["minidl", *wrong, "numpy"])) == ["minidl", "numpy"]
    rate, nan, failed = capsys.readouterr().out.splitlines()
    assert rate.startswith("WRONG: twice the rate in small tanh: the loss of step 2 is ")
    assert nan.startswith("WRONG: not a number in small tanh: the loss of step 1 is nan")
    assert failed == "broken fails in small tanh and is left out: RuntimeError: no such device"


def test_a_small_learning_rate_still_shows_who_has_no_momentum(monkeypatch, capsys):
    def without_momentum(network):
        monkeypatch.setattr(steps, "MOMENTUM", 0.0)
        return steps.numpy_step(network)

    monkeypatch.setattr(steps, "FRAMEWORKS", {"minidl": steps.minidl_step, "numpy": without_momentum})
    assert list(steps.agreeing(steps.NETWORKS["tiny"], ["minidl", "numpy"])) == ["minidl"]
    assert "WRONG" in capsys.readouterr().out


def test_a_loss_may_differ_by_a_ten_thousandth():
    assert steps.first_difference([2.0, 2.00019], [2.0, 2.0]) is None
    assert steps.first_difference([2.0, 2.0, 2.00021], [2.0, 2.0, 2.0]) == 3
    assert steps.first_difference([float("inf")], [float("inf")]) == 1


def test_the_best_peer_of_each_network_and_the_means():
    rows = [
        training_step.with_ratios({"network": "a"}, {"minidl": 2.0, "numpy": 4.0, "jax": 3.0}),
        training_step.with_ratios({"network": "b"}, {"minidl": 4.0, "numpy": 2.0}),
    ]
    assert rows[0] == {"network": "a", "minidl": 2, "numpy": 4, "jax": 3, "/numpy": 2, "/jax": 1.5, "best": "jax", "/best": 1.5}
    assert (rows[1]["best"], rows[1]["/best"]) == ("numpy", 0.5)
    assert training_step.with_ratios({}, {"minidl": 2.0}) == {"minidl": 2.0}
    assert training_step.summary(rows) == [
        "minidl / numpy: geometric mean 1.00, least 0.50 (b)",  # sqrt(2 x 0.5)
        "minidl / jax: geometric mean 1.50 (of 1 networks only), least 1.50 (a)",
        "minidl / the best peer of each network: geometric mean 0.87, least 0.50 (b)",  # sqrt(1.5 x 0.5)
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_the_memory_of_a_process_holds_the_network_three_times(capsys):
    """Weights, gradients and velocities of 803,840 + 2 x 1,049,600 + 10,250 numbers of 4 bytes, and Python with NumPy.

    From a process of its own, for this one is larger than what it measures.
    """
    code = "from benchmarks.training_step import memory; print(memory(['numpy', 'nonesuch']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    said, sizes = done.stdout.splitlines()
    assert said == "nonesuch fails: no memory measured: KeyError: 'nonesuch'"
    sizes = ast.literal_eval(sizes)
    assert list(sizes) == ["numpy"]
    assert 3 * 4 * 2_913_290 + 10e6 < sizes["numpy"] < 300e6


def test_the_memory_of_a_layer_is_counted():
    """Weights, gradients and velocities of 64 x 64 + 64 numbers, and 32 x 64 outputs; a little more for Python's objects."""
    shallow, deep = (scaling.memory(network, "numpy") for network in scaling.DEEP[:3:2])
    assert 1 <= (deep - shallow) / 90 / (4 * (3 * 4160 + 2048)) < 1.1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_growth_of_the_process_is_seen(monkeypatch):
    kept = []
    monkeypatch.setitem(steps.FRAMEWORKS, "minidl", lambda network: lambda: kept.append(np.ones(100_000, np.float32)))
    assert scaling.growth(50) == pytest.approx(50 * 400_000, rel=0.2)


def test_straight_lines_are_told_from_others():
    rows = [{"layers": 10, "minidl": 20.0, "MB minidl": 1.0}, {"layers": 1000, "minidl": 3000.0, "MB minidl": 100.0}]
    assert scaling.summary(rows, 2_500_000, 10_000) == [
        "time per layer, 1,000 layers against 10: 1.50 times",
        "memory per layer, 1,000 layers against 10: 1.00 times",
        "10,000 more steps of the tiny network add 2.50 MB",
    ]
    assert len(scaling.summary(rows, None, 10_000)) == 2


def test_the_import_has_a_target():
    lines = start_to_end.summary({"numpy": 0.1, "minidl": 0.125}, {"minidl": 0.5, "torch": 2.0})
    assert lines == [
        "import minidl: NumPy's own import and 25.0 ms (at most 30 ms: met)",
        "zero_vs_xavier: 4.0 times as fast as in PyTorch, start to end",
    ]
    (line,) = start_to_end.summary({"numpy": 0.1, "minidl": 0.135}, {"minidl": 0.5})
    assert line.endswith("35.0 ms (at most 30 ms: MISSED)")


def test_the_example_runs_from_start_to_end_without_a_picture(tmp_path):
    said = start_to_end.run("-c", start_to_end.WITHOUT_PICTURE, folder=tmp_path)
    assert "xavier_uniform: loss" in said
    assert "No picture" in said
    assert list(tmp_path.iterdir()) == []


def test_a_table_has_the_columns_that_some_row_has():
    rows = [{"numbers": "uniform", "minidl": 1.234, "numpy": 5.0}, {"numbers": "normal", "minidl": 10.0}]
    assert compare.table(rows, {"numbers": "", "minidl": ".1f", "numpy": ".1f", "torch": ".1f"}).splitlines() == [
        "| numbers | minidl | numpy |",
        "|--------:|-------:|------:|",
        "| uniform |    1.2 |   5.0 |",
        "|  normal |   10.0 |       |",
    ]


def arguments(tmp_path, quick=False):
    return argparse.Namespace(name="steps", quick=quick, threads=2, out=tmp_path / "steps.md")


def test_results_are_printed_and_appended_under_their_date(tmp_path, capsys):
    compare.report(arguments(tmp_path), "one")
    compare.report(arguments(tmp_path), "another", "and more")
    first, one, another = re.split("^## ", (tmp_path / "steps.md").read_text(), flags=re.MULTILINE)
    assert first == "# Results of `python -m benchmarks.steps`\n\n"
    assert one.startswith(f"{datetime.date.today()}, threads: 2\n\n{compare.measured_with()}\n\none\n")
    assert another.endswith("\n\nanother\n\nand more\n")
    said = capsys.readouterr().out
    assert "another\n\nand more" in said
    assert said.endswith(f"Appended to {tmp_path / 'steps.md'}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["steps.md"]


def test_a_quick_run_is_printed_and_not_written(tmp_path, capsys):
    compare.report(arguments(tmp_path, quick=True), "one", picture=lambda: plot.new_figure(1, 1))
    assert capsys.readouterr().out.endswith("\n\none\n")
    assert list(tmp_path.iterdir()) == []


def test_results_say_what_they_were_measured_with():
    said = compare.measured_with()
    assert f"numpy {np.__version__}" in said
    assert "kernels " in said
    assert "\n" not in said


def rows_of(benchmark):
    names = ("minidl", "numpy", "torch")
    speeds = dict(zip(names, (80.0, 70.0, 90.0), strict=True))
    if benchmark is training_step:
        return [{"network": name, "threads": 1, "MFLOP": 2.0, "peak": 100.0} | speeds for name in steps.NETWORKS]
    if benchmark is scaling:
        sizes = [("10 layers", 10, 64), ("30 layers", 30, 64), ("32 wide", 4, 32), ("64 wide", 4, 64)]
        memory = {"MB minidl": 3.0, "MB numpy": 2.0}
        return [{"network": name, "layers": n, "width": m, "threads": 1} | speeds | memory for name, n, m in sizes]
    if benchmark is matmul:
        shapes = [f"{m}x{n}x{k}" for m, n, k in matmul.SHAPES]
        cells = [(dtype, shape, case) for dtype in matmul.DTYPES for shape in shapes for case in matmul.CASES]
        return [{"dtype": d, "shape": s, "case": c, "threads": 1, "peak": 100.0} | speeds for d, s, c in cells]
    return [{"numbers": name, "samples": n, "threads": 1} | speeds for name in sampling.DISTRIBUTIONS for n in sampling.SIZES]


@pytest.mark.parametrize("benchmark", [matmul, sampling, training_step, scaling])
def test_the_picture_is_drawn_beside_the_results(benchmark, tmp_path):
    pytest.importorskip("matplotlib")
    compare.report(arguments(tmp_path), picture=lambda: benchmark.draw(rows_of(benchmark)))
    assert (tmp_path / "steps.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_is_a_word_and_no_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    compare.report(arguments(tmp_path), picture=lambda: matmul.draw(rows_of(matmul)))
    assert "pictures need matplotlib" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["steps.md"]


@pytest.mark.parametrize(
    "name",
    [
        "matmul",
        "sampling",
        "stages",
        "construction",
        "training_step",
        "adam_step",
        "conv_step",
        "scaling",
        "start_to_end",
        "sweeps",
    ],
)
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
    assert "argument --threads: expected a positive integer, got 0" in done.stderr
