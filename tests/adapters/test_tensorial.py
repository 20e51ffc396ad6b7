"""tensorial: harmonics, sparse storage and refinement."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.adapters.tensorial.field import (
    TensorialConfig,
    TensorialField,
    resolutions,
)
from nerfconvert.errors import FormatError
from nerfconvert.formats import load, save
from nerfconvert.formats.native import Native
from nerfconvert.kernels.voxel_lookup import list_vertices
from nerfconvert.volume import Aabb, FieldInfo

INFO = FieldInfo(aabb=Aabb((-1.0, -1.0, -1.0), (1.0, 1.0, 1.5)))


def build(**changes) -> TensorialField:
    return TensorialField(TensorialConfig(**{"resolution": 8, **changes}), INFO)


def directions(n: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, 3), dim=-1)


def shell(resolution: int) -> torch.Tensor:
    """[r, r, r] bool: cells of a thin sphere, about 5 % of them."""
    axis = (torch.arange(resolution) + 0.5) / resolution * 2 - 1
    radius = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    return (radius > 0.75) & (radius < 0.8)


def harmonics(x: float, y: float, z: float) -> list[float]:
    """Degree 2 in svox2's order and signs, from the closed forms."""
    one = math.sqrt(3 / (4 * math.pi))
    two = math.sqrt(15 / (4 * math.pi))
    return [
        math.sqrt(1 / (4 * math.pi)),
        -one * y,
        one * z,
        -one * x,
        two * x * y,
        -two * y * z,
        math.sqrt(5 / (16 * math.pi)) * (2 * z * z - x * x - y * y),
        -two * x * z,
        two / 2 * (x * x - y * y),
    ]


@pytest.mark.parametrize("activation", ["clamp", "sigmoid"])
def test_color_is_a_sum_of_harmonics(activation):
    field = build(color_activation=activation)
    features, ways = torch.randn(50, 28), directions(50)
    rgb = field.color(features, ways)
    for row, way, got in zip(features.tolist(), ways.tolist(), rgb.tolist()):
        basis = harmonics(*way)
        for c in range(3):
            coefficients = row[1 + 9 * c : 10 + 9 * c]
            raw = sum(a * b for a, b in zip(coefficients, basis, strict=True))
            want = 1 / (1 + math.exp(-raw)) if activation == "sigmoid" else raw + 0.5
            assert got[c] == pytest.approx(min(max(want, 0.0), 1.0), abs=2e-6)


def test_clamped_color_is_led_back_inside():
    field = build()
    features = torch.zeros(4, 28)
    features[:, 1] = torch.tensor([-9.0, -9.0, 9.0, 9.0])
    features.requires_grad_()
    cotangent = torch.tensor([1.0, -1.0, 1.0, -1.0])
    (field.color(features, directions(4))[:, 0] * cotangent).sum().backward()
    assert (features.grad[:, 1] != 0).tolist() == [False, True, True, False]


def test_density_is_opacity_of_a_finest_voxel_and_can_be_taught():
    field = build()
    edge = (2 * 2 * 2.5) ** (1 / 3) / 8
    features = torch.zeros(2, 28)
    features[:, 0] = torch.tensor([0.25, -0.5])
    features.requires_grad_()
    density = field.density(features)
    assert (density * edge).tolist() == pytest.approx([1.0, 0.0])
    density.sum().backward()
    assert bool((features.grad[:, 0] > 0).all())


def test_new_fields_are_small_whatever_their_resolution():
    for size in (128, 256, 512, 1024):
        field = build(resolution=size)
        assert field.cells == 64
        assert field.parameter_count == 65**3 * 28
    assert resolutions(512) == [64, 128, 256, 512]
    assert resolutions(320) == [40, 80, 160, 320]


def test_refining_keeps_the_function_and_drops_what_is_empty():
    field = build(resolution=128)
    torch.nn.init.uniform_(field.table)
    field.occupancy.assign(shell(64))
    assert not field.refine(0.0)
    unit = torch.rand(20_000, 3)
    unit = unit[field.occupancy.query(unit)]
    positions = INFO.aabb.from_unit(unit)
    before = field.encode(positions)
    assert field.refine(0.5)
    assert field.cells == 128
    assert len(field.table) < 0.15 * 129**3
    torch.testing.assert_close(field.encode(positions), before, rtol=0, atol=1e-4)
    assert not field.encode(INFO.aabb.from_unit(torch.full((1, 3), 0.5))).any()
    assert not field.refine(1.0)


def test_refining_drops_what_has_no_density():
    field = build(resolution=128)
    with torch.no_grad():
        field.table[:, 0] = 0.0
        vertex = list_vertices(field.words).tolist().index([20, 30, 40])
        field.table[vertex, 0] = 1.0
    field.refine(1.0)
    low, high = list_vertices(field.words).aminmax(dim=0)
    assert low.tolist() == [38, 58, 78]
    assert high.tolist() == [42, 62, 82]


def test_refining_in_steps():
    field = build(resolution=256)
    field.occupancy.assign(shell(64))
    sizes = []
    for fraction in (0.0, 0.1, 0.25, 0.3, 0.45, 1.0):
        field.refine(fraction)
        sizes.append(field.cells)
    assert sizes == [64, 64, 128, 128, 256, 256]


def test_sparse_field_in_a_file(tmp_path):
    field = build(resolution=128)
    field.occupancy.assign(shell(64))
    assert 0.04 < field.occupancy.fraction() < 0.06
    field.refine(1.0)
    torch.nn.init.normal_(field.table)
    dense = 129**3 * 28 * 4
    stored = sum(t.numel() * t.element_size() for t in field.state_dict().values())
    assert stored < 0.1 * dense
    path = tmp_path / "field.safetensors"
    save(field, path)
    assert path.stat().st_size < 1.01 * stored + 10_000
    again = load(path)
    assert again.config == field.config
    positions = INFO.aabb.from_unit(torch.rand(5000, 3))
    assert torch.equal(again.encode(positions), field.encode(positions))


def test_state_of_another_lattice_is_taken():
    """As when a run is resumed: the fresh field is coarse, the saved one is not."""
    field = build(resolution=128)
    field.occupancy.assign(shell(64))
    field.refine(1.0)
    torch.nn.init.normal_(field.table)
    other = build(resolution=128)
    other.occupancy.assign(shell(64))
    other.load_state_dict(field.state_dict())
    assert other.config == field.config
    positions = INFO.aabb.from_unit(torch.rand(500, 3))
    assert torch.equal(other.encode(positions), field.encode(positions))
    assert other.table.data_ptr() != field.table.data_ptr()


def test_words_that_do_not_fit_the_table_are_refused(tmp_path):
    field = build()
    field.words[0] = 0
    path = tmp_path / "field.safetensors"
    Native().write(field, path)
    with pytest.raises(FormatError, match="words must mark 729 stored voxels, got 665"):
        load(path)


def test_a_lattice_that_the_config_does_not_have_is_refused():
    state = build(resolution=128).state_dict()
    state["words"] = state["words"][:8]
    with pytest.raises(ValueError, match="words must have 4913 or 35937 bricks, got 8"):
        build(resolution=128).load_state_dict(state)
    state = build().state_dict()
    state["table"] = torch.zeros(730, 28)
    with pytest.raises(ValueError, match="at most 729 rows, got 730"):
        build().load_state_dict(state)


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": 6},
        {"resolution": 96},
        {"resolution": 2048},
        {"resolution": 8.0},
        {"color_activation": "relu"},
        {"finer_voxels": -1},
        {"finer_voxels": 1000, "resolution": 1024},
    ],
)
def test_wrong_values(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        build(**changes)
