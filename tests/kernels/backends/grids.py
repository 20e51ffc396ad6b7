"""Hash grids to try backends on, and gradients to compare."""

from __future__ import annotations

import torch

CPU = torch.device("cpu")
GRIDS = [(16, 16, 512, 18), (16, 16, 2048, 19), (5, 7, 33, 10), (1, 4, 4, 8), (3, 4, 4, 20)]


def grid_arguments(layout, device=CPU) -> tuple:
    unit = 1.2 * torch.rand(300, 3) - 0.1
    table = torch.randn(int(layout[0][-1]), 2)
    layout = [x.to(device) for x in layout]
    return unit.to(device), table.to(device).requires_grad_(), *layout


def gradients(outputs, leaves):
    cotangent = torch.linspace(-1, 1, outputs.numel()).view(outputs.shape).to(outputs)
    return torch.autograd.grad(outputs, leaves, cotangent)
