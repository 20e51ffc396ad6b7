"""Sight: from which directions places of a scene are looked at, and which of them see what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Sight:
    """K directions of view that stand for all cameras of a scene.

    `visible(positions)` tells for world positions [N, 3] how much light [N, K] in [0, 1] leaves
    each of them against `directions[k]` and reaches a camera: 0 behind opaque matter, and 0 where
    no camera stands.
    """

    directions: Tensor  # [K, 3] unit, of view: from a camera towards the scene
    visible: Callable[[Tensor], Tensor]
