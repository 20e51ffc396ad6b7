"""Contraction: all of space pressed into a ball or cube of twice the radius of what stays as it is.

Barron et al. 2022 (mip-NeRF 360) with the 2-norm, nerfstudio with the largest coordinate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .on_device import constant

FARTHEST = 1e4  # radii: what is farther counts as there; float32 cannot tell it from infinity


@dataclass(frozen=True)
class Contraction:
    """``c + r f((x - c) / r)`` of a world point x: f keeps |x| <= 1, else ``(2 - 1/|x|) x/|x|``.

    `norm` is "inf" (the largest coordinate: cubes) or "2" (balls); `center` and `radius` (world
    units) are what stays as it is. So all of space lies within 2 `radius` of the center. Raises
    ValueError for other norms, and numbers that are not finite or a radius that is not positive.
    """

    norm: Literal["inf", "2"] = "inf"
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius: float = 1.0

    def __post_init__(self):
        if self.norm not in ("inf", "2"):
            raise ValueError(f"norm of a contraction must be inf or 2, got {self.norm!r}")
        center, radius = tuple(float(v) for v in self.center), float(self.radius)
        if len(center) != 3 or not all(map(math.isfinite, (*center, radius))) or radius <= 0:
            raise ValueError(
                f"a contraction needs a finite center and radius > 0, got {center} and {radius}"
            )
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "radius", radius)

    def contract(self, positions: Tensor) -> Tensor:
        """World [..., 3] to contracted space."""
        local, size = self._local(positions)
        far = size.clamp_min(1)  # also keeps 1 / size finite where it does not count
        return self._at(torch.where(size > 1, (2 - 1 / far) / far * local, local))

    def expand(self, contracted: Tensor) -> Tensor:
        """The inverse of `contract`; what lies at infinity or beyond comes to `FARTHEST`."""
        local, size = self._local(contracted)
        rest = (2 - size).clamp(1 / FARTHEST, 1)
        return self._at(torch.where(size > 1, local / (size.clamp_min(1) * rest), local))

    def reach(self, offset: Sequence[float]) -> float:
        """Distance (world units, in its norm) of what contracted space has at `offset` from the
        center; `FARTHEST` radii at infinity and beyond."""
        size = max(offset) if self.norm == "inf" else math.hypot(*offset)
        size /= self.radius
        return self.radius * (size if size <= 1 else 1 / max(2 - size, 1 / FARTHEST))

    def stretch(self, positions: Tensor) -> Tensor:
        """[...]: world length per contracted length at world [..., 3], along the way outwards,
        where it is largest."""
        return self._local(positions)[1][..., 0].clamp_min(1).square()

    def _local(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """[..., 3] from the center in radii, and its norm [..., 1]."""
        local = (positions - constant(self.center, positions)) / self.radius
        if self.norm == "inf":  # vector_norm takes 30 times as long for rows of three
            return local, local.abs().amax(-1, keepdim=True)
        return local, torch.linalg.vector_norm(local, dim=-1, keepdim=True)

    def _at(self, local: Tensor) -> Tensor:
        return local * self.radius + constant(self.center, local)
