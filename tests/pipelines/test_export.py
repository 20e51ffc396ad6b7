"""export: the same field in another file, or a line that says which conversion makes one."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
import torch

from nerfconvert import ExportOptions, export
from nerfconvert.adapters.mlp import MlpField
from nerfconvert.cli import main
from nerfconvert.errors import UnsupportedError
from nerfconvert.files import sha256
from nerfconvert.formats import load, save
from nerfconvert.pipelines.export import differences
from nerfconvert.runtime.crop_file import write_crop
from nerfconvert.volume import RadianceField
from tests.adapters.test_contract import tiny
from tests.formats.files import tiny_mlp, tiny_nerf_pytorch, tiny_tensorf

PAIRS = [
    (tiny_tensorf, "out.th", "tensorf"),
    (lambda: tiny("tensorial"), "out.npz", "svox2"),
    (tiny_nerf_pytorch, "out.tar", "nerf-pytorch"),
    (lambda: tiny("hashgrid"), "out.safetensors", "nerfconvert"),
]


@pytest.mark.parametrize(("make", "name", "format"), PAIRS, ids=[pair[1] for pair in PAIRS])
def test_what_comes_back_is_the_same(make, name, format, tmp_path):
    field = make()
    save(field, tmp_path / "in.safetensors")
    document = export(ExportOptions(source=tmp_path / "in.safetensors", target=tmp_path / name))
    assert document["schema"] == "nerfconvert.export/1"
    assert document["exact"] is True
    assert document["max_difference"] == {"density": 0, "color": 0}
    target = document["target"]
    assert (target["format"], target["architecture"]) == (format, field.architecture)
    assert target["sha256"] == sha256(tmp_path / name)
    assert target["bytes"] == (tmp_path / name).stat().st_size
    assert target["parameters"] == document["source"]["parameters"] == field.parameter_count
    assert load(tmp_path / name).config == field.config
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted({"in.safetensors", name})


def test_a_scale_that_is_multiplied_in(tmp_path, capsys):
    """The program has none: the weights change by rounding, and the account says by how much."""
    field = tiny_mlp(depth=8, skips=(5,), density_scale=100.1)
    with torch.no_grad():
        field.density_layer.bias.fill_(0.3)  # density somewhere
    save(field, tmp_path / "in.safetensors")
    out = tmp_path / "out.tar"
    assert main(["export", str(tmp_path / "in.safetensors"), str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["exact"] is False
    assert 0 < document["max_difference"]["density"] < 1e-5
    assert main(["export", str(tmp_path / "in.safetensors"), str(out), "-w"]) == 0
    assert "of the largest" in capsys.readouterr().err


def test_an_occupancy_that_is_lost_is_named(tmp_path, caplog):
    """The network has density where its occupancy says that there is nothing."""
    field = tiny_nerf_pytorch()
    with torch.no_grad():
        field.density_layer.bias.fill_(30.0)
    corner = torch.zeros((16,) * 3, dtype=torch.bool)
    corner[:8] = True
    field.occupancy.assign(corner)
    save(field, tmp_path / "in.safetensors")
    asked = ExportOptions(source=tmp_path / "in.safetensors", target=tmp_path / "out.tar")
    assert export(asked)["exact"] is False
    assert re.search(r"keep no occupancy: 50 % of the box shows density", caplog.text)
    field.occupancy.assign(torch.ones_like(corner))
    save(field, tmp_path / "in.safetensors", overwrite=True)
    caplog.clear()
    export(ExportOptions(source=asked.source, target=asked.target, overwrite=True))
    assert "occupancy" not in caplog.text


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: tiny("vm"), "out.safetensors"),
        (lambda: tiny("hashgrid"), "out.safetensors"),
    ],
)
def test_a_crop_holds_what_is_in_the_box(make, name, tmp_path):
    field = make()
    cells = torch.ones((32,) * 3, dtype=torch.bool)
    cells[:16, :16, :16] = False
    field.occupancy.assign(cells)
    save(field, tmp_path / "in.safetensors")
    box = field.aabb.part(torch.full((3,), 0.25), torch.full((3,), 0.75))
    write_crop(tmp_path / "box.json", box.low, box.high)
    asked = {"source": tmp_path / "in.safetensors", "target": tmp_path / name}
    document = export(ExportOptions(**asked, crop=tmp_path / "box.json"))
    assert document["exact"] is True
    assert document["crop"] == [list(box.low), list(box.high)]
    unit = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0))
    cell = 1 / 32
    outside = ((unit - 0.5).abs() > 0.25 + cell).any(1)
    seen = load(tmp_path / name).occupancy.query(unit)
    assert seen[~outside].any()
    assert not seen[outside].any()


def test_the_crop_of_a_file_without_occupancy_holds_no_empty_cells(tmp_path, scenes):
    source, target = scenes / "glass.toml", tmp_path / "out.safetensors"
    box = load(source).aabb.part(torch.zeros(3), torch.full((3,), 0.5))
    write_crop(tmp_path / "box.json", box.low, box.high)
    export(ExportOptions(source=source, target=target, crop=tmp_path / "box.json"))
    assert 0 < load(target).occupancy.fraction() < 0.1  # 1 / 8 are in the box


def forward_facing() -> RadianceField:
    field = tiny_tensorf()
    field.info = dataclasses.replace(field.info, frame="ndc")
    return field


@pytest.mark.parametrize(
    ("make", "name", "says"),
    [
        (tiny_nerf_pytorch, "out.tar", "nerf-pytorch files keep no occupancy"),
        (lambda: tiny("tensorial"), "out.npz", "svox2 files keep no occupancy"),
        (forward_facing, "out.safetensors", "does not tell the camera of its forward-facing"),
    ],
)
def test_a_crop_that_the_file_would_lose_is_refused(make, name, says, tmp_path, capsys):
    field = make()
    if isinstance(field, MlpField):  # one with density, of the world
        torch.nn.init.constant_(field.density_layer.bias, 30.0)
        field.info = dataclasses.replace(field.info, frame="world")
    cells = torch.ones((32,) * 3, dtype=torch.bool)
    cells[0] = False
    field.occupancy.assign(cells)
    save(field, tmp_path / "in.safetensors")
    box = field.aabb.part(torch.full((3,), 0.25), torch.full((3,), 0.75))
    write_crop(tmp_path / "box.json", box.low, box.high)
    words = ["export", str(tmp_path / "in.safetensors"), "--crop", str(tmp_path / "box.json")]
    assert main([*words, str(tmp_path / name)]) == 2
    assert says in capsys.readouterr().err
    (tmp_path / "box.json").write_text("{}")
    assert main([*words, str(tmp_path / "out.safetensors")]) == 3
    assert "not a crop box" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["box.json", "in.safetensors"]


def test_half_precision_is_asked_for(tmp_path, capsys):
    """The file is smaller, and the account says what rounding changed."""
    save(tiny("vm"), tmp_path / "in.safetensors")
    words = ["export", str(tmp_path / "in.safetensors"), str(tmp_path / "out.safetensors")]
    assert main([*words, "--precision", "half", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["exact"] is False
    assert 0 < document["max_difference"]["color"] < 0.01
    assert document["target"]["bytes"] < document["source"]["bytes"]


def test_places_that_only_one_file_excludes_count():
    """An occupancy that the other file does not keep is a difference, where there is density."""
    field, other = tiny("tensorial"), tiny("tensorial")
    other.load_state_dict(field.state_dict())
    half = torch.ones(16, 16, 16, dtype=torch.bool)
    half[:8] = False
    field.occupancy.assign(half)
    assert differences(field, other)["density"] > 0.1
    other.occupancy.assign(half)
    assert differences(field, other) == {"density": 0, "color": 0}


def test_differences_are_those_of_the_field():
    field, other = tiny("vm"), tiny("vm")
    other.load_state_dict(field.state_dict())
    with torch.no_grad():
        other.decoder.biases[-1] += 0.01
    found = differences(field, other)
    assert found["density"] == 0
    assert 0 < found["color"] <= 0.0025  # a quarter of it, through the sigmoid


@pytest.mark.parametrize(
    ("make", "name", "says"),
    [
        (lambda: tiny("hashgrid"), "out.th", r"tensorf files hold vm or cp; .*--to vm` trains"),
        (lambda: tiny("vm"), "out.npz", r"svox2 files hold tensorial; .*--to tensorial` trains"),
        (lambda: tiny("vm"), "out.th", r"density_activation = exp; .*--to vm` trains"),
        (tiny_mlp, "out.toml", r"is a mlp; scene files hold analytic$"),
    ],
)
def test_what_no_file_of_this_kind_holds(make, name, says, tmp_path):
    save(make(), tmp_path / "in.safetensors")
    with pytest.raises(UnsupportedError) as caught:
        export(ExportOptions(source=tmp_path / "in.safetensors", target=tmp_path / name))
    assert re.search(says, caught.value.message)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.safetensors"]


def test_refused_before_anything_is_read(tmp_path, capsys):
    source = tmp_path / "in.safetensors"
    source.write_text("no field")
    for name, code, says in (
        ("out.npy", 2, "read but not written"),
        ("out.xyz", 2, "no format has the suffix"),
        ("in.safetensors", 2, "is an input"),
        ("no/out.th", 2, "does not exist"),
        ("out.th", 3, "expected one of"),
    ):
        assert main(["export", str(source), str(tmp_path / name)]) == code
        assert says in capsys.readouterr().err
    (tmp_path / "there.th").write_text("precious")
    assert main(["export", str(source), str(tmp_path / "there.th")]) == 4
    assert main(["export", str(tmp_path / "absent"), str(tmp_path / "out.th")]) == 3
    assert (tmp_path / "there.th").read_text() == "precious"
