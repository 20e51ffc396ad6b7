"""Kernel: all that dispatch, tests and benchmarks need to know about one op."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

Arguments = tuple  # positional arguments of the public function: tensors, lists of them, numbers


@dataclass(frozen=True, kw_only=True)
class Timing:
    """A call for a benchmark to time, of the size that conversions make."""

    arguments: Arguments
    items: int  # results of the call, for the rate
    name: str = ""  # among the timings of the same kernel
    unit: str = "M points/s"  # of the rate of items
    flops: int = 0  # of its matrix products
    gathered: int = 0  # bytes of tables that it moves, in lines of 64


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """One op: its functions, and arguments to test them with.

    Positions count the arguments of `fast`; each of `differentiable` is a tensor or a list of
    tensors. The results of a kernel are its outputs and then the gradients of `differentiable`.
    """

    name: str
    fast: Callable  # the public function
    reference: Callable  # the same in plain torch
    torch_op: Callable  # of torch.ops.nerfconvert, which runs it compiled
    native: Callable | None = None  # how `torch_op` is called; None: with the arguments as they are

    # (generator, device, dtype) -> Arguments of a small call without edge cases.
    example: Callable[[torch.Generator, torch.device, torch.dtype], Arguments]
    # (generator, size) -> Arguments for any number of points; float32 on the CPU, with edge cases.
    sized: Callable[[torch.Generator, int], Arguments]
    # (generator, points) -> calls on the CPU for a benchmark; None: the one of `sized`.
    timings: Callable[[torch.Generator, int], Iterator[Timing]] | None = None

    # Number of leading outputs that are bit-identical on CUDA and all CPU instruction-set levels.
    # If any are, so are gradients on all CPU levels, and with `exact_gradients` on CUDA too.
    exact_outputs: int = 0
    exact_gradients: bool = False
    dynamic: bool = False  # the number of output rows depends on values, not only on shapes

    per_point: tuple[int, ...] = (0,)  # tensors with a row per point
    offsets: tuple[int, ...] = ()  # tensors of boundaries of groups of points, starting at 0
    free_rows: tuple[int, ...] = (0,)  # tensors whose number of rows no other argument fixes
    differentiable: tuple[int, ...] = ()
    in_place: tuple[int, ...] = ()  # tensors that the kernel changes and returns

    @property
    def compiled(self) -> Callable:
        """The compiled implementation; it may return None for sizes that it does not support."""
        return self.native or self.torch_op

    def without_points(self, arguments: Arguments) -> list:
        """`arguments` with zero points."""
        lengths = dict.fromkeys(self.per_point, 0) | dict.fromkeys(self.offsets, 1)
        return [x[: lengths[i]] if i in lengths else x for i, x in enumerate(arguments)]

    def calls(self, generator: torch.Generator, points: int) -> Iterator[Timing]:
        """The calls that a benchmark times."""
        if self.timings:
            yield from self.timings(generator, points)
        else:
            yield Timing(arguments=self.sized(generator, points), items=points)
