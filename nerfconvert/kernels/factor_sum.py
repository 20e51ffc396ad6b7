"""factor_sum: the density of a factorized grid (TensoRF, Chen et al. 2022), without its colors."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count
from .dispatch import dispatch
from .factor_lookup import (
    check_factors,
    factor_lookup_reference,
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
    """Sums [N] of the products of `factor_lookup` over all modes and the first `channels` of their
    C channels. No gradients."""
    check_factors(unit, planes, lines)
    check_count("unit", unit, 1)
    if not 0 <= channels <= lines[0].shape[1]:
        raise ValueError(f"channels must be 0 to {lines[0].shape[1]}, got {channels}")
    return dispatch("factor_sum", unit, list(planes), list(lines), channels)


@torch.no_grad()
def factor_sum_reference(
    unit: Tensor,  # [N, 3]
    planes: list[Tensor],  # [X, Y, C], [X, Z, C], [Y, Z, C]; or none
    lines: list[Tensor],  # [Z, C], [Y, C], [X, C]
    channels: int,
) -> Tensor:
    """`factor_sum` in plain torch."""
    parts = ([x[..., :channels] for x in group] for group in (planes, lines))
    return factor_lookup_reference(unit, *parts).sum(1)


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
