"""Arguments of every kernel for any number of points, samples a ray or rays, float32 on the CPU."""

from __future__ import annotations

import torch

from nerfconvert.kernels.voxel_lookup import first_rows, pack_vertices


def with_sizes(name: str, size: int) -> tuple:
    """Arguments of a kernel for `size` points, samples a ray or rays, unlike its example's."""
    make = torch.Generator().manual_seed(size)
    if name == "march":
        return march_arguments(make, size)
    if name == "composite":
        counts = torch.randint(0, 2 * size + 1, (size,), generator=make)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        draw = torch.rand(int(offsets[-1]), 6, generator=make)
        return 9 * draw[:, 0], draw[:, 1:4].contiguous(), draw[:, 4], 0.1 * draw[:, 5], offsets
    if name == "hash_encode":  # a dense level, a power of two, and entries that need a division
        offsets, resolutions = torch.tensor([0, 64, 128, 165]), torch.tensor([4, 9, 17])
        scales, table = torch.tensor([2.9, 7.3, 16.2]), torch.randn(165, 3, generator=make)
        return scattered_then_in_order(make, size), table, offsets, resolutions, scales
    if name == "spherical_harmonics":
        return torch.randn(size, 3, generator=make), 1 + size % 4
    if name == "voxel_lookup":  # points outside, few vertices stored, one row short
        words = pack_vertices(torch.rand((12,) * 3, generator=make) < 0.2)
        unit = 1.4 * torch.rand(size, 3, generator=make) - 0.2
        rows = int(first_rows(words)[-1])
        return unit, torch.randn(rows, 33, generator=make), words, first_rows(words), 11
    if name == "factor_lookup":  # points outside; more channels than a warp has lanes
        lines = [torch.randn(n, 33, generator=make) for n in (7, 2, 40)]
        planes = [torch.randn(*n, 33, generator=make) for n in ((40, 2), (40, 7), (2, 7))]
        unit = scattered_then_in_order(make, size)
        return unit, planes if size % 2 else [], lines
    if name == "draw_weighted":  # many zeros; some draws beyond both ends
        weights = torch.rand(size, generator=make) - 0.6
        return weights, 1.2 * torch.rand(size, generator=make, dtype=torch.float64) - 0.1
    if name == "rmsprop_rows":  # rows in no order, one beyond the table; one without a gradient
        table, square, grads = torch.randn(3, size, 1 + size % 3, generator=make)
        grads[:1] = 0
        return table, square.abs(), grads, torch.randperm(size, generator=make) + 1, 0.01, 0.9, 3
    weights = [torch.randn(5, 3, generator=make), torch.randn(1, 5, generator=make)]
    return torch.randn(size, 3, generator=make), weights, [torch.ones(5), torch.ones(1)]


def scattered_then_in_order(make: torch.Generator, size: int) -> torch.Tensor:
    """[size, 3] points in and around the unit cube, the second half as they lie along rays."""
    unit = 1.4 * torch.rand(size, 3, generator=make) - 0.2
    along = torch.arange(size // 2)[:, None] * torch.tensor([0.011, 0.007, -0.004]) % 1
    return torch.cat([unit[: size - size // 2], along])


def march_arguments(make: torch.Generator, rays: int, bricks: int = 5) -> tuple:
    """Rays from inside and outside, some along an axis, through a mostly empty grid."""
    words = torch.randint(-(2**62), 2**62, (bricks**3,), generator=make)
    words *= torch.rand(bricks**3, generator=make) < 0.1
    directions = torch.randn(rays, 3, generator=make)
    directions[::7, :2] = 0
    directions = torch.nn.functional.normalize(directions, dim=-1)
    origins = 2 * torch.rand(rays, 3, generator=make) - 2.5 * directions
    low, high = torch.zeros(3), torch.tensor([2.0, 1.7, 2.3])
    return origins, directions, torch.zeros(rays), torch.full((rays,), 6.0), low, high, words, 0.01
