"""rmsprop_rows: torch's own RMSprop, rows that stay, steps that have the learning rate's size."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.kernels.rmsprop_rows import rmsprop_rows

RATE, BETA = 0.03, 0.9


def test_all_rows_are_adam_without_momentum(backend):
    """torch's Adam with beta1 = 0 has the same correction for the first steps."""
    table = torch.randn(50, 28, dtype=torch.float64)
    theirs = torch.nn.Parameter(table.clone())
    adam = torch.optim.Adam([theirs], RATE, betas=(0.0, BETA), eps=1e-15)
    square, rows = torch.zeros_like(table), torch.randperm(50)
    for step in range(1, 6):
        grads = torch.randn(50, 28, dtype=torch.float64)
        theirs.grad = grads.clone()
        adam.step()
        rmsprop_rows(table, square, grads[rows], rows, RATE, BETA, step)
        torch.testing.assert_close(table, theirs.detach(), rtol=0, atol=1e-12)


def test_only_rows_with_a_gradient_change(backend):
    table, square = torch.randn(200, 5), torch.rand(200, 5)
    before = table.clone(), square.clone()
    rows = torch.tensor([7, 199, 30, -1, 200, 1 << 40])
    grads = torch.randn(6, 5)
    grads[2] = 0
    grads[1, 1:] = 0
    found = rmsprop_rows(table, square, grads, rows, RATE, BETA, 1)
    assert found[0] is table
    assert found[1] is square
    stays = torch.ones(200, dtype=torch.bool)
    stays[[7, 199]] = False
    for now, then in zip((table, square), before):
        assert torch.equal(now[stays], then[stays])
        assert bool((now[7] != then[7]).all())
    assert torch.equal(table[199, 1:], before[0][199, 1:])  # nothing to go by, but less certain
    torch.testing.assert_close(square[199, 1:], BETA * before[1][199, 1:])


def test_the_first_step_is_as_long_as_the_rate(backend):
    grads = torch.tensor([[1e-9, -3.0, 1e12]])
    table = torch.zeros(1, 3)
    rmsprop_rows(table, torch.zeros(1, 3), grads, torch.tensor([0]), RATE, BETA, 1)
    torch.testing.assert_close(table, -RATE * grads.sign(), rtol=1e-5, atol=0)


def test_a_table_with_gaps_is_refused():
    table = torch.zeros(4, 6)[:, ::2]
    with pytest.raises(ValueError, match="table must be contiguous, got strides"):
        rmsprop_rows(table, torch.zeros(4, 3), torch.zeros(1, 3), torch.tensor([0]), 0.1, 0.9, 1)
