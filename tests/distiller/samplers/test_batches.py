"""Batches: uniform draws count 1, active ones have their expectation; broken runs end alike."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.distiller import ray_buffer, stages
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.distiller.samplers import SAMPLERS
from nerfconvert.distiller.samplers.point import PointSampler
from nerfconvert.distiller.samplers.sampler import Sampler
from nerfconvert.distiller.stages import curriculum, query_student, samples_loss
from nerfconvert.distiller.trainer import Hooks
from nerfconvert.errors import FormatError
from tests.distiller.scene import cameras, filled_sampler, seeded, student, teacher

ALL = tuple(SAMPLERS)
SETS = [*((name,) for name in ALL), ALL]
STEPS = 40


def test_uniform_draws_count_one(monkeypatch):
    sampler = filled_sampler(monkeypatch)
    batch = sampler.rays(400, seeded())
    answers = batch.chosen.answers
    assert torch.equal(batch.chosen.importance, torch.ones(len(answers)))
    assert torch.equal(batch.samples.importance, torch.ones(len(answers.samples)))
    assert torch.equal(batch.samples.positions, answers.samples.positions(answers.rays))
    samples, _ = sampler.samples(100, seeded())
    assert torch.equal(samples.importance, torch.ones(100))


def test_only_the_sampler_that_decides_sets_the_size_of_a_batch(monkeypatch):
    """Neither the second of two that keep samples nor a first one that does not choose any."""
    sampler = filled_sampler(monkeypatch, active=("point",))
    alone = sampler.rays(400, seeded())
    sampler.samplers.insert(1, PointSampler(cameras(), teacher().info))
    both = sampler.rays(400, seeded())
    assert torch.equal(both.samples.positions, alone.samples.positions)
    plain = filled_sampler(monkeypatch)
    wanted, _ = plain.samples(100, seeded())
    idle = Sampler(cameras(), teacher().info)
    idle.candidates = 4
    plain.samplers.insert(0, idle)
    found, _ = plain.samples(100, seeded())
    assert torch.equal(found.positions, wanted.positions)


@pytest.mark.parametrize("names", SETS, ids=",".join)
def test_the_losses_have_the_expectation_of_uniform_ones(monkeypatch, names):
    """Over many batches of one student; the point sampler alone changes the errors of rays."""
    field = student()
    found, wanted = (
        _losses(curriculum(field, filled_sampler(monkeypatch, active=active))[0])
        for active in (names, ())
    )
    noise = (found.var() + wanted.var()).sqrt() / 150**0.5
    assert abs(float(found.mean() - wanted.mean())) < 4 * float(noise) + 0.01 * wanted.mean()


def _losses(stage) -> torch.Tensor:
    """[150] losses of as many small batches."""
    stage.batch = 256
    generator = seeded()
    with torch.no_grad():
        return torch.stack([stage.loss(generator).loss for _ in range(150)])


@pytest.mark.parametrize("names", SETS, ids=",".join)
def test_the_losses_of_samples_of_rays_have_the_expectation_of_uniform_ones(monkeypatch, names):
    """Those of kept samples too, while the samplers learn where to look."""
    field = student()
    found, wanted = (
        _sample_losses(field, filled_sampler(monkeypatch, active=active)) for active in (names, ())
    )
    noise = (found.var() + wanted.var()).sqrt() / 150**0.5
    assert abs(float(found.mean() - wanted.mean())) < 4 * float(noise) + 0.01 * wanted.mean()


def _sample_losses(field, sampler) -> torch.Tensor:
    """[150] losses at the samples of as many batches of rays."""
    stage, generator = curriculum(field, sampler)[1], seeded()
    stage.batch, losses = 1024, []
    with torch.no_grad():
        for _ in range(150):
            stage.loss(generator)
            samples = sampler.rays(1024, generator).samples
            losses.append(samples_loss(*query_student(field, samples), samples))
    return torch.stack(losses)


@pytest.mark.parametrize("names", [("ray",), ("point",), ALL], ids=",".join)
def test_samples_are_counted_as_computed(monkeypatch, names):
    field, asked = student(), []
    stage = curriculum(field, filled_sampler(monkeypatch, active=names))[1]
    stage.batch = 400
    monkeypatch.setattr(
        field, "encode", lambda p: asked.append(len(p)) or type(field).encode(field, p)
    )
    generator = seeded()
    counted = [stage.loss(generator).samples for _ in range(20)]
    assert counted == asked
    assert abs(sum(counted) / 20 - 400) < 100  # a few rays of a small buffer: not exact


@pytest.mark.parametrize("names", [(), *SETS], ids=",".join)
def test_a_new_chunk_tells_how_surprising_it_is(monkeypatch, names):
    """It comes next, once; whatever else comes changes nothing. Each stage has its own errors."""
    sampler = filled_sampler(monkeypatch, active=names)
    for stage in curriculum(student(), sampler):
        generator, seen = seeded(), []
        for step in range(9):
            if step in (4, 6):
                sampler.buffer.grow()
            stage.loss(generator)
            seen.append(sampler.buffer.schedule.surprise)
        assert seen[0] == seen[3] == 1.5
        assert seen[4] != seen[3]
        assert seen[4] == seen[5] != seen[6] == seen[8]
        assert 0.5 < seen[8] < 2.5


@pytest.fixture
def _often(monkeypatch):
    """Small chunks, and many of them: some are asked by scores before the break, some after."""
    monkeypatch.setattr(ray_buffer, "CHUNK_RAYS", 256)
    monkeypatch.setattr(ray_buffer, "REFILL_EVERY", 4)
    monkeypatch.setattr(stages, "SAMPLES_UNTIL", 0.3)


@pytest.mark.usefixtures("_often")
@pytest.mark.parametrize("names", SETS, ids=",".join)
def test_a_resumed_run_ends_in_the_same_bytes(tmp_path, names):
    config, state = DistillConfig(seconds=None, steps=STEPS, active=names), tmp_path / "run.state"
    unbroken, broken, resumed = student(), student(), student(5)
    distill(teacher(), unbroken, cameras(), config)
    for stop in (7, 28):  # once among points, once among rays, before a new chunk
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
def test_a_state_of_other_samplers_is_refused(tmp_path):
    state = tmp_path / "run.state"
    hooks = Hooks(should_stop=lambda: True)
    ray = DistillConfig(seconds=None, steps=5, active=("ray",))
    distill(teacher(), student(), cameras(), ray, hooks=hooks, state_path=state)
    plain = DistillConfig(seconds=None, steps=5)
    with pytest.raises(FormatError, match=r"budget.active was \('ray',\), now \(\)"):
        distill(teacher(), student(), cameras(), plain, state_path=state, resume=True)


def test_unknown_samplers_are_named():
    with pytest.raises(ValueError, match="active must be among"):
        DistillConfig(active=("rays",))
