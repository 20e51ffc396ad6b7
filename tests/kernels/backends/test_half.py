"""Our hash grids with their tables in half precision."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.kernels import KERNELS
from nerfconvert.kernels.backends import half
from nerfconvert.kernels.dispatch import use_backend
from nerfconvert.kernels.hash_encode import level_layout

from .grids import GRIDS, gradients, grid_arguments


def test_half_follows_the_table():
    table = torch.nn.Parameter(torch.randn(5, 2))
    first = half.in_half(table)
    assert torch.equal(first, table.detach().half())
    assert half.in_half(table) is first
    with torch.no_grad():
        table.add_(1.0)
    assert torch.equal(half.in_half(table), table.detach().half())


@pytest.mark.needs_cuda
@pytest.mark.parametrize("sizes", GRIDS)
def test_half_tables_are_rounded_tables(sizes):
    """The values bit for bit, whose gradients are those of the table itself."""
    unit, table, *layout = grid_arguments(level_layout(*sizes), torch.device("cuda"))
    rounded = table.detach().half().float().requires_grad_()
    want = KERNELS["hash_encode"].fast(unit, rounded, *layout)
    with use_backend("half", torch.device("cuda")):
        got = KERNELS["hash_encode"].fast(unit, table, *layout)
    assert torch.equal(got, want)
    mine, theirs = gradients(got, [table])[0], gradients(want, [rounded])[0]
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
