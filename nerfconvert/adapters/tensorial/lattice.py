"""Lattice: the stored vertices of a cube lattice over a box, and interpolation between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...kernels.voxel_lookup import first_rows, list_vertices, pack_vertices, voxel_lookup
from ...volume import Aabb

PART = 1 << 20  # vertices processed at once


def voxel_edge(aabb: Aabb, cells: int) -> float:
    """Edge of a voxel in world units: the geometric mean over the three axes."""
    return math.prod(aabb.size) ** (1 / 3) / cells


@dataclass(frozen=True)
class Lattice:
    """Stored vertices, over the unit cube of `aabb`."""

    aabb: Aabb
    cells: int
    words: Tensor
    first: Tensor
    vertices: Tensor  # [V, 3] float

    @staticmethod
    def of(aabb: Aabb, stored: Tensor) -> Lattice:
        """The lattice of the vertices in `stored`, [cells + 1]^3 bool."""
        return Lattice.of_words(aabb, len(stored) - 1, pack_vertices(stored))

    @staticmethod
    def of_words(aabb: Aabb, cells: int, words: Tensor) -> Lattice:
        """The lattice of the vertices in `words` [B^3]."""
        vertices = list_vertices(words).to(torch.float32)
        return Lattice(aabb, cells, words, first_rows(words), vertices)

    @property
    def edge(self) -> float:
        return voxel_edge(self.aabb, self.cells)

    def around(self, chosen: Tensor) -> Lattice:
        """Only the `chosen` ([V] bool) vertices and their neighbors; all where none is chosen."""
        if not chosen.any():
            return self
        stored, grown = self._dense(self.vertices), self._dense(self.vertices[chosen])
        for axis in range(3):
            before, after = grown.narrow(axis, 0, self.cells), grown.narrow(axis, 1, self.cells)
            middle = grown.clone()
            middle.narrow(axis, 1, self.cells).logical_or_(before)
            middle.narrow(axis, 0, self.cells).logical_or_(after)
            grown = middle
        return Lattice.of(self.aabb, grown & stored)

    def holds(self, vertices: Tensor) -> Tensor:
        """[N] bool: whether integer `vertices` [N, 3] are stored."""
        stored = self._dense(self.vertices)
        return torch.cat([stored[tuple(part.long().T)] for part in vertices.split(PART)])

    def finer(self, cells: int) -> Lattice:
        """One of more `cells`, with the vertices at or beside those stored here, along each axis
        less than a cell away."""
        stored = self._dense(self.vertices)
        index = torch.arange(cells + 1, device=stored.device) * self.cells
        for axis in range(3):
            low = stored.index_select(axis, index // cells)
            stored = low | stored.index_select(axis, -(-index // cells))
        return Lattice.of(self.aabb, stored)

    def _dense(self, vertices: Tensor) -> Tensor:
        """[cells + 1]^3 bool: True at `vertices` [N, 3]."""
        dense = torch.zeros((self.cells + 1,) * 3, dtype=torch.bool, device=vertices.device)
        for part in vertices.split(PART):
            dense[tuple(part.long().T)] = True
        return dense

    def world(self, points: Tensor) -> Tensor:
        """World positions of points [N, 3] in units of cells."""
        return self.aabb.from_unit(points / self.cells)

    def look_up(self, table: Tensor, points: Tensor, sparse: bool = False) -> Tensor:
        """Interpolated rows [N, C] of [V, C] at points [N, 3] in units of cells; with `sparse`
        gradients hold only the rows that the points touch."""
        return voxel_lookup(points / self.cells, table, self.words, self.first, self.cells, sparse)
