"""TeacherRays: a teacher's answers on rays, at every sample with transmittance in front of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels.composite import composite
from ..kernels.draw_weighted import draw_weighted
from ..renderer.march import march_and_query, optical_depth_in_front
from ..volume import RadianceField, Rays, Samples, sent

HIDDEN = 5e-3  # transmittance below which a sample is not distilled
PER_SAMPLE = ("density", "rgb", "weights", "transmittance")
PER_RAY = ("color", "opacity", "importance", "regions")


@dataclass(frozen=True)
class NewRays:
    """R rays on which a teacher is to be queried."""

    rays: Rays
    importance: Tensor  # [R] weight of each in the losses
    regions: Tensor  # [R] int64, of the views that they were drawn from


@dataclass(frozen=True)
class TeacherRays:
    """R rays, each with at least one of the S packed samples, and the teacher's answers."""

    rays: Rays
    samples: Samples
    density: Tensor  # [S] 1 / world unit
    rgb: Tensor  # [S, 3]; gray where the color is never queried
    weights: Tensor  # [S] the teacher's rendering weights
    transmittance: Tensor  # [S] in front of the sample, by the teacher
    color: Tensor  # [R, 3] premultiplied, without background
    opacity: Tensor  # [R]
    importance: Tensor  # [R] weight of a ray in the losses; 1 where rays were drawn uniformly
    regions: Tensor  # [R] int64, of the views that the rays were drawn from; 0 where unused
    bounds: Tensor  # [R + 1] the samples' offsets on the CPU: slicing must not synchronize

    def __len__(self) -> int:
        return len(self.rays)

    def bytes(self) -> int:
        """Memory of the tensors."""
        parts = [self.rays, self.samples, self]
        tensors = [v for part in parts for v in vars(part).values() if isinstance(v, Tensor)]
        return sum(t.numel() * t.element_size() for t in tensors)

    def part(self, start: int, stop: int) -> TeacherRays:
        """Rays start to stop, as views: nothing is copied but the shifted offsets."""
        offsets = self.samples.offsets[start : stop + 1]
        bounds = self.bounds[start : stop + 1]
        low, high = int(bounds[0]), int(bounds[-1])
        samples = Samples(
            self.samples.t_starts[low:high],
            self.samples.deltas[low:high],
            self.samples.ray_indices[low:high] - start,
            offsets - low,
        )
        return self._pick(slice(start, stop), slice(low, high), samples, bounds - low)

    def gather(self, index: Tensor) -> TeacherRays:
        """Rays `index` [K] int64, in that order; their samples are copied."""
        places = index.cpu()
        counts = self.bounds.diff()[places]
        bounds = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        rays = torch.repeat_interleave(counts)
        sample = torch.arange(len(rays)) + (self.bounds[places] - bounds[:-1])[rays]
        device = self.density.device
        sample, rays = sent(sample, device), sent(rays, device)
        starts, deltas = self.samples.t_starts[sample], self.samples.deltas[sample]
        samples = Samples(starts, deltas, rays, sent(bounds, device))
        return self._pick(index, sample, samples, bounds)

    def _pick(
        self, rays: slice | Tensor, sample: slice | Tensor, samples: Samples, bounds: Tensor
    ) -> TeacherRays:
        per_sample = {name: getattr(self, name)[sample] for name in PER_SAMPLE}
        per_ray = {name: getattr(self, name)[rays] for name in PER_RAY}
        return TeacherRays(self.rays[rays], samples, **per_sample, **per_ray, bounds=bounds)


@dataclass(frozen=True)
class SampleBatch:
    """N samples of a step without their rays, the teacher's answers, and importance weights."""

    positions: Tensor  # [N, 3]
    directions: Tensor  # [N, 3] unit, of view
    density: Tensor  # [N]
    rgb: Tensor  # [N, 3]
    deltas: Tensor  # [N]
    weights: Tensor  # [N]
    transmittance: Tensor  # [N]
    importance: Tensor  # [N] weight of a sample in the losses

    def __len__(self) -> int:
        return len(self.positions)


def draw_samples(answers: TeacherRays, count: int, generator: torch.Generator) -> Tensor:
    """Indices [count] int64 of samples: half of them uniform, half by the rendering weights."""
    draw = torch.rand(count, generator=generator, dtype=torch.float64)
    draw, half = sent(draw, answers.weights.device), count // 2
    chosen = draw_weighted(answers.weights, draw[:half])
    uniform = (draw[half:] * len(answers.weights)).long()
    return torch.cat([chosen, uniform])


def samples_at(answers: TeacherRays, index: Tensor, importance: Tensor) -> SampleBatch:
    """The samples `index` [N] int64, with weights `importance` [N] times those of their rays."""
    ray = answers.samples.ray_indices[index]
    return SampleBatch(
        positions=answers.rays.points(ray, answers.samples.t_mids[index]),
        directions=answers.rays.view_directions[ray],
        density=answers.density[index],
        rgb=answers.rgb[index],
        deltas=answers.samples.deltas[index],
        weights=answers.weights[index],
        transmittance=answers.transmittance[index],
        importance=importance * answers.importance[ray],
    )


@torch.no_grad()
def query_teacher(
    teacher: RadianceField,
    rays: Rays,
    step: float,
    jitter: Tensor,
    importance: Tensor | None = None,
    regions: Tensor | None = None,
) -> TeacherRays:
    """The teacher's answers on world rays [R], marched with `step` (of its box) and `jitter` [R],
    which come back as rays of its frame.

    Samples behind a transmittance below `HIDDEN` are left out (they are invisible along the ray),
    and so are rays that cross no occupied cell. `importance` [R] is 1 and `regions` [R] are 0 by
    default.
    """
    rays = teacher.info.local_rays(rays)
    queried = march_and_query(teacher, rays, step, stop=HIDDEN, jitter=jitter)
    samples = queried.samples.select(queried.reached)
    density = queried.density[queried.reached]
    rgb = queried.rgb[queried.reached]
    transmittance = torch.exp(-optical_depth_in_front(density, samples)).float()
    hit = samples.offsets.diff() > 0
    rays, samples = _only(hit, rays, samples)
    color, opacity, _, weights = composite(
        density, rgb, samples.t_mids, samples.deltas, samples.offsets
    )
    importance = torch.ones_like(opacity) if importance is None else importance[hit]
    regions = torch.zeros_like(hit[hit], dtype=torch.int64) if regions is None else regions[hit]
    answers = density, rgb, weights, transmittance, color, opacity
    return TeacherRays(rays, samples, *answers, importance, regions, samples.offsets.cpu())


def _only(hit: Tensor, rays: Rays, samples: Samples) -> tuple[Rays, Samples]:
    """Only the rays that are `hit` ([R] bool), those that own samples, renumbered."""
    counts = samples.offsets.diff()
    number = hit.long().cumsum(0) - 1
    offsets = torch.cat([counts.new_zeros(1), counts[hit].cumsum(0)])
    packed = Samples(samples.t_starts, samples.deltas, number[samples.ray_indices], offsets)
    return rays[hit], packed
