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
from ...volume import Pace, RadianceField, Visibility
from .field import FactorizedField
from .least_squares import Model, Nodes, solve
from .targets import Lattice, Survey, query_harmonics, survey, touched_nodes

# Samples along the longest edge of the last lattice, with planes and without: a product of lines
# alone has ten times the components, and its sums grow with their square.
FINEST = {3: 400, 0: 224}
MOST_NODES = 3 << 19  # of a lattice
SWEEPS = {4: 6, 2: 4, 1: 1}  # lattices coarser by these factors, and sweeps on them
SHARES = (0.2, 0.4, 0.8)  # of the time that is left, what each of them may take
LEAST_NODES, PROBED = 1 << 11, 8  # of a lattice to measure on, and how much coarser it is
FINER = 1.1  # than the lattice before: less is not worth its time
BANDS = 3  # of the harmonics
CONSTANT = 0.5 / math.sqrt(math.pi)  # value of the first harmonic
HIDDEN = 0.03  # weight of the density that no camera sees
CLEAR = 0.05  # weight of the color of a node without density, beside opacity
DIM = 0.01  # weight below which a node's color does not matter
POINTS, STEPS, BATCH, RATE = 1 << 16, 300, 4096, 1e-2  # of the color network
LEAST_SECONDS = 0.5  # that its steps get, however late it is


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
    "clamped_exp": Raw(torch.log, 1e-3, 4.0),
    "softplus": Raw(lambda value: value + torch.log(-torch.expm1(-value)), 1e-2, 4.0),
    "relu": Raw(lambda value: value, 1e-2, 4.0),
}


@dataclass(frozen=True)
class Palette:
    """Features of harmonics: principal components, made of nearly one size."""

    mean: Tensor  # [H]
    axes: Tensor  # [H, J]
    scale: Tensor  # [J]


@dataclass
class Cost:
    """Seconds that a node of a lattice takes, as measured on the lattices so far."""

    query: float  # of the teacher
    sweep: float  # of one sweep over density and appearance

    def nodes(self, seconds: float, sweeps: int) -> int:
        """How many nodes `seconds` are enough for."""
        return max(LEAST_NODES, int(min(MOST_NODES, seconds / (self.query + sweeps * self.sweep))))


@torch.no_grad()
def initialize_factors(
    field: FactorizedField, teacher: RadianceField, visibility: Visibility, pace: Pace
) -> None:
    """Sets all parameters of `field` near `teacher`: `TrainableField.initialize_from` of vm and cp.

    The occupancy of `field` says where the teacher is queried. Lattices have as many nodes as
    their share of what is left of `pace`; one that would not be finer is left out.
    """
    fit, most = _Fit(field, teacher, visibility, pace), MOST_NODES
    cost = fit.probe() if pace.limited else None
    for number, (coarser, sweeps) in enumerate(SWEEPS.items()):
        if cost:
            most = cost.nodes(SHARES[number] * pace.left, sweeps)
        lattice = _lattice(field, coarser, most)
        if number and max(lattice.sizes) <= FINER * max(fit.sizes):
            break
        cost = fit.improve(lattice, sweeps, f"fitting factors {number + 1}/{len(SWEEPS)}")
        cost = cost if pace.limited else None
    _store(field, fit.density, fit.appearance, fit.palette)
    if len(field.decoder.weights) and len(fit.seen.density):
        _fit_network(field, teacher, visibility, fit.seen, pace)


