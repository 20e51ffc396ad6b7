"""ppng: a Plenoptic PNG, a factorized grid over Fourier features with small MLPs.

The cube about the box maps to instant-ngp's unit cube, whose axes are the world's y, z, x. Each
frequency contributes two volumes of `channels`, looked up at the sine and at the cosine of
``frequency * pi * (p - 0.5)``. The file stores the volumes as factors. Gradients need a look-up
from these; without gradients they are multiplied out once, because a look-up of the product is
cheaper, to the same samples. Of several levels, level k is the cube of edge 2^k about the unit
cube's middle: the largest is what p spans, and the field is empty where the smallest that holds a
place has an empty cell.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..kernels.spherical_harmonics import spherical_harmonics
from ..kernels.wave_lookup import wave_lookup
from ..volume import (
    Aabb,
    FieldInfo,
    OccupancyGrid,
    ParameterGroup,
    RadianceField,
    Role,
    TrainableField,
    at_once,
    constant,
)
from . import joint
from .ppng_config import PpngConfig
from .ppng_factors import sampled_factors

CHUNK = 8192  # points of one look-up: temporaries stay in cache
UNIT_PER_WORLD = 0.33  # instant-ngp's scale of Blender scenes
UNIT_CUBE = Aabb((-0.5 / UNIT_PER_WORLD,) * 3, (0.5 / UNIT_PER_WORLD,) * 3)
DENSITY_LIMIT = 11.0
EMPTY = -100.0  # logarithm of the density where a level says that there is none
SH_DEGREE = 4
FIRST_FACTORS = (0.5, 1.5)  # about 1: the gradient of a product's factor is that of the others
HIDDEN = 16


def cube_about(box: Aabb) -> Aabb:
    """The cube about the middle of `box` with its longest edge, in the same space."""
    half = max(box.size) / 2
    if all(math.isclose(edge, 2 * half, rel_tol=1e-9) for edge in box.size):
        return box
    low, high = (tuple(c + side for c in box.center) for side in (-half, half))
    return Aabb(low, high, box.contraction)


class PpngField(TrainableField, RadianceField):
    """Features are the density network's 16 outputs; the first is the logarithm of density.

    It starts with random factors: a start by alternating least squares, 21 dB by itself, gained
    1 dB after 300 steps and took as long as 150.
    """

    architecture = "ppng"
    Config = PpngConfig
    feature_dim = HIDDEN

    def __init__(self, config: PpngConfig, info: FieldInfo):
        super().__init__(info)
        self.config = config
        self.cube = UNIT_CUBE if config.levels > 1 else cube_about(info.aabb)
        self.factors = nn.Parameter(torch.empty(config.factor_shape).uniform_(*FIRST_FACTORS))
        n_features = 2 * len(config.frequencies) * config.channels
        self.density_weight = joint.matrix(n_features, HIDDEN)
        self.hidden_weight = joint.matrix(HIDDEN + SH_DEGREE**2, HIDDEN)
        self.rgb_weight = joint.matrix(HIDDEN, 3)
        n_levels = config.levels if config.levels > 1 else 0
        self.levels = nn.ModuleList(OccupancyGrid(config.cells) for _ in range(n_levels))
        self.register_buffer("frequencies", torch.tensor(config.frequencies), persistent=False)
        self.register_buffer("volumes", torch.zeros(0), persistent=False)
        self.register_buffer("expanded", torch.zeros(0), persistent=False)  # the factors of these
        self._compared = (0, 0)  # address and version of the factors when they were last the same

    @torch.no_grad()
    def _expand_factors(self) -> None:
        """Multiplies the factors out to `volumes` [2F, z, y, x, C] where their numbers changed
        since. Versions tell only of factors that no optimizer changes, at one address: those of a
        copied field begin anew."""
        now = self.factors.data_ptr(), self.factors._version
        if now == self._compared and not self.factors.requires_grad:
            return
        self._compared = now
        if torch.equal(self.expanded, self.factors):
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
        self.volumes, self.expanded = dense, self.factors.clone()

    def encode(self, positions: Tensor) -> Tensor:
        if not len(self.levels):
            return self._features(positions)
        features = positions.new_zeros(len(positions), HIDDEN)
        features[:, 0] = EMPTY
        known = self._occupied(positions).nonzero()[:, 0]
        return features.index_copy_(0, known, self._features(positions[known]))

    def _features(self, positions: Tensor) -> Tensor:
        """[n, 16] of world positions [n, 3]: the density network of samples of every volume."""
        if self._learns():
            chunk = at_once(CHUNK, positions.device, 64 * self.density_weight.shape[1])
            parts = [self._learned(turns) for turns in self._turns(positions).split(chunk)]
            return torch.cat(parts) @ self.density_weight.t()
        self._expand_factors()
        sampled = wave_lookup(self._turns(positions), self.frequencies, self.volumes)
        return sampled @ self.density_weight.t()

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

    def _turns(self, positions: Tensor) -> Tensor:
        """[n, 3] half turns of the wave of frequency 1 at world positions [n, 3]."""
        span = max(self.cube.size) * 2 ** (self.config.levels - 1)
        inner = positions if len(self.levels) else self.aabb.contracted(positions)
        return (inner - constant(self.cube.center, inner)).roll(-1, dims=1) / span

    def _learned(self, turns: Tensor) -> Tensor:
        """[n, 2F * C] of [n, 3]: as `wave_lookup`, from the factors, which gradients reach."""
        phases = turns * (math.pi * self.frequencies[:, None, None])
        grid = torch.stack([phases.sin(), phases.cos()], 1).flatten(0, 1)
        return sampled_factors(self.factors, grid).transpose(0, 1).flatten(1)

    def _learns(self) -> bool:
        return torch.is_grad_enabled() and self.factors.requires_grad

    def density(self, features: Tensor) -> Tensor:
        return features[:, 0].clamp(max=DENSITY_LIMIT).exp() / max(self.cube.size)

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        harmonics = spherical_harmonics(directions.roll(-1, dims=1).contiguous(), SH_DEGREE)
        on_features, on_harmonics = self.hidden_weight.split([HIDDEN, SH_DEGREE**2], dim=1)
        hidden = torch.addmm(features @ on_features.t(), harmonics, on_harmonics.t()).relu_()
        return (hidden @ self.rgb_weight.t()).sigmoid()

    def parameter_groups(self) -> list[ParameterGroup]:
        return [
            ParameterGroup("space", Role.TABLE, [self.factors]),
            ParameterGroup("features", Role.MATRIX, [self.density_weight]),
            ParameterGroup("decoder", Role.MATRIX, [self.hidden_weight]),
            ParameterGroup("decoder", Role.VECTOR, [self.rgb_weight]),
        ]
