"""Averages, odds, spread draws and random keeping: closed forms."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.distiller.samplers.averages import (
    FLOOR,
    keeping,
    learn,
    odds,
    relative,
    spread,
    systematic,
)
from tests.distiller.scene import seeded


def test_an_average_moves_towards_the_mean_of_what_was_found():
    values = torch.tensor([1.0, 1.0, 1.0])
    learn(values, torch.tensor([2, 0, 2]), torch.tensor([5.0, 0.0, 7.0]), 0.5)
    assert torch.allclose(values, torch.tensor([0.5, 1.0, 3.5]))


def test_what_is_not_finite_teaches_nothing():
    values = torch.tensor([1.0, 1.0, 1.0])
    found = torch.tensor([5.0, torch.nan, torch.inf, 3.0])
    learn(values, torch.tensor([2, 0, 2, 1]), found, 0.5)
    assert torch.allclose(values, torch.tensor([1.0, 2.0, 3.0]))


def test_odds_have_mean_one_a_floor_and_bounded_weights():
    errors = torch.rand(1000, generator=seeded()).pow(6)
    chances = odds(errors)
    assert torch.isclose(chances.mean(), torch.tensor(1.0))
    assert chances.min() >= FLOOR
    above = (chances - FLOOR) / errors.clamp_min(1e-20)
    assert torch.allclose(above[errors > 1e-3], (1 - FLOOR) / errors.mean())


def test_no_errors_at_all_are_uniform():
    assert torch.equal(odds(torch.zeros(5)), torch.ones(5))
    assert torch.equal(odds(torch.full((5,), 0.3)), torch.ones(5))


def test_spread_draws_lie_one_in_each_part():
    draws = spread(100, seeded(), torch.device("cpu"))
    assert torch.equal((draws * 100).long(), torch.arange(100))


def test_relative_errors_have_weighted_mean_one():
    errors, importance = torch.rand(2, 50, generator=seeded())
    found = relative(errors, importance)
    assert torch.isclose((found * importance).mean(), torch.tensor(1.0))


def by_sorting(values: torch.Tensor, share: float) -> torch.Tensor:
    """min(1, c * value) with the sum asked for, by trying every number of certain ones."""
    descending, wanted = values.sort(descending=True).values, share * len(values)
    for certain in range(len(values)):
        factor = (wanted - certain) / descending[certain:].sum()
        if factor * descending[certain] <= 1:
            return (values * factor).clamp_max(1)
    raise AssertionError("the share is below 1")


@pytest.mark.parametrize("power", [1, 4, 12])
def test_chances_are_those_that_sorting_finds(power):
    values = torch.rand(2000, generator=seeded(), dtype=torch.float64).pow(power) + 0.01
    found = keeping(values, 0.5)
    torch.testing.assert_close(found, by_sorting(values, 0.5), rtol=1e-2, atol=1e-3)
    assert abs(float(found.sum()) - 1000) < 5


def test_each_is_kept_with_its_chance():
    chances = torch.rand(300, generator=seeded(), dtype=torch.float64)
    counts, starts = torch.zeros(300), 2000
    for k in range(starts):
        index = systematic(chances, (k + 0.5) / starts)
        assert abs(len(index) - float(chances.sum())) <= 1
        counts[index] += 1
    assert float((counts / starts - chances).abs().max()) <= 1.01 / starts
