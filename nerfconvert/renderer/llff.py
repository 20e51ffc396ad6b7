"""LLFF: `poses_bounds.npy` and its folder of images, as a document like that of transforms.json.

A row holds a 3x5 matrix, of which the columns are a camera's axes (down, right, backwards), its
place, and (height, width, focal) in pixels, and then the nearest and the farthest depth that it
sees (Mildenhall et al. 2019). As in NeRF, the mean pose becomes the world's origin, and lengths are
scaled so that the nearest depth is at 4/3: in front of a near plane at 1. Imports no torch.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..errors import FormatError

POSES = "poses_bounds.npy"
FOLDERS = ("images_8", "images_4", "images_2", "images")  # the smallest images that are there
IMAGES = {".png", ".jpg", ".jpeg", ".webp"}
NEAREST = 4 / 3  # world units from the cameras' plane, of the nearest thing
MOST = 100_000  # cameras
SIZE_LIMIT = 64 << 20  # bytes


def llff_document(file: Path) -> dict[str, Any]:
    """The frames of `file`, a poses_bounds.npy, and their angle of view, as transforms.json has
    them. Raises FormatError."""
    import numpy as np

    try:
        if file.stat().st_size > SIZE_LIMIT:
            raise ValueError(f"it has {file.stat().st_size} bytes; at most {SIZE_LIMIT} expected")
        table = np.lib.format.open_memmap(file, mode="r")  # no memory for a shape that lies
    except (OSError, ValueError, EOFError) as problem:
        raise FormatError(file, f"not a file of camera poses: {problem}") from None
    if table.ndim != 2 or table.shape[1] != 17:
        raise FormatError(file, f"found an array {list(table.shape)}; expected [cameras, 17]")
    if not 1 <= len(table) <= MOST or table.dtype.kind != "f" or not np.isfinite(table).all():
        raise FormatError(file, f"expected finite numbers of 1 to {MOST} cameras")
    height, width, focal = table[0, :15].reshape(3, 5)[:, 4].tolist()
    nearest = float(table[:, 15:].min())
    if min(height, width, focal, nearest) <= 0 or np.ptp(table[:, 4:15:5], axis=0).any():
        raise FormatError(file, "expected cameras of one positive size, and positive depths")
    poses = centered(_opengl(table), NEAREST / nearest)
    images = _images(file, len(table))
    document = {"camera_angle_x": 2 * math.atan(width / (2 * focal))}
    if not images:
        document |= {"w": round(width), "h": round(height)}
    names = images or [f"image_{index:03d}" for index in range(len(table))]
    document["frames"] = [
        {"file_path": name, "transform_matrix": pose.tolist()} for name, pose in zip(names, poses)
    ]
    return document


def centered(poses, scale: float):
    """Camera-to-world poses [V, 3, 4] seen from their mean pose, places times `scale`.

    The mean has the mean place and looks along the mean direction, its x axis level with the mean
    up. Raises ValueError where that is none.
    """
    import numpy as np

    back = _unit(poses[:, :, 2].sum(0))
    right = _unit(np.cross(poses[:, :, 1].sum(0), back))
    axes = np.stack([right, np.cross(back, right), back], 1)
    turned = axes.T @ poses
    turned[:, :, 3] -= axes.T @ poses[:, :, 3].mean(0)
    turned[:, :, 3] *= scale
    return turned


def _unit(vector):
    return vector / max(float((vector**2).sum()) ** 0.5, 1e-12)


def _opengl(table):
    """[V, 3, 4] camera-to-world poses with axes (right, up, backwards)."""
    import numpy as np

    stored = table[:, :15].reshape(-1, 3, 5).astype(np.float64)
    return np.concatenate([stored[..., 1:2], -stored[..., :1], stored[..., 2:4]], -1)


def _images(file: Path, count: int) -> list[str]:
    """Paths of the images, from the folder of `file`; [] where there are none. Raises FormatError
    where they are not as many as the cameras."""
    for folder in FOLDERS:
        found = sorted(p for p in file.parent.glob(f"{folder}/*") if p.suffix.lower() in IMAGES)
        if found and len(found) != count:
            raise FormatError(file, f"has {count} cameras, but {folder} has {len(found)} images")
        if found:
            return [f"{folder}/{path.name}" for path in found]
    return []
