"""nerfacto and instant-ngp of nerfstudio, by tiny-cuda-nn, against their formulas in float64."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load
from tests.formats.hash_grids import compare
from tests.formats.nerfstudio_grids import BASE, grid_state, nerfacto
from tests.formats.nerfstudio_runs import checkpoint, config_text, write_run

SIZES = {"base_res": BASE, "hidden_dim": 32, "hidden_dim_color": 32}
BOUNDED = {**SIZES, "disable_scene_contraction": True}


def opened(tmp_path, state, **settings):
    text = config_text("nerfacto", **{**BOUNDED, **settings})
    return load(write_run(tmp_path, checkpoint(state), text))


@pytest.mark.parametrize("age", ["now", "2023", "first"])
@pytest.mark.parametrize("appearance", [0, 5, 17])
def test_its_mathematics(age, appearance, tmp_path):
    state = grid_state(age, appearance=appearance)
    field = opened(tmp_path, state, average_init_density=0.01)
    reference = compare(field, lambda p, d: nerfacto(state, p, d, initial=0.01, age=age))
    assert max(reference) < 2e-5
    said = field.info.provenance.get("appearance")
    assert said == ("mean of the training images'" if appearance else None)


def test_appearance_may_be_zeros(tmp_path):
    state = grid_state()
    field = opened(tmp_path, state, use_average_appearance_embedding=False)
    assert max(compare(field, lambda p, d: nerfacto(state, p, d, average=False))) < 2e-5
    assert field.info.provenance["appearance"] == "zeros"


def contract(position):
    """nerfstudio's contraction, as a point of the cube +-2."""
    reach = np.abs(position).max()
    return position if reach < 1 else (2 - 1 / reach) * position / reach


@pytest.mark.parametrize("width", [16, 64])
@pytest.mark.parametrize(("age", "initial"), [("now", 0.01), ("first", 1.0)])
def test_without_a_config(width, age, initial, tmp_path):
    """The width is found from the vectors; all of space, and the rest, is assumed."""
    state = grid_state(age, width=width, base=16)
    field = load(write_run(tmp_path, checkpoint(state)))
    assert field.info.aabb.contraction is not None
    said = field.info.provenance["settings_from"]
    assert said.startswith("assumed: no config.yml; contracted space")
    assert f"{initial:g} as average_init_density" in said

    def reference(position, direction):
        place = contract(position) / 2
        return nerfacto(state, place, direction, initial=initial, age=age, coarsest=16)

    draw = np.random.default_rng(0)
    positions = draw.normal(size=(40, 3)) * np.exp(draw.uniform(-2, 4, size=(40, 1)))
    directions = torch.nn.functional.normalize(torch.randn(40, 3), dim=-1)
    positions = torch.from_numpy(positions.astype(np.float32))
    features = field.encode(positions)
    density, rgb = field.density(features).detach(), field.color(features, directions).detach()
    for i in range(40):
        wanted, color = reference(positions[i].double().numpy(), directions[i].double().numpy())
        assert float(density[i]) == pytest.approx(wanted, rel=1e-4)
        np.testing.assert_allclose(rgb[i], color, atol=1e-5)


