"""native: our own compiled kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.autograd.graph import increment_version

from .. import KERNELS
from ..dispatch import is_native
from .backend import Backend, OfEveryKernel


def compiled(name: str) -> Callable:
    """The kernel through its torch op; returns None where not compiled for dtype and device."""
    kernel = KERNELS[name]

    def run(*arguments: Any) -> Any:
        if not is_native(name, arguments[0]):
            return None
        found = kernel.compiled(*arguments)
        # Torch does not see what C changes; what is cached of a tensor goes by its version.
        increment_version([arguments[i] for i in kernel.in_place])
        return found

    return run


NATIVE = Backend(name="native", implementations=OfEveryKernel(compiled))
