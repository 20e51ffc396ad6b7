"""Sources that are empty or NaN in places: named, masked, counted."""

from __future__ import annotations

import json
import logging

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField, Primitive
from nerfconvert.adapters.mlp import MlpConfig, MlpField
from nerfconvert.cli import main
from nerfconvert.errors import NerfConvertError, UsageError
from nerfconvert.formats import save
from nerfconvert.pipelines.placement import parse_bounds
from nerfconvert.renderer.cameras import on_circle
from nerfconvert.renderer.image import render_image
from nerfconvert.runtime.inputs import open_field, refuse_empty, warn_of_invalid
from nerfconvert.volume import Aabb, Contraction, FieldInfo
from nerfconvert.volume.nan_masked import NanMaskedField
from tests.test_cli import QUICK, TINY

INFO = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)))


def box(x: float, density: float) -> Primitive:
    return Primitive(
        kind="box", center=(x, 0, 0), size=(0.3,) * 3, density=density, softness=1e-3,
        color=(0.9, 0.3, 0.1),
    )  # fmt: skip


def scene(*bodies: Primitive) -> AnalyticField:
    return AnalyticField(AnalyticConfig(primitives=bodies), INFO)


def broken_in_places() -> AnalyticField:
    """Two boxes; the highlight of the left one is infinite, which makes the right one's NaN."""
    field = scene(box(-0.5, 50.0), box(0.5, 50.0))
    field.highlight[0] = torch.inf
    return field


def broken_in_directions() -> MlpField:
    """Dense everywhere; colors seen along x overflow and become NaN."""
    sizes = {"depth": 2, "width": 8, "skips": (), "direction_octaves": 4}
    field = MlpField(MlpConfig(**sizes, head_width=8), INFO)
    with torch.no_grad():
        field.density_layer.bias.fill_(50.0)
        field.view_layer.weight[:2, 8:] = 3e38
        field.rgb_layer.weight[:, :2] = torch.tensor([1.0, -1.0])
    return field


def convert(source, target, *extra: str) -> int:
    argv = ["convert", str(source), str(target), "--to", "hashgrid", *TINY, *QUICK, "-q"]
    return main([*argv, *extra])


def test_masks_and_counts():
    field = NanMaskedField(broken_in_places())
    places = torch.tensor([[-0.7, 0, 0], [0.5, 0, 0], [0.5, 0.2, 0]])
    ways = torch.tensor([[1.0, 0, 0]] * 3)
    features = field.encode(places)
    assert field.field.color(features, ways).isnan().any(1).tolist() == [False, True, True]
    color = field.color(features, ways)
    assert bool(color.isfinite().all())
    assert torch.equal(color[1:], torch.zeros(2, 3))
    features[0, 0], features[1, 0] = torch.nan, torch.inf
    density = field.density(features)
    assert density[0] == 0
    assert 1e38 < float(density[1]) < torch.inf  # as dense as can be
    assert field.counts() == {"densities": 1, "colors": 2, "of_densities": 3, "of_colors": 3}
    assert len(field.density(features[:0])) == len(field.color(features[:0], ways[:0])) == 0


def test_what_is_sound_passes_unchanged():
    plain = scene(box(0.0, 20.0))
    checked = NanMaskedField(plain)
    places = torch.rand(50, 3) * 2 - 1
    ways = torch.nn.functional.normalize(places, dim=-1)
    features = checked.encode(places)
    assert torch.equal(features, plain.encode(places))
    assert torch.equal(checked.density(features), plain.density(features))
    assert torch.equal(checked.color(features, ways), plain.color(features, ways))
    assert checked.architecture == "analytic"
    assert checked.parameter_count == plain.parameter_count


