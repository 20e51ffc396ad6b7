"""Hash grid and two small MLPs (instant-ngp, Müller et al. 2022, in tiny-cuda-nn's layout)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..kernels.fused_mlp import fused_mlp
from ..kernels.hash_encode import hash_encode, level_layout
from ..kernels.spherical_harmonics import spherical_harmonics
from ..volume import FieldInfo, ParameterGroup, RadianceField, Role, TrainableField
from .ranges import check_ranges

GEOMETRY_FEATURES = 16
SH_DEGREE = 4


@dataclass(frozen=True, kw_only=True)
class HashgridConfig:
    """Sizes of the grid and its networks."""

    n_levels: int = 16  # resolutions, geometric from base to finest
    features_per_level: int = 2
    log2_table_size: int = 18  # entries a level at most, as a power of two
    base_resolution: int = 16  # cells along the longest edge, coarsest level
    finest_resolution: int = 512  # cells along the longest edge, finest level
    hidden_width: int = 64  # of both networks
    density_layers: int = 1  # hidden layers of the density network
    color_layers: int = 2  # hidden layers of the color network

    def __post_init__(self):
        check_ranges(
            self,
            integers={
                "n_levels": (1, 32),
                "features_per_level": (1, 8),
                "log2_table_size": (8, 24),
                "base_resolution": (2, 1024),
                "finest_resolution": (2, 65536),
                "hidden_width": (8, 256),
                "density_layers": (0, 8),
                "color_layers": (0, 8),
            },
        )
        if self.finest_resolution < self.base_resolution:
            raise ValueError("finest_resolution must not be below base_resolution")
        if self.features_per_level not in (1, 2, 4, 8):
            raise ValueError(
                f"features_per_level must be 1, 2, 4 or 8, got {self.features_per_level}"
            )


class HashgridField(TrainableField, RadianceField):
    """instant-ngp's field. Features [N, 16] are the outputs of the density network.

    The first is the logarithm of density in units of the longest box edge. There is no closed-form
    initialization: fitting the collision-free levels first gained 0.1 dB in 1000 steps of
    distillation, which is noise.
    """

    architecture = "hashgrid"
    Config = HashgridConfig
    PRESETS: ClassVar[dict[str, dict[str, int]]] = {
        "small": {"log2_table_size": 15, "finest_resolution": 256},
        "base": {},
        "large": {"log2_table_size": 20, "finest_resolution": 2048},
    }
    feature_dim = GEOMETRY_FEATURES

    def __init__(self, config: HashgridConfig, info: FieldInfo):
        super().__init__(info)
        self.config = config
        offsets, resolutions, scales = level_layout(
            config.n_levels,
            config.base_resolution,
            config.finest_resolution,
            config.log2_table_size,
        )
        self.register_buffer("offsets", offsets, persistent=False)
        self.register_buffer("resolutions", resolutions, persistent=False)
        self.register_buffer("scales", scales, persistent=False)
        self.table = nn.Parameter(torch.empty(int(offsets[-1]), config.features_per_level))
        nn.init.uniform_(self.table, -1e-4, 1e-4)
        width, encoded = config.hidden_width, config.n_levels * config.features_per_level
        self.density_weights = _network(encoded, width, config.density_layers, GEOMETRY_FEATURES)
        self.color_weights = _network(
            GEOMETRY_FEATURES + SH_DEGREE**2, width, config.color_layers, 3
        )

    def encode(self, positions: Tensor) -> Tensor:
        low, _ = self.aabb.corners(positions)
        unit = ((positions - low) / max(self.aabb.size)).clamp(0, 1)
        grid = hash_encode(unit, self.table, self.offsets, self.resolutions, self.scales)
        return fused_mlp(grid, list(self.density_weights), None)

    def density(self, features: Tensor) -> Tensor:
        # 15: opaque at any scale; beyond, exp would overflow gradients
        return torch.exp(features[:, 0].clamp(max=15.0)) / max(self.aabb.size)

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        inputs = torch.cat([features, spherical_harmonics(directions, SH_DEGREE)], -1)
        return torch.sigmoid(fused_mlp(inputs, list(self.color_weights), None))

    def parameter_groups(self) -> list[ParameterGroup]:
        *hidden, last = self.color_weights
        return [
            ParameterGroup("space", Role.TABLE, [self.table]),
            ParameterGroup("space", Role.MATRIX, list(self.density_weights)),
            ParameterGroup("decoder", Role.MATRIX, hidden),
            ParameterGroup("decoder", Role.VECTOR, [last]),
        ]


def _network(inputs: int, width: int, hidden_layers: int, outputs: int) -> nn.ParameterList:
    """Weight matrices [out, in] without biases, Xavier-uniform as in tiny-cuda-nn."""
    sizes = [inputs, *([width] * hidden_layers), outputs]
    weights = nn.ParameterList()
    for fan_in, fan_out in itertools.pairwise(sizes):
        bound = math.sqrt(6 / (fan_in + fan_out))
        weights.append(nn.Parameter(torch.empty(fan_out, fan_in).uniform_(-bound, bound)))
    return weights
