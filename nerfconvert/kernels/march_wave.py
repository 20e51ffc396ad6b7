"""march_wave: the next few samples of rays that `march` would give whole."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_integer, check_shape
from .dispatch import dispatch
from .kernel import Kernel, Timing
from .march import (
    MARCH,
    MAX_LATTICE,
    Lattice,
    check_march,
    in_two_passes,
    shell_scene,
)
from .torch_ops import register

WINDOW = 64  # lattice points of a ray that the reference tests at once


def march_wave(
    origins: Tensor,  # [R, 3]
    directions: Tensor,  # [R, 3] unit
    near: Tensor,  # [R]
    far: Tensor,  # [R]
    low: Tensor,  # [3] box
    high: Tensor,  # [3] box
    words: Tensor,  # [(resolution / 4)^3] int64, the bricks of `volume.OccupancyGrid`
    step: float,
    first: Tensor,  # [R] int64, lattice index from which each ray goes on; 0: its beginning
    most: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """At most `most` samples of each ray, packed as those of `march`: segment starts [S], their
    rays [S] int64, offsets [R + 1] int64; and `first` [R] of the next wave.

    `MAX_LATTICE` is the `first` of a ray that has no further sample, or shall have none. Waves one
    after the other give all samples of `march`. No gradients.
    """
    check_march(origins, directions, near, far, low, high, words, step)
    check_shape("first", first, len(origins))
    check_integer("first", first, origins)
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    check_count("origins", origins, most)
    arguments = (origins, directions, near, far, low, high, words, float(step), first, most)
    return dispatch("march_wave", *arguments)


@torch.no_grad()
def march_wave_reference(
    origins: Tensor,  # [R, 3]
    directions: Tensor,  # [R, 3] unit
    near: Tensor,  # [R]
    far: Tensor,  # [R]
    low: Tensor,  # [3]
    high: Tensor,  # [3]
    words: Tensor,  # [(resolution / 4)^3] int64
    step: float,
    first: Tensor,  # [R] int64
    most: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`march_wave` in plain torch: tests `WINDOW` lattice points of every ray at a time."""
    lattice = Lattice(origins, directions, near, far, low, high, words, step)
    k, end = torch.maximum(first, lattice.first), lattice.first + lattice.count
    starts, counts = near.new_zeros(len(origins), most), torch.zeros_like(first)
    following = torch.full_like(first, MAX_LATTICE)
    window = torch.arange(WINDOW, device=near.device)
    ray = (k < end).nonzero()[:, 0]
    while len(ray):
        points = k[ray, None] + window
        t, kept = lattice.test(ray, points)
        rank = counts[ray, None] + kept.cumsum(1)
        kept &= (points < end[ray, None]) & (rank <= most)
        row, column = kept.nonzero(as_tuple=True)
        starts[ray[row], rank[row, column] - 1] = t[row, column]
        counts.index_add_(0, ray, kept.sum(1))
        last = (kept & (rank == most)).nonzero(as_tuple=True)
        following[ray[last[0]]] = points[last] + 1
        k[ray] += WINDOW
        ray = ray[(counts[ray] < most) & (k[ray] < end[ray])]
    owner, place = (torch.arange(most, device=near.device) < counts[:, None]).nonzero(as_tuple=True)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return starts[owner, place], owner, offsets, following


def _march_wave(origins, directions, near, far, low, high, words, step, first, most):
    scene = origins, directions, near, far, low, high, words
    first = first.contiguous()
    following = torch.empty_like(first)
    samples = in_two_passes("march_wave", scene, step, first, most, results=(following,))
    return *samples, following


def _fake(origins, directions, near, far, low, high, words, step, first, most):
    total, rays = torch.library.get_ctx().new_dynamic_size(), near.shape[0]
    samples = near.new_empty(total), words.new_empty(total)
    return *samples, words.new_empty(rays + 1), words.new_empty(rays)


register(
    "march_wave(Tensor origins, Tensor directions, Tensor near, Tensor far, Tensor low, "
    "Tensor high, Tensor words, float step, Tensor first, int most) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    _march_wave,
    _fake,
)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    """Every third ray begins anew, the others somewhere on their way."""
    arguments = MARCH.example(generator, device, dtype)
    first = torch.randint(0, 400, (len(arguments[0]),), generator=generator)
    first[::3] = 0
    return *arguments, first.to(device), 5


def _sized(generator: torch.Generator, rays: int) -> tuple:
    first = torch.randint(-1, 300, (rays,), generator=generator)
    return *MARCH.sized(generator, rays), first, 3


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    rays = points // 4
    arguments = *shell_scene(generator, rays), torch.zeros(rays, dtype=torch.int64), 4
    yield Timing(arguments=arguments, items=rays, unit="M rays/s")


MARCH_WAVE = Kernel(
    name="march_wave",
    fast=march_wave,
    reference=march_wave_reference,
    torch_op=torch.ops.nerfconvert.march_wave,
    example=_example,
    sized=_sized,
    timings=_timings,
    exact_outputs=4,
    dynamic=True,
    per_point=(0, 1, 2, 3, 8),
    free_rows=(),
)
