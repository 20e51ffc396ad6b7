"""Random streams: generators that a use, a seed and counters tell apart."""

from __future__ import annotations

import hashlib

import torch


def stream(use: str, *numbers: int) -> torch.Generator:
    """A CPU generator of its own for each `use` with its `numbers`.

    All of them are mixed into the 32 bits that torch takes of a seed for the CPU: of `seed << 32`
    it would take nothing.
    """
    digest = hashlib.blake2b(repr((use, *numbers)).encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))
