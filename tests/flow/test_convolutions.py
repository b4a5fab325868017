"""Tests `measure`, `watch` and `diagnose` on convolutional networks: their units are channels; what fails is found, and the
line that is proposed fixes it; healthy networks have no fault."""

import copy

import numpy as np
import pytest

from minidl import data, flow, init, nn
from minidl import functional as F
from minidl.random import Generator

DIGITS = data.digits()
X, Y = DIGITS.x_train[:32].reshape(-1, 1, 8, 8), DIGITS.y_train[:32]
CIRCULAR = {"padding": 1, "padding_mode": "circular"}


def lenet(activation=nn.ReLU, initializer="he_normal", pool=nn.MaxPool2d, seed=0):
    """Conv2d '0', activation '1', pool '2', Conv2d '3', activation '4', pool '5', Flatten '6', Linear '7', '9', '11'."""
    rng = Generator(seed)
    options = {"weight_init": initializer, "rng": rng}
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=1, **options), activation(), pool(2)),
        *(nn.Conv2d(6, 16, 3, padding=1, **options), activation(), pool(2), nn.Flatten()),
        *(nn.Linear(64, 40, **options), activation(), nn.Linear(40, 20, **options), activation(), nn.Linear(20, 10, rng=rng)),
    )


def deep(activation=nn.Tanh, initializer="lecun_normal", depth=12, norm=None, **options):
    rng, layers, channels = Generator(0), [], 1
    for _ in range(depth):
        layers.append(nn.Conv2d(channels, 8, 3, weight_init=initializer, rng=rng, **(options or CIRCULAR)))
        layers += [norm(), activation()] if norm else [activation()]
        channels = 8
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 64, 10, rng=rng))


def shrinking(seed=0):
    rng, layers, channels = Generator(seed), [], 1
    for more in (8, 16, 32, 64):
        layers += [nn.Conv2d(channels, more, 3, stride=2, padding=1, weight_init="he_normal", rng=rng), nn.ReLU()]
        channels = more
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 10, rng=rng))


def residual(norm=True, scale_init=None, last="he_normal", depth=4):
    rng = Generator(0)

    def branch():
        first, second = (nn.Conv2d(8, 8, 3, padding=1, weight_init=spec, rng=rng) for spec in ("he_normal", last))
        layers = [first, *[nn.BatchNorm2d(8)] * norm, nn.ReLU(), second, *[nn.BatchNorm2d(8)] * norm]
        return nn.Residual(nn.Sequential(*layers), scale_init=scale_init)

    blocks = [layer for _ in range(depth) for layer in (branch(), nn.ReLU())]
    first = nn.Conv2d(1, 8, 3, padding=1, weight_init="he_normal", rng=rng)
    return nn.Sequential(first, nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10, rng=rng))


def averaging(seed=0, size=1):
    """A mean over all places of an image, and two linear layers behind it."""
    rng = Generator(seed)
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1, weight_init="he_normal", rng=rng), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1, weight_init="he_normal", rng=rng), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(size), nn.Flatten(), nn.Linear(16 * size**2, 32, weight_init="he_normal", rng=rng), nn.ReLU()),
        nn.Linear(32, 10, rng=rng),
    )


# Units


