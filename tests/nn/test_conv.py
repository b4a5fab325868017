"""Convolutional and pooling layers against hand-worked numbers, values recorded from PyTorch 2.13 and finite differences; and
their fans against simulations of what they promise: that signal and gradient keep their variance."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import init, nn
from minidl.nn.module import InputError
from minidl.random import Generator

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "convolution.json").read_text())


def made(record):
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in record["arguments"].items()}
    return getattr(nn, record["layer"])(**arguments, **({"dtype": np.float64} if record["parameters"] else {}))


@pytest.mark.parametrize("name", RECORDED)
def test_values_and_gradients_are_those_of_pytorch(name):
    record = RECORDED[name]
    layer = made(record)
    layer.load_state_dict({key: np.array(value) for key, value in record["parameters"].items()})
    assert list(layer.state_dict()) == list(record["parameters"])
    x = minidl.Tensor(np.array(record["x"]), requires_grad=True)
    y = layer(x)
    np.testing.assert_allclose(y.data, record["y"], rtol=1e-13, atol=1e-13)
    y.backward(np.array(record["upstream"]))
    np.testing.assert_allclose(x.grad, record["dx"], rtol=1e-13, atol=1e-13)
    for key, parameter in layer.named_parameters():
        np.testing.assert_allclose(parameter.grad, record["gradients"][key], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", RECORDED)
def test_gradients_are_those_of_finite_differences(name):
    record = RECORDED[name]
    layer = made(record)
    x = minidl.Tensor(Generator(0).normal(np.shape(record["x"]), dtype=np.float64), requires_grad=True)
    assert minidl.gradcheck(lambda x, *parameters: layer(x), (x, *layer.parameters()))


def test_arguments_and_defaults_are_those_of_pytorch():
    names = ["in_channels", "out_channels", "kernel_size", "stride", "padding"]
    more = ["weight_init", "bias_init", "rng", "dtype"]
    assert [*inspect.signature(nn.Conv2d).parameters] == [*names, "dilation", "groups", "bias", "padding_mode", *more]
    transposed = [*names, "output_padding", "groups", "bias", "dilation", "padding_mode", *more]
    assert [*inspect.signature(nn.ConvTranspose2d).parameters] == transposed
    layer = nn.Conv2d(4, 6, 3, groups=2)
    assert (layer.kernel_size, layer.stride, layer.padding, layer.dilation) == ((3, 3), (1, 1), (0, 0), (1, 1))
    assert layer.weight.shape == (6, 2, 3, 3)
    assert layer.bias.shape == (6,)
    assert nn.ConvTranspose2d(4, 6, 3, groups=2).weight.shape == (4, 3, 3, 3)
    assert nn.Conv2d(4, 6, 3, bias=False).bias is None


def test_fans_worked_out_by_hand():
    assert nn.Conv2d(3, 8, 5).weight.fans == (75, 200)
    assert nn.Conv2d(6, 8, (3, 5), groups=2).weight.fans == (3 * 15, 4 * 15)
    assert nn.Conv2d(8, 8, 3, groups=8).weight.fans == (9, 9)  # depthwise: PyTorch says 9 and 72
    assert nn.Conv2d(3, 8, 4, stride=2).weight.fans == (48, 32)  # a number meets every second row and column of a filter
    assert nn.Conv2d(3, 8, 3, dilation=2).weight.fans == (27, 72)
    assert nn.ConvTranspose2d(3, 8, 5).weight.fans == (75, 200)  # PyTorch says 200 and 75
    assert nn.ConvTranspose2d(6, 8, 4, stride=2, groups=2).weight.fans == (3 * 4, 4 * 16)


# Fans by simulation, on a torus or away from edges, where each number meets all of them. He's initializers promise: with
# mode "fan_in" the signal keeps its variance, with "fan_out" the gradient does (gain 1, for there is no activation).
# There are more than 100,000 numbers in each sample, but they share a weight: the deviation is that of the mean of its squares.

CONVOLUTIONS = {
    "plain": (16, 24, 3, {}),
    "grouped": (16, 32, 3, {"groups": 4}),
    "depthwise": (256, 256, 5, {"groups": 256}),
    "strided": (16, 24, 4, {"stride": 2}),
    "strided, odd kernel": (16, 32, 3, {"stride": 2}),
    "strided by two numbers": (16, 16, (3, 6), {"stride": (1, 3)}),
    "dilated": (16, 24, 3, {"dilation": 2}),
    "grouped, strided and dilated": (16, 32, 4, {"groups": 2, "stride": 2, "dilation": 3}),
}


def variances(layer, x, inner):
    """Of the output, and of the input's gradient for an output's gradient of variance 1; of what is `inner` of each."""
    x = minidl.Tensor(x, requires_grad=True)
    y = layer(x)
    y.backward(Generator(1).normal(y.shape))
    return inner(y.data).var(), inner(x.grad).var()


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_keeps_the_variance_that_its_initializer_promises(name, mode):
    channels, filters, kernel, options = CONVOLUTIONS[name]
    spec = init.VarianceScaling(1.0, mode, "normal")
    layer = nn.Conv2d(channels, filters, kernel, padding=6, padding_mode="circular", **options, weight_init=spec, rng=0)
    x = Generator(2).normal((16, channels, 24, 24))
    if name == "depthwise":
        x = x[:4]
    if "stride" not in name and "strided" not in name:
        # circular padding of 6 makes the output larger than the input: numbers near the edge are met twice
        inner = lambda a: a[..., 6:-6, 6:-6]  # noqa: E731
    else:
        inner = lambda a: a[..., 6:-6, 6:-6] if a.shape[-1] == 24 else a  # noqa: E731
    forward, backward = variances(layer, x, inner)
    found = forward if mode == "fan_in" else backward
    assert abs(found - 1) < 0.08


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_transposed_convolution_keeps_it_with_the_roles_exchanged(name, mode):
    channels, filters, kernel, options = CONVOLUTIONS[name]
    layer = nn.ConvTranspose2d(
        channels, filters, kernel, **options, weight_init=init.VarianceScaling(1.0, mode, "normal"), rng=0
    )
    x = Generator(2).normal((4 if name == "depthwise" else 16, channels, 24, 24))
    forward, backward = variances(layer, x, lambda a: a if a.shape[-1] == 24 else a[..., 12:-12, 12:-12])
    found = forward if mode == "fan_in" else backward
    assert abs(found - 1) < 0.08


def test_padding_takes_away_from_the_variance_at_edges_only():
    layer = nn.Conv2d(64, 64, 3, padding=1, weight_init=init.VarianceScaling(1.0, "fan_in", "normal"), rng=0)
    y = layer(Generator(0).normal((64, 64, 12, 12))).data
    assert abs(y[..., 1:-1, 1:-1].var() - 1) < 0.05
    assert abs(y[..., 0, 1:-1].var() - 6 / 9) < 0.05  # two rows of three
    assert abs(y[..., 0, 0].var() - 4 / 9) < 0.05


def test_circular_padding_makes_a_convolution_commute_with_rolling():
    layer = nn.Conv2d(2, 3, (3, 4), padding="same", padding_mode="circular", dtype=np.float64, rng=0)
    x = Generator(0).normal((1, 2, 5, 6), dtype=np.float64)
    rolled = layer(np.roll(x, (2, 3), (2, 3))).data
    np.testing.assert_allclose(rolled, np.roll(layer(x).data, (2, 3), (2, 3)), atol=1e-14)


def test_a_transposed_convolution_is_the_transposed_map():
    weight = Generator(0).normal((3, 2, 4, 3), dtype=np.float64)
    x, z = Generator(1).normal((1, 2, 9, 8), dtype=np.float64), Generator(2).normal((1, 3, 4, 4), dtype=np.float64)
    y = F.conv2d(x, weight, None, (2, 2), 1).data
    assert y.shape == z.shape
    back = F.conv_transpose2d(z, weight, None, (2, 2), 1, (1, 1)).data
    assert back.shape == x.shape
    np.testing.assert_allclose((y * z).sum(), (x * back).sum(), rtol=1e-13)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "Conv2d: in_channels=3 and out_channels=4 must both be multiples of groups=2"),
        (lambda: nn.Conv2d(0, 4, 3), "Conv2d: in_channels must be a positive integer, got 0"),
        (lambda: nn.Conv2d(1, 4, 0), "Conv2d: kernel_size must be an integer of at least 1 or a pair of them, got 0"),
        (lambda: nn.Conv2d(1, 4, 3, padding=-1), "Conv2d: padding must be an integer of at least 0 or a pair of them, got -1"),
        (
            lambda: nn.Conv2d(1, 4, 3, stride=(1, 0)),
            "Conv2d: stride must be an integer of at least 1 or a pair of them, got (1, 0)",
        ),
        (lambda: nn.Conv2d(1, 4, 3, padding="full"), "Conv2d: padding must be integers, 'valid' or 'same', got 'full'"),
        (
            lambda: nn.Conv2d(1, 4, 3, 2, "same"),
            "Conv2d: padding='same' makes the output as large as the input, so stride must be 1",
        ),
        (lambda: nn.Conv2d(1, 4, 3, padding_mode="reflect"), "padding_mode must be one of 'zeros', 'circular', got 'reflect'"),
        (lambda: nn.ConvTranspose2d(1, 4, 3, padding="same"), "ConvTranspose2d: padding must be integers, got 'same'"),
        (lambda: nn.ConvTranspose2d(1, 4, 3, padding_mode="circular"), "padding_mode must be one of 'zeros', got 'circular'"),
        (lambda: nn.MaxPool2d(2, padding=2), "MaxPool2d: padding must be at most half of kernel_size=2, got 2"),
        (lambda: nn.AvgPool2d(2.5), "AvgPool2d: kernel_size must be an integer of at least 1 or a pair of them, got 2.5"),
        (lambda: nn.AdaptiveAvgPool2d(0), "AdaptiveAvgPool2d: output_size must be an integer of at least 1 or a pair of them"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is compared
        make()
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            nn.Conv2d(3, 4, 3),
            (2, 4, 8, 8),
            "expects input of shape (batch, 3, height, width), got (2, 4, 8, 8); reshape the input",
        ),
        (nn.Conv2d(3, 4, 3), (8, 8), "expects input of shape (batch, 3, height, width), got (8, 8)"),
        (
            nn.Conv2d(3, 4, 5),
            (2, 3, 4, 9),
            "the kernel reaches over 5 x 5, and the padded input is only 4 x 9; use a smaller kernel",
        ),
        (nn.Conv2d(1, 4, 3, padding=3, padding_mode="circular"), (1, 1, 2, 9), "cannot be continued by (3, 3) rows"),
        (nn.ConvTranspose2d(3, 4, 3, padding=3), (2, 3, 2, 9), "leaves an output of (-2, 5); use less padding"),
        (
            nn.MaxPool2d(3),
            (1, 1, 2, 5),
            "a kernel of (3, 3) with dilation (1, 1) is larger than the input of (2, 5) with padding",
        ),
        (nn.AvgPool2d(2), (5,), "expected images (batch, channels, height, width) or one image, got shape (5,)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_by_name(layer, shape, message):
    model = nn.Sequential(layer)
    with pytest.raises(InputError) as error:
        model(np.zeros(shape, np.float32))
    assert message in str(error.value)
    assert str(error.value).startswith(f"{type(layer).__name__} '0'")


def test_an_empty_batch_goes_through_and_leaves_gradients_of_zero():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.MaxPool2d(2), nn.ConvTranspose2d(2, 1, 2, rng=0), nn.AvgPool2d(2))
    y = model(np.zeros((0, 1, 8, 8), np.float32))
    assert y.shape == (0, 1, 2, 2)
    y.sum().backward()
    assert all((parameter.grad == 0).all() for parameter in model.parameters())


def test_repr_says_what_is_not_by_default():
    assert repr(nn.Conv2d(1, 2, 3, padding="same")).startswith(
        "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding='same', bias=True, weight_init=XavierUniform(gain=1.0)"
    )
