"""factor_lookup: products of planes and lines, the factorized grids of TensoRF (Chen et al. 2022).

VM: mode m multiplies a plane of two axes with a line of the third: xy and z, xz and y, yz and x.
CP: no planes, the three lines are multiplied.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_like, check_shape
from .dispatch import dispatch
from .example_points import points_along_rays, scattered_then_in_order
from .kept_gradient import kept_gradient
from .kernel import Kernel, Timing
from .launch import launch
from .torch_ops import differentiate, register

PLANE_AXES = ((0, 1), (0, 2), (1, 2))
LINE_AXES = (2, 1, 0)
MAX_SAMPLES = 1 << 24  # along an axis: beyond, float32 skips integers


def factor_lookup(
    unit: Tensor,  # [N, 3] in [0, 1]; clamped, NaN counts as 0
    planes: list[Tensor],  # [X, Y, C], [X, Z, C], [Y, Z, C]; or none
    lines: list[Tensor],  # [Z, C], [Y, C], [X, C]
    summed: int,
    sums: bool = True,
) -> tuple[Tensor, Tensor]:
    """Products of planes and lines at points of the unit cube: of the first `summed` channels their
    sums [N] over all modes, of the others [N, 3 * (C - summed)], mode after mode.

    Without `sums` the first is [0]. Without planes, products of the three lines, one mode in all.
    Samples are interpolated linearly, the first and the last of an axis lie on the faces of the
    cube (grid_sample's align_corners). Gradients reach planes and lines; where one is kept of each
    of them, it is added to.
    """
    check_factors(unit, planes, lines)
    check_summed("summed", summed, lines)
    check_count("unit", unit, lines[0].shape[1] * max(len(planes), 1))
    return dispatch("factor_lookup", unit, list(planes), list(lines), summed, sums)


def check_factors(unit: Tensor, planes: list[Tensor], lines: list[Tensor]) -> None:
    """Raises ValueError unless these are arguments of `factor_lookup`."""
    check_float("unit", unit)
    check_shape("unit", unit, "N", 3)
    if len(lines) != 3 or len(planes) not in (0, 3):
        raise ValueError(
            f"lines must be 3 and planes 3 or none, got {len(lines)} lines, {len(planes)} planes"
        )
    for mode, line in enumerate(lines):
        check_shape(f"lines[{mode}]", line, "samples", lines[0].shape[-1] if mode else "C")
        check_like(f"lines[{mode}]", line, "unit", unit)
        if not 2 <= line.shape[0] <= MAX_SAMPLES:
            raise ValueError(
                f"lines[{mode}] must have 2 to {MAX_SAMPLES} rows, got {line.shape[0]}"
            )
    sizes, width = sizes_of(lines), lines[0].shape[1]
    for mode, plane in enumerate(planes):
        first, second = PLANE_AXES[mode]
        check_shape(f"planes[{mode}]", plane, sizes[first], sizes[second], width)
        check_like(f"planes[{mode}]", plane, "unit", unit)


def check_summed(name: str, channels: int, lines: list[Tensor]) -> None:
    """Raises ValueError unless lines have so many channels."""
    if not 0 <= channels <= lines[0].shape[1]:
        raise ValueError(f"{name} must be 0 to {lines[0].shape[1]}, got {channels}")


def factor_lookup_reference(
    unit: Tensor,  # [N, 3]
    planes: list[Tensor],  # [X, Y, C], [X, Z, C], [Y, Z, C]; or none
    lines: list[Tensor],  # [Z, C], [Y, C], [X, C]
    summed: int,
    sums: bool = True,
) -> tuple[Tensor, Tensor]:
    """`factor_lookup` in plain torch."""
    products = all_products(unit, planes, lines).unflatten(1, (max(1, len(planes)), -1))
    totals = products[..., :summed].sum((1, 2)) if sums else unit.new_empty(0)
    return totals, products[..., summed:].flatten(1)


def all_products(unit: Tensor, planes: list[Tensor], lines: list[Tensor]) -> Tensor:
    """Products [N, modes * C] of all channels, mode after mode, in plain torch."""
    sizes = unit.new_tensor(sizes_of(lines))
    position = unit.detach().nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * (sizes - 1)
    cell = position.floor().minimum(sizes - 2)
    fraction = position - cell
    ends = list(zip(cell.long().unbind(1), fraction.unbind(1)))
    on_lines = [_on_line(line, *ends[axis]) for line, axis in zip(lines, LINE_AXES)]
    if not planes:
        return on_lines[0] * on_lines[1] * on_lines[2]
    products = []
    for plane, axes, on_line in zip(planes, PLANE_AXES, on_lines):
        (row, across), (column, along) = (ends[axis] for axis in axes)
        flat = plane.flatten(0, 1)
        index = row * plane.shape[1] + column
        low = _on_line(flat, index, along)
        high = _on_line(flat, index + plane.shape[1], along)
        products.append((low + (high - low) * across[:, None]) * on_line)
    return torch.cat(products, 1)


def _on_line(line: Tensor, cell: Tensor, fraction: Tensor) -> Tensor:
    return line[cell] * (1 - fraction[:, None]) + line[cell + 1] * fraction[:, None]


def sizes_of(lines: list[Tensor]) -> list[int]:
    """Samples along x, y and z."""
    return [lines[LINE_AXES.index(axis)].shape[0] for axis in range(3)]


def _forward(unit, planes, lines, summed, sums):
    totals, products = _forward_fake(unit, planes, lines, summed, sums)
    inputs = unit.contiguous(), [p.contiguous() for p in planes], [x.contiguous() for x in lines]
    shape = len(unit), lines[0].shape[1], summed, sizes_of(lines)
    if sums:
        launch("factor_sum", unit, *shape, *inputs, totals)
    launch("factor_lookup", unit, *shape, *inputs, products)
    return totals, products


def _backward(unit, planes, lines, summed, grad_sums, grad_products):
    grads = _backward_fake(unit, planes, lines)
    _scatter(unit, planes, lines, summed, grad_sums, grad_products, *grads, [], [])
    return grads


def _scatter(
    unit, planes, lines, summed, grad_sums, grad_products,
    grad_planes, grad_lines, plane_marks, line_marks,
):  # fmt: skip
    """Adds to kept gradients where there are marks, else fills the gradients."""
    inputs = unit.contiguous(), [p.contiguous() for p in planes], [x.contiguous() for x in lines]
    shape = len(unit), lines[0].shape[1], summed, sizes_of(lines)
    given = None if grad_sums is None else grad_sums.contiguous(), grad_products.contiguous()
    outputs = grad_planes, grad_lines, plane_marks, line_marks
    launch("factor_lookup_backward", unit, *shape, *inputs, *given, *outputs)


def _setup_context(ctx, inputs, output):
    unit, planes, lines, ctx.summed, ctx.sums = inputs
    ctx.n_planes = len(planes)
    kept = [kept_gradient(x) for x in (*planes, *lines)]
    ctx.kept = kept if all(kept) else None
    ctx.save_for_backward(unit, *planes, *lines)


def _autograd(ctx, grad_sums, grad_products):
    unit, *factors = ctx.saved_tensors
    planes, lines = factors[: ctx.n_planes], factors[ctx.n_planes :]
    given = unit, planes, lines, ctx.summed, grad_sums if ctx.sums else None, grad_products
    if ctx.kept:
        values, marks = (list(x) for x in zip(*(kept.parts() for kept in ctx.kept)))
        there = (x for part in (values, marks) for x in (part[: len(planes)], part[len(planes) :]))
        torch.ops.nerfconvert.factor_lookup_add_gradient(*given, *there)
        return None, [None] * len(planes), [None] * len(lines), None, None
    return None, *torch.ops.nerfconvert.factor_lookup_backward(*given), None, None


def _forward_fake(unit, planes, lines, summed, sums):
    points, width = unit.shape[0], (lines[0].shape[1] - summed) * max(len(planes), 1)
    return unit.new_empty(points if sums else 0), unit.new_empty(points, width)


def _backward_fake(unit, planes, lines, *_):
    return [[x.new_empty(x.shape) for x in group] for group in (planes, lines)]


def _scatter_fake(*_):
    return None


_INPUTS = "Tensor unit, Tensor[] planes, Tensor[] lines, int summed"
_GIVEN = f"{_INPUTS}, Tensor? grad_sums, Tensor grad_products"
register(f"factor_lookup({_INPUTS}, bool sums) -> (Tensor, Tensor)", _forward, _forward_fake)
register(
    f"factor_lookup_backward({_GIVEN}) -> (Tensor[], Tensor[])",
    _backward,
    _backward_fake,
)
register(
    f"factor_lookup_add_gradient({_GIVEN}, Tensor(a!)[] grad_planes, Tensor(b!)[] grad_lines, "
    "Tensor(c!)[] plane_marks, Tensor(d!)[] line_marks) -> ()",
    _scatter,
    _scatter_fake,
)
differentiate("factor_lookup", _autograd, _setup_context)


def small_factors(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    """A unit, planes and lines of a small call, as a kernel's `example`."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device, dtype)

    sizes, width = (5, 17, 9), 12
    unit = torch.rand(41, 3, generator=generator, dtype=torch.float64).to(device, dtype)
    planes = [draw(sizes[a], sizes[b], width) for a, b in PLANE_AXES]
    return unit, planes, [draw(sizes[axis], width) for axis in LINE_AXES]


def sized_factors(generator: torch.Generator, size: int) -> tuple:
    """Points also outside of the cube; more channels than a warp has lanes; no planes for even
    `size`."""
    lines = [torch.randn(n, 33, generator=generator) for n in (7, 2, 40)]
    planes = [torch.randn(*n, 33, generator=generator) for n in ((40, 2), (40, 7), (2, 7))]
    unit = scattered_then_in_order(generator, size)
    return unit, planes if size % 2 else [], lines


def factors_along_rays(generator: torch.Generator, points: int) -> Iterator[tuple[str, int, tuple]]:
    """Name, density components and arguments of TensoRF's sizes: VM of 16 + 48 components at
    300^3, CP of 96 + 288 at 500^3."""
    unit = points_along_rays(generator, points)
    for name, size, density, width, n_planes in (("vm", 300, 16, 64, 3), ("cp", 500, 96, 384, 0)):
        planes = [torch.randn(size, size, width, generator=generator) for _ in range(n_planes)]
        lines = [torch.randn(size, width, generator=generator) for _ in range(3)]
        yield name, density, (unit, planes, lines)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    return *small_factors(generator, device, dtype), 5, True


def _sized(generator: torch.Generator, size: int) -> tuple:
    """Sums of none, some or all channels, which do not fill vectors; or without them."""
    return *sized_factors(generator, size), (0, 7, 33)[size % 3], size % 5 > 0


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    for name, density, arguments in factors_along_rays(generator, points):
        _, planes, lines = arguments
        gathered = points * 4 * lines[0].shape[1] * (4 * len(planes) + 2 * 3)
        yield Timing(
            arguments=(*arguments, density, True), items=points, name=name, gathered=gathered
        )


FACTOR_LOOKUP = Kernel(
    name="factor_lookup",
    fast=factor_lookup,
    reference=factor_lookup_reference,
    torch_op=torch.ops.nerfconvert.factor_lookup,
    example=_example,
    sized=_sized,
    timings=_timings,
    differentiable=(1, 2),
)
