"""Cameras drawn from a field alone: about what it occupies, or beside a forward-facing one's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..volume import Frustum, RadianceField
from .cameras import Cameras, around, focal_of, look_at, nearest_to_axes
from .framing import framed

SHIFT = 0.25, 0.125  # near planes, across and up: about as far as LLFF's captures go
TARGET = 3.5  # near planes in front of the reference camera: where drawn cameras look, about
UP = (0.0, 1.0, 0.0)
WIDE = 60.0  # degrees, horizontal: angle of view of cameras within a scene
LOW = 0.1  # sine of the least elevation of cameras drawn within a scene: they stand above ground
NEIGHBORS = 4  # of a viewpoint, one of which it is mixed with


@dataclass(frozen=True)
class Band:
    """Where cameras may stand: teaching and measuring have bands that do not touch."""

    shells: tuple[tuple[float, float], ...]  # in distances from which the field just fits the frame
    shifts: tuple[float, float]  # from the reference camera, in parts of SHIFT
    between: float  # of the way from one viewpoint of the capture to its neighbor

    def told(self, field: RadianceField) -> str:
        """A phrase for receipts."""
        if field.info.frustum is not None:
            low, high = self.shifts
            return f"beside the reference camera, {low} to {high} of LLFF's shifts away"
        if field.info.viewpoints:
            return f"{self.between:g} of the way between viewpoints of the capture"
        shells = " and ".join(f"{low} to {high}" for low, high in self.shells)
        if field.aabb.contraction:
            return f"about the middle at {shells} of the radius that is not contracted"
        return f"around what is occupied at {shells} of the distance that frames it"


def drawn_cameras(
    field: RadianceField,
    band: Band,
    views: int,
    size: tuple[int, int],
    generator: torch.Generator,
) -> Cameras:
    """`views` random cameras of `size` (width, height) that see what `field` shows, as many in each
    shell."""
    if field.info.frustum is not None:
        return _beside(field.info.frustum, band.shifts, views, size, generator)
    if field.info.viewpoints:
        return _among(field.info.viewpoints, band.between, views, size, generator)
    (center, distance), parts = framed(field), len(band.shells)
    look = {"field_of_view": WIDE, "lowest": LOW} if field.aabb.contraction else {}
    shells = [
        around(center, (near * distance, far * distance), count, generator, size=size, **look)
        for k, (near, far) in enumerate(band.shells)
        if (count := (views + k) // parts)
    ]
    return replace(shells[0], poses=torch.cat([shell.poses for shell in shells]))


def native_frame(field: RadianceField, limit: int) -> tuple[int, int]:
    """(width, height) of a picture with a longer side of `limit` pixels: square, or with the sides
    of a forward-facing capture."""
    frustum = field.info.frustum
    if frustum is None:
        return limit, limit
    scale = limit / max(frustum.width, frustum.height)
    return max(1, round(frustum.width * scale)), max(1, round(frustum.height * scale))


def spiral(frustum: Frustum, views: int, size: tuple[int, int]) -> Cameras:
    """`views` cameras on an ellipse beside the reference camera, for a video; it closes."""
    turn = torch.arange(views) * (2 * math.pi / views)
    shifts = torch.stack([turn.cos(), turn.sin(), 0.5 * turn.sin()], -1)
    return _looking(frustum, 0.6 * shifts, size)


def tour(viewpoints: Tensor, views: int, size: tuple[int, int]) -> Cameras:
    """`views` cameras on a circle at the mean distance and height of `viewpoints` [V, 12], for a
    video; they look where those look."""
    poses = viewpoints.view(-1, 3, 4)
    eyes, middle = poses[..., 3], nearest_to_axes(poses)[0]
    flat = float((eyes[:, :2] - middle[:2]).norm(dim=1).median())
    turn = torch.arange(views) * (2 * math.pi / views)
    height = torch.full((views,), float(eyes[:, 2].median() - middle[2]))
    ring = middle + torch.stack([flat * turn.cos(), flat * turn.sin(), height], -1)
    return Cameras(look_at(ring, middle), *size, focal_of(size[0], WIDE))


def _among(
    viewpoints: tuple[tuple[float, ...], ...],
    between: float,
    views: int,
    size: tuple[int, int],
    generator: torch.Generator,
) -> Cameras:
    """Random viewpoints, moved and turned `between` of the way to a near one."""
    poses = torch.tensor(viewpoints).view(-1, 3, 4)
    chosen = torch.randint(len(poses), (views,), generator=generator)
    rank = torch.randint(1, NEIGHBORS + 1, (views,), generator=generator)
    eyes = poses[..., 3]
    distances = (eyes[chosen][:, None] - eyes).norm(dim=-1)
    near = distances.argsort(1).gather(1, rank.clamp(max=len(poses) - 1)[:, None])[:, 0]
    mixed = torch.lerp(poses[chosen], poses[near], between)
    back, up = mixed[..., 2], mixed[..., 1]
    right = normalize(torch.linalg.cross(up, back), dim=1)
    back = normalize(back, dim=1)
    axes = torch.stack([right, torch.linalg.cross(back, right), back, mixed[..., 3]], -1)
    whole = torch.cat([axes, torch.tensor([0.0, 0, 0, 1]).expand(views, 1, 4)], 1)
    return Cameras(whole, *size, focal_of(size[0], WIDE))


def _beside(
    frustum: Frustum,
    shifts: tuple[float, float],
    views: int,
    size: tuple[int, int],
    generator: torch.Generator,
) -> Cameras:
    """Cameras spread evenly over an elliptic ring, a little in front of it or behind."""
    draw = torch.rand(views, 3, generator=generator)
    turn = draw[:, 0] * (2 * math.pi)
    inner, outer = shifts
    radius = (inner**2 + draw[:, 1] * (outer**2 - inner**2)).sqrt()
    flat = torch.stack([turn.cos(), turn.sin()], -1) * radius[:, None]
    return _looking(frustum, torch.cat([flat, 2 * draw[:, 2:] - 1], -1), size)


def _looking(frustum: Frustum, shifts: Tensor, size: tuple[int, int]) -> Cameras:
    """Cameras at `shifts` [V, 3], in parts of SHIFT, with the frustum's angle of view."""
    reach = frustum.near_plane * shifts.new_tensor([*SHIFT, SHIFT[1]])
    target = torch.tensor([0.0, 0.0, -TARGET * frustum.near_plane])
    return Cameras(
        look_at(shifts * reach, target, UP), *size, frustum.focal * size[0] / frustum.width
    )
