"""Marching through unbounded space: steps that grow with the distance from the camera.

As instant-ngp's cones do it: near the camera a step has one length, farther off it is a fixed part
of the distance. Occupancy is looked up in contracted space. Plain torch; bounded fields have the
march kernel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..volume import Aabb, OccupancyGrid, Rays, Samples

ANGLE = 1 / 256  # of a distance: the step there
POINTS = 1 << 20  # tested at once


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
    near, far = box.intersect(rays.origins, rays.directions)
    near, far = torch.maximum(near, rays.near), torch.minimum(far, rays.far)
    if jitter is not None:
        near = near + jitter * (angle * near).clamp_min(step)
    lattice = _Lattice(near, step, angle)
    counts = torch.where(far > near, lattice.count(far), 0)
    widest = int(counts.max()) if len(counts) else 0
    chunk = max(1, POINTS // max(widest, 1))
    starts, deltas, indices = [], [], []
    for begin in range(0, len(rays), chunk):
        part = slice(begin, begin + chunk)
        most = int(counts[part].max())
        t = lattice.starts(part, most + 1)
        first, length = t[:, :-1], t.diff(dim=1)
        middle = first + 0.5 * length
        places = rays.origins[part, None] + middle[..., None] * rays.directions[part, None]
        unit = box.to_unit(places.flatten(0, 1))
        keep = (middle < far[part, None]) & occupancy.query(unit).view(middle.shape)
        starts.append(first[keep])
        deltas.append(length[keep])
        indices.append(keep.nonzero()[:, 0] + begin)
    ray_indices = torch.cat(indices) if indices else near.new_zeros(0, dtype=torch.int64)
    owned = torch.bincount(ray_indices, minlength=len(rays))
    offsets = torch.cat([owned.new_zeros(1), owned.cumsum(0)])
    packed = (torch.cat(x) if x else near.new_zeros(0) for x in (starts, deltas))
    return Samples(*packed, ray_indices, offsets)


class _Lattice:
    """Where the segments of R rays begin, from `near` [R] on, in closed form."""

    def __init__(self, near: Tensor, step: float, angle: float):
        self.near, self.step, self.growth = near, step, math.log1p(angle)
        even = step / angle  # distance up to which all steps are equal
        self.even = ((even - near) / step).ceil().clamp_min(0)
        self.turn = near + self.even * step  # from there on, a geometric series

    def starts(self, part: slice, count: int) -> Tensor:
        """[r, count] distances of the first segments of rays `part`."""
        k = torch.arange(count, device=self.near.device, dtype=self.near.dtype)
        more = (k - self.even[part, None]).clamp_min(0)
        line = self.near[part, None] + k * self.step
        curve = self.turn[part, None] * torch.exp(more * self.growth)
        return torch.where(more > 0, curve, line)

    def count(self, far: Tensor) -> Tensor:
        """[R] int64: segments that begin before `far` [R]."""
        line = ((far - self.near) / self.step).ceil()
        curve = self.even + ((far / self.turn.clamp_min(self.step)).log() / self.growth).ceil()
        return torch.where(far > self.turn, curve, line).long().clamp_min(0)
