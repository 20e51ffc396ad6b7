"""Targets of a low-rank field: the teacher's density and colors at the nodes of a lattice."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...kernels.spherical_harmonics import spherical_harmonics
from ...volume import Aabb, OccupancyGrid, RadianceField, Visibility
from ..harmonics import DARK, least_squares, seen_colors

BATCH = 1 << 15  # nodes queried at once
# A node's density is the mean over its cell, from the corners of a tetrahedron: one point alone
# misses or doubles structures thinner than a cell.
WITHIN = ((0.25, 0.25, 0.25), (0.25, -0.25, -0.25), (-0.25, 0.25, -0.25), (-0.25, -0.25, 0.25))


@dataclass(frozen=True)
class Lattice:
    """Nodes over a box whose first and last lie on its faces."""

    aabb: Aabb
    sizes: list[int]  # along x, y, z
    index: Tensor  # [N, 3] int64, the nodes that are fitted

    @property
    def edge(self) -> float:
        """World units between nodes; the geometric mean of the three axes."""
        cells = math.prod(n - 1 for n in self.sizes)
        return (math.prod(self.aabb.size) / cells) ** (1 / 3)

    def positions(self, rows: slice | Tensor, shift: Tensor | float = 0.0) -> Tensor:
        """World positions [n, 3] of the nodes `rows`, moved by `shift` cells within the box."""
        cells = self.index.new_tensor(self.sizes) - 1
        return self.aabb.from_unit(((self.index[rows] + shift) / cells).clamp(0, 1))

    def batches(self) -> list[slice]:
        return [slice(i, i + BATCH) for i in range(0, len(self.index), BATCH)]


def touched_nodes(occupancy: OccupancyGrid, sizes: list[int]) -> Tensor:
    """[X, Y, Z] bool: nodes within half a cell of an occupied cell of the grid."""
    touched, cells = occupancy.dense(), occupancy.resolution
    for axis, size in enumerate(sizes):
        unit = torch.arange(size, device=touched.device) / (size - 1)
        half = 0.5 / (size - 1)
        low, high = (((unit + s) * cells).long().clamp(0, cells - 1) for s in (-half, half))
        touched = touched.index_select(axis, low) | touched.index_select(axis, high)
    return touched


@dataclass(frozen=True)
class Survey:
    """The teacher's density and visibility at the nodes of a lattice."""

    lattice: Lattice
    density: Tensor  # [N] 1 / world unit, mean of the cell around the node
    transmittance: Tensor  # [N, K] from the node to each direction's cameras

    def part(self, chosen: Tensor) -> Survey:
        """Only the chosen ([N] bool) nodes."""
        lattice = replace(self.lattice, index=self.lattice.index[chosen])
        return Survey(lattice, self.density[chosen], self.transmittance[chosen])


@torch.no_grad()
def survey(
    teacher: RadianceField,
    visibility: Visibility,
    lattice: Lattice,
    tick: Callable[[], None] = lambda: None,
) -> Survey:
    """Density and visibility at all nodes; NaN counts as empty."""
    count = len(lattice.index)
    density = torch.zeros(count, device=lattice.index.device)
    transmittance = density.new_zeros(count, len(visibility.directions))
    for rows in lattice.batches():
        transmittance[rows] = visibility.transmittance(lattice.positions(rows))
        for shift in WITHIN:
            positions = lattice.positions(rows, density.new_tensor(shift))
            density[rows] += _shown_density(teacher, positions)
        tick()
    return Survey(lattice, density / len(WITHIN), transmittance)


def _shown_density(teacher: RadianceField, positions: Tensor) -> Tensor:
    """Density [N] as it is rendered: 0 outside of the teacher's occupied cells."""
    density = teacher.density_at(positions).nan_to_num(0.0)
    occupied = teacher.occupancy.query(teacher.aabb.to_unit(positions))
    return density.where(occupied, 0.0)


@torch.no_grad()
def query_harmonics(
    teacher: RadianceField,
    visibility: Visibility,
    seen: Survey,
    bands: int,
    logits: bool,
    tick: Callable[[], None] = lambda: None,
) -> Tensor:
    """Coefficients [N, 3 * bands^2] of the nodes' colors, channel after channel, by least squares
    over the directions in which they are visible; of colors - 1/2, or of their logits."""
    basis = spherical_harmonics(visibility.directions, bands)
    found = seen.transmittance.new_empty(len(seen.transmittance), 3 * basis.shape[1])
    for rows in seen.lattice.batches():
        transmittance = seen.transmittance[rows]
        features = teacher.encode(seen.lattice.positions(rows))
        rgb, weight = seen_colors(teacher, features, visibility.directions, transmittance)
        target = rgb.clamp(DARK, 1 - DARK).logit() if logits else rgb - 0.5
        found[rows] = least_squares(basis, target, weight).flatten(1)
        tick()
    return found
