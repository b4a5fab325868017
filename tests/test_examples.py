"""The examples are run as a reader runs them: the first one's numbers, picture and arguments in full, of all the others that
they run, quickly, copied out alone, and leave the picture that they say, with labels that have a Chinese translation."""

import ast
import importlib
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))

import claims  # noqa: E402
from ledger import labels  # noqa: E402

EXAMPLE = EXAMPLES / "zero_vs_xavier.py"
PAGE = EXAMPLES / "backprop_on_a_page.py"
SNIPPETS = EXAMPLES / "snippets.py"
OTHERS = ("claims", EXAMPLE.stem, PAGE.stem, SNIPPETS.stem)
GALLERY = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem not in OTHERS)
COMMANDS = {claim.command.removeprefix("python examples/") for claim in claims.collect()}  # with the options of their pictures
COMMANDS = {command for command in COMMANDS if Path(shlex.split(command)[0]).stem in GALLERY}
COMMANDS |= {f"{name}.py" for name in GALLERY if not any(command.startswith(f"{name}.py") for command in COMMANDS)}
RUN = """
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
WITHOUT_EXTRAS = "import os, runpy, sys\nsys.modules.update(matplotlib=None, tqdm=None)" + RUN
WRITES_ITS_LABELS = (
    """
import json, os, runpy, sys
from pathlib import Path
from minidl import plot
save = plot.save

def saved(figure, path):
    from matplotlib.text import Text
    Path("labels.json").write_text(json.dumps(sorted({text.get_text() for text in figure.findobj(Text)})))
    return save(figure, path)

