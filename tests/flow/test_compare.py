"""Tests a comparison against trainings done by hand, and its table against curves made up."""

import numpy as np
import pytest

from minidl import data, flow, init, nn, no_grad, optim
from minidl import functional as F
from minidl.random import Generator

SPIRALS = data.spirals(40, rng=0)
SPLIT = (SPIRALS[0][::2], SPIRALS[1][::2], SPIRALS[0][1::2], SPIRALS[1][1::2])


def small():
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 3))


def relu():
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))


def compared(initializers, **options):
    return flow.compare(initializers, SPLIT, **({"epochs": 3, "seeds": 2, "model": small(), "batch_size": 16} | options))


def test_a_run_is_the_training_that_one_would_write():
    result = compared({"xavier": "xavier_normal"}, seeds=[7], lr=0.2)
    model = small().initialize(rng=7, rules={"*.weight": "xavier_normal"})
    optimizer = optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    loader = data.DataLoader(SPLIT[:2], 16, shuffle=True, rng=Generator(7).stream("compare.batches"))
    for epoch in range(4):
        with no_grad():
            assert result.losses["xavier"][0, epoch] == F.cross_entropy(model(SPLIT[0]), SPLIT[1]).item()
            assert result.accuracies["xavier"][0, epoch] == np.mean(model(SPLIT[2]).data.argmax(axis=1) == SPLIT[3])
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()


def test_the_same_call_gives_the_same_numbers_and_another_seed_others():
    a, b = (compared({"xavier": "xavier_normal"}) for _ in range(2))
    assert a.losses["xavier"].tolist() == b.losses["xavier"].tolist()
    assert a.seeds == [0, 1]
    assert a.losses["xavier"][0].tolist() != a.losses["xavier"][1].tolist()


def test_joblib_may_train_several_at_a_time_with_the_same_bits():
    joblib = pytest.importorskip("joblib")
    initializers = {"xavier": "xavier_normal", "own": lambda shape, rng: rng.normal(shape), "huge": init.Normal(0, 1e25)}
    expected = compared(initializers, model=relu())
    with joblib.parallel_config(backend="threading", n_jobs=3):
        result = compared(initializers, model=relu())
    assert str(result) == str(expected)
    for name in initializers:
        assert result.losses[name].tobytes() == expected.losses[name].tobytes()
        assert result.accuracies[name].tobytes() == expected.accuracies[name].tobytes()


def test_an_error_in_training_is_raised():
    with pytest.raises(ValueError, match="Linear '0' expects input of shape"):
        compared({"xavier": "xavier_normal"}, model=nn.Sequential(nn.Linear(3, 3)))


def test_an_initializer_may_be_rules_or_a_model():
    model = nn.Sequential(
        nn.Linear(2, 16, weight_init="xavier_normal"), nn.Tanh(), nn.Linear(16, 3, weight_init="xavier_normal")
    )
    initializers = {
        "name": "xavier_normal",
        "initializer": init.XavierNormal(),
        "function": lambda shape, rng: rng.normal(shape, 0, (2 / sum(shape)) ** 0.5),
        "rules": {"*.weight": "xavier_normal"},
        "pairs": [("*.weight", "xavier_normal")],
        "model": model,
    }
    result = compared(initializers)
    assert list(result.losses) == list(initializers)
    for name in initializers:
        np.testing.assert_allclose(result.losses[name][:, 0], result.losses["name"][:, 0], rtol=1e-5, err_msg=name)


def test_models_stay_as_they_were():
    model = small()
    before = model.state_dict()
    compared({"a": "he_normal", "b": model}, model=model)
    assert all((before[name] == value).all() for name, value in model.state_dict().items())


def test_batch_norm_is_judged_in_evaluation_mode():
    model = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 3))
    result = compared({"with": model}, seeds=[0], epochs=1)
    expected = model.initialize(rng=0).eval()
    with no_grad():
        assert result.losses["with"][0, 0] == F.cross_entropy(expected(SPLIT[0]), SPLIT[1]).item()


