"""Shapes that a viewer draws over the pictures: edges of a box, occupied bricks."""

from __future__ import annotations

import numpy as np
import torch

from ..volume import Aabb, RadianceField

FARTHEST = 1e3  # radii of what is not contracted, or near planes: nothing is drawn beyond
MOST_POINTS = 20_000


def box_of(field: RadianceField) -> Aabb | None:
    """The box of a bounded field, the one that is not contracted of an unbounded field; None of a
    forward-facing one, which has none."""
    if field.info.frame != "world":
        return None
    space = field.aabb.contraction
    if space is None:
        return field.aabb
    low, high = (tuple(c + sign * space.radius for c in space.center) for sign in (-1, 1))
    return Aabb(low, high)


def edges(box: Aabb) -> np.ndarray:
    """The 12 edges of a box, [12, 2, 3] float32 world positions."""
    low, high = np.array(box.low, np.float32), np.array(box.high, np.float32)
    segments = []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        for corner in range(4):
            start = low.copy()
            for bit, other in enumerate(others):
                if corner >> bit & 1:
                    start[other] = high[other]
            end = start.copy()
            end[axis] = high[axis]
            segments.append((start, end))
    return np.array(segments)


def occupied_points(field: RadianceField) -> np.ndarray:
    """World positions [N, 3] float32 of the outermost occupied bricks of 4x4x4 cells, at most
    `MOST_POINTS` of them."""
    dense = field.occupancy.dense().cpu()
    b = len(dense) // 4
    bricks = dense.view(b, 4, b, 4, b, 4).amax(5).amax(3).amax(1)
    padded = torch.nn.functional.pad(bricks, (1,) * 6)
    inner = bricks.clone()
    for axis in range(3):
        for step in (-1, 1):
            inner &= padded.roll(step, axis)[1:-1, 1:-1, 1:-1]
    found = (bricks & ~inner).nonzero()
    found = found[:: -(-len(found) // MOST_POINTS) or 1]
    positions, frustum = field.info.from_unit((found + 0.5) / b), field.info.frustum
    scale = field.aabb.diagonal if frustum is None else frustum.near_plane
    middle = torch.tensor(field.info.middle)
    near = (positions - middle).norm(dim=1) < FARTHEST * scale
    return positions[near].float().numpy()
