"""Tests LayerNorm against hand-worked numbers, and BatchNorm2d against BatchNorm1d of the same numbers in rows."""

import numpy as np
import pytest

from minidl import Tensor, gradcheck, nn
from minidl import functional as F


def test_each_sample_gets_mean_0_and_variance_1_whatever_the_others_are():
    # 1, 3, 8: mean 4, deviations -3, -1, 4, mean square 26/3.
    expected = np.array([-3, -1, 4]) / (26 / 3) ** 0.5
    y = nn.LayerNorm(3, eps=0, dtype=np.float64)(np.array([[1.0, 3.0, 8.0], [1000.0, 3000.0, 8000.0]]))
    np.testing.assert_allclose(y.data, [expected, expected], rtol=1e-14)


def test_constants_are_exactly_0_also_where_the_mean_is_rounded():
    assert not F.layer_norm(np.full((2, 199), 1000.1, np.float32), (199,)).data.any()


@pytest.mark.parametrize("dims", [(4,), (3, 4), (2, 3, 4)])
def test_gradients_are_difference_quotients(dims):
    rng = np.random.default_rng(0)
    x, weight, bias = (Tensor(rng.normal(size=shape), requires_grad=True) for shape in ((2, 3, 4), dims, dims))
    assert gradcheck(lambda x, w, b: F.layer_norm(x, dims, w, b), [x, weight, bias])


def test_the_parameters_are_those_that_are_asked_for():
    assert set(nn.LayerNorm(3).state_dict()) == {"weight", "bias"}
    assert set(nn.LayerNorm(3, bias=False).state_dict()) == {"weight"}
    assert not nn.LayerNorm((2, 3), elementwise_affine=False).state_dict()
    assert nn.LayerNorm((2, 3), weight_init=0.5).weight.data.tolist() == [[0.5] * 3] * 2


@pytest.mark.parametrize("shape", [(3,), (2, 4), ()])
def test_another_shape_is_an_error_that_names_the_layer(shape):
    with pytest.raises(ValueError, match=r"LayerNorm.*over \(3, 4\) expects input of shape \(\.\.\., 3, 4\), got"):
        nn.LayerNorm((3, 4))(np.zeros(shape, np.float32))


def test_a_variance_that_overflows_is_an_error_and_infinity_goes_through():
    with pytest.raises(ValueError, match=r"^LayerNorm cannot go on: .* variance of a sample overflows float32.*2e\+30"):
        nn.LayerNorm(2)(np.array([[1, 2], [1e30, 2e30]], np.float32))
    with np.errstate(invalid="ignore"):
        y = nn.LayerNorm(2)(np.array([[1, 2], [np.inf, 0]], np.float32))
    assert np.isnan(y.data).tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize("shape", [0, (), (2, -1), 2.5])
def test_a_shape_that_cannot_be_is_an_error(shape):
    with pytest.raises(ValueError, match="LayerNorm: normalized_shape must be a positive integer"):
        nn.LayerNorm(shape)


def test_batch_norm_of_images_is_that_of_their_pixels_as_rows():
    images = np.random.default_rng(0).normal(3, 2, size=(4, 3, 5, 2)).astype(np.float32)
    two, one = nn.BatchNorm2d(3), nn.BatchNorm1d(3)
    rows = images.transpose(0, 2, 3, 1).reshape(-1, 3)
    for _ in range(2):
        np.testing.assert_array_equal(two(images).data.transpose(0, 2, 3, 1).reshape(-1, 3), one(rows).data)
    np.testing.assert_array_equal(two.running_var, one.running_var)
    assert set(two.state_dict()) == set(one.state_dict())


def test_batch_norm_of_images_takes_images_alone():
    with pytest.raises(ValueError, match=r"BatchNorm2d expects input of shape \(batch, 3, height, width\), got \(4, 3\)"):
        nn.BatchNorm2d(3)(np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="BatchNorm2d: num_features must be a positive integer"):
        nn.BatchNorm2d(0)
