"""voxel_lookup: trilinear look-up in sparse voxels, stored as bricks of 4x4x4 vertices.

The lattice has vertices 0 to `cells` on each axis of the unit cube. As in an occupancy grid,
brick (bx, by, bz) is number ``(bx * B + by) * B + bz`` with ``B = cells // 4 + 1``; its word has
bit ``(x * 4 + y) * 4 + z`` set where vertex (x, y, z) of it is stored. Rows of the table follow
the order of bricks and, within a brick, of bits, so a vertex is found by counting bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_integer, check_like, check_shape
from .bricks import pack_bits
from .dispatch import dispatch
from .kernel import Kernel, Timing
from .launch import launch
from .row_descent import row_descent
from .torch_ops import differentiate, register

MAX_ROWS = 1 << 31  # the compiled loops count rows in 32 bits
MAX_CELLS = 2048


def bricks_per_axis(cells: int) -> int:
    """Bricks along one axis of a lattice of `cells` cells."""
    return cells // 4 + 1


def pack_vertices(stored: Tensor) -> Tensor:
    """Words [B^3] int64 of [cells + 1]^3 bool, indexed [x, y, z]."""
    padded = stored.new_zeros((4 * bricks_per_axis(len(stored) - 1),) * 3)
    padded[tuple(slice(0, n) for n in stored.shape)] = stored
    return pack_bits(padded)


def list_vertices(words: Tensor) -> Tensor:
    """Coordinates [V, 3] int32 of the stored vertices, in the order of their rows."""
    bricks, bits = round(len(words) ** (1 / 3)), torch.arange(64, device=words.device)
    parts = [words.new_empty(0, 3, dtype=torch.int32)]
    for used in words.nonzero()[:, 0].split(1 << 14):  # a part at a time: ten times less memory
        index, bit = ((words[used, None] >> bits) & 1).nonzero().T
        brick = used[index]
        corner = torch.stack([brick // bricks**2, brick // bricks % bricks, brick % bricks], 1)
        inner = torch.stack([bit // 16, bit // 4 % 4, bit % 4], 1)
        parts.append((4 * corner + inner).to(torch.int32))
    return torch.cat(parts)


def first_rows(words: Tensor) -> Tensor:
    """Row [B^3] int64 of each brick's first stored vertex: the vertices stored before it."""
    counts = count_ones(words)
    return counts.cumsum(0) - counts


def count_ones(words: Tensor) -> Tensor:
    """Number of set bits of int64 [...]: sums of neighboring bit fields of growing width."""
    odd = words & 0x5555555555555555
    even = (words >> 1) & 0x5555555555555555  # the mask clears copies of the sign bit
    counts = odd + even  # 32 fields of 2 bits
    counts = (counts & 0x3333333333333333) + ((counts >> 2) & 0x3333333333333333)
    counts = (counts & 0x0F0F0F0F0F0F0F0F) + ((counts >> 4) & 0x0F0F0F0F0F0F0F0F)
    return ((counts * 0x0101010101010101) >> 56) & 0xFF


def voxel_lookup(
    unit: Tensor,  # [N, 3] in [0, 1]; clamped, NaN counts as 0
    table: Tensor,  # [V, C]
    words: Tensor,  # [B^3] int64, the stored vertices of each brick
    first: Tensor,  # [B^3] int64, `first_rows(words)`
    cells: int,  # along each axis
    sparse: bool = False,
) -> Tensor:
    """Features [N, C] at points of the unit cube, interpolated between the cell's 8 vertices.

    A vertex that is not stored, or whose row lies beyond the table, is zero (svox2's link -1).
    Gradients reach `table` only; with `sparse`, compiled kernels give a sparse one that holds only
    the rows that the points touch (coalesced: [R] rows, [R, C] values), or change the table at once
    where it has a `RowDescent`.
    """
    check_float("unit", unit)
    check_shape("unit", unit, "N", 3)
    check_shape("table", table, "V", "C")
    check_like("table", table, "unit", unit)
    if not isinstance(cells, int) or not 1 <= cells <= MAX_CELLS:
        raise ValueError(f"cells must be an integer in 1..{MAX_CELLS}, got {cells!r}")
    for name, tensor in (("words", words), ("first", first)):
        check_shape(name, tensor, bricks_per_axis(cells) ** 3)
        check_integer(name, tensor, unit)
    if table.shape[0] >= MAX_ROWS:
        raise ValueError(f"table must have fewer than {MAX_ROWS} rows, got {table.shape[0]}")
    check_count("unit", unit, table.shape[1])
    return dispatch("voxel_lookup", unit, table, words, first, cells, sparse)


