"""PpngConfig: sizes of a Plenoptic PNG. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from .choices import Choices
from .later import later
from .ranges import check_ranges

VOLUME_LIMIT = 1 << 25  # numbers of all expanded volumes; real files need 16 million
PRODUCT_LIMIT = 1 << 28  # numbers of the products that are summed up in them


@dataclass(frozen=True, kw_only=True)
class PpngConfig:
    """Sizes of the factors: `factor_dimensions` 1 stores three lines per volume, 2 three planes."""

    frequencies: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    factor_dimensions: Literal[1, 2] = 2
    resolution: int = 80  # samples along a line or the side of a plane
    rank: int = 2
    channels: int = 4
    levels: int = later(1)  # cubes of occupancy, each twice as wide as the one before
    cells: int = later(128)  # along an edge of each, where there are several

    def __post_init__(self):
        object.__setattr__(self, "frequencies", tuple(float(f) for f in self.frequencies))
        if not 1 <= len(self.frequencies) <= 16 or not all(map(math.isfinite, self.frequencies)):
            raise ValueError(f"frequencies must be 1 to 16 finite numbers, got {self.frequencies}")
        if self.factor_dimensions not in (1, 2):
            raise ValueError(f"factor_dimensions must be 1 or 2, got {self.factor_dimensions!r}")
        check_ranges(self, integers={"resolution": (2, 256), "rank": (1, 256), "channels": (1, 64)})
        check_ranges(self, integers={"levels": (1, 8), "cells": (4, 512)})
        if self.cells % 4:
            raise ValueError(f"cells must be a multiple of 4, got {self.cells}")
        expanded = 2 * len(self.frequencies) * self.resolution**3 * self.channels
        if expanded > VOLUME_LIMIT:
            raise ValueError(f"the volumes would hold {expanded} numbers; at most {VOLUME_LIMIT}")
        if self.rank * expanded > PRODUCT_LIMIT:
            raise ValueError(
                f"the volumes would be sums of {self.rank * expanded} products; at most "
                f"{PRODUCT_LIMIT}"
            )

    @property
    def factor_shape(self) -> tuple[int, ...]:
        """[axis or plane, volume, samples (1 or 2 axes), rank, channel]."""
        sides = (self.resolution,) * self.factor_dimensions
        return (3, 2 * len(self.frequencies), *sides, self.rank, self.channels)


PRESETS: dict[str, dict[str, Any]] = {
    "small": {"factor_dimensions": 1, "rank": 8},  # the program's qff_type 1
    "base": {},  # its qff_type 2
    "large": {"rank": 4},
}
PPNG = Choices(PpngConfig, PRESETS)
