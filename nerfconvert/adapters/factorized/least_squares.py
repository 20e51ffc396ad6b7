"""Alternating least squares for planes, lines and basis at the nodes of a lattice.

The values [J] of a node have to lie between two bounds: equal bounds are a target, an infinite one
makes a one-sided constraint. Each step solves for one factor with the others fixed, the target of
every node being its nearest admissible value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from ...kernels.factor_lookup import LINE_AXES, PLANE_AXES
from .factors import resample_line, resample_plane

RIDGE = 1e-2  # of a factor, relative to the mean diagonal of its normal equations
BASIS_RIDGE = 1e-3
TINY = 1e-9
BATCH = 1 << 15  # nodes whose products are held at once


@dataclass(frozen=True)
class Nodes:
    """N nodes of a lattice and the bounds on their values."""

    index: Tensor  # [N, 3] int64
    sizes: list[int]  # samples along x, y, z
    low: Tensor  # [N, J]
    high: Tensor  # [N, J]
    weight: Tensor  # [N]

    def pull(self, values: Tensor) -> Tensor:
        """Weighted steps [N, J] from values [N, J] to the nearest admissible ones."""
        return (values.maximum(self.low).minimum(self.high) - values) * self.weight[:, None]

    def slices(self, axis: int) -> list[Tensor]:
        """Indices of the nodes at each sample of an axis."""
        order = self.index[:, axis].argsort(stable=True)
        counts = self.index[:, axis].bincount(minlength=self.sizes[axis])
        return list(order.split(counts.tolist()))


@dataclass
class Model:
    """Planes [A, B, C], lines [samples, C], basis [J, modes * C]; no planes for CP."""

    planes: list[Tensor]
    lines: list[Tensor]
    basis: Tensor
    free_basis: bool  # else the basis is fixed

    def resampled(self, sizes: list[int]) -> Model:
        """The same with `sizes` samples along x, y, z."""
        pairs = zip(self.planes, PLANE_AXES)
        planes = [resample_plane(p, [sizes[axis] for axis in axes]) for p, axes in pairs]
        lines = [resample_line(x, sizes[axis]) for x, axis in zip(self.lines, LINE_AXES)]
        return Model(planes, lines, self.basis, self.free_basis)

    @property
    def sizes(self) -> list[int]:
        """Samples along x, y and z."""
        return [self.lines[LINE_AXES.index(axis)].shape[0] for axis in range(3)]

    @property
    def mixing(self) -> list[Tensor]:
        """The basis of each mode, [J, C]."""
        return list(self.basis.split(self.lines[0].shape[1], 1))


@torch.no_grad()
def solve(nodes: Nodes, model: Model, sweeps: int, tick: Callable[[], None] = lambda: None) -> None:
    """Improves `model` in place; each sweep goes over all factors once. `tick` is called after
    each factor."""
    if not len(nodes.index):
        return
    factors = _PlaneSweep(nodes) if model.planes else _LineSweep(nodes)
    batches = torch.arange(len(nodes.index), device=nodes.index.device).split(BATCH)
    values = torch.cat([factors.products(model, rows) @ model.basis.T for rows in batches])
    for _ in range(sweeps):
        factors.sweep(model, values, tick)
        if model.free_basis:
            _solve_basis(nodes, model, lambda rows: factors.products(model, rows), values, batches)
        _balance(model)


class _PlaneSweep:
    """VM: each plane, then its line."""

    def __init__(self, nodes: Nodes):
        self.nodes = nodes
        self.modes = [_PlaneMode(nodes, mode) for mode in range(3)]

    def products(self, model: Model, rows: Tensor) -> Tensor:
        """Products [n, 3 * C] at the nodes `rows`."""
        modes = zip(self.modes, model.planes, model.lines)
        products = [
            plane.flatten(0, 1)[mode.texel[rows]] * line[mode.sample[rows]]
            for mode, plane, line in modes
        ]
        return torch.cat(products, 1)

    def sweep(self, model: Model, values: Tensor, tick: Callable[[], None]) -> None:
        """Updates planes, lines and, with them, the values [N, J]."""
        for m, mode in enumerate(self.modes):
            basis, plane = model.mixing[m], model.planes[m].flatten(0, 1)
            mode.solve_plane(self.nodes, plane, model.lines[m], basis, values)
            tick()
            _solve_line(
                self.nodes,
                mode.slices,
                model.lines[m],
                basis,
                values,
                lambda rows, plane=plane, mode=mode: plane[mode.texel[rows]],
            )
            tick()


class _PlaneMode:
    """Texel and line sample of every node in one mode, and the nodes sorted by texel for sums."""

    def __init__(self, nodes: Nodes, mode: int):
        a, b = PLANE_AXES[mode]
        self.texel = nodes.index[:, a] * nodes.sizes[b] + nodes.index[:, b]
        self.sample = nodes.index[:, LINE_AXES[mode]]
        self.slices = nodes.slices(LINE_AXES[mode])
        self.order = self.texel.argsort(stable=True)
        self.used, self.counts = torch.unique_consecutive(
            self.texel[self.order], return_counts=True
        )

    def solve_plane(
        self, nodes: Nodes, plane: Tensor, line: Tensor, basis: Tensor, values: Tensor
    ) -> None:
        width, order = line.shape[1], self.order
        squares = (line[:, :, None] * line[:, None] * (basis.T @ basis)).flatten(1)
        matrix = embedding_bag(
            self.sample[order],
            squares,
            self.counts.cumsum(0) - self.counts,
            mode="sum",
            per_sample_weights=nodes.weight[order],
        ).view(-1, width, width)
        right = (nodes.pull(values) @ basis) * line[self.sample]
        right = torch.segment_reduce(right[order], "sum", lengths=self.counts, unsafe=True)
        diagonal = matrix.diagonal(dim1=1, dim2=2)
        ridge = RIDGE * diagonal.mean() + TINY
        diagonal += ridge
        right -= ridge * plane[self.used]
        change = torch.cholesky_solve(right[..., None], torch.linalg.cholesky(matrix))[..., 0]
        plane[self.used] += change
        spread = torch.repeat_interleave(change, self.counts, 0)
        values[order] += (spread * line[self.sample[order]]) @ basis.T


class _LineSweep:
    """CP: one line after the other."""

    def __init__(self, nodes: Nodes):
        self.nodes = nodes
        self.slices = [nodes.slices(axis) for axis in LINE_AXES]

    def products(self, model: Model, rows: Tensor) -> Tensor:
        """Products [n, C] at the nodes `rows`."""
        z, y, x = model.lines
        index = self.nodes.index[rows]
        return z[index[:, 2]] * y[index[:, 1]] * x[index[:, 0]]

    def sweep(self, model: Model, values: Tensor, tick: Callable[[], None]) -> None:
        """Updates lines and, with them, the values [N, J]."""
        for m, slices in enumerate(self.slices):
            others = [
                (model.lines[n], self.nodes.index[:, LINE_AXES[n]]) for n in range(3) if n != m
            ]

            def partners(rows: Tensor, others=others) -> Tensor:
                (first, i), (second, j) = others
                return first[i[rows]] * second[j[rows]]

            _solve_line(self.nodes, slices, model.lines[m], model.basis, values, partners)
            tick()


def _solve_line(nodes, slices, line, basis, values, partners) -> None:
    """Solves for each sample of a line [Z, C] on its own; `partners` gives the product of all other
    factors [n, C] at some nodes."""
    gram = basis.T @ basis
    pulled = nodes.pull(values) @ basis
    for sample, rows in enumerate(slices):
        if not len(rows):
            continue
        known = partners(rows)
        weighed = known * nodes.weight[rows, None]
        matrix = (weighed.T @ known) * gram
        right = (known * pulled[rows]).sum(0)
        ridge = RIDGE * matrix.diagonal().mean() + TINY
        matrix.diagonal().add_(ridge)
        right -= ridge * line[sample]
        change = torch.cholesky_solve(right[:, None], torch.linalg.cholesky(matrix))[:, 0]
        line[sample] += change
        values[rows] += (known * change) @ basis.T


def _solve_basis(nodes, model, products, values, batches) -> None:
    """Solves for the basis; `products` gives [n, modes * C] at some nodes."""
    matrix, right = 0.0, 0.0
    pulled = nodes.pull(values)
    for rows in batches:
        known = products(rows)
        matrix = matrix + (known * nodes.weight[rows, None]).T @ known
        right = right + known.T @ pulled[rows]
    ridge = BASIS_RIDGE * matrix.diagonal().mean() + TINY
    matrix.diagonal().add_(ridge)
    right -= ridge * model.basis.T
    change = torch.cholesky_solve(right, torch.linalg.cholesky(matrix)).T
    model.basis += change
    for rows in batches:
        values[rows] += products(rows) @ change.T


def _balance(model: Model) -> None:
    """Rescales the factors of each product to equal norms, without changing the product."""
    width = model.lines[0].shape[1]
    modes = list(zip(model.planes, model.lines)) if model.planes else [model.lines]
    for m, factors in enumerate(modes):
        groups = list(factors)
        if model.free_basis:
            groups.append(model.basis[:, m * width : (m + 1) * width])
        groups = [values.flatten(0, -2) for values in groups]
        norms = [x.square().sum(0).div(x.any(1).sum().clamp_min(1)).sqrt() + TINY for x in groups]
        shared = torch.stack(norms).log().mean(0).exp()
        for values, norm in zip(groups, norms):
            values *= shared / norm
