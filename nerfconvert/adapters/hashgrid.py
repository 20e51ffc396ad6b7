"""Hash grid and two small MLPs (instant-ngp, Müller et al. 2022, in tiny-cuda-nn's layout)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..kernels.fused_mlp import fused_mlp
from ..kernels.hash_encode import hash_encode, level_layout, torch_ngp_layout
from ..volume import FieldInfo, ParameterGroup, RadianceField, Role, TrainableField
from . import joint
from .activations import DENSITY
from .later import later
from .ranges import check_flags, check_ranges

LAYOUTS = {"tiny-cuda-nn": level_layout, "torch-ngp": torch_ngp_layout}
AXES = ("xyz", "yzx")


@dataclass(frozen=True, kw_only=True)
class HashgridConfig:
    """Sizes of the grid and its networks; the defaults are instant-ngp's conventions.

    Density is ``activation(raw) * exp(density_shift)`` in units of the longest edge of the box.
    Grid and directions turn with `axes`.
    """

    n_levels: int = 16  # resolutions, geometric from base to finest
    features_per_level: int = 2
    log2_table_size: int = 18  # entries a level at most, as a power of two
    base_resolution: int = 16  # cells along the longest edge, coarsest level
    finest_resolution: float = 512  # the same, finest level; levels between are geometric
    hidden_width: int = 64  # of both networks
    density_layers: int = 1  # hidden layers of the density network
    color_layers: int = 2  # hidden layers of the color network
    density_in_color: bool = later(True)  # whether the color network gets raw density as well
    density_activation: Literal["exp", "clamped_exp"] = later("exp")
    density_shift: float = later(0.0)  # of log density
    axes: Literal["xyz", "yzx"] = later("xyz")  # of the world, that are x, y, z of the grid
    layout: Literal["tiny-cuda-nn", "torch-ngp"] = later("tiny-cuda-nn")  # of the table's levels

    def __post_init__(self):
        check_ranges(
            self,
            integers={
                "n_levels": (1, 32),
                "features_per_level": (1, 8),
                "log2_table_size": (8, 24),
                "base_resolution": (2, 1024),
                "hidden_width": (8, 256),
                "density_layers": (0, 8),
                "color_layers": (0, 8),
            },
            numbers={"finest_resolution": (2, 1 << 18), "density_shift": (-30, 30)},
            choices={
                "density_activation": ("exp", "clamped_exp"),
                "axes": AXES,
                "layout": LAYOUTS,
            },
        )
        check_flags(self, "density_in_color")
        if self.finest_resolution < self.base_resolution:
            raise ValueError("finest_resolution must not be below base_resolution")
        if self.features_per_level not in (1, 2, 4, 8):
            raise ValueError(
                f"features_per_level must be 1, 2, 4 or 8, got {self.features_per_level}"
            )


class HashgridField(TrainableField, RadianceField):
    """instant-ngp's field. Features [N, 16] are the outputs of the density network.

    The first is raw density, the others reach the color network. There is no closed-form
    initialization: fitting the collision-free levels first gained 0.1 dB in 1000 steps of
    distillation, which is noise.
    """

    architecture = "hashgrid"
    Config = HashgridConfig
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"log2_table_size": 15, "finest_resolution": 256},
        "base": {},
        "large": {"log2_table_size": 20, "finest_resolution": 2048},
        "pvd": {
            "n_levels": 14,
            "log2_table_size": 19,
            "finest_resolution": 2048,
            "density_in_color": False,
            "density_activation": "clamped_exp",
            "density_shift": math.log(2),
            "layout": "torch-ngp",
        },
    }
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
        unit = self._in_grid(((positions - low) / max(self.aabb.size)).clamp(0, 1))
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
