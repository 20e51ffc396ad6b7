"""NanMaskedField: a field whose NaN densities and colors are masked and counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .field import Part, RadianceField


class NanMaskedField(RadianceField):
    """`field` with NaN density as empty, NaN color as black, infinite density as the largest float.

    It counts the densities and colors that were queried, and those of them that were NaN.
    """

    def __init__(self, field: RadianceField):
        nn.Module.__init__(self)  # shares the occupancy of `field`
        self.field, self.info, self.occupancy = field, field.info, field.occupancy
        self.architecture, self.config = field.architecture, field.config
        self.feature_dim = field.feature_dim
        zero = torch.zeros((), dtype=torch.int64, device=field.device)
        self.asked = {"densities": 0, "colors": 0}
        self.invalid = {"densities": zero, "colors": zero}
        self.densest = zero.float()  # largest density so far, 1 / world unit

    def encode(self, positions: Tensor) -> Tensor:
        return self.field.encode(positions)

    def density(self, features: Tensor) -> Tensor:
        return self._counted(self.field.density(features))

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        return self._masked("colors", self.field.color(features, directions))

    def density_first(self, positions: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        density, features = self.field.density_first(positions)
        return self._counted(density), features

    @property
    def network_weights(self) -> int:
        return self.field.network_weights

    def parameters_of_part(self, part: Part) -> list[nn.Parameter]:
        return self.field.parameters_of_part(part)

    def counts(self) -> dict[str, Any]:
        """How many densities and colors were NaN, and of how many queried; for receipts."""
        found = {kind: int(n) for kind, n in self.invalid.items()}
        return {**found, **{f"of_{kind}": n for kind, n in self.asked.items()}}

    def _counted(self, density: Tensor) -> Tensor:
        """`density` [N] masked; keeps the largest."""
        density = self._masked("densities", density[:, None])[:, 0]
        if len(density):
            self.densest = torch.maximum(self.densest, density.detach().max())
        return density

    def _masked(self, kind: str, answer: Tensor) -> Tensor:
        """`answer` [N, C] with NaN as 0; counts its rows and those with NaN."""
        self.asked[kind] += len(answer)
        invalid = answer.detach().isnan().any(1)
        self.invalid[kind] = self.invalid[kind] + invalid.sum()  # without a device synchronization
        return torch.nan_to_num(answer, 0.0)
