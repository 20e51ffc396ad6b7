"""Waves: the samples of many rays, a few of each ray at a time, nearest first.

Between two waves the field answers, so rays end where nothing is seen any more and nothing of the
size of all samples is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..kernels.march import MAX_LATTICE
from ..kernels.march_wave import march_wave
from ..volume import Aabb, OccupancyGrid, RadianceField, Rays, Samples
from .cone_march import ANGLE, cone_sections

OPAQUE = 50.0  # optical depth of one sample beyond which nothing changes; keeps sums exact
FEWEST, MOST = 4, 12  # samples of a ray in a wave
POINTS = 1 << 16  # of a wave, if it has that many rays: the fewer are left, the farther each goes


@torch.no_grad()
def waves(
    field: RadianceField,
    rays: Rays,
    step: float,
    jitter: Tensor | None,
    wanted: Callable[[], Tensor],
) -> Iterator[Samples]:
    """The samples of `march_rays` in waves, each packed over all rays; before each one `wanted`
    says which rays [R] bool need more."""
    where = field.aabb, field.occupancy, rays, step, jitter
    if field.aabb.contraction:
        return _in_waves(cone_sections(*where, ANGLE, wanted), wanted)
    return _bounded_waves(*where, wanted)


def _in_waves(sections: Iterator[Samples], wanted: Callable[[], Tensor]) -> Iterator[Samples]:
    """Sections of which each ray has many samples, cut to waves."""
    for rest in sections:
        while len(rest):
            place = torch.arange(len(rest), device=rest.offsets.device)
            now = place - rest.offsets[rest.ray_indices] < MOST
            yield rest.select(now)
            rest = rest.select(~now & wanted()[rest.ray_indices])


def _bounded_waves(
    box: Aabb,
    occupancy: OccupancyGrid,
    rays: Rays,
    step: float,
    jitter: Tensor | None,
    wanted: Callable[[], Tensor],
) -> Iterator[Samples]:
    near, far = box.intersect(rays.origins, rays.directions)
    near, far = torch.maximum(near, rays.near), torch.minimum(far, rays.far)
    alive, first = near < far, torch.zeros(len(rays), dtype=torch.int64, device=near.device)
    if jitter is not None:
        near = near + jitter * step
    lines = rays.origins, rays.directions, near, far, *box.corners(rays.origins), occupancy.words
    fewest = FEWEST if near.device.type == "cpu" else MOST  # elsewhere every wave waits
    while left := int(alive.sum()):
        most = min(MOST, max(fewest, POINTS // left))
        first = first.where(alive, MAX_LATTICE)
        starts, ray, offsets, first = march_wave(*lines, step, first, most)
        yield Samples(starts, torch.full_like(starts, step), ray, offsets)
        alive = wanted() & (first < MAX_LATTICE)
