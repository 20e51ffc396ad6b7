"""wave_lookup: torch's grid_sample, sines of large phases, phases that mean nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import grid_sample

from nerfconvert.kernels.wave_lookup import wave_lookup


def test_it_is_grid_sample_at_sines_and_cosines(backend):
    generator = torch.Generator().manual_seed(0)
    turns = torch.rand(300, 3, generator=generator, dtype=torch.float64) - 0.5
    frequencies = torch.tensor([1.0, 2.0, 5.5], dtype=torch.float64)
    volumes = torch.randn(6, 7, 7, 7, 4, generator=generator, dtype=torch.float64)
    phases = math.pi * frequencies[:, None, None] * turns
    grid = torch.stack([phases.sin(), phases.cos()], 1).flatten(0, 1)[:, :, None, None]
    sampled = grid_sample(volumes.permute(0, 4, 1, 2, 3), grid, align_corners=True)
    expected = sampled[..., 0, 0].permute(2, 0, 1).flatten(1)
    found = wave_lookup(turns, frequencies, volumes)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_sines_and_cosines_are_exact_to_float32(backend):
    """Volumes that grow along x from -1 to 1 give the waves themselves, also after many turns."""
    turns = torch.linspace(-3000, 3000, 20_001)[:, None].expand(-1, 3)
    volumes = torch.linspace(-1, 1, 2)[:, None].expand(2, 2, 2, 2, 1)
    found = wave_lookup(turns, torch.ones(1), volumes)
    phases = math.pi * turns[:, 0].double()
    expected = torch.stack([phases.sin(), phases.cos()], 1)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=4e-7)


def test_phases_beyond_reason_count_as_zero(backend):
    turns = torch.tensor([[math.nan] * 3, [math.inf] * 3, [-3e30] * 3, [2.0**20] * 3, [0.0] * 3])
    found = wave_lookup(turns, torch.ones(1), torch.randn(2, 3, 3, 3, 4))
    assert torch.equal(found, found[-1:].expand_as(found))


def test_refused():
    with pytest.raises(ValueError, match="volumes must"):
        wave_lookup(torch.zeros(1, 3), torch.ones(2), torch.zeros(2, 3, 3, 3, 4))
    with pytest.raises(ValueError, match="2 to 1024 samples"):
        wave_lookup(torch.zeros(1, 3), torch.ones(1), torch.zeros(2, 1, 1, 1, 4))
