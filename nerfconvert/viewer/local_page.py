"""The viewer's page: served to this machine, each browser with its own camera (viser)."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import rich
import torch
import viser

from ..errors import UsageError
from ..renderer.camera_paths import orbit
from ..renderer.cameras import Cameras
from ..volume import Aabb, RadianceField
from .looks import Look, Scenery
from .painter import Painted, Painter
from .panel import Panel
from .render_loop import RenderLoop

log = logging.getLogger(__name__)
MOVING, RESTING = 70, 93  # quality of the JPEG


class LocalPage:
    """The page of `fields` on `host`:`port`, from when it is made until `close`."""

    def __init__(
        self,
        fields: Sequence[RadianceField],
        names: Sequence[str],
        background: float,
        *,
        host: str,
        port: int,
        crop_file: Path,
        crop: Aabb | None = None,
        cameras: Cameras | None = None,
    ):
        with _silent():
            self.server = viser.ViserServer(host, port, "nerfconvert", verbose=False)
        if port and self.server.get_port() != port:  # taken since it was looked at
            self.close()
            raise UsageError(f"--port {port} is taken; leave it out for a free one")
        # viser can ask a server of its makers for a public address: nobody shall, by a click.
        self.server.gui.configure_theme(show_share_button=False, show_logo=False)
        self.loop = RenderLoop(Painter(fields, background), Scenery())
        self._place(fields[0])
        self.panel = Panel(
            self.server,
            fields,
            names,
            self.loop.change,
            crop_file=crop_file,
            crop=crop,
            cameras=cameras,
        )
        self.loop.change(self.panel.scenery())
        self.server.on_client_connect(self._connected)
        self.server.on_client_disconnect(lambda client: self.loop.forget(client.client_id))

    @property
    def address(self) -> str:
        """What to open in a browser."""
        host = self.server.get_host()
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server.get_port()}"

    def serve(self) -> None:
        """Paints until it is interrupted."""
        self.loop.run()

    def close(self) -> None:
        """Ends the server; browsers keep the last picture."""
        with _silent():
            self.server.stop()

    def _place(self, field: RadianceField) -> None:
        """Where a browser's camera begins, and comes back to."""
        cameras = orbit(field, 1, size=(400, 400))
        pose = cameras.poses[0].double()
        eye, ahead = pose[:3, 3], -pose[:3, 2]
        middle = torch.tensor(field.info.middle, dtype=torch.float64)
        distance = max(float((middle - eye) @ ahead), 0.05 * field.aabb.diagonal)
        up = (0.0, 1.0, 0.0) if field.info.frustum is not None else (0.0, 0.0, 1.0)
        self.server.scene.set_up_direction(up)
        begin = self.server.initial_camera
        begin.position, begin.look_at = eye.numpy(), (eye + distance * ahead).numpy()
        begin.fov = 2 * math.atan(0.5 * cameras.height / cameras.mean_focal)
        begin.near, begin.far = 1e-3 * distance, 1e3 * distance

    def _connected(self, client: viser.ClientHandle) -> None:
        def show(painted: Painted) -> None:
            quality = RESTING if painted.division == 1 else MOVING
            image = np.ascontiguousarray(painted.image)
            how = {"format": "jpeg", "jpeg_quality": quality, "depth": painted.depth}
            client.scene.set_background_image(image, **how)
            client.flush()
            self.panel.say(_told(painted))

        def ask(camera: viser.CameraHandle) -> None:
            try:
                size = camera.image_width, camera.image_height
                look = Look.of(camera.wxyz, camera.position, camera.fov, size)
            except ValueError as error:  # a canvas without size, while it is laid out
                log.info("the browser's camera is ignored: %s", error)
                return
            self.loop.ask(client.client_id, look, show)

        client.camera.on_update(ask)
        ask(client.camera)


def _told(painted: Painted) -> str:
    if not painted.anything:
        return "nothing is in sight: *Reset view* brings it back"
    size = "full resolution" if painted.division == 1 else f"1/{painted.division} of it"
    return f"{size}, {painted.seconds:.2f} s"


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """While viser would print."""
    console = rich.get_console()
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before
