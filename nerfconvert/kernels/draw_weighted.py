"""draw_weighted: indices drawn in proportion to weights, by the inverse cumulative distribution."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_shape
from .dispatch import dispatch
from .kernel import Kernel, Timing
from .launch import launch
from .torch_ops import register

BLOCK = 64  # weights whose sum is stored, as in draw_weighted.h
MOST = 1e38  # what an infinite weight counts as: sums stay finite
BELOW_ONE = 1 - 2**-53


def draw_weighted(
    weights: Tensor,  # [N] >= 0, not normalized
    draws: Tensor,  # [M] float64 in [0, 1), in any order
) -> Tensor:
    """Indices [M] int64 into `weights`: the first whose running sum exceeds draw * total.

    Sums run in float64 (24 bits would not tell a million entries apart). An entry of weight 0 is
    never drawn; negative and NaN weights count as 0; where all are 0, every index is equally
    likely. Draws outside [0, 1) count as the nearest inside. No gradients.
    """
    check_float("weights", weights)
    check_shape("weights", weights, "N")
    check_count("weights", weights, 1)
    check_shape("draws", draws, "M")
    if draws.dtype != torch.float64 or draws.device != weights.device:
        raise ValueError(
            f"draws must be torch.float64 on {weights.device}, got {draws.dtype} on {draws.device}"
        )
    if len(draws) and not len(weights):
        raise ValueError("weights must be [N], N at least 1, got [0]")
    return dispatch("draw_weighted", weights, draws)


@torch.no_grad()
def draw_weighted_reference(
    weights: Tensor,  # [N]
    draws: Tensor,  # [M] float64
) -> Tensor:
    """`draw_weighted` in plain torch."""
    if not len(draws):
        return draws.new_zeros(0, dtype=torch.int64)
    counted = weights.double().nan_to_num(nan=0.0, posinf=MOST).clamp(0, MOST)
    inside = draws.nan_to_num(nan=0.0).clamp(0, BELOW_ONE)
    total = counted.cumsum(0)
    drawn = torch.searchsorted(total, inside * total[-1], right=True)
    anywhere = (inside * len(weights)).long()
    return torch.where(total[-1] > 0, drawn, anywhere).clamp(max=len(weights) - 1)


def _draw_weighted(weights, draws):
    weights = weights.contiguous()
    sums = draws.new_empty((len(weights) + BLOCK - 1) // BLOCK)
    launch("draw_weighted_sums", weights, len(weights), weights, sums)
    indices = draws.new_empty(len(draws), dtype=torch.int64)
    sizes = len(weights), len(draws)
    ends = sums.cumsum(0)
    launch("draw_weighted", weights, *sizes, weights, ends, draws.contiguous(), indices)
    return indices


def _fake(weights, draws):
    return draws.new_empty(draws.shape[0], dtype=torch.int64)


register("draw_weighted(Tensor weights, Tensor draws) -> Tensor", _draw_weighted, _fake)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    draw = torch.rand(333, generator=generator, dtype=torch.float64)
    weights = draw.pow(4) * (draw > 0.3)
    draws = torch.rand(57, generator=generator, dtype=torch.float64)
    return weights.to(device, dtype), draws.to(device)


def _sized(generator: torch.Generator, size: int) -> tuple:
    """Many weights are 0 or less, some draws lie outside [0, 1)."""
    weights = torch.rand(size, generator=generator) - 0.6
    return weights, 1.2 * torch.rand(size, generator=generator, dtype=torch.float64) - 0.1


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    """A step's draws: a few thousand of the samples of a chunk of rays."""
    weights = torch.rand(points, generator=generator)
    draws = torch.rand(4096, generator=generator, dtype=torch.float64)
    yield Timing(arguments=(weights, draws), items=len(draws), unit=f"M draws/s ({points} weights)")


DRAW_WEIGHTED = Kernel(
    name="draw_weighted",
    fast=draw_weighted,
    reference=draw_weighted_reference,
    torch_op=torch.ops.nerfconvert.draw_weighted,
    example=_example,
    sized=_sized,
    timings=_timings,
    exact_outputs=1,
    per_point=(0, 1),
    free_rows=(0, 1),
)
