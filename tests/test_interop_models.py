"""Whole models to PyTorch and back, to ONNX, to scikit-learn; arrays of pandas and polars; safetensors. Each skipped where the
other library is not installed: pip install -e ".[interop]" brings all of them."""

import warnings

import numpy as np
import pytest

import minidl
from minidl import Tensor, flow, nn, optim
from minidl.interop import from_torch, to_onnx, to_torch
from minidl.random import Generator


def dense(dtype=np.float32):
    made = {"rng": Generator(1), "dtype": dtype}
    branch = nn.Sequential(nn.Linear(8, 8, **made), nn.Tanh())
    return nn.Sequential(
        nn.Linear(6, 8, weight_init="orthogonal", bias_init=0.1, **made), nn.BatchNorm1d(8, dtype=dtype), nn.LeakyReLU(0.2),
        nn.Sequential(nn.Linear(8, 8, bias=False, **made), nn.LayerNorm(8, dtype=dtype), nn.GELU(), nn.Dropout(0.3)),
        nn.Residual(branch, scale_init=0.5, **made), nn.ELU(0.7), nn.SELU(), nn.SiLU(), nn.Softplus(), nn.Sigmoid(),
        nn.Identity(), nn.Linear(8, 4, **made), nn.LogSoftmax(),
    )  # fmt: skip


def images():
    rng = Generator(2)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, rng=rng), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 4, (3, 2), padding="same", dilation=2, groups=2, rng=rng), nn.MaxPool2d(3, 1, 1),
        nn.Conv2d(4, 6, 3, padding=2, padding_mode="circular", bias=False, rng=rng),
        nn.AvgPool2d(2, padding=1, count_include_pad=False),
        nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2, rng=rng),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3, rng=rng), nn.Softmax(),
    )  # fmt: skip


def trained(model, x):
    """After a step, so that running statistics and weights are no longer the first ones; and in eval mode."""
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    (model(x) ** 2).sum().backward()
    optimizer.step()
    return model.eval()


def words():
    return nn.Sequential(nn.Embedding(11, 5, rng=3), nn.Linear(5, 2, rng=4))


X = Generator(5).normal((7, 6))
IMAGES = Generator(6).normal((3, 2, 9, 8))
WORDS = np.array([[1, 10, 0], [3, 3, 7]])
CASES = [(dense, X), (images, IMAGES), (words, WORDS), (lambda: nn.Linear(6, 2, rng=0), X)]
IDS = ["dense", "images", "words", "one layer"]


@pytest.mark.parametrize(("make", "x"), CASES, ids=IDS)
def test_models_go_to_torch_and_come_back(make, x):
    torch = pytest.importorskip("torch")
    model = make() if x is WORDS else trained(make(), x)
    theirs = to_torch(model)
    expected = model(x).data
    with torch.no_grad():
        np.testing.assert_allclose(theirs(torch.from_numpy(x)).numpy(), expected, rtol=2e-5, atol=2e-6)
    if make is not dense:  # PyTorch has no Residual
        back = from_torch(theirs)
        assert (back(x).data == expected).all()
        assert back.state_dict().keys() == model.state_dict().keys()
        assert [module.training for module in back.modules()] == [module.training for module in model.modules()]


def test_training_goes_on_in_torch_as_it_would_here():
    torch = pytest.importorskip("torch")
    model = nn.Sequential(
        nn.Linear(6, 8, rng=0, dtype=np.float64),
        nn.BatchNorm1d(8, dtype=np.float64),
        nn.Tanh(),
        nn.Linear(8, 2, rng=1, dtype=np.float64),
    )
    theirs, x = to_torch(model), X.astype(np.float64)
    ours = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    other = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        ours.zero_grad()
        (model(x) ** 2).mean().backward()
        ours.step()
        other.zero_grad()
        (theirs(torch.from_numpy(x)) ** 2).mean().backward()
        other.step()
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name], value.numpy(), rtol=1e-12, atol=1e-15)


def test_a_layer_that_is_there_twice_is_one_layer_in_torch_too():
    pytest.importorskip("torch")
    shared = nn.Linear(6, 6, rng=0)
    theirs = to_torch(nn.Sequential(shared, nn.Tanh(), shared))
    assert theirs[0] is theirs[2]
    back = from_torch(theirs)
    assert back[0] is back[2]


