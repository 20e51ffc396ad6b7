"""harmonics_shift: the harmonics that nerfstudio computes without tiny-cuda-nn, by the usual ones.

All signs are positive, and for a direction d they get ``(d + 1) / 2``: polynomials of d of the same
degree, so they are sums of the usual harmonics of d.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..kernels.spherical_harmonics import spherical_harmonics_reference

BANDS = 4


@functools.cache
def harmonics_shift() -> Tensor:
    """[16, 16] float64: the program's harmonics of a direction are this times the usual ones."""
    generator = torch.Generator().manual_seed(0)
    given = normalize(torch.randn(128, 3, generator=generator, dtype=torch.float64), dim=1)
    usual = spherical_harmonics_reference(given, BANDS)
    return torch.linalg.lstsq(usual, positive_harmonics((given + 1) / 2)).solution.T


def positive_harmonics(points: Tensor) -> Tensor:
    """[N, 16]: nerfstudio's polynomials of [N, 3], which are harmonics where these are unit."""
    x, y, z = points.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    one, root = torch.ones_like(x), math.sqrt(1 / math.pi)
    first, second = root * math.sqrt(3) / 2, root * math.sqrt(15) / 2
    third = root * math.sqrt(35 / 32), root * math.sqrt(105) / 2, root * math.sqrt(21 / 32)
    basis = [
        *(root / 2 * one, first * y, first * z, first * x),
        *(second * x * y, second * y * z, root * math.sqrt(5) / 4 * (3 * zz - 1)),
        *(second * x * z, second / 2 * (xx - yy)),
        *(third[0] * y * (3 * xx - yy), third[1] * x * y * z, third[2] * y * (5 * zz - 1)),
        root * math.sqrt(7) / 4 * z * (5 * zz - 3),
        *(third[2] * x * (5 * zz - 1), third[1] / 2 * z * (xx - yy)),
        third[0] * x * (xx - 3 * yy),
    ]
    return torch.stack(basis, -1)
