"""ndc_rays: world rays to the normalised device coordinates of forward-facing NeRFs."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from nerfconvert.volume import Rays


def ndc_rays(rays: Rays, *, width: int, height: int, focal: float, near_plane: float = 1.0) -> Rays:
    """The rays [R] in the space where a field with ``frame == "ndc"`` lives.

    The frustum in front of a camera at the origin that looks along -z, from `near_plane`
    (world units) to infinity, becomes the cube [-1, 1]^3 (NeRF, Mildenhall et al. 2020,
    appendix C). `width`, `height`, `focal` (pixels) are those of that camera. A ray begins on
    the near plane and ends at infinity: `near` is 0 and `far` its length in the cube.
    `view_directions` stay those of the world. All rays must look towards -z.
    """
    if bool((rays.directions[:, 2] >= 0).any()):
        raise ValueError("directions must point towards -z, got some that do not")
    if not (focal > 0 and near_plane > 0):
        raise ValueError(f"focal and near_plane must be positive, got {focal} and {near_plane}")
    to_plane = -(near_plane + rays.origins[:, 2:]) / rays.directions[:, 2:]
    start = rays.origins + to_plane * rays.directions
    scale = start.new_tensor([2 * focal / width, 2 * focal / height])
    # a point (x, y, z) of the world is at (-scale * x / z, -scale * y / z, 1 + 2 near / z)
    origins = torch.cat([scale * start[:, :2] / near_plane, -torch.ones_like(to_plane)], 1)
    at_infinity = torch.cat(
        [-scale * rays.directions[:, :2] / rays.directions[:, 2:], torch.ones_like(to_plane)], 1
    )
    span = at_infinity - origins
    far = span.norm(dim=1)
    return Rays(origins, normalize(span, dim=1), torch.zeros_like(far), far, rays.view_directions)
