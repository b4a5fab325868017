"""The ledger: every claim's measurement supports its verdict, in both languages and on both pages.

The expectations are theory, arithmetic and known results, as each claim says; the bounds stand beside them in examples/ledger/.
"""

import dataclasses
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))

import claims  # noqa: E402

CLAIMS = claims.collect()
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@pytest.fixture(scope="module")
def measured():
    """The measurement of each claim, made once."""
    results = {}

    def measure(claim):
        if claim.number not in results:
            results[claim.number] = claim.measure()
        return results[claim.number]

    return measure


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.number}")
def test_the_measurement_supports_the_verdict(claim, measured):
    result = measured(claim)
    assert claim.holds(result), result


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.number}")
def test_both_languages_say_the_same_numbers(claim, measured):
    english, chinese = (text.format(**measured(claim)) for text in claim.measured)
    assert sorted(NUMBER.findall(english)) == sorted(NUMBER.findall(chinese))


def test_the_claims_are_those_from_1_to_45_each_once():
    assert [claim.number for claim in CLAIMS] == [*range(1, 46)]


def test_a_number_that_differs_between_kernels_has_its_range_behind_it():
    text = "{units} units, {right:.1%} ± {spread:.1%} right; loss {loss:.2f}, n = 1,024"
    result = {"units": 32, "right": 0.924, "spread": 0.015, "loss": float("inf")}
    assert claims.read(text, [result]) == "32 units, 92.4% ± 1.5% right; loss inf, n = 1,024"
    others = [result | {"right": 0.931, "spread": 0.02, "loss": 2.5}, result | {"right": 0.92401}]
    assert claims.read(text, [result, *others]) == (
        "32 units, 92.4% [92.4%, 93.1%] ± 1.5% right; loss inf [2.50, inf], n = 1,024"
    )
    assert claims.read("损失{loss:.1e}降到{low:.2g}", [{"loss": 7.6e4, "low": -2}, {"loss": 7.5e4, "low": -2}]) == (
        "损失7.6e+04 [7.5e+04, 7.6e+04]降到-2"
    )


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.number}")
def test_a_verdict_is_true_false_or_depends_and_the_same_in_both_languages(claim):
    english, chinese = claim.verdict
    assert re.match(r"true|false|depends", english)
    assert english.startswith("true") == chinese.startswith("正确")
    assert english.startswith("false") == chinese.startswith("错误")
    assert english.startswith("depends") == chinese.startswith("视情况而定")
    assert english.startswith("true, but") == chinese.startswith("正确，但")
    assert english.startswith("depends") == chinese.startswith("视情况而定")
    assert set(claim.articles.split()) <= {*"ABCDE", "CS231n"}


@pytest.mark.parametrize("name", claims.PAGES)
def test_the_page_has_every_claim_its_verdict_its_picture_and_its_command(name):
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    language = list(claims.PAGES).index(name)
    for claim in CLAIMS:
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {claim.number} |"))
        for text in (claim.claim[language], claim.verdict[language], claim.expected[language], f"`{claim.command}`"):
            assert text.replace("|", r"\|") in row
        assert f"](claims/{claims.picture_in(name, claim.picture)})" in row


def test_every_picture_of_the_pages_is_there_and_small():
    folder = ROOT / "docs" / "claims"
    assert {path.name for path in folder.iterdir()} == {
        claims.picture_in(name, c.picture) for c in CLAIMS for name in claims.PAGES
    }
    assert max(path.stat().st_size for path in folder.iterdir()) < 150_000


def test_a_picture_is_drawn_by_one_command():
    assert len({claim.picture for claim in CLAIMS}) == len({(claim.picture, claim.command) for claim in CLAIMS})


def test_the_command_measures_the_claims_that_are_asked_for(capsys):
    claims.main(["17", "23"])
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines() if re.match(r"\s?\d", line)] == ["17", "23"]
    assert re.search(r"measured: 5 seeds: .*0\.07", printed)


def test_a_verdict_that_the_measurement_does_not_support_is_named_and_nothing_is_written(monkeypatch, capsys):
    wrong = dataclasses.replace(CLAIMS[16], holds=lambda result: False)
    monkeypatch.setattr(claims, "collect", lambda: [wrong])
    with pytest.raises(SystemExit, match=r"claims \[17\]; nothing was written"):
        claims.main([])
    assert "Written" not in capsys.readouterr().out
