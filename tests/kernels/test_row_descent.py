"""RowDescent: what look-ups change at once is what their gradients call for."""

from __future__ import annotations

import torch

from nerfconvert.kernels.row_descent import RowDescent, row_descent
from nerfconvert.kernels.voxel_lookup import first_rows, pack_vertices, voxel_lookup

CELLS = 9


def descended(threads: int, points: torch.Tensor, table: torch.Tensor, words: torch.Tensor):
    """The table after a step that teaches zeros and does not measure."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    table = torch.nn.Parameter(table.clone())
    descent = RowDescent(table)
    descent.rates.copy_(torch.logspace(-3, 0, 28))
    descent.steps.fill_(3)
    try:
        found = voxel_lookup(points, table, words, first_rows(words), CELLS, sparse=True)
        (found.square().sum() / 2).backward()
    finally:
        torch.set_num_threads(before)
    assert table.grad is None
    return table.detach()


def test_against_a_gradient_of_plain_torch(compiled):
    torch.manual_seed(0)
    words = pack_vertices(torch.rand((CELLS + 1,) * 3) < 0.5)
    points, table = torch.rand(2000, 3), torch.randn(int(first_rows(words)[-1]), 28)
    leaf = table.clone().requires_grad_()
    found = voxel_lookup(points, leaf, words, first_rows(words), CELLS)
    (gradient,) = torch.autograd.grad(found.square().sum() / 2, leaf)
    got = descended(1, points, table, words)
    torch.testing.assert_close(got, table - torch.logspace(-3, 0, 28) * gradient)
    assert torch.equal(descended(2, points, table, words), got)


def test_some_steps_measure(compiled):
    """There the gradient is made, as without a descent."""
    words = pack_vertices(torch.ones((CELLS + 1,) * 3, dtype=torch.bool))
    table = torch.nn.Parameter(torch.zeros(1000, 28))
    descent, measured = RowDescent(table), []
    for step in range(100):
        descent.steps.fill_(step)
        found = voxel_lookup(torch.rand(5, 3), table, words, first_rows(words), CELLS, sparse=True)
        found.sum().backward()
        measured += [step] * (table.grad is not None)
        table.grad = None
    assert measured == [0, 1, 2, 4, 8, 16, 32, 64, 96]


def test_it_ends_with_its_holder_and_without_sparse_gradients(compiled):
    words = pack_vertices(torch.ones((CELLS + 1,) * 3, dtype=torch.bool))
    table = torch.nn.Parameter(torch.zeros(1000, 28))
    descent = RowDescent(table)
    descent.steps.fill_(3)
    assert row_descent(table) is descent
    voxel_lookup(torch.rand(5, 3), table, words, first_rows(words), CELLS).sum().backward()
    assert bool(table.grad.any())
    del descent
    assert row_descent(table) is None
