"""Tests that `init.check` finds nothing wrong with right initializers and calls each of a collection of wrong ones by
its mistake."""

import math
import re

import numpy as np
import pytest

import minidl
from minidl import init
from minidl.init.check import FORMULAS


def he(fan_in, fan_out):
    return 2 / fan_in


def xavier(fan_in, fan_out):
    return 2 / (fan_in + fan_out)


def normal(variance):
    """A student's function: a normal distribution of this variance, a function of the shape."""
    return lambda shape, rng: rng.normal(shape, std=math.sqrt(variance(shape)))


def uniform(bound):
    return lambda shape, rng: rng.uniform(shape, -bound(shape), bound(shape))


RIGHT = [
    (normal(lambda shape: 2 / shape[1]), he),
    (normal(lambda shape: 2 / math.prod(shape[1:])), "he_uniform"),
    (uniform(lambda shape: math.sqrt(6 / (shape[0] + shape[1]))), xavier),
    (uniform(lambda shape: math.sqrt(6 / (shape[0] + shape[1]))), "xavier_normal"),
    (uniform(lambda shape: 1 / math.sqrt(shape[1])), lambda fan_in, fan_out: 1 / (3 * fan_in)),
    (lambda shape, rng: rng.normal(shape, std=0.01), lambda fan_in, fan_out: 1e-4),
    (lambda shape, rng: np.random.default_rng(int(rng.integers(2**40))).normal(size=shape), init.Normal()),
    (lambda shape, rng: rng.normal(shape) ** 3, lambda fan_in, fan_out: 15),  # heavy tails: kurtosis 46
    (lambda shape, rng: rng.normal(shape) * rng.bernoulli(shape, 0.1), lambda fan_in, fan_out: 0.1),
    (normal(lambda shape: 1 / shape[1]), None),
    (init.HeNormal(), he),
    (init.HeNormal(mode="fan_out"), lambda fan_in, fan_out: 2 / fan_out),
    (init.XavierUniform(), xavier),
    (init.VarianceScaling(2, "fan_avg", "truncated_normal"), None),
    (init.LecunUniform(), "lecun_normal"),
    (init.Uniform(), None),
    (init.Normal(3, 0.5), None),
    (init.TruncatedNormal(0, 2, -4, 4), None),
    ("he_uniform", None),
    (init.Orthogonal(), lambda fan_in, fan_out: 1 / max(fan_in, fan_out)),
    (init.Orthogonal(2), None),
    (init.LooksLinear(), None),
    (init.Sparse(0.9), None),
]


@pytest.mark.parametrize(("initializer", "variance"), RIGHT)
def test_a_right_initializer_gives_no_alarm(initializer, variance):
    report = init.check(initializer, variance)
    assert report.problems == []
    assert bool(report)
    assert str(report).splitlines()[0].endswith("all is well")


@pytest.mark.parametrize("first", range(1, 6))
@pytest.mark.parametrize(("initializer", "variance"), RIGHT[:4])
def test_a_right_initializer_gives_no_alarm_whatever_the_numbers(initializer, variance, first):
    """Some are drawn first, so that the initializer gets others."""

    def later(shape, rng):
        rng.uniform(first)
        return initializer(shape, rng)

    assert init.check(later, variance).problems == []


@pytest.mark.parametrize("initializer", [init.Identity(), init.ZerO(), init.Dirac(2), init.Bilinear()], ids=str)
def test_an_initializer_that_draws_nothing_on_purpose_is_right_and_the_report_says_so(initializer):
    report = init.check(initializer)
    assert report
    assert report.notes == ["it draws nothing: every layer of one shape begins alike, from every seed"]


own = np.random.default_rng(0)
calls = []


def from_0(shape, rng):
    values = rng.uniform(shape, 0, math.sqrt(6 / shape[1]))
    values[0, 0] = 0
    return values


def exponential(shape, rng):
    """Skewed, of mean 0 and the right variance: -log(1 - u) has mean 1 and variance 1."""
    return (-np.log1p(-rng.uniform(shape, dtype=np.float64)) - 1) * math.sqrt(2 / shape[1])


def counts_its_calls(shape, rng):
    calls.append(shape)
    return rng.normal(shape, std=math.sqrt(2 / shape[1]) * (1 + 0.5 * (len(calls) % 2)))


