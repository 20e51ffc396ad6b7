"""What rays see: waves of samples composited front to back, colors only where they show.

Exact to less than a step of 8 bits: a ray ends where it is opaque but for `STOP`, and a color
stands for at most `SHADE` of opacity beside that of its own sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels.shade_wave import shade_wave
from ..volume import RadianceField, Rays
from .waves import waves

SHADE = STOP = 3e-3
TINY = 1e-9  # keeps 0 / 0 finite


@dataclass(frozen=True)
class Shaded:
    """What R rays see: `color` [R, 3] premultiplied, `opacity` [R], `depth` [R] in the lengths of
    the box (opacity-weighted distance, 0 where nothing is hit)."""

    color: Tensor
    opacity: Tensor
    depth: Tensor


@torch.no_grad()
def shade(
    field: RadianceField, rays: Rays, step: float, *, stop: float = STOP, grain: float = SHADE
) -> Shaded:
    """Marches R rays through `field` front to back while their transmittance is above `stop`; what
    is left then counts as more of what was seen. With `stop` and `grain` 0 all samples of the march
    are asked for density and color. NaN densities count as empty, NaN colors as black."""
    color = rays.near.new_zeros(len(rays), 3)
    seen, shown, depth = state = rays.near.new_ones(3, len(rays))
    depth.zero_()
    for samples in waves(field, rays, step, None, lambda: seen > stop):
        ray, mids = samples.ray_indices, samples.t_mids
        density, features = field.density_first(rays.points(ray, mids))
        packed = density, mids, samples.deltas, samples.offsets
        weights, *behind = shade_wave(*packed, seen, shown, depth, grain)
        torch.stack(behind, out=state)
        asked = weights.nonzero()[:, 0]
        ray = ray[asked]
        directions = rays.view_directions.index_select(0, ray)
        rgb = torch.nan_to_num(field.color(features(asked), directions), 0.0)
        color.index_add_(0, ray, rgb * weights[asked, None])
    opacity = torch.where(seen > stop, 1 - seen, 1.0) * (shown < 1)
    color *= (opacity / (1 - shown).clamp_min(TINY))[:, None]
    return Shaded(color, opacity, depth * opacity / (1 - seen).clamp_min(TINY))
