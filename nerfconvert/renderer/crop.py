"""Crop: rays that see a box of the world only."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..volume import Aabb, Rays


def cropped(rays: Rays, box: Aabb | None) -> Rays:
    """World `rays` that begin and end within `box`; those that miss it see nothing. All of them
    where there is none."""
    if box is None:
        return rays
    near, far = box.intersect(rays.origins, rays.directions)
    near = torch.maximum(rays.near, near)
    return replace(rays, near=near, far=torch.minimum(rays.far, far).maximum(near))
