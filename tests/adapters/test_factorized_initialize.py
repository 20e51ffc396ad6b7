"""The start of vm and cp from a teacher: least squares, bounds, whole fields in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.adapters.factorized.cp import CpField
from nerfconvert.adapters.factorized.factorized_config import FactorizedConfig
from nerfconvert.adapters.factorized.least_squares import Model, Nodes, solve
from nerfconvert.adapters.factorized.targets import touched_nodes
from nerfconvert.adapters.factorized.vm import VmField
from nerfconvert.adapters.harmonics import least_squares
from nerfconvert.kernels.factor_lookup import LINE_AXES, PLANE_AXES
from nerfconvert.kernels.spherical_harmonics import spherical_harmonics
from nerfconvert.volume import Aabb, FieldInfo, OccupancyGrid, Pace, Visibility

SIZES = [7, 11, 9]
INFO = FieldInfo(aabb=Aabb((-1.0, -0.8, -1.0), (1.0, 0.8, 1.2)))
BLOB = {
    "kind": "blob",
    "center": (0.1, 0.0, 0.2),
    "size": (0.3, 0.2, 0.35),
    "density": 30.0,
    "color": (0.8, 0.4, 0.2),
}


def model(with_planes: bool, components: int, outputs: int) -> Model:
    planes = [torch.zeros(SIZES[a], SIZES[b], components) for a, b in PLANE_AXES]
    lines = [torch.randn(SIZES[axis], components) for axis in LINE_AXES]
    basis = torch.randn(outputs, (3 if with_planes else 1) * components)
    return Model(planes if with_planes else [], lines, basis, True)


def values_at(found: Model, index: torch.Tensor) -> torch.Tensor:
    """Values [N, J] of a model at nodes [N, 3], one node at a time."""
    rows = []
    for node in index.tolist():
        on_lines = [x[node[axis]] for x, axis in zip(found.lines, LINE_AXES)]
        products = [on_lines[0] * on_lines[1] * on_lines[2]]
        if found.planes:
            on_planes = [p[node[a], node[b]] for p, (a, b) in zip(found.planes, PLANE_AXES)]
            products = [a * b for a, b in zip(on_planes, on_lines)]
        rows.append(found.basis @ torch.cat(products))
    return torch.stack(rows)


def some_nodes(share: float) -> torch.Tensor:
    return (torch.rand(SIZES) < share).nonzero()


@pytest.mark.parametrize("with_planes", [True, False])
def test_low_rank_values_are_found_again(with_planes):
    index = some_nodes(0.6)
    truth = model(with_planes, 2, 3)
    truth.planes = [torch.randn_like(plane) for plane in truth.planes]
    wanted = values_at(truth, index)
    found = model(with_planes, 2 if with_planes else 4, 3)
    solve(Nodes(index, SIZES, wanted, wanted, torch.rand(len(index)) + 0.5), found, 60)
    error = (values_at(found, index) - wanted).square().mean().sqrt()
    assert float(error) < 0.05 * float(wanted.square().mean().sqrt())


def test_a_separable_function_is_exact():
    """One product of three lines, from nodes that leave out half of space."""
    index = some_nodes(0.5)
    wanted = torch.exp(-0.1 * (index - 4.0).square().sum(1, keepdim=True))
    found = model(False, 1, 1)
    solve(Nodes(index, SIZES, wanted, wanted, torch.ones(len(index))), found, 40)
    torch.testing.assert_close(values_at(found, index), wanted, rtol=0, atol=2e-3)


@pytest.mark.parametrize("with_planes", [True, False])
def test_bounds_are_kept_and_cost_nothing_within(with_planes):
    """Beyond a slanting plane at least 5, before it at most 0: a slope, of few products, keeps
    both, but no few products make a step."""
    index = some_nodes(1.1)
    inside = (index.sum(1, keepdim=True) > 13).float()
    low, high = torch.full_like(inside, -math.inf), torch.full_like(inside, math.inf)
    low[inside > 0], high[inside == 0] = 5.0, 0.0
    violations = []
    for bounds in ((low, high), (5 * inside, 5 * inside)):
        torch.manual_seed(2)
        found = model(with_planes, 1 if with_planes else 4, 1)
        solve(Nodes(index, SIZES, *bounds, torch.ones(len(index))), found, 40)
        values = values_at(found, index)
        violations.append(float((values - values.clamp(low, high)).square().mean().sqrt()))
    assert violations[0] < 0.75 * violations[1]


def test_nothing_to_solve():
    found = model(True, 2, 1)
    before = [x.clone() for x in found.lines]
    none = torch.zeros(0, 1)
    solve(Nodes(torch.zeros(0, 3).long(), SIZES, none, none, none[:, 0]), found, 3)
    assert all(torch.equal(a, b) for a, b in zip(before, found.lines, strict=True))


def test_harmonics_of_few_directions():
    """Exact where a node is seen from everywhere; where from one side only, right on that side."""
    directions = torch.nn.functional.normalize(torch.randn(60, 3), dim=-1)
    basis = spherical_harmonics(directions, 2)
    truth = 0.3 * torch.randn(5, 3, 4)
    target = torch.einsum("kb,ncb->nkc", basis, truth)
    side = (directions[:, 2] > 0).float() + 1e-4
    for weight, factor in ((torch.ones(5, 60), 0.3), (side.expand(5, 60), 0.5)):
        found = least_squares(basis, target, weight)
        error = torch.einsum("kb,ncb->nkc", basis, found) - target
        seen = weight[0] > 0.5
        mean = target[:, seen].mean(1, keepdim=True)
        spread = (target[:, seen] - mean).square().mean()
        assert float(error[:, seen].square().mean()) < factor**2 * float(spread)


@pytest.mark.parametrize("sizes", [[5, 9, 16], [33, 20, 2]])
def test_touched_nodes(sizes):
    """All that lie within half a node's distance of an occupied cell on every axis."""
    grid = OccupancyGrid(8)
    dense = torch.rand(8, 8, 8) < 0.05
    grid.assign(dense)
    touched = touched_nodes(grid, sizes)
    assert list(touched.shape) == sizes
    boxes = dense.nonzero() / 8
    for node in torch.cartesian_prod(*(torch.arange(n) for n in sizes))[::7].tolist():
        wanted = False
        for box in boxes.tolist():
            reach = [
                low - 0.5 / (n - 1) <= i / (n - 1) <= low + 1 / 8 + 0.5 / (n - 1)
                for i, n, low in zip(node, sizes, box, strict=True)
            ]
            wanted = wanted or all(reach)
        middles = [i / (n - 1) * 8 % 1 for i, n in zip(node, sizes, strict=True)]
        if all(0.01 < m < 0.99 for m in middles):
            assert bool(touched[tuple(node)]) == wanted


