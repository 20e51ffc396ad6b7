"""llff: `poses_bounds.npy` and its folder of images.

A row holds a 3x5 matrix, of which the columns are a camera's axes (down, right, backwards), its
place, and (height, width, focal) in pixels, and then the nearest and the farthest depth that it
sees (Mildenhall et al. 2019). As in NeRF, the mean pose becomes the world's origin, and lengths are
scaled so that the nearest depth is at 4/3: in front of a near plane at 1.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from tokenize import TokenError

import numpy as np

from ...errors import FormatError
from .camera_file import Asked, CameraFile
from .capture import Capture, Lens, View, image_size, pose_of

POSES = "poses_bounds.npy"
FOLDERS = ("images_8", "images_4", "images_2", "images")  # the smallest images that are there
IMAGES = {".png", ".jpg", ".jpeg", ".webp"}
NEAREST = 4 / 3  # world units from the cameras' plane, of the nearest thing
MOST = 100_000  # cameras
LARGEST = 1e12  # number in a file, pixels or units of length; no finite one beyond makes sense
SIZE_LIMIT = 64 << 20  # bytes
# What numpy raises of a damaged file; it parses the header as it does source text.
UNREADABLE = (OSError, ValueError, EOFError, TypeError, OverflowError, SyntaxError, TokenError)


class Llff(CameraFile):
    title = "poses_bounds.npy of LLFF"

    def sniff(self, path: Path) -> bool:
        return path.name == POSES or (path / POSES).is_file()

    def read(self, path: Path, asked: Asked) -> Capture:
        file = path / POSES if path.is_dir() else path
        table = _table(file)
        height, width, focal = table[0, :15].reshape(3, 5)[:, 4].tolist()
        poses = centered(_opengl(table), NEAREST / float(table[:, 15:].min()))
        images = _images(file, len(table))
        size = image_size(images[0]) if images else (round(width), round(height))
        try:
            lens = Lens.of(size, {"fl_x": focal * size[0] / width})
        except ValueError as error:
            raise FormatError(file, str(error)) from error
        views = []
        for i, pose in enumerate(poses):
            image = images[i] if images else None
            name = f"{image.parent.name}/{image.name}" if image else f"image_{i:03d}"
            views.append(View(name, pose_of(file, name, pose), lens, image))
        return Capture(file, tuple(views))


def _table(file: Path) -> np.ndarray:
    """[V, 17] of V cameras of one size. Raises FormatError."""
    try:
        if file.stat().st_size > SIZE_LIMIT:
            raise ValueError(f"it has {file.stat().st_size} bytes; at most {SIZE_LIMIT} expected")
        table = _array(file.read_bytes())
    except UNREADABLE as problem:
        reason = " ".join(str(problem).split())[:200]
        raise FormatError(file, f"not a file of camera poses: {reason}") from None
    if table.ndim != 2 or table.shape[1] != 17:
        raise FormatError(file, f"found an array {list(table.shape)}; expected [cameras, 17]")
    if not 1 <= len(table) <= MOST or table.dtype.kind != "f" or not (abs(table) < LARGEST).all():
        raise FormatError(file, f"expected finite numbers of 1 to {MOST} cameras")
    sizes = table[:, 4:15:5]
    if min(sizes.min(), table[:, 15:].min()) <= 0 or np.ptp(sizes, axis=0).any():
        raise FormatError(file, "expected cameras of one positive size, and positive depths")
    return np.asarray(table, np.float64)


def _array(content: bytes) -> np.ndarray:
    """The array in an .npy file, as a view: it takes no memory for a shape that lies. Raises what
    is `UNREADABLE`."""
    stream = io.BytesIO(content)
    first = np.lib.format.read_magic(stream) == (1, 0)
    header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = header(stream)
    numbers = np.frombuffer(content, dtype, math.prod(shape), stream.tell())
    return numbers.reshape(shape, order="F" if by_columns else "C")


def centered(poses, scale: float):
    """Camera-to-world poses [V, 3, 4] seen from their mean pose, places times `scale`.

    The mean has the mean place and looks along the mean direction, its x axis level with the mean
    up.
    """
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
    stored = table[:, :15].reshape(-1, 3, 5).astype(np.float64)
    return np.concatenate([stored[..., 1:2], -stored[..., :1], stored[..., 2:4]], -1)


def _images(file: Path, count: int) -> list[Path]:
    """The images, from the folder of `file`; [] where there are none. Raises FormatError where
    they are not as many as the cameras."""
    for folder in FOLDERS:
        found = sorted(p for p in file.parent.glob(f"{folder}/*") if p.suffix.lower() in IMAGES)
        if found and len(found) != count:
            raise FormatError(file, f"has {count} cameras, but {folder} has {len(found)} images")
        if found:
            return found
    return []
