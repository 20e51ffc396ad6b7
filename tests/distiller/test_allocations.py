"""A training step takes the same memory again and again, and gives all of it back."""

from __future__ import annotations

import gc

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from nerfconvert.adapters import TRAINABLE
from nerfconvert.distiller import ray_buffer as buffer
from nerfconvert.distiller import train_images as images
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.live_occupancy import LiveOccupancy
from nerfconvert.distiller.optimizers.by_role import RoleOptimizer
from nerfconvert.distiller.progress import Clock
from nerfconvert.distiller.recipes import RECIPES
from nerfconvert.distiller.recipes.plan import Task
from nerfconvert.distiller.recipes.pvd import batch as published
from nerfconvert.volume import Pace
from nerfconvert.volume.occupancy import transfer_occupancy
from tests.test_device import VIEWS, student_on, teacher_on

CPU = torch.device("cpu")
SEED = 3  # of every step: the same batch
STEPS = 4


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(buffer, "CHUNK_RAYS", 512)
    monkeypatch.setattr(published, "BATCH_RAYS", 64)
    monkeypatch.setattr(images, "RESOLUTION", 16)


def allocations(run) -> tuple[int, int, int]:
    """How often `run` takes memory, how much in all, and how much of it is still held afterwards,
    in bytes; temporary memory within torch's own operations included."""
    gc.collect()
    gc.disable()  # else what others left may be freed meanwhile, and a cycle of ours not be seen
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            run()
    finally:
        gc.enable()
    events = recorded.profiler.kineto_results.events()
    sizes = [event.nbytes() for event in events if event.name() == "[memory]"]
    taken = [size for size in sizes if size > 0]
    return len(taken), sum(taken), sum(sizes)


def one_step(stage, optimizer) -> None:
    result = stage.loss(torch.Generator().manual_seed(SEED))
    result.loss.backward()
    optimizer.step(1e-6)  # so little that no sample changes its place


def assert_steady(stage, optimizer) -> None:
    """Every step after the first takes the same memory as often, and keeps nothing of it."""
    one_step(stage, optimizer)
    found = [allocations(lambda: one_step(stage, optimizer)) for _ in range(STEPS)]
    assert found == found[:1] * STEPS
    assert found[0][0] > 50
    assert found[0][2] == 0


def planned(recipe: str, name: str):
    teacher, student = teacher_on(CPU), student_on(CPU, name)
    transfer_occupancy(student, teacher)
    config = DistillConfig(seconds=None, steps=10, memory_mb=16)
    clock = Clock(config)
    task = Task(teacher=teacher, student=student, cameras=VIEWS, config=config, clock=clock)
    plan = RECIPES[recipe].plan(task)
    plan.begin(Pace())
    return student, plan


@pytest.mark.parametrize("name", TRAINABLE)
def test_steps_of_our_recipe(name):
    student, plan = planned("fast", name)
    optimizer = plan.new_optimizer(student)
    for stage in plan.stages:
        assert_steady(stage, optimizer)


def test_steps_of_pvd():
    student, plan = planned("pvd", "hashgrid")
    optimizer = plan.new_optimizer(student)
    plan.stages[0].prepare(0, 0.0)  # the camera
    for stage in plan.stages:
        assert_steady(stage, optimizer)


@pytest.mark.parametrize("name", TRAINABLE)
def test_steps_on_images(name):
    student = student_on(CPU, name)
    pictures, live = torch.rand(6, 16, 16, 3), LiveOccupancy(student)
    stage = images.ImageStage(student, VIEWS, pictures, 1.0, 2048, live)
    optimizer = RoleOptimizer(student)
    assert_steady(FixedRays(stage), optimizer)


class FixedRays:
    """A stage whose number of rays does not adapt."""

    def __init__(self, stage: images.ImageStage):
        self.stage = stage

    def loss(self, generator: torch.Generator):
        self.stage.rays = 64
        return self.stage.loss(generator)


def test_what_is_kept_is_seen():
    """The meter can fail: a step that keeps its loss, and one that takes more every time."""
    kept = []
    assert allocations(lambda: kept.append(torch.ones(1000)))[1:] == (4000, 4000)
    grown = [allocations(lambda n=n: torch.cat(kept * n))[1] for n in (2, 3)]
    assert grown == [8000, 12000]
    assert allocations(kept.clear) == (0, 0, -4000)
