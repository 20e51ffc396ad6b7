"""Muon's orthogonal updates, and which parameter goes to which optimizer."""

import pytest
import torch
from torch import nn

from nerfconvert.distiller.optimizers import (
    ADAM_RATE,
    MUON_RATE,
    TABLE_RATE,
    Adam,
    Muon,
    Optimizers,
    RowRmsprop,
    orthogonalize,
    schedule,
)


@pytest.mark.parametrize("shape", [(32, 32), (64, 32), (32, 100), (1, 16)])
@pytest.mark.parametrize("scale", [1e-25, 1e-13, 1e-9, 1.0, 1e6, 1e25])
def test_orthogonalize_is_nearly_the_polar_factor(shape, scale):
    u, _, vh = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    spectrum = torch.logspace(0, -1.5, len(vh))  # the smallest is 2 % of the Schatten 4-norm
    found = u.T @ orthogonalize(scale * (u * spectrum) @ vh) @ vh.T
    assert torch.diagonal(found).sub(1).abs().max() < 0.2
    torch.testing.assert_close(found, torch.diag(found.diagonal()), atol=1e-3, rtol=0)


def test_orthogonalize_of_zero_is_zero():
    assert torch.equal(orthogonalize(torch.zeros(16, 32)), torch.zeros(16, 32))


def test_every_parameter_goes_to_the_optimizer_of_its_kind():
    wide = nn.Parameter(torch.zeros(4096, 28))
    table, hidden = nn.Parameter(torch.zeros(4096, 2)), nn.Parameter(torch.zeros(64, 32))
    head, bias = nn.Parameter(torch.zeros(3, 64)), nn.Parameter(torch.zeros(64))
    optimizers = Optimizers({"space": [table, hidden, wide], "decoder": [head, bias]})
    owners = [(type(part), part.lr, part.params) for part in optimizers.parts]
    assert owners == [
        (RowRmsprop, TABLE_RATE, [wide]),
        (Adam, TABLE_RATE, [table]),
        (Adam, ADAM_RATE, [head, bias]),
        (Muon, MUON_RATE, [hidden]),
    ]


def test_adam_steps_as_torch_does():
    torch.manual_seed(0)
    mine, theirs = (nn.Parameter(torch.full((7,), 0.5)) for _ in range(2))
    adam = Adam([mine], lr=0.1)
    oracle = torch.optim.Adam([theirs], lr=0.1, betas=Adam.BETAS, eps=Adam.EPS)
    for _ in range(5):
        mine.grad = torch.randn(7)
        theirs.grad = mine.grad.clone()
        adam.step(1.0)
        oracle.step()
    torch.testing.assert_close(mine, theirs)


def test_sparse_and_dense_gradients_of_rows_are_one():
    torch.manual_seed(0)
    sparse, dense = (nn.Parameter(torch.ones(2000, 28)) for _ in range(2))
    optimizers = [RowRmsprop([p], lr=0.1) for p in (sparse, dense)]
    for _ in range(3):
        dense.grad = torch.randn(2000, 28) * (torch.rand(2000, 1) < 0.1)
        sparse.grad = dense.grad.to_sparse(1)
        for optimizer in optimizers:
            optimizer.step(0.5)
    assert torch.equal(sparse, dense)
    assert 0 < int((dense == 1).all(1).sum()) < 2000


def test_a_restored_optimizer_takes_the_same_steps():
    def fresh():
        torch.manual_seed(3)
        return {
            "space": [nn.Parameter(torch.randn(2000, 28))],
            "hidden": [nn.Parameter(torch.randn(32, 32))],
            "decoder": [nn.Parameter(torch.randn(5))],
        }

    def run(groups, optimizers, seeds):
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            for p in (p for group in groups.values() for p in group):
                p.grad = torch.randn(p.shape, generator=generator)
            optimizers.step(1.0)

    unbroken, broken = fresh(), fresh()
    straight, first = Optimizers(unbroken), Optimizers(broken)
    run(unbroken, straight, range(6))
    run(broken, first, range(3))
    second = Optimizers(broken)
    second.load_state_dict(first.state_dict())
    run(broken, second, range(3, 6))
    for name in unbroken:
        assert torch.equal(unbroken[name][0], broken[name][0])


def test_schedule_warms_up_and_ends_low():
    assert schedule(0, 0.0) < 0.2
    assert schedule(1000, 0.0) == 1
    assert schedule(1000, 1.0) == pytest.approx(0.01)
