"""Painter: what a browser's camera sees, at any fraction of its size, as quickly as can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..renderer.crop import cropped
from ..renderer.image import rays_at_once, render_rays
from ..renderer.panes import to_bytes
from ..volume import RadianceField, Rays
from .looks import Look, Scenery

CHUNK = 4096  # rays between two looks at whether anybody still waits for the picture
QUICK = 0.08  # seconds that a picture may take while the camera moves
COARSEST = 16  # of a canvas, along each side
FAINT = 0.02  # opacity below which nothing is to be seen
SOLID = 0.5  # opacity that hides shapes behind it
REACH = 160.0  # world units: the page packs distances up to a little more into 24 bits
LINE = 0.55  # gray of the line between two fields


@dataclass(frozen=True)
class Painted:
    """A picture [h, w, 3] uint8, what part of the canvas it is along a side, and whether anything
    is in sight; `depth` [h, w] float32 along the camera's axis in world units, at least `REACH`
    where nothing hides what is behind it, or None where distances are too long or no world's."""

    image: np.ndarray
    depth: np.ndarray | None
    division: int
    anything: bool
    seconds: float


class Painter:
    """Paints `fields` on a gray `background`; knows how fast that went."""

    def __init__(self, fields: Sequence[RadianceField], background: float):
        self.fields, self.background = fields, background
        self._pace = 2e-5  # seconds a ray: a guess on the slow side, until the first picture

    def quick_division(self, look: Look) -> int:
        """By what to divide the sides of the canvas, a power of 2, so that it takes no longer than
        `QUICK`, as far as can be told."""
        division = 1
        while division < COARSEST:
            if look.width * look.height * self._pace <= QUICK * division**2:
                break
            division *= 2
        return division

    def paint(
        self, look: Look, scenery: Scenery, division: int, unwanted: Callable[[], bool]
    ) -> Painted | None:
        """The canvas of `look` with its sides divided by `division`; None as soon as it is found to
        be `unwanted`."""
        begun = time.perf_counter()
        cameras = look.cameras(division)
        shape = cameras.height, cameras.width
        edge = cameras.width
        if scenery.second is not None:
            edge = round(cameras.width * min(max(scenery.edge, 0.0), 1.0))
        rgb = torch.full((*shape, 3), self.background)
        opacity, depth = torch.zeros(shape), torch.full(shape, 2 * REACH)
        parts = (scenery.first, slice(0, edge)), (scenery.second, slice(edge, None))
        for number, columns in parts:
            if columns.start == cameras.width or columns.stop == 0:
                continue
            field = self.fields[number]
            rays = cropped(cameras.view_rays(0, field.info.pixel_shift), scenery.crop)
            index = torch.arange(len(rays)).view(shape)[:, columns]
            seen = self._seen(field, rays[index.flatten()], unwanted)
            if seen is None:
                return None
            rgb[:, columns] = seen[0].view(*index.shape, 3)
            opacity[:, columns] = seen[1].view(index.shape)
            along = rays.directions[index.flatten()] @ -look.pose[:3, 2]
            distance = torch.where(seen[1] > SOLID, along * seen[2] / seen[1], 2 * REACH)
            depth[:, columns] = distance.view(index.shape)
        if 0 < edge < cameras.width:
            rgb[:, edge - 1] = LINE
        seconds = time.perf_counter() - begun
        self._pace += 0.5 * (seconds / opacity.numel() - self._pace)
        shown = [self.fields[number] for number, _ in parts if number is not None]
        told = depth.numpy() if all(_within_reach(field, look) for field in shown) else None
        anything = bool((opacity > FAINT).any())
        return Painted(to_bytes(rgb), told, division, anything, seconds)

    def _seen(
        self, field: RadianceField, rays: Rays, unwanted: Callable[[], bool]
    ) -> tuple[Tensor, ...] | None:
        """Colors [R, 3], opacity [R] and depth [R] on the CPU; None where nobody waits for them."""
        parts, chunk = [], rays_at_once(field, CHUNK)
        for start in range(0, len(rays), chunk):
            if unwanted():
                return None
            part = rays[start : start + chunk].to(field.device)
            parts.append(render_rays(field, part, background=self.background, fast=True))
        names = "rgb", "opacity", "depth"
        return tuple(torch.cat([getattr(p, n) for p in parts]).cpu() for n in names)


def _within_reach(field: RadianceField, look: Look) -> bool:
    """Whether all of a field's box is a part of the world nearer than `REACH`."""
    corners = torch.tensor([field.aabb.low, field.aabb.high])
    farthest = (corners - look.pose[:3, 3]).abs().amax(0).norm()
    return field.info.bounded and bool(farthest < REACH)
