"""How much is computed at once: what a CPU's caches hold, elsewhere what fills the device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SHARE = 64  # one part in so many of a GPU's memory is for what one call computes on the way


def room(device: torch.device) -> int:
    """Bytes on a GPU for what one call computes on the way; 0 on a CPU.

    Of all its memory, not of what is free: sizes, and with them results, are those of every run.
    """
    if device.type != "cuda":
        return 0
    return torch.cuda.get_device_properties(device).total_memory // SHARE


def at_once(count: int, device: torch.device, each: int, most: int = 64) -> int:
    """`count` on a CPU; on a GPU that times a whole number, up to `most`, by which as many items of
    `each` bytes still fit into its `room`."""
    return count * max(1, min(most, room(device) // (count * each)))


def in_parts(function: Callable[..., Tensor], rows: int, *tensors: Tensor) -> Tensor:
    """`function(*tensors)` [N, ...] of tensors [N, ...], whose rows do not depend on each other.

    Without gradients at most `rows` are computed at once, so that what is made on the way stays in
    the caches.
    """
    if torch.is_grad_enabled() or len(tensors[0]) <= rows:
        return function(*tensors)
    parts = zip(*(tensor.split(rows) for tensor in tensors), strict=True)
    return torch.cat([function(*part) for part in parts])
