"""Visibility of a scene: the directions of its cameras, and what hides what from them."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..volume import Aabb, Frustum, Pace, RadianceField, Rays, Visibility, wait_for
from .cameras import Cameras

RESOLUTION = 96  # cells along the longest edge of the occupied box
POINTS_PER_CELL = 8  # that the teacher is asked about in a cell
MOST_POINTS = 1 << 19  # in all; cells are larger where this is too few
LEAST_POINTS, PROBED = 1 << 14, 1 << 13  # in all, however late it is; by which a field is timed
SHARE = 0.15  # of a start's time
EVEN = (0.8191725134, 0.6710436067, 0.5497004779)  # multiples mod 1 fill a cube (Roberts 2018)
BATCH = 1 << 16  # points asked at once
THROUGH = 8, 6  # places of a picture, across and up, whose directions stand for all
SIDEWAYS = 10.0  # degrees: how far LLFF's cameras look past each other, about
SKIP = 2  # cells in front of a place that cast no shadow on it: its own surface lies there


def estimate_visibility(
    teacher: RadianceField, cameras: Cameras, count: int = 32, *, pace: Pace | None = None
) -> Visibility:
    """How visible places of `teacher` are along at most `count` of the directions of `cameras`.

    The teacher is asked for its density in its occupied cells when `transmittance` is first called.
    The answer is that of the middle of a coarse cell; a place outside the occupied box counts as
    at its border. In the cube of a forward-facing field all lines of view run along z, about, and
    a place is seen in the directions near its own, that from the reference camera; where its view
    directions are those of the cube, a camera's are all alike. Cells are coarser where `SHARE` of
    what is left of `pace` asks for it.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    box, pace, info = teacher.occupied_box(), pace or Pace(), teacher.info
    frustum = info.frustum if info.view_directions == "world" else None
    if info.frustum is None:
        seen = _towards(box, cameras)
    else:
        seen = info.local_rays(through_pixels(cameras)).view_directions
    directions = spread(seen, count).to(teacher.device)
    lines = directions if frustum is None else directions.new_tensor([[0.0, 0.0, 1.0]])
    grid = functools.cache(lambda: _transmittance(teacher, box, lines, pace))

    def transmittance(positions: Tensor) -> Tensor:
        found = grid().at(positions)
        return found if frustum is None else found * _facing(frustum, positions, directions)

    return Visibility(directions=directions, transmittance=transmittance)


@torch.no_grad()
def _transmittance(
    teacher: RadianceField, box: Aabb, directions: Tensor, pace: Pace
) -> _Transmittance:
    pace.report("estimating visibility", 0.0)
    depth = _optical_depth(teacher, box, _affordable_points(teacher, pace), pace)
    values = torch.empty(*depth.shape, len(directions), dtype=torch.uint8, device=depth.device)
    for k, direction in enumerate(directions.tolist()):
        values[..., k] = (torch.exp(-_depth_in_front(depth, direction)) * 255).round().byte()
    return _Transmittance(box, values)


def spread(directions: Tensor, count: int) -> Tensor:
    """At most `count` of unit `directions` [V, 3], each the farthest from those before it."""
    chosen, nearest = [0], directions @ directions[0]
    while len(chosen) < min(count, len(directions)):
        chosen.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, directions @ directions[chosen[-1]])
    return directions[chosen]


def _towards(box: Aabb, cameras: Cameras) -> Tensor:
    """[V, 3] unit directions from the cameras to the middle of `box`; of a camera that stands
    there, the one in which it looks."""
    way = cameras.poses.new_tensor(box.center) - cameras.poses[:, :3, 3]
    ahead = -cameras.poses[:, :3, 2]
    stands_there = way.norm(dim=-1, keepdim=True) < 1e-6 * box.diagonal
    return torch.nn.functional.normalize(torch.where(stands_there, ahead, way), dim=-1)


def through_pixels(cameras: Cameras) -> Rays:
    """World rays through places spread over the pictures of `cameras`."""
    parts = (torch.arange(n) + 0.5 for n in (len(cameras), *THROUGH))
    views, x, y = torch.meshgrid(*parts, indexing="ij")
    columns, rows = x / THROUGH[0] * cameras.width, y / THROUGH[1] * cameras.height
    return cameras.rays_at(views.flatten().long(), columns.flatten(), rows.flatten())


