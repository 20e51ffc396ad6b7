"""The look-up of a Plenoptic PNG from its factors, which gradients reach.

It is the trilinear sample of the volumes that the factors multiply out to. Of lines that is the
product of linear samples; of planes it is the sum over a cell's eight corners of their products.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sampled_factors(factors: Tensor, grid: Tensor) -> Tensor:
    """[V, n, C] at `grid` [V, n, 3], x, y, z in [-1, 1], of `factors` [3, V, samples..., R, C].

    Lines (one axis of samples) are those along x, y, z; planes those of yz, xz, xy.
    """
    resolution = factors.shape[2]
    place = (grid + 1) * ((resolution - 1) / 2)
    cell = place.long().clamp(0, resolution - 2)
    upper = place - cell
    weights = (1 - upper, upper)
    sample = line_samples if factors.ndim == 5 else plane_samples
    products = sample(factors, cell, weights)
    return products.unflatten(-1, factors.shape[-2:]).sum(-2)


def line_samples(factors: Tensor, cell: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
    """[V, n, R * C]: products of linear samples at `cell` [V, n, 3] and its upper neighbors."""
    product = None
    for axis, lines in enumerate(factors.unbind(0)):
        ends = (rows(lines, cell[..., axis] + k) * weights[k][..., axis, None] for k in (0, 1))
        sample = sum(ends)
        product = sample if product is None else product * sample
    return product


def plane_samples(factors: Tensor, cell: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
    """[V, n, R * C]: samples of the products, one for each corner z, y, x of `cell` [V, n, 3]."""
    of_yz, of_xz, of_xy = factors.unbind(0)
    resolution = factors.shape[2]
    x, y, z = ([cell[..., axis] + k for k in (0, 1)] for axis in range(3))
    on_x, on_y, on_z = ([w[..., axis, None] for w in weights] for axis in range(3))
    along_x = [[rows(of_xy, y[j] * resolution + x[i]) * on_x[i] for i in (0, 1)] for j in (0, 1)]
    total = None
    for k in (0, 1):
        near, far = (rows(of_xz, z[k] * resolution + x[i]) for i in (0, 1))
        for j in (0, 1):
            line = (near * along_x[j][0]).addcmul(far, along_x[j][1])
            yz = rows(of_yz, z[k] * resolution + y[j]) * (on_z[k] * on_y[j])
            total = yz * line if total is None else total.addcmul(yz, line)
    return total


def rows(table: Tensor, index: Tensor) -> Tensor:
    """Rows [V, n, R * C] at `index` [V, n] among the samples of `table` [V, samples..., R, C]."""
    flat = table.flatten(1, -3).flatten(2)
    shifts = len(flat[0]) * torch.arange(len(flat), device=index.device)[:, None]
    return (
        flat.flatten(0, 1)
        .index_select(0, (index + shifts).flatten())
        .view(*index.shape, flat.shape[2])
    )