def visibility(visible: float = 1.0) -> Visibility:
    """Even directions, nothing in the way."""
    turn = torch.arange(24) * math.pi * (3 - 5**0.5)
    z = 1 - (2 * torch.arange(24) + 1) / 24
    ring = (1 - z * z).sqrt()
    directions = torch.stack([turn.cos() * ring, turn.sin() * ring, z], 1)
    return Visibility(
        directions=directions,
        transmittance=lambda p: torch.full((len(p), 24), visible, device=p.device),
    )


def teacher(**changes) -> AnalyticField:
    return AnalyticField(AnalyticConfig(primitives=({**BLOB, **changes},)), INFO)


def started(kind, source, seen, **settings):
    torch.manual_seed(1)
    config = {
        "resolution": 40,
        "density_components": 1,
        "appearance_components": 2,
        "density_activation": "relu",
        "density_shift": 0.0,
        "density_scale": 1.0,
        "shading": "harmonics",
    }
    field = kind(FactorizedConfig(**config | settings), INFO)
    field.occupancy.assign(torch.ones(16, 16, 16, dtype=torch.bool))
    field.initialize_from(source, seen, Pace())
    return field


def inside_blob(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    spread = torch.randn(n, 3).clamp(-2, 2) * torch.tensor(BLOB["size"])
    directions = torch.nn.functional.normalize(torch.randn(n, 3), dim=-1)
    return spread + torch.tensor(BLOB["center"]), directions


@pytest.mark.parametrize("kind", [VmField, CpField])
@pytest.mark.parametrize(
    "shading", [{}, {"shading": "colors", "feature_width": 3}], ids=["harmonics", "colors"]
)
def test_a_blob_is_one_product(kind, shading):
    """A Gaussian is a product of three: one component holds it, but for the lattice."""
    field = started(kind, teacher(), visibility(), **shading)
    positions, directions = inside_blob(400)
    with torch.no_grad():
        features = field.encode(positions)
        density, rgb = field.density(features), field.color(features, directions)
    wanted = teacher().density(teacher().encode(positions))
    assert float((density - wanted).abs().max()) < 0.05 * BLOB["density"]
    assert float((rgb - torch.tensor(BLOB["color"])).abs().max()) < 0.02


@pytest.mark.parametrize("kind", [VmField, CpField])
@pytest.mark.parametrize("activation", ["exp", "softplus"])
def test_with_a_network(kind, activation):
    """Two differently colored bodies through the defaults of a student."""
    settings = {
        "density_components": 8,
        "appearance_components": 8,
        "density_activation": activation,
        "density_shift": -4.0,
        "shading": "network_harmonics",
        "hidden_width": 32,
    }
    field = started(kind, teacher(stripes=1.0, highlight=0.2), visibility(), **settings)
    positions, directions = inside_blob(400)
    source = teacher(stripes=1.0, highlight=0.2)
    with torch.no_grad():
        features, known = field.encode(positions), source.encode(positions)
        opacity = -torch.expm1(-0.05 * field.density(features))
        wanted = -torch.expm1(-0.05 * source.density(known))
        error = field.color(features, directions) - source.color(known, directions)
    assert float((opacity - wanted).abs().mean()) < 0.03
    assert float(error.square().mean().sqrt()) < 0.04


def test_starts_alike():
    fields = [started(CpField, teacher(), visibility(), resolution=24) for _ in range(2)]
    states = [field.state_dict() for field in fields]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("kind", [VmField, CpField])
def test_refine_leaves_a_started_field_alone(kind):
    field = started(kind, teacher(), visibility(), resolution=24, first_resolution=8)
    assert not any(field.refine(fraction) for fraction in (0.0, 0.5, 1.0))
    assert field.config.resolution == 24


@pytest.mark.parametrize("shading", ["harmonics", "network_harmonics"])
def test_what_nobody_sees_stays_finite(shading):
    """No light anywhere, or a teacher without density: still a field, and an empty one if so."""
    for source, transmittance in ((teacher(), 0.0), (teacher(density=0.0), 1.0)):
        field = started(VmField, source, visibility(transmittance), resolution=16, shading=shading)
        positions, directions = inside_blob(100)
        with torch.no_grad():
            features = field.encode(positions)
            density, rgb = field.density(features), field.color(features, directions)
        assert density.isfinite().all()
        assert rgb.isfinite().all()
    assert float(density.max()) < 0.1
