"""The explorer under Node, held to minidl: weights from every initializer, points, losses, gradients; and what the page shows.

Weights are equal bit for bit. So is the training, where Python too rounds products and sums one after the other, as the
instruction set "generic" does. The others fuse them: there the first step is close, and later ones drift apart.
"""

import contextlib
import io
import json
import math
import re
import shutil
import subprocess
import sys
from functools import cache
from html import unescape
from pathlib import Path

import numpy as np
import pytest

import minidl.functional as F
from minidl import data, flow, init, kernels, nn, optim
from minidl.random import Generator

ROOT = Path(__file__).parent.parent
ACTIVATIONS = {"Tanh": 0, "Sigmoid": 2, "ReLU": 4, "LeakyReLU": 6, "ELU": 8, "SiLU": 10, "GELU": 12, None: -1}

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def engine(*networks):
    """What the engine makes of these networks, a dict each."""
    return under_node({"module": str(ROOT / "docs/explore/explore.wasm"), "networks": networks})


def under_node(asked):
    script, asked = ROOT / "tests/explorer.mjs", json.dumps(asked)
    for attempt in range(4):  # Node 20 now and then waits for a compiler thread for ever
        try:
            run = subprocess.run(["node", script], input=asked, capture_output=True, text=True, encoding="utf-8", timeout=60)
            break
        except subprocess.TimeoutExpired:
            if attempt == 3:
                raise
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def network(depth, width, activation, initializer, code, seed, norm=False, bias=0.0, inputs=2, classes=3, rows=60):
    """Python's model, and the same for the engine; `code` is (kind, first, second), see explore.c."""
    rng, modules, layers, fan = Generator(seed), [], [], inputs
    for i in range(depth):
        last = i == depth - 1
        out = classes if last else width
        bias_init = 0.0 if bias is None else bias
        modules.append(nn.Linear(fan, out, bias is not None, weight_init=initializer, bias_init=bias_init, rng=rng))
        if norm and not last:
            modules.append(nn.BatchNorm1d(out))
        if activation and not last:
            modules.append(getattr(nn, activation)())
        kind, first, second = code
        layers.append({"out": out, "activation": -1 if last else ACTIVATIONS[activation], "norm": int(norm and not last),
                       "bias": bias, "kind": kind, "first": first, "second": second})  # fmt: skip
        fan = out
    about = {"rows": rows, "inputs": inputs, "seed": seed, "layers": layers, "steps": 0, "rate": 0.1, "momentum": 0.9}
    return nn.Sequential(*modules), about


def weights(model):
    return [module.weight.data for module in model if isinstance(module, nn.Linear)]


INITIALIZERS = {
    "constant": (init.Constant(0.1), (0, 0.1, 0)),
    "uniform": (init.Uniform(-0.3, 0.2), (1, -0.3, 0.2)),
    "normal": (init.Normal(0.1, 0.7), (2, 0.1, 0.7)),
    "he normal": (init.HeNormal(), (3, 2.0, 0)),
    "he fan_out": (init.HeNormal(mode="fan_out"), (3, 2.0, 1)),
    "lecun": (init.LecunNormal(), (3, 1.0, 0)),
    "xavier normal": (init.XavierNormal(gain=1.7), (3, 1.7**2, 2)),
    "he uniform": (init.HeUniform(), (4, 2.0, 0)),
    "truncated": (init.VarianceScaling(1.3, "fan_avg", "truncated_normal"), (5, 1.3, 2)),
    "xavier uniform": (init.XavierUniform(), (4, 1.0, 2)),
}


@needs_node
@pytest.mark.parametrize("name", INITIALIZERS)
def test_weights_are_those_of_python_bit_for_bit(name):
    model, about = network(4, 23, "Tanh", *INITIALIZERS[name], seed=2**32 - 7)
    (made,) = engine(about)
    assert [bytes.fromhex(w) for w in made["weights"]] == [w.tobytes() for w in weights(model)]


NETWORKS = [
    (3, 16, "Tanh", "xavier uniform", False, 0.0),
    (20, 64, "Tanh", "xavier normal", False, 0.0),
    (5, 33, "ReLU", "he normal", False, 0.1),
    (5, 32, "ReLU", "he uniform", True, None),
    (8, 17, "Sigmoid", "lecun", True, 0.0),
    (4, 20, "LeakyReLU", "he fan_out", False, 0.0),
    (4, 20, "ELU", "he normal", False, None),
    (4, 20, "SiLU", "normal", True, 0.0),
    (4, 20, "GELU", "uniform", False, 0.0),
    (3, 8, "Tanh", "constant", False, 0.0),
]


