"""ppng: frame, units, limits and gradients; the look-up itself is also tested on files."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.nn.functional import grid_sample

from nerfconvert.adapters.ppng import UNIT_CUBE, PpngConfig, PpngField, cube_about
from nerfconvert.adapters.ppng_factors import sampled_factors
from nerfconvert.volume import Aabb, FieldInfo


def build(**changes) -> PpngField:
    config = PpngConfig(**{"frequencies": (1.0,), "resolution": 5, "rank": 1, **changes})
    return PpngField(config, FieldInfo(aabb=UNIT_CUBE))


def multiplied_out(factors: torch.Tensor) -> torch.Tensor:
    """Volumes [V, C, z, y, x] of factors [3, V, samples..., R, C]."""
    lines = "vxrc,vyrc,vzrc->vczyx"
    return torch.einsum(lines if factors.ndim == 5 else "vzyrc,vzxrc,vyxrc->vczyx", *factors)


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


@pytest.mark.parametrize("dimensions", [1, 2])
def test_factors_are_sampled_as_what_they_multiply_out_to(dimensions):
    """Values and gradients, in float64, also at the corners and on samples."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    factors = draw(3, 4, *(7,) * dimensions, 3, 2).requires_grad_()
    grid = draw(4, 60, 3).tanh()
    grid[:, :3] = torch.tensor([-1.0, 1.0, 1 / 3])[:, None]
    sampled = sampled_factors(factors, grid)
    volumes, at = multiplied_out(factors), grid[:, :, None, None]
    expected = grid_sample(volumes, at, align_corners=True)[..., 0, 0].transpose(1, 2)
    torch.testing.assert_close(sampled, expected, rtol=1e-12, atol=1e-12)
    weight = draw(*sampled.shape)
    (found,) = torch.autograd.grad((sampled * weight).sum(), factors)
    (wanted,) = torch.autograd.grad((expected * weight).sum(), factors)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_training_and_rendering_look_up_the_same(dimensions):
    """Also after a change that torch does not count, as that of a fused optimizer."""
    field = build(factor_dimensions=dimensions, frequencies=(1.0, 3.0), rank=2)
    positions = UNIT_CUBE.from_unit(torch.rand(10_000, 3))
    for _ in range(2):
        learning = field.encode(positions)
        assert learning.requires_grad
        with torch.no_grad():
            torch.testing.assert_close(field.encode(positions), learning, rtol=1e-4, atol=1e-5)
        field.factors.data.mul_(1.1)


def test_a_frozen_field_shows_changes():
    """Of itself, and of a copy that is as new as it was when its factors were last compared."""
    field = build().requires_grad_(False)
    positions = UNIT_CUBE.from_unit(torch.rand(50, 3))
    before = field.encode(positions)
    copied = copy.deepcopy(field)
    for changed in (field, copied):
        changed.factors.mul_(1.1)
        wanted = PpngField(field.config, field.info).requires_grad_(False)
        wanted.load_state_dict(changed.state_dict())
        assert torch.equal(changed.encode(positions), wanted.encode(positions))
        assert not torch.equal(changed.encode(positions), before)


def test_the_cube_about_a_box_is_the_unit_cube():
    """Fields of the same numbers over boxes about the same cube agree, density in its edges."""
    cube, box = (Aabb((0, -1, 2 - z), (4, 3, 2 + z)) for z in (2.0, 0.5))
    assert (cube_about(box), cube_about(cube)) == (cube, cube)
    field = build()
    there = PpngField(field.config, FieldInfo(aabb=box))
    there.load_state_dict(field.state_dict())
    unit = torch.rand(50, 3)
    torch.testing.assert_close(
        there.encode(cube.from_unit(unit)), field.encode(UNIT_CUBE.from_unit(unit))
    )
    assert float(there.density(torch.zeros(1, 16))) == pytest.approx(1 / 4)


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
