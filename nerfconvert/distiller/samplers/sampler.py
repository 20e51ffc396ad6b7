"""Sampler: the decisions that a policy of active learning may make, and the errors it gets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...renderer.cameras import Cameras
from ...volume import FieldInfo
from ..ray_buffer import RayBuffer
from ..teacher_rays import NewRays, SampleBatch, TeacherRays


@dataclass(frozen=True)
class ChosenRays:
    """The rays of one step, of one chunk of the buffer."""

    answers: TeacherRays
    importance: Tensor  # [R] weight of each in the losses
    chunk: int  # index of their chunk in the buffer
    index: Tensor | None  # [R] int64 in that chunk; None where they were drawn uniformly
    new: bool  # no step has used this chunk before


@dataclass(frozen=True)
class RayBatch:
    """What one step trains on: the composited colors of rays, and samples of them."""

    chosen: ChosenRays
    samples: SampleBatch  # those at which the student is evaluated
    kept: Tensor | None  # [N] int64, their indices in the rays' samples; None: all, in order

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
    """A policy of active learning, made from the views and what is known of the teacher.

    Of the samplers that are on, the first in the table that overrides a decision makes it, always,
    with its own `kept` and `candidates`; decisions that none overrides are uniform.
    """

    kept = 1.0  # fraction of the samples of a step's rays that `keep_samples` keeps
    candidates = 1  # candidates drawn for each sample that `choose_samples` takes

    def __init__(self, cameras: Cameras, info: FieldInfo):
        """`cameras` are the views in which the student is to match, `info` is the teacher's."""

    def draw_new_rays(self, chunk: int, count: int, generator: torch.Generator) -> NewRays:
        """The `count` rays of the buffer's chunk number `chunk`, the same at every call."""
        raise NotImplementedError

    def choose_rays(
        self, buffer: RayBuffer, samples: int, generator: torch.Generator
    ) -> ChosenRays:
        """Rays of `buffer` with about `samples` samples."""
        raise NotImplementedError

    def choose_samples(
        self, answers: TeacherRays, index: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """`count` of the candidates `index` [candidates * count] int64 among the samples of
        `answers`, and the importance [count] of each."""
        raise NotImplementedError

    def keep_samples(
        self, answers: TeacherRays, positions: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Indices [N] int64, ascending, of the samples of `answers`, at `positions` [S, 3], at
        which the student is evaluated, and the importance [N] of each: 1 / its probability of being
        kept, which must not be 0. Two times None keep all."""
        raise NotImplementedError

    def learn_rays(self, batch: RayBatch, errors: Tensor) -> None:
        """Receives the root mean square errors [R] of a step's rays, in units of their mean."""

    def learn_samples(self, samples: SampleBatch, density: Tensor, rgb: Tensor) -> None:
        """Receives the student's density [N] and rgb [N, 3] at the samples of a step."""

    def state(self, buffer: RayBuffer) -> dict:
        """What a resumed run needs, in tensors and numbers."""
        return {}

    def restore(self, state: dict) -> None:
        """Restores what `state` returned, before the buffer is filled again."""

    def follow(self, buffer: RayBuffer) -> None:
        """Takes up what the buffer holds: after it was filled again, and after `restore`."""