def train(model, x, y, steps, rate, momentum):
    """The losses, and the first step's gradients of the weights."""
    optimizer = optim.SGD(model.parameters(), lr=rate, momentum=momentum)
    losses, gradients = [], []
    for i in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        losses.append(loss.item())
        if not i:
            gradients = [m.weight.grad.tobytes() for m in model if isinstance(m, nn.Linear)]
        optimizer.step()
    return losses, gradients


@needs_node
@pytest.mark.skipif(kernels.backend != "compiled", reason="the reference adds up in another order")
@pytest.mark.parametrize("fused", [False, True], ids=["generic", "fastest"])
def test_ten_networks_train_as_in_python(fused):
    x, y = data.spirals(20, rng=5)
    asked, expected, before = [], [], kernels._backend.instruction_set()
    try:
        assert kernels._backend.choose_instruction_set(before if fused else "generic")
        for seed, (depth, width, activation, name, norm, bias) in enumerate(NETWORKS):
            model, about = network(depth, width, activation, *INITIALIZERS[name], seed, norm, bias)
            asked.append(about | {"x": x.tobytes().hex(), "y": y.astype("<i4").tobytes().hex(), "steps": 20, "rate": 0.01})
            expected.append(train(model, x, y, 20, 0.01, 0.9))
    finally:
        kernels._backend.choose_instruction_set(before)
    for (losses, gradients), made in zip(expected, engine(*asked), strict=True):
        assert len(set(losses)) > 15  # it learns, so that later steps depend on the earlier ones
        if fused:  # the first step; at later ones roundings have grown, in some networks to percents
            assert made["losses"][0] == pytest.approx(losses[0], rel=1e-5)
            # 1e-7 of a loss of about 1 is one rounding: of equal weights, what remains of gradients that cancel
            for got, wanted in zip(made["gradients"], gradients, strict=True):
                got, wanted = (np.frombuffer(g, np.float32) for g in (bytes.fromhex(got), wanted))
                np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-7 + 1e-4 * abs(wanted).max())
        else:
            assert made["losses"] == losses
            assert [bytes.fromhex(g) for g in made["gradients"]] == gradients


def shown(*links, steps=0):
    """What the page has to show for these links, and after so many steps."""
    x, y, *_ = data.digits()
    digits = (x * 16).astype(np.uint8).tobytes() + y.astype(np.uint8).tobytes()
    asked = {"module": str(ROOT / "docs/explore/explore.wasm"), "links": [{"link": link, "steps": steps} for link in links]}
    return under_node(asked | {"digits": digits.hex()})


LINKS = [
    "",
    "#depth=1",
    "#depth=4&init=zeros",
    "#depth=4&init=constant&gain=0.1",
    "#depth=10&init=normal&gain=0.01",
    "#depth=10&init=normal&gain=1",
    "#depth=20&width=100&seed=4294967295",
    "#depth=30&activation=relu&seed=3",
    "#depth=30&activation=relu&init=he_normal&width=128",
    "#depth=50&activation=identity&init=orthogonal",
    "#depth=10&init=normal&gain=0.01&norm=1",
    "#depth=6&activation=relu&init=he_normal&bias=-1",
    "#depth=6&layers=3:zeros:1",
    "#data=spirals&depth=8&width=32&activation=silu&init=lecun_uniform&gain=1.5",
    "#data=circles&depth=5&activation=gelu&init=he_uniform&norm=1",
    "#data=spirals&depth=3&activation=elu&init=uniform&gain=0.3&bias=0.25",
    "#data=circles&depth=12&activation=sigmoid&init=xavier_uniform",
    "#depth=5&widths=100,50,20,2&activation=leaky_relu&init=lecun_normal",
    "#depth=8&activation=relu&init=he_normal&layers=8:normal:10",
    "#depth=5&width=256&init=normal&gain=100&activation=identity&layers=2:zeros:1,4:constant:2",
    "#data=spirals&depth=20&width=64&activation=relu&init=normal&gain=10",
    "#depth=12&norm=1&activation=relu&init=constant&gain=0.5",
    "#depth=50&gain=0.01",
    "#gain=100&init=uniform",
    "#depth=10&activation=silu&init=normal&gain=1&seed=2591736961&width=8",
]


@cache
def of_all_links():
    return dict(zip(LINKS, shown(*LINKS), strict=True))


def run_program(program):
    """The report, model, x, y and diagnosis of the page's Python program."""
    scope = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(program, scope)
    model, x, y = scope["model"], scope["x"], scope["y"]
    return flow.measure(model, x, y), (model, x, y), flow.diagnose(model, x, y)


