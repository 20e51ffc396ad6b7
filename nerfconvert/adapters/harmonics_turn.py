"""harmonics_turn: spherical harmonics of a frame whose axes are the world's in turn."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..kernels.spherical_harmonics import spherical_harmonics_reference

ROUNDING = 1e-9  # coefficients below are errors of zero


@functools.cache
def harmonics_turn(bands: int) -> Tensor:
    """[B^2, B^2] float64: harmonics of a direction (y, z, x) are this times those of (x, y, z)."""
    generator = torch.Generator().manual_seed(0)
    given = normalize(torch.randn(8 * bands**2, 3, generator=generator, dtype=torch.float64), dim=1)
    pair = (spherical_harmonics_reference(d, bands) for d in (given, given.roll(-1, dims=1)))
    turn = torch.linalg.lstsq(*pair).solution.T
    return turn.where(turn.abs() > ROUNDING, 0.0)