def _facing(frustum: Frustum, positions: Tensor, directions: Tensor) -> Tensor:
    """[N, K] in [0, 1]: how near unit `directions` [K, 3] are to those in which the reference
    camera sees `positions` [N, 3] of the cube."""
    inside = torch.cat([positions[:, :2], positions[:, 2:].clamp(max=1 - 1e-4)], 1)
    own = torch.nn.functional.normalize(frustum.to_world(inside), dim=-1)
    return torch.exp((own @ directions.T - 1) / (1 - math.cos(math.radians(SIDEWAYS))))


def _affordable_points(field: RadianceField, pace: Pace) -> int:
    """How many points of `field` there is time to query; `MOST_POINTS` without a limit."""
    if not pace.limited:
        return MOST_POINTS
    begun = pace.spent
    unit = torch.rand(PROBED, 3, generator=torch.Generator().manual_seed(0)).to(field.device)
    field.density_at(field.aabb.from_unit(unit))
    wait_for(field.device)
    wanted = SHARE * pace.left * PROBED / max(pace.spent - begun, 1e-6)
    return int(min(MOST_POINTS, max(LEAST_POINTS, wanted)))


def _optical_depth(field: RadianceField, box: Aabb, most: int, pace: Pace) -> Tensor:
    """[X, Y, Z] mean optical depth of crossing a coarse cell, all cells being cubes.

    Points spread evenly over the occupied cells stand for them; NaN counts as empty.
    """
    cells = field.occupancy.dense().nonzero()
    volume = len(cells) * math.prod(field.aabb.size) / field.occupancy.resolution**3
    edge = max(max(box.size) / RESOLUTION, (volume * POINTS_PER_CELL / most) ** (1 / 3))
    count = math.ceil(volume * POINTS_PER_CELL / edge**3)
    shape = [max(1, round(size / edge)) for size in box.size]
    total = field.occupancy.words.new_zeros(shape, dtype=torch.float32)
    for index in torch.arange(count, device=cells.device).split(BATCH):
        within = index[:, None] * torch.tensor(EVEN, dtype=torch.float64, device=index.device) % 1
        unit = (cells[index * len(cells) // count] + within.float()) / field.occupancy.resolution
        positions = field.aabb.from_unit(unit)
        density = torch.nan_to_num(field.density_at(positions), 0.0)
        if field.aabb.contraction:
            density = density * field.aabb.contraction.stretch(positions)
        total.view(-1).index_add_(0, _cell(positions, box, shape), density)
        pace.report("estimating visibility", 0.0)
    return total * (volume / max(count, 1) / edge**2)


def _cell(positions: Tensor, box: Aabb, shape: list[int]) -> Tensor:
    """[N] flat index of the coarse cells of positions [N, 3], the nearest of those outside."""
    sizes = positions.new_tensor(shape)
    cell = (box.to_unit(positions) * sizes).clamp_min(0).minimum(sizes - 1).long()
    return (cell[:, 0] * shape[1] + cell[:, 1]) * shape[2] + cell[:, 2]


def _depth_in_front(depth: Tensor, direction: list[float]) -> Tensor:
    """[X, Y, Z] optical depth between the middle of each cell and a camera that looks along
    `direction`, without the nearest `SKIP` cells.

    All cells go the same way, so that a step is one shift of the whole grid.
    """
    before = torch.zeros_like(depth)
    step = 0
    while True:
        shift = [round(-(SKIP + step) * d) for d in direction]
        if any(abs(s) >= size for s, size in zip(shift, depth.shape)):
            return before
        here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(shift, depth.shape))
        there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(shift, depth.shape))
        before[here] += depth[there]
        step += 1


@dataclass(frozen=True)
class _Transmittance:
    """From each coarse cell towards each direction's camera, in 1 / 255."""

    box: Aabb
    values: Tensor  # [X, Y, Z, K] uint8

    def at(self, positions: Tensor) -> Tensor:
        """[N, K] in [0, 1] at world positions [N, 3]."""
        cell = _cell(positions, self.box, list(self.values.shape[:3]))
        return self.values.flatten(0, 2)[cell].float() / 255
