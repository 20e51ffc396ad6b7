"""EmptySpace: teaches a student to be empty where its teacher is, for files that hide less.

Nothing else teaches a student there, and readers of such a file show what it has there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..volume import RadianceField, sent
from ..volume.occupancy import dilate
from .losses import emptiness_loss

NEAR = 3  # cells of the teacher: what a file with coarser cells shows beside it
WIDE = 3.0  # edges of the box around, in edges of the box: programs march from near to far


class EmptySpace:
    """Random places, and a loss on the student's density at those that the teacher's occupancy
    excludes.

    They are next to occupied cells; where the file keeps no occupancy, only half of them: a quarter
    is in the student's box, a quarter in a box `WIDE` times as large around it.
    """

    def __init__(
        self,
        student: RadianceField,
        teacher: RadianceField,
        places: int,
        step: float,
        everywhere: bool,
    ):
        """`places` a step; opacity is that of `step` in world units."""
        self.student, self.teacher, self.step = student, teacher, step
        occupied = teacher.occupancy.dense()
        self.cells = (dilate(occupied, NEAR) & ~occupied).nonzero()
        near = (places // 2 if everywhere else places) if len(self.cells) else 0
        self.near, edges = near, torch.ones(places - near, 1)
        if student.aabb.contraction is None:
            edges[len(edges) // 2 :] = WIDE
        self.edges = edges.to(student.device)  # of the boxes, in edges of the student's

    def loss(self, generator: torch.Generator) -> Tensor:
        """Mean over fresh places, scalar."""
        draws = torch.rand(self.near + len(self.edges), 4, generator=generator, dtype=torch.float64)
        draws = sent(draws, self.edges.device)
        which, within = draws[: self.near, 3], draws[: self.near, :3].float()
        around = (draws[self.near :, :3].float() - 0.5) * self.edges + 0.5
        positions = torch.cat([self._beside(which, within), self.student.aabb.from_unit(around)])
        empty = ~self.teacher.occupancy.query(self.teacher.aabb.to_unit(positions))
        density = self.student.density(self.student.encode(positions))
        return emptiness_loss(density, self.step, empty)

    def _beside(self, which: Tensor, within: Tensor) -> Tensor:
        """[N, 3] in the student's box: in the cells at `which` [N] of all, in [0, 1), at the places
        `within` them [N, 3]."""
        cells = self.cells[(which * len(self.cells)).long()]
        places = self.teacher.aabb.from_unit((cells + within) / self.teacher.occupancy.resolution)
        box = self.student.aabb
        return box.from_unit(box.to_unit(places).clamp(0, 1))
