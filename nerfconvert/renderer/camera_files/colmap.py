"""colmap: a sparse model of COLMAP, its cameras and images, as text or binary.

The world is COLMAP's own. Images are taken in the order of their names, as its users split them.
The files are two flat lists: the library that reads them, pycolmap, is COLMAP itself, tens of
megabytes. Facts: scene/reconstruction_io_{text,binary}.cc, sensor/models.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import FormatError
from .camera_file import Asked, CameraFile
from .capture import CAMERA_TURN, Capture, Lens, View, pose_of, rotation_of
from .colmap_binary import cameras_of_binary, images_of_binary
from .colmap_records import Image
from .colmap_text import cameras_of_text, images_of_text

PLACES = ("", "sparse/0", "sparse", "colmap/sparse/0")  # of a model in a folder
NAMES = ("cameras", "images", "points3D", "rigs", "frames")


class Colmap(CameraFile):
    title = "COLMAP model (cameras and images, .bin or .txt)"

    def sniff(self, path: Path) -> bool:
        return _model(path) is not None

    def read(self, path: Path, asked: Asked) -> Capture:
        folder, suffix = _model(path)
        cameras, images = (folder / f"{name}{suffix}" for name in ("cameras", "images"))
        readers = READERS[suffix]
        try:
            file = cameras
            lenses = readers[0](cameras)
            file = images
            found = sorted(readers[1](images), key=lambda image: image.name)
            root = _pictures(path, folder)
            return Capture(images, tuple(_view(images, image, lenses, root) for image in found))
        except (OSError, ValueError, OverflowError, struct.error) as error:
            raise FormatError(file, f"not a whole COLMAP model: {str(error)[:200]}") from error


READERS = {".bin": (cameras_of_binary, images_of_binary), ".txt": (cameras_of_text, images_of_text)}


def _view(file: Path, image: Image, lenses: dict[int, Lens], root: Path) -> View:
    """COLMAP's poses are world-to-camera with OpenCV axes."""
    if image.camera not in lenses:
        raise ValueError(f"{image.name} names camera {image.camera}, which is not there")
    turn = rotation_of(*image.quaternion)
    place = -turn.T @ np.array(image.translation)
    pose = pose_of(file, image.name, np.c_[turn.T, place]) @ CAMERA_TURN
    return View(image.name, pose, lenses[image.camera], root / image.name)


def _model(path: Path) -> tuple[Path, str] | None:
    """The folder of a model in `path`, a folder or one of the model's files, and its suffix."""
    try:
        for folder, suffix in _candidates(path):
            if all((folder / f"{name}{suffix}").is_file() for name in ("cameras", "images")):
                return folder, suffix
    except OSError:
        pass
    return None


def _candidates(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_dir():
        yield from ((path / place, suffix) for place in PLACES for suffix in READERS)
    elif path.suffix in READERS and path.stem in NAMES:
        yield path.parent, path.suffix


def _pictures(path: Path, model: Path) -> Path:
    """The folder `images` nearest to the model, from it up to the capture's own folder."""
    for folder in (path, *model.resolve().parents[:3]):
        if (folder / "images").is_dir():
            return folder / "images"
    return model / "images"
