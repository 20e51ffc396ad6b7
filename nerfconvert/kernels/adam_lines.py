"""adam_lines: a step of Adam (Kingma and Ba 2015) on those numbers of a table that have a gradient.

A mark says of 16 numbers of the table whether one of them may have a gradient: a line of a
processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .arguments import check_count, check_float, check_like, check_shape
from .dispatch import dispatch
from .kernel import Kernel, Timing
from .launch import launch
from .torch_ops import register

EPS = 1e-15
LINE = 16  # numbers of one mark


def marks_of(table: Tensor) -> int:
    """How many marks a table has."""
    return -(-table.numel() // LINE)


@torch.no_grad()
def adam_lines(
    table: Tensor,  # [N], changed in place, as all tensors here
    first: Tensor,  # [N]: running mean of gradients
    second: Tensor,  # [N]: running mean of squared gradients
    grad: Tensor,  # [N]: 0 where there is no mark, and everywhere afterwards
    marks: Tensor,  # [ceil(N / 16)] uint8; 0 afterwards
    rate: float,
    beta1: float,
    beta2: float,
    step: int,  # of the run, from 1: corrects the bias of means that start at 0
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """All five tensors after the step.

    A number whose gradient is 0 keeps its value and both means: they age by the steps that reach
    it, as in tiny-cuda-nn. The others change as Adam changes them.
    """
    check_float("table", table)
    check_shape("table", table, "N")
    check_count("table", table, 1)
    for name, tensor in (("first", first), ("second", second), ("grad", grad)):
        check_shape(name, tensor, len(table))
        check_like(name, tensor, "table", table)
    check_shape("marks", marks, marks_of(table))
    if marks.dtype != torch.uint8 or marks.device != table.device:
        raise ValueError(
            f"marks must be torch.uint8 on {table.device}, got {marks.dtype} on {marks.device}"
        )
    named = (("table", table), ("first", first), ("second", second), ("grad", grad))
    for name, tensor in (*named, ("marks", marks)):
        if not tensor.is_contiguous():
            raise ValueError(f"{name} must be contiguous, got strides {tensor.stride()}")
    return dispatch("adam_lines", table, first, second, grad, marks, rate, beta1, beta2, step)


def _compiled(
    table: Tensor, first: Tensor, second: Tensor, grad: Tensor, marks: Tensor, *numbers: float
) -> tuple[Tensor, ...]:
    changed = table, first, second, grad, marks
    torch.ops.nerfconvert.adam_lines(*changed, *numbers)
    return changed


@torch.no_grad()
def adam_lines_reference(
    table: Tensor,
    first: Tensor,
    second: Tensor,
    grad: Tensor,
    marks: Tensor,
    rate: float,
    beta1: float,
    beta2: float,
    step: int,
) -> tuple[Tensor, ...]:
    """`adam_lines` in plain torch."""
    reached = grad.nonzero()[:, 0]
    values, mean, square, given = (x[reached] for x in (table, first, second, grad))
    mean = mean.lerp(given, 1 - beta1)
    square = square.lerp(given.square(), 1 - beta2)
    corrected = (square / (1 - beta2**step)).sqrt() + EPS
    values -= rate / (1 - beta1**step) * mean / corrected
    for x, new in zip((table, first, second), (values, mean, square)):
        x[reached] = new
    grad.zero_()
    marks.zero_()
    return table, first, second, grad, marks


def _adam_lines(table, first, second, grad, marks, rate, beta1, beta2, step):
    corrections = 1 / (1 - beta1**step), 1 / math.sqrt(1 - beta2**step)
    numbers = float(rate), float(beta1), float(beta2), *corrections, EPS
    launch("adam_lines", table, table.numel(), table, first, second, grad, marks, *numbers)


def _fake(table, first, second, grad, marks, rate, beta1, beta2, step):
    return None


register(
    "adam_lines(Tensor(a!) table, Tensor(b!) first, Tensor(c!) second, Tensor(d!) grad, "
    "Tensor(e!) marks, float rate, float beta1, float beta2, int step) -> ()",
    _adam_lines,
    _fake,
)


def _example(generator: torch.Generator, device: torch.device, dtype: torch.dtype) -> tuple:
    """Half of the lines are marked, one of them cut; some marked numbers have no gradient."""
    draw = torch.randn(4, 123, generator=generator, dtype=torch.float64)
    table, first, second = draw[0], 0.1 * draw[1], 0.1 * draw[2].square()
    marks = torch.arange(8) % 2 ^ 1
    grad = draw[3] * marks.repeat_interleave(LINE)[:123]
    grad[32:40] = 0
    tensors = (x.to(device, dtype) for x in (table, first, second, grad))
    return *tensors, marks.to(device, torch.uint8), 0.02, 0.9, 0.99, 5


def _sized(generator: torch.Generator, size: int) -> tuple:
    """Few lines are marked for an even size, many for an odd one."""
    table, first, second, grad = torch.randn(4, size * LINE, generator=generator)
    marks = (torch.rand(size, generator=generator) < (0.4 if size % 2 else 0.1)).byte()
    grad *= marks.repeat_interleave(LINE)
    return table, first, second.abs(), grad, marks, 0.01, 0.9, 0.99, 3


def _timings(generator: torch.Generator, points: int) -> Iterator[Timing]:
    """A twentieth of the lines of a table, and all of them."""
    table = torch.randn(2 * points * LINE, generator=generator)
    for name, share in (("few", 0.05), ("all", 1.0)):
        marks = (torch.rand(2 * points, generator=generator) < share).byte()
        grad = table * marks.repeat_interleave(LINE)
        tensors = table, torch.zeros_like(table), torch.ones_like(table), grad, marks
        arguments, lines = (*tensors, 1e-3, 0.9, 0.99, 1), int(marks.sum())
        unit, moved = "M lines/s (of 16 numbers)", lines * 64 * 8  # four tensors, there and back
        yield Timing(arguments=arguments, items=lines, name=name, unit=unit, gathered=moved)


ADAM_LINES = Kernel(
    name="adam_lines",
    fast=adam_lines,
    reference=adam_lines_reference,
    torch_op=torch.ops.nerfconvert.adam_lines,
    native=_compiled,
    example=_example,
    sized=_sized,
    timings=_timings,
    exact_outputs=5,
    per_point=(0, 1, 2, 3, 4),
    free_rows=(),
    in_place=(0, 1, 2, 3, 4),
)
