"""march: rays through an occupancy grid to packed samples on a lattice along each ray."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_integer, check_like, check_shape
from .bricks import pack_bits
from .dispatch import dispatch
from .kernel import Kernel, Timing
from .launch import launch
from .torch_ops import register

MAX_LATTICE = 1 << 24  # float32 holds every integer below


def march(
    origins: Tensor,  # [R, 3]
    directions: Tensor,  # [R, 3] unit
    near: Tensor,  # [R]
    far: Tensor,  # [R]
    low: Tensor,  # [3] box
    high: Tensor,  # [3] box
    words: Tensor,  # [(resolution / 4)^3] int64, the bricks of `volume.OccupancyGrid`
    step: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Segment starts [S], their rays [S] int64 and offsets [R + 1] int64; by ray, then distance.

    Sample k of ray i is the segment from near_i + k * step, one step long, k below 2^24. It is
    kept if its midpoint lies before far_i, inside the box, in an occupied cell. Skipping empty
    bricks never moves a sample. No gradients.
    """
    check_march(origins, directions, near, far, low, high, words, step)
    arguments = (origins, directions, near, far, low, high, words, float(step))
    return dispatch("march", *arguments)


def check_march(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    far: Tensor,
    low: Tensor,
    high: Tensor,
    words: Tensor,
    step: float,
) -> None:
    """Raises ValueError for arguments that no march can have."""
    check_float("origins", origins)
    check_shape("origins", origins, "R", 3)
    rays = len(origins)
    shapes = {"directions": (rays, 3), "near": (rays,), "far": (rays,), "low": (3,), "high": (3,)}
    for (name, shape), tensor in zip(shapes.items(), (directions, near, far, low, high)):
        check_shape(name, tensor, *shape)
        check_like(name, tensor, "origins", origins)
    check_integer("words", words, origins)
    check_count("origins", origins, 3)
    grid_resolution(words)
    limits = torch.finfo(origins.dtype)
    if not limits.tiny <= step <= limits.max:
        raise ValueError(f"step must be positive and finite in {origins.dtype}, got {step}")


def grid_resolution(words: Tensor) -> int:
    """Cells per edge of an occupancy grid of [(resolution / 4)^3] words."""
    bricks = round(len(words) ** (1 / 3)) if words.ndim == 1 else 0
    if bricks < 1 or bricks**3 != len(words):
        raise ValueError(f"words must be [(resolution / 4)^3], got {list(words.shape)}")
    return 4 * bricks


