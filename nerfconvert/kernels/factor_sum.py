"""factor_sum: the density of a factorized grid (TensoRF, Chen et al. 2022), without its colors."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count
from .dispatch import dispatch
from .factor_lookup import (
    all_products,
    check_factors,
    check_summed,
    factors_along_rays,
    sized_factors,
    sizes_of,
    small_factors,
)
from .kernel import Kernel, Timing
from .launch import launch
from .torch_ops import register


def factor_sum(
    unit: Tensor,  # [N, 3] in [0, 1]; clamped, NaN counts as 0
    planes: list[Tensor],  # [X, Y, C], [X, Z, C], [Y, Z, C]; or none
    lines: list[Tensor],  # [Z, C], [Y, C], [X, C]
    channels: int,
) -> Tensor:
    """The sums [N] of `factor_lookup` alone, of the first `channels` channels. No gradients."""
    check_factors(unit, planes, lines)
    check_count("unit", unit, 1)
    check_summed("channels", channels, lines)
    return dispatch("factor_sum", unit, list(planes), list(lines), channels)


@torch.no_grad()
def factor_sum_reference(
    unit: Tensor,  # [N, 3]
    planes: list[Tensor],  # [X, Y, C], [X, Z, C], [Y, Z, C]; or none
    lines: list[Tensor],  # [Z, C], [Y, C], [X, C]
    channels: int,
) -> Tensor:
    """`factor_sum` in plain torch."""
    return all_products(unit, *([x[..., :channels] for x in y] for y in (planes, lines))).sum(1)


def _factor_sum(unit, planes, lines, channels):
    sums = _fake(unit, planes, lines, channels)
    inputs = unit.contiguous(), [p.contiguous() for p in planes], [x.contiguous() for x in lines]
    sizes = len(unit), lines[0].shape[1], channels, sizes_of(lines)
    launch("factor_sum", unit, *sizes, *inputs, sums)
    return sums


def _fake(unit, planes, lines, channels):
    return unit.new_empty(unit.shape[0])


register(
    "factor_sum(Tensor unit, Tensor[] planes, Tensor[] lines, int channels) -> Tensor",
    _factor_sum,
    _fake,
)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    return *small_factors(generator, device, dtype), 7


def _sized(generator: torch.Generator, size: int) -> tuple:
    """Those of factor_lookup; channels that do not fill vectors."""
    return *sized_factors(generator, size), 21


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    """The density components of TensoRF's sizes."""
    for name, channels, arguments in factors_along_rays(generator, points):
        entries = 4 * (4 * len(arguments[1]) + 2 * 3)  # bytes of a channel
        yield Timing(
            arguments=(*arguments, channels),
            items=points,
            name=name,
            gathered=points * channels * entries,
        )


FACTOR_SUM = Kernel(
    name="factor_sum",
    fast=factor_sum,
    reference=factor_sum_reference,
    torch_op=torch.ops.nerfconvert.factor_sum,
    example=_example,
    sized=_sized,
    timings=_timings,
)
