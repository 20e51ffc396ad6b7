"""Scene: cameras, and the photographs taken by them, from `transforms*.json` files.

The layout is that of NeRF-Synthetic (`camera_angle_x`, RGBA) and of nerfstudio and instant-ngp
(`fl_x`, `cx`, `k1`...). Poses are camera-to-world with OpenGL axes, as everywhere in nerfconvert. A
lens with distortion or an off-center axis is resampled once to a centered pinhole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import FormatError, UsageError
from .cameras import Cameras, focal_of
from .transforms import image_path, read_transforms, stated_path

OPAQUE = 0.995  # alpha above which 8 bits say 1
SIZE = (400, 400)  # of cameras whose file gives an angle of view but no size


@dataclass(frozen=True)
class Scene:
    """V cameras and their images: `images` [V, H, W, 3] sRGB in [0, 1] on the background, or None
    where only poses were requested. Read without a background, images of which some are not opaque
    are [V, H, W, 4], color multiplied by alpha. `names` are the frames' file paths as written,
    `aabb_scale` is what instant-ngp's files say of the box."""

    cameras: Cameras
    images: Tensor | None
    names: tuple[str, ...]
    aabb_scale: float | None = None


@dataclass(frozen=True)
class Lens:
    """Intrinsics of a file, in pixels of the stored images; cx, cy from the image's corner."""

    width: int
    height: int
    fl_x: float
    fl_y: float
    cx: float
    cy: float
    distortion: tuple[float, float, float, float]  # k1, k2, p1, p2 of OpenCV

    @property
    def centered(self) -> bool:
        """Whether it is a plain pinhole: square pixels, axis in the middle, no distortion."""
        middle = (self.cx, self.cy) == (self.width / 2, self.height / 2)
        return middle and self.fl_x == self.fl_y and not any(self.distortion)


def read_scene(
    path: Path | str,
    *,
    split: str | None = None,
    views: int | None = None,
    resolution: tuple[int, int] | None = None,
    background: float | None = 1.0,
    images: bool = True,
) -> Scene:
    """The scene in `path`: a folder with transforms*.json, or such a file.

    `split` (train, test, val) picks `transforms_<split>.json` of a folder; a single file is split:
    every 8th frame is test, the others train. `views` keeps that many evenly spaced frames;
    `resolution` (width, height) shrinks the images by area averaging. `background` is the gray
    level under images with alpha; None keeps their alpha. Raises FormatError for a file that is
    missing, damaged or inconsistent.
    """
    file, document, frames = read_transforms(Path(path), split)
    if views is not None and views < len(frames):
        frames = [frames[i] for i in np.linspace(0, len(frames) - 1, views).round().astype(int)]
    poses = torch.stack([_pose(file, frame) for frame in frames])
    lens = _lens(file, document, frames, resolution)
    pinhole, maps = _pinhole(lens)
    cameras = Cameras(poses, lens.width, lens.height, pinhole)
    names = tuple(str(frame["file_path"]) for frame in frames)
    if resolution is not None:
        _check_aspect(lens, resolution)
        cameras = cameras.resized(*resolution)
    scale = _number(file, document, "aabb_scale") if "aabb_scale" in document else None
    if not images:
        return Scene(cameras, None, names, scale)
    size = (cameras.width, cameras.height)
    stack = [_image(image_path(file, f), lens, maps, size, background) for f in frames]
    return Scene(cameras, _stacked(stack), names, scale)


def native_size(path: Path | str, split: str | None = None) -> tuple[int, int]:
    """(width, height) in pixels of the stored images of a scene."""
    lens = _lens(*read_transforms(Path(path), split), None)
    return lens.width, lens.height


