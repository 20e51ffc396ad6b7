"""Cameras drawn from a field alone: about what it occupies, or beside a forward-facing one's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..volume import Frustum, RadianceField
from .cameras import Cameras, around, look_at
from .framing import framing_distance, shown_ball

SHIFT = 0.25, 0.125  # near planes, across and up: about as far as LLFF's captures go
TARGET = 3.5  # near planes in front of the reference camera: where drawn cameras look, about
UP = (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Band:
    """Where cameras may stand: teaching and measuring have bands that do not touch."""

    shells: tuple[tuple[float, float], ...]  # in distances from which the field just fits the frame
    shifts: tuple[float, float]  # from the reference camera, in parts of SHIFT

    def told(self, field: RadianceField) -> str:
        """A phrase for receipts."""
        if field.info.frustum is None:
            shells = " and ".join(f"{low} to {high}" for low, high in self.shells)
            return f"around what is occupied at {shells} of the distance that frames it"
        low, high = self.shifts
        return f"beside the reference camera, {low} to {high} of LLFF's shifts away"


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
    ball, parts = shown_ball(field), len(band.shells)
    framed = framing_distance(ball.radius)
    shells = [
        around(ball.center, (near * framed, far * framed), count, generator, size=size)
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
