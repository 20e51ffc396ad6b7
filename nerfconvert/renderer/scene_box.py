"""Where a photographed scene lies and what is behind it, from its cameras, file and images."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from ..volume import Aabb
from .cameras import Cameras, nearest_to_axes
from .frames import NGP_SCALE
from .scene import Scene

FARTHEST = 2.0  # half edge of a captured scene at most, in distances of the farthest camera
MARGIN = 1.03  # around what the frames show of an object
WHITE = 0.98  # level from which a corner of a picture counts as white
MOST = 0.9  # of the corners


@dataclass(frozen=True)
class Found:
    """A value that was taken from the data, and a phrase that says from what."""

    value: Aabb | str
    origin: str


def find_background(images: Tensor) -> Found:
    """ "white" or "black" for images [V, H, W, 3 or 4]: what figures are measured on.

    With alpha white, as NeRF-Synthetic does. An opaque picture has the background in its corners:
    white there is a white one, anything else is the scene itself, with nothing behind it.
    """
    if images.shape[-1] == 4:
        return Found("white", "images with alpha")
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]  # [V, 4, 3]
    if float((corners.amin(-1) > WHITE).float().mean()) >= MOST:
        return Found("white", "opaque images with white corners")
    return Found("black", "opaque images")


def find_box(scene: Scene, background: Found) -> Found:
    """The cube of the scene, world units.

    Of an object on a ground: what the frames show around the point that the cameras look at. Of a
    captured scene: the box of `aabb_scale`, as instant-ngp places it, else a box about that point
    which reaches to the farthest camera. Raises ValueError where the cameras look at no common
    place, or `aabb_scale` is not positive.
    """
    cameras, scale = scene.cameras, scene.aabb_scale
    if scale is not None and not scale > 0:
        raise ValueError(f"aabb_scale must be positive, got {scale:g}")
    if scale is not None:
        named = 0.5 * scale / NGP_SCALE
        farthest = FARTHEST * float(cameras.poses[:, :3, 3].norm(dim=-1).max())
        if named <= farthest:
            return Found(_cube((0.0, 0.0, 0.0), named), f"aabb_scale {scale:g}")
        return Found(
            _cube((0.0, 0.0, 0.0), farthest),
            f"aabb_scale {scale:g}, cut to {FARTHEST:g} times the distance of the farthest camera",
        )
    center = focus(cameras)
    distances = (cameras.poses[:, :3, 3] - center).norm(dim=-1)
    if background.value == "white":
        half = max(cameras.width, cameras.height) / 2 / cameras.focal
        edge = MARGIN * float((half * distances).max())
        return Found(_cube(center.tolist(), edge), "what the cameras show of an object")
    return Found(_cube(center.tolist(), float(distances.max())), "the farthest camera")


def focus(cameras: Cameras) -> Tensor:
    """The point [3] nearest to all optical axes, in the sense of least squares. Raises ValueError
    where it is not in front of most cameras, or the axes are parallel."""
    point, spread = nearest_to_axes(cameras.poses)
    if spread > 1e-4 * len(cameras):
        in_front = ((point - cameras.poses[:, :3, 3]) * -cameras.poses[:, :3, 2]).sum(-1) > 0
        if float(in_front.float().mean()) > 0.5:
            return point
    raise ValueError("the cameras look at no common place")


def inside(cameras: Cameras, box: Aabb) -> int:
    """How many cameras stand in `box`."""
    return int(box.contains(cameras.poses[:, :3, 3]).sum())


def _cube(center: tuple[float, ...], half: float) -> Aabb:
    if not (math.isfinite(half) and half > 0):
        raise ValueError("the cameras stand in one point")
    return Aabb(tuple(c - half for c in center), tuple(c + half for c in center))
