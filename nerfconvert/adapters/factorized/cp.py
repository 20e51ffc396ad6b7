"""cp: products of three lines, summed: TensoRF's CP decomposition (Chen et al. 2022)."""

from __future__ import annotations

from .field import FactorizedField
from .initialize import initialize_factors


class CpField(FactorizedField):
    """Lines z, y, x, multiplied. Features [N, 1 + W]: raw density, appearance."""

    architecture = "cp"
    N_PLANES = 0
    initialize_from = initialize_factors
