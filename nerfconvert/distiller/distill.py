"""distill(): a student learns a teacher's field. It knows neither architectures nor files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..renderer.cameras import Cameras
from ..volume import RadianceField, TrainableField
from ..volume.occupancy import transfer_occupancy
from .checkpoint import digest_of, fingerprint_of
from .config import DistillConfig
from .progress import Clock, Distilled, Progress
from .recipes import DEFAULT, RECIPES, refuse_active
from .recipes.plan import Task
from .trainer import Hooks, Trainer

# a start in closed form may take minutes where the teacher is slow
STARTING = Progress("start", step=0, seconds=0.0, fraction=0.0, psnr=None, rays=0, samples=0)


def distill(
    teacher: RadianceField,
    student: TrainableField,
    cameras: Cameras,
    config: DistillConfig,
    *,
    recipe: str = DEFAULT,
    hooks: Hooks | None = None,
    probe: Callable[[], float] | None = None,
    state_path: Path | None = None,
    resume: bool = False,
) -> Distilled:
    """Trains `student` in place until `config`'s budget is spent.

    `cameras` are the views to be right in (world frame of both fields); `probe` measures the
    student before the first gradient step (dB) outside the clock; with `state_path` the run is
    saved there every 30 s and when stopped, and `resume` goes on from it. The student takes over
    the teacher's occupancy; what else happens is up to the `recipe`, a name of RECIPES. Raises
    NerfConvertError for a teacher that none of the rays hits, UsageError where `config` asks for
    active learning and the recipe has none, DivergedError when the student becomes NaN.
    """
    refuse_active(config.active, recipe)
    hooks = hooks or Hooks()
    clock = Clock(config)
    if hooks.on_progress:
        hooks.on_progress(STARTING)
    transfer_occupancy(student, teacher)
    task = Task(teacher=teacher, student=student, cameras=cameras, config=config, clock=clock)
    plan = RECIPES[recipe].plan(task)
    trainer = Trainer(
        student=student,
        config=config,
        clock=clock,
        stages=plan.stages,
        shared=plan.shared,
        hooks=hooks,
        state_path=state_path,
        fingerprint=_fingerprint(task, recipe) if state_path else {},
        new_optimizer=plan.new_optimizer,
        sparse=RECIPES[recipe].sparse,
    )
    if not (resume and trainer.resume()):
        plan.begin()
        trainer.initialise_s = clock.seconds
        if probe:
            clock.pause()
            trainer.psnr_initial = probe()
            clock.resume()
    outcome = trainer.run()
    if not outcome.interrupted:
        plan.finish()
    return outcome


def _fingerprint(task: Task, recipe: str) -> dict[str, str]:
    """What a saved state must agree with to be gone on with."""
    teacher = digest_of(task.teacher)
    kind = "distill"
    return fingerprint_of(
        kind, task.student, task.cameras, task.config, recipe=recipe, teacher=teacher
    )
