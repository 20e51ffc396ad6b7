"""Frames: in whose coordinates the poses of a camera file are, and the maps to a field's own.

The hub is the world of the capture, in which most fields are. A program's frame is a similarity of
it, known by what the field's provenance has (instant-ngp: `ngp_scale`, `ngp_offset`, `ngp_axes`;
nerfstudio: `dataparser_transform`, `dataparser_scale`), else by the program's defaults. A field
with a `dataparser_transform` is in nerfstudio's frame, all others are in the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from .camera_files.capture import CAMERA_TURN, Capture

NGP_SCALE, NGP_OFFSET, NGP_AXES = 0.33, [0.5, 0.5, 0.5], "yzx"  # of captures that state none


@dataclass(frozen=True)
class Frame:
    """A frame: `points` [4, 4] maps the world's to its own, a similarity; its cameras have the
    axes of OpenCV where `opencv` is set, else of OpenGL."""

    points: np.ndarray
    opencv: bool = False

    def to_world(self, poses: np.ndarray) -> np.ndarray:
        """[V, 4, 4] camera-to-world, OpenGL axes, of `poses` [V, 4, 4] in this frame; float64."""
        return moved(np.linalg.inv(self.points), poses @ CAMERA_TURN if self.opencv else poses)

    def from_world(self, poses: np.ndarray) -> np.ndarray:
        """The inverse of `to_world`."""
        turned = moved(self.points, poses)
        return turned @ CAMERA_TURN if self.opencv else turned


def moved(points: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """`poses` [V, 4, 4] seen through a similarity; their axes keep their length."""
    changed = points @ poses
    scale = abs(np.linalg.det(points[:3, :3])) ** (1 / 3)
    return np.concatenate([changed[..., :3] / scale, changed[..., 3:]], -1)


def _world(provenance: Mapping[str, Any]) -> Frame:
    return Frame(np.eye(4))


def _opencv(provenance: Mapping[str, Any]) -> Frame:
    return Frame(np.eye(4), opencv=True)


def _instant_ngp(provenance: Mapping[str, Any]) -> Frame:
    """Its unit cube is ``p * scale + offset``, with the world's axes in the order `ngp_axes`."""
    scale = _known(provenance, "ngp_scale", NGP_SCALE, ())
    points = np.diag([scale, scale, scale, 1.0])
    points[:3, 3] = _known(provenance, "ngp_offset", NGP_OFFSET, (3,))
    axes = str(provenance.get("ngp_axes", NGP_AXES))
    if sorted(axes) != ["x", "y", "z"] or not scale > 0:
        raise UnsupportedError(f"the field's provenance has ngp_axes {axes}, ngp_scale {scale}")
    return Frame(points[[*("xyz".index(axis) for axis in axes), 3]], opencv=True)


def _nerfstudio(provenance: Mapping[str, Any]) -> Frame:
    """Its data loader's frame: ``scale * (R p + t)``."""
    rows = _known(provenance, "dataparser_transform", np.eye(4)[:3], (3, 4))
    scale = _known(provenance, "dataparser_scale", 1.0, ())
    points = np.concatenate([rows * scale, [[0.0, 0.0, 0.0, 1.0]]])
    if not 1e-12 < abs(np.linalg.det(points)) < 1e12:
        raise UnsupportedError("the field's provenance has a dataparser_transform without inverse")
    return Frame(points)


FRAMES = {
    "world": _world,
    "blender": _world,
    "opencv": _opencv,
    "instant-ngp": _instant_ngp,
    "nerfstudio": _nerfstudio,
}


def poses_in_field(
    capture: Capture, frame: str | None = None, provenance: Mapping[str, Any] | None = None
) -> np.ndarray:
    """The poses of `capture` [V, 4, 4] float64, OpenGL axes, in the coordinates of a field with
    this `provenance` (None: of no field, in the world). `frame`, a name of FRAMES, is theirs; None
    is that of the kind of file. Raises UnsupportedError for a provenance that makes no sense."""
    known = provenance or {}
    poses = np.stack([view.pose for view in capture.views])
    name = frame or capture.frame
    if "dataparser_transform" not in known:
        return FRAMES[name](known).to_world(poses)
    own = _nerfstudio(known)
    if name == "nerfstudio":
        return poses
    # The loader's map is from what the capture was before `applied_transform`.
    original = moved(np.linalg.inv(capture.applied), FRAMES[name](known).to_world(poses))
    return own.from_world(original)


def _known(
    provenance: Mapping[str, Any], name: str, default: Any, shape: tuple[int, ...]
) -> np.ndarray:
    """The finite numbers `name` of this shape. Raises UnsupportedError."""
    try:
        values = np.array(provenance.get(name, default), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UnsupportedError(f"the field's provenance has no numbers as {name}") from error
    if values.shape != shape or not np.isfinite(values).all():
        raise UnsupportedError(f"the field's provenance has {name} of shape {values.shape}")
    return values
