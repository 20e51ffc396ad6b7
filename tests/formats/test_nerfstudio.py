"""Runs of nerfstudio: where they lie, what lies beside them, and vanilla-nerf in float64."""

from __future__ import annotations

import json

import pytest
import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import identify, load
from nerfconvert.pipelines.info import info
from tests.formats.hash_grids import compare
from tests.formats.nerfstudio_runs import (
    TRANSFORMS,
    checkpoint,
    config_text,
    vanilla,
    vanilla_state,
    write_run,
)


def test_vanilla_nerf(tmp_path):
    state = vanilla_state()
    run = write_run(tmp_path, checkpoint(state), config_text())
    field = load(run)
    assert field.config.depth == 8
    assert field.aabb.high == (1.5,) * 3
    assert field.info.background == "white"
    errors = compare(field, lambda p, d: vanilla(state, p, d))
    assert errors[0] < 2e-3  # phases of 2400 radians in float32
    assert errors[1] < 2e-3


def test_vanilla_nerf_near_the_origin(tmp_path):
    """Where phases are small, all digits are right."""
    state = vanilla_state()
    field = load(write_run(tmp_path, checkpoint(state)))
    near = field.aabb.__class__((-1e-3,) * 3, (1e-3,) * 3)
    object.__setattr__(field.info, "aabb", near)
    errors = compare(field, lambda p, d: vanilla(state, p, d))
    assert max(errors) < 2e-5


def test_the_coarse_network_stands_in(tmp_path):
    coarse = {n: t for n, t in vanilla_state().items() if n.startswith("field_coarse")}
    field = load(write_run(tmp_path, checkpoint(coarse)))
    assert field.info.provenance["network"] == "coarse"


def test_a_run_is_named_in_three_ways(tmp_path):
    first, second = vanilla_state(seed=1), vanilla_state(seed=2)
    write_run(tmp_path, checkpoint(second), config_text(), step=1200)
    write_run(tmp_path, checkpoint(first), step=900)
    newest = tmp_path / "nerfstudio_models" / "step-000001200.ckpt"
    for path in (tmp_path, tmp_path / "config.yml", newest.parent, newest):
        assert identify(path).name == "nerfstudio"
        found = load(path).density_layer.weight
        assert torch.equal(found, second["field_fine.field_output_density.net.weight"])
    entry = info([tmp_path])["files"][0]
    assert (entry["format"], entry["bytes"]) == ("nerfstudio", newest.stat().st_size)


def test_what_lies_beside_it_is_kept(tmp_path):
    text = config_text(loader="Nerfstudio", background_color="last_sample")
    field = load(write_run(tmp_path, checkpoint(vanilla_state(), step=7), text))
    assert field.aabb.high == (2.0,) * 3
    assert field.info.background == "black"
    found = field.info.provenance
    assert found["dataparser_transform"] == TRANSFORMS["transform"]
    assert found["dataparser_scale"] == TRANSFORMS["scale"]
    assert found["step"] == 7
    assert "last_sample" in found["background"]


def test_what_is_assumed_is_said(tmp_path):
    found = load(write_run(tmp_path, checkpoint(vanilla_state()))).info.provenance
    assert "no config.yml" in found["settings_from"]
    assert found["aabb_from"].startswith("assumed")
    assert "dataparser_scale" not in found


@pytest.mark.parametrize("prefix", ["_model.module.", "module._model."])
def test_checkpoints_of_several_processes(prefix, tmp_path):
    content = checkpoint(vanilla_state())
    content["pipeline"] = {
        name.replace("_model.", prefix): tensor for name, tensor in content["pipeline"].items()
    }
    assert load(write_run(tmp_path, content)).config.width == 24


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("field_fine.mlp_base.layers.0.weight", torch.zeros(24, 39), "expected 63"),
        ("field_fine.mlp_base.layers.3.weight", torch.zeros(24), "no weight matrix"),
        ("field_fine.mlp_base.layers.4.weight", torch.zeros(24, 30), "10 octaves"),
        ("field_fine.mlp_base.layers.5.bias", torch.full((24,), torch.nan), "NaN"),
        ("field_fine.mlp_head.layers.0.weight", torch.zeros(16, 9), "octaves"),
        ("field_fine.mlp_head.layers.x.bias", torch.zeros(16), "not expected"),
        ("field_fine.field_heads.1.net.bias", torch.zeros(16), "not expected"),
        ("field_fine.field_heads.0.net.bias", torch.zeros(4), "shape"),
    ],
)
def test_damage_is_named(name, value, why, tmp_path):
    run = write_run(tmp_path, checkpoint({**vanilla_state(), name: value}))
    with pytest.raises(FormatError, match=why):
        load(run)


@pytest.mark.parametrize(
    ("name", "what"),
    [("temporal_distortion.x", "moves"), ("field.mlp_base.layers.0.weight", "cones")],
)
def test_other_models_are_refused(name, what, tmp_path):
    run = write_run(tmp_path, checkpoint({**vanilla_state(), name: torch.zeros(2, 2)}))
    with pytest.raises(UnsupportedError, match=what):
        load(run)
    run = write_run(tmp_path, checkpoint({"field.mystery": torch.zeros(2)}))
    with pytest.raises(FormatError, match=r"a model of .*field"):
        load(run)


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("config.yml", "a: [", "no plain YAML"),
        ("config.yml", "- 1", "no map"),
        ("config.yml", "pipeline: {model: {background_color: 3}}", "background_color"),
        ("config.yml", "pipeline: 3", "pipeline"),
        ("dataparser_transforms.json", "{", "transform"),
        ("dataparser_transforms.json", json.dumps({"transform": [[1, 2]], "scale": 1}), "row"),
        ("dataparser_transforms.json", json.dumps({"transform": [], "scale": 1}), "0 rows"),
    ],
)
def test_damaged_settings_are_named(file, text, why, tmp_path):
    run = write_run(tmp_path, checkpoint(vanilla_state()), config_text())
    (run / file).write_text(text)
    with pytest.raises(FormatError, match=why) as caught:
        load(run)
    assert file in str(caught.value)
