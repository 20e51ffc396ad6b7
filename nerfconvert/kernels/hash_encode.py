"""hash_encode: multiresolution hash-grid lookup in the memory layout of tiny-cuda-nn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .arguments import check_count, check_float, check_integer, check_like, check_shape
from .dispatch import dispatch
from .example_points import points_along_rays, scattered_then_in_order
from .kernel import Kernel, Timing
from .launch import launch
from .torch_ops import differentiate, register

PRIMES = (1, 2654435761, 805459861)  # Teschner et al. 2003, as used by Müller et al. 2022
MAX_INDEX = 1 << 30  # the compiled loops index cells and entries in 32 bits


def level_layout(
    n_levels: int, base_resolution: int, finest_resolution: float, log2_table_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Offsets [L + 1] int64, resolutions [L] int64 and scales [L] float32 of a hash grid.

    The resolution grows by exp(log(finest / base) / (L - 1)) per level.
    """
    _check_finest(base_resolution, finest_resolution)
    growth = math.log(finest_resolution / base_resolution) / max(n_levels - 1, 1)
    return level_layout_from_scale(n_levels, base_resolution, math.exp(growth), log2_table_size)


def level_layout_from_scale(
    n_levels: int, base_resolution: int, per_level_scale: float, log2_table_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """`level_layout` from the growth factor per level.

    Computed in float32 as tiny-cuda-nn does: scale = base * 2^(level * log2(growth)) - 1,
    resolution = ceil(scale) + 1, entries = min(resolution^3 rounded up to 8, table size).
    """
    _check_sizes(n_levels, base_resolution, log2_table_size)
    scales = _scales(n_levels, base_resolution, np.log2(np.float32(per_level_scale)))
    resolutions = [math.ceil(scale) + 1 for scale in scales.tolist()]
    offsets = _offsets(resolutions, log2_table_size)
    return offsets, torch.tensor(resolutions), torch.from_numpy(scales)


def torch_ngp_layout(
    n_levels: int, base_resolution: int, finest_resolution: float, log2_table_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """`level_layout` of torch-ngp's grid encoder, where a level has a vertex more along each axis.

    Its resolutions are strides: one above the resolution. Entries are counted in float64, strides
    in float32, as the program does.
    """
    _check_sizes(n_levels, base_resolution, log2_table_size)
    _check_finest(base_resolution, finest_resolution)
    growth = np.exp2(np.log2(finest_resolution / base_resolution) / max(n_levels - 1, 1))
    sides = [math.ceil(base_resolution * growth**level) + 1 for level in range(n_levels)]
    scales = _scales(n_levels, base_resolution, np.float32(np.log2(growth)))
    strides = [math.ceil(scale) + 2 for scale in scales.tolist()]
    return _offsets(sides, log2_table_size), torch.tensor(strides), torch.from_numpy(scales)


def _check_sizes(n_levels: int, base_resolution: int, log2_table_size: int) -> None:
    if n_levels < 1 or base_resolution < 1 or not 1 <= log2_table_size <= 30:
        raise ValueError(
            "n_levels and base_resolution must be positive and log2_table_size in 1..30, got "
            f"{n_levels}, {base_resolution}, {log2_table_size}"
        )


def _check_finest(base_resolution: int, finest_resolution: float) -> None:
    if finest_resolution < base_resolution:
        raise ValueError(
            f"finest_resolution must be at least {base_resolution}, got {finest_resolution}"
        )


def _scales(n_levels: int, base_resolution: int, log2_growth: np.float32) -> np.ndarray:
    """[L] float32: base * 2^(level * log2_growth) - 1."""
    levels = np.arange(n_levels, dtype=np.float32)
    scales = np.exp2(levels * log2_growth) * np.float32(base_resolution) - np.float32(1)
    return scales.astype(np.float32)


def _offsets(sides: list[int], log2_table_size: int) -> Tensor:
    """[L + 1]: a level has side^3 entries, rounded up to 8, and at most the table's size."""
    entries = [min((side**3 + 7) // 8 * 8, 1 << log2_table_size) for side in sides]
    return torch.tensor([0, *entries]).cumsum(0)


def hash_encode(
    unit: Tensor,  # [N, 3] in [0, 1]; clamped, NaN counts as 0
    table: Tensor,  # [E, F]
    offsets: Tensor,  # [L + 1] int64, first entry of each level
    resolutions: Tensor,  # [L] int64
    scales: Tensor,  # [L] float32
) -> Tensor:
    """Features [N, L * F] at points of the unit cube, level after level (Müller et al. 2022).

    A level whose resolution^3 fits its entries is dense (x fastest), else hashed; indices wrap
    at the number of entries. Gradients reach `table` only.
    """
    check_float("unit", unit)
    check_shape("unit", unit, "N", 3)
    check_shape("table", table, "E", "F")
    check_like("table", table, "unit", unit)
    check_shape("resolutions", resolutions, "L")
    levels = resolutions.shape[0]
    check_shape("offsets", offsets, levels + 1)
    check_integer("offsets", offsets, unit)
    check_integer("resolutions", resolutions, unit)
    check_shape("scales", scales, levels)
    if scales.dtype != torch.float32 or scales.device != unit.device:
        raise ValueError(
            f"scales must be torch.float32 on {unit.device}, got {scales.dtype} on {scales.device}"
        )
    check_count("unit", unit, levels * table.shape[1])
    return dispatch("hash_encode", unit, table, offsets, resolutions, scales)


def hash_encode_reference(
    unit: Tensor,  # [N, 3]
    table: Tensor,  # [E, F]
    offsets: Tensor,  # [L + 1] int64
    resolutions: Tensor,  # [L] int64
    scales: Tensor,  # [L] float32
) -> Tensor:
    """`hash_encode` in plain torch."""
    unit = unit.detach().nan_to_num(0.0).clamp(0, 1)
    bounds = offsets.tolist()
    levels = zip(bounds[:-1], bounds[1:], resolutions.tolist(), scales.tolist())
    features = [_level_reference(unit, table[a:b], size, scale) for a, b, size, scale in levels]
    return torch.cat(features, 1) if features else unit.new_zeros(len(unit), 0)


def _level_reference(
    unit: Tensor,  # [N, 3]
    entries: Tensor,  # [rows, F]
    resolution: int,
    scale: float,
) -> Tensor:
    position = (unit.double() * scale + 0.5).to(unit.dtype)  # one rounding, as a fused multiply-add
    cell = position.floor()
    fraction = position - cell
    cell = cell.long()
    total = 0
    for corner in range(8):
        shift = [corner & 1, corner >> 1 & 1, corner >> 2]
        x, y, z = (cell + cell.new_tensor(shift)).unbind(-1)
        if resolution**3 <= len(entries):
            index = x + y * resolution + z * resolution**2
        else:
            index = (x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]) & 0xFFFFFFFF
        parts = [fraction[:, d] if shift[d] else 1 - fraction[:, d] for d in range(3)]
        weight = parts[0] * parts[1] * parts[2]
        total = total + weight[:, None] * entries[index % len(entries)]
    return total


def _forward(unit, table, offsets, resolutions, scales):
    _check_layout(offsets, resolutions, scales, table.shape[0])
    levels, width = len(resolutions), table.shape[1]
    features = table.new_empty(len(unit), levels * width)
    inputs = [x.contiguous() for x in (unit, table, offsets, resolutions, scales)]
    launch("hash_encode", unit, len(unit), levels, width, *inputs, features)
    return features


def _backward(unit, offsets, resolutions, scales, grad_features, entries):
    _check_layout(offsets, resolutions, scales, entries)
    levels = len(resolutions)
    width = grad_features.shape[1] // max(levels, 1)
    grad_table = grad_features.new_empty(entries, width)
    inputs = [x.contiguous() for x in (unit, offsets, resolutions, scales)]
    outputs = grad_features.contiguous(), grad_table
    launch("hash_encode_backward", unit, len(unit), levels, width, *inputs, entries, *outputs)
    return grad_table


def _check_layout(offsets: Tensor, resolutions: Tensor, scales: Tensor, entries: int) -> None:
    """Raises ValueError unless all indices stay in their level; on the CPU only: cheap there."""
    if offsets.device.type != "cpu":
        return
    bounds = offsets.tolist()
    counts = [b - a for a, b in itertools.pairwise(bounds)]
    if bounds[0] != 0 or bounds[-1] != entries or min(counts, default=1) < 1:
        raise ValueError(f"offsets must ascend from 0 to {entries} (table rows), got {bounds}")
    for size, scale, rows in zip(resolutions.tolist(), scales.tolist(), counts):
        in_range = 1 <= size <= MAX_INDEX and -0.5 <= scale <= MAX_INDEX and rows <= MAX_INDEX
        if not in_range or _leaves_dense_level(size, scale, rows):
            raise ValueError(
                f"scales must fit resolutions, got {scale} with {size} and {rows} entries"
            )


def _leaves_dense_level(size: int, scale: float, rows: int) -> bool:
    """Whether the upper corner at x = y = z = 1 is outside after wrapping once, as compiled."""
    corner = math.floor(np.float32(scale) + np.float32(0.5)) + 1
    return size**3 <= rows and corner * (1 + size + size**2) >= 2 * rows


def _setup_context(ctx, inputs, output):
    unit, table, offsets, resolutions, scales = inputs
    ctx.save_for_backward(unit, offsets, resolutions, scales)
    ctx.entries = table.shape[0]


def table_gradient(ctx, grad_features):
    """Gradient of the table, the second input of an op that saved (unit, offsets, resolutions,
    scales)."""
    if not ctx.needs_input_grad[1]:
        return None
    backward = torch.ops.nerfconvert.hash_encode_backward
    return backward(*ctx.saved_tensors, grad_features, ctx.entries)


def _autograd(ctx, grad_features):
    return None, table_gradient(ctx, grad_features), None, None, None


def _forward_fake(unit, table, offsets, resolutions, scales):
    return table.new_empty(unit.shape[0], resolutions.shape[0] * table.shape[1])


def _backward_fake(unit, offsets, resolutions, scales, grad_features, entries):
    return grad_features.new_empty(entries, grad_features.shape[1] // resolutions.shape[0])


register(
    "hash_encode(Tensor unit, Tensor table, Tensor offsets, Tensor resolutions, Tensor scales) "
    "-> Tensor",
    _forward,
    _forward_fake,
)
register(
    "hash_encode_backward(Tensor unit, Tensor offsets, Tensor resolutions, Tensor scales, "
    "Tensor grad_features, SymInt entries) -> Tensor",
    _backward,
    _backward_fake,
)
differentiate("hash_encode", _autograd, _setup_context)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    layout = level_layout(4, 4, 23, 9)
    unit = torch.rand(29, 3, generator=generator, dtype=torch.float64).to(device, dtype)
    table = torch.randn(int(layout[0][-1]), 2, generator=generator, dtype=torch.float64)
    return unit, table.to(device, dtype), *(x.to(device) for x in layout)


def _sized(generator: torch.Generator, size: int) -> tuple:
    """A dense level, one of a power of two entries, and one whose entries need a division."""
    offsets, resolutions = torch.tensor([0, 64, 128, 165]), torch.tensor([4, 9, 17])
    scales, table = torch.tensor([2.9, 7.3, 16.2]), torch.randn(165, 3, generator=generator)
    return scattered_then_in_order(generator, size), table, offsets, resolutions, scales


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    layout = level_layout(16, 16, 2048, 19)
    table = torch.randn(int(layout[0][-1]), 2, generator=generator)
    random = torch.rand(points, 3, generator=generator)
    orders = {"random": random, "ray order": points_along_rays(generator, points)}
    for name, unit in orders.items():
        gathered = points * 16 * 4 * 64  # two corners along x share a line, mostly
        arguments = unit, table, *layout
        yield Timing(arguments=arguments, items=points, name=name, gathered=gathered)


HASH_ENCODE = Kernel(
    name="hash_encode",
    fast=hash_encode,
    reference=hash_encode_reference,
    torch_op=torch.ops.nerfconvert.hash_encode,
    example=_example,
    sized=_sized,
    timings=_timings,
    exact_outputs=1,
    free_rows=(0, 1),
    differentiable=(1,),
)
