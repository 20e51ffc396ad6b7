"""Arguments that every kernel takes."""

from __future__ import annotations

import torch

CPU = torch.device("cpu")


def example(kernel, device, dtype, seed=0) -> list:
    return list(kernel.example(torch.Generator().manual_seed(seed), device, dtype))