@pytest.mark.parametrize("key", ["binaries", "_binary"])
@pytest.mark.parametrize("side", [8, 128])
def test_instant_ngp(key, side, tmp_path):
    """Its occupancy comes along, and its appearance is zeros."""
    state = grid_state(appearance=32)
    cells = torch.zeros(8, 8, 8, dtype=torch.bool)
    cells[1:3, 4:6, 5:8] = True
    wanted = cells
    for axis in range(3):
        wanted = wanted.repeat_interleave(16, axis)
        cells = cells.repeat_interleave(side // 8, axis)
    grids = torch.stack([cells, torch.ones_like(cells)])
    state[f"occupancy_grid.{key}"] = grids if key == "binaries" else cells
    field = opened(tmp_path, state)
    assert torch.equal(field.occupancy.dense(), wanted)
    assert max(compare(field, lambda p, d: nerfacto(state, p, d, average=False))) < 2e-5
    assert field.info.provenance["method"] == "instant-ngp"


def test_instant_ngp_without_bounds(tmp_path):
    """Each cell of the contracted box asks the grids at its place in the world."""
    state = grid_state(appearance=32)
    grids = torch.rand(3, 4, 4, 4, generator=torch.Generator().manual_seed(0)) > 0.5
    field = opened(
        tmp_path, {**state, "occupancy_grid.binaries": grids}, disable_scene_contraction=False
    )
    dense = field.occupancy.dense()
    draw = np.random.default_rng(0)
    seen = 0
    for _ in range(400):
        cell = draw.integers(0, 128, 3)
        corners = [field.aabb.from_unit(torch.tensor((cell + b) / 128)) for b in (0.01, 0.99)]
        reaches = [float(corner.abs().max()) for corner in corners]
        levels = [max(0, math.ceil(math.log2(reach))) for reach in reaches]
        if levels[0] != levels[1] or levels[0] > 2:
            assert levels[0] <= 2 or levels[1] <= 2 or not dense[tuple(cell)]
            continue
        scale = 2 ** levels[0]
        ends = [((corner / scale + 1) / 2 * 4).floor().long().tolist() for corner in corners]
        if ends[0] == ends[1]:  # the whole cell lies in one of theirs
            assert dense[tuple(cell)] == grids[levels[0], ends[0][0], ends[0][1], ends[0][2]]
            seen += 1
    assert seen > 100


def test_an_occupancy_that_says_nothing_is_left_out(tmp_path):
    nothing = torch.zeros(1, 8, 8, 8, dtype=torch.bool)
    field = opened(tmp_path, {**grid_state(), "occupancy_grid.binaries": nothing})
    assert field.occupancy.dense().all()


@pytest.mark.parametrize(
    "cells", [torch.zeros(4, 4), torch.zeros(4, 4, 4), torch.ones(4, 4, 3).bool()]
)
def test_a_damaged_occupancy_is_named(cells, tmp_path):
    with pytest.raises(FormatError, match="occupancy has shape"):
        opened(tmp_path, {**grid_state(), "occupancy_grid.binaries": cells})


def test_an_old_instant_ngp_is_refused(tmp_path):
    state = {**grid_state("first"), "occupancy_grid._binary": torch.ones(4, 4, 4).bool()}
    del state["field.max_res"]
    with pytest.raises(UnsupportedError, match="before its fields"):
        opened(tmp_path, state)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("mlp_base.model.params", torch.zeros(99), "a network of 1024"),
        ("mlp_base.model.params", torch.zeros(1024 + 7), "entries"),
        ("mlp_base.model.params", torch.zeros(1024 + 8), "shape"),
        ("mlp_base.model.params", torch.zeros(4, 4), "no vector"),
        ("mlp_head.tcnn_encoding.params", torch.zeros(99), "expected"),
        ("mlp_head.tcnn_encoding.params", torch.full((3072,), torch.nan), "NaN"),
        ("num_levels", torch.tensor(0), "n_levels"),
        ("num_levels", torch.tensor([8, 8]), "num_levels"),
        ("max_res", torch.tensor(1), "finest_resolution"),
        ("log2_hashmap_size", torch.tensor(60), "log2_table_size"),
        ("aabb", torch.zeros(2, 3), "volume"),
        ("aabb", torch.zeros(6), "field.aabb"),
        ("embedding_appearance.embedding.weight", torch.zeros(0, 5), "no matrix"),
    ],
)
def test_damage_is_named(name, value, why, tmp_path):
    with pytest.raises(FormatError, match=why):
        opened(tmp_path, {**grid_state(), f"field.{name}": value})


def test_networks_of_two_widths(tmp_path):
    with pytest.raises(UnsupportedError, match="64 and 32 wide"):
        opened(tmp_path, grid_state(), hidden_dim=64, hidden_dim_color=32)


def test_a_box_that_is_no_cube(tmp_path):
    state = {**grid_state(), "field.aabb": torch.tensor([[-1.0, -1, -1], [1, 1, 2]])}
    with pytest.raises(UnsupportedError, match="edges"):
        opened(tmp_path, state)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"average_init_density": 0.0}, "average_init_density"),
        ({"hidden_dim": "wide"}, "hidden_dim"),
        ({"base_res": 0}, "base_resolution"),
        ({"features_per_level": 3}, "features_per_level"),
    ],
)
def test_wrong_settings_are_named(settings, why, tmp_path):
    with pytest.raises(FormatError, match=why):
        opened(tmp_path, grid_state(), **settings)


def test_sizes_of_the_program_and_the_config_of_a_real_run(shared, tmp_path):
    """Its 12,199,312 numbers fill the grid and network that its config.yml describes."""
    run = shared / "data/cameras/nerfstudio_run/model/2026-04-23_043022"
    state = {
        "aabb": torch.tensor([[-1.0] * 3, [1.0] * 3]),
        "mlp_base.model.params": torch.zeros(12_199_312),
        "mlp_head.tcnn_encoding.params": torch.zeros(9_216),
        "embedding_appearance.embedding.weight": torch.zeros(90, 32),
        **{n: torch.tensor(v) for n, v in (("max_res", 2048), ("num_levels", 16))},
        "log2_hashmap_size": torch.tensor(19),
    }
    content = checkpoint({f"field.{name}": tensor for name, tensor in state.items()})
    folder = write_run(tmp_path, content, (run / "config.yml").read_text())
    shutil.copy(run / "dataparser_transforms.json", folder)
    field = load(folder)
    assert field.config.density_shift == pytest.approx(math.log(0.01 * 4))
    assert field.table.shape == (6_098_120, 2)
    found = field.info.provenance
    assert found["dataparser_scale"] == pytest.approx(0.17557828633)
    assert found["background"].startswith("last_sample")
