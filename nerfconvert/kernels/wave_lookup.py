"""wave_lookup: trilinear look-up of volumes at the sines and cosines of a point (PPNG, Lee et al.
2024)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_like, check_shape
from .dispatch import dispatch
from .example_points import points_along_rays, scattered_then_in_order
from .kernel import Kernel, Timing
from .launch import launch
from .torch_ops import register

MAX_TURNS = float(1 << 20)  # half turns from which on float32 tells too few phases apart


def wave_lookup(
    turns: Tensor,  # [N, 3] half turns of a wave of frequency 1, along x, y, z
    frequencies: Tensor,  # [F]
    volumes: Tensor,  # [2 * F, S, S, S, C], indexed z, y, x, each at least 2 samples
) -> Tensor:
    """Features [N, 2 * F * C], volume after volume.

    Volume 2 i is interpolated at sin(pi * frequencies[i] * turns), volume 2 i + 1 at the cosine;
    its first and last samples lie at -1 and 1. Waves of 2^20 half turns or more, and NaN, count as
    those of 0. No gradients.
    """
    check_float("turns", turns)
    check_shape("turns", turns, "N", 3)
    check_shape("frequencies", frequencies, "F")
    check_like("frequencies", frequencies, "turns", turns)
    size = volumes.shape[1] if volumes.ndim > 1 else 2
    check_shape("volumes", volumes, 2 * len(frequencies), size, size, size, "C")
    check_like("volumes", volumes, "turns", turns)
    if not 2 <= size <= 1024:
        raise ValueError(f"volumes must have 2 to 1024 samples along an axis, got {size}")
    check_count("turns", turns, len(volumes) * volumes.shape[-1])
    return dispatch("wave_lookup", turns, frequencies, volumes)


@torch.no_grad()
def wave_lookup_reference(
    turns: Tensor,  # [N, 3]
    frequencies: Tensor,  # [F]
    volumes: Tensor,  # [2 * F, S, S, S, C]
) -> Tensor:
    """`wave_lookup` in plain torch."""
    size, width = volumes.shape[1], volumes.shape[-1]
    of_waves = turns * frequencies[:, None, None]  # [F, N, 3]
    of_waves = of_waves.where(of_waves.abs() < MAX_TURNS, torch.zeros_like(of_waves))
    phases = (of_waves - 2 * (of_waves / 2 + 0.5).floor()) * math.pi
    places = torch.stack([phases.sin(), phases.cos()], 1).flatten(0, 1)
    places = ((places + 1) * ((size - 1) / 2)).clamp_min(0)  # [2 * F, N, 3]
    cell = places.floor().clamp(max=size - 2)
    upper, cell = places - cell, cell.long()
    number = torch.arange(len(volumes), device=turns.device)[:, None]
    total = volumes.new_zeros(*cell.shape[:2], width)
    for corner in range(8):
        shift = [corner & 1, corner >> 1 & 1, corner >> 2]
        x, y, z = (cell + cell.new_tensor(shift)).unbind(-1)
        parts = [upper[..., d] if shift[d] else 1 - upper[..., d] for d in range(3)]
        total += (parts[0] * parts[1] * parts[2])[..., None] * volumes[number, z, y, x]
    return total.transpose(0, 1).flatten(1)


def _wave_lookup(turns, frequencies, volumes):
    features = _fake(turns, frequencies, volumes)
    inputs = [x.contiguous() for x in (turns, frequencies, volumes)]
    sizes = len(turns), len(frequencies), volumes.shape[1], volumes.shape[-1]
    launch("wave_lookup", turns, *sizes, *inputs, features)
    return features


def _fake(turns, frequencies, volumes):
    return turns.new_empty(turns.shape[0], volumes.shape[0] * volumes.shape[-1])


register(
    "wave_lookup(Tensor turns, Tensor frequencies, Tensor volumes) -> Tensor", _wave_lookup, _fake
)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    turns = torch.rand(37, 3, generator=generator, dtype=torch.float64) - 0.5
    frequencies = torch.tensor([1.0, 2.5, 8.0])
    volumes = torch.randn(6, 5, 5, 5, 4, generator=generator, dtype=torch.float64)
    return tuple(x.to(device, dtype) for x in (turns, frequencies, volumes))


def _sized(generator: torch.Generator, size: int) -> tuple:
    """Points also where a wave turns back, beyond the cube, and of no number; three channels."""
    turns = scattered_then_in_order(generator, size) - 0.5
    turns[:2] *= 2e6
    frequencies = torch.tensor([1.0, 3.0])
    return turns, frequencies, torch.randn(4, 6, 6, 6, 3, generator=generator)


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    """The volumes of real files: four frequencies, 80 samples, four channels."""
    volumes = torch.randn(8, 80, 80, 80, 4, generator=generator)
    turns = points_along_rays(generator, points) - 0.5
    arguments = turns, torch.tensor([1.0, 2.0, 4.0, 8.0]), volumes
    gathered = points * 8 * 4 * 64  # of each volume four pairs of corners
    yield Timing(arguments=arguments, items=points, gathered=gathered)


WAVE_LOOKUP = Kernel(
    name="wave_lookup",
    fast=wave_lookup,
    reference=wave_lookup_reference,
    torch_op=torch.ops.nerfconvert.wave_lookup,
    example=_example,
    sized=_sized,
    timings=_timings,
    exact_outputs=1,
)
