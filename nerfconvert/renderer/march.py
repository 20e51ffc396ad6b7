"""Marches rays through a field front to back and queries it while transmittance is left."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels.march import march
from ..volume import RadianceField, Rays, Samples
from .cone_march import ANGLE, cone_march, cone_sections, joined

WAVE = 12  # samples a ray advances between checks of its transmittance
OPAQUE = 50.0  # optical depth of one sample beyond which nothing changes; keeps sums exact
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

    A ray advances in waves of `WAVE` samples until its transmittance falls below `stop`; NaN
    densities count as empty, NaN colors as black.
    """
    optical, deepest = rays.near.new_zeros(len(rays)), -math.log(stop)
    if field.aabb.contraction:
        samples, found = _in_sections(field, rays, step, jitter, optical, deepest)
    else:
        samples = march_rays(field, rays, step, jitter)
        found = _query(field, rays, samples, optical, deepest)
    density, rgb, seen = found
    reached = optical_depth_in_front(density, samples) < deepest
    return QueriedSamples(samples, density, reached, seen & reached, rgb)


def _in_sections(
    field: RadianceField,
    rays: Rays,
    step: float,
    jitter: Tensor | None,
    optical: Tensor,
    deepest: float,
) -> tuple[Samples, tuple[Tensor, ...]]:
    """Samples and answers of an unbounded field, whose rays are long: none goes on behind what is
    opaque."""
    sections, answers = [], []
    where = field.aabb, field.occupancy, rays, step, jitter, ANGLE
    for section in cone_sections(*where, lambda: optical < deepest):
        sections.append(section)
        answers.append(_query(field, rays, section, optical, deepest))
    samples, order = joined(sections, rays)
    if not sections:
        return samples, _query(field, rays, samples, optical, deepest)
    return samples, tuple(torch.cat(x)[order] for x in zip(*answers, strict=True))


def _query(
    field: RadianceField, rays: Rays, samples: Samples, optical: Tensor, deepest: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Density, color and whether they show, of samples with an optical depth in front of them below
    `deepest`; adds theirs to that of the rays, `optical` [R]."""
    density = samples.t_starts.new_zeros(len(samples))
    rgb = density.new_full((len(samples), 3), UNSEEN)
    seen = torch.zeros_like(density, dtype=torch.bool)
    mids = samples.t_mids
    for wave in _waves(samples):
        rows = wave[optical[samples.ray_indices[wave]] < deepest]
        if not len(rows):
            break  # later waves have a subset of these rays, and transmittance only falls
        ray = samples.ray_indices[rows]
        features = field.encode(rays.points(ray, mids[rows]))
        found = torch.nan_to_num(field.density(features), 0.0)
        density[rows] = found
        depth = (found * samples.deltas[rows]).clamp(max=OPAQUE)
        optical.index_add_(0, ray, depth)
        shows = (depth > FAINT).nonzero()[:, 0]
        directions = rays.view_directions.index_select(0, ray[shows])
        color = field.color(features.index_select(0, shows), directions)
        rgb[rows[shows]] = torch.nan_to_num(color, 0.0)
        seen[rows[shows]] = True
    return density, rgb, seen


def optical_depth_in_front(density: Tensor, samples: Samples) -> Tensor:
    """[S] optical depth (float64) in front of each packed sample."""
    depth = (density * samples.deltas).clamp(max=OPAQUE).double()
    total = torch.cat([depth.new_zeros(1), depth.cumsum(0)])
    return total[:-1] - total[samples.offsets[samples.ray_indices]]


def _waves(samples: Samples) -> list[Tensor]:
    """Sample indices of the first `WAVE` samples of all rays, then the next, and so on."""
    rank = torch.arange(len(samples), device=samples.t_starts.device)
    wave = (rank - samples.offsets[samples.ray_indices]) // WAVE
    order = torch.argsort(wave, stable=True)
    return list(order.split(torch.bincount(wave).tolist())) if len(order) else []
