"""fast: our own recipe, in every part of which something of the published ones is left out."""

from __future__ import annotations

from ...errors import NerfConvertError
from ...renderer.occupancy import refine_occupancy
from ...renderer.sight import look
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
    bank = RayBank(teacher, task.cameras, step, own_seed(config), config.memory_mb)

    def begin() -> None:
        bank.grow()
        if not bank.lessons:
            raise NerfConvertError(
                f"the teacher ({teacher.architecture}) shows nothing to any camera: no ray crosses "
                "an occupied cell of its box; check the cameras' frame and scale"
            )

    return Plan(
        stages=curriculum(student, bank, task.clock),
        begin=begin,
        finish=lambda: refine_occupancy(student),
    )
