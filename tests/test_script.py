"""Tests what scripts are made with: options whose errors say what was expected, a table, a bar that may be missing."""

import argparse
import sys

import numpy as np
import pytest

from minidl import script


def test_the_options_have_defaults_and_take_values(tmp_path):
    parser = script.options("A question?", "answer.png")
    args = parser.parse_args([])
    assert (args.quick, args.seed, str(args.out)) == (False, 0, "answer.png")
    args = parser.parse_args(["--quick", "--seed", f"{2**64 + 5}", "--out", str(tmp_path / "other.svg")])
    assert (args.quick, args.seed, args.out) == (True, 5, tmp_path / "other.svg")
    assert parser.format_help().startswith("usage:")
    assert "A question?" in parser.format_help()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "argument --seed: expected a non-negative integer, got '-1'"),
        (["--seed", "x"], "argument --seed: expected a non-negative integer, got 'x'"),
        (
            ["--out", "answer.txt"],
            "argument --out: expected a .png, .pdf or .svg file in a folder that exists, got 'answer.txt'",
        ),
        (["--out", "nowhere/answer.png"], "in a folder that exists, got 'nowhere/answer.png'"),
    ],
)
def test_a_wrong_option_is_named_with_what_was_expected(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        script.options(None, "answer.png").parse_args(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-3", "2.5", "", "two"])
def test_what_counts_something_is_a_positive_integer(text):
    with pytest.raises(argparse.ArgumentTypeError, match=rf"^expected a positive integer, got '{text}'$"):
        script.positive_integer(text)


def test_a_table_has_strings_on_the_left_and_numbers_on_the_right(capsys):
    script.table(["name", "n", "value"], [["a", 7, 0.5], ["longer", np.int64(12), None], ["", 0, 1e-5], ["b", 1, 12345.0]])
    assert capsys.readouterr().out.splitlines() == [
        "  name     n    value",
        "  a        7    0.500",
        "  longer  12",
        "           0    1e-05",
        "  b        1  1.2e+04",
    ]


@pytest.mark.parametrize("missing", [True, False])
def test_the_bar_gives_every_step_with_tqdm_or_without(missing, monkeypatch):
    if missing:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    assert list(script.progress(range(3), desc="steps")) == [0, 1, 2]


def test_a_bar_that_is_moved_by_hand_appears_when_it_takes_long(monkeypatch):
    now, made = [0.0], []

    class Shown:
        n = 0

        def __init__(self, steps, **settings):
            made.append((self, settings))

        def set_description(self, text, refresh):
            self.text = text

        def update(self, n):
            self.n += n

        def close(self):
            self.closed = True

    monkeypatch.setattr(script, "progress", Shown)
    monkeypatch.setattr(script.time, "perf_counter", lambda: now[0])
    with script.Bar(10, "step") as bar:
        for now[0] in (0.2, 0.9):
            bar.update(3)
        assert not made
        bar.set_description("slow")
        for now[0] in (1.1, 5.0):
            bar.update(2)
    ((shown, settings),) = made
    assert (shown.n, shown.text, shown.closed, settings["total"], settings["unit"]) == (10, "slow", True, 10, "step")
