"""Camera sampler: scores regions of views by error, aims new rays at hard ones from nearby."""

from __future__ import annotations

import torch
from torch import Tensor

from ...kernels.draw_weighted import draw_weighted
from ...renderer.cameras import Cameras
from ...volume import FieldInfo, Rays
from ..ray_buffer import RayBuffer
from ..teacher_rays import NewRays
from .averages import learn
from .sampler import RayBatch, Sampler
from .uniform import moved

TILES = 4  # regions along each side of a view
UNIFORM = 0.5  # of new rays, from uniformly random regions
NEAR = 0.2  # of the way to another camera, how far a camera moves at most
RATE = 0.2  # of the running mean of a region's errors


class CameraSampler(Sampler):
    """Scores of regions of `cameras`; a region is a tile of one view, and its number names both.

    Half of a chunk's rays are drawn uniformly. The others pass through regions drawn by score, from
    near the region's own camera: moved on the sphere about the middle a little towards another
    one, so that viewpoints stay close to those of cameras, and aimed at the same point. A ray has
    the importance weight 1 / odds of its region, whichever way it was drawn, so every region keeps
    its share of the objective; within it the two ways differ in how far a camera moves.
    """

    def __init__(self, cameras: Cameras, info: FieldInfo):
        self.cameras, self.middle = cameras, info.middle
        self.scores = torch.ones(len(cameras) * TILES * TILES)
        self.used: dict[int, Tensor] = {}  # by chunk: the scores with which it was drawn

    def draw_new_rays(self, chunk: int, count: int, generator: torch.Generator) -> NewRays:
        """A chunk that is drawn again, in a resumed run, uses the scores of the first time."""
        scores = self.used.setdefault(chunk, self.scores.cpu().clone())
        odds = UNIFORM + (1 - UNIFORM) * scores / scores.mean()
        fresh = UNIFORM if scores.min() < scores.max() else 1.0  # no region has errors yet
        hard = torch.randperm(count, generator=generator) >= round(fresh * count)
        anywhere = torch.randint(len(scores), (count,), generator=generator)
        draw = torch.rand(count, generator=generator, dtype=torch.float64)
        regions = torch.where(hard, draw_weighted(scores, draw), anywhere)
        return NewRays(self._through(regions, hard, generator), 1 / odds[regions], regions)

    def _through(self, regions: Tensor, near: Tensor, generator: torch.Generator) -> Rays:
        """Rays through random points of `regions`: from close to the camera if `near`, else as
        `draw_rays`."""
        cameras, count = self.cameras, len(regions)
        views, tile = regions // TILES**2, regions % TILES**2
        draw = torch.rand(4, count, generator=generator)
        columns = (tile % TILES + draw[0]) * (cameras.width / TILES)
        rows = (tile // TILES + draw[1]) * (cameras.height / TILES)
        rays = cameras.rays_at(views, columns, rows)
        others = torch.randint(len(cameras), (count,), generator=generator)
        shift = torch.where(draw[2] < 0.5, draw[3] * 0.5, torch.zeros(()))
        return moved(cameras, rays, others, torch.where(near, draw[3] * NEAR, shift), self.middle)

    def learn_rays(self, batch: RayBatch, errors: Tensor) -> None:
        self.scores = self.scores.to(errors.device)
        learn(self.scores, batch.chosen.answers.regions, errors, RATE)

    def state(self, buffer: RayBuffer) -> dict:
        """Without the scores of chunks that the buffer has dropped."""
        used = {chunk: scores for chunk, scores in self.used.items() if chunk >= buffer.oldest}
        return {"scores": self.scores, "used": used}

    def restore(self, state: dict) -> None:
        self.scores, self.used = state["scores"], dict(state["used"])
