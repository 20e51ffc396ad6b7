"""nerfacc (Li et al. 2023): its marcher and its compositing of packed rays."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from ..march import grid_resolution
from .backend import Backend

_grids = WeakIdKeyDictionary()  # words -> (their version, the cells that they hold)


def march(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    far: Tensor,
    low: Tensor,
    high: Tensor,
    words: Tensor,
    step: float,
) -> tuple[Tensor, Tensor, Tensor] | None:
    """`kernels.march` by `traverse_grids`, which keeps segments by their midpoints as ours does.

    It accumulates steps where ours multiplies: starts of segments differ by rounding, and a segment
    whose midpoint lies on a cell border may be kept by only one of the two.
    """
    if not len(origins):
        return None
    _, samples, _ = importlib.import_module("nerfacc").traverse_grids(
        origins,
        directions,
        cells_of(words)[None],
        torch.cat([low, high])[None],
        near_planes=near,
        far_planes=far,
        step_size=step,
    )
    counts = samples.packed_info[:, 1].to(torch.int64)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return samples.vals - 0.5 * step, samples.ray_indices.to(torch.int64), offsets


def composite(
    density: Tensor, rgb: Tensor, t_mids: Tensor, deltas: Tensor, offsets: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    """`kernels.composite` by nerfacc's weights and sums along rays."""
    if not len(density):
        return None
    nerfacc = importlib.import_module("nerfacc")
    rays, counts = len(offsets) - 1, offsets.diff()
    packed = torch.stack([offsets[:-1], counts], 1)
    # Only the length of a segment counts here; the difference of two distances would be rounded.
    begin = torch.zeros_like(deltas)
    weights = nerfacc.render_weight_from_density(begin, deltas, density, packed_info=packed)[0]
    every = torch.arange(rays, device=counts.device)
    ray = torch.repeat_interleave(every, counts, output_size=len(density))
    color, opacity, depth = (
        nerfacc.accumulate_along_rays(weights, values, ray, rays)
        for values in (rgb, None, t_mids[:, None])
    )
    return color, opacity[:, 0], depth[:, 0], weights


def cells_of(words: Tensor) -> Tensor:
    """[r, r, r] bool of bricks [(r / 4)^3], cached until they change."""
    version, cells = _grids.get(words, (None, None))
    if version != words._version:
        bricks = grid_resolution(words) // 4
        bits = (words[:, None] >> torch.arange(64, device=words.device)) & 1
        cells = bits.bool().view(bricks, bricks, bricks, 4, 4, 4).permute(0, 3, 1, 4, 2, 5)
        cells = cells.reshape(3 * (4 * bricks,))
        _grids[words] = words._version, cells
    return cells


def probe(nerfacc: ModuleType) -> None:
    """Checks weights of two samples of a ray, without nerfacc's CUDA part, which compiles for
    minutes. Raises ValueError where they are wrong."""
    times = torch.tensor([[0.0, 1.0, 2.0]])
    weights = nerfacc.render_weight_from_density(times[:, :-1], times[:, 1:], torch.ones(1, 2))[0]
    expected = torch.tensor([[1.0, 0.36787944]]) * 0.63212056
    if not torch.allclose(weights, expected, atol=1e-5):
        raise ValueError(f"wrong weights {weights.tolist()}")


NERFACC = Backend(
    name="nerfacc",
    cuda_only=True,
    package="nerfacc",
    install="`pip install nerfacc`; it compiles for minutes when it is first used",
    probe=probe,
    implementations={"march": march, "composite": composite},
)
