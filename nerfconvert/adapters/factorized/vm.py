"""vm: planes times lines, summed: TensoRF's vector-matrix decomposition (Chen et al. 2022)."""

from __future__ import annotations

from .field import FactorizedField
from .initialize import initialize_factors


class VmField(FactorizedField):
    """Planes xy, xz, yz times lines z, y, x. Features [N, 1 + W]: raw density, appearance."""

    architecture = "vm"
    N_PLANES = 3
    initialize_from = initialize_factors
