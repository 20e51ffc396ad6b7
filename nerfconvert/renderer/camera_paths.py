"""Camera paths for videos: an orbit about the occupied box, a spiral, or the cameras of a file."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from ..errors import FormatError, UsageError
from ..files import tomllib
from ..volume import RadianceField
from .cameras import Cameras, focal_of, look_at, on_circle
from .drawn_cameras import native_frame, spiral, tour
from .framing import framed
from .scene import read_scene

log = logging.getLogger(__name__)
SIZE = (400, 400)  # pixels: width, height
ROUNDS, LOWEST, HIGHEST = 2, 5.0, 60.0  # of a spiral about a field; degrees above the horizon


@dataclass(frozen=True, kw_only=True)
class Orbit:
    """A circle about what is occupied; `scenes/orbit.toml` holds these values."""

    elevation: float = 25.0  # degrees above the horizon
    field_of_view: float = 40.0  # degrees, horizontal
    radius_factor: float = 1.05  # of the distance at which nearly all that is occupied just fits

    def __post_init__(self):
        if not -90 < self.elevation < 90:
            raise ValueError(f"elevation must lie in -90..90 degrees, got {self.elevation}")
        if not 1 <= self.field_of_view <= 170:
            raise ValueError(f"field_of_view must be 1..170 degrees, got {self.field_of_view}")
        if not 0 < self.radius_factor <= 100:
            raise ValueError(f"radius_factor must lie in 0..100, got {self.radius_factor}")


def camera_path(
    field: RadianceField,
    file: Path | None,
    frames: int,
    size: tuple[int, int] | None,
    frame: str | None = None,
) -> Cameras:
    """The cameras of `file` (any with cameras; `frames` of one with keyframes) whose poses are
    in `frame` (by default that of its kind), or `frames` of an orbit (the default, or a .toml).

    Raises FormatError for a bad file.
    """
    if file is not None and file.suffix != ".toml":
        return read_scene(
            file,
            resolution=size,
            images=False,
            frames=frames,
            frame=frame,
            provenance=field.info.provenance,
        ).cameras
    path = None if file is None else read_orbit(file)
    return orbit(field, frames, size=size or native_frame(field, max(SIZE)), path=path)


def orbit(
    field: RadianceField,
    frames: int = 48,
    *,
    size: tuple[int, int] = SIZE,
    path: Orbit | None = None,
) -> Cameras:
    """`frames` cameras of `size` (width, height) pixels on a circle about what `field` occupies,
    or beside the reference camera of a forward-facing one. Raises UsageError for a `path` about
    that, which is seen from one side only."""
    if field.info.frustum is not None and path is not None:
        raise UsageError("an orbit goes around, but a forward-facing field has no other side")
    if field.occupancy.bounds() is None:
        log.warning("the field is empty: no cell of its box holds density")
    if field.info.frustum is not None and path is None:
        return spiral(field.info.frustum, frames, size)
    if field.info.viewpoints and path is None:
        return tour(torch.tensor(field.info.viewpoints), frames, size)
    path = path or Orbit()
    center, distance = framed(field, path.field_of_view)
    return on_circle(
        center,
        path.radius_factor * distance,
        frames,
        elevation=path.elevation,
        size=size,
        field_of_view=path.field_of_view,
    )


def rising(field: RadianceField, frames: int, size: tuple[int, int] | None = None) -> Cameras:
    """`frames` cameras on a closed spiral about what `field` occupies: two rounds, up and down. Of
    an unbounded or a forward-facing field as `orbit`."""
    size = size or native_frame(field, max(SIZE))
    if not field.info.bounded:
        return orbit(field, frames, size=size)
    view = Orbit()
    center, distance = framed(field, view.field_of_view)
    part = torch.arange(frames) / frames
    turn = part * (2 * math.pi * ROUNDS)
    up = 0.5 - 0.5 * (2 * math.pi * part).cos()
    height = torch.deg2rad(LOWEST + (HIGHEST - LOWEST) * up)
    ring = torch.stack([turn.cos() * height.cos(), turn.sin() * height.cos(), height.sin()], -1)
    middle = torch.tensor(center)
    eyes = middle + view.radius_factor * distance * ring
    return Cameras(look_at(eyes, middle), *size, focal_of(size[0], view.field_of_view))


def read_orbit(file: Path) -> Orbit:
    """The orbit that a TOML file describes. Raises FormatError."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        known = [field.name for field in fields(Orbit)]
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"unknown keys {', '.join(unknown)} (known: {', '.join(known)})")
        return Orbit(**values)
    except (OSError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise FormatError(file, f"not a camera orbit: {error}") from error
