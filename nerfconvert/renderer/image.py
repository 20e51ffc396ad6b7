"""Pictures from any field: march through its occupancy, query it, composite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels.composite import composite
from ..kernels.march import march
from ..volume import RadianceField, Rays, Samples
from .cameras import Cameras

BACKGROUNDS = {"white": 1.0, "black": 0.0}


@dataclass(frozen=True)
class Rendered:
    """What R rays see: `rgb` [R, 3] over the background, `opacity` [R], `depth` [R] world units
    (opacity-weighted distance, 0 where nothing is hit)."""

    rgb: Tensor
    opacity: Tensor
    depth: Tensor


def default_step(field: RadianceField) -> float:
    """Marching step in world units: the box diagonal over 1024."""
    return field.aabb.diagonal / 1024


def march_rays(
    field: RadianceField, rays: Rays, step: float, jitter: Tensor | None = None
) -> Samples:
    """Packed samples of `rays` in the occupied cells of `field`, on the lattice near + k * step.

    `jitter` [R] in [0, 1) shifts each ray's lattice by that part of a step.
    """
    near, far = field.aabb.intersect(rays.origins, rays.directions)
    near, far = torch.maximum(near, rays.near), torch.minimum(far, rays.far)
    if jitter is not None:
        near = near + jitter * step
    low, high = field.aabb.corners(rays.origins)
    t_starts, ray_indices, offsets = march(
        rays.origins, rays.directions, near, far, low, high, field.occupancy.words, step
    )
    return Samples(t_starts, torch.full_like(t_starts, step), ray_indices, offsets)


def query(field: RadianceField, rays: Rays, samples: Samples) -> tuple[Tensor, Tensor]:
    """Density [S] and color [S, 3] of packed samples."""
    features = field.encode(samples.positions(rays))
    directions = rays.view_directions[samples.ray_indices]
    return field.density(features), field.color(features, directions)


def render_samples(
    density: Tensor, rgb: Tensor, samples: Samples, background: float | Tensor
) -> Rendered:
    """Composites packed samples; `background` is a gray level in [0, 1] or [R, 3]."""
    color, opacity, depth, _ = composite(
        density, rgb, samples.t_mids, samples.deltas, samples.offsets
    )
    return Rendered(color + (1 - opacity[:, None]) * background, opacity, depth)


@torch.no_grad()
def visible_samples(
    field: RadianceField,
    rays: Rays,
    step: float,
    *,
    stop: float = 1e-4,
    jitter: Tensor | None = None,
) -> tuple[Samples, Tensor, Tensor]:
    """Samples that light reaches, their features [S, F] and density [S].

    Queries density everywhere along the ray, but keeps only samples before which the
    transmittance is above `stop` and whose own opacity is not negligible; color is then
    computed for these few only.
    """
    samples = march_rays(field, rays, step, jitter)
    features = field.encode(samples.positions(rays))
    density = field.density(features)
    dummy = density.new_zeros(len(density), 3)
    _, _, _, weights = composite(density, dummy, samples.t_mids, samples.deltas, samples.offsets)
    alpha = -torch.expm1(-density * samples.deltas)
    keep = (weights > stop * alpha) & (alpha > 1e-4)
    return samples.select(keep), features[keep], density[keep]


@torch.no_grad()
def render_rays(
    field: RadianceField,
    rays: Rays,
    *,
    step: float | None = None,
    background: float = 1.0,
    chunk: int = 8192,
) -> Rendered:
    """Renders R rays without gradients, `chunk` rays at a time (bounds memory)."""
    step = step or default_step(field)
    parts = []
    for start in range(0, len(rays), chunk):
        part = rays[start : start + chunk]
        samples, features, density = visible_samples(field, part, step)
        rgb = field.color(features, part.view_directions[samples.ray_indices])
        parts.append(render_samples(density, rgb, samples, background))
    if not parts:
        return Rendered(rays.origins.new_zeros(0, 3), *(rays.origins.new_zeros(0),) * 2)
    return Rendered(
        *(torch.cat([getattr(p, n) for p in parts]) for n in ("rgb", "opacity", "depth"))
    )


def render_image(
    field: RadianceField,
    cameras: Cameras,
    view: int,
    *,
    step: float | None = None,
    background: float = 1.0,
    on_chunk: Callable[[int], None] | None = None,
) -> Tensor:
    """[height, width, 3] sRGB in [0, 1] of one camera; `on_chunk` hears rays done."""
    rays = cameras.view_rays(view).to(field.occupancy.words.device)
    parts = []
    for start in range(0, len(rays), 8192):
        part = rays[start : start + 8192]
        parts.append(render_rays(field, part, step=step, background=background).rgb)
        if on_chunk:
            on_chunk(len(part))
    return torch.cat(parts).view(cameras.height, cameras.width, 3).clamp(0, 1)
