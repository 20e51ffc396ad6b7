"""Which part of a field anybody sees: the rest need not be taught."""

from __future__ import annotations

import torch
from torch import Tensor

from ..renderer.cameras import Cameras
from ..volume import Pace, RadianceField
from ..volume.occupancy import dilate
from .samplers.uniform import query_random_rays
from .streams import stream

RAYS, CHUNKS = 8192, 16  # rays asked at a time, and how often at most
STEPS = 512  # samples along the box diagonal: two in a cell
FAINT_SHARE = 1e-3  # of all render weight, in the faintest cells: not enough to be seen for
MISSED_SHARE = 3e-4  # of the render weight of fresh rays that may lie in dropped cells
REACH = 2  # cells around a seen one that are kept: rays are few
WIDE_REACH = 4  # more of them, where there was no time to be sure


@torch.no_grad()
def prune_unseen(
    teacher: RadianceField, cameras: Cameras, seed: int, pace: Pace | None = None
) -> None:
    """Drops the occupied cells of `teacher` that no ray of `cameras` shows.

    Render weights of random rays are summed cell by cell; the cells with the most weight that
    together hold all but `FAINT_SHARE` of it are seen, and so are those around them. Rays are asked
    until fresh ones show what is kept already, all but `MISSED_SHARE`. What goes: the inside
    of things, places behind them, faint floaters. A field that shows nothing keeps what it has.
    Where `pace` ends before fresh rays show nothing new, more is kept around what was seen.
    """
    pace = pace or Pace()
    known, step = teacher.occupancy.dense(), teacher.aabb.diagonal / STEPS
    weight = known.new_zeros(known.shape, dtype=torch.float32)
    kept = torch.zeros_like(known)
    for chunk in range(CHUNKS):
        pace.report("finding what cameras see", chunk / CHUNKS)
        if pace.limited and chunk and not pace.left:
            kept = dilate(kept, WIDE_REACH) & known
            break
        generator = stream("seen", seed, chunk)
        answers = query_random_rays(teacher, cameras, RAYS, step, generator)
        positions = answers.samples.positions(answers.rays)
        cells = (teacher.aabb.to_unit(positions) * len(known)).long().clamp(0, len(known) - 1)
        cells = tuple(cells.T)
        if answers.weights[~kept[cells]].sum() <= MISSED_SHARE * answers.weights.sum():
            break
        weight.index_put_(cells, answers.weights, accumulate=True)
        kept = dilate(_heaviest(weight), REACH) & known
    if kept.any():
        teacher.occupancy.assign(kept)


def _heaviest(weight: Tensor) -> Tensor:
    """[r, r, r] bool: the fewest cells that hold all but `FAINT_SHARE` of `weight` [r, r, r]."""
    places = weight.flatten().nonzero()[:, 0]
    ascending, order = weight.flatten()[places].sort()
    total = ascending.cumsum(0, dtype=torch.float64)
    heavy = torch.zeros(weight.numel(), dtype=torch.bool, device=weight.device)
    heavy[places[order[total > FAINT_SHARE * total[-1:]]]] = True
    return heavy.view(weight.shape)
