"""What samplers share: running means, odds with a floor, draws and random keeping by them."""

from __future__ import annotations

import torch
from torch import Tensor

from ...volume import sent

FLOOR = 0.25  # of the odds, the part that is uniform: no importance weight exceeds 1 / FLOOR


def learn(values: Tensor, index: Tensor, found: Tensor, rate: float) -> None:
    """Updates running means in place: each of `values` [K] at `index` [N] moves by `rate` towards
    the mean of what was `found` [N] there, as far as that is finite."""
    finite = found.isfinite()
    counts = torch.zeros_like(values).index_add_(0, index, finite.to(found))
    sums = torch.zeros_like(values).index_add_(0, index, found.where(finite, 0.0))
    moved = rate * (sums / counts.clamp_min(1) - values)
    values.add_(torch.where(counts > 0, moved, 0.0))


def odds(values: Tensor, mean: Tensor | None = None) -> Tensor:
    """Odds [N] relative to uniform draws: proportional to `values` [N] >= 0 above the floor.

    `mean` is that of the values over all that can be drawn; by default over these, so that the mean
    of the odds is 1. Where it is 0, so are the values, and the odds are 1.
    """
    mean = values.mean() if mean is None else mean
    share = torch.where(mean > 0, values / mean.clamp_min(1e-30), 1.0)
    return FLOOR + (1 - FLOOR) * share


def spread(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """`count` stratified draws, float64, ascending, one from each of as many equal parts of [0, 1).

    Each index is drawn as often, in expectation, as by independent draws.
    """
    draw = torch.rand(count, generator=generator, dtype=torch.float64)
    return sent((torch.arange(count, dtype=torch.float64) + draw) / count, device)


def keeping(values: Tensor, share: float) -> Tensor:
    """Probabilities [N] of being kept, min(1, c * value), with a sum of `share` of N.

    `values` [N] > 0. The factor c comes from a few passes over the values, each of which sets aside
    those with probability 1 already: this finds the largest without a sort.
    """
    wanted = share * len(values)
    factor = wanted / values.sum()
    for _ in range(6):
        certain = values * factor >= 1
        left = torch.where(certain, 0.0, values).sum()
        factor = torch.maximum(factor, (wanted - certain.sum()) / left.clamp_min(1e-30))
    return (values * factor).clamp_max(1)


def systematic(chances: Tensor, start: float) -> Tensor:
    """Systematic sampling: ascending indices, each drawn with its chance in `chances` [N].

    One wherever the running sum of `chances` in [0, 1], from `start` in [0, 1), passes an integer;
    their number is the sum, rounded.
    """
    passed = (chances.cumsum(0, dtype=torch.float64) + start).floor()
    return (passed.diff(prepend=passed.new_zeros(1)) > 0).nonzero()[:, 0]


def relative(errors: Tensor, importance: Tensor) -> Tensor:
    """`errors` [N] in units of their mean weighted by `importance` [N]: comparable all through a
    run."""
    return errors / (errors * importance).mean().clamp_min(1e-12)
