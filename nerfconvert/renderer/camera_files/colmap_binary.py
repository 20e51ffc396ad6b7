"""`cameras.bin` and `images.bin` of COLMAP: little-endian records, each list after its length.

Of an image only the pose is read; its points are skipped.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .capture import Lens
from .colmap_records import MODELS, NUMBERED, OTHERS, Image, check_model, lens_of

CAMERA = struct.Struct("<iiQQ")  # id, model, width, height; then doubles
IMAGE = struct.Struct("<I7dI")  # id, quaternion and translation, camera; then name, NUL, points
COUNT = struct.Struct("<Q")
POINT = 24  # bytes: two doubles and an id
LONGEST = 4096  # bytes of an image's name


def cameras_of_binary(file: Path) -> dict[int, Lens]:
    """Lenses by camera id. Raises ValueError, struct.error, OSError."""
    content = file.read_bytes()
    lenses, at = {}, COUNT.size
    for _ in range(_count(io.BytesIO(content), len(content), CAMERA.size)):
        camera, model, width, height = CAMERA.unpack_from(content, at)
        name = NUMBERED.get(model, OTHERS.get(model, f"number {model}"))
        check_model(name)
        values = struct.Struct(f"<{len(MODELS[name][1])}d")
        lenses[camera] = lens_of(
            name, (width, height), values.unpack_from(content, at + CAMERA.size)
        )
        at += CAMERA.size + values.size
    return lenses


def images_of_binary(file: Path) -> list[Image]:
    """All registered images. Raises ValueError, struct.error, OSError."""
    with open(file, "rb") as opened:
        return list(_images(opened, file.stat().st_size))


def _images(file: BinaryIO, size: int) -> Iterator[Image]:
    """The images of a file of `size` bytes; it may be of gigabytes, nearly all of them points."""
    for _ in range(_count(file, size, IMAGE.size + 1 + COUNT.size)):
        _, *pose, camera = IMAGE.unpack(file.read(IMAGE.size))
        start = file.tell()
        name, end, _ = file.read(LONGEST).partition(b"\0")
        if not end:
            raise ValueError("an image's name does not end")
        file.seek(start + len(name) + 1)
        file.seek(_count(file, size, POINT) * POINT, os.SEEK_CUR)
        yield Image(name.decode("utf-8"), camera, tuple(pose[:4]), tuple(pose[4:]))


def _count(file: BinaryIO, size: int, least: int) -> int:
    """The length of the list that is next in a file of `size` bytes, whose entries have at least
    `least` bytes each."""
    (count,) = COUNT.unpack(file.read(COUNT.size))
    if count * least > size - file.tell():
        raise ValueError(f"it states {count} entries and has bytes for fewer")
    return count
