"""Which voxels count as filled: those that hold density that shows."""

from __future__ import annotations

from torch import Tensor

from ...volume import part_that_shows
from .lattice import Lattice

EMPTY = 1.28  # optical depth of the box below which nothing is stored; as in an occupancy of 128
HAZE = 0.025  # mean depth across the box that may be left out; of solids 0.014, of smoke 0.04


def filled(lattice: Lattice, depth: Tensor, empty: float = EMPTY) -> Tensor:
    """[V] bool: whether voxels of optical `depth` [V] count as density: more than `empty` across
    the box."""
    return depth > empty / lattice.cells


def emptiness(lattice: Lattice, depth: Tensor) -> float:
    """Below which optical depth of the box voxels of optical `depth` [V] may be left out: where it
    is thin all over, as in smoke, all of them together would show."""

    def left_out(part: float) -> float:
        faint = depth[~filled(lattice, depth, part * EMPTY)]
        return float(faint.sum()) / lattice.cells**2

    return EMPTY * part_that_shows(left_out, HAZE)