def of_blocks(report):
    """For each Linear of a report its record, that of what comes before the activation, and that of the activation."""
    blocks = []
    for record in report:
        if record.kind == "Linear":
            blocks.append([record, record, record])
        elif record.kind == "BatchNorm1d":
            blocks[-1][1:] = [record, record]
        else:
            blocks[-1][2] = record
    return blocks


@needs_node
@pytest.mark.parametrize("link", LINKS)
def test_what_the_page_shows_is_what_its_python_program_finds(link):
    found = of_all_links()[link]
    report, (model, x, y), diagnosis = run_program(found["python"])
    for got, wanted in zip(found["weights"], weights(model), strict=True):
        got = np.frombuffer(bytes.fromhex(got), np.float32).reshape(wanted.shape)
        np.testing.assert_allclose(got, wanted, rtol=2e-7 if "orthogonal" in link else 0, atol=0)
    assert found["loss"] == pytest.approx(report.loss, rel=1e-3)
    assert found["accuracy"] == pytest.approx(np.mean(model(x).data.argmax(1) == y), abs=0.02)
    *_, last = report
    scale = math.hypot(last.grad_mean, last.grad_std)
    for got, (linear, summed, out) in zip(found["records"], of_blocks(report), strict=True):
        assert (got["units"], got["distinct"]) == (linear.units, linear.distinct_units)
        for shown_here, record in ((got["out"], out), (got["sum"], summed)):
            assert [shown_here["mean"], shown_here["std"]] == pytest.approx(
                [record.out_mean, record.out_std], rel=1e-2, abs=1e-5
            )
        assert sum(got["out"]["counts"]) == x.shape[0] * linear.units
        for gradient, record in ((got["grad"], out), (got["sumGrad"], summed)):
            expected = [record.grad_mean, record.grad_std]
            assert [gradient["mean"], gradient["std"]] == pytest.approx(
                expected, rel=2e-2, abs=1e-3 * record.grad_std + 1e-6 * scale
            )
        if out.dead is not None:
            assert got["dead"] / got["units"] == pytest.approx(out.dead, abs=1.01 / got["units"])
            assert got["saturated"] == pytest.approx(out.saturated, abs=2e-3)
        for predicted, wanted in (
            (got["predicted"]["std"], out.predicted_std),
            (got["predicted"]["ratio"], out.predicted_grad_ratio),
        ):
            assert predicted == (None if wanted is None else pytest.approx(wanted, rel=5e-3, abs=1e-12))
    symptom = diagnosis[0].symptom if diagnosis else "none"
    assert found["verdict"]["symptom"].replace("overflow", "exploding") == symptom, found["verdict"]
    if symptom in ("clones", "dead", "saturated"):
        assert found["verdict"]["layers"] == [layer_of(model, name) for finding in diagnosis for name in finding.layers]


def layer_of(model, name):
    """The number, from 1, of the Linear layer that this one belongs to."""
    return sum(isinstance(module, nn.Linear) for module in list(model)[: int(name) + 1])


@needs_node
def test_zeros_stay_at_chance_and_xavier_learns():
    zeros, xavier = shown("#depth=4&init=zeros&rate=0.05", "#depth=4&rate=0.05", steps=300)
    assert zeros["losses"][0] == pytest.approx(math.log(10), rel=1e-6)
    assert zeros["after"]["accuracy"] < 0.2
    assert zeros["after"]["verdict"]["symptom"] == "clones"
    assert xavier["after"]["accuracy"] > 0.9
    assert xavier["after"]["verdict"]["symptom"] == "none"


@needs_node
def test_links_are_read_back_and_what_is_wrong_with_one_is_said():
    for link, found in of_all_links().items():
        assert found["unread"] == []
        assert shown(found["link"])[0]["state"] == found["state"], link
    wrong = ["depth=0", "depth=2.5", "width=1e9", "gain=-1", "gain=", "rate=NaN", "init=he", "init=__proto__", "toString=1",
             "constructor=1", "layers=3:zero:1", "layers=3:zeros:1:5", "layers=9:zeros:1", "widths=3,3", "seed=-1",
             "data=<b>", "norm=2"]  # fmt: skip
    for link in wrong:
        (found,) = shown(f"#{link}")
        assert [key for key, _ in found["unread"]] == [link.partition("=")[0]], link
        assert found["state"] == shown("")[0]["state"]


MODELS = [
    nn.Sequential(nn.Linear(64, 32, weight_init="he_normal", rng=0), nn.ReLU(), nn.Linear(32, 10, weight_init=0.0)),
    nn.Sequential(nn.Linear(2, 8, rng=0, bias_init=0.5), nn.BatchNorm1d(8), nn.Linear(8, 3, bias_init=0.5)),
]


