"""OccupancyGrid: one bit a cell over the box of a field, stored as 4x4x4 bricks of 64 bits."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from .aabb import Aabb

FAR = 8  # cells: what is at least as far from an occupied cell counts as that far
SLAB = 1 << 21  # cells packed or unpacked at once
# Of a cell's volume, that must lie in occupied cells of another grid: the rest counted as empty
# there and may hold anything. Real scenes: 37.7 dB, without this 32.7; in other files 41 and 34.
LEAST_SHARE = 3 / 8


class OccupancyGrid(nn.Module):
    """`resolution`^3 cells (a multiple of 4) over the unit cube of a box; starts full.

    Brick (bx, by, bz) is word ``(bx * B + by) * B + bz`` with B = resolution / 4; within it cell
    (x, y, z) is bit ``(x * 4 + y) * 4 + z``. The march kernel skips a whole empty word at once.
    """

    words: Tensor  # [(resolution / 4)^3] int64

    def __init__(self, resolution: int = 128):
        super().__init__()
        if resolution % 4 or not 4 <= resolution <= 1024:
            raise ValueError(f"resolution must be a multiple of 4 in 4..1024, got {resolution}")
        self.resolution = resolution
        self._measured: tuple | None = None
        self.register_buffer("words", torch.full(((resolution // 4) ** 3,), -1, dtype=torch.int64))

    def dense(self) -> Tensor:
        """[r, r, r] bool, indexed [x, y, z]."""
        dense = torch.empty((self.resolution,) * 3, dtype=torch.bool, device=self.words.device)
        bits = torch.arange(64, device=self.words.device)
        done = 0
        for slab in _slabs(dense):
            words = self.words[done : done + slab[..., 0, 0, 0].numel()]
            slab.copy_(((words[:, None] >> bits) & 1).view(slab.shape))
            done += len(words)
        return dense

    def assign(self, dense: Tensor) -> None:
        """Sets the cells to [r, r, r] bool, indexed [x, y, z]; the resolution may change.

        Raises ValueError unless it is a cube with a side that is a multiple of 4.
        """
        r = dense.shape[0]
        if dense.shape != (r, r, r) or r % 4:
            raise ValueError(f"occupancy must be a cube, side 4k, got {tuple(dense.shape)}")
        bits = torch.arange(64, device=dense.device)
        self.resolution, done = r, 0
        self.words = torch.empty((r // 4) ** 3, dtype=torch.int64, device=dense.device)
        for slab in _slabs(dense):
            cells = slab.reshape(-1, 64).long()
            self.words[done : done + len(cells)] = (cells << bits).sum(1)
            done += len(cells)

    def query(self, unit: Tensor) -> Tensor:
        """[N] bool: whether the cell of unit-cube points [N, 3] is occupied; False outside the
        cube."""
        inside = ((unit >= 0) & (unit <= 1)).all(-1)
        cell = (unit * self.resolution).long().clamp(0, self.resolution - 1)
        b = self.resolution // 4
        brick = cell // 4
        word = self.words[(brick[:, 0] * b + brick[:, 1]) * b + brick[:, 2]]
        local = cell % 4
        bit = (local[:, 0] * 4 + local[:, 1]) * 4 + local[:, 2]
        return inside & ((word >> bit) & 1).bool()

    def distances(self) -> Tensor:
        """[r, r, r] uint8, indexed [x, y, z]: cells to the nearest occupied one, diagonally or
        not, 0 in it and at most `FAR`. Kept until the words change."""
        state = self.words, self.words._version
        if self._measured is None or any(a is not b for a, b in zip(self._measured[0], state)):
            reached = self.dense()
            distances = torch.full(reached.shape, FAR, dtype=torch.uint8, device=reached.device)
            for cells in range(FAR):
                distances[reached & (distances == FAR)] = cells
                reached = dilate(reached)
            self._measured = state, distances
        return self._measured[1]

    def fraction(self) -> float:
        """Fraction of the cells that are occupied, 0 to 1."""
        return int(torch.count_nonzero(self.dense())) / self.resolution**3

    @property
    def full(self) -> bool:
        """Whether every cell is occupied, as where a file keeps no occupancy."""
        return bool((self.words == -1).all())

    def bounds(self) -> tuple[Tensor, Tensor] | None:
        """Unit-cube corners ([3], [3]) of the occupied cells, or None when all are empty."""
        cells = self.dense().nonzero()
        if not len(cells):
            return None
        return cells.amin(0) / self.resolution, (cells.amax(0) + 1) / self.resolution


def _slabs(dense: Tensor) -> tuple[Tensor, ...]:
    """Views [., b, b, 4, 4, 4] of [r, r, r], b = r / 4: the bricks of slabs along x; as int64 all
    at once, they would take 16 times the memory."""
    b = len(dense) // 4
    bricks = dense.view(b, 4, b, 4, b, 4).permute(0, 2, 4, 1, 3, 5)
    return bricks.split(max(1, SLAB // (64 * b**2)))


def dilate(dense: Tensor, cells: int = 1) -> Tensor:
    """[r, r, r] bool grown by `cells` in all 26 directions."""
    grown = dense
    for axis in range(3):
        before, grown = grown, grown.clone()
        for shift in range(1, cells + 1):
            rest = len(dense) - shift
            grown.narrow(axis, shift, rest).logical_or_(before.narrow(axis, 0, rest))
            grown.narrow(axis, 0, rest).logical_or_(before.narrow(axis, shift, rest))
    return grown


def transfer_occupancy(student, teacher) -> None:
    """Resamples the occupancy of `teacher` from its box to the box and grid of `student`."""
    cells, resolution = teacher.occupancy.dense(), student.occupancy.resolution
    student.occupancy.assign(resampled(cells, teacher.aabb, student.aabb, resolution))


def resampled(dense: Tensor, source: Aabb, target: Aabb, resolution: int) -> Tensor:
    """Cells [s, s, s] bool of the box `source` as `resolution`^3 cells of the box `target`.

    Every cell of the target that overlaps an occupied cell of the source is occupied.
    """
    cells, size = dense.nonzero(), len(dense)
    shrink = 1e-4  # of a cell: neighbors that share only a face do not overlap
    corners = [
        target.to_unit(source.from_unit((cells + shift) / size)) * resolution
        for shift in (shrink, 1 - shrink)
    ]
    first, last = (corner.floor().long() for corner in corners)
    near = ((last >= 0) & (first < resolution)).all(1)
    first, last = first[near].clamp_min(0), last[near].clamp_max(resolution - 1)
    edges = resolution + 1
    # Each cell's block of the target counts one: sums of its signed corners along all axes.
    counts = torch.zeros(edges**3, dtype=torch.int32, device=cells.device)
    for corner in itertools.product((0, 1), repeat=3):
        at = [(last[:, d] + 1 if beyond else first[:, d]) for d, beyond in enumerate(corner)]
        sign = counts.new_full((len(first),), (-1) ** sum(corner))
        counts.index_add_(0, (at[0] * edges + at[1]) * edges + at[2], sign)
    counts = counts.view((edges,) * 3)
    for axis in range(3):
        counts = counts.cumsum(axis, dtype=torch.int32)
    return counts[:-1, :-1, :-1] > 0


def covered_cells(
    dense: Tensor, source: Aabb, target: Aabb, resolution: int, share: float
) -> Tensor:
    """[s, s, s] bool of the box `target`: cells that are occupied in at least this share of their
    volume by cells [r, r, r] of the box `source`, as far as the middles of their octants tell."""
    cells = resampled(dense, source, target, resolution)
    grid = OccupancyGrid(len(dense)).to(dense.device)
    grid.assign(dense)
    index = cells.nonzero()
    shifts = torch.cartesian_prod(*[torch.tensor([0.25, 0.75])] * 3).to(dense.device)
    places = (source.to_unit(target.from_unit((index + shift) / resolution)) for shift in shifts)
    hits = sum(grid.query(place).int() for place in places)
    cells[tuple(index.T)] = hits >= share * len(shifts)
    return cells


def drop_untaught(student, teacher) -> None:
    """Drops cells of `student` that lie in those of `teacher` by a corner only. The rest of such a
    cell was never taught and may hold anything; a student that keeps no cell stays as it is."""
    known, size = student.occupancy.dense(), student.occupancy.resolution
    boxes = teacher.aabb, student.aabb
    kept = known & covered_cells(teacher.occupancy.dense(), *boxes, size, LEAST_SHARE)
    if kept.any():
        student.occupancy.assign(kept)
