"""Planes and lines near a teacher, by alternating least squares from coarse lattices to fine.

Density: the sum of products is fitted to the teacher's raw density where it matters; emptiness and
opacity are bounds, not targets. Color: harmonics over the directions from which a place is seen,
to whose principal components appearance factors and basis are fitted; then the color network
learns to read them. It alone takes gradient steps, a fixed number of cheap ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...kernels.factor_lookup import LINE_AXES, PLANE_AXES
from ...volume import RadianceField, Visibility
from .field import FactorizedField
from .least_squares import Model, Nodes, solve
from .targets import Lattice, Survey, query_harmonics, survey, touched_nodes

# Samples along the longest edge of the last lattice, with planes and without: a product of lines
# alone has ten times the components, and its sums grow with their square.
FINEST = {3: 400, 0: 224}
MOST_NODES = 3 << 19  # of a lattice
SWEEPS = {4: 6, 2: 4, 1: 1}  # lattices coarser by these factors, and sweeps on them
BANDS = 3  # of the harmonics
HIDDEN = 0.03  # weight of the density that no camera sees
CLEAR = 0.05  # weight of the color of a node without density, beside opacity
DIM = 0.01  # weight below which a node's color does not matter
POINTS, STEPS, BATCH, RATE = 1 << 16, 300, 4096, 1e-2  # of the color network


@dataclass(frozen=True)
class Raw:
    """Raw density from its activation, and the optical depths of a cell between which it is a
    target: less is empty, more is opaque."""

    inverse: Callable[[Tensor], Tensor]
    thin: float
    solid: float


# Where raw density is proportional to density, the most opaque cells would rule the fit.
RAW = {
    "exp": Raw(torch.log, 1e-3, 30.0),
    "softplus": Raw(lambda value: value + torch.log(-torch.expm1(-value)), 1e-2, 4.0),
    "relu": Raw(lambda value: value, 1e-2, 4.0),
}


@dataclass(frozen=True)
class Palette:
    """Features of harmonics: principal components, made of nearly one size."""

    mean: Tensor  # [H]
    axes: Tensor  # [H, J]
    scale: Tensor  # [J]


@torch.no_grad()
def initialize_factors(
    field: FactorizedField, teacher: RadianceField, visibility: Visibility
) -> bool:
    """Sets all parameters of `field` near `teacher`: `TrainableField.initialize_from` of vm and cp.

    The occupancy of `field` says where to ask.
    """
    config = field.config
    density = _fresh(field, config.density_components, None)
    appearance = _fresh(field, config.appearance_components, config.feature_width)
    palette = None
    for coarser, sweeps in SWEEPS.items():
        lattice = _lattice(field, coarser)
        found = survey(teacher, visibility, lattice)
        density = density.resampled(lattice.sizes)
        solve(_density_nodes(field, found), density, sweeps)
        seen = found.part(_color_weight(found) > DIM)
        harmonics = query_harmonics(
            teacher, visibility, seen, BANDS, bool(len(field.decoder.weights))
        )
        palette = palette or _palette(field, harmonics, _color_weight(seen))
        appearance = appearance.resampled(lattice.sizes)
        solve(_color_nodes(seen, harmonics, palette), appearance, sweeps)
    _store(field, density, appearance, palette)
    if len(field.decoder.weights) and len(seen.density):
        _fit_network(field, teacher, visibility, seen)
    return True


def _lattice(field: FactorizedField, coarser: int) -> Lattice:
    """Nodes in and around the occupied cells, as fine as `MOST_NODES` permits."""
    finest = min(field.config.resolution, FINEST[len(field.factors.planes)])
    resolution = max(2, finest // coarser)
    while True:
        sizes = field.factors.sizes_at(resolution)
        touched = touched_nodes(field.occupancy, sizes)
        if int(touched.sum()) <= MOST_NODES:
            return Lattice(field.aabb, sizes, touched.nonzero())
        resolution = resolution * 15 // 16


def _fresh(field: FactorizedField, components: int, outputs: int | None) -> Model:
    """Random lines, and planes of zeros, on the smallest lattice; without `outputs` the basis adds
    up all products."""
    generator = torch.Generator().manual_seed(components)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(field.device)

    sizes = _lattice(field, next(iter(SWEEPS))).sizes
    n_planes = len(field.factors.planes)
    planes = [0 * draw(sizes[a], sizes[b], components) for a, b in PLANE_AXES[:n_planes]]
    lines = [draw(sizes[axis], components) for axis in LINE_AXES]
    basis = draw(outputs or 1, max(1, n_planes) * components)
    basis = torch.ones_like(basis) if outputs is None else basis / math.sqrt(outputs)
    return Model(planes, lines, basis, outputs is not None)


def _density_nodes(field: FactorizedField, found: Survey) -> Nodes:
    config, raw = field.config, RAW[field.config.density_activation]
    unit = max(field.aabb.size) / config.density_scale
    depth = found.density * found.lattice.edge
    value = depth.clamp(raw.thin, raw.solid) / found.lattice.edge * unit
    target = (raw.inverse(value) - config.density_shift)[:, None]
    low = target.masked_fill((depth <= raw.thin)[:, None], -math.inf)
    high = target.masked_fill((depth >= raw.solid)[:, None], math.inf)
    weight = (found.transmittance.amax(1) + HIDDEN).clamp(max=1)
    return Nodes(found.lattice.index, found.lattice.sizes, low, high, weight)


def _color_weight(found: Survey) -> Tensor:
    """[N]: how much of a node's color the cameras see."""
    opacity = -torch.expm1(-found.density * found.lattice.edge)
    return found.transmittance.mean(1) * (opacity + CLEAR)


