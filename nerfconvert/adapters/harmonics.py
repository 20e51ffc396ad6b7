"""Spherical harmonics of the colors at points, by ridge regression weighted with visibility."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..volume import RadianceField

SEEN = 0.01  # transmittance above which a direction is queried
FAINT = 1e-3  # weight of a direction in which a point is not visible
BATCH = 1 << 16  # colors queried at once
RIDGE = 0.02  # of all harmonics but the constant; one direction alone contributes about 0.1
DARK = 0.02  # logits of colors nearer to 0 or 1 would dominate the fit
GAUSS_NEWTON = 2  # steps through the sigmoid


def seen_colors(
    teacher: RadianceField, features: Tensor, directions: Tensor, transmittance: Tensor
) -> tuple[Tensor, Tensor]:
    """Colors [N, K, 3] of points in `directions` [K, 3], and their weights [N, K] > 0.

    Points are given by `features` [N, F] and `transmittance` [N, K], that from a point to the
    direction's cameras. NaN counts as gray. Only visible directions are queried, a fifth of a
    typical scene; the others get the mean color of the point's visible ones at a weight of `FAINT`,
    gray where there are none.
    """
    rgb = transmittance.new_full((*transmittance.shape, 3), 0.5)
    seen = transmittance > SEEN
    place, direction = seen.nonzero().T
    for some, along in zip(place.split(BATCH), direction.split(BATCH)):
        rgb[some, along] = teacher.color(features[some], directions[along]).nan_to_num(0.5)
    shares = transmittance.where(seen, 0.0)
    mean = (shares[..., None] * (rgb - 0.5)).sum(1) / shares.sum(1).clamp_min(SEEN)[:, None] + 0.5
    return rgb.where(seen[..., None], mean[:, None]), shares + FAINT


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
    ridge pulls all but those of the first column, the constant, to zero."""
    count, channels = basis.shape[1], target.shape[2]
    weight = weight / weight.sum(1, keepdim=True)
    products = (basis[:, :, None] * basis[:, None]).flatten(1)
    matrix = (weight @ products).view(-1, count, count)
    matrix.diagonal(dim1=1, dim2=2)[:, 1:] += RIDGE
    weighed = (target * weight[..., None]).transpose(1, 2).reshape(-1, len(basis))
    right = (weighed @ basis).view(-1, channels, count).transpose(1, 2)
    found = torch.cholesky_solve(right, torch.linalg.cholesky(matrix))
    return found.transpose(1, 2)
