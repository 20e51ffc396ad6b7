"""Pair: teacher and student of a published recipe, the cameras of its epochs, and its losses."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ....errors import NerfConvertError, UsageError
from ....renderer.cameras import Cameras
from ....volume import Pace, RadianceField, TrainableField
from ....volume.field import Part
from ....volume.occupancy import drop_untaught
from ...streams import stream
from ..plan import Task
from .batch import Answer, PublishedBatch, answer, composite_answer, draw_rays, march_batch
from .poses import EPOCH, PoseSource
from .settings import (
    COLOR_WEIGHT,
    DENSITY_WEIGHT,
    HIGH,
    LOW,
    RGB_WEIGHT,
    draw_networks,
    feature_weight,
    frobenius,
    published_step,
)

PROBED = 4096  # points at which a new student's density is looked up
LEAST_TRAINABLE = 0.5  # of them, with a gradient


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
        """Gives the student the teacher's occupancy, as nearly as cells of its own box can have it,
        and its final resolution, and copies the teacher's networks that it has too. Raises
        NerfConvertError for an empty teacher, UsageError for a student whose density is clamped
        nearly everywhere, so that it would learn nothing."""
        if not bool(self.student.occupancy.words.any()):
            raise NerfConvertError(
                f"the teacher ({self.teacher.architecture}) shows nothing: no cell of its box is "
                "occupied"
            )
        drop_untaught(self.student, self.teacher)
        while self.student.refine(1.0):
            pass
        generator = stream("first values", self.seed)
        draw_networks(self.student, generator)
        for part in ("features", "decoder"):
            copy_part(self.teacher, self.student, part)
        share = trainable_share(self.student, generator)
        if share < LEAST_TRAINABLE:
            raise UsageError(
                f"a new {self.student.architecture} of these settings has a density outside of "
                f"exp({LOW:g})..exp({HIGH:g}) per half edge of its box at {1 - share:.0%} of the "
                "points, where the published recipes give no gradient; its size 'pvd' has one"
            )

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

    def batch(self, generator: torch.Generator) -> PublishedBatch:
        """Rays of the step's camera and their samples."""
        return march_batch(self.student, draw_rays(self.camera, generator), generator)

    def answers(self, batch: PublishedBatch) -> tuple[Answer, Answer]:
        """(teacher's, student's), in the student's unit of length: half the edge of its box."""
        how = max(self.student.aabb.size) / 2, self.features
        with torch.no_grad():
            wanted = answer(self.teacher, batch, *how)
        return wanted, answer(self.student, batch, *how)


def share_decoder(teacher: RadianceField, student: TrainableField) -> bool:
    """Whether the decoders have the same shapes, so that the features of both fields are comparable
    once the weights are copied."""
    return teacher.feature_dim == student.feature_dim and bool(
        _common_part(teacher, student, "decoder")
    )


def copy_part(teacher: RadianceField, student: TrainableField, part: Part) -> None:
    """Copies the teacher's weights of a part that has the same shapes in both fields."""
    with torch.no_grad():
        for given, own in _common_part(teacher, student, part):
            own.copy_(given)


def _common_part(
    teacher: RadianceField, student: TrainableField, part: Part
) -> list[tuple[Tensor, Tensor]]:
    """(the teacher's, the student's) parameters of a part; [] where their shapes differ."""
    theirs, ours = (field.parameters_of_part(part) for field in (teacher, student))
    same = [p.shape for p in ours] == [p.shape for p in theirs]
    return list(zip(theirs, ours)) if same else []


@torch.no_grad()
def trainable_share(student: TrainableField, generator: torch.Generator) -> float:
    """The part of random points in occupied cells at which log density lies within its clamps, so
    that it has a gradient."""
    cells = student.occupancy.dense().nonzero().cpu()
    chosen = cells[torch.randint(len(cells), (PROBED,), generator=generator)]
    offsets = torch.rand(PROBED, 3, generator=generator)
    unit = (chosen + offsets) / student.occupancy.resolution
    density = student.density_at(student.aabb.from_unit(unit.to(student.device)))
    log_density = (density * (max(student.aabb.size) / 2)).log()
    return float(((log_density > LOW) & (log_density < HIGH)).float().mean())


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
