"""Scene: cameras, and the photographs taken by them, from any file of `camera_files`.

Poses are camera-to-world with OpenGL axes, as everywhere in nerfconvert. Pictures of any lens are
resampled once to centered pinholes of one size.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import FormatError, UsageError
from .camera_files import read_capture
from .camera_files.camera_file import FRAMES, Asked
from .camera_files.capture import Capture, Lens
from .cameras import Cameras
from .frames import poses_in_field
from .lenses import pinhole_focal, resample

log = logging.getLogger(__name__)
OPAQUE = 0.995  # alpha above which 8 bits say 1


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


def read_scene(
    path: Path | str,
    *,
    split: str | None = None,
    views: int | None = None,
    resolution: tuple[int, int] | None = None,
    background: float | None = 1.0,
    images: bool = True,
    frames: int = FRAMES,
    frame: str | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Scene:
    """The scene in `path`: a file of the table CAMERA_FILES, or a folder with one.

    `split` (train, test, val) picks `transforms_<split>.json` of a folder; where a file has no
    splits every 8th frame is test, the others train. `views` keeps that many evenly spaced frames;
    `resolution` (width, height) shrinks the images by area averaging. `background` is the gray
    level under images with alpha; None keeps their alpha. `frames` is how many a path of keyframes
    is made of. `frame` is that of the file's poses, by default of its kind; the cameras are in the
    coordinates of a field with this `provenance`, else in the world. Raises FormatError for a file
    that is missing, damaged or inconsistent.
    """
    capture = read_capture(Path(path), Asked(split, resolution, frames))
    if views is not None and views < len(capture.views):
        chosen = np.linspace(0, len(capture.views) - 1, views).round().astype(int)
        capture = capture.with_views(capture.views[i] for i in chosen)
    cameras = _cameras(capture, poses_in_field(capture, frame, provenance))
    if resolution is not None:
        _check_aspect(capture.views[0].lens, resolution)
        cameras = cameras.resized(*resolution)
    names = tuple(view.name for view in capture.views)
    if not images:
        return Scene(cameras, None, names, capture.aabb_scale)
    stack = [_image(capture, cameras, i, background) for i in range(len(cameras))]
    return Scene(cameras, _stacked(stack), names, capture.aabb_scale)


def native_size(path: Path | str, split: str | None = None) -> tuple[int, int]:
    """(width, height) in pixels of the stored images of a scene, of the first where they differ."""
    lens = read_capture(Path(path), Asked(split)).views[0].lens
    return lens.width, lens.height


def fit_within(size: tuple[int, int], limit: int) -> tuple[int, int]:
    """`size` shrunk so that neither side exceeds `limit` pixels; never enlarged."""
    scale = min(1.0, limit / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _cameras(capture: Capture, poses: np.ndarray) -> Cameras:
    """Pinholes at `poses` of the size of the first view."""
    lenses = [view.lens for view in capture.views]
    size = lenses[0].width, lenses[0].height
    if cut := sum(lens.width * size[1] != lens.height * size[0] for lens in lenses):
        log.warning(
            "%s: %d of %d views have another shape than the first and are cut to %dx%d",
            capture.file, cut, len(lenses), *size,
        )  # fmt: skip
    try:
        known = {lens: pinhole_focal(lens, size) for lens in dict.fromkeys(lenses)}
    except ValueError as error:
        raise FormatError(capture.file, str(error)) from error
    focals = [known[lens] for lens in lenses]
    focal = focals[0] if len(set(focals)) == 1 else torch.tensor(focals)
    return Cameras(torch.from_numpy(poses).float(), *size, focal)


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


def _image(capture: Capture, cameras: Cameras, index: int, background: float | None) -> np.ndarray:
    """[H, W, 3] float32 on `background`: undistorted, shrunk premultiplied, blended in sRGB. None
    leaves it premultiplied with alpha, [H, W, 4], where the file has it."""
    view = capture.views[index]
    path, lens = view.image_file(capture.file), view.lens
    image = _load(path)
    if image.shape[:2] != (lens.height, lens.width):
        found = f"{image.shape[1]}x{image.shape[0]}"
        raise FormatError(path, f"image is {found}, expected {lens.width}x{lens.height}")
    if image.shape[-1] == 4:
        image[..., :3] *= image[..., 3:]
    focal = float(cameras[index : index + 1].focal)
    image = resample(image, lens, focal, (cameras.width, cameras.height))
    if image.shape[-1] == 4 and background is not None:
        image = image[..., :3] + (1 - image[..., 3:]) * np.float32(background)
    return np.ascontiguousarray(image, dtype=np.float32).clip(0, 1)
