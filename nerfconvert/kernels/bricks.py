"""Bits of a grid in bricks of 4x4x4, one 64-bit word each."""

from __future__ import annotations

import torch
from torch import Tensor


def pack_bits(bits: Tensor) -> Tensor:
    """Words [B^3] int64 of [4 B]^3 bool, indexed [x, y, z].

    Brick (bx, by, bz) is number ``(bx * B + by) * B + bz``; its word has bit
    ``(x * 4 + y) * 4 + z`` for (x, y, z) within it.
    """
    bricks = len(bits) // 4
    local = bits.view(bricks, 4, bricks, 4, bricks, 4).permute(1, 3, 5, 0, 2, 4)
    words = torch.zeros(bricks**3, dtype=torch.int64, device=bits.device)
    for shift, bit in enumerate(local.reshape(64, bricks**3)):  # one by one: 64 times less memory
        words |= bit.long() << shift
    return words
