"""adam_lines: torch's own Adam where every number has a gradient, nothing where none has one."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.kernels.adam_lines import LINE, adam_lines, marks_of

RATE, BETAS = 0.03, (0.9, 0.99)


def state_of(table: torch.Tensor) -> list[torch.Tensor]:
    marks = torch.zeros(marks_of(table), dtype=torch.uint8)
    return [torch.zeros_like(table), torch.zeros_like(table), torch.zeros_like(table), marks]


def test_numbers_with_a_gradient_step_as_in_torch(backend):
    table = torch.randn(77, dtype=torch.float64)  # the last line is cut
    theirs = torch.nn.Parameter(table.clone())
    adam = torch.optim.Adam([theirs], RATE, betas=BETAS, eps=1e-15)
    first, second, grad, marks = state_of(table)
    for step in range(1, 6):
        theirs.grad = torch.randn(77, dtype=torch.float64)
        grad.copy_(theirs.grad)
        marks.fill_(1)
        adam.step()
        adam_lines(table, first, second, grad, marks, RATE, *BETAS, step)
        torch.testing.assert_close(table, theirs.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_numbers_without_a_gradient_keep_value_and_means(backend, share):
    torch.manual_seed(0)
    table, first, second = torch.randn(25200), torch.randn(25200), torch.rand(25200)
    grad = torch.randn(25200) * (torch.rand(25200) < share / LINE)
    marks, reached = grad.view(-1, LINE).any(1).byte(), grad != 0
    before = table.clone(), first.clone(), second.clone()
    adam_lines(table, first, second, grad, marks, RATE, *BETAS, 3)
    for now, then in zip((table, first, second), before):
        assert torch.equal(now == then, ~reached)
    assert not grad.any()
    assert not marks.any()


def test_refused():
    table = torch.zeros(48)
    first, second, grad, marks = state_of(table)
    with pytest.raises(ValueError, match=r"marks must be \[3\]"):
        adam_lines(table, first, second, grad, marks[:2], RATE, *BETAS, 1)
    with pytest.raises(ValueError, match=r"marks must be torch\.uint8"):
        adam_lines(table, first, second, grad, marks.float(), RATE, *BETAS, 1)
    with pytest.raises(ValueError, match="grad must be contiguous"):
        adam_lines(table, first, second, torch.zeros(96)[::2], marks, RATE, *BETAS, 1)
    with pytest.raises(ValueError, match=r"table must be \[N\], got \[3, 16\]"):
        adam_lines(table.view(3, 16), first, second, grad, marks, RATE, *BETAS, 1)
