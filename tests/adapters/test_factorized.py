"""vm and cp: TensoRF's formulas one point at a time, growing factors, files of any size."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.adapters.factorized.cp import CpField
from nerfconvert.adapters.factorized.factorized_config import FactorizedConfig
from nerfconvert.adapters.factorized.vm import VmField
from nerfconvert.formats import load, save
from nerfconvert.volume import Aabb, FieldInfo, Role

INFO = FieldInfo(aabb=Aabb((-1.0, -0.5, 0.0), (1.0, 1.0, 3.0)))
SMALL = {
    "resolution": 12,
    "first_resolution": 5,
    "density_components": 2,
    "appearance_components": 3,
    "feature_width": 4,
    "hidden_width": 8,
}
KINDS = [pytest.param(VmField, id="vm"), pytest.param(CpField, id="cp")]


def made(kind, info=INFO, **settings):
    """A field whose factors and network all matter."""
    field = kind(FactorizedConfig(**SMALL | settings), info)
    for parameter in field.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return field.double()


def sample(values, coordinates) -> list[float]:
    """Channels of nested lists of samples at coordinates in [-1, 1], axis by axis."""
    if not coordinates:
        return values
    position = (coordinates[0] + 1) / 2 * (len(values) - 1)
    cell = min(math.floor(position), len(values) - 2)
    low, high = (sample(values[cell + i], coordinates[1:]) for i in (0, 1))
    t = position - cell
    return [a * (1 - t) + b * t for a, b in zip(low, high, strict=True)]


def features_at(field, point) -> list[float]:
    """Raw density and appearance as TensoRF computes them, with Python's numbers."""
    config, (low, high) = field.config, (field.aabb.low, field.aabb.high)
    xyz = [2 * (p - a) / (b - a) - 1 for p, a, b in zip(point, low, high, strict=True)]
    on_lines = [
        sample(line.tolist(), [xyz[axis]])
        for line, axis in zip(field.factors.lines, (2, 1, 0), strict=True)
    ]
    products = [[a * b * c for a, b, c in zip(*on_lines, strict=True)]]
    if len(field.factors.planes):
        products = []
        for plane, axes, line in zip(field.factors.planes, ((0, 1), (0, 2), (1, 2)), on_lines):
            on_plane = sample(plane.tolist(), [xyz[axis] for axis in axes])
            products.append([a * b for a, b in zip(on_plane, line, strict=True)])
    n = config.density_components
    density = sum(value for mode in products for value in mode[:n])
    appearance = [value for mode in products for value in mode[n:]]
    basis = field.factors.basis.tolist()
    return [density, *(sum(b * a for b, a in zip(row, appearance, strict=True)) for row in basis)]


def frequencies_loop(config, values: list[float], octaves: int) -> list[float]:
    scales = [config.lowest_frequency * 2 ** (k * config.frequency_spacing) for k in range(octaves)]
    phases = [value * scale for value in values for scale in scales]
    return [math.sin(p) for p in phases] + [math.cos(p) for p in phases]


def color_loop(decoder, features: list[float], direction: list[float]) -> list[float]:
    """TensoRF's MLP_Fea."""
    config = decoder.config
    hidden = [*features, *direction]
    hidden += frequencies_loop(config, features, config.feature_octaves)
    hidden += frequencies_loop(config, direction, config.view_octaves)
    for weight, bias in zip(decoder.weights, decoder.biases, strict=True):
        rows = zip(weight.tolist(), bias.tolist(), strict=True)
        outputs = [sum(w * h for w, h in zip(row, hidden, strict=True)) + b for row, b in rows]
        hidden = [max(0.0, x) for x in outputs]
    return [1 / (1 + math.exp(-x)) for x in outputs]


