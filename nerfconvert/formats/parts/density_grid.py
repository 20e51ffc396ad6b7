"""density_grid: occupancy as instant-ngp and its descendants store it.

Cascades of 128^3 cells in Morton order, x in the lowest bits, each over a cube around the center of
the scene's cube.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...volume import Aabb
from ...volume.occupancy import LEAST_SHARE, covered_cells, resampled

SIDE = 128
CELLS = SIDE**3
TURNS = {"xyz": (0, 1, 2), "yzx": (2, 0, 1)}  # the grid's axes that are the world's x, y, z


def from_cascades(cascades: Tensor, reaches: Sequence[float], cube: Aabb, axes: str) -> Tensor:
    """[128, 128, 128] bool of the world box `cube`, from cascades [C, 128^3] bool.

    `reaches` are their sizes relative to the cube, `axes` the world's axes that their x, y, z are.
    """
    cells = torch.zeros((SIDE,) * 3, dtype=torch.bool)
    for cascade, reach in zip(cascades, reaches, strict=True):
        dense = cascade[_morton()].permute(TURNS[axes])
        cells |= dense if reach == 1 else resampled(dense, _inner(cube, reach), cube, SIDE)
    return cells


def to_cascades(
    dense: Tensor, box: Aabb, reaches: Sequence[float], cube: Aabb, axes: str
) -> Tensor:
    """[C, 128^3] bool: the inverse, of cells [r, r, r] of `box`, which lies in the cube."""
    cascades = torch.zeros(len(reaches), CELLS, dtype=torch.bool)
    back = np.argsort(TURNS[axes]).tolist()
    for cascade, reach in zip(cascades, reaches, strict=True):
        cascade[_morton()] = covered(dense, box, _inner(cube, reach), LEAST_SHARE).permute(back)
    return cascades


def covered(dense: Tensor, source: Aabb, target: Aabb, share: float) -> Tensor:
    """[128, 128, 128] bool of the box `target`: cells that are occupied in at least this share of
    their volume by cells [r, r, r] of the box `source`."""
    return covered_cells(dense, source, target, SIDE, share)


def from_bitfield(
    packed: Tensor | None, reaches: Sequence[float], cube: Aabb, axes: str
) -> Tensor | None:
    """`from_cascades` of [C * 128^3 / 8] uint8, the lowest bit first; None where there are none or
    none is set. Raises ValueError for a tensor of another shape or kind."""
    if packed is None or not packed.any():
        return None
    if packed.dtype != torch.uint8 or packed.shape != (len(reaches) * CELLS // 8,):
        raise ValueError(
            f"density_bitfield has shape {list(packed.shape)} of {packed.dtype}; expected "
            f"{len(reaches)} * 128^3 bits in bytes"
        )
    bits = np.unpackbits(packed.contiguous().numpy(), bitorder="little")
    return from_cascades(torch.from_numpy(bits).bool().view(-1, CELLS), reaches, cube, axes)


def to_bitfield(cascades: Tensor) -> Tensor:
    """[C * 128^3 / 8] uint8 of cascades [C, 128^3] bool."""
    return torch.from_numpy(np.packbits(cascades.numpy().reshape(-1), bitorder="little"))


def _morton() -> Tensor:
    """[128, 128, 128] int64: place of the cell (x, y, z)."""
    steps = torch.arange(SIDE)
    spread = sum(((steps >> bit) & 1) << 3 * bit for bit in range(7))
    x, y, z = torch.meshgrid(spread, spread, spread, indexing="ij")
    return x | y << 1 | z << 2


def _inner(cube: Aabb, reach: float) -> Aabb:
    """The cube around the same center, `reach` times as large."""
    half = max(cube.size) / 2 * reach
    return Aabb(*([c + sign * half for c in cube.center] for sign in (-1, 1)))
