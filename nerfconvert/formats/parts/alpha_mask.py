"""alpha_mask: TensoRF's mask of what is not empty, as an occupancy, and back.

A mask is a lattice of bits over a box of its own, its first and last vertices on the faces. A place
is kept where the trilinear sample is above zero: in every cell that has a set vertex, and in one
cell more beyond a face, where their padding with zeros fades out. So an occupancy is written with
vertices at the centers of its cells too, and comes back as it was.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import FormatError
from ...volume import Aabb, Field
from .shown import shown
from .tensorf_settings import corners
from .torch_file import TorchFile

COARSE, LEAST, MOST = 128, 16, 512  # cells along an axis of an occupancy
FINER = 2  # cells of an occupancy for one of the mask's, where it cannot follow these
CLEAR = 1e-4  # of a cell of the mask: neighbors that share only a face do not overlap


def stored_mask(file: TorchFile, content: dict[str, Any], box: Aabb) -> Tensor:
    """[r, r, r] bool: the occupancy of `box` by the alpha mask."""
    packed = file.array(content["alphaMask.mask"], "alphaMask.mask")
    shape = content.get("alphaMask.shape")
    sizes = shape[2:] if isinstance(shape, tuple) else ()
    if len(sizes) != 3 or not all(type(n) is int and 2 <= n <= 4096 for n in sizes):
        raise FormatError(file.path, f"alphaMask.shape is {shown(shape)}; expected (1, 1, z, y, x)")
    count = math.prod(sizes)
    if packed.dtype != torch.uint8 or packed.shape != (-(-count // 8),):
        raise FormatError(file.path, f"alphaMask.mask has {packed.numel()} bytes for {count} bits")
    bits = np.unpackbits(packed.numpy(), count=count).reshape(sizes)
    mask = torch.from_numpy(bits.view(bool)).permute(2, 1, 0)
    mask_box = corners(file, content.get("alphaMask.aabb"), "alphaMask.aabb")
    return occupancy_of_mask(mask, mask_box, box)


def mask_entries(field: Field) -> dict[str, Any]:
    """The alpha mask of a field, none where its occupancy is full. The bits are bytes of a tensor,
    which the program reads as well, so that the pickle needs nothing of numpy."""
    dense = field.occupancy.dense().cpu()
    if dense.all():
        return {}
    mask = mask_of_occupancy(dense).permute(2, 1, 0).contiguous()
    return {
        "alphaMask.shape": (1, 1, *mask.shape),
        "alphaMask.mask": torch.from_numpy(np.packbits(mask.numpy())),
        "alphaMask.aabb": torch.tensor([field.aabb.low, field.aabb.high]),
    }


def occupancy_of_mask(mask: Tensor, mask_box: Aabb, box: Aabb) -> Tensor:
    """[r, r, r] bool: cells of `box` that overlap a cell which a mask [X, Y, Z] bool keeps.

    The mask's own cells where they can be those of an occupancy; else about `FINER` times as many,
    within `LEAST` and `MOST`.
    """
    size = len(mask) - 1
    kept = cells_between(torch.nn.functional.pad(mask, (1,) * 6))
    a_cube = mask.shape == (size + 1,) * 3 and size % 4 == 0 and size <= 1024
    if a_cube and torch.equal(_corners(mask_box), _corners(box)):
        return _coarsest(kept[1:-1, 1:-1, 1:-1])
    cells = [(n - 1) * a / b for n, a, b in zip(mask.shape, box.size, mask_box.size)]
    resolution = min(max(LEAST, 4 * math.ceil(FINER * max(cells) / 4)), MOST)
    for axis in (2, 1, 0):  # the slowest while there is least of it
        kept = _resampled(kept, axis, _edges(mask.shape[axis], axis, mask_box, box, resolution))
    return kept


def mask_of_occupancy(dense: Tensor) -> Tensor:
    """[n, n, n] bool: vertices that keep the cells [r, r, r] bool and no others; n is r + 1 where
    that can be, else 2r + 1.

    A vertex is set where all cells around it are occupied.
    """
    vertices = functools.reduce(_and_next, range(3), dense)
    if torch.equal(cells_between(vertices), dense):
        return vertices
    return functools.reduce(_and_next, range(3), functools.reduce(_twice, range(3), dense))


def _corners(box: Aabb) -> Tensor:
    """[2, 3] in float32, as files have them."""
    return torch.tensor([box.low, box.high])


def cells_between(mask: Tensor) -> Tensor:
    """[X - 1, Y - 1, Z - 1] bool: the cells between vertices [X, Y, Z] bool of which one is set."""
    return functools.reduce(_or_next, range(3), mask)


def _and_next(cells: Tensor, axis: int) -> Tensor:
    """One more along `axis`: both of two neighbors; at the ends the last one."""
    ends = cells.narrow(axis, 0, 1), cells.narrow(axis, cells.shape[axis] - 1, 1)
    return torch.cat([ends[0], cells], axis) & torch.cat([cells, ends[1]], axis)


def _or_next(values: Tensor, axis: int) -> Tensor:
    """One fewer along `axis`: each of `values` (bool), or the next one."""
    count = values.shape[axis] - 1
    return values.narrow(axis, 0, count) | values.narrow(axis, 1, count)


def _coarsest(cells: Tensor) -> Tensor:
    """The same set with half the cells an axis, as often as that is possible, down to `COARSE`."""
    while len(cells) > COARSE and len(cells) % 8 == 0:
        half = cells[::2, ::2, ::2]
        if not torch.equal(functools.reduce(_twice, range(3), half), cells):
            break
        cells = half
    return cells.contiguous()


def _twice(cells: Tensor, axis: int) -> Tensor:
    return cells.repeat_interleave(2, axis)


def _edges(vertices: int, axis: int, mask_box: Aabb, box: Aabb, resolution: int) -> Tensor:
    """Faces [r + 1] of the cells of `box` along `axis`, in cells of the padded mask."""
    low, size = box.low[axis], box.size[axis]
    world = low + size * torch.arange(resolution + 1, dtype=torch.float64) / resolution
    unit = (world - mask_box.low[axis]) / mask_box.size[axis]
    return 1 + unit * (vertices - 1)


def _resampled(kept: Tensor, axis: int, edges: Tensor) -> Tensor:
    """`kept` with one cell along `axis` for each interval of `edges`: whether it overlaps one."""
    count = kept.shape[axis]
    first, last = (edges[:-1] + CLEAR).floor().long(), (edges[1:] - CLEAR).ceil().long() - 1
    outside = (last < 0) | (first >= count)
    first, last = first.clamp(0, count - 1), last.clamp(0, count - 1)
    touched = kept.index_select(axis, first)
    for step in range(1, int((last - first).max()) + 1):
        touched |= kept.index_select(axis, torch.minimum(first + step, last))
    return touched.index_fill_(axis, outside.nonzero()[:, 0], False)
