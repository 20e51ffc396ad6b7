"""Visual hull: the cells of a box that no picture sees through (Laurentini 1994)."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from ..volume import Aabb
from .cameras import Cameras

NEAREST = 0.5  # of a camera's distance from the box's center: cells nearer to it are not judged


def visual_hull(
    shown: Tensor, cameras: Cameras, box: Aabb, resolution: int, agreed: float = 1.0
) -> Tensor:
    """[r, r, r] bool, indexed [x, y, z]: cells of `box` that may hold something by `shown`
    [V, H, W] bool, pixels of the pictures of `cameras` that show something.

    A view of a cell, its bounding sphere, is clear where all of it is. Of the views, the part
    `agreed` must not be, or the cell is empty. What lies outside of a frame, or near to its camera,
    is not judged by it. Tensors are on the CPU.
    """
    index = (torch.arange(resolution) + 0.5) / resolution
    grid = torch.stack(torch.meshgrid(index, index, index, indexing="ij"), -1).view(-1, 3)
    centers = box.from_unit(grid)
    radius = 0.5 * box.diagonal / resolution
    kept, most = torch.arange(len(centers)), int((1 - agreed) * len(cameras))
    clear = torch.zeros(len(centers), dtype=torch.int32)
    for view in range(len(cameras)):
        clear[kept] += ~_may_hold(shown[view], cameras[view], centers[kept], box, radius)
        kept = kept[clear[kept] <= most]
    hull = torch.zeros(len(centers), dtype=torch.bool)
    hull[kept] = True
    return hull.view((resolution,) * 3)


def _may_hold(shown: Tensor, camera: Cameras, centers: Tensor, box: Aabb, radius: float) -> Tensor:
    """[N] bool: spheres of `radius` about `centers` [N, 3] that one view, `shown` [H, W], does not
    show to be empty."""
    pose, focal = camera.poses[0], float(camera.focal)
    nearest = NEAREST * float((pose[:3, 3] - pose.new_tensor(box.center)).norm())
    local = (centers - pose[:3, 3]) @ pose[:3, :3]  # OpenGL axes: the view is along -z
    depth = -local[:, 2]
    scale = focal / depth.clamp_min(1e-6)
    columns = local[:, 0] * scale + camera.width * 0.5
    rows = camera.height * 0.5 - local[:, 1] * scale
    reach = math.ceil(focal * radius / max(nearest, radius)) + 1  # pixels, at its widest
    near = _widened(shown, reach)
    inside = (columns >= 0) & (columns < camera.width) & (rows >= 0) & (rows < camera.height)
    judged = inside & (depth > max(nearest, radius))
    row = rows.clamp(0, camera.height - 1).long()
    column = columns.clamp(0, camera.width - 1).long()
    return ~judged | near[row, column]


def _widened(mask: Tensor, reach: int) -> Tensor:
    """[H, W] bool: pixels with one of `mask` [H, W] within `reach` along rows and columns."""
    side = 2 * reach + 1
    return torch.from_numpy(cv2.dilate(mask.byte().numpy(), np.ones((side, side), np.uint8)) > 0)