def test_what_cannot_be_translated_is_refused_by_name():
    torch = pytest.importorskip("torch")

    class Mine(nn.Module):
        def forward(self, x):
            return x

    with pytest.raises(TypeError, match="to_torch: Mine '1' is not one of the layers that both libraries have"):
        to_torch(nn.Sequential(nn.Linear(2, 2), Mine()))
    block = torch.nn.Sequential(torch.nn.Bilinear(2, 2, 2))
    with pytest.raises(TypeError, match=r"from_torch: Bilinear '1\.0'"):
        from_torch(torch.nn.Sequential(torch.nn.Tanh(), block))
    refused = {"ceil_mode=True": torch.nn.MaxPool2d(2, ceil_mode=True), "approximate='tanh'": torch.nn.GELU("tanh")}
    for option, layer in (refused | {"start_dim=0": torch.nn.Flatten(0)}).items():
        with pytest.raises(ValueError, match=option):
            from_torch(torch.nn.Sequential(layer))


@pytest.mark.parametrize(("make", "x"), CASES, ids=IDS)
def test_onnxruntime_computes_what_the_model_does(make, x, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    model = make() if x is WORDS else trained(make(), x).train()
    model.train()
    to_onnx(model, x, tmp_path / "model.onnx")
    assert all(module.training for module in model.modules())
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    model.eval()
    for some in (x, x[:1], np.concatenate([x, x])):
        (found,) = session.run(None, {"input": some})
        np.testing.assert_allclose(found, model(some).data, rtol=2e-5, atol=2e-6)


def test_what_onnx_cannot_say_is_refused_and_no_file_is_left(tmp_path):
    pytest.importorskip("onnx")

    class Mine(nn.Module):
        def forward(self, x):
            return x

    for model, error, message in [
        (nn.Sequential(nn.Identity(), Mine()), TypeError, "Mine '1' is not one of minidl's own layers"),
        (nn.Sequential(nn.AdaptiveAvgPool2d(2)), ValueError, "AdaptiveAvgPool2d '0' makes images of size"),
        (nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False)), ValueError, "BatchNorm2d '0' has no running statistics"),
    ]:
        with pytest.raises(error, match=message):
            to_onnx(model, IMAGES, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_scikit_learns_own_checks():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    from minidl.interop.scikit_learn import NetworkClassifier

    with warnings.catch_warnings(action="ignore"):
        found = checks.check_estimator(NetworkClassifier(epochs=30), on_fail=None)
    assert [check["check_name"] for check in found if check["status"] == "failed"] == []
    assert sum(check["status"] == "passed" for check in found) > 40


def test_a_search_over_initializers_in_a_pipeline():
    pytest.importorskip("sklearn")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from minidl.interop.scikit_learn import NetworkClassifier

    x, y, *_ = minidl.data.digits()
    network = make_pipeline(StandardScaler(), NetworkClassifier((32, 32), epochs=8, random_state=0))
    grid = {"networkclassifier__weight_init": ["zeros", "xavier_normal"]}
    search = GridSearchCV(network, grid, cv=2).fit(x[:400], y[:400])
    assert search.best_params_ == {"networkclassifier__weight_init": "xavier_normal"}
    assert search.best_score_ > 0.8
    assert len(flow.measure(search.best_estimator_[-1].model_, x[:50])) == 5
    with pytest.raises(ValueError, match=r"activation must be one of tanh, .*; did you mean 'relu'"):
        NetworkClassifier(activation="rleu").fit(x[:9], y[:9])


def test_a_state_dict_through_safetensors(tmp_path):
    files = pytest.importorskip("safetensors.numpy")
    model = dense()
    files.save_file(model.state_dict(), tmp_path / "model.safetensors")
    other = dense().initialize(rng=9)
    other.load_state_dict(files.load_file(tmp_path / "model.safetensors"))
    for name, value in model.state_dict().items():
        assert (other.state_dict()[name] == value).all()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_keep_their_numbers(library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({"a": [1.0, 0.1], "b": [3.5, 4.0]})
    assert Tensor(frame["a"]).dtype == np.float64
    assert (Tensor(frame["a"]).data == [1.0, 0.1]).all()
    assert Tensor(frame).shape == (2, 2)
    nullable = frames.Series([1.0, None], dtype="Float64") if library == "pandas" else frames.Series([1, None])
    with pytest.raises(TypeError, match="1 of this Series are missing: fill or drop those"):
        Tensor(nullable)
    with pytest.raises(TypeError, match="1 of this DataFrame are missing"):
        Tensor(frames.DataFrame({"a": [1.0, None], "b": [1.0, 2.0]}))
    assert Tensor(frames.Series([1.0, 2.5])).shape == (2,)
