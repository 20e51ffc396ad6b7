"""`cameras.txt` and `images.txt` of COLMAP: a line per camera, two per image (the second has its
points, may be empty, and is skipped)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .capture import Lens
from .colmap_records import Image, check_model, lens_of


def cameras_of_text(file: Path) -> dict[int, Lens]:
    """Lenses by camera id. Raises ValueError, OSError."""
    lenses = {}
    with open(file, encoding="utf-8") as lines:
        for line in map(str.strip, lines):
            if not line or line.startswith("#"):
                continue
            words = line.split()
            if len(words) < 5:
                raise ValueError(f"a camera's line has {len(words)} words; expected at least 5")
            camera, model, width, height, *values = words
            check_model(model)
            size = int(width), int(height)
            lenses[int(camera)] = lens_of(model, size, [float(value) for value in values])
    return lenses


def images_of_text(file: Path) -> list[Image]:
    """All registered images. Raises ValueError, OSError."""
    with open(file, encoding="utf-8") as lines:
        return list(_images(lines))


def _images(lines: Iterator[str]) -> Iterator[Image]:
    for line in lines:
        words = line.split(maxsplit=9)
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 10:
            raise ValueError(f"an image's line has {len(words)} words; expected 10")
        pose = [float(word) for word in words[1:8]]
        yield Image(words[9].strip(), int(words[8]), tuple(pose[:4]), tuple(pose[4:]))
        next(lines, None)
