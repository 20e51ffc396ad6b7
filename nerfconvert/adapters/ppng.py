"""ppng: a Plenoptic PNG, a factorized grid over Fourier features with small MLPs; read only.

Positions map to instant-ngp's unit cube, ``p = (y, z, x) * 0.33 + 0.5`` of the world. Each
frequency contributes two volumes of `channels`, looked up at the sine and at the cosine of
``frequency * pi * (p - 0.5)``. The file stores the volumes as factors; here they are multiplied out
once, because a look-up of the product is cheaper than a product of look-ups and, for planes, is
what the source program computes. Of several levels, level k is the cube of edge 2^k about the unit
cube's middle: the largest is what p spans, and the field is empty where the smallest that holds a
place has an empty cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from ..kernels.spherical_harmonics import spherical_harmonics
from ..volume import Aabb, FieldInfo, OccupancyGrid, RadianceField
from .later import later
from .ranges import check_ranges

CHUNK = 8192  # points of one look-up: temporaries stay in cache
UNIT_PER_WORLD = 0.33  # instant-ngp's scale of Blender scenes
UNIT_CUBE = Aabb((-0.5 / UNIT_PER_WORLD,) * 3, (0.5 / UNIT_PER_WORLD,) * 3)
DENSITY_LIMIT = 11.0
VOLUME_LIMIT = 1 << 25  # numbers of all expanded volumes; real files need 16 million
PRODUCT_LIMIT = 1 << 28  # numbers of the products that are summed up in them
EMPTY = -100.0  # logarithm of the density where a level says that there is none
SH_DEGREE = 4
HIDDEN = 16


@dataclass(frozen=True, kw_only=True)
class PpngConfig:
    """Sizes of the factors: `factor_dimensions` 1 stores three lines per volume, 2 three planes."""

    frequencies: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    factor_dimensions: Literal[1, 2] = 2
    resolution: int = 80  # samples along a line or the side of a plane
    rank: int = 2
    channels: int = 4
    levels: int = later(1)  # cubes of occupancy, each twice as wide as the one before
    cells: int = later(128)  # along an edge of each, where there are several

    def __post_init__(self):
        object.__setattr__(self, "frequencies", tuple(float(f) for f in self.frequencies))
        if not 1 <= len(self.frequencies) <= 16 or not all(map(math.isfinite, self.frequencies)):
            raise ValueError(f"frequencies must be 1 to 16 finite numbers, got {self.frequencies}")
        if self.factor_dimensions not in (1, 2):
            raise ValueError(f"factor_dimensions must be 1 or 2, got {self.factor_dimensions!r}")
        check_ranges(self, integers={"resolution": (2, 256), "rank": (1, 256), "channels": (1, 64)})
        check_ranges(self, integers={"levels": (1, 8), "cells": (4, 512)})
        if self.cells % 4:
            raise ValueError(f"cells must be a multiple of 4, got {self.cells}")
        expanded = 2 * len(self.frequencies) * self.resolution**3 * self.channels
        if expanded > VOLUME_LIMIT:
            raise ValueError(f"the volumes would hold {expanded} numbers; at most {VOLUME_LIMIT}")
        if self.rank * expanded > PRODUCT_LIMIT:
            raise ValueError(
                f"the volumes would be sums of {self.rank * expanded} products; at most "
                f"{PRODUCT_LIMIT}"
            )

    @property
    def factor_shape(self) -> tuple[int, ...]:
        """[axis or plane, volume, samples (1 or 2 axes), rank, channel]."""
        sides = (self.resolution,) * self.factor_dimensions
        return (3, 2 * len(self.frequencies), *sides, self.rank, self.channels)


class PpngField(RadianceField):
    """Features are the density network's 16 outputs; parameters never require gradients."""

    architecture = "ppng"
    Config = PpngConfig

    def __init__(self, config: PpngConfig, info: FieldInfo):
        super().__init__(info)
        self.config = config
        self.feature_dim = HIDDEN
        n_features = 2 * len(config.frequencies) * config.channels
        shapes = {
            "factors": config.factor_shape,
            "density_weight": (HIDDEN, n_features),
            "hidden_weight": (HIDDEN, HIDDEN + SH_DEGREE**2),
            "rgb_weight": (3, HIDDEN),
        }
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape), requires_grad=False))
        n_levels = config.levels if config.levels > 1 else 0
        self.levels = nn.ModuleList(OccupancyGrid(config.cells) for _ in range(n_levels))
        self.unit_per_world = UNIT_PER_WORLD / 2 ** (config.levels - 1)  # of p, over the largest
        self.register_buffer("frequencies", torch.tensor(config.frequencies), persistent=False)
        self.register_buffer("volumes", torch.zeros(0), persistent=False)
        self.register_load_state_dict_post_hook(lambda module, _: module.expand_factors())
        self.expand_factors()

    @torch.no_grad()
    def expand_factors(self) -> None:
        """Multiplies the factors out to `volumes` [2F, C, z, y, x], channels innermost in memory.

        Needed after `factors` change; loading a state dict does it.
        """
        if self.factors.is_meta:  # only shapes are compared
            return
        sizes = (self.factors.shape[1], *(self.config.resolution,) * 3, self.config.channels)
        dense = self.factors.new_zeros(sizes)  # summed in place: no product of all is in memory
        for volume, factors in zip(dense, self.factors.unbind(1), strict=True):
            for first, second, third in factors.unbind(-2):
                if self.config.factor_dimensions == 1:  # lines x, y, z
                    parts = second[:, None] * first, third[:, None, None]
                else:  # planes yz, xz, xy
                    parts = first[:, :, None] * second[:, None], third
                volume.addcmul_(*parts)
        self.volumes = dense.permute(0, 4, 1, 2, 3)

    @torch.no_grad()
    def encode(self, positions: Tensor) -> Tensor:
        if not len(self.levels):
            return self._features(positions)
        features = positions.new_zeros(len(positions), HIDDEN)
        features[:, 0] = EMPTY
        known = self._occupied(positions).nonzero()[:, 0]
        return features.index_copy_(0, known, self._features(positions[known]))

    def _features(self, positions: Tensor) -> Tensor:
        features = positions.new_empty(len(positions), HIDDEN)
        for start in range(0, len(positions), CHUNK):
            rows = slice(start, start + CHUNK)
            features[rows] = self._look_up(positions[rows]) @ self.density_weight.t()
        return features

    def _occupied(self, positions: Tensor) -> Tensor:
        """[n] bool: what the smallest level that holds world positions [n, 3] says of them."""
        unit = UNIT_CUBE.to_unit(positions) - 0.5
        size = unit.abs().amax(1) * 2
        level = size.clamp_min(1).log2().ceil().long()
        known = torch.zeros_like(size, dtype=torch.bool)
        for k, grid in enumerate(self.levels):
            mine = (level == k).nonzero()[:, 0]
            known[mine] = grid.query(unit[mine] / 2**k + 0.5)
        return known

    def _look_up(self, positions: Tensor) -> Tensor:
        """[n, 2F * C] of world positions [n, 3]: trilinear samples of every volume."""
        offset = positions.roll(-1, dims=1) * (self.unit_per_world * math.pi)
        phases = offset * self.frequencies[:, None, None]
        grid = torch.stack([phases.sin(), phases.cos()], 1).flatten(0, 1)  # [2F, n, 3]
        sampled = grid_sample(self.volumes, grid[:, :, None, None], align_corners=True)
        return sampled[..., 0, 0].permute(2, 0, 1).flatten(1)

    def density(self, features: Tensor) -> Tensor:
        return features[:, 0].clamp(max=DENSITY_LIMIT).exp() * UNIT_PER_WORLD

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        harmonics = spherical_harmonics(directions.roll(-1, dims=1).contiguous(), SH_DEGREE)
        on_features, on_harmonics = self.hidden_weight.split([HIDDEN, SH_DEGREE**2], dim=1)
        hidden = torch.addmm(features @ on_features.t(), harmonics, on_harmonics.t()).relu_()
        return (hidden @ self.rgb_weight.t()).sigmoid()
