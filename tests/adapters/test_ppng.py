"""ppng: frame, units and limits; the look-up itself is tested on files."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.adapters.ppng import UNIT_CUBE, PpngConfig, PpngField
from nerfconvert.volume import FieldInfo


def build(**changes) -> PpngField:
    config = PpngConfig(**{"frequencies": (1.0,), "resolution": 5, "rank": 1, **changes})
    return PpngField(config, FieldInfo(aabb=UNIT_CUBE))


def load(field: PpngField, **tensors) -> None:
    field.load_state_dict({**field.state_dict(), **tensors})


def test_density_is_per_world_unit():
    field = build()
    features = torch.zeros(3, 16)
    features[1, 0], features[2, 0] = 2.0, 50.0
    expected = [0.33, 0.33 * math.exp(2), 0.33 * math.exp(11)]
    assert field.density(features).tolist() == pytest.approx(expected, rel=1e-5)


def test_axes():
    """A volume that grows along the unit cube's x grows along the world's y."""
    field = build(factor_dimensions=1)
    factors = torch.ones(3, 2, 5, 1, 4)
    factors[0, 0] = torch.linspace(-1, 1, 5)[:, None, None]  # x lines of the sine volume
    factors[:, 1] = 0
    weight = torch.zeros(16, 8)
    weight[:, 0] = 1
    load(field, factors=factors, density_weight=weight)
    positions = torch.tensor([[0.3, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.3]])
    expected = [0.0, math.sin(math.pi * 0.33 * 0.3), 0.0]
    assert field.encode(positions)[:, 0].tolist() == pytest.approx(expected, abs=1e-6)


def test_lines_and_planes_agree_on_separable_factors():
    lines = torch.rand(3, 2, 5, 1, 4) + 0.5
    x, y, z = lines
    lifted = [z[:, :, None] * y[:, None], z[:, :, None] ** 0 * x[:, None]]
    lifted += [y[:, :, None] ** 0 * x[:, None] ** 0]
    weight = torch.randn(16, 8)
    one, two = build(factor_dimensions=1), build(factor_dimensions=2)
    load(one, factors=lines, density_weight=weight)
    load(two, factors=torch.stack(lifted), density_weight=weight)
    positions = UNIT_CUBE.from_unit(torch.rand(200, 3))
    torch.testing.assert_close(one.encode(positions), two.encode(positions))


def test_nothing_can_be_trained():
    field = build()
    assert not any(p.requires_grad for p in field.parameters())
    assert field.parameter_count == 3 * 2 * 25 * 2 * 2 + 16 * 8 + 16 * 32 + 3 * 16
    assert not field.encode(torch.zeros(2, 3, requires_grad=True)).requires_grad


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"frequencies": ()}, "frequencies"),
        ({"factor_dimensions": 3}, "factor_dimensions"),
        ({"resolution": 1}, "resolution"),
        ({"rank": 0}, "rank"),
        ({"channels": 65}, "channels"),
        ({"resolution": 256, "channels": 64, "frequencies": (1.0,) * 16}, "numbers"),
    ],
)
def test_wrong_values(changes, why):
    with pytest.raises(ValueError, match=why):
        PpngConfig(**changes)
