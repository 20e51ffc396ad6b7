"""Harmonics of colors: found again, by what is seen alone."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField, Primitive
from nerfconvert.adapters.harmonics import FAINT, SEEN, fit_harmonics, seen_colors
from nerfconvert.kernels.spherical_harmonics import spherical_harmonics
from nerfconvert.volume import Aabb, FieldInfo

INFO = FieldInfo(aabb=Aabb((-1.0, -1.0, -1.0), (1.0, 1.0, 1.5)))


def directions(n: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, 3), dim=-1)


@pytest.mark.parametrize(("activation", "error"), [("clamp", 1e-3), ("sigmoid", 5e-3)])
def test_harmonics_are_found_again(activation, error):
    ways = directions(48)
    basis = spherical_harmonics(ways, 3)
    wanted = 0.15 * torch.randn(200, 3, 9)
    raw = torch.einsum("ncb,kb->nkc", wanted, basis)
    rgb = raw.sigmoid() if activation == "sigmoid" else raw + 0.5
    weight = 0.2 + torch.rand(200, 48)
    found = torch.einsum("ncb,kb->nkc", fit_harmonics(basis, rgb, weight, activation), basis)
    again = found.sigmoid() if activation == "sigmoid" else found + 0.5
    assert float((again - rgb).square().mean()) < error


def test_hidden_directions_do_not_count():
    basis = spherical_harmonics(directions(32), 3)
    rgb = torch.full((1, 32, 3), 0.8)
    rgb[:, 16:] = 0.0
    weight = torch.full((1, 32), 1.0)
    weight[:, 16:] = 1e-6
    found = fit_harmonics(basis, rgb, weight, "clamp")[0] @ basis.T + 0.5
    torch.testing.assert_close(found[:, :16], torch.full((3, 16), 0.8), rtol=0, atol=1e-2)


def test_colors_are_those_of_seen_directions():
    body = {"kind": "blob", "center": (0, 0, 0), "size": (1, 1, 1), "density": 9.0}
    shiny = Primitive(**body, color=(0.2, 0.3, 0.4), highlight=0.5)
    teacher = AnalyticField(AnalyticConfig(primitives=(shiny,)), INFO)
    features, ways = teacher.encode(torch.rand(5, 3) - 0.5), directions(7)
    transmittance = torch.rand(5, 7) * (torch.rand(5, 7) < 0.5)
    transmittance[0] = SEEN / 2
    rgb, weight = seen_colors(teacher, features, ways, transmittance)
    for place in range(1, 5):
        seen = transmittance[place] > SEEN
        colors = teacher.color(features[place].expand(7, -1), ways)
        mean = (transmittance[place] * seen) @ colors / (transmittance[place] * seen).sum()
        torch.testing.assert_close(rgb[place], colors.where(seen[:, None], mean))
    torch.testing.assert_close(rgb[0], torch.full((7, 3), 0.5))
    torch.testing.assert_close(weight, transmittance.where(transmittance > SEEN, 0.0) + FAINT)
