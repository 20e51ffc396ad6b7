"""Our own file: what is in it, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import re
import struct
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save as save_tensors

from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.adapters.mlp import MlpConfig, MlpField
from nerfconvert.adapters.ppng import PpngField
from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.formats.native import checksum, read_file
from nerfconvert.formats.rounding import round_to_half
from nerfconvert.volume import Aabb, Contraction, FieldInfo, Frustum
from tests.conftest import ROOT
from tests.formats.files import INFO, probe_points, tiny_mlp, write_sample


@pytest.fixture
def path(tmp_path):
    save(tiny_mlp(), tmp_path / "field.safetensors")
    return tmp_path / "field.safetensors"


def rewrite(path, entries: dict | None = None, tensors: dict | None = None, seal=True) -> None:
    """Changes description and tensors (None removes), and makes the checksum right again."""
    description, numbers = read_file(path)
    description = {k: v for k, v in {**description, **(entries or {})}.items() if v is not None}
    numbers = {k: v for k, v in {**numbers, **(tensors or {})}.items() if v is not None}
    if seal and "sha256" in description:
        description["sha256"] = checksum(description, numbers)
    path.write_bytes(save_tensors(numbers, {"nerfconvert": json.dumps(description)}))


def config(**changes) -> dict:
    values = {**dataclasses.asdict(tiny_mlp().config), **changes}
    return {"config": {k: v for k, v in values.items() if v != "remove"}}


def info(**changes) -> dict:
    values = {
        "aabb": [[-1, -1, -1], [1, 1, 1]],
        "frame": "world",
        "background": "white",
        "provenance": {},
    }
    return {"info": {**values, **changes}}


def frustum(**changes) -> dict:
    return {"width": 4, "height": 3, "focal": 5, "near_plane": 1, **changes}


def test_rewriting_is_harmless(path):
    rewrite(path, {**config(), **info()})
    assert load(path).aabb.low == (-1, -1, -1)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ({"schema": "nerfconvert.field/3"}, "a newer one wrote it; update nerfconvert"),
        ({"schema": "nerfconvert.field/0"}, "found schema 'nerfconvert.field/0'; expected '.*'$"),
        ({"schema": "nerfconvert.field/" + "9" * 5000}, "found schema"),
        ({"schema": ["nerfconvert.field/"]}, "found schema \\['nerfconvert.field/'\\]"),
        ({"surplus": "x"}, "exactly"),
        ({"sha256": None}, "exactly"),
        ({"architecture": "mpl"}, "did you mean 'mlp'"),
        ({"architecture": "hashgrid"}, "config should hold exactly"),
        ({"config": [1]}, "config should hold"),
        (config(surplus=1), "config should hold"),
        (config(depth="remove"), "config should hold"),
        (config(depth=0), "depth"),
        (config(depth=2.5), "depth"),
        (config(width=10**9), "width"),
        (config(width=8192), "shape"),
        (config(depth=64), "missing"),
        (config(skips=[7]), "skips"),
        (config(skips="ab"), "skips"),
        (config(density_activation="sin"), "density_activation"),
        ({"info": 1}, "info should hold"),
        (info(surplus=1), "info should hold"),
        (info(frame="camera"), "frame"),
        (info(background=[1]), "background"),
        (info(aabb=[[0, 0, 0], [0, 1, 1]]), "low < high"),
        (info(pixel_shift="a"), "pixel_shift"),
        (info(pixel_shift=2), "pixel_shift"),
        (info(contraction={"norm": "inf"}), "contraction"),
        (info(contraction={"norm": "1", "center": [0, 0, 0], "radius": 1}), "contraction"),
        (info(contraction={"norm": "2", "center": [0, 0, 0], "radius": "1"}), "contraction"),
        (info(frustum=frustum()), "frustum"),
        (info(frame="ndc", frustum={"width": 4}), "frustum"),
        (info(frame="ndc", frustum=frustum(focal="5")), "frustum"),
        (info(frame="ndc", frustum=frustum(focal=-5.0)), "focal"),
        (info(viewpoints=[[0.0] * 11]), "viewpoints"),
        (info(viewpoints=[["a"] * 12]), "viewpoints"),
        (info(viewpoints={}), "viewpoints"),
        (info(aabb=[[0, 0], [1, 1]]), "aabb"),
        (info(aabb=[["0", 0, 0], [1, 1, 1]]), "aabb"),
        (info(aabb=[[0, 0, True], [1, 1, 1]]), "aabb"),
        (info(aabb=[[0, 0, 0], [1, 1, 10**400]]), "an integer has 401 digits"),
        (info(aabb=[[0, 0, 0], [1, 1, 1e10]]), "within"),
        (info(provenance=[1]), "provenance"),
        ({"occupancy_resolution": "x"}, "expected a number"),
        ({"occupancy_resolution": 64}, "occupancy.words has shape"),
        ({"occupancy_resolution": 1 << 40}, "resolution"),
        ({"occupancy_resolution": -4}, "resolution"),
    ],
)
def test_header_lies(entries, why, path):
    rewrite(path, entries)
    with pytest.raises(FormatError, match=why):
        load(path)


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"trunk.1.weight": None}, "trunk.1.weight is missing"),
        ({"surplus": torch.zeros(2)}, "surplus is not expected"),
        ({"trunk.1.weight": torch.zeros(16, 17)}, "shape"),
        ({"trunk.1.bias": torch.full((16,), torch.nan)}, "NaN"),
        ({"trunk.1.bias": torch.zeros(16).to(torch.int8)}, "int8"),
        ({"trunk.1.bias": torch.zeros(16).to(torch.float8_e5m2)}, "float8"),
    ],
)
def test_wrong_tensors(tensors, why, path):
    rewrite(path, tensors=tensors)
    with pytest.raises(FormatError, match=why):
        load(path)


def test_changes_without_the_checksum_are_noticed(path):
    rewrite(path, info(), seal=False)
    with pytest.raises(FormatError, match="checksum"):
        load(path)


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, "[1]", '{"schema": NaN}', '{"schema": 1e999}', "null", "1" * 5000]
)
def test_broken_descriptions(text, path):
    _, tensors = read_file(path)
    note = {"nerfconvert": text, "other": "nerfconvert.field/1"}
    path.write_bytes(save_tensors(tensors, note))
    with pytest.raises(FormatError):
        load(path)


def test_a_number_that_no_float_holds(path):
    """In a description that is right otherwise."""
    description, tensors = read_file(path)
    text = re.sub(
        r'"occupancy_resolution": \d+', '"occupancy_resolution": 1e999', json.dumps(description)
    )
    path.write_bytes(save_tensors(tensors, {"nerfconvert": text}))
    with pytest.raises(FormatError):
        load(path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf8(path):
    named = path.with_name("caf\udce9.safetensors")
    path.rename(named)
    assert load(named).architecture == "mlp"
    named.write_bytes(named.read_bytes()[:-9])
    with pytest.raises(FormatError, match="not a whole"):
        load(named)


CUT = """
import os, sys
from pathlib import Path
from nerfconvert.formats.native import checksum, read_file
path = Path(sys.argv[1])
description, tensors = read_file(path)
os.truncate(path, 100)
assert checksum(description, tensors) == description["sha256"]
"""


def test_a_file_that_is_cut_while_it_is_read_harms_nothing(path):
    """In a process of its own: the system would end it."""
    wide = MlpField(dataclasses.replace(tiny_mlp().config, width=256), INFO)
    save(wide, path, overwrite=True)  # longer than a page of memory
    subprocess.run([sys.executable, "-c", CUT, str(path)], check=True, cwd=ROOT)


def test_absurd_claims(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header["trunk.1.weight"]["shape"] = [1 << 40, 1 << 20]
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    with pytest.raises(FormatError):
        load(path)
    path.write_bytes(struct.pack("<Q", 1 << 60) + data[8:])
    with pytest.raises(FormatError):
        load(path)


def test_another_programs_safetensors(tmp_path):
    (tmp_path / "other.safetensors").write_bytes(save_tensors({"w": torch.zeros(2)}))
    with pytest.raises(FormatError, match="safetensors file of another"):
        load(tmp_path / "other.safetensors")


def test_occupancy_is_kept(tmp_path):
    field = tiny_mlp()
    dense = torch.rand(24, 24, 24) > 0.7
    field.occupancy.assign(dense)
    save(field, tmp_path / "field.safetensors")
    assert torch.equal(load(tmp_path / "field.safetensors").occupancy.dense(), dense)


def test_read_only_architectures_can_be_kept(tmp_path):
    field = load(write_sample("ppng", tmp_path))
    save(field, tmp_path / "field.safetensors")
    again = load(tmp_path / "field.safetensors")
    assert isinstance(again, PpngField)
    assert again.config == field.config
    positions, directions = probe_points()
    features = field.encode(positions)
    assert torch.equal(again.encode(positions), features)
    assert torch.equal(again.color(features, directions), field.color(features, directions))
    assert torch.equal(again.occupancy.dense(), field.occupancy.dense())


def test_same_field_same_bytes(path, tmp_path):
    save(load(path), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def hashgrid(**changes) -> HashgridField:
    return HashgridField(HashgridConfig(n_levels=2, log2_table_size=8, **changes), INFO)


def test_later_values_are_written_where_they_differ_from_their_default(tmp_path):
    save(hashgrid(), tmp_path / "plain.safetensors")
    assert not {"density_shift", "density_in_color"} & stored_config(tmp_path / "plain.safetensors")
    field = hashgrid(density_shift=0.5)
    save(field, tmp_path / "shifted.safetensors")
    found = stored_config(tmp_path / "shifted.safetensors")
    assert "density_shift" in found
    assert "density_in_color" not in found
    assert load(tmp_path / "shifted.safetensors").config == field.config


def stored_config(path) -> set[str]:
    return set(read_file(path)[0]["config"])


def test_a_file_without_later_values_keeps_its_bytes(scenes, tmp_path):
    old = scenes / "checkpoints/still-life.safetensors"
    save(load(old), tmp_path / "new.safetensors")
    assert (tmp_path / "new.safetensors").read_bytes() == old.read_bytes()


def test_a_field_that_half_precision_holds_takes_half_the_bytes(tmp_path):
    field = tiny_mlp(width=64)
    save(field, tmp_path / "full.safetensors")
    round_to_half(field)
    save(field, tmp_path / "half.safetensors")
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("full", "half")]
    parameters = field.parameter_count
    assert sizes[0] - sizes[1] == pytest.approx(2 * parameters, rel=0.01)
    again = load(tmp_path / "half.safetensors")
    for name, tensor in field.state_dict().items():
        assert again.state_dict()[name].dtype == tensor.dtype
        assert torch.equal(again.state_dict()[name], tensor), name


def test_what_half_precision_cannot_hold_is_named():
    field = tiny_mlp()
    torch.nn.init.constant_(field.density_layer.bias, 1e5)
    before = [parameter.clone() for parameter in field.parameters()]
    with pytest.raises(UnsupportedError, match=r"density_layer.bias has 1e"):
        round_to_half(field)
    assert all(torch.equal(a, b) for a, b in zip(before, field.parameters(), strict=True))


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_a_contraction_is_kept(norm, tmp_path):
    contraction = Contraction(norm, (1.0, 2.0, 3.0), 0.5)
    info = FieldInfo(aabb=Aabb((-2, -2, -2), (2, 2, 2), contraction))
    save(MlpField(MlpConfig(depth=1, width=4, skips=()), info), tmp_path / "field.safetensors")
    assert load(tmp_path / "field.safetensors").info == info


def test_a_frustum_is_kept(tmp_path):
    info = FieldInfo(
        aabb=Aabb((-1, -1, -1), (1, 1, 1)),
        frame="ndc",
        frustum=Frustum(width=504, height=378, focal=407.5, near_plane=0.5),
    )
    save(MlpField(MlpConfig(depth=1, width=4, skips=()), info), tmp_path / "field.safetensors")
    assert load(tmp_path / "field.safetensors").info == info
