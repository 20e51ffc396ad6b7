"""Panel: what can be set on the viewer's page, and what is drawn over its pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import NerfConvertError
from ..renderer.cameras import Cameras
from ..runtime.crop_file import write_crop
from ..volume import Aabb, RadianceField
from .looks import Scenery
from .shapes import box_of, edges, occupied_points

if TYPE_CHECKING:
    import viser

NOBODY = "nothing"  # to wipe to
BOX, CROP, OCCUPIED, CAMERAS = (230, 120, 20), (30, 130, 240), (20, 170, 150), (200, 40, 120)
MOST_CAMERAS = 100
STEPS = 200  # of a slider along an edge of the box


class Panel:
    """Builds the controls on `server`; `changed` hears of a new Scenery whenever one is set."""

    def __init__(
        self,
        server: viser.ViserServer,
        fields: Sequence[RadianceField],
        names: Sequence[str],
        changed: Callable[[Scenery], None],
        *,
        crop_file: Path,
        crop: Aabb | None = None,
        cameras: Cameras | None = None,
    ):
        self.server, self.fields, self.names = server, fields, list(names)
        self.crop_file, self._changed = crop_file, changed
        self.status = server.gui.add_markdown("")
        self._choose_fields()
        self._choose_shapes(cameras)
        self.bounds = _union([box for field in fields if (box := box_of(field))])
        if self.bounds is not None:
            self._choose_crop(crop)
        self._draw()

    def scenery(self) -> Scenery:
        """What is set."""
        second = None
        if self.wipe is not None and self.wipe.value != NOBODY:
            second = self.names.index(self.wipe.value)
        return Scenery(
            first=self.names.index(self.field.value),
            second=second,
            edge=self.edge.value if self.edge is not None else 1.0,
            crop=self._box() if self.bounds is not None and self.cropping.value else None,
        )

    def say(self, text: str) -> None:
        """A line at the top of the panel."""
        if self.status.content != text:
            self.status.content = text

    def _choose_fields(self) -> None:
        gui, names = self.server.gui, self.names
        self.field = gui.add_dropdown("Field", names, initial_value=names[0])
        self.field.on_update(lambda _: self._redraw())
        self.wipe = self.edge = None
        if len(names) > 1:
            self.wipe = gui.add_dropdown("Wipe to", [NOBODY, *names], initial_value=NOBODY)
            self.edge = gui.add_slider("Wipe", 0.0, 1.0, 0.005, 0.5)
            for control in (self.wipe, self.edge):
                control.on_update(lambda _: self._changed(self.scenery()))

    def _choose_shapes(self, cameras: Cameras | None) -> None:
        self._toggles = {}
        with self.server.gui.add_folder("Show"):
            for name in ("box", "occupancy", *(["cameras"] if cameras is not None else [])):
                self._toggles[name] = self.server.gui.add_checkbox(name.capitalize(), False)
                self._toggles[name].on_update(lambda _: self._draw())
        self._camera_root = None
        if cameras is not None:
            self._camera_root = _draw_cameras(self.server, cameras, self.fields[0])

    def _choose_crop(self, crop: Aabb | None) -> None:
        gui, start = self.server.gui, crop or self.bounds
        with gui.add_folder("Crop"):
            self.cropping = gui.add_checkbox("Crop to this box", crop is not None)
            self._sides = []
            for axis, name in enumerate("XYZ"):
                low, high = self.bounds.low[axis], self.bounds.high[axis]
                ends = tuple(min(max(c[axis], low), high) for c in (start.low, start.high))
                step = (high - low) / STEPS
                side = gui.add_multi_slider(name, low, high, step, ends, min_range=step)
                self._sides.append(side)
            export = gui.add_button("Export", hint=f"Write the box to {self.crop_file}")
        for control in (self.cropping, *self._sides):
            control.on_update(lambda _: self._redraw())
        export.on_click(self._export)

    def _box(self) -> Aabb:
        ends = [sorted(side.value) for side in self._sides]
        least = 1e-4 * self.bounds.diagonal
        return Aabb(tuple(a for a, _ in ends), tuple(max(b, a + least) for a, b in ends))

    def _export(self, event: viser.GuiEvent) -> None:
        box = self._box()
        try:
            write_crop(self.crop_file, box.low, box.high)
            said, color = f"wrote {self.crop_file}", "green"
        except NerfConvertError as error:
            said, color = f"{error}; name another file with --crop", "red"
        if event.client is not None:
            event.client.add_notification("Crop", said, color=color, auto_close_seconds=8)

    def _redraw(self) -> None:
        self._draw()
        self._changed(self.scenery())

    def _draw(self) -> None:
        """Shapes as they are set; of the field that is shown first."""
        scene, field = self.server.scene, self.fields[self.names.index(self.field.value)]
        box = box_of(field)
        shown = self._toggles["box"].value and box is not None
        _lines(scene, "/box", edges(box) if shown else None, BOX)
        cropping = self.bounds is not None and self.cropping.value
        _lines(scene, "/crop", edges(self._box()) if cropping else None, CROP)
        scene.remove_by_name("/occupancy")
        if self._toggles["occupancy"].value:
            points = occupied_points(field)
            spacing = field.aabb.diagonal / math.sqrt(3) * 4 / field.occupancy.resolution
            size = 0.25 * spacing
            scene.add_point_cloud("/occupancy", points, OCCUPIED, point_size=size)
        if self._camera_root is not None:
            self._camera_root.visible = self._toggles["cameras"].value


def _lines(scene: viser.SceneApi, name: str, segments: np.ndarray | None, color: tuple) -> None:
    if segments is None:
        scene.remove_by_name(name)
    else:
        scene.add_line_segments(name, segments, color, thickness=2.0, thickness_units="screen")


def _draw_cameras(server: viser.ViserServer, cameras: Cameras, field: RadianceField):
    """A hidden node with a frustum for each of up to `MOST_CAMERAS`, evenly chosen."""
    import viser.transforms as transforms

    root = server.scene.add_frame("/cameras", show_axes=False, visible=False)
    step = -(-len(cameras) // MOST_CAMERAS)
    angle = 2 * math.atan(0.5 * cameras.height / cameras.mean_focal)
    for index in range(0, len(cameras), step):
        pose = cameras.poses[index].double().numpy()
        turn = transforms.SO3.from_matrix(pose[:3, :3] * np.array([1.0, -1.0, -1.0]))
        server.scene.add_camera_frustum(
            f"/cameras/{index}",
            angle,
            cameras.width / cameras.height,
            scale=0.03 * field.aabb.diagonal,
            color=CAMERAS,
            wxyz=turn.wxyz,
            position=pose[:3, 3],
        )
    return root


def _union(boxes: Sequence[Aabb]) -> Aabb | None:
    if not boxes:
        return None
    low, high = (np.array([getattr(box, end) for box in boxes]) for end in ("low", "high"))
    return Aabb(tuple(low.min(0)), tuple(high.max(0)))
