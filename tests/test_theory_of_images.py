"""Tests what theory says of convolutions, layer norm and flatten against numbers worked out by hand, linear layers, and
simulated networks: plain ones on real digits, with every kind of padding and stride."""

import math

import numpy as np
import pytest

from minidl import data, flow, nn, theory
from minidl.random import Generator

DIGITS = data.digits().x_train[:8].reshape(-1, 1, 8, 8)
CIRCULAR = {"padding": 1, "padding_mode": "circular"}


def chain(*layers, signal, **options):
    return theory.propagate(layers, range(-1, len(layers) - 1), signal, **options)


def images(places, width=4, **options):
    """A signal of images that have these second moments at their places."""
    places = np.array(places, float)
    return theory.Signal(width, 0.0, float(places.mean()), places=places, **options)


def out(layer, signal):
    """The signal behind one layer."""
    return layer.propagate(theory.Incoming(signal, 1, theory.actual_moments)).out


# One layer, by hand


def test_at_edges_with_zeros_a_filter_meets_fewer_numbers():
    # Of 9 taps a corner of a 4 x 4 image meets 4, an edge 6, and fan_in var(w) is 2.
    layer = nn.Conv2d(4, 6, 3, padding=1, weight_init="he_normal", rng=0)
    ninths = np.array([[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]]) / 9
    signal = images(np.ones((1, 4, 4)))
    np.testing.assert_allclose(out(layer, signal).places[0], 2 * ninths, rtol=1e-12)
    before, behind = chain(nn.Identity(), layer, signal=signal)
    assert behind.std**2 == pytest.approx(2 * 100 / 144)
    assert before.grad_ratio**2 == pytest.approx(3 * 100 / 144)  # and back, where fan_out var(w) is 3
    for place, met in (((0, 0), 4), ((1, 2), 9)):  # of a gradient at one place only
        gradient = np.zeros((1, 6, 4, 4))
        gradient[(0, slice(None), *place)] = 1
        (before, _) = chain(nn.Identity(), layer, signal=signal, gradient=theory.input_signal(gradient, 1))
        assert before.grad_ratio**2 == pytest.approx(3 * met / 9)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        # A column each of 1, 10, 100, 1000; the variance of a weight is 1, and of a unit 2 channels are seen.
        (nn.Conv2d(2, 2, (1, 2), weight_init=nn.init.Normal(), rng=0), [2 * 11, 2 * 110, 2 * 1100]),
        (nn.Conv2d(2, 2, (1, 2), stride=(1, 2), weight_init=nn.init.Normal(), rng=0), [2 * 11, 2 * 1100]),
        (nn.Conv2d(2, 2, (1, 2), dilation=3, weight_init=nn.init.Normal(), rng=0), [2 * 1001]),
        (nn.Conv2d(2, 2, (1, 2), groups=2, weight_init=nn.init.Normal(), rng=0), [11, 110, 1100]),
        (nn.Conv2d(2, 2, (1, 2), padding="same", padding_mode="circular", weight_init=nn.init.Normal(), rng=0),
         [2 * 11, 2 * 110, 2 * 1100, 2 * 1001]),
        (nn.ConvTranspose2d(2, 2, (1, 2), weight_init=nn.init.Normal(), rng=0), [2, 2 * 11, 2 * 110, 2 * 1100, 2000]),
        # Three taps two apart: every second number gets two of them.
        (nn.ConvTranspose2d(2, 2, (1, 3), stride=(1, 2), weight_init=nn.init.Normal(), rng=0),
         [2, 2, 2 * 11, 20, 2 * 110, 200, 2 * 1100, 2000, 2000]),
        (nn.Conv2d(2, 3, 1, weight_init=nn.init.Normal(0.0, 3.0), bias_init=2.0, rng=0), [22, 184, 1804, 18004]),
    ],
    ids=lambda value: repr(value)[:75] if isinstance(value, nn.Module) else "",
)  # fmt: skip
def test_second_moments_are_convolved_with_the_variances(layer, expected):
    result = out(layer, images([[[1, 10, 100, 1000]]], 2))
    np.testing.assert_allclose(result.places[0, 0], expected, rtol=1e-12)
    assert result.square == pytest.approx(np.mean(expected))