def draws_from_numpy(shape, rng):
    return np.random.randn(*shape)  # noqa: NPY002


def some_clones(shape, rng):
    values = rng.normal(shape, std=math.sqrt(2 / shape[1]))
    values[1] = values[0]
    return values


class ByShape(init.Initializer):
    def sample(self, shape, fans, rng, dtype):
        return rng.normal(shape, 0, math.sqrt(2 / shape[1]), dtype)


class SwappedFans(init.Initializer):
    def sample(self, shape, fans, rng, dtype):
        return rng.normal(shape, 0, math.sqrt(2 / fans[1]), dtype)


class InFloat32(init.Initializer):
    def sample(self, shape, fans, rng, dtype):
        return rng.normal(shape, 0, math.sqrt(2 / fans[0]))


WRONG = [
    # Uniform distributions: U(-b, b) has variance b^2 / 3
    (
        uniform(lambda s: math.sqrt(2 / (s[0] + s[1]))),
        xavier,
        r"variance is 1/3 of 2 / \(fan_in \+ fan_out\): is std the bound b",
    ),
    (
        uniform(lambda s: 1 / math.sqrt(s[1])),
        xavier,
        r"variance is 1 / \(3 fan_in\), not 2 .* \(1/3 of it where fan_in = fan_out\): is this U",
    ),
    (uniform(lambda s: math.sqrt(2 / s[1])), he, r"variance is 1/3 of 2 / fan_in"),
    (
        normal(lambda s: 6 / s[1]),
        he,
        "3 times 2 / fan_in: is the bound of the uniform distribution used as a standard deviation",
    ),
    (normal(lambda s: 6 / (s[0] + s[1])), he, r"variance is 6 / \(fan_in \+ fan_out\), not 2 / fan_in \(3/2 of it where"),
    # Factors
    (normal(lambda s: 1 / s[1]), he, "variance is 1/2 of 2 / fan_in: is the factor 2 for ReLU missing"),
    (normal(lambda s: 2 / s[1]), "lecun_normal", "variance is 2 times 1 / fan_in: is there a factor 2 for ReLU"),
    (normal(lambda s: 1 / (s[0] + s[1])), xavier, r"variance is 1/2 of 2 / \(fan_in \+ fan_out\): is the factor 2 missing"),
    (normal(lambda s: 4 / (s[0] + s[1])), xavier, r"2 times 2 / \(fan_in \+ fan_out\): is there a factor 2 that should not be"),
    (
        normal(lambda s: 200 / s[1]),
        he,
        r"(99|10\d)\S* times 2 / fan_in, .*: the standard deviation is (10|9.9|10.1) times what is right",
    ),
    (normal(lambda s: 0.5 / s[1]), he, "variance is 1/4 of 2 / fan_in"),
    (normal(lambda s: 8 / s[1]), he, "variance is 4 times 2 / fan_in"),
    (lambda s, rng: rng.truncated_normal(s) * math.sqrt(2 / s[1]), he, "0.774 of 2 / fan_in: .* cut .* Divide .* by 0.8796"),
    (
        normal(lambda s: 1.6 / s[1]),
        he,
        r"0.(79|80)\S* times 2 / fan_in, .*: the standard deviation is 0.89 times what is right",
    ),
    # Fans
    (normal(lambda s: 2 / s[0]), he, "2 / fan_in with fan_in and fan_out swapped: the shape of a weight is"),
    (normal(lambda s: 2 / (s[0] + s[1])), he, r"variance is 2 / \(fan_in \+ fan_out\), not 2 / fan_in .*Xavier"),
    (SwappedFans(), he, r"swapped: the shape of a weight is \(fan_out, fan_in\), but `fans` is \(fan_in, fan_out\)"),
    (normal(lambda s: 2 / s[0] + 1 / s[1]), he, r"not 2 / fan_in; it is this many times that: .* at fan_in 400, fan_out 100"),
    (normal(lambda s: 1e-4), he, "variance is [0-9.e-]+ whatever the fans, not 2 / fan_in: it does not follow them"),
    (normal(lambda s: 2 / (s[0] * s[1])), xavier, r"variance is 2 / \(fan_in fan_out\), not .*: are the fans multiplied where"),
    (normal(lambda s: 1 / (s[0] * s[1])), xavier, r"variance is 1 / \(fan_in fan_out\), not .*: are the fans multiplied where"),
    (ByShape(), he, r"fans that the layer states as \(50, 800\), it reads its fans off the shape: take them from"),
    # Standard deviation and variance
    (
        normal(lambda s: (2 / s[1]) ** 2),
        he,
        "the square of 2 / fan_in: is the variance given where the standard deviation belongs",
    ),
    (normal(lambda s: 2 / s[1] ** 2), he, r"variance is 2 / fan_in\^2, not .* sqrt\(2\) / fan_in: does the root belong over"),
    (normal(lambda s: 1 / s[1] ** 2), "lecun_normal", "the square of 1 / fan_in: is the variance given where the standard"),
    (normal(lambda s: 1 / s[1] ** 2), he, r"variance is 1 / fan_in\^2, not .*: is a square root missing"),
    (normal(lambda s: (2 / s[1]) ** 0.5), he, "the square root of 2 / fan_in: is the root taken once too often"),
    (normal(lambda s: 3 / s[1]), lambda fan_in, fan_out: 9 / fan_in, "variance is 1/3 of the stated variance"),
    # Centre and symmetry
    (
        from_0,
        he,
        r"mean is 0.061\d?, expected 0: off by 1.7\d std; no value is negative: is this \[0, b\)",
    ),
    (lambda s, rng: rng.normal(s, 0.01, math.sqrt(2 / s[1])), he, r"the mean is 0.0\d+, expected 0: off by 0.\d+ std$"),
    (exponential, he, r"not symmetric about its mean: the skewness is [12]\.\d+, expected 0"),
    # Random state
    (draws_from_numpy, None, "draws from np.random's global state"),
    (lambda s, rng: init.HeNormal()(s), he, "uses minidl's global generator"),
    (lambda s, rng: own.normal(size=s), None, "100% of the values differ between two draws from generators of one seed"),
    (counts_its_calls, None, "% of the values differ between two draws from generators of one seed: .* keeps something"),
    (lambda s, rng: np.random.default_rng(0).normal(size=s), None, "two draws from one generator are the same, .* identical"),
    (lambda s, rng: init.HeNormal()(s, 0), he, "two draws from one generator are the same, .* identical"),
    ("zeros", None, "two draws from one generator are the same, .* identical"),
    # Units
    (lambda s, rng: np.full(s, rng.normal(())), None, "of 100 units only 1 differ: those with the same weights stay clones"),
    (some_clones, he, "of 100 units only 99 differ"),
    (lambda s, rng: np.ones(s) * rng.normal((s[0], 1)), None, "of 400 inputs only 1 differ"),
    # What is not an array of numbers of this shape and dtype
    (lambda s, rng: rng.normal(s[::-1]), None, r"for shape \(100, 400\) it gives an array of shape \(400, 100\)"),
    (lambda s, rng: None, None, "it returns None: does it end without `return`"),
    (lambda s, rng: [1.0, [2.0]], None, "gives a list whose parts have different lengths"),
    (lambda s, rng: rng.integers(0, 3, size=s), None, "gives an array of int64"),
    (lambda s, rng: np.log(rng.bernoulli(s).astype(float) - 1), None, r"\d+ of 40000 values are NaN or infinite"),
    (lambda s, rng: rng.normal(0, 1, s), None, r"raises TypeError: .*shape first: rng.normal\(shape, mean, std\)"),
    (lambda s: np.zeros(s), None, "raises TypeError: .*1 positional argument"),
    (InFloat32(), he, "gives an array of float32 where float64 is asked for: pass dtype on to rng"),
    (init.TruncatedNormal(0, 1, 60, 61), None, "raises ValueError: .*too little"),
]


