"""BatchSampler: the batches of a distillation's steps, drawn by the samplers of `--active`."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from ...renderer.cameras import Cameras
from ...volume import RadianceField
from .. import parallel
from ..config import DistillConfig
from ..progress import Clock
from ..ray_buffer import HELD_OUT, RayBuffer
from ..teacher_rays import NewRays, SampleBatch, draw_samples, samples_at
from . import SAMPLERS
from .averages import relative
from .sampler import ChosenRays, RayBatch, Sampler
from .uniform import UniformSampler


class BatchSampler:
    """Owns the buffer of a teacher's answers and the samplers that draw from it.

    Each decision is made by the first sampler that overrides it, else uniformly. `step` is the
    distance between samples, in world units.
    """

    def __init__(
        self,
        teacher: RadianceField,
        cameras: Cameras,
        config: DistillConfig,
        clock: Clock,
        step: float,
    ):
        self.uniform = UniformSampler(cameras, teacher.info)
        self.active = samplers_of(config.active, cameras, teacher)
        self.samplers: list[Sampler] = [*self.active.values(), self.uniform]
        seed, memory_mb = parallel.own_seed(config), config.memory_mb
        self.buffer = RayBuffer(teacher, self._new_rays, step, seed, memory_mb, clock)

    def rays(self, samples: int, generator: torch.Generator) -> RayBatch:
        """Rays with about `samples` samples at which the student is evaluated."""
        keeper = decider(self.samplers, Sampler.keep_samples)
        chooser = decider(self.samplers, Sampler.choose_rays)
        chosen = chooser.choose_rays(self.buffer, round(samples / keeper.kept), generator)
        answers = chosen.answers
        positions = answers.samples.positions(answers.rays)
        kept, importance = keeper.keep_samples(answers, positions, generator)
        return RayBatch(chosen, _samples_of(chosen, positions, kept, importance), kept)

    def samples(self, count: int, generator: torch.Generator) -> tuple[SampleBatch, bool]:
        """`count` samples of one chunk, half uniform, half by the teacher's rendering weights; and
        whether the chunk is used for the first time."""
        number, new = self.buffer.pick(generator)
        answers = self.buffer.chunks[number]
        chooser = decider(self.samplers, Sampler.choose_samples)
        index = draw_samples(answers, count * chooser.candidates, generator)
        chosen = chooser.choose_samples(answers, index, count, generator)
        return samples_at(answers, *chosen), new

    def learn_rays(self, batch: RayBatch, color: Tensor, target: Tensor) -> None:
        """Updates the samplers with the colors [R, 3] of a step's rays and their targets."""
        if self.active:
            errors = (color.detach() - target).square().mean(-1).sqrt()
            wrong = relative(errors, batch.chosen.importance)
            for sampler in self.active.values():
                sampler.learn_rays(batch, wrong)

    def learn_samples(self, samples: SampleBatch, density: Tensor, rgb: Tensor) -> None:
        """Updates the samplers with the student's density and rgb at a step's samples."""
        for sampler in self.active.values():
            sampler.learn_samples(samples, density.detach(), rgb.detach())

    def state(self) -> dict:
        """What a resumed run needs, of the buffer and of all samplers."""
        active = {name: sampler.state(self.buffer) for name, sampler in self.active.items()}
        return {"buffer": self.buffer.state(), "samplers": active}

    def restore(self, state: dict) -> None:
        """Restores `state`; queries the teacher again for what the buffer held."""
        for name, sampler in self.active.items():
            sampler.restore(state["samplers"][name])
        self.buffer.restore(state["buffer"])
        for sampler in self.active.values():
            sampler.follow(self.buffer)

    def _new_rays(self, chunk: int, count: int, generator: torch.Generator) -> NewRays:
        samplers = [self.uniform] if chunk == HELD_OUT else self.samplers
        return decider(samplers, Sampler.draw_new_rays).draw_new_rays(chunk, count, generator)


def samplers_of(
    names: Collection[str], cameras: Cameras, teacher: RadianceField
) -> dict[str, Sampler]:
    """The samplers with these `names`, in the order of the table."""
    return {name: SAMPLERS[name](cameras, teacher.info) for name in SAMPLERS if name in names}


def decider(samplers: list[Sampler], decision: Callable) -> Sampler:
    """The first of `samplers` that overrides `decision`, a method of Sampler."""
    name = decision.__name__
    return next(s for s in samplers if getattr(type(s), name) is not decision)


def _samples_of(
    chosen: ChosenRays, positions: Tensor, kept: Tensor | None, importance: Tensor | None
) -> SampleBatch:
    """The samples `kept` of rays, all by default. Importance weights are divided by their mean over
    all samples, so that a mean over the kept ones has the expectation of the weighted mean over
    all."""
    answers, ray = chosen.answers, chosen.answers.samples.ray_indices
    packed = answers.density, answers.rgb, answers.samples.deltas, answers.weights
    packed = positions, *packed, answers.transmittance
    share = chosen.importance[ray]
    total = share.sum()
    if kept is not None:
        ray, share = ray[kept], share[kept] * importance
        packed = tuple(x[kept] for x in packed)
    positions, *told = packed
    directions = answers.rays.view_directions[ray]
    return SampleBatch(positions, directions, *told, share / (total / len(share)))
