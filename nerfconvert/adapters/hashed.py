"""hashed: a hash grid without dense levels and two networks with biases; read only.

nerfstudio's nerfacto where tiny-cuda-nn is missing: another field than with it. Every level is
hashed, however coarse, and a place's index is ``unit * resolution``, without half a cell.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from ..kernels.fused_mlp import fused_mlp
from ..kernels.hash_encode import PRIMES
from ..kernels.spherical_harmonics import spherical_harmonics
from ..volume import FieldInfo, RadianceField, at_once, constant, in_parts
from .activations import DENSITY
from .dense import frozen
from .joint import FEATURES, SH_DEGREE
from .ranges import check_ranges

CHUNK = 1 << 15  # points of one look-up on a CPU
FINEST = 1 << 19  # cells along an axis


@dataclass(frozen=True, kw_only=True)
class HashedConfig:
    """Sizes of grid and networks. Density is ``density_scale * exp(raw)`` per world unit."""

    resolutions: tuple[int, ...]  # cells along an edge of the box, of each level
    features_per_level: int = 2
    log2_table_size: int = 19  # entries of every level, as a power of two
    density_width: int = 64  # of the one hidden layer of the density network
    color_width: int = 64  # of the two of the color network
    density_scale: float = 1.0

    def __post_init__(self):
        object.__setattr__(self, "resolutions", tuple(self.resolutions))
        check_ranges(
            self,
            integers={
                "features_per_level": (1, 16),
                "log2_table_size": (1, 24),
                "density_width": (1, 1024),
                "color_width": (1, 1024),
            },
            numbers={"density_scale": (1e-9, 1e9)},
        )
        found = self.resolutions
        known = all(type(n) is int and 1 <= n <= FINEST for n in found)
        if not known or not 1 <= len(found) <= 32:
            raise ValueError(f"resolutions must be 1 to 32 integers in 1..{FINEST}, got {found}")


class HashedField(RadianceField):
    """Features [N, 16]: raw density, then inputs of the color network, behind which come the
    direction's harmonics. Parameters never require gradients."""

    architecture = "hashed"
    Config = HashedConfig
    feature_dim = FEATURES

    def __init__(self, config: HashedConfig, info: FieldInfo):
        super().__init__(info)
        self.config = config
        levels, width = len(config.resolutions), config.features_per_level
        rows = levels << config.log2_table_size
        self.table = nn.Parameter(torch.zeros(rows, width), requires_grad=False)
        inputs = FEATURES - 1 + SH_DEGREE**2
        density = (levels * width, config.density_width, FEATURES)
        color = (inputs, config.color_width, config.color_width, 3)
        for name, sizes in (("density", density), ("color", color)):
            pairs = list(itertools.pairwise(sizes))
            weights = frozen(torch.zeros(out, into) for into, out in pairs)
            self.add_module(f"{name}_weights", weights)
            self.add_module(f"{name}_biases", frozen(torch.zeros(out) for _, out in pairs))

    @torch.no_grad()
    def encode(self, positions: Tensor) -> Tensor:
        chunk = at_once(CHUNK, positions.device, 256 * len(self.config.resolutions) + 512)
        return in_parts(self._features, chunk, positions)

    def _features(self, positions: Tensor) -> Tensor:
        unit = self.aabb.to_unit(positions).clamp(0, 1)
        levels = self.table.unflatten(0, (len(self.config.resolutions), -1))
        found = [look_up(unit * n, level) for n, level in zip(self.config.resolutions, levels)]
        weights, biases = list(self.density_weights), list(self.density_biases)
        return fused_mlp(torch.cat(found, 1), weights, biases)

    def density(self, features: Tensor) -> Tensor:
        return DENSITY["exp"](features[:, 0]) * self.config.density_scale

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        seen = spherical_harmonics(directions, SH_DEGREE)
        inputs = torch.cat([features[:, 1:], seen], 1)
        return fused_mlp(inputs, list(self.color_weights), list(self.color_biases)).sigmoid()


def look_up(places: Tensor, table: Tensor) -> Tensor:
    """[N, F]: entries of `table` [E, F], E a power of two, between the eight corners of the cells
    of `places` [N, 3], whose unit is a cell."""
    rows = places.t().contiguous()  # points vary fastest, for vectorized loops
    whole = rows.floor()
    part, cells = rows - whole, whole.long()
    primes = constant(PRIMES, cells)[:, None]
    low = cells * primes
    ends = (torch.stack([low, low + primes], 1) & (len(table) - 1)).int()  # [3, 2, N]
    shares = torch.stack([1 - part, part], 1)
    (x, y, z), (of_x, of_y, of_z) = (
        (axis[0][:, None, None], axis[1][None, :, None], axis[2][None, None])
        for axis in (ends, shares)
    )
    index, weights = (x ^ y ^ z).flatten(0, 2), (of_x * of_y * of_z).flatten(0, 2)  # [8, N]
    corners = index.t().contiguous(), weights.t().contiguous()
    return embedding_bag(corners[0], table, per_sample_weights=corners[1], mode="sum")