@pytest.mark.parametrize(("initializer", "variance", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_a_wrong_initializer_is_called_by_its_mistake(initializer, variance, message):
    with np.errstate(all="ignore"):
        report = init.check(initializer, variance)
    assert not report
    assert len(report.problems) <= 2
    assert any(re.search(message, problem) for problem in report.problems), report.problems


def test_of_a_uniform_distribution_not_centred_the_variance_is_no_second_problem():
    # [0, b) is half as wide as [-b, b), so its variance is a quarter, which "the standard deviation is halved" would misname
    (problem,) = init.check(lambda shape, rng: rng.uniform(shape, 0, math.sqrt(6 / shape[1])), he).problems
    assert problem.endswith("is this [0, b) instead of [-b, b)? Its variance is a quarter of that")


@pytest.mark.parametrize(
    ("initializer", "note"),
    [
        (normal(lambda shape: 2 / shape[1]), "the variance is 2 / fan_in: He's, for ReLU; state what it should be"),
        (normal(lambda shape: 1 / (3 * shape[1])), r"the variance is 1 / (3 fan_in): is this U(-1/sqrt n, 1/sqrt n)?"),
        (normal(lambda shape: 5 / shape[1]), "the variance fits no well-known formula"),
    ],
)
def test_without_a_stated_variance_the_formula_that_fits_is_noted(initializer, note):
    report = init.check(initializer)
    assert report
    assert report.notes[0].startswith(note)


KNOWN = {
    "1 / fan_in": (normal(lambda s: 1 / s[1]), "LeCun's"),
    "2 / fan_in": (normal(lambda s: 2 / s[1]), "He's, for ReLU"),
    "1 / fan_out": (normal(lambda s: 1 / s[0]), "LeCun's for the backward pass"),
    "2 / fan_out": (normal(lambda s: 2 / s[0]), "He's for the backward pass"),
    "2 / (fan_in + fan_out)": (uniform(lambda s: math.sqrt(6 / (s[0] + s[1]))), "Xavier's"),
    "1 / (fan_in + fan_out)": (normal(lambda s: 1 / (s[0] + s[1])), "half of Xavier's: is a 2 missing?"),
    "1 / (fan_in fan_out)": (normal(lambda s: 1 / (s[0] * s[1])), "are the fans multiplied where they should be added?"),
    "2 / (fan_in fan_out)": (normal(lambda s: 2 / (s[0] * s[1])), "are the fans multiplied where they should be added?"),
    "1 / fan_in^2": (normal(lambda s: 1 / s[1] ** 2), "the standard deviation is 1 / fan_in: is a square root missing?"),
    "2 / fan_in^2": (
        normal(lambda s: 2 / s[1] ** 2),
        "the standard deviation is sqrt(2) / fan_in: does the root belong over fan_in, too?",
    ),
    "1 / (3 fan_in)": (uniform(lambda s: 1 / math.sqrt(s[1])), "is this U(-1/sqrt n, 1/sqrt n)?"),
    "1 / (3 fan_out)": (uniform(lambda s: 1 / math.sqrt(s[0])), "is this U(-1/sqrt n, 1/sqrt n), with n = fan_out?"),
    "2 / (3 fan_in)": (
        uniform(lambda s: math.sqrt(2 / s[1])),
        "is this U(-s, s), with He's standard deviation s as the bound?",
    ),
    "6 / fan_in": (
        normal(lambda s: 6 / s[1]),
        "is the bound of He's uniform initializer used as a standard deviation?",
    ),
    "6 / (fan_in + fan_out)": (
        normal(lambda s: 6 / (s[0] + s[1])),
        "is the bound of Xavier's uniform one used as a standard deviation?",
    ),
}


def test_every_formula_of_the_table_is_tried():
    assert list(FORMULAS) == list(KNOWN)


@pytest.mark.parametrize("formula", KNOWN)
def test_every_known_formula_is_recognized_by_its_values(formula):
    initializer, about = KNOWN[formula]
    assert init.check(initializer).notes[0] == f"the variance is {formula}: {about}; state what it should be, as variance="
    (problem,) = init.check(initializer, lambda fan_in, fan_out: 1 / (fan_in + 9 * fan_out)).problems
    assert problem.startswith(f"the variance is {formula}, not the stated variance")
    # Of one over two fans the fraction depends on the size.
    assert problem.endswith(f"e: {about}" if "^2" in formula or "fan_in fan_out" in formula else f"fan_in = fan_out): {about}")


def test_an_initializer_that_says_that_it_goes_by_the_shape_may():
    (note,) = init.check(init.Orthogonal(), lambda fan_in, fan_out: 1 / max(fan_in, fan_out)).notes
    assert note.startswith("it goes by the shape, as its own moments say")


def test_a_function_is_told_what_it_does_to_a_kernel():
    (kernel, function) = init.check(normal(lambda shape: 2 / shape[1]), he).notes
    assert kernel.startswith("for a kernel of shape (32, 16, 3, 3) the variance is ")
    assert 8 < float(kernel.split()[-9]) < 10  # nine places: fan_in is 16 * 9
    assert "reads its fans off the shape" in function

    def matrices_only(shape, rng):
        _, fan_in = shape
        return rng.normal(shape, std=math.sqrt(2 / fan_in))

    assert "it is for matrices only" in init.check(matrices_only, he).notes[0]


class Kernels(init.Initializer):
    """For kernels only; the places are forgotten."""

    def sample(self, shape, fans, rng, dtype):
        _, channels, _, _ = shape
        return rng.normal(shape, 0.0, math.sqrt(1 / channels), dtype)


def test_an_initializer_of_kernels_is_checked_with_a_kernel():
    assert init.check("delta_orthogonal").problems == []
    assert init.check(init.DeltaOrthogonal(2.0)).notes == []
    assert init.check(Kernels()).problems == []  # it states nothing
    (problem,) = init.check(Kernels(), "lecun_normal").problems
    assert "(24, 24, 3, 3) the variance is" in problem
    assert float(problem.split("variance is ")[1].split()[0]) == pytest.approx(9, rel=0.1)


@pytest.mark.parametrize("initializer", [draws_from_numpy, lambda s, rng: minidl.manual_seed(9).normal(s), init.HeNormal()])
def test_a_check_leaves_the_global_generators_as_they_were(initializer):
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    minidl.manual_seed(4).uniform(5)
    rng = minidl.random.as_generator(None)
    before = (rng.seed, rng.position)
    init.check(initializer, he)
    assert np.random.random() == expected  # noqa: NPY002
    assert (rng.seed, rng.position) == before


@pytest.mark.parametrize(
    ("variance", "error", "message"),
    [
        (0.01, TypeError, r"variance is a function \(fan_in, fan_out\) -> float, an initializer or its name, got float"),
        (lambda fan_in, fan_out: -1, ValueError, r"variance\(400, 100\) gave -1, expected a positive number"),
        (lambda fan_in, fan_out: math.nan, ValueError, "gave nan, expected a positive number"),
        ("he_nromal", ValueError, "did you mean 'he_normal'"),
    ],
)
def test_a_stated_variance_that_is_none_is_an_error(variance, error, message):
    with pytest.raises(error, match=message):
        init.check(init.HeNormal(), variance)


def test_values_that_are_not_negative_are_from_0_to_b_only_if_spread_evenly():
    for draw in (lambda shape, rng: np.abs(rng.normal(shape)), lambda shape, rng: rng.normal(shape, 1, 0.05)):
        (problem,) = init.check(draw, he).problems
        assert problem.endswith("no value is negative")


def test_places_explain_the_variance_of_a_kernel_only_where_they_do():
    (problem,) = init.check("delta_orthogonal", he).problems  # its variance is 1 / fan_in: half of that
    assert problem.endswith("the variance is 0.5 times what is right")


@pytest.mark.parametrize("variance", ["zeros", lambda n, m: None, lambda n, m: 1j, lambda n, m: np.ones(2)])
def test_a_stated_variance_that_is_none_is_refused(variance):
    with pytest.raises(ValueError, match="variance"):
        init.check("he_normal", variance)


def refuses(shape, rng):
    raise ValueError("not for me")


def calls_a_wrong_name(shape, rng):
    return rng.normal(shape).no_such_method()


@pytest.mark.parametrize(
    ("initializer", "of_a_draw"),
    [
        (lambda shape, rng: rng.normal(0, 1, shape), True),
        (lambda shape, rng: rng.normal(size=shape, scale=1), True),
        (lambda shape, rng: rng.uniform(-1.0, 1.0, shape), True),
        (lambda shape: np.zeros(shape), False),
        (refuses, False),
        (calls_a_wrong_name, False),
    ],
)
def test_how_rng_is_called_is_told_only_where_a_draw_went_wrong(initializer, of_a_draw):
    (problem,) = init.check(initializer, he).problems
    assert problem.endswith("take the shape first: rng.normal(shape, mean, std)") == of_a_draw, problem


def test_a_note_is_printed_as_one():
    assert "\n- note: " in str(init.check(normal(lambda shape: 2 / shape[1]), he))
    assert "note: " not in str(init.check(normal(lambda shape: 1 / shape[1]), he)).splitlines()[1]
