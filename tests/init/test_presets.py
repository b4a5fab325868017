"""Tests what the presets draw against numbers worked out by hand and values recorded from PyTorch 2.13.

Four standard errors, as in test_init.py: of a standard deviation over n draws, std sqrt((kurtosis - 1) / (4 n)).
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from minidl import init, nn

RECORDED = json.loads((Path(__file__).parent.parent / "recorded" / "presets.json").read_text())


def check(values, std, bound, kurtosis):
    values = values.astype(np.float64)
    assert abs(values.mean()) < 4 * std / math.sqrt(values.size)
    assert abs(values.std() - std) < 4 * std * math.sqrt((kurtosis - 1) / (4 * values.size))
    assert abs(values).max() <= bound * (1 + 2e-7)  # of seven digits, in float32
    if bound < 1:
        assert abs(values).max() > 0.98 * bound


@pytest.mark.parametrize(
    ("preset", "std", "bound", "kurtosis"),
    [
        ("pytorch", 0.02581989, 0.04472136, 1.8),  # 1 / sqrt(3 * 500), 1 / sqrt(500)
        ("tinygrad", 0.02581989, 0.04472136, 1.8),
        ("keras", 0.04714045, 0.08164966, 1.8),  # sqrt(2 / 900), sqrt(6 / 900)
        ("flax", 0.04472136, 0.10168271, 3),  # 1 / sqrt(500), twice that over 0.87962566
        ("chainer", 0.04472136, math.inf, 3),
    ],
)
def test_linear_for_fan_in_500_and_fan_out_400(preset, std, bound, kurtosis):
    layer = nn.Linear(500, 400, bias_init=9).initialize(rng=1, rules=getattr(init.presets, preset))
    check(layer.weight.data, std, bound, kurtosis)
    if preset in ("pytorch", "tinygrad"):
        bias = nn.Linear(500, 20_000).initialize(rng=1, rules=getattr(init.presets, preset)).bias
        check(bias.data, std, bound, kurtosis)
    else:
        assert not layer.bias.data.any()


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_pytorch_s_linear_has_the_moments_that_pytorch_2_13_has(name):
    """Both are samples: of 10 million weights, whose error is left out, or of 20,000 biases, and so are ours."""
    ours = getattr(nn.Linear(500, 20_000).initialize(rng=1, rules=init.presets.pytorch), name).data.astype(np.float64)
    std, n = RECORDED[name]["std"], min(ours.size, 20_000)
    assert ours.std() == pytest.approx(std, rel=4 * math.sqrt(2 * 0.2 / n))
    assert abs(ours).max() == pytest.approx(RECORDED[name]["largest"], rel=1e-3)


@pytest.mark.parametrize("preset", ["pytorch", "keras", "flax", "chainer", "tinygrad"])
def test_batch_norm_begins_as_the_identity(preset):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, weight_init=0.5, bias_init=0.5), nn.Linear(4, 2, bias=False))
    model.initialize(rules=getattr(init.presets, preset))
    assert model[1].weight.data.tolist() == RECORDED["batch_norm"]["weight"]
    assert model[1].bias.data.tolist() == RECORDED["batch_norm"]["bias"]
    norm = nn.BatchNorm1d(4, weight_init=0.5).initialize(rules=getattr(init.presets, preset))
    assert norm.weight.data.tolist() == [1, 1, 1, 1]


def test_a_preset_joins_other_rules_and_cannot_be_changed():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2, bias=False))
    model.initialize(rules={"1.weight": 0, **init.presets.keras})
    assert [p.initializer for p in model.parameters()] == [init.XavierUniform(), init.Zeros(), init.Constant(0)]
    with pytest.raises(TypeError):
        init.presets.keras["*"] = 0


def test_a_convolution_is_initialized_as_a_linear_layer_of_its_fans():
    # 50 channels of 5 x 5: fan_in 1,250, so that PyTorch's bound is 1 / sqrt(1250) and Keras' sqrt(6 / (1250 + 40 * 25)).
    for preset, bound in ((init.presets.pytorch, 1250**-0.5), (init.presets.keras, (6 / 2250) ** 0.5)):
        layer = nn.Conv2d(50, 40, 5).initialize(rng=0, rules=preset)
        assert np.abs(layer.weight.data).max() == pytest.approx(bound, rel=1e-3)
    assert not layer.bias.data.any()
    for norm in (nn.BatchNorm2d(3, weight_init=0), nn.LayerNorm(3, weight_init=0)):
        assert norm.initialize(rules=init.presets.pytorch).weight.data.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("preset", "std", "bound", "kurtosis"),
    [
        ("pytorch", 0.01825742, 0.03162278, 1.8),  # of 40 channels of 5 x 5: 1 / sqrt(3 * 1000), 1 / sqrt(1000)
        ("tinygrad", 0.01825742, 0.03162278, 1.8),
        ("keras", 0.02981424, 0.05163978, 1.8),  # sqrt(2 / 2250), sqrt(6 / 2250)
        ("flax", 0.02828427, 0.06430986, 3),  # of 50 channels: 1 / sqrt(1250), twice that over 0.87962566
        ("chainer", 0.03162278, math.inf, 3),
    ],
)
def test_a_transposed_convolution_has_the_fans_of_each_framework(preset, std, bound, kurtosis):
    layer = nn.ConvTranspose2d(50, 40, 5, bias_init=9).initialize(rng=1, rules=getattr(init.presets, preset))
    check(layer.weight.data, std, bound, kurtosis)
    if preset not in ("pytorch", "tinygrad"):
        assert not layer.bias.data.any()


def test_pytorch_s_transposed_convolutions_have_the_bounds_of_pytorch_2_13():
    # The largest weight and bias of ConvTranspose2d(50, 40, 5, ...) there, of samples of their own.
    recorded = [({"stride": 2}, 0.0316222645, 0.0316193551), ({"groups": 5}, 0.0707079172, 0.0706030503)]
    for options, weight, bias in recorded:
        layer = nn.ConvTranspose2d(50, 40, 5, **options).initialize(rng=0, rules=init.presets.pytorch)
        assert abs(layer.weight.data).max() == pytest.approx(weight, rel=1e-2)
        assert 0.8 * bias < abs(layer.bias.data).max() < 1.02 * bias
