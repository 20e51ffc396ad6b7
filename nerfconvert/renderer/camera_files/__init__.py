"""Files with cameras, a module per kind; content decides the kind, the first that fits is taken.

Reading imports no torch, so that a folder without cameras is refused at once.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import FormatError
from ...registry import Registry
from .camera_file import Asked, CameraFile
from .capture import Capture

CAMERA_FILES = Registry(
    "kind of camera file",
    {
        "nerfstudio-path": "nerfconvert.renderer.camera_files.nerfstudio_path:NerfstudioPath",
        "instant-ngp-path": "nerfconvert.renderer.camera_files.instant_ngp_path:InstantNgpPath",
        "transforms": "nerfconvert.renderer.camera_files.transforms:Transforms",
        "colmap": "nerfconvert.renderer.camera_files.colmap:Colmap",
        "llff": "nerfconvert.renderer.camera_files.llff:Llff",
    },
)
HOLD_OUT = 8  # of a capture without splits every 8th view is a test view


def read_capture(path: Path, asked: Asked) -> Capture:
    """The views of `asked.split` in `path`, a file or folder of any kind.

    Raises FormatError for one that is missing, unknown, damaged or inconsistent.
    """
    capture = camera_file_of(path).read(path, asked)
    if not capture.views:
        raise FormatError(path, "expected at least one camera, found none")
    return capture if capture.split else _cut(capture, asked.split)


def camera_file_of(path: Path) -> CameraFile:
    """What reads `path`. Raises FormatError where nothing does."""
    if not path.exists():
        raise FormatError(path, "no such file or folder; expected a folder with transforms*.json")
    for kind in CAMERA_FILES.values():
        reader = kind()
        if reader.sniff(path):
            return reader
    known = "; ".join(kind.title for kind in CAMERA_FILES.values())
    there = "found no transforms*.json" if path.is_dir() else "not a JSON file with cameras"
    raise FormatError(path, f"{there}; expected one of: {known}")


def _cut(capture: Capture, split: str | None) -> Capture:
    """Every 8th view is a test view, the others train; one view alone is both."""
    views = capture.views
    if split == "test":
        return capture.with_views(views[::HOLD_OUT])
    if split == "train" and len(views) > 1:
        return capture.with_views(v for i, v in enumerate(views) if i % HOLD_OUT)
    return capture
