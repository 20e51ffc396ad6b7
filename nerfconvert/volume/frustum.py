"""Frustum: the reference camera of a forward-facing field, and rays in the cube that it spans."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .on_device import constant
from .rays import Rays


@dataclass(frozen=True, kw_only=True)
class Frustum:
    """What a camera at the world's origin that looks along -z sees, from a near plane to infinity.

    Normalised device coordinates map it to the cube [-1, 1]^3: (x, y, z) lies at (-a x / z,
    -b y / z, 1 + 2 near_plane / z), a = 2 focal / width, b = 2 focal / height (NeRF, Mildenhall et
    al. 2020, appendix C). Straight lines stay straight. Raises ValueError for sizes that are not
    positive and finite.
    """

    width: float  # pixels, as `height` and `focal`; only their ratios count
    height: float
    focal: float
    near_plane: float = 1.0  # world units

    def __post_init__(self):
        for name in ("width", "height", "focal", "near_plane"):
            value = float(getattr(self, name))
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} of a frustum must be positive, got {value}")
            object.__setattr__(self, name, value)

    def to_ndc(self, positions: Tensor) -> Tensor:
        """World [..., 3], z < 0, to the cube."""
        x_and_y, z = positions[..., :2], positions[..., 2:]
        return torch.cat([-self._slopes(z) * x_and_y / z, 1 + 2 * self.near_plane / z], -1)

    def to_world(self, ndc: Tensor) -> Tensor:
        """The inverse of `to_ndc`, for z below 1."""
        z = 2 * self.near_plane / (ndc[..., 2:] - 1)
        return torch.cat([-ndc[..., :2] * z / self._slopes(z), z], -1)

    def rays(self, rays: Rays) -> Rays:
        """World rays [R] in the cube: straight, from the near plane to infinity.

        The cube's lengths are no world lengths: `near` and `far` are where a ray's own are, from
        its point on the near plane. `view_directions` stay those of the world. A ray that does not
        look towards -z sees nothing: its `far` is 0.
        """
        ahead = -rays.directions[:, 2:]
        sees = ahead > 1e-6
        ahead = ahead.clamp_min(1e-6)
        to_plane = (self.near_plane + rays.origins[:, 2:]) / ahead
        start = rays.origins + to_plane * rays.directions
        slopes = self._slopes(start)
        origins = torch.cat([slopes * start[:, :2] / self.near_plane, -torch.ones_like(ahead)], 1)
        vanishing = torch.cat([slopes * rays.directions[:, :2] / ahead, torch.ones_like(ahead)], 1)
        length = (vanishing - origins).norm(dim=1)
        # of the length: a ray is at depth near_plane / (1 - part)
        near, far = (
            1 - self.near_plane / (self.near_plane + (t[:, None] - to_plane) * ahead)
            for t in (torch.maximum(t, to_plane[:, 0]) for t in (rays.near, rays.far))
        )
        far = torch.where(sees, far, 0)[:, 0] * length
        directions = normalize(vanishing - origins, dim=1)
        return Rays(origins, directions, near[:, 0] * length, far, rays.view_directions)

    def _slopes(self, like: Tensor) -> Tensor:
        """[2]: (a, b) as the class says."""
        return constant((2 * self.focal / self.width, 2 * self.focal / self.height), like)
