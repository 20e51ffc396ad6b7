"""Active stages: without a level they are the plain ones; with any, broken runs end as unbroken."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.distiller import bank as bank_module
from nerfconvert.distiller import stages as stages_module
from nerfconvert.distiller.active.levels import Levels
from nerfconvert.distiller.active.stages import ActivePointStage, ActiveRayStage
from nerfconvert.distiller.config import LEVELS, DistillConfig
from nerfconvert.distiller.descent import Hooks
from nerfconvert.distiller.loop import distill
from nerfconvert.distiller.stages import curriculum
from nerfconvert.errors import FormatError
from tests.distiller.scene import cameras, filled_bank, seeded, student, teacher

SETS = [(name,) for name in LEVELS] + [LEVELS]
STEPS = 40


def test_no_level_is_the_plain_stage(monkeypatch):
    bank, field = filled_bank(monkeypatch), student()
    for plain, active in zip(curriculum(field, bank, None), (ActivePointStage, ActiveRayStage)):
        wanted, found = plain.loss(seeded()), active(plain, Levels()).loss(seeded())
        torch.testing.assert_close(found.loss, wanted.loss, rtol=1e-6, atol=0)
        assert (found.samples, found.rays) == (wanted.samples, wanted.rays)


@pytest.mark.parametrize("names", SETS, ids=",".join)
def test_the_losses_have_the_expectation_of_plain_ones(monkeypatch, names):
    """Over many batches of one student; the point level alone changes the errors of rays."""
    levels = Levels.of(names, cameras(), teacher().aabb)
    bank, field = filled_bank(monkeypatch, asker=levels.camera), student()
    plain = curriculum(field, bank, None)
    plain[0].batch = 256
    active = ActivePointStage(plain[0], levels)
    generator = seeded()
    with torch.no_grad():
        found = torch.stack([active.loss(generator).loss for _ in range(150)])
        wanted = torch.stack([plain[0].loss(generator).loss for _ in range(150)])
    noise = (found.var() + wanted.var()).sqrt() / 150**0.5
    assert abs(float(found.mean() - wanted.mean())) < 4 * float(noise) + 0.01 * wanted.mean()


@pytest.mark.parametrize("names", [("ray",), ("point",), LEVELS], ids=",".join)
def test_samples_are_counted_as_computed(monkeypatch, names):
    levels = Levels.of(names, cameras(), teacher().aabb)
    bank, field = filled_bank(monkeypatch, asker=levels.camera), student()
    plain, asked = curriculum(field, bank, None)[1], []
    plain.batch = 400
    monkeypatch.setattr(
        field, "encode", lambda p: asked.append(len(p)) or type(field).encode(field, p)
    )
    stage, generator = ActiveRayStage(plain, levels), seeded()
    counted = [stage.loss(generator).samples for _ in range(20)]
    assert counted == asked
    assert abs(sum(counted) / 20 - 400) < 100  # a few rays of a small bank: not exact


@pytest.mark.parametrize("names", [(), *SETS], ids=",".join)
def test_a_new_lesson_tells_how_surprising_it_is(monkeypatch, names):
    """It comes next, once; whatever else comes changes nothing."""
    levels = Levels.of(names, cameras(), teacher().aabb)
    bank, field = filled_bank(monkeypatch, asker=levels.camera), student()
    points, rays = curriculum(field, bank, None)
    for plain, stage in (
        (points, ActivePointStage(points, levels)), (rays, ActiveRayStage(rays, levels))
    ):  # fmt: skip
        generator, seen = seeded(), []
        for step in range(9):
            if step in (4, 6):
                bank.grow()
            stage.loss(generator)
            seen.append(plain.growth.surprise)
        assert seen[0] == seen[3]
        assert seen[4] != seen[3]
        assert seen[4] == seen[5] != seen[6] == seen[8]
        assert 0.5 < seen[8] < 2.5


@pytest.fixture
def _often(monkeypatch):
    """Small chunks, and many of them: some are asked by scores before the break, some after."""
    monkeypatch.setattr(bank_module, "CHUNK_RAYS", 256)
    monkeypatch.setattr(stages_module, "CHUNK_EVERY", 4)
    monkeypatch.setattr(stages_module, "POINTS_UNTIL", 0.3)


@pytest.mark.usefixtures("_often")
@pytest.mark.parametrize("names", SETS, ids=",".join)
def test_a_resumed_run_ends_in_the_same_bytes(tmp_path, names):
    config, state = DistillConfig(seconds=None, steps=STEPS, active=names), tmp_path / "run.state"
    unbroken, broken, resumed = student(), student(), student(5)
    distill(teacher(), unbroken, cameras(), config)
    for stop in (7, 26):  # once among points, once among rays
        calls = iter(range(10_000))
        hooks = Hooks(should_stop=lambda calls=calls, n=stop - 7 * (stop > 7): next(calls) >= n)
        stopped = distill(
            teacher(), broken, cameras(), config, hooks=hooks, state_path=state, resume=True
        )
        assert stopped.interrupted
        assert stopped.steps == stop
    distill(teacher(), resumed, cameras(), config, state_path=state, resume=True)
    for name, tensor in unbroken.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    plain = student()
    distill(teacher(), plain, cameras(), DistillConfig(seconds=None, steps=STEPS))
    assert not all(torch.equal(a, b) for a, b in zip(plain.parameters(), unbroken.parameters()))


@pytest.mark.usefixtures("_often")
def test_a_state_of_other_levels_is_refused(tmp_path):
    state = tmp_path / "run.state"
    hooks = Hooks(should_stop=lambda: True)
    ray = DistillConfig(seconds=None, steps=5, active=("ray",))
    distill(teacher(), student(), cameras(), ray, hooks=hooks, state_path=state)
    plain = DistillConfig(seconds=None, steps=5)
    with pytest.raises(FormatError, match="active was ray, now none"):
        distill(teacher(), student(), cameras(), plain, state_path=state, resume=True)


def test_unknown_levels_are_named():
    with pytest.raises(ValueError, match="active must be among"):
        DistillConfig(active=("rays",))
