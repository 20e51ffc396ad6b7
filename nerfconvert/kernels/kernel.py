"""Kernel: what tests and benchmarks need to know about one op."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """One op: the public function, its pure-torch reference and inputs to try both with.

    `example(generator, device, dtype)` returns the positional arguments of `fast`;
    `differentiable` are the positions of those that may carry gradients (a tensor or a list of
    tensors each), `in_place` of those that it changes and returns.
    """

    name: str
    fast: Callable
    reference: Callable
    example: Callable[[torch.Generator, torch.device, torch.dtype], tuple]
    differentiable: tuple[int, ...]
    in_place: tuple[int, ...] = ()
