"""Looks: a browser's camera, and what it shows: fields, the wipe between two, a crop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..renderer.camera_files.capture import rotation_of
from ..renderer.cameras import Cameras
from ..volume import Aabb

MOST = 4096  # pixels of a side: what a browser says of its canvas is not believed beyond
TURN = (1.0, -1.0, -1.0)  # from axes of OpenCV, which the page has, to those of OpenGL


@dataclass(frozen=True, eq=False)
class Look:
    """A camera: its pose [4, 4], camera-to-world with OpenGL axes, its vertical field of view in
    radians, and its canvas in pixels."""

    pose: Tensor
    field_of_view: float
    width: int
    height: int

    @classmethod
    def of(
        cls,
        wxyz: Sequence[float],
        position: Sequence[float],
        field_of_view: float,
        size: tuple[int, int],
    ) -> Look:
        """Of a quaternion and a position with OpenCV axes, as the page sends them, and the (width,
        height) of its canvas. Raises ValueError where they are no camera."""
        numbers = [float(x) for x in (*wxyz, *position, field_of_view)]
        if len(numbers) != 8 or not all(map(math.isfinite, numbers)):
            raise ValueError(f"a camera must be 8 finite numbers, got {numbers}")
        if not 0.001 < numbers[7] < 3.1 or min(size) < 1:
            raise ValueError(f"not a camera: {numbers}, {size}")
        turn = torch.from_numpy(rotation_of(*numbers[:4]))
        pose = torch.eye(4)
        pose[:3, :3] = turn * torch.tensor(TURN)
        pose[:3, 3] = torch.tensor(numbers[4:7])
        return cls(pose, numbers[7], *(min(int(side), MOST) for side in size))

    def cameras(self, division: int) -> Cameras:
        """The camera with a canvas `division` times smaller."""
        width, height = (max(1, round(side / division)) for side in (self.width, self.height))
        focal = 0.5 * height / math.tan(0.5 * self.field_of_view)
        return Cameras(self.pose[None], width, height, focal)


@dataclass(frozen=True)
class Scenery:
    """What is shown: the field `first`, right of `edge` (a part of the width) the field `second`;
    of both what lies in `crop`, a box of the world."""

    first: int = 0
    second: int | None = None
    edge: float = 0.5
    crop: Aabb | None = None
