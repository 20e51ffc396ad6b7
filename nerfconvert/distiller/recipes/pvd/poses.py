"""The random cameras of PVD: an epoch of poses on the upper hemisphere, one pose a step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ....renderer.cameras import Cameras, look_at
from ....volume import Aabb

BAND = 5  # degrees of elevation from which the poses of one band are drawn
SLACK = 0.01  # world units by which PVD-AL widens the range of radii


def elevation_bands() -> list[tuple[float, float]]:
    """(least, largest) elevation in degrees of the 312 poses of an epoch, mostly low ones."""
    bands = [(max(a - BAND, 0), a) for a in range(80) for _ in range((90 - a) // 15 + 1)]
    return [*bands, bands[-1]]


EPOCH = len(elevation_bands())  # poses, and so steps


@dataclass(frozen=True)
class PoseSource:
    """Draws epochs of poses that look at `center` from distances in `radii`, with the intrinsics
    of `cameras`."""

    cameras: Cameras
    center: tuple[float, float, float]
    radii: tuple[float, float]

    @staticmethod
    def fixed(cameras: Cameras, aabb: Aabb) -> PoseSource:
        """PVD: one radius. Theirs is 4, the distance of the cameras of NeRF-Synthetic; here it is
        the median distance of `cameras`."""
        radius = float(_distances(cameras, aabb.center).median())
        return PoseSource(cameras, aabb.center, (radius, radius))

    @staticmethod
    def ranged(cameras: Cameras, aabb: Aabb) -> PoseSource:
        """PVD-AL: uniform between the nearest and the farthest of `cameras`."""
        distances = _distances(cameras, aabb.center)
        radii = (float(distances.min()) - SLACK, float(distances.max()) + SLACK)
        return PoseSource(cameras, aabb.center, radii)

    def epoch(self, generator: torch.Generator) -> Tensor:
        """Poses [312, 4, 4] in the order of their elevations."""
        low, high = torch.tensor(elevation_bands()).unbind(1)
        draw = torch.rand(3, len(low), generator=generator)
        elevation = torch.deg2rad(low + (high - low) * draw[0])
        azimuth = (2 * draw[1] - 1) * math.pi
        radius = self.radii[0] + (self.radii[1] - self.radii[0]) * draw[2]
        flat = elevation.cos()
        direction = torch.stack([flat * azimuth.cos(), flat * azimuth.sin(), elevation.sin()], -1)
        center = torch.tensor(self.center)
        return look_at(center + radius[:, None] * direction, center)

    def camera(self, pose: Tensor) -> Cameras:
        """The one camera at `pose` [4, 4], with the lens of the first."""
        return replace(self.cameras[:1], poses=pose[None])


def _distances(cameras: Cameras, center: tuple[float, float, float]) -> Tensor:
    return (cameras.poses[:, :3, 3] - torch.tensor(center)).norm(dim=-1)
