"""Small pictures are enlarged, so that the labels above them can be read."""

from __future__ import annotations

from torch import Tensor

LEAST = 160  # pixels of a label's width


def readable(image: Tensor) -> Tensor:
    """`image` [H, W, ...] with every pixel repeated as often as it takes to be `LEAST` wide."""
    times = -(-LEAST // image.shape[1])
    return image.repeat_interleave(times, 0).repeat_interleave(times, 1)
