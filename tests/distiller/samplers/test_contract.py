"""What every sampler must do: whatever it decides, importance keeps the expectation of uniform."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nerfconvert.distiller.samplers import SAMPLERS
from nerfconvert.distiller.samplers.batches import BatchSampler
from nerfconvert.distiller.samplers.sampler import ChosenRays, Sampler
from nerfconvert.distiller.stages import curriculum
from nerfconvert.distiller.teacher_rays import NewRays, TeacherRays, draw_samples
from tests.distiller.scene import filled_sampler, seeded, student

DRAWS = 300


def taught(monkeypatch, name: str) -> tuple[BatchSampler, Sampler]:
    """Batches of the sampler `name` alone, and it, after it has seen where a student errs."""
    batches, generator = filled_sampler(monkeypatch, active=(name,)), seeded()
    for stage in curriculum(student(), batches):
        stage.batch = 256
        for _ in range(30):
            stage.loss(generator)
    return batches, batches.active[name]


def some_function(answers: TeacherRays) -> Tensor:
    """[S] of the samples, larger where a student must learn more."""
    visible = answers.transmittance * (1 - torch.exp(-answers.density * answers.samples.deltas))
    return 0.3 + visible + answers.samples.positions(answers.rays)[:, 0].square()


def of_new_rays(batches: BatchSampler, sampler: Sampler) -> tuple[float, Callable[[], float]]:
    generator = seeded(1)
    return 1.0, lambda: float(sampler.draw_new_rays(9, 256, generator).importance.mean())


def of_rays(batches: BatchSampler, sampler: Sampler) -> tuple[float, Callable[[], float]]:
    generator, chunks = seeded(2), batches.buffer.chunks
    wanted = float(torch.cat([x.importance * (1 + x.color.sum(-1)) for x in chunks]).mean())

    def draw() -> float:
        drawn = sampler.choose_rays(batches.buffer, 400, generator)
        return float((drawn.importance * (1 + drawn.answers.color.sum(-1))).mean())

    return wanted, draw


def of_samples(batches: BatchSampler, sampler: Sampler) -> tuple[float, Callable[[], float]]:
    generator, answers = seeded(3), batches.buffer.chunks[0]
    candidates = draw_samples(answers, 100 * sampler.candidates, generator)
    values = some_function(answers)

    def draw() -> float:
        index, importance = sampler.choose_samples(answers, candidates, 100, generator)
        return float((values[index] * importance).mean())

    return float(values[candidates].mean()), draw


def of_kept(batches: BatchSampler, sampler: Sampler) -> tuple[float, Callable[[], float]]:
    generator, answers = seeded(4), batches.buffer.chunks[0]
    values, positions = some_function(answers), answers.samples.positions(answers.rays)

    def draw() -> float:
        index, importance = sampler.keep_samples(answers, positions, generator)
        return float((values[index] * importance).sum()) / len(values)

    return float(values.mean()), draw


DECISIONS = {
    "draw_new_rays": of_new_rays,
    "choose_rays": of_rays,
    "choose_samples": of_samples,
    "keep_samples": of_kept,
}
MADE = [
    (name, decision)
    for name in SAMPLERS
    for decision in DECISIONS
    if getattr(SAMPLERS[name], decision) is not getattr(Sampler, decision)
]


def off(batches: BatchSampler, sampler: Sampler, decision: str) -> float:
    """How far the weighted mean of many draws is from the uniform one, beyond what chance does."""
    wanted, draw = DECISIONS[decision](batches, sampler)
    found = torch.tensor([draw() for _ in range(DRAWS)])
    error = abs(float(found.mean()) - wanted)
    return error / (4 * float(found.std()) / DRAWS**0.5 + 1e-3 * wanted)


def weighted(decided, change: Callable[[Tensor], Tensor]):
    """What a sampler decided, with other importance weights."""
    if isinstance(decided, NewRays):
        return NewRays(decided.rays, change(decided.importance), decided.regions)
    if isinstance(decided, ChosenRays):
        return ChosenRays(**{**vars(decided), "importance": change(decided.importance)})
    index, importance = decided
    return index, change(importance)


@pytest.mark.parametrize(("name", "decision"), MADE)
def test_importance_keeps_the_expectation_of_uniform_draws(monkeypatch, name, decision):
    assert off(*taught(monkeypatch, name), decision) < 1


@pytest.mark.parametrize(("name", "decision"), MADE)
def test_wrong_importance_is_found(monkeypatch, name, decision):
    batches, sampler = taught(monkeypatch, name)
    right = getattr(sampler, decision)
    monkeypatch.setattr(
        sampler, decision, lambda *a: weighted(right(*a), lambda x: 7 * torch.ones_like(x))
    )
    assert off(batches, sampler, decision) > 1


def test_every_sampler_decides_something():
    assert {name for name, _ in MADE} == set(SAMPLERS)
