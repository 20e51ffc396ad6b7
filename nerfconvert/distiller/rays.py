"""Which rays a teacher is asked about: through random pixels, from cameras and between them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..renderer.cameras import Cameras
from ..volume import Aabb, Rays


def draw_rays(cameras: Cameras, aabb: Aabb, count: int, generator: torch.Generator) -> Rays:
    """`count` rays through uniformly random points of uniformly random images.

    Half of them start at a point moved towards another camera, on the sphere about the box, and
    aim at the same place: the views between the cameras must be right too.
    """
    n_views = len(cameras)
    views, others = torch.randint(n_views, (2, count), generator=generator)
    draw = torch.rand(4, count, generator=generator)
    rays = cameras.rays_at(views, draw[0] * cameras.width, draw[1] * cameras.height)
    shift = torch.where(draw[2] < 0.5, draw[3] * 0.5, torch.zeros(()))
    origins = between(rays.origins, cameras.poses[others][:, :3, 3], shift, aabb)
    return moved(cameras, rays, origins, aabb)


def moved(cameras: Cameras, rays: Rays, origins: Tensor, aabb: Aabb) -> Rays:
    """Rays from `origins` [R, 3] to the points at which `rays` of `cameras` pass the box center."""
    center = rays.origins.new_tensor(aabb.center)
    reach = ((center - rays.origins) * rays.directions).sum(-1, keepdim=True)
    targets = rays.origins + rays.directions * reach.clamp_min(1e-3)
    return Rays.of(origins, targets - origins, cameras.near, cameras.far)


def between(origins: Tensor, others: Tensor, shift: Tensor, aabb: Aabb) -> Tensor:
    """Points `shift` of the way from `origins` to `others`, at the distance from the box center
    of the former; opposite cameras are left alone."""
    center = origins.new_tensor(aabb.center)
    start, goal = origins - center, others - center
    moved = start + shift[:, None] * (goal - start)
    radius = start.norm(dim=-1, keepdim=True)
    moved = torch.nn.functional.normalize(moved, dim=-1) * radius
    facing = (start * goal).sum(-1, keepdim=True) > 0
    return center + torch.where(facing, moved, start)
