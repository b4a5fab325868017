"""Tests every number in the tables of docs/initializers.md: against numbers worked out by hand, what PyTorch 2.13 gave when it
ran the cells, and the formulas of the other frameworks as they stand in their sources."""

import json
import math
from math import sqrt
from pathlib import Path

import pytest

from minidl import init

ROOT = Path(__file__).parents[2]
RECORDED = json.loads((ROOT / "tests" / "recorded" / "presets.json").read_text())["cells"]
IN, OUT, MEAN = 500, 400, 450  # the fans, and their mean
FANS = {"fan_in": IN, "fan_out": OUT, "fan_avg": MEAN, "in": IN, "out": OUT, "avg": MEAN}
CUT = 0.8796257  # sqrt(1 - 4 p(2) / (P(2) - P(-2))) = sqrt(1 - 4 * 0.05399097 / 0.95449974)


def table(first):
    """The rows of the table whose first heading this is, each a dict from heading to cell."""
    page = (ROOT / "docs" / "initializers.md").read_text(encoding="utf-8")
    lines = page[page.index(f"| {first} |") :].split("\n\n")[0].splitlines()
    headings, _, *rows = [[cell.strip(" `") for cell in line.strip()[1:-1].split("|")] for line in lines]
    return [dict(zip(headings, row, strict=True)) for row in rows]


GAINS, INITIALIZERS, NAMES = table("activation"), table("minidl"), table("name")


# Standard deviations, by the formulas in the sources that the page names.


def scaling(scale, mode, distribution):  # Keras and JAX: after the cut, where there is one
    return sqrt(scale / FANS[mode])


def xavier(rnd_type="uniform", factor_type="avg", magnitude=3):  # MXNet: U(-c, c) or N(0, c^2)
    return sqrt(magnitude / FANS[factor_type]) / (sqrt(3) if rnd_type == "uniform" else 1)


def lasagne(std):
    return lambda gain=1.0: (sqrt(2) if gain == "relu" else gain) * std


def constant(value):
    return 0


def chainer(numerator):
    return lambda scale=1.0, fan_option="fan_in": scale * sqrt(numerator / FANS[fan_option])


NAMED = {
    "glorot_uniform": sqrt(2 / (IN + OUT)),
    "glorot_normal": sqrt(2 / (IN + OUT)),
    "he_uniform": sqrt(2 / IN),
    "he_normal": sqrt(2 / IN),
    "lecun_uniform": sqrt(1 / IN),
    "lecun_normal": sqrt(1 / IN),
    "orthogonal": sqrt(1 / max(IN, OUT)),
}
JAX = {name: (lambda std=std: std) for name, std in NAMED.items()} | {
    "variance_scaling": scaling,
    "normal": lambda stddev=0.01: stddev,
    "uniform": lambda: 0.01 / sqrt(12),
    "truncated_normal": lambda stddev=0.01: stddev * CUT,
    "zeros": 0,
    "constant": constant,
}
FRAMEWORKS = {
    "Keras": NAMED
    | {"VarianceScaling": scaling, "normal": 0.05, "uniform": 0.1 / sqrt(12), "truncated_normal": 0.05 * CUT}
    | {"zeros": 0, "Constant": constant, "identity": sqrt(0.002 - 0.002**2)},  # 400 ones among 200,000
    "JAX": JAX,
    "JAX / Flax": JAX,
    "Chainer": {
        "GlorotUniform": lambda: sqrt(6 / (IN + OUT)) / sqrt(3),
        "GlorotNormal": lambda: sqrt(2 / (IN + OUT)),
        "HeUniform": lambda: sqrt(6 / IN) / sqrt(3),
        "HeNormal": chainer(2),
        "LeCunUniform": lambda scale=1.0: scale * sqrt(3 / IN) / sqrt(3),
        "LeCunNormal": chainer(1),
        "Orthogonal": lambda: sqrt(1 / max(IN, OUT)),
        "Normal": lambda: 0.05,
        "Uniform": lambda: 0.05 / sqrt(3),
        "Zero": lambda: 0,
        "Constant": constant,
    },
    "MXNet": {
        "Xavier": xavier,
        "MSRAPrelu": lambda factor_type="avg", slope=0.25: xavier("gaussian", factor_type, 2 / (1 + slope**2)),
        "Orthogonal": lambda scale=1.414: scale * sqrt(1 / max(IN, OUT)),
        "Normal": lambda sigma=0.01: sigma,
        "Uniform": lambda scale=0.07: scale / sqrt(3),
        "Zero": lambda: 0,
        "Constant": constant,
    },
    "Lasagne": {
        "GlorotUniform": lasagne(sqrt(2 / (IN + OUT))),
        "GlorotNormal": lasagne(sqrt(2 / (IN + OUT))),
        "HeUniform": lasagne(sqrt(1 / IN)),
        "HeNormal": lasagne(sqrt(1 / IN)),
        "Orthogonal": lambda: sqrt(1 / max(IN, OUT)),
        "Sparse": lambda sparsity=0.1: 0.01 * sqrt(int(sparsity * IN) / IN),  # the share that is not 0
        "Normal": lambda std=0.01: std,
        "Uniform": lambda range=0.01: range / sqrt(3),
        "Constant": constant,
    },
    "Caffe": {"xavier": lambda: sqrt(3 / IN) / sqrt(3)},
    "the web": {"randn": lambda n: 1, "n": IN},
}

