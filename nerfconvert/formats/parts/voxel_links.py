"""voxel_links: the dense index of svox2's voxels, as a lattice of a tensorial field, and back.

A center of a voxel is a vertex of ours, so interpolation between them is the same. Our lattice is a
cube: it goes on beyond the last voxels with vertices that are empty. Where voxels at a face have
density, the program keeps them constant up to half a voxel beyond, so there one more layer repeats
them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...adapters.tensorial.lattice import Lattice
from ...errors import FormatError, UnsupportedError
from ...volume import Aabb
from .alpha_mask import cells_between
from .npz_file import NpzFile

PLACE = "nerfconvert_place"  # our note: cells of the lattice, and where its voxels begin
STEP, COARSE, MOST = 4, 64, 1024  # cells: multiples of 4 to 64, then of 64
LARGEST_SHARE = 64  # times as many vertices as there are voxels, of a lattice beyond `COARSE`
OCCUPANCY = 256  # cells along an axis of an occupancy, at most
UNIT = Aabb((0.0,) * 3, (1.0,) * 3)


@dataclass(frozen=True)
class Embedding:
    """Voxels on a lattice of `cells` along each axis."""

    cells: int
    words: Tensor  # [B^3] int64, the stored vertices
    vertices: Tensor  # [V, 3] int64
    rows: Tensor  # [V] int64: the row of each
    sizes: tuple[int, ...]  # voxels along each axis of the file
    origin: tuple[int, ...]  # vertex of its first voxel
    repeated: bool  # whether a layer around them repeats the outermost


def embedded(file: NpzFile, density: Tensor) -> Embedding:
    """The voxels of the file's `links` [X, Y, Z], with `density` [N].

    Raises FormatError for links to rows that are not there, UnsupportedError for a grid that no
    lattice holds.
    """
    path, place = file.path, _place(file)
    links = file.array("links", None, None, None, kinds="i")
    sizes = links.shape
    if min(sizes) < 2:
        raise FormatError(path, f"links has shape {list(sizes)}; expected at least 2 on each axis")
    if int(links.max()) >= len(density):
        raise FormatError(path, f"links go up to {links.max()}; it has {len(density)} rows")
    found = torch.from_numpy(links)
    if int(torch.count_nonzero(found >= 0)) > len(density):
        raise FormatError(path, f"links has more voxels than there are rows ({len(density)})")
    repeated = place is None and _has_density_at_faces(found, density)
    if repeated:
        for axis, size in enumerate(sizes):
            found = found.index_select(axis, torch.arange(-1, size + 1).clamp(0, size - 1))
    cells, *origin = place or (fitting(max(found.shape)), *(int(repeated),) * 3)
    refuse_empty(path, cells, sizes)
    first = [0 if repeated else start for start in origin]
    if any(start + size > cells + 1 for start, size in zip(first, found.shape)):
        raise FormatError(path, f"its {PLACE} note does not fit links of {list(sizes)}")
    stored = torch.zeros((cells + 1,) * 3, dtype=torch.bool)
    stored[tuple(slice(a, a + n) for a, n in zip(first, found.shape))] = found >= 0
    lattice = Lattice.of(UNIT, stored)
    vertices = lattice.vertices.long()
    rows = found[tuple((vertices - torch.tensor(first)).T)].long()
    return Embedding(cells, lattice.words, vertices, rows, sizes, tuple(origin), repeated)


def _place(file: NpzFile) -> tuple[int, ...] | None:
    """Our note of the lattice; None in files of others. Raises FormatError."""
    if PLACE not in file.names:
        return None
    cells, *origin = file.array(PLACE, 4, kinds="i").tolist()
    if not 0 < cells <= MOST or cells != fitting(cells + 1) or min(origin) < 0:
        raise FormatError(file.path, f"its {PLACE} note is damaged: {[cells, *origin]}")
    return cells, *origin


def fitting(vertices: int) -> int:
    """Cells of the smallest lattice with so many vertices along an axis."""
    step = STEP if vertices - 1 <= COARSE else COARSE
    return step * math.ceil((vertices - 1) / step)


def refuse_empty(path: Path, cells: int, sizes: tuple[int, ...]) -> None:
    """Raises UnsupportedError where a lattice of `cells` would take far more than the voxels."""
    if cells > MOST or (cells > COARSE and (cells + 1) ** 3 > LARGEST_SHARE * math.prod(sizes)):
        raise UnsupportedError(
            f"{path}: its grid of {' x '.join(map(str, sizes))} voxels fits no cube of up to "
            f"{MOST + 1} a side that is not nearly empty"
        )


def _has_density_at_faces(links: Tensor, density: Tensor) -> bool:
    faces = (links.select(axis, at) for axis in range(3) for at in (0, -1))
    return any(bool((density[face[face >= 0].long()] > 0).any()) for face in faces)


def occupied_cells(voxels: Embedding, density: Tensor) -> Tensor:
    """[r, r, r] bool: where interpolated `density` [N] can be above zero."""
    positive = torch.zeros((voxels.cells + 1,) * 3, dtype=torch.bool)
    positive[tuple(voxels.vertices[density[voxels.rows] > 0].T)] = True
    kept = cells_between(positive)
    if voxels.repeated:  # the program looks no further than half a voxel beyond the last one
        for axis, size in enumerate(voxels.sizes):
            kept.narrow(axis, size + 1, voxels.cells - size - 1).fill_(False)
    share = next(
        k for k in range(1, voxels.cells) if voxels.cells % (4 * k) == 0
        and voxels.cells // k <= OCCUPANCY
    )  # fmt: skip
    groups = (voxels.cells // share, share) * 3
    return kept.view(groups).any(5).any(3).any(1)


def links_of(vertices: Tensor, cells: int) -> tuple[np.ndarray, list[int]]:
    """Links [X, Y, Z] int32 of rows in the order of `vertices` [V, 3], and the vertex at which they
    begin; one layer around them is empty where the lattice has one."""
    ends = (vertices.amin(0), vertices.amax(0)) if len(vertices) else (torch.zeros(3).long(),) * 2
    low, high = (ends[0] - 1).clamp_min(0), (ends[1] + 1).clamp(max=cells)
    links = torch.full((high - low + 1).tolist(), -1, dtype=torch.int32)
    links[tuple((vertices - low).T)] = torch.arange(len(vertices), dtype=torch.int32)
    return links.numpy(), low.tolist()
