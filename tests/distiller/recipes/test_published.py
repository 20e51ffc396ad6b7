"""The published settings, checked against the numbers that their code implies."""

import math

import pytest
import torch

from nerfconvert.distiller.recipes.pvd.batch import Answer
from nerfconvert.distiller.recipes.pvd.pair import sample_loss
from nerfconvert.distiller.recipes.pvd.pvd_al import hard_samples
from nerfconvert.distiller.recipes.pvd.settings import (
    STEPS,
    AdamW,
    feature_weight,
    frobenius,
    peak_rates,
    published_step,
)
from nerfconvert.volume import Role, Samples
from tests.adapters.test_contract import tiny


@pytest.mark.parametrize(
    ("step", "weight"),
    [(1, 1.99e-3), (100, 1.2e-3), (500, 1.6e-4), (1000, 1.3e-5), (2000, 8.9e-8), (5000, 2.6e-14)],
)
def test_the_feature_weight_decays_from_the_first_step(step, weight):
    assert feature_weight(step) == pytest.approx(weight, rel=0.03)
    assert feature_weight(step + 138) == pytest.approx(feature_weight(step) / 2, rel=0.01)


def test_a_budget_of_the_published_length_has_the_published_steps():
    for taken in (0, 1, 1998, 1999, 4999, 29_999):
        assert published_step(taken / STEPS) == taken + 1


def test_other_budgets_are_the_same_run_compressed():
    assert published_step(100 / 300) == 10_001
    assert published_step(0.0) == 1


def test_frobenius_is_a_norm_whose_gradient_has_length_one():
    entries = torch.tensor([[3.0, 0.0], [0.0, -4.0]], requires_grad=True)
    norm = frobenius(entries)
    norm.backward()
    assert norm.item() == 5.0
    assert float(entries.grad.norm()) == pytest.approx(1.0)


def test_frobenius_of_equal_fields_has_a_gradient_of_zero():
    entries = torch.zeros(4, 3, requires_grad=True)
    frobenius(entries).backward()
    assert torch.equal(entries.grad, torch.zeros(4, 3))


def networks_and_tables(kind: str) -> tuple[list[float], list[float]]:
    """Peak rates of the networks and of the tables of a tiny field."""
    field = tiny(kind)
    rates = {id(p): rate for rate, params in peak_rates(field).items() for p in params}
    networks = field.parameters_of(Role.MATRIX, Role.VECTOR)
    tables = field.parameters_of(Role.TABLE, Role.ROW_TABLE)
    return [rates[id(p)] for p in networks], [rates[id(p)] for p in tables]


@pytest.mark.parametrize(
    ("kind", "of_networks", "of_tables"),
    [("hashgrid", {1e-2}, {1e-2}), ("tensorial", set(), {1e-2}), ("mlp", {1e-3}, set()),
     ("vm", {1e-3}, {1e-2}), ("cp", {1e-3}, {1e-2})],
)  # fmt: skip
def test_of_factorised_fields_only_the_factors_learn_fast(kind, of_networks, of_tables):
    networks, tables = networks_and_tables(kind)
    assert (set(networks), set(tables)) == (of_networks, of_tables)


def test_rates_fall_along_a_cosine_to_the_same_last_one():
    optimizer = AdamW(tiny("vm"))
    for fraction, part in ((0.0, 1.0), (0.5, 0.5), (1.0, 0.0), (0.25, 0.5 + math.sqrt(2) / 4)):
        optimizer.step(optimizer.schedule(7, fraction))
        found = [group["lr"] for group in optimizer.optimizer.param_groups]
        assert found == pytest.approx([7e-5 + (rate - 7e-5) * part for rate in (1e-2, 1e-3)])


def test_a_parameter_without_gradient_shrinks_by_weight_decay():
    """lr * 1e-2 a step: over the published run 0.22 of the value is left of a table."""
    field = tiny("hashgrid")
    before = field.table.detach().clone()
    field.table.grad = torch.zeros_like(field.table)
    AdamW(field).step(1.0)
    torch.testing.assert_close(field.table.detach(), before * (1 - 1e-4))
    left = 1.0
    for step in range(STEPS):
        rate = 7e-5 + (1e-2 - 7e-5) * AdamW.schedule(step, step / STEPS)
        left *= 1 - rate * 1e-2
    assert left == pytest.approx(0.22, abs=0.005)


def test_every_step_raises_the_versions():
    """A cache of a parameter, such as a table in half precision, goes by it."""
    field = tiny("hashgrid")
    optimizer = AdamW(field)
    for _ in range(2):
        versions = [p._version for p in field.parameters()]
        for p in field.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step(1.0)
        assert all(p._version > before for p, before in zip(field.parameters(), versions))


def test_fields_without_networks_have_one_group():
    optimizer = AdamW(tiny("tensorial"))
    assert len(optimizer.optimizer.param_groups) == len(optimizer.peaks) == 1


def test_the_sample_loss_is_the_weighted_sum_of_norms():
    wanted = Answer(torch.zeros(4, 2), torch.zeros(4), torch.ones(4), torch.zeros(4, 3))
    found = Answer(torch.full((4, 2), 3.0), torch.full((4,), 2.0), torch.ones(4), torch.ones(4, 3))
    norms = math.sqrt(12), 4.0, math.sqrt(8) * 3
    weights = 0.002, 0.002, 0.002 * 0.995**500
    expected = sum(w * n for w, n in zip(weights, norms))
    assert float(sample_loss(found, wanted, 500)) == pytest.approx(expected, rel=1e-5)
    half = sample_loss(found, wanted, 500, torch.tensor([True, False, False, False]))
    assert float(half) == pytest.approx(expected / 2, rel=1e-5)


def test_hard_samples_are_the_heaviest_of_rays_that_are_not_transparent():
    counts = [4, 0, 10, 3]
    offsets = torch.tensor([0, 4, 4, 14, 17])
    index = torch.repeat_interleave(torch.arange(4), torch.tensor(counts))
    samples = Samples(torch.zeros(17), torch.zeros(17), index, offsets)
    weights = torch.tensor([0.1, 0.4, 0.3, 0.2, *(i / 100 for i in range(10)), 0.3, 0.2, 0.1])
    chosen = hard_samples(weights, torch.tensor([1.0, 0.0, 0.5, 0.49]), samples)
    assert chosen.nonzero()[:, 0].tolist() == [1, 2, 10, 11, 12, 13]  # 2 of 4, 4 of 10, none of 3
