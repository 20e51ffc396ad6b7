"""The models of PVD as sizes of our architectures, against loops over its formulas in float64."""

import dataclasses

import numpy as np
import pytest
import torch

from nerfconvert.adapters import ADAPTERS, CHOICES
from nerfconvert.adapters.factorized.vm import VmField
from nerfconvert.kernels.spherical_harmonics import spherical_harmonics_reference
from nerfconvert.volume import Aabb, FieldInfo, TrainableField

INFO = FieldInfo(aabb=Aabb((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)))
NARROW = Aabb((-1.0, 0.0, 2.0), (3.0, 1.0, 4.0))  # half of its longest edge is 2
DECODER = 31 * 64 + 64 * 64 + 64 * 3


def made(architecture: str, info: FieldInfo = INFO, **changes) -> TrainableField:
    torch.manual_seed(0)
    kind = ADAPTERS[architecture]
    return kind(
        dataclasses.replace(kind.Config(**CHOICES[architecture].presets["pvd"]), **changes), info
    )


@pytest.mark.parametrize(
    ("architecture", "space"),
    [
        ("hashgrid", 10_607_408 + 28 * 64 + 64 * 16),
        ("mlp", 434_460 + 28 * 64 + 64 * 16),
        ("vm", 17_337_600 + 144 * 15),
    ],
)
def test_parameters_are_those_of_the_released_models(architecture, space):
    field = made(architecture)
    decoder = sum(p.numel() for p in field.parameters_of_part("decoder"))
    assert decoder == DECODER == 6272
    assert field.parameter_count - decoder == space


@pytest.mark.parametrize("architecture", ["hashgrid", "mlp", "vm", "cp"])
def test_all_have_16_features_and_one_decoder(architecture):
    field = made(architecture)
    assert field.feature_dim == 16
    assert [tuple(p.shape) for p in field.parameters_of_part("decoder")] == [
        (64, 31),
        (64, 64),
        (3, 64),
    ]


@pytest.mark.parametrize("architecture", ["hashgrid", "mlp", "vm", "cp", "tensorial"])
def test_density_is_the_exponential_of_the_first_feature_between_its_clamps(architecture):
    field = made(architecture, FieldInfo(aabb=NARROW))
    features = torch.zeros(4, field.feature_dim)
    features[:, 0] = torch.tensor([-9.0, -1.0, 3.0, 8.0])
    wanted = np.exp([-2.0, -1.0, 3.0, 7.0]) / 2
    np.testing.assert_allclose(field.density(features).detach().numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["hashgrid", "mlp", "vm", "cp", "tensorial"])
def test_new_fields_have_a_log_density_near_zero(architecture):
    """Inside the clamps, where there are gradients."""
    positions = torch.rand(2000, 3) * 2 - 1
    raw = made(architecture).encode(positions)[:, 0]
    assert float((raw.abs() < 1.5).float().mean()) > 0.99


@pytest.mark.parametrize("architecture", ["hashgrid", "mlp"])
def test_color_of_the_joint_decoder(architecture):
    field = made(architecture)
    features, directions = points()
    state = [weight.detach().double().numpy() for weight in field.color_weights]
    assert_color(field, features, directions, features[:, 1:].double().numpy(), state)


def test_all_features_of_factors_are_clamped():
    field = made("vm")
    free = VmField(dataclasses.replace(field.config, clamp_features=False), INFO)
    with torch.no_grad():
        for line in field.factors.lines:
            line.mul_(1e4)
    free.load_state_dict(field.state_dict())
    positions = torch.rand(500, 3) * 2 - 1
    assert free.encode(positions).abs().max() > 20
    assert torch.equal(field.encode(positions), free.encode(positions).clamp(-2, 7))


def points() -> tuple[torch.Tensor, torch.Tensor]:
    """Features well beyond the clamps, and unit directions."""
    directions = torch.nn.functional.normalize(torch.randn(50, 3), dim=-1)
    return torch.randn(50, 16) * 5, directions


def assert_color(field, features, directions, read, weights) -> None:
    basis = spherical_harmonics_reference(directions.double(), 4).numpy()
    h = np.concatenate([read, basis], 1) @ weights[0].T
    for weight in weights[1:]:
        h = np.maximum(h, 0) @ weight.T
    found = field.color(features, directions).detach().numpy()
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-h)), atol=1e-5)


def test_features_of_the_mlp():
    """Eight linear layers, the position again after the fourth, none of ReLU after the last; then
    a network of 28 inputs."""
    field = made("mlp", FieldInfo(aabb=NARROW))
    positions = torch.rand(20, 3) * torch.tensor(NARROW.size) + torch.tensor(NARROW.low)
    state = {name: tensor.double().numpy() for name, tensor in field.state_dict().items()}
    unit = 2 * (positions.double().numpy() - NARROW.low) / np.array(NARROW.size) - 1
    waves = [f(unit * 2**octave) for octave in range(10) for f in (np.sin, np.cos)]
    encoded = np.concatenate([unit, *waves], 1)
    assert encoded.shape == (20, 63)
    h = encoded
    for name in [*(f"trunk.{i}" for i in range(7)), "feature_layer"]:
        h = np.concatenate([h, encoded], 1) if name == "trunk.4" else h
        h = h @ state[f"{name}.weight"].T + state[f"{name}.bias"]
        h = h if name == "feature_layer" else np.maximum(h, 0)
    assert h.shape == (20, 28)
    h = np.maximum(h @ state["density_weights.0"].T, 0) @ state["density_weights.1"].T
    np.testing.assert_allclose(field.encode(positions).detach().numpy(), h, atol=2e-5)
