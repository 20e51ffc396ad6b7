"""mlp: encoding, conventions, and what its configuration promises."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from nerfconvert.adapters.activations import EXP_LIMIT
from nerfconvert.adapters.mlp import MlpConfig, MlpField, frequency_encode
from nerfconvert.adapters.mlp_config import MLP
from nerfconvert.volume import Aabb, FieldInfo

INFO = FieldInfo(aabb=Aabb((-1.0, 0.0, 2.0), (3.0, 1.0, 4.0)))


def build(**changes) -> MlpField:
    return MlpField(MlpConfig(**{"depth": 3, "width": 16, "skips": (), **changes}), INFO)


@pytest.mark.parametrize("octaves", [0, 1, 4, 10, 15])
def test_encoding(octaves):
    values = torch.rand(200, 3) * 4 - 2
    columns = [values.double().numpy()]
    for octave in range(octaves):
        columns += [np.sin(columns[0] * 2**octave), np.cos(columns[0] * 2**octave)]
    encoded = frequency_encode(values, octaves)
    assert encoded.shape == (200, 3 + 6 * octaves)
    np.testing.assert_allclose(encoded, np.concatenate(columns, 1), atol=1e-5)


@pytest.mark.parametrize(
    ("lowest", "spacing"), [(1.0, 8 / 9), (2 * math.pi, 8 / 9), (2 * math.pi, 1.0), (0.5, 2.0)]
)
def test_frequencies_of_other_programs(lowest, spacing):
    values = torch.rand(200, 3) * 2 - 1
    exact = values.double().numpy()
    columns = [exact]
    for octave in range(6):
        phases = exact * lowest * 2 ** (octave * spacing)
        columns += [np.sin(phases), np.cos(phases)]
    encoded = frequency_encode(values, 6, lowest, spacing)
    highest = lowest * 2 ** (5 * spacing)
    np.testing.assert_allclose(encoded, np.concatenate(columns, 1), atol=2e-6 + 3e-7 * highest)


def forward_loop(field: MlpField, position, direction) -> tuple[float, np.ndarray]:
    """Density and rgb of one point, layer by layer with concatenation, in float64."""
    config = field.config
    state = {k: v.double().numpy() for k, v in field.state_dict().items()}

    def layer(name, x):
        return state[f"{name}.weight"] @ x + state[f"{name}.bias"]

    def encode(v, octaves, spacing):
        scales = [config.lowest_frequency * 2 ** (spacing * o) for o in range(octaves)]
        return np.concatenate([v, *(f(v * s) for s in scales for f in (np.sin, np.cos))])

    if config.normalize:
        low, high = np.array(INFO.aabb.low), np.array(INFO.aabb.high)
        position = 2 * (position - low) / (high - low) - 1
    encoded = encode(position, config.position_octaves, config.position_spacing)
    h = encoded
    for i in range(config.depth):
        if i in config.skips:
            h = np.concatenate([h, encoded])
        h = layer(f"trunk.{i}", h)
        if i > 0 or config.first_relu:
            h = np.maximum(h, 0)
    raw = layer("density_layer", h)[0] * config.density_scale + config.density_shift
    density = {
        "relu": max(raw, 0.0),
        "softplus": math.log1p(math.exp(-abs(raw))) + max(raw, 0),
        "exp": math.exp(min(raw, EXP_LIMIT)),
    }[config.density_activation]
    if config.view_dependent:
        h = layer("feature_layer", h)
        if config.feature_relu:
            h = np.maximum(h, 0)
        turned = encode(direction, config.direction_octaves, config.direction_spacing)
        h = np.maximum(layer("view_layer", np.concatenate([h, turned])), 0)
        for i in range(config.head_layers - 1):
            h = np.maximum(layer(f"head.{i}", h), 0)
    return density, 1 / (1 + np.exp(-layer("rgb_layer", h)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"depth": 1},
        {"depth": 1, "first_relu": False},
        {"first_relu": False, "feature_relu": True},
        {"depth": 6, "skips": (5,)},
        {"depth": 6, "skips": (1, 2, 5), "first_relu": False},
        {"depth": 6, "skips": (3,), "first_relu": False},
        {"view_dependent": False, "normalize": True},
        {"density_activation": "softplus", "density_shift": -1.0, "density_scale": 3.0},
        {"density_activation": "exp", "density_shift": 2.0},
        {"width": 300, "depth": 2},
        {"position_octaves": 0, "direction_octaves": 0},
        {"head_layers": 3, "head_width": 16},
        {"position_octaves": 4, "position_spacing": 0.5, "direction_spacing": 4 / 3},
        {"position_octaves": 4, "lowest_frequency": 2.0, "direction_spacing": 4 / 3},
    ],
)
def test_against_a_loop(changes, backend):
    field = build(**changes).requires_grad_(False)
    positions = INFO.aabb.from_unit(torch.rand(12, 3))
    directions = torch.nn.functional.normalize(torch.randn(12, 3), dim=-1)
    features = field.encode(positions)
    density, rgb = field.density(features), field.color(features, directions)
    for i in range(12):
        expected = forward_loop(
            field, positions[i].double().numpy(), directions[i].double().numpy()
        )
        assert density[i].item() == pytest.approx(expected[0], abs=1e-4)
        np.testing.assert_allclose(rgb[i], expected[1], atol=1e-5)


def test_a_dead_density_can_be_taught():
    """relu density that is zero everywhere still has a gradient; the value stays exact."""
    field = build(density_shift=-1.0)
    positions = INFO.aabb.from_unit(torch.rand(100, 3))
    density = field.density(field.encode(positions))
    assert not density.any()
    density.sum().backward()
    assert field.density_layer.bias.grad.item() > 1
    assert field.trunk[0].weight.grad.any()


def test_presets_are_configs():
    sizes = {}
    for name, values in MLP.presets.items():
        sizes[name] = MlpField(MlpConfig(**values), INFO).parameter_count
    assert sizes["krrish94"] == 84548  # the published network
    assert sizes["base"] == 595844  # the paper's network, as its PyTorch programs count it
    assert sizes["small"] < sizes["base"]


@pytest.mark.parametrize(
    "changes",
    [
        {"depth": 0},
        {"depth": True - 1},
        {"width": 2.0},
        {"skips": (0,)},
        {"skips": (3,)},
        {"head_width": 0},
        {"position_octaves": -1},
        {"density_activation": "sin"},
        {"density_scale": math.inf},
        {"density_scale": 0.0},
        {"density_shift": math.nan},
        {"normalize": 1},
        {"head_layers": 0},
        {"lowest_frequency": 0.0},
        {"position_spacing": -1.0},
        {"direction_spacing": math.nan},
    ],
)
def test_wrong_values(changes):
    name = next(iter(changes))
    with pytest.raises(ValueError, match=name):
        build(**changes)


def test_json_lists_are_tuples():
    assert MlpConfig(skips=[5]) == MlpConfig(skips=(5,))
    assert dataclasses.asdict(MlpConfig())["skips"] == (5,)