def test_on_digits_xavier_is_better_than_zeros_by_far():
    result = flow.compare({"zeros": "zeros", "xavier": "xavier_uniform"}, epochs=4, seeds=2)
    assert result.ranking == ["xavier", "zeros"]
    assert result.accuracies["xavier"][:, -1].min() > 0.9
    assert result.losses["zeros"][:, -1] == pytest.approx(np.log(10), abs=0.01)
    lines = str(result).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["1", "xavier"], ["2", "zeros"]]
    assert lines[2].endswith("never")


def test_a_training_that_diverges_is_said_to_and_ranks_last():
    result = compared({"huge": init.Normal(0, 1e25), "xavier": "xavier_normal"}, model=relu())  # 1e50 overflows
    assert np.isnan(result.losses["huge"]).all()
    assert not result.accuracies["huge"].any()
    assert str(result).splitlines()[2].endswith("diverged with 2 of 2 seeds")


def made_up():
    losses = {"a": np.array([[2.0, 1.0, 0.5], [2.0, 1.5, np.nan]]), "b": np.array([[2.0, 0.5, 0.25], [2.0, 0.5, 0.75]])}
    accuracies = {"a": np.array([[0.1, 0.5, 0.6], [0.1, 0.5, 0.0]]), "b": np.array([[0.1, 0.7, 0.8], [0.1, 0.7, 1.0]])}
    return flow.Comparison([0, 1], losses, accuracies)


def test_the_table_has_means_spreads_and_epochs():
    _, b, a = str(made_up()).splitlines()
    assert b.split() == ["1", "b", "90.0%", "+-", "10.0%", "(", "80.0%)", "0.5000", "2"]  # 0.9 * 90 % is reached by 90 %
    assert a.split() == [
        "2",
        "a",
        "30.0%",
        "+-",
        "30.0%",
        "(",
        "0.0%)",
        "0.5000",
        "never",
        *["diverged", "with", "1", "of", "2", "seeds"],
    ]
    assert made_up().epochs_to(0.5) == {"a": 1, "b": 1}
    assert made_up().epochs_to(0.6) == {"a": None, "b": 1}


def test_the_picture_shows_means_in_bands():
    pytest.importorskip("matplotlib")
    loss, accuracy = made_up().plot().axes
    assert [line.get_label() for line in loss.lines] == ["b", "a"]
    assert loss.lines[0].get_ydata().tolist() == [2, 0.5, 0.5]
    assert loss.lines[1].get_ydata().tolist() == [2, 1.25, 0.5]  # of the one that is left
    assert accuracy.lines[0].get_ydata().tolist() == pytest.approx([0.1, 0.7, 0.9])
    assert loss.get_yscale() == "log"


def test_a_picture_of_nothing_but_divergence_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    compared({"huge": init.Normal(0, 1e25)}, model=relu()).plot(tmp_path / "compare.png")
    assert (tmp_path / "compare.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"initializers": {}}, TypeError, "compare takes a mapping from names to initializers"),
        ({"initializers": ["zeros"]}, TypeError, "compare takes a mapping"),
        ({"initializers": {1: "zeros"}}, TypeError, "compare takes a mapping from names"),
        ({"initializers": {"mine": "xaviar"}}, ValueError, "compare: 'mine': no initializer is called 'xaviar'"),
        (
            {"initializers": {"mine": {"9.weight": 0.0}}},
            ValueError,
            "compare: 'mine': the rule '9.weight' matches no parameter",
        ),
        ({"initializers": {"a": 0.0}, "epochs": 0}, ValueError, "epochs must be a positive integer"),
        ({"initializers": {"a": 0.0}, "seeds": 0}, ValueError, "compare: seeds must be a positive integer"),
        ({"initializers": {"a": 0.0}, "seeds": 1.5}, ValueError, "compare: seeds must be a positive integer"),
    ],
)
def test_errors_name_the_initializer(arguments, error, message):
    with pytest.raises(error, match=message):
        compared(**arguments)


def test_the_table_can_be_printed_on_any_terminal():
    assert str(made_up()).isascii()
