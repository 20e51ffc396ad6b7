"""Arguments that several kernels are tested or timed with."""

from __future__ import annotations

import torch
from torch import Tensor


def scattered_then_in_order(generator: torch.Generator, size: int) -> Tensor:
    """[size, 3] points: half random, in and around the unit cube, half in order along a ray."""
    unit = 1.4 * torch.rand(size, 3, generator=generator) - 0.2
    along = torch.arange(size // 2)[:, None] * torch.tensor([0.011, 0.007, -0.004]) % 1
    return torch.cat([unit[: size - size // 2], along])


def points_along_rays(generator: torch.Generator, size: int) -> Tensor:
    """[size, 3] points of the unit cube in the order in which rays of 32 samples visit them."""
    draw = torch.rand(size // 32, 2, 3, generator=generator)
    t = torch.linspace(0, 1, 32)[None, :, None] * 0.2
    points = draw[:, :1] + t * torch.nn.functional.normalize(draw[:, 1:] - draw[:, :1], dim=-1)
    return points.clamp(0, 1).reshape(-1, 3)
