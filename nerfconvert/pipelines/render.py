"""render: a video, or a folder of PNG frames, of one field."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..formats import identify
from ..metrics.evaluation import background_of, settled_median
from ..options.groups import parse_resolution
from ..options.per_command import RenderOptions
from ..renderer.camera_paths import camera_path
from ..renderer.cameras import Cameras
from ..renderer.image import render_image
from ..renderer.panes import to_bytes
from ..renderer.video import write_images, write_video
from ..report.receipt import strict
from ..runtime.device import machine, pick_device, with_backend
from ..runtime.inputs import open_field
from ..volume import RadianceField
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
    format = identify(options.checkpoint).name
    size = parse_resolution(options.resolution)
    cameras = camera_path(field, options.cameras, options.frames, size, options.frame)
    seconds: list[float] = []
    frames = _frames(field, cameras, background_of(field, options.background), seconds, on_frame)
    if options.output.suffix:
        count = write_video(options.output, frames, fps=options.fps)
    else:
        count = write_images(options.output, frames)
    return strict(
        {
            "schema": "nerfconvert.render/1",
            "path": str(options.checkpoint),
            "format": format,
            "architecture": field.architecture,
            "output": str(options.output),
            "frames": count,
            "resolution": [cameras.width, cameras.height],
            "seconds_per_frame": settled_median(seconds),
            "machine": machine(device),
        }
    )


def _frames(
    field: RadianceField,
    cameras: Cameras,
    background: float,
    seconds: list[float],
    on_frame: Callable[[int, int], None] | None,
) -> Iterator[np.ndarray]:
    for view in range(len(cameras)):
        start = time.perf_counter()
        image = to_bytes(render_image(field, cameras, view, background=background))
        seconds.append(time.perf_counter() - start)
        if on_frame:
            on_frame(view + 1, len(cameras))
        yield image
