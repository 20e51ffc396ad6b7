"""rmsprop_rows: a step of RMSprop (Tieleman and Hinton 2012) on some rows of a table."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_integer, check_like, check_shape
from .dispatch import dispatch
from .kernel import Kernel, Timing
from .launch import launch
from .torch_ops import register

EPS = 1e-15


@torch.no_grad()
def rmsprop_rows(
    table: Tensor,  # [V, C], changed in place
    square: Tensor,  # [V, C] running mean of squared gradients, changed in place
    grads: Tensor,  # [R, C]
    rows: Tensor,  # [R] int64, each at most once
    rate: float,
    beta: float,
    step: int,  # of the run, from 1: corrects the bias of a mean that starts at 0, as in Adam
) -> tuple[Tensor, Tensor]:
    """`table` and `square` after the step.

    A row whose gradients are all 0, or that lies beyond the table, keeps its entries and means:
    rows that a step does not touch cost nothing and do not drift, as in svox2.
    """
    check_float("table", table)
    check_shape("table", table, "V", "C")
    check_count("table", table, table.shape[1])
    check_shape("square", square, *table.shape)
    check_like("square", square, "table", table)
    check_shape("rows", rows, "R")
    check_integer("rows", rows, table)
    check_shape("grads", grads, len(rows), table.shape[1])
    check_like("grads", grads, "table", table)
    for name, tensor in (("table", table), ("square", square)):
        if not tensor.is_contiguous():
            raise ValueError(f"{name} must be contiguous, got strides {tensor.stride()}")
    return dispatch("rmsprop_rows", table, square, grads, rows, rate, beta, step)


def _compiled(table: Tensor, square: Tensor, *others: Tensor | float) -> tuple[Tensor, Tensor]:
    torch.ops.nerfconvert.rmsprop_rows(table, square, *others)
    return table, square


@torch.no_grad()
def rmsprop_rows_reference(
    table: Tensor,  # [V, C]
    square: Tensor,  # [V, C]
    grads: Tensor,  # [R, C]
    rows: Tensor,  # [R] int64
    rate: float,
    beta: float,
    step: int,
) -> tuple[Tensor, Tensor]:
    """`rmsprop_rows` in plain torch."""
    used = (grads != 0).any(1) & (rows >= 0) & (rows < len(table))
    rows, grads = rows[used], grads[used]
    square[rows] = square[rows].lerp_(grads.square(), 1 - beta)
    table[rows] -= rate * grads / ((square[rows] / (1 - beta**step)).sqrt() + EPS)
    return table, square


def _rmsprop_rows(table, square, grads, rows, rate, beta, step):
    sizes = len(grads), table.shape[1], len(table)
    tensors = rows.contiguous(), grads.contiguous(), table, square
    numbers = float(rate), float(beta), 1 / (1 - beta**step), EPS
    launch("rmsprop_rows", table, *sizes, *tensors, *numbers)


def _fake(table, square, grads, rows, rate, beta, step):
    return None


register(
    "rmsprop_rows(Tensor(a!) table, Tensor(b!) square, Tensor grads, Tensor rows, float rate, "
    "float beta, int step) -> ()",
    _rmsprop_rows,
    _fake,
)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    """Half of the rows of a table, in any order; one of them without a gradient, one beyond it."""
    draw = torch.randn(3, 41, 3, generator=generator, dtype=torch.float64)
    rows = torch.randperm(41, generator=generator)[:20]
    grads = draw[2, :20]
    grads[7], rows[8] = 0, 99
    tensors = (x.to(device, dtype) for x in (draw[0], 0.1 * draw[1].square(), grads))
    return *tensors, rows.to(device), 0.02, 0.99, 5


def _sized(generator: torch.Generator, size: int) -> tuple:
    """Rows in no order, one beyond the table; one without a gradient."""
    table, square, grads = torch.randn(3, size, 1 + size % 3, generator=generator)
    grads[:1] = 0
    rows = torch.randperm(size, generator=generator) + 1
    return table, square.abs(), grads, rows, 0.01, 0.9, 3


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    """A twentieth of the rows of a table of 28 channels, in order."""
    table = torch.randn(4 * points, 28, generator=generator)
    rows = torch.randperm(len(table), generator=generator)[: points // 5].sort().values
    arguments = table, torch.ones_like(table), table[rows], rows, 1e-3, 0.99, 1
    unit = f"M rows/s (28 channels, of {len(table) / 1e6:.1f} M)"
    moved = len(rows) * 128 * 4  # two tensors, there and back, in lines of 64 bytes
    yield Timing(arguments=arguments, items=len(rows), unit=unit, gathered=moved)


RMSPROP_ROWS = Kernel(
    name="rmsprop_rows",
    fast=rmsprop_rows,
    reference=rmsprop_rows_reference,
    torch_op=torch.ops.nerfconvert.rmsprop_rows,
    native=_compiled,
    example=_example,
    sized=_sized,
    timings=_timings,
    exact_outputs=2,
    per_point=(0, 1, 2, 3),
    free_rows=(),
    in_place=(0, 1),
)
