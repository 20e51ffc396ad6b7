"""fast: our own recipe, simpler in every part than the published ones."""

from __future__ import annotations

from ...errors import NerfConvertError
from ...renderer.visibility import estimate_visibility
from ...volume import Pace, RadianceField, TrainableField
from ...volume.occupancy import drop_untaught
from ..empty_cells import drop_empty_cells
from ..kept_start import KeptStart, starts_in_closed_form
from ..samplers.batches import BatchSampler
from ..stages import LARGE_NETWORKS, curriculum
from .plan import Plan, Task

MARCH_STEPS = 720  # samples along the box diagonal while training; rendering takes 1024
FEWER_STEPS = 360  # where a large network answers or learns
HELD_OUT_RAYS = 1024  # on which a student's end is compared with its start
FINISH_SHARE = 0.1  # of a budget in seconds, after it: what finding the student's cells may take


def march_steps(teacher: RadianceField, student: TrainableField) -> int:
    """Samples along the box diagonal while training.

    Of a large network, which gets few samples a second, other rays teach more than closer samples:
    400 instead of 720 gained 0.3 dB (Plenoptic PNG of lego to mlp, three seeds), 1.0 (krrish94's to
    mlp), 1.3 (mlp to vm) and 0.2 (mlp to hashgrid), and lost 0.3 between tables (to hashgrid, vm).
    """
    large = max(teacher.network_weights, student.network_weights) > LARGE_NETWORKS
    return FEWER_STEPS if large else MARCH_STEPS


def plan(task: Task) -> Plan:
    """Closed-form initialization, a buffer of teacher rays, stages that end on convergence; the
    start is put back where the end is below it, unless the run was resumed."""
    teacher, student = task.teacher, task.student
    step = teacher.aabb.diagonal / march_steps(teacher, student)
    sampler = BatchSampler(teacher, task.cameras, task.config, task.clock, step)

    seconds = task.config.seconds
    finish_seconds = None if seconds is None else FINISH_SHARE * seconds
    kept: list[KeptStart] = []

    def begin(pace: Pace) -> None:
        visibility = estimate_visibility(teacher, task.cameras, pace=pace)
        student.initialize_from(teacher, visibility, pace)
        drop_untaught(student, teacher)  # now: who looks at it in training sees what it will be
        pace.report("querying the first rays", 1.0)
        sampler.buffer.grow()
        if not sampler.buffer.chunks:
            raise NerfConvertError(
                f"the teacher ({teacher.architecture}) shows nothing to any camera: no ray crosses "
                "an occupied cell of its box; check the cameras' frame and scale"
            )
        if starts_in_closed_form(student):
            kept.append(KeptStart(student, sampler.buffer.held_out_rays(HELD_OUT_RAYS)))

    def finish() -> None:
        drop_untaught(student, teacher)  # again: a run may go on from where an older version was
        for start in kept:
            start.put_back_if_better()
        held_out = kept[0].held_out if kept else sampler.buffer.held_out_rays(HELD_OUT_RAYS)
        drop_empty_cells(student, held_out, finish_seconds)

    return Plan(
        stages=curriculum(student, sampler, task.config.empty),
        begin=begin,
        finish=finish,
        shared=sampler,
    )
