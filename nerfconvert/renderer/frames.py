"""Frames: in whose coordinates poses are, and the maps from there to the world."""

from __future__ import annotations

import numpy as np

from .camera_files.capture import CAMERA_TURN

NGP_SCALE, NGP_OFFSET = 0.33, 0.5  # instant-ngp's, of captures that state none
NGP_AXES = np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])  # x, y, z: y, z, x


def to_world(poses: np.ndarray, frame: str) -> np.ndarray:
    """Camera-to-world poses [V, 4, 4] float64 with OpenGL axes of poses in `frame`, a name of
    FRAMES."""
    return FRAMES[frame](poses)


def _same(poses: np.ndarray) -> np.ndarray:
    return poses


def _from_instant_ngp(poses: np.ndarray) -> np.ndarray:
    """Its unit cube is ``p * scale + offset`` with the axes y, z, x; its cameras have OpenCV's."""
    turned = NGP_AXES.T @ poses @ CAMERA_TURN
    turned[:, :3, 3] = (turned[:, :3, 3] - NGP_OFFSET) / NGP_SCALE
    return turned


FRAMES = {"world": _same, "nerfstudio": _same, "instant-ngp": _from_instant_ngp}
