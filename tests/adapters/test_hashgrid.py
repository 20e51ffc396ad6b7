"""hashgrid: what its options do to density and color."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from tests.adapters.test_contract import INFO, TINY, points


def build(**changes) -> HashgridField:
    """A small field whose parameters are the same for all options that keep their shapes."""
    torch.manual_seed(5)
    field = HashgridField(HashgridConfig(**{**TINY["hashgrid"], **changes}), INFO)
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


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"density_in_color": 1}, "density_in_color must be true or false"),
        ({"density_shift": 31}, "density_shift must be a number in -30..30"),
        ({"density_shift": math.nan}, "density_shift"),
    ],
)
def test_wrong_options(change, why):
    with pytest.raises(ValueError, match=why):
        HashgridConfig(**change)
