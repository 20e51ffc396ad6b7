"""Which part of a field anybody sees: the rest need not be taught."""

from __future__ import annotations

import torch
from torch import Tensor

from ..renderer.cameras import Cameras
from ..renderer.image import default_step
from ..volume import RadianceField
from ..volume.occupancy import dilate
from .lesson import ask_random

RAYS, CHUNKS = 8192, 3  # rays asked at a time, and how often
UNSEEN_SHARE = 1e-3  # of all render weight that may lie in dropped cells
REACH = 2  # cells around a seen one that are kept: rays are few


@torch.no_grad()
def keep_seen(teacher: RadianceField, cameras: Cameras, seed: int) -> None:
    """Drops the occupied cells of `teacher` that no ray of `cameras` shows.

    Render weights of random rays are summed cell by cell; the cells with the most weight that
    together hold all but `UNSEEN_SHARE` of it are seen. What goes: the inside of things, places
    behind them, faint floaters. A field that shows nothing keeps what it has.
    """
    known = teacher.occupancy.dense()
    weight = known.new_zeros(known.shape, dtype=torch.float32)
    for chunk in range(CHUNKS):
        generator = torch.Generator().manual_seed((seed << 16) + chunk)
        lesson = ask_random(teacher, cameras, RAYS, default_step(teacher), generator)
        positions = lesson.samples.positions(lesson.rays)
        cells = (teacher.aabb.to_unit(positions) * len(known)).long().clamp(0, len(known) - 1)
        weight.index_put_(tuple(cells.T), lesson.weights, accumulate=True)
    seen = dilate(_heaviest(weight), REACH) & known
    if seen.any():
        teacher.occupancy.assign(seen)


def _heaviest(weight: Tensor) -> Tensor:
    """[r, r, r] bool: the fewest cells that hold all but `UNSEEN_SHARE` of `weight` [r, r, r]."""
    ascending, order = weight.flatten().sort()
    kept = ascending.cumsum(0, dtype=torch.float64) > UNSEEN_SHARE * ascending.sum(
        dtype=torch.float64
    )
    heavy = torch.zeros_like(kept)
    heavy[order[kept]] = True
    return heavy.view(weight.shape)
