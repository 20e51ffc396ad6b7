"""distill(): a student learns a teacher's field. It knows neither architectures nor files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..kernels.precision import training_precision
from ..renderer.cameras import Cameras
from ..volume import Pace, RadianceField, TrainableField
from ..volume.occupancy import transfer_occupancy
from .checkpoint import digest_of, fingerprint_of
from .config import DistillConfig
from .progress import Clock, Distilled, Progress
from .recipes import DEFAULT, RECIPES, refuse
from .recipes.plan import Plan, Task
from .trainer import Hooks, Trainer

REPORT_EVERY = 0.25  # seconds between reports of the start


class StoppedError(Exception):
    """The caller asked to stop before the first step."""


def distill(
    teacher: RadianceField,
    student: TrainableField,
    cameras: Cameras,
    config: DistillConfig,
    *,
    recipe: str = DEFAULT,
    hooks: Hooks | None = None,
    probe: Callable[[], float] | None = None,
    spent: float = 0.0,
    state_path: Path | None = None,
    resume: bool = False,
) -> Distilled:
    """Trains `student` in place until `config`'s budget is spent.

    `cameras` are the views to be right in (world frame of both fields); `probe` measures the
    student before the first gradient step (dB) outside the clock; `spent` seconds of the budget are
    used already. With `state_path` the run is saved there every 30 s and at its end, and `resume`
    goes on from it. The student takes over the teacher's occupancy; what else happens is up to the
    `recipe`, a name of RECIPES. Of a budget in seconds all that comes before the first step takes
    the student's `start_share`, about. Raises NerfConvertError for a teacher that none of the rays
    hits, UsageError where `config` asks for active learning and the recipe has none, or the
    teacher's box is not of the world and the recipe needs one, DivergedError when the student
    becomes NaN.
    """
    refuse(recipe, config.active, teacher.info.bounded)
    hooks, clock = hooks or Hooks(), Clock(config)
    clock.go_on_from(spent)
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
        fingerprint=_fingerprint(task, recipe, plan) if state_path else {},
        new_optimizer=plan.new_optimizer,
        sparse=RECIPES[recipe].sparse,
    )
    with training_precision():  # a resumed run asks the teacher anew
        resumed = resume and trainer.resume()
    if not resumed:
        try:
            with training_precision():
                plan.begin(_pace(clock, hooks, student.start_share))
        except StoppedError:
            return Distilled([], 0, 0, 0, clock.seconds, clock.seconds, None, True, [])
        trainer.initialise_s = clock.seconds
        if probe:
            clock.pause()
            trainer.psnr_initial = probe()
            clock.resume()
    outcome = trainer.run()
    if not outcome.interrupted:
        plan.finish()
    return outcome


def _pace(clock: Clock, hooks: Hooks, share: float) -> Pace:
    """What is left of the start's `share` of the budget; it reports as training does, and stops."""
    told = clock.seconds

    def tell(what: str) -> None:
        if hooks.on_progress:
            seconds, fraction = clock.seconds, clock.fraction(0)
            hooks.on_progress(Progress(what, 0, seconds, fraction, None, rays=0, samples=0))

    def report(what: str, part: float) -> None:
        nonlocal told
        if clock.seconds - told < REPORT_EVERY:
            return
        told = clock.seconds
        if hooks.should_stop and hooks.should_stop():
            raise StoppedError
        tell(what)

    tell("start")
    seconds = clock.config.seconds
    left = None if seconds is None else max(0.0, share * seconds - clock.seconds)
    return Pace(left, report)


def _fingerprint(task: Task, recipe: str, plan: Plan) -> dict[str, str]:
    """What a saved state must agree with to be gone on with."""
    optimizers = plan.new_optimizer.description()
    teacher = digest_of(task.teacher)
    more = {"recipe": recipe, "optimizers": optimizers, "teacher": teacher}
    return fingerprint_of("distill", task.student, task.cameras, task.config, **more)
