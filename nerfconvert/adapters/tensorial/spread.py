"""Colors of voxels that nothing was asked for: their neighbors'."""

from __future__ import annotations

import torch
from torch import Tensor

from .lattice import Lattice

BATCH = 1 << 16  # rows at once
WEAK = 1e-3  # weight of a color that came from neighbors, beside one that was fitted
FILLINGS = 4  # voxels that color spreads into what is empty or hidden


def spread_colors(lattice: Lattice, table: Tensor, weight: Tensor) -> None:
    """Replaces the coefficients in rows of `table` [V, 28] whose `weight` [V] is 0 by the weighted
    mean of those around them.

    Look-ups half a cell away to all eight sides average over the 26 neighbors. Meanwhile rows are
    weighed, in place, with their weights in the first column.
    """
    table.mul_(weight[:, None])[:, 0] = weight
    mean = table[:, 1:].sum(0) / weight.sum().clamp_min(1e-12)
    sides = torch.cartesian_prod(*[weight.new_tensor([-0.5, 0.5])] * 3)
    unknown = (weight <= 0).nonzero()[:, 0]
    for _ in range(FILLINGS):
        left = []
        for rows in unknown.split(BATCH):
            around = sum(lattice.look_up(table, lattice.vertices[rows] + s) for s in sides)
            found = around[:, 0] > 0
            table[rows[found]] = WEAK * around[found] / around[found, :1]
            left.append(rows[~found])
        unknown = torch.cat(left) if left else unknown
    for rows in table.split(BATCH):
        rows[:, 1:] /= rows[:, :1]
    table[unknown, 1:] = mean
