"""Tutor: both fields of a published recipe, their poses, and the losses between them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...errors import NerfConvertError
from ...renderer.cameras import Cameras
from ...volume import RadianceField
from ..streams import stream
from .exercise import Answer, Exercise, answer, draw_rays, paint, set_exercise
from .plan import Task
from .poses import EPOCH, PoseSource
from .published import (
    COLOR_WEIGHT,
    DENSITY_WEIGHT,
    RGB_WEIGHT,
    feature_weight,
    frobenius,
    published_step,
)


@dataclass
class Tutor:
    """What the stages share; `prepare` chooses the camera of each step."""

    teacher: RadianceField
    student: RadianceField
    source: PoseSource
    seed: int
    features: bool  # those of both sides mean the same
    now: float = 1.0  # step of the published run
    epoch: int = -1
    place: int = 0  # of the step in its epoch
    poses: Tensor = field(default_factory=lambda: torch.empty(0, 4, 4))  # of the epoch
    order: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    def prepare(self, step: int, fraction: float) -> None:
        """Every epoch has fresh poses, visited in shuffled order; (seed, epoch) decide both."""
        self.now = published_step(fraction)
        epoch, self.place = divmod(step, EPOCH)
        if epoch != self.epoch:
            generator = stream("epoch", self.seed, epoch)
            self.poses = self.source.epoch(generator)
            self.order = torch.randperm(EPOCH, generator=generator)
            self.epoch = epoch

    @property
    def camera(self) -> Cameras:
        """The one of the step."""
        return self.source.camera(self.poses[self.order[self.place]])

    def exercise(self, generator: torch.Generator) -> Exercise:
        """Rays of the step's camera and their samples."""
        return set_exercise(self.student, draw_rays(self.camera, generator), generator)

    def answers(self, exercise: Exercise) -> tuple[Answer, Answer]:
        """(teacher's, student's), in the student's unit of length: half the edge of its box."""
        unit = max(self.student.aabb.size) / 2
        with torch.no_grad():
            wanted = answer(self.teacher, exercise, unit, self.features)
        return wanted, answer(self.student, exercise, unit, self.features)

    def check(self) -> None:
        """Raises NerfConvertError for a teacher that shows nothing."""
        if not bool(self.student.occupancy.words.any()):
            raise NerfConvertError(
                f"the teacher ({self.teacher.architecture}) shows nothing: no cell of its box is "
                "occupied"
            )


def ready(task: Task, source: PoseSource) -> Tutor:
    """A tutor, with the student as it begins: at its final resolution, with what it can copy."""
    while task.student.refine(1.0):
        pass
    features = copy_decoder(task.teacher, task.student)
    return Tutor(task.teacher, task.student, source, task.config.seed, features)


@torch.no_grad()
def copy_decoder(teacher: RadianceField, student: RadianceField) -> bool:
    """Copies the teacher's decoder where the student's has the same shapes; whether it did, and
    so whether the features of both mean the same."""
    theirs, ours = (field.parameter_groups()["decoder"] for field in (teacher, student))
    if not ours or teacher.feature_dim != student.feature_dim:
        return False
    if [p.shape for p in ours] != [p.shape for p in theirs]:
        return False
    for own, given in zip(ours, theirs):
        own.copy_(given)
    return True


def sample_loss(
    found: Answer, wanted: Answer, step: float, chosen: Tensor | slice = slice(None)
) -> Tensor:
    """Weighted norms of the differences at samples, at those that are `chosen`; a scalar."""
    loss = COLOR_WEIGHT * frobenius((found.rgb - wanted.rgb)[chosen])
    loss = loss + DENSITY_WEIGHT * frobenius((found.log_density - wanted.log_density)[chosen])
    if found.features is not None:
        features = frobenius((found.features - wanted.features)[chosen])
        loss = loss + feature_weight(step) * features
    return loss


def joint_loss(
    found: Answer, wanted: Answer, exercise: Exercise, step: float
) -> tuple[Tensor, Tensor]:
    """(the loss on samples and rays, the mean squared error of the rays' colors)."""
    with torch.no_grad():
        goal, _, _ = paint(wanted, exercise)
    seen, _, _ = paint(found, exercise)
    loss = RGB_WEIGHT * frobenius(seen - goal) + sample_loss(found, wanted, step)
    return loss, (seen.detach() - goal).square().mean()
