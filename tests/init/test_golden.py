"""Tests that a seed gives the weights that it gave before: hashes of every initializer and dtype, recorded in golden.json."""

import json

import pytest
from record_golden import FILE, INITIALIZERS, digest_of, of_model

GOLDEN = json.loads(FILE.read_text())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("initializer", INITIALIZERS, ids=str)
def test_an_initializer_draws_what_it_drew_when_it_was_recorded(initializer, dtype):
    assert digest_of(initializer, dtype) == GOLDEN[f"{initializer} {dtype}"]


def test_a_model_gets_from_its_named_streams_what_it_got_when_it_was_recorded():
    assert of_model() == GOLDEN["model"]


def test_every_recorded_hash_is_of_another_array():
    assert len(set(GOLDEN.values())) == len(GOLDEN) == 2 * len(INITIALIZERS) + 1