def test_nan_is_in_the_warning_and_in_the_receipt(tmp_path, caplog):
    source, target = tmp_path / "broken.safetensors", tmp_path / "out.safetensors"
    save(broken_in_directions(), source)
    with caplog.at_level(logging.WARNING):
        assert convert(source, target) == 0
    receipt = json.loads((tmp_path / "out.safetensors.receipt.json").read_text())
    counts = receipt["source"]["nan"]
    assert 0 < counts["colors"] < counts["of_colors"]
    assert f"{counts['colors']} of {counts['of_colors']} colors were NaN" in caplog.text
    assert "broken.safetensors" in caplog.text
    assert receipt["quality"]["psnr_target_vs_source"] > 0


def test_a_picture_of_a_broken_field_has_no_nan():
    field = broken_in_places()
    image = render_image(field, on_circle((0, 0, 0), 4.0, 1, size=(24, 24)), 0)
    assert bool(image.isfinite().all())


def test_warns_only_of_what_is_invalid(caplog, tmp_path):
    field = NanMaskedField(scene(box(0.0, 20.0)))
    field.density(field.encode(torch.zeros(3, 3)))
    warn_of_invalid(tmp_path, field)
    assert not caplog.records


@pytest.mark.parametrize(
    ("bodies", "message"),
    [
        ((), "no density anywhere in its box"),
        ((box(0.0, 1e-9),), "no density anywhere in its box"),
    ],
)
def test_an_empty_scene_is_named_when_it_is_opened(tmp_path, capsys, bodies, message):
    source = tmp_path / "empty.safetensors"
    save(scene(*bodies), source)
    with pytest.raises(NerfConvertError, match=f"empty.safetensors: the field is empty.*{message}"):
        open_field(source, torch.device("cpu"))
    assert convert(source, tmp_path / "out.safetensors") == 1
    assert "empty.safetensors: the field is empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["empty.safetensors"]


def test_an_occupancy_without_cells_is_named(tmp_path, capsys):
    field = scene(box(0.0, 50.0))
    field.occupancy.assign(torch.zeros(16, 16, 16, dtype=torch.bool))
    save(field, tmp_path / "none.safetensors")
    assert convert(tmp_path / "none.safetensors", tmp_path / "out.safetensors") == 1
    assert "none.safetensors: the field is empty: the occupancy in the" in capsys.readouterr().err


def test_occupied_cells_without_density_are_named(tmp_path, capsys):
    field = scene(box(0.0, 1e-9))
    cells = torch.zeros(16, 16, 16, dtype=torch.bool)
    cells[6:10, 6:10, 6:10] = True
    field.occupancy.assign(cells)
    save(field, tmp_path / "thin.safetensors")
    assert convert(tmp_path / "thin.safetensors", tmp_path / "out.safetensors") == 1
    error = capsys.readouterr().err
    assert "thin.safetensors: the field is empty: it has no density at any of" in error
    assert [p.name for p in tmp_path.iterdir()] == ["thin.safetensors"]


def test_a_field_that_nobody_asked_is_not_called_empty(tmp_path):
    refuse_empty(tmp_path, NanMaskedField(scene()))


def test_a_box_without_volume_is_named(tmp_path, capsys):
    scene_file = tmp_path / "flat.toml"
    scene_file.write_text("aabb = [[-1, -1, 0], [1, 1, 0]]\n")
    assert convert(scene_file, tmp_path / "out.safetensors") == 3
    error = capsys.readouterr().err
    assert "flat.toml" in error
    assert "aabb has no volume" in error
    with pytest.raises(UsageError, match=r"bounds must be a box with low < high"):
        parse_bounds("0")


def test_a_scene_that_the_target_cannot_hold_is_named_before_training(tmp_path, capsys):
    field = scene(box(0.0, 50.0))
    curved = Aabb((-2, -2, -2), (2, 2, 2), Contraction("2", (0.0, 0.0, 0.0), 1.25))
    save(AnalyticField(field.config, FieldInfo(aabb=curved)), tmp_path / "a.safetensors")
    argv = ["convert", str(tmp_path / "a.safetensors"), str(tmp_path / "b.ppng"), "-q"]
    assert main([*argv, "--steps", "1000000"]) == 2
    assert "not one that is unbounded or forward-facing" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