def fit_within(size: tuple[int, int], limit: int) -> tuple[int, int]:
    """`size` shrunk so that neither side exceeds `limit` pixels; never enlarged."""
    scale = min(1.0, limit / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _pose(file: Path, frame: dict[str, Any]) -> Tensor:
    """[4, 4] float32 camera-to-world of one frame."""
    try:
        pose = torch.tensor(frame["transform_matrix"], dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise FormatError(file, f"pose of {frame['file_path']}: {error}") from error
    if pose.shape not in ((4, 4), (3, 4)):
        shape = list(pose.shape)
        raise FormatError(file, f"pose of {frame['file_path']} must be 4x4, got {shape}")
    if not torch.isfinite(pose).all():
        raise FormatError(file, f"pose of {frame['file_path']} holds NaN or infinity")
    if abs(float(torch.linalg.det(pose[:3, :3]))) < 1e-8:
        raise FormatError(file, f"pose of {frame['file_path']} has no rotation (determinant 0)")
    last = pose.new_tensor([[0.0, 0.0, 0.0, 1.0]])
    return torch.cat([pose[:3], last]).float()


def _lens(
    file: Path, document: dict[str, Any], frames: list[dict], resolution: tuple[int, int] | None
) -> Lens:
    for key in ("fl_x", "w", "h", "camera_angle_x"):
        if len({frame[key] for frame in frames if key in frame}) > 1:
            raise FormatError(file, f"frames differ in '{key}'; one camera per file is supported")
    values = {**document, **frames[0]}
    width, height = _size(file, values, frames[0], resolution)
    if "fl_x" in values:
        fl_x = _number(file, values, "fl_x")
    elif "camera_angle_x" in values:
        fl_x = focal_of(width, math.degrees(_number(file, values, "camera_angle_x")))
    else:
        raise FormatError(file, "expected 'fl_x' (pixels) or 'camera_angle_x' (radians)")
    fl_y = _number(file, values, "fl_y") if "fl_y" in values else fl_x
    if not (fl_x > 0 and fl_y > 0):
        raise FormatError(file, f"focal lengths must be positive, got {fl_x} and {fl_y}")
    cx = _number(file, values, "cx") if "cx" in values else width / 2
    cy = _number(file, values, "cy") if "cy" in values else height / 2
    twist = tuple(
        _number(file, values, k) if k in values else 0.0 for k in ("k1", "k2", "p1", "p2")
    )
    return Lens(width, height, fl_x, fl_y, cx, cy, twist)


def _number(file: Path, values: dict[str, Any], key: str) -> float:
    value = values[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FormatError(file, f"'{key}' must be a finite number, got {value!r}")
    return float(value)


def _size(
    file: Path, values: dict[str, Any], frame: dict, resolution: tuple[int, int] | None
) -> tuple[int, int]:
    """Stored size: that of the file, else of the first image, else `resolution`."""
    if "w" in values and "h" in values:
        width, height = (int(_number(file, values, key)) for key in ("w", "h"))
    elif (image := stated_path(file, frame)).is_file():
        height, width = _load(image).shape[:2]
    elif "fl_x" in values:
        raise FormatError(file, "has 'fl_x' in pixels but neither 'w' and 'h' nor images")
    else:
        width, height = resolution or SIZE
    if width < 1 or height < 1:
        raise FormatError(file, f"images must be at least 1x1, got {width}x{height}")
    return width, height


def _pinhole(lens: Lens) -> tuple[float, tuple[np.ndarray, np.ndarray] | None]:
    """Focal length (pixels) of the centered pinhole, and the remap from it to the stored image."""
    if lens.centered:
        return lens.fl_x, None
    size = (lens.width, lens.height)
    # OpenCV counts from the center of the first pixel, transforms.json from its corner.
    stored = np.array([[lens.fl_x, 0, lens.cx - 0.5], [0, lens.fl_y, lens.cy - 0.5], [0, 0, 1]])
    twist = np.array(lens.distortion)
    inner, _ = cv2.getOptimalNewCameraMatrix(
        stored, twist, size, 0, size, centerPrincipalPoint=True
    )
    focal = float(max(inner[0, 0], inner[1, 1]))
    ideal = np.array(
        [[focal, 0, lens.width / 2 - 0.5], [0, focal, lens.height / 2 - 0.5], [0, 0, 1]]
    )
    return focal, cv2.initUndistortRectifyMap(stored, twist, None, ideal, size, cv2.CV_32FC1)


def _check_aspect(lens: Lens, resolution: tuple[int, int]) -> None:
    width, height = resolution
    if abs(height - width * lens.height / lens.width) > 1:
        raise UsageError(
            f"resolution {width}x{height} would stretch the images ({lens.width}x{lens.height}); "
            f"{width}x{max(1, round(width * lens.height / lens.width))} would not"
        )


def _load(path: Path) -> np.ndarray:
    """[H, W, 3 or 4] float32 in [0, 1], RGB order."""
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if raw is None or not np.issubdtype(raw.dtype, np.integer):
        raise FormatError(path, "image cannot be decoded (PNG, JPEG or WebP expected)")
    if raw.ndim == 2:
        raw = np.repeat(raw[..., None], 3, -1)
    scale = np.float32(1 / np.iinfo(raw.dtype).max)
    order = [2, 1, 0, 3][: raw.shape[-1]]
    return raw[..., order].astype(np.float32) * scale


def _stacked(images: list[np.ndarray]) -> Tensor:
    """[V, H, W, 3], or with alpha (1 where an image has none) where some pixel is not opaque."""
    if all(i.shape[-1] == 3 or i[..., 3].min() > OPAQUE for i in images):
        return torch.from_numpy(np.stack([i[..., :3] for i in images]))
    opaque = np.ones((*images[0].shape[:2], 1), np.float32)
    whole = [i if i.shape[-1] == 4 else np.concatenate([i, opaque], -1) for i in images]
    return torch.from_numpy(np.stack(whole))


def _image(
    path: Path, lens: Lens, maps, size: tuple[int, int], background: float | None
) -> np.ndarray:
    """[H, W, 3] float32 on `background`: undistorted, shrunk premultiplied, blended in sRGB. None
    leaves it premultiplied with alpha, [H, W, 4], where the file has it."""
    image = _load(path)
    if image.shape[:2] != (lens.height, lens.width):
        found = f"{image.shape[1]}x{image.shape[0]}"
        raise FormatError(path, f"image is {found}, expected {lens.width}x{lens.height}")
    if image.shape[-1] == 4:
        image[..., :3] *= image[..., 3:]
    if maps is not None:
        image = cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if (image.shape[1], image.shape[0]) != size:
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if image.shape[-1] == 4 and background is not None:
        image = image[..., :3] + (1 - image[..., 3:]) * np.float32(background)
    return np.ascontiguousarray(image, dtype=np.float32).clip(0, 1)
