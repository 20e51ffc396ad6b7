"""Prunes the cells of a teacher that no camera sees, which need not be distilled."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ..renderer.cameras import Cameras
from ..volume import Aabb, Pace, RadianceField
from ..volume.occupancy import dilate
from .samplers.uniform import query_random_rays
from .streams import stream

RAYS, CHUNKS = 8192, 16  # rays per query, and queries at most
STEPS = 512  # samples along the box diagonal: two in a cell
FAINT_SHARE = 1e-3  # of all rendering weight, in the faintest cells: these count as unseen
MISSED_SHARE = 3e-4  # of the rendering weight of fresh rays that may lie in dropped cells
REACH = 2  # cells kept around a visible one: rays are few
WIDE_REACH = 4  # cells kept around a visible one where time ran out before fresh rays agreed


@dataclass(frozen=True)
class Seen:
    """What random rays saw: places [S, 3], in the frame of the field, and their rendering
    weights [S]."""

    positions: Tensor
    weights: Tensor

    def outside(self, box: Aabb) -> float:
        """Share of the rendering weight outside of `box`, 0 to 1; 0 where nothing is seen."""
        total = float(self.weights.sum())
        return float(self.weights[~box.contains(self.positions)].sum()) / total if total else 0.0


@torch.no_grad()
def prune_unseen(
    teacher: RadianceField, cameras: Cameras, seed: int, pace: Pace | None = None
) -> Seen:
    """Drops the occupied cells of `teacher` that no camera of `cameras` sees.

    Rendering weights of random rays are summed per cell; the fewest cells that together hold all
    but `FAINT_SHARE` of the weight are visible, and they and those around them are kept. Rays are
    queried until all but `MISSED_SHARE` of the weight of fresh ones lies in kept cells; where
    `pace` ends earlier, more cells around the visible ones are kept. This drops the inside of
    objects, occluded places, faint floaters and stray cells. A field of which no ray shows
    anything is unchanged. Returns what the last rays saw before anything was dropped.
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
        teacher.occupancy.assign(_without_strays(kept, weight))
    return Seen(positions, answers.weights)


def _without_strays(kept: Tensor, weight: Tensor) -> Tensor:
    """Drops pieces of `kept` [r, r, r] that empty layers along an axis part from the rest and that
    hold no more than `FAINT_SHARE` of the rendering weight; a stray cell would enlarge the box of
    a student and coarsen all of it."""
    cells = kept.nonzero()
    weights = weight[tuple(cells.T)].double()
    faint, size = FAINT_SHARE * weights.sum(), len(kept)
    stays = torch.ones_like(weights, dtype=torch.bool)
    while True:
        before = int(stays.sum())
        for axis in cells.T:
            layers = torch.bincount(axis[stays], minlength=size) > 0
            held = torch.bincount(axis[stays], weights[stays], minlength=size)
            for start, end in _runs(layers.tolist()):
                if held[start:end].sum() <= faint:
                    stays &= (axis < start) | (axis >= end)
        if int(stays.sum()) == before:
            break
    clean = torch.zeros_like(kept)
    clean[tuple(cells[stays].T)] = True
    return clean


def _runs(layers: list[bool]) -> list[tuple[int, int]]:
    """First and last + 1 of each run of occupied layers."""
    edges = [k for k, (a, b) in enumerate(pairwise([False, *layers, False])) if a != b]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _heaviest(weight: Tensor) -> Tensor:
    """[r, r, r] bool: the fewest cells that hold all but `FAINT_SHARE` of `weight` [r, r, r]."""
    places = weight.flatten().nonzero()[:, 0]
    ascending, order = weight.flatten()[places].sort()
    total = ascending.cumsum(0, dtype=torch.float64)
    heavy = torch.zeros(weight.numel(), dtype=torch.bool, device=weight.device)
    heavy[places[order[total > FAINT_SHARE * total[-1:]]]] = True
    return heavy.view(weight.shape)
