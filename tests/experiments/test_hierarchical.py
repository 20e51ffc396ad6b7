"""Hierarchical sampling against a loop over one ray at a time, as NeRF programs describe it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.volume import Aabb, FieldInfo, Rays
from scripts.experiments.hierarchical import render_rays_hierarchical

INFO = FieldInfo(aabb=Aabb((-1.0,) * 3, (1.0,) * 3))


def field(radius: float, density: float = 8.0) -> AnalyticField:
    blob = {"kind": "blob", "center": (0.1, 0, 0), "size": (radius,) * 3, "density": density}
    primitive = {**blob, "color": (0.9, 0.4, 0.1), "highlight": 0.1, "stripes": 2.0}
    return AnalyticField(AnalyticConfig(primitives=(primitive,)), INFO)


def rays(n: int = 6) -> Rays:
    targets = torch.randn(n, 3) * 0.2
    origins = torch.tensor([0.0, 0.0, 3.0]) + torch.randn(n, 3) * 0.1
    made = Rays.of(origins, targets - origins)
    length = torch.rand(n) + 1
    return Rays(made.origins, made.directions, 2 * length, 4.5 * length, made.view_directions)


def ask(f: AnalyticField, ray: Rays, depths: list[float]) -> tuple[list[float], np.ndarray]:
    """Density and rgb at depths of one ray, in the field's own precision."""
    positions = ray.origins + torch.tensor(depths)[:, None].float() * ray.directions
    features = f.encode(positions)
    rgb = f.color(features, ray.view_directions.expand(len(depths), 3))
    return f.density(features).tolist(), rgb.double().numpy()


def weights_of(density: list[float], depths: list[float]) -> list[float]:
    transmittance, weights = 1.0, []
    for i, sigma in enumerate(density):
        length = depths[i + 1] - depths[i] if i + 1 < len(depths) else 1e10
        alpha = 1 - math.exp(-sigma * length)
        weights.append(transmittance * alpha)
        transmittance *= 1 - alpha + 1e-10
    return weights


def inverse_distribution(edges: list[float], weights: list[float], n: int) -> list[float]:
    total = sum(w + 1e-5 for w in weights)
    cumulated = [0.0]
    for w in weights:
        cumulated.append(cumulated[-1] + (w + 1e-5) / total)
    found = []
    for k in range(n):
        u = k / (n - 1)
        above = sum(c <= u for c in cumulated)
        below, above = max(above - 1, 0), min(above, len(cumulated) - 1)
        span = cumulated[above] - cumulated[below]
        share = (u - cumulated[below]) / (span if span >= 1e-5 else 1.0)
        found.append(edges[below] + share * (edges[above] - edges[below]))
    return found


def render_loop(coarse, fine, ray: Rays, n_coarse: int, n_fine: int, background: float):
    near, far = float(ray.near), float(ray.far)
    depths = [near + (far - near) * k / (n_coarse - 1) for k in range(n_coarse)]
    weights = weights_of(ask(coarse, ray, depths)[0], depths)
    middles = [(a + b) / 2 for a, b in itertools.pairwise(depths)]
    depths = sorted(depths + inverse_distribution(middles, weights[1:-1], n_fine))
    density, rgb = ask(fine, ray, depths)
    weights = weights_of(density, depths)
    color = sum(w * c for w, c in zip(weights, rgb, strict=True))
    return color + (1 - sum(weights)) * background, sum(weights), np.dot(weights, depths)


@pytest.mark.parametrize("background", [0.0, 1.0])
def test_against_a_loop(background):
    coarse, fine, bundle = field(0.4), field(0.25), rays()
    seen = render_rays_hierarchical(
        coarse, fine, bundle, n_coarse=16, n_fine=12, background=background
    )
    for i in range(len(bundle)):
        color, opacity, depth = render_loop(coarse, fine, bundle[i : i + 1], 16, 12, background)
        np.testing.assert_allclose(seen.rgb[i], color, atol=2e-4)
        assert float(seen.opacity[i]) == pytest.approx(opacity, abs=2e-4)
        assert float(seen.depth[i]) == pytest.approx(depth, abs=2e-3)


def test_what_is_dense_at_the_end_hides_the_background():
    wall = field(50.0, density=0.01)
    seen = render_rays_hierarchical(wall, wall, rays(), background=0.0)
    torch.testing.assert_close(seen.opacity, torch.ones(6))


def test_chunks_and_nothing():
    f, many = field(0.3), rays(2500)
    seen = render_rays_hierarchical(f, f, many, n_coarse=8, n_fine=4)
    part = render_rays_hierarchical(f, f, many[2040:2060], n_coarse=8, n_fine=4)
    torch.testing.assert_close(seen.rgb[2040:2060], part.rgb)
    assert render_rays_hierarchical(f, f, many[:0]).rgb.shape == (0, 3)


def test_too_few_samples():
    with pytest.raises(ValueError, match="n_coarse"):
        render_rays_hierarchical(field(0.3), field(0.3), rays(), n_coarse=2)
