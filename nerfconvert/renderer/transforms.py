"""Files of cameras: which one of a folder, its frames, and where their images lie.

A `transforms*.json` file, or one of another kind that READERS make into such a document.

Imports no torch, so that a folder without cameras is refused at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import FormatError
from . import llff

READERS = {llff.POSES: llff.llff_document}  # by the name of the file: its document
HOLD_OUT = 8  # of a file without splits every 8th view is a test view


def read_transforms(
    path: Path, split: str | None
) -> tuple[Path, dict[str, Any], list[dict[str, Any]]]:
    """The file of `path`, which is one or a folder with some, its document, and the frames of
    `split` (train, test, val; None: all).

    Raises FormatError for a file that is missing, no JSON, or without frames.
    """
    file, cut = _find(path, split)
    document = READERS.get(file.name, _parse)(file)
    frames = _frames(file, document)
    if cut == "test":
        frames = frames[::HOLD_OUT]
    elif cut == "train" and len(frames) > 1:
        frames = [f for i, f in enumerate(frames) if i % HOLD_OUT]
    return file, document, frames


def image_path(file: Path, frame: dict[str, Any]) -> Path:
    """Where the image of a frame lies. Raises FormatError where there is none."""
    path = stated_path(file, frame)
    if not path.is_file():
        raise FormatError(path, "image is missing")
    return path


def stated_path(file: Path, frame: dict[str, Any]) -> Path:
    """Where `file` says that the image of a frame lies; the suffix may be left out."""
    path = file.parent / str(frame["file_path"])
    return path if path.is_file() else path.with_name(path.name + ".png")


def _find(path: Path, split: str | None) -> tuple[Path, str | None]:
    """The JSON file, and the split that still has to be taken from it."""
    if path.is_file():
        return path, split
    if not path.exists():
        raise FormatError(path, "no such file or folder; expected a folder with transforms*.json")
    if split is not None and (path / f"transforms_{split}.json").is_file():
        return path / f"transforms_{split}.json", None
    if (path / "transforms.json").is_file():
        return path / "transforms.json", split
    for name in READERS:
        if (path / name).is_file():
            return path / name, split
    there = sorted(p.name for p in path.glob("transforms*.json"))
    wanted = f"transforms_{split}.json or transforms.json" if split else "transforms.json"
    found = f"found only {', '.join(there)}" if there else "found no transforms*.json"
    raise FormatError(path, f"expected {wanted}, {found}")


def _parse(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FormatError(file, f"not a JSON file: {error}") from error
    if not isinstance(document, dict):
        raise FormatError(file, f"expected a JSON object, got {type(document).__name__}")
    return document


def _frames(file: Path, document: dict[str, Any]) -> list[dict[str, Any]]:
    frames = document.get("frames")
    if not isinstance(frames, list) or not frames:
        raise FormatError(file, "expected a list 'frames' with at least one camera, found none")
    for index, frame in enumerate(frames):
        if not isinstance(frame, dict) or "transform_matrix" not in frame:
            raise FormatError(file, f"frame {index} has no 'transform_matrix'")
        frame.setdefault("file_path", f"frame_{index:05d}")
    return frames
