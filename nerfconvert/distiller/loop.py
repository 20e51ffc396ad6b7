"""distill(): a student learns a teacher's field. It knows neither architectures nor files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import NerfConvertError
from ..renderer.cameras import Cameras
from ..renderer.occupancy import refine_occupancy
from ..renderer.sight import look
from ..volume import RadianceField
from ..volume.occupancy import adopt
from .bank import RayBank
from .clock import Clock
from .config import DistillConfig
from .descent import Descent, Hooks
from .progress import Distilled
from .stages import curriculum

MARCH_STEPS = 512  # samples along the box diagonal while training; half of what rendering uses


def distill(
    teacher: RadianceField,
    student: RadianceField,
    cameras: Cameras,
    config: DistillConfig,
    *,
    hooks: Hooks | None = None,
    probe: Callable[[], float] | None = None,
    state_path: Path | None = None,
    resume: bool = False,
) -> Distilled:
    """Trains `student` in place until `config`'s budget is spent.

    `cameras` are the views to be right in (world frame of both fields); `probe` measures the
    student before the first gradient step (dB) outside the clock; with `state_path` the run is
    saved there every 30 s and when stopped, and `resume` goes on from it. The student takes over
    the teacher's occupancy and drops what it leaves empty at the end. Raises NerfConvertError for
    a teacher that none of the rays hits, DivergedError when the student becomes NaN.
    """
    clock = Clock(config)
    adopt(student, teacher)
    student.start_from(teacher, look(teacher, cameras))
    bank = RayBank(
        teacher, cameras, teacher.aabb.diagonal / MARCH_STEPS, config.seed, config.memory_mb
    )
    fingerprint = {
        "kind": "distill",
        "memory_mb": config.memory_mb,
        "teacher": teacher.architecture,
    }
    descent = Descent(student, config, hooks or Hooks(), state_path, fingerprint, clock)
    stages = curriculum(teacher, student, bank, clock)
    if not (resume and descent.resume(stages)):
        bank.grow()
        descent.initialise_s = clock.seconds
        if probe:
            clock.pause()
            descent.psnr_initial = probe()
            clock.resume()
    if not bank.lessons:
        raise NerfConvertError(
            f"the teacher ({teacher.architecture}) shows nothing to any camera: no ray crosses an "
            "occupied cell of its box; check the cameras' frame and scale"
        )
    outcome = descent.run(stages)
    if not outcome.interrupted:
        refine_occupancy(student)
    return outcome
