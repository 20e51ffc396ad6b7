"""Depth as a picture, on one scale for all fields and frames of a film."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..renderer.cameras import Cameras
from ..renderer.image import Rendered, render_camera
from ..renderer.panes import depth_map
from ..volume import RadianceField
from .readable import readable

LOOKS, LOOK_WIDTH = 8, 48  # small views that the scale is found from
SHOWN = 0.02, 0.98  # quantiles of the distances in them: the scale's ends


@dataclass(frozen=True)
class DepthScale:
    """The ends of a scale of distances, in the lengths of the field's box."""

    near: float
    far: float

    @classmethod
    def of(cls, field: RadianceField, cameras: Cameras) -> DepthScale:
        """From what small views of `field`, spread over `cameras`, see."""
        height = max(1, round(LOOK_WIDTH * cameras.height / cameras.width))
        small, seen = cameras.resized(LOOK_WIDTH, height), []
        for view in torch.linspace(0, len(cameras) - 1, min(LOOKS, len(cameras))).long().tolist():
            depth, opacity = mean_depth(render_camera(field, small, view))
            seen.append(depth[opacity > 0.5])
        distances = torch.cat(seen)
        if not len(distances):
            return cls(0.0, field.aabb.diagonal)
        near, far = (float(distances.quantile(q)) for q in SHOWN)
        return cls(near, far)

    def picture(self, seen: Rendered, background: float) -> np.ndarray:
        """[H, W, 3] uint8 of what a camera saw, readable, with the scale."""
        depth, opacity = (readable(part).numpy() for part in mean_depth(seen))
        return depth_map(depth, opacity, (self.near, self.far), background)


def mean_depth(seen: Rendered) -> tuple[Tensor, Tensor]:
    """Distance [H, W] at which a view's rays end on average, and their opacity [H, W]; on the CPU.
    The distance is 0 where there is nothing."""
    return (seen.depth / seen.opacity.clamp_min(1e-6)).cpu(), seen.opacity.cpu()
