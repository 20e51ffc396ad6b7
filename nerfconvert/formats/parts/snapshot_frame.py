"""Frame: how instant-ngp's unit cube lies in the world, from a snapshot or for one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ...adapters.hashgrid import HashgridConfig, HashgridField
from ...errors import UnsupportedError
from ...volume import Aabb
from .document import Document

SCALE, OFFSET = 0.33, 0.5  # of scenes that state none
MOST_SCALE = 128  # the program's largest aabb_scale
ORDER = {"xyz": (0, 1, 2), "yzx": (1, 2, 0)}  # the world's axes that are the cube's x, y, z
IMAGE = {"resolution": [800, 800], "focal_length": [1111.1, 1111.1], "principal_point": [0.5, 0.5]}


@dataclass(frozen=True)
class Frame:
    """The cube's point is the world's ``p * scale + offset``, with its axes in the order `axes`."""

    scale: float
    offset: tuple[float, float, float]  # of the world's axes
    axes: str
    aabb_scale: int
    stated_by: str

    @property
    def cube(self) -> Aabb:
        """The world box of the field: edge `aabb_scale` around the unit cube's center."""
        low, high = 0.5 - self.aabb_scale / 2, 0.5 + self.aabb_scale / 2
        return Aabb(*([(v - o) / self.scale for o in self.offset] for v in (low, high)))

    @property
    def up(self) -> list[float]:
        """The world's z axis."""
        return self._turned([0.0, 0.0, 1.0])

    def box(self, world: Aabb) -> dict[str, list[float]]:
        """A world box in the program's coordinates."""
        return {"min": self._to_cube(world.low), "max": self._to_cube(world.high)}

    def dataset(self, box: Aabb) -> dict[str, Any]:
        """The training set, of one made-up camera that looks along y at the cube's center."""
        back = 0.5 - 1.5 * self.aabb_scale
        camera = self._turned([[1.0, 0.0, 0.0, 0.5], [0.0, 0.0, 1.0, back], [0.0, -1.0, 0.0, 0.5]])
        return {
            "n_images": 1,
            "paths": [""],
            "metadata": [{**IMAGE, "lens": {}, "rolling_shutter": [0.0] * 4}],
            "xforms": [{"start": camera, "end": camera}],
            "render_aabb": self.box(box),
            "up": self.up,
            "offset": list(self.offset),
            "scale": self.scale,
            "aabb_scale": self.aabb_scale,
            "from_mitsuba": self.axes == "xyz",
            "envmap_resolution": [0, 0],
            "is_hdr": False,
            "wants_importance_sampling": True,
            "n_extra_learnable_dims": 0,
        }

    def _to_cube(self, point: tuple[float, float, float]) -> list[float]:
        return self._turned([v * self.scale + o for v, o in zip(point, self.offset, strict=True)])

    def _turned(self, rows: list[Any]) -> list[Any]:
        """Values by world axis as values by the cube's axis."""
        return [rows[axis] for axis in ORDER[self.axes]]


def reaches(aabb_scale: int) -> list[float]:
    """Edges of the occupancy's cascades in those of the field's cube, a power of two each."""
    cascades = aabb_scale.bit_length()
    return [2.0 ** (i + 1 - cascades) for i in range(cascades)]


def frame_from_document(nerf: Document) -> Frame:
    """The frame that a snapshot states. Raises ValueError for one that a field cannot have."""
    stated = "dataset" in nerf
    dataset = nerf.part("dataset") if stated else nerf
    aabb_scale = dataset.count("aabb_scale", 1)
    if not 1 <= aabb_scale <= MOST_SCALE or aabb_scale & (aabb_scale - 1):
        raise ValueError(f"aabb_scale is {aabb_scale}; expected a power of two up to {MOST_SCALE}")
    if dataset.get("is_hdr", bool, False):
        raise ValueError("its colors are HDR radiance; expected sRGB")
    learned = dataset.count("n_extra_learnable_dims", 0)
    if learned:
        raise ValueError(f"its colors depend on {learned} numbers that each image has; expected 0")
    scale = dataset.number("scale", SCALE)
    if not 1e-6 < scale < 1e6:
        raise ValueError(f"its world has the scale {scale}")
    return Frame(
        scale=scale,
        offset=tuple(dataset.numbers("offset", 3, [OFFSET] * 3)),
        axes="xyz" if dataset.get("from_mitsuba", bool, False) else "yzx",
        aabb_scale=aabb_scale,
        stated_by="the snapshot's dataset" if stated else "assumed: the program's defaults",
    )


def aabb_scale_of(config: HashgridConfig) -> int:
    """The `aabb_scale` that gives density the unit of a field of this config.

    Raises UnsupportedError for a config that the program cannot run.
    """
    for name, needed in (("layout", "tiny-cuda-nn"), ("density_activation", "exp")):
        found = getattr(config, name)
        if found != needed:
            raise UnsupportedError(
                f"an instant-ngp file cannot hold a hashgrid with {name} = {found}; it needs "
                f"{needed}"
            )
    aabb_scale = round(math.exp(config.density_shift)) if config.density_shift < 6 else 0
    known = 1 <= aabb_scale <= MOST_SCALE and not aabb_scale & (aabb_scale - 1)
    if not known or abs(config.density_shift - math.log(aabb_scale)) > 1e-9:
        raise UnsupportedError(
            f"an instant-ngp file cannot hold a hashgrid with density_shift = "
            f"{config.density_shift}; it needs the logarithm of 1, 2, 4, ... {MOST_SCALE}"
        )
    return aabb_scale


def frame_of(field: HashgridField) -> Frame:
    """The frame in which a field's box is the program's cube, or its lower part.

    Raises UnsupportedError for a field that the program cannot hold.
    """
    aabb_scale = aabb_scale_of(field.config)
    scale = aabb_scale / max(field.aabb.size)
    offset = tuple(0.5 - aabb_scale / 2 - low * scale for low in field.aabb.low)
    return Frame(scale, offset, field.config.axes, aabb_scale, "the field's box")
