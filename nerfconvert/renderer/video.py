"""Writes frames as an H.264 video that plays everywhere, or as a folder of PNG images."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np

from ..errors import BackendError
from ..files import written_whole


def write_video(path: Path, frames: Iterable[np.ndarray], *, fps: int = 24) -> int:
    """Writes [H, W, 3] uint8 `frames` as an mp4 (H.264, yuv420p, faststart); returns how many.

    Odd sizes are padded by one pixel. The file appears under its name only when it is complete.
    """
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"path must end in .mp4, got {path.name}")
    writer, count = None, 0
    with written_whole(path) as partial:
        try:
            for frame in frames:
                even = _padded(frame)
                if writer is None:
                    writer = _encoder(partial, even.shape[1], even.shape[0], fps)
                writer.send(np.ascontiguousarray(even))
                count += 1
        finally:
            if writer is not None:
                writer.close()
        if not count:
            raise ValueError("frames must hold at least one image, got none")
    return count


def write_images(folder: Path, frames: Iterable[np.ndarray]) -> int:
    """Writes `frames` as 00000.png, 00001.png...; returns how many.

    They appear in the folder only when all are there; frames of an earlier call are removed, any
    other file in the folder stays.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    count = 0
    try:
        for frame in frames:
            write_image(partial / f"{count:05d}.png", frame)
            count += 1
        folder.mkdir(exist_ok=True)
        for stale in folder.glob("[0-9][0-9][0-9][0-9][0-9].png"):
            stale.unlink()
        for image in sorted(partial.iterdir()):
            os.replace(image, folder / image.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return count


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes [H, W, 3] uint8 as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    path.write_bytes(data.tobytes())


def _encoder(path: Path, width: int, height: int, fps: int):
    try:
        writer = imageio_ffmpeg.write_frames(
            str(path),
            (width, height),
            fps=fps,
            codec="libx264",
            pix_fmt_out="yuv420p",
            macro_block_size=2,
            output_params=["-crf", "16", "-movflags", "+faststart", "-threads", "2"],
        )
    except RuntimeError as error:  # no ffmpeg binary for this platform
        raise BackendError(f"writing video needs ffmpeg: {error}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.send(None)
    return writer


def _padded(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
