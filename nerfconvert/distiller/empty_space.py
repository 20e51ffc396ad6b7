"""EmptySpace: teaches a student to be empty where its teacher is, for files without occupancy."""

from __future__ import annotations

import torch
from torch import Tensor

from ..volume import RadianceField
from .losses import emptiness_loss

WIDE = 3.0  # edges of the box around, in edges of the box: programs march from near to far


class EmptySpace:
    """Random places, and a loss on the student's density at those that the teacher's occupancy
    excludes.

    Nothing else teaches a student there, and rays that know no occupancy cross it. Half of the
    places are in the student's box, half in a box `WIDE` times as large around it.
    """

    def __init__(self, student: RadianceField, teacher: RadianceField, places: int, step: float):
        """`places` a step; opacity is that of `step` in world units."""
        self.student, self.teacher, self.step = student, teacher, step
        edges = torch.ones(places, 1)
        if student.aabb.contraction is None:
            edges[places // 2 :] = WIDE
        self.edges = edges.to(student.device)  # [places, 1] of the boxes, in edges of the student's

    def loss(self, generator: torch.Generator) -> Tensor:
        """Mean over fresh places, scalar."""
        draws = torch.rand(len(self.edges), 3, generator=generator).to(self.edges.device)
        positions = self.student.aabb.from_unit((draws - 0.5) * self.edges + 0.5)
        teacher = self.teacher
        empty = ~teacher.occupancy.query(teacher.aabb.to_unit(positions))
        density = self.student.density(self.student.encode(positions))
        return emptiness_loss(density, self.step, empty)
