"""The explorer's engine under Node, held to minidl: weights from every initializer, points, losses and gradients.

Weights are equal bit for bit. So is the training, where Python too rounds products and sums one after the other, as the
instruction set "generic" does. The others fuse them: there the first step is close, and later ones drift apart.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minidl.functional as F
from minidl import data, init, kernels, nn, optim
from minidl.random import Generator

ROOT = Path(__file__).parent.parent
ACTIVATIONS = {"Tanh": 0, "Sigmoid": 2, "ReLU": 4, "LeakyReLU": 6, "ELU": 8, "SiLU": 10, "GELU": 12, None: -1}

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def engine(*networks):
    """What the engine makes of these networks, a dict each."""
    asked = json.dumps({"module": str(ROOT / "docs/explore/explore.wasm"), "networks": networks})
    run = subprocess.run(["node", ROOT / "tests/explorer.mjs"], input=asked, capture_output=True, text=True, check=False)
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


@needs_node
def test_accuracy_and_the_summary_of_a_layer():
    x, y = data.spirals(20, rng=5)
    model, about = network(3, 16, "Tanh", *INITIALIZERS["xavier uniform"], seed=3)
    (made,) = engine(about | {"x": x.tobytes().hex(), "y": y.astype("<i4").tobytes().hex(), "steps": 1})
    first = np.float64(model[:2](x).data)
    assert made["accuracy"] == np.mean(model(x).data.argmax(1) == y)
    expected = {"mean": first.mean(), "std": first.std(), "low": first.min(), "high": first.max()}
    assert made["summary"] == pytest.approx(expected, rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(made["histogram"], np.histogram(first, 8)[0], atol=1)  # one may lie on an edge


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


def test_the_built_engine_is_that_of_its_sources():
    run = subprocess.run([sys.executable, ROOT / "tools/explorer.py", "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
