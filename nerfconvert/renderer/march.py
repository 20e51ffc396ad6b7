"""Marches rays through a field front to back and queries it while transmittance is left."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels.march import march
from ..volume import RadianceField, Rays, Samples, joined
from .cone_march import cone_march
from .waves import OPAQUE, waves

FAINT = 1e-4  # opacity of one sample below which its color cannot matter
UNSEEN = 0.5  # gray level of a color that was never queried


@dataclass(frozen=True)
class QueriedSamples:
    """S marched samples of R rays with the density and color that the field has there."""

    samples: Samples
    density: Tensor  # [S]; 0 where no transmittance is left (never queried)
    reached: Tensor  # [S] bool: transmittance before the sample is above the stop
    seen: Tensor  # [S] bool: reached and not faint
    rgb: Tensor  # [S, 3]; `UNSEEN` where the sample is not seen


def march_rays(
    field: RadianceField, rays: Rays, step: float, jitter: Tensor | None = None
) -> Samples:
    """Packed samples of `rays` in the occupied cells of `field`, on the lattice near + k * step; of
    an unbounded field, with steps that grow with the distance.

    `step` in units of the box; `jitter` [R] in [0, 1) shifts each ray's lattice by that fraction of
    it.
    """
    if field.aabb.contraction:
        return cone_march(field.aabb, field.occupancy, rays, step, jitter)
    near, far = field.aabb.intersect(rays.origins, rays.directions)
    near, far = torch.maximum(near, rays.near), torch.minimum(far, rays.far)
    if jitter is not None:
        near = near + jitter * step
    low, high = field.aabb.corners(rays.origins)
    t_starts, ray_indices, offsets = march(
        rays.origins, rays.directions, near, far, low, high, field.occupancy.words, step
    )
    return Samples(t_starts, torch.full_like(t_starts, step), ray_indices, offsets)


@torch.no_grad()
def march_and_query(
    field: RadianceField,
    rays: Rays,
    step: float,
    *,
    stop: float = 1e-4,
    jitter: Tensor | None = None,
) -> QueriedSamples:
    """Density of every sample with transmittance left in front of it, color of those not faint.

    A ray advances in waves of a few samples until its transmittance falls below `stop`; NaN
    densities count as empty, NaN colors as black.
    """
    optical, deepest = rays.near.new_zeros(len(rays)), -math.log(stop)
    parts, answers = [], []
    for samples in waves(field, rays, step, jitter, lambda: optical < deepest):
        parts.append(samples)
        answers.append(_query(field, rays, samples, optical, deepest))
    samples, places = joined(parts, rays)
    density = rays.near.new_zeros(len(samples))
    rgb = density.new_full((len(samples), 3), UNSEEN)
    seen = torch.zeros_like(density, dtype=torch.bool)
    if parts:
        found = (torch.cat(x) for x in zip(*answers, strict=True))
        for answer, column in zip((density, rgb, seen), found, strict=True):
            answer.index_copy_(0, places, column)
    reached = optical_depth_in_front(density, samples) < deepest
    return QueriedSamples(samples, density, reached, seen & reached, rgb)


def _query(
    field: RadianceField, rays: Rays, samples: Samples, optical: Tensor, deepest: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Density, color and whether they show, of a wave; adds its optical depth to that of the rays,
    `optical` [R]. A color shows where the sample is not faint and less than `deepest` lies in front
    of it."""
    ray = samples.ray_indices
    density, features = field.density_first(rays.points(ray, samples.t_mids))
    density = torch.nan_to_num(density, 0.0)
    depth = (density * samples.deltas).clamp(max=OPAQUE)
    in_front = optical[ray] + optical_depth_in_front(density, samples)
    optical.index_add_(0, ray, depth)
    shows = ((depth > FAINT) & (in_front < deepest)).nonzero()[:, 0]
    directions = rays.view_directions.index_select(0, ray[shows])
    color = field.color(features(shows), directions)
    rgb = density.new_full((len(samples), 3), UNSEEN)
    rgb[shows] = torch.nan_to_num(color, 0.0)
    return density, rgb, torch.zeros_like(density, dtype=torch.bool).index_fill_(0, shows, True)


def optical_depth_in_front(density: Tensor, samples: Samples) -> Tensor:
    """[S] optical depth (float64) in front of each packed sample."""
    depth = (density * samples.deltas).clamp(max=OPAQUE).double()
    total = torch.cat([depth.new_zeros(1), depth.cumsum(0)])
    return total[:-1] - total[samples.offsets[samples.ray_indices]]
