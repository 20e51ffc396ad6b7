"""Harmonics of what a place shows in some directions: weighted least squares with a ridge."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

RIDGE = 0.02  # of all harmonics but the constant, of which 1 direction has about 0.1
DARK = 0.02  # logits of colors nearer to 0 or 1 would rule the fit
GAUSS_NEWTON = 2  # steps through the sigmoid


def fit_harmonics(
    basis: Tensor, rgb: Tensor, weight: Tensor, activation: Literal["clamp", "sigmoid"]
) -> Tensor:
    """Coefficients [N, 3, B] of colors [N, K, 3] in directions with `basis` [K, B] and positive
    `weight` [N, K]; through the sigmoid by Gauss-Newton steps."""
    if activation == "clamp":
        return least_squares(basis, rgb - 0.5, weight)
    found = least_squares(basis, rgb.clamp(DARK, 1 - DARK).logit(), weight)
    flat = rgb.transpose(1, 2).reshape(-1, rgb.shape[1])  # [3N, K]: each color on its own
    shared = weight.repeat_interleave(3, 0)
    for _ in range(GAUSS_NEWTON):
        raw = (found.flatten(0, 1) @ basis.T).clamp(-6, 6)
        shown = raw.sigmoid()
        slope = shown * (1 - shown)
        wanted = raw + ((flat - shown) / slope).clamp(-2, 2)
        found = least_squares(basis, wanted[..., None], shared * (4 * slope).square())
        found = found.view(len(rgb), 3, -1)
    return found


def least_squares(basis: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Coefficients [N, C, B] of targets [N, K, C] on a basis [K, B] with weights [N, K] > 0; a
    ridge draws all but those of the first column, the constant, to zero."""
    count, channels = basis.shape[1], target.shape[2]
    weight = weight / weight.sum(1, keepdim=True)
    products = (basis[:, :, None] * basis[:, None]).flatten(1)
    matrix = (weight @ products).view(-1, count, count)
    matrix.diagonal(dim1=1, dim2=2)[:, 1:] += RIDGE
    weighed = (target * weight[..., None]).transpose(1, 2).reshape(-1, len(basis))
    right = (weighed @ basis).view(-1, channels, count).transpose(1, 2)
    found = torch.cholesky_solve(right, torch.linalg.cholesky(matrix))
    return found.transpose(1, 2)