def test_the_units_of_images_are_their_channels():
    model = nn.Sequential(nn.Conv2d(1, 5, 3, rng=0), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    model[1].weight.data[:2], model[1].bias.data[:2] = 0, -1
    report = flow.measure(model, X, loss=lambda y: y.sum())
    assert [record.units for record in report] == [5, 5, 5, 5, 5 * 9]
    assert report["2"].dead == pytest.approx(2 / 5)
    assert report["2"].saturated >= 2 / 5
    with flow.watch(model, every=1) as w:
        model(X).sum().backward()
    assert w.units == [5, 5, 5, 5, 45]
    assert w.curves["dead"][0, 2] == pytest.approx(2 / 5)
    assert w.curves["distinct_units"][0].tolist() == pytest.approx([5, *[np.nan] * 4], nan_ok=True)


def test_four_axes_are_not_images_where_a_linear_layer_made_them():
    model = nn.Sequential(nn.Linear(4, 5, rng=0), nn.Tanh())
    x = Generator(0).normal((2, 3, 6, 4))
    assert [record.units for record in flow.measure(model, x)] == [5, 5]
    with flow.watch(model, every=1) as w:
        model(x).sum().backward()
    assert w.units == [5, 5]
    assert flow.measure(nn.Tanh(), X)[""].units == 1  # of images that come first


def with_equal(layer, *places):
    """The layer, where the weights at these places are alike."""
    for place in places:
        layer.weight.data[place] = 0.5
    return layer


@pytest.mark.parametrize(
    ("layer", "shape", "distinct"),
    [
        (nn.Conv2d(3, 6, 3, rng=0), (2, 3, 5, 5), 6),
        (with_equal(nn.Conv2d(3, 6, 3, rng=0), slice(0, 3)), (2, 3, 5, 5), 4),
        # Equal filters of two groups see different channels, and are not clones; those of one group are.
        (nn.Conv2d(4, 6, 3, groups=2, weight_init=0.1), (2, 4, 5, 5), 2),
        (nn.Conv2d(4, 4, 3, groups=4, weight_init="dirac"), (2, 4, 5, 5), 4),
        (nn.ConvTranspose2d(4, 4, 4, groups=4, weight_init="bilinear"), (2, 4, 5, 5), 4),
        # The outputs of a transposed convolution are on its weight's second axis: 3 units, of which two are alike.
        (with_equal(nn.ConvTranspose2d(5, 3, 3, rng=0), (slice(None), slice(0, 2))), (2, 5, 4, 4), 2),
        (with_equal(nn.ConvTranspose2d(4, 6, 3, groups=2, rng=0), (slice(2, 4), slice(0, 2))), (2, 4, 4, 4), 5),
    ],
    ids=range(7),
)
def test_distinct_units_of_convolutions(layer, shape, distinct):
    record = flow.measure(layer, Generator(0).normal(shape))[""]
    assert record.units == layer.out_channels
    assert (record.distinct_units, record.nearly_distinct_units) == (distinct, distinct)


def test_a_bias_tells_filters_of_a_group_apart():
    layer = nn.ConvTranspose2d(4, 6, 3, groups=2, weight_init=0.1, bias_init=[0.0, 0.0, 1.0, 0.0, 1.0, 2.0])
    assert flow.measure(layer, np.ones((1, 4, 3, 3), np.float32))[""].distinct_units == 2 + 3


def test_an_embedding_has_the_units_that_it_outputs_and_a_scale_has_none():
    embedding = nn.Embedding(7, 3, rng=0)
    embedding.weight.data[:, 1] = embedding.weight.data[:, 0]
    record = flow.measure(embedding, np.array([[0, 5], [6, 2]]))[""]
    assert (record.units, record.distinct_units) == (3, 2)
    norm = nn.LayerNorm((4, 5))
    assert flow.measure(norm, np.arange(40.0, dtype=np.float32).reshape(2, 4, 5))[""].distinct_units is None


def test_measured_and_predicted_agree_on_digits_behind_batch_norm_and_flatten():
    model = deep(nn.ReLU, "he_normal", 4, lambda: nn.BatchNorm2d(8), padding=1)
    report = flow.measure(model, X, Y)
    for record in report:
        assert record.out_std == pytest.approx(record.predicted_std, rel=0.3), record.name
        assert record.grad_ratio == pytest.approx(record.predicted_grad_ratio, rel=0.3), record.name
    # How far a batch norm's variances stray is not known of images: how far the gradient does before it is not said.
    assert [record.grad_spread is None for record in report] == [True] * 10 + [False] * 4


def test_pooling_ends_the_prediction():
    report = flow.measure(lenet(), X, Y)
    assert [record.predicted_std is not None for record in report] == [True] * 2 + [False] * 10
    assert [record.predicted_grad_ratio is not None for record in report] == [False] * 11 + [True]


# Faults


def the_only(model, symptom, layers):
    """The finding, after seeing that it is alone, and that its line fixes it."""
    diagnosis = flow.diagnose(model, X, Y)
    assert [(finding.symptom, finding.layers) for finding in diagnosis] == [(symptom, layers)]
    fixed = copy.deepcopy(model)
    exec(diagnosis[0].remedy, {"model": fixed, "nn": nn, "init": init})
    assert not flow.diagnose(fixed, X, Y), diagnosis[0].remedy
    return diagnosis[0]


def changed(model, place, **values):
    for name, value in values.items():
        getattr(model[place], name).data[...] = value
    return model


def test_filters_that_are_zero_or_constant_are_clones():
    finding = the_only(changed(lenet(), 3, weight=0), "clones", ("3",))
    assert "1 distinct of 16 units" in finding.evidence
    assert "they stay clones" in finding.evidence
    assert "they pass on one number" in the_only(changed(lenet(), 3, weight=0.1), "clones", ("3",)).evidence
    finding = the_only(lenet(initializer="zeros"), "clones", ("0", "3", "7", "9"))
    assert finding.evidence.startswith("layers '0', '3', '7', '9': 1 distinct of 6 units")


def test_filters_that_stay_alike_are_clones():
    model = shrinking()
    model[2].weight.data[8:] = model[2].weight.data[:8]
    assert not flow.diagnose(model, X, Y)  # the next layer tells them apart
    model[4].weight.data[:, 8:] = model[4].weight.data[:, :8]
    assert "8 distinct of 16 units" in the_only(model, "clones", ("2",)).evidence


def test_interpolation_channel_by_channel_is_not_a_fault():
    up = nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1, groups=8, weight_init="bilinear", bias=False)
    model = nn.Sequential(shrinking()[:2], up, nn.Flatten(), nn.Linear(8 * 64, 10, rng=0))
    assert not flow.diagnose(model, X, Y)


