"""Plenoptic PNG as it is written: again as it was read, and what it cannot hold."""

from __future__ import annotations

import json

import cbor2
import numpy as np
import pytest
import torch

from nerfconvert.adapters.ppng import UNIT_CUBE, PpngConfig, PpngField
from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.formats.ppng import Ppng
from nerfconvert.volume import Aabb, Contraction, FieldInfo
from tests.formats.files import ppng_document, tiny_ppng
from tests.formats.ppng_reference import levels_document


def same_but_poses(path, again) -> None:
    """What was written is what was read, byte for byte where numbers are stored as bytes."""
    one, other = (cbor2.loads(p.read_bytes()) for p in (path, again))
    assert one.keys() == other.keys()
    padded = "qff_color_layer_1"  # its fourth row has no meaning
    weights = (
        np.frombuffer(d.pop(padded), np.float32).reshape(4, 4, 4)[:, :3] for d in (one, other)
    )
    np.testing.assert_array_equal(*weights)
    lost = {"poses"} if len(one["grid_rles"]) == 1 else set()
    assert all(one[key] == other[key] for key in one.keys() - lost - {"poses", "grid_mip"})
    if not lost:
        np.testing.assert_allclose(other["poses"], one["poses"], atol=1e-12)


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("levels", [1, 3])
def test_a_file_is_written_as_it_was_read(kind, levels, tmp_path):
    document = levels_document(kind) if levels > 1 else ppng_document(kind)
    last = np.frombuffer(document["qff_color_layer_1"], np.float32).reshape(4, 4, 4).copy()
    last[:, 3] = 0  # of the fourth row, padding, of each block
    document["qff_color_layer_1"] = last.tobytes()
    path, again = tmp_path / "tiny", tmp_path / "again.ppng"
    path.write_bytes(cbor2.dumps(document))
    field = load(path)
    save(field, again)
    same_but_poses(path, again)
    read = load(again)
    assert (read.info.aabb, read.info.background) == (field.info.aabb, field.info.background)
    for name, tensor in field.state_dict().items():
        assert torch.equal(tensor, read.state_dict()[name])


@pytest.mark.parametrize("name", ["lego/ppng_1", "lego/ppng_2", "garden/ppng_1"])
def test_real_files_are_written_as_they_were_read(shared, name, tmp_path):
    path = shared / "checkpoints/ppng" / f"{name}.ppng"
    save(load(path), tmp_path / "again.ppng")
    same_but_poses(path, tmp_path / "again.ppng")
    assert (tmp_path / "again.ppng").stat().st_size < 1.02 * path.stat().st_size


def test_a_field_of_any_box_is_written_with_the_cube_about_it(tmp_path):
    path, box = tmp_path / "out.ppng", Aabb((1.0, -2.0, 0.0), (3.0, 1.0, 2.5))
    field = PpngField(tiny_ppng().config, FieldInfo(aabb=box, background="black"))
    field.load_state_dict({**tiny_ppng().state_dict(), "occupancy.words": field.occupancy.words})
    cells = torch.zeros(128, 128, 128, dtype=torch.bool)
    cells[20:60, 30:90, 40:70] = True
    field.occupancy.assign(cells)
    save(field, path)
    again = load(path)
    assert again.aabb == Aabb((0.5, -2.0, -0.25), (3.5, 1.0, 2.75))
    assert again.info.background == "black"
    positions = box.from_unit(torch.rand(20_000, 3, generator=torch.Generator().manual_seed(2)))
    known, read = (f.occupancy.query(f.aabb.to_unit(positions)) for f in (field, again))
    assert float((known != read).float().mean()) < 0.01 < float(known.float().mean())
    assert torch.equal(again.encode(positions), field.encode(positions))
    density = [f.density(f.encode(positions)) for f in (field, again)]
    assert torch.equal(*density)
    poses = np.array(cbor2.loads(path.read_bytes())["poses"])
    ahead = np.array([0.5, 0.5, 0.5]) - poses[:, :, 3]
    np.testing.assert_allclose(ahead / 1.3, poses[:, :, 2], atol=1e-12)


@pytest.mark.parametrize("edge", [2.5, 3.5])
def test_a_note_of_another_box_than_a_cube_is_refused(edge, tmp_path):
    path = tmp_path / "out.ppng"
    save(tiny_ppng(), path)
    content = cbor2.loads(path.read_bytes())
    note = json.loads(content["nerfconvert"])
    note["aabb"] = [[0, 0, 0], [3, 3, edge]]
    path.write_bytes(cbor2.dumps({**content, "nerfconvert": json.dumps(note)}))
    with pytest.raises(FormatError, match="not a cube of the world"):
        load(path)


def test_a_new_file_has_one_level():
    with pytest.raises(UnsupportedError, match="one level of occupancy, not 3"):
        Ppng().check(PpngConfig(levels=3))


def test_what_a_file_cannot_hold(tmp_path):
    path = tmp_path / "out.ppng"
    field = tiny_ppng()
    with torch.no_grad():
        field.factors[0, 0, 0] = 1e6
    with pytest.raises(UnsupportedError, match="half precision"):
        save(field, path)
    curved = Aabb((-1,) * 3, (1,) * 3, Contraction("2", (0.0, 0.0, 0.0), 0.5))
    for info in (FieldInfo(aabb=curved), FieldInfo(aabb=UNIT_CUBE, frame="ndc")):
        with pytest.raises(UnsupportedError, match="a box of the world"):
            save(PpngField(field.config, info), path)
    odd = PpngConfig(frequencies=(1.0,), channels=3)
    with pytest.raises(UnsupportedError, match="multiple of 4"):
        save(PpngField(odd, FieldInfo(aabb=UNIT_CUBE)), path)
    assert not path.exists()
