"""cp: products of three lines, summed: TensoRF's CP decomposition (Chen et al. 2022)."""

from __future__ import annotations

from typing import Any, ClassVar

from .factorized_config import PVD, STUDENT
from .field import FactorizedField
from .initialize import initialize_factors


class CpField(FactorizedField):
    """Lines z, y, x, multiplied. Features [N, 1 + W]: raw density, appearance."""

    architecture = "cp"
    N_PLANES = 0
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {
            **STUDENT,
            "resolution": 300,
            "density_components": 48,
            "appearance_components": 144,
        },
        "base": {
            **STUDENT,
            "resolution": 500,
            "density_components": 96,
            "appearance_components": 288,
        },
        "large": {
            **STUDENT,
            "resolution": 500,
            "density_components": 192,
            "appearance_components": 576,
        },
        "tensorf": {"resolution": 500, "density_components": 96, "appearance_components": 288},
        "pvd": {
            **PVD,
            "resolution": 500,
            "first_resolution": 500,
            "density_components": 96,
            "appearance_components": 288,
        },  # the papers have no cp: TensoRF's factors with their network
    }
    initialize_from = initialize_factors
