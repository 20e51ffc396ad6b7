"""A short run of scripts/fuzz.py, on the same files every time."""

from __future__ import annotations

import math
import random

import pytest

from nerfconvert.formats import FORMATS
from scripts.fuzz import tried
from scripts.fuzzing.judge import Judge
from scripts.fuzzing.mutations import mutated
from tests.formats.files import write_sample

MUTATIONS = 15  # of each format


def test_mutated_files_are_refused_or_render():
    with Judge() as judge:
        found = list(tried(list(FORMATS), MUTATIONS, 0, math.inf, judge))
    assert len(found) == MUTATIONS * len(FORMATS)
    assert not [(t.format, t.answer) for t in found if t.answer.verdict == "finding"]
    assert {t.answer.verdict for t in found} == {"read", "refused"}


@pytest.mark.parametrize("name", list(FORMATS))
def test_mistakes_are_many_and_the_same_every_time(name, tmp_path):
    sample = write_sample(name, tmp_path).read_bytes()
    first, again = ([mutated(sample, random.Random(f"{n}")) for n in range(20)] for _ in "ab")
    assert first == again
    assert len(set(first)) > 15