plot.save = saved
"""
    + RUN
)
LATIN = {  # what a Chinese text writes so too: names of activations and methods, formulas, code
    *("tanh", "ReLU", "sigmoid", "Xavier", "He", "LeCun", "LSUV", "SGD", "Adam", "RMSprop"),
    *("ln", "sqrt", "randn", "wx", "dropout", "Variable", "XOR"),
}


def run(folder, *arguments, inside="", example=EXAMPLE, terminal="utf-8"):
    command = [str(example), *arguments]
    if inside:
        command = ["-c", inside, *command]
    environment = {**os.environ, "PYTHONIOENCODING": terminal}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, encoding=terminal
    )


def rows(output, run_name):
    """The table of one run, a tuple for each layer: weight and bias gradient, distinct units before and after."""
    lines = output.split(f"\n{run_name}: loss")[1].splitlines()[3:7]
    return [tuple(float(number) for number in line.split()[4:]) for line in lines]


def test_zeros_never_learn_and_xavier_does(tmp_path):
    result = run(tmp_path, "--epochs", "12", inside=WITHOUT_EXTRAS)
    assert result.returncode == 0, result.stderr
    zeros, xavier = rows(result.stdout, "zeros"), rows(result.stdout, "xavier_uniform")
    assert [row[0] for row in zeros] == [0, 0, 0, 0]
    assert [row[1] > 0 for row in zeros] == [False, False, False, True]
    assert [row[2:] for row in zeros[:3]] == [(1, 1)] * 3
    assert all(weight > 0 and bias > 0 for weight, bias, _, _ in xavier)
    assert [row[2:] for row in xavier[:3]] == [(64, 64)] * 3
    assert "zeros: loss 2.303 -> 2.30" in result.stdout
    assert "not one weight gets any gradient" in result.stdout
    accuracy = float(result.stdout.split("xavier_uniform: loss")[1].split("test accuracy ")[1].split("%")[0])
    assert accuracy > 90
    assert "pictures need matplotlib" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_constant_stays_one_unit(tmp_path):
    result = run(tmp_path, "--init", "0.1", "--epochs", "1", "--width", "8", inside=WITHOUT_EXTRAS)
    assert "each layer remains one unit" in result.stdout
    assert [row[2:] for row in rows(result.stdout, "0.1")[:3]] == [(1, 1)] * 3


def test_the_picture_is_saved_where_the_user_says(tmp_path):
    pytest.importorskip("matplotlib")
    options = ["--init", "zeros", "0.1", "he_normal", "--activation", "relu", "--depth", "2", "--width", "5", "--seed", "3"]
    result = run(tmp_path, *options, "--epochs", "1", "--out", "picture.png")
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert "Picture: picture.png" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--init", "xaver"], "did you mean 'xavier"),
        (["--depth", "0"], "expected a positive integer, got '0'"),
        (["--epochs", "2.5"], "expected a positive integer, got '2.5'"),
        (["--seed", "-1"], "expected a non-negative integer, got '-1'"),
        (["--out", "nowhere/picture.png"], "in a folder that exists, got 'nowhere/picture.png'"),
        (["--out", "picture"], "expected a .png"),
        (["--activation", "step"], "invalid choice: 'step'"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_trained(tmp_path, arguments, message):
    result = run(tmp_path, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_help_names_every_option(tmp_path):
    help_text = run(tmp_path, "--help").stdout
    for option in ("--init", "--activation", "--depth", "--width", "--epochs", "--seed", "--out", "--quick"):
        assert option in help_text


def test_an_example_of_the_gallery_runs_without_extras_and_says_how_to_get_the_picture(tmp_path):
    result = run(tmp_path, "--quick", inside=WITHOUT_EXTRAS, example=EXAMPLES / "initializers.py")
    assert result.returncode == 0, result.stderr
    assert "0.1531" in result.stdout  # He's bound for 256 inputs, sqrt(6 / 256)
    assert "pictures need matplotlib" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_example_copied_out_alone_runs_quickly_on_an_ascii_terminal_and_draws_its_picture(command, tmp_path):
    pytest.importorskip("matplotlib")
    script, *arguments = shlex.split(command)
    copy = Path(shutil.copy(EXAMPLES / script, tmp_path))
    result = run(tmp_path, *arguments, "--quick", inside=WRITES_ITS_LABELS, example=copy, terminal="ascii")
    assert result.returncode == 0, result.stderr
    picture = copy.with_suffix(".png")
    assert result.stdout.endswith(f"\nPicture: {picture.name}\n")
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = json.loads((tmp_path / "labels.json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["labels.json", picture.name, script])
    assert len(shown) > 3
    assert {label for label in shown if english_words(labels.translate(label))} == set()


def english_words(label):
    return set(re.findall("[A-Za-z]{2,}", re.sub(r"\$.*?\$|(n|fan)_\w+", "", label))) - LATIN


def test_the_first_example_copied_out_alone_runs_on_an_ascii_terminal(tmp_path):
    result = run(tmp_path, "--quick", inside=WITHOUT_EXTRAS, example=shutil.copy(EXAMPLE, tmp_path), terminal="ascii")
    assert result.returncode == 0, result.stderr
    assert "xavier_uniform: loss" in result.stdout


@pytest.mark.parametrize("name", GALLERY)
def test_every_example_explains_itself_and_names_two_commands(name, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    with pytest.raises(SystemExit, match="0"):
        importlib.import_module(name).main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert text.isascii()
    for word in ("--quick", "--seed", "--out", f"{name}.png", "rticle", "You will see"):
        assert word in text
    assert text.count(f"python examples/{name}.py") == 2


@pytest.mark.parametrize(
    ("activation", "batch_norm", "kinds"),
    [
        ("tanh", False, {("Linear", "Tanh")}),
        ("tanh", True, {("BatchNorm1d", "Tanh")}),
        ("linear", False, {("Linear", "Linear")}),
    ],
)
def test_activation_histograms_looks_at_what_goes_into_the_activation_and_what_comes_out(
    activation, batch_norm, kinds, monkeypatch
):
    monkeypatch.syspath_prepend(EXAMPLES)
    script = importlib.import_module("activation_histograms")
    before, after = script.report("N(0, 1)", activation, batch_norm, batch=100)
    assert {(x.kind, y.kind) for x, y in zip(before, after, strict=True)} == kinds
    assert len(before) == 10
    assert [x.name == y.name for x, y in zip(before, after, strict=True)] == [activation == "linear"] * 10
    assert before[0].out_std == pytest.approx(1 if batch_norm else 500**0.5, rel=0.02)


def test_batchnorm_rescues_shows_that_the_shape_of_a_distribution_stays(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    script = importlib.import_module("batchnorm_rescues")
    assert script.moments(np.array([[0.0], [0.0], [0.0], [4.0]])) == pytest.approx([1, 3**0.5, 2 / 3**0.5, 7 / 3])  # by hand
    for x, y in script.shapes(0, samples=1000, weight=2, bias=3).values():
        *_, skewness, kurtosis = script.moments(x)
        assert script.moments(y) == pytest.approx([3, 2, skewness, kurtosis], rel=1e-4, abs=1e-4)


def test_batchnorm_rescues_learns_the_same_where_the_learning_rate_goes_with_the_square_of_the_scale(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    script = importlib.import_module("batchnorm_rescues")
    digits = script.data.digits()
    one, other = (script.learn(0.045 * c, "before", 4, 1, 0, digits, 0.1 * c**2) for c in (1, 4))
    assert one == pytest.approx(other, abs=0.01)  # eps, 1e-5, is of the variance; rounding
    assert one > script.learn(0.045 * 4, "before", 4, 1, 0, digits) + 0.02


def test_recurrent_keeps_a_gradient_as_theory_says(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    script = importlib.import_module("recurrent")
    assert script.arcsine_law(2).tolist() == [3 / 8, 5 / 8, 1]  # half begin upwards, and 3/4 of them stay above
    kept, eigenvalue = script.gradients("linear", "orthogonal", 0.9, 40, 0)
    assert kept == pytest.approx(0.9 ** np.arange(40, -1, -1), rel=1e-12)
    assert eigenvalue == pytest.approx(0.9)
    squares = script.gradients("relu", "identity", 1.0, 40, 0)[0] ** 2  # of 2,000 units, those that pass it on
    law = script.arcsine_law(40)
    assert (np.abs(squares - law) <= 6 * np.sqrt(law * (1 - law) / 2000) + 1e-9).all()
    halved, _ = script.gradients("relu", "orthogonal", 1.0, 40, 0)
    assert np.log2(halved[0]) == pytest.approx(-20, abs=1.5)


def test_recurrent_gives_sums_to_find(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    script = importlib.import_module("recurrent")
    x, y = script.sums_to_find(10, 200, script.Generator(0))
    marked = x[..., 1]
    assert [half.sum(axis=0).tolist() for half in (marked[:5], marked[5:])] == [[1] * 200] * 2
    assert y == pytest.approx((x[..., 0] * marked).sum(axis=0))
    assert y.var() == pytest.approx(1 / 6, rel=0.3)  # of two uniform numbers


def test_makemore_knows_the_loss_of_outputs_that_are_noise(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    script = importlib.import_module("makemore")
    x, y = script.contexts(["ab"], 3)
    assert x.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2]]
    assert y.tolist() == [1, 2, 0]
    assert script.loss_of_noise(0.0) == pytest.approx(math.log(27))
    assert script.loss_of_noise(0.1) == pytest.approx(math.log(27) + 0.1**2 / 2 * 26 / 27, abs=2e-3)  # to second order
    assert script.loss_of_noise(1000.0) == pytest.approx(1998, rel=0.01)  # of 27 normal numbers the largest is 1.998 on average
    names = script.data.names()[:500]
    large, small = (script.learn(name, *[script.contexts(names, 3)] * 2, 1, 0) for name in ("N(0, 1)", "small last layer"))
    assert large.report.loss == pytest.approx(script.loss_of_noise(list(large.report)[-1].out_std), rel=0.1)
    assert small.report.loss == pytest.approx(math.log(27), abs=0.05)
    assert set(script.write(small.model, 3, script.Generator(0))) <= set("abcdefghijklmnopqrstuvwxyz")


def test_convnet_learns_from_he_and_from_zeros_only_how_frequent_the_digits_are(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    script = importlib.import_module("convnet")
    split = script.images()
    he, zeros = (script.build(name, 16, 0) for name in ("He", "zeros"))
    assert [record.kind for record in script.layers(he, split)] == ["Conv2d", "Conv2d", "Linear", "Linear"]
    assert script.learn(he, 8, 0, split)[-1].accuracy > 0.95
    frequencies = np.bincount(split.y_train) / len(split.y_train)
    entropy = -(frequencies * np.log(frequencies)).sum()
    assert script.learn(zeros, 1, 0, split)[-1].loss == pytest.approx(entropy, abs=0.01)
    assert not any(p.data.any() for p in list(zeros.parameters())[:-1])


def test_deep_conv_counts_the_directions_in_which_images_differ(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    script = importlib.import_module("deep_conv")
    cross = 1e-3 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])  # so small that tanh is straight
    model = script.nn.Sequential(script.nn.Tanh())
    assert script.directions(model, cross) == pytest.approx([2])
    assert script.directions(model, cross[:2]) == pytest.approx([1])
    assert script.directions(model, cross[[0, 1, 2]]) == pytest.approx([1.6])  # variances 1 and 1/3: (4/3)^2 / (10/9)


def test_backprop_on_a_page_learns_alone_in_a_folder_and_has_the_gradients_of_minidl(tmp_path):
    result = run(tmp_path, inside=WITHOUT_EXTRAS, example=shutil.copy(PAGE, tmp_path))
    assert result.returncode == 0, result.stderr
    before, *_, after, comparison = result.stdout.splitlines()
    assert float(before.split("before training: ")[1].split("%")[0]) < 30  # guessing: 10 %
    assert float(after.split(", ")[1].split("%")[0]) > 90
    assert float(comparison.split("minidl computes: ")[1]) < 1e-14


def test_backprop_on_a_page_is_one_page_that_takes_only_the_digits_and_gradients_from_minidl():
    source = PAGE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 150
    imports = [ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert imports == [
        "import argparse",
        "import itertools",
        "import numpy as np",
        "from minidl import data",
        "from minidl import Tensor, functional",
    ]


def test_backprop_on_a_page_adds_up_what_comes_along_several_paths(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    page = importlib.import_module(PAGE.stem)
    w = page.Value(np.array([[3.0]]))
    square = w @ w
    (square @ square @ w).backward()
    assert w.grad == 5 * 3.0**4  # of w^5


def test_backprop_on_a_page_explains_itself_and_names_a_wrong_argument(tmp_path):
    help_text = run(tmp_path, "--help", example=PAGE).stdout
    for word in ("--epochs", "--seed", "chain rule"):
        assert word in help_text
    assert help_text.count("python examples/backprop_on_a_page.py") == 2
    result = run(tmp_path, "--epochs", "-1", example=PAGE)
    assert result.returncode == 2
    assert "expected a non-negative integer, got '-1'" in result.stderr


@pytest.fixture
def snippets(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module(SNIPPETS.stem)


def test_the_lines_of_article_a_run_as_printed_and_make_what_pytorch_makes(snippets):
    outcomes = snippets.outcomes("A")
    left = [printed for _, printed, _, _ in outcomes]
    assert left[:2] == ["runs", "runs"]
    assert left[3] == left[7] == "Zeros()"
    assert left[5] == "XavierNormal(gain=1.0)"
    assert left[6] == "HeNormal(a=0.0, mode='fan_in')"
    assert not any(uncommented or meant for _, _, uncommented, meant in outcomes)


def test_the_line_that_article_b_divides_outside_is_not_a_parameter_and_neither_has_a_layers_shape(snippets):
    (_, numpy, _, numpy_meant), (_, tensorflow, _, tensorflow_meant) = snippets.outcomes("B")
    assert numpy.startswith("ndarray, shape (256, 128), std 0.062")  # 1 / sqrt(256)
    assert numpy_meant.startswith("ndarray, shape (128, 256), std 0.06")
    assert tensorflow.startswith("Tensor, shape (256, 128), std 0.06")
    assert tensorflow_meant.startswith("Parameter, shape (128, 256), std 0.06")


def test_the_lines_of_article_d_are_comments_and_three_of_them_fail_without_the_hash(snippets):
    imported, layer, *lines = snippets.outcomes("D")
    assert imported[1] == "runs"
    assert layer[1].startswith("a Linear: ")
    assert [printed for _, printed, _, _ in lines] == ["nothing: a comment"] * 9
    failing = {i: uncommented for i, (_, _, uncommented, _) in enumerate(lines) if "Error: " in uncommented}
    assert list(failing) == [4, 7, 8]
    assert failing[4] == "NameError: name 'weight' is not defined"
    assert failing[7].startswith("AttributeError: module 'minidl.init' has no attribute 'kaiming'; did you mean ")
    assert "kaiming_normal_" in failing[7]
    assert failing[8].startswith("TypeError: kaiming_normal_(): got an unexpected keyword argument 'mean'")
    assert failing[8].endswith("for a mean and a std of your own take normal_")
    assert [meant for *_, meant in lines if meant] == ["XavierNormal(gain=1.0)", *["HeNormal(a=0, mode='fan_in')"] * 2]
    assert lines[0][2] == "Uniform(low=0.0, high=1.0)"  # and so is not small
    assert lines[1][2] == "Normal(mean=0, std=1)"


def test_with_the_weight_named_rightly_the_mean_and_std_of_article_d_are_refused(snippets):
    names = {}
    for line in ("import torch.nn as nn", "model = nn.Linear(1, 1)"):
        snippets.run(line, names)
    message = snippets.run("nn.init.xavier_normal_(model.weight, mean=0, std=1)", names)
    assert message.startswith("TypeError: xavier_normal_(): got an unexpected keyword argument 'mean'")
    message = snippets.run("nn.init.xavier_normal_(model, model.weight)", names)
    assert message.endswith("got Linear; of a layer, pass layer.weight or layer.bias")


def test_the_snippets_copied_out_alone_run_and_say_the_line_that_was_meant(tmp_path):
    copy = shutil.copy(SNIPPETS, tmp_path)
    result = run(tmp_path, "--article", "D", inside=WITHOUT_EXTRAS, example=copy, terminal="ascii")
    assert result.returncode == 0, result.stderr
    assert "meant: nn.init.xavier_normal_(model.weight)\n" in result.stdout
    assert "randn" not in result.stdout
    help_text = run(tmp_path, "--help", inside=WITHOUT_EXTRAS, example=copy).stdout
    assert help_text.count("python examples/snippets.py") == 2
    assert "rticle" in help_text
    assert "You will see" in help_text


def test_a_terminal_that_knows_only_ascii_shows_what_it_can():
    command = [sys.executable, str(EXAMPLES / "claims.py"), "17"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert b"same variance: ??(6/(n_in + n_out))" in result.stdout