# Worked out by hand: sqrt(2/900), sqrt(2/500), sqrt(2/400), sqrt(1/500), sqrt(1/1500); sqrt(3) times these the uniform bounds,
# 2 / 0.8796257 times these the cut ones.
BY_HAND = {
    "XavierUniform()": (0.0471405, 0.0816497),
    "XavierNormal()": (0.0471405, math.inf),
    'VarianceScaling(1, "fan_avg", "truncated_normal")': (0.0471405, 0.1071830),
    "HeUniform()": (0.0632456, 0.1095445),
    "HeNormal()": (0.0632456, math.inf),
    'VarianceScaling(2, "fan_in", "truncated_normal")': (0.0632456, 0.1438011),
    'HeNormal(mode="fan_out")': (0.0707107, math.inf),
    "LecunUniform()": (0.0447214, 0.0774597),
    "LecunNormal()": (0.0447214, math.inf),
    'VarianceScaling(1, "fan_in", "truncated_normal")': (0.0447214, 0.1016827),
    "HeUniform(a=sqrt(5))": (0.0258199, 0.0447214),
    "Zeros()": (0, 0),
    "Constant(0.1)": (0, 0.1),
    "Uniform(-0.05, 0.05)": (0.0288675, 0.05),  # 0.05 / sqrt(3)
    "Normal(std=0.05)": (0.05, math.inf),
    "TruncatedNormal(0, 0.05, -0.1, 0.1)": (0.0439813, 0.1),  # 0.05 times 0.8796257
    "Identity()": (0.0446766, 1),  # 400 ones among 200,000: sqrt(0.002 - 0.002^2)
    "Orthogonal()": (0.0447214, 1),  # 400 rows of length 1: 400 of 200,000
    "Sparse(0.9)": (0.00316228, math.inf),  # 0.01 sqrt(0.1)
}


def moments(initializer):
    return eval(initializer, {**vars(init), "sqrt": sqrt}).moments((OUT, IN), (IN, OUT))


def test_the_table_of_initializers_has_a_row_for_every_number_worked_out_by_hand():
    assert [row["minidl"] for row in INITIALIZERS] == list(BY_HAND)


@pytest.mark.parametrize("row", INITIALIZERS, ids=lambda row: row["minidl"])
def test_an_initializer_has_the_standard_deviation_and_bound_that_the_table_shows(row):
    std, bound = BY_HAND[row["minidl"]]
    stated = moments(row["minidl"])
    assert (stated.std, max(stated.high, -stated.low)) == pytest.approx((std, bound), abs=6e-8)
    assert row["std"] == f"{std:.4g}"
    assert row["bound"] == (f"{bound:.4g}" if bound < math.inf else "")


