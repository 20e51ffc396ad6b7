"""RayBuffer: what it keeps and learns, with chunks that hit nothing and errors that are NaN."""

from __future__ import annotations

import math

import pytest
import torch

from nerfconvert.distiller import ray_buffer
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.progress import Clock
from nerfconvert.distiller.ray_buffer import HELD_OUT, RayBuffer
from nerfconvert.distiller.teacher_rays import NewRays
from nerfconvert.volume import Rays

from .scene import cameras, filled_buffer, teacher

MISSING = (1, 2, HELD_OUT)  # chunks whose rays go past the teacher


def new_rays(chunk: int, count: int, generator: torch.Generator) -> NewRays:
    draw = torch.rand(2, count, generator=generator)
    rays = cameras().rays_at(torch.zeros(count, dtype=torch.int64), draw[0] * 24, draw[1] * 24)
    if chunk in MISSING:
        rays = Rays.of(rays.origins, -rays.directions)
    return NewRays(rays, torch.ones(count), torch.zeros(count, dtype=torch.int64))


@pytest.fixture
def make(monkeypatch):
    monkeypatch.setattr(ray_buffer, "CHUNK_RAYS", 64)
    config = DistillConfig(seconds=None, steps=9)

    def buffer(memory_mb: float) -> RayBuffer:
        return RayBuffer(teacher(), new_rays, 0.02, 0, memory_mb, Clock(config))

    return buffer


@pytest.mark.parametrize("kept", [2, 9])
def test_a_buffer_is_filled_again_with_the_same_chunks(make, kept):
    """Also where some hit nothing, and where the memory holds `kept` only."""
    whole = make(9.0)
    for _ in range(6):
        whole.grow()
    whole = make(sum(chunk.bytes() for chunk in whole.chunks[-kept:]) * 1e-6)
    for _ in range(6):
        whole.grow()
    assert whole.numbers == [0, 3, 4, 5][-kept:]
    again = make(whole.memory_mb)
    again.restore(whole.state())
    assert (again.made, again.numbers, again.oldest) == (6, whole.numbers, whole.numbers[0])
    for one, other in zip(whole.chunks, again.chunks, strict=True):
        assert torch.equal(one.color, other.color)


def test_held_out_rays_that_hit_nothing_are_none(make):
    assert make(9.0).held_out(100) is None


def test_errors_that_are_no_numbers_are_forgotten(monkeypatch):
    buffer = filled_buffer(monkeypatch, 1)
    schedule = buffer.schedule
    for error, new in ((2.0, False), (math.nan, False), (math.inf, True), (math.nan, True)):
        buffer.learn_error("rays", torch.tensor(error), new)
        schedule = buffer.schedule
        assert float(schedule.usual) == 2.0
        assert schedule.surprise == 1.5
    buffer.learn_error("rays", torch.tensor(4.0), True)
    assert schedule.surprise > 1.5
    buffer.learn_error("points", torch.tensor(math.nan), False)
    assert float(buffer.schedule.usual) == 0.0
