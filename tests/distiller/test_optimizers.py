"""Muon's orthogonal updates, and which parameter goes to which optimizer."""

import itertools

import pytest
import torch
from torch import nn

from nerfconvert.distiller.optimizers import by_role
from nerfconvert.distiller.optimizers.adam import Adam
from nerfconvert.distiller.optimizers.by_role import (
    BY_ROLE,
    RoleOptimizer,
    schedule,
    training_bytes,
)
from nerfconvert.distiller.optimizers.muon import Muon, orthogonalize, stacked, together
from nerfconvert.distiller.optimizers.rows import FittedRows, RowRmsprop
from nerfconvert.kernels.kept_gradient import KeptGradient, kept_gradient
from nerfconvert.volume import Aabb, FieldInfo, ParameterGroup, Role, TrainableField

INFO = FieldInfo(aabb=Aabb((0, 0, 0), (1, 1, 1)))


@pytest.mark.parametrize("shape", [(32, 32), (64, 32), (32, 100), (1, 16)])
@pytest.mark.parametrize("scale", [1e-25, 1e-13, 1e-9, 1.0, 1e6, 1e25])
def test_orthogonalize_is_nearly_the_polar_factor(shape, scale):
    u, _, vh = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    spectrum = torch.logspace(0, -1.5, len(vh))  # the smallest is 2 % of the Schatten 4-norm
    matrix = scale * (u * spectrum) @ vh
    found = u.T @ orthogonalize(matrix[None])[0] @ vh.T
    assert torch.diagonal(found).sub(1).abs().max() < 0.2
    torch.testing.assert_close(found, torch.diag(found.diagonal()), atol=1e-3, rtol=0)


def test_orthogonalize_of_zero_is_zero():
    assert torch.equal(orthogonalize(torch.zeros(2, 16, 32)), torch.zeros(2, 16, 32))


def test_matrices_of_a_batch_do_not_meet():
    """Of very different sizes, and one of zeros."""
    matrices = torch.randn(4, 24, 16) * torch.tensor([1e-20, 1.0, 0.0, 1e20])[:, None, None]
    for matrix, found in zip(matrices, orthogonalize(matrices), strict=True):
        torch.testing.assert_close(found, orthogonalize(matrix[None])[0], atol=1e-5, rtol=0)


def test_small_matrices_of_any_shape_share_a_batch():
    shapes = [(64, 32), (16, 64), (128, 20), (7, 7), (128, 20)]
    matrices = [torch.randn(shape) for shape in shapes]
    assert together([x.shape for x in matrices]) == [[0, 1, 3], [2, 4]]
    small = matrices[:2] + matrices[3:4]
    for matrix, found in zip(small, orthogonalize(stacked(small)), strict=True):
        rows, columns = matrix.shape
        alone = orthogonalize(matrix[None])[0]
        torch.testing.assert_close(found[:rows, :columns], alone, atol=1e-5, rtol=0)
        assert not found[rows:].any()
        assert not found[:, columns:].any()


def test_muon_steps_each_matrix_as_if_alone():
    given = [nn.Parameter(torch.randn(shape)) for shape in [(64, 32), (16, 64), (130, 20)]]
    alone = [nn.Parameter(p.detach().clone()) for p in given]
    optimizers = [Muon(given, 0.1), *(Muon([p], 0.1) for p in alone)]
    for _ in range(2):
        for p, other in zip(given, alone):
            p.grad = torch.randn_like(p)
            other.grad = p.grad.clone()
        for optimizer in optimizers:
            optimizer.step(0.5)
    for p, other in zip(given, alone):
        torch.testing.assert_close(p, other, atol=1e-5, rtol=0)


def test_weights_do_not_grow_beyond_what_decay_allows():
    """However long a gradient points the same way; without decay they would reach 100."""
    weight = nn.Parameter(torch.randn(16, 16) / 16)
    optimizer, gradient = Muon([weight], 0.5), torch.randn(16, 16)
    for _ in range(200):
        weight.grad = gradient.clone()
        optimizer.step(1.0)
    bound = 1 / Muon.DECAY
    assert 0.5 * bound < torch.linalg.matrix_norm(weight, 2) < 1.2 * bound


class Roles(TrainableField):
    """A field of nothing but parameters, given by role."""

    def __init__(self, **given: list[nn.Parameter]):
        super().__init__(INFO)
        self.given = given

    def parameter_groups(self):
        return [ParameterGroup("space", Role[role], given) for role, given in self.given.items()]


def test_every_parameter_goes_to_the_optimizer_of_its_role():
    given = {role.name: [nn.Parameter(torch.zeros(4, 4)) for _ in range(2)] for role in Role}
    parts = RoleOptimizer(Roles(**given)).parts
    owners = [(type(part), part.lr, part.params) for part in parts]
    assert owners == [(*entry, given[role.name]) for role, entry in BY_ROLE.items()]
    assert set(BY_ROLE) == set(Role)


@pytest.mark.parametrize("role", Role)
def test_optimizers_hold_as_many_numbers_as_they_say(role):
    make, rate = BY_ROLE[role]
    held = make([nn.Parameter(torch.zeros(30, 40))], rate).state()
    assert sum(x.numel() for x in held) // 1200 == make.STATE_FLOATS


@pytest.mark.parametrize("role", Role)
def test_what_training_takes_follows_the_roles(role):
    """Parameter, gradient, state and copy; of rows no gradient where it is sparse, half a copy."""
    field = Roles(**{role.name: [nn.Parameter(torch.zeros(5, 2))]})
    state, rows = BY_ROLE[role][0].STATE_FLOATS, role is Role.ROW_TABLE
    assert training_bytes(field, sparse=True) == 4 * (state + (1.5 if rows else 3))
    assert training_bytes(field, sparse=False) == 4 * (2 + (2.5 if rows else 3))


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


