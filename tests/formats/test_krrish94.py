"""krrish94's checkpoints: the published weights, by the program's mathematics."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.formats.krrish94 import COARSE, FINE, Krrish94
from nerfconvert.metrics.image_metrics import mean_psnr
from nerfconvert.renderer.image import render_image
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.renderer.scene import read_scene
from nerfconvert.runtime.inputs import with_frustum
from tests.formats.files import probe_points, tiny_mlp
from tests.formats.networks import krrish94

FOLDER = "checkpoints/nerf_pytorch_krrish94"


@pytest.fixture(params=["lego", "chair", "fern"])
def published(request, shared):
    """(scene, path) of a checkpoint that its author trained."""
    return request.param, next((shared / FOLDER / request.param).glob("*.ckpt"))


def test_reads_the_programs_mathematics(published):
    scene, path = published
    octaves = 6 if scene == "fern" else 10
    content = torch.load(path, map_location="cpu", weights_only=True)
    networks = Krrish94().read_networks(path)
    positions, directions = probe_points(300)
    for name, key in (("coarse", COARSE), ("fine", FINE)):
        density, rgb = krrish94(content[key], positions.numpy(), directions.numpy(), octaves)
        field = networks[name]
        features = field.encode(positions)
        assert field.config.position_octaves == octaves
        scale = density.max()
        np.testing.assert_allclose(field.density(features).detach(), density, atol=2e-5 * scale)
        np.testing.assert_allclose(field.color(features, directions).detach(), rgb, atol=5e-4)
        assert scale > 1


def test_frame_and_background(published):
    scene, path = published
    info = load(path).info
    assert info.pixel_shift == 0.5 / (504 if scene == "fern" else 400)
    expected = ("ndc", "black") if scene == "fern" else ("world", "white")
    assert (info.frame, info.background) == expected


def test_rays_pass_through_the_corners_of_pixels(shared):
    """As in the program: half a pixel of its images costs 1 dB against the photographs."""
    field = load(next((shared / FOLDER / "lego").glob("*.ckpt")))
    build_occupancy(field, resolution=64)
    found = read_scene(
        shared / "data/nerf_synthetic/lego",
        split="test",
        views=2,
        resolution=(100, 100),
        background=1.0,
    )
    centers = dataclasses.replace(field.info, pixel_shift=0.0)
    corners, field.info = field.info, centers
    without = decibels(field, found)
    field.info = corners
    assert decibels(field, found) > without + 0.05


def test_a_forward_facing_capture_is_what_its_cameras_saw(shared):
    """Its program comes to 24.7 dB on all held-out views at their whole size."""
    capture = shared / "data/llff/fern"
    field = load(next((shared / FOLDER / "fern").glob("*.ckpt")))
    field.info = with_frustum(field.info, capture)
    build_occupancy(field, resolution=64)
    found = read_scene(capture, split="test", views=2, resolution=(84, 63))
    assert decibels(field, found) > 24.5


def decibels(field, found) -> float:
    images = torch.stack([render_image(field, found.cameras, v, background=1.0) for v in range(2)])
    return mean_psnr(images, found.images)


def test_fine_is_what_load_gives(published):
    networks = Krrish94().read_networks(published[1])
    assert torch.equal(load(published[1]).trunk[0].weight, networks["fine"].trunk[0].weight)
    assert not torch.equal(networks["coarse"].trunk[0].weight, networks["fine"].trunk[0].weight)


def test_rewritten_file_is_the_same_field(published, tmp_path):
    _, path = published
    field = load(path)
    save(field, tmp_path / "again.ckpt")
    again = load(tmp_path / "again.ckpt")
    assert (again.config, again.info) == (field.config, field.info)
    for name, tensor in field.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    original = torch.load(path, map_location="cpu", weights_only=True)
    rewritten = torch.load(tmp_path / "again.ckpt", weights_only=True)
    assert rewritten.keys() - {"nerfconvert"} == original.keys()
    assert rewritten[FINE].keys() == original[FINE].keys()


def test_writes_the_programs_mathematics(tmp_path):
    field = tiny_mlp(
        depth=4, direction_octaves=4, first_relu=False, feature_relu=True, density_scale=9.0
    )
    save(field, tmp_path / "field.ckpt")
    state = torch.load(tmp_path / "field.ckpt", weights_only=True)[FINE]
    positions, directions = probe_points()
    density, rgb = krrish94(state, positions.numpy(), directions.numpy(), 3)
    features = field.encode(positions)
    np.testing.assert_allclose(field.density(features).detach(), density, atol=1e-5)
    np.testing.assert_allclose(field.color(features, directions).detach(), rgb, atol=1e-5)


def test_without_directions(tmp_path):
    field = tiny_mlp(view_dependent=False, first_relu=False)
    save(field, tmp_path / "field.ckpt")
    assert torch.load(tmp_path / "field.ckpt", weights_only=True)[FINE]["fc_out.weight"].shape == (
        4,
        16,
    )
    positions, directions = probe_points()
    again = load(tmp_path / "field.ckpt")
    features = field.encode(positions)
    assert torch.equal(again.density(again.encode(positions)), field.density(features))
    assert torch.equal(again.color(features, directions), field.color(features, directions))


@pytest.mark.parametrize("name", ["layers_xyz.foo.bias", f"layers_xyz.{'9' * 5000}.bias"])
def test_a_layer_without_a_number(name, tmp_path):
    save(tiny_mlp(first_relu=False, feature_relu=True), tmp_path / "field.ckpt")
    content = torch.load(tmp_path / "field.ckpt", weights_only=True)
    content[FINE][name] = torch.zeros(3)
    torch.save(content, tmp_path / "field.ckpt")
    with pytest.raises(FormatError, match="is not expected"):
        load(tmp_path / "field.ckpt")


def test_an_output_without_rows(tmp_path):
    save(tiny_mlp(view_dependent=False, first_relu=False), tmp_path / "field.ckpt")
    content = torch.load(tmp_path / "field.ckpt", weights_only=True)
    content[FINE]["fc_out.bias"] = torch.tensor(1.0)
    torch.save(content, tmp_path / "field.ckpt")
    with pytest.raises(FormatError, match="has shape"):
        load(tmp_path / "field.ckpt")


def test_linear_frequencies_are_refused(tmp_path):
    save(tiny_mlp(first_relu=False, feature_relu=True), tmp_path / "field.ckpt")
    content = torch.load(tmp_path / "field.ckpt", weights_only=True)
    del content["nerfconvert"]
    torch.save(content, tmp_path / "field.ckpt")
    (tmp_path / "config.yml").write_text("models:\n  fine:\n    log_sampling_xyz: false\n")
    with pytest.raises(UnsupportedError, match="log_sampling_xyz"):
        load(tmp_path / "field.ckpt")
