"""FactorizedConfig: configuration and sizes of vm and cp fields; TensoRF's choices and ours.

Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..choices import Choices, DensityActivation
from ..later import later
from ..ranges import check_flags, check_ranges

SH_DEGREE = 4  # bands of the direction's harmonics, input of the network
COLOR_BANDS = 3  # of colors without a network
WIDTHS = {"harmonics": 3 * COLOR_BANDS**2, "colors": 3}  # of features that no network decodes
SHADINGS = {
    "network_harmonics": lambda c: c.feature_width + SH_DEGREE**2,
    "network_frequencies": lambda c: (
        c.feature_width * (1 + 2 * c.feature_octaves) + 3 * (1 + 2 * c.view_octaves)
    ),
    "harmonics": lambda c: 0,
    "colors": lambda c: 0,
}  # inputs of the color network
# Gains over TensoRF's values, measured from images of a real scene after equal time: 4 dB by a
# narrow network on harmonics, 0.7 dB by exp, 0.7 dB by a coarser first resolution.
STUDENT = {
    "shading": "network_harmonics",
    "hidden_width": 64,
    "first_resolution": 64,
    "density_activation": "exp",
    "density_shift": -2.0,
    "density_scale": 1.0,
}
# The network of PVD (Fang et al. 2023, its released code); sizes of the factors beside it.
PVD: dict[str, Any] = {
    "shading": "network_harmonics",
    "hidden_width": 64,
    "feature_width": 15,
    "clamp_features": True,
    "biases": False,
    "density_activation": "clamped_exp",
    "density_shift": 0.0,
    "density_scale": 2.0,
}


@dataclass(frozen=True, kw_only=True)
class FactorizedConfig:
    """Sizes of factors and color network; the defaults are TensoRF's.

    Density is ``density_scale * activation(raw + density_shift)`` in units of the longest edge of
    the box, raw the sum of all products of the density components. `shading` is how features become
    color: by a network of features and the direction's harmonics ("network_harmonics"), by one of
    features and direction, each with its frequency encoding ("network_frequencies", TensoRF's
    MLP_Fea), as coefficients of spherical harmonics ("harmonics", TensoRF's SH), or as they are,
    the same in every direction ("colors", TensoRF's RGB).
    """

    resolution: int = 300  # samples along the longest edge
    first_resolution: int = 128  # where training from images starts
    density_components: int = 16  # products, of each mode
    appearance_components: int = 48
    feature_width: int = 27  # appearance features
    density_activation: DensityActivation = "softplus"
    density_shift: float = -10.0
    density_scale: float = 75.0
    shading: Literal["network_harmonics", "network_frequencies", "harmonics", "colors"] = (
        "network_frequencies"
    )
    view_octaves: int = 2  # of network_frequencies
    feature_octaves: int = 2
    hidden_width: int = 128  # of the two hidden layers
    biases: bool = later(True)  # of the network; PVD has none
    clamp_features: bool = later(False)  # True: all, to the range of log density (PVD)
    lowest_frequency: float = later(1.0)  # of both encodings; nerfstudio: 2 pi
    frequency_spacing: float = later(1.0)  # octaves from one frequency to the next; nerfstudio: 2

    def __post_init__(self):
        check_ranges(
            self,
            integers={
                "resolution": (2, 4096),
                "first_resolution": (2, 4096),
                "density_components": (1, 1024),
                "appearance_components": (1, 1024),
                "feature_width": (1, 128),
                "view_octaves": (0, 16),
                "feature_octaves": (0, 16),
                "hidden_width": (8, 256),
            },
            numbers={
                "density_shift": (-1e6, 1e6),
                "density_scale": (1e-6, 1e6),
                "lowest_frequency": (1e-3, 1e3),
                "frequency_spacing": (0.01, 4),
            },
            choices={"density_activation": get_args(DensityActivation), "shading": SHADINGS},
        )
        check_flags(self, "biases", "clamp_features")
        if self.feature_width != WIDTHS.get(self.shading, self.feature_width):
            wanted = WIDTHS[self.shading]
            raise ValueError(f"feature_width must be {wanted} for shading {self.shading}")


VM = Choices(
    FactorizedConfig,
    {
        "small": {
            **STUDENT,
            "resolution": 192,
            "density_components": 4,
            "appearance_components": 12,
        },
        "base": {
            **STUDENT,
            "resolution": 320,
            "density_components": 8,
            "appearance_components": 24,
        },
        "large": {**STUDENT, "resolution": 400},
        "tensorf": {},
        "pvd": {**PVD, "first_resolution": 300},
    },
)
# As many products for density as for color, not a third as TensoRF: what cp loses is shape (lego:
# 34.9 dB with the source's colors, 39.9 with its density). In the same time it gains 1 dB.
CP = Choices(
    FactorizedConfig,
    {
        "small": {
            **STUDENT,
            "resolution": 300,
            "density_components": 96,
            "appearance_components": 96,
        },
        "base": {
            **STUDENT,
            "resolution": 500,
            "density_components": 192,
            "appearance_components": 192,
        },
        "large": {
            **STUDENT,
            "resolution": 500,
            "density_components": 384,
            "appearance_components": 384,
        },
        "tensorf": {"resolution": 500, "density_components": 96, "appearance_components": 288},
        "pvd": {
            **PVD,
            "resolution": 500,
            "first_resolution": 500,
            "density_components": 96,
            "appearance_components": 288,
        },  # the papers have no cp: TensoRF's factors with their network
    },
)
