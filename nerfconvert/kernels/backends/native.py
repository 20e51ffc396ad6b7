"""native: our own compiled kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import KERNELS
from ..dispatch import is_native
from .backend import Backend, OfEveryKernel


def compiled(name: str) -> Callable:
    """The kernel through its torch op; returns None where not compiled for dtype and device."""
    kernel = KERNELS[name]

    def run(*arguments: Any) -> Any:
        return kernel.compiled(*arguments) if is_native(name, arguments[0]) else None

    return run


NATIVE = Backend(name="native", implementations=OfEveryKernel(compiled))
