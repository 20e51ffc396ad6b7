"""view: fields on a page that this machine serves, with a camera to fly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..film.labels import labels
from ..metrics.evaluation import background_of
from ..options.showing import ViewOptions
from ..renderer.scene import read_scene
from ..report.receipt import describe_file
from ..runtime.device import machine, pick_device, with_backend
from ..runtime.inputs import open_crop, open_field
from ..runtime.outputs import crop_path
from .checks import check_view


@with_backend
def view(options: ViewOptions, *, on_ready: Callable[[dict[str, Any]], None]) -> None:
    """Serves the fields until it is interrupted. `on_ready` hears the `view` document, which has
    the `address` to open, as soon as a browser may come.

    Raises UsageError, FormatError, BackendError (without viser).
    """
    check_view(options)
    from ..viewer.local_page import LocalPage  # viser is no dependency of the other commands

    device = pick_device(options.where.device)
    seen = options.data or options.cameras
    fields = [open_field(path, device, seen) for path in options.checkpoints]
    files = [describe_file(path, field) for path, field in zip(options.checkpoints, fields)]
    cameras = None
    if seen is not None:
        known = fields[0].info.provenance
        cameras = read_scene(seen, images=False, frame=options.frame, provenance=known).cameras
    crop_file = options.crop or crop_path(options.checkpoints[0])
    page = LocalPage(
        fields,
        [label.title for label in labels(files)],
        background_of(fields[0], options.background),
        host=options.host,
        port=options.port,
        crop_file=crop_file,
        crop=open_crop(options.crop if options.crop and options.crop.exists() else None),
        cameras=cameras,
    )
    try:
        document = {"schema": "nerfconvert.view/1", "address": page.address, "fields": files}
        on_ready(document | {"crop": str(crop_file), "machine": machine(device)})
        page.serve()
    finally:
        page.close()
