"""color_columns: the inputs of a hash grid's color network, which each program orders its own way.

HashgridField has [features, harmonics]. The first harmonic is a constant, so that a constant input
of another program becomes part of its column, exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

HARMONICS = 16  # of degree 4
FIRST_HARMONIC = 0.28209479177387814  # its value in every direction


def harmonics_last(weight: Tensor) -> Tensor:
    """A first matrix [W, 16 + F] for inputs [harmonics, features] as one for [features,
    harmonics]."""
    return weight.roll(-HARMONICS, dims=1)


def harmonics_first(weight: Tensor) -> Tensor:
    """The inverse of `harmonics_last`."""
    return weight.roll(HARMONICS, dims=1)


def with_constant(weight: Tensor, column: Tensor) -> Tensor:
    """A first matrix for [features, harmonics] that adds `column` [W] times 1 to its results."""
    changed = weight.clone()
    changed[:, -HARMONICS] += column / FIRST_HARMONIC
    return changed


def with_density(weight: Tensor) -> Tensor:
    """A first matrix [W, 31] that does not see raw density as one [W, 32] that ignores it."""
    return torch.cat([torch.zeros_like(weight[:, :1]), weight], 1)
