"""Where a field is looked at from: a ball about nearly all that it occupies fills the frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..volume import Field

SHOWN = 0.99  # of the occupied cells lie in the ball: a stray cell does not move cameras away


@dataclass(frozen=True)
class Ball:
    """Center and radius in world units."""

    center: tuple[float, float, float]
    radius: float


def shown_ball(field: Field) -> Ball:
    """A ball that holds `SHOWN` of what `field` occupies, to a brick of 4x4x4 cells; about the
    whole box where it occupies nothing."""
    dense = field.occupancy.dense()
    b = len(dense) // 4
    counts = dense.view(b, 4, b, 4, b, 4).sum((1, 3, 5)).double().cpu()
    if not counts.any():
        return Ball(field.aabb.center, 0.5 * field.aabb.diagonal)
    spans = [_central(counts.sum([other for other in range(3) if other != k])) for k in range(3)]
    middle = torch.tensor([0.5 * (low + high) for low, high in spans]) / b
    center = field.aabb.from_unit(middle)
    bricks = counts.nonzero()
    away = (field.aabb.from_unit((bricks + 0.5) / b) - center).norm(dim=1)
    order = away.argsort()
    held = counts[tuple(bricks[order].T)].cumsum(0)
    farthest = away[order[int((held < SHOWN * held[-1]).sum())]]
    return Ball(tuple(center.tolist()), float(farthest) + 0.5 * field.aabb.diagonal / b)


def framed(field: Field, field_of_view: float = 40.0) -> tuple[tuple[float, ...], float]:
    """The point to look at and the distance from it at which what `field` shows fills the frame;
    of an unbounded field, the middle and radius of what is not contracted."""
    if field.aabb.contraction:
        return field.info.middle, field.aabb.contraction.radius
    ball = shown_ball(field)
    return ball.center, framing_distance(ball.radius, field_of_view)


def framing_distance(radius: float, field_of_view: float = 40.0) -> float:
    """Distance from which a camera of that field of view, degrees, just sees a ball."""
    return radius / math.sin(math.radians(field_of_view) / 2)


def _central(counts: Tensor) -> tuple[int, int]:
    """First and last + 1 of the entries of [B] that hold the central `SHOWN` of its sum."""
    held = counts.cumsum(0)
    cut = 0.5 * (1 - SHOWN) * held[-1]
    return int((held <= cut).sum()), int((held < held[-1] - cut).sum()) + 1
