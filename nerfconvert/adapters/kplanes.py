"""kplanes: products of three planes, at several resolutions (K-Planes, Fridovich-Keil et al. 2023);
read only.

Behind the products come two networks, as behind a hash grid, or, "explicit", a sum for density and
for color a network that makes a basis of the direction alone.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ..kernels.fused_mlp import fused_mlp
from ..volume import FieldInfo, RadianceField, at_once, in_parts
from . import joint
from .activations import DENSITY
from .dense import frozen
from .ranges import check_flags, check_ranges

PLANES = ((0, 1), (0, 2), (1, 2))  # axes of each
CHUNK = 1 << 15  # points of one look-up on a CPU
NUMBERS = 1 << 30  # of all planes; a scene of 128, 256, 512 has 33 million
HIDDEN = {"density": 64, "color": 64, "basis": 128}  # neurons of the program's networks


@dataclass(frozen=True, kw_only=True)
class KplanesConfig:
    """Sizes of planes and networks. Density is ``activation(raw + density_shift)`` per world unit.

    The products of all scales lie side by side, or are summed.
    """

    resolutions: tuple[tuple[int, int, int], ...]  # nodes along x, y, z of each scale
    features: int = 32  # of a plane
    side_by_side: bool = True
    explicit: bool = False
    basis_layers: int = 4  # hidden layers of the explicit basis
    density_activation: Literal["exp", "relu"] = "exp"
    density_shift: float = -1.0

    def __post_init__(self):
        object.__setattr__(self, "resolutions", tuple(tuple(r) for r in self.resolutions))
        check_ranges(
            self,
            integers={"features": (1, 256), "basis_layers": (1, 9)},
            numbers={"density_shift": (-1e6, 1e6)},
            choices={"density_activation": ("exp", "relu")},
        )
        check_flags(self, "side_by_side", "explicit")
        for sizes in self.resolutions:
            if len(sizes) != 3 or not all(type(n) is int and 2 <= n <= 8192 for n in sizes):
                raise ValueError(f"resolutions must be triples of 2..8192, got {sizes}")
        count = sum(sizes[a] * sizes[b] for sizes in self.resolutions for a, b in PLANES)
        if not 1 <= len(self.resolutions) <= 16 or count * self.features > NUMBERS:
            raise ValueError(f"resolutions {self.resolutions}: 1 to 16, of {NUMBERS} numbers")

    @property
    def products(self) -> int:
        """Numbers that the planes give for a point."""
        return self.features * (len(self.resolutions) if self.side_by_side else 1)


class KplanesField(RadianceField):
    """Features: raw density, then 15 inputs of the color network, or the products where it is
    explicit. Parameters never require gradients."""

    architecture = "kplanes"
    Config = KplanesConfig

    def __init__(self, config: KplanesConfig, info: FieldInfo):
        super().__init__(info)
        self.config, count = config, config.products
        self.feature_dim = 1 + count if config.explicit else joint.FEATURES
        self.planes = frozen(
            torch.zeros(config.features, sizes[b], sizes[a])
            for sizes in config.resolutions
            for a, b in PLANES
        )
        seen = 3 + 1 if config.explicit else joint.FEATURES - 1 + joint.SH_DEGREE**2
        color = [seen, *[HIDDEN["color"]] * 2, 3]
        if config.explicit:
            color = [seen, *[HIDDEN["basis"]] * config.basis_layers, 3 * count]
        density = [count, 1] if config.explicit else [count, HIDDEN["density"], joint.FEATURES]
        self.density_weights = frozen(torch.zeros(b, a) for a, b in itertools.pairwise(density))
        self.color_weights = frozen(torch.zeros(b, a) for a, b in itertools.pairwise(color))

    @torch.no_grad()
    def encode(self, positions: Tensor) -> Tensor:
        chunk = at_once(CHUNK, positions.device, 16 * self.config.products + 512)
        return in_parts(self._features, chunk, positions)

    def _features(self, positions: Tensor) -> Tensor:
        """[n, F] of world positions [n, 3]."""
        unit = self.aabb.to_unit(positions) * 2 - 1
        scales = []
        for first in range(0, len(self.planes), len(PLANES)):
            parts = [sampled(self.planes[first + i], unit[:, p]) for i, p in enumerate(PLANES)]
            scales.append(math.prod(parts))
        products = torch.cat(scales, 1) if self.config.side_by_side else sum(scales)
        raw = fused_mlp(products, list(self.density_weights))
        return torch.cat([raw, products], 1) if self.config.explicit else raw

    def density(self, features: Tensor) -> Tensor:
        raw = features[:, 0] + self.config.density_shift
        return DENSITY[self.config.density_activation](raw)

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        if not self.config.explicit:
            return joint.color(features[:, 1:], directions, self.color_weights)
        inputs = torch.cat([directions, torch.ones_like(directions[:, :1])], 1)
        basis = fused_mlp(inputs, list(self.color_weights)).unflatten(1, (3, -1))
        return (basis * features[:, None, 1:]).sum(-1).sigmoid()


def sampled(plane: Tensor, places: Tensor) -> Tensor:
    """[N, C] of a plane [C, B, A] at places [N, 2] in [-1, 1], first axis first; the outermost
    nodes lie on the box, and beyond them nothing changes."""
    grid = places[None, :, None]
    found = grid_sample(plane[None], grid, padding_mode="border", align_corners=True)
    return found[0, :, :, 0].T
