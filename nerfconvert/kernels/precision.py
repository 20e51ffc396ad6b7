"""Which calls may compute in bfloat16, where the machine multiplies it: those of a training, and
frames that were asked for fast."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from contextvars import ContextVar

import torch
from torch import Tensor

from . import library

_allowed: ContextVar[bool] = ContextVar("nerfconvert_bfloat16", default=False)


@contextlib.contextmanager
def bfloat16_allowed(allowed: bool = True) -> Iterator[None]:
    """Context in which networks compute in bfloat16 where the machine has instructions for it.

    Parameters, results, gradients and all sums stay float32; the terms of a product are rounded to
    8 bits. Everywhere else networks compute in float32, as they do here where the kernels of level
    `bf16` or `amx` are not loaded (NERFCONVERT_LEVEL=v4 chooses the level below).
    """
    token = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(token)


@contextlib.contextmanager
def training_precision() -> Iterator[None]:
    """Context of all training: bfloat16, unless NERFCONVERT_NETWORKS=float32 in the environment."""
    with bfloat16_allowed(os.environ.get("NERFCONVERT_NETWORKS") != "float32"):
        yield


def computed_in(device: torch.device) -> str:
    """What networks are computed in on `device` in this context: "bfloat16" or "float32"."""
    return "bfloat16" if in_bfloat16(torch.zeros(1, device=device)) else "float32"


def trained_in(device: torch.device) -> str:
    """What networks are computed in where they are trained on `device`."""
    with training_precision():
        return computed_in(device)


def in_bfloat16(like: Tensor) -> bool:
    """Whether a network on a tensor like `like` is to compute in bfloat16 here; on CUDA, one that
    is wide (wide_mlp.py)."""
    if not _allowed.get():
        return False
    if like.device.type == "cuda":
        return like.dtype == torch.float32 and _cuda_multiplies_bfloat16()
    return library.has_function("fused_mlp_bfloat16", like)


@functools.cache
def _cuda_multiplies_bfloat16() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
