"""Hierarchical sampling: a coarse network finds where a fine one is asked, as in NeRF programs."""

from __future__ import annotations

import torch
from torch import Tensor

from nerfconvert.renderer.image import Rendered
from nerfconvert.volume import RadianceField, Rays

LAST_DELTA = 1e10  # length given to a ray's last sample: what is dense there hides the background
LEAST_PROBABILITY = 1e-5  # added to every weight, so that no bin is impossible
CHUNK = 2048  # rays rendered at once


@torch.no_grad()
def render_rays_hierarchical(
    coarse: RadianceField,
    fine: RadianceField,
    rays: Rays,
    *,
    n_coarse: int = 64,
    n_fine: int = 64,
    background: float = 1.0,
) -> Rendered:
    """What R rays see of `fine`, with the sampling that its program used when it rendered.

    `n_coarse` samples are evenly spaced from `near` to `far` of each ray; `n_fine` more follow
    the weights that `coarse` gives those, without randomness; `fine` is asked at all of them
    (NeRF, Mildenhall et al. 2020, section 5.2, in the form of nerf-pytorch). Occupancy and box
    play no part.
    """
    if n_coarse < 3 or n_fine < 1:
        raise ValueError(f"n_coarse >= 3 and n_fine >= 1 expected, got {n_coarse} and {n_fine}")
    parts = []
    for start in range(0, max(len(rays), 1), CHUNK):
        part = rays[start : start + CHUNK]
        steps = torch.linspace(0, 1, n_coarse, device=part.origins.device)
        depths = part.near[:, None] * (1 - steps) + part.far[:, None] * steps
        weights, _ = sample_weights(coarse, part, depths)
        middles = 0.5 * (depths[:, 1:] + depths[:, :-1])
        quantiles = torch.linspace(0, 1, n_fine, device=middles.device).expand(len(middles), -1)
        more = sample_bins(middles, weights[:, 1:-1], quantiles.contiguous())
        depths = torch.cat([depths, more], 1).sort(1).values
        weights, features = sample_weights(fine, part, depths)
        directions = part.view_directions.repeat_interleave(depths.shape[1], 0)
        rgb = fine.color(features, directions).view(*depths.shape, 3)
        opacity = weights.sum(1)
        color = (weights[..., None] * rgb).sum(1) + (1 - opacity[:, None]) * background
        parts.append((color, opacity, (weights * depths).sum(1)))
    return Rendered(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def sample_weights(field: RadianceField, rays: Rays, depths: Tensor) -> tuple[Tensor, Tensor]:
    """Compositing weights [R, S] of samples at `depths` [R, S], and features [R * S, F]."""
    positions = rays.origins[:, None] + rays.directions[:, None] * depths[..., None]
    features = field.encode(positions.view(-1, 3))
    density = field.density(features).view(depths.shape)
    deltas = torch.cat([depths.diff(dim=1), torch.full_like(depths[:, :1], LAST_DELTA)], 1)
    alpha = -torch.expm1(-density * deltas)
    transmittance = (1 - alpha + 1e-10).cumprod(1)
    return alpha * torch.cat(
        [torch.ones_like(transmittance[:, :1]), transmittance[:, :-1]], 1
    ), features


def sample_bins(edges: Tensor, weights: Tensor, quantiles: Tensor) -> Tensor:
    """[R, S]: `quantiles` [R, S] in [0, 1] of a histogram with `edges` [R, B + 1] and `weights`
    [R, B]."""
    weights = weights + LEAST_PROBABILITY
    cumulated = (weights / weights.sum(1, keepdim=True)).cumsum(1)
    cumulated = torch.cat([torch.zeros_like(cumulated[:, :1]), cumulated], 1)
    above = torch.searchsorted(cumulated, quantiles, right=True)
    below = (above - 1).clamp_min(0)
    above = above.clamp_max(cumulated.shape[1] - 1)
    low, high = cumulated.gather(1, below), cumulated.gather(1, above)
    span = high - low
    share = (quantiles - low) / torch.where(span < 1e-5, torch.ones_like(span), span)
    start = edges.gather(1, below)
    return start + share * (edges.gather(1, above) - start)
