"""HashgridConfig: sizes of a hash grid. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from .choices import Choices
from .later import later
from .ranges import check_flags, check_ranges

AXES = ("xyz", "yzx")
LAYOUTS = ("tiny-cuda-nn", "torch-ngp")
ACTIVATIONS = ("exp", "clamped_exp")


@dataclass(frozen=True, kw_only=True)
class HashgridConfig:
    """Sizes of the grid and its networks; the defaults are instant-ngp's conventions.

    Density is ``activation(raw) * exp(density_shift)`` in units of the longest edge of the box.
    Grid and directions turn with `axes`.
    """

    n_levels: int = 16  # resolutions, geometric from base to finest
    features_per_level: int = 2
    log2_table_size: int = 18  # entries a level at most, as a power of two
    base_resolution: int = 16  # cells along the longest edge, coarsest level
    finest_resolution: float = 512  # the same, finest level; levels between are geometric
    hidden_width: int = 64  # of both networks
    density_layers: int = 1  # hidden layers of the density network
    color_layers: int = 2  # hidden layers of the color network
    density_in_color: bool = later(True)  # whether the color network gets raw density as well
    density_activation: Literal["exp", "clamped_exp"] = later("exp")
    density_shift: float = later(0.0)  # of log density
    axes: Literal["xyz", "yzx"] = later("xyz")  # of the world, that are x, y, z of the grid
    layout: Literal["tiny-cuda-nn", "torch-ngp"] = later("tiny-cuda-nn")  # of the table's levels

    def __post_init__(self):
        check_ranges(
            self,
            integers={
                "n_levels": (1, 32),
                "features_per_level": (1, 8),
                "log2_table_size": (8, 24),
                "base_resolution": (2, 1024),
                "hidden_width": (8, 256),
                "density_layers": (0, 8),
                "color_layers": (0, 8),
            },
            numbers={"finest_resolution": (2, 1 << 19), "density_shift": (-30, 30)},
            choices={"density_activation": ACTIVATIONS, "axes": AXES, "layout": LAYOUTS},
        )
        check_flags(self, "density_in_color")
        if self.finest_resolution < self.base_resolution:
            raise ValueError("finest_resolution must not be below base_resolution")
        if self.features_per_level not in (1, 2, 4, 8):
            raise ValueError(
                f"features_per_level must be 1, 2, 4 or 8, got {self.features_per_level}"
            )


PRESETS: dict[str, dict[str, Any]] = {
    "small": {"log2_table_size": 15, "finest_resolution": 256},
    "base": {},
    "large": {"log2_table_size": 20, "finest_resolution": 2048},
    "instant-ngp": {
        "n_levels": 8,
        "features_per_level": 4,
        "log2_table_size": 19,
        "finest_resolution": 2048,
        "axes": "yzx",
    },
    "torch-ngp": {
        "log2_table_size": 19,
        "finest_resolution": 2048,
        "density_in_color": False,
        "density_shift": math.log(2),
        "axes": "yzx",
        "layout": "torch-ngp",
    },
    "pvd": {
        "n_levels": 14,
        "log2_table_size": 19,
        "finest_resolution": 2048,
        "density_in_color": False,
        "density_activation": "clamped_exp",
        "density_shift": math.log(2),
        "layout": "torch-ngp",
    },
}
HASHGRID = Choices(HashgridConfig, PRESETS)
