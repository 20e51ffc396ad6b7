"""FactorizedField: what `vm` and `cp`, the two factorizations of TensoRF, share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ...volume import FieldInfo, ParameterGroup, RadianceField, Role, TrainableField
from ..activations import LOG_DENSITY_RANGE
from .decoder import Decoder
from .factorized_config import FactorizedConfig
from .factors import Factors


class FactorizedField(TrainableField, RadianceField):
    """Sums of products of lines, and of planes where there are any (TensoRF, Chen et al. 2022).

    Features [N, 1 + W]: raw density, then appearance.
    """

    Config = FactorizedConfig
    N_PLANES: ClassVar[int]  # 3, or 0: the three lines are multiplied

    def __init__(self, config: FactorizedConfig, info: FieldInfo):
        super().__init__(info)
        self.config, self.feature_dim = config, 1 + config.feature_width
        self.factors = Factors(config, info.aabb.size, self.N_PLANES)
        self.decoder = Decoder(config, max(info.aabb.size))

    def encode(self, positions: Tensor) -> Tensor:
        return self._clamped(self.factors(self.aabb.to_unit(positions)))

    def density_first(self, positions: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        unit = self.aabb.to_unit(positions)
        density = self.density(self._clamped(self.factors.raw_density(unit)[:, None]))

        def features(chosen: Tensor) -> Tensor:
            return self._clamped(self.factors(unit.index_select(0, chosen), density=False))

        return density, features

    def _clamped(self, features: Tensor) -> Tensor:
        return features.clamp(*LOG_DENSITY_RANGE) if self.config.clamp_features else features

    def density(self, features: Tensor) -> Tensor:
        return self.decoder.density(features)

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        return self.decoder.color(features, directions)

    def parameter_groups(self) -> list[ParameterGroup]:
        return [
            ParameterGroup("space", Role.TABLE, [*self.factors.planes, *self.factors.lines]),
            ParameterGroup("space", Role.MATRIX, [self.factors.basis]),
            *self.decoder.parameter_groups(),
        ]

    def density_factors(self) -> list[Tensor]:
        count = self.config.density_components
        return [factor[..., :count] for factor in (*self.factors.planes, *self.factors.lines)]

    def start_coarse(self) -> None:
        self.factors.resample(self.factors.sizes_at(self.factors.resolution_at(0.0)))

    def refine(self, fraction: float) -> bool:
        return self.factors.refine(fraction)

    def take_sizes(self, shapes: Mapping[str, torch.Size]) -> None:
        self.factors.take_sizes([shapes.get(f"factors.lines.{mode}") for mode in range(3)])
