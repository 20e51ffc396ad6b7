"""Point level: samples are taken in proportion to error x light, where the student errs."""

from __future__ import annotations

import torch
from torch import Tensor

from ...kernels.draw_weighted import draw_weighted
from ...volume import Aabb
from .averages import learn, odds, spread

RESOLUTION = 64  # cells along each edge of the box whose errors are remembered
RATE = 0.3  # of the average of a cell's errors
CANDIDATES = 4  # points looked at for each that is taken
KEPT = 0.5  # of a step's samples, those that the student computes


class PointLevel:
    """Averages of the student's errors in the cells of `aabb`.

    Errors of cells and not of samples: a bank holds more samples than a run computes, and what is
    wrong at one is wrong beside it. They start at 1, the largest error of opacity.
    """

    def __init__(self, aabb: Aabb):
        self.aabb = aabb
        self.errors = torch.ones(RESOLUTION**3)

    def choose(
        self, positions: Tensor, light: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Indices [count] int64 of candidates at `positions` [N, 3], seen through `light` [N], and
        their importance [count]: candidates come in proportion to their odds. For any function
        the sum of importance x function has the candidates' mean for expectation."""
        chances = self.odds(positions, light)
        index = draw_weighted(chances, spread(count, generator, chances.device))
        return index, 1 / chances[index]

    def keep(
        self, positions: Tensor, light: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Indices [K] int64, ascending, of `KEPT` of the samples at `positions` [S, 3], and the
        importance [K] of each: the inverse of the chance with which it was kept."""
        chance = keeping(self.odds(positions, light), KEPT)
        index = systematic(chance, float(torch.rand((), generator=generator)))
        return index, 1 / chance[index]

    def odds(self, positions: Tensor, light: Tensor) -> Tensor:
        """[N] proportional to error x light above a floor, mean 1."""
        self.errors = self.errors.to(light.device)
        return odds(self.errors[self._cells(positions)] * light)

    def learn(self, positions: Tensor, errors: Tensor) -> None:
        """Takes the student's `errors` [N] at `positions` [N, 3]."""
        self.errors = self.errors.to(errors.device)
        learn(self.errors, self._cells(positions), errors, RATE)

    def _cells(self, positions: Tensor) -> Tensor:
        """[N] int64 numbers of the cells."""
        cell = (self.aabb.to_unit(positions) * RESOLUTION).long().clamp(0, RESOLUTION - 1)
        return (cell[:, 0] * RESOLUTION + cell[:, 1]) * RESOLUTION + cell[:, 2]

    def state(self) -> dict:
        return {"errors": self.errors}

    def restore(self, state: dict) -> None:
        self.errors = state["errors"]


def keeping(values: Tensor, share: float) -> Tensor:
    """Chances [N] of being kept, min(1, c * value), that sum to `share` of N; `values` [N] > 0.

    The factor c comes from a few passes over the values, each of which sets aside those that are
    certain already: the largest are found without a sort.
    """
    wanted = share * len(values)
    factor = wanted / values.sum()
    for _ in range(6):
        certain = values * factor >= 1
        left = torch.where(certain, 0.0, values).sum()
        factor = torch.maximum(factor, (wanted - certain.sum()) / left.clamp_min(1e-30))
    return (values * factor).clamp_max(1)


def systematic(chances: Tensor, start: float) -> Tensor:
    """Indices, ascending, one wherever the running sum of `chances` [N] in [0, 1] passes an integer
    beyond `start` in [0, 1): each comes with its chance, their number is the sum, rounded."""
    passed = (chances.cumsum(0, dtype=torch.float64) + start).floor()
    return (passed.diff(prepend=passed.new_zeros(1)) > 0).nonzero()[:, 0]


def sample_error(
    density: Tensor, rgb: Tensor, wanted_density: Tensor, wanted_rgb: Tensor, deltas: Tensor
) -> Tensor:
    """[N] what a picture would show of the error of samples under full light: the difference of
    opacities, and of colors where the teacher is opaque."""
    opacity, wanted = (-torch.expm1(-x * deltas) for x in (density, wanted_density))
    return (opacity - wanted).abs() + wanted * (rgb - wanted_rgb).abs().mean(-1)
