"""The hashed field against loops in float64, and the harmonics that its formats fold."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from nerfconvert.adapters.harmonics_shift import harmonics_shift, positive_harmonics
from nerfconvert.adapters.hashed import HashedConfig, look_up
from nerfconvert.kernels.spherical_harmonics import spherical_harmonics_reference

PRIMES = (1, 2654435761, 805459861)


def between(place: np.ndarray, table: np.ndarray) -> np.ndarray:
    cell = np.floor(place).astype(int)
    total = np.zeros(table.shape[1])
    for corner in itertools.product((0, 1), repeat=3):
        index = 0
        for at, bit, prime in zip(cell, corner, PRIMES):
            index ^= (int(at) + bit) * prime
        part = place - cell
        weight = math.prod(p if bit else 1 - p for p, bit in zip(part, corner))
        total += weight * table[index % len(table)]
    return total


@pytest.mark.parametrize("cells", [1, 7, 2047])
def test_look_up(cells):
    table = torch.randn(32, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    unit = torch.rand(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    places = torch.cat([unit, unit.round()]) * cells  # corners of the box, too
    found = look_up(places, table)
    for place, features in zip(places.numpy(), found.numpy()):
        np.testing.assert_allclose(features, between(place, table.numpy()), atol=1e-12)


def test_shifted_harmonics_are_sums_of_the_usual_ones():
    draw = torch.randn(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    directions = torch.nn.functional.normalize(draw, dim=-1)
    wanted = positive_harmonics((directions + 1) / 2)
    found = spherical_harmonics_reference(directions, 4) @ harmonics_shift().T
    assert float((found - wanted).abs().max()) < 1e-12


def test_positive_harmonics_of_directions_differ_in_signs():
    draw = torch.randn(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    directions = torch.nn.functional.normalize(draw, dim=-1)
    usual = spherical_harmonics_reference(directions, 4)
    signs = torch.tensor([1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1])
    assert float((positive_harmonics(directions) - usual * signs).abs().max()) < 1e-7


@pytest.mark.parametrize("resolutions", [(), (0,), (3.5,), (1 << 20,), (4,) * 33])
def test_wrong_resolutions(resolutions):
    with pytest.raises(ValueError, match="resolutions"):
        HashedConfig(resolutions=resolutions)
