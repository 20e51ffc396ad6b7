"""vm: planes times lines, summed: TensoRF's vector-matrix decomposition (Chen et al. 2022)."""

from __future__ import annotations

from typing import Any, ClassVar

from .factorized_config import PVD, STUDENT
from .field import FactorizedField
from .initialize import initialize_factors


class VmField(FactorizedField):
    """Planes xy, xz, yz times lines z, y, x. Features [N, 1 + W]: raw density, appearance."""

    architecture = "vm"
    N_PLANES = 3
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
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
    }
    initialize_from = initialize_factors
