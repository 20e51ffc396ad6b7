"""Averages, odds and spread draws: closed forms."""

from __future__ import annotations

import torch

from nerfconvert.distiller.samplers.averages import FLOOR, learn, odds, relative, spread
from tests.distiller.scene import seeded


def test_an_average_moves_towards_the_mean_of_what_was_found():
    values = torch.tensor([1.0, 1.0, 1.0])
    learn(values, torch.tensor([2, 0, 2]), torch.tensor([5.0, 0.0, 7.0]), 0.5)
    assert torch.allclose(values, torch.tensor([0.5, 1.0, 3.5]))


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
