"""tensorf of nerfstudio against its formulas in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load, save
from tests.formats.nerfstudio_runs import (
    checkpoint,
    config_text,
    tensorf,
    tensorf_state,
    write_run,
)


@pytest.mark.parametrize("planes", [True, False])
def test_its_mathematics(planes, tmp_path):
    state = tensorf_state(planes)
    field = load(write_run(tmp_path, checkpoint(state), config_text("tensorf")))
    assert field.architecture == ("vm" if planes else "cp")
    assert (field.aabb.low, field.aabb.high) == ((-1.0, -0.5, -1.0), (1.0, 1.0, 1.5))
    low, high = np.array(field.aabb.low), np.array(field.aabb.high)
    draw = np.random.default_rng(0)
    positions = (low + (high - low) * draw.random((60, 3))).astype(np.float32)
    directions = torch.nn.functional.normalize(torch.randn(60, 3), dim=-1)
    with torch.no_grad():
        features = field.encode(torch.from_numpy(positions))
        density, rgb = field.density(features), field.color(features, directions)
    empty = 0
    for i in range(60):
        wanted, color = tensorf(state, positions[i].astype(float), directions[i].double().numpy())
        assert float(density[i]) == pytest.approx(wanted, rel=1e-5, abs=1e-5)
        np.testing.assert_allclose(rgb[i], color, atol=2e-5)
        empty += wanted == 0
    assert 0 < empty < 60


def test_other_encodings_are_refused(tmp_path):
    state = tensorf_state()
    for kind in ("density", "color"):
        del state[f"field.{kind}_encoding.line_coef"]
    with pytest.raises(UnsupportedError, match="no lines"):
        load(write_run(tmp_path, checkpoint(state)))


def test_it_cannot_be_written_as_tensorf(tmp_path):
    field = load(write_run(tmp_path, checkpoint(tensorf_state())))
    with pytest.raises(UnsupportedError, match="lowest_frequency"):
        save(field, tmp_path / "a.th")
    save(field, tmp_path / "a.safetensors")
    assert load(tmp_path / "a.safetensors").config == dataclasses.replace(field.config)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("density_encoding.line_coef", torch.zeros(3, 3, 6), "expected"),
        ("density_encoding.line_coef", torch.zeros(2, 3, 6, 1), "expected"),
        ("density_encoding.line_coef", torch.zeros(3, 3, 1, 1), "expected"),
        ("density_encoding.line_coef", torch.zeros(0), "expected"),
        ("color_encoding.line_coef", torch.zeros(3, 4, 7, 1), "expected"),
        ("color_encoding.plane_coef", torch.zeros(3, 4, 6, 5), "expected"),
        ("color_encoding.plane_coef", torch.full((3, 4, 6, 6), torch.nan), "NaN"),
        ("B.weight", torch.zeros(5), "no matrices"),
        ("B.weight", torch.zeros(5, 11), "shape"),
        ("mlp_head.layers.0.weight", torch.zeros(16, 41), "shape"),
        ("field_output_rgb.net.bias", torch.zeros(4), "shape"),
        ("mystery", torch.zeros(4), "not expected"),
        ("aabb", torch.zeros(6), "field.aabb"),
    ],
)
def test_damage_is_named(name, value, why, tmp_path):
    run = write_run(tmp_path, checkpoint({**tensorf_state(), f"field.{name}": value}))
    with pytest.raises(FormatError, match=why):
        load(run)
