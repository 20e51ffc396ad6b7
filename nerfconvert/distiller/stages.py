"""The curriculum: points, then rendered rays.

Not features first, though the published recipes begin with them where a decoder can be shared
(`recipes.pvd`): measured on real fields, a feature stage of a tenth of the budget cost 0.9 dB
(hashgrid to hashgrid) and 3.3 dB (mlp to mlp) at the end; a shared decoder alone gained nothing.
Through a linear map fitted by ridge regression (hashgrid to mlp, 500 steps) a tenth of the steps
gained 0.1 dB, which is noise and less than the teacher's features cost; three tenths lost 0.4 dB.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..renderer.image import query, render_samples
from ..volume import RadianceField
from . import parallel
from .bank import RayBank
from .clock import Clock
from .descent import StepLoss
from .lesson import Points
from .losses import density_loss, ray_color_loss, sample_color_loss
from .optimizers import is_table
from .plateau import Plateau

CHECK_EVERY = 50  # steps between looks at the held-out points
HELD_OUT_POINTS = 8192
POINTS_UNTIL = 0.5  # of the budget, at the latest
SAMPLE_WEIGHT = 0.3  # of the samples' losses in the ray stage
LEAST_SHARE, MOST_SHARE = 0.05, 0.75  # of the time that the teacher may take
FORGET_SURPRISE, FORGET_ERROR = 0.2, 0.02  # weight of the newest in running means
GROWN = 0.95  # of the budget, after which no more is asked
CHUNK_EVERY = 25  # steps between chunks where the budget is in steps


@dataclass
class Growth:
    """When the bank asks the teacher for more.

    By seconds: the more, the larger errors are on a new lesson than on those that the student has
    been taught, for then it learns them by heart. By steps: a chunk every `CHUNK_EVERY` steps until
    the bank is full, so that no clock decides.
    """

    bank: RayBank
    clock: Clock
    surprise: float = 1.5  # error on a new lesson beside the usual one, averaged
    _usual: Tensor | None = None
    _due: float = 0.0  # seconds of the clock

    @property
    def share(self) -> float:
        """Of the time from now on, what the teacher may take."""
        return min(max(1 - 1 / self.surprise, LEAST_SHARE), MOST_SHARE)

    def before(self, step: int, fraction: float) -> None:
        if self.clock.config.steps is not None:
            if step and step % CHUNK_EVERY == 0 and not self.bank.full:
                self.bank.grow()
        elif step and self.clock.seconds >= self._due and fraction < GROWN:
            already = self.bank.seconds
            self.bank.grow()
            spent = self.bank.seconds - already
            self._due = self.clock.seconds + spent * (1 / self.share - 1)

    def learn(self, error: Tensor) -> None:
        """Takes the error (scalar) on what the bank gave last."""
        error = error.detach()
        if self._usual is None:
            self._usual = error.clone()
        elif self.bank.fresh:
            surprise = float(error / self._usual.clamp_min(1e-12))
            self.surprise += FORGET_SURPRISE * (surprise - self.surprise)
        else:
            self._usual.lerp_(error, FORGET_ERROR)


@dataclass
class PointStage:
    """Density and color at samples of the bank, no rendering."""

    student: RadianceField
    bank: RayBank
    growth: Growth
    batch: int  # points a step
    last_fraction: float  # of the budget at which the stage ends at the latest
    name: str = "points"
    plateau: Plateau = field(default_factory=Plateau)
    _held_out: Points | None = None

    def prepare(self, step: int, fraction: float) -> None:
        self.growth.before(step, fraction)

    def loss(self, generator: torch.Generator) -> StepLoss:
        loss = self._loss(self.bank.points(self.batch, generator))
        self.growth.learn(loss)
        return StepLoss(loss, self.batch)

    def _loss(self, points: Points) -> Tensor:
        features = self.student.encode(points.positions)
        density = self.student.density(features)
        rgb = self.student.color(features, points.directions)
        solid = density_loss(density, points.density, points.deltas, points.light)
        return solid + sample_color_loss(rgb, points.rgb, points.weights)

    def finished(self, step: int, fraction: float) -> bool:
        if fraction >= self.last_fraction:
            return True
        if step % CHECK_EVERY:
            return False
        if self._held_out is None:
            self._held_out = self.bank.held_out(HELD_OUT_POINTS)
        with torch.no_grad():
            return self.plateau.look(float(self._loss(self._held_out)))

    def state(self) -> dict:
        return vars(self.plateau)

    def restore(self, state: dict) -> None:
        self.plateau = Plateau(**state)


@dataclass
class RayStage:
    """Composited colors of rays, with the samples' own losses beside them."""

    student: RadianceField
    bank: RayBank
    growth: Growth
    batch: int  # samples a step, about
    sample_weight: float  # of the samples' losses beside the rays'
    name: str = "rays"

    def prepare(self, step: int, fraction: float) -> None:
        self.growth.before(step, fraction)

    def loss(self, generator: torch.Generator) -> StepLoss:
        lesson = self.bank.rays(self.batch, generator)
        samples = lesson.samples
        density, rgb = query(self.student, lesson.rays, samples)
        background = torch.rand(len(lesson), 1, generator=generator).to(density.device)
        seen = render_samples(density, rgb, samples, background)
        wanted = lesson.color + (1 - lesson.opacity[:, None]) * background
        error = ray_color_loss(seen.rgb, wanted)
        self.growth.learn(error)
        points = density_loss(density, lesson.density, samples.deltas, lesson.light)
        points = points + sample_color_loss(rgb, lesson.rgb, lesson.weights)
        loss = error + self.sample_weight * points
        return StepLoss(loss, len(samples), len(lesson), error.detach())

    def finished(self, step: int, fraction: float) -> bool:
        return False

    def state(self) -> dict:
        return {"made": self.bank.made, "kept": len(self.bank.lessons)}

    def restore(self, state: dict) -> None:
        self.bank.rebuild(state["made"], state["kept"])


def curriculum(student: RadianceField, bank: RayBank, clock: Clock) -> tuple[PointStage, RayStage]:
    """The stages of one distillation, with batches that suit the student's cost a sample."""
    batch = batch_samples(student)
    return (
        PointStage(student, bank, Growth(bank, clock), batch, POINTS_UNTIL),
        RayStage(student, bank, Growth(bank, clock), batch, SAMPLE_WEIGHT),
    )


def batch_samples(student: RadianceField) -> int:
    """Samples a step: 64k for tables alone, whose optimizer costs more than their samples; 8k with
    tiny networks, 4k where large matrices make each sample dear: a budget always buys enough steps.
    """
    tables = {id(p) for p in student.parameters() if is_table(p)}
    dense = sum(p.numel() for p in student.parameters() if id(p) not in tables)
    wanted = min(8192, max(4096, 32768 * 10_000 // dense)) if dense else 65536
    return wanted // parallel.count()  # several processes share a step
