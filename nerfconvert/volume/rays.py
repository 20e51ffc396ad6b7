"""Rays and Samples: frozen bundles of tensors, samples packed ray after ray."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .on_device import sent

FARTHEST = 1e30  # world units: rays end behind any box


@dataclass(frozen=True)
class Rays:
    """R rays; every tensor is [R, ...].

    `view_directions` (unit, given to the field's color) equal `directions` (unit, along which rays
    march) except in warped spaces such as NDC. `near` and `far` are distances in the space of
    `origins`.
    """

    origins: Tensor  # [R, 3]
    directions: Tensor  # [R, 3] unit
    near: Tensor  # [R] >= 0
    far: Tensor  # [R]
    view_directions: Tensor  # [R, 3] unit

    @staticmethod
    def of(origins: Tensor, directions: Tensor, near: float = 0.0, far: float = FARTHEST) -> Rays:
        """Rays in world space; `directions` are normalized here. `near`, `far` in world units."""
        unit = torch.nn.functional.normalize(directions, dim=-1)
        full = origins.new_ones(len(origins))
        return Rays(origins, unit, full * near, full * far, unit)

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, index) -> Rays:
        """The rays at `index` (slice, integer tensor or mask)."""
        return Rays(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def points(self, indices: Tensor, distances: Tensor) -> Tensor:
        """Points [N, 3] at `distances` [N] along the rays with `indices` [N]."""
        origins = self.origins.index_select(0, indices)
        return torch.addcmul(origins, self.directions.index_select(0, indices), distances[:, None])

    def to(self, device: torch.device | str) -> Rays:
        return Rays(*(sent(getattr(self, name), device) for name in self.__dataclass_fields__))

    @staticmethod
    def cat(parts: list[Rays]) -> Rays:
        return Rays(*(torch.cat([getattr(p, n) for p in parts]) for n in Rays.__dataclass_fields__))


@dataclass(frozen=True)
class Samples:
    """S samples of R rays, packed: ray r owns samples offsets[r] to offsets[r + 1]."""

    t_starts: Tensor  # [S] distance at which the segment begins
    deltas: Tensor  # [S] length of the segment
    ray_indices: Tensor  # [S] int64, ascending
    offsets: Tensor  # [R + 1] int64

    def __len__(self) -> int:
        return len(self.t_starts)

    @property
    def t_mids(self) -> Tensor:
        return self.t_starts + 0.5 * self.deltas

    def positions(self, rays: Rays) -> Tensor:
        """[S, 3] midpoints of the segments."""
        return rays.points(self.ray_indices, self.t_mids)

    def select(self, keep: Tensor) -> Samples:
        """The samples where `keep` ([S] bool), still packed over the same R rays."""
        kept = torch.cat([keep.new_zeros(1, dtype=torch.int64), keep.long().cumsum(0)])
        index = keep.nonzero()[:, 0]
        return Samples(
            self.t_starts[index], self.deltas[index], self.ray_indices[index], kept[self.offsets]
        )


def joined(parts: list[Samples], rays: Rays) -> tuple[Samples, Tensor]:
    """One packing of `parts`, waves over `rays` in their order, and the place [S] in it of each
    sample, wave after wave."""
    none = rays.near.new_zeros(0)
    if not parts:
        none_of = torch.zeros(len(rays) + 1, dtype=torch.int64, device=none.device)
        return Samples(none, none, none.long(), none_of), none.long()
    counts = torch.stack([part.offsets.diff() for part in parts])
    total = counts.sum(0)
    offsets = torch.cat([total.new_zeros(1), total.cumsum(0)])
    begins = offsets[:-1] + counts.cumsum(0) - counts
    places = torch.cat(
        [
            torch.arange(len(part), device=none.device)
            + (begin - part.offsets[:-1])[part.ray_indices]
            for part, begin in zip(parts, begins, strict=True)
        ]
    )
    names = "t_starts", "deltas", "ray_indices"
    columns = (torch.cat([getattr(part, name) for part in parts]) for name in names)
    packed = (torch.empty_like(column).index_copy_(0, places, column) for column in columns)
    return Samples(*packed, offsets), places