@pytest.mark.parametrize("waves", [{}, {"lowest_frequency": math.tau, "frequency_spacing": 2.0}])
@pytest.mark.parametrize("kind", KINDS)
def test_formulas_of_tensorf(kind, waves):
    """Softplus with shift -10 and factor 25; the network on features, directions, frequencies, of
    which nerfstudio has others."""
    field = made(kind, density_scale=25.0 * max(INFO.aabb.size), **waves)
    unit = torch.rand(20, 3, dtype=torch.float64)
    directions = torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64), dim=-1)
    positions = INFO.aabb.from_unit(unit)
    with torch.no_grad():
        features = field.encode(positions)
        density, rgb = field.density(features), field.color(features, directions)
    for i, point in enumerate(positions.tolist()):
        wanted = features_at(field, point)
        assert features[i].tolist() == pytest.approx(wanted, abs=1e-10)
        sigma = 25 * math.log1p(math.exp(wanted[0] - 10))
        assert float(density[i]) == pytest.approx(sigma, abs=1e-10)
        color = color_loop(field.decoder, wanted[1:], directions[i].tolist())
        assert rgb[i].tolist() == pytest.approx(color, abs=1e-10)


def test_inputs_of_tensorf():
    """150 inputs of the network, 128 wide, as its checkpoints of Blender scenes have them."""
    field = VmField(FactorizedConfig(resolution=8), INFO)
    shapes = [tuple(weight.shape) for weight in field.decoder.weights]
    assert shapes == [(128, 150), (128, 128), (3, 128)]
    assert tuple(field.factors.basis.shape) == (27, 144)


def test_colors_without_a_network():
    """Nine coefficients a channel, plus one half; only band zero: the same from everywhere."""
    field = made(VmField, shading="harmonics", feature_width=27)
    assert field.parameters_of_part("decoder") == []
    features = torch.zeros(6, 28, dtype=torch.float64)
    features[:, 1], features[:, 10], features[:, 19] = 1.0, -0.5, 9.0
    directions = torch.nn.functional.normalize(torch.randn(6, 3, dtype=torch.float64), dim=-1)
    wanted = torch.tensor([0.5 + 0.28209479177, 0.5 - 0.141047395887, 1.0]).double()
    torch.testing.assert_close(field.color(features, directions), wanted.expand(6, 3))


@pytest.mark.parametrize("activation", ["exp", "softplus", "relu"])
def test_density_is_per_longest_edge(activation):
    """The same factors in a box of double size: half the density."""
    wide = FieldInfo(aabb=Aabb((-2.0, -1.0, 0.0), (2.0, 2.0, 6.0)))
    settings = {"density_activation": activation, "density_shift": 0.5, "density_scale": 7.0}
    field = made(VmField, **settings)
    other = made(VmField, wide, **settings)
    other.load_state_dict(field.state_dict())
    unit = torch.rand(30, 3, dtype=torch.float64)
    densities = [f.density(f.encode(f.aabb.from_unit(unit))) for f in (field, other)]
    torch.testing.assert_close(densities[0], 2 * densities[1])
    assert bool(densities[0].any())


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_cubes(kind):
    field = kind(FactorizedConfig(**SMALL), INFO)
    assert field.factors.sizes == [8, 6, 12]


@pytest.mark.parametrize("kind", KINDS)
def test_refine_grows_a_fresh_field(kind):
    field = kind(FactorizedConfig(**SMALL), INFO)
    field.start_coarse()
    assert field.factors.resolution == 5
    sizes = [5]
    for percent in range(101):
        before = list(field.parameters())
        changed = field.refine(percent / 100)
        assert changed == any(a is not b for a, b in zip(before, field.parameters(), strict=True))
        if changed:
            sizes.append(field.factors.resolution)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == 12


