"""nerfacc_grid: the occupancy that nerfacc keeps for nerfstudio's instant-ngp, over a field's box.

It is nested grids of cells in the world, each of twice the size of the one inside it; outside of
the largest nothing is sampled, so that there a field was never trained.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...volume import Aabb
from ...volume.occupancy import LEAST_SHARE

SIDE = 128  # cells of the result
SLAB = 2  # of its layers at once
POINTS = 2  # that stand for a cell, along each axis


def spread(grids: Tensor, innermost: Aabb, box: Aabb) -> Tensor:
    """[128, 128, 128] bool over `box`, which may be contracted, of bool `grids` [L, r, r, r], the
    first of which covers `innermost`. A cell counts that lies in occupied ones by `LEAST_SHARE`."""
    cells = torch.empty((SIDE,) * 3, dtype=torch.bool)
    places = (torch.arange(SIDE * POINTS) + 0.5) / (SIDE * POINTS)
    for x in range(0, SIDE, SLAB):
        along = places[x * POINTS : (x + SLAB) * POINTS]
        axes = torch.meshgrid(along, places, places, indexing="ij")
        unit = torch.stack(axes).movedim(0, -1)  # in memory axis by axis, for vectorized loops
        found = looked_up(grids, innermost.to_unit(box.from_unit(unit)) * 2 - 1)
        parts = found.view(SLAB, POINTS, SIDE, POINTS, SIDE, POINTS).float()
        cells[x : x + SLAB] = parts.mean((1, 3, 5)) >= LEAST_SHARE
    return cells


def looked_up(grids: Tensor, local: Tensor) -> Tensor:
    """[...] bool: whether places [..., 3], in [-1, 1] where the innermost grid is, are occupied."""
    levels, side = grids.shape[:2]
    reach = local.abs().amax(-1)
    level = sum((reach > 2.0**inner).int() for inner in range(levels))  # the first that has it
    inside = level < levels
    level.clamp_max_(levels - 1)
    scale = torch.tensor([0.5 * side / 2.0**n for n in range(levels)]).index_select(
        0, level.view(-1)
    )
    cell = (local * scale.view(level.shape)[..., None] + side / 2).int().clamp_(0, side - 1)
    x, y, z = cell.unbind(-1)
    place = ((level * side + x) * side + y) * side + z
    return inside & grids.reshape(-1).index_select(0, place.view(-1)).view(level.shape)
