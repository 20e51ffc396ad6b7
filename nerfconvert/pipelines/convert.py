"""convert: checkpoint -> field -> distiller -> field -> checkpoint, and the receipt."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import __version__
from ..adapters import ADAPTERS
from ..distiller import parallel
from ..distiller.config import DistillConfig
from ..distiller.descent import Hooks
from ..distiller.loop import distill
from ..distiller.progress import Distilled, Progress
from ..distiller.seen import keep_seen
from ..errors import UsageError
from ..formats import save
from ..renderer.cameras import Cameras
from ..report.metrics import mean_psnr
from ..volume import RadianceField
from .accelerators import with_backend
from .checked import CheckedField, refuse_empty, warn_of_invalid
from .evaluation import Album, Pictures, held_out, teaching_cameras
from .files import check_holds, check_output, open_field, state_path
from .interrupt import InterruptedRunError, stop_on_signals
from .machine import machine, pick_device
from .option_groups import Budget, Job
from .options import ConvertOptions
from .planning import plan_student
from .quality import check_gates, curve_point, quality, render_speed
from .receipt import describe_file, receipt_path, stages, strict, write_json
from .students import field_config, student_info

SCHEMA = "nerfconvert.receipt/1"


@with_backend
def convert(
    options: ConvertOptions,
    *,
    argv: Sequence[str] = (),
    on_progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """The receipt of a conversion; writes OUT and OUT.receipt.json.

    Started by `torchrun`, all processes train one student; only the first measures and writes, the
    others return {}.

    `argv` is recorded. Raises UsageError, FormatError, OutputExistsError, UnsupportedError,
    BackendError, InterruptedRunError (the state is saved), and QualityError after writing OUT.
    """
    started = time.perf_counter()
    if options.gates.max_drop is not None and options.views.data is None:
        raise UsageError("--max-drop compares with the truth: give --data DIR as well")
    field_config(options.to, options.size, options.settings)  # a wrong one is named at once
    check_output(options.target, options.job.overwrite)
    check_holds(options.target, options.format, options.to)
    device = parallel.start(pick_device(options.where.device))
    teacher = CheckedField(open_field(options.source, device))
    refuse_empty(options.source, teacher)
    load_s = time.perf_counter() - started
    album = Album(held_out(teacher, options.views, options.job.seed))
    before = None if parallel.rank() else album.photograph(teacher)
    refuse_empty(options.source, teacher)
    cameras = teaching_cameras(teacher, options.views, options.job.seed)
    keep_seen(teacher, cameras, options.job.seed)
    parallel.same_everywhere(teacher.occupancy)
    info = student_info(teacher)
    config = plan_student(options.to, options, info, device, teacher)
    torch.manual_seed(options.job.seed)  # of the student's first weights
    student = ADAPTERS[options.to](config, info).to(device)
    outcome = _distilled(options, teacher, student, cameras, album, before, on_progress)
    if before is None:
        return {}
    after = album.photograph(student)
    warn_of_invalid(options.source, teacher)
    save(student, options.target, options.format, overwrite=True)
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "argv": list(argv),
        "seed": options.job.seed,
        "recipe": options.recipe,
        "active": ",".join(options.levels()) or "none",
        "source": {**describe_file(options.source, teacher), "nan": teacher.counts()},
        "target": describe_file(options.target, student),
        "quality": quality(album.evaluation, before, after, outcome.psnr_initial),
        "time": {**_time(outcome, album, started), "load_s": load_s},
        "stages": stages(outcome),
        "curve": outcome.curve,
        "render": render_speed(before, after),
        "protocol": album.evaluation.protocol,
        "machine": machine(device),
    }
    receipt = strict(document)
    write_json(receipt_path(options.target), receipt)
    state_path(options.target).unlink(missing_ok=True)
    check_gates(options.gates, receipt)
    return receipt


def distill_config(budget: Budget, job: Job, active: tuple[str, ...] = ()) -> DistillConfig:
    """The optimisation's own config."""
    seconds, steps = budget.limits()
    return DistillConfig(
        seconds=seconds, steps=steps, seed=job.seed, memory_mb=budget.memory_mb, active=active
    )


def _distilled(
    options: ConvertOptions,
    teacher: RadianceField,
    student: RadianceField,
    cameras: Cameras,
    album: Album,
    before: Pictures | None,
    on_progress: Callable[[Progress], None] | None,
) -> Distilled:
    """Trains `student` in place; the account of it."""
    state = state_path(options.target)

    def measure(seconds: float) -> dict[str, float]:
        return curve_point(seconds, album.photograph(student), before, album.evaluation)

    def probe() -> float:
        return mean_psnr(album.photograph(student).images, before.images)

    with stop_on_signals() as stop:
        outcome = distill(
            teacher,
            student,
            cameras,
            distill_config(options.budget, options.job, options.levels()),
            recipe=options.recipe,
            hooks=Hooks(
                on_progress=on_progress,
                should_stop=stop,
                checkpoints=options.budget.checkpoints() if before else (),
                on_checkpoint=measure,
            ),
            probe=probe if before else None,
            state_path=state,
            resume=options.job.resume,
        )
    if outcome.interrupted:
        raise InterruptedRunError(stop.signum, state)
    return outcome


def _time(outcome: Distilled, album: Album, started: float) -> dict[str, float]:
    return {
        "total_s": time.perf_counter() - started,
        "initialise_s": outcome.initialise_s,
        "distill_s": outcome.seconds,
        "evaluate_s": album.seconds,
        "steps": outcome.steps,
        "rays": outcome.rays,
        "samples": outcome.samples,
    }