def test_adam_of_a_kept_gradient_steps_what_is_reached():
    torch.manual_seed(0)
    mine, theirs = (nn.Parameter(torch.full((40, 16), 0.5)) for _ in range(2))
    adam, oracle = Adam([mine], lr=0.1), Adam([theirs[:10].detach().requires_grad_()], lr=0.1)
    kept = KeptGradient(mine)
    for _ in range(4):
        values, marks = kept.parts()
        values[:10] = torch.randn(10, 16)
        marks[:10] = 1
        oracle.params[0].grad = values[:10].clone()
        adam.step(1.0)
        oracle.step(1.0)
    torch.testing.assert_close(mine[:10], oracle.params[0])
    assert torch.equal(mine[10:], theirs[10:])


def test_gradients_of_tables_are_kept_where_they_may_be_sparse():
    for sparse in (True, False):
        field = Roles(TABLE=[nn.Parameter(torch.zeros(4, 4))])
        field.sparse_gradients = sparse
        optimizer = RoleOptimizer(field)
        assert bool(kept_gradient(optimizer.params[0])) == sparse


@pytest.mark.parametrize(("role", "kept"), [*((r, False) for r in Role), (Role.TABLE, True)])
def test_every_step_raises_the_version(role, kept):
    """A cache of a parameter, such as a table in half precision, goes by it."""
    p = nn.Parameter(torch.randn(40, 28))
    optimizer = BY_ROLE[role][0]([p], lr=0.1)
    gradient = KeptGradient(p) if kept else None
    versions = [p._version]
    for _ in range(2):
        p.grad = torch.randn(40, 28)
        if kept:
            values, marks = gradient.parts()
            values.copy_(p.grad)
            marks.fill_(1)
        optimizer.step(1.0)
        versions.append(p._version)
    assert versions[0] < versions[1] < versions[2]


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


def test_sparse_gradients_of_two_batches_are_summed():
    sparse, dense = (nn.Parameter(torch.ones(50, 28)) for _ in range(2))
    parts = [torch.randn(50, 28) * (torch.rand(50, 1) < 0.3) for _ in range(2)]
    sparse.grad, dense.grad = parts[0].to_sparse(1) + parts[1].to_sparse(1), sum(parts)
    for p in (sparse, dense):
        RowRmsprop([p], lr=0.1).step(0.5)
    torch.testing.assert_close(sparse, dense)


def test_many_rows_that_start_fitted_descend(monkeypatch):
    """Where look-ups may change them: several processes share gradients."""
    monkeypatch.setattr(by_role, "MANY_ROWS", 9)
    for fitted, sparse, rows in itertools.product((True, False), (True, False), (9, 10)):
        field = Roles(ROW_TABLE=[nn.Parameter(torch.zeros(rows, 28))])
        field.fitted, field.sparse_gradients = fitted, sparse
        (part,) = RoleOptimizer(field).parts
        assert type(part) is (FittedRows if fitted and sparse and rows > 9 else RowRmsprop)


def test_fitted_rows_descend_by_one_rate_a_column():
    """The usual gradient, of the rows that have one, moves a row by the rate; they are few."""
    p = nn.Parameter(torch.zeros(500, 2))
    optimizer = FittedRows([p], lr=0.1)
    grads = torch.tensor([3.0, -1e-3]) * torch.randn(500, 1) * (torch.arange(500) % 5 == 0)[:, None]
    usual = grads[::5].square().mean(0).sqrt()
    for step in (1, 2, 3):
        p.grad = grads.clone()
        optimizer.step(0.5)
        torch.testing.assert_close(p, -step * 0.05 * grads / usual)


def test_fitted_rows_go_on_where_they_were():
    given = [nn.Parameter(torch.zeros(50, 3)) for _ in range(2)]
    one, other = (FittedRows([p], lr=0.1) for p in given)
    for step in range(6):
        given[0].grad = torch.randn(50, 3)
        given[1].grad = given[0].grad.clone()
        one.step(1.0)
        other.step(1.0)
        if step == 2:
            other = FittedRows([given[1]], lr=0.1)
            for mine, theirs in zip(other.state(), one.state(), strict=True):
                mine.copy_(theirs)
    assert torch.equal(*given)


def test_a_restored_optimizer_takes_the_same_steps():
    def fresh():
        torch.manual_seed(3)
        return Roles(
            ROW_TABLE=[nn.Parameter(torch.randn(2000, 28))],
            MATRIX=[nn.Parameter(torch.randn(32, 32))],
            VECTOR=[nn.Parameter(torch.randn(5))],
        )

    def run(field, optimizer, seeds):
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            for p in field.parameters_of(*Role):
                p.grad = torch.randn(p.shape, generator=generator)
            optimizer.step(1.0)

    unbroken, broken = fresh(), fresh()
    straight, first = RoleOptimizer(unbroken), RoleOptimizer(broken)
    run(unbroken, straight, range(6))
    run(broken, first, range(3))
    second = RoleOptimizer(broken)
    second.load_state_dict(first.state_dict())
    run(broken, second, range(3, 6))
    for one, other in zip(unbroken.parameters_of(*Role), broken.parameters_of(*Role)):
        assert torch.equal(one, other)


def test_schedule_warms_up_and_ends_low():
    assert schedule(0, 0.0) < 0.2
    assert schedule(1000, 0.0) == 1
    assert schedule(1000, 1.0) == pytest.approx(0.01)