def test_dead_and_saturated_channels_are_found():
    assert "16 of 16 units have slope 0" in the_only(changed(lenet(), 3, bias=-50), "dead", ("4",)).evidence
    model = lenet(nn.Tanh, "xavier_uniform")
    the_only(changed(model, 3, weight=200 * model[3].weight.data), "saturated", ("4",))


def test_images_that_are_too_large_are_normalized_channel_by_channel():
    model = nn.Sequential(nn.Tanh(), nn.Conv2d(3, 8, 3, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10, rng=0))
    images = 1000 * Generator(0).normal((32, 3, 8, 8))
    (finding,) = flow.diagnose(model, images, Y)
    assert finding.remedy == "model[0] = nn.Sequential(nn.BatchNorm2d(3), model[0])"
    exec(finding.remedy)
    assert not flow.diagnose(model, images, Y)


def test_a_deep_convolutional_network_vanishes_or_explodes_as_a_linear_one_does():
    places = tuple(str(2 * i) for i in range(12))
    finding = the_only(deep(initializer=init.HeUniform(5**0.5)), "vanishing", places)
    # Each layer multiplies the square by 1/3, and tanh by a little less: theory says it, too.
    assert "(theory, with these initializers: by a factor of 0.00" in finding.evidence
    assert finding.remedy == 'model.initialize(rng=0, rules={"Conv2d.weight": "lecun_normal"})'
    the_only(deep(nn.ReLU, init.VarianceScaling(6.0)), "exploding", places)


def test_a_last_layer_that_is_too_large_is_found_by_the_first_loss():
    model = lenet()
    assert the_only(changed(model, 11, weight=50 * model[11].weight.data), "loss", ("11",))


