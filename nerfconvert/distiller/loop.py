"""distill(): a student learns a teacher's field. It knows neither architectures nor files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..renderer.cameras import Cameras
from ..volume import RadianceField
from ..volume.occupancy import adopt
from .clock import Clock
from .config import DistillConfig, refuse_active
from .descent import Descent, Hooks
from .progress import Distilled, Progress
from .recipes import RECIPES
from .recipes.plan import Task

# a start in closed form may take minutes where the teacher is slow
STARTING = Progress("start", step=0, seconds=0.0, fraction=0.0, psnr=None, rays=0, samples=0)


def distill(
    teacher: RadianceField,
    student: RadianceField,
    cameras: Cameras,
    config: DistillConfig,
    *,
    recipe: str = "fast",
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
    adopt(student, teacher)
    task = Task(teacher=teacher, student=student, cameras=cameras, config=config, clock=clock)
    plan = RECIPES[recipe](task)
    fingerprint = {
        "kind": "distill",
        "recipe": recipe,
        "memory_mb": config.memory_mb,
        "active": ",".join(config.active) or "none",
        "teacher": teacher.architecture,
    }
    descent = Descent(
        student, config, hooks, state_path, fingerprint, clock,
        new_optimizers=plan.optimizers,
    )  # fmt: skip
    if not (resume and descent.resume(plan.stages)):
        plan.begin()
        descent.initialise_s = clock.seconds
        if probe:
            clock.pause()
            descent.psnr_initial = probe()
            clock.resume()
    outcome = descent.run(plan.stages)
    if not outcome.interrupted:
        plan.finish()
    return outcome
