"""Accelerator: a package of others and the kernels that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """What runs some of our kernels on CUDA: a package of others, or we in another way.

    `kernels` maps a name of `KERNELS` to a function with the arguments and results of that kernel;
    it returns None for what the package cannot compute.
    """

    kernels: Mapping[str, Callable[..., Tensor | tuple[Tensor, ...] | None]]
    package: str | None = None  # as it is imported
    install: str = ""  # how to get it