def test_scores_of_each_pixel_are_judged_by_their_number_of_classes():
    """The scores of 10 classes of 8 x 8 pixels are of shape (batch, 10, 8, 8)."""
    labels = (X[:, 0] * 9).astype(int)
    for std, symptoms in ((0.1, []), (9.0, ["loss"])):
        model = nn.Sequential(nn.Conv2d(1, 10, 3, padding=1, weight_init=init.Normal(0, std), rng=0))
        diagnosis = flow.diagnose(model, X, labels)
        assert [finding.symptom for finding in diagnosis] == symptoms
        assert not symptoms or "equal scores for 10 classes" in diagnosis[0].evidence


@pytest.mark.parametrize(
    "model",
    [
        *(lenet(*arguments, pool, seed=1) for pool in (nn.MaxPool2d, nn.AvgPool2d)
          for arguments in ((nn.ReLU, "he_normal"), (nn.Tanh, "xavier_uniform"))),
        *(lenet(nn.ReLU, init.presets.pytorch["Conv2d.weight"], pool) for pool in (nn.MaxPool2d, nn.AvgPool2d)),
        *(shrinking(seed) for seed in range(3)),
        deep(), deep(padding=1), deep(initializer="delta_orthogonal"), deep(nn.ReLU, "he_normal"),
        deep(nn.ReLU, "he_normal", norm=lambda: nn.BatchNorm2d(8)), deep(norm=lambda: nn.LayerNorm((8, 8, 8))),
        residual(), residual(norm=False), residual(False, 0.0), residual(False, last="zeros"),
        averaging(), averaging(1), averaging(size=2),
    ],
    ids=range(22),
)  # fmt: skip
def test_healthy_convolutional_networks_have_no_fault(model):
    assert str(flow.diagnose(model, X, Y)) == "No fault found."


@pytest.mark.parametrize("norm", [lambda: nn.BatchNorm2d(8), lambda: nn.LayerNorm((8, 8, 8))])
def test_before_a_normalization_the_scale_of_the_filters_is_not_a_fault(norm):
    model = deep(norm=norm, depth=3)
    assert not flow.diagnose(changed(model, 0, weight=1e4 * model[0].weight.data), X, Y)


def test_the_shares_of_a_mean_over_many_places_are_not_a_vanishing_gradient():
    """Of 32 x 32 places each gets 1/1024, so the norm's square falls by ln 1024 = 6.9, which is more than 6."""
    images = np.repeat(np.repeat(X[:16], 4, axis=2), 4, axis=3)
    assert not flow.diagnose(averaging(), images, Y[:16])


# Residual blocks


def test_a_residual_block_of_convolutions_adds_to_what_comes_in():
    branch = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, weight_init="dirac"), nn.ReLU())
    block = nn.Residual(branch, scale_init=0.5)
    x = Generator(0).normal((2, 2, 4, 4))
    np.testing.assert_allclose(block(x).data, x + 0.5 * np.maximum(x, 0), rtol=1e-6)
    with pytest.raises(nn.module.InputError, match=r"adds its input .* \(2, 2, 4, 4\) and \(2, 3, 2, 2\)"):
        nn.Residual(nn.Conv2d(2, 3, 3))(x)


def test_the_branch_of_a_residual_block_is_measured_and_watched():
    model = residual(depth=1)
    report = flow.measure(model, X, Y)
    assert [record.name for record in report][2:8] == [f"2.branch.{i}" for i in range(5)] + ["3"]
    assert report["2.branch.0"].predicted_std is not None  # it takes what the layer before it outputs
    assert report["3"].predicted_std is None  # but the sum is not a layer
    with flow.watch(model, every=1) as w:
        F.cross_entropy(model(X), Y).backward()
    assert w.units[:8] == [8] * 8


def test_a_zero_branch_passes_the_signal_and_the_gradient_unchanged():
    blocks = [nn.Residual(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, weight_init=0), nn.Tanh())) for _ in range(2)]
    model = nn.Sequential(nn.Conv2d(1, 8, 3, rng=0, padding=1), *blocks, nn.Identity(), nn.Flatten(), nn.Linear(512, 10, rng=0))
    report = flow.measure(model, X, Y)
    assert (report["0"].out_std, report["0"].grad_std) == (report["3"].out_std, report["3"].grad_std)
