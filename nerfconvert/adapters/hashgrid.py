"""Hash grid and two small MLPs (instant-ngp, Müller et al. 2022, in tiny-cuda-nn's layout)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..kernels.fused_mlp import fused_mlp
from ..kernels.hash_encode import hash_encode, level_layout, torch_ngp_layout
from ..volume import FieldInfo, ParameterGroup, RadianceField, Role, TrainableField
from . import joint
from .activations import DENSITY
from .hashgrid_config import HashgridConfig

LAYOUTS = {"tiny-cuda-nn": level_layout, "torch-ngp": torch_ngp_layout}


class HashgridField(TrainableField, RadianceField):
    """instant-ngp's field. Features [N, 16] are the outputs of the density network.

    The first is raw density, the others reach the color network. There is no closed-form
    initialization: fitting the collision-free levels first gained 0.1 dB in 1000 steps of
    distillation, which is noise.
    """

    architecture = "hashgrid"
    Config = HashgridConfig
    feature_dim = joint.FEATURES

    def __init__(self, config: HashgridConfig, info: FieldInfo):
        super().__init__(info)
        self.config = config
        offsets, resolutions, scales = LAYOUTS[config.layout](
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
        self.density_weights = joint.network(encoded, width, config.density_layers, joint.FEATURES)
        inputs = joint.FEATURES - (not config.density_in_color) + joint.SH_DEGREE**2
        self.color_weights = joint.network(inputs, width, config.color_layers, 3)

    def encode(self, positions: Tensor) -> Tensor:
        low, _ = self.aabb.corners(positions)
        inner = self.aabb.contracted(positions)
        unit = self._in_grid(((inner - low) / max(self.aabb.size)).clamp(0, 1))
        grid = hash_encode(unit, self.table, self.offsets, self.resolutions, self.scales)
        return fused_mlp(grid, list(self.density_weights), None)

    def density(self, features: Tensor) -> Tensor:
        density = DENSITY[self.config.density_activation](features[:, 0])
        return density / (max(self.aabb.size) * math.exp(-self.config.density_shift))

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        read = features if self.config.density_in_color else features[:, 1:]
        return joint.color(read, self._in_grid(directions), self.color_weights)

    def _in_grid(self, vectors: Tensor) -> Tensor:
        """World vectors [N, 3] along the axes of the grid."""
        return vectors.roll(-1, dims=1) if self.config.axes == "yzx" else vectors

    def parameter_groups(self) -> list[ParameterGroup]:
        *hidden, last = self.color_weights
        return [
            ParameterGroup("space", Role.TABLE, [self.table]),
            ParameterGroup("features", Role.MATRIX, list(self.density_weights)),
            ParameterGroup("decoder", Role.MATRIX, hidden),
            ParameterGroup("decoder", Role.VECTOR, [last]),
        ]
