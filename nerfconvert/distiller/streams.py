"""Random streams: independent generators for each use, seed and counters."""

from __future__ import annotations

import hashlib

import torch


def stream(use: str, *numbers: int) -> torch.Generator:
    """An independent CPU generator for each `use` with its `numbers`.

    All of them are hashed into 32 bits, because torch's CPU generator uses only the low 32 bits of
    a seed: it would ignore `seed << 32`.
    """
    digest = hashlib.blake2b(repr((use, *numbers)).encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))
