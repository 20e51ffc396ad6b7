"""Views that a field is taught on and views that it is measured on; never the same ones.

Without data both are drawn around what is occupied and fill the frame with it, the held-out ones
with another seed and from distances that the others leave out. With data they are its train and
test splits.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..options.groups import Views, parse_resolution
from ..renderer.cameras import Cameras
from ..renderer.drawn_cameras import Band, drawn_cameras, native_frame
from ..renderer.image import BACKGROUNDS, Rendered, render_camera
from ..renderer.scene import fit_within, native_size, read_scene
from ..volume import FieldInfo, RadianceField
from .image_metrics import PROTOCOL

TEACHING_BAND = Band(shells=((0.7, 1.0), (1.1, 1.4)), shifts=(0.0, 0.8), between=0.0)
HELD_OUT_BAND = Band(shells=((1.01, 1.09),), shifts=(0.82, 1.0), between=0.35)
TEACHING_VIEWS, TEACHING_PIXELS = 200, 400
WARMUPS, SETTLED = 2, 3  # timings that do not count, and at least as many that do
AGAIN = 2.0  # seconds that views may take which are rendered for their timing alone
EVAL_PIXELS = 200  # longer side of evaluated images unless asked otherwise


@dataclass(frozen=True)
class Evaluation:
    """Held-out cameras, what was really there (or None), and where they come from."""

    cameras: Cameras
    truth: Tensor | None  # [V, H, W, 3] sRGB on `background`
    background: float
    origin: str
    truth_opacity: Tensor | None = None  # [V, H, W]: alpha of photographs that have some

    @property
    def resolution(self) -> list[int]:
        """[width, height] in pixels."""
        return [self.cameras.width, self.cameras.height]

    @property
    def protocol(self) -> dict[str, str]:
        """The `protocol` block of every document with a figure in it."""
        names = {level: name for name, level in BACKGROUNDS.items()}
        return {"background": names[self.background], **PROTOCOL, "cameras": self.origin}


@dataclass(frozen=True)
class Pictures:
    """Rendered views on the CPU: `images` [V, H, W, 3], `opacity` [V, H, W], and `depth` [V, H, W],
    the mean distance (in lengths of the field's `info`) of what a pixel sees, 0 where that is
    nothing; and the median seconds that one view took."""

    images: Tensor
    opacity: Tensor
    depth: Tensor
    info: FieldInfo
    seconds_per_frame: float


def background_of(field: RadianceField, choice: str | None) -> float:
    """Gray level that pictures are on: as asked, else (or if random) as the source program did."""
    return BACKGROUNDS.get(choice, BACKGROUNDS[field.info.background])


def teaching_cameras(field: RadianceField, views: Views, seed: int) -> Cameras:
    """Cameras that a distillation may draw rays from."""
    if file := views.cameras or views.data:
        placed = {"frame": views.frame, "provenance": field.info.provenance}
        return read_scene(file, split="train", images=False, **placed).cameras
    generator = torch.Generator().manual_seed(2 * seed)
    size = native_frame(field, TEACHING_PIXELS)
    return drawn_cameras(field, TEACHING_BAND, TEACHING_VIEWS, size, generator)


def held_out(field: RadianceField, views: Views, seed: int) -> Evaluation:
    """The views that a field is measured on."""
    background = background_of(field, views.background)
    placed = {"frame": views.frame, "provenance": field.info.provenance}
    if views.data is not None:
        return from_data(views.data, views.resolution, views.eval_views, background, **placed)
    size = parse_resolution(views.resolution)
    if views.cameras is not None:
        size = size or fit_within(native_size(views.cameras, "test"), EVAL_PIXELS)
        scene = read_scene(
            views.cameras,
            split="test",
            views=views.eval_views,
            resolution=size,
            images=False,
            **placed,
        )
        return Evaluation(scene.cameras, None, background, f"every 8th camera of {views.cameras}")
    size = size or native_frame(field, EVAL_PIXELS)
    generator = torch.Generator().manual_seed(2 * seed + 1)
    cameras = drawn_cameras(field, HELD_OUT_BAND, views.eval_views, size, generator)
    origin = f"drawn {HELD_OUT_BAND.told(field)}, seed {seed}"
    return Evaluation(cameras, None, background, origin)


def from_data(
    data: Path,
    resolution: str | None,
    views: int,
    background: float,
    *,
    frame: str | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Evaluation:
    """The test split of `data`, `views` frames evenly spaced over it; `frame` and `provenance` are
    those of `read_scene`."""
    size = parse_resolution(resolution) or fit_within(native_size(data, "test"), EVAL_PIXELS)
    scene = read_scene(
        data,
        split="test",
        views=views,
        resolution=size,
        background=None,
        frame=frame,
        provenance=provenance,
    )
    origin = f"{len(scene.cameras)} evenly spaced views of the test split of {data}"
    truth, opacity = scene.images, None
    if truth.shape[-1] == 4:
        opacity = truth[..., 3]
        truth = (truth[..., :3] + (1 - truth[..., 3:]) * background).clamp(0, 1)
    return Evaluation(scene.cameras, truth, background, origin, opacity)


class Evaluator:
    """Renders the held-out views of fields; `seconds` is what all of them took."""

    def __init__(self, evaluation: Evaluation):
        self.evaluation = evaluation
        self.seconds = 0.0

    def render(
        self, field: RadianceField, on_view: Callable[[int, float], None] | None = None
    ) -> Pictures:
        """The held-out views of `field`; `on_view` hears each one's number and seconds."""
        seen, seconds = [], []
        for view in range(len(self.evaluation.cameras)):
            shot, spent = _timed(field, self.evaluation, view)
            seen.append(shot)
            seconds.append(spent)
            if on_view:
                on_view(view, spent)
        seconds += self._again(field, seconds)
        self.seconds += sum(seconds)
        images, opacity, depth = (
            torch.stack([getattr(s, name) for s in seen]) for name in ("rgb", "opacity", "depth")
        )
        depth = torch.where(opacity > 0, depth / opacity, 0)
        return Pictures(images, opacity, depth, field.info, settled_median(seconds))

    def _again(self, field: RadianceField, seconds: list[float]) -> list[float]:
        """Timings of views that are rendered once more, where the `seconds` of the first time are
        too few for a settled median: as many as it needs, or as fit into `AGAIN`."""
        more: list[float] = []
        while len(seconds) + len(more) < WARMUPS + SETTLED and sum(more) + seconds[-1] < AGAIN:
            more.append(_timed(field, self.evaluation, len(more) % len(seconds))[1])
        return more


def _timed(field: RadianceField, evaluation: Evaluation, view: int) -> tuple[Rendered, float]:
    """One held-out view, and the seconds that it took."""
    start = time.perf_counter()
    return render_view(field, evaluation, view), time.perf_counter() - start


def render_view(field: RadianceField, evaluation: Evaluation, view: int) -> Rendered:
    """One held-out view, each tensor [H, W, ...] on the CPU: the device is waited for."""
    seen = render_camera(field, evaluation.cameras, view, background=evaluation.background)
    return Rendered(seen.rgb.cpu(), seen.opacity.cpu(), seen.depth.cpu())


def settled_median(seconds: list[float]) -> float:
    """Median of timings in the order they were taken; the first `WARMUPS` do not count where at
    least `SETTLED` remain without them."""
    if not seconds:
        raise ValueError("seconds must hold at least one timing, got none")
    return statistics.median(seconds[WARMUPS:] if len(seconds) >= WARMUPS + SETTLED else seconds)