def _palette(field: FactorizedField, harmonics: Tensor, weight: Tensor) -> Palette:
    """From weighted harmonics [N, H]; without a network the features are the harmonics."""
    count, width = harmonics.shape[1], field.config.feature_width
    identity = torch.eye(count, width, device=harmonics.device)
    if not len(field.decoder.weights) or not len(weight):
        return Palette(identity.new_zeros(count), identity, identity.new_ones(width))
    mean = weight @ harmonics / weight.sum()
    centered = harmonics - mean
    spread, axes = torch.linalg.eigh((centered * weight[:, None]).T @ centered / weight.sum())
    spread = spread.flip(0).clamp_min(1e-6).sqrt()
    axes = axes.flip(1) @ identity  # the largest first; zeros beyond what harmonics hold
    scale = (spread * spread[0]).sqrt() @ identity
    return Palette(mean, axes, scale.where(scale > 0, 1.0))


def _color_nodes(seen: Survey, harmonics: Tensor, palette: Palette) -> Nodes:
    target = (harmonics - palette.mean) @ palette.axes
    index, sizes = seen.lattice.index, seen.lattice.sizes
    return Nodes(index, sizes, target, target, _color_weight(seen))


def _store(field: FactorizedField, density: Model, appearance: Model, palette: Palette) -> None:
    pairs = zip([*density.planes, *density.lines], [*appearance.planes, *appearance.lines])
    joined = [torch.cat(pair, -1) for pair in pairs]
    n_planes = len(density.planes)
    field.factors.replace(joined[:n_planes], joined[n_planes:])
    field.factors.resample(field.factors.sizes_at(field.config.resolution))
    field.factors.basis.copy_(appearance.basis / palette.scale[:, None])


def _fit_network(
    field: FactorizedField, teacher: RadianceField, visibility: Visibility, seen: Survey
) -> None:
    """Adam steps (Kingma and Ba 2015) of the color network on fixed points, features standing."""
    generator = torch.Generator().manual_seed(0)
    device = seen.density.device
    chances = _color_weight(seen).double().cumsum(0)
    draw = torch.rand(POINTS, generator=generator, dtype=torch.float64).to(device) * chances[-1]
    rows = torch.searchsorted(chances, draw).clamp(max=len(chances) - 1)
    along = (seen.transmittance[rows] + 1e-6).cumsum(1)
    pick = torch.rand(POINTS, 1, generator=generator).to(device) * along[:, -1:]
    directions = visibility.directions[(along < pick).sum(1).clamp(max=along.shape[1] - 1)]
    shift = torch.rand(POINTS, 3, generator=generator).to(device) - 0.5
    positions = seen.lattice.positions(rows, shift)
    wanted = teacher.color(teacher.encode(positions), directions).nan_to_num(0.5)
    features = field.encode(positions)
    parameters = list(field.decoder.parameters())
    means, squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    for step in range(STEPS):
        batch = torch.randint(POINTS, (BATCH,), generator=generator).to(device)
        with torch.enable_grad():
            error = field.color(features[batch], directions[batch]) - wanted[batch]
            gradients = torch.autograd.grad(error.square().mean(), parameters)
        rate = RATE * (1 - step / STEPS)
        for p, gradient, mean, square in zip(parameters, gradients, means, squares):
            mean.lerp_(gradient, 0.1)
            square.lerp_(gradient.square(), 0.01)
            unbiased = (square / (1 - 0.99 ** (step + 1))).sqrt() + 1e-8
            p -= rate / (1 - 0.9 ** (step + 1)) * mean / unbiased
