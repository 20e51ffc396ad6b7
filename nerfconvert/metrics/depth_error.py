"""Depth error: how far what a field shows lies from where another field has it."""

from __future__ import annotations

import torch

from ..renderer.cameras import Cameras
from .evaluation import Pictures
from .image_metrics import COVERED


def depth_errors(cameras: Cameras, pictures: Pictures, reference: Pictures) -> list[float] | None:
    """One figure per view of `cameras`, in parts of the diagonal of the reference's box.

    The depth of a pixel is the mean distance of what its ray sees, ``sum(w_i t_i) / sum(w_i)`` over
    the rendering weights w_i at distances t_i; the error of a pixel is the distance between the two
    points of its ray at both depths (in contracted space, where the box is there), over the
    diagonal. A view's figure is the mean over the pixels that both fields cover (opacity over
    `COVERED`); NaN where there are none. None where the two fields have no distances in common:
    one of them lies in the cube of a frustum that the other has not.
    """
    info = reference.info
    if (info.frame, info.frustum) != (pictures.info.frame, pictures.info.frustum):
        return None
    found = []
    for view in range(len(cameras)):
        rays = info.local_rays(cameras.view_rays(view, info.pixel_shift))
        both = (reference.opacity[view] > COVERED) & (pictures.opacity[view] > COVERED)
        pixels = both.flatten().nonzero()[:, 0]
        here, there = (
            info.aabb.contracted(rays.points(pixels, p.depth[view].flatten()[pixels]))
            for p in (pictures, reference)
        )
        away = torch.linalg.vector_norm((here - there).double(), dim=1)
        found.append(float(away.mean()) / info.aabb.diagonal)
    return found