@needs_node
def test_a_model_is_shown_with_its_shape_and_initializers():
    rng = Generator(0)
    model = nn.Sequential(
        nn.Linear(64, 30, weight_init=init.VarianceScaling(3.0, "fan_avg", "uniform"), rng=rng), nn.BatchNorm1d(30), nn.GELU(),
        nn.Sequential(nn.Linear(30, 20, weight_init=init.Orthogonal(1.5), rng=rng), nn.BatchNorm1d(20), nn.GELU()),
        nn.Linear(20, 10, weight_init=init.Uniform(-0.25, 0.25), rng=rng),
    )  # fmt: skip
    (found,) = shown(model.explore().link)
    assert found["unread"] == []
    linear = [module.weight.data for module in model.modules() if isinstance(module, nn.Linear)]
    for got, wanted in zip(found["weights"], linear, strict=True):
        np.testing.assert_allclose(np.frombuffer(bytes.fromhex(got), np.float32), wanted.ravel(), rtol=3e-7)


def test_a_notebook_shows_the_page_with_the_models_link():
    explorer = MODELS[0].explore()
    html = explorer._repr_html_()
    assert html.startswith("<iframe title=")
    page = unescape(re.search('srcdoc="([^"]*)"', html)[1])
    assert f'<meta name="state" content="{explorer.link.replace("&", "&amp;")}">' in page
    assert explorer.link in repr(explorer)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Tanh()), "Linear layers, and Sequential has none"),
        (nn.Sequential(nn.Linear(3, 2)), "this model has 3 and 2"),
        (nn.Sequential(nn.Linear(64, 500), nn.Linear(500, 10)), "of 2 to 256 units"),
        (nn.Sequential(nn.Linear(64, 8), nn.Dropout(0.5), nn.Linear(8, 10)), "cannot show Dropout.* ('1')"),
        (nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 10)), "the same after each"),
        (nn.Sequential(nn.Linear(64, 10), nn.Tanh()), "nothing after the last"),
        (nn.Sequential(nn.Linear(64, 10, weight_init=np.ones((10, 64)))), "initializer of Linear '0'"),
        (nn.Sequential(nn.Linear(64, 10, bias=False)), "Linear '0' has None"),
        (nn.Sequential(nn.Linear(64, 8, bias_init=1.0), nn.Linear(8, 10)), "same number; these begin with"),
        (nn.Sequential(nn.Linear(64, 8), nn.LeakyReLU(0.2), nn.Linear(8, 10)), "negative_slope=0.01 only; '1' is LeakyReLU"),
        (nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8, eps=0.1), nn.Linear(8, 10)), "eps=1e-05 only; '1' is"),
        (
            nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8, affine=False), nn.Linear(8, 10)),
            "that learn, and begin as 1 and 0; not '1'",
        ),
        (nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8, weight_init=0.1), nn.Linear(8, 10)), "begin as 1 and 0; not '1'"),
        (nn.Sequential(nn.Linear(64, 8), nn.Residual(nn.Linear(8, 8)), nn.Linear(8, 10)), "'1' may call its own in any order"),
        (nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(16, 10)), "Linear '2' does not take what"),
        (nn.Sequential(nn.Linear(64, 10, dtype=np.float64)), "computes in float32, and '0' has"),
        (nn.Sequential(nn.Linear(64, 64), *[nn.Linear(64, 64)] * 2, nn.Linear(64, 10)), "'2' is a layer that was there before"),
        (nn.Sequential(nn.Linear(64, 10, weight_init=-0.1)), "initializer of Linear '0'"),
    ],
)
def test_what_the_explorer_cannot_show_is_refused_by_name(model, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        model.explore()


@needs_node
def test_points_are_those_of_python():
    _, about = network(1, 1, None, init.Zeros(), (0, 0.0, 0), seed=0)
    spirals = {"name": "spirals", "classes": 3, "noise": 0.2, "seed": 5}
    circles = {"name": "circles", "noise": 0.1, "factor": 0.5, "seed": 6}
    made = engine(about | {"data": spirals}, about | {"data": circles})
    for (x, y), points in zip((data.spirals(20, rng=5), data.circles(30, rng=6)), made, strict=True):
        assert np.frombuffer(bytes.fromhex(points["classes"]), "<i4").tolist() == y.tolist()
        got = np.frombuffer(bytes.fromhex(points["points"]), "<f4").reshape(x.shape)
        np.testing.assert_allclose(got, x, rtol=2**-22, atol=2**-50)  # sin and cos are the mathematical library's


def test_the_engine_and_the_page_are_those_of_their_sources():
    run = subprocess.run([sys.executable, ROOT / "tools/explorer.py", "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
