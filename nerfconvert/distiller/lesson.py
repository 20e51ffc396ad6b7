"""Lesson: rays that a teacher has answered, with every sample that light reaches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels.composite import composite
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
        return Lesson(rays, samples, *packed, *seen, bounds - low)


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
    total = lesson.weights.cumsum(0, dtype=torch.float64)
    draw = torch.rand(count, generator=generator, dtype=torch.float64).to(total.device)
    half = count // 2
    chosen = torch.searchsorted(total, draw[:half] * total[-1])
    uniform = (draw[half:] * len(total)).long()
    index = torch.cat([chosen, uniform]).clamp(max=len(total) - 1)
    ray = lesson.samples.ray_indices[index]
    mids = lesson.samples.t_mids[index]
    positions = lesson.rays.points(ray, mids)
    packed = (lesson.density, lesson.rgb, lesson.samples.deltas, lesson.weights, lesson.light)
    return Points(positions, lesson.rays.view_directions[ray], *(t[index] for t in packed))


@torch.no_grad()
def ask(teacher: RadianceField, rays: Rays, step: float, jitter: Tensor) -> Lesson:
    """The teacher's answers on rays [R], marched with `step` (world units) and `jitter` [R].

    Samples behind a transmittance of `HIDDEN` are left out (nobody sees them from here), and so
    are rays that cross no occupied cell.
    """
    swept = sweep(teacher, rays, step, stop=HIDDEN, jitter=jitter)
    samples = swept.samples.select(swept.reached)
    density = swept.density[swept.reached]
    rgb = swept.rgb[swept.reached]
    light = torch.exp(-optical_depth_before(density, samples)).float()
    rays, samples = _hit(rays, samples)
    color, opacity, _, weights = composite(
        density, rgb, samples.t_mids, samples.deltas, samples.offsets
    )
    bounds = samples.offsets.cpu()
    return Lesson(rays, samples, density, rgb, weights, light, color, opacity, bounds)


def ask_random(
    teacher: RadianceField, cameras: Cameras, count: int, step: float, generator: torch.Generator
) -> Lesson:
    """The teacher's answers on `count` random rays of `cameras`."""
    rays = draw_rays(cameras, teacher.aabb, count, generator)
    jitter = torch.rand(count, generator=generator)
    return ask(teacher, rays.to(teacher.device), step, jitter.to(teacher.device))


def _hit(rays: Rays, samples: Samples) -> tuple[Rays, Samples]:
    """Only the rays that own samples, renumbered."""
    counts = samples.offsets.diff()
    hit = counts > 0
    number = hit.long().cumsum(0) - 1
    offsets = torch.cat([counts.new_zeros(1), counts[hit].cumsum(0)])
    packed = Samples(samples.t_starts, samples.deltas, number[samples.ray_indices], offsets)
    return rays[hit], packed