class _Fit:
    """Factors on the way: density, appearance, and what was seen of the last lattice."""

    def __init__(
        self, field: FactorizedField, teacher: RadianceField, visibility: Visibility, pace: Pace
    ):
        self.field, self.teacher, self.visibility, self.pace = field, teacher, visibility, pace
        config = field.config
        self.density = _fresh(field, config.density_components, None)
        self.appearance = _fresh(field, config.appearance_components, config.feature_width)
        self.palette: Palette | None = None
        self.sizes = self.density.sizes

    def probe(self) -> Cost:
        """What nodes cost, by one sweep over few of them, whose result is dropped."""
        lattice = _lattice(self.field, PROBED, LEAST_NODES)
        return _Fit(self.field, self.teacher, self.visibility, self.pace).improve(
            lattice, 1, "measuring the teacher"
        )

    def improve(self, lattice: Lattice, sweeps: int, what: str) -> Cost:
        """Fits both models to the teacher on `lattice`; what a node of it cost."""
        field, pace = self.field, self.pace

        def tick() -> None:
            pace.report(what, _part(pace, lattice))

        tick()
        self.visibility.transmittance(
            lattice.positions(slice(0, 1))
        )  # once for all: no node's cost
        begun = pace.spent
        found = survey(self.teacher, self.visibility, lattice, tick)
        self.seen = found.part(_color_weight(found) > DIM)
        logits = bool(len(field.decoder.weights))
        teaching = self.teacher, self.visibility, self.seen
        harmonics = query_harmonics(*teaching, BANDS, logits, tick)
        self.palette = self.palette or _palette(field, harmonics, _color_weight(self.seen))
        queried = pace.spent
        self.sizes = lattice.sizes
        self.density = self.density.resampled(lattice.sizes)
        self.appearance = self.appearance.resampled(lattice.sizes)
        solve(_density_nodes(field, found), self.density, sweeps, tick)
        solve(_color_nodes(self.seen, harmonics, self.palette), self.appearance, sweeps, tick)
        nodes = max(1, len(lattice.index))
        return Cost((queried - begun) / nodes, (pace.spent - queried) / (nodes * sweeps))


def _part(pace: Pace, lattice: Lattice) -> float:
    """Finished part of a start: of its time, or without a limit guessed from the lattice."""
    if pace.limited:
        return min(1.0, pace.spent / pace.seconds) if pace.seconds else 1.0
    return min(0.9, len(lattice.index) / MOST_NODES)


def _lattice(field: FactorizedField, coarser: int, most: int = MOST_NODES) -> Lattice:
    """Nodes in and around the occupied cells, `most` of them."""
    finest = min(field.config.resolution, FINEST[len(field.factors.planes)])
    resolution = max(2, finest // coarser)
    while True:
        sizes = field.factors.sizes_at(resolution)
        touched = touched_nodes(field.occupancy, sizes)
        if int(touched.sum()) <= most or resolution <= 4:
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
    """From weighted harmonics [N, H]; without a network the features are the harmonics, or the
    color that the constant ones alone show."""
    count, width = harmonics.shape[1], field.config.feature_width
    identity = torch.eye(count, width, device=harmonics.device)
    if field.config.shading == "colors":
        axes = CONSTANT * identity[:width].repeat_interleave(BANDS**2, 0)
        axes[torch.arange(count) % BANDS**2 > 0] = 0.0
        return Palette(identity.new_full((count,), -0.5 / CONSTANT), axes, identity.new_ones(width))
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
    field: FactorizedField,
    teacher: RadianceField,
    visibility: Visibility,
    seen: Survey,
    pace: Pace,
) -> None:
    """Adam steps (Kingma and Ba 2015) of the color network on fixed points, features standing; they
    end, with their rate at zero, when `pace` does."""
    pace.report("fitting colors", 0.9)
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
    begun, allowed = pace.spent, max(pace.left, LEAST_SECONDS)
    for step in range(STEPS):
        done = max(step / STEPS, (pace.spent - begun) / allowed if pace.limited else 0.0)
        if done >= 1:
            break
        batch = torch.randint(POINTS, (BATCH,), generator=generator).to(device)
        with torch.enable_grad():
            error = field.color(features[batch], directions[batch]) - wanted[batch]
            gradients = torch.autograd.grad(error.square().mean(), parameters)
        rate = RATE * (1 - done)
        for p, gradient, mean, square in zip(parameters, gradients, means, squares):
            mean.lerp_(gradient, 0.1)
            square.lerp_(gradient.square(), 0.01)
            unbiased = (square / (1 - 0.99 ** (step + 1))).sqrt() + 1e-8
            p -= rate / (1 - 0.9 ** (step + 1)) * mean / unbiased
