"""render: a video, or a folder of PNG frames, of one field."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..film.kept_frames import kept_frames
from ..film.request import film_request
from ..kernels.precision import bfloat16_allowed, computed_in
from ..metrics.evaluation import background_of, settled_median
from ..options.groups import parse_resolution
from ..options.showing import RenderOptions
from ..renderer.camera_paths import camera_path, rising
from ..renderer.image import render_image
from ..renderer.panes import to_bytes
from ..renderer.video import write_images, write_video
from ..report.receipt import describe_file, strict
from ..runtime.device import machine, pick_device, with_backend
from ..runtime.inputs import open_crop, open_field
from ..runtime.outputs import frames_path
from .checks import check_render


@with_backend
def render(
    options: RenderOptions, *, on_frame: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """The account of a rendering; writes the video or folder. `on_frame` hears (done, all).

    Raises UsageError, FormatError, OutputExistsError, BackendError.
    """
    check_render(options)
    device = pick_device(options.where.device)
    field = open_field(options.checkpoint, device, options.cameras)
    file = describe_file(options.checkpoint, field)
    size = parse_resolution(options.resolution)
    if options.path == "spiral":
        cameras = rising(field, options.frames, size)
    else:
        cameras = camera_path(field, options.cameras, options.frames, size, options.frame)
    background = background_of(field, options.background)
    crop = open_crop(options.crop)
    how = {"background": background, "crop": crop, "fast": options.fast}
    with bfloat16_allowed(options.fast):
        networks = computed_in(device)
    seconds: list[float] = []

    def frame(view: int) -> np.ndarray:
        start = time.perf_counter()
        image = to_bytes(render_image(field, cameras, view, **how))
        seconds.append(time.perf_counter() - start)
        return image

    request = film_request([file], [field], cameras, background, crop=str(crop), fast=options.fast)
    folder = frames_path(options.output)
    with kept_frames(folder, len(cameras), request, resume=options.resume) as kept:
        if options.output.suffix:
            write_video(options.output, kept.each(frame, on_frame), fps=options.fps)
        else:
            write_images(options.output, kept.each(frame, on_frame))
    return strict(
        {
            "schema": "nerfconvert.render/1",
            "path": str(options.checkpoint),
            "format": file["format"],
            "architecture": field.architecture,
            "output": str(options.output),
            "frames": len(cameras),
            "resolution": [cameras.width, cameras.height],
            "seconds_per_frame": settled_median(seconds) if seconds else None,
            "machine": {**machine(device), "networks": networks},
        }
    )
