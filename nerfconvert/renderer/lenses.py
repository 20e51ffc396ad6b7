"""Lenses: a picture taken by any of OpenCV's, resampled once to a centered pinhole."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .camera_files.capture import Lens

EDGE_POINTS = 33  # along each edge of an image
WIDEST = math.radians(120)  # angle of view of the longer side, at most
ANGLES = 4097  # from the axis to 90 degrees
STEPS = 100  # of tracing a pixel back through a lens
EXACT = 0.5  # pixels by which a lens may miss a point that was traced back through it
FOLDED = "its distortion cannot be undone at the edge of the image"


def pinhole_focal(lens: Lens, size: tuple[int, int]) -> float:
    """Focal length, in pixels of `size` (width, height), of the pinhole with the same axis and a
    centered picture of that size: the widest that the stored picture fills, up to 120 degrees.

    Raises ValueError for a lens that cannot be traced back at the edge of its picture.
    """
    width, height = size
    if lens.centered:
        return lens.fl_x * max(width / lens.width, height / lens.height)
    reach = np.abs(_edge_directions(lens))
    half = np.array([width / 2, height / 2])
    with np.errstate(divide="ignore"):
        fills = float((half / reach).min(-1).max())
    return max(fills, float(max(half)) / math.tan(WIDEST / 2))


def resample(image: np.ndarray, lens: Lens, focal: float, size: tuple[int, int]) -> np.ndarray:
    """`image` [h, w, 3 or 4] of `lens` as the centered pinhole of `focal` sees it: [H, W, 3 or 4]
    of `size` (width, height) pixels. What shrinks is averaged."""
    if not (lens.centered and _same_shape(lens, size)):
        finer = max(1.0, max(lens.fl_x, lens.fl_y) / focal)
        image = _remapped(image, lens, focal, size, finer)
    if (image.shape[1], image.shape[0]) != size:
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image


def _same_shape(lens: Lens, size: tuple[int, int]) -> bool:
    return abs(size[1] - size[0] * lens.height / lens.width) <= 1


def _remapped(
    image: np.ndarray, lens: Lens, focal: float, size: tuple[int, int], finer: float
) -> np.ndarray:
    wide, high = (max(1, round(side * finer)) for side in size)
    scale = wide / size[0]
    ideal = np.array(
        [[focal * scale, 0, wide / 2 - 0.5], [0, focal * scale, high / 2 - 0.5], [0, 0, 1]]
    )
    module = cv2.fisheye if lens.fisheye else cv2
    maps = module.initUndistortRectifyMap(
        _matrix(lens), _twist(lens), np.eye(3), ideal, (wide, high), cv2.CV_32FC1
    )
    return cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _matrix(lens: Lens) -> np.ndarray:
    """OpenCV counts from the center of the first pixel, files from its corner."""
    return np.array([[lens.fl_x, 0, lens.cx - 0.5], [0, lens.fl_y, lens.cy - 0.5], [0, 0, 1]])


def _twist(lens: Lens) -> np.ndarray:
    return np.array(lens.distortion or (0.0,) * 4)


def _edge_directions(lens: Lens) -> np.ndarray:
    """[P, 2] x/z and y/z of what the edge of the stored picture shows; inf from 90 degrees on."""
    along = np.linspace(-0.5, 0.5, EDGE_POINTS)
    sides = [np.c_[along, np.full(EDGE_POINTS, s)] for s in (-0.5, 0.5)]
    unit = np.concatenate([*sides, *(side[:, ::-1] for side in sides)]) + 0.5
    matrix = _matrix(lens)
    pixels = unit * [lens.width, lens.height] - 0.5
    flat = (pixels - matrix[:2, 2]) / matrix[[0, 1], [0, 1]]
    return _unbent(flat, lens) if lens.fisheye else _straightened(flat, lens)


def _unbent(flat: np.ndarray, lens: Lens) -> np.ndarray:
    """Directions that a fisheye shows at `flat` [P, 2], pixels as parts of the focal length."""
    angle = np.linspace(0, math.pi / 2, ANGLES)
    bent = angle * (1 + sum(k * angle ** (2 * i + 2) for i, k in enumerate(lens.distortion)))
    radius = np.linalg.norm(flat, axis=-1)
    if (np.diff(bent) <= 0).any():
        raise ValueError(FOLDED)
    tangent = np.tan(np.interp(radius, bent, angle, right=0.0))
    scale = np.where(radius < bent[-1], tangent / np.maximum(radius, 1e-9), np.inf)
    return flat * scale[:, None]


def _straightened(flat: np.ndarray, lens: Lens) -> np.ndarray:
    """The same of a perspective lens: OpenCV's own inverse stops too early for strong ones."""
    traced, still, twist = flat, np.zeros(3), _twist(lens)
    for _ in range(STEPS):
        points = np.c_[traced, np.ones(len(traced))]
        missed = cv2.projectPoints(points, still, still, np.eye(3), twist)[0][:, 0] - flat
        traced = (traced - missed).clip(-1e3, 1e3)
    if not np.abs(missed).max() < EXACT / max(lens.fl_x, lens.fl_y):
        raise ValueError(FOLDED)
    return traced
