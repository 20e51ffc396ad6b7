"""kwea123's checkpoints: the program's own mathematics, both ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.formats.nerf_pl import NerfPl
from nerfconvert.volume import RadianceField
from tests.formats.files import in_the_world, probe_points, tiny_mlp


def program_state(width: int = 24, octaves: int = 5) -> dict[str, torch.Tensor]:
    """One network as the program makes it, with random numbers and its exact names."""
    encoded, directions = 3 + 6 * octaves, 3 + 6 * 4
    layers = {
        f"xyz_encoding_{i + 1}.0": (width, {0: encoded, 4: width + encoded}.get(i, width))
        for i in range(8)
    } | {
        "xyz_encoding_final": (width, width),
        "dir_encoding.0": (width // 2, width + directions),
        "sigma": (1, width),
        "rgb.0": (3, width // 2),
    }
    return {
        f"{name}.{kind}": torch.randn(shape if kind == "weight" else shape[:1]) / shape[1] ** 0.5
        for name, shape in layers.items()
        for kind in ("weight", "bias")
    }


def write_checkpoint(path, networks: dict[str, dict], **more) -> None:
    state = {f"nerf_{kind}.{n}": t for kind, net in networks.items() for n, t in net.items()}
    torch.save({"epoch": 15, "global_step": 9, "state_dict": state, **more}, path)


def forward(state: dict, positions, directions, octaves: int) -> tuple[np.ndarray, np.ndarray]:
    """(density [N], rgb [N, 3]) of a state dict in float64, as the program computes them."""
    w = {name: tensor.double().numpy() for name, tensor in state.items()}

    def layer(name, x):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def encode(v, count):
        return np.concatenate(
            [v, *(f(v * 2**k) for k in range(count) for f in (np.sin, np.cos))], 1
        )

    encoded = encode(positions, octaves)
    h = encoded
    for i in range(8):
        h = np.concatenate([encoded, h], 1) if i == 4 else h
        h = np.maximum(layer(f"xyz_encoding_{i + 1}.0", h), 0)
    feature = np.concatenate([layer("xyz_encoding_final", h), encode(directions, 4)], 1)
    rgb = layer("rgb.0", np.maximum(layer("dir_encoding.0", feature), 0))
    return np.maximum(layer("sigma", h)[:, 0], 0), 1 / (1 + np.exp(-rgb))


def assert_same(field: RadianceField, state: dict) -> None:
    positions, directions = probe_points()
    density, rgb = forward(state, positions.double().numpy(), directions.double().numpy(), 5)
    features = field.encode(positions)
    np.testing.assert_allclose(field.density(features).detach(), density, atol=2e-5)
    np.testing.assert_allclose(field.color(features, directions).detach(), rgb, atol=2e-5)
    assert (density > 0).any()


def test_reads_the_programs_mathematics(tmp_path):
    torch.manual_seed(0)
    state = program_state()
    write_checkpoint(tmp_path / "a.ckpt", {"coarse": program_state(), "fine": state})
    field = load(tmp_path / "a.ckpt")
    assert (field.config.skips, field.info.background, field.info.frame) == ((4,), "white", "world")
    assert_same(field, state)


def test_a_coarse_network_alone_is_read(tmp_path):
    torch.manual_seed(0)
    state = program_state()
    write_checkpoint(tmp_path / "a.ckpt", {"coarse": state})
    assert_same(load(tmp_path / "a.ckpt"), state)


def test_writes_the_programs_mathematics(tmp_path):
    field = tiny_mlp(depth=8, width=24, head_width=12, skips=(4,), position_octaves=5,
                     direction_octaves=4, density_scale=3.0)  # fmt: skip
    torch.nn.init.constant_(field.density_layer.bias, 0.2)
    save(in_the_world(field), tmp_path / "a.ckpt", format="nerf_pl")
    written = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    for prefix in ("nerf_coarse.", "nerf_fine."):
        state = {n.removeprefix(prefix): t for n, t in written.items() if n.startswith(prefix)}
        assert {n: t.shape for n, t in state.items()} == {
            n: t.shape for n, t in program_state().items()
        }
        assert_same(field, state)


@pytest.mark.parametrize(
    ("hparams", "frame", "background"),
    [
        ({"dataset_name": "blender"}, "world", "white"),
        ({"dataset_name": "llff", "spheric_poses": True}, "world", "black"),
        ("damaged", "world", "white"),
    ],
)
def test_hparams_tell_frame_and_background(hparams, frame, background, tmp_path):
    write_checkpoint(tmp_path / "a.ckpt", {"coarse": program_state()}, hparams=hparams)
    info = load(tmp_path / "a.ckpt").info
    assert (info.frame, info.background) == (frame, background)


@pytest.mark.parametrize(("size", "width"), [([400, 300], 400), ("big", 800), ([0, 5], 800)])
def test_hparams_tell_the_width_of_images(size, width, tmp_path):
    """By which rays lie left of and above the centers of pixels."""
    write_checkpoint(tmp_path / "a.ckpt", {"coarse": program_state()}, hparams={"img_wh": size})
    assert load(tmp_path / "a.ckpt").info.pixel_shift == 0.5 / width


def test_forward_facing_is_refused(tmp_path):
    hparams = {"dataset_name": "llff", "spheric_poses": False}
    write_checkpoint(tmp_path / "a.ckpt", {"coarse": program_state()}, hparams=hparams)
    with pytest.raises(UnsupportedError, match="forward-facing"):
        load(tmp_path / "a.ckpt")


def test_what_the_program_cannot_run_is_not_written(tmp_path):
    with pytest.raises(UnsupportedError, match="skips"):
        save(in_the_world(tiny_mlp(depth=8, skips=(5,))), tmp_path / "a.ckpt", format="nerf_pl")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: s.pop("sigma.weight"), "density_layer.weight is missing"),
        (lambda s: s.update({"xyz_encoding_1.0.weight": torch.ones(24)}), "no weight matrix"),
        (lambda s: s.update({"other": torch.ones(2)}), "other is not expected"),
        (lambda s: s["rgb.0.bias"].fill_(torch.nan), "NaN"),
    ],
)
def test_damage_is_named(change, why, tmp_path):
    state = program_state()
    change(state)
    write_checkpoint(tmp_path / "a.ckpt", {"coarse": state})
    with pytest.raises(FormatError, match=why):
        NerfPl().read(tmp_path / "a.ckpt")