@torch.no_grad()
def march_reference(
    origins: Tensor,  # [R, 3]
    directions: Tensor,  # [R, 3] unit
    near: Tensor,  # [R]
    far: Tensor,  # [R]
    low: Tensor,  # [3]
    high: Tensor,  # [3]
    words: Tensor,  # [(resolution / 4)^3] int64
    step: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`march` in plain torch: tests every lattice point within the box."""
    lattice = Lattice(origins, directions, near, far, low, high, words, step)
    widest = int(lattice.count.max()) if len(origins) else 0
    chunk = max(1, (1 << 21) // max(widest, 1))
    starts, indices = [near.new_zeros(0)], [lattice.first.new_zeros(0)]
    for ray in torch.arange(len(origins), device=origins.device).split(chunk):
        k = lattice.first[ray, None] + torch.arange(widest, device=origins.device)
        t, keep = lattice.test(ray, k)
        starts.append(t[keep])
        indices.append(ray[keep.nonzero()[:, 0]])
    ray_indices = torch.cat(indices)
    counts = torch.bincount(ray_indices, minlength=len(origins))
    return torch.cat(starts), ray_indices, torch.cat([counts.new_zeros(1), counts.cumsum(0)])


class Lattice:
    """The points that R rays may have samples at: `count` [R] from the index `first` [R] on."""

    def __init__(self, origins, directions, near, far, low, high, words, step):
        self.near, self.far, self.words = near, far, words
        self.resolution, self.step = grid_resolution(words), float(origins.new_tensor(step))
        scale = self.resolution / (high - low)
        self.origins, self.directions = (origins - low) * scale, directions * scale
        self.first, self.count = _lattice_range(
            self.origins, self.directions, near, far, self.resolution, self.step
        )

    def test(self, ray: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Segment starts [B, K] of lattice points `k` [B, K] of rays `ray` [B], and whether each is
        kept."""
        t = _fma(k.to(self.near.dtype), self.step, self.near[ray, None])
        middle = t + 0.5 * self.step
        lines = self.directions[ray, None, :], self.origins[ray, None, :]
        occupied = _occupied(_fma(middle[..., None], *lines), self.words, self.resolution)
        return t, (k < MAX_LATTICE) & (middle < self.far[ray, None]) & occupied


def _fma(a: Tensor, b: Tensor | float, c: Tensor) -> Tensor:
    """a * b + c with one rounding, as the compiled kernels compute it."""
    if a.dtype == torch.float64:
        return a * b + c
    b = b.double() if isinstance(b, Tensor) else b
    return (a.double() * b + c.double()).to(a.dtype)


def _lattice_range(origins, directions, near, far, resolution, step) -> tuple[Tensor, Tensor]:
    """First lattice index [R] and number of indices [R] that may lie in the box, conservatively."""
    safe = torch.where(directions.abs() < 1e-20, directions.new_tensor(1e-20), directions)
    t_low, t_high = -origins / safe, (resolution - origins) / safe
    enter = torch.maximum(torch.minimum(t_low, t_high).amax(-1), near)
    leave = torch.minimum(torch.maximum(t_low, t_high).amin(-1), far)
    crosses = leave + 2 * step > enter
    first = ((enter - near) / step).floor() - 3
    first = torch.where(crosses, first.clamp(0, MAX_LATTICE), torch.zeros_like(first)).long()
    last = ((leave - near) / step).ceil() + 3
    last = torch.where(crosses, last.clamp(0, MAX_LATTICE), torch.zeros_like(last)).long()
    return first, (last - first).clamp_min(0)


def _occupied(cells: Tensor, words: Tensor, resolution: int) -> Tensor:
    """[...] bool: whether positions [..., 3], in cells, are in an occupied cell of the grid."""
    inside = ((cells >= 0) & (cells <= resolution)).all(-1)
    cell = torch.where(inside[..., None], cells, torch.zeros_like(cells)).long()
    x, y, z = cell.clamp_max(resolution - 1).unbind(-1)
    bricks = resolution // 4
    word = words[((x // 4) * bricks + y // 4) * bricks + z // 4]
    return inside & ((word >> ((x % 4 * 4 + y % 4) * 4 + z % 4)) & 1).bool()


def in_two_passes(
    name: str, scene: tuple[Tensor, ...], step: float, *more: Any, results: tuple[Tensor, ...] = ()
) -> tuple[Tensor, Tensor, Tensor]:
    """What `march` returns, by the compiled functions `name`, which counts, and `name`_write. Of a
    march through `scene` (origins to words) both take `more`, and the first fills `results`."""
    scene = tuple(x.contiguous() for x in scene)
    origins, near, words = scene[0], scene[2], scene[-1]
    inputs = len(origins), grid_resolution(words), *scene, step, *more
    offsets, kept = words.new_zeros(len(origins) + 1), ctypes.c_void_p()
    launch(name, origins, *inputs, offsets, ctypes.byref(kept), *results)
    offsets = offsets.cumsum(0)
    total = int(offsets[-1])
    t_starts, ray_indices = near.new_empty(total), words.new_empty(total)
    launch(f"{name}_write", origins, *inputs, offsets, kept, t_starts, ray_indices)
    return t_starts, ray_indices, offsets


def _march(origins, directions, near, far, low, high, words, step):
    return in_two_passes("march", (origins, directions, near, far, low, high, words), step)


def _march_fake(origins, directions, near, far, low, high, words, step):
    total = torch.library.get_ctx().new_dynamic_size()
    return near.new_empty(total), words.new_empty(total), words.new_empty(near.shape[0] + 1)


register(
    "march(Tensor origins, Tensor directions, Tensor near, Tensor far, Tensor low, Tensor high, "
    "Tensor words, float step) -> (Tensor, Tensor, Tensor)",
    _march,
    _march_fake,
)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    draw = torch.rand(37, 6, generator=generator, dtype=torch.float64).to(device, dtype)
    origins = (draw[:, :3] - 0.5) * 4
    directions = torch.nn.functional.normalize((draw[:, 3:] - 0.5) - origins * 0.3, dim=-1)
    low, high = draw.new_tensor([-1.0, -0.8, -1.2]), draw.new_tensor([1.0, 1.1, 0.9])
    bits = torch.rand(64, 64, generator=generator) < 0.1
    bits &= torch.rand(64, 1, generator=generator) < 0.5
    words = (bits.long() << torch.arange(64)).sum(1).to(device)
    near, far = draw.new_full((37,), 0.05), draw.new_full((37,), 6.0)
    return origins, directions, near, far, low, high, words, 0.013


def _sized(generator: torch.Generator, rays: int, bricks: int = 5) -> tuple:
    """Rays from inside and outside, some along an axis, through a mostly empty grid."""
    words = torch.randint(-(2**62), 2**62, (bricks**3,), generator=generator)
    words *= torch.rand(bricks**3, generator=generator) < 0.1
    directions = torch.randn(rays, 3, generator=generator)
    directions[::7, :2] = 0
    directions = torch.nn.functional.normalize(directions, dim=-1)
    origins = 2 * torch.rand(rays, 3, generator=generator) - 2.5 * directions
    low, high = torch.zeros(3), torch.tensor([2.0, 1.7, 2.3])
    return origins, directions, torch.zeros(rays), torch.full((rays,), 6.0), low, high, words, 0.01


def shell_scene(generator: torch.Generator, rays: int) -> tuple:
    """Arguments for rays towards a spherical shell that fills about 4 % of 128^3 cells."""
    axis = (torch.arange(128) + 0.5) / 128 * 2 - 1
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    words = pack_bits((radius > 0.68) & (radius < 0.735))
    eye = torch.nn.functional.normalize(torch.randn(rays, 3, generator=generator), dim=-1) * 3
    target = torch.rand(rays, 3, generator=generator) * 1.4 - 0.7
    directions = torch.nn.functional.normalize(target - eye, dim=-1)
    near, far = eye.new_zeros(rays), eye.new_full((rays,), 1e6)
    box = eye.new_full((3,), -1.0), eye.new_full((3,), 1.0)
    return eye, directions, near, far, *box, words, 2 * math.sqrt(3) / 1024


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    rays = points // 4
    yield Timing(arguments=shell_scene(generator, rays), items=rays, unit="M rays/s")


MARCH = Kernel(
    name="march",
    fast=march,
    reference=march_reference,
    torch_op=torch.ops.nerfconvert.march,
    example=_example,
    sized=_sized,
    timings=_timings,
    exact_outputs=3,
    dynamic=True,
    per_point=(0, 1, 2, 3),
    free_rows=(),
)
