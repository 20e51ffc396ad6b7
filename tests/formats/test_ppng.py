"""Plenoptic PNG: real files and a tiny one, by a look-up written out corner by corner."""

from __future__ import annotations

import math

import cbor2
import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError
from nerfconvert.formats import load, save
from tests.formats.files import ppng_document
from tests.formats.ppng_reference import check_against_file, levels_document


@pytest.mark.parametrize("kind", [1, 2])
def test_tiny_file(kind, tmp_path):
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps(ppng_document(kind)))
    check_against_file(path)


@pytest.mark.parametrize("kind", [1, 2])
def test_tiny_file_of_an_unbounded_scene(kind, tmp_path):
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps(levels_document(kind)))
    check_against_file(path, 80)
    field = load(path)
    radius = 0.5 / 0.33
    assert field.aabb.high == pytest.approx((radius * 1.75,) * 3)
    corner = torch.tensor([[4 * radius, -4 * radius, 4 * radius]])
    torch.testing.assert_close(field.aabb.to_unit(corner), torch.tensor([[1.0, 0.0, 1.0]]))


def test_cells_with_density_are_occupied(tmp_path):
    """The grid over contracted space leaves out nothing that a level holds."""
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps(levels_document()))
    field = load(path)
    unit = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0))
    dense = field.density(field.encode(field.aabb.from_unit(unit))) > 1e-30
    assert 0.2 < float(dense.float().mean()) < 0.8
    assert float(field.occupancy.query(unit)[dense].float().mean()) > 0.999


def test_viewpoints_are_the_training_poses(tmp_path):
    """Its x, y, z are the world's y, z, x, its lengths 0.33 of ours, its cameras look along +z."""
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps(levels_document()))
    pose = torch.tensor(load(path).info.viewpoints[0]).view(3, 4)
    torch.testing.assert_close(pose[:, 3], torch.tensor([0.2, 0.0, 0.1]) / 0.33)
    torch.testing.assert_close(-pose[:, 2], torch.tensor([0.0, 0.0, -1.0]))  # its (0, -1, 0)
    torch.testing.assert_close(pose[:, 1], torch.tensor([-1.0, 0.0, 0.0]))  # its (0, 0, -1)


def test_a_file_without_poses_has_no_viewpoints(tmp_path):
    path = tmp_path / "tiny"
    document = levels_document()
    del document["poses"]
    path.write_bytes(cbor2.dumps(document))
    assert load(path).info.viewpoints == ()


def test_an_unbounded_scene_survives_our_own_file(tmp_path):
    path, again = tmp_path / "tiny", tmp_path / "again.safetensors"
    path.write_bytes(cbor2.dumps(levels_document()))
    field = load(path)
    save(field, again)
    positions = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) * 2
    assert load(again).info == field.info
    assert torch.equal(load(again).encode(positions), field.encode(positions))


@pytest.mark.parametrize("name", ["lego/ppng_1", "lego/ppng_2", "chair/ppng_2", "garden/ppng_1"])
def test_real_files(name, shared):
    check_against_file(shared / "checkpoints/ppng" / f"{name}.ppng", 12)


def test_occupancy(tmp_path):
    """Runs: x of the unit cube fastest; its x, y, z are the world's y, z, x."""
    document = ppng_document()
    document["grid_rles"] = [[2 + 8 * 3 + 64 * 5, 1, 512 - 347]]  # cell (2, 3, 5) of the unit cube
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps(document))
    assert load(path).occupancy.dense().nonzero().tolist() == [[5, 2, 3]]


def test_occupied_cells_hold_the_density(shared):
    """In a real file nearly all dense points lie in cells that the file calls occupied."""
    field = load(shared / "checkpoints/ppng/lego/ppng_2.ppng")
    unit = torch.rand(100_000, 3, generator=torch.Generator().manual_seed(0))
    unit = 0.25 + 0.5 * unit  # what the training views saw
    dense = field.density(field.encode(field.aabb.from_unit(unit))) > 20
    occupied = field.occupancy.query(unit)
    assert 1000 < int(dense.sum()) < 50_000
    assert occupied[dense].float().mean() > 3 * occupied.float().mean()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"n_quants": 9}, "qff_buffer"),
        ({"n_quants": 100_000}, "resolution"),
        ({"n_quants": 256, "rank": 1}, "qff_buffer"),
        ({"n_quants": -8}, "resolution"),
        ({"n_freqs": 3}, "freqs"),
        ({"freqs": ["a", "b"]}, "freqs"),
        ({"freqs": [1.0, math.inf]}, "frequencies"),
        ({"qff_type": 3}, "factor_dimensions"),
        ({"qff_type": True}, "qff_type"),
        ({"n_color_layers": [64, 4]}, "layers"),
        ({"qff_color_layer_1": b"\x00" * 12}, "qff_color_layer_1"),
        ({"qff_buffer": "text"}, "qff_buffer"),
        ({"grid_rles": [[512, 5]]}, "cells"),
        ({"grid_rles": [[2**60, 2**60]]}, "cells"),
        ({"grid_rles": [[-1, 513]]}, "run lengths"),
        ({"grid_rles": [[256], [256]]}, "256 cells; expected 512"),
        ({"grid_rles": [[512]] * 9}, "9 levels"),
        ({"grid_rles": [[512]] * 2, "poses": [[[1.0] * 4] * 2]}, "poses"),
        ({"grid_rles": [[512]] * 2, "poses": [[[math.nan] * 4] * 3]}, "poses"),
        ({"grid_rles": [[512]] * 2, "poses": [["abcd"] * 3]}, "poses"),
        ({"grid_rles": [[134217728]] * 2, "grid_res": 512}, "at most"),
        ({"grid_res": 1 << 30}, "grid_res"),
        ({"render_step": None}, "render_step"),
        ({"render_step": math.nan}, "render_step"),
        ({"freqs": [1, 10**18 * 10**18]}, "tag"),
        ({"qff_density_layer_0": np.full(256, np.nan, np.float32).tobytes()}, "NaN"),
    ],
)
def test_lies(change, why, tmp_path):
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps({**ppng_document(), **change}))
    with pytest.raises(FormatError, match=why):
        load(path)
