"""Cameras: pinhole views of one size, their rays, orbits, and views that look at a box."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..volume import Rays, sent

PIXEL_CENTER = 0.5  # from a pixel's index to the place that its ray passes


@dataclass(frozen=True)
class Cameras:
    """V pinhole cameras of one size; `focal` in pixels of both axes is theirs together, or [V] of
    each.

    `poses` are camera-to-world, OpenGL axes, [V, 4, 4] float32.
    """

    poses: Tensor  # [V, 4, 4]
    width: int
    height: int
    focal: float | Tensor  # pixels, both axes; a Tensor is [V] float32

    def __post_init__(self):
        if self.poses.ndim != 3 or self.poses.shape[1:] != (4, 4):
            raise ValueError(f"poses must be [V, 4, 4], got {list(self.poses.shape)}")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"resolution must be at least 1x1, got {self.width}x{self.height}")
        focal = torch.as_tensor(self.focal)
        if focal.shape not in ((), self.poses.shape[:1]):
            raise ValueError(f"focal must be one or [V], got {list(focal.shape)}")
        if not (torch.isfinite(focal).all() and (focal > 0).all()):
            raise ValueError(f"focal must be positive pixels, got {self.focal}")

    def __len__(self) -> int:
        return len(self.poses)

    @property
    def mean_focal(self) -> float:
        """Focal length in pixels, the mean where cameras have their own."""
        return float(torch.as_tensor(self.focal).mean())

    def __getitem__(self, index) -> Cameras:
        """The cameras at `index` (slice, list or integer tensor)."""
        poses = self.poses[index].view(-1, 4, 4)
        if isinstance(self.focal, Tensor):
            return replace(self, poses=poses, focal=self.focal[index].view(-1))
        return replace(self, poses=poses)

    def to(self, device: torch.device | str) -> Cameras:
        """The same cameras, their tensors on `device`."""
        focal = sent(self.focal, device) if isinstance(self.focal, Tensor) else self.focal
        return replace(self, poses=sent(self.poses, device), focal=focal)

    def resized(self, width: int, height: int) -> Cameras:
        """The same horizontal field of view at another size."""
        return replace(self, width=width, height=height, focal=self.focal * width / self.width)

    def rays_at(self, views: Tensor, columns: Tensor, rows: Tensor) -> Rays:
        """Rays [R] through pixel coordinates (`columns`, `rows`: [R] float, 0 = left/top edge)
        of the cameras `views` ([R] int64)."""
        poses = self.poses[views]
        focal = self.focal[views] if isinstance(self.focal, Tensor) else self.focal
        local = torch.stack(
            [
                (columns - self.width * 0.5) / focal,
                (self.height * 0.5 - rows) / focal,
                -torch.ones_like(columns),
            ],
            -1,
        )
        directions = (poses[:, :3, :3] @ local[..., None])[..., 0]
        return Rays.of(poses[:, :3, 3].contiguous(), directions)

    def view_rays(self, view: int, shift: float = 0.0) -> Rays:
        """All height * width rays of one camera, row after row, moved left and up by `shift` of the
        width."""
        device = self.poses.device
        row, column = torch.meshgrid(
            torch.arange(self.height, device=device, dtype=torch.float32),
            torch.arange(self.width, device=device, dtype=torch.float32),
            indexing="ij",
        )
        views = torch.full((row.numel(),), view, dtype=torch.int64, device=device)
        offset = PIXEL_CENTER - shift * self.width
        return self.rays_at(views, column.flatten() + offset, row.flatten() + offset)


def look_at(
    eyes: Tensor, target: Tensor, up: tuple[float, float, float] = (0.0, 0.0, 1.0)
) -> Tensor:
    """Camera-to-world poses [V, 4, 4] at `eyes` [V, 3], looking at `target` ([3] or [V, 3])."""
    back = torch.nn.functional.normalize(eyes - target, dim=-1)
    up_axis = back.new_tensor(up).expand_as(back)
    right = torch.linalg.cross(up_axis, back)
    degenerate = right.norm(dim=-1, keepdim=True) < 1e-4
    fallback = back.new_tensor((1.0, 0.0, 0.0)).expand_as(back)
    right = torch.nn.functional.normalize(torch.where(degenerate, fallback, right), dim=-1)
    true_up = torch.linalg.cross(back, right)
    poses = torch.eye(4, dtype=eyes.dtype, device=eyes.device).repeat(len(eyes), 1, 1)
    poses[:, :3, 0], poses[:, :3, 1], poses[:, :3, 2], poses[:, :3, 3] = right, true_up, back, eyes
    return poses


def on_circle(
    target: tuple[float, float, float],
    radius: float,
    views: int,
    *,
    elevation: float = 30.0,
    size: tuple[int, int] = (400, 400),
    field_of_view: float = 40.0,
) -> Cameras:
    """`views` cameras on a circle about the z axis; angles in degrees, size (width, height)."""
    turn = torch.arange(views) * (2 * math.pi / views)
    height = math.radians(elevation)
    ring = torch.stack([turn.cos() * math.cos(height), turn.sin() * math.cos(height)], -1)
    heights = torch.full((views, 1), math.sin(height))
    center = torch.tensor(target)
    eyes = center + radius * torch.cat([ring, heights], -1)
    return Cameras(look_at(eyes, center), *size, focal_of(size[0], field_of_view))


def around(
    target: tuple[float, float, float],
    radii: tuple[float, float],
    views: int,
    generator: torch.Generator,
    *,
    lowest: float = -0.2,
    size: tuple[int, int] = (400, 400),
    field_of_view: float = 40.0,
) -> Cameras:
    """`views` random cameras that look at `target` from a spherical shell.

    `radii`: nearest and farthest distance in world units; `lowest`: sine of the least elevation.
    """
    draw = torch.rand(views, 3, generator=generator)
    z = lowest + (1 - lowest) * draw[:, 0]
    turn = draw[:, 1] * (2 * math.pi)
    flat = (1 - z * z).clamp_min(0).sqrt()
    radius = radii[0] + (radii[1] - radii[0]) * draw[:, 2:]
    center = torch.tensor(target)
    eyes = center + radius * torch.stack([flat * turn.cos(), flat * turn.sin(), z], -1)
    return Cameras(look_at(eyes, center), *size, focal_of(size[0], field_of_view))


def focal_of(width: int, field_of_view: float) -> float:
    """Focal length in pixels of a horizontal `field_of_view` in degrees."""
    return 0.5 * width / math.tan(math.radians(field_of_view) / 2)


def nearest_to_axes(poses: Tensor) -> tuple[Tensor, float]:
    """The point [3] nearest to the optical axes of `poses` [V, 3 or 4, 4], by least squares, and
    how far these are from parallel: 0 to 2/3 of their number."""
    poses = poses.double()
    axes = torch.nn.functional.normalize(poses[:, :3, 2], dim=-1)
    across = torch.eye(3, dtype=poses.dtype) - axes[:, :, None] * axes[:, None, :]
    total, towards = across.sum(0), (across @ poses[:, :3, 3:]).sum(0)
    point = torch.linalg.lstsq(total, towards).solution[:, 0]
    return point.float(), float(torch.linalg.eigvalsh(total)[0])
