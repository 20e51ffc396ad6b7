"""Ray level: the objective stays what it was, hard rays come more often, priorities keep theirs."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.distiller.active.rays import HOPE, Drawn, RayLevel
from tests.distiller.scene import filled_bank, seeded


def hard(lesson) -> torch.Tensor:
    """[R] bool: the rays that these tests call hard."""
    return lesson.rays.directions[:, 0] > 0.1


def taught(bank, error: float, beta: float = 1.0) -> RayLevel:
    """A level to which hard rays had `error`, the others 0.5."""
    level = RayLevel(beta)
    level.draw(bank, 100, seeded())
    for number, lesson in enumerate(bank.lessons):
        found = torch.where(hard(lesson), error, 0.5)
        for _ in range(20):
            index = torch.arange(len(lesson))
            level.learn(Drawn(lesson, torch.ones(len(lesson)), number, index), found)
    return level


def some_function(lesson) -> torch.Tensor:
    """[R] of the rays, larger for hard ones."""
    return lesson.color.sum(-1) + 3 * lesson.rays.directions[:, 0].abs() + hard(lesson)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_importance_keeps_the_expectation_of_uniform_rays(monkeypatch, beta):
    """Drawn values, weighted, have the mean over all rays of the bank; unweighted they do not."""
    bank = filled_bank(monkeypatch)
    level, generator = taught(bank, 4.0, beta), seeded(5)
    wanted = float(torch.cat([some_function(lesson) for lesson in bank.lessons]).mean())
    weighted, plain = [], []
    for _ in range(1500):
        drawn = level.draw(bank, 400, generator)
        values = some_function(drawn.lesson)
        weighted.append(float((values * drawn.importance).mean()))
        plain.append(float(values.mean()))
    found = torch.tensor(weighted)
    assert abs(float(found.mean()) - wanted) < 4 * float(found.std()) / 1500**0.5
    assert abs(sum(plain) / 1500 - wanted) > 10 * float(found.std()) / 1500**0.5


def test_beta_zero_is_uniform(monkeypatch):
    bank = filled_bank(monkeypatch)
    level, generator = taught(bank, 4.0, beta=0.0), seeded(5)
    counts = [torch.zeros(len(lesson)) for lesson in bank.lessons]
    for _ in range(600):
        drawn = level.draw(bank, 800, generator)
        assert torch.equal(drawn.importance, torch.ones(len(drawn.lesson)))
        counts[drawn.number] += torch.bincount(drawn.index, minlength=len(counts[drawn.number]))
    share = torch.cat(counts) / torch.cat(counts).mean()
    for part in share.split([len(c) for c in counts]):
        assert abs(float(part.mean()) - 1) < 0.15  # lessons in proportion to their rays
        assert float(part.std() / part.mean()) < 0.15  # rays alike: only chance differs


def test_hard_rays_come_in_proportion(monkeypatch):
    bank = filled_bank(monkeypatch)
    level, generator = taught(bank, 4.0), seeded(5)
    hits = {True: 0, False: 0}
    for _ in range(300):
        drawn = level.draw(bank, 400, generator)
        count = int(hard(drawn.lesson).sum())
        hits[True] += count
        hits[False] += len(drawn.index) - count
    n_hard = sum(int(hard(lesson).sum()) for lesson in bank.lessons)
    n_easy = sum(len(lesson) for lesson in bank.lessons) - n_hard
    mean = (4.0 * n_hard + 0.5 * n_easy) / (n_hard + n_easy)
    wanted = (0.25 + 0.75 * 4.0 / mean) / (0.25 + 0.75 * 0.5 / mean)
    found = (hits[True] / n_hard) / (hits[False] / n_easy)
    assert abs(found / wanted - 1) < 0.1


def test_a_step_has_about_the_samples_asked_for(monkeypatch):
    bank = filled_bank(monkeypatch)
    level, generator = taught(bank, 4.0), seeded(5)
    sizes = [len(level.draw(bank, 600, generator).lesson.samples) for _ in range(50)]
    assert abs(sum(sizes) / 50 - 600) < 40


def test_priorities_follow_the_bank(monkeypatch):
    bank = filled_bank(monkeypatch)
    level = taught(bank, 4.0)
    kept = [errors.clone() for errors in level.errors]
    bank.lessons.pop(0)
    bank.grow()
    level.draw(bank, 100, seeded())
    assert len(level.errors) == len(bank.lessons) == 3
    assert torch.equal(level.errors[0], kept[1])
    assert torch.equal(level.errors[1], kept[2])
    assert torch.equal(level.errors[2], torch.full((len(bank.lessons[2]),), HOPE))


def test_gathered_rays_are_those_of_the_lesson(monkeypatch):
    bank = filled_bank(monkeypatch, 1)
    lesson, index = bank.lessons[0], torch.tensor([7, 0, 7, 30])
    gathered = lesson.gather(index)
    parts = [lesson.part(i, i + 1) for i in index.tolist()]
    for name in ("density", "rgb", "weights", "light", "color", "opacity"):
        assert torch.equal(getattr(gathered, name), torch.cat([getattr(p, name) for p in parts]))
    assert torch.equal(gathered.samples.offsets, gathered.bounds)
    assert torch.equal(gathered.bounds.diff(), torch.cat([p.bounds.diff() for p in parts]))
    positions = torch.cat([p.samples.positions(p.rays) for p in parts])
    assert torch.equal(gathered.samples.positions(gathered.rays), positions)
    assert torch.equal(gathered.rays.origins, lesson.rays.origins[index])
