"""Crop: rays that see a box of the world only, fields that hold nothing outside of one."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..errors import NerfConvertError
from ..volume import Aabb, RadianceField, Rays


def cropped(rays: Rays, box: Aabb | None) -> Rays:
    """World `rays` that begin and end within `box`; those that miss it see nothing. All of them
    where there is none."""
    if box is None:
        return rays
    near, far = box.intersect(rays.origins, rays.directions)
    near = torch.maximum(rays.near, near)
    return replace(rays, near=near, far=torch.minimum(rays.far, far).maximum(near))


def crop_occupancy(field: RadianceField, box: Aabb) -> None:
    """Empties every cell of `field` whose middle is outside of `box`, a box of the world.

    Raises NerfConvertError where no occupied cell is left, ValueError for a forward-facing field
    whose frustum is not known: it has no place in the world.
    """
    cells = field.occupancy.dense()
    middles = (torch.arange(len(cells), device=cells.device) + 0.5) / len(cells)
    plane = torch.cartesian_prod(middles, middles)
    for x, layer in zip(middles, cells, strict=True):
        unit = torch.cat([x.expand(len(plane), 1), plane], 1)
        layer &= box.contains(field.info.from_unit(unit)).view(layer.shape)
    if not cells.any():
        raise NerfConvertError(f"nothing of the field is in the box {box.low} to {box.high}")
    field.occupancy.assign(cells)
