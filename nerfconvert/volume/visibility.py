"""Visibility: directions of view, and transmittance along them from points to the cameras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Visibility:
    """K directions of view that stand for all cameras of a scene.

    `transmittance(positions)` [N, K] in [0, 1]: from world positions [N, 3] against `directions[k]`
    to a camera. It is 0 behind opaque matter and where there is no camera.
    """

    directions: Tensor  # [K, 3] unit, of view: from a camera towards the scene
    transmittance: Callable[[Tensor], Tensor]
