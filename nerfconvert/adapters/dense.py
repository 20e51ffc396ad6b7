"""dense: a dense grid of density and color features with a small MLP (DirectVoxGO); read only.

The grids' corners lie on the box (Sun et al. 2022, its `DenseGrid`). A mask, looked up at the
nearest of its nodes, says what is empty.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, softplus

from ..kernels.fused_mlp import fused_mlp
from ..volume import FieldInfo, RadianceField, at_once, constant, in_parts
from .factorized.decoder import frequencies
from .ranges import check_flags, check_ranges

CHUNK = 1 << 16  # points of one look-up on a CPU
NUMBERS = 1 << 29  # of both grids; a scene of 160^3 voxels has 53 million
NOTHING = -1e4  # raw density of an empty place


@dataclass(frozen=True, kw_only=True)
class DenseConfig:
    """Sizes of grids, network and mask. Density is ``softplus(raw + density_shift) / voxel_size``.

    The node of the mask nearest to a place has the index ``place * mask_scale + mask_shift``.
    """

    size: tuple[int, int, int]  # nodes along x, y, z
    channels: int = 12  # color features of a node; 3 without a network
    hidden_layers: int = 2  # of the network; 0: colors are the sigmoid of 3 features
    hidden_width: int = 128
    view_octaves: int = 4  # of the direction's encoding
    residual: bool = False  # True: the first 3 features are no input but added to the output
    density_shift: float = 0.0
    voxel_size: float = 1.0  # world units
    mask_size: tuple[int, int, int] | None = None  # None: nothing is masked
    mask_scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mask_shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self):
        for name in ("size", "mask_size", "mask_scale", "mask_shift"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, tuple(given))
        check_ranges(
            self,
            integers={
                "channels": (1, 256),
                "hidden_layers": (0, 8),
                "hidden_width": (1, 1024),
                "view_octaves": (0, 16),
            },
            numbers={"density_shift": (-1e6, 1e6), "voxel_size": (1e-9, 1e9)},
        )
        check_flags(self, "residual")
        for name in ("size", "mask_size"):
            sizes = getattr(self, name)
            if sizes is None and name == "mask_size":
                continue
            if len(sizes) != 3 or not all(type(n) is int and 2 <= n <= 4096 for n in sizes):
                raise ValueError(f"{name} must be three integers in 2..4096, got {sizes}")
        for name in ("mask_scale", "mask_shift"):
            values = getattr(self, name)
            if len(values) != 3 or not all(math.isfinite(v) for v in values):
                raise ValueError(f"{name} must be three finite numbers, got {values}")
        if math.prod(self.size) * (1 + self.channels) > NUMBERS:
            raise ValueError(f"size {self.size} has more than {NUMBERS} numbers")
        if self.channels < 3 or (self.hidden_layers == 0 and self.channels != 3):
            raise ValueError(f"channels must be 3 without a network, and 3 or more, got {self}")


class DenseField(RadianceField):
    """Features [N, 1 + C]: raw density, color features. Parameters never require gradients."""

    architecture = "dense"
    Config = DenseConfig

    def __init__(self, config: DenseConfig, info: FieldInfo):
        super().__init__(info)
        self.config, self.feature_dim = config, 1 + config.channels
        shapes = {
            "density_grid": (1, *config.size),
            "color_grid": (config.channels, *config.size),
        }
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape), requires_grad=False))
        inputs = config.channels - 3 * config.residual + 3 * (1 + 2 * config.view_octaves)
        sizes = [inputs, *[config.hidden_width] * config.hidden_layers, 3]
        pairs = list(itertools.pairwise(sizes)) if config.hidden_layers else []
        self.weights = frozen(torch.zeros(rows, columns) for columns, rows in pairs)
        self.biases = frozen(torch.zeros(rows) for _, rows in pairs)
        self.register_buffer("mask", torch.ones(config.mask_size or (0, 0, 0), dtype=torch.bool))

    @torch.no_grad()
    def encode(self, positions: Tensor) -> Tensor:
        chunk = at_once(CHUNK, positions.device, 8 * self.feature_dim + 256)
        return in_parts(self._look_up, chunk, positions)

    def _look_up(self, positions: Tensor) -> Tensor:
        """[n, 1 + C] of world positions [n, 3]."""
        at = (self.aabb.to_unit(positions) * 2 - 1).flip(1)[None, :, None, None]
        grids = (self.density_grid, self.color_grid)
        found = [grid_sample(grid[None], at, align_corners=True)[0, :, :, 0, 0] for grid in grids]
        features = torch.cat(found).T.contiguous()
        features[:, 0].masked_fill_(~self._within_mask(positions), NOTHING)
        return features

    def _within_mask(self, positions: Tensor) -> Tensor:
        """[n] bool: whether the nearest node of the mask is set."""
        if self.config.mask_size is None:
            return torch.ones(len(positions), dtype=torch.bool, device=positions.device)
        scale, shift = (
            constant(tuple(v), positions) for v in (self.config.mask_scale, self.config.mask_shift)
        )
        node = (positions * scale + shift).round().long()
        sizes = constant(tuple(self.mask.shape), node)
        inside = ((node >= 0) & (node < sizes)).all(1)
        node = node.clamp_min(0).minimum(sizes - 1)
        return inside & self.mask[tuple(node.T)]

    def density(self, features: Tensor) -> Tensor:
        return softplus(features[:, 0] + self.config.density_shift) / self.config.voxel_size

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        color = features[:, 1:]
        if not self.config.hidden_layers:
            return color.sigmoid()
        known = color[:, 3:] if self.config.residual else color
        seen = [directions, frequencies(directions, self.config.view_octaves)]
        logits = fused_mlp(torch.cat([known, *seen], 1), list(self.weights), list(self.biases))
        return (logits + color[:, :3] if self.config.residual else logits).sigmoid()


def frozen(tensors) -> nn.ParameterList:
    """Parameters that do not require gradients."""
    return nn.ParameterList(nn.Parameter(tensor, requires_grad=False) for tensor in tensors)
