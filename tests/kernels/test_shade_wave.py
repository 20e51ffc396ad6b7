"""shade_wave: the composite, wave by wave, and colors where its opacity passes a multiple."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.kernels.composite import COMPOSITE, composite
from nerfconvert.kernels.shade_wave import shade_wave


def samples(seed: int = 0, rays: int = 30) -> tuple[torch.Tensor, ...]:
    """Density, distances, lengths, offsets."""
    density, _, t_mids, deltas, offsets = COMPOSITE.sized(torch.Generator().manual_seed(seed), rays)
    return density, t_mids, deltas, offsets


def fresh(rays: int) -> list[torch.Tensor]:
    return [torch.ones(rays), torch.ones(rays), torch.zeros(rays)]


def test_with_a_color_everywhere_it_is_the_composite(backend):
    density, t_mids, deltas, offsets = samples()
    rgb = torch.zeros(len(density), 3)
    _, opacity, depth, weights = composite(density, rgb, t_mids, deltas, offsets)
    mine, seen, shown, far = shade_wave(density, t_mids, deltas, offsets, *fresh(30), 0.0)
    torch.testing.assert_close(mine, weights, rtol=0, atol=1e-6)
    torch.testing.assert_close(1 - seen, opacity, rtol=0, atol=1e-6)
    torch.testing.assert_close(shown, seen, rtol=0, atol=1e-6)
    torch.testing.assert_close(far, depth, rtol=0, atol=1e-5)


@pytest.mark.parametrize("grain", [0.0, 0.01, 1.0])
def test_two_waves_are_one(backend, grain):
    density, t_mids, deltas, offsets = samples()
    whole, *end = shade_wave(density, t_mids, deltas, offsets, *fresh(30), grain)
    ray = torch.repeat_interleave(torch.arange(30), offsets.diff())
    early = torch.arange(len(density)) - offsets[ray] < 3
    weights, state = torch.zeros_like(density), fresh(30)
    for part in (early, ~early):
        counts = torch.bincount(ray[part], minlength=30)
        bounds = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        packed = density[part], t_mids[part], deltas[part], bounds
        weights[part], *state = shade_wave(*packed, *state, grain)
    assert torch.equal(weights, whole)
    for got, want in zip(state, end, strict=True):
        assert torch.equal(got, want)


def test_one_color_for_each_part_of_opacity(backend):
    """A ray of 1000 equal samples that takes half of the light: a color after each twentieth."""
    density, t_mids = torch.full((1000,), math.log(2)), torch.linspace(0, 1, 1000)
    deltas, offsets = torch.full((1000,), 1e-3), torch.tensor([0, 1000])
    weights, seen, shown, _ = shade_wave(density, t_mids, deltas, offsets, *fresh(1), 0.05)
    assert seen.item() == pytest.approx(0.5, abs=1e-4)
    asked = weights[weights > 0]
    assert 9 <= len(asked) <= 11
    assert float(asked[1:].min()) > 0.049
    assert float(asked.max()) < 0.051
    assert float(asked.sum()) == pytest.approx(1 - shown.item(), abs=1e-6)


def test_not_a_number_is_empty_and_infinity_opaque(backend):
    density = torch.tensor([math.nan, 0.0, math.inf, 1.0])
    ones, offsets = torch.ones(4), torch.tensor([0, 4])
    weights, seen, shown, depth = shade_wave(density, 2 * ones, ones, offsets, *fresh(1), 0.003)
    assert weights.tolist() == [0, 0, 1, 0]
    assert seen.item() == shown.item() == 0
    assert depth.item() == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({3: torch.zeros(0, dtype=torch.int64)}, "offsets must be"),
        ({4: torch.ones(3)}, "seen must be"),
        ({2: torch.ones(5)}, "deltas must be"),
        ({7: -0.1}, "grain must be in"),
        ({7: math.nan}, "grain must be in"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = [torch.ones(4)] * 3 + [torch.tensor([0, 4])] + fresh(1) + [0.003]
    for place, value in change.items():
        arguments[place] = value
    with pytest.raises(ValueError, match=message):
        shade_wave(*arguments)
