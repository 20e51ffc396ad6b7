"""Ray sampler: the objective stays what it was, hard rays come more often, priorities stay."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.distiller.samplers.ray import UNKNOWN, RaySampler
from nerfconvert.distiller.samplers.sampler import ChosenRays, RayBatch
from nerfconvert.volume import Aabb, FieldInfo
from tests.distiller.scene import cameras, filled_buffer, seeded

BOX = Aabb((-1, -1, -1), (1, 1, 1))


def hard(answers) -> torch.Tensor:
    """[R] bool: the rays that these tests call hard."""
    return answers.rays.directions[:, 0] > 0.1


def taught(buffer, error: float, beta: float = 1.0) -> RaySampler:
    """A sampler to which hard rays had `error`, the others 0.5."""
    sampler = RaySampler(cameras(), FieldInfo(aabb=BOX), beta)
    sampler.choose_rays(buffer, 100, seeded())
    for number, answers in enumerate(buffer.chunks):
        found = torch.where(hard(answers), error, 0.5)
        index, every = torch.arange(len(answers)), torch.ones(len(answers))
        batch = RayBatch(ChosenRays(answers, every, number, index, False), None, None)
        for _ in range(20):
            sampler.learn_rays(batch, found)
    return sampler


def some_function(answers) -> torch.Tensor:
    """[R] of the rays, larger for hard ones."""
    return answers.color.sum(-1) + 3 * answers.rays.directions[:, 0].abs() + hard(answers)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_importance_keeps_the_expectation_of_uniform_rays(monkeypatch, beta):
    """Drawn values, weighted, have the mean over all rays of the buffer; unweighted they do not."""
    buffer = filled_buffer(monkeypatch)
    sampler, generator = taught(buffer, 4.0, beta), seeded(5)
    wanted = float(torch.cat([some_function(answers) for answers in buffer.chunks]).mean())
    weighted, plain = [], []
    for _ in range(1500):
        drawn = sampler.choose_rays(buffer, 400, generator)
        values = some_function(drawn.answers)
        weighted.append(float((values * drawn.importance).mean()))
        plain.append(float(values.mean()))
    found = torch.tensor(weighted)
    assert abs(float(found.mean()) - wanted) < 4 * float(found.std()) / 1500**0.5
    assert abs(sum(plain) / 1500 - wanted) > 10 * float(found.std()) / 1500**0.5


def test_beta_zero_is_uniform(monkeypatch):
    buffer = filled_buffer(monkeypatch)
    sampler, generator = taught(buffer, 4.0, beta=0.0), seeded(5)
    counts = [torch.zeros(len(answers)) for answers in buffer.chunks]
    for _ in range(600):
        drawn = sampler.choose_rays(buffer, 800, generator)
        assert torch.equal(drawn.importance, torch.ones(len(drawn.answers)))
        counts[drawn.chunk] += torch.bincount(drawn.index, minlength=len(counts[drawn.chunk]))
    share = torch.cat(counts) / torch.cat(counts).mean()
    for part in share.split([len(c) for c in counts]):
        assert abs(float(part.mean()) - 1) < 0.15  # chunks in proportion to their rays
        assert float(part.std() / part.mean()) < 0.15  # rays alike: only chance differs


def test_hard_rays_come_in_proportion(monkeypatch):
    buffer = filled_buffer(monkeypatch)
    sampler, generator = taught(buffer, 4.0), seeded(5)
    hits = {True: 0, False: 0}
    for _ in range(300):
        drawn = sampler.choose_rays(buffer, 400, generator)
        count = int(hard(drawn.answers).sum())
        hits[True] += count
        hits[False] += len(drawn.index) - count
    n_hard = sum(int(hard(answers).sum()) for answers in buffer.chunks)
    n_easy = sum(len(answers) for answers in buffer.chunks) - n_hard
    mean = (4.0 * n_hard + 0.5 * n_easy) / (n_hard + n_easy)
    wanted = (0.25 + 0.75 * 4.0 / mean) / (0.25 + 0.75 * 0.5 / mean)
    found = (hits[True] / n_hard) / (hits[False] / n_easy)
    assert abs(found / wanted - 1) < 0.1


def test_a_step_has_about_the_samples_asked_for(monkeypatch):
    buffer = filled_buffer(monkeypatch)
    sampler, generator = taught(buffer, 4.0), seeded(5)
    sizes = [len(sampler.choose_rays(buffer, 600, generator).answers.samples) for _ in range(50)]
    assert abs(sum(sizes) / 50 - 600) < 40


def test_priorities_follow_the_buffer(monkeypatch):
    buffer = filled_buffer(monkeypatch)
    sampler = taught(buffer, 4.0)
    kept = [errors.clone() for errors in sampler.errors]
    buffer.chunks.pop(0)
    buffer.grow()
    sampler.choose_rays(buffer, 100, seeded())
    assert len(sampler.errors) == len(buffer.chunks) == 3
    assert torch.equal(sampler.errors[0], kept[1])
    assert torch.equal(sampler.errors[1], kept[2])
    assert torch.equal(sampler.errors[2], torch.full((len(buffer.chunks[2]),), UNKNOWN))


def test_gathered_rays_are_those_of_the_chunk(monkeypatch):
    buffer = filled_buffer(monkeypatch, 1)
    answers, index = buffer.chunks[0], torch.tensor([7, 0, 7, 30])
    gathered = answers.gather(index)
    parts = [answers.part(i, i + 1) for i in index.tolist()]
    for name in ("density", "rgb", "weights", "transmittance", "color", "opacity"):
        assert torch.equal(getattr(gathered, name), torch.cat([getattr(p, name) for p in parts]))
    assert torch.equal(gathered.samples.offsets, gathered.bounds)
    assert torch.equal(gathered.bounds.diff(), torch.cat([p.bounds.diff() for p in parts]))
    positions = torch.cat([p.samples.positions(p.rays) for p in parts])
    assert torch.equal(gathered.samples.positions(gathered.rays), positions)
    assert torch.equal(gathered.rays.origins, answers.rays.origins[index])
