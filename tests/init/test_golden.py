"""Tests that a seed gives the weights that it gave before: hashes of every law and dtype, recorded in golden.json."""

import json

import pytest
from record_golden import FILE, LAWS, of_law, of_model

GOLDEN = json.loads(FILE.read_text())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_a_law_draws_what_it_drew_when_it_was_recorded(law, dtype):
    assert of_law(law, dtype) == GOLDEN[f"{law} {dtype}"]


def test_a_model_gets_from_its_named_streams_what_it_got_when_it_was_recorded():
    assert of_model() == GOLDEN["model"]


def test_every_recorded_hash_is_of_another_array():
    assert len(set(GOLDEN.values())) == len(GOLDEN) == 2 * len(LAWS) + 1