def voxel_lookup_reference(
    unit: Tensor,  # [N, 3]
    table: Tensor,  # [V, C]
    words: Tensor,  # [B^3] int64
    first: Tensor,  # [B^3] int64
    cells: int,
    sparse: bool = False,
) -> Tensor:
    """`voxel_lookup` in plain torch; the gradient of the table is dense."""
    position = unit.detach().nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * cells
    cell = position.floor().clamp(max=cells - 1)
    fraction = position - cell
    cell, bricks = cell.long(), bricks_per_axis(cells)
    padded = torch.cat([table, table.new_zeros(1, table.shape[1])])  # last row: vertices not stored
    total = table.new_zeros(len(unit), table.shape[1])
    for corner in range(8):
        shift = [corner >> 2, corner >> 1 & 1, corner & 1]
        vertex = cell + cell.new_tensor(shift)
        brick, local = vertex // 4, vertex % 4
        number = (brick[:, 0] * bricks + brick[:, 1]) * bricks + brick[:, 2]
        bit = (local[:, 0] * 4 + local[:, 1]) * 4 + local[:, 2]
        word = words[number]
        below = word & ((torch.ones_like(bit) << bit) - 1)
        row = first[number] + count_ones(below)
        stored = ((word >> bit) & 1).bool() & (row >= 0) & (row < len(table))
        parts = [fraction[:, d] if shift[d] else 1 - fraction[:, d] for d in range(3)]
        weight = parts[0] * parts[1] * parts[2]
        total = total + weight[:, None] * padded[torch.where(stored, row, len(table))]
    return total


def _forward(unit, table, words, first, cells, sparse):
    width = table.shape[1]
    features = table.new_empty(len(unit), width)
    inputs = [x.contiguous() for x in (unit, table, words, first)]
    sizes = len(unit), width, cells, bricks_per_axis(cells), len(table)
    launch("voxel_lookup", unit, *sizes, *inputs, features)
    return features


def _backward(unit, words, first, cells, grad_features, rows):
    grad_table = grad_features.new_zeros(rows, grad_features.shape[1])
    _add(grad_table, unit, words, first, cells, grad_features)
    return grad_table


def _backward_sparse(unit, words, first, cells, grad_features, rows):
    inputs = [x.contiguous() for x in (unit, words, first)]
    touched = torch.zeros(rows, dtype=torch.uint8, device=unit.device)
    sizes = len(unit), cells, bricks_per_axis(cells), rows
    launch("voxel_touch", unit, *sizes, *inputs, touched)
    index = touched.nonzero()[:, 0]
    slots = torch.empty(rows, dtype=torch.int32, device=unit.device)  # untouched rows: never read
    slots[index] = torch.arange(len(index), dtype=torch.int32, device=unit.device)
    values = grad_features.new_zeros(len(index), grad_features.shape[1])
    _scatter(values, rows, unit, words, first, cells, grad_features, slots)
    return index, values


def _add(table, unit, words, first, cells, values):
    _scatter(table, len(table), unit, words, first, cells, values, None)


def _scatter(table, rows, unit, words, first, cells, values, slots):
    inputs = [x.contiguous() for x in (unit, words, first, values)]
    sizes = len(unit), values.shape[1], cells, bricks_per_axis(cells), rows
    launch("voxel_add", unit, *sizes, *inputs, slots, table)


def _setup_context(ctx, inputs, output):
    unit, table, words, first, ctx.cells, ctx.sparse = inputs
    ctx.save_for_backward(unit, words, first)
    ctx.rows = table.shape[0]
    ctx.descent = row_descent(table) if ctx.sparse else None


