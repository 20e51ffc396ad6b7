"""reference: every kernel in plain torch, which runs anywhere."""

from __future__ import annotations

from .. import KERNELS
from .backend import Backend, OfEveryKernel

REFERENCE = Backend(
    name="reference", implementations=OfEveryKernel(lambda name: KERNELS[name].reference)
)
