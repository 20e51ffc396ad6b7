"""Aabb: the axis-aligned box of a field, in the world or in contracted space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .contraction import Contraction
from .on_device import constant

LARGEST = 1e9  # world units from 0: squares and volumes stay far from the largest float32


@dataclass(frozen=True)
class Aabb:
    """Box from `low` to `high`, triples in world units.

    With a `contraction` its corners, `size` and `diagonal` are those in contracted space; points
    that it is asked about are world points all the same. Raises ValueError unless within
    +-`LARGEST` and low < high, also in float32, as positions are computed.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    contraction: Contraction | None = None

    def __post_init__(self):
        try:
            low, high = (tuple(float(v) for v in corner) for corner in (self.low, self.high))
        except OverflowError:
            raise ValueError(
                f"aabb must be within +-{LARGEST:g}, got an integer that no float holds"
            ) from None
        if len(low) != 3 or len(high) != 3:
            raise ValueError(f"aabb corners must have 3 numbers, got {len(low)} and {len(high)}")
        corners = torch.tensor([low, high], dtype=torch.float32)
        if not (corners.abs() <= LARGEST).all():
            raise ValueError(f"aabb must be within +-{LARGEST:g}, got {low} to {high}")
        if not (corners[0] < corners[1]).all():
            raise ValueError(
                f"aabb has no volume: it must have low < high on each axis, got {low} to {high}"
            )
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        if self.contraction:
            self._world_cube()  # must be a box, too

    @property
    def size(self) -> tuple[float, float, float]:
        """Edge lengths in world units."""
        return tuple(b - a for a, b in zip(self.low, self.high, strict=True))

    @property
    def center(self) -> tuple[float, float, float]:
        return tuple((a + b) / 2 for a, b in zip(self.low, self.high, strict=True))

    @property
    def diagonal(self) -> float:
        return math.dist(self.low, self.high)

    def corners(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """(low, high), each [3], with the dtype and device of `like`: constants."""
        return constant(self.low, like), constant(self.high, like)

    def contracted(self, positions: Tensor) -> Tensor:
        """World [..., 3] to the space of the corners; the same without a contraction."""
        return self.contraction.contract(positions) if self.contraction else positions

    def to_unit(self, positions: Tensor) -> Tensor:
        """World [..., 3] to the unit cube; points outside map outside [0, 1]."""
        low, high = self.corners(positions)
        return (self.contracted(positions) - low) / (high - low)

    def from_unit(self, unit: Tensor) -> Tensor:
        """Unit cube [..., 3] to world."""
        low, high = self.corners(unit)
        inner = low + unit * (high - low)
        return self.contraction.expand(inner) if self.contraction else inner

    def part(self, low: Tensor, high: Tensor) -> Aabb:
        """The box between two corners [3] of the unit cube, in the same space."""
        corners = self.corners(low)
        ends = (corners[0] + unit * (corners[1] - corners[0]) for unit in (low, high))
        return Aabb(*(end.tolist() for end in ends), self.contraction)

    def _world_cube(self) -> Aabb:
        """The cube about the contraction's center that holds all world points of this box."""
        center = self.contraction.center
        far = [max(abs(a - c), abs(b - c)) for a, b, c in zip(self.low, self.high, center)]
        half = self.contraction.reach(far)
        return Aabb(tuple(c - half for c in center), tuple(c + half for c in center))

    def contains(self, positions: Tensor) -> Tensor:
        """[...] bool: whether positions [..., 3] are inside or on the box."""
        low, high = self.corners(positions)
        inner = self.contracted(positions)
        return ((inner >= low) & (inner <= high)).all(-1)

    def intersect(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Entry and exit distances [R] of rays, in units of `directions`; entry is clamped to 0.

        A ray that misses has exit <= entry. Zero direction components are legal. With a
        contraction it is the world box about all that is in this one.
        """
        if self.contraction:
            return self._world_cube().intersect(origins, directions)
        low, high = self.corners(origins)
        safe = torch.where(directions.abs() < 1e-12, directions.new_full((), 1e-12), directions)
        t_low, t_high = (low - origins) / safe, (high - origins) / safe
        near = torch.minimum(t_low, t_high).amax(-1).clamp_min(0)
        return near, torch.maximum(t_low, t_high).amin(-1)
