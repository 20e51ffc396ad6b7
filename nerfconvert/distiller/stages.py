"""The stages of a distillation: samples of the teacher's rays, then the rendered rays.

There is no feature stage, with which published recipes begin where a decoder can be shared
(`recipes.pvd`): measured on real fields, a feature stage of a tenth of the budget cost 0.9 dB
(hashgrid to hashgrid) and 3.3 dB (mlp to mlp) at the end; a shared decoder alone gained nothing.
Through a linear map fitted by ridge regression (hashgrid to mlp, 500 steps) a tenth of the steps
gained 0.1 dB, which is noise and less than the teacher's features cost; three tenths lost 0.4 dB.

A student that starts fitted (sparse voxels) has rays only: there the samples' losses undo the fit
(PPNG lego to tensorial, 90 s: from 33.1 dB to 32.8 with them, to 33.2 without), while others lose
0.1 (vm) to 0.7 dB (hashgrid) where those weigh a tenth of `SAMPLE_WEIGHT`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..renderer.image import render_samples
from ..volume import RadianceField, Role, TrainableField, at_once, sent
from . import parallel
from .empty_space import EmptySpace
from .losses import density_loss, ray_color_loss, sample_color_loss
from .ray_buffer import MOST_TIMES
from .samplers.batches import BatchSampler
from .teacher_rays import SampleBatch

CHECK_EVERY = 50  # steps between checks on the held-out samples
HELD_OUT_SAMPLES = 8192
FLAT = 0.03  # relative gain between two checks below which a stage has converged
SAMPLES_UNTIL = 0.5  # of the budget, at the latest
SAMPLE_WEIGHT = 0.3  # of the samples' losses in the ray stage
LARGE_TABLES = 1 << 22  # numbers, of which an optimizer's step costs as much as 8k samples
LARGE_NETWORKS = 1 << 16  # numbers
EMPTY_SHARE = 1 / 4  # places of empty space for each sample, where it is taught


@dataclass(frozen=True)
class StepLoss:
    """The loss of one step, and statistics of it."""

    loss: Tensor
    samples: int
    rays: int = 0
    error: Tensor | None = None  # mean squared error of ray colors, for the PSNR shown


class Stage(Protocol):
    """One part of a training. What several stages share is saved separately."""

    name: str

    def prepare(self, step: int, fraction: float) -> bool:
        """Work before this step: fresh rays, a finer student. Returns True if the student's
        parameters were replaced."""

    def loss(self, generator: torch.Generator) -> StepLoss:
        """The loss of one fresh batch."""

    def finished(self, step: int, fraction: float) -> bool:
        """Whether the stage has converged and the next begins; always False for the last stage."""

    def state(self) -> dict:
        """Tensors and numbers to save; `restore` takes them back."""

    def restore(self, state: dict) -> None: ...


@dataclass
class PointStage:
    """Losses on density and color at samples of the teacher's rays, without rendering."""

    student: RadianceField
    sampler: BatchSampler
    batch: int  # samples a step
    last_fraction: float  # of the budget at which the stage ends at the latest
    empty: EmptySpace | None = None  # where its file shows more than its occupancy
    name: str = "points"
    plateau: Plateau = field(default_factory=lambda: Plateau())
    _held_out: SampleBatch | None = None

    def prepare(self, step: int, fraction: float) -> bool:
        self.sampler.buffer.refill(step, fraction)
        return False

    def loss(self, generator: torch.Generator) -> StepLoss:
        samples, new = self.sampler.samples(self.batch, generator)
        density, rgb = query_student(self.student, samples)
        loss = samples_loss(density, rgb, samples)
        self.sampler.learn_samples(samples, density, rgb)
        self.sampler.buffer.learn_error(self.name, loss, new)
        return StepLoss(_with_empty(loss, self.empty, generator), len(samples))

    def finished(self, step: int, fraction: float) -> bool:
        if fraction >= self.last_fraction:
            return True
        if step % CHECK_EVERY:
            return False
        self._held_out = self._held_out or self.sampler.buffer.held_out(HELD_OUT_SAMPLES)
        if self._held_out is None:
            return False
        with torch.no_grad():
            answers = query_student(self.student, self._held_out)
            return self.plateau.reached(float(samples_loss(*answers, self._held_out)))

    def state(self) -> dict:
        return vars(self.plateau)

    def restore(self, state: dict) -> None:
        self.plateau = Plateau(**state)


