"""Pair: teacher and student of a published recipe, the cameras of its epochs, and its losses."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ....errors import NerfConvertError
from ....renderer.cameras import Cameras
from ....volume import Pace, RadianceField, TrainableField
from ...streams import stream
from ..plan import Task
from .batch import Answer, PublishedBatch, answer, composite_answer, draw_rays, march_batch
from .poses import EPOCH, PoseSource
from .settings import (
    COLOR_WEIGHT,
    DENSITY_WEIGHT,
    RGB_WEIGHT,
    feature_weight,
    frobenius,
    published_step,
)


@dataclass
class Pair:
    """State that the stages share; `prepare` chooses the camera of each step."""

    teacher: RadianceField
    student: TrainableField
    source: PoseSource
    seed: int
    features: bool  # whether those of teacher and student are comparable
    now: float = 1.0  # step of the published run
    epoch: int = -1
    place: int = 0  # of the step in its epoch
    poses: Tensor = field(default_factory=lambda: torch.empty(0, 4, 4))  # of the epoch
    order: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    @staticmethod
    def of(task: Task, source: PoseSource) -> Pair:
        """The pair of a task; nothing is changed yet."""
        features = share_decoder(task.teacher, task.student)
        return Pair(task.teacher, task.student, source, task.config.seed, features)

    def begin(self, pace: Pace) -> None:
        """Sets the student to its final resolution and copies the teacher's decoder where the two
        share one. Raises NerfConvertError for an empty teacher."""
        if not bool(self.student.occupancy.words.any()):
            raise NerfConvertError(
                f"the teacher ({self.teacher.architecture}) shows nothing: no cell of its box is "
                "occupied"
            )
        while self.student.refine(1.0):
            pass
        if self.features:
            with torch.no_grad():
                pairs = zip(self.student.decoder_parameters(), self.teacher.decoder_parameters())
                for own, given in pairs:
                    own.copy_(given)

    def prepare(self, step: int, fraction: float) -> None:
        """Draws new poses for every epoch, visited in shuffled order; (seed, epoch) decide both."""
        self.now = published_step(fraction)
        epoch, self.place = divmod(step, EPOCH)
        if epoch != self.epoch:
            generator = stream("epoch", self.seed, epoch)
            self.poses = self.source.epoch(generator)
            self.order = torch.randperm(EPOCH, generator=generator)
            self.epoch = epoch

    @property
    def camera(self) -> Cameras:
        """The camera of the current step."""
        return self.source.camera(self.poses[self.order[self.place]])

    @property
    def clamped(self) -> bool:
        """Whether color features are clamped for comparison: those of factorized fields are."""
        return bool(self.student.density_factors())

    def batch(self, generator: torch.Generator) -> PublishedBatch:
        """Rays of the step's camera and their samples."""
        return march_batch(self.student, draw_rays(self.camera, generator), generator)

    def answers(self, batch: PublishedBatch) -> tuple[Answer, Answer]:
        """(teacher's, student's), in the student's unit of length: half the edge of its box."""
        how = max(self.student.aabb.size) / 2, self.features, self.clamped
        with torch.no_grad():
            wanted = answer(self.teacher, batch, *how)
        return wanted, answer(self.student, batch, *how)


def share_decoder(teacher: RadianceField, student: TrainableField) -> bool:
    """Whether the decoders have the same shapes, so that weights can be copied and the features of
    both fields are then comparable."""
    theirs, ours = (field.decoder_parameters() for field in (teacher, student))
    same = [p.shape for p in ours] == [p.shape for p in theirs]
    return bool(ours) and teacher.feature_dim == student.feature_dim and same


def sample_loss(
    found: Answer, wanted: Answer, step: float, chosen: Tensor | slice = slice(None)
) -> Tensor:
    """Weighted norms of the differences at samples, or at the `chosen` ones; a scalar."""
    loss = COLOR_WEIGHT * frobenius((found.rgb - wanted.rgb)[chosen])
    loss = loss + DENSITY_WEIGHT * frobenius((found.log_density - wanted.log_density)[chosen])
    if found.features is not None:
        features = frobenius((found.features - wanted.features)[chosen])
        loss = loss + feature_weight(step) * features
    return loss


def joint_loss(
    found: Answer, wanted: Answer, batch: PublishedBatch, step: float
) -> tuple[Tensor, Tensor]:
    """(the loss on samples and rays, the mean squared error of the rays' colors)."""
    with torch.no_grad():
        goal, _, _ = composite_answer(wanted, batch)
    seen, _, _ = composite_answer(found, batch)
    loss = RGB_WEIGHT * frobenius(seen - goal) + sample_loss(found, wanted, step)
    return loss, (seen.detach() - goal).square().mean()
