"""Factors: the planes and lines of a vm or cp field, and how they grow."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..kernels.factor_lookup import LINE_AXES, PLANE_AXES, factor_lookup
from ..kernels.fused_mlp import fused_mlp

# Fractions of the budget at which the resolution grows, by equal ratios (TensoRF's five steps,
# later, because coarse steps are cheap).
GROWTH = (0.1, 0.2, 0.3, 0.4, 0.5)
NOISE = {3: 0.1, 0: 0.2}  # spread of fresh factors, with planes and without (TensoRF)


class Factors(nn.Module):
    """Features [N, 1 + W] at points of the unit cube: raw density, then appearance.

    The channels of all factors are the density components, then the appearance components.
    Lines are parameters of [1, samples, C], so that every factor has three dimensions.
    """

    def __init__(self, config: Any, edges: tuple[float, float, float], n_planes: int):
        super().__init__()
        self.config, self.edges = config, edges
        self.finest = config.resolution
        self.untouched = True  # nobody has trained or set the values
        channels = config.density_components + config.appearance_components
        n_modes = max(1, n_planes)
        self._allocate(self.sizes_at(config.resolution), channels, n_planes)
        for factor in (*self.planes, *self.lines):
            nn.init.normal_(factor, std=NOISE[n_planes])
        inputs = n_modes * config.appearance_components
        self.basis = nn.Parameter(torch.empty(config.feature_width, inputs))
        nn.init.uniform_(self.basis, -(inputs**-0.5), inputs**-0.5)
        self.register_load_state_dict_pre_hook(_take_sizes)

    @property
    def sizes(self) -> list[int]:
        """Samples along x, y and z."""
        return [self.lines[LINE_AXES.index(axis)].shape[1] for axis in range(3)]

    @property
    def resolution(self) -> int:
        return max(self.sizes)

    def forward(self, unit: Tensor) -> Tensor:
        lines = [line[0] for line in self.lines]
        products = factor_lookup(unit, list(self.planes), lines)
        return fused_mlp(products, [self._mixing()])

    def _mixing(self) -> Tensor:
        """[1 + W, modes * C]: the first row adds up the density components, the others are the
        basis on the appearance components."""
        density, appearance = self.config.density_components, self.config.appearance_components
        basis = self.basis.unflatten(1, (-1, appearance))
        top = basis.new_ones(1, basis.shape[1], density)
        rows = torch.cat([top, basis.new_zeros(len(basis), basis.shape[1], density)])
        columns = torch.cat([basis.new_zeros(1, *basis.shape[1:]), basis])
        return torch.cat([rows, columns], 2).flatten(1)

    def refine(self, fraction: float) -> bool:
        """Resamples to the resolution that `fraction` of the training budget asks for; fresh
        factors may shrink for it, others only grow. True where something changed."""
        first = min(self.config.first_resolution, self.finest)
        steps = sum(fraction >= at for at in GROWTH)
        ratio = math.log(self.finest / first) * steps / len(GROWTH)
        wanted = round(first * math.exp(ratio))
        if wanted == self.resolution or (wanted < self.resolution and not self.untouched):
            self.untouched = False
            return False
        self.resample(self.sizes_at(wanted))
        return True

    @torch.no_grad()
    def resample(self, sizes: list[int]) -> None:
        """Replaces all factors by ones of `sizes` along x, y, z, interpolated linearly."""
        planes = [
            resample_plane(p, [sizes[a] for a in axes]) for p, axes in zip(self.planes, PLANE_AXES)
        ]
        lines = [resample_line(x[0], sizes[a]) for x, a in zip(self.lines, LINE_AXES)]
        self.replace(planes, lines)

    def replace(self, planes: list[Tensor], lines: list[Tensor]) -> None:
        """Takes other factors: planes [A, B, C], lines [samples, C]."""
        self.untouched = False
        for mode, plane in enumerate(planes):
            self.planes[mode] = nn.Parameter(plane)
        for mode, line in enumerate(lines):
            self.lines[mode] = nn.Parameter(line[None])

    def sizes_at(self, resolution: int) -> list[int]:
        """Samples along x, y, z for cells that are cubes, `resolution` on the longest edge."""
        longest = max(self.edges)
        return [max(2, round(resolution * edge / longest)) for edge in self.edges]

    def _allocate(self, sizes: list[int], channels: int, n_planes: int) -> None:
        """Uninitialised factors of `sizes` along x, y and z."""
        planes = [(sizes[a], sizes[b], channels) for a, b in PLANE_AXES[:n_planes]]
        lines = [(1, sizes[axis], channels) for axis in LINE_AXES]
        self.planes = nn.ParameterList(nn.Parameter(torch.empty(shape)) for shape in planes)
        self.lines = nn.ParameterList(nn.Parameter(torch.empty(shape)) for shape in lines)


def resample_plane(plane: Tensor, shape: list[int]) -> Tensor:
    """[A', B', C] of [A, B, C]; corners stay where they are."""
    channels_first = plane.permute(2, 0, 1)[None]
    resampled = interpolate(channels_first, shape, mode="bilinear", align_corners=True)
    return resampled[0].permute(1, 2, 0).contiguous()


def resample_line(line: Tensor, size: int) -> Tensor:
    """[size, C] of [samples, C]; ends stay where they are."""
    resampled = interpolate(line.T[None], size, mode="linear", align_corners=True)
    return resampled[0].T.contiguous()


def _take_sizes(module: Factors, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Before loading: the factors take the sizes of the stored ones, which may be coarser."""
    stored = [state.get(f"{prefix}lines.{LINE_AXES.index(axis)}") for axis in range(3)]
    module.untouched = False
    if all(line is not None and line.ndim == 3 for line in stored):
        sizes = [line.shape[1] for line in stored]
        if sizes != module.sizes:
            module.resample(sizes)