def _autograd(ctx, grad_features):
    nothing = None, None, None, None
    if not ctx.needs_input_grad[1]:
        return None, None, *nothing
    ops, where = torch.ops.nerfconvert, (*ctx.saved_tensors, ctx.cells)
    if ctx.descent and not ctx.descent.measures:
        ops.voxel_add(ctx.descent.table(), *where, ctx.descent.change(grad_features))
        return None, None, *nothing
    backward = ops.voxel_lookup_backward_sparse if ctx.sparse else ops.voxel_lookup_backward
    found = backward(*where, grad_features, ctx.rows)
    if ctx.sparse:
        index, values = found
        shape = ctx.rows, values.shape[1]
        found = torch.sparse_coo_tensor(
            index[None], values, shape, check_invariants=False, is_coalesced=True
        )
    return None, found, *nothing


def _forward_fake(unit, table, words, first, cells, sparse):
    return table.new_empty(unit.shape[0], table.shape[1])


def _backward_fake(unit, words, first, cells, grad_features, rows):
    return grad_features.new_empty(rows, grad_features.shape[1])


def _backward_sparse_fake(unit, words, first, cells, grad_features, rows):
    touched = torch.library.get_ctx().new_dynamic_size()
    return words.new_empty(touched), grad_features.new_empty(touched, grad_features.shape[1])


register(
    "voxel_lookup(Tensor unit, Tensor table, Tensor words, Tensor first, int cells, bool sparse) "
    "-> Tensor",
    _forward,
    _forward_fake,
)
_GIVEN = "(Tensor unit, Tensor words, Tensor first, int cells, Tensor grad_features, SymInt rows)"
register(f"voxel_lookup_backward{_GIVEN} -> Tensor", _backward, _backward_fake)
register(
    "voxel_add(Tensor(a!) table, Tensor unit, Tensor words, Tensor first, int cells, "
    "Tensor values) -> ()",
    _add,
    lambda *_: None,
)
register(
    f"voxel_lookup_backward_sparse{_GIVEN} -> (Tensor, Tensor)",
    _backward_sparse,
    _backward_sparse_fake,
)
differentiate("voxel_lookup", _autograd, _setup_context)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    cells = 9  # more than two bricks an axis, the last one cut
    stored = torch.rand((cells + 1,) * 3, generator=generator) < 0.4
    words = pack_vertices(stored)
    unit = torch.rand(37, 3, generator=generator, dtype=torch.float64).to(device, dtype)
    table = torch.randn(int(stored.sum()), 28, generator=generator, dtype=torch.float64)
    bricks = words.to(device), first_rows(words).to(device)
    return unit, table.to(device, dtype), *bricks, cells, False


def _sized(generator: torch.Generator, size: int) -> tuple:
    """Points also outside the cube; few stored vertices; no rows for the last brick."""
    words = pack_vertices(torch.rand((12,) * 3, generator=generator) < 0.2)
    unit = 1.4 * torch.rand(size, 3, generator=generator) - 0.2
    first = first_rows(words)
    return unit, torch.randn(int(first[-1]), 33, generator=generator), words, first, 11


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    """A shell of 4 % of 256^3 vertices, 28 channels, points along rays that graze it."""
    axis = torch.linspace(-1, 1, 257)
    radius = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    words = pack_vertices((radius > 0.66) & (radius < 0.715))
    first = first_rows(words)
    table = torch.randn(int(first[-1]), 28, generator=generator)
    normal = torch.randn(points // 32, 3, generator=generator)
    normal = torch.nn.functional.normalize(normal, dim=-1)
    along = torch.linalg.cross(normal, normal.roll(1, 1))
    t = torch.linspace(-0.05, 0.05, 32)[None, :, None]
    unit = (0.69 * normal[:, None] + t * along[:, None]).reshape(-1, 3) / 2 + 0.5
    for name, sparse in (("dense", False), ("sparse", True)):
        arguments = unit, table, words, first, 256, sparse
        gathered = len(unit) * 8 * 128  # a row of 112 bytes lies in two lines
        yield Timing(arguments=arguments, items=len(unit), name=name, gathered=gathered)


VOXEL_LOOKUP = Kernel(
    name="voxel_lookup",
    fast=voxel_lookup,
    reference=voxel_lookup_reference,
    torch_op=torch.ops.nerfconvert.voxel_lookup,
    example=_example,
    sized=_sized,
    timings=_timings,
    free_rows=(0, 1),
    differentiable=(1,),
)
