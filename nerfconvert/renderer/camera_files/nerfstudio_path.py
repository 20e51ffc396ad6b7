"""nerfstudio_path: `camera_path.json`, which nerfstudio's viewer writes and `ns-render` reads.

Its matrices are camera-to-world with OpenGL axes in nerfstudio's own frame; the angle of view is
vertical. Facts: cameras/camera_paths.py of nerfstudio 50e0e3c.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

from ...errors import FormatError
from .camera_file import Asked, CameraFile
from .capture import Capture, Lens, View, pose_of
from .json_values import names_key, number, objects, read_document

log = logging.getLogger(__name__)
NOT_PINHOLES = ("fisheye", "equirectangular", "omnidirectional", "vr180")


class NerfstudioPath(CameraFile):
    title = "camera_path.json of nerfstudio"

    def sniff(self, path: Path) -> bool:
        return names_key(path, "camera_path")

    def read(self, path: Path, asked: Asked) -> Capture:
        document = read_document(path)
        kind = str(document.get("camera_type", "perspective")).lower()
        if kind in NOT_PINHOLES:
            raise FormatError(
                path, f"its cameras are of type {kind}; only perspective ones can be rendered"
            )
        if document.get("crop"):
            log.warning("%s: its crop is ignored: the whole field is rendered", path)
        size = tuple(int(number(path, document, f"render_{side}")) for side in ("width", "height"))
        frames = objects(path, document, "camera_path")
        views = tuple(_view(path, i, frame, size) for i, frame in enumerate(frames))
        return Capture(path, views, frame="nerfstudio")


def _view(file: Path, index: int, frame: dict[str, Any], size: tuple[int, int]) -> View:
    name = f"frame {index}"
    matrix = frame.get("camera_to_world")
    if isinstance(matrix, list) and len(matrix) == 16:  # rows one after the other
        matrix = [matrix[i : i + 4] for i in range(0, 16, 4)]
    pose = pose_of(file, name, matrix)
    angle = number(file, frame, "fov")
    if not 0 < angle < 180:
        raise FormatError(file, f"'fov' of {name} must lie in 0..180 degrees, got {angle:g}")
    try:
        focal = 0.5 * size[1] / math.tan(math.radians(angle) / 2)
        return View(name, pose, Lens.of(size, {"fl_x": focal}))
    except ValueError as error:
        raise FormatError(file, f"{name}: {error}") from error
