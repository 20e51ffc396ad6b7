"""Capture: the cameras that a file names, each with its lens and where its picture lies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...errors import FormatError

LONGEST = 32766  # pixels of a side, the most that OpenCV resamples
PERSPECTIVE = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")  # in OpenCV's order
FISHEYE = ("k1", "k2", "k3", "k4")
CAMERA_TURN = np.diag([1.0, -1.0, -1.0, 1.0])  # from OpenCV's camera axes to OpenGL's, and back


@dataclass(frozen=True)
class Lens:
    """Intrinsics in pixels of the stored image; cx, cy from the image's corner. `distortion` has
    OpenCV's coefficients, of its `fisheye` model where that is set."""

    width: int
    height: int
    fl_x: float
    fl_y: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    fisheye: bool = False

    def __post_init__(self):
        numbers = (self.width, self.height, self.fl_x, self.fl_y, self.cx, self.cy)
        if not all(map(math.isfinite, (*numbers, *self.distortion))):
            raise ValueError("a lens holds NaN or infinity")
        if not (1 <= self.width <= LONGEST and 1 <= self.height <= LONGEST):
            size = f"{self.width:g}x{self.height:g}"
            raise ValueError(
                f"images must be at least 1x1 and at most {LONGEST} a side, got {size}"
            )
        if not (self.fl_x > 0 and self.fl_y > 0):
            raise ValueError(f"focal lengths must be positive, got {self.fl_x} and {self.fl_y}")
        if not (0 < self.cx < self.width and 0 < self.cy < self.height):
            raise ValueError(f"the optical axis at {self.cx:g}, {self.cy:g} misses the image")

    @staticmethod
    def of(size: tuple[int, int], values: Mapping[str, float], fisheye: bool = False) -> Lens:
        """The lens of images of `size` (width, height) with `values` by name: fl_x, and what is
        stated of fl_y, cx, cy, k1... (by default fl_x, the middle, 0). Raises ValueError."""
        names = FISHEYE if fisheye else PERSPECTIVE
        twist = tuple(values.get(name, 0.0) for name in names)
        return Lens(
            *size,
            values["fl_x"],
            values.get("fl_y", values["fl_x"]),
            values.get("cx", size[0] / 2),
            values.get("cy", size[1] / 2),
            twist if fisheye or any(twist) else (),
            fisheye,
        )

    @property
    def centered(self) -> bool:
        """Whether it is a plain pinhole: square pixels, axis in the middle, no distortion."""
        middle = (self.cx, self.cy) == (self.width / 2, self.height / 2)
        return middle and self.fl_x == self.fl_y and not (self.fisheye or any(self.distortion))


@dataclass(frozen=True)
class View:
    """A camera: `pose` [4, 4] float64 camera-to-world with OpenGL axes, its lens, the `name` of its
    frame as the file has it, and where its picture should lie (None: the file names none)."""

    name: str
    pose: np.ndarray
    lens: Lens
    image: Path | None = None

    def image_file(self, file: Path) -> Path:
        """Where its picture is. Raises FormatError, which names `file`, where there is none."""
        if self.image is None:
            raise FormatError(file, "has cameras but names no images")
        if not self.image.is_file():
            raise FormatError(self.image, "image is missing")
        return self.image


@dataclass(frozen=True)
class Capture:
    """The views in `file`. `split` tells that they are those of the split that was asked for;
    `aabb_scale` is what instant-ngp's files say of the box, `frame` in whose coordinates the poses
    are, a name of FRAMES, and `applied` [4, 4] how nerfstudio moved its capture before that."""

    file: Path
    views: tuple[View, ...]
    split: bool = False
    aabb_scale: float | None = None
    frame: str = "world"
    applied: np.ndarray = field(default_factory=lambda: np.eye(4))

    def with_views(self, views: Iterable[View]) -> Capture:
        return replace(self, views=tuple(views))


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture, in pixels as they are stored. Raises FormatError."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise FormatError(path, "image cannot be decoded (PNG, JPEG or WebP expected)")
    return image.shape[1], image.shape[0]


def pose_of(file: Path, name: str, matrix: Any) -> np.ndarray:
    """[4, 4] float64 of the 3x4 or 4x4 `matrix` that the frame `name` has. Raises FormatError."""
    try:
        pose = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(file, f"pose of {name}: {error}") from error
    if pose.shape not in ((4, 4), (3, 4)):
        raise FormatError(file, f"pose of {name} must be 4x4, got {list(pose.shape)}")
    if not np.isfinite(pose).all():
        raise FormatError(file, f"pose of {name} holds NaN or infinity")
    if not 1e-8 < abs(np.linalg.det(pose[:3, :3])) < 1e8:
        raise FormatError(file, f"pose of {name} has no rotation (determinant 0 or beyond 1e8)")
    return np.concatenate([pose[:3], [[0.0, 0.0, 0.0, 1.0]]])


def rotation_of(w: float, x: float, y: float, z: float) -> np.ndarray:
    """[3, 3] of a quaternion of any length. Raises ValueError for one of length 0 or none."""
    length = math.sqrt(w * w + x * x + y * y + z * z)
    if not 1e-12 < length < 1e12:
        raise ValueError(f"a rotation's quaternion has the length {length}")
    w, x, y, z = w / length, x / length, y / length, z / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
