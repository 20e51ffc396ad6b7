"""CheckedField: a source field whose answers are numbers; what is none is masked and counted."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import NerfConvertError
from ..volume import RadianceField, Sight

log = logging.getLogger(__name__)
THIN = 1e-3  # optical depth of the whole box below which nothing can be seen


class CheckedField(RadianceField):
    """`field` with NaN density as empty and NaN color as black; infinite density is the largest.

    It counts what it was asked and how much of that was NaN.
    """

    def __init__(self, field: RadianceField):
        nn.Module.__init__(self)  # the parts are those of `field`
        self.field, self.info, self.occupancy = field, field.info, field.occupancy
        self.architecture, self.config = field.architecture, field.config
        self.feature_dim = field.feature_dim
        zero = torch.zeros((), dtype=torch.int64, device=field.device)
        self.asked = {"densities": 0, "colors": 0}
        self.invalid = {"densities": zero, "colors": zero}
        self.densest = zero.float()

    def encode(self, positions: Tensor) -> Tensor:
        return self.field.encode(positions)

    def density(self, features: Tensor) -> Tensor:
        density = self._masked("densities", self.field.density(features)[:, None])[:, 0]
        if len(density):
            self.densest = torch.maximum(self.densest, density.detach().max())
        return density

    def color(self, features: Tensor, directions: Tensor) -> Tensor:
        return self._masked("colors", self.field.color(features, directions))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return self.field.parameter_groups()

    def start_from(self, teacher: RadianceField, sight: Sight) -> bool:
        return self.field.start_from(teacher, sight)

    def refine(self, fraction: float) -> bool:
        return self.field.refine(fraction)

    def _masked(self, kind: str, answer: Tensor) -> Tensor:
        """`answer` [N, C] without NaN, which is counted."""
        self.asked[kind] += len(answer)
        invalid = answer.detach().isnan().any(1)
        self.invalid[kind] = self.invalid[kind] + invalid.sum()  # does not wait for the device
        return torch.nan_to_num(answer, 0.0)

    def counts(self) -> dict[str, Any]:
        """How many densities and colors were NaN, and of how many; for receipts."""
        found = {kind: int(n) for kind, n in self.invalid.items()}
        return {**found, **{f"of_{kind}": n for kind, n in self.asked.items()}}


def refuse_empty(path: Path, field: CheckedField) -> None:
    """Raises NerfConvertError where `field` has no density, as far as it was asked."""
    if field.occupancy.bounds() is None:
        raise NerfConvertError(
            f"{path}: the field is empty: the occupancy in the file has no occupied cell"
        )
    n, invalid = field.asked["densities"], int(field.invalid["densities"])
    if n and float(field.densest) * field.aabb.diagonal < THIN:
        nan = f", {invalid:,} of them NaN" if invalid else ""
        raise NerfConvertError(
            f"{path}: the field is empty: it has no density at any of {n:,} places in its "
            f"occupied cells{nan}"
        )


def warn_of_invalid(path: Path, field: CheckedField) -> None:
    """Logs how many answers of `field` were NaN, if any."""
    found = field.counts()
    if found["densities"] or found["colors"]:
        log.warning(
            "%s: %d of %d densities and %d of %d colors were NaN; they counted as empty and black",
            path,
            *(found[k] for k in ("densities", "of_densities", "colors", "of_colors")),
        )
