"""Lesson: rays that a teacher has answered, with every sample that light reaches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels.composite import composite
from ..kernels.draw_weighted import draw_weighted
from ..renderer.cameras import Cameras
from ..renderer.sweep import optical_depth_before, sweep
from ..volume import RadianceField, Rays, Samples
from .rays import draw_rays

HIDDEN = 5e-3  # transmittance below which a sample is not worth teaching


@dataclass(frozen=True)
class Lesson:
    """R rays, each with at least one of the S packed samples, and the teacher's answers."""

    rays: Rays
    samples: Samples
    density: Tensor  # [S] 1 / world unit
    rgb: Tensor  # [S, 3]; gray where nothing shows
    weights: Tensor  # [S] the teacher's render weights
    light: Tensor  # [S] transmittance in front of the sample, by the teacher
    color: Tensor  # [R, 3] premultiplied, without background
    opacity: Tensor  # [R]
    bounds: Tensor  # [R + 1] the samples' offsets, on the CPU: to cut must not wait for the device
    regions: Tensor | None = None  # [R] int64, of views: who asked, where someone wants to know
    importance: Tensor | None = None  # [R] what a ray counts in the losses; None: 1 each

    def __len__(self) -> int:
        return len(self.rays)

    def bytes(self) -> int:
        """Memory of the tensors."""
        parts = [self.rays, self.samples, self]
        tensors = [v for part in parts for v in vars(part).values() if isinstance(v, Tensor)]
        return sum(t.numel() * t.element_size() for t in tensors)

    def part(self, start: int, stop: int) -> Lesson:
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
        rays = self.rays[start:stop]
        packed = [getattr(self, n)[low:high] for n in ("density", "rgb", "weights", "light")]
        seen = self.color[start:stop], self.opacity[start:stop]
        asked = [t if t is None else t[start:stop] for t in (self.regions, self.importance)]
        return Lesson(rays, samples, *packed, *seen, bounds - low, *asked)

    def gather(self, index: Tensor) -> Lesson:
        """Rays `index` [K] int64, in that order, copied: costs what they have of samples."""
        places = index.cpu()
        counts = self.bounds.diff()[places]
        bounds = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        rays = torch.repeat_interleave(counts)
        sample = torch.arange(len(rays)) + (self.bounds[places] - bounds[:-1])[rays]
        device = self.density.device
        sample, rays = sample.to(device), rays.to(device)
        starts, deltas = self.samples.t_starts[sample], self.samples.deltas[sample]
        samples = Samples(starts, deltas, rays, bounds.to(device))
        packed = [getattr(self, n)[sample] for n in ("density", "rgb", "weights", "light")]
        seen = self.color[index], self.opacity[index]
        asked = [t if t is None else t[index] for t in (self.regions, self.importance)]
        return Lesson(self.rays[index], samples, *packed, *seen, bounds, *asked)


@dataclass(frozen=True)
class Points:
    """N samples without their rays."""

    positions: Tensor  # [N, 3]
    directions: Tensor  # [N, 3] unit, of view
    density: Tensor  # [N]
    rgb: Tensor  # [N, 3]
    deltas: Tensor  # [N]
    weights: Tensor  # [N]
    light: Tensor  # [N]


def draw_points(lesson: Lesson, count: int, generator: torch.Generator) -> Points:
    """`count` samples of a lesson: half of them uniform, half by the teacher's render weights."""
    return points_at(lesson, draw_samples(lesson, count, generator))


def draw_samples(lesson: Lesson, count: int, generator: torch.Generator) -> Tensor:
    """Indices [count] int64 of the samples that `draw_points` takes."""
    draw = torch.rand(count, generator=generator, dtype=torch.float64).to(lesson.weights.device)
    half = count // 2
    chosen = draw_weighted(lesson.weights, draw[:half])
    uniform = (draw[half:] * len(lesson.weights)).long()
    return torch.cat([chosen, uniform])


def points_at(lesson: Lesson, index: Tensor) -> Points:
    """The samples `index` [N] int64 of a lesson."""
    ray = lesson.samples.ray_indices[index]
    mids = lesson.samples.t_mids[index]
    positions = lesson.rays.points(ray, mids)
    packed = (lesson.density, lesson.rgb, lesson.samples.deltas, lesson.weights, lesson.light)
    return Points(positions, lesson.rays.view_directions[ray], *(t[index] for t in packed))


@torch.no_grad()
def ask(
    teacher: RadianceField,
    rays: Rays,
    step: float,
    jitter: Tensor,
    regions: Tensor | None = None,
    importance: Tensor | None = None,
) -> Lesson:
    """The teacher's answers on rays [R], marched with `step` (world units) and `jitter` [R].

    Samples behind a transmittance of `HIDDEN` are left out (nobody sees them from here), and so
    are rays that cross no occupied cell.
    """
    swept = sweep(teacher, rays, step, stop=HIDDEN, jitter=jitter)
    samples = swept.samples.select(swept.reached)
    density = swept.density[swept.reached]
    rgb = swept.rgb[swept.reached]
    light = torch.exp(-optical_depth_before(density, samples)).float()
    hit = samples.offsets.diff() > 0
    rays, samples = _only(hit, rays, samples)
    color, opacity, _, weights = composite(
        density, rgb, samples.t_mids, samples.deltas, samples.offsets
    )
    asked = [t if t is None else t[hit] for t in (regions, importance)]
    answers = density, rgb, weights, light, color, opacity
    return Lesson(rays, samples, *answers, samples.offsets.cpu(), *asked)


def ask_random(
    teacher: RadianceField, cameras: Cameras, count: int, step: float, generator: torch.Generator
) -> Lesson:
    """The teacher's answers on `count` random rays of `cameras`."""
    rays = draw_rays(cameras, teacher.aabb, count, generator)
    jitter = torch.rand(count, generator=generator)
    return ask(teacher, rays.to(teacher.device), step, jitter.to(teacher.device))


def _only(hit: Tensor, rays: Rays, samples: Samples) -> tuple[Rays, Samples]:
    """Only the rays that are `hit` ([R] bool), those that own samples, renumbered."""
    counts = samples.offsets.diff()
    number = hit.long().cumsum(0) - 1
    offsets = torch.cat([counts.new_zeros(1), counts[hit].cumsum(0)])
    packed = Samples(samples.t_starts, samples.deltas, number[samples.ray_indices], offsets)
    return rays[hit], packed
