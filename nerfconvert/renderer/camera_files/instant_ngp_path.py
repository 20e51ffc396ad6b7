"""instant_ngp_path: camera paths of instant-ngp (`base_cam.json`), keyframes joined by a spline.

Positions are in the program's unit cube, rotations are quaternions (x, y, z, w) of a camera with
OpenCV axes, the angle of view is vertical. `scale` and `slice` place the focal plane, which a field
without depth of field does not have. The spline is a uniform B-spline of order 0 to 3 of positions,
quaternions and angles; the path does not reach its outer keyframes exactly. Facts: camera_path.cu
and run.py of instant-ngp abe236e.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FormatError
from .camera_file import Asked, CameraFile
from .capture import Capture, Lens, View, pose_of, rotation_of
from .json_values import names_key, number, numbers, objects, read_document

# Rows: powers 0..3 of the local time; columns: the keyframes from `first` on.
BASIS = {
    1: np.array([[1.0, 0.0], [-1.0, 1.0]]),
    2: np.array([[1.0, 1.0, 0.0], [-2.0, 2.0, 0.0], [1.0, -2.0, 1.0]]) / 2,
    3: np.array(
        [[1.0, 4.0, 1.0, 0.0], [-3.0, 0.0, 3.0, 0.0], [3.0, -6.0, 3.0, 0.0], [-1.0, 3.0, -3.0, 1.0]]
    )
    / 6,
}
QUATERNION, PLACE, ANGLE = slice(0, 4), slice(4, 7), 7


class InstantNgpPath(CameraFile):
    title = "camera path of instant-ngp (base_cam.json)"

    def sniff(self, path: Path) -> bool:
        return names_key(path, "path") and not names_key(path, "frames")

    def read(self, path: Path, asked: Asked) -> Capture:
        document = read_document(path)
        keys = np.array([_keyframe(path, k) for k in objects(path, document, "path")])
        loop, order = document.get("loop", False) is True, document.get("spline_order", 3)
        if type(order) is not int or order not in (0, *BASIS):
            raise FormatError(path, f"spline_order is {str(order)[:40]}; expected 0, 1, 2 or 3")
        times = _times(path, document["path"])
        views = []
        for i in range(asked.frames):
            state = keyframe_at(keys, times, i / asked.frames, loop, order)
            views.append(_view(path, f"frame {i}", state, asked.size_or_default))
        return Capture(path, tuple(views), frame="instant-ngp")


def keyframe_at(
    keys: np.ndarray, times: np.ndarray, time: float, loop: bool, order: int
) -> np.ndarray:
    """[8] quaternion, position and angle at `time` in 0..1 of the path through `keys` [K, 8], which
    end their segments at `times` [K]."""
    count = len(keys)
    if count == 1:
        return keys[0]
    now = time * (times[-1] if loop else times[-2])
    segment = int(np.clip(np.searchsorted(times, now, side="right"), 0, count - (1 if loop else 2)))
    begin = times[segment - 1] if segment else 0.0
    local = (now - begin) / (times[segment] - begin)
    if order == 0:
        return keys[_index(segment + math.floor(local + 0.5), count, loop)]
    first = segment - (1 if order > 1 else 0)
    chosen = keys[[_index(first + i, count, loop) for i in range(order + 1)]]
    weights = local ** np.arange(order + 1) @ BASIS[order]
    return _blended(chosen, weights)


def _blended(keys: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted sum; each quaternion has the sign that is nearer to the sum so far."""
    total = keys[0] * weights[0]
    for key, weight in zip(keys[1:], weights[1:], strict=True):
        part = key * weight
        part[QUATERNION] *= -1 if part[QUATERNION] @ total[QUATERNION] < 0 else 1
        total = total + part
    return total


def _index(index: int, count: int, loop: bool) -> int:
    return index % count if loop else min(max(index, 0), count - 1)


def _times(file: Path, keys: list[dict[str, Any]]) -> np.ndarray:
    """[K] the stated times where they ascend from above 0, else equal steps up to 1."""
    stated = np.array([number(file, key, "timestamp", 0.0) for key in keys])
    if stated[0] > 0 and (np.diff(stated) > 0).all():
        return stated
    return (np.arange(len(keys)) + 1) / len(keys)


def _keyframe(file: Path, key: dict[str, Any]) -> list[float]:
    angle = number(file, key, "fov")
    if not 0 < angle < 180:
        raise FormatError(file, f"'fov' must lie in 0..180 degrees, got {angle:g}")
    return [*numbers(file, key, "R", 4), *numbers(file, key, "T", 3), angle]


def _view(file: Path, name: str, state: np.ndarray, size: tuple[int, int]) -> View:
    x, y, z, w = state[QUATERNION]
    try:
        turn = rotation_of(w, x, y, z)
        focal = 0.5 * size[1] / math.tan(math.radians(state[ANGLE]) / 2)
        lens = Lens.of(size, {"fl_x": focal})
    except (ValueError, OverflowError) as error:
        raise FormatError(file, f"{name}: {error}") from error
    return View(name, pose_of(file, name, np.c_[turn, state[PLACE]]), lens)
