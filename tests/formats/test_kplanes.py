"""K-Planes' checkpoints, by the program's formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import identify, load
from nerfconvert.formats.parts.python_literal import read_literal
from tests.formats.hash_grids import compare, harmonics, matrices, network, sigmoid
from tests.formats.kplanes_scenes import HIGH, LOW, PLANES, SCALES, scene_content, sizes_of
from tests.formats.nerfstudio_runs import sampled


def model(state, position, direction, explicit=False, together=True, appearance=0, relu=False):
    """(density, rgb) at a place of the box."""
    values = {name.removeprefix("field."): t.double().numpy() for name, t in state.items()}
    unit = np.clip((position - LOW) / (HIGH - LOW), 0, 1)
    scales = []
    for scale in range(len(SCALES)):
        parts = [
            sampled(values[f"grids.{scale}.{number}"][0], [unit[a], unit[b]])
            for number, (a, b) in enumerate(PLANES)
        ]
        scales.append(np.prod(parts, axis=0))
    products = np.concatenate(scales) if together else sum(scales)
    first, second = sizes_of(explicit, together, appearance)
    h = network(products, matrices(values["sigma_net.params"], first)[0])
    raw = h[0] if explicit else h[15]
    density = max(raw, 0) if relu else np.exp(raw - 1)
    mean = values.get("appearance_embedding.weight", np.zeros((1, 0))).mean(0)
    start = direction if explicit else np.concatenate([harmonics(direction), h[:15]])
    inputs = np.concatenate([start, mean])
    inputs = np.concatenate([inputs, np.ones(second[0] - len(inputs))])
    vector = values["color_basis.params" if explicit else "color_net.params"]
    out = network(inputs, matrices(vector, second)[0])
    if explicit:
        basis = out[: 3 * len(products)].reshape(3, -1)
        return density, sigmoid(basis @ products)
    return density, sigmoid(out[:3])


def write(folder, content, config: str | None = None):
    torch.save(content, folder / "model.pth")
    if config is not None:
        (folder / "config.py").write_text(config)
    return folder


@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("appearance", [0, 5])
def test_its_mathematics(explicit, together, appearance, tmp_path):
    choices = {"explicit": explicit, "together": together, "appearance": appearance}
    content = scene_content(**choices)
    field = load(write(tmp_path, content))
    assert field.aabb.low == tuple(LOW)
    assert (field.config.explicit, field.config.side_by_side) == (explicit, together)
    errors = compare(field, lambda p, d: model(content["model"], p, d, **choices))
    assert max(errors) < 2e-5


def test_a_scene_is_named_in_three_ways(tmp_path):
    folder = write(tmp_path, scene_content(), "config = {'ndc': False}\n")
    for path in (folder, folder / "config.py", folder / "model.pth"):
        assert identify(path).name == "kplanes"
        assert load(path).config.resolutions == ((4, 5, 6), (8, 10, 12))


def test_density_by_relu(tmp_path):
    content = scene_content()
    field = load(write(tmp_path, content, "config = {'density_activation': 'relu'}"))
    positions = torch.rand(50, 3) - 0.5
    found = field.density(field.encode(positions))
    for position, density in zip(positions.double().numpy(), found):
        wanted, _ = model(content["model"], position, np.array([0.0, 0, 1]), relu=True)
        assert float(density) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("config", [None, "config = {'ndc': True, 'lr': 0.01}"])
def test_forward_facing(config, tmp_path):
    content = scene_content()
    content["model"]["field.aabb"] = torch.tensor([[-1.5, -1.67, -1.0], [1.5, 1.67, 1.0]])
    with pytest.raises(UnsupportedError, match="forward-facing"):
        load(write(tmp_path, content, config))


def contracted(scale: float, moved: list[float]) -> dict:
    content = scene_content()
    content["model"]["field.spatial_distortion.global_scale"] = torch.full((3,), scale)
    content["model"]["field.spatial_distortion.global_translation"] = torch.tensor(moved)
    return content


def test_all_of_space(tmp_path):
    """Far points are those of the box that its formula gives."""
    content, (scale, moved) = contracted(2.0, [0.5, 0.0, -1.0]), (2.0, [0.5, 0.0, -1.0])
    field = load(write(tmp_path, content))
    draw = np.random.default_rng(0)
    positions = (draw.normal(size=(40, 3)) * 3).astype(np.float32)
    density = field.density(field.encode(torch.from_numpy(positions)))
    middle, half = (HIGH + LOW) / 2, (HIGH - LOW) / 2
    for position, found in zip(positions.astype(float), density):
        inner = position * scale + moved
        reach = np.abs(inner).max()
        inner = inner if reach < 1 else (2 - 1 / reach) * inner / reach
        wanted, _ = model(content["model"], middle + half * inner / 2, np.array([0.0, 0, 1]))
        assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_what_is_refused(tmp_path):
    content = scene_content()
    content["model"]["field.grids.0.5"] = torch.zeros(1, 16, 4, 4)
    with pytest.raises(UnsupportedError, match="moves"):
        load(write(tmp_path, content))
    content = contracted(2.0, [0.0, 0.0, 0.0])
    content["model"]["field.spatial_distortion.global_scale"][0] = 3
    with pytest.raises(UnsupportedError, match="scales the axes"):
        load(write(tmp_path, content))


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("aabb", torch.zeros(6), "two corners"),
        ("aabb", torch.zeros(2, 3), "volume"),
        ("grids.0.0", torch.zeros(16, 5, 4), "shapes"),
        ("grids.1.2", torch.zeros(1, 16, 12, 9), "shape"),
        ("grids.1.2", torch.zeros(1, 16, 12, 1), "shape"),
        ("grids.9.0", torch.zeros(1, 16, 4, 4), "grids.2 has shapes"),
        ("grids.1.0", torch.full((1, 16, 10, 8), torch.nan), "NaN"),
        ("sigma_net.params", torch.zeros(99), "99 numbers"),
        ("color_net.params", torch.zeros(99), "99 numbers"),
        ("color_net.params", torch.zeros(4, 4), "no vector"),
        ("appearance_embedding.weight", torch.zeros(0, 4), "no matrix"),
        ("spatial_distortion.global_scale", torch.zeros(3), "positive scale"),
    ],
)
def test_damage_is_named(name, value, why, tmp_path):
    content = scene_content()
    content["model"][f"field.{name}"] = value
    with pytest.raises(FormatError, match=why):
        load(write(tmp_path, content))


def test_a_damaged_basis_is_named(tmp_path):
    content = scene_content(explicit=True)
    content["model"]["field.color_basis.params"] = torch.zeros(5000)
    with pytest.raises(FormatError, match="5000 numbers"):
        load(write(tmp_path, content))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("config = {'a': open('x')}", "no literal"),
        ("config = {", "no literal"),
        ("import os\nconfig = os.environ", "no literal"),
        ("other = 1", "does not assign"),
        ("config = 3", "no map"),
        ("config = {'ndc': 3}", "ndc"),
        ("config = {'density_activation': 'sine'}", "density_activation"),
        ("config = " + "[" * 9000, "no literal"),
        ("config = " + "-" * 9000 + "1", "no literal"),
        ("#" * 40000, "more than"),
        ("config = '\0'", "no literal"),
    ],
)
def test_a_damaged_config_is_named(text, why, tmp_path):
    with pytest.raises(FormatError, match=why) as caught:
        load(write(tmp_path, scene_content(), text))
    assert "\n" not in str(caught.value)


def test_a_config_is_never_run(tmp_path):
    trap = tmp_path / "trap"
    text = f"open({str(trap)!r}, 'w').close()\nconfig = {{'lr': -0.5, 'reso': [1, (2, 3)]}}\n"
    (tmp_path / "config.py").write_text(text)
    assert read_literal(tmp_path / "config.py", "config") == {"lr": -0.5, "reso": [1, (2, 3)]}
    assert not trap.exists()
