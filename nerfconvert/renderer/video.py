"""Writes frames as a video that plays everywhere, as an animation, or as a folder of PNG images."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from ..errors import UsageError, told_of
from ..files import is_running, partial_path, partials, written_whole
from .encoder import CODED, Encoder


def write_video(path: Path, frames: Iterable[np.ndarray], *, fps: int = 24) -> int:
    """Writes [H, W, 3] uint8 `frames` as an .mp4 (H.264, yuv420p, faststart), or as a .gif or .webp
    that repeats; returns how many.

    Odd sizes are padded by one pixel. The file appears under its name only when it is complete.
    Raises NerfConvertError where it cannot be written.
    """
    if path.suffix.lower() not in CODED:
        raise ValueError(f"path must end in {', '.join(CODED)}, got {path.name}")
    encoder, count = None, 0
    with told_of(path), written_whole(path) as partial:
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            for frame in frames:
                even = _padded(frame)
                encoder = encoder or Encoder(partial, even.shape[1], even.shape[0], fps)
                encoder.send(even)
                count += 1
            if encoder is not None:
                encoder.finish()
        finally:
            if encoder is not None:
                encoder.close()
        if not count:
            raise ValueError("frames must hold at least one image, got none")
    return count


def write_images(folder: Path, frames: Iterable[np.ndarray]) -> int:
    """Writes `frames` as 00000.png, 00001.png...; returns how many.

    They appear in the folder only when all are there, in a new one at once; frames of an earlier
    call are removed, any other file in the folder stays. What a killed process left beside it is
    removed. Raises UsageError where another process writes frames there, NerfConvertError where
    they cannot be.
    """
    count = 0
    with told_of(folder), _of_this_process(folder) as partial:
        for frame in frames:
            (partial / f"{count:05d}.png").write_bytes(_png(frame))
            count += 1
        if folder.is_dir():
            for stale in folder.glob("[0-9][0-9][0-9][0-9][0-9].png"):
                stale.unlink()
            for image in sorted(partial.iterdir()):
                os.replace(image, folder / image.name)
        else:
            os.replace(partial, folder)
    return count


@contextlib.contextmanager
def _of_this_process(folder: Path) -> Iterator[Path]:
    """A new folder, removed at the end: beside `folder`, or in it where that is there, for it may
    be on another file system than its parent."""
    held = folder / "frames" if folder.is_dir() else folder
    for other, process in partials(held):
        if is_running(process):
            raise UsageError(f"{folder}: process {process} writes frames there; wait, or kill it")
        shutil.rmtree(other, ignore_errors=True)
    partial = partial_path(held)
    partial.mkdir(parents=True)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes [H, W, 3] uint8 as PNG, whole or not at all. Raises NerfConvertError where that
    fails, as on a full disk."""
    with told_of(path), written_whole(path) as partial:
        partial.write_bytes(_png(image))


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def _padded(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
