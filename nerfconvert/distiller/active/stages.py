"""The stages of the curriculum on what the levels choose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...renderer.image import render_samples
from ..descent import StepLoss
from ..lesson import Lesson, Points, draw_samples, points_at
from ..losses import density_loss, sample_color_loss
from ..stages import PointStage, RayStage
from .averages import relative
from .levels import Levels
from .points import CANDIDATES, KEPT, sample_error
from .rays import Drawn


@dataclass
class ActivePointStage:
    """`PointStage` with samples chosen by the point level, and rays' importance where they have it.

    The student computes as many samples as there; the candidates cost it nothing.
    """

    stage: PointStage
    levels: Levels
    name: str = "points"

    def prepare(self, step: int, fraction: float) -> None:
        self.stage.prepare(step, fraction)

    def loss(self, generator: torch.Generator) -> StepLoss:
        points, importance = self._draw(self.stage.bank.lesson(generator), generator)
        student, level = self.stage.student, self.levels.point
        features = student.encode(points.positions)
        density, rgb = student.density(features), student.color(features, points.directions)
        if level:
            given = density.detach(), rgb.detach()
            wrong = sample_error(*given, points.density, points.rgb, points.deltas)
            level.learn(points.positions, wrong)
        light, weights = points.light * importance, points.weights * importance
        solid = density_loss(density, points.density, points.deltas, light)
        loss = solid + sample_color_loss(rgb, points.rgb, weights)
        self.stage.growth.learn(loss)
        return StepLoss(loss, self.stage.batch)

    def _draw(self, lesson: Lesson, generator: torch.Generator) -> tuple[Points, Tensor]:
        """The points of a step and what each counts."""
        count, level = self.stage.batch, self.levels.point
        index = draw_samples(lesson, count * (CANDIDATES if level else 1), generator)
        importance = lesson.weights.new_ones(count)
        if level:
            ray = lesson.samples.ray_indices[index]
            positions = lesson.rays.points(ray, lesson.samples.t_mids[index])
            chosen, importance = level.choose(positions, lesson.light[index], count, generator)
            index = index[chosen]
        if lesson.importance is not None:
            importance = importance * lesson.importance[lesson.samples.ray_indices[index]]
        return points_at(lesson, index), importance

    def finished(self, step: int, fraction: float) -> bool:
        return self.stage.finished(step, fraction)

    def state(self) -> dict:
        return self.stage.state()

    def restore(self, state: dict) -> None:
        self.stage.restore(state)


@dataclass
class ActiveRayStage:
    """`RayStage` on rays of the ray level, of whose samples the point level keeps some.

    Where the point level is on, a step takes twice the rays and the student computes half of their
    samples; the others have the teacher's answers. The losses of samples keep their expectation;
    the error of a ray is that of its kept samples alone, so it is too small where many share an
    error, and 0, as without the level, where the student is the teacher. The PSNR that is shown
    is of these errors.
    """

    stage: RayStage
    levels: Levels
    name: str = "rays"

    def prepare(self, step: int, fraction: float) -> None:
        self.stage.prepare(step, fraction)

    def loss(self, generator: torch.Generator) -> StepLoss:
        drawn = self._draw(generator)
        lesson, samples, student = drawn.lesson, drawn.lesson.samples, self.stage.student
        positions = samples.positions(lesson.rays)
        kept, share = self._keep(drawn, positions, generator)
        features = student.encode(positions[kept])
        directions = lesson.rays.view_directions[samples.ray_indices[kept]]
        density, rgb = student.density(features), student.color(features, directions)
        background = torch.rand(len(lesson), 1, generator=generator).to(density.device)
        whole = lesson.density.index_put((kept,), density), lesson.rgb.index_put((kept,), rgb)
        seen = render_samples(*whole, samples, background)
        wanted = lesson.color + (1 - lesson.opacity[:, None]) * background
        errors = (seen.rgb - wanted).square().mean(-1)
        error = (errors * drawn.importance).mean()
        self.stage.growth.learn((errors * drawn.importance).sum() / drawn.importance.sum())
        target, deltas = lesson.density[kept], samples.deltas[kept]
        points = density_loss(density, target, deltas, lesson.light[kept] * share)
        points = points + sample_color_loss(rgb, lesson.rgb[kept], lesson.weights[kept] * share)
        self._learn_rays(drawn, errors.detach().sqrt())
        if self.levels.point:
            given = density.detach(), rgb.detach(), target, lesson.rgb[kept], deltas
            self.levels.point.learn(positions[kept], sample_error(*given))
        loss = error + self.stage.sample_weight * points
        return StepLoss(loss, len(kept), len(lesson), error.detach())

    def _draw(self, generator: torch.Generator) -> Drawn:
        """The rays of a step, with as many samples as the student is to compute."""
        bank, samples = self.stage.bank, self.stage.batch
        if self.levels.point:
            samples = round(samples / KEPT)
        if self.levels.ray:
            return self.levels.ray.draw(bank, samples, generator)
        lesson = bank.rays(samples, generator)
        importance = lesson.importance
        if importance is None:
            importance = torch.ones_like(lesson.opacity)
        return Drawn(lesson, importance)

    def _keep(
        self, drawn: Drawn, positions: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Indices [K] of the samples that the student computes, and what each counts in a mean
        over these: its importance beside the mean of that of all samples."""
        lesson = drawn.lesson
        counted = drawn.importance[lesson.samples.ray_indices]
        kept = torch.arange(len(counted), device=counted.device)
        share = counted
        if self.levels.point:
            kept, inverse = self.levels.point.keep(positions, lesson.light, generator)
            share = counted[kept] * inverse
        return kept, share * (len(kept) / counted.sum())

    def _learn_rays(self, drawn: Drawn, errors: Tensor) -> None:
        """Tells the levels the root mean square `errors` [R] of a step's rays."""
        wrong, regions = relative(errors, drawn.importance), drawn.lesson.regions
        if self.levels.camera and regions is not None:
            self.levels.camera.learn(regions, wrong)
        if self.levels.ray:
            asked = drawn.lesson.importance
            self.levels.ray.learn(drawn, wrong if asked is None else wrong * asked)

    def finished(self, step: int, fraction: float) -> bool:
        return self.stage.finished(step, fraction)

    def state(self) -> dict:
        return {**self.stage.state(), "active": self.levels.state(self.stage.bank)}

    def restore(self, state: dict) -> None:
        self.levels.restore(state["active"], self.stage.bank, lambda: self.stage.restore(state))