@pytest.mark.parametrize("kind", KINDS)
def test_refine_keeps_the_function(kind):
    """From 6 to 11 samples (twice the cells) an axis: exactly, since old samples remain."""
    field = made(kind, FieldInfo(aabb=Aabb((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))), resolution=6)
    positions = torch.rand(100, 3, dtype=torch.float64)
    before = field.encode(positions)
    field.factors.resample([11, 11, 11])
    assert field.factors.resolution == 11
    torch.testing.assert_close(field.encode(positions), before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_refine_leaves_a_loaded_field_alone(kind):
    field = made(kind)
    again = kind(field.config, INFO).double()
    again.load_state_dict(field.state_dict())
    assert not any(again.refine(fraction) for fraction in (0.0, 0.3, 1.0))
    assert again.factors.resolution == 12


@pytest.mark.parametrize("kind", KINDS)
def test_half_grown_fields_survive(kind, tmp_path):
    """Through a file, and through a state that a new, larger field takes and grows on."""
    field = kind(FactorizedConfig(**SMALL), INFO)
    field.start_coarse()
    save(field, tmp_path / "field.safetensors")
    read = load(tmp_path / "field.safetensors")
    resumed = kind(FactorizedConfig(**SMALL), INFO)
    resumed.load_state_dict(field.state_dict())
    positions = INFO.aabb.from_unit(torch.rand(40, 3))
    for other in (read, resumed):
        assert other.factors.resolution == 5
        assert other.config == field.config
        assert torch.equal(other.encode(positions), field.encode(positions))
    assert resumed.refine(1.0)
    assert resumed.factors.resolution == 12


@pytest.mark.parametrize("kind", KINDS)
def test_lines_finer_than_the_config_are_refused(kind):
    small = kind(FactorizedConfig(**SMALL), INFO)
    with pytest.raises(ValueError, match="expected 2 to 12"):
        small.load_state_dict(made(kind, resolution=24).state_dict())


@pytest.mark.parametrize("kind", KINDS)
def test_cells_need_not_be_cubes(kind, tmp_path):
    """Sizes of a file of TensoRF, where each axis is rounded on its own."""
    field = kind(FactorizedConfig(**SMALL), INFO)
    field.factors.resample([9, 12, 7])
    save(field, tmp_path / "field.safetensors")
    again = load(tmp_path / "field.safetensors")
    assert again.factors.sizes == [9, 12, 7]
    points = INFO.aabb.from_unit(torch.rand(50, 3))
    assert torch.equal(again.encode(points), field.encode(points))


def test_colors_as_they_are():
    field = made(VmField, shading="colors", feature_width=3)
    assert field.parameters_of_part("decoder") == []
    features = torch.tensor([[0.0, 0.25, -0.5, 1.5]], dtype=torch.float64, requires_grad=True)
    rgb = field.color(features, torch.tensor([[0.0, 0.0, 1.0]]).double())
    assert rgb.tolist() == [[0.25, 0.0, 1.0]]
    rgb.sum().backward()  # down from above 1, not further below 0
    assert features.grad.tolist() == [[0.0, 1.0, 0.0, 1.0]]


@pytest.mark.parametrize("kind", KINDS)
def test_roles(kind):
    """Factors are tables, the basis and hidden layers are matrices, the rest are vectors."""
    field = kind(FactorizedConfig(**SMALL), INFO)
    tables = field.parameters_of(Role.TABLE)
    assert [id(p) for p in tables] == [id(p) for p in (*field.factors.planes, *field.factors.lines)]
    shapes = [tuple(p.shape) for p in field.parameters_of(Role.MATRIX)]
    assert shapes == [tuple(field.factors.basis.shape), (8, 35), (8, 8)]
    assert [p.ndim for p in field.parameters_of(Role.VECTOR)] == [2, 1, 1, 1]
    assert [f.shape[-1] for f in field.density_factors()] == [2] * len(tables)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resolution": 1}, "resolution must be an integer in 2"),
        ({"density_components": 2.5}, "density_components must be an integer"),
        ({"density_scale": 0}, "density_scale must be a number"),
        ({"shading": "phong"}, "shading must be one of network_harmonics, "),
        ({"density_activation": "tanh"}, "density_activation must be one of"),
        ({"shading": "harmonics", "feature_width": 12}, "feature_width must be 27"),
        ({"shading": "colors"}, "feature_width must be 3 for shading colors"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        FactorizedConfig(**settings)
