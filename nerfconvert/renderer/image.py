"""Pictures from any field: march through its occupancy, query it, composite."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels.composite import composite
from ..kernels.precision import bfloat16_allowed
from ..volume import Aabb, RadianceField, Rays, Samples, at_once
from .cameras import Cameras
from .crop import cropped
from .shading import shade
from .waves import MOST

BACKGROUNDS = {"white": 1.0, "black": 0.0}
CHUNK, CHUNK_UNBOUNDED = 1 << 15, 1 << 13  # rays at once, on a CPU; far off there are more samples


@dataclass(frozen=True)
class Rendered:
    """What R rays see: `rgb` [R, 3] over the background, `opacity` [R], `depth` [R] in the
    lengths of the box (opacity-weighted distance, 0 where nothing is hit)."""

    rgb: Tensor
    opacity: Tensor
    depth: Tensor


def default_step(field: RadianceField) -> float:
    """Marching step in units of the box: its diagonal over 1024."""
    return field.aabb.diagonal / 1024


def rays_at_once(field: RadianceField, count: int) -> int:
    """`count` on a CPU; on a GPU as many as it has memory for, with a wave of samples each."""
    return at_once(count, field.device, MOST * (8 * field.feature_dim + 256))


def query(field: RadianceField, rays: Rays, samples: Samples) -> tuple[Tensor, Tensor]:
    """Density [S] and color [S, 3] of packed samples."""
    directions = rays.view_directions[samples.ray_indices]
    return field.decode(field.encode(samples.positions(rays)), directions)


def render_samples(
    density: Tensor, rgb: Tensor, samples: Samples, background: float | Tensor
) -> Rendered:
    """Composites packed samples; `background` is a gray level in [0, 1] or [R, 3]."""
    color, opacity, depth, _ = composite(
        density, rgb, samples.t_mids, samples.deltas, samples.offsets
    )
    return Rendered(color + (1 - opacity[:, None]) * background, opacity, depth)


@torch.no_grad()
def render_rays(
    field: RadianceField,
    rays: Rays,
    *,
    step: float | None = None,
    background: float = 1.0,
    chunk: int | None = None,
    fast: bool = False,
) -> Rendered:
    """Renders R world rays without gradients, `chunk` rays at a time (bounds memory).

    `fast` allows networks in bfloat16: about 60 dB from the exact picture, in half the time.
    """
    step, rays = step or default_step(field), field.info.local_rays(rays)
    chunk = chunk or rays_at_once(field, CHUNK_UNBOUNDED if field.aabb.contraction else CHUNK)
    parts = []
    for start in range(0, len(rays), chunk):
        with bfloat16_allowed() if fast else nullcontext():
            seen = shade(field, rays[start : start + chunk], step)
        rgb = seen.color + (1 - seen.opacity[:, None]) * background
        parts.append(Rendered(rgb, seen.opacity, seen.depth))
    if not parts:
        return Rendered(rays.origins.new_zeros(0, 3), *(rays.origins.new_zeros(0),) * 2)
    return _joined(parts)


def _joined(parts: list[Rendered]) -> Rendered:
    """What the rays of all `parts` see, one part after the other."""
    names = Rendered.__dataclass_fields__
    return Rendered(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def render_image(
    field: RadianceField,
    cameras: Cameras,
    view: int,
    *,
    step: float | None = None,
    background: float | None = None,
    on_chunk: Callable[[int], None] | None = None,
    crop: Aabb | None = None,
    fast: bool = False,
) -> Tensor:
    """[height, width, 3] sRGB in [0, 1] of one camera; as `render_camera`."""
    how = {"step": step, "background": background, "on_chunk": on_chunk, "crop": crop}
    return render_camera(field, cameras, view, **how, fast=fast).rgb


def render_camera(
    field: RadianceField,
    cameras: Cameras,
    view: int,
    *,
    step: float | None = None,
    background: float | None = None,
    on_chunk: Callable[[int], None] | None = None,
    crop: Aabb | None = None,
    fast: bool = False,
) -> Rendered:
    """What one camera sees, every tensor [height, width, ...], `rgb` in [0, 1], on a gray level
    `background` (None: that of the program which made the field); `on_chunk` hears rays done; of
    the world only the box `crop` is seen, where there is one; `fast` as in `render_rays`.

    Rays pass where those of the field's program do, which need not be pixel centers: its `info` has
    the shift.
    """
    if background is None:
        background = BACKGROUNDS[field.info.background]
    camera = cameras[view : view + 1].to(field.device)  # which makes the rays there
    rays = cropped(camera.view_rays(0, field.info.pixel_shift), crop)
    parts, chunk = [], rays_at_once(field, CHUNK)
    for start in range(0, len(rays), chunk):
        part = rays[start : start + chunk]
        parts.append(render_rays(field, part, step=step, background=background, fast=fast))
        if on_chunk:
            on_chunk(len(part))
    size, whole = (cameras.height, cameras.width), _joined(parts)
    return Rendered(
        whole.rgb.view(*size, 3).clamp(0, 1), whole.opacity.view(size), whole.depth.view(size)
    )
