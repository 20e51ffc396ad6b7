"""nerfacto and instant-ngp of nerfstudio, by tiny-cuda-nn, against their formulas in float64."""

from __future__ import annotations

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


@pytest.mark.parametrize("key", ["binaries", "_binary"])
def test_instant_ngp(key, tmp_path):
    """Its occupancy comes along, and its appearance is zeros."""
    state = grid_state(appearance=32, width=32)
    cells = torch.zeros(8, 8, 8, dtype=torch.bool)
    cells[1:3, 4:6, 5:8] = True
    outer = torch.ones_like(cells)
    state[f"occupancy_grid.{key}"] = torch.stack([cells, outer]) if key == "binaries" else cells
    field = opened(tmp_path, state)
    assert torch.equal(field.occupancy.dense(), cells)
    assert max(compare(field, lambda p, d: nerfacto(state, p, d, average=False))) < 2e-5
    assert field.info.provenance["method"] == "instant-ngp"


@pytest.mark.parametrize(
    ("cells", "side"),
    [(torch.zeros(8, 8, 8, dtype=torch.bool), 128), (torch.ones(1, 6, 6, 6).bool(), 128)],
)
def test_an_occupancy_that_says_nothing_is_left_out(cells, side, tmp_path):
    field = opened(tmp_path, {**grid_state(), "occupancy_grid.binaries": cells})
    assert field.occupancy.dense().all()
    assert field.occupancy.resolution == side


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


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"hidden_dim": 64, "hidden_dim_color": 32}, "64 and 32 wide"),
        ({"disable_scene_contraction": False}, "contracted"),
    ],
)
def test_what_a_hash_grid_cannot_be(settings, why, tmp_path):
    with pytest.raises(UnsupportedError, match=why):
        opened(tmp_path, grid_state(), **settings)


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