def check_cell(framework, cell, std):
    if framework == "PyTorch":  # a sample of 200,000, in sparse_ of 20,000: four standard errors
        assert RECORDED[cell]["std"] == pytest.approx(std, rel=4 * sqrt(0.5 / (20_000 if "sparse" in cell else 200_000)))
    else:
        assert eval(cell, {**FRAMEWORKS[framework], "sqrt": sqrt}) == pytest.approx(std, rel=3e-6)  # std has six digits


@pytest.mark.parametrize(
    ("framework", "cell", "initializer"),
    [(f, row[f], row["minidl"]) for row in INITIALIZERS for f in ("PyTorch", *FRAMEWORKS) if row.get(f)],
)
def test_what_another_framework_calls_an_initializer_has_its_standard_deviation(framework, cell, initializer):
    std, bound = BY_HAND[initializer]
    check_cell(framework, cell, std)
    if framework == "PyTorch" and bound < 1:
        assert 0.999 * bound <= RECORDED[cell]["largest"] <= bound * (1 + 2e-7)


# The published forward ones; 1 / sqrt(E[f'^2]) by SciPy's adaptive quadrature; and PyTorch's, where it has one.
GAINS_ELSEWHERE = {
    "linear": (1, 1, 1),
    "tanh": (1.5925, 1.4674, 5 / 3),
    "sigmoid": (1.8462, 4.7226, 1),
    "relu": (sqrt(2), sqrt(2), sqrt(2)),
    "leaky_relu": (sqrt(2 / 1.0001),) * 3,
    "elu": (1.2452, 1.2234),
    "selu": (1, 0.9660, 3 / 4),
    "gelu": (1.5335, 1.4811),
    "silu": (1.6765, 1.6233),
}


def test_the_gains_in_the_table_are_those_found_elsewhere_and_those_that_init_gain_gives():
    assert [row["activation"] for row in GAINS] == list(GAINS_ELSEWHERE)
    for row in GAINS:
        name, *cells = row.values()
        assert [cell for cell in cells if cell] == [f"{value:.4f}" for value in GAINS_ELSEWHERE[name]]
        assert cells[:2] == [f"{init.gain(name, direction):.4f}" for direction in ("forward", "backward")]
        if cells[2]:
            assert cells[2] == f"{init.calculate_gain(name):.4f}"


@pytest.mark.parametrize("row", NAMES, ids=lambda row: f"{row['where']} {row['written']}")
def test_what_a_name_means_has_the_standard_deviation_that_the_table_shows(row):
    std = moments(row["in minidl"]).std
    check_cell(row["where"], row["written"], std)
    assert row["std"] == f"{std:.4g}"


def test_the_frameworks_agree_on_hardly_a_name():
    """What the second table is about: the standard deviations that one name stands for, four digits of each, by hand."""
    found, name = {}, ""
    for row in NAMES:
        name = row["name"] or name
        found.setdefault(name, set()).add(float(row["std"]))
    assert found == {
        "He": {0.06325, 0.04472, 0.06468, 0.07454},  # sqrt(2/500), sqrt(1/500), sqrt(1.882353/450), 5/3 sqrt(1/500)
        "Xavier": {0.04714, 0.08165, 0.04472},  # sqrt(2/900), sqrt(6/900), sqrt(1/500)
        "1 / sqrt n": {0.04472, 0.02582},  # sqrt(1/500), sqrt(1/1500)
        "normal": {1, 0.05, 0.01},
        "he_normal": {0.06325},
        "uniform": {0.2887, 0.02887, 0.002887, 0.04041, 0.005774},  # the width over sqrt(12): 1, 0.1, 0.01, 0.14, 0.02
        "truncated normal": {0.8796, 0.04398, 0.008796},
    }
