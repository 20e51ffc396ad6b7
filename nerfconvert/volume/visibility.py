"""Visibility: from which directions places of a scene are looked at, and which of them see what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Visibility:
    """K directions of view that stand for all cameras of a scene.

    `transmittance(positions)` [N, K] in [0, 1] is, for world positions [N, 3], the part of the
    light leaving each against `directions[k]` that reaches a camera: 0 behind opaque matter, and 0
    where no camera stands.
    """

    directions: Tensor  # [K, 3] unit, of view: from a camera towards the scene
    transmittance: Callable[[Tensor], Tensor]
