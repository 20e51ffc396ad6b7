"""Cameras drawn from a field alone: about its occupied box, or beside a forward-facing one's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..volume import Frustum, RadianceField
from .cameras import Cameras, around, framing_radius, look_at

SHIFT = 0.25, 0.125  # near planes, across and up: about as far as LLFF's captures go
TARGET = 3.5  # near planes in front of the reference camera: where drawn cameras look, about
UP = (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Band:
    """Where cameras may stand: teaching and measuring have bands that do not touch."""

    distances: tuple[float, float]  # from the occupied box's middle, in its framing radii
    shifts: tuple[float, float]  # from the reference camera, in parts of SHIFT

    def told(self, field: RadianceField) -> str:
        """A phrase for receipts."""
        if field.info.frustum is None:
            low, high = self.distances
            return f"around the occupied box at {low} to {high} framing radii"
        low, high = self.shifts
        return f"beside the reference camera, {low} to {high} of LLFF's shifts away"


def drawn_cameras(
    field: RadianceField,
    band: Band,
    views: int,
    size: tuple[int, int],
    generator: torch.Generator,
) -> Cameras:
    """`views` random cameras of `size` (width, height) that see what `field` shows."""
    if field.info.frustum is not None:
        return _beside(field.info.frustum, band.shifts, views, size, generator)
    box = field.occupied_box()
    radii = tuple(distance * framing_radius(box) for distance in band.distances)
    return around(box.center, radii, views, generator, size=size)


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
