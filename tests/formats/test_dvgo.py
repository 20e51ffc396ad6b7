"""DirectVoxGO's checkpoints, by the program's mathematics in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import identify, load
from tests.formats.files import dvgo_content, saved
from tests.formats.pvd_models import sampled

LOW, HIGH = np.array([-1.0, -0.5, 0.0]), np.array([1.0, 1.0, 2.0])


def model(content: dict, position: np.ndarray, direction: np.ndarray):
    """(density, rgb) at one place."""
    kwargs = content["model_kwargs"]
    state = {n: t.double().numpy() for n, t in content["model_state_dict"].items()}
    place = (position - LOW) / (HIGH - LOW) * 2 - 1
    raw = sampled(state["density.grid"][0], place)[0]
    color = sampled(state["k0.grid"][0], place)
    if "mask_cache.mask" in state:
        mask = state["mask_cache.mask"]
        node = np.round(
            position * state["mask_cache.xyz2ijk_scale"] + state["mask_cache.xyz2ijk_shift"]
        )
        inside = (node >= 0).all() and (node < mask.shape).all()
        if not (inside and mask[tuple(node.astype(int))]):
            raw = -math.inf
    voxel = (np.prod(HIGH - LOW) / kwargs["num_voxels_base"]) ** (1 / 3)
    density = np.logaddexp(0, raw + state["act_shift"][0]) / voxel
    if "rgbnet.0.weight" not in state:
        return density, 1 / (1 + np.exp(-color))
    waves = (direction[:, None] * state["viewfreq"]).reshape(-1)
    added = np.zeros(3)
    if kwargs["rgbnet_direct"] is False:
        added, color = color[:3], color[3:]
    h = np.concatenate([color, direction, np.sin(waves), np.cos(waves)])
    for layer in ("rgbnet.0", "rgbnet.2.0"):
        h = np.maximum(state[f"{layer}.weight"] @ h + state[f"{layer}.bias"], 0)
    h = state["rgbnet.3.weight"] @ h + state["rgbnet.3.bias"]
    return density, 1 / (1 + np.exp(-(h + added)))


@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("mask", [True, False])
def test_reads_the_programs_mathematics(network, direct, mask, tmp_path):
    content = dvgo_content(network=network, direct=direct, mask=mask)
    (tmp_path / "fine_last.tar").write_bytes(saved(content))
    assert identify(tmp_path / "fine_last.tar").name == "dvgo"
    field = load(tmp_path / "fine_last.tar")
    assert field.aabb.low == tuple(LOW)
    draw = np.random.default_rng(0)
    positions = (LOW + (HIGH - LOW) * draw.random((80, 3))).astype(np.float32)
    directions = draw.normal(size=(80, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    features = field.encode(torch.from_numpy(positions))
    density = field.density(features)
    rgb = field.color(features, torch.from_numpy(directions.astype(np.float32)))
    empty = 0
    for i in range(80):
        wanted, color = model(content, positions[i].astype(float), directions[i])
        assert float(density[i]) == pytest.approx(wanted, rel=1e-5, abs=1e-12)
        np.testing.assert_allclose(rgb[i], color, atol=1e-5)
        empty += wanted == 0
    assert (0 < empty < 80) == mask


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("scene_center", "without bounds"),
        ("act_shift.grid", "forward-facing"),
        ("density.xy_plane", "factorized"),
    ],
)
def test_other_models_are_named(name, what, tmp_path):
    content = dvgo_content()
    content["model_state_dict"][name] = torch.zeros(3)
    (tmp_path / "a.tar").write_bytes(saved(content))
    with pytest.raises(UnsupportedError, match=what):
        load(tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("k0.grid", torch.zeros(1, 12, 4, 5, 5), "different sizes"),
        ("k0.grid", torch.full((1, 12, 4, 5, 6), torch.nan), "NaN"),
        ("density.grid", torch.zeros(4, 5, 6), "found no density.grid"),
        ("xyz_min", torch.zeros(2), "xyz_min"),
        ("xyz_max", torch.full((3,), -9.0), "low < high"),
        ("act_shift", torch.zeros(2), "act_shift"),
        ("rgbnet.0.weight", torch.zeros(16), "no matrix"),
        ("rgbnet.0.bias", torch.zeros(15), "shape"),
        ("mask_cache.mask", torch.zeros(3, 4, 5), "expected torch.bool"),
        ("mask_cache.xyz2ijk_scale", torch.full((3,), torch.inf), "finite"),
    ],
)
def test_damage_is_named(name, value, why, tmp_path):
    content = dvgo_content()
    content["model_state_dict"][name] = value
    (tmp_path / "a.tar").write_bytes(saved(content))
    with pytest.raises(FormatError, match=why):
        load(tmp_path / "a.tar")


@pytest.mark.parametrize("voxels", ["many", 0, math.nan, None])
def test_a_wrong_number_of_voxels_is_named(voxels, tmp_path):
    content = dvgo_content()
    content["model_kwargs"]["num_voxels_base"] = voxels
    (tmp_path / "a.tar").write_bytes(saved(content))
    with pytest.raises(FormatError, match="num_voxels_base"):
        load(tmp_path / "a.tar")