def test_on_a_torus_a_convolution_does_what_a_linear_layer_does():
    places = Generator(0).uniform((3, 5, 6), dtype=np.float64)
    x = images(places, 8, pair=0.1, scatter=0.2)
    initializer = nn.init.VarianceScaling(1.7, "fan_in", "normal")
    convolved = [nn.Conv2d(8, 16, 3, **CIRCULAR, weight_init=initializer, bias_init=0.3, rng=0), nn.ReLU()]
    convolved.append(nn.Conv2d(16, 8, 3, **CIRCULAR, weight_init=initializer, rng=0))
    linear = [nn.Linear(8, 16, weight_init=initializer, bias_init=0.3, rng=0), nn.ReLU()]
    linear.append(nn.Linear(16, 8, weight_init=initializer, rng=0))
    plain = theory.Signal(8, 0.0, x.square, pair=0.1, scatter=0.2)
    for a, b in zip(chain(*convolved, signal=plain), chain(*linear, signal=plain), strict=True):
        assert vars(a) == pytest.approx(vars(b), rel=1e-12)  # of an image of unknown size
    for a, b in zip(chain(*convolved, signal=x), chain(*linear, signal=plain, samples=places.size), strict=True):
        assert a.std == pytest.approx(b.std, rel=0.02)  # the mean after ReLU is that of roots, not the root of the mean
        assert a.grad_ratio == pytest.approx(b.grad_ratio, rel=5e-3)
    assert chain(nn.Identity(), convolved[0], signal=x)[0].grad_ratio ** 2 == pytest.approx(1.7 * 16 / 8)
    assert out(convolved[0], x).pair == pytest.approx(1.7 * 0.1 + 0.09)


def test_a_delta_orthogonal_kernel_loses_nothing_at_edges_and_mixes_no_places():
    places = Generator(0).uniform((2, 4, 4), dtype=np.float64)
    layer = nn.Conv2d(8, 16, 3, padding=1, weight_init="delta_orthogonal", rng=0)
    np.testing.assert_allclose(out(layer, images(places, 8)).places, places / 2, rtol=1e-5)  # 8 numbers' square in 16


class PixelByPixel(nn.Module):
    """A linear layer of channels, of one's own."""

    unit_axis = 1

    def __init__(self):
        self.weight = nn.Linear(4, 3, weight_init="he_normal", rng=0).weight

    def propagate(self, signal):
        return signal.linear(self.weight, None)


def test_a_linear_layer_of_channels_leaves_each_place_by_itself():
    np.testing.assert_allclose(out(PixelByPixel(), images([[[1.0, 3.0]]])).places, [[[2.0, 6.0]]])


def test_more_places_are_more_inputs():
    # Of images whose places have nothing in common 2 x 2 are left, in 6 channels each: 2 / 6 / 4.
    layer = nn.Conv2d(4, 6, 2, stride=2, weight_init="lecun_normal", rng=0)
    assert chain(layer, signal=images(np.ones((1, 4, 4))))[0].std_spread == pytest.approx(math.sqrt(2 / 24) / 2)
    assert chain(layer, signal=images(np.ones((1, 4, 4)), pair=1.0))[0].std_spread == pytest.approx(math.sqrt(2 / 6) / 2)


def test_equal_inputs_stay_equal():
    result = out(nn.Tanh(), images([[[0.1, 9.0]]], pair=4.55))
    assert result.pair == pytest.approx(result.square)


