"""PublishedBatch: one batch of rays, its samples, and the answers of teacher and student there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ....kernels.composite import composite
from ....renderer.cameras import Cameras
from ....renderer.march import march_rays
from ....volume import RadianceField, Rays, Samples, sent
from .settings import HIGH, LOW

BATCH_RAYS = 4096
MAX_STEPS = 1024  # samples along the diagonal of the cube
MOST_SAMPLES = 1 << 18  # of a step; rays beyond are dropped, as beyond the published buffer's end


@dataclass(frozen=True)
class PublishedBatch:
    """R rays and their S packed samples."""

    rays: Rays
    samples: Samples
    background: Tensor  # [R, 3] random


@dataclass(frozen=True)
class Answer:
    """Density, color and features of a field at the samples, in the published units and clamps."""

    features: Tensor | None  # [S, F]; None where teacher's and student's are not comparable
    log_density: Tensor  # [S] clamped logarithm of density per half edge of the box
    density: Tensor  # [S] its exponential, per world unit
    rgb: Tensor  # [S, 3]


def draw_rays(camera: Cameras, generator: torch.Generator) -> Rays:
    """`BATCH_RAYS` random pixels of one camera, drawn with replacement."""
    draw = torch.rand(2, BATCH_RAYS, generator=generator)
    columns = (draw[0] * camera.width).floor() + 0.5
    rows = (draw[1] * camera.height).floor() + 0.5
    return camera.rays_at(torch.zeros(BATCH_RAYS, dtype=torch.int64), columns, rows)


def march_batch(student: RadianceField, rays: Rays, generator: torch.Generator) -> PublishedBatch:
    """Samples of `rays` in the student's occupied cells, which are the teacher's."""
    device = student.device
    step = math.sqrt(3) * max(student.aabb.size) / MAX_STEPS
    jitter = sent(torch.rand(len(rays), generator=generator), device)
    rays = student.info.local_rays(rays.to(device))
    samples = march_rays(student, rays, step, jitter)
    kept = int((samples.offsets[1:] <= MOST_SAMPLES).sum())
    if kept < len(rays):
        rays, samples = rays[:kept], _first(samples, kept)
    background = sent(torch.rand(len(rays), 3, generator=generator), device)
    return PublishedBatch(rays, samples, background)


def encode(field: RadianceField, batch: PublishedBatch) -> Tensor:
    """Features [S, F] as they are compared: the first one is log density, clamped."""
    return _comparable(field.encode(batch.samples.positions(batch.rays)))


def answer(field: RadianceField, batch: PublishedBatch, unit: float, features: bool) -> Answer:
    """Density and color of `field`; `unit` is the half edge of the student's box, in world units.
    Features are included with `features`."""
    encoded = field.encode(batch.samples.positions(batch.rays))
    directions = batch.rays.view_directions[batch.samples.ray_indices]
    density, rgb = (torch.nan_to_num(x, 0.0) for x in field.decode(encoded, directions))
    density = density * unit
    limited = density.clamp(math.exp(LOW), math.exp(HIGH))  # before the log: log 0 has no gradient
    kept = _comparable(encoded) if features else None
    return Answer(kept, limited.log(), limited / unit, rgb)


def composite_answer(given: Answer, batch: PublishedBatch) -> tuple[Tensor, Tensor, Tensor]:
    """(colors [R, 3] on the background, opacity [R], rendering weights [S]) of an answer."""
    samples = batch.samples
    color, opacity, _, weights = composite(
        given.density, given.rgb, samples.t_mids, samples.deltas, samples.offsets
    )
    return color + (1 - opacity[:, None]) * batch.background, opacity, weights


def _comparable(features: Tensor) -> Tensor:
    return torch.cat([features[:, :1].clamp(LOW, HIGH), features[:, 1:]], 1)


def _first(samples: Samples, count: int) -> Samples:
    """The samples of the first `count` rays."""
    end = int(samples.offsets[count])
    return Samples(
        samples.t_starts[:end],
        samples.deltas[:end],
        samples.ray_indices[:end],
        samples.offsets[: count + 1],
    )
