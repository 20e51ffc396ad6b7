"""The training procedure of the NeRF paper, as a baseline: no occupancy, two networks, Adam.

Mildenhall et al. 2020, section 5.3 and the supplement: stratified samples of a coarse network,
importance samples of a fine one, the sum of both squared errors, learning rate 5e-4 falling to a
tenth over 250,000 steps. Rays a step are few, so that a CPU takes steps at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from hierarchical import sample_bins, sample_weights
from torch import Tensor

from nerfconvert.renderer.cameras import Cameras
from nerfconvert.volume import RadianceField, Rays

COARSE, FINE = 64, 128  # samples of a ray
RATE, TENTH_AFTER = 5e-4, 250_000


def fit_original(
    coarse: RadianceField,
    fine: RadianceField,
    cameras: Cameras,
    images: Tensor,
    at: Sequence[float],
    measure: Callable[[float], None],
    *,
    rays: int,
    background: float,
    seed: int,
) -> int:
    """Trains both fields in place on `images` [V, H, W, 3] for `at[-1]` seconds of wall clock;
    calls `measure` at each time of `at`, the clock stopped. The number of steps."""
    parameters = [*coarse.parameters(), *fine.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=RATE)
    generator = torch.Generator().manual_seed(seed)
    due, steps, spent = list(at), 0, 0.0
    while due:
        start = time.monotonic()
        optimizer.param_groups[0]["lr"] = RATE * 0.1 ** (steps / TENTH_AFTER)
        optimizer.zero_grad()
        _loss(coarse, fine, cameras, images, rays, background, generator).backward()
        optimizer.step()
        steps, spent = steps + 1, spent + time.monotonic() - start
        if spent >= due[0]:
            measure(due.pop(0))
    return steps


def _loss(
    coarse: RadianceField,
    fine: RadianceField,
    cameras: Cameras,
    images: Tensor,
    count: int,
    background: float,
    generator: torch.Generator,
) -> Tensor:
    v, h, w, _ = images.shape
    pick = torch.rand(3, count, generator=generator)
    views, rows, columns = (pick[0] * v).long(), (pick[1] * h).long(), (pick[2] * w).long()
    rays = cameras.rays_at(views, columns + 0.5, rows + 0.5)
    near, far = _span(fine, rays)
    strata = (torch.arange(COARSE) + torch.rand(count, COARSE, generator=generator)) / COARSE
    depths = near + (far - near) * strata
    rgb, weights = _render(coarse, rays, depths, background)
    middles = 0.5 * (depths[:, 1:] + depths[:, :-1])
    quantiles = torch.rand(count, FINE, generator=generator)
    more = sample_bins(middles, weights.detach()[:, 1:-1], quantiles)
    again, _ = _render(fine, rays, torch.cat([depths, more], 1).sort(1).values, background)
    wanted = images[views, rows, columns]
    return (rgb - wanted).square().mean() + (again - wanted).square().mean()


def _span(field: RadianceField, rays: Rays) -> tuple[Tensor, Tensor]:
    """Nearest and farthest distance [R, 1] of the ball around the box of `field`."""
    center = rays.origins.new_tensor(field.aabb.center)
    distance = (rays.origins - center).norm(dim=1, keepdim=True)
    radius = 0.5 * field.aabb.diagonal
    return (distance - radius).clamp_min(0.0), distance + radius


def _render(
    field: RadianceField, rays: Rays, depths: Tensor, background: float
) -> tuple[Tensor, Tensor]:
    """Colors [R, 3] and weights [R, S] of `field` at `depths` [R, S]."""
    weights, features = sample_weights(field, rays, depths)
    directions = rays.view_directions.repeat_interleave(depths.shape[1], 0)
    rgb = field.color(features, directions).view(*depths.shape, 3)
    opacity = weights.sum(1, keepdim=True)
    return (weights[..., None] * rgb).sum(1) + (1 - opacity) * background, weights
