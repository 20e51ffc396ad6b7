"""Film: frames that show several fields, and the truth, from the same cameras."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ..metrics.image_metrics import psnr
from ..renderer.cameras import Cameras
from ..renderer.image import Rendered, render_camera
from ..renderer.panes import grid, heat_map, pane, to_bytes
from ..volume import RadianceField
from .depth import DepthScale
from .labels import Label
from .layouts import LAYOUTS, Shot
from .readable import readable

ONE_ROW = 3  # panes that still stand in one row


class Film:
    """Frames of `fields`, each with its label, as `cameras` see them on a gray `background`.

    The reference is `truth` [V, H, W, 3], where there is one, else the first field. Every other one
    has a heat map of its error. With `depth` every field has a pane of its depth, all on one scale.
    """

    def __init__(
        self,
        fields: Sequence[RadianceField],
        labels: Sequence[Label],
        cameras: Cameras,
        background: float,
        *,
        truth: Tensor | None = None,
        layout: str = "side-by-side",
        depth: bool = False,
    ):
        self.fields, self.labels, self.cameras = fields, labels, cameras
        self.background, self.truth, self.layout = background, truth, layout
        self.depth = DepthScale.of(fields[0], cameras) if depth else None

    def __len__(self) -> int:
        return len(self.cameras)

    def frame(self, view: int) -> np.ndarray:
        """[H, W, 3] uint8: pictures, errors below or beside them, then depth."""
        seen = [
            render_camera(field, self.cameras, view, background=self.background)
            for field in self.fields
        ]
        images = [shot.rgb.cpu() for shot in seen]
        truth = None if self.truth is None else self.truth[view]
        depths = [] if self.depth is None else self._depths(seen)
        return compose(self.labels, images, truth, layout=self.layout, frame=view, depths=depths)

    def _depths(self, seen: Sequence[Rendered]) -> list[np.ndarray]:
        pictures = [self.depth.picture(shot, self.background) for shot in seen]
        pairs = zip(pictures, self.labels, strict=True)
        return [pane(picture, f"depth of {label.title}") for picture, label in pairs]


def compose(
    labels: Sequence[Label],
    images: Sequence[Tensor],
    truth: Tensor | None,
    *,
    layout: str = "side-by-side",
    frame: int = 0,
    depths: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """[H, W, 3] uint8 of one view: `images` [H, W, 3], one for each label, beside `truth` or else
    the first of them; heat maps of what differs from it; then panes of `depths`. In one row where
    they are few, else in a row for each kind."""
    seen = [(label, readable(image)) for label, image in zip(labels, images, strict=True)]
    if truth is None:
        (label, reference), *seen = seen
        first = Shot(to_bytes(reference), label.title, label.subtitle, "reference")
    else:
        reference = readable(truth)
        first = Shot(to_bytes(reference), "truth", "photograph", "reference")
    others = [
        Shot(to_bytes(image), label.title, label.subtitle, _likeness(psnr(image, reference)))
        for label, image in seen
    ]
    pictures = LAYOUTS[layout](first, others, frame) or [first.pane()]
    errors = [pane(heat_map(image, reference), f"error of {label.title}") for label, image in seen]
    if len(pictures) + len(errors) + len(depths) <= ONE_ROW:
        return grid([[*pictures, *_level(errors, pictures)]])
    return grid([pictures, errors, depths])


def _likeness(decibels: float) -> str:
    return f"{decibels:.2f} dB" if math.isfinite(decibels) else "equal"


def _level(panes: Sequence[np.ndarray], beside: Sequence[np.ndarray]) -> list[np.ndarray]:
    """`panes` as high as those that they stand beside: their labels grow upwards."""
    if not panes:
        return []
    missing = beside[0].shape[0] - panes[0].shape[0]
    return [np.pad(p, ((missing, 0), (0, 0), (0, 0)), constant_values=p[0, 0, 0]) for p in panes]
