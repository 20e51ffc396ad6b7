"""What COLMAP's text and binary files hold: lens models and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .capture import Lens

MODELS = {  # those that OpenCV has: number in binary files, parameters in their order
    "SIMPLE_PINHOLE": (0, ("fl_x", "cx", "cy")),
    "PINHOLE": (1, ("fl_x", "fl_y", "cx", "cy")),
    "SIMPLE_RADIAL": (2, ("fl_x", "cx", "cy", "k1")),
    "RADIAL": (3, ("fl_x", "cx", "cy", "k1", "k2")),
    "OPENCV": (4, ("fl_x", "fl_y", "cx", "cy", "k1", "k2", "p1", "p2")),
    "OPENCV_FISHEYE": (5, ("fl_x", "fl_y", "cx", "cy", "k1", "k2", "k3", "k4")),
    "FULL_OPENCV": (
        6,
        ("fl_x", "fl_y", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    ),
    "SIMPLE_RADIAL_FISHEYE": (8, ("fl_x", "cx", "cy", "k1")),
    "RADIAL_FISHEYE": (9, ("fl_x", "cx", "cy", "k1", "k2")),
}
NUMBERED = {number: name for name, (number, _) in MODELS.items()}
OTHERS = {
    7: "FOV",
    10: "THIN_PRISM_FISHEYE",
    11: "RAD_TAN_THIN_PRISM_FISHEYE",
    17: "EQUIRECTANGULAR",
}


@dataclass(frozen=True)
class Image:
    """World-to-camera, OpenCV axes: unit quaternion (w, x, y, z) and translation."""

    name: str
    camera: int
    quaternion: tuple[float, ...]
    translation: tuple[float, ...]


def check_model(name: str) -> None:
    """Raises ValueError for a lens model that OpenCV does not have."""
    if name not in MODELS:
        raise ValueError(f"camera model {name[:40]}; expected one of {', '.join(MODELS)}")


def lens_of(name: str, size: tuple[int, int], parameters: Sequence[float]) -> Lens:
    """The lens of a model of the table. Raises ValueError."""
    keys = MODELS[name][1]
    if len(parameters) != len(keys):
        raise ValueError(f"{name} with {len(parameters)} parameters; expected {len(keys)}")
    return Lens.of(size, dict(zip(keys, parameters)), "FISHEYE" in name)
