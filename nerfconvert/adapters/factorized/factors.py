"""Factors: the planes and lines of a vm or cp field, and how they grow."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from ...kernels.factor_lookup import LINE_AXES, PLANE_AXES, factor_lookup
from ...kernels.factor_sum import factor_sum
from ...kernels.fused_mlp import fused_mlp
from ...volume import at_once, in_parts
from .factorized_config import FactorizedConfig

# Fractions of the budget at which the resolution grows, by equal ratios (TensoRF's five steps,
# later, because coarse steps are cheap).
GROWTH = (0.1, 0.2, 0.3, 0.4, 0.5)
CHUNK = 4096  # rows of a CPU's inference pass: their products stay in the third-level cache
NOISE = {3: 0.1, 0: 0.2}  # standard deviation of initial factors, with planes and without (TensoRF)


class Factors(nn.Module):
    """Features [N, 1 + W] at points of the unit cube: raw density, then appearance.

    The channels of all factors are the density components, then the appearance components.
    """

    planes: nn.ParameterList  # [A, B, C] over two axes each, `PLANE_AXES`; or none
    lines: nn.ParameterList  # [samples, C] along one axis each, `LINE_AXES`

    def __init__(self, config: FactorizedConfig, edges: tuple[float, float, float], n_planes: int):
        super().__init__()
        self.config, self.edges = config, edges
        channels = config.density_components + config.appearance_components
        n_modes = max(1, n_planes)
        self._allocate(self.sizes_at(config.resolution), channels, n_planes)
        for factor in (*self.planes, *self.lines):
            nn.init.normal_(factor, std=NOISE[n_planes])
        inputs = n_modes * config.appearance_components
        self.basis = nn.Parameter(torch.empty(config.feature_width, inputs))
        nn.init.uniform_(self.basis, -(inputs**-0.5), inputs**-0.5)

    @property
    def sizes(self) -> list[int]:
        """Samples along x, y and z."""
        return [self.lines[LINE_AXES.index(axis)].shape[0] for axis in range(3)]

    @property
    def resolution(self) -> int:
        return max(self.sizes)

    def forward(self, unit: Tensor, density: bool = True) -> Tensor:
        """The features at `unit` [N, 3]; without `density` the first of them is 0."""
        chunk = at_once(CHUNK, unit.device, 8 * self.basis.shape[1])
        return in_parts(lambda part: self._features(part, density), chunk, unit)

    def _features(self, unit: Tensor, density: bool) -> Tensor:
        factors = list(self.planes), list(self.lines)
        raw, products = factor_lookup(unit, *factors, self.config.density_components, density)
        appearance = fused_mlp(products, [self.basis])
        return torch.cat([raw[:, None], appearance], 1) if density else pad(appearance, (1, 0))

    def raw_density(self, unit: Tensor) -> Tensor:
        """The first of the features [N] alone; without gradients."""
        return factor_sum(unit, list(self.planes), list(self.lines), self.config.density_components)

    def resolution_at(self, fraction: float) -> int:
        """Samples along the longest edge after `fraction` of the training budget."""
        finest = self.config.resolution
        first = min(self.config.first_resolution, finest)
        steps = sum(fraction >= at for at in GROWTH)
        return round(first * math.exp(math.log(finest / first) * steps / len(GROWTH)))

    def refine(self, fraction: float) -> bool:
        """Resamples to `resolution_at(fraction)` where that is finer; returns whether it did."""
        wanted = self.resolution_at(fraction)
        if wanted <= self.resolution:
            return False
        self.resample(self.sizes_at(wanted))
        return True

    @torch.no_grad()
    def resample(self, sizes: list[int]) -> None:
        """Replaces all factors by ones of `sizes` along x, y, z, interpolated linearly."""
        planes = [
            resample_plane(p, [sizes[a] for a in axes]) for p, axes in zip(self.planes, PLANE_AXES)
        ]
        lines = [resample_line(x, sizes[a]) for x, a in zip(self.lines, LINE_AXES)]
        self.replace(planes, lines)

    def replace(self, planes: list[Tensor], lines: list[Tensor]) -> None:
        """Replaces the factors: planes [A, B, C], lines [samples, C]."""
        for mode, plane in enumerate(planes):
            self.planes[mode] = nn.Parameter(plane)
        for mode, line in enumerate(lines):
            self.lines[mode] = nn.Parameter(line)

    def sizes_at(self, resolution: int) -> list[int]:
        """Samples along x, y, z for cells that are cubes, `resolution` on the longest edge."""
        longest = max(self.edges)
        return [max(2, round(resolution * edge / longest)) for edge in self.edges]

    def take_sizes(self, lines: list[torch.Size | None]) -> None:
        """Allocates factors for stored lines of these shapes, which may be coarser than the finest,
        with cells that are no cubes (TensoRF rounds down, and crops).

        Raises ValueError for more samples than the config's `resolution` along any axis.
        """
        if not all(shape is not None and len(shape) == 2 for shape in lines):
            return  # missing and malformed tensors are reported where tensors are compared
        sizes = [lines[LINE_AXES.index(axis)][0] for axis in range(3)]
        finest = self.config.resolution
        if not all(2 <= size <= finest for size in sizes):
            raise ValueError(f"lines have {sizes} samples along x, y, z; expected 2 to {finest}")
        if sizes != self.sizes:
            self._allocate(sizes, lines[0][1], len(self.planes))
            self.to(self.basis.device)

    def _allocate(self, sizes: list[int], channels: int, n_planes: int) -> None:
        """Allocates uninitialized factors of `sizes` along x, y and z."""
        planes = [(sizes[a], sizes[b], channels) for a, b in PLANE_AXES[:n_planes]]
        lines = [(sizes[axis], channels) for axis in LINE_AXES]
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
