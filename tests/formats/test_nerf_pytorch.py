"""yenchenlin's checkpoints: the program's own mathematics, both ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.formats.nerf_pytorch import COARSE, FINE, NerfPytorch
from nerfconvert.volume import Aabb
from tests.formats.files import probe_points, tiny_mlp
from tests.formats.networks import yenchenlin


def program_state(view_dependent: bool, width: int = 24, octaves: int = 5) -> dict:
    """A state dict as the program makes it, with random numbers and its exact key names."""
    encoded, directions = 3 + 6 * octaves, 3 + 6 * 4
    layers = {
        f"pts_linears.{i}": (width, {0: encoded, 5: width + encoded}.get(i, width))
        for i in range(8)
    }
    if view_dependent:
        layers |= {
            "views_linears.0": (width // 2, width + directions),
            "feature_linear": (width, width),
            "alpha_linear": (1, width),
            "rgb_linear": (3, width // 2),
        }
    else:
        layers |= {"views_linears.0": (width // 2, width), "output_linear": (5, width)}
    return {
        f"{name}.{kind}": torch.randn(shape if kind == "weight" else shape[:1]) / shape[1] ** 0.5
        for name, shape in layers.items()
        for kind in ("weight", "bias")
    }


def write_checkpoint(path, coarse, fine) -> None:
    content = {"global_step": 5, COARSE: coarse, FINE: fine, "optimizer_state_dict": {}}
    torch.save(content, path)


@pytest.mark.parametrize("view_dependent", [True, False])
def test_reads_the_programs_mathematics(view_dependent, tmp_path):
    state = program_state(view_dependent)
    write_checkpoint(tmp_path / "200000.tar", program_state(view_dependent), state)
    field = load(tmp_path / "200000.tar")
    assert field.config.skips == (5,)
    positions, directions = probe_points()
    density, rgb = yenchenlin(state, positions.numpy(), directions.numpy(), 5, 4)
    features = field.encode(positions)
    np.testing.assert_allclose(field.density(features).detach(), density, atol=2e-5)
    np.testing.assert_allclose(field.color(features, directions).detach(), rgb, atol=2e-5)
    assert (density > 0).any()


@pytest.mark.parametrize("view_dependent", [True, False])
def test_writes_the_programs_mathematics(view_dependent, tmp_path):
    sizes = {"depth": 8, "width": 20, "head_width": 10, "skips": (5,), "direction_octaves": 4}
    field = tiny_mlp(**sizes, view_dependent=view_dependent, density_scale=30.0)
    save(field, tmp_path / "field.tar")
    checkpoint = torch.load(tmp_path / "field.tar", weights_only=True)
    positions, directions = probe_points()
    features = field.encode(positions)
    for key in (COARSE, FINE):
        state = checkpoint[key]
        density, rgb = yenchenlin(state, positions.numpy(), directions.numpy(), 3, 4)
        np.testing.assert_allclose(field.density(features).detach(), density, atol=1e-4)
        np.testing.assert_allclose(field.color(features, directions).detach(), rgb, atol=1e-5)
    expected = program_state(view_dependent, 20, 3)
    shapes = (
        {name: x.shape for name, x in state.items()} for state in (checkpoint[FINE], expected)
    )
    assert next(shapes) == next(shapes)  # the program loads nothing else


def test_the_program_can_load_the_optimizer(tmp_path):
    save(tiny_mlp(depth=8, skips=(5,)), tmp_path / "field.tar")
    checkpoint = torch.load(tmp_path / "field.tar", weights_only=True)
    parameters = [*checkpoint[COARSE].values(), *checkpoint[FINE].values()]
    optimizer = torch.optim.Adam([torch.nn.Parameter(p.clone()) for p in parameters], lr=1e-3)
    optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
    assert optimizer.param_groups[0]["lr"] == 5e-4


def test_coarse_and_fine(tmp_path):
    coarse, fine = program_state(True), program_state(True)
    path = tmp_path / "checkpoint"
    write_checkpoint(path, coarse, fine)
    networks = NerfPytorch().read_networks(path)
    for name, state in (("coarse", coarse), ("fine", fine)):
        assert torch.equal(networks[name].trunk[0].weight, state["pts_linears.0.weight"])
    assert torch.equal(load(path).trunk[0].weight, fine["pts_linears.0.weight"])
    write_checkpoint(path, coarse, None)
    assert NerfPytorch().read_networks(path)["fine"] is None
    assert torch.equal(load(path).trunk[0].weight, coarse["pts_linears.0.weight"])


@pytest.mark.parametrize(
    ("name", "text", "frame", "background"),
    [
        ("none.txt", "", "world", "white"),
        ("args.txt", "dataset_type = llff\nno_ndc = False\nwhite_bkgd = False\n", "ndc", "black"),
        ("args.txt", "dataset_type = blender\nno_ndc = False\nwhite_bkgd = True", "world", "white"),
        ("config.txt", "expname = fern\ndataset_type = llff\nfactor = 8\n", "ndc", "black"),
        ("config.txt", "dataset_type = blender\n\nwhite_bkgd = True  # yes", "world", "white"),
        ("config.txt", "dataset_type = llff\nno_ndc = True", "world", "black"),
    ],
)
def test_settings_beside_the_file(name, text, frame, background, tmp_path):
    (tmp_path / name).write_text(text)
    write_checkpoint(tmp_path / "200000.tar", program_state(True), program_state(True))
    info = load(tmp_path / "200000.tar").info
    assert (info.frame, info.background) == (frame, background)
    assert ("assumed" in info.provenance["frame_from"]) == (name == "none.txt")
    assert (info.aabb == Aabb((-1.5,) * 3, (1.5,) * 3)) == (frame == "world")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: s.pop("alpha_linear.bias"), "alpha_linear|density_layer.bias is missing"),
        (lambda s: s.pop("pts_linears.3.weight"), "pts_linears.3.weight"),
        (lambda s: s.update({"surplus.weight": torch.zeros(2, 2)}), "surplus.weight is not exp"),
        (lambda s: s.update({"rgb_linear.weight": torch.zeros(3, 5)}), "shape"),
        (lambda s: s.update({"pts_linears.0.weight": torch.zeros(24, 34)}), "octave"),
        (lambda s: s.update({"pts_linears.0.weight": torch.zeros(24)}), "matrix"),
        (lambda s: s.update({"pts_linears.0.weight": torch.zeros(24, 33).long()}), "matrix"),
        (lambda s: s.clear(), COARSE),
    ],
)
def test_wrong_tensors(change, why, tmp_path):
    state = program_state(True)
    change(state)
    write_checkpoint(tmp_path / "checkpoint", state, None)
    with pytest.raises(FormatError, match=why):
        load(tmp_path / "checkpoint")


@pytest.mark.parametrize(
    "changes",
    [
        {"depth": 8},
        {"density_activation": "exp"},
        {"density_shift": -1.0},
        {"normalize": True},
        {"feature_relu": True},
        {"depth": 8, "skips": (4,)},
    ],
)
def test_refuses_what_the_program_cannot_run(changes, tmp_path):
    with pytest.raises(UnsupportedError, match="cannot hold"):
        save(tiny_mlp(**changes), tmp_path / "field.tar")
