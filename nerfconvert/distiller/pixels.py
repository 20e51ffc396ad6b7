"""Pixels of photographs, drawn at random, and what they say of the opacity in front of them."""

from __future__ import annotations

import torch
from torch import Tensor

SHOWS = 0.1  # opacity that a pixel asks for from which on it shows something


def least_opacity(pixels: Tensor, background: float) -> Tensor:
    """[...] the least opacity that explains `pixels` [..., 3] on the gray level `background`, or
    [..., 4], whose alpha it is."""
    if pixels.shape[-1] == 4:
        return pixels[..., 3]
    return (pixels - background).abs().amax(-1) / max(background, 1 - background)


def draw_pixels(images: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Views, rows and columns, each [count] int64, of pixels of `images` [V, H, W, C]."""
    v, h, w, _ = images.shape
    pick = torch.rand(3, count, generator=generator)
    return (pick[0] * v).long(), (pick[1] * h).long(), (pick[2] * w).long()


class ShowingPixels:
    """The pixels of `images` [V, H, W, 3 or 4] that show something before their background."""

    def __init__(self, images: Tensor, background: float):
        shows = [(least_opacity(image, background) > SHOWS) for image in images]
        self.shape = images.shape[:3]
        self.indices = torch.stack(shows).flatten().nonzero()[:, 0]

    def put_into(self, drawn: tuple[Tensor, ...], generator: torch.Generator) -> None:
        """Replaces the first half of `drawn` (views, rows, columns; [R] each) by such pixels."""
        half = len(drawn[0]) // 2
        pick = torch.rand(half, generator=generator, dtype=torch.float64) * len(self.indices)
        _, h, w = self.shape
        index = self.indices[pick.long()]
        for old, new in zip(drawn, (index // (h * w), index // w % h, index % w), strict=True):
            old[:half] = new
