"""Filming: the video of a comparison, on the path and in the layout that were asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from ..film.film import Film
from ..film.kept_frames import KeptFrames, kept_frames
from ..film.labels import Label
from ..film.request import film_request
from ..metrics.evaluation import held_out
from ..options.groups import Views, parse_resolution
from ..options.showing import CompareOptions
from ..renderer.camera_paths import camera_path, rising
from ..renderer.cameras import Cameras
from ..renderer.video import write_images, write_video
from ..runtime.outputs import frames_path
from ..volume import RadianceField

MOST_ANIMATED = 720  # pixels: width of an animation, which grows larger than a video


def film_comparison(
    options: CompareOptions,
    fields: Sequence[RadianceField],
    files: Sequence[dict[str, Any]],
    labels: Sequence[Label],
    background: float,
    views: Views,
    on_frame: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Writes compare.mp4 and what `options.also` names into `options.output`; returns their paths,
    none where no frames are asked for. Raises UsageError, NerfConvertError."""
    if not options.frames:
        return []
    cameras, truth = _path(options, fields[0], views)
    how = {"layout": options.layout, "depth": options.depth}
    film = Film(fields, labels, cameras, background, truth=truth, **how)
    request = film_request(files, fields, cameras, background, truth=truth, **how)
    request["labels"] = [label.title for label in labels]
    video = options.output / "compare.mp4"
    with kept_frames(frames_path(video), len(film), request, resume=options.resume) as kept:
        write_video(video, kept.each(film.frame, on_frame), fps=options.fps)
        return [video, *(_also(kind, video, kept, film, options.fps) for kind in options.kinds())]


def _path(
    options: CompareOptions, first: RadianceField, views: Views
) -> tuple[Cameras, Tensor | None]:
    """The cameras of the video, and the truth where they have it."""
    size = parse_resolution(options.resolution)
    beside_truth = options.data and len(options.checkpoints) == 1 and not options.cameras
    if (options.path or ("test" if beside_truth else None)) == "test":
        seen = held_out(first, dataclasses.replace(views, eval_views=options.frames), options.seed)
        return seen.cameras, seen.truth
    if options.path == "spiral":
        return rising(first, options.frames, size), None
    file = options.cameras if options.path is None else None
    return camera_path(first, file, options.frames, size, options.frame), None


def _also(kind: str, video: Path, kept: KeptFrames, film: Film, fps: int) -> Path:
    frames = kept.each(film.frame)
    if kind == "png":
        write_images(video.parent / "frames", frames)
        return video.parent / "frames"
    path = video.with_suffix(f".{kind}")
    write_video(path, _small(frames), fps=fps)
    return path


def _small(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for frame in frames:
        height, width = frame.shape[:2]
        if width > MOST_ANIMATED:
            size = MOST_ANIMATED, round(height * MOST_ANIMATED / width)
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        yield frame
