"""KeptStart: a student's start in closed form, put back where training ended below it."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from ..renderer.image import default_step
from ..renderer.shading import shade
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


def ray_error(student: TrainableField, answers: TeacherRays) -> float:
    """Mean squared error of the colors of the teacher's rays, on black and on white, as `student`
    is rendered: at the teacher's own samples, which end where it is opaque, light would pass
    through a softer student."""
    seen = shade(student, answers.rays, default_step(student))

    def error(background: float) -> Tensor:
        shown = seen.color + (1 - seen.opacity[:, None]) * background
        wanted = answers.color + (1 - answers.opacity[:, None]) * background
        return (shown - wanted).square().sum()

    return float(error(0.0) + error(1.0)) / max(1, 6 * len(answers))
