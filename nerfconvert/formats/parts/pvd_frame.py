"""pvd_frame: from PVD's frame, whose axes x, y, z are the world's y, z, x, to the world."""

from __future__ import annotations

from torch import Tensor

from ...adapters.harmonics_turn import harmonics_turn
from ...volume import Aabb

TURN = (2, 0, 1)  # the frame's axes that are the world's x, y, z


def turned_box(box: Aabb, scale: float) -> Aabb:
    """The world box of a box of the frame, in which lengths are `scale` times as large."""
    low, high = ([corner[axis] / scale for axis in TURN] for corner in (box.low, box.high))
    return Aabb(tuple(low), tuple(high))


def turned_harmonics(weight: Tensor, bands: int) -> Tensor:
    """Coefficients [..., B^2] of the frame's harmonics as those of the world's."""
    return (weight.double() @ harmonics_turn(bands)).to(weight.dtype)
