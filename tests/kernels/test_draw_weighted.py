"""draw_weighted: a loop that nobody can misread, frequencies, and weights that do not behave."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.kernels.draw_weighted import draw_weighted


def by_hand(weights: list[float], draw: float) -> int:
    total, reached = math.fsum(weights), 0.0
    for i, weight in enumerate(weights):
        reached += weight
        if reached > draw * total:
            return i
    raise AssertionError("a draw below 1 lies below the total")


def uniform(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 128, 1000])
@pytest.mark.usefixtures("backend")
def test_the_first_index_whose_running_sum_exceeds_the_draw(count):
    weights, draws = uniform(count, 1) * (uniform(count, 2) < 0.5), uniform(200)
    weights[-1] = 0.3  # never all zero
    found = draw_weighted(weights, draws).tolist()
    assert found == [by_hand(weights.tolist(), d) for d in draws.tolist()]


@pytest.mark.usefixtures("backend")
def test_frequencies_are_those_of_the_weights():
    weights = torch.tensor([0.0, 1.0, 3.0, 0.0, 6.0, 0.0]).repeat(50)
    draws = (torch.arange(30_000, dtype=torch.float64) + 0.5) / 30_000
    counts = torch.bincount(draw_weighted(weights, draws), minlength=300).view(50, 6)
    assert torch.equal(counts, torch.tensor([0, 60, 180, 0, 360, 0]).expand(50, 6))


@pytest.mark.usefixtures("backend")
def test_what_weighs_nothing_is_never_drawn():
    weights = torch.full((1000,), 0.1) * (torch.arange(1000) % 7 == 3)
    edges = weights.double().cumsum(0) / weights.double().sum()
    draws = torch.cat([edges, edges - 1e-16, edges + 1e-16, torch.tensor([0.0, 1.0, 2.0, -1.0])])
    assert bool((weights[draw_weighted(weights, draws)] > 0).all())


@pytest.mark.usefixtures("backend")
def test_no_weight_at_all_means_uniform():
    draws = (torch.arange(500, dtype=torch.float64) + 0.5) / 500
    assert torch.equal(
        draw_weighted(torch.zeros(100), draws), torch.arange(100).repeat_interleave(5)
    )


@pytest.mark.usefixtures("backend")
def test_broken_weights_and_draws_stay_inside():
    weights = torch.tensor([math.nan, -5.0, 2.0, math.inf, -math.inf, 1.0])
    draws = torch.tensor([0.0, 0.5, 0.999, math.nan, math.inf, -math.inf]).double()
    assert set(draw_weighted(weights, draws).tolist()) <= {2, 3, 5}
    assert draw_weighted(weights, torch.tensor([0.5]).double()).item() == 3


@pytest.mark.usefixtures("backend")
def test_a_million_entries_are_told_apart():
    """In float32 sums the last entries would be out of reach."""
    weights = torch.ones(3_000_000)
    draws = torch.tensor([1 - 0.5 / 3e6, 1 - 1.5 / 3e6, 1.5 / 3e6], dtype=torch.float64)
    assert draw_weighted(weights, draws).tolist() == [2_999_999, 2_999_998, 1]


@pytest.mark.usefixtures("backend")
def test_nothing_to_draw_from_is_named():
    assert len(draw_weighted(torch.zeros(0), torch.zeros(0).double())) == 0
    with pytest.raises(ValueError, match=r"weights must be .* got"):
        draw_weighted(torch.zeros(0), torch.zeros(3).double())