def test_an_activation_sees_each_place_with_its_own_variance():
    """E[tanh(u)^2] for variances 0, 0.09 and 4, and E[relu(u)] = sqrt(q / (2 pi))."""
    z = np.linspace(-12, 12, 24001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    signal = images([[[0.0, 0.09, 4.0]]])
    expected = [(np.tanh(math.sqrt(q) * z) ** 2) @ density for q in (0.0, 0.09, 4.0)]
    np.testing.assert_allclose(out(nn.Tanh(), signal).places[0, 0], expected, rtol=4e-3, atol=1e-9)
    slopes = [((1 - np.tanh(math.sqrt(q) * z) ** 2) ** 2) @ density for q in (0.0, 0.09, 4.0)]
    (before, _) = chain(nn.Identity(), nn.Tanh(), signal=signal)
    assert before.grad_ratio**2 == pytest.approx(np.mean(slopes), rel=4e-3)
    relu = out(nn.ReLU(), signal)
    np.testing.assert_allclose(relu.places[0, 0], [0.0, 0.045, 2.0], rtol=1e-9)
    assert relu.mean == pytest.approx((0.3 + 2) / 3 / math.sqrt(2 * math.pi), rel=4e-3)
    for nothing in (0.0, 1e-322):
        assert out(nn.ReLU(), images(np.full((1, 2, 2), nothing))).places.tolist() == [[[0, 0], [0, 0]]]


def test_batch_norm_of_channels_takes_away_what_places_have_in_common():
    # Numbers of variance 1 around a mean of the unit whose square is 3: so 4, of which a pair shares 3. Divided by 4 - 3.
    norm = nn.BatchNorm2d(4, eps=0, weight_init=2.0, bias_init=1.0)
    result = out(norm, images(np.full((2, 3, 3), 4.0), pair=3.0))
    np.testing.assert_allclose(result.places, 4 + 1)
    # Where nothing is shared, a place that is twice as large stays so: 1 and 4 over their mean, 2.5.
    result = out(nn.BatchNorm2d(4, eps=0), images([[[1.0, 4.0]]]))
    np.testing.assert_allclose(result.places, [[[0.4, 1.6]]])
    assert result.square == pytest.approx(1)
    # Of what is shared, 1, a place that is twice as large has twice as much: 1 - 2 (2 / 3) + 1 and 4 - 2 (4 / 3) + 1.
    result = out(nn.BatchNorm2d(4, eps=0), images([[[1.0, 4.0]]], pair=1.0))
    np.testing.assert_allclose(result.places, [[[2 / 3 / 1.5, 7 / 3 / 1.5]]])
    norm.eval().running_var[...] = 16  # (x 2 / 4) + 1
    np.testing.assert_allclose(out(norm, images([[[1.0, 4.0]]])).places, [[[1.25, 2.0]]])


def test_dropout_acts_on_every_place():
    np.testing.assert_allclose(out(nn.Dropout(0.75), images([[[1.0, 4.0]]])).places, [[[4.0, 16.0]]])


def test_flatten_makes_units_of_places():
    # The relative variance of one place's square is 0.5, of which places share 0.2; over 6 places 0.2 + 0.3 / 6 is left.
    result = out(nn.Flatten(), images(np.ones((3, 2, 3)), one=0.5, shared=0.2))
    assert (result.width, result.square, result.places) == (24, 1, None)
    assert (result.one, result.shared) == (pytest.approx(0.25), 0.2)
    layers = nn.Conv2d(4, 5, 3, weight_init="he_normal", rng=0), nn.Flatten(), nn.Linear(10, 7, weight_init="he_normal", rng=0)
    conv, flat, linear = chain(*layers, signal=images(np.ones((3, 3, 4))))
    assert [conv.std**2, flat.std**2, linear.std**2] == pytest.approx([2, 2, 4])
    assert conv.grad_ratio**2 == flat.grad_ratio**2 == pytest.approx(7 * 2 / 10)  # fan_out var(w)


def test_back_through_flatten_each_place_has_units_of_its_own():
    # Two inputs' gradients have a square cosine of 0.36. In the 5 channels of a place they have it where the place is the same
    # one of 2, and otherwise 1 / 5: 0.28. So of 6 images and places 2 / 5 (0.28 + 0.72 / 6) is left to chance.
    layers = nn.Conv2d(4, 5, 1, weight_init="he_normal", rng=0), nn.Flatten(), nn.Linear(10, 7, weight_init="he_normal", rng=0)
    gradient = theory.Signal(7, 0.0, 1.0, pair=0.6)
    conv, _, _ = chain(*layers, signal=images(np.ones((3, 1, 2))), samples=3, gradient=gradient)
    assert conv.grad_spread == pytest.approx(math.sqrt(0.4 * (0.28 + 0.72 / 6)) / 2)


# Layer norm


def test_layer_norm_worked_out_by_hand():
    layer = nn.LayerNorm(5, eps=1.0)
    layer.weight.data[...], layer.bias.data[...] = [1, 2, 3, 4, 5], [0, 0, 0, 3, -1]
    # An input of mean 1 and variance 4 is divided by sqrt(4 + 1): 4/5 is left, times mean(weight^2) = 11; and mean(bias^2) = 2.
    result = out(layer, theory.Signal(5, 1.0, 5.0, pair=2.0))
    assert (result.mean, result.square, result.pair) == pytest.approx((0.4, 0.8 * 11 + 2, 11 / 5 + 2))
    first, norm = chain(nn.Identity(), layer, signal=theory.Signal(5, 1.0, 5.0))
    assert norm.std == pytest.approx(math.sqrt(10.8 - 0.16))
    # dy times the weights, less two of five directions, over sqrt(5).
    assert first.grad_ratio**2 == pytest.approx(11 * (1 - 2 / 5) / 5)
    # Where an input is larger by chance, less comes back.
    first, _ = chain(nn.Identity(), layer, signal=theory.Signal(5, 0.0, 1.0, one=0.04))
    assert first.grad_spread == pytest.approx(0.1)
    (plain,) = chain(nn.LayerNorm(5, elementwise_affine=False), signal=theory.Signal(5, 1.0, 5.0))
    assert plain.std == pytest.approx(1, rel=1e-5)


def test_the_gradient_through_layer_norm_lacks_two_directions():
    """The sum of squares of its Jacobian is (n - 2) / s^2, whatever x is, by finite differences of the formula in NumPy."""

    def normalize(x):
        return (x - x.mean()) / x.std()

    x, eps = Generator(0).normal((7,), dtype=np.float64), 1e-6
    jacobian = [(normalize(x + eps * e) - normalize(x - eps * e)) / (2 * eps) for e in np.eye(7)]
    first, _ = chain(nn.Identity(), nn.LayerNorm(7, eps=0), signal=theory.Signal(7, float(x.mean()), float((x**2).mean())))
    assert first.grad_ratio**2 == pytest.approx(np.square(jacobian).sum() / 7, rel=1e-6)


def test_layer_norm_of_images_makes_each_of_them_of_size_1():
    places = np.array([[[1.0, 3.0]], [[40.0, 40.0]]])  # of mean 2 and 40
    result = out(nn.LayerNorm((4, 1, 2), eps=0), images(places))
    np.testing.assert_allclose(result.places, [[[0.5, 1.5]], [[1.0, 1.0]]])
    first, _ = chain(nn.Identity(), nn.LayerNorm((4, 1, 2), eps=0), signal=images(places))
    assert first.grad_ratio**2 == pytest.approx((1 / 2 + 1 / 40) / 2 * (1 - 2 / 8))


# Where the theory does not reach


@pytest.mark.parametrize(
    "layer",
    [
        nn.MaxPool2d(2),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(5, 4, 3),
        nn.Conv2d(4, 4, 3, weight_init=0.1, rng=0),
        nn.ConvTranspose2d(5, 4, 3),
        nn.LayerNorm(4),  # along the width of the images, which happens to be the number of channels
        nn.LayerNorm((4, 4)),
        nn.LayerNorm((5, 4, 4)),
        nn.Residual(nn.Conv2d(4, 4, 3, padding=1)),
    ],
    ids=str,
)
def test_where_the_theory_of_images_does_not_reach_it_says_nothing(layer):
    before, at, after = chain(nn.Tanh(), layer, nn.Tanh(), signal=images(np.ones((2, 4, 4))))
    assert before.std is not None
    assert at.std is at.std_spread is after.std is before.grad_ratio is None


@pytest.mark.parametrize(
    ("options", "known"),
    [
        (CIRCULAR, True),
        ({"padding": "same", "padding_mode": "circular"}, True),
        ({"padding": 2, "dilation": 2, "padding_mode": "circular"}, True),
        ({"padding": 2, "padding_mode": "circular"}, False),  # here edges are met more often
        ({"padding": 1}, False),
        ({}, False),
    ],
)
def test_without_data_a_convolution_is_predicted_where_the_size_of_the_image_does_not_matter(options, known):
    model = nn.Sequential(nn.Conv2d(3, 8, 3, **options, weight_init="he_normal", rng=0), nn.ReLU())
    predictions = flow.predict(model)
    assert [p.std is not None for p in predictions.values()] == [known] * 2
    assert not known or predictions["0"].std == pytest.approx(math.sqrt(2))
    for padding in (0, "valid", "same"):
        assert flow.predict(nn.Conv2d(3, 8, 1, padding=padding, weight_init="lecun_normal", rng=0))[""].std == pytest.approx(1)
    assert flow.predict(nn.Conv2d(3, 8, 1, padding=1, rng=0))[""].std is None
    assert flow.predict(nn.ConvTranspose2d(3, 8, 2, stride=2, rng=0))[""].std is None


# Simulated networks


def plain(activation, initializer, rng, depth=3, **options):
    layers, channels = [], 1
    for _ in range(depth):
        layers += [nn.Conv2d(channels, 24, 3, weight_init=initializer, rng=rng, **options), activation()]
        channels = 24
    return nn.Sequential(*layers)


def up_and_down(activation, initializer, rng, **options):
    first = nn.Conv2d(1, 24, 3, stride=2, padding=1, weight_init=initializer, rng=rng)
    up = nn.ConvTranspose2d(24, 24, 3, stride=2, weight_init=initializer, rng=rng)
    grouped = nn.Conv2d(24, 24, 3, groups=2, weight_init=initializer, rng=rng)
    return nn.Sequential(first, activation(), up, activation(), grouped, activation())


def flat(activation, initializer, rng, **options):
    norm, head = nn.LayerNorm((24, 8, 8)), nn.Linear(24 * 64, 10, weight_init=initializer, rng=rng)
    first, second = plain(activation, initializer, rng, 2, **options)[::2]
    return nn.Sequential(first, norm, activation(), second, activation(), nn.Flatten(), head)


NETWORKS = {
    "on a torus": (plain, CIRCULAR),
    "zeros at edges": (plain, {"padding": 1}),
    "no padding": (plain, {}),
    "strides": (plain, {"stride": 2, "padding": 1}),
    "transposed and grouped": (up_and_down, {}),
    "layer norm and flatten": (flat, {"padding": 1}),
}


@pytest.mark.parametrize("initializer", ["lecun_normal", "he_normal"])
@pytest.mark.parametrize("name", NETWORKS)
def test_theory_agrees_with_random_convolutional_networks_on_digits(name, initializer):
    """Over 16 networks the mean of the squares that are measured is within four standard errors and 5 % of theory, which is of
    first order; and networks stray no further than the spread, with four errors of 1 / sqrt(32) of it: it is an upper bound,
    for places are taken to scatter as they did before filters averaged them."""
    make, options = NETWORKS[name]
    activation = nn.Tanh if initializer == "lecun_normal" else nn.ReLU
    forward, backward, deviations = [], [], []
    for seed in range(16):
        model = make(activation, initializer, Generator(seed), **options)
        head = Generator(100 + seed).normal(model(DIGITS).shape)
        report = list(flow.measure(model, DIGITS, loss=lambda y, head=head: (y * head).sum()))
        forward.append([(record.out_std / record.predicted_std) ** 2 for record in report])
        backward.append([(record.grad_ratio / record.predicted_grad_ratio) ** 2 for record in report[:-1]])
        known = [record for record in report[:-1] if record.std_spread]
        deviations.append([d for record in known for d in (record.std_deviation, record.grad_deviation)])
    for ratios in (np.array(forward), np.array(backward)):
        assert (np.abs(ratios.mean(axis=0) - 1) < 4 * ratios.std(axis=0, ddof=1) / math.sqrt(16) + 0.05).all()
    assert np.array(deviations).std(axis=0).max() < 1 + 4 / math.sqrt(32)
