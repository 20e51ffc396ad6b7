"""LiveOccupancy: where a student that is trained from images may have density."""

from __future__ import annotations

import torch
from torch import Tensor

from ..volume import RadianceField, sent
from ..volume.occupancy import dilate

FINE_STEPS = 512
RESOLUTION = 64  # cells along an axis; an MLP cannot afford to be asked about more
PARTS = 8  # refreshes that together visit every cell once
DECAY = 0.8  # of a cell's remembered opacity at each visit
THRESHOLD = 0.01  # opacity of a fine step below which a cell is empty


class LiveOccupancy:
    """The student's occupancy, re-estimated from its own density while it trains (instant-ngp).

    `hull` [r, r, r] bool, r = RESOLUTION, holds the cells that may be occupied; by default all. If
    it `grows`, what is next to occupied cells joins it: it is where density begins, no more.
    """

    def __init__(self, student: RadianceField, hull: Tensor | None = None, grows: bool = False):
        self.student, self.grows = student, grows
        self.allow(torch.ones((RESOLUTION,) * 3, dtype=torch.bool) if hull is None else hull)
        self.opacity = torch.zeros(
            RESOLUTION**3, device=student.device
        )  # decayed maximum of each cell

    def allow(self, hull: Tensor) -> None:
        """Lets no other cells be occupied."""
        self.hull = hull.to(self.student.device)
        self.cells = self.hull.flatten().nonzero()[:, 0]

    def begin(self) -> None:
        """Lets the student have density in all of the hull."""
        self.opacity.zero_()
        self.student.occupancy.assign(self.hull)

    @torch.no_grad()
    def refresh(self, number: int, prune: bool) -> None:
        """Looks once into each cell of part `number`; prunes only if asked."""
        generator = torch.Generator().manual_seed(number)
        cells = self.cells[number % PARTS :: PARTS]
        x, y, z = cells // RESOLUTION**2, cells // RESOLUTION % RESOLUTION, cells % RESOLUTION
        corner = torch.stack([x, y, z], -1)
        shift = sent(torch.rand(corner.shape, generator=generator), corner.device)
        unit = (corner + shift) / RESOLUTION
        step = self.student.aabb.diagonal / FINE_STEPS
        found = -torch.expm1(-torch.nan_to_num(self._density(unit), 0.0) * step)
        self.opacity[cells] = torch.maximum(self.opacity[cells] * DECAY, found)
        if prune:
            threshold = min(THRESHOLD, float(self.opacity[self.cells].mean()))
            occupied = dilate((self.opacity > threshold).view((RESOLUTION,) * 3))
            if self.grows:
                self.allow(self.hull | occupied)
            self.student.occupancy.assign(occupied & self.hull)

    def _density(self, unit: Tensor) -> Tensor:
        positions = self.student.aabb.from_unit(unit)
        parts = [self.student.density_at(p) for p in positions.split(8192)]
        return torch.cat(parts)
