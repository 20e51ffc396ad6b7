"""A run that diverges is noticed, keeps its last good student, and can go on from there."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.adapters.tensorial.field import TensorialConfig, TensorialField
from nerfconvert.distiller.checkpoint import LastGood, is_finite
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.progress import Clock
from nerfconvert.distiller.stages import StepLoss
from nerfconvert.distiller.trainer import Hooks, Trainer
from nerfconvert.errors import DivergedError
from nerfconvert.volume import Aabb, FieldInfo, Role

TINY = HashgridConfig(n_levels=2, log2_table_size=8, finest_resolution=16, hidden_width=8)


def student() -> HashgridField:
    torch.manual_seed(0)
    return HashgridField(TINY, FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1))))


class Breaking:
    """A stage that asks for the density 1 everywhere, and whose loss is `bad` at step `at`."""

    name = "points"

    def __init__(self, field: HashgridField, at: int, bad: float):
        self.field, self.at, self.bad = field, at, bad

    def prepare(self, step, fraction):
        self.step = step
        return False

    def loss(self, generator):
        positions = torch.rand(64, 3, generator=generator) * 2 - 1
        loss = (self.field.density(self.field.encode(positions)) - 1).square().mean()
        return StepLoss(loss * self.bad if self.step == self.at else loss, 64)

    def finished(self, step, fraction):
        return False

    def state(self):
        return {}

    def restore(self, state): ...


def trainer(field, path, stage) -> Trainer:
    config = DistillConfig(seconds=None, steps=60)
    return Trainer(
        student=field, config=config, clock=Clock(config), stages=[stage], shared=None,
        hooks=Hooks(), state_path=path, fingerprint={},
    )  # fmt: skip


@pytest.mark.parametrize(("at", "noticed"), [(3, 10), (33, 40), (39, 40)])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverging_run_keeps_its_last_good_student(tmp_path, monkeypatch, at, noticed, bad):
    monkeypatch.setattr("nerfconvert.distiller.checkpoint.KEEP_EVERY", 0.0)
    path, field = tmp_path / "run.state", student()
    good = noticed - 10
    with pytest.raises(
        DivergedError, match=rf"step {noticed} \(stage points\).*step {good} is kept"
    ):
        trainer(field, path, Breaking(field, at, bad)).run()
    reached = student()
    sound = trainer(reached, None, Breaking(reached, -1, 1.0))
    sound.hooks.should_stop = lambda: sound.step >= good
    sound.run()
    for name, tensor in reached.state_dict().items():
        assert torch.equal(tensor, field.state_dict()[name]), name
    resumed = student()
    again = trainer(resumed, path, Breaking(resumed, -1, 1.0))
    assert again.resume()
    assert again.step == good
    assert torch.equal(resumed.table, field.table)
    assert again.run().steps == 60
    assert bool(resumed.table.isfinite().all())


def test_parameters_that_broke_unseen_are_never_kept(monkeypatch):
    """A finite loss does not mean finite parameters: the last update may have spoiled them."""
    field = student()
    good = LastGood(field, 0)
    monkeypatch.setattr("nerfconvert.distiller.checkpoint.KEEP_EVERY", 0.0)
    before = field.table.detach().clone()
    with torch.no_grad():
        field.table[3] = float("nan")
    assert not good.sound(10, torch.tensor(1.0))
    assert good.restore() == 0
    assert torch.equal(field.table, before)


def test_a_row_table_is_kept_in_half_of_its_memory():
    field = TensorialField(TensorialConfig(resolution=16), FieldInfo(aabb=Aabb((0,) * 3, (1,) * 3)))
    with torch.no_grad():
        field.table.normal_()
    before, words = field.table.detach().clone(), field.words.clone()
    good = LastGood(field, 0)
    with torch.no_grad():
        field.table.fill_(float("nan"))
    good.restore()
    assert field.table.dtype == torch.float32
    torch.testing.assert_close(field.table.detach(), before, rtol=2**-8, atol=0)
    assert torch.equal(field.words, words)


def test_without_a_state_the_student_itself_is_the_last_good_one():
    field = student()
    with pytest.raises(DivergedError, match="of step 0 is kept, or try"):
        trainer(field, None, Breaking(field, 5, float("nan"))).run()
    assert torch.equal(field.table, student().table)


class Falling(Breaking):
    """A stage of which a step ruins the network of the student, at step `at`."""

    def loss(self, generator):
        if self.step == self.at:
            with torch.no_grad():
                for p in self.field.parameters_of(Role.MATRIX, Role.VECTOR):
                    p.fill_(1e4)
        found = super().loss(generator)
        return StepLoss(found.loss, found.samples, error=found.loss.detach())


@pytest.mark.parametrize("at", [33, 39])
def test_a_student_that_falls_is_set_back_and_trained_on(monkeypatch, caplog, at):
    monkeypatch.setattr("nerfconvert.distiller.checkpoint.KEEP_EVERY", 0.0)
    field = student()
    run = trainer(field, None, Falling(field, at, 1.0))
    run.run()
    assert "the new field fell at step 40; it is trained on from step 30" in caplog.text
    assert run.step == 60
    whole = student()
    trainer(whole, None, Breaking(whole, -1, 1.0)).run()
    positions = torch.rand(64, 3) * 2 - 1
    errors = [(f.density(f.encode(positions)) - 1).square().mean() for f in (field, whole)]
    assert errors[0] < 3 * errors[1] + 1e-3


@pytest.mark.parametrize(
    ("values", "finite"),
    [
        ([1.0, -2.0], True),
        ([3e38, 3e38], True),
        ([1.0, math.inf], False),
        ([math.inf, -math.inf], False),
        ([3e38, 3e38, math.nan], False),
        ([], True),
    ],
)
def test_finite_values_whose_sum_overflows_are_finite(values, finite):
    assert is_finite(torch.tensor(values, requires_grad=True)) == finite
