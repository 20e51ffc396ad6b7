"""instant-ngp: snapshots built by hand, read and written, against the program's mathematics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nerfconvert.adapters.hashgrid import HashgridField
from nerfconvert.errors import UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.formats.parts.document import Document
from nerfconvert.formats.parts.ngp_network import config_of
from nerfconvert.formats.parts.rebuild import WithoutMemory
from tests.formats.files import INFO, tiny_hashgrid
from tests.formats.hash_grids import compare
from tests.formats.ngp_snapshots import read, reference, tiny_snapshot, write

BASE_ENCODING = {
    "n_levels": 8,
    "n_features_per_level": 4,
    "log2_hashmap_size": 19,
    "base_resolution": 16,
}


@pytest.mark.parametrize("suffix", [".ingp", ".msgpack"])
@pytest.mark.parametrize("aabb_scale", [1, 2, 8])
@pytest.mark.parametrize("mitsuba", [False, True])
def test_reads_as_the_program_computes(suffix, aabb_scale, mitsuba, tmp_path):
    path = tmp_path / f"base{suffix}"
    content = tiny_snapshot(aabb_scale, mitsuba)
    write(path, content)
    density, rgb = compare(load(path), reference(content))
    assert density < 1e-5
    assert rgb < 1e-5


def test_full_precision(tmp_path):
    content = tiny_snapshot()
    half = np.frombuffer(content["snapshot"]["params_binary"], np.float16)
    exact = half.astype(np.float32) * 1.0001
    content["snapshot"] |= {"params_type": "float", "params_binary": exact.tobytes()}
    write(tmp_path / "base.ingp", content)
    assert max(compare(load(tmp_path / "base.ingp"), reference(content))) < 1e-5


@pytest.mark.parametrize(("aabb_scale", "total"), [(1, 11_692_032), (4, 12_865_536)])
def test_sizes_of_the_program_s_own_config(aabb_scale, total, tmp_path):
    """Eight levels of four features; the growth is not in the file."""
    content = tiny_snapshot(aabb_scale, growth=None)
    content["encoding"] |= BASE_ENCODING
    for name in ("network", "rgb_network"):
        content[name]["n_neurons"] = 64
    draw = np.random.default_rng(0).normal(size=total) * 0.3
    content["snapshot"] |= {
        "n_params": total,
        "params_binary": draw.astype(np.float16).tobytes(),
    }
    write(tmp_path / "base.msgpack", content)
    field = load(tmp_path / "base.msgpack")
    assert field.config.finest_resolution == pytest.approx(2048 * aabb_scale, rel=1e-6)
    density, rgb = compare(field, reference(content))
    assert density < 2e-3  # float32 places a point within 1e-7 of the box: 8192 cells see it
    assert rgb < 1e-3


@pytest.mark.parametrize(
    ("aabb_scale", "total"),
    [
        (1, 11_692_032),
        (2, 12_671_168),
        (4, 12_865_536),
        (8, 12_950_272),
        (16, 13_051_904),
    ],
)
def test_parameters_of_the_program_s_own_config(aabb_scale, total):
    content = tiny_snapshot(1, growth=None)
    content["encoding"] |= BASE_ENCODING
    for name in ("network", "rgb_network"):
        content[name]["n_neurons"] = 64
    config = config_of(Document(content), aabb_scale, "yzx")
    with WithoutMemory():
        table = HashgridField(config, INFO).table
    networks = 32 * 64 + 64 * 16 + 32 * 64 + 64 * 64 + 64 * 16  # 13 of 16 rows pad
    assert table.numel() + networks == total


@pytest.mark.parametrize("axes", ["xyz", "yzx"])
@pytest.mark.parametrize("shift", [0.0, math.log(4)])
@pytest.mark.parametrize("density_in_color", [True, False])
def test_written_files_are_what_the_program_computes(axes, shift, density_in_color, tmp_path):
    field = tiny_hashgrid(
        half=True, axes=axes, density_shift=shift, density_in_color=density_in_color
    )
    save(field, tmp_path / "field.ingp")
    density, rgb = compare(field, reference(read(tmp_path / "field.ingp")))
    assert density < 1e-5
    assert rgb < 1e-5


def test_writing_rounds_to_half_precision(tmp_path):
    field = tiny_hashgrid(axes="yzx")
    save(field, tmp_path / "field.ingp")
    again = load(tmp_path / "field.ingp")
    assert torch.equal(again.table, field.table.half().float())
    density, rgb = compare(field, reference(read(tmp_path / "field.ingp")))
    assert 1e-5 < density < 1e-2
    assert 1e-6 < rgb < 1e-2


def test_what_the_program_s_reader_requires(tmp_path):
    """Keys that its C++ code reads without asking whether they are there."""
    save(tiny_hashgrid(axes="yzx"), tmp_path / "field.ingp")
    content = read(tmp_path / "field.ingp")
    for name in ("encoding", "network", "dir_encoding", "rgb_network", "loss", "optimizer"):
        assert content[name]["otype"]
    snapshot = content["snapshot"]
    assert snapshot["n_params"] * 2 == len(snapshot["params_binary"])
    assert len(snapshot["density_grid_binary"]) == 128**3 * 2
    assert {"version", "mode", "training_step", "loss", "params_type"} <= snapshot.keys()
    assert snapshot["nerf"]["rgb"].keys() == {
        "rays_per_batch", "measured_batch_size", "measured_batch_size_before_compaction",
    }  # fmt: skip
    dataset = snapshot["nerf"]["dataset"]
    assert {"render_aabb", "up", "offset", "envmap_resolution", "scale"} <= dataset.keys()
    assert {"aabb_scale", "from_mitsuba"} <= dataset.keys()
    assert len(dataset["metadata"]) == len(dataset["xforms"]) == dataset["n_images"] == 1
    assert {"resolution", "focal_length", "principal_point"} <= dataset["metadata"][0].keys()
    pose = np.array(dataset["xforms"][0]["start"])
    assert pose.shape == (3, 4)
    assert np.linalg.det(pose[:, :3]) == pytest.approx(1)
    assert pose[:, 3] + 1.5 * pose[:, 2] == pytest.approx([0.5] * 3)  # looks at the center
    assert pose[:, 1].tolist() == [-v for v in dataset["up"]]  # OpenCV: y is down
    assert content["encoding"]["per_level_scale"] == pytest.approx(math.sqrt(5), rel=1e-7)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"layout": "torch-ngp"}, "layout = torch-ngp"),
        ({"density_shift": 0.5}, "density_shift = 0.5"),
        ({"density_shift": math.log(256)}, "density_shift"),
        ({"density_shift": 29.0}, "density_shift"),
    ],
)
def test_fields_that_the_program_cannot_hold(change, why, tmp_path):
    with pytest.raises(UnsupportedError, match=why):
        save(tiny_hashgrid(**change), tmp_path / "field.ingp")
    assert not list(tmp_path.iterdir())


def test_numbers_beyond_half_precision(tmp_path):
    field = tiny_hashgrid()
    with torch.no_grad():
        field.color_weights[1][2, 3] = 1e5
    with pytest.raises(UnsupportedError, match="1e\\+05"):
        save(field, tmp_path / "field.ingp")