@dataclass
class RayStage:
    """Loss on composited colors of rays, with the losses at their samples."""

    student: RadianceField
    sampler: BatchSampler
    batch: int  # samples a step, about
    sample_weight: float  # of the samples' losses beside the rays'
    empty: EmptySpace | None = None  # as in the stage before
    name: str = "rays"

    def prepare(self, step: int, fraction: float) -> bool:
        self.sampler.buffer.refill(step, fraction)
        return False

    def loss(self, generator: torch.Generator) -> StepLoss:
        batch = self.sampler.rays(self.batch, generator)
        answers, importance = batch.chosen.answers, batch.chosen.importance
        density, rgb = query_student(self.student, batch.samples)
        background = sent(torch.rand(len(answers), 1, generator=generator), density.device)
        seen = render_samples(*batch.filled(density, rgb), answers.samples, background)
        target = answers.color + (1 - answers.opacity[:, None]) * background
        error = ray_color_loss(seen.rgb, target, importance)
        self.sampler.learn_samples(batch.samples, density, rgb)
        self.sampler.learn_rays(batch, seen.rgb, target)
        self.sampler.buffer.learn_error(self.name, error / importance.mean(), batch.chosen.new)
        loss = _with_empty(error, self.empty, generator)
        if self.sample_weight:
            loss = loss + self.sample_weight * samples_loss(density, rgb, batch.samples)
        return StepLoss(loss, len(batch.samples), len(answers), error.detach())

    def finished(self, step: int, fraction: float) -> bool:
        return False

    def state(self) -> dict:
        return {}

    def restore(self, state: dict) -> None: ...


@dataclass
class Plateau:
    """Detects when a held-out error has stopped falling: two checks in a row with little gain."""

    best: float = float("inf")
    flat_looks: int = 0

    def reached(self, error: float) -> bool:
        """Whether the newest `error` is the second in a row without gain."""
        self.flat_looks = 0 if error < self.best * (1 - FLAT) else self.flat_looks + 1
        self.best = min(self.best, error)
        return self.flat_looks >= 2


def curriculum(
    student: TrainableField, sampler: BatchSampler, empty: str = "nowhere"
) -> list[Stage]:
    """The stages of one distillation, with batches that suit the student's cost a sample, rays only
    for one that starts fitted; `empty` is that of DistillConfig."""
    batch = batch_samples(student)
    space = None
    if empty != "nowhere":
        given = sampler.buffer.teacher, int(EMPTY_SHARE * batch), sampler.buffer.step
        space = EmptySpace(student, *given, everywhere=empty == "everywhere")
    if student.starts_fitted:
        return [RayStage(student, sampler, batch, 0.0, space)]
    return [
        PointStage(student, sampler, batch, SAMPLES_UNTIL, space),
        RayStage(student, sampler, batch, SAMPLE_WEIGHT, space),
    ]


def _with_empty(loss: Tensor, empty: EmptySpace | None, generator: torch.Generator) -> Tensor:
    return loss if empty is None else loss + empty.loss(generator)


def query_student(student: RadianceField, samples: SampleBatch) -> tuple[Tensor, Tensor]:
    """Density [N] and rgb [N, 3] of the student at `samples`."""
    return student.decode(student.encode(samples.positions), samples.directions)


def samples_loss(density: Tensor, rgb: Tensor, samples: SampleBatch) -> Tensor:
    """Loss (scalar) of the student's density [N] and rgb [N, 3] at `samples`."""
    return density_loss(density, samples) + sample_color_loss(rgb, samples)


def batch_samples(student: TrainableField) -> int:
    """Samples per step, whose number is what trains best in a minute or two: 64k for voxels, whose
    optimizer is cheap; 16k with large tables, of which every step updates all; 8k with small ones;
    4k where large matrices make samples expensive, so that every budget has enough steps (8x256
    MLP, 300 s: 31.1 dB, with 2k 30.5). On a GPU up to `MOST_TIMES` as many, as its memory holds:
    below that it idles."""
    layers = student.parameters_of(Role.MATRIX, Role.VECTOR)
    networks, tables = student.count_of(Role.MATRIX, Role.VECTOR), student.count_of(Role.TABLE)
    if networks > LARGE_NETWORKS:
        wanted = 4096
    elif networks:
        wanted = 16384 if tables > LARGE_TABLES else 8192
    else:
        wanted = 65536
    kept = 12 * sum(len(p) for p in layers) + 512  # bytes of a sample, for the backward pass
    wanted = at_once(wanted, student.device, kept, MOST_TIMES)
    return wanted // parallel.count()  # several processes share a step
