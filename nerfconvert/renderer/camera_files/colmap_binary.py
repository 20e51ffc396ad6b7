"""`cameras.bin` and `images.bin` of COLMAP: little-endian records, each list after its length.

Of an image only the pose is read; its points are skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

from .capture import Lens
from .colmap_records import MODELS, NUMBERED, OTHERS, Image, check_model, lens_of

CAMERA = struct.Struct("<iiQQ")  # id, model, width, height; then doubles
IMAGE = struct.Struct("<I7dI")  # id, quaternion and translation, camera; then name, NUL, points
COUNT = struct.Struct("<Q")
POINT = 24  # bytes: two doubles and an id


def cameras_of_binary(file: Path) -> dict[int, Lens]:
    """Lenses by camera id. Raises ValueError, struct.error, OSError."""
    content = file.read_bytes()
    lenses, at = {}, COUNT.size
    for _ in range(_count(content, 0, CAMERA.size)):
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
    with open(file, "rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
        return list(_images(content))


def _images(content: mmap) -> Iterator[Image]:
    at = COUNT.size
    for _ in range(_count(content, 0, IMAGE.size + 1 + COUNT.size)):
        _, *pose, camera = IMAGE.unpack_from(content, at)
        start = at + IMAGE.size
        end = content.find(b"\0", start)
        if end < 0:
            raise ValueError("an image's name does not end")
        points = _count(content, end + 1, POINT)
        at = end + 1 + COUNT.size + points * POINT
        yield Image(content[start:end].decode("utf-8"), camera, tuple(pose[:4]), tuple(pose[4:]))


def _count(content: bytes | mmap, at: int, least: int) -> int:
    """The length of a list at `at`, whose entries have at least `least` bytes each."""
    (count,) = COUNT.unpack_from(content, at)
    if count * least > len(content) - at - COUNT.size:
        raise ValueError(f"it states {count} entries and has bytes for fewer")
    return count
