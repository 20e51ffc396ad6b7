"""hashgrid: what its options do to density and color."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.volume import Aabb, FieldInfo
from tests.adapters.test_contract import INFO, TINY, points


def tiny_config(**changes) -> HashgridConfig:
    return HashgridConfig(**{**TINY["hashgrid"], **changes})


def build(**changes) -> HashgridField:
    """A small field whose parameters are the same for all options that keep their shapes."""
    torch.manual_seed(5)
    field = HashgridField(tiny_config(**changes), INFO)
    with torch.no_grad():
        field.table.normal_()
    return field


def test_density_shift():
    """exp(raw) * exp(shift) per longest edge of the box."""
    field, plain = build(density_shift=math.log(2.0)), build()
    features = plain.encode(points(50)[0])
    expected = 2 * features[:, 0].double().exp() / 3.0
    torch.testing.assert_close(field.density(features).double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(field.density(features), 2 * plain.density(features))


def test_no_shift_changes_no_bit():
    features = build().encode(points(50)[0])
    plain = features[:, 0].clamp(max=15.0).exp() / 3.0
    assert torch.equal(build().density(features), plain)


def test_raw_density_is_limited_before_the_shift():
    features = torch.full((1, 16), 16.0)
    limit = math.exp(17) / 3.0
    assert float(build(density_shift=2.0).density(features)) == pytest.approx(limit, rel=1e-6)


def test_color_without_density():
    """The color network has a column less: that of raw density, which no longer matters."""
    field, plain = build(density_in_color=False), build()
    assert field.color_weights[0].shape == (16, 31)
    assert plain.color_weights[0].shape == (16, 32)
    with torch.no_grad():
        first, *rest = plain.color_weights
        first[:, 0] = 0
        for mine, its in zip(field.color_weights, [first[:, 1:], *rest]):
            mine.copy_(its)
    positions, directions = points(50)
    features = plain.encode(positions)
    rgb = field.color(features, directions)
    torch.testing.assert_close(rgb, plain.color(features, directions))
    features[:, 0] += 3
    assert torch.equal(field.color(features, directions), rgb)


def test_axes():
    """With axes yzx the field at (x, y, z) is the plain one's at (y, z, x), directions alike."""
    cube = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)))
    state = build().state_dict()
    turned, plain = (HashgridField(tiny_config(axes=axes), cube) for axes in ("yzx", "xyz"))
    turned.load_state_dict(state)
    plain.load_state_dict(state)
    draw = torch.rand(2, 60, 3) * 2 - 1
    positions, directions = draw[0], torch.nn.functional.normalize(draw[1], dim=-1)
    features = turned.encode(positions)
    assert torch.equal(features, plain.encode(positions[:, [1, 2, 0]]))
    rgb = plain.color(features, directions[:, [1, 2, 0]])
    assert torch.equal(turned.color(features, directions), rgb)


def test_finest_resolution_between_integers():
    """What a program states as growth per level: 1.5, from 4 to 4 * 1.5^2."""
    field = build(finest_resolution=9.0)
    assert field.scales.tolist() == pytest.approx([3.0, 5.0, 8.0], abs=1e-5)
    field = build(finest_resolution=4 * 1.3**2)
    assert field.scales.tolist() == pytest.approx([3.0, 4.2, 5.76], abs=1e-5)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"axes": "zyx"}, "axes must be one of xyz, yzx"),
        ({"layout": "tcnn"}, "layout must be one of tiny-cuda-nn, torch-ngp"),
        ({"finest_resolution": math.inf}, "finest_resolution must be a number"),
        ({"finest_resolution": 15.5}, "finest_resolution must not be below"),
        ({"density_in_color": 1}, "density_in_color must be true or false"),
        ({"density_shift": 31}, "density_shift must be a number in -30..30"),
        ({"density_shift": math.nan}, "density_shift"),
    ],
)
def test_wrong_options(change, why):
    with pytest.raises(ValueError, match=why):
        HashgridConfig(**change)
