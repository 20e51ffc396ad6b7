"""TensorialConfig: the lattice of sparse voxels, and its sizes. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..choices import Choices
from ..later import later
from ..ranges import check_ranges

MAX_VOXELS = 1 << 23  # 0.9 GB of parameters
COARSE = 64  # cells along an axis of a new field, at most


@dataclass(frozen=True, kw_only=True)
class TensorialConfig:
    """The final lattice; a new field starts coarse, with all vertices stored.

    What is thin fills few cells, and needs them finer: `finer_voxels` are for that. Training from
    photographs ends at `resolution`.
    """

    resolution: int = 256  # final cells along each axis: a multiple of 4 up to 64, of 64 beyond
    color_activation: Literal["clamp", "sigmoid"] = "clamp"  # clamp: harmonics + 0.5, in [0, 1]
    density_activation: Literal["relu", "clamped_exp"] = later("relu")  # of log density (PVD)
    finer_voxels: int = later(0)  # a start may be up to twice as fine, with at most so many
    density_scale: float = later(2.0)  # of clamped_exp: density per longest edge is so many times

    def __post_init__(self):
        check_ranges(
            self,
            integers={"resolution": (4, 1024), "finer_voxels": (0, MAX_VOXELS)},
            numbers={"density_scale": (1e-6, 1e6)},
            choices={
                "color_activation": ("clamp", "sigmoid"),
                "density_activation": ("relu", "clamped_exp"),
            },
        )
        if self.resolution % (4 if self.resolution <= COARSE else COARSE):
            raise ValueError(
                f"resolution must be a multiple of 4 up to {COARSE} or of {COARSE} up to 1024, "
                f"got {self.resolution}"
            )
        if self.finer_voxels and self.resolution > 512:
            raise ValueError(f"finer_voxels need a resolution up to 512, got {self.resolution}")


PRESETS: dict[str, dict[str, Any]] = {
    "small": {"resolution": 128},
    "base": {"finer_voxels": 4_500_000},  # 500 MB; lego fills 2.1 M without them
    "large": {"resolution": 512},
    "medium": {"resolution": 256},  # half of base
    "pvd": {
        "resolution": 128,
        "color_activation": "sigmoid",
        "density_activation": "clamped_exp",
    },
}
TENSORIAL = Choices(TensorialConfig, PRESETS)
