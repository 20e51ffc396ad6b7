"""Sparse voxels from a teacher in closed form: opacities at the vertices, harmonics by least
squares over the directions from which each vertex is seen."""

from __future__ import annotations

import torch
from torch import Tensor

from ..kernels.spherical_harmonics import spherical_harmonics
from ..kernels.voxel_lookup import (
    first_rows,
    list_vertices,
    pack_vertices,
    voxel_lookup,
)
from ..volume import RadianceField, Sight

BATCH = 1 << 14
MOST_DEPTH = 8.0
EMPTY = 1e-3
GAUSS = 3
RIDGE = 0.02


D0, D1, LOW = 0.3, 1.0, -1.0


def soft(d):
    low = D0 * (1 + torch.log(d.clamp_min(1e-8) / D0))
    high = D1 * (1 + torch.log(d.clamp_min(1e-8) / D1))
    return torch.where(d < D0, low, torch.where(d > D1, high, d)).clamp(LOW, MOST_DEPTH)


@torch.no_grad()
def fit_voxels(field, teacher: RadianceField, sight: Sight, stored: Tensor):
    cells = len(stored) - 1
    words = pack_vertices(stored)
    vertices = list_vertices(words)
    edge = torch.tensor(field.aabb.size).prod() ** (1 / 3) / cells
    positions = field.aabb.from_unit(vertices.float() / cells)
    table = positions.new_zeros(len(positions), field.feature_dim)
    basis = spherical_harmonics(sight.directions, 3)
    solved = positions.new_zeros(len(positions))
    for start in range(0, len(positions), BATCH):
        p = positions[start : start + BATCH]
        f = teacher.encode(p)
        density = teacher.density(f).nan_to_num(0.0)
        table[start : start + BATCH, 0] = (
            soft(density * edge) / edge / field.density_scale
        )
        solid = density * edge > EMPTY
        if not solid.any():
            continue
        light = sight.visible(p[solid])
        rows = solid.nonzero()[:, 0] + start
        fs = f[solid]
        coefficients = fit_color(teacher, fs, sight.directions, basis, light + 1e-3)
        table[rows, 1:] = coefficients.flatten(1)
        solved[rows] = -torch.expm1(-density[solid] * edge) * light.mean(1)
    first = first_rows(words)
    fill(table, solved, words, first, vertices, cells)
    return words, table


def fit_color(teacher, features, directions, basis, light):
    m, k = light.shape
    d = directions.repeat(m, 1)
    f = features.repeat_interleave(k, 0)
    c = torch.cat([teacher.color(a, b) for a, b in zip(f.split(1 << 16), d.split(1 << 16))]).view(
        m, k, 3
    )
    w = light / light.sum(1, keepdim=True)
    mean = (w[..., None] * c).sum(1)
    rest = c - mean[:, None]
    nb = basis.shape[1]
    gram = (w @ (basis[:, :, None] * basis[:, None]).flatten(1)).view(m, nb, nb)
    ridge = torch.full((nb,), RIDGE)
    gram = gram + torch.diag(ridge)
    right = torch.einsum("mkc,kb->mbc", w[..., None] * rest, basis)
    out = torch.linalg.solve(gram, right)  # [m, 9, 3]
    out[:, 0] += (mean - 0.5) / basis[0, 0]
    return out.transpose(1, 2)


def fill(table, weight, words, first, vertices, cells):
    unknown = weight <= 0
    pre = torch.cat([weight[:, None], table[:, 1:] * weight[:, None]], 1)
    total = pre.sum(0)
    offs = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5])] * 3)
    todo = unknown.nonzero()[:, 0]
    for _ in range(4):
        u = vertices[todo].float()
        s = 0
        for o in offs:
            s = s + voxel_lookup((u + o) / cells, pre, words, first, cells)
        got = s[:, 0] > 1e-9
        rows = todo[got]
        pre[rows] = s[got] / s[got, :1] * 1e-3
        table[rows, 1:] = s[got, 1:] / s[got, :1]
        todo = todo[~got]
    table[todo, 1:] = total[1:] / total[0]
