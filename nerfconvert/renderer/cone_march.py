"""Marching through unbounded space: steps that grow with the distance from the camera.

As instant-ngp's cones do it: near the camera a step has one length, farther off it is a fixed part
of the distance. Occupancy is looked up in contracted space. Plain torch; bounded fields have the
march kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..volume import Aabb, OccupancyGrid, Rays, Samples, joined
from ..volume.occupancy import FAR

ANGLE = 1 / 256  # of a distance: the step there
POINTS = 1 << 20  # tested at once
SECTION = 16  # blocks between looks at what is still to be seen
BLOCK = 8  # segments that are skipped together where no occupied cell is near
SLACK = 1.05  # lengths may round


@torch.no_grad()
def cone_march(
    box: Aabb,
    occupancy: OccupancyGrid,
    rays: Rays,
    step: float,
    jitter: Tensor | None = None,
    angle: float = ANGLE,
) -> Samples:
    """Packed samples of world `rays` whose midpoints lie in occupied cells over `box`.

    A segment that begins at distance t is ``max(step, angle * t)`` long, in world units; `jitter`
    [R] in [0, 1) shifts the first by that part of its length.
    """
    everywhere = torch.ones(len(rays), dtype=torch.bool, device=rays.origins.device)
    march = cone_sections(box, occupancy, rays, step, jitter, angle, lambda: everywhere)
    return joined(list(march), rays)[0]


@torch.no_grad()
def cone_sections(
    box: Aabb,
    occupancy: OccupancyGrid,
    rays: Rays,
    step: float,
    jitter: Tensor | None,
    angle: float,
    wanted: Callable[[], Tensor],
) -> Iterator[Samples]:
    """The samples of `cone_march` in sections, nearest first, each packed over all rays; before
    each section `wanted` says which rays [R] bool need more."""
    near, far = box.intersect(rays.origins, rays.directions)
    near, far = torch.maximum(near, rays.near), torch.minimum(far, rays.far)
    if jitter is not None:
        near = near + jitter * (angle * near).clamp_min(step)
    lattice = _Lattice(near, step, angle)
    counts = torch.where(far > near, lattice.count(far), 0)
    widest = -(-int(counts.max()) // BLOCK) if len(counts) else 0
    for begin in range(0, widest, SECTION):
        alive = (wanted() & (counts > begin * BLOCK)).nonzero()[:, 0]
        parts = [
            _segments(box, occupancy, rays, lattice, far, part, begin)
            for part in alive.split(POINTS // (SECTION * BLOCK))
        ]
        if parts:
            found = (torch.cat(x) for x in zip(*parts, strict=True))
            yield _packed(*found, len(rays))


def _packed(starts: Tensor, deltas: Tensor, ray_indices: Tensor, n_rays: int) -> Samples:
    every = torch.arange(n_rays + 1, device=ray_indices.device)
    offsets = torch.searchsorted(ray_indices, every)  # unlike bincount it does not wait for a GPU
    return Samples(starts, deltas, ray_indices, offsets)


def _segments(
    box: Aabb,
    occupancy: OccupancyGrid,
    rays: Rays,
    lattice: _Lattice,
    far: Tensor,
    part: Tensor,
    begin: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Starts, lengths and rays of the kept segments of rays `part` in the section of blocks from
    `begin` on, by ray, then distance."""
    ray, block = _near_cells(box, occupancy, rays, lattice, part, begin)
    k = block[:, None] * BLOCK + torch.arange(BLOCK + 1, device=block.device)
    t = lattice.starts(ray, k)
    first, length = t[:, :-1], t.diff(dim=1)
    middle = first + 0.5 * length
    row, column = (middle < far[ray, None]).nonzero(as_tuple=True)
    places = rays.points(ray[row], middle[row, column])
    occupied = occupancy.query(box.to_unit(places)).nonzero()[:, 0]
    row, column = row[occupied], column[occupied]
    return first[row, column], length[row, column], ray[row]


def _near_cells(
    box: Aabb, occupancy: OccupancyGrid, rays: Rays, lattice: _Lattice, part: Tensor, begin: int
) -> tuple[Tensor, Tensor]:
    """Rays [B] and blocks [B] of the section from `begin` on that may touch an occupied cell:
    contraction brings no two points farther apart, so such a cell is at most as far from a block's
    middle as half of its length."""
    distances, size = occupancy.distances(), occupancy.resolution
    ray = part.repeat_interleave(SECTION)
    block = begin + torch.arange(SECTION, device=part.device).repeat(len(part))
    ends = lattice.starts(ray, torch.stack([block, block + 1], 1) * BLOCK)
    unit = box.to_unit(rays.points(ray, ends.mean(1)))
    cell = (unit * size).long().clamp(0, size - 1)
    outside = (unit - unit.clamp(0, 1)).abs().amax(1) * size
    reach = ends.diff(dim=1)[:, 0] * (0.5 * size / min(box.size) * SLACK) + 1
    near = (distances[tuple(cell.T)] - outside <= reach) | (reach >= FAR)
    kept = near.nonzero()[:, 0]
    return ray[kept], block[kept]


class _Lattice:
    """Where the segments of R rays begin, from `near` [R] on, in closed form."""

    def __init__(self, near: Tensor, step: float, angle: float):
        self.near, self.step, self.growth = near, step, math.log1p(angle)
        even = step / angle  # distance up to which all steps are equal
        self.even = ((even - near) / step).ceil().clamp_min(0)
        self.turn = near + self.even * step  # from there on, a geometric series

    def starts(self, ray: Tensor, k: Tensor) -> Tensor:
        """[B, K] distances at which segments `k` [B, K] of rays `ray` [B] begin."""
        more = (k - self.even[ray, None]).clamp_min(0)
        line = self.near[ray, None] + k * self.step
        curve = self.turn[ray, None] * torch.exp(more * self.growth)
        return torch.where(more > 0, curve, line)

    def count(self, far: Tensor) -> Tensor:
        """[R] int64: segments that begin before `far` [R]."""
        line = ((far - self.near) / self.step).ceil()
        curve = self.even + ((far / self.turn.clamp_min(self.step)).log() / self.growth).ceil()
        return torch.where(far > self.turn, curve, line).long().clamp_min(0)
