"""shade_wave: the next few samples of rays composited, and which of them need a color."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_integer, check_like, check_shape
from .dispatch import dispatch
from .kernel import Kernel, Timing
from .launch import launch
from .torch_ops import register


def shade_wave(
    density: Tensor,  # [S] >= 0, 1 / world unit; NaN counts as empty
    t_mids: Tensor,  # [S]
    deltas: Tensor,  # [S] >= 0, world units
    offsets: Tensor,  # [R + 1] int64, ascending from 0 to S
    seen: Tensor,  # [R] transmittance in front of the wave; 1 for the first
    shown: Tensor,  # [R] the same behind the last sample with a color; 1 for the first
    depth: Tensor,  # [R] opacity-weighted sum of distances in front of the wave; 0 for the first
    grain: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights [S] of colors, 0 where none is needed, and `seen`, `shown`, `depth` [R] behind the
    wave.

    Transmittance falls along a ray as in `composite`. A color is needed where it passes a multiple
    of `grain`, and stands for all rendering weight since the last one; with `grain` 0 at every
    sample that has any. No gradients.
    """
    check_float("density", density)
    check_shape("density", density, "S")
    check_count("density", density, 1)
    check_shape("offsets", offsets, "R + 1")
    check_integer("offsets", offsets, density)
    samples, rays = len(density), len(offsets) - 1
    if rays < 0:
        raise ValueError("offsets must be [R + 1], got [0]")
    per_sample = ("t_mids", t_mids, samples), ("deltas", deltas, samples)
    per_ray = ("seen", seen, rays), ("shown", shown, rays), ("depth", depth, rays)
    for name, tensor, size in (*per_sample, *per_ray):
        check_shape(name, tensor, size)
        check_like(name, tensor, "density", density)
    if not 0 <= grain <= 1:
        raise ValueError(f"grain must be in [0, 1], got {grain}")
    arguments = density, t_mids, deltas, offsets, seen, shown, depth, float(grain)
    return dispatch("shade_wave", *arguments)


@torch.no_grad()
def shade_wave_reference(
    density: Tensor,  # [S]
    t_mids: Tensor,  # [S]
    deltas: Tensor,  # [S]
    offsets: Tensor,  # [R + 1] int64
    seen: Tensor,  # [R]
    shown: Tensor,  # [R]
    depth: Tensor,  # [R]
    grain: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`shade_wave` in plain torch: the first sample of every ray, then the second, and so on."""
    seen, shown, depth = seen.clone(), shown.clone(), depth.clone()
    weights, counts = torch.zeros_like(density), offsets.diff()
    optical = (density * deltas).nan_to_num(0.0).clamp_min(0)
    for place in range(int(counts.max()) if len(counts) else 0):
        ray = (counts > place).nonzero()[:, 0]
        at = offsets[ray] + place
        before = seen[ray]
        behind = before + before * torch.expm1(-optical[at])
        depth[ray] += (before - behind) * t_mids[at]
        passed = (before / grain).ceil() > (behind / grain).ceil() if grain else behind < before
        weights[at] = torch.where(passed, shown[ray] - behind, 0.0)
        shown[ray] = torch.where(passed, behind, shown[ray])
        seen[ray] = behind
    return weights, seen, shown, depth


def _shade_wave(density, t_mids, deltas, offsets, seen, shown, depth, grain):
    tensors = [x.contiguous() for x in (density, t_mids, deltas, offsets, seen, shown, depth)]
    outputs = _fake(*tensors, grain)
    sizes = len(seen), len(density)
    launch("shade_wave", density, *sizes, *tensors, 1 / grain if grain else 0.0, *outputs)
    return outputs


def _fake(density, t_mids, deltas, offsets, seen, shown, depth, grain):
    return tuple(torch.empty_like(x.contiguous()) for x in (density, seen, shown, depth))


register(
    "shade_wave(Tensor density, Tensor t_mids, Tensor deltas, Tensor offsets, Tensor seen, "
    "Tensor shown, Tensor depth, float grain) -> (Tensor, Tensor, Tensor, Tensor)",
    _shade_wave,
    _fake,
)


def _waves(generator: torch.Generator, counts: Tensor, device, dtype) -> tuple:
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    draw = torch.rand(int(offsets[-1]), 3, generator=generator, dtype=torch.float64)
    state = torch.rand(len(counts), 3, generator=generator, dtype=torch.float64)
    seen = state[:, 0]
    shown = seen + 0.003 * state[:, 1]
    samples = 40 * draw[:, 0] ** 4, 1 + draw[:, 1], 0.01 + 0.05 * draw[:, 2]
    samples, state = (
        [x.to(device, dtype) for x in part] for part in (samples, (seen, shown, state[:, 2]))
    )
    return *samples, offsets.to(device), *state, 0.003


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    return _waves(generator, torch.tensor([5, 0, 1, 17, 9, 0]), device, dtype)


def _sized(generator: torch.Generator, rays: int) -> tuple:
    counts = torch.randint(0, 6, (rays,), generator=generator)
    return _waves(generator, counts, torch.device("cpu"), torch.float32)


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    counts = torch.full((points // 4,), 4)
    arguments = _waves(generator, counts, torch.device("cpu"), torch.float32)
    yield Timing(arguments=arguments, items=points, unit="M samples/s")


SHADE_WAVE = Kernel(
    name="shade_wave",
    fast=shade_wave,
    reference=shade_wave_reference,
    torch_op=torch.ops.nerfconvert.shade_wave,
    example=_example,
    sized=_sized,
    timings=_timings,
    exact_outputs=4,
    per_point=(0, 1, 2, 4, 5, 6),
    offsets=(3,),
    free_rows=(),
)
