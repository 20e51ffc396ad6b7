"""KeptStart: a student's start in closed form, put back where training ended below it."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from ..renderer.image import query, render_samples
from ..volume import TrainableField
from . import parallel
from .teacher_rays import TeacherRays

log = logging.getLogger(__name__)


def starts_in_closed_form(student: TrainableField) -> bool:
    """Whether the architecture of `student` may have a start that is worth keeping."""
    return type(student).initialize_from is not TrainableField.initialize_from


class KeptStart:
    """A copy of `student` as it is now, and its error on rays that no step trains on."""

    def __init__(self, student: TrainableField, held_out: TeacherRays):
        self.student, self.held_out = student, held_out
        self.error = ray_error(student, held_out)
        self.copies = [p.detach().clone() for p in student.parameters()]

    @torch.no_grad()
    def put_back_if_better(self) -> bool:
        """Gives the student its start back where its error was smaller; whether it did."""
        error = ray_error(self.student, self.held_out)
        if parallel.agree(float(error <= self.error)):
            return False
        for p, start in zip(self.student.parameters(), self.copies, strict=True):
            p.copy_(start)
        log.info("training ended below its start in closed form: that is kept")
        return True


@torch.no_grad()
def ray_error(student: TrainableField, answers: TeacherRays) -> float:
    """Mean squared error of the colors of the teacher's rays, on black and on white."""
    given = answers.rays, answers.samples
    density, rgb = (x.nan_to_num(0.0) for x in query(student, *given))

    def error(background: float) -> Tensor:
        seen = render_samples(density, rgb, answers.samples, background).rgb
        wanted = answers.color + (1 - answers.opacity[:, None]) * background
        return (seen - wanted).square().sum()

    return float(error(0.0) + error(1.0)) / max(1, 6 * len(answers))
