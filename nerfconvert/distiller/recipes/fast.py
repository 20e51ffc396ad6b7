"""fast: our own recipe, in every part of which something of the published ones is left out."""

from __future__ import annotations

from ...errors import NerfConvertError
from ...renderer.occupancy import refine_occupancy
from ...renderer.sight import look
from ..active.levels import Levels
from ..active.stages import ActivePointStage, ActiveRayStage
from ..bank import RayBank
from ..parallel import own_seed
from ..stages import curriculum
from .plan import Plan, Task

MARCH_STEPS = 720  # samples along the box diagonal while training; rendering takes 1024


def fast(task: Task) -> Plan:
    """A closed-form start, a bank of answers, stages that end when they have converged."""
    teacher, student, config = task.teacher, task.student, task.config
    student.start_from(teacher, look(teacher, task.cameras))
    step = teacher.aabb.diagonal / MARCH_STEPS
    levels = Levels.of(config.active, task.cameras, teacher.aabb)
    seed, asker = own_seed(config), levels.camera
    bank = RayBank(teacher, task.cameras, step, seed, config.memory_mb, asker)
    points, rays = curriculum(student, bank, task.clock)
    if config.active:
        points, rays = ActivePointStage(points, levels), ActiveRayStage(rays, levels)

    def begin() -> None:
        bank.grow()
        if not bank.lessons:
            raise NerfConvertError(
                f"the teacher ({teacher.architecture}) shows nothing to any camera: no ray crosses "
                "an occupied cell of its box; check the cameras' frame and scale"
            )

    return Plan(
        stages=[points, rays],
        begin=begin,
        finish=lambda: refine_occupancy(student),
    )
