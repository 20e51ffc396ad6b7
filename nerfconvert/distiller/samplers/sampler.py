"""Sampler: what a policy of active learning may decide, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...renderer.cameras import Cameras
from ...volume import Aabb
from ..ray_buffer import RayBuffer
from ..teacher_rays import NewRays, SampleBatch, TeacherRays


@dataclass(frozen=True)
class ChosenRays:
    """The rays of one step, of one chunk of the buffer."""

    answers: TeacherRays
    importance: Tensor  # [R] what each counts in the losses
    chunk: int  # their chunk's number in the buffer
    index: Tensor | None  # [R] int64 in that chunk; None where they were drawn uniformly
    new: bool  # no step has learnt from this chunk before


@dataclass(frozen=True)
class RayBatch:
    """What one step learns: the composited colors of rays, and samples of them."""

    chosen: ChosenRays
    samples: SampleBatch  # those that the student computes
    kept: Tensor | None  # [N] int64, their places among the rays' samples; None: all, in order

    def filled(self, density: Tensor, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Density [S] and rgb [S, 3] of all samples of the rays: those given for `samples`, the
        teacher's for the others."""
        if self.kept is None:
            return density, rgb
        answers = self.chosen.answers
        return (
            answers.density.index_put((self.kept,), density),
            answers.rgb.index_put((self.kept,), rgb),
        )


class Sampler:
    """A policy of active learning: a class of its own file, made with the views and the teacher's
    box. What it does not override is left to uniform draws, or to the other samplers."""

    kept = 1.0  # of the samples of a step's rays, those that `keep_samples` leaves
    candidates = 1  # samples drawn for each that `choose_samples` takes

    def __init__(self, cameras: Cameras, aabb: Aabb):
        """`cameras` are the views to be right in, `aabb` is the teacher's box."""

    def draw_new_rays(self, chunk: int, count: int, generator: torch.Generator) -> NewRays | None:
        """The rays of the buffer's chunk of this number, the same ones whenever it is asked; None
        leaves the choice to others."""
        return None

    def choose_rays(
        self, buffer: RayBuffer, samples: int, generator: torch.Generator
    ) -> ChosenRays | None:
        """Rays of `buffer` with about `samples` samples; None leaves the choice to others."""
        return None

    def choose_samples(
        self, answers: TeacherRays, index: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor] | None:
        """`count` of the candidates `index` [candidates * count] int64 among the samples of
        `answers`, and the importance [count] of each; None leaves the choice to others."""
        return None

    def keep_samples(
        self, answers: TeacherRays, positions: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor] | None:
        """Places [N] int64, ascending, of the samples of `answers`, at `positions` [S, 3], that the
        student is to compute, and the importance [N] of each; None leaves the choice to others."""
        return None

    def learn_rays(self, batch: RayBatch, errors: Tensor) -> None:
        """Hears the root mean square errors [R] of a step's rays, in units of their mean."""

    def learn_samples(self, samples: SampleBatch, density: Tensor, rgb: Tensor) -> None:
        """Hears what the student said, density [N] and rgb [N, 3], of the samples of a step."""

    def state(self, buffer: RayBuffer) -> dict:
        """What a resumed run needs, in tensors and numbers."""
        return {}

    def restore(self, state: dict) -> None:
        """Takes back what `state` gave, before the buffer is filled again."""
