"""Box and background of a field to be trained: as asked, else as the data has them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ..errors import UsageError
from ..options.groups import parse_corners
from ..options.per_command import TrainOptions
from ..renderer.scene import Scene
from ..renderer.scene_box import Found, find_background, find_box, inside
from ..volume import Aabb

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Placement:
    """The box and the background ("white" or "black"), each with the phrase that says from what."""

    box: Found
    background: Found
    views: int
    within: int  # of the cameras: they stand in the box

    def __str__(self) -> str:
        box, background = self.box, self.background
        low, high = (", ".join(f"{x:.4g}" for x in c) for c in (box.value.low, box.value.high))
        return (
            f"box ({low}) to ({high}) (from {box.origin}), with {self.within} of {self.views} "
            f"cameras in it; background {background.value} (from {background.origin})"
        )

    def document(self) -> dict[str, object]:
        """The `placement` block of the account of a training."""
        box = self.box.value
        return {
            "bounds": [list(box.low), list(box.high)],
            "bounds_from": self.box.origin,
            "background": self.background.value,
            "background_from": self.background.origin,
        }


def place(options: TrainOptions, scene: Scene) -> Placement:
    """Flags win over what `scene` has. Raises UsageError where neither tells."""
    found = find_background(scene.images)
    background = Found(options.background, "--background") if options.background else found
    if options.bounds:
        box = Found(parse_bounds(options.bounds), "--bounds")
    else:
        try:
            box = find_box(scene, found)
        except ValueError as error:
            raise UsageError(f"no box: {error}; give one with --bounds") from error
    within, views = inside(scene.cameras, box.value), len(scene.cameras)
    if within and (options.bounds or found.value == "white"):
        log.warning(
            "%d of %d cameras stand inside the box (from %s): what is between them and the object "
            "may fill with haze; a smaller box is asked for with --bounds",
            within, views, box.origin,
        )  # fmt: skip
    return Placement(box, background, views, within)


def parse_bounds(text: str) -> Aabb:
    """The box of '1.5' (half edge about the origin) or 'x,y,z,x,y,z'. Raises UsageError."""
    low, high = parse_corners(text)
    try:
        return Aabb(tuple(low), tuple(high))
    except ValueError as error:
        raise UsageError(f"--bounds must be a half edge or two corners: {error}") from error
